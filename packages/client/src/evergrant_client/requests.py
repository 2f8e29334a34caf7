"""``auth=`` for requests. Imports nothing of it: to requests, any callable is an authentication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import urljoin

from evergrant_client.client import Evergrant, EvergrantAuth, GatewayAuth
from evergrant_client.flow import SECRETS, Ask, Send, Steps, Wait
from evergrant_client.protocol import MIN_TTL_S, Answer, origin

__all__ = ["RequestsAuth", "RequestsGatewayAuth"]


class _Prepared(Protocol):
    @property
    def method(self) -> str | None: ...

    @property
    def url(self) -> str | None: ...

    @property
    def headers(self) -> Any: ...

    def register_hook(self, event: str, hook: Any) -> None: ...


P = TypeVar("P", bound=_Prepared)


class _Auth:
    def __init__(self, auth: EvergrantAuth | GatewayAuth) -> None:
        self._auth = auth

    def __call__(self, request: P) -> P:
        steps = self._auth.steps(request.method or "GET", request.url or "")
        errand = _Errand(self._auth.evergrant, steps, request)
        errand.dress(request)
        request.register_hook("response", errand.look)
        return request


class RequestsAuth(_Auth):
    """``requests.get(url, auth=RequestsAuth(evergrant, account_id))``, or on a ``Session``."""

    def __init__(self, evergrant: Evergrant, account_id: str, min_ttl: int = MIN_TTL_S) -> None:
        super().__init__(evergrant.auth(account_id, min_ttl))


class RequestsGatewayAuth(_Auth):
    """``requests.get(f"{gateway.url}/...", auth=RequestsGatewayAuth(gateway))``, or on a
    ``Session``, where ``gateway`` is ``evergrant.gateway(...)``."""

    def __init__(self, gateway: GatewayAuth) -> None:
        super().__init__(gateway)


class _Errand:
    """Drives ``flow`` for one request: up to its first sending when requests prepares it, and the
    rest when the answer is there."""

    def __init__(self, evergrant: Evergrant, steps: Steps, request: _Prepared) -> None:
        self._evergrant = evergrant
        self._steps = steps
        self._request = request
        self._send = self._until_sending(None)

    def dress(self, request: Any) -> None:
        if self._send is not None:
            request.headers.update(self._send.headers)
            for name, value in self._send.wishes.items():
                request.headers.setdefault(name, value)

    def look(self, answer: Any, **how: Any) -> Any:
        """The hook. ``how`` is how the first one was sent."""
        while self._send is not None:
            reads = self._send.reads(answer.status_code, answer.headers)
            told = Answer(answer.status_code, answer.headers, answer.content if reads else b"")
            self._send = self._until_sending(told)
            if self._send is not None:
                answer = self._again(answer, how)
        self._leave_behind(answer)
        return answer

    def _until_sending(self, outcome: Answer | None) -> Send | None:
        """The next time that something is to be sent; None: nothing more."""
        next_outcome: Any = outcome
        while True:
            try:
                step = self._steps.send(next_outcome)
            except StopIteration:
                return None
            match step:
                case Ask(account_id, min_ttl_s):
                    next_outcome = self._evergrant.access_token(account_id, min_ttl_s)
                case Wait(seconds):
                    self._evergrant.pause(seconds)
                    next_outcome = None
                case Send():
                    return step

    def _again(self, answer: Any, how: Mapping[str, Any]) -> Any:
        _ = answer.content  # gives the connection back
        answer.close()
        request = answer.request.copy()
        self.dress(request)
        fresh = answer.connection.send(request, **how)
        fresh.history.append(answer)
        fresh.request = request
        return fresh

    def _leave_behind(self, answer: Any) -> None:
        """requests follows redirects, and to another host it takes every header but `Authorization`
        along. Secrets are for the host that they were sent to."""
        if answer.is_redirect and origin(answer.url) != origin(
            urljoin(answer.url, answer.headers["location"])
        ):
            for request in (self._request, answer.request):
                for name in SECRETS:
                    request.headers.pop(name, None)
