"""Looking again: one call for an account that was seen before, to see what changed.

Answers for: that call, and for what of its answer is believed. Does not answer for: when it is due
and what follows when there was no answer (the clock tower), or for whom a change is told
(`changes`).

What is not believed at once, because Amazon has been known to err for minutes: that a seller who
sold somewhere sells nowhere at all, and that an account may not do any more what it did yesterday.
Each has to be said twice in a row, by looks of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from evergrant.consent import changes
from evergrant.consent.ground import Case, Ground, case_of
from evergrant.consent.looks import (
    DENIED,
    LOOK_PATIENCE_S,
    OPERATIONS,
    UNKNOWN,
    ask,
    drop_superseded,
)
from evergrant.errors import AmazonError, CallDenied, OverLimit
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.store import Transaction
from evergrant.ports.things import Authorization
from evergrant.rules.amazon_errors import SECRET_TROUBLE, TOKEN_TROUBLE
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.secrecy import Secret

__all__ = ["Ended", "Looked", "LooksAgain"]

_DENIED_ONCE, _EMPTY_ONCE = "denied", "empty"


class Ended(StrEnum):
    """How a look ended."""

    PASSED = "passed"
    DENIED = "denied"  # and believed
    DOUBTFUL = "doubtful"  # the next one has to confirm it
    UNANSWERED = "unanswered"
    TOKEN_REFUSED = "token_refused"  # noqa: S105  # of the access token alone
    PUT_OFF = "put_off"  # there was no permit
    OVERTAKEN = "overtaken"  # the grant is another one by now


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    ended: Ended
    said: str = ""  # Amazon's words, or what stands against the look
    wait_s: float = 0.0  # PUT_OFF: how long there is no permit


class LooksAgain:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def look(self, account_id: str, access_token: Secret, grant_id: str) -> Looked:
        """With an access token of that grant. Takes no permit that a program would miss: it waits
        for none, and leaves half of every bucket. Raises NotFound, StoreUnavailable."""
        async with self._ground.store.transaction() as tx:
            case = await case_of(tx, account_id)
        if case.authorization.grant_id != grant_id:
            return Looked(ended=Ended.OVERTAKEN)
        try:
            async with (
                self._ground.permitted(
                    OPERATIONS[case.account.partner_kind],
                    access_token,
                    account_id=account_id,
                    application_id=case.application.id,
                    region=case.account.region,
                    ready_to_wait_s=0.0,
                    importance=Importance.LEAST,
                ) as hears,
                asyncio.timeout(LOOK_PATIENCE_S),
            ):
                reported = await ask(self._ground, case, access_token, hears)
        except OverLimit as over:
            return Looked(ended=Ended.PUT_OFF, said=over.message, wait_s=over.retry_after_s)
        except CallDenied as denied:
            if denied.details.startswith(TOKEN_TROUBLE):
                return Looked(ended=Ended.TOKEN_REFUSED, said=denied.message)
            if denied.status != 403 or denied.details.startswith(SECRET_TROUBLE):
                return Looked(ended=Ended.UNANSWERED, said=denied.message)
            return await self._written(case, denied=denied)
        except AmazonError as error:
            return Looked(ended=Ended.UNANSWERED, said=error.message)
        except TimeoutError:
            return Looked(ended=Ended.UNANSWERED, said="No answer in time.")
        return await self._written(case, reported=reported)

    # --- writing it down ----------------------------------------------------------------------

    async def _written(
        self,
        case: Case,
        *,
        denied: CallDenied | None = None,
        reported: Sequence[ReportedParticipation] = (),
    ) -> Looked:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            # What is told of the account is as it is now: somebody may have renamed it meanwhile.
            fresh = await case_of(tx, case.account.id)
            if fresh.authorization.grant_id != case.authorization.grant_id:
                return Looked(ended=Ended.OVERTAKEN)
            if denied is None:
                looked, told = await self._passed(tx, fresh, reported, now)
            else:
                looked, told = await self._denied(tx, fresh, denied, now)
        await self._ground.ring(told)
        return looked

    async def _passed(
        self,
        tx: Transaction,
        case: Case,
        reported: Sequence[ReportedParticipation],
        now: datetime,
    ) -> tuple[Looked, list[str]]:
        seller = case.account.partner_kind is PartnerKind.SELLER
        doubt = case.authorization.probe_doubt
        if seller and not reported and doubt != _EMPTY_ONCE and await _sold_before(tx, case):
            await self._settle(tx, case, checked_at=now, probe_doubt=_EMPTY_ONCE)
            return Looked(ended=Ended.DOUBTFUL, said="Amazon names no marketplaces at all."), []
        told = await changes.tell_access_restored(tx, case, now)
        finding = ""
        if seller:
            finding, more = await changes.record(self._ground, tx, case, reported, now)
            told += more
        await self._settle(tx, case, checked_at=now, probe_doubt="", finding=finding)
        await drop_superseded(self._ground, tx, case.authorization.id)
        return Looked(ended=Ended.PASSED, said=finding), told

    async def _denied(
        self, tx: Transaction, case: Case, denied: CallDenied, now: datetime
    ) -> tuple[Looked, list[str]]:
        if not await _worked_before(tx, case):
            await self._settle(
                tx, case, checked_at=now, probe_doubt="", finding=f"{DENIED} {denied.message}"
            )
            return Looked(ended=Ended.DENIED, said=denied.message), []
        if case.authorization.probe_doubt != _DENIED_ONCE and not await changes.is_lost(tx, case):
            await self._settle(tx, case, checked_at=now, probe_doubt=_DENIED_ONCE)
            return Looked(ended=Ended.DOUBTFUL, said=denied.message), []
        told = await changes.tell_access_lost(tx, case, denied.message, now)
        finding = f"Amazon denies what it allowed before. {denied.message}"
        await self._settle(tx, case, checked_at=now, probe_doubt=_DENIED_ONCE, finding=finding)
        return Looked(ended=Ended.DENIED, said=denied.message), told

    async def _settle(self, tx: Transaction, case: Case, **values: Any) -> Authorization | None:
        return await tx.authorizations.change(
            case.authorization.id, expecting={"grant_id": case.authorization.grant_id}, **values
        )


async def _sold_before(tx: Transaction, case: Case) -> bool:
    return await tx.participations.count(account_id=case.account.id) > 0


async def _worked_before(tx: Transaction, case: Case) -> bool:
    """Whether any look ever passed. No vendor call leaves something behind that would prove it:
    there it is what the first look said."""
    if case.account.partner_kind is PartnerKind.SELLER:
        return await _sold_before(tx, case)
    return not case.authorization.finding.startswith((DENIED, UNKNOWN))
