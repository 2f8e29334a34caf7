"""Lines of sellers: what they may hold, what they mean, and that money is never guessed at."""

from __future__ import annotations

import contextlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region, VendorKind
from evergrant.rules.wishes import Refused, Wish, WishGround, read
from evergrant.rules.wishes.invoice import LARGEST_PDF

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
DE = WishGround(
    partner_kind=PartnerKind.SELLER,
    region=Region.EU,
    home_marketplace="DE",
    marketplaces=STANDARD,
    now=NOW,
)
JP = replace(DE, region=Region.FE, home_marketplace="JP")
US = replace(DE, region=Region.NA, home_marketplace="US")
RETAIL = replace(DE, partner_kind=PartnerKind.VENDOR, vendor_kind=VendorKind.RETAIL)
DIRECT = replace(RETAIL, vendor_kind=VendorKind.DIRECT_FULFILLMENT)

ORDER = "302-1234567-1234567"
PDF = b"%PDF-1.7\nnothing to see\n%%EOF"

STOCK = {"kind": "stock", "sku": "MUG-1", "quantity": 12}
PRICE = {"kind": "price", "sku": "MUG-1", "price": "19.99", "currency": "EUR"}
SHIPMENT = {
    "kind": "shipment",
    "order_id": ORDER,
    "carrier_code": "DHL",
    "tracking_number": "00340434161094000000",
    "shipped_at": "2026-03-02T08:30:00+01:00",
    "items": [{"order_item_id": "68828574383266", "quantity": 1}],
}
INVOICE = {
    "kind": "invoice",
    "order_id": ORDER,
    "invoice_number": "R-2026-17",
    "total": "119.00",
    "vat": "19.00",
    "pdf": b64encode(PDF).decode(),
}
CANCELLATION = {"kind": "cancellation", "order_id": ORDER, "reason": "NoInventory"}
REFUND = {
    "kind": "refund",
    "order_id": ORDER,
    "reference": "RMA-7",
    "currency": "EUR",
    "reason": "CustomerReturn",
    "items": [{"order_item_id": "68828574383266", "principal": "16.80", "tax": "3.19"}],
}
ALL = (STOCK, PRICE, SHIPMENT, INVOICE, CANCELLATION, REFUND)


def faults(line: Mapping[str, Any], about: WishGround = DE) -> dict[str | None, str]:
    """Codes by field."""
    with pytest.raises(Refused) as caught:
        read(line, about)
    return {fault.field: fault.code for fault in caught.value.faults}


def hint(line: Mapping[str, Any], about: WishGround = DE) -> str:
    with pytest.raises(Refused) as caught:
        read(line, about)
    return " ".join(fault.hint or "" for fault in caught.value.faults)


def without(line: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in names}


# --- what good lines mean ---------------------------------------------------------------------


def test_stock() -> None:
    assert read(STOCK, DE) == Wish(
        kind="stock",  # type: ignore[arg-type]
        marketplace_id="A1PA6795UKMFR9",
        subject="MUG-1",
        key="MUG-1",
        wish={"quantity": 12},
    )
    assert read({**STOCK, "quantity": " 0 "}, DE).wish == {"quantity": 0}


def test_price() -> None:
    wish = read({**PRICE, "marketplace": "gb", "currency": "gbp", "price": "5"}, DE)
    assert wish.marketplace_id == "A1F83G8C2ARO7P"
    assert wish.wish == {"price": "5.00", "currency": "GBP"}


def test_shipment() -> None:
    wish = read(SHIPMENT, DE)
    assert (wish.subject, wish.key) == (ORDER, f"{ORDER}/1")
    assert wish.wish == {
        "package": "1",
        "carrier_code": "DHL",
        "carrier_name": "",
        "shipping_method": "",
        "tracking_number": "00340434161094000000",
        "shipped_at": "2026-03-02T07:30:00Z",
        "items": [{"order_item_id": "68828574383266", "quantity": 1}],
    }
    # However the number of the package is written, it is the same package.
    keys = {read({**SHIPMENT, "package": package}, DE).key for package in ("2", "002", 2)}
    assert keys == {f"{ORDER}/2"}


