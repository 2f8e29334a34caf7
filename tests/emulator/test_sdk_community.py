"""The community's `python-amazon-sp-api` at work, with nothing but addresses changed.

Every chapter is an errand of a seller's or vendor's software. Each runs at an emulator that is not
gentle, and all of them in one world, where the APIs that were called are counted.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import sp_api.api as kit_apis
from sp_api.auth import AccessTokenClient
from sp_api.base.exceptions import SellingApiForbiddenException, SellingApiNotFoundException
from sp_api.util import load_all_pages

from tests.emulator.conftest import House
from tests.emulator.sdk_desk import (
    BEARABLE,
    DE,
    US,
    VENDOR_CODE,
    Account,
    Json,
    acknowledgement,
    breaks,
    called,
    direct_acknowledgement,
    direct_stock,
    label_wish,
    open_queue,
    package,
    quiet,
    refund_feed,
    shipment_confirmation,
    stock_and_price,
    told,
    vendor_invoice,
)

pytestmark = BEARABLE


@dataclass(frozen=True)
class Kit:
    """The SDK, for one account; ``refresh_token``: one for all of its clients, which are kept
    because making one takes long: each reads the certificates of the world twice."""

    account: Account
    refresh_token: str
    face: str = "eu"
    marketplace_id: str = DE
    clients: dict[str, Any] = field(default_factory=dict)

    def api(self, name: str, **wishes: Any) -> Any:
        """One of the SDK's clients."""
        key = f"{name} {wishes}"
        if key not in self.clients:
            self.clients[key] = self._made(name, **wishes)
        return self.clients[key]

    def _made(self, name: str, **wishes: Any) -> Any:
        addresses = self.account.amazon.addresses

        class EmulatedLogin(AccessTokenClient):  # type: ignore[misc]
            scheme = "http://"
            host = urlsplit(addresses["lwa"]).netloc

        client = self.account.house.client
        return getattr(kit_apis, name)(
            marketplace=SimpleNamespace(
                endpoint=addresses[self.face],
                marketplace_id=self.marketplace_id,
                region="eu-west-1",
            ),
            refresh_token=self.refresh_token,
            credentials={
                "lwa_app_id": client["client_id"],
                "lwa_client_secret": client["client_secret"],
            },
            auth_token_client_class=EmulatedLogin,
            **wishes,
        )

    def restricted(self, method: str, path: str, *data: str) -> str:
        """A restricted data token for one operation."""
        resource: Json = {"method": method, "path": path}
        if data:
            resource["dataElements"] = list(data)
        answer = self.api("Tokens").create_restricted_data_token(restrictedResources=[resource])
        return str(answer.payload["restrictedDataToken"])

    def feed(self, feed_type: str, content: str, content_type: str) -> str:
        """Submits a feed, waits for it, and gives its report."""
        api = self.api("Feeds")
        document, feed = api.submit_feed(
            feed_type, io.BytesIO(content.encode()), content_type, marketplaceIds=[DE]
        )
        assert document.payload["feedDocumentId"]
        feed_id = feed.payload["feedId"]
        assert api.get_feed(feed_id).payload["processingStatus"] in ("IN_QUEUE", "IN_PROGRESS")
        self.account.wait()
        ended = api.get_feed(feed_id).payload
        assert (ended["processingStatus"], ended["feedType"]) == ("DONE", feed_type)
        listed = api.get_feeds(feedTypes=feed_type).payload["feeds"]
        assert listed[0]["feedId"] == feed_id
        report: str = api.get_feed_document(ended["resultFeedDocumentId"])
        return report


# --- chapters of a seller -------------------------------------------------------------------------


def sellers(kit: Kit) -> None:
    api = kit.api("Sellers")
    rows = api.get_marketplace_participation().payload
    assert [row["marketplace"]["countryCode"] for row in rows] == ["DE", "FR"]
    account = api.get_account().payload
    assert account["marketplaceParticipationList"][0]["marketplace"]["id"] == DE


