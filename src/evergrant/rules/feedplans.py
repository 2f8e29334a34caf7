"""The plan of one account: which kinds may go now, on which path, and why the rest waits.

Answers for: what keeps an account or a kind from going, the path by what waits and by what is under
way, and turning a stream of changes into drafts of runs while holding little more than one of them.
Does not answer for: collapsing and cutting (``feedcuts``), or for claiming changes.

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

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from evergrant.rules import flags
from evergrant.rules.changes import FLAGS, LANES, ChangeKind, Lane
from evergrant.rules.feedcuts import (
    Bin,
    Collapsing,
    Draft,
    Group,
    Wished,
    document_frame,
    document_size,
    messages_of,
)
from evergrant.rules.feedruns import PATHS, Manner, Path
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State, serves_tokens
from evergrant.rules.listings import DOCUMENT_BYTES
from evergrant.rules.marketplaces import PartnerKind, VendorKind
from evergrant.rules.waits import STATES, Waiting, Why
from evergrant.rules.wishes.vendors import goes_alone, submission_of

__all__ = [
    "MOST_MESSAGES",
    "MOST_OPEN",
    "ORDER_FEEDS_EVERY",
    "Decision",
    "Gate",
    "Pace",
    "Route",
    "Stand",
    "Sweep",
    "decide",
    "waits_of",
]

#: Between two feeds of cancellations, or of refunds.
ORDER_FEEDS_EVERY = timedelta(minutes=2)
#: Superseded changes of a run that is not full yet are noted when there are so many.
MOST_SUPERSEDED = 10_000

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


# --- the stream -----------------------------------------------------------------------------


class Sweep:
    """All changes of one lane that may go, in order, become drafts.

    While it is open whether they are few or many, groups are held back: as many as count as few.
    From then on nothing is held but runs that are not full. ``waiting``: how many of each kind do
    not go, by the gate that keeps them; changes that were never shown are not among them.
    """

    def __init__(
        self,
        decision: Decision,
        lane: Lane,
        *,
        most: Mapping[Path, int] = MOST_MESSAGES,
        most_bytes: int = DOCUMENT_BYTES,
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._routes = decision.lanes[lane]
        self._slots = dict(decision.slots)
        self._seller_id = decision.seller_id
        self._collapsing = Collapsing()
        self._held: dict[Path, list[Group]] = {}
        self._weights: Counter[Path] = Counter()
        self._many: set[Path] = set()
        self._bins: dict[tuple[Path, str, str], Bin] = {}
        self._superseded: dict[str, str] = {}  # of groups that wait
        self.seen: Counter[ChangeKind] = Counter()
        self.waiting: Counter[tuple[ChangeKind, Gate]] = Counter()

    @property
    def kinds(self) -> frozenset[ChangeKind]:
        return frozenset(self._routes)

    @property
    def of_use(self) -> int | None:
        """So many changes can go, and no more need be shown. None: very many."""
        paths = {
            path for route in self._routes.values() for path in (route.few, route.many) if path
        }
        if any(self._most[path] > 1 for path in paths):
            return None
        return sum(self._slots[path] for path in paths)

    def take(self, changes: Sequence[Wished]) -> Iterator[Draft]:
        """The next ones; gives runs that are full."""
        self.seen.update(change.kind for change in changes)
        for group in self._collapsing.take(changes):
            yield from self._put(group)

    def end(self) -> Iterator[Draft]:
        """There are no more; gives all runs that are left."""
        for group in self._collapsing.end():
            yield from self._put(group)
        for few, groups in self._held.items():
            for group in groups:
                yield from self._few(few, group)
        self._held = {}
        yield from self._close(lambda _: True)
        yield from self._note(at_least=1)

    # --- where a group goes ---

    def _put(self, group: Group) -> Iterator[Draft]:
        self._keep(group, lambda first, change: change.kind is first.kind or _lists(change))
        route = self._route(group)
        few = route.few
        if few is None:
            yield from self._into(route.many, route.shut_many, group, "They go in one way only.")
            return
        if few in self._many:
            yield from self._one_of_many(route, group)
            return
        self._held.setdefault(few, []).append(group)
        self._weights[few] += messages_of(few, group)
        if self._weights[few] > route.few_most:
            self._many.add(few)
            for held in self._held.pop(few):
                yield from self._one_of_many(self._route(held), held)

    def _route(self, group: Group) -> Route:
        return self._routes[group.kept[0].kind]

    def _few(self, few: Path, group: Group) -> Iterator[Draft]:
        route = self._route(group)
        because = f"{self._weights[few]:,} in all: up to {route.few_most:,} go by single calls."
        yield from self._into(few, route.shut_few, group, because)

    def _one_of_many(self, route: Route, group: Group) -> Iterator[Draft]:
        if route.shut_many is None:
            because = f"More than {route.few_most:,} go by feed."
            yield from self._into(route.many, None, group, because)
        elif route.few is Path.PATCH and not _is_zero(group):
            yield from self._wait(group, route.shut_many)
        else:
            because = "They go by single calls, as no feed may go now and they must not be late."
            yield from self._into(
                route.few, route.shut_few, group, because, otherwise=route.shut_many
            )

    # --- runs that are not full ---

    def _into(
        self,
        path: Path | None,
        gate: Gate | None,
        group: Group,
        because: str,
        *,
        otherwise: Gate | None = None,
    ) -> Iterator[Draft]:
        """``otherwise``: what it waits for when no further run of this path may be made."""
        assert path is not None
        if gate is not None:
            yield from self._wait(group, gate)
            return
        self._keep(group, _goes_along)
        self._shorten(path, group)
        one_marketplace = path in (Path.LISTINGS_FEED, Path.INVOICE_FEED)
        submission = submission_of(group.kept[0].wish)
        alone = group.kept[0].id if any(goes_alone(one.code) for one in group.kept) else ""
        key = (path, group.marketplace_id if one_marketplace else alone, submission)
        if path is Path.LISTINGS_FEED and key not in self._bins:
            # Marketplaces come one after another: that of before is through.
            yield from self._close(lambda other: other[0] is path)
        urgent = _is_zero(group)
        found = self._bins.get(key)
        if found is not None and not found.takes(group, urgent=urgent):
            yield self._bins.pop(key).close()
            found = None
        if found is None:
            if not self._slots[path]:
                yield from self._wait(group, otherwise or Gate(Why.LIMIT))
                return
            self._slots[path] -= 1
            found = self._bins[key] = self._bin(path, submission, because)
            if not found.takes(group, urgent=urgent):
                raise AssertionError("an empty run takes any group")
        if found.is_full or alone:
            yield self._bins.pop(key).close()
        elif (noted := found.collapsed(MOST_SUPERSEDED)) is not None:
            yield noted

    def _bin(self, path: Path, submission: str, because: str) -> Bin:
        return Bin(
            path,
            submission=submission,
            size=document_size(path),
            frame=document_frame(path, self._seller_id),
            most=self._most[path],
            most_bytes=self._most_bytes,
            because=because,
        )

    def _close(self, which: Callable[[tuple[Path, str, str]], bool]) -> Iterator[Draft]:
        for key in [key for key in self._bins if which(key)]:
            yield self._bins.pop(key).close()

    # --- what waits ---

    def _keep(self, group: Group, goes: Callable[[Wished, Wished], bool]) -> None:
        """Of one subject only that goes which goes along with its first change."""
        first = group.kept[0]
        if all(goes(first, change) for change in group.kept):
            return
        for change in group.kept:
            if not goes(first, change):
                self.waiting[change.kind, Gate(Why.IN_FLIGHT)] += 1
        group.kept = [change for change in group.kept if goes(first, change)]

    def _shorten(self, path: Path, group: Group) -> None:
        most = self._most[path]
        if messages_of(path, group) > most:
            for change in group.kept[most:]:
                self.waiting[change.kind, Gate(Why.IN_FLIGHT)] += 1
            del group.kept[most:]

    def _wait(self, group: Group, gate: Gate) -> Iterator[Draft]:
        for change in group.kept:
            self.waiting[change.kind, gate] += 1
        # It waits with its last value alone: the next look has less to read.
        self._superseded.update(group.superseded)
        yield from self._note(at_least=MOST_SUPERSEDED)

    def _note(self, *, at_least: int) -> Iterator[Draft]:
        if self._superseded and len(self._superseded) >= at_least:
            superseded, self._superseded = self._superseded, {}
            yield Draft(superseded=superseded)


def _goes_along(first: Wished, change: Wished) -> bool:
    """Whether it may be in one run with the other, about the same subject."""
    if submission_of(change.wish) != submission_of(first.wish):
        return False
    return change is first or not (goes_alone(change.code) or goes_alone(first.code))


def _lists(change: Wished) -> bool:
    return LANES[change.kind] is Lane.LISTING


def _is_zero(group: Group) -> bool:
    """What is sold out must not be sold any more: that is in more of a hurry than all the rest."""
    return any(
        change.kind is ChangeKind.STOCK and change.wish.get("quantity") == 0
        for change in group.kept
    )


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
