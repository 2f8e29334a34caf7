"""Links, the state of an authorization and adopted refresh tokens over ``/v1``."""

from __future__ import annotations

import secrets
from typing import Any

import httpx2

from evergrant.rules.rights import Right
from tests.doors.test_api.conftest import House

Json = dict[str, Any]


async def test_sending_a_link_twice_makes_two_letters_of_which_one_is_open(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}"
    for _ in range(2):
        sent = await caller.post(f"{path}/invitation")
        assert sent.status_code == 201, sent.text
        assert sent.json()["email"] == account["client_email"]
        assert sent.json()["state"] == "open"
        assert "/connect/" not in sent.text, "the letter's link is for the letter"
        house.clock.move(seconds=1)
    letters = (await caller.get(f"{path}/invitations")).json()
    assert [one["state"] for one in letters["items"]] == ["withdrawn", "open"]
    assert letters["next"] is None
    assert (await caller.get(path)).json()["oauth_began"] is True
    assert len(house.bell.rung) == 2


async def test_the_link_is_shown_to_who_may_write_and_nobody_else(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}/link"
    reader = await house.caller(Right.READ, Right.ACCESS_TOKENS, Right.MANAGE)
    assert (await reader.get(path)).status_code == 403
    shown = await caller.get(path)
    assert shown.status_code == 200
    assert "/connect/" in shown.json()["link"]
    assert shown.headers["cache-control"] == "no-store"
    assert (await caller.get(path)).json() == shown.json(), "still the same letter"


async def test_adopting_a_refresh_token(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}"
    refresh_token = house.lwa.grant(account["lwa_client_id"], "A1SHOP")
    adopted = await caller.post(
        f"{path}/adopt",
        json={
            "refresh_token": refresh_token.reveal(),
            "selling_partner_id": "A1SHOP",
            "granted_at": house.clock.now().isoformat(),
        },
    )
    assert adopted.status_code == 200, adopted.text
    assert adopted.json()["authorization"]["state"] == "active"
    assert adopted.json()["authorization"]["phase"] == "fresh"
    assert refresh_token.reveal() not in adopted.text
    history = (await caller.get(f"{path}/authorization")).json()
    assert history["authorization"] == adopted.json()["authorization"]
    assert [one["source"] for one in history["grants"]] == ["adopted"]
    assert (await caller.get("/v1/accounts", params={"state": "active"})).json()["items"]


async def test_a_refused_refresh_token_is_told_in_amazons_words_and_not_stored(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}"
    made_up = "Atzr|" + secrets.token_hex(30)
    refused = await caller.post(f"{path}/adopt", json={"refresh_token": made_up})
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["code"] == "grant_refused"
    assert problem["blame"] == "partner"
    assert "invalid grant parameter" in problem["facts"]["amazon_reason"]
    assert made_up not in refused.text
    assert (await caller.get(path)).json()["authorization"]["state"] == "awaiting"


async def test_weather_is_told_as_weather(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    refresh_token = house.lwa.grant(account["lwa_client_id"], "A1SHOP")
    house.lwa.fail()
    refused = await caller.post(
        f"/v1/accounts/{account['id']}/adopt", json={"refresh_token": refresh_token.reveal()}
    )
    assert refused.status_code == 503
    assert refused.json()["blame"] == "amazon"
    assert refused.json()["permanent"] is False
    assert int(refused.headers["retry-after"]) >= 1


async def test_a_refused_application_is_not_the_accounts_fault(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    refresh_token = house.lwa.grant(account["lwa_client_id"], "A1SHOP")
    house.lwa.drop_secrets(account["lwa_client_id"])
    refused = await caller.post(
        f"/v1/accounts/{account['id']}/adopt", json={"refresh_token": refresh_token.reveal()}
    )
    assert refused.status_code == 502
    assert refused.json()["code"] == "application_refused"
    assert refused.json()["blame"] == "application"
