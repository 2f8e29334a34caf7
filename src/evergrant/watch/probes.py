"""Probes: whether each grant still works, once a day, before the customer finds out.

Answers for: slots for accounts that have none, taking up what is due a few at a time, the refresh
and the look of each probe, and what is due next. Does not answer for: what LWA's answer means for
the authorization (the mint writes that down), what the look finds (the reception), or for the
instants (`rules.probes`).

A probe belongs to whoever pushes its instant ahead by a conditional change; a process that dies
with it leaves it due again soon. Of an application that LWA refuses, one account per round is
asked: as soon as that one is accepted, the others follow. None of them is marked.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from evergrant.consent import Consent, Ended, Looked
from evergrant.errors import (
    ApplicationError,
    Blame,
    EvergrantError,
    StoreUnavailable,
)
from evergrant.logs import logger
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Authorization
from evergrant.rules import probes
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM
from evergrant.tokens import AccessToken, Tokens
from evergrant.watch.rounds import MOST_ROUNDS, ROUND

__all__ = ["Probed", "Probes"]

log = logger(__name__)

#: A probe belongs to one process for so long: longer than the refresh, the look and their patience.
CLAIM = timedelta(minutes=15)
#: Under way at the same time.
AT_ONCE = 5
#: Of an application that is refused or incomplete: when its account is taken up again.
_APPLICATION_WAIT_S = 3600.0
#: So long their number is remembered: it takes a look at every account, and changes slowly.
COUNT_EVERY = timedelta(hours=1)
#: A look that has to confirm what the last one said is made with an access token this fresh.
_FRESH_MIN_TTL_S = 3000
_STATES = tuple(sorted(probes.PROBED))


@dataclass(slots=True, kw_only=True)
class Probed:
    """What one round did: counts."""

    slots_set: int = 0
    passed: int = 0
    refused: int = 0  # LWA does not take the grant
    reinstated: int = 0  # it takes again what was thought dead
    failed: int = 0  # no answer, or one that is not believed yet
    put_off: int = 0
    first_looks: int = 0  # owed since a grant, and made now

    @property
    def probed(self) -> int:
        return self.passed + self.refused + self.failed


@dataclass(slots=True, kw_only=True)
class _Round:
    now: datetime
    counts: Probed = field(default_factory=Probed)
    #: Applications at which LWA's door was shut in this round.
    shut: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """How one probe ended. ``said``: what to say of it should it go on like this."""

    failed: bool = False
    said: str = ""
    put_off_s: float | None = None


class Probes:
    def __init__(self, *, store: Store, consent: Consent, tokens: Tokens, every: timedelta) -> None:
        self._store = store
        self._consent = consent
        self._tokens = tokens
        self._every = every
        self._counted: tuple[datetime, int] | None = None

    async def round(self, now: datetime) -> Probed:
        """One minute's share. Whoever calls sees to it that one round per minute is made over all
        processes; two at the same time are safe, and twice as fast. What breaks is logged and
        tried again later. Raises StoreUnavailable."""
        this = _Round(now=now)
        this.counts.slots_set = await self._set_slots(now)
        if this.counts.slots_set:
            self._counted = None
        due = await self._due(now)
        turns = asyncio.Semaphore(AT_ONCE)

        async def take_up(seen: Authorization) -> None:
            async with turns:
                await self._take_up(seen, this)

        ends = await asyncio.gather(*(take_up(seen) for seen in due), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return this.counts

    # --- what is due --------------------------------------------------------------------------

    async def _set_slots(self, now: datetime) -> int:
        """For new accounts, for all of them after the first start, and where a grant came back."""
        done = 0
        for _ in range(MOST_ROUNDS):
            async with self._store.transaction() as tx:
                found = await tx.authorizations.all(state=_STATES, probe_due_at=None, limit=ROUND)
                for seen in found:
                    between = probes.span(seen.state, self._every, now - _dead_since(seen, now))
                    assert between is not None, "asked for these states alone"
                    done += await _changed(
                        tx,
                        seen,
                        None,
                        probe_due_at=probes.slot_after(seen.account_id, between, now),
                    )
            if len(found) < ROUND:
                break
        return done

    async def _due(self, now: datetime) -> list[Authorization]:
        async with self._store.transaction() as tx:
            most = probes.most_per_minute(await self._accounts(tx, now), self._every)
            healthy, refused = await _applications(tx)
            due = await tx.scans.probes_due(now, _STATES, healthy, limit=most)
            for application_id in refused:
                due += await tx.scans.probes_due(now, _STATES, [application_id], limit=1)
        return due

    async def _accounts(self, tx: Transaction, now: datetime) -> int:
        known = self._counted
        if known is None or not known[0] <= now < known[0] + COUNT_EVERY:
            known = self._counted = (now, await tx.authorizations.count(state=_STATES))
        return known[1]

    # --- one account --------------------------------------------------------------------------

    async def _take_up(self, seen: Authorization, this: _Round) -> None:
        if seen.application_id in this.shut:
            return  # stays due; the next round asks for one of them
        claimed = await self._claim(seen, this.now)
        if claimed is None:
            return
        try:
            verdict = await self._probe(claimed, this)
        except StoreUnavailable:
            raise
        except EvergrantError as error:
            verdict = _Verdict(failed=True, said=error.message)
        except Exception as error:
            log.exception("a probe broke", account_id=seen.account_id)
            verdict = _Verdict(failed=True, said=f"The probe broke ({type(error).__name__}).")
        await self._finish(claimed, verdict, this)

    async def _claim(self, seen: Authorization, now: datetime) -> Authorization | None:
        async with self._store.transaction() as tx:
            return await tx.authorizations.change(
                seen.id,
                expecting={"probe_due_at": seen.probe_due_at, "state": seen.state},
                probe_due_at=now + CLAIM,
            )

    async def _probe(self, claimed: Authorization, this: _Round) -> _Verdict:
        alive = claimed.state is State.ACTIVE
        if alive and claimed.look_due_at is not None:
            return _Verdict()  # its first look is still owed, which is as much
        try:
            token = await (self._mint(claimed) if alive else self._ask_again(claimed))
        except ApplicationError as error:
            this.shut.add(claimed.application_id)
            return _Verdict(said=error.message, put_off_s=_APPLICATION_WAIT_S)
        except EvergrantError as error:
            if error.blame is not Blame.PARTNER:
                raise
            # The mint has written down what it made of it.
            dead = await self._is_dead(claimed)
            this.counts.refused += dead
            return _Verdict(failed=not dead, said=error.message)
        if not alive:
            this.counts.reinstated += 1
        return await self._look(token)

    async def _mint(self, claimed: Authorization) -> AccessToken:
        """A token that lives proves that LWA took the grant within the hour."""
        if claimed.probe_doubt:
            return await self._tokens.mint(
                claimed.account_id, by=SYSTEM, min_ttl_s=_FRESH_MIN_TTL_S
            )
        return await self._tokens.mint(claimed.account_id, by=SYSTEM)

    async def _ask_again(self, claimed: Authorization) -> AccessToken:
        return await self._tokens.look_again(claimed.account_id, by=SYSTEM)

    async def _look(self, token: AccessToken) -> _Verdict:
        looked = await self._consent.look_again(token.account_id, token.value, token.grant_id)
        if looked.ended is Ended.TOKEN_REFUSED:
            fresh = await self._tokens.mint(token.account_id, by=SYSTEM, instead_of=token.value)
            looked = await self._consent.look_again(fresh.account_id, fresh.value, fresh.grant_id)
        return _verdict(looked)

    async def _is_dead(self, claimed: Authorization) -> bool:
        """Refused once is not refused: whoever asks next takes the second look."""
        async with self._store.transaction() as tx:
            row = await tx.authorizations.get(claimed.id)
        return row is None or row.state is not State.ACTIVE

    # --- what is next -------------------------------------------------------------------------

    async def _finish(self, claimed: Authorization, verdict: _Verdict, this: _Round) -> None:
        async with self._store.transaction() as tx:
            row = await tx.authorizations.get(claimed.id)
            if row is None or row.probe_due_at != claimed.probe_due_at:
                return  # another grant came, which has a slot of its own
            values = self._next(row, verdict, this)
            await _changed(tx, row, claimed.probe_due_at, **values)

    def _next(self, row: Authorization, verdict: _Verdict, this: _Round) -> dict[str, Any]:
        now, counts = this.now, this.counts
        if verdict.put_off_s is not None:
            counts.put_off += 1
            return {"probe_due_at": probes.put_off(row.account_id, now, verdict.put_off_s)}
        known: dict[str, Any] = {"every": self._every, "dead_since": _dead_since(row, now)}
        if not verdict.failed:
            if row.state is State.ACTIVE:
                counts.passed += 1
            due = probes.after_probe(row.account_id, row.state, now, **known)
            return {"probe_due_at": due, "probe_failures": 0}
        counts.failed += 1
        failures = row.probe_failures + 1
        due = probes.after_failure(row.account_id, row.state, now, failures, **known)
        values: dict[str, Any] = {"probe_due_at": due, "probe_failures": failures}
        if row.state is State.ACTIVE and probes.told_after(failures):
            values["finding"] = (
                f"Nobody could look whether this account still works: {failures} tries in a row. "
                f"{verdict.said}"
            )
        return values


def _verdict(looked: Looked) -> _Verdict:
    if looked.ended is Ended.PUT_OFF:
        return _Verdict(said=looked.said, put_off_s=looked.wait_s)
    failed = looked.ended in {Ended.DOUBTFUL, Ended.UNANSWERED, Ended.TOKEN_REFUSED}
    return _Verdict(failed=failed, said=looked.said)


def _dead_since(row: Authorization, now: datetime) -> datetime:
    """Since when Amazon takes the grant no longer, as far as we know; ``now`` of one that works."""
    if row.state is State.ACTIVE:
        return now
    ended = row.term_ends_at if row.state is State.LAPSED else None
    return min(
        (at for at in (row.first_refused_at, ended) if at is not None), default=row.changed_at
    )


async def _changed(
    tx: Transaction, seen: Authorization, due_at: datetime | None, **values: Any
) -> bool:
    changed = await tx.authorizations.change(
        seen.id, expecting={"probe_due_at": due_at, "state": seen.state}, **values
    )
    return changed is not None


async def _applications(tx: Transaction) -> tuple[list[str], list[str]]:
    """Those whose accounts can be probed, and those that LWA refuses as of late. Those that lack
    credentials are in neither list."""
    complete = [one for one in await tx.credentials.all() if one.secret_set and one.lwa_client_id]
    healthy = [one.id for one in complete if not one.trouble]
    return healthy, [one.id for one in complete if one.trouble]
