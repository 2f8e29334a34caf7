"""How nginx says no in Evergrant's words.

Answers for: problems that a decision hands to nginx, and those that nginx has to know by heart:
when Evergrant or Amazon is away, or nginx itself cannot read a request. All look like those of the
gateway's own stream (``refusals``). Does not answer for: what is refused.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from starlette.types import Message

from evergrant.entrances import problems
from evergrant.entrances.gateway import refusals
from evergrant.entrances.problems import Problem
from evergrant.entrances.programs import HEADERS, REQUEST_ID
from evergrant.errors import AmazonUnavailable, StoreUnavailable, TooLarge

__all__ = [
    "DECIDED",
    "OWN",
    "REFUSED_STATUSES",
    "Told",
    "answer_headers",
    "error_pages",
    "locations",
    "maps",
    "told",
]

#: Below this path nginx keeps what is nobody's but its own.
OWN: Final = "/-evergrant"
#: Every status that a refusal may have: nginx needs each of them spelled out.
REFUSED_STATUSES: Final = tuple(
    sorted(
        {
            *(400, 408, 413, 429, 502, 503, 504),
            *problems.STATUS.values(),
            *(row.status for row in problems.DOOR_PROBLEMS.values()),
        }
    )
)
#: What a refusal tells besides its document; the same names in the decision and in the answer, but
#: for the prefix ``x-evergrant-``.
DECIDED: Final = ("retry-after", "www-authenticate", "allow")

#: Longer than any that a room writes, and within what nginx keeps of a decision's headers.
_LONGEST: Final = 16_384
_PAGES: Final = (("unreadable", "400 494"), ("no-method", "405"), ("too-long", "413 414"))


@dataclass(frozen=True, slots=True)
class Told:
    """A problem as the gateway tells it: ``document`` is JSON in visible ASCII."""

    headers: Mapping[str, str]
    document: str


def told(problem: Problem, request_id: str) -> Told:
    """What the program is to get. Of a problem that is too long for a header, what it needs."""
    headers, document = _answered(problem, request_id)
    if len(document) > _LONGEST:
        short = replace(problem, detail=f"{problem.detail[:500]} ...", flaws=(), facts={})
        headers, document = _answered(short, request_id)
    return Told(headers, document)


def _answered(problem: Problem, request_id: str) -> tuple[dict[str, str], str]:
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    # It awaits nothing but `keep`, so one step is all of it.
    with contextlib.suppress(StopIteration):
        refusals.answer(problem, request_id, keep).send(None)
    start, body = messages
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    # JSON escapes all that is not to stand in a header, but for one.
    document = json.dumps(json.loads(body["body"])).replace("\x7f", "\\u007f")
    return headers, document


# --- lines of nginx's configuration ---------------------------------------------------------------


def maps() -> list[str]:
    """Outside of the server: which page, and what every refusal carries."""
    lines = [
        # 403 without a word of ours: nginx's own key has no right to ask.
        "map $evergrant_refused $evergrant_page {",
        '    "" @evergrant_away;',
        *(f"    {status} @evergrant_refused_{status};" for status in REFUSED_STATUSES),
        "    default @evergrant_refused_500;",
        "}",
        "map $evergrant_request_id $evergrant_id {",
        '    "" $request_id;',
        "    default $evergrant_request_id;",
        "}",
    ]
    for name, value in {**HEADERS, REQUEST_ID: "$evergrant_request_id"}.items():
        quoted = value if value.startswith("$") else f'"{value}"'
        lines.append(f'map $evergrant_refused {_of(name)} {{ "" ""; default {quoted}; }}')
    return [*lines, ""]


def answer_headers() -> list[str]:
    """Of every answer; empty ones are left out by nginx."""
    headers = {
        "x-evergrant-request-id": "$evergrant_request_id",
        "x-evergrant-wait": "$evergrant_wait",
        "x-evergrant-permits-left": "$evergrant_permits_left",
        "x-evergrant-operation": "$evergrant_operation",
        **{name: f"$evergrant_{name.replace('-', '_')}" for name in DECIDED},
        **{name: _of(name) for name in (*HEADERS, REQUEST_ID)},
    }
    return [f"add_header {name} {value} always;" for name, value in headers.items()]


def error_pages(*, of_gateway: bool = False) -> list[str]:
    """Which page nginx shows by itself. ``of_gateway``: where Evergrant is what is behind nginx."""
    own = [f"error_page {codes} = {OWN}/{name};" for name, codes in _PAGES]
    if of_gateway:
        return ["error_page 502 503 504 = @evergrant_away;", *own]
    return [
        "error_page 403 = $evergrant_page;",
        "error_page 500 = @evergrant_away;",
        "error_page 502 503 = @evergrant_amazon_away;",
        "error_page 504 = @evergrant_amazon_late;",
        f"error_page 404 = {OWN}/not-found;",
        *own,
    ]


def locations() -> list[str]:
    lines = [
        f"location @evergrant_refused_{status} {{ return {status} $evergrant_problem; }}"
        for status in REFUSED_STATUSES
    ]
    unreadable = problems.of_row("bad_request")
    for where, problem in (
        ("@evergrant_away", _away()),
        ("@evergrant_amazon_away", _amazon_away()),
        ("@evergrant_amazon_late", _amazon_away(timed_out=True)),
        (f"= {OWN}/unreadable", unreadable),
        (f"= {OWN}/no-method", problems.of_row("method_not_allowed")),
        (f"= {OWN}/too-long", refusals.problem_of(TooLarge())),
        (f"= {OWN}/not-found", replace(problems.of_status(404), hint=None)),
    ):
        lines += _page(where, problem)
    return lines


def _page(where: str, problem: Problem) -> list[str]:
    """A problem of which nginx knows all words, under the id of the request."""
    known = told(problem, "$evergrant_id")
    body = known.document.replace("\\", "\\\\").replace("'", "\\'")
    return [
        f"location {where} {{",
        *([] if where.startswith("@") else ["    internal;"]),
        *(
            f'    add_header {name} "{value}" always;'
            for name, value in known.headers.items()
            if name not in ("content-type", "content-length")
        ),
        f"    return {problem.status} '{body}';",
        "}",
    ]


def _away() -> Problem:
    return refusals.problem_of(
        StoreUnavailable(
            "Evergrant does not answer at the moment.",
            hint="Try again. If it lasts: does Evergrant run, and does nginx's API key have the "
            "right data_plane? 'evergrant check' and the error log of nginx say more.",
        )
    )


def _amazon_away(*, timed_out: bool = False) -> Problem:
    """nginx does not tell whether the request was on its way already."""
    facts = {"sent": True, **({"timed_out": True} if timed_out else {})}
    return refusals.problem_of(AmazonUnavailable(facts=facts))


def _of(header: str) -> str:
    return f"$evergrant_of_refusals_{header.replace('-', '_')}"
