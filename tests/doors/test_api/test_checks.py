"""`/v1/checks`: findings and the list of reviews for programs, and signing over HTTP."""

from __future__ import annotations

from typing import Any

import httpx2

from evergrant.rules.reviews import ITEMS
from evergrant.rules.rights import Right
from tests.doors.test_api.conftest import House


def one(told: Any, item: str, subject: str = "") -> Any:
    [found] = [row for row in told["reviews"] if (row["item"], row["subject"]) == (item, subject)]
    return found


async def test_findings_and_the_list(
    house: House, caller: httpx2.AsyncClient, account: dict[str, Any]
) -> None:
    answer = await caller.get("/v1/checks")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["ready"] is False
    assert {"EG003", "EG031", "EG097"} <= {row["code"] for row in told["findings"]}
    for row in told["findings"]:
        assert row["title"]
        assert row["hint"]
    assert {row["item"] for row in told["reviews"]} == set(ITEMS)
    settings = one(told, "local-settings")
    assert settings["looked_at"]["EVERGRANT_BODY_LIMIT"] == "20000"
    assert settings["state"] == "waiting"
    assert settings["signed_at"] is None
    credentials = one(told, "integration-credentials", account["application_id"])
    assert credentials["by_machine"] is True
    assert credentials["state"] == "passed"
    assert one(told, "instance-answers", account["client_instance_id"])["state"] == "failed"


async def test_signing_over_http(house: House, account: dict[str, Any]) -> None:
    manager = await house.caller(Right.MANAGE, Right.READ)
    told = (await manager.get("/v1/checks")).json()
    seen = one(told, "registration", account["application_id"])
    wish = {
        "subject": seen["subject"],
        "name": "Ada Lovelace",
        "note": "compared",
        "digest": seen["digest"],
    }
    answer = await manager.post("/v1/checks/registration/sign-off", json=wish)
    assert answer.status_code == 200, answer.text
    signed = answer.json()
    assert signed["state"] == "signed"
    assert signed["signed_by"] == "Ada Lovelace"
    assert signed["signed_as"].startswith("api_key:key_")
    changed = await manager.patch(
        f"/v1/applications/{seen['subject']}", json={"redirect_uri": "https://x.example/callback"}
    )
    assert changed.status_code == 200, changed.text
    told = (await manager.get("/v1/checks")).json()
    assert one(told, "registration", seen["subject"])["state"] == "stale"
    assert "EG098" in {row["code"] for row in told["findings"]}
    again = await manager.post("/v1/checks/registration/sign-off", json=wish)
    assert again.status_code == 409, "something else is there than was seen"
    taken = await manager.post(
        "/v1/checks/registration/withdraw", json={"subject": seen["subject"]}
    )
    assert taken.status_code == 200, taken.text
    assert taken.json()["state"] == "waiting"
    gone = await manager.post("/v1/checks/registration/withdraw", json={"subject": seen["subject"]})
    assert gone.status_code == 404


async def test_the_key_signs_where_nobody_is_named(house: House) -> None:
    manager = await house.caller(Right.MANAGE)
    signed = await manager.post("/v1/checks/backups/sign-off", json={})
    assert signed.status_code == 200, signed.text
    assert signed.json()["signed_by"] == "a program"


async def test_what_cannot_be_signed(
    house: House, caller: httpx2.AsyncClient, account: dict[str, Any]
) -> None:
    async def status(item: str, **wish: Any) -> int:
        answer = await caller.post(f"/v1/checks/{item}/sign-off", json=wish)
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code

    app, ins = account["application_id"], account["client_instance_id"]
    assert await status("made-up") == 404
    assert await status("registration") == 404
    assert await status("registration", subject=ins) == 404
    assert await status("backups", subject=app) == 404
    assert await status("integration-credentials", subject=app) == 409
    assert await status("backups", digest="0" * 64) == 409
    assert await status("backups", note="x" * 501) == 422
    assert await status("backups", nam="x") == 422
    assert await status("Not%20a%20name") == 404


async def test_rights_and_reach(house: House, account: dict[str, Any]) -> None:
    reader = await house.caller(Right.READ)
    assert (await reader.get("/v1/checks")).status_code == 200
    assert (await reader.get("/v1/checks", params={"live": "true"})).status_code == 403
    assert (await reader.post("/v1/checks/backups/sign-off", json={})).status_code == 403
    assert (await reader.post("/v1/checks/backups/withdraw", json={})).status_code == 403
    for bound in (
        await house.caller(instance=account["client_instance_id"]),
        await house.caller(accounts=[account["id"]]),
    ):
        assert (await bound.get("/v1/checks")).status_code == 403
    stranger = await house.stranger()
    assert (await stranger.get("/v1/checks")).status_code == 401


async def test_live_asks_login_with_amazon(
    house: House, caller: httpx2.AsyncClient, account: dict[str, Any]
) -> None:
    before = len(house.lwa.calls)
    await caller.get("/v1/checks")
    assert len(house.lwa.calls) == before
    house.lwa.drop_secrets(account["lwa_client_id"])
    told = (await caller.get("/v1/checks", params={"live": "true"})).json()
    assert len(house.lwa.calls) > before
    assert "EG047" in {row["code"] for row in told["findings"]}
