"""Amazon's operations: which one a request is, and what follows from it.

Answers for: method and path -> operation; whether it reads or writes, may be repeated, carries
personal data, is grantless, what usage plan Amazon publishes, and how much of it is kept for work
that cannot wait. Does not answer for: plans that operators set (the gate), or for what an answer
means.

Sources: the figures are in `operation_table`. What is kept by hand here: rates per application,
Amazon's pages "listings-items-api-rate-limits", "listings-restrictions-api-rate-limits" and
"product-type-definitions-api-rate-limits"; scopes, page "grantless-operations" and the models
notifications v1, application management 2023-11-30 and tracking 2026-01-30; which POST or PUT only
reads, the description of each operation in its model. Personal data: `personal_data`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import unquote

from evergrant.rules.applications import NOTIFICATIONS_SCOPE, ROTATION_SCOPE, TRACKING_SCOPE
from evergrant.rules.budgets import Importance, Plan
from evergrant.rules.operation_table import ROWS
from evergrant.rules.personal_data import CLASSES, DATA_ELEMENTS, Personal

__all__ = [
    "ALL",
    "CAREFUL",
    "KEPT_FREE",
    "NAMES",
    "Group",
    "Operation",
    "Personal",
    "base_of",
    "find",
    "get",
    "of_kind",
    "reserve",
]


class Group(StrEnum):
    """What a key may be allowed to do at Amazon."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """``name`` is unique: the path up to its version, and Amazon's operation id, with dots:
    ``orders.v0.getOrder``. An operation that nobody knows is called ``unknown.`` and its method,
    has a careful plan, is repeated only if its method reads, and may carry personal data."""

    name: str
    method: str
    template: str
    group: Group
    repeatable: bool
    plan: Plan  # of a pair of account and application
    published: bool = True  # False: Amazon publishes no plan; ours is careful
    application_plan: Plan | None = None  # of an application over all its accounts
    personal: Personal = Personal.NEVER
    data_elements: tuple[str, ...] = ()  # that may be named, in Amazon's order
    scope: str | None = None  # of a grantless operation
    #: What a call of it is for, where Amazon limits that by itself: a type of feeds or of reports.
    kind: str = ""

    @property
    def special(self) -> Operation | None:
        """The limit of its kind, which is drawn on besides its own."""
        return _SPECIAL.get(f"{self.name}:{self.kind}") if self.kind else None


# --- kept by hand ---------------------------------------------------------------------------

#: Where Amazon publishes no figure: the slowest of its usual plans. A rate that Amazon reports
#: with an answer takes its place soon enough.
CAREFUL = Plan(rate_per_s=1.0, burst=1)

#: Calls a second over all accounts of an application. How many at once is not published: one
#: second's worth is taken.
_PER_APPLICATION: Mapping[str, float] = {
    "definitions.2020-09-01.getDefinitionsProductType": 100,
    "definitions.2020-09-01.searchDefinitionsProductTypes": 100,
    "listings.2021-08-01.deleteListingsItem": 100,
    "listings.2021-08-01.getListingsItem": 100,
    "listings.2021-08-01.getListingsRestrictions": 100,
    "listings.2021-08-01.patchListingsItem": 500,
    "listings.2021-08-01.putListingsItem": 100,
}

#: Limits of one type of feed or report, besides that of the operation: tokens, and seconds in which
#: they come back. JSON_LISTINGS_FEED: Amazon's changelog of May 2025 ("update-feed-size-and-rate-
#: limit-changes-for-the-json_listings_feed"), five in five minutes and region. The report: Amazon's
#: support in an issue of the models' repository in April 2026, four an hour for a seller's account
#: over all applications, so that another program may have spent them. UPLOAD_VAT_INVOICE: one in
#: three seconds is what users speak of; below the rate of createFeed it never decides for long.
_OF_KIND: Mapping[tuple[str, str], tuple[int, int]] = {
    ("feeds.2021-06-30.createFeed", "JSON_LISTINGS_FEED"): (5, 5 * 60),
    ("feeds.2021-06-30.createFeed", "UPLOAD_VAT_INVOICE"): (1, 3),
    ("reports.2021-06-30.createReport", "GET_SALES_AND_TRAFFIC_REPORT"): (4, 60 * 60),
}

#: By their method they would write, but all they do is answer: safe to send twice.
_ONLY_ANSWER = frozenset(
    {
        "aplus.2020-11-01.validateContentDocumentAsinRelations",
        "awd.2024-05-09.checkInboundEligibility",
        "batches.products.pricing.2022-05-01.getCompetitiveSummary",
        "batches.products.pricing.2022-05-01.getFeaturedOfferExpectedPriceBatch",
        "batches.products.pricing.v0.getItemOffersBatch",
        "batches.products.pricing.v0.getListingOffersBatch",
        "easyShip.2022-03-23.listHandoverSlots",
        "fba.outbound.2020-07-01.deliveryOffers",
        "fba.outbound.2020-07-01.getFulfillmentPreview",
        "fulfillment.outbound.2026-07-04.getOffers",
        "fulfillment.outbound.2026-07-04.getOrderPreview",
        "mfn.v0.getAdditionalSellerInputs",
        "mfn.v0.getEligibleShipmentServices",
        "products.fees.v0.getMyFeesEstimates",
        "products.fees.v0.getMyFeesEstimateForASIN",
        "products.fees.v0.getMyFeesEstimateForSKU",
        "replenishment.2022-11-07.getSellingPartnerMetrics",
        "replenishment.2022-11-07.listOfferMetrics",
        "replenishment.2022-11-07.listOffers",
        "service.v1.getFixedSlotCapacity",
        "service.v1.getRangeSlotCapacity",
        "shipping.v1.getRates",
        "shipping.v1.retrieveShippingLabel",
        "shipping.v2.getCarrierAccounts",
        "shipping.v2.getCollectionFormHistory",
        "shipping.v2.getRates",
        "shipping.v2.getUnmanifestedShipments",
        "tokens.2021-03-01.createRestrictedDataToken",
    }
)

#: They have a document made and change nothing of the seller's, so a key that only reads may ask
#: for it. Sent twice, they make two.
_MAKE_A_DOCUMENT = frozenset(
    {
        "dataKiosk.2023-11-15.createQuery",
        "reports.2021-06-30.createReport",
        "tax.invoices.2024-06-19.createInvoicesExport",
    }
)

_SCOPES: Mapping[str, str] = {
    "applications.2023-11-30.rotateApplicationClientSecret": ROTATION_SCOPE,
    "notifications.v1.createDestination": NOTIFICATIONS_SCOPE,
    "notifications.v1.deleteDestination": NOTIFICATIONS_SCOPE,
    "notifications.v1.deleteSubscriptionById": NOTIFICATIONS_SCOPE,
    "notifications.v1.getDestination": NOTIFICATIONS_SCOPE,
    "notifications.v1.getDestinations": NOTIFICATIONS_SCOPE,
    "notifications.v1.getSubscriptionById": NOTIFICATIONS_SCOPE,
    "notifications.v1.sendTestNotification": NOTIFICATIONS_SCOPE,
    "tracking.2026-01-30.getShipmentTracking": TRACKING_SCOPE,
}

#: What cancellations, refunds and confirmations of shipments go through. Late, they cost money or
#: the seller's good name, so nobody else may empty these buckets.
KEPT_FREE = frozenset(
    {
        "feeds.2021-06-30.cancelFeed",
        "feeds.2021-06-30.createFeed",
        "feeds.2021-06-30.createFeedDocument",
        "feeds.2021-06-30.getFeed",
        "feeds.2021-06-30.getFeedDocument",
        "feeds.2021-06-30.getFeeds",
        "orders.v0.confirmShipment",
        "vendor.directFulfillment.orders.2021-12-28.submitAcknowledgement",
        "vendor.directFulfillment.orders.v1.submitAcknowledgement",
        "vendor.directFulfillment.shipping.2021-12-28.submitShipmentConfirmations",
        "vendor.directFulfillment.shipping.v1.submitShipmentConfirmations",
        "vendor.directFulfillment.transactions.2021-12-28.getTransactionStatus",
        "vendor.directFulfillment.transactions.v1.getTransactionStatus",
        "vendor.orders.v1.submitAcknowledgement",
        "vendor.payments.v1.submitInvoices",
        "vendor.shipping.v1.SubmitShipmentConfirmations",
        "vendor.transactions.v1.getTransaction",
    }
)
#: One token in so many of the burst, and at least one.
_LEFT_BY = {Importance.SECOND: 8, Importance.LAST: 4}


def reserve(operation: Operation, plan: Plan, importance: Importance) -> int:
    """Tokens that a wish of this importance leaves in the bucket for more important ones. ``plan``
    is the one in force. A burst of one has nothing to keep; there the line sorts by importance.
    Probes leave half of every bucket to programs."""
    if importance is Importance.LEAST:
        return plan.burst // 2 if plan.burst > 1 else 0
    one_in = _LEFT_BY.get(importance)
    if one_in is None or plan.burst == 1 or operation.name not in KEPT_FREE:
        return 0
    return max(plan.burst // one_in, 1)


# --- the table ------------------------------------------------------------------------------

_VERSION = re.compile(r"v\d+|\d{4}-\d\d-\d\d")
_READING = frozenset({"GET", "HEAD"})


def base_of(path: str) -> str | None:
    """A path up to and with its version: ``/orders/v0``. None where there is none, or nothing
    after it."""
    segments = path.split("/")
    for place, segment in enumerate(segments[:-1], 1):
        if _VERSION.fullmatch(segment):
            return "/".join(segments[:place])
    return None


def _rows() -> Iterator[tuple[str, str, str, Plan | None]]:
    """Operation id, method, template, plan."""
    base = ""
    for line in ROWS.strip().splitlines():
        if line.startswith("/"):
            base = line
            continue
        operation_id, method, rest, rate, *more = line.split(" ")
        plan = None if rate == "-" else Plan(float(rate), int(more[0]))
        yield operation_id, method, base + rest, plan


def _built() -> Iterator[Operation]:
    """Amazon gives one id of an API to two operations, once (``linkCarrierAccount``, POST and PUT):
    the names of both end in their method then."""
    rows = list(_rows())
    plain = [f"{(base_of(row[2]) or '')[1:].replace('/', '.')}.{row[0]}" for row in rows]
    for stem, (_, method, template, plan) in zip(plain, rows, strict=True):
        name = stem if plain.count(stem) == 1 else f"{stem}.{method}"
        answers = method in _READING or name in _ONLY_ANSWER
        rate = _PER_APPLICATION.get(name)
        yield Operation(
            name=name,
            method=method,
            template=template,
            group=Group.READ if answers or name in _MAKE_A_DOCUMENT else Group.WRITE,
            repeatable=answers,
            plan=plan or CAREFUL,
            published=plan is not None,
            application_plan=None if rate is None else Plan(float(rate), math.ceil(rate)),
            personal=CLASSES.get(name, Personal.NEVER),
            data_elements=DATA_ELEMENTS.get(name, ()),
            scope=_SCOPES.get(name),
        )


#: Every operation of Amazon's models, in the order of names.
ALL: tuple[Operation, ...] = tuple(sorted(_built(), key=lambda operation: operation.name))
NAMES: tuple[str, ...] = tuple(operation.name for operation in ALL)


def _unknown(method: str) -> Operation:
    reads = method in _READING
    return Operation(
        name=f"unknown.{method}",
        method=method,
        template="",
        group=Group.READ if reads else Group.WRITE,
        repeatable=reads,
        plan=CAREFUL,
        published=False,
        personal=Personal.PLAIN,
    )


def _special(name: str, kind: str, tokens: int, seconds: int) -> Operation:
    of = next(operation for operation in ALL if operation.name == name)
    return replace(of, name=f"{name}:{kind}", plan=Plan(tokens / seconds, tokens), published=True)


_SPECIAL: Mapping[str, Operation] = MappingProxyType(
    {
        f"{name}:{kind}": _special(name, kind, tokens, seconds)
        for (name, kind), (tokens, seconds) in _OF_KIND.items()
    }
)


def of_kind(operation: Operation, kind: str) -> Operation:
    """The operation as it is called for this type of feed or report: where Amazon limits the type
    by itself, that limit is drawn on as well."""
    return replace(operation, kind=kind) if f"{operation.name}:{kind}" in _SPECIAL else operation


_UNKNOWN: Mapping[str, Operation] = MappingProxyType(
    {method: _unknown(method) for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OTHER")}
)
_BY_NAME: Mapping[str, Operation] = MappingProxyType(
    {one.name: one for one in (*ALL, *_UNKNOWN.values(), *_SPECIAL.values())}
)


def get(name: str) -> Operation | None:
    """The operation of that name, those that nobody knows (``unknown.GET``) included, and those
    of one kind (``feeds.2021-06-30.createFeed:JSON_LISTINGS_FEED``), whose plan is of the kind."""
    return _BY_NAME.get(name)


# --- finding --------------------------------------------------------------------------------

#: So many requests are remembered, and none with a longer path.
_REMEMBERED, _LONGEST_REMEMBERED = 4096, 512
#: The only parameters in which a slash (encoded) is believed. Elsewhere Amazon might read two
#: segments where we read one, and so another operation.
_MAY_HOLD_A_SLASH = frozenset({"{sku}", "{sellerSku}", "{SellerSKU}"})


class _Branch:
    """What may come after some segments of a path. Parameters of all names share one branch."""

    __slots__ = ("here", "literals", "parameter")

    def __init__(self) -> None:
        self.here: dict[str, Operation] = {}
        self.literals: dict[str, _Branch] = {}
        self.parameter: _Branch | None = None

    def grow(self, operation: Operation) -> None:
        branch = self
        for segment in operation.template[1:].split("/"):
            if not segment.startswith("{"):
                branch = branch.literals.setdefault(segment, _Branch())
                continue
            if branch.parameter is None:
                branch.parameter = _Branch()
            branch = branch.parameter
        branch.here[operation.method] = operation

    def reach(self, method: str, segments: Sequence[str], at: int = 0) -> Operation | None:
        """What is written out goes before a parameter; where it leads nowhere, the parameter."""
        if at == len(segments):
            return self.here.get(method)
        literal = self.literals.get(segments[at])
        if literal is not None:
            found = literal.reach(method, segments, at + 1)
            if found is not None:
                return found
        if self.parameter is None:
            return None
        return self.parameter.reach(method, segments, at + 1)


_ROOT = _Branch()
for _operation in ALL:
    _ROOT.grow(_operation)


def find(method: str, path: str) -> Operation:
    """``path`` as it was sent, encoded, without query. HEAD is found as GET, and slashes at the end
    do not count. A path with empty or dot segments, or with an encoded slash where no operation
    has one, is unknown. Never raises."""
    if len(path) > _LONGEST_REMEMBERED:
        return _find(method, path)
    return _remembered(method, path)


def _find(method: str, path: str) -> Operation:
    method = method.upper()
    if method == "HEAD":
        method = "GET"
    found = None
    if path.startswith("/"):
        segments = path.rstrip("/")[1:].split("/")
        if "%" in path:
            segments = [unquote(segment) for segment in segments]
        if not _ODD.intersection(segments):
            found = _ROOT.reach(method, segments)
        if found is not None and "%" in path and not _slashes_allowed(found, segments):
            found = None
    return found or _UNKNOWN.get(method) or _UNKNOWN["OTHER"]


_ODD = frozenset({"", ".", ".."})
_remembered = lru_cache(maxsize=_REMEMBERED)(_find)


def _slashes_allowed(operation: Operation, segments: Sequence[str]) -> bool:
    return not any(
        ("/" in segment or "\\" in segment) and name not in _MAY_HOLD_A_SLASH
        for name, segment in zip(operation.template[1:].split("/"), segments, strict=True)
    )
