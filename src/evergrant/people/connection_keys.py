"""Connection keys: each stands for one account where an SDK expects a refresh token.

Answers for: making, rotating, revoking and recognising them, by their text or by their id. Does not
answer for: who may use one; whoever sends it needs an API key that reaches the account.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from datetime import datetime, timedelta

from evergrant import journal
from evergrant.errors import NotAuthenticated, NotFound, StoreUnavailable
from evergrant.intake import Flaws, need
from evergrant.naming import new_id
from evergrant.people.memory import Memory, Uses
from evergrant.people.rotation import (
    DEFAULT_OVERLAP,
    check_end,
    check_overlap,
    check_replaceable,
    end_of_old,
    end_of_successor,
    lives,
)
from evergrant.people.values import NewConnectionKey
from evergrant.ports import Clock
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import ConnectionKey
from evergrant.rules import ids
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret, digest

__all__ = ["ConnectionKeys"]

_SHAPE = re.compile(r"egc_[A-Za-z0-9_-]{43}")


class ConnectionKeys:
    """See `People`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # What is known by the one is put into the other at the same instant. They are two, or
        # whoever saw a digest could come in with it in the place of an id.
        self._connection_keys: Memory[ConnectionKey] = Memory()
        self._connection_keys_by_digest: Memory[ConnectionKey] = Memory()
        self._connection_key_uses = Uses()

    async def add_connection_key(
        self,
        account_id: str,
        *,
        name: str = "",
        expires_at: datetime | None = None,
        by: Caller,
    ) -> NewConnectionKey:
        """Needs WRITE. Journal: ``connection_key.added``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        flaws = Flaws()
        checked_name = flaws.text("name", name, ids.check_name, optional=True)
        ends_at = check_end(flaws, expires_at, now)
        made = _made(now, account_id, checked_name, ends_at)
        async with self._store.transaction() as tx:
            await _check_reach(tx, account_id, by)
            flaws.refuse_if_any()
            await tx.connection_keys.add(made.key)
            await _tell_added(tx, made.key, now, by)
        return made

    async def rotate_connection_key(
        self,
        id: str,
        *,
        account_id: str | None = None,
        overlap: timedelta = DEFAULT_OVERLAP,
        expires_at: datetime | None = None,
        by: Caller,
    ) -> NewConnectionKey:
        """A new key for the same account, of the same name; ``account_id``: NotFound for a key of
        another one. The old one ends after ``overlap`` (0:
        at once), and never later than it would have ended anyway. The new one ends at
        ``expires_at``; without, it lives as long as the old one was made for. Needs WRITE. Raises
        Conflict when the key has ended or was rotated before (``replaced_by`` in the facts).
        Journal: ``connection_key.rotated``, ``connection_key.added``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        flaws = Flaws()
        check_overlap(flaws, overlap)
        wished_end = check_end(flaws, expires_at, now)
        async with self._store.transaction() as tx:
            old = await _reached(tx, id, by, account_id)
            flaws.refuse_if_any()
            check_replaceable(old, now)
            made = _made(now, old.account_id, old.name, end_of_successor(old, now, wished_end))
            await tx.connection_keys.add(made.key)
            ends_at = end_of_old(old, now, overlap)
            replaced = await tx.connection_keys.change(
                id,
                {"replaced_by": None, "revoked_at": None, "expires_at": old.expires_at},
                replaced_by=made.key.id,
                expires_at=ends_at,
            )
            if replaced is None:
                check_replaceable(await _reached(tx, id, by), now)
                raise NotFound("There is no such connection key.")
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="connection_key.rotated",
                subject=id,
                account_id=old.account_id,
                name=old.name,
                replaced_by=made.key.id,
                ends_at=ends_at,
            )
            await _tell_added(tx, made.key, now, by, replaces=id)
        self._forget_connection_keys()
        return made

    async def connection_keys(self, account_id: str, *, by: Caller) -> list[ConnectionKey]:
        """In order of their creation, revoked ones too. Needs READ."""
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            await _check_reach(tx, account_id, by)
            return await tx.connection_keys.all(account_id=account_id)

    async def connection_key(self, id: str, *, by: Caller) -> ConnectionKey:
        """Needs READ."""
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            return await _reached(tx, id, by)

    async def revoke_connection_key(
        self, id: str, *, account_id: str | None = None, by: Caller
    ) -> ConnectionKey:
        """No longer accepted after at most a second, by any process. Doing it twice does no
        harm. ``account_id``: NotFound for a key of another one. Needs WRITE. Journal:
        ``connection_key.revoked``."""
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            found = await _reached(tx, id, by, account_id)
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
        self._forget_connection_keys()
        return revoked or found

    # --- recognising ---

    async def connection_of(self, text: str) -> ConnectionKey | None:
        """The connection key of this text; None when it is unknown, revoked or has ended. Hot:
        remembered as the key rack says. Raises StoreUnavailable."""
        if not _SHAPE.fullmatch(text):
            return None
        sent, now = digest(text), self._clock.now()
        known = self._connection_keys_by_digest.get(sent, now)
        if known is None:
            known = self._remembered(await self._store.quick.connection_key(sent), now)
        return await self._living_connection_key(known, now)

    async def account_of(self, text: str) -> str | None:
        """The id of the account that a connection key's text stands for, as `connection_of`."""
        found = await self.connection_of(text)
        return None if found is None else found.account_id

    async def account_of_connection(self, connection_key_id: str) -> str:
        """The account of the connection key of this id, for those who proved long ago that they
        hold it: it still lives. Raises NotAuthenticated, StoreUnavailable."""
        now = self._clock.now()
        known = self._connection_keys.get(connection_key_id, now)
        if known is None:
            found = await self._store.quick.connection_key_of_id(connection_key_id)
            known = self._remembered(found, now)
        living = await self._living_connection_key(known, now)
        if living is None:
            raise NotAuthenticated("The connection key that this was given for has ended.")
        return living.account_id

    def connection_at_hand(self, text: str) -> ConnectionKey | None:
        """As `connection_of`, for hot doors: no await, no database. None: not remembered, or
        refused."""
        if not _SHAPE.fullmatch(text):
            return None
        return self._living_at_hand(self._connection_keys_by_digest, digest(text))

    def account_at_hand(self, text: str) -> str | None:
        """As `account_of`, without await; None: not remembered, or refused."""
        known = self.connection_at_hand(text)
        return None if known is None else known.account_id

    def account_of_connection_at_hand(self, connection_key_id: str) -> str | None:
        """As `account_of_connection`, without await; None: not remembered, or it has ended."""
        known = self._living_at_hand(self._connection_keys, connection_key_id)
        return None if known is None else known.account_id

    def _remembered(self, found: ConnectionKey | None, asked_at: datetime) -> ConnectionKey | None:
        """What the database just said, and never what was remembered: it would live on."""
        if found is not None:
            self._connection_keys.put(found.id, found, asked_at)
            self._connection_keys_by_digest.put(found.digest, found, asked_at)
        return found

    def _forget_connection_keys(self) -> None:
        self._connection_keys.forget()
        self._connection_keys_by_digest.forget()

    def _living_at_hand(self, memory: Memory[ConnectionKey], name: str) -> ConnectionKey | None:
        now = self._clock.now()
        known = memory.get(name, now)
        return known if known is not None and lives(known, now) else None

    async def _living_connection_key(
        self, key: ConnectionKey | None, now: datetime
    ) -> ConnectionKey | None:
        if key is None or not lives(key, now):
            return None
        await self._note_connection_key_use(key, now)
        return key

    async def _note_connection_key_use(self, key: ConnectionKey, now: datetime) -> None:
        """At most once a minute. Nobody is kept from what they came for when it cannot be
        written."""
        if not self._connection_key_uses.due(key.id, key.last_used_at, now):
            return
        with contextlib.suppress(StoreUnavailable):
            async with self._store.transaction() as tx:
                await tx.connection_keys.change(
                    key.id, {"last_used_at": key.last_used_at}, last_used_at=now
                )


