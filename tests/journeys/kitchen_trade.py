"""What is wished for in each of the kitchen's ways, and what Amazon has to show for it afterwards.

Answers for: a partner with things to be done about it, the lines that are handed in, how each of
them has to end, and everything that Amazon may have done once at most. Does not answer for: who
does it and is killed (``kitchen_town``).
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from amazon_emulator import Levers
from evergrant.rules.feedruns import Path
from tests.rules import vendor_lines

__all__ = ["ALL", "TRADES", "Shop", "Trade"]

Line = dict[str, Any]

PDF = b"%PDF-1.7\n% an invoice of nobody\n%%EOF\n"
DE = "A1PA6795UKMFR9"
#: More orders than one page of Amazon's.
MANY_ORDERS = 101
REPORT_TYPE = "GET_MERCHANT_LISTINGS_ALL_DATA"
ACCEPTED, REFUSED = "accepted", "refused"


@dataclass
class Shop:
    """A selling partner at Amazon and its account here. ``ends``: how each line has to end, by its
    reference."""

    partner: dict[str, Any]
    account_id: str = ""
    lines: list[Line] = field(default_factory=list)
    ends: dict[str, str] = field(default_factory=dict)
    things: dict[str, Any] = field(default_factory=dict)  # that the judge looks at

    @property
    def id(self) -> str:
        return str(self.partner["selling_partner_id"])

    def wish(self, end: str, **line: Any) -> None:
        reference = f"line {len(self.lines)}"
        self.lines.append({"reference": reference, **line})
        self.ends[reference] = end


@dataclass(frozen=True)
class Trade:
    """``what``: the errand of a node; ``judge``: what is wrong at Amazon, in words."""

    name: str
    path: Path | None
    partner: str  # seller, retail, direct
    prepare: Callable[[Levers, Shop], None]
    judge: Callable[[Levers, Shop], list[str]]
    what: str = "work"


# --- listings -------------------------------------------------------------------------------------


def _listings(count: int) -> Callable[[Levers, Shop], None]:
    def prepare(amazon: Levers, shop: Shop) -> None:
        amazon.listings(shop.id, sku_prefix="MUG-", count=count, stock=1, price=10)
        skus = [row["sku"] for row in amazon.listings_of(shop.id)]
        bad = skus[-1]
        amazon.fail_listing(shop.id, bad)
        shop.things["stock"] = dict.fromkeys(skus, 1)
        for number, sku in enumerate(skus):
            if sku == bad:
                shop.wish(REFUSED, kind="stock", sku=sku, quantity=99)
                continue
            shop.things["stock"][sku] = number
            shop.wish(ACCEPTED, kind="stock", sku=sku, quantity=number)
        shop.wish(ACCEPTED, kind="price", sku=skus[0], price="12.50", currency="EUR")
        shop.things["price"] = {sku: "12.50" if sku == skus[0] else "10.00" for sku in skus}

    return prepare


def _judge_listings(amazon: Levers, shop: Shop) -> list[str]:
    rows = amazon.listings_of(shop.id)
    stock = {row["sku"]: row["stock"]["DEFAULT"] for row in rows}
    prices = {row["sku"]: float(row["price"][DE]["amount"]) for row in rows}
    wished = {sku: float(price) for sku, price in shop.things["price"].items()}
    wrong = []
    if stock != shop.things["stock"]:
        wrong.append(f"stock is {stock}, not {shop.things['stock']}")
    if prices != wished:
        wrong.append(f"prices are {prices}, not {wished}")
    return wrong


# --- orders ---------------------------------------------------------------------------------------


def _orders(amazon: Levers, shop: Shop, count: int, status: str) -> list[dict[str, Any]]:
    items = [{"sku": "MUG-1", "quantity": 1, "price": "20.00"}]
    return amazon.orders(
        shop.id, count=count, status=status, items=items, age_seconds=86_400, notify=False
    )


def _item(order: dict[str, Any]) -> str:
    return str(order["items"][0]["order_item_id"])


def _packages(count: int) -> Callable[[Levers, Shop], None]:
    def prepare(amazon: Levers, shop: Shop) -> None:
        orders = _orders(amazon, shop, count, "UNSHIPPED")
        for number, order in enumerate(orders):
            shop.wish(
                REFUSED if number == 1 else ACCEPTED,
                kind="shipment",
                order_id=order["order_id"],
                carrier_code="DHL",
                tracking_number=f"00340434161094{number:06d}",
                shipped_at=(amazon.now() - timedelta(hours=2)).isoformat(),
                items=[{"order_item_id": _item(order), "quantity": 7 if number == 1 else 1}],
            )
        shop.things["packages"] = {
            order["order_id"]: int(number != 1) for number, order in enumerate(orders)
        }

    return prepare


def _judge_packages(amazon: Levers, shop: Shop) -> list[str]:
    found = {order["order_id"]: len(order["packages"]) for order in amazon.orders_of(shop.id)}
    wished = shop.things["packages"]
    return [] if found == wished else [f"packages are {found}, not {wished}"]


def _cancellations(amazon: Levers, shop: Shop) -> None:
    shipped = _orders(amazon, shop, 1, "SHIPPED")
    orders = _orders(amazon, shop, 2, "UNSHIPPED")
    for order in (*orders, *shipped):
        shop.wish(
            REFUSED if order in shipped else ACCEPTED,
            kind="cancellation",
            order_id=order["order_id"],
            reason="NoInventory",
            items=[{"order_item_id": _item(order)}],
        )
    shop.things["cancelled"] = sorted(order["order_id"] for order in orders)


def _judge_cancellations(amazon: Levers, shop: Shop) -> list[str]:
    orders = amazon.orders_of(shop.id)
    found = sorted(order["order_id"] for order in orders if order["cancellation"])
    wished = shop.things["cancelled"]
    wrong = [] if found == wished else [f"cancelled are {found}, not {wished}"]
    return wrong + _feeds_applied(amazon, shop, 1)


def _refunds(amazon: Levers, shop: Shop) -> None:
    orders = _orders(amazon, shop, 3, "SHIPPED")
    for number, order in enumerate(orders):
        item = {"order_item_id": _item(order), "principal": "99.00" if number == 2 else "5.00"}
        shop.wish(
            REFUSED if number == 2 else ACCEPTED,
            kind="refund",
            order_id=order["order_id"],
            currency="EUR",
            reason="CustomerReturn",
            items=[item],
        )
    shop.things["refunded"] = {order["order_id"]: "5.00" for order in orders[:2]}


def _judge_refunds(amazon: Levers, shop: Shop) -> list[str]:
    booked = amazon.refunds_of(shop.id)
    found = [(one["order_id"], one["amount"].lstrip("-")) for one in booked]
    wished = list(shop.things["refunded"].items())
    wrong = [] if sorted(found) == sorted(wished) else [f"refunds are {found}, not {wished}"]
    return wrong + _feeds_applied(amazon, shop, 1)


def _invoices(count: int) -> Callable[[Levers, Shop], None]:
    """With several, the last one is of an order that Amazon does not know."""

    def prepare(amazon: Levers, shop: Shop) -> None:
        orders = _orders(amazon, shop, count - 1 or 1, "SHIPPED")
        ids = [*(order["order_id"] for order in orders), "302-0000000-0000000"][:count]
        for number, order_id in enumerate(ids):
            shop.wish(
                REFUSED if number else ACCEPTED,
                kind="invoice",
                order_id=order_id,
                invoice_number=f"R-{number}",
                total="20.00",
                vat="3.19",
                pdf=base64.b64encode(PDF).decode(),
            )
        shop.things["invoices"] = {"R-0": 1}
        shop.things["feeds"] = count

    return prepare


def _judge_invoices(amazon: Levers, shop: Shop) -> list[str]:
    uploads = amazon.pull("GET", "/orders/invoices", selling_partner_id=shop.id)["items"]
    found = Counter(one["invoice_number"] for one in uploads if one["accepted"])
    wished = shop.things["invoices"]
    wrong = [] if found == wished else [f"invoices are {dict(found)}, not {wished}"]
    return wrong + _feeds_applied(amazon, shop, shop.things["feeds"])


def _feeds_applied(amazon: Levers, shop: Shop, most: int) -> list[str]:
    """Nothing about them is idempotent: no document comes to Amazon twice."""
    feeds = amazon.feeds(selling_partner_id=shop.id)
    return [] if len(feeds) == most else [f"{len(feeds)} feeds came to Amazon, not {most}"]


# --- vendors --------------------------------------------------------------------------------------


def _ago(amazon: Levers, **distance: float) -> str:
    return (amazon.now() - timedelta(**distance)).isoformat().replace("+00:00", "Z")


def _dated(amazon: Levers, line: Line, **change: Any) -> Line:
    fresh: Line = {
        name: _ago(amazon, minutes=10) for name in ("shipped_at", "invoiced_at") if name in line
    }
    bare = {name: value for name, value in line.items() if name != "reference"}
    return {**bare, **fresh, **change}


def _purchase_orders(amazon: Levers, shop: Shop, count: int) -> list[str]:
    made = amazon.purchase_orders(shop.id, count=count, items=[{"sku": "MUG-1"}])
    return [one["number"] for one in made]


def _asn(amazon: Levers, shop: Shop) -> None:
    for number, order_id in enumerate((*_purchase_orders(amazon, shop, 2), "NOSUCH01")):
        line = _dated(amazon, vendor_lines.ASN, order_id=order_id, shipment_id=f"SHIP-{number}")
        shop.wish(REFUSED if number == 2 else ACCEPTED, **line)


def _judge_asn(amazon: Levers, shop: Shop) -> list[str]:
    told = amazon.pull("GET", f"/vendors/{shop.id}/shipments")["confirmations"]
    found = sorted(one["identifier"] for one in told)
    return [] if found == ["SHIP-0", "SHIP-1"] else [f"confirmations are {found}"]


def _retail_invoices(amazon: Levers, shop: Shop) -> None:
    for number, order_id in enumerate(_purchase_orders(amazon, shop, 2)):
        line = _dated(amazon, vendor_lines.INVOICE, order_id=order_id, invoice_number=f"R-{number}")
        shop.wish(ACCEPTED, **line)


def _judge_vendor_invoices(place: str) -> Callable[[Levers, Shop], list[str]]:
    def judge(amazon: Levers, shop: Shop) -> list[str]:
        told = amazon.pull("GET", f"/vendors/{shop.id}/invoices")[place]
        found = sorted(str(one.get("number", one.get("invoice_number"))) for one in told)
        wished = sorted(line["invoice_number"] for line in shop.lines)
        return [] if found == wished else [f"invoices are {found}, not {wished}"]

    return judge


def _rejections(amazon: Levers, shop: Shop) -> None:
    (order_id,) = shop.things["orders"] = _purchase_orders(amazon, shop, 1)
    shop.wish(ACCEPTED, **_dated(amazon, vendor_lines.REJECTION, order_id=order_id))


def _judge_rejections(amazon: Levers, shop: Shop) -> list[str]:
    (number,) = shop.things["orders"]
    (order,) = [one for one in amazon.purchase_orders_of(shop.id) if one["number"] == number]
    return [] if order["state"] != "New" else [f"order {number} was not acknowledged"]


def _direct_stock(amazon: Levers, shop: Shop) -> None:
    shop.wish(ACCEPTED, **vendor_lines.STOCK)
    shop.wish(ACCEPTED, **{**vendor_lines.STOCK, "sku": "MUG-2", "quantity": 0})


def _judge_direct_stock(amazon: Levers, shop: Shop) -> list[str]:
    rows = amazon.pull("GET", f"/vendors/{shop.id}/inventory")["warehouses"].get("WH01", [])
    found = {row["sku"]: row["amount"] for row in rows}
    return [] if found == {"MUG-1": 12, "MUG-2": 0} else [f"stock is {found}"]


def _direct(name: str, status: str) -> Callable[[Levers, Shop], None]:
    def prepare(amazon: Levers, shop: Shop) -> None:
        (order,) = amazon.direct_orders(
            shop.id, status=status, items=[{"sku": "MUG-1", "amount": 2}], warehouse="WH01"
        )
        shop.things["orders"] = [order["number"]]
        shop.wish(
            ACCEPTED,
            **_dated(amazon, getattr(vendor_lines, name), order_id=order["number"]),
        )

    return prepare


def _judge_direct(status: str) -> Callable[[Levers, Shop], list[str]]:
    def judge(amazon: Levers, shop: Shop) -> list[str]:
        (number,) = shop.things["orders"]
        known = {one["number"]: one["status"] for one in amazon.direct_orders_of(shop.id)}
        found = known[number]
        return [] if found == status else [f"the order is {found}, not {status}"]

    return judge


# --- orders that come, reports --------------------------------------------------------------------


def _sweep(amazon: Levers, shop: Shop) -> None:
    made = _orders(amazon, shop, MANY_ORDERS, "UNSHIPPED")
    shop.things["orders"] = sorted(order["order_id"] for order in made)


def _report(amazon: Levers, shop: Shop) -> None:
    amazon.listings(shop.id, sku_prefix="MUG-", count=2, stock=1, price=10)


def _judge_report(amazon: Levers, shop: Shop) -> list[str]:
    """A second one does no harm; more of them would be a leak of permits."""
    found = amazon.reports(selling_partner_id=shop.id)
    return [] if 1 <= len(found) <= 2 else [f"{len(found)} reports were made"]


def _nothing(amazon: Levers, shop: Shop) -> list[str]:
    return []


ALL = (
    Trade("patch", Path.PATCH, "seller", _listings(3), _judge_listings),
    Trade("listings feed", Path.LISTINGS_FEED, "seller", _listings(6), _judge_listings),
    Trade("shipment", Path.CONFIRM_SHIPMENT, "seller", _packages(3), _judge_packages),
    Trade("shipment feed", Path.FULFILLMENT_FEED, "seller", _packages(5), _judge_packages),
    Trade(
        "cancellation", Path.ACKNOWLEDGEMENT_FEED, "seller", _cancellations, _judge_cancellations
    ),
    Trade("refund", Path.ADJUSTMENT_FEED, "seller", _refunds, _judge_refunds),
    Trade("invoice", Path.INVOICE_FEED, "seller", _invoices(1), _judge_invoices),
    Trade("two invoices", Path.INVOICE_FEED, "seller", _invoices(2), _judge_invoices),
    Trade("retail shipment", Path.RETAIL_SHIPMENT, "retail", _asn, _judge_asn),
    Trade(
        "retail invoice",
        Path.RETAIL_INVOICE,
        "retail",
        _retail_invoices,
        _judge_vendor_invoices("retail"),
    ),
    Trade(
        "retail rejection", Path.RETAIL_ACKNOWLEDGEMENT, "retail", _rejections, _judge_rejections
    ),
    Trade("direct stock", Path.DIRECT_STOCK, "direct", _direct_stock, _judge_direct_stock),
    Trade(
        "direct shipment",
        Path.DIRECT_SHIPMENT,
        "direct",
        _direct("PARCEL", "ACCEPTED"),
        _judge_direct("SHIPPED"),
    ),
    Trade(
        "direct invoice",
        Path.DIRECT_INVOICE,
        "direct",
        _direct("DIRECT_INVOICE", "SHIPPED"),
        _judge_vendor_invoices("direct"),
    ),
    Trade(
        "direct refusal",
        Path.DIRECT_ACKNOWLEDGEMENT,
        "direct",
        _direct("REFUSAL", "NEW"),
        _judge_direct("CANCELLED"),
    ),
    Trade("orders", None, "seller", _sweep, _nothing, what="sweep"),
    Trade("report", None, "seller", _report, _judge_report, what="reports"),
)
TRADES = {trade.name: trade for trade in ALL}
