"""Much work at once: bounded, and in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from evergrant.watch import rounds
from evergrant.watch.rounds import MOST_ROUNDS, MOST_S, ROUND, in_rounds

MANY = MOST_ROUNDS * ROUND


class Pile:
    """Pieces of work that never wait for anything, as with a store that answers at once."""

    def __init__(self, pieces: int) -> None:
        self.waiting = list(range(pieces))
        self.after_each: Callable[[], None] = lambda: None

    async def due(self, limit: int) -> list[int]:
        return self.waiting[:limit]

    async def do(self, piece: int) -> bool:
        self.waiting.remove(piece)
        self.after_each()
        return True


async def test_two_thousand_at_once_leave_deliveries_their_turn() -> None:
    pile, over, turns = Pile(MANY), asyncio.Event(), 0

    async def deliver() -> None:
        nonlocal turns
        while not over.is_set():
            turns += 1
            await asyncio.sleep(0)

    delivering = asyncio.create_task(deliver())
    assert await in_rounds(pile.due, pile.do) == MANY
    over.set()
    await delivering
    assert turns >= MANY - 1


async def test_one_sweep_is_bounded_by_number() -> None:
    pile = Pile(MANY + 7)
    assert await in_rounds(pile.due, pile.do) == MANY
    assert await in_rounds(pile.due, pile.do) == 7
    assert pile.waiting == []


async def test_one_sweep_is_bounded_by_time_and_the_next_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A round that has begun is finished: whoever asks how much was done sees a full one."""
    passed = 0.0

    def pass_time() -> None:
        nonlocal passed
        passed += (MOST_S + 1) / ROUND

    monkeypatch.setattr(rounds, "time", SimpleNamespace(monotonic=lambda: passed))
    pile = Pile(ROUND + 7)
    pile.after_each = pass_time
    assert await in_rounds(pile.due, pile.do) == ROUND
    assert await in_rounds(pile.due, pile.do) == 7