def stock_and_price_by_feed(kit: Kit) -> None:
    kit.account.levers.listings(kit.account.id, sku="LAMP-1", stock=3, price=19.90)
    content = stock_and_price(kit.account.id, "LAMP-1", 41)
    report = json.loads(kit.feed("JSON_LISTINGS_FEED", content, "application/json"))
    assert report["summary"]["messagesProcessed"] == 2
    assert {issue["messageId"] for issue in report["issues"]} == {2}
    item = kit.api("ListingsItems").get_listings_item(
        kit.account.id, "LAMP-1", includedData="offers,fulfillmentAvailability"
    )
    assert item.payload["fulfillmentAvailability"][0]["quantity"] == 41
    assert float(item.payload["offers"][0]["price"]["amount"]) == 24.9


def listings(kit: Kit) -> None:
    kit.account.levers.listings(kit.account.id, sku="SHADE-1", stock=3, price=9.90)
    api = kit.api("ListingsItems")
    stock = [{"fulfillment_channel_code": "DEFAULT", "quantity": 8}]
    patch = {"op": "replace", "path": "/attributes/fulfillment_availability", "value": stock}
    answer = api.patch_listings_item(
        kit.account.id, "SHADE-1", body={"productType": "PRODUCT", "patches": [patch]}
    )
    assert (answer.payload["sku"], answer.payload["status"]) == ("SHADE-1", "ACCEPTED")
    kit.account.wait()
    item = api.get_listings_item(
        kit.account.id, "SHADE-1", includedData=["fulfillmentAvailability", "summaries"]
    )
    assert item.payload["fulfillmentAvailability"][0]["quantity"] == 8
    assert item.payload["summaries"][0]["marketplaceId"] == DE
    with pytest.raises(SellingApiNotFoundException):
        api.get_listings_item(kit.account.id, "NOBODY")
    found = api.search_listings_items(kit.account.id, pageSize=20).payload["items"]
    assert "SHADE-1" in [item["sku"] for item in found]


def catalogue(kit: Kit) -> None:
    kit.account.levers.listings(kit.account.id, sku="BULB-1", stock=3, price=4.90)
    asin = kit.account.listing("BULB-1")["asin"]
    api = kit.api("CatalogItems", version="2022-04-01")
    item = api.get_catalog_item(asin, includedData=["summaries", "identifiers"]).payload
    assert item["asin"] == asin
    assert item["summaries"][0]["marketplaceId"] == DE
    found = api.search_catalog_items(
        identifiers="BULB-1", identifiersType="SKU", sellerId=kit.account.id
    )
    assert [item["asin"] for item in found.payload["items"]] == [asin]


def refunds(kit: Kit) -> None:
    [order] = kit.account.levers.orders(
        kit.account.id, status="SHIPPED", age_seconds=9 * 86400, items=[{"sku": "A", "price": "20"}]
    )
    kit.account.pull("PATCH", "/orders/habits", {"finances_lag_hours": 0})
    content = refund_feed(kit.account.id, order, "7.50")
    report = kit.feed("POST_PAYMENT_ADJUSTMENT_DATA", content, "text/xml; charset=UTF-8")
    summary = ElementTree.fromstring(report).find("Message/ProcessingReport/ProcessingSummary")
    assert summary is not None
    assert summary.findtext("MessagesSuccessful") == "1"
    events = kit.api("Finances", version="v0").get_financial_events_for_order(order["order_id"])
    [refund] = events.payload["FinancialEvents"]["RefundEventList"]
    [adjusted] = refund["ShipmentItemAdjustmentList"]
    assert adjusted["SellerSKU"] == "A"
    answer = kit.api("Finances", version="2024-06-19").list_transactions(
        relatedIdentifierName="ORDER_ID", relatedIdentifierValue=order["order_id"]
    )
    sums = {
        row["transactionType"]: float(row["totalAmount"]["currencyAmount"])
        for row in answer.payload["transactions"]
    }
    assert sums == {"Shipment": float(order["total"]), "Refund": -7.5}


