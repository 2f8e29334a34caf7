"""Notifications: destinations, subscriptions, filters, envelopes, and what becomes on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest

from amazon_emulator.apis import notifications, operations
from amazon_emulator.apis.operations import Call, Denied
from amazon_emulator.asking import Asking
from amazon_emulator.stage import Stage
from amazon_emulator.trade.queues.notices import Post
from amazon_emulator.trade.queues.notification_types import TYPES
from amazon_emulator.trade.queues.subscriptions import Subscriptions
from tests.emulator.aws_desk import Waiting, bodies, program, receive
from tests.emulator.conftest import House
from tests.emulator.notices_desk import Desk

MODEL = "notifications-api-model/notifications.json"
DE, FR, US = "A1PA6795UKMFR9", "A13V1IB3VIYZZH", "ATVPDKIKX0DER"


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


def refusal(answer: httpx2.Response) -> tuple[int, str, str]:
    [error] = answer.json()["errors"]
    return answer.status_code, error["code"], error["details"]


def order_change(marketplace: str = DE, kind: str = "OrderStatusChange") -> dict[str, Any]:
    return {
        "OrderChangeNotification": {
            "OrderChangeType": kind,
            "Summary": {"MarketplaceId": marketplace, "OrderStatus": "Unshipped"},
        }
    }


def offer_change(asin: str, price: int = 1, marketplace: str = DE) -> dict[str, Any]:
    trigger = {"MarketplaceId": marketplace, "ASIN": asin}
    return {"AnyOfferChangedNotification": {"OfferChangeTrigger": trigger, "Price": price}}


# --- destinations ---------------------------------------------------------------------------------


def check_shape(models: Path, definition: str, body: Any) -> None:
    definitions = json.loads((models / MODEL).read_text())["definitions"]
    schema = {"$ref": f"#/definitions/{definition}", "definitions": definitions}
    jsonschema_rs.Draft4Validator(schema).validate(body)


def test_a_destination_comes_and_goes(desk: Desk, models: Path) -> None:
    arn = desk.queue()
    made = desk.destination(arn)
    check_shape(models, "CreateDestinationResponse", made.json())
    payload = made.json()["payload"]
    assert payload["resource"] == {"sqs": {"arn": arn}}
    path = f"/destinations/{payload['destinationId']}"
    assert desk.call("GET", path).json() == {"payload": payload}
    assert desk.call("GET", "/destinations").json() == {"payload": [payload]}
    assert desk.call("GET", path, region="na").status_code == 404
    assert desk.call("DELETE", path).json() == {}
    assert refusal(desk.call("GET", path))[:2] == (404, "NotFound")
    assert desk.call("GET", "/destinations").json() == {"payload": []}


def test_destinations_are_unique(desk: Desk) -> None:
    arn = desk.queue()
    desk.destination(arn)
    application_id = desk.house.application_id
    words = f"A destination with arn {arn} already exists for the application {application_id}"
    assert refusal(desk.destination(arn, "other")) == (409, "Conflict", words)
    words = f"A destination with name mine already exists for the application {application_id}"
    assert refusal(desk.destination(desk.queue("q2"))) == (409, "Conflict", words)
    assert desk.destination(arn, region="na").status_code == 200


def test_a_queue_that_amazon_cannot_use(desk: Desk) -> None:
    shut = desk.queue("shut", open_to_amazon=False)
    assert "does not allow 437568002678" in refusal(desk.destination(shut))[2]
    assert "FIFO" in refusal(desk.destination(desk.queue("a.fifo")))[2]
    assert "no queue" in refusal(desk.destination(shut.replace("shut", "none")))[2]
    for arn in ("news", "arn:aws:sns:eu-west-1:1:q", ""):
        assert refusal(desk.destination(arn))[:2] == (400, "InvalidInput")
    bodies_that_fail: tuple[Any, ...] = (
        {"name": "x"},
        {"name": "", "resourceSpecification": {"sqs": {"arn": desk.queue()}}},
        {"name": "x", "resourceSpecification": {}},
        {"name": "x", "resourceSpecification": {"sqs": {}, "eventBridge": {"region": "r"}}},
        {"name": "x", "resourceSpecification": {"eventBridge": {"region": "r"}}},
        [],
    )
    for body in bodies_that_fail:
        assert desk.call("POST", "/destinations", body).status_code == 400, body


def test_destinations_are_grantless_and_subscriptions_are_not(desk: Desk) -> None:
    assert desk.call("GET", "/destinations", token=desk.token).status_code == 403
    assert desk.call("GET", "/subscriptions/ORDER_CHANGE").status_code == 403
    lwa = desk.house.lwa(
        grant_type="client_credentials", scope="sellingpartnerapi::client_credential:rotation"
    )
    other = lwa.json()["access_token"]
    assert desk.call("GET", "/destinations", token=other).status_code == 403


# --- subscriptions --------------------------------------------------------------------------------


def test_a_subscription_comes_and_goes(desk: Desk, models: Path) -> None:
    destination_id = desk.to_queue()
    made = desk.subscribe("ORDER_CHANGE", destination_id)
    check_shape(models, "CreateSubscriptionResponse", made.json())
    payload = made.json()["payload"]
    assert payload["destinationId"] == destination_id
    path = f"/subscriptions/ORDER_CHANGE/{payload['subscriptionId']}"
    assert desk.call("GET", path).json() == {"payload": payload}
    of_type = "/subscriptions/ORDER_CHANGE"
    assert desk.call("GET", of_type, token=desk.token).json() == {"payload": payload}
    assert desk.call("GET", of_type, token=desk.token, payloadVersion="9").status_code == 404
    wrong = path.replace("ORDER_CHANGE", "PRICING_HEALTH")
    assert desk.call("GET", wrong).status_code == 404
    words = "Subscription already exist for notification type ORDER_CHANGE"
    assert refusal(desk.subscribe("ORDER_CHANGE", destination_id)) == (409, "StateConflict", words)
    in_use = desk.call("DELETE", f"/destinations/{destination_id}")
    assert refusal(in_use) == (403, "Unauthorized", "Destination has subscriptions")
    assert desk.call("DELETE", path).json() == {}
    assert refusal(desk.call("DELETE", path))[:2] == (404, "NotFound")
    assert desk.call("DELETE", f"/destinations/{destination_id}").status_code == 200


def test_wrong_subscriptions(desk: Desk) -> None:
    destination_id = desk.to_queue()
    words = f"No destination with id 'none' for applicationId '{desk.house.application_id}'"
    assert refusal(desk.subscribe("ORDER_CHANGE", "none")) == (400, "InvalidInput", words)
    for kind in ("NOTHING", "APPLICATION_OAUTH_CLIENT_NEW_SECRET"):
        assert refusal(desk.subscribe(kind, destination_id))[0] == 400
    assert refusal(desk.subscribe("ORDER_CHANGE", destination_id, "7.0"))[0] == 400
    order = {"eventFilterType": "ORDER_CHANGE"}
    directives: tuple[dict[str, Any], ...] = (
        {"eventFilter": order, "filterExpression": "a == 1"},
        {"filterExpression": "a +"},
        {"filterExpression": "a" * 257},
        {"filterExpression": 1},
        {"eventFilter": {}},
        {"eventFilter": {"eventFilterType": "ANY_OFFER_CHANGED"}},
        {"eventFilter": {**order, "orderChangeTypes": ["Other"]}},
        {"eventFilter": {**order, "marketplaceIds": DE}},
        {"eventFilter": {**order, "aggregationSettings": {}}},
        {"other": {}},
    )
    for directive in directives:
        answer = desk.subscribe("ORDER_CHANGE", destination_id, **directive)
        assert refusal(answer)[:2] == (400, "InvalidInput"), directive
    offer = {"eventFilterType": "ANY_OFFER_CHANGED", "aggregationSettings": {"x": 1}}
    assert desk.subscribe("ANY_OFFER_CHANGED", destination_id, eventFilter=offer).status_code == 400


def test_the_latest_version_and_pages(desk: Desk, models: Path) -> None:
    destination_id = desk.to_queue()
    kind = "LISTINGS_ITEM_ISSUES_CHANGE"
    for version in ("2023-12-13", "1.0"):
        desk.subscribed(kind, destination_id, version)
    latest = desk.call("GET", f"/subscriptions/{kind}", token=desk.token).json()["payload"]
    assert latest["payloadVersion"] == "2023-12-13"
    for number in range(61):
        desk.subscribed("ORDER_CHANGE", destination_id, filterExpression=f"a == {number}")
    got: list[str] = []
    query: dict[str, Any] = {"notificationTypes": "ORDER_CHANGE", "pageSize": 30}
    sizes = []
    while True:
        answer = desk.call("GET", "/subscriptions", token=desk.token, **query)
        check_shape(models, "GetSubscriptionsResponse", answer.json())
        page = answer.json()["payload"]
        sizes.append(len(page["subscriptions"]))
        got += [one["subscriptionId"] for one in page["subscriptions"]]
        if "nextToken" not in page:
            break
        query["nextToken"] = page["nextToken"]
    assert sizes == [30, 30, 1]
    assert len(set(got)) == 61
    for wrong in (
        {**query, "notificationTypes": kind},
        {**query, "nextToken": "x"},
        {"notificationTypes": "ORDER_CHANGE", "pageSize": 29},
        {"notificationTypes": "ORDER_CHANGE,PRICING_HEALTH"},
        {},
    ):
        assert desk.call("GET", "/subscriptions", token=desk.token, **wrong).status_code == 400


# --- what arrives ---------------------------------------------------------------------------------


def test_an_envelope_in_both_cases(desk: Desk) -> None:
    destination_id = desk.to_queue()
    upper = desk.subscribed("ORDER_CHANGE", destination_id)
    lower = desk.subscribed("FEED_PROCESSING_FINISHED", destination_id)
    desk.tell("ORDER_CHANGE", order_change())
    desk.tell("FEED_PROCESSING_FINISHED", {"feed": 1}, payload_version="2020-09-04")
    order, feed = bodies(desk.amazon, "news")
    assert list(order) == [
        *("NotificationVersion", "NotificationType", "PayloadVersion", "EventTime", "Payload"),
        "NotificationMetadata",
    ]
    assert order["NotificationType"] == "ORDER_CHANGE"
    assert order["PayloadVersion"] == "1.0"
    assert order["Payload"] == order_change()
    metadata = order["NotificationMetadata"]
    assert metadata["ApplicationId"] == desk.house.application_id
    assert metadata["SubscriptionId"] == upper
    assert metadata["PublishTime"] == order["EventTime"]
    assert feed["notificationVersion"] == feed["payloadVersion"] == "2020-09-04"
    assert feed["payload"] == {"feed": 1}
    assert feed["notificationMetadata"]["subscriptionId"] == lower
    assert feed["notificationMetadata"]["notificationId"] != metadata["NotificationId"]


def test_every_schema_of_amazons_is_met(models: Path) -> None:
    """The case and the versions of each envelope are those of the schema's own example."""
    seen = 0
    for path in sorted((models.parent / "schemas" / "notifications").glob("*.json")):
        for example in json.loads(path.read_text()).get("examples") or []:
            keys = {key.lower(): value for key, value in example.items()}
            kind = TYPES[keys["notificationtype"]]
            assert kind.lower == ("notificationType" in example), path.name
            assert kind.version == keys["notificationversion"], path.name
            assert keys["payloadversion"] in kind.payloads, path.name
            seen += 1
    assert seen > 20


