"""The description of ``/v1``: one OpenAPI 3.1 document, made from the routes.

Answers for: what the routes cannot say of themselves: the security scheme, the shape of problems,
the operation that another door answers. Does not answer for: showing it (``pages``).
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.routing import compile_path

import evergrant
from evergrant.entrances import problems
from evergrant.entrances.api.asking import answers
from evergrant.entrances.api.examples import ANSWERS
from evergrant.entrances.api.routes import ROUTERS
from evergrant.entrances.api.views import AccessTokenView
from evergrant.errors import Blame
from evergrant.rules import terms

__all__ = ["PREFIX", "as_json", "describe", "methods_of", "mount"]

PREFIX: Final = "/v1"

ABOUT: Final = """\
Connects the Amazon seller and vendor accounts of a software house's customers, keeps them
connected, and hands out access tokens for them. Calls to Amazon go through the gateway, below
`/gateway` or at an address of its own: its paths are Amazon's and not described here.

**Keys.** Every request carries `Authorization: Bearer egk_…`. A key has rights (`read`, `write`,
`access_tokens`, `manage`; at the gateway `amazon_read`, `amazon_write`, `personal_data`) and may be
narrowed to one client instance, or to certain accounts; what is out of its reach is answered as if
it did not exist. It may end at an instant, and is rotated without a gap: the old key works on for a
while beside the new one.

**Bodies** are JSON objects in UTF-8. A member that nobody knows is refused, with a guess at what
was meant, and so is an unknown query parameter: nothing that you send is ignored. Everything that
is wrong with the shape of a request is told at once, then everything that is wrong with its
meaning; a request that is refused with 422 has changed nothing. PATCH changes the members that it
names and no others.

**Lists** have the shape `{"items": […], "next": …}`. Send `next` as `after` to get the next page.

**Problems** follow RFC 9457 (`application/problem+json`): build on `code`, which is stable. `blame`
says who has to act: `caller`, `partner` (the selling partner), `application` (its credentials),
`amazon` (try again), `us`. `hint` says what to do.

**Repeating.** GET, PUT, PATCH and DELETE can be repeated. So can adding an account, an application
or a client instance, because their names are unique: the second attempt is a 409. Some operations
do something again each time, and say so: sending a link, making a key, renewing a signing secret,
sending an event once more.

**Request ids.** Every answer carries `X-Request-Id`: yours, if you sent one of 8 to 64 letters,
digits, dots, dashes or underscores.