def orders(kit: Kit) -> None:
    made = kit.account.levers.orders(
        kit.account.id, count=5, age_seconds=3600, items=[{"sku": "A", "quantity": 2}]
    )
    api = kit.api("Orders", version="2026-01-01")
    asked = {
        "createdAfter": kit.account.ago(days=1).isoformat(),
        "marketplaceIds": DE,
        "fulfillmentStatuses": "UNSHIPPED",
        "maxResultsPerPage": 2,
    }
    found: list[Json] = []
    mark: Json = {}
    while True:
        page = api.search_orders(**asked, **mark)
        found += page.payload["orders"]
        if not page.next_token:
            break
        mark = {"paginationToken": page.next_token}
    numbers = [order["orderId"] for order in found]
    assert sorted(numbers) == sorted(order["order_id"] for order in made)
    one = api.get_order(numbers[0], includedData="PROCEEDS").payload["order"]
    assert one["orderId"] == numbers[0]
    assert [item["quantityOrdered"] for item in one["orderItems"]] == [2]


def orders_v0_page_by_page(kit: Kit) -> None:
    """By the SDK's own decorator, which turns pages for its user."""
    made = kit.account.levers.orders(kit.account.id, count=5, age_seconds=600)
    api = kit.api("Orders", version="v0")

    @load_all_pages(throttle_by_seconds=0, next_token_param="NextToken")  # type: ignore[untyped-decorator]
    def pages(**asked: Any) -> Any:
        return api.get_orders(**asked)

    since = kit.account.ago(minutes=20).isoformat()
    found = [
        order["AmazonOrderId"]
        for page in pages(CreatedAfter=since, MarketplaceIds=DE, MaxResultsPerPage=2)
        for order in page.payload["Orders"]
    ]
    assert sorted(found) == sorted(order["order_id"] for order in made)


def orders_v0_with_personal_data(kit: Kit) -> None:
    [order] = kit.account.levers.orders(kit.account.id, age_seconds=3600)
    number = order["order_id"]
    api = kit.api("Orders", version="v0")
    bare = api.get_order(number).payload
    assert "BuyerName" not in bare.get("BuyerInfo", {})
    personal = kit.restricted("GET", f"/orders/v0/orders/{number}", "buyerInfo", "shippingAddress")
    seeing = kit.api("Orders", version="v0", restricted_data_token=personal)
    full = seeing.get_order(number).payload
    assert full["BuyerInfo"]["BuyerName"]
    assert full["ShippingAddress"]["AddressLine1"]
    with pytest.raises(SellingApiForbiddenException):
        seeing.get_order_items(number)
    items = api.get_order_items(number).payload["OrderItems"]
    assert [item["OrderItemId"] for item in items] == [
        item["order_item_id"] for item in order["items"]
    ]


def shipping(kit: Kit) -> None:
    [order] = kit.account.levers.orders(kit.account.id, items=[{"sku": "A", "quantity": 2}])
    answer = kit.api("Orders", version="v0").confirm_shipment(
        order["order_id"], marketplaceId=DE, packageDetail=package(order)
    )
    assert answer.errors is None
    seen = kit.account.order(order["order_id"])
    assert seen["status"] == "SHIPPED"
    assert seen["packages"][0]["tracking_number"] == "TRACK1"


def reports(kit: Kit, sku: str = "CORD-1") -> None:
    kit.account.levers.listings(kit.account.id, sku=sku, stock=12, price=6.00)
    api = kit.api("Reports")
    made = api.create_report(reportType="GET_FLAT_FILE_OPEN_LISTINGS_DATA")
    kit.account.wait()
    report = api.get_report(made.payload["reportId"]).payload
    assert report["processingStatus"] == "DONE"
    document = api.get_report_document(report["reportDocumentId"], download=True).payload
    lines = document["document"].splitlines()
    assert lines[0].split("\t")[0] == "sku"
    assert sku in [line.split("\t")[0] for line in lines[1:]]
    streamed = io.BytesIO()
    api.get_report_document(report["reportDocumentId"], file=streamed)
    assert sku.encode() in streamed.getvalue()


