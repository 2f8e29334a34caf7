"""Plans of operators: who sets them, which one decides, and how fast every process goes by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evergrant.errors import Conflict, InvalidInput, NotAllowed, NotFound, StoreUnavailable
from evergrant.limits import Limits, NewPlan, setting
from evergrant.limits.plans import AHEAD_S, REMEMBERED_S
from evergrant.ports.things import Account, PlanOverride
from evergrant.rules import operations
from evergrant.rules.budgets import Importance, Plan
from evergrant.rules.marketplaces import Region
from evergrant.rules.operations import Operation
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.testing.budgets import MemoryBudgets
from tests.rooms.conftest import BOSS, Reception

ORDERS = "orders.v0.getOrders"
CREATE_FEED = "feeds.2021-06-30.createFeed"
GRANTLESS = "notifications.v1.createDestination"

Call = tuple[str, str, Region, Operation]


class House:
    """Two processes of one house: two meters on one store."""

    def __init__(self) -> None:
        self.here = Reception()
        self.now_s = 100.0
        self.budgets = MemoryBudgets(self.here.clock)
        self.one, self.other = self.meter(), self.meter()

    def meter(self) -> Limits:
        return Limits(self.here.store, self.here.clock, self.budgets, lambda: self.now_s)

    async def furnish(self) -> None:
        self.here.instance = await self.here.add_instance()
        self.here.application = await self.here.add_application()
        self.account = await self.here.add_account()
        self.app = self.here.application.id

    def of(self, operation: str = ORDERS, account: Account | None = None) -> Call:
        found = operations.get(operation)
        assert found is not None
        return self.app, (account or self.account).id, Region.EU, found

    async def plan(self, **wishes: Any) -> PlanOverride:
        values: dict[str, Any] = {"operation": ORDERS, "rate_per_s": 3.0, "burst": 4, **wishes}
        by = values.pop("by", BOSS)
        return await self.one.set_plan(NewPlan(**values), by=by)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    await made.furnish()
    yield made
    await made.one.close()
    await made.other.close()


def key(*rights: Right, instance: str | None = None, accounts: set[str] | None = None) -> Caller:
    return Caller(
        kind=CallerKind.API_KEY,
        id="key_1",
        name="script",
        rights=frozenset(rights),
        client_instance_id=instance,
        account_ids=None if accounts is None else frozenset(accounts),
    )


# --- shares ---------------------------------------------------------------------------------------


async def test_at_first_nothing_is_at_hand_then_it_is(house: House) -> None:
    assert house.one.shares(*house.of()) is None
    fetched = await house.one.fetch_shares(*house.of())
    assert house.one.shares(*house.of()) == fetched
    (share,) = fetched
    published = operations.get(ORDERS)
    assert published is not None
    assert share.bucket == f"{house.app}/{house.account.id}/eu/{ORDERS}"
    assert (share.plan, share.fixed, share.reserve) == (published.plan, False, 0)


async def test_less_important_work_leaves_a_reserve(house: House) -> None:
    (last,) = await house.one.fetch_shares(*house.of(CREATE_FEED), Importance.LAST)
    (first,) = await house.one.fetch_shares(*house.of(CREATE_FEED), Importance.FIRST)
    assert last.reserve > first.reserve == 0
    assert house.one.shares(*house.of(CREATE_FEED), Importance.LAST) == (last,)
    assert house.one.shares(*house.of(CREATE_FEED), Importance.FIRST) == (first,)


async def test_the_process_that_sets_a_plan_goes_by_it_at_once(house: House) -> None:
    await house.one.fetch_shares(*house.of())
    await house.plan(account_id=house.account.id)
    assert house.one.shares(*house.of()) is None
    (share,) = await house.one.fetch_shares(*house.of())
    assert (share.plan, share.fixed) == (Plan(3.0, 4), True)


async def test_every_other_process_goes_by_it_within_a_second(house: House) -> None:
    (before,) = await house.other.fetch_shares(*house.of())
    await house.plan(account_id=house.account.id)
    assert house.other.shares(*house.of()) == (before,)
    house.now_s += REMEMBERED_S
    assert house.other.shares(*house.of()) is None
    (share,) = await house.other.fetch_shares(*house.of())
    assert share.plan == Plan(3.0, 4)


async def test_under_load_it_is_read_ahead_and_nobody_waits(house: House) -> None:
    await house.other.fetch_shares(*house.of())
    await house.plan(account_id=house.account.id)
    house.now_s += AHEAD_S
    assert house.other.shares(*house.of()) is not None  # begins to read in the background
    await house.other.close()  # waits for it
    house.now_s += AHEAD_S
    found = house.other.shares(*house.of())
    assert found is not None
    assert found[0].plan == Plan(3.0, 4)


async def test_many_who_ask_at_once_cause_one_look(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    transaction = house.here.store.transaction

    def counted() -> Any:
        nonlocal looks
        looks += 1
        return transaction()

    monkeypatch.setattr(house.here.store, "transaction", counted)
    await asyncio.gather(*(house.one.fetch_shares(*house.of()) for _ in range(50)))
    assert looks == 1


async def test_a_store_that_is_away_is_told_and_not_remembered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise StoreUnavailable

    with monkeypatch.context() as gone:
        gone.setattr(house.here.store, "transaction", away)
        with pytest.raises(StoreUnavailable):
            await house.one.fetch_shares(*house.of())
    assert len(await house.one.fetch_shares(*house.of())) == 1


async def test_a_plan_that_was_set_while_another_look_was_under_way_is_seen(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look began before the change: what it brings must not be believed for a second."""
    began, on = asyncio.Event(), asyncio.Event()
    read = house.one._plans._read

    async def slow() -> None:
        async with house.here.store.transaction() as tx:
            stale = tuple(await tx.plan_overrides.all())
        began.set()
        await on.wait()
        assert stale == ()
        await read()

    monkeypatch.setattr(house.one._plans, "_read", slow)
    waiting = asyncio.create_task(house.one.fetch_shares(*house.of()))
    await began.wait()
    monkeypatch.setattr(house.one._plans, "_read", read)
    await house.plan()
    on.set()
    (share,) = await waiting
    assert share.plan == Plan(3.0, 4)