Instants are in UTC and written as in RFC 3339. Secrets are shown once, when they are made.
"""

TAGS: Final = [
    {
        "name": "accounts",
        "description": "One selling partner in one region: add, find, change, close.",
    },
    {
        "name": "authorizations",
        "description": "Consent links, the state of an authorization, adopted refresh tokens.",
    },
    {"name": "access tokens", "description": "What a program sends to Amazon."},
    {
        "name": "applications",
        "description": "The house's SP-API applications and their integration credentials.",
    },
    {
        "name": "feeds",
        "description": "Changes on their way to Amazon: handing them in, what became of them, and "
        "why something waits.",
    },
    {"name": "instances", "description": "Installations of the house's software."},
    {
        "name": "orders",
        "description": "What accounts sold, as Amazon last told it, and how far it was read.",
    },
    {
        "name": "reports of Amazon",
        "description": "Asked for, waited for, streamed; and what accounts are subscribed to.",
    },
    {
        "name": "events",
        "description": "What client instances are told of their accounts: read, sent, sent again.",
    },
    {"name": "notices", "description": "What somebody of the house has to know or do."},
    {"name": "keys", "description": "API keys, connection keys, and who the caller is."},
    {"name": "limits", "description": "What is left of Amazon's limits, and plans of your own."},
    {
        "name": "checks",
        "description": "What is missing or wrong, and what has to be reviewed before going live.",
    },
    {
        "name": "records",
        "description": "Support reports, the journal, the table of marketplaces.",
    },
]

# What the framework calls `Page[AccountView]`; generated clients make classes of these names.
_PAGE_OF = re.compile(r"\bPage_(\w+?)View_(?!\w)")
_REF = "#/components/schemas/{model}"
_SECURITY: list[dict[str, list[str]]] = [{"apiKey": []}]
_SECURITY_SCHEMES = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`egk_…`), made by `evergrant apikey add` or POST /v1/api-keys",
    }
}
_PROBLEM = {
    "title": "Problem",
    "description": "What went wrong, whose fault it is, and what to do (RFC 9457)",
    "type": "object",
    "required": [
        *("type", "title", "status", "detail", "code", "blame", "permanent", "request_id"),
    ],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Stable, one per code"},
        "title": {"type": "string", "description": "The same for every problem of that code"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence for a person"},
        "code": {"type": "string", "description": "Stable: build on this one"},
        "blame": {
            "type": "string",
            "enum": [blame.value for blame in Blame],
            "description": "Who has to act",
        },
        "permanent": {
            "type": "boolean",
            "description": "false: the same request may succeed later without anybody acting",
        },
        "hint": {"type": "string", "description": "What to do"},
        "renewal_url": {
            "type": "string",
            "format": "uri",
            "description": "Of an account that lapsed or was revoked: what its selling partner has "
            "to open, so that it works again. Whoever has it can use it: pass it on to nobody else",
        },
        "flaws": {
            "type": "array",
            "description": "Everything that is wrong with the input",
            "items": {"$ref": _REF.format(model="Flaw")},
        },
        "facts": {
            "type": "object",
            "description": "What else is known, for example Amazon's own words",
            "additionalProperties": True,
        },
        "request_id": {"type": "string", "description": "Name it when you ask for help"},
    },
    "examples": [
        {
            "type": problems.code_type("invalid_input"),
            "title": "Invalid input",
            "status": 422,
            "detail": "client_mail: is no field that is known here.",
            "code": "invalid_input",
            "blame": "caller",
            "permanent": True,
            "hint": "Did you mean 'client_email'?",
            "flaws": [
                {
                    "code": "unknown_field",
                    "message": "is no field that is known here.",
                    "field": "client_mail",
                    "pointer": "#/client_mail",
                    "hint": "Did you mean 'client_email'?",
                }
            ],
            "request_id": "req_5f0c1c9e2c8a1f4e7b610f3c",
        }
    ],
}
_FLAW = {
    "title": "Flaw",
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "field": {"type": "string", "description": "Dotted path; absent: the whole body"},
        "pointer": {"type": "string", "description": "JSON Pointer into the body, as a fragment"},
        "parameter": {"type": "string", "description": "Name of the query parameter"},
        "hint": {"type": "string"},
    },
}


def mount(app: FastAPI) -> None:
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)


@cache
def describe() -> dict[str, Any]:
    """The whole document. Needs no desk: what can be asked does not depend on who runs it."""
    everything = APIRouter()
    for router in ROUTERS:
        everything.include_router(router, prefix=PREFIX)
    document = get_openapi(
        title="Evergrant",
        version=evergrant.__version__,
        openapi_version="3.1.0",
        description=ABOUT,
        routes=everything.routes,
        tags=TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    document["security"] = _SECURITY
    document["servers"] = [{"url": "/", "description": "This Evergrant"}]
    components = document["components"]
    components["securitySchemes"] = _SECURITY_SCHEMES
    schemas = components["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _, ours = models_json_schema([(AccessTokenView, "serialization")], ref_template=_REF)
    schemas |= ours["$defs"]
    schemas |= {"Problem": _PROBLEM, "Flaw": _FLAW}
    for name, example in ANSWERS.items():
        schemas[name]["examples"] = [example]
    components["schemas"] = dict(sorted(schemas.items()))
    document["paths"][f"{PREFIX}/accounts/{{account_id}}/access-token"] = {
        "get": _access_token_operation()
    }
    for path in document["paths"].values():
        for operation in path.values():
            _tidy(operation)
    named = _PAGE_OF.sub(r"PageOf\1s", json.dumps(document, ensure_ascii=False))
    read: dict[str, Any] = json.loads(named)
    return read


@cache
def as_json() -> bytes:
    return json.dumps(describe(), ensure_ascii=False).encode()


@cache
def _patterns() -> list[tuple[re.Pattern[str], list[str]]]:
    return [
        (compile_path(path)[0], sorted(method.upper() for method in methods))
        for path, methods in describe()["paths"].items()
    ]


def methods_of(path: str) -> list[str]:
    """The methods that are described for a path; none for a path that is not described."""
    return next((methods for pattern, methods in _patterns() if pattern.match(path)), [])


def _access_token_operation() -> dict[str, Any]:
    least = {"type": "integer", "minimum": 0, "maximum": terms.LONGEST_MIN_TTL_S, "default": 60}
    shown = {"$ref": _REF.format(model="AccessTokenView")}
    return {
        "operationId": "getAccessToken",
        "tags": ["access tokens"],
        "description": "Get an access token for an account. Needs the right `access_tokens`.\n\n"
        "It lives at least `min_ttl` seconds more. However many callers ask at once, Amazon is "
        "asked once. A grant that Amazon no longer accepts is told with Amazon's own reason "
        "(409 `grant_refused`). Ask each time you need one: the answer comes from memory.",
        "parameters": [
            {
                "name": "account_id",
                "in": "path",
                "required": True,
                "description": "`acc_…`",
                "schema": {"type": "string", "pattern": "^acc_[0-9a-z]{26}$"},
            },
            {
                "name": "min_ttl",
                "in": "query",
                "required": False,
                "description": "Seconds that the access token must still live",
                "schema": least,
            },
        ],
        "responses": {
            "200": {
                "description": "An access token, not to be stored",
                "content": {"application/json": {"schema": shown}},
            },
            **{str(status): told for status, told in answers(404, 409, 502).items()},
        },
    }


def _tidy(operation: dict[str, Any]) -> None:
    """The first sentence is the summary; lines are joined; generated titles go."""
    first, _, rest = operation["description"].partition("\n\n")
    first = " ".join(first.split())
    summary, _, remark = first.partition(". ")
    operation["summary"] = summary.rstrip(".")
    paragraphs = [remark, *rest.split("\n\n")]
    told = [" ".join(paragraph.split()) for paragraph in paragraphs]
    operation["description"] = "\n\n".join(one for one in told if one)
    operation["responses"] = dict(sorted(operation["responses"].items()))
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _parameter_schema(parameter["schema"])
    for status, answer in operation["responses"].items():
        if re.fullmatch("2..", status):
            answer.setdefault("headers", {})["X-Request-Id"] = {
                "description": "Name it when you ask for help",
                "schema": {"type": "string"},
            }


def _parameter_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Without null, which nobody can write in a query, and without what stands beside it."""
    kept = {name: value for name, value in schema.items() if name not in ("title", "description")}
    for choice in kept.pop("anyOf", ()):
        if choice != {"type": "null"}:
            kept |= choice
    return kept
