"""Whether a call to Amazon is made again, and when.

Answers for: which answers are worth a second try, that nothing is done twice, how long to pause and
when to stop. Does not answer for: permits (each try takes one of its own), or for the clock.

Sources: "expired" and "revoked, malformed or invalid" are told apart by ``details`` alone
(`rules.amazon_errors`); exponential back-off with jitter is the advice of Amazon's page
"usage-plans-and-rate-limits". No ``Retry-After`` is documented for the Selling Partner API; where
one comes it is kept to.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from evergrant.rules.amazon_errors import TOKEN_TROUBLE
from evergrant.rules.operations import Operation, Personal

__all__ = ["HEAD_BYTES", "MOST_REPEATS", "Again", "Tried", "decide", "token_trouble"]

#: So much of an error's body is enough to know it by.
HEAD_BYTES = 16 * 1024
#: Of one call, whatever the reasons were.
MOST_REPEATS = 2
#: Seconds before the first and the second repetition, before jitter.
PAUSES_S = (0.5, 2.0)
#: Amazon's weather. 501 and 505 would be answered in the same way again.
_WEATHER = frozenset({500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One try of a call, and how it ended. ``status`` None: no answer came; then ``sent`` says
    whether Amazon may have seen the request."""

    status: int | None
    sent: bool = True
    head: bytes = b""  # the beginning of the body of an error; `HEAD_BYTES` are enough
    retry_after_s: float | None = None  # what Amazon asked for
    repeats: int = 0  # that went before
    renewed: bool = False  # it was made with an access token that was fetched for this call
    restricted: bool = False  # it was made with a restricted data token
    body_at_hand: bool = True  # the request's body can be sent once more, from its beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The call is to be made again after ``after_s`` seconds; with a fresh access token, or with
    a restricted data token."""

    after_s: float = 0.0
    fresh_access_token: bool = False
    restricted: bool = False


def decide(
    operation: Operation,
    tried: Tried,
    *,
    may_personal_data: bool,
    patience_s: float,
    jitter: float = 0.5,
) -> Again | None:
    """None: what came is the answer. ``patience_s``: how long the caller still waits; a pause that
    is longer is not begun. ``jitter`` is from 0 to 1, at random.

    What Amazon refused for its access token was not carried out, and yet only operations that may
    be repeated are: Amazon does not say so anywhere. What never reached Amazon may always be sent
    once more.
    """
    if tried.repeats >= MOST_REPEATS or not tried.body_at_hand:
        return None
    if tried.status is None and not tried.sent:
        return _later(tried, patience_s, jitter)
    if not operation.repeatable:
        return None
    if tried.status in (401, 403):
        if token_trouble(tried.status, tried.head):
            return None if tried.renewed else Again(fresh_access_token=True)
        if operation.personal is Personal.CONTENT and may_personal_data and not tried.restricted:
            return Again(restricted=True)
        return None
    if tried.status is None or tried.status == 429 or tried.status in _WEATHER:
        return _later(tried, patience_s, jitter)
    return None


def token_trouble(status: int | None, head: bytes) -> bool:
    """Whether Amazon refused the access token itself, and nothing else."""
    if status not in (401, 403):
        return False
    try:
        told = json.loads(head)
    except (ValueError, RecursionError):
        return False
    errors = told.get("errors") if isinstance(told, dict) else None
    return any(
        str(error.get(part, "")).startswith(TOKEN_TROUBLE)
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict)
        for part in ("details", "message")
    )


def _later(tried: Tried, patience_s: float, jitter: float) -> Again | None:
    pause_s = PAUSES_S[min(tried.repeats, len(PAUSES_S) - 1)] * (0.5 + jitter)
    asked_s = tried.retry_after_s
    if asked_s is not None and math.isfinite(asked_s):
        pause_s = max(pause_s, asked_s)
    return Again(after_s=pause_s) if pause_s <= patience_s else None
