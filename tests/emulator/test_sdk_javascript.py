"""Amazon's own SDK for JavaScript at work: the start of the README, and a whole errand.

Needs Node and the SDK, which `make node-sdk` puts into the virtual environment; without them these
tests say loudly that they did nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import House
from tests.emulator.sdk_desk import Account, breaks, called, told

README = Path(__file__).parents[2] / "packages" / "emulator" / "README.md"
SDK = "@amazon-sp-api-release/amazon-sp-api-sdk-js"
MODULES = Path(sys.prefix) / "node" / "node_modules"
DEADLINE_S = 60

ERRAND = """
import * as sdk from "@amazon-sp-api-release/amazon-sp-api-sdk-js";
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";

const { addresses, seller, order, now, ...credentials } = JSON.parse(process.env.EMULATOR);
const DE = "A1PA6795UKMFR9";
const post = (url, body) => fetch(url, { method: "POST", body }).then((answer) => answer.json());
const wait = () => post(`${addresses.levers}/clock/advance`, JSON.stringify({ seconds: 300 }));

const form = new URLSearchParams({ grant_type: "refresh_token", ...credentials });
const login = await post(`${addresses.lwa}/auth/o2/token`, form);
const client = (room, token = login.access_token) => {
  const made = new room.ApiClient(addresses.eu);
  made.disableRateLimiter(); // the emulator has limits of its own
  return made.applyXAmzAccessTokenToRequest(token);
};
const download = async ({ url, compressionAlgorithm }) => {
  const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
  return (compressionAlgorithm === "GZIP" ? gunzipSync(bytes) : bytes).toString("utf8");
};

// --- stock and price by a feed, then seen in the listing and the catalogue ---
const feeds = new sdk.FeedsSpApi.FeedsApi(client(sdk.FeedsSpApi));
const contentType = "application/json; charset=UTF-8";
const { feedDocumentId, url } = await feeds.createFeedDocument({ contentType });
const patches = [
  {
    op: "replace",
    path: "/attributes/fulfillment_availability",
    value: [{ fulfillment_channel_code: "DEFAULT", quantity: 41 }],
  },
  {
    op: "replace",
    path: "/attributes/purchasable_offer",
    value: [
      {
        audience: "ALL",
        marketplace_id: DE,
        currency: "EUR",
        our_price: [{ schedule: [{ value_with_tax: 24.9 }] }],
      },
    ],
  },
];
const message = {
  messageId: 1, sku: "LAMP-1", operationType: "PATCH", productType: "PRODUCT", patches,
};
const body = JSON.stringify({
  header: { sellerId: seller, version: "2.0", issueLocale: "en_US" },
  messages: [message],
});
const headers = { "content-type": contentType };
assert.equal((await fetch(url, { method: "PUT", body, headers })).status, 200);
const { feedId } = await feeds.createFeed({
  feedType: "JSON_LISTINGS_FEED", marketplaceIds: [DE], inputFeedDocumentId: feedDocumentId,
});
assert.equal((await feeds.getFeed(feedId)).processingStatus, "IN_QUEUE");
await wait();
const feed = await feeds.getFeed(feedId);
assert.equal(feed.processingStatus, "DONE");
const report = JSON.parse(await download(await feeds.getFeedDocument(feed.resultFeedDocumentId)));
assert.deepEqual([report.summary.messagesProcessed, report.summary.messagesInvalid], [1, 0]);

const listings = new sdk.ListingsitemsSpApi.ListingsApi(client(sdk.ListingsitemsSpApi));
const includedData = ["summaries", "offers", "fulfillmentAvailability"];
const item = await listings.getListingsItem(seller, "LAMP-1", [DE], { includedData });
assert.equal(item.fulfillmentAvailability[0].quantity, 41);
assert.equal(Number(item.offers[0].price.amount), 24.9);
const [{ asin }] = item.summaries;
const catalogue = new sdk.CatalogitemsSpApi.CatalogApi(client(sdk.CatalogitemsSpApi));
assert.equal((await catalogue.getCatalogItem(asin, [DE])).asin, asin);

// --- a refusal ---
await assert.rejects(listings.getListingsItem(seller, "NOBODY", [DE]), { status: 404 });

// --- orders: page by page, personal data, shipped ---
const search = new sdk.Orders_v2026SpApi.SearchOrdersApi(client(sdk.Orders_v2026SpApi));
const createdAfter = new Date(new Date(now).getTime() - 86_400_000);
const found = [];
let paginationToken;
do {
  const asked = { createdAfter, marketplaceIds: [DE], maxResultsPerPage: 2, paginationToken };
  const page = await search.searchOrders(asked);
  found.push(...page.orders.map((known) => known.orderId));
  paginationToken = page.pagination?.nextToken;
} while (paginationToken);
assert.equal(new Set(found).size, 5);
assert(found.includes(order.order_id));

