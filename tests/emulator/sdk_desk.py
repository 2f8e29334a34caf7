"""What the tests of all software development kits share: a shop, a mill, and counting."""

from __future__ import annotations

import gc
import gzip
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from amazon_emulator import Emulator, Levers
from tests.emulator.conftest import House

Json = dict[str, Any]

DE, US = "A1PA6795UKMFR9", "ATVPDKIKX0DER"
VENDOR_CODE = "MILL1"
AFTER_WORK_S = 300  # feeds, reports and transactions have ended by then
LABEL_OFFER = {
    "audience": "ALL",
    "marketplace_id": DE,
    "currency": "EUR",
    "our_price": [{"schedule": [{"value_with_tax": 24.9}]}],
}

BEARABLE = [
    # The kits leave connections open and use what their own dependencies call old.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@dataclass(frozen=True)
class Account:
    """A connected seller or vendor, with a refresh token of its own for every kit's client."""

    house: House
    partner: Json

    @property
    def id(self) -> str:
        return str(self.partner["selling_partner_id"])

    @property
    def amazon(self) -> Emulator:
        return self.house.amazon

    @property
    def levers(self) -> Levers:
        return self.house.amazon.levers

    def refresh_token(self, **wishes: Any) -> str:
        return self.house.grant(self.partner, **wishes)

    def pull(self, method: str, path: str, body: Any = None, **query: Any) -> Json:
        return self.levers.pull(method, path, body, **query)

    def ago(self, **span: float) -> datetime:
        return self.levers.now() - timedelta(**span)

    def wait(self) -> None:
        """Amazon gets its time."""
        self.levers.advance(AFTER_WORK_S)

    def listing(self, sku: str) -> Json:
        """As the levers show it."""
        query = {"selling_partner_id": self.id, "sku": sku}
        [found] = self.pull("GET", "/world/listings", **query)["items"]
        known: Json = found
        return known

    def order(self, order_id: str) -> Json:
        return self.pull("GET", f"/orders/{order_id}")

    def upload(self, url: str, content: str, content_type: str) -> None:
        answer = self.house.http.put(
            url, content=content.encode(), headers={"content-type": content_type}
        )
        assert answer.status_code == 200, answer.text

    def download(self, url: str, compression: str | None) -> str:
        answer = self.house.http.get(url)
        assert answer.status_code == 200, answer.text
        content = gzip.decompress(answer.content) if compression == "GZIP" else answer.content
        return content.decode()


def called(amazon: Emulator) -> dict[str, set[str]]:
    """The operations that were answered well, by API: the first two segments of the path."""
    found: dict[str, set[str]] = {}
    for kind in ("spapi", "sandbox"):
        for asked in amazon.levers.history(kind=kind, limit="5000"):
            if asked["status"] is not None and 200 <= asked["status"] < 300:
                api = "/".join(asked["path"].split("/")[1:3])
                found.setdefault(api, set()).add(asked["kind"])
    return found


def breaks(amazon: Emulator) -> dict[str, set[str]]:
    """Where requests broke Amazon's models, in words, by operation; none without models."""
    found: dict[str, set[str]] = {}
    for breach in amazon.levers.pull("GET", "/contract", side="request", limit=500)["breaches"]:
        words = {f"{fault['where']} {fault['what']}" for fault in breach["faults"]}
        found.setdefault(breach["operation"], set()).update(words)
    return found


def told(kit: str, apis: dict[str, set[str]]) -> str:
    operations = sum(len(names) for names in apis.values())
    return f"{kit}: {len(apis)} APIs, {operations} operations: {', '.join(sorted(apis))}"


@contextmanager
def quiet() -> Iterator[None]:
    """Importing the official kit turns everybody's logging up; kits are left to be collected."""
    level = logging.getLogger().level
    # What was there before needs no looking at: it is most of what there is.
    gc.freeze()
    try:
        yield
    finally:
        logging.getLogger().setLevel(level)
        gc.collect()
        gc.unfreeze()


def open_queue(account: Account, name: str) -> tuple[str, Callable[[], list[Json]]]:
    """A queue that Amazon may send to: its ARN, and a function that reads it with boto3."""
    queue = account.levers.queue(name)
    key = account.pull("POST", "/world/aws-keys", {"name": name})
    sqs = boto3.client(
        "sqs",
        endpoint_url=account.amazon.addresses["aws"],
        region_name="eu-west-1",
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )

    def read() -> list[Json]:
        found: dict[str, Json] = {}
        while messages := sqs.receive_message(QueueUrl=queue["url"], MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                found[message["MessageId"]] = json.loads(message["Body"])
                sqs.delete_message(QueueUrl=queue["url"], ReceiptHandle=message["ReceiptHandle"])
        return list(found.values())

    return str(queue["arn"]), read


def stock_and_price(seller_id: str, sku: str, quantity: int) -> str:
    """A JSON_LISTINGS_FEED that sets both for a SKU, and fails for one that nobody knows."""

    def message(number: int, what: str, offer: Json) -> Json:
        patches = [
            {
                "op": "replace",
                "path": "/attributes/fulfillment_availability",
                "value": [{"fulfillment_channel_code": "DEFAULT", "quantity": quantity}],
            },
            {"op": "replace", "path": "/attributes/purchasable_offer", "value": [offer]},
        ]
        return {
            "messageId": number,
            "sku": what,
            "operationType": "PATCH",
            "productType": "PRODUCT",
            "patches": patches,
        }

    header = {"sellerId": seller_id, "version": "2.0", "issueLocale": "en_US"}
    wrong = {**LABEL_OFFER, "currency": "USD"}
    messages = [message(1, sku, LABEL_OFFER), message(2, sku, wrong)]
    return json.dumps({"header": header, "messages": messages})


def refund_feed(seller_id: str, order: Json, amount: str) -> str:
    """A POST_PAYMENT_ADJUSTMENT_DATA that gives back a part of an order's first item."""
    item = order["items"][0]["order_item_id"]
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AmazonEnvelope><Header>'
        f"<DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>{seller_id}"
        "</MerchantIdentifier></Header><MessageType>OrderAdjustment</MessageType><Message>"
        "<MessageID>1</MessageID><OrderAdjustment>"
        f"<AmazonOrderID>{order['order_id']}</AmazonOrderID><AdjustedItem>"
        f"<AmazonOrderItemCode>{item}</AmazonOrderItemCode>"
        "<AdjustmentReason>CustomerReturn</AdjustmentReason><ItemPriceAdjustments><Component>"
        f'<Type>Principal</Type><Amount currency="EUR">{amount}</Amount></Component>'
        "</ItemPriceAdjustments></AdjustedItem></OrderAdjustment></Message></AmazonEnvelope>"
    )


def package(order: Json, number: str = "1") -> Json:
    """What confirmShipment takes, for a whole order."""
    return {
        "packageReferenceId": number,
        "carrierCode": "DHL",
        "trackingNumber": f"TRACK{number}",
        "shipDate": "2026-11-21T10:00:00Z",
        "orderItems": [
            {"orderItemId": item["order_item_id"], "quantity": item["quantity"]}
            for item in order["items"]
        ],
    }


# --- what vendors submit --------------------------------------------------------------------------


def acknowledgement(account: Account, number: str) -> Json:
    each = {"amount": 10, "unitOfMeasure": "Eaches"}
    return {
        "purchaseOrderNumber": number,
        "sellingParty": {"partyId": VENDOR_CODE},
        "acknowledgementDate": account.ago().isoformat(),
        "items": [
            {
                "itemSequenceNumber": "1",
                "vendorProductIdentifier": "A",
                "orderedQuantity": each,
                "netCost": {"amount": "12.50", "currencyCode": "EUR"},
                "itemAcknowledgements": [
                    {"acknowledgementCode": "Accepted", "acknowledgedQuantity": each}
                ],
            }
        ],
    }


def shipment_confirmation(account: Account, identifier: str, number: str) -> Json:
    return {
        "shipmentIdentifier": identifier,
        "shipmentConfirmationType": "Original",
        "shipmentConfirmationDate": account.ago().isoformat(),
        "shippedDate": account.ago(minutes=10).isoformat(),
        "sellingParty": {"partyId": VENDOR_CODE},
        "shipFromParty": {"partyId": "MILLWH"},
        "shipToParty": {"partyId": "DEM1"},
        "shippedItems": [
            {
                "itemSequenceNumber": "1",
                "vendorProductIdentifier": "A",
                "shippedQuantity": {"amount": 10, "unitOfMeasure": "Eaches"},
                "itemDetails": {"purchaseOrderNumber": number},
            }
        ],
    }


def vendor_invoice(account: Account, invoice: str, number: str, total: str = "125.00") -> Json:
    return {
        "invoiceType": "Invoice",
        "id": invoice,
        "date": account.ago().isoformat(),
        "remitToParty": {"partyId": VENDOR_CODE},
        "invoiceTotal": {"amount": total, "currencyCode": "EUR"},
        "items": [
            {
                "itemSequenceNumber": 1,
                "vendorProductIdentifier": "A",
                "invoicedQuantity": {"amount": 10, "unitOfMeasure": "Eaches"},
                "netCost": {"amount": "12.50", "currencyCode": "EUR"},
                "purchaseOrderNumber": number,
            }
        ],
    }


def direct_acknowledgement(account: Account, order: Json) -> Json:
    return {
        "purchaseOrderNumber": order["number"],
        "vendorOrderNumber": "OURS-1",
        "acknowledgementDate": account.ago().isoformat(),
        "acknowledgementStatus": {"code": "00", "description": "as agreed"},
        "sellingParty": {"partyId": order["vendor_code"]},
        "shipFromParty": {"partyId": order["warehouse"]},
        "itemAcknowledgements": [
            {
                "itemSequenceNumber": line["number"],
                "acknowledgedQuantity": {"amount": line["amount"], "unitOfMeasure": "Each"},
            }
            for line in order["lines"]
        ],
    }


def direct_stock(sku: str, amount: int) -> Json:
    return {
        "inventory": {
            "sellingParty": {"partyId": VENDOR_CODE},
            "isFullUpdate": False,
            "items": [
                {
                    "vendorProductIdentifier": sku,
                    "availableQuantity": {"amount": amount, "unitOfMeasure": "Each"},
                }
            ],
        }
    }


def label_wish(order: Json) -> Json:
    return {
        "purchaseOrderNumber": order["number"],
        "sellingParty": {"partyId": order["vendor_code"]},
        "shipFromParty": {"partyId": order["warehouse"]},
    }


def direct_confirmation(account: Account, order: Json) -> Json:
    return {
        **label_wish(order),
        "shipmentDetails": {"shippedDate": account.ago().isoformat(), "shipmentStatus": "SHIPPED"},
        "items": [
            {
                "itemSequenceNumber": int(line["number"]),
                "shippedQuantity": {"amount": line["amount"], "unitOfMeasure": "Each"},
            }
            for line in order["lines"]
        ],
    }
