"""AWS Signature Version 4: whether a request was signed with the secret of the key that it names.

Answers for: reading the `Authorization` header, the canonical request, and AWS's words for what is
wrong. A key of the shape that AWS issues is refused before anything is done with it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, unquote_plus

from amazon_emulator import issuing
from amazon_emulator.faces.aws.refusals import Refused
from amazon_emulator.stage import log
from amazon_emulator.trade.queues.access import AwsAccess, Principal

__all__ = ["Heard", "Signature", "signature_of", "verify"]

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = timedelta(minutes=15)
_UNRESERVED = "-_.~"
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
_LOOKS_REAL = (
    "This is the Amazon emulator, and the AWS access key id looks like a real one. It was neither "
    "stored nor logged. Check your configuration."
)


@dataclass(frozen=True)
class Heard:
    """A request as it came over the wire. ``headers``: lower-case names, in order."""

    method: str
    raw_path: str
    raw_query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """All values of a header, as signing joins them."""
        return ",".join(" ".join(value.split()) for known, value in self.headers if known == name)


@dataclass(frozen=True)
class Signature:
    """What an `Authorization` header says."""

    access_key_id: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str

    @property
    def scope(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


def signature_of(heard: Heard) -> Signature:
    """Raises Refused when there is none, or one that cannot be read, or one with a real key."""
    header = heard.header("authorization")
    if not header:
        raise Refused("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    algorithm, _, rest = header.partition(" ")
    parts = dict(re.findall(r"(Credential|SignedHeaders|Signature)=([^,\s]+)", rest))
    credential = parts.get("Credential", "").split("/")
    if algorithm != ALGORITHM or len(parts) != 3 or len(credential) != 5:
        raise Refused(
            "IncompleteSignature",
            "Authorization header requires 'Credential', 'Signature', 'SignedHeaders' parameters "
            f"and the algorithm {ALGORITHM}.",
            400,
        )
    key, day, region, service, last = credential
    if issuing.looks_real(key):
        log.error(
            "refused a call of AWS: its access key id looks like a real one; "
            "this is an emulator, check the endpoint's address"
        )
        raise Refused("InvalidClientTokenId", _LOOKS_REAL, 403)
    if not _REGION.fullmatch(region) or last != "aws4_request":
        words = "Credential must have the form <key>/<date>/<region>/<service>/aws4_request."
        raise Refused("IncompleteSignature", words, 400)
    signed = tuple(parts["SignedHeaders"].lower().split(";"))
    return Signature(key, day, region, service, signed, parts["Signature"])


def verify(
    heard: Heard, signature: Signature, access: AwsAccess, service: str, now: datetime, *,
    clock_checked: bool,
) -> Principal:  # fmt: skip
    """Who signed this. Raises Refused."""
    secret = access.secret_of(signature.access_key_id)
    if secret is None:
        raise Refused(
            "InvalidClientTokenId", "The security token included in the request is invalid.", 403
        )
    if signature.service != service:
        raise Refused(
            "SignatureDoesNotMatch",
            f"Credential should be scoped to correct service: '{service}'.",
            403,
        )
    _check_signature(heard, signature, secret)
    if clock_checked:
        _check_clock(heard, now)
    key = access.keys.get(signature.access_key_id)
    if key is not None:
        return key.principal
    session = access.sessions[signature.access_key_id]
    if not hmac.compare_digest(
        heard.header("x-amz-security-token").encode(), session.session_token.encode()
    ):
        raise Refused(
            "InvalidClientTokenId", "The security token included in the request is invalid.", 403
        )
    if now >= session.ends_at:
        raise Refused("ExpiredToken", "The security token included in the request is expired", 403)
    return session.principal


def _check_signature(heard: Heard, signature: Signature, secret: str) -> None:
    sent_at = heard.header("x-amz-date")
    # What decides on the work must not be exchangeable beside a good signature.
    decisive = {name for name, _ in heard.headers if name.startswith("x-amz-")} | {"host"}
    if not sent_at.startswith(signature.day) or not decisive <= set(signature.signed_headers):
        raise Refused("SignatureDoesNotMatch", _MISMATCH, 403)
    payload = hashlib.sha256(heard.body).hexdigest()
    if heard.header("x-amz-content-sha256") not in ("", payload):
        raise Refused("SignatureDoesNotMatch", _MISMATCH, 403)
    canonical = "\n".join(
        [
            heard.method,
            _canonical_path(heard.raw_path),
            _canonical_query(heard.raw_query),
            *(f"{name}:{heard.header(name)}" for name in signature.signed_headers),
            "",
            ";".join(signature.signed_headers),
            payload,
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join([ALGORITHM, sent_at, signature.scope, digest])
    key = f"AWS4{secret}".encode()
    for part in (signature.day, signature.region, signature.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    expected = hmac.digest(key, to_sign.encode(), "sha256").hex()
    if not hmac.compare_digest(expected.encode(), signature.value.encode()):
        raise Refused("SignatureDoesNotMatch", _MISMATCH, 403)


def _canonical_path(raw_path: str) -> str:
    """Every service but S3 encodes what is encoded already once more."""
    return quote(raw_path or "/", safe=f"/{_UNRESERVED}")


def _canonical_query(raw_query: str) -> str:
    pairs = [part.partition("=")[::2] for part in raw_query.split("&") if part]
    encoded = sorted((_encoded(name), _encoded(value)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encoded(text: str) -> str:
    return quote(unquote_plus(text), safe=_UNRESERVED)


def _check_clock(heard: Heard, now: datetime) -> None:
    try:
        sent_at = datetime.strptime(f"{heard.header('x-amz-date')}+0000", "%Y%m%dT%H%M%SZ%z")
    except ValueError:
        raise Refused(
            "IncompleteSignature", "Date must be in ISO-8601 'basic format'.", 400
        ) from None
    if abs(now - sent_at) > SKEW:
        said = f"{sent_at:%Y%m%dT%H%M%SZ}"
        when = "expired" if sent_at < now else "not yet current"
        raise Refused(
            "SignatureDoesNotMatch",
            f"Signature {when}: {said} is more than 15 min. from {now:%Y%m%dT%H%M%SZ}",
            403,
        )
