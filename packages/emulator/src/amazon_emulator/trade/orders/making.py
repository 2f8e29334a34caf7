"""Makes orders up: goods, prices with the tax of the store, people who plainly do not exist.

Answers for: orders in any status with all that belongs to it (what has shipped has packages and
money, what was cancelled says by whom), the same for the same wishes in the same order. Nobody real
is described: names say that they are examples, telephone numbers and mail domains belong to nobody.

What is approximated: tax comes on top of the price everywhere but in Japan, where it is inside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from amazon_emulator.marketplaces import Marketplace
from amazon_emulator.stage import Stage
from amazon_emulator.trade.orders import changes as orders_changes
from amazon_emulator.trade.orders import money
from amazon_emulator.trade.orders import notice as orders_notice
from amazon_emulator.trade.orders.changes import Parcel
from amazon_emulator.trade.orders.orders import (
    Address,
    Buyer,
    Cancellation,
    Fulfiller,
    Item,
    Order,
    Orders,
    OrderStatus,
    Refused,
    Window,
)
from amazon_emulator.world import Partner

__all__ = ["Ware", "Wish", "make", "people_of"]

# City, state, postal code, usual tax in parts of a hundred, by country. Some towns are real,
# streets and people are not.
_PLACES: dict[str, tuple[str, str, str, int]] = {
    "CA": ("Ottawa", "ON", "K1A 0A0", 13),
    "US": ("Springfield", "IL", "62700", 8),
    "MX": ("Puebla", "PUE", "72000", 16),
    "BR": ("Curitiba", "PR", "80000-000", 0),
    "IE": ("Galway", "Co. Galway", "H91 0000", 23),
    "ES": ("Zaragoza", "Zaragoza", "50000", 21),
    "GB": ("Exampleton", "", "ZZ1 1ZZ", 20),
    "FR": ("Orléans", "", "45000", 20),
    "BE": ("Namur", "", "5000", 21),
    "NL": ("Zwolle", "", "8000 AA", 21),
    "DE": ("Musterstadt", "", "12345", 19),
    "IT": ("Pavia", "PV", "27100", 22),
    "SE": ("Uppsala", "", "750 00", 25),
    "ZA": ("Kimberley", "", "8300", 15),
    "PL": ("Radom", "", "26-600", 23),
    "EG": ("Luxor", "Luxor", "85951", 14),
    "TR": ("Konya", "", "42000", 20),
    "SA": ("Tabuk", "", "47000", 15),
    "AE": ("Ajman", "Ajman", "00000", 5),
    "IN": ("Mysuru", "KARNATAKA", "570000", 18),
    "SG": ("Singapore", "", "000000", 9),
    "AU": ("Ballarat", "VIC", "3350", 10),
    "JP": ("見本市", "東京都", "100-0000", 0),
}
_FIRST = ("Ada", "Bo", "Cleo", "Dara", "Eli", "Fay", "Gil", "Hana", "Ivo", "Juno", "Kim", "Lou")
_LAST = ("Example", "Sample", "Specimen", "Muster", "Placeholder", "Invented", "Madeup")


@dataclass(frozen=True)
class Ware:
    """What is bought. ``charges`` are for all pieces; what is not given is made up, with the usual
    tax of the store."""

    sku: str
    quantity: int = 1
    asin: str = ""
    title: str = ""
    unit_price: Decimal | None = None
    charges: Mapping[str, Decimal] = field(default_factory=dict)
    discounts: Mapping[str, Decimal] = field(default_factory=dict)
    promotion_id: str = ""
    gift_message: str = ""
    gift_wrap_level: str = ""
    transparency: bool = False
    order_item_id: str = ""


@dataclass(frozen=True)
class Wish:
    """One order as it is wished for."""

    status: OrderStatus = "UNSHIPPED"
    fulfilled_by: Fulfiller = "MERCHANT"
    wares: Sequence[Ware] = ()
    order_id: str = ""
    seller_order_id: str = ""
    programs: tuple[str, ...] = ()
    company: str = ""
    purchase_order_number: str = ""
    payment_method: str = "CreditCard"
    notify: bool = True


def make(
    stage: Stage,
    partner: Partner,
    marketplace: Marketplace,
    wish: Wish,
    created_at: datetime,
    now: datetime,
) -> Order:
    """A new order, placed at ``created_at``. Raises ValueError when its id is taken, and Refused
    when there is no such order: a seller's own one that is unfulfillable, one piece shipped in
    part, a promotion of more than the price."""
    if wish.status == "UNFULFILLABLE" and wish.fulfilled_by != "AMAZON":
        raise Refused("wrong_status", "Only orders that Amazon fulfils can be UNFULFILLABLE.")
    orders = stage.of(Orders)
    while True:
        number = orders.next_number()
        seed = _digest(f"{partner.selling_partner_id} {number}")
        order_id = wish.order_id or f"902-{number:07d}-{seed % 10**7:07d}"
        if wish.order_id or orders.find(order_id) is None:
            break
    buyer, recipient = people_of(seed, marketplace, wish)
    wares = wish.wares or (Ware(f"EMU-SKU-{seed % 20 + 1}", quantity=1 + seed % 2),)
    order = Order(
        order_id=order_id,
        partner_id=partner.selling_partner_id,
        marketplace=marketplace,
        created_at=created_at,
        updated_at=created_at,
        status="UNSHIPPED",
        fulfilled_by=wish.fulfilled_by,
        items=[_item(ware, place, number, marketplace) for place, ware in enumerate(wares)],
        buyer=buyer,
        recipient=recipient,
        ship_by=Window(created_at, created_at + timedelta(days=2)),
        deliver_by=Window(created_at + timedelta(days=3), created_at + timedelta(days=6)),
        seller_order_id=wish.seller_order_id,
        payment_method=wish.payment_method,
        programs=wish.programs,
    )
    if wish.status == "PARTIALLY_SHIPPED" and sum(item.quantity for item in order.items) < 2:
        raise Refused("wrong_status", "One piece cannot be shipped in part; wish for two.")
    orders.add(order)
    _bring_to(order, wish.status, min(created_at + timedelta(days=1), now))
    if wish.notify:
        orders_notice.tell_of_status(stage, order, now)
    return order


def people_of(seed: int, marketplace: Marketplace, wish: Wish) -> tuple[Buyer, Address]:
    """A buyer and where the parcel goes."""
    name = f"{_FIRST[seed % len(_FIRST)]} {_LAST[seed // 13 % len(_LAST)]}"
    city, state, postal_code, _tax = _PLACES[marketplace.country_code]
    mail = f"{_digest(f'mail {seed}'):x}"[:15]
    buyer = Buyer(
        name=name,
        email=f"{mail}@marketplace.example",
        company=wish.company,
        purchase_order_number=wish.purchase_order_number,
    )
    recipient = Address(
        name=name,
        line1=f"{seed // 7 % 99 + 1} Emulator Street",
        city=city,
        postal_code=postal_code,
        country_code=marketplace.country_code,
        phone=f"+00 555 {seed // 11 % 10000:04d}",
        state=state,
        company=wish.company,
    )
    return buyer, recipient


def _item(ware: Ware, place: int, number: int, marketplace: Marketplace) -> Item:
    seed = _digest(f"ware {ware.sku}")
    currency = marketplace.currency
    price = ware.unit_price
    if price is None:
        price = Decimal(seed % 90 + 10) + (Decimal("0.99") if money.digits(currency) else 0)
        price *= 1 if money.digits(currency) else 100
    rate = _PLACES[marketplace.country_code][3]
    charges = {**_charges(price * ware.quantity, currency, rate), **ware.charges}
    for name, amount in ware.discounts.items():
        if amount > charges.get(name, money.ZERO):
            raise Refused("too_much", f"The promotion takes more off than {name} is.")
    return Item(
        order_item_id=ware.order_item_id or f"{number:09d}{seed % 1000:03d}{place + 1:02d}",
        sku=ware.sku,
        asin=ware.asin or f"B0EMU{seed % 10**5:05d}",
        title=ware.title or f"Emulated goods {ware.sku}",
        quantity=ware.quantity,
        charges={name: amount for name, amount in charges.items() if amount},
        discounts={name: amount for name, amount in ware.discounts.items() if amount},
        promotion_id=ware.promotion_id or ("EMULATED-PROMOTION" if ware.discounts else ""),
        gift_message=ware.gift_message,
        gift_wrap_level=ware.gift_wrap_level,
        transparency=ware.transparency,
    )


def _charges(price: Decimal, currency: str, rate: int) -> dict[str, Decimal]:
    shipping = Decimal("4.90") if money.digits(currency) else Decimal(490)
    return {
        "Principal": price,
        "Tax": money.share(price, rate, 100, currency),
        "Shipping": shipping,
        "ShippingTax": money.share(shipping, rate, 100, currency),
    }


def _bring_to(order: Order, status: OrderStatus, at: datetime) -> None:
    """Lets happen what must have happened; nothing of it is told, for it is past."""
    match status:
        case "PENDING_AVAILABILITY" | "PENDING" | "UNFULFILLABLE":
            order.status = status
        case "CANCELLED":
            order.cancellation = Cancellation("BUYER", "BUYER_CANCELLED", at)
            order.status = status
            order.updated_at = at
        case "SHIPPED":
            orders_changes.ship_rest(order, said_by=orders_changes.shipper(order), now=at)
        case "PARTIALLY_SHIPPED":
            first = order.items[0]
            parcel = Parcel(
                reference_id="1",
                carrier_code="Other",
                carrier_name="Emulated Parcels",
                tracking_number=f"EMU{order.order_id[-7:]}1",
                ship_date=at,
                contents={first.order_item_id: 1},
            )
            orders_changes.put_in_parcel(
                order, parcel, said_by=orders_changes.shipper(order), now=at
            )
        case _:
            pass


def _digest(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)
