"""A small Amazon that has orders, and a house that reads them; for the tests of the order book."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from evergrant.desk import Desk
from evergrant.orders import Orders
from evergrant.ports.amazon import Answer, Call
from evergrant.ports.store import Transaction
from evergrant.ports.traded import Order, OrderSweep
from evergrant.ports.watched import EventRecord
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from evergrant.rules.secrecy import Secret
from evergrant.settings import Cooking
from evergrant.testing.desk import Fakes, desk
from evergrant.testing.selling_partner_api import FakeSellingPartnerApi, error_answer
from tests.rooms.watch_ground import Town

SEARCH = "/orders/2026-01-01/orders"
RETAIL = "/vendor/orders/v1/purchaseOrders"
DIRECT = "/vendor/directFulfillment/orders/2021-12-28/purchaseOrders"
COOKING = Cooking(patience_s=0.0)
READER = Caller(
    kind=CallerKind.API_KEY, id="key_reader", name="ERP", rights=frozenset({Right.AMAZON_READ})
)
TRUSTED = Caller(
    kind=CallerKind.API_KEY,
    id="key_trusted",
    name="Shipping",
    rights=frozenset({Right.AMAZON_READ, Right.PERSONAL_DATA}),
)


def text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def instant(told: str) -> datetime:
    return datetime.fromisoformat(told)


def seller_order(order_id: str, changed_at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "orderId": order_id,
        "createdTime": text(changed_at),
        "lastUpdatedTime": text(changed_at),
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": "A1PA6795UKMFR9"},
        "buyer": {"buyerName": "Wilhelmina Buyer", "buyerEmail": "w@buyers.example"},
        "recipient": {"deliveryAddress": {"name": "Wilhelmina Buyer", "addressLine1": "Gasse 7"}},
        "fulfillment": {"fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT"},
        "orderItems": [
            {
                "orderItemId": "1",
                "quantityOrdered": 1,
                "product": {"sellerSku": "SKU-1"},
                "fulfillment": {"packing": {"giftOption": {"giftMessage": "Dear Wilhelmina"}}},
            }
        ],
        **more,
    }


@dataclass
class SmallAmazon:
    """What ``send`` answers about orders, per path; pages of three."""

    now: Callable[[], datetime]
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Call] = field(default_factory=list)
    #: Answers that come before any other, in their order; None: as usual.
    instead: list[Answer | BaseException | None] = field(default_factory=list)
    refuses: frozenset[str] = frozenset()  # data sets
    page: int = 3

    def put(self, **more: Any) -> str:
        """One more order of a seller, changed just now."""
        order_id = f"902-{len(self.orders):07}-{secrets.randbelow(10**7):07}"
        self.orders[order_id] = seller_order(order_id, self.now(), **more)
        return order_id

    def change(self, order_id: str, **more: Any) -> None:
        body = self.orders[order_id]
        self.orders[order_id] = {**body, **more, "lastUpdatedTime": text(self.now())}

    def answer(self, call: Call) -> Answer:
        self.asked.append(call)
        if self.instead and (first := self.instead.pop(0)) is not None:
            if isinstance(first, BaseException):
                raise first
            return first
        query = dict(call.query)
        wanted = set(query.get("includedData", "").split(","))
        if wanted & self.refuses:
            return error_answer(403, "Unauthorized", "Access to requested resource is denied.")
        if call.path == SEARCH:
            return self._search(query, wanted, "lastUpdated", "lastUpdatedTime")
        if call.path in (RETAIL, DIRECT):
            return self._vendors(call.path, query)
        body = self.orders.get(call.path.rpartition("/")[2])
        if body is None:
            return error_answer(404, "NotFound", "There is no such order.")
        return ok({"order": self._shown(body, wanted)})

    def _search(self, query: Mapping[str, str], wanted: set[str], name: str, member: str) -> Answer:
        since, until = instant(query[f"{name}After"]), instant(query[f"{name}Before"])
        if until > self.now() - timedelta(minutes=2):
            return error_answer(400, "InvalidInput", "It must be two minutes in the past.")
        found = sorted(
            (body[member], order_id)
            for order_id, body in self.orders.items()
            if since <= instant(body[member]) <= until
        )
        mark = query.get("paginationToken", "")
        start = 0
        if mark:
            born, of, start_text = mark.split("/")
            if self.now() - instant(born) >= timedelta(hours=24) or of != query[f"{name}After"]:
                return error_answer(400, "InvalidInput", "The paginationToken has expired.")
            start = int(start_text)
        shown = found[start : start + self.page]
        told: dict[str, Any] = {
            "orders": [self._shown(self.orders[order_id], wanted) for _, order_id in shown],
            f"{name}Before": text(until),
        }
        if start + self.page < len(found):
            born = text(self.now())
            next_mark = f"{born}/{query[f'{name}After']}/{start + self.page}"
            told["pagination"] = {"nextToken": next_mark}
        return ok(told)

    def _shown(self, body: Mapping[str, Any], wanted: set[str]) -> dict[str, Any]:
        hidden = {"buyer": "BUYER", "recipient": "RECIPIENT", "fulfillment": "FULFILLMENT"}
        return {
            name: value for name, value in body.items() if hidden.get(name, "") in {"", *wanted}
        }

    def _vendors(self, path: str, query: Mapping[str, str]) -> Answer:
        listing = "changed" if "changedAfter" in query else "created"
        since, until = instant(query[f"{listing}After"]), instant(query[f"{listing}Before"])
        if until - since > timedelta(days=7):
            return error_answer(400, "InvalidInput", "The date range must not exceed 7 days.")
        member = "purchaseOrderChangedDate" if listing == "changed" else None
        member = member or ("orderDate" if path == DIRECT else "purchaseOrderDate")
        found = sorted(
            order_id
            for order_id, body in self.orders.items()
            if (at := body["orderDetails"].get(member)) and since <= instant(at) <= until
        )
        start = int(query.get("nextToken", "0"))
        told: dict[str, Any] = {"orders": [self.orders[one] for one in found[start:][: self.page]]}
        if start + self.page < len(found):
            told["pagination"] = {"nextToken": str(start + self.page)}
        return ok(told if path == DIRECT else {"payload": told})


def ok(told: Mapping[str, Any]) -> Answer:
    return Answer(status=200, headers={}, body=json.dumps(told).encode())


class OrdersApi(FakeSellingPartnerApi):
    amazon: SmallAmazon
    #: Happens once, after Amazon made up its answer and before anybody reads it.
    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def send(self, call: Call, access_token: Secret) -> Answer:
        about = self._asked(f"{call.method} {call.path}", call.endpoint, access_token)
        self._check(about, call.endpoint, access_token)
        answer = self.amazon.answer(call)
        if (happens := self.meanwhile) is not None:
            self.meanwhile = None
            await happens()
        return answer


class Book(Town):
    """A house with accounts, whose orders lie at a small Amazon."""

    amazon: SmallAmazon
    api: OrdersApi

    @classmethod
    async def opened(cls, store: Any = None) -> Book:
        """``store``: another one than that in memory."""
        fakes = Fakes() if store is None else Fakes(store=store)
        api = OrdersApi(fakes.lwa, fakes.clock)
        api.amazon = SmallAmazon(now=fakes.clock.now)
        fakes.selling_partner_api = api
        book = cls(fakes)
        book.amazon, book.api = api.amazon, api
        await book.open()
        return book

    def process(self, store: Any = None, calls: Any = None) -> Orders:
        """One more node's order book, on a desk of its own."""
        desk = self.another()
        return Orders(
            store=store or self.fakes.store,
            clock=self.fakes.clock,
            vault=desk.vault,
            calls=calls or desk.calls,
            bell=self.fakes.bell,
            marketplaces=STANDARD,
            cooking=COOKING,
        )

    def another(self) -> Desk:
        return desk(self.fakes, cooking=COOKING)

    @property
    def orders(self) -> Orders:
        return self.desk.orders

    async def as_state(self, account_id: str, state: State) -> None:
        async with self.fakes.store.transaction() as tx:
            row = await tx.authorizations.one(account_id=account_id)
            assert row is not None
            await tx.authorizations.change(row.id, state=state, version=row.version + 1)

    async def seller(self, **wishes: Any) -> str:
        wishes = {"merchant_token": f"A{secrets.token_hex(6).upper()}", **wishes}
        return await self.account(granted_at=self.fakes.clock.now(), **wishes)

    async def vendor(self, kind: str = "retail", **wishes: Any) -> str:
        wishes = {"vendor_codes": [secrets.token_hex(3).upper()[:5]], **wishes}
        return await self.account(
            granted_at=self.fakes.clock.now(), partner_kind="vendor", vendor_kind=kind, **wishes
        )

    # --- what became of it ---

    async def rows(self) -> list[Order]:
        async with self.fakes.store.transaction() as tx:
            return await tx.orders.all()

    async def sweep(self, account_id: str) -> OrderSweep:
        async with self.fakes.store.transaction() as tx:
            row = await tx.order_sweeps.get(account_id)
        assert row is not None
        return row

    async def told_of_orders(self) -> list[EventRecord]:
        events = await self.desk.post.events(by=SYSTEM, limit=1000)
        return [one for one in events if one.topic.startswith("order.")]

    async def told_words(self) -> list[tuple[str, str]]:
        return [(one.topic, one.facts["order_id"]) for one in await self.told_of_orders()]

    async def personal(self) -> int:
        """How many sealed parts of orders lie in the safe."""
        async with self.fakes.store.transaction() as tx:
            return sum(one.id.startswith("order/") for one in await tx.safe.all())

    async def pass_by(self, minutes: float = 11) -> None:
        self.fakes.clock.move(minutes=minutes)
        await self.orders.round()


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Fate:
    """Dies at the step of this number; None: never. Counts on."""

    at: int | None = None
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Crash


class DyingStore:
    """A store whose process may die just before or just after each commit."""

    def __init__(self, store: Any, fate: Fate) -> None:
        self._store = store
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._store.transaction() as tx:
            yield tx
            self._fate.step()
        self._fate.step()


class DyingCalls:
    """Calls whose process may die before Amazon hears, or before its answer is read."""

    def __init__(self, desk: Desk, fate: Fate) -> None:
        self._calls = desk.calls
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calls, name)

    async def send(self, *wanted: Any, **more: Any) -> Answer:
        self._fate.step()
        answer = await self._calls.send(*wanted, **more)
        self._fate.step()
        return answer