def test_only_the_subscribed_are_told(desk: Desk) -> None:
    destination_id = desk.to_queue()
    desk.subscribed("ORDER_CHANGE", destination_id)
    levers = desk.amazon.levers
    stranger = desk.house.seller()
    wish = {"notification_type": "ORDER_CHANGE", "payload": order_change()}
    levers.pull(
        "POST", "/notifications", {**wish, "selling_partner_id": stranger["selling_partner_id"]}
    )
    desk.tell("PRICING_HEALTH", {})
    desk.tell("ORDER_CHANGE", order_change(US))  # another region
    assert bodies(desk.amazon, "news") == []
    other = levers.application("Other")
    desk.tell("ORDER_CHANGE", order_change(), application_id=other["application_id"])
    assert bodies(desk.amazon, "news") == []
    desk.tell("ORDER_CHANGE", order_change(), application_id=desk.house.application_id)
    assert len(bodies(desk.amazon, "news")) == 1
    levers.revoke(desk.partner["selling_partner_id"])
    desk.tell("ORDER_CHANGE", order_change())
    assert len(bodies(desk.amazon, "news")) == 1


def test_versions_of_payloads_go_to_who_wants_them(desk: Desk) -> None:
    destination_id = desk.to_queue()
    kind = "LISTINGS_ITEM_ISSUES_CHANGE"
    desk.subscribed(kind, destination_id, "2023-12-13")
    desk.tell(kind, {"v": 1})
    desk.tell(kind, {"v": 2}, payload_version="2023-12-13")
    assert [body["Payload"] for body in bodies(desk.amazon, "news")] == [{"v": 2}]


