"""What Amazon's answers to calls about reports, documents and subscriptions come to.

Answers for: the JSON of an answer, or the error that it is. Does not answer for: what follows from
it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evergrant.errors import AmazonUnavailable, CallDenied, Throttled, UnreadableAnswer
from evergrant.ports.amazon import Answer
from evergrant.rules.secrecy import scrub

__all__ = ["told", "words"]

_MOST = 16 * 1024 * 1024
_LONGEST = 300


def told(answer: Answer) -> dict[str, Any]:
    """What a good answer says; ``{}`` when it says nothing.

    Raises Throttled (429), AmazonUnavailable (5xx and 408), CallDenied with Amazon's words (all
    other refusals), UnreadableAnswer.
    """
    if 200 <= answer.status < 300:
        if not answer.body.strip():
            return {}
        try:
            if len(answer.body) > _MOST:
                raise ValueError
            read = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise UnreadableAnswer from None
        if not isinstance(read, dict):
            raise UnreadableAnswer
        return read
    if answer.status == 429:
        raise Throttled("Amazon's limit for this is spent, says Amazon.")
    if answer.status >= 500 or answer.status == 408:
        raise AmazonUnavailable(f"Amazon answered {answer.status}.")
    code, message, details = words(answer)
    raise CallDenied(answer.status, code, message, details)


def words(answer: Answer) -> tuple[str, str, str]:
    """Amazon's code, message and details, as far as there are any."""
    try:
        first = json.loads(answer.body[:_MOST])["errors"][0]
    except (ValueError, RecursionError, LookupError, TypeError):
        return "", "", ""
    if not isinstance(first, Mapping):
        return "", "", ""
    code, message, details = (
        scrub(value)[:_LONGEST] if isinstance(value := first.get(name), str) else ""
        for name in ("code", "message", "details")
    )
    return code, message, details
