"""The first page: who needs somebody, what ends in the coming year, and how the house is.

Answers for: putting the gallery's looks side by side. Does not answer for: what they hold
(``overview``), or for how the terms are drawn (``drawing``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import compile_path

from evergrant.entrances.console import drawing
from evergrant.entrances.console.actions import POPUPS, address_of, label_of
from evergrant.entrances.console.doors import Door, all_doors
from evergrant.entrances.console.drawing.terms import words_of_week
from evergrant.entrances.console.pages import set_up
from evergrant.entrances.console.paper import ago
from evergrant.entrances.console.trade_words import KINDS
from evergrant.overview import (
    AccountQuery,
    AccountSort,
    Health,
    KindToday,
    LimitPulse,
    NeedingLine,
    Terms,
)
from evergrant.rules.attention import Badge, Of, Weight
from evergrant.rules.changes import ChangeState
from evergrant.rules.rights import Right

if TYPE_CHECKING:
    import re

    from markupsafe import Markup

    from evergrant.entrances.console.asking import Asked

__all__ = ["DOORS"]

HERE = "/console"
#: The worst; the list of accounts has them all.
MOST_NEEDS = 15
MOST_BADGES = 3
MOST_INSTANCES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedShown:
    """One line of those that need somebody. ``address`` of the thing itself, ``way`` of what
    helps, as ``label`` says; empty where there is no such page, or not for this caller."""

    name: str
    what: str
    address: str
    badge: Badge
    more: tuple[Badge, ...]
    way: str
    label: str
    is_popup: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """How one part of the house is: a verdict in a sentence, and the figures behind it."""

    id: str
    title: str
    weight: Weight
    verdict: str
    figures: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsOfKind:
    title: str
    waiting: int
    oldest_waiting_at: datetime | None
    in_flight: int
    accepted: int
    refused: int
    uncertain: int

    @property
    def is_idle(self) -> bool:
        counts = (self.waiting, self.in_flight, self.accepted, self.refused, self.uncertain)
        return not any(counts)


async def show(asked: Asked) -> Response:
    look, by = asked.desk.overview, asked.caller
    needing = await look.needing(by=by, limit=MOST_NEEDS)
    terms = await look.terms(by=by)
    health = await look.health(by=by)
    worst_first = AccountQuery(needing=True, sort=AccountSort.NEEDS)
    return asked.page(
        "overview/overview.html",
        needs=[_need(asked, line) for line in needing.lines],
        needing=needing,
        left_out=needing.total - len(needing.lines),
        all_needing=f"/console/accounts?{worst_first.address()}",
        picture=drawing.timeline(terms),
        terms=terms,
        weeks=[(week, words_of_week(week)) for week in terms.weeks if week.count or week.secrets],
        ends_first=f"/console/accounts?{AccountQuery(sort=AccountSort.ENDS).address()}",
        lapsed=_of_state("lapsed", terms.lapsed),
        undated=_undated(terms),
        tiles=list(_tiles(health, has_mailbox=asked.has_mailbox)),
        limits=[(limit, _gauge(limit)) for limit in health.limits],
        health=health,
        kinds=[_kind(kind) for kind in health.kinds],
        set_up=await set_up.card(asked),
        set_up_titles=set_up.TITLES,
        weights=WEIGHT_WORDS,
    )


# --- who needs somebody ---------------------------------------------------------------------------

_WHAT = {
    Of.ACCOUNT: "Account",
    Of.APPLICATION: "Application",
    Of.INSTANCE: "Client instance",
    Of.HOUSE: "House",
}
_HOME = {
    Of.ACCOUNT: "/console/accounts/{}",
    Of.APPLICATION: "/console/applications/{}",
    Of.INSTANCE: "/console/instances/{}",
}


def _need(asked: Asked, line: NeedingLine) -> NeedShown:
    badge = line.badge
    home = _HOME[line.of].format(line.id) if line.of in _HOME and line.id else ""
    account_id = line.id if line.of is Of.ACCOUNT else None
    way = address_of(badge.action, account_id, badge.subject or line.id)
    if way in ("", HERE) or not _is_open(asked, way):
        way = ""
    felt = f", felt by {_count(line.accounts, 'account')}" if line.accounts else ""
    return NeedShown(
        name=line.name or "The house itself",
        what=f"{_WHAT[line.of]}{felt}",
        address=home,
        badge=badge,
        more=tuple(one for one in line.badges if one != badge)[:MOST_BADGES],
        way=way,
        label=label_of(badge, asked.caller),
        is_popup=badge.action in POPUPS,
    )


def _is_open(asked: Asked, address: str) -> bool:
    """Whether the door behind this address lets the caller in: nobody is shown the way to a door
    that stays closed."""
    path = address.partition("#")[0].partition("?")[0]
    for pattern, door in _pages():
        if pattern.fullmatch(path):
            return door.right is None or asked.may(door.right)
    return False


@cache
def _pages() -> tuple[tuple[re.Pattern[str], Door], ...]:
    """Fixed addresses first, as the frame has them."""
    doors = sorted(
        (door for door in all_doors() if door.method == "GET"), key=lambda door: "{" in door.path
    )
    return tuple((compile_path(door.path)[0], door) for door in doors)


# --- terms ----------------------------------------------------------------------------------------


def _of_state(state: str, count: int) -> str:
    return f"{_count(count, 'account')} {state} already" if count else ""


def _undated(terms: Terms) -> str:
    return f"of {_count(terms.undated, 'account')} nobody knows the end" if terms.undated else ""


# --- health ---------------------------------------------------------------------------------------

WEIGHT_WORDS: Mapping[Weight, str] = {
    Weight.GOOD: "Well",
    Weight.WARM: "Look soon",
    Weight.BAD: "Look now",
    Weight.QUIET: "Idle",
}
_TILES = {
    "lwa": ("Amazon's sign-in", "/console/applications"),
    "mail": ("Mail", ""),
    "webhooks": ("Webhooks", "/console/instances"),
    "limits": ("Limits", ""),
    "queue": ("Queue", ""),
    "workers": ("Workers", ""),
    "feeds": ("Feeds", "/console/feeds"),
}


def _tiles(health: Health, *, has_mailbox: bool) -> Iterator[Tile]:
    figures = _figures(health)
    if has_mailbox:
        figures["mail"] += " No relay is set: they stay in the development mailbox."
    for name, (title, address) in _TILES.items():
        weight, verdict = health.verdicts[name]
        yield Tile(
            id=name,
            title=title,
            weight=weight,
            verdict=verdict,
            figures=figures[name],
            address=address,
        )


def _figures(health: Health) -> dict[str, str]:
    """In few words what the verdict was found by."""
    pulse, mail = health.pulse, health.mail
    accepted = max(
        (one.last_success_at for one in health.applications if one.last_success_at), default=None
    )
    found = {
        "lwa": f"Last accepted {ago(accepted, health.at)}." if accepted else "",
        "mail": f"{mail.sent:,} sent and {mail.failed:,} failed in 24 hours.",
        "webhooks": "; ".join(
            f"{one.name}: {one.waiting:,} wait" + (f", {one.failed:,} given up" * bool(one.failed))
            for one in health.instances[:MOST_INSTANCES]
        ),
        "limits": f"{_count(_met(health), 'operation')} met a limit in 24 hours.",
        "queue": "",
        "workers": "",
        "feeds": f"{_count(health.runs_today, 'run')} today, {health.runs_open:,} open.",
    }
    if pulse is not None:
        due = sum(pulse.waiting.values())
        found["queue"] = (
            f"{due:,} due, {pulse.running:,} under way, {pulse.failed_last_day:,} failed in 24 "
            "hours."
        )
        newest = max((one.last_heartbeat_at for one in pulse.workers), default=None)
        if newest is not None:
            # The queue's own clock, which a steered house does not share.
            seconds = max(pulse.looked_at - newest, timedelta()).total_seconds()
            found["workers"] = f"Last sign of life {seconds:.0f} s ago."
    return found


def _met(health: Health) -> int:
    return sum(bool(one.waits or one.refused or one.throttled) for one in health.limits)


def _gauge(limit: LimitPulse) -> Markup | None:
    if limit.left is None or limit.burst is None:
        return None
    return drawing.gauge(limit.left, limit.burst, waiting=limit.waiting, what=limit.operation)


def _kind(kind: KindToday) -> FeedsOfKind:
    return FeedsOfKind(
        title=KINDS[kind.kind],
        waiting=kind.of(ChangeState.PENDING),
        oldest_waiting_at=kind.oldest_waiting_at,
        in_flight=kind.of(ChangeState.IN_FLIGHT),
        accepted=kind.of(ChangeState.ACCEPTED),
        refused=kind.of(ChangeState.REFUSED),
        uncertain=kind.of(ChangeState.UNCERTAIN),
    )


def _count(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"


DOORS = (Door("GET", HERE, show, Right.READ),)
