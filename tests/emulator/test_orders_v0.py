"""Orders v0: confirming shipments, pick-up, deprecated reads with restricted data tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from amazon_emulator.clock import stamp
from tests.emulator.conftest import House
from tests.emulator.orders_desk import ORDERS_V0, OrdersDesk, orders_desk
from tests.emulator.test_selling_partner_api import check_shape, denied

MODEL = "orders-api-model/ordersV0.json"
DE = "A1PA6795UKMFR9"
IT = "APJ6JRA9NG5V4"
DAY = 86400
PERSONAL = ("BuyerInfo", "ShippingAddress", "BuyerTaxInformation")


@pytest.fixture
def desk(house: House) -> OrdersDesk:
    return orders_desk(house)


def confirmation(order: dict[str, Any], **changes: Any) -> dict[str, Any]:
    detail = {
        "packageReferenceId": "1",
        "carrierCode": "DHL",
        "trackingNumber": "T1",
        "shipDate": "2026-11-21T10:00:00Z",
        "orderItems": [
            {"orderItemId": item["order_item_id"], "quantity": item["quantity"]}
            for item in order["items"]
        ],
        **changes,
    }
    kept = {name: value for name, value in detail.items() if value is not None}
    return {"marketplaceId": order["marketplace_id"], "packageDetail": kept}


def confirm(desk: OrdersDesk, order: dict[str, Any], body: Any = None, **changes: Any) -> Any:
    path = f"{ORDERS_V0}/{order['order_id']}/shipmentConfirmation"
    return desk.call("POST", path, body or confirmation(order, **changes))


def items_of(order: dict[str, Any], *quantities: int) -> list[dict[str, Any]]:
    return [
        {"orderItemId": item["order_item_id"], "quantity": quantity}
        for item, quantity in zip(order["items"], quantities, strict=False)
    ]


# --- confirmShipment ------------------------------------------------------------------------------


def test_a_shipment_is_confirmed(desk: OrdersDesk) -> None:
    order = desk.make(items=[{"sku": "SKU-1", "quantity": 2}])
    answer = confirm(desk, order, shippingMethod="Paket", shipFromSupplySourceId="S-1")
    assert (answer.status_code, answer.content) == (204, b"")
    seen = desk.seen(order)
    assert seen["status"] == "SHIPPED"
    assert seen["charged"] == seen["total"]
    (package,) = seen["packages"]
    assert package["said_by"] == "confirmShipment"
    assert package["ship_date"] == "2026-11-21T10:00:00.000Z"
    assert [shipment["source"] for shipment in seen["shipments"]] == ["1"]


def test_packages_one_by_one(desk: OrdersDesk) -> None:
    order = desk.make(items=[{"sku": "SKU-1", "quantity": 3}, {"sku": "SKU-2"}])
    assert confirm(desk, order, orderItems=items_of(order, 1)).status_code == 204
    seen = desk.seen(order)
    assert seen["status"] == "PARTIALLY_SHIPPED"
    assert [item["shipped"] for item in seen["items"]] == [1, 0]
    rest = confirm(desk, order, packageReferenceId="2", orderItems=items_of(order, 2, 1))
    assert rest.status_code == 204
    seen = desk.seen(order)
    assert seen["status"] == "SHIPPED"
    assert seen["charged"] == seen["total"]


def test_the_same_package_again_is_an_edit(desk: OrdersDesk) -> None:
    order = desk.make()
    assert confirm(desk, order).status_code == 204
    (first,) = desk.seen(order)["packages"]
    desk.advance(60)
    assert confirm(desk, order).status_code == 204, "a retry after a lost answer"
    (again,) = desk.seen(order)["packages"]
    assert again["created_at"] == first["created_at"]
    assert again["updated_at"] > first["updated_at"]
    assert confirm(desk, order, trackingNumber="T2", carrierCode="UPS").status_code == 204
    seen = desk.seen(order)
    assert [(p["tracking_number"], p["carrier_code"]) for p in seen["packages"]] == [("T2", "UPS")]
    assert len(seen["shipments"]) == 1, "money moved once"
    late = confirm(desk, order, packageReferenceId="2")
    assert desk.errors(late)["details"] == "PackageToUpdateNotFound"


def test_a_package_never_holds_less_than_was_confirmed(desk: OrdersDesk) -> None:
    order = desk.make(items=[{"sku": "SKU-1", "quantity": 3}])
    assert confirm(desk, order, orderItems=items_of(order, 2)).status_code == 204
    desk.errors(confirm(desk, order, orderItems=items_of(order, 1)))
    assert confirm(desk, order, orderItems=items_of(order, 3)).status_code == 204
    seen = desk.seen(order)
    assert seen["status"] == "SHIPPED"
    assert seen["charged"] == seen["total"]


@pytest.mark.parametrize(
    "changes",
    [
        {"packageReferenceId": None},
        {"packageReferenceId": 1},
        {"packageReferenceId": "0"},
        {"packageReferenceId": "-1"},
        {"packageReferenceId": "P1"},
        {"packageReferenceId": ""},
        {"packageReferenceId": "１"},
        {"carrierCode": None},
        {"carrierCode": ""},
        {"carrierCode": 7},
        {"carrierCode": "Other"},
        {"trackingNumber": None},
        {"shipDate": None},
        {"shipDate": "02/21/2022"},
        {"shipDate": "0001-01-01T00:00:00+14:00"},
        {"shipDate": "2026-11-21"},
        {"shipDate": "2026-W47-6"},
        {"shipDate": "20261121T100000Z"},
        {"shipDate": "2026-11-21T10:00:00Z\x00"},
        {"shipDate": "2026-11-21T25:00:00Z"},
        {"carrierCode": "Other", "carrierName": " "},
        {"packageReferenceId": "1\n"},
        {"packageReferenceId": "1e3"},
        {"packageReferenceId": "9" * 30},
        {"packageReferenceId": True},
        {"orderItems": None},
        {"orderItems": []},
        {"orderItems": {"orderItemId": "1", "quantity": 1}},
        {"orderItems": [{"orderItemId": "1", "quantity": 1}]},
        {"orderItems": ["1"]},
        {"shippingMethod": 1},
    ],
    ids=str,
)
def test_wrong_packages(desk: OrdersDesk, changes: dict[str, Any]) -> None:
    order = desk.make()
    error = desk.errors(confirm(desk, order, **changes))
    assert error["code"] == "InvalidInput"
    if changes.get("orderItems", "") != "":
        assert error["message"] == "OrderItemId is invalid"
    assert desk.seen(order)["status"] == "UNSHIPPED"


@pytest.mark.parametrize("quantity", [0, 3, -1, 1.5, "1", True, None])
def test_wrong_quantities(desk: OrdersDesk, quantity: Any) -> None:
    order = desk.make(items=[{"sku": "SKU-1", "quantity": 2}])
    item = {"orderItemId": order["items"][0]["order_item_id"], "quantity": quantity}
    assert desk.errors(confirm(desk, order, orderItems=[item]))["code"] == "InvalidInput"
    twice = [{**item, "quantity": 1}] * 3
    desk.errors(confirm(desk, order, orderItems=twice))
    assert desk.seen(order)["packages"] == []


def test_wrong_bodies(desk: OrdersDesk) -> None:
    order = desk.make()
    good = confirmation(order)
    for body in (
        {"marketplaceId": DE},
        {**good, "marketplaceId": IT},
        {**good, "packageDetail": []},
        {**good, "codCollectionMethod": "DirectPayment"},
        {"packageDetail": good["packageDetail"]},
        ["a list"],
    ):
        assert desk.errors(confirm(desk, order, body))["code"] == "InvalidInput"
    desk.errors(confirm(desk, {**order, "order_id": "902-9999999-9999999"}), 404)


def test_cash_on_delivery_in_japan(house: House) -> None:
    desk = OrdersDesk.of(house, house.seller(home="JP"), "fe")
    assert isinstance(desk, OrdersDesk)
    order = desk.make(payment_method="COD")
    body = {**confirmation(order), "codCollectionMethod": "DirectPayment"}
    desk.errors(confirm(desk, order, {**body, "codCollectionMethod": "Cash"}))
    assert confirm(desk, order, body).status_code == 204


@pytest.mark.parametrize(
    "wishes",
    [
        {"status": "PENDING"},
        {"status": "CANCELLED"},
        {"fulfilled_by": "AMAZON"},
        {"programs": ["FBM_SHIP_PLUS"]},
    ],
    ids=str,
)
def test_orders_that_sellers_do_not_ship(desk: OrdersDesk, wishes: dict[str, Any]) -> None:
    order = desk.make(**wishes)
    assert desk.errors(confirm(desk, order))["code"] == "InvalidInput"


def test_other_needs_a_name_and_levers_refuse(desk: OrdersDesk) -> None:
    order = desk.make()
    desk.lever("POST", "/orders/refuse", {"what": "shipment", "code": "Busy", "times": 1})
    wishes = {"carrierCode": "Other", "carrierName": "By bicycle"}
    assert desk.errors(confirm(desk, order, **wishes))["code"] == "Busy"
    assert confirm(desk, order, **wishes).status_code == 204


def test_pick_up(desk: OrdersDesk) -> None:
    order = desk.make(programs=["IN_STORE_PICK_UP"])
    path = f"{ORDERS_V0}/{order['order_id']}/shipment"
    body = {"marketplaceId": DE, "shipmentStatus": "ReadyForPickup"}
    assert desk.call("POST", path, body).status_code == 204
    assert desk.seen(order)["pickup_status"] == "ReadyForPickup"
    part = {**body, "shipmentStatus": "PickedUp", "orderItems": items_of(order, 1)}
    assert desk.call("POST", path, part).status_code == 204
    assert desk.seen(order)["pickup_status"] == "PickedUp"
    for wrong in (
        {**body, "shipmentStatus": "Lost"},
        {**body, "orderItems": [{"orderItemId": "1"}]},
        {**body, "orderItems": items_of(order, 99)},
        {**body, "orderItems": "all"},
        {**body, "orderItems": [{"orderItemId": 7}]},
    ):
        assert desk.errors(desk.call("POST", path, wrong))["code"] == "InvalidInput"
    error = desk.errors(desk.call("POST", path, {**body, "marketplaceId": "1"}))
    assert (error["message"], error["details"]) == ("Marketplace ID is not defined", "1001")


def test_many_at_once_ship_what_is_there(desk: OrdersDesk) -> None:
    """Packages with ids of their own, confirmed at the same time: three pieces, three packages."""
    desk.lever("PUT", "/limits", {"enforced": False})
    order = desk.make(items=[{"sku": "SKU-1", "quantity": 3, "price": "10.00"}])

    def one(number: int) -> int:
        changes = {"packageReferenceId": str(number), "orderItems": items_of(order, 1)}
        status: int = confirm(desk, order, **changes).status_code
        return status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(one, range(1, 13)))
    assert sorted(statuses) == [204] * 3 + [400] * 9
    seen = desk.seen(order)
    assert seen["status"] == "SHIPPED"
    assert len(seen["packages"]) == len(seen["shipments"]) == 3
    assert seen["charged"] == seen["total"]


def test_pick_up_is_of_orders_to_ship(desk: OrdersDesk) -> None:
    for wishes in (
        {"status": "PENDING"},
        {"status": "PENDING_AVAILABILITY"},
        {"status": "CANCELLED"},
        {"status": "UNFULFILLABLE", "fulfilled_by": "AMAZON"},
    ):
        order = desk.make(**wishes)
        body = {"marketplaceId": order["marketplace_id"], "shipmentStatus": "PickedUp"}
        path = f"{ORDERS_V0}/{order['order_id']}/shipment"
        assert desk.errors(desk.call("POST", path, body))["code"] == "InvalidInput", wishes
        assert desk.seen(order)["pickup_status"] is None


def test_the_same_package_at_once_ships_once(desk: OrdersDesk) -> None:
    desk.lever("PUT", "/limits", {"enforced": False})
    order = desk.make(items=[{"sku": "SKU-1", "quantity": 3, "price": "10.00"}])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: confirm(desk, order).status_code, range(12)))
    assert answers == [204] * 12
    seen = desk.seen(order)
    assert len(seen["packages"]) == len(seen["shipments"]) == 1
    assert seen["charged"] == seen["total"]


def test_orders_of_others_cannot_be_shipped(desk: OrdersDesk, house: House) -> None:
    seller = house.seller(marketplaces=["DE", "US"])
    america = OrdersDesk.of(house, seller, "na")
    assert isinstance(america, OrdersDesk)
    order = OrdersDesk.of(house, seller).lever(
        "POST", "/orders", {"selling_partner_id": seller["selling_partner_id"]}
    )["items"][0]
    for foreign, store in ((desk, DE), (america, "ATVPDKIKX0DER")):
        body = {**confirmation(order), "marketplaceId": store}
        assert desk.errors(confirm(foreign, order, body), 404)["code"] == "NotFound"
        status = {"marketplaceId": store, "shipmentStatus": "PickedUp"}
        path = f"{ORDERS_V0}/{order['order_id']}/shipment"
        assert desk.errors(foreign.call("POST", path, status), 404)["code"] == "NotFound"
    seen = desk.seen(order)
    assert (seen["status"], seen["packages"], seen["pickup_status"]) == ("UNSHIPPED", [], None)


# --- reads ----------------------------------------------------------------------------------------


def lively(desk: OrdersDesk) -> list[dict[str, Any]]:
    made = [
        desk.make(status=status, age_seconds=DAY * (9 - number))
        for number, status in enumerate(("PENDING", "UNSHIPPED", "SHIPPED", "CANCELLED"))
    ]
    made.append(
        desk.make(
            age_seconds=DAY,
            company="Blue Heron Ltd",
            seller_order_id="OWN-1",
            items=[{"sku": "S", "promotion": "1.00", "gift_wrap": "2.00", "gift_message": "Hi"}],
        )
    )
    return made


def test_reads_are_as_the_model_says(desk: OrdersDesk, models: Path) -> None:
    made = lively(desk)
    one = f"{ORDERS_V0}/{made[-1]['order_id']}"
    day = stamp(desk.house.amazon.levers.now() - timedelta(days=30))
    elements = ["buyerInfo", "shippingAddress", "buyerTaxInformation"]
    paths = (
        (ORDERS_V0, "GetOrdersResponse", elements),
        (one, "GetOrderResponse", elements),
        (f"{one}/orderItems", "GetOrderItemsResponse", ["buyerInfo"]),
        (f"{one}/buyerInfo", "GetOrderBuyerInfoResponse", None),
        (f"{one}/address", "GetOrderAddressResponse", None),
        (f"{one}/orderItems/buyerInfo", "GetOrderItemsBuyerInfoResponse", None),
    )
    resources = [
        {"method": "GET", "path": path, **({"dataElements": wanted} if wanted else {})}
        for path, _definition, wanted in paths
    ]
    open_ = desk.with_token(desk.restricted(*resources))
    for path, definition, _wanted in paths:
        query = {"CreatedAfter": day, "MarketplaceIds": DE} if path == ORDERS_V0 else {}
        check_shape(models, MODEL, definition, open_.get_json(path, **query))


def test_nothing_personal_without_a_restricted_data_token(desk: OrdersDesk) -> None:
    made = lively(desk)
    one = f"{ORDERS_V0}/{made[-1]['order_id']}"
    order = desk.get_json(one)["payload"]
    assert not set(PERSONAL) & set(order)
    (item,) = desk.get_json(f"{one}/orderItems")["payload"]["OrderItems"]
    assert "BuyerInfo" not in item
    for path in (f"{one}/address", f"{one}/buyerInfo", f"{one}/orderItems/buyerInfo"):
        denied(desk.call("GET", path), "")


def test_data_elements_open_their_parts(desk: OrdersDesk) -> None:
    made = lively(desk)
    one = f"{ORDERS_V0}/{made[-1]['order_id']}"
    for elements, told in (
        (["buyerInfo"], {"BuyerInfo"}),
        (["shippingAddress"], {"ShippingAddress"}),
        (["buyerTaxInformation"], {"BuyerTaxInformation"}),
        (["buyerInfo", "shippingAddress"], {"BuyerInfo", "ShippingAddress"}),
    ):
        resource = {"method": "GET", "path": f"{ORDERS_V0}/{{orderId}}", "dataElements": elements}
        order = desk.with_token(desk.restricted(resource)).get_json(one)["payload"]
        assert set(PERSONAL) & set(order) == told
    token = desk.restricted({"method": "GET", "path": f"{one}/address"})
    address = desk.with_token(token).get_json(f"{one}/address")["payload"]
    assert address["ShippingAddress"]["AddressLine1"].endswith("Emulator Street")
    denied(desk.with_token(token).call("GET", f"{one}/buyerInfo"), "")


def test_prices_come_with_the_payment(desk: OrdersDesk) -> None:
    order = desk.make(status="PENDING", age_seconds=DAY, items=[{"sku": "S", "price": "10.00"}])
    path = f"{ORDERS_V0}/{order['order_id']}"
    assert "OrderTotal" not in desk.get_json(path)["payload"]
    (item,) = desk.get_json(f"{path}/orderItems")["payload"]["OrderItems"]
    assert "ItemPrice" not in item
    desk.lever("PATCH", path.replace(ORDERS_V0, "/orders"), {"status": "UNSHIPPED"})
    (item,) = desk.get_json(f"{path}/orderItems")["payload"]["OrderItems"]
    assert item["ItemPrice"] == {"CurrencyCode": "EUR", "Amount": "10.00"}
    total = desk.get_json(path)["payload"]["OrderTotal"]["Amount"]
    assert total == desk.seen(order)["total"]


def test_filters_and_pages(desk: OrdersDesk) -> None:
    made = [order["order_id"] for order in lively(desk)]
    after = stamp(desk.house.amazon.levers.now() - timedelta(days=30))
    desk.house.amazon.levers.pull("PUT", "/limits", {"enforced": False})

    def found(**query: Any) -> list[str]:
        asked = {"CreatedAfter": after, "MarketplaceIds": DE, **query}
        payload = desk.get_json(ORDERS_V0, **{k: v for k, v in asked.items() if v})["payload"]
        return [order["AmazonOrderId"] for order in payload["Orders"]]

    assert found() == made
    assert found(OrderStatuses="Shipped,Canceled") == made[2:4]
    assert found(FulfillmentChannels="AFN") == []
    assert found(SellerOrderId="OWN-1") == made[4:]
    assert found(AmazonOrderIds=made[1], CreatedAfter=None) == made[1:2]
    assert found(MarketplaceIds=IT) == []
    assert found(EasyShipShipmentStatuses="PickedUp") == []
    assert found(ElectronicInvoiceStatuses="NotRequired") == made
    soon = stamp(desk.house.amazon.levers.now())
    assert found(LatestDeliveryDateAfter=soon) == made[4:]
    assert found(EarliestDeliveryDateBefore=soon) == made[:4]
    query = {"CreatedAfter": after, "MarketplaceIds": DE, "MaxResultsPerPage": 3}
    first = desk.get_json(ORDERS_V0, **query)["payload"]
    follow = {"MarketplaceIds": DE, "NextToken": first["NextToken"]}
    second = desk.get_json(ORDERS_V0, **follow)["payload"]
    assert [o["AmazonOrderId"] for o in first["Orders"] + second["Orders"]] == made
    assert "NextToken" not in second
    assert first["CreatedBefore"] == second["CreatedBefore"]
    for wrong in (
        {"CreatedAfter": after},
        {"MarketplaceIds": DE},
        {"MarketplaceIds": DE, "CreatedAfter": after, "LastUpdatedAfter": after},
        {"MarketplaceIds": DE, "CreatedAfter": after, "OrderStatuses": "SHIPPED"},
        {"MarketplaceIds": DE, "CreatedAfter": after, "SellerOrderId": "O", "BuyerEmail": "a@b"},
        {"MarketplaceIds": DE, "NextToken": "made-up"},
    ):
        assert desk.errors(desk.call("GET", ORDERS_V0, **wrong))["code"] == "InvalidInput"


def test_many_items_come_in_pages(desk: OrdersDesk) -> None:
    order = desk.make(items=[{"sku": f"SKU-{number}"} for number in range(150)], age_seconds=DAY)
    path = f"{ORDERS_V0}/{order['order_id']}/orderItems"
    first = desk.get_json(path)["payload"]
    second = desk.get_json(path, NextToken=first["NextToken"])["payload"]
    found = [item["SellerSKU"] for item in first["OrderItems"] + second["OrderItems"]]
    assert found == [f"SKU-{number}" for number in range(150)]
    other = desk.make()
    elsewhere = f"{ORDERS_V0}/{other['order_id']}/orderItems"
    desk.errors(desk.call("GET", elsewhere, NextToken=first["NextToken"]))
