"""The script of a simulated year and a half: who lives in it, and what each one does on which day.

Answers for: a table of behaviours, drawn by a seed, and the days on which it is worth
looking twice. Does not answer for: doing any of it (year_world), or for what has to follow
(year_oracle).

A day is a number, counted from the first one. Nodes look around in the morning (`morning`) and, on
days on which something ends or is done, in the afternoon (`afternoon`); people and Amazon act at
noon in between. On days on which client secrets are rotated another look comes `SOON` after each.
All looks come a minute later each day, so that what was made in a look is over or due in the look
of the day that it names, and never a moment after it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

__all__ = [
    "APPLICATIONS",
    "BEGIN",
    "DAYS",
    "INSTANCES",
    "PAUSE",
    "SOON",
    "Act",
    "App",
    "Life",
    "Plan",
    "afternoon",
    "draw",
    "morning",
    "noon",
]

DAYS = 548
#: What people do they do on every fifth day, but for what has to be on a day of its own: each day
#: on which something is done is looked at twice. A year is so many times five days.
GRID = 5
BEGIN = datetime(2031, 1, 1, tzinfo=UTC)
YEAR = 365
SOON = timedelta(minutes=10)
#: Nobody looks around on these days: all nodes are off. One day longer than a month.
PAUSE = range(335, 366)


def morning(day: int) -> datetime:
    return BEGIN + timedelta(days=day, minutes=5 + day)


def noon(day: int) -> datetime:
    return BEGIN + timedelta(days=day, hours=12)


def afternoon(day: int) -> datetime:
    return noon(day) + timedelta(minutes=30 + day)


@dataclass(frozen=True)
class App:
    """``rotates``: by "queue", or by "hand". ``broken``: days on which its queue cannot be read.
    ``pasted``: days on which somebody rotates its secret in the console and pastes it."""

    name: str
    kind: str = "public"
    windows: tuple[int, ...] | None = None
    rotates: str = "queue"
    broken: range = range(0)
    pasted: tuple[int, ...] = ()


@dataclass(frozen=True)
class Instance:
    """``outages``: days on which it refuses every webhook."""

    name: str
    webhook: bool = True
    outages: tuple[range, ...] = ()

    def is_down(self, day: int) -> bool:
        return any(day in outage for outage in self.outages)


USUAL = (30, 23, 16, 9, 2, 0)
OWN = (60, 45, 14, 3, 0)
APPLICATIONS = (
    App("North"),
    App("South", windows=OWN),
    App("West", rotates="hand", pasted=(168, 321, 488)),
    App("Private", kind="private", broken=range(145, 157)),
)
INSTANCES = (
    Instance("Open"),
    Instance("Silent", webhook=False),
    # Of the first four days what happens at their beginning is given up; of the others nothing.
    Instance("Weak", outages=(range(200, 204), range(227, 231))),
)


@dataclass(frozen=True)
class Act:
    """What somebody does at noon: ``what`` is a verb of year_world and of year_oracle."""

    day: int
    what: str
    to: int = 0  # a day, where the verb takes one


@dataclass
class Life:
    """One account. ``granted``: the day of the grant with which it came (before the first day: a
    negative number); None: nobody knows. ``bounces``: the relay takes no letter to it."""

    number: int
    behaviour: str
    app: App
    instance: Instance
    granted: int | None
    acts: list[Act] = field(default_factory=list)
    comes_by: str = "adopt"  # or "consent"
    bounces: bool = False
    slow: bool = False  # the relay takes letters at the second try
    vendor: bool = False
    endless: bool = False  # Amazon goes on taking it, to the end of the play

    @property
    def comes(self) -> int:
        """The day on which it is connected."""
        return max(0, self.granted or 0)

    @property
    def name(self) -> str:
        return f"Shop {self.number:03d} {self.behaviour}"

    @property
    def email(self) -> str:
        return f"shop{self.number:03d}@partners.example"


@dataclass
class Plan:
    lives: list[Life]
    busy: set[int]  # days with an afternoon
    long: set[int]  # on which client secrets are rotated
    looked: set[int]  # days with a morning

    def acts(self, day: int) -> Iterator[tuple[Life, Act]]:
        for life in self.lives:
            for act in life.acts:
                if act.day == day:
                    yield life, act


Script = Callable[["_Draw"], None]


@dataclass
class _Draw:
    """One life being written. ``end``: the day on which its year is over."""

    life: Life
    end: int
    windows: Sequence[int]
    dice: random.Random

    def act(self, day: int, what: str, to: int = 0, *, exactly: bool = False) -> int:
        """The day on which it is done: not while everything is off."""
        if not exactly:
            day -= day % GRID
        if day in PAUSE:
            day = PAUSE.stop + GRID - 1 - (PAUSE.stop - 1) % GRID
        while any(day <= one.day for one in self.life.acts):
            day += GRID
        self.life.acts.append(Act(day, what, to))
        return day

    def renew(self, day: int, *, exactly: bool = False) -> None:
        """And again, when that year is over within the play."""
        done = self.act(day, "renew", exactly=exactly)
        if done + YEAR < DAYS - 1:
            self.act(done + YEAR - 12, "renew")


def _never(_: _Draw) -> None:
    """Nothing is done."""


def _at_window(number: int) -> Script:
    def script(draw: _Draw) -> None:
        window = draw.windows[min(number, len(draw.windows) - 1)]
        draw.renew(draw.end - window, exactly=window < GRID)

    return script


def _after(days: int) -> Script:
    return lambda draw: draw.renew(draw.end + days)


def _last_day(draw: _Draw) -> None:
    draw.renew(draw.end)


def _cold(days: int) -> Script:
    def script(draw: _Draw) -> None:
        day = draw.act(draw.end + days, "reauthorize")
        draw.renew(day + GRID)

    return script


def _fails_first(draw: _Draw) -> None:
    day = draw.act(draw.end - 20, "fail_to_renew")
    draw.renew(day + GRID)


def _revokes(draw: _Draw) -> None:
    draw.act(max(2, draw.end - 70), "revoke")


def _revokes_and_returns(draw: _Draw) -> None:
    day = draw.act(max(2, draw.end - 70), "revoke")
    day = draw.act(day + GRID, "invite")
    draw.renew(day + GRID)


def _revokes_and_is_reinstated(draw: _Draw) -> None:
    """Amazon takes the same grant again: the year that we know goes on."""
    day = draw.act(max(2, draw.end - 70), "revoke")
    draw.act(day + GRID, "reinstate")


def _accepted_after_the_end(draw: _Draw) -> None:
    draw.act(draw.end - 40, "renew_unseen")
    draw.act(draw.end + GRID, "look_again")


def _refused_early(draw: _Draw) -> None:
    draw.act(draw.end - 1, "end_early", exactly=True)


def _closed(draw: _Draw) -> None:
    draw.act(draw.end - 12, "close")


def _closed_and_reopened(draw: _Draw) -> None:
    day = draw.act(draw.end - 12, "close")
    draw.act(day + 2 * GRID, "reopen")


def _undated(draw: _Draw) -> None:
    draw.life.granted, draw.life.endless = None, True


def _dated_later(draw: _Draw) -> None:
    draw.life.granted = None
    draw.act(15 + draw.life.number % 20, "date", to=min(draw.end - YEAR, -2 * GRID))


def _bounces(draw: _Draw) -> None:
    draw.life.bounces = True


def _bounces_and_is_mended(draw: _Draw) -> None:
    draw.life.bounces = True
    day = draw.act(draw.end - 5, "mend_address")
    draw.renew(day + GRID)


def _slow_mail(draw: _Draw) -> None:
    draw.life.slow = True


def _ages(_: _Draw) -> None:
    """A self-authorization that nobody renews."""


def _adopted_anew(draw: _Draw) -> None:
    draw.act(draw.end - 10, "adopt_anew")


def _comes_by_consent(_: _Draw) -> None:
    """As all do that come later than the first day."""


NORTH, SOUTH, WEST, PRIVATE = APPLICATIONS
#: Behaviour, application, script.
BEHAVIOURS: Sequence[tuple[str, App, Script]] = (
    *((f"renews at {USUAL[n]}", NORTH, _at_window(n)) for n in range(6)),
    ("own days, renews at 14", SOUTH, _at_window(2)),
    ("own days, never", SOUTH, _never),
    ("renews after the lapse", NORTH, _after(5)),
    ("renews on the last day", WEST, _last_day),
    ("never renews", NORTH, _never),
    ("re-authorizes at Amazon", NORTH, _cold(-6)),
    ("re-authorizes when lapsed", WEST, _cold(9)),
    ("fails first", NORTH, _fails_first),
    ("revokes", NORTH, _revokes),
    ("revokes and returns", SOUTH, _revokes_and_returns),
    ("revoked, then taken again", NORTH, _revokes_and_is_reinstated),
    ("taken after the end", NORTH, _accepted_after_the_end),
    ("refused a day early", NORTH, _refused_early),
    ("closed", NORTH, _closed),
    ("closed and reopened", WEST, _closed_and_reopened),
    ("undated", NORTH, _undated),
    ("dated later", NORTH, _dated_later),
    ("mail bounces", NORTH, _bounces),
    ("mail bounces, mended", NORTH, _bounces_and_is_mended),
    ("slow mail", WEST, _slow_mail),
    ("self-authorized", PRIVATE, _ages),
    ("self-authorized, anew", PRIVATE, _adopted_anew),
    ("comes by consent", NORTH, _comes_by_consent),
)


def draw(accounts: int, seed: int, *, ends: int | None = None) -> Plan:
    """Behaviours in turn, each at its own time of the year; ``ends``: on so many days at most."""
    dice = random.Random(seed)
    lives: list[Life] = []
    numbers = count(1)
    order = list(range(accounts))
    dice.shuffle(order)
    for place in range(accounts):
        name, app, script = BEHAVIOURS[place % len(BEHAVIOURS)]
        # Ends spread over the days on which all windows, and what follows, still lie in the play.
        # Of few days on which years end, those that the pause hides are no more than their share.
        part = order[place] * (ends or accounts) // accounts / (ends or accounts)
        end = 70 + int(part * (DAYS - 110))
        end -= end % GRID
        life = Life(
            number=next(numbers),
            behaviour=name,
            app=app,
            instance=INSTANCES[dice.choice((0, 0, 1, 2, 2))],
            granted=end - YEAR,
            vendor=app is not PRIVATE and place % 10 == 7,
        )
        if name == "comes by consent":
            life.granted = GRID * (order[place] % 30 + 1)
            end = life.granted + YEAR
        script(_Draw(life, end, app.windows or USUAL, dice))
        if life.comes and not life.bounces and app is not PRIVATE:
            life.comes_by = "consent"
        lives.append(life)
    busy = {act.day for life in lives for act in life.acts}
    busy |= {life.granted + YEAR for life in lives if life.granted is not None}
    busy |= {life.comes for life in lives}
    busy |= {act.to + YEAR for life in lives for act in life.acts if act.what == "date"}
    busy |= {act.day + YEAR for life in lives for act in life.acts}
    for life in lives:
        if life.comes_by == "consent" and life.granted is not None:
            busy |= {life.granted - 1, life.granted}
    for app in APPLICATIONS:
        busy |= {*app.pasted, app.broken.start, app.broken.stop}
    for instance in INSTANCES:
        for outage in instance.outages:
            busy |= {*outage, outage.stop}
    # Secrets are rotated 30 days before their end.
    long = {150, 157, 300, 307, 450, 457}
    days = {day for day in range(DAYS) if day not in PAUSE}
    return Plan(lives, days & (busy | long), long, days)
