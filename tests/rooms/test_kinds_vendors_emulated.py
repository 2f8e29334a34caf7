"""Our very submissions, before an Amazon that judges them: over HTTP, transaction and all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest

from amazon_emulator import Emulator
from amazon_emulator.models import Contract
from evergrant.feeds.kinds import Looked
from evergrant.ports.amazon import Answer
from evergrant.ports.traded import Change, FeedRun
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path
from evergrant.rules.marketplaces import VendorKind
from evergrant.rules.wishes import WishGround
from evergrant.rules.wishes.vendors import ALONE, ASKED_BEFORE
from tests.emulator.conftest import House, models_folder
from tests.emulator.vendor_desk import PROCESSING, Desk
from tests.rooms.vendor_ground import KINDS, changes, ground, path_of, run
from tests.rules import vendor_lines as lines
from tests.rules.vendor_lines import Line

ACCEPTED, REFUSED, PENDING = ChangeState.ACCEPTED, ChangeState.REFUSED, ChangeState.PENDING
ENDS = list[tuple[ChangeState, str]]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """It refuses whatever Amazon's models do not allow, where these are found."""
    folder = models_folder()
    with Emulator(gentle=True, models=folder, contract="refuse" if folder else "off") as running:
        yield running


@dataclass
class Mill:
    """A vendor, and our side of it."""

    desk: Desk

    def about(self, vendor_kind: VendorKind) -> WishGround:
        codes = tuple(self.desk.vendor["vendor_codes"])
        return lines.about(vendor_kind, *codes, now=self.desk.now)

    def retail(self) -> WishGround:
        return self.about(VendorKind.RETAIL)

    def direct(self) -> WishGround:
        return self.about(VendorKind.DIRECT_FULFILLMENT)

    def line(self, line: Line, **change: Any) -> Line:
        """As of now."""
        fresh: Line = {
            name: self.desk.ago(minutes=10)
            for name in ("shipped_at", "invoiced_at")
            if name in line
        }
        return {**line, **fresh, **change}

    def submit(self, about: WishGround, *wished: Line) -> tuple[list[Change], FeedRun, Answer]:
        path, some = path_of(wished[0], about), changes(about, *wished)
        return some, *self.send(about, path, some)

    def send(self, about: WishGround, path: Path, some: list[Change]) -> tuple[FeedRun, Answer]:
        at = run(path, some)
        call = KINDS[path].submission(ground(about), at, some)
        told = self.ask(call.method, call.path, call.body)
        return replace(at, feed_id=KINDS[path].transaction_id(told)), told

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        house = self.desk.house
        told = house.http.request(
            method,
            f"{house.amazon.addresses['eu']}{path}",
            headers={
                "x-amz-access-token": self.desk.access_token,
                "content-type": "application/json",
            },
            content=body,
        )
        return Answer(status=told.status_code, headers=dict(told.headers), body=told.content)

    def look(self, about: WishGround, at: FeedRun, some: list[Change]) -> Looked:
        kind = KINDS[at.path]
        call = kind.look(ground(about), at)
        told = self.ask(call.method, call.path)
        assert told.status == 200, told
        return kind.looked(ground(about), at, some, told)

    def ends(self, about: WishGround, *wished: Line) -> ENDS:
        """Submits, waits, and gives what became of each."""
        some, at, told = self.submit(about, *wished)
        assert told.status == 202, told.body
        return self.outcome(about, at, some)

    def outcome(self, about: WishGround, at: FeedRun, some: list[Change]) -> ENDS:
        assert at.feed_id
        assert not self.look(about, at, some).over
        self.desk.advance(seconds=PROCESSING)
        found = self.look(about, at, some)
        assert found.over
        return [(one.state, one.code) for one in found.outcomes]


@pytest.fixture
def mill(emulator: Emulator) -> Iterator[Mill]:
    emulator.levers.reset()
    application = emulator.levers.application("Northwind Connect")
    with httpx2.Client(trust_env=False, timeout=60) as http:
        desk = Desk.of(House(emulator, http, application))
        desk.lever("PUT", "/limits", {"enforced": False})
        yield Mill(desk)
    broken = [
        f"{breach.operation}: {fault.where} {fault.what}"
        for breach in Contract.of(emulator.stage).which()
        for fault in breach.faults
        if fault.grave
    ]
    assert not broken, broken


# --- retail ---------------------------------------------------------------------------------------


