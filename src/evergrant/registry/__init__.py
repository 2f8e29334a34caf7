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

import dataclasses
from collections.abc import Mapping
from datetime import datetime

from evergrant import journal, vault
from evergrant.errors import (
    ApplicationIncomplete,
    ApplicationRefused,
    Conflict,
    Misconfigured,
    NotFound,
    SealBroken,
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
    AlreadyThere,
    Store,
    Transaction,
)
from evergrant.ports.things import (
    Application,
    IntegrationCredentials,
    OutboxItem,
)
from evergrant.registry import incidents, queues
from evergrant.registry.finding import conflict, needed, unknown
from evergrant.registry.inspection import (
    APPLICATION,
    CREDENTIALS,
    check_application_change,
    check_credentials,
    check_dates,
    check_lwa_url,
    check_secrets,
)
from evergrant.registry.instances import Instances
from evergrant.registry.sealing import Promotion, seal_aws_keys, seal_client_secret, seal_promoted
from evergrant.registry.values import AddedInstance, Credentials, NewApplication, NewInstance
from evergrant.rules import ids
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.receivers import Receivers
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import Secret
from evergrant.vault import Vault

__all__ = [
    "AddedInstance",
    "Credentials",
    "NewApplication",
    "NewInstance",
    "Promotion",
    "Registry",
]

_MOVED_ON = "Somebody else changed this at the same moment; look at it again."


class Registry(Instances):
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
        super().__init__(store, clock, vault, receivers)
        self._marketplaces = marketplaces
        self._bell = bell
        self._operators = operators

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
                raise conflict(taken) from None
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
            old = needed(await tx.applications.get(id))
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
                raise conflict(taken) from None
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
            return needed(await tx.applications.get(id))

    async def find_application(self, text: str, *, by: Caller) -> Application:
        """By id, by name, or by Amazon's application id. Needs READ."""
        need(by, Right.READ)
        if by.account_ids is not None:
            unknown("application", text, [])
        async with self._store.transaction() as tx:
            found = (
                await tx.applications.get(text)
                or await tx.applications.one(name=text.strip())
                or await tx.applications.one(application_id=text.strip())
            )
            return found or unknown(
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
            needed(await tx.applications.get(application_id))
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
            needed(await tx.applications.get(application_id))
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
        return needed(fresh)

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
