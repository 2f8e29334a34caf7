"""Accounts with changes, runs and orders behind a console, for the tests of the trade's pages."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx2

from evergrant.naming import new_id
from evergrant.orders.asking import WAYS
from evergrant.ports.traded import Change, FeedRun, Order, OrderKind, Outcome, Pick
from evergrant.rules import ids, order_privacy
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import RIGHTS_OF_ROLE, SYSTEM, Right, Role
from evergrant.rules.secrecy import Secret
from evergrant.vault import order_personal
from tests.doors.test_console.conftest import Console, Window

#: Every mark that would end a text or begin a tag.
MARKUP = "<img src=x onerror=alert(1)>\"'</script><b>&amp;"
NOBODY = "0" * 26
GERMANY = "A1PA6795UKMFR9"


async def put(console: Console, account_id: str, *lines: Mapping[str, Any]) -> list[str]:
    """Ids of the changes that these lines became."""
    taken = await console.desk.feeds.intake.put(account_id, lines, by=SYSTEM)
    assert taken.refused == 0, taken.answers
    return [one.change_id for one in taken.answers]


async def run_of(console: Console, changes: Sequence[str], **values: Any) -> FeedRun:
    """A run that has these changes, each as a message of its own."""
    now = console.fakes.clock.move(seconds=1)
    first = await change(console, changes[0])
    view = await console.desk.accounts.get(first.account_id, by=SYSTEM)
    given: dict[str, Any] = {
        "path": Path.PATCH,
        "step": RunStep.PLANNED,
        "changes": len(changes),
        "next_at": now,
        "created_at": now,
        "changed_at": now,
        **values,
    }
    run = FeedRun(
        id=new_id(ids.Kind.FEED_RUN, now),
        account_id=first.account_id,
        application_id=view.account.application_id,
        region=Region.EU,
        **given,
    )
    picks = [Pick(change_id=one, message_id=number) for number, one in enumerate(changes, 1)]
    async with console.desk.store.transaction() as tx:
        await tx.feed_runs.add(run)
        assert len(await tx.changes.claim(run.account_id, run.id, picks, {}, now)) == len(changes)
    return run


async def settle(
    console: Console, run: FeedRun, state: ChangeState, *changes: str, **more: Any
) -> None:
    outcomes = [Outcome(change_id=one, state=state, **more) for one in changes]
    async with console.desk.store.transaction() as tx:
        await tx.changes.settle(run.id, outcomes, console.fakes.clock.now())


async def uncertain(console: Console, *changes: str, path: Path = Path.ADJUSTMENT_FEED) -> FeedRun:
    """A run of which nobody can tell whether Amazon has it."""
    run = await run_of(console, changes, path=path, step=RunStep.UNCERTAIN, next_at=None)
    await settle(console, run, ChangeState.UNCERTAIN, *changes)
    return run


async def change(console: Console, change_id: str) -> Change:
    return await console.desk.feeds.ledger.change(change_id, by=SYSTEM)


async def order(
    console: Console, account_id: str, order_id: str, *, body: Any = None, **values: Any
) -> Order:
    """An order as a sweep would have kept it: what is personal in ``body`` lies sealed."""
    now: datetime = console.fakes.clock.move(seconds=1)
    view = await console.desk.accounts.get(account_id, by=SYSTEM)
    kind = values.pop("kind", OrderKind.SELLER)
    plain, personal = order_privacy.split(body or {"orderId": order_id}, WAYS[kind].allowed)
    given: dict[str, Any] = {
        "marketplace_id": GERMANY,
        "status": "UNSHIPPED",
        "ordered_at": now,
        "amazon_changed_at": now,
        "personal": bool(personal),
        **values,
    }
    made = Order(
        id=f"{account_id}/{order_id}",
        account_id=account_id,
        client_instance_id=view.account.client_instance_id,
        order_id=order_id,
        kind=kind,
        body=plain,
        digest="read",
        created_at=now,
        changed_at=now,
        **given,
    )
    async with console.desk.store.transaction() as tx:
        await tx.orders.put(made)
        if personal:
            await console.desk.vault.put(
                tx, order_personal(made.id), Secret(json.dumps(personal)), now=now
            )
    return made


async def upload(
    window: Window, account_id: str, content: str | bytes, *, kind: str = "", name: str = "a.csv"
) -> httpx2.Response:
    """Chooses a file and looks at the preview."""
    content = content.encode() if isinstance(content, str) else content
    return await window.post(
        f"/console/accounts/{account_id}/upload",
        {"kind": kind},
        files={"file": (name, io.BytesIO(content), "text/csv")},
    )


def may(role: Role, right: Right) -> bool:
    return right in RIGHTS_OF_ROLE[role]


async def statuses(console: Console, method: str, path: str, form: Any = None) -> dict[Role, int]:
    """What each role is answered."""
    found = {}
    for role in Role:
        window = await console.as_(role)
        answer = await (window.get(path) if method == "GET" else window.post(path, form))
        found[role] = answer.status_code
    return found


def assert_harmless(page: str) -> None:
    """``MARKUP`` is text wherever it stands."""
    assert "<img" not in page
    assert "</script><b>" not in page
    assert "onerror=alert(1)&gt;" in page
