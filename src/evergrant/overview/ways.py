"""One account's way so far, gathered.

Answers for: reading what the journal, the attempts and the runs tell, and the names of those who
did it. Does not answer for: which of it are steps, and their words (``rules.way``).
"""

from __future__ import annotations

from collections.abc import Iterable

from evergrant.intake import need
from evergrant.overview.listing import Listing
from evergrant.ports import Clock
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Handshake, JournalLine
from evergrant.rules.rights import Caller, Right
from evergrant.rules.way import VERBS, Attempt, Happened, Trail, Way, way

__all__ = ["Ways"]

_KNOWN = {"partner": "the selling partner", "system": "Evergrant"}


class Ways:
    def __init__(self, *, store: Store, clock: Clock, listing: Listing) -> None:
        self._store = store
        self._clock = clock
        self._listing = listing

    async def way(self, account_id: str, *, by: Caller) -> Way:
        need(by, Right.READ)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            row = await self._listing.board_row(tx, account_id, by, now)
            steps = await tx.boards.steps(account_id, VERBS)
            names = await _names(tx, {line.caller for line in steps.lines})
        trail = Trail(
            signs=row.signs,
            created_at=row.created_at,
            happened=_happened(steps.lines, names),
            attempts=tuple(_attempt(one) for one in steps.handshakes),
            checked_at=row.checked_at,
            first_feed_at=steps.first_feed_at,
        )
        return way(trail, now)


def _happened(lines: Iterable[JournalLine], names: dict[str, str]) -> tuple[Happened, ...]:
    return tuple(
        Happened(at=line.at, verb=line.verb, who=names[line.caller], facts=line.facts)
        for line in lines
    )


def _attempt(handshake: Handshake) -> Attempt:
    return Attempt(
        begun_at=handshake.created_at,
        expires_at=handshake.expires_at,
        back_at=handshake.spent_at,
        ended_at=handshake.ended_at,
    )


async def _names(tx: Transaction, callers: set[str]) -> dict[str, str]:
    """As people name them: an operator by name, a key by its name, and the rest in words."""
    of = {caller: caller.partition(":") for caller in callers}
    operators = {
        one.id: one.name for one in await tx.operators.all(id=_ids(of.values(), "operator"))
    }
    keys = {one.id: one.name for one in await tx.api_keys.all(id=_ids(of.values(), "api_key"))}
    names = {}
    for caller, (kind, _, name) in of.items():
        if kind == "operator":
            names[caller] = operators.get(name, "a former operator")
        elif kind == "api_key":
            names[caller] = f"API key {keys[name]}" if name in keys else "a former API key"
        elif kind == "command_line":
            names[caller] = f"{name} (command line)"
        else:
            names[caller] = _KNOWN.get(kind, caller)
    return names


def _ids(callers: Iterable[tuple[str, str, str]], kind: str) -> list[str]:
    return sorted({name for of, _, name in callers if of == kind})
