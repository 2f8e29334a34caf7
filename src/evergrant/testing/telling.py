"""Shelves in memory that also tell what changed on them.

Answers for: the same news as the real store's (``adapters.store.telling``), at the same commit.
Does not answer for: keeping anything (``testing.shelves``), or for who hears it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.ports import watched as w
from evergrant.ports.news import Gathered, Topic
from evergrant.testing.shelves import MemoryDiary, MemoryOutbox, MemoryShelf
from evergrant.testing.traded import MemoryChanges

if TYPE_CHECKING:
    from evergrant.testing.store import MemoryTransaction

__all__ = ["TellingChanges", "TellingDiary", "TellingNotices", "TellingOutbox", "TellingRuns"]


Thing = TypeVar("Thing")


class _Telling(MemoryShelf[Thing]):
    """Before a shelf in the order of ancestors: what is written there is told by ``tell``."""

    topic: ClassVar[Topic]
    tell: Callable[[Thing], None]
    news: Gathered

    async def add(self, thing: Thing) -> None:
        await super().add(thing)
        self.tell(thing)

    async def put(self, thing: Thing) -> None:
        await super().put(thing)
        self.tell(thing)

    async def change(
        self, id: str, /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> Thing | None:
        changed = await super().change(id, expecting, **values)
        if changed is not None:
            self.tell(changed)
        return changed

    async def change_all(
        self, ids: Collection[str], /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> int:
        number = await super().change_all(ids, expecting, **values)
        if number:
            self.news.many(self.topic)
        return number


class TellingRuns(_Telling[d.FeedRun]):
    topic = Topic.RUNS

    def __init__(self, tx: MemoryTransaction) -> None:
        super().__init__("feed_runs", tx)
        self.news, self.tell = tx.news, tx.news.run


class TellingNotices(_Telling[w.Notice]):
    topic = Topic.NOTICES

    def __init__(self, tx: MemoryTransaction) -> None:
        super().__init__("notices", tx)
        self.news, self.tell = tx.news, tx.news.notice


class TellingOutbox(_Telling[t.OutboxItem], MemoryOutbox):
    topic = Topic.OUTBOX

    def __init__(self, tx: MemoryTransaction) -> None:
        MemoryOutbox.__init__(self, tx)
        self.news, self.tell = tx.news, tx.news.item


class TellingDiary(MemoryDiary):
    def __init__(self, tx: MemoryTransaction) -> None:
        super().__init__(tx)
        self._news = tx.news

    async def append(self, line: t.JournalLine) -> None:
        await super().append(line)
        self._news.line(line)


class TellingChanges(MemoryChanges):
    """What is settled or decided is told by the run, or by the journal's line, beside it."""

    def __init__(self, tx: MemoryTransaction) -> None:
        super().__init__(tx)
        self._news = tx.news

    async def add_all(self, changes: Sequence[d.Change]) -> None:
        await super().add_all(changes)
        self._news.changes(changes)

    async def claim(
        self,
        account_id: str,
        run_id: str,
        picks: Sequence[d.Pick],
        superseded: Mapping[str, str],
        now: datetime,
        *,
        together: Collection[str] = (),
    ) -> list[str]:
        claimed = await super().claim(account_id, run_id, picks, superseded, now, together=together)
        self._news.changes_of(account_id)
        return claimed
