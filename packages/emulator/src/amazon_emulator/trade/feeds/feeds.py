"""Feeds: the queues that they wait in, their statuses over time, and how they end.

Answers for: one feed of a kind after another for each partner and region, the kinds side by side
(Amazon's page 'feeds-api-faq'); IN_QUEUE, IN_PROGRESS and an end by the emulator's clock; what
tests hold back, hurry or decide. What a feed does is known to the processors of `types`; how
its result is written down is in `results`, what a world file holds of one in `feed`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.documents.documents import Documents
from amazon_emulator.trade.feeds import results as feed_results
from amazon_emulator.trade.feeds.choices import Choice, FeedHabits, Hold, Where
from amazon_emulator.trade.feeds.feed import FIRST_ID, Feed, Line
from amazon_emulator.trade.feeds.processing import Outcome
from amazon_emulator.trade.pace import Paces
from amazon_emulator.trade.processings import ENDS, KEPT, Status, highest, take
from amazon_emulator.trade.records import Record, records

__all__ = ["Feeds"]

log = logging.getLogger("amazon_emulator")

Step = Callable[[Stage, Feed, datetime], None]


@dataclass
class Feeds:
    """All feeds and their queues."""

    paces: Paces = field(default_factory=lambda: Paces(queue_s=2.0, processing_s=5.0))
    habits: FeedHabits = field(default_factory=FeedHabits)
    holds: list[Hold] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    _by_id: dict[str, Feed] = field(default_factory=dict)
    _waiting: dict[Line, deque[Feed]] = field(default_factory=dict)
    _busy: dict[Line, Feed] = field(default_factory=dict)
    _number: int = 0

    # --- what the API does ------------------------------------------------------------------------

    def submit(
        self,
        stage: Stage,
        *,
        partner_id: str,
        application_id: str,
        region: Region,
        feed_type: str,
        marketplace_ids: tuple[str, ...],
        options: dict[str, str],
        input_document_id: str,
        now: datetime,
    ) -> Feed:
        """A new feed at the end of its queue. The document must have been checked and hold
        something; what is uploaded to it later does not change the feed."""
        document = stage.of(Documents).get(input_document_id)
        if document is None or document.content is None:
            raise ValueError(f"nothing was uploaded to {input_document_id}")
        self._let_go(now)
        self._number += 1
        feed_id = str(FIRST_ID + self._number)
        feed = Feed(
            feed_id=feed_id,
            partner_id=partner_id,
            application_id=application_id,
            region=region,
            feed_type=feed_type,
            marketplace_ids=marketplace_ids,
            options=dict(options),
            input_document_id=input_document_id,
            content=document.content,
            content_type=document.content_type,
            created_at=now,
            report_feed_id=self.habits.report_feed_id(stage, feed_id),
        )
        feed.choice = take(self.choices, feed_type, partner_id)
        self._by_id[feed_id] = feed
        self._waiting.setdefault(feed.line, deque()).append(feed)
        self._call_next(stage, feed.line, now)
        return feed

    def was_used(self, document_id: str, partner_id: str) -> bool:
        """Whether a feed was created from this document."""
        return any(
            feed.input_document_id == document_id and feed.partner_id == partner_id
            for feed in self._by_id.values()
        )

    def of(self, feed_id: str, partner_id: str, region: Region, now: datetime) -> Feed | None:
        """One that this partner can see in this region, and that is not older than 90 days."""
        feed = self._by_id.get(feed_id)
        if feed is None or (feed.partner_id, feed.region) != (partner_id, region):
            return None
        return feed if now < feed.created_at + KEPT else None

    def all(self) -> Iterator[Feed]:
        """Every feed, in order of arrival."""
        return iter(self._by_id.values())

    def get(self, feed_id: str) -> Feed | None:
        return self._by_id.get(feed_id)

    def cancel(self, stage: Stage, feed: Feed, now: datetime) -> bool:
        """Whether it could be cancelled: only what waits can."""
        if feed.status != "IN_QUEUE":
            return False
        self._leave(stage, feed, now)
        self._end(stage, feed, "CANCELLED", None, now)
        return True

    # --- what levers do ---------------------------------------------------------------------------

    def hold(self, stage: Stage, feed: Feed, now: datetime) -> None:
        """Keeps a feed where it is, until released: in the queue if it waits, else in progress."""
        feed.held = True
        self._strike(stage, feed)

    def release(self, stage: Stage, feed: Feed, now: datetime) -> None:
        """It goes on; in progress for as long as it would have been, and not into the past."""
        feed.held = False
        self._plan(stage, feed, now, released=True)

    def finish(self, stage: Stage, feed: Feed, choice: Choice | None, now: datetime) -> None:
        """Ends a feed now, out of turn if it waits."""
        if choice is not None:
            feed.choice = choice
        feed.held = False
        if feed.status == "IN_QUEUE":
            self._leave(stage, feed, now)
            if choice is None or choice.status != "CANCELLED":
                feed.started_at = now
        self._strike(stage, feed)
        self._process(stage, feed, now)

    def replan(self, stage: Stage, now: datetime) -> None:
        """A new pace holds for what is under way too, but nothing happens in the past."""
        for line in {*self._waiting, *self._busy}:
            busy = self._busy.get(line)
            for feed in [busy] if busy else list(self._waiting.get(line, ()))[:1]:
                self._plan(stage, feed, now)

    # --- the queues -------------------------------------------------------------------------------

    def waiting(self, line: Line) -> list[Feed]:
        """In order of arrival."""
        return list(self._waiting.get(line, ()))

    def in_progress(self, line: Line) -> Feed | None:
        return self._busy.get(line)

    def _call_next(self, stage: Stage, line: Line, now: datetime) -> None:
        waiting = self._waiting.get(line)
        if waiting:
            self._plan(stage, waiting[0], now)

    def _plan(self, stage: Stage, feed: Feed, now: datetime, *, released: bool = False) -> None:
        """Writes down when the feed's next step is; not before ``now``. ``released``: out of the
        queue, whatever holds it there."""
        self._strike(stage, feed)
        if feed.held or feed.status not in ("IN_QUEUE", "IN_PROGRESS"):
            return
        pace = self.paces.of(feed.feed_type)
        if feed.status == "IN_PROGRESS":
            assert feed.started_at is not None
            due_at = feed.started_at + timedelta(seconds=pace.processing_s)
            self._at(stage, feed, max(due_at, now), self._process)
            return
        waiting = self._waiting[feed.line]
        if waiting[0] is not feed or feed.line in self._busy:
            return  # its turn has not come
        if not released and self._is_held(feed, "in_queue"):
            feed.held = True
            return
        due_at = feed.created_at + timedelta(seconds=pace.queue_s)
        self._at(stage, feed, max(due_at, now), self._begin)

    def _at(self, stage: Stage, feed: Feed, due_at: datetime, act: Step) -> None:
        def step(instant: datetime) -> None:
            # The feeds of a world that was read anew are others; these have no next step.
            if stage.of(Feeds) is self:
                act(stage, feed, instant)

        feed.entry = stage.agenda.at(due_at, step)

    def _begin(self, stage: Stage, feed: Feed, now: datetime) -> None:
        self._waiting[feed.line].popleft()
        if feed.choice is not None and feed.choice.status == "CANCELLED":
            # Amazon's model: it was cancelled before it started processing.
            self._process(stage, feed, now)
            return
        self._busy[feed.line] = feed
        feed.status = "IN_PROGRESS"
        feed.started_at = now
        feed.held = self._is_held(feed, "in_progress")
        self._plan(stage, feed, now)

    def _process(self, stage: Stage, feed: Feed, now: datetime) -> None:
        """Ends the feed, whatever happens: one that stayed would block its kind for ever."""
        try:
            outcome = feed_results.outcome(stage, feed, now)
        except Exception:
            log.exception("the emulator failed at feed %s; this is a bug", feed.feed_id)
            outcome = Outcome("FATAL")
        document_id = feed_results.write_down(stage, feed, outcome, self.habits, now)
        self._end(stage, feed, outcome.status, document_id, now)

    def _end(
        self,
        stage: Stage,
        feed: Feed,
        status: Status,
        document_id: str | None,
        now: datetime,
    ) -> None:
        feed.status = status
        feed.ended_at = now
        feed.result_document_id = document_id
        feed.entry = None
        feed.content = b""
        if self._busy.get(feed.line) is feed:
            del self._busy[feed.line]
        self._call_next(stage, feed.line, now)
        feed_results.tell(stage, feed, now)

    def _leave(self, stage: Stage, feed: Feed, now: datetime) -> None:
        self._strike(stage, feed)
        self._waiting[feed.line].remove(feed)
        self._call_next(stage, feed.line, now)

    def _strike(self, stage: Stage, feed: Feed) -> None:
        if feed.entry is not None:
            stage.agenda.strike(feed.entry)
            feed.entry = None

    def _is_held(self, feed: Feed, where: Where) -> bool:
        return any(
            hold.where == where and hold.meets(feed.feed_type, feed.partner_id)
            for hold in self.holds
        )

    def _let_go(self, now: datetime) -> None:
        while self._by_id:
            oldest = next(iter(self._by_id.values()))
            if now < oldest.created_at + KEPT or oldest.status not in ENDS:
                return
            del self._by_id[oldest.feed_id]

    # --- the world file ---------------------------------------------------------------------------

    def as_json(self) -> Any:
        return {
            "pace": self.paces.as_json(),
            "habits": self.habits.as_json(),
            "holds": [hold.as_json() for hold in self.holds],
            "choices": [choice.as_json() for choice in self.choices],
            "number": self._number,
            "feeds": [feed.as_json() for feed in self._by_id.values()],
        }

    def load(self, stage: Stage, given: Any) -> None:
        """Takes feeds as they were, in order of arrival, and lets them go on. To be called on a
        world without feeds, once its partners and applications stand.

        Raises ValueError that names the place."""
        record = Record.of(given, "feeds")
        paces = Paces(self.paces.queue_s, self.paces.processing_s)
        paces.load(Record.of(record.raw("pace", {}), "feeds.pace"))
        habits = FeedHabits.from_json(Record.of(record.raw("habits", {}), "feeds.habits"))
        holds = [Hold.from_json(row) for row in records(record.raw("holds", []), "feeds.holds")]
        choices = [
            Choice.from_json(row) for row in records(record.raw("choices", []), "feeds.choices")
        ]
        choices = [choice for choice in choices if choice.times != 0]
        number = record.number("number", 0, lowest=0)
        by_id: dict[str, Feed] = {}
        for row in records(record.raw("feeds", []), "feeds.feeds"):
            feed = Feed.from_json(row)
            if feed.feed_id in by_id:
                raise ValueError(f"{row.place}: {feed.feed_id} stands there twice")
            if feed.partner_id not in stage.world.partners:
                raise ValueError(f"{row.place}: there is no partner {feed.partner_id}")
            if feed.application_id not in stage.world.applications:
                raise ValueError(f"{row.place}: there is no application {feed.application_id}")
            by_id[feed.feed_id] = feed
        record.done()
        busy = [feed.line for feed in by_id.values() if feed.status == "IN_PROGRESS"]
        if len(set(busy)) < len(busy):
            raise ValueError("feeds.feeds: two feeds of one kind are in progress")
        self.paces, self.habits, self.holds, self.choices = paces, habits, holds, choices
        self._by_id, self._number = by_id, highest(number, by_id, FIRST_ID)
        for feed in by_id.values():
            if feed.status == "IN_PROGRESS":
                self._busy[feed.line] = feed
            elif feed.status == "IN_QUEUE":
                self._waiting.setdefault(feed.line, deque()).append(feed)
        self.replan(stage, stage.clock.now())
