"""Errors become HTTP here and nowhere else: RFC 9457 problem documents.

Answers for: the status of every error of ours, the shape of the document, and that nothing which
the caller sent comes back in it (a value may be a secret in the wrong field). Every door for
programs answers with these, except the LWA-compatible one, which speaks LWA's language. Does not
answer for: deciding what is wrong; the rooms and the shapes do that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import Send

from evergrant import errors
from evergrant.entrances.programs import HEADERS, REQUEST_ID
from evergrant.errors import Blame, EvergrantError, Flaw
from evergrant.rules.secrecy import Secret, scrub

__all__ = [
    "DOOR_PROBLEMS",
    "MEDIA_TYPE",
    "STATUS",
    "DoorProblem",
    "Problem",
    "answer",
    "code_type",
    "of_error",
    "of_row",
    "of_status",
    "pointer",
    "shown_name",
    "status_of",
    "title",
    "unexpected",
]

MEDIA_TYPE: Final = "application/problem+json"

#: One row per error class; a class that is not here takes the row of its nearest ancestor.
STATUS: Final[Mapping[type[EvergrantError], int]] = {
    errors.InvalidInput: 422,
    errors.NotAuthenticated: 401,
    errors.SignInRefused: 401,
    errors.SecondFactorRefused: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.OverLimit: 429,
    errors.CallerError: 400,
    # The partner has to act: the wish is fine, what is stored does not allow it now.
    errors.PartnerError: 409,
    errors.ApplicationRefused: 502,
    errors.ApplicationIncomplete: 409,
    errors.ApplicationError: 502,
    # The weather. Amazon's 429 is not the caller's 429: nobody here called too often.
    errors.AmazonError: 503,
    errors.CallDenied: 502,
    errors.StoreUnavailable: 503,
    errors.ProviderUnavailable: 502,
    errors.NotDelivered: 502,
    errors.EvergrantError: 500,
}

#: Where the room gave no hint, what helps somebody who writes a program.
_HINTS: Final[Mapping[str, str]] = {
    "not_authenticated": "A key can be mistyped, revoked, replaced or over; whoever runs Evergrant "
    "sees which with `evergrant apikey list`.",
    "not_allowed": "What a key may do is said when it is made: `evergrant apikey add --help`.",
    "not_found": "Check the id. A key that is bound to a client instance or to accounts finds "
    "only what belongs to these.",
    "not_yet_authorized": "Send its link: POST /v1/accounts/{id}/invitation.",
    "grant_refused": "The selling partner has to consent anew. Send a link: POST "
    "/v1/accounts/{id}/invitation.",
    "grant_lapsed": "The selling partner has to consent anew. Send a link: POST "
    "/v1/accounts/{id}/invitation.",
    "account_closed": "Somebody of the house closed it, and can open it again: POST "
    "/v1/accounts/{id}/reopen.",
    "amazon_unavailable": "Try again later. If a call was under way that changes something, look "
    "first whether Amazon carried it out.",
    "throttled": "Try again after the seconds in 'Retry-After'.",
    "store_unavailable": "Try again in a moment; if that does not help, tell the people who run "
    "this Evergrant.",
}

_RETRY_AFTER_S: Final = 5
_LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class DoorProblem:
    """A problem that a door has by itself, before any room was asked."""

    status: int
    code: str
    blame: Blame
    detail: str
    hint: str | None = None


_ROWS = (
    DoorProblem(
        400,
        "broken_json",
        Blame.CALLER,
        "The body is not JSON.",
        "Send one JSON object in UTF-8, with double quotes around names and texts.",
    ),
    DoorProblem(400, "bad_request", Blame.CALLER, "The request cannot be read."),
    DoorProblem(
        404,
        "not_found",
        Blame.CALLER,
        "There is no such thing here.",
        "GET /v1/openapi.json lists Evergrant's paths, /v1/docs shows them to people. Amazon's are "
        "below /gateway/. A process that has a role answers only its part.",
    ),
    DoorProblem(
        405,
        "method_not_allowed",
        Blame.CALLER,
        "This path does not know that method.",
        "The header 'Allow' names the methods that it knows.",
    ),
    DoorProblem(
        415,
        "unsupported_media_type",
        Blame.CALLER,
        "The body is not sent as JSON.",
        "Send 'Content-Type: application/json' (UTF-8, no Content-Encoding).",
    ),
    DoorProblem(
        500,
        "internal",
        Blame.US,
        "Something went wrong on our side.",
        "Tell the people who run this Evergrant the request id.",
    ),
)
#: Code to row. Documented together with the errors of the rooms.
DOOR_PROBLEMS: Final[Mapping[str, DoorProblem]] = {row.code: row for row in _ROWS}
_BY_STATUS: Final[Mapping[int, str]] = {
    404: "not_found",
    405: "method_not_allowed",
    415: "unsupported_media_type",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One answer that is not a success, ready for the socket."""

    status: int
    code: str
    blame: Blame
    detail: str
    hint: str | None = None
    permanent: bool = True
    flaws: Sequence[Flaw] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    #: With it the selling partner mends it; shown as ``renewal_url``.
    renewal_link: Secret | None = None
    in_query: bool = False  # flaws name query parameters, not members of the body

    def document(self, request_id: str) -> dict[str, Any]:
        document: dict[str, Any] = {
            "type": code_type(self.code),
            "title": title(self.code),
            "status": self.status,
            "detail": self._detail(),
            "code": self.code,
            "blame": self.blame.value,
            "permanent": self.permanent,
            "request_id": request_id,
        }
        if self.hint:
            document["hint"] = scrub(self.hint)
        if self.renewal_link is not None:
            document["renewal_url"] = self.renewal_link.reveal()
        if self.flaws:
            document["flaws"] = [self._flaw(flaw) for flaw in self.flaws]
        if facts := {name: _plain(value) for name, value in self.facts.items() if value}:
            document["facts"] = facts
        return document

    def body(self, request_id: str) -> bytes:
        return json.dumps(self.document(request_id), ensure_ascii=False).encode()

    def _detail(self) -> str:
        if not self.flaws:
            return scrub(self.detail)
        # One by one: "secret_key: is needed" looks to the scrubber like a secret under its name.
        return " ".join(
            f"{scrub(flaw.field)}: {scrub(flaw.message)}" if flaw.field else scrub(flaw.message)
            for flaw in self.flaws
        )

    def _flaw(self, flaw: Flaw) -> dict[str, str]:
        told = {"code": flaw.code, "message": scrub(flaw.message)}
        if flaw.field:
            name = scrub(flaw.field)
            told["field"] = name
            if self.in_query:
                told["parameter"] = name
            else:
                told["pointer"] = pointer(name.split("."))
        if flaw.hint:
            told["hint"] = scrub(flaw.hint)
        return told


