"""Checks: what is missing or wrong, and what somebody has to look at and sign before going live.

Answers for: showing what the last look found and having another one made, the list of reviews of
the house, of each application and of each client instance, what changed since somebody signed, and
signing. Does not answer for: looking (`checks`), or for keeping signatures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from evergrant import checks, journal
from evergrant.checks import FINDINGS, Finding, Look, Reviewed, Severity
from evergrant.entrances.console import diary
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.errors import Blame, Conflict, InvalidInput, NotAllowed, NotFound
from evergrant.reviews import LONGEST_NOTE
from evergrant.rules.reviews import ITEMS, About, ReviewState, key_of, plain
from evergrant.rules.rights import Right
from evergrant.rules.secrecy import MASK

__all__ = ["DOORS"]

_MOST_NAMED = 50
_GRAVITIES = (
    (Severity.ERROR, "bad", "Does not work"),
    (Severity.WARNING, "warm", "Will not work, or not safely"),
    (Severity.NOTE, "quiet", "Worth knowing"),
)
_BLAME = {
    Blame.US: "whoever runs Evergrant",
    Blame.APPLICATION: "whoever looks after the application at Amazon",
    Blame.CALLER: "whoever runs the client instance, or keeps the accounts",
    Blame.AMAZON: "Amazon",
    Blame.PARTNER: "the selling partner",
}
_STATES = {
    ReviewState.WAITING: ("warm", "to be looked at"),
    ReviewState.STALE: ("warm", "changed since it was signed"),
    ReviewState.EXPIRED: ("warm", "signed too long ago"),
    ReviewState.SIGNED: ("good", "signed"),
    ReviewState.FAILED: ("bad", "not so"),
    ReviewState.PASSED: ("good", "found to be so"),
}
_SIGNED_ONCE = (ReviewState.SIGNED, ReviewState.STALE, ReviewState.EXPIRED)
_WAYS = (
    ("/console/settings", "Show the setting"),
    ("/console/applications", "To the application"),
    ("/console/instances", "To the client instance"),
    ("/console/accounts", "To the account"),
)
_CODE = re.compile(r"`([^`]*)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFinding:
    finding: Finding
    title: str
    hint: tuple[tuple[bool, str], ...]  # pieces; True: something to type
    who: str
    address: str  # of the thing that it is about; empty: it has no page
    way: str  # words for the way there


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownItem:
    """One item of the list. ``values``: pairs, as they are now. ``changed``: what was signed and
    what it is now, for a signature that does not stand any more."""

    review: Reviewed
    kind: str  # a badge's
    words: str
    key: str
    values: tuple[tuple[str, str], ...]
    changed: tuple[tuple[str, str, str], ...] = ()

    @property
    def was_signed(self) -> bool:
        return self.review.state in _SIGNED_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An application or client instance on the list. ``open``: items that are not settled."""

    id: str
    name: str
    address: str
    settled: int
    open: tuple[str, ...]


# --- the house ------------------------------------------------------------------------------------


async def overall(asked: Asked) -> Response:
    look = await checks.last_look(asked.desk)
    items = await checks.items_at_hand(asked.desk, asked.settings, look)
    errors = sum(one.severity is Severity.ERROR for one in look.findings)
    waiting = sum(not one.state.is_settled for one in items)
    return asked.page(
        "checks/overall.html",
        look=look,
        by=await _name_of(asked, look),
        groups=_groups(look),
        errors=errors,
        waiting=waiting,
        is_ready=look.ended_at is not None and not errors and not waiting,
        of_house=[await _shown(asked, one) for one in items if one.about is About.HOUSE],
        applications=_subjects(items, About.APPLICATION),
        instances=_subjects(items, About.INSTANCE),
        most_named=_MOST_NAMED,
        longest_note=LONGEST_NOTE,
        opened=bool(asked.query.get("print")),
        may_look_live=asked.may(Right.MANAGE),
    )


async def _name_of(asked: Asked, look: Look) -> str:
    if not look.by:
        return ""
    async with asked.desk.store.transaction() as tx:
        operator = await tx.operators.get(look.by.partition(":")[2])
    return operator.name if operator else look.by.replace(":", " ").replace("_", " ")


def _groups(look: Look) -> list[tuple[str, str, list[ShownFinding]]]:
    """By gravity: badge, heading and findings."""
    return [
        (
            kind,
            heading,
            [_finding(one) for one in look.findings if one.severity is severity],
        )
        for severity, kind, heading in _GRAVITIES
    ]


def _finding(one: Finding) -> ShownFinding:
    known = FINDINGS.get(one.code)
    pieces = enumerate(_CODE.split(one.hint))
    # A notice is named "subject/cause", a signature "item/subject".
    things = [diary.address_of_thing(part) for part in reversed(one.subject.split("/"))]
    address = _setting(one.subject) or next(filter(None, things), "")
    return ShownFinding(
        finding=one,
        title=known.title if known else one.code,
        hint=tuple((place % 2 == 1, piece) for place, piece in pieces if piece),
        who=_BLAME[one.blame],
        address=address,
        way=next((words for way, words in _WAYS if address.startswith(way)), "Look at it"),
    )


def _setting(subject: str) -> str:
    return f"/console/settings?q={subject}" if subject.startswith("EVERGRANT_") else ""


