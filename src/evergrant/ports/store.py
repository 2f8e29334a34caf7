"""The store's socket: shelves of things inside transactions, locks across processes.

Answers for: the few verbs that a store has, and the names of the unique keys that rooms plan for.
Does not answer for: the things themselves (``things``), or for SQL.

One contract suite (``tests/edges/test_store.py``) runs on the in-memory store and on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from evergrant.ports.boards import Boards, SavedFilter
from evergrant.ports.changes import Changes
from evergrant.ports.news import Gathered
from evergrant.ports.signed_in import (
    OperatorInvitation,
    OperatorSession,
    RecoveryCode,
    SignInCount,
)
from evergrant.ports.things import (
    Account,
    ApiKey,
    Application,
    Authorization,
    CallCount,
    ClientInstance,
    ConnectionKey,
    Grant,
    Handshake,
    IntegrationCredentials,
    Invitation,
    JournalLine,
    Operator,
    OutboxItem,
    Participation,
    PlanOverride,
    SealedSecret,
    Standing,
    SupportReport,
)
from evergrant.ports.traded import (
    AccountWork,
    AmazonReport,
    FeedRun,
    Intake,
    Order,
    OrderSweep,
    Subscription,
)
from evergrant.ports.watched import (
    EventRecord,
    Notice,
    Reminder,
    Review,
    Rotation,
    WindowReached,
)
from evergrant.rules.lifecycle import State

__all__ = [
    "COUNTED",
    "ONE_ACCOUNT_PER_NAME",
    "ONE_APPLICATION_PER_AMAZON_ID",
    "ONE_APPLICATION_PER_NAME",
    "ONE_AUTHORIZATION_PER_ACCOUNT",
    "ONE_FILTER_PER_NAME",
    "ONE_HOLDER_PER_SELLING_PARTNER",
    "ONE_INSTANCE_PER_NAME",
    "ONE_INTAKE_PER_KEY",
    "ONE_OPEN_INVITATION_PER_EMAIL",
    "ONE_OPEN_NOTICE",
    "ONE_OPEN_ROTATION",
    "ONE_OPERATOR_PER_EMAIL",
    "ONE_OPERATOR_PER_SUBJECT",
    "ONE_REMINDER_PER_WINDOW",
    "UNIQUE_KEYS",
    "AlreadyThere",
    "CallCounts",
    "Changes",
    "Diary",
    "Events",
    "Orders",
    "Outbox",
    "QuickReads",
    "Scans",
    "Shelf",
    "Store",
    "Transaction",
    "added",
    "merged",
    "not_after",
]

Thing = TypeVar("Thing")


class AlreadyThere(Exception):
    """A unique key refused a row. ``constraint`` is its name, equal in code and database."""

    def __init__(self, constraint: str) -> None:
        self.constraint = constraint
        super().__init__(constraint)


class Shelf(Protocol[Thing]):
    """Rows of one kind.

    Filters are ``field=value``; ``None`` means "is null", a list, tuple or (frozen)set of values
    means "one of", ``before=("expires_at", instant)`` means "strictly earlier, and not null".
    Rows come in the order of their ids, which is the order of their creation, or the other way
    round; ``after`` is the id of the last one already seen, in that order.
    """

    async def get(self, id: str) -> Thing | None: ...

    async def one(self, **equal: Any) -> Thing | None:
        """The only row that matches, or None. Two matches are a ``LookupError``: our mistake."""
        ...

    async def all(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        before: tuple[str, datetime] | None = None,
        newest_first: bool = False,
        **equal: Any,
    ) -> list[Thing]: ...

    async def count(self, *, before: tuple[str, datetime] | None = None, **equal: Any) -> int: ...

    async def add(self, thing: Thing) -> None:
        """Raises AlreadyThere when a unique key refuses it. The transaction stays usable."""
        ...

    async def put(self, thing: Thing) -> None:
        """Add, or replace the row of the same id."""
        ...

    async def change(
        self, id: str, /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> Thing | None:
        """Set ``values`` if the row exists and still holds ``expecting`` (filters as above);
        gives the changed row, or None when nothing matched: somebody else was there first.
        Raises AlreadyThere when a unique key refuses the new values."""
        ...

    async def change_all(
        self, ids: Collection[str], /, expecting: Mapping[str, Any] | None = None, **values: Any
    ) -> int:
        """`change` for all of these rows in one statement; gives how many were changed."""
        ...

    async def drop(self, id: str) -> bool: ...

    async def drop_all(self, ids: Collection[str]) -> int:
        """`drop` for all of these rows in one statement; gives how many went."""
        ...


def not_after(field: str, instant: datetime) -> tuple[str, datetime]:
    """For ``before``: at that instant or earlier. Instants are kept to the microsecond."""
    return field, instant + timedelta(microseconds=1)


#: The numbers of a CallCount, which add up.
COUNTED = ("calls", "waits", "waited_ms", "refused", "throttled")


def merged(rows: Iterable[CallCount]) -> list[CallCount]:
    """One row for each id, with what all rows of that id count together; in order of ids."""
    found: dict[str, CallCount] = {}
    for row in rows:
        known = found.get(row.id)
        found[row.id] = row if known is None else added(known, row)
    return [found[key] for key in sorted(found)]


def added(one: CallCount, other: CallCount) -> CallCount:
    """Both counts of one hour, as one."""
    return replace(
        one,
        errors={
            cause: one.errors.get(cause, 0) + other.errors.get(cause, 0)
            for cause in {*one.errors, *other.errors}
        },
        last_at=max(one.last_at, other.last_at),
        **{name: getattr(one, name) + getattr(other, name) for name in COUNTED},
    )


class CallCounts(Shelf[CallCount], Protocol):
    """Counts of calls, by the hour. The id of a row is ``account_id/operation/hour``, so whoever
    counts for the same hour means the same row; ``account_id`` is "" for calls of no account."""

    async def add_up(self, rows: Sequence[CallCount]) -> None:
        """Adds these counts to those that are there, all in one statement: several processes
        count at once and none loses what another counted. Two of one id are added to each other
        first. ``last_at`` is the later one."""
        ...

    async def read(
        self,
        *,
        since: datetime,
        account_id: str | None = None,
        operation: str | None = None,
        throttled: bool = False,
    ) -> list[CallCount]:
        """Of this hour and later ones, in order of hours, then of ids. ``throttled``: those only
        that Amazon answered with 429 at least once."""
        ...

    async def purge(self, before: datetime) -> int:
        """Forgets every hour that is strictly earlier; gives how many rows went."""
        ...


class Diary(Protocol):
    """The journal's shelf: append, read, and forget what is older than a year."""

    async def append(self, line: JournalLine) -> None: ...

    async def read(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        account_id: str | None = None,
        subject: str | None = None,
        verb: str | None = None,
        caller: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = False,
    ) -> list[JournalLine]:
        """``since``: at that instant or later; ``until``: strictly earlier. By ids; but newest
        first with one of these, by instants and then by ids. ``after``: behind that line."""
        ...

    async def purge(self, before: datetime, *, limit: int = 10_000) -> int:
        """Forgets lines that are strictly older, the oldest first; gives how many went. Never one
        of the last twelve months, by the store's own clock, whatever ``before`` says."""
        ...


