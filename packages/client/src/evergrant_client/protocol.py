"""What is asked and what is answered, without any network.

Answers for: addresses that may carry a key, reading an answer or a problem, remembering access
tokens for as long as they serve. Does not answer for: sending; whoever has a connection drives it.
So one piece of logic serves sync and async clients of three libraries.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

__all__ = [
    "MIN_TTL_S",
    "AccessToken",
    "Answer",
    "Desk",
    "Problem",
    "Question",
    "Unreachable",
    "Unreadable",
    "checked_address",
    "checked_key",
    "is_private",
    "is_token_trouble",
    "origin",
    "problem_in",
]

#: Seconds that an access token has left at least when a call goes out with it.
MIN_TTL_S = 60
_MOST_REMEMBERED = 10_000
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"https": 443, "http": 80}
#: Amazon's words for an access token that a fresh one replaces.
_TOKEN_TROUBLE = (
    "The access token you provided has expired",
    "The access token you provided is revoked, malformed or invalid",
)


class Problem(Exception):
    """Evergrant said no (RFC 9457). ``code`` is stable; ``blame`` says who has to act: partner,
    application, amazon, caller or us; ``permanent`` is False when trying again can help, after
    ``retry_after_s`` seconds where Evergrant said so. ``renewal_url``, of an account that lapsed
    or was revoked: where the selling partner connects it again, or empty. Whoever has it can
    connect a shop to the account, so it is in no text of the exception: show it to whom it is for.
    """

    def __init__(self, status: int, document: Mapping[str, Any], retry_after_s: float | None):
        self.status = status
        self.code = str(document.get("code", "unknown"))
        self.blame = str(document.get("blame", "unknown"))
        self.detail = str(document.get("detail", f"Evergrant answered {status}."))
        self.hint = str(document.get("hint", ""))
        self.permanent = bool(document.get("permanent", status < 500))
        self.request_id = str(document.get("request_id", ""))
        self.renewal_url = str(document.get("renewal_url") or "")
        self.facts = document.get("facts", {})
        self.flaws = document.get("flaws", [])
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.detail} ({self.code})")


class Unreachable(Exception):
    """Evergrant gave no answer. Trying again can help."""


class Unreadable(Exception):
    """Something answered that is not Evergrant: a proxy, a wrong address. ``status`` is what it
    answered with."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """``str()`` and ``repr()`` do not show the value."""

    value: str = field(repr=False)
    lives_until_s: float  # of time.monotonic()

    def left_s(self) -> float:
        """Seconds that it still lives."""
        return self.lives_until_s - time.monotonic()

    def __str__(self) -> str:
        return repr(self)


@dataclass(frozen=True, slots=True)
class Question:
    """One GET to Evergrant."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    asked_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``body`` is empty where nobody wanted to look into it. Names of ``headers``
    are found in any case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Desk:
    """One Evergrant and one API key. Safe to use from threads.

    Raises ValueError when the address is none, or would carry the key in clear text over a
    network.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = checked_address(url)
        self._api_key = checked_key(api_key)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._remembered: dict[str, AccessToken] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    def at_hand(self, account_id: str, min_ttl_s: int) -> AccessToken | None:
        """The remembered access token, if it lives long enough."""
        with self._lock:
            token = self._remembered.get(account_id)
        if token is None or token.lives_until_s - self._monotonic() < min_ttl_s:
            return None
        return token

    def question(self, account_id: str, min_ttl_s: int) -> Question:
        return Question(
            f"{self.url}/v1/accounts/{quote(account_id, safe='')}/access-token?min_ttl={min_ttl_s}",
            {"authorization": f"Bearer {self._api_key}", "accept": "application/json"},
            self._monotonic(),
        )

    def read(
        self,
        account_id: str,
        question: Question,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> AccessToken:
        """Remembers the token of the answer. Raises Problem, Unreadable."""
        told = _json(body)
        if status != 200:
            if not isinstance(told, dict) or "code" not in told:
                raise Unreadable(
                    f"{self.url} answered {status}, and not as Evergrant does.", status
                )
            raise Problem(status, told, _seconds(headers.get("retry-after")))
        value = told.get("access_token") if isinstance(told, dict) else None
        expires_in = told.get("expires_in") if isinstance(told, dict) else None
        if not isinstance(value, str) or not isinstance(expires_in, int):
            raise Unreadable(f"{self.url} answered 200, and not as Evergrant does.", status)
        # Counted from the question: the way back is part of its life.
        token = AccessToken(value, question.asked_s + expires_in)
        with self._lock:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[account_id] = token
        return token

    def forget(self, account_id: str, token: AccessToken) -> None:
        """This token is no good. A newer one stays."""
        with self._lock:
            if self._remembered.get(account_id) is token:
                del self._remembered[account_id]


# --- addresses ------------------------------------------------------------------------------------


def checked_address(url: str) -> str:
    """The address without a slash at its end. Raises ValueError, which never shows it: somebody may
    have put a key in its place."""
    parts = _split(url)
    if (
        parts is None
        or parts.scheme not in _PORTS
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise ValueError("not the address of an Evergrant; it looks like https://host or /path")
    if not is_private(url):
        raise ValueError("an API key does not travel over http; use https")
    return url.rstrip("/")


def checked_key(key: str) -> str:
    """Raises ValueError for what cannot stand in a header."""
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("not an API key")
    return key


def is_private(url: str) -> bool:
    """Whether nobody on the way reads what is sent there: TLS, or this machine."""
    parts = _split(url)
    return parts is not None and (parts.scheme == "https" or parts.hostname in _LOOPBACK)


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, parts.hostname or "", parts.port or _PORTS.get(scheme, 0)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


# --- answers --------------------------------------------------------------------------------------


def problem_in(answer: Answer) -> Problem | None:
    """The gateway passes Amazon's answers on as they are; a problem document is its own."""
    if answer.status < 400 or not is_problem(answer.headers):
        return None
    told = _json(answer.body)
    if not isinstance(told, dict) or "code" not in told:
        return None
    return Problem(answer.status, told, _seconds(answer.headers.get("retry-after")))


def is_problem(headers: Mapping[str, str]) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/problem+json"


def is_token_trouble(status: int, body: bytes) -> bool:
    """Whether Amazon refused the access token itself."""
    if status not in (401, 403):
        return False
    try:
        errors = json.loads(body)["errors"]
        words = [str(error.get(part, "")) for error in errors for part in ("details", "message")]
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return any(word.startswith(_TOKEN_TROUBLE) for word in words)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text) if text else math.nan
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
