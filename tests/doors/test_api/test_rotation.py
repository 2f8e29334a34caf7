"""Client secrets over ``/v1``."""

from __future__ import annotations

import secrets
from datetime import timedelta

import httpx2

from evergrant.rules.rights import Right
from evergrant.rules.secrecy import Secret
from tests.doors.test_api.conftest import House


def fresh_secret() -> str:
    return "amzn1.oa2-cs.v1." + secrets.token_hex(32)


async def test_a_client_secret_is_replaced_once_amazon_takes_it(
    house: House, caller: httpx2.AsyncClient
) -> None:
    application = await house.application(caller)
    path = f"/v1/applications/{application['id']}"
    fresh = fresh_secret()
    wrong = await caller.post(f"{path}/secret", json={"lwa_client_secret": fresh})
    assert wrong.status_code == 422, wrong.text
    assert wrong.json()["flaws"][0]["code"] == "refused_client_secret"
    assert fresh not in wrong.text
    house.lwa.add_client(application["lwa_client_id"], Secret(fresh))
    house.lwa.fail()
    down = await caller.post(f"{path}/secret", json={"lwa_client_secret": fresh})
    assert (down.status_code, down.json()["blame"]) == (503, "amazon")
    house.lwa.clear()
    done = await caller.post(f"{path}/secret", json={"lwa_client_secret": f" {fresh}\n"})
    assert done.status_code == 200, done.text
    assert done.json()["changed"] is True
    assert fresh not in done.text
    again = await caller.post(
        f"{path}/secret",
        json={
            "lwa_client_secret": fresh,
            "secret_expires_at": (house.clock.now() + timedelta(days=99)).isoformat(),
        },
    )
    assert again.json()["changed"] is False
    state = (await caller.get(f"{path}/rotation")).json()
    assert state["phase"] == "ok"
    assert state["automatic"] is False
    assert "by hand" in state["obstacle"]
    listed = (await caller.get(f"{path}/rotations")).json()["items"]
    assert [one["source"] for one in listed] == ["pasted"]


async def test_a_rotation_is_not_started_where_it_cannot_end_well(
    house: House, caller: httpx2.AsyncClient
) -> None:
    application = await house.application(caller)
    path = f"/v1/applications/{application['id']}"
    refused = await caller.post(f"{path}/rotation")
    assert refused.status_code == 409, refused.text
    assert "queue" in refused.json()["detail"]
    reader = await house.caller(Right.READ)
    assert (await reader.get(f"{path}/rotation")).status_code == 200
    assert (await reader.get(f"{path}/rotations")).status_code == 200
    assert (await reader.post(f"{path}/rotation")).status_code == 403
    posted = await reader.post(f"{path}/secret", json={"lwa_client_secret": fresh_secret()})
    assert posted.status_code == 403
    nobody = "/v1/applications/app_" + "0" * 26
    assert (await caller.get(f"{nobody}/rotation")).status_code == 404
    assert (await caller.post(f"{nobody}/rotation")).status_code == 404
