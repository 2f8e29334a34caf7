"""A house in which something of everything stands, for tests that open every page.

Answers for: `fill`, which puts it into a `Console` through the rooms' own verbs, and by hand only
what would need days and Amazon's answers. Does not answer for: what pages make of it.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from evergrant import notices
from evergrant.accounts import NewAccount
from evergrant.naming import new_id
from evergrant.outbox import put_event
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.things import Account
from evergrant.ports.traded import FeedRun, Order, OrderKind
from evergrant.registry import NewInstance
from evergrant.rules import ids
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import STANDARD, PartnerKind, VendorKind
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.conftest import Console

SHOPS = (
    "Blue Heron Books", "Alder & Finch", "Copper Kettle", "Nordlicht Lampen", "Petit Atelier",
    "Sole e Mare", "Casa Olivo", "Harbour Toys", "Fjord Wool", "Meridian Cycles", "Juniper Home",
    "Old Mill Tea", "Larch Outdoor", "Pebble & Stone", "Saffron Kitchen", "Tinker's Bench",
    "Violet Stationery", "Willow Garden", "Yarrow Herbs", "Zephyr Kites",
)  # fmt: skip


@dataclass
class Filled:
    """Ids of one thing of each kind, by which addresses are made."""

    application_id: str = ""
    instance_id: str = ""
    account_id: str = ""
    vendor_id: str = ""
    awaiting_id: str = ""
    run_id: str = ""
    uncertain_id: str = ""
    intake_id: str = ""
    change_id: str = ""
    order_id: str = ""
    key_id: str = ""
    operator_id: str = ""
    invitation_id: str = ""
    event_id: str = ""
    notice_id: str = ""
    connection_key_id: str = ""
    accounts: list[str] = field(default_factory=list)


async def fill(console: Console, shops: Sequence[str] = SHOPS) -> Filled:
    desk, clock, filled = console.desk, console.fakes.clock, Filled()
    filled.application_id = console.house.application_id
    filled.instance_id = console.house.instance_id
    await desk.registry.change_instance(
        filled.instance_id,
        {"name": "ERP Hamburg", "webhook_url": "https://erp.hamburg.example/hooks"},
        by=SYSTEM,
    )
    await desk.registry.change_application(
        filled.application_id, {"name": "Northwind Connect", "kind": "public"}, by=SYSTEM
    )
    other = await desk.registry.add_instance(
        NewInstance(name="OMS Lyon", webhook_url="https://oms.lyon.example/hooks"), by=SYSTEM
    )
    for number, name in enumerate(shops):
        instance = filled.instance_id if number % 3 else other.instance.id
        filled.accounts.append(await _account(console, number, name, instance))
        clock.move(days=11)
    awaiting = [filled.accounts[at] for at in range(4, len(filled.accounts), 5)]
    filled.awaiting_id = awaiting[0]
    filled.account_id = filled.accounts[-2]
    filled.vendor_id = filled.accounts[3]
    await desk.accounts.close(filled.accounts[0], by=SYSTEM)
    await desk.accounts.set_flags(filled.account_id, {"refund_orders": False}, by=SYSTEM)
    await desk.watch.sweep_all()
    await _trade(console, filled)
    await _people(console, filled)
    return filled


async def _account(console: Console, number: int, name: str, instance_id: str) -> str:
    vendor = number % 7 == 3
    account = await console.desk.accounts.add(
        NewAccount(
            name=name,
            partner_kind=PartnerKind.VENDOR if vendor else PartnerKind.SELLER,
            vendor_kind=VendorKind.DIRECT_FULFILLMENT if vendor else None,
            client_email=f"owner{number}@shops.example",
            application_id=console.house.application_id,
            client_instance_id=instance_id,
            region="eu",
            home_marketplace=("DE", "FR", "IT", "ES")[number % 4],
            merchant_token="" if vendor or number % 6 == 5 else f"A{number:02}NORTHWIND",
            vendor_codes=(f"V{number:04}",) if vendor else (),
            language=("en", "de")[number % 2],
        ),
        by=SYSTEM,
    )
    if number % 5 == 4:
        return account.id  # nobody has consented yet
    fakes = console.fakes
    about = f"shop {account.id}"
    home = STANDARD.by_country(account.home_marketplace)
    if vendor:
        fakes.selling_partner_api.vendor(about)
    else:
        sold_in = ReportedParticipation(
            marketplace_id=home.marketplace_id,
            country_code=home.country_code,
            name=home.name,
            participating=True,
        )
        fakes.selling_partner_api.participate(about, [sold_in])
    await console.desk.consent.adopt(
        account.id,
        fakes.lwa.grant(console.house.lwa_client_id, about),
        selling_partner_id=account.merchant_token or f"A{secrets.token_hex(6).upper()}",
        granted_at=fakes.clock.now() - timedelta(days=150),
        by=SYSTEM,
    )
    return account.id


async def _trade(console: Console, filled: Filled) -> None:
    desk, now = console.desk, console.fakes.clock.now()
    view = await desk.accounts.get(filled.account_id, by=SYSTEM)
    home = view.account.home_marketplace
    lines = [
        {"kind": "stock", "sku": f"SKU-{number}", "quantity": number, "marketplace": home}
        for number in range(8)
    ]
    taken = await desk.feeds.intake.put(filled.account_id, lines, by=SYSTEM)
    assert taken.taken == len(lines), taken.answers
    filled.intake_id = taken.intake_id
    filled.change_id = taken.answers[0].change_id
    filled.run_id = await _run(console, view.account, RunStep.PROCESSING)
    filled.uncertain_id = await _run(console, view.account, RunStep.UNCERTAIN)
    async with desk.store.transaction() as tx:
        await put_event(
            tx,
            now=now,
            topic="authorization.expiring",
            account=view.account,
            authorization=view.authorization,
        )
        await notices.put(
            tx,
            now=now,
            kind=NoticeKind.TERM_ENDING,
            subject=view.authorization.id,
            account_id=filled.account_id,
            message="It ends soon.",
        )
        for number in range(5):
            order_id = f"302-000000{number}-0000001"
            filled.order_id = order_id
            await tx.orders.add(
                Order(
                    id=f"{filled.account_id}/{order_id}",
                    account_id=filled.account_id,
                    client_instance_id=view.account.client_instance_id,
                    order_id=order_id,
                    kind=OrderKind.SELLER,
                    digest="known",
                    created_at=now,
                    changed_at=now,
                )
            )
    filled.event_id = (await desk.post.events(by=SYSTEM, account_id=filled.account_id))[0].id
    filled.notice_id = (await desk.notices.list(by=SYSTEM, account_id=filled.account_id))[0].id
    link = await desk.consent.link(filled.awaiting_id, by=SYSTEM)
    await desk.consent.open(link.reveal().rpartition("/")[2])


async def _run(console: Console, account: Account, step: RunStep) -> str:
    now = console.fakes.clock.now()
    run = FeedRun(
        id=new_id(ids.Kind.FEED_RUN, now),
        account_id=account.id,
        application_id=account.application_id,
        region=account.region,
        path=Path.ADJUSTMENT_FEED,
        step=step,
        created_at=now,
        changed_at=now,
    )
    async with console.desk.store.transaction() as tx:
        await tx.feed_runs.add(run)
    return run.id


async def _people(console: Console, filled: Filled) -> None:
    desk = console.desk
    made = await desk.people.add_api_key(name="ERP, nightly stock", rights=["read"], by=SYSTEM)
    filled.key_id = made.key.id
    key = await desk.people.add_connection_key(filled.account_id, name="SDK", by=SYSTEM)
    filled.connection_key_id = key.key.id
    admin = await console.operator(Role.ADMIN, name="Ada Field", email="ada@northwind.example")
    filled.operator_id = admin.id
    for role, name in ((Role.SUPPORT, "Ben Okafor"), (Role.TEAM_LEAD, "Clara Weiss")):
        await console.operator(role, name=name)
    invitation = await desk.sessions.invite_operator(
        name="Dora Lind",
        email="dora@northwind.example",
        role=Role.AUDITOR.value,
        by=dataclasses.replace(SYSTEM, name="Ada Field"),
    )
    filled.invitation_id = invitation.id
