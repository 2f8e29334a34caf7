"""Changes for the tests of the store: what they are made of, and short ways to ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from evergrant.ports import things as t
from evergrant.ports.store import Store, Transaction
from evergrant.ports.traded import AccountWork, Change, Outcome, Pick
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.changes import LANES, ChangeKind, ChangeState
from evergrant.rules.marketplaces import PartnerKind, Region

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PENDING, IN_FLIGHT = ChangeState.PENDING, ChangeState.IN_FLIGHT
ACCEPTED, REFUSED = ChangeState.ACCEPTED, ChangeState.REFUSED
EVERY_KIND = tuple(ChangeKind)


def change(number: int, subject: str = "", **values: Any) -> Change:
    """The stock of a SKU of its own, unless something else is said."""
    kind = values.get("kind", ChangeKind.STOCK)
    subject = subject or f"SKU-{number}"
    values = {
        "id": f"chg_{number:06}",
        "account_id": "acc_1",
        "kind": kind,
        "lane": LANES[kind],
        "marketplace_id": "M1",
        "subject": subject,
        "key": subject,
        "wish": {"sku": subject, "quantity": number},
        "intake_id": "int_1",
        "line": number,
        "created_at": NOW,
        **values,
    }
    return Change(**values)


def pick(number: int, message_id: int | None = None) -> Pick:
    return Pick(change_id=f"chg_{number:06}", message_id=message_id or number)


def outcome(number: int, state: ChangeState = ACCEPTED, **values: Any) -> Outcome:
    return Outcome(change_id=f"chg_{number:06}", state=state, **values)


async def add(store: Store, *changes: Change) -> None:
    async with store.transaction() as tx:
        await tx.changes.add_all(changes)


async def claim(
    store: Store,
    *numbers: int,
    run: str = "run_1",
    superseded: Mapping[int, int] | None = None,
    together: tuple[str, ...] = (),
) -> list[int]:
    """The numbers of those that were claimed."""
    named = {f"chg_{older:06}": f"chg_{later:06}" for older, later in (superseded or {}).items()}
    async with store.transaction() as tx:
        picks = [pick(number) for number in numbers]
        claimed = await tx.changes.claim("acc_1", run, picks, named, NOW, together=together)
    return [int(id.removeprefix("chg_")) for id in claimed]  # noqa: A001


async def got(store: Store, number: int) -> Change:
    async with store.transaction() as tx:
        found = await tx.changes.get(f"chg_{number:06}")
    assert found is not None
    return found


async def states(store: Store) -> dict[int, str]:
    async with store.transaction() as tx:
        found = await tx.changes.read(limit=1000)
    return {int(one.id.removeprefix("chg_")): one.state.value for one in found}


async def furnish(tx: Transaction) -> None:
    """An account with its work."""
    await tx.applications.add(
        t.Application(
            id="app_1",
            name="Northwind",
            kind=ApplicationKind.PUBLIC,
            partner_kinds=frozenset({PartnerKind.SELLER}),
            status=ApplicationStatus.PUBLISHED,
            application_id="amzn1.sp.solution.1",
            created_at=NOW,
            changed_at=NOW,
        )
    )
    await tx.instances.add(t.ClientInstance(id="ins_1", name="ERP", created_at=NOW, changed_at=NOW))
    for account_id in ("acc_1", "acc_2"):
        await tx.accounts.add(
            t.Account(
                id=account_id,
                name=account_id,
                partner_kind=PartnerKind.SELLER,
                client_email="a@partner.example",
                application_id="app_1",
                client_instance_id="ins_1",
                region=Region.EU,
                home_marketplace="DE",
                created_at=NOW,
                changed_at=NOW,
            )
        )
        await tx.work.add(AccountWork(id=account_id, changed_at=NOW))
