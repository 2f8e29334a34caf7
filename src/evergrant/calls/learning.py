"""What every answer of Amazon's teaches.

Answers for: rates that Amazon reports, buckets that it says are empty, the counts, and one line in
the log for each call. Does not answer for: what the caller is told. Waits for nothing and never
fails a call.

Sources: Amazon's page "usage-plans-and-rate-limits": ``x-amzn-RateLimit-Limit`` is that of the pair
of selling partner and application, and does not come with 401, 403 and 429. Sandbox endpoints
always report 5.0, which says nothing about production.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from evergrant import logs
from evergrant.calls.background import Background
from evergrant.calls.values import Leave, Outcome
from evergrant.limits import Limits
from evergrant.ports.budgets import Budgets, Share
from evergrant.rules.marketplaces import Marketplaces

__all__ = ["Learning"]

_Kept = TypeVar("_Kept")

_say = logs.often("evergrant.calls")

_SILENT = frozenset({401, 403, 429})
#: So long we do not say again what we said: another process may have learned otherwise since.
_SAID_S = 60.0
_MOST_SAID = 50_000
#: When two accounts of one application are throttled within so many seconds, its common bucket is
#: taken for the empty one. After one alone it is that account's: others need not suffer.
_TOGETHER_S = 5.0


class Learning:
    """One per process."""

    def __init__(
        self,
        budgets: Budgets,
        limits: Limits,
        background: Background,
        marketplaces: Marketplaces,
        monotonic: Callable[[], float],
    ) -> None:
        self._budgets = budgets
        self._limits = limits
        self._background = background
        self._monotonic = monotonic
        self._sandboxes = frozenset(marketplaces.sandbox_endpoints.values())
        self._said: OrderedDict[str, tuple[float, float]] = OrderedDict()  # bucket: rate, until
        self._draining: set[str] = set()
        self._throttled: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def hear(self, leave: Leave, outcome: Outcome) -> None:
        """A call ended."""
        self._limits.note_call(
            leave.account_id,
            leave.operation.name,
            leave.region,
            status=outcome.status,
            error=outcome.error,
            took_s=outcome.took_s,
            waited_s=leave.waited_s - leave.waited_before_s,
        )
        if outcome.status == 429:
            self.throttled(leave.shares)
        elif outcome.status is not None and outcome.reported_rate_per_s is not None:
            self._learn(leave, outcome.status, outcome.reported_rate_per_s)
        _tell(leave, outcome)

    def _learn(self, leave: Leave, status: int, rate: float) -> None:
        if status in _SILENT or status >= 500 or not (math.isfinite(rate) and rate > 0):
            return
        if not leave.operation.template:
            return  # all paths that nobody knows share one bucket, and this is the rate of one
        bucket, now_s = leave.shares[0].bucket, self._monotonic()
        known, until_s = self._said.get(bucket, (math.nan, 0.0))
        if (known == rate and now_s < until_s) or self._is_sandbox(leave.endpoint):
            return
        _note(self._said, bucket, (rate, now_s + _SAID_S))
        if leave.permit is not None:
            leave.permit.line.learn(bucket, rate)
        self._background.start("learning a rate", partial(self._budgets.learn, bucket, rate))

    def _is_sandbox(self, endpoint: str) -> bool:
        return endpoint in self._sandboxes or (urlsplit(endpoint).hostname or "").startswith(
            "sandbox."
        )

    def throttled(self, shares: Sequence[Share]) -> None:
        """Amazon answered 429 to a call that drew on these buckets."""
        own, *common = shares
        now_s, emptied = self._monotonic(), [own]
        for share in common:
            before, at_s = self._throttled.get(share.bucket, (own.bucket, -math.inf))
            if before != own.bucket and now_s - at_s <= _TOGETHER_S:
                emptied.append(share)
            _note(self._throttled, share.bucket, (own.bucket, now_s))
        emptied = [share for share in emptied if share.bucket not in self._draining]
        if emptied:
            names = [share.bucket for share in emptied]
            self._draining.update(names)
            self._background.start("draining buckets", partial(self._drained, emptied, names))

    async def _drained(self, shares: Sequence[Share], names: Sequence[str]) -> None:
        try:
            await self._budgets.drain(shares)
        finally:
            self._draining.difference_update(names)


def _note(book: OrderedDict[str, _Kept], name: str, value: _Kept) -> None:
    book[name] = value
    book.move_to_end(name)
    while len(book) > _MOST_SAID:
        book.popitem(last=False)


def _tell(leave: Leave, outcome: Outcome) -> None:
    _say(
        "call",
        request_id=leave.request_id,
        account_id=leave.account_id,
        application_id=leave.application_id,
        operation=leave.operation.name,
        status=outcome.status,
        error=outcome.error,
        took_ms=round(outcome.took_s * 1000, 1),
        waited_ms=round((leave.waited_s - leave.waited_before_s) * 1000, 1),
        amazon_request_id=outcome.amazon_request_id,
        restricted=leave.restricted,
        repeats=leave.repeats,
    )
