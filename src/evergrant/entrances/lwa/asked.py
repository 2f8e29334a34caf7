"""Reading a token request: form or JSON, credentials in the body or as Basic.

Answers for: OAuth 2.0's rules (RFC 6749, 2.3.1, 3.2 and 4.4): no parameter twice, one way of naming
the client. Does not answer for: whether anything is right.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from starlette.datastructures import Headers

from evergrant.rules.secrecy import Secret

__all__ = ["Asked", "Refusal", "read"]

_MOST_FIELDS = 32


class Refusal(Exception):
    """An answer in LWA's shape that holds no access token."""

    def __init__(
        self, status: int, error: str, description: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.error = error
        self.description = description
        self.headers = dict(headers or {})
        super().__init__(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, as it came."""

    grant_type: str
    client_id: str
    client_secret: Secret
    refresh_token: Secret
    scope: str


def read(headers: Headers, body: bytes) -> Asked:
    """Raises Refusal: ``invalid_request``, ``invalid_client``."""
    fields = _fields(headers, body)
    client_id, client_secret = fields.get("client_id", ""), Secret(fields.get("client_secret", ""))
    if headers.get("authorization", "").lower().startswith("basic "):
        basic_id, basic_secret = _basic(headers["authorization"])
        if client_secret and client_secret != basic_secret:
            raise _invalid("The client is named twice, and differently.")
        client_id, client_secret = client_id or basic_id, basic_secret
    if not fields.get("grant_type"):
        raise _invalid("The request is missing a required parameter : grant_type")
    if not client_id:
        raise _invalid("The request is missing a required parameter : client_id")
    return Asked(
        grant_type=fields["grant_type"],
        client_id=client_id,
        client_secret=client_secret,
        refresh_token=Secret(fields.get("refresh_token", "")),
        scope=fields.get("scope", ""),
    )


def _fields(headers: Headers, body: bytes) -> dict[str, str]:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/x-www-form-urlencoded":
        pairs = _form(body)
    elif media_type == "application/json":
        pairs = _json(body)
    else:
        raise _invalid("The body has to be application/x-www-form-urlencoded or application/json.")
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise _invalid("A parameter is given twice.")
        fields[name] = value
    return fields


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        text = body.decode("utf-8")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        pass
    raise _invalid("The body cannot be read as a form.")


def _json(body: bytes) -> list[tuple[str, str]]:
    try:
        told = json.loads(body, object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not all(map(_is_text, told.values())):
        raise _invalid("The body cannot be read as a JSON object of texts.")
    return list(told.items())


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise _invalid("A parameter is given twice.")
    return read


def _is_text(value: object) -> bool:
    """JSON can name lone surrogates, which no database and no header takes."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _basic(authorization: str) -> tuple[str, Secret]:
    try:
        told = base64.b64decode(authorization[6:].strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        told = ""
    client_id, colon, client_secret = told.partition(":")
    if not colon:
        raise Refusal(
            401, "invalid_client", "Client authentication failed", {"www-authenticate": "Basic"}
        )
    return unquote_plus(client_id), Secret(unquote_plus(client_secret))


def _invalid(description: str) -> Refusal:
    return Refusal(400, "invalid_request", description)
