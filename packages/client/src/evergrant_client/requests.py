"""``auth=`` for requests. Imports nothing of it: to requests, any callable is an authentication."""

from __future__ import annotations

from typing import Protocol, TypeVar

from evergrant_client.client import Evergrant
from evergrant_client.protocol import MIN_TTL_S

__all__ = ["RequestsAuth"]


class _Headers(Protocol):
    def __setitem__(self, name: str, value: str, /) -> None: ...


class _Prepared(Protocol):
    @property
    def headers(self) -> _Headers: ...


P = TypeVar("P", bound=_Prepared)


class RequestsAuth:
    """``requests.get(url, auth=RequestsAuth(evergrant, account_id))``, or on a ``Session``."""

    def __init__(self, evergrant: Evergrant, account_id: str, min_ttl: int = MIN_TTL_S) -> None:
        self._evergrant = evergrant
        self._account_id = account_id
        self._min_ttl_s = min_ttl

    def __call__(self, request: P) -> P:
        token = self._evergrant.access_token(self._account_id, self._min_ttl_s)
        request.headers["x-amz-access-token"] = token.value
        return request
