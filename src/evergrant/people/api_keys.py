"""API keys: programs, what they may do, and how far they reach.

Answers for: making keys with rights, reach and end; rotating, revoking, recognising them, by their
text or by their id. Does not answer for: what a caller does with its rights (each room asks).

A key reaches one client instance or all of them; and of those all accounts, or the named ones and
nothing besides. ``manage`` and ``data_plane`` concern everything: only keys that reach everything
hold them.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from evergrant import journal
from evergrant.errors import NotAllowed, NotAuthenticated, NotFound, StoreUnavailable
from evergrant.intake import Flaws, check_page, need_everywhere
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
from evergrant.people.values import NewApiKey
from evergrant.ports import Clock
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import ApiKey
from evergrant.rules import ids
from evergrant.rules.rights import (
    EVERYWHERE_ONLY,
    Caller,
    CallerKind,
    Right,
    check_rights,
    idle_rights,
)
from evergrant.rules.secrecy import Secret, digest

__all__ = ["MOST_ACCOUNTS", "ApiKeys"]

#: A key for more accounts than that is a key for a client instance.
MOST_ACCOUNTS = 1000

_SHAPE = re.compile(r"egk_([0-9a-z]{26})_[A-Za-z0-9_-]{43}")


class ApiKeys:
    """See `People`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._api_keys: Memory[tuple[ApiKey, Caller]] = Memory()
        self._api_key_uses = Uses()

    async def add_api_key(
        self,
        *,
        name: str,
        rights: Collection[str],
        client_instance_id: str | None = None,
        account_ids: Collection[str] | None = None,
        expires_at: datetime | None = None,
        by: Caller,
    ) -> NewApiKey:
        """``account_ids``: reaches these accounts and nothing besides; they have to belong to the
        client instance if one is given. Needs MANAGE; nobody gives rights that they lack. Journal:
        ``api_key.added``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        flaws = Flaws()
        checked_name = flaws.text("name", name, ids.check_name)
        bound = client_instance_id is not None or account_ids is not None
        checked_rights = _check_rights(flaws, rights, bound, by)
        accounts = None if account_ids is None else _check_accounts(flaws, account_ids)
        ends_at = check_end(flaws, expires_at, now)
        async with self._store.transaction() as tx:
            if client_instance_id is not None and not await tx.instances.get(client_instance_id):
                flaws.add("client_instance_id", "names no client instance.", code="unknown")
            await _check_reach(tx, flaws, accounts or frozenset(), client_instance_id)
            flaws.refuse_if_any()
            made = _made(
                now, checked_name, checked_rights, client_instance_id, accounts, expires_at=ends_at
            )
            await tx.api_keys.add(made.key)
            await _tell_added(tx, made.key, now, by)
        return made

    async def rotate_api_key(
        self,
        id: str,
        *,
        overlap: timedelta = DEFAULT_OVERLAP,
        expires_at: datetime | None = None,
        by: Caller,
    ) -> NewApiKey:
        """A new key of the same name, rights and reach. The old one ends after ``overlap`` (0: at
        once), and never later than it would have ended anyway. The new one ends at ``expires_at``;
        without, it lives as long as the old one was made for. Needs MANAGE and every right of the
        key. Raises Conflict when the key has ended or was rotated before (``replaced_by`` in the
        facts). Journal: ``api_key.rotated``, ``api_key.added``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        flaws = Flaws()
        check_overlap(flaws, overlap)
        wished_end = check_end(flaws, expires_at, now)
        flaws.refuse_if_any()
        async with self._store.transaction() as tx:
            old = _found(await tx.api_keys.get(id))
            check_replaceable(old, now)
            lacking = sorted(right.value for right in old.rights if not by.may(right))
            if lacking:
                told = ", ".join(lacking)
                raise NotAllowed(f"This key holds rights that you do not have: {told}.")
            made = _made(
                now,
                old.name,
                old.rights,
                old.client_instance_id,
                old.account_ids,
                expires_at=end_of_successor(old, now, wished_end),
            )
            await tx.api_keys.add(made.key)
            ends_at = end_of_old(old, now, overlap)
            replaced = await tx.api_keys.change(
                id,
                {"replaced_by": None, "revoked_at": None, "expires_at": old.expires_at},
                replaced_by=made.key.id,
                expires_at=ends_at,
            )
            if replaced is None:
                check_replaceable(_found(await tx.api_keys.get(id)), now)
                raise NotFound("There is no such API key.")
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="api_key.rotated",
                subject=id,
                name=old.name,
                replaced_by=made.key.id,
                ends_at=ends_at,
            )
            await _tell_added(tx, made.key, now, by, replaces=id)
        self._api_keys.forget()
        return made

    async def api_key(self, id: str, *, by: Caller) -> ApiKey:
        """Needs AUDIT."""
        need_everywhere(by, Right.AUDIT)
        async with self._store.transaction() as tx:
            return _found(await tx.api_keys.get(id))

    async def api_keys(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[ApiKey]:
        """In order of their creation, revoked ones too. Needs AUDIT."""
        need_everywhere(by, Right.AUDIT)
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
            found = _found(revoked or await tx.api_keys.get(id))
        self._api_keys.forget()
        return found

    # --- recognising ---

    async def authenticate(self, text: str) -> Caller:
        """The caller that an API key's text stands for. Raises NotAuthenticated, with the same
        words whatever is wrong, and StoreUnavailable. Hot: see `caller_at_hand`."""
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            raise NotAuthenticated
        key, caller = await self._living_api_key(f"{ids.Kind.API_KEY.value}_{shape[1]}")
        if not hmac.compare_digest(key.digest, digest(text)):
            raise NotAuthenticated
        return caller

    async def caller_of_key(self, api_key_id: str) -> Caller:
        """The caller that the API key of this id stands for, for those who proved long ago that
        they hold it: it still lives. Raises NotAuthenticated, StoreUnavailable."""
        return (await self._living_api_key(api_key_id))[1]

    def caller_at_hand(self, text: str) -> Caller | None:
        """As `authenticate`, for hot doors: no await, no database, no refusal. None: not
        remembered, or refused; `authenticate` says which."""
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            return None
        known = self._api_key_at_hand(f"{ids.Kind.API_KEY.value}_{shape[1]}")
        if known is None or not hmac.compare_digest(known[0].digest, digest(text)):
            return None
        return known[1]

    def caller_of_key_at_hand(self, api_key_id: str) -> Caller | None:
        """As `caller_of_key`, without await; None: not remembered, or it has ended."""
        known = self._api_key_at_hand(api_key_id)
        return None if known is None else known[1]

    def _api_key_at_hand(self, id: str) -> tuple[ApiKey, Caller] | None:
        now = self._clock.now()
        known = self._api_keys.get(id, now)
        return known if known is not None and lives(known[0], now) else None

    async def _living_api_key(self, id: str) -> tuple[ApiKey, Caller]:
        now = self._clock.now()
        known = self._api_keys.get(id, now)
        if known is None:
            key = await self._store.quick.api_key(id)
            if key is None:
                raise NotAuthenticated
            known = key, _caller(key)
            self._api_keys.put(id, known, now)
        if not lives(known[0], now):
            raise NotAuthenticated
        await self._note_api_key_use(known[0], now)
        return known

    async def _note_api_key_use(self, key: ApiKey, now: datetime) -> None:
        """At most once a minute. Nobody is kept from what they came for when it cannot be
        written."""
        if not self._api_key_uses.due(key.id, key.last_used_at, now):
            return
        with contextlib.suppress(StoreUnavailable):
            async with self._store.transaction() as tx:
                await tx.api_keys.change(
                    key.id, {"last_used_at": key.last_used_at}, last_used_at=now
                )


def _caller(key: ApiKey) -> Caller:
    return Caller(
        kind=CallerKind.API_KEY,
        id=key.id,
        name=key.name,
        rights=key.rights,
        client_instance_id=key.client_instance_id,
        account_ids=key.account_ids,
    )


def _made(
    now: datetime,
    name: str,
    rights: frozenset[Right],
    client_instance_id: str | None,
    account_ids: frozenset[str] | None,
    *,
    expires_at: datetime | None,
) -> NewApiKey:
    key_id = new_id(ids.Kind.API_KEY, now)
    secret = Secret(f"egk_{key_id.partition('_')[2]}_{secrets.token_urlsafe(32)}")
    key = ApiKey(
        id=key_id,
        name=name,
        digest=digest(secret),
        rights=rights,
        client_instance_id=client_instance_id,
        account_ids=account_ids,
        created_at=now,
        expires_at=expires_at,
    )
    return NewApiKey(key=key, secret=secret)


async def _tell_added(
    tx: Transaction, key: ApiKey, now: datetime, by: Caller, replaces: str | None = None
) -> None:
    await journal.write(
        tx,
        now=now,
        by=by,
        verb="api_key.added",
        subject=key.id,
        name=key.name,
        rights=key.rights,
        client_instance_id=key.client_instance_id,
        account_ids=key.account_ids,
        expires_at=key.expires_at,
        **({"replaces": replaces} if replaces else {}),
    )


def _found(key: ApiKey | None) -> ApiKey:
    if key is None:
        raise NotFound("There is no such API key.")
    return key


def _check_rights(
    flaws: Flaws, rights: Collection[str], bound: bool, by: Caller
) -> frozenset[Right]:
    named = [rights] if isinstance(rights, str) else rights
    checked = flaws.check("rights", check_rights, named) or frozenset()
    for right in sorted(right for right in checked if not by.may(right)):
        message = f"must not hold {right.value!r}, which you do not have yourself."
        flaws.add("rights", message, code="more_than_own")
    for right in sorted(checked & EVERYWHERE_ONLY if bound else ()):
        flaws.add(
            "rights",
            f"must not hold {right.value!r} for a key that reaches one client instance or certain "
            "accounts only.",
            code="not_bound",
            hint=f"What {right.value!r} allows concerns everything.",
        )
    for right, hint in idle_rights(checked).items():
        flaws.add("rights", f"{right.value!r} alone opens nothing.", code="of_no_use", hint=hint)
    return checked


def _check_accounts(flaws: Flaws, account_ids: Collection[str]) -> frozenset[str]:
    """The ids as far as they are ids."""
    if isinstance(account_ids, str) or not isinstance(account_ids, Collection):
        flaws.add("account_ids", "must be a list.", code="wrong_type")
        return frozenset()
    if not account_ids:
        flaws.add(
            "account_ids",
            "must name one account at least.",
            code="missing",
            hint="Leave it out for a key that reaches all accounts.",
        )
    if len(account_ids) > MOST_ACCOUNTS:
        flaws.add(
            "account_ids",
            f"must name {MOST_ACCOUNTS} accounts at most.",
            code="too_many",
            hint="Bind the key to a client instance.",
        )
        return frozenset()
    found = [
        flaws.text("account_ids", one, lambda it: ids.check(ids.Kind.ACCOUNT, it))
        for one in account_ids
    ]
    return frozenset(one for one in found if one)


async def _check_reach(
    tx: Transaction, flaws: Flaws, account_ids: frozenset[str], client_instance_id: str | None
) -> None:
    found = {one.id: one for one in await tx.accounts.all(id=account_ids)} if account_ids else {}
    for unknown in sorted(account_ids - set(found)):
        flaws.add("account_ids", f"{unknown} names no account.", code="unknown")
    if client_instance_id is None:
        return
    for account_id, account in sorted(found.items()):
        if account.client_instance_id != client_instance_id:
            flaws.add(
                "account_ids",
                f"{account_id} belongs to another client instance.",
                code="out_of_reach",
                hint="Leave the client instance out, or the account.",
            )
