"""``auth=`` for requests. Imports nothing of it: to requests, any callable is an authentication."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

from evergrant_client.client import Evergrant
from evergrant_client.protocol import MIN_TTL_S

__all__ = ["RequestsAuth"]


class _Headers(Protocol):
    def __setitem__(self, name: str, value: str, /) -> None: ...


class _Prepared(Protocol):
    @property
    def headers(self) -> _Headers: ...

    def register_hook(self, event: str, hook: Any, /) -> None: ...


P = TypeVar("P", bound=_Prepared)
_HEADER = "x-amz-access-token"


class RequestsAuth:
    """``requests.get(url, auth=RequestsAuth(evergrant, account_id))``, or on a ``Session``."""

    def __init__(self, evergrant: Evergrant, account_id: str, min_ttl: int = MIN_TTL_S) -> None:
        self._evergrant = evergrant
        self._account_id = account_id
        self._min_ttl_s = min_ttl

    def __call__(self, request: P) -> P:
        token = self._evergrant.access_token(self._account_id, self._min_ttl_s)
        request.headers[_HEADER] = token.value
        request.register_hook("response", _leave_behind)
        return request


def _leave_behind(answer: Any, **_: Any) -> None:
    """requests follows redirects, and to another host it takes every header but `Authorization`
    along. The access token is for the host that it was sent to."""
    if not answer.is_redirect:
        return
    here, onward = (
        urlsplit(url) for url in (answer.url, urljoin(answer.url, answer.headers["location"]))
    )
    if (here.scheme, here.netloc) != (onward.scheme, onward.netloc):
        answer.request.headers.pop(_HEADER, None)
