"""What feeds, reports, orders and listings tell arrives in queues as Amazon's schemas have it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.emulator import feeds_desk
from tests.emulator.aws_desk import bodies
from tests.emulator.conftest import House
from tests.emulator.notices_desk import Desk


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


def check(models: Path, schema: str, body: Any) -> None:
    folder = models.parent / "schemas" / "notifications"
    whole = json.loads((folder / f"{schema}.json").read_text())
    # One schema wants a name that its own example and Amazon's pages do not have.
    whole["properties"].get("NotificationType", {}).pop("enum", None)
    jsonschema_rs.Draft7Validator(whole).validate(body)


def test_a_feed(desk: Desk, models: Path) -> None:
    desk.subscribed("FEED_PROCESSING_FINISHED", desk.to_queue())
    program = feeds_desk.Desk(desk.house, desk.partner, desk.token)
    feed_id = program.create(inputFeedDocumentId=program.uploaded()).json()["feedId"]
    desk.amazon.levers.advance(7200)
    [body] = bodies(desk.amazon, "news")
    check(models, "FeedProcessingFinishedNotification", body)
    assert body["payload"]["feedProcessingFinishedNotification"]["feedId"] == feed_id


def test_a_report(desk: Desk, models: Path) -> None:
    desk.subscribed("REPORT_PROCESSING_FINISHED", desk.to_queue())
    program = feeds_desk.Desk(desk.house, desk.partner, desk.token)
    asked = {
        "reportType": "GET_MERCHANT_LISTINGS_ALL_DATA",
        "marketplaceIds": [feeds_desk.DE],
    }
    report_id = program.call("POST", feeds_desk.REPORTS, asked).json()["reportId"]
    desk.amazon.levers.advance(7200)
    [body] = bodies(desk.amazon, "news")
    check(models, "ReportProcessingFinishedNotification", body)
    assert body["payload"]["reportProcessingFinishedNotification"]["reportId"] == report_id


def test_an_order(desk: Desk, models: Path) -> None:
    desk.subscribed("ORDER_CHANGE", desk.to_queue())
    wish = {"selling_partner_id": desk.partner["selling_partner_id"]}
    desk.amazon.levers.pull("POST", "/orders", wish)
    desk.amazon.levers.advance(7200)
    found = bodies(desk.amazon, "news")
    assert found
    for body in found:
        check(models, "OrderChangeNotification", body)


def test_a_listing(desk: Desk, models: Path) -> None:
    schemas = {
        "LISTINGS_ITEM_STATUS_CHANGE": "ListingsItemStatusChangeNotification",
        "LISTINGS_ITEM_MFN_QUANTITY_CHANGE": "ListingsItemMfnQuantityChange",
    }
    destination_id = desk.to_queue()
    for kind in schemas:
        desk.subscribed(kind, destination_id)
    partner_id = desk.partner["selling_partner_id"]
    wish = {"selling_partner_id": partner_id, "sku": "MUG-1", "stock": 3}
    desk.amazon.levers.pull("POST", "/world/listings", wish)
    program = feeds_desk.Desk(desk.house, desk.partner, desk.token)
    change = {
        "productType": "PRODUCT",
        "patches": [
            {
                "op": "replace",
                "path": "/attributes/fulfillment_availability",
                "value": [{"fulfillment_channel_code": "DEFAULT", "quantity": 0}],
            }
        ],
    }
    path = f"/listings/2021-08-01/items/{partner_id}/MUG-1"
    answer = program.call("PATCH", path, change, marketplaceIds=feeds_desk.DE)
    assert answer.json()["status"] == "ACCEPTED", answer.text
    desk.amazon.levers.advance(7200)
    found = bodies(desk.amazon, "news")
    assert {body["NotificationType"] for body in found} == set(schemas)
    for body in found:
        check(models, schemas[body["NotificationType"]], body)
