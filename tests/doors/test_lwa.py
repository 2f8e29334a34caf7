"""The LWA-compatible door: what LWA would say, in LWA's shape, and the SDKs believe it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import uvicorn

from evergrant import errors
from evergrant.entrances import lwa
from evergrant.rules.applications import NOTIFICATIONS_SCOPE, ROTATION_SCOPE
from evergrant.rules.rights import SYSTEM
from evergrant.testing.lwa import REFUSED_CLIENT, REFUSED_GRANT
from tests.doors.mint_house import SETTINGS, House

PATH = "/auth/o2/token"


@pytest.fixture
async def house() -> House:
    return await House().open()


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=lwa.build(house.desk, SETTINGS))
    async with httpx2.AsyncClient(transport=transport, base_url="http://evergrant.test") as http:
        yield http


async def form(house: House, account_id: str, **other: str) -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "client_id": "my-erp",
        "client_secret": await house.api_key(),
        "refresh_token": await house.connection_key(account_id),
    } | other


def refused(answer: httpx2.Response, status: int, error: str) -> str:
    """The description of a refusal in LWA's shape."""
    told = answer.json()
    assert (answer.status_code, told["error"]) == (status, error), told
    assert set(told) == {"error", "error_description", "request_id"}
    assert answer.headers["cache-control"] == "no-store"
    description: str = told["error_description"]
    return description


