"""What every desk of the reception stands on.

Answers for: the other rooms and sockets that the reception works with, and the facts of one
account loaded together. Does not answer for: any decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlsplit

from evergrant.accounts import Accounts
from evergrant.errors import NotFound
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import LWA, Hears, SellingPartnerApi
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import (
    Account,
    Application,
    Authorization,
    ClientInstance,
    Handshake,
)
from evergrant.registry import Registry
from evergrant.rules.budgets import Importance
from evergrant.rules.faults import Fault
from evergrant.rules.marketplaces import Marketplaces, Region
from evergrant.rules.rights import Caller, CallerKind, partner
from evergrant.rules.secrecy import Secret
from evergrant.settings import House
from evergrant.vault import Vault

__all__ = [
    "COMMIT_PATIENCE_S",
    "Case",
    "Ground",
    "Permitted",
    "case_in_reach",
    "case_of",
    "host_of",
    "one_line",
]

#: Pauses between attempts to store a grant that Amazon gave and the database does not take: the
#: code is spent, so the grant exists nowhere but in this process. A restarting database is back
#: within that time.
COMMIT_PATIENCE_S: tuple[float, ...] = (0.2, 0.5, 1, 2, 4, 8)


class Permitted(Protocol):
    """Leave of the buckets that all of the house share, for the one call of this operation that is
    made inside; it tells how the call ended. The gate gives it.

    Raises OverLimit when there is no permit within ``ready_to_wait_s``, StoreUnavailable."""

    def __call__(
        self,
        operation: str,
        access_token: Secret,
        *,
        account_id: str,
        application_id: str,
        region: Region,
        ready_to_wait_s: float,
        importance: Importance = Importance.SECOND,
    ) -> AbstractAsyncContextManager[Hears]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    store: Store
    clock: Clock
    vault: Vault
    registry: Registry
    accounts: Accounts
    lwa: LWA
    selling_partner_api: SellingPartnerApi
    permitted: Permitted
    bell: Bell
    marketplaces: Marketplaces
    house: House
    login_uri: str
    redirect_uri: str
    invitation_life: timedelta
    commit_patience_s: tuple[float, ...]

    def link(self, link_secret: Secret) -> Secret:
        """The whole address that goes into a letter."""
        return Secret(f"{self.house.public_url}/connect/{link_secret.reveal()}")

    def redirect_uri_of(self, application: Application) -> str:
        return application.redirect_uri or self.redirect_uri

    def consent_origin(self, account: Account) -> str:
        """Raises Fault: no consent host of that marketplace is known."""
        return self.marketplaces.consent_origin(account.home_marketplace, account.partner_kind)

    def moved(self, handshake: Handshake, case: Case) -> bool:
        """Whether the account belongs to another application or consent host by now than the
        handshake was begun for: Amazon's answer would be one for somewhere else."""
        try:
            origin = self.consent_origin(case.account)
        except Fault:
            return True
        return (handshake.application_id, handshake.consent_origin) != (case.application.id, origin)

    async def ring(self, outbox_ids: Sequence[str]) -> None:
        if outbox_ids:
            await self.bell.ring(outbox_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One account with all that a step of its consent depends on, as of one transaction."""

    account: Account
    authorization: Authorization
    application: Application
    instance: ClientInstance

    @property
    def renewal(self) -> bool:
        """It was authorized before, whatever became of that."""
        return self.authorization.grant_id is not None

    @property
    def place(self) -> tuple[str, str, str]:
        """Where a grant of this account belongs: one of another place is a stranger's."""
        at = self.authorization
        return at.application_id, at.region.value, self.account.partner_kind.value


async def case_of(tx: Transaction, account_id: str) -> Case:
    """Raises NotFound."""
    # First the authorization, whose version is compared when a grant is stored: an account that
    # changes between these two reads is found out.
    authorization = await tx.authorizations.one(account_id=account_id)
    account = await tx.accounts.get(account_id)
    if account is None:
        raise NotFound
    application = await tx.applications.get(account.application_id)
    instance = await tx.instances.get(account.client_instance_id)
    if authorization is None or application is None or instance is None:
        raise LookupError(f"The account {account.id} lacks a row that it must have.")
    return Case(
        account=account, authorization=authorization, application=application, instance=instance
    )


async def case_in_reach(tx: Transaction, account_id: str, by: Caller) -> Case:
    """Raises NotFound, also for an account that is there and out of the caller's reach."""
    case = await case_of(tx, account_id)
    if not by.reaches_account(account_id, case.account.client_instance_id):
        raise NotFound
    return case


async def begun_by_whom(tx: Transaction, handshake: Handshake | None) -> Caller:
    """Who pressed the button: the selling partner, or an operator of the house with the selling
    partner at the phone. The diary knows; that line was written in one commit with the handshake.
    The caller has no rights: it is named, and asks for nothing."""
    if handshake is None:
        return partner()
    lines = await tx.journal.read(subject=handshake.id, verb="handshake.begun", limit=1)
    kind, _, who = (lines[0].caller if lines else "").partition(":")
    return Caller(kind=CallerKind.OPERATOR, id=who) if kind == CallerKind.OPERATOR else partner()


def host_of(origin: str) -> str:
    return urlsplit(origin).netloc


def one_line(text: str, limit: int) -> str:
    """What somebody typed, fit for a line of a report."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:limit]
