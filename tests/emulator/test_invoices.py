"""Invoices: the feed UPLOAD_VAT_INVOICE, its refusals, and the state of the invoice report."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from amazon_emulator import marketplaces
from amazon_emulator.trade.orders.feeds_errands import REASON_CODES
from amazon_emulator.trade.orders.invoices import Invoices, vat_of
from amazon_emulator.trade.orders.making import Ware
from amazon_emulator.trade.orders.orders import Order, Refusal
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import DE
from tests.emulator.orders_desk import (
    Report,
    Shop,
    adjusted,
    adjustment,
    envelope,
    orders_desk,
    read_report,
)

FEED = "UPLOAD_VAT_INVOICE"
PDF = b"%PDF-1.7\n% an invoice of nobody\n%%EOF\n"


@pytest.fixture
def shop() -> Shop:
    return Shop.open()


def invoice(order: Order, **changes: str) -> dict[str, str]:
    options = {
        "metadata:OrderId": order.order_id,
        "metadata:InvoiceNumber": "R-1",
        "metadata:DocumentType": "Invoice",
        **{f"metadata:{name}": value for name, value in changes.items()},
    }
    return {name: value for name, value in options.items() if value}


def upload(
    shop: Shop, options: dict[str, str], content: bytes = PDF, content_type: str = "application/pdf"
) -> Report:
    return read_report(shop.process(FEED, content, content_type, **options).report)


def order_of(shop: Shop, **wishes: Any) -> Order:
    charges = {"Principal": Decimal("100.00"), "Tax": Decimal("19.00")}
    charges |= {"Shipping": Decimal(0), "ShippingTax": Decimal(0)}
    return shop.order(Ware("SKU-1", charges=charges), **{"status": "SHIPPED", **wishes})


def test_an_invoice(shop: Shop) -> None:
    order = order_of(shop)
    assert upload(shop, invoice(order)).results == []
    (kept,) = shop.stage.of(Invoices).of_order(order)
    assert (kept.code, kept.duplicate, kept.claim.invoice_number) == ("", False, "R-1")
    assert kept.bytes_ == len(PDF)


def test_the_same_again_is_a_duplicate(shop: Shop) -> None:
    order = order_of(shop)
    for _ in range(2):
        assert upload(shop, invoice(order)).results == []
    upload(shop, invoice(order, DocumentType="CreditNote", TransactionId="T"))
    kept = shop.stage.of(Invoices).of_order(order)
    assert [known.duplicate for known in kept] == [False, True, False]


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_keys_in_any_case(shop: Shop, spell: Any) -> None:
    order = order_of(shop)
    options = {spell(name): value for name, value in invoice(order).items()}
    assert upload(shop, options).results == []
    assert shop.stage.of(Invoices).of_order(order)[0].claim.invoice_number == "R-1"


def test_by_shipment(shop: Shop) -> None:
    order, other = order_of(shop), order_of(shop)
    shipment = order.bookings[0].booking_id
    assert upload(shop, invoice(order, OrderId="", shippingid=shipment)).results == []
    (kept,) = shop.stage.of(Invoices).of_order(order)
    assert kept.claim.shipping_id == shipment
    both = upload(shop, invoice(other, ShippingId=shipment))
    assert both.codes == [REASON_CODES["metadata"]]
    nowhere = upload(shop, invoice(order, OrderId="", ShippingId="S1"))
    assert nowhere.codes == [REASON_CODES["unknown_order"]]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"OrderId": ""}, "metadata"),
        ({"OrderId": "902-9999999-9999999"}, "unknown_order"),
        ({"DocumentType": "Receipt"}, "metadata"),
        ({"DocumentType": "CreditNote"}, "metadata"),
        ({"ORDERID": "902-9999999-9999999"}, "metadata"),
    ],
    ids=str,
)
def test_wrong_metadata(shop: Shop, changes: dict[str, str], reason: str) -> None:
    report = upload(shop, invoice(order_of(shop), **changes))
    assert (report.processed, report.successful) == (1, 0)
    assert report.codes == [REASON_CODES[reason]]
    assert shop.stage.of(Invoices).uploads[0].code == REASON_CODES[reason]


def test_options_without_a_meaning_are_told(shop: Shop) -> None:
    order = order_of(shop)
    report = upload(shop, {**invoice(order), "OrderId": "x", "metadata:Colour": "red"})
    assert (report.successful, report.warnings) == (1, 1)
    assert "OrderId" in report.words[0]


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", "application/pdf"),
        (b"<html>", "application/pdf"),
        (b"\n" + PDF, "application/pdf"),
        (PDF + PDF, "application/pdf"),
        (PDF, "text/plain"),
        (PDF[:-7], "application/pdf"),
        (b"%PDF-", "application/pdf"),
        (PDF + b"\0" * 2000, "application/pdf"),
        (b"\xef\xbb\xbf" + PDF, "application/pdf"),
        (PDF.lower(), "application/pdf"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_one_pdf_and_nothing_else(shop: Shop, content: bytes, content_type: str) -> None:
    report = upload(shop, invoice(order_of(shop)), content, content_type)
    assert report.codes == [REASON_CODES["document"]]


def test_a_large_document_is_taken(shop: Shop) -> None:
    large = b"%PDF-1.7\n" + b"%%EOF " * (4 * 2**20) + b"\n%%EOF\n"
    assert upload(shop, invoice(order_of(shop)), large).results == []
    assert shop.stage.of(Invoices).uploads[0].bytes_ == len(large)


def test_europe_only() -> None:
    shop = Shop.open("US")
    report = upload(shop, invoice(order_of(shop)))
    assert report.codes == [REASON_CODES["marketplace"]]


def test_an_order_of_another_store_is_not_of_this_feed(shop: Shop) -> None:
    order = order_of(shop)
    order.marketplace = marketplaces.find("FR")
    assert upload(shop, invoice(order)).codes == [REASON_CODES["marketplace"]]


def test_sellers_that_may_not(shop: Shop) -> None:
    order = order_of(shop)
    shop.stage.of(Invoices).unavailable.add(shop.partner.selling_partner_id)
    assert upload(shop, invoice(order)).codes == ["FeatureNotAvailable"]
    shop.stage.of(Invoices).unavailable.clear()
    shop.orders.refusals.append(Refusal("invoice", "Odd", "Odd.", 1, None))
    assert upload(shop, invoice(order)).codes == ["Odd"]
    assert upload(shop, invoice(order)).codes == []


def test_totals_are_compared_in_the_service_alone(shop: Shop) -> None:
    order = order_of(shop)
    wrong = invoice(order, TotalAmount="118.00", TotalVATAmount="19.00")
    assert upload(shop, wrong).results == []
    shop.stage.of(Invoices).in_service.add(shop.partner.selling_partner_id)
    assert upload(shop, wrong).codes == [REASON_CODES["amount"]]
    assert upload(shop, invoice(order)).codes == [REASON_CODES["metadata"]]
    vat = invoice(order, TotalAmount="119.00", TotalVATAmount="1.00")
    assert upload(shop, vat).codes == [REASON_CODES["amount"]]
    right = invoice(order, TotalAmount="119.00", TotalVATAmount="19.00")
    assert upload(shop, right).results == []
    negative = invoice(order, TotalAmount="-119.00", TotalVATAmount="-19.00")
    assert upload(shop, negative).codes == [REASON_CODES["amount"]]
    unshipped = invoice(order_of(shop, status="UNSHIPPED"), TotalAmount="1", TotalVATAmount="1")
    assert upload(shop, unshipped).codes == [REASON_CODES["unknown_order"]]


def test_credit_notes_are_for_refunds(shop: Shop) -> None:
    order = order_of(shop)
    text = adjustment(order, adjusted(order.items[0].order_item_id, Principal="10.00", Tax="1.90"))
    shop.process("POST_PAYMENT_ADJUSTMENT_DATA", envelope("OrderAdjustment", text))
    refund = order.bookings[-1]
    assert vat_of(refund) == Decimal("1.90")
    shop.stage.of(Invoices).in_service.add(shop.partner.selling_partner_id)
    claim = {"DocumentType": "CreditNote", "TotalAmount": "-11.90", "TotalVATAmount": "-1.90"}
    elsewhere = upload(shop, invoice(order, **claim, TransactionId="R1"))
    assert elsewhere.codes == [REASON_CODES["unknown_order"]]
    assert upload(shop, invoice(order, **claim, TransactionId=refund.booking_id)).results == []


def test_what_the_report_needs(shop: Shop) -> None:
    order = order_of(shop)
    papers, partner_id = shop.stage.of(Invoices), shop.partner.selling_partner_id

    def rows(*stores: str, pending_only: bool = False) -> list[dict[str, str]]:
        return papers.missing_and_present(shop.stage, partner_id, stores, pending_only=pending_only)

    assert rows() == [], "sellers outside the service have no such report"
    papers.in_service.add(partner_id)
    assert [row["invoice-status"] for row in rows(DE, pending_only=True)] == ["Pending"]
    assert rows("APJ6JRA9NG5V4") == []
    upload(shop, invoice(order, TotalAmount="1.00", TotalVATAmount="1.00"))
    (row,) = rows(pending_only=True)
    assert (row["invoice-status"], row["invoice-number"]) == ("Rejected", "R-1")
    assert "119.00" in row["invoice-status-description"]
    upload(shop, invoice(order, TotalAmount=row["total-amount"], TotalVATAmount="19.00"))
    assert rows(pending_only=True) == []
    assert [row["invoice-status"] for row in rows()] == ["Accepted"]


def test_what_was_accepted_stays_so_whoever_uploads_what(shop: Shop) -> None:
    papers, order = shop.stage.of(Invoices), order_of(shop)
    shop_id = shop.partner.selling_partner_id
    papers.in_service.add(shop_id)

    def rows() -> list[str]:
        found = papers.missing_and_present(shop.stage, shop_id, (), pending_only=False)
        return [row["invoice-status"] for row in found]

    own, stranger = shop.partner, Shop.open().partner
    stranger.selling_partner_id = "AEMULATEDSHOP2"
    right = invoice(order, TotalAmount="119.00", TotalVATAmount="19.00")
    shop.partner = stranger
    assert upload(shop, right).codes == [REASON_CODES["unknown_order"]]
    shop.partner = own
    assert (rows(), papers.of_order(order)) == (["Pending"], [])
    assert upload(shop, {**right, "metadata:TotalAmount": "1.00"}).codes
    assert rows() == ["Rejected"]
    assert upload(shop, right).codes == []
    assert upload(shop, {**right, "metadata:TotalAmount": "1.00"}).codes
    assert rows() == ["Accepted"]
    assert [known.duplicate for known in papers.of_order(order)] == [False, False, False]


def test_in_a_world_file(shop: Shop) -> None:
    order = order_of(shop)
    upload(shop, invoice(order))
    papers = shop.stage.of(Invoices)
    papers.in_service.add("A")
    again = Invoices()
    again.load(shop.stage, papers.as_json())
    assert again.as_json() == papers.as_json()
    wrongs: tuple[Any, ...] = ([], {"uploads": [{}]}, {"in_service": "A"}, {"more": 1})
    for wrong in wrongs:
        with pytest.raises(ValueError, match="invoices"):
            Invoices().load(shop.stage, wrong)


def test_over_http(house: House) -> None:
    desk = orders_desk(house)
    order = desk.make(status="SHIPPED")
    document = desk.uploaded(PDF, "application/pdf")
    options = {"metadata:OrderId": order["order_id"], "metadata:InvoiceNumber": "R-1"}
    feed_id = desk.feed(
        FEED, inputFeedDocumentId=document, marketplaceIds=[DE], feedOptions=options
    )
    desk.advance(1200)
    assert desk.status(feed_id) == "DONE"
    assert read_report(desk.result(feed_id)).results == []
    (shown,) = desk.seen(order)["invoices"]
    assert (shown["invoice_number"], shown["accepted"], shown["bytes"]) == ("R-1", True, len(PDF))
    partner_id = desk.partner_id
    listed = desk.lever("GET", "/orders/invoices", selling_partner_id=partner_id)
    assert listed["items"] == [shown]
