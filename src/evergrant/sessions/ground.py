"""What every corner of the lodge stands on.

Answers for: making a session, recognising one inside a transaction, and saying what is still wanted
of it. Does not answer for: deciding who gets one.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from evergrant.errors import NotAuthenticated, SessionOver
from evergrant.naming import new_id
from evergrant.people import People
from evergrant.ports import Bell, Clock
from evergrant.ports.signed_in import OperatorSession, SignInMethod
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Operator
from evergrant.rules import ids
from evergrant.rules.lockout import origin_of
from evergrant.rules.second_factor import Step, step_wanted
from evergrant.rules.secrecy import Secret, digest
from evergrant.sessions.values import Browser, SignedIn
from evergrant.settings import House, SigningIn
from evergrant.vault import Vault

__all__ = ["HALFWAY", "Ground", "Here", "is_session_secret"]

#: So long somebody may take for the second factor, or for setting one up.
HALFWAY = timedelta(minutes=15)

_SHAPE = re.compile(r"egs_[A-Za-z0-9_-]{43}")


def is_session_secret(text: str) -> bool:
    return _SHAPE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Somebody with a session that lives, inside a transaction."""

    session: OperatorSession
    operator: Operator
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    store: Store
    clock: Clock
    vault: Vault
    people: People
    bell: Bell
    house: House
    signing_in: SigningIn

    def step_of(self, session: OperatorSession, operator: Operator) -> Step:
        """As things are now: who makes second factors required does so for open sessions too."""
        return step_wanted(
            trusted=session.method is SignInMethod.SINGLE_SIGN_ON,
            proved=session.proved_at is not None,
            has_factor=operator.second_factor_at is not None,
            required=self.signing_in.second_factor_required,
        )

    def lives(self, session: OperatorSession, operator: Operator, now: datetime) -> bool:
        return (
            session.ended_at is None
            and operator.disabled_at is None
            and now < session.ends_at
            and now - session.seen_at < self.signing_in.idle
        )

    async def here(self, tx: Transaction, secret: Secret, now: datetime, *steps: Step) -> Here:
        """Whose session this is. Raises SessionOver, and NotAuthenticated when another step than
        one of ``steps`` is still wanted."""
        text = secret.reveal()
        session = (
            await tx.operator_sessions.one(secret_digest=digest(text))
            if is_session_secret(text)
            else None
        )
        operator = None if session is None else await tx.operators.get(session.operator_id)
        if session is None or operator is None or not self.lives(session, operator, now):
            raise SessionOver
        step = self.step_of(session, operator)
        if step not in steps:
            raise NotAuthenticated("This is not what is wanted of you now: sign in first.")
        return Here(session=session, operator=operator, step=step)

    async def open_session(
        self,
        tx: Transaction,
        operator: Operator,
        browser: Browser,
        now: datetime,
        *,
        method: SignInMethod = SignInMethod.PASSWORD,
        proved: bool = False,
    ) -> SignedIn:
        """Always with a secret of its own: one that a stranger put into the browser before is
        worth nothing afterwards."""
        secret = Secret(f"egs_{secrets.token_urlsafe(32)}")
        step = step_wanted(
            trusted=method is SignInMethod.SINGLE_SIGN_ON,
            proved=proved,
            has_factor=operator.second_factor_at is not None,
            required=self.signing_in.second_factor_required,
        )
        session = OperatorSession(
            id=new_id(ids.Kind.OPERATOR_SESSION, now),
            operator_id=operator.id,
            secret_digest=digest(secret),
            method=method,
            proved_at=now if proved else None,
            address=browser.address,
            origin=origin_of(browser.address),
            agent=browser.agent,
            created_at=now,
            seen_at=now,
            ends_at=now + (self.signing_in.life if step is Step.NOTHING else HALFWAY),
        )
        await tx.operator_sessions.add(session)
        if step is Step.NOTHING:
            operator = await tx.operators.change(operator.id, signed_in_at=now) or operator
        return SignedIn(secret=secret, step=step, operator=operator, session=session)
