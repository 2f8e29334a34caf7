"""THE CLOCK TOWER. Looks once a minute for what time alone brings about.

Answers for: handshakes that a dead process left behind (the reception decides what becomes of
them), reminders and terms that are over (each with a file of its own beside this one), notices
about letters that a later one has settled (the returns table's), sealed things whose content has
expired, records that are kept no longer; for the operators' daily letter, which comes last because
it tells of all the others; and for the day of a grant that somebody has to tell. Apart from these,
because they wait for Amazon and nobody's reminder may wait with them: first looks that are still
owed, daily probes, and rotations of client secrets (the locksmith's). Does not answer for: calling
Amazon: the reception does, with access tokens that the tower brings from the mint, because these
two rooms never meet.

Every step is safe to run twice and at once in several processes: each change is conditional on
what was seen, and a round that was cut short is continued by the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from evergrant import vault
from evergrant.bounces import Bounces
from evergrant.consent import Consent
from evergrant.logs import logger
from evergrant.ports import Bell, Clock
from evergrant.ports.store import Store
from evergrant.ports.things import Authorization
from evergrant.rotation import Rotations, Turned
from evergrant.rules.reminders import Outlook
from evergrant.rules.rights import SYSTEM, Caller
from evergrant.rules.secrecy import Secret
from evergrant.settings import House, Watching
from evergrant.tokens import Tokens
from evergrant.watch.ahead import Ahead, Coming
from evergrant.watch.daily_letter import DailyLetter
from evergrant.watch.dates import Dates
from evergrant.watch.farewells import drop_superseded, forget_closed
from evergrant.watch.lapses import Lapses
from evergrant.watch.probes import Probed, Probes
from evergrant.watch.reminders import Reminders
from evergrant.watch.retention import purge, purge_journal
from evergrant.watch.rounds import ROUND
from evergrant.watch.too_early import TooEarly

__all__ = ["Coming", "Probed", "Swept", "Watch"]

log = logger(__name__)

#: How long an expired sealed thing stays, so that a clock that is set back meets it again.
KEPT_AFTER_EXPIRY = timedelta(hours=1)
#: Records are purged that often at most, by each process.
PURGE_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one round found: counts. Probes and rotations have rounds of their own."""

    handshakes_lost: int = 0
    terms_ended: int = 0
    secrets_swept: int = 0
    looks_made: int = 0
    reminders_told: int = 0
    secrets_told: int = 0
    letters_settled: int = 0
    daily_letters: int = 0
    rows_purged: int = 0
    secrets_promoted: int = 0
    accounts_probed: int = 0


