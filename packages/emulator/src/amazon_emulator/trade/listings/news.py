"""What is told of a listing when it changes.

Answers for: which of the three notifications of listings follow a change, and their payloads (of
Amazon's notification schemas; of issues there are two versions). Who gets them is the business of
`notices`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.stage import Stage
from amazon_emulator.trade.listings.issues import Issue
from amazon_emulator.trade.listings.listing import Listing
from amazon_emulator.trade.queues import notices
from amazon_emulator.world import Partner

__all__ = ["Seen", "tell", "tell_gone"]


@dataclass(frozen=True)
class Seen:
    """What of a listing is told when it changes: statuses and issues by marketplace id, quantities
    by channel. Of a listing that is not there yet: nothing."""

    statuses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()
    quantities: Mapping[str, int | None] = field(default_factory=dict)

    @classmethod
    def of(cls, listing: Listing) -> Seen:
        return cls(
            {where: listing.status(where) for where in listing.listed_at},
            tuple(listing.standing_issues()),
            {
                code: quantity
                for code, quantity in listing.channels.items()
                if not code.startswith("AMAZON")
            },
        )


def tell(stage: Stage, partner: Partner, listing: Listing, before: Seen, now: datetime) -> None:
    """Whatever is not as it was."""
    after = Seen.of(listing)
    for where, status in after.statuses.items():
        if status != before.statuses.get(where, ()):
            _tell_status(stage, partner, listing, where, status, now)
    if after.issues != before.issues:
        for where in listing.listed_at:
            known = [issue for issue in after.issues if issue.concerns(where)]
            if known != [issue for issue in before.issues if issue.concerns(where)]:
                _tell_issues(stage, partner, listing, where, known, now)
    if after.quantities != before.quantities:
        for code in {**before.quantities, **after.quantities}:
            quantity = after.quantities.get(code)
            if quantity != before.quantities.get(code):
                payload = {
                    "SellerId": listing.seller_id,
                    "FulfillmentChannelCode": code,
                    "Sku": listing.sku,
                    "Quantity": quantity or 0,
                }
                notices.tell(
                    stage,
                    "LISTINGS_ITEM_MFN_QUANTITY_CHANGE",
                    partner,
                    payload,
                    now,
                    region=listing.region,
                )


def tell_gone(
    stage: Stage,
    partner: Partner,
    listing: Listing,
    gone: Mapping[str, datetime],
    now: datetime,
) -> None:
    """The listing was deleted in these marketplaces, where it was listed since."""
    for where, since in gone.items():
        _tell_status(stage, partner, listing, where, ("DELETED",), now, since)


def _tell_status(
    stage: Stage,
    partner: Partner,
    listing: Listing,
    marketplace_id: str,
    status: tuple[str, ...],
    now: datetime,
    since: datetime | None = None,
) -> None:
    payload: dict[str, Any] = {
        "SellerId": listing.seller_id,
        "MarketplaceId": marketplace_id,
        "Sku": listing.sku,
        "CreatedDate": stamp(since or listing.listed_at[marketplace_id]),
        "Status": list(status),
    }
    if listing.asin:
        payload["Asin"] = listing.asin
    notices.tell(stage, "LISTINGS_ITEM_STATUS_CHANGE", partner, payload, now, region=listing.region)


def _tell_issues(
    stage: Stage,
    partner: Partner,
    listing: Listing,
    marketplace_id: str,
    known: list[Issue],
    now: datetime,
) -> None:
    severities = sorted({issue.severity for issue in known} - {"INFO"})
    actions = sorted({action for issue in known for action in issue.actions})
    payload: dict[str, Any] = {
        "SellerId": listing.seller_id,
        "MarketplaceId": marketplace_id,
        "Sku": listing.sku,
        "Severities": severities or ["NONE"],
    }
    if listing.asin:
        payload["Asin"] = listing.asin
    # The older payload knows one action only. Each subscriber gets the version that it chose.
    for version, told in (("1.0", set(actions) & {"SEARCH_SUPPRESSED"}), ("2023-12-13", actions)):
        notices.tell(
            stage,
            "LISTINGS_ITEM_ISSUES_CHANGE",
            partner,
            {**payload, "EnforcementActions": list(told)},
            now,
            payload_version=version,
            region=listing.region,
        )
