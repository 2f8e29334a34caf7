"""Levers over sellers' orders and money: make them, see all that happened to them, change them.

Answers for: what a buyer, Amazon or a person in Seller Central does to an order, refusals on
purpose, and how sellers stand with the VAT Calculation Service. How a lever shows an order is in
`orders_shown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from amazon_emulator.faces.levers.making import instant, partner_of, store
from amazon_emulator.faces.levers.orders_shown import order_shown, upload_shown
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.marketplaces import Marketplace
from amazon_emulator.stage import Stage
from amazon_emulator.trade.orders import changes as orders_changes
from amazon_emulator.trade.orders import making as orders_making
from amazon_emulator.trade.orders import money, money_moves
from amazon_emulator.trade.orders.invoices import Invoices
from amazon_emulator.trade.orders.making import Ware
from amazon_emulator.trade.orders.money_moves import COMPONENTS, Wanted
from amazon_emulator.trade.orders.orders import (
    FULFILLERS,
    STATUSES,
    Item,
    Order,
    Orders,
    Refusal,
    Refused,
)
from amazon_emulator.world import Partner

__all__ = [
    "LEVERS",
    "change_money_habits",
    "change_order",
    "change_vat_service",
    "forget_refusals",
    "invoices",
    "make_orders",
    "money_habits",
    "one_order",
    "orders",
    "refund_order",
    "refusals",
    "refuse",
    "wish_to_cancel",
]

MOST = 1000
MOST_ITEMS = 1000
OLDEST = timedelta(days=3650)
CHARGE_FIELDS = {
    "tax": "Tax",
    "shipping": "Shipping",
    "shipping_tax": "ShippingTax",
    "gift_wrap": "GiftWrap",
    "gift_wrap_tax": "GiftWrapTax",
}
DISCOUNT_FIELDS = {"promotion": "Principal", "shipping_promotion": "Shipping"}

# With a digit, so that none is the name of a lever.
_ID = re.compile(r"(?=[^0-9]*[0-9])[A-Za-z0-9-]{1,64}")
_WHEN = "an order is made in the past ten years, not in the future"


# --- making and looking ---------------------------------------------------------------------------


def make_orders(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Makes orders of a seller {selling_partner_id, count?, marketplace?, status?, fulfilled_by?:
    MERCHANT|AMAZON, age_seconds? or created_at?, order_id?, seller_order_id?, programs?, company?,
    purchase_order_number?, payment_method?, notify?, items?: [{sku, quantity?, price?, tax?,
    shipping?, shipping_tax?, gift_wrap?, gift_wrap_tax?, promotion?, shipping_promotion?,
    promotion_id?, gift_message?, gift_wrap_level?, transparency?, asin?, title?,
    order_item_id?}]}; price is for one piece, the other amounts for all of the item."""
    now = stage.clock.now()
    partner = partner_of(stage, wish.text("selling_partner_id"))
    if partner.kind != "seller":
        raise WrongWish(f"{partner.selling_partner_id} is a vendor; its orders have other levers")
    marketplace = _marketplace(partner, wish)
    count = wish.count("count", 1) or 1
    if count > MOST:
        raise WrongWish(f"'count' is at most {MOST}")
    created_at = _created_at(wish, now)
    wished = orders_making.Wish(
        status=wish.choice("status", STATUSES, "UNSHIPPED"),
        fulfilled_by=wish.choice("fulfilled_by", FULFILLERS, "MERCHANT"),
        wares=_wares(wish, marketplace),
        order_id=_id(wish, "order_id"),
        seller_order_id=wish.maybe("seller_order_id") or "",
        programs=tuple(wish.texts("programs", ())),
        company=wish.maybe("company") or "",
        purchase_order_number=wish.maybe("purchase_order_number") or "",
        payment_method=wish.text("payment_method", "CreditCard"),
        notify=wish.truth("notify", default=True),
    )
    wish.done()
    if wished.order_id and (count > 1 or stage.of(Orders).find(wished.order_id)):
        raise WrongWish(f"order {wished.order_id} can be made once", 409)
    made = []
    for _ in range(count):
        try:
            order = orders_making.make(stage, partner, marketplace, wished, created_at, now)
        except Refused as refused:
            raise WrongWish(refused.words) from None
        made.append(order_shown(stage, order))
    return {"count": len(made), "items": made}


