"""A seller with orders, seen by a program over HTTP or without any; for the tests of orders."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import httpx2

from amazon_emulator import marketplaces
from amazon_emulator.stage import Stage
from amazon_emulator.trade.feeds.processing import Outcome, Work
from amazon_emulator.trade.orders import feeds as order_feeds
from amazon_emulator.trade.orders import making as orders_making
from amazon_emulator.trade.orders.invoices import PROCESSORS as INVOICE_PROCESSORS
from amazon_emulator.trade.orders.making import Ware, Wish
from amazon_emulator.trade.orders.orders import Order, Orders
from amazon_emulator.world import Application, Participation, Partner
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import Desk

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ORDERS_2026 = "/orders/2026-01-01/orders"
ORDERS_V0 = "/orders/v0/orders"


@dataclass
class OrdersDesk(Desk):
    """A seller whose orders levers make."""

    def make(self, **wishes: Any) -> dict[str, Any]:
        """One order."""
        made = self.makes(**wishes)
        assert len(made) == 1
        return made[0]

    def makes(self, **wishes: Any) -> list[dict[str, Any]]:
        answer = self.lever("POST", "/orders", {"selling_partner_id": self.partner_id, **wishes})
        items: list[dict[str, Any]] = answer["items"]
        return items

    def seen(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order as the levers show it now."""
        return self.lever("GET", f"/orders/{order['order_id']}")

    def get_json(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def errors(self, answer: httpx2.Response, status: int = 400) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        error: dict[str, Any] = answer.json()["errors"][0]
        return error

    def restricted(self, *resources: dict[str, Any]) -> str:
        """A restricted data token for these resources."""
        answer = self.call(
            "POST",
            "/tokens/2021-03-01/restrictedDataToken",
            {"restrictedResources": list(resources)},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["restrictedDataToken"])

    def with_token(self, token: str) -> OrdersDesk:
        return OrdersDesk(self.house, self.partner, token, self.region)


def orders_desk(house: House, **wishes: Any) -> OrdersDesk:
    known = OrdersDesk.of(house, house.seller(**wishes))
    assert isinstance(known, OrdersDesk)
    return known


@dataclass
class Shop:
    """A seller on a stage of its own, without any server."""

    stage: Stage
    partner: Partner
    application: Application
    now: datetime = NOW
    feeds: int = field(default=0)

    @classmethod
    def open(cls, home: str = "DE") -> Shop:
        stage = Stage.fresh(gentle=True, seed=1, start=NOW)
        store = marketplaces.find(home)
        partner = Partner(
            *("seller", "Blue Heron Books", "AEMULATEDSHOP1", "a@example.com", "secret", store),
            participations=[Participation(row) for row in marketplaces.usual_for(store)],
        )
        application = Application("Northwind", "amzn1.sp.solution.emulated", "client", [])
        stage.world.partners[partner.selling_partner_id] = partner
        return cls(stage, partner, application)

    @property
    def orders(self) -> Orders:
        return self.stage.of(Orders)

    def order(self, *wares: Ware, age: timedelta = timedelta(days=5), **wishes: Any) -> Order:
        wish = Wish(wares=wares, **wishes)
        home = self.partner.home
        return orders_making.make(self.stage, self.partner, home, wish, self.now - age, self.now)

    def process(
        self, feed_type: str, content: bytes | str, content_type: str = "text/xml", **options: str
    ) -> Outcome:
        self.feeds += 1
        region = self.partner.home.region
        assert region is not None
        work = Work(
            stage=self.stage,
            partner=self.partner,
            application=self.application,
            region=region,
            feed_id=f"feed-{self.feeds}",
            report_feed_id=f"feed-{self.feeds}",
            feed_type=feed_type,
            marketplace_ids=(self.partner.home.id,),
            content=content.encode() if isinstance(content, str) else content,
            content_type=content_type,
            now=self.now,
            options=options,
        )
        return {**order_feeds.PROCESSORS, **INVOICE_PROCESSORS}[feed_type](work)


def envelope(message_type: str, *messages: str) -> str:
    """An XML feed of these messages, numbered from 1."""
    inner = "".join(
        f"<Message><MessageID>{number}</MessageID><{message_type}>{message}</{message_type}>"
        "</Message>"
        for number, message in enumerate(messages, 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AmazonEnvelope><Header>'
        "<DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>M</MerchantIdentifier>"
        f"</Header><MessageType>{message_type}</MessageType>{inner}</AmazonEnvelope>"
    )


@dataclass(frozen=True)
class Report:
    """A processing report, read."""

    processed: int
    successful: int
    errors: int
    warnings: int
    results: list[dict[str, str]]

    @property
    def codes(self) -> list[str]:
        return [result["ResultMessageCode"] for result in self.results]

    @property
    def words(self) -> list[str]:
        return [result["ResultDescription"] for result in self.results]


def read_report(report: bytes | None) -> Report:
    assert report is not None
    inner = ElementTree.fromstring(report).find("Message/ProcessingReport")
    assert inner is not None
    assert inner.findtext("StatusCode") == "Complete"
    processed, successful, errors, warnings = (
        int(inner.findtext(f"ProcessingSummary/Messages{name}") or "-1")
        for name in ("Processed", "Successful", "WithError", "WithWarning")
    )
    results = [
        {one.tag: (one.text or "") for one in result.iter() if len(one) == 0}
        for result in inner.findall("Result")
    ]
    return Report(processed, successful, errors, warnings, results)


def adjustment(order: Order, *items: str, named: str = "AmazonOrderID") -> str:
    return f"<{named}>{order.order_id}</{named}>{''.join(items)}"


def adjusted(
    order_item_id: str,
    currency: str = "EUR",
    reason: str = "CustomerReturn",
    promotions: dict[str, str] | None = None,
    amounts: dict[str, str] | None = None,
    **more: str,
) -> str:
    def components(given: dict[str, str]) -> str:
        return "".join(
            f'<Component><Type>{name}</Type><Amount currency="{currency}">{amount}</Amount>'
            "</Component>"
            for name, amount in given.items()
        )

    text = (
        f"<AdjustedItem><AmazonOrderItemCode>{order_item_id}</AmazonOrderItemCode>"
        f"<AdjustmentReason>{reason}</AdjustmentReason>"
        f"<ItemPriceAdjustments>{components({**(amounts or {}), **more})}</ItemPriceAdjustments>"
    )
    if promotions:
        text += f"<PromotionAdjustments>{components(promotions)}</PromotionAdjustments>"
    return f"{text}</AdjustedItem>"
