"""One selling partner with two accounts here: what the one sent is not taken for the other's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evergrant.accounts import NewAccount
from evergrant.ports.traded import Change
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path, RunStep
from tests.rooms.kitchen_amazon import Mood, no_answer
from tests.rooms.kitchen_ground import ROOT, Kitchen, kitchen

A, U = ChangeState.ACCEPTED, ChangeState.UNCERTAIN
ONCE = [Path.ADJUSTMENT_FEED, Path.ACKNOWLEDGEMENT_FEED]
MINUTE = timedelta(minutes=1)


class Twins:
    """Both sell as the same partner at the same Amazon, which shows each the feeds of both."""

    def __init__(self, house: Kitchen, second: str) -> None:
        self.house = house
        self.ids = (house.account_id, second)

    @classmethod
    async def furnish(cls, path: Path) -> Twins:
        house = await kitchen(path)
        async with house.store.transaction() as tx:
            one = await tx.accounts.get(house.account_id)
            credentials = await tx.credentials.get(house.application_id)
        assert one is not None
        assert credentials is not None
        added = await house.desk.accounts.add(
            NewAccount(
                name="Blue Heron Books, the other office",
                partner_kind="seller",
                client_email="office@example.com",
                application_id=one.application_id,
                client_instance_id=one.client_instance_id,
                region="eu",
                home_marketplace="DE",
                merchant_token=one.merchant_token,
            ),
            by=ROOT,
        )
        grant = house.fakes.lwa.grant(credentials.lwa_client_id, "shop")
        await house.desk.consent.adopt(added.id, grant, granted_at=house.clock.now(), by=ROOT)
        house.steps.log.clear()
        return cls(house, added.id)

    async def send(self, number: int, *subjects: str) -> str:
        """A run of that account, as far as it comes now."""
        self.house.account_id = self.ids[number]
        await self.house.wish(*subjects)
        run_id = await self.house.plan()
        assert run_id is not None
        await self.house.runs.go(run_id)
        return run_id

    async def rest(self) -> None:
        for _ in range(400):
            for run in await self.house.open_runs():
                await self.house.runs.go(run.id)
            for account_id in self.ids:
                self.house.account_id = account_id
                if (run_id := await self.house.plan()) is not None:
                    await self.house.runs.go(run_id)
            if not await self.house.open_runs():
                return
            self.house.clock.move(MINUTE)
        raise AssertionError("it never comes to rest")

    def done(self) -> dict[str, int]:
        of = self.house.amazon.done
        return dict(of.refunds or of.cancellations)

    async def change(self, subject: str) -> Change:
        (found,) = [one for one in await self.house.changes() if one.subject == subject]
        return found


@pytest.mark.parametrize("path", ONCE)
async def test_a_twins_feed_is_not_taken_for_the_lost_one(path: Path) -> None:
    """It went at the same time, and has as many messages."""
    twins = await Twins.furnish(path)
    await twins.send(0, "one")
    twins.house.amazon.moods["createFeed"] = Mood(no_answer, does=False)
    await twins.send(1, "two")
    await twins.rest()
    assert twins.done() == {"one": 1, "two": 1}
    assert (await twins.change("two")).state is A


@pytest.mark.parametrize("path", ONCE)
@pytest.mark.parametrize("does", [(True, False), (False, True), (True, True), (False, False)])
async def test_twins_never_lose_two_at_once(path: Path, does: tuple[bool, bool]) -> None:
    """Else nobody could tell whose the one is that Amazon has."""
    twins = await Twins.furnish(path)
    twins.house.amazon.moods["createFeed"] = Mood(no_answer, does=does[0])
    first = await twins.send(0, "one")
    twins.house.amazon.moods["createFeed"] = Mood(no_answer, does=does[1])
    await twins.send(1, "two")
    steps = {run.id: run.step for run in await twins.house.all_runs()}
    assert [run_id for run_id, step in steps.items() if step is RunStep.SUBMITTING] == [first]
    await twins.rest()
    assert twins.done() == {"one": 1, "two": 1}
    assert {(await twins.change(one)).state for one in ("one", "two")} == {A}


@pytest.mark.parametrize("path", ONCE)
async def test_the_feeds_of_a_twin_are_no_strangers(path: Path) -> None:
    twins = await Twins.furnish(path)
    await twins.send(0, "one")
    await twins.rest()
    twins.house.runs = twins.house.another()
    await twins.send(1, "two")
    await twins.rest()
    assert twins.done() == {"one": 1, "two": 1}
    assert (await twins.change("two")).state is A
    assert await twins.house.board() == []
