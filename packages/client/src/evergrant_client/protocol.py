"""What is asked and what is answered, without any network.

Answers for: the address, reading an answer or a problem, remembering access tokens for as long as
they serve. Does not answer for: sending; whoever has a connection drives it. So one piece of logic
serves sync and async clients of three libraries.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

__all__ = ["AccessToken", "Desk", "Problem", "Question", "Unreachable", "Unreadable"]

#: Seconds that an access token has left at least when a call goes out with it.
MIN_TTL_S = 60
_MOST_REMEMBERED = 10_000
#: Amazon's words for an access token that a fresh one replaces.
_TOKEN_TROUBLE = (
    "The access token you provided has expired",
    "The access token you provided is revoked, malformed or invalid",
)


class Problem(Exception):
    """Evergrant said no (RFC 9457). ``code`` is stable; ``blame`` says who has to act: partner,
    application, amazon, caller or us; ``permanent`` is False when trying again can help."""

    def __init__(self, status: int, document: Mapping[str, Any], retry_after_s: float | None):
        self.status = status
        self.code = str(document.get("code", "unknown"))
        self.blame = str(document.get("blame", "unknown"))
        self.detail = str(document.get("detail", f"Evergrant answered {status}."))
        self.hint = str(document.get("hint", ""))
        self.permanent = bool(document.get("permanent", status < 500))
        self.request_id = str(document.get("request_id", ""))
        self.facts = document.get("facts", {})
        self.flaws = document.get("flaws", [])
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.detail} ({self.code})")


class Unreachable(Exception):
    """Evergrant gave no answer. Trying again can help."""


class Unreadable(Exception):
    """Something answered that is not Evergrant: a proxy, a wrong address."""


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
        parts = urlsplit(url)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query:
            raise ValueError(f"not the address of an Evergrant: {url!r}")
        if parts.scheme == "http" and not local:
            raise ValueError("an API key does not travel over http; use https")
        if not api_key or not api_key.isascii() or not api_key.isprintable():
            raise ValueError("not an API key")
        self.url = url.rstrip("/")
        self._api_key = api_key
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
        try:
            told = json.loads(body)
        except ValueError:
            told = None
        if status != 200:
            document = told if isinstance(told, dict) and "code" in told else None
            if document is None:
                raise Unreadable(f"{self.url} answered {status}, and not as Evergrant does.")
            raise Problem(status, document, _seconds(headers.get("retry-after")))
        value = told.get("access_token") if isinstance(told, dict) else None
        expires_in = told.get("expires_in") if isinstance(told, dict) else None
        if not isinstance(value, str) or not isinstance(expires_in, int):
            raise Unreadable(f"{self.url} answered 200, and not as Evergrant does.")
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


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
