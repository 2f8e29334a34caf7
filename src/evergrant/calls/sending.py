"""A call whose request and answer fit into memory: what `Calls.send` makes of both.

Answers for: which headers a program of the house may set, and reading of an answer what the gate
wants to be told. Does not answer for: the gateway, which lets other people's headers through and
takes out what is ours (``entrances.gateway``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from evergrant.calls.values import Outcome
from evergrant.errors import AmazonUnavailable, Flaw
from evergrant.ports.amazon import Answer
from evergrant.rules.repeats import HEAD_BYTES, Tried, token_trouble

__all__ = ["flaws_of", "is_token_trouble", "outcome_of", "tried_of"]

#: Set by us or by the connection; a caller that sets them is mistaken, or up to something.
_OURS = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "host",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amz-access-token",
        "x-amz-date",
        "x-amz-security-token",
    }
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,60}")


def flaws_of(headers: Mapping[str, str]) -> list[Flaw]:
    """Everything that is wrong with the headers of a request."""
    flaws = []
    for name, value in headers.items():
        if name.lower() in _OURS:
            flaws.append(Flaw("is set by Evergrant.", field=f"headers.{name}"))
        elif not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            flaws.append(Flaw("is no header.", field="headers"))
    return flaws


def outcome_of(ended: Answer | AmazonUnavailable, took_s: float) -> Outcome:
    """What the gate is told."""
    if isinstance(ended, AmazonUnavailable):
        return Outcome(status=None, took_s=took_s, error=ended.code)
    headers = _lowered(ended)
    return Outcome(
        status=ended.status,
        took_s=took_s,
        reported_rate_per_s=_number(headers.get("x-amzn-ratelimit-limit")),
        amazon_request_id=headers.get("x-amzn-requestid", "")[:80],
        error=_code(ended) if ended.status >= 400 else "",
    )


def tried_of(ended: Answer | AmazonUnavailable) -> Tried:
    """What is judged before the call is made again."""
    if isinstance(ended, AmazonUnavailable):
        return Tried(status=None, sent=ended.facts.get("sent") is not False)
    return Tried(
        status=ended.status,
        head=ended.body[:HEAD_BYTES],
        retry_after_s=_number(_lowered(ended).get("retry-after")),
    )


def is_token_trouble(answer: Answer) -> bool:
    """Whether Amazon refused the access token itself, and nothing else."""
    return token_trouble(answer.status, answer.body[:HEAD_BYTES])


def _lowered(answer: Answer) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _code(answer: Answer) -> str:
    """Amazon's word for an error, as far as it is one."""
    try:
        told = json.loads(answer.body[:HEAD_BYTES])
        code = told["errors"][0]["code"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return f"http_{answer.status}"
    return code if isinstance(code, str) and _CODE.fullmatch(code) else f"http_{answer.status}"
