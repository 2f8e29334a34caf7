"""What changes something at Amazon is sent once, whatever comes back: feeds, shipments, refunds and
labels cost money when they are made twice.

Every operation of Amazon's that may not be repeated, and every unknown one, against everything that
can go wrong with a call, through the gateway and through the gate's own sending. Whoever asks is
ready to wait, has all rights and a small body, so nothing but the rule stands in the way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
import pytest_asyncio

from evergrant.errors import AmazonUnavailable
from evergrant.ports.amazon import Answer as AmazonsAnswer
from evergrant.ports.amazon import Call
from evergrant.ports.budgets import Queued, Share, Taken, Wish
from evergrant.rules import operations
from evergrant.rules.amazon_errors import TOKEN_TROUBLE
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.testing.budgets import MemoryBudgets
from evergrant.testing.desk import Fakes
from evergrant.testing.selling_partner_api import error_answer
from evergrant.testing.upstream import Played
from tests.doors.gateway_house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = [
    (f"unknown.{method}", method, "/nothing/v9/known/X1")
    for method in ("POST", "PUT", "PATCH", "DELETE")
]
ONCE = [
    *(
        (one.name, one.method, re.sub(r"{[^}]+}", "X1", one.template))
        for one in operations.ALL
        if not one.repeatable
    ),
    *UNKNOWN,
]

_DENIED = [("Unauthorized", "Access to requested resource is denied.", "")]
_TOKENS = [
    ("Unauthorized", "Access to requested resource is denied.", one) for one in TOKEN_TROUBLE
]
#: Status, Amazon's words, and further headers.
ANSWERS = {
    "429": (429, ("QuotaExceeded", "You exceeded your quota.", ""), ()),
    "429 with a time": (429, ("QuotaExceeded", "Wait.", ""), ((b"Retry-After", b"0"),)),
    **{str(status): (status, ("InternalFailure", "No.", ""), ()) for status in (500, 502, 504)},
    "503 with a time": (503, ("ServiceUnavailable", "No.", ""), ((b"Retry-After", b"0"),)),
    **{f"403 {one[2][:30]}": (403, one, ()) for one in [*_TOKENS, *_DENIED]},
    "401": (401, _TOKENS[0], ()),
    "400": (400, ("InvalidInput", "No.", ""), ()),
    "200": (200, ("", "", ""), ()),
}
SILENCE = {
    "time-out": {"sent": True, "timed_out": True},
    "reset before the head": {"sent": True},
    "nobody knows": {},
}
BREAKING = {
    "reset in mid-answer": Played(pieces=(b'{"payload"',), breaks=True),
    "reset in mid-error": Played(status=503, pieces=(b'{"errors"',), breaks=True),
    "reset in a long error": Played(status=500, pieces=(b" " * 70_000,), breaks=True),
    "another protocol": Played(status=101, pieces=()),
}


class Generous(MemoryBudgets):
    """Nobody waits for a second try, if somebody should make one."""

    async def take(self, wish: Wish) -> Taken | Queued:
        self.buckets.clear()
        return await super().take(wish)

    async def drain(self, shares: Sequence[Share]) -> None:
        """Not here."""


class Ground:
    def __init__(self) -> None:
        self.fakes = Fakes()
        self.fakes.budgets = Generous(self.fakes.clock)
        self.house = House(self.fakes)
        self.account = ""
        self.who: list[tuple[str, str]] = []

    async def open(self) -> Ground:
        await self.house.open()
        self.account = await self.house.account()
        rights = ("amazon_read", "amazon_write", "personal_data", "manage")
        self.who = [
            *await self.house.bearer(self.account, *rights),
            ("x-evergrant-wait", "100"),
        ]
        return self


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> Ground:
    return await Ground().open()


async def test_the_table_is_whole() -> None:
    assert len(ONCE) > 150
    names = {name for name, _, _ in ONCE}
    assert {
        "feeds.2021-06-30.createFeed",
        "orders.v0.confirmShipment",
        "mfn.v0.createShipment",
        "listings.2021-08-01.putListingsItem",
        "reports.2021-06-30.createReport",
        "applications.2023-11-30.rotateApplicationClientSecret",
        "fba.outbound.2020-07-01.createFulfillmentOrder",
    } <= names
    for name, method, path in ONCE:
        assert operations.find(method, path).name == name


def played(name: str) -> Played | dict[str, object]:
    if name in BREAKING:
        return BREAKING[name]
    if name in SILENCE:
        return dict(SILENCE[name])
    status, words, more = ANSWERS[name]
    answer = error_answer(status, *words)
    return Played(status=status, pieces=(answer.body,), headers=more)


@pytest.mark.parametrize("outcome", [*ANSWERS, *SILENCE, *BREAKING])
async def test_through_the_gateway(ground: Ground, outcome: str) -> None:
    upstream = ground.fakes.upstream
    for name, method, path in ONCE:
        upstream.seen.clear()
        playing = played(outcome)
        if isinstance(playing, Played):
            upstream.play(playing)
        else:
            sent, timed_out = bool(playing.get("sent", True)), bool(playing.get("timed_out"))
            upstream.fail(sent=sent, timed_out=timed_out)
        answer = await ground.house.ask(method, path, ground.who, b"{}")
        seen = [(one.request.method, one.request.target) for one in upstream.seen]
        assert seen == [(method, path)], (name, answer.status, answer.body[:300])
        assert upstream.seen[0].body == b"{}"
        if outcome in ANSWERS:
            assert answer.status == ANSWERS[outcome][0]


@pytest.mark.parametrize("outcome", [*ANSWERS, *SILENCE])
async def test_through_the_gate_itself(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    sent: list[Call] = []

    async def send(call: Call, access_token: Secret) -> AmazonsAnswer:
        sent.append(call)
        if outcome in SILENCE:
            raise AmazonUnavailable("No answer.", facts=dict(SILENCE[outcome]))
        status, words, more = ANSWERS[outcome]
        answer = error_answer(status, *words)
        headers = {key.decode().lower(): value.decode() for key, value in more}
        return AmazonsAnswer(status=status, headers=headers, body=answer.body)

    monkeypatch.setattr(ground.fakes.selling_partner_api, "send", send)
    for name, method, path in ONCE:
        sent.clear()
        sending = ground.house.desk.calls.send(
            ground.account, method, path, body=b"{}", by=SYSTEM, ready_to_wait_s=100.0
        )
        if outcome in SILENCE:
            with pytest.raises(AmazonUnavailable):
                await sending
        else:
            assert (await sending).status == ANSWERS[outcome][0]
        assert [(call.method, call.path) for call in sent] == [(method, path)], name


async def test_what_never_reached_amazon_is_sent_once_more_and_then_once(ground: Ground) -> None:
    upstream = ground.fakes.upstream
    upstream.seen.clear()
    upstream.fail(sent=False)
    upstream.play(Played(status=503))
    answer = await ground.house.ask("POST", "/feeds/2021-06-30/feeds", ground.who, b"{}")
    assert answer.status == 503
    assert len(upstream.seen) == 2
