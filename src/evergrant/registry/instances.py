"""Client instances: the installations of the house's software.

Answers for: adding, changing, finding and listing them, their signing secrets, and when one was
heard of last. Does not answer for: applications, or for delivering anything to an instance.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal, vault
from evergrant.errors import NotFound, StoreUnavailable
from evergrant.intake import Flaws, check_page, differences, given_by, need, need_everywhere
from evergrant.naming import new_id
from evergrant.ports import Clock
from evergrant.ports.store import AlreadyThere, Store
from evergrant.ports.things import ClientInstance
from evergrant.registry import signing
from evergrant.registry.finding import conflict, needed, unknown
from evergrant.registry.inspection import instance_readers
from evergrant.registry.values import AddedInstance, NewInstance
from evergrant.rules import ids
from evergrant.rules.receivers import Receivers
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret
from evergrant.vault import Vault

__all__ = ["Instances"]

_SEEN_EVERY = timedelta(minutes=1)


class Instances:
    """See `Registry`. ``receivers``: where webhooks may go; None: anywhere."""

    def __init__(
        self, store: Store, clock: Clock, vault: Vault, receivers: Receivers | None
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self.receivers = receivers or Receivers(anywhere=True)
        self._instance = instance_readers(self.receivers)
        self._seen: dict[str, datetime] = {}

    async def add_instance(
        self, new: NewInstance, *, by: Caller, signing_secret: Secret | None = None
    ) -> AddedInstance:
        """``signing_secret``: one that the receiver of its webhooks knows already; None: a fresh
        one is made. Needs MANAGE. Journal: ``instance.added``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        flaws = Flaws()
        values = flaws.settle(self._instance, given_by(new))
        flaws.refuse_if_any()
        instance = ClientInstance(
            id=new_id(ids.Kind.INSTANCE, now),
            signing_secret_made_at=now,
            created_at=now,
            changed_at=now,
            **values,
        )
        secret = signing_secret or signing.fresh()
        async with self._store.transaction() as tx:
            try:
                await tx.instances.add(instance)
            except AlreadyThere as taken:
                raise conflict(taken) from None
            await self._vault.put(tx, vault.signing_secret(instance.id), secret, now=now)
            await journal.write(
                tx, now=now, by=by, verb="instance.added", subject=instance.id, **values
            )
        return AddedInstance(instance, secret)

    async def change_instance(
        self, id: str, changes: Mapping[str, object], *, by: Caller
    ) -> ClientInstance:
        """Changes the named fields of ``NewInstance``. Needs MANAGE. Journal:
        ``instance.changed``."""
        need(by, Right.MANAGE)
        now = self._clock.now()
        flaws = Flaws()
        flaws.names(changes, self._instance)
        values = flaws.settle(self._instance, changes)
        async with self._store.transaction() as tx:
            old = _reached(await tx.instances.get(id), by)
            flaws.refuse_if_any()
            changed = differences(old, values)
            if not changed:
                return old
            try:
                fresh = await tx.instances.change(id, **changed, changed_at=now)
            except AlreadyThere as taken:
                raise conflict(taken) from None
            await journal.write(tx, now=now, by=by, verb="instance.changed", subject=id, **changed)
        return needed(fresh)

    async def renew_signing_secret(self, id: str, *, by: Caller) -> Secret:
        """A fresh signing secret. The one before it signs as well for a day, so that receivers
        take every event while they learn of it. Needs MANAGE. Journal:
        ``instance.signing_secret_renewed``."""
        need(by, Right.MANAGE)
        secret = signing.fresh()
        await self._replace_signing_secret(id, secret, "instance.signing_secret_renewed", by)
        return secret

    async def restore_signing_secret(self, id: str, secret: Secret, *, by: Caller) -> None:
        """One that the receiver of its webhooks knows already takes the place of the one here.
        Needs MANAGE. Journal: ``instance.signing_secret_restored``."""
        need(by, Right.MANAGE)
        await self._replace_signing_secret(id, secret, "instance.signing_secret_restored", by)

    async def _replace_signing_secret(self, id: str, secret: Secret, verb: str, by: Caller) -> None:
        now = self._clock.now()
        async with self._store.transaction() as tx:
            _reached(await tx.instances.get(id), by)
            # Holds the row first: of two at the same moment, both are kept.
            await tx.instances.change(id, signing_secret_made_at=now)
            await signing.replace(self._vault, tx, id, secret, now)
            await journal.write(tx, now=now, by=by, verb=verb, subject=id)

    async def instance(self, id: str, *, by: Caller) -> ClientInstance:
        """Needs READ."""
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            return _reached(await tx.instances.get(id), by)

    async def find_instance(self, text: str, *, by: Caller) -> ClientInstance:
        """By id or by name. Needs READ."""
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            found = await tx.instances.get(text) or await tx.instances.one(name=text.strip())
            if found is not None and by.reaches(found.id):
                return found
            names = [one.name for one in await tx.instances.all(limit=1000) if by.reaches(one.id)]
            return unknown("client instance", text, names)

    async def instances(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[ClientInstance]:
        """In order of their creation, within reach. Needs READ."""
        need(by, Right.READ)
        check_page(ids.Kind.INSTANCE, after, limit)
        if by.account_ids is not None:
            return []
        bound: dict[str, Any] = (
            {} if by.client_instance_id is None else {"id": by.client_instance_id}
        )
        async with self._store.transaction() as tx:
            return await tx.instances.all(after=after, limit=limit, **bound)

    async def signing_secrets(self, instance_id: str) -> tuple[Secret, ...]:
        """For the post room, in Standard Webhooks form (``whsec_…``): the one in force first, then
        those that sign beside it for a day. Empty for an instance that is not there."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            return await signing.in_force(self._vault, tx, instance_id, now)

    async def note_seen(self, instance_id: str) -> None:
        """The instance called just now; written at most once a minute. Nobody is kept from what
        they came for when it cannot be written."""
        now = self._clock.now()
        last = self._seen.get(instance_id)
        if last is not None and abs(now - last) < _SEEN_EVERY:
            return
        self._seen[instance_id] = now
        with contextlib.suppress(StoreUnavailable):
            async with self._store.transaction() as tx:
                await tx.instances.change(instance_id, last_seen_at=now)


def _reached(instance: ClientInstance | None, by: Caller) -> ClientInstance:
    if instance is None or not by.reaches(instance.id):
        raise NotFound
    return instance
