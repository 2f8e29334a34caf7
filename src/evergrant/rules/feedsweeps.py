"""The plan of one lane: a stream of changes becomes drafts of runs.

Answers for: that few go one way and many another, that what cannot go now waits with its last value
alone, and for holding little more than one run while a million changes go past. Does not answer
for: which ways are open (``feedplans``), collapsing and cutting (``feedcuts``), or for claiming.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from evergrant.rules.changes import LANES, ChangeKind, Lane
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
from evergrant.rules.feedplans import MOST_MESSAGES, Decision, Gate, Route
from evergrant.rules.feedruns import Path
from evergrant.rules.listings import DOCUMENT_BYTES
from evergrant.rules.waits import Why
from evergrant.rules.wishes.vendors import goes_alone, submission_of

__all__ = ["MOST_SUPERSEDED", "Sweep"]

#: Superseded changes of a run that is not full yet are noted when there are so many.
MOST_SUPERSEDED = 10_000


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

    @property
    def only_zero(self) -> bool:
        """Of what was not shown yet, only what is about sold-out listings can go: they are many,
        and no feed may."""
        return Path.PATCH in self._many and self._hurries

    @property
    def left(self) -> Mapping[ChangeKind, Gate]:
        """What keeps those from going that may go and were not shown."""
        if self.of_use is not None:
            return dict.fromkeys(self._routes, Gate(Why.LIMIT))
        if not self.only_zero:
            return {}
        return {kind: route.shut_many for kind, route in self._routes.items() if route.shut_many}

    def page(self, usual: int) -> int:
        """So many are of use next; 0: none."""
        if self.of_use is not None:
            return min(usual, self.of_use)
        if self._hurries and not self.only_zero:
            # Enough to tell whether they are many: a listing has a stock and a price.
            return min(usual, 2 * max(route.few_most + 1 for route in self._routes.values()))
        return usual

    @property
    def _hurries(self) -> bool:
        """While no feed may go, what is sold out goes by calls."""
        return all(
            route.few is Path.PATCH and route.shut_many is not None
            for route in self._routes.values()
        )

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
        alone = submission = ""
        if path not in (Path.LISTINGS_FEED, Path.PATCH):  # they are very many, and all alike
            self._keep(group, _goes_along)
            self._shorten(path, group)
            submission = submission_of(group.kept[0].wish)
            alone = group.kept[0].id if any(goes_alone(one.code) for one in group.kept) else ""
        one_marketplace = path in (Path.LISTINGS_FEED, Path.INVOICE_FEED)
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
        if len(group.kept) == 1 or all(goes(first, change) for change in group.kept):
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