def test_invoice() -> None:
    wish = read(INVOICE, DE)
    assert wish.attachment == PDF
    assert (wish.subject, wish.key) == (ORDER, "R-2026-17")
    assert wish.wish["document_type"] == "invoice"
    assert wish.wish["pdf_bytes"] == len(PDF)
    assert "pdf" not in wish.wish
    assert "nothing to see" not in repr(wish)
    by_shipping_id = {**without(INVOICE, "order_id"), "shipping_id": "Dx7"}
    assert read(by_shipping_id, DE).subject == "Dx7"
    assert read({**INVOICE, "pdf": PDF}, DE) == wish, "a file's bytes mean the same as base64"
    credit_note = {**INVOICE, "document_type": "CREDIT-NOTE", "transaction_id": "T1"}
    assert read(credit_note, DE).wish["document_type"] == "credit_note"


def test_cancellation() -> None:
    wish = read({**CANCELLATION, "reason": "pricing error"}, DE)
    assert wish.wish == {"reason": "PricingError", "items": []}
    assert wish.key == ORDER


def test_refund() -> None:
    wish = read({**REFUND, "reason": "customer_return"}, DE)
    assert (wish.subject, wish.key, wish.reference) == (ORDER, "RMA-7", "RMA-7")
    assert wish.wish == {
        "currency": "EUR",
        "reason": "CustomerReturn",
        "items": [{"order_item_id": "68828574383266", "principal": "16.80", "tax": "3.19"}],
    }


@pytest.mark.parametrize("line", ALL, ids=lambda line: line["kind"])
def test_a_line_means_the_same_each_time(line: Mapping[str, Any]) -> None:
    assert read(line, DE) == read(dict(reversed(list(line.items()))), DE)


# --- which kinds there are --------------------------------------------------------------------


def test_a_kind_that_nobody_knows() -> None:
    assert faults({"kind": "stok", "sku": "A"}) == {"kind": "unknown_value"}
    assert "'stock'" in hint({"kind": "stok"})
    assert faults({"sku": "A"}) == {"kind": "missing"}
    assert faults({"kind": 7}) == {"kind": "wrong_type"}


@pytest.mark.parametrize(
    ("line", "about"),
    [(STOCK, RETAIL), (PRICE, RETAIL), (REFUND, RETAIL), (PRICE, DIRECT), (REFUND, DIRECT)],
)
def test_what_amazon_does_not_have_is_refused(line: Mapping[str, Any], about: WishGround) -> None:
    assert faults(line, about) == {"kind": "unavailable"}
    unknown = replace(about, vendor_kind=None)
    assert faults(STOCK, unknown) == {"kind": "unavailable"}


# --- fields -----------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ALL, ids=lambda line: line["kind"])
def test_every_fault_is_told_at_once(line: Mapping[str, Any]) -> None:
    kind = line["kind"]
    found = faults({"kind": kind, "nonsense": 1})
    assert found["nonsense"] == "unknown_field"
    optional = {"kind", "marketplace", "reference"} - ({"reference"} if kind == "refund" else set())
    assert {name for name in line if name not in optional} <= set(found)


def test_a_mistyped_name_is_guessed_at() -> None:
    line = {**without(STOCK, "quantity"), "quantitty": 3}
    assert faults(line) == {"quantity": "missing", "quantitty": "unknown_field"}
    assert "Did you mean 'quantity'?" in hint(line)
    item = {"order_item_id": "1", "qantity": 2}
    assert faults({**SHIPMENT, "items": [item]}) == {
        "items[0].quantity": "missing",
        "items[0].qantity": "unknown_field",
    }


@pytest.mark.parametrize(
    "quantity", [-1, 1_000_000_000, 1.0, "1.0", "1e3", "1,000", True, "٣", [1], "9" * 5000]
)
def test_quantities_are_whole(quantity: object) -> None:
    assert set(faults({**STOCK, "quantity": quantity})) == {"quantity"}


@given(st.integers(0, 999_999_999))
def test_every_whole_quantity_in_bounds_is_taken(quantity: int) -> None:
    assert read({**STOCK, "quantity": quantity}, DE).wish == {"quantity": quantity}
    assert read({**STOCK, "quantity": f"{quantity}"}, DE).wish == {"quantity": quantity}


@pytest.mark.parametrize("sku", ["", "  ", "A" * 41, "A\x00B", "A\nB", 7, "\ud800"])
def test_skus(sku: object) -> None:
    assert set(faults({**STOCK, "sku": sku})) == {"sku"}


