"""What Amazon's answers about orders say: pages of them, and the few facts that every order has.

Answers for: finding id, status, marketplace and instants in the three shapes of an order, the mark
of the next page, and the fingerprint by which a repeat is known. Does not answer for: what is
personal (``order_privacy``), or for asking.

Sources: the models orders_2026-01-01 (searchOrders, getOrder), vendorOrders (getPurchaseOrders) and
vendorDirectFulfillmentOrders_2021-12-28 (getOrders) of Amazon's selling-partner-api-models.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "DIRECT",
    "RETAIL",
    "SELLER",
    "OrderFacts",
    "OrdersPage",
    "Shape",
    "Unreadable",
    "digest",
    "facts_of",
    "one",
    "page",
]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_WORD = 64
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


class Unreadable(ValueError):
    """Not the shape that Amazon's model has. Its text quotes nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Where one kind of order keeps its facts. A path is names with dots between; of several
    ``changed`` ones the latest counts."""

    order_id: str
    status: str
    marketplace: str = ""
    ordered: str
    changed: tuple[str, ...] = ()
    orders: str = "orders"  # in the answer
    next_page: str
    read_until: str = ""


SELLER = Shape(
    order_id="orderId",
    status="fulfillment.fulfillmentStatus",
    marketplace="salesChannel.marketplaceId",
    ordered="createdTime",
    changed=("lastUpdatedTime",),
    next_page="pagination.nextToken",
    read_until="lastUpdatedBefore",
)
RETAIL = Shape(
    order_id="purchaseOrderNumber",
    status="purchaseOrderState",
    ordered="orderDetails.purchaseOrderDate",
    changed=(
        "orderDetails.purchaseOrderDate",
        "orderDetails.purchaseOrderChangedDate",
        "orderDetails.purchaseOrderStateChangedDate",
    ),
    orders="payload.orders",
    next_page="payload.pagination.nextToken",
)
#: Nothing in it says when it was changed last.
DIRECT = Shape(
    order_id="purchaseOrderNumber",
    status="orderDetails.orderStatus",
    ordered="orderDetails.orderDate",
    next_page="pagination.nextToken",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """What every order has."""

    order_id: str
    status: str = ""
    marketplace_id: str = ""
    ordered_at: datetime | None = None
    amazon_changed_at: datetime | None = None  # None: this kind of order does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersPage:
    """One answer to a search. ``read_until``: everything that changed before was in the search."""

    orders: tuple[Mapping[str, Any], ...]
    next_page: str = ""
    read_until: datetime | None = None


def page(answer: bytes, shape: Shape) -> OrdersPage:
    """Raises Unreadable."""
    told = _json(answer)
    found = _dig(told, shape.orders)
    if found is None:
        found = []
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise Unreadable("Amazon's answer has no list of orders.")
    mark = _dig(told, shape.next_page)
    if mark is not None and not isinstance(mark, str):
        raise Unreadable("Amazon's mark of the next page is no text.")
    until = _instant(_dig(told, shape.read_until)) if shape.read_until else None
    return OrdersPage(orders=tuple(found), next_page=mark or "", read_until=until)


def one(answer: bytes) -> Mapping[str, Any]:
    """Of ``getOrder`` 2026-01-01. Raises Unreadable."""
    found = _dig(_json(answer), "order")
    if not isinstance(found, Mapping):
        raise Unreadable("Amazon's answer has no order.")
    return found


def facts_of(order: Mapping[str, Any], shape: Shape) -> OrderFacts:
    """Raises Unreadable without an id; whatever else is missing or strange is left empty."""
    order_id = _dig(order, shape.order_id)
    if not isinstance(order_id, str) or not _ID.fullmatch(order_id):
        raise Unreadable("An order of Amazon's has no id.")
    changed = [at for path in shape.changed if (at := _instant(_dig(order, path))) is not None]
    return OrderFacts(
        order_id=order_id,
        status=_word(_dig(order, shape.status)),
        marketplace_id=_word(_dig(order, shape.marketplace)) if shape.marketplace else "",
        ordered_at=_instant(_dig(order, shape.ordered)),
        amazon_changed_at=max(changed, default=None),
    )


def digest(plain: Mapping[str, Any]) -> str:
    """Equal for equal bodies, in whatever order their names stand. Of what is plain alone: what
    is personal leaves no trace that somebody could compare a guess with."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _json(answer: bytes) -> Any:
    try:
        told = json.loads(answer, parse_constant=_no_number)
        return _clean(told) if b"\\u0000" in answer or _SURROGATE.search(answer) else told
    except (ValueError, RecursionError):
        raise Unreadable("Amazon's answer is no JSON.") from None


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _clean(told: Any) -> Any:
    """Without the characters that no database keeps as text."""
    if isinstance(told, str):
        return _UNKEEPABLE.sub("\ufffd", told)
    if isinstance(told, list):
        return [_clean(inner) for inner in told]
    if isinstance(told, dict):
        return {_clean(name): _clean(inner) for name, inner in told.items()}
    return told


def _dig(told: Any, path: str) -> Any:
    for name in path.split("."):
        told = told.get(name) if isinstance(told, Mapping) else None
    return told


def _word(value: Any) -> str:
    return value[:_LONGEST_WORD] if isinstance(value, str) else ""


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
