"""The authentication of one request, as a generator: it yields what is to be sent and is given the
answer. httpx2 and httpx drive such generators themselves, sync and async alike.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

from evergrant_client.protocol import AccessToken, Desk, Question, is_token_trouble

__all__ = ["Library", "flow"]

#: Asking these twice does nothing twice.
_READING = frozenset({"GET", "HEAD"})


class Library(Protocol):
    """What the two HTTP libraries have in common."""

    def Request(self, method: str, url: str, *, headers: Any) -> Any: ...  # noqa: N802


def flow(
    library: Library, desk: Desk, account_id: str, min_ttl_s: int, request: Any
) -> Generator[Any, Any, None]:
    """Puts the account's access token on ``request``. A reading request whose token Amazon calls
    expired is sent once more, with what Evergrant gives now. (To both libraries the last answer is
    the answer: having asked Evergrant, the request has to follow.)"""
    url = request.url
    if url.scheme != "https" and url.host not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("an access token does not travel over http; use https")
    token = yield from _token(library, desk, account_id, min_ttl_s)
    request.headers["x-amz-access-token"] = token.value
    answer = yield request
    if request.method not in _READING or not is_token_trouble(answer.status_code, answer.content):
        return
    desk.forget(account_id, token)
    token = yield from _token(library, desk, account_id, min_ttl_s)
    request.headers["x-amz-access-token"] = token.value
    yield request


def _token(
    library: Library, desk: Desk, account_id: str, min_ttl_s: int
) -> Generator[Any, Any, AccessToken]:
    token = desk.at_hand(account_id, min_ttl_s)
    if token is not None:
        return token
    question: Question = desk.question(account_id, min_ttl_s)
    answer = yield library.Request("GET", question.url, headers=dict(question.headers))
    return desk.read(account_id, question, answer.status_code, answer.headers, answer.content)
