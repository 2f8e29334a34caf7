"""Sellers API v1: getMarketplaceParticipations and getAccount (shapes: Amazon's sellers v1 model).

Neither answer holds the seller's id; that is Amazon's doing.
"""

from __future__ import annotations

from typing import Any

from amazon_emulator.apis.operations import Call, Operation
from amazon_emulator.world import Participation

__all__ = ["OPERATIONS", "account", "marketplace_participations"]

WITHOUT_NUMBER = frozenset({"INDIVIDUAL", "SOLE_PROPRIETORSHIP"})


def marketplace_participations(call: Call) -> dict[str, Any]:
    return {"payload": _list(call)}


def account(call: Call) -> dict[str, Any]:
    partner = call.partner
    address = {
        "addressLine1": "1 Emulator Way",
        "city": "Sampleton",
        "postalCode": "00000",
        "countryCode": partner.home.country_code,
    }
    business: dict[str, Any] = {"name": partner.name, "registeredBusinessAddress": address}
    if partner.business_type not in WITHOUT_NUMBER:
        business["companyRegistrationNumber"] = "000000"
    return {
        "payload": {
            "businessType": partner.business_type,
            "sellingPlan": partner.selling_plan,
            "marketplaceParticipationList": _list(call),
            "business": business,
            "primaryContact": {"name": f"Contact of {partner.name}", "address": address},
        }
    }


def _list(call: Call) -> list[dict[str, Any]]:
    return [
        _row(row)
        for row in call.partner.participations
        if row.marketplace.region in (call.region, None)
    ]


def _row(row: Participation) -> dict[str, Any]:
    return {
        "marketplace": row.marketplace.as_json(),
        "participation": {
            "isParticipating": row.participating,
            "hasSuspendedListings": row.suspended_listings,
        },
        "storeName": row.store_name,
    }


OPERATIONS = (
    Operation(
        "getMarketplaceParticipations",
        "GET",
        "/sellers/v1/marketplaceParticipations",
        ("Product Listing", "Selling Partner Insights"),
        ("seller",),
        marketplace_participations,
    ),
    Operation(
        "getAccount",
        "GET",
        "/sellers/v1/account",
        ("Finance and Accounting", "Account Information Service Provider"),
        ("seller",),
        account,
    ),
)
