"""A shop's day in a moment: orders arrive, stock and prices go out, one order is shipped, one not.

Answers for: what the ERP asks of /v1, what Amazon has before and after it, and the words of this
part of the play. Does not answer for: the play's other parts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from rich.table import Table

from demo.house import House, lever
from demo.stage import Emulator, wait_for
from demo.telling import console, step
from demo.year import Time

__all__ = ["Shop", "trade"]

KETTLE, TEAPOT = "KETTLE-07", "TEAPOT-12"
ORDERS = 3
WITHIN_S = 90.0
Facts = dict[str, Any]
#: What was wished last, and how to look what Amazon has, by what it is about.
Wishes = dict[str, tuple[str, Callable[[], str]]]


class Shop:
    """One seller as the house's ERP sees it, and as it is at Amazon."""

    def __init__(self, house: House, emulator: Emulator, account: dict[str, Any]) -> None:
        self.house = house
        self.emulator = emulator
        self.account_id = account["id"]
        self.selling_partner_id = account["authorization"]["selling_partner_id"]

    def open(self) -> None:
        """Two listings, two orders that wait, one that was shipped, and feeds without a queue."""
        seller = {"selling_partner_id": self.selling_partner_id}
        for sku in (KETTLE, TEAPOT):
            listing = {"sku": sku, "stock": 3, "price": 49.0, "marketplaces": ["DE"]}
            lever(self.emulator, "POST", "/world/listings", {**seller, **listing})
        order = {
            **seller,
            "marketplace": "DE",
            # Younger than what a look that came before them reads again, older than Amazon tells.
            "age_seconds": 300,
            "items": [{"sku": KETTLE, "quantity": 1, "price": "49.00"}],
        }
        for status, count in (("UNSHIPPED", ORDERS - 1), ("SHIPPED", 1)):
            lever(self.emulator, "POST", "/orders", {**order, "status": status, "count": count})
        lever(self.emulator, "PUT", "/feeds/pace", {"queue_s": 0, "processing_s": 0})

    # --- at Evergrant ---

    def orders(self) -> list[dict[str, Any]]:
        """All of them, as soon as they were read."""
        self.house.ask("POST", f"/v1/accounts/{self.account_id}/order-sweep")

        def look() -> list[dict[str, Any]] | None:
            answer = self.house.ask("GET", "/v1/orders", account_id=self.account_id)
            found: list[dict[str, Any]] = answer["items"]
            return found if len(found) >= ORDERS else None

        return wait_for("the orders", look, WITHIN_S)

    def hand_in(self, *changes: Facts) -> dict[str, Any]:
        path = f"/v1/accounts/{self.account_id}/changes"
        answer: dict[str, Any] = self.house.ask("POST", path, {"changes": list(changes)})
        return answer

    def switch(self, flag: str, *, on: bool) -> None:
        self.house.ask("PATCH", f"/v1/accounts/{self.account_id}", {"flags": {flag: on}})

    def feeds(self, verb: str, body: Any = None) -> None:
        self.house.ask("POST", f"/v1/accounts/{self.account_id}/feeds/{verb}", body)

    def changes(self, intake_id: str) -> list[Facts]:
        found: list[Facts] = self.house.ask(
            "GET", f"/v1/accounts/{self.account_id}/changes", intake_id=intake_id
        )["items"]
        return found

    def settled(self, intake_id: str, kinds: tuple[str, ...] = ()) -> list[Facts]:
        """A batch's changes (of these kinds), as soon as all of them were accepted."""

        def look() -> list[Facts] | None:
            found = [one for one in self.changes(intake_id) if not kinds or one["kind"] in kinds]
            over = [one for one in found if one["settled_at"] is not None]
            bad = [one for one in over if one["state"] != "accepted"]
            if bad:
                raise RuntimeError(f"Amazon should have accepted it: {bad[0]}")
            return found if found and len(over) == len(found) else None

        return wait_for("the changes to settle", look, WITHIN_S)

    def submitted(self, intake_id: str) -> None:
        """As soon as each of a batch's changes is over, or in a feed that Amazon has."""

        def look() -> bool:
            there = {run["id"] for run in self.runs() if run["submitted_at"] is not None}
            return all(
                one["settled_at"] is not None or one["run_id"] in there
                for one in self.changes(intake_id)
            )

        wait_for("the feeds to be at Amazon", look, WITHIN_S)

    def runs(self) -> list[Facts]:
        path = f"/v1/accounts/{self.account_id}/feed-runs"
        found: list[Facts] = self.house.ask("GET", path)["items"]
        return found

    def waits(self) -> list[str]:
        found = self.house.ask("GET", f"/v1/accounts/{self.account_id}/feeds/plan")["waits"]
        return [f"{one['count']} of {one['kind']} waits: {one['sentence']}" for one in found]

    # --- at Amazon ---

    def listing(self, sku: str) -> Facts:
        path = f"/world/listings?selling_partner_id={self.selling_partner_id}&sku={sku}"
        (found,) = lever(self.emulator, "GET", path)["items"]
        return dict(found)

    def stock(self, sku: str) -> str:
        (number,) = self.listing(sku)["stock"].values()
        return str(number)

    def price(self, sku: str) -> str:
        (price,) = self.listing(sku)["price"].values()
        return str(price["amount"])

    def order(self, order: Facts) -> Facts:
        return dict(lever(self.emulator, "GET", f"/orders/{order['order_id']}"))


