"""Applications, their credentials, and client instances over ``/v1``."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from evergrant.rules.rights import Right
from tests.doors.test_api.conftest import House, application_wish

Json = dict[str, Any]


async def test_an_application_is_added_listed_and_changed(caller: httpx2.AsyncClient) -> None:
    added = await caller.post("/v1/applications", json=application_wish(1))
    assert added.status_code == 201, added.text
    view = added.json()
    assert view["partner_kinds"] == ["seller", "vendor"]
    path = f"/v1/applications/{view['id']}"
    assert added.headers["location"] == path
    assert (await caller.get("/v1/applications")).json() == {"items": [view], "next": None}
    changed = await caller.patch(path, json={"status": "draft", "beta_for_vendors": True})
    assert changed.status_code == 200, changed.text
    assert changed.json()["status"] == "draft"
    assert changed.json()["beta_for_vendors"] is True
    back = await caller.patch(path, json={"beta_for_vendors": None})
    assert back.json()["beta_for_vendors"] is None
    assert (await caller.get(path)).json() == back.json()
    assert (await caller.post("/v1/applications", json=application_wish(1))).status_code == 409


async def test_reminder_days_of_an_application(caller: httpx2.AsyncClient) -> None:
    added = await caller.post("/v1/applications", json=application_wish(1))
    assert added.json()["reminder_days"] is None, "as the settings say"
    path = f"/v1/applications/{added.json()['id']}"
    for asked, settled in (([2, 30, 0], [30, 2, 0]), ([], []), (None, None)):
        changed = await caller.patch(path, json={"reminder_days": asked})
        assert changed.status_code == 200, changed.text
        assert changed.json()["reminder_days"] == settled
        assert (await caller.get(path)).json() == changed.json()
    for refused in ([181], [-1], list(range(13)), ["30"], [True], [1.5], "30", {"30": 0}):
        assert (await caller.patch(path, json={"reminder_days": refused})).status_code == 422
    own = await caller.post(
        "/v1/applications", json={**application_wish(2), "reminder_days": [14, 0]}
    )
    assert own.json()["reminder_days"] == [14, 0]


async def test_secrets_go_in_and_never_come_out(house: House, caller: httpx2.AsyncClient) -> None:
    added = (await caller.post("/v1/applications", json=application_wish(1))).json()
    path = f"/v1/applications/{added['id']}/credentials"
    assert (await caller.get(path)).status_code == 404
    marked = {
        "lwa_client_secret": "amzn1.oa2-cs.v1." + secrets.token_hex(32),
        "access_key": "AKIA" + secrets.token_hex(8).upper(),
        "secret_key": secrets.token_urlsafe(30),
    }
    made_at = house.clock.now() - timedelta(days=100)
    stored = await caller.put(
        path,
        json={
            "lwa_client_id": "amzn1.application-oa2-client." + "a" * 32,
            "secret_created_at": made_at.isoformat(),
            "role_arn": "arn:aws:iam::123456789012:role/rotation",
            "queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/secrets",
            **marked,
        },
    )
    assert stored.status_code == 200, stored.text
    view = stored.json()
    assert view["secret_set"] is True
    assert view["secret_key_set"] is True
    assert view["access_key_hint"] == marked["access_key"][-4:]
    assert view["secret_phase"] == "notice"
    shown = await caller.get(path)
    assert shown.json() == view
    for secret in marked.values():
        assert secret not in stored.text + shown.text
    # Left away: stays. Empty: removed.
    half = await caller.put(path, json={"queue_url": "", "secret_key": ""})
    assert half.status_code == 422
    assert half.json()["detail"] == "secret_key: is needed: the two AWS keys go together."
    less = await caller.put(path, json={"queue_url": "", "secret_key": "", "access_key": ""})
    assert less.status_code == 200, less.text
    assert less.json()["queue_url"] == ""
    assert less.json()["secret_key_set"] is False
    assert less.json()["secret_set"] is True
    client = await house.desk.registry.lwa_client(added["id"])
    assert client.lwa_client_secret.reveal() == marked["lwa_client_secret"]


async def test_a_refused_secret_is_not_told_back(house: House, caller: httpx2.AsyncClient) -> None:
    added = (await caller.post("/v1/applications", json=application_wish(1))).json()
    marked = "amzn1.oa2-cs.v1." + secrets.token_hex(32)
    path = f"/v1/applications/{added['id']}/credentials"
    for wish in (
        {"lwa_client_id": "nonsense", "lwa_client_secret": marked, "bogus": 1},
        {"lwa_client_id": marked},
        {"lwa_client_secret": {"value": marked}},
        {"lwa_client_secret": [marked]},
        {marked: "x"},
        {"secret_created_at": marked},
        {"lwa_url": marked, "queue_url": marked, "role_arn": marked},
        {"lwa_client_secret": marked + "\x00"},
        {"lwa_client_secret": marked * 200},
    ):
        refused = await caller.put(path, json=wish)
        assert refused.status_code == 422, wish.keys()
        assert refused.json()["flaws"]
        assert marked not in refused.text
        assert marked[20:40] not in refused.text
    assert (await caller.get(path)).status_code == 404, "nothing was stored"


async def test_credentials_need_the_right_to_manage(
    house: House, caller: httpx2.AsyncClient
) -> None:
    added = (await caller.post("/v1/applications", json=application_wish(1))).json()
    writer = await house.caller(Right.READ, Right.WRITE)
    for method, path in (
        ("PUT", f"/v1/applications/{added['id']}/credentials"),
        ("PATCH", f"/v1/applications/{added['id']}"),
    ):
        refused = await writer.request(method, path, json={})
        assert refused.status_code == 403
        assert refused.json()["code"] == "not_allowed"


async def test_the_signing_secret_of_an_instance_is_shown_once(
    house: House, caller: httpx2.AsyncClient
) -> None:
    added = await house.instance(caller, webhook_url="https://erp.example/hooks")
    assert added["signing_secret"].startswith("whsec_")
    path = f"/v1/instances/{added['id']}"
    shown = await caller.get(path)
    assert "signing_secret" not in shown.json()
    changed = await caller.patch(path, json={"webhook_url": "", "name": "ERP"})
    assert changed.json() | {"changed_at": ""} == shown.json() | {
        "changed_at": "",
        "webhook_url": "",
        "name": "ERP",
    }
    listed = await caller.get("/v1/instances")
    assert listed.json()["items"] == [changed.json()]
    renewed = await caller.post(f"{path}/signing-secret")
    assert renewed.status_code == 201
    fresh = renewed.json()["signing_secret"]
    assert fresh.startswith("whsec_")
    assert fresh != added["signing_secret"]
    kept = await house.desk.registry.signing_secrets(added["id"])
    assert [one.reveal() for one in kept] == [fresh, added["signing_secret"]]


async def test_an_instance_is_seen_when_its_key_calls(
    house: House, caller: httpx2.AsyncClient
) -> None:
    added = await house.instance(caller)
    path = f"/v1/instances/{added['id']}"
    assert (await caller.get(path)).json()["last_seen_at"] is None
    narrow = await house.caller(instance=added["id"])
    await narrow.get("/v1/whoami")
    assert (await caller.get(path)).json()["last_seen_at"] is not None


@pytest.mark.parametrize("what", ["applications", "instances", "api-keys"])
async def test_lists_have_pages(house: House, caller: httpx2.AsyncClient, what: str) -> None:
    for _ in range(3):
        house.clock.move(seconds=1)
        await house.application(caller)
        await house.instance(caller)
        await house.caller()
    whole = (await caller.get(f"/v1/{what}")).json()["items"]
    first = (await caller.get(f"/v1/{what}", params={"limit": 2})).json()
    rest = (await caller.get(f"/v1/{what}", params={"limit": 2, "after": first["next"]})).json()
    assert len(first["items"]) == 2
    assert first["items"] + rest["items"] == whole
    assert rest["next"] is None
