"""Purchase orders of Amazon retail: what Amazon orders from vendors, and what became of it.

Answers for: the orders of each vendor group, their lines, what the vendor acknowledged, what Amazon
changed, cancelled and received. What a vendor may acknowledge is judged in
`vendor_acknowledgements`; shipments and invoices have their own modules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors import records as vendor_records
from amazon_emulator.world import Partner

__all__ = [
    "STATES",
    "Confirmed",
    "LineAnswer",
    "OrderLine",
    "OrderState",
    "Ordered",
    "PurchaseOrder",
    "VendorRetail",
]

OrderState = Literal["New", "Acknowledged", "Closed"]
STATES: tuple[OrderState, ...] = get_args(OrderState)
Confirmed = Literal["ACCEPTED", "PARTIALLY_ACCEPTED", "REJECTED", "UNCONFIRMED"]

COST = "12.50"


@dataclass
class Ordered:
    """How much was ordered from an instant on, and how much of it Amazon cancelled then."""

    at: datetime
    amount: int
    cancelled: int = 0


@dataclass
class LineAnswer:
    """What a vendor acknowledged of one line; the three amounts make up what was ordered."""

    at: datetime
    accepted: int
    backordered: int
    rejected: int
    reason: str | None = None


@dataclass
class OrderLine:
    """One line. ``ordered``: oldest first, at least one; ``answers``: oldest first."""

    number: str
    asin: str
    sku: str
    ordered: list[Ordered]
    cost: str = COST
    list_price: str = COST
    unit: Literal["Eaches", "Cases"] = "Eaches"
    unit_size: int = 1
    back_order_allowed: bool = True
    answers: list[LineAnswer] = field(default_factory=list)
    received: int = 0
    received_at: datetime | None = None

    @property
    def amount(self) -> int:
        """What is wanted now."""
        return self.ordered[-1].amount

    @property
    def cancelled(self) -> bool:
        """Whether Amazon cancelled all of it."""
        return self.amount == 0 and self.ordered[-1].cancelled > 0

    @property
    def answer(self) -> LineAnswer | None:
        """The acknowledgement that counts."""
        return self.answers[-1] if self.answers else None

    @property
    def taken(self) -> int:
        """How much the vendor will deliver, backorders included."""
        return 0 if self.answer is None else self.answer.accepted + self.answer.backordered

    @property
    def refused(self) -> int:
        return 0 if self.answer is None else self.answer.rejected

    @property
    def confirmed(self) -> Confirmed:
        if self.answer is None:
            return "UNCONFIRMED"
        if not self.refused:
            return "ACCEPTED"
        return "PARTIALLY_ACCEPTED" if self.taken else "REJECTED"


@dataclass
class PurchaseOrder:
    """One purchase order. ``changed_at``: when Amazon changed it last, None: never;
    ``answered_at``: when the first acknowledgement came in."""

    number: str
    vendor_code: str
    placed_at: datetime
    ship_from_at: datetime
    ship_to_at: datetime
    warehouse: str
    country_code: str
    currency: str
    lines: list[OrderLine]
    state: OrderState = "New"
    state_changed_at: datetime | None = None
    changed_at: datetime | None = None
    answered_at: datetime | None = None

    @property
    def updated_at(self) -> datetime:
        """When anything happened to it last."""
        instants = [self.placed_at, self.state_changed_at, self.changed_at]
        for line in self.lines:
            instants.append(line.received_at)
            instants += [answer.at for answer in line.answers]
        return max(instant for instant in instants if instant is not None)

    def line(
        self, asin: str | None, sku: str | None, number: str | None = None
    ) -> OrderLine | None:
        """The line of which all given names are right; None when there is none, or no name."""
        given = (number and number.lstrip("0"), asin, sku)
        for line in self.lines:
            known = (line.number, line.asin, line.sku)
            pairs = [pair for pair in zip(given, known, strict=True) if pair[0] is not None]
            if pairs and all(name == right for name, right in pairs):
                return line
        return None

    def go(self, state: OrderState, at: datetime) -> None:
        self.state, self.state_changed_at = state, at

    def accept_all(self, at: datetime) -> None:
        """As a vendor that delivers everything."""
        for line in self.lines:
            line.answers.append(LineAnswer(at, line.amount, 0, 0))
        self.answered_at = at
        self.go("Acknowledged", at)

    def change(self, line: OrderLine, amount: int, at: datetime) -> None:
        """Amazon wants another amount of a line; 0 cancels it."""
        line.ordered.append(Ordered(at, amount, max(0, line.amount - amount)))
        self.changed_at = at

    def receive(self, line: OrderLine, amount: int, at: datetime) -> None:
        """So much of a line is now in Amazon's warehouse, in all."""
        line.received, line.received_at = amount, at


