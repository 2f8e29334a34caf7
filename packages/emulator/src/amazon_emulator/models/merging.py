"""Schemas that are made of several, as one: allOf together, and each way through anyOf and oneOf.

Answers for: one plain schema per way. Whether a value fits the whole is for a validator to say:
what contradicts itself, or needs a ``not``, is not seen here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from amazon_emulator.models.document import Document

__all__ = ["merged"]

COMPOSED = ("allOf", "anyOf", "oneOf")

WAYS_AT_MOST = 16

Way = tuple[dict[str, Any], tuple[str, ...]]


def merged(document: Document, schema: Mapping[str, Any], inside: tuple[str, ...]) -> Iterator[Way]:
    """The ways through a schema, each with the references that were followed on it."""
    for count, way in enumerate(_ways(document, schema, inside)):
        if count == WAYS_AT_MOST:
            return
        yield way


def _ways(document: Document, schema: Any, inside: tuple[str, ...]) -> Iterator[Way]:
    followed = inside
    reference = schema.get("$ref") if isinstance(schema, Mapping) else None
    if isinstance(reference, str):
        if inside.count(reference) > 1:
            return
        followed = (*inside, reference)
    rules = document.rules(schema)
    own = {name: value for name, value in rules.items() if name not in COMPOSED}
    # Each step of the way: what may be taken there.
    steps: list[list[Any]] = [[part] for part in _parts(rules, "allOf")]
    steps += [parts for name in ("oneOf", "anyOf") if (parts := _parts(rules, name))]
    yield from _walk(document, own, steps, followed)


def _walk(
    document: Document, so_far: dict[str, Any], steps: list[list[Any]], inside: tuple[str, ...]
) -> Iterator[Way]:
    if not steps:
        yield so_far, inside
        return
    for choice in steps[0]:
        for rules, followed in _ways(document, choice, inside):
            yield from _walk(document, _both(so_far, rules), steps[1:], followed)


def _parts(rules: Mapping[str, Any], name: str) -> list[Any]:
    found = rules.get(name)
    return found if isinstance(found, list) else []


def _both(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """A schema for what fits both."""
    both = {**first}
    for name, value in second.items():
        both[name] = _joined(name, first[name], value) if name in first else value
    return both


def _joined(name: str, first: Any, second: Any) -> Any:
    match name:
        case "properties" if isinstance(first, Mapping) and isinstance(second, Mapping):
            joined = {**first}
            for field, rules in second.items():
                joined[field] = {"allOf": [first[field], rules]} if field in first else rules
            return joined
        case "required" if isinstance(first, list) and isinstance(second, list):
            return [*first, *(field for field in second if field not in first)]
        case "enum" if isinstance(first, list) and isinstance(second, list):
            return [value for value in first if value in second] or first
        case "minimum" | "minLength" | "minItems" | "minProperties":
            return max(first, second)
        case "maximum" | "maxLength" | "maxItems" | "maxProperties":
            return min(first, second)
        case "uniqueItems" | "exclusiveMinimum" | "exclusiveMaximum":
            return first is True or second is True
        case "items":
            return {"allOf": [first, second]}
        case "type" if "integer" in (first, second):
            return "integer"
        case _:
            return first
