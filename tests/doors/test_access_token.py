"""The hot door: one path, one parameter, one header, and problems like everywhere in /v1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import NoReturn

import httpx2
import pytest

from evergrant import errors
from evergrant.entrances import access_token, api, problems
from evergrant.errors import EvergrantError
from evergrant.rules.rights import SYSTEM
from evergrant.settings import Settings
from evergrant.tokens import LONGEST_MIN_TTL_S, AccessToken
from tests.doors.mint_house import House


@pytest.fixture
async def house() -> House:
    return await House().open()


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    def moment() -> float:
        return house.fakes.clock.now().timestamp()

    door = access_token.AccessTokenDoor(house.desk, monotonic=moment)
    transport = httpx2.ASGITransport(app=door)
    key = await house.api_key()
    async with httpx2.AsyncClient(
        transport=transport,
        base_url="http://evergrant.test",
        headers={"authorization": f"Bearer {key}"},
    ) as http:
        yield http


def path(account_id: str) -> str:
    return f"/v1/accounts/{account_id}/access-token"


async def test_it_gives_the_accounts_token(house: House, http: httpx2.AsyncClient) -> None:
    mine, other = await house.account(), await house.account()
    asked = house.fakes.lwa.count()
    for _ in range(3):
        for account_id in (mine, other):
            answer = await http.get(path(account_id))
            told = answer.json()
            assert answer.status_code == 200
            assert set(told) == {"access_token", "token_type", "expires_in", "expires_at"}
            assert house.about(told["access_token"]) == account_id
            assert told["token_type"] == "bearer"
            left = datetime.fromisoformat(told["expires_at"]) - house.fakes.clock.now()
            assert told["expires_in"] == left.total_seconds()
    assert house.fakes.lwa.count() == asked, "the token of the adoption is still good"


async def test_expires_in_counts_down_and_min_ttl_is_kept(
    house: House, http: httpx2.AsyncClient
) -> None:
    account_id = await house.account()
    house.fakes.clock.move(seconds=1000)
    first = (await http.get(path(account_id))).json()
    assert first["expires_in"] == 2600
    house.fakes.clock.move(seconds=100)
    second = (await http.get(path(account_id))).json()
    assert (second["expires_in"], second["access_token"]) == (2500, first["access_token"])
    longer = (await http.get(path(account_id), params={"min_ttl": "3000"})).json()
    assert longer["expires_in"] == 3600
    assert longer["access_token"] != first["access_token"]


async def test_no_cache_keeps_it(house: House, http: httpx2.AsyncClient) -> None:
    answer = await http.get(path(await house.account()))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_request_ids(house: House, http: httpx2.AsyncClient) -> None:
    account_id = await house.account()
    for _ in range(3):
        own = await http.get(path(account_id), headers={"x-request-id": "order-4711-x"})
        assert own.headers["x-request-id"] == "order-4711-x"
        assert "x-request-id" not in (await http.get(path(account_id))).headers
    problems = [await http.get(path("acc_nobody")) for _ in range(5)]
    seen = {problem.headers["x-request-id"] for problem in problems}
    assert seen == {problem.json()["request_id"] for problem in problems}
    assert len(seen) == 5
    forged = await http.get(path("acc_nobody"), headers={"x-request-id": "a b\tc"})
    assert forged.headers["x-request-id"].startswith("req_")


async def test_the_same_question_has_the_same_answer_for_a_moment_and_for_its_caller_only(
    house: House,
) -> None:
    mine, other = await house.account(), await house.account()
    seconds = [0.0]
    asked = 0

    class Counting(access_token.AccessTokenDoor):
        def _body(self, token: AccessToken) -> bytes:
            nonlocal asked
            asked += 1
            return super()._body(token)

    door = Counting(house.desk, monotonic=lambda: seconds[0])
    keys = [await house.api_key() for _ in range(2)] + [await house.api_key("read")]
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=door), base_url="http://evergrant.test"
    ) as http:

        async def get(account_id: str, key: str, query: str = "") -> httpx2.Response:
            return await http.get(
                path(account_id) + query, headers={"authorization": f"Bearer {key}"}
            )

        for account_id in (mine, other):
            await get(account_id, keys[0])
        for _ in range(20):
            for account_id in (mine, other):
                told = (await get(account_id, keys[0])).json()
                assert house.about(told["access_token"]) == account_id
        assert asked == 4
        assert (await get(mine, keys[1])).status_code == 200
        assert (await get(mine, keys[2])).status_code == 403
        assert (await get(mine, "egk_made_up")).status_code == 401
        assert (await get(mine, keys[0], "?min_ttl=x")).status_code == 422
        assert (await http.get(path(mine))).status_code == 401
        twice = [("authorization", f"Bearer {keys[0]}")] * 2
        assert (await http.get(path(mine), headers=twice)).status_code == 401
        again = asked
        seconds[0] += 0.1
        await get(mine, keys[0])
        assert asked == again + 1


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic eDp5", "egk_x", "Bearer egk_made_up"]
)
async def test_without_a_key_there_is_nothing(
    house: House, http: httpx2.AsyncClient, authorization: str | None
) -> None:
    account_id = await house.account()
    await http.get(path(account_id))
    del http.headers["authorization"]
    headers = {} if authorization is None else {"authorization": authorization}
    answer = await http.get(path(account_id), headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"
    assert answer.headers["www-authenticate"] == 'Bearer realm="evergrant"'


async def test_two_keys_are_none(house: House, http: httpx2.AsyncClient) -> None:
    key = http.headers["authorization"]
    del http.headers["authorization"]
    answer = await http.get(
        path(await house.account()), headers=[("authorization", key), ("authorization", key)]
    )
    assert answer.status_code == 401


async def test_rights_and_reach(house: House, http: httpx2.AsyncClient) -> None:
    account_id = await house.account()
    assert (await http.get(path(account_id))).status_code == 200
    elsewhere = (await House(house.fakes).open()).instance_id
    for rights, instance, status, code in (
        (("read", "write"), None, 403, "not_allowed"),
        (("access_tokens",), elsewhere, 404, "not_found"),
        (("access_tokens",), house.instance_id, 200, None),
    ):
        key = await house.api_key(*rights, instance=instance)
        answer = await http.get(path(account_id), headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == status
        assert answer.json().get("code") == code
    assert (await http.get(path("acc_nobody"))).status_code == 404
    assert (await http.get(path(""))).status_code == 404
    assert (await http.get(path("%2e%2e"))).status_code == 404


async def test_a_revoked_key_opens_nothing_after_a_moment(house: House) -> None:
    account_id, key = await house.account(), await house.api_key()
    seconds = [0.0]
    door = access_token.AccessTokenDoor(house.desk, monotonic=lambda: seconds[0])
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=door),
        base_url="http://evergrant.test",
        headers={"authorization": f"Bearer {key}"},
    ) as http:
        assert (await http.get(path(account_id))).status_code == 200
        caller = await house.desk.people.authenticate(key)
        await house.desk.people.revoke_api_key(caller.id, by=SYSTEM)
        seconds[0] += 0.1
        house.fakes.clock.move(seconds=1)
        assert (await http.get(path(account_id))).status_code == 401


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("min_ttl=", "min_ttl"),
        ("min_ttl=ten", "min_ttl"),
        ("min_ttl=-1", "min_ttl"),
        ("min_ttl=1.5", "min_ttl"),
        ("min_ttl=%D9%A1", "min_ttl"),
        ("min_ttl=99999999999999999999", "min_ttl"),
        (f"min_ttl={LONGEST_MIN_TTL_S + 1}", "min_ttl"),
        ("min_ttl=60&min_ttl=60", "min_ttl"),
        ("minttl=60", "minttl"),
        ("ttl", "ttl"),
    ],
)
async def test_a_wrong_question_is_told_where_it_is_wrong(
    house: House, http: httpx2.AsyncClient, query: str, field: str
) -> None:
    answer = await http.get(f"{path(await house.account())}?{query}")
    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "invalid_input"
    assert [flaw["parameter"] for flaw in problem["flaws"]] == [field]


@pytest.mark.parametrize("query", ["%ff", "&" * 100, "a=b;c", "%00=1"])
async def test_an_odd_query_breaks_nothing(
    house: House, http: httpx2.AsyncClient, query: str
) -> None:
    answer = await http.get(httpx2.URL(path(await house.account()), query=query.encode("latin-1")))
    assert answer.status_code in (200, 422)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_it_is_read_only(house: House, http: httpx2.AsyncClient, method: str) -> None:
    answer = await http.request(method, path(await house.account()))
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert answer.json()["code"] == "method_not_allowed"


async def test_a_revoked_grant_is_told_with_amazons_words(
    house: House, http: httpx2.AsyncClient
) -> None:
    account_id = await house.account()
    house.fakes.lwa.revoke(account_id)
    house.fakes.clock.move(hours=2)
    for _ in range(2):
        answer = await http.get(path(account_id))
        problem = answer.json()
        assert answer.status_code == 409
        assert (problem["code"], problem["blame"]) == ("grant_refused", "partner")
        assert "invalid grant parameter" in problem["detail"]
        assert "fresh link" in problem["hint"]


async def test_weather_says_when_to_come_again(house: House, http: httpx2.AsyncClient) -> None:
    account_id = await house.account()
    house.fakes.lwa.fail(lambda: errors.Throttled(retry_after_s=30))
    house.fakes.clock.move(hours=2)
    answer = await http.get(path(account_id))
    assert answer.status_code == 503
    assert answer.json()["blame"] == "amazon"
    assert answer.headers["retry-after"] == "30"


def error_kinds(kind: type[EvergrantError] = EvergrantError) -> list[type[EvergrantError]]:
    return [kind, *(one for sub in kind.__subclasses__() for one in error_kinds(sub))]


def example(kind: type[EvergrantError]) -> EvergrantError:
    if kind is errors.InvalidInput:
        return errors.InvalidInput(
            flaws=[errors.Flaw("is wrong.", field="min_ttl", code="x", hint="Do better.")]
        )
    if kind is errors.InvitationRefused:
        return errors.InvitationRefused("expired", "It is over.")
    if kind is errors.SingleSignOnRefused:
        return errors.SingleSignOnRefused("state")
    if kind is errors.ConsentRefused:
        return errors.ConsentRefused("state_unknown", reference="EG-1")
    if kind is errors.ApplicationRefused:
        return errors.ApplicationRefused("invalid_client", "Client authentication failed")
    if kind is errors.GrantRefused:
        return errors.GrantRefused("no", hint="Send a link.")
    if kind is errors.CallDenied:
        return errors.CallDenied(403, "Unauthorized", "no")
    if kind is errors.Misconfigured:
        return errors.Misconfigured("EVERGRANT_HOME", "is odd.")
    if kind is errors.NotDelivered:
        return errors.NotDelivered("no", permanent=True)
    if kind is errors.OverLimit:
        return errors.OverLimit(retry_after_s=3.2)
    return kind()


@pytest.mark.parametrize("kind", error_kinds(), ids=lambda kind: kind.__name__)
async def test_problems_look_like_those_of_the_rest_of_v1(
    house: House, monkeypatch: pytest.MonkeyPatch, kind: type[EvergrantError]
) -> None:
    account_id = await house.account()
    key = await house.api_key("read", "access_tokens")

    async def refuse(*_: object, **__: object) -> NoReturn:
        raise example(kind)

    monkeypatch.setattr(house.desk.tokens, "at_hand", lambda *_, **__: None)
    monkeypatch.setattr(house.desk.tokens, "mint", refuse)
    monkeypatch.setattr(house.desk.accounts, "get", refuse)
    settings = Settings.from_environment({})
    answers = []
    for door, address in (
        (access_token.build(house.desk, settings), path(account_id)),
        (api.build(house.desk, settings), f"/v1/accounts/{account_id}"),
    ):
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=door), base_url="http://evergrant.test"
        ) as http:
            headers = {"authorization": f"Bearer {key}", "x-request-id": "the-same-id"}
            answers.append(await http.get(address, headers=headers))
    mine, theirs = answers
    assert mine.json() == theirs.json()
    assert mine.json()["code"] == kind.code
    assert mine.status_code == theirs.status_code
    assert dict(mine.headers) == dict(theirs.headers)


async def test_a_wrong_method_is_told_like_in_the_rest_of_v1(
    house: House, http: httpx2.AsyncClient
) -> None:
    answer = await http.put(path(await house.account()), headers={"x-request-id": "the-same-id"})
    assert answer.content == problems.of_status(405).body("the-same-id")


async def test_who_sends_no_key_is_told_how(house: House, http: httpx2.AsyncClient) -> None:
    answer = await http.get(path(await house.account()), headers={"authorization": "Basic eDp5"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "Bearer, a space, and the key" in answer.json()["hint"]


async def test_a_client_instance_that_only_asks_for_tokens_is_seen(
    house: House, http: httpx2.AsyncClient
) -> None:
    account_id = await house.account()
    key = await house.api_key(instance=house.instance_id)
    answer = await http.get(path(account_id), headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    instance = await house.desk.registry.instance(house.instance_id, by=SYSTEM)
    assert instance.last_seen_at == house.fakes.clock.now()