def test_event_filters(desk: Desk) -> None:
    destination_id = desk.to_queue()
    event_filter = {
        "eventFilterType": "ORDER_CHANGE",
        "marketplaceIds": [DE],
        "orderChangeTypes": ["BuyerRequestedChange"],
    }
    made = desk.subscribe("ORDER_CHANGE", destination_id, eventFilter=event_filter)
    assert made.json()["payload"]["processingDirective"] == {"eventFilter": event_filter}
    wanted = order_change(DE, "BuyerRequestedChange")
    for payload in (order_change(DE), order_change(FR, "BuyerRequestedChange"), wanted):
        desk.tell("ORDER_CHANGE", payload)
    assert [body["Payload"] for body in bodies(desk.amazon, "news")] == [wanted]


def test_filter_expressions(desk: Desk) -> None:
    destination_id = desk.to_queue()
    words = "OrderChangeNotification.Summary.MarketplaceId in ['%s'] && !(a.b == 1 || false)"
    desk.subscribed("ORDER_CHANGE", destination_id, filterExpression=words % FR)
    desk.subscribed(
        "ORDER_CHANGE",
        destination_id,
        filterExpression='OrderChangeNotification.OrderChangeType.startsWith("Buyer")',
    )
    desk.tell("ORDER_CHANGE", {**order_change(FR), "a": {"b": 2}})
    desk.tell("ORDER_CHANGE", order_change(FR))  # a.b is not there
    desk.tell("ORDER_CHANGE", order_change(DE, "BuyerRequestedChange"))
    assert len(bodies(desk.amazon, "news")) == 2


