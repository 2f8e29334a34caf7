"""THE KEY RACK. Operators, API keys, connection keys: who somebody is, and what they may do.

Answers for: making, showing, revoking and recognising them. Does not answer for: what a caller
does with its rights (each room asks), or for sessions of a browser.

API keys and connection keys hold 256 random bits and are kept as SHA-256 digests: nobody guesses
them, so a slow hash would only slow down every call. Passwords are kept as argon2 hashes.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from pwdlib import PasswordHash

from evergrant import journal
from evergrant.errors import Conflict, NotAuthenticated, NotFound
from evergrant.intake import Flaws, check_page, need, need_everywhere
from evergrant.naming import new_id
from evergrant.ports import Clock
from evergrant.ports.store import ONE_OPERATOR_PER_EMAIL, AlreadyThere, Store, Transaction
from evergrant.ports.things import Account, ApiKey, ConnectionKey, Operator
from evergrant.rules import ids
from evergrant.rules.rights import RIGHTS_OF_ROLE, Caller, CallerKind, Right, Role, check_rights
from evergrant.rules.secrecy import Secret, digest

__all__ = ["NewApiKey", "NewConnectionKey", "People", "caller_of"]

#: Together with the moments for which the door of access tokens remembers callers and answers, a
#: revoked key is good for a second at most.
REMEMBERED_FOR = timedelta(milliseconds=800)
MOST_REMEMBERED = 10_000
USE_NOTED_EVERY = timedelta(minutes=1)
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256

_API_KEY = re.compile(r"egk_([0-9a-z]{26})_[A-Za-z0-9_-]{43}")
_CONNECTION_KEY = re.compile(r"egc_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """An API key just made. ``secret`` (``egk_…``) is shown this once."""

    key: ApiKey
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnectionKey:
    """A connection key just made. ``secret`` (``egc_…``) is shown this once."""

    key: ConnectionKey
    secret: Secret


def caller_of(operator: Operator) -> Caller:
    """The operator as a caller, with the rights of the role."""
    return Caller(
        kind=CallerKind.OPERATOR,
        id=operator.id,
        name=operator.name,
        rights=RIGHTS_OF_ROLE[operator.role],
    )


T = TypeVar("T")


class _Memory(Generic[T]):
    """What was looked up just now, by digest. A row is forgotten after ``REMEMBERED_FOR``, and all
    of them when there are too many."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[datetime, T]] = {}

    def get(self, key: str, now: datetime) -> T | None:
        noted_at, value = self._rows.get(key, (None, None))
        fresh = noted_at is not None and timedelta() <= now - noted_at < REMEMBERED_FOR
        return value if fresh else None

    def put(self, key: str, value: T, now: datetime) -> None:
        if len(self._rows) >= MOST_REMEMBERED:
            self._rows.clear()
        self._rows[key] = (now, value)

    def forget(self) -> None:
        self._rows.clear()


