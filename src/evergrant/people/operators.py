"""Operators: people of the house, recognised by a password.

Answers for: adding, showing and disabling them, and for an unknown address looking and costing the
same as a wrong password. Does not answer for: sessions of a browser.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime
from typing import Any

from pwdlib import PasswordHash

from evergrant import journal
from evergrant.errors import Conflict, NotFound
from evergrant.intake import Flaws, check_page, need_everywhere
from evergrant.naming import new_id
from evergrant.ports import Clock
from evergrant.ports.store import ONE_OPERATOR_PER_EMAIL, AlreadyThere, Store
from evergrant.ports.things import Operator
from evergrant.rules import ids
from evergrant.rules.rights import RIGHTS_OF_ROLE, Caller, CallerKind, Right, Role
from evergrant.rules.secrecy import Secret

__all__ = ["Operators", "caller_of"]

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256


def caller_of(operator: Operator) -> Caller:
    """The operator as a caller, with the rights of the role."""
    return Caller(
        kind=CallerKind.OPERATOR,
        id=operator.id,
        name=operator.name,
        rights=RIGHTS_OF_ROLE[operator.role],
    )


class Operators:
    """See `People`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._passwords = PasswordHash.recommended()
        self._stand_in: str | None = None

    async def add_operator(
        self, *, name: str, email: str, role: str, password: Secret, by: Caller
    ) -> Operator:
        """Needs MANAGE. Journal: ``operator.added``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        flaws = Flaws()
        checked_name = flaws.text("name", name, ids.check_name)
        checked_email = flaws.text("email", email, ids.check_email).lower()
        checked_role = flaws.word("role", role, Role)
        _check_password(flaws, password, checked_name, checked_email)
        flaws.refuse_if_any()
        assert checked_role is not None
        operator = Operator(
            id=new_id(ids.Kind.OPERATOR, now),
            name=checked_name,
            email=checked_email,
            role=checked_role,
            password_hash=await self._hashed(password),
            created_at=now,
        )
        async with self._store.transaction() as tx:
            try:
                await tx.operators.add(operator)
            except AlreadyThere as taken:
                raise _conflict(taken) from None
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="operator.added",
                subject=operator.id,
                name=operator.name,
                email=operator.email,
                role=operator.role,
            )
        return operator

    async def operators(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[Operator]:
        """In order of their creation, disabled ones too. Needs MANAGE."""
        need_everywhere(by, Right.MANAGE)
        check_page(ids.Kind.OPERATOR, after, limit)
        async with self._store.transaction() as tx:
            return await tx.operators.all(after=after, limit=limit)

    async def find_operator(self, text: str, *, by: Caller) -> Operator:
        """By id or e-mail address. Needs MANAGE."""
        need_everywhere(by, Right.MANAGE)
        async with self._store.transaction() as tx:
            found = await tx.operators.get(text) or await tx.operators.one(
                email=text.strip().lower()
            )
        if found is None:
            raise NotFound(f"There is no operator {text!r}.")
        return found

    async def set_password(self, operator_id: str, password: Secret, *, by: Caller) -> Operator:
        """Needs MANAGE. Journal: ``operator.password_set``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        operator = await self.find_operator(operator_id, by=by)
        flaws = Flaws()
        _check_password(flaws, password, operator.name, operator.email)
        flaws.refuse_if_any()
        hashed = await self._hashed(password)
        return await self._change_operator(
            operator.id, now, by, "operator.password_set", password_hash=hashed
        )

    async def disable_operator(self, operator_id: str, *, by: Caller) -> Operator:
        """Needs MANAGE. Doing it twice does no harm. Journal: ``operator.disabled``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        operator = await self.find_operator(operator_id, by=by)
        if operator.disabled_at is not None:
            return operator
        return await self._change_operator(
            operator.id, now, by, "operator.disabled", disabled_at=now
        )

    async def check_password(self, email: str, password: Secret) -> Operator | None:
        """The operator, or None: unknown, disabled and wrong look and cost the same."""
        async with self._store.transaction() as tx:
            operator = await tx.operators.one(email=email.strip().lower())
        known = operator.password_hash if operator else await self._stand_in_hash()
        fits, better = await self._verified(password, known)
        if operator is None or not fits or operator.disabled_at is not None:
            return None
        if better is not None:
            async with self._store.transaction() as tx:
                await tx.operators.change(
                    operator.id, {"password_hash": operator.password_hash}, password_hash=better
                )
        return operator

    # --- what stands behind the verbs ---

    async def _change_operator(
        self, id: str, now: datetime, by: Caller, verb: str, **values: Any
    ) -> Operator:
        async with self._store.transaction() as tx:
            fresh = await tx.operators.change(id, **values)
            if fresh is None:
                raise NotFound("There is no such operator.")
            await journal.write(tx, now=now, by=by, verb=verb, subject=id, email=fresh.email)
        return fresh

    async def _hashed(self, password: Secret) -> str:
        """In a thread: argon2 is slow on purpose, and the loop has others to serve."""
        return await asyncio.to_thread(self._passwords.hash, password.reveal())

    async def _verified(self, password: Secret, known: str) -> tuple[bool, str | None]:
        plain = password.reveal()[: LONGEST_PASSWORD + 1]
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


def _check_password(flaws: Flaws, password: Secret, name: str, email: str) -> None:
    plain = password.reveal()
    if not SHORTEST_PASSWORD <= len(plain) <= LONGEST_PASSWORD:
        message = f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
        flaws.add("password", message, code="bad_password", hint="A few words are easy to keep.")
    elif plain.strip().lower() in {name.lower(), email} or len(set(plain)) < 5:
        flaws.add("password", "is too easy to guess.", code="bad_password")
