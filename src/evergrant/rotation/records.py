"""Writes down how far a rotation came.

Answers for: that nobody overwrites what somebody else wrote meanwhile, and for its line in the
journal in the same commit. Does not answer for: what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal
from evergrant.errors import Conflict
from evergrant.ports.store import Store, Transaction
from evergrant.ports.watched import Rotation
from evergrant.rules.rights import SYSTEM, Caller
from evergrant.rules.secrecy import scrub

__all__ = ["WEATHER", "Records"]

#: Until the weather is looked at again.
WEATHER = timedelta(minutes=5)


class Records:
    """Every verb raises Conflict when the rotation went on without us."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put_off(self, rotation: Rotation, now: datetime, why: str, until: datetime) -> None:
        """Nothing is known yet. No line in the journal: the weather would fill it."""
        async with self._store.transaction() as tx:
            await self.changed(tx, rotation, now, next_at=until, last_error=scrub(why)[:300])

    async def move(
        self,
        rotation: Rotation,
        now: datetime,
        verb: str,
        facts: Mapping[str, Any],
        **values: Any,
    ) -> Rotation:
        async with self._store.transaction() as tx:
            moved = await self.changed(tx, rotation, now, **values)
            await self.note(tx, moved, verb, now, **facts)
        return moved

    async def changed(
        self, tx: Transaction, seen: Rotation, now: datetime, **values: Any
    ) -> Rotation:
        changed = await tx.rotations.change(
            seen.id,
            {"step": seen.step, "changed_at": seen.changed_at, "ended_at": None},
            changed_at=now,
            **values,
        )
        if changed is None:
            raise Conflict("Somebody else went on with this rotation.")
        return changed

    async def note(
        self,
        tx: Transaction,
        rotation: Rotation,
        verb: str,
        now: datetime,
        *,
        by: Caller = SYSTEM,
        **facts: Any,
    ) -> None:
        await journal.write(
            tx,
            now=now,
            by=by,
            verb=verb,
            subject=rotation.application_id,
            rotation_id=rotation.id,
            source=rotation.source,
            **facts,
        )