def test_a_shipment(mill: Mill) -> None:
    about = mill.retail()
    order = mill.desk.purchase_order(items=[{"sku": "MUG-1"}, {"sku": "MUG-2"}])["number"]
    first = mill.line(lines.ASN, order_id=order)
    assert mill.ends(about, first) == [(ACCEPTED, "")]
    assert mill.ends(about, first) == [(REFUSED, "DUPLICATE_SHIPMENT_IDENTIFIER")]
    full = mill.line(lines.FULL_ASN, order_id=order, estimated_delivery_at=mill.desk.ago(hours=-5))
    full["items"] = [{**one, "asin": "", "order_id": order} for one in full["items"]]
    assert mill.ends(about, full) == [(ACCEPTED, "")]
    [known] = mill.desk.lever("GET", "shipments")["confirmations"]
    assert known["versions"] == 2
    assert len(known["content"]["cartons"]) == 2


def test_an_invoice_and_a_credit_note(mill: Mill) -> None:
    about = mill.retail()
    order = mill.desk.purchase_order(items=[{"sku": "MUG-1"}])["number"]
    told = mill.desk.get(f"/vendor/orders/v1/purchaseOrders/{order}").json()["payload"]
    payer = told["orderDetails"]["billToParty"]
    bill_to = {
        "role": "bill_to",
        "name": payer["address"]["name"],
        "address_line1": payer["address"]["addressLine1"],
        "city": payer["address"]["city"],
        "country_code": payer["address"]["countryCode"],
    }
    whole = {"order_id": order, "bill_to": payer["partyId"], "parties": [bill_to]}
    full = mill.line(lines.FULL_INVOICE, **whole)
    full["items"] = [{**one, "asin": ""} for one in full["items"]]
    assert mill.ends(about, full) == [(ACCEPTED, "")]
    wrong = {**full, "invoice_number": "R-2", "parties": [{**bill_to, "city": "Elsewhere"}]}
    assert mill.ends(about, wrong) == [(REFUSED, "INVALID_BILL_TO_PARTY")]
    again = mill.line(lines.INVOICE, order_id=order)
    assert mill.ends(about, again) == [(REFUSED, "DUPLICATE_INVOICE_NUMBER")]
    note = mill.line(lines.CREDIT_NOTE, order_id="")
    assert mill.ends(about, note) == [(ACCEPTED, "")]
    kinds = {each["number"]: each["kind"] for each in mill.desk.lever("GET", "invoices")["retail"]}
    assert kinds == {"R-2026-0017": "Invoice", "G-2026-0001": "CreditNote"}


def lines_of(mill: Mill, number: str) -> list[tuple[str, int]]:
    items = mill.desk.lever("GET", "purchase-orders")["items"]
    [order] = [one for one in items if one["number"] == number]
    return [
        (line["confirmed"], line["answers"][-1]["rejected"] if line["answers"] else 0)
        for line in order["lines"]
    ]


def test_rejecting_lines_of_an_order(mill: Mill) -> None:
    about = mill.retail()
    items = [
        {"sku": "MUG-1", "amount": 10},
        {"sku": "MUG-2", "amount": 5},
        {"asin": "B0EMULPO03", "sku": "MUG-3", "amount": 7, "unit": "Cases", "unit_size": 12},
    ]
    order = mill.desk.purchase_order(items=items)["number"]
    assert mill.ends(about, mill.line(lines.PARTLY, order_id=order)) == [(ACCEPTED, "")]
    assert lines_of(mill, order) == [
        ("PARTIALLY_ACCEPTED", 4),
        ("ACCEPTED", 0),
        ("PARTIALLY_ACCEPTED", 2),
    ]
    other = mill.desk.purchase_order(items=items[:1])["number"]
    assert mill.ends(about, mill.line(lines.REJECTION, order_id=other)) == [(ACCEPTED, "")]
    assert lines_of(mill, other) == [("REJECTED", 10)]
    late = mill.line(lines.REJECTION, order_id=other, revision=2)
    assert mill.ends(about, late) == [(REFUSED, "ORDER_CLOSED")]


def test_what_was_rejected_is_not_taken_back(mill: Mill) -> None:
    about = mill.retail()
    order = mill.desk.purchase_order(items=[{"sku": "MUG-1", "back_order_allowed": False}])
    item = lines.PARTLY["items"][0]
    whole = mill.line(lines.PARTLY, order_id=order["number"], order_lines=1, items=[item])
    assert mill.ends(about, whole) == [(ACCEPTED, "")]
    more = {**whole, "items": [{**item, "accept": 8, "reject": 2}], "revision": 2}
    assert mill.ends(about, more) == [(REFUSED, "ALREADY_REJECTED")]
    later = {**whole, "items": [{**item, "accept": 0, "backorder": 2, "reject": 8}], "revision": 3}
    assert mill.ends(about, later) == [(REFUSED, "BACKORDER_NOT_ALLOWED")]


