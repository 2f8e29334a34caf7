"""Access control over HTTP, line by line of Amazon's page
'resolve-common-http-and-authorization-error-codes' and of recorded calls: who is refused where,
with which status, code, message and details, and with which headers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from amazon_emulator.apis.operations import Denied, Operation
from amazon_emulator.asking import Asking
from amazon_emulator.faces.selling_partner_api.guards import admit
from amazon_emulator.faces.selling_partner_api.routes import Known
from tests.emulator.conftest import House

MISSING = "Access token is missing in the request header."
EXPIRED = "The access token you provided has expired."
INVALID = "The access token you provided is revoked, malformed or invalid."
WRONG_REGION = "The marketplaces you provided are not valid for region."
SECRET_EXPIRED = "The LWA secret token you provided has expired."
DENIED = ""

PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"
ACCOUNT = "/sellers/v1/account"
VENDOR_ORDERS = "/vendor/orders/v1/purchaseOrdersStatus"
CATALOG = "/catalog/2022-04-01/items/B000000001"
ORDERS = "/orders/2026-01-01/orders"
FEEDS = "/feeds/2021-06-30/feeds"
DOCUMENTS = "/feeds/2021-06-30/documents"
REPORTS = "/reports/2021-06-30/reports"
RESTRICTED = "/tokens/2021-03-01/restrictedDataToken"
DESTINATIONS = "/notifications/v1/destinations"
NOTIFICATIONS = "sellingpartnerapi::notifications"
ROTATION = "sellingpartnerapi::client_credential:rotation"

Case = Callable[[House], httpx2.Response]
CASES: dict[str, tuple[Case, str]] = {}


def case(details: str) -> Callable[[Case], Case]:
    """One line of the table: what is asked, and the details of the refusal."""

    def keep(ask: Case) -> Case:
        CASES[ask.__name__] = (ask, details)
        return ask

    return keep


def ask(
    house: House, method: str, path: str, token: str | None, region: str = "eu", **rest: Any
) -> httpx2.Response:
    headers = {} if token is None else {"x-amz-access-token": token}
    url = f"{house.amazon.addresses[region]}{path}"
    return house.http.request(method, url, headers=headers, **rest)


def grantless(house: House, scope: str) -> str:
    answer = house.lwa(grant_type="client_credentials", scope=scope)
    return str(answer.json()["access_token"])


# --- the access token -----------------------------------------------------------------------------


@case(MISSING)
def missing(house: House) -> httpx2.Response:
    return house.call(PARTICIPATIONS, None)


@case(MISSING)
def empty(house: House) -> httpx2.Response:
    return house.call(PARTICIPATIONS, "")


@case(MISSING)
def missing_at_an_unknown_path(house: House) -> httpx2.Response:
    return house.call("/nothing/v1/here", None)


@case(MISSING)
def in_the_wrong_header(house: House) -> httpx2.Response:
    token = house.access_token(house.seller())
    url = f"{house.amazon.addresses['eu']}{PARTICIPATIONS}"
    return house.http.get(url, headers={"authorization": f"Bearer {token}"})


@case(MISSING)
def missing_in_a_sandbox(house: House) -> httpx2.Response:
    return house.call(PARTICIPATIONS, None, "sandbox_eu")


@case(EXPIRED)
def an_hour_old(house: House) -> httpx2.Response:
    token = house.access_token(house.seller())
    house.amazon.levers.advance(3600)
    return house.call(PARTICIPATIONS, token)


@case(EXPIRED)
def an_hour_old_in_a_sandbox(house: House) -> httpx2.Response:
    token = house.access_token(house.seller())
    house.amazon.levers.advance(3600)
    return house.call(PARTICIPATIONS, token, "sandbox_na")


@case(EXPIRED)
def grantless_and_an_hour_old(house: House) -> httpx2.Response:
    token = grantless(house, NOTIFICATIONS)
    house.amazon.levers.advance(3600)
    return house.call(DESTINATIONS, token)


@case(INVALID)
def made_up(house: House) -> httpx2.Response:
    return house.call(PARTICIPATIONS, "Atza|emulated-made-up")


@case(INVALID)
def malformed(house: House) -> httpx2.Response:
    return house.call(PARTICIPATIONS, "a b\tc|<>")


@case(INVALID)
def cut_short(house: House) -> httpx2.Response:
    return house.call(PARTICIPATIONS, house.access_token(house.seller())[:-1])


@case(INVALID)
def a_refresh_token(house: House) -> httpx2.Response:
    return house.call(PARTICIPATIONS, house.grant(house.seller()))


@case(INVALID)
def revoked(house: House) -> httpx2.Response:
    seller = house.seller()
    token = house.access_token(seller)
    house.amazon.levers.revoke(seller["selling_partner_id"])
    return house.call(PARTICIPATIONS, token)


@case(INVALID)
def revoked_and_restricted(house: House) -> httpx2.Response:
    seller = house.seller()
    token = house.access_token(seller)
    path = "/orders/v0/orders/111-1111111-1111111/address"
    wish = {"restrictedResources": [{"method": "GET", "path": path}]}
    made = ask(house, "POST", RESTRICTED, token, json=wish).json()["restrictedDataToken"]
    house.amazon.levers.revoke(seller["selling_partner_id"])
    return house.call(path, made)


@case(INVALID)
def of_an_emulator_that_was_reset(house: House) -> httpx2.Response:
    token = house.access_token(house.seller())
    house.amazon.levers.reset()
    return house.call(PARTICIPATIONS, token)


@case(SECRET_EXPIRED)
def secret_expired(house: House) -> httpx2.Response:
    token = house.access_token(house.seller())
    house.amazon.levers.expire("secret", application_id=house.application_id)
    return house.call(PARTICIPATIONS, token)


@case(SECRET_EXPIRED)
def all_of_two_secrets_expired(house: House) -> httpx2.Response:
    token = house.access_token(house.seller())
    house.amazon.levers.pull("POST", f"/world/applications/{house.application_id}/rotate")
    for what in ("secret", "previous_secret"):
        house.amazon.levers.expire(what, application_id=house.application_id)
    return house.call(PARTICIPATIONS, token)


# --- the resource ---------------------------------------------------------------------------------


@case(DENIED)
def without_the_role(house: House) -> httpx2.Response:
    path = f"/world/applications/{house.application_id}"
    house.amazon.levers.pull("PATCH", path, {"roles": ["Pricing"]})
    return house.call(ACCOUNT, house.access_token(house.seller()))


@case(DENIED)
def role_added_after_the_grant(house: House) -> httpx2.Response:
    path = f"/world/applications/{house.application_id}"
    house.amazon.levers.pull("PATCH", path, {"roles": ["Pricing"]})
    token = house.access_token(house.seller())
    house.amazon.levers.pull("PATCH", path, {"roles": ["Pricing", "Finance and Accounting"]})
    return house.call(ACCOUNT, token)


@case(DENIED)
def vendor_at_the_sellers_api(house: House) -> httpx2.Response:
    return house.call(PARTICIPATIONS, house.access_token(house.vendor()))


@case(DENIED)
def seller_at_a_vendors_api(house: House) -> httpx2.Response:
    return house.call(VENDOR_ORDERS, house.access_token(house.seller()))


@case(DENIED)
def unknown_path(house: House) -> httpx2.Response:
    return house.call("/sellers/v1/nothing", house.access_token(house.seller()))


@case(DENIED)
def unknown_version(house: House) -> httpx2.Response:
    return house.call("/sellers/v9/account", house.access_token(house.seller()))


@case(DENIED)
def retired_version(house: House) -> httpx2.Response:
    return house.call("/feeds/2020-09-04/feeds", house.access_token(house.seller()))


@case(DENIED)
def unknown_method(house: House) -> httpx2.Response:
    return ask(house, "DELETE", PARTICIPATIONS, house.access_token(house.seller()))


@case(DENIED)
def method_that_nobody_has(house: House) -> httpx2.Response:
    return ask(house, "BREW", PARTICIPATIONS, house.access_token(house.seller()))


@case(DENIED)
def unknown_in_a_sandbox(house: House) -> httpx2.Response:
    return house.call("/sellers/v9/account", house.access_token(house.seller()), "sandbox_eu")


@case(DENIED)
def deactivated(house: House) -> httpx2.Response:
    seller = house.seller()
    token = house.access_token(seller)
    house.amazon.levers.change_partner(seller["selling_partner_id"], deactivated=True)
    return house.call(PARTICIPATIONS, token)


@case(DENIED)
def another_region(house: House) -> httpx2.Response:
    return house.call(PARTICIPATIONS, house.access_token(house.seller()), "na")


@case(DENIED)
def sandbox_operation_in_production(house: House) -> httpx2.Response:
    path = "/notifications/v1/subscriptions/ORDER_CHANGE/testNotification"
    return ask(house, "POST", path, grantless(house, NOTIFICATIONS), json={})


# --- marketplaces ---------------------------------------------------------------------------------


@case(WRONG_REGION)
def foreign_marketplace(house: House) -> httpx2.Response:
    token = house.access_token(house.seller())
    return house.call(CATALOG, token, marketplaceIds="ATVPDKIKX0DER")


@case(WRONG_REGION)
def one_foreign_marketplace_of_several(house: House) -> httpx2.Response:
    token = house.access_token(house.seller())
    return house.call(ORDERS, token, marketplaceIds="A1PA6795UKMFR9,A1VC38T7YXB528")


@case(WRONG_REGION)
def foreign_marketplace_of_a_feed(house: House) -> httpx2.Response:
    token = house.access_token(house.seller())
    made = ask(house, "POST", DOCUMENTS, token, json={"contentType": "text/xml; charset=UTF-8"})
    wish = {
        "feedType": "POST_ORDER_FULFILLMENT_DATA",
        "marketplaceIds": ["A1PA6795UKMFR9", "ATVPDKIKX0DER"],
        "inputFeedDocumentId": made.json()["feedDocumentId"],
    }
    return ask(house, "POST", FEEDS, token, json=wish)


@case(WRONG_REGION)
def foreign_marketplace_of_a_report(house: House) -> httpx2.Response:
    wish = {
        "reportType": "GET_MERCHANT_LISTINGS_ALL_DATA",
        "marketplaceIds": ["A1VC38T7YXB528"],
    }
    return ask(house, "POST", REPORTS, house.access_token(house.seller()), json=wish)


# --- grantless and restricted ---------------------------------------------------------------------


@case(DENIED)
def grantless_operation_with_a_partners_token(house: House) -> httpx2.Response:
    wish = {"name": "mine", "resourceSpecification": {}}
    return ask(house, "POST", DESTINATIONS, house.access_token(house.seller()), json=wish)


@case(DENIED)
def partners_operation_with_a_grantless_token(house: House) -> httpx2.Response:
    return house.call(PARTICIPATIONS, grantless(house, NOTIFICATIONS))


@case(DENIED)
def grantless_operation_with_another_scope(house: House) -> httpx2.Response:
    return house.call(DESTINATIONS, grantless(house, ROTATION))


@case(DENIED)
def restricted_operation_with_an_access_token(house: House) -> httpx2.Response:
    path = "/orders/v0/orders/111-1111111-1111111/address"
    return house.call(path, house.access_token(house.seller()))


@case(DENIED)
def restricted_data_token_for_something_else(house: House) -> httpx2.Response:
    token = house.access_token(house.seller())
    path = "/orders/v0/orders/111-1111111-1111111/address"
    wish = {"restrictedResources": [{"method": "GET", "path": path}]}
    made = ask(house, "POST", RESTRICTED, token, json=wish).json()["restrictedDataToken"]
    return house.call(PARTICIPATIONS, made)


@pytest.mark.parametrize("name", CASES)
def test_refusals_have_amazons_words_and_headers(house: House, name: str) -> None:
    ask_it, details = CASES[name]
    answer = ask_it(house)
    assert (answer.status_code, answer.json()) == (
        403,
        {
            "errors": [
                {
                    "code": "Unauthorized",
                    "message": "Access to requested resource is denied.",
                    "details": details,
                }
            ]
        },
    )
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert uuid.UUID(answer.headers["x-amzn-requestid"])
    assert "x-amzn-ratelimit-limit" not in answer.headers
    assert "retry-after" not in answer.headers


def test_a_refused_call_costs_nothing(house: House) -> None:
    token = house.access_token(house.seller())
    for _ in range(20):
        assert house.call(PARTICIPATIONS, token, "na").status_code == 403
        assert house.call(PARTICIPATIONS, token, marketplaceIds="ATVPDKIKX0DER").status_code == 403
    assert house.amazon.levers.pull("GET", "/limits")["items"] == []


def test_an_operation_with_scope_and_roles_takes_either_token(house: House) -> None:
    stage = house.amazon.stage
    either = Operation(
        "either", "GET", "/either", ("Pricing",), ("seller",), lambda call: {}, NOTIFICATIONS
    )
    known = Known("GET", "/either", "either", either)

    def admitted(token: str) -> bool:
        asking = Asking("GET", headers={"x-amz-access-token": token})
        try:
            admit(stage, "eu", asking, known, stage.world.access_tokens[token], False)
        except Denied:
            return False
        return True

    assert admitted(house.access_token(house.seller()))
    assert admitted(grantless(house, NOTIFICATIONS))
    assert not admitted(house.access_token(house.vendor()))
    assert not admitted(grantless(house, ROTATION))


def test_a_grantless_token_of_two_scopes_opens_both(house: House) -> None:
    token = grantless(house, f"{ROTATION} {NOTIFICATIONS}")
    assert house.call(DESTINATIONS, token).status_code == 200
    path = "/applications/2023-11-30/clientSecret"
    assert ask(house, "POST", path, token, json={}).status_code == 400, "not enrolled"


@pytest.mark.parametrize("status", [200, 400, 404, 429])
def test_request_ids_and_rate_limits_of_other_answers(house: House, status: int) -> None:
    token = house.access_token(house.seller())
    path = {200: PARTICIPATIONS, 400: ORDERS, 404: f"{FEEDS}/1", 429: PARTICIPATIONS}[status]
    if status == 429:
        house.amazon.levers.pull(
            "POST", "/limits/drain", {"operation": "getMarketplaceParticipations"}
        )
    answer = house.call(path, token)
    assert answer.status_code == status, answer.text
    assert uuid.UUID(answer.headers["x-amzn-requestid"])
    assert ("x-amzn-ratelimit-limit" in answer.headers) is (status != 429)
    assert ("x-amzn-errortype" in answer.headers) is (status != 200)
    if status == 429:
        assert answer.headers["x-amzn-errortype"] == "QuotaExceededException"
        words = "You exceeded your quota for the requested resource."
        assert answer.json() == {
            "errors": [{"code": "QuotaExceeded", "message": words, "details": ""}]
        }
        assert "retry-after" not in answer.headers


@pytest.mark.parametrize("face", ["eu", "sandbox_eu"])
def test_an_endless_user_agent_is_rejected(house: House, face: str) -> None:
    headers = {"x-amz-access-token": house.access_token(house.seller())}
    url = f"{house.amazon.addresses[face]}{PARTICIPATIONS}"
    for length, status in ((500, 200), (501, 400)):
        answer = house.http.get(url, headers={**headers, "user-agent": "x" * length})
        assert answer.status_code in (status, 501)
        if status == 400:
            assert answer.json()["errors"][0]["code"] == "InvalidInput"
