"""Counting attempts that failed, and locking.

Answers for: charging an attempt before anything is looked at, by conditional changes that many
processes agree on; giving the charge back; locking; unlocking; and the letter to whoever is locked
out. Does not answer for: how many and how long (``rules.lockout``).

Attempts are counted by the mail address that was typed, known or not, so that both look alike; and
by the network address they come from. Of mail addresses and network addresses only digests are
kept. From where an operator has signed in lately, there is a count of its own: strangers elsewhere
do not lock that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from evergrant import journal
from evergrant.outbox import put_mail
from evergrant.ports.signed_in import OperatorSession, SignInCount
from evergrant.ports.store import AlreadyThere, Transaction
from evergrant.ports.things import Operator, OutboxItem, OutboxKind
from evergrant.rules import lockout
from evergrant.rules.lockout import Tally, Verdict, origin_of
from evergrant.rules.rights import SYSTEM
from evergrant.rules.second_factor import Step
from evergrant.rules.secrecy import digest
from evergrant.sessions.ground import Ground
from evergrant.sessions.values import Browser, OperatorLetter

__all__ = ["LOCKED_LETTER", "Attempt", "Lockout", "factor_count", "locked_letter"]

LOCKED_LETTER = "operator_locked"
_Judge = Callable[[Tally, datetime], Verdict]
#: Whoever is locked again and again is written to once a day.
LETTER_PAUSE = timedelta(hours=24)
#: From where somebody signed in during these days is no strange place.
KNOWN_FOR = timedelta(days=30)
_LOOKED_AT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a password or code. ``counts``: what it was charged to, in their order."""

    counts: Sequence[str]
    admitted: bool
    operator: Operator | None = None
    address: str = ""


def factor_count(operator_id: str) -> str:
    return f"factor:{operator_id}"


def _email_count(email: str) -> str:
    return f"email:{digest(email)}"


def _address_count(origin: str) -> str:
    return f"address:{digest(origin)}"


def _known_count(operator_id: str, origin: str) -> str:
    return f"known:{operator_id}:{digest(origin)}"


