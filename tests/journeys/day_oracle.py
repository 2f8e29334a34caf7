"""What has to come of the simulated day: a plain model, made of the promises alone.

Answers for: what each line is told at the hatch, how each change ends and with whose words, what
Amazon has at the end (stock, prices, packages, cancellations, money, invoices, vendors' papers),
and why something still waits. Does not answer for: how Evergrant does it; nothing of its code is
imported here, and nothing of the emulator's.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from tests.journeys.day_plan import FAILING, Line, Plan, Shop

__all__ = ["End", "Oracle", "Said"]

#: The first field at fault, by what is wrong.
FAULTS = {
    "no quantity": "quantity",
    "negative quantity": "quantity",
    "unknown field": "qty",
    "no such kind": "kind",
    "other currency": "currency",
    "comma": "price",
    "no price": "price",
    "marketplace elsewhere": "marketplace",
    "no tracking number": "tracking_number",
    "no order id": "order_id",
    "no such reason": "reason",
    "no reference": "reference",
    "nothing to pay": "items[0]",
    "pieces": "items[0].quantity",
    "no PDF": "pdf",
    "VAT too high": "vat",
    "ships tomorrow": "shipped_at",
    "price of a vendor": "kind",
    "no total": "total",
    "lines left out": "items",
    "no warehouse": "warehouse",
    "no items": "items",
    "contradicts": "reference",
}
#: Amazon's words by role, kind and what is wrong: a code, and a part of its sentence.
AMAZON = {
    ("seller", "stock", "failing SKU"): FAILING[1:],
    ("seller", "price", "failing SKU"): FAILING[1:],
    ("seller", "stock", "unknown SKU"): ("EMU1003", "There is no listing of this SKU."),
    ("seller", "price", "unknown SKU"): ("EMU1003", "There is no listing of this SKU."),
    ("seller", "shipment", "unknown order"): ("", ""),
    ("seller", "shipment", "cancelled order"): ("", "cannot be shipped"),
    ("seller", "shipment", "too many"): ("", "were ordered"),
    ("seller", "shipment", "other item"): ("", "OrderItemId is invalid"),
    ("seller", "cancellation", "shipped order"): ("990003", "cannot be cancelled"),
    ("seller", "cancellation", "unknown order"): ("990001", "was not found"),
    ("seller", "refund", "too much"): ("990016", "that is left"),
    ("seller", "refund", "unknown order"): ("990001", "was not found"),
    ("seller", "refund", "other item"): ("990002", "is not in the order"),
    ("seller", "invoice", "unknown order"): ("990001", "was not found"),
    ("seller", "invoice", "wrong total"): ("990013", "Amazon calculated 42.00"),
    ("retail", "shipment", "unknown order"): ("INVALID_ORDER_ID", ""),
    ("retail", "shipment", "other item"): ("INVALID_ITEM", ""),
    ("retail", "invoice", "unknown order"): ("INVALID_ORDER_ID", ""),
    ("retail", "invoice", "other item"): ("INVALID_ITEM", ""),
    ("retail", "cancellation", "unknown order"): ("INVALID_ORDER_ID", ""),
    ("retail", "cancellation", "other item"): ("INVALID_ITEM", ""),
    ("direct", "shipment", "unknown order"): ("INVALID_ORDER_ID", ""),
    ("direct", "shipment", "part of it"): ("PARTIAL_SHIPMENT", ""),
    ("direct", "invoice", "unknown order"): ("INVALID_ORDER_ID", ""),
    ("direct", "invoice", "not shipped"): ("ORDER_NOT_SHIPPED", ""),
    ("direct", "cancellation", "unknown order"): ("INVALID_ORDER_ID", ""),
    ("direct", "cancellation", "answered before"): ("ORDER_ALREADY_ACKNOWLEDGED", ""),
}
#: The last word counts.
LAST_COUNTS = ("stock", "price", "shipment")
STATES = {"pause": "paused", "lapse": "lapsed"}


@dataclass(frozen=True)
class Said:
    """At the hatch. ``fate``: taken, duplicate, superseded, refused; ``field``: at fault."""

    fate: str
    field: str = ""


@dataclass(frozen=True)
class End:
    """``how``: accepted, refused, superseded, pending; or "pending or superseded": what waits
    behind a switch need not be looked at before it is on. ``code``, ``words``: Amazon's."""

    how: str
    code: str = ""
    words: str = ""


