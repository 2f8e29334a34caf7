"""What programs in JavaScript do at the gateway, with the npm registry's `amazon-sp-api`."""

from __future__ import annotations

__all__ = ["COMMUNITY_ERRAND", "LATER"]

#: Follows the guide's block, and goes on with its `partner`. The emulator's documents are at plain
#: addresses, where the SDK knows only https at port 443.
COMMUNITY_ERRAND = """
import assert from "node:assert/strict";

const { seller, order, levers, documents } = JSON.parse(process.env.KNOWN);
const DE = "A1PA6795UKMFR9";
const VERSIONS = { listingsItems: { version: "2021-08-01" } };
const wait = (seconds) =>
  fetch(`${levers}/clock/advance`, { method: "POST", body: JSON.stringify({ seconds }) });
const amazons = ToGateway.prototype.createConnection;
ToGateway.prototype.createConnection = function (options, callback) {
  return options.host === "127.0.0.1"
    ? net.connect({ host: options.host, port: documents })
    : amazons.call(this, options, callback);
};
const call = (operation, path, query, body) =>
  // The SDK takes the oldest version that it knows, unless it is told another.
  partner.callAPI({ operation, path, query, body, options: VERSIONS[operation.split(".")[0]] });

// --- a listing, read and changed ---
const patches = [
  {
    op: "replace",
    path: "/attributes/fulfillment_availability",
    value: [{ fulfillment_channel_code: "DEFAULT", quantity: 8 }],
  },
];
const sku = { sellerId: seller, sku: "LAMP-1" };
const change = { productType: "PRODUCT", patches };
const changed = await call("listingsItems.patchListingsItem", sku, { marketplaceIds: DE }, change);
assert.equal(changed.status, "ACCEPTED");
await wait(300);
const asked = { marketplaceIds: DE, includedData: "fulfillmentAvailability" };
const item = await call("listingsItems.getListingsItem", sku, asked);
assert.equal(item.fulfillmentAvailability[0].quantity, 8);
const nobody = { sellerId: seller, sku: "NOBODY" };
await assert.rejects(call("listingsItems.getListingsItem", nobody, { marketplaceIds: DE }), {
  code: "NOT_FOUND",
});

// --- a feed: uploaded, processed, its report read ---
const contentType = "application/json; charset=UTF-8";
const place = await call("feeds.createFeedDocument", {}, {}, { contentType });
const header = { sellerId: seller, version: "2.0", issueLocale: "en_US" };
const message = { messageId: 1, sku: "LAMP-1", operationType: "PATCH", ...change };
const content = JSON.stringify({ header, messages: [message] });
await partner.upload(place, { content, contentType });
const { feedId } = await call("feeds.createFeed", {}, {}, {
  feedType: "JSON_LISTINGS_FEED",
  marketplaceIds: [DE],
  inputFeedDocumentId: place.feedDocumentId,
});
await wait(300);
const feed = await call("feeds.getFeed", { feedId });
assert.equal(feed.processingStatus, "DONE");
const result = { feedDocumentId: feed.resultFeedDocumentId };
const report = await partner.download(await call("feeds.getFeedDocument", result));
assert.equal(JSON.parse(report).summary.messagesProcessed, 1);

// --- a report ---
const reportType = "GET_FLAT_FILE_OPEN_LISTINGS_DATA";
const wish = { reportType, marketplaceIds: [DE] };
const { reportId } = await call("reports.createReport", {}, {}, wish);
await wait(300);
const { reportDocumentId } = await call("reports.getReport", { reportId });
const lines = await partner.download(await call("reports.getReportDocument", { reportDocumentId }));
assert(lines.split("\\r\\n").some((line) => line.startsWith("LAMP-1\\t")));

// --- an order, bare and with personal data ---
const orderId = { orderId: order };
const bare = await call("orders.getOrder", orderId);
assert.equal(bare.AmazonOrderId, order);
assert(!bare.BuyerInfo?.BuyerName);
const { restrictedDataToken } = await call("tokens.createRestrictedDataToken", {}, {}, {
  restrictedResources: [
    {
      method: "GET",
      path: `/orders/v0/orders/${order}`,
      dataElements: ["buyerInfo", "shippingAddress"],
    },
  ],
});
const full = await partner.callAPI({
  operation: "orders.getOrder",
  path: orderId,
  restricted_data_token: restrictedDataToken,
});
assert(full.BuyerInfo.BuyerName && full.ShippingAddress.AddressLine1);

// --- without a grant ---
assert(Array.isArray(await call("notifications.getDestinations")));
console.log("done");
"""

#: Follows the guide's block; two hours later the pass is none any longer. (For a moment the gateway
#: may still remember it.)
LATER = """
import { renameSync } from "node:fs";

const { levers, clock, later } = JSON.parse(process.env.KNOWN);
const before = partner.access_token;
renameSync(later, clock);
const body = JSON.stringify({ seconds: 7200 });
await fetch(`${levers}/clock/advance`, { method: "POST", body });
for (const giveUp = Date.now() + 10_000; partner.access_token === before && Date.now() < giveUp; ) {
  await partner.callAPI({ operation: "sellers.getAccount" });
  await new Promise((wake) => setTimeout(wake, 300));
}
console.log(partner.access_token === before ? "the same" : "another");
"""
