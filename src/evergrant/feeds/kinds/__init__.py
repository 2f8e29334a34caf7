"""The dishes: one file for each way in which changes are put before Amazon.

Answers for: what a kind of path has to be able to do, and the values that it works with. Does not
answer for: permits, access tokens, steps and repetition (the runs), or for which changes come
together (the plan). Kinds ask nobody anything: what they need is on their ground.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from evergrant.ports.amazon import Answer
from evergrant.ports.things import Account, Authorization
from evergrant.ports.traded import Change, FeedRun, Outcome
from evergrant.rules.marketplaces import Marketplaces

__all__ = [
    "ApiCall",
    "CallKind",
    "FeedKind",
    "FileKind",
    "Ground",
    "Looked",
    "LookingKind",
    "Reading",
    "TransactionKind",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Whom a run is for. ``seller_id`` is what Amazon's documents call the account: the merchant
    token, or the vendor code."""

    account: Account
    authorization: Authorization
    marketplaces: Marketplaces
    now: datetime

    @property
    def seller_id(self) -> str:
        account = self.account
        own = account.merchant_token or (account.vendor_codes[0] if account.vendor_codes else "")
        return own or self.authorization.selling_partner_id

    @property
    def home_marketplace_id(self) -> str:
        """Where a document is for, when nothing else says so."""
        return self.marketplaces.by_country(self.account.home_marketplace).marketplace_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One request to the Selling Partner API. ``path`` is encoded; ``body`` is JSON."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an answer says: the outcome of each change that was asked about; or that the same is to
    be asked again after a while (``again``: Amazon's weather or a limit), or that only the order
    itself can tell (``look``: Amazon's id of the order to be read). One of the three is told."""

    outcomes: tuple[Outcome, ...] = ()
    again: bool = False
    look: str = ""
    said: str = ""  # Amazon's words, for the run's ``last_error``


class FeedKind(Protocol):
    """One document of many changes. A message holds one change, or those of one SKU and
    marketplace together: then they have the same ``message_id``."""

    def head(self, ground: Ground, run: FeedRun) -> bytes: ...

    def message(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> bytes:
        """Of changes with one ``message_id``. The same changes give the same bytes."""
        ...

    def between(self) -> bytes: ...

    def tail(self, ground: Ground, run: FeedRun) -> bytes: ...

    def options(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Mapping[str, str]:
        """createFeed's feedOptions."""
        ...

    def marketplace_ids(self, ground: Ground, run: FeedRun) -> Sequence[str]: ...


class FileKind(Protocol):
    """One file, which is one change."""

    def content(self, ground: Ground, run: FeedRun, change: Change, attachment: bytes) -> bytes: ...

    def options(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> Mapping[str, str]:
        """createFeed's feedOptions."""
        ...

    def marketplace_ids(self, ground: Ground, run: FeedRun) -> Sequence[str]: ...


class CallKind(Protocol):
    """One call for one change, or for those of one SKU and marketplace together."""

    def call(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> ApiCall: ...

    def read(self, ground: Ground, changes: Sequence[Change], answer: Answer) -> Reading: ...


@runtime_checkable
class LookingKind(CallKind, Protocol):
    """A call after which Amazon's own record may have to be looked at: its reading says so."""

    def look(self, ground: Ground, changes: Sequence[Change]) -> ApiCall: ...

    def looked(
        self, ground: Ground, changes: Sequence[Change], answer: Answer, said: str
    ) -> Reading:
        """``said``: of the reading that asked for the look. It never asks for another one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a transaction says. ``over``: it came to its end; then ``outcomes`` are those of all
    changes of the run."""

    over: bool
    status: str = ""  # Amazon's
    outcomes: tuple[Outcome, ...] = ()


class TransactionKind(Protocol):
    """One submission of many changes, whose transaction is looked at afterwards."""

    def submission(self, ground: Ground, run: FeedRun, changes: Sequence[Change]) -> ApiCall: ...

    def transaction_id(self, answer: Answer) -> str:
        """Of a 2xx; "" when it holds none."""
        ...

    def refused(self, changes: Sequence[Change], answer: Answer) -> Reading:
        """What an answer other than 2xx says."""
        ...

    def look(self, ground: Ground, run: FeedRun) -> ApiCall: ...

    def looked(
        self, ground: Ground, run: FeedRun, changes: Iterable[Change], answer: Answer
    ) -> Looked: ...