@pytest.mark.parametrize(
    ("order_id", "code"),
    [
        ("302-1234567-123456", "not_an_order_id"),
        ("30212345671234567", "not_an_order_id"),
        ("３02-1234567-1234567", "not_an_order_id"),
        (None, "missing"),
    ],
)
def test_order_ids(order_id: object, code: str) -> None:
    for line in (SHIPMENT, CANCELLATION, REFUND):
        assert faults({**line, "order_id": order_id}) == {"order_id": code}


# --- marketplaces and currencies --------------------------------------------------------------


@pytest.mark.parametrize(
    ("marketplace", "code"),
    [
        ("DEE", "unknown_marketplace"),
        ("US", "other_region"),
        ("ATVPDKIKX0DER", "other_region"),
        (7, "wrong_type"),
    ],
)
def test_marketplaces(marketplace: object, code: str) -> None:
    for line in (STOCK, CANCELLATION, REFUND):
        assert faults({**line, "marketplace": marketplace})["marketplace"] == code


def test_only_where_the_account_sells() -> None:
    sells = replace(DE, participating=frozenset({"A1PA6795UKMFR9", "A13V1IB3VIYZZH", "A-NEW-ONE"}))
    assert read({**STOCK, "marketplace": "A13V1IB3VIYZZH"}, sells).marketplace_id
    assert faults({**STOCK, "marketplace": "IT"}, sells) == {"marketplace": "not_participating"}
    assert "DE, FR" in hint({**STOCK, "marketplace": "IT"}, sells)
    assert faults(STOCK, replace(DE, participating=frozenset())) == {
        "marketplace": "not_participating"
    }


@pytest.mark.parametrize("line", [PRICE, REFUND], ids=["price", "refund"])
def test_the_currency_is_the_marketplaces(line: Mapping[str, Any]) -> None:
    assert faults({**line, "currency": "USD"}) == {"currency": "wrong_currency"}
    assert faults({**line, "marketplace": "UK"}) == {"currency": "wrong_currency"}
    assert faults(without(line, "currency")) == {"currency": "missing"}


# --- amounts ----------------------------------------------------------------------------------

BAD_AMOUNTS = [
    19.99, 0.1, float("nan"), True, "", "-1.00", "+1.00", "1,00", "1.000,00", "1,000.00", "1e2",
    "1.", ".5", "0x10", "NaN", "Infinity", "٣.00", "1.001", "19.990001", "1 000.00", "1_000.00",
    "9" * 13, "1" * 5000, 10**4000, -1, [], {}, "EUR 5",
]  # fmt: skip


@pytest.mark.parametrize("amount", BAD_AMOUNTS, ids=lambda it: repr(it)[:20])
def test_amounts_that_are_none(amount: object) -> None:
    assert set(faults({**PRICE, "price": amount})) == {"price"}
    if amount != "":
        item = {"order_item_id": "1", "principal": amount}
        assert set(faults({**REFUND, "items": [item]})) == {"items[0].principal"}


def test_nothing_is_free() -> None:
    for zero in ("0", "0.00", 0, "000"):
        assert faults({**PRICE, "price": zero}) == {"price": "not_above_zero"}


def test_amounts_have_the_places_of_their_currency() -> None:
    yen = {**PRICE, "currency": "JPY"}
    assert read({**yen, "price": "1999"}, JP).wish["price"] == "1999"
    assert read({**yen, "price": "1999.00"}, JP).wish["price"] == "1999"
    assert faults({**yen, "price": "1999.5"}, JP) == {"price": "too_many_places"}
    for unclear in ("1.999", "1.000", "19.990"):
        assert faults({**PRICE, "price": unclear}) == {"price": "too_many_places"}
    assert faults({**yen, "price": "1.000"}, JP) == {"price": "too_many_places"}


@given(st.integers(1, 10**14 - 1), st.integers(0, 3), st.booleans())
def test_an_amount_is_what_was_written(cents: int, zeros_before: int, short: bool) -> None:
    written = "0" * zeros_before + f"{cents // 100}.{cents % 100:02}"
    if short:
        written = written.removesuffix("0").removesuffix(".0")
    settled = read({**PRICE, "price": written}, DE).wish["price"]
    assert Decimal(settled) * 100 == cents
    assert settled == read({**PRICE, "price": settled}, DE).wish["price"], "settled once for all"
    assert settled == f"{cents // 100}.{cents % 100:02}"


