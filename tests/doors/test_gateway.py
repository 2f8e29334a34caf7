"""The gateway: what goes through, what is repeated, what is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote

import pytest

from evergrant.calls.values import Leave, Outcome
from evergrant.entrances.gateway.exchange import KEPT, Exchange
from evergrant.entrances.ops import Meters
from evergrant.entrances.serve import Doors, compose, compose_gateway
from evergrant.testing.upstream import Played
from tests.doors.gateway_house import (
    EVERYTHING,
    FEEDS,
    ORDERS,
    PARTICIPATIONS,
    House,
    Program,
    refused,
    until,
)


@pytest.fixture
async def house() -> House:
    return await House().open()


class Told:
    """Every outcome that the gate hears."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outcomes: list[Outcome] = []
        tell = house.desk.calls.tell

        def hear(leave: Leave, outcome: Outcome) -> None:
            self.outcomes.append(outcome)
            tell(leave, outcome)

        monkeypatch.setattr(house.desk.calls, "tell", hear)

    def __len__(self) -> int:
        return len(self.outcomes)


@pytest.fixture(autouse=True)
def no_pause(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits in real time before a repetition."""

    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(house.desk.calls, "_sleep", at_once)


@pytest.fixture
def told(house: House, monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(house, monkeypatch)


EXPIRED = json.dumps(
    {
        "errors": [
            {
                "code": "Unauthorized",
                "message": "Access to requested resource is denied.",
                "details": "The access token you provided has expired.",
            }
        ]
    }
).encode()


# --- through ------------------------------------------------------------------------------------


async def test_an_answer_of_amazons_is_the_answer(house: House, told: Told) -> None:
    account_id = await house.account()
    body = b'{"payload":[{"a":"\xc3\xa9"}]}'
    house.fakes.upstream.play(
        Played(
            status=200,
            headers=[
                (b"Content-Type", b"application/json; charset=utf-8"),
                (b"Content-Length", b"%d" % len(body)),
                (b"x-amzn-RequestId", b"5e2d-77"),
                (b"x-amzn-RateLimit-Limit", b"0.5"),
                (b"Set-Cookie", b"a=1"),
                (b"Set-Cookie", b"b=2"),
                (b"Connection", b"keep-alive, X-Inner"),
                (b"Keep-Alive", b"timeout=5"),
                (b"X-Inner", b"of one connection"),
                (b"X-Evergrant-Wait", b"forged"),
            ],
            pieces=(body[:5], body[5:]),
        )
    )
    answer = await house.ask(
        "GET",
        f"{PARTICIPATIONS}?a=%2F+b&a=%20&=x&c",
        [*await house.bearer(account_id), ("accept-encoding", "gzip"), ("user-agent", "ERP/1")],
    )
    assert (answer.status, answer.body, answer.whole) == (200, body, True)
    assert answer.raw_headers[:5] == [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"x-amzn-requestid", b"5e2d-77"),
        (b"x-amzn-ratelimit-limit", b"0.5"),
        (b"set-cookie", b"a=1"),
    ]
    assert (b"set-cookie", b"b=2") in answer.raw_headers
    assert answer.header("x-evergrant-operation") == "sellers.v1.getMarketplaceParticipations"
    assert answer.header("x-evergrant-wait") == "0"
    assert answer.header("x-evergrant-permits-left").isdigit()
    assert answer.header("x-evergrant-request-id").startswith("req_")
    assert not answer.header("connection")
    assert not answer.header("keep-alive")
    assert not answer.header("x-inner")

    [seen] = house.fakes.upstream.seen
    assert seen.request.endpoint == "https://sellingpartnerapi-eu.amazon.com"
    assert seen.request.target == f"{PARTICIPATIONS}?a=%2F+b&a=%20&=x&c"
    assert house.about(seen.access_token) == account_id
    assert seen.header("accept-encoding") == ["gzip"]
    assert seen.header("user-agent") == ["ERP/1"]
    assert seen.header("x-amz-date")[0].endswith("Z")
    names = {name for name, _ in seen.request.headers}
    assert names == {b"accept-encoding", b"user-agent", b"x-amz-date"}

    [outcome] = told.outcomes
    assert outcome.status == 200
    assert outcome.reported_rate_per_s == 0.5
    assert outcome.amazon_request_id == "5e2d-77"
    assert outcome.error == ""
    assert house.fakes.upstream.opened == house.fakes.upstream.closed == 1


@pytest.mark.parametrize("region", ["eu", "na", "fe"])
async def test_the_account_says_the_region(house: House, region: str) -> None:
    account_id = await house.account(region=region)
    answer = await house.ask("GET", PARTICIPATIONS, await house.bearer(account_id))
    assert answer.status == 200
    [seen] = house.fakes.upstream.seen
    assert seen.request.endpoint == f"https://sellingpartnerapi-{region}.amazon.com"


async def test_the_request_id_may_be_the_programs(house: House) -> None:
    bearer = await house.bearer(await house.account())
    answer = await house.ask("GET", PARTICIPATIONS, [*bearer, ("x-request-id", "my-trace-0001")])
    assert answer.header("x-evergrant-request-id") == "my-trace-0001"
    answer = await house.ask("GET", PARTICIPATIONS, [*bearer, ("x-request-id", "two words")])
    assert answer.header("x-evergrant-request-id").startswith("req_")
    assert not house.fakes.upstream.seen[0].header("x-request-id")


async def test_bytes_stay_as_they_are(house: House) -> None:
    bearer = await house.bearer(await house.account())
    gzipped = bytes(range(256)) * 40
    house.fakes.upstream.answer = Played(
        headers=[(b"content-encoding", b"gzip"), (b"content-type", b"application/json")],
        pieces=[gzipped[at : at + 1000] for at in range(0, len(gzipped), 1000)],
    )
    answer = await house.ask("GET", PARTICIPATIONS, bearer)
    assert answer.body == gzipped
    assert answer.header("content-encoding") == "gzip"
    assert answer.whole


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_answers_without_a_body(house: House, method: str, status: int) -> None:
    bearer = await house.bearer(await house.account())
    length = [(b"content-length", b"42")] if method == "HEAD" else []
    house.fakes.upstream.answer = Played(status=status, headers=length, pieces=())
    answer = await house.ask(method, PARTICIPATIONS, bearer)
    assert (answer.status, answer.body, answer.whole) == (status, b"", True)
    assert answer.header("content-length") == ("42" if method == "HEAD" else "")


async def test_redirects_and_errors_pass_through(house: House) -> None:
    bearer = await house.bearer(await house.account())
    for status in (301, 307, 400, 403, 404, 413, 415, 501):
        body = json.dumps({"errors": [{"code": "Whatever", "message": f"{status}"}]}).encode()
        house.fakes.upstream.play(
            Played(status=status, headers=[(b"location", b"https://x.example")], pieces=[body])
        )
        answer = await house.ask("GET", PARTICIPATIONS, [*bearer, ("x-evergrant-wait", "0")])
        assert (answer.status, answer.body) == (status, body)
        assert answer.header("location") == "https://x.example"
    assert len(house.fakes.upstream.seen) == 8


async def test_a_large_error_passes_through_as_well(house: House) -> None:
    bearer = await house.bearer(await house.account())
    pieces = [b"x" * 10_000 for _ in range(9)]
    house.fakes.upstream.play(Played(status=503, headers=[], pieces=pieces))
    answer = await house.ask("GET", PARTICIPATIONS, bearer)
    assert (answer.status, answer.body, answer.whole) == (503, b"".join(pieces), True)


@pytest.mark.parametrize("size", [1, KEPT, KEPT + 1, 5 * KEPT])
@pytest.mark.parametrize("length", [True, False])
async def test_bodies_arrive(house: House, size: int, length: bool) -> None:
    bearer = await house.bearer(await house.account())
    body = bytes(at % 251 for at in range(size))
    pieces = [body[at : at + 7000] for at in range(0, size, 7000)]
    answer = await house.ask(
        "POST", FEEDS, [*bearer, ("content-type", "application/json")], pieces, length=length
    )
    assert answer.status == 200
    [seen] = house.fakes.upstream.seen
    assert seen.body == body
    if length or size <= KEPT:
        assert seen.request.content_length == size
    elif size > 2 * KEPT:
        assert seen.request.content_length is None
    assert seen.header("content-type") == ["application/json"]
    assert not seen.header("content-length")
    assert not seen.header("transfer-encoding")


async def test_a_post_without_a_body_has_the_length_that_was_sent(house: House) -> None:
    bearer = await house.bearer(await house.account())
    await house.ask("POST", FEEDS, [*bearer, ("content-length", "0")])
    await house.ask("POST", FEEDS, bearer)
    first, second = house.fakes.upstream.seen
    assert (first.request.body, first.request.content_length) == (b"", 0)
    assert (second.request.body, second.request.content_length) == (None, None)


# --- once more ----------------------------------------------------------------------------------


async def test_an_access_token_that_amazon_calls_expired_is_changed_once(
    house: House, told: Told
) -> None:
    account_id = await house.account()
    bearer = await house.bearer(account_id)
    house.fakes.upstream.play(Played(status=403, pieces=[EXPIRED]))
    answer = await house.ask("GET", PARTICIPATIONS, bearer)
    assert answer.status == 200
    first, second = house.fakes.upstream.seen
    assert first.access_token != second.access_token
    assert house.about(second.access_token) == account_id
    assert [outcome.status for outcome in told.outcomes] == [403, 200]
    assert told.outcomes[0].error == "Unauthorized"
    house.fakes.upstream.play(*[Played(status=403, pieces=[EXPIRED])] * 2)
    answer = await house.ask("GET", PARTICIPATIONS, bearer)
    assert (answer.status, answer.body) == (403, EXPIRED)
    assert len(house.fakes.upstream.seen) == 4
    assert house.fakes.upstream.opened == house.fakes.upstream.closed == 4


async def test_what_changes_something_is_not_repeated(house: House, told: Told) -> None:
    for status, body in ((403, EXPIRED), (429, b"{}"), (500, b"{}"), (503, b"{}")):
        bearer = await house.bearer(await house.account())
        house.fakes.upstream.play(Played(status=status, pieces=[body]))
        answer = await house.ask("POST", FEEDS, bearer, b"{}")
        assert (answer.status, answer.body) == (status, body)
    house.fakes.upstream.fail(sent=True)
    problem = refused(await house.ask("POST", FEEDS, bearer, b"{}"), 502, "amazon_unavailable")
    assert problem["facts"]["carried_out"] == "perhaps"
    assert "may have been carried out" in problem["errors"][0]["details"]
    assert len(house.fakes.upstream.seen) == len(told) == 5


async def test_what_only_reads_is_repeated(house: House, told: Told) -> None:
    bearer = [*await house.bearer(await house.account()), ("x-evergrant-wait", "30")]
    house.fakes.upstream.play(Played(status=503, pieces=[b"{}"]))
    house.fakes.upstream.fail(sent=True)
    answer = await house.ask("GET", PARTICIPATIONS, bearer)
    assert answer.status == 200
    assert [outcome.status for outcome in told.outcomes] == [503, None, 200]
    assert float(answer.header("x-evergrant-wait")) > 0


async def test_who_is_not_ready_to_wait_gets_the_answer_as_it_is(house: House) -> None:
    bearer = [*await house.bearer(await house.account()), ("x-evergrant-wait", "0")]
    house.fakes.upstream.play(Played(status=429, pieces=[b'{"errors":[]}']))
    answer = await house.ask("GET", PARTICIPATIONS, bearer)
    assert (answer.status, answer.body) == (429, b'{"errors":[]}')
    assert len(house.fakes.upstream.seen) == 1


async def test_a_body_that_was_not_kept_is_not_sent_twice(house: House, told: Told) -> None:
    bearer = [*await house.bearer(await house.account()), ("x-evergrant-wait", "30")]
    house.fakes.upstream.play(Played(status=503, pieces=[b"{}"]))
    answer = await house.ask("GET", PARTICIPATIONS, bearer, b"x" * (KEPT + 1))
    assert answer.status == 503
    assert len(told) == 1


# --- no answer ----------------------------------------------------------------------------------


async def test_a_call_that_never_reached_amazon_says_so(house: House, told: Told) -> None:
    bearer = [*await house.bearer(await house.account()), ("x-evergrant-wait", "0")]
    house.fakes.upstream.fail(sent=False)
    problem = refused(await house.ask("POST", FEEDS, bearer, b"{}"), 502, "amazon_unavailable")
    assert problem["facts"]["carried_out"] == "no"
    # The gate gives its permit back; of a call that may have been carried out it does not.
    house.fakes.upstream.fail(sent=True)
    await house.ask("POST", FEEDS, bearer, b"{}")
    assert [outcome.error for outcome in told.outcomes] == ["not_sent", "amazon_unavailable"]


async def test_silence_is_a_time_out(house: House) -> None:
    bearer = [*await house.bearer(await house.account()), ("x-evergrant-wait", "0")]
    house.fakes.upstream.fail(sent=True, timed_out=True)
    refused(await house.ask("POST", FEEDS, bearer, b"{}"), 504, "amazon_unavailable")


@pytest.mark.parametrize("length", [b"1000", None])
async def test_half_an_answer_never_looks_whole(
    house: House, told: Told, length: bytes | None
) -> None:
    bearer = await house.bearer(await house.account())
    headers = [] if length is None else [(b"content-length", length)]
    house.fakes.upstream.play(Played(headers=headers, pieces=[b"half"], breaks=True))
    answer = await house.ask("GET", PARTICIPATIONS, bearer)
    assert (answer.status, answer.body, answer.whole) == (200, b"half", False)
    [outcome] = told.outcomes
    assert (outcome.status, outcome.error) == (200, "amazon_unavailable")
    assert house.fakes.upstream.closed == 1


async def test_half_an_error_is_no_answer(house: House, told: Told) -> None:
    bearer = await house.bearer(await house.account())
    house.fakes.upstream.play(Played(status=400, headers=[], pieces=[b"{"], breaks=True))
    refused(await house.ask("GET", PARTICIPATIONS, bearer), 502, "amazon_unavailable")
    assert len(told) == house.fakes.upstream.closed == 1


# --- the program goes ---------------------------------------------------------------------------


async def _running(program: Program) -> asyncio.Task[Any]:
    return asyncio.create_task(program.run())


async def test_who_hangs_up_while_amazon_thinks_ends_the_call(house: House, told: Told) -> None:
    bearer = await house.bearer(await house.account())
    for body in (b"", b"{}"):
        house.fakes.upstream.play(Played(hold=asyncio.Event()))
        program = Program(house.door, "POST", FEEDS, bearer, body)
        running = await _running(program)
        await until(lambda: house.fakes.upstream.under_way == 1)
        program.hang_up()
        await until(running.done)
        assert not running.cancelled()
        assert running.exception() is None
        assert house.fakes.upstream.under_way == 0
    assert [(one.status, one.error) for one in told.outcomes] == [(None, "caller_gone")] * 2


async def test_who_hangs_up_in_mid_answer_ends_the_stream(house: House, told: Told) -> None:
    bearer = await house.bearer(await house.account())
    hold = asyncio.Event()
    house.fakes.upstream.play(Played(pieces=[b"x"] * 1000, hold_body=hold))
    program = Program(house.door, "GET", PARTICIPATIONS, bearer)
    running = await _running(program)
    await until(lambda: program.answer.status == 200)
    program.hang_up()
    await until(running.done)
    assert running.exception() is None
    assert house.fakes.upstream.closed == 1
    assert [(one.status, one.error) for one in told.outcomes] == [(200, "caller_gone")]


async def test_who_hangs_up_in_mid_body_is_not_answered(house: House, told: Told) -> None:
    bearer = await house.bearer(await house.account())
    headers = [*bearer, ("content-length", str(10 * KEPT))]
    program = Program(house.door, "POST", FEEDS, headers, [b"x" * 1000, b"y" * 1000], ends=False)
    program.hang_up()
    await program.run()
    assert program.answer.status == 0
    [seen] = house.fakes.upstream.seen
    assert seen.broken
    assert [(one.status, one.error) for one in told.outcomes] == [(None, "caller_gone")]


async def test_who_hangs_up_while_waiting_for_a_permit_costs_none(house: House, told: Told) -> None:
    bearer = await house.bearer(await house.account())
    slow = "/reports/2021-06-30/documents/amzn1.tortuga.4.eu.X"
    impatient = [*bearer, ("x-evergrant-wait", "0")]
    while (await house.ask("GET", slow, impatient)).status == 200:
        assert len(told) < 50
    calls = len(told)
    program = Program(house.door, "GET", slow, [*bearer, ("x-evergrant-wait", "100")])
    running = await _running(program)
    await asyncio.sleep(0)
    program.hang_up()
    await until(running.done)
    assert running.exception() is None
    assert program.answer.status == 0
    assert len(told) == len(house.fakes.upstream.seen) == calls


async def test_who_falls_silent_is_let_go(
    house: House, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Exchange.__init__, "__kwdefaults__", {"idle_s": 0.2})
    bearer = await house.bearer(await house.account())
    house.fakes.upstream.play(Played(pieces=[b"x"] * 10))
    program = Program(house.door, "GET", PARTICIPATIONS, bearer)
    program.reads.clear()
    running = await _running(program)
    await until(running.done)
    assert running.exception() is None
    assert not program.answer.whole
    assert house.fakes.upstream.closed == len(told) == 1

    headers = [*bearer, ("content-length", "10")]
    program = Program(house.door, "POST", FEEDS, headers, b"x", ends=False)
    answer = await program.run()
    assert answer.status == 408
    assert len(told) == 1


# --- refusals -----------------------------------------------------------------------------------


async def test_over_the_limit_is_a_429_with_a_time(house: House) -> None:
    account_id = await house.account()
    bearer = [*await house.bearer(account_id, *EVERYTHING), ("x-evergrant-wait", "0")]
    while (answer := await house.ask("GET", ORDERS, bearer)).status == 200:
        assert len(house.fakes.upstream.seen) < 50
    problem = refused(answer, 429, "over_limit")
    assert problem["errors"][0]["code"] == "QuotaExceeded"
    assert int(answer.header("retry-after")) >= 1
    assert len(house.fakes.upstream.seen) <= 20


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "get", "PROPFIND"])
async def test_other_methods(house: House, method: str) -> None:
    bearer = await house.bearer(await house.account())
    answer = await house.ask(method, PARTICIPATIONS, bearer)
    refused(answer, 405, "method_not_allowed")
    assert "GET" in answer.header("allow")


async def test_a_refused_head_has_no_body(house: House) -> None:
    answer = await house.ask("HEAD", PARTICIPATIONS)
    assert (answer.status, answer.body) == (401, b"")
    assert int(answer.header("content-length")) > 0


async def test_a_refused_upload_is_read_to_its_end(house: House) -> None:
    program = Program(house.door, "POST", FEEDS, (), [b"x" * 50_000] * 10)
    answer = await program.run()
    assert answer.status == 401
    assert program.taken == 10
    program = Program(house.door, "POST", FEEDS, [("expect", "100-continue")], [b"x" * 50_000] * 10)
    assert (await program.run()).status == 401
    assert program.taken == 0


async def test_another_protocol_is_no_answer(house: House, told: Told) -> None:
    bearer = await house.bearer(await house.account())
    house.fakes.upstream.play(Played(status=101, headers=[(b"upgrade", b"h2c")], pieces=()))
    refused(await house.ask("GET", PARTICIPATIONS, bearer), 502, "amazon_unavailable")
    assert len(told) == house.fakes.upstream.closed == 1


# --- where it is mounted ------------------------------------------------------------------------


async def test_below_a_path_and_under_a_name(house: House) -> None:
    doors = Doors(ops=house.door, gateway=house.door)
    app = compose(doors, Meters(), 1024, ["amazon.house.example"])
    bearer = await house.bearer(await house.account())
    sku = "/listings/2021-08-01/items/A1/a%2Fb?marketplaceIds=A1PA6795UKMFR9"
    answer = await Program(app, "GET", f"/gateway{sku}", bearer).run()
    assert (answer.status, answer.whole) == (200, True)
    program = Program(app, "PUT", sku, bearer, b"x" * 10_000)
    program._scope["headers"][0] = (b"host", b"Amazon.house.example:8080")
    assert (await program.run()).status == 200
    for strange in ("/%67ateway" + sku, "/gateway/../gateway" + sku, "/gateway/%2e%2e" + sku):
        program = Program(app, "GET", strange, bearer)
        program._scope["path"] = unquote(strange.partition("?")[0])
        assert (await program.run()).status in (400, 403, 404)
    form = json.dumps({"grant_type": "refresh_token"}).encode()
    json_type = [("content-type", "application/json")]
    answer = await Program(app, "POST", "/gateway/auth/o2/token", json_type, form).run()
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    assert [seen.request.target for seen in house.fakes.upstream.seen] == [sku, sku]
    assert len(house.fakes.upstream.seen[1].body) == 10_000


@pytest.mark.parametrize("where", ["below", "named", "own port"])
async def test_sdks_can_read_the_last_word_too(
    house: House, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = await house.bearer(await house.account())
    monkeypatch.setattr(house.desk.calls, "admit_at_hand", None)
    doors = Doors(ops=house.door, gateway=house.door)
    app = compose(doors, Meters(), 1024, ["gateway.test"] if where == "named" else [])
    if where == "own port":
        app = compose_gateway(doors, Meters())
    path = f"/gateway{PARTICIPATIONS}" if where == "below" else PARTICIPATIONS
    answer = await Program(app, "GET", path, bearer).run()
    problem = refused(answer, 500, "internal")
    assert problem["errors"][0]["code"] == "InternalFailure"
