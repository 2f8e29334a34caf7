"""How a secret travels without being seen.

Answers for: a value that masks itself, digests of random secrets, and scrubbing of text that may
hold a secret by accident. Does not answer for: sealing (the vault) or for who may ask.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache
from typing import Any, Final, NoReturn

__all__ = ["MASK", "Secret", "digest", "is_secret_name", "scrub"]

MASK = "***"


class Secret:
    """A text that shows itself to nobody who does not ask by name.

    repr, str and format give a mask; pickling and copying into JSON fail. Equality takes constant
    time. It is not hashable: a secret as a key of a dict or a set would be found by its hash and
    compared in haste, and a cache keyed by secrets is a second place where they live.
    """

    __slots__ = ("_text",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError("a Secret holds text")
        self._text: Final = text

    def reveal(self) -> str:
        """The text itself. Called where it leaves the house: at a socket, or into the safe."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._text), _bytes(other._text))

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret does not travel by pickle")

    def __copy__(self) -> Secret:
        return self  # it cannot change, so one is enough

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self


def digest(text: str | Secret) -> str:
    """SHA-256 in hex. Only for secrets of 128 random bits and more, which nobody can guess; a
    password needs a slow hash."""
    plain = text.reveal() if isinstance(text, Secret) else text
    return hashlib.sha256(_bytes(plain)).hexdigest()


def _bytes(text: str) -> bytes:
    """Of any text. JSON can name lone surrogates, which UTF-8 does not have."""
    return text.encode("utf-8", "surrogatepass")


# --- scrubbing ------------------------------------------------------------------------------

_SECRET_NAMES = re.compile(
    r"""(?ix)
    (?: secret | password | passwd | authorization$ | cookie
      | (?:refresh|access|restricted_data|session|csrf|id)[_-]?token$ | ^token$
      | api[_-]?key$ | (?:aws[_-]?)?access[_-]?key(?:_id)?$ | private[_-]?key
      | spapi_oauth_code | amazon_state | oauth_state | mws_auth_token
      | ^link$ | dsn$ | database_url | smtp_url | ^keyring$ )
    """
)
_NOT_SECRET = re.compile(
    r"(?i)(secret|key|token|link|code|state)s?_(set|at|id|ids|hint|ends?|expires|created|digest)"
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of that name holds a secret, so that its value is not to be shown.
    ``merchant_token`` is an identifier, ``secret_expires_at`` an instant; ``state`` and ``code``
    are words of ours (of an authorization, of an error): Amazon's must be given longer names."""
    if name.lower() in {"merchant_token", "partner_kind"} or _NOT_SECRET.search(name):
        return False
    return bool(_SECRET_NAMES.search(name))


# What a value may consist of, in text, in a query and in JSON. `%` and `\` belong to it, so that
# encoded forms go as well.
_VALUE = r"[A-Za-z0-9\-._~+/=|%:!*'\\]+"

_BY_SHAPE = re.compile(
    r"""(?x)
      (?: Atz[ar] | Atz\.sprdt ) (?: \| | %7[Cc] | \\u007[Cc] ) [A-Za-z0-9\-._~+/=%|]+
    | amzn1\.oa2-cs\.[A-Za-z0-9.\-_]+
    | \b (?: egk | egc | egp | egs | egi ) _ [A-Za-z0-9_\-]{8,}
    | otpauth://[^\s"'<>]+
    | \b whsec_ [A-Za-z0-9+/=_\-]+
    | \b (?: AKIA | ASIA ) [A-Z0-9]{12,}
    | (?<=/connect/) (?!done/|static/) [A-Za-z0-9_\-]{16,}
    | (?<=/connect/done/) [A-Za-z0-9_\-.]{8,}
    # As filters of mail write the link into links of their own.
    | connect %(?:25)*2[Ff] [A-Za-z0-9_\-]{40,}
    """
)
_BY_NAME = re.compile(
    rf"""(?xi)
    (?P<name> ["']? \b
      (?: client[_-]?secret | lwa[_-]?client[_-]?secret | previous[_-]?client[_-]?secret
        | signing[_-]?secret | aws[_-]?secret[_-]?access[_-]?key | secret[_-]?key
        | aws[_-]?access[_-]?key(?:[_-]?id)? | access[_-]?key(?:[_-]?id)?
        | refresh[_-]?token | access[_-]?token | restricted[_-]?data[_-]?token | x-amz-access-token
        | x-amz-signature | x-amz-credential | x-amz-security-token
        | spapi_oauth_code | mws_auth_token | amazon_state | password | api[_-]?key )
      ["']? \s* (?: = | %3D | : (?= \s* (?: ["'] | \S{{8}} ) ) ) \s*
    # "secret_key: is needed" is a sentence. "state: lapsed" and "code: grant_refused" are words
    # of ours; in a query they are Amazon's.
    | \b (?: state | code ) (?: = | %3D ) )
    (?P<value> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | {_VALUE} )
    """
)
_BY_HEADER = re.compile(
    r"""(?xi)
    (?P<name> ["']? \b (?: proxy-)? authorization ["']? \s* [:=] \s* ["']? )
    (?: (?: bearer | basic | aws4-hmac-sha256 ) \s+ )?
    (?! (?: bearer | basic | aws4-hmac-sha256 ) \b ) [^\s"',;]{8,}
    """
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=_\-.|~%]{8,}")
_URL_PASSWORD = re.compile(r"(?i)(?<![a-z0-9+.\-])([a-z][a-z0-9+.\-]*://[^\s/:@]*):[^\s/@]+@")


# Words such as ids, and numbers: most of what is logged with every call. None of the patterns finds
# anything in them, as these shapes have one of the marks below, and all the rest needs other signs.
_HARMLESS = re.compile(
    r"(?! .* (?: eg[kcpsi]_ | whsec_ | A[KS]IA | oa2-cs ) ) [A-Za-z0-9_.\-]*", re.VERBOSE
)


def scrub(text: str) -> str:
    """``text`` without anything that has the shape or stands under the name of a secret. For
    logs, tracebacks and reports; it errs on the side of removing too much."""
    if _HARMLESS.fullmatch(text):
        return text
    text = _BY_SHAPE.sub(MASK, text)
    text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
    text = _BY_HEADER.sub(lambda m: f"{m['name']}{MASK}", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    return _BY_NAME.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    value = match["value"]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{match['name']}{quote}{MASK}{quote}"
