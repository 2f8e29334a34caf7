"""The diary of what was asked: who, what, with which outcome. Never a secret.

Answers for: counting, and for keeping credentials out of whatever it writes down. Paths come
without query strings on the consent pages and LWA, because codes and `state` travel there; on
SP-API the query is kept, as it should hold no credential; where a caller errs and puts one there,
in a path or in its user agent, the diary says so in its place.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.weather import names_operation

__all__ = ["Asked", "History", "kept_text", "note_facts", "without_credentials"]

KEPT = 200_000
FACT_AT_MOST = 120
# What callers send is cut there: the diary is bounded by bytes, not only by entries.
TEXT_AT_MOST = 1000
CUT = "[cut]"
UNSAID = "[credential]"
# Fields in which words of callers stand; what is in the others is the emulator's own.
FROM_OUTSIDE = frozenset(
    {"kind", "method", "path", "query", "grant_type", "scope", "user_agent", "error"}
)

_BAR = r"(?:\||%7[Cc])"
# With Amazon's prefixes, whether emulated or not; AWS keys; what signs a presigned address; what
# has no prefix but the emulator's mark; its codes and passwords.
_CREDENTIALS = re.compile(
    rf"Atz(?:a|r|c|\.sprdt){_BAR}[^\s&\"',;]*"
    r"|amzn1\.oa2-cs\.v1\.[^\s&\"',;]*"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|(?<=X-Amz-Signature=)[^\s&\"',;]+"
    r"|(?<=X-Amz-Security-Token=)[^\s&\"',;]+"
    r"|\bemulated[-/][\w-]{20,}"
    r"|\bEMU[A-Za-z0-9]{17}\b"
    r"|\bpass-[0-9a-f]{12}\b",
    re.ASCII,
)


def without_credentials(text: str) -> str:
    """The text with a word in the place of everything that looks like a credential."""
    return _CREDENTIALS.sub(UNSAID, text)


def kept_text(text: str) -> str:
    """The text as it may stand in the diary: no credential, no great length."""
    said = without_credentials(text)
    return said if len(said) <= TEXT_AT_MOST else said[:TEXT_AT_MOST] + CUT


@dataclass(slots=True)
class Asked:
    """One request. ``status`` is None while it is under way, 0 when its answer was dropped;
    ``facts``: small things that an API noted of it, such as a feed's type."""

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
    facts: dict[str, str | int] = field(default_factory=dict)

    def __setattr__(self, name: str, value: object) -> None:
        if name in FROM_OUTSIDE and isinstance(value, str):
            value = kept_text(value)
        object.__setattr__(self, name, value)

    @property
    def operation(self) -> str | None:
        """The operationId of a call to the Selling Partner API or its sandbox."""
        family, _, name = self.kind.partition(".")
        return name if family in ("spapi", "sandbox") else None

    def is_of(self, operation: str) -> bool:
        """Whether it called this operation: an operationId, or a path template with or without
        its method."""
        template = None if self.template is None else f"{self.method} {self.template}"
        return names_operation(operation, self.operation, template)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": stamp(self.at)}


_asked: ContextVar[Asked | None] = ContextVar("amazon_emulator_asked", default=None)


def note_facts(**facts: str | int | None) -> None:
    """Writes small facts of the request that is being answered into its entry: ``feed_type``,
    ``report_type``, ``skus``, ``bytes``. None is left out. Whoever filters the history by them
    compares texts.

    Raises ValueError for a fact that is long or a credential: it does not belong there."""
    asked = _asked.get()
    for name, value in facts.items():
        text = str(value)
        if len(text) > FACT_AT_MOST or without_credentials(text) != text:
            raise ValueError(f"{name} is no small fact for the history")
        if asked is not None and value is not None:
            asked.facts[name] = value


@dataclass
class History:
    """The latest requests, oldest first; older ones than the last 200,000 are let go."""

    _asked: deque[Asked] = field(default_factory=lambda: deque(maxlen=KEPT))
    _number: int = 0

    def note(self, at: datetime, kind: str, face: str, method: str, path: str) -> Asked:
        """Writes a request down; ``note_facts`` in the same task means this one."""
        self._number += 1
        asked = Asked(self._number, at, kind, face, method, path)
        self._asked.append(asked)
        _asked.set(asked)
        return asked

    def clear(self) -> None:
        self._asked.clear()

    def which(
        self,
        *,
        operation: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        facts: Mapping[str, str] | None = None,
        **wanted: str | None,
    ) -> Iterator[Asked]:
        """Those that match. ``kind`` matches itself and what is below it: lwa has lwa.refresh;
        ``since`` and ``until`` are instants of the emulator's clock, the latter not included."""
        kind = wanted.pop("kind", None)
        after = int(wanted.pop("after", None) or 0)
        for asked in self._asked:
            if asked.number <= after:
                continue
            if kind and asked.kind != kind and not asked.kind.startswith(f"{kind}."):
                continue
            if operation is not None and not asked.is_of(operation):
                continue
            if (since and asked.at < since) or (until and asked.at >= until):
                continue
            if any(str(asked.facts.get(name)) != value for name, value in (facts or {}).items()):
                continue
            if all(
                value is None or str(getattr(asked, name)) == value
                for name, value in wanted.items()
            ):
                yield asked

    @property
    def first_kept(self) -> int:
        return self._asked[0].number if self._asked else self._number + 1