def code_type(code: str) -> str:
    """The ``type`` of a problem: a name that stays the same wherever this product runs."""
    return f"urn:evergrant:problem:{code}"


def title(code: str) -> str:
    """The same for every problem of that code, as RFC 9457 wants it."""
    return code.replace("_", " ").capitalize()


def pointer(parts: Iterable[str]) -> str:
    """JSON Pointer (RFC 6901) as a URI fragment."""
    return "#" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def status_of(kind: type[EvergrantError]) -> int:
    for ancestor in kind.__mro__:
        if ancestor in STATUS:
            return STATUS[ancestor]
    return 500


def of_error(error: EvergrantError, *, in_query: bool = False) -> Problem:
    """An error of a room. ``in_query``: what it finds wrong stood in the query."""
    status = status_of(type(error))
    headers: dict[str, str] = {}
    if isinstance(error, errors.NotAuthenticated):
        headers["www-authenticate"] = 'Bearer realm="evergrant"'
    if isinstance(error, errors.OverLimit):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    elif status == 503:
        wait = error.retry_after_s if isinstance(error, errors.Throttled) else None
        headers["retry-after"] = str(max(1, round(wait or _RETRY_AFTER_S)))
    return Problem(
        status=status,
        code=error.code,
        blame=error.blame,
        detail=error.message,
        hint=error.hint or _HINTS.get(error.code),
        permanent=error.permanent,
        flaws=error.flaws if isinstance(error, errors.InvalidInput) else (),
        facts=error.facts,
        headers=headers,
        renewal_link=error.renewal_link if isinstance(error, errors.PartnerError) else None,
        in_query=in_query,
    )


def of_status(
    status: int, *, detail: str | None = None, headers: Mapping[str, str] | None = None
) -> Problem:
    """A refusal by the framework that knows only a status: no such path, no such method."""
    row = DOOR_PROBLEMS[_BY_STATUS.get(status, "bad_request" if status < 500 else "internal")]
    return of_row(row.code, detail=detail, headers=headers, status=status)


def of_row(
    code: str,
    *,
    detail: str | None = None,
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
    status: int | None = None,
) -> Problem:
    row = DOOR_PROBLEMS[code]
    return Problem(
        status=status or row.status,
        code=row.code,
        blame=row.blame,
        detail=detail or row.detail,
        hint=hint or row.hint,
        headers=headers or {},
    )


def unexpected() -> Problem:
    """A mistake of ours. Says nothing of it but the request id: the log knows the rest."""
    return of_row("internal")


async def answer(problem: Problem, request_id: str, send: Send) -> None:
    """Sends the problem, headers included, as the whole answer to a request."""
    body = problem.body(request_id)
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        REQUEST_ID: request_id,
        **HEADERS,
        **problem.headers,
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def shown_name(name: object) -> str:
    """A field name that the caller made up, fit to be told back."""
    text = "".join(mark if mark.isprintable() else "?" for mark in str(name))
    short = text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
    return scrub(short)


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return scrub(str(value))
