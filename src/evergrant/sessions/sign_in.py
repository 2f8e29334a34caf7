"""Coming in with a password, being recognised, and leaving.

Answers for: the password, the session that it gives, recognising it with each request, signing out,
and a new password of one's own. Does not answer for: the second factor (``factors``).
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime

from evergrant import journal
from evergrant.errors import Flaw, InvalidInput, SignInRefused, StoreUnavailable
from evergrant.people import WayInChange, caller_of, tell_way_in
from evergrant.people.memory import Uses
from evergrant.people.operators import end_sessions
from evergrant.ports.signed_in import OperatorSession
from evergrant.ports.store import Transaction
from evergrant.ports.things import Operator
from evergrant.rules.rights import SYSTEM
from evergrant.rules.second_factor import Step
from evergrant.rules.secrecy import Secret, digest
from evergrant.sessions.ground import Ground, is_session_secret
from evergrant.sessions.lockout import Attempt, Lockout
from evergrant.sessions.values import Browser, Present, SignedIn

__all__ = ["SignIn", "tell_signed_in"]

#: Longer than any address is: what is hashed and looked up is no essay.
_LONGEST_EMAIL = 320


class SignIn:
    def __init__(self, ground: Ground, lockout: Lockout) -> None:
        self._ground = ground
        self._lockout = lockout
        self._uses = Uses()

    async def sign_in(self, email: str, password: Secret, browser: Browser) -> SignedIn:
        ground = self._ground
        now = ground.clock.now()
        typed = email.strip().lower()[:_LONGEST_EMAIL]
        async with ground.store.transaction() as tx:
            attempt, ring = await self._lockout.begin(tx, typed, browser, now)
        await ground.bell.ring(ring)
        # Looked at even when nobody is let in: who is locked out waits as long as anybody.
        operator = await ground.people.check_password(typed, password)
        signed_in = None
        if attempt.admitted and operator is not None:
            async with ground.store.transaction() as tx:
                signed_in = await self._let_in(tx, attempt, operator, browser, now)
        if signed_in is not None:
            return signed_in
        if attempt.admitted:
            async with ground.store.transaction() as tx:
                ring = await self._note_refused(tx, attempt, now)
            await ground.bell.ring(ring)
        raise SignInRefused

    async def _let_in(
        self,
        tx: Transaction,
        attempt: Attempt,
        operator: Operator,
        browser: Browser,
        now: datetime,
    ) -> SignedIn | None:
        """None: disabled, or of another password, since it was looked at."""
        as_looked_at = {"disabled_at": None, "password_hash": operator.password_hash}
        held = await tx.operators.change(operator.id, as_looked_at, email=operator.email)
        if held is None:
            return None
        await self._lockout.was_right(tx, attempt, now)
        signed_in = await self._ground.open_session(tx, held, browser, now)
        await tell_signed_in(tx, signed_in, now)
        return signed_in

    async def _note_refused(self, tx: Transaction, attempt: Attempt, now: datetime) -> list[str]:
        operator = attempt.operator
        why = "unknown"
        if operator is not None:
            why = "disabled" if operator.disabled_at is not None else "password"
        await journal.write(
            tx,
            now=now,
            by=SYSTEM,
            verb="operator.refused",
            # What a stranger typed is not kept: it may be somebody's address, or a password.
            subject=operator.id if operator else "unknown",
            why=why,
            address=attempt.address,
        )
        return await self._lockout.failed(tx, attempt, now)

    # --- recognising ---

    async def recognise(self, secret: Secret, *, quietly: bool) -> Present | None:
        if not is_session_secret(secret.reveal()):
            return None
        now = self._ground.clock.now()
        found = await self._ground.store.quick.signed_in(digest(secret))
        if found is None:
            return None
        session, operator = found
        if not self._ground.lives(session, operator, now):
            return None
        step = self._ground.step_of(session, operator)
        caller = caller_of(operator)
        if step is not Step.NOTHING:
            caller = replace(caller, rights=frozenset())
        if not quietly:
            await self._note_seen(session, now)
        return Present(operator=operator, caller=caller, session=session, step=step)

    async def _note_seen(self, session: OperatorSession, now: datetime) -> None:
        """At most once a minute. Nobody is kept from what they came for when it cannot be
        written."""
        if not self._uses.due(session.id, session.seen_at, now):
            return
        with contextlib.suppress(StoreUnavailable):
            async with self._ground.store.transaction() as tx:
                as_before = {"seen_at": session.seen_at, "ended_at": None}
                await tx.operator_sessions.change(session.id, as_before, seen_at=now)

    # --- leaving ---

    async def sign_out(self, secret: Secret) -> None:
        if not is_session_secret(secret.reveal()):
            return
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            session = await tx.operator_sessions.one(secret_digest=digest(secret))
            operator = None if session is None else await tx.operators.get(session.operator_id)
            if session is None or operator is None:
                return
            by = caller_of(operator)
            ended = await tx.operator_sessions.change(
                session.id, {"ended_at": None}, ended_at=now, ended_by=str(by)
            )
            if ended is not None:
                await journal.write(
                    tx,
                    now=now,
                    by=by,
                    verb="operator.signed_out",
                    subject=operator.id,
                    session_id=session.id,
                )

    # --- a new password ---

    async def change_password(
        self, secret: Secret, old: Secret, new: Secret, browser: Browser
    ) -> SignedIn:
        ground = self._ground
        now = ground.clock.now()
        async with ground.store.transaction() as tx:
            here = await ground.here(tx, secret, now, Step.NOTHING)
            attempt, ring = await self._lockout.begin(tx, here.operator.email, browser, now)
        await ground.bell.ring(ring)
        operator = await ground.people.check_password(here.operator.email, old)
        if operator is None or not attempt.admitted:
            if attempt.admitted:
                async with ground.store.transaction() as tx:
                    ring = await self._note_refused(tx, attempt, now)
                await ground.bell.ring(ring)
            raise InvalidInput(flaws=[Flaw("is not your password.", field="old", code="wrong")])
        hashed = await ground.people.hash_password(new, operator.name, operator.email)
        async with ground.store.transaction() as tx:
            here = await ground.here(tx, secret, now, Step.NOTHING)
            as_looked_at = {"password_hash": operator.password_hash}
            fresh = await tx.operators.change(operator.id, as_looked_at, password_hash=hashed)
            if fresh is None:
                raise SignInRefused
            await self._lockout.was_right(tx, attempt, now)
            by = caller_of(fresh)
            await end_sessions(tx, fresh.id, now, by)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="operator.password_set",
                subject=fresh.id,
                email=fresh.email,
            )
            ring = await tell_way_in(
                tx,
                fresh,
                WayInChange.PASSWORD_SET,
                now=now,
                by=by,
                address=browser.address,
            )
            signed_in = await ground.open_session(
                tx,
                fresh,
                browser,
                now,
                method=here.session.method,
                proved=here.session.proved_at is not None,
            )
        await ground.bell.ring(ring)
        return signed_in


async def tell_signed_in(tx: Transaction, signed_in: SignedIn, now: datetime) -> None:
    session = signed_in.session
    await journal.write(
        tx,
        now=now,
        by=caller_of(signed_in.operator),
        verb="operator.signed_in",
        subject=signed_in.operator.id,
        session_id=session.id,
        method=session.method,
        still_wanted=signed_in.step,
        address=session.address,
        agent=session.agent,
    )