async def test_another_account_does_not_feel_it(house: House) -> None:
    neighbour = await house.here.add_account()
    await house.plan(account_id=house.account.id)
    (share,) = await house.one.fetch_shares(*house.of(account=neighbour))
    assert not share.fixed


async def test_a_shared_bucket_is_added_by_an_operator(house: House) -> None:
    await house.plan(of_application=True, application_id=house.app)
    own, shared = await house.one.fetch_shares(*house.of())
    assert not own.fixed
    assert shared.bucket == f"{house.app}/*/*/{ORDERS}"
    assert shared.fixed


# --- setting --------------------------------------------------------------------------------------


async def test_removing_gives_the_next_wider_plan_back(house: House) -> None:
    await house.plan(rate_per_s=1.0)
    narrow = await house.plan(rate_per_s=2.0, account_id=house.account.id)
    assert (await house.one.fetch_shares(*house.of()))[0].plan.rate_per_s == 2.0
    await house.one.remove_plan(narrow.id, by=BOSS)
    assert (await house.one.fetch_shares(*house.of()))[0].plan.rate_per_s == 1.0
    with pytest.raises(NotFound):
        await house.one.remove_plan(narrow.id, by=BOSS)


async def test_a_plan_for_the_same_thing_is_replaced(house: House) -> None:
    first = await house.plan(note="support case")
    house.here.tick()
    second = await house.plan(rate_per_s=9.0)
    assert await house.one.list_plans(by=BOSS) == [second]
    assert (second.id, second.created_at) == (first.id, first.created_at)
    assert second.changed_at > first.changed_at
    house.here.tick()
    assert await house.plan(rate_per_s=9.0) == second  # nothing changed, nothing is written
    assert house.here.verbs() == ["plan.set", "plan.set"]
    told = house.here.store.lines[-1].facts
    assert told["rate_per_s"] == 9.0
    assert told["was"] == {"rate_per_s": 3.0, "burst": 4, "note": "support case"}


