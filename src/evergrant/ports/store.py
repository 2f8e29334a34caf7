"""The store's socket: shelves of things inside transactions, locks across processes.

Answers for: the few verbs that a store has, and the names of the unique keys that rooms plan for.
Does not answer for: the things themselves (``things``), or for SQL.

One contract suite (``tests/edges/test_store.py``) runs on the in-memory store and on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from evergrant.ports.things import (
    Account,
    ApiKey,
    Application,
    Authorization,
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
    SealedSecret,
    Standing,
    SupportReport,
)

__all__ = [
    "ONE_ACCOUNT_PER_NAME",
    "ONE_APPLICATION_PER_AMAZON_ID",
    "ONE_APPLICATION_PER_NAME",
    "ONE_AUTHORIZATION_PER_ACCOUNT",
    "ONE_HOLDER_PER_SELLING_PARTNER",
    "ONE_INSTANCE_PER_NAME",
    "ONE_OPERATOR_PER_EMAIL",
    "UNIQUE_KEYS",
    "AlreadyThere",
    "Diary",
    "QuickReads",
    "Shelf",
    "Store",
    "Transaction",
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
    Rows come in the order of their ids, which is the order of their creation.
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

    async def drop(self, id: str) -> bool: ...


def not_after(field: str, instant: datetime) -> tuple[str, datetime]:
    """For ``before``: at that instant or earlier. Instants are kept to the microsecond."""
    return field, instant + timedelta(microseconds=1)


class Diary(Protocol):
    """The journal's shelf: append and read, nothing else."""

    async def append(self, line: JournalLine) -> None: ...

    async def read(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        account_id: str | None = None,
        subject: str | None = None,
        verb: str | None = None,
        newest_first: bool = False,
    ) -> list[JournalLine]: ...


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
    outbox: Shelf[OutboxItem]
    reports: Shelf[SupportReport]
    operators: Shelf[Operator]
    api_keys: Shelf[ApiKey]
    connection_keys: Shelf[ConnectionKey]
    safe: Shelf[SealedSecret]
    journal: Diary


class QuickReads(Protocol):
    """Single hand-written statements outside any transaction, for the hot doors."""

    async def standing(self, account_id: str) -> Standing | None: ...

    async def sealed(self, name: str) -> SealedSecret | None: ...

    async def api_key(self, id: str) -> ApiKey | None: ...

    async def connection_key(self, digest: str) -> ConnectionKey | None: ...


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

UNIQUE_KEYS: Sequence[str] = (
    ONE_ACCOUNT_PER_NAME,
    ONE_HOLDER_PER_SELLING_PARTNER,
    ONE_AUTHORIZATION_PER_ACCOUNT,
    ONE_APPLICATION_PER_AMAZON_ID,
    ONE_APPLICATION_PER_NAME,
    ONE_INSTANCE_PER_NAME,
    ONE_OPERATOR_PER_EMAIL,
)
