"""Nodes of the kitchen are killed (kill -9) at every act of every kind, Amazon does the work and
loses its answer, the database goes away in the middle, nodes are stopped and come back: nothing is
lost, and nothing that cannot be taken back happens twice.

Real processes, PostgreSQL, and the emulator as Amazon with its limits on and its models as a
contract. First each kind goes undisturbed and its acts are counted; then each act is one trial: a
shop of its own whose node is killed there, and another node goes on.

EVERGRANT_KILL=full walks through all acts of all kinds. Usually those of cancellations, refunds and
invoices are walked through, and of the others a seeded sample.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from demo.stage import Stage
from tests.journeys.kitchen_town import Town, Trial, open_town
from tests.journeys.kitchen_trade import ALL, TRADES, Trade

pytestmark = [pytest.mark.postgres, pytest.mark.processes, pytest.mark.xdist_group("kitchen")]

SEED = 20261121
FULL = os.environ.get("EVERGRANT_KILL") == "full"
#: What cannot be taken back.
ONCE = ("cancellation", "refund", "invoice")
SAMPLE = 2
#: The work is done, and nobody hears of it.
MODES = ("500_after", "drop_after")


@pytest.fixture
async def town(tmp_path: Path, database_url: str) -> AsyncIterator[Town]:
    stage = Stage.clean(tmp_path / "stage")
    with stage.open():
        async with open_town(stage, database_url) as town:
            yield town


async def undisturbed(town: Town) -> dict[str, list[list[str]]]:
    """The acts of each kind, by turn."""
    trials = [await town.trial(trade) for trade in ALL]
    await town.pass_by(trials)
    faults = await town.faults(trials)
    assert not faults, "\n".join(faults)
    return {trial.trade.name: trial.looks for trial in trials}


def dooms(trade: Trade, looks: list[list[str]], dice: random.Random) -> list[tuple[int, int]]:
    """Every act, or some."""
    every = [(turn, act) for turn, acts in enumerate(looks) for act in range(1, len(acts) + 1)]
    return every if FULL or trade.name in ONCE else sorted(dice.sample(every, SAMPLE))


async def test_kill_9_at_every_act(
    town: Town, record_property: Callable[[str, object], None]
) -> None:
    began_s, dice = time.monotonic(), random.Random(SEED)
    acts = await undisturbed(town)
    print("undisturbed", time.monotonic() - began_s)
    trials = [
        await town.trial(trade, doom=doom)
        for trade in ALL
        for doom in dooms(trade, acts[trade.name], dice)
    ]
    print("made", time.monotonic() - began_s)
    await town.pass_by(trials)
    print("passed", time.monotonic() - began_s)
    faults = await town.faults(trials)
    print("judged", time.monotonic() - began_s)
    record_property("summary", table(acts, trials, time.monotonic() - began_s))
    assert not faults, "\n".join(faults)
    assert not town.wrong, town.wrong[:10]


def table(acts: dict[str, list[list[str]]], trials: list[Trial], took_s: float) -> str:
    rows = [f"{'':17}{'acts':>5}{'killed':>7}{'lived':>6}{'turns':>6}"]
    for name, looks in acts.items():
        of_it = [trial for trial in trials if trial.trade.name == name]
        killed = sum(bool(trial.killed_at) for trial in of_it)
        turns = sum(len(trial.looks) for trial in of_it)
        count = sum(map(len, looks))
        rows.append(f"{name:17}{count:>5}{killed:>7}{len(of_it) - killed:>6}{turns:>6}")
    return "\n".join([*rows, f"{took_s:.0f} s"])
