"""How a lever is pulled: one request of HTTP, standard library only.

Answers for: addresses, bodies and queries as the levers face reads them, and errors with its words.
The names of levers are in `levers`.
"""

from __future__ import annotations

import functools
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from typing import Any

__all__ = ["Json", "LeverError", "Pulling", "part"]

Json = dict[str, Any]


class LeverError(Exception):
    """The emulator would not do what was asked, or was not there.

    ``status`` is the HTTP status of a refusal, None when nobody answered; ``words`` say why."""

    def __init__(self, message: str, *, status: int | None = None, words: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.words = words or message


class Pulling:
    """The levers face of one running emulator, without names."""

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        self._opener = _opener()

    def pull(self, method: str, path: str, /, body: Any = None, **query: Any) -> Json:
        """Any lever, by method and path. Raises LeverError."""
        asked = {name: _plain(value) for name, value in query.items() if value is not None}
        url = f"{self.url}{urllib.parse.quote(path, safe='/?&=%:,+~;@!$*()')}"
        if asked:
            url += f"{'&' if '?' in path else '?'}{urllib.parse.urlencode(asked)}"
        data = None if body is None else json.dumps(body, default=_plain).encode()
        try:
            request = urllib.request.Request(  # noqa: S310  # the address is the caller's own
                url, method=method, data=data, headers={"content-type": "application/json"}
            )
            with self._opener.open(request, timeout=self.timeout_s) as answer:
                said: Json = json.load(answer)
                return said
        except urllib.error.HTTPError as error:
            with error:
                said_text = error.read().decode(errors="replace")
            message = f"{method} {path}: {error.code} {said_text}"
            raise LeverError(message, status=error.code, words=_words(said_text)) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            words = f"no emulator answers at {self.url}: {getattr(error, 'reason', error)}"
            raise LeverError(f"{method} {path}: {words}", words=words) from error

    def _items(self, path: str, **query: Any) -> list[Json]:
        items: list[Json] = self.pull("GET", path, **query)["items"]
        return items

    def _made(self, path: str, wishes: Json) -> list[Json]:
        items: list[Json] = self.pull("POST", path, wishes)["items"]
        return items


@functools.cache
def _opener() -> urllib.request.OpenerDirector:
    """Keeps nothing of those who use it, so one is enough for all."""
    # Levers are on this machine: a proxy of the environment has no business with them.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _plain(value: Any) -> Any:
    """As a query and a body spell it. Raises TypeError for what JSON does not know."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return value
    raise TypeError(f"a lever takes no {type(value).__name__}: {value!r}")


def _words(said: str) -> str:
    """What a refusal says, without its JSON."""
    try:
        words = json.loads(said)["error"]
    except (ValueError, TypeError, KeyError):
        return said
    return str(words)


def part(text: str) -> str:
    """One part of a path."""
    return urllib.parse.quote(text, safe="")
