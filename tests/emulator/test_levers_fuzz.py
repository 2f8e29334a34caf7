"""Every lever with wishes that nobody thought of: told or done, and a refused one changes nothing.

Wishes are made of the names that the lever itself looked for and of values that mean something
somewhere, so that most of them come far. They are the same in every run.
"""

from __future__ import annotations

import copy
import json
import random
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from amazon_emulator import world_file
from amazon_emulator.faces.levers import LEVERS, Lever, worlds
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.limits import Limits
from amazon_emulator.models import Contract
from amazon_emulator.stage import FACES, Stage
from tests.searching import cases

PULLS = cases(12)
WORLDS = cases(60)
ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 3, 2.5, -0.0, 10**30, -(10**30), 10**400, 1e308, 5e-324),
    *(
        "",
        " ",
        "x",
        "\x00",
        "ü\u202e",
        "9" * 40,
        "a" * 3000,
        "../..",
        "%00",
        "-1 day",
        "+999999 weeks",
    ),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-21T10:00:00Z", "2026-11-21"),
    *("DE", "US", "eu", "A1PA6795UKMFR9", "EUR", "GBP", "9.90", "seller", "vendor", "DONE", "503"),
    *([], {}, [None], [[]], [{}], ["x", "x"], {"x": 1}, {"": {}}, [1, 2], ["DE"]),
    [{"sku": "HERON-1", "price": "9.90", "quantity": 1}],
    {"sku": "HERON-1"},
]


def made_stage() -> Stage:
    stage = Stage.fresh(gentle=True, seed=0, start=None)
    stage.addresses.update({face: f"http://127.0.0.1:{9100 + n}" for n, face in enumerate(FACES)})
    world_file.load_file(stage, world_file.small())
    return stage


