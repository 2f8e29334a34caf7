"""The columns that are understood, under all the names that they go by.

Answers for: which field of ours a column means, which columns hold secrets, and which are left over
from times that are gone. Does not answer for: what is in them (``wishes``).

What is gone, by Amazon's announcements: "SP-API will no longer require AWS IAM or AWS Signature
Version 4" (2 October 2023); MWS closed to everyone on 1 April 2024, its credentials were deleted
from 22 April 2024 ("update-amazon-marketplace-web-service-mws-credential-deletion").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from evergrant.moving.source import plain_name, shown_name
from evergrant.moving.values import Cell, Row, Table
from evergrant.rules.flags import Flag

__all__ = ["COLUMNS", "SECRET", "Fields", "fields_of", "unknown_columns"]


_DATES = ("created", "created_at", "updated", "updated_at", "modified", "modified_at", "version_no")

#: Field of ours -> names of columns, compared by `plain_name`; the field's own name counts too.
COLUMNS: Mapping[Table, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        Table.APPLICATIONS: {
            "id": ("integration_id", "pk"),
            "name": ("title", "label", "app_name", "application_name"),
            "kind": ("type", "app_type", "application_type", "integration_type"),
            "private": ("is_private", "self_authorized"),
            "partner_kinds": (
                "partner_kind",
                "partner_types",
                "partner_type",
                "account_types",
                "audience",
            ),
            "status": ("state", "app_status"),
            "draft": ("is_draft", "beta", "is_beta", "version_beta", "version"),
            "published": ("is_published",),
            "application_id": (
                "app_id",
                "amazon_application_id",
                "solution_id",
                "sp_api_application_id",
            ),
            "developer_name": ("developer",),
            "developer_id": ("dev_id",),
            "login_uri": ("log_in_uri", "oauth_login_uri", "login_url", "oauth_login_url"),
            "redirect_uri": (
                "oauth_redirect_uri",
                "redirect_url",
                "oauth_redirect_url",
                "callback_uri",
                "callback_url",
            ),
            "beta_for_sellers": ("seller_beta",),
            "beta_for_vendors": ("vendor_beta",),
            "reminder_days": (),
        },
        Table.CREDENTIALS: {
            "id": ("credentials_id", "pk"),
            "application": ("integration", "integration_id", "integration_fk", "app"),
            "application_id": (
                "app_id",
                "amazon_application_id",
                "solution_id",
                "sp_api_application_id",
            ),
            "lwa_client_id": ("client_id", "client_identifier", "lwa_id", "lwa_client"),
            "lwa_client_secret": ("client_secret", "lwa_secret", "secret"),
            "secret_created_at": (
                "secret_created",
                "secret_date",
                "client_secret_date",
                "secret_rotated_at",
                "client_secret_created",
                "client_secret_created_at",
                "rotated_at",
                "last_rotation",
                "last_rotated_at",
                "secret_updated_at",
            ),
            "secret_expires_at": (
                "secret_expires",
                "secret_expiry",
                "client_secret_expires",
                "secret_valid_until",
                "client_secret_expires_at",
                "client_secret_expiry",
                "secret_expiration",
            ),
            "lwa_url": ("lwa_endpoint", "token_url"),
            "role_arn": ("arn", "aws_role_arn", "aws_arn", "iam_arn", "iam_role_arn", "role"),
            "access_key": ("aws_access_key", "aws_access_key_id", "access_key_id"),
            "secret_key": ("aws_secret_key", "aws_secret_access_key", "secret_access_key"),
            "queue_url": ("sqs_queue_url", "sqs_url", "sqs_queue", "queue"),
            "notifications_queue_url": ("notification_queue_url", "notifications_queue"),
        },
        Table.INSTANCES: {
            "id": ("client_id", "pk"),
            "name": ("client", "client_name", "title", "label"),
            "base_url": ("url", "address", "host", "client_url"),
            "return_url": ("redirect_url", "return_uri"),
            "webhook_url": ("callback", "callback_url", "callback_uri", "webhook"),
            "signing_secret": ("webhook_secret", "callback_secret"),
        },
        Table.ACCOUNTS: {
            "id": ("account_id", "account_amazon_id", "pk"),
            "name": ("account", "account_name", "title", "label", "shop", "shop_name"),
            "partner_kind": ("partner_type", "kind", "type", "account_type", "seller_or_vendor"),
            "is_vendor": ("vendor",),
            "is_seller": ("seller",),
            "vendor_kind": ("vendor_type",),
            "client_email": (
                "email",
                "e_mail",
                "mail",
                "client_mail",
                "contact_email",
                "client_e_mail",
            ),
            "application": (
                "application_id",
                "integration",
                "integration_id",
                "integration_fk",
                "app_id",
            ),
            "instance": (
                "client_id",
                "client",
                "client_fk",
                "client_instance",
                "client_instance_id",
            ),
            "region": ("selling_region", "api_region", "endpoint_region"),
            "home_marketplace": (
                "marketplace",
                "marketplace_id",
                "home",
                "country",
                "country_code",
                "store",
            ),
            "merchant_token": ("seller_id", "merchant_id", "merchant", "sellerid"),
            "vendor_codes": ("vendor_code", "codes"),
            "language": ("lang", "locale", "mail_language"),
            "notes": ("note", "comment", "comments", "remark", "remarks", "description"),
            "oauth_began": ("oauth_begun", "oauth_started", "o_auth_began"),
            "refresh_token": (
                "amazon_token",
                "token",
                "lwa_refresh_token",
                "spapi_refresh_token",
                "sp_api_refresh_token",
                "oauth_token",
                "oauth_refresh_token",
            ),
            "granted_at": (
                "authorized_at",
                "authorised_at",
                "token_date",
                "oauth_date",
                "consent_date",
                "granted",
                "granted_date",
                "refresh_token_date",
                "token_created_at",
                "authorization_date",
                "refresh_token_created_at",
                "token_created",
                "consent_at",
            ),
            "term_ends_at": (
                "authorization_expires_at",
                "token_expires_at",
                "refresh_token_expires_at",
                "authorization_ends_at",
                "expires_at",
                "valid_until",
                "token_expiry",
            ),
            "selling_partner_id": ("vendor_group", "vendor_group_code", "partner_id"),
            "state": ("status",),
            "active": ("is_active", "enabled", "is_enabled"),
            "deleted": ("is_deleted", "deleted_at", "removed"),
            Flag.UPDATE_STOCK: ("stock_update", "updates_stock", "sync_stock", "stock"),
            Flag.UPDATE_PRICE: (
                "price_update",
                "update_prices",
                "sync_price",
                "sync_prices",
                "price",
            ),
            Flag.SHIP_ORDERS: ("order_shipping", "ship_order", "ship", "shipping"),
            Flag.UPLOAD_INVOICES: ("upload_invoice", "invoice_upload", "invoices", "invoice"),
            Flag.CANCEL_ORDERS: ("cancel_order", "order_cancellation", "cancel"),
            Flag.REFUND_ORDERS: ("refund_order", "order_refund", "refund", "refunds"),
        },
    }
)

#: Fields whose cells are secrets from the first moment.
SECRET = frozenset(
    {"lwa_client_secret", "access_key", "secret_key", "signing_secret", "refresh_token"}
)

_NO_MWS = "belongs to MWS, which Amazon closed in April 2024: left out"
_NO_SIGNATURE = (
    "belongs to AWS signatures, which Amazon has disregarded since October 2023: left out"
)
_SHORT = "lives for an hour: left out"
#: Columns that are recognised and not taken over, each with the reason.
_GONE = {
    **dict.fromkeys(
        (
            *("mwsauthtoken", "mwstoken", "mwsdeveloperid", "mwsdevid", "mwsaccesskey"),
            *("mwsaccesskeyid", "mwssecretkey", "mwsawsaccesskeyid", "mwsawssecretkey"),
            *("mwssellerid", "mwsmerchantid", "mwsendpoint", "mwsmarketplaceid", "mwsdeveloper"),
            *("mwsauthorizationtoken", "developeridmws", "mws", "mwsurl", "mwssecret"),
        ),
        _NO_MWS,
    ),
    **dict.fromkeys(
        ("awsregion", "sigv4", "awssignature", "stsendpoint", "executeapi", "awssessiontoken"),
        _NO_SIGNATURE,
    ),
    **dict.fromkeys(("accesstoken", "lwaaccesstoken", "accesstokenexpiresat"), _SHORT),
}
_DULL = frozenset(plain_name(name) for name in _DATES)

_FIELDS = {
    table: {
        **{plain_name(name): field for field, names in known.items() for name in names},
        **{plain_name(field): field for field in known},
    }
    for table, known in COLUMNS.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A row by names of ours. ``faults`` as those of the row; ``notices``: what was left out."""

    row: Row
    cells: Mapping[str, Cell] = field(repr=False)
    faults: Mapping[str, str]
    notices: tuple[str, ...]


