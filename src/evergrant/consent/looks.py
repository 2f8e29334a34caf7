"""First looks: one call after a grant, to see what the account can do.

Answers for: that call, what it finds, and for making it later when it got no answer, when Amazon's
limit did not allow it, or when the process died before it could be made. Does not answer for:
access tokens (whoever calls brings one), or for looking again at an account that was seen once.

That the look is still to be done is committed together with the grant. Whoever takes it up pushes
its instant ahead by a conditional change, so two processes never make the same call, and a process
that dies with it leaves it due again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal, vault
from evergrant.consent import changes
from evergrant.consent.ground import Case, Ground, case_of
from evergrant.errors import (
    AmazonError,
    Blame,
    CallDenied,
    EvergrantError,
    OverLimit,
    StoreUnavailable,
)
from evergrant.ports.amazon import Hears, ReportedParticipation
from evergrant.ports.store import Transaction, not_after
from evergrant.ports.things import Authorization
from evergrant.rules import cadence
from evergrant.rules.amazon_errors import TOKEN_TROUBLE
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret

__all__ = [
    "DENIED",
    "LOOK_PATIENCE_S",
    "OPERATIONS",
    "UNKNOWN",
    "AccessTokenOf",
    "Looks",
    "ask",
    "drop_superseded",
]

#: How the finding begins of an account that never could what it is to do, and of one of which
#: nobody ever learned it.
DENIED = "The first call was denied."
UNKNOWN = "Nobody knows yet what this account can do"

#: The first look at an account happens while its owner waits for a page.
LOOK_PATIENCE_S = 8.0
#: So long is its permit waited for.
PERMIT_PATIENCE_S = 3.0
#: Nobody waits for a look of the clock tower. It stands in line long enough to get its turn before
#: programs that never leave a permit over.
PERMIT_PATIENCE_OF_TOWER_S = 20.0
#: What a look calls. Source: sellers API v1 model, vendor orders API v1 model; the Sellers API does
#: not serve vendors.
OPERATIONS = {
    PartnerKind.SELLER: "sellers.v1.getMarketplaceParticipations",
    PartnerKind.VENDOR: "vendor.orders.v1.getPurchaseOrdersStatus",
}
#: A look belongs to one process for so long: longer than the look and the mint before it.
CLAIM = timedelta(minutes=5)
#: Taken up per round and at the same time. What is more waits a minute.
ROUND = 25
AT_ONCE = 5

#: Gives an access token of the account that is named.
AccessTokenOf = Callable[[str], Awaitable[Secret]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What one call showed. ``over``: asking again would bring nothing new. ``put_off_until``: it
    was not made; then it probably can be."""

    finding: str
    passed: bool
    over: bool
    put_off_until: datetime | None = None
    reported: Sequence[ReportedParticipation] = ()


