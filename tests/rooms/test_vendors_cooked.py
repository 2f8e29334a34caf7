"""Vendors' lines through the whole kitchen: the hatch, the plan, the runs, and an Amazon over HTTP
that judges what it is sent; also when answers are lost."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from amazon_emulator import Emulator
from evergrant.accounts import NewAccount
from evergrant.desk import Desk as Room
from evergrant.errors import AmazonUnavailable
from evergrant.ports.amazon import Answer, Call
from evergrant.ports.traded import Change, FeedRun
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path
from evergrant.rules.rights import command_line
from evergrant.rules.secrecy import Secret
from evergrant.settings import Cooking
from evergrant.testing.desk import Fakes, desk
from tests.emulator.conftest import House
from tests.emulator.vendor_desk import Desk
from tests.rooms.kitchen_amazon import Killed, Steps
from tests.rooms.kitchen_ground import StepStore
from tests.rules import vendor_lines as lines
from tests.rules.vendor_lines import Line

ROOT = command_line("root")
A, R = ChangeState.ACCEPTED, ChangeState.REFUSED


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(gentle=True) as running:
        yield running


class Kitchen:
    """One vendor's account. Time passes here and at Amazon alike."""

    def __init__(self, vendor: Desk) -> None:
        self.vendor = vendor
        self.steps = Steps()
        self.fakes = Fakes(store=StepStore(self.steps))
        self.fakes.clock.set(vendor.now)
        self.fakes.selling_partner_api.play(self._amazon)
        self.desk = self.another()
        self.account_id = ""
        self.asked: list[str] = []
        self.loses = 0  # so many answers to submissions, after Amazon did the work

    def another(self) -> Room:
        """Another process on the same store, as after a restart."""
        return desk(self.fakes, cooking=Cooking(patience_s=0.0))

    async def _amazon(self, call: Call, about: str) -> Answer | None:
        if not call.path.startswith("/vendor/"):
            return None
        house = self.vendor.house
        self.steps.step(f"before {call.method}")
        told = house.http.request(
            call.method,
            f"{house.amazon.addresses['eu']}{call.path}",
            headers={
                "x-amz-access-token": self.vendor.access_token,
                "content-type": "application/json",
            },
            params=list(call.query) or None,
            content=call.body,
        )
        self.asked.append(f"{call.method} {call.path.split('/')[-1]}")
        self.steps.step(f"after {call.method}")
        if call.method == "POST" and self.loses:
            self.loses -= 1
            raise AmazonUnavailable("The connection was lost.")
        return Answer(status=told.status_code, headers=dict(told.headers), body=told.content)

    async def furnish(self, vendor_kind: str) -> Kitchen:
        registry = self.desk.registry
        instance = await registry.add_instance(NewInstance(name="ERP"), by=ROOT)
        text = secrets.token_hex(16)
        added = await registry.add_application(
            NewApplication(
                name="Connect",
                application_id="amzn1.sp.solution."
                f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}",
                partner_kinds=["vendor"],
            ),
            by=ROOT,
        )
        client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        self.fakes.lwa.add_client(client_id, client_secret)
        await registry.set_credentials(
            added.id,
            Credentials(lwa_client_id=client_id, lwa_client_secret=client_secret),
            by=ROOT,
        )
        account = await self.desk.accounts.add(
            NewAccount(
                name="The Mill",
                partner_kind="vendor",
                vendor_kind=vendor_kind,
                client_email="mill@example.org",
                application_id=added.id,
                client_instance_id=instance.instance.id,
                region="eu",
                home_marketplace="DE",
                vendor_codes=["MILL1"],
            ),
            by=ROOT,
        )
        self.account_id = account.id
        grant = self.fakes.lwa.grant(client_id, "mill")
        await self.desk.consent.adopt(account.id, grant, granted_at=self.fakes.clock.now(), by=ROOT)
        self.steps.log.clear()
        return self

    def line(self, line: Line, **change: Any) -> Line:
        fresh: Line = {
            name: self.vendor.ago(minutes=10)
            for name in ("shipped_at", "invoiced_at")
            if name in line
        }
        return {**line, **fresh, **change}

    async def put(self, *wished: Line) -> None:
        taken = await self.desk.feeds.intake.put(self.account_id, list(wished), by=ROOT)
        assert [one.flaws for one in taken.answers] == [()] * len(wished)
        self.steps.log.clear()

    async def rest(self) -> None:
        """Time passes until nothing is left to do."""
        clock = self.fakes.clock
        for _ in range(100):
            for account_id in await self.desk.feeds.work.tick():
                await self.desk.feeds.work.work(account_id)
            async with self.fakes.store.transaction() as tx:
                work = await tx.work.get(self.account_id)
            if work is None or work.due_at is None:
                return
            seconds = max((work.due_at - clock.now()).total_seconds(), 1.0)
            clock.move(seconds=seconds)
            self.vendor.advance(seconds=seconds)
        raise AssertionError((await self.runs(), await self.changes()))

    async def die_and_rest(self, number: int) -> bool:
        """Killed at this act, then another process goes on. False: there are fewer acts."""
        self.steps.die_at = number
        try:
            await self.rest()
        except Killed:
            self.steps.die_at = None
            self.desk = self.another()
            await self.rest()
            return True
        return False

    async def runs(self) -> list[FeedRun]:
        async with self.fakes.store.transaction() as tx:
            return await tx.feed_runs.all()

    async def changes(self) -> list[Change]:
        async with self.fakes.store.transaction() as tx:
            return sorted(
                await tx.changes.read(limit=1_000), key=lambda one: (one.intake_id, one.line)
            )

    async def ends(self) -> list[tuple[ChangeState, str]]:
        return [(one.state, one.code) for one in await self.changes()]


