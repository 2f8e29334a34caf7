"""The counter of the post room: events are read, sent again, tried out."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from evergrant.errors import Conflict, InvalidInput, NotAllowed, NotDelivered, NotFound
from evergrant.ports import WebhookPost
from evergrant.ports.things import OutboxState
from evergrant.post import TEST, inquiries, payload
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from tests.rooms.post_ground import Ground, yields

BUSY = NotDelivered("The receiver answered 503: token Atza|secret", permanent=False)
GONE = NotDelivered("The receiver answered 410.", permanent=True, facts={"status": 410})


@pytest.fixture
async def ground() -> Ground:
    return await Ground().open(instances=2, accounts=2)


def caller(*rights: Right, **reach: Any) -> Caller:
    return Caller(
        kind=CallerKind.API_KEY,
        id="key_1",
        name="ERP",
        rights=frozenset(rights or Right),
        **reach,
    )


async def refuses(_: WebhookPost) -> None:
    raise BUSY


# --- reading --------------------------------------------------------------------------------------


async def test_events_are_read_on_from_a_position(ground: Ground) -> None:
    for account in ground.accounts * 2:
        await ground.tell(account)
    post = ground.post()
    whole = await post.events(by=SYSTEM)
    assert [one.facts["number"] for one in whole] == list(range(1, 9))
    positions = [one.position for one in whole]
    assert positions == sorted(set(positions))
    found: list[Any] = []
    while page := await post.events(by=SYSTEM, after=found[-1].position if found else 0, limit=3):
        found += page
    assert found == whole
    account = ground.accounts[1]
    of_one = await post.events(by=SYSTEM, account_id=account.id)
    assert [one.facts["number"] for one in of_one] == [2, 6]
    assert await post.events(by=SYSTEM, topic="account.changed") == []
    of_instance = await post.events(by=SYSTEM, client_instance_id=ground.instances[1])
    assert [one.facts["number"] for one in of_instance] == [3, 4, 7, 8]


async def test_events_without_an_address_are_there_to_be_read(ground: Ground) -> None:
    async with ground.store.transaction() as tx:
        await tx.instances.change(ground.instances[0], webhook_url="")
    with pytest.raises(AssertionError):
        await ground.tell()
    (event,) = await ground.post().events(by=SYSTEM)
    assert await ground.items() == []
    with pytest.raises(Conflict, match="no webhook URL"):
        await ground.post().resend(event.id, by=SYSTEM)


async def test_a_bound_caller_reads_what_it_was_told(ground: Ground) -> None:
    for account in ground.accounts:
        await ground.tell(account)
    await ground.tell_instance(0, 1)
    await ground.tell_instance(1, 1)
    post, accounts = ground.post(), ground.accounts
    of_instance = caller(client_instance_id=ground.instances[0])
    seen = await post.events(by=of_instance)
    assert [one.account_id for one in seen] == [accounts[0].id, accounts[1].id, None]
    of_account = caller(account_ids=frozenset([accounts[0].id]))
    assert [one.account_id for one in await post.events(by=of_account)] == [accounts[0].id]
    whole = await post.events(by=SYSTEM)
    assert len(whole) == 6
    for who in (of_instance, of_account):
        there = await post.events(by=who)
        for event in whole:
            if event in there:
                assert await post.event(event.id, by=who) == event
                continue
            with pytest.raises(NotFound):
                await post.event(event.id, by=who)
            with pytest.raises(NotFound):
                await post.resend(event.id, by=who)
        with pytest.raises(NotFound):
            await post.events(by=who, account_id=accounts[2].id)
        for instance_id in ground.instances[1:]:
            with pytest.raises(NotFound):
                await post.deliveries(instance_id, by=who)
            with pytest.raises(NotFound):
                await post.test_delivery(instance_id, by=who)
    with pytest.raises(NotFound):
        await post.events(by=of_instance, client_instance_id=ground.instances[1])


async def test_what_an_account_was_told_stays_with_the_instance_that_was_told(
    ground: Ground,
) -> None:
    account = ground.accounts[0]
    await ground.tell(account)
    async with ground.store.transaction() as tx:
        await tx.accounts.change(account.id, client_instance_id=ground.instances[1])
    post = ground.post()
    assert len(await post.events(by=caller(client_instance_id=ground.instances[0]))) == 1
    assert await post.events(by=caller(client_instance_id=ground.instances[1])) == []


@pytest.mark.parametrize(
    "question", [{"limit": 0}, {"limit": 1001}, {"after": -1}, {"wait_s": 31.0}, {"wait_s": -1.0}]
)
async def test_a_question_that_is_none(ground: Ground, question: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        await ground.post().events(by=SYSTEM, **question)


async def test_rights(ground: Ground) -> None:
    await ground.tell()
    post = ground.post()
    (event,) = await post.events(by=SYSTEM)
    writes, reads = caller(Right.WRITE), caller(Right.READ)
    for refused in (
        lambda: post.events(by=writes),
        lambda: post.event(event.id, by=writes),
        lambda: post.deliveries(ground.instances[0], by=writes),
        lambda: post.resend(event.id, by=reads),
        lambda: post.test_delivery(ground.instances[0], by=reads),
    ):
        with pytest.raises(NotAllowed):
            await refused()


# --- waiting --------------------------------------------------------------------------------------


async def test_who_waits_hears_of_the_first_event(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiries, "LOOK_AGAIN_S", 0.01)
    post = ground.post()
    waiting = asyncio.create_task(post.events(by=SYSTEM, wait_s=20.0))
    await asyncio.sleep(0)
    await ground.tell()
    async with asyncio.timeout(60):
        (event,) = await waiting
    assert event.facts["number"] == 1
    assert await post.events(by=SYSTEM, after=event.position, wait_s=0.02) == []


async def test_who_comes_when_too_many_wait_is_answered_at_once(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiries, "MOST_WAITING", 0)
    async with asyncio.timeout(60):
        assert await ground.post().events(by=SYSTEM, wait_s=20.0) == []


async def test_one_key_leaves_places_to_the_others(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiries, "LOOK_AGAIN_S", 0.01)
    post = ground.post()
    greedy, other = caller(Right.READ), replace(caller(Right.READ), id="key_2")
    tasks = [
        asyncio.create_task(post.events(by=greedy, wait_s=20.0))
        for _ in range(3 * inquiries.MOST_WAITING)
    ]
    await yields(2000)
    assert sum(not task.done() for task in tasks) == inquiries.MOST_OF_ONE
    waiting = asyncio.create_task(post.events(by=other, wait_s=20.0))
    await yields(2000)
    assert not waiting.done()
    await ground.tell()
    async with asyncio.timeout(60):
        assert len(await waiting) == 1
        await asyncio.gather(*tasks)
    assert await post.events(by=greedy, after=9, wait_s=0.02) == [], "the places are free again"


async def test_who_goes_away_leaves_the_place_to_others(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiries, "MOST_WAITING", 1)
    monkeypatch.setattr(inquiries, "LOOK_AGAIN_S", 0.01)
    post = ground.post()
    waiting = asyncio.create_task(post.events(by=SYSTEM, wait_s=20.0))
    await yields(20)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    other = asyncio.create_task(post.events(by=SYSTEM, wait_s=20.0))
    await ground.tell()
    async with asyncio.timeout(60):
        assert len(await other) == 1


# --- sending again --------------------------------------------------------------------------------


async def test_what_was_sent_goes_out_again_under_its_id(ground: Ground) -> None:
    (sent,) = await ground.tell()
    post = ground.post()
    await post.deliver(sent)
    ground.clock.move(days=10)
    (event,) = await post.events(by=SYSTEM)
    again = await post.resend(event.id, by=caller())
    assert again.id != sent
    assert ground.bell.rung == [again.id]
    await ground.answer_the_bell(post)
    first, second = ground.receivers.posts
    assert first.id == second.id == event.id
    assert first.body == second.body
    assert json.loads(second.body) == payload(event)
    assert second.at - first.at == timedelta(days=10), "the signature's instant is the attempt's"
    async with ground.store.transaction() as tx:
        (line,) = await tx.journal.read(verb="event.resent")
    assert (line.caller, line.account_id) == ("api_key:key_1", ground.accounts[0].id)


async def test_a_repeat_holds_nothing_up_and_is_held_up_by_nothing(ground: Ground) -> None:
    (old,) = await ground.tell()
    post = ground.post()
    await post.deliver(old)
    (event,) = await post.events(by=SYSTEM)
    ground.receivers.answers[ground.url(0)] = refuses
    (stuck,) = await ground.tell()
    await post.deliver(stuck)
    again = await post.resend(event.id, by=SYSTEM)
    assert (await post.deliver(again.id)).attempts == 1
    ground.receivers.answers.clear()
    (new,) = await ground.tell(ground.accounts[1])
    assert (await post.deliver(new)).state is OutboxState.SENT
    ground.clock.move(seconds=5)
    assert (await post.deliver(stuck)).state is OutboxState.SENT
    assert (await post.deliver(again.id)).state is OutboxState.SENT


async def test_what_still_waits_is_tried_at_once_instead(ground: Ground) -> None:
    (waiting,) = await ground.tell()
    post = ground.post()
    ground.receivers.answers[ground.url(0)] = refuses
    for _ in range(6):
        ground.clock.set((await post.deliver(waiting)).next_at)
    ground.clock.move(minutes=-30)
    assert (await post.deliver(waiting)).attempts == 6
    (event,) = await post.events(by=SYSTEM)
    ground.receivers.answers.clear()
    assert (await post.resend(event.id, by=SYSTEM)).id == waiting
    await ground.answer_the_bell(post)
    assert (await ground.item(waiting)).state is OutboxState.SENT
    assert len(await ground.items()) == 1


# --- the log --------------------------------------------------------------------------------------


async def test_deliveries_tell_what_became_of_each(ground: Ground) -> None:
    (sent,) = await ground.tell(ground.accounts[0])
    (refused,) = await ground.tell(ground.accounts[1])
    await ground.tell(ground.accounts[2])
    post = ground.post()
    await post.deliver(sent)
    ground.receivers.answers[ground.url(0)] = refuses
    await post.deliver(refused)
    log = {one.id: one for one in await post.deliveries(ground.instances[0], by=SYSTEM)}
    assert set(log) == {sent, refused}
    assert log[sent].state is OutboxState.SENT
    assert log[refused].attempts == 1
    assert log[refused].next_at > ground.clock.now()
    assert "503" in log[refused].last_error
    assert "Atza|secret" not in log[refused].last_error
    (one,) = await post.deliveries(ground.instances[0], by=SYSTEM, state=OutboxState.WAITING)
    assert one.id == refused
    ground.clock.move(hours=1)
    (later,) = await ground.tell(ground.accounts[0])
    since = await post.deliveries(ground.instances[0], by=SYSTEM, since=ground.clock.now())
    assert [one.id for one in since] == [later]
    newest = await post.deliveries(ground.instances[0], by=SYSTEM, newest_first=True)
    assert [one.id for one in newest] == sorted([sent, refused, later], reverse=True)
    behind = await post.deliveries(
        ground.instances[0], by=SYSTEM, newest_first=True, after=later, limit=1
    )
    assert [one.id for one in behind] == [max(sent, refused)]
    topic = newest[0].topic
    assert len(await post.deliveries(ground.instances[0], by=SYSTEM, topic=topic)) == 3
    assert await post.deliveries(ground.instances[0], by=SYSTEM, topic="order.received") == []
    with pytest.raises(InvalidInput):
        await post.deliveries(
            ground.instances[0], by=SYSTEM, newest_first=True, since=ground.clock.now()
        )
    with pytest.raises(NotFound):
        await post.deliveries("ins_none", by=SYSTEM)
    with pytest.raises(InvalidInput):
        await post.deliveries(
            ground.instances[0], by=SYSTEM, since=ground.clock.now().replace(tzinfo=None)
        )


# --- trying out -----------------------------------------------------------------------------------


async def test_a_test_delivery_is_signed_and_is_no_event(ground: Ground) -> None:
    taken: list[WebhookPost] = []

    async def takes(sent: WebhookPost) -> None:
        taken.append(sent)
        raise GONE

    post = ground.post()
    ground.receivers.answers[ground.url(0)] = takes
    trial = await post.test_delivery(ground.instances[0], by=caller())
    assert (trial.delivered, trial.status) == (False, 410)
    assert "410" in trial.error
    (sent,) = taken
    told = json.loads(sent.body)
    assert told["type"] == TEST
    assert told["data"]["client_instance_id"] == ground.instances[0]
    signature = Webhook(sent.signing_secret.reveal()).sign(sent.id, sent.at, sent.body.decode())
    assert signature.startswith("v1,")
    assert await ground.items() == []
    assert await post.events(by=SYSTEM) == []
    async with ground.store.transaction() as tx:
        (line,) = await tx.journal.read(verb="instance.webhook_tried")
        await tx.instances.change(ground.instances[0], webhook_url="")
    assert line.facts["delivered"] is False
    with pytest.raises(Conflict):
        await post.test_delivery(ground.instances[0], by=caller())


async def test_a_test_delivery_says_why_not_without_secrets(ground: Ground) -> None:
    ground.receivers.answers[ground.url(0)] = refuses
    trial = await ground.post().test_delivery(ground.instances[0], by=SYSTEM)
    assert not trial.delivered
    assert "503" in trial.error
    assert "Atza|secret" not in trial.error
