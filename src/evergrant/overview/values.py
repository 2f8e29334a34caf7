"""What the gallery hands out: frozen values, named after their errand.

Answers for: their fields. Does not answer for: how they look on a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from evergrant.overview.queries import AccountQuery
from evergrant.ports.boards import (
    AccountCounts,
    ApplicationPulse,
    InstancePulse,
    MailPulse,
)
from evergrant.ports.pulse import PulseSeen
from evergrant.rules.attention import Badge, Of, Weight
from evergrant.rules.budgets import is_low
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region, VendorKind
from evergrant.rules.plain_words import Status

__all__ = [
    "AccountPage",
    "AccountRow",
    "EndOfTerm",
    "Health",
    "KindToday",
    "LimitPulse",
    "Needing",
    "NeedingLine",
    "TermWeek",
    "Terms",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One line of the list. ``flags``: None where Amazon has no such thing. ``waiting``: changes
    that wait for a run, ``in_flight`` those under way."""

    id: str
    name: str
    client_email: str
    partner_kind: PartnerKind
    vendor_kind: VendorKind | None
    region: Region
    home_marketplace: str  # its country code
    country: str  # its name
    application_id: str
    application_name: str
    client_instance_id: str
    instance_name: str
    state: State
    status: Status
    granted_at: datetime | None
    term_ends_at: datetime | None
    days_left: int | None  # of the term; negative afterwards
    next_reminder_at: datetime | None
    flags: Mapping[Flag, bool | None]
    merchant_token: str
    vendor_codes: tuple[str, ...]
    selling_partner_id: str
    badges: tuple[Badge, ...]
    waiting: int
    in_flight: int
    last_call_at: datetime | None
    checked_at: datetime | None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage:
    """``first`` and ``last`` count from 1; both 0 where there is nothing. ``counts``: for the tabs,
    as if neither states nor needs were asked for."""

    query: AccountQuery
    rows: tuple[AccountRow, ...]
    total: int
    first: int
    last: int
    pages: int
    counts: AccountCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedingLine:
    """One thing that needs somebody. ``id`` and ``name`` of the account, application or client
    instance; both of "the house" are empty. ``badges``: the worst first; ``badge`` is that one."""

    of: Of
    id: str
    name: str
    badge: Badge
    badges: tuple[Badge, ...] = ()
    accounts: int = 0  # of an application or instance: how many feel it
    row: AccountRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Needing:
    """``total`` counts accounts and other things, those that were left out of ``lines`` too."""

    lines: tuple[NeedingLine, ...]
    total: int
    accounts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfTerm:
    """One end: of an account's grant, or of an application's client secret."""

    id: str
    name: str
    ends_at: datetime
    days_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TermWeek:
    """One week, from Monday 00:00 UTC. ``first``: the nearest few of ``count`` ends of grants."""

    begins_at: datetime
    count: int
    first: tuple[EndOfTerm, ...] = ()
    secrets: tuple[EndOfTerm, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Every week from ``since`` to ``until``, also those in which nothing ends."""

    since: datetime
    until: datetime
    weeks: tuple[TermWeek, ...]
    grants: int
    secrets: int
    lapsed: int  # accounts whose term is over already
    undated: int  # accounts of which nobody knows the end

    @property
    def most(self) -> int:
        """Ends of grants in the fullest week."""
        return max((week.count for week in self.weeks), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPulse:
    """Calls of one account to one operation in the last 24 hours that met a limit, or are about to.
    ``left`` and ``burst`` of the fullest-drawn bucket behind it now; None: it was not looked at."""

    account_id: str
    account_name: str
    operation: str
    calls: int
    waits: int
    waited_s: float
    refused: int
    throttled: int
    last_at: datetime
    left: float | None = None
    burst: int | None = None
    waiting: int = 0

    @property
    def is_near_its_end(self) -> bool:
        """Nearly empty, or somebody stands in line."""
        if self.left is None or self.burst is None:
            return False
        return self.waiting > 0 or is_low(self.left, self.burst)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindToday:
    """Changes of one kind: what is open, and what was settled since midnight UTC."""

    kind: ChangeKind
    counts: Mapping[ChangeState, int] = field(default_factory=dict)
    oldest_waiting_at: datetime | None = None

    def of(self, *states: ChangeState) -> int:
        return sum(self.counts.get(state, 0) for state in states)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the house is. ``pulse`` None: nobody could look at the queue. Verdicts: the weight of
    each tile by its name (``lwa mail webhooks limits queue workers feeds``), with a sentence."""

    at: datetime
    applications: tuple[ApplicationPulse, ...]
    silent: Mapping[str, datetime]  # by application: when LWA, lately, did not answer
    mail: MailPulse
    instances: tuple[InstancePulse, ...]
    limits: tuple[LimitPulse, ...]
    throttled: int  # calls that Amazon answered with 429 in the last 24 hours
    kinds: tuple[KindToday, ...]
    runs_today: int
    runs_open: int
    pulse: PulseSeen | None
    verdicts: Mapping[str, tuple[Weight, str]] = field(default_factory=dict)
