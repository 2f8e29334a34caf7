"""The plan of one account: which kinds may go now, on which path, and why the rest waits.

Answers for: what keeps an account or a kind from going, and the path by what waits and by what is
under way. Does not answer for: turning changes into drafts of runs (``feedsweeps``), collapsing and
cutting (``feedcuts``), or for claiming changes.

Paths. A seller's listings go by patchListingsItem while they are few, else by JSON feed, one for
each marketplace: with several in one feed, prices were reported to get lost (selling-partner-api-
models issue 5016). All listings of a plan take the same path, so no SKU is on two. While no feed
may go, stock of zero still does, by single calls. Packages go by confirmShipment, very many of them
by feed. Between two feeds of one type lie 20 minutes, and none goes while one is under way (page
"feeds-api-best-practices"). Cancellations and refunds only wait for the token that createFeed
gains in two minutes ("feeds-api-rate-limits"). What is said of one order is told in the order in
which it was wished: a shipment does not overtake the cancellation before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from evergrant.rules import flags
from evergrant.rules.changes import FLAGS, LANES, ChangeKind, Lane
from evergrant.rules.feedruns import PATHS, Manner, Path
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State, serves_tokens
from evergrant.rules.marketplaces import PartnerKind, VendorKind
from evergrant.rules.waits import STATES, Waiting, Why

__all__ = [
    "MOST_MESSAGES",
    "MOST_OPEN",
    "ORDER_FEEDS_EVERY",
    "Decision",
    "Gate",
    "Pace",
    "Route",
    "Stand",
    "decide",
    "waits_of",
]

#: Between two feeds of cancellations, or of refunds.
ORDER_FEEDS_EVERY = timedelta(minutes=2)
#: In one run.
MOST_MESSAGES: Mapping[Path, int] = MappingProxyType(
    {path: facts.most for path, facts in PATHS.items()}
)
_MOST_FEEDS = 12
_MOST_TRANSACTIONS = 40
#: Runs of one path under way at a time. Invoices: what createFeed's bucket gives at once (15), less
#: what is kept for cancellations and refunds. Listings: no more than go out within half an hour, as
#: their values are fixed from then on.
MOST_OPEN: Mapping[Path, int] = MappingProxyType(
    {
        path: 10
        if path is Path.INVOICE_FEED
        else {Manner.FEED: _MOST_FEEDS, Manner.CALLS: 1, Manner.TRANSACTION: _MOST_TRANSACTIONS}[
            facts.manner
        ]
        for path, facts in PATHS.items()
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What operators set. ``patch_most`` 0: nothing goes by single calls."""

    feed_every: timedelta
    patch_most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """One account as it stands. ``unsigned``: what the team lead has to sign first. ``open``: runs
    under way, ``last_at``: when the last one was made, by path. ``hurried_at``: from then on nobody
    wants to wait between two feeds. ``denied``: until when nothing is tried on a path, because
    Amazon said no. ``seller_id``: what Amazon's documents call it."""

    partner_kind: PartnerKind
    vendor_kind: VendorKind | None = None
    flags: Mapping[Flag, bool] = field(default_factory=dict)
    state: State
    seller_id: str = ""
    paused: bool = False
    paused_because: str = ""
    unsigned: tuple[str, ...] = ()
    open: Mapping[Path, int] = field(default_factory=dict)
    last_at: Mapping[Path, datetime] = field(default_factory=dict)
    hurried_at: datetime | None = None
    denied: Mapping[Path, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gate:
    """It is shut, and why. ``until`` None: it does not open by itself."""

    why: Why
    until: datetime | None = None
    more: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How one kind of changes goes: few of them by calls, many by feed; or always in one way
    (``few_most`` 0: always ``many``). ``shut_*``: that way is not open now."""

    few: Path | None = None
    few_most: int = 0
    many: Path | None = None
    shut_few: Gate | None = None
    shut_many: Gate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``shut``: kinds of which nothing goes. ``lanes``: the others, in the order in which they are
    to be looked at, what costs money when it is late first."""

    shut: Mapping[ChangeKind, Gate]
    lanes: Mapping[Lane, Mapping[ChangeKind, Route]]
    slots: Mapping[Path, int]
    seller_id: str = ""


_ORDER = (Lane.REFUND, Lane.ORDER, Lane.LISTING, Lane.INVOICE)
_SELLERS: Mapping[ChangeKind, tuple[Path | None, Path | None]] = MappingProxyType(
    {
        ChangeKind.STOCK: (Path.PATCH, Path.LISTINGS_FEED),
        ChangeKind.PRICE: (Path.PATCH, Path.LISTINGS_FEED),
        ChangeKind.SHIPMENT: (Path.CONFIRM_SHIPMENT, Path.FULFILLMENT_FEED),
        ChangeKind.INVOICE: (None, Path.INVOICE_FEED),
        ChangeKind.CANCELLATION: (None, Path.ACKNOWLEDGEMENT_FEED),
        ChangeKind.REFUND: (None, Path.ADJUSTMENT_FEED),
    }
)
_VENDORS: Mapping[VendorKind, Mapping[ChangeKind, Path]] = MappingProxyType(
    {
        VendorKind.RETAIL: {
            ChangeKind.SHIPMENT: Path.RETAIL_SHIPMENT,
            ChangeKind.INVOICE: Path.RETAIL_INVOICE,
            ChangeKind.CANCELLATION: Path.RETAIL_ACKNOWLEDGEMENT,
        },
        VendorKind.DIRECT_FULFILLMENT: {
            ChangeKind.STOCK: Path.DIRECT_STOCK,
            ChangeKind.SHIPMENT: Path.DIRECT_SHIPMENT,
            ChangeKind.INVOICE: Path.DIRECT_INVOICE,
            ChangeKind.CANCELLATION: Path.DIRECT_ACKNOWLEDGEMENT,
        },
    }
)
#: Their documents and addresses name the seller.
_NAMES_THE_SELLER = frozenset(PATHS) - {Path.CONFIRM_SHIPMENT, Path.INVOICE_FEED}


# --- what may go ----------------------------------------------------------------------------


def decide(stand: Stand, pace: Pace, now: datetime) -> Decision:
    """What may go of this account now, and how."""
    whole = _whole(stand)
    shut: dict[ChangeKind, Gate] = {}
    lanes: dict[Lane, dict[ChangeKind, Route]] = {lane: {} for lane in _ORDER}
    for kind in ChangeKind:
        gate = _kind(stand, kind) or whole
        route = None if gate else _route(stand, pace, kind, now)
        if gate is not None or route is None:
            shut[kind] = gate or Gate(Why.UNAVAILABLE)
        else:
            lanes[LANES[kind]][kind] = route
    for routes in lanes.values():
        gates = {kind: _nothing_open(route) for kind, route in routes.items()}
        if all(gates.values()):
            shut |= {kind: gate for kind, gate in gates.items() if gate}
            routes.clear()
    return Decision(
        shut=shut,
        lanes={lane: routes for lane, routes in lanes.items() if routes},
        slots={path: max(most - stand.open.get(path, 0), 0) for path, most in MOST_OPEN.items()},
        seller_id=stand.seller_id,
    )


def _whole(stand: Stand) -> Gate | None:
    """What holds for every kind."""
    if not serves_tokens(stand.state):
        return Gate(STATES[stand.state])
    if stand.paused:
        return Gate(Why.PAUSED, more=stand.paused_because)
    if stand.unsigned:
        return Gate(Why.NOT_SIGNED, more=f"Missing: {', '.join(stand.unsigned)}.")
    return None


def _kind(stand: Stand, kind: ChangeKind) -> Gate | None:
    flag = FLAGS[kind]
    if not flags.available(flag, stand.partner_kind, stand.vendor_kind):
        return Gate(Why.UNAVAILABLE)
    if not stand.flags.get(flag, True):
        return Gate(Why.SWITCHED_OFF)
    return None


def _route(stand: Stand, pace: Pace, kind: ChangeKind, now: datetime) -> Route | None:
    if stand.partner_kind is PartnerKind.VENDOR:
        path = _VENDORS[stand.vendor_kind or VendorKind.RETAIL].get(kind)
        if path is None:
            return None
        return Route(many=path, shut_many=_path(stand, pace, path, now))
    few, many = _SELLERS[kind]
    if few is not None:
        most = PATHS[few].most
        few_most = min(pace.patch_most, most) if few is Path.PATCH else most
        if few_most == 0:
            few = None
    return Route(
        few=few,
        few_most=few_most if few is not None else 0,
        many=many,
        shut_few=None if few is None else _path(stand, pace, few, now),
        shut_many=None if many is None else _path(stand, pace, many, now),
    )


def _path(stand: Stand, pace: Pace, path: Path, now: datetime) -> Gate | None:
    """What keeps a path shut."""
    if path in _NAMES_THE_SELLER and not stand.seller_id:
        return Gate(Why.NO_SELLER_ID)
    denied = stand.denied.get(path)
    if denied is not None and now < denied:
        return Gate(Why.DENIED, denied)
    manner = PATHS[path].manner
    is_open = stand.open.get(path, 0)
    if manner is Manner.TRANSACTION or path is Path.INVOICE_FEED:
        return Gate(Why.LIMIT) if is_open >= MOST_OPEN[path] else None
    if is_open:
        return Gate(Why.RUN_OPEN if manner is Manner.CALLS else Why.FEED_OPEN)
    last_at = stand.last_at.get(path)
    if manner is Manner.CALLS or last_at is None:
        return None
    if stand.hurried_at is not None and stand.hurried_at > last_at:
        return None
    hasty = path in (Path.ACKNOWLEDGEMENT_FEED, Path.ADJUSTMENT_FEED)
    until = last_at + (min(ORDER_FEEDS_EVERY, pace.feed_every) if hasty else pace.feed_every)
    return Gate(Why.FEED_INTERVAL, until) if now < until else None


def _nothing_open(route: Route) -> Gate | None:
    """A kind of which nothing can go, whatever there is of it."""
    if route.few is None:
        return route.shut_many
    if route.shut_few is not None and route.shut_many is not None:
        return min(route.shut_few, route.shut_many, key=lambda gate: gate.until is None)
    return None


# --- what is told ---------------------------------------------------------------------------


def waits_of(waiting: Mapping[tuple[ChangeKind, Gate], int]) -> list[Waiting]:
    """In the order of kinds, the most numerous first."""
    order = list(ChangeKind)
    found = [
        Waiting(kind=kind, why=gate.why, count=count, until=gate.until, more=gate.more)
        for (kind, gate), count in waiting.items()
        if count > 0
    ]
    return sorted(found, key=lambda one: (order.index(one.kind), -one.count, one.why))
