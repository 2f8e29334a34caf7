"""How the gateway says no: a problem document that SDKs of Amazon's understand too.

Answers for: RFC 9457 problems as at every other door for programs, with ``errors`` beside it in the
shape of Amazon's own errors, so that what an SDK shows to people are our words; statuses that such
SDKs know how to treat. Does not answer for: errors of Amazon, which pass through as they came.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from starlette.types import Send

from evergrant import errors
from evergrant.entrances import problems
from evergrant.entrances.problems import Problem
from evergrant.entrances.programs import HEADERS, REQUEST_ID
from evergrant.errors import EvergrantError
from evergrant.tokens.passes import OVER

__all__ = ["answer", "problem_of"]

#: Amazon's words for what the status means, where it has one. SDKs look at them.
_AMAZONS_CODES: Final = {
    400: "InvalidInput",
    401: "Unauthorized",
    403: "Unauthorized",
    404: "NotFound",
    408: "RequestTimeout",
    413: "RequestTooLarge",
    415: "UnsupportedMediaType",
    429: "QuotaExceeded",
    500: "InternalFailure",
    502: "InternalFailure",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
#: Amazon's words under "access token has expired" (page "authorization-errors"). SDKs such as
#: amazon-sp-api look for them before they fetch another token.
_EXPIRED: Final = "The access token you provided has expired."


def problem_of(error: EvergrantError) -> Problem:
    """As every door says it, but for what SDKs know from Amazon under another status."""
    problem = problems.of_error(error)
    if isinstance(error, errors.NotAuthenticated) and error.facts.get("pass") == OVER:
        # As Amazon refuses an access token that is over: SDKs then fetch another by themselves.
        return replace(problem, status=403, headers={})
    if isinstance(error, errors.InvalidInput):
        return replace(problem, status=400)
    if isinstance(error, errors.TooLarge):
        return replace(problem, status=413)
    if isinstance(error, errors.OverLimit):
        wait = {"retry-after": str(max(1, math.ceil(error.retry_after_s)))}
        return replace(problem, status=429, headers={**problem.headers, **wait})
    if isinstance(error, errors.AmazonUnavailable) and "sent" in error.facts:
        return _without_answer(problem, error)
    return problem


def _without_answer(problem: Problem, error: errors.AmazonUnavailable) -> Problem:
    """The call left the gate and no answer came. A program has to know what that means for it."""
    perhaps = bool(error.facts["sent"])
    headers = {name: value for name, value in problem.headers.items() if name != "retry-after"}
    return replace(
        problem,
        status=504 if error.facts.get("timed_out") else 502,
        headers=headers,
        hint="The call may have been carried out: look before you make it again, if it changes "
        "something."
        if perhaps
        else "The call did not reach Amazon and was not carried out.",
        facts={**error.facts, "carried_out": "perhaps" if perhaps else "no"},
    )


def _details(problem: Problem, document: Mapping[str, Any]) -> Sequence[str]:
    """SDKs show them to people, so what the selling partner has to open stands there as well."""
    over = _EXPIRED if problem.facts.get("pass") == OVER else ""
    renewal_url = document.get("renewal_url")
    renew = f"Renew: {renewal_url}" if renewal_url else ""
    return over, f"evergrant: {problem.code}.", document.get("hint", ""), renew


async def answer(problem: Problem, request_id: str, send: Send, *, head: bool = False) -> None:
    """The problem as the whole answer. ``head``: the request was a HEAD."""
    document = problem.document(request_id)
    document["errors"] = [
        {
            "code": _AMAZONS_CODES.get(problem.status, problem.code),
            "message": document["detail"],
            "details": " ".join(part for part in _details(problem, document) if part),
        }
    ]
    body = json.dumps(document, ensure_ascii=False).encode()
    headers = {
        "content-type": problems.MEDIA_TYPE,
        "content-length": str(len(body)),
        REQUEST_ID: request_id,
        "x-evergrant-request-id": request_id,
        **HEADERS,
        **problem.headers,
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if head else body})
