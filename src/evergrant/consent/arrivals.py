"""Arrivals: the callback, believed at most once.

Answers for: judging a callback, spending its handshake before the code is spent, exchanging the
code, storing the grant, and saying afterwards how it ended. Does not answer for: pages, or for what
a process that died in between left behind (`left_behind`).

The order is what keeps accounts apart and grants whole: the handshake becomes SPENT by a
conditional change, so one request wins; only then is the code exchanged, once; then everything is
stored in one commit or nothing is. What was SPENT and never ended is found by
`LeftBehind.lose_stale`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from evergrant.consent.grants import MOST_RACES, Given, Grants, NotStorable, Raced
from evergrant.consent.ground import Case, Ground, begun_by_whom, case_of
from evergrant.consent.handshakes import LIVE, begun_by, facts_of, trouble_of
from evergrant.consent.invitations import Invitations
from evergrant.consent.looks import Looks
from evergrant.consent.queries import Callback, read_callback
from evergrant.consent.reports import Reports, Trouble
from evergrant.consent.values import Arrived
from evergrant.errors import (
    AmazonError,
    ApplicationError,
    ApplicationRefused,
    Blame,
    CodeRefused,
    ConsentRefused,
    EvergrantError,
    StoreUnavailable,
    UnreadableAnswer,
)
from evergrant.naming import new_id
from evergrant.patience import patiently
from evergrant.ports.amazon import LwaClient, TokenAnswer
from evergrant.ports.store import Transaction
from evergrant.ports.things import (
    GrantSource,
    Handshake,
    HandshakeStep,
    SupportReport,
)
from evergrant.rules import ids
from evergrant.rules.invitations import (
    REFUSALS,
    AccountFacts,
    CallbackFacts,
    Refusal,
    Refuse,
    judge_callback,
)
from evergrant.rules.lifecycle import State
from evergrant.rules.secrecy import Secret, digest

__all__ = ["Arrivals", "Believed"]

CONNECTED = "connected"
#: These may be a stranger's doing, so they end no handshake. With any other the browser that began
#: it came back with an answer of Amazon's, and what it says will not change.
_ENDING_NOTHING = frozenset(
    {
        Refusal.STATE_MISSING.value,
        Refusal.STATE_UNKNOWN.value,
        Refusal.STATE_SPENT.value,
        Refusal.OTHER_BROWSER.value,
    }
)
_REASONS = frozenset(refusal.value for refusal in Refusal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """A callback that was accepted; its handshake is spent."""

    handshake: Handshake
    case: Case
    code: Secret
    selling_partner_id: str


class Arrivals:
    def __init__(
        self,
        ground: Ground,
        reports: Reports,
        invitations: Invitations,
        grants: Grants,
        looks: Looks,
    ) -> None:
        self._ground = ground
        self._reports = reports
        self._invitations = invitations
        self._grants = grants
        self._looks = looks
        self._finishing: set[asyncio.Task[Arrived]] = set()

    # --- the callback -------------------------------------------------------------------------

    async def accept(self, query: str, browser: str | None) -> Arrived:
        now = self._ground.clock.now()
        callback = read_callback(query)
        outbox_ids: tuple[str, ...] = ()
        async with self._ground.store.transaction() as tx:
            step = await self._judge(tx, callback, browser, now)
            if isinstance(step, Trouble):
                report, outbox_ids = await self._refuse(tx, step, now)
        if isinstance(step, Trouble):
            await self._ground.ring(outbox_ids)
            own = step.handshake is not None and begun_by(step.handshake, browser)
            raise step.refusal(report, own_browser=own)
        if isinstance(step, Handshake):
            return await self.outcome(step.id, browser)
        # A browser that hangs up now must not take the grant with it: the code is spent.
        finishing = asyncio.create_task(self._finish(step))
        self._finishing.add(finishing)
        finishing.add_done_callback(self._finished)
        return await asyncio.shield(finishing)

    async def close(self, within_s: float) -> None:
        """Lets the exchanges under way come to their end, for so long: their codes are spent, and
        what Amazon gave for them exists nowhere else yet."""
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=within_s)

    def _finished(self, task: asyncio.Task[Arrived]) -> None:
        self._finishing.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, in case nobody waits for it any more

    async def _judge(
        self, tx: Transaction, callback: Callback, browser: str | None, now: datetime
    ) -> Believed | Handshake | Trouble:
        """A handshake: it was spent before, or just now by somebody faster; show its outcome."""
        handshake = (
            await tx.handshakes.one(state_digest=digest(callback.state)) if callback.state else None
        )
        case = None if handshake is None else await case_of(tx, handshake.account_id)
        own = handshake is not None and begun_by(handshake, browser)
        if handshake is not None and own and handshake.step not in LIVE:
            return handshake
        verdict = judge_callback(
            CallbackFacts(
                state_present=callback.state_present,
                code_present=callback.code is not None,
                selling_partner_id=callback.selling_partner_id,
                error=callback.error,
            ),
            facts_of(self._ground, handshake, case, same_browser=own)
            if handshake and case
            else None,
            await self._account_facts(tx, case, callback.selling_partner_id) if case else None,
            now,
        )
        if isinstance(verdict, Refuse):
            return _refusal_of(verdict.reason, handshake, case, callback)
        if handshake is None or case is None or callback.code is None:
            raise LookupError("A callback was accepted without a handshake, account or code.")
        spent = await tx.handshakes.change(
            handshake.id, expecting={"step": LIVE}, step=HandshakeStep.SPENT, spent_at=now
        )
        if spent is None:
            return handshake
        return Believed(
            handshake=spent,
            case=case,
            code=callback.code,
            selling_partner_id=callback.selling_partner_id,
        )

    async def _account_facts(
        self, tx: Transaction, case: Case, selling_partner_id: str
    ) -> AccountFacts:
        return AccountFacts(
            closed=case.authorization.state is State.CLOSED,
            merchant_token=case.account.merchant_token,
            selling_partner_id=case.authorization.selling_partner_id,
            held_by_other=await self._grants.held_by_other(tx, case, selling_partner_id),
        )

    async def _refuse(
        self, tx: Transaction, trouble: Trouble, now: datetime
    ) -> tuple[SupportReport, tuple[str, ...]]:
        filed = await self._reports.file(tx, trouble, now)
        if trouble.handshake is not None and trouble.reason not in _ENDING_NOTHING:
            await tx.handshakes.change(
                trouble.handshake.id,
                expecting={"step": (*LIVE, HandshakeStep.SPENT)},
                step=HandshakeStep.FAILED,
                outcome=trouble.reason,
                reference=filed.report.reference,
                ended_at=now,
            )
        return filed.report, filed.outbox_ids

    # --- the exchange -------------------------------------------------------------------------

    async def _finish(self, believed: Believed) -> Arrived:
        application_id = believed.case.application.id
        try:
            client = await self._ground.registry.lwa_client(application_id)
            answer = await self._exchange(client, believed)
        except StoreUnavailable:
            raise  # nothing can be written down now; `lose_stale` will
        except EvergrantError as error:
            if isinstance(error, ApplicationRefused):
                await self._ground.registry.note_application_trouble(application_id, error)
            raise await self._failed(believed, _trouble_of(error, believed)) from error
        now = self._ground.clock.now()
        grant_id = new_id(ids.Kind.GRANT, now)
        try:
            outbox_ids = await self._store_patiently(believed, answer, grant_id, now)
        except NotStorable as refused:
            trouble = _refusal_of(
                refused.refusal,
                believed.handshake,
                believed.case,
                Callback(selling_partner_id=believed.selling_partner_id),
            )
            raise await self._failed(believed, trouble) from None
        await self._ground.registry.note_application_trouble(application_id, None)
        if outbox_ids is not None:
            await self._ground.ring(outbox_ids)
            await self._looks.after_grant(
                believed.case.account.id, answer.access_token, grant_id=grant_id
            )
        return await self._told(believed.handshake.id)

    async def _exchange(self, client: LwaClient, believed: Believed) -> TokenAnswer:
        """One exchange. A code that LWA may have seen is never shown to it again; only when the
        connection failed before anything was sent, one more try is safe."""
        redirect_uri = believed.handshake.redirect_uri
        try:
            answer = await self._ground.lwa.exchange_code(client, believed.code, redirect_uri)
        except AmazonError as error:
            if error.facts.get("sent") is not False:
                raise
            answer = await self._ground.lwa.exchange_code(client, believed.code, redirect_uri)
        if answer.refresh_token is None:
            raise UnreadableAnswer("LWA took the code and gave no refresh token.")
        return answer

    async def _store_patiently(
        self, believed: Believed, answer: TokenAnswer, grant_id: str, now: datetime
    ) -> tuple[str, ...] | None:
        """Stores the grant and gives what to ring for; None when it was given up as LOST before.
        While the database is away the grant exists nowhere but here, so this is tried for some
        seconds. Raises NotStorable, StoreUnavailable."""

        async def store() -> tuple[str, ...] | None:
            async with self._ground.store.transaction() as tx:
                return await self._store(tx, believed, answer, grant_id, now)

        for _ in range(MOST_RACES):
            try:
                return await patiently(store, self._ground.commit_patience_s)
            except Raced:
                continue
        raise StoreUnavailable("The authorization did not stand still.")

    async def _store(
        self,
        tx: Transaction,
        believed: Believed,
        answer: TokenAnswer,
        grant_id: str,
        now: datetime,
    ) -> tuple[str, ...] | None:
        handshake = await tx.handshakes.change(
            believed.handshake.id,
            expecting={"step": HandshakeStep.SPENT},
            step=HandshakeStep.DONE,
            outcome=CONNECTED,
            ended_at=now,
        )
        if handshake is None:
            # Ended before: by this very commit, whose answer got lost on its way, or as LOST.
            ended = await tx.handshakes.get(believed.handshake.id)
            return () if ended is not None and ended.step is HandshakeStep.DONE else None
        case = await case_of(tx, believed.case.account.id)
        # Judged again with what is true now: an operator or another callback may have come between.
        verdict = judge_callback(
            CallbackFacts(
                state_present=True,
                code_present=True,
                selling_partner_id=believed.selling_partner_id,
            ),
            replace(
                facts_of(self._ground, believed.handshake, case, same_browser=True), spent=False
            ),
            await self._account_facts(tx, case, believed.selling_partner_id),
            believed.handshake.created_at,
        )
        if isinstance(verdict, Refuse):
            raise NotStorable(verdict.reason)
        if case.place != believed.case.place:
            raise NotStorable(Refusal.ACCOUNT_MOVED)
        if answer.refresh_token is None:
            raise LookupError("An answer without a refresh token came this far.")
        given = Given(
            id=grant_id,
            refresh_token=answer.refresh_token,
            access_token=answer.access_token,
            access_token_expires_at=now + timedelta(seconds=answer.expires_in_s),
            source=GrantSource.CONSENT,
            selling_partner_id=believed.selling_partner_id,
            granted_at=now,
            handshake_id=believed.handshake.id,
        )
        by = await begun_by_whom(tx, believed.handshake)
        outbox_ids = await self._grants.store(tx, case, given, now, by=by)
        await self._invitations.spend_all(tx, case.account.id, now)
        return outbox_ids

    async def _failed(self, believed: Believed, trouble: Trouble) -> ConsentRefused:
        """Writes it down, sees to it that a link is ready for the next attempt; the error to
        raise."""
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            report, outbox_ids = await self._refuse(tx, trouble, now)
            case = await case_of(tx, believed.case.account.id)
            if case.authorization.state is not State.CLOSED:
                await self._invitations.ready(tx, case, now)
        await self._ground.ring(outbox_ids)
        return trouble.refusal(report)

    # --- how it ended -------------------------------------------------------------------------

    async def outcome(self, handshake_id: str, browser: str | None) -> Arrived:
        async with self._ground.store.transaction() as tx:
            handshake = await tx.handshakes.get(handshake_id)
        if handshake is None or not begun_by(handshake, browser):
            raise ConsentRefused(Refusal.OTHER_BROWSER.value, facts={"blame": Blame.PARTNER.value})
        return await self._told(handshake.id)

    async def _told(self, handshake_id: str) -> Arrived:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            handshake = await tx.handshakes.get(handshake_id)
            if handshake is None:
                raise LookupError(f"The handshake {handshake_id} is gone.")
            case = await case_of(tx, handshake.account_id)
            rows = await tx.participations.all(account_id=case.account.id, participating=True)
            grants = await tx.grants.all(authorization_id=case.authorization.id)
        known = self._ground.marketplaces
        over = handshake.step in LIVE and now >= handshake.expires_at
        if over or handshake.step in (HandshakeStep.FAILED, HandshakeStep.LOST):
            raise _as_it_ended(handshake, case)
        return Arrived(
            handshake_id=handshake.id,
            account_id=case.account.id,
            account_name=case.account.name,
            partner_kind=case.account.partner_kind,
            language=case.account.language,
            connected=handshake.step is HandshakeStep.DONE,
            renewal=bool(grants) and grants[0].handshake_id != handshake.id,
            # Amazon also names places where shop owners have never heard that they sell.
            marketplaces=tuple(row.name for row in rows if known.by_id(row.marketplace_id)),
            finding=case.authorization.finding,
            return_url=case.instance.return_url or None,
        )


def _refusal_of(
    refusal: Refusal, handshake: Handshake | None, case: Case | None, callback: Callback
) -> Trouble:
    facts = {
        "selling_partner_reported": callback.selling_partner_id,
        "amazon_error": callback.error,
    }
    if case is not None:
        facts |= {
            "merchant_token": case.account.merchant_token,
            "selling_partner_before": case.authorization.selling_partner_id,
        }
    return trouble_of(
        refusal, account=case.account if case else None, handshake=handshake, facts=facts
    )


def _trouble_of(error: EvergrantError, believed: Believed) -> Trouble:
    """What went wrong at the exchange."""
    account, handshake = believed.case.account, believed.handshake
    facts = {
        "selling_partner_reported": believed.selling_partner_id,
        "error": error.code,
        "said": str(error.facts.get("amazon_reason") or error.message),
    }
    if isinstance(error, CodeRefused):
        refusal = Refusal.CODE_REFUSED
    elif isinstance(error, ApplicationError):
        refusal = Refusal.APPLICATION_REFUSED
    elif isinstance(error, AmazonError):
        refusal = Refusal.AMAZON_UNAVAILABLE
    else:
        return Trouble(
            reason=error.code,
            blame=error.blame,
            account=account,
            handshake=handshake,
            advice=error.hint or "",
            facts=facts,
        )
    return trouble_of(refusal, account=account, handshake=handshake, facts=facts)


def _as_it_ended(handshake: Handshake, case: Case) -> ConsentRefused:
    reason = handshake.outcome or Refusal.STATE_EXPIRED.value
    note = REFUSALS[Refusal(reason)] if reason in _REASONS else None
    return ConsentRefused(
        reason,
        reference=handshake.reference or None,
        message=note.happened if note else None,
        facts={
            "blame": note.blame if note else Blame.US.value,
            "language": case.account.language,
            "account_id": case.account.id,
            "handshake_id": handshake.id,
        },
    )
