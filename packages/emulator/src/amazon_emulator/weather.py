"""Failing modes: what a face does instead of, or after, its work.

Answers for: which request meets which spell, and for keeping requests hanging without blocking
anybody else and without outliving the emulator. It does not know what the faces' work is.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["MODES", "Spell", "Weather"]

BEFORE = frozenset(
    {
        "500", "503", "429", "hang", "drop", "garbage", "empty", "html", "slow",
        "invalid_client", "unauthorized_client", "denied",
    }
)  # fmt: skip
AFTER = frozenset({"500_after", "503_after", "hang_after", "drop_after", "truncate"})
MODES = BEFORE | AFTER


@dataclass
class Spell:
    """One failing mode and whom it meets. ``times`` None: until cleared."""

    face: str  # lwa | spapi
    mode: str
    times: int | None = None
    ms: int = 0
    share: float = 1.0
    partner: str | None = None
    client_id: str | None = None
    grant_type: str | None = None
    operation: str | None = None
    region: str | None = None

    def meets(self, face: str, **facts: str | None) -> bool:
        return self.face == face and all(
            wanted is None or facts.get(name) == wanted
            for name, wanted in (
                ("partner", self.partner),
                ("client_id", self.client_id),
                ("grant_type", self.grant_type),
                ("operation", self.operation),
                ("region", self.region),
            )
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Weather:
    """The spells that are on. The first that meets a request is used."""

    dice: random.Random = field(default_factory=random.Random)
    spells: list[Spell] = field(default_factory=list)
    _cleared: dict[str, asyncio.Event] = field(default_factory=dict)
    _over: bool = False

    def cast(self, spell: Spell) -> None:
        self.spells.append(spell)

    def meet(self, face: str, **facts: str | None) -> Spell | None:
        """The spell for this request, if any; uses up one of its times."""
        for spell in self.spells:
            if not spell.meets(face, **facts):
                continue
            if spell.share < 1.0 and self.dice.random() >= spell.share:
                continue
            if spell.times is not None:
                spell.times -= 1
                if spell.times <= 0:
                    self.spells.remove(spell)
            return spell
        return None

    def clear(self, face: str | None = None) -> int:
        """Ends the spells of one face, or of all, and lets hanging requests go (dropped)."""
        gone = [spell for spell in self.spells if face in (None, spell.face)]
        self.spells = [spell for spell in self.spells if spell not in gone]
        for name, event in list(self._cleared.items()):
            if face in (None, name):
                event.set()
                del self._cleared[name]
        return len(gone)

    def begin(self) -> None:
        """The emulator comes up."""
        self._over = False

    def end(self) -> None:
        """The emulator goes down: nothing hangs any longer."""
        self._over = True
        self.clear()

    async def delay(self, face: str, seconds: float) -> None:
        """Waits, but not longer than until cleared or until the emulator ends."""
        if not self._over:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._clearing(face).wait(), seconds)

    def _clearing(self, face: str) -> asyncio.Event:
        return self._cleared.setdefault(face, asyncio.Event())

    async def hang(self, face: str, gone: asyncio.Future[Any]) -> None:
        """Waits until cleared, until the emulator ends, or until ``gone`` (the client left)."""
        if self._over:
            return
        cleared = asyncio.ensure_future(self._clearing(face).wait())
        try:
            await asyncio.wait({cleared, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            cleared.cancel()
