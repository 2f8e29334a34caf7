"""The SP-API faces: access control, Sellers, Vendor Orders; shapes checked by Amazon's models."""

from __future__ import annotations

import json
import logging
import secrets
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest

from amazon_emulator.faces.selling_partner_api import OPERATIONS
from amazon_emulator.limits import Plans
from amazon_emulator.models import read
from tests.emulator.conftest import House

PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"
ACCOUNT = "/sellers/v1/account"
STATUS = "/vendor/orders/v1/purchaseOrdersStatus"

SELLERS_MODEL = "sellers-api-model/sellers.json"
VENDOR_ORDERS_MODEL = "vendor-orders-api-model/vendorOrders.json"


def check_shape(models: Path, model: str, definition: str, body: Any) -> None:
    """Compares with a definition of Amazon's model; unknown fields count as errors."""
    definitions = json.loads((models / model).read_text())["definitions"]
    for known in definitions.values():
        if known.get("type") == "object":
            known.setdefault("additionalProperties", False)
    schema = {"$ref": f"#/definitions/{definition}", "definitions": definitions}
    jsonschema_rs.Draft4Validator(schema).validate(body)


def denied(answer: httpx2.Response, details: str) -> None:
    assert answer.status_code == 403, answer.text
    assert answer.json() == {
        "errors": [
            {
                "code": "Unauthorized",
                "message": "Access to requested resource is denied.",
                "details": details,
            }
        ]
    }
    assert answer.headers["x-amzn-requestid"]
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert "x-amzn-ratelimit-limit" not in answer.headers


def test_participations(house: House, models: Path) -> None:
    seller = house.seller(
        name="Blue Heron Books",
        marketplaces=[
            "DE",
            {"marketplace": "IT", "suspended": True},
            {"marketplace": "UK", "participating": False, "store_name": "Blue Heron UK"},
            "A38D8NSA03LJTC",
            "US",
        ],
    )
    answer = house.call(PARTICIPATIONS, house.access_token(seller))
    assert answer.status_code == 200
    assert answer.headers["x-amzn-ratelimit-limit"] == "0.016"
    assert answer.headers["x-amzn-requestid"]
    body = answer.json()
    check_shape(models, SELLERS_MODEL, "GetMarketplaceParticipationsResponse", body)
    told = {row["marketplace"]["id"]: row for row in body["payload"]}
    assert list(told) == ["A1PA6795UKMFR9", "APJ6JRA9NG5V4", "A1F83G8C2ARO7P", "A38D8NSA03LJTC"]
    assert told["A1PA6795UKMFR9"]["marketplace"] == {
        "id": "A1PA6795UKMFR9",
        "name": "Amazon.de",
        "countryCode": "DE",
        "defaultCurrencyCode": "EUR",
        "defaultLanguageCode": "de_DE",
        "domainName": "www.amazon.de",
    }
    assert told["A1PA6795UKMFR9"]["storeName"] == "Blue Heron Books"
    assert told["APJ6JRA9NG5V4"]["participation"] == {
        "isParticipating": True,
        "hasSuspendedListings": True,
    }
    assert told["A1F83G8C2ARO7P"]["participation"]["isParticipating"] is False
    assert told["A1F83G8C2ARO7P"]["marketplace"]["countryCode"] == "GB"
    assert seller["selling_partner_id"] not in answer.text, "Amazon does not tell it"


@pytest.mark.parametrize("business_type", ["PRIVATE_LIMITED", "SOLE_PROPRIETORSHIP"])
def test_account(house: House, models: Path, business_type: str) -> None:
    seller = house.seller(business_type=business_type, selling_plan="INDIVIDUAL")
    answer = house.call(ACCOUNT, house.access_token(seller))
    body = answer.json()
    check_shape(models, SELLERS_MODEL, "GetAccountResponse", body)
    payload = body["payload"]
    assert payload["businessType"] == business_type
    assert payload["sellingPlan"] == "INDIVIDUAL"
    has_number = "companyRegistrationNumber" in payload["business"]
    assert has_number is (business_type == "PRIVATE_LIMITED")
    assert len(payload["marketplaceParticipationList"]) == 4


