"""The locksmith: client secrets are rotated by themselves, or by hand, and nobody loses one."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from evergrant.errors import (
    AmazonUnavailable,
    ApplicationIncomplete,
    ApplicationRefused,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
)
from evergrant.ports.watched import ReminderKind, RotationSource, RotationStep
from evergrant.rules.notices import NoticeKind
from evergrant.rules.reminders import day_words
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.rules.secrecy import Secret
from evergrant.testing.selling_partner_api import error_answer
from tests.rooms.rotation_ground import (
    DAY,
    NOT_ENROLLED,
    OVERLAP,
    QUEUE_URL,
    ROOT,
    TERM,
    Mood,
    World,
    expiry_body,
    new_secret,
    new_secret_body,
    no_answer,
    not_enrolled,
    world,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


# --- by itself -----------------------------------------------------------------------------------


async def test_a_secret_is_rotated_by_itself_thirty_days_before_its_end() -> None:
    house = await world(age_days=149)
    await house.pass_time(timedelta(hours=23), HOUR)
    assert house.amazon.asked_at == []
    await house.pass_time(timedelta(minutes=63), MINUTE)
    assert len(house.amazon.asked_at) == 1
    assert house.amazon.sent[-1].endpoint == "https://sellingpartnerapi-eu.amazon.com"
    assert house.amazon.sent[-1].body == b"{}"
    fresh = house.lwa.known[house.client_id][-1][0]
    assert await house.secret() == fresh
    assert await house.former() == house.first_secret
    credentials = await house.credentials()
    made_at = house.amazon.rotated_at[0]
    assert abs(credentials.secret_expires_at - (made_at + TERM)) < timedelta(seconds=1)
    assert abs(credentials.previous_secret_ends_at - (made_at + OVERLAP)) < timedelta(seconds=1)
    assert house.lying == []
    (rotation,) = await house.rotations()
    assert (rotation.source, rotation.step) == (RotationSource.ASKED, RotationStep.DONE)
    assert await house.topics() == ["secret.rotated"]
    assert await house.notices() == []
    wanted = ["rotation.began", "rotation.asking", "rotation.asked", "rotation.received"]
    verbs = [verb for verb in await house.verbs() if verb.startswith("rotation.")]
    assert verbs == [*wanted, "rotation.promoted", "rotation.done"]


async def test_it_goes_on_so_for_years_and_every_rotation_happens_once() -> None:
    house = await world(age_days=0)
    await house.pass_time(547 * DAY, timedelta(hours=11))
    # Every 150 days: rotated thirty days before the end.
    assert len(house.amazon.asked_at) == 3
    gaps = [b - a for a, b in zip(house.amazon.asked_at, house.amazon.asked_at[1:], strict=False)]
    assert all(149 * DAY < gap < 152 * DAY for gap in gaps)
    assert (await house.topics()).count("secret.rotated") == 3
    assert await house.works()
    async with house.store.transaction() as tx:
        assert await tx.reminders.all(kind=ReminderKind.SECRET) == [], "nobody had to be reminded"


async def test_what_amazon_says_of_the_end_counts_and_is_deleted() -> None:
    house = await world(age_days=20)
    soon = house.clock.now() + 25 * DAY
    house.queue.put(QUEUE_URL, expiry_body(house.client_id, soon, house.clock.now()))
    turned = await house.round()
    assert turned.dates_taken == 1
    assert (await house.credentials()).secret_expires_at == soon
    assert len(house.amazon.asked_at) == 1, "that is near enough to rotate at once"
    assert "application.secret_end_told" in await house.verbs()
    await house.pass_time(HOUR, timedelta(minutes=10))
    assert house.lying == []


@pytest.mark.parametrize("years", [1, 70])
async def test_an_end_that_no_secret_can_have_is_not_believed(years: int) -> None:
    """Whoever can write into the queue could keep everybody quiet until the secret is dead."""
    house = await world(age_days=100)
    known = (await house.credentials()).secret_expires_at
    later = house.clock.now() + years * 365 * DAY
    house.queue.put(QUEUE_URL, expiry_body(house.client_id, later, later - 20 * DAY))
    assert (await house.round()).dates_taken == 0
    assert (await house.credentials()).secret_expires_at == known
    assert NoticeKind.QUEUE_TROUBLE in await house.notices()
    assert house.lying, "left for a person to look at"


async def test_an_end_of_an_older_secret_is_past_caring_about() -> None:
    house = await world(age_days=151)
    told_at = house.clock.now() - DAY
    await house.pass_time(timedelta(minutes=4), MINUTE)
    ends_at = (await house.credentials()).secret_expires_at
    house.queue.put(QUEUE_URL, expiry_body(house.client_id, told_at + 20 * DAY, told_at))
    await house.round()
    assert (await house.credentials()).secret_expires_at == ends_at
    assert house.lying == []


async def test_a_rotation_in_the_console_is_taken_in() -> None:
    house = await world(age_days=20)
    fresh = house.amazon.rotate(house.client_id)
    assert (await house.round()).promoted == 1
    assert await house.secret() == fresh
    (rotation,) = await house.rotations()
    assert (rotation.source, rotation.step) == (RotationSource.SENT, RotationStep.DONE)
    assert house.lying == []
    assert house.amazon.asked_at == []


async def test_a_secret_that_is_in_force_already_changes_nothing() -> None:
    house = await world(age_days=20)
    before = await house.credentials()
    made_at = house.clock.now() - 20 * DAY
    body = new_secret_body(house.client_id, house.first_secret, made_at)
    house.queue.put(QUEUE_URL, body)
    await house.round()
    assert house.lying == []
    assert await house.rotations() == []
    assert await house.former() is None
    assert (await house.credentials()).secret_expires_at == before.secret_expires_at
    assert house.lwa.count() == 0, "nothing had to be tried"


async def test_a_repeated_message_is_recognised_also_when_its_secret_is_the_former_one() -> None:
    house = await world(age_days=20)
    made_at = house.clock.now()
    first = house.amazon.rotate(house.client_id)
    await house.round()
    house.clock.move(8 * DAY)
    second = house.amazon.rotate(house.client_id)
    await house.round()
    assert (await house.secret(), await house.former()) == (second, first)
    house.queue.put(QUEUE_URL, new_secret_body(house.client_id, first, made_at))
    house.clock.move(MINUTE)
    await house.round()
    assert (await house.secret(), await house.former()) == (second, first)
    assert house.lying == []
    assert len(await house.rotations()) == 2


async def test_two_new_secrets_at_once_end_with_the_newer_one() -> None:
    house = await world(age_days=20)
    house.amazon.rotate(house.client_id)
    older = house.queue._queues[QUEUE_URL].pop()
    house.clock.move(HOUR)
    newer = house.amazon.rotate(house.client_id)
    await house.round()
    assert await house.secret() == newer
    house.queue._queues[QUEUE_URL].append(older)
    house.clock.move(MINUTE)
    await house.round()
    assert await house.secret() == newer
    assert house.lying == []


# --- what LWA says of the received one -----------------------------------------------------------


async def test_a_new_secret_that_lwa_does_not_know_yet_is_tried_again() -> None:
    house = await world(age_days=151)
    house.lwa.unknown_until = house.clock.now() + timedelta(minutes=7)
    await house.pass_time(timedelta(minutes=6), MINUTE)
    assert await house.steps_gone() == [RotationStep.RECEIVED]
    assert await house.secret() == house.first_secret
    assert len(house.lying) == 1
    await house.pass_time(timedelta(minutes=15), MINUTE)
    assert await house.steps_gone() == [RotationStep.DONE]
    assert await house.works()
    assert house.lying == []
    assert await house.notices() == []


async def test_a_secret_that_lwa_never_takes_is_never_in_force() -> None:
    house = await world(age_days=20)
    house.queue.put(QUEUE_URL, new_secret_body(house.client_id, new_secret(), house.clock.now()))
    await house.pass_time(timedelta(hours=3), timedelta(minutes=5))
    assert await house.secret() == house.first_secret
    assert set(await house.notices()) == {NoticeKind.ROTATION_STUCK, NoticeKind.SECRET_ENDING}
    (stuck,) = [one for one in await house.board() if one.kind is NoticeKind.ROTATION_STUCK]
    assert "Client authentication failed" in stuck.message
    tries = house.lwa.count("grantless")
    assert 4 <= tries <= 8, "each try is one more wrong login"
    await house.pass_time(9 * DAY, timedelta(hours=5))
    # The old one works for longer than it could beside a successor: there was none.
    assert await house.steps_gone() == [RotationStep.FAILED]
    assert await house.notices() == []
    assert house.lying == []


async def test_weather_is_no_refusal() -> None:
    house = await world(age_days=20)
    house.amazon.rotate(house.client_id)
    house.lwa.fail()
    await house.pass_time(timedelta(hours=5), timedelta(minutes=10))
    (rotation,) = await house.rotations()
    assert (rotation.step, rotation.tries) == (RotationStep.RECEIVED, 0)
    house.lwa.clear()
    await house.pass_time(timedelta(minutes=10), MINUTE)
    assert await house.steps_gone() == [RotationStep.DONE]


async def test_an_application_without_grantless_tokens_shows_a_refresh_token_instead() -> None:
    house = await world(age_days=20)
    house.lwa.fail(lambda: ApplicationRefused("invalid_scope", "Not granted."))
    house.amazon.rotate(house.client_id)
    await house.round()
    assert await house.secret() == house.first_secret, "nothing proves that it works"


# --- what Amazon says to the asking --------------------------------------------------------------


async def test_an_application_that_is_not_enrolled_is_told_in_amazons_words() -> None:
    house = await world(age_days=151)
    await house.add_account(house.application_id, "America", "na")
    house.amazon.mood = Mood(does=False, answer=not_enrolled)
    await house.pass_time(DAY, timedelta(minutes=10))
    assert 3 <= len(house.amazon.asked_at) <= 5
    endpoints = {call.endpoint for call in house.amazon.sent}
    assert len(endpoints) == 2, "after a refusal the next region is asked"
    (notice,) = await house.board()
    assert notice.kind is NoticeKind.ROTATION_STUCK
    assert NOT_ENROLLED in notice.message
    house.amazon.mood = Mood()
    await house.pass_time(2 * DAY, HOUR)
    assert await house.steps_gone() == [RotationStep.DONE]
    assert await house.notices() == []


@pytest.mark.parametrize(
    "answer", [no_answer, lambda: error_answer(500, "InternalFailure", "We encountered an error.")]
)
@pytest.mark.parametrize("does", [True, False])
async def test_when_nobody_knows_whether_amazon_heard_it_is_not_asked_again(
    answer: Any, does: bool
) -> None:
    house = await world(age_days=151)
    house.amazon.mood = Mood(does=does, answer=answer)
    await house.round()
    (rotation,) = await house.rotations()
    assert (rotation.step, rotation.asked_at) == (RotationStep.ASKING, house.clock.now())
    house.amazon.mood = Mood()
    await house.pass_time(timedelta(days=7), HOUR)
    assert len(house.amazon.asked_at) == 1
    if not does:
        assert "rotation.nothing_happened" not in await house.verbs()
    await house.pass_time(timedelta(hours=3), timedelta(minutes=10))
    assert len(house.amazon.rotated_at) == 1
    assert len(house.amazon.asked_at) == (1 if does else 2)
    assert await house.steps_gone() == [RotationStep.DONE]
    assert await house.works()


async def test_a_throttled_asking_is_no_refusal() -> None:
    house = await world(age_days=151)
    house.amazon.mood = Mood(
        does=False, answer=lambda: error_answer(429, "QuotaExceeded", "Slow down.")
    )
    await house.round()
    (rotation,) = await house.rotations()
    assert (rotation.asked_at, rotation.tries) == (None, 0)
    assert await house.notices() == []


async def test_lwa_down_means_that_nobody_was_asked() -> None:
    house = await world(age_days=151)
    house.lwa.fail()
    await house.pass_time(timedelta(minutes=20), timedelta(minutes=10))
    (rotation,) = await house.rotations()
    assert rotation.asked_at is None
    assert house.amazon.asked_at == []
    house.lwa.clear()
    await house.pass_time(timedelta(minutes=20), timedelta(minutes=5))
    assert await house.steps_gone() == [RotationStep.DONE]


async def test_a_lost_message_is_told_within_hours_and_to_operators() -> None:
    house = await world(age_days=151)
    house.amazon.mood.sends = False
    await house.round()
    await house.pass_time(timedelta(minutes=50), timedelta(minutes=10))
    assert await house.notices() == []
    await house.pass_time(timedelta(minutes=20), timedelta(minutes=10))
    assert set(await house.notices()) == {NoticeKind.ROTATION_STUCK, NoticeKind.SECRET_ENDING}
    async with house.store.transaction() as tx:
        (line,) = await tx.reminders.all(kind=ReminderKind.SECRET)
    assert line.days == 7
    assert line.ends_at == house.amazon.asked_at[0] + OVERLAP
    assert line.told_operators_at is None
    await house.pass_time(8 * DAY, timedelta(hours=6))
    assert NoticeKind.SECRET_DEAD in await house.notices() or (
        NoticeKind.APPLICATION_REFUSED in await house.notices()
    )
    assert await house.steps_gone() == [RotationStep.FAILED]
    assert len(house.amazon.asked_at) == 1


# --- the queue -----------------------------------------------------------------------------------


async def test_strange_messages_stay_and_a_person_hears_of_them_once() -> None:
    house = await world(age_days=20)
    stranger = new_secret_body("amzn1.application-oa2-client.unknown", new_secret(), house.clock.at)
    other = {"notificationType": "ORDER_CHANGE", "payload": {}}
    for body in ("no json at all", stranger, other):
        house.queue.put(QUEUE_URL, body)
    for _ in range(3):
        await house.round()
        house.clock.move(MINUTE)
    assert len(house.lying) == 3
    assert await house.notices() == [NoticeKind.QUEUE_TROUBLE]
    house.queue._queues[QUEUE_URL].clear()
    await house.round()
    assert await house.notices() == [NoticeKind.QUEUE_TROUBLE], "it may just be hidden"
    await house.pass_time(2 * HOUR, HOUR)
    assert await house.notices() == []


async def test_without_the_queue_nobody_asks_for_a_secret_that_could_not_be_received() -> None:
    house = await world(age_days=151)
    house.queue.refuse()
    await house.pass_time(HOUR, timedelta(minutes=10))
    assert house.amazon.asked_at == []
    assert await house.notices() == [NoticeKind.QUEUE_TROUBLE]
    state = await house.desk.rotations.state(house.application_id, by=ROOT)
    assert "cannot be read" in state.next
    house.queue.heal()
    await house.pass_time(timedelta(minutes=3), MINUTE)
    assert await house.steps_gone() == [RotationStep.DONE]
    assert await house.notices() == []


async def test_a_silent_queue_is_trouble_after_an_hour() -> None:
    house = await world(age_days=20)
    house.queue.fail()
    await house.pass_time(timedelta(minutes=50), timedelta(minutes=10))
    assert await house.notices() == []
    await house.pass_time(timedelta(minutes=30), timedelta(minutes=10))
    assert await house.notices() == [NoticeKind.QUEUE_TROUBLE]


async def test_applications_that_share_a_queue_share_its_reading() -> None:
    house = await world(age_days=20)
    made_at = house.clock.now() - 20 * DAY
    secret = new_secret()
    other_id, other_client = await house.add_application("Second", secret, made_at)
    house.lwa.learn(other_client, secret, made_at + TERM)
    mine, other = house.amazon.rotate(house.client_id), house.amazon.rotate(other_client)
    house.queue.calls.clear()
    await house.round()
    received = [call for call in house.queue.calls if call[0] == "receive"]
    assert len(received) == 2, "one that brought both, one that found nothing more"
    assert await house.secret() == mine
    house.application_id = other_id
    assert await house.secret() == other


async def test_one_applications_trouble_keeps_no_other_from_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = await world(age_days=151)
    secret = new_secret()
    broken, client_id = await house.add_application("Second", secret, None)
    house.lwa.learn(client_id, secret, house.clock.now() + TERM)
    course = house.desk.rotations._endings
    look = course.look

    async def breaks(known: Any, now: Any) -> Any:
        if known.application.id == broken:
            raise RuntimeError("a mistake of ours")
        return await look(known, now)

    monkeypatch.setattr(type(course), "look", lambda self, known, now: breaks(known, now))
    turned = await house.round()
    assert turned.troubles == 1
    assert len(house.amazon.asked_at) == 1


# --- by hand -------------------------------------------------------------------------------------


async def test_a_pasted_secret_is_tried_and_put_into_force() -> None:
    house = await world(age_days=100, queue=False)
    fresh = house.amazon.rotate(house.client_id, sends=False)
    pasted = await house.desk.rotations.paste(house.application_id, fresh, by=ROOT)
    now = house.clock.now()
    assert pasted.changed
    # LWA still takes the former one: the new one is seven days old at most.
    assert pasted.expires_at == now - OVERLAP + TERM
    assert pasted.previous_ends_at == now + OVERLAP
    assert (await house.secret(), await house.former()) == (fresh, house.first_secret)
    (rotation,) = await house.rotations()
    assert (rotation.source, rotation.step) == (RotationSource.PASTED, RotationStep.DONE)
    assert await house.topics() == ["secret.rotated"]
    again = await house.desk.rotations.paste(house.application_id, fresh, by=ROOT)
    assert not again.changed
    told = now + 150 * DAY
    dated = await house.desk.rotations.paste(house.application_id, fresh, by=ROOT, expires_at=told)
    assert not dated.changed
    assert (await house.credentials()).secret_expires_at == told


async def test_the_age_of_a_secret_whose_former_one_is_dead_is_unknown() -> None:
    house = await world(age_days=100, queue=False)
    fresh = house.amazon.rotate(house.client_id, sends=False)
    house.clock.move(8 * DAY)
    pasted = await house.desk.rotations.paste(house.application_id, fresh, by=ROOT)
    assert pasted.expires_at is None
    assert pasted.previous_ends_at is None
    assert await house.former() is None


async def test_a_wrong_secret_changes_nothing() -> None:
    house = await world(age_days=100, queue=False)
    before = dict(house.store.rows["safe"]), dict(house.store.rows["credentials"])
    with pytest.raises(InvalidInput) as caught:
        await house.desk.rotations.paste(house.application_id, new_secret(), by=ROOT)
    assert caught.value.flaws[0].code == "refused_client_secret"
    assert "Nothing was changed" in str(caught.value)
    for nonsense in ("short", "with a blank in it", "amzn1.application-oa2-client.5f"):
        with pytest.raises(InvalidInput):
            await house.desk.rotations.paste(house.application_id, Secret(nonsense), by=ROOT)
    house.lwa.fail()
    with pytest.raises(AmazonUnavailable, match="nothing was changed"):
        await house.desk.rotations.paste(house.application_id, new_secret(), by=ROOT)
    after = dict(house.store.rows["safe"]), dict(house.store.rows["credentials"])
    assert before == after
    assert await house.rotations() == []


async def test_the_former_secret_is_not_pasted_back() -> None:
    house = await world(age_days=151)
    await house.pass_time(timedelta(minutes=3), MINUTE)
    assert await house.former() == house.first_secret
    with pytest.raises(InvalidInput, match="former"):
        await house.desk.rotations.paste(house.application_id, house.first_secret, by=ROOT)


async def test_a_paste_ends_what_was_waited_for_and_its_late_message_is_recognised() -> None:
    house = await world(age_days=151)
    house.amazon.mood.sends = False
    await house.round()
    fresh = house.lwa.known[house.client_id][-1][0]
    made_at = house.amazon.rotated_at[0]
    house.clock.move(2 * HOUR)
    await house.desk.rotations.paste(house.application_id, fresh, by=ROOT)
    assert await house.steps_gone() == [RotationStep.DONE]
    house.queue.put(QUEUE_URL, new_secret_body(house.client_id, fresh, made_at))
    await house.round()
    assert house.lying == []
    ends_at = (await house.credentials()).secret_expires_at
    assert abs(ends_at - (made_at + TERM)) < timedelta(seconds=1), "Amazon's date is exact"
    assert len(await house.rotations()) == 1


async def test_pasting_takes_a_right_an_application_and_its_credentials() -> None:
    house = await world(age_days=100)
    rotations = house.desk.rotations
    reader = Caller(kind=CallerKind.API_KEY, id="key_x", rights=frozenset({Right.READ}))
    with pytest.raises(NotAllowed):
        await rotations.paste(house.application_id, new_secret(), by=reader)
    with pytest.raises(NotAllowed):
        await rotations.start(house.application_id, by=reader)
    assert (await rotations.state(house.application_id, by=reader)).automatic
    with pytest.raises(NotFound):
        await rotations.paste("app_x", new_secret(), by=ROOT)
    with pytest.raises(NotFound):
        await rotations.history("app_x", by=ROOT)
    bare = dataclasses.replace(
        await house.desk.registry.application(house.application_id, by=ROOT),
        id="app_" + "0" * 26,
        name="Bare",
        application_id="amzn1.sp.solution.bare",
    )
    async with house.store.transaction() as tx:
        await tx.applications.add(bare)
    with pytest.raises(ApplicationIncomplete):
        await rotations.paste(bare.id, new_secret(), by=ROOT)


async def test_starting_by_wish() -> None:
    house = await world(age_days=20)
    state = await house.desk.rotations.start(house.application_id, by=ROOT)
    assert state.running is not None
    assert state.running.step is RotationStep.ASKED
    house.queue.refuse()
    with pytest.raises(Conflict, match="under way"):
        await house.desk.rotations.start(house.application_id, by=ROOT)
    house.queue.heal()
    house.clock.move(MINUTE)
    await house.round()
    assert await house.steps_gone() == [RotationStep.DONE]
    with pytest.raises(Conflict, match="7 days"):
        await house.desk.rotations.start(house.application_id, by=ROOT)
    house.clock.move(OVERLAP + 2 * HOUR)
    await house.desk.rotations.start(house.application_id, by=ROOT)
    assert len(house.amazon.rotated_at) == 2


async def test_starting_where_it_cannot_be() -> None:
    house = await world(age_days=20, queue=False)
    with pytest.raises(Conflict, match="by hand"):
        await house.desk.rotations.start(house.application_id, by=ROOT)
    house = await world(age_days=20, account=False)
    with pytest.raises(Conflict, match="account"):
        await house.desk.rotations.start(house.application_id, by=ROOT)
    house = await world(age_days=179)
    house.clock.move(2 * DAY)
    with pytest.raises(Conflict, match="dead"):
        await house.desk.rotations.start(house.application_id, by=ROOT)
    house = await world(age_days=20)
    house.amazon.rotate(house.client_id)
    with pytest.raises(Conflict, match="7 days"):
        await house.desk.rotations.start(house.application_id, by=ROOT)
    assert house.amazon.asked_at == [], "somebody had just rotated it in the console"


# --- the clock -----------------------------------------------------------------------------------


async def test_without_a_queue_operators_hear_of_the_end_on_its_days_once_each() -> None:
    house = await world(age_days=0, queue=False)
    other = house.another()
    until = house.clock.now() + 182 * DAY
    while house.clock.now() < until:
        house.clock.move(hours=7)
        await asyncio.gather(house.desk.rotations.round(), other.rotations.round())
    async with house.store.transaction() as tx:
        lines = await tx.reminders.all(kind=ReminderKind.SECRET)
    assert [line.days for line in lines] == [90, 60, 30, 14, 7, 3, 1, 0]
    for line in lines:
        assert (line.ends_at.date() - line.at.date()).days == line.days
    assert (await house.topics()).count("secret.expiring") == 8
    assert await house.notices() == [NoticeKind.SECRET_DEAD], "what is over no longer ends soon"
    assert (await house.topics()).count("secret.dead") == 1
    assert [letter.topic for letter in await house.letters()] == ["secret_incident"]
    assert house.amazon.asked_at == []


async def test_after_a_long_pause_there_is_one_reminder_not_five() -> None:
    house = await world(age_days=175, queue=False)
    await house.round()
    await house.round()
    async with house.store.transaction() as tx:
        (line,) = await tx.reminders.all(kind=ReminderKind.SECRET)
    assert line.days == 7


async def test_with_a_queue_nobody_hears_before_it_should_have_worked() -> None:
    house = await world(age_days=140)
    house.amazon.mood = Mood(does=False, answer=not_enrolled)
    await house.pass_time(30 * DAY, timedelta(hours=8))
    async with house.store.transaction() as tx:
        lines = await tx.reminders.all(kind=ReminderKind.SECRET)
    assert [line.days for line in lines] == [21, 14]


async def test_a_secret_that_outlives_our_books_is_not_called_dead() -> None:
    house = await world(age_days=175, queue=False)
    house.lwa.known[house.client_id] = [(house.first_secret, house.clock.now() + 30 * DAY)]
    await house.pass_time(7 * DAY, timedelta(hours=8))
    assert NoticeKind.SECRET_DEAD not in await house.notices()
    assert "secret.dead" not in await house.topics()
    (hangs,) = await house.board()
    assert hangs.kind is NoticeKind.SECRET_ENDING
    assert "Login with Amazon still takes it" in hangs.message, "it does not end today any more"


async def test_what_hangs_of_an_end_names_the_day_and_never_how_far_off_it_is() -> None:
    house = await world(age_days=100, queue=False)
    await house.pass_time(DAY, timedelta(hours=8))
    (hangs,) = await house.board()
    assert hangs.kind is NoticeKind.SECRET_ENDING
    ends_at = datetime.fromisoformat(hangs.facts["ends_at"])
    assert hangs.message.startswith(f"It ends on {day_words(ends_at)}. ")
    assert "days_left" not in hangs.facts


async def test_a_dead_secret_is_one_incident_and_is_settled_by_a_new_one() -> None:
    house = await world(age_days=179, queue=False)
    for number in range(30):
        await house.add_account(house.application_id, f"Shop {number}")
    await house.pass_time(3 * DAY, timedelta(hours=8))
    kinds = await house.notices()
    assert kinds.count(NoticeKind.SECRET_DEAD) == 1
    assert len(await house.letters()) == 1
    fresh = house.amazon.rotate(house.client_id, sends=False)
    await house.desk.rotations.paste(house.application_id, fresh, by=ROOT)
    assert await house.notices() == []
    assert (await house.credentials()).trouble == ""
    assert "application.trouble_ended" in await house.verbs()


# --- nothing shows a secret ----------------------------------------------------------------------


async def test_no_secret_lies_anywhere_but_in_the_safe() -> None:
    house = await world(age_days=151)
    house.lwa.unknown_until = house.clock.now() + timedelta(minutes=5)
    await house.pass_time(timedelta(minutes=20), MINUTE)
    fresh = house.lwa.known[house.client_id][-1][0]
    house.queue.put(QUEUE_URL, f"not json {fresh.reveal()}")
    await house.round()
    everything = repr((house.store.rows, house.store.lines))
    for secret in (fresh, house.first_secret):
        assert secret.reveal() not in everything
    state = await house.desk.rotations.state(house.application_id, by=ROOT)
    assert fresh.reveal() not in repr(state)


@pytest.mark.parametrize("age_days", [0, 20, 151, 179])
async def test_the_state_says_in_words_what_comes_next(age_days: int) -> None:
    house: World = await world(age_days=age_days)
    state = await house.desk.rotations.state(house.application_id, by=ROOT)
    assert state.next.endswith(".")
    assert state.running is None
