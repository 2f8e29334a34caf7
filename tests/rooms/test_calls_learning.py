"""What Amazon's answers teach, what is counted and what is logged."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from evergrant.calls import Leave, Outcome
from evergrant.limits import Limits
from evergrant.rules.marketplaces import STANDARD, Region
from tests.rooms.gate_ground import OPERATION, PATH, PROGRAM, GateGround
from tests.rooms.mint_ground import Held

ITEMS = "/listings/2021-08-01/items/A2SELLER/SKU"  # of the pair, and of the application


@pytest.fixture
async def ground() -> AsyncIterator[GateGround]:
    ground = GateGround()
    yield ground
    await ground.close()


@pytest.fixture
async def shop(ground: GateGround) -> Held:
    return await ground.shop()


@pytest.fixture
async def leave(ground: GateGround, shop: Held) -> Leave:
    return await ground.calls.admit(ground.asked(shop), by=PROGRAM)


def answered(status: int | None = 200, rate: float | None = None, error: str = "") -> Outcome:
    return Outcome(
        status=status,
        took_s=0.25,
        reported_rate_per_s=rate,
        amazon_request_id="amazon-1",
        error=error,
    )


# --- rates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 404])
async def test_a_reported_rate_is_learned(ground: GateGround, leave: Leave, status: int) -> None:
    ground.calls.tell(leave, answered(status, 7.5))
    await ground.time.settle()
    bucket = leave.shares[0].bucket
    assert ground.budgets.learned == [(bucket, 7.5)]
    [level] = await ground.budgets.look(bucket)
    assert level.plan.rate_per_s == 7.5


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503, None])
async def test_but_not_from_answers_that_do_not_carry_it(
    ground: GateGround, leave: Leave, status: int | None
) -> None:
    ground.calls.tell(leave, answered(status, 7.5))
    await ground.time.settle()
    assert ground.budgets.learned == []


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf, None])
async def test_nonsense_teaches_nothing(
    ground: GateGround, leave: Leave, rate: float | None
) -> None:
    ground.calls.tell(leave, answered(200, rate))
    await ground.time.settle()
    assert ground.budgets.learned == []


async def test_it_is_said_once_and_again_when_it_differs(ground: GateGround, leave: Leave) -> None:
    for rate in (7.5, 7.5, 7.5, 5.0, 5.0, 7.5):
        ground.calls.tell(leave, answered(200, rate))
    await ground.time.settle()
    assert [rate for _, rate in ground.budgets.learned] == [7.5, 5.0, 7.5]


async def test_and_after_a_while_since_others_may_have_learned_otherwise(
    ground: GateGround, leave: Leave
) -> None:
    ground.calls.tell(leave, answered(200, 7.5))
    await ground.time.move(61)
    ground.calls.tell(leave, answered(200, 7.5))
    await ground.time.settle()
    assert len(ground.budgets.learned) == 2


async def test_only_the_pairs_rate_is_reported(ground: GateGround, shop: Held) -> None:
    leave = await ground.calls.admit(ground.asked(shop, ITEMS), by=PROGRAM)
    assert len(leave.shares) == 2
    ground.calls.tell(leave, answered(200, 7.5))
    await ground.time.settle()
    assert ground.budgets.learned == [(leave.shares[0].bucket, 7.5)]


@pytest.mark.parametrize(
    "endpoint",
    [STANDARD.sandbox_endpoints[Region.EU], "https://sandbox.somewhere.example"],
)
async def test_sandboxes_teach_nothing(ground: GateGround, shop: Held, endpoint: str) -> None:
    endpoints = {**STANDARD.endpoints, Region.EU: endpoint}
    calls = ground.gate(marketplaces=dataclasses.replace(STANDARD, endpoints=endpoints)).calls
    leave = await calls.admit(ground.asked(shop), by=PROGRAM)
    assert leave.endpoint == endpoint
    calls.tell(leave, answered(200, 5.0))
    await ground.time.settle()
    assert ground.budgets.learned == []


# --- 429 ----------------------------------------------------------------------------------------


async def test_amazons_429_empties_the_bucket(ground: GateGround, leave: Leave) -> None:
    ground.calls.tell(leave, answered(429, error="QuotaExceeded"))
    await ground.time.settle()
    [level] = await ground.budgets.look(leave.shares[0].bucket)
    assert level.left < 1
    assert level.throttled_at == ground.clock.now()
    again = await ground.time.result(ground.calls.admit(leave.asked, by=PROGRAM))
    assert again.waited_s > 0.3


async def test_many_at_once_empty_it_once(ground: GateGround, shop: Held) -> None:
    leaves = [await ground.calls.admit(ground.asked(shop), by=PROGRAM) for _ in range(5)]
    for leave in leaves:
        ground.calls.tell(leave, answered(429))
    await ground.time.settle()
    assert len(ground.budgets.drained) == 1


async def test_one_throttled_account_does_not_stop_the_others(ground: GateGround) -> None:
    application = await ground.application()
    one, two = [await ground.account(application, await ground.instance()) for _ in range(2)]
    leaves = [
        await ground.calls.admit(ground.asked(held, ITEMS), by=PROGRAM) for held in (one, two)
    ]
    own, common = [share.bucket for share in leaves[0].shares]
    for _ in range(3):
        ground.calls.tell(leaves[0], answered(429))
        await ground.time.settle()
    assert set(ground.budgets.drained) == {(own,)}
    # When a second one is throttled at the same time, the application's bucket is the empty one.
    ground.calls.tell(leaves[1], answered(429))
    await ground.time.settle()
    assert list(ground.budgets.drained[-1]) == [leaves[1].shares[0].bucket, common]
    await ground.time.move(6)
    ground.calls.tell(leaves[0], answered(429))
    await ground.time.settle()
    assert list(ground.budgets.drained[-1]) == [own]


async def test_what_lies_in_the_hand_is_worth_nothing_then(ground: GateGround, shop: Held) -> None:
    await ground.plan(OPERATION, 5_000.0, 5_000)
    for _ in range(3):
        leave = await ground.calls.admit(ground.asked(shop), by=PROGRAM)
    assert leave.permit is not None
    assert leave.permit.line.hand.held > 0
    ground.calls.tell(leave, answered(429))
    assert leave.permit.line.hand.held == 0
    assert ground.calls.admit_at_hand(leave.asked, by=PROGRAM) is None
    await ground.time.settle()


# --- telling costs nothing ------------------------------------------------------------------------


async def test_without_the_database_telling_is_still_fine(ground: GateGround, leave: Leave) -> None:
    ground.budgets.down = True
    with capture_logs() as lines:
        ground.calls.tell(leave, answered(200, 7.5))
        ground.calls.tell(leave, answered(429))
        await ground.time.settle()
    told = [line for line in lines if line["event"] == "in the background"]
    assert {line["what"] for line in told} == {"learning a rate", "draining buckets"}
    assert {line["error"] for line in told} == {"store_unavailable"}
    ground.budgets.down = False
    ground.calls.tell(leave, answered(429))
    await ground.time.settle()
    assert len(ground.budgets.drained) == 1


async def test_a_mistake_of_ours_costs_the_caller_nothing(
    ground: GateGround, leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("counts")

    monkeypatch.setattr(Limits, "note_call", broken)
    with capture_logs() as lines:
        ground.calls.tell(leave, answered())
    assert [line["event"] for line in lines] == ["an outcome was lost"]


async def test_a_call_that_was_never_made_gives_its_permit_back(
    ground: GateGround, leave: Leave
) -> None:
    assert ground.budgets.taken == 1
    with capture_logs() as lines:
        ground.calls.tell(leave, answered(None, error="not_sent"))
        await ground.time.settle()
    assert ground.budgets.taken == 0
    assert lines == []


# --- counts and lines -----------------------------------------------------------------------------


class Noted:
    def __init__(self, ground: GateGround, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[tuple[object, ...], dict[str, object]]] = []
        self.refused: list[tuple[object, ...]] = []
        monkeypatch.setattr(
            Limits, "note_call", lambda _, *where, **what: self.calls.append((where, what))
        )
        monkeypatch.setattr(Limits, "note_refused", lambda _, *where: self.refused.append(where))


async def test_every_call_is_counted_with_its_wait(
    ground: GateGround, shop: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = Noted(ground, monkeypatch)
    await ground.plan(OPERATION, 1.0, 1)
    for _ in range(2):
        leave = await ground.time.result(ground.calls.admit(ground.asked(shop), by=PROGRAM))
        ground.calls.tell(leave, answered(404, error="NotFound"))
    where = (shop.account_id, OPERATION, Region.EU)
    assert [call[0] for call in noted.calls] == [where, where]
    first, second = (call[1] for call in noted.calls)
    assert (first["status"], first["error"], first["took_s"]) == (404, "NotFound", 0.25)
    assert first["waited_s"] == 0.0
    waited_s = second["waited_s"]
    assert isinstance(waited_s, float)
    assert 0.9 < waited_s < 1.2


async def test_our_own_429_is_counted(
    ground: GateGround, shop: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = Noted(ground, monkeypatch)
    await ground.plan(OPERATION, 0.1, 1)
    asked = ground.asked(shop, ready_to_wait_s=0.0)
    await ground.calls.admit(asked, by=PROGRAM)
    with pytest.raises(Exception, match="getReport is spent"):
        await ground.calls.admit(asked, by=PROGRAM)
    assert noted.refused == [(shop.account_id, OPERATION, Region.EU)]
    assert noted.calls == []


async def test_each_call_has_one_line_without_secrets(
    ground: GateGround, shop: Held, caplog: pytest.LogCaptureFixture
) -> None:
    asked = ground.asked(shop, request_id="req-7")
    leave = await ground.calls.admit(asked, by=PROGRAM)
    with caplog.at_level(logging.INFO, "evergrant.calls"):
        ground.calls.tell(leave, answered(200, 2.0))
        await ground.time.settle()
    [record] = caplog.records
    line = {"event": record.getMessage(), **record.__dict__["facts"]}
    assert {name: line[name] for name in ("event", "request_id", "operation", "status")} == {
        "event": "call",
        "request_id": "req-7",
        "operation": OPERATION,
        "status": 200,
    }
    assert line["amazon_request_id"] == "amazon-1"
    assert line["account_id"] == shop.account_id
    assert (line["took_ms"], line["waited_ms"]) == (250.0, 0.0)
    assert leave.access_token.reveal() not in repr(line)
    assert leave.access_token.reveal() not in repr(leave)
    assert PATH not in repr(line)  # paths hold order ids and SKUs
