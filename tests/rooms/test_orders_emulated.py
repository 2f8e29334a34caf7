"""The order book and an Amazon that it does not know from the inside: the emulator, over HTTP, with
its limits on."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from amazon_emulator import Emulator
from evergrant.accounts import NewAccount
from evergrant.adapters.amazon import HttpLWA, HttpSellingPartnerApi, user_agent
from evergrant.desk import Desk
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.marketplaces import STANDARD, Region
from evergrant.rules.order_sweeps import FIRST_SPAN
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.testing.desk import Fakes, desk

AGENT = user_agent("Evergrant", "test")
#: Each answer of the emulator has at most 100 orders.
MANY = 104


@pytest.fixture(scope="module")
def amazon() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


class Street:
    """A house whose sockets to Amazon lead to the emulator, and whose clock is the emulator's."""

    def __init__(self, amazon: Emulator) -> None:
        self.amazon = amazon
        self.fakes = Fakes()
        self.fakes.clock.set(amazon.levers.now())
        self.lwa = HttpLWA(user_agent=AGENT)
        self.api = HttpSellingPartnerApi(user_agent=AGENT, clock=self.fakes.clock)
        fakes: Any = self.fakes
        fakes.lwa, fakes.selling_partner_api = self.lwa, self.api
        addresses = {region: amazon.addresses[region.value] for region in Region}
        self.desk: Desk = desk(
            self.fakes,
            marketplaces=dataclasses.replace(
                STANDARD,
                endpoints=addresses,
                lwa_url=f"{amazon.addresses['lwa']}/auth/o2/token",
            ),
        )
        self.application: dict[str, Any] = amazon.levers.application("Northwind Connect")
        self.ours = ""
        self.instance_id = ""

    async def open(self) -> Street:
        added = await self.desk.registry.add_application(
            NewApplication(
                name="Northwind Connect",
                kind="public",
                partner_kinds=["seller", "vendor"],
                status="published",
                application_id=self.application["application_id"],
            ),
            by=SYSTEM,
        )
        self.ours = added.id
        await self.desk.registry.set_credentials(
            self.ours,
            Credentials(
                lwa_client_id=self.application["lwa_client_id"],
                lwa_client_secret=Secret(self.application["lwa_client_secret"]),
            ),
            by=SYSTEM,
        )
        instance = await self.desk.registry.add_instance(NewInstance(name="ERP"), by=SYSTEM)
        self.instance_id = instance.instance.id
        return self

    async def account(self, partner: dict[str, Any], **wishes: Any) -> str:
        partner_id = str(partner["selling_partner_id"])
        made = self.amazon.levers.grant(partner_id, self.application["application_id"], region="eu")
        added = await self.desk.accounts.add(
            NewAccount(
                name=partner_id,
                application_id=self.ours,
                client_instance_id=self.instance_id,
                client_email="owner@shop.example",
                region="eu",
                home_marketplace="DE",
                **wishes,
            ),
            by=SYSTEM,
        )
        await self.desk.consent.adopt(
            added.id, Secret(made["refresh_token"]), selling_partner_id=partner_id, by=SYSTEM
        )
        return added.id

    async def pass_by(self, **distance: float) -> None:
        self.amazon.levers.advance(timedelta(**distance).total_seconds())
        self.fakes.clock.set(self.amazon.levers.now())
        await self.desk.orders.round()

    async def close(self) -> None:
        await self.desk.calls.close()
        await self.lwa.close()
        await self.api.close()


@pytest.fixture
async def street(amazon: Emulator) -> AsyncIterator[Street]:
    amazon.levers.reset()
    street = await Street(amazon).open()
    yield street
    await street.close()