class Watch:
    """Called by the worker each minute."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: vault.Vault,
        consent: Consent,
        tokens: Tokens,
        rotations: Rotations,
        bounces: Bounces,
        bell: Bell,
        house: House,
        watching: Watching,
    ) -> None:
        self._store = store
        self._clock = clock
        self._consent = consent
        self._tokens = tokens
        self._rotations = rotations
        self._bounces = bounces
        self._reminders = Reminders(store=store, consent=consent, bell=bell, watching=watching)
        self._lapses = Lapses(store=store, vault=vault, bell=bell)
        self._daily_letter = DailyLetter(store=store, bell=bell, house=house)
        self._dates = Dates(store=store, clock=clock, watching=watching)
        self._probes = Probes(
            store=store, consent=consent, tokens=tokens, every=watching.probe_every
        )
        self._too_early = TooEarly(store=store, tokens=tokens)
        self._ahead = Ahead(store=store, clock=clock, watching=watching)
        self._journal_months = watching.journal_months
        self._purged_at: datetime | None = None

    # --- each minute --------------------------------------------------------------------------

    async def sweep(self) -> Swept:
        """One round. What one step stumbles over does not keep the others from their work; it is
        raised afterwards. Raises StoreUnavailable."""
        now = self._clock.now()
        ends = await _at_once(
            handshakes_lost=self._lose_handshakes(now),
            terms_ended=self._lapses.round(now),
            secrets_swept=self._empty_safe(now),
            reminders_told=self._reminders.round(now),
            secrets_told=self._tell_secrets(),
            letters_settled=self._bounces.settle_arrived(),
            rows_purged=self._purge(now),
        )
        told = ends["reminders_told"]
        if not isinstance(told, int) or told < ROUND:
            # Where reminders come by full rounds, the letter that tells of them waits for the rest.
            ends |= await _at_once(daily_letters=self._write_to_operators(now))
        troubles = [end for end in ends.values() if isinstance(end, BaseException)]
        for trouble in troubles[1:]:
            log.error("a step of the watch broke", exc_info=trouble)
        if troubles:
            raise troubles[0]
        return Swept(**{name: end for name, end in ends.items() if isinstance(end, int)})

    async def probe(self) -> Probed:
        """First looks that are still owed, what lapsed by a clock that was wrong, and one minute's
        share of the daily probes: all wait for Amazon. Raises StoreUnavailable."""
        first_looks = await self._look()
        now = self._clock.now()
        back = await self._too_early.round(now)
        probed = await self._probes.round(now)
        return replace(probed, first_looks=first_looks, reinstated=probed.reinstated + back)

    async def rotate(self) -> Turned:
        """One round of the rotations: it may wait for AWS. Raises StoreUnavailable."""
        return await self._rotations.round()

    async def sweep_all(self) -> Swept:
        """All three, one after the other, for who wants to see it done. Raises StoreUnavailable."""
        promoted = (await self.rotate()).promoted
        probed = await self.probe()
        return replace(
            await self.sweep(),
            secrets_promoted=promoted,
            accounts_probed=probed.probed,
            looks_made=probed.first_looks,
        )

    async def _write_to_operators(self, now: datetime) -> int:
        return 0 if await self._daily_letter.put(now) is None else 1

    async def _lose_handshakes(self, now: datetime) -> int:
        return len(await self._consent.lose_stale(now))

    async def _tell_secrets(self) -> int:
        return (await self._rotations.tell_ends()).reminded

    async def _look(self) -> int:
        return await self._consent.look_where_due(self._access_token)

    async def _access_token(self, account_id: str) -> Secret:
        return (await self._tokens.mint(account_id, by=SYSTEM)).value

    async def _purge(self, now: datetime) -> int:
        if self._purged_at is not None and now < self._purged_at + PURGE_EVERY:
            return 0
        rows = (await purge(self._store, now)).rows
        rows += await forget_closed(self._store, now)
        rows += await drop_superseded(self._store, now)
        rows += await purge_journal(self._store, now, self._journal_months)
        self._purged_at = now
        return rows

    async def _empty_safe(self, now: datetime) -> int:
        async with self._store.transaction() as tx:
            expired = await tx.safe.all(before=("expires_at", now - KEPT_AFTER_EXPIRY), limit=ROUND)
            swept = 0
            for sealed in expired:
                # Touching the row first holds it: a fresh secret put there meanwhile is not swept.
                held = await tx.safe.change(
                    sealed.id,
                    expecting={"expires_at": sealed.expires_at, "sealed_at": sealed.sealed_at},
                    expires_at=sealed.expires_at,
                )
                swept += held is not None and await tx.safe.drop(sealed.id)
        return swept

    # --- when somebody asks -------------------------------------------------------------------

    async def note_granted_at(
        self, account_id: str, granted_at: datetime, *, by: Caller
    ) -> Authorization:
        """The day of a grant that was adopted without one, or that Amazon accepts again after its
        term; its term follows from it. Telling the same day twice changes nothing. Needs WRITE.

        Raises NotAllowed, NotFound, InvalidInput (in the future, or too long ago), AccountClosed,
        Conflict (there is no grant in force, its day is known, or somebody else was faster).
        Journal: ``authorization.dated``."""
        return await self._dates.note(account_id, granted_at, by=by)

    async def ahead(self, within: timedelta, *, by: Caller, limit: int = 100) -> list[Coming]:
        """Every end of a grant and of a client secret that comes within that time and the caller's
        reach, the nearest first. Needs READ. Raises NotAllowed, StoreUnavailable."""
        return await self._ahead.look(within, by=by, limit=limit)

    async def outlooks(self, authorizations: Sequence[Authorization]) -> Mapping[str, Outlook]:
        """When somebody is reminded next of each of them, and what to say of it, by its id. Asks
        for no right: whoever holds an authorization may know. Raises StoreUnavailable."""
        return await self._dates.outlooks(authorizations)


async def _at_once(**steps: Awaitable[int]) -> dict[str, int | BaseException]:
    """How each step ended, by its name: what it counted, or what it stumbled over."""
    ends = await asyncio.gather(*steps.values(), return_exceptions=True)
    return dict(zip(steps, ends, strict=True))
