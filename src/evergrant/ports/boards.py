"""The boards' socket: what is read of very many things at once, each in a statement or two.

Answers for: what the gallery asks of the store, and the rows that it gets. Does not answer for:
what somebody may see (the gallery says whose reach it is), or for words (rules).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from evergrant.ports.things import Handshake, JournalLine
from evergrant.rules.attention import AccountSigns, Need
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region, VendorKind

__all__ = [
    "FIRST_LINES",
    "LONGEST_KEY",
    "MOST_COUNTED",
    "MOST_LINES",
    "SLOW_WEBHOOK",
    "AccountCounts",
    "AccountSort",
    "AccountsWanted",
    "ApplicationPulse",
    "BoardRow",
    "Boards",
    "Busy",
    "InstancePulse",
    "MailPulse",
    "Reach",
    "SavedFilter",
    "Steps",
    "TradeCount",
    "WeekOfTerms",
]

#: Changes of one account are counted no further.
MOST_COUNTED = 10_000
#: Lines of one account's way, and how many of them are its first.
MOST_LINES = 200
FIRST_LINES = 20
#: An event that waits for so long was not taken at once.
SLOW_WEBHOOK = timedelta(minutes=1)
#: Names are sorted by so many letters.
LONGEST_KEY = 200


class AccountSort(StrEnum):
    NAME = "name"
    STATE = "state"
    ENDS = "ends"
    CHANGED = "changed"
    NEEDS = "needs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Of this client instance, and of these accounts alone, where given."""

    client_instance_id: str | None = None
    account_ids: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsWanted:
    """``words``: as `rules.words.split` gives them; each has to begin a word of the account.
    ``ends_until``: an ACTIVE authorization whose term ends then or before. ``needing``: those that
    need somebody; ``need``: those with this very need."""

    words: tuple[str, ...] = ()
    states: frozenset[State] = frozenset()  # none: all
    partner_kind: PartnerKind | None = None
    vendor_kind: VendorKind | None = None
    region: Region | None = None
    application_id: str | None = None
    client_instance_id: str | None = None
    flag_off: Flag | None = None
    ends_until: datetime | None = None
    needing: bool = False
    need: Need | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """One account with all that its line shows."""

    id: str
    name: str
    client_email: str
    partner_kind: PartnerKind
    vendor_kind: VendorKind | None
    region: Region
    home_marketplace: str
    application_id: str
    application_name: str
    client_instance_id: str
    instance_name: str
    flags: Mapping[Flag, bool]
    created_at: datetime
    changed_at: datetime  # of the account or of its authorization, the later
    checked_at: datetime | None  # Amazon last answered a call with its grant
    last_call_at: datetime | None
    waiting: int  # changes that wait for a run, up to MOST_COUNTED
    in_flight: int  # likewise
    reminder_days: tuple[int, ...] | None  # of its application
    signs: AccountSigns


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCounts:
    """How many accounts fit a wish, whatever their state and need: for the tabs above a list."""

    by_state: Mapping[State, int] = field(default_factory=dict)
    by_need: Mapping[Need, int] = field(default_factory=dict)
    needing: int = 0  # accounts; one with two needs counts once

    @property
    def all(self) -> int:
        return sum(self.by_state.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekOfTerms:
    """Ends of one week, which begins on Monday 00:00 UTC. ``first``: the nearest few of them, as
    (account id, name, end)."""

    begins_at: datetime
    count: int
    first: tuple[tuple[str, str, datetime], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationPulse:
    """One application as LWA and its accounts feel it."""

    id: str
    name: str
    active: int  # accounts
    last_success_at: datetime | None  # Amazon last accepted a grant of it, or gave a fresh token
    trouble: str
    trouble_since: datetime | None
    secret_expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPulse:
    """Of the last 24 hours, and what waits now."""

    waiting: int = 0
    oldest_waiting_at: datetime | None = None
    sent: int = 0
    failed: int = 0
    last_error: str = ""
    last_sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePulse:
    """One client instance whose events wait or failed."""

    id: str
    name: str
    waiting: int
    oldest_waiting_at: datetime | None
    failed: int
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Calls of one account to one operation since an instant: those that had to wait, that we
    refused, and that Amazon answered with 429. ``account_id`` empty: calls of no account."""

    account_id: str
    account_name: str
    application_id: str
    operation: str
    calls: int
    waits: int
    waited_ms: int
    refused: int
    throttled: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeCount:
    """Changes of one kind in one state: what is open, and what was settled since an instant."""

    kind: ChangeKind
    state: ChangeState
    count: int
    oldest_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What tells how one account came where it is, each in the order of its making."""

    lines: tuple[JournalLine, ...] = ()
    handshakes: tuple[Handshake, ...] = ()
    first_feed_at: datetime | None = None  # the first run that was sent to Amazon


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFilter:
    """One operator's own name for a query of the list of accounts."""

    id: str
    operator_id: str
    name: str
    query: str  # as in an address, without "?"
    created_at: datetime
    changed_at: datetime


class Boards(Protocol):
    """Reads only. Every verb is one statement or two, however many accounts there are."""

    async def account_counts(
        self, wanted: AccountsWanted, reach: Reach, *, now: datetime
    ) -> AccountCounts:
        """``states``, ``needing`` and ``need`` of the wish are left out of account."""
        ...

    async def account_total(self, wanted: AccountsWanted, reach: Reach, *, now: datetime) -> int:
        """How many fit the whole wish."""
        ...

    async def account_ids(
        self,
        wanted: AccountsWanted,
        reach: Reach,
        *,
        now: datetime,
        sort: AccountSort = AccountSort.NAME,
        descending: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[str]:
        """Of those that fit, in that order; equal ones in the order of their names. What has no
        such value (no end, no need) comes last both ways. NEEDS: the worst first."""
        ...

    async def account_rows(
        self, ids: Sequence[str], reach: Reach, *, now: datetime
    ) -> list[BoardRow]:
        """In this order; those that are not there, or out of reach, are left out."""
        ...

    async def weeks(
        self, reach: Reach, *, since: datetime, until: datetime, names: int
    ) -> list[WeekOfTerms]:
        """Weeks with ends of ACTIVE authorizations from ``since`` to before ``until``, each with
        its nearest ``names``."""
        ...

    async def ended_and_undated(self, reach: Reach) -> tuple[int, int]:
        """How many accounts are LAPSED, and of how many ACTIVE ones nobody knows the end."""
        ...

    async def applications(self, now: datetime) -> list[ApplicationPulse]:
        """All, in the order of their names."""
        ...

    async def accounts_of(
        self, *, instances: Collection[str] = (), applications: Collection[str] = ()
    ) -> Mapping[str, int]:
        """How many accounts each of these client instances and applications has, by its id; one
        that has none is not named."""
        ...

    async def mail(self, now: datetime) -> MailPulse: ...

    async def webhooks(self, now: datetime) -> list[InstancePulse]:
        """Instances with something that waits for a second try or longer than a minute, or that
        was given up in the 24 hours before ``now``; the longest waiting first."""
        ...

    async def busy(
        self,
        reach: Reach,
        *,
        since: datetime,
        limit: int,
        also: Collection[tuple[str, str]] = (),
    ) -> list[Busy]:
        """Those with throttles, refusals or waits since then, the worst first: by throttles, by
        refusals, by the time that they waited. ``also``: accounts and operations that are told
        whatever they met, if they made a call since then; ``limit`` is for both together."""
        ...

    async def trade(self, reach: Reach, *, settled_since: datetime | None) -> list[TradeCount]:
        """What is open, and what was settled since then; None: what is open alone."""
        ...

    async def runs(self, reach: Reach, *, since: datetime) -> tuple[int, int]:
        """Runs planned since then, and those of them that are not over."""
        ...

    async def steps(self, account_id: str, verbs: Collection[str]) -> Steps:
        """``verbs``: of the journal's lines; of very many the first and the newest."""
        ...
