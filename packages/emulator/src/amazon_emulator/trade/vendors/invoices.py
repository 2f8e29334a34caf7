"""What vendors invoice: retail invoices and credit notes, and direct-fulfillment invoices.

Answers for: numbers that are never used twice (but again after a failure), totals that are not
zero, orders that exist, a bill-to address that matches (Amazon's vendorInvoices model and invoicing
guide). A successful transaction says that an invoice is valid, not that it is paid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors import records as vendor_records
from amazon_emulator.trade.vendors.bodies import Body
from amazon_emulator.trade.vendors.direct import VendorDirect
from amazon_emulator.trade.vendors.errand import (
    Case,
    Errand,
    Fault,
    foreign_vendor_code,
    unknown_order,
)
from amazon_emulator.trade.vendors.parties import billing_address, billing_party
from amazon_emulator.trade.vendors.retail import VendorRetail
from amazon_emulator.world import Partner

__all__ = ["DIRECT_INVOICES", "RETAIL_INVOICES", "Invoice", "VendorInvoices"]

PAYER_FIELDS = ("addressLine1", "city", "countryCode")


@dataclass
class Invoice:
    """One invoice that was taken."""

    number: str
    kind: Literal["Invoice", "CreditNote"]
    sent_at: datetime
    order_numbers: list[str]
    content: dict[str, Any]


@dataclass
class VendorInvoices:
    """Invoices by selling partner id and number; the two programs number apart."""

    retail: dict[str, dict[str, Invoice]] = field(default_factory=dict)
    direct: dict[str, dict[str, Invoice]] = field(default_factory=dict)

    def retail_of(self, partner: Partner) -> dict[str, Invoice]:
        return self.retail.setdefault(partner.selling_partner_id, {})

    def direct_of(self, partner: Partner) -> dict[str, Invoice]:
        return self.direct.setdefault(partner.selling_partner_id, {})

    def as_json(self) -> Any:
        return vendor_records.plain(self)

    def load(self, stage: Stage, given: Any) -> None:
        read = vendor_records.read(VendorInvoices, given, "vendor_invoices")
        for partner_id in (*read.retail, *read.direct):
            vendor_records.check_vendor(stage, partner_id, f"vendor_invoices: {partner_id}")
        self.retail, self.direct = read.retail, read.direct


def _money(holder: Body, name: str) -> Decimal:
    money = holder.one(name)
    money.text("currencyCode")
    return money.decimal("amount")


def _used(number: str) -> Fault:
    words = "The invoice number was used before."
    return Fault("DUPLICATE_INVOICE_NUMBER", words, number)


def _total_faults(invoice: Body, number: str) -> list[Fault]:
    if _money(invoice, "invoiceTotal") == 0:
        return [Fault("INVALID_INVOICE_TOTAL", "The invoice total is zero.", number)]
    return []


# --- retail ---------------------------------------------------------------------------------------


def _check_retail(content: Body) -> None:
    for invoice in content.all("invoices"):
        invoice.choice("invoiceType", ("CreditNote", "Invoice"))
        invoice.text("id")
        invoice.instant("date")
        invoice.party("remitToParty")
        _money(invoice, "invoiceTotal")
        for name in ("shipToParty", "shipFromParty", "billToParty"):
            if invoice.has(name):
                invoice.party(name)
        for item in invoice.some("items"):
            item.whole("itemSequenceNumber")
            item.quantity("invoicedQuantity", ("Cases", "Eaches"))
            item.one("netCost")
            for name in (
                "purchaseOrderNumber",
                "amazonProductIdentifier",
                "vendorProductIdentifier",
            ):
                item.maybe_text(name)


def _judge_retail(case: Case) -> list[Fault]:
    known = case.stage.of(VendorInvoices).retail_of(case.partner)
    faults: list[Fault] = []
    seen: set[str] = set()
    for invoice in case.content.all("invoices"):
        number = invoice.text("id")
        party = invoice.party("remitToParty")
        if number in known or number in seen:
            faults.append(_used(number))
        elif party not in case.partner.vendor_codes:
            faults.append(foreign_vendor_code(party))
        else:
            faults += _total_faults(invoice, number)
            faults += _payer_faults(case, invoice, number)
            faults += _retail_item_faults(case, invoice)
        seen.add(number)
    return faults


def _payer_faults(case: Case, invoice: Body, number: str) -> list[Fault]:
    """The party that pays and its address, where they are given, are those of the orders."""
    payer = invoice.maybe("billToParty")
    if payer is None:
        return []
    country = case.partner.home.country_code
    right = billing_address(country)
    address = payer.maybe("address")
    wrong = payer.text("partyId") != billing_party(country) or (
        address is not None
        and any(address.given.get(name) != right.get(name) for name in PAYER_FIELDS)
    )
    words = "The bill-to party or its address is not that of the purchase order."
    return [Fault("INVALID_BILL_TO_PARTY", words, number)] if wrong else []


def _retail_item_faults(case: Case, invoice: Body) -> list[Fault]:
    orders = case.stage.of(VendorRetail).of(case.partner)
    faults = []
    for item in invoice.some("items"):
        number = item.maybe_text("purchaseOrderNumber")
        if number is None:
            continue
        order = orders.get(number)
        names = (
            item.maybe_text("amazonProductIdentifier"),
            item.maybe_text("vendorProductIdentifier"),
        )
        if order is None:
            faults.append(unknown_order(number))
        elif any(names) and order.line(*names) is None:
            words = "The item is not a line of the purchase order."
            faults.append(Fault("INVALID_ITEM", words, f"{number} {names[0] or names[1]}"))
    return faults


def _apply_retail(case: Case) -> None:
    known = case.stage.of(VendorInvoices).retail_of(case.partner)
    for invoice in case.content.all("invoices"):
        kind = invoice.choice("invoiceType", ("CreditNote", "Invoice"))
        _take(
            known,
            case,
            invoice,
            invoice.text("id"),
            "CreditNote" if kind != "Invoice" else "Invoice",
        )


# --- direct fulfillment ---------------------------------------------------------------------------


def _check_direct(content: Body) -> None:
    for invoice in content.all("invoices"):
        invoice.text("invoiceNumber")
        invoice.instant("invoiceDate")
        invoice.party("remitToParty")
        invoice.party("shipFromParty")
        _money(invoice, "invoiceTotal")
        for item in invoice.all("items"):
            item.text("itemSequenceNumber")
            item.one("invoicedQuantity").whole("amount")
            item.one("invoicedQuantity").text("unitOfMeasure")
            _money(item, "netCost")
            item.text("purchaseOrderNumber")


def _judge_direct(case: Case) -> list[Fault]:
    known = case.stage.of(VendorInvoices).direct_of(case.partner)
    orders = case.stage.of(VendorDirect).orders_of(case.partner)
    faults: list[Fault] = []
    seen: set[str] = set()
    for invoice in case.content.all("invoices"):
        number = invoice.text("invoiceNumber")
        party = invoice.party("remitToParty")
        if number in known or number in seen:
            faults.append(_used(number))
        elif party not in case.partner.vendor_codes:
            faults.append(foreign_vendor_code(party))
        else:
            faults += _total_faults(invoice, number)
            for item in invoice.all("items"):
                order = orders.get(item.text("purchaseOrderNumber"))
                if order is None:
                    faults.append(unknown_order(item.text("purchaseOrderNumber")))
                elif order.status != "SHIPPED":
                    words = "The order was not shipped."
                    faults.append(Fault("ORDER_NOT_SHIPPED", words, order.number))
        seen.add(number)
    return faults


def _apply_direct(case: Case) -> None:
    known = case.stage.of(VendorInvoices).direct_of(case.partner)
    for invoice in case.content.all("invoices"):
        _take(known, case, invoice, invoice.text("invoiceNumber"), "Invoice")


def _take(
    known: dict[str, Invoice],
    case: Case,
    invoice: Body,
    number: str,
    kind: Literal["Invoice", "CreditNote"],
) -> None:
    orders = [item.maybe_text("purchaseOrderNumber") for item in invoice.some("items")]
    named = list(dict.fromkeys(order for order in orders if order))
    known[number] = Invoice(number, kind, case.submitted_at, named, dict(invoice.given))


RETAIL_INVOICES = Errand(
    "vendor_invoices.submitInvoices", "retail", _check_retail, _judge_retail, _apply_retail
)
DIRECT_INVOICES = Errand(
    "direct_fulfillment_payments.submitInvoice",
    "direct_fulfillment",
    _check_direct,
    _judge_direct,
    _apply_direct,
)
