"""Refunds that may have been paid already.

Answers for: before a feed of refunds whose answer was lost is sent again, looking at Amazon's
finances for a refund of each of its orders since then; one that is found is never sent again. Does
not answer for: finding the feed itself (``run_feeds``).

Money leaves for good and nothing about a refund is idempotent. Source: Amazon's finances v0 model,
listFinancialEventsByOrderId: events of refunds with the date on which they were posted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from evergrant import logs
from evergrant.feeds.kinds import ApiCall
from evergrant.feeds.kinds.answers import json_of
from evergrant.feeds.run_ground import Case, Heard, How, RunGround, sent_of
from evergrant.feeds.run_records import Records, outcome_of
from evergrant.ports.traded import Change
from evergrant.rules.feedruns import window_of
from evergrant.rules.settling import uncertain

__all__ = ["Looked", "Refunds"]

_log = logs.logger(__name__)

#: Orders of one run that are looked at before it is written down how far that came.
_AT_A_TIME = 20
_MOST_PAGES = 20
_WHY = (
    "The answer to its feed was lost, and Amazon shows a refund of this order posted at %s: it is "
    "not sent again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """``heard``: what kept us from looking at all of them, for now."""

    case: Case
    heard: Heard | None = None


class Refunds:
    """One per process."""

    def __init__(self, ground: RunGround, records: Records) -> None:
        self._ground = ground
        self._records = records

    async def look(self, case: Case, asked_at: datetime) -> Looked:
        """At the orders that were not looked at yet; how far it came is kept in the run's facts,
        for this asking. Where Amazon does not let the account read its finances, that is written
        down, and getFeeds alone has to do."""
        mark = asked_at.isoformat()
        while True:
            facts = case.run.facts
            after = int(facts.get("refunds_until", 0)) if facts.get("refunds_of") == mark else 0
            async with self._ground.store.transaction() as tx:
                page = await tx.changes.of_run(case.run.id, after=after, limit=_AT_A_TIME)
            if not page:
                return Looked(case=case)
            paid = await self._paid_of(case, page, window_of(asked_at)[0])
            if isinstance(paid, Heard):
                if not _is_refused(paid):
                    return Looked(case=case, heard=paid)
                _log.warning("finances cannot be looked at", run_id=case.run.id, said=paid.said)
                facts = {**facts, "refunds_unseen": paid.said or "refused"}
                return Looked(case=await self._records.move(case, self._ground.now(), facts=facts))
            now = self._ground.now()
            ends = [
                outcome_of(
                    uncertain(
                        sent_of(one), now, code="perhaps_paid", message=_WHY % paid[one.subject]
                    )
                )
                for one in page
                if one.subject in paid
            ]
            facts = {**facts, "refunds_of": mark, "refunds_until": page[-1].message_id or 0}
            case = await self._records.settle(case, ends, now, facts=facts, next_at=now)

    async def _paid_of(
        self, case: Case, page: Sequence[Change], since: datetime
    ) -> dict[str, str] | Heard:
        """Orders with a refund since then, and when the first of them was posted."""
        paid: dict[str, str] = {}
        for order_id in dict.fromkeys(one.subject for one in page):
            found = await self._paid(case, order_id, since)
            if isinstance(found, Heard):
                return found
            if found:
                paid[order_id] = found
        return paid

    async def _paid(self, case: Case, order_id: str, since: datetime) -> str | Heard:
        """When the first refund of this order since then was posted; "" if there is none."""
        path = f"/finances/v0/orders/{quote(order_id, safe='')}/financialEvents"
        query: list[tuple[str, str]] = [("MaxResultsPerPage", "100")]
        for _ in range(_MOST_PAGES):
            heard = await self._ground.ask(case, ApiCall(method="GET", path=path, query=query))
            if heard.how is not How.ANSWER or heard.body.status != 200:
                return heard
            told = json_of(heard.body)
            payload = told.get("payload") if isinstance(told, Mapping) else None
            if not isinstance(payload, Mapping):
                return Heard(how=How.NOT_SENT, said="Amazon's list of events cannot be read.")
            for posted in _posted(payload):
                if (_instant(posted) or since) >= since:
                    return posted or "an unknown time"
            token = payload.get("NextToken")
            if not isinstance(token, str) or not token:
                break
            query = [("NextToken", token)]
        return ""


def _is_refused(heard: Heard) -> bool:
    """Amazon will not tell, however often it is asked."""
    about = heard.how is How.ANSWER and heard.body.status in (400, 404)
    return heard.how is How.DENIED or about


def _posted(payload: Mapping[str, Any]) -> Iterator[str]:
    events = payload.get("FinancialEvents")
    refunds = events.get("RefundEventList") if isinstance(events, Mapping) else None
    for one in refunds if isinstance(refunds, list) else []:
        posted = one.get("PostedDate") if isinstance(one, Mapping) else None
        yield posted if isinstance(posted, str) else ""


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