def _marketplace(partner: Partner, wish: Wish) -> Marketplace:
    stores = {row.marketplace.id: row.marketplace for row in partner.participations}
    wished = wish.maybe("marketplace")
    if wished is None:
        return partner.home
    found = store(wished)
    if stores and found.id not in stores:
        raise WrongWish(f"{partner.selling_partner_id} does not sell in {found.id}")
    if found.region is None:
        raise WrongWish(f"{found.id} belongs to no region and has no orders")
    return found


def _created_at(wish: Wish, now: datetime) -> datetime:
    age = wish.number("age_seconds", 0)
    if not 0 <= age <= OLDEST.total_seconds():
        raise WrongWish(_WHEN)
    told = wish.maybe("created_at")
    created_at = instant(told, now) if told else now - timedelta(seconds=age)
    if not now - OLDEST <= created_at <= now:
        raise WrongWish(_WHEN)
    return created_at


def _id(wish: Wish, name: str) -> str:
    """An id that a program can put into a path and a feed; empty when none is wished."""
    text = wish.maybe(name)
    if text is not None and not _ID.fullmatch(text):
        raise WrongWish(
            f"{name!r} must be made of 1 to 64 letters, digits and hyphens, with a digit"
        )
    return text or ""


def _wares(wish: Wish, marketplace: Marketplace) -> tuple[Ware, ...]:
    given = wish.raw("items", [])
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise WrongWish("'items' must be a list of objects")
    if len(given) > MOST_ITEMS:
        raise WrongWish(f"an order has at most {MOST_ITEMS} items")
    wares = tuple(_ware(Wish(entry), marketplace) for entry in given)
    named = [ware.order_item_id for ware in wares if ware.order_item_id]
    if len(set(named)) != len(named):
        raise WrongWish("an 'order_item_id' stands in more than one item")
    return wares


def _ware(given: Wish, marketplace: Marketplace) -> Ware:
    currency = marketplace.currency
    charges = _given_amounts(given, CHARGE_FIELDS, currency)
    if marketplace.country_code == "JP" and any(charges.get(name) for name in money.TAXES):
        raise WrongWish("in Japan the tax is inside of the prices, so none can be given")
    price = _amount(given, "price", currency) if given.has("price") else None
    quantity = given.count("quantity", 1) or 1
    if quantity > money.MOST_PIECES:
        raise WrongWish(f"'quantity' is at most {money.MOST_PIECES}")
    if price is not None and price * quantity >= money.MOST:
        raise WrongWish(f"the price of all pieces must be below {money.MOST}")
    ware = Ware(
        sku=given.text("sku"),
        quantity=quantity,
        asin=given.maybe("asin") or "",
        title=given.maybe("title") or "",
        unit_price=price,
        charges=charges,
        discounts=_given_amounts(given, DISCOUNT_FIELDS, currency),
        promotion_id=given.maybe("promotion_id") or "",
        gift_message=given.maybe("gift_message") or "",
        gift_wrap_level=given.maybe("gift_wrap_level") or "",
        transparency=given.truth("transparency", default=False),
        order_item_id=_id(given, "order_item_id"),
    )
    given.done()
    if not ware.gift_wrap_level and "GiftWrap" in charges:
        ware = replace(ware, gift_wrap_level="Classic")
    return ware


def _given_amounts(given: Wish, fields: dict[str, str], currency: str) -> dict[str, Decimal]:
    return {
        component: _amount(given, name, currency)
        for name, component in fields.items()
        if given.has(name)
    }


