"""Parameters in the path, the query and the headers, held against the model.

Answers for: reading texts as the types that a model wants, and for missing, unknown and repeated
ones. Bodies are not its business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from amazon_emulator.asking import Asking
from amazon_emulator.models.described import Described, Parameter
from amazon_emulator.models.faults import Fault, in_value, spot

__all__ = ["faults_of_parameters"]

_WHOLE = re.compile(r"[+-]?\d{1,40}")
_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?")


def faults_of_parameters(described: Described, asking: Asking) -> Iterator[Fault]:
    """What is wrong with the parameters of a request. Headers that a model does not declare are
    never told: clients and proxies send many."""
    known = {p.name for p in described.parameters if p.place == "query"}
    for name in dict.fromkeys(name for name, _ in asking.query):
        if name not in known:
            wanted = ", ".join(sorted(known)) or "none"
            words = f"is not known to the model, which knows {wanted}"
            yield Fault(spot("query", [name]), words, "unknown parameter")
    for parameter in described.parameters:
        if parameter.place in ("path", "query", "header"):
            yield from _faults(described, parameter, _given(parameter, asking))


def _given(parameter: Parameter, asking: Asking) -> list[str]:
    match parameter.place:
        case "query":
            return [value for name, value in asking.query if name == parameter.name]
        case "path":
            return [asking.path[parameter.name]] if parameter.name in asking.path else []
        case _:
            name = parameter.name.lower()
            return [asking.headers[name]] if name in asking.headers else []


def _faults(described: Described, parameter: Parameter, given: list[str]) -> Iterator[Fault]:
    where = spot(parameter.place, [parameter.name])
    may_be_empty = parameter.rules.get("allowEmptyValue") is True
    if not given or (given == [""] and not may_be_empty):
        if parameter.required:
            yield Fault(where, "is missing" if not given else "is empty", "missing")
        return
    validator = described.document.validator(parameter.rules, as_asked=True)
    if parameter.rules.get("type") != "array":
        if len(given) > 1:
            yield Fault(where, f"is one value, but was given {len(given)} times", "value")
        value = _typed(given[0], parameter.rules)
        yield from in_value(validator, value, where)
        return
    items = parameter.rules.get("items")
    rules = described.document.rules(items) if items is not None else {}
    parts = [part for one in given for part in one.split(parameter.separator)]
    whole = [_typed(one, rules) for one in given]
    if parameter.style == "multi" and (len(parts) == len(given) or validator.is_valid(whole)):
        yield from in_value(validator, whole, where)
        return
    if parameter.style == "multi":
        words = "is to be repeated for each value, but came as one list with commas"
        yield Fault(where, words, "style")
    elif len(given) > 1:
        words = f"is one list ({parameter.style}), but was given {len(given)} times"
        yield Fault(where, words, "style")
    yield from in_value(validator, [_typed(part, rules) for part in parts], where)


def _typed(text: str, rules: Any) -> Any:
    """A text as the type that is wanted; the text itself where it is none of that type."""
    wanted = rules.get("type")
    if wanted == "integer" and _WHOLE.fullmatch(text):
        return int(text)
    if wanted == "number" and _NUMBER.fullmatch(text):
        value = float(text)
        return int(value) if value.is_integer() and "e" not in text.lower() else value
    if wanted == "boolean" and text in ("true", "false"):
        return text == "true"
    return text
