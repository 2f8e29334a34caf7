"""THE REGISTER. Applications with their integration credentials, and client instances.

Answers for: adding, changing, finding and listing them; their secrets going into the safe and
out of it for those who speak for an application; the one incident per application when Amazon
refuses it. Does not answer for: speaking with Amazon, rotating client secrets, or accounts.

Whom the reach of an API key ends at: a key bound to one client instance sees that instance
alone. Applications belong to no instance: such a key may read them (an account needs one), but
neither their credentials nor change anything. A key bound to certain accounts sees neither
instances nor applications: it adds no account.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from evergrant import journal, vault
from evergrant.errors import (
    ApplicationIncomplete,
    ApplicationRefused,
    Conflict,
    Misconfigured,
    NotFound,
    SealBroken,
    StoreUnavailable,
)
from evergrant.intake import (
    Flaws,
    check_page,
    differences,
    given_by,
    need,
    need_everywhere,
)
from evergrant.naming import new_id
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import LwaClient
from evergrant.ports.secrets_queue import QueueAccess
from evergrant.ports.store import (
    ONE_APPLICATION_PER_AMAZON_ID,
    ONE_APPLICATION_PER_NAME,
    ONE_INSTANCE_PER_NAME,
    AlreadyThere,
    Store,
    Transaction,
)
from evergrant.ports.things import (
    Application,
    ClientInstance,
    IntegrationCredentials,
    OutboxItem,
)
from evergrant.registry import incidents, queues, signing
from evergrant.registry.inspection import (
    APPLICATION,
    CREDENTIALS,
    check_application_change,
    check_credentials,
    check_dates,
    check_lwa_url,
    check_secrets,
    instance_readers,
)
from evergrant.registry.sealing import Promotion, seal_aws_keys, seal_client_secret, seal_promoted
from evergrant.registry.values import AddedInstance, Credentials, NewApplication, NewInstance
from evergrant.rules import ids
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.receivers import Receivers
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret
from evergrant.spelling import did_you_mean
from evergrant.vault import Vault

__all__ = [
    "AddedInstance",
    "Credentials",
    "NewApplication",
    "NewInstance",
    "Promotion",
    "Registry",
]

T = TypeVar("T")


_TAKEN = MappingProxyType(
    {
        ONE_APPLICATION_PER_NAME: ("name", "There is an application of this name already."),
        ONE_APPLICATION_PER_AMAZON_ID: (
            "application_id",
            "This application of Amazon's is registered already.",
        ),
        ONE_INSTANCE_PER_NAME: ("name", "There is a client instance of this name already."),
    }
)
_MOVED_ON = "Somebody else changed this at the same moment; look at it again."
_SEEN_EVERY = timedelta(minutes=1)


class Registry:
    """Verbs raise NotAllowed without the right, NotFound out of reach, InvalidInput with every
    flaw at once, Conflict when a name is taken or somebody else was faster."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        vault: Vault,
        marketplaces: Marketplaces,
        *,
        bell: Bell | None = None,
        operators: str = "",
        receivers: Receivers | None = None,
    ) -> None:
        """``operators``: where they read their mail; empty: they get no letter of an incident.
        ``receivers``: where webhooks may go; None: anywhere."""
        self._store = store
        self._clock = clock
        self._vault = vault
        self._marketplaces = marketplaces
        self._bell = bell
        self._operators = operators
        self.receivers = receivers or Receivers(anywhere=True)
        self._instance = instance_readers(self.receivers)
        self._seen: dict[str, datetime] = {}

    # --- applications ---

    async def add_application(self, new: NewApplication, *, by: Caller) -> Application:
        """Needs MANAGE. Journal: ``application.added``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        flaws = Flaws()
        values = flaws.settle(APPLICATION, given_by(new))
        flaws.refuse_if_any()
        application = Application(
            id=new_id(ids.Kind.APPLICATION, now), created_at=now, changed_at=now, **values
        )
        async with self._store.transaction() as tx:
            try:
                await tx.applications.add(application)
            except AlreadyThere as taken:
                raise _conflict(taken) from None
            await journal.write(
                tx, now=now, by=by, verb="application.added", subject=application.id, **values
            )
        return application

    async def change_application(
        self, id: str, changes: Mapping[str, object], *, by: Caller
    ) -> Application:
        """Changes the named fields of ``NewApplication``. Amazon's id and the kind are frozen once
        an account was authorized; a partner kind stays while accounts of it exist. Needs MANAGE.
        Journal: ``application.changed``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        flaws = Flaws()
        flaws.names(changes, APPLICATION)
        values = flaws.settle(APPLICATION, changes)
        async with self._store.transaction() as tx:
            old = _found(await tx.applications.get(id))
            changed = differences(old, values)
            await check_application_change(tx, flaws, old, changed)
            flaws.refuse_if_any()
            if not changed:
                return old
            try:
                fresh = await tx.applications.change(
                    id, {"changed_at": old.changed_at}, **changed, changed_at=now
                )
            except AlreadyThere as taken:
                raise _conflict(taken) from None
            if fresh is None:
                raise Conflict(_MOVED_ON)
            await journal.write(
                tx, now=now, by=by, verb="application.changed", subject=id, **changed
            )
        return fresh

    async def application(self, id: str, *, by: Caller) -> Application:
        """Needs READ."""
        need(by, Right.READ)
        if by.account_ids is not None:
            raise NotFound
        async with self._store.transaction() as tx:
            return _found(await tx.applications.get(id))

    async def find_application(self, text: str, *, by: Caller) -> Application:
        """By id, by name, or by Amazon's application id. Needs READ."""
        need(by, Right.READ)
        if by.account_ids is not None:
            _unknown("application", text, [])
        async with self._store.transaction() as tx:
            found = (
                await tx.applications.get(text)
                or await tx.applications.one(name=text.strip())
                or await tx.applications.one(application_id=text.strip())
            )
            return found or _unknown(
                "application", text, [one.name for one in await tx.applications.all(limit=1000)]
            )

    async def applications(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[Application]:
        """In order of their creation. Needs READ."""
        need(by, Right.READ)
        check_page(ids.Kind.APPLICATION, after, limit)
        if by.account_ids is not None:
            return []
        async with self._store.transaction() as tx:
            return await tx.applications.all(after=after, limit=limit)

    # --- integration credentials ---

    async def set_credentials(
        self, application_id: str, given: Credentials, *, by: Caller
    ) -> IntegrationCredentials:
        """Needs MANAGE. A replaced client secret is kept as the previous one for 7 days, as long
        as Amazon goes on accepting it. Journal: ``application.credentials_set``."""
        need_everywhere(by, Right.MANAGE)
        now = self._clock.now()
        flaws = Flaws()
        named = {name: value for name, value in given_by(given).items() if value is not None}
        values = flaws.settle(CREDENTIALS, named)
        check_lwa_url(flaws, values.get("lwa_url", ""), self._marketplaces.lwa_url)
        check_secrets(flaws, given)
        check_dates(flaws, given, now)
        async with self._store.transaction() as tx:
            _found(await tx.applications.get(application_id))
            old = await tx.credentials.get(application_id)
            await check_credentials(tx, flaws, application_id, old, given, values)
            flaws.refuse_if_any()
            # Holds the row first: nobody promotes a client secret at the same moment.
            if old is not None and not await tx.credentials.change(
                application_id, {"changed_at": old.changed_at}, changed_at=now
            ):
                raise Conflict(_MOVED_ON)
            base = old or IntegrationCredentials(
                id=application_id, lwa_client_id=values["lwa_client_id"], changed_at=now
            )
            values |= await seal_client_secret(self._vault, tx, base, values, given, now)
            values |= await seal_aws_keys(self._vault, tx, application_id, given, now)
            fresh = dataclasses.replace(base, **values, changed_at=now)
            await tx.credentials.put(fresh)
            if fresh.notifications_queue_url != base.notifications_queue_url:
                await queues.see_to_anew(tx, application_id, now)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="application.credentials_set",
                subject=application_id,
                fields=sorted(named),
            )
        return fresh

    async def credentials(self, application_id: str, *, by: Caller) -> IntegrationCredentials:
        """All but the secrets. NotFound while none were set. Needs READ and reach of all."""
        need_everywhere(by, Right.READ)
        async with self._store.transaction() as tx:
            _found(await tx.applications.get(application_id))
            found = await tx.credentials.get(application_id)
        if found is None:
            raise NotFound("This application has no credentials yet.")
        return found

    async def lwa_client(self, application_id: str) -> LwaClient:
        """For rooms that speak with LWA. Raises ApplicationIncomplete."""
        async with self._store.transaction() as tx:
            credentials = await tx.credentials.get(application_id)
            secret = await self._vault.open(tx, vault.client_secret(application_id))
        if credentials is None or secret is None:
            lacking = "LWA client id" if credentials is None else "LWA client secret"
            raise ApplicationIncomplete(
                f"The application lacks its {lacking}.",
                hint="Set the integration credentials of the application.",
                facts={"application_id": application_id},
            )
        return self.lwa_client_with(credentials, secret)

    async def previous_lwa_client(self, application_id: str) -> LwaClient | None:
        """The application with the client secret that was replaced last, while Amazon may still
        take it; else None. For the mint, once LWA refused the one in force: a secret that was
        mistyped, or that not all of LWA knows yet, stops nobody for these days."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            credentials = await tx.credentials.get(application_id)
            ends_at = credentials.previous_secret_ends_at if credentials is not None else None
            if credentials is None or ends_at is None or ends_at <= now:
                return None
            try:
                secret = await self._vault.open(tx, vault.previous_client_secret(application_id))
            except (SealBroken, Misconfigured):
                return None
        return None if secret is None else self.lwa_client_with(credentials, secret)

    async def notifications_queue(self, application_id: str) -> QueueAccess | None:
        """The way to the queue of Amazon's notifications, for the room that reads them; None where
        the application has none. Raises SealBroken and Misconfigured."""
        return await queues.access_to(self._store, self._vault, application_id)

    def lwa_client_with(self, credentials: IntegrationCredentials, secret: Secret) -> LwaClient:
        """With another client secret than the one in force: to try it."""
        return LwaClient(
            application_id=credentials.id,
            lwa_client_id=credentials.lwa_client_id,
            lwa_client_secret=secret,
            lwa_url=credentials.lwa_url or self._marketplaces.lwa_url,
        )

    async def promote_client_secret(
        self, tx: Transaction, seen: IntegrationCredentials, promoted: Promotion, *, now: datetime
    ) -> IntegrationCredentials:
        """Part of the transaction: the client secret of ``promoted``, which LWA has taken, is in
        force; the one before it is kept to its end. For the room that rotates, which writes the
        journal. Raises Conflict when the credentials were changed since they were ``seen``."""
        held = await tx.credentials.change(seen.id, {"changed_at": seen.changed_at}, changed_at=now)
        if held is None:
            raise Conflict(_MOVED_ON)
        changes = await seal_promoted(self._vault, tx, seen, promoted, now)
        fresh = await tx.credentials.change(seen.id, **changes)
        await incidents.end(tx, held, now=now)
        return _found(fresh)

    async def note_application_trouble(
        self, application_id: str, error: ApplicationRefused | None
    ) -> bool:
        """What LWA just said of the application itself: an error, or None when it was content.
        Gives True when that is news: journal ``application.trouble_began`` or
        ``application.trouble_ended``, one notice, one event for each client instance and one letter
        to the operators for all of its accounts together. Marks no account."""
        now = self._clock.now()
        items: list[OutboxItem] = []
        async with self._store.transaction() as tx:
            old = await tx.credentials.get(application_id)
            if old is None or bool(old.trouble) == bool(error):
                return False
            if error is None:
                return await incidents.end(tx, old, now=now)
            begun = await incidents.begin(tx, old, error, now=now, operators=self._operators)
            if begun is None:
                return False
            items = begun
        if items and self._bell is not None:
            await self._bell.ring([item.id for item in items])
        return True

    # --- client instances ---

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
                raise _conflict(taken) from None
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
                raise _conflict(taken) from None
            await journal.write(tx, now=now, by=by, verb="instance.changed", subject=id, **changed)
        return _found(fresh)

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
            return _unknown("client instance", text, names)

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


def _conflict(taken: AlreadyThere) -> Exception:
    field, sentence = _TAKEN.get(taken.constraint, (None, None))
    return Conflict(sentence, facts={"field": field}) if sentence else taken


def _found(thing: T | None) -> T:
    if thing is None:
        raise NotFound
    return thing


def _reached(instance: ClientInstance | None, by: Caller) -> ClientInstance:
    if instance is None or not by.reaches(instance.id):
        raise NotFound
    return instance


def _unknown(what: str, text: str, names: Sequence[str]) -> NoReturn:
    raise NotFound(f"There is no {what} {text!r}.", hint=did_you_mean(text, names))
