"""The clock tower's minute: what it costs when there is nothing to do, and when there is much.

Answers for: one process with every room on the embedded PostgreSQL over very many authorizations,
the statements and the CPU of its idle minutes, and reminders by the thousand. Does not answer for:
Amazon, mail and webhooks, which are played, or for the queue that calls each minute.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, event

from bench.measures import Result
from bench.scan import DAYS, NOW, WINDOWS, load
from demo.stage import Stage
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from evergrant.adapters.store import migrate, open_store
from evergrant.desk import Desk
from evergrant.furnishing import Sockets, furnished
from evergrant.naming import new_id
from evergrant.ports.store import Store
from evergrant.ports.things import JournalLine
from evergrant.ports.watched import Reminder
from evergrant.registry import Credentials
from evergrant.rules import ids
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.settings import Watching
from evergrant.testing.desk import HOUSE, Fakes
from evergrant.watch.reminders import Reminders

__all__ = ["Counting", "Spent", "desk_on", "watch_minute"]

#: One of them holds the look through all ends, which comes every ten minutes.
MINUTES = 11
BARE = 500
GOAL_STATEMENTS = 20
GOAL_CPU_MS = 50.0
GOAL_RATIO = 12.0


@dataclass
class Spent:
    """What something took: statements (begin and commit are none), milliseconds."""

    statements: int = 0
    cpu_ms: float = 0.0
    wall_ms: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.statements + other.statements,
            self.cpu_ms + other.cpu_ms,
            self.wall_ms + other.wall_ms,
        )

    def each(self, many: int) -> Spent:
        """Of so many that it was spent on."""
        return Spent(round(self.statements / many), self.cpu_ms / many, self.wall_ms / many)


class Counting:
    """Counts the statements of every engine of this process."""

    def __init__(self) -> None:
        self.statements = 0
        event.listen(Engine, "before_cursor_execute", self._count)

    def _count(self, *_: Any) -> None:
        self.statements += 1

    async def spent(self, doing: Awaitable[Any]) -> Spent:
        statements, cpu, wall = self.statements, time.process_time(), time.perf_counter()
        await doing
        return Spent(
            statements=self.statements - statements,
            cpu_ms=(time.process_time() - cpu) * 1000,
            wall_ms=(time.perf_counter() - wall) * 1000,
        )

    def stop(self) -> None:
        event.remove(Engine, "before_cursor_execute", self._count)


def watch_minute(stage: Stage, *, many: int = 100_000) -> Result:
    """Idle minutes over so many authorizations, then a day's reminders in one go, against bare
    transactions of one INSERT on the same connections."""
    with EmbeddedPostgres(stage.folder / "minute") as server:
        url = server.url("postgres")
        asyncio.run(migrate(url))
        load(url, many)
        figures = asyncio.run(_measure(url))
    idle, probe, rotate = figures["sweep"], figures["probe"], figures["rotate"]
    sweep_ms = statistics.median(one.cpu_ms for one in idle)
    statements = int(statistics.median(one.statements for one in idle))
    ratio = figures["reminder"].wall_ms / figures["bare"].wall_ms
    return Result(
        f"the clock tower's minute over {many:,} authorizations",
        f"nothing to do: {statements} statements and {sweep_ms:.0f} ms of CPU (probes "
        f"{_median(probe)}, rotations of 4 applications {_median(rotate)}); with the look through "
        f"all ends, every ten minutes, {max(one.wall_ms for one in idle):.0f} ms on the clock; "
        f"{1000 / figures['reminder'].wall_ms:.0f} reminders/s in one go, each "
        f"{figures['reminder'].statements} statements, {figures['reminder'].cpu_ms:.1f} ms of CPU "
        f"and {ratio:.1f} x a transaction with one INSERT",
        f"at most {GOAL_STATEMENTS} statements and {GOAL_CPU_MS:g} ms of CPU; a reminder at most "
        f"{GOAL_RATIO:g} x a bare transaction",
        statements <= GOAL_STATEMENTS and sweep_ms <= GOAL_CPU_MS and ratio <= GOAL_RATIO,
        {
            name: [vars(one) for one in spent] if isinstance(spent, list) else vars(spent)
            for name, spent in figures.items()
        },
    )


def _median(spent: list[Spent]) -> str:
    statements = statistics.median(one.statements for one in spent)
    return f"{statements:.0f} and {statistics.median(one.cpu_ms for one in spent):.0f} ms"


async def _measure(url: str) -> dict[str, Any]:
    store = await open_store(url)
    fakes = Fakes()
    fakes.clock.set(NOW)
    desk = desk_on(store, fakes)
    counting = Counting()
    try:
        await _prepare(desk, fakes)
        figures: dict[str, Any] = {"sweep": [], "probe": [], "rotate": []}
        for _ in range(MINUTES):
            fakes.clock.move(minutes=1)
            figures["sweep"].append(await counting.spent(desk.watch.sweep()))
            figures["probe"].append(await counting.spent(desk.watch.probe()))
            figures["rotate"].append(await counting.spent(desk.watch.rotate()))
        fakes.clock.move(days=1)
        before = await _bare(store, counting)
        figures["reminder"] = await _reminders(desk, fakes, counting)
        figures["bare"] = (before + await _bare(store, counting)).each(2 * BARE)
    finally:
        counting.stop()
        await store.close()
    return figures


def desk_on(store: Store, fakes: Fakes) -> Desk:
    """Every room as it is; all but the database is played."""
    return furnished(
        Sockets(
            clock=fakes.clock,
            store=store,
            keyring=fakes.keyring,
            lwa=fakes.lwa,
            selling_partner_api=fakes.selling_partner_api,
            mail=fakes.mail,
            webhooks=fakes.webhooks,
            bell=fakes.bell,
            budgets=fakes.budgets,
            upstream=fakes.upstream,
            secrets_queue=fakes.secrets_queue,
            documents=fakes.documents,
            news=fakes.news,
            pulse=fakes.pulse,
        ),
        marketplaces=STANDARD,
        house=HOUSE,
        login_uri=f"{HOUSE.public_url}/amazon/login",
        redirect_uri=f"{HOUSE.public_url}/callback",
        invitation_life=timedelta(days=14),
        watching=Watching(reminder_days=DAYS),
    )


async def _prepare(desk: Desk, fakes: Fakes) -> None:
    """Nothing is due any more: every reached window is told, what is over has lapsed, no account
    waits for a probe."""
    async with desk.store.transaction() as tx:
        applications = await tx.applications.all()
        await tx.instances.change("ins_1", webhook_url="https://erp.example/hooks")
    for application in applications:
        client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        fakes.lwa.add_client(client_id, client_secret)
        await desk.registry.set_credentials(
            application.id,
            Credentials(
                lwa_client_id=client_id,
                lwa_client_secret=client_secret,
                secret_expires_at=NOW + timedelta(days=150),
            ),
            by=SYSTEM,
        )
    later = NOW + timedelta(days=2)
    async with desk.store.transaction() as tx:
        for window in await tx.scans.windows_reached(NOW, DAYS, limit=WINDOWS):
            await tx.reminders.add(
                Reminder(
                    id=new_id(ids.Kind.REMINDER, NOW),
                    kind=window.kind,
                    subject=window.authorization_id,
                    account_id=window.account_id,
                    ends_at=window.ends_at,
                    days=window.days,
                    at=NOW,
                    told_operators_at=NOW,
                )
            )
        due = await tx.authorizations.all(before=("probe_due_at", NOW + timedelta(hours=1)))
        await tx.authorizations.change_all([one.id for one in due], probe_due_at=later)
    for _ in range(3):
        await desk.watch.sweep()


async def _reminders(desk: Desk, fakes: Fakes, counting: Counting) -> Spent:
    """Each of a day's reminders. The deliveries are other tasks' and not among it."""
    reminders = Reminders(
        store=desk.store,
        consent=desk.consent,
        bell=fakes.bell,
        watching=Watching(reminder_days=DAYS),
    )
    told = 0

    async def tell() -> None:
        nonlocal told
        told = await reminders.round(fakes.clock.now())

    return (await counting.spent(tell())).each(told)


async def _bare(store: Store, counting: Counting) -> Spent:
    async def insert() -> None:
        async with store.transaction() as tx:
            line = JournalLine(at=NOW, caller="system", verb="bench.line", subject="bench")
            await tx.journal.append(line)

    async def all_of_them(one: Callable[[], Awaitable[None]]) -> None:
        for _ in range(BARE):
            await one()

    return await counting.spent(all_of_them(insert))