def test_an_aggregation_sends_the_first_and_the_last(desk: Desk) -> None:
    event_filter = {
        "eventFilterType": "ANY_OFFER_CHANGED",
        "aggregationSettings": {"aggregationTimePeriod": "FiveMinutes"},
    }
    desk.subscribed("ANY_OFFER_CHANGED", desk.to_queue(), eventFilter=event_filter)

    def prices() -> list[int]:
        found = bodies(desk.amazon, "news")
        return [body["Payload"]["AnyOfferChangedNotification"]["Price"] for body in found]

    for price in range(50):
        desk.tell("ANY_OFFER_CHANGED", offer_change("B0A", price))
    desk.tell("ANY_OFFER_CHANGED", offer_change("B0B", 100))
    assert prices() == [0, 100]
    desk.amazon.levers.advance(301)
    assert prices() == [0, 100, 49]
    desk.amazon.levers.advance(301)
    desk.tell("ANY_OFFER_CHANGED", offer_change("B0A", 7))
    assert prices() == [0, 100, 49, 7]


def test_event_bridge_is_seen_in_the_history_only(desk: Desk, models: Path) -> None:
    bridge = {"region": "eu-west-1", "accountId": "111122223333"}
    body = {"name": "bus", "resourceSpecification": {"eventBridge": bridge}}
    made = desk.call("POST", "/destinations", body)
    check_shape(models, "CreateDestinationResponse", made.json())
    again = desk.call("POST", "/destinations", {**body, "name": "bus 2"})
    assert refusal(again)[:2] == (409, "Conflict")
    desk.subscribed("ORDER_CHANGE", made.json()["payload"]["destinationId"])
    desk.tell("ORDER_CHANGE", order_change())
    [asked] = desk.amazon.levers.history(kind="notification.ORDER_CHANGE")
    source = made.json()["payload"]["resource"]["eventBridge"]["name"]
    assert (asked["path"], asked["status"]) == (source, 200)
    assert asked["partner"] == desk.partner["selling_partner_id"]


# --- on the way -----------------------------------------------------------------------------------


def test_delayed_lost_and_doubled(desk: Desk) -> None:
    desk.subscribed("ORDER_CHANGE", desk.to_queue())
    pull = desk.amazon.levers.pull
    pull("POST", "/queues/delay", {"seconds": 600})
    pull("POST", "/queues/lose", {"times": 1})
    pull("POST", "/queues/duplicate", {})
    kinds = ("OrderStatusChange", "BuyerRequestedChange", "DeliveryTipChange")
    for kind in kinds:
        desk.tell("ORDER_CHANGE", order_change(DE, kind))
    desk.amazon.levers.advance(590)
    assert bodies(desk.amazon, "news") == []
    desk.amazon.levers.advance(20)
    found = bodies(desk.amazon, "news")
    told = [body["Payload"]["OrderChangeNotification"]["OrderChangeType"] for body in found]
    assert told == [kinds[1], kinds[1], kinds[2]]
    ids = [body["NotificationMetadata"]["NotificationId"] for body in found]
    assert ids[0] == ids[1] != ids[2]
    for body in found:
        assert body["NotificationMetadata"]["PublishTime"] > body["EventTime"]
    lost = desk.amazon.levers.history(kind="notification", error="lost")
    assert len(lost) == 1
    pull("POST", "/queues/delay", {"seconds": 0})
    desk.tell("ORDER_CHANGE", order_change())
    assert len(bodies(desk.amazon, "news")) == 4


