"""The hatch on PostgreSQL, where several nodes really hand in at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evergrant import vault
from evergrant.adapters.store import open_store
from evergrant.ports.things import Account
from evergrant.rules.changes import ChangeState
from tests.rooms.hatch_ground import (
    ERP,
    Hatch,
    cancellation,
    invoice,
    order,
    pdf,
    refund,
    shipment,
    stock,
)


@pytest.fixture
async def hatch(database_url: str) -> AsyncIterator[Hatch]:
    store = await open_store(database_url)
    yield await Hatch(store=store).open()
    await store.close()


@pytest.fixture
async def account(hatch: Hatch) -> Account:
    return await hatch.add()


async def test_nodes_that_hand_in_the_same_deeds_at_once_make_each_once(
    hatch: Hatch, account: Account
) -> None:
    """The first batches of an account, so that there is no doorbell yet to wait for."""
    content = pdf()
    batch: list[dict[str, Any]] = [
        *(refund(f"RMA-{number}") for number in range(20)),
        *(cancellation(order(number)) for number in range(20)),
        invoice("R-1", content),
    ]
    mixed = [batch, batch[::-1], batch[10:] + batch[:10], batch + batch]
    answers = await asyncio.gather(
        *(hatch.another().put(account.id, lines, by=ERP) for lines in mixed * 2)
    )
    changes = await hatch.changes(account)
    assert len(changes) == len({(change.kind, change.key) for change in changes}) == 41
    said = [answer for taken in answers for answer in taken.answers]
    assert sum(answer.fate == "taken" for answer in said) == 41
    assert {answer.fate.value for answer in said} == {"taken", "duplicate"}
    assert {answer.change_id for answer in said} == {change.id for change in changes}
    async with hatch.store.transaction() as tx:
        assert await tx.safe.count() == 1


async def test_one_key_from_several_nodes_at_once_is_one_batch(
    hatch: Hatch, account: Account
) -> None:
    lines = [stock(), stock("MUG-2"), refund(), {"kind": "x"}]
    answers = await asyncio.gather(
        *(hatch.another().put(account.id, lines, by=ERP, idempotency_key="k") for _ in range(6))
    )
    assert len({taken.intake_id for taken in answers}) == 1
    assert sum(not taken.repeated for taken in answers) == 1
    assert len({taken.answers for taken in answers}) == 1
    assert len(await hatch.changes(account)) == 3


async def test_a_package_takes_the_place_of_what_waits(hatch: Hatch, account: Account) -> None:
    await hatch.taking.put(account.id, [shipment()], by=ERP)
    await hatch.taking.put(account.id, [shipment(tracking_number="0099")], by=ERP)
    old, new = await hatch.changes(account)
    assert (old.state, old.superseded_by) == (ChangeState.SUPERSEDED, new.id)
    assert new.state is ChangeState.PENDING


async def test_handing_in_and_taking_back_at_once(hatch: Hatch, account: Account) -> None:
    """Either it was taken back, and comes anew; or it stood, and the second one is a duplicate."""
    for number in range(5):
        line = invoice(f"R-{number}")
        first = await hatch.taking.put(account.id, [line], by=ERP)
        withdrawn, again = await asyncio.gather(
            hatch.another().withdraw([first.answers[0].change_id], by=ERP),
            hatch.another().put(account.id, [line], by=ERP),
        )
        assert withdrawn.withdrawn == (first.answers[0].change_id,)
        pending = [
            change.id
            for change in await hatch.changes(account, states={ChangeState.PENDING})
            if change.key == f"R-{number}"
        ]
        fresh = [one.change_id for one in again.answers if one.fate == "taken"]
        assert pending == fresh
        async with hatch.store.transaction() as tx:
            for change_id in fresh:
                assert await tx.safe.get(vault.invoice_document(change_id)) is not None
            assert await tx.safe.get(vault.invoice_document(first.answers[0].change_id)) is None


async def test_twins_that_hand_in_the_same_at_once_make_each_deed_once(hatch: Hatch) -> None:
    twins = [await hatch.add(merchant_token="A1TWIN") for _ in range(2)]
    batch = [*(refund(f"RMA-{number}") for number in range(5)), cancellation()]
    for twin in twins:
        await hatch.taking.put(twin.id, [stock()], by=ERP)
    answers = await asyncio.gather(
        *(hatch.another().put(twin.id, batch, by=ERP) for twin in twins for _ in range(3))
    )
    assert sum(taken.taken for taken in answers) == 6
    made = [change for twin in twins for change in await hatch.changes(twin)]
    assert len(made) == 6 + 2
