"""The Selling Partner API in memory: who participates where, and what else it is told to answer.

Answers for: believing only access tokens that the fake LWA gave and that still live, the right
endpoint of a region, 403s with Amazon's own ``details``; for restricted data tokens, and what
each was given for. Does not answer for: the API at large.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from evergrant.errors import AmazonUnavailable, CallDenied, EvergrantError, Throttled
from evergrant.ports import Clock
from evergrant.ports.amazon import (
    Answer,
    Call,
    Hears,
    ReportedParticipation,
    RestrictedAnswer,
    RestrictedResource,
)
from evergrant.rules.secrecy import Secret
from evergrant.testing.lwa import FakeLWA

__all__ = [
    "EXPIRED",
    "INVALID",
    "LACKING",
    "WRONG_REGION",
    "Asked",
    "FakeSellingPartnerApi",
    "Player",
    "RestrictedIssued",
    "error_answer",
]

#: ``details`` of a 403, the only thing that tells one cause from another.
EXPIRED = "The access token you provided has expired."
INVALID = "The access token you provided is revoked, malformed or invalid."
WRONG_REGION = "The marketplaces you provided are not valid for region."
#: ``message`` of the 400 that says that roles are missing; the data elements follow.
LACKING = "Application does not have access to one or more requested data elements"

#: Answers a call in the name of this grant; or leaves it to others.
Player = Callable[[Call, str], Awaitable[Answer | None]]

RESTRICTED_LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call. ``about`` is the grant's name at the fake LWA, empty when it is unknown there."""

    what: str  # "participations", "probe_vendor", "restricted_data_token", or "GET /path"
    endpoint: str
    about: str
    access_token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedIssued:
    """What a restricted data token that we gave stands for."""

    about: str  # the grant's name
    endpoint: str
    resources: tuple[tuple[str, str, tuple[str, ...]], ...]  # method, path, data elements
    expires_at: datetime