async def test_orders_of_all_kinds_of_accounts_arrive_completely_and_once_each(
    street: Street,
) -> None:
    levers, orders = street.amazon.levers, street.desk.orders
    seller = levers.partner("seller", home="DE")
    retail = levers.partner("vendor", home="DE", vendor_codes=["MILL1"])
    direct = levers.partner("vendor", home="DE", vendor_codes=["MILL2"])
    accounts = {
        "seller": await street.account(seller, partner_kind="seller"),
        "retail": await street.account(
            retail, partner_kind="vendor", vendor_kind="retail", vendor_codes=["MILL1"]
        ),
        "direct": await street.account(
            direct, partner_kind="vendor", vendor_kind="direct_fulfillment", vendor_codes=["MILL2"]
        ),
    }
    old = timedelta(days=20).total_seconds()
    sold = levers.orders(seller["selling_partner_id"], count=MANY, age_seconds=600)
    sold += levers.orders(seller["selling_partner_id"], count=2, age_seconds=old)
    levers.purchase_orders(retail["selling_partner_id"], count=MANY)
    levers.direct_orders(direct["selling_partner_id"], count=5)
    bought = levers.purchase_orders_of(retail["selling_partner_id"])
    shipped = levers.direct_orders_of(direct["selling_partner_id"])
    for _ in range(4):
        await street.pass_by(minutes=4)
    wanted = {
        "seller": {one["order_id"] for one in sold},
        "retail": {one["number"] for one in bought if _is_young(one, levers.now())},
        "direct": {one["number"] for one in shipped if _is_young(one, levers.now())},
    }
    for name, account_id in accounts.items():
        found = await orders.orders(by=SYSTEM, account_id=account_id, limit=1000, personal=True)
        assert {one.order.order_id for one in found} == wanted[name], name
        assert len(found) == len(wanted[name])
        state = await orders.state(account_id, by=SYSTEM)
        assert (state.last_error, state.lacks, state.under_way) == ("", "", False), name
    told = Counter(
        (one.facts["account_id"], one.facts["order_id"])
        for one in await street.desk.post.events(by=SYSTEM, limit=1000)
        if one.topic.startswith("order.")
    )
    assert set(told.values()) == {1}
    assert sum(told.values()) == sum(len(one) for one in wanted.values())
    assert levers.count(status=429) == 0
    await _nothing_personal_lies_about(street, accounts)


def _is_young(order: dict[str, Any], now: datetime) -> bool:
    """Nothing that is older than 30 days is wanted."""
    return datetime.fromisoformat(order["placed_at"]) > now - FIRST_SPAN


async def _nothing_personal_lies_about(street: Street, accounts: dict[str, str]) -> None:
    """Names and streets as Amazon told them."""
    for kind, where in (("seller", "recipient"), ("direct", "orderDetails")):
        (one, *_) = await street.desk.orders.orders(
            by=SYSTEM, account_id=accounts[kind], personal=True
        )
        assert one.opened
        block: Any = one.body[where]
        address = block["deliveryAddress"] if kind == "seller" else block["shipToParty"]
        assert address["name"]
        written = repr((street.fakes.store.rows, street.fakes.store.events))
        assert json.dumps(address["name"]).strip('"') not in written
        assert address["addressLine1"] not in written


async def test_a_change_at_amazon_comes_by_sweep_and_by_name(street: Street) -> None:
    levers, orders = street.amazon.levers, street.desk.orders
    seller = levers.partner("seller", home="DE")
    account_id = await street.account(seller, partner_kind="seller")
    swept, named = levers.orders(seller["selling_partner_id"], count=2, age_seconds=600)
    for _ in range(2):
        await street.pass_by(minutes=11)
    for one in (swept, named):
        levers.change_order(one["order_id"], "CANCELLED")
    assert await orders.note_changed(account_id, named["order_id"])
    await orders.round()
    status = {one.order.order_id: one.order.status for one in await orders.orders(by=SYSTEM)}
    assert status == {swept["order_id"]: "UNSHIPPED", named["order_id"]: "CANCELLED"}
    for _ in range(2):
        await street.pass_by(minutes=11)
    topics = Counter(
        one.topic
        for one in await street.desk.post.events(by=SYSTEM, limit=1000)
        if one.topic.startswith("order.")
    )
    assert topics == {"order.received": 2, "order.changed": 2}
    assert levers.count(status=429) == 0
