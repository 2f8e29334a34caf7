"""What the emulator will not touch: Amazon's own hosts, and credentials that look like Amazon's.

Answers for: telling them, and a refusal in words before any face looks at the request. Somebody who
sends such a thing here has mixed up two configurations, or has sent Amazon's traffic through the
emulator; both must be told loudly, and neither may work by chance. It keeps, logs and repeats
nothing of what it looks at. Credentials in bodies are found by the faces that read them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from starlette.responses import Response
from starlette.types import Scope

from amazon_emulator import answering, issuing
from amazon_emulator.stage import log

__all__ = ["checked_address", "is_amazons", "real_credentials", "refusal"]

# Stores and consoles (sellercentral.amazon.co.uk), LWA (api.amazon.com), SP-API, AWS, pictures. A
# machine of one's own may well be called amazon or amazon-emulator.
_HOSTS = re.compile(
    r"(?:^|\.)(?:"
    r"amazon\.(?:com|co|[a-z]{2})(?:\.[a-z]{2})?"
    r"|amazonaws\.com(?:\.cn)?"
    r"|(?:ssl-images-|images-|media-|m\.media-)amazon\.com"
    r")$"
    r"|(?:^|\.)sellingpartnerapi-[a-z0-9-]+(?:\.|$)",
    re.ASCII,
)
# Also in the midst of a signature: Credential=AKIA.../20261121/eu-west-1/sqs/aws4_request.
_AWS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
_ALONE = re.compile(r"[^\s,;&=\"']+")
_BARE = re.compile(r"[0-9a-f]+")
# Headers in which credentials travel, at Amazon or by mistake.
HEADERS = ("authorization", "x-amz-access-token", "x-amz-security-token", "cookie")
TOLD_BY_FACES = frozenset({"x-amz-access-token"})


def is_amazons(host: str) -> bool:
    """Whether a host, with or without a port, is one of Amazon's own."""
    name = host.strip().lower()
    if not name.startswith("["):
        name = name.partition(":")[0]
    return _HOSTS.search(name.rstrip(".")) is not None


def checked_address(name: str, address: str) -> str:
    """An address to which the emulator may send a browser: http or https, and not Amazon's.

    Raises ValueError with words for a person."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        usable = parts.scheme in ("http", "https") and bool(host) and parts.port != 0
    except ValueError:
        host, usable = "", False
    if not usable or not address.isprintable():
        raise ValueError(f"{name!r}: {address!r} is not an http(s) address")
    if is_amazons(host):
        raise ValueError(
            f"{name!r}: {host} is Amazon's own, and the emulator sends nobody there; name an "
            "address of yours"
        )
    return address


def real_credentials(texts: Iterable[str]) -> bool:
    """Whether anything in these texts has the shape of Amazon's credentials, without the mark.

    A bare hexadecimal number is none here: old client secrets look so, and so does every
    signature."""
    return any(
        _AWS_KEY.search(whole)
        or any(
            issuing.looks_real(part) and not _BARE.fullmatch(part)
            for part in (whole, *_ALONE.findall(whole))
        )
        for text in texts
        if len(text) >= issuing.SHORTEST_REAL
        for whole in ((text, unquote(text)) if "%" in text else (text,))
    )


def refusal(scope: Scope) -> Response | None:
    """The answer to a request that was meant for Amazon itself; None: let it in.

    421 for a host of Amazon's, 400 for a credential in a header or in the query."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
    if is_amazons(headers.get("host", "")):
        return _refused(
            421,
            "misdirected_request",
            "This is the Amazon emulator, and the request names a host of Amazon's own. Nothing of "
            "it was stored or logged. Use the emulator's own addresses.",
        )
    found = next(_places(headers, scope.get("query_string", b"").decode("latin-1")), None)
    if found is None:
        return None
    log.error(
        "refused a request: %s looks like a real Amazon credential; this is an emulator, check "
        "which address the program was given",
        found,
    )
    return _refused(
        400,
        "invalid_request",
        f"This is the Amazon emulator, and {found} looks like a real Amazon credential. It was "
        "neither stored nor logged. Check your configuration.",
    )


def _places(headers: dict[str, str], query: str) -> Iterator[str]:
    """Where something looks real; never what."""
    for name in HEADERS:
        value = headers.get(name, "")
        if not value or name in TOLD_BY_FACES:
            continue
        if real_credentials([value]) or any(issuing.looks_real(part) for part in _basic(value)):
            yield f"the header {name}"
    if query and real_credentials(query.replace("&", "=").split("=")):
        yield "the query"


def _basic(authorization: str) -> list[str]:
    """User and password of Basic authentication; none when it is something else."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        return base64.b64decode(rest, validate=True).decode().split(":")
    except ValueError:  # neither base64 nor text
        return []


def _refused(status: int, code: str, words: str) -> Response:
    """In the shapes of LWA, of the Selling Partner API and of the levers at once."""
    said = {
        "error": code,
        "error_description": words,
        "errors": [{"code": code, "message": words, "details": ""}],
    }
    return answering.as_json(said, status)
