"""Counts of calls: nothing lost, nothing twice, few words, and only for those who may read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.adapters.store import open_store
from evergrant.errors import InvalidInput, NotAllowed, NotFound, StoreUnavailable
from evergrant.limits import Limits, counts
from evergrant.limits.causes import CAUSES, cause_of
from evergrant.ports.store import Store
from evergrant.ports.things import CallCount
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import Right
from evergrant.testing.store import MemoryStore
from tests.rooms.conftest import BOSS
from tests.rooms.test_limits import CREATE_FEED, ORDERS, House, key

HOUR = timedelta(hours=1)


@pytest.fixture(params=["memory", "postgres"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    store: Store = MemoryStore()
    if request.param == "postgres":
        store = await open_store(request.getfixturevalue("database_url"))
    made = House()
    made.here.store = cast("MemoryStore", store)
    made.one, made.other = made.meter(), made.meter()
    await made.furnish()
    yield made
    await made.one.close()
    await made.other.close()
    await store.close()


def note(
    meter: Limits,
    account_id: str,
    operation: str = ORDERS,
    status: int | None = 200,
    error: str = "",
    waited_s: float = 0.0,
) -> None:
    meter.note_call(
        account_id,
        operation,
        Region.EU,
        status=status,
        error=error,
        took_s=0.1,
        waited_s=waited_s,
    )


async def read(house: House, since: datetime | None = None) -> list[CallCount]:
    since = since or house.here.clock.now() - timedelta(days=1)
    return await house.one.calls(house.account.id, since, by=BOSS)


class Away:
    """The store does not answer while this is on."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = True
        self._transaction = house.here.store.transaction
        monkeypatch.setattr(house.here.store, "transaction", self.transaction)

    def transaction(self) -> Any:
        return self._refused() if self.on else self._transaction()

    @asynccontextmanager
    async def _refused(self) -> AsyncIterator[None]:
        raise StoreUnavailable
        yield  # type: ignore[unreachable]  # makes it a generator


# --- what is counted ------------------------------------------------------------------------------


async def test_calls_add_up_by_operation_and_hour(house: House) -> None:
    mine = house.account.id
    note(house.one, mine, waited_s=0.25)
    note(house.one, mine, waited_s=1.5)
    note(house.one, mine)
    note(house.one, mine, status=429, error="QuotaExceeded")
    note(house.one, mine, status=404, error="NotFound")
    note(house.one, mine, status=None)
    house.one.note_refused(mine, ORDERS, Region.EU)
    note(house.one, mine, CREATE_FEED)
    feed, orders = sorted(await read(house), key=lambda row: row.operation)
    assert (feed.operation, feed.calls, feed.errors) == (CREATE_FEED, 1, {})
    assert (orders.calls, orders.waits, orders.waited_ms) == (6, 2, 1750)
    assert (orders.refused, orders.throttled) == (1, 1)
    assert orders.errors == {"not_found": 1, "no_answer": 1}
    assert orders.hour_at == counts.hour_of(house.here.clock.now())
    assert orders.last_at == house.here.clock.now()


async def test_each_hour_has_its_row(house: House) -> None:
    note(house.one, house.account.id)
    house.here.clock.move(hours=1)
    note(house.one, house.account.id)
    first, second = await read(house)
    assert second.hour_at - first.hour_at == HOUR
    assert [row.calls for row in await read(house, house.here.clock.now())] == [1]


async def test_two_processes_count_into_one_row(house: House) -> None:
    for _ in range(3):
        for meter in (house.one, house.other):
            note(meter, house.account.id, status=404)
        await asyncio.gather(house.one.flush(), house.other.flush())
    (row,) = await read(house)
    assert (row.calls, row.errors) == (6, {"not_found": 6})


async def test_many_rows_go_in_portions(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "AT_ONCE", 3)
    for place in range(10):
        note(house.one, house.account.id, f"some.v{place}.operation")
    await house.one.flush()
    assert len(await read(house)) == 10


async def test_a_store_that_is_away_costs_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Away(house, monkeypatch)
    note(house.one, house.account.id)
    with pytest.raises(StoreUnavailable):
        await house.one.flush()
    note(house.one, house.account.id)
    house.here.clock.move(hours=1)
    note(house.one, house.account.id)
    away.on = False
    assert [row.calls for row in await read(house)] == [2, 1]
    await house.one.flush()
    assert [row.calls for row in await read(house)] == [2, 1]


