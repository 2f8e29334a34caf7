"""Events, deliveries and the notice board over ``/v1``."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from evergrant import notices
from evergrant.errors import NotDelivered
from evergrant.outbox import put_event
from evergrant.ports import WebhookPost
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import Right
from tests.doors.test_api.conftest import House

Json = dict[str, Any]


async def tell(house: House, account: Json, times: int = 1) -> None:
    for number in range(times):
        async with house.desk.store.transaction() as tx:
            known = await tx.accounts.get(account["id"])
            authorization = await tx.authorizations.one(account_id=account["id"])
            assert known is not None
            assert authorization is not None
            await put_event(
                tx,
                now=house.clock.now(),
                topic="authorization.expiring",
                account=known,
                authorization=authorization,
                days_left=number,
            )


async def address(caller: httpx2.AsyncClient, account: Json) -> str:
    path = f"/v1/instances/{account['client_instance_id']}"
    changed = await caller.patch(path, json={"webhook_url": "https://erp.northwind.example/hooks"})
    assert changed.status_code == 200, changed.text
    return path


async def test_events_are_followed_by_their_position(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    await tell(house, account, times=5)
    query: Json = {"limit": 2}
    found: list[Json] = []
    while True:
        page = (await caller.get("/v1/events", params=query)).json()
        found += page["items"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert [one["payload"]["data"]["days_left"] for one in found] == [0, 1, 2, 3, 4]
    last = found[-1]
    assert page["items"][-1] == last
    rest = await caller.get("/v1/events", params={"after": last["position"], "wait": 0})
    assert rest.json() == {"items": [], "next": None}
    one = await caller.get(f"/v1/events/{last['id']}")
    assert one.json() == last
    assert last["payload"]["type"] == last["topic"] == "authorization.expiring"
    by_topic = await caller.get("/v1/events", params={"topic": "secret.dead"})
    assert by_topic.json()["items"] == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"after": "evt_1"}, "after"),
        ({"wait": "31"}, "wait"),
        ({"topic": "Nonsense"}, "topic"),
        ({"account_id": "ins_1"}, "account_id"),
        ({"account": "acc_1"}, "account"),
    ],
)
async def test_questions_that_are_none(
    caller: httpx2.AsyncClient, query: Json, parameter: str
) -> None:
    refused = await caller.get("/v1/events", params=query)
    assert refused.status_code == 422
    assert refused.json()["flaws"][0]["parameter"] == parameter


async def test_an_event_is_sent_again_and_its_way_is_told(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    await tell(house, account)
    (event,) = (await caller.get("/v1/events")).json()["items"]
    refused = await caller.post(f"/v1/events/{event['id']}/resend")
    assert refused.status_code == 409
    assert "GET /v1/events" in refused.json()["hint"]
    path = await address(caller, account)
    again = await caller.post(f"/v1/events/{event['id']}/resend")
    assert again.status_code == 202
    assert again.json()["event_id"] == event["id"]
    assert house.bell.rung[-1] == again.json()["id"]
    (waiting,) = (await caller.get(f"{path}/deliveries", params={"state": "waiting"})).json()[
        "items"
    ]
    assert waiting == again.json()
    await house.desk.post.deliver(waiting["id"])
    (sent,) = (await caller.get(f"{path}/deliveries", params={"since": event["at"]})).json()[
        "items"
    ]
    assert (sent["state"], sent["next_attempt_at"]) == ("sent", None)
    # Without an offset, and numbers, which could be seconds or milliseconds.
    for since in ("2026-03-01T09:00:00", "0.5", "1772355600"):
        refused = await caller.get(f"{path}/deliveries", params={"since": since})
        assert refused.status_code == 422, since


async def test_an_address_is_tried_out(
    house: House,
    caller: httpx2.AsyncClient,
    account: Json,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = await address(caller, account)
    tried = (await caller.post(f"{path}/test-delivery")).json()
    assert (tried["delivered"], tried["status"], tried["error"]) == (True, None, "")

    async def refuses(self: object, post: WebhookPost) -> None:
        raise NotDelivered("The receiver answered 404.", permanent=False, facts={"status": 404})

    monkeypatch.setattr("evergrant.testing.webhooks.MemoryWebhooks.deliver", refuses)
    tried = (await caller.post(f"{path}/test-delivery")).json()
    assert (tried["delivered"], tried["status"]) == (False, 404)
    assert "404" in tried["error"]


async def test_reading_is_not_writing(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    await tell(house, account)
    (event,) = (await caller.get("/v1/events")).json()["items"]
    reader = await house.caller(Right.READ)
    for path in (
        f"/v1/events/{event['id']}/resend",
        f"/v1/instances/{account['client_instance_id']}/test-delivery",
        f"/v1/notices/ntc_{'0' * 26}/settle",
    ):
        assert (await reader.post(path)).status_code == 403


async def test_the_board_says_what_is_the_matter_and_what_to_do(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    async with house.desk.store.transaction() as tx:
        await notices.put(
            tx,
            now=house.clock.now(),
            kind=NoticeKind.TERM_OVER,
            subject="aut_1",
            account_id=account["id"],
            message="It was over on Sunday.",
            days=3,
        )
    (one,) = (await caller.get("/v1/notices")).json()["items"]
    assert (one["kind"], one["gravity"]) == ("term_over", "error")
    assert one["title"]
    assert one["hint"]
    assert one["facts"] == {"days": 3}
    assert (await caller.get(f"/v1/notices/{one['id']}")).json() == one
    of_account = await caller.get("/v1/notices", params={"account_id": account["id"]})
    assert of_account.json()["items"] == [one]
    none = await caller.get("/v1/notices", params={"kind": "secret_dead"})
    assert none.json()["items"] == []
    settled = (await caller.post(f"/v1/notices/{one['id']}/settle")).json()
    assert settled["settled_by"].startswith("api_key:")
    assert (await caller.get("/v1/notices")).json()["items"] == []
    whole = await caller.get("/v1/notices", params={"settled": "true"})
    assert whole.json()["items"] == [settled]