def test_a_policy_taken_back_stops_delivery(desk: Desk) -> None:
    desk.subscribed("ORDER_CHANGE", desk.to_queue())
    desk.amazon.levers.pull("PATCH", "/queues/news", {"attributes": {"Policy": ""}})
    desk.tell("ORDER_CHANGE", order_change())
    assert bodies(desk.amazon, "news") == []
    [asked] = desk.amazon.levers.history(kind="notification.ORDER_CHANGE")
    assert asked["status"] == 403
    assert "does not allow" in asked["error"]


def test_a_delayed_notification_wakes_who_waits(desk: Desk) -> None:
    desk.subscribed("ORDER_CHANGE", desk.to_queue())
    amazon = desk.amazon
    reader = program(amazon, desk.house.http)
    url = f"{amazon.addresses['aws']}/111122223333/news"
    amazon.levers.pull("POST", "/queues/delay", {"seconds": 3600})
    desk.tell("ORDER_CHANGE", order_change())
    waiting = Waiting(amazon, lambda: receive(reader, url, WaitTimeSeconds=20))
    amazon.levers.advance(3599)
    [message] = waiting.answer()
    assert message["Attributes"]["SenderId"] == "437568002678"


def test_the_world_keeps_what_was_subscribed(desk: Desk) -> None:
    destination_id = desk.to_queue()
    desk.subscribed("ORDER_CHANGE", destination_id, filterExpression="a == 1")
    desk.amazon.levers.pull("POST", "/queues/delay", {"seconds": 60})
    desk.tell("ORDER_CHANGE", {"a": 1})
    stage = desk.amazon.stage
    other = Stage.fresh(gentle=True, seed=0, start=None)
    kinds: tuple[type[Subscriptions | Post], ...] = (Subscriptions, Post)
    for kind in kinds:
        content = json.loads(json.dumps(stage.of(kind).as_json()))
        other.of(kind).load(other, content)
        assert other.of(kind).as_json() == content
    assert other.agenda.next_at is not None
    for content, words in (
        ({}, "'destinations' is missing"),
        ({"destinations": [], "subscriptions": [{}]}, r"subscriptions\[0\]"),
    ):
        with pytest.raises(ValueError, match=words):
            Subscriptions().load(other, content)


# --- test notifications ---------------------------------------------------------------------------


def test_test_notifications_are_for_the_sandbox(desk: Desk) -> None:
    destination_id = desk.to_queue()
    test = {"payloadVersion": "1.0", "testScenario": "OrderStatusChange"}
    body = {"destinationId": destination_id, "testNotification": test}
    path = "/subscriptions/ORDER_CHANGE/testNotification"
    assert desk.call("POST", path, body).status_code == 403

    stage = desk.amazon.stage
    token = stage.world.access_tokens[desk.grantless]

    def send(given: Any) -> Any:
        asking = Asking(
            "POST", {"notificationType": "ORDER_CHANGE"}, body=json.dumps(given).encode()
        )
        [operation] = notifications.SANDBOX_OPERATIONS
        return operation.answer(Call(stage, "eu", stage.clock.now(), token, asking))

    assert send(body) == {}
    [message] = bodies(desk.amazon, "news")
    assert message["NotificationType"] == "ORDER_CHANGE"
    for wrong in (
        {**body, "destinationId": "none"},
        {**body, "testNotification": {"payloadVersion": "1.0"}},
        {**body, "testNotification": {"testScenario": "x"}},
    ):
        with pytest.raises(Denied) as denied:
            send(wrong)
        assert denied.value.status == 400
    assert operations.error_answer(denied.value).status_code == 400


def test_a_test_notification_by_the_sandbox_endpoint(desk: Desk, models: Path) -> None:
    destination_id = desk.to_queue()
    test = {"payloadVersion": "1.0", "testScenario": "OrderStatusChange"}
    body = {"destinationId": destination_id, "testNotification": test}
    path = "/subscriptions/ORDER_CHANGE/testNotification"
    answer = desk.call("POST", path, body, region="sandbox_eu")
    assert (answer.status_code, answer.json()) == (200, {}), answer.text
    assert [one["NotificationType"] for one in bodies(desk.amazon, "news")] == ["ORDER_CHANGE"]
    # A destination of another region is none here.
    assert desk.call("POST", path, body, region="sandbox_na").status_code == 400
