"""From the schemas of Swagger 2.0 to those of JSON Schema, draft 4.

Answers for: leaving out what is no rule (examples, titles, extensions), what is written wrongly
(a pattern that is none, ``required: true``), and references that lead nowhere, so that one slip of
a model's author never hides the rest of the model. It compiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs

__all__ = ["Reach", "to_draft4"]

Reach = Callable[[str], str | None]
"""Gives the place below ``#/definitions/`` for a reference; None when it leads nowhere."""

TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})

LENGTHS = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
)

WHOLE = {"int32": 2**31, "int64": 2**63}


def to_draft4(schema: Any, reach: Reach) -> dict[str, Any]:
    """The rules of a schema; ``{}``, which allows anything, where there are none."""
    if not isinstance(schema, Mapping):
        return {}
    if isinstance(schema.get("$ref"), str):
        place = reach(schema["$ref"])
        return {} if place is None else {"$ref": f"#/definitions/{place}"}
    rules: dict[str, Any] = {}
    for name, given in schema.items():
        kept = _kept(name, given, schema, reach)
        if kept is not None:
            rules[name] = kept
    if "type" not in schema and "properties" in rules:
        rules["type"] = "object"  # what every author means who leaves it out
    if rules.get("additionalProperties") is False:
        # Without a list of names the validator would not tell which one is too many.
        rules.setdefault("properties", {})
    _bound_by_format(schema, rules)
    if schema.get("x-nullable") is True or schema.get("nullable") is True:
        return {"anyOf": [rules, {"type": "null"}]}
    return rules


def _kept(name: str, given: Any, schema: Mapping[str, Any], reach: Reach) -> Any:
    """A rule as draft 4 has it; None when it is none."""
    match name:
        case "type":
            return _types(given)
        case "properties" | "patternProperties" if isinstance(given, Mapping):
            return {str(key): to_draft4(value, reach) for key, value in given.items()}
        case "items" if isinstance(given, list):
            return [to_draft4(value, reach) for value in given] or None
        case "items" | "not":
            return to_draft4(given, reach)
        case "additionalProperties":
            return given if isinstance(given, bool) else to_draft4(given, reach)
        case "allOf" | "anyOf" | "oneOf" if isinstance(given, list) and given:
            return [to_draft4(value, reach) for value in given]
        case "enum" if isinstance(given, list) and given:
            return _distinct(given)
        case "required" if isinstance(given, list):
            return sorted({key for key in given if isinstance(key, str)}) or None
        case "exclusiveMinimum" | "exclusiveMaximum":
            # Draft 4 wants the border beside it.
            border = "minimum" if name == "exclusiveMinimum" else "maximum"
            return given if isinstance(given, bool) and _is_number(schema.get(border)) else None
        case "pattern" if isinstance(given, str):
            return given if _is_pattern(given) else None
        case _:
            return _plain(name, given)


def _plain(name: str, given: Any) -> Any:
    if name in LENGTHS:
        return given if isinstance(given, int) and given >= 0 and given is not True else None
    if name in ("minimum", "maximum"):
        return given if _is_number(given) else None
    if name == "multipleOf":
        return given if _is_number(given) and given > 0 else None
    if name == "uniqueItems":
        return given if isinstance(given, bool) else None
    if name == "format":
        return given if isinstance(given, str) else None
    return None


def _types(given: Any) -> Any:
    if isinstance(given, str):
        return given if given in TYPES else None
    if isinstance(given, list):
        return sorted({name for name in given if isinstance(name, str) and name in TYPES}) or None
    return None


def _distinct(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not any(value == known and type(value) is type(known) for known in found):
            found.append(value)
    return found


def _bound_by_format(schema: Mapping[str, Any], rules: dict[str, Any]) -> None:
    size = WHOLE.get(str(schema.get("format")))
    if size is not None and schema.get("type") == "integer":
        rules.setdefault("minimum", -size)
        rules.setdefault("maximum", size - 1)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _is_pattern(given: str) -> bool:
    try:
        jsonschema_rs.Draft4Validator({"pattern": given})
    except ValueError:
        return False
    return True
