"""Labels, packing slips, invoices, confirmations and status updates of direct fulfillment."""

from __future__ import annotations

import base64
import importlib
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.conftest import House
from tests.emulator.vendor_desk import Desk, Json

BASE = "/vendor/directFulfillment/shipping/2021-12-28"
LABELS = f"{BASE}/shippingLabels"
CONFIRMATIONS = f"{BASE}/shipmentConfirmations"
UPDATES = f"{BASE}/shipmentStatusUpdates"
SLIPS = f"{BASE}/packingSlips"
INVOICES = f"{BASE}/customerInvoices"
SDK = "spapi.models.vendor_direct_fulfillment_shipping_v2021_12_28"


@pytest.fixture
def desk(house: House) -> Desk:
    desk = Desk.of(house)
    desk.lever("PUT", "/limits", {"enforced": False})
    return desk


@pytest.fixture
def sdk() -> Iterator[Any]:
    """The shapes of Amazon's SDK, which turns everybody's logging up when it is imported."""
    level = logging.getLogger().level
    yield importlib.import_module(SDK)
    logging.getLogger().setLevel(level)


def check_sdk(sdk: Any, name: str, body: Any) -> None:
    """All fields are known to the SDK's class, of its types; needed ones are there."""
    inner = re.fullmatch(r"List\[(\w+)\]", name)
    if inner:
        for each in body:
            check_sdk(sdk, inner[1], each)
        return
    kind = getattr(sdk, name, None)
    if kind is None:
        assert isinstance(body, {"str": str, "int": int}[name]), (name, body)
        return
    if not kind.swagger_types:
        assert body in {getattr(kind, one) for one in dir(kind) if one.isupper()}, (name, body)
        return
    names = {shown: own for own, shown in kind.attribute_map.items()}
    assert set(body) <= set(names), set(body) - set(names)
    kind(**{names[shown]: value for shown, value in body.items()})  # raises where one is missing
    for shown, value in body.items():
        check_sdk(sdk, kind.swagger_types[names[shown]], value)


def parties(order: Json) -> Json:
    return {
        "sellingParty": {"partyId": order["vendor_code"]},
        "shipFromParty": {"partyId": order["warehouse"]},
    }


def containers(*identifiers: str) -> list[Json]:
    packed = {"itemSequenceNumber": 1, "packedQuantity": {"amount": 1, "unitOfMeasure": "Each"}}
    return [
        {
            "containerType": "Carton",
            "containerIdentifier": identifier,
            "weight": {"unitOfMeasure": "KG", "value": "1.5"},
            "packedItems": [packed],
        }
        for identifier in identifiers
    ]


def wish(order: Json, **change: Any) -> Json:
    request = {"purchaseOrderNumber": order["number"], **parties(order), **change}
    return {"shippingLabelRequests": [request]}


def confirmation(desk: Desk, order: Json, said: str = "SHIPPED", **change: Any) -> Json:
    return {
        "shipmentConfirmations": [
            {
                "purchaseOrderNumber": order["number"],
                **parties(order),
                "shipmentDetails": {"shippedDate": desk.ago(), "shipmentStatus": said},
                "items": [
                    {
                        "itemSequenceNumber": int(line["number"]),
                        "shippedQuantity": {"amount": line["amount"], "unitOfMeasure": "Each"},
                    }
                    for line in order["lines"]
                ],
                **change,
            }
        ]
    }


def span(desk: Desk) -> Json:
    return {"createdAfter": desk.ago(days=7), "createdBefore": desk.ago()}


def status(desk: Desk, order: Json) -> str:
    items = desk.lever("GET", "direct-orders")["items"]
    return next(str(one["status"]) for one in items if one["number"] == order["number"])


# --- labels ---------------------------------------------------------------------------------------


def create(desk: Desk, order: Json, **change: Any) -> Any:
    path = f"{LABELS}/{order['number']}"
    body = {**parties(order), "containers": containers("C1", "C2"), **change}
    return desk.post(path, body, desk.restricted("POST", path))


