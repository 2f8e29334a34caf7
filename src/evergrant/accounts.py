"""THE ACCOUNT BOOK. Accounts, their participations, their flags, closing and reopening.

Answers for: adding, changing, showing and listing accounts. Does not answer for: consent, access
tokens, or any other move of the lifecycle.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from evergrant.ports import Clock
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Account, Authorization, Participation
from evergrant.rules.flags import Flag
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import Caller

__all__ = ["AccountView", "Accounts", "NewAccount"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What an operator says of an account. Words may be enumeration members or their text."""

    name: str
    partner_kind: str
    client_email: str
    application_id: str  # ours
    client_instance_id: str
    region: str
    home_marketplace: str  # country code; chooses the consent host
    vendor_kind: str | None = None  # needed for vendors, none for sellers
    merchant_token: str = ""  # sellers; optional, recommended
    vendor_codes: Collection[str] = ()  # vendors
    flags: Mapping[str, bool] | None = None  # those that are named; the rest is on
    language: str = "en"
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """One account with all that belongs to it. ``flags_view``: None where unavailable."""

    account: Account
    authorization: Authorization
    participations: tuple[Participation, ...]
    flags_view: Mapping[Flag, bool | None]


class Accounts:
    """Verbs raise NotAllowed without the right, NotFound out of reach, InvalidInput with every
    flaw at once, Conflict when a name is taken or somebody else was faster."""

    def __init__(self, store: Store, clock: Clock, marketplaces: Marketplaces) -> None: ...

    async def add(self, new: NewAccount, *, by: Caller) -> Account:
        """With its authorization (AWAITING). Needs WRITE. Journal: ``account.added``."""
        ...

    async def change(self, id: str, changes: Mapping[str, object], *, by: Caller) -> Account:
        """Changes the named fields of ``NewAccount``; ``flags`` may name some only. Application,
        region and partner kind are frozen once the account was authorized. ``oauth_began`` is
        set by an invitation, never here. Needs WRITE. Journal: ``account.changed``."""
        ...

    async def set_flags(self, id: str, flags: Mapping[str, bool], *, by: Caller) -> Account:
        """The named flags; one that is unavailable for this account is InvalidInput."""
        ...

    async def get(self, id: str, *, by: Caller) -> AccountView: ...

    async def find(self, text: str, *, by: Caller) -> AccountView:
        """By id or by name."""
        ...

    async def list(
        self,
        *,
        by: Caller,
        after: str | None = None,
        limit: int = 100,
        application_id: str | None = None,
        client_instance_id: str | None = None,
        partner_kind: str | None = None,
        state: str | None = None,
    ) -> list[AccountView]:
        """In order of creation, after the account of that id; none beyond the caller's reach."""
        ...

    async def close(self, id: str, *, by: Caller) -> AccountView:
        """Needs WRITE. Journal: ``account.closed``."""
        ...

    async def reopen(self, id: str, *, by: Caller) -> AccountView:
        """Needs WRITE. Journal: ``account.reopened``."""
        ...

    async def record_participations(
        self,
        tx: Transaction,
        account_id: str,
        reported: Sequence[ReportedParticipation],
        now: datetime,
    ) -> list[str]:
        """What Amazon reports now replaces what it reported before. Gives what changed, one
        sentence each; writes a journal line when anything did."""
        ...