# --- tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["form", "json", "basic"])
async def test_it_answers_as_lwa_would(house: House, http: httpx2.AsyncClient, shape: str) -> None:
    for account_id in (await house.account(), await house.account()):
        fields = await form(house, account_id)
        if shape == "form":
            answer = await http.post(PATH, data=fields)
        elif shape == "json":
            answer = await http.post(PATH, json=fields)
        else:
            auth = (fields.pop("client_id"), fields.pop("client_secret"))
            answer = await http.post(PATH, data=fields, auth=auth)
        told = answer.json()
        assert answer.status_code == 200, told
        assert house.about(told["access_token"]) == account_id
        assert told["token_type"] == "bearer"
        assert told["expires_in"] == 3600
        assert told["refresh_token"] == fields["refresh_token"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["pragma"] == "no-cache"
        assert answer.headers["content-type"] == "application/json;charset=UTF-8"


async def test_a_token_outlives_the_cache_of_an_sdk_that_ignores_expires_in(
    house: House, http: httpx2.AsyncClient
) -> None:
    account_id = await house.account()
    fields = await form(house, account_id)
    for _ in range(30):
        told = (await http.post(PATH, data=fields)).json()
        assert told["expires_in"] >= lwa.SDK_CACHE_S
        house.fakes.clock.move(seconds=101)
        await house.desk.tokens.close()


async def test_an_older_token_is_better_than_none(house: House, http: httpx2.AsyncClient) -> None:
    account_id = await house.account()
    fields = await form(house, account_id)
    first = (await http.post(PATH, data=fields)).json()
    house.fakes.lwa.fail()
    house.fakes.clock.move(seconds=2000)
    told = (await http.post(PATH, data=fields)).json()
    assert told["access_token"] == first["access_token"]
    assert told["expires_in"] == 1600
    house.fakes.clock.move(seconds=2000)
    answer = await http.post(PATH, data=fields)
    refused(answer, 503, "temporarily_unavailable")
    assert answer.headers["retry-after"]


async def test_the_client_id_may_name_the_api_key(house: House, http: httpx2.AsyncClient) -> None:
    account_id = await house.account()
    fields = await form(house, account_id)
    caller = await house.desk.people.authenticate(fields["client_secret"])
    answer = await http.post(PATH, data=fields | {"client_id": caller.id})
    assert answer.status_code == 200
    other = await http.post(PATH, data=fields | {"client_id": caller.id[:-1] + "!"})
    assert refused(other, 401, "invalid_client") == REFUSED_CLIENT


# --- refusals -----------------------------------------------------------------------------------


async def test_a_wrong_api_key_is_a_wrong_client(house: House, http: httpx2.AsyncClient) -> None:
    fields = await form(house, await house.account())
    for wrong in ("", "egk_made_up", fields["refresh_token"], fields["client_secret"][:-1]):
        answer = await http.post(PATH, data=fields | {"client_secret": wrong})
        assert refused(answer, 401, "invalid_client") == REFUSED_CLIENT


async def test_a_wrong_connection_key_is_a_wrong_grant(
    house: House, http: httpx2.AsyncClient
) -> None:
    account_id = await house.account()
    fields = await form(house, account_id)
    for wrong in ("egc_made_up", account_id, fields["client_secret"], "Atzr|" + "x" * 40):
        answer = await http.post(PATH, data=fields | {"refresh_token": wrong})
        description = refused(answer, 400, "invalid_grant")
        assert description.startswith("The request has an invalid grant parameter")
        assert wrong not in answer.text


async def test_a_revoked_connection_key_is_none(house: House, http: httpx2.AsyncClient) -> None:
    account_id = await house.account()
    fields = await form(house, account_id)
    [key] = await house.desk.people.connection_keys(account_id, by=SYSTEM)
    await house.desk.people.revoke_connection_key(key.id, by=SYSTEM)
    house.fakes.clock.move(seconds=2)
    refused(await http.post(PATH, data=fields), 400, "invalid_grant")


async def test_a_connection_key_that_has_ended_is_none(
    house: House, http: httpx2.AsyncClient
) -> None:
    account_id = await house.account()
    fields = await form(house, account_id)
    people, clock = house.desk.people, house.fakes.clock
    ends_at = clock.now() + timedelta(minutes=5)
    ending = await people.add_connection_key(account_id, expires_at=ends_at, by=SYSTEM)
    fields |= {"refresh_token": ending.secret.reveal()}
    assert (await http.post(PATH, data=fields)).status_code == 200
    new = await people.rotate_connection_key(ending.key.id, overlap=timedelta(minutes=1), by=SYSTEM)
    assert (await http.post(PATH, data=fields)).status_code == 200
    clock.move(minutes=1)
    refused(await http.post(PATH, data=fields), 400, "invalid_grant")
    answer = await http.post(PATH, data=fields | {"refresh_token": new.secret.reveal()})
    assert answer.status_code == 200


async def test_an_api_key_that_has_ended_is_a_wrong_client(
    house: House, http: httpx2.AsyncClient
) -> None:
    fields = await form(house, await house.account())
    caller = await house.desk.people.authenticate(fields["client_secret"])
    await house.desk.people.rotate_api_key(caller.id, overlap=timedelta(0), by=SYSTEM)
    assert refused(await http.post(PATH, data=fields), 401, "invalid_client") == REFUSED_CLIENT


async def test_a_key_of_certain_accounts_ends_there(house: House, http: httpx2.AsyncClient) -> None:
    mine, sibling = await house.account(), await house.account()
    made = await house.desk.people.add_api_key(
        name="script", rights=["access_tokens"], account_ids=[mine], by=SYSTEM
    )
    for account_id, allowed in ((mine, True), (sibling, False)):
        fields = await form(house, account_id) | {"client_secret": made.secret.reveal()}
        # Also when it lies in memory already.
        await house.desk.tokens.mint(account_id, by=SYSTEM)
        answer = await http.post(PATH, data=fields)
        if allowed:
            assert house.about(answer.json()["access_token"]) == mine
        else:
            refused(answer, 400, "invalid_grant")
    grantless = {
        "grant_type": "client_credentials",
        "client_id": house.application_id,
        "client_secret": made.secret.reveal(),
        "scope": NOTIFICATIONS_SCOPE,
    }
    refused(await http.post(PATH, data=grantless), 400, "unauthorized_client")


async def test_rights_of_the_gateway_are_none_to_access_tokens(
    house: House, http: httpx2.AsyncClient
) -> None:
    fields = await form(house, await house.account())
    key = await house.api_key("amazon_read", "amazon_write", "personal_data", "data_plane")
    answer = await http.post(PATH, data=fields | {"client_secret": key})
    refused(answer, 400, "unauthorized_client")


async def test_a_key_of_another_instance_does_not_learn_that_the_account_exists(
    house: House, http: httpx2.AsyncClient
) -> None:
    fields = await form(house, await house.account())
    elsewhere = (await House(house.fakes).open()).instance_id
    bound = await house.api_key("access_tokens", instance=elsewhere)
    refused(await http.post(PATH, data=fields | {"client_secret": bound}), 400, "invalid_grant")
    reader = await house.api_key("read")
    answer = await http.post(PATH, data=fields | {"client_secret": reader})
    refused(answer, 400, "unauthorized_client")


async def test_amazons_words_pass_through(house: House, http: httpx2.AsyncClient) -> None:
    account_id = await house.account()
    fields = await form(house, account_id)
    house.fakes.lwa.revoke(account_id)
    house.fakes.clock.move(hours=2)
    for _ in range(2):
        answer = await http.post(PATH, data=fields)
        assert refused(answer, 400, "invalid_grant") == REFUSED_GRANT


async def test_an_account_without_consent_has_no_grant(
    house: House, http: httpx2.AsyncClient
) -> None:
    fields = await form(house, await house.account(connected=False))
    description = refused(await http.post(PATH, data=fields), 400, "invalid_grant")
    assert "consent" in description


async def test_a_refused_application_is_told_as_such(
    house: House, http: httpx2.AsyncClient
) -> None:
    fields = await form(house, await house.account())
    house.fakes.lwa.drop_secrets(house.lwa_client_id)
    house.fakes.clock.move(hours=2)
    description = refused(await http.post(PATH, data=fields), 401, "invalid_client")
    assert "refused the application" in description


@pytest.mark.parametrize(
    ("failure", "status", "error"),
    [
        (errors.AmazonUnavailable, 503, "temporarily_unavailable"),
        (errors.Throttled, 503, "temporarily_unavailable"),
        (errors.UnreadableAnswer, 503, "temporarily_unavailable"),
    ],
)
async def test_weather(
    house: House,
    http: httpx2.AsyncClient,
    failure: type[errors.EvergrantError],
    status: int,
    error: str,
) -> None:
    fields = await form(house, await house.account())
    house.fakes.lwa.fail(failure)
    house.fakes.clock.move(hours=2)
    refused(await http.post(PATH, data=fields), status, error)


async def test_a_database_that_is_away(house: House, http: httpx2.AsyncClient) -> None:
    fields = await form(house, await house.account())
    house.fakes.store.down = True
    refused(await http.post(PATH, data=fields), 503, "temporarily_unavailable")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grant_type": ""}, "invalid_request"),
        ({"client_id": ""}, "invalid_request"),
        ({"refresh_token": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
    ],
)
async def test_what_is_missing_is_named(
    house: House, http: httpx2.AsyncClient, change: dict[str, str], error: str
) -> None:
    fields = await form(house, await house.account())
    refused(await http.post(PATH, data=fields | change), 400, error)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "text/plain"}, b"grant_type=refresh_token"),
        ({}, b"grant_type=refresh_token"),
        ({"content-type": "application/json"}, b"grant_type=refresh_token"),
        ({"content-type": "application/json"}, b"[]"),
        ({"content-type": "application/json"}, b'{"grant_type": 7}'),
        ({"content-type": "application/json"}, b"[" * 5000),
        ({"content-type": "application/x-www-form-urlencoded"}, b"a=%ff"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"\xff\xfe"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"a=1&a=2"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"&".join([b"a=b"] * 99)),
        ({"content-type": "application/x-www-form-urlencoded"}, b""),
    ],
)
async def test_what_is_no_token_request_is_refused(
    http: httpx2.AsyncClient, headers: dict[str, str], body: bytes
) -> None:
    refused(await http.post(PATH, content=body, headers=headers), 400, "invalid_request")


