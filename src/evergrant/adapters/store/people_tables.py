"""The tables of people who sign in: sessions, invitations, recovery codes, failed attempts.

Answers for: names, columns, keys and indexes, the same as in the migrations (a test compares
them). Does not answer for: all other tables (``tables``).
"""

from __future__ import annotations

from sqlalchemy import Index, Table, UniqueConstraint, text

from evergrant.adapters.store.columns import instant, number, own_id, ref, shelf, string
from evergrant.ports import store as ports

__all__ = ["PEOPLE"]

PEOPLE: tuple[Table, ...] = (
    shelf(
        "operators",
        own_id(),
        string("name"),
        string("email"),
        string("role"),
        string("password_hash"),
        instant("created_at"),
        instant("disabled_at", null=True),
        instant("second_factor_at", null=True),
        number("code_step"),
        string("sso_subject"),
        instant("signed_in_at", null=True),
        UniqueConstraint("email", name=ports.ONE_OPERATOR_PER_EMAIL),
        Index(
            ports.ONE_OPERATOR_PER_SUBJECT,
            "sso_subject",
            unique=True,
            postgresql_where=text("sso_subject <> ''"),
        ),
    ),
    shelf(
        "operator_sessions",
        own_id(),
        ref("operator_id", "operators"),
        string("secret_digest"),
        string("method"),
        instant("proved_at", null=True),
        string("address"),
        string("origin"),
        string("agent"),
        instant("created_at"),
        instant("seen_at"),
        instant("ends_at"),
        instant("ended_at", null=True),
        string("ended_by"),
        UniqueConstraint("secret_digest", name="operator_sessions_secret_digest_key"),
        Index("operator_sessions_operator_id_idx", "operator_id", "id"),
        Index("operator_sessions_ends_at_idx", "ends_at"),
    ),
    shelf(
        "operator_invitations",
        own_id(),
        string("name"),
        string("email"),
        string("role"),
        string("link_digest"),
        string("invited_by"),
        instant("created_at"),
        instant("expires_at"),
        instant("accepted_at", null=True),
        ref("operator_id", "operators", null=True),
        instant("withdrawn_at", null=True),
        UniqueConstraint("link_digest", name="operator_invitations_link_digest_key"),
        Index(
            ports.ONE_OPEN_INVITATION_PER_EMAIL,
            "email",
            unique=True,
            postgresql_where=text("accepted_at IS NULL AND withdrawn_at IS NULL"),
        ),
        Index("operator_invitations_operator_id_idx", "operator_id"),
    ),
    shelf(
        "recovery_codes",
        own_id(),
        ref("operator_id", "operators"),
        instant("created_at"),
        instant("used_at", null=True),
        Index("recovery_codes_operator_id_idx", "operator_id"),
    ),
    shelf(
        "sign_in_counts",
        own_id(),
        number("failures"),
        number("locks"),
        instant("locked_until", null=True),
        instant("tried_at"),
        Index("sign_in_counts_tried_at_idx", "tried_at"),
    ),
)