class Orders(Shelf[Order], Protocol):
    """``put`` and ``add`` give a new position each time, in the order of commits over all
    processes, just before the commit (as for events); ``change`` keeps the position."""

    async def read(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        client_instance_id: str | None = None,
        account_ids: Collection[str] | None = None,
    ) -> list[Order]:
        """In the order of positions, of committed ones only."""
        ...

    async def latest(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        client_instance_id: str | None = None,
        account_ids: Collection[str] | None = None,
        status: str | None = None,
        order_id: str | None = None,
    ) -> list[Order]:
        """Those that came or changed last, the newest first, from before position ``before``; of
        committed ones that were read. ``order_id``: Amazon's."""
        ...

    async def purge(self, before: datetime, *, limit: int) -> list[str]:
        """Forgets orders that did not change since; gives their ids."""
        ...


class Outbox(Shelf[OutboxItem], Protocol):
    """What waits to go out."""

    async def is_held_up(self, item: OutboxItem) -> bool:
        """Whether an earlier event of the same account for the same client instance still waits.
        Never for mails and for events of no account."""
        ...

    async def next_in_line(self, item: OutboxItem) -> OutboxItem | None:
        """The first event that waits behind this one: same client instance, same account."""
        ...


class Events(Protocol):
    """Every event that a client instance was told or could have read."""

    async def append(self, event: EventRecord, delivery: OutboxItem | None) -> None:
        """Kept until just before the commit. Then it gets its position, in the order of commits
        over all processes, so that whoever reads on from a position never misses one that was
        committed later with an earlier position. ``delivery``, the webhook, is put into the outbox
        with ``event_id`` and ``position`` set."""
        ...

    async def get(self, id: str) -> EventRecord | None: ...

    async def read(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        client_instance_id: str | None = None,
        account_ids: Collection[str] | None = None,
        topic: str | None = None,
        newest_first: bool = False,
    ) -> list[EventRecord]:
        """In the order of positions, of committed events only; ``newest_first``: in the other one,
        and ``after`` 0 begins at the newest. ``account_ids``: of these accounts and no others."""
        ...

    async def purge(self, before: datetime, limit: int) -> int:
        """Forgets events that are older and whose delivery is over; gives how many went."""
        ...


