"""One bundle of what all faces share: clock, world, weather, history, settings, addresses."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from amazon_emulator.agenda import Agenda
from amazon_emulator.clock import Clock
from amazon_emulator.history import History
from amazon_emulator.limits import Plans
from amazon_emulator.models import Library
from amazon_emulator.weather import Weather
from amazon_emulator.world import World

__all__ = ["FACES", "Habits", "LoginLeg", "Stage", "log"]

# The order is the order of the ports.
FACES = (
    *("lwa", "seller_central", "vendor_central", "na", "eu", "fe", "levers"),
    *("sandbox_na", "sandbox_eu", "sandbox_fe", "documents", "aws"),
)

T = TypeVar("T")

LoginLeg = Literal["always", "never", "unlinked", "alternate"]

log = logging.getLogger("amazon_emulator")


@dataclass
class Habits:
    """How the emulator behaves where Amazon is known to behave in more than one way."""

    gentle: bool = False
    login_leg: LoginLeg = "unlinked"
    login_leg_for: dict[tuple[str | None, str | None], LoginLeg] = field(default_factory=dict)
    callback_uri_as_path: bool = False
    amazon_state: Literal["plain", "utf8", "bytes"] = "plain"
    vendors_need_beta: bool = False
    renewal_refresh_token: Literal["new", "same"] = "new"  # noqa: S105
    renewal_kills_old: bool = False

    @classmethod
    def usual(cls, *, gentle: bool) -> Habits:
        """Gentle: the plain reading of Amazon's pages. Else every shape that was seen there."""
        if gentle:
            return cls(gentle=True)
        return cls(gentle=False, login_leg="alternate", amazon_state="utf8")


@dataclass
class Stage:
    """What a face needs to play."""

    clock: Clock
    habits: Habits
    seed: int
    gentle: bool = False  # as it was started
    world: World = field(default_factory=World)
    history: History = field(default_factory=History)
    weather: Weather = field(default_factory=Weather)
    agenda: Agenda = field(default_factory=Agenda)
    addresses: dict[str, str] = field(default_factory=dict)
    dice: random.Random = field(default_factory=random.Random)
    consents_begun: int = 0
    models: Library = field(default_factory=lambda: Library(Path()))  # none
    plans: Plans = field(default_factory=Plans)
    limits_enforced: bool = True  # as it was started
    contract_mode: Literal["off", "report", "refuse"] = "off"  # as it was started
    parts: dict[type, Any] = field(default_factory=dict)  # by their class, see `of`

    @classmethod
    def fresh(cls, *, gentle: bool, seed: int, start: datetime | None) -> Stage:
        stage = cls(Clock(start), Habits.usual(gentle=gentle), seed, gentle)
        stage.dice.seed(seed)
        stage.weather.dice.seed(seed)
        return stage

    def know(self, models: Library) -> None:
        """Amazon's models: what is not played is answered from them, and their plans hold."""
        self.models = models
        self.plans.overlay(
            (known.method, known.path, known.name, known.plan) for known in models.operations
        )

    def of(self, kind: type[T]) -> T:
        """The one value of this kind in this world; made when first asked for, gone at a reset."""
        known = self.parts.get(kind)
        if known is None:
            known = self.parts[kind] = kind()
        part: T = known
        return part

    def reset(self) -> None:
        """As freshly started: empty world, real time, fair weather. Addresses stay."""
        self.weather.clear()
        self.agenda = Agenda()
        self.parts.clear()
        self.clock.reset()
        self.world = World()
        self.history = History()
        self.plans = self.plans.fresh()
        self.habits = Habits.usual(gentle=self.gentle)
        self.dice.seed(self.seed)
        self.weather.dice.seed(self.seed)
        self.consents_begun = 0
