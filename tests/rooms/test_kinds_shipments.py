"""confirmShipment: the request, its answer, and the look at the order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evergrant.feeds.kinds import LookingKind
from evergrant.feeds.kinds.shipments import ConfirmShipment
from evergrant.ports.amazon import Answer
from evergrant.ports.traded import Change
from evergrant.rules.changes import ChangeKind
from evergrant.rules.feedruns import Path
from tests.rooms.kinds_ground import (
    DE,
    FR,
    ORDER,
    answer,
    change,
    check,
    check_answer,
    error,
    ground,
    run,
    states,
)

KIND = ConfirmShipment()
MODEL = "orders-api-model/ordersV0.json"
READS = "orders-api-model/orders_2026-01-01.json"
THERE = error(
    400,
    "InvalidInput",
    "Failed to create package: the order is already fulfilled",
    "PackageToUpdateNotFound",
)
SAID = KIND.read(ground(), [change(ChangeKind.SHIPMENT, ORDER, {})], THERE).said


def shipment(**wishes: Any) -> Change:
    wish = {
        "package": "2",
        "carrier_code": "DHL",
        "carrier_name": "",
        "shipping_method": "",
        "tracking_number": "T1",
        "shipped_at": "2026-11-20T10:00:00Z",
        "items": [{"order_item_id": "11", "quantity": 2}],
    }
    return change(ChangeKind.SHIPMENT, ORDER, {**wish, **wishes})


def body(*changes: Change) -> dict[str, Any]:
    call = KIND.call(ground(), run(Path.CONFIRM_SHIPMENT), changes)
    told: dict[str, Any] = json.loads(call.body or b"")
    return told


def test_the_request() -> None:
    call = KIND.call(ground(), run(Path.CONFIRM_SHIPMENT), [shipment()])
    assert (call.method, call.path) == ("POST", f"/orders/v0/orders/{ORDER}/shipmentConfirmation")
    assert body(shipment()) == {
        "marketplaceId": DE,
        "packageDetail": {
            "packageReferenceId": "2",
            "carrierCode": "DHL",
            "trackingNumber": "T1",
            "shipDate": "2026-11-20T10:00:00Z",
            "orderItems": [{"orderItemId": "11", "quantity": 2}],
        },
    }


@pytest.mark.parametrize(
    "told",
    [
        shipment(),
        shipment(carrier_code="Other", carrier_name="Bote & Söhne", shipping_method="Paket"),
    ],
)
def test_amazons_model_allows_it(told: Change) -> None:
    call = KIND.call(ground(), run(Path.CONFIRM_SHIPMENT), [told])
    check(call, MODEL, "confirmShipment")


def test_the_package_is_text_even_where_a_number_was_kept() -> None:
    assert body(shipment(package=2))["packageDetail"]["packageReferenceId"] == "2"


def test_the_same_shipment_again_is_the_same_request() -> None:
    assert body(shipment()) == body(shipment())
    assert body(shipment(tracking_number="T2"))["packageDetail"]["packageReferenceId"] == "2"


def test_names_that_were_given_go_along() -> None:
    detail = body(shipment(carrier_code="Other", carrier_name="B", shipping_method="P"))
    assert detail["packageDetail"]["carrierName"] == "B"
    assert detail["packageDetail"]["shippingMethod"] == "P"


def test_the_marketplace_is_the_orders() -> None:
    told = change(ChangeKind.SHIPMENT, ORDER, shipment().wish, marketplace_id=FR)
    assert body(told)["marketplaceId"] == FR


def test_204_is_success() -> None:
    check_answer(answer(204), MODEL, "confirmShipment")
    assert states(KIND.read(ground(), [shipment()], answer(204))) == [("accepted", "")]


def test_a_wrong_request_is_refused_with_amazons_words() -> None:
    told = error(400, "InvalidInput", "OrderItemId is invalid")
    check_answer(told, MODEL, "confirmShipment")
    found = KIND.read(ground(), [shipment()], told)
    assert states(found) == [("refused", "InvalidInput")]
    assert found.outcomes[0].message == "OrderItemId is invalid"


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 503])
def test_weather_is_asked_again(status: int) -> None:
    found = KIND.read(ground(), [shipment()], error(status, "Any"))
    assert (found.again, found.outcomes) == (True, ())


@pytest.mark.parametrize(
    "words",
    [
        {"message": "failed to create package… Order Already Fulfilled"},
        {"details": "PackageToUpdateNotFound"},
        {"message": "The order has already been fulfilled."},
    ],
)
def test_what_may_be_there_already_is_looked_at(words: dict[str, str]) -> None:
    found = KIND.read(ground(), [shipment()], error(400, "InvalidInput", **words))
    assert (found.look, found.outcomes, found.again) == (ORDER, (), False)


# --- the look -------------------------------------------------------------------------------------


def order(*packages: dict[str, Any], status: str = "SHIPPED") -> Answer:
    return answer(
        200,
        {
            "order": {
                "orderId": ORDER,
                "createdTime": "2026-11-19T10:00:00Z",
                "lastUpdatedTime": "2026-11-20T10:00:00Z",
                "salesChannel": {"channelName": "AMAZON", "marketplaceId": DE},
                "fulfillment": {"fulfillmentStatus": status},
                "orderItems": [],
                "packages": list(packages),
            }
        },
    )


def package(tracking: str = "T1", reference: str = "2") -> dict[str, Any]:
    return {"packageReferenceId": reference, "trackingNumber": tracking}


def test_it_is_a_kind_that_looks() -> None:
    assert isinstance(KIND, LookingKind)
    check(KIND.look(ground(), [shipment()]), READS, "getOrder")
    check_answer(order(package()), READS, "getOrder")


def test_the_package_is_there_under_any_reference() -> None:
    for reference in ("1", "2", "7000"):
        told = order(package("T0", "5"), package(reference=reference))
        assert states(KIND.looked(ground(), [shipment()], told, SAID)) == [("accepted", "")]


def test_another_package_is_there() -> None:
    found = KIND.looked(ground(), [shipment()], order(package("T2")), SAID)
    assert states(found) == [("refused", "InvalidInput")]
    assert "already fulfilled" in found.outcomes[0].message
    assert "none of its packages" in found.outcomes[0].message


@pytest.mark.parametrize("told", [order(), error(404, "NotFound"), error(400, "InvalidInput")])
def test_nothing_is_there(told: Answer) -> None:
    found = KIND.looked(ground(), [shipment()], told, SAID)
    assert states(found) == [("refused", "InvalidInput")]
    assert "already fulfilled PackageToUpdateNotFound" in found.outcomes[0].message


@pytest.mark.parametrize(
    "told",
    [error(429, "QuotaExceeded"), error(500, "Any"), error(403, "Unauthorized"),
     answer(200, []), answer(200, {"order": None}), answer(200, b"<html>")],
)  # fmt: skip
def test_a_look_that_saw_nothing_is_made_again(told: Answer) -> None:
    found = KIND.looked(ground(), [shipment()], told, SAID)
    assert (found.again, found.look, found.outcomes) == (True, "", ())


def test_strange_packages_are_none() -> None:
    strange: list[Any] = [["T1"], [{"trackingNumber": 1}], [{}], {"a": 1}, 7, "T1"]
    for packages in strange:
        told = answer(200, {"order": {"packages": packages}})
        assert states(KIND.looked(ground(), [shipment()], told, SAID))[0][0] == "refused"
