"""Who asks at the gateway: passes, keys, restricted data, and nobody else's accounts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evergrant.entrances.gateway import decide
from evergrant.rules.applications import NOTIFICATIONS_SCOPE, ROTATION_SCOPE
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from tests.doors.gateway_house import (
    EVERYTHING,
    FEEDS,
    ORDERS,
    PARTICIPATIONS,
    READING,
    SETTINGS,
    Answer,
    House,
    Program,
    refused,
)

RESTRICTED = "/tokens/2021-03-01/restrictedDataToken"
DESTINATIONS = "/notifications/v1/destinations"


@pytest.fixture
async def house() -> House:
    return await House().open()


def lwa_refused(answer: Answer, status: int, error: str) -> str:
    told = answer.json()
    assert (answer.status, told["error"]) == (status, error), told
    assert set(told) == {"error", "error_description", "request_id"}
    description: str = told["error_description"]
    return description


async def ask_as(house: House, credential: str, **headers: str) -> Answer:
    more = [(f"x-evergrant-{name}", value) for name, value in headers.items()]
    return await house.ask("GET", PARTICIPATIONS, [("x-amz-access-token", credential), *more])


def served_to(house: House) -> str:
    """The account in whose name the last call was made."""
    return house.about(house.fakes.upstream.seen[-1].access_token)


# --- passes -------------------------------------------------------------------------------------


async def test_an_sdk_gets_a_pass_and_calls_with_it(house: House) -> None:
    for account_id in (await house.account(), await house.account()):
        connection_key = await house.connection_key(account_id)
        answer = await house.token(
            grant_type="refresh_token",
            client_id="an SDK",
            client_secret=await house.api_key(),
            refresh_token=connection_key,
        )
        told = answer.json()
        assert answer.status == 200
        assert set(told) == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert told["access_token"].startswith("egp_")
        assert told["token_type"] == "bearer"
        assert told["expires_in"] == 3600
        assert told["refresh_token"] == connection_key
        assert answer.header("cache-control") == "no-store"
        assert (await ask_as(house, told["access_token"])).status == 200
        assert served_to(house) == account_id


def over(answer: Answer) -> None:
    """As Amazon says it of an access token, which is when SDKs fetch another by themselves."""
    told = refused(answer, 403, "not_authenticated")
    [error] = told["errors"]
    assert error["code"] == "Unauthorized"
    assert error["details"].startswith("The access token you provided has expired.")
    assert told["facts"] == {"pass": "over"}
    assert not answer.header("www-authenticate")


async def test_a_pass_is_over_after_an_hour(house: House) -> None:
    handed = await house.pass_of(await house.account())
    began_at = house.fakes.clock.now()
    left_s = 3600 - began_at.microsecond / 1e6  # it ends to the second
    _later(house, left_s - 0.01)
    assert (await ask_as(house, handed)).status == 200
    # Within the moment for which the door knows who that was.
    _later(house, 0.01)
    over(await ask_as(house, handed))
    _later(house, 7200)
    over(await ask_as(house, handed))


async def test_nginx_says_the_same_of_a_pass_that_is_over(house: House) -> None:
    door = decide.build(house.desk, SETTINGS)
    plane = await house.api_key("data_plane")
    handed = await house.pass_of(await house.account())
    asked = [
        ("x-evergrant-data-plane", plane),
        ("x-evergrant-method", "GET"),
        ("x-evergrant-uri", PARTICIPATIONS),
        ("x-amz-access-token", handed),
    ]
    for seconds, status in ((0, 200), (3600, 403)):
        _later(house, seconds)
        answer = await Program(door, "GET", "/decide", asked).run()
        assert answer.status == status
    problem = json.loads(answer.header("x-evergrant-problem"))
    assert answer.header("x-evergrant-refused") == "403"
    assert problem["errors"][0]["details"].startswith("The access token you provided has expired.")


@pytest.mark.parametrize("hours", [2, -2])
async def test_a_clock_that_leaps_takes_nobody_along(house: House, hours: int) -> None:
    account_id = await house.account()
    handed = await house.pass_of(account_id)
    made = await house.desk.people.add_api_key(name="x", rights=READING, by=SYSTEM)
    bearer = ("authorization", f"Bearer {made.secret.reveal()}")
    who = [bearer, ("x-evergrant-account", account_id)]
    assert (await ask_as(house, handed)).status == 200
    assert (await house.ask("GET", PARTICIPATIONS, who)).status == 200
    await house.desk.people.revoke_api_key(made.key.id, by=SYSTEM)
    _later(house, hours * 3600)
    refused(await house.ask("GET", PARTICIPATIONS, who), 401, "not_authenticated")
    if hours > 0:
        over(await ask_as(house, handed))


async def test_a_pass_dies_with_its_api_key(house: House) -> None:
    account_id = await house.account()
    made = await house.desk.people.add_api_key(name="x", rights=READING, by=SYSTEM)
    handed = (
        await house.token(
            grant_type="refresh_token",
            client_id=made.key.id,
            client_secret=made.secret.reveal(),
            refresh_token=await house.connection_key(account_id),
        )
    ).json()["access_token"]
    assert (await ask_as(house, handed)).status == 200
    await house.desk.people.revoke_api_key(made.key.id, by=SYSTEM)
    _later(house, 1)
    answer = await ask_as(house, handed)
    refused(answer, 401, "not_authenticated")
    # No other pass would do.
    assert "expired" not in answer.json()["errors"][0]["details"]
    assert len(house.fakes.upstream.seen) == 1


async def test_a_pass_dies_with_its_connection_key(house: House) -> None:
    account_id = await house.account()
    handed = await house.pass_of(account_id)
    assert (await ask_as(house, handed)).status == 200
    [key] = await house.desk.people.connection_keys(account_id, by=SYSTEM)
    await house.desk.people.revoke_connection_key(key.id, by=SYSTEM)
    _later(house, 1)
    refused(await ask_as(house, handed), 401, "not_authenticated")


async def test_a_rotated_key_keeps_its_passes_for_as_long_as_it_lives(house: House) -> None:
    account_id = await house.account()
    made = await house.desk.people.add_api_key(name="x", rights=READING, by=SYSTEM)
    bearer = [("authorization", f"Bearer {made.secret.reveal()}")]
    who = [*bearer, ("x-evergrant-account", account_id)]
    fresh = await house.desk.people.rotate_api_key(made.key.id, by=SYSTEM)
    _later(house, 1)
    assert (await house.ask("GET", PARTICIPATIONS, who)).status == 200
    _later(house, 40 * 86_400)
    refused(await house.ask("GET", PARTICIPATIONS, who), 401, "not_authenticated")
    new = [("authorization", f"Bearer {fresh.secret.reveal()}"), who[1]]
    assert (await house.ask("GET", PARTICIPATIONS, new)).status == 200


def _later(house: House, seconds: float) -> None:
    house.fakes.clock.move(seconds=seconds)


async def test_the_moment_of_the_door_is_short(house: House) -> None:
    made = await house.desk.people.add_api_key(name="x", rights=READING, by=SYSTEM)
    who = [
        ("authorization", f"Bearer {made.secret.reveal()}"),
        ("x-evergrant-account", await house.account()),
    ]
    assert (await house.ask("GET", PARTICIPATIONS, who)).status == 200
    await house.desk.people.revoke_api_key(made.key.id, by=SYSTEM)
    assert (await house.ask("GET", PARTICIPATIONS, who)).status == 200
    _later(house, 0.1)
    refused(await house.ask("GET", PARTICIPATIONS, who), 401, "not_authenticated")


async def test_forged_passes(house: House) -> None:
    handed = await house.pass_of(await house.account())
    other = await house.pass_of(await house.account())
    half = len(handed) // 2
    for forged in (
        handed[:-1],
        handed[:-4] + "AAAA",
        handed + "A",
        handed[:half] + other[half:],
        handed.replace("egp_", "egp_A", 1),
        "egp_",
        "egp_" + "A" * 200,
        "egp_" + "A" * 30_000,
        "egp_" + "é" * 50,
    ):
        over(await ask_as(house, forged))
    elsewhere = await House().open()
    over(await ask_as(elsewhere, handed))
    assert not house.fakes.upstream.seen


@pytest.mark.parametrize(
    "sent",
    ["Atza|IwEBIJ", "Atzr|IwEBIJ", "Atz.sprdt|AYAB", "", "egc_", "basic", "null", "Bearer egk_x"],
)
async def test_what_is_none_of_ours_goes_nowhere(house: House, sent: str) -> None:
    answer = await ask_as(house, sent, account=await house.account())
    problem = refused(answer, 401, "not_authenticated")
    assert sent not in answer.body.decode() or len(sent) < 6
    assert problem["errors"][0]["code"] == "Unauthorized"
    assert not house.fakes.upstream.seen


# --- the token endpoint's refusals --------------------------------------------------------------


async def test_refusals_in_the_shape_of_lwa(house: House) -> None:
    account_id = await house.account()
    form = {
        "grant_type": "refresh_token",
        "client_id": "x",
        "client_secret": await house.api_key(),
        "refresh_token": await house.connection_key(account_id),
    }
    wrong = await house.token(**form | {"client_secret": "egk_made_up"})
    lwa_refused(wrong, 401, "invalid_client")
    wrong = await house.token(**form | {"client_id": "key_01kjpwd6m0p9xtax2e2y712gxh"})
    lwa_refused(wrong, 401, "invalid_client")
    wrong = await house.token(**form | {"refresh_token": "egc_made_up"})
    lwa_refused(wrong, 400, "invalid_grant")
    wrong = await house.token(**form | {"refresh_token": ""})
    lwa_refused(wrong, 400, "invalid_request")
    wrong = await house.token(**form | {"grant_type": "authorization_code"})
    lwa_refused(wrong, 400, "unsupported_grant_type")
    idle = await house.api_key("access_tokens")
    lwa_refused(await house.token(**form | {"client_secret": idle}), 400, "unauthorized_client")
    elsewhere = await house.api_key(*READING, instance=await house.instance())
    lwa_refused(await house.token(**form | {"client_secret": elsewhere}), 400, "invalid_grant")
    assert (await house.ask("GET", "/auth/o2/token")).status == 405
    assert not house.fakes.upstream.seen


async def test_a_dead_grant_is_told_in_amazons_words(house: House) -> None:
    account_id = await house.account(connected=False)
    answer = await house.token(
        grant_type="refresh_token",
        client_id="x",
        client_secret=await house.api_key(),
        refresh_token=await house.connection_key(account_id),
    )
    assert "consent" in lwa_refused(answer, 400, "invalid_grant")


# --- keys without a pass ------------------------------------------------------------------------


async def test_a_key_and_an_account(house: House) -> None:
    account_id = await house.account()
    key = await house.api_key()
    connection_key = await house.connection_key(account_id)
    assert (await ask_as(house, key, account=account_id)).status == 200
    assert (await ask_as(house, key, connection=connection_key)).status == 200
    assert (await ask_as(house, key, account=account_id, connection=connection_key)).status == 200
    assert served_to(house) == account_id
    refused(await ask_as(house, key), 400, "invalid_input")
    alone = await house.api_key(*READING, accounts=[account_id])
    assert (await ask_as(house, alone)).status == 200
    assert served_to(house) == account_id


async def test_old_sdks_sign_for_aws_as_well(house: House) -> None:
    handed = await house.pass_of(await house.account())
    answer = await house.ask(
        "GET",
        PARTICIPATIONS,
        [
            ("authorization", "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=y"),
            ("x-amz-security-token", "of AWS"),
            ("x-amz-access-token", handed),
        ],
    )
    assert answer.status == 200
    [seen] = house.fakes.upstream.seen
    assert not seen.header("authorization")
    assert not seen.header("x-amz-security-token")


# --- nobody else's accounts ---------------------------------------------------------------------


async def test_a_pass_is_for_one_account(house: House) -> None:
    mine, theirs = await house.account(), await house.account()
    handed = await house.pass_of(mine)
    refused(await ask_as(house, handed, account=theirs), 400, "invalid_input")
    connection = await house.connection_key(theirs)
    refused(await ask_as(house, handed, connection=connection), 400, "invalid_input")
    refused(await ask_as(house, handed, connection="egc_unknown"), 401, "not_authenticated")
    assert (await ask_as(house, handed, account=mine)).status == 200
    own = await house.connection_key(mine)
    assert (await ask_as(house, handed, connection=own)).status == 200
    assert {house.about(seen.access_token) for seen in house.fakes.upstream.seen} == {mine}


async def test_two_identities_are_none(house: House) -> None:
    mine, theirs = await house.account(), await house.account()
    one, other = await house.pass_of(mine), await house.pass_of(theirs)
    for headers in (
        [("x-amz-access-token", one), ("x-amz-access-token", other)],
        [("x-amz-access-token", one), ("x-amz-access-token", one)],
        [("authorization", f"Bearer {one}"), ("x-amz-access-token", other)],
        [("authorization", f"Bearer {one}"), ("authorization", f"Bearer {one}")],
        [
            ("x-amz-access-token", one),
            ("x-evergrant-account", mine),
            ("x-evergrant-account", mine),
        ],
        [("x_amz_access_token", other), ("x-amz-access-token", one)],
        [("x-evergrant_account", theirs), ("x-amz-access-token", one)],
    ):
        refused(await house.ask("GET", PARTICIPATIONS, headers), 400, "invalid_input")
    assert not house.fakes.upstream.seen


async def test_ids_that_are_none(house: House) -> None:
    key = await house.api_key()
    for account in ("acc_x", "ACC_01KJPWD6M0P9XTAX2E2Y712GXH", "app_" + "0" * 26, "'; --", "*"):
        refused(await ask_as(house, key, account=account), 400, "invalid_input")
    nobody = "acc_01kjpwd6m0p9xtax2e2y712gxh"
    refused(await ask_as(house, key, account=nobody), 404, "not_found")


async def test_rights(house: House) -> None:
    account_id = await house.account()
    reader = await house.bearer(account_id, "amazon_read")
    writer = await house.bearer(account_id, "amazon_write")
    tokens = await house.bearer(account_id, "access_tokens")
    assert (await house.ask("GET", PARTICIPATIONS, reader)).status == 200
    refused(await house.ask("POST", FEEDS, reader, b"{}"), 403, "not_allowed")
    refused(await house.ask("GET", PARTICIPATIONS, writer), 403, "not_allowed")
    refused(await house.ask("GET", PARTICIPATIONS, tokens), 403, "not_allowed")
    assert (await house.ask("POST", FEEDS, writer, b"{}")).status == 200
    assert len(house.fakes.upstream.seen) == 2


# --- restricted data ----------------------------------------------------------------------------


def _named(*resources: tuple[str, str, list[str] | None]) -> bytes:
    rows: list[dict[str, Any]] = []
    for method, path, elements in resources:
        rows.append({"method": method, "path": path})
        if elements is not None:
            rows[-1]["dataElements"] = elements
    return json.dumps({"restrictedResources": rows}).encode()


async def test_a_restricted_data_token_is_a_pass(house: House) -> None:
    account_id = await house.account()
    handed = await house.pass_of(account_id, *EVERYTHING)
    body = _named(
        ("GET", "/orders/v0/orders/{orderId}/address", None),
        ("GET", ORDERS, ["buyerInfo", "shippingAddress"]),
    )
    answer = await house.ask("POST", RESTRICTED, [("x-amz-access-token", handed)], body)
    assert answer.status == 200, answer.body
    told = answer.json()
    assert set(told) == {"restrictedDataToken", "expiresIn"}
    assert told["expiresIn"] == 3600
    assert not house.fakes.upstream.seen

    restricted = [("x-amz-access-token", told["restrictedDataToken"])]
    answer = await house.ask("GET", ORDERS, restricted)
    assert answer.status == 200
    address = "/orders/v0/orders/902-3159896-1390916/address"
    assert (await house.ask("GET", address, restricted)).status == 200
    tokens = [seen.access_token for seen in house.fakes.upstream.seen]
    assert all(house.fakes.lwa.issued(Secret(token)) is None for token in tokens)
    assert len(set(tokens)) == 2
    for path in ("/orders/v0/orders/1/2/address", "/orders/v0/orders//address", PARTICIPATIONS):
        assert (await house.ask("GET", path, restricted)).status in (400, 403)
    refused(await house.ask("POST", ORDERS, restricted, b"{}"), 403, "not_allowed")
    refused(await house.ask("POST", RESTRICTED, restricted, body), 403, "not_allowed")
    assert len(house.fakes.upstream.seen) == 2


async def test_elements_by_header(house: House) -> None:
    who = await house.bearer(await house.account(), *EVERYTHING)
    plain = await house.ask("GET", ORDERS, who)
    named = await house.ask("GET", ORDERS, [*who, ("x-evergrant-data-elements", "buyerInfo")])
    assert (plain.status, named.status) == (200, 200)
    first, second = house.fakes.upstream.seen
    assert house.fakes.lwa.issued(Secret(first.access_token)) is not None
    assert house.fakes.lwa.issued(Secret(second.access_token)) is None
    for wrong in ("buyerinfo,<script>", "nothing", "x" * 100):
        answer = await house.ask("GET", ORDERS, [*who, ("x-evergrant-data-elements", wrong)])
        refused(answer, 400, "invalid_input")


async def test_without_the_right_nobody_gets_personal_data(house: House) -> None:
    account_id = await house.account()
    handed = await house.pass_of(account_id)
    body = _named(("GET", ORDERS, ["buyerInfo"]))
    answer = await house.ask("POST", RESTRICTED, [("x-amz-access-token", handed)], body)
    refused(answer, 403, "not_allowed")
    who = [("x-amz-access-token", handed), ("x-evergrant-data-elements", "buyerInfo")]
    refused(await house.ask("GET", ORDERS, who), 403, "not_allowed")
    who = [("x-amz-access-token", handed)]
    refused(await house.ask("GET", "/orders/v0/orders/1/address", who), 403, "not_allowed")
    refused(await house.ask("GET", "/nobody/v9/knows", who), 403, "not_allowed")
    assert not house.fakes.upstream.seen


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"restrictedResources":[]}',
        b'{"restrictedResources":{}}',
        b'{"restrictedResources":[1]}',
        b'{"restrictedResources":[{"method":"PATCH","path":"/a/v1/b"}]}',
        b'{"restrictedResources":[{"method":[],"path":"/a/v1/b"}]}',
        b'{"restrictedResources":[{"method":"GET","path":"a"}]}',
        b'{"restrictedResources":[{"method":"GET","path":"/a\\u0000"}]}',
        b'{"restrictedResources":[{"method":"GET","path":"/a\\ud800"}]}',
        b'{"restrictedResources":[{"method":"GET","path":"/orders/v0/orders","dataElements":["x"]}]}',
        b'{"restrictedResources":[{"method":"GET","path":"/orders/v0/orders","dataElements":"x"}]}',
        b'{"restrictedResources":[{"method":"GET","path":"/orders/v0/orders","dataElements":[1]}]}',
        b'{"targetApplication":"x","restrictedResources":[{"method":"GET","path":"/orders/v0/orders"}]}',
        b"[" * 50_000,
        json.dumps(
            {"restrictedResources": [{"method": "GET", "path": ORDERS} for _ in range(51)]}
        ).encode(),
    ],
)
async def test_restricted_resources_that_are_none(house: House, body: bytes) -> None:
    who = await house.bearer(await house.account(), *EVERYTHING)
    problem = refused(await house.ask("POST", RESTRICTED, who, body), 400, "invalid_input")
    assert problem["errors"][0]["code"] == "InvalidInput"


async def test_a_restricted_data_token_of_many_megabytes(house: House) -> None:
    who = await house.bearer(await house.account(), *EVERYTHING)
    answer = await house.ask("POST", RESTRICTED, who, [b" " * 50_000] * 4)
    refused(answer, 413, "too_large")


# --- grantless ----------------------------------------------------------------------------------


async def _grantless(house: House, key: str, client_id: str, scope: str) -> Answer:
    return await house.token(
        grant_type="client_credentials", client_id=client_id, client_secret=key, scope=scope
    )


async def test_a_grantless_pass(house: House) -> None:
    account_id = await house.account(region="na")
    key = await house.api_key()
    for client_id in (house.application_id, account_id):
        answer = await _grantless(house, key, client_id, NOTIFICATIONS_SCOPE)
        told = answer.json()
        assert answer.status == 200, told
        assert set(told) == {"access_token", "token_type", "expires_in"}
        who = [("x-amz-access-token", told["access_token"])]
        assert (await house.ask("GET", DESTINATIONS, who)).status == 200
        seen = house.fakes.upstream.seen[-1]
        assert seen.request.endpoint == "https://sellingpartnerapi-na.amazon.com"
        issued = house.fakes.lwa.issued(Secret(seen.access_token))
        assert issued is not None
        assert issued.about != account_id
        refused(await house.ask("GET", PARTICIPATIONS, who), 403, "not_allowed")
        refused(await house.ask("POST", FEEDS, who, b"{}"), 403, "not_allowed")
        rotation = "/applications/2023-11-30/clientSecret"
        refused(await house.ask("POST", rotation, who), 403, "not_allowed")


async def test_refused_grantless_passes(house: House) -> None:
    key = await house.api_key()
    app = house.application_id
    lwa_refused(await _grantless(house, key, app, NOTIFICATIONS_SCOPE), 400, "unauthorized_client")
    mine = await house.account()
    bound = await house.api_key(*READING, instance=house.instance_id)
    to_mine = await house.api_key(*READING, accounts=[mine])
    for narrow in (bound, to_mine):
        for client_id in (app, mine):
            answer = await _grantless(house, narrow, client_id, NOTIFICATIONS_SCOPE)
            lwa_refused(answer, 400, "unauthorized_client")
    lwa_refused(await _grantless(house, key, app, "sellingpartnerapi::x"), 400, "invalid_scope")
    lwa_refused(await _grantless(house, key, app, ""), 400, "invalid_request")
    lwa_refused(await _grantless(house, key, app, ROTATION_SCOPE), 400, "unauthorized_client")
    for nobody in ("amzn1.application-oa2-client.x", "acc_x", "app_x"):
        answer = await _grantless(house, key, nobody, NOTIFICATIONS_SCOPE)
        lwa_refused(answer, 400, "unauthorized_client")
    await house.account(region="na")
    description = lwa_refused(
        await _grantless(house, key, app, NOTIFICATIONS_SCOPE), 400, "unauthorized_client"
    )
    assert "several regions" in description
