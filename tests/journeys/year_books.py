"""Comparing what happened in the simulated year with what had to.

Answers for: what Evergrant's own books say (journal, events, notices), read by its rooms; and for
the table that the test shows. Does not answer for: what arrived at mail server and receivers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from evergrant.desk import Desk
from evergrant.ports.things import JournalLine
from evergrant.rules.rights import SYSTEM
from tests.journeys.year_arrivals import subject_of
from tests.journeys.year_oracle import Happened, Thing
from tests.journeys.year_plan import BEGIN, INSTANCES, Plan
from tests.journeys.year_world import World

__all__ = ["differences", "read_board", "read_events", "read_journal", "table"]

PAGE = 1000
VERBS = {
    "authorization.lapsed": "lapse",
    "authorization.revoked": "revoked",
    "authorization.reinstated": "reinstated",
    "authorization.granted": "grant",
    "authorization.renewed": "grant",
    "authorization.reminded": "reminded",
    "application.secret_reminded": "secret reminded",
    # Written before Amazon can hear; who is killed then never writes that it did.
    "rotation.asking": "rotation asked",
    "rotation.promoted": "rotated",
    "webhook.failed": "given up",
}


def day_of(at: datetime) -> int:
    return (at - BEGIN).days


async def read_events(desk: Desk, world: World, after: int) -> int:
    """Those behind a position, as instances without an address read them; gives the last one."""
    instances = {key: name for name, key in world.instance_ids.items()}
    by_name = {one.name: one for one in INSTANCES}
    while True:
        found = await desk.post.events(by=SYSTEM, after=after, limit=100)
        for one in found:
            to = by_name[instances[one.client_instance_id]]
            whom, more = subject_of({"data": one.facts}, to)
            world.out.note(day_of(one.at), f"event {one.topic}", whom, more)
            after = one.position
        if len(found) < 100:
            return after


async def read_journal(desk: Desk, world: World) -> None:
    names = {shop.account_id: shop.life.name for shop in world.shops.values()}
    names |= {key: name for name, key in world.application_ids.items()}
    after = 0
    while True:
        async with desk.store.transaction() as tx:
            lines = await tx.journal.read(after=after, limit=PAGE)
        for line in lines:
            if (what := VERBS.get(line.verb)) is not None:
                # An application is asked for in the name of an account.
                who = names.get(line.subject) or names.get(line.account_id or "", line.subject)
                what, more = _told(what, line)
                world.out.note(day_of(line.at), what, who, more)
            after = line.id
        if len(lines) < PAGE:
            return


def _told(what: str, line: JournalLine) -> tuple[str, str]:
    facts: dict[str, Any] = dict(line.facts)
    if what == "reminded":
        return what, f"{facts['about']} {facts['window_days']}"
    if what == "secret reminded":
        return what, str(facts["window_days"])
    if what == "grant":
        return what, line.verb.rpartition(".")[2]
    if what == "given up":
        return f"{what} {facts['topic']}", ""
    return what, ""


async def read_board(desk: Desk, world: World) -> None:
    names = {shop.account_id: shop.life.name for shop in world.shops.values()}
    names |= {key: name for name, key in world.application_ids.items()}
    names |= {key: name for name, key in world.instance_ids.items()}
    async with desk.store.transaction() as tx:
        for one in await tx.notices.all(settled_at=None):
            whom = names.get(one.account_id or one.subject, one.subject)
            world.out.board.add((one.kind.value, whom))


# --- the comparison -------------------------------------------------------------------------


def differences(expected: Happened, happened: Happened) -> list[str]:
    """In words, none when all is as it has to be."""
    told = []
    for (day, what, whom, more), times in sorted((expected.things - happened.things).items()):
        told.append(f"day {day}: {what} {more} of {whom} did not happen ({times}x)")
    for (day, what, whom, more), times in sorted((happened.things - expected.things).items()):
        told.append(f"day {day}: {what} {more} of {whom} was not to happen ({times}x)")
    for kind, whom in sorted(expected.board - happened.board):
        told.append(f"at the end: {kind} of {whom} does not hang on the board")
    for kind, whom in sorted(happened.board - expected.board):
        told.append(f"at the end: {kind} of {whom} hangs on the board")
    return told


def table(plan: Plan, expected: Happened, happened: Happened, says: Iterable[str]) -> str:
    """Counts by kind, then by behaviour: expected, happened, on another day, missing, too many."""
    by_kind = _counts(expected, happened, lambda thing: thing[1])
    behaviour = {life.name: life.behaviour for life in plan.lives}
    by_behaviour = _counts(expected, happened, lambda thing: behaviour.get(thing[2], "the house"))
    widest = max(map(len, (*by_kind, *by_behaviour)))
    head = f"{'':{widest}}  expected  happened  other day  missing  surplus"
    lines = [*says, "", head, *_lines(by_kind, widest), "", head, *_lines(by_behaviour, widest)]
    board = Counter(kind for kind, _ in expected.board)
    hangs = Counter(kind for kind, _ in happened.board)
    lines += ["", "on the board at the end (expected/happened): "]
    lines += [f"  {kind} {board[kind]}/{hangs[kind]}" for kind in sorted(board | hangs)]
    return "\n".join(lines)


def _lines(rows: dict[str, list[int]], widest: int) -> list[str]:
    total = [sum(column) for column in zip(*rows.values(), strict=True)]
    return [
        f"{name:{widest}}  {a:8}  {b:8}  {c:9}  {d:7}  {e:7}"
        for name, (a, b, c, d, e) in (*sorted(rows.items()), ("all", total))
    ]


def _counts(expected: Happened, happened: Happened, group: Any) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for thing, times in expected.things.items():
        found[group(thing)][0] += times
    for thing, times in happened.things.items():
        found[group(thing)][1] += times
    missing = _undated(expected.things - happened.things)
    surplus = _undated(happened.things - expected.things)
    for thing, times in (missing & surplus).items():
        found[group(thing)][2] += times
    for thing, times in (missing - surplus).items():
        found[group(thing)][3] += times
    for thing, times in (surplus - missing).items():
        found[group(thing)][4] += times
    return dict(found)


def _undated(things: Counter[Thing]) -> Counter[Thing]:
    found: Counter[Thing] = Counter()
    for (_, what, whom, more), times in things.items():
        found[0, what, whom, more] += times
    return found
