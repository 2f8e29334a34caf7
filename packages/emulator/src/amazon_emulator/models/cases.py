"""The static cases of the sandbox, as the models write them: in two spellings and many shapes.

Answers for: finding the cases of an operation and saying plainly what each of them asks for and
answers. It matches no requests.

The structure is that of ``x-amzn-api-sandbox`` in Amazon's models; older models spell it
``x-amazon-spds-sandbox-behaviors``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from amazon_emulator.models.described import Case, Parameter, Place

__all__ = ["NEW_SPELLING", "OLD_SPELLING", "cases_of", "is_dynamic"]

NEW_SPELLING = "x-amzn-api-sandbox"
OLD_SPELLING = "x-amazon-spds-sandbox-behaviors"

_STATUS_NAMES = ("statusCode", "httpStatusCode", "status")

Pair = tuple[Place | None, str, Any]


def is_dynamic(*holders: Any) -> bool:
    """Whether an operation or its path item says that its sandbox keeps state."""
    marks = [holder.get(NEW_SPELLING) for holder in holders if isinstance(holder, Mapping)]
    return any(isinstance(mark, Mapping) and "dynamic" in mark for mark in marks)


def cases_of(
    responses: Mapping[str, Mapping[str, Any]],
    operation: Mapping[str, Any],
    path_item: Mapping[str, Any],
    parameters: tuple[Parameter, ...],
    body_fields: frozenset[str],
) -> tuple[Case, ...]:
    """The cases of one operation in the order of the file.

    ``body_fields`` are the names that the schema of its body knows.
    """
    found: list[Case] = []
    for key, holder in (*responses.items(), (None, operation), (None, path_item)):
        for given, older in _written(holder):
            status = int(key) if key and key.isdecimal() else _status(given, responses)
            asked = _asked(given, parameters, body_fields)
            headers = _mapping(given.get("responseHeaders"))
            found.append(
                Case(
                    number=len(found),
                    status=status,
                    parameters=tuple(asked.pairs),
                    compares_body=asked.compares_body,
                    asked_body=asked.body,
                    has_body="response" in given,
                    body=given.get("response"),
                    headers={str(k): str(_unwrapped(v)) for k, v in headers.items()},
                    older=older,
                )
            )
    return tuple(found)


@dataclass
class _Asked:
    pairs: list[Pair] = field(default_factory=list)
    compares_body: bool = False
    body: Any = None


def _written(holder: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """The cases at one place, and whether they are in the older spelling."""
    new = holder.get(NEW_SPELLING)
    static = new.get("static") if isinstance(new, Mapping) else new
    for given in _several(static):
        yield given, False
    old = holder.get(OLD_SPELLING)
    if isinstance(old, Mapping) and "static" in old:
        old = old["static"]
    for given in _several(old):
        yield given, True


def _several(given: Any) -> Iterable[Mapping[str, Any]]:
    many = given if isinstance(given, list) else [given]
    return [one for one in many if isinstance(one, Mapping)]


def _status(given: Mapping[str, Any], responses: Mapping[str, Any]) -> int:
    """The status of a case that hangs on no response: its own word, else what it looks like."""
    for name in _STATUS_NAMES:
        value = given.get(name)
        if isinstance(value, int | str) and str(value).isdecimal():
            return int(value)
    declared = sorted(int(key) for key in responses if key.isdecimal())
    bad = bool(_mapping(given.get("response")).get("errors"))
    fitting = [status for status in declared if (status >= 400) is bad]
    return fitting[0] if fitting else (400 if bad else 200)


def _asked(
    given: Mapping[str, Any], parameters: tuple[Parameter, ...], body_fields: frozenset[str]
) -> _Asked:
    asked = _Asked()
    request = _mapping(given.get("request"))
    written = {name: value for name, value in request.items() if name != "parameters"}
    written |= _mapping(request.get("parameters"))
    by_name = {known.name: known for known in parameters if known.place != "body"}
    body = next((known for known in parameters if known.place == "body"), None)
    for name, value in written.items():
        if name in by_name:
            _ask(asked, by_name[name].place, name, value)
        elif name == "body" or (body is not None and name == body.name):
            _ask_body(asked, value, by_name, body_fields)
        else:
            _ask(asked, None, name, value)
    return asked


def _ask(asked: _Asked, place: Place | None, name: str, value: Any) -> None:
    if isinstance(value, Mapping) and "value" not in value and not value:
        return  # named without a value: any
    asked.pairs.append((place, name, _unwrapped(value)))


def _ask_body(
    asked: _Asked, value: Any, by_name: Mapping[str, Parameter], body_fields: frozenset[str]
) -> None:
    if isinstance(value, Mapping) and not value:
        return  # any body
    if not isinstance(value, Mapping) or "value" in value:
        asked.compares_body, asked.body = True, _unwrapped(value)
        return
    fields = {}
    for name, inner in value.items():
        if name in by_name and name not in body_fields:
            _ask(asked, by_name[name].place, name, inner)
        else:
            fields[name] = _unwrapped(inner) if _is_wrapper(inner) else inner
    if fields:
        asked.compares_body, asked.body = True, fields


def _is_wrapper(given: Any) -> bool:
    return isinstance(given, Mapping) and set(given) == {"value"}


def _unwrapped(given: Any) -> Any:
    return given["value"] if isinstance(given, Mapping) and "value" in given else given


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}
