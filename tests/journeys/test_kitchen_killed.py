"""Nodes of the kitchen are killed (kill -9) at every act of every kind, Amazon does the work and
loses its answer, the database goes away in the middle, nodes are stopped and come back: nothing is
lost, and nothing that cannot be taken back happens twice.

Real processes, PostgreSQL, and the emulator as Amazon with its limits on and its models as a
contract. First each kind goes undisturbed and its acts are counted; then each act is one trial: a
shop of its own whose node is killed there, and another node goes on.

EVERGRANT_KILL=full walks through all acts of all kinds, and all the weather. Usually the acts of
refunds are walked through, of cancellations and invoices every other one, and of the rest a seeded
sample (the dolls' house walks through all of them: tests/rooms/test_runs_killed.py).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial

import psycopg
import pytest
import pytest_asyncio

from evergrant.rules.rights import SYSTEM
from tests.conftest import Databases
from tests.forked import warm_stage
from tests.journeys.kitchen_node import TIMEOUT_S
from tests.journeys.kitchen_town import Town, Trial, eventually, open_town
from tests.journeys.kitchen_trade import ALL, TRADES, Trade

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.processes,
    pytest.mark.xdist_group("kitchen"),
    pytest.mark.asyncio(loop_scope="module"),
]

SEED = 20261121
FULL = os.environ.get("EVERGRANT_KILL") == "full"
#: What cannot be taken back.
ONCE = ("cancellation", "refund", "invoice")
#: Of these every act is walked through, with one death between each two of them.
WALKED = "refund"
SAMPLE = 1
#: The work is done, and nobody hears of it.
MODES = ("500_after", "drop_after")
#: Where something happens at Amazon that is there for good.
DEEDS = {
    "patch": "patchListingsItem",
    "shipment": "confirmShipment",
    "cancellation": "createFeed",
    "refund": "createFeed",
    "invoice": "createFeed",
    "retail shipment": "SubmitShipmentConfirmations",
    "retail invoice": "submitInvoices",
    "direct shipment": "submitShipmentConfirmations",
    "direct invoice": "submitInvoice",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Databases
) -> AsyncIterator[Town]:
    stage = warm_stage(tmp_path_factory.mktemp("kitchen") / "stage")
    name = postgres_server.take_migrated()
    with stage.open():
        async with open_town(stage, postgres_server.server.url(name)) as town:
            yield town
    postgres_server.drop(name)


async def undisturbed(town: Town) -> dict[str, list[list[str]]]:
    """The acts of each kind, by turn."""
    trials = [await town.trial(trade) for trade in ALL]
    async with town.nursery_learns():
        await town.pass_by(trials)
    faults = await town.faults(trials)
    assert not faults, "\n".join(faults)
    return {trial.trade.name: trial.looks for trial in trials}


def dooms(trade: Trade, looks: list[list[str]], dice: random.Random) -> list[tuple[int, int]]:
    """Every act, or some. After one act and before the next one the world is the same: of what
    cannot be taken back one of the two, by chance, unless all of them are walked through."""
    every = [(turn, act) for turn, acts in enumerate(looks) for act in range(1, len(acts) + 1)]
    if FULL:
        return every
    if trade.name not in ONCE:
        return sorted(dice.sample(every, SAMPLE))
    # Cancellations and invoices go the same way as refunds: of theirs every other one.
    stride = 2 if trade.name == WALKED else 4
    return [dice.choice(every[place : place + 2]) for place in range(1, len(every), stride)]


def weathers(trade: Trade, looks: list[list[str]], dice: random.Random) -> list[tuple[str, ...]]:
    """Of each call, upload and download the ways in which its answer may be lost."""
    told = {act.removeprefix("after ") for acts in looks for act in acts if act[:5] == "after"}
    faces = {"the upload": ("documents", "upload"), "the download": ("documents", "download")}
    every: list[tuple[str, ...]] = [
        (*faces.get(name, ("spapi", name)), mode)
        for name in sorted(told - {"a commit"})
        for mode in (MODES if FULL else (dice.choice(MODES),))
    ]
    if deed := DEEDS.get(trade.name):
        every.append(("spapi", deed, "hang_after"))
    return every if FULL or trade.name in ONCE else dice.sample(every, SAMPLE)


async def test_kill_9_at_every_act_and_answers_that_are_lost(
    town: Town, record_property: Callable[[str, object], None]
) -> None:
    began_s, dice = time.monotonic(), random.Random(SEED)
    acts = await undisturbed(town)
    trials = []
    for trade in ALL:
        looks = acts[trade.name]
        trials += [await town.trial(trade, doom=doom) for doom in dooms(trade, looks, dice)]
        for face, operation, mode in weathers(trade, looks, dice):
            trial = await town.trial(trade, weather=f"{mode} of {operation}")
            town.rain(trial, face, mode, operation)
            # It closes its order, so that nobody can tell which of two closed it.
            trial.may_be_asked = trade.name == "retail rejection"
            trials.append(trial)
    made_s = time.monotonic()
    await town.pass_by(trials)
    passed_s = time.monotonic()
    faults = await town.faults(trials)
    took = f"made in {made_s - began_s:.0f} s, passed in {passed_s - made_s:.0f} s"
    record_property("summary", f"{table(acts, trials)}\n{took}")
    assert not faults, "\n".join(faults)
    breaches = town.amazon.pull("GET", "/contract", limit=5)
    assert not breaches["counts"], breaches


def table(acts: dict[str, list[list[str]]], trials: list[Trial]) -> str:
    rows = [f"{'':17}{'acts':>5}{'killed':>7}{'lived':>6}{'lost':>5}{'turns':>6}"]
    for name, looks in acts.items():
        of_it = [trial for trial in trials if trial.trade.name == name]
        killed = sum(bool(trial.killed_at) for trial in of_it)
        lost = sum(bool(trial.weather) for trial in of_it)
        turns = sum(len(trial.looks) for trial in of_it)
        rows.append(
            f"{name:17}{sum(map(len, looks)):>5}{killed:>7}{len(of_it) - killed - lost:>6}"
            f"{lost:>5}{turns:>6}"
        )
    return "\n".join(rows)


async def test_two_nodes_at_once_all_the_time(town: Town) -> None:
    trials = [await town.trial(trade) for trade in ALL]
    await town.two()
    try:
        await town.pass_by(trials)
    finally:
        await town.one()
    faults = await town.faults(trials)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("another", [False, True], ids=["the same goes on", "another takes over"])
async def test_the_database_goes_away_while_amazon_is_asked(
    town: Town, postgres_server: Databases, another: bool
) -> None:
    trials = []
    names = tuple(DEEDS) if FULL else ("patch", "refund", "invoice", "direct shipment")
    for name, deed in ((name, DEEDS[name]) for name in names):
        trial = await town.trial(TRADES[name])
        town.rain(trial, "spapi", "slow", deed, ms=int(TIMEOUT_S * 600))
        trials.append(trial)
    node = await town.nodes.another()
    node.tell(trials)
    await eventually(
        "somebody to ask", lambda: any(town.is_asking(trial.shop.id) for trial in trials)
    )
    with psycopg.connect(postgres_server.server.url("postgres"), autocommit=True) as admin:
        town.refuse_connections(admin)
        try:
            said = await node.hear()
        finally:
            town.allow_connections(admin)
    assert said is not None
    assert said["wrong"], "nobody noticed it"
    if not another:
        town.healthy, others = [node], town.healthy
    await town.pass_by(trials)
    if not another:
        town.healthy = others
    town.nodes.leave(node)
    faults = await town.faults(trials)
    assert not faults, "\n".join(faults)
    town.wrong.clear()


#: The others wait for the lock of the one that is stopped, a minute of real time each.
SLOW = pytest.mark.skipif(
    not FULL, reason="takes minutes: make kills; tests/rooms/test_runs_frozen.py shows the same"
)


@pytest.mark.parametrize("when", [pytest.param("before", marks=SLOW), "after"])
async def test_a_node_that_was_stopped_comes_back_when_all_is_over(town: Town, when: str) -> None:
    """Its clock went on meanwhile, and another node did its work."""
    names = tuple(DEEDS) if FULL else ("refund", "retail invoice")
    trials = [await town.trial(TRADES[name]) for name in names]
    stopped = []
    for trial in trials:
        trial.may_be_asked = when == "before"
        # Or it might be stopped with the lock of this account's access token in its hands, for
        # which the others would wait as long.
        await town.desk.tokens.mint(trial.id, by=SYSTEM)
        node = await town.nodes.another()
        node.tell([trial], stop_at=f"{when} {DEEDS[trial.trade.name]}")
        stopped.append(node)
    for node in stopped:
        await eventually("it to be stopped", partial(getattr, node, "is_stopped"))
    await town.pass_by(trials, timedelta(minutes=40))
    for node in stopped:
        node.signal(signal.SIGCONT)
    told = await asyncio.gather(*(node.hear() for node in stopped))
    assert all(said is not None for said in told)
    for node in stopped:
        town.nodes.leave(node)
    await town.pass_by(trials)
    faults = await town.faults(trials)
    assert not faults, "\n".join(faults)


async def test_workers_do_it_within_seconds_and_one_that_is_killed_is_missed_by_nobody(
    town: Town,
) -> None:
    """The real worker with its queue: rung for by whoever hands something in."""
    doomed, heir = town.worker("doomed"), town.worker("heir")
    for running in (doomed, heir):
        await eventually("it to be at work", partial(town.is_at_work, running))
    async with town.front_desk() as desk:
        first = await town.trial(TRADES["patch"], desk=desk)
        await eventually("Amazon to have it", lambda: not town.judged(first), within_s=90)
        doomed.kill()
        second = await town.trial(TRADES["shipment"], desk=desk)
        await eventually("Amazon to have it", lambda: not town.judged(second), within_s=90)
        third = await town.trial(TRADES["refund"], desk=desk)
        await eventually(
            "the feed to be there",
            lambda: bool(town.amazon.feeds(selling_partner_id=third.shop.id)),
            within_s=90,
        )
    await asyncio.to_thread(heir.stop)
    assert heir.process.returncode == 0
    trials = [first, second, third]
    await town.pass_by(trials)
    faults = await town.faults(trials)
    assert not faults, "\n".join(faults)
