"""The fields that a schema knows by name, through references and alternatives.

Answers for: which names an object may use where the model does not say "any". It validates nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from amazon_emulator.models.document import Document

__all__ = ["fields_of", "is_open", "items_of", "parts_of"]


def parts_of(document: Document, schema: Any) -> list[Mapping[str, Any]]:
    """The schema and all that it is made of by allOf, anyOf and oneOf, without references."""
    found: list[Mapping[str, Any]] = []
    waiting = [schema]
    while waiting:
        rules = document.rules(waiting.pop())
        if any(rules is known for known in found):
            continue
        found.append(rules)
        for name in ("allOf", "anyOf", "oneOf"):
            parts = rules.get(name)
            waiting.extend(parts if isinstance(parts, list) else [])
    return found


def fields_of(document: Document, schema: Any) -> dict[str, list[Any]]:
    """The schemas for each field that is named anywhere in the schema."""
    found: dict[str, list[Any]] = {}
    for part in parts_of(document, schema):
        properties = part.get("properties")
        for name, rules in (properties if isinstance(properties, Mapping) else {}).items():
            found.setdefault(name, []).append(rules)
    return found


def is_open(document: Document, schema: Any) -> bool:
    """Whether fields without a name in the schema are meant: a map, or an object of anything."""
    parts = parts_of(document, schema)
    if any(part.get("patternProperties") for part in parts):
        return True
    free = [part.get("additionalProperties") for part in parts]
    if any(isinstance(one, Mapping) or one is True for one in free):
        return True
    return not any(part.get("properties") for part in parts)


def items_of(document: Document, schema: Any) -> Iterator[Any]:
    """The schemas for the items of an array."""
    for part in parts_of(document, schema):
        if isinstance(part.get("items"), Mapping):
            yield part["items"]