@dataclass
class VendorRetail:
    """The purchase orders of all vendor groups, by selling partner id and number."""

    orders: dict[str, dict[str, PurchaseOrder]] = field(default_factory=dict)
    made: int = 0

    def of(self, partner: Partner) -> dict[str, PurchaseOrder]:
        """The orders of one vendor group, by number."""
        return self.orders.setdefault(partner.selling_partner_id, {})

    def stock(self, partner: Partner, now: datetime) -> None:
        """Three purchase orders for each vendor code that has none: received, partly received, and
        open. Those of codes that the vendor has no longer are gone."""
        before = self.orders.get(partner.selling_partner_id, {})
        found = {
            number: order
            for number, order in before.items()
            if order.vendor_code in partner.vendor_codes
        }
        served = {order.vendor_code for order in found.values()}
        for place, code in enumerate(partner.vendor_codes):
            for progress, days in enumerate((60, 20, 2)):
                tail = f"{place:02d}{progress}"
                line = OrderLine("1", f"B0EMUL{tail}A", f"EMU-{tail}", [])
                order = self._order(
                    partner, code, f"{code[:5]}{tail}", now - timedelta(days=days), [line]
                )
                line.ordered.append(Ordered(order.placed_at, 10))
                _progress(order, progress)
                if code not in served:
                    found[order.number] = order
        self.orders[partner.selling_partner_id] = found

    def make(
        self,
        partner: Partner,
        vendor_code: str,
        placed_at: datetime,
        lines: list[OrderLine],
        *,
        number: str | None = None,
        warehouse: str | None = None,
    ) -> PurchaseOrder:
        """A new order. Raises ValueError when its number is taken."""
        if number is None:
            self.made += 1
            number = f"PO{self.made:06d}"
        known = self.of(partner)
        if number in known:
            raise ValueError(f"purchase order {number} exists already")
        order = self._order(partner, vendor_code, number, placed_at, lines)
        order.warehouse = warehouse or order.warehouse
        known[number] = order
        return order

    def as_json(self) -> Any:
        return {"made": self.made, "orders": vendor_records.plain(self.orders)}

    def load(self, stage: Stage, given: Any) -> None:
        read = vendor_records.read(VendorRetail, given, "vendor_retail")
        _check(stage, read)
        self.orders, self.made = read.orders, read.made

    def _order(
        self,
        partner: Partner,
        vendor_code: str,
        number: str,
        placed_at: datetime,
        lines: list[OrderLine],
    ) -> PurchaseOrder:
        home = partner.home
        return PurchaseOrder(
            number,
            vendor_code,
            placed_at,
            placed_at + timedelta(days=1),
            placed_at + timedelta(days=8),
            f"{home.country_code}M1",
            home.country_code,
            home.currency,
            lines,
            state_changed_at=placed_at,
        )


def _progress(order: PurchaseOrder, progress: int) -> None:
    """0: received and closed, 1: partly received, 2: new."""
    if progress == 2:
        return
    order.accept_all(order.placed_at + timedelta(days=1))
    at = order.placed_at + timedelta(days=(14, 7)[progress])
    for line in order.lines:
        order.receive(line, (10, 4)[progress], at)
    if progress == 0:
        order.go("Closed", at)


def _check(stage: Stage, read: VendorRetail) -> None:
    """What types alone do not tell. Raises ValueError."""
    for partner_id, orders in read.orders.items():
        where = f"vendor_retail.orders.{partner_id}"
        vendor_records.check_vendor(stage, partner_id, where)
        for number, order in orders.items():
            if number != order.number:
                raise ValueError(f"{where}.{number}: its 'number' is {order.number!r}")
            if not order.lines or not all(line.ordered for line in order.lines):
                raise ValueError(f"{where}.{number}: a line and what is ordered of it are needed")
