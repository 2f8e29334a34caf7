"""Links, the state of an authorization and adopted refresh tokens over ``/v1``."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
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


# --- the day of a grant, and what comes ---------------------------------------------------------


async def test_the_day_of_a_grant_is_told_and_its_end_follows(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}"
    assert account["authorization"]["outlook"] == ""
    refresh_token = house.lwa.grant(account["lwa_client_id"], "A1SHOP")
    adopted = await caller.post(f"{path}/adopt", json={"refresh_token": refresh_token.reveal()})
    unknown = adopted.json()["authorization"]
    assert (unknown["granted_at"], unknown["next_reminder_at"]) == (None, None)
    assert unknown["outlook"].startswith("Nobody knows when it ends")
    given_at = (house.clock.now() - timedelta(days=20)).replace(microsecond=0)
    told = await caller.put(f"{path}/granted-at", json={"granted_at": given_at.isoformat()})
    assert told.status_code == 200, told.text
    own = told.json()["authorization"]
    ends_at = given_at + timedelta(days=365)
    assert datetime.fromisoformat(own["granted_at"]) == given_at
    assert datetime.fromisoformat(own["term_ends_at"]) == ends_at
    first = datetime.fromisoformat(own["next_reminder_at"])
    assert first == (ends_at - timedelta(days=30)).replace(hour=0, minute=0, second=0)
    assert own["outlook"].startswith(f"Authorized until {ends_at.day} ")
    assert "first renewal mail goes out on" in own["outlook"]
    again = await caller.put(f"{path}/granted-at", json={"granted_at": given_at.isoformat()})
    assert again.json() == told.json(), "repeating it is safe"
    assert (await caller.get(path)).json() == told.json()
    assert (await caller.get("/v1/accounts")).json()["items"] == [told.json()]
    assert (await caller.get(f"{path}/authorization")).json()["authorization"] == own


async def test_days_that_cannot_be_are_refused(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}/granted-at"
    now = house.clock.now()
    nothing = await caller.put(path, json={"granted_at": now.isoformat()})
    assert nothing.status_code == 409, "there is no grant yet"
    refresh_token = house.lwa.grant(account["lwa_client_id"], "A1SHOP")
    await caller.post(
        f"/v1/accounts/{account['id']}/adopt", json={"refresh_token": refresh_token.reveal()}
    )
    for days in (5, -400):
        refused = await caller.put(
            path, json={"granted_at": (now + timedelta(days=days)).isoformat()}
        )
        assert refused.status_code == 422, refused.text
        assert refused.json()["detail"].startswith("granted_at: lies ")
    for nonsense in ("2026-03-01", 1772000000, None):
        assert (await caller.put(path, json={"granted_at": nonsense})).status_code == 422


async def test_telling_the_day_needs_both_rights(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    path = f"/v1/accounts/{account['id']}/granted-at"
    wish = {"granted_at": house.clock.now().isoformat()}
    for right in (Right.READ, Right.WRITE):
        one = await house.caller(right)
        assert (await one.put(path, json=wish)).status_code == 403