@dataclass
class Amazon:
    """What is there at the end, by account and name; only what the day changed."""

    stock: dict[tuple[int, str], int] = field(default_factory=dict)
    prices: dict[tuple[int, str, str], str] = field(default_factory=dict)  # SKU, country
    packages: dict[tuple[int, str], str] = field(default_factory=dict)  # tracking number by order
    cancelled: set[tuple[int, str]] = field(default_factory=set)
    refunds: dict[tuple[int, str], list[Decimal]] = field(default_factory=dict)
    invoices: set[tuple[int, str]] = field(default_factory=set)  # by invoice number
    announced: set[tuple[int, str]] = field(default_factory=set)  # retail shipments


Slot = tuple[int, str, str]


@dataclass
class Oracle:
    plan: Plan
    said: dict[int, Said] = field(default_factory=dict)
    ends: dict[int, End] = field(default_factory=dict)
    amazon: Amazon = field(default_factory=Amazon)
    #: Why the kinds of an account still wait at the end.
    waits: dict[tuple[int, str], str] = field(default_factory=dict)
    _off: set[tuple[int, str]] = field(default_factory=set)
    _shut: dict[int, str] = field(default_factory=dict)
    _pending: dict[Slot, Line] = field(default_factory=dict)
    _overtaken: defaultdict[Slot, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._act(-1)
        for wave in range(self.plan.waves):
            for lines in self.plan.batches(wave).values():
                self._hand_in(lines)
            self._settle()
            self._act(wave)
            self._settle()
        for slot, line in self._pending.items():
            number, kind, _ = slot
            self.ends[line.number] = End("pending")
            self.waits[number, kind] = self._shut.get(number, "switched_off")
            if kind in ("stock", "price"):
                for overtaken in self._overtaken[slot]:
                    self.ends[overtaken] = End("pending or superseded")

    @property
    def lapsed(self) -> set[int]:
        """Accounts whose authorization is over at the end."""
        return {number for number, why in self._shut.items() if why == "lapsed"}

    # --- what people do ---

    def _act(self, after: int) -> None:
        for shop in self.plan.shops:
            for act in shop.acts:
                if act.after != after:
                    continue
                if act.what == "off":
                    self._off.add((shop.number, act.kind))
                elif act.what == "on":
                    self._off.discard((shop.number, act.kind))
                elif act.what in STATES:
                    self._shut[shop.number] = STATES[act.what]
                else:
                    del self._shut[shop.number]

    # --- the hatch ---

    def _hand_in(self, lines: list[Line]) -> None:
        last = {
            (line.kind, line.slot): line.number
            for line in lines
            if line.kind in LAST_COUNTS and line.sort not in FAULTS
        }
        for line in lines:
            said = self.said[line.number] = self._judge(line, last)
            if said.fate == "taken":
                self._take(line)

    def _judge(self, line: Line, last: dict[tuple[str, str], int]) -> Said:
        if line.sort in FAULTS:
            return Said("refused", FAULTS[line.sort])
        if line.sort == "repeated":
            return Said("duplicate")
        if line.kind in LAST_COUNTS and last[line.kind, line.slot] != line.number:
            return Said("superseded")
        return Said("taken")

    def _take(self, line: Line) -> None:
        slot = (line.shop.number, line.kind, line.slot)
        before = self._pending.get(slot)
        if before is not None:
            self.ends[before.number] = End("superseded")
            self._overtaken[slot].append(before.number)
        self._pending[slot] = line

    # --- what goes ---

    def _settle(self) -> None:
        for slot, line in list(self._pending.items()):
            number, kind, _ = slot
            if number in self._shut or (number, kind) in self._off:
                continue
            del self._pending[slot]
            self._overtaken.pop(slot, None)
            if line.sort == "good":
                self.ends[line.number] = End("accepted")
                self._apply(line.shop, line)
            else:
                self.ends[line.number] = End("refused", *AMAZON[line.shop.role, kind, line.sort])

    def _apply(self, shop: Shop, line: Line) -> None:
        of, at, fields = shop.number, self.amazon, line.fields
        order_id = fields.get("order_id", "")
        if line.kind == "stock":
            at.stock[of, fields["sku"]] = fields["quantity"]
        elif line.kind == "price":
            at.prices[of, fields["sku"], fields["marketplace"]] = fields["price"]
        elif line.kind == "shipment" and shop.role == "retail":
            at.announced.add((of, fields["shipment_id"]))
        elif line.kind == "shipment":
            at.packages[of, order_id] = fields.get("tracking_number", "")
        elif line.kind == "cancellation":
            at.cancelled.add((of, order_id))
        elif line.kind == "invoice":
            at.invoices.add((of, fields["invoice_number"]))
        else:
            [item] = fields["items"]
            paid = sum(Decimal(text) for name, text in item.items() if name != "order_item_id")
            at.refunds.setdefault((of, order_id), []).append(Decimal(paid))
