"""One model's JSON: its references, and validators made when they are first needed.

Answers for: following ``$ref`` without ever going in circles, and for one compiled validator per
schema. It knows nothing of operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Dangling", "Document"]

FOLLOWED_AT_MOST = 32


class Dangling(LookupError):
    """A reference leads nowhere, in a circle, or out of its file."""


class Document:
    """The content of one file."""

    def __init__(self, content: Mapping[str, Any] | None = None) -> None:
        self.content: Mapping[str, Any] = content or {}

    def at(self, reference: str) -> Any:
        """What a reference like ``#/definitions/Error`` points at. Raises Dangling."""
        if not reference.startswith("#/"):
            raise Dangling(reference)
        found: Any = self.content
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                raise Dangling(reference)
        return found

    def resolved(self, thing: Any) -> Any:
        """The thing itself, or what it refers to. Raises Dangling."""
        for _ in range(FOLLOWED_AT_MOST):
            if not isinstance(thing, Mapping) or not isinstance(thing.get("$ref"), str):
                return thing
            thing = self.at(thing["$ref"])
        raise Dangling(str(thing["$ref"]))
