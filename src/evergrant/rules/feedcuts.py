"""Collapse and cut: many changes, read in order, become few messages, and those become runs.

Answers for: the last value of each thing, stock and price of a listing in one message, runs within
Amazon's bounds of count and bytes; all of it on the way past, holding no more than what is not full
yet. Does not answer for: which path is taken (``feedplans``), or for what messages look like.

Changes come in the order of (marketplace, subject, kind, id), and ids tell which came later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from evergrant.rules import listings
from evergrant.rules.changes import STATE_SETTING, ChangeKind
from evergrant.rules.feedruns import PATHS, Manner, Path

__all__ = [
    "COLLAPSING",
    "Bin",
    "Collapsing",
    "Draft",
    "Group",
    "Size",
    "Wished",
    "document_frame",
    "document_size",
    "listing_bytes",
    "messages_of",
    "order_bytes",
]

#: Of these a later wish takes the place of an earlier one that did not go yet. Every cancellation,
#: refund and invoice is a thing of its own.
COLLAPSING = STATE_SETTING | {ChangeKind.SHIPMENT}


class Wished(Protocol):
    """What is looked at, of a change."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> ChangeKind: ...
    @property
    def marketplace_id(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def wish(self) -> Mapping[str, Any]: ...
    @property
    def code(self) -> str: ...


_LISTINGS = frozenset({Path.PATCH, Path.LISTINGS_FEED})

#: Bytes of one message in its document: of this number, of these changes.
Size = Callable[[int, Sequence[Wished]], int]


@dataclass(slots=True)
class Group:
    """All that waits for one subject in one marketplace, collapsed: it goes together. ``kept`` in
    the order in which they came in; ``superseded``: change -> the later one in its place."""

    marketplace_id: str
    subject: str
    kept: list[Wished] = field(default_factory=list)
    superseded: dict[str, str] = field(default_factory=dict)


class Collapsing:
    """Takes changes in order; gives a group when its last change has gone past."""

    def __init__(self) -> None:
        self._group: Group | None = None
        self._last: dict[tuple[ChangeKind, str], Wished] = {}
        self._earlier: dict[tuple[ChangeKind, str], list[str]] = {}

    def take(self, changes: Iterable[Wished]) -> Iterator[Group]:
        for change in changes:
            group = self._group
            if group is None or (group.marketplace_id, group.subject) != (
                change.marketplace_id,
                change.subject,
            ):
                yield from self.end()
                self._group = Group(change.marketplace_id, change.subject)
            self._add(change)

    def end(self) -> Iterator[Group]:
        """The last group, if there is one."""
        group, self._group = self._group, None
        if group is None:
            return
        group.kept = list(self._last.values())
        if len(group.kept) > 1:
            group.kept.sort(key=lambda change: change.id)
        for slot, ids in self._earlier.items():
            kept = self._last[slot].id
            group.superseded.update(dict.fromkeys(ids, kept))
        self._last, self._earlier = {}, {}
        yield group

    def _add(self, change: Wished) -> None:
        of_its_own = change.kind not in COLLAPSING
        slot = (change.kind, change.id if of_its_own else change.key)
        known = self._last.get(slot)
        self._last[slot] = change
        if known is not None:
            self._earlier.setdefault(slot, []).append(known.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One run, as it is to be. ``picks``: change and number of its message; none: nothing is sent,
    only ``superseded`` is to be noted. ``bytes``: of the document, 0 where there is none.
    ``because``: why it takes this path."""

    path: Path | None = None
    marketplace_id: str = ""  # "": of several
    submission: str = ""
    picks: tuple[tuple[str, int], ...] = ()
    superseded: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[ChangeKind, int] = field(default_factory=dict)  # how many of each
    messages: int = 0
    bytes: int = 0
    because: str = ""


class Bin:
    """What one run will hold. ``frame``: bytes around the messages. Messages are numbered from 1;
    where each is a call of its own, urgent ones come first."""

    def __init__(
        self,
        path: Path,
        *,
        submission: str = "",
        size: Size | None = None,
        frame: int = 0,
        most: int,
        most_bytes: int = listings.DOCUMENT_BYTES,
        because: str = "",
    ) -> None:
        self._path = path
        self._submission = submission
        self._marketplace_id: str | None = None
        self._size = size
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = frame
        self._because = because
        self._messages: list[tuple[str, ...]] = []
        self._urgent: list[tuple[str, ...]] = []
        self._superseded: dict[str, str] = {}
        self._kinds: dict[ChangeKind, int] = {}

    @property
    def is_empty(self) -> bool:
        return not (self._messages or self._urgent)

    @property
    def is_full(self) -> bool:
        return self._count() >= self._most

    def takes(self, group: Group, *, urgent: bool = False) -> bool:
        """Puts the group in, if it still goes in as a whole. An empty bin takes any that is within
        the count: what is too large alone is no smaller in the next one."""
        messages = _messages(self._path, group)
        count = self._count()
        if count + len(messages) > self._most:
            return False
        more = 0
        if self._size is not None:
            # One byte behind each message, but for the last one.
            more = sum(
                self._size(count + number, message) + 1
                for number, message in enumerate(messages, 1)
            )
            if self._bytes + more - 1 > self._most_bytes and not self.is_empty:
                return False
        self._bytes += more
        if self._marketplace_id is None:
            self._marketplace_id = group.marketplace_id
        elif self._marketplace_id != group.marketplace_id:
            self._marketplace_id = ""
        line = self._urgent if urgent and self._size is None else self._messages
        line.extend(tuple(change.id for change in message) for message in messages)
        self._superseded.update(group.superseded)
        for change in group.kept:
            self._kinds[change.kind] = self._kinds.get(change.kind, 0) + 1
        return True

    def collapsed(self, at_least: int) -> Draft | None:
        """What was superseded so far, once there is that much of it: it need not wait for the run.
        What took its place is still there, whatever happens to the run."""
        if not self._superseded or len(self._superseded) < at_least:
            return None
        superseded, self._superseded = self._superseded, {}
        return Draft(superseded=superseded)

    def close(self) -> Draft:
        ordered = [*self._urgent, *self._messages]
        return Draft(
            path=self._path,
            marketplace_id=self._marketplace_id or "",
            submission=self._submission,
            picks=tuple((one, number) for number, ids in enumerate(ordered, 1) for one in ids),
            superseded=self._superseded,
            kinds=self._kinds,
            messages=len(ordered),
            # No byte behind the last message.
            bytes=self._bytes - 1 if self._size is not None else 0,
            because=self._because,
        )

    def _count(self) -> int:
        return len(self._messages) + len(self._urgent)


def _messages(path: Path, group: Group) -> list[Sequence[Wished]]:
    """Stock and price of one listing are one message; of everything else, each change is."""
    if path in _LISTINGS:
        return [group.kept]
    return [(change,) for change in group.kept]


def messages_of(path: Path, group: Group) -> int:
    """How many of a run's messages a group is."""
    return 1 if path in _LISTINGS else len(group.kept)


# --- sizes ----------------------------------------------------------------------------------


def listing_bytes(message_id: int, changes: Sequence[Wished]) -> int:
    """Exactly as many as are written."""
    by_kind = {change.kind: change.wish for change in changes}
    first = changes[0]
    return len(
        listings.message(
            message_id,
            first.subject,
            marketplace_id=first.marketplace_id,
            **listings.wished(by_kind.get(ChangeKind.STOCK), by_kind.get(ChangeKind.PRICE)),
        )
    )


#: Elements of an order's message that stand there whatever the wish holds.
_ORDER_FRAME = 700
#: What an item of a refund has besides: six amounts, each with its type and currency.
_REFUNDED_ITEM = 300
#: Of the envelope around them.
_ENVELOPE = 1_000


def order_bytes(message_id: int, changes: Sequence[Wished]) -> int:
    """No fewer than an XML message has: each name stands there twice and may be longer than ours,
    and each mark that XML escapes becomes five."""
    text = json.dumps([(change.subject, change.wish) for change in changes], ensure_ascii=False)
    escapes = sum(text.count(mark) for mark in "&<>'")
    refunded = sum(
        len(change.wish.get("items", ())) for change in changes if change.kind is ChangeKind.REFUND
    )
    return _ORDER_FRAME + 3 * len(text.encode()) + 5 * escapes + _REFUNDED_ITEM * refunded


def document_size(path: Path) -> Size | None:
    """How messages of this path are counted; None: there is no document of many."""
    if path is Path.LISTINGS_FEED:
        return listing_bytes
    if PATHS[path].manner is Manner.FEED and path is not Path.INVOICE_FEED:
        return order_bytes
    return None


def document_frame(path: Path, seller_id: str) -> int:
    """Bytes of what stands around the messages."""
    if path is Path.LISTINGS_FEED:
        return len(listings.head(seller_id)) + len(listings.TAIL)
    return _ENVELOPE
