"""Lines of nginx's log: what is believed of them, and who hears of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.calls.values import Asked, Leave, Outcome
from evergrant.entrances.gateway import outcomes
from evergrant.entrances.gateway.outcomes import Outcomes, read
from evergrant.errors import Misconfigured
from evergrant.rules import operations
from evergrant.rules.marketplaces import Region
from evergrant.rules.secrecy import Secret

PATH = "/sellers/v1/marketplaceParticipations"
GOOD = {
    "mark": "0123456789abcdef0123456789abcdef",
    "status": "200",
    "headers_s": "0.030",
    "call_s": "0.031",
    "took_s": "0.040",
    "rate": "0.016",
    "amazon": "6a7f0a2e-1111-4c1e-8e0a-000000000001",
    "error": "",
}


def leave(request_id: str = "req_000000000001") -> Leave:
    return Leave(
        request_id=request_id,
        account_id="acc_1",
        application_id="app_1",
        region=Region.EU,
        operation=operations.find("GET", PATH),
        endpoint="https://sellingpartnerapi-eu.amazon.com",
        access_token=Secret("made up"),
        asked=Asked(account_id="acc_1", method="GET", path=PATH),
    )


def datagram(**changes: str) -> bytes:
    return b"<190>Nov 21 14:00:00 evergrant: " + json.dumps({**GOOD, **changes}).encode()


class Room:
    """A desk with a gate that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Leave, Outcome]] = []
        self.seconds = 0.0
        desk: Any = SimpleNamespace(calls=SimpleNamespace(tell=lambda *one: self.told.append(one)))
        self.outcomes = Outcomes(desk, monotonic=lambda: self.seconds)


@pytest.fixture
def room() -> Room:
    return Room()


def test_an_outcome_is_told_of_the_leave_that_its_mark_names(room: Room) -> None:
    first, second = leave("req_first0000"), leave("req_second000")
    marks = [room.outcomes.expect(one) for one in (first, second)]
    room.outcomes.take(datagram(mark=marks[1]), "127.0.0.1")
    ((told, outcome),) = room.told
    assert told is second
    assert outcome == Outcome(
        status=200, took_s=0.031, reported_rate_per_s=0.016, amazon_request_id=GOOD["amazon"]
    )
    assert room.outcomes.under_way == 1


def test_no_outcome_is_told_twice(room: Room) -> None:
    mark = room.outcomes.expect(leave())
    for _ in range(3):
        room.outcomes.take(datagram(mark=mark), "127.0.0.1")
    assert len(room.told) == 1
    assert room.outcomes.counts == {"told": 1, "unknown": 2}


def test_marks_are_no_request_ids_and_differ_between_processes(room: Room) -> None:
    known = leave()
    mark = room.outcomes.expect(known)
    assert known.request_id not in mark
    other = Room()
    other.outcomes.expect(known)
    other.outcomes.take(datagram(mark=mark), "127.0.0.1")
    assert other.told == []
    assert other.outcomes.counts == {"unknown": 1}


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"status": "503", "headers_s": "-"}, None, "amazon_unavailable"),
        ({"status": "503", "headers_s": ""}, None, "amazon_unavailable"),
        ({"status": "499", "headers_s": "-"}, None, "caller_gone"),
        ({"status": "499"}, 499, ""),
        ({"status": "429", "error": "QuotaExceededException"}, 429, "QuotaExceededException"),
        ({"status": "403", "error": "AccessDenied:http://internal/coral/"}, 403, "AccessDenied"),
        ({"status": "403", "error": "two\nlines"}, 403, ""),
        ({"status": "200", "error": "Odd"}, 200, ""),
    ],
)
def test_how_a_call_ended(changes: dict[str, str], status: int | None, error: str) -> None:
    line = read(datagram(**changes))
    assert line is not None
    assert (line.outcome.status, line.outcome.error) == (status, error)


@pytest.mark.parametrize(
    "changes", [{}, {"status": "404", "error": "NotFound"}, {"call_s": "-", "rate": "-"}]
)
def test_lines_are_read_alike_however_they_are_written(changes: dict[str, str]) -> None:
    spaced = datagram(**changes)
    packed = spaced.replace(b'": "', b'":"').replace(b'", "', b'","')
    assert packed != spaced
    assert read(packed) == read(spaced)
    assert read(packed) is not None


