"""Restricted data tokens: what they are given for, and that they are really needed and checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import jsonschema_rs
import pytest

from amazon_emulator.apis import restricted
from amazon_emulator.apis.operations import Denied
from amazon_emulator.asking import Asking
from amazon_emulator.stage import Stage
from amazon_emulator.trade.delegations import Delegations
from amazon_emulator.world import AccessToken, RestrictedResource
from tests.emulator.conftest import House

PATH = "/tokens/2021-03-01/restrictedDataToken"
ORDERS = "/orders/v0/orders"
NO_ACCESS = "Application do not have access to some or all requested resource"


def resource(path: str, *elements: str, method: str = "GET") -> dict[str, Any]:
    made: dict[str, Any] = {"method": method, "path": path}
    return {**made, "dataElements": list(elements)} if elements else made


def ask(house: House, token: str, body: Any) -> httpx2.Response:
    return house.http.post(
        f"{house.amazon.addresses['eu']}{PATH}", headers={"x-amz-access-token": token}, json=body
    )


@pytest.fixture
def asking(house: House) -> Callable[..., httpx2.Response]:
    house.amazon.levers.pull("PUT", "/limits", {"enforced": False})
    token = house.access_token(house.seller())

    def one(*resources: Any, **more: Any) -> httpx2.Response:
        return ask(house, token, {"restrictedResources": list(resources), **more})

    return one


def message(answer: httpx2.Response) -> str:
    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    assert error["code"] == "InvalidInput"
    return str(error["message"])


Ask = Callable[..., httpx2.Response]


def test_a_token_is_given(house: House, asking: Ask, models: Any) -> None:
    answer = asking(
        resource(ORDERS, "buyerInfo", "shippingAddress"),
        resource(f"{ORDERS}/123-1234567-1234567/orderItems", "buyerInfo"),
        resource(f"{ORDERS}/{{orderId}}/address"),
        resource("/mfn/v0/shipments/{shipmentId}", method="DELETE"),
        resource("/reports/2021-06-30/documents/amzn1.tortuga.1"),
    )
    body = answer.json()
    model = models / "tokens-api-model" / "tokens_2021-03-01.json"
    definitions = json.loads(model.read_text())["definitions"]
    schema = {"$ref": "#/definitions/CreateRestrictedDataTokenResponse", "definitions": definitions}
    jsonschema_rs.Draft4Validator(schema).validate(body)
    assert set(body) == {"restrictedDataToken", "expiresIn"}
    assert body["restrictedDataToken"].startswith("Atz.sprdt|emulated")
    assert body["expiresIn"] == 3600
    kept = house.amazon.stage.world.access_tokens[body["restrictedDataToken"]]
    assert kept.resources[0] == RestrictedResource("GET", ORDERS, ("buyerInfo", "shippingAddress"))
    assert len(kept.resources) == 5
    assert body["restrictedDataToken"] not in json.dumps(house.amazon.levers.history())


def test_the_older_answer(house: House, asking: Ask) -> None:
    wish = {"restricted_answer_wrapped": True}
    house.amazon.levers.pull("PATCH", "/habits/services", wish)
    body = asking(resource(ORDERS, "buyerInfo")).json()
    assert set(body) == {"payload"}
    assert body["payload"]["expiresIn"] == 3600


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "PATCH", "path": ORDERS},
        {"method": "", "path": ORDERS},
        {"path": ORDERS},
        {"method": "GET"},
        {"method": "GET", "path": "orders/v0/orders"},
        {"method": "GET", "path": 3},
        "GET /orders",
        resource(ORDERS, "phone"),
        {"method": "GET", "path": ORDERS, "dataElements": "buyerInfo"},
        resource(f"{ORDERS}/{{orderId}}/address", "shippingAddress"),
        resource("/reports/2021-06-30/documents/{reportDocumentId}"),
    ],
)
def test_wrong_resources(asking: Ask, wrong: Any) -> None:
    good = resource(ORDERS, "buyerInfo")
    assert message(asking(good, wrong))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ORDERS),
        ("GET", "/sellers/v1/account"),
        ("GET", "/orders/2026-01-01/orders"),
        ("GET", "/orders/v1/orders/902-1845936-5435065/address"),
        ("GET", f"{ORDERS}/{{orderId}}/address/more"),
        ("GET", f"{ORDERS}//address/"),
        ("GET", f"{ORDERS}/123/{{what}}"),
    ],
)
def test_paths_that_are_not_restricted(asking: Ask, method: str, path: str) -> None:
    assert message(asking(resource(path, method=method))) == NO_ACCESS


def test_how_many(asking: Ask) -> None:
    one = resource(f"{ORDERS}/{{orderId}}/address")
    assert message(asking()) == "Empty target resource arguement found"
    assert message(asking(restrictedResources={})) == "Empty target resource arguement found"
    assert asking(*[one] * 50).status_code == 200
    assert "50" in message(asking(*[one] * 51))


def test_roles_decide(house: House, asking: Ask) -> None:
    application_id = house.application_id
    levers = house.amazon.levers

    def with_roles(*roles: str) -> str:
        wish = {"roles": list(roles)}
        levers.pull("PATCH", f"/world/applications/{application_id}", wish)
        return house.access_token(house.seller())

    wanted = resource(ORDERS, "buyerInfo", "shippingAddress", "buyerTaxInformation")
    tax = with_roles("Inventory and Order Tracking", "Tax Invoicing")
    said = message(ask(house, tax, {"restrictedResources": [wanted]}))
    assert said == (
        "Application does not have access to one or more requested data elements: [shippingAddress]"
    )
    fewer = {"restrictedResources": [resource(ORDERS, "buyerInfo", "buyerTaxInformation")]}
    assert ask(house, tax, fewer).status_code == 200
    none = with_roles("Inventory and Order Tracking")
    assert message(ask(house, none, {"restrictedResources": [resource(ORDERS)]})) == NO_ACCESS
    shipping = with_roles("Direct-to-Consumer Shipping")
    said = message(ask(house, shipping, {"restrictedResources": [wanted]}))
    assert said.endswith("[buyerTaxInformation]")
    vendor = house.access_token(house.vendor())
    labels = "/vendor/directFulfillment/shipping/v1/shippingLabels/{purchaseOrderNumber}"
    assert ask(house, vendor, {"restrictedResources": [resource(labels)]}).status_code == 200


def test_delegation(house: House, asking: Ask) -> None:
    levers = house.amazon.levers
    other = levers.application("Courier")
    wanted = resource(ORDERS, "shippingAddress")
    assert asking(wanted, targetApplication=house.application_id).status_code == 200
    for target in (other["application_id"], "amzn1.sellerapps.app.none", 7):
        assert message(asking(wanted, targetApplication=target)) == "Invalid Input"
    wish = {
        "application_id": house.application_id,
        "target_application_id": other["application_id"],
    }
    levers.pull("POST", "/world/delegations", wish)
    answer = asking(wanted, targetApplication=other["application_id"])
    token = house.amazon.stage.world.access_tokens[answer.json()["restrictedDataToken"]]
    assert token.application.application_id == other["application_id"]
    path = f"/world/applications/{other['application_id']}"
    levers.pull("PATCH", path, {"roles": ["Pricing"]})
    assert message(asking(wanted, targetApplication=other["application_id"])) == NO_ACCESS
    content = house.amazon.stage.of(Delegations).as_json()
    again = Delegations()
    again.load(house.amazon.stage, content)
    assert again.as_json() == content


def test_grantless_tokens_get_none(house: House) -> None:
    scope = "sellingpartnerapi::notifications"
    grantless = house.lwa(grant_type="client_credentials", scope=scope).json()["access_token"]
    body = {"restrictedResources": [resource(ORDERS, "buyerInfo")]}
    assert ask(house, grantless, body).status_code == 403


# --- what they open -------------------------------------------------------------------------------


def call(house: House, path: str, token: str) -> httpx2.Response:
    return house.call(path, token)


def test_a_restricted_token_opens_what_it_names(house: House, asking: Ask) -> None:
    token = asking(resource(ORDERS, "buyerInfo")).json()["restrictedDataToken"]
    assert call(house, "/sellers/v1/account", token).status_code == 403
    assert call(house, f"{ORDERS}/1/orderItems", token).status_code == 403
    body = {"restrictedResources": [resource(ORDERS)]}
    assert ask(house, token, body).status_code == 403
    answer = house.call(ORDERS, token, MarketplaceIds="A1PA6795UKMFR9", CreatedAfter="2026-01-01")
    assert answer.status_code != 403, answer.text
    house.amazon.levers.advance(3601)
    answer = house.call(ORDERS, token, MarketplaceIds="A1PA6795UKMFR9", CreatedAfter="2026-01-01")
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["details"] == "The access token you provided has expired."


def test_it_dies_with_the_grant(house: House) -> None:
    seller = house.seller()
    body = {"restrictedResources": [resource(ORDERS, "buyerInfo")]}
    token = ask(house, house.access_token(seller), body).json()["restrictedDataToken"]
    house.amazon.levers.revoke(seller["selling_partner_id"])
    answer = house.call(ORDERS, token, MarketplaceIds="A1PA6795UKMFR9", CreatedAfter="2026-01-01")
    assert "revoked" in answer.json()["errors"][0]["details"]


@pytest.mark.parametrize(
    "path",
    [f"{ORDERS}/1/address", f"{ORDERS}/1/buyerInfo", f"{ORDERS}/1/orderItems/buyerInfo"],
)
def test_some_operations_always_need_one(house: House, asking: Ask, path: str) -> None:
    plain = house.access_token(house.seller())
    denied = call(house, path, plain)
    assert (denied.status_code, denied.json()["errors"][0]["details"]) == (403, "")
    token = asking(resource(path)).json()["restrictedDataToken"]
    assert call(house, path, token).status_code != 403
    assert call(house, path.replace("/1/", "/2/"), token).status_code == 403


def opens(
    resources: tuple[RestrictedResource, ...], method: str, template: str, **path: str
) -> frozenset[str] | None:
    """The data elements; None: not admitted."""
    stage = Stage.fresh(gentle=True, seed=0, start=None)
    token = AccessToken("x", None, None, None, stage.clock.now(), resources)  # type: ignore[arg-type]
    try:
        return restricted.admit(stage, token, method, template, Asking(method, path))
    except Denied:
        return None


def test_specific_and_generic_paths() -> None:
    one = RestrictedResource("GET", f"{ORDERS}/A%2F1", ("buyerInfo",))
    each = RestrictedResource("GET", f"{ORDERS}/{{id}}", ("shippingAddress",))
    template = f"{ORDERS}/{{orderId}}"
    assert opens((one,), "GET", template, orderId="A/1") == frozenset({"buyerInfo"})
    assert opens((one,), "GET", template, orderId="A") is None
    assert opens((each,), "GET", template, orderId="A") == frozenset({"shippingAddress"})
    assert opens((one, each), "GET", template, orderId="A/1") == frozenset(
        {"buyerInfo", "shippingAddress"}
    )
    assert opens((each,), "DELETE", template, orderId="A") is None
    assert opens((each,), "GET", ORDERS) is None
    # Parameters may have other names in the table than in a model.
    assert opens((), "GET", "/mfn/v0/shipments/{id}", id="1") is None
    assert opens((), "GET", template, orderId="1") == frozenset()
    assert opens((), "GET", "/orders/2026-01-01/orders/{orderId}", orderId="1") == frozenset()


def test_the_table_names_places_once() -> None:
    places = {(one.method, one.template) for one in restricted.RESTRICTED}
    assert len(places) == len(restricted.RESTRICTED) == 31
    for one in restricted.RESTRICTED:
        assert restricted.restricted_at(one.method, one.template) == (one, "{" in one.template)
