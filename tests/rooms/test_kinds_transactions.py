"""What becomes of a batch, by what its transaction says; nobody pays for another's fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.feeds.kinds import Looked, Reading
from evergrant.ports.traded import Change, Outcome
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path
from evergrant.rules.wishes import WishGround
from evergrant.rules.wishes.vendors import ALONE, ASKED_BEFORE
from tests.rooms.vendor_ground import KINDS, answer, changes, ground, path_of, run
from tests.rules import vendor_lines as lines
from tests.rules.vendor_lines import DIRECT, EVERY, RETAIL, Line

ERROR = {"code": "INVALID_ORDER_ID", "message": "Invalid order ID.", "details": "4Z32PABC"}


def told(path: Path, status: str, *errors: Any, shape: str = "list") -> Any:
    """A transaction, in the shape of the family."""
    found: dict[str, Any] = {"transactionId": "T-1", "status": status}
    if errors:
        found["errors"] = {"errors": list(errors)} if shape == "object" else list(errors)
    body = {"transactionStatus": found}
    return answer(200, {"payload": body} if path.value.startswith("retail") else body)


def looked(
    some: Sequence[Change], path: Path, said: Any, about: WishGround = RETAIL, *, lost: bool = False
) -> Looked:
    at = run(path, some, feed_id="T-1", facts={"lost": True} if lost else {})
    return KINDS[path].looked(ground(about), at, some, said)


def ends(found: Looked | Reading) -> list[tuple[ChangeState, str]]:
    return [(one.state, one.code) for one in found.outcomes]


def invoices(count: int) -> list[Change]:
    lots = [
        {**lines.INVOICE, "invoice_number": f"R-2026-{n:02d}", "order_id": f"PO{n:06d}"}
        for n in range(count)
    ]
    return changes(RETAIL, *lots)


# --- answers to submissions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"payload": {"transactionId": "T-1"}}, "T-1"),
        ({"transactionId": " T-1 "}, "T-1"),
        ({"payload": {}, "errors": []}, ""),
        ({"payload": None}, ""),
        ({"transactionId": 7}, ""),
        ({"transactionId": ""}, ""),
        ([], ""),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_the_transaction_of_a_202(body: Any, expected: str) -> None:
    for kind in KINDS.values():
        assert kind.transaction_id(answer(202, body)) == expected


def test_a_submission_that_is_refused_at_once() -> None:
    kind = KINDS[Path.RETAIL_INVOICE]
    said = answer(400, {"errors": [{"code": "InvalidInput", "message": "No.", "details": "x"}]})
    alone = kind.refused(invoices(1), said)
    assert ends(alone) == [(ChangeState.REFUSED, "InvalidInput")]
    assert alone.outcomes[0].message == "No. x"
    several = kind.refused(invoices(3), said)
    assert ends(several) == [(ChangeState.PENDING, ALONE)] * 3
    assert "InvalidInput" in several.outcomes[0].message
    assert not several.again


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_what_is_not_about_the_submission(status: int) -> None:
    reading = KINDS[Path.RETAIL_INVOICE].refused(invoices(2), answer(status, {"errors": [ERROR]}))
    assert reading.again
    assert reading.outcomes == ()


# --- looking --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", KINDS)
def test_where_a_transaction_is_looked_at(path: Path) -> None:
    call = KINDS[path].look(ground(RETAIL), run(path, feed_id="2026/11 ?#"))
    assert call.method == "GET"
    place = (
        "/vendor/transactions/v1/transactions/"
        if path.value.startswith("retail")
        else "/vendor/directFulfillment/transactions/2021-12-28/transactions/"
    )
    assert call.path == f"{place}2026%2F11%20%3F%23"


@pytest.mark.parametrize(("line", "about"), EVERY)
def test_success_is_everybody_s(line: Line, about: WishGround) -> None:
    path = path_of(line, about)
    some = changes(about, line)
    found = looked(some, path, told(path, "Success"), about)
    assert found.over
    assert found.status == "Success"
    assert ends(found) == [(ChangeState.ACCEPTED, "")]


@pytest.mark.parametrize(
    "said",
    [
        told(Path.RETAIL_INVOICE, "Processing"),
        told(Path.RETAIL_INVOICE, "Pondering"),
        answer(200, {}),
        answer(200, []),
        answer(200, b"not json"),
        answer(200, {"payload": {"transactionStatus": "Success"}}),
        answer(200, {"payload": {"transactionStatus": {"status": ["Success"]}}}),
    ],
)
def test_what_is_no_end_is_asked_for_again(said: Any) -> None:
    found = looked(invoices(2), Path.RETAIL_INVOICE, said)
    assert not found.over
    assert found.outcomes == ()


@pytest.mark.parametrize("shape", ["list", "object"])
@pytest.mark.parametrize(("line", "about"), EVERY)
def test_a_failure_of_one_is_its_own(line: Line, about: WishGround, shape: str) -> None:
    path = path_of(line, about)
    more = {"code": "MORE", "message": "Something else."}
    found = looked(
        changes(about, line), path, told(path, "Failure", ERROR, more, shape=shape), about
    )
    assert ends(found) == [(ChangeState.REFUSED, "INVALID_ORDER_ID")]
    assert found.outcomes[0].message == "Invalid order ID. 4Z32PABC (and 1 more)"


def test_a_failure_without_words() -> None:
    for errors in ((), ({},), ({"code": 3, "message": None},)):
        found = looked(
            invoices(1), Path.RETAIL_INVOICE, told(Path.RETAIL_INVOICE, "Failure", *errors)
        )
        (one,) = found.outcomes
        assert (one.state, one.message) == (ChangeState.REFUSED, "Amazon gave no reason.")


# --- who is meant ---------------------------------------------------------------------------------


def test_a_failure_of_none_that_is_left_blames_nobody() -> None:
    """Another process has settled them, or one died between that and the end of the run."""
    found = looked([], Path.RETAIL_INVOICE, told(Path.RETAIL_INVOICE, "Failure", fault("R-1")))
    assert found.over
    assert not found.outcomes


def fault(details: str, code: str = "INVALID_ORDER_ID") -> dict[str, str]:
    return {"code": code, "message": "Invalid order ID.", "details": details}


def states(found: Looked) -> str:
    short = {ChangeState.REFUSED: "r", ChangeState.PENDING: "p", ChangeState.ACCEPTED: "a"}
    assert all(one.code == ALONE for one in found.outcomes if one.state is ChangeState.PENDING)
    return "".join(short[one.state] for one in found.outcomes)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([fault("PO000001")], "prpp"),
        ([fault("PO000001"), fault("PO000003")], "prpr"),
        ([fault("R-2026-02"), fault("PO000002 item 1")], "pprp"),
        ([fault("somebody")], "pppp"),
        ([fault("PO000001"), fault("somebody")], "pppp"),
        ([fault("PO000001 and PO000002")], "pppp"),
        ([fault("PO0000011")], "pppp"),
        ([fault("XR-2026-02")], "pppp"),
        ([], "pppp"),
    ],
)
def test_an_error_means_one_of_them_or_all_go_alone(errors: list[Any], expected: str) -> None:
    path = Path.RETAIL_INVOICE
    assert states(looked(invoices(4), path, told(path, "Failure", *errors))) == expected


def test_short_names_are_no_names() -> None:
    path = Path.RETAIL_INVOICE
    some = changes(RETAIL, *({**lines.INVOICE, "invoice_number": str(n)} for n in (1, 2)))
    found = looked(some, path, told(path, "Failure", fault("item 1")))
    assert states(found) == "pp"


def test_who_shares_an_order_is_not_told_apart() -> None:
    path = Path.RETAIL_SHIPMENT
    some = changes(RETAIL, *({**lines.ASN, "shipment_id": f"SHIP-000{n}"} for n in (1, 2)))
    assert states(looked(some, path, told(path, "Failure", fault("4Z32PABC")))) == "pp"
    assert states(looked(some, path, told(path, "Failure", fault("SHIP-0002 4Z32PABC")))) == "pp"
    assert states(looked(some, path, told(path, "Failure", fault("SHIP-0002")))) == "pr"


def test_a_fault_of_the_warehouse_is_everybody_s() -> None:
    path = Path.DIRECT_STOCK
    some = changes(DIRECT, *({**lines.STOCK, "sku": f"SKU-{n}"} for n in range(3)))
    assert states(looked(some, path, told(path, "Failure", fault("WH01")), DIRECT)) == "rrr"
    assert states(looked(some, path, told(path, "Failure", fault("MILL1")), DIRECT)) == "rrr"
    assert states(looked(some, path, told(path, "Failure", fault("SKU-1 WH01")), DIRECT)) == "prp"
    assert states(looked(some, path, told(path, "Failure", fault("WH02")), DIRECT)) == "ppp"


@given(st.lists(st.text(max_size=30), max_size=4), st.integers(1, 5), st.booleans())
def test_every_change_has_exactly_one_end(details: list[str], count: int, lost: bool) -> None:
    path = Path.RETAIL_INVOICE
    some = invoices(count)
    found = looked(some, path, told(path, "Failure", *map(fault, details)), lost=lost)
    assert found.over
    assert [one.change_id for one in found.outcomes] == [one.id for one in some]
    for one in found.outcomes:
        assert one.state is not ChangeState.IN_FLIGHT
        assert one.message.isprintable()
        assert count == 1 or one.state is not ChangeState.REFUSED or _names(one, some)


def _names(outcome: Outcome, some: Sequence[Change]) -> bool:
    mine = next(one for one in some if one.id == outcome.change_id)
    return mine.key in outcome.message or mine.subject in outcome.message


# --- after a lost answer --------------------------------------------------------------------------

DUPLICATES = {
    Path.RETAIL_SHIPMENT: ("DUPLICATE_SHIPMENT_IDENTIFIER", "It was used in the last 365 days."),
    Path.RETAIL_INVOICE: ("DUPLICATE_INVOICE_NUMBER", "The invoice number was used before."),
    Path.DIRECT_INVOICE: ("x", "Invoice number already exists"),
    Path.DIRECT_SHIPMENT: ("x", "The order was confirmed before."),
    Path.DIRECT_ACKNOWLEDGEMENT: ("ORDER_ALREADY_ACKNOWLEDGED", "No."),
}


@pytest.mark.parametrize(("line", "about"), EVERY)
def test_a_duplicate_after_a_lost_answer_was_heard(line: Line, about: WishGround) -> None:
    path = path_of(line, about)
    if path not in DUPLICATES:
        return
    code, message = DUPLICATES[path]
    said = told(path, "Failure", {"code": code, "message": message})
    some = changes(about, line)
    assert ends(looked(some, path, said, about)) == [(ChangeState.REFUSED, code)]
    (heard,) = looked(some, path, said, about, lost=True).outcomes
    assert (heard.state, heard.code) == (ChangeState.ACCEPTED, "duplicate")
    assert message in heard.message
    other = told(path, "Failure", {"code": code, "message": message}, ERROR)
    assert ends(looked(some, path, other, about, lost=True))[0][0] is ChangeState.REFUSED


def test_what_may_be_either_is_for_a_person() -> None:
    path = Path.DIRECT_SHIPMENT
    words = {"code": "x", "message": "The order is not accepted, or was confirmed before."}
    some = changes(DIRECT, lines.PARCEL)
    found = looked(some, path, told(path, "Failure", words), DIRECT, lost=True)
    assert ends(found) == [(ChangeState.UNCERTAIN, "x")]


def test_a_rejection_closes_its_order_so_nobody_can_tell_which_of_two_did() -> None:
    path = Path.RETAIL_ACKNOWLEDGEMENT
    words = {"code": "ORDER_CLOSED", "message": "The purchase order is closed."}
    some = changes(RETAIL, lines.REJECTION)
    lost = looked(some, path, told(path, "Failure", words), lost=True)
    assert ends(lost) == [(ChangeState.UNCERTAIN, "ORDER_CLOSED")]
    first = looked(some, path, told(path, "Failure", words))
    assert ends(first) == [(ChangeState.REFUSED, "ORDER_CLOSED")]


def test_a_lost_answer_is_not_forgotten_by_who_goes_alone() -> None:
    path = Path.RETAIL_INVOICE
    some = invoices(2)
    found = looked(some, path, told(path, "Failure", fault("nobody")), lost=True)
    assert [one.attribute for one in found.outcomes] == [ASKED_BEFORE] * 2
    calm = looked(some, path, told(path, "Failure", fault("nobody")))
    assert [one.attribute for one in calm.outcomes] == [""] * 2
    code, message = DUPLICATES[path]
    said = told(path, "Failure", {"code": code, "message": message})
    back = replace(some[0], code=ALONE, attribute=ASKED_BEFORE)
    assert ends(looked([back], path, said)) == [(ChangeState.ACCEPTED, "duplicate")]


def test_state_setting_paths_have_no_duplicates() -> None:
    for path, line, about in (
        (Path.RETAIL_ACKNOWLEDGEMENT, lines.REJECTION, RETAIL),
        (Path.DIRECT_STOCK, lines.STOCK, DIRECT),
    ):
        said = told(path, "Failure", {"code": "ALREADY_REJECTED", "message": "Too late."})
        found = looked(changes(about, line), path, said, about, lost=True)
        assert ends(found) == [(ChangeState.REFUSED, "ALREADY_REJECTED")]
