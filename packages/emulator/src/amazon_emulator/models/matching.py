"""Which of an operation's static cases a request asks for.

Answers for: comparing a request with a case as Amazon's sandbox does, without minding how a client
writes numbers and lists, and for choosing the most specific of several. It makes no answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from amazon_emulator.asking import Asking
from amazon_emulator.models.described import Case, Described, Place

__all__ = ["ask_the_same", "best_of", "picked"]


def best_of(described: Described, asking: Asking) -> Case | None:
    """The case whose parameters the request has: with the most of them, then with the body to the
    letter, then a success, then the first in the file. None where no case fits."""
    body = _Body(asking)
    found: tuple[tuple[int, int, bool, int], Case] | None = None
    for case in described.cases:
        score = _score(described, case, asking, body)
        if score is None:
            continue
        rank = (-score[0], -score[1], case.status >= 400, case.number)
        if found is None or rank < found[0]:
            found = (rank, case)
    return found[1] if found else None


def picked(described: Described, wanted: str) -> Case | None:
    """The case that ``wanted`` names: a status, "400", or "400/2", the second case with it."""
    status, slash, number = wanted.strip().partition("/")
    place = number if slash else "1"
    if not status.isdecimal() or not place.isdecimal():
        return None
    of_status = [case for case in described.cases if case.status == int(status)]
    return of_status[int(place) - 1] if 1 <= int(place) <= len(of_status) else None


def ask_the_same(described: Described) -> tuple[tuple[Case, ...], ...]:
    """The groups of cases that no request can tell apart."""
    groups: dict[str, list[Case]] = {}
    for case in described.cases:
        asked = sorted(
            (
                place or "",
                name.lower() if place == "header" else name,
                _texts(described, case, spot),
            )
            for spot, (place, name, _) in enumerate(case.parameters)
        )
        body = _canonical(case.asked_body) if case.compares_body else None
        groups.setdefault(json.dumps([asked, case.compares_body, body]), []).append(case)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


class _Body:
    """The body of a request, read at most once, and only when a case asks for one."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking
        self._read: tuple[bool, Any] | None = None

    def value(self) -> tuple[bool, Any]:
        """Whether it is JSON, and the value; None for an empty body."""
        if self._read is None:
            try:
                self._read = True, self.asking.json
            except ValueError:
                self._read = False, None
        return self._read


def _score(described: Described, case: Case, asking: Asking, body: _Body) -> tuple[int, int] | None:
    """How many parameters fit, and how well the body does; None when something does not."""
    for spot, (place, name, wanted) in enumerate(case.parameters):
        given = _given(asking, place, name)
        if wanted is None:
            if given not in ([], [""], ["null"]):
                return None
        elif not _same_texts(described, given, name, wanted, _texts(described, case, spot)):
            return None
    if not case.compares_body:
        return len(case.parameters), 0
    is_json, value = body.value()
    if not is_json:
        return None
    try:
        closeness = _closeness(case.asked_body, value)
    except RecursionError:  # deeper than any case
        closeness = 0
    return None if closeness == 0 else (len(case.parameters) + 1, closeness)


def _given(asking: Asking, place: Place | None, name: str) -> list[str]:
    found: list[str] = []
    if place in ("path", None) and name in asking.path:
        found.append(asking.path[name])
    if place in ("query", None):
        found.extend(value for known, value in asking.query if known == name)
    if place in ("header", None) and name.lower() in asking.headers:
        found.append(asking.headers[name.lower()])
    return found


def _same_texts(
    described: Described, given: list[str], name: str, wanted: Any, texts: list[str]
) -> bool:
    if not isinstance(wanted, list) and given == [_text(wanted)]:
        return True
    if _same_number(given, wanted):
        return True
    if sorted(given) == texts:
        return True
    if not isinstance(wanted, list) and not _is_list(described, name):
        return False
    separator = _separator(described, name)
    return sorted(p for one in given for p in one.split(separator) if p) == texts


def _same_number(given: list[str], wanted: Any) -> bool:
    """500, 500.0 and 5e2 are one number, however a client writes it."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or len(given) != 1:
        return False
    try:
        return Decimal(given[0]) == Decimal(str(wanted))
    except InvalidOperation:
        return False


def _texts(described: Described, case: Case, spot: int) -> list[str]:
    """The values that a case wants for a parameter, as texts in an order of their own."""
    _, name, wanted = case.parameters[spot]
    if isinstance(wanted, list):
        return sorted(_text(one) for one in wanted)
    if isinstance(wanted, str) and _is_list(described, name):
        return sorted(part for part in wanted.split(_separator(described, name)) if part)
    return [_text(wanted)]


def _is_list(described: Described, name: str) -> bool:
    return any(p.name == name and p.rules.get("type") == "array" for p in described.parameters)


def _separator(described: Described, name: str) -> str:
    return next((p.separator for p in described.parameters if p.name == name), ",")


def _text(value: Any) -> str:
    """A value as it stands in an address."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if value is None or isinstance(value, Mapping | list):
        return json.dumps(value, sort_keys=True)
    return str(value)


def _closeness(wanted: Any, given: Any) -> int:
    """2: the same to the letter; 1: the same but for spelling and order; 0: another."""
    if isinstance(wanted, str) and not isinstance(given, str):
        try:
            wanted = json.loads(wanted)  # a body that the model holds as text
        except ValueError:
            return 0
    if given is None and wanted in ({}, []):
        return 1
    if json.dumps(wanted, sort_keys=True) == json.dumps(given, sort_keys=True):
        return 2
    return 1 if _canonical(wanted) == _canonical(given) else 0


def _canonical(value: Any) -> Any:
    """A value without what may differ: the order of lists and how numbers are written."""
    if isinstance(value, Mapping):
        return {name: _canonical(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return sorted((_canonical(one) for one in value), key=_order)
    return value if value is None else _text(value)


def _order(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
