"""Shelves that also tell what changed on them.

Answers for: which writes are news. Does not answer for: keeping anything (``shelves``,
``changes``), or for telling it to anybody (``crier``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evergrant.adapters.store.changes import PostgresChanges
from evergrant.adapters.store.shelves import PostgresDiary, PostgresOutbox, PostgresShelf
from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.ports import watched as w
from evergrant.ports.news import Topic

if TYPE_CHECKING:
    from evergrant.adapters.store.transactions import PostgresTransaction

__all__ = ["TellingChanges", "TellingDiary", "TellingNotices", "TellingOutbox", "TellingRuns"]


class TellingRuns(PostgresShelf[d.FeedRun]):
    def __init__(self, tx: PostgresTransaction) -> None:
        super().__init__("feed_runs", tx)
        self._news = tx.news

    async def add(self, thing: d.FeedRun) -> None:
        await super().add(thing)
        self._news.run(thing)

    async def put(self, thing: d.FeedRun) -> None:
        await super().put(thing)
        self._news.run(thing)

    async def change(
        self, id: str, /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> d.FeedRun | None:
        changed = await super().change(id, expecting, **values)
        if changed is not None:
            self._news.run(changed)
        return changed

    async def change_all(
        self, ids: Collection[str], /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> int:
        number = await super().change_all(ids, expecting, **values)
        if number:
            self._news.many(Topic.RUNS)
        return number


class TellingNotices(PostgresShelf[w.Notice]):
    def __init__(self, tx: PostgresTransaction) -> None:
        super().__init__("notices", tx)
        self._news = tx.news

    async def add(self, thing: w.Notice) -> None:
        await super().add(thing)
        self._news.notice(thing)

    async def put(self, thing: w.Notice) -> None:
        await super().put(thing)
        self._news.notice(thing)

    async def change(
        self, id: str, /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> w.Notice | None:
        changed = await super().change(id, expecting, **values)
        if changed is not None:
            self._news.notice(changed)
        return changed

    async def change_all(
        self, ids: Collection[str], /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> int:
        number = await super().change_all(ids, expecting, **values)
        if number:
            self._news.many(Topic.NOTICES)
        return number


class TellingOutbox(PostgresOutbox):
    def __init__(self, tx: PostgresTransaction) -> None:
        super().__init__(tx)
        self._news = tx.news

    async def put(self, thing: t.OutboxItem) -> None:
        await super().put(thing)
        self._news.item(thing)

    async def change(
        self, id: str, /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> t.OutboxItem | None:
        changed = await super().change(id, expecting, **values)
        if changed is not None:
            self._news.item(changed)
        return changed

    async def change_all(
        self, ids: Collection[str], /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> int:
        number = await super().change_all(ids, expecting, **values)
        if number:
            self._news.many(Topic.OUTBOX)
        return number


class TellingDiary(PostgresDiary):
    def __init__(self, tx: PostgresTransaction) -> None:
        super().__init__(tx)
        self._news = tx.news

    async def append(self, line: t.JournalLine) -> None:
        await super().append(line)
        self._news.line(line)


class TellingChanges(PostgresChanges):
    """What is settled or decided is told by the run, or by the journal's line, beside it."""

    def __init__(self, tx: PostgresTransaction) -> None:
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
