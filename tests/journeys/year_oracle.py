"""What has to happen in the simulated year and a half: a plain model, made of the promises alone.

Answers for: every letter, event, lapse, renewal, rotation and line of the operators' letter, with
its day, and what hangs on the board at the end. Does not answer for: how Evergrant does it; nothing
of its code is imported here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.journeys.year_plan import (
    APPLICATIONS,
    DAYS,
    INSTANCES,
    PAUSE,
    USUAL,
    YEAR,
    Act,
    App,
    Instance,
    Life,
    Plan,
    afternoon,
    morning,
    noon,
)

__all__ = ["Happened", "Oracle"]

SECRET_YEAR = 180
SECRET_WINDOWS = (90, 60, 30, 14, 7, 3, 1, 0)
ROTATED_BEFORE = 30
TOLD_AFTER = timedelta(days=30)
#: What Amazon gave for a closed account is gone then.
FORGOTTEN_AFTER = 30
TRIED_FOR = timedelta(days=3)

#: (day, what, whom, more): as "letter", "Shop 001 never", "16".
Thing = tuple[int, str, str, str]


@dataclass
class Happened:
    """A bag of things, and what hangs on the board at the end: (kind, whom)."""

    things: Counter[Thing] = field(default_factory=Counter)
    board: set[tuple[str, str]] = field(default_factory=set)

    def note(self, day: int, what: str, whom: str, more: str = "") -> None:
        self.things[day, what, whom, more] += 1


@dataclass
class _Shop:
    life: Life
    state: str = "none"
    ends: int | None = None  # the day; at noon
    granted: int | None = None
    known_since: int | None = None  # of an undated grant
    amazon_ends: int | None = None  # None: takes it for good
    amazon_takes: bool = False
    told: set[tuple[str, int, int]] = field(default_factory=set)  # kind, end, window
    lapse_told: set[int] = field(default_factory=set)
    over_since: datetime | None = None
    refusal_untold: bool = False
    bounced_at: datetime | None = None
    address_good: bool = True
    closed_on: int = 0

    @property
    def private(self) -> bool:
        return self.life.app.kind == "private"


@dataclass
class _Waiting:
    """An event for an instance that does not take it."""

    at: datetime
    topic: str
    whom: str
    more: str


class Oracle:
    """Walks through the play once."""

    @classmethod
    def hurried(cls, plan: Plan, every: int) -> Oracle:
        """Quiet mornings are slept through, but for one in ``every``: nothing happens otherwise by
        that. Changes the plan."""
        whole = cls(plan)
        plan.looked &= whole.stirred | {*range(0, DAYS, every), PAUSE.stop}
        hurried = cls(plan)
        assert hurried.out == whole.out
        return hurried

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.out = Happened()
        self.shops = [_Shop(life, address_good=not life.bounces) for life in plan.lives]
        self.secret_ends = {app.name: SECRET_YEAR for app in APPLICATIONS}
        self.secret_told: set[tuple[str, int, int]] = set()
        self.secret_lines: list[tuple[str, int]] = []
        self.lines: list[tuple[_Shop, str, int, int]] = []  # not told to operators yet
        self.digest_at: datetime | None = None
        self.digest_day = -1
        self.hanging: dict[str, bool] = {}  # of whom a notice came and goes: told to operators
        self.waiting: dict[str, list[_Waiting]] = {one.name: [] for one in INSTANCES}
        self.slow_letters: list[tuple[_Shop, str, int | None, datetime]] = []
        self.stirred: set[int] = set()  # on whose morning something happened
        self._walk()

    # --- the days -----------------------------------------------------------------------------

    def _walk(self) -> None:
        for day in range(DAYS):
            if day in PAUSE:
                continue
            if day in self.plan.looked:
                before = self.out.things.total()
                self._look(day, morning(day))
                if self.out.things.total() > before:
                    self.stirred.add(day)
            for shop in self.shops:
                self._come(shop, day)
            for shop in self.shops:
                for act in shop.life.acts:
                    if act.day == day:
                        getattr(self, f"_{act.what}")(shop, act)
            self._paste(day)
            if day in self.plan.busy:
                self._look(day, afternoon(day))

    def _look(self, day: int, now: datetime) -> None:
        self._rotate(day, now)
        for shop in self.shops:
            self._lapse(shop, day, now)
        for shop in self.shops:
            self._remind(shop, day, now)
        self._remind_of_secrets(day, now)
        self._write_to_operators(day, now)
        self._deliver(day, now)

    # --- terms --------------------------------------------------------------------------------

    def _lapse(self, shop: _Shop, day: int, now: datetime) -> None:
        if shop.state == "active" and shop.ends is not None and noon(shop.ends) < now:
            self._over(shop, day, now)

    def _over(self, shop: _Shop, day: int, now: datetime) -> None:
        shop.state, shop.over_since = "lapsed", now
        self.out.note(day, "lapse", shop.life.name)
        self._event(shop, day, now, "authorization.lapsed")
        self._settle(shop, "term_ending")
        self._hang(shop, "term_over")

    def _remind(self, shop: _Shop, day: int, now: datetime) -> None:
        windows = shop.life.app.windows or USUAL
        if shop.state in ("active", "lapsed") and shop.ends is not None:
            window = min((one for one in windows if shop.ends - one <= day), default=None)
            if window is None or noon(shop.ends) < now - TOLD_AFTER:
                return
            if self._first(shop, "term", shop.ends, window):
                self._tell_client(shop, day, now, window)
        elif shop.state == "active" and shop.private and shop.granted is not None:
            end = shop.granted + YEAR
            window = min((one for one in (30, 0) if end - one <= day), default=None)
            if window is None or noon(end) < now - TOLD_AFTER:
                return
            if self._first(shop, "age", end, window):
                self.out.note(day, "reminded", shop.life.name, f"age {window}")
                self._hang(shop, "term_believed")
        elif shop.state == "active" and shop.granted is None:
            assert shop.known_since is not None
            if self._first(shop, "undated", shop.known_since, 0):
                self.out.note(day, "reminded", shop.life.name, "undated 0")
                self._hang(shop, "term_unknown")

    def _first(self, shop: _Shop, kind: str, end: int, window: int) -> bool:
        if (kind, end, window) in shop.told:
            return False
        shop.told.add((kind, end, window))
        self.lines.append((shop, kind, end, window))
        return True

    def _tell_client(self, shop: _Shop, day: int, now: datetime, window: int) -> None:
        assert shop.ends is not None
        over = shop.state == "lapsed" or noon(shop.ends) < now
        left = max(0, shop.ends - day)
        self.out.note(day, "reminded", shop.life.name, f"term {window}")
        self._letter(shop, day, now, "over" if over else str(left))
        if not over:
            self._event(shop, day, now, "authorization.expiring", str(left))
            self._hang(shop, "term_ending")

    # --- what people do -----------------------------------------------------------------------

    def _come(self, shop: _Shop, day: int) -> None:
        life = shop.life
        if life.comes_by == "consent" and day == life.comes - 1:
            self._letter(shop, day, noon(day), "other", sent=afternoon(day))
        if day != life.comes:
            return
        self._grant(shop, day, life.granted, life.granted, "authorization.granted")
        if life.endless:
            shop.amazon_ends = None

    def _grant(
        self, shop: _Shop, day: int, granted: int | None, really: int | None, topic: str
    ) -> None:
        shop.state, shop.granted = "active", granted
        shop.ends = None if shop.private or granted is None else granted + YEAR
        shop.known_since = day if granted is None else None
        shop.amazon_ends = None if shop.private or really is None else really + YEAR
        shop.amazon_takes = True
        self.out.note(day, "grant", shop.life.name, topic.rpartition(".")[2])
        self._event(shop, day, noon(day), topic)
        self._settle(
            shop, "term_ending", "term_over", "term_believed", "term_unknown", "grant_refused"
        )

    def _renew(self, shop: _Shop, act: Act) -> None:
        self._grant(shop, act.day, act.day, act.day, "authorization.renewed")

    def _adopt_anew(self, shop: _Shop, act: Act) -> None:
        self._renew(shop, act)

    def _reauthorize(self, shop: _Shop, act: Act) -> None:
        """From Amazon's own page: a letter with a link, because nobody proved anything."""
        self._letter(shop, act.day, noon(act.day), "other", sent=afternoon(act.day))

    def _invite(self, shop: _Shop, act: Act) -> None:
        self._letter(shop, act.day, noon(act.day), "other", sent=afternoon(act.day))

    def _fail_to_renew(self, shop: _Shop, act: Act) -> None:
        self._event(shop, act.day, noon(act.day), "authorization.failed")
        self.out.note(act.day, "report", shop.life.name)

    def _revoke(self, shop: _Shop, act: Act) -> None:
        shop.state, shop.amazon_takes = "revoked", False
        self.out.note(act.day, "revoked", shop.life.name)
        self._event(shop, act.day, noon(act.day), "authorization.revoked")
        self._settle(shop, "term_ending")
        self._hang(shop, "grant_refused")
        shop.refusal_untold = True

    def _reinstate(self, shop: _Shop, act: Act) -> None:
        shop.amazon_takes, shop.amazon_ends = True, act.day + YEAR
        self._back(shop, act.day)

    def _look_again(self, shop: _Shop, act: Act) -> None:
        self._back(shop, act.day)

    def _back(self, shop: _Shop, day: int) -> None:
        """Amazon takes a grant that we thought dead."""
        if not shop.amazon_takes or (shop.amazon_ends is not None and shop.amazon_ends <= day):
            return
        shop.state = "active"
        over = shop.ends is not None and noon(shop.ends) < noon(day) + timedelta(minutes=1)
        self._settle(shop, "term_ending", "term_over", "grant_refused")
        if over:
            shop.ends, shop.granted = None, None
            assert shop.life.granted is not None
            shop.known_since = shop.life.comes
            self._hang(shop, "term_unknown")
        self.out.note(day, "reinstated", shop.life.name)
        self._event(shop, day, noon(day), "authorization.renewed")

    def _renew_unseen(self, shop: _Shop, act: Act) -> None:
        shop.amazon_ends = act.day + YEAR

    def _end_early(self, shop: _Shop, act: Act) -> None:
        shop.amazon_takes = False
        if shop.state == "active":
            self._over(shop, act.day, noon(act.day))

    def _close(self, shop: _Shop, act: Act) -> None:
        shop.state, shop.closed_on = "closed", act.day
        self._event(shop, act.day, noon(act.day), "account.changed")
        self._settle(
            shop, "term_ending", "term_over", "term_believed", "term_unknown", "grant_refused"
        )

    def _reopen(self, shop: _Shop, act: Act) -> None:
        """And a program asks for an access token, which tells what the grant is still worth."""
        shop.state = "awaiting"
        self._event(shop, act.day, noon(act.day), "account.changed")
        if act.day - shop.closed_on < FORGOTTEN_AFTER:
            self._back(shop, act.day)

    def _date(self, shop: _Shop, act: Act) -> None:
        shop.granted, shop.ends = act.to, act.to + YEAR
        self._settle(shop, "term_unknown", "term_believed", "term_ending")

    def _mend_address(self, shop: _Shop, act: Act) -> None:
        shop.address_good = True
        shop.bounced_at = None
        self._settle(shop, "letter_undelivered")

    # --- letters, events, board ---------------------------------------------------------------

    def _letter(
        self, shop: _Shop, day: int, now: datetime, more: str, sent: datetime | None = None
    ) -> None:
        if not shop.address_good:
            # The look that puts a letter there hands it over a moment after all else.
            shop.bounced_at = (sent or now) + timedelta(seconds=1)
            self._hang(shop, "letter_undelivered")
        elif shop.life.slow:
            # Refused by the look that brings it, taken by the next one.
            self.slow_letters.append((shop, more, shop.ends, sent or now))
        else:
            self.out.note(day, "letter", shop.life.name, more)

    def _event(self, shop: _Shop, day: int, now: datetime, topic: str, more: str = "") -> None:
        self.out.note(day, f"event {topic}", shop.life.name, more)
        self._send(shop.life.instance, now, topic, shop.life.name, more)

    def _send(self, to: Instance, now: datetime, topic: str, whom: str, more: str) -> None:
        if to.webhook:
            self.waiting[to.name].append(_Waiting(now, topic, whom, more))

    def _app_event(self, app: App, day: int, now: datetime, topic: str, more: str = "") -> None:
        for instance in INSTANCES:
            if any(s.life.app is app and s.life.instance is instance for s in self.shops):
                self.out.note(day, f"event {topic}", f"{app.name} to {instance.name}", more)
                self._send(instance, now, topic, f"{app.name} to {instance.name}", more)

    def _deliver(self, day: int, now: datetime) -> None:
        for instance in INSTANCES:
            queue, self.waiting[instance.name] = self.waiting[instance.name], []
            for one in queue:
                if not instance.is_down(day):
                    self.hanging.pop(instance.name, None)
                    self.out.note(day, f"webhook {one.topic}", one.whom, one.more)
                elif now >= one.at + TRIED_FOR:
                    self.hanging.setdefault(instance.name, False)
                    self.out.note(day, f"given up {one.topic}", one.whom)
                else:
                    self.waiting[instance.name].append(one)
        letters, self.slow_letters = self.slow_letters, []
        for shop, more, end, tried_at in letters:
            if tried_at == now:
                self.slow_letters.append((shop, more, end, tried_at))
                continue
            if more != "other" and end is not None:
                # It says what is true when it leaves.
                more = "over" if noon(end) < now else str(end - day)
            self.out.note(day, "letter", shop.life.name, more)

    def _hang(self, shop: _Shop, kind: str) -> None:
        self.out.board.add((kind, shop.life.name))

    def _settle(self, shop: _Shop, *kinds: str) -> None:
        self.out.board -= {(kind, shop.life.name) for kind in kinds}

    # --- operators ----------------------------------------------------------------------------

    def _write_to_operators(self, day: int, now: datetime) -> None:
        if self.digest_day == day:
            return
        rows = {*self._rows(now)}
        self.lines, self.secret_lines = [], []
        for shop in self._lapsed(now):
            assert shop.ends is not None
            shop.lapse_told.add(shop.ends)
        if rows:
            for shop in self._refused():
                shop.refusal_untold = False
            self.hanging = dict.fromkeys(self.hanging, True)
            self.digest_day, self.digest_at = day, now
            self.out.note(day, "daily letter", "operators")
            for table, whom in rows:
                self.out.note(day, f"row {table}", whom)

    def _rows(self, now: datetime) -> Iterator[tuple[str, str]]:
        for shop, kind, end, _ in self.lines:
            if shop.state != "active":
                continue
            if kind == "term" and shop.ends == end and noon(end) > now:
                yield "ending", shop.life.name
            elif kind == "age" and shop.granted is not None and shop.granted + YEAR == end:
                yield "believed", shop.life.name
            elif kind == "undated" and shop.granted is None and shop.ends is None:
                yield "undated", shop.life.name
        for shop in self._lapsed(now):
            yield "lapsed", shop.life.name
        yield from self._new_notices()
        for name, _ in self.secret_lines:
            yield "secrets", name
        since = self.digest_at
        if since is None or since < now - timedelta(days=31):
            since = now - timedelta(days=1)
        for shop in self.shops:
            if shop.bounced_at is not None and since < shop.bounced_at < now:
                yield "undelivered", shop.life.name

    def _new_notices(self) -> Iterator[tuple[str, str]]:
        for shop in self._refused():
            yield "refused", shop.life.name
        for name, told in self.hanging.items():
            if not told:
                yield "board", name

    def _refused(self) -> list[_Shop]:
        return [shop for shop in self.shops if shop.state == "revoked" and shop.refusal_untold]

    def _lapsed(self, now: datetime) -> list[_Shop]:
        return [
            shop
            for shop in self.shops
            if shop.state == "lapsed"
            and shop.over_since is not None
            and shop.over_since > now - timedelta(days=31)
            and shop.ends not in shop.lapse_told
        ]

    # --- client secrets -----------------------------------------------------------------------

    def _rotate(self, day: int, now: datetime) -> None:
        for app in APPLICATIONS:
            if app.rotates != "queue":
                continue
            self._read_queue(app, now)
            if day >= self.secret_ends[app.name] - ROTATED_BEFORE and (
                day not in app.broken and (day != app.broken.stop or now > noon(day))
            ):
                self.secret_ends[app.name] = day + SECRET_YEAR
                self.out.note(day, "rotation asked", app.name)
                # It comes by the queue, and is in force on the same day.
                self.out.note(day, "rotated", app.name)
                self._app_event(app, day, now, "secret.rotated")

    def _read_queue(self, app: App, now: datetime) -> None:
        """AWS refuses its keys, which is told at once: it is no weather that passes."""
        if app.broken and noon(app.broken.start) < now < noon(app.broken.stop):
            self.hanging.setdefault(app.name, False)
        else:
            self.hanging.pop(app.name, None)

    def _paste(self, day: int) -> None:
        for app in APPLICATIONS:
            if day in app.pasted:
                self.secret_ends[app.name] = day + SECRET_YEAR
                self.out.note(day, "rotated", app.name)
                self._app_event(app, day, noon(day), "secret.rotated")
                self.out.board.discard(("secret_ending", app.name))

    def _remind_of_secrets(self, day: int, now: datetime) -> None:
        for app in APPLICATIONS:
            end = self.secret_ends[app.name]
            windows = SECRET_WINDOWS if app.rotates == "hand" else (21, 14, 7, 3, 1, 0)
            window = min((one for one in windows if end - one <= day), default=None)
            if window is None or (app.name, end, window) in self.secret_told:
                continue
            self.secret_told.add((app.name, end, window))
            self.secret_lines.append((app.name, window))
            self.out.note(day, "secret reminded", app.name, str(window))
            self.out.board.add(("secret_ending", app.name))
            self._app_event(app, day, now, "secret.expiring", str(end - day))
