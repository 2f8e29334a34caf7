"""Invitations: the letter with the link.

Answers for: making, mailing, showing, declining and withdrawing them. Does not answer for: what
happens after the button was pressed, or for the words of the letter.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal, vault
from evergrant.consent.ground import (
    Case,
    Ground,
    case_in_reach,
    case_of,
    host_of,
    one_line,
)
from evergrant.consent.queries import is_random_secret
from evergrant.consent.reports import Filed, Reports, Trouble
from evergrant.consent.values import Opened, TroubleTold
from evergrant.errors import (
    AccountClosed,
    ApplicationIncomplete,
    Blame,
    Conflict,
    ConsentRefused,
)
from evergrant.intake import need
from evergrant.naming import new_id
from evergrant.outbox import put_mail
from evergrant.ports.store import Transaction
from evergrant.ports.things import (
    Account,
    Handshake,
    IntegrationCredentials,
    Invitation,
    InvitationState,
    OutboxItem,
)
from evergrant.rules import ids
from evergrant.rules.amazon_errors import PageError, page_error
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.faults import Fault
from evergrant.rules.invitations import REFUSALS, LinkFacts, Refusal, Refuse, judge_open
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM, Caller, Right, partner
from evergrant.rules.secrecy import Secret, digest

__all__ = ["Invitations", "Live", "Shut"]

#: A stranger can make us write this letter by naming a shop at our log-in URI, so an address gets
#: it at most so often.
COLD_LETTER_PAUSE = timedelta(hours=24)
#: An open link with less time left than this is replaced when a letter is to carry one: letters
#: about an end are a week apart, and the link of each has to live until the next.
READY_MARGIN = timedelta(days=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A link that opens its letter."""

    invitation: Invitation
    case: Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """A link that opens nothing, or nothing any more; then what it belongs to is known."""

    refusal: Refusal
    invitation: Invitation | None = None
    case: Case | None = None