# --- direct fulfillment ---------------------------------------------------------------------------


def stocks(mill: Mill) -> list[tuple[Any, ...]]:
    house = mill.desk.lever("GET", "inventory")["warehouses"]["WH01"]
    return sorted((row["sku"] or row["asin"], row["amount"], row["obsolete"]) for row in house)


def test_stock(mill: Mill) -> None:
    about = mill.direct()
    more = {**lines.STOCK, "sku": "MUG-2", "quantity": 3}
    assert mill.ends(about, lines.STOCK, more, lines.GONE) == [(ACCEPTED, "")] * 3
    less = {**more, "quantity": 0}
    assert mill.ends(about, less) == [(ACCEPTED, "")]
    assert stocks(mill) == [("B0EMULPO01", 0, True), ("MUG-1", 12, False), ("MUG-2", 0, False)]


def test_a_parcel(mill: Mill) -> None:
    about = mill.direct()
    order = mill.desk.direct_order(status="ACCEPTED", items=[{"sku": "MUG-1", "amount": 2}])
    line = mill.line(
        lines.FULL_PARCEL,
        order_id=order["number"],
        warehouse=order["warehouse"],
        estimated_delivery_at=mill.desk.ago(hours=-30),
    )
    part = {**line, "items": [{**line["items"][0], "quantity": 1}], "containers": []}
    assert mill.ends(about, part) == [(REFUSED, "PARTIAL_SHIPMENT")]
    assert mill.ends(about, line) == [(ACCEPTED, "")]
    assert mill.ends(about, line) == [(REFUSED, "ORDER_NOT_CONFIRMABLE")]
    bill = mill.line(
        lines.FULL_DIRECT_INVOICE, order_id=order["number"], warehouse=order["warehouse"]
    )
    assert mill.ends(about, bill) == [(ACCEPTED, "")]
    assert mill.ends(about, bill) == [(REFUSED, "DUPLICATE_INVOICE_NUMBER")]


def test_a_denial_at_the_floor(mill: Mill) -> None:
    order = mill.desk.direct_order(status="ACCEPTED", items=[{"sku": "MUG-1", "amount": 2}])
    line = mill.line(lines.DENIAL, order_id=order["number"], warehouse=order["warehouse"])
    assert mill.ends(mill.direct(), line) == [(ACCEPTED, "")]
    [known] = mill.desk.lever("GET", "direct-orders")["items"]
    assert known["status"] == "CANCELLED"


def test_refusing_a_direct_order(mill: Mill) -> None:
    about = mill.direct()
    order = mill.desk.direct_order(items=[{"sku": "MUG-1", "amount": 2}, {"sku": "MUG-2"}])
    line = mill.line(lines.REFUSAL, order_id=order["number"], warehouse=order["warehouse"])
    assert mill.ends(about, line) == [(REFUSED, "PARTIAL_ACKNOWLEDGEMENT")]
    whole = {**line, "items": [*line["items"], {"line": 2, "quantity": 1}]}
    assert mill.ends(about, whole) == [(ACCEPTED, "")]
    [known] = mill.desk.lever("GET", "direct-orders")["items"]
    assert known["status"] == "CANCELLED"
    assert known["acknowledgement"]["acknowledgementStatus"]["code"] == "03"
    assert mill.ends(about, whole) == [(REFUSED, "ORDER_ALREADY_ACKNOWLEDGED")]


# --- batches --------------------------------------------------------------------------------------


def test_one_bad_line_costs_the_others_nothing(mill: Mill) -> None:
    about = mill.retail()
    order = mill.desk.purchase_order(items=[{"sku": "MUG-1"}])["number"]
    wished = [
        mill.line(lines.INVOICE, invoice_number=f"R-2026-{n}", order_id=number)
        for n, number in enumerate((order, "NOSUCH01", order))
    ]
    assert mill.ends(about, *wished) == [
        (PENDING, ALONE),
        (REFUSED, "INVALID_ORDER_ID"),
        (PENDING, ALONE),
    ]
    for innocent in (wished[0], wished[2]):
        assert mill.ends(about, innocent) == [(ACCEPTED, "")]


def test_whoever_is_not_named_goes_alone(mill: Mill) -> None:
    """Amazon's words about a wrong item name an order that both share."""
    about = mill.retail()
    order = mill.desk.purchase_order(items=[{"sku": "MUG-1"}])["number"]
    good = mill.line(lines.ASN, order_id=order, shipment_id="SHIP-1")
    bad = {**good, "shipment_id": "SHIP-2", "items": [{"sku": "OTHER", "quantity": 1}]}
    assert mill.ends(about, good, bad) == [(PENDING, ALONE)] * 2
    assert mill.ends(about, good) == [(ACCEPTED, "")]
    assert mill.ends(about, bad) == [(REFUSED, "INVALID_ITEM")]


