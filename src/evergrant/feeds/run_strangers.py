"""Feeds at Amazon that are no run of ours.

Answers for: finding them, for a createFeed whose answer was lost; and before the first feed of a
process that must not be told twice, so that a house that was set back to an older backup notices
what it did since. Does not answer for: what that means for a run (``run_feeds``).

Source: Amazon's feeds 2021-06-30 model, getFeeds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from evergrant.feeds.kinds import ApiCall
from evergrant.feeds.run_ground import Case, Heard, How, RunGround, text_in, told_by
from evergrant.ports.traded import FeedRun
from evergrant.rules import ids
from evergrant.rules.feedruns import NEAR, LostFeed, Path, RunStep, window_of

__all__ = ["STRANGERS", "Strangers"]

_FEEDS = "/feeds/2021-06-30/feeds"
_MOST_PAGES = 20
#: In a run's facts: ids of feeds that a person is asked about.
STRANGERS = "unknown_feeds"
_MOST_NAMED = 100


class Strangers:
    """One per process."""

    def __init__(self, ground: RunGround) -> None:
        self._ground = ground
        self._looked: set[tuple[str, Path]] = set()

    async def of(self, case: Case, earliest: datetime, latest: datetime) -> list[LostFeed] | Heard:
        """Feeds of the run's type of that time that are no other run's."""
        found = await self._listed(case, earliest, latest)
        if isinstance(found, Heard):
            return found
        async with self._ground.store.transaction() as tx:
            family = await self._ground.family(tx, case)
            ours = await tx.feed_runs.all(account_id=family, feed_id=tuple(found) or ("",))
        known = {run.feed_id for run in ours if run.id != case.run.id}
        return [feed for feed in found.values() if feed.feed_id not in known]

    async def before_first(self, case: Case) -> list[str] | Heard:
        """Ids of feeds of the last day that nobody here can explain. Asked once for each account
        and path, as a process begins: a backup is not restored beneath one that runs."""
        way = case.run.account_id, case.run.path
        if way in self._looked:
            return []
        now = self._ground.now()
        found = await self.of(case, now - NEAR, now)
        if isinstance(found, Heard):
            return found
        lately = await self._lately(case, now)
        decided = [run for run in lately if run.ended_at is not None]
        asked_about = {one for run in decided for one in run.facts.get(STRANGERS, ())}
        unknown = [
            feed.feed_id
            for feed in found
            if feed.feed_id not in asked_about and not _is_lost(feed, lately)
        ]
        if not unknown:
            self._looked.add(way)
        return unknown[:_MOST_NAMED]

    async def _lately(self, case: Case, now: datetime) -> list[FeedRun]:
        since = ids.make(ids.Kind.FEED_RUN, now - 2 * NEAR, bytes(10))
        async with self._ground.store.transaction() as tx:
            family = await self._ground.family(tx, case)
            return await tx.feed_runs.all(account_id=family, path=case.run.path, after=since)

    async def _listed(
        self, case: Case, earliest: datetime, latest: datetime
    ) -> dict[str, LostFeed] | Heard:
        query: list[tuple[str, str]] = [
            ("feedTypes", case.path.feed_type),
            ("pageSize", "100"),
            ("createdSince", _stamp(earliest)),
        ]
        if latest < self._ground.now():  # else: until now, by Amazon's clock
            query.append(("createdUntil", _stamp(latest)))
        found: dict[str, LostFeed] = {}
        for _ in range(_MOST_PAGES):
            heard = await self._ground.ask(case, ApiCall(method="GET", path=_FEEDS, query=query))
            if heard.how is not How.ANSWER or heard.body.status != 200:
                return heard
            told = told_by(heard)
            for one in told.get("feeds") or []:
                feed = _lost_feed(one)
                if feed is not None:
                    found[feed.feed_id] = feed
            next_token = text_in(told, "nextToken")
            if not next_token:
                break
            query = [("nextToken", next_token)]
        return found


def _is_lost(feed: LostFeed, runs: Collection[FeedRun]) -> bool:
    """It may be one whose answer was lost: a person knows of that already."""
    for run in runs:
        if run.asked_at is None or run.feed_id or run.step is RunStep.SUBMITTING:
            continue
        earliest, latest = window_of(run.asked_at)
        if earliest <= feed.created_at <= latest:
            return True
    return False


def _lost_feed(one: object) -> LostFeed | None:
    """None: a row that nobody can read is no feed of ours."""
    if not isinstance(one, Mapping):
        return None
    feed_id = text_in(one, "feedId")
    try:
        at = datetime.fromisoformat(text_in(one, "createdTime"))
    except ValueError:
        return None
    if not feed_id:
        return None
    return LostFeed(feed_id, at if at.tzinfo else at.replace(tzinfo=UTC))


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
