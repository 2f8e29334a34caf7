"""The plan on PostgreSQL, where planners really are at it at the same time."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Engine, event

from evergrant.adapters.store import open_store
from evergrant.ports.things import Account
from evergrant.rules.changes import STATE_SETTING, ChangeState
from evergrant.rules.feedruns import Path
from evergrant.settings import Cooking
from tests.rooms.hatch_ground import ERP, Hatch, order, price, refund, shipment, stock
from tests.rooms.test_planning import all_changes, planning, put, runs, work

NO_CALLS = Cooking(patch_most=0)
SKUS = 200


@pytest.fixture
async def hatch(database_url: str) -> AsyncIterator[Hatch]:
    store = await open_store(database_url)
    yield await Hatch(store=store).open()
    await store.close()


@pytest.fixture
async def account(hatch: Hatch) -> Account:
    return await hatch.add(merchant_token="A1EXAMPLE", sells_in={"DE": True, "FR": True})


async def test_planners_at_once_while_changes_come_in(hatch: Hatch, account: Account) -> None:
    """Every change is in one run at most, each feed is made once, and the account stays due for
    what came meanwhile."""
    await put(
        hatch,
        account,
        *(price(f"S{n}") for n in range(SKUS)),
        *(price(f"S{n}", marketplace="FR") for n in range(SKUS)),
        *(stock(f"S{n}") for n in range(SKUS)),
        *(refund(f"RMA-{n}") for n in range(20)),
        *(shipment(order(n)) for n in range(20)),
    )

    async def news() -> None:
        for number in range(10):
            await put(hatch, account, price(f"NEW-{number}"))

    planned = await asyncio.gather(
        *(planning(hatch, NO_CALLS).plan(account.id) for _ in range(4)), news()
    )
    made = await runs(hatch, account)
    assert Counter(run.path for run in made)[Path.ADJUSTMENT_FEED] == 1
    assert max(Counter((run.path, run.marketplace_id) for run in made).values()) == 1
    told = [run for one in planned if one is not None for run in one.runs]
    assert sorted(run.id for run in told) == [run.id for run in made]
    changes = await all_changes(hatch, account)
    assert len(changes) == 3 * SKUS + 50
    assert all(change.tries <= 1 for change in changes)
    by_run = Counter(change.run_id for change in changes if change.run_id)
    assert by_run == {run.id: run.changes for run in made}
    messages: dict[tuple[str, str], set[int | None]] = defaultdict(set)
    for change in changes:
        if change.run_id and change.kind in STATE_SETTING:
            messages[change.marketplace_id, change.subject].add(change.message_id)
    assert {len(numbers) for numbers in messages.values()} == {1}
    after = await work(hatch, account)
    if any(change.state is ChangeState.PENDING for change in changes):
        knowing = [one for one in planned if one is not None and one.version == after.version]
        assert all(one.waits for one in knowing), "what came meanwhile is not forgotten"


async def test_little_to_do_costs_little(hatch: Hatch, account: Account) -> None:
    statements: list[str] = []

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    await put(hatch, account, stock(), price(), price("MUG-2"))
    plans = planning(hatch)
    event.listen(Engine, "before_cursor_execute", count)
    try:
        assert [run.changes for run in (await plans.plan(account.id)).runs] == [3]
        first = len(statements)
        await plans.plan(account.id)
        idle = len(statements) - first
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert first <= 12, statements
    assert idle <= 4, statements[first:]


async def test_the_same_is_told_and_done(hatch: Hatch, account: Account) -> None:
    await put(
        hatch, account, *(price(f"S{n}", marketplace=m) for n in range(9) for m in ("DE", "FR"))
    )
    plans = planning(hatch, NO_CALLS)
    told = await plans.explain(account.id, by=ERP)
    made = (await plans.plan(account.id)).runs
    assert [(run.marketplace_id, run.messages, run.bytes) for run in told.runs] == [
        (run.marketplace_id, run.changes, run.bytes) for run in made
    ]
    assert {run.changes for run in made} == {9}
