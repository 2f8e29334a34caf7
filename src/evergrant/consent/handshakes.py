"""Handshakes: one attempt at consent, minutes long, of one browser.

Answers for: beginning one and sending the browser to Amazon, and for knowing it again. Does not
answer for: the ways back (log-in leg and callback have a desk each).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from evergrant import journal
from evergrant.consent.ground import Case, Ground, case_in_reach, case_of
from evergrant.consent.invitations import Invitations, Live
from evergrant.consent.queries import is_random_secret
from evergrant.consent.reports import Filed, Reports, Trouble
from evergrant.consent.values import Departure
from evergrant.errors import ApplicationIncomplete, Blame
from evergrant.intake import need
from evergrant.naming import new_id
from evergrant.ports.store import Transaction
from evergrant.ports.things import Account, Application, Handshake, HandshakeStep
from evergrant.rules import ids
from evergrant.rules.applications import needs_beta
from evergrant.rules.invitations import HANDSHAKE_LIFE, REFUSALS, HandshakeFacts, Refusal
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, consent_url
from evergrant.rules.rights import Caller, Right, partner
from evergrant.rules.secrecy import Secret, digest

__all__ = [
    "COOKIE_LIFE_S",
    "LIVE",
    "Handshakes",
    "begun_by",
    "beta_of",
    "facts_of",
    "state_of",
    "trouble_of",
]

#: Steps from which a handshake can still succeed.
LIVE = (HandshakeStep.BEGUN, HandshakeStep.LOGGED_IN)
#: The browser is known that much longer than one handshake, so that its outcome can be shown.
COOKIE_LIFE_S = 3600


def begun_by(handshake: Handshake, browser: str | None) -> bool:
    return browser is not None and hmac.compare_digest(handshake.browser_digest, digest(browser))


def facts_of(
    ground: Ground, handshake: Handshake, case: Case, *, same_browser: bool
) -> HandshakeFacts:
    return HandshakeFacts(
        expires_at=handshake.expires_at,
        spent=handshake.step not in LIVE,
        same_browser=same_browser,
        amazon_application_id=case.application.application_id,
        consent_origin=handshake.consent_origin,
        selling_partner_id=handshake.selling_partner_id,
        account_moved=ground.moved(handshake, case),
    )


def trouble_of(
    refusal: Refusal,
    *,
    account: Account | None = None,
    handshake: Handshake | None = None,
    told_by_mail: bool = True,
    facts: Mapping[str, str] | None = None,
) -> Trouble:
    """A refusal of the rules, with what they know of it."""
    note = REFUSALS[refusal]
    return Trouble(
        reason=refusal.value,
        blame=Blame(note.blame),
        account=account,
        handshake=handshake,
        advice=note.to_do,
        facts={"happened": note.happened, **(facts or {})},
        told_by_mail=told_by_mail,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    handshake: Handshake
    state: Secret
    case: Case


class Handshakes:
    def __init__(self, ground: Ground, reports: Reports, invitations: Invitations) -> None:
        self._ground = ground
        self._reports = reports
        self._invitations = invitations

    # --- the button ---------------------------------------------------------------------------

    async def begin(
        self, link_secret: str, browser: str | None, *, by: Caller | None = None
    ) -> Departure:
        if by is not None:
            need(by, Right.WRITE)
        now = self._ground.clock.now()
        cookie = browser if browser and is_random_secret(browser) else secrets.token_urlsafe(32)
        async with self._ground.store.transaction() as tx:
            shown = await self._invitations.look_up(tx, link_secret, now)
            if by is not None and shown.case is not None:
                await case_in_reach(tx, shown.case.account.id, by)
            if isinstance(shown, Live):
                begun = await self._begin(tx, shown, cookie, now, by or partner())
            else:
                begun = await self._invitations.refuse(tx, shown, now)
        if not isinstance(begun, _Begun):
            raise await self._invitations.refused(begun)
        application, account = begun.case.application, begun.case.account
        location = consent_url(
            begun.handshake.consent_origin,
            application_id=application.application_id,
            state=begun.state.reveal(),
            redirect_uri=begun.handshake.redirect_uri,
            beta=beta_of(application, account.partner_kind),
        )
        return Departure(
            location=Secret(location),
            browser=Secret(cookie),
            cookie_life_s=COOKIE_LIFE_S,
            handshake_id=begun.handshake.id,
        )

    async def _begin(
        self, tx: Transaction, live: Live, cookie: str, now: datetime, by: Caller
    ) -> _Begun | tuple[Trouble, Filed]:
        case = live.case
        try:
            await self._invitations.refuse_unless_complete(tx, case)
        except ApplicationIncomplete as error:
            return await self._incomplete(tx, case.account, error, now)
        begun = self._begun(live.invitation.id, case, cookie, now)
        await tx.handshakes.add(begun.handshake)
        await journal.write(
            tx,
            now=now,
            by=by,
            verb="handshake.begun",
            subject=begun.handshake.id,
            account_id=case.account.id,
            invitation_id=begun.handshake.invitation_id,
            consent_host=begun.handshake.consent_origin,
            expires_at=begun.handshake.expires_at,
        )
        return begun

    def _begun(self, invitation_id: str, case: Case, cookie: str, now: datetime) -> _Begun:
        handshake_id = new_id(ids.Kind.HANDSHAKE, now)
        state = state_of(handshake_id, cookie)
        handshake = Handshake(
            id=handshake_id,
            invitation_id=invitation_id,
            account_id=case.account.id,
            application_id=case.application.id,
            step=HandshakeStep.BEGUN,
            state_digest=digest(state),
            browser_digest=digest(cookie),
            consent_origin=self._ground.consent_origin(case.account),
            redirect_uri=self._ground.redirect_uri_of(case.application),
            created_at=now,
            expires_at=now + HANDSHAKE_LIFE,
        )
        return _Begun(handshake=handshake, state=state, case=case)

    async def _incomplete(
        self, tx: Transaction, account: Account, error: ApplicationIncomplete, now: datetime
    ) -> tuple[Trouble, Filed]:
        trouble = Trouble(
            reason=error.code,
            blame=error.blame,
            account=account,
            advice=error.hint or "",
            facts={"happened": error.message},
        )
        return trouble, await self._reports.file(tx, trouble, now)

    # --- knowing it again ---------------------------------------------------------------------

    async def way_back(self, handshake_id: str, browser: str | None) -> Secret | None:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            handshake = await tx.handshakes.get(handshake_id)
            if handshake is None or not begun_by(handshake, browser):
                return None
            case = await case_of(tx, handshake.account_id)
            if case.authorization.state is State.CLOSED:
                return None
            began = await tx.invitations.get(handshake.invitation_id)
            invitation = await self._invitations.newest_open(tx, handshake.account_id, now)
            # A newer letter may have gone to somebody else; this browser holds the older one only.
            if invitation is None or began is None or invitation.email != began.email:
                return None
            return await self._invitations.link_of(tx, invitation)


def state_of(handshake_id: str, cookie: str) -> Secret:
    """Our OAuth ``state``: made of the browser's cookie, so that the log-in leg can send the same
    state on although only its digest is stored. Whoever reads the database, or sees a state, can
    make no other one of it."""
    made = hmac.new(cookie.encode(), f"state:{handshake_id}".encode(), hashlib.sha256).digest()
    return Secret(base64.urlsafe_b64encode(made).decode().rstrip("="))


def beta_of(application: Application, partner_kind: PartnerKind) -> bool:
    """Whether Amazon's pages want ``version=beta`` of this application."""
    override = (
        application.beta_for_sellers
        if partner_kind is PartnerKind.SELLER
        else application.beta_for_vendors
    )
    return needs_beta(application.status, partner_kind, override)
