"""Examples of answers, for the description. Everything in them is made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["ANSWERS"]

#: By the name of the shape.
ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "AccountView": {
        "id": "acc_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "name": "Bergkamm Outdoor DE",
        "partner_kind": "seller",
        "vendor_kind": None,
        "client_email": "owner@bergkamm.example",
        "application_id": "app_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "client_instance_id": "ins_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "region": "eu",
        "home_marketplace": "DE",
        "merchant_token": "",
        "vendor_codes": [],
        "flags": {
            "update_stock": True,
            "update_price": True,
            "ship_orders": True,
            "upload_invoices": True,
            "cancel_orders": True,
            "refund_orders": True,
        },
        "language": "de",
        "notes": "",
        "oauth_began": True,
        "oauth_began_at": "2026-03-01T09:30:00Z",
        "created_at": "2026-03-01T09:29:12Z",
        "changed_at": "2026-03-01T09:30:00Z",
        "authorization": {
            "state": "active",
            "selling_partner_id": "A3BERGKAMM0EX",
            "granted_at": "2026-03-01T10:02:41Z",
            "term_ends_at": "2027-03-01T10:02:41Z",
            "phase": "fresh",
            "serves_tokens": True,
            "needs_consent": False,
            "refused_at": None,
            "refused_reason": "",
            "checked_at": "2026-03-01T10:02:42Z",
            "finding": "",
            "changed_at": "2026-03-01T10:02:42Z",
        },
        "participations": [
            {
                "marketplace_id": "A1PA6795UKMFR9",
                "country_code": "DE",
                "name": "Amazon.de",
                "store_name": "Bergkamm Outdoor",
                "domain_name": "www.amazon.de",
                "currency": "EUR",
                "participating": True,
                "suspended": False,
                "seen_at": "2026-03-01T10:02:42Z",
            }
        ],
    },
    "InvitationView": {
        "id": "inv_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "account_id": "acc_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "email": "owner@bergkamm.example",
        "language": "de",
        "state": "open",
        "created_at": "2026-03-01T09:30:00Z",
        "expires_at": "2026-03-15T09:30:00Z",
        "opened_at": None,
        "spent_at": None,
    },
    "AccessTokenView": {
        "access_token": "Atza|…",
        "token_type": "bearer",
        "expires_in": 3312,
        "expires_at": "2026-03-01T10:58:12Z",
    },
    "JournalLineView": {
        "id": 4711,
        "at": "2026-03-01T09:29:12Z",
        "caller": "api_key:key_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "verb": "account.added",
        "subject": "acc_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "account_id": "acc_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "facts": {"name": "Bergkamm Outdoor DE"},
    },
    "ApiKeyView": {
        "id": "key_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "name": "order script",
        "rights": ["amazon_read", "personal_data"],
        "client_instance_id": None,
        "account_ids": ["acc_01k9z4h6q8w2e5r7t9y1a3s5d7"],
        "created_at": "2026-03-01T09:29:12Z",
        "expires_at": "2026-09-08T08:00:00Z",
        "revoked_at": None,
        "last_used_at": "2026-09-01T07:58:40Z",
        "replaced_by": "key_01k9z4h6q8w2e5r7t9y1a3s5d8",
    },
    "ConnectionKeyView": {
        "id": "con_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "account_id": "acc_01k9z4h6q8w2e5r7t9y1a3s5d7",
        "name": "stock script",
        "created_at": "2026-03-01T09:29:12Z",
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": "2026-09-01T07:58:40Z",
        "replaced_by": None,
    },
}