@pytest.mark.parametrize("rate", ["", "-", "nan", "inf", "-1", "1e9", "0x1", "1,2", " 1", "٣"])
def test_a_rate_that_is_no_number_teaches_nothing(rate: str) -> None:
    line = read(datagram(rate=rate))
    assert line is not None
    assert line.outcome.reported_rate_per_s is None


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"{}",
        b"\x00" * 100,
        json.dumps(GOOD).encode(),
        datagram() * 2,
        datagram() + b" ",
        b" " + datagram(),
        datagram().replace(b"evergrant:", b"nginx:"),
        datagram(mark=""),
        datagram(mark=GOOD["mark"].upper()),
        datagram(mark=GOOD["mark"] + "0"),
        datagram(status="000"),
        datagram(status="2000"),
        datagram(status=""),
        datagram(more="1"),
        datagram(error="x" * 5000),
        b"<190>Nov 21 14:00:00 evergrant: " + b"[" * 2000 + b"]" * 2000,
        b"<190>Nov 21 14:00:00 evergrant: {" + b'"a":{' * 600 + b"}" * 601,
        b"<190>Nov 21 14:00:00 evergrant: {}",
        b"<190>Nov 21 14:00:00 evergrant: {\xff}",
        datagram().replace(b'"200"', b"200"),
        datagram().replace(b'"200"', b"null"),
    ],
)
def test_junk_is_counted_and_harms_nobody(room: Room, junk: bytes) -> None:
    room.outcomes.expect(leave())
    room.outcomes.take(junk, "127.0.0.1")
    assert room.told == []
    assert room.outcomes.counts == {"unreadable": 1}


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_nothing_that_arrives_raises(before: bytes, after: bytes) -> None:
    good = datagram()
    room = Room()
    for junk in (before, before + good + after, good[: len(before)] + after, good + after):
        room.outcomes.take(junk, "127.0.0.1")
    assert room.told == []


def test_only_hosts_that_asked_with_a_good_key_are_believed(room: Room) -> None:
    for host, told in (
        ("10.0.0.7", 0),
        ("2001:db8::7", 0),
        ("127.0.0.1.example", 0),
        ("127.3.2.1", 1),
        ("::1", 2),
    ):
        room.outcomes.take(datagram(mark=room.outcomes.expect(leave())), host)
        assert len(room.told) == told, host
    assert room.outcomes.counts["strange"] == 3
    room.outcomes.allow("10.0.0.7")
    room.outcomes.take(datagram(mark=room.outcomes.expect(leave())), "10.0.0.7")
    assert len(room.told) == 3


def test_a_leave_whose_outcome_never_comes_is_told_as_lost(room: Room) -> None:
    old = leave("req_old000000")
    mark = room.outcomes.expect(old)
    room.seconds += outcomes.LIFE_S - 1
    room.outcomes.expect(leave("req_new000000"))
    room.outcomes.sweep()
    assert room.told == []
    room.seconds += 1
    room.outcomes.sweep()
    ((told, outcome),) = room.told
    assert told is old
    assert (outcome.status, outcome.error) == (None, outcomes.NEVER_TOLD)
    assert outcome.took_s == outcomes.LIFE_S
    assert room.outcomes.under_way == 1
    room.outcomes.take(datagram(mark=mark), "127.0.0.1")
    assert len(room.told) == 1, "too late"


def test_leaves_under_way_are_bounded(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "MOST_LEAVES", 3)
    for number in range(5):
        room.outcomes.expect(leave(f"req_{number:012}"))
    assert room.outcomes.under_way == 3
    assert [told.request_id for told, _ in room.told] == ["req_000000000000", "req_000000000001"]


def test_who_wants_to_know_hears_of_each_403_and_of_nothing_else(room: Room) -> None:
    heard: list[Leave] = []
    room.outcomes.on_denied(heard.append)
    denied = leave("req_denied000")
    room.outcomes.take(datagram(mark=room.outcomes.expect(leave())), "127.0.0.1")
    room.outcomes.take(datagram(mark=room.outcomes.expect(denied), status="403"), "127.0.0.1")
    room.outcomes.take(
        datagram(mark=room.outcomes.expect(leave()), status="403", headers_s="-"), "127.0.0.1"
    )
    assert heard == [denied]


async def test_datagrams_are_heard_at_a_socket_until_the_end(room: Room) -> None:
    listening = outcomes.listen("127.0.0.1", 0)
    address = listening.getsockname()
    stop = asyncio.Event()
    hearing = asyncio.create_task(room.outcomes.serve(listening, stop))
    marks = [room.outcomes.expect(leave()) for _ in range(50)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nginx:
        for mark in marks[:40]:
            nginx.sendto(datagram(mark=mark), address)
            nginx.sendto(b"junk", address)
        async with asyncio.timeout(60):
            while len(room.told) < 40:  # noqa: ASYNC110 - a socket has no event
                await asyncio.sleep(0.001)
        nginx.sendto(datagram(mark=marks[40]), address)
        stop.set()
        await hearing
    assert listening.fileno() == -1
    assert [outcome.status for _, outcome in room.told] == [200] * 41 + [None] * 9
    assert {outcome.error for _, outcome in room.told[41:]} == {outcomes.NEVER_TOLD}


def test_a_taken_port_is_told_by_its_setting() -> None:
    with contextlib.closing(outcomes.listen("127.0.0.1", 0)) as first:
        with pytest.raises(Misconfigured, match="EVERGRANT_OUTCOMES_PORT: address already in use"):
            outcomes.listen("127.0.0.1", first.getsockname()[1])
        with pytest.raises(Misconfigured, match="EVERGRANT_OUTCOMES_PORT"):
            outcomes.listen("192.0.2.1", 0)
