"""The kitchen's way of one change: through the hatch, planned, patched, settled.

Answers for: one process with every room on the embedded PostgreSQL; changes handed in by batches,
beside the bare INSERT of as many rows; then turns of accounts with few changes each, in which every
change is a call of its own to an Amazon that is played; an idle look for accounts that are due.
Does not answer for: the doors, the queue that calls turns, or Amazon's limits.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from bench.measures import Result
from bench.minute import Counting, Spent, desk_on
from demo.stage import Stage
from evergrant.accounts import NewAccount
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from evergrant.adapters.store import migrate, open_store
from evergrant.desk import Desk
from evergrant.ports.amazon import Answer, Call
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.changes import ChangeState
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.testing.budgets import MemoryBudgets
from evergrant.testing.desk import Fakes

__all__ = ["kitchen"]

NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
BATCH = 10_000
BATCHES = 4
ACCOUNTS = 20
FEW = 3  # changes of an account in one turn, within the burst of its calls
IDLE = 10_000  # accounts that have nothing to do
GOAL_RATIO = 20.0
GOAL_STATEMENTS = 50
GOAL_TICK = 2

#: One row for each change, with the same columns and no others.
_BARE = """
INSERT INTO changes SELECT 'chg_bare_' || %(batch)s || '_' || n, 'acc_bare', 'stock', 'listing',
       'A1PA6795UKMFR9', 'S' || n, 'S' || n, '{"quantity": 5}', '', 'itk_bare', n, 'accepted', NULL,
       NULL, 1, NULL, NULL, '', '', '', now(), now()
  FROM unnest(%(numbers)s::integer[]) AS n
