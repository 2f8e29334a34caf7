"""Orders: the latest of all accounts, one order, and how far each account was read.

Answers for: finding orders, showing one without what is personal, showing that too to those who
may, as an act of its own that is journaled, and having an account read now. Does not answer for:
confirming, cancelling or refunding an order (``uploads``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from evergrant.entrances.console import trade_words
from evergrant.entrances.console.actions import address_of
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.errors import (
    AmazonError,
    ApplicationError,
    InvalidInput,
    NotFound,
    OverLimit,
    PartnerError,
)
from evergrant.orders import OrderTold, SweepState
from evergrant.overview import AccountQuery
from evergrant.ports.things import Account
from evergrant.ports.traded import OrderKind
from evergrant.rules import ids
from evergrant.rules.attention import Action
from evergrant.rules.faults import Fault
from evergrant.rules.lifecycle import State
from evergrant.rules.order_sweeps import Lack
from evergrant.rules.rights import Right

__all__ = ["DOORS", "progress", "read_item"]

#: Orders and accounts on one page.
PAGE = 50
_SCANNED = 500
_LONGEST_POSITION = 18
_LONGEST_ID = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of an order, whatever shape Amazon gives it; texts as Amazon wrote them."""

    id: str = ""
    title: str = ""
    sku: str = ""
    asin: str = ""
    quantity: str = ""
    done: str = ""
    price: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What somebody looks for; what is not understood is left out."""

    account: str = ""
    status: str = ""
    order_id: str = ""
    before: int | None = None

    @classmethod
    def of(cls, given: Mapping[str, str]) -> _Wish:
        before = given.get("before", "")
        fine = before.isascii() and before.isdigit() and len(before) <= _LONGEST_POSITION
        status = given.get("status", "")
        return cls(
            account=given.get("account", "").strip()[:200],
            status=status if status in trade_words.ORDER_STATUSES else "",
            order_id=given.get("order", "").strip()[:_LONGEST_ID],
            before=int(before) if fine else None,
        )

    @property
    def is_narrowed(self) -> bool:
        return bool(self.account or self.status or self.order_id)

    def address(self, before: int | None = None) -> str:
        given = {
            "account": self.account,
            "status": self.status,
            "order": self.order_id,
            "before": "" if before is None else str(before),
        }
        return urlencode({name: value for name, value in given.items() if value})


# --- many -----------------------------------------------------------------------------------------


async def orders(asked: Asked) -> Response:
    wish = _Wish.of(asked.query)
    account, picks = await _account_of(asked, wish.account)
    found: list[OrderTold] = []
    if account is not None or not wish.account:
        found = await asked.desk.orders.latest(
            by=asked.caller,
            before=wish.before,
            limit=PAGE + 1,
            account_id=account.id if account else None,
            status=wish.status or None,
            order_id=wish.order_id or None,
        )
    shown = found[:PAGE]
    return asked.page(
        "orders/list.html",
        wish=wish,
        account=account,
        picks=picks,
        sweep=await asked.desk.orders.state(account.id, by=asked.caller) if account else None,
        orders=shown,
        names=await _names(asked, shown),
        older=wish.address(shown[-1].order.position) if len(found) > PAGE else None,
        **_common(asked),
    )


async def _account_of(asked: Asked, text: str) -> tuple[Account | None, list[tuple[str, str]]]:
    """The account that is meant by an id, a name or the beginning of one; or several that may be,
    as pairs of id and name."""
    if not text:
        return None, []
    try:
        return (await asked.desk.accounts.find(text, by=asked.caller)).account, []
    except NotFound:
        page = await asked.desk.overview.accounts(AccountQuery(text=text, size=20), by=asked.caller)
    if len(page.rows) == 1:
        return (await asked.desk.accounts.get(page.rows[0].id, by=asked.caller)).account, []
    return None, [(row.id, row.name) for row in page.rows]


async def _names(asked: Asked, found: Sequence[OrderTold]) -> dict[str, str]:
    """Of the accounts whose orders these are: whoever reaches an order reaches its account."""
    wanted = sorted({one.order.account_id for one in found})
    if not wanted:
        return {}
    async with asked.desk.store.transaction() as tx:
        return {one.id: one.name for one in await tx.accounts.all(id=wanted)}


async def sweeps(asked: Asked) -> Response:
    """How far each account was read, and what stands against it."""
    only_trouble = asked.query.get("show") != "all"
    found: list[SweepState] = []
    after = _after(asked)
    further: str | None = None
    while further is None:
        page = await asked.desk.orders.states(by=asked.caller, after=after, limit=_SCANNED)
        for one in page:
            if only_trouble and not _troubled(one):
                continue
            if len(found) == PAGE:
                further = found[-1].account_id
                break
            found.append(one)
        if len(page) < _SCANNED:
            break
        after = page[-1].account_id
    return asked.page(
        "orders/sweeps.html",
        sweeps=found,
        only_trouble=only_trouble,
        further=further,
        **_common(asked),
    )


def _troubled(one: SweepState) -> bool:
    return one.state is State.ACTIVE and bool(one.lacks or one.last_error or one.failures)


async def sweep_now(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    to = asked.form.get("back") or f"/console/orders?account={account_id}"
    try:
        state = await asked.desk.orders.ask_for_sweep(account_id, by=asked.caller)
    except (PartnerError, ApplicationError, AmazonError, OverLimit) as error:
        return asked.back(to, f"{error.message} {error.hint or ''}".strip(), "bad")
    if state.why and Lack(state.lacks).stops:
        return asked.back(to, state.why, "bad")
    return asked.back(to, "Amazon is being asked for orders. This page follows what it says.")


def progress(one: SweepState, now: datetime) -> str:
    """What a worker is about to do, or does; empty: nothing at this moment."""
    if one.state is not State.ACTIVE:
        return ""
    if one.under_way and not one.last_error:
        return "being read"
    if one.due_at is not None and one.due_at <= now:
        return "next to be read"
    return ""


# --- one ------------------------------------------------------------------------------------------


async def order(asked: Asked) -> Response:
    told = await asked.desk.orders.order(
        asked.path["account_id"], asked.path["order_id"], by=asked.caller
    )
    return await _page(asked, told)


async def personal(asked: Asked) -> Response:
    """The same with the buyer. A form, never a link: whoever looks is written down. Nothing of it
    is kept by the browser, and loading the page again is another look."""
    told = await asked.desk.orders.order(
        asked.path["account_id"], asked.path["order_id"], by=asked.caller, personal=True
    )
    return await _page(asked, told)


async def _page(asked: Asked, told: OrderTold) -> Response:
    view = await asked.desk.accounts.get(told.order.account_id, by=asked.caller)
    return asked.page(
        "orders/one.html",
        account=view.account,
        order=told.order,
        badge=trade_words.order_badge(told.order.status),
        items=[read_item(one) for one in _items(told)],
        parcels=_mappings(told.order.body.get("packages")),
        total=_money(_at(told.order.body, "proceeds", "grandTotal")),
        opened=told.opened,
        asked_for=asked.request.method == "POST",
        personal=beyond(told.body, told.order.body) if told.opened else None,
        body=json.dumps(told.order.body, indent=1, ensure_ascii=False, default=str),
        changes=await asked.desk.feeds.ledger.changes(
            view.account.id,
            by=asked.caller,
            subject=told.order.order_id,
            limit=PAGE,
            newest_first=True,
        ),
        **_common(asked),
    )


def beyond(whole: object, plain: object) -> Any:
    """What ``whole`` holds and ``plain`` does not, in the same shape; None: nothing."""
    if isinstance(whole, Mapping):
        other = plain if isinstance(plain, Mapping) else {}
        found = {name: beyond(value, other.get(name)) for name, value in whole.items()}
        return {name: value for name, value in found.items() if value is not None} or None
    if isinstance(whole, list):
        others = plain if isinstance(plain, list) else []
        several = [
            beyond(value, others[place] if place < len(others) else None)
            for place, value in enumerate(whole)
        ]
        return [one for one in several if one is not None] or None
    return whole if whole != plain and whole is not None else None


def _items(told: OrderTold) -> list[Mapping[str, Any]]:
    """Without what is personal, which the page shows apart."""
    if told.order.kind is OrderKind.SELLER:
        return _mappings(told.order.body.get("orderItems"))
    return _mappings(_at(told.order.body, "orderDetails", "items"))


def read_item(one: Mapping[str, Any]) -> Item:
    """Names of the models orders_2026-01-01, vendorOrders and
    vendorDirectFulfillmentOrders_2021-12-28."""
    if "orderItemId" in one:
        return Item(
            id=_text(one.get("orderItemId")),
            title=_text(_at(one, "product", "title")),
            sku=_text(_at(one, "product", "sellerSku")),
            asin=_text(_at(one, "product", "asin")),
            quantity=_text(one.get("quantityOrdered")),
            done=_text(_at(one, "fulfillment", "quantityFulfilled")),
            price=_money(_at(one, "product", "price", "unitPrice")),
        )
    return Item(
        id=_text(one.get("itemSequenceNumber")),
        title=_text(one.get("title")),
        sku=_text(one.get("vendorProductIdentifier")),
        asin=_text(one.get("amazonProductIdentifier") or one.get("buyerProductIdentifier")),
        quantity=_text(_at(one, "orderedQuantity", "amount")),
        price=_money(one.get("netCost") or one.get("netPrice")),
    )


# --- inside ---------------------------------------------------------------------------------------


def _common(asked: Asked) -> dict[str, Any]:
    return {
        "words": trade_words,
        "markets": asked.desk.marketplaces,
        "progress": lambda one: progress(one, asked.now),
        "may_sweep": asked.may(Right.WRITE),
        "may_write": asked.may(Right.WRITE),
        "may_open": asked.may(Right.PERSONAL_DATA),
        "actions": {
            Lack.MERCHANT_TOKEN.value: Action.ADD_SELLER_ID,
            Lack.VENDOR_CODE.value: Action.ADD_SELLER_ID,
        },
        "address_of": address_of,
    }


def _after(asked: Asked) -> str | None:
    try:
        given = asked.query.get("after", "")
        return ids.check(ids.Kind.ACCOUNT, given) if given else None
    except (Fault, InvalidInput):
        return None


def _mappings(value: object) -> list[Mapping[str, Any]]:
    several = value if isinstance(value, list) else []
    return [one for one in several if isinstance(one, Mapping)]


def _at(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, (Mapping, list)) else str(value)


def _money(value: object) -> str:
    amount, currency = _text(_at(value, "amount")), _text(_at(value, "currencyCode"))
    return f"{amount} {currency}".strip()


_ORDER = "/console/orders/{account_id}/{order_id}"
DOORS = (
    Door("GET", "/console/orders", orders, Right.ORDERS),
    Door("GET", "/console/orders/sweeps", sweeps, Right.READ),
    Door("GET", _ORDER, order, Right.ORDERS),
    Door("POST", f"{_ORDER}/personal", personal, Right.PERSONAL_DATA),
    Door("POST", "/console/accounts/{account_id}/orders/sweep", sweep_now, Right.WRITE),
)
