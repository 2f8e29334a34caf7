"""What accounts hand in on the simulated day, line by line, and the orders that Amazon has of them.

Answers for: good lines of all six kinds for sellers and both kinds of vendors, what is bad about a
bad one, repetitions; all drawn by dice. Does not answer for: who is there, or when (day_plan).
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from tests.journeys.day_plan import (
    AGAIN,
    BAD,
    BEGIN,
    CURRENCIES,
    FAILING,
    WAREHOUSE,
    Fields,
    Line,
    Plan,
    Shop,
    behaving,
    wave_at,
)

__all__ = ["draw"]

# --- what is handed in ----------------------------------------------------------------------------


def _without(*names: str) -> Callable[[Fields], Fields]:
    return lambda fields: {name: value for name, value in fields.items() if name not in names}


def _with(**more: Any) -> Callable[[Fields], Fields]:
    return lambda fields: {**fields, **more}


def _of_item(change: Callable[[Fields], Fields]) -> Callable[[Fields], Fields]:
    return lambda fields: {**fields, "items": [change(fields["items"][0])]}


#: What is wrong with a line as it stands; the field that is at fault has the same name in
#: `day_oracle`.
Spoil = tuple[str, Callable[[Fields], Fields]]
SPOILT: dict[tuple[str, str], Sequence[Spoil]] = {
    ("seller", "stock"): (
        ("no quantity", _without("quantity")),
        ("negative quantity", _with(quantity=-3)),
        ("unknown field", _with(qty=5)),
        ("no such kind", _with(kind="colour")),
    ),
    ("seller", "price"): (
        ("other currency", _with(currency="CHF")),
        ("comma", _with(price="12,50")),
        ("no price", _without("price")),
        ("marketplace elsewhere", _with(marketplace="BR", currency="BRL")),
    ),
    ("seller", "shipment"): (
        ("no tracking number", _without("tracking_number")),
        ("no order id", _with(order_id="12-34")),
    ),
    ("seller", "cancellation"): (
        ("no such reason", _with(reason="BadMood")),
        ("no items", _without("items")),
    ),
    ("seller", "refund"): (
        ("no reference", _without("reference")),
        # Without a tax: in Japan one of its own is refused for itself.
        ("nothing to pay", _of_item(lambda item: {**_without("tax")(item), "principal": "0"})),
        ("pieces", _of_item(lambda item: {**item, "quantity": 1})),
    ),
    ("seller", "invoice"): (
        ("no PDF", _with(pdf=base64.b64encode(b"hello").decode())),
        ("VAT too high", _with(vat="100000.00")),
    ),
    ("retail", "shipment"): (
        ("ships tomorrow", _with(shipped_at="2031-03-05T06:00:00Z")),
        ("price of a vendor", _with(kind="price")),
    ),
    ("retail", "invoice"): (("no total", _without("total")),),
    ("retail", "cancellation"): (("lines left out", _with(order_lines=7)),),
    ("direct", "stock"): (
        ("no warehouse", _without("warehouse")),
        ("price of a vendor", _with(kind="price")),
    ),
    ("direct", "shipment"): (("no items", _without("items")),),
    ("direct", "invoice"): (("no total", _without("total")),),
    ("direct", "cancellation"): (("no such reason", _with(reason="BadMood")),),
}


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class _Writer:
    shop: Shop
    dice: random.Random
    numbers: Any
    weights: dict[str, int] = field(default_factory=dict)
    orders: Any = field(default_factory=lambda: count(1))
    past: list[Line] = field(default_factory=list)  # good ones that happen once, of earlier waves
    fresh: list[Line] = field(default_factory=list)
    at: datetime = BEGIN

    def wave(self, wave: int, lines: int) -> list[Line]:
        self.at = wave_at(wave)
        self.past, self.fresh = [*self.past, *self.fresh], []
        halves = (0, 1) if lines > 12 and self.dice.random() < 0.4 else (0,)
        kinds, weights = zip(*self.weights.items(), strict=True)
        found = []
        for place in range(lines):
            batch = halves[place * len(halves) // lines]
            kind = self.dice.choices(kinds, weights)[0]
            found.append(self._line(wave, batch, kind))
        return found

    def _line(self, wave: int, batch: int, kind: str) -> Line:
        number = next(self.numbers)
        chance = self.dice.random()
        old = [one for one in self.past if one.kind == kind]
        if old and chance < AGAIN:
            again = self.dice.choice(old)
            fields, sort = dict(again.fields), "repeated"
            if kind == "refund" and chance < AGAIN / 3:
                fields["reason"], sort = "Other", "contradicts"
            return Line(
                number, self.shop, wave, batch, kind, sort, again.slot, fields, again.number
            )
        spoil = ""
        if chance > 1 - BAD / 2:
            spoil = "here"
        elif chance > 1 - BAD:
            spoil = "there"
        sort, slot, fields = getattr(self, kind)(number, spoil == "there")
        fields = {"kind": kind, "reference": f"L{number}", **fields}
        if spoil == "here":
            sort, change = self.dice.choice(SPOILT[self.shop.role, kind])
            fields = change(fields)
        line = Line(number, self.shop, wave, batch, kind, sort, slot, fields)
        if sort == "good" and kind in ("invoice", "cancellation", "refund"):
            self.fresh.append(line)
        return line


class _Seller(_Writer):
    def __init__(self, shop: Shop, dice: random.Random, numbers: Any) -> None:
        weights = {"stock": 40, "price": 34, "shipment": 12, "cancellation": 4, "refund": 6}
        super().__init__(
            shop, dice, numbers, weights | ({"invoice": 4} if shop.region == "eu" else {})
        )
        self.shipped: list[tuple[str, str, Fields]] = []
        self.refunded: list[tuple[str, str]] = []

    # --- listings ---

    def _sku(self, bad: bool) -> tuple[str, str]:
        if not bad:
            return "good", self.dice.choice(self.shop.skus)
        return self.dice.choice((("failing SKU", FAILING[0]), ("unknown SKU", "NOSUCH-1")))

    def stock(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sort, sku = self._sku(bad)
        quantity = self.dice.choice((0, *range(1, 200)))
        return sort, sku, {"sku": sku, "quantity": quantity}

    def price(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sort, sku = self._sku(bad)
        where = self.dice.choice(self.shop.marketplaces)
        currency = CURRENCIES[where]
        price = str(self.dice.randint(1000, 9000))
        if currency != "JPY":
            price = f"{price[:2]}.{price[2:]}"
        fields = {"sku": sku, "marketplace": where, "price": price, "currency": currency}
        return sort, f"{where}/{sku}", fields

    # --- orders ---

    def _order(self, status: str, *, known: bool = True) -> tuple[str, str]:
        """Ids of a new order and its only item: two pieces of 20.00 and 2.00 of tax for both."""
        number = next(self.orders)
        order_id = f"{self.shop.number:03d}-{number:07d}-0000001"
        item_id = f"{self.shop.number:03d}{number:07d}0001"
        cents = self.shop.home != "JP"
        item: Fields = {
            "sku": self.shop.skus[0],
            "quantity": 2,
            "order_item_id": item_id,
            "price": "20.00" if cents else "2000",
            "shipping": "0.00" if cents else "0",
        }
        if cents:
            item |= {"tax": "2.00", "shipping_tax": "0.00"}
        if known:
            self.shop.orders.append(
                {"order_id": order_id, "status": status, "marketplace": self.shop.home}
                | {"notify": False, "items": [item]}
            )
        return order_id, item_id

    def shipment(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        if not bad and self.shipped and self.dice.random() < 0.15:
            # The number on the parcel was wrong.
            order_id, item_id, fields = self.dice.choice(self.shipped)
            return "good", f"{order_id}/1", {**fields, "tracking_number": f"TR{number:08d}"}
        sort, status, known = "good", "UNSHIPPED", True
        if bad:
            sort = self.dice.choice(("unknown order", "cancelled order", "too many", "other item"))
            status, known = (
                ("CANCELLED" if sort == "cancelled order" else status),
                (sort != "unknown order"),
            )
        order_id, item_id = self._order(status, known=known)
        fields = {
            "order_id": order_id,
            "carrier_code": "DHL",
            "carrier_name": "DHL",
            "shipping_method": "Paket",
            "tracking_number": f"TR{number:08d}",
            "shipped_at": iso(self.at - timedelta(minutes=10)),
            "items": [
                {
                    "order_item_id": "99" if sort == "other item" else item_id,
                    "quantity": 9 if sort == "too many" else 2,
                }
            ],
        }
        if sort == "good":
            self.shipped.append((order_id, item_id, fields))
        return sort, f"{order_id}/1", fields

    def cancellation(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sort, status, known = "good", "UNSHIPPED", True
        if bad:
            sort = self.dice.choice(("shipped order", "unknown order"))
            status, known = "SHIPPED", sort != "unknown order"
        order_id, item_id = self._order(status, known=known)
        items = [{"order_item_id": item_id}]
        return sort, order_id, {"order_id": order_id, "reason": "NoInventory", "items": items}

    def refund(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sort, known = "good", True
        if bad:
            sort = self.dice.choice(("too much", "unknown order", "other item"))
            known = sort != "unknown order"
        # A second refund of the same order, by its own reference.
        second = not bad and bool(self.refunded) and self.dice.random() < 0.25
        if second:
            order_id, item_id = self.refunded.pop()
        else:
            order_id, item_id = self._order("SHIPPED", known=known)
            if sort == "good":
                self.refunded.append((order_id, item_id))
        yen = self.shop.home == "JP"
        amounts = {"principal": "500"} if yen else {"principal": "5.25", "tax": "0.50"}
        if sort == "too much":
            amounts = {"principal": "900000" if yen else "9000.00"}
        item = {"order_item_id": "99" if sort == "other item" else item_id, **amounts}
        return (
            sort,
            f"L{number}",
            {
                "order_id": order_id,
                "currency": CURRENCIES[self.shop.home],
                "reason": "CustomerReturn",
                "items": [item],
            },
        )

    def invoice(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sorts = ["unknown order", *(["wrong total"] if self.shop.in_vat_service else [])]
        sort = self.dice.choice(sorts) if bad else "good"
        order_id, _ = self._order("SHIPPED", known=sort != "unknown order")
        pdf = f"%PDF-1.4\n% invoice {number} of {order_id}\n%%EOF\n".encode()
        return (
            sort,
            f"R-{number}",
            {
                "order_id": order_id,
                "invoice_number": f"R-{number}",
                "total": "41.00" if sort == "wrong total" else "42.00",
                "vat": "2.00",
                "pdf": base64.b64encode(pdf).decode(),
            },
        )


class _Retail(_Writer):
    def __init__(self, shop: Shop, dice: random.Random, numbers: Any) -> None:
        super().__init__(shop, dice, numbers, {"shipment": 4, "invoice": 4, "cancellation": 2})

    def _order(self, bad: bool) -> tuple[str, str]:
        number = f"P{self.shop.number:03d}{next(self.orders):05d}"
        sort = self.dice.choice(("unknown order", "other item")) if bad else "good"
        if sort != "unknown order":
            item = {"sku": "MUG-1", "amount": 10, "cost": "12.50"}
            self.shop.orders.append({"number": number, "items": [item]})
        return sort, number

    def shipment(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sort, order_id = self._order(bad)
        return (
            sort,
            f"SHIP-{number}",
            {
                "shipment_id": f"SHIP-{number}",
                "order_id": order_id,
                "ship_from": "MILLWH",
                "ship_to": f"{self.shop.home}M1",
                "shipped_at": iso(self.at - timedelta(minutes=10)),
                "items": [{"sku": "OTHER" if sort == "other item" else "MUG-1", "quantity": 10}],
            },
        )

    def invoice(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sort, order_id = self._order(bad)
        sku = "OTHER" if sort == "other item" else "MUG-1"
        return (
            sort,
            f"R-{number}",
            {
                "invoice_number": f"R-{number}",
                "order_id": order_id,
                "invoiced_at": iso(self.at - timedelta(hours=1)),
                "total": "125.00",
                "items": [{"sku": sku, "quantity": 10, "net_cost": "12.50"}],
            },
        )

    def cancellation(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sort, order_id = self._order(bad)
        sku = "OTHER" if sort == "other item" else "MUG-1"
        item = {"line": "1", "sku": sku, "quantity": 10, "net_cost": "12.50"}
        return (
            sort,
            order_id,
            {"order_id": order_id, "reason": "ObsoleteProduct", "order_lines": 1, "items": [item]},
        )


class _Direct(_Writer):
    def __init__(self, shop: Shop, dice: random.Random, numbers: Any) -> None:
        weights = {"stock": 6, "shipment": 2, "invoice": 1, "cancellation": 1}
        super().__init__(shop, dice, numbers, weights)

    def _order(self, status: str, *, known: bool = True) -> str:
        number = f"D{self.shop.number:03d}{next(self.orders):05d}"
        if known:
            self.shop.orders.append(
                {"number": number, "status": status, "warehouse": WAREHOUSE}
                | {"items": [{"sku": "MUG-1", "amount": 2}]}
            )
        return number

    def stock(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sku = self.dice.choice(self.shop.skus)
        quantity = self.dice.choice((0, *range(1, 200)))
        fields = {"warehouse": WAREHOUSE, "sku": sku, "quantity": quantity}
        return "good", f"{WAREHOUSE}/{sku}", fields

    def shipment(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sort = self.dice.choice(("unknown order", "part of it")) if bad else "good"
        order_id = self._order("ACCEPTED", known=sort != "unknown order")
        quantity = 1 if sort == "part of it" else 2
        return (
            sort,
            order_id,
            {
                "order_id": order_id,
                "warehouse": WAREHOUSE,
                "shipped_at": iso(self.at - timedelta(minutes=10)),
                "items": [{"line": 1, "sku": "MUG-1", "quantity": quantity}],
            },
        )

    def invoice(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sort = self.dice.choice(("unknown order", "not shipped")) if bad else "good"
        order_id = self._order(
            "ACCEPTED" if sort == "not shipped" else "SHIPPED", known=sort != "unknown order"
        )
        return (
            sort,
            f"D-{number}",
            {
                "invoice_number": f"D-{number}",
                "order_id": order_id,
                "warehouse": WAREHOUSE,
                "invoiced_at": iso(self.at - timedelta(hours=1)),
                "total": "39.80",
                "items": [{"quantity": 2, "net_cost": "19.90"}],
            },
        )

    def cancellation(self, number: int, bad: bool) -> tuple[str, str, Fields]:
        sort = self.dice.choice(("unknown order", "answered before")) if bad else "good"
        order_id = self._order(
            "ACCEPTED" if sort == "answered before" else "NEW", known=sort != "unknown order"
        )
        return (
            sort,
            order_id,
            {
                "order_id": order_id,
                "warehouse": WAREHOUSE,
                "reason": "TemporarilyUnavailable",
                "items": [{"line": 1, "sku": "MUG-1", "quantity": 2}],
            },
        )


_WRITERS: dict[str, Callable[[Shop, random.Random, Any], _Writer]] = {
    "seller": _Seller,
    "retail": _Retail,
    "direct": _Direct,
}


def draw(accounts: int, changes: int, waves: int, seed: int) -> Plan:
    """About so many lines, spread over accounts and waves."""
    dice = random.Random(seed)
    shops = behaving(accounts, waves)
    each = changes // accounts
    lines: list[Line] = []
    numbers = count(1)
    for shop in shops:
        shop.skus = tuple(f"SKU-{n:03d}" for n in range(max(6, each // 10)))
        writer = _WRITERS[shop.role](shop, dice, numbers)
        # Some waves are small, so that Amazon hears of them by single calls.
        weights = [(1.0, 0.35, 1.2, 0.8)[(wave + shop.number) % 4] for wave in range(waves)]
        for wave in range(waves):
            lines += writer.wave(wave, round(each * weights[wave] / sum(weights)))
    return Plan(waves, shops, lines)
