"""Probes: each grant asked for once a day, and what becomes of what they find."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from evergrant.accounts import NewAccount
from evergrant.adapters.store import open_store
from evergrant.errors import AmazonUnavailable, CallDenied, StoreUnavailable
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.things import Authorization
from evergrant.ports.watched import EventRecord
from evergrant.rules import probes as rules
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.settings import Watching
from evergrant.testing.desk import Fakes
from evergrant.testing.selling_partner_api import EXPIRED
from evergrant.testing.store import MemoryStore
from evergrant.watch import Probed
from evergrant.watch.probes import CLAIM
from tests.rooms.watch_ground import Town

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CALLS = "participations"


class Shops(Town):
    """Accounts that have names at Amazon."""

    @property
    def api(self) -> Any:
        return self.fakes.selling_partner_api

    async def shop(self, name: str, *countries: str, **wishes: Any) -> str:
        self.sells(name, *(countries or ("DE",)))
        self.fakes.clock.move(milliseconds=1)
        fields: dict[str, Any] = {
            "partner_kind": "seller",
            "client_email": f"{name.lower()}@shop.example",
            "client_instance_id": self.instance_id,
            "application_id": self.application_id,
            "region": "eu",
            "home_marketplace": "DE",
        }
        added = await self.desk.accounts.add(NewAccount(name=name, **(fields | wishes)), by=SYSTEM)
        client_id = self.client_ids[added.application_id]
        await self.desk.consent.adopt(
            added.id,
            self.fakes.lwa.grant(client_id, name),
            granted_at=self.fakes.clock.now(),
            by=SYSTEM,
        )
        return added.id

    def sells(self, name: str, *countries: str, suspended: Sequence[str] = ()) -> None:
        rows = [
            ReportedParticipation(
                marketplace_id=STANDARD.by_country(one).marketplace_id,
                country_code=one,
                name=one,
                participating=True,
                suspended=one in suspended,
            )
            for one in countries
        ]
        self.api.participate(name, rows)

    async def probe(self) -> Probed:
        return await self.desk.watch.probe()

    async def slotted(self) -> None:
        """Every account has its slot, and the access tokens of their consents are over."""
        self.fakes.clock.move(hours=2)
        assert (await self.probe()).probed == 0

    async def next(self, account_id: str) -> Authorization:
        """It is the instant of its next probe."""
        due_at = (await self.authorization(account_id)).probe_due_at
        assert due_at is not None
        self.fakes.clock.set(due_at)
        await self.probe()
        return await self.authorization(account_id)

    async def changed(self, account_id: str) -> list[EventRecord]:
        async with self.fakes.store.transaction() as tx:
            return await tx.events.read(account_ids=[account_id], topic="account.changed")


@pytest.fixture
async def town() -> Shops:
    town = Shops()
    await town.open()
    return town


# --- the daily course ---------------------------------------------------------------------------


async def test_each_account_once_a_day_at_its_slot(town: Shops) -> None:
    accounts = [await town.shop(f"S{number}") for number in range(12)]
    await town.slotted()
    town.api.calls.clear()
    asked = town.fakes.lwa.count("refresh")
    start = town.fakes.clock.now()
    probed_at: dict[str, list[datetime]] = {name: [] for name in accounts}
    for minute in range(3 * 24 * 6 + 1):
        town.fakes.clock.set(start + minute * 10 * MINUTE)
        before = len(town.api.calls)
        await town.probe()
        for call in town.api.calls[before:]:
            probed_at[accounts[int(call.about[1:])]].append(town.fakes.clock.now())
    for name, instants in probed_at.items():
        assert len(instants) == 3
        slot = rules.slot_after(name, DAY, start)
        looks = -(-(slot - start) // (10 * MINUTE))  # the first one at or after it
        assert instants == [start + looks * 10 * MINUTE + day * DAY for day in range(3)]
    assert town.fakes.lwa.count("refresh") - asked == 36, "an access token lives for an hour"


async def test_a_grant_that_lwa_took_within_the_hour_costs_no_refresh(town: Shops) -> None:
    account_id = await town.shop("HERON")
    await town.slotted()
    due_at = (await town.authorization(account_id)).probe_due_at
    assert due_at is not None
    town.fakes.clock.set(due_at - 5 * MINUTE)
    await town.desk.tokens.mint(account_id, by=SYSTEM)
    asked = town.fakes.lwa.count("refresh")
    await town.next(account_id)
    assert town.fakes.lwa.count("refresh") == asked
    assert town.api.count(CALLS, "HERON") == 2


async def test_waiting_and_closed_accounts_are_left_alone(town: Shops) -> None:
    closed = await town.shop("HERON")
    await town.slotted()
    await town.desk.accounts.close(closed, by=SYSTEM)
    calls, asked = town.api.count(), town.fakes.lwa.count("refresh")
    for _ in range(4):
        town.fakes.clock.move(days=10)
        assert await town.probe() == Probed()
    assert (town.api.count(), town.fakes.lwa.count("refresh")) == (calls, asked)


# --- no herd ------------------------------------------------------------------------------------


async def test_after_a_long_pause_the_herd_goes_through_one_by_one() -> None:
    accounts, every = 150, timedelta(hours=1)
    town = Shops(watching=Watching(probe_every=every))
    await town.open()
    first = await town.shop("S0")
    seen = await town.authorization(first)
    rows = town.fakes.store.rows
    for number in range(1, accounts):  # as a migration leaves them: without slots
        one, its = f"acc_{number:04}", f"aut_{number:04}"
        rows["accounts"][one] = replace(rows["accounts"][first], id=one, name=one)
        rows["authorizations"][its] = replace(
            seen, id=its, account_id=one, selling_partner_id=one, probe_due_at=None
        )
    assert (await town.probe()).slots_set == accounts
    most = rules.most_per_minute(accounts, every)
    assert most == 10
    town.fakes.clock.move(days=1)
    back = town.fakes.clock.now()
    taken = []
    while town.fakes.clock.now() < back + every / rules.CATCH_UP:
        counts = await town.probe()
        assert counts.probed == counts.passed <= most
        taken.append(counts.probed)
        town.fakes.clock.move(minutes=1)
    assert sum(taken) == accounts, "each of them once, within a quarter of an interval"
    now = town.fakes.clock.now()
    assert all(
        now <= row.probe_due_at <= now + every * 3 / 2 for row in rows["authorizations"].values()
    )


@pytest.fixture(params=["memory", "postgres"])
async def twins(request: pytest.FixtureRequest) -> AsyncIterator[Shops]:
    fakes = Fakes()
    if request.param == "postgres":
        store = await open_store(request.getfixturevalue("database_url"))
        fakes.store = cast("MemoryStore", store)
    town = Shops(fakes=fakes)
    await town.open()
    yield town
    await fakes.store.close()


async def test_two_nodes_never_probe_the_same_account(twins: Shops) -> None:
    for number in range(8):
        await twins.shop(f"S{number}")
    await twins.slotted()
    other = twins.another()
    twins.fakes.clock.move(days=2)
    twins.api.calls.clear()
    await asyncio.gather(*(desk.watch.probe() for desk in (twins.desk, other, twins.desk, other)))
    assert Counter(call.about for call in twins.api.calls) == {f"S{n}": 1 for n in range(8)}


async def test_a_process_that_dies_with_a_probe_leaves_it_due_again_soon(
    town: Shops, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = await town.shop("HERON")
    await town.slotted()

    async def dies(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(town.desk.consent, "look_again", dies)
        with pytest.raises(asyncio.CancelledError):
            await town.next(account_id)
    town.fakes.clock.move(CLAIM - MINUTE)
    assert (await town.probe()).probed == 0
    town.fakes.clock.move(minutes=1)
    assert (await town.probe()).passed == 1


# --- dead grants --------------------------------------------------------------------------------


async def test_a_revoked_grant_is_found_out_and_then_asked_for_weekly_and_monthly(
    town: Shops,
) -> None:
    account_id = await town.shop("HERON")
    await town.slotted()
    town.fakes.lwa.revoke("HERON")
    found = await town.next(account_id)
    assert found.state is State.REVOKED
    assert [one.topic for one in await town.told(account_id)][-1] == "authorization.revoked"
    assert await town.board(account_id, NoticeKind.GRANT_REFUSED)
    looks = town.api.count()
    apart, last = [], town.fakes.clock.now()
    while town.fakes.clock.now() < NOW + 200 * DAY:
        dead = await town.next(account_id)
        assert dead.state is State.REVOKED
        apart.append(round((town.fakes.clock.now() - last) / DAY))
        last = town.fakes.clock.now()
    assert apart == [7] * 13 + [30] * len(apart[13:])
    assert len(apart) > 15
    assert town.api.count() == looks, "LWA alone is asked"
    assert len(await town.told(account_id, "authorization.revoked")) == 1


async def test_a_lapsed_grant_that_amazon_takes_again_is_back_and_daily(town: Shops) -> None:
    account_id = await town.shop("HERON")
    await town.slotted()
    await town.at(NOW + 366 * DAY)
    assert (await town.authorization(account_id)).state is State.LAPSED
    town.fakes.lwa.revoke("HERON")
    assert (await town.next(account_id)).state is State.LAPSED
    town.fakes.lwa.reinstate("HERON")
    town.sells("HERON", "DE", "FR")
    back = await town.next(account_id)
    assert back.state is State.ACTIVE
    assert back.finding == ""
    assert (await town.told(account_id, "authorization.renewed"))[0].facts["source"] == "reinstated"
    assert await town.changed(account_id), "its marketplaces were looked at at once"
    await town.probe()
    due_at = (await town.authorization(account_id)).probe_due_at
    assert due_at is not None
    assert due_at - town.fakes.clock.now() <= DAY


async def test_a_renewed_account_is_daily_again_at_once(town: Shops) -> None:
    account_id = await town.shop("HERON")
    await town.slotted()
    town.fakes.lwa.revoke("HERON")
    await town.next(account_id)
    town.sells("HERON2", "DE")
    await town.desk.consent.adopt(
        account_id,
        town.fakes.lwa.grant(town.client_ids[town.application_id], "HERON2"),
        granted_at=town.fakes.clock.now(),
        by=SYSTEM,
    )
    await town.slotted()
    due_at = (await town.authorization(account_id)).probe_due_at
    assert due_at is not None
    assert due_at - town.fakes.clock.now() <= DAY


# --- trouble ------------------------------------------------------------------------------------


async def test_an_application_that_is_refused_marks_no_account_and_is_asked_once_a_round(
    town: Shops,
) -> None:
    other = await town.application()
    broken = [await town.shop(f"S{n}", application_id=other) for n in range(9)]
    fine = await town.shop("HERON")
    await town.slotted()
    town.fakes.lwa.drop_secrets(town.client_ids[other])
    town.fakes.clock.move(days=2)
    town.api.calls.clear()
    await town.probe()
    assert town.api.count(CALLS, "HERON") == 1
    asked = len(town.fakes.lwa.calls)
    for _ in range(5):
        town.fakes.clock.move(minutes=1)
        await town.probe()
    assert len(town.fakes.lwa.calls) - asked <= 5, "one a round"
    for account_id in broken:
        row = await town.authorization(account_id)
        assert (row.state, row.finding, row.probe_failures) == (State.ACTIVE, "", 0)
        assert not await town.board(account_id)
    assert (await town.authorization(fine)).state is State.ACTIVE
    async with town.fakes.store.transaction() as tx:
        (notice,) = await tx.notices.all(kind=NoticeKind.APPLICATION_REFUSED, settled_at=None)
    assert notice.subject == other


async def test_weather_is_climbed_and_told_only_when_it_lasts(town: Shops) -> None:
    account_id = await town.shop("HERON")
    await town.slotted()
    town.api.fail(AmazonUnavailable)
    for failures in range(1, rules.PATIENT_FOR + 1):
        row = await town.next(account_id)
        assert (row.probe_failures, row.finding) == (failures, "")
    row = await town.next(account_id)
    assert "5 tries in a row" in row.finding
    assert not await town.board(account_id)
    town.api.clear()
    row = await town.next(account_id)
    assert (row.probe_failures, row.finding, row.state) == (0, "", State.ACTIVE)


async def test_a_lwa_that_is_down_is_weather_too(town: Shops) -> None:
    account_id = await town.shop("HERON")
    await town.slotted()
    town.fakes.lwa.fail(AmazonUnavailable)
    row = await town.next(account_id)
    assert (row.probe_failures, row.finding, row.state) == (1, "", State.ACTIVE)


async def test_an_access_token_that_amazon_takes_no_longer_is_replaced_at_once(town: Shops) -> None:
    account_id = await town.shop("HERON")
    await town.slotted()
    calls = town.api.count()
    town.api.fail(lambda: CallDenied(403, "Unauthorized", "", EXPIRED), times=1)
    row = await town.next(account_id)
    assert (row.probe_failures, row.finding) == (0, "")
    assert town.api.count() == calls + 2


async def test_a_probe_takes_no_permit_that_a_program_would_miss(town: Shops) -> None:
    account_id = await town.shop("HERON")
    await town.slotted()
    due_at = (await town.authorization(account_id)).probe_due_at
    assert due_at is not None
    town.fakes.clock.set(due_at)
    token = await town.desk.tokens.mint(account_id, by=SYSTEM)
    for _ in range(8):  # of 15: a program has used more than half
        async with town.desk.calls.own.permitted(
            "sellers.v1.getMarketplaceParticipations",
            token.value,
            account_id=account_id,
            application_id=token.application_id,
            region=token.region,
            ready_to_wait_s=0.0,
        ):
            pass
    calls = town.api.count()
    counts = await town.probe()
    assert (counts.put_off, counts.probed) == (1, 0)
    row = await town.authorization(account_id)
    assert (row.probe_failures, row.finding) == (0, "")
    assert row.probe_due_at is not None
    assert 10 * MINUTE <= row.probe_due_at - due_at <= 30 * MINUTE
    town.fakes.clock.set(row.probe_due_at)
    assert (await town.probe()).passed == 1
    assert town.api.count() == calls + 1


async def test_a_database_that_is_away_ends_the_round(town: Shops) -> None:
    await town.shop("HERON")
    town.fakes.store.down = True
    with pytest.raises(StoreUnavailable):
        await town.probe()
    town.fakes.store.down = False
