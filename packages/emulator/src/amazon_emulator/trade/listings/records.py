"""A listing in the world file: written and read back, strictly.

Answers for: the form of one listing and of one issue, and words that name the place of a fault.
"""

from __future__ import annotations

import re
from typing import Any

from amazon_emulator import marketplaces
from amazon_emulator.clock import stamp
from amazon_emulator.stage import Stage
from amazon_emulator.trade.listings.issues import SEVERITIES, Issue
from amazon_emulator.trade.listings.listing import Listing, asin_for, seller_ids
from amazon_emulator.trade.listings.patches import Value
from amazon_emulator.trade.records import Record, instant_of, records
from amazon_emulator.world import Partner

__all__ = ["partner", "read", "read_attributes", "read_issue", "written", "written_issue"]

_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?")


def written(listing: Listing) -> dict[str, Any]:
    """Everything of a listing, as plain JSON."""
    cost = listing.cost_price
    return {
        "selling_partner_id": listing.partner_id,
        "seller_id": listing.seller_id,
        "region": listing.region,
        "sku": listing.sku,
        "product_type": listing.product_type,
        "asin": listing.asin,
        "created_at": stamp(listing.created_at),
        "updated_at": stamp(listing.updated_at),
        "listed_at": {where: stamp(since) for where, since in listing.listed_at.items()},
        "attributes": listing.attributes,
        "issues": [written_issue(issue) for issue in listing.issues],
        "amazon_stock": listing.amazon_stock,
        "cost_price": None if cost is None else {"amount": cost[0], "currency": cost[1]},
    }


def read(stage: Stage, record: Record) -> Listing:
    """Raises ValueError that names the place. What can be left out: seller id, ASIN, instants."""
    whose = partner(stage, record)
    seller_id = record.text("seller_id", whose.selling_partner_id)
    if seller_id not in seller_ids(whose):
        raise ValueError(f"{record.place}.seller_id: is none of {', '.join(seller_ids(whose))}")
    now = stage.clock.now()
    created_at = record.maybe_instant("created_at") or now
    sku = record.text("sku")
    if not sku:
        raise ValueError(f"{record.place}.sku: must not be empty")
    listing = Listing(
        partner_id=whose.selling_partner_id,
        seller_id=seller_id,
        region=record.choice("region", marketplaces.REGIONS),
        sku=sku,
        product_type=record.text("product_type", "PRODUCT"),
        asin=record.text("asin", asin_for(seller_id, sku)),
        created_at=created_at,
        updated_at=record.maybe_instant("updated_at") or created_at,
        vendor=whose.kind == "vendor",
        attributes=read_attributes(record.raw("attributes", {}), f"{record.place}.attributes"),
        amazon_stock=record.number("amazon_stock", 0, lowest=0),
    )
    _read_places(listing, record)
    listing.issues = [
        read_issue(row) for row in records(record.raw("issues", []), f"{record.place}.issues")
    ]
    if record.raw("cost_price", None) is not None:
        cost = Record.of(record.raw("cost_price"), f"{record.place}.cost_price")
        if not _AMOUNT.fullmatch(cost.text("amount")):
            raise ValueError(f"{cost.place}.amount: must be a decimal number as text")
        listing.cost_price = (cost.text("amount"), cost.text("currency"))
        cost.done()
    record.done()
    return listing


def _read_places(listing: Listing, record: Record) -> None:
    table = record.text_table("listed_at")
    for where, since in table.items():
        if marketplaces.region_of(where) != listing.region:
            raise ValueError(
                f"{record.place}.listed_at: {where!r} is no marketplace of {listing.region}"
            )
        listing.listed_at[where] = instant_of(since, f"{record.place}.listed_at.{where}")


def read_attributes(given: Any, place: str) -> dict[str, list[Value]]:
    """Attributes in Amazon's shape: lists of objects by name. Raises ValueError."""
    table = Record.of(given, place).fields
    for name, values in table.items():
        if not isinstance(values, list) or not all(isinstance(one, dict) for one in values):
            raise ValueError(f"{place}.{name}: must be a list of objects")
    return dict(table)


def partner(stage: Stage, record: Record) -> Partner:
    """The partner that `selling_partner_id` names. Raises ValueError when there is none."""
    whose = record.text("selling_partner_id")
    known = stage.world.partners.get(whose)
    if known is None:
        raise ValueError(f"{record.place}.selling_partner_id: there is no partner {whose!r}")
    return known


def written_issue(issue: Issue) -> dict[str, Any]:
    return {
        "code": issue.code,
        "message": issue.message,
        "severity": issue.severity,
        "attribute_names": list(issue.attribute_names),
        "categories": list(issue.categories),
        "marketplace_ids": list(issue.marketplace_ids),
        "actions": list(issue.actions),
    }


def read_issue(record: Record) -> Issue:
    """Raises ValueError. Only code and message must be there."""
    issue = Issue(
        record.text("code"),
        record.text("message"),
        record.choice("severity", SEVERITIES, "ERROR"),
        record.texts("attribute_names", []),
        record.texts("categories", []),
        record.texts("marketplace_ids", []),
        record.texts("actions", []),
    )
    record.done()
    return issue