def _made(
    now: datetime, account_id: str, name: str, expires_at: datetime | None
) -> NewConnectionKey:
    secret = Secret(f"egc_{secrets.token_urlsafe(32)}")
    key = ConnectionKey(
        id=new_id(ids.Kind.CONNECTION_KEY, now),
        account_id=account_id,
        name=name,
        digest=digest(secret),
        created_at=now,
        expires_at=expires_at,
    )
    return NewConnectionKey(key=key, secret=secret)


async def _tell_added(
    tx: Transaction, key: ConnectionKey, now: datetime, by: Caller, replaces: str | None = None
) -> None:
    await journal.write(
        tx,
        now=now,
        by=by,
        verb="connection_key.added",
        subject=key.id,
        account_id=key.account_id,
        name=key.name,
        expires_at=key.expires_at,
        **({"replaces": replaces} if replaces else {}),
    )


async def _reached(
    tx: Transaction, id: str, by: Caller, account_id: str | None = None
) -> ConnectionKey:
    found = await tx.connection_keys.get(id)
    account = await tx.accounts.get(found.account_id) if found else None
    if (
        found is None
        or account is None
        or account_id not in (None, account.id)
        or not by.reaches_account(account.id, account.client_instance_id)
    ):
        raise NotFound("There is no such connection key.")
    return found


async def _check_reach(tx: Transaction, account_id: str, by: Caller) -> None:
    account = await tx.accounts.get(account_id)
    if account is None or not by.reaches_account(account.id, account.client_instance_id):
        raise NotFound("There is no such account.")
