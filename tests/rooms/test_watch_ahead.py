"""What comes: one list of ends, the nearest first, within reach."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evergrant.errors import NotAllowed
from evergrant.ports.watched import ReminderKind
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from evergrant.rules.terms import GRANT_TERM
from tests.rooms.watch_ground import Town

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def town() -> Town:
    return await Town().open()


async def test_grants_and_client_secrets_the_nearest_first(town: Town) -> None:
    town.fakes.clock.set(START + 20 * DAY)
    late = await town.account(granted_at=START + 20 * DAY)
    early = await town.account(granted_at=START + 3 * DAY)
    undated = await town.account(granted_at=None)
    async with town.desk.store.transaction() as tx:
        await tx.credentials.change(
            town.application_id, secret_set=True, secret_expires_at=START + 375 * DAY
        )
    town.fakes.clock.set(START + GRANT_TERM - 10 * DAY)
    coming = await town.desk.watch.ahead(40 * DAY, by=SYSTEM)
    assert [(one.kind, one.subject) for one in coming] == [
        (ReminderKind.TERM, early),
        (ReminderKind.SECRET, town.application_id),
        (ReminderKind.TERM, late),
    ]
    assert undated not in {one.subject for one in coming}
    assert (coming[0].days_left, coming[1].days_left, coming[2].days_left) == (13, 20, 30)
    ends = START + 3 * DAY + GRANT_TERM
    # It was reminded 16 days before; 9 days before it is next.
    assert coming[0].next_reminder_at == ends.replace(hour=0) - 9 * DAY
    assert await town.desk.watch.ahead(40 * DAY, by=SYSTEM, limit=1) == coming[:1]
    assert await town.desk.watch.ahead(12 * DAY, by=SYSTEM) == []


async def test_nobody_sees_beyond_their_reach(town: Town) -> None:
    town.fakes.clock.set(START)
    one = await town.account(granted_at=START)
    await town.account(granted_at=START)
    async with town.desk.store.transaction() as tx:
        await tx.credentials.change(
            town.application_id, secret_set=True, secret_expires_at=START + 30 * DAY
        )
    bound = Caller(
        kind=CallerKind.API_KEY,
        id="key_1",
        rights=frozenset({Right.READ}),
        account_ids=frozenset({one}),
    )
    found = await town.desk.watch.ahead(400 * DAY, by=bound)
    assert [coming.subject for coming in found] == [one]
    nobody = Caller(kind=CallerKind.API_KEY, id="key_2")
    with pytest.raises(NotAllowed):
        await town.desk.watch.ahead(400 * DAY, by=nobody)