@pytest.fixture
async def vendor(emulator: Emulator) -> AsyncIterator[Desk]:
    emulator.levers.reset()
    application = emulator.levers.application("Northwind Connect")
    with httpx2.Client(trust_env=False, timeout=60) as http:
        desk = Desk.of(House(emulator, http, application))
        desk.lever("PUT", "/limits", {"enforced": False})
        yield desk


@pytest.fixture
async def retail(vendor: Desk) -> Kitchen:
    return await Kitchen(vendor).furnish("retail")


@pytest.fixture
async def direct(vendor: Desk) -> Kitchen:
    return await Kitchen(vendor).furnish("direct_fulfillment")


async def test_a_day_of_a_retail_vendor(retail: Kitchen) -> None:
    items = [{"sku": "MUG-1"}]
    number, other, third = (retail.vendor.purchase_order(items=items)["number"] for _ in range(3))
    await retail.put(
        retail.line(lines.ASN, order_id=number, shipment_id="SHIP-0001"),
        retail.line(lines.ASN, order_id="NOSUCH01", shipment_id="SHIP-0002"),
        retail.line(lines.INVOICE, order_id=number, invoice_number="R-0001"),
        retail.line(lines.INVOICE, order_id=other, invoice_number="R-0002", total="1.00"),
        retail.line(lines.REJECTION, order_id=third),
    )
    await retail.rest()
    assert await retail.ends() == [
        (A, ""),
        (R, "INVALID_ORDER_ID"),
        (A, ""),
        (A, ""),
        (A, ""),
    ]
    assert [
        one["identifier"] for one in retail.vendor.lever("GET", "shipments")["confirmations"]
    ] == ["SHIP-0001"]
    assert {run.path for run in await retail.runs()} == {
        Path.RETAIL_SHIPMENT,
        Path.RETAIL_INVOICE,
        Path.RETAIL_ACKNOWLEDGEMENT,
    }


async def test_a_batch_whose_guilty_nobody_names(retail: Kitchen) -> None:
    number = retail.vendor.purchase_order(items=[{"sku": "MUG-1"}])["number"]
    wished = [
        retail.line(lines.ASN, order_id=number, shipment_id=f"SHIP-000{place}")
        for place in range(5)
    ]
    wished[3] = {**wished[3], "items": [{"sku": "OTHER", "quantity": 1}]}
    await retail.put(*wished)
    await retail.rest()
    assert await retail.ends() == [(A, ""), (A, ""), (A, ""), (R, "INVALID_ITEM"), (A, "")]
    first, *others = await retail.runs()
    assert first.returned == 5
    assert sorted(run.changes for run in others) == [1] * 5


@pytest.mark.parametrize("loses", [1, 2])
async def test_answers_that_are_lost_cost_nothing(retail: Kitchen, loses: int) -> None:
    number = retail.vendor.purchase_order(items=[{"sku": "MUG-1"}])["number"]
    retail.loses = loses
    await retail.put(
        *(retail.line(lines.INVOICE, order_id=number, invoice_number=f"R-000{n}") for n in range(3))
    )
    await retail.rest()
    assert await retail.ends() == [(A, "duplicate")] * 3
    assert len(retail.vendor.lever("GET", "invoices")["retail"]) == 3
    assert retail.asked.count("POST invoices") == loses + 1


