"""Presigned addresses of documents: made, and judged as Amazon's storage judges them.

Answers for: an address that is good for one document, one method, one content type and five
minutes, and for the refusals with the codes of the S3 API ('RESTErrorResponses' of its reference).
It keeps no document.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from amazon_emulator import issuing

__all__ = ["LIVES", "Refused", "check", "presign"]

LIVES = timedelta(minutes=5)
_SIGNATURE = "X-Amz-Signature"
_SHAPE = "%Y%m%dT%H%M%SZ"
_NEEDED = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", _SIGNATURE)


@dataclass
class Refused(Exception):
    """An error answer of the storage. ``more``: further elements of the XML, in order."""

    status: int
    code: str
    message: str
    more: Mapping[str, str] = field(default_factory=dict)


def presign(
    key: bytes,
    base: str,
    path: str,
    method: str,
    now: datetime,
    *,
    content_type: str | None = None,
    more: Mapping[str, str] | None = None,
) -> str:
    """The address. ``content_type``: the one header besides the host that is signed too."""
    # Whole seconds are all that the address can say; rounded up, it lives no shorter than promised.
    signed_at = now.astimezone(UTC)
    if signed_at.microsecond:
        signed_at = signed_at.replace(microsecond=0) + timedelta(seconds=1)
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Date": signed_at.strftime(_SHAPE),
        "X-Amz-SignedHeaders": "host" if content_type is None else "content-type;host",
        "X-Amz-Expires": str(int(LIVES.total_seconds())),
        "X-Amz-Credential": f"{issuing.MARK}/{signed_at:%Y%m%d}/documents/s3/aws4_request",
        **(more or {}),
    }
    pairs = list(query.items())
    pairs.append((_SIGNATURE, _signature(key, method, path, pairs, content_type)))
    return f"{base}{quote(path)}?{urlencode(pairs, quote_via=quote)}"


def check(
    key: bytes,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    now: datetime,
) -> None:
    """Raises Refused unless this request was signed, is in time and brings nothing unsigned."""
    given = dict(query)
    if "authorization" in headers:
        raise Refused(
            400,
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
            "query string parameter or the Authorization header should be specified",
        )
    if not any(name in given for name in _NEEDED):
        raise Refused(403, "AccessDenied", "Access Denied")
    if not all(name in given for name in _NEEDED) or len(given) != len(query):
        raise Refused(
            400,
            "AuthorizationQueryParametersError",
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )
    _check_time(given, now)
    signs_type = "content-type" in given.get("X-Amz-SignedHeaders", "").split(";")
    content_type = headers.get("content-type", "") if signs_type else None
    unsigned = [(name, value) for name, value in query if name != _SIGNATURE]
    wanted = _signature(key, method, path, unsigned, content_type)
    if not hmac.compare_digest(wanted.encode(), given[_SIGNATURE].encode()):
        raise Refused(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )
    extra = sorted(name for name in headers if name.startswith("x-amz-"))
    if extra:
        # Also how an access token that a program sends to the storage by mistake is met there.
        raise Refused(
            403,
            "AccessDenied",
            "There were headers present in the request which were not signed",
            {"HeadersNotSigned": ", ".join(extra)},
        )


def _check_time(given: Mapping[str, str], now: datetime) -> None:
    try:
        signed_at = datetime.strptime(given["X-Amz-Date"], _SHAPE).replace(tzinfo=UTC)
        ends_at = signed_at + timedelta(seconds=int(given["X-Amz-Expires"]))
    except (ValueError, OverflowError):
        raise Refused(
            400,
            "AuthorizationQueryParametersError",
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
        ) from None
    if now <= signed_at - timedelta(seconds=1):  # signed by a clock that was set back since
        raise Refused(403, "AccessDenied", "Request is not yet valid")
    if now >= ends_at:
        raise Refused(
            403,
            "AccessDenied",
            "Request has expired",
            {
                "X-Amz-Expires": given["X-Amz-Expires"],
                "Expires": ends_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "ServerTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        )


def _signature(
    key: bytes,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    content_type: str | None,
) -> str:
    said = "\n".join((method, path, urlencode(sorted(query)), repr(content_type)))
    return f"{issuing.MARK}{hmac.new(key, said.encode(), hashlib.sha256).hexdigest()}"