def test_labels_at_once(desk: Desk, sdk: Any) -> None:
    order = desk.direct_order(status="ACCEPTED")
    assert desk.read(f"{LABELS}/{order['number']}").status_code == 404
    answer = create(desk, order)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    check_sdk(sdk, "ShippingLabel", made)
    assert [label["packageIdentifier"] for label in made["labelData"]] == ["C1", "C2"]
    assert len({label["trackingNumber"] for label in made["labelData"]}) == 2
    assert base64.b64decode(made["labelData"][0]["content"]).startswith(b"\x89PNG\r\n")
    assert desk.read(f"{LABELS}/{order['number']}").json() == made
    listed = desk.read(LABELS, **span(desk)).json()
    check_sdk(sdk, "ShippingLabelList", listed)
    assert listed == {"shippingLabels": [made]}


def test_no_labels_in_the_wrong_state(desk: Desk) -> None:
    order = desk.direct_order(status="ACCEPTED")
    assert create(desk, order).status_code == 200
    again = create(desk, order)
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "Conflict")
    assert again.headers["x-amzn-errortype"] == "ConflictException"
    assert create(desk, desk.direct_order()).status_code == 409
    assert create(desk, desk.direct_order(status="CANCELLED")).status_code == 409
    assert create(desk, {**order, "number": "NOSUCH"}).status_code == 404
    fresh = desk.direct_order(status="ACCEPTED")
    assert create(desk, fresh, sellingParty={"partyId": "X"}).status_code == 400
    assert create(desk, fresh, sellingParty=None).status_code == 400
    assert create(desk, fresh, containers=[{"containerType": "Bag"}]).status_code == 400
    path = f"{LABELS}/{fresh['number']}"
    plain = desk.post(path, {**parties(fresh)})
    assert plain.status_code == 403, "needs a restricted data token"


def test_labels_by_request(desk: Desk) -> None:
    order = desk.direct_order(status="ACCEPTED", label_format="ZPL")
    assert desk.outcome(LABELS, wish(order, containers=containers("C1"))) == []
    made = desk.read(f"{LABELS}/{order['number']}").json()
    assert made["labelFormat"] == "ZPL"
    assert base64.b64decode(made["labelData"][0]["content"]).startswith(b"^XA")
    assert desk.outcome(LABELS, wish(order)) == ["LABELS_ALREADY_MADE"]
    assert desk.outcome(LABELS, wish(desk.direct_order())) == ["ORDER_NOT_ACCEPTED"]
    assert desk.outcome(LABELS, wish({**order, "number": "NOSUCH"})) == ["INVALID_ORDER_ID"]
    other = desk.direct_order(status="ACCEPTED")
    foreign = wish(other, shipFromParty={"partyId": "X"})
    assert desk.outcome(LABELS, foreign) == ["INVALID_PARTY_ID"]
    twice = {"shippingLabelRequests": wish(other)["shippingLabelRequests"] * 2}
    assert desk.outcome(LABELS, twice) == ["LABELS_ALREADY_MADE"]
    assert desk.outcome(LABELS, wish(other)) == []
    assert len(desk.read(f"{LABELS}/{other['number']}").json()["labelData"]) == 1
    assert desk.post(LABELS, {"shippingLabelRequests": []}).status_code == 400
    bare = desk.post(LABELS, wish(desk.direct_order(status="ACCEPTED")))
    assert list(bare.json()) == ["transactionId"]


def test_container_labels(desk: Desk, sdk: Any) -> None:
    order = desk.direct_order(status="ACCEPTED")
    tracking = create(desk, order).json()["labelData"][0]["trackingNumber"]
    body = {
        **parties(order),
        "carrierId": "EMU",
        "vendorContainerId": "PALLET-1",
        "packages": [{"packageTrackingNumber": tracking}],
    }
    answer = desk.post(f"{BASE}/containerLabel", body)
    assert answer.status_code == 200
    check_sdk(sdk, "CreateContainerLabelResponse", answer.json())
    changes: tuple[Json, ...] = (
        {"packages": [{"packageTrackingNumber": "EMU0"}]},
        {"packages": []},
        {"carrierId": None},
        {"sellingParty": {"partyId": "X"}},
    )
    for change in changes:
        assert desk.post(f"{BASE}/containerLabel", {**body, **change}).status_code == 400


