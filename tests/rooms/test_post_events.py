"""Events on their way: at least once, in the order of their account, for three days, and nobody
waits for somebody else's receiver."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from evergrant.adapters.store import open_store
from evergrant.errors import NotDelivered
from evergrant.ports import WebhookPost
from evergrant.ports.things import OutboxState
from evergrant.post import CLAIM, SWEEP_LIMIT_OF_ONE, Post
from evergrant.post.lanes import FAILING, LONGEST_REST, WIDTH
from evergrant.rules.cadence import WEBHOOK, WEBHOOK_LIFE
from evergrant.rules.notices import NoticeKind
from tests.rooms.post_ground import Answers, Crash, Ground, yields

BUSY = NotDelivered("The receiver answered 503.", permanent=False, facts={"status": 503})
GONE = NotDelivered("The receiver answered 410.", permanent=True, facts={"status": 410})


@pytest.fixture
async def ground() -> Ground:
    return await Ground().open(instances=2, accounts=3)


def refuses(*errors: NotDelivered | None) -> Answers:
    """One after the other; the last one again and again. None takes it."""
    left = list(errors)

    async def answer(post: WebhookPost) -> None:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise error

    return answer


async def notices_of(ground: Ground, kind: NoticeKind) -> list[str]:
    async with ground.store.transaction() as tx:
        return [one.subject for one in await tx.notices.all(kind=kind, settled_at=None)]


# --- order ----------------------------------------------------------------------------------------


async def test_an_event_waits_while_an_earlier_one_of_its_account_waits(ground: Ground) -> None:
    first, second, third = await ground.tell(times=3)
    post = ground.post()
    ground.receivers.answers[ground.url(0)] = refuses(BUSY, None)
    assert (await post.deliver(first)).attempts == 1
    aside = await post.deliver(second)
    assert (aside.state, aside.attempts) == (OutboxState.WAITING, 0)
    assert aside.next_at > ground.clock.now(), "so that no look brings it up again at once"
    assert await post.sweep() == [third]
    await post.deliver(third)
    assert await post.sweep() == []
    ground.clock.move(WEBHOOK[0])
    assert (await post.deliver(first)).state is OutboxState.SENT
    # Its next in line is rung for, at once, and by that the one behind it.
    assert ground.bell.rung == [second]
    await ground.answer_the_bell(post)
    assert ground.receivers.first_of(ground.accounts[0].id) == [1, 2, 3]
    assert await ground.waiting() == []


async def test_other_accounts_and_other_instances_do_not_wait(ground: Ground) -> None:
    stuck, behind = await ground.tell(ground.accounts[0], 2)
    (neighbour,) = await ground.tell(ground.accounts[1])
    (elsewhere,) = await ground.tell(ground.accounts[3])
    post = ground.post()

    async def refuse_one(sent: WebhookPost) -> None:
        if b'"number":1}' in sent.body:
            raise BUSY

    ground.receivers.answers[ground.url(0)] = refuse_one
    for _ in range(5):
        await post.deliver(stuck)
        ground.clock.move(minutes=30)
    assert (await post.deliver(behind)).attempts == 0
    assert (await post.deliver(neighbour)).state is OutboxState.SENT
    assert (await post.deliver(elsewhere)).state is OutboxState.SENT


async def test_what_is_given_up_lets_the_next_go(ground: Ground) -> None:
    first, second = await ground.tell(times=2)
    post = ground.post()
    ground.receivers.answers[ground.url(0)] = refuses(GONE, None)
    assert (await post.deliver(second)).attempts == 0
    assert (await post.deliver(first)).state is OutboxState.FAILED
    assert ground.bell.rung == [second]
    assert (await post.deliver(second)).state is OutboxState.SENT


async def test_who_was_put_aside_is_looked_at_again_without_being_rung_for(ground: Ground) -> None:
    """A ring may get lost, and so may whoever would have rung."""
    first, second = await ground.tell(times=2)
    post = ground.post()
    await post.deliver(second)
    async with ground.store.transaction() as tx:
        await tx.outbox.change(first, state=OutboxState.SENT)
    assert await post.sweep() == []
    ground.clock.move(minutes=1)
    assert await post.sweep() == [second]
    assert (await post.deliver(second)).state is OutboxState.SENT


async def test_a_line_behind_one_that_fails_is_looked_at_seldom(ground: Ground) -> None:
    told = await ground.tell(times=50)
    post = ground.post()
    ground.receivers.answers[ground.url(0)] = refuses(BUSY)
    looked = 0
    for item_id in told:
        await post.deliver(item_id)
    for _ in range(24 * 60):
        ground.clock.move(minutes=1)
        for item_id in await post.sweep():
            looked += 1
            await post.deliver(item_id)
    # Each of the fifty less than once an hour, as soon as the line is old.
    assert looked < 24 * 60
    *behind, first = sorted(one.attempts for one in await ground.waiting())
    assert first > 8
    assert set(behind) == {0}


# --- three days -----------------------------------------------------------------------------------


async def test_it_is_tried_for_three_days_and_given_up_in_the_open(ground: Ground) -> None:
    (event,) = await ground.tell()
    began = ground.clock.now()
    post = ground.post()
    ground.receivers.answers[ground.url(0)] = refuses(BUSY)
    while (item := await post.deliver(event)).state is OutboxState.WAITING:
        assert item.last_error == BUSY.message
        assert await notices_of(ground, NoticeKind.EVENTS_UNDELIVERED) == []
        ground.clock.set(item.next_at)
    assert ground.clock.now() - began == WEBHOOK_LIFE == timedelta(days=3)
    assert item.state is OutboxState.FAILED
    assert item.ended_at == ground.clock.now()
    async with ground.store.transaction() as tx:
        (line,) = await tx.journal.read(verb="webhook.failed")
    assert line.facts["attempts"] == item.attempts
    assert await notices_of(ground, NoticeKind.EVENTS_UNDELIVERED) == [ground.instances[0]]
    # Until one gets through again.
    ground.receivers.answers.clear()
    (other,) = await ground.tell(ground.accounts[1])
    assert (await post.deliver(other)).state is OutboxState.SENT
    assert await notices_of(ground, NoticeKind.EVENTS_UNDELIVERED) == []


async def test_who_waited_in_line_for_three_days_gets_one_try(ground: Ground) -> None:
    first, second, third = await ground.tell(times=3)
    post = ground.post()
    ground.receivers.answers[ground.url(0)] = refuses(BUSY)
    await post.deliver(second)
    await post.deliver(third)
    while (item := await post.deliver(first)).state is OutboxState.WAITING:
        ground.clock.set(item.next_at)
    assert (await ground.item(second)).attempts == 0
    tried = await post.deliver(second)
    assert (tried.state, tried.attempts) == (OutboxState.FAILED, 1)
    ground.receivers.answers.clear()
    assert (await post.deliver(third)).state is OutboxState.SENT
    assert ground.receivers.first_of(ground.accounts[0].id) == [3]


async def test_many_that_are_given_up_are_one_notice(ground: Ground) -> None:
    post = ground.post()
    ground.receivers.answers[ground.url(0)] = refuses(GONE)
    for item_id in await ground.tell(times=4):
        await post.deliver(item_id)
    async with ground.store.transaction() as tx:
        (notice,) = await tx.notices.all(kind=NoticeKind.EVENTS_UNDELIVERED)
    assert notice.times == 4
    assert "410" in notice.message


async def test_an_instance_whose_address_was_taken_away_is_no_trouble(ground: Ground) -> None:
    (event,) = await ground.tell()
    async with ground.store.transaction() as tx:
        await tx.instances.change(ground.instances[0], webhook_url="")
    assert (await ground.post().deliver(event)).state is OutboxState.FAILED
    assert await notices_of(ground, NoticeKind.EVENTS_UNDELIVERED) == []


# --- processes that die ---------------------------------------------------------------------------


async def test_an_event_that_arrived_and_was_not_noted_comes_again_under_its_id(
    ground: Ground,
) -> None:
    first, second = await ground.tell(times=2)

    async def dies(post: WebhookPost) -> None:
        ground.receivers.take(post)
        raise Crash

    ground.receivers.answers[ground.url(0)] = dies
    with pytest.raises(Crash):
        await ground.post().deliver(first)
    ground.receivers.answers.clear()
    other = ground.post()
    assert (await other.deliver(second)).attempts == 0, "the first one may be on its way"
    ground.clock.move(CLAIM)
    assert first in await other.sweep()
    assert (await other.deliver(first)).state is OutboxState.SENT
    await ground.answer_the_bell(other)
    assert ground.receivers.first_of(ground.accounts[0].id) == [1, 2]
    ids = [event_id for event_id, _, number in ground.receivers.took if number == 1]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert ids[0] == (await ground.item(first)).event_id


async def test_an_event_that_kills_every_process_comes_to_an_end(ground: Ground) -> None:
    first, second = await ground.tell(times=2)

    async def dies(post: WebhookPost) -> None:
        if b'"number":1}' in post.body:
            raise Crash

    ground.receivers.answers[ground.url(0)] = dies
    began = ground.clock.now()
    while True:
        try:
            ended = await ground.post().deliver(first)
            break
        except Crash:
            ground.clock.set((await ground.item(first)).next_at)
    assert ended.state is OutboxState.FAILED
    assert "never came to an end" in ended.last_error
    assert ground.clock.now() - began <= WEBHOOK_LIFE + CLAIM
    assert ground.bell.rung == [second]
    assert (await ground.post().deliver(second)).state is OutboxState.SENT


async def chaos(ground: Ground, seed: int, *, events: int) -> None:
    """Two workers, receivers that fail at random, processes that die before and after sending."""
    chance = random.Random(seed)

    async def answer(post: WebhookPost) -> None:
        await yields(chance.randrange(4))
        what = chance.random()
        if what < 0.25:
            raise BUSY
        if what < 0.28:
            raise GONE
        if what < 0.38:
            raise Crash
        if what < 0.48:
            ground.receivers.take(post)
            raise BUSY if what < 0.43 else Crash

    for place in range(len(ground.instances)):
        ground.receivers.answers[ground.url(place)] = answer
    workers = [ground.post(), ground.post()]
    left = events
    while left or await ground.waiting():
        for _ in range(min(left, chance.randrange(4))):
            ground.bell.rung += await ground.tell(chance.choice(ground.accounts))
            left -= 1
        rung, ground.bell.rung = ground.bell.rung, []
        if chance.random() < 0.2:
            rung = rung[1:]  # a ring may get lost
        due = [*rung, *await chance.choice(workers).sweep()]
        due += [one.id for one in await ground.waiting() if chance.random() < 0.1]
        chance.shuffle(due)
        done = await asyncio.gather(
            *(chance.choice(workers).deliver(item_id) for item_id in due), return_exceptions=True
        )
        broke = [one for one in done if isinstance(one, Exception) and not isinstance(one, Crash)]
        assert broke == []
        ground.clock.move(seconds=chance.choice([0, 1, 5, 60, 600, 7200]))


async def check_order(ground: Ground) -> None:
    items = await ground.items()
    assert all(one.state is not OutboxState.WAITING for one in items)
    for account in ground.accounts:
        came = ground.receivers.first_of(account.id)
        assert came == sorted(came), f"{account.id}: {came}"
        sent = {
            one.facts["number"]
            for one in items
            if one.account_id == account.id and one.state is OutboxState.SENT
        }
        assert sent <= set(came), "what counts as sent has arrived"
    by_number: dict[int, set[str]] = {}
    for event_id, _, number in ground.receivers.took:
        by_number.setdefault(number, set()).add(event_id)
    assert all(len(ids) == 1 for ids in by_number.values()), "a repeat is recognised by its id"


@settings(max_examples=25, deadline=None)
@given(seed=some.integers(0, 2**32))
def test_whatever_fails_events_of_an_account_arrive_in_their_order(seed: int) -> None:
    async def go() -> None:
        ground = await Ground().open(instances=2, accounts=2)
        await chaos(ground, seed, events=14)
        await check_order(ground)

    asyncio.run(go())


@pytest.fixture
async def on_postgres(database_url: str) -> AsyncIterator[Ground]:
    store = await open_store(database_url)
    yield Ground(store=store)
    await store.close()


async def test_two_workers_on_one_database_keep_the_order(on_postgres: Ground) -> None:
    await on_postgres.open(instances=2, accounts=2)
    await chaos(on_postgres, 20261121, events=20)
    await check_order(on_postgres)


# --- lanes ----------------------------------------------------------------------------------------


async def test_a_slow_receiver_takes_a_few_places_only(ground: Ground) -> None:
    await ground.open(instances=1, accounts=10)
    slow = [one for one in ground.accounts if one.client_instance_id == ground.instances[2]]
    hurry = asyncio.Event()

    async def waits(_: WebhookPost) -> None:
        await hurry.wait()

    # The third client instance of this ground has the first one's address.
    ground.receivers.answers[ground.url(0)] = waits
    told = [(await ground.tell(account))[0] for account in slow]
    (elsewhere,) = await ground.tell(ground.accounts[3])
    post = ground.post()
    under_way = [asyncio.create_task(post.deliver(item_id)) for item_id in told]
    async with asyncio.timeout(60):
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        await yields(20)
        assert (await post.deliver(elsewhere)).state is OutboxState.SENT
    assert sum(one.attempts for one in await ground.items(id=told)) == WIDTH
    hurry.set()
    await asyncio.gather(*under_way)
    # Who found no place is rung for when there is one, and is due all the while.
    assert set(ground.bell.rung) <= set(told)
    assert len(set(ground.bell.rung)) >= WIDTH
    await ground.answer_the_bell(post)
    assert await ground.waiting() == []
    assert ground.receivers.most_at_once[ground.url(0)] == WIDTH


async def test_a_dead_receiver_with_very_many_events_does_not_occupy_the_worker() -> None:
    ground = await Ground().open(instances=2, accounts=1)
    await ground.tell_instance(0, 250)
    asked = 0

    async def count(_: WebhookPost) -> None:
        nonlocal asked
        asked += 1
        raise BUSY

    ground.receivers.answers[ground.url(0)] = count
    post = ground.post()
    for _ in range(40):
        (healthy,) = await ground.tell(ground.accounts[1])
        due = await post.sweep()
        assert healthy in due
        assert len(due) <= SWEEP_LIMIT_OF_ONE + 1
        for item_id in due:
            await post.deliver(item_id)
        assert (await ground.item(healthy)).state is OutboxState.SENT
        ground.clock.move(minutes=1)
    # In forty minutes: a few until it is clear, then one each five minutes.
    assert asked <= FAILING + 14
    ground.receivers.answers.clear()
    ground.clock.move(LONGEST_REST)
    for _ in range(10):
        ground.clock.move(minutes=1)
        for item_id in await post.sweep():
            await post.deliver(item_id)
        await ground.answer_the_bell(post)
    left = [one for one in await ground.waiting() if not one.attempts]
    assert left == [], "when it is back, all goes out within minutes"


async def test_one_event_that_a_receiver_cannot_digest_rests_nobody(ground: Ground) -> None:
    (stuck,) = await ground.tell(ground.accounts[0])
    post = ground.post()

    async def refuse_one(sent: WebhookPost) -> None:
        if b'"number":1}' in sent.body:
            raise BUSY

    ground.receivers.answers[ground.url(0)] = refuse_one
    for _ in range(10):
        item = await post.deliver(stuck)
        ground.clock.set(item.next_at)
        (other,) = await ground.tell(ground.accounts[1])
        assert (await post.deliver(other)).state is OutboxState.SENT


async def test_a_look_brings_up_one_event_of_each_line(ground: Ground) -> None:
    first, _, _ = await ground.tell(ground.accounts[0], 3)
    (neighbour,) = await ground.tell(ground.accounts[1])
    post: Post = ground.post()
    assert await post.sweep() == sorted([first, neighbour])