def notifications(kit: Kit) -> None:
    arn, read = open_queue(kit.account, "news")
    api = kit.api("Notifications")
    destination = api.create_destination("news", arn=arn).payload
    assert destination["resource"] == {"sqs": {"arn": arn}}
    assert [row["name"] for row in api.get_destinations().payload] == ["news"]
    kind = "REPORT_PROCESSING_FINISHED"
    made = api.create_subscription(kind, destination_id=destination["destinationId"]).payload
    known = api.get_subscription(kind).payload
    assert known["subscriptionId"] == made["subscriptionId"]
    reports(kit, "PLUG-1")
    [message] = read()
    payload = message["payload"]["reportProcessingFinishedNotification"]
    assert (payload["sellerId"], payload["processingStatus"]) == (kit.account.id, "DONE")


def rotation(kit: Kit) -> None:
    arn, read = open_queue(kit.account, "new-secret")
    path = f"/world/applications/{kit.account.house.application_id}/rotation-queues"
    kit.account.pull("PUT", path, {"new_secret_queue_arn": arn})
    kit.api("ApplicationManagement").rotate_application_client_secret()
    [message] = read()
    fresh = message["payload"]["applicationOAuthClientNewSecret"]["newClientSecret"]
    before = kit.account.house.application["lwa_client_secret"]
    assert fresh != before
    kit.account.house.application["lwa_client_secret"] = fresh
    try:
        sellers(Kit(kit.account, kit.account.refresh_token()))
    finally:
        kit.account.house.application["lwa_client_secret"] = before


# --- chapters of a vendor -------------------------------------------------------------------------


def purchase_orders(kit: Kit) -> None:
    [order] = kit.account.levers.purchase_orders(kit.account.id, items=[{"sku": "A"}])
    number = order["number"]
    api = kit.api("VendorOrders")
    since = kit.account.ago(days=1).isoformat()
    listed = api.get_purchase_orders(createdAfter=since).payload["orders"]
    assert number in [known["purchaseOrderNumber"] for known in listed]
    known = api.get_purchase_order(number).payload
    assert known["orderDetails"]["items"][0]["vendorProductIdentifier"] == "A"
    outcomes = kit.api("VendorTransactionStatus")

    def outcome(answer: Any) -> Json:
        kit.account.wait()
        transaction_id = answer.payload["transactionId"]
        status: Json = outcomes.get_transaction(transaction_id).payload["transactionStatus"]
        return status

    accepted = api.submit_acknowledgement(acknowledgements=[acknowledgement(kit.account, number)])
    assert outcome(accepted)["status"] == "Success"
    told = api.get_purchase_orders_status(purchaseOrderNumber=number).payload["ordersStatus"]
    [line] = told[0]["itemStatus"]
    assert line["acknowledgementStatus"]["confirmationStatus"] == "ACCEPTED"
    shipped = kit.api("VendorShipments").submit_shipment_confirmations(
        shipmentConfirmations=[shipment_confirmation(kit.account, f"SHIP-{number}", number)]
    )
    assert outcome(shipped)["status"] == "Success"
    invoice = {"invoices": [vendor_invoice(kit.account, f"INV-{number}", number)]}
    payments = kit.api("VendorInvoices")
    assert outcome(payments.submit_invoices(invoice))["status"] == "Success"
    again = outcome(payments.submit_invoices(invoice))
    assert (again["status"], again["errors"][0]["code"]) == ("Failure", "DUPLICATE_INVOICE_NUMBER")


