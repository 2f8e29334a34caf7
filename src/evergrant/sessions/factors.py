"""The second factor: a code of the clock, or a recovery code.

Answers for: setting one up, showing it, recovery codes, and taking it away from somebody who lost
it. Does not answer for: passwords (``sign_in``), or for people who come by the identity provider,
which sees to its own.

The key lies in the safe, sealed to the operator. A code of the clock is good within a window of one
step each way and once: the step that was accepted last is kept with the operator. Recovery codes
are kept as digests, each good once.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pyotp

from evergrant import journal, vault
from evergrant.errors import Conflict, NotFound, SecondFactorRefused, SessionOver
from evergrant.intake import need_everywhere
from evergrant.people import WayInChange, caller_of, tell_way_in
from evergrant.people.operators import end_sessions
from evergrant.ports.signed_in import RecoveryCode
from evergrant.ports.store import Transaction
from evergrant.ports.things import Operator
from evergrant.rules.rights import Caller, Right
from evergrant.rules.second_factor import (
    RECOVERY_CODES,
    ClockCode,
    RecoveryText,
    Step,
    clock_steps,
    read_code,
    recovery_code,
    recovery_id,
)
from evergrant.rules.secrecy import Secret
from evergrant.sessions.ground import Ground, Here
from evergrant.sessions.lockout import Lockout, factor_count
from evergrant.sessions.sign_in import tell_signed_in
from evergrant.sessions.values import Browser, Enrolled, Enrolment, SignedIn

__all__ = ["Factors"]

#: So long a key waits for its first code.
PENDING = timedelta(hours=1)


class Factors:
    def __init__(self, ground: Ground, lockout: Lockout) -> None:
        self._ground = ground
        self._lockout = lockout

    # --- showing it ---

    async def prove(self, secret: Secret, code: str, browser: Browser) -> SignedIn:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            here = await self._ground.here(tx, secret, now, Step.SECOND_FACTOR)
            is_right, ring = await self._try(tx, here.operator, code, browser.address, now)
            signed_in = None
            if is_right:
                # Looked at before the session is made that comes from there.
                ring += await self._tell_recovered(tx, here.operator, code, browser, now)
                signed_in = await self._anew(tx, here, browser, now)
        await self._ground.bell.ring(ring)
        if signed_in is None:
            raise SecondFactorRefused
        return signed_in

    async def _tell_recovered(
        self, tx: Transaction, operator: Operator, code: str, browser: Browser, now: datetime
    ) -> list[str]:
        """A recovery code came from where this person was not seen lately. Gives what has to be
        rung for."""
        if not isinstance(read_code(code), RecoveryText):
            return []
        if await self._lockout.knows_place(tx, operator, browser, now):
            return []
        return await tell_way_in(
            tx,
            operator,
            WayInChange.RECOVERY_CODE_USED,
            now=now,
            by=caller_of(operator),
            address=browser.address,
        )

    async def _anew(self, tx: Transaction, here: Here, browser: Browser, now: datetime) -> SignedIn:
        """The session of before is over; another one, with another secret, takes its place."""
        by = caller_of(here.operator)
        ended = await tx.operator_sessions.change(
            here.session.id, {"ended_at": None}, ended_at=now, ended_by=str(by)
        )
        if ended is None:
            raise SessionOver
        signed_in = await self._ground.open_session(
            tx, here.operator, browser, now, method=here.session.method, proved=True
        )
        await tell_signed_in(tx, signed_in, now)
        return signed_in

    async def _try(
        self, tx: Transaction, operator: Operator, code: str, address: str, now: datetime
    ) -> tuple[bool, list[str]]:
        """Whether the code was right, counted; and what has to be rung for."""
        attempt, ring = await self._lockout.charge(
            tx, (factor_count(operator.id),), now, operator=operator, address=address
        )
        if not attempt.admitted:
            return False, ring
        if await self._spend(tx, operator, code, now):
            await self._lockout.was_right(tx, attempt, now)
            return True, ring
        await journal.write(
            tx,
            now=now,
            by=caller_of(operator),
            verb="operator.refused",
            subject=operator.id,
            why="second_factor",
            address=address,
        )
        return False, ring + await self._lockout.failed(tx, attempt, now)

    async def _spend(self, tx: Transaction, operator: Operator, code: str, now: datetime) -> bool:
        read = read_code(code)
        if isinstance(read, ClockCode):
            key = await self._ground.vault.open(tx, vault.second_factor_key(operator.id))
            step = None if key is None else _step_of(key, read, now, operator.code_step)
            if step is None:
                return False
            as_before = {"code_step": operator.code_step}
            return await tx.operators.change(operator.id, as_before, code_step=step) is not None
        if isinstance(read, RecoveryText):
            return await self._spend_recovery(tx, operator, read, now)
        return False

    async def _spend_recovery(
        self, tx: Transaction, operator: Operator, read: RecoveryText, now: datetime
    ) -> bool:
        used = await tx.recovery_codes.change(
            recovery_id(operator.id, read.body), {"used_at": None}, used_at=now
        )
        if used is None:
            return False
        await journal.write(
            tx,
            now=now,
            by=caller_of(operator),
            verb="operator.recovery_code_used",
            subject=operator.id,
            left=await tx.recovery_codes.count(operator_id=operator.id, used_at=None),
        )
        return True

    # --- setting it up ---

    async def begin_enrolment(self, secret: Secret, current: str) -> Enrolment:
        now = self._ground.clock.now()
        ring: list[str] = []
        async with self._ground.store.transaction() as tx:
            here = await self._ground.here(tx, secret, now, Step.ENROL, Step.NOTHING)
            key = await self._pending(tx, here, now)
            is_right = True
            if key is None:
                if here.operator.second_factor_at is not None:
                    is_right, ring = await self._try(
                        tx, here.operator, current, here.session.address, now
                    )
                if is_right:
                    key = Secret(pyotp.random_base32())
                    await self._ground.vault.put(
                        tx,
                        vault.pending_second_factor_key(here.session.id),
                        key,
                        now=now,
                        expires_at=now + PENDING,
                    )
        await self._ground.bell.ring(ring)
        if key is None:
            raise SecondFactorRefused(
                "To set another second factor, show the one that you have.",
                hint="If you lost it, use a recovery code, or ask an admin to remove it.",
            )
        uri = pyotp.TOTP(key.reveal()).provisioning_uri(
            name=here.operator.email, issuer_name=self._ground.house.name
        )
        return Enrolment(key=key, uri=Secret(uri))

    async def _pending(self, tx: Transaction, here: Here, now: datetime) -> Secret | None:
        name = vault.pending_second_factor_key(here.session.id)
        sealed = await tx.safe.get(name)
        if sealed is None or sealed.expires_at is None or sealed.expires_at <= now:
            return None
        return await self._ground.vault.open_sealed(sealed)

    async def confirm_enrolment(self, secret: Secret, code: str, browser: Browser) -> Enrolled:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            here = await self._ground.here(tx, secret, now, Step.ENROL, Step.NOTHING)
            key = await self._pending(tx, here, now)
            if key is None:
                raise Conflict(
                    "There is no second factor that waits for its first code.",
                    hint="Load the page again and scan the picture that it shows.",
                )
            read = read_code(code)
            step = _step_of(key, read, now, 0) if isinstance(read, ClockCode) else None
            if step is None:
                raise SecondFactorRefused(
                    "This is not the code that your app should show now.",
                    hint="Codes change every half minute. Is the clock of your phone right?",
                )
            pending = vault.pending_second_factor_key(here.session.id)
            if not await self._ground.vault.drop(tx, pending):
                raise SessionOver
            await self._ground.vault.put(
                tx, vault.second_factor_key(here.operator.id), key, now=now
            )
            fresh = await tx.operators.change(
                here.operator.id, second_factor_at=now, code_step=step
            )
            operator = fresh or here.operator
            codes = await self._fresh_recovery_codes(tx, operator, now)
            by = caller_of(operator)
            await end_sessions(tx, operator.id, now, by, but=here.session.id)
            await journal.write(
                tx, now=now, by=by, verb="operator.second_factor_set", subject=operator.id
            )
            ring = await tell_way_in(
                tx,
                operator,
                WayInChange.SECOND_FACTOR_SET,
                now=now,
                by=by,
                address=browser.address,
            )
            signed_in = await self._anew(tx, replace(here, operator=operator), browser, now)
        await self._ground.bell.ring(ring)
        return Enrolled(signed_in=signed_in, recovery_codes=codes)

    async def new_recovery_codes(self, secret: Secret, code: str) -> tuple[Secret, ...]:
        now = self._ground.clock.now()
        codes: tuple[Secret, ...] | None = None
        async with self._ground.store.transaction() as tx:
            here = await self._ground.here(tx, secret, now, Step.NOTHING)
            if here.operator.second_factor_at is None:
                raise Conflict("There is no second factor that codes could stand in for.")
            is_right, ring = await self._try(tx, here.operator, code, here.session.address, now)
            if is_right:
                codes = await self._fresh_recovery_codes(tx, here.operator, now)
                await journal.write(
                    tx,
                    now=now,
                    by=caller_of(here.operator),
                    verb="operator.recovery_codes_made",
                    subject=here.operator.id,
                )
                ring += await tell_way_in(
                    tx,
                    here.operator,
                    WayInChange.RECOVERY_CODES_MADE,
                    now=now,
                    by=caller_of(here.operator),
                    address=here.session.address,
                )
        await self._ground.bell.ring(ring)
        if codes is None:
            raise SecondFactorRefused
        return codes

    async def _fresh_recovery_codes(
        self, tx: Transaction, operator: Operator, now: datetime
    ) -> tuple[Secret, ...]:
        await self._drop_recovery_codes(tx, operator.id)
        texts = [recovery_code(secrets.token_bytes(13)) for _ in range(RECOVERY_CODES)]
        for text in texts:
            await tx.recovery_codes.add(
                RecoveryCode(
                    id=recovery_id(operator.id, text.replace("-", "")),
                    operator_id=operator.id,
                    created_at=now,
                )
            )
        return tuple(Secret(text) for text in texts)

    async def _drop_recovery_codes(self, tx: Transaction, operator_id: str) -> None:
        old: Sequence[RecoveryCode] = await tx.recovery_codes.all(operator_id=operator_id)
        await tx.recovery_codes.drop_all([one.id for one in old])

    async def recovery_codes_left(self, operator_id: str) -> int:
        async with self._ground.store.transaction() as tx:
            return await tx.recovery_codes.count(operator_id=operator_id, used_at=None)

    # --- taking it away ---

    async def remove(self, operator_id: str, *, by: Caller) -> Operator:
        need_everywhere(by, Right.MANAGE)
        now = self._ground.clock.now()
        ring: list[str] = []
        async with self._ground.store.transaction() as tx:
            before = await tx.operators.get(operator_id)
            operator = await tx.operators.change(operator_id, second_factor_at=None, code_step=0)
            if before is None or operator is None:
                raise NotFound("There is no such operator.")
            await self._ground.vault.drop(tx, vault.second_factor_key(operator_id))
            await self._drop_recovery_codes(tx, operator_id)
            await tx.sign_in_counts.drop(factor_count(operator_id))
            await end_sessions(tx, operator_id, now, by)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="operator.second_factor_removed",
                subject=operator_id,
                email=operator.email,
            )
            if before.second_factor_at is not None:
                ring = await tell_way_in(
                    tx, operator, WayInChange.SECOND_FACTOR_REMOVED, now=now, by=by
                )
        await self._ground.bell.ring(ring)
        return operator


def _step_of(key: Secret, code: ClockCode, now: datetime, spent: int) -> int | None:
    """The half minute whose code this is; all of them are compared, right or not."""
    clock = pyotp.TOTP(key.reveal())
    found = [
        step
        for step in clock_steps(now, spent)
        if hmac.compare_digest(clock.generate_otp(step), code.digits)
    ]
    return found[0] if found else None
