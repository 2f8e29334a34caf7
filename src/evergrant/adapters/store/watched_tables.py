"""The tables of the watch: the ledger of reminders, notices, rotations, reviews, and the events.

Answers for: names, columns, keys and indexes, the same as in the migrations (a test compares
them). Does not answer for: all other tables (``tables``).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Table, UniqueConstraint, text

from evergrant.adapters.store.columns import (
    METADATA,
    instant,
    json_object,
    named,
    number,
    own_id,
    ref,
    shelf,
    string,
)
from evergrant.ports import store as ports

__all__ = ["EVENTS", "WATCHED"]

WATCHED: tuple[Table, ...] = (
    shelf(
        "reminders",
        own_id(),
        string("kind"),
        named("subject"),
        ref("account_id", "accounts", null=True),
        instant("ends_at"),
        number("days"),
        instant("at"),
        named("outbox_id", null=True),
        instant("told_operators_at", null=True),
        UniqueConstraint("kind", "subject", "ends_at", "days", name=ports.ONE_REMINDER_PER_WINDOW),
        Index("reminders_account_id_idx", "account_id"),
        Index("reminders_ends_at_idx", "ends_at"),
        Index(
            "reminders_untold_idx",
            "id",
            postgresql_where=text("told_operators_at IS NULL"),
        ),
    ),
    shelf(
        "notices",
        own_id(),
        string("kind"),
        named("subject"),
        ref("account_id", "accounts", null=True),
        ref("application_id", "applications", null=True),
        string("message"),
        json_object("facts"),
        instant("first_at"),
        instant("last_at"),
        number("times"),
        instant("settled_at", null=True),
        string("settled_by"),
        Index(
            ports.ONE_OPEN_NOTICE,
            "kind",
            "subject",
            unique=True,
            postgresql_where=text("settled_at IS NULL"),
        ),
        Index("notices_account_id_idx", "account_id"),
        Index("notices_application_id_idx", "application_id"),
        Index("notices_open_idx", "id", postgresql_where=text("settled_at IS NULL")),
        Index(
            "notices_settled_at_idx",
            "settled_at",
            postgresql_where=text("settled_at IS NOT NULL"),
        ),
    ),
    shelf(
        "rotations",
        own_id(),
        ref("application_id", "applications"),
        string("source"),
        string("step"),
        instant("asked_at", null=True),
        instant("received_at", null=True),
        instant("promoted_at", null=True),
        instant("ended_at", null=True),
        string("notification_id"),
        string("secret_digest"),
        instant("secret_expires_at", null=True),
        instant("previous_ends_at", null=True),
        number("tries"),
        instant("next_at", null=True),
        string("last_error"),
        instant("created_at"),
        instant("changed_at"),
        Index(
            ports.ONE_OPEN_ROTATION,
            "application_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("rotations_application_id_idx", "application_id"),
    ),
    shelf(
        "reviews",
        own_id(),
        string("item"),
        named("subject"),
        string("digest"),
        string("by"),
        string("name"),
        instant("at"),
        string("note"),
    ),
)

#: Appended in the order of positions, which is that of the commits (``events``).
EVENTS = Table(
    "events",
    METADATA,
    own_id(),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    instant("at"),
    string("topic"),
    named("subject"),
    named("client_instance_id"),
    named("account_id", null=True),
    json_object("facts"),
    UniqueConstraint("position", name="events_position_key"),
    Index("events_client_instance_id_idx", "client_instance_id", "position"),
    Index("events_account_id_idx", "account_id", "position"),
    Index("events_at_idx", "at"),
)