def direct_fulfillment(kit: Kit) -> None:
    base = "/vendor/directFulfillment"
    path = f"/vendors/{kit.account.id}/direct-orders"
    [order] = kit.account.pull("POST", path, {"items": [{"amount": 2}]})["items"]
    number = order["number"]
    personal = kit.restricted("GET", f"{base}/orders/2021-12-28/purchaseOrders")
    name, latest = "VendorDirectFulfillmentOrders", {"version": "2021-12-28"}
    listed = kit.api(name, **latest, restricted_data_token=personal).get_orders(
        createdAfter=kit.account.ago(days=1).isoformat(),
        createdBefore=kit.account.ago().isoformat(),
    )
    [known] = listed.payload["orders"]
    assert known["purchaseOrderNumber"] == number
    assert known["orderDetails"]["shipToParty"]["addressLine1"]
    outcomes = kit.api("VendorDirectFulfillmentTransactions", **latest)

    def ended(answer: Any) -> str:
        kit.account.wait()
        told = outcomes.get_transaction_status(answer.payload["transactionId"]).payload
        return str(told["transactionStatus"]["status"])

    taken = kit.api(name, **latest).submit_acknowledgement(
        orderAcknowledgements=[direct_acknowledgement(kit.account, order)]
    )
    assert ended(taken) == "Success"
    stock = kit.api("VendorDirectFulfillmentInventory")
    assert ended(stock.submit_inventory_update("WH01", **direct_stock("A", 17))) == "Success"
    kept = kit.account.pull("GET", f"/vendors/{kit.account.id}/inventory")
    assert [row["amount"] for row in kept["warehouses"]["WH01"]] == [17]
    name = "VendorDirectFulfillmentShipping"
    asked = kit.api(name, **latest).submit_shipping_label_request(
        shippingLabelRequests=[label_wish(order)]
    )
    assert ended(asked) == "Success"
    personal = kit.restricted("GET", f"{base}/shipping/2021-12-28/shippingLabels/{number}")
    label = (
        kit.api(name, **latest, restricted_data_token=personal).get_shipping_label(number).payload
    )
    assert label["purchaseOrderNumber"] == number
    assert label["labelData"][0]["content"]


# --- the static sandbox ---------------------------------------------------------------------------


def sandbox(kit: Kit) -> None:
    """APIs that are not played: the canned cases and examples of Amazon's models."""
    types = kit.api("ProductTypeDefinitions")
    known = types.search_definitions_product_types().payload
    assert [each["name"] for each in known["productTypes"]] == ["LUGGAGE"]
    schema = types.get_definitions_product_type("LUGGAGE", marketplaceIds=US).payload
    assert schema["requirements"] == "LISTING"
    stock = kit.api("Inventories").get_inventory_summary_marketplace(marketplaceIds=US)
    assert stock.payload["inventorySummaries"] == []
    assert kit.api("FulfillmentOutbound").get_features(marketplaceId=US).payload["features"]
    content = kit.api("AplusContent").search_content_documents(marketplaceId=US)
    assert content.payload["contentMetadataRecords"] == []
    upload = kit.api("Upload").upload_document("messaging", io.BytesIO(b"%PDF"))
    assert upload.payload["url"]
    rights = kit.api("ListingsRestrictions").get_listings_restrictions(
        asin="B00V5DG6IQ", sellerId=kit.account.id, marketplaceIds=US
    )
    assert rights.payload["restrictions"] is not None


Chapter = Callable[[Kit], None]
SELLER: tuple[Chapter, ...] = (
    sellers,
    stock_and_price_by_feed,
    listings,
    catalogue,
    refunds,
    orders,
    orders_v0_page_by_page,
    orders_v0_with_personal_data,
    shipping,
    reports,
    notifications,
    rotation,
)
VENDOR: tuple[Chapter, ...] = (purchase_orders, direct_fulfillment)


def kit_of(house: House, partner: Json, **wishes: Any) -> Kit:
    return Kit(Account(house, partner), house.grant(partner), **wishes)


def seller_of(house: House) -> Kit:
    return kit_of(house, house.seller(marketplaces=["DE", "FR"]))


def vendor_of(house: House) -> Kit:
    return kit_of(house, house.vendor(vendor_codes=[VENDOR_CODE]))


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
    print(told("python-amazon-sp-api", apis))
    assert len(apis) >= 17
    # It adds fields that Amazon passes over, and `{}` where no body is; all else is as modelled.
    words = set().union(*breaks(house.amazon).values())
    assert all("not known to the model" in each or "takes no body" in each for each in words), words


def test_others_are_canned(house: House, models: Path) -> None:
    sandbox(kit_of(house, house.seller(home="US"), face="sandbox_na", marketplace_id=US))
    apis = called(house.amazon)
    print(told("python-amazon-sp-api in the sandbox", apis))
    assert len(apis) >= 6
