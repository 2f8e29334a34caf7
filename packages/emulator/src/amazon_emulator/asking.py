"""What a program asked, freed from HTTP libraries: path parameters, query, headers, body.

Answers for: one reading of a request that routing, the models' cases, the contract and the APIs
share. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from amazon_emulator import strict_json

__all__ = ["Asking"]


@dataclass(frozen=True)
class Asking:
    """One request. ``path`` holds the values of the template's parameters, percent-decoded;
    ``headers`` have lower-case names; ``query`` keeps order and repetitions."""

    method: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(
        cls,
        method: str,
        path: Mapping[str, str],
        query_string: bytes,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Asking:
        """From the parts of an ASGI scope."""
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, errors="replace")
        return cls(method, path, tuple(pairs), headers, body)

    def first(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for known, value in self.query if known == name), None)

    def values(self, name: str) -> list[str]:
        """All values of a query parameter that may be repeated, joined by commas, or both: SDKs
        differ, and Amazon takes either."""
        given = [value for known, value in self.query if known == name]
        return [part for value in given for part in value.split(",") if part]

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None for an empty one. Raises ValueError when it is no JSON."""
        return strict_json.read(self.body) if self.body.strip() else None