@pytest.mark.parametrize("basic", ["", "?", "eA==", base64.b64encode(b"\xff:\xff").decode()])
async def test_a_broken_basic_header_is_a_wrong_client(
    http: httpx2.AsyncClient, basic: str
) -> None:
    answer = await http.post(
        PATH,
        data={"grant_type": "refresh_token"},
        headers={"authorization": f"Basic {basic}"},
    )
    refused(answer, 401, "invalid_client")
    assert answer.headers["www-authenticate"] == "Basic"


async def test_two_different_secrets_are_refused(house: House, http: httpx2.AsyncClient) -> None:
    fields = await form(house, await house.account())
    answer = await http.post(PATH, data=fields, auth=("my-erp", "another"))
    refused(answer, 400, "invalid_request")


async def test_a_large_body_is_not_read(http: httpx2.AsyncClient) -> None:
    answer = await http.post(
        PATH,
        content=b"a=" + b"x" * 100_000,
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    refused(answer, 413, "invalid_request")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_it_takes_post(http: httpx2.AsyncClient, method: str) -> None:
    answer = await http.request(method, PATH)
    refused(answer, 405, "invalid_request")
    assert answer.headers["allow"] == "POST"


# --- grantless ----------------------------------------------------------------------------------


async def grantless(house: House, *rights: str, **other: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "scope": NOTIFICATIONS_SCOPE,
        "client_id": house.application_id,
        "client_secret": await house.api_key(*rights),
    } | other


async def test_grantless_tokens(house: House, http: httpx2.AsyncClient) -> None:
    fields = await grantless(house)
    told = (await http.post(PATH, data=fields)).json()
    assert house.about(told["access_token"]) == NOTIFICATIONS_SCOPE
    assert "refresh_token" not in told
    again = (await http.post(PATH, data=fields)).json()
    assert again["access_token"] == told["access_token"]


async def test_who_gets_no_grantless_token(house: House, http: httpx2.AsyncClient) -> None:
    wishes = (
        (await grantless(house, scope=""), "invalid_request"),
        (await grantless(house, scope="profile"), "invalid_scope"),
        (await grantless(house, client_id="my-erp"), "unauthorized_client"),
        (await grantless(house, "read"), "unauthorized_client"),
        (await grantless(house, scope=ROTATION_SCOPE), "unauthorized_client"),
        (await grantless(house, client_id="app_nowhere"), "invalid_grant"),
    )
    for fields, error in wishes:
        refused(await http.post(PATH, data=fields), 400, error)
    assert house.fakes.lwa.count("grantless") == 0


# --- the SDKs that people use -------------------------------------------------------------------


class Served:
    """The door behind a real socket, in a thread with a loop of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.house = House()
        config = uvicorn.Config(
            lwa.build(self.house.desk, SETTINGS),
            port=0,
            lifespan="off",
            log_level="error",
            access_log=False,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.server.serve())

    def do(self, errand: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(errand, self.loop).result(20)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    served.thread.start()
    try:
        ready = threading.Event()
        for _ in range(500):
            if served.server.started or ready.wait(0.01):
                break
        served.do(served.house.open())
        yield served
    finally:
        served.server.should_exit = True
        served.thread.join(60)
        served.loop.close()


def test_the_official_sdk_gets_its_token_here(served: Served) -> None:
    level = logging.getLogger().level
    from spapi.auth.lwa_request import AccessTokenCache

    logging.getLogger().setLevel(level)
    account_id = served.do(served.house.account())
    cache = AccessTokenCache(
        client_id="my-erp",
        client_secret=served.do(served.house.api_key()),
        refresh_token=served.do(served.house.connection_key(account_id)),
        oauth_endpoint=f"http://{served.host}{PATH}",
    )
    assert served.house.about(cache.get_lwa_access_token()) == account_id


def test_python_amazon_sp_api_gets_its_token_here_and_understands_a_refusal(
    served: Served,
) -> None:
    from sp_api.auth import AccessTokenClient
    from sp_api.auth.exceptions import AuthorizationError

    class ThroughEvergrant(AccessTokenClient):  # type: ignore[misc]  # untyped library
        scheme = "http://"
        host = served.host

    account_id = served.do(served.house.account())

    class Keys:
        lwa_app_id = "my-erp"
        lwa_client_secret = served.do(served.house.api_key())
        refresh_token = served.do(served.house.connection_key(account_id))

    client = ThroughEvergrant(credentials=Keys)
    with contextlib.closing(client._transport):
        assert served.house.about(client.get_auth().access_token) == account_id
    Keys.refresh_token = f"egc_{secrets.token_urlsafe(32)}"
    stranger = ThroughEvergrant(credentials=Keys)
    with contextlib.closing(stranger._transport), pytest.raises(AuthorizationError) as told:
        stranger.get_auth()
    assert told.value.error_code == "invalid_grant"


async def test_a_client_instance_that_only_asks_for_tokens_is_seen(
    house: House, http: httpx2.AsyncClient
) -> None:
    fields = await form(house, await house.account())
    fields["client_secret"] = await house.api_key(instance=house.instance_id)
    assert (await http.post("/auth/o2/token", data=fields)).status_code == 200
    instance = await house.desk.registry.instance(house.instance_id, by=SYSTEM)
    assert instance.last_seen_at == house.fakes.clock.now()
