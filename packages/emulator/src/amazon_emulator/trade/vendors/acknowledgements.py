"""Acknowledgements of purchase orders: which are taken, and what they mean.

Answers for: the rules of Amazon's vendor orders guide and of its vendorOrders
model: what is left out counts as rejected; a later acknowledgement replaces the earlier one for 48
hours; what was once rejected is never accepted again; a cost is needed and is above zero.
"""

from __future__ import annotations

from datetime import timedelta

from amazon_emulator.trade.vendors.bodies import Body
from amazon_emulator.trade.vendors.errand import (
    Case,
    Errand,
    Fault,
    foreign_vendor_code,
    unknown_order,
)
from amazon_emulator.trade.vendors.retail import (
    LineAnswer,
    OrderLine,
    PurchaseOrder,
    VendorRetail,
)

__all__ = ["ACKNOWLEDGEMENT", "REPLACEABLE_FOR"]

REPLACEABLE_FOR = timedelta(hours=48)
CODES = ("Accepted", "Backordered", "Rejected")
REASONS = ("TemporarilyUnavailable", "InvalidProductIdentifier", "ObsoleteProduct")
UNITS = ("Cases", "Eaches")


def _check(content: Body) -> None:
    for acknowledgement in content.all("acknowledgements"):
        acknowledgement.text("purchaseOrderNumber")
        acknowledgement.party("sellingParty")
        acknowledgement.instant("acknowledgementDate")
        for item in acknowledgement.all("items"):
            item.one("orderedQuantity")
            for name in (
                "itemSequenceNumber",
                "amazonProductIdentifier",
                "vendorProductIdentifier",
            ):
                item.maybe_text(name)
            if (cost := item.maybe("netCost")) and cost.has("amount"):
                cost.decimal("amount")
            for part in item.all("itemAcknowledgements"):
                part.choice("acknowledgementCode", CODES)
                part.maybe_choice("rejectionReason", REASONS)
                quantity = part.one("acknowledgedQuantity")
                quantity.maybe_choice("unitOfMeasure", UNITS)
                quantity.whole("amount")


def _judge(case: Case) -> list[Fault]:
    orders = case.stage.of(VendorRetail).of(case.partner)
    faults: list[Fault] = []
    seen: set[str] = set()
    for acknowledgement in case.content.all("acknowledgements"):
        number = acknowledgement.text("purchaseOrderNumber")
        order = orders.get(number)
        if order is None:
            faults.append(unknown_order(number))
        elif number in seen:
            words = "The purchase order is acknowledged more than once in this submission."
            faults.append(Fault("DUPLICATE_ACKNOWLEDGEMENT", words, number))
        else:
            faults += _faults_of(case, order, acknowledgement)
        seen.add(number)
    return faults


def _faults_of(case: Case, order: PurchaseOrder, acknowledgement: Body) -> list[Fault]:
    party = acknowledgement.party("sellingParty")
    if party != order.vendor_code:
        return [foreign_vendor_code(party)]
    if order.answered_at and case.submitted_at > order.answered_at + REPLACEABLE_FOR:
        words = "The acknowledgement can no longer be replaced: more than 48 hours have passed."
        return [Fault("ACKNOWLEDGEMENT_TOO_LATE", words, order.number)]
    if order.state == "Closed":
        return [Fault("ORDER_CLOSED", "The purchase order is closed.", order.number)]
    faults: list[Fault] = []
    seen: set[str] = set()
    for item in acknowledgement.all("items"):
        line = _line(order, item)
        if line is None or line.number in seen:
            words = "The item is not a line of the purchase order, or is named twice."
            faults.append(Fault("INVALID_ITEM", words, order.number))
            continue
        seen.add(line.number)
        faults += _line_faults(order, line, item)
    return faults


def _line_faults(order: PurchaseOrder, line: OrderLine, item: Body) -> list[Fault]:
    place = f"{order.number} item {line.number}"
    parts = item.all("itemAcknowledgements")
    amounts = [part.quantity("acknowledgedQuantity") for part in parts]
    faults = []
    if min(amounts) < 0 or sum(amounts) > line.amount:
        words = "The acknowledged quantities are more than what is ordered."
        faults.append(Fault("INVALID_QUANTITY", words, place))
    cost = item.maybe("netCost")
    if cost is None or not cost.has("amount") or cost.decimal("amount") <= 0:
        words = "The net cost is missing, zero or negative."
        faults.append(Fault("INVALID_NET_COST", words, place))
    taken, backordered = _amount(item, CODES[:2]), _amount(item, ("Backordered",))
    if backordered and not line.back_order_allowed:
        faults.append(Fault("BACKORDER_NOT_ALLOWED", "The item takes no backorders.", place))
    if taken > line.amount - line.refused:
        words = "What was rejected cannot be accepted any more."
        faults.append(Fault("ALREADY_REJECTED", words, place))
    if any(
        part.choice("acknowledgementCode", CODES) == "Rejected" and not part.has("rejectionReason")
        for part in parts
    ):
        words = "A rejection needs its reason."
        faults.append(Fault("MISSING_REJECTION_REASON", words, place))
    return faults


def _apply(case: Case) -> None:
    orders = case.stage.of(VendorRetail).of(case.partner)
    for acknowledgement in case.content.all("acknowledgements"):
        order = orders[acknowledgement.text("purchaseOrderNumber")]
        items = {id(_line(order, item)): item for item in acknowledgement.all("items")}
        for line in order.lines:
            line.answers.append(_answer(case, line, items.get(id(line))))
        order.answered_at = order.answered_at or case.submitted_at
        taken = sum(line.taken for line in order.lines)
        order.go("Acknowledged" if taken else "Closed", case.submitted_at)


def _answer(case: Case, line: OrderLine, item: Body | None) -> LineAnswer:
    if item is None:
        return LineAnswer(case.submitted_at, 0, 0, line.amount)
    accepted, backordered = _amount(item, ("Accepted",)), _amount(item, ("Backordered",))
    reasons = [part.maybe_text("rejectionReason") for part in item.all("itemAcknowledgements")]
    return LineAnswer(
        case.submitted_at,
        accepted,
        backordered,
        line.amount - accepted - backordered,
        next((reason for reason in reasons if reason), None),
    )


def _line(order: PurchaseOrder, item: Body) -> OrderLine | None:
    return order.line(
        item.maybe_text("amazonProductIdentifier"),
        item.maybe_text("vendorProductIdentifier"),
        item.maybe_text("itemSequenceNumber"),
    )


def _amount(item: Body, codes: tuple[str, ...]) -> int:
    return sum(
        part.quantity("acknowledgedQuantity")
        for part in item.all("itemAcknowledgements")
        if part.choice("acknowledgementCode", CODES) in codes
    )


ACKNOWLEDGEMENT = Errand("vendor_orders.submitAcknowledgement", "retail", _check, _judge, _apply)