class Invitations:
    def __init__(self, ground: Ground, reports: Reports) -> None:
        self._ground = ground
        self._reports = reports

    # --- operators ----------------------------------------------------------------------------

    async def invite(self, account_id: str, *, by: Caller) -> Invitation:
        need(by, Right.WRITE)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            case = await case_in_reach(tx, account_id, by)
            await self.refuse_unless_invitable(tx, case)
            invitation = await self.prepare(tx, case, now, by=by)
            item = await self.mail(tx, case, invitation, now, by=by)
        await self._ground.ring([item.id])
        return invitation

    async def link(self, account_id: str, *, by: Caller) -> Secret:
        need(by, Right.WRITE)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            case = await case_in_reach(tx, account_id, by)
            await self.refuse_unless_invitable(tx, case)
            await self.hold(tx, case, now)
            invitation = await self.newest_open(tx, account_id, now)
            if invitation is None:
                invitation = await self.prepare(tx, case, now, by=by)
            link = await self.link_of(tx, invitation)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="invitation.link_shown",
                subject=invitation.id,
                account_id=account_id,
            )
        return link

    async def history(self, account_id: str, *, by: Caller) -> list[Invitation]:
        need(by, Right.READ)
        async with self._ground.store.transaction() as tx:
            await case_in_reach(tx, account_id, by)
            return await tx.invitations.all(account_id=account_id)

    # --- the partner's browser ----------------------------------------------------------------

    async def open(self, link_secret: str) -> Opened:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            shown = await self.look_up(tx, link_secret, now)
            if isinstance(shown, Live):
                await self._note_opened(tx, shown.invitation, now)
            else:
                refused = await self.refuse(tx, shown, now)
        if isinstance(shown, Shut):
            raise await self.refused(refused)
        return self._opened(shown.invitation, shown.case)

    async def decline(self, link_secret: str) -> str:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            shown = await self.look_up(tx, link_secret, now)
            if isinstance(shown, Live):
                filed = await self._decline(tx, shown, now)
            else:
                refused = await self.refuse(tx, shown, now)
        if isinstance(shown, Shut):
            raise await self.refused(refused)
        await self._ground.ring(filed.outbox_ids)
        return filed.report.reference

    async def _decline(self, tx: Transaction, live: Live, now: datetime) -> Filed:
        invitation, account = live.invitation, live.case.account
        await self._withdraw(tx, invitation)
        await journal.write(
            tx,
            now=now,
            by=partner(),
            verb="invitation.declined",
            subject=invitation.id,
            account_id=account.id,
            email=invitation.email,
        )
        trouble = Trouble(
            reason=Refusal.DECLINED.value,
            blame=Blame.PARTNER,
            account=account,
            advice="Ask who is the right person, correct the client e-mail if needed, and send a "
            "fresh link. This link no longer works.",
            facts={"letter_to": invitation.email},
        )
        return await self._reports.file(tx, trouble, now)

    async def tell_trouble(self, link_secret: str, code: str, words: str) -> TroubleTold:
        now = self._ground.clock.now()
        known = page_error(code[:40])
        async with self._ground.store.transaction() as tx:
            shown = await self.look_up(tx, link_secret, now)
            invitation, case = shown.invitation, shown.case
            # A letter that is spent or too old is good enough for a word with us.
            if invitation is None or case is None:
                refused = await self.refuse(tx, Shut(refusal=Refusal.INVITATION_UNKNOWN), now)
            else:
                begun = await tx.handshakes.all(invitation_id=invitation.id)
                trouble = _seen_at_amazon(
                    case.account, begun[-1] if begun else None, known, code, words
                )
                filed = await self._reports.file(tx, trouble, now, by=partner())
        if case is None:
            raise await self.refused(refused)
        await self._ground.ring(filed.outbox_ids)
        return TroubleTold(
            reference=filed.report.reference,
            code=known.code if known else "",
            language=case.account.language,
        )

    # --- for the other desks ------------------------------------------------------------------

    async def look_up(self, tx: Transaction, link_secret: str, now: datetime) -> Live | Shut:
        invitation = (
            await tx.invitations.one(link_digest=digest(link_secret))
            if is_random_secret(link_secret)
            else None
        )
        if invitation is None:
            return Shut(refusal=Refusal.INVITATION_UNKNOWN)
        case = await case_of(tx, invitation.account_id)
        verdict = judge_open(_link_facts(invitation, case), now)
        if isinstance(verdict, Refuse):
            return Shut(refusal=verdict.reason, invitation=invitation, case=case)
        return Live(invitation=invitation, case=case)

    async def refuse(self, tx: Transaction, shown: Shut, now: datetime) -> tuple[Trouble, Filed]:
        refusal = shown.refusal
        note = REFUSALS[refusal]
        connected = shown.case is not None and shown.case.authorization.state is State.ACTIVE
        trouble = Trouble(
            reason=refusal.value,
            blame=Blame(note.blame),
            account=shown.case.account if shown.case else None,
            advice=note.to_do,
            facts={
                "happened": note.happened,
                "letter_to": shown.invitation.email if shown.invitation else "",
            },
            # Who opens the letter again after all went well has no trouble.
            told_by_mail=not (refusal is Refusal.INVITATION_SPENT and connected),
        )
        return trouble, await self._reports.file(tx, trouble, now)

    async def refused(self, refused: tuple[Trouble, Filed]) -> ConsentRefused:
        """The error to raise, after the bell was rung for its letter."""
        trouble, filed = refused
        await self._ground.ring(filed.outbox_ids)
        return trouble.refusal(filed.report)

    async def prepare(
        self, tx: Transaction, case: Case, now: datetime, *, by: Caller
    ) -> Invitation:
        """A fresh invitation in place of all older ones, its link in the safe; nobody is mailed."""
        case = await self.hold(tx, case, now)
        return await self._made(tx, case, await self._open_ones(tx, case.account.id), now, by=by)

    async def _made(
        self,
        tx: Transaction,
        case: Case,
        in_place_of: Sequence[Invitation],
        now: datetime,
        *,
        by: Caller,
    ) -> Invitation:
        account = case.account
        for older in in_place_of:
            await self._withdraw(tx, older)
        link_secret = Secret(secrets.token_urlsafe(32))
        invitation = Invitation(
            id=new_id(ids.Kind.INVITATION, now),
            account_id=account.id,
            link_digest=digest(link_secret),
            email=account.client_email,
            language=account.language,
            state=InvitationState.OPEN,
            created_at=now,
            expires_at=now + self._ground.invitation_life,
        )
        await tx.invitations.add(invitation)
        await self._ground.vault.put(
            tx,
            vault.invitation_link(invitation.id),
            link_secret,
            now=now,
            expires_at=invitation.expires_at,
        )
        await journal.write(
            tx,
            now=now,
            by=by,
            verb="invitation.made",
            subject=invitation.id,
            account_id=account.id,
            email=invitation.email,
            expires_at=invitation.expires_at,
        )
        return invitation

    async def ready(self, tx: Transaction, case: Case, now: datetime) -> Invitation:
        """An open invitation with some days left, made if need be; nobody is mailed."""
        case = await self.hold(tx, case, now)
        open_ones = await self._open_ones(tx, case.account.id)
        found = _newest(open_ones, now + READY_MARGIN)
        return found or await self._made(tx, case, open_ones, now, by=SYSTEM)

    async def write_again(self, tx: Transaction, case: Case, now: datetime) -> OutboxItem | None:
        """A letter because somebody unproven asked for one. The link that is open stays as it is,
        so a stranger cannot make it useless; None when a letter went out a short while ago."""
        await self.hold(tx, case, now)
        invitation = await self.newest_open(tx, case.account.id, now)
        if invitation is None:
            invitation = await self.prepare(tx, case, now, by=partner())
        else:
            sent = await tx.outbox.all(subject=invitation.id)
            if any(item.created_at > now - COLD_LETTER_PAUSE for item in sent):
                return None
        return await self.mail(tx, case, invitation, now, by=partner())

    async def spend_all(self, tx: Transaction, account_id: str, now: datetime) -> None:
        """The account is connected: no link of it opens anything any more."""
        for invitation in await self._open_ones(tx, account_id):
            await tx.invitations.change(invitation.id, state=InvitationState.SPENT, spent_at=now)
            await self._ground.vault.drop(tx, vault.invitation_link(invitation.id))

    async def newest_open(
        self, tx: Transaction, account_id: str, until: datetime
    ) -> Invitation | None:
        """The newest invitation that still opens at ``until``."""
        return _newest(await self._open_ones(tx, account_id), until)

    async def link_of(self, tx: Transaction, invitation: Invitation) -> Secret:
        link_secret = await self._ground.vault.open(tx, vault.invitation_link(invitation.id))
        if link_secret is None:
            raise LookupError(f"The link of {invitation.id} does not lie in the safe.")
        return self._ground.link(link_secret)

    # --- inside -------------------------------------------------------------------------------

    async def _open_ones(self, tx: Transaction, account_id: str) -> list[Invitation]:
        return await tx.invitations.all(account_id=account_id, state=InvitationState.OPEN)

    async def hold(self, tx: Transaction, case: Case, now: datetime) -> Case:
        """The flow has begun. Written before any look at the account's invitations: the write holds
        the account's row, so that two who make one at the same time take turns. The account is
        given as it is then: its e-mail may have been corrected since the case was read."""
        began_at = case.account.oauth_began_at or now
        held = await tx.accounts.change(case.account.id, oauth_began=True, oauth_began_at=began_at)
        if held is None:
            raise LookupError(f"The account {case.account.id} is gone.")
        return replace(case, account=held)

    async def refuse_unless_invitable(self, tx: Transaction, case: Case) -> None:
        """Raises AccountClosed, ApplicationIncomplete, Conflict (there is no consent page)."""
        self.judge(case, await tx.credentials.get(case.application.id))

    def judge(self, case: Case, credentials: IntegrationCredentials | None) -> None:
        """Raises as `refuse_unless_invitable`, for who has the credentials at hand."""
        if case.authorization.state is State.CLOSED:
            raise AccountClosed(hint="Reopen the account first.")
        if case.application.kind is ApplicationKind.PRIVATE:
            raise Conflict(
                f"The application {case.application.name!r} is private: Amazon has no consent "
                "page for it.",
                hint="Authorize it in Amazon's own console and adopt the refresh token.",
            )
        try:
            self._ground.consent_origin(case.account)
        except Fault as fault:
            raise Conflict(fault.message, hint=fault.hint) from None
        _refuse_unless_complete(case, credentials)

    async def refuse_unless_complete(self, tx: Transaction, case: Case) -> None:
        """Raises ApplicationIncomplete: consent could be given, and then nothing done with it."""
        _refuse_unless_complete(case, await tx.credentials.get(case.application.id))

    async def mail(
        self,
        tx: Transaction,
        case: Case,
        invitation: Invitation,
        now: datetime,
        *,
        by: Caller,
        topic: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> OutboxItem:
        """The letter that brings its link; ``topic`` and ``facts`` where it is about more."""
        item = await put_mail(
            tx,
            now=now,
            topic=topic or ("renewal" if case.renewal else "invitation"),
            subject=invitation.id,
            to=invitation.email,
            language=invitation.language,
            account_id=case.account.id,
            facts={"account_name": case.account.name, **(facts or {})},
        )
        await journal.write(
            tx,
            now=now,
            by=by,
            verb="invitation.mailed",
            subject=invitation.id,
            account_id=case.account.id,
            email=invitation.email,
            letter=item.topic,
        )
        return item

    async def _withdraw(self, tx: Transaction, invitation: Invitation) -> None:
        await tx.invitations.change(
            invitation.id,
            expecting={"state": InvitationState.OPEN},
            state=InvitationState.WITHDRAWN,
        )
        await self._ground.vault.drop(tx, vault.invitation_link(invitation.id))

    async def _note_opened(self, tx: Transaction, invitation: Invitation, now: datetime) -> None:
        first = await tx.invitations.change(
            invitation.id, expecting={"opened_at": None}, opened_at=now
        )
        if first is not None:
            await journal.write(
                tx,
                now=now,
                by=partner(),
                verb="invitation.opened",
                subject=invitation.id,
                account_id=invitation.account_id,
            )

    def _opened(self, invitation: Invitation, case: Case) -> Opened:
        return Opened(
            invitation_id=invitation.id,
            account_id=case.account.id,
            account_name=case.account.name,
            partner_kind=case.account.partner_kind,
            language=case.account.language,
            application_name=case.application.name,
            central_host=host_of(self._ground.consent_origin(case.account)),
            renewal=case.renewal,
            expires_at=invitation.expires_at,
        )


def _refuse_unless_complete(case: Case, credentials: IntegrationCredentials | None) -> None:
    if credentials is None or not credentials.lwa_client_id or not credentials.secret_set:
        raise ApplicationIncomplete(
            f"The application {case.application.name!r} has no LWA client id or no client "
            "secret yet.",
            hint="Set the integration credentials of the application first.",
        )


def _newest(invitations: Sequence[Invitation], until: datetime) -> Invitation | None:
    return next((one for one in reversed(invitations) if one.expires_at > until), None)


def _link_facts(invitation: Invitation, case: Case) -> LinkFacts:
    return LinkFacts(
        spent=invitation.state is InvitationState.SPENT,
        withdrawn=invitation.state is InvitationState.WITHDRAWN,
        expires_at=invitation.expires_at,
        account_closed=case.authorization.state is State.CLOSED,
    )


def _seen_at_amazon(
    account: Account, handshake: Handshake | None, known: PageError | None, code: str, words: str
) -> Trouble:
    """What the partner says that Amazon's own page showed."""
    return Trouble(
        reason=f"amazon_page_{known.code.lower()}" if known else "amazon_page",
        blame=Blame(known.blame) if known else Blame.AMAZON,
        account=account,
        handshake=handshake,
        advice=known.to_do if known else "Ask the partner for a picture of the page.",
        facts={
            "happened": known.cause
            if known
            else "Amazon's own page showed an error to the partner.",
            "amazon_page_showed": known.code if known else one_line(code, 40),
            "partner_says": one_line(words, 300),
        },
    )
