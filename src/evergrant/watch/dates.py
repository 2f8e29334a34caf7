"""The day of a grant: what somebody has to tell, and what follows from it.

Answers for: noting the day on which a grant was given that Evergrant did not receive itself, with
the term that follows from it, and for what comes next for an authorization, in words. Does not
answer for: grants that came by consent, whose day nobody has to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from evergrant import journal, notices
from evergrant.errors import AccountClosed, Conflict, NotFound
from evergrant.intake import Flaws, need
from evergrant.ports import Clock
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Application, Authorization, Grant, GrantSource
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.reminders import Outlook, day_words, is_undated, outlook
from evergrant.rules.rights import Caller, Right
from evergrant.rules.terms import GRANT_TERM, grant_term_ends_at
from evergrant.settings import Watching

__all__ = ["Dates"]

#: Nobody was granted anything before Amazon had this interface (announced in October 2020).
_FIRST_DAY = datetime(2020, 10, 1, tzinfo=UTC)
#: A date without a time of day, written east of us, may lie ahead.
_TODAY_ELSEWHERE = timedelta(days=1)


class Dates:
    def __init__(self, *, store: Store, clock: Clock, watching: Watching) -> None:
        self._store = store
        self._clock = clock
        self._usual_days = watching.reminder_days

    async def note(self, account_id: str, granted_at: datetime, *, by: Caller) -> Authorization:
        """Needs WRITE. Telling the same day twice changes nothing. Raises NotAllowed, NotFound,
        InvalidInput, AccountClosed, Conflict (there is no grant in force, its day is known, or
        somebody else was faster). Journal: ``authorization.dated``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        flaws = Flaws()
        flaws.instant("granted_at", granted_at)
        flaws.refuse_if_any()
        async with self._store.transaction() as tx:
            seen, grant, application = await _datable(tx, account_id, by)
            _check(flaws, granted_at, application.kind, now)
            # What is written east of us as today has begun already.
            at = min(granted_at.astimezone(UTC), now)
            if seen.granted_at == at and not is_undated(application.kind, at, seen.term_ends_at):
                return seen
            return await _date(tx, seen, grant, at, application.kind, now, by)

    async def outlooks(self, authorizations: Sequence[Authorization]) -> Mapping[str, Outlook]:
        """What comes for each of them, by its id. Asks for no right: whoever has an authorization
        in hand may know."""
        now = self._clock.now()
        wanted = {one.application_id for one in authorizations}
        async with self._store.transaction() as tx:
            known = {one.id: one for one in await tx.applications.all(id=wanted)} if wanted else {}
        return {
            one.id: self._outlook(one, known[one.application_id], now) for one in authorizations
        }

    def _outlook(self, own: Authorization, application: Application, now: datetime) -> Outlook:
        own_days = application.reminder_days
        return outlook(
            now,
            state=own.state,
            kind=application.kind,
            granted_at=own.granted_at,
            term_ends_at=own.term_ends_at,
            windows=self._usual_days if own_days is None else own_days,
        )


async def _datable(
    tx: Transaction, account_id: str, by: Caller
) -> tuple[Authorization, Grant, Application]:
    account = await tx.accounts.get(account_id)
    if account is None or not by.reaches_account(account.id, account.client_instance_id):
        raise NotFound("There is no such account.")
    seen = await tx.authorizations.one(account_id=account_id)
    application = await tx.applications.get(account.application_id)
    assert seen is not None, f"{account_id} has no authorization"
    assert application is not None, "the store holds to its references"
    if seen.state is State.CLOSED:
        raise AccountClosed(hint="Reopen the account first.")
    grant = await tx.grants.get(seen.grant_id) if seen.grant_id else None
    if grant is None or seen.state is not State.ACTIVE:
        raise Conflict(
            "There is no grant in force whose day could be noted.",
            hint="Send the account a link; the day of a consent by link is known.",
        )
    undated = is_undated(application.kind, seen.granted_at, seen.term_ends_at)
    if grant.source is GrantSource.CONSENT and seen.granted_at is not None and not undated:
        raise Conflict(
            f"Its day is known: the selling partner gave consent here on "
            f"{day_words(seen.granted_at)}."
        )
    return seen, grant, application


def _check(flaws: Flaws, granted_at: datetime, kind: ApplicationKind, now: datetime) -> None:
    if granted_at > now + _TODAY_ELSEWHERE:
        flaws.add("granted_at", "lies in the future.", code="out_of_range")
    elif granted_at < _FIRST_DAY:
        flaws.add(
            "granted_at",
            f"lies before {day_words(_FIRST_DAY)}, when there was nothing to grant yet.",
            code="out_of_range",
        )
    elif kind is ApplicationKind.PUBLIC and granted_at + GRANT_TERM <= now:
        flaws.add(
            "granted_at",
            "lies more than 365 days back: Amazon ends a grant of a public application then, "
            "and this one is accepted.",
            code="out_of_range",
            hint="Renewed since? Then tell that day. Not known? Leave it.",
        )
    flaws.refuse_if_any()


async def _date(
    tx: Transaction,
    seen: Authorization,
    grant: Grant,
    at: datetime,
    kind: ApplicationKind,
    now: datetime,
    by: Caller,
) -> Authorization:
    ends_at = grant_term_ends_at(at, kind)
    dated = await tx.authorizations.change(
        seen.id,
        {"version": seen.version, "state": seen.state, "grant_id": grant.id},
        granted_at=at,
        term_ends_at=ends_at,
        version=seen.version + 1,
        changed_at=now,
    )
    if dated is None:
        raise Conflict("Somebody else changed this account at the same moment; look at it again.")
    await tx.grants.change(grant.id, granted_at=at, term_ends_at=ends_at)
    # The others speak of another end. Those of this one come in their time.
    kinds = (NoticeKind.TERM_UNKNOWN, NoticeKind.TERM_BELIEVED, NoticeKind.TERM_ENDING)
    await notices.settle(tx, now=now, kinds=kinds, subject=seen.id, by=str(by))
    await journal.write(
        tx,
        now=now,
        by=by,
        verb="authorization.dated",
        subject=seen.id,
        account_id=seen.account_id,
        grant_id=grant.id,
        was={"granted_at": seen.granted_at, "term_ends_at": seen.term_ends_at},
        granted_at=at,
        term_ends_at=ends_at,
    )
    return dated