def _amount(given: Wish, name: str, currency: str) -> Decimal:
    """A text or a number, not below zero."""
    value = given.raw(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise WrongWish(f'{name!r} must be an amount such as "19.90"')
    try:
        amount = money.read(str(value), currency)
    except ValueError as error:
        raise WrongWish(f"{name!r}: {error}") from None
    if not 0 <= amount < money.MOST:
        raise WrongWish(f"{name!r} must not be negative, and below {money.MOST}")
    return amount


def orders(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Orders with all that happened to them: packages, cancellation, money, invoices;
    ?selling_partner_id=, status=."""
    unknown = sorted(set(wish.query) - {"selling_partner_id", "status"})
    if unknown:
        raise WrongWish(f"unknown: {', '.join(unknown)}; known: selling_partner_id, status")
    partner_id, status = wish.query.get("selling_partner_id"), wish.query.get("status")
    if status is not None and status not in STATUSES:
        raise WrongWish(f"'status' must be one of {', '.join(STATUSES)}")
    found = [
        order_shown(stage, order)
        for order in stage.of(Orders).everything()
        if partner_id in (None, order.partner_id) and status in (None, order.status)
    ]
    return {"count": len(found), "items": found}


def one_order(stage: Stage, wish: Wish) -> dict[str, Any]:
    """One order with all that happened to it."""
    return order_shown(stage, _order(stage, wish))


# --- changing -------------------------------------------------------------------------------------


def change_order(stage: Stage, wish: Wish) -> dict[str, Any]:
    """An order goes on {status}: a payment clears, Amazon cancels, it ships with a made-up package;
    money and notifications come with it."""
    order = _order(stage, wish)
    status = wish.choice("status", STATUSES)
    wish.done()
    with _WrongIfRefused():
        orders_changes.set_status(stage, order, status, stage.clock.now())
    return order_shown(stage, order)


def wish_to_cancel(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The buyer asks for a cancellation {reason?, order_item_id?}; it is only a wish."""
    order = _order(stage, wish)
    reason = wish.text("reason", "Found cheaper somewhere else.")
    item = _item(order, wish.maybe("order_item_id"))
    wish.done()
    with _WrongIfRefused():
        orders_changes.ask_to_cancel(stage, order, item, reason, stage.clock.now())
    return order_shown(stage, order)


def refund_order(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Somebody else gives money back: a person in Seller Central, or Amazon {order_item_id?,
    amounts?: {Principal: "5.00", ...}, by?, reason?}; without amounts all that is left of the
    item, or of all items."""
    order = _order(stage, wish)
    item = _item(order, wish.maybe("order_item_id"))
    by = wish.text("by", "Seller Central")
    reason = wish.text("reason", "CustomerReturn")
    amounts = _wished_amounts(wish, order)
    wish.done()
    if amounts and item is None:
        if len(order.items) > 1:
            raise WrongWish("with amounts, 'order_item_id' is wanted: the order has several items")
        item = order.items[0]
    if amounts and item is not None:
        wanted = [Wanted(item.order_item_id, amounts, reason=reason)]
    else:
        wanted = [_all_left(order, known, reason) for known in ([item] if item else order.items)]
        wanted = [known for known in wanted if money.total(known.amounts) > 0]
    if not wanted:
        raise WrongWish("nothing is left to be given back", 409)
    with _WrongIfRefused():
        money_moves.refund(order, wanted, source=by, now=stage.clock.now())
    return order_shown(stage, order)


def _wished_amounts(wish: Wish, order: Order) -> dict[str, Decimal]:
    given = wish.raw("amounts", {})
    if not isinstance(given, dict):
        raise WrongWish("'amounts' must be an object of amounts by component")
    inner = Wish(given)
    strange = sorted(set(given) - set(COMPONENTS))
    if strange:
        raise WrongWish(f"'amounts': {strange[0]!r} is none of {', '.join(COMPONENTS)}")
    return {name: _amount(inner, name, order.currency) for name in given}


def _all_left(order: Order, item: Item, reason: str) -> Wanted:
    """What is left by component; what other components took or fees kept back evens out."""
    discounts = {
        name: amount
        for name, amount in money.less(
            order.discounts_charged(item), order.discounts_refunded(item)
        ).items()
        if amount > 0
    }
    budget = order.left(item) + money.total(discounts)
    unrefunded = money.less(order.charged(item), order.refunded(item))
    amounts: dict[str, Decimal] = {}
    for name in money.CHARGED:
        amounts[name] = min(unrefunded.get(name, money.ZERO), budget)
        budget -= amounts[name]
    amounts["Other"] = budget
    kept = {name: amount for name, amount in amounts.items() if amount > 0}
    return Wanted(item.order_item_id, kept, discounts, reason)


class _WrongIfRefused:
    """Says a refusal in a lever's way."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Refused):
            raise WrongWish(error.words, 409) from None


def _order(stage: Stage, wish: Wish) -> Order:
    order = stage.of(Orders).find(wish.path["order_id"])
    if order is None:
        raise WrongWish(f"no order has the id {wish.path['order_id']!r}", 404)
    return order


def _item(order: Order, order_item_id: str | None) -> Item | None:
    if order_item_id is None:
        return None
    item = order.item(order_item_id)
    if item is None:
        raise WrongWish(f"order {order.order_id} has no item {order_item_id!r}", 404)
    return item


# --- refusals, habits, invoices -------------------------------------------------------------------


def refuse(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The next changes are refused {what: refund|cancellation|shipment|invoice, code, message?,
    times?, selling_partner_id?}; until forgotten, or so many times."""
    partner_id = wish.maybe("selling_partner_id")
    if partner_id is not None:
        partner_of(stage, partner_id)
    refusal = Refusal(
        what=wish.choice("what", ("refund", "cancellation", "shipment", "invoice")),
        code=wish.text("code"),
        words=wish.text("message", "Refused on purpose."),
        times=wish.count("times"),
        partner_id=partner_id,
    )
    wish.done()
    stage.of(Orders).refusals.append(refusal)
    return refusals(stage, wish)


def refusals(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Which changes will be refused."""
    return {
        "items": [
            {
                "what": known.what,
                "code": known.code,
                "message": known.words,
                "times": known.times,
                "selling_partner_id": known.partner_id,
            }
            for known in stage.of(Orders).refusals
        ]
    }


def forget_refusals(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Nothing is refused on purpose any more."""
    wish.done()
    stage.of(Orders).refusals.clear()
    return refusals(stage, wish)


def money_habits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """How late finances tell of money, and who is in the VAT Calculation Service."""
    kept, papers = stage.of(Orders), stage.of(Invoices)
    return {
        "finances_lag_hours": kept.finances_lag / timedelta(hours=1),
        "finances_v0_lag_hours": kept.finances_v0_lag / timedelta(hours=1),
        "in_vat_service": sorted(papers.in_service),
        "invoices_unavailable": sorted(papers.unavailable),
    }


def change_money_habits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes how late finances tell {finances_lag_hours?, finances_v0_lag_hours?}: usually 48
    hours for listTransactions, none for Finances v0."""
    kept = stage.of(Orders)
    lag = _hours(wish, "finances_lag_hours", kept.finances_lag)
    v0_lag = _hours(wish, "finances_v0_lag_hours", kept.finances_v0_lag)
    wish.done()
    kept.finances_lag, kept.finances_v0_lag = lag, v0_lag
    return money_habits(stage, wish)


def _hours(wish: Wish, name: str, default: timedelta) -> timedelta:
    hours = wish.number(name, default / timedelta(hours=1))
    if not 0 <= hours <= 10_000:
        raise WrongWish(f"{name!r} must be from 0 to 10000")
    return timedelta(hours=hours)


def change_vat_service(stage: Stage, wish: Wish) -> dict[str, Any]:
    """A seller and its invoices {selling_partner_id, in_vat_service?, invoices_available?}: in the
    VAT Calculation Service Amazon compares totals; when not available, FeatureNotAvailable."""
    partner = partner_of(stage, wish.text("selling_partner_id"))
    papers = stage.of(Invoices)
    partner_id = partner.selling_partner_id
    inside = wish.truth("in_vat_service", partner_id in papers.in_service)
    available = wish.truth("invoices_available", partner_id not in papers.unavailable)
    wish.done()
    (papers.in_service.add if inside else papers.in_service.discard)(partner_id)
    (papers.unavailable.discard if available else papers.unavailable.add)(partner_id)
    return money_habits(stage, wish)


def invoices(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All invoice uploads with what became of them; ?selling_partner_id=."""
    partner_id = wish.query.get("selling_partner_id")
    found = [
        upload_shown(upload)
        for upload in stage.of(Invoices).uploads
        if partner_id in (None, upload.partner_id)
    ]
    return {"count": len(found), "items": found}


LEVERS: tuple[tuple[str, str, Callable[[Stage, Wish], Any]], ...] = (
    ("POST", "/orders", make_orders),
    ("GET", "/orders", orders),
    ("POST", "/orders/refuse", refuse),
    ("GET", "/orders/refuse", refusals),
    ("DELETE", "/orders/refuse", forget_refusals),
    ("GET", "/orders/habits", money_habits),
    ("PATCH", "/orders/habits", change_money_habits),
    ("POST", "/orders/vat-service", change_vat_service),
    ("GET", "/orders/invoices", invoices),
    ("GET", "/orders/{order_id}", one_order),
    ("PATCH", "/orders/{order_id}", change_order),
    ("POST", "/orders/{order_id}/wish-to-cancel", wish_to_cancel),
    ("POST", "/orders/{order_id}/refund", refund_order),
)
