"""UPLOAD_VAT_INVOICE: what goes beside the PDF, and what the emulator makes of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from amazon_emulator.trade.orders.invoices import Invoices
from amazon_emulator.trade.orders.making import Ware
from amazon_emulator.trade.orders.orders import Order
from evergrant.feeds.kinds.invoices import VatInvoice
from evergrant.ports.traded import Change
from evergrant.rules import processing_reports
from evergrant.rules.changes import ChangeKind
from evergrant.rules.feedruns import PATHS, Path
from evergrant.rules.processing_reports import ProcessingReport
from tests.emulator.orders_desk import Shop
from tests.rooms.kinds_ground import DE, FR, ORDER, change, ground, run

KIND = VatInvoice()
PDF = b"%PDF-1.7\n% an invoice of nobody\n%%EOF\n"
FACTS = PATHS[Path.INVOICE_FEED]


def invoice(order_id: str = ORDER, **wishes: Any) -> Change:
    wish = {
        "order_id": order_id,
        "shipping_id": "",
        "invoice_number": "R-1",
        "total": "119.00",
        "vat": "19.00",
        "document_type": "invoice",
        "transaction_id": "",
        "pdf_sha256": "0" * 64,
        "pdf_bytes": len(PDF),
    }
    return change(ChangeKind.INVOICE, order_id, {**wish, **wishes})


def options(told: Change) -> dict[str, str]:
    return dict(KIND.options(ground(), run(Path.INVOICE_FEED), [told]))


def test_the_document_is_the_pdf() -> None:
    assert KIND.content(ground(), run(Path.INVOICE_FEED), invoice(), PDF) == PDF
    assert FACTS.content_type == "application/pdf"


def test_an_invoice_of_an_order() -> None:
    assert options(invoice()) == {
        "metadata:OrderId": ORDER,
        "metadata:InvoiceNumber": "R-1",
        "metadata:TotalAmount": "119.00",
        "metadata:TotalVATAmount": "19.00",
        "metadata:DocumentType": "Invoice",
    }


def test_the_shipping_id_is_preferred() -> None:
    told = options(invoice(shipping_id="S1"))
    assert told["metadata:shippingid"] == "S1"
    assert "metadata:OrderId" not in told


def test_a_credit_note_names_its_transaction() -> None:
    told = options(invoice(document_type="credit_note", transaction_id="TX-1"))
    assert told["metadata:DocumentType"] == "CreditNote"
    assert told["metadata:transactionid"] == "TX-1"


def test_it_is_for_the_orders_marketplace() -> None:
    assert KIND.marketplace_ids(ground(), run(Path.INVOICE_FEED, FR)) == (FR,)
    assert KIND.marketplace_ids(ground(), run(Path.INVOICE_FEED, "")) == (DE,)


# --- at the emulator ------------------------------------------------------------------------------


@pytest.fixture
def shop() -> Shop:
    return Shop.open()


def order_of(shop: Shop) -> Order:
    charges = {"Principal": Decimal("100.00"), "Tax": Decimal("19.00")}
    charges |= {"Shipping": Decimal(0), "ShippingTax": Decimal(0)}
    return shop.order(Ware("SKU-1", charges=charges), status="SHIPPED")


def upload(shop: Shop, told: Change) -> ProcessingReport:
    content = KIND.content(ground(), run(Path.INVOICE_FEED), told, PDF)
    ended = shop.process(FACTS.feed_type, content, FACTS.content_type, **options(told))
    return processing_reports.read(ended.report or b"", ended.content_type)


def test_the_emulator_takes_it_and_compares_the_totals(shop: Shop) -> None:
    shop.stage.of(Invoices).in_service.add(shop.partner.selling_partner_id)
    order = order_of(shop)
    assert upload(shop, invoice(order.order_id)).lines == ()
    (kept,) = shop.stage.of(Invoices).of_order(order)
    assert (kept.code, kept.claim.invoice_number, kept.bytes_) == ("", "R-1", len(PDF))
    report = upload(shop, invoice(order.order_id, total="120.00", invoice_number="R-2"))
    (line,) = report.lines
    assert (line.message_id, line.severity, report.accepted) == (1, "error", 0)


def test_by_shipping_id(shop: Shop) -> None:
    order = order_of(shop)
    (booking,) = [one for one in order.bookings if one.kind == "Shipment"]
    told = invoice(order.order_id, shipping_id=booking.booking_id)
    assert upload(shop, told).lines == ()


def test_a_seller_who_is_not_enrolled_is_told_so(shop: Shop) -> None:
    shop.stage.of(Invoices).unavailable.add(shop.partner.selling_partner_id)
    (line,) = upload(shop, invoice(order_of(shop).order_id)).lines
    assert (line.code, line.severity, line.message_id) == ("FeatureNotAvailable", "error", 1)
