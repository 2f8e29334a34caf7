"""What a turn costs, in statements of the database: few, and as few for many changes as for one."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Engine, event

from evergrant.adapters.store import open_store
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path
from tests.rooms.kitchen_ground import ROOT, Kitchen


class Statements:
    """Those of every engine of this process, by their first words."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __enter__(self) -> Statements:
        event.listen(Engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, "before_cursor_execute", self._note)

    def _note(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        self.made.append(" ".join(statement.split())[:90])

    @property
    def count(self) -> int:
        return len(self.made)

    def told(self) -> str:
        return "\n".join(f"{many} {one}" for one, many in Counter(self.made).most_common())


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[Kitchen]:
    store = await open_store(database_url)
    yield await Kitchen(Path.PATCH, store).furnish()
    await store.close()


async def put(house: Kitchen, many: int, quantity: int = 5) -> None:
    lines = [{"kind": "stock", "sku": f"S{n}", "quantity": quantity} for n in range(many)]
    taken = await house.desk.feeds.intake.put(house.account_id, lines, by=ROOT)
    assert taken.taken == many


async def turns(house: Kitchen) -> int:
    """Until nothing is left to do; gives how many."""
    for number in range(1, 60):
        worked = await house.desk.feeds.work.work(house.account_id)
        assert not worked.troubled
        if worked.next_at is None:
            return number
        house.clock.set(max(worked.next_at, house.clock.now()))
    raise AssertionError(worked)


async def test_what_a_turn_costs(house: Kitchen) -> None:
    # Warm: the access token, buckets and prepared facts are there.
    await put(house, 1)
    await turns(house)

    with Statements() as idle:
        await turns(house)
    assert idle.count <= 12, idle.told()

    await put(house, 3)
    with Statements() as few:
        assert await turns(house) == 1
    assert few.count <= 60, few.told()

    house.clock.move(minutes=30)
    await put(house, 1000)
    with Statements() as many:
        assert await turns(house) < 8
    assert many.count <= 110, many.told()
    changes = await house.changes()
    assert {one.state for one in changes} == {ChangeState.ACCEPTED}
