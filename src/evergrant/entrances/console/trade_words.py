"""The words in which the console speaks of the trade: changes, runs, orders, reports.

Answers for: each state and step in plain words with the kind of its badge, what helps against each
reason to wait, and what a change says in one short line. Does not answer for: what is so (the
rooms), or for Amazon's own words, which are shown as they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from evergrant.ports.traded import AmazonReportStep, OrderKind
from evergrant.rules.attention import Action
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.rights import CallerKind
from evergrant.rules.waits import SENTENCES, Waiting, Why
from evergrant.rules.wishes.earlier import LineFate

__all__ = [
    "FATES",
    "HELPS",
    "KINDS",
    "MONEY",
    "ORDER_KINDS",
    "ORDER_STATUSES",
    "PATHS",
    "REPORT_STEPS",
    "STATES",
    "STEPS",
    "amounts",
    "counted",
    "one",
    "order_badge",
    "pauser",
    "said",
    "why",
]

Words = tuple[str, str]  # kind of the badge, words

KINDS: Mapping[ChangeKind, str] = MappingProxyType(
    {
        ChangeKind.STOCK: "Stock",
        ChangeKind.PRICE: "Prices",
        ChangeKind.SHIPMENT: "Shipments",
        ChangeKind.INVOICE: "Invoices",
        ChangeKind.CANCELLATION: "Cancellations",
        ChangeKind.REFUND: "Refunds",
    }
)
#: One of them, and several in a sentence.
_COUNTED: Mapping[ChangeKind, tuple[str, str]] = MappingProxyType(
    {
        ChangeKind.STOCK: ("Stock", "stock"),
        ChangeKind.PRICE: ("Price", "price"),
        ChangeKind.SHIPMENT: ("Shipment", "shipment"),
        ChangeKind.INVOICE: ("Invoice", "invoice"),
        ChangeKind.CANCELLATION: ("Cancellation", "cancellation"),
        ChangeKind.REFUND: ("Refund", "refund"),
    }
)
#: What costs somebody money when it is wrong.
MONEY = frozenset({ChangeKind.PRICE, ChangeKind.CANCELLATION, ChangeKind.REFUND})

STATES: Mapping[ChangeState, Words] = MappingProxyType(
    {
        ChangeState.PENDING: ("quiet", "waits"),
        ChangeState.IN_FLIGHT: ("", "on its way"),
        ChangeState.ACCEPTED: ("good", "accepted"),
        ChangeState.REFUSED: ("bad", "refused"),
        ChangeState.SUPERSEDED: ("quiet", "overtaken by a later one"),
        ChangeState.WITHDRAWN: ("quiet", "taken back"),
        ChangeState.UNCERTAIN: ("bad", "uncertain"),
    }
)
STEPS: Mapping[RunStep, Words] = MappingProxyType(
    {
        RunStep.PLANNED: ("quiet", "planned"),
        RunStep.DOCUMENT: ("quiet", "being uploaded"),
        RunStep.UPLOADED: ("quiet", "uploaded"),
        RunStep.SUBMITTING: ("", "being sent"),
        RunStep.SUBMITTED: ("", "at Amazon"),
        RunStep.PROCESSING: ("", "Amazon works on it"),
        RunStep.SETTLED: ("good", "done"),
        RunStep.FAILED: ("warm", "did not come through"),
        RunStep.UNCERTAIN: ("bad", "somebody has to decide"),
    }
)
PATHS: Mapping[Path, str] = MappingProxyType(
    {
        Path.PATCH: "Stock and prices, single calls",
        Path.LISTINGS_FEED: "Stock and prices, feed",
        Path.CONFIRM_SHIPMENT: "Shipments, single calls",
        Path.FULFILLMENT_FEED: "Shipments, feed",
        Path.ACKNOWLEDGEMENT_FEED: "Cancellations, feed",
        Path.ADJUSTMENT_FEED: "Refunds, feed",
        Path.INVOICE_FEED: "Invoice, feed",
        Path.RETAIL_SHIPMENT: "Retail shipments",
        Path.RETAIL_INVOICE: "Retail invoices",
        Path.RETAIL_ACKNOWLEDGEMENT: "Retail order answers",
        Path.DIRECT_STOCK: "Direct-fulfillment stock",
        Path.DIRECT_SHIPMENT: "Direct-fulfillment shipments",
        Path.DIRECT_INVOICE: "Direct-fulfillment invoices",
        Path.DIRECT_ACKNOWLEDGEMENT: "Direct-fulfillment order answers",
    }
)
FATES: Mapping[LineFate, Words] = MappingProxyType(
    {
        LineFate.TAKEN: ("good", "will be taken"),
        LineFate.DUPLICATE: ("quiet", "came before"),
        LineFate.SUPERSEDED: ("quiet", "a later line says it anew"),
        LineFate.REFUSED: ("bad", "refused"),
    }
)
REPORT_STEPS: Mapping[AmazonReportStep, Words] = MappingProxyType(
    {
        AmazonReportStep.PLANNED: ("quiet", "not asked for yet"),
        AmazonReportStep.ASKING: ("", "being asked for"),
        AmazonReportStep.WAITING: ("", "Amazon makes it"),
        AmazonReportStep.DONE: ("good", "ready"),
        AmazonReportStep.EMPTY: ("quiet", "Amazon has no data"),
        AmazonReportStep.FAILED: ("bad", "failed"),
    }
)
ORDER_KINDS: Mapping[OrderKind, str] = MappingProxyType(
    {
        OrderKind.SELLER: "Order",
        OrderKind.RETAIL: "Purchase order",
        OrderKind.DIRECT: "Direct fulfillment",
    }
)

#: What somebody can do against a reason to wait. What is not here passes by itself, or is told
#: elsewhere on the page.
HELPS: Mapping[Why, Action] = MappingProxyType(
    {
        Why.NOT_AUTHORIZED: Action.SEND_LINK,
        Why.LAPSED: Action.RENEW,
        Why.REVOKED: Action.SEND_LINK,
        Why.NO_SELLER_ID: Action.ADD_SELLER_ID,
        Why.SWITCHED_OFF: Action.LOOK_AT_ACCOUNT,
        Why.DENIED: Action.ADD_ROLE,
    }
)

#: By Amazon's word, in all three shapes of an order (models orders_2026-01-01, vendorOrders and
#: vendorDirectFulfillmentOrders_2021-12-28). Another word of Amazon's is shown as it is.
ORDER_STATUSES: Mapping[str, Words] = MappingProxyType(
    {
        "PENDING_AVAILABILITY": ("quiet", "pre-order"),
        "PENDING": ("quiet", "payment pending"),
        "UNSHIPPED": ("warm", "to be shipped"),
        "PARTIALLY_SHIPPED": ("warm", "partly shipped"),
        "SHIPPED": ("good", "shipped"),
        "CANCELLED": ("quiet", "cancelled"),
        "UNFULFILLABLE": ("bad", "cannot be fulfilled"),
        "New": ("warm", "new"),
        "Acknowledged": ("", "acknowledged"),
        "Closed": ("quiet", "closed"),
        "NEW": ("warm", "new"),
        "ACCEPTED": ("", "accepted"),
    }
)


def one(kind: ChangeKind) -> str:
    """Of one change: "Refund"."""
    return _COUNTED[kind][0]


def counted(kind: ChangeKind, count: int) -> str:
    """ "1 refund", "1,200 stock"."""
    word = _COUNTED[kind][1]
    return f"{count:,} {word}{'' if count == 1 or kind is ChangeKind.STOCK else 's'}"


def why(wait: Waiting) -> str:
    """The sentence of a reason to wait. Who paused the account is told with a name elsewhere on the
    page; here it would be an id."""
    return SENTENCES[wait.why] if wait.why is Why.PAUSED else wait.sentence


def order_badge(status: str) -> Words:
    return ORDER_STATUSES.get(status) or ("quiet", status.replace("_", " ").lower() or "unknown")


def said(kind: ChangeKind | None, wish: Mapping[str, Any]) -> str:
    """What a change wants, in a few words. ``wish``: as it was settled, or a line as somebody
    wrote it, so nothing of it is believed."""
    if kind is ChangeKind.STOCK:
        return _joined(wish, "quantity") + " in stock" if _joined(wish, "quantity") else ""
    if kind is ChangeKind.PRICE:
        return _joined(wish, "price", "currency")
    if kind is ChangeKind.SHIPMENT:
        carrier = wish.get("carrier_name") or wish.get("carrier_code") or ""
        return " ".join(str(one) for one in (carrier, wish.get("tracking_number") or "") if one)
    if kind is ChangeKind.INVOICE:
        return _joined(wish, "invoice_number", "total", "currency")
    if kind is ChangeKind.CANCELLATION:
        return f"cancel: {wish.get('reason') or 'no reason'}"
    if kind is ChangeKind.REFUND:
        return f"{amounts(wish.get('items')):f} {wish.get('currency', '')} back".replace("  ", " ")
    return ""


def amounts(items: object) -> Decimal:
    """All money in the items of a refund; what is no amount counts nothing."""
    found = Decimal(0)
    for item in items if isinstance(items, Iterable) and not isinstance(items, str) else ():
        if isinstance(item, Mapping):
            found += sum(
                (_amount(value) for name, value in item.items() if name in _PARTS), Decimal(0)
            )
    return found


_PARTS = frozenset({"principal", "tax", "shipping", "shipping_tax", "gift_wrap", "gift_wrap_tax"})
_MOST_DIGITS = 40


def _amount(value: object) -> Decimal:
    text = str(value)
    try:
        found = Decimal(text) if len(text) <= _MOST_DIGITS else Decimal(0)
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() and abs(found.adjusted()) <= _MOST_DIGITS else Decimal(0)


def _joined(wish: Mapping[str, Any], *names: str) -> str:
    return " ".join(str(wish[name]) for name in names if wish.get(name) not in (None, ""))


def pauser(paused_by: str, names: Mapping[str, str]) -> str:
    """A name; of pauses from before names were kept it is who, as the journal writes it."""
    if paused_by in names:
        return names[paused_by]
    kind, written, name = paused_by.partition(":")
    if not written or kind not in [*CallerKind]:
        return paused_by
    return f"{name} (command line)" if kind == CallerKind.COMMAND_LINE else "somebody"
