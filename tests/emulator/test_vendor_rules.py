"""What holds whatever vendors send, and in whatever pages it is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from amazon_emulator import marketplaces
from amazon_emulator.apis.operations import Call
from amazon_emulator.apis.vendor_orders import purchase_orders
from amazon_emulator.asking import Asking
from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors.acknowledgements import ACKNOWLEDGEMENT
from amazon_emulator.trade.vendors.direct import INVENTORY, VendorDirect
from amazon_emulator.trade.vendors.retail import Ordered, OrderLine, VendorRetail
from amazon_emulator.trade.vendors.transactions import VendorTransactions
from amazon_emulator.world import AccessToken, Application, Partner

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
CODES = ("Accepted", "Backordered", "Rejected")

amounts = st.integers(-1, 12)
parts = st.lists(st.tuples(st.sampled_from(CODES), amounts), min_size=1, max_size=3)
items = st.dictionaries(st.sampled_from(["A", "B"]), parts, min_size=1)


def vendor(stage: Stage) -> Partner:
    home = marketplaces.find("DE")
    made = Partner("vendor", "Mill", "V1EMULATED0001", "m@x.example", "", home, vendor_codes=["M"])
    stage.world.add_partner(made)
    return made


def acknowledgement(said: dict[str, list[tuple[str, int]]]) -> dict[str, Any]:
    return {
        "purchaseOrderNumber": "PO1",
        "sellingParty": {"partyId": "M"},
        "acknowledgementDate": NOW.isoformat(),
        "items": [
            {
                "vendorProductIdentifier": sku,
                "orderedQuantity": {"amount": 10},
                "netCost": {"amount": "1"},
                "itemAcknowledgements": [
                    {
                        "acknowledgementCode": code,
                        "acknowledgedQuantity": {"amount": amount},
                        "rejectionReason": "ObsoleteProduct",
                    }
                    for code, amount in each
                ],
            }
            for sku, each in said.items()
        ],
    }


@given(st.lists(items, max_size=6))
def test_what_is_acknowledged_adds_up_and_rejections_only_grow(said: list[Any]) -> None:
    stage = Stage.fresh(gentle=True, seed=0, start=NOW)
    partner = vendor(stage)
    lines = [OrderLine(n, f"B{n}", sku, [Ordered(NOW, 10)]) for n, sku in (("1", "A"), ("2", "B"))]
    stage.of(VendorRetail).make(partner, "M", NOW, lines, number="PO1")
    refused = {"A": 0, "B": 0}
    for number, one in enumerate(said):
        at = NOW + timedelta(minutes=number)
        content = {"acknowledgements": [acknowledgement(one)]}
        transactions = stage.of(VendorTransactions)
        made = transactions.submit(stage, partner, ACKNOWLEDGEMENT, content, at)
        before = [list(line.answers) for line in lines]
        stage.agenda.run(at + timedelta(seconds=30))
        if made.status == "Failure":
            assert [line.answers for line in lines] == before
        for line in lines:
            if line.answer is not None:
                parts = (line.answer.accepted, line.answer.backordered, line.answer.rejected)
                assert min(parts) >= 0
                assert sum(parts) == 10
            assert line.refused >= refused[line.sku]
            refused[line.sku] = line.refused


updates = st.tuples(st.booleans(), st.dictionaries(st.sampled_from("ABCD"), st.integers(0, 9)))


@given(st.lists(updates, max_size=6))
def test_stock_is_what_was_said_last(said: list[tuple[bool, dict[str, int]]]) -> None:
    stage = Stage.fresh(gentle=True, seed=0, start=NOW)
    partner = vendor(stage)
    right: dict[str, int] = {}
    for number, (full, stock) in enumerate(said):
        inventory = {
            "sellingParty": {"partyId": "M"},
            "isFullUpdate": full,
            "items": [
                {
                    "vendorProductIdentifier": sku,
                    "availableQuantity": {"amount": amount, "unitOfMeasure": "Each"},
                }
                for sku, amount in stock.items()
            ],
        }
        content = {"warehouseId": "W", "inventory": inventory}
        at = NOW + timedelta(minutes=number)
        stage.of(VendorTransactions).submit(stage, partner, INVENTORY, content, at)
        stage.agenda.run(at + timedelta(seconds=30))
        right = {**({} if not full else dict.fromkeys(right, 0)), **stock} | (
            {} if full else {sku: n for sku, n in right.items() if sku not in stock}
        )
    rows = stage.of(VendorDirect).stock_of(partner).get("W", [])
    assert {row.sku: row.amount for row in rows} == right


@given(
    st.lists(st.integers(0, 3), max_size=12),
    st.lists(st.integers(1, 5), min_size=12, max_size=12),
    st.sampled_from(["ASC", "DESC"]),
)
def test_pages_of_any_size_give_everything_once(
    days: list[int], sizes: list[int], order: str
) -> None:
    stage = Stage.fresh(gentle=True, seed=0, start=NOW)
    partner = vendor(stage)
    application = Application("Mine", "amzn1.sp.solution.x", "client", [])
    grant = stage.world.give(partner, application, "eu", NOW)
    token = AccessToken("", application, grant, None, NOW + timedelta(hours=1))
    made = [
        stage.of(VendorRetail).make(
            partner, "M", NOW - timedelta(days=day), [OrderLine("1", "B", "A", [Ordered(NOW, 1)])]
        )
        for day in days
    ]
    found: list[str] = []
    query: tuple[tuple[str, str], ...] = (("sortOrder", order),)
    for size in sizes:
        asking = Asking("GET", query=(*query, ("limit", str(size))))
        payload = purchase_orders(Call(stage, "eu", NOW, token, asking))["payload"]
        found += [one["purchaseOrderNumber"] for one in payload["orders"]]
        if "pagination" not in payload:
            break
        query = (("nextToken", payload["pagination"]["nextToken"]),)
    right = sorted(made, key=lambda one: (one.placed_at, one.number), reverse=order == "DESC")
    assert found == [one.number for one in right]
