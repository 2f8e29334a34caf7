"""What stops an account or one kind of its changes, and how it goes on.

Nothing that waits is lost, what is under way is seen to its end, and what goes afterwards are the
latest values alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from evergrant.errors import AccountClosed, EvergrantError
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM
from evergrant.rules.waits import Why, read
from tests.rooms.kitchen_ground import ROOT, Kitchen, kitchen

A, P, S = ChangeState.ACCEPTED, ChangeState.PENDING, ChangeState.SUPERSEDED
Act = Callable[["House"], Awaitable[None]]


@dataclass
class House:
    kitchen: Kitchen

    @property
    def id(self) -> str:
        return self.kitchen.account_id

    async def put(self, *lines: dict[str, Any]) -> list[str]:
        taken = await self.kitchen.desk.feeds.intake.put(self.id, lines, by=ROOT)
        assert taken.refused == 0, taken.answers
        return [one.change_id for one in taken.answers]

    async def tick(self) -> list[str]:
        due: list[str] = await self.kitchen.desk.feeds.work.tick()
        for account_id in due:
            await self.kitchen.desk.feeds.work.work(account_id)
        return due

    async def minutes(self, number: int) -> None:
        for _ in range(number):
            await self.tick()
            self.kitchen.clock.move(minutes=1)

    async def state(self, *ids: str) -> list[ChangeState]:
        async with self.kitchen.store.transaction() as tx:
            return [(await tx.changes.get(one)).state for one in ids]

    async def why(self) -> set[Why]:
        async with self.kitchen.store.transaction() as tx:
            row = await tx.work.get(self.id)
        return {one.why for one in read(row.waits)}

    async def set(self, **flags: bool) -> None:
        await self.kitchen.desk.accounts.set_flags(self.id, flags, by=ROOT)

    async def stands(self) -> State:
        async with self.kitchen.store.transaction() as tx:
            found = await tx.authorizations.one(account_id=self.id)
        assert found is not None
        return State(found.state)


@pytest.fixture
async def house() -> House:
    return House(await kitchen(Path.PATCH))


def stock(quantity: int, sku: str = "MUG") -> dict[str, Any]:
    return {"kind": "stock", "sku": sku, "quantity": quantity}


def price(amount: str, sku: str = "MUG") -> dict[str, Any]:
    return {"kind": "price", "sku": sku, "price": amount, "currency": "EUR"}


def cancellation(number: int) -> dict[str, Any]:
    return {
        "kind": "cancellation",
        "order_id": f"303-000000{number}-0000001",
        "reason": "NoInventory",
        "items": [{"order_item_id": "11"}],
    }


# --- one switch ---------------------------------------------------------------------------------


async def test_a_switch_stops_its_kind_and_no_other(house: House) -> None:
    await house.set(update_stock=False)
    ids = await house.put(stock(5), price("9.99"), cancellation(1))
    await house.minutes(8)
    assert await house.state(*ids) == [P, A, A]
    assert house.kitchen.amazon.done.stock == {}
    assert await house.why() == {Why.SWITCHED_OFF}
    assert await house.tick() == [], "nobody asks again and again"


async def test_on_again_it_goes_on_with_the_latest_values_only(house: House) -> None:
    await house.set(update_stock=False)
    first = await house.put(stock(5), stock(5, "CUP"))
    await house.minutes(2)
    second = await house.put(stock(6))
    await house.minutes(2)
    last = await house.put(stock(7), stock(5, "BOWL"))
    await house.minutes(2)
    asked = house.kitchen.amazon.asked["patchListingsItem"]
    await house.set(update_stock=True)
    assert await house.tick() == [house.id], "pressed by the switch"
    assert await house.state(*first, *second, *last) == [S, A, S, A, A]
    assert house.kitchen.amazon.done.stock == {"MUG": 7, "CUP": 5, "BOWL": 5}
    assert house.kitchen.amazon.asked["patchListingsItem"] == asked + 3, "5 and 6 were never sent"
    assert await house.why() == set()


async def test_what_is_under_way_when_it_is_turned_off_is_seen_to_its_end(house: House) -> None:
    await house.set(cancel_orders=True)
    (under_way,) = await house.put(cancellation(1))
    await house.tick()
    assert await house.state(under_way) == [ChangeState.IN_FLIGHT]
    await house.set(cancel_orders=False)
    (waits,) = await house.put(cancellation(2))
    await house.minutes(10)
    assert await house.state(under_way, waits) == [A, P]
    assert set(house.kitchen.amazon.done.cancellations) == {"303-0000001-0000001"}
    await house.set(cancel_orders=True)
    await house.minutes(10)
    assert await house.state(under_way, waits) == [A, A]
    assert set(house.kitchen.amazon.done.cancellations.values()) == {1}


# --- the whole account --------------------------------------------------------------------------


async def lapse(house: House) -> None:
    async with house.kitchen.store.transaction() as tx:
        ends_at = (await tx.authorizations.one(account_id=house.id)).term_ends_at
    house.kitchen.clock.set(ends_at + timedelta(minutes=2))
    await house.kitchen.desk.watch.sweep()
    assert await house.stands() is State.LAPSED


async def revoke(house: House) -> None:
    """Found out by whoever asks for an access token first."""
    house.kitchen.fakes.lwa.revoke("shop")
    house.kitchen.clock.move(hours=2)
    with pytest.raises(EvergrantError):
        await house.kitchen.desk.tokens.mint(house.id, by=SYSTEM)
    assert await house.stands() is State.REVOKED


async def renew(house: House) -> None:
    """By a consent, as far as the books go."""
    async with house.kitchen.store.transaction() as tx:
        credentials = await tx.credentials.get(house.kitchen.application_id)
    house.kitchen.fakes.lwa.reinstate("shop")
    grant = house.kitchen.fakes.lwa.grant(credentials.lwa_client_id, "shop")
    now = house.kitchen.clock.now()
    await house.kitchen.desk.consent.adopt(house.id, grant, granted_at=now, by=ROOT)
    assert await house.stands() is State.ACTIVE


async def reinstate(house: House) -> None:
    """At Amazon, found out by a probe."""
    house.kitchen.fakes.lwa.reinstate("shop")
    for _ in range(60):
        house.kitchen.clock.move(hours=12)
        await house.kitchen.desk.watch.probe()
        if await house.stands() is State.ACTIVE:
            return
    raise AssertionError("no probe found it out")


async def pause(house: House) -> None:
    await house.kitchen.desk.feeds.work.pause(house.id, by=ROOT, note="stock-taking")


async def resume(house: House) -> None:
    await house.kitchen.desk.feeds.work.resume(house.id, by=ROOT)


async def close(house: House) -> None:
    await house.kitchen.desk.accounts.close(house.id, by=ROOT)


async def reopen(house: House) -> None:
    await house.kitchen.desk.accounts.reopen(house.id, by=ROOT)
    await renew(house)


WAYS = pytest.mark.parametrize(
    ("stop", "word", "go_on"),
    [
        (lapse, Why.LAPSED, renew),
        (revoke, Why.REVOKED, renew),
        (revoke, Why.REVOKED, reinstate),
        (pause, Why.PAUSED, resume),
        (close, Why.CLOSED, reopen),
    ],
    ids=["lapsed", "revoked", "reinstated", "paused", "closed"],
)


@WAYS
async def test_an_account_stops_and_goes_on_with_the_latest_values(
    house: House, stop: Act, word: Why, go_on: Act
) -> None:
    await house.set(update_stock=False)
    before = await house.put(stock(5), cancellation(1))
    await house.minutes(10)
    await stop(house)
    await house.set(update_stock=True)
    await house.minutes(3)
    asked = house.kitchen.amazon.asked.copy()
    if word is Why.CLOSED:
        with pytest.raises(AccountClosed):
            await house.put(stock(6))
        during: list[str] = []
    else:
        during = await house.put(stock(6), stock(4, "CUP"), cancellation(2))
    await house.minutes(40)
    assert await house.why() == {word}
    assert await house.tick() == [], "nobody asks again and again"
    assert house.kitchen.amazon.asked == asked, "nothing was sent"
    # Nothing that waits is lost; a later value may take an earlier one's place at once.
    assert await house.state(before[0]) in ([P], [S] if during else [P])
    assert await house.state(*during) == [P] * len(during)
    await go_on(house)
    latest = await house.put(stock(7))
    await house.minutes(12)
    assert await house.state(*before, *latest) == [S, A, A]
    assert await house.state(*during) == ([S, A, A] if during else [])
    assert house.kitchen.amazon.done.stock == {"MUG": 7, **({"CUP": 4} if during else {})}
    assert set(house.kitchen.amazon.done.cancellations.values()) == {1}


@WAYS
async def test_the_doorbell_is_pressed_when_it_stops_and_when_it_goes_on(
    house: House, stop: Act, word: Why, go_on: Act
) -> None:
    await house.set(update_stock=False)
    await house.put(stock(5))
    await house.minutes(2)
    assert await house.tick() == []
    await stop(house)
    assert await house.tick() == [house.id]
    assert await house.why() >= {word} or await house.why() == {Why.SWITCHED_OFF}
    assert await house.tick() == []
    await go_on(house)
    assert await house.tick() == [house.id]


@pytest.mark.parametrize(
    ("stop", "go_on"),
    [(lapse, renew), (revoke, renew), (pause, resume)],
    ids=["lapsed", "revoked", "paused"],
)
async def test_what_is_under_way_comes_to_its_end_once(house: House, stop: Act, go_on: Act) -> None:
    if stop is lapse:
        house.kitchen.clock.move(days=364, hours=23)
    (under_way,) = await house.put(cancellation(1))
    await house.tick()
    await stop(house)
    await house.minutes(10)
    if stop is pause:
        assert await house.state(under_way) == [A], "seen to its end while paused"
    else:
        assert await house.state(under_way) == [ChangeState.IN_FLIGHT]
    await go_on(house)
    await house.minutes(45)
    assert house.kitchen.amazon.done.cancellations == {"303-0000001-0000001": 1}
    assert await house.state(under_way) == [A]


async def test_an_account_that_never_had_a_change_has_no_doorbell(house: House) -> None:
    await house.set(update_stock=False)
    await pause(house)
    async with house.kitchen.store.transaction() as tx:
        assert await tx.work.count() == 1, "a pause has to be written down"


async def test_a_turn_that_learns_of_the_end_says_so_afterwards(house: House) -> None:
    house.kitchen.fakes.lwa.revoke("shop")
    house.kitchen.clock.move(hours=2)
    (one,) = await house.put(stock(5))
    await house.minutes(15)
    assert await house.stands() is State.REVOKED
    assert await house.state(one) == [P]
    assert await house.why() >= {Why.REVOKED}
    await renew(house)
    house.kitchen.clock.move(timedelta(minutes=11))
    await house.minutes(2)
    assert await house.state(one) == [A]
