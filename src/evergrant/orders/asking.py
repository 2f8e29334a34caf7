"""What is asked of Amazon about orders, and what its answers mean for a sweep.

Answers for: the calls of each kind of account (operation, query, page), less personal data where
Amazon refuses the application its roles, and telling the kinds of refusal apart. Does not answer
for: when it is asked, or for what becomes of the orders.

Sources: Amazon's models orders_2026-01-01 (searchOrders, getOrder), vendorOrders
(getPurchaseOrders) and vendorDirectFulfillmentOrders_2021-12-28 (getOrders).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from evergrant.calls import Calls
from evergrant.ports.amazon import Answer
from evergrant.ports.things import Account
from evergrant.ports.traded import OrderKind
from evergrant.rules import order_privacy, order_reading, order_sweeps
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import PartnerKind, VendorKind
from evergrant.rules.order_privacy import Allowed
from evergrant.rules.order_reading import OrdersPage, Shape
from evergrant.rules.order_sweeps import Listing, Place, Window
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import scrub

__all__ = ["WAYS", "Asking", "Refused", "Way", "kind_of"]

_MOST_WORDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How orders of one kind are read."""

    path: str
    lists: Sequence[Listing]
    spans: Mapping[Listing, tuple[str, str]]  # names of both ends of the window
    mark: str  # name of the parameter for the next page
    more: Sequence[tuple[str, str]]
    shape: Shape
    allowed: Allowed


WAYS: Mapping[OrderKind, Way] = MappingProxyType(
    {
        OrderKind.SELLER: Way(
            path="/orders/2026-01-01/orders",
            lists=order_sweeps.SELLER_LISTS,
            spans={Listing.UPDATED: ("lastUpdatedAfter", "lastUpdatedBefore")},
            mark="paginationToken",
            more=(("maxResultsPerPage", "100"),),
            shape=order_reading.SELLER,
            allowed=order_privacy.SELLER,
        ),
        OrderKind.RETAIL: Way(
            path="/vendor/orders/v1/purchaseOrders",
            lists=order_sweeps.RETAIL_LISTS,
            spans={
                Listing.CREATED: ("createdAfter", "createdBefore"),
                Listing.CHANGED: ("changedAfter", "changedBefore"),
            },
            mark="nextToken",
            more=(("limit", "100"), ("includeDetails", "true"), ("sortOrder", "ASC")),
            shape=order_reading.RETAIL,
            allowed=order_privacy.RETAIL,
        ),
        OrderKind.DIRECT: Way(
            path="/vendor/directFulfillment/orders/2021-12-28/purchaseOrders",
            lists=order_sweeps.DIRECT_LISTS,
            spans={Listing.CREATED: ("createdAfter", "createdBefore")},
            mark="nextToken",
            more=(("limit", "100"), ("includeDetails", "true"), ("sortOrder", "ASC")),
            shape=order_reading.DIRECT,
            allowed=order_privacy.DIRECT,
        ),
    }
)


def kind_of(account: Account) -> OrderKind:
    if account.partner_kind is PartnerKind.SELLER:
        return OrderKind.SELLER
    direct = account.vendor_kind is VendorKind.DIRECT_FULFILLMENT
    return OrderKind.DIRECT if direct else OrderKind.RETAIL


class Refused(Exception):
    """Amazon answered, and not with orders. ``message`` has its words."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.message = f"Amazon answered {answer.status}: {_words(answer.body)}"
        super().__init__(self.message)


class Asking:
    def __init__(self, *, calls: Calls, patience_s: float) -> None:
        self._calls = calls
        self._patience_s = patience_s

    async def page(
        self, account: Account, kind: OrderKind, window: Window, place: Place, lacks: str
    ) -> OrdersPage:
        """One page. Raises Refused, `order_reading.Unreadable`, and all that the gate raises."""
        way = WAYS[kind]
        since, until = way.spans[place.listing]
        query = [(since, _text(window.since)), (until, _text(window.until)), *way.more]
        if kind is OrderKind.SELLER:
            query.append(("includedData", ",".join(order_sweeps.asked_for(lacks))))
        if place.mark:
            query.append((way.mark, place.mark))
        answer = await self._send(account, way.path, query)
        return order_reading.page(answer, way.shape)

    async def order(self, account: Account, order_id: str, lacks: str) -> Mapping[str, Any]:
        """One order of a seller, whole. Raises as `page`."""
        path = f"{WAYS[OrderKind.SELLER].path}/{quote(order_id, safe='')}"
        query = [("includedData", ",".join(order_sweeps.asked_for(lacks)))]
        return order_reading.one(await self._send(account, path, query))

    async def _send(self, account: Account, path: str, query: Sequence[tuple[str, str]]) -> bytes:
        answer = await self._calls.send(
            account.id,
            "GET",
            path,
            query,
            by=SYSTEM,
            importance=Importance.SECOND,
            ready_to_wait_s=self._patience_s,
        )
        if answer.status != 200:
            raise Refused(answer)
        return answer.body


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _words(body: bytes) -> str:
    try:
        first = json.loads(body)["errors"][0]
        told = [str(first.get(name) or "") for name in ("code", "message", "details")]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "it gave no reason."
    return scrub(" ".join(word for word in told if word))[:_MOST_WORDS] or "it gave no reason."
