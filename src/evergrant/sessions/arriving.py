"""Coming in by the house's identity provider.

Answers for: what one way there and back is bound to, which operator came back, and undoing that
somebody is known by it. Does not answer for: the protocol itself (the pipe).

Nothing of a way is kept here: all that it is bound to is derived from one secret, which the browser
keeps meanwhile. Another browser does not have it, so nobody is made to sign in as somebody else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime

from evergrant import journal
from evergrant.errors import Conflict, NotFound, SingleSignOnRefused
from evergrant.intake import need_everywhere
from evergrant.people import WayInChange, caller_of, tell_way_in
from evergrant.people.operators import end_sessions
from evergrant.ports.signed_in import SignInMethod
from evergrant.ports.single_sign_on import Person, SignOnWay, SingleSignOn
from evergrant.ports.store import AlreadyThere, Transaction
from evergrant.ports.things import Operator
from evergrant.rules.rights import SYSTEM, Caller, Right
from evergrant.rules.secrecy import Secret
from evergrant.sessions.ground import Ground
from evergrant.sessions.sign_in import tell_signed_in
from evergrant.sessions.values import Arrived, Begun, Browser, SignedIn

__all__ = ["Arriving"]

_RANDOM = 43
#: So much of where somebody wanted to go fits into what the browser keeps.
_LONGEST_RETURN = 60


class Arriving:
    def __init__(self, ground: Ground, provider: SingleSignOn | None) -> None:
        self._ground = ground
        self._provider = provider

    @property
    def name(self) -> str | None:
        return None if self._provider is None else self._ground.signing_in.single_sign_on_name

    def _needed(self) -> SingleSignOn:
        if self._provider is None:
            raise NotFound("This house has no identity provider.")
        return self._provider

    async def begin(self, return_to: str) -> Begun:
        provider = self._needed()
        state = Secret(secrets.token_urlsafe(32) + _packed(return_to))
        return Begun(location=await provider.location(_way(state)), state=state)

    async def finish(self, query: str, state: Secret, browser: Browser) -> Arrived:
        provider = self._needed()
        now = self._ground.clock.now()
        person = await provider.person(query, _way(state))
        refused: SingleSignOnRefused | None = None
        signed_in: SignedIn | None = None
        ring: list[str] = []
        async with self._ground.store.transaction() as tx:
            try:
                operator, ring = await self._operator(tx, person, browser, now)
            except SingleSignOnRefused as error:
                refused = error
                await journal.write(
                    tx,
                    now=now,
                    by=SYSTEM,
                    verb="operator.refused",
                    subject="unknown",
                    why=f"single_sign_on:{error.reason}",
                    address=browser.address,
                )
            else:
                signed_in = await self._ground.open_session(
                    tx, operator, browser, now, method=SignInMethod.SINGLE_SIGN_ON
                )
                await tell_signed_in(tx, signed_in, now)
        await self._ground.bell.ring(ring)
        if signed_in is None:
            raise refused or SingleSignOnRefused("unknown")
        return Arrived(signed_in=signed_in, return_to=_unpacked(state))

    async def _operator(
        self, tx: Transaction, person: Person, browser: Browser, now: datetime
    ) -> tuple[Operator, list[str]]:
        """By the subject once it is bound; before that by an address which the provider verified.
        With what has to be rung for. Raises SingleSignOnRefused."""
        subject = f"{person.issuer} {person.subject}"
        known = await tx.operators.one(sso_subject=subject)
        if known is None:
            return await self._bound(tx, person, subject, browser, now)
        if known.disabled_at is not None:
            raise _stranger("disabled")
        return known, []

    async def _bound(
        self, tx: Transaction, person: Person, subject: str, browser: Browser, now: datetime
    ) -> tuple[Operator, list[str]]:
        if not person.email_verified:
            raise SingleSignOnRefused(
                "email_not_verified",
                "The identity provider does not say that it verified your mail address.",
                hint="Sign in with your password, or ask who runs the identity provider.",
            )
        found = await tx.operators.one(email=person.email.strip().lower())
        if found is None:
            raise _stranger("unknown")
        if found.sso_subject:
            # Somebody else has this address now, or the provider was changed.
            raise _stranger("another_subject")
        try:
            bound = await tx.operators.change(
                found.id, {"sso_subject": "", "disabled_at": None}, sso_subject=subject
            )
        except AlreadyThere:
            bound = None
        if bound is None:
            raise _stranger("disabled" if found.disabled_at else "another_subject")
        await journal.write(
            tx,
            now=now,
            by=caller_of(bound),
            verb="operator.single_sign_on_bound",
            subject=bound.id,
            issuer=person.issuer,
        )
        ring = await tell_way_in(
            tx,
            bound,
            WayInChange.SINGLE_SIGN_ON_BOUND,
            now=now,
            by=caller_of(bound),
            address=browser.address,
        )
        return bound, ring

    # --- no more ---

    async def unbind(self, operator_id: str, *, by: Caller) -> Operator:
        need_everywhere(by, Right.MANAGE)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            operator = await tx.operators.get(operator_id)
            if operator is None:
                raise NotFound("There is no such operator.")
            if not operator.sso_subject:
                return operator
            if not operator.password_hash:
                raise Conflict(
                    f"{operator.name} has no password, and would have no way in any more.",
                    hint="Set a password first (`evergrant operator password`), then unbind.",
                )
            as_seen = {
                "sso_subject": operator.sso_subject,
                "password_hash": operator.password_hash,
            }
            unbound = await tx.operators.change(operator_id, as_seen, sso_subject="")
            if unbound is None:
                raise Conflict("Somebody else changed this at the same moment; look at it again.")
            await end_sessions(tx, operator_id, now, by)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="operator.single_sign_on_unbound",
                subject=operator_id,
                email=unbound.email,
                issuer=operator.sso_subject.partition(" ")[0],
            )
            ring = await tell_way_in(
                tx, unbound, WayInChange.SINGLE_SIGN_ON_UNBOUND, now=now, by=by
            )
        await self._ground.bell.ring(ring)
        return unbound


def _stranger(reason: str) -> SingleSignOnRefused:
    """The same words whatever is wrong."""
    return SingleSignOnRefused(
        reason,
        "The identity provider knows you, but you are no operator here.",
        hint="Ask an admin to invite you with the mail address that you have there.",
    )


def _way(state: Secret) -> SignOnWay:
    return SignOnWay(
        state=_derived(state, b"state"),
        nonce=_derived(state, b"nonce"),
        verifier=_derived(state, b"verifier"),
    )


def _derived(state: Secret, what: bytes) -> Secret:
    mac = hmac.new(state.reveal().encode(), b"single sign-on " + what, hashlib.sha256).digest()
    return Secret(base64.urlsafe_b64encode(mac).decode().rstrip("="))


def _packed(return_to: str) -> str:
    for text in (return_to, return_to.partition("?")[0]):
        if len(text.encode()) <= _LONGEST_RETURN:
            return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return ""


def _unpacked(state: Secret) -> str:
    packed = state.reveal()[_RANDOM:]
    try:
        return base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