const tokens = new sdk.TokensSpApi.TokensApi(client(sdk.TokensSpApi));
const { restrictedDataToken } = await tokens.createRestrictedDataToken({
  restrictedResources: [
    {
      method: "GET",
      path: `/orders/v0/orders/${order.order_id}`,
      dataElements: ["buyerInfo", "shippingAddress"],
    },
  ],
});
const room = sdk.OrdersSpApi;
const personal = new room.OrdersV0Api(client(room, restrictedDataToken));
const seen = (await personal.getOrder(order.order_id)).payload;
assert(seen.shippingAddress.addressLine1 && seen.buyerInfo.buyerName);
await new room.OrdersV0Api(client(room)).confirmShipment(order.order_id, {
  marketplaceId: DE,
  packageDetail: {
    packageReferenceId: "1",
    carrierCode: "DHL",
    trackingNumber: "TRACK1",
    shipDate: new Date(now),
    orderItems: order.items.map((line) => ({
      orderItemId: line.order_item_id,
      quantity: line.quantity,
    })),
  },
});

// --- a report ---
const reports = new sdk.ReportsSpApi.ReportsApi(client(sdk.ReportsSpApi));
const reportType = "GET_FLAT_FILE_OPEN_LISTINGS_DATA";
const { reportId } = await reports.createReport({ reportType, marketplaceIds: [DE] });
await wait();
const { reportDocumentId } = await reports.getReport(reportId);
const lines = (await download(await reports.getReportDocument(reportDocumentId))).split("\\r\\n");
assert(lines.some((line) => line.startsWith("LAMP-1\\t")));

// --- who sells, and what the money says ---
const sellers = new sdk.SellersSpApi.SellersApi(client(sdk.SellersSpApi));
assert.equal((await sellers.getAccount()).payload.marketplaceParticipationList.length, 2);
const money = new sdk.Finances20240619SpApi.DefaultApi(client(sdk.Finances20240619SpApi));
const { payload } = await money.listTransactions({ postedAfter: createdAfter });
assert(Array.isArray(payload.transactions));
console.log("done");
"""


def needed() -> str:
    """The path of Node, where the SDK is here too; else the test is skipped."""
    node = shutil.which("node")
    if node is None or not (MODULES / SDK).is_dir():
        pytest.skip(f"LOUD: no Node or no {SDK} here; install Node and run `make node-sdk`")
    return node


def run(folder: Path, script: str, known: dict[str, Any]) -> str:
    """What a script prints; ``known`` is in its environment as EMULATOR."""
    node = needed()
    (folder / "start.mjs").write_text(script)
    (folder / "node_modules").symlink_to(MODULES)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [node, "start.mjs"],
        cwd=folder,
        env={**kept, "EMULATOR": json.dumps(known)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def shop_of(house: House) -> tuple[Account, dict[str, Any]]:
    shop = Account(house, house.seller(marketplaces=["DE", "FR"]))
    known = {
        "addresses": house.amazon.addresses,
        "refresh_token": shop.refresh_token(),
        **house.client,
    }
    return shop, known


@pytest.mark.parametrize("gentle", [True, False], ids=["gentle", "odd"])
def test_the_start_in_the_readme(house: House, tmp_path: Path, gentle: bool) -> None:
    house.amazon.levers.habits(gentle=gentle)
    _shop, known = shop_of(house)
    [start] = re.findall(r"```js\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert run(tmp_path, start, known) == "DE FR"
    asked = house.amazon.levers.history(kind="spapi.getMarketplaceParticipations")
    assert [each["user_agent"].rpartition("/")[2] for each in asked] == ["JavaScript"]


def test_a_whole_errand(house: House, tmp_path: Path) -> None:
    """Feeds, listings, catalogue, orders of both versions, tokens, reports, sellers, finances."""
    shop, known = shop_of(house)
    shop.levers.listings(shop.id, sku="LAMP-1", stock=3, price=19.9)
    order, *_others = shop.levers.orders(shop.id, count=5, age_seconds=3600)
    more = {"seller": shop.id, "order": order, "now": shop.ago().isoformat()}
    assert run(tmp_path, ERRAND, {**known, **more}) == "done"
    assert shop.listing("LAMP-1")["sku"] == "LAMP-1"
    assert shop.order(order["order_id"])["status"] == "SHIPPED"
    apis = called(house.amazon)
    print(told("amazon-sp-api-sdk-js", apis))
    assert len(apis) == 9
    assert breaks(house.amazon) == {}
