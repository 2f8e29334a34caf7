"""Accounts that take changes, on fakes or on PostgreSQL, and lines for them."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evergrant.feeds.intake import Taking
from evergrant.ports.store import Store
from evergrant.ports.things import (
    Account,
    Application,
    Authorization,
    ClientInstance,
    JournalLine,
    Participation,
)
from evergrant.ports.traded import Change, Outcome
from evergrant.rules import ids
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.changes import ChangeState
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region, VendorKind
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.testing.bell import MemoryBell
from evergrant.testing.clock import FakeClock
from evergrant.testing.keyring import MemoryKeyring
from evergrant.testing.store import MemoryStore
from evergrant.vault import Vault

ORDER = "302-1234567-1234567"
GERMANY = "A1PA6795UKMFR9"
ERP = Caller(kind=CallerKind.API_KEY, id="key_erp", name="ERP", rights=frozenset(Right))


def order(number: int) -> str:
    return f"302-1234567-{number:07}"


def stock(sku: str = "MUG-1", quantity: object = 12, **more: Any) -> dict[str, Any]:
    return {"kind": "stock", "sku": sku, "quantity": quantity, **more}


def price(sku: str = "MUG-1", amount: object = "19.99", **more: Any) -> dict[str, Any]:
    return {"kind": "price", "sku": sku, "price": amount, "currency": "EUR", **more}


def shipment(order_id: str = ORDER, **more: Any) -> dict[str, Any]:
    return {
        "kind": "shipment",
        "order_id": order_id,
        "carrier_code": "DHL",
        "tracking_number": "00340434161094",
        "shipped_at": "2026-03-01T08:00:00Z",
        "items": [{"order_item_id": "68828574383266", "quantity": 1}],
        **more,
    }


def pdf() -> bytes:
    """One that nobody else has, and whose inside can be searched for."""
    return b"%PDF-1.7 " + secrets.token_hex(16).encode()


def invoice(number: str = "R-1", content: bytes | None = None, **more: Any) -> dict[str, Any]:
    return {
        "kind": "invoice",
        "order_id": ORDER,
        "invoice_number": number,
        "total": "119.00",
        "vat": "19.00",
        "pdf": b64encode(content or b"%PDF-1.7").decode(),
        **more,
    }


def cancellation(order_id: str = ORDER, **more: Any) -> dict[str, Any]:
    return {
        "kind": "cancellation",
        "order_id": order_id,
        "reason": "NoInventory",
        "items": [{"order_item_id": "68828574383266"}],
        **more,
    }


def refund(reference: str = "RMA-1", amount: str = "19.99", **more: Any) -> dict[str, Any]:
    return {
        "kind": "refund",
        "order_id": ORDER,
        "reference": reference,
        "currency": "EUR",
        "reason": "CustomerReturn",
        "items": [{"order_item_id": "68828574383266", "principal": amount}],
        **more,
    }


@dataclass
class Hatch:
    """One store with one application and one client instance, and as many hatches as wished."""

    store: Store = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=FakeClock)
    bell: MemoryBell = field(default_factory=MemoryBell)
    keyring: MemoryKeyring = field(default_factory=MemoryKeyring)

    def __post_init__(self) -> None:
        self.vault = Vault(self.keyring)
        self.taking = self.another()
        self.application_id = self.id(ids.Kind.APPLICATION)
        self.instance_id = self.id(ids.Kind.INSTANCE)

    def id(self, kind: ids.Kind) -> str:
        return ids.make(kind, self.clock.now(), secrets.token_bytes(10))

    def another(self) -> Taking:
        """The hatch of a second process on the same store."""
        return Taking(
            store=self.store,
            clock=self.clock,
            vault=self.vault,
            bell=self.bell,
            marketplaces=STANDARD,
        )

    async def open(self) -> Hatch:
        now = self.clock.now()
        async with self.store.transaction() as tx:
            await tx.applications.add(
                Application(
                    id=self.application_id,
                    name=f"Connector {secrets.token_hex(3)}",
                    kind=ApplicationKind.PUBLIC,
                    partner_kinds=frozenset(PartnerKind),
                    status=ApplicationStatus.PUBLISHED,
                    application_id=f"amzn1.sp.solution.{secrets.token_hex(8)}",
                    created_at=now,
                    changed_at=now,
                )
            )
            await tx.instances.add(
                ClientInstance(id=self.instance_id, name="ERP", created_at=now, changed_at=now)
            )
        return self

    async def add(
        self,
        state: State = State.ACTIVE,
        *,
        vendor_kind: VendorKind | None = None,
        sells_in: Mapping[str, bool] | None = None,
        **values: Any,
    ) -> Account:
        """``sells_in``: country codes, and whether the account sells there."""
        now = self.clock.now()
        account = Account(
            **{
                "id": self.id(ids.Kind.ACCOUNT),
                "name": f"Shop {secrets.token_hex(4)}",
                "partner_kind": PartnerKind.VENDOR if vendor_kind else PartnerKind.SELLER,
                "vendor_kind": vendor_kind,
                "client_email": "owner@shop.example",
                "application_id": self.application_id,
                "client_instance_id": self.instance_id,
                "region": Region.EU,
                "home_marketplace": "DE",
                "vendor_codes": ("ABC12",) if vendor_kind else (),
                "created_at": now,
                "changed_at": now,
                **values,
            }
        )
        async with self.store.transaction() as tx:
            await tx.accounts.add(account)
            await tx.authorizations.add(
                Authorization(
                    id=self.id(ids.Kind.AUTHORIZATION),
                    account_id=account.id,
                    application_id=account.application_id,
                    region=account.region,
                    state=state,
                    changed_at=now,
                )
            )
            for code, participating in (sells_in or {}).items():
                row = STANDARD.by_country(code)
                await tx.participations.put(
                    Participation(
                        id=f"{account.id}/{row.marketplace_id}",
                        account_id=account.id,
                        marketplace_id=row.marketplace_id,
                        country_code=code,
                        name=row.name,
                        participating=participating,
                        suspended=False,
                        seen_at=now,
                    )
                )
        return account

    # --- looking at what there is ---

    async def changes(self, account: Account, **equal: Any) -> list[Change]:
        async with self.store.transaction() as tx:
            return await tx.changes.read(account_id=account.id, limit=20_000, **equal)

    async def settle(self, change_id: str, state: ChangeState) -> None:
        """As if a run had seen to it."""
        outcome = Outcome(change_id=change_id, state=state, code="x", message="Amazon's words")
        async with self.store.transaction() as tx:
            moved = await tx.changes.decide(
                [change_id], ChangeState.PENDING, outcome, self.clock.now()
            )
        assert moved == 1

    async def lines(self, verb: str) -> list[JournalLine]:
        async with self.store.transaction() as tx:
            return await tx.journal.read(verb=verb)
