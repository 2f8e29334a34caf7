"""Amazon's own `amzn-sp-api` for Python at work, with nothing but addresses changed.

Every chapter is an errand of a seller's or vendor's software. Each runs at an emulator that is not
gentle, and all of them in one world, where the APIs that were called are counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.emulator.conftest import House
from tests.emulator.sdk_desk import (
    BEARABLE,
    DE,
    VENDOR_CODE,
    Account,
    Json,
    breaks,
    called,
    open_queue,
    package,
    quiet,
    refund_feed,
    stock_and_price,
    told,
)
from tests.emulator.sdk_official_desk import Kit, direct_fulfillment, purchase_orders, sandbox

pytestmark = BEARABLE

NOTIFICATIONS = "sellingpartnerapi::notifications"
ROTATION = "sellingpartnerapi::client_credential:rotation"


# --- chapters of a seller -------------------------------------------------------------------------


def sellers(kit: Kit) -> None:
    api = kit.spapi.SellersApi(kit.client())
    rows = api.get_marketplace_participations().payload
    assert [row.marketplace.country_code for row in rows] == ["DE", "FR"]
    assert all(row.participation.is_participating for row in rows)
    account = api.get_account().payload
    assert account.business.name
    assert account.marketplace_participation_list[0].marketplace.id == DE


def stock_and_price_by_feed(kit: Kit) -> None:
    kit.account.levers.listings(kit.account.id, sku="LAMP-1", stock=3, price=19.90)
    content = stock_and_price(kit.account.id, "LAMP-1", 41)
    client = kit.client()
    report = json.loads(kit.feed(client, "JSON_LISTINGS_FEED", content, "application/json"))
    assert report["summary"]["messagesProcessed"] == 2
    assert report["summary"]["messagesInvalid"] == 1
    assert {issue["messageId"] for issue in report["issues"]} == {2}
    item = kit.spapi.ListingsApi(client).get_listings_item(
        kit.account.id, "LAMP-1", [DE], included_data=["offers", "fulfillmentAvailability"]
    )
    assert item.fulfillment_availability[0].quantity == 41
    assert float(item.offers[0].price.amount) == 24.9


def listings(kit: Kit) -> None:
    kit.account.levers.listings(kit.account.id, sku="SHADE 1/2", stock=3, price=9.90)
    api = kit.spapi.ListingsApi(kit.client())
    models = kit.models("listings_items_v2021_08_01")
    stock = [{"fulfillment_channel_code": "DEFAULT", "quantity": 8}]
    patch = models.PatchOperation(
        op="replace", path="/attributes/fulfillment_availability", value=stock
    )
    body = models.ListingsItemPatchRequest(product_type="PRODUCT", patches=[patch])
    answer = api.patch_listings_item(kit.account.id, "SHADE 1/2", [DE], body)
    assert (answer.sku, answer.status, answer.issues) == ("SHADE 1/2", "ACCEPTED", [])
    kit.account.wait()
    item = api.get_listings_item(
        kit.account.id, "SHADE 1/2", [DE], included_data=["fulfillmentAvailability", "summaries"]
    )
    assert item.fulfillment_availability[0].quantity == 8
    assert item.summaries[0].marketplace_id == DE
    with pytest.raises(kit.spapi.ApiException) as refused:
        api.get_listings_item(kit.account.id, "NOBODY", [DE])
    assert refused.value.status == 404
    found = api.search_listings_items(kit.account.id, [DE], page_size=20)
    assert "SHADE 1/2" in [item.sku for item in found.items]


def catalogue(kit: Kit) -> None:
    [made] = kit.account.levers.listings(kit.account.id, sku="BULB-1", stock=3, price=4.90)
    asin = kit.account.listing("BULB-1")["asin"]
    api = kit.spapi.CatalogApi(kit.client())
    item = api.get_catalog_item(asin, [DE], included_data=["summaries"])
    assert (made["sku"], item.asin) == ("BULB-1", asin)
    found = api.search_catalog_items(
        [DE], identifiers=["BULB-1"], identifiers_type="SKU", seller_id=kit.account.id
    )
    assert [item.asin for item in found.items] == [asin]


def refunds(kit: Kit) -> None:
    [order] = kit.account.levers.orders(
        kit.account.id, status="SHIPPED", age_seconds=9 * 86400, items=[{"sku": "A", "price": "20"}]
    )
    kit.account.pull("PATCH", "/orders/habits", {"finances_lag_hours": 0})
    content = refund_feed(kit.account.id, order, "7.50")
    client = kit.client()
    report = kit.feed(client, "POST_PAYMENT_ADJUSTMENT_DATA", content, "text/xml; charset=UTF-8")
    summary = ElementTree.fromstring(report).find("Message/ProcessingReport/ProcessingSummary")
    assert summary is not None
    assert summary.findtext("MessagesSuccessful") == "1"
    answer = kit.spapi.FinancesV2024Api(client).list_transactions(
        related_identifier_name="ORDER_ID", related_identifier_value=order["order_id"]
    )
    sums = {
        row.transaction_type: float(row.total_amount.currency_amount)
        for row in answer.payload.transactions
    }
    assert sums == {"Shipment": float(order["total"]), "Refund": -7.5}
    money = kit.spapi.FinancesV0Api(client)
    groups = money.list_financial_event_groups(
        financial_event_group_started_after=kit.account.ago(days=60)
    )
    # Of all groups, as the refund may stand in one that closed just now.
    booked = [
        one.amazon_order_id
        for group in groups.payload.financial_event_group_list
        for one in money.list_financial_events_by_group_id(
            group.financial_event_group_id
        ).payload.financial_events.refund_event_list
        or ()
    ]
    assert booked == [order["order_id"]]
    events = money.list_financial_events_by_order_id(order["order_id"])
    [refund] = events.payload.financial_events.refund_event_list
    [adjusted] = refund.shipment_item_adjustment_list
    assert [charge.charge_amount.currency_amount for charge in adjusted.item_charge_adjustment_list]
    assert adjusted.seller_sku == "A"


def orders(kit: Kit) -> None:
    made = kit.account.levers.orders(
        kit.account.id, count=5, age_seconds=3600, items=[{"sku": "A", "quantity": 2}]
    )
    client = kit.client()
    search = kit.spapi.SearchOrdersApi(client)
    since = kit.account.ago(days=1)
    found: list[str] = []
    mark: Json = {}
    while True:
        page = search.search_orders(
            created_after=since,
            marketplace_ids=[DE],
            fulfillment_statuses=["UNSHIPPED"],
            max_results_per_page=2,
            **mark,
        )
        found += [order.order_id for order in page.orders]
        if page.pagination is None or not page.pagination.next_token:
            break
        mark = {"pagination_token": page.pagination.next_token}
    assert sorted(found) == sorted(order["order_id"] for order in made)
    one = kit.spapi.GetOrderApi(client).get_order(found[0], included_data=["PROCEEDS"]).order
    assert one.order_id == found[0]
    assert [item.quantity_ordered for item in one.order_items] == [2]


def orders_v0_with_personal_data(kit: Kit) -> None:
    [order] = kit.account.levers.orders(kit.account.id, age_seconds=3600)
    client = kit.client()
    number = order["order_id"]
    bare = kit.spapi.OrdersV0Api(client).get_order(number).payload
    assert bare.amazon_order_id == number
    path = f"/orders/v0/orders/{number}"
    personal = kit.restricted(client, "GET", path, "buyerInfo", "shippingAddress")
    full = kit.spapi.OrdersV0Api(personal).get_order(number).payload
    assert (bare.buyer_info and bare.buyer_info.buyer_name) is None
    assert full.buyer_info.buyer_name
    assert full.shipping_address.address_line1
    items = kit.spapi.OrdersV0Api(client).get_order_items(number).payload
    assert [item.order_item_id for item in items.order_items] == [
        item["order_item_id"] for item in order["items"]
    ]
    with pytest.raises(kit.spapi.ApiException) as refused:
        kit.spapi.OrdersV0Api(personal).get_orders([DE], created_after="2026-01-01T00:00:00Z")
    assert refused.value.status == 403


def shipping(kit: Kit) -> None:
    [order] = kit.account.levers.orders(kit.account.id, items=[{"sku": "A", "quantity": 2}])
    models = kit.models("orders_v0")
    detail = package(order)
    lines = [
        models.ConfirmShipmentOrderItem(
            order_item_id=line["orderItemId"], quantity=line["quantity"]
        )
        for line in detail["orderItems"]
    ]
    body = models.ConfirmShipmentRequest(
        marketplace_id=DE,
        package_detail=models.PackageDetail(
            package_reference_id="1",
            carrier_code="DHL",
            tracking_number="TRACK1",
            ship_date=kit.account.ago(),
            order_items=lines,
        ),
    )
    kit.spapi.OrdersV0Api(kit.client()).confirm_shipment(order["order_id"], body)
    seen = kit.account.order(order["order_id"])
    assert seen["status"] == "SHIPPED"
    assert seen["packages"][0]["tracking_number"] == "TRACK1"


def reports(kit: Kit) -> None:
    kit.account.levers.listings(kit.account.id, sku="CORD-1", stock=12, price=6.00)
    client = kit.client()
    api = kit.spapi.ReportsApi(client)
    models = kit.models("reports_v2021_06_30")
    wish = models.CreateReportSpecification(
        report_type="GET_FLAT_FILE_OPEN_LISTINGS_DATA", marketplace_ids=[DE]
    )
    report_id = api.create_report(wish).report_id
    kit.account.wait()
    report = api.get_report(report_id)
    assert report.processing_status == "DONE"
    document = api.get_report_document(report.report_document_id)
    lines = kit.account.download(document.url, document.compression_algorithm).splitlines()
    assert lines[0].split("\t")[0] == "sku"
    assert "CORD-1" in [line.split("\t")[0] for line in lines[1:]]
    found = api.get_reports(report_types=["GET_FLAT_FILE_OPEN_LISTINGS_DATA"]).reports
    assert [known.report_id for known in found] == [report_id]


def notifications(kit: Kit) -> None:
    arn, read = open_queue(kit.account, "news")
    models = kit.models("notifications_v1")
    grantless = kit.spapi.NotificationsApi(kit.client(scope=NOTIFICATIONS))
    wish = models.CreateDestinationRequest(
        name="news",
        resource_specification=models.DestinationResourceSpecification(
            sqs=models.SqsResource(arn=arn)
        ),
    )
    destination = grantless.create_destination(wish).payload
    assert destination.resource.sqs.arn == arn
    assert [row.name for row in grantless.get_destinations().payload] == ["news"]
    client = kit.client()
    api = kit.spapi.NotificationsApi(client)
    body = models.CreateSubscriptionRequest(
        payload_version="1.0", destination_id=destination.destination_id
    )
    made = api.create_subscription("FEED_PROCESSING_FINISHED", body).payload
    assert made.subscription_id
    again = api.get_subscription("FEED_PROCESSING_FINISHED").payload
    assert again.subscription_id == made.subscription_id
    kit.account.levers.listings(kit.account.id, sku="PLUG-1", stock=3, price=1.90)
    content = stock_and_price(kit.account.id, "PLUG-1", 2)
    kit.feed(client, "JSON_LISTINGS_FEED", content, "application/json")
    [message] = read()
    assert message["notificationType"] == "FEED_PROCESSING_FINISHED"
    payload = message["payload"]["feedProcessingFinishedNotification"]
    assert (payload["sellerId"], payload["processingStatus"]) == (kit.account.id, "DONE")
    grantless.delete_subscription_by_id(made.subscription_id, "FEED_PROCESSING_FINISHED")
    grantless.delete_destination(destination.destination_id)
    assert grantless.get_destinations().payload == []


def listings_come_and_go(kit: Kit) -> None:
    api = kit.spapi.ListingsApi(kit.client())
    models = kit.models("listings_items_v2021_08_01")
    attributes = {
        "item_name": [{"value": "A lamp", "language_tag": "de_DE", "marketplace_id": DE}],
        "condition_type": [{"value": "new_new", "marketplace_id": DE}],
        "fulfillment_availability": [{"fulfillment_channel_code": "DEFAULT", "quantity": 5}],
    }
    body = models.ListingsItemPutRequest(product_type="LAMP", attributes=attributes)
    assert api.put_listings_item(kit.account.id, "LAMP-9", [DE], body).status == "ACCEPTED"
    kit.account.wait()
    item = api.get_listings_item(kit.account.id, "LAMP-9", [DE], included_data=["attributes"])
    assert item.attributes["item_name"][0]["value"] == "A lamp"
    assert api.delete_listings_item(kit.account.id, "LAMP-9", [DE]).status == "ACCEPTED"
    kit.account.wait()
    with pytest.raises(kit.spapi.ApiException) as refused:
        api.get_listings_item(kit.account.id, "LAMP-9", [DE])
    assert refused.value.status == 404


def report_schedules(kit: Kit) -> None:
    api = kit.spapi.ReportsApi(kit.client())
    kind = "GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE"
    body = kit.models("reports_v2021_06_30").CreateReportScheduleSpecification(
        report_type=kind, marketplace_ids=[DE], period="PT15M"
    )
    number = api.create_report_schedule(body).report_schedule_id
    known = api.get_report_schedule(number)
    assert (known.report_type, known.period) == (kind, "PT15M")
    assert known.next_report_creation_time > kit.account.ago()
    kit.account.levers.advance(16 * 60)
    assert api.get_reports(report_types=[kind]).reports[0].report_schedule_id == number
    api.cancel_report_schedule(number)
    assert api.get_report_schedules([kind]).report_schedules == []


def rotation(kit: Kit) -> None:
    arn, read = open_queue(kit.account, "new-secret")
    path = f"/world/applications/{kit.account.house.application_id}/rotation-queues"
    kit.account.pull("PUT", path, {"new_secret_queue_arn": arn})
    client = kit.client(scope=ROTATION)
    kit.spapi.ApplicationsApi(client).rotate_application_client_secret()
    [message] = read()
    fresh = message["payload"]["applicationOAuthClientNewSecret"]["newClientSecret"]
    before = kit.account.house.application["lwa_client_secret"]
    assert fresh != before
    kit.account.house.application["lwa_client_secret"] = fresh
    try:
        sellers(kit)
    finally:
        kit.account.house.application["lwa_client_secret"] = before


Chapter = Callable[[Kit], None]
SELLER: tuple[Chapter, ...] = (
    sellers,
    stock_and_price_by_feed,
    listings,
    catalogue,
    refunds,
    orders,
    orders_v0_with_personal_data,
    shipping,
    reports,
    report_schedules,
    listings_come_and_go,
    notifications,
    rotation,
)
VENDOR: tuple[Chapter, ...] = (purchase_orders, direct_fulfillment)


def seller_of(house: House) -> Kit:
    return Kit(Account(house, house.seller(marketplaces=["DE", "FR"])))


def vendor_of(house: House) -> Kit:
    return Kit(Account(house, house.vendor(vendor_codes=[VENDOR_CODE])))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield


@pytest.mark.parametrize("chapter", SELLER + VENDOR, ids=lambda chapter: chapter.__name__)
def test_at_an_odd_amazon(house: House, chapter: Chapter) -> None:
    house.amazon.levers.habits(gentle=False)
    chapter(vendor_of(house) if chapter in VENDOR else seller_of(house))


def test_many_apis_are_played(house: House) -> None:
    """All errands in one world, with or without Amazon's models."""
    shop, mill = seller_of(house), vendor_of(house)
    for chapter in SELLER:
        chapter(shop)
    for chapter in VENDOR:
        chapter(mill)
    apis = called(house.amazon)
    print(told("amzn-sp-api", apis))
    assert len(apis) >= 17
    # It sends `{}` with every call that has no body, and keeps to the models in all else.
    words = set().union(*breaks(house.amazon).values())
    assert all(each.endswith("takes no body") for each in words), words


def test_others_are_canned(house: House, models: Path) -> None:
    house.amazon.levers.contract("off")  # one of Amazon's canned answers breaks Amazon's model
    try:
        sandbox(Kit(Account(house, house.seller(home="US"))))
    finally:
        house.amazon.levers.contract("report")
    apis = called(house.amazon)
    print(told("amzn-sp-api in the sandbox", apis))
    assert len(apis) >= 7