class Looks:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def after_grant(
        self, account_id: str, access_token: Secret, *, grant_id: str | None = None
    ) -> str:
        """``grant_id``: whose access token it is. One that was replaced meanwhile is not looked at:
        what it can do says nothing of its successor."""
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            case = await case_of(tx, account_id)
            seen = case.authorization
            if grant_id not in (None, seen.grant_id):
                return seen.finding
            if seen.look_due_at is not None:
                claimed = None if seen.looks else await self._claim(tx, seen, now)
                if claimed is None:
                    return seen.finding  # the clock tower has taken it up already
                case = replace(case, authorization=claimed)
        return await self._note(case, await self._look(case, access_token, PERMIT_PATIENCE_S))

    async def where_due(self, access_token_of: AccessTokenOf) -> int:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            due = await tx.authorizations.all(
                state=State.ACTIVE, before=not_after("look_due_at", now), limit=ROUND
            )
        slots = asyncio.Semaphore(AT_ONCE)

        async def take_up(seen: Authorization) -> bool:
            async with slots:
                return await self._take_up(seen, access_token_of)

        ends = await asyncio.gather(*(take_up(seen) for seen in due), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return sum(end is True for end in ends)

    async def _take_up(self, seen: Authorization, access_token_of: AccessTokenOf) -> bool:
        """Whether the call was made."""
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            if seen.looks and isinstance(_next(seen, now), cadence.GiveUp):
                # Its last try was claimed and never ended: the process died with it.
                await self._give_up(tx, seen, "The last try never came to an end.", now)
                return False
            claimed = await self._claim(tx, seen, now)
            if claimed is None:
                return False
            case = replace(await case_of(tx, seen.account_id), authorization=claimed)
        try:
            access_token = await access_token_of(case.account.id)
        except StoreUnavailable:
            raise
        except EvergrantError as error:
            if error.blame is not Blame.PARTNER:
                await self._note(case, _unanswered(error.message))
            # A grant that is dead needs no look; should it come back, the look is due then.
            return False
        saw = await self._look(case, access_token, PERMIT_PATIENCE_OF_TOWER_S)
        await self._note(case, saw)
        return saw.put_off_until is None

    async def _claim(
        self, tx: Transaction, seen: Authorization, now: datetime
    ) -> Authorization | None:
        return await tx.authorizations.change(
            seen.id,
            expecting={"grant_id": seen.grant_id, "look_due_at": seen.look_due_at},
            look_due_at=now + CLAIM,
            looks=seen.looks + 1,
        )

    # --- the call -----------------------------------------------------------------------------

    async def _look(self, case: Case, access_token: Secret, patience_s: float) -> _Seen:
        try:
            async with self._permitted(case, access_token, patience_s) as hears:
                async with asyncio.timeout(LOOK_PATIENCE_S):
                    reported = await ask(self._ground, case, access_token, hears)
            return _Seen(finding="", passed=True, over=True, reported=reported)
        except OverLimit as limit:
            return _put_off(limit, self._ground.clock.now())
        except CallDenied as denied:
            return _Seen(
                finding=f"{DENIED} {denied.message}",
                passed=False,
                # Only the access token was refused, and there will be another one.
                over=not denied.details.startswith(TOKEN_TROUBLE),
            )
        except AmazonError as error:
            return _unanswered(error.message)
        except TimeoutError:
            return _unanswered("No answer in time.")

    def _permitted(
        self, case: Case, access_token: Secret, patience_s: float
    ) -> AbstractAsyncContextManager[Hears]:
        return self._ground.permitted(
            OPERATIONS[case.account.partner_kind],
            access_token,
            account_id=case.account.id,
            application_id=case.application.id,
            region=case.account.region,
            ready_to_wait_s=patience_s,
        )

    # --- writing it down ----------------------------------------------------------------------

    async def _note(self, case: Case, seen: _Seen) -> str:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            if not seen.over:
                if seen.put_off_until is not None:
                    return await self._note_put_off(
                        tx, case.authorization, seen.finding, seen.put_off_until
                    )
                return await self._note_unanswered(tx, case.authorization, seen.finding, now)
            known: dict[str, Any] = {"checked_at": now} if seen.passed else {}
            changed = await tx.authorizations.change(
                case.authorization.id,
                # A newer grant has a look of its own.
                expecting={"grant_id": case.authorization.grant_id},
                finding=seen.finding,
                look_due_at=None,
                looks=0,
                # Its days of probes begin anew.
                probe_due_at=None,
                probe_failures=0,
                probe_doubt="",
                **known,
            )
            if changed is None or not seen.passed:
                return seen.finding
            finding, told = await self._note_passed(
                tx, replace(case, authorization=changed), seen.reported, now
            )
        await self._ground.ring(told)
        return finding

    async def _note_passed(
        self,
        tx: Transaction,
        case: Case,
        reported: Sequence[ReportedParticipation],
        now: datetime,
    ) -> tuple[str, list[str]]:
        told = await changes.tell_access_restored(tx, case, now)
        finding = ""
        if case.account.partner_kind is PartnerKind.SELLER:
            if not reported and await tx.participations.count(account_id=case.account.id):
                # A seller who sold somewhere: the first probe believes it, or does not.
                finding = changes.missing_home(self._ground, case, reported)
            else:
                finding, more = await changes.record(self._ground, tx, case, reported, now)
                told += more
            await tx.authorizations.change(case.authorization.id, finding=finding)
        await drop_superseded(self._ground, tx, case.authorization.id)
        return finding, told

    async def _note_put_off(
        self, tx: Transaction, claimed: Authorization, finding: str, until: datetime
    ) -> str:
        """A call that was not made is none of those after which nobody tries again."""
        if claimed.look_due_at is not None:
            await tx.authorizations.change(
                claimed.id,
                expecting={"grant_id": claimed.grant_id, "look_due_at": claimed.look_due_at},
                finding=finding,
                look_due_at=until,
                looks=claimed.looks - 1,
            )
        return finding

    async def _note_unanswered(
        self, tx: Transaction, claimed: Authorization, finding: str, now: datetime
    ) -> str:
        if claimed.look_due_at is None:
            # Nobody owes this look; what it found is worth knowing all the same.
            await tx.authorizations.change(
                claimed.id,
                expecting={"grant_id": claimed.grant_id, "look_due_at": None},
                finding=finding,
            )
            return finding
        verdict = _next(claimed, now)
        if isinstance(verdict, cadence.GiveUp):
            return await self._give_up(tx, claimed, finding, now)
        await tx.authorizations.change(
            claimed.id,
            expecting={"grant_id": claimed.grant_id, "look_due_at": claimed.look_due_at},
            finding=finding,
            look_due_at=verdict.at,
        )
        return finding

    async def _give_up(self, tx: Transaction, seen: Authorization, last: str, now: datetime) -> str:
        finding = f"{UNKNOWN}: {seen.looks} first calls got no answer, and no more are made. {last}"
        changed = await tx.authorizations.change(
            seen.id,
            expecting={"grant_id": seen.grant_id, "look_due_at": seen.look_due_at},
            finding=finding,
            look_due_at=None,
            looks=0,
        )
        if changed is not None:
            await journal.write(
                tx,
                now=now,
                by=SYSTEM,
                verb="authorization.look_given_up",
                subject=seen.id,
                account_id=seen.account_id,
                tries=seen.looks,
                last=last,
            )
        return finding


async def ask(
    ground: Ground, case: Case, access_token: Secret, hears: Hears
) -> list[ReportedParticipation]:
    """The call of the partner's kind (`OPERATIONS`)."""
    api = ground.selling_partner_api
    endpoint = ground.marketplaces.endpoint(case.account.region)
    if case.account.partner_kind is PartnerKind.SELLER:
        return await api.participations(endpoint, access_token, hears)
    await api.probe_vendor(endpoint, access_token, ground.clock.now(), hears)
    return []


async def drop_superseded(ground: Ground, tx: Transaction, authorization_id: str) -> None:
    """The grant in force works, so nobody needs the older refresh tokens any more."""
    for grant in await tx.grants.all(authorization_id=authorization_id):
        if grant.superseded_at is not None:
            await ground.vault.drop(tx, vault.refresh_token(grant.id))


def _next(seen: Authorization, now: datetime) -> cadence.TryAgain | cadence.GiveUp:
    return cadence.next_try(cadence.LOOK, seen.looks, now)


def _put_off(limit: OverLimit, now: datetime) -> _Seen:
    until = now + timedelta(seconds=limit.retry_after_s)
    return _Seen(
        finding=f"The first call has to wait. {limit.message} It is made without anybody's doing "
        f"soon after {until:%Y-%m-%d %H:%M:%S} UTC.",
        passed=False,
        over=False,
        put_off_until=until,
    )


def _unanswered(said: str) -> _Seen:
    return _Seen(finding=f"The first call got no answer. {said}", passed=False, over=False)