class Lockout:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def begin(
        self, tx: Transaction, email: str, browser: Browser, now: datetime
    ) -> tuple[Attempt, list[str]]:
        """An attempt at a password, charged; with what has to be rung for."""
        operator = await tx.operators.one(email=email)
        origin = origin_of(browser.address)
        # Asked for an unknown address as well, which costs the same.
        is_known = await self._is_known(tx, operator, origin, now)
        whose = _known_count(operator.id, origin) if operator and is_known else _email_count(email)
        # Behind a proxy that nobody named all browsers look like one: nobody is to wait for what
        # another one did.
        counts = (_address_count(origin), whose) if origin else (whose,)
        return await self.charge(tx, counts, now, operator=operator, address=browser.address)

    async def knows_place(
        self, tx: Transaction, operator: Operator, browser: Browser, now: datetime
    ) -> bool:
        """Whether the operator has come in from there lately, all steps taken."""
        return await self._is_known(tx, operator, origin_of(browser.address), now)

    async def _is_known(
        self, tx: Transaction, operator: Operator | None, origin: str, now: datetime
    ) -> bool:
        sessions = await tx.operator_sessions.all(
            operator_id=operator.id if operator else "",
            origin=origin,
            limit=_LOOKED_AT,
            newest_first=True,
        )
        return operator is not None and origin != "" and self._came_in(operator, sessions, now)

    def _came_in(
        self, operator: Operator, sessions: Sequence[OperatorSession], now: datetime
    ) -> bool:
        """Whether all steps were taken in one of these, not long ago."""
        return any(
            one.created_at > now - KNOWN_FOR and self._ground.step_of(one, operator) is Step.NOTHING
            for one in sessions
        )

    async def charge(
        self,
        tx: Transaction,
        counts: Sequence[str],
        now: datetime,
        *,
        operator: Operator | None,
        address: str,
    ) -> tuple[Attempt, list[str]]:
        """Charged to all of these or to none. Always in the same order, so that nobody waits for
        somebody who waits for them."""
        charged: list[str] = []
        ring: list[str] = []
        for count in counts:
            verdict = await self._count(tx, count, now, lockout.charge)
            if verdict.just_locked:
                ring += await self._tell_locked(tx, count, verdict, operator, address, now)
            if not verdict.admitted:
                for other in charged:
                    await self._count(tx, other, now, _given_back)
                return Attempt(counts=(), admitted=False, operator=operator, address=address), ring
            charged.append(count)
        attempt = Attempt(counts=charged, admitted=True, operator=operator, address=address)
        return attempt, ring

    async def failed(self, tx: Transaction, attempt: Attempt, now: datetime) -> list[str]:
        """It was wrong. Gives what has to be rung for."""
        ring: list[str] = []
        for count in attempt.counts:
            verdict = await self._count(tx, count, now, lockout.failed)
            if verdict.just_locked:
                ring += await self._tell_locked(
                    tx, count, verdict, attempt.operator, attempt.address, now
                )
        return ring

    async def was_right(self, tx: Transaction, attempt: Attempt, now: datetime) -> None:
        for count in attempt.counts:
            if count.startswith("address:"):
                await self._count(tx, count, now, _given_back)
            else:
                await tx.sign_in_counts.drop(count)

    async def unlock(self, tx: Transaction, operator: Operator) -> bool:
        """True when anything was locked or counted."""
        sessions = await tx.operator_sessions.all(operator_id=operator.id)
        origins = {one.origin for one in sessions}
        own = [_email_count(operator.email), factor_count(operator.id)]
        return bool(
            await tx.sign_in_counts.drop_all(
                [*own, *(_known_count(operator.id, origin) for origin in origins)]
            )
        )

    async def locked(
        self, tx: Transaction, operators: Sequence[Operator], now: datetime
    ) -> Mapping[str, datetime]:
        """Until when strange places (or the second factor) are locked, by operator."""
        whose = {_email_count(one.email): one.id for one in operators}
        whose |= {factor_count(one.id): one.id for one in operators}
        found: dict[str, datetime] = {}
        for row in await tx.sign_in_counts.all(id=list(whose)):
            if row.locked_until is not None and row.locked_until > now:
                owner = whose[row.id]
                found[owner] = max(row.locked_until, found.get(owner, row.locked_until))
        return found

    # --- counting ---

    async def _count(self, tx: Transaction, id: str, now: datetime, judge: _Judge) -> Verdict:
        """Looks, decides and writes, until nobody else wrote in between."""
        while True:
            row = await tx.sign_in_counts.get(id)
            tally = Tally() if row is None else _tally(row)
            verdict = judge(tally, now)
            if verdict.tally == tally:
                return verdict
            fresh = SignInCount(
                id=id,
                failures=verdict.tally.failures,
                locks=verdict.tally.locks,
                locked_until=verdict.tally.locked_until,
                tried_at=verdict.tally.tried_at or now,
            )
            if row is None:
                try:
                    await tx.sign_in_counts.add(fresh)
                except AlreadyThere:
                    continue
                return verdict
            as_before = {
                "failures": row.failures,
                "locks": row.locks,
                "locked_until": row.locked_until,
                "tried_at": row.tried_at,
            }
            changed = await tx.sign_in_counts.change(
                id,
                as_before,
                failures=fresh.failures,
                locks=fresh.locks,
                locked_until=fresh.locked_until,
                tried_at=fresh.tried_at,
            )
            if changed is not None:
                return verdict

    async def _tell_locked(
        self,
        tx: Transaction,
        count: str,
        verdict: Verdict,
        operator: Operator | None,
        address: str,
        now: datetime,
    ) -> list[str]:
        until = verdict.tally.locked_until
        kind = count.partition(":")[0]
        concerns = operator if kind != "address" else None
        await journal.write(
            tx,
            now=now,
            by=SYSTEM,
            verb="sign_in.locked" if concerns is None else "operator.locked",
            subject=concerns.id if concerns else kind,
            counted_by=kind,
            address=address,
            until=until,
            locks=verdict.tally.locks,
        )
        if concerns is None or concerns.disabled_at is not None:
            return []
        written = await tx.outbox.all(
            kind=OutboxKind.MAIL, subject=concerns.id, topic=LOCKED_LETTER
        )
        if any(item.created_at > now - LETTER_PAUSE for item in written):
            return []
        item = await put_mail(
            tx,
            now=now,
            topic=LOCKED_LETTER,
            subject=concerns.id,
            to=concerns.email,
            language=self._ground.house.operators_language,
            facts={
                "operator_name": concerns.name,
                "address": address,
                "locked_until": (until or now).isoformat(),
                "knows_password": kind == "factor",
            },
        )
        return [item.id]


def locked_letter(item: OutboxItem) -> OperatorLetter:
    until = datetime.fromisoformat(item.facts["locked_until"])
    return OperatorLetter(facts={**item.facts, "locked_until": until})


def _tally(row: SignInCount) -> Tally:
    return Tally(
        failures=row.failures, locks=row.locks, locked_until=row.locked_until, tried_at=row.tried_at
    )


def _given_back(tally: Tally, now: datetime) -> Verdict:
    return Verdict(tally=lockout.was_right(tally), admitted=True)
