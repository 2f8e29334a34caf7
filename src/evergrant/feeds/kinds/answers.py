"""What Amazon's answers to single calls have in common.

Answers for: Amazon's words in an error, which answers are about the request and which about the
weather, and outcomes made of both. Does not answer for: what a success says (each kind does).

Source: all models of the Selling Partner API have ``{"errors": [{"code", "message", "details"}]}``;
a few operations answer with the bare list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evergrant.feeds.kinds import Reading
from evergrant.ports.amazon import Answer
from evergrant.ports.traded import Change, Outcome
from evergrant.rules.changes import ChangeState
from evergrant.rules.received_text import printable

__all__ = ["Said", "accepted", "again", "is_about_request", "json_of", "refused", "said"]

#: Refusals that nothing in the change can have caused, so that it may be tried again.
_NOT_THE_CHANGE = frozenset({401, 403, 408, 425, 429})
_LONGEST_CODE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One error, in Amazon's words."""

    code: str = ""
    message: str = ""  # with the details, where there are any

    def __str__(self) -> str:
        return " ".join(part for part in (self.code, self.message) if part)


def json_of(answer: Answer) -> Any:
    """None: the body is no JSON."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def said(answer: Answer) -> Said:
    """The first error of an answer; its status where it holds none."""
    told = json_of(answer)
    errors = told.get("errors") if isinstance(told, Mapping) else told
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, Mapping):
        return Said(code=f"http_{answer.status}", message="Amazon gave no reason.")
    words = [_text(first.get(name)) for name in ("message", "details")]
    return Said(
        code=printable(_text(first.get("code")), _LONGEST_CODE) or f"http_{answer.status}",
        message=printable(" ".join(dict.fromkeys(word for word in words if word)))
        or "Amazon gave no reason.",
    )


def is_about_request(status: int) -> bool:
    """Whether such a refusal is about what was asked: the same again would be refused again.
    Limits, missing rights and outages are not."""
    return 400 <= status < 500 and status not in _NOT_THE_CHANGE


def accepted(changes: Iterable[Change]) -> Reading:
    return Reading(
        outcomes=tuple(
            Outcome(change_id=change.id, state=ChangeState.ACCEPTED) for change in changes
        )
    )


def refused(changes: Iterable[Change], words: Said, attribute: str = "") -> Reading:
    return Reading(
        outcomes=tuple(
            Outcome(
                change_id=change.id,
                state=ChangeState.REFUSED,
                code=words.code,
                message=words.message,
                attribute=attribute,
            )
            for change in changes
        ),
        said=str(words),
    )


def again(words: Said) -> Reading:
    return Reading(again=True, said=str(words))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
