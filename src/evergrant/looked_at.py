"""What a person looks at before an installation goes live: the values of every item of the list.

Answers for: the values as they are now, of the house, of each application and each client instance,
never a secret among them; and which of them nobody has signed as they are. Does not answer for: the
list (``rules.reviews``), items that the machine decides (checks), or for keeping signatures (the
sign-off book).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.ports.things import Application, ClientInstance, IntegrationCredentials
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.reviews import ITEMS, ReviewItem, Signature, digest_of, key_of, state_of
from evergrant.rules.rights import Right
from evergrant.settings import HouseValues
from evergrant.vault import Vault

__all__ = ["LookedAt", "Thing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One item of the list, of one thing, with the values to look at."""

    item: ReviewItem
    looked_at: Mapping[str, Any]
    subject: str = ""
    name: str = ""


class LookedAt:
    """Raises StoreUnavailable."""

    def __init__(self, store: Store, clock: Clock, vault: Vault, house: HouseValues) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._house = house

    async def all(self) -> list[Thing]:
        """Every item that a person decides on."""
        async with self._store.transaction() as tx:
            applications = await tx.applications.all()
            credentials = {row.id: row for row in await tx.credentials.all()}
            instances = await tx.instances.all()
        found = await self._of_house(applications)
        for application in applications:
            found += _of_application(application, credentials.get(application.id), self._house)
        return found + [_of_instance(instance) for instance in instances]

    async def unsigned(self, application_id: str, client_instance_id: str) -> Sequence[str]:
        """Items of the house, of this application and of this client instance that nobody has
        signed as they are now, or that were signed too long ago."""
        now = self._clock.now()
        wanted = {"", application_id, client_instance_id}
        async with self._store.transaction() as tx:
            signed = {review.id: review for review in await tx.reviews.all()}
        found = []
        for thing in await self.all():
            if thing.subject not in wanted:
                continue
            review = signed.get(key_of(thing.item.name, thing.subject))
            state = state_of(
                thing.item,
                now,
                digest=digest_of(thing.item.name, thing.subject, thing.looked_at),
                signature=None if review is None else Signature(digest=review.digest, at=review.at),
            )
            if not state.is_settled:
                found.append(thing.item.name)
        return found

    async def _of_house(self, applications: Sequence[Application]) -> list[Thing]:
        house = self._house
        own = {
            one.id: list(one.reminder_days) for one in applications if one.reminder_days is not None
        }
        return [
            Thing(item=ITEMS["local-settings"], looked_at=dict(house.shown)),
            Thing(item=ITEMS["mail-relay"], looked_at=dict(house.mail)),
            Thing(item=ITEMS["backups"], looked_at={"database": house.database}),
            Thing(
                item=ITEMS["reminder-windows"],
                looked_at={
                    "days": list(house.reminder_days),
                    "of_applications": own,
                    "operators_email": house.operators_email,
                },
            ),
            Thing(
                item=ITEMS["key-ring-copy"],
                looked_at={"key_ids": sorted(await self._vault.key_ids())},
            ),
            await self._operators(),
        ]

    async def _operators(self) -> Thing:
        powerful = {Right.MANAGE, Right.PERSONAL_DATA}
        now = self._clock.now()
        async with self._store.transaction() as tx:
            people = await tx.operators.all(disabled_at=None)
            keys = await tx.api_keys.all(revoked_at=None)
        return Thing(
            item=ITEMS["operators"],
            looked_at={
                "operators": {one.id: [one.name, one.email, one.role] for one in people},
                "api_keys": {
                    one.id: [one.name, sorted(one.rights & powerful)]
                    for one in keys
                    if one.rights & powerful and (one.expires_at is None or one.expires_at > now)
                },
            },
        )


def _of_application(
    application: Application, own: IntegrationCredentials | None, house: HouseValues
) -> Iterator[Thing]:
    # As they have to stand at Amazon, whether the house tells them or they follow from its address.
    consents = application.kind is not ApplicationKind.PRIVATE
    yield Thing(
        item=ITEMS["registration"],
        looked_at={
            "application_id": application.application_id,
            "lwa_client_id": own.lwa_client_id if own else "",
            "kind": application.kind,
            "status": application.status,
            "partner_kinds": application.partner_kinds,
            "developer_name": application.developer_name,
            "developer_id": application.developer_id,
            "login_uri": application.login_uri or (house.login_uri if consents else ""),
            "redirect_uri": application.redirect_uri or (house.redirect_uri if consents else ""),
        },
        subject=application.id,
        name=application.name,
    )
    yield Thing(
        item=ITEMS["secret-rotation"],
        looked_at={
            "queue_url": own.queue_url if own else "",
            "role_arn": own.role_arn if own else "",
            "access_key_hint": own.access_key_hint if own else "",
        },
        subject=application.id,
        name=application.name,
    )


def _of_instance(instance: ClientInstance) -> Thing:
    return Thing(
        item=ITEMS["instance-webhooks"],
        looked_at={
            "base_url": instance.base_url,
            "return_url": instance.return_url,
            "webhook_url": instance.webhook_url,
            "signing_secret_made_at": instance.signing_secret_made_at,
        },
        subject=instance.id,
        name=instance.name,
    )
