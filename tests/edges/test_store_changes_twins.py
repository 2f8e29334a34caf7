"""Changes in memory and in PostgreSQL: random days of a kitchen, told the same by both.

Hypothesis makes up the story: lines are handed in, planned and claimed by runs, settled, sent back,
withdrawn, forgotten; every answer and everything that is there at the end has to be equal.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergrant.adapters.store import open_store
from evergrant.ports.store import AlreadyThere, Store, Transaction
from evergrant.ports.traded import Change, Outcome, Pick
from evergrant.rules.changes import SETTLED, ChangeKind, ChangeState
from evergrant.testing.store import MemoryStore
from tests.edges.changes_ground import NOW, change
from tests.searching import cases

Verb = tuple[str, tuple[Any, ...], dict[str, Any]]

KINDS = [ChangeKind.STOCK, ChangeKind.PRICE, ChangeKind.SHIPMENT, ChangeKind.REFUND]
IDS = [f"chg_{number:06}" for number in range(1, 13)]
RUNS = ["run_1", "run_2", "run_3"]

VERBS = [
    *("claim", "claim", "claim", "settle", "settle", "settle_rest", "decide", "add_all"),
    *("plannable", "plannable", "held_up", "of_run", "read", "known", "counts", "purge"),
    *("supersede", "supersede"),
]
BECOMES = [state for state in ChangeState if state is not ChangeState.IN_FLIGHT]

accounts = st.sampled_from(["acc_1", "acc_1", "acc_2"])
ids = st.sampled_from(IDS)
some_ids = st.lists(ids, max_size=8)
kinds = st.sampled_from(KINDS)
some_kinds = st.lists(kinds, max_size=4, unique=True)
runs = st.sampled_from(RUNS)
states = st.sampled_from(ChangeState)
instants = st.integers(-2, 2).map(lambda hours: NOW + timedelta(hours=hours))
messages = st.integers(1, 4)
marketplaces = st.sampled_from(["", "M1", "m2"])
subjects = st.sampled_from(["a", "a", "B", "\u00e4"])
outcomes = st.builds(
    Outcome,
    change_id=ids,
    state=st.sampled_from([ChangeState.PENDING, *BECOMES]),
    code=st.sampled_from(["", "8541"]),
    message=st.text(max_size=3),
    attribute=st.sampled_from(["", "price"]),
    next_at=st.none() | instants,
    counted=st.booleans(),
)


pages_of_a_plan = st.fixed_dictionaries(
    {
        "after": st.none() | st.tuples(marketplaces, subjects, kinds.map(str), ids),
        "limit": st.integers(0, 9),
        "together": st.lists(runs, max_size=2),
        "only_zero": st.booleans(),
    }
)


@st.composite
def changes(draw: st.DrawFn, id: str) -> Change:
    """In any state that it may be in."""
    made = change(
        int(id[-6:]),
        draw(subjects),
        kind=draw(kinds),
        account_id=draw(accounts),
        marketplace_id=draw(marketplaces),
        reference=draw(st.sampled_from(["", "r"])),
        wish=draw(st.sampled_from([{"quantity": 0}, {"quantity": 10}, {"price": "1"}, {}])),
        created_at=draw(instants),
        next_at=draw(st.none() | instants),
    )
    state = draw(st.sampled_from([ChangeState.PENDING] * 4 + list(ChangeState)))
    if state is ChangeState.PENDING:
        return made
    run: dict[str, Any] = {"run_id": draw(runs), "message_id": draw(messages), "tries": 1}
    settled_at = draw(instants) if state in SETTLED else None
    return dataclasses.replace(made, state=state, next_at=None, settled_at=settled_at, **run)


@st.composite
def verbs(draw: st.DrawFn) -> Verb:
    name = draw(st.sampled_from(VERBS))
    now = draw(instants)
    if name == "claim":
        picks = [Pick(change_id=one, message_id=draw(messages)) for one in draw(some_ids)]
        superseded = draw(st.dictionaries(ids, ids, max_size=4))
        together = draw(st.lists(runs, max_size=2))
        asked: tuple[Any, ...] = (draw(accounts), draw(runs), picks, superseded, now)
        return name, asked, {"together": together}
    if name == "settle":
        return name, (draw(runs), draw(st.lists(outcomes, max_size=6)), now), {}
    if name == "settle_rest":
        return name, (draw(runs), draw(outcomes), now), {}
    if name == "decide":
        return name, (draw(some_ids), draw(states), draw(outcomes), now), {}
    if name in ("add_all", "supersede"):
        some = [draw(changes(one)) for one in draw(st.lists(ids, max_size=3))]
        return name, (some,) if name == "add_all" else (draw(accounts), some, now), {}
    if name == "plannable":
        return name, (draw(accounts), draw(some_kinds), now), draw(pages_of_a_plan)
    if name == "held_up":
        return name, (draw(accounts), now), {"together": draw(st.lists(runs, max_size=2))}
    if name == "of_run":
        page = {"after": draw(st.integers(0, 3)), "limit": draw(st.integers(1, 3))}
        return name, (draw(runs),), {**page, "in_flight": draw(st.booleans())}
    if name == "known":
        return name, (draw(accounts), draw(kinds), draw(st.lists(subjects, max_size=3))), {}
    if name == "counts":
        whose = draw(st.none() | st.lists(accounts, max_size=2))
        return name, (whose,), {"settled_since": draw(st.none() | instants)}
    if name == "purge":
        return name, (now, draw(some_kinds)), {"limit": draw(st.integers(0, 3))}
    filters: dict[str, Any] = {
        "account_id": accounts,
        "states": st.lists(states, max_size=3),
        "kind": kinds,
        "subject": subjects,
        "reference": st.sampled_from(["", "r"]),
        "run_id": runs,
        "after": ids,
        "limit": st.integers(0, 3),
    }
    wanted = draw(st.lists(st.sampled_from(sorted(filters)), max_size=3, unique=True))
    return name, (), {one: draw(filters[one]) for one in wanted}


@st.composite
def beginnings(draw: st.DrawFn) -> list[Change]:
    there = draw(st.lists(ids, min_size=4, max_size=10, unique=True))
    return [draw(changes(one)) for one in there]


class RolledBackError(Exception):
    pass


async def told(tx: Transaction, verb: Verb) -> Any:
    name, arguments, options = verb
    try:
        return await getattr(tx.changes, name)(*arguments, **options)
    except AlreadyThere as refused:
        return "refused", refused.constraint


async def live_through(store: Store, beginning: list[Change], story: list[Verb]) -> list[Any]:
    answers: list[Any] = []
    try:
        async with store.transaction() as tx:
            await tx.changes.add_all(beginning)
            for verb in story:
                answers.append(await told(tx, verb))
            answers.append(await tx.changes.read(limit=100))
            raise RolledBackError
    except RolledBackError:
        return answers


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


def test_they_tell_the_same_story(runner: asyncio.Runner, database_url: str) -> None:
    memory = MemoryStore()
    postgres = runner.run(open_store(database_url))

    @settings(
        max_examples=cases(40),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(beginnings(), st.lists(verbs(), min_size=3, max_size=8))
    def compare(beginning: list[Change], story: list[Verb]) -> None:
        ours = runner.run(live_through(memory, beginning, story))
        assert ours == runner.run(live_through(postgres, beginning, story))

    try:
        compare()
    finally:
        runner.run(postgres.close())