async def test_a_store_that_goes_away_in_the_middle_is_not_told_twice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "AT_ONCE", 1)
    away = Away(house, monkeypatch)
    written = 0
    transaction = away.transaction

    def once() -> Any:
        nonlocal written
        written += 1
        away.on = written > 1
        return transaction()

    for operation in (ORDERS, CREATE_FEED):
        note(house.one, house.account.id, operation)
    with monkeypatch.context() as breaking:
        breaking.setattr(house.here.store, "transaction", once)
        with pytest.raises(StoreUnavailable):
            await house.one.flush()
    away.on = False
    assert [row.calls for row in await read(house)] == [1, 1]


async def test_what_waits_for_the_store_is_bounded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "MOST_WAITING", 2)
    away = Away(house, monkeypatch)
    for place in range(5):
        note(house.one, house.account.id, f"some.v{place}.operation")
    with pytest.raises(StoreUnavailable):
        await house.one.flush()
    away.on = False
    assert len(await read(house)) == 2


async def test_it_is_written_down_by_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "FLUSH_EVERY_S", 0.01)
    note(house.one, house.account.id)
    await written(house, 1)
    # It rests while nobody calls, and begins again.
    note(house.one, house.account.id)
    await written(house, 2)


async def test_closing_writes_the_rest_and_waits_for_no_pause(house: House) -> None:
    note(house.one, house.account.id)
    async with asyncio.timeout(counts.FLUSH_EVERY_S / 2):
        await house.one.close()
    assert [row.calls for row in await rows(house)] == [1]


async def test_closing_never_raises(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Away(house, monkeypatch)
    note(house.one, house.account.id)
    await house.one.close()
    away.on = False
    assert await rows(house) == []


async def written(house: House, calls: int) -> None:
    for _ in range(1000):
        if sum(row.calls for row in await rows(house)) == calls:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It was not written down.")


async def rows(house: House) -> list[CallCount]:
    async with house.here.store.transaction() as tx:
        return await tx.call_counts.read(since=house.here.clock.now() - 24 * HOUR)


def test_counting_needs_no_loop() -> None:
    house = House()
    note(house.one, "acc_1")
    assert house.one.tally.calls[ORDERS, "eu", "ok"] == 1


# --- the words of errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "cause"),
    [
        (200, "", ""),
        (302, "", ""),
        (200, "upstream_reset", "cut_short"),
        (200, "what is this", "other"),
        (400, "InvalidInput", "invalid_input"),
        (400, "", "invalid_input"),
        (403, "Unauthorized", "unauthorized"),
        (403, "", "forbidden"),
        (404, "NotFound", "not_found"),
        (418, "", "refused"),
        (429, "", "throttled"),
        (429, "InternalFailure", "throttled"),
        (500, "InternalFailure", "internal_failure"),
        (503, "", "unavailable"),
        (599, "x" * 10_000, "unavailable"),
        (None, "", "no_answer"),
        (None, "amazon_unavailable", "no_answer"),
        (None, "caller_gone", "caller_gone"),
    ],
)
def test_a_cause_is_one_word(status: int | None, error: str, cause: str) -> None:
    assert cause_of(status, error) == cause


@given(status=st.none() | st.integers(100, 999), error=st.text())
def test_causes_are_few_whatever_amazon_says(status: int | None, error: str) -> None:
    assert cause_of(status, error) in CAUSES | {""}


# --- who reads ------------------------------------------------------------------------------------


async def test_only_who_reaches_the_account_may_read(house: House) -> None:
    since = house.here.clock.now()
    elsewhere = (await house.here.add_instance()).id
    with pytest.raises(NotAllowed):
        await house.one.calls(house.account.id, since, by=key(Right.WRITE))
    for by in (key(Right.READ, instance=elsewhere), key(Right.READ, accounts={"acc_other"})):
        with pytest.raises(NotFound):
            await house.one.calls(house.account.id, since, by=by)


async def test_calls_of_others_are_not_shown(house: House) -> None:
    neighbour = await house.here.add_account()
    note(house.one, neighbour.id)
    assert await read(house) == []


async def test_an_instant_without_offset_is_refused(house: House) -> None:
    with pytest.raises(InvalidInput):
        await house.one.calls(house.account.id, datetime(2026, 1, 1), by=BOSS)  # noqa: DTZ001
