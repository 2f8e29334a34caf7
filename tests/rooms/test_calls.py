"""The gate: the right token at the right place, and one repetition where that is safe."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import pytest

from evergrant.calls import Calls, is_token_trouble
from evergrant.errors import (
    AmazonUnavailable,
    GrantRefused,
    InvalidInput,
    NotAllowed,
    NotFound,
)
from evergrant.ports.amazon import Answer
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, Region
from evergrant.testing.selling_partner_api import EXPIRED, INVALID, error_answer
from tests.rooms.gate_ground import OK, PROGRAM, GateGround
from tests.rooms.gate_ground import SELLERS as PATH
from tests.rooms.mint_ground import Held


@pytest.fixture
async def ground() -> AsyncIterator[GateGround]:
    ground = GateGround()
    yield ground
    await ground.close()


@pytest.fixture
def calls(ground: GateGround) -> Calls:
    return ground.calls


@pytest.fixture
async def held(ground: GateGround) -> Held:
    return await ground.shop()


@pytest.mark.parametrize("region", list(Region))
async def test_a_call_goes_to_its_region_with_its_own_token(
    ground: GateGround, calls: Calls, region: Region
) -> None:
    application, instance = await ground.application(), await ground.instance()
    for _ in range(3):
        held = await ground.account(application, instance, region=region)
        answer = await calls.send(held.account_id, "get", PATH, by=PROGRAM)
        assert answer == OK
        asked = ground.api.calls[-1]
        assert (asked.about, asked.endpoint) == (held.about, STANDARD.endpoint(region))


async def test_what_the_caller_sends_arrives(ground: GateGround, calls: Calls, held: Held) -> None:
    await calls.send(
        held.account_id,
        "POST",
        PATH,
        [("a", "1"), ("a", "2")],
        {"Accept-Language": "de"},
        b"{}",
        by=PROGRAM,
    )
    [call] = ground.api.sent
    assert (call.method, call.path, call.body) == ("POST", PATH, b"{}")
    assert call.query == (("a", "1"), ("a", "2"))
    assert call.headers == {"Accept-Language": "de"}


@pytest.mark.parametrize("details", [EXPIRED, INVALID])
async def test_a_reading_call_is_repeated_once_with_a_fresh_token(
    ground: GateGround, calls: Calls, held: Held, details: str
) -> None:
    await calls.send(held.account_id, "GET", PATH, by=PROGRAM)
    first = ground.api.calls[-1].access_token
    ground.api.answer("GET", PATH, error_answer(403, "Unauthorized", "Access denied.", details), OK)
    assert await calls.send(held.account_id, "GET", PATH, by=PROGRAM) == OK
    second, third = (call.access_token for call in ground.api.calls[-2:])
    assert second == first
    assert third != first
    assert ground.api.calls[-1].about == held.about
    assert ground.lwa.count() == 2


async def test_it_is_repeated_only_once(ground: GateGround, calls: Calls, held: Held) -> None:
    ground.api.answer("GET", PATH, error_answer(403, "Unauthorized", "Access denied.", EXPIRED))
    answer = await calls.send(held.account_id, "GET", PATH, by=PROGRAM)
    assert answer.status == 403
    assert len(ground.api.calls) == 2
    assert ground.lwa.count() == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_call_that_changes_something_is_never_repeated(
    ground: GateGround, calls: Calls, held: Held, method: str
) -> None:
    ground.api.answer(
        method, PATH, error_answer(403, "Unauthorized", "Access denied.", EXPIRED), OK
    )
    answer = await calls.send(held.account_id, method, PATH, by=PROGRAM)
    assert answer.status == 403
    assert len(ground.api.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        error_answer(403, "Unauthorized", "Access to requested resource is denied."),
        error_answer(400, "InvalidInput", EXPIRED),
        Answer(status=403, headers={}, body=b"<html>"),
        Answer(status=403, headers={}, body=b'{"errors":"?"}'),
        Answer(status=403, headers={}, body=b"[[]]"),
        Answer(status=501, headers={}, body=b""),
    ],
    ids=lambda answer: f"{answer.status}",
)
async def test_any_other_refusal_passes_through_as_it_came(
    ground: GateGround, calls: Calls, held: Held, answer: Answer
) -> None:
    assert not is_token_trouble(answer)
    ground.api.answer("GET", PATH, answer)
    assert await calls.send(held.account_id, "GET", PATH, by=PROGRAM) == answer
    assert len(ground.api.calls) == 1


async def test_weather_is_told_and_not_repeated(
    ground: GateGround, calls: Calls, held: Held
) -> None:
    ground.api.fail()
    with pytest.raises(AmazonUnavailable):
        await calls.send(held.account_id, "POST", PATH, by=PROGRAM)
    assert len(ground.api.calls) == 1


async def test_who_may_not_have_the_token_may_not_call(
    ground: GateGround, calls: Calls, held: Held
) -> None:
    elsewhere = dataclasses.replace(PROGRAM, client_instance_id="ins_1")
    nobody = dataclasses.replace(PROGRAM, rights=frozenset())
    with pytest.raises(NotFound):
        await calls.send(held.account_id, "GET", PATH, by=elsewhere)
    with pytest.raises(NotAllowed):
        await calls.send(held.account_id, "GET", PATH, by=nobody)
    assert ground.api.calls == []
    dead = await ground.account(
        await ground.application(), await ground.instance(), state=State.REVOKED
    )
    with pytest.raises(GrantRefused):
        await calls.send(dead.account_id, "GET", PATH, by=PROGRAM)
    assert ground.api.calls == []


@pytest.mark.parametrize(
    "path",
    [
        "",
        "sellers/v1",
        "//evil.example/x",
        "https://evil.example/",
        "/a?b=c",
        "/a#b",
        "/a b",
        "/ä",
        "/a\\b",
        "/a\r\nx: y",
        "/../admin",
        "/a/../../b",
        "/a/%2e%2E/b",
        "/a/.",
        "/@evil.example\x00",
    ],
)
async def test_a_path_is_a_path(ground: GateGround, calls: Calls, held: Held, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await calls.send(held.account_id, "GET", path, by=PROGRAM)
    assert [flaw.field for flaw in refused.value.flaws] == ["path"]
    assert ground.api.calls == []


async def test_every_flaw_is_told_at_once(ground: GateGround, calls: Calls, held: Held) -> None:
    headers = {
        "X-Amz-Access-Token": "Atza|mine",
        "Host": "evil.example",
        "Authorization": "x",
        "a b": "c",
        "x-note": "a\r\nb: c",
    }
    with pytest.raises(InvalidInput) as refused:
        await calls.send(held.account_id, "TRACE", "x", (), headers, by=PROGRAM)
    assert len(refused.value.flaws) == 2 + len(headers)
    assert "Atza|mine" not in str(refused.value)
    assert ground.lwa.count() == 0