# --- confirmations --------------------------------------------------------------------------------


def test_shipping_whole_orders(desk: Desk) -> None:
    order = desk.direct_order(status="ACCEPTED", items=[{"amount": 2}, {}])
    [said] = confirmation(desk, order)["shipmentConfirmations"]
    fewer = [{**said["items"][0], "shippedQuantity": {"amount": 1, "unitOfMeasure": "Each"}}]
    for items in (said["items"][:1], [*fewer, said["items"][1]]):
        partial = confirmation(desk, order, items=items)
        assert desk.outcome(CONFIRMATIONS, partial) == ["PARTIAL_SHIPMENT"]
    assert status(desk, order) == "ACCEPTED"
    assert desk.outcome(CONFIRMATIONS, confirmation(desk, order)) == []
    assert status(desk, order) == "SHIPPED"
    denied = confirmation(desk, order, "FLOOR_DENIAL")
    assert desk.outcome(CONFIRMATIONS, denied) == ["ORDER_NOT_CONFIRMABLE"]


def test_denying_at_the_floor(desk: Desk) -> None:
    order = desk.direct_order(status="ACCEPTED")
    [said] = confirmation(desk, order, "FLOOR_DENIAL")["shipmentConfirmations"]
    said["items"][0]["shippedQuantity"]["amount"] = 0
    assert desk.outcome(CONFIRMATIONS, {"shipmentConfirmations": [said]}) == []
    assert status(desk, order) == "CANCELLED"


def test_what_a_confirmation_must_be_right_about(desk: Desk) -> None:
    new = desk.direct_order()
    assert desk.outcome(CONFIRMATIONS, confirmation(desk, new)) == ["ORDER_NOT_CONFIRMABLE"]
    unknown = confirmation(desk, {**new, "number": "NOSUCH"})
    assert desk.outcome(CONFIRMATIONS, unknown) == ["INVALID_ORDER_ID"]
    order = desk.direct_order(status="ACCEPTED")
    foreign = confirmation(desk, order, sellingParty={"partyId": "X"})
    assert desk.outcome(CONFIRMATIONS, foreign) == ["INVALID_PARTY_ID"]
    changes: tuple[Json, ...] = (
        {"items": []},
        {"items": [{"itemSequenceNumber": "1"}]},
        {"shipmentDetails": {"shippedDate": desk.ago(), "shipmentStatus": "LOST"}},
        {"shipmentDetails": {"shipmentStatus": "SHIPPED"}},
        {"containers": [{}]},
        {"containers": [{**containers("C")[0], "weight": {"unitOfMeasure": "ST", "value": "1"}}]},
    )
    for change in changes:
        answer = desk.post(CONFIRMATIONS, confirmation(desk, order, **change))
        assert answer.status_code == 400, change


def test_status_updates_follow_the_shipment(desk: Desk) -> None:
    order = desk.direct_order(status="SHIPPED")

    def update(number: str, **change: Any) -> Json:
        details = {
            "trackingNumber": "EMU1",
            "statusCode": "D1",
            "reasonCode": "NS",
            "statusDateTime": desk.ago(),
            "statusLocationAddress": {"name": "Depot", "addressLine1": "1", "countryCode": "DE"},
            **change,
        }
        said = {"purchaseOrderNumber": number, **parties(order), "statusUpdateDetails": details}
        return {"shipmentStatusUpdates": [said]}

    assert desk.outcome(UPDATES, update(order["number"])) == []
    [known] = desk.lever("GET", "direct-orders")["items"]
    assert [each["statusCode"] for each in known["updates"]] == ["D1"]
    assert desk.outcome(UPDATES, update("NOSUCH")) == ["INVALID_ORDER_ID"]
    accepted = desk.direct_order(status="ACCEPTED")["number"]
    assert desk.outcome(UPDATES, update(accepted)) == ["ORDER_NOT_SHIPPED"]
    for change in ({"reasonCode": None}, {"statusDateTime": "now"}):
        assert desk.post(UPDATES, update(order["number"], **change)).status_code == 400