def fields_of(row: Row) -> Fields:
    """Where two columns mean the same field, the one that bears its own name counts, else the
    first that holds anything."""
    known = _FIELDS[row.table]
    cells: dict[str, Cell] = {}
    faults: dict[str, str] = {"": row.faults[""]} if "" in row.faults else {}
    notices: list[str] = []
    for column, cell in sorted(
        row.cells.items(), key=lambda item: plain_name(item[0]) not in known
    ):
        plain = plain_name(column)
        wanted = _wanted(row, column)
        if wanted is not None:
            if column in row.faults:
                faults[wanted] = row.faults[column]
            own = plain == plain_name(wanted)
            if own or cells.get(wanted) in (None, ""):
                cells[wanted] = cell if cell not in (None, "") else cells.get(wanted, cell)
        elif plain in _GONE and cell not in (None, ""):
            notices.append(f"{shown_name(column)} {_GONE[plain]}.")
    return Fields(row=row, cells=cells, faults=faults, notices=tuple(notices))


def _wanted(row: Row, column: str) -> str | None:
    """In ``integration_credentials`` and ``account_amazon`` a column ``application_id`` may be
    Amazon's id or a reference to the row of the application: its content tells."""
    wanted = _FIELDS[row.table].get(plain_name(column))
    if wanted == "application_id" and row.table is Table.CREDENTIALS:
        cell = row.cells[column]
        others = {_FIELDS[row.table].get(plain_name(name)) for name in row.cells}
        if isinstance(cell, str) and not cell.startswith("amzn1.") and "application" not in others:
            return "application"
    return wanted


def unknown_columns(rows: Iterable[Row]) -> tuple[str, ...]:
    """One sentence for each table that has some."""
    found: dict[Table, dict[str, None]] = {}
    for row in rows:
        for column in row.cells:
            plain = plain_name(column)
            if plain not in _FIELDS[row.table] and plain not in _GONE and plain not in _DULL:
                found.setdefault(row.table, {})[shown_name(column)] = None
    return tuple(
        f"Columns of {table.value} that mean nothing here: {', '.join(names)}."
        for table, names in found.items()
    )