class Scans(Protocol):
    """What the clock tower looks for in one statement over very many rows."""

    async def windows_reached(
        self, now: datetime, usual_days: Sequence[int], *, limit: int
    ) -> list[WindowReached]:
        """Ends of terms (ACTIVE and LAPSED) whose newest reached window stands in no line of the
        ledger, in the order of their ends. A window of ``d`` days is reached from midnight UTC on,
        at the beginning of the day that lies ``d`` days before the day of the end; a window whose
        end was more than 30 days ago is not reached any more. An application's ``reminder_days``
        count instead of ``usual_days``; none of them: no reminders."""
        ...

    async def terms_ending(
        self,
        until: datetime,
        *,
        limit: int,
        account_ids: Collection[str] | None = None,
        client_instance_id: str | None = None,
    ) -> list[Authorization]:
        """ACTIVE authorizations whose term ends before that instant, the nearest end first; of
        these accounts, and of this client instance, alone where given."""
        ...

    async def lapsed_before_their_end(self, after: datetime, *, limit: int) -> list[Authorization]:
        """LAPSED authorizations whose term ends later than that instant and which Amazon never
        refused, the nearest end first."""
        ...

    async def probes_due(
        self,
        until: datetime,
        states: Collection[State],
        application_ids: Collection[str],
        *,
        limit: int,
    ) -> list[Authorization]:
        """Authorizations in these states and of these applications whose probe is due at that
        instant or was before, the longest overdue first."""
        ...

    async def closed_since(self, before: datetime, *, limit: int) -> list[str]:
        """Ids of accounts that have been CLOSED since before that instant and still hold personal
        data (client e-mail or notes) or a grant's refresh token."""
        ...

    async def unswept(self, *, limit: int) -> list[str]:
        """Ids of accounts that are ACTIVE and whose orders nobody sweeps: they have no row of
        ``order_sweeps``, or one that rests (``due_at`` None). In their order."""
        ...