@given(st.text(max_size=12) | st.decimals().map(str))
def test_whatever_is_written_is_refused_or_exactly_that(written: str) -> None:
    try:
        settled = read({**PRICE, "price": written}, DE).wish["price"]
    except Refused:
        return
    assert Decimal(settled) == Decimal(written.strip())
    assert Decimal(settled) > 0


# --- refunds ----------------------------------------------------------------------------------


def test_a_refund_needs_a_reference() -> None:
    assert faults(without(REFUND, "reference")) == {"reference": "missing"}
    assert faults({**REFUND, "reference": " "}) == {"reference": "missing"}


def test_a_refund_comes_to_more_than_zero() -> None:
    nothing = {"order_item_id": "1", "principal": "0.00", "tax": "0"}
    assert faults({**REFUND, "items": [nothing]}) == {"items[0]": "not_above_zero"}
    assert faults({**REFUND, "items": [{"order_item_id": "1"}]}) == {"items[0]": "not_above_zero"}
    assert faults({**REFUND, "items": []}) == {"items": "missing"}
    part = {"order_item_id": "1", "principal": "0.00", "shipping": "3.9"}
    assert read({**REFUND, "items": [part]}, DE).wish["items"] == [
        {"order_item_id": "1", "shipping": "3.90"}
    ]


def test_a_refund_has_no_quantity_and_no_item_twice() -> None:
    item = {"order_item_id": "1", "principal": "5.00"}
    assert faults({**REFUND, "items": [{**item, "quantity": 2}]}) == {
        "items[0].quantity": "not_here"
    }
    assert faults({**REFUND, "items": [item, item]}) == {"items[1]": "repeated"}


def test_in_japan_the_tax_is_within() -> None:
    refund = {**REFUND, "currency": "JPY"}
    item = {"order_item_id": "1", "principal": "1100", "tax": "100"}
    assert faults({**refund, "items": [item]}, JP) == {"items[0].tax": "not_here"}
    assert "'principal'" in hint({**refund, "items": [item]}, JP)
    item["tax"] = ""
    assert read({**refund, "items": [item]}, JP).wish["items"] == [
        {"order_item_id": "1", "principal": "1100"}
    ]


PART_NAMES = ("principal", "tax", "shipping", "shipping_tax", "gift_wrap", "gift_wrap_tax")


@given(
    st.lists(
        st.dictionaries(st.sampled_from(PART_NAMES), st.integers(0, 10**9), min_size=1),
        min_size=1,
        max_size=5,
    )
)
def test_a_refund_pays_what_was_wished_to_the_cent(items: list[dict[str, int]]) -> None:
    line = {
        **REFUND,
        "items": [
            {
                "order_item_id": str(number),
                **{part: f"{cents // 100}.{cents % 100:02}" for part, cents in item.items()},
            }
            for number, item in enumerate(items)
        ],
    }
    if any(sum(item.values()) == 0 for item in items):
        assert set(faults(line).values()) == {"not_above_zero"}
        return
    wish = read(line, DE)
    paid = [
        {part: int(Decimal(amount) * 100) for part, amount in one.items() if part in PART_NAMES}
        for one in wish.wish["items"]
    ]
    assert paid == [{part: item[part] for part in item if item[part]} for item in items]
    assert all("quantity" not in one for one in wish.wish["items"])


def test_reasons_are_amazons() -> None:
    assert faults({**REFUND, "reason": "BuyerCanceled"}) == {"reason": "unknown_value"}
    assert "Did you mean 'BuyerCanceled'?" in hint({**CANCELLATION, "reason": "BuyerCancelled"})


# --- shipments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shipped_at", "code"),
    [
        ("2026-03-02T08:30:00", "naive_instant"),
        ("2026-03-02", "naive_instant"),
        ("yesterday", "not_an_instant"),
        ("9999-12-31T23:59:59-14:00", "not_an_instant"),
        ("2026-03-04T00:00:00Z", "out_of_range"),
        ("2024-03-02T00:00:00Z", "out_of_range"),
        (1772440200, "wrong_type"),
    ],
)
def test_dates(shipped_at: object, code: str) -> None:
    assert faults({**SHIPMENT, "shipped_at": shipped_at}) == {"shipped_at": code}


@given(st.integers(0, 86_400), st.integers(-14 * 60, 14 * 60))
def test_a_date_is_the_same_instant_wherever_it_was_written(seconds: int, minutes: int) -> None:
    instant = NOW - timedelta(seconds=seconds)
    there = instant.astimezone(timezone(timedelta(minutes=minutes)))
    wish = read({**SHIPMENT, "shipped_at": there.isoformat()}, DE)
    assert datetime.fromisoformat(wish.wish["shipped_at"]) == instant


