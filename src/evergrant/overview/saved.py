"""Filters that an operator keeps under a name.

Answers for: keeping, replacing and forgetting them, each for the one who made it. Does not answer
for: what a query means (``queries``).
"""

from __future__ import annotations

from evergrant.errors import Conflict, NotAllowed, NotFound
from evergrant.intake import Flaws, need
from evergrant.naming import new_id
from evergrant.overview.queries import AccountQuery
from evergrant.ports import Clock
from evergrant.ports.boards import SavedFilter
from evergrant.ports.store import AlreadyThere, Store
from evergrant.rules import ids
from evergrant.rules.rights import Caller, CallerKind, Right

__all__ = ["MOST_FILTERS", "SavedFilters"]

MOST_FILTERS = 50
LONGEST_NAME = 60
LONGEST_QUERY = 1000


class SavedFilters:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def all(self, *, by: Caller) -> list[SavedFilter]:
        need(by, Right.READ)
        if by.kind is not CallerKind.OPERATOR:
            return []
        async with self._store.transaction() as tx:
            own = await tx.saved_filters.all(operator_id=by.id)
        return sorted(own, key=lambda one: (one.name.casefold(), one.id))

    async def save(self, name: str, query: str, *, by: Caller) -> SavedFilter:
        need(by, Right.READ)
        if by.kind is not CallerKind.OPERATOR:
            raise NotAllowed("Filters are kept for operators only.")
        now = self._clock.now()
        flaws = Flaws()
        name = " ".join(flaws.text("name", name).split())
        if len(name) > LONGEST_NAME:
            flaws.add("name", f"may have {LONGEST_NAME} characters.", code="too_long")
        if len(query) > LONGEST_QUERY:
            flaws.add("query", f"may have {LONGEST_QUERY} characters.", code="too_long")
        flaws.refuse_if_any()
        # As it is understood, and without the page on which somebody happened to be.
        query = AccountQuery.of_address(query).but().address()
        async with self._store.transaction() as tx:
            known = await tx.saved_filters.one(operator_id=by.id, name=name)
            if known is not None:
                changed = await tx.saved_filters.change(known.id, query=query, changed_at=now)
                return changed or known
            if await tx.saved_filters.count(operator_id=by.id) >= MOST_FILTERS:
                raise Conflict(f"{MOST_FILTERS} filters are enough; forget one first.")
            fresh = SavedFilter(
                id=new_id(ids.Kind.SAVED_FILTER, now),
                operator_id=by.id,
                name=name,
                query=query,
                created_at=now,
                changed_at=now,
            )
            try:
                await tx.saved_filters.add(fresh)
            except AlreadyThere:
                raise Conflict("This name was taken at the same moment; try again.") from None
        return fresh

    async def drop(self, id: str, *, by: Caller) -> None:
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            found = await tx.saved_filters.get(id)
            if found is None or by.kind is not CallerKind.OPERATOR or found.operator_id != by.id:
                raise NotFound("There is no such filter.")
            await tx.saved_filters.drop(id)