class Transaction(Protocol):
    """Everything between begin and commit. Commits when its block ends, rolls back on any error."""

    applications: Shelf[Application]
    credentials: Shelf[IntegrationCredentials]
    instances: Shelf[ClientInstance]
    accounts: Shelf[Account]
    authorizations: Shelf[Authorization]
    grants: Shelf[Grant]
    participations: Shelf[Participation]
    invitations: Shelf[Invitation]
    handshakes: Shelf[Handshake]
    outbox: Outbox
    reports: Shelf[SupportReport]
    operators: Shelf[Operator]
    operator_sessions: Shelf[OperatorSession]
    operator_invitations: Shelf[OperatorInvitation]
    recovery_codes: Shelf[RecoveryCode]
    sign_in_counts: Shelf[SignInCount]
    api_keys: Shelf[ApiKey]
    connection_keys: Shelf[ConnectionKey]
    plan_overrides: Shelf[PlanOverride]
    call_counts: CallCounts
    reminders: Shelf[Reminder]
    notices: Shelf[Notice]
    rotations: Shelf[Rotation]
    reviews: Shelf[Review]
    changes: Changes
    intakes: Shelf[Intake]
    feed_runs: Shelf[FeedRun]
    work: Shelf[AccountWork]
    orders: Orders
    order_sweeps: Shelf[OrderSweep]
    amazon_reports: Shelf[AmazonReport]
    subscriptions: Shelf[Subscription]
    saved_filters: Shelf[SavedFilter]
    events: Events
    scans: Scans
    boards: Boards
    safe: Shelf[SealedSecret]
    journal: Diary
    news: Gathered  # what is told at the commit, besides what shelves tell by themselves


class QuickReads(Protocol):
    """Single hand-written statements outside any transaction, for the hot doors."""

    async def standing(self, account_id: str) -> Standing | None: ...

    async def sealed(self, name: str) -> SealedSecret | None: ...

    async def api_key(self, id: str) -> ApiKey | None: ...

    async def connection_key(self, digest: str) -> ConnectionKey | None: ...

    async def connection_key_of_id(self, id: str) -> ConnectionKey | None: ...

    async def signed_in(self, secret_digest: str) -> tuple[OperatorSession, Operator] | None:
        """The session with this secret, ended ones too, and whose it is."""
        ...


class Store(Protocol):
    """Errors of the database itself arrive as ``errors.StoreUnavailable``."""

    quick: QuickReads

    def transaction(self) -> AbstractAsyncContextManager[Transaction]: ...

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        """Holds a lock of that name against every other process and node. Not a transaction:
        Amazon may be called inside. Released when the holder's connection dies."""
        ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


#: Names of the unique keys that rooms plan for.
ONE_ACCOUNT_PER_NAME = "accounts_name_key"
ONE_HOLDER_PER_SELLING_PARTNER = "authorizations_selling_partner_key"
ONE_AUTHORIZATION_PER_ACCOUNT = "authorizations_account_id_key"
ONE_APPLICATION_PER_AMAZON_ID = "applications_application_id_key"
ONE_APPLICATION_PER_NAME = "applications_name_key"
ONE_INSTANCE_PER_NAME = "instances_name_key"
ONE_OPERATOR_PER_EMAIL = "operators_email_key"
ONE_OPERATOR_PER_SUBJECT = "operators_sso_subject_key"  # where sso_subject is not empty
ONE_OPEN_INVITATION_PER_EMAIL = "operator_invitations_open_key"  # email, where it is open
ONE_REMINDER_PER_WINDOW = "reminders_window_key"  # kind, subject, ends_at, days
ONE_OPEN_NOTICE = "notices_open_key"  # kind, subject, where settled_at is null
ONE_OPEN_ROTATION = "rotations_open_key"  # application_id, where ended_at is null
ONE_FILTER_PER_NAME = "saved_filters_name_key"  # operator_id, name
ONE_INTAKE_PER_KEY = "intakes_key_digest_key"  # account_id, key_digest (null: no key)

UNIQUE_KEYS: Sequence[str] = (
    ONE_ACCOUNT_PER_NAME,
    ONE_HOLDER_PER_SELLING_PARTNER,
    ONE_AUTHORIZATION_PER_ACCOUNT,
    ONE_APPLICATION_PER_AMAZON_ID,
    ONE_APPLICATION_PER_NAME,
    ONE_INSTANCE_PER_NAME,
    ONE_OPERATOR_PER_EMAIL,
    ONE_OPERATOR_PER_SUBJECT,
    ONE_OPEN_INVITATION_PER_EMAIL,
    ONE_REMINDER_PER_WINDOW,
    ONE_OPEN_NOTICE,
    ONE_OPEN_ROTATION,
    ONE_FILTER_PER_NAME,
    ONE_INTAKE_PER_KEY,
)
