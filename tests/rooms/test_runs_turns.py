"""All kinds of changes in the turns of an account, from the hatch to Amazon and back, while workers
die: plan and runs together."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path
from tests.rooms.kitchen_amazon import PDF, Killed
from tests.rooms.kitchen_ground import ROOT, Kitchen, kitchen

A, R = ChangeState.ACCEPTED, ChangeState.REFUSED
BAD = {"S1", "302-0000001-0000001", "303-0000001-0000001", "304-0000001-0000001"}


def _lines(at: str) -> list[dict[str, Any]]:
    items = [{"order_item_id": "11", "quantity": 1}]
    of: list[dict[str, Any]] = []
    for number in range(3):
        of += [
            {"kind": "stock", "sku": f"S{number}", "quantity": number + 5},
            {"kind": "price", "sku": f"S{number}", "price": "9.99", "currency": "EUR"},
            {
                "kind": "shipment",
                "order_id": f"302-000000{number}-0000001",
                "carrier_code": "DHL",
                "tracking_number": f"T{number}",
                "shipped_at": at,
                "items": items,
            },
            {
                "kind": "cancellation",
                "order_id": f"303-000000{number}-0000001",
                "reason": "NoInventory",
                "items": [{"order_item_id": "11"}],
            },
            {
                "kind": "refund",
                "order_id": f"304-000000{number}-0000001",
                "reference": f"r{number}",
                "currency": "EUR",
                "reason": "CustomerReturn",
                "items": [{"order_item_id": "11", "principal": "1.00"}],
            },
            {
                "kind": "invoice",
                "order_id": f"305-000000{number}-0000001",
                "invoice_number": f"R{number}",
                "total": "119.00",
                "vat": "19.00",
                "pdf": base64.b64encode(PDF).decode(),
            },
        ]
    return of


async def _due(house: Kitchen) -> None:
    house.afresh()
    house.amazon.bad = set(BAD)
    lines = _lines(house.clock.now().isoformat())
    taken = await house.desk.feeds.intake.put(house.account_id, lines, by=ROOT)
    assert taken.taken == len(lines), taken.answers
    house.steps.log.clear()


async def _turns(house: Kitchen, *, nodes: int = 1) -> None:
    """Minutes pass until everything is settled."""
    for _ in range(240):
        desks = [house.desk]
        if nodes == 2:
            house.another()
            desks.append(house.desk)
        await asyncio.gather(*(_turn(desk) for desk in desks))
        if all(one.settled_at for one in await house.changes()):
            return
        house.clock.move(minutes=1)
    raise AssertionError([(one.subject, one.state, one.code) for one in await house.changes()])


async def _turn(desk: Any) -> None:
    for account_id in await desk.feeds.work.tick():
        await desk.feeds.work.work(account_id)


async def _is_well(house: Kitchen, told: str) -> None:
    changes = await house.changes()
    assert len(changes) == 18
    for one in changes:
        assert one.state is (R if one.subject in BAD else A), (told, one.subject, one.state)
    done = house.amazon.done
    assert dict(done.refunds) == dict.fromkeys(("304-0000000-0000001", "304-0000002-0000001"), 1), (
        told
    )
    assert dict(done.cancellations) == dict.fromkeys(
        ("303-0000000-0000001", "303-0000002-0000001"), 1
    ), told
    assert dict(done.invoices) == dict.fromkeys(("R0", "R1", "R2"), 1), told
    assert done.stock == {"S0": 5, "S2": 7}, told
    assert done.prices == {"S0": 9.99, "S2": 9.99}, told
    assert len(done.shipments) == 2, told
    runs = await house.all_runs()
    assert sum(run.accepted for run in runs) == 13, told
    assert sum(run.refused for run in runs) == 5, told
    assert all(run.step.is_over for run in runs), told
    assert await house.board() == [], told


async def test_killed_at_acts_of_whole_turns_all_ends_well() -> None:
    house = await kitchen(Path.PATCH)
    await _due(house)
    await _turns(house)
    await _is_well(house, "undisturbed")
    acts = len(house.steps.log)
    assert acts > 100
    for number in range(1, acts, 11):
        await _due(house)
        house.steps.die_at = number
        try:
            await _turns(house)
        except Killed:
            house.steps.die_at = None
            house.another()
            await _turns(house)
        house.steps.die_at = None
        await _is_well(house, f"killed {number}")


async def test_two_nodes_and_one_dies_again_and_again() -> None:
    house = await kitchen(Path.PATCH)
    for every in (11, 23, 37):
        await _due(house)
        for _ in range(5):
            house.steps.die_at = len(house.steps.log) + every
            try:
                await _turns(house, nodes=2)
            except Killed:
                house.another()
        house.steps.die_at = None
        house.another()
        await _turns(house, nodes=2)
        await _is_well(house, f"every {every}")
