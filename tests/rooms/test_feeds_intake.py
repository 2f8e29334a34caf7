"""The hatch: every line is answered, good ones are taken, and money is taken once."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import sys
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pytest

from evergrant import vault
from evergrant.errors import (
    AccountClosed,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    OverLimit,
    StoreUnavailable,
    TooLarge,
)
from evergrant.feeds.crowding import Crowding
from evergrant.feeds.intake import MOST_LINES, Taking
from evergrant.feeds.taken import LineAnswer, Taken
from evergrant.ports.things import Account
from evergrant.ports.traded import Pick
from evergrant.rules.changes import ChangeKind, ChangeState, Lane
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, VendorKind
from evergrant.rules.rights import Right
from evergrant.testing.store import MemoryStore
from tests.rooms.hatch_ground import (
    ERP,
    GERMANY,
    Hatch,
    cancellation,
    invoice,
    order,
    pdf,
    price,
    refund,
    shipment,
    stock,
)


@pytest.fixture
async def hatch() -> Hatch:
    return await Hatch().open()


@pytest.fixture
async def account(hatch: Hatch) -> Account:
    return await hatch.add()


def fates(taken: Taken) -> list[str]:
    return [answer.fate.value for answer in taken.answers]


def flaws(answer: LineAnswer) -> dict[str | None, str]:
    return {flaw.field: flaw.code for flaw in answer.flaws}


async def put(hatch: Hatch, account: Account, *lines: dict[str, Any], **more: Any) -> Taken:
    return await hatch.taking.put(account.id, lines, by=ERP, **more)


# --- money ------------------------------------------------------------------------------------


async def test_a_refund_twice_in_one_batch_is_one_change(hatch: Hatch, account: Account) -> None:
    taken = await put(hatch, account, refund(), refund())
    assert fates(taken) == ["taken", "duplicate"]
    (change,) = await hatch.changes(account)
    assert {answer.change_id for answer in taken.answers} == {change.id}


async def test_a_refund_in_two_batches_is_one_change(hatch: Hatch, account: Account) -> None:
    first = await put(hatch, account, refund())
    again = await put(hatch, account, refund())
    assert fates(again) == ["duplicate"]
    assert again.answers[0].change_id == first.answers[0].change_id
    assert len(await hatch.changes(account)) == 1


@pytest.mark.parametrize("line", [refund(), cancellation(), invoice()], ids=lambda it: it["kind"])
async def test_two_nodes_that_hand_in_the_same_at_once_make_one_change(
    hatch: Hatch, account: Account, line: dict[str, Any]
) -> None:
    takings = [hatch.another() for _ in range(6)]
    answers = await asyncio.gather(
        *(taking.put(account.id, [line, line], by=ERP) for taking in takings)
    )
    (change,) = await hatch.changes(account)
    said = [answer for taken in answers for answer in taken.answers]
    assert sorted(answer.fate for answer in said) == ["duplicate"] * 11 + ["taken"]
    assert {answer.change_id for answer in said} == {change.id}


@pytest.mark.parametrize(
    "state", [ChangeState.ACCEPTED, ChangeState.UNCERTAIN], ids=lambda it: it.value
)
async def test_a_refund_that_went_out_is_never_taken_again(
    hatch: Hatch, account: Account, state: ChangeState
) -> None:
    first = await put(hatch, account, refund())
    await hatch.settle(first.answers[0].change_id, state)
    assert fates(await put(hatch, account, refund())) == ["duplicate"]
    other = await put(hatch, account, refund(amount="20.00"))
    assert fates(other) == ["refused"]
    assert flaws(other.answers[0]) == {"reference": "conflict"}
    assert first.answers[0].change_id in other.answers[0].flaws[0].message
    assert len(await hatch.changes(account)) == 1


async def test_a_refund_that_amazon_refused_is_taken_anew(hatch: Hatch, account: Account) -> None:
    first = await put(hatch, account, refund())
    await hatch.settle(first.answers[0].change_id, ChangeState.REFUSED)
    again = await put(hatch, account, refund())
    assert fates(again) == ["taken"]
    assert again.answers[0].change_id != first.answers[0].change_id
    assert fates(await put(hatch, account, refund())) == ["duplicate"]


async def test_a_refund_that_was_taken_back_may_come_again(hatch: Hatch, account: Account) -> None:
    first = await put(hatch, account, refund())
    await hatch.taking.withdraw([first.answers[0].change_id], by=ERP)
    assert fates(await put(hatch, account, refund(amount="20.00"))) == ["taken"]


async def test_a_reference_is_the_accounts_own(hatch: Hatch, account: Account) -> None:
    other = await hatch.add()
    await put(hatch, account, refund())
    assert fates(await put(hatch, other, refund())) == ["taken"]


# --- what is stored ---------------------------------------------------------------------------


async def test_good_lines_are_taken_and_bad_ones_refused(hatch: Hatch, account: Account) -> None:
    taken = await put(
        hatch,
        account,
        stock(reference="a"),
        stock("MUG-2", -1, reference="b"),
        price(),
        {"kind": "nonsense"},
        shipment(),
        name="morning.csv",
        source="folder",
    )
    assert fates(taken) == ["taken", "refused", "taken", "refused", "taken"]
    assert (taken.lines, taken.taken, taken.refused) == (5, 3, 2)
    assert flaws(taken.answers[1]) == {"quantity": "out_of_range"}
    assert taken.answers[1].reference == "b"
    changes = await hatch.changes(account)
    assert [(one.kind, one.line, one.lane) for one in changes] == [
        (ChangeKind.STOCK, 1, Lane.LISTING),
        (ChangeKind.PRICE, 3, Lane.LISTING),
        (ChangeKind.SHIPMENT, 5, Lane.ORDER),
    ]
    assert all(one.state is ChangeState.PENDING for one in changes)
    assert all(one.intake_id == taken.intake_id for one in changes)
    assert changes[0].marketplace_id == GERMANY
    assert changes[0].reference == "a"
    async with hatch.store.transaction() as tx:
        intake = await tx.intakes.get(taken.intake_id)
        work = await tx.work.get(account.id)
    assert intake is not None
    assert (intake.lines, intake.taken, intake.refused) == (5, 3, 2)
    assert (intake.name, intake.source) == ("morning.csv", "folder")
    assert work is not None
    assert work.due_at == hatch.clock.now()
    assert hatch.bell.work == [account.id]


async def test_the_order_of_lines_is_that_of_the_changes(hatch: Hatch, account: Account) -> None:
    """However many come within one millisecond."""
    for batch in range(5):
        await put(hatch, account, *(stock(f"S-{batch}-{number:03}") for number in range(100)))
    skus = [change.subject for change in await hatch.changes(account)]
    assert skus == sorted(skus)
    assert len(skus) == 500


async def test_the_last_line_of_a_thing_counts(hatch: Hatch, account: Account) -> None:
    taken = await put(
        hatch, account, stock(quantity=1), stock(quantity=2), stock(marketplace="FR"), stock()
    )
    assert fates(taken) == ["superseded", "superseded", "taken", "taken"]
    assert [answer.of_line for answer in taken.answers] == [4, 4, 0, 0]
    assert [change.wish for change in await hatch.changes(account)] == [{"quantity": 12}] * 2


@pytest.mark.parametrize("state", [State.LAPSED, State.ACTIVE])
async def test_what_waits_for_months_does_not_pile_up(hatch: Hatch, state: State) -> None:
    account = await hatch.add(state, flags={Flag.UPDATE_PRICE: False})
    for day in range(20):
        await put(
            hatch,
            account,
            stock(quantity=day),
            price(amount=f"{day + 1}.00"),
            stock("MUG-2", quantity=day),
        )
        hatch.clock.move(days=1)
    changes = await hatch.changes(account)
    assert len(changes) == 60
    waiting = [one for one in changes if one.state is ChangeState.PENDING]
    assert [one.wish.get("quantity", one.wish.get("price")) for one in waiting] == [19, "20.00", 19]
    by_id = {one.id: one for one in changes}
    for one in changes:
        if one not in waiting:
            later = by_id[one.superseded_by or ""]
            assert (later.kind, later.key, later.line) == (one.kind, one.key, one.line)
            assert (one.state, one.settled_at) == (ChangeState.SUPERSEDED, later.created_at)


async def test_what_a_run_has_is_left_to_it(hatch: Hatch, account: Account) -> None:
    await put(hatch, account, stock(quantity=1))
    (first,) = await hatch.changes(account)
    async with hatch.store.transaction() as tx:
        await tx.changes.claim(
            account.id, "run_1", [Pick(change_id=first.id, message_id=1)], {}, hatch.clock.now()
        )
    second = await put(hatch, account, stock(quantity=2))
    third = await put(hatch, account, stock(quantity=3))
    states = [one.state for one in await hatch.changes(account)]
    assert states == [ChangeState.IN_FLIGHT, ChangeState.SUPERSEDED, ChangeState.PENDING]
    # Each batch is still told what it was told.
    for taken in (second, third):
        again = await hatch.taking.get(account.id, taken.intake_id, by=ERP)
        assert fates(again) == ["taken"]
        assert again.answers == taken.answers


async def test_a_package_is_changed_while_it_waits(hatch: Hatch, account: Account) -> None:
    first = await put(hatch, account, shipment())
    assert fates(await put(hatch, account, shipment())) == ["duplicate"]
    corrected = await put(hatch, account, shipment(tracking_number="0099"))
    assert fates(corrected) == ["taken"]
    old, new = await hatch.changes(account)
    assert (old.id, old.state) == (first.answers[0].change_id, ChangeState.SUPERSEDED)
    assert old.superseded_by == new.id == corrected.answers[0].change_id
    await hatch.settle(new.id, ChangeState.ACCEPTED)
    same = await put(hatch, account, shipment(tracking_number="0099"))
    assert fates(same) == ["duplicate"]
    assert fates(await put(hatch, account, shipment(package="2"))) == ["taken"]


async def test_invoices_are_sealed_and_shown_nowhere(
    hatch: Hatch, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    content = pdf()
    taken = await put(hatch, account, invoice("R-1", content), invoice("R-2", b"PK" + content))
    assert fates(taken) == ["taken", "refused"]
    (change,) = await hatch.changes(account)
    async with hatch.store.transaction() as tx:
        secret = await hatch.vault.open(tx, vault.invoice_document(change.id))
        row = await tx.safe.get(vault.invoice_document(change.id))
    assert secret is not None
    assert secret.reveal() == b64encode(content).decode()
    assert row is not None
    assert row.expires_at is None
    assert isinstance(hatch.store, MemoryStore)
    kept = {name: rows for name, rows in hatch.store.rows.items() if name != "safe"}
    shown = f"{kept} {hatch.store.lines} {taken} {taken.answers} {caplog.text}"
    for form in (content.decode(), b64encode(content).decode()[8:40]):
        assert form not in shown


async def test_an_invoice_number_stands_for_one_document(hatch: Hatch, account: Account) -> None:
    content = pdf()
    await put(hatch, account, invoice("R-1", content))
    assert fates(await put(hatch, account, invoice("R-1", content))) == ["duplicate"]
    other = await put(hatch, account, invoice("R-1", pdf()))
    assert flaws(other.answers[0]) == {"invoice_number": "conflict"}
    assert isinstance(hatch.store, MemoryStore)
    assert len([name for name in hatch.store.rows["safe"] if name.endswith("/invoice")]) == 1


async def test_the_journal_has_numbers_and_no_wishes(hatch: Hatch, account: Account) -> None:
    await put(hatch, account, stock("SECRET-SKU"), refund("SECRET-RMA"), {"kind": "x"})
    (line,) = await hatch.lines("changes.taken")
    assert line.account_id == account.id
    assert line.caller == "api_key:key_erp"
    assert line.facts["taken"] == 2
    assert line.facts["refused"] == 1
    assert line.facts["kinds"] == {"stock": 1, "refund": 1}
    assert "SECRET" not in str(line)


async def test_a_batch_of_bad_lines_alone_is_answered(hatch: Hatch, account: Account) -> None:
    taken = await put(hatch, account, {"kind": "nonsense"}, stock(quantity="many"))
    assert fates(taken) == ["refused", "refused"]
    assert await hatch.changes(account) == []
    assert hatch.bell.work == []


# --- the same batch again ---------------------------------------------------------------------

BATCH = [
    stock(reference="a"),
    refund(),
    refund(),
    {"kind": "stok", "reference": "c"},
    stock("MUG-2", 1),
    stock("MUG-2", 2),
    refund(amount="3.00"),
]


async def test_the_same_key_and_lines_get_the_same_answer(hatch: Hatch, account: Account) -> None:
    first = await put(hatch, account, *BATCH, idempotency_key="k")
    before = await hatch.changes(account)
    await hatch.settle(before[0].id, ChangeState.ACCEPTED)
    again = await put(hatch, account, *BATCH, idempotency_key="k")
    assert again == dataclasses.replace(first, repeated=True)
    assert not first.repeated
    assert await hatch.taking.get(account.id, first.intake_id, by=ERP) == first
    assert len(await hatch.changes(account)) == len(before)
    assert len(await hatch.lines("changes.taken")) == 1


async def test_the_same_key_with_other_lines_is_refused(hatch: Hatch, account: Account) -> None:
    await put(hatch, account, stock(), idempotency_key="k")
    with pytest.raises(Conflict):
        await put(hatch, account, stock(quantity=13), idempotency_key="k")
    assert len(await hatch.changes(account)) == 1
    # The names of a line have no order; lines have.
    mixed = dict(reversed(list(stock().items())))
    assert (await put(hatch, account, mixed, idempotency_key="k")).repeated
    other = await hatch.add()
    assert not (await put(hatch, other, stock(quantity=13), idempotency_key="k")).repeated


async def test_the_same_key_from_two_nodes_at_once_takes_one_batch(
    hatch: Hatch, account: Account
) -> None:
    answers = await asyncio.gather(
        *(hatch.another().put(account.id, BATCH, by=ERP, idempotency_key="k") for _ in range(5))
    )
    assert len({taken.intake_id for taken in answers}) == 1
    assert sorted(taken.repeated for taken in answers) == [False, True, True, True, True]
    assert len(await hatch.changes(account)) == 3
    assert len({taken.answers for taken in answers}) == 1


async def test_without_a_key_every_batch_is_a_batch(hatch: Hatch, account: Account) -> None:
    one, two = await put(hatch, account, stock()), await put(hatch, account, stock())
    assert one.intake_id != two.intake_id
    assert len(await hatch.changes(account)) == 2


# --- what is refused as a whole, and what waits -----------------------------------------------


async def test_a_batch_has_lines_and_not_too_many(hatch: Hatch, account: Account) -> None:
    with pytest.raises(InvalidInput):
        await put(hatch, account)
    with pytest.raises(TooLarge) as caught:
        await hatch.taking.put(account.id, [stock()] * (MOST_LINES + 1), by=ERP)
    assert "Split" in (caught.value.hint or "")
    with pytest.raises(InvalidInput):
        await put(hatch, account, stock(), idempotency_key="k" * 201)
    with pytest.raises(InvalidInput):
        await put(hatch, account, stock(), idempotency_key="a\nb")


async def test_ten_thousand_lines_are_taken(hatch: Hatch, account: Account) -> None:
    lines = [stock(f"S-{number}") for number in range(MOST_LINES - 2)]
    taken = await hatch.taking.put(account.id, [*lines, {}, stock("S-0", 0)], by=ERP)
    assert (taken.taken, taken.refused, taken.superseded) == (MOST_LINES - 2, 1, 1)
    told = await hatch.taking.get(account.id, taken.intake_id, by=ERP)
    assert told == taken


async def test_closed_accounts_take_nothing(hatch: Hatch) -> None:
    closed = await hatch.add(State.CLOSED)
    with pytest.raises(AccountClosed):
        await put(hatch, closed, stock())
    with pytest.raises(AccountClosed):
        await hatch.taking.judge(closed.id, [stock()], by=ERP)
    assert await hatch.lines("changes.taken") == []


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.AWAITING, "not_authorized"),
        (State.LAPSED, "lapsed"),
        (State.REVOKED, "revoked"),
    ],
)
async def test_without_an_authorization_changes_wait(hatch: Hatch, state: State, code: str) -> None:
    account = await hatch.add(state)
    taken = await put(hatch, account, stock())
    assert fates(taken) == ["taken"]
    assert [(note.code, note.kind) for note in taken.notes] == [(code, "")]


async def test_a_switch_that_is_off_makes_changes_wait(hatch: Hatch) -> None:
    account = await hatch.add(flags={Flag.UPDATE_PRICE: False, Flag.REFUND_ORDERS: False})
    taken = await put(hatch, account, stock(), price(), cancellation())
    assert fates(taken) == ["taken"] * 3
    assert [(note.code, note.kind) for note in taken.notes] == [("switched_off", "price")]
    assert "update_price" in taken.notes[0].message


async def test_what_a_kind_of_account_does_not_have(hatch: Hatch) -> None:
    retail = await hatch.add(vendor_kind=VendorKind.RETAIL)
    taken = await put(hatch, retail, stock(), price(), refund())
    assert [flaws(answer) for answer in taken.answers] == [{"kind": "unavailable"}] * 3


async def test_only_where_it_sells_as_far_as_amazon_told(hatch: Hatch) -> None:
    account = await hatch.add(sells_in={"DE": True, "FR": True, "IT": False})
    lines = [stock(marketplace=code) for code in ("DE", "FR", "IT", "ES")]
    assert fates(await put(hatch, account, *lines)) == ["taken", "taken", "refused", "refused"]


# --- judging and taking back ------------------------------------------------------------------


async def test_judging_takes_nothing(hatch: Hatch, account: Account) -> None:
    await put(hatch, account, refund("RMA-0"))
    assert isinstance(hatch.store, MemoryStore)
    before = {name: dict(rows) for name, rows in hatch.store.rows.items()}
    judged = await hatch.taking.judge(account.id, [*BATCH, refund("RMA-0")], by=ERP)
    assert judged.intake_id == ""
    assert fates(judged) == [
        "taken", "taken", "duplicate", "refused", "superseded", "taken", "refused", "duplicate",
    ]  # fmt: skip
    assert hatch.store.rows == before


async def test_what_waits_is_taken_back(hatch: Hatch, account: Account) -> None:
    taken = await put(hatch, account, stock(), refund(), invoice())
    ids = [answer.change_id for answer in taken.answers]
    await hatch.settle(ids[0], ChangeState.ACCEPTED)
    done = await hatch.taking.withdraw([*ids, ids[1]], by=ERP)
    assert done.withdrawn == (ids[1], ids[2])
    assert done.left == {ids[0]: ChangeState.ACCEPTED}
    states = [change.state for change in await hatch.changes(account)]
    assert states == [ChangeState.ACCEPTED, ChangeState.WITHDRAWN, ChangeState.WITHDRAWN]
    assert isinstance(hatch.store, MemoryStore)
    assert not [name for name in hatch.store.rows["safe"] if name.endswith("/invoice")]
    (line,) = await hatch.lines("changes.withdrawn")
    assert (line.account_id, line.facts["count"]) == (account.id, 2)
    again = await hatch.taking.withdraw(ids[1:2], by=ERP)
    assert again.left == {ids[1]: ChangeState.WITHDRAWN}
    assert len(await hatch.lines("changes.withdrawn")) == 1


async def test_withdrawing_is_all_or_nothing_within_reach(hatch: Hatch, account: Account) -> None:
    other = await hatch.add()
    mine, theirs = await put(hatch, account, stock()), await put(hatch, other, stock())
    bound = dataclasses.replace(ERP, account_ids=frozenset({account.id}))
    both = [mine.answers[0].change_id, theirs.answers[0].change_id]
    with pytest.raises(NotFound):
        await hatch.taking.withdraw(both, by=bound)
    assert {one.state for one in await hatch.changes(account)} == {ChangeState.PENDING}
    for bad in ([], ["chg_x"], [both[0], "acc_x"], [f"chg_{n:026}" for n in range(1001)]):
        with pytest.raises(InvalidInput):
            await hatch.taking.withdraw(bad, by=ERP)


# --- who may ----------------------------------------------------------------------------------


async def test_handing_in_needs_the_right_and_the_reach(hatch: Hatch, account: Account) -> None:
    weak = dataclasses.replace(ERP, rights=frozenset(Right) - {Right.AMAZON_WRITE})
    elsewhere = dataclasses.replace(ERP, client_instance_id="ins_other")
    change = (await put(hatch, account, stock())).answers[0].change_id
    for verb in (
        lambda by: hatch.taking.put(account.id, [stock()], by=by),
        lambda by: hatch.taking.judge(account.id, [stock()], by=by),
        lambda by: hatch.taking.withdraw([change], by=by),
    ):
        with pytest.raises(NotAllowed):
            await verb(weak)
        with pytest.raises(NotFound):
            await verb(elsewhere)
    with pytest.raises(NotFound):
        await hatch.taking.put("acc_none", [stock()], by=ERP)


async def test_an_answer_is_read_within_reach(hatch: Hatch, account: Account) -> None:
    taken = await put(hatch, account, stock())
    other = await hatch.add()
    reader = dataclasses.replace(ERP, rights=frozenset({Right.READ}))
    assert await hatch.taking.get(account.id, taken.intake_id, by=reader) == taken
    nobody = dataclasses.replace(ERP, rights=frozenset({Right.ACCESS_TOKENS}))
    with pytest.raises(NotAllowed):
        await hatch.taking.get(account.id, taken.intake_id, by=nobody)
    for account_id in (other.id, "acc_none"):
        with pytest.raises(NotFound):
            await hatch.taking.get(account_id, taken.intake_id, by=ERP)
    bound = dataclasses.replace(ERP, account_ids=frozenset({other.id}))
    with pytest.raises(NotFound):
        await hatch.taking.get(account.id, taken.intake_id, by=bound)


# --- the database goes away -------------------------------------------------------------------


async def test_a_batch_is_taken_whole_or_not_at_all(hatch: Hatch, account: Account) -> None:
    assert isinstance(hatch.store, MemoryStore)
    hatch.store.down = True
    with pytest.raises(StoreUnavailable):
        await put(hatch, account, *_many(), idempotency_key="k")
    hatch.store.down = False
    assert await hatch.changes(account) == []
    assert hatch.bell.work == []
    assert (await put(hatch, account, *_many(), idempotency_key="k")).taken == 20


def _many() -> Sequence[dict[str, Any]]:
    return [cancellation(order(number)) for number in range(20)]


# --- one selling partner, several accounts ------------------------------------------------------


async def test_what_a_twin_account_was_told_is_not_told_again(hatch: Hatch) -> None:
    one = await hatch.add(merchant_token="A1TWIN")
    other = await hatch.add()
    async with hatch.store.transaction() as tx:
        own = await tx.authorizations.one(account_id=other.id)
        assert own is not None
        await tx.authorizations.change(own.id, selling_partner_id="A1TWIN")
    stranger = await hatch.add(merchant_token="A1OTHER")
    batch = [refund("RMA-1"), cancellation(), invoice("R-1"), stock()]
    assert (await hatch.taking.put(one.id, batch, by=ERP)).taken == 4
    again = [refund(" rma-1", "5.00"), cancellation(), invoice("r-1"), stock(), refund("RMA-2")]
    for answered in (
        await hatch.taking.judge(other.id, again, by=ERP),
        await hatch.taking.put(other.id, again, by=ERP),
    ):
        codes = [[flaw.code for flaw in answer.flaws] for answer in answered.answers]
        assert codes == [["elsewhere"], ["elsewhere"], ["elsewhere"], [], []]
    assert one.id not in str(answered.answers)
    assert (await hatch.taking.put(stranger.id, batch, by=ERP)).taken == 4
    # The same name of another order's refund is another refund; and what was taken back was never.
    lines = [refund("RMA-1", order_id=order(5)), cancellation(order(6))]
    assert (await hatch.taking.put(other.id, lines, by=ERP)).taken == 2
    waiting = [change.id for change in await hatch.changes(one)]
    await hatch.taking.withdraw(waiting, by=ERP)
    assert (await hatch.taking.put(other.id, [refund("RMA-9"), cancellation()], by=ERP)).taken == 2


async def test_a_name_in_another_spelling_is_the_same(hatch: Hatch, account: Account) -> None:
    first = await hatch.taking.put(account.id, [refund("RMA-\u00e9 7")], by=ERP)
    again = await hatch.taking.put(
        account.id,
        [refund("rma-e\u0301 7"), refund("RM\u0410-\u00c97"), refund("RMA-\u00e97 ")],
        by=ERP,
    )
    assert {answer.fate.value for answer in again.answers} == {"duplicate"}
    assert {answer.change_id for answer in again.answers} == {first.answers[0].change_id}


async def test_very_much_may_wait_and_no_more(hatch: Hatch, account: Account) -> None:
    other = await hatch.add()
    taking = Taking(
        store=hatch.store,
        clock=hatch.clock,
        vault=hatch.vault,
        bell=hatch.bell,
        marketplaces=STANDARD,
        crowding=Crowding(most=5),
    )
    await taking.put(account.id, [refund(f"R-{number}") for number in range(3)], by=ERP)
    for _ in range(3):  # the same again adds nothing
        await taking.put(account.id, [refund("R-1")], by=ERP)
    with pytest.raises(OverLimit) as over:
        await taking.put(account.id, [stock(f"S{number}") for number in range(3)], by=ERP)
    assert over.value.facts["open"] == 3
    assert len(await hatch.changes(account)) == 3
    assert (await taking.put(other.id, [stock()], by=ERP)).taken == 1
    await hatch.settle((await hatch.changes(account))[0].id, ChangeState.ACCEPTED)
    await taking.put(account.id, [stock(f"S{number}") for number in range(3)], by=ERP)
    with pytest.raises(OverLimit):
        await taking.put(account.id, [stock("S9")], by=ERP)


async def test_a_line_without_a_bottom_is_bad_input(hatch: Hatch, account: Account) -> None:
    bottomless: Any = 1
    for _ in range(sys.getrecursionlimit()):
        bottomless = [bottomless]
    with pytest.raises(InvalidInput) as caught:
        await hatch.taking.put(account.id, [stock(), stock(quantity=bottomless)], by=ERP)
    assert [flaw.field for flaw in caught.value.flaws] == ["changes[1]"]
    assert not await hatch.changes(account)
