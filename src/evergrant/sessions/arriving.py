"""Coming in by the house's identity provider.

Answers for: what one way there and back is bound to, and which operator came back. Does not answer
for: the protocol itself (the pipe).

Nothing of a way is kept here: all that it is bound to is derived from one secret, which the browser
keeps meanwhile. Another browser does not have it, so nobody is made to sign in as somebody else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

from evergrant import journal
from evergrant.errors import NotFound, SingleSignOnRefused
from evergrant.people import caller_of
from evergrant.ports.signed_in import SignInMethod
from evergrant.ports.single_sign_on import Person, SignOnWay, SingleSignOn
from evergrant.ports.store import AlreadyThere, Transaction
from evergrant.ports.things import Operator
from evergrant.rules.rights import SYSTEM
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
        async with self._ground.store.transaction() as tx:
            try:
                operator = await self._operator(tx, person)
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
        if signed_in is None:
            raise refused or SingleSignOnRefused("unknown")
        return Arrived(signed_in=signed_in, return_to=_unpacked(state))

    async def _operator(self, tx: Transaction, person: Person) -> Operator:
        """By the subject once it is bound; before that by an address which the provider verified.
        Raises SingleSignOnRefused."""
        subject = f"{person.issuer} {person.subject}"
        known = await tx.operators.one(sso_subject=subject)
        if known is None:
            known = await self._bound(tx, person, subject)
        if known.disabled_at is not None:
            raise _stranger("disabled")
        return known

    async def _bound(self, tx: Transaction, person: Person, subject: str) -> Operator:
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
            now=self._ground.clock.now(),
            by=caller_of(bound),
            verb="operator.single_sign_on_bound",
            subject=bound.id,
            issuer=person.issuer,
        )
        return bound


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
