"""The tables: one per shelf, and the journal.

Answers for: names, columns, keys and indexes, the same as in the migrations (a test compares
them). Does not answer for: how a value becomes a column's value (``forms``).

Ids are compared byte by byte (collation "C") in every database, so that their order is that of
their creation.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB

from evergrant.ports import store as ports

__all__ = ["BUDGETS", "JOURNAL", "METADATA", "SHELVES"]

METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
    }
)


def _id(of: str | None = None) -> Column[str]:
    known = (ForeignKey(f"{of}.id"),) if of else ()
    return Column("id", Text(collation="C"), *known, primary_key=True)


def _ref(name: str, of: str, *, null: bool = False, later: bool = False) -> Column[str]:
    """``later``: two tables point to each other, so this way is added when both are there."""
    known = ForeignKey(f"{of}.id", use_alter=later)
    return Column(name, Text(collation="C"), known, nullable=null)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _texts(name: str, *, null: bool = False) -> Column[list[str]]:
    return Column(name, ARRAY(Text), nullable=null)


def _at(name: str, *, null: bool = False) -> Column[datetime]:
    return Column(name, DateTime(timezone=True), nullable=null)


def _yes_no(name: str, *, null: bool = False) -> Column[bool]:
    return Column(name, Boolean, nullable=null)


def _number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _big_number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _fraction(name: str) -> Column[float]:
    return Column(name, Double, nullable=False)


def _json(name: str) -> Column[Any]:
    return Column(name, JSONB, nullable=False)


def _shelf(name: str, *parts: Column[Any] | UniqueConstraint | Index) -> Table:
    return Table(name, METADATA, *parts)


SHELVES: dict[str, Table] = {
    table.name: table
    for table in (
        _shelf(
            "applications",
            _id(),
            _text("name"),
            _text("kind"),
            _texts("partner_kinds"),
            _text("status"),
            _text("application_id"),
            _text("developer_name"),
            _text("developer_id"),
            _text("login_uri"),
            _text("redirect_uri"),
            _yes_no("beta_for_sellers", null=True),
            _yes_no("beta_for_vendors", null=True),
            _at("created_at"),
            _at("changed_at"),
            UniqueConstraint("name", name=ports.ONE_APPLICATION_PER_NAME),
            UniqueConstraint("application_id", name=ports.ONE_APPLICATION_PER_AMAZON_ID),
        ),
        _shelf(
            "credentials",
            _id("applications"),
            _text("lwa_client_id"),
            _yes_no("secret_set"),
            _at("secret_created_at", null=True),
            _at("secret_expires_at", null=True),
            _at("previous_secret_ends_at", null=True),
            _text("lwa_url"),
            _text("role_arn"),
            _text("queue_url"),
            _text("access_key_hint"),
            _yes_no("secret_key_set"),
            _text("trouble"),
            _at("trouble_since", null=True),
            _at("changed_at"),
        ),
        _shelf(
            "instances",
            _id(),
            _text("name"),
            _text("base_url"),
            _text("return_url"),
            _text("webhook_url"),
            _at("last_seen_at", null=True),
            _at("created_at"),
            _at("changed_at"),
            UniqueConstraint("name", name=ports.ONE_INSTANCE_PER_NAME),
        ),
        _shelf(
            "accounts",
            _id(),
            _text("name"),
            _text("partner_kind"),
            _text("vendor_kind", null=True),
            _text("client_email"),
            _ref("application_id", "applications"),
            _ref("client_instance_id", "instances"),
            _text("region"),
            _text("home_marketplace"),
            _text("merchant_token"),
            _texts("vendor_codes"),
            _json("flags"),
            _text("language"),
            _text("notes"),
            _yes_no("oauth_began"),
            _at("oauth_began_at", null=True),
            _at("created_at"),
            _at("changed_at"),
            UniqueConstraint("name", name=ports.ONE_ACCOUNT_PER_NAME),
            Index("accounts_application_id_idx", "application_id"),
            Index("accounts_client_instance_id_idx", "client_instance_id"),
        ),
        _shelf(
            "authorizations",
            _id(),
            _ref("account_id", "accounts"),
            _ref("application_id", "applications"),
            _text("region"),
            _text("state"),
            _text("selling_partner_id"),
            _ref("grant_id", "grants", null=True, later=True),
            _at("granted_at", null=True),
            _at("term_ends_at", null=True),
            _at("refused_at", null=True),
            _text("refused_reason"),
            _at("first_refused_at", null=True),
            _at("checked_at", null=True),
            _text("finding"),
            _at("look_due_at", null=True),
            _number("looks"),
            _number("version"),
            _at("changed_at"),
            UniqueConstraint("account_id", name=ports.ONE_AUTHORIZATION_PER_ACCOUNT),
            Index(
                ports.ONE_HOLDER_PER_SELLING_PARTNER,
                "application_id",
                "region",
                "selling_partner_id",
                unique=True,
                postgresql_where=text("state IN ('active', 'lapsed') AND selling_partner_id <> ''"),
            ),
            Index("authorizations_term_ends_at_idx", "state", "term_ends_at"),
            Index(
                "authorizations_look_due_at_idx",
                "look_due_at",
                postgresql_where=text("look_due_at IS NOT NULL"),
            ),
        ),
        _shelf(
            "grants",
            _id(),
            _ref("authorization_id", "authorizations"),
            _text("source"),
            _text("selling_partner_id"),
            _at("granted_at", null=True),
            _at("term_ends_at", null=True),
            _ref("handshake_id", "handshakes", null=True),
            _text("token_digest"),
            _at("superseded_at", null=True),
            _at("created_at"),
            Index("grants_authorization_id_idx", "authorization_id"),
            Index("grants_handshake_id_idx", "handshake_id"),
            Index("grants_token_digest_idx", "token_digest"),
        ),
        _shelf(
            "participations",
            _id(),
            _ref("account_id", "accounts"),
            _text("marketplace_id"),
            _text("country_code"),
            _text("name"),
            _text("store_name"),
            _text("domain_name"),
            _text("currency"),
            _yes_no("participating"),
            _yes_no("suspended"),
            _at("seen_at"),
            UniqueConstraint(
                "account_id",
                "marketplace_id",
                name="participations_account_id_marketplace_id_key",
            ),
        ),
        _shelf(
            "invitations",
            _id(),
            _ref("account_id", "accounts"),
            _text("link_digest"),
            _text("email"),
            _text("language"),
            _text("state"),
            _at("created_at"),
            _at("expires_at"),
            _at("opened_at", null=True),
            _at("spent_at", null=True),
            UniqueConstraint("link_digest", name="invitations_link_digest_key"),
            Index("invitations_account_id_idx", "account_id"),
        ),
        _shelf(
            "handshakes",
            _id(),
            _ref("invitation_id", "invitations"),
            _ref("account_id", "accounts"),
            _ref("application_id", "applications"),
            _text("step"),
            _text("state_digest"),
            _text("browser_digest"),
            _text("consent_origin"),
            _text("redirect_uri"),
            _text("selling_partner_id"),
            _at("created_at"),
            _at("expires_at"),
            _at("spent_at", null=True),
            _at("ended_at", null=True),
            _text("outcome"),
            _text("reference"),
            UniqueConstraint("state_digest", name="handshakes_state_digest_key"),
            Index("handshakes_account_id_idx", "account_id"),
            Index("handshakes_invitation_id_idx", "invitation_id"),
            Index("handshakes_step_idx", "step", "expires_at"),
            Index("handshakes_created_at_idx", "created_at"),
        ),
        _shelf(
            "outbox",
            _id(),
            _text("kind"),
            _text("topic"),
            _text("subject"),
            _text("to"),
            _text("language"),
            _ref("account_id", "accounts", null=True),
            _json("facts"),
            _text("state"),
            _number("attempts"),
            _at("next_at"),
            _text("last_error"),
            _at("created_at"),
            _at("ended_at", null=True),
            Index("outbox_account_id_idx", "account_id"),
            Index("outbox_next_at_idx", "state", "next_at"),
            Index(
                "outbox_ended_at_idx",
                "ended_at",
                postgresql_where=text("ended_at IS NOT NULL"),
            ),
        ),
        _shelf(
            "reports",
            _id(),
            _text("reference"),
            _at("at"),
            _text("reason"),
            _text("blame"),
            _ref("account_id", "accounts", null=True),
            _ref("handshake_id", "handshakes", null=True),
            _json("facts"),
            _at("resolved_at", null=True),
            UniqueConstraint("reference", name="reports_reference_key"),
            Index("reports_account_id_idx", "account_id"),
            Index("reports_handshake_id_idx", "handshake_id"),
        ),
        _shelf(
            "operators",
            _id(),
            _text("name"),
            _text("email"),
            _text("role"),
            _text("password_hash"),
            _at("created_at"),
            _at("disabled_at", null=True),
            UniqueConstraint("email", name=ports.ONE_OPERATOR_PER_EMAIL),
        ),
        _shelf(
            "api_keys",
            _id(),
            _text("name"),
            _text("digest"),
            _texts("rights"),
            _ref("client_instance_id", "instances", null=True),
            _texts("account_ids", null=True),
            _at("created_at"),
            _at("expires_at", null=True),
            _at("revoked_at", null=True),
            _at("last_used_at", null=True),
            _ref("replaced_by", "api_keys", null=True),
            UniqueConstraint("digest", name="api_keys_digest_key"),
        ),
        _shelf(
            "connection_keys",
            _id(),
            _ref("account_id", "accounts"),
            _text("name"),
            _text("digest"),
            _at("created_at"),
            _at("expires_at", null=True),
            _at("revoked_at", null=True),
            _at("last_used_at", null=True),
            _ref("replaced_by", "connection_keys", null=True),
            UniqueConstraint("digest", name="connection_keys_digest_key"),
            Index("connection_keys_account_id_idx", "account_id"),
            Index("connection_keys_replaced_by_idx", "replaced_by"),
        ),
        _shelf(
            "plan_overrides",
            _id(),
            _text("operation"),
            _ref("application_id", "applications", null=True),
            _ref("account_id", "accounts", null=True),
            _fraction("rate_per_s"),
            _number("burst"),
            _yes_no("of_application"),
            _text("note"),
            _at("created_at"),
            _at("changed_at"),
            Index("plan_overrides_application_id_idx", "application_id"),
            Index("plan_overrides_account_id_idx", "account_id"),
        ),
        _shelf(
            "call_counts",
            _id(),
            _text("account_id"),
            _text("operation"),
            _at("hour_at"),
            _big_number("calls"),
            _big_number("waits"),
            _big_number("waited_ms"),
            _big_number("refused"),
            _big_number("throttled"),
            _json("errors"),
            _at("last_at"),
            Index("call_counts_account_id_idx", "account_id", "hour_at"),
            Index("call_counts_hour_at_idx", "hour_at"),
        ),
        _shelf(
            "safe",
            _id(),
            _text("key_id"),
            Column("ciphertext", LargeBinary, nullable=False),
            _at("sealed_at"),
            _at("expires_at", null=True),
            Index("safe_key_id_idx", "key_id"),
            Index("safe_expires_at_idx", "expires_at"),
        ),
    )
}

#: Appended, never changed: a trigger of the migrations refuses everything else.
JOURNAL = Table(
    "journal",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _at("at"),
    _text("caller"),
    _text("verb"),
    _text("subject"),
    _text("account_id", null=True),
    _json("facts"),
    Index("journal_account_id_idx", "account_id", "id"),
    Index("journal_subject_idx", "subject", "id"),
    Index("journal_verb_idx", "verb", "id"),
)

#: Buckets that all processes share. Only ``budgets_answer`` of the migrations writes them.
BUDGETS = Table(
    "budgets",
    METADATA,
    Column("bucket", Text(collation="C"), primary_key=True),
    Column("rate_per_s", DOUBLE_PRECISION, nullable=False),
    _number("burst"),
    _yes_no("fixed"),
    Column("theoretical_arrival_s", DOUBLE_PRECISION, nullable=False),
    Column("forgiven_s", DOUBLE_PRECISION, nullable=False),
    _texts("line_tickets"),
    Column("line_importances", ARRAY(Integer), nullable=False),
    Column("line_arrived_s", ARRAY(DOUBLE_PRECISION), nullable=False),
    Column("line_dies_s", ARRAY(DOUBLE_PRECISION), nullable=False),
    Column("reported_rate_per_s", DOUBLE_PRECISION),
    _at("reported_at", null=True),
    _at("throttled_at", null=True),
    _at("used_at", null=True),
)
