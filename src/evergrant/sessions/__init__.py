"""THE PORTER'S LODGE. Who of the house comes in by a browser, and stays.

Answers for: signing in by password and second factor or by the house's identity provider, sessions
and their ends, lock-out, invitations of operators, and the first start; a person is written to when
what lets them in has changed. Does not answer for: what
an operator may do (``rules.rights``, asked by each room), for keys of programs (the key rack), or
for cookies and pages (the console).

A session's secret is the browser's; here lies its digest. With each step of signing in comes
another secret. What a session is worth is computed from its facts at each request, so a disabled
operator, another role, or a second factor that is required from now on, count at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from evergrant.people import WAY_IN_LETTER, People, way_in_facts
from evergrant.ports import Bell, Clock
from evergrant.ports.signed_in import OperatorInvitation, OperatorSession, SignInMethod
from evergrant.ports.single_sign_on import SingleSignOn
from evergrant.ports.store import Store
from evergrant.ports.things import Operator, OutboxItem
from evergrant.rules.rights import Caller
from evergrant.rules.second_factor import Step
from evergrant.rules.secrecy import Secret
from evergrant.sessions.arriving import Arriving
from evergrant.sessions.factors import Factors
from evergrant.sessions.ground import Ground
from evergrant.sessions.joining import INVITATION_LETTER, JOIN_PATH, Joining
from evergrant.sessions.lockout import LOCKED_LETTER, Lockout, locked_letter
from evergrant.sessions.sign_in import SignIn
from evergrant.sessions.standing import KEPT_AFTER_END, Standing
from evergrant.sessions.values import (
    Arrived,
    Begun,
    Browser,
    Enrolled,
    Enrolment,
    NewInvitation,
    OperatorLetter,
    Present,
    SignedIn,
)
from evergrant.settings import House, SigningIn
from evergrant.vault import Vault

__all__ = [
    "INVITATION_LETTER",
    "JOIN_PATH",
    "KEPT_AFTER_END",
    "LETTERS",
    "LOCKED_LETTER",
    "Arrived",
    "Begun",
    "Browser",
    "Enrolled",
    "Enrolment",
    "NewInvitation",
    "OperatorInvitation",
    "OperatorLetter",
    "OperatorSession",
    "Present",
    "Sessions",
    "SignInMethod",
    "SignedIn",
    "Step",
]

#: Letters to operators, for which this room knows what they say.
LETTERS = frozenset({INVITATION_LETTER, LOCKED_LETTER, WAY_IN_LETTER})


class Sessions:
    """One per process. Verbs with ``by`` raise NotAllowed without the right and NotFound without
    the thing; verbs with ``secret`` raise SessionOver without a session that lives, and
    NotAuthenticated while another step is wanted."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        people: People,
        bell: Bell,
        house: House,
        signing_in: SigningIn | None = None,
        single_sign_on: SingleSignOn | None = None,
    ) -> None:
        ground = Ground(
            store=store,
            clock=clock,
            vault=vault,
            people=people,
            bell=bell,
            house=house,
            signing_in=signing_in or SigningIn(),
        )
        lockout = Lockout(ground)
        self._sign_in = SignIn(ground, lockout)
        self._factors = Factors(ground, lockout)
        self._joining = Joining(ground)
        self._standing = Standing(ground, lockout)
        self._arriving = Arriving(ground, single_sign_on)

    # --- signing in ---

    async def sign_in(self, email: str, password: Secret, browser: Browser) -> SignedIn:
        """Raises SignInRefused: unknown, wrong, disabled and locked look and cost the same.
        Journal: ``operator.signed_in``, ``operator.refused``, ``operator.locked``."""
        return await self._sign_in.sign_in(email, password, browser)

    async def prove(self, secret: Secret, code: str, browser: Browser) -> SignedIn:
        """The second factor: a code of the clock or a recovery code, each good once. The session
        gets another secret. Raises SecondFactorRefused; ten wrong codes lock it for a while."""
        return await self._factors.prove(secret, code, browser)

    async def recognise(self, secret: Secret, *, quietly: bool = False) -> Present | None:
        """Whose session this is; None: unknown, ended, idle for too long, or of somebody who was
        disabled. One indexed read, and one write a minute at most. ``quietly``: nobody clicked, a
        page asked by itself, so that it does not count as use. Raises StoreUnavailable."""
        return await self._sign_in.recognise(secret, quietly=quietly)

    async def sign_out(self, secret: Secret) -> None:
        """Doing it twice does no harm. Journal: ``operator.signed_out``."""
        await self._sign_in.sign_out(secret)

    async def change_password(
        self, secret: Secret, old: Secret, new: Secret, browser: Browser
    ) -> SignedIn:
        """One's own. All sessions end, this one goes on with another secret. Raises InvalidInput
        (fields ``old``, ``password``). Journal: ``operator.password_set``."""
        return await self._sign_in.change_password(secret, old, new, browser)

    # --- the second factor ---

    async def begin_enrolment(self, secret: Secret, current: str = "") -> Enrolment:
        """A key that waits for its first code; asked again within the hour, the same one.
        ``current``: a code of the factor in force, which whoever has one must show to set another.
        Raises SecondFactorRefused without it."""
        return await self._factors.begin_enrolment(secret, current)

    async def confirm_enrolment(self, secret: Secret, code: str, browser: Browser) -> Enrolled:
        """The factor is in force, with ten fresh recovery codes; all other sessions end, this one
        goes on with another secret. Raises SecondFactorRefused, Conflict (nothing waits). Journal:
        ``operator.second_factor_set``."""
        return await self._factors.confirm_enrolment(secret, code, browser)

    async def new_recovery_codes(self, secret: Secret, code: str) -> tuple[Secret, ...]:
        """Ten fresh ones; the old ones are worth nothing. Raises SecondFactorRefused, Conflict
        without a second factor. Journal: ``operator.recovery_codes_made``."""
        return await self._factors.new_recovery_codes(secret, code)

    async def recovery_codes_left(self, operator_id: str) -> int:
        return await self._factors.recovery_codes_left(operator_id)

    async def remove_second_factor(self, operator_id: str, *, by: Caller) -> Operator:
        """Of somebody who lost it; recovery codes go too, and all sessions end. Needs MANAGE.
        Journal: ``operator.second_factor_removed``."""
        return await self._factors.remove(operator_id, by=by)

    # --- the identity provider ---

    @property
    def single_sign_on_name(self) -> str | None:
        """What its button says; None: there is none."""
        return self._arriving.name

    async def begin_single_sign_on(self, return_to: str) -> Begun:
        """Where the browser goes, and the secret that it keeps meanwhile. Raises NotFound without
        an identity provider, ProviderUnavailable."""
        return await self._arriving.begin(return_to)

    async def finish_single_sign_on(self, query: str, state: Secret, browser: Browser) -> Arrived:
        """Signs in an operator whom the provider vouches for: by the subject that was bound before,
        else by a mail address that the provider verified, which binds it. Raises
        SingleSignOnRefused, ProviderUnavailable, NotFound."""
        return await self._arriving.finish(query, state, browser)

    async def unbind_single_sign_on(self, operator_id: str, *, by: Caller) -> Operator:
        """Whom the provider vouched for as this operator comes in by it no more; all sessions end.
        The next one whom it vouches for with this mail address is bound anew. Doing it twice does
        no harm. Needs MANAGE. Raises Conflict where there is no password: that would leave no way
        in. Journal: ``operator.single_sign_on_unbound``."""
        return await self._arriving.unbind(operator_id, by=by)

    # --- sessions ---

    async def sessions(
        self, *, by: Caller, operator_id: str | None = None
    ) -> list[OperatorSession]:
        """Those that live, seen last first. One's own need no right, all others AUDIT."""
        return await self._standing.sessions(by=by, operator_id=operator_id)

    async def revoke(self, session_id: str, *, by: Caller) -> OperatorSession:
        """Ends it at once. One's own need no right, all others MANAGE. Journal:
        ``operator.session_revoked``."""
        return await self._standing.revoke(session_id, by=by)

    async def revoke_all(self, operator_id: str, *, by: Caller, but: str | None = None) -> int:
        """Ends all of an operator but that of the id ``but``; gives how many. One's own need no
        right, all others MANAGE. Journal: ``operator.sessions_revoked``."""
        return await self._standing.revoke_all(operator_id, by=by, but=but)

    async def tidy(self) -> int:
        """Forgets sessions that ended more than thirty days ago and counts of long past; gives how
        many rows went. To be called by a worker each day or so."""
        return await self._standing.tidy()

    # --- operators ---

    async def locked(self, *, by: Caller) -> Mapping[str, datetime]:
        """Operators who cannot sign in at present, and until when. Needs AUDIT."""
        return await self._standing.locked(by=by)

    async def unlock(self, operator_id: str, *, by: Caller) -> Operator:
        """Needs MANAGE. Journal: ``operator.unlocked``."""
        return await self._standing.unlock(operator_id, by=by)

    async def change_role(self, operator_id: str, role: str, *, by: Caller) -> Operator:
        """In force with the next request. Needs MANAGE and all rights of the role. Raises
        LastAdmin, InvalidInput. Journal: ``operator.role_changed``."""
        return await self._standing.change_role(operator_id, role, by=by)

    async def enable(self, operator_id: str, *, by: Caller) -> Operator:
        """Lets somebody in again who was disabled. Needs MANAGE. Journal: ``operator.enabled``."""
        return await self._standing.enable(operator_id, by=by)

    # --- joining ---

    async def invite_operator(
        self, *, name: str, email: str, role: str, by: Caller
    ) -> OperatorInvitation:
        """Sends a letter with a link that makes somebody an operator; older ones to this address
        open nothing any more. Needs MANAGE and all rights of the role. Raises InvalidInput,
        Conflict (is an operator). Journal: ``operator.invited``."""
        return await self._joining.invite(name=name, email=email, role=role, by=by)

    async def invitations(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[OperatorInvitation]:
        """In order of their creation, spent ones too. Needs AUDIT."""
        return await self._joining.invitations(by=by, after=after, limit=limit)

    async def invitation_link(self, id: str, *, by: Caller) -> NewInvitation:
        """The link of an open invitation, to be handed over by other means. Needs MANAGE. Raises
        Conflict when it opens nothing any more. Journal: ``operator.invitation_link_shown``."""
        return await self._joining.link(id, by=by)

    async def withdraw_invitation(self, id: str, *, by: Caller) -> OperatorInvitation:
        """Doing it twice does no harm. Needs MANAGE. Raises Conflict when it was accepted.
        Journal: ``operator.invitation_withdrawn``."""
        return await self._joining.withdraw(id, by=by)

    async def look_up_invitation(self, link: Secret) -> OperatorInvitation:
        """What the link opens; spends nothing. Raises InvitationRefused."""
        return await self._joining.look_up(link)

    async def accept_invitation(self, link: Secret, password: Secret, browser: Browser) -> SignedIn:
        """Makes the operator and signs in. Raises InvitationRefused, InvalidInput (password),
        Conflict. Journal: ``operator.added``, ``operator.invitation_accepted``."""
        return await self._joining.accept(link, password, browser)

    async def nobody_works_here(self) -> bool:
        """Whether the house still waits for its first operator. Writes nothing."""
        return await self._joining.nobody_works_here()

    async def first_start_code(self) -> Secret | None:
        """Admits the first admin; the same one in every process. None as soon as there is an
        operator."""
        return await self._joining.first_start_code()

    async def admit_first(
        self, code: Secret, name: str, email: str, password: Secret, browser: Browser
    ) -> SignedIn:
        """Makes the first operator, an admin, and signs in. Raises FirstStartRefused, InvalidInput.
        Journal: ``operator.added``, ``operator.first_admitted``."""
        return await self._joining.admit_first(code, name, email, password, browser)

    # --- for the post room ---

    async def letter_facts(self, item: OutboxItem) -> OperatorLetter | None:
        """What a letter of ``LETTERS`` says; None when it is pointless by now."""
        if item.topic == LOCKED_LETTER:
            return locked_letter(item)
        if item.topic == WAY_IN_LETTER:
            return OperatorLetter(facts=way_in_facts(item))
        return await self._joining.letter(item)
