"""The static sandbox: the canned answer that a request gets from a model.

Answers for: what is said when a case fits, when none does, and when the model has no cases at all.
It knows no state.

Amazon's sandbox gives the answer of the case whose parameters a request has, with status 400
"Could not match input arguments" where there is none (Amazon's page "sp-api-sandbox"). Some models
hold several cases that ask for the very same thing; there the header ``x-amazon-emulator-case``,
an addition of this emulator, picks one: ``400`` is the first case of that status, ``400/2`` the
second. It also picks a status that the model declares without a case: then its body is made from
the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from amazon_emulator.asking import Asking
from amazon_emulator.models.described import Case, Described
from amazon_emulator.models.examples import example_response
from amazon_emulator.models.matching import best_of, picked

__all__ = ["CASE_HEADER", "Canned", "How", "answer"]

CASE_HEADER = "x-amazon-emulator-case"

# HTTP knows no body with these; some models write an empty object there.
BODILESS = frozenset({204, 304})

How = Literal["case", "example", "none"]


@dataclass(frozen=True)
class Canned:
    """An answer from a model. ``body`` is a JSON value; None is no body. ``how``: from a case, made
    from the schema, or refused as nothing fits."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    how: How = "case"


def answer(described: Described, asking: Asking, *, wanted: str | None = None) -> Canned:
    """What Amazon's static sandbox says to a request. ``wanted`` is the value of the header
    ``x-amazon-emulator-case``; it is stronger than the request."""
    if wanted is not None and wanted.strip():
        return _wanted(described, wanted.strip())
    if described.cases:
        case = best_of(described, asking)
        return _of_case(described, case) if case else _refused("")
    status = _usual_status(described)
    return Canned(status, _example(described, status), how="example")


def _wanted(described: Described, wanted: str) -> Canned:
    case = picked(described, wanted)
    if case is not None:
        return _of_case(described, case)
    if wanted.isdecimal() and wanted in described.responses:
        return Canned(int(wanted), _example(described, int(wanted)), how="example")
    known = ", ".join(_names(described)) or "none"
    return _refused(f"{CASE_HEADER}: {described.name} has no case of that name; it has: {known}")


def _names(described: Described) -> list[str]:
    """All that may be wanted of an operation."""
    counts: dict[int, int] = {}
    names = []
    for case in described.cases:
        counts[case.status] = counts.get(case.status, 0) + 1
        place = counts[case.status]
        names.append(str(case.status) if place == 1 else f"{case.status}/{place}")
    declared = (status for status in described.responses if status.isdecimal())
    return [*names, *(status for status in declared if int(status) not in counts)]


def _of_case(described: Described, case: Case) -> Canned:
    if case.status in BODILESS:
        return Canned(case.status, None, case.headers)
    body = case.body if case.has_body else _example(described, case.status)
    return Canned(case.status, body, case.headers)


def _refused(details: str) -> Canned:
    error = {
        "code": "InvalidInput",
        "message": "Could not match input arguments",
        "details": details,
    }
    return Canned(400, {"errors": [error]}, how="none")


def _usual_status(described: Described) -> int:
    """The lowest success that the model declares."""
    declared = sorted(int(status) for status in described.responses if status.isdecimal())
    return next((status for status in declared if 200 <= status < 300), 200)


def _example(described: Described, status: int) -> Any:
    response = described.response(status)
    return None if response is None else example_response(described, status, response)
