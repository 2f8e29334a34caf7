"""Calls that Evergrant makes for an account by itself, outside `Calls.send`.

Answers for: a permit of the shared buckets before each of them, and for telling how it ended: the
counts, the rate that Amazon reports, a bucket that it says is empty. Does not answer for: whether
the call is due, its access token, or what becomes of it when there is no permit (the reception).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from evergrant.calls import sending
from evergrant.calls.learning import Learning
from evergrant.calls.permits import Permits
from evergrant.calls.values import Asked, Leave, Outcome
from evergrant.errors import AmazonUnavailable, OverLimit
from evergrant.limits import Limits
from evergrant.ports.amazon import Answer, Hears
from evergrant.rules import operations
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import Marketplaces, Region
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret

__all__ = ["OwnCalls"]


class OwnCalls:
    """One per process: the gate's, under another name, for rooms that stand below it."""

    def __init__(
        self,
        *,
        permits: Permits,
        learning: Learning,
        limits: Limits,
        marketplaces: Marketplaces,
        monotonic: Callable[[], float],
    ) -> None:
        self._permits = permits
        self._learning = learning
        self._limits = limits
        self._marketplaces = marketplaces
        self._monotonic = monotonic

    @asynccontextmanager
    async def permitted(
        self,
        operation: str,
        access_token: Secret,
        *,
        account_id: str,
        application_id: str,
        region: Region,
        ready_to_wait_s: float,
        importance: Importance = Importance.SECOND,
    ) -> AsyncIterator[Hears]:
        """One call of this operation (a name of ``rules.operations``) is made inside. It tells
        what Amazon answered; what it raises is told as well. Before programs, after cancellations
        and refunds; unless it is said to be less important.

        Raises OverLimit when there is no permit in time, StoreUnavailable.
        """
        known = operations.get(operation)
        if known is None:
            raise LookupError(f"not an operation of Amazon's: {operation}")
        shares = await self._limits.fetch_shares(
            application_id, account_id, region, known, importance
        )
        line = self._permits.line(shares, importance)
        began_s = self._monotonic()
        try:
            permit = await self._permits.take(line, str(SYSTEM), ready_to_wait_s)
        except OverLimit as over:
            self._limits.note_refused(account_id, operation, region)
            raise OverLimit(
                f"Amazon's limit for {operation} is spent for the moment.",
                retry_after_s=over.retry_after_s,
                hint=f"A permit is likely in {over.retry_after_s:.0f} s.",
                facts={"operation": operation, "account_id": account_id},
            ) from None
        sent_s = self._monotonic()
        leave = Leave(
            request_id="",
            account_id=account_id,
            application_id=application_id,
            region=region,
            operation=known,
            endpoint=self._marketplaces.endpoint(region),
            access_token=access_token,
            shares=line.shares,
            waited_s=sent_s - began_s if permit.queued else 0.0,
            permits_left=permit.left,
            asked=Asked(
                account_id=account_id,
                method=known.method,
                path=known.template,
                importance=importance,
            ),
            permit=permit,
        )
        heard: list[Answer] = []
        trouble: BaseException | None = None
        try:
            yield heard.append
        except BaseException as error:
            trouble = error
            raise
        finally:
            outcome = _outcome(heard, trouble, self._monotonic() - sent_s)
            if outcome.status == 429:
                self._permits.empty_hand(line)
            self._learning.hear(leave, outcome)


def _outcome(heard: list[Answer], trouble: BaseException | None, took_s: float) -> Outcome:
    """An answer says most; without one it is told what went wrong instead. A permit is never given
    back: nobody knows how far the call came."""
    if heard:
        return sending.outcome_of(heard[-1], took_s)
    if isinstance(trouble, AmazonUnavailable):
        return sending.outcome_of(trouble, took_s)
    return Outcome(status=None, took_s=took_s, error="no_answer")
