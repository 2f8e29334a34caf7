"""What Amazon, or whoever claims to be Amazon, wrote into an address.

Answers for: reading the two query strings strictly: a name that comes twice says nothing, a value
in no known shape is none. Does not answer for: believing any of it.

Source of the names: Amazon's pages "website-authorization-workflow" and
"selling-partner-appstore-authorization-workflow".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from evergrant.rules import ids
from evergrant.rules.faults import Fault
from evergrant.rules.secrecy import Secret

__all__ = ["Callback", "LogIn", "is_random_secret", "read_callback", "read_log_in"]

#: Amazon's own values are a few hundred characters; a browser takes some thousand.
LONGEST_QUERY = 16_000
_MOST_FIELDS = 40
_SECRET_SHAPE = re.compile(r"[A-Za-z0-9_\-]{43}")
_CODE_SHAPE = re.compile(r"[!-~]{1,1024}")
_RAW_SHAPE = re.compile(r"[A-Za-z0-9\-._~%!$'()*+,;:@/?=]{1,8000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """The redirect URI's query. ``state_present`` tells "none came" from "none of ours"."""

    state: str = field(default="", repr=False)  # empty unless it has the shape of ours
    state_present: bool = False
    code: Secret | None = None
    selling_partner_id: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """The log-in URI's query. ``amazon_state`` is as it came, undecoded: it may hold bytes that
    no decoding and encoding brings back (selling-partner-api-models issue 4119)."""

    amazon_callback_uri: str = ""
    amazon_state: str = field(default="", repr=False)
    selling_partner_id: str = ""
    beta: bool = False


def read_callback(query: str) -> Callback:
    raw = _fields(query)
    state, code = _text(raw, "state"), _text(raw, "spapi_oauth_code")
    return Callback(
        state=state if is_random_secret(state) else "",
        state_present=bool(state),
        code=Secret(code) if _CODE_SHAPE.fullmatch(code) else None,
        selling_partner_id=_selling_partner_id(raw),
        error=_text(raw, "error")[:100],
    )


def read_log_in(query: str) -> LogIn:
    raw = _fields(query)
    amazon_state = raw.get("amazon_state", "")
    return LogIn(
        amazon_callback_uri=_text(raw, "amazon_callback_uri"),
        amazon_state=amazon_state if _RAW_SHAPE.fullmatch(amazon_state) else "",
        selling_partner_id=_selling_partner_id(raw),
        beta=_text(raw, "version") == "beta",
    )


def is_random_secret(text: str) -> bool:
    """The shape of every random value that we give out: 32 bytes, URL-safe base64."""
    return _SECRET_SHAPE.fullmatch(text) is not None


def _fields(query: str) -> dict[str, str]:
    if len(query) > LONGEST_QUERY:
        return {}
    found: dict[str, str] = {}
    twice: set[str] = set()
    for part in query.split("&", _MOST_FIELDS)[:_MOST_FIELDS]:
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if name in found:
            twice.add(name)
        found[name] = value
    return {name: value for name, value in found.items() if name not in twice}


def _text(raw: dict[str, str], name: str) -> str:
    return unquote_plus(raw.get(name, ""))


def _selling_partner_id(raw: dict[str, str]) -> str:
    try:
        return ids.check_selling_partner_id(_text(raw, "selling_partner_id"))
    except Fault:
        return ""
