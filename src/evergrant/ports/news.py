"""The news socket: what just changed, told to whoever has a page open.

Answers for: what a piece of news is, which writes make one, how many are folded into few, and the
bounded ears of those who listen. Does not answer for: what a page does about it, or for carrying it
(the store tells it when a transaction is committed, ``News`` hears it).

News says that something changed and where, never what it is now: whoever hears it reads again. It
holds ids and words of ours, no personal data and no secret. It may be lost (a connection broke) and
then ``LOOK_AGAIN`` is told instead, so nothing but freshness may depend on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from evergrant.ports.things import JournalLine, OutboxItem, OutboxState
from evergrant.ports.traded import Change, FeedRun
from evergrant.ports.watched import Notice

__all__ = [
    "LOOK_AGAIN",
    "Gathered",
    "Hearing",
    "Listeners",
    "News",
    "Tidings",
    "Topic",
]


class Topic(StrEnum):
    """What a piece of news is about; the words after it say what ``subject`` is then."""

    JOURNAL = "journal"  # verb of the line
    RUNS = "runs"  # id of the feed run
    NOTICES = "notices"  # kind of the notice
    OUTBOX = "outbox"  # mail or webhook
    CHANGES = "changes"  # nothing: some of this account were taken or settled
    ORDERS = "orders"  # nothing: what is known of this account's orders, or of reading them
    EVERYTHING = "everything"  # nothing: news was lost, or is too much to be told one by one


@dataclass(frozen=True, slots=True)
class Tidings:
    """One piece of news. ``account_id`` None: of no account; and without ``subject`` as well: of
    many, whichever they are."""

    topic: str
    account_id: str | None = None
    subject: str = ""

    @property
    def of_many(self) -> bool:
        """It may be about any account."""
        return self.account_id is None and not self.subject


#: Whoever hears this has to look at everything again.
LOOK_AGAIN = Tidings(Topic.EVERYTHING)

#: So many of one topic are told one by one; of more, only the accounts.
MOST_OF_A_TOPIC = 20
#: And of more accounts than this, that there are many.
MOST_ACCOUNTS = 100


class Gathered:
    """What is to be told, folded: the same twice is one, many of a topic become fewer."""

    def __init__(self) -> None:
        self._by_topic: dict[str, dict[Tidings, None]] = {}

    def line(self, line: JournalLine) -> None:
        self.add(Tidings(Topic.JOURNAL, line.account_id, line.verb))

    def run(self, run: FeedRun) -> None:
        self.add(Tidings(Topic.RUNS, run.account_id, run.id))

    def notice(self, notice: Notice) -> None:
        self.add(Tidings(Topic.NOTICES, notice.account_id, notice.kind.value))

    def item(self, item: OutboxItem) -> None:
        """Only what is settled: that something waits is told by the line beside it."""
        if item.state is not OutboxState.WAITING:
            self.add(Tidings(Topic.OUTBOX, item.account_id, item.kind.value))

    def changes(self, changes: Iterable[Change]) -> None:
        for account_id in {change.account_id for change in changes}:
            self.changes_of(account_id)

    def changes_of(self, account_id: str) -> None:
        self.add(Tidings(Topic.CHANGES, account_id))

    def orders_of(self, account_id: str) -> None:
        """By the order book alone, which knows what is new: most looks find nothing."""
        self.add(Tidings(Topic.ORDERS, account_id))

    def many(self, topic: Topic) -> None:
        """Of which accounts is not known where it is written."""
        self.add(Tidings(topic))

    def add(self, one: Tidings) -> None:
        told = self._by_topic.setdefault(one.topic, {})
        many = Tidings(one.topic)
        if many in told:
            return
        if one == many:
            self._by_topic[one.topic] = {many: None}
            return
        told[one] = None
        if len(told) > MOST_OF_A_TOPIC:
            self._fold(one.topic, told)

    def _fold(self, topic: str, told: dict[Tidings, None]) -> None:
        folded = {Tidings(topic, one.account_id): None for one in told}
        if len(folded) > MOST_ACCOUNTS:
            folded = {Tidings(topic): None}
        self._by_topic[topic] = folded

    def take(self, other: Gathered) -> None:
        for one in other.all():
            self.add(one)

    def all(self) -> tuple[Tidings, ...]:
        return tuple(one for told in self._by_topic.values() for one in told)

    def clear(self) -> None:
        self._by_topic.clear()

    def __bool__(self) -> bool:
        return bool(self._by_topic)


class Hearing(Protocol):
    """One who listens, from the moment that this was made. Close it."""

    def __aiter__(self) -> AsyncIterator[Tidings]: ...

    async def __anext__(self) -> Tidings: ...

    def waiting(self) -> Sequence[Tidings]:
        """What more is there already, taken without waiting."""
        ...

    async def aclose(self) -> None: ...


class News(Protocol):
    """News of every process of the house, of committed transactions only. What several told within
    a moment comes folded together."""

    def listen(self) -> Hearing:
        """Any number of listeners; each has room for so much and hears LOOK_AGAIN when he was too
        slow. Ends when the socket is closed. What cannot be heard for a while is no error:
        LOOK_AGAIN comes when it can be heard again."""
        ...

    @property
    def heard(self) -> bool:
        """Whether news would come at this moment. True as long as nobody listens."""
        ...

    async def close(self) -> None: ...


# --- for every plug of this socket ----------------------------------------------------------------


class _Ear:
    """``Hearing``: what was not taken yet, each once, and bounded."""

    def __init__(self, ears: set[_Ear], room: int) -> None:
        self._ears = ears
        self._room = room
        self._waiting: dict[Tidings, None] = {}
        self._over = False
        self._some = asyncio.Event()
        ears.add(self)

    def tell(self, tidings: Sequence[Tidings]) -> None:
        if LOOK_AGAIN in self._waiting:
            return
        self._waiting.update(dict.fromkeys(tidings))
        if len(self._waiting) > self._room or LOOK_AGAIN in self._waiting:
            self._waiting = {LOOK_AGAIN: None}
        self._some.set()

    def end(self) -> None:
        self._over = True
        self._ears.discard(self)
        self._some.set()

    def __aiter__(self) -> AsyncIterator[Tidings]:
        return self

    async def __anext__(self) -> Tidings:
        while not self._waiting:
            if self._over:
                raise StopAsyncIteration
            self._some.clear()
            await self._some.wait()
        first = next(iter(self._waiting))
        del self._waiting[first]
        return first

    def waiting(self) -> Sequence[Tidings]:
        taken = tuple(self._waiting)
        self._waiting.clear()
        return taken

    async def aclose(self) -> None:
        self._waiting.clear()
        self.end()


class Listeners:
    """All who listen in this process. ``room``: so many different pieces of news wait for one."""

    def __init__(self, room: int = 200) -> None:
        self._room = room
        self._ears: set[_Ear] = set()
        self._over = False

    def add(self) -> Hearing:
        ear = _Ear(self._ears, self._room)
        if self._over:
            ear.end()
        return ear

    def tell(self, tidings: Sequence[Tidings]) -> None:
        for ear in tuple(self._ears):
            ear.tell(tidings)

    def end(self) -> None:
        """For all of them, and for whoever comes later."""
        self._over = True
        for ear in tuple(self._ears):
            ear.end()

    def __len__(self) -> int:
        return len(self._ears)