@pytest.mark.parametrize("package", ["0", "a", "-1", "1.5", 0, 10**10])
def test_packages_are_numbered(package: object) -> None:
    assert set(faults({**SHIPMENT, "package": package})) == {"package"}


def test_carriers() -> None:
    assert faults(without(SHIPMENT, "carrier_code")) == {"carrier_code": "missing"}
    assert faults({**SHIPMENT, "carrier_code": "other"}) == {"carrier_name": "missing"}
    wish = read({**SHIPMENT, "carrier_code": "other", "carrier_name": "Fritz"}, DE).wish
    assert (wish["carrier_code"], wish["carrier_name"]) == ("Other", "Fritz")


def test_items() -> None:
    item = {"order_item_id": "1", "quantity": 1}
    assert faults({**SHIPMENT, "items": [item, item]}) == {"items[1]": "repeated"}
    assert faults({**SHIPMENT, "items": [{**item, "quantity": 0}]}) == {
        "items[0].quantity": "out_of_range"
    }
    assert faults({**SHIPMENT, "items": "1"}) == {"items": "wrong_type"}
    assert faults({**SHIPMENT, "items": ["1"]}) == {"items[0]": "wrong_type"}
    many = [{"order_item_id": str(number), "quantity": 1} for number in range(1001)]
    assert faults({**SHIPMENT, "items": many}) == {"items": "too_many"}


# --- invoices ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pdf", "code"),
    [
        ("", "missing"),
        ("not base64!", "not_base64"),
        ("ä", "not_base64"),
        (b64encode(b"PK\x03\x04").decode(), "wrong_content"),
        (b" %PDF-1.7", "wrong_content"),
        (7, "wrong_type"),
        (b"%PDF" + bytes(LARGEST_PDF), "too_large"),
    ],
)  # fmt: skip
def test_files(pdf: object, code: str) -> None:
    assert faults({**INVOICE, "pdf": pdf}) == {"pdf": code}


def test_a_file_may_be_as_large_as_it_may() -> None:
    largest = b"%PDF" + bytes(LARGEST_PDF - 4)
    assert read({**INVOICE, "pdf": largest}, DE).wish["pdf_bytes"] == LARGEST_PDF


def test_invoices_are_for_europe() -> None:
    assert faults(INVOICE, US) == {"marketplace": "not_available"}
    assert faults({**INVOICE, "marketplace": "TR"}) == {"marketplace": "not_available"}


def test_what_belongs_to_an_invoice() -> None:
    assert faults(without(INVOICE, "order_id")) == {"order_id": "missing"}
    assert faults({**INVOICE, "document_type": "credit_note"}) == {"transaction_id": "missing"}
    assert faults({**INVOICE, "transaction_id": "T1"}) == {"transaction_id": "not_here"}
    assert faults({**INVOICE, "vat": "119.00"}) == {"vat": "out_of_range"}
    assert read({**INVOICE, "vat": "0"}, DE).wish["vat"] == "0.00"
    assert faults({**INVOICE, "total": "0"}) == {"total": "not_above_zero"}


# --- what is told -----------------------------------------------------------------------------


@pytest.mark.parametrize("line", ALL, ids=lambda line: line["kind"])
def test_no_fault_repeats_a_value(line: Mapping[str, Any]) -> None:
    """It may be a secret in the wrong field, and it would be stored with the answer."""
    odd = "Zq9-odd-one"
    for name in without(line, "kind"):
        try:
            read({**line, name: odd}, DE)
        except Refused as refused:
            for fault in refused.faults:
                assert odd not in f"{fault.message} {fault.hint}"


@given(
    st.dictionaries(
        st.sampled_from(["kind", "sku", "quantity", "items", "order_id", "pdf", "price"])
        | st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=4), inner, max_size=3)
            ),
            max_leaves=6,
        ),
        max_size=6,
    ),
    st.sampled_from(["stock", "price", "shipment", "invoice", "cancellation", "refund"]),
    st.sampled_from([DE, JP, RETAIL, DIRECT]),
)
def test_whatever_comes_is_read_or_refused(
    line: dict[str, Any], kind: str, about: WishGround
) -> None:
    for one in (line, {**line, "kind": kind}):
        with contextlib.suppress(Refused):
            assert read(one, about).subject
