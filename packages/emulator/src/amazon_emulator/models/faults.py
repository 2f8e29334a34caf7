"""Faults, and the words for them.

Answers for: turning what a validator finds into a place and a rule, and for finding fields that
the model does not know. Words hold types, limits, patterns and allowed values of the model, never
the value that was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import jsonschema_rs

from amazon_emulator.models.document import Document
from amazon_emulator.models.fields import fields_of, is_open, items_of

__all__ = ["FAULTS_AT_MOST", "Fault", "Kind", "in_value", "spot", "unknown_fields"]

FAULTS_AT_MOST = 50
CHOICES_SHOWN = 20
LONGEST_NAME = 60
DEEPEST = 40

Kind = Literal[
    "missing", "unknown parameter", "unknown field", "value", "style", "body", "content type",
    "status",
]  # fmt: skip

# What Amazon is seen to pass over: fields and parameters that it does not know, other ways to write
# a list, an empty object where no body is.
MILD: frozenset[Kind] = frozenset({"unknown field", "unknown parameter", "style"})

CLOSED = "is not known to the model, which closes this object"

RULES = {
    "minLength": "must have at least {limit} characters",
    "maxLength": "must have at most {limit} characters",
    "minItems": "must have at least {limit} entries",
    "maxItems": "must have at most {limit} entries",
    "minProperties": "must have at least {limit} fields",
    "maxProperties": "must have at most {limit} fields",
    "minimum": "must be at least {limit}",
    "maximum": "must be at most {limit}",
    "exclusiveMinimum": "must be more than {limit}",
    "exclusiveMaximum": "must be less than {limit}",
    "multipleOf": "must be a multiple of {multiple_of}",
    "pattern": "must match {pattern}",
    "format": "must be of the format {format}",
    "uniqueItems": "must not hold the same entry twice",
    "anyOf": "fits none of the shapes that the model allows",
    "oneOf": "must fit exactly one of the shapes that the model allows",
    "additionalItems": "must have at most {limit} entries",
}


@dataclass(frozen=True)
class Fault:
    """One break of the contract: ``where`` ("query.marketplaceIds", "body.items[0].sku"), ``what``
    (words for a person), and its ``kind``."""

    where: str
    what: str
    kind: Kind

    @property
    def grave(self) -> bool:
        """Whether Amazon would mind: it ignores many fields that it does not know, and takes lists
        however they are written."""
        return self.kind not in MILD


def in_value(validator: jsonschema_rs.Draft4Validator, value: Any, where: str) -> Iterator[Fault]:
    """What a validator finds in a value that stands at ``where``."""
    try:
        errors = list(islice(validator.iter_errors(value), FAULTS_AT_MOST))
    except ValueError:  # the validator's own limit, of 255 levels
        yield Fault(where, "is nested too deeply", "value")
        return
    for error in errors:
        yield from _told(error, where)


def unknown_fields(document: Document, schema: Any, value: Any, where: str) -> list[Fault]:
    """The fields of a value that its schema does not name, where it names any."""
    found: list[Fault] = []
    _look(document, [schema], value, where, found, 0)
    return found


def spot(where: str, path: Iterable[str | int]) -> str:
    """A place below another: body, items, 0, sku is body.items[0].sku."""
    for step in path:
        where += f"[{step}]" if isinstance(step, int) else f".{_name(step)}"
    return where


def _look(
    document: Document, schemas: list[Any], value: Any, where: str, found: list[Fault], deep: int
) -> None:
    if deep > DEEPEST or len(found) >= FAULTS_AT_MOST:
        return
    if isinstance(value, Mapping):
        known: dict[str, list[Any]] = {}
        for schema in schemas:
            for name, rules in fields_of(document, schema).items():
                known.setdefault(name, []).extend(rules)
        anything = any(is_open(document, schema) for schema in schemas)
        for name, inner in value.items():
            if name in known:
                _look(document, known[name], inner, spot(where, [name]), found, deep + 1)
            elif not anything and len(found) < FAULTS_AT_MOST:
                words = "is not known to the model"
                found.append(Fault(spot(where, [name]), words, "unknown field"))
    elif isinstance(value, list):
        items = [rules for schema in schemas for rules in items_of(document, schema)]
        for number, inner in enumerate(value if items else ()):
            _look(document, items, inner, spot(where, [number]), found, deep + 1)


def _told(error: jsonschema_rs.ValidationError, where: str) -> Iterator[Fault]:
    place = spot(where, error.instance_path)
    kind = error.kind.as_dict()
    match error.kind.name:
        case "required":
            yield Fault(spot(place, [str(kind["property"])]), "is missing", "missing")
        case "additionalProperties":
            for name in kind["unexpected"]:
                yield Fault(spot(place, [str(name)]), CLOSED, "unknown field")
        case "type":
            words = f"must be {_either(kind['types'])}, is {_type(error.instance)}"
            yield Fault(place, words, "value")
        case "enum":
            yield Fault(place, f"must be {_either(kind['options'])}", "value")
        case name:
            yield Fault(place, _limit(name, kind), "value")


def _limit(name: str, kind: Mapping[str, Any]) -> str:
    words = RULES.get(name)
    return f"breaks the rule {name}" if words is None else words.format_map(kind)


def _either(choices: Iterable[Any]) -> str:
    words = [str(choice) for choice in choices]
    shown = words[:CHOICES_SHOWN]
    if len(words) > CHOICES_SHOWN:
        shown.append(f"{len(words) - CHOICES_SHOWN} more")
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for kinds, name in ((int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, kinds):
            return name
    return "object"


def _name(step: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in step)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:LONGEST_NAME]}…"
