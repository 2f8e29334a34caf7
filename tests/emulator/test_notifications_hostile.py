"""Notifications under odd input; what one account, application or region knows of another's."""

from __future__ import annotations

from typing import Any

import pytest

from amazon_emulator.trade.queues import notices
from amazon_emulator.trade.queues.notices import Post
from tests.emulator.aws_desk import bodies
from tests.emulator.conftest import House
from tests.emulator.notices_desk import Desk
from tests.emulator.test_notifications import refusal


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


@pytest.mark.parametrize(
    "identifier",
    [
        *({"carrierTracking": None}, {"carrierTracking": "x"}, {"carrierTracking": {}}),
        *({"carrierTracking": {"carrierCode": "x"}}, {"id": ["x"]}, {"id": ""}, {"id": None}),
        {"carrierTracking": {"trackingNumber": "1", "carrierCode": 2}},
        {"carrierTracking": {"trackingNumber": "1", "more": "x"}},
    ],
)
def test_tracking_identifiers_are_read_before_they_are_kept(desk: Desk, identifier: Any) -> None:
    kind = "SHIPMENT_TRACKING_MILESTONE_CHANGED"
    event_filter = {"eventFilterType": kind, "trackingIdentifier": identifier}
    answer = desk.subscribe(kind, desk.to_queue(), "2026-01-30", eventFilter=event_filter)
    assert refusal(answer)[:2] == (400, "InvalidInput")


def test_a_carriers_number_filters(desk: Desk) -> None:
    kind = "SHIPMENT_TRACKING_MILESTONE_CHANGED"
    wanted = {"carrierTracking": {"trackingNumber": "1", "carrierCode": "EMU"}}
    event_filter = {"eventFilterType": kind, "trackingIdentifier": wanted}
    desk.subscribed(kind, desk.to_queue(), "2026-01-30", eventFilter=event_filter)
    for number in ("1", "2"):
        payload = {"tracking": {"trackingNumber": number, "carrierCode": "EMU"}}
        desk.tell(kind, payload, payload_version="2026-01-30")
    [message] = bodies(desk.amazon, "news")
    assert message["payload"]["tracking"]["trackingNumber"] == "1"


def test_a_deep_payload_arrives(desk: Desk) -> None:
    desk.subscribed("ACCOUNT_STATUS_CHANGED", desk.to_queue())
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"a": deep, "MarketplaceId": "A1PA6795UKMFR9"}
    desk.tell("ACCOUNT_STATUS_CHANGED", deep)
    desk.amazon.levers.pull("POST", "/queues/delay", {"seconds": 60})
    desk.tell("ACCOUNT_STATUS_CHANGED", deep)
    desk.amazon.levers.pull("GET", "/world")
    desk.amazon.levers.advance(61)
    assert len(bodies(desk.amazon, "news")) == 2


def test_pages_hold_while_subscriptions_come_and_go(desk: Desk) -> None:
    destination_id = desk.to_queue()
    ids = [
        desk.subscribed("ORDER_CHANGE", destination_id, filterExpression=f"a == {number}")
        for number in range(65)
    ]
    query: dict[str, Any] = {"notificationTypes": "ORDER_CHANGE", "pageSize": 30}
    first = desk.call("GET", "/subscriptions", token=desk.token, **query).json()["payload"]
    seen = [one["subscriptionId"] for one in first["subscriptions"]]
    for gone in seen[:10]:
        answer = desk.call("DELETE", f"/subscriptions/ORDER_CHANGE/{gone}")
        assert answer.status_code == 200
    query["nextToken"] = first["nextToken"]
    second = desk.call("GET", "/subscriptions", token=desk.token, **query).json()["payload"]
    seen += [one["subscriptionId"] for one in second["subscriptions"]]
    query["nextToken"] = second["nextToken"]
    third = desk.call("GET", "/subscriptions", token=desk.token, **query).json()["payload"]
    seen += [one["subscriptionId"] for one in third["subscriptions"]]
    assert sorted(seen) == sorted(ids)
    # The mark is sealed, and of its own account.
    seller = desk.house.seller()
    other = desk.house.access_token(seller)
    assert desk.call("GET", "/subscriptions", token=other, **query).status_code == 400
    query["nextToken"] = query["nextToken"][:-4] + "AAAA"
    assert desk.call("GET", "/subscriptions", token=desk.token, **query).status_code == 400