@dataclass
class Known:
    """What stands in the world: ids, SKUs, order numbers, states; also by the name of its field."""

    all: list[Any] = field(default_factory=list)
    named: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, stage: Stage) -> Known:
        known = cls()
        known.walk(world_file.export(stage, credentials=True), "")
        return known

    def walk(self, value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, one in value.items():
                self.keep(key, name)
                self.walk(one, key)
        elif isinstance(value, list):
            for one in value[:5]:
                self.walk(one, name)
        else:
            self.keep(value, name)

    def keep(self, value: Any, name: str) -> None:
        if len(str(value)) < 200:
            self.all.append(value)
            snake = "".join(f"_{one.lower()}" if one.isupper() else one for one in name)
            self.named.setdefault(snake.lstrip("_"), []).append(value)

    def for_name(self, name: str) -> list[Any]:
        """Under this name, or under one that is much the same: partner, selling_partner_id."""
        parts = {name, name.removesuffix("_id"), f"{name}_id", f"{name}s"}
        if name == "selling_partner_id":
            parts.add("partner")
        if name == "marketplace":
            return ["DE", "FR", "US"]
        return [one for part in sorted(parts) for one in self.named.get(part, [])]


def shown(stage: Stage) -> str:
    """All that levers can change, but for the passing of time."""
    whole = world_file.export(stage, credentials=True)
    del whole["clock"]
    rest = [
        round(stage.clock.offset_seconds, 1),
        stage.habits,
        stage.plans.as_json(),
        [spell.as_json() for spell in stage.weather.spells],
        stage.of(Limits).as_json(),
        stage.of(Limits).enforced,
        Contract.of(stage).mode,
        sum(not entry.struck for entry in stage.agenda._entries),
    ]
    return json.dumps(whole, sort_keys=True) + repr(rest)


class Fuzz:
    """One lever, pulled again and again: with what it was seen to look for, with the choices that
    its refusals name, and from time to time with nonsense."""

    def __init__(self, method: str, path: str, lever: Lever, seed: str = "") -> None:
        self.dice = random.Random(f"{method} {path} {seed}")
        self.path_names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        self.title = f"{method} {path}"
        self.lever = lever
        self.names: set[str] = set()
        self.choices: dict[str, list[str]] = {}
        self.best: dict[str, Any] = {}
        self.best_looks = 0
        self.blamed: str | None = None
        #: The stage as it was left by a refusal, and so is still: to look at it costs the most.
        self.left: tuple[Stage, str] | None = None

    def value(self, known: Known, name: str, depth: int = 0) -> Any:
        chance = self.dice.random()
        fitting = [*self.choices.get(name, []), *known.for_name(name)]
        if chance < 0.5 and fitting:
            one = self.dice.choice(fitting)
            return [one] if self.dice.random() < 0.1 else one
        if chance < 0.6:
            return self.dice.choice(known.all)
        if chance < 0.7 and depth < 2 and self.names:
            some = {
                name: self.value(known, name, depth + 1)
                for name in self.dice.sample(sorted(self.names), min(3, len(self.names)))
            }
            return [some] if self.dice.random() < 0.5 else some
        return copy.deepcopy(self.dice.choice(ODD))

    def wish(self, known: Known) -> Wish:
        body = copy.deepcopy(self.best)
        names = sorted(self.names)
        if self.blamed in self.names and self.dice.random() < 0.8:
            body[self.blamed] = self.value(known, self.blamed)
        for name in self.dice.sample(names, min(len(names), self.dice.choice((0, 0, 1, 1, 2)))):
            if self.dice.random() < 0.3:
                body.pop(name, None)
            else:
                body[name] = self.value(known, name)
        if self.dice.random() < 0.03:
            body["unknown"] = 1
        query = {
            name: str(self.value(known, name))
            for name in ("limit", "after", "partner", "operation", "by", "credentials", "region")
            if self.title.startswith("GET") and self.dice.random() < 0.2
        }
        path = {
            name: str(self.dice.choice(known.for_name(name) or known.all))
            if self.dice.random() < 0.9
            else str(self.dice.choice(ODD))[:500]
            for name in self.path_names
        }
        return Wish(body, path, query)

    def learn(self, wish: Wish, words: str) -> None:
        self.names |= {name for name in wish._used if name}
        found = re.match(r"'(\w+)'", words)
        self.blamed = found.group(1) if found else None
        if self.blamed and (listed := re.search(r"one of (.+)$", words)):
            self.choices[self.blamed] = [one.strip() for one in listed.group(1).split(",")][:80]
        looks = len(wish._used) if words else 1000
        if words.startswith("unknown"):
            self.best, self.best_looks = {}, 0
        elif looks >= self.best_looks:
            self.best, self.best_looks = copy.deepcopy(wish.body), looks

    def pull(self, stage: Stage, known: Known) -> str:
        wish = self.wish(known)
        told = f"{self.title} {wish.path} {wish.query} {json.dumps(wish.body)[:2000]}"
        before = self.left[1] if self.left and self.left[0] is stage else shown(stage)
        self.left = None
        words = ""
        try:
            said = self.lever(stage, wish)
        except WrongWish as wrong:
            words = str(wrong)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{told}") from error
        self.learn(wish, words)
        if words:
            assert shown(stage) == before, f"refused, yet something changed: {told}\n{words}"
            self.left = stage, before
            words.encode()
            return "refused"
        json.dumps(said, ensure_ascii=False, allow_nan=False).encode()
        return "done"


ONE_BY_ONE = [row for row in LEVERS if row[2] not in (worlds.replace, worlds.add)]


@pytest.mark.parametrize(
    ("method", "path", "lever"), ONE_BY_ONE, ids=[f"{row[0]} {row[1]}" for row in ONE_BY_ONE]
)
def test_any_wish_is_done_or_told(method: str, path: str, lever: Lever) -> None:
    fuzz = Fuzz(method, path, lever)
    stage = made_stage()
    known = Known.of(stage)
    for _ in range(PULLS):
        if fuzz.pull(stage, known) == "done":
            # What was done may come due at any time.
            stage.agenda.run(stage.clock.now())
            if fuzz.dice.random() < 0.2:
                stage = made_stage()


# --- whole worlds ---------------------------------------------------------------------------------


def spoilt(dice: random.Random, value: Any, known: Known) -> Any:
    """The same with one thing in it replaced, left out, doubled, renamed or moved elsewhere."""
    if isinstance(value, dict) and value and dice.random() < 0.95:
        name = dice.choice(sorted(value))
        if dice.random() < 0.05:
            return {key: one for key, one in value.items() if key != name}
        if dice.random() < 0.05:
            return {("x" if key == name else key): one for key, one in value.items()}
        return {**value, name: spoilt(dice, value[name], known)}
    if isinstance(value, list) and value and dice.random() < 0.95:
        place = dice.randrange(len(value))
        if dice.random() < 0.1:
            return [*value, copy.deepcopy(value[place])]
        return [*value[:place], spoilt(dice, value[place], known), *value[place + 1 :]]
    return copy.deepcopy(dice.choice([*ODD, dice.choice(known.all)]))


@pytest.mark.parametrize("lever", [worlds.replace, worlds.add])
def test_any_world_is_loaded_or_told(lever: Lever) -> None:
    dice = random.Random(lever.__name__)
    stage = made_stage()
    whole = world_file.export(stage, credentials=True)
    known = Known.of(stage)
    done = 0
    for _ in range(WORLDS):
        stage = made_stage()
        if lever is worlds.add:
            # Of the same world nothing can be added twice, so one section at a time.
            name = dice.choice(sorted(set(whole) - {"amazon_emulator", "clock"}))
            file = {"amazon_emulator": 1, name: spoilt(dice, whole[name], known)}
        else:
            file = spoilt(dice, whole, known)
        before = shown(stage)
        words = ""
        try:
            said = lever(stage, Wish(file if isinstance(file, dict) else {}))
        except WrongWish as wrong:
            words = str(wrong)
        if words:
            assert shown(stage) == before, words
            continue
        done += 1
        json.dumps(said, allow_nan=False)
        stage.agenda.run(stage.clock.now() + timedelta(days=3))
        again = world_file.export(stage, credentials=True)
        other = made_stage()
        world_file.load(other, json.loads(json.dumps(again)))
        assert {**world_file.export(other, credentials=True), "clock": ""} == {**again, "clock": ""}
    assert done > WORLDS // 50