# --- papers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "field", "one", "many"),
    [
        (SLIPS, "packingSlips", "PackingSlip", "PackingSlipList"),
        (INVOICES, "customerInvoices", "CustomerInvoice", "CustomerInvoiceList"),
    ],
)
def test_papers(desk: Desk, sdk: Any, place: str, field: str, one: str, many: str) -> None:
    order = desk.direct_order(status="SHIPPED", items=[{"title": r"Cups (white\blue)"}])
    assert desk.get(f"{place}/{order['number']}").status_code == 403
    paper = desk.read(f"{place}/{order['number']}").json()
    check_sdk(sdk, one, paper)
    content = base64.b64decode(paper["content"])
    assert content.startswith(b"%PDF-1.4")
    assert content.endswith(b"%%EOF\n")
    assert rb"Cups \(white\\blue\)" in content
    listed = desk.read(place, **span(desk)).json()
    check_sdk(sdk, many, listed)
    assert listed == {field: [paper]}
    assert desk.read(place, **span(desk), shipFromPartyId="OTHER").json() == {field: []}
    assert desk.read(place, createdAfter=desk.ago()).status_code == 400
    for number in ("A", "B"):
        desk.direct_order(status="SHIPPED", number=number, age_days=1)
    page = desk.read(place, **span(desk), limit=2).json()
    check_sdk(sdk, many, page)
    assert [each["purchaseOrderNumber"] for each in page[field]] == ["A", "B"]
    mark = page["pagination"]["nextToken"]
    assert desk.read(place, nextToken=mark).json() == {field: [paper]}


def test_when_papers_are_there(desk: Desk) -> None:
    order = desk.direct_order()
    number = order["number"]
    assert desk.read(f"{SLIPS}/{number}").status_code == 404
    order = desk.direct_order(status="ACCEPTED")
    assert desk.read(f"{SLIPS}/{order['number']}").status_code == 200
    assert desk.read(f"{INVOICES}/{order['number']}").status_code == 404
    assert desk.outcome(CONFIRMATIONS, confirmation(desk, order)) == []
    assert desk.read(f"{INVOICES}/{order['number']}").status_code == 200
    assert desk.read(f"{INVOICES}/NOSUCH").status_code == 404


def test_v1_has_payloads(desk: Desk, sdk: Any) -> None:
    """Its shapes are those of the later version, wrapped; python-amazon-sp-api asks it."""
    old = BASE.replace("2021-12-28", "v1")
    order = desk.direct_order(status="ACCEPTED")
    request = wish(order, containers=[{**containers("C1")[0], "containerType": "carton"}])
    answer = desk.post(f"{old}/shippingLabels", request)
    assert list(answer.json()) == ["payload"]
    desk.advance(seconds=21)
    label = desk.read(f"{old}/shippingLabels/{order['number']}").json()
    check_sdk(sdk, "ShippingLabel", label["payload"])
    listed = desk.read(f"{old}/shippingLabels", **span(desk)).json()
    assert listed == {"payload": {"shippingLabels": [label["payload"]]}}
    assert desk.outcome(f"{old}/shipmentConfirmations", confirmation(desk, order)) == []
    assert status(desk, order) == "SHIPPED"
    slip = desk.read(f"{old}/packingSlips/{order['number']}").json()
    check_sdk(sdk, "PackingSlip", slip["payload"])
    path = f"{old}/shippingLabels/{order['number']}"
    assert desk.post(path, parties(order)).status_code == 403, "no labels at once there"
