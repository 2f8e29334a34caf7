"""The diary of what was asked: who, what, with which outcome. Never a secret.

Answers for: counting. Paths come without query strings on the consent pages and LWA, because codes
and `state` travel there; on SP-API the query is kept, as it holds no credential.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from amazon_emulator.clock import stamp

__all__ = ["Asked", "History"]

KEPT = 200_000


@dataclass
class Asked:
    """One request. ``status`` is None while it is under way, 0 when its answer was dropped."""

    number: int
    at: datetime
    kind: str
    face: str
    method: str
    path: str
    template: str | None = None
    query: str | None = None
    partner: str | None = None
    application_id: str | None = None
    client_id: str | None = None
    grant_type: str | None = None
    scope: str | None = None
    region: str | None = None
    user_agent: str | None = None
    status: int | None = None
    error: str | None = None
    weather: str | None = None
    work_done: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": stamp(self.at)}


@dataclass
class History:
    """The latest requests, oldest first; older ones than the last 200,000 are let go."""

    _asked: deque[Asked] = field(default_factory=lambda: deque(maxlen=KEPT))
    _number: int = 0

    def note(self, at: datetime, kind: str, face: str, method: str, path: str) -> Asked:
        self._number += 1
        asked = Asked(self._number, at, kind, face, method, path)
        self._asked.append(asked)
        return asked

    def clear(self) -> None:
        self._asked.clear()

    def which(self, **wanted: str | None) -> Iterator[Asked]:
        """Those that match. ``kind`` matches itself and what is below it: lwa has lwa.refresh."""
        kind = wanted.pop("kind", None)
        after = int(wanted.pop("after", None) or 0)
        for asked in self._asked:
            if asked.number <= after:
                continue
            if kind and asked.kind != kind and not asked.kind.startswith(f"{kind}."):
                continue
            if all(
                value is None or str(getattr(asked, name)) == value
                for name, value in wanted.items()
            ):
                yield asked

    @property
    def first_kept(self) -> int:
        return self._asked[0].number if self._asked else self._number + 1