def test_a_partners_token_reads_and_ends_its_own_subscriptions_alone(desk: Desk) -> None:
    """Programs of the field send it where Amazon's model wants a grantless one."""
    mine = desk.subscribed("ORDER_CHANGE", desk.to_queue())
    path = f"/subscriptions/ORDER_CHANGE/{mine}"
    other = desk.house.access_token(desk.house.seller())
    for method in ("GET", "DELETE"):
        assert desk.call(method, path, token=other).status_code == 404
    assert desk.call("GET", path, token=desk.token).status_code == 200
    assert desk.call("GET", path, token=desk.grantless).status_code == 200
    assert desk.call("DELETE", path, token=desk.token, region="na").status_code == 403
    assert desk.call("DELETE", path, token=desk.token).status_code == 200
    assert desk.call("GET", path).status_code == 404


def test_two_applications_and_two_regions_know_nothing_of_each_other(desk: Desk) -> None:
    destination_id = desk.to_queue()
    mine = desk.subscribed("ORDER_CHANGE", destination_id)
    made = desk.amazon.levers.application("Other")
    form = {
        "grant_type": "client_credentials",
        "scope": "sellingpartnerapi::notifications",
        "client_id": made["lwa_client_id"],
        "client_secret": made["lwa_client_secret"],
    }
    url = f"{desk.amazon.addresses['lwa']}/auth/o2/token"
    other = desk.house.http.post(url, data=form).json()["access_token"]
    for token, region in ((other, "eu"), (desk.grantless, "na"), (desk.grantless, "fe")):
        found = desk.call("GET", "/destinations", token=token, region=region)
        assert found.json()["payload"] == []
        for method, path in (
            ("GET", f"/destinations/{destination_id}"),
            ("DELETE", f"/destinations/{destination_id}"),
            ("GET", f"/subscriptions/ORDER_CHANGE/{mine}"),
            ("DELETE", f"/subscriptions/ORDER_CHANGE/{mine}"),
        ):
            assert desk.call(method, path, token=token, region=region).status_code == 404
    desk.tell("ORDER_CHANGE", {"x": 1})
    assert len(bodies(desk.amazon, "news")) == 1


def test_what_is_held_back_for_a_subscription_that_ended_is_not_sent(desk: Desk) -> None:
    settings = {"aggregationTimePeriod": "FiveMinutes"}
    event_filter = {"eventFilterType": "ANY_OFFER_CHANGED", "aggregationSettings": settings}
    made = desk.subscribed("ANY_OFFER_CHANGED", desk.to_queue(), eventFilter=event_filter)
    for _ in range(2):
        desk.tell("ANY_OFFER_CHANGED", {"ASIN": "B0EMU"})
    assert desk.call("DELETE", f"/subscriptions/ANY_OFFER_CHANGED/{made}").status_code == 200
    desk.amazon.levers.advance(600)
    assert len(bodies(desk.amazon, "news")) == 1


def test_periods_that_are_over_are_forgotten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "QUIET_KEPT", 5)
    settings = {"aggregationTimePeriod": "FiveMinutes"}
    event_filter = {"eventFilterType": "ANY_OFFER_CHANGED", "aggregationSettings": settings}
    desk.subscribed("ANY_OFFER_CHANGED", desk.to_queue(), eventFilter=event_filter)
    for number in range(12):
        desk.tell("ANY_OFFER_CHANGED", {"ASIN": f"B0EMU{number}"})
        desk.amazon.levers.advance(100)
    assert len(desk.amazon.stage.of(Post).quiet_until) <= 6