def trade(shop: Shop, time: Time, cli: Callable[..., str]) -> None:
    """The whole day. ``cli`` runs `evergrant ...` and gives what it printed."""
    shop.open()
    with step("Orders of the seller's shop arrive, and are read") as said:
        time.pass_(timedelta(minutes=5), shop.emulator)  # Amazon tells nothing younger than two
        orders = shop.orders()
        said.extend(f"{one['order_id']} {one['status'].lower()}" for one in orders)
    waiting = [one for one in orders if one["status"] == "UNSHIPPED"]
    (returned,) = (one for one in orders if one["status"] == "SHIPPED")
    wishes = _hand_in_listings(shop, cli)
    wishes |= _handle_orders(shop, time, waiting, returned)
    wishes |= _turn_a_switch(shop)
    _compare(wishes)


def _hand_in_listings(shop: Shop, cli: Callable[..., str]) -> Wishes:
    with step("The ERP hands in stock and prices while somebody counts the shelves") as said:
        shop.feeds("pause", {"note": "stock-taking"})
        answer = shop.hand_in(
            {"kind": "stock", "sku": KETTLE, "quantity": 12},
            {"kind": "price", "sku": KETTLE, "price": "44.50", "currency": "EUR"},
            {"kind": "price", "sku": TEAPOT, "price": "39.90", "currency": "GBP"},
            {"kind": "stock", "sku": TEAPOT, "quantity": 7},
        )
        said.extend(_answered(line) for line in answer["items"])
        if (answer["taken"], answer["refused"]) != (3, 1):
            raise RuntimeError(f"one line should have been refused: {answer}")
    with step("evergrant feeds plan: what would go, how, and why it waits") as said:
        printed = cli("feeds", "plan", shop.account_id)
        said.extend(line.rstrip() for line in printed.splitlines() if line.strip())
        if "go by single calls" not in printed or "stock-taking" not in printed:
            raise RuntimeError(f"the plan should say what would go, and why it waits: {printed}")
    with step("The shelves are counted: what was handed in goes to Amazon") as said:
        shop.feeds("resume")
        shop.settled(answer["intake_id"])
        said.extend(
            f"Amazon has {shop.stock(sku)} of {sku} at {shop.price(sku)} EUR"
            for sku in (KETTLE, TEAPOT)
        )
    return {
        f"stock of {KETTLE}": ("12", lambda: shop.stock(KETTLE)),
        f"price of {KETTLE}": ("44.50", lambda: shop.price(KETTLE)),
    }