class FakeSellingPartnerApi:
    """``ports.amazon.SellingPartnerApi`` in memory.

    ``participate`` says where a selling partner (the grant's name at the fake LWA) sells; a partner
    with an ``endpoint`` is refused at any other.
    """

    def __init__(self, lwa: FakeLWA, clock: Clock) -> None:
        self.calls: list[Asked] = []
        self.sent: list[Call] = []
        #: Of every 200 that is not one of `answer`.
        self.headers: dict[str, str] = {}
        self._lwa = lwa
        self._clock = clock
        self._participations: dict[str, list[ReportedParticipation]] = {}
        self._endpoints: dict[str, str] = {}
        self._vendors: set[str] = set()
        self._answers: dict[tuple[str, str], list[Answer]] = defaultdict(list)
        self._disowned: set[str] = set()
        self._restricted: dict[str, RestrictedIssued] = {}
        self._withheld: dict[str, frozenset[str]] = {}
        self._player: Player | None = None
        self._held: asyncio.Event | None = None
        self._failure: Callable[[], EvergrantError] | None = None
        self._failures_left: int | None = None

    # --- what exists at Amazon ---

    def participate(
        self, about: str, rows: Sequence[ReportedParticipation], *, endpoint: str | None = None
    ) -> None:
        """This selling partner is a seller in these marketplaces."""
        self._participations[about] = list(rows)
        if endpoint is not None:
            self._endpoints[about] = endpoint

    def vendor(self, about: str, *, endpoint: str | None = None) -> None:
        """This selling partner is a vendor, with vendor orders to look at."""
        self._vendors.add(about)
        if endpoint is not None:
            self._endpoints[about] = endpoint

    def answer(self, method: str, path: str, *answers: Answer) -> None:
        """What ``send`` answers; the last one again and again."""
        self._answers[method.upper(), path] = list(answers)

    def play(self, player: Player | None) -> None:
        """What ``send`` answers from now on is ``player``'s affair: it is given the call and the
        grant's name, after both were checked. Where it gives None, all is as without it."""
        self._player = player

    def disown(self, access_token: Secret) -> None:
        """Amazon calls this access token expired from now on, whatever its term said."""
        self._disowned.add(access_token.reveal())

    def withhold(self, about: str, *data_elements: str) -> None:
        """The application lacks the role for these data elements of this selling partner."""
        self._withheld[about] = frozenset(data_elements)

    def issued(self, restricted_data_token: Secret) -> RestrictedIssued | None:
        """What a restricted data token of ours stands for; None for a made-up one."""
        return self._restricted.get(restricted_data_token.reveal())

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Restricted data tokens are given only after this block."""
        self._held = asyncio.Event()
        try:
            yield
        finally:
            self._held.set()
            self._held = None

    def fail(
        self,
        failure: Callable[[], EvergrantError] = AmazonUnavailable,
        *,
        times: int | None = None,
    ) -> None:
        """Every call (or the next ``times``) ends with ``failure()``."""
        self._failure, self._failures_left = failure, times

    def clear(self) -> None:
        self._failure = self._failures_left = None

    def count(self, what: str | None = None, about: str | None = None) -> int:
        return sum(
            1 for call in self.calls if what in (None, call.what) and about in (None, call.about)
        )

    # --- the port ---

    async def participations(
        self, endpoint: str, access_token: Secret, hears: Hears | None = None
    ) -> list[ReportedParticipation]:
        with self._telling(hears):
            about = self._asked("participations", endpoint, access_token)
            self._check(about, endpoint, access_token)
            if about not in self._participations:
                raise _denied("Access to requested resource is denied.")
        return list(self._participations[about])

    async def probe_vendor(
        self, endpoint: str, access_token: Secret, now: datetime, hears: Hears | None = None
    ) -> None:
        with self._telling(hears):
            about = self._asked("probe_vendor", endpoint, access_token)
            self._check(about, endpoint, access_token)
            if about not in self._vendors:
                raise _denied("Access to requested resource is denied.")

    async def restricted_data_token(
        self,
        endpoint: str,
        access_token: Secret,
        resources: Sequence[RestrictedResource],
        hears: Hears | None = None,
    ) -> RestrictedAnswer:
        with self._telling(hears):
            about = self._asked("restricted_data_token", endpoint, access_token)
            if self._held is not None:
                await self._held.wait()
            self._check(about, endpoint, access_token)
            wanted = {element for one in resources for element in one.data_elements}
            missing = sorted(wanted & self._withheld.get(about, frozenset()))
            if missing:
                raise CallDenied(400, "InvalidInput", f"{LACKING}: [{', '.join(missing)}]")
        value = f"Atz.sprdt|{secrets.token_hex(24)}"
        self._restricted[value] = RestrictedIssued(
            about=about,
            endpoint=endpoint,
            resources=tuple((one.method, one.path, tuple(one.data_elements)) for one in resources),
            expires_at=self._clock.now() + RESTRICTED_LIFE,
        )
        return RestrictedAnswer(
            restricted_data_token=Secret(value),
            expires_in_s=int(RESTRICTED_LIFE.total_seconds()),
        )

    async def send(self, call: Call, access_token: Secret) -> Answer:
        if call.begin_before is not None and self._clock.now() > call.begin_before:
            raise AmazonUnavailable("This call was not begun in time.", facts={"sent": False})
        about = self._asked(f"{call.method} {call.path}", call.endpoint, access_token)
        self.sent.append(call)
        try:
            self._check(about, call.endpoint, access_token)
            self._check_resource(call, access_token)
        except CallDenied as denied:
            return error_answer(
                denied.status,
                denied.amazon_code,
                "Access to requested resource is denied.",
                denied.details,
            )
        if self._player is not None:
            played = await self._player(call, about)
            if played is not None:
                return played
        answers = self._answers.get((call.method.upper(), call.path))
        if not answers:
            return error_answer(403, "Unauthorized", "Access to requested resource is denied.")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    # --- inside ---

    @contextmanager
    def _telling(self, hears: Hears | None) -> Iterator[None]:
        """Whatever is decided inside is told as the answer that it would be."""
        answer: Answer | None = None
        try:
            yield
            answer = Answer(status=200, headers=dict(self.headers), body=b"{}")
        except CallDenied as denied:
            answer = error_answer(
                denied.status, denied.amazon_code, "Access is denied.", denied.details
            )
            raise
        except Throttled:
            answer = error_answer(429, "QuotaExceeded", "You exceeded your quota.")
            raise
        finally:
            if hears is not None and answer is not None:
                hears(answer)

    def _asked(self, what: str, endpoint: str, access_token: Secret) -> str:
        about, _ = self._whose(access_token)
        self.calls.append(
            Asked(what=what, endpoint=endpoint, about=about, access_token=access_token)
        )
        if self._failure is not None and self._failures_left != 0:
            if self._failures_left is not None:
                self._failures_left -= 1
            raise self._failure()
        return about

    def _whose(self, access_token: Secret) -> tuple[str, datetime | None]:
        """About whom, and until when; an access token or a restricted data token. None: no token
        of ours."""
        issued = self._lwa.issued(access_token) or self._restricted.get(access_token.reveal())
        return (issued.about, issued.expires_at) if issued else ("", None)

    def _check(self, about: str, endpoint: str, access_token: Secret) -> None:
        _, expires_at = self._whose(access_token)
        if expires_at is None:
            raise _denied("Access to requested resource is denied.", INVALID)
        if expires_at <= self._clock.now() or access_token.reveal() in self._disowned:
            raise _denied("Access to requested resource is denied.", EXPIRED)
        if self._endpoints.get(about, endpoint) != endpoint:
            raise _denied("Access to requested resource is denied.", WRONG_REGION)

    def _check_resource(self, call: Call, access_token: Secret) -> None:
        """A restricted data token opens what it names, where it was given, and nothing else."""
        issued = self._restricted.get(access_token.reveal())
        if issued is None:
            return
        opens = any(
            method == call.method.upper() and _fits(path, call.path)
            for method, path, _ in issued.resources
        )
        if issued.endpoint != call.endpoint or not opens:
            raise _denied("Access to requested resource is denied.")


def _fits(path: str, called: str) -> bool:
    """A generic path stands for every path of its form."""
    wanted, got = path.split("/"), called.split("/")
    return len(wanted) == len(got) and all(
        one.startswith("{") or one == other for one, other in zip(wanted, got, strict=True)
    )


def error_answer(status: int, code: str, message: str, details: str = "") -> Answer:
    """An error as SP-API writes it: a list of code, message and details."""
    body = {"errors": [{"code": code, "message": message, "details": details}]}
    return Answer(
        status=status,
        headers={"content-type": "application/json", "x-amzn-requestid": "fake-request"},
        body=json.dumps(body).encode(),
    )


def _denied(message: str, details: str = "") -> CallDenied:
    return CallDenied(403, "Unauthorized", message, details, "fake-request")
