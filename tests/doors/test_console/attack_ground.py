"""A filled house whose state can be compared and put back, and the address of every door in it.

Answers for: opening it once for many tests, addresses made of ids that exist, and what counts as a
change. Does not answer for: any attack; those are in ``test_attacks_*``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from evergrant.entrances.console.doors import Admits, Door, all_doors
from evergrant.naming import new_id
from evergrant.ports.boards import SavedFilter
from evergrant.ports.signed_in import OperatorSession, SignInMethod
from evergrant.ports.traded import AmazonReport, AmazonReportStep
from evergrant.rules import ids
from evergrant.rules.rights import RIGHTS_OF_ROLE, Role
from tests.doors.test_console.conftest import Console, Window, open_console
from tests.doors.test_console.filled import SHOPS, Filled, fill

__all__ = [
    "STREAM",
    "Ground",
    "allowed",
    "doors",
    "opened_ground",
    "params_of",
    "url_of",
]

#: Answers as long as the browser listens; it has tests of its own.
STREAM = "/console/news"
_PARAM = re.compile(r"\{(\w+)\}")


def doors(method: str, *, inside: bool = True) -> list[Door]:
    """``inside``: only those for people who are signed in."""
    return [
        door
        for door in all_doors()
        if door.method == method
        and door.path != STREAM
        and (not inside or door.admits is Admits.OPERATOR)
    ]


def allowed(door: Door, role: Role) -> bool:
    return door.right is None or door.right in RIGHTS_OF_ROLE[role]


def params_of(path: str) -> list[str]:
    return _PARAM.findall(path)


def url_of(path: str, values: dict[str, str]) -> str:
    return _PARAM.sub(lambda found: values[found[1]], path)


@dataclass
class Ground:
    console: Console
    filled: Filled
    windows: dict[Role, Window] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    _kept: Any = None

    def values(self, path: str) -> dict[str, str]:
        """An id of a thing that exists for each name in the path."""
        filled = self.filled
        of_account_keys = path.startswith("/console/accounts/")
        run_waits = path.endswith("/decide")
        return {
            "account_id": filled.account_id,
            "application_id": filled.application_id,
            "instance_id": filled.instance_id,
            "run_id": filled.uncertain_id if run_waits else filled.run_id,
            "intake_id": filled.intake_id,
            "change_id": filled.change_id,
            "order_id": filled.order_id,
            "key_id": filled.connection_key_id if of_account_keys else filled.key_id,
            "operator_id": filled.operator_id,
            "invitation_id": filled.invitation_id,
            "event_id": filled.event_id,
            "notice_id": filled.notice_id,
            "reference": "EG-0000",
            "item": "H1",
            "link": f"egi_{'x' * 43}",
            **self.ids,
        }

    def url(self, path: str, **other: str) -> str:
        return url_of(path, {**self.values(path), **other})

    async def window(self, role: Role) -> Window:
        if role not in self.windows:
            self.windows[role] = await self.console.as_(role)
        return self.windows[role]

    # --- the state of the house -------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that is kept, except that somebody was seen."""
        store = self.console.fakes.store
        rows: dict[str, Any] = {name: dict(kept) for name, kept in store.rows.items()}
        return {**rows, "lines": list(store.lines), "events": list(store.events)}

    def keep(self) -> None:
        self._kept = self.state()

    def put_back(self) -> None:
        store = self.console.fakes.store
        for name in store.rows:
            store.rows[name].clear()
            store.rows[name].update(self._kept[name])
        store.lines[:] = self._kept["lines"]
        store.events[:] = self._kept["events"]

    def changes(self) -> list[str]:
        """Where the house is another one than when it was kept. Counts of calls, which are kept in
        memory, are written down when somebody wants to see them."""
        now = self.state()
        return [
            name for name, was in self._kept.items() if now[name] != was and name != "call_counts"
        ]


@asynccontextmanager
async def opened_ground(shops: Sequence[str] = SHOPS[:8], **environ: str) -> AsyncIterator[Ground]:
    console = await open_console(**environ)
    async with console.open_windows:
        ground = Ground(console, await fill(console, shops))
        now = console.fakes.clock.now()
        ground.ids = {
            "filter_id": new_id(ids.Kind.SAVED_FILTER, now),
            "report_id": new_id(ids.Kind.AMAZON_REPORT, now),
            "session_id": new_id(ids.Kind.OPERATOR_SESSION, now),
        }
        async with console.desk.store.transaction() as tx:
            await tx.saved_filters.add(_filter(ground, now))
            await tx.amazon_reports.add(_report(ground, now))
            await tx.operator_sessions.add(_session(ground, now))
        for role in Role:
            await ground.window(role)
        ground.keep()
        yield ground


def _filter(ground: Ground, now: datetime) -> SavedFilter:
    """Of Ada, who is nobody whose windows are opened here."""
    return SavedFilter(
        id=ground.ids["filter_id"],
        operator_id=ground.filled.operator_id,
        name="Ada's own",
        query="q=hers",
        created_at=now,
        changed_at=now,
    )


def _report(ground: Ground, now: datetime) -> AmazonReport:
    return AmazonReport(
        id=ground.ids["report_id"],
        account_id=ground.filled.account_id,
        report_type="GET_FLAT_FILE_OPEN_LISTINGS_DATA",
        step=AmazonReportStep.WAITING,
        report_id="4711",
        created_at=now,
        changed_at=now,
    )


def _session(ground: Ground, now: datetime) -> OperatorSession:
    """Of Ada, elsewhere."""
    return OperatorSession(
        id=ground.ids["session_id"],
        operator_id=ground.filled.operator_id,
        secret_digest=secrets.token_hex(32),
        method=SignInMethod.SINGLE_SIGN_ON,
        proved_at=now,
        address="192.0.2.7",
        origin="192.0.2.7",
        agent="elsewhere",
        created_at=now,
        seen_at=now,
        ends_at=now + timedelta(days=7),
    )
