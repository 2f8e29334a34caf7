"""The notification types, and how the envelope of each is written.

Case of the keys and versions are those of Amazon's schemas in `schemas/notifications`; types
without a schema there (Amazon's page 'notification-type-values' names them) are written like the
older ones, in UpperCamel, with the exception of the two about client secrets, whose envelopes are
known from Amazon's rotation sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["TYPES", "NotificationType", "envelope"]


@dataclass(frozen=True)
class NotificationType:
    """``payloads``: the kinds of payload that exist; ``stated``: the version in the envelope where
    it differs from what is subscribed to."""

    name: str
    lower: bool = False
    version: str = "1.0"
    payloads: tuple[str, ...] = ("1.0",)
    stated: str | None = None
    subscribable: bool = True

    def takes(self, payload_version: str) -> bool:
        """Whether one may subscribe to this version."""
        return payload_version in (*self.payloads, self.stated, "1.0")

    def fits(self, subscribed: str, payload_version: str) -> bool:
        """Whether a payload of one version goes to who subscribed to another."""
        return len(self.payloads) == 1 or subscribed == payload_version


_AS_OLD = (
    *("ACCOUNT_STATUS_CHANGED", "ANY_OFFER_CHANGED", "B2B_ANY_OFFER_CHANGED"),
    *("BRANDED_ITEM_CONTENT_CHANGE", "EXTERNAL_FULFILLMENT_SHIPMENT_STATUS_CHANGE"),
    *("FBA_INVENTORY_AVAILABILITY_CHANGES", "FBA_OUTBOUND_SHIPMENT_STATUS", "FEE_PROMOTION"),
    *("FULFILLMENT_ORDER_STATUS", "ITEM_PRODUCT_TYPE_CHANGE", "LISTINGS_ITEM_STATUS_CHANGE"),
    *("LISTINGS_ITEM_MFN_QUANTITY_CHANGE", "ORDER_CHANGE", "ORDER_STATUS_CHANGE"),
    *("PRODUCT_TYPE_DEFINITIONS_CHANGE", "TRANSACTION_UPDATE"),
)
_DATED = (
    *("DETAIL_PAGE_TRAFFIC_EVENT", "FEED_PROCESSING_FINISHED", "ITEM_INVENTORY_EVENT_CHANGE"),
    *("ITEM_SALES_EVENT_CHANGE", "REPORT_PROCESSING_FINISHED"),
)
_OF_SECRETS = ("APPLICATION_OAUTH_CLIENT_NEW_SECRET", "APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY")

TYPES: Mapping[str, NotificationType] = {
    kind.name: kind
    for kind in (
        *(NotificationType(name) for name in _AS_OLD),
        *(
            NotificationType(name, True, "2020-09-04", ("2020-09-04",), "2020-09-04")
            for name in _DATED
        ),
        NotificationType("LISTINGS_ITEM_ISSUES_CHANGE", payloads=("1.0", "2023-12-13")),
        NotificationType("PRICING_HEALTH", True),
        NotificationType(
            "DATA_KIOSK_QUERY_PROCESSING_FINISHED",
            lower=True,
            version="2023-11-15",
            payloads=("2023-11-15",),
            stated="2023-11-15",
        ),
        NotificationType(
            "SHIPMENT_TRACKING_MILESTONE_CHANGED",
            lower=True,
            payloads=("2026-01-30",),
            stated="2026-01-30",
        ),
        *(
            NotificationType(name, True, "1.0", ("2023-11-30",), "2023-11-30", subscribable=False)
            for name in _OF_SECRETS
        ),
    )
}

_KEYS = (
    *("notificationVersion", "notificationType", "payloadVersion", "eventTime", "payload"),
    *("notificationMetadata", "applicationId", "subscriptionId", "publishTime", "notificationId"),
)
_UPPER = {key: key[0].upper() + key[1:] for key in _KEYS}


def envelope(
    name: str,
    payload_version: str,
    payload: object,
    *,
    event_time: str | None,
    metadata: Mapping[str, str | None],
) -> dict[str, object]:
    """One notification. ``metadata`` and the result have the keys in the case of the type."""
    kind = TYPES.get(name) or NotificationType(name)
    whole: dict[str, object] = {
        "notificationVersion": kind.version,
        "notificationType": name,
        "payloadVersion": kind.stated or payload_version,
        "eventTime": event_time,
        "payload": payload,
        "notificationMetadata": {
            (key if kind.lower else _UPPER[key]): value for key, value in metadata.items()
        },
    }
    return {(key if kind.lower else _UPPER[key]): value for key, value in whole.items()}
