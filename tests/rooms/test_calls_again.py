"""Leave at hand, repetitions, and whole calls."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from evergrant.calls import Again, Asked, Calls, Leave, Tried
from evergrant.calls.lines import Taking
from evergrant.errors import (
    AmazonUnavailable,
    GrantRefused,
    InvalidInput,
    OverLimit,
    StoreUnavailable,
    Throttled,
)
from evergrant.ports.amazon import Answer
from evergrant.rules.budgets import Importance
from evergrant.rules.lifecycle import State
from evergrant.testing.selling_partner_api import EXPIRED, error_answer
from tests.rooms.gate_ground import OK, OPERATION, OTHER, PATH, PROGRAM, GateGround
from tests.rooms.mint_ground import Held

DOCUMENT = "/reports/2021-06-30/documents/doc-1"
FEEDS = "/feeds/2021-06-30/feeds"
QUOTA = error_answer(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
DENIED = error_answer(403, "Unauthorized", "Access to requested resource is denied.")
OLD = error_answer(403, "Unauthorized", "Access to requested resource is denied.", EXPIRED)


@pytest.fixture
async def ground() -> AsyncIterator[GateGround]:
    ground = GateGround()
    yield ground
    await ground.close()


@pytest.fixture
def calls(ground: GateGround) -> Calls:
    return ground.calls


@pytest.fixture
async def shop(ground: GateGround) -> Held:
    return await ground.shop()


async def send(ground: GateGround, shop: Held, path: str = PATH, **more: object) -> Answer:
    method = str(more.pop("method", "GET"))
    sent = ground.calls.send(shop.account_id, method, path, by=PROGRAM, **more)  # type: ignore[arg-type]
    return await ground.time.result(sent)


# --- at hand --------------------------------------------------------------------------------------


async def warm(ground: GateGround, asked: Asked) -> Leave:
    """A call whose bucket is large, after a few of its kind."""
    await ground.plan(OPERATION, 5_000.0, 5_000)
    for _ in range(3):
        leave = await ground.calls.admit(asked, by=PROGRAM)
    return leave


async def test_leave_at_hand_is_the_same_leave(ground: GateGround, shop: Held) -> None:
    asked = ground.asked(shop, query="a=1", request_id="req-1")
    assert ground.calls.admit_at_hand(asked, by=PROGRAM) is None
    awaited = await warm(ground, asked)
    wishes = len(ground.budgets.wishes)
    leave = ground.calls.admit_at_hand(asked, by=PROGRAM)
    assert leave is not None
    assert len(ground.budgets.wishes) == wishes
    assert dataclasses.replace(leave, permits_left=0) == dataclasses.replace(
        awaited, permits_left=0
    )
    assert leave.permits_left > 1000


@pytest.mark.parametrize(
    "wish",
    [
        {"path": "/reports/../x"},
        {"path": f"{PATH};x"},
        {"query": "a=%0d"},
        {"method": "TRACE"},
        {"ready_to_wait_s": float("nan")},
        {"ready_to_wait_s": -1.0},
    ],
    ids=str,
)
async def test_nothing_that_would_be_refused_is_at_hand(
    ground: GateGround, shop: Held, wish: dict[str, object]
) -> None:
    asked = ground.asked(shop)
    await warm(ground, asked)
    assert ground.calls.admit_at_hand(asked, by=PROGRAM) is not None
    odd = dataclasses.replace(asked, **wish)  # type: ignore[arg-type]
    assert ground.calls.admit_at_hand(odd, by=PROGRAM) is None
    with pytest.raises(InvalidInput):
        await ground.calls.admit(odd, by=PROGRAM)


async def test_a_path_that_never_came_before_is_at_hand_too(ground: GateGround, shop: Held) -> None:
    await warm(ground, ground.asked(shop))
    other = ground.asked(shop, "/reports/2021-06-30/reports/43")
    assert ground.calls.admit_at_hand(other, by=PROGRAM) is not None


async def test_what_is_at_hand_is_believed_for_a_moment_only(
    ground: GateGround, shop: Held
) -> None:
    """Plans and standings are remembered for a second."""
    asked = ground.asked(shop)
    await warm(ground, asked)
    ground.time._set(ground.time.at_s + 1.5)
    assert ground.calls.admit_at_hand(asked, by=PROGRAM) is None


async def test_without_the_database_there_is_the_hand_and_nothing_more(
    ground: GateGround, shop: Held
) -> None:
    asked = ground.asked(shop)
    await warm(ground, asked)
    ground.budgets.down = True
    left = 0
    while ground.calls.admit_at_hand(asked, by=PROGRAM) is not None:
        left += 1
        assert left < 200
    assert left > 0
    with pytest.raises(StoreUnavailable):
        await ground.time.result(ground.calls.admit(asked, by=PROGRAM))
    assert ground.api.calls == []
    ground.budgets.down = False


async def test_callers_share_a_hand_until_one_has_to_wait(ground: GateGround, shop: Held) -> None:
    asked = ground.asked(shop)
    leave = await warm(ground, asked)
    assert leave.permit is not None
    assert ground.calls.admit_at_hand(asked, by=OTHER) is not None
    line = leave.permit.line
    await ground.budgets.drain(line.shares)
    line.hand.drop(ground.time.monotonic())
    waiting = asyncio.ensure_future(ground.calls.admit(asked, by=OTHER))
    await asyncio.sleep(0)
    line.hand.put(1, Taking(ground.time.monotonic(), line.shares, (0.0,)))
    assert ground.calls.admit_at_hand(asked, by=PROGRAM) is None
    await ground.time.result(waiting)
    line.hand.drop(ground.time.monotonic())


# --- once more ------------------------------------------------------------------------------------


async def test_each_try_takes_a_permit(ground: GateGround, shop: Held) -> None:
    ground.api.answer("GET", PATH, QUOTA, OLD, OK)
    assert await send(ground, shop) == OK
    assert len(ground.api.calls) == 3
    assert ground.budgets.taken == 3


async def test_weather_passes(ground: GateGround, shop: Held) -> None:
    ground.api.answer("GET", PATH, Answer(status=503, headers={}, body=b""), OK)
    assert await send(ground, shop) == OK
    assert ground.time.at_s == pytest.approx(0.5)
    assert len(ground.api.calls) == 2


async def test_what_amazon_writes_into_headers_is_read(ground: GateGround, shop: Held) -> None:
    busy = Answer(status=429, headers={"Retry-After": "4"}, body=b"")
    good = Answer(status=200, headers={"x-amzn-RateLimit-Limit": "3.5"}, body=b"{}")
    ground.api.answer("GET", PATH, busy, good)
    assert await send(ground, shop) == good
    assert ground.time.at_s == pytest.approx(4.0)
    await ground.time.settle()
    assert [rate for _, rate in ground.budgets.learned] == [3.5]
    leave = await ground.calls.admit(ground.asked(shop), by=PROGRAM)
    assert leave.permit is not None
    assert leave.permit.line.spacing_s == pytest.approx(1 / 3.5)


async def test_weather_that_does_not_pass_is_the_answer(ground: GateGround, shop: Held) -> None:
    storm = Answer(status=503, headers={}, body=b"storm")
    ground.api.answer("GET", PATH, storm)
    assert await send(ground, shop) == storm
    assert len(ground.api.calls) == 3
    assert ground.time.at_s == pytest.approx(2.5)


async def test_no_answer_is_asked_for_again_where_that_is_safe(
    ground: GateGround, shop: Held
) -> None:
    ground.api.fail(times=2)
    assert await send(ground, shop) == OK
    ground.api.fail()
    asked = len(ground.api.calls)
    with pytest.raises(AmazonUnavailable):
        await send(ground, shop)
    assert len(ground.api.calls) - asked == 3


@pytest.mark.parametrize("answer", [QUOTA, OLD, Answer(status=500, headers={}, body=b"")])
async def test_a_feed_is_never_sent_twice(ground: GateGround, shop: Held, answer: Answer) -> None:
    ground.api.answer("POST", FEEDS, answer, OK)
    assert await send(ground, shop, FEEDS, method="POST", body=b"{}") == answer
    assert len(ground.api.calls) == 1


async def test_unless_it_never_went_out(ground: GateGround, shop: Held) -> None:
    ground.api.answer("POST", FEEDS, OK)
    ground.api.fail(lambda: AmazonUnavailable(facts={"sent": False}), times=1)
    assert await send(ground, shop, FEEDS, method="POST", body=b"{}") == OK
    ground.api.fail(lambda: AmazonUnavailable(facts={"sent": True}), times=1)
    with pytest.raises(AmazonUnavailable):
        await send(ground, shop, FEEDS, method="POST", body=b"{}")


async def test_patience_holds_for_all_tries_together(ground: GateGround, shop: Held) -> None:
    ground.api.answer("GET", PATH, Answer(status=503, headers={}, body=b""))
    answer = await send(ground, shop, ready_to_wait_s=0.6)
    assert answer.status == 503
    assert ground.time.at_s == pytest.approx(0.5)
    assert len(ground.api.calls) == 2
    answer = await send(ground, shop, ready_to_wait_s=0.0)
    assert len(ground.api.calls) == 3


async def test_where_there_is_no_permit_for_one_more_amazons_answer_stands(
    ground: GateGround, shop: Held
) -> None:
    await ground.plan(OPERATION, 0.01, 1)
    ground.api.answer("GET", PATH, OLD, OK)
    answer = await send(ground, shop, ready_to_wait_s=3.0)
    assert answer == OLD
    assert len(ground.api.calls) == 1


async def test_a_document_with_personal_data_is_fetched_at_the_second_try(
    ground: GateGround, shop: Held
) -> None:
    ground.api.answer("GET", DOCUMENT, DENIED, OK)
    leave = await ground.calls.admit(ground.asked(shop, DOCUMENT), by=PROGRAM)
    assert not leave.restricted
    how = ground.calls.judge(leave, Tried(status=403, head=DENIED.body), by=PROGRAM)
    assert how == Again(restricted=True)
    again = await ground.calls.again(leave, how, by=PROGRAM)
    assert again.restricted
    assert again.repeats == 1
    issued = ground.api.issued(again.access_token)
    assert issued is not None
    assert issued.resources == (("GET", DOCUMENT, ()),)
    # A 403 then is Amazon's answer.
    assert ground.calls.judge(again, Tried(status=403, head=DENIED.body), by=PROGRAM) is None


async def test_what_was_restricted_stays_so_in_bad_weather(ground: GateGround, shop: Held) -> None:
    leave = await ground.calls.admit(ground.asked(shop, DOCUMENT), by=PROGRAM)
    restricted = await ground.calls.again(leave, Again(restricted=True), by=PROGRAM)
    how = ground.calls.judge(restricted, Tried(status=503), by=PROGRAM)
    assert how is not None
    again = await ground.time.result(ground.calls.again(restricted, how, by=PROGRAM))
    assert again.restricted
    assert again.access_token == restricted.access_token


async def test_what_was_waited_for_is_off_the_callers_patience(
    ground: GateGround, shop: Held
) -> None:
    await ground.plan(OPERATION, 0.25, 1)
    asked = ground.asked(shop, ready_to_wait_s=4.2)
    await ground.calls.admit(asked, by=PROGRAM)
    leave = await ground.time.result(ground.calls.admit(asked, by=PROGRAM))
    assert 3.9 < leave.waited_s < 4.2
    # A pause of half a second is more than is left, and so is the wait for another permit.
    assert ground.calls.judge(leave, Tried(status=503), by=PROGRAM) is None
    with pytest.raises(OverLimit):
        await ground.calls.again(leave, Again(), by=PROGRAM)


async def test_whoever_may_not_see_personal_data_gets_amazons_refusal(
    ground: GateGround, shop: Held
) -> None:
    by = dataclasses.replace(
        PROGRAM, rights=frozenset(right for right in PROGRAM.rights if right != "personal_data")
    )
    leave = await ground.calls.admit(ground.asked(shop, DOCUMENT), by=by)
    assert ground.calls.judge(leave, Tried(status=403, head=DENIED.body), by=by) is None


async def test_a_fresh_access_token_is_fetched_once_for_many(
    ground: GateGround, shop: Held
) -> None:
    leaves = [await ground.calls.admit(ground.asked(shop), by=PROGRAM) for _ in range(5)]
    fresh = Again(fresh_access_token=True)
    again = await ground.time.result(
        asyncio.gather(*(ground.calls.again(leave, fresh, by=PROGRAM) for leave in leaves))
    )
    assert ground.lwa.count() == 2
    assert all(leave.renewed and leave.repeats == 1 for leave in again)
    assert all(leave.access_token != leaves[0].access_token for leave in again)
    assert ground.calls.judge(again[0], Tried(status=403, head=OLD.body), by=PROGRAM) is None


async def test_what_was_waited_for_adds_up(ground: GateGround, shop: Held) -> None:
    await ground.plan(OPERATION, 0.5, 1)
    first = await ground.time.result(ground.calls.admit(ground.asked(shop), by=PROGRAM))
    second = await ground.time.result(ground.calls.again(first, Again(after_s=1.0), by=PROGRAM))
    assert second.waited_before_s == 1.0
    assert second.waited_s == pytest.approx(2.0, abs=0.1)
    third = ground.calls.again(second, Again(), by=PROGRAM)
    third_leave = await ground.time.result(third)
    assert third_leave.waited_before_s == second.waited_s
    assert third_leave.repeats == 2


async def test_amazon_limits_the_making_of_restricted_data_tokens_too(
    ground: GateGround, shop: Held
) -> None:
    """Somebody outside of Evergrant spent that bucket."""
    ground.api.fail(Throttled, times=1)
    address = "/orders/v0/orders/1/address"
    with pytest.raises(Throttled):
        await ground.calls.admit(ground.asked(shop, address), by=PROGRAM)
    await ground.time.settle()
    [[drained]] = ground.budgets.drained
    mint = "tokens.2021-03-01.createRestrictedDataToken"
    assert drained.endswith(f"/{mint}")
    await ground.time.result(ground.calls.admit(ground.asked(shop, address), by=PROGRAM))
    counted = ground.one.limits.tally.calls
    assert {word: n for (name, _, word), n in counted.items() if name == mint} == {
        "throttled": 1,
        "ok": 1,
    }


# --- permits around a whole call ------------------------------------------------------------------


async def test_a_token_that_is_not_to_be_had_costs_no_permit(
    ground: GateGround, shop: Held
) -> None:
    ground.lwa.fail()
    with pytest.raises(AmazonUnavailable):
        await ground.time.result(ground.calls.admit(ground.asked(shop), by=PROGRAM))
    await ground.time.settle()
    assert ground.budgets.taken == 0


async def test_a_permit_is_taken_when_the_token_is_there(ground: GateGround, shop: Held) -> None:
    with ground.lwa.hold():
        task = asyncio.ensure_future(ground.calls.admit(ground.asked(shop), by=PROGRAM))
        await ground.time.move(2.0)
        assert ground.budgets.wishes == []
    leave = await ground.time.result(task)
    assert leave.permit is not None
    assert leave.permit.taken_s == ground.time.monotonic()
    assert ground.budgets.given_back == []
    assert ground.budgets.taken == 1
    assert ground.lwa.count() == 1


async def test_after_a_long_wait_the_account_is_looked_at_again(
    ground: GateGround, shop: Held
) -> None:
    await ground.plan(OPERATION, 0.2, 1)
    await ground.calls.admit(ground.asked(shop), by=PROGRAM)
    waiting = asyncio.ensure_future(
        ground.calls.admit(ground.asked(shop, ready_to_wait_s=30.0), by=PROGRAM)
    )
    await ground.time.move(2.0)
    async with ground.store.transaction() as tx:
        [authorization] = await tx.authorizations.all(account_id=shop.account_id)
        await tx.authorizations.change(authorization.id, {}, state=State.REVOKED)
    with pytest.raises(GrantRefused):
        await ground.time.result(waiting)
    await ground.time.settle()
    assert ground.budgets.taken == 1


async def test_a_token_that_ended_while_waiting_is_fetched_anew(
    ground: GateGround, shop: Held
) -> None:
    await ground.plan(OPERATION, 1 / 3_500, 1)
    patient = ground.gate(longest_wait_s=3_590.0).calls
    asked = ground.asked(shop, ready_to_wait_s=3_590.0)
    first = await patient.admit(asked, by=PROGRAM)
    leave = await ground.time.result(patient.admit(asked, by=PROGRAM))
    assert leave.access_token != first.access_token
    assert ground.lwa.count() == 2
    assert leave.waited_s > 3_400


@pytest.mark.parametrize("after", range(0, 60, 3))
async def test_at_whatever_moment_a_client_goes_away_no_permit_is_lost(
    ground: GateGround, shop: Held, after: int
) -> None:
    task = asyncio.ensure_future(ground.calls.admit(ground.asked(shop), by=PROGRAM))
    for _ in range(after):
        await asyncio.sleep(0)
    task.cancel()
    done = await asyncio.gather(task, return_exceptions=True)
    await ground.time.move(1.0)
    assert ground.budgets.taken == sum(isinstance(one, Leave) for one in done)
    assert ground.budgets.standing() == []


async def test_giving_leave_back(ground: GateGround, shop: Held) -> None:
    leave = await ground.calls.admit(ground.asked(shop), by=PROGRAM)
    ground.calls.give_back(leave)
    await ground.time.settle()
    assert ground.budgets.taken == 0


# --- two processes --------------------------------------------------------------------------------


async def test_two_gates_share_the_limit_and_amazon_never_says_429(ground: GateGround) -> None:
    shop = await ground.shop()
    there = ground.gate().calls
    at: list[float] = []

    async def work(calls: Calls) -> None:
        while ground.time.at_s < 120.0:
            asked = ground.asked(shop, ready_to_wait_s=60.0)
            await calls.admit(asked, by=PROGRAM)
            at.append(ground.time.at_s)

    await ground.time.result(
        asyncio.gather(*(work(calls) for calls in (ground.calls, there) for _ in range(3)))
    )
    at = [second for second in at if second <= 120.0]
    assert len(at) >= 0.99 * (15 + 2.0 * 120)
    tokens, before = 15.0, 0.0
    for second in at:
        tokens = min(tokens + (second - before) * 2.0, 15.0) - 1.0
        before = second
        assert tokens >= -1e-9


async def test_a_refusal_names_what_is_spent(ground: GateGround, shop: Held) -> None:
    await ground.plan(OPERATION, 0.1, 1)
    asked = ground.asked(shop, ready_to_wait_s=2.0)
    await ground.calls.admit(asked, by=PROGRAM)
    with pytest.raises(OverLimit) as refused:
        await ground.calls.admit(asked, by=PROGRAM)
    assert refused.value.facts == {"operation": OPERATION, "account_id": shop.account_id}
    assert 9 < refused.value.retry_after_s < 11


async def test_nobody_waits_longer_than_the_settings_allow(ground: GateGround) -> None:
    shop = await ground.shop()
    await ground.plan(OPERATION, 0.1, 1)
    short = ground.gate(wait_s=1.0, longest_wait_s=5.0).calls
    await short.admit(ground.asked(shop), by=PROGRAM)
    for wait_s in (None, 1_000.0):
        with pytest.raises(OverLimit):
            await short.admit(ground.asked(shop, ready_to_wait_s=wait_s), by=PROGRAM)
    long = ground.gate(wait_s=11.0).calls
    leave = await ground.time.result(long.admit(ground.asked(shop), by=PROGRAM))
    assert 9 < leave.waited_s < 11


async def test_the_kitchen_goes_before_the_script(ground: GateGround) -> None:
    shop = await ground.shop()
    await ground.plan(OPERATION, 1.0, 1)
    await ground.calls.admit(ground.asked(shop), by=PROGRAM)
    order: list[str] = []

    async def call(importance: Importance, name: str) -> None:
        asked = ground.asked(shop, importance=importance, ready_to_wait_s=60.0)
        await ground.calls.admit(asked, by=PROGRAM)
        order.append(name)

    script = [asyncio.ensure_future(call(Importance.LAST, "script")) for _ in range(3)]
    await ground.time.settle()
    kitchen = asyncio.ensure_future(call(Importance.FIRST, "kitchen"))
    await ground.time.result(asyncio.gather(kitchen, *script))
    assert order[0] == "kitchen"


async def test_closing_refuses_who_waits_and_gives_everything_back(ground: GateGround) -> None:
    shop = await ground.shop()
    leave = await warm(ground, ground.asked(shop))
    assert leave.permit is not None
    slow = ground.asked(shop, FEEDS, "POST", ready_to_wait_s=100.0)
    spent = [await ground.calls.admit(slow, by=PROGRAM)]
    while ground.budgets.taken and len(spent) < 50:
        task = asyncio.ensure_future(ground.calls.admit(slow, by=PROGRAM))
        await ground.time.settle()
        if not task.done():
            break
        spent.append(await task)
    await ground.time.result(ground.calls.close())
    with pytest.raises(OverLimit):
        await task
    assert ground.budgets.taken == 3 + len(spent)
    assert ground.budgets.standing() == []
