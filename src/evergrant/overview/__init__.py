"""THE GALLERY. Looks at everything at once, and shows what an operator has to see.

Answers for: the list of accounts, found and sorted; who needs somebody, worst first; the ends of
terms that lie ahead; how the house is; one account's way so far; and the filters that an operator
keeps under a name. Does not answer for: changing anything of that (the rooms whose it is), or for
pages.

Every verb needs READ, raises NotAllowed without it, and shows nothing beyond the caller's reach.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from evergrant.overview.ahead import Ahead
from evergrant.overview.health import HealthLook
from evergrant.overview.listing import Listing
from evergrant.overview.queries import PAGE_SIZE, AccountQuery
from evergrant.overview.saved import SavedFilters
from evergrant.overview.values import (
    AccountPage,
    AccountRow,
    EndOfTerm,
    Health,
    KindToday,
    LimitPulse,
    Needing,
    NeedingLine,
    Terms,
    TermWeek,
)
from evergrant.overview.ways import Ways
from evergrant.ports import Clock
from evergrant.ports.boards import AccountSort, SavedFilter
from evergrant.ports.budgets import Budgets
from evergrant.ports.pulse import Pulse
from evergrant.ports.store import Store
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import Caller
from evergrant.rules.way import Way
from evergrant.settings import Watching

__all__ = [
    "PAGE_SIZE",
    "AccountPage",
    "AccountQuery",
    "AccountRow",
    "AccountSort",
    "EndOfTerm",
    "Health",
    "KindToday",
    "LimitPulse",
    "Needing",
    "NeedingLine",
    "Overview",
    "SavedFilter",
    "TermWeek",
    "Terms",
]


class Overview:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        marketplaces: Marketplaces,
        watching: Watching | None = None,
        budgets: Budgets | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        """``watching``: whose reminder days say when the next mail goes out. Without ``budgets``
        nobody looks at buckets, without ``pulse`` nobody looks at the queue."""
        watching = watching or Watching()
        self._listing = Listing(
            store=store, clock=clock, marketplaces=marketplaces, watching=watching
        )
        self._ahead = Ahead(store=store, clock=clock)
        self._health = HealthLook(store=store, clock=clock, budgets=budgets, pulse=pulse)
        self._ways = Ways(store=store, clock=clock, listing=self._listing)
        self._saved = SavedFilters(store=store, clock=clock)

    async def accounts(self, query: AccountQuery, *, by: Caller) -> AccountPage:
        """One page of the list. A page behind the last one is the last one."""
        return await self._listing.page(query, by=by)

    async def account(self, id: str, *, by: Caller) -> AccountRow:
        """One line of it. Raises NotFound."""
        return await self._listing.row(id, by=by)

    async def rows(self, ids: Sequence[str], *, by: Caller) -> list[AccountRow]:
        """These lines of it, 500 at most, in this order; those out of reach are left out. Raises
        InvalidInput."""
        return await self._listing.rows(ids, by=by)

    def every(self, query: AccountQuery, *, by: Caller) -> AsyncIterator[AccountRow]:
        """Every account that fits, whatever the page, as it stands when it is read. For files: it
        reads some hundred at a time, each in a transaction of its own."""
        return self._listing.every(query, by=by)

    async def needing(self, *, by: Caller, limit: int = 50) -> Needing:
        """What needs somebody, the worst first: accounts, and things of no account for callers
        that reach everything."""
        return await self._listing.needing(by=by, limit=limit)

    async def terms(self, *, by: Caller, until: datetime | None = None) -> Terms:
        """What ends in the coming 366 days, or until then, by weeks. Client secrets only for
        callers that reach everything. Raises InvalidInput for an instant that is past, or more
        than ten years ahead."""
        return await self._ahead.terms(by=by, until=until)

    async def health(self, *, by: Caller) -> Health:
        """How the house is now. Raises NotAllowed for a caller that does not reach everything."""
        return await self._health.look(by=by)

    async def way(self, account_id: str, *, by: Caller) -> Way:
        """How the account came where it is, step by step. Raises NotFound."""
        return await self._ways.way(account_id, by=by)

    # --- filters under a name -----------------------------------------------------------------

    async def saved_filters(self, *, by: Caller) -> list[SavedFilter]:
        """The operator's own, in the order of their names; nobody but operators has any."""
        return await self._saved.all(by=by)

    async def save_filter(self, name: str, query: str, *, by: Caller) -> SavedFilter:
        """``query`` as in an address. Under a name that the operator has already, it takes the
        place of the former one. Raises NotAllowed for who is no operator, InvalidInput."""
        return await self._saved.save(name, query, by=by)

    async def drop_filter(self, id: str, *, by: Caller) -> None:
        """Raises NotFound for one that is not the operator's own."""
        await self._saved.drop(id, by=by)