class People:
    """Verbs raise NotAllowed without the right, NotFound out of reach, InvalidInput with every
    flaw at once, Conflict when an e-mail address is taken."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._passwords = PasswordHash.recommended()
        self._stand_in: str | None = None
        self._api_keys: _Memory[ApiKey] = _Memory()
        self._connection_keys: _Memory[str] = _Memory()

    # --- operators ---

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

    # --- API keys ---

    async def add_api_key(
        self,
        *,
        name: str,
        rights: Collection[str],
        client_instance_id: str | None = None,
        expires_at: datetime | None = None,
        by: Caller,
    ) -> NewApiKey:
        """Needs MANAGE; nobody gives rights that they lack. Journal: ``api_key.added``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        flaws = Flaws()
        checked_name = flaws.text("name", name, ids.check_name)
        named = [rights] if isinstance(rights, str) else rights
        checked_rights = flaws.check("rights", check_rights, named) or frozenset()
        for right in sorted(checked_rights - by.rights):
            message = f"must not hold {right.value!r}, which you do not have yourself."
            flaws.add("rights", message, code="more_than_own")
        if client_instance_id is not None and Right.MANAGE in checked_rights:
            flaws.add(
                "rights",
                "must not hold 'manage' for a key that reaches one client instance only.",
                code="not_bound",
                hint="What 'manage' allows concerns all instances.",
            )
        ends_at = flaws.instant("expires_at", expires_at)
        if ends_at is not None and ends_at <= now:
            flaws.add("expires_at", "lies in the past.", code="out_of_range")
        key_id = new_id(ids.Kind.API_KEY, now)
        secret = Secret(f"egk_{key_id.partition('_')[2]}_{secrets.token_urlsafe(32)}")
        key = ApiKey(
            id=key_id,
            name=checked_name,
            digest=digest(secret),
            rights=checked_rights,
            client_instance_id=client_instance_id,
            created_at=now,
            expires_at=ends_at,
        )
        async with self._store.transaction() as tx:
            if client_instance_id is not None and not await tx.instances.get(client_instance_id):
                flaws.add("client_instance_id", "names no client instance.", code="unknown")
            flaws.refuse_if_any()
            await tx.api_keys.add(key)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="api_key.added",
                subject=key.id,
                name=key.name,
                rights=key.rights,
                client_instance_id=client_instance_id,
                expires_at=ends_at,
            )
        return NewApiKey(key=key, secret=secret)

    async def api_keys(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[ApiKey]:
        """In order of their creation, revoked ones too. Needs MANAGE."""
        need_everywhere(by, Right.MANAGE)
        check_page(ids.Kind.API_KEY, after, limit)
        async with self._store.transaction() as tx:
            return await tx.api_keys.all(after=after, limit=limit)

    async def revoke_api_key(self, id: str, *, by: Caller) -> ApiKey:
        """No longer accepted after at most a second, by any process. Doing it twice does no
        harm. Needs MANAGE. Journal: ``api_key.revoked``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            revoked = await tx.api_keys.change(id, {"revoked_at": None}, revoked_at=now)
            if revoked is not None:
                await journal.write(
                    tx, now=now, by=by, verb="api_key.revoked", subject=id, name=revoked.name
                )
            found = revoked or await tx.api_keys.get(id)
        if found is None:
            raise NotFound("There is no such API key.")
        self._api_keys.forget()
        return found

    async def authenticate(self, text: str) -> Caller:
        """The caller that an API key's text stands for. Raises NotAuthenticated, with the same
        words whatever is wrong. Hot: a key that was just verified is remembered for at most a
        second."""
        now = self._clock.now()
        shape = _API_KEY.fullmatch(text)
        if shape is None:
            raise NotAuthenticated
        sent = digest(text)
        key = self._api_keys.get(sent, now)
        if key is None:
            key = await self._store.quick.api_key(f"{ids.Kind.API_KEY.value}_{shape[1]}")
            if key is None or not hmac.compare_digest(key.digest, sent):
                raise NotAuthenticated
        if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
            raise NotAuthenticated
        if self._api_keys.get(sent, now) is None:
            self._api_keys.put(sent, await self._noted(key, now), now)
        return Caller(
            kind=CallerKind.API_KEY,
            id=key.id,
            name=key.name,
            rights=key.rights,
            client_instance_id=key.client_instance_id,
        )

    # --- connection keys ---

    async def add_connection_key(
        self, account_id: str, *, name: str = "", by: Caller
    ) -> NewConnectionKey:
        """Needs WRITE. Journal: ``connection_key.added``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        flaws = Flaws()
        checked_name = flaws.text("name", name, ids.check_name, optional=True)
        secret = Secret(f"egc_{secrets.token_urlsafe(32)}")
        key = ConnectionKey(
            id=new_id(ids.Kind.CONNECTION_KEY, now),
            account_id=account_id,
            name=checked_name,
            digest=digest(secret),
            created_at=now,
        )
        async with self._store.transaction() as tx:
            await _reached(tx, account_id, by)
            flaws.refuse_if_any()
            await tx.connection_keys.add(key)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="connection_key.added",
                subject=key.id,
                account_id=account_id,
                name=key.name,
            )
        return NewConnectionKey(key=key, secret=secret)

    async def connection_keys(self, account_id: str, *, by: Caller) -> list[ConnectionKey]:
        """In order of their creation, revoked ones too. Needs READ."""
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            await _reached(tx, account_id, by)
            return await tx.connection_keys.all(account_id=account_id)

    async def revoke_connection_key(self, id: str, *, by: Caller) -> ConnectionKey:
        """No longer accepted after at most a second, by any process. Doing it twice does no
        harm. Needs WRITE. Journal: ``connection_key.revoked``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            found = await tx.connection_keys.get(id)
            if found is None:
                raise NotFound("There is no such connection key.")
            await _reached(tx, found.account_id, by)
            revoked = await tx.connection_keys.change(id, {"revoked_at": None}, revoked_at=now)
            if revoked is not None:
                await journal.write(
                    tx,
                    now=now,
                    by=by,
                    verb="connection_key.revoked",
                    subject=id,
                    account_id=found.account_id,
                    name=found.name,
                )
        self._connection_keys.forget()
        return revoked or found

    async def account_of(self, connection_key: str) -> str | None:
        """The id of the account that a connection key's text stands for; None when revoked or
        unknown. Hot: remembered for at most a second."""
        if not _CONNECTION_KEY.fullmatch(connection_key):
            return None
        now = self._clock.now()
        sent = digest(connection_key)
        remembered = self._connection_keys.get(sent, now)
        if remembered is not None:
            return remembered
        key = await self._store.quick.connection_key(sent)
        if key is None or key.revoked_at is not None:
            return None
        self._connection_keys.put(sent, key.account_id, now)
        return key.account_id

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

    async def _noted(self, key: ApiKey, now: datetime) -> ApiKey:
        """The key, with its use written down at most once a minute."""
        last = key.last_used_at
        if last is not None and abs(now - last) < USE_NOTED_EVERY:
            return key
        async with self._store.transaction() as tx:
            noted = await tx.api_keys.change(key.id, {"last_used_at": last}, last_used_at=now)
        return noted or key

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


async def _reached(tx: Transaction, account_id: str, by: Caller) -> Account:
    account = await tx.accounts.get(account_id)
    if account is None or not by.reaches(account.client_instance_id):
        raise NotFound("There is no such account.")
    return account


def _check_password(flaws: Flaws, password: Secret, name: str, email: str) -> None:
    plain = password.reveal()
    if not SHORTEST_PASSWORD <= len(plain) <= LONGEST_PASSWORD:
        message = f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
        flaws.add("password", message, code="bad_password", hint="A few words are easy to keep.")
    elif plain.strip().lower() in {name.lower(), email} or len(set(plain)) < 5:
        flaws.add("password", "is too easy to guess.", code="bad_password")
