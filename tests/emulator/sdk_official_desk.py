"""Amazon's own `amzn-sp-api` for Python for an account, and what a vendor does with it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tests.emulator.sdk_desk import (
    DE,
    US,
    Account,
    acknowledgement,
    direct_acknowledgement,
    direct_confirmation,
    direct_stock,
    label_wish,
    shipment_confirmation,
    vendor_invoice,
)


@dataclass(frozen=True)
class Kit:
    """The SDK, for one account."""

    account: Account

    def client(self, face: str = "eu", scope: str | None = None, **wishes: Any) -> Any:
        """A client of the SDK; with a scope one for grantless operations."""
        spapi = importlib.import_module("spapi")
        addresses = self.account.amazon.addresses
        config = spapi.SPAPIConfig(
            **self.account.house.client,
            region="EU",
            scope=scope,
            refresh_token=None if scope else self.account.refresh_token(**wishes),
        )
        known = spapi.SPAPIClient(
            config, oauth_endpoint=f"{addresses['lwa']}/auth/o2/token", endpoint=addresses[face]
        )
        return known.api_client

    def restricted(self, client: Any, method: str, path: str, *data: str) -> Any:
        """A client that comes with a restricted data token for one operation."""
        models = self.models("tokens_v2021_03_01")
        resource = models.RestrictedResource(
            method=method, path=path, data_elements=list(data) or None
        )
        body = models.CreateRestrictedDataTokenRequest(restricted_resources=[resource])
        answer = self.spapi.TokensApi(client).create_restricted_data_token(body)
        assert answer.expires_in == 3600
        other = self.client()
        cache = other.configuration.access_token_cache
        cache.token_info["access_token"] = answer.restricted_data_token
        return other

    @property
    def spapi(self) -> Any:
        return importlib.import_module("spapi")

    def models(self, name: str) -> ModuleType:
        return importlib.import_module(f"spapi.models.{name}")

    def feed(self, client: Any, feed_type: str, content: str, content_type: str) -> str:
        """Submits a feed, waits for it, and gives its report."""
        api = self.spapi.FeedsApi(client)
        models = self.models("feeds_v2021_06_30")
        document = api.create_feed_document(
            models.CreateFeedDocumentSpecification(content_type=content_type)
        )
        self.account.upload(document.url, content, content_type)
        wish = models.CreateFeedSpecification(
            feed_type=feed_type,
            marketplace_ids=[DE],
            input_feed_document_id=document.feed_document_id,
        )
        feed_id = api.create_feed(wish).feed_id
        assert api.get_feed(feed_id).processing_status in ("IN_QUEUE", "IN_PROGRESS")
        self.account.wait()
        feed = api.get_feed(feed_id)
        assert (feed.processing_status, feed.feed_type) == ("DONE", feed_type)
        assert api.get_feeds(feed_types=[feed_type]).feeds[0].feed_id == feed_id
        result = api.get_feed_document(feed.result_feed_document_id)
        return self.account.download(result.url, result.compression_algorithm)


# --- chapters of a vendor -------------------------------------------------------------------------


def purchase_orders(kit: Kit) -> None:
    [order] = kit.account.levers.purchase_orders(kit.account.id, items=[{"sku": "A"}])
    number = order["number"]
    client = kit.client()
    api = kit.spapi.VendorOrdersApi(client)
    listed = api.get_purchase_orders(created_after=kit.account.ago(days=1)).payload.orders
    assert number in [known.purchase_order_number for known in listed]
    known = api.get_purchase_order(number).payload
    assert known.order_details.items[0].vendor_product_identifier == "A"
    accepted = {"acknowledgements": [acknowledgement(kit.account, number)]}
    submitted = api.submit_acknowledgement(accepted)
    kit.account.wait()
    outcomes = kit.spapi.VendorTransactionApi(client)

    def outcome(answer: Any) -> Any:
        kit.account.wait()
        known = outcomes.get_transaction(answer.payload.transaction_id)
        return known.payload.transaction_status

    known = outcome(submitted)
    assert known.status == "Success", known
    [status] = api.get_purchase_orders_status(purchase_order_number=number).payload.orders_status
    [line] = status.item_status
    assert line.acknowledgement_status.confirmation_status == "ACCEPTED"
    confirmation = shipment_confirmation(kit.account, f"SHIP-{number}", number)
    shipped = kit.spapi.VendorShipmentApi(client).submit_shipment_confirmations(
        {"shipmentConfirmations": [confirmation]}
    )
    assert outcome(shipped).status == "Success"
    payments = kit.spapi.VendorPaymentsApi(client)
    invoice = vendor_invoice(kit.account, f"INV-{number}", number)
    assert outcome(payments.submit_invoices({"invoices": [invoice]})).status == "Success"
    again = outcome(payments.submit_invoices({"invoices": [invoice]}))
    assert again.status == "Failure"
    assert [error.code for error in again.errors] == ["DUPLICATE_INVOICE_NUMBER"]
    kept = kit.account.pull("GET", f"/vendors/{kit.account.id}/invoices")["retail"]
    assert [known["number"] for known in kept] == [f"INV-{number}"]


def direct_fulfillment(kit: Kit) -> None:
    base = "/vendor/directFulfillment"
    path = f"/vendors/{kit.account.id}/direct-orders"
    [order] = kit.account.pull("POST", path, {"items": [{"amount": 2}]})["items"]
    number = order["number"]
    client = kit.client()
    place = f"{base}/orders/2021-12-28/purchaseOrders"
    span = {
        "created_after": kit.account.ago(days=1),
        "created_before": kit.account.ago(),
    }
    seeing = kit.restricted(client, "GET", place)
    listed = kit.spapi.VendorDfOrdersApi(seeing).get_orders(**span).orders
    assert [known.purchase_order_number for known in listed] == [number]
    assert listed[0].order_details.ship_to_party.address_line1
    outcomes = kit.spapi.VendorDfTransactionApi(client)

    def ended(transaction_id: str) -> str:
        kit.account.wait()
        return str(outcomes.get_transaction_status(transaction_id).transaction_status.status)

    body = {"orderAcknowledgements": [direct_acknowledgement(kit.account, order)]}
    taken = kit.spapi.VendorDfOrdersApi(client).submit_acknowledgement(body)
    assert ended(taken.transaction_id) == "Success"
    inventory = kit.spapi.UpdateInventoryApi(client)
    moved = inventory.submit_inventory_update("WH01", direct_stock("A", 17))
    assert ended(moved.payload.transaction_id) == "Success"
    stock = kit.account.pull("GET", f"/vendors/{kit.account.id}/inventory")
    assert [row["amount"] for row in stock["warehouses"]["WH01"]] == [17]
    labels = kit.spapi.VendorShippingLabelsApi(client)
    asked = labels.submit_shipping_label_request({"shippingLabelRequests": [label_wish(order)]})
    assert ended(asked.transaction_id) == "Success"
    template = f"{base}/shipping/2021-12-28/shippingLabels/{number}"
    seeing = kit.restricted(client, "GET", template)
    label = kit.spapi.VendorShippingLabelsApi(seeing).get_shipping_label(number)
    assert label.purchase_order_number == number
    assert label.label_data[0].content
    slip_path = f"{base}/shipping/2021-12-28/packingSlips/{number}"
    slips = kit.spapi.VendorShippingApi(kit.restricted(client, "GET", slip_path))
    assert slips.get_packing_slip(number).content
    shipped = kit.spapi.VendorShippingApi(client).submit_shipment_confirmations(
        {"shipmentConfirmations": [direct_confirmation(kit.account, order)]}
    )
    assert ended(shipped.transaction_id) == "Success"
    [seen] = kit.account.pull("GET", path)["items"]
    assert seen["status"] == "SHIPPED"


# --- the static sandbox ---------------------------------------------------------------------------


def sandbox(kit: Kit) -> None:
    """APIs that are not played: the canned cases and examples of Amazon's models."""
    client = kit.client("sandbox_na", region="na")
    fees = {
        "FeesEstimateRequest": {
            "MarketplaceId": US,
            "IsAmazonFulfilled": False,
            "PriceToEstimateFees": {
                "ListingPrice": {"CurrencyCode": "USD", "Amount": 10},
                "Shipping": {"CurrencyCode": "USD", "Amount": 10},
                "Points": {
                    "PointsNumber": 0,
                    "PointsMonetaryValue": {"CurrencyCode": "USD", "Amount": 0},
                },
            },
            "Identifier": "UmaS1",
        }
    }
    estimated = kit.spapi.FeesApi(client).get_my_fees_estimate_for_asin("B00V5DG6IQ", fees)
    assert estimated.payload.fees_estimate_result.status == "Success"
    types = kit.spapi.DefinitionsApi(client)
    known = types.search_definitions_product_types([US])
    assert [each.name for each in known.product_types] == ["LUGGAGE"]
    assert types.get_definitions_product_type("LUGGAGE", [US]).requirements == "LISTING"
    stock = kit.spapi.FbaInventoryApi(client).get_inventory_summaries("Marketplace", US, [US])
    assert stock.payload.inventory_summaries == []
    outbound = kit.spapi.FbaOutboundApi(client).get_features(US)
    assert outbound.payload.features[0].feature_name
    content = kit.spapi.AplusContentApi(client).search_content_documents(US)
    assert content.content_metadata_records == []
    limits = kit.spapi.ListingsRestrictionsApi(client).get_listings_restrictions(
        "B00V5DG6IQ", "A1EMULATEDSHOP", [US]
    )
    assert limits.restrictions is not None
    upload = kit.spapi.UploadsApi(client).create_upload_destination_for_resource(
        [US], "zdNjKpVF2xMnJTEhDQGY6g==", "aplus/2020-11-01/contentDocuments"
    )
    assert upload.payload.url
