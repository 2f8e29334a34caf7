"""confirmShipment: one package of an order, told to Amazon at once.

Answers for: the request, what its answer says, and what the order says after an answer that leaves
it open. Does not answer for: bulk (``order_feeds``), or for vendors' shipments.

Sources: Amazon's orders v0 model (204 is success; ``packageReferenceId`` is text of digits, and the
same one again edits that package); its page "confirm-the-shipment-status"; selling-partner-api-
models issues 5094 (a number in its place is refused) and 5037 ("order already fulfilled",
PackageToUpdateNotFound, of packages that were there: so the order is looked at first); orders
2026-01-01 model (getOrder with PACKAGES).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from evergrant.feeds.kinds import ApiCall, Ground, Reading
from evergrant.feeds.kinds.answers import Said, accepted, again, is_about_request, json_of, refused
from evergrant.feeds.kinds.answers import said as said_in
from evergrant.ports.amazon import Answer
from evergrant.ports.traded import Change, FeedRun

__all__ = ["ConfirmShipment"]

#: In Amazon's words, when a package may be there already. It has shown both, and neither is in a
#: model.
_PERHAPS_THERE = ("packagetoupdatenotfound", "already fulfilled", "already been fulfilled")
#: Where the order is read as shipped but without this package.
_OTHER_PACKAGE = "The order is shipped at Amazon, and this package is none of its packages."


class ConfirmShipment:
    """Each change is one package and one call. Whatever is sent again has the same reference, so
    that it edits the package rather than making a second one."""

    def call(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> ApiCall:
        change = _one(changes)
        return ApiCall(
            method="POST",
            path=f"/orders/v0/orders/{quote(change.subject, safe='')}/shipmentConfirmation",
            body=_json(
                {
                    "marketplaceId": change.marketplace_id
                    or run.marketplace_id
                    or ground.home_marketplace_id,
                    "packageDetail": _package(change.wish),
                }
            ),
        )

    def read(self, ground: Ground, changes: Sequence[Change], answer: Answer) -> Reading:
        if 200 <= answer.status < 300:
            return accepted(changes)
        words = said_in(answer)
        if not is_about_request(answer.status):
            return again(words)
        if any(phrase in str(words).casefold() for phrase in _PERHAPS_THERE):
            return Reading(look=_one(changes).subject, said=str(words))
        return refused(changes, words)

    def look(self, ground: Ground, changes: Sequence[Change]) -> ApiCall:
        order_id = quote(_one(changes).subject, safe="")
        return ApiCall(
            method="GET",
            path=f"/orders/2026-01-01/orders/{order_id}",
            query=(("includedData", "FULFILLMENT,PACKAGES"),),
        )

    def looked(
        self, ground: Ground, changes: Sequence[Change], answer: Answer, said: str
    ) -> Reading:
        """Accepted: the order has this package. Refused with the words of before: it has not."""
        if is_about_request(answer.status):
            return refused(changes, _before(said))
        told = json_of(answer)
        order = told.get("order") if isinstance(told, Mapping) else None
        if answer.status != 200 or not isinstance(order, Mapping):
            return again(said_in(answer))
        packages = order.get("packages")
        told_of = packages if isinstance(packages, list) else []
        here = [one for one in told_of if isinstance(one, Mapping)]
        if any(_is_it(package, _one(changes).wish) for package in here):
            return accepted(changes)
        return refused(changes, _before(f"{said} {_OTHER_PACKAGE}" if here else said))


def _one(changes: Sequence[Change]) -> Change:
    (change,) = changes
    return change


def _package(wish: Mapping[str, Any]) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "packageReferenceId": str(wish["package"]),
        "carrierCode": wish["carrier_code"],
        "trackingNumber": wish["tracking_number"],
        "shipDate": wish["shipped_at"],
        "orderItems": [
            {"orderItemId": item["order_item_id"], "quantity": item["quantity"]}
            for item in wish["items"]
        ],
    }
    if wish.get("carrier_name"):
        detail["carrierName"] = wish["carrier_name"]
    if wish.get("shipping_method"):
        detail["shippingMethod"] = wish["shipping_method"]
    return detail


def _is_it(package: Mapping[str, Any], wish: Mapping[str, Any]) -> bool:
    """The same number on the parcel is the same parcel, whatever Amazon calls it."""
    tracking = package.get("trackingNumber")
    return isinstance(tracking, str) and tracking.strip() == wish["tracking_number"]


def _before(said: str) -> Said:
    """Of a reading's ``said``: its code is its first word."""
    code, _, message = said.partition(" ")
    return Said(code=code, message=message or code)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