async def test_a_day_of_direct_fulfillment(direct: Kitchen) -> None:
    orders = [
        direct.vendor.direct_order(
            status=status, items=[{"sku": "MUG-1", "amount": 2}], warehouse="WH01"
        )["number"]
        for status in ("ACCEPTED", "ACCEPTED", "NEW", "SHIPPED")
    ]
    await direct.put(
        lines.STOCK,
        {**lines.STOCK, "sku": "MUG-2"},
        {**lines.STOCK, "warehouse": "WH02", "quantity": 4},
        direct.line(lines.PARCEL, order_id=orders[0]),
        direct.line(lines.DENIAL, order_id=orders[1]),
        direct.line(lines.REFUSAL, order_id=orders[2]),
        direct.line(lines.DIRECT_INVOICE, order_id=orders[3]),
    )
    await direct.rest()
    assert await direct.ends() == [(A, "")] * 7
    known = {
        one["number"]: one["status"] for one in direct.vendor.lever("GET", "direct-orders")["items"]
    }
    assert [known[number] for number in orders] == ["SHIPPED", "CANCELLED", "CANCELLED", "SHIPPED"]
    stock = direct.vendor.lever("GET", "inventory")["warehouses"]
    assert sorted((row["sku"], row["amount"]) for row in stock["WH01"]) == [
        ("MUG-1", 12),
        ("MUG-2", 12),
    ]
    assert [(row["sku"], row["amount"]) for row in stock["WH02"]] == [("MUG-1", 4)]
    assert direct.asked.count("POST items") == 2, "one for each warehouse"


async def test_the_last_stock_counts(direct: Kitchen) -> None:
    for quantity in (9, 5, 3):
        await direct.put({**lines.STOCK, "quantity": quantity})
        direct.fakes.clock.move(milliseconds=1)
    await direct.rest()
    assert [state for state, _ in await direct.ends()] == [
        ChangeState.SUPERSEDED,
        ChangeState.SUPERSEDED,
        A,
    ]
    (row,) = direct.vendor.lever("GET", "inventory")["warehouses"]["WH01"]
    assert row["amount"] == 3


async def test_a_parcel_whose_answer_is_lost(direct: Kitchen) -> None:
    number = direct.vendor.direct_order(
        status="ACCEPTED", items=[{"sku": "MUG-1", "amount": 2}], warehouse="WH01"
    )["number"]
    direct.loses = 1
    await direct.put(direct.line(lines.PARCEL, order_id=number))
    await direct.rest()
    assert await direct.ends() == [(A, "duplicate")]


async def test_amazon_never_says_an_end(direct: Kitchen) -> None:
    direct.vendor.lever("PUT", "/vendor-transactions/pace", {"stuck_share": 1})
    began = direct.fakes.clock.now()
    await direct.put(lines.STOCK)
    await direct.rest()
    assert await direct.ends() == [(A, "presumed")]
    (row,) = direct.vendor.lever("GET", "inventory")["warehouses"]["WH01"]
    assert row["amount"] == 12
    took = direct.fakes.clock.now() - began
    assert timedelta(minutes=30) <= took < timedelta(minutes=42)


# --- killed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [Path.RETAIL_INVOICE, Path.DIRECT_SHIPMENT])
async def test_killed_at_every_step(emulator: Emulator, vendor: Desk, path: Path) -> None:
    number = 0
    killed = True
    while killed:
        number += 1
        house, line = await prepared(vendor, path, number)
        await house.put(line)
        killed = await house.die_and_rest(number)
        (end,) = await house.ends()
        assert end in ((A, ""), (A, "duplicate")), (number, house.steps.log)
    assert number > 8
    assert len(vendor.lever("GET", "invoices")["retail"]) in (0, number)


async def prepared(vendor: Desk, path: Path, number: int) -> tuple[Kitchen, Line]:
    """A fresh house, and something that Amazon does once."""
    if path is Path.RETAIL_INVOICE:
        house = await Kitchen(vendor).furnish("retail")
        order = vendor.purchase_order(items=[{"sku": "MUG-1"}])["number"]
        return house, house.line(lines.INVOICE, order_id=order, invoice_number=f"R-{number:04d}")
    house = await Kitchen(vendor).furnish("direct_fulfillment")
    items = [{"sku": "MUG-1", "amount": 2}]
    made = vendor.direct_order(status="ACCEPTED", items=items, warehouse="WH01")
    return house, house.line(lines.PARCEL, order_id=made["number"])
