"""Two nodes at one account, each held up anywhere: before a transaction, before Amazon hears a call
and before its answer is there; while answers are lost, clocks are set back, and people pause, stop
and hurry. Which of them goes on is drawn by lot, and a lot can be drawn again."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from evergrant.errors import Conflict, EvergrantError
from evergrant.ports.store import Transaction
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path
from tests.rooms.kitchen_amazon import Mood, internal_failure, invalid, no_answer, throttled
from tests.rooms.kitchen_ground import ROOT, Kitchen, StepStore, kitchen
from tests.rooms.test_runs_turns import _lines

#: More of them: EVERGRANT_LOTS=1000.
LOTS = int(os.environ.get("EVERGRANT_LOTS", "10"))
#: Held up for so many steps of everybody else, at the most.
LONGEST = 12
MOODS = {
    "createFeed": (no_answer, internal_failure, throttled),
    "createFeedDocument": (no_answer, throttled),
    "getFeeds": (internal_failure, throttled),
    "getFeed": (no_answer, throttled),
    "patchListingsItem": (no_answer, internal_failure, throttled),
    "confirmShipment": (no_answer, throttled),
    "listFinancialEventsByOrderId": (internal_failure,),
}


class Lots:
    def __init__(self, house: Kitchen, number: int) -> None:
        self.house = house
        self.draw = random.Random(number)
        self.counting = asyncio.Lock()
        self.quantities = {f"S{one}": one + 5 for one in range(3)}
        house.fakes.selling_partner_api.play(self.play)
        # It begins with a feed as soon as it has it.
        house.amazon._cancel = lambda feed_id: invalid()  # type: ignore[method-assign]
        store: StepStore = house.store
        original = store._transaction

        @asynccontextmanager
        async def held_up() -> AsyncIterator[Transaction]:
            await self.hold_up()
            async with original() as tx:
                yield tx
            await self.hold_up()

        store._transaction = held_up  # type: ignore[method-assign]

    async def hold_up(self) -> None:
        if self.draw.random() < 0.5:
            for _ in range(self.draw.randrange(LONGEST)):
                await asyncio.sleep(0)

    async def play(self, call: Any, about: str) -> Any:
        await self.hold_up()
        act = self.house.amazon._act_of(call) or ""
        if act in MOODS and self.draw.random() < 0.15:
            lost = self.draw.choice(MOODS[act])
            does = lost is not throttled and self.draw.random() < 0.5
            self.house.amazon.moods[act] = Mood(lost, does=does)
        try:
            return await self.house.amazon.play(call, about)
        finally:
            await self.hold_up()
            await self.hold_up()

    async def turn(self, desk: Any) -> None:
        for account_id in await desk.feeds.work.tick():
            await desk.feeds.work.work(account_id)

    async def person(self, desk: Any) -> None:
        """Somebody does something, if it goes."""
        await self.hold_up()
        lot = self.draw.randrange(7)
        house, work = self.house, desk.feeds.work
        with suppress(EvergrantError):
            if lot == 0:
                await work.pause(house.account_id, by=ROOT)
            elif lot in (1, 2):
                await work.resume(house.account_id, by=ROOT)
            elif lot == 3:
                await work.run_now(house.account_id, by=ROOT)
            elif lot == 4:
                for run in await house.open_runs():
                    with suppress(Conflict):
                        await desk.feeds.runs.cancel(run.id, by=ROOT)
            elif lot == 5:
                await self.hand_in(desk)
            else:
                sku = f"S{self.draw.randrange(3)}"
                wish = {"kind": "stock", "sku": sku, "quantity": self.draw.randrange(900)}
                async with self.counting:  # of two at once either is the last
                    await desk.feeds.intake.put(house.account_id, [wish], by=ROOT)
                    self.quantities[sku] = int(str(wish["quantity"]))

    async def hand_in(self, desk: Any) -> None:
        """All of it once more, without a key: of what happens once nothing is taken."""
        lines = [
            one
            for one in _lines("2026-03-02T08:00:00+00:00")
            if one["kind"] in ("cancellation", "refund", "invoice")
        ]
        await desk.feeds.intake.put(self.house.account_id, lines, by=ROOT)

    async def live(self) -> None:
        house = self.house
        lines = _lines("2026-03-02T08:00:00+00:00")
        taken = await house.desk.feeds.intake.put(house.account_id, lines, by=ROOT)
        assert taken.taken == len(lines)
        nodes = [house.desk]
        house.another()
        nodes.append(house.desk)
        for minute in range(900):
            people = minute < 40
            coming = [self.turn(node) for node in nodes]
            if people:
                coming += [self.person(self.draw.choice(nodes)) for _ in range(2)]
            await asyncio.gather(*coming)
            if people and self.draw.random() < 0.1:
                # A process begins anew.
                house.another()
                nodes[self.draw.randrange(2)] = house.desk
            if people:
                house.clock.move(minutes=self.draw.choice((1, 1, 1, 2, 6, 30, -20)))
            else:
                if minute == 40:
                    with suppress(Conflict):
                        await house.desk.feeds.work.resume(house.account_id, by=ROOT)
                house.clock.move(minutes=10)
                if all(one.settled_at for one in await house.changes()) or await self.is_doubtful():
                    return
        raise AssertionError([(one.subject, one.state) for one in await house.changes()])

    async def is_doubtful(self) -> bool:
        open_ = [one for one in await self.house.changes() if one.settled_at is None]
        return all(one.state is ChangeState.UNCERTAIN for one in open_)


@pytest.mark.parametrize("number", range(LOTS))
async def test_whatever_holds_them_up_nothing_happens_twice(number: int) -> None:
    house = await kitchen(Path.PATCH)
    lots = Lots(house, number)
    await lots.live()
    done = house.amazon.done
    for deeds in (done.refunds, done.cancellations, done.invoices):
        assert set(deeds.values()) <= {1}, deeds
    seen = Counter[str]()
    for one in await house.changes():
        how_often = {
            "refund": done.refunds[one.subject],
            "cancellation": done.cancellations[one.subject],
            "invoice": done.invoices[str(one.wish.get("invoice_number"))],
        }.get(one.kind.value)
        if how_often is None:
            continue
        seen[one.state.value] += 1
        if one.state is ChangeState.ACCEPTED:
            assert how_often == 1, (one.kind, one.subject, "was never done")
    assert seen["accepted"] + seen["uncertain"] == 9, seen
    assert done.stock == lots.quantities
    assert done.prices == {"S0": 9.99, "S1": 9.99, "S2": 9.99}
    assert len(done.shipments) == 3
