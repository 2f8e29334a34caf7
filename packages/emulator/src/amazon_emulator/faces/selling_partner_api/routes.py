"""From method and path to what the emulator knows of the operation there.

Answers for: templates with parameters, percent-encoded segments (a SKU may hold a slash), greedy
last parameters, and the choice between what is played with state, what a model describes and what
only the table of usage plans knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote

from amazon_emulator.apis.operations import Operation
from amazon_emulator.models import Described

__all__ = ["Known", "Routes"]

_PARAMETER = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Known:
    """One operation. ``played``: with state; ``described``: by one of Amazon's models."""

    method: str
    template: str
    name: str
    played: Operation | None = None
    described: Described | None = None

    @cached_property
    def rate_limited(self) -> frozenset[int] | None:
        """The statuses whose answers declare a rate-limit header; None without a model."""
        if self.described is None:
            return None
        return frozenset(
            int(status)
            for status, response in self.described.responses.items()
            if status.isdigit()
            and any(name.lower() == "x-amzn-ratelimit-limit" for name in response.headers)
        )


@dataclass(frozen=True)
class _Lane:
    known: Known
    segments: tuple[str | None, ...]  # None: a parameter
    names: tuple[str, ...]
    greedy: bool

    def values(self, segments: list[str], empty: bool) -> dict[str, str] | None:
        if self.greedy:
            last = len(self.segments) - 1
            segments = [*segments[:last], "/".join(segments[last:])]
        values = []
        for wanted, given in zip(self.segments, segments, strict=True):
            if wanted is None:
                if not given and not empty:
                    return None
                values.append(unquote(given))
            elif wanted != given and wanted != unquote(given):
                return None
        return dict(zip(self.names, values, strict=True))


@dataclass
class Routes:
    """All that is known, found by method and raw path."""

    known: tuple[Known, ...]
    _lanes: dict[tuple[str, int, str], list[_Lane]] = field(default_factory=dict)
    _greedy: list[_Lane] = field(default_factory=list)

    @classmethod
    def over(
        cls,
        played: Iterable[Operation],
        described: Iterable[Described],
        named: Iterable[tuple[str, str, str]],
    ) -> Routes:
        """``named``: method, template and name of operations known by nothing else.

        Raises ValueError when two operations are played at one place."""
        names: dict[tuple[str, str], str] = {}
        by_state: dict[tuple[str, str], Operation] = {}
        by_model: dict[tuple[str, str], Described] = {}
        places: dict[tuple[str, str], tuple[str, str]] = {}

        def place(method: str, template: str, name: str) -> tuple[str, str]:
            # Two sources may name a parameter differently; it is one place all the same.
            spot = (method, _PARAMETER.sub("{}", template))
            key = places.setdefault(spot, (method, template))
            names.setdefault(key, name)
            return key

        for operation in played:
            key = place(operation.method, operation.path, operation.name)
            if key in by_state:
                raise ValueError(f"{operation.method} {operation.path} is played twice")
            by_state[key] = operation
        for model in described:
            by_model.setdefault(place(model.method, model.path, model.name), model)
        for method, template, name in named:
            place(method, template, name)
        made = cls(
            tuple(
                Known(method, template, names[key], by_state.get(key), by_model.get(key))
                for key in names
                for method, template in [key]
            )
        )
        made._pave()
        return made

    def find(
        self, method: str, raw_path: str, *, empty: bool = False
    ) -> tuple[Known, Mapping[str, str]] | None:
        """The operation at a path as it came over the wire, and its parameters' values. ``empty``:
        a parameter may be empty, as in some cases of the models."""
        segments = raw_path.split("/")[1:]
        if not segments:
            return None
        for lane in self._lanes.get((method, len(segments), segments[0]), ()):
            values = lane.values(segments, empty)
            if values is not None:
                return lane.known, values
        for lane in self._greedy:
            if lane.known.method == method and len(segments) >= len(lane.segments):
                values = lane.values(segments, empty)
                if values is not None:
                    return lane.known, values
        return None

    def _pave(self) -> None:
        for known in self.known:
            parts = known.template.split("/")[1:]
            greedy = known.described is not None and any(
                parameter.greedy for parameter in known.described.parameters
            )
            lane = _Lane(
                known,
                tuple(None if _PARAMETER.fullmatch(part) else part for part in parts),
                tuple(_PARAMETER.findall(known.template)),
                greedy,
            )
            if greedy:
                self._greedy.append(lane)
            else:
                self._lanes.setdefault((known.method, len(parts), parts[0]), []).append(lane)
        for lanes in self._lanes.values():
            # Literal segments before parameters: .../items/summaries is not an item.
            lanes.sort(key=lambda lane: [segment is None for segment in lane.segments])
