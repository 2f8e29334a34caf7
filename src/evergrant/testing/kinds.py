"""What the store in memory knows of each shelf: its things, unique keys and references.

Answers for: the same keys and references as the tables (a test compares them). Does not answer for:
holding to them (``testing.store``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from evergrant.ports import boards as b
from evergrant.ports import signed_in as o
from evergrant.ports import store as ports
from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.ports import watched as w
from evergrant.rules.lifecycle import State

__all__ = ["KINDS", "Kind", "Unique"]


@dataclasses.dataclass(frozen=True)
class Unique:
    """A unique key: equal ``fields`` may stand in one row only, among rows where ``where``."""

    name: str
    fields: tuple[str, ...]
    where: Callable[[Any], bool] = lambda row: True

    def of(self, row: Any) -> tuple[Any, ...] | None:
        if not self.where(row):
            return None
        values = tuple(getattr(row, field) for field in self.fields)
        return None if None in values else values


@dataclasses.dataclass(frozen=True)
class Kind:
    """What the store knows of one shelf."""

    thing: type[Any]
    unique: tuple[Unique, ...] = ()
    references: Mapping[str, str] = dataclasses.field(default_factory=dict)


def _holds_its_partner(row: t.Authorization) -> bool:
    return row.state in (State.ACTIVE, State.LAPSED) and row.selling_partner_id != ""


KINDS: dict[str, Kind] = {
    "applications": Kind(
        t.Application,
        (
            Unique(ports.ONE_APPLICATION_PER_NAME, ("name",)),
            Unique(ports.ONE_APPLICATION_PER_AMAZON_ID, ("application_id",)),
        ),
    ),
    "credentials": Kind(t.IntegrationCredentials, (), {"id": "applications"}),
    "instances": Kind(t.ClientInstance, (Unique(ports.ONE_INSTANCE_PER_NAME, ("name",)),)),
    "accounts": Kind(
        t.Account,
        (Unique(ports.ONE_ACCOUNT_PER_NAME, ("name",)),),
        {"application_id": "applications", "client_instance_id": "instances"},
    ),
    "authorizations": Kind(
        t.Authorization,
        (
            Unique(ports.ONE_AUTHORIZATION_PER_ACCOUNT, ("account_id",)),
            Unique(
                ports.ONE_HOLDER_PER_SELLING_PARTNER,
                ("application_id", "region", "selling_partner_id"),
                _holds_its_partner,
            ),
        ),
        {"account_id": "accounts", "application_id": "applications", "grant_id": "grants"},
    ),
    "grants": Kind(
        t.Grant, (), {"authorization_id": "authorizations", "handshake_id": "handshakes"}
    ),
    "participations": Kind(
        t.Participation,
        (Unique("participations_account_id_marketplace_id_key", ("account_id", "marketplace_id")),),
        {"account_id": "accounts"},
    ),
    "invitations": Kind(
        t.Invitation,
        (Unique("invitations_link_digest_key", ("link_digest",)),),
        {"account_id": "accounts"},
    ),
    "handshakes": Kind(
        t.Handshake,
        (Unique("handshakes_state_digest_key", ("state_digest",)),),
        {
            "invitation_id": "invitations",
            "account_id": "accounts",
            "application_id": "applications",
        },
    ),
    "outbox": Kind(t.OutboxItem, (), {"account_id": "accounts"}),
    "reports": Kind(
        t.SupportReport,
        (Unique("reports_reference_key", ("reference",)),),
        {"account_id": "accounts", "handshake_id": "handshakes"},
    ),
    "operators": Kind(
        t.Operator,
        (
            Unique(ports.ONE_OPERATOR_PER_EMAIL, ("email",)),
            Unique(
                ports.ONE_OPERATOR_PER_SUBJECT,
                ("sso_subject",),
                lambda row: row.sso_subject != "",
            ),
        ),
    ),
    "operator_sessions": Kind(
        o.OperatorSession,
        (Unique("operator_sessions_secret_digest_key", ("secret_digest",)),),
        {"operator_id": "operators"},
    ),
    "operator_invitations": Kind(
        o.OperatorInvitation,
        (
            Unique("operator_invitations_link_digest_key", ("link_digest",)),
            Unique(
                ports.ONE_OPEN_INVITATION_PER_EMAIL,
                ("email",),
                lambda row: row.accepted_at is None and row.withdrawn_at is None,
            ),
        ),
        {"operator_id": "operators"},
    ),
    "recovery_codes": Kind(o.RecoveryCode, (), {"operator_id": "operators"}),
    "sign_in_counts": Kind(o.SignInCount),
    "api_keys": Kind(
        t.ApiKey,
        (Unique("api_keys_digest_key", ("digest",)),),
        {"client_instance_id": "instances", "replaced_by": "api_keys"},
    ),
    "connection_keys": Kind(
        t.ConnectionKey,
        (Unique("connection_keys_digest_key", ("digest",)),),
        {"account_id": "accounts", "replaced_by": "connection_keys"},
    ),
    "plan_overrides": Kind(
        t.PlanOverride, (), {"application_id": "applications", "account_id": "accounts"}
    ),
    "call_counts": Kind(t.CallCount),
    "reminders": Kind(
        w.Reminder,
        (Unique(ports.ONE_REMINDER_PER_WINDOW, ("kind", "subject", "ends_at", "days")),),
        {"account_id": "accounts"},
    ),
    "notices": Kind(
        w.Notice,
        (Unique(ports.ONE_OPEN_NOTICE, ("kind", "subject"), lambda row: row.settled_at is None),),
        {"account_id": "accounts", "application_id": "applications"},
    ),
    "rotations": Kind(
        w.Rotation,
        (Unique(ports.ONE_OPEN_ROTATION, ("application_id",), lambda row: row.ended_at is None),),
        {"application_id": "applications"},
    ),
    "reviews": Kind(w.Review),
    "changes": Kind(d.Change),
    "intakes": Kind(
        d.Intake,
        (Unique(ports.ONE_INTAKE_PER_KEY, ("account_id", "key_digest")),),
        {"account_id": "accounts"},
    ),
    "feed_runs": Kind(d.FeedRun, (), {"account_id": "accounts", "application_id": "applications"}),
    "work": Kind(d.AccountWork, (), {"id": "accounts"}),
    "orders": Kind(d.Order, (), {"account_id": "accounts"}),
    "order_sweeps": Kind(d.OrderSweep, (), {"id": "accounts"}),
    "amazon_reports": Kind(d.AmazonReport, (), {"account_id": "accounts"}),
    "subscriptions": Kind(
        d.Subscription, (), {"account_id": "accounts", "application_id": "applications"}
    ),
    "saved_filters": Kind(
        b.SavedFilter,
        (Unique(ports.ONE_FILTER_PER_NAME, ("operator_id", "name")),),
        {"operator_id": "operators"},
    ),
    "safe": Kind(t.SealedSecret),
}