def test_purchase_orders(house: House, models: Path) -> None:
    vendor = house.vendor(vendor_codes=["MILL1", "MILL2"])
    token = house.access_token(vendor)
    house.amazon.levers.pull("PUT", "/limits", {"enforced": False})
    answer = house.call(STATUS, token)
    assert answer.headers["x-amzn-ratelimit-limit"] == "10.0"
    body = answer.json()
    check_shape(models, VENDOR_ORDERS_MODEL, "GetPurchaseOrdersStatusResponse", body)
    orders = body["payload"]["ordersStatus"]
    assert len(orders) == 6
    assert len({order["purchaseOrderNumber"] for order in orders}) == 6
    dates = [order["purchaseOrderDate"] for order in orders]
    assert dates == sorted(dates)
    descending = house.call(STATUS, token, sortOrder="DESC").json()["payload"]["ordersStatus"]
    assert [order["purchaseOrderDate"] for order in descending] == dates[::-1]

    def numbers(**query: Any) -> int:
        return len(house.call(STATUS, token, **query).json()["payload"]["ordersStatus"])

    assert numbers(orderingVendorCode="MILL1") == 3
    assert numbers(orderingVendorCode="OTHER") == 0
    assert numbers(purchaseOrderStatus="OPEN") == 4
    assert numbers(purchaseOrderStatus="CLOSED", orderingVendorCode="MILL2") == 1
    assert numbers(itemConfirmationStatus="UNCONFIRMED") == 2
    assert numbers(itemReceiveStatus="RECEIVED") == 2
    assert numbers(shipToPartyId="DEM1") == 6
    assert numbers(purchaseOrderNumber=orders[0]["purchaseOrderNumber"]) == 1
    middle = dates[2]
    assert numbers(createdAfter=middle) == 4
    assert numbers(createdBefore=middle) in (3, 4)
    assert numbers(updatedAfter="2000-01-01", updatedBefore="2000-01-02T00:00:00Z") == 0


def test_purchase_orders_come_in_pages(house: House) -> None:
    token = house.access_token(house.vendor(vendor_codes=["MILL1", "MILL2"]))
    found: list[str] = []
    query: dict[str, Any] = {"limit": 4}
    while True:
        payload = house.call(STATUS, token, **query).json()["payload"]
        found += [order["purchaseOrderNumber"] for order in payload["ordersStatus"]]
        if "pagination" not in payload:
            break
        assert len(payload["ordersStatus"]) == 4
        query["nextToken"] = payload["pagination"]["nextToken"]
    assert len(found) == len(set(found)) == 6


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "ten"},
        {"limit": "²"},
        {"limit": "9" * 5000},
        {"createdAfter": "yesterday"},
        {"createdAfter": "2026-02-02T00:00:00Z", "createdBefore": "2026-02-01T00:00:00Z"},
        {"sortOrder": "UP"},
        {"purchaseOrderStatus": "open"},
        {"itemConfirmationStatus": "x"},
        {"itemReceiveStatus": "x"},
        {"nextToken": "%%%"},
        {"nextToken": "ZnJvbSAtNQ=="},
        {"nextToken": "eHh4eA=="},
    ],
    ids=str,
)
def test_wrong_parameters_are_told(house: House, query: dict[str, Any]) -> None:
    token = house.access_token(house.vendor())
    answer = house.call(STATUS, token, **query)
    assert answer.status_code == 400
    error = answer.json()["errors"][0]
    assert error["code"] == "InvalidInput"
    assert error["message"]
    assert answer.headers["x-amzn-ratelimit-limit"] == "10.0"


def test_no_access_token(house: House) -> None:
    missing = "Access token is missing in the request header."
    denied(house.call(PARTICIPATIONS, None), missing)
    denied(house.call(PARTICIPATIONS, ""), missing)


def test_dead_access_tokens(house: House) -> None:
    seller = house.seller()
    token = house.access_token(seller)
    invalid = "The access token you provided is revoked, malformed or invalid."
    denied(house.call(PARTICIPATIONS, "Atza|emulated-nothing"), invalid)
    denied(house.call(PARTICIPATIONS, "nonsense"), invalid)
    denied(house.call(PARTICIPATIONS, house.grant(seller)), invalid)
    house.amazon.levers.advance(3601)
    denied(house.call(PARTICIPATIONS, token), "The access token you provided has expired.")
    fresh = house.access_token(seller)
    house.amazon.levers.expire("access_token", selling_partner_id=seller["selling_partner_id"])
    denied(house.call(PARTICIPATIONS, fresh), "The access token you provided has expired.")
    house.amazon.levers.revoke(seller["selling_partner_id"])
    denied(house.call(PARTICIPATIONS, fresh), invalid)


