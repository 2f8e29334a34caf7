"""Operators: people of the house, recognised by a password.

Answers for: adding, showing and disabling them, for hashing passwords, and for an unknown address
costing the same as a wrong password. Does not answer for: sessions of a browser, second factors and
how often somebody may guess (the porter's lodge).
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime
from typing import Any

from pwdlib import PasswordHash

from evergrant import journal
from evergrant.errors import Conflict, LastAdmin, NotFound
from evergrant.intake import Flaws, check_page, need_everywhere
from evergrant.naming import new_id
from evergrant.people.way_in import WayInChange, tell_way_in
from evergrant.ports import Bell, Clock
from evergrant.ports.store import ONE_OPERATOR_PER_EMAIL, AlreadyThere, Store, Transaction
from evergrant.ports.things import Operator
from evergrant.rules import ids
from evergrant.rules.passwords import LONGEST_PASSWORD, check_password
from evergrant.rules.rights import RIGHTS_OF_ROLE, Caller, CallerKind, Right, Role
from evergrant.rules.secrecy import Secret

__all__ = ["Operators", "caller_of", "end_sessions", "keep_an_admin"]

#: Each look at a hash takes 64 MiB and some time of a core; a crowd of guessers waits in line.
AT_ONCE = 4


def caller_of(operator: Operator) -> Caller:
    """The operator as a caller, with the rights of the role."""
    return Caller(
        kind=CallerKind.OPERATOR,
        id=operator.id,
        name=operator.name,
        rights=RIGHTS_OF_ROLE[operator.role],
    )


async def keep_an_admin(tx: Transaction, operator_id: str) -> None:
    """Raises LastAdmin when nobody else is left who can manage the house. The admins' rows are
    held until the transaction ends, so that two admins who remove each other take turns."""
    others = 0
    is_admin = False
    for admin in await tx.operators.all(role=Role.ADMIN, disabled_at=None):
        as_before = {"role": Role.ADMIN, "disabled_at": None}
        held = await tx.operators.change(admin.id, as_before, role=Role.ADMIN)
        if held is None:
            continue
        if held.id == operator_id:
            is_admin = True
        else:
            others += 1
    if is_admin and not others:
        raise LastAdmin


async def end_sessions(
    tx: Transaction, operator_id: str, now: datetime, by: Caller, *, but: str | None = None
) -> int:
    """Signs the operator out everywhere, but for the session ``but``; gives how many were ended."""
    open_ones = await tx.operator_sessions.all(operator_id=operator_id, ended_at=None)
    living = [one.id for one in open_ones if one.ends_at > now and one.id != but]
    if not living:
        return 0
    return await tx.operator_sessions.change_all(
        living, {"ended_at": None}, ended_at=now, ended_by=str(by)
    )


class Operators:
    """See `People`."""

    def __init__(self, store: Store, clock: Clock, bell: Bell | None = None) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._passwords = PasswordHash.recommended()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._stand_in: str | None = None

    async def add_operator(
        self, *, name: str, email: str, role: str, password: Secret, by: Caller
    ) -> Operator:
        """Needs MANAGE. Journal: ``operator.added``."""
        need_everywhere(by, Right.MANAGE)
        operator = await self.prepare_operator(name=name, email=email, role=role, password=password)
        async with self._store.transaction() as tx:
            await self.enter_operator(tx, operator, by=by)
        return operator

    async def operators(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[Operator]:
        """In order of their creation, disabled ones too. Needs AUDIT."""
        need_everywhere(by, Right.AUDIT)
        check_page(ids.Kind.OPERATOR, after, limit)
        async with self._store.transaction() as tx:
            return await tx.operators.all(after=after, limit=limit)

    async def find_operator(self, text: str, *, by: Caller) -> Operator:
        """By id or e-mail address. Needs AUDIT."""
        need_everywhere(by, Right.AUDIT)
        async with self._store.transaction() as tx:
            found = await tx.operators.get(text) or await tx.operators.one(
                email=text.strip().lower()
            )
        if found is None:
            raise NotFound(f"There is no operator {text!r}.")
        return found

    async def set_password(self, operator_id: str, password: Secret, *, by: Caller) -> Operator:
        """Signs the operator out everywhere, and writes to them. Needs MANAGE. Journal:
        ``operator.password_set``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        operator = await self.find_operator(operator_id, by=by)
        hashed = await self.hash_password(password, operator.name, operator.email)
        async with self._store.transaction() as tx:
            fresh = await self._changed(
                tx, operator.id, now, by, "operator.password_set", password_hash=hashed
            )
            await end_sessions(tx, operator.id, now, by)
            ring = await tell_way_in(tx, fresh, WayInChange.PASSWORD_SET, now=now, by=by)
        if self._bell is not None:
            await self._bell.ring(ring)
        return fresh

    async def disable_operator(self, operator_id: str, *, by: Caller) -> Operator:
        """Let in no more, and signed out everywhere. Doing it twice does no harm. Needs MANAGE.
        Raises LastAdmin. Journal: ``operator.disabled``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        operator = await self.find_operator(operator_id, by=by)
        if operator.disabled_at is not None:
            return operator
        async with self._store.transaction() as tx:
            await keep_an_admin(tx, operator.id)
            fresh = await self._changed(
                tx, operator.id, now, by, "operator.disabled", disabled_at=now
            )
            await end_sessions(tx, operator.id, now, by)
        return fresh

    async def check_password(self, email: str, password: Secret) -> Operator | None:
        """The operator, or None: unknown, disabled and wrong look and cost the same."""
        async with self._store.transaction() as tx:
            operator = await tx.operators.one(email=email.strip().lower())
        known = operator.password_hash if operator else ""
        known = known or await self._stand_in_hash()
        fits, better = await self._verified(password, known)
        if operator is None or not fits or operator.disabled_at is not None:
            return None
        if better is None:
            return operator
        async with self._store.transaction() as tx:
            as_before = {"password_hash": operator.password_hash}
            rehashed = await tx.operators.change(operator.id, as_before, password_hash=better)
        return rehashed or operator

    # --- for the lodge ---

    async def prepare_operator(
        self, *, name: str, email: str, role: str, password: Secret
    ) -> Operator:
        """An operator who is not entered yet, with the password hashed. Raises InvalidInput."""
        now = self._clock.now()
        flaws = Flaws()
        checked_name = flaws.text("name", name, ids.check_name)
        checked_email = flaws.text("email", email, ids.check_email).lower()
        checked_role = flaws.word("role", role, Role)
        flaws.check("password", lambda it: check_password(it, (name, email)), password.reveal())
        flaws.refuse_if_any()
        assert checked_role is not None
        return Operator(
            id=new_id(ids.Kind.OPERATOR, now),
            name=checked_name,
            email=checked_email,
            role=checked_role,
            password_hash=await self._hashed(password),
            created_at=now,
        )

    async def enter_operator(self, tx: Transaction, operator: Operator, *, by: Caller) -> None:
        """Raises Conflict when the address is taken."""
        try:
            await tx.operators.add(operator)
        except AlreadyThere as taken:
            raise _conflict(taken) from None
        await journal.write(
            tx,
            now=operator.created_at,
            by=by,
            verb="operator.added",
            subject=operator.id,
            name=operator.name,
            email=operator.email,
            role=operator.role,
        )

    async def hash_password(self, password: Secret, *about: str) -> str:
        """Raises InvalidInput when it is one that nobody may have."""
        flaws = Flaws()
        flaws.check("password", lambda it: check_password(it, about), password.reveal())
        flaws.refuse_if_any()
        return await self._hashed(password)

    # --- what stands behind the verbs ---

    async def _changed(
        self, tx: Transaction, id: str, now: datetime, by: Caller, verb: str, **values: Any
    ) -> Operator:
        fresh = await tx.operators.change(id, **values)
        if fresh is None:
            raise NotFound("There is no such operator.")
        await journal.write(tx, now=now, by=by, verb=verb, subject=id, email=fresh.email)
        return fresh

    async def _hashed(self, password: Secret) -> str:
        """In a thread: argon2 is slow on purpose, and the loop has others to serve."""
        async with self._room:
            return await asyncio.to_thread(self._passwords.hash, password.reveal())

    async def _verified(self, password: Secret, known: str) -> tuple[bool, str | None]:
        plain = password.reveal()[: LONGEST_PASSWORD + 1]
        async with self._room:
            return await asyncio.to_thread(self._passwords.verify_and_update, plain, known)

    async def _stand_in_hash(self) -> str:
        """A hash that no password fits, so that an unknown address costs as much as a known."""
        if self._stand_in is None:
            self._stand_in = await self._hashed(Secret(secrets.token_urlsafe(32)))
        return self._stand_in


def _conflict(taken: AlreadyThere) -> Exception:
    if taken.constraint == ONE_OPERATOR_PER_EMAIL:
        message = "There is an operator with this e-mail address already."
        return Conflict(message, facts={"field": "email"})
    return taken