"""


def kitchen(stage: Stage) -> Result:
    with EmbeddedPostgres(stage.folder / "kitchen") as server:
        url = server.url("postgres")
        asyncio.run(migrate(url))
        figures = asyncio.run(_measure(url))
    fresh, again, bare, turn, tick = (
        figures[name] for name in ("fresh", "again", "bare", "turn", "tick")
    )
    ratio = again.wall_ms / bare.wall_ms
    each = turn.cpu_ms / FEW
    return Result(
        "changes through the hatch, and through turns of few",
        f"handed in by {BATCH:,}: {BATCH / fresh.wall_ms * 1000:,.0f}/s, "
        f"{BATCH / again.wall_ms * 1000:,.0f}/s where each takes the place of one that waits "
        f"({ratio:.1f} x a bare INSERT of as many rows, {again.cpu_ms / BATCH * 1000:.0f} us of "
        f"CPU each); a turn of {FEW} changes by {FEW} calls {turn.statements} statements and "
        f"{turn.cpu_ms:.0f} ms of CPU ({each:.1f} ms a change, {FEW / turn.wall_ms * 1000:.0f}/s "
        f"on the clock); a look over {IDLE:,} idle accounts {tick.statements} statement, "
        f"{tick.wall_ms:.1f} ms",
        f"at most {GOAL_RATIO:g} x the bare INSERT, {GOAL_STATEMENTS} statements a turn, "
        f"{GOAL_TICK} a look",
        ratio <= GOAL_RATIO and turn.statements <= GOAL_STATEMENTS and tick.statements <= GOAL_TICK,
        {name: vars(spent) for name, spent in figures.items()},
    )


async def _measure(url: str) -> dict[str, Spent]:
    store = await open_store(url)
    fakes = Fakes()
    fakes.clock.set(NOW)
    fakes.budgets = MemoryBudgets(fakes.clock)
    fakes.selling_partner_api.play(_amazon)
    desk = desk_on(store, fakes)
    counting = Counting()
    try:
        accounts = await _furnish(desk, fakes)
        first, *others = accounts
        fresh = await counting.spent(_hand_in(desk, first, BATCH, 1))
        again = Spent()
        for number in range(BATCHES):
            fakes.clock.move(minutes=1)
            again += await counting.spent(_hand_in(desk, first, BATCH, 2 + number))
        bare = await counting.spent(asyncio.to_thread(_bare, url))
        for account_id in others:
            await _hand_in(desk, account_id, FEW, 5)
        await desk.feeds.work.work(others[0])  # the first turn of a process finds nothing ready
        turn = Spent()
        for account_id in others[1:]:
            turn += await counting.spent(desk.feeds.work.work(account_id))
        async with store.transaction() as tx:
            settled = await tx.changes.counts(others, settled_since=NOW - timedelta(days=1))
        accepted = sum(one.count for one in settled if one.state is ChangeState.ACCEPTED)
        if accepted != FEW * len(others):
            raise RuntimeError(f"{accepted} of {FEW * len(others)} changes were accepted")
        async with store.transaction() as tx:
            for account_id in accounts:
                await tx.work.change(account_id, due_at=None)
        with psycopg.connect(url) as connection:
            connection.execute(
                "SET session_replication_role = replica;"
                " INSERT INTO work (id, paused_by, pause_note, waits, version, changed_at)"
                f" SELECT 'acc_idle_' || n, '', '', '{{}}', 1, now()"
                f" FROM generate_series(1, {IDLE}) AS n"
            )
        tick = await counting.spent(desk.feeds.work.tick())
    finally:
        counting.stop()
        await store.close()
    return {
        "fresh": fresh,
        "again": again.each(BATCHES),
        "bare": bare.each(BATCHES),
        "turn": turn.each(len(others) - 1),
        "tick": tick,
    }


async def _furnish(desk: Desk, fakes: Fakes) -> list[str]:
    """Ids of sellers' accounts of one application."""
    instance = await desk.registry.add_instance(NewInstance(name="ERP"), by=SYSTEM)
    text = secrets.token_hex(16)
    application = await desk.registry.add_application(
        NewApplication(
            name="Connect",
            application_id="amzn1.sp.solution."
            f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}",
            partner_kinds=["seller"],
        ),
        by=SYSTEM,
    )
    client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
    client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
    fakes.lwa.add_client(client_id, client_secret)
    await desk.registry.set_credentials(
        application.id,
        Credentials(lwa_client_id=client_id, lwa_client_secret=client_secret),
        by=SYSTEM,
    )
    accounts = []
    for number in range(ACCOUNTS + 2):
        account = await desk.accounts.add(
            NewAccount(
                name=f"Shop {number}",
                partner_kind="seller",
                client_email=f"shop{number}@client.example",
                application_id=application.id,
                client_instance_id=instance.instance.id,
                region="eu",
                home_marketplace="DE",
                merchant_token=f"A2EXAMPLE{number:04}",
            ),
            by=SYSTEM,
        )
        grant = fakes.lwa.grant(client_id, f"shop{number}")
        await desk.consent.adopt(account.id, grant, granted_at=NOW, by=SYSTEM)
        accounts.append(account.id)
    return accounts


async def _hand_in(desk: Desk, account_id: str, many: int, quantity: int) -> None:
    lines = [{"kind": "stock", "sku": f"S{n}", "quantity": quantity} for n in range(many)]
    taken = await desk.feeds.intake.put(account_id, lines, by=SYSTEM)
    if taken.taken != many:
        raise RuntimeError(f"{taken.taken} of {many} lines were taken")


def _bare(url: str) -> None:
    numbers = list(range(BATCH))
    with psycopg.connect(url, autocommit=True) as connection:
        for batch in range(BATCHES):
            connection.execute(_BARE, {"batch": batch, "numbers": numbers})


async def _amazon(call: Call, about: str) -> Answer | None:
    """Every patch is good."""
    if call.method != "PATCH":
        return None
    sku = call.path.rpartition("/")[2]
    said: dict[str, Any] = {"sku": sku, "status": "ACCEPTED", "submissionId": "1", "issues": []}
    return Answer(status=200, headers={}, body=json.dumps(said).encode())