def _subjects(items: Sequence[Reviewed], about: About) -> list[Subject]:
    """Those with something open first, then by name."""
    names: dict[str, str] = {}
    by_subject: dict[str, list[Reviewed]] = {}
    for one in items:
        if one.about is about:
            names[one.subject] = one.subject_name
            by_subject.setdefault(one.subject, []).append(one)
    plural = "applications" if about is About.APPLICATION else "instances"
    found = [
        Subject(
            id=subject,
            name=names[subject],
            address=f"/console/checks/{plural}/{subject}",
            settled=sum(one.state.is_settled for one in own),
            open=tuple(one.title for one in own if not one.state.is_settled),
        )
        for subject, own in by_subject.items()
    ]
    return sorted(found, key=lambda one: (not one.open, one.name.casefold()))


async def look_again(asked: Asked) -> Response:
    live = bool(asked.form.get("live"))
    try:
        await checks.begin_look(asked.desk, asked.settings, live=live, by=asked.caller)
    except (Conflict, NotAllowed) as error:
        return asked.back("/console/checks", str(error), "bad")
    return asked.back("/console/checks")


# --- one application, one client instance ---------------------------------------------------------


async def of_application(asked: Asked) -> Response:
    application = await asked.desk.registry.application(
        asked.path["application_id"], by=asked.caller
    )
    page = f"/console/applications/{application.id}"
    return await _of(asked, application.id, application.name, page, "application")


async def of_instance(asked: Asked) -> Response:
    instance = await asked.desk.registry.instance(asked.path["instance_id"], by=asked.caller)
    page = f"/console/instances/{instance.id}"
    return await _of(asked, instance.id, instance.name, page, "client instance")


async def _of(asked: Asked, subject: str, name: str, page: str, what: str) -> Response:
    look = await checks.last_look(asked.desk)
    items = await checks.items_at_hand(
        asked.desk, asked.settings, look, subject="" if what == "application" else subject
    )
    own = [await _shown(asked, one) for one in items if one.subject == subject]
    return asked.page(
        "checks/one.html",
        subject=subject,
        name=name,
        page_of_subject=page,
        what=what,
        items=own,
        waiting=sum(not one.review.state.is_settled for one in own),
        findings=[_finding(one) for one in look.findings if one.subject == subject],
        look=look,
        longest_note=LONGEST_NOTE,
        opened=bool(asked.query.get("print")),
        kinds={severity: kind for severity, kind, _ in _GRAVITIES},
    )


async def _shown(asked: Asked, one: Reviewed) -> ShownItem:
    kind, words = _STATES[one.state]
    changed: tuple[tuple[str, str, str], ...] = ()
    if one.state is ReviewState.STALE:
        changed = await _changed(asked, one)
    return ShownItem(
        review=one,
        kind=kind,
        words=words,
        key=key_of(one.item, one.subject),
        values=tuple(
            (_words(name), _text(value)) for name, value in _flat(plain(one.looked_at)).items()
        ),
        changed=changed,
    )


async def _changed(asked: Asked, one: Reviewed) -> tuple[tuple[str, str, str], ...]:
    """What the journal kept of the signing, beside what is there now."""
    lines = await journal.read(
        asked.desk.store,
        asked.caller,
        subject=key_of(one.item, one.subject),
        verb="review.signed",
        limit=1,
    )
    if not lines:
        return ()
    was, now = _flat(lines[0].facts.get("looked_at", {})), _flat(plain(one.looked_at))
    return tuple(
        (_words(name), _text(was.get(name)), _text(now.get(name)))
        for name in dict.fromkeys((*was, *now))
        if was.get(name) != now.get(name) and was.get(name) != MASK
    )


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Without tables in tables: each value by the way to it."""
    found: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            found |= _flat(inner, f"{before}{name}: ")
        else:
            found[f"{before}{name}"] = inner
    return found


def _words(name: str) -> str:
    """Settings keep their names, as these are what people look for."""
    return name if "EVERGRANT_" in name else name.replace("_", " ")


def _text(value: Any) -> str:
    if value is None or value in ("", []):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, (str, int)) for one in value):
        return ", ".join(str(one) for one in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- signing --------------------------------------------------------------------------------------


async def sign(asked: Asked) -> Response:
    item, subject = _named(asked)
    try:
        signed = await checks.sign_off(
            asked.desk,
            asked.settings,
            item,
            by=asked.caller,
            subject=subject,
            note=asked.form.get("note", ""),
            digest=asked.form.get("digest", ""),
        )
    except (Conflict, InvalidInput) as refused:
        return asked.back(_page_of(item, subject), str(refused), "bad")
    return asked.back(_page_of(item, subject), f"“{signed.title}” is signed.")


async def withdraw(asked: Asked) -> Response:
    item, subject = _named(asked)
    await asked.desk.reviews.withdraw(
        item, by=asked.caller, subject=subject, note=asked.form.get("note", "")
    )
    return asked.back(_page_of(item, subject), "The signature is taken back.")


def _named(asked: Asked) -> tuple[str, str]:
    """Raises NotFound for an item that is none."""
    item = asked.path["item"]
    if item not in ITEMS:
        raise NotFound("There is no such item on the list.")
    return item, asked.form.get("subject", "")


def _page_of(item: str, subject: str) -> str:
    about = ITEMS[item].about
    if about is About.HOUSE:
        return f"/console/checks#{item}"
    plural = "applications" if about is About.APPLICATION else "instances"
    return f"/console/checks/{plural}/{subject}#{item}"


DOORS = (
    Door("GET", "/console/checks", overall, Right.READ),
    Door("POST", "/console/checks/look", look_again, Right.READ),
    Door("GET", "/console/checks/applications/{application_id}", of_application, Right.READ),
    Door("GET", "/console/checks/instances/{instance_id}", of_instance, Right.READ),
    Door("POST", "/console/checks/items/{item}/sign", sign, Right.SIGN_OFF),
    Door("POST", "/console/checks/items/{item}/withdraw", withdraw, Right.SIGN_OFF),
)
