"""Listings Items 2021-08-01: get, put, patch, delete and search (shapes: Amazon's model).

Answers for: requests and answers. A submission that is not understood at all is 400, in words that
developers were shown; one whose data is wrong is INVALID with 200. What is accepted is applied
after the catalogue's delay. A seller id of somebody else is refused with 403.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn, cast, get_args

from amazon_emulator import issuing
from amazon_emulator.apis import listings_search
from amazon_emulator.apis.listings_asking import (
    included_data,
    marketplaces_of,
    seller_of,
)
from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.trade.listings import views as listing_views
from amazon_emulator.trade.listings.catalogue import Catalogue
from amazon_emulator.trade.listings.issues import is_error
from amazon_emulator.trade.listings.patches import OPS, Patch, Requirements
from amazon_emulator.trade.listings.rules import attribute_of
from amazon_emulator.trade.listings.submissions import Submission, apply, judge
from amazon_emulator.world import Kind

__all__ = ["OPERATIONS", "delete", "get", "patch", "put"]

REQUIREMENTS = get_args(Requirements)
PREVIEW = "VALIDATION_PREVIEW"


def get(call: Call) -> dict[str, Any]:
    seller_id, ids = seller_of(call), marketplaces_of(call)
    included = included_data(call, listing_views.INCLUDED, ("summaries",))
    catalogue = call.stage.of(Catalogue)
    listing = catalogue.get(call.region, seller_id, call.path["sku"])
    if listing is None or not any(where in listing.listed_at for where in ids):
        words = f"SKU '{call.path['sku']}' not found in marketplace {', '.join(ids)}"
        raise Denied(404, "NOT_FOUND", words)
    shelf = catalogue.shelf(call.region, seller_id) if "relationships" in included else ()
    return listing_views.item(listing, included, ids, listing_views.Family.of(shelf))


def put(call: Call) -> dict[str, Any]:
    seller_id, ids = seller_of(call), marketplaces_of(call, most=1)
    body = call.json()
    requirements = body.get("requirements", "LISTING")
    if not isinstance(body.get("attributes"), dict) or requirements not in REQUIREMENTS:
        _not_understood()
    wish = _submission(
        call,
        seller_id,
        ids,
        "update",
        product_type=_product_type(body),
        requirements=cast("Requirements", requirements),
        attributes=body["attributes"],
    )
    return _submitted(call, wish)


def patch(call: Call) -> dict[str, Any]:
    seller_id, ids = seller_of(call), marketplaces_of(call)
    body = call.json()
    given = body.get("patches")
    if not isinstance(given, list) or not given:
        _not_understood()
    patches = tuple(_patch(told, number) for number, told in enumerate(given))
    wish = _submission(
        call, seller_id, ids, "patch", product_type=_product_type(body), patches=patches
    )
    return _submitted(call, wish)


def delete(call: Call) -> dict[str, Any]:
    seller_id, ids = seller_of(call), marketplaces_of(call, most=1)
    return _submitted(call, _submission(call, seller_id, ids, "delete"))


def _submission(
    call: Call,
    seller_id: str,
    ids: tuple[str, ...],
    operation: Literal["update", "patch", "delete"],
    **rest: Any,
) -> Submission:
    return Submission(
        call.partner, call.region, seller_id, call.path["sku"], ids, operation, **rest
    )


def _product_type(body: dict[str, Any]) -> str:
    told = body.get("productType")
    if not isinstance(told, str) or not told:
        _not_understood()
    return told


def _patch(told: Any, number: int) -> Patch:
    if not isinstance(told, dict) or told.get("op") not in OPS:
        _not_understood()
    path, values = told.get("path"), told.get("value")
    if not isinstance(path, str):
        _not_understood()
    attribute = attribute_of(path)
    if attribute is None:
        raise Denied.invalid(f"Invalid path provided in patch at index of {number}.")
    if values is None and told["op"] != "delete":
        raise Denied.invalid(f"Value is missing for patch at index of {number}.")
    values = [] if values is None else values
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        _not_understood()
    return Patch(told["op"], attribute, tuple(values))


def _not_understood() -> NoReturn:
    raise Denied.invalid("Request has missing or invalid parameters and cannot be parsed.")


def _submitted(call: Call, wish: Submission) -> dict[str, Any]:
    preview = wish.operation != "delete" and call.choice("mode", (PREVIEW,)) is not None
    included: tuple[str, ...] = ("issues",)
    if wish.operation != "delete":
        included = included_data(call, ("identifiers", "issues"), ("issues",))
        if "identifiers" in included and not preview:
            raise Denied.invalid(f"'identifiers' can only be requested with mode {PREVIEW}.")
    found = judge(call.stage, wish, in_earnest=not preview)
    wrong = any(map(is_error, found))
    said = {
        "sku": wish.sku,
        "status": "INVALID" if wrong else "VALID" if preview else "ACCEPTED",
        "submissionId": issuing.request_id().replace("-", ""),
        "issues": [issue.as_json() for issue in found] if "issues" in included else [],
    }
    if "identifiers" in included:
        said["identifiers"] = [] if wrong else _identifiers(call, wish)
    if not wrong and not preview:
        _apply(call, wish)
    return said


def _identifiers(call: Call, wish: Submission) -> list[dict[str, str]]:
    listing = call.stage.of(Catalogue).get(call.region, wish.seller_id, wish.sku)
    if listing is None or not listing.asin:
        return []
    return [{"marketplaceId": where, "asin": listing.asin} for where in wish.marketplace_ids]


def _apply(call: Call, wish: Submission) -> None:
    stage = call.stage
    delay_s = stage.of(Catalogue).delay_s(stage)

    def act(instant: datetime) -> None:
        # Another world may have taken this one's place meanwhile.
        if stage.world.partners.get(wish.partner.selling_partner_id) is wish.partner:
            apply(stage, wish, instant)

    if delay_s > 0:
        stage.agenda.at(call.now + timedelta(seconds=delay_s), act)
    else:
        act(call.now)


_ITEM = "/listings/2021-08-01/items/{sellerId}/{sku}"
_ROLES = ("Product Listing",)
_BOTH: tuple[Kind, ...] = ("seller", "vendor")

OPERATIONS: tuple[Operation, ...] = (
    Operation("getListingsItem", "GET", _ITEM, _ROLES, _BOTH, get),
    Operation("putListingsItem", "PUT", _ITEM, _ROLES, _BOTH, put),
    Operation("patchListingsItem", "PATCH", _ITEM, _ROLES, _BOTH, patch),
    Operation("deleteListingsItem", "DELETE", _ITEM, _ROLES, _BOTH, delete),
    Operation(
        "searchListingsItems",
        "GET",
        "/listings/2021-08-01/items/{sellerId}",
        _ROLES,
        _BOTH,
        listings_search.search,
    ),
)
