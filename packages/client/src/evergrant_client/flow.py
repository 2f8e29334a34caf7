"""How a request gets through, as generators that send nothing themselves.

Answers for: the order of steps, for every library and both ways to Amazon: with an access token
straight to Amazon (``Direct``), or with a key of Evergrant through its gateway (``Gateway``). Does
not answer for: doing a step. Whoever drives a generator does it, sync or async, and sends the
outcome in.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from evergrant_client.protocol import (
    AccessToken,
    Answer,
    Desk,
    Problem,
    Question,
    Unreachable,
    Unreadable,
    is_private,
    is_problem,
    is_token_trouble,
    origin,
    problem_in,
)
from evergrant_client.retries import Patience, Retries

__all__ = ["SECRETS", "Ask", "Direct", "Gateway", "Send", "Steps", "Wait", "Way", "asking", "flow"]

#: Asking these twice does nothing twice.
_READING = frozenset({"GET", "HEAD"})
_LONGEST_WAIT_S = 99_999
#: Headers that stay with the host that they were meant for.
SECRETS = frozenset({"authorization", "x-amz-access-token", "x-evergrant-connection"})


@dataclass(frozen=True, slots=True)
class Ask:
    """Get an access token. Its outcome is an AccessToken."""

    account_id: str
    min_ttl_s: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request with these headers. Its outcome is an Answer, with a body if ``reads`` says
    so of status and headers."""

    headers: Mapping[str, str] = field(repr=False)
    wishes: Mapping[str, str]  # headers, unless the request has them already
    reads: Callable[[int, Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait. Its outcome is None."""

    seconds: float


Steps = Generator[Ask | Send | Wait, Any, None]


class Way(Protocol):
    """One of the two ways to Amazon, for one account."""

    def check(self, url: str) -> None:
        """Raises ValueError when this address must not be shown what ``papers`` carries."""

    def papers(self) -> Generator[Ask, Any, Send]: ...

    def renews(self, answer: Answer) -> bool:
        """Whether fresh papers can help. They have to differ."""

    def problem(self, answer: Answer) -> Problem | None: ...


def flow(way: Way, retries: Retries, method: str, url: str) -> Steps:
    """One request. A reading one is sent once more where fresh papers can help, and again where
    Evergrant says that a little later would. Raises Problem when Evergrant said no."""
    way.check(url)
    patience = Patience(retries)
    reading, renewed = method.upper() in _READING, False
    while True:
        send = yield from way.papers()
        answer: Answer = yield send
        if reading and not renewed and way.renews(answer):
            renewed = True
            continue
        problem = way.problem(answer)
        if problem is None:
            return
        pause = patience.pause_s(problem.retry_after_s) if reading and _passes(problem) else None
        if pause is None:
            raise problem
        yield Wait(pause)


def asking(
    desk: Desk, account_id: str, min_ttl_s: int, retries: Retries
) -> Generator[Question | Wait, Any, AccessToken]:
    """An access token from Evergrant. The outcome of a Question is an Answer, or Unreachable as a
    value. Raises Problem, Unreachable, Unreadable."""
    patience = Patience(retries)
    while True:
        question = desk.question(account_id, min_ttl_s)
        answer: Answer | Unreachable = yield question
        trouble: Problem | Unreachable | Unreadable
        told_s = None
        if isinstance(answer, Unreachable):
            trouble, weather = answer, True
        else:
            try:
                return desk.read(account_id, question, answer.status, answer.headers, answer.body)
            except Problem as problem:
                trouble, weather, told_s = problem, _passes(problem), problem.retry_after_s
            except Unreadable as unreadable:
                trouble, weather = unreadable, unreadable.status >= 500
        pause = patience.pause_s(told_s) if weather else None
        if pause is None:
            raise trouble
        yield Wait(pause)


def _passes(problem: Problem) -> bool:
    return not problem.permanent and (problem.status == 429 or problem.status >= 500)


class Direct:
    """Straight to Amazon, with an access token that is asked for."""

    def __init__(self, desk: Desk, account_id: str, min_ttl_s: int) -> None:
        self._desk = desk
        self._account_id = account_id
        self._min_ttl_s = min_ttl_s
        self._token: AccessToken | None = None

    def check(self, url: str) -> None:
        if not is_private(url):
            raise ValueError("an access token does not travel over http; use https")

    def papers(self) -> Generator[Ask, Any, Send]:
        token: AccessToken = yield Ask(self._account_id, self._min_ttl_s)
        self._token = token
        return Send({"x-amz-access-token": token.value}, {}, _is_refusal)

    def renews(self, answer: Answer) -> bool:
        if self._token is None or not is_token_trouble(answer.status, answer.body):
            return False
        self._desk.forget(self._account_id, self._token)
        return True

    def problem(self, answer: Answer) -> Problem | None:
        return None  # Amazon's answers are nobody's business but the caller's


class Gateway:
    """Through Evergrant's gateway, with the API key."""

    def __init__(
        self,
        url: str,
        api_key: str,
        account: str | None,
        *,
        wait_s: float | None = None,
        data_elements: Sequence[str] = (),
        request_id: Callable[[], str] | None = None,
    ) -> None:
        if wait_s is not None and not 0 <= wait_s < _LONGEST_WAIT_S:
            raise ValueError(f"wait is in seconds, from 0 to {_LONGEST_WAIT_S}")
        self.url = url
        self._request_id = request_id
        self._papers = {"authorization": f"Bearer {api_key}"}
        if account:
            named = "connection" if account.startswith("egc_") else "account"
            self._papers[f"x-evergrant-{named}"] = account
        self._wishes = {}
        if wait_s is not None:
            self._wishes["x-evergrant-wait"] = f"{wait_s:.3f}"
        if data_elements:
            self._wishes["x-evergrant-data-elements"] = ",".join(data_elements)
        for value in (*self._papers.values(), *self._wishes.values()):
            if not value.isascii() or not value.isprintable():
                raise ValueError("an account, a key or a data element is made of plain characters")

    def check(self, url: str) -> None:
        base = urlsplit(self.url).path
        path = urlsplit(url).path
        if origin(url) != origin(self.url) or not (path == base or path.startswith(f"{base}/")):
            raise ValueError(
                "this address is not the gateway's, and a key of Evergrant is for the gateway "
                f"alone; take {self.url} as base_url"
            )

    def papers(self) -> Generator[Ask, Any, Send]:
        yield from ()
        wishes = dict(self._wishes)
        if self._request_id is not None:
            wishes["x-request-id"] = self._request_id()
        return Send(self._papers, wishes, _is_problem)

    def renews(self, answer: Answer) -> bool:
        return False  # the gateway does that by itself

    def problem(self, answer: Answer) -> Problem | None:
        return problem_in(answer)


def _is_refusal(status: int, headers: Mapping[str, str]) -> bool:
    return status in (401, 403)


def _is_problem(status: int, headers: Mapping[str, str]) -> bool:
    return status >= 400 and is_problem(headers)
