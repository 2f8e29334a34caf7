"""Vendors' lines: what they may hold, what they mean, and what must not be left to chance."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.changes import FLAGS, ChangeKind
from evergrant.rules.flags import available
from evergrant.rules.marketplaces import PartnerKind, VendorKind
from evergrant.rules.wishes import Refused, Wish, WishGround, read
from evergrant.rules.wishes.vendors import ALONE, READERS, goes_alone, submission_of
from tests.rules import vendor_lines as lines
from tests.rules.vendor_lines import DIRECT, EVERY, RETAIL, Line


def faults(line: Mapping[str, Any], about: WishGround = RETAIL) -> dict[str | None, str]:
    """Codes by field."""
    with pytest.raises(Refused) as caught:
        read(line, about)
    return {fault.field: fault.code for fault in caught.value.faults}


def item(line: Line, place: int = 0, /, **change: Any) -> Line:
    """The line with one of its items changed; None takes a field away."""
    changed = copy.deepcopy(line)
    changed["items"][place] |= change
    changed["items"][place] = {
        name: value for name, value in changed["items"][place].items() if value is not None
    }
    return changed


def without(line: Line, *names: str) -> Line:
    return {name: value for name, value in line.items() if name not in names}


# --- all of them ----------------------------------------------------------------------------------


def test_there_is_a_reader_for_every_switch_that_a_vendor_has() -> None:
    wanted = {
        (vendor_kind, kind)
        for vendor_kind in VendorKind
        for kind in ChangeKind
        if available(FLAGS[kind], PartnerKind.VENDOR, vendor_kind)
    }
    assert set(READERS) == wanted


@pytest.mark.parametrize(("line", "about"), EVERY)
def test_good_lines_settle_in_one_form(line: Line, about: WishGround) -> None:
    wish = read(line, about)
    assert wish.kind == line["kind"]
    assert wish.marketplace_id == ""
    assert wish.subject
    assert wish.key
    assert json.loads(json.dumps(wish.wish)) == wish.wish, "it is JSON"
    again = read(dict(reversed(line.items())), about)
    assert (again.wish, again.key) == (wish.wish, wish.key)
    assert "" not in wish.wish.values()


@pytest.mark.parametrize(("line", "about"), EVERY)
def test_unknown_fields_are_named(line: Line, about: WishGround) -> None:
    assert faults({**line, "warehous": "WH01"}, about)["warehous"] == "unknown_field"
    if "items" in line:
        found = faults(item(line, quantiy=3), about)
        assert found["items[0].quantiy"] == "unknown_field"


HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=5)), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)  # fmt: skip
_FIELDS = sorted(
    {name for line, _ in EVERY for name in line}
    | {name for line, _ in EVERY for one in line.get("items", ()) for name in one}
    | {"parties", "cartons", "pallets", "containers", "role", "code", "revision", "weight"}
)


@given(st.sampled_from(EVERY), st.dictionaries(st.sampled_from(_FIELDS), HOSTILE, max_size=4))
def test_whatever_stands_in_a_line_is_taken_or_refused(
    good: tuple[Line, WishGround], change: Line
) -> None:
    line, about = good
    for hostile in ({**line, **change}, {**line, "items": [change]}, {**line, "cartons": [change]}):
        found = taken({**hostile, "kind": line["kind"]}, about)
        if isinstance(found, Wish):
            json.dumps(found.wish, allow_nan=False).encode("ascii")
        else:
            assert found.faults


def taken(line: Mapping[str, object], about: WishGround) -> Wish | Refused:
    try:
        return read(line, about)
    except Refused as refused:
        return refused


@pytest.mark.parametrize(("line", "about"), EVERY)
def test_whose_line_it_is(line: Line, about: WishGround) -> None:
    plain = without(line, "vendor_code")
    assert read(plain, about).wish["vendor_code"] == "MILL1"
    two = replace(about, vendor_codes=("MILL1", "MILL2"))
    assert faults(plain, two)["vendor_code"] == "missing"
    assert faults({**plain, "vendor_code": "MILL3"}, two)["vendor_code"] == "other_vendor_code"
    assert read({**plain, "vendor_code": "mill2"}, two).wish["vendor_code"] == "MILL2"
    nobody = replace(about, vendor_codes=())
    assert faults(plain, nobody)["vendor_code"] == "missing"
    assert read({**plain, "vendor_code": "MILL9"}, nobody).wish["vendor_code"] == "MILL9"


@pytest.mark.parametrize("number", ["", "PO 1", "PO-1", "P/O", "4Z32PABC\n1", None, 7])
@pytest.mark.parametrize(
    ("line", "about"),
    [(lines.REJECTION, RETAIL), (lines.PARCEL, DIRECT), (lines.REFUSAL, DIRECT)],
)
def test_order_numbers(line: Line, about: WishGround, number: Any) -> None:
    assert "order_id" in faults({**line, "order_id": number}, about)


def test_money_is_that_of_the_marketplace() -> None:
    assert read(lines.INVOICE, RETAIL).wish["currency"] == "EUR"
    poland = read({**lines.INVOICE, "marketplace": "PL"}, RETAIL)
    assert poland.wish["currency"] == "PLN"
    assert faults({**lines.INVOICE, "currency": "USD"})["currency"] == "wrong_currency"
    japan = lines.about(VendorKind.RETAIL, home="JP")
    assert faults(lines.INVOICE, japan)["total"] == "too_many_places"
    yen = item({**lines.INVOICE, "total": "1485"}, net_cost="125.5")
    assert read(yen, japan).wish["items"][0]["net_cost"] == "125.5"
    assert read(yen, japan).wish["total"] == "1485"


@pytest.mark.parametrize(
    ("given_cost", "settled"),
    [("12.5", "12.50"), (12, "12.00"), ("0.001", "0.001"), ("12.340000", "12.34"), ("7", "7.00")],
)
def test_the_cost_of_one_piece(given_cost: object, settled: str) -> None:
    wish = read(item(lines.INVOICE, net_cost=given_cost), RETAIL).wish
    assert wish["items"][0]["net_cost"] == settled


@pytest.mark.parametrize("cost", ["0", "-1", 12.5, "12,50", "", None, "0.0000001", "1e3", True])
def test_no_cost_of_one_piece(cost: object) -> None:
    for line, about in ((lines.INVOICE, RETAIL), (lines.REJECTION, RETAIL)):
        assert "items[0].net_cost" in faults(item(line, net_cost=cost), about)


def test_parties() -> None:
    address = {"role": "ship_to", **lines.ADDRESS}
    found = read({**lines.ASN, "parties": [address]}, RETAIL).wish["parties"]["ship_to"]
    assert found["id"] == "DEM1"
    assert found["address"]["postal_code"] == "63165"
    assert "tax" not in found
    for fields in ("name", "address_line1", "country_code"):
        part = {**lines.ASN, "parties": [without(address, fields)]}
        assert faults(part) == {f"parties[0].{fields}": "missing"}
    assert faults({**lines.ASN, "parties": [address, address]}) == {"parties[1]": "repeated"}
    assert faults({**lines.ASN, "parties": [{**address, "role": "payer"}]}) == {
        "parties[0].role": "unknown_value"
    }
    half = {**address, "tax_number": "DE1"}
    assert faults({**lines.ASN, "parties": [half]}) == {"parties[0].tax_type": "missing"}
    lonely = {"role": "bill_to", **lines.ADDRESS}
    assert faults({**lines.INVOICE, "parties": [lonely]}) == {"bill_to": "missing"}
    bare = {"role": "bill_to", **without(lines.ADDRESS, "city")}
    direct = {**lines.DIRECT_INVOICE, "bill_to": "DE", "parties": [bare]}
    assert faults(direct, DIRECT) == {"parties[0].city": "missing"}
    assert faults({**lines.ASN, "ship_to": "two words"}) == {"ship_to": "wrong_shape"}
    assert faults(without(lines.ASN, "ship_to")) == {"ship_to": "missing"}


def test_the_guide_s_lines_are_good() -> None:
    """And there is one for each kind that vendors have."""
    guide = Path(__file__).parents[2] / "docs/guides/vendors.md"
    text = guide.read_text("utf-8")
    retail, direct = text.split("## Direct fulfillment")
    found = set()
    for part, about in ((retail, RETAIL), (direct, DIRECT)):
        for block in re.findall(r"```json\n(.*?)```", part, re.DOTALL):
            found.add((about.vendor_kind, read(json.loads(block), about).kind))
    assert found == set(READERS)


# --- retail ---------------------------------------------------------------------------------------


def test_a_shipment_may_hold_items_of_several_orders() -> None:
    wish = read(lines.FULL_ASN, RETAIL)
    assert [one["order_id"] for one in wish.wish["items"]] == ["4Z32PABC", "5Z32PABC"]
    assert (wish.subject, wish.key) == ("4Z32PABC", "SHIP-0001")
    nameless = without(lines.ASN, "order_id")
    assert faults(nameless) == {"items[0].order_id": "missing"}
    assert read(item(nameless, order_id="7Z"), RETAIL).subject == "7Z"


def test_cartons_and_pallets_hold_what_is_shipped() -> None:
    packed = {"line": 9, "quantity": 1}
    assert faults({**lines.ASN, "cartons": [{"items": [packed]}]}) == {
        "cartons[0].items[0].line": "unknown_value"
    }
    one = {"items": [{**packed, "line": 1}]}
    assert faults({**lines.ASN, "cartons": [{**one, "pallet": "P1"}]}) == {
        "cartons[0].pallet": "unknown_value"
    }
    assert faults({**lines.ASN, "pallets": [one]}) == {"pallets[0].id": "missing"}
    assert faults({**lines.ASN, "cartons": [{"items": []}]}) == {"cartons[0].items": "missing"}
    twice = [{**one, "carton": "C"}, {**one, "carton": "C"}]
    assert faults({**lines.ASN, "cartons": twice}) == {"cartons[1]": "repeated"}
    assert faults({**lines.ASN, "weight": "5"}) == {"weight_unit": "missing"}
    assert faults({**lines.ASN, "weight_unit": "Kg"}) == {"weight": "missing"}
    flat = {**one, "length": "1", "size_unit": "In"}
    assert set(faults({**lines.ASN, "cartons": [flat]})) == {
        "cartons[0].width",
        "cartons[0].height",
    }


def test_nothing_was_shipped_tomorrow() -> None:
    for line, about in ((lines.ASN, RETAIL), (lines.PARCEL, DIRECT)):
        late = {**line, "shipped_at": "2026-11-22T20:00:00Z"}
        assert faults(late, about) == {"shipped_at": "out_of_range"}


def test_an_invoice_names_orders_and_is_no_credit_note() -> None:
    assert faults(without(lines.INVOICE, "order_id")) == {"items[0].order_id": "missing"}
    assert faults({**lines.INVOICE, "total": "0.00"}) == {"total": "not_above_zero"}
    assert faults({**lines.INVOICE, "pdf": "JVBERi0="}) == {"pdf": "not_here"}
    assert faults(item(lines.INVOICE, rma_id="R")) == {"items[0].rma_id": "not_here"}
    assert faults(item(lines.INVOICE, sku=None)) == {"items[0].sku": "missing"}
    note = without(lines.CREDIT_NOTE, "order_id")
    assert read(note, RETAIL).subject == "G-2026-0001"
    twice = {**lines.INVOICE, "items": [{**lines.INVOICE["items"][0], "line": 1}] * 2}
    assert faults(twice) == {"items[1]": "repeated"}


def test_a_rejection_leaves_no_line_out() -> None:
    settled = read(lines.REJECTION, RETAIL).wish["items"][0]
    assert (settled["reject"], settled["reason"]) == (10, "ObsoleteProduct")
    assert faults(without(lines.REJECTION, "order_lines")) == {"order_lines": "missing"}
    assert faults({**lines.REJECTION, "order_lines": 2}) == {"items": "lines_left_out"}
    assert faults({**lines.PARTLY, "order_lines": 2}) == {"items": "lines_left_out"}
    assert faults(without(lines.REJECTION, "items"))["items"] == "missing"
    twice = {**lines.REJECTION, "order_lines": 2, "items": lines.REJECTION["items"] * 2}
    assert faults(twice) == {"items[1]": "repeated"}


def test_a_rejection_adds_up_and_rejects_something() -> None:
    assert faults(item(lines.PARTLY, accept=5)) == {"items[0].quantity": "does_not_add_up"}
    assert faults(item(lines.REJECTION, accept=10)) == {"items": "nothing_rejected"}
    assert faults(item(lines.REJECTION, accept=-1, reject=11)) == {
        "items[0].accept": "out_of_range"
    }
    assert faults(without(lines.REJECTION, "reason")) == {"items[0].reason": "missing"}
    assert faults({**lines.REJECTION, "reason": "bad mood"})["reason"] == "unknown_value"
    partly = [(one["accept"], one["backorder"], one["reject"]) for one in settled(lines.PARTLY)]
    assert partly == [(6, 0, 4), (5, 0, 0), (0, 5, 2)]
    assert [one.get("reason") for one in settled(lines.PARTLY)] == [
        "ObsoleteProduct",
        None,
        "TemporarilyUnavailable",
    ]


def settled(line: Line) -> list[Line]:
    found: list[Line] = read(line, RETAIL).wish["items"]
    return found


def test_an_order_may_be_answered_again() -> None:
    assert read({**lines.REJECTION, "revision": 1}, RETAIL).key == "4Z32PABC"
    later = read({**lines.REJECTION, "revision": 2}, RETAIL)
    assert (later.subject, later.key) == ("4Z32PABC", "4Z32PABC/2")


# --- direct fulfillment ---------------------------------------------------------------------------


def test_stock_is_of_one_warehouse_of_one_vendor() -> None:
    here = read(lines.STOCK, DIRECT)
    there = read({**lines.STOCK, "warehouse": "WH02"}, DIRECT)
    assert here.key != there.key
    assert here.subject != there.subject
    assert submission_of(here.wish) == "MILL1/WH01"
    assert submission_of(there.wish) != submission_of(here.wish)
    assert submission_of(read(lines.PARCEL, DIRECT).wish) == ""
    assert submission_of(read(lines.ASN, RETAIL).wish) == ""
    assert faults(without(lines.STOCK, "warehouse"), DIRECT) == {"warehouse": "missing"}
    assert faults({**lines.STOCK, "warehouse": "a/b"}, DIRECT) == {"warehouse": "wrong_shape"}
    assert faults(without(lines.STOCK, "sku"), DIRECT) == {"sku": "missing"}
    assert faults({**lines.STOCK, "quantity": -1}, DIRECT) == {"quantity": "out_of_range"}
    assert read(lines.GONE, DIRECT).wish["obsolete"] is True


def test_a_parcel_needs_a_weight_and_known_lines() -> None:
    box = {"id": "C1", "weight": "1", "weight_unit": "KG", "items": [{"line": 1, "quantity": 2}]}
    assert read({**lines.PARCEL, "containers": [box]}, DIRECT)
    assert faults({**lines.PARCEL, "containers": [without(box, "weight")]}, DIRECT) == {
        "containers[0].weight": "missing"
    }
    other = {**box, "items": [{"line": 2, "quantity": 2}]}
    assert faults({**lines.PARCEL, "containers": [other]}, DIRECT) == {
        "containers[0].items[0].line": "unknown_value"
    }
    assert faults({**lines.PARCEL, "containers": [box, box]}, DIRECT) == {
        "containers[1]": "repeated"
    }
    assert faults({**lines.DENIAL, "containers": [box]}, DIRECT) == {"containers": "not_here"}
    assert faults(item(lines.PARCEL, quantity=0), DIRECT) == {"items[0].quantity": "out_of_range"}
    assert faults(item(lines.PARCEL, line=None), DIRECT) == {"items[0].line": "missing"}


def test_direct_fulfillment_has_invoices_only() -> None:
    note = {**lines.DIRECT_INVOICE, "document_type": "credit_note"}
    assert faults(note, DIRECT) == {"document_type": "unavailable"}
    assert faults(without(lines.DIRECT_INVOICE, "order_id"), DIRECT) == {
        "items[0].order_id": "missing"
    }


def test_a_refusal_has_a_reason_or_the_code_that_was_agreed() -> None:
    def code(**change: Any) -> Any:
        line = {**without(lines.REFUSAL, "reason"), **change}
        return read(line, DIRECT).wish["code"]

    assert code(reason="NoInventory") == "03"
    assert code(reason="invalid_product_identifier") == "02"
    assert code(reason="ObsoleteProduct") == "71"
    assert code(code="10") == "10"
    assert code(code="10", reason="ObsoleteProduct") == "10"
    assert faults(without(lines.REFUSAL, "reason"), DIRECT) == {"reason": "missing"}
    assert faults({**lines.REFUSAL, "code": "00"}, DIRECT) == {"code": "nothing_rejected"}
    assert faults({**lines.REFUSAL, "code": "3"}, DIRECT) == {"code": "wrong_shape"}


def test_who_goes_alone() -> None:
    assert goes_alone(ALONE)
    assert not goes_alone("")
