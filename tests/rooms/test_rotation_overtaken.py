"""Two nodes at the same application: what one of them saw a moment ago is no news any more."""

from __future__ import annotations

from datetime import timedelta

from evergrant.ports.watched import ReminderKind, RotationStep
from evergrant.rotation.ground import Known
from tests.rooms.rotation_ground import QUEUE_URL, Mood, World, new_secret_body, world


async def _waiting_for_two_hours() -> tuple[World, Known]:
    """Amazon made a new secret, which comes only now; and how another node sees that."""
    house = await world(age_days=151)
    house.amazon.mood = Mood(sends=False)
    await house.round()
    house.clock.move(hours=2)
    seen = await house.another().rotations._known(house.application_id)
    assert seen.running is not None
    made, _ = house.lwa.known[house.client_id][-1]
    [asked_at] = house.amazon.asked_at
    house.queue.put(QUEUE_URL, new_secret_body(house.client_id, made, asked_at))
    return house, seen


async def test_a_rotation_that_another_node_ended_is_not_told_as_stuck() -> None:
    house, seen = await _waiting_for_two_hours()
    other = house.another()
    await house.round()
    assert await house.steps_gone() == [RotationStep.DONE]
    told = await other.rotations._endings.tell(seen, house.clock.now())
    assert (told.troubles, told.reminded) == (0, 0)
    assert await house.notices() == []
    async with house.store.transaction() as tx:
        assert await tx.reminders.all(kind=ReminderKind.SECRET) == []
    await house.pass_time(timedelta(hours=3), timedelta(hours=1))
    assert await house.notices() == []
