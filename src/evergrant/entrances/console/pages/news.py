"""The stream of news to pages that are open (server-sent events), so that they look again by
themselves.

Answers for: whom news concerns, at most one message a second to each page and so many to all pages
together, how many streams there may be, and their end with the session, the server or the browser.
Does not answer for: what is news (``ports.news``), or for what a page does then
(``static/js/live.js``).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from evergrant.entrances.console.doors import Door
from evergrant.errors import StoreUnavailable
from evergrant.ports.news import Hearing, Tidings, Topic
from evergrant.rules.rights import Caller
from evergrant.sessions import Step

if TYPE_CHECKING:
    from evergrant.entrances.console.asking import Asked

__all__ = ["DOORS", "Concern", "Places"]

#: To one page at most one message in so many seconds.
EVERY_S = 1.0
#: To all pages of this process together so many in a second, one after the other: each of them is
#: read again then, which takes some 25 ms of CPU, and clicks want to be answered in between.
MOST_TOLD_PER_S = 10.0
#: So often somebody looks whether the session still lives.
SESSION_EVERY_S = 30.0
#: Proxies end a connection on which nothing is said.
PING_EVERY_S = 20
#: A browser that takes nothing for so long is gone.
SEND_WITHIN_S = 30.0
#: A browser that lost the stream comes back after so long, or later where many do.
RETRY_MS = 3_000
MOST_STREAMS = 200
MOST_PER_SESSION = 10
COME_BACK_S = 30
#: A page names what it shows in few words.
_MOST_WORDS = 20
#: Lines of the journal after which a session may be over.
_OF_SESSIONS = "operator."


@dataclass(frozen=True, slots=True)
class Concern:
    """What a page wants to hear: ``*``, ``account:acc_1``, ``topic:runs``, with blanks between."""

    everything: bool = False
    account_ids: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str) -> Concern:
        """Words that nobody knows are left out."""
        words = text.split()[:_MOST_WORDS]
        named = [word.partition(":")[::2] for word in words]
        return cls(
            everything="*" in words,
            account_ids=frozenset(name for kind, name in named if kind == "account" and name),
            topics=frozenset(name for kind, name in named if kind == "topic" and name),
        )

    def hears(self, one: Tidings) -> bool:
        if self.everything or one.topic == Topic.EVERYTHING or one.topic in self.topics:
            return True
        if one.account_id is None:
            return bool(self.account_ids) and one.of_many
        return one.account_id in self.account_ids


def is_within_reach(one: Tidings, caller: Caller) -> bool:
    """Whoever does not reach everything hears of the accounts that he is bound to, and that
    something was lost or is of many, which names nobody."""
    if caller.reaches(None) or one.topic == Topic.EVERYTHING or one.of_many:
        return True
    # News does not say whose instance an account belongs to.
    return caller.account_ids is not None and one.account_id in caller.account_ids


class Places:
    """How many streams there are in this process, of all sessions and of each."""

    def __init__(self, most: int, most_per_session: int) -> None:
        self._most = most
        self._most_per_session = most_per_session
        self._taken: Counter[str] = Counter()

    def take(self, session_id: str) -> bool:
        if self._taken.total() >= self._most or self._taken[session_id] >= self._most_per_session:
            return False
        self._taken[session_id] += 1
        return True

    def leave(self, session_id: str) -> None:
        self._taken[session_id] -= 1
        if not self._taken[session_id]:
            del self._taken[session_id]

    @property
    def taken(self) -> int:
        return self._taken.total()


PLACES = Places(MOST_STREAMS, MOST_PER_SESSION)


class Turns:
    """Whoever has something to tell is told when: one after the other, so that news for very many
    pages does not make all of them read at the same moment. Alone, at once."""

    def __init__(self) -> None:
        self._free_at = float("-inf")

    def take(self, at: float) -> float:
        """The first free turn at that instant of the event loop or later."""
        turn = max(at, self._free_at)
        self._free_at = turn + 1 / MOST_TOLD_PER_S
        return turn


#: By the event loop: its clock is its own.
_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


async def listen(asked: Asked) -> Response:
    session_id = asked.session.id
    if not PLACES.take(session_id):
        return PlainTextResponse(
            "Too many pages listen already.", 503, headers={"retry-after": str(COME_BACK_S)}
        )
    hearing = asked.desk.news.listen()
    messages = _Messages(asked, hearing, Concern.read(asked.query.get("for", "*")))
    return _Stream(messages, hearing, session_id)


class _Stream(EventSourceResponse):
    """Gives the place back however it ends, also when it never began."""

    def __init__(self, messages: _Messages, hearing: Hearing, session_id: str) -> None:
        super().__init__(
            messages.all(),
            ping=PING_EVERY_S,
            ping_message_factory=lambda: ServerSentEvent(comment="here"),
            send_timeout=SEND_WITHIN_S,
            sep="\n",
        )
        self._hearing = hearing
        self._session_id = session_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            return  # nobody takes it any more
        finally:
            await self._hearing.aclose()
            PLACES.leave(self._session_id)


class _Messages:
    """What one page is told, until its session, its browser or the news come to an end."""

    def __init__(self, asked: Asked, hearing: Hearing, concern: Concern) -> None:
        self._asked = asked
        self._hearing = hearing
        self._concern = concern
        self._loop = asyncio.get_running_loop()
        self._turns = _TURNS.setdefault(self._loop, Turns())
        self._session_due = self._loop.time() + SESSION_EVERY_S

    async def all(self) -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent(comment="listening", retry=_come_back_ms())
        topics: set[str] = set()
        next_at = self._loop.time()
        has_turn = False
        while True:
            if topics and not has_turn and self._loop.time() >= next_at:
                next_at, has_turn = self._turns.take(self._loop.time()), True
            until = min(next_at, self._session_due) if topics else self._session_due
            try:
                async with asyncio.timeout_at(until):
                    one = await anext(self._hearing)
            except TimeoutError:
                pass
            except StopAsyncIteration:
                return
            else:
                topics |= self._heard((one, *self._hearing.waiting()))
            if self._loop.time() >= self._session_due and not await self._goes_on():
                return
            if has_turn and self._loop.time() >= next_at:
                yield ServerSentEvent(json.dumps(sorted(topics)), event="news")
                topics.clear()
                next_at, has_turn = self._loop.time() + EVERY_S, False

    def _heard(self, tidings: Iterable[Tidings]) -> set[str]:
        """Topics of what concerns this page."""
        topics: set[str] = set()
        for one in tidings:
            if self._may_end_session(one):
                self._session_due = self._loop.time()
            if self._concern.hears(one) and is_within_reach(one, self._asked.caller):
                topics.add(one.topic)
        return topics

    def _may_end_session(self, one: Tidings) -> bool:
        return one.topic == Topic.JOURNAL and one.subject.startswith(_OF_SESSIONS)

    async def _goes_on(self) -> bool:
        """A page whose news would not come is to say so: it does when its stream ends."""
        self._session_due = self._loop.time() + SESSION_EVERY_S
        if not self._asked.desk.news.heard:
            return False
        try:
            present = await self._asked.desk.sessions.recognise(self._asked.secret, quietly=True)
        except StoreUnavailable:
            return True  # it is looked at again; meanwhile there is no news either
        return present is not None and present.step is Step.NOTHING


def _come_back_ms() -> int:
    """After a restart all come back, and each reads its page then: not all at the same moment."""
    spread_s = max(PLACES.taken - 1, 0) / MOST_TOLD_PER_S
    return RETRY_MS + int(random.uniform(0, spread_s) * 1000)  # noqa: S311 - no secret


DOORS = (Door("GET", "/console/news", listen),)