async def test_the_journal_tells_of_what_was_removed(house: House) -> None:
    plan = await house.plan(account_id=house.account.id)
    await house.one.remove_plan(plan.id, by=BOSS)
    line = house.here.store.lines[-1]
    assert (line.verb, line.subject, line.account_id) == (
        "plan.removed",
        plan.id,
        house.account.id,
    )
    assert line.facts["operation"] == ORDERS


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"operation": "orders.v0.getOrder5"}, "operation"),
        ({"rate_per_s": 0}, "rate_per_s"),
        ({"rate_per_s": float("nan")}, "rate_per_s"),
        ({"rate_per_s": float("inf")}, "rate_per_s"),
        ({"rate_per_s": 10**400}, "rate_per_s"),
        ({"burst": 0}, "burst"),
        ({"note": "n" * 501}, "note"),
        ({"note": "two\nlines"}, "note"),
        ({"application_id": "acc_1"}, "application_id"),
        ({"account_id": "app_1"}, "account_id"),
    ],
)
async def test_what_is_no_plan_is_refused(house: House, wishes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await house.plan(**wishes)
    assert [flaw.field for flaw in caught.value.flaws] == [field]
    assert house.here.verbs() == []


async def test_a_name_that_nobody_knows_is_guessed(house: House) -> None:
    for typed in ("getOrders", "orders.v0.getorders", "orders.v0.gtOrders"):
        with pytest.raises(InvalidInput) as caught:
            await house.plan(operation=typed)
        hint = caught.value.flaws[0].hint
        assert hint is not None
        assert "getOrders" in hint


async def test_contradictions_are_told_together(house: House) -> None:
    with pytest.raises(InvalidInput) as caught:
        await house.plan(
            account_id=house.account.id, application_id=house.app, of_application=True, burst=0
        )
    assert {flaw.field for flaw in caught.value.flaws} == {
        "application_id",
        "of_application",
        "burst",
    }


async def test_a_grantless_operation_is_the_applications(house: House) -> None:
    plan = await house.plan(operation=GRANTLESS)
    assert plan.of_application
    with pytest.raises(InvalidInput):
        await house.plan(operation=GRANTLESS, account_id=house.account.id)


async def test_no_plan_for_what_is_not_there(house: House) -> None:
    with pytest.raises(NotFound):
        await house.plan(account_id="acc_" + 26 * "z")
    with pytest.raises(NotFound):
        await house.plan(application_id="app_" + 26 * "z")


async def test_there_is_a_most_of_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting, "MOST_PLANS", 1)
    await house.plan()
    await house.plan(rate_per_s=8.0)  # replaces
    with pytest.raises(Conflict):
        await house.plan(operation=CREATE_FEED)


# --- who may --------------------------------------------------------------------------------------


async def test_a_plan_of_an_account_needs_write_and_reach(house: House) -> None:
    elsewhere = (await house.here.add_instance()).id
    mine = house.account.client_instance_id
    wish: dict[str, Any] = {"account_id": house.account.id}
    with pytest.raises(NotAllowed):
        await house.plan(**wish, by=key(Right.READ))
    with pytest.raises(NotFound):
        await house.plan(**wish, by=key(Right.WRITE, instance=elsewhere))
    with pytest.raises(NotFound):
        await house.plan(**wish, by=key(Right.WRITE, accounts={"acc_other"}))
    plan = await house.plan(**wish, by=key(Right.WRITE, instance=mine))
    for stranger in (
        key(Right.WRITE, Right.READ, instance=elsewhere),
        key(Right.WRITE, Right.READ, accounts={"acc_other"}),
    ):
        with pytest.raises(NotFound):
            await house.one.remove_plan(plan.id, by=stranger)
        assert await house.one.list_plans(by=stranger) == []
    await house.one.remove_plan(plan.id, by=key(Right.WRITE, accounts={house.account.id}))


async def test_a_plan_of_many_needs_manage_everywhere(house: House) -> None:
    for wishes in ({}, {"application_id": house.app}):
        for by in (
            key(Right.WRITE, Right.READ),
            key(Right.MANAGE, instance=house.account.client_instance_id),
            key(Right.MANAGE, accounts={house.account.id}),
        ):
            with pytest.raises(NotAllowed):
                await house.plan(**wishes, by=by)
        plan = await house.plan(**wishes)
        with pytest.raises(NotAllowed):
            await house.one.remove_plan(plan.id, by=key(Right.WRITE))


async def test_plans_of_many_are_shown_to_those_who_reach_all(house: House) -> None:
    wide = await house.plan()
    narrow = await house.plan(account_id=house.account.id)
    bound = key(Right.READ, instance=house.account.client_instance_id)
    assert await house.one.list_plans(by=bound) == [narrow]
    assert await house.one.list_plans(by=key(Right.READ)) == sorted(
        [wide, narrow], key=lambda one: one.id
    )
    with pytest.raises(NotAllowed):
        await house.one.list_plans(by=key(Right.WRITE))


async def test_a_list_has_pages_and_a_filter(house: House) -> None:
    plans = [await house.plan(operation=name) for name in (ORDERS, CREATE_FEED)]
    plans.append(await house.plan(account_id=house.account.id))
    plans.sort(key=lambda one: one.id)
    first = await house.one.list_plans(by=BOSS, limit=2)
    assert first == plans[:2]
    assert await house.one.list_plans(by=BOSS, after=first[-1].id) == plans[2:]
    assert [
        one.operation for one in await house.one.list_plans(by=BOSS, operation=CREATE_FEED)
    ] == [CREATE_FEED]
    for limit in (0, 1001):
        with pytest.raises(InvalidInput):
            await house.one.list_plans(by=BOSS, limit=limit)
