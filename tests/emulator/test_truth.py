"""The page docs/emulator.md held against the emulator: its form, its names, and claims of its table
that no other test of this shelf proves."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from amazon_emulator import apis, faces
from amazon_emulator.apis.played import OPERATIONS
from amazon_emulator.limits.plans import packaged
from amazon_emulator.trade.orders.feeds_errands import REASON_CODES
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import DE, FEED_DOCUMENTS, FEEDS, FR, ORDERS_XML, US, Desk
from tests.emulator.notices_desk import Desk as Subscriber
from tests.emulator.orders_desk import (
    ORDERS_2026,
    OrdersDesk,
    envelope,
    orders_desk,
    read_report,
)

PAGE = Path(__file__).parents[2] / "docs" / "emulator.md"
COLUMNS = ["area", "faithful", "approximated", "not there", "known from"]
VERBS = (
    *("cancel", "confirm", "create", "delete", "generate", "get", "list", "patch", "put"),
    *("rotate", "search", "send", "submit", "update", "Get", "Submit"),
)
NAMED = re.compile(rf"\b(?:{'|'.join(VERBS)})[A-Z][A-Za-z]+\b")
PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"
ACCOUNT = "/sellers/v1/account"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


# --- the page -------------------------------------------------------------------------------------


def test_there_is_one_table_with_these_columns(page: str) -> None:
    lines = page.splitlines()
    rules = [number for number, line in enumerate(lines) if re.fullmatch(r"\|(-+\|)+", line)]
    assert len(rules) == 1
    assert _cells(lines[rules[0] - 1]) == COLUMNS
    rows = _rows(page)
    assert len(rows) > 40
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert all(row[0] and row[-1] for row in rows), "an area without a name or a source"
    assert all(any(row[1:-1]) for row in rows), "a row that tells nothing"


def test_every_api_and_every_face_has_its_place(page: str) -> None:
    areas = " ".join(row[0] for row in _rows(page))
    modules = {
        name
        for name in (module.name for module in pkgutil.iter_modules(apis.__path__))
        if name not in ("played", "operations")
        and hasattr(importlib.import_module(f"{apis.__name__}.{name}"), "OPERATIONS")
    }
    assert len(modules) > 15
    modules |= {module.name for module in pkgutil.iter_modules(faces.__path__)}
    assert {name for name in modules if f"`{name}`" not in areas} == set()


def test_every_operation_that_is_named_exists(page: str) -> None:
    known = {one.name for one in OPERATIONS} | {one.name for one in packaged().values()}
    named = set(NAMED.findall(page))
    assert len(named) > 15
    assert named - known == set()


def _rows(page: str) -> list[list[str]]:
    lines = [line for line in page.splitlines() if line.startswith("|")]
    return [_cells(line) for line in lines[2:]]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


# --- calls ----------------------------------------------------------------------------------------


def test_signatures_are_ignored(house: House) -> None:
    token = house.access_token(house.seller())
    signed = house.http.get(
        f"{house.amazon.addresses['eu']}{PARTICIPATIONS}",
        headers={
            "x-amz-access-token": token,
            "authorization": "AWS4-HMAC-SHA256 Credential=mine/20261121/eu-west-1/execute-api/"
            "aws4_request, SignedHeaders=host, Signature=00",
        },
    )
    assert signed.status_code == 200
    assert house.call(PARTICIPATIONS, token).json() == signed.json()


def test_the_rate_header_comes_with_404_and_not_with_403_or_429(house: House) -> None:
    desk = Desk.of(house)
    missing = desk.call("GET", f"{FEEDS}/1")
    assert (missing.status_code, missing.headers["x-amzn-ratelimit-limit"]) == (404, "2.0")
    denied = house.call(PARTICIPATIONS, desk.token, region="na")
    house.amazon.levers.pull("POST", "/limits/drain", {"operation": "getFeed"})
    refused = desk.call("GET", f"{FEEDS}/1")
    assert [denied.status_code, refused.status_code] == [403, 429]
    assert not any("x-amzn-ratelimit-limit" in one.headers for one in (denied, refused))
    assert "retry-after" not in refused.headers


def test_a_call_that_is_refused_spends_nothing(house: House) -> None:
    token = house.access_token(house.seller())
    codes = [house.call(PARTICIPATIONS, token).status_code for _ in range(30)]
    assert codes.count(200) == 15
    house.amazon.levers.advance(62.5)  # one call in 62.5 seconds
    codes = [house.call(PARTICIPATIONS, token).status_code for _ in range(2)]
    assert codes == [200, 429]


def test_five_in_five_minutes_refill_evenly(house: House) -> None:
    desk = Desk.of(house)
    documents = [desk.uploaded(b"{}", "application/json") for _ in range(12)]

    def submit() -> int:
        answer = desk.create("JSON_LISTINGS_FEED", inputFeedDocumentId=documents.pop())
        return answer.status_code

    assert [submit() for _ in range(6)] == [202] * 5 + [429]
    through = 5
    for _minute in range(4):
        desk.advance(61)
        through += submit() == 202
    assert through == 9


def test_the_sales_report_counts_each_region_by_itself(house: House) -> None:
    seller = house.seller(marketplaces=["DE", "US"])
    here, there = Desk.of(house, seller), Desk.of(house, seller, "na")
    kind = "GET_SALES_AND_TRAFFIC_REPORT"
    assert [here.ask(kind).status_code for _ in range(5)] == [202] * 4 + [429]
    assert there.ask(kind, marketplaceIds=[US]).status_code == 202


# --- authorizations -------------------------------------------------------------------------------


def test_a_second_self_authorization_leaves_the_first_alive(house: House) -> None:
    seller = house.seller()
    first, second = house.grant(seller), house.grant(seller)
    assert first != second
    assert [house.refresh(one).status_code for one in (first, second)] == [200, 200]


def test_refresh_tokens_outlive_a_rotation_of_the_secret(house: House) -> None:
    refresh_token = house.grant(house.seller())
    fresh = house.amazon.levers.rotate(house.application_id)["lwa_client_secret"]
    assert house.refresh(refresh_token).status_code == 200  # the secret before, for seven days
    assert house.refresh(refresh_token, client_secret=fresh).status_code == 200
    house.amazon.levers.advance(7 * 24 * 3600)
    assert house.refresh(refresh_token).json()["error"] == "invalid_client"
    assert house.refresh(refresh_token, client_secret=fresh).status_code == 200


def test_an_authorization_that_ended_leaves_its_access_tokens_their_hour(house: House) -> None:
    seller = house.seller()
    refresh_token = house.grant(seller)
    token = house.refresh(refresh_token).json()["access_token"]
    house.amazon.levers.pull(
        "POST", "/expire", {"what": "grant", "selling_partner_id": seller["selling_partner_id"]}
    )
    assert house.refresh(refresh_token).json()["error"] == "invalid_grant"
    assert house.call(PARTICIPATIONS, token).status_code == 200
    house.amazon.levers.advance(3600)
    assert house.call(PARTICIPATIONS, token).status_code == 403


# --- sellers --------------------------------------------------------------------------------------


def test_there_are_23_stores_and_britain_is_gb(house: House) -> None:
    codes = (
        *("CA", "US", "MX", "BR", "IE", "ES", "UK", "FR", "BE", "NL", "DE", "IT", "SE", "ZA"),
        *("PL", "EG", "TR", "SA", "AE", "IN", "SG", "AU", "JP"),
    )
    seller = house.seller(marketplaces=list(codes))
    found: list[str] = []
    for region in ("na", "eu", "fe"):
        token = house.access_token(seller, region=region)
        rows = house.call(PARTICIPATIONS, token, region=region).json()["payload"]
        found += [row["marketplace"]["countryCode"] for row in rows]
    assert sorted(found) == sorted({*codes, "GB"} - {"UK"})
    assert len(found) == 23


def test_no_answer_of_sellers_names_the_seller(house: House) -> None:
    seller = house.seller()
    token = house.access_token(seller)
    answers = [house.call(path, token) for path in (PARTICIPATIONS, ACCOUNT)]
    assert [one.status_code for one in answers] == [200, 200]
    assert not any(seller["selling_partner_id"] in one.text for one in answers)


# --- documents and feeds --------------------------------------------------------------------------


def test_a_download_gives_all_and_only_to_get(house: House) -> None:
    desk = Desk.of(house)
    desk.pace(0, 0)
    feed = desk.get(desk.feed())
    document = desk.call("GET", f"{FEED_DOCUMENTS}/{feed['resultFeedDocumentId']}").json()
    whole = house.http.get(document["url"])
    part = house.http.get(document["url"], headers={"range": "bytes=0-3"})
    assert (part.status_code, part.content) == (200, whole.content)
    assert house.http.head(document["url"]).status_code == 403


def test_a_feed_whose_answer_was_lost_is_found(house: House) -> None:
    desk = Desk.of(house)
    document_id = desk.uploaded()
    house.amazon.levers.pull(
        "POST", "/spapi/fail", {"mode": "drop_after", "times": 1, "operation": "createFeed"}
    )
    with pytest.raises(httpx2.RemoteProtocolError):
        desk.create(inputFeedDocumentId=document_id)
    (found,) = desk.call("GET", FEEDS, feedTypes=ORDERS_XML).json()["feeds"]
    assert found["processingStatus"] in ("IN_QUEUE", "IN_PROGRESS", "DONE")


def test_feeds_take_stores_in_which_a_seller_does_not_participate(house: House) -> None:
    desk = Desk.of(house, house.seller(marketplaces=["DE"]))
    assert desk.create(marketplaceIds=[FR]).status_code == 202
    assert desk.create(marketplaceIds=[US]).status_code == 403


def test_feeds_are_shown_to_every_application_of_a_partner(house: House) -> None:
    desk = Desk.of(house)
    feed_id = desk.feed()
    other = House(house.amazon, house.http, house.amazon.levers.application("Other"))
    assert Desk.of(other, desk.partner).get(feed_id)["feedId"] == feed_id
    stranger = Desk.of(other)
    assert stranger.call("GET", f"{FEEDS}/{feed_id}").status_code == 404


# --- orders and money -----------------------------------------------------------------------------


@pytest.fixture
def shop(house: House) -> OrdersDesk:
    desk = orders_desk(house)
    desk.lever("PUT", "/limits", {"enforced": False})
    desk.pace(0, 0)
    return desk


def refund(desk: OrdersDesk, order: dict[str, Any], **amounts: str) -> list[str]:
    """Sends a refund; gives the codes of what was wrong."""
    components = "".join(
        f'<Component><Type>{name}</Type><Amount currency="{order["currency"]}">{amount}</Amount>'
        "</Component>"
        for name, amount in amounts.items()
    )
    message = (
        f"<AmazonOrderID>{order['order_id']}</AmazonOrderID><AdjustedItem><AmazonOrderItemCode>"
        f"{order['items'][0]['order_item_id']}</AmazonOrderItemCode><AdjustmentReason>"
        "CustomerReturn</AdjustmentReason><ItemPriceAdjustments>"
        f"{components}</ItemPriceAdjustments></AdjustedItem>"
    )
    document_id = desk.uploaded(envelope("OrderAdjustment", message).encode())
    feed_id = desk.feed(
        "POST_PAYMENT_ADJUSTMENT_DATA",
        inputFeedDocumentId=document_id,
        marketplaceIds=[order["marketplace_id"]],
    )
    return read_report(desk.result(feed_id)).codes


def test_the_same_refund_twice_is_two_refunds_and_finances_tell(shop: OrdersDesk) -> None:
    order = shop.make(status="SHIPPED", items=[{"sku": "A", "price": "20.00"}])
    assert [refund(shop, order, Principal="5.00") for _ in range(2)] == [[], []]
    events = shop.get_json(f"/finances/v0/orders/{order['order_id']}/financialEvents")["payload"]
    assert len(events["FinancialEvents"]["RefundEventList"]) == 2

    def listed() -> int:
        answer = shop.get_json(
            "/finances/2024-06-19/transactions",
            relatedIdentifierName="ORDER_ID",
            relatedIdentifierValue=order["order_id"],
        )
        kinds = [one["transactionType"] for one in answer["payload"]["transactions"]]
        return kinds.count("Refund")

    assert listed() == 0
    shop.advance(48 * 3600 + 60)
    shop.token = shop.house.access_token(shop.partner)
    assert listed() == 2


def test_tax_is_given_back_apart_but_not_in_japan(house: House) -> None:
    refused = [REASON_CODES["tax_not_eligible"]]
    for home, region, tax, codes in (("DE", "eu", {"tax": "180"}, []), ("JP", "fe", {}, refused)):
        seller = house.seller(home=home)
        desk = OrdersDesk(house, seller, house.access_token(seller, region=region), region)
        desk.pace(0, 0)
        order = desk.make(status="SHIPPED", items=[{"sku": "A", "price": "2000", **tax}])
        assert refund(desk, order, Principal="100", Tax="10") == codes
        assert refund(desk, order, Principal="110") == []


def test_cancel_order_of_2026_is_not_there(shop: OrdersDesk) -> None:
    order = shop.make()
    answer = shop.call(
        "PUT",
        f"{ORDERS_2026}/{order['order_id']}/cancellation",
        {"cancelReasonCode": "NO_INVENTORY"},
    )
    assert answer.status_code == 403
    assert shop.seen(order)["status"] == "UNSHIPPED"


def test_orders_older_than_two_years_are_gone(shop: OrdersDesk) -> None:
    old, young = (shop.make(age_seconds=days * 86_400) for days in (740, 720))
    assert shop.call("GET", f"{ORDERS_2026}/{old['order_id']}").status_code == 404
    assert shop.call("GET", f"{ORDERS_2026}/{young['order_id']}").status_code == 200


def test_the_end_of_one_search_is_the_start_of_the_next(shop: OrdersDesk) -> None:
    def search(since: str) -> tuple[set[str], str]:
        answer = shop.get_json(ORDERS_2026, createdAfter=since)  # all stores
        return {one["orderId"] for one in answer["orders"]}, answer["createdBefore"]

    first = {one["order_id"] for place in ("DE", "FR") for one in shop.makes(marketplace=place)}
    shop.advance(180)
    found, until = search("2026-01-01T00:00:00Z")
    assert found == first
    second = {shop.make()["order_id"]}
    shop.advance(180)
    assert search(until)[0] == second


def test_order_change_tells_nothing_personal_and_in_its_own_case(house: House) -> None:
    desk = Subscriber.of(house)
    destination_id = desk.to_queue()
    desk.subscribed("ORDER_CHANGE", destination_id)
    desk.subscribed("FEED_PROCESSING_FINISHED", destination_id, "2020-09-04")
    order_desk = OrdersDesk(house, desk.partner, desk.token)
    order_desk.pace(0, 0)
    order = order_desk.make(notify=True)
    order_desk.feed()
    shown = order_desk.get_json(
        f"{ORDERS_2026}/{order['order_id']}", includedData="BUYER,RECIPIENT"
    )
    address = shown["order"]["recipient"]["deliveryAddress"]
    texts = [
        message["body"]
        for message in desk.amazon.levers.pull("GET", "/queues/news/messages")["items"]
    ]
    bodies = [json.loads(text) for text in texts]
    kinds = {one.get("NotificationType") or one["notificationType"]: one for one in bodies}
    assert "Payload" in kinds["ORDER_CHANGE"]
    assert "payload" in kinds["FEED_PROCESSING_FINISHED"]
    personal = [shown["order"]["buyer"]["buyerName"], address["addressLine1"], address["phone"]]
    assert not any(words in text for words in personal for text in texts)


def test_a_shipment_is_confirmed_under_its_store_with_any_carrier(shop: OrdersDesk) -> None:
    order = shop.make(marketplace="DE")
    item = order["items"][0]
    package = {
        "packageReferenceId": "1",
        "carrierCode": "A carrier that nobody knows",
        "trackingNumber": "T1",
        "shipDate": "2026-11-21T10:00:00Z",
        "orderItems": [{"orderItemId": item["order_item_id"], "quantity": item["quantity"]}],
    }
    path = f"/orders/v0/orders/{order['order_id']}/shipmentConfirmation"
    wrong = shop.call("POST", path, {"marketplaceId": FR, "packageDetail": package})
    assert wrong.status_code == 400
    right = shop.call("POST", path, {"marketplaceId": DE, "packageDetail": package})
    assert right.status_code == 204
