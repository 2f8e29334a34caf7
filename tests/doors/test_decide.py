"""What nginx is told, and who is told anything at all."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message

from evergrant.calls.values import Leave, Outcome
from evergrant.entrances.gateway.decide import DecideDoor, build
from evergrant.entrances.gateway.outcomes import Outcomes, listen
from evergrant.errors import InvalidInput
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from tests.doors.gateway_house import EVERYTHING, FEEDS, PARTICIPATIONS, SETTINGS, House

Pairs = Sequence[tuple[str, str]]


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def problem(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.headers["x-evergrant-problem"])
        assert str(told["status"]) == self.headers["x-evergrant-refused"]
        assert self.status == 403
        return told


@dataclass
class Ground:
    house: House
    door: DecideDoor
    outcomes: Outcomes
    plane: str
    seconds: list[float]

    async def ask(
        self,
        method: str,
        uri: str | bytes,
        headers: Pairs = (),
        *,
        plane: Sequence[str] | None = None,
        path: str = "/decide",
        asks: str = "GET",
        gone: bool = False,
    ) -> Answer:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        raw += [(b"x-evergrant-data-plane", key.encode()) for key in plane or [self.plane]]
        raw += [
            (b"x-evergrant-method", method.encode()),
            (b"x-evergrant-uri", uri if isinstance(uri, bytes) else uri.encode("latin-1")),
        ]
        scope = {
            "type": "http",
            "method": asks,
            "path": path,
            "query_string": b"",
            "headers": raw,
            "client": ("127.0.0.1", 1),
        }
        answer = Answer()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {k.decode(): v.decode("ascii") for k, v in message["headers"]}
                assert len(answer.headers) == len(message["headers"])
            else:
                answer.body += message["body"]

        received = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Message:
            for message in received:
                return message
            if not gone:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        await self.door(scope, receive, send)
        return answer

    def tell(self, mark: str, **changes: str) -> None:
        self.outcomes.take(line_of(mark, **changes), "127.0.0.1")


def line_of(mark: str, **changes: str) -> bytes:
    """As nginx sends it."""
    line = {
        "mark": mark,
        "status": "200",
        "headers_s": "0.01",
        "call_s": "0.01",
        "took_s": "0.01",
        "rate": "",
        "amazon": "",
        "error": "",
        **changes,
    }
    return f"<190>Nov 21 14:00:00 evergrant: {json.dumps(line)}".encode()


@pytest.fixture
async def ground() -> Ground:
    house = await House().open()
    seconds = [0.0]
    outcomes = Outcomes(house.desk, monotonic=lambda: seconds[0])
    door = DecideDoor(house.desk, outcomes, monotonic=lambda: seconds[0])
    return Ground(house, door, outcomes, await house.api_key("data_plane"), seconds)


async def test_leave_is_all_that_nginx_needs(ground: Ground) -> None:
    account_id = await ground.house.account()
    answer = await ground.ask(
        "GET",
        f"{PARTICIPATIONS}?a=b%20c&d",
        [*await ground.house.bearer(account_id), ("x-request-id", "one-of-mine")],
    )
    assert answer.status == 200
    told = answer.headers
    assert told["x-evergrant-target"] == f"https://evergrant_amazon_eu{PARTICIPATIONS}?a=b%20c&d"
    assert told["x-evergrant-host"] == "sellingpartnerapi-eu.amazon.com"
    assert ground.house.about(told["x-evergrant-access-token"]) == account_id
    assert told["x-evergrant-request-id"] == "one-of-mine"
    assert told["x-evergrant-operation"] == "sellers.v1.getMarketplaceParticipations"
    assert told["x-evergrant-wait"] == "0"
    assert int(told["x-evergrant-permits-left"]) > 0
    assert told["x-evergrant-date"].endswith("Z")
    assert told["content-length"] == "0"
    assert answer.body == b""
    assert ground.outcomes.under_way == 1
    ground.tell(told["x-evergrant-mark"])
    assert ground.outcomes.under_way == 0


@pytest.mark.parametrize("region", ["na", "eu", "fe"])
async def test_the_region_is_that_of_the_account(ground: Ground, region: str) -> None:
    account_id = await ground.house.account(region=region)
    answer = await ground.ask("GET", PARTICIPATIONS, await ground.house.bearer(account_id))
    assert answer.headers["x-evergrant-target"].startswith(f"https://evergrant_amazon_{region}/")
    assert answer.headers["x-evergrant-host"] == f"sellingpartnerapi-{region}.amazon.com"


async def test_only_a_key_of_a_data_plane_is_told_anything(ground: Ground) -> None:
    account_id = await ground.house.account()
    who = await ground.house.bearer(account_id)
    program = who[0][1].removeprefix("Bearer ")
    for plane in ([], ["egk_made_up"], [program], [ground.plane, ground.plane], [""]):
        answer = await ground.ask("GET", PARTICIPATIONS, who, plane=plane or ["", ""])
        assert answer.status == 403
        assert "x-evergrant-refused" not in answer.headers
        assert "x-evergrant-access-token" not in answer.headers
        assert b"Atza" not in answer.body
        told = json.loads(answer.body)
        assert told["code"] in ("not_authenticated", "not_allowed")
        assert "nginx" in told["hint"], "whoever took this port for the gateway is told"
    assert ground.outcomes.under_way == 0


async def test_a_data_planes_key_is_nothing_for_a_program(ground: Ground) -> None:
    account_id = await ground.house.account()
    who = [("authorization", f"Bearer {ground.plane}"), ("x-evergrant-account", account_id)]
    answer = await ground.ask("GET", PARTICIPATIONS, who)
    assert answer.problem["code"] == "not_allowed"


async def test_a_revoked_data_plane_hears_nothing_after_a_moment(ground: Ground) -> None:
    who = await ground.house.bearer(await ground.house.account())
    assert (await ground.ask("GET", PARTICIPATIONS, who)).status == 200
    caller = await ground.house.desk.people.authenticate(ground.plane)
    await ground.house.desk.people.revoke_api_key(caller.id, by=SYSTEM)
    ground.seconds[0] += 0.1
    ground.house.fakes.clock.move(seconds=1)
    answer = await ground.ask("GET", PARTICIPATIONS, who)
    assert answer.status == 403
    assert "x-evergrant-access-token" not in answer.headers


async def test_a_refusal_is_a_whole_problem_in_headers(ground: Ground) -> None:
    account_id = await ground.house.account()
    answer = await ground.ask(
        "POST", FEEDS, [*await ground.house.bearer(account_id, "amazon_read")]
    )
    problem = answer.problem
    assert (problem["status"], problem["code"]) == (403, "not_allowed")
    assert problem["errors"][0]["code"] == "Unauthorized"
    assert problem["request_id"] == answer.headers["x-evergrant-request-id"]
    assert answer.headers["content-length"] == "0"
    none = await ground.ask("GET", PARTICIPATIONS)
    assert none.problem["code"] == "not_authenticated"
    assert none.headers["x-evergrant-www-authenticate"].startswith("Bearer")
    odd = await ground.ask("PROPFIND", PARTICIPATIONS)
    assert odd.problem["status"] == 405
    assert "GET" in odd.headers["x-evergrant-allow"]


async def test_a_spent_limit_says_when_to_come_again(ground: Ground) -> None:
    account_id = await ground.house.account()
    who = [*await ground.house.bearer(account_id), ("x-evergrant-wait", "0")]
    for _ in range(20):
        answer = await ground.ask("GET", PARTICIPATIONS, who)
        if answer.status != 200:
            break
    assert answer.problem["status"] == 429
    assert int(answer.headers["x-evergrant-retry-after"]) >= 1


@pytest.mark.parametrize(
    "uri",
    [
        "/sellers/v1/../x",
        "/sellers/v1/%2e%2e/x",
        "//sellers/v1/marketplaceParticipations",
        "http://evil.example/",
        "/a b",
        "/a\r\nx-evergrant-access-token: stolen",
        "/a?b=\r\nc",
        "/a?b=\x00",
        "/a?b=\xe9",
        "/a\xe9",
        "/a#b",
        "",
        "*",
        "/" + "a" * 5_000,
        "/a?" + "b" * 40_000,
    ],
)
async def test_no_odd_uri_gets_leave(ground: Ground, uri: str) -> None:
    who = await ground.house.bearer(await ground.house.account(), *EVERYTHING)
    answer = await ground.ask("GET", uri, who)
    assert answer.problem["status"] == 400
    assert "x-evergrant-target" not in answer.headers
    assert all(value.isprintable() and value.isascii() for value in answer.headers.values())


async def test_headers_that_nginx_could_not_take_away_are_refused(ground: Ground) -> None:
    who = await ground.house.bearer(await ground.house.account())
    for name in ("x-evergrant-target", "x-evergrant-anything", "x-evergrant-"):
        answer = await ground.ask("GET", PARTICIPATIONS, [*who, (name, "x")])
        assert answer.problem["code"] == "invalid_input"
        assert "x-evergrant-account" in answer.problem["errors"][0]["details"]


async def test_only_one_question_is_answered(ground: Ground) -> None:
    who = await ground.house.bearer(await ground.house.account())
    for path, asks in (("/", "GET"), ("/decide/", "GET"), ("/decide", "POST")):
        answer = await ground.ask("GET", PARTICIPATIONS, who, path=path, asks=asks)
        assert answer.problem["code"] == "invalid_input"


async def test_what_is_remembered_for_a_moment_is_nobody_elses(ground: Ground) -> None:
    mine, other = await ground.house.account(), await ground.house.account()
    keys = [await ground.house.bearer(mine), await ground.house.bearer(other)]
    poor = await ground.house.bearer(mine, "amazon_write")
    for _ in range(5):
        for who, account_id in zip(keys, (mine, other), strict=True):
            answer = await ground.ask("GET", PARTICIPATIONS, who)
            assert ground.house.about(answer.headers["x-evergrant-access-token"]) == account_id
        assert (await ground.ask("GET", PARTICIPATIONS, poor)).status == 403
        assert (await ground.ask("GET", PARTICIPATIONS, keys[0][:1])).status == 403


# --- access tokens in doubt ---------------------------------------------------------------------


async def decided(ground: Ground, who: Pairs) -> dict[str, str]:
    answer = await ground.ask("GET", PARTICIPATIONS, who)
    assert answer.status == 200, answer.headers
    return answer.headers


async def test_after_a_403_the_next_call_takes_a_fresh_access_token(ground: Ground) -> None:
    who = await ground.house.bearer(await ground.house.account())
    first = await decided(ground, who)
    ground.tell(first["x-evergrant-mark"], status="403", error="AccessDeniedException")
    second = await decided(ground, who)
    assert second["x-evergrant-access-token"] != first["x-evergrant-access-token"]
    third = await decided(ground, who)
    assert third["x-evergrant-access-token"] == second["x-evergrant-access-token"]


async def test_where_403s_go_on_fresh_access_tokens_become_rare(ground: Ground) -> None:
    who = [*await ground.house.bearer(await ground.house.account())]
    seen = []
    for _ in range(8):
        ground.house.fakes.clock.move(seconds=70)
        ground.seconds[0] += 65
        told = await decided(ground, who)
        ground.tell(told["x-evergrant-mark"], status="403")
        seen.append(told["x-evergrant-access-token"])
    changes = [at for at in range(1, 8) if seen[at] != seen[at - 1]]
    assert changes[0] == 1
    assert len(changes) <= 3, changes


async def test_a_grant_that_is_gone_is_told_in_place_of_the_403(ground: Ground) -> None:
    account_id = await ground.house.account()
    who = await ground.house.bearer(account_id)
    first = await decided(ground, who)
    ground.house.fakes.lwa.revoke(account_id)
    ground.tell(first["x-evergrant-mark"], status="403")
    answer = await ground.ask("GET", PARTICIPATIONS, who)
    assert answer.problem["code"] == "grant_refused"


async def test_a_403_of_another_account_doubts_nothing(ground: Ground) -> None:
    mine, other = [await ground.house.bearer(await ground.house.account()) for _ in range(2)]
    told = await decided(ground, mine)
    before = await decided(ground, other)
    ground.tell(told["x-evergrant-mark"], status="403")
    after = await decided(ground, other)
    assert after["x-evergrant-access-token"] == before["x-evergrant-access-token"]


# --- when things break --------------------------------------------------------------------------


async def test_who_hangs_up_while_waiting_costs_nothing(ground: Ground) -> None:
    account_id = await ground.house.account()
    bearer = await ground.house.bearer(account_id)
    while (
        await ground.ask("GET", PARTICIPATIONS, [*bearer, ("x-evergrant-wait", "0")])
    ).status == 200:
        pass
    under_way = ground.outcomes.under_way
    answer = await ground.ask(
        "GET", PARTICIPATIONS, [*bearer, ("x-evergrant-wait", "100")], gone=True
    )
    assert "x-evergrant-access-token" not in answer.headers
    assert ground.outcomes.under_way == under_way


@pytest.mark.parametrize("slow", ["calls.admit", "people.authenticate", "tokens.mint"])
async def test_a_decision_that_does_not_come_is_refused_in_time(
    ground: Ground, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = ground.house.desk
    who = await ground.house.bearer(await ground.house.account())
    door = DecideDoor(desk, ground.outcomes, wait_s=0.02, late_s=0.02)
    late = dataclasses.replace(ground, door=door)
    told: list[Outcome] = []
    monkeypatch.setattr(desk.calls, "tell", lambda _, outcome: told.append(outcome))
    if slow == "tokens.mint":  # after a 403, when a fresh access token is wanted
        monkeypatch.setattr(door._doubts, "about", lambda _: True)
        assert (await ground.ask("GET", PARTICIPATIONS, who)).status == 200

    async def hangs(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    room, verb = slow.split(".")
    monkeypatch.setattr(getattr(desk, room), verb, hangs)
    async with asyncio.timeout(60):
        answer = await late.ask("GET", PARTICIPATIONS, who)
    told_by = answer.problem if "x-evergrant-problem" in answer.headers else json.loads(answer.body)
    assert told_by["code"] == "store_unavailable"
    assert "in time" in told_by["detail"]
    assert [how.error for how in told] == (["not_sent"] if slow == "tokens.mint" else [])


async def test_a_mistake_of_ours_is_a_problem_as_well(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await ground.house.bearer(await ground.house.account())

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(ground.house.desk.calls, "admit_at_hand", broken)
    answer = await ground.ask("GET", PARTICIPATIONS, who)
    assert answer.problem["code"] == "internal"


async def test_an_access_token_that_is_no_header_goes_nowhere(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await ground.house.bearer(await ground.house.account())
    whole = ground.house.desk.calls.admit
    told: list[Outcome] = []

    async def odd(*args: Any, **more: Any) -> Leave:
        leave = await whole(*args, **more)
        value = f"{secrets.token_hex(4)}\r\nx-evergrant-target: http://evil.example/"
        return dataclasses.replace(leave, access_token=Secret(value))

    monkeypatch.setattr(ground.house.desk.calls, "admit_at_hand", lambda *_, **__: None)
    monkeypatch.setattr(ground.house.desk.calls, "admit", odd)
    monkeypatch.setattr(ground.house.desk.calls, "tell", lambda _, how: told.append(how))
    answer = await ground.ask("GET", PARTICIPATIONS, who)
    assert answer.problem["code"] == "unreadable_answer"
    assert ground.outcomes.under_way == 0
    assert [how.error for how in told] == ["not_sent"]


async def test_a_problem_that_is_too_long_is_shortened(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await ground.house.bearer(await ground.house.account())

    def long(*_: object, **__: object) -> None:
        raise InvalidInput("ü\x7f\u2028" * 20_000)

    monkeypatch.setattr(ground.house.desk.calls, "admit_at_hand", long)
    answer = await ground.ask("GET", PARTICIPATIONS, who)
    assert answer.problem["code"] == "invalid_input"
    assert len(answer.headers["x-evergrant-problem"]) < 20_000
    assert answer.headers["x-evergrant-problem"].isprintable()


async def test_the_door_of_a_desk_hears_how_its_own_calls_ended(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = build(ground.house.desk, SETTINGS)
    leave_of = Ground(ground.house, door, ground.outcomes, ground.plane, ground.seconds)
    who = await ground.house.bearer(await ground.house.account())
    mark = (await leave_of.ask("GET", PARTICIPATIONS, who)).headers["x-evergrant-mark"]
    told: list[Outcome] = []
    listening, stop = listen("127.0.0.1", 0), asyncio.Event()
    port = listening.getsockname()[1]
    heard = asyncio.Event()

    def tell(leave: Leave, outcome: Outcome) -> None:
        told.append(outcome)
        heard.set()

    monkeypatch.setattr(door._outcomes, "_tell", tell)
    hearing = asyncio.create_task(door.hear(listening, stop))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nginx:
        nginx.sendto(line_of(mark, status="204"), ("127.0.0.1", port))
        async with asyncio.timeout(60):
            await heard.wait()
    stop.set()
    await hearing
    assert [how.status for how in told] == [204]
