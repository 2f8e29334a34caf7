"""What the watch asks of PostgreSQL: the number of its statements, which must not creep up.

No time is measured here: `python -m bench watch-minute` does that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import Engine, event

from evergrant.adapters.store import open_store
from evergrant.rules.rights import SYSTEM
from evergrant.rules.terms import GRANT_TERM
from evergrant.testing.desk import Fakes
from evergrant.testing.store import MemoryStore
from evergrant.watch.reminders import LOOK_EVERY, Reminders
from tests.rooms.watch_ground import Town

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENDS = START + GRANT_TERM
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ACCOUNTS = 5


class Statements(list[str]):
    def about(self, words: str) -> int:
        return sum(words in one for one in self)


@contextmanager
def counted() -> Iterator[Statements]:
    """Every statement of this process; begin and commit are none."""
    said = Statements()

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    store = await open_store(database_url)
    town = await Town(Fakes(store=cast("MemoryStore", store))).open()
    for number in range(ACCOUNTS):
        await town.account(f"Shop {number}", granted_at=START)
    yield town
    await store.close()


async def test_a_minute_without_anything_to_do_costs_a_handful(town: Town) -> None:
    await town.at(START + DAY)
    await town.at(START + DAY + MINUTE)
    with counted() as said:
        await town.at(START + DAY + 2 * MINUTE)
    assert len(said) <= 14 + 4  # the last four: one application's client secret
    assert not said.about("WITH plans")
    assert not [one for one in said if not one.startswith("SELECT")]


async def test_all_ends_are_looked_through_every_ten_minutes_and_at_midnight(town: Town) -> None:
    await town.at(START + DAY)
    before_midnight = (START + 2 * DAY).replace(hour=0) - MINUTE
    with counted() as said:
        await town.at(START + DAY + LOOK_EVERY - MINUTE)
        assert said.about("WITH plans") == 0
        await town.at(START + DAY + LOOK_EVERY)
        assert said.about("WITH plans") == 1
        await town.at(before_midnight)
        assert said.about("WITH plans") == 2
        await town.at(before_midnight + MINUTE)
        assert said.about("WITH plans") == 3


async def test_a_reminder_takes_some_twenty_statements_and_seals_once(town: Town) -> None:
    desk = town.desk
    reminders = Reminders(
        store=desk.store, consent=desk.consent, bell=town.fakes.bell, watching=town.watching
    )
    seals = town.fakes.keyring.seals
    with counted() as said:
        assert await reminders.round(ENDS - 30 * DAY) == ACCOUNTS
    assert said.about("INSERT INTO reminders") == ACCOUNTS
    assert town.fakes.keyring.seals - seals == ACCOUNTS
    assert said.about("INSERT INTO journal") == ACCOUNTS
    assert len(said) <= 1 + 21 * ACCOUNTS


async def test_the_daily_letter_costs_the_same_for_one_line_and_for_many(town: Town) -> None:
    town.fakes.clock.set(ENDS - 30 * DAY)
    with counted() as said:
        await town.desk.watch.sweep()
    assert said.about("UPDATE reminders SET told_operators_at") == 1
    (letter,) = await town.digests()
    assert len(letter.facts["ending"]) == ACCOUNTS
    with counted() as said:
        facts = await town.desk.consent.letter_facts(letter)
    assert facts is not None
    assert all(row["link"] for row in facts.facts["ending"].rows)
    assert len(said) <= 12


async def test_what_comes_is_read_as_far_as_it_is_shown(town: Town) -> None:
    with counted() as said:
        coming = await town.desk.watch.ahead(400 * DAY, by=SYSTEM, limit=2)
    assert [one.name for one in coming] == ["Shop 0", "Shop 1"]
    assert len(said) <= 6
