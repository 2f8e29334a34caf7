"""Failing modes: what a face does instead of, or after, its work.

Answers for: which request meets which spell, with which words it fails, and for keeping requests
hanging without blocking anybody else and without outliving the emulator. It does not know what the
faces' work is.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.weather_words import words_for

__all__ = ["FACES", "MODES", "Failure", "Spell", "Weather", "mode_of", "names_operation"]

FACES = ("lwa", "spapi", "documents", "aws")
REFUSALS = frozenset({"invalid_client", "unauthorized_client", "denied"})
BEFORE = frozenset(
    {"500", "503", "429", "hang", "drop", "garbage", "empty", "html", "slow", *REFUSALS}
)
AFTER = frozenset({"500_after", "503_after", "hang_after", "drop_after", "truncate"})
# Besides these, every status from 400 to 599, with or without `_after`.
MODES = BEFORE | AFTER

# Refusals that no status tells: who is refused, and why.
_REFUSED = {
    ("lwa", "invalid_client"): (401, "invalid_client", "Client authentication failed", ""),
    ("lwa", "unauthorized_client"): (
        400,
        "unauthorized_client",
        "The client is not authorized for this grant type",
        "",
    ),
    ("spapi", "denied"): (403, "", "", ""),
    ("spapi", "invalid_client"): (403, "", "", "The LWA secret token you provided has expired."),
    ("spapi", "unauthorized_client"): (
        403,
        "",
        "",
        "The access token you provided is revoked, malformed or invalid.",
    ),
}
for _face in ("documents", "aws"):
    _REFUSED[_face, "denied"] = (403, "", "", "")
_REFUSED["lwa", "denied"] = _REFUSED["lwa", "unauthorized_client"]


@dataclass(frozen=True)
class Failure:
    """An error answer: status and words. ``after_work``: the work was done all the same."""

    status: int
    code: str
    message: str
    details: str = ""
    after_work: bool = False


@dataclass
class Spell:
    """One failing mode and whom it meets. ``times`` None: until cleared; ``after_calls``: how many
    requests that it would meet still pass; ``operation``: an operationId, or a path template with
    or without its method before it."""

    face: str  # one of FACES
    mode: str
    times: int | None = None
    ms: int = 0
    share: float = 1.0
    partner: str | None = None
    client_id: str | None = None
    grant_type: str | None = None
    operation: str | None = None
    region: str | None = None
    after_calls: int = 0
    until: datetime | None = None
    code: str | None = None
    message: str | None = None
    details: str | None = None

    def meets(
        self, face: str, operation: str | None = None, template: str | None = None, **facts: Any
    ) -> bool:
        """``operation``: the operationId; ``template``: "GET /orders/v0/orders/{orderId}"."""
        return (
            self.face == face
            and (self.operation is None or names_operation(self.operation, operation, template))
            and all(
                wanted is None or facts.get(name) == wanted
                for name, wanted in (
                    ("partner", self.partner),
                    ("client_id", self.client_id),
                    ("grant_type", self.grant_type),
                    ("region", self.region),
                )
            )
        )

    @property
    def failure(self) -> Failure | None:
        """The error answer that this spell means; None when it means something else."""
        plain = self.mode.removesuffix("_after")
        if plain.isdigit():
            status, code, message, details = int(plain), "", "", ""
        elif (self.face, plain) in _REFUSED:
            status, code, message, details = _REFUSED[self.face, plain]
        else:
            return None
        usual_code, usual_message = words_for(self.face, status)
        return Failure(
            status,
            self.code or code or usual_code,
            self.message or message or usual_message,
            details if self.details is None else self.details,
            self.mode.endswith("_after"),
        )

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "until": stamp(self.until)}


def names_operation(wanted: str, operation: str | None, template: str | None) -> bool:
    """Whether ``wanted`` names the operation: by its operationId, by its path template, or by
    method and template ("GET /orders/v0/orders/{orderId}"), since ids are not one of a kind."""
    if "/" not in wanted:
        return wanted == operation
    return template is not None and wanted in (template, template.partition(" ")[2])


def mode_of(face: str, mode: str) -> str:
    """A mode that this face can have. Raises ValueError with words for a person."""
    plain = mode.removesuffix("_after")
    if len(plain) == 3 and plain.isascii() and plain.isdigit() and 400 <= int(plain) <= 599:
        return mode
    known = MODES - (REFUSALS - {name for of, name in _REFUSED if of == face})
    if mode not in known:
        raise ValueError(
            f"'mode' must be a status from 400 to 599 (with _after: the work is done), or one of "
            f"{', '.join(sorted(known))}"
        )
    return mode


@dataclass
class Weather:
    """The spells that are on. The first that meets a request is used."""

    dice: random.Random = field(default_factory=random.Random)
    spells: list[Spell] = field(default_factory=list)
    _cleared: dict[str, asyncio.Event] = field(default_factory=dict)
    _over: bool = False

    def cast(self, spell: Spell) -> None:
        self.spells.append(spell)

    def lift(self, spell: Spell) -> None:
        """This spell is over. What hangs by it hangs on."""
        self.spells = [other for other in self.spells if other is not spell]

    def meet(self, face: str, **facts: str | None) -> Spell | None:
        """The spell for this request, if any; uses up one of its times."""
        for spell in self.spells:
            if not spell.meets(face, **facts):
                continue
            if spell.after_calls > 0:
                spell.after_calls -= 1
                continue
            if spell.share < 1.0 and self.dice.random() >= spell.share:
                continue
            if spell.times is not None:
                spell.times -= 1
                if spell.times <= 0:
                    self.lift(spell)
            return spell
        return None

    def clear(self, face: str | None = None) -> int:
        """Ends the spells of one face, or of all, and lets hanging requests go (dropped)."""
        before = len(self.spells)
        self.spells = [spell for spell in self.spells if face not in (None, spell.face)]
        for name, event in list(self._cleared.items()):
            if face in (None, name):
                event.set()
                del self._cleared[name]
        return before - len(self.spells)

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
