"""Direct fulfillment: orders of Amazon's customers that vendors ship, and the stock they state.

Answers for: the orders of each vendor group with everything that was said about them, stock by
warehouse, acknowledgements (whole orders only) and stock updates (a full update sets everything
that it does not list to zero), as Amazon's direct fulfillment models and guides say. Labels and
shipments are judged in `vendor_direct_shipping`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors import records as vendor_records
from amazon_emulator.trade.vendors.bodies import Body
from amazon_emulator.trade.vendors.errand import (
    Case,
    Errand,
    Fault,
    foreign_vendor_code,
    unknown_order,
)
from amazon_emulator.world import Partner

__all__ = [
    "ACKNOWLEDGEMENT",
    "DIRECT_STATUSES",
    "INVENTORY",
    "LABEL_FORMATS",
    "Customer",
    "DirectLine",
    "DirectOrder",
    "DirectStatus",
    "Label",
    "LabelFormat",
    "Stock",
    "VendorDirect",
    "parties_faults",
]

DirectStatus = Literal["NEW", "ACCEPTED", "SHIPPED", "CANCELLED"]
DIRECT_STATUSES: tuple[DirectStatus, ...] = get_args(DirectStatus)
LabelFormat = Literal["PNG", "ZPL"]
LABEL_FORMATS: tuple[LabelFormat, ...] = get_args(LabelFormat)
SHIP_ALL = "00"


@dataclass
class Customer:
    """Who gets the goods: made up, and personal data all the same."""

    name: str
    street: str
    city: str
    state: str
    postal_code: str
    country_code: str
    phone: str


@dataclass
class DirectLine:
    """One line. ``price``: net, of one piece."""

    number: str
    asin: str
    sku: str
    title: str
    amount: int
    price: str = "19.90"


@dataclass
class Label:
    """A shipping label of one container."""

    package: str
    tracking_number: str
    ship_method: str


@dataclass
class DirectOrder:
    """One order. ``acknowledgement``, ``shipment`` and ``updates`` are as the vendor sent them."""

    number: str
    vendor_code: str
    warehouse: str
    customer_order_number: str
    placed_at: datetime
    required_ship_at: datetime
    promised_at: datetime
    country_code: str
    currency: str
    customer: Customer
    lines: list[DirectLine]
    status: DirectStatus = "NEW"
    ship_method: str = "EMU_GROUND"
    label_format: LabelFormat = "PNG"
    priority: bool = False
    gift: bool = False
    acknowledgement: dict[str, Any] | None = None
    acknowledged_at: datetime | None = None
    labels: list[Label] = field(default_factory=list)
    labels_at: datetime | None = None
    shipment: dict[str, Any] | None = None
    shipped_at: datetime | None = None
    updates: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(line.amount for line in self.lines)


@dataclass
class Stock:
    """What a vendor said it has of one item in one warehouse. ``vendor_code``: which of the group's
    said so; None: not known."""

    asin: str | None
    sku: str | None
    amount: int
    unit: str
    obsolete: bool
    updated_at: datetime
    vendor_code: str | None = None


@dataclass
class VendorDirect:
    """Orders by selling partner id and number; stock by selling partner id and warehouse.
    ``without``: vendor groups that take no part in direct fulfillment."""

    orders: dict[str, dict[str, DirectOrder]] = field(default_factory=dict)
    stock: dict[str, dict[str, list[Stock]]] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)
    made: int = 0

    def orders_of(self, partner: Partner) -> dict[str, DirectOrder]:
        return self.orders.setdefault(partner.selling_partner_id, {})

    def stock_of(self, partner: Partner) -> dict[str, list[Stock]]:
        return self.stock.setdefault(partner.selling_partner_id, {})

    def takes_part(self, partner: Partner) -> bool:
        return partner.selling_partner_id not in self.without

    def let_take_part(self, partner: Partner, wished: bool) -> None:
        others = [known for known in self.without if known != partner.selling_partner_id]
        self.without = others if wished else [*others, partner.selling_partner_id]

    def make(
        self,
        partner: Partner,
        vendor_code: str,
        placed_at: datetime,
        lines: list[DirectLine],
        *,
        number: str | None = None,
        warehouse: str = "WH01",
    ) -> DirectOrder:
        """A new order of a made-up customer. Raises ValueError when its number is taken."""
        self.made += 1
        known = self.orders_of(partner)
        number = number or f"DF{self.made:07d}"
        if number in known:
            raise ValueError(f"direct fulfillment order {number} exists already")
        country = partner.home.country_code
        customer = Customer(
            f"Customer {self.made}",
            f"{self.made} Parcel Lane",
            "Sampleton",
            "Emulation",
            f"{self.made % 100_000:05d}",
            country,
            "+000000000",
        )
        known[number] = order = DirectOrder(
            number,
            vendor_code,
            warehouse,
            f"999-{self.made:07d}-EMU",
            placed_at,
            placed_at + timedelta(days=1),
            placed_at + timedelta(days=4),
            country,
            partner.home.currency,
            customer,
            lines,
        )
        return order

    def as_json(self) -> Any:
        return vendor_records.plain(self)

    def load(self, stage: Stage, given: Any) -> None:
        read = vendor_records.read(VendorDirect, given, "vendor_direct")
        for partner_id in (*read.orders, *read.stock, *read.without):
            vendor_records.check_vendor(stage, partner_id, f"vendor_direct: {partner_id}")
        for partner_id, orders in read.orders.items():
            for number, order in orders.items():
                if number != order.number or not order.lines:
                    where = f"vendor_direct.orders.{partner_id}.{number}"
                    raise ValueError(f"{where}: needs its own 'number' and at least one line")
        self.orders, self.stock = read.orders, read.stock
        self.without, self.made = read.without, read.made


# --- acknowledgements -----------------------------------------------------------------------------


def _check_acknowledgements(content: Body) -> None:
    for acknowledgement in content.all("orderAcknowledgements"):
        acknowledgement.text("purchaseOrderNumber")
        acknowledgement.text("vendorOrderNumber")
        acknowledgement.instant("acknowledgementDate")
        acknowledgement.one("acknowledgementStatus").maybe_text("code")
        acknowledgement.party("sellingParty")
        acknowledgement.party("shipFromParty")
        for item in acknowledgement.all("itemAcknowledgements"):
            item.text("itemSequenceNumber")
            quantity = item.one("acknowledgedQuantity")
            quantity.maybe_choice("unitOfMeasure", ("Each",))
            if quantity.has("amount"):
                quantity.whole("amount")


def _judge_acknowledgements(case: Case) -> list[Fault]:
    orders = case.stage.of(VendorDirect).orders_of(case.partner)
    faults: list[Fault] = []
    seen: set[str] = set()
    for acknowledgement in case.content.all("orderAcknowledgements"):
        number = acknowledgement.text("purchaseOrderNumber")
        order = orders.get(number)
        if order is None:
            faults.append(unknown_order(number))
        elif order.status != "NEW" or number in seen:
            words = "The order was acknowledged before."
            faults.append(Fault("ORDER_ALREADY_ACKNOWLEDGED", words, number))
        else:
            faults += parties_faults(order, acknowledgement)
            faults += _item_faults(order, acknowledgement)
        seen.add(number)
    return faults


def parties_faults(order: DirectOrder, said: Body) -> list[Fault]:
    """The vendor and the warehouse are those of the order."""
    wrong = [
        said.party(name)
        for name, right in (("sellingParty", order.vendor_code), ("shipFromParty", order.warehouse))
        if said.party(name) != right
    ]
    return [foreign_vendor_code(party) for party in wrong]


def _item_faults(order: DirectOrder, acknowledgement: Body) -> list[Fault]:
    code = acknowledgement.one("acknowledgementStatus").maybe_text("code")
    if code is None:
        return [Fault("MISSING_STATUS_CODE", "The status code is missing.", order.number)]
    said = {
        _number(item.text("itemSequenceNumber")): item.one("acknowledgedQuantity").given
        for item in acknowledgement.all("itemAcknowledgements")
    }
    wanted = {_number(line.number): line.amount for line in order.lines}
    amounts = {number: quantity.get("amount") for number, quantity in said.items()}
    if set(said) != set(wanted) or (code == SHIP_ALL and amounts != wanted):
        words = "An order is acknowledged as a whole: every line, every piece."
        return [Fault("PARTIAL_ACKNOWLEDGEMENT", words, order.number)]
    return []


def _number(text: str) -> str:
    return text.lstrip("0")


def _apply_acknowledgements(case: Case) -> None:
    orders = case.stage.of(VendorDirect).orders_of(case.partner)
    for acknowledgement in case.content.all("orderAcknowledgements"):
        order = orders[acknowledgement.text("purchaseOrderNumber")]
        code = acknowledgement.one("acknowledgementStatus").text("code")
        order.status = "ACCEPTED" if code == SHIP_ALL else "CANCELLED"
        order.acknowledgement = dict(acknowledgement.given)
        order.acknowledged_at = case.submitted_at


# --- stock ----------------------------------------------------------------------------------------


def _check_inventory(content: Body) -> None:
    content.text("warehouseId")
    inventory = content.one("inventory")
    inventory.party("sellingParty")
    inventory.truth("isFullUpdate")
    if not isinstance(inventory.given.get("items"), list):
        inventory.all("items")
    for item in inventory.some("items"):
        quantity = item.one("availableQuantity")
        quantity.text("unitOfMeasure")
        if quantity.has("amount"):
            quantity.whole("amount")
        item.maybe_text("buyerProductIdentifier")
        item.maybe_text("vendorProductIdentifier")
        if item.has("isObsolete"):
            item.truth("isObsolete")


def _judge_inventory(case: Case) -> list[Fault]:
    inventory = case.content.one("inventory")
    party = inventory.party("sellingParty")
    if party not in case.partner.vendor_codes:
        return [foreign_vendor_code(party)]
    faults = []
    for place, item in enumerate(inventory.some("items")):
        quantity = item.one("availableQuantity").given
        if not (item.has("buyerProductIdentifier") or item.has("vendorProductIdentifier")):
            words = "An item needs a buyer or vendor product identifier."
            faults.append(Fault("INVALID_ITEM", words, f"items[{place}]"))
        if not isinstance(quantity.get("amount"), int) or quantity["amount"] < 0:
            words = "The available quantity is missing or negative."
            faults.append(Fault("INVALID_QUANTITY", words, f"items[{place}]"))
    return faults


def _apply_inventory(case: Case) -> None:
    inventory = case.content.one("inventory")
    vendor_code = inventory.party("sellingParty")
    warehouses = case.stage.of(VendorDirect).stock_of(case.partner)
    rows = warehouses.setdefault(case.content.text("warehouseId"), [])
    # Another vendor code of the group may have its own stock in the same warehouse.
    own = [row for row in rows if row.vendor_code in (vendor_code, None)]
    if inventory.truth("isFullUpdate"):
        for row in own:
            row.amount, row.updated_at = 0, case.submitted_at
    known = _Index(own)
    for item in inventory.some("items"):
        quantity = item.one("availableQuantity")
        fresh = Stock(
            item.maybe_text("buyerProductIdentifier"),
            item.maybe_text("vendorProductIdentifier"),
            quantity.whole("amount"),
            quantity.text("unitOfMeasure"),
            item.truth("isObsolete") if item.has("isObsolete") else False,
            case.submitted_at,
            vendor_code,
        )
        before = known.find(fresh)
        if before is None:
            rows.append(fresh)
            known.add(fresh)
        else:
            fresh.asin, fresh.sku = fresh.asin or before.asin, fresh.sku or before.sku
            vars(before).update(vars(fresh))
            known.add(before)


class _Index:
    """Rows by their identifiers: by the vendor's own where both have one, else by Amazon's. A
    warehouse holds many thousand of them."""

    def __init__(self, rows: list[Stock]) -> None:
        self._by_sku: dict[str, Stock] = {}
        self._by_asin: dict[str, Stock] = {}
        self._without_sku: dict[str, Stock] = {}  # by ASIN
        for row in rows:
            self.add(row)

    def add(self, row: Stock) -> None:
        if row.sku:
            self._by_sku.setdefault(row.sku, row)
        if row.asin:
            self._by_asin.setdefault(row.asin, row)
            if not row.sku:
                self._without_sku.setdefault(row.asin, row)
            elif self._without_sku.get(row.asin) is row:
                del self._without_sku[row.asin]

    def find(self, wanted: Stock) -> Stock | None:
        if wanted.sku and wanted.sku in self._by_sku:
            return self._by_sku[wanted.sku]
        rows = self._without_sku if wanted.sku else self._by_asin
        return rows.get(wanted.asin) if wanted.asin else None


ACKNOWLEDGEMENT = Errand(
    "direct_fulfillment_orders.submitAcknowledgement",
    "direct_fulfillment",
    _check_acknowledgements,
    _judge_acknowledgements,
    _apply_acknowledgements,
)
INVENTORY = Errand(
    "direct_fulfillment_inventory.submitInventoryUpdate",
    "direct_fulfillment",
    _check_inventory,
    _judge_inventory,
    _apply_inventory,
)
