"""``POST /v1/mail/bounces``: what a relay's webhook says of a letter."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from evergrant.ports.things import OutboxItem, OutboxState
from evergrant.rules.rights import SYSTEM, Right
from tests.doors.test_api.conftest import House

Json = dict[str, Any]
BOUNCES = "/v1/mail/bounces"


@pytest.fixture
async def letter(house: House, account: Json) -> OutboxItem:
    """An invitation that the relay took."""
    await house.desk.consent.invite(account["id"], by=SYSTEM)
    async with house.desk.store.transaction() as tx:
        (item,) = await tx.outbox.all(topic="invitation")
    sent = await house.desk.post.deliver(item.id)
    assert sent.state is OutboxState.SENT
    return sent


def told_of(letter: OutboxItem, **other: Any) -> Json:
    return {
        "message_id": f"<{letter.id}@northwind.example>",
        "reason": "550 5.1.1 no such user",
        "permanent": True,
        **other,
    }


async def test_a_bounce_marks_the_letter(
    caller: httpx2.AsyncClient, account: Json, letter: OutboxItem
) -> None:
    answer = await caller.post(BOUNCES, json=told_of(letter))
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "letter_id": letter.id,
        "topic": "invitation",
        "to": account["client_email"],
        "account_id": account["id"],
        "outcome": "not_arrived",
        "reason": "550 5.1.1 no such user",
    }
    again = await caller.post(BOUNCES, json=told_of(letter))
    assert (again.status_code, again.json()["outcome"]) == (200, "known")
    board = (await caller.get("/v1/notices")).json()["items"]
    assert [(one["kind"], one["account_id"]) for one in board] == [
        ("letter_undelivered", account["id"])
    ]


async def test_a_delay_is_noted(caller: httpx2.AsyncClient, letter: OutboxItem) -> None:
    answer = await caller.post(BOUNCES, json=told_of(letter, permanent=False, reason=""))
    assert answer.json()["outcome"] == "delayed"
    assert (await caller.get("/v1/notices")).json()["items"] == []


@pytest.mark.parametrize(
    ("wish", "status", "field"),
    [
        ({"message_id": "<x@email.amazonses.com>"}, 422, "message_id"),
        ({"message_id": ""}, 422, "message_id"),
        ({"message_id": "out_00000000000000000000000000"}, 404, None),
        ({"permanent": "true"}, 422, "permanent"),
        ({"permanent": None}, 422, "permanent"),
        ({"reason": "x" * 100_000}, 413, None),
        ({"recipient": "a@b.example"}, 422, "recipient"),
    ],
)
async def test_what_is_refused(
    caller: httpx2.AsyncClient, letter: OutboxItem, wish: Json, status: int, field: str | None
) -> None:
    answer = await caller.post(BOUNCES, json=told_of(letter, **wish))
    assert answer.status_code == status, answer.text
    if field:
        assert [flaw["field"] for flaw in answer.json()["flaws"]] == [field]


async def test_who_may_tell(house: House, account: Json, letter: OutboxItem) -> None:
    callers = [
        await house.stranger(),
        await house.caller(*set(Right) - {Right.WRITE}),
        await house.caller(instance=account["client_instance_id"]),
        await house.caller(accounts=[account["id"]]),
    ]
    for caller, status in zip(callers, (401, 403, 403, 403), strict=True):
        answer = await caller.post(BOUNCES, json=told_of(letter))
        assert answer.status_code == status, answer.text
    async with house.desk.store.transaction() as tx:
        found = await tx.outbox.get(letter.id)
    assert found == letter