@pytest.mark.parametrize("region", ["na", "fe"])
def test_another_region(house: House, region: str) -> None:
    seller = house.seller()
    denied(house.call(PARTICIPATIONS, house.access_token(seller), region), "")


def test_sellers_and_vendors_are_not_mixed_up(house: House) -> None:
    denied(house.call(PARTICIPATIONS, house.access_token(house.vendor())), "")
    denied(house.call(STATUS, house.access_token(house.seller())), "")


@pytest.mark.parametrize(
    "path", ["/", "/sellers/v2/account", "/sellers/v1/account/", "/orders/v3/orders", "/%00"]
)
def test_an_unknown_path_is_denied_like_the_rest(house: House, path: str) -> None:
    denied(house.call(path, house.access_token(house.seller())), "")


def test_an_unknown_method_is_denied_too(house: House) -> None:
    token = house.access_token(house.seller())
    url = f"{house.amazon.addresses['eu']}{PARTICIPATIONS}"
    denied(house.http.post(url, headers={"x-amz-access-token": token}, json={}), "")


def test_a_role_added_later_needs_a_new_consent(house: House) -> None:
    path = f"/world/applications/{house.application_id}"
    seller = house.seller()
    house.amazon.levers.pull("PATCH", path, {"roles": ["Selling Partner Insights"]})
    token = house.access_token(seller)
    assert house.call(PARTICIPATIONS, token).status_code == 200
    denied(house.call(ACCOUNT, token), "")
    house.amazon.levers.pull(
        "PATCH", path, {"roles": ["Selling Partner Insights", "Finance and Accounting"]}
    )
    denied(house.call(ACCOUNT, token), "")
    assert house.call(ACCOUNT, house.access_token(seller)).status_code == 200


def test_a_deactivated_seller_is_denied(house: House) -> None:
    seller = house.seller()
    token = house.access_token(seller)
    house.amazon.levers.change_partner(seller["selling_partner_id"], deactivated=True)
    denied(house.call(PARTICIPATIONS, token), "")
    house.amazon.levers.change_partner(seller["selling_partner_id"], deactivated=False)
    assert house.call(PARTICIPATIONS, token).status_code == 200


def test_a_real_looking_access_token_is_refused(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    token = f"Atza|{secrets.token_urlsafe(200)}"
    with caplog.at_level(logging.ERROR, logger="amazon_emulator"):
        answer = house.call(PARTICIPATIONS, token)
    assert answer.status_code == 403
    assert "emulator" in answer.text
    assert len(caplog.records) == 1
    assert token not in caplog.text + answer.text + json.dumps(house.amazon.levers.history())


def test_a_huge_body_is_refused(house: House) -> None:
    url = f"{house.amazon.addresses['eu']}{PARTICIPATIONS}"
    assert house.http.post(url, content=b"x" * 13_000_000).status_code == 413


def test_the_history_tells_operation_partner_and_query(house: House) -> None:
    vendor = house.vendor()
    house.call(STATUS, house.access_token(vendor), limit=1)
    [asked] = house.amazon.levers.history(kind="spapi")
    assert asked["kind"] == "spapi.getPurchaseOrdersStatus"
    assert asked["partner"] == vendor["selling_partner_id"]
    assert asked["client_id"] == house.client["client_id"]
    assert asked["region"] == asked["face"] == "eu"
    assert asked["query"] == "limit=1"
    assert asked["status"] == 200
    assert asked["user_agent"].startswith("python-httpx2/")


def test_operations_stand_in_amazons_models(models: Path) -> None:
    library = read(models)
    described = {(known.method, known.path): known for known in library.operations}
    silent = []
    for operation in OPERATIONS:
        told = described.get((operation.method, operation.path))
        if told is None:
            silent.append(f"{operation.method} {operation.path}")
        else:
            assert told.name == operation.name
    # Not every model is in every folder; what no model of this one tells is named.
    assert len(silent) < len(OPERATIONS) // 2, silent


def test_every_played_operation_has_its_plan() -> None:
    named = {(method, template): name for method, template, name in Plans().known()}
    for operation in OPERATIONS:
        assert named[operation.method, operation.path] == operation.name