def test_an_answer_that_was_lost(mill: Mill) -> None:
    about = mill.retail()
    order = mill.desk.purchase_order(items=[{"sku": "MUG-1"}])["number"]
    wished = [
        mill.line(lines.INVOICE, invoice_number=f"R-2026-{n}", order_id=order) for n in range(3)
    ]
    some, _, told = mill.submit(about, *wished)
    assert told.status == 202
    mill.desk.advance(seconds=PROCESSING)
    at, _ = mill.send(about, Path.RETAIL_INVOICE, some)
    lost = replace(at, facts={"lost": True})
    assert mill.outcome(about, lost, some) == [(ACCEPTED, "duplicate")] * 3
    assert len(mill.desk.lever("GET", "invoices")["retail"]) == 3


def test_an_answer_that_was_lost_and_a_batch_that_falls_apart(mill: Mill) -> None:
    about = mill.retail()
    order = mill.desk.purchase_order(items=[{"sku": "MUG-1"}])["number"]
    wished = [
        mill.line(lines.ASN, order_id=order, shipment_id=name) for name in ("SHIP-1", "SHIP-2")
    ]
    _, _, told = mill.submit(about, wished[0])
    assert told.status == 202
    mill.desk.advance(seconds=PROCESSING)
    both = changes(about, *wished)
    at, _ = mill.send(about, Path.RETAIL_SHIPMENT, both)
    lost = replace(at, facts={"lost": True})
    assert mill.outcome(about, lost, both) == [(ACCEPTED, "duplicate"), (PENDING, ALONE)]
    back = replace(both[1], code=ALONE, attribute=ASKED_BEFORE)
    at, _ = mill.send(about, Path.RETAIL_SHIPMENT, [back])
    assert mill.outcome(about, at, [back]) == [(ACCEPTED, "")]


def test_a_direct_order_whose_answer_was_lost(mill: Mill) -> None:
    about = mill.direct()
    order = mill.desk.direct_order(status="ACCEPTED", items=[{"sku": "MUG-1", "amount": 2}])
    line = mill.line(lines.PARCEL, order_id=order["number"], warehouse=order["warehouse"])
    some, _, _ = mill.submit(about, line)
    mill.desk.advance(seconds=PROCESSING)
    at, _ = mill.send(about, Path.DIRECT_SHIPMENT, some)
    lost = replace(at, facts={"lost": True})
    assert mill.outcome(about, lost, some) == [(ACCEPTED, "duplicate")]


def test_an_order_that_was_never_accepted_is_no_duplicate(mill: Mill) -> None:
    about = mill.direct()
    order = mill.desk.direct_order(items=[{"sku": "MUG-1", "amount": 2}])
    line = mill.line(lines.PARCEL, order_id=order["number"], warehouse=order["warehouse"])
    some, at, _ = mill.submit(about, line)
    lost = replace(at, facts={"lost": True})
    assert mill.outcome(about, lost, some) == [(REFUSED, "ORDER_NOT_CONFIRMABLE")]


# --- refused at once ------------------------------------------------------------------------------


def test_a_vendor_who_takes_no_part_in_direct_fulfillment(mill: Mill) -> None:
    mill.desk.lever("PUT", "direct-fulfillment", {"takes_part": False})
    some, _, told = mill.submit(mill.direct(), lines.STOCK)
    assert told.status == 403
    reading = KINDS[Path.DIRECT_STOCK].refused(some, told)
    assert reading.again
    assert "Unauthorized" in reading.said


@pytest.mark.parametrize(
    "words", ['Ä"}]},{\\ \U0001f980', "<script>", "' OR 1=1 --", "%00${jndi:x}", "a" * 60]
)
def test_hostile_identifiers_come_through_as_they_are(mill: Mill, words: str) -> None:
    about = mill.retail()
    order = mill.desk.purchase_order(items=[{"sku": "MUG-1"}])["number"]
    assert mill.ends(about, mill.line(lines.ASN, order_id=order, shipment_id=words)) == [
        (ACCEPTED, "")
    ]
    [known] = mill.desk.lever("GET", "shipments")["confirmations"]
    assert known["identifier"] == words
    bill = mill.line(lines.INVOICE, order_id=order, invoice_number=words)
    assert mill.ends(about, bill) == [(ACCEPTED, "")]
    sku = {**lines.STOCK, "sku": words}
    assert mill.ends(mill.direct(), sku) == [(ACCEPTED, "")]
    assert stocks(mill) == [(words, 12, False)]