def _handle_orders(shop: Shop, time: Time, waiting: list[Facts], returned: Facts) -> Wishes:
    first, second = waiting
    with step("One order is shipped, one cancelled, one comes back and is refunded") as said:
        answer = shop.hand_in(
            {
                "kind": "shipment",
                "order_id": first["order_id"],
                "carrier_code": "DHL",
                "shipping_method": "Standard",
                "tracking_number": "JD0146000042",
                "shipped_at": first["ordered_at"],
                "items": [{"order_item_id": _item(first), "quantity": 1}],
            },
            {"kind": "cancellation", "order_id": second["order_id"], "reason": "NoInventory"},
            {
                "kind": "refund",
                "order_id": returned["order_id"],
                "reference": "RMA-17",
                "currency": "EUR",
                "reason": "CustomerReturn",
                "items": [{"order_item_id": _item(returned), "principal": "10.00", "tax": "1.90"}],
            },
        )
        shop.submitted(answer["intake_id"])
        time.pass_(timedelta(minutes=1), shop.emulator)  # feeds are looked at after a while
        shop.feeds("run-now")
        settled = shop.settled(answer["intake_id"])
        paths = {run["id"]: run["path"].replace("_", " ") for run in shop.runs()}
        said.extend(f"{one['kind']}: {one['state']}, by {paths[one['run_id']]}" for one in settled)
    return {
        f"order {first['order_id']}": ("SHIPPED", lambda: shop.order(first)["status"]),
        f"order {second['order_id']}": ("CANCELLED", lambda: shop.order(second)["status"]),
        f"refund of {returned['order_id']}": ("11.90", lambda: shop.order(returned)["refunded"]),
    }


def _turn_a_switch(shop: Shop) -> Wishes:
    with step("The account's switch for prices is turned off; stock goes on") as said:
        shop.switch("update_price", on=False)
        answer = shop.hand_in(
            {"kind": "price", "sku": TEAPOT, "price": "41.00", "currency": "EUR"},
            {"kind": "stock", "sku": TEAPOT, "quantity": 5},
        )
        shop.settled(answer["intake_id"], ("stock",))
        said.append(f"Amazon has {shop.stock(TEAPOT)} of {TEAPOT} at {shop.price(TEAPOT)} EUR")
        said.extend(waits := shop.waits())
        if not waits:
            raise RuntimeError("the price should wait, as its switch is off")
    with step("A later price, and the switch is turned on again: only the latest goes") as said:
        latest = shop.hand_in({"kind": "price", "sku": TEAPOT, "price": "39.90", "currency": "EUR"})
        shop.switch("update_price", on=True)
        shop.feeds("run-now")
        shop.settled(latest["intake_id"])
        (overtaken,) = (c for c in shop.changes(answer["intake_id"]) if c["kind"] == "price")
        said.append(f"41.00 {overtaken['state']}, 39.90 accepted")
    return {
        f"stock of {TEAPOT}": ("5", lambda: shop.stock(TEAPOT)),
        f"price of {TEAPOT}": ("39.90", lambda: shop.price(TEAPOT)),
    }


def _compare(wishes: Wishes) -> None:
    """Raises RuntimeError where Amazon has something else than was wished last."""
    table = Table(title="What was wished last, and what Amazon has", title_justify="left")
    for heading in ("", "wished", "at Amazon"):
        table.add_column(heading)
    found = [(what, wish, look()) for what, (wish, look) in wishes.items()]
    for row in found:
        table.add_row(*row)
    console.print(table)
    if wrong := [what for what, wish, there in found if wish != there]:
        raise RuntimeError(f"Amazon should have what was wished: {', '.join(wrong)}")


def _answered(line: Facts) -> str:
    flaws = "; ".join(f"{flaw['field']} {flaw['message']}" for flaw in line["flaws"])
    return f"line {line['line']}, {line['kind']}: {line['outcome']}{': ' if flaws else ''}{flaws}"


def _item(order: Facts) -> str:
    return str(order["body"]["orderItems"][0]["orderItemId"])
