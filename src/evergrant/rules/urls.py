"""What a URL must look like before we keep it or send a browser there.

Answers for: https, hosts, fragments, and adding to a query without touching a byte of it. Does
not answer for: `amazon_callback_uri`, which has a guard of its own in `invitations`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import SplitResult, quote, urlsplit

from evergrant.rules.faults import Fault

__all__ = [
    "add_query",
    "check_http_url",
    "check_https_url",
    "check_origin",
    "is_loopback",
    "origin_of",
]


def is_loopback(host: str) -> bool:
    """``localhost``, 127.0.0.0/8 or ::1, by name only: nothing is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_https_url(text: str, field: str, *, allow_http_loopback: bool = False) -> str:
    """An absolute https URL without user, password and fragment, in printable ASCII.

    Amazon refuses fragments (MD5110) and http in registered URIs. Source: Amazon's page
    "authorization-errors" and the developer guide. Raises Fault.
    """
    parts = _split(text, field)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (
        allow_http_loopback and parts.scheme == "http" and is_loopback(host)
    ):
        raise Fault(
            "not_https",
            "The URL must begin with https://.",
            field=field,
            hint="http is taken for loopback addresses only." if allow_http_loopback else None,
        )
    _refuse_fragment(parts, text, field)
    return text


def check_http_url(text: str, field: str) -> str:
    """As ``check_https_url``, and http as well. Raises Fault."""
    parts = _split(text, field)
    if parts.scheme not in {"https", "http"}:
        raise Fault("not_https", "The URL must begin with https:// or http://.", field=field)
    _refuse_fragment(parts, text, field)
    return text


def check_origin(text: str, field: str) -> str:
    """Scheme, host and port alone, lower case: ``https://sellercentral.amazon.ie``."""
    check_https_url(text, field, allow_http_loopback=True)
    parts = urlsplit(text)
    if parts.path not in {"", "/"} or "?" in text:
        raise Fault(
            "not_an_origin",
            "Only scheme, host and port belong here.",
            field=field,
            hint=f"Write {parts.scheme}://{parts.netloc}",
        )
    return origin_of(parts)


def origin_of(parts: SplitResult) -> str:
    """``scheme://host[:port]`` in lower case, default ports left out."""
    host = (parts.hostname or "").lower()
    shown = f"[{host}]" if ":" in host else host
    default = {"https": 443, "http": 80}.get(parts.scheme)
    port = parts.port
    return f"{parts.scheme}://{shown}" + ("" if port in {None, default} else f":{port}")


def add_query(
    url: str, pairs: Sequence[tuple[str, str]], raw_pairs: Sequence[tuple[str, str]] = ()
) -> str:
    """``url`` with parameters appended; ``raw_pairs`` are encoded already and go through byte by
    byte. What stands in the URL's own query is not touched."""
    parts = [f"{name}={value}" for name, value in raw_pairs]
    parts += [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs]
    if not parts:
        return url
    joint = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return f"{url}{joint}{'&'.join(parts)}"


def _refuse_fragment(parts: SplitResult, text: str, field: str) -> None:
    if parts.fragment or "#" in text:
        raise Fault("has_fragment", "The URL must not have a part after '#'.", field=field)


def _split(text: str, field: str) -> SplitResult:
    if not text or len(text) > 2000:
        raise Fault("bad_url", "A URL of at most 2,000 characters is needed.", field=field)
    if not text.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in text):
        raise Fault(
            "bad_url", "The URL holds characters that do not belong into a URL.", field=field
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Fault("bad_url", f"This is not a URL: {error}.", field=field) from None
    if not parts.scheme or not parts.hostname or port == 0:
        raise Fault(
            "bad_url",
            "This is not a complete URL.",
            field=field,
            hint="It begins with https:// and a host name.",
        )
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise Fault("has_userinfo", "A URL must not hold a user name or password.", field=field)
    return parts
