"""Levers over reports: pace, ends, contents, reports that Amazon makes unasked.

Answers for: turning wishes into verbs of `trade.reports`. What a report does on its own is there.
"""

from __future__ import annotations

from typing import Any

from amazon_emulator import marketplaces
from amazon_emulator.clock import stamp
from amazon_emulator.faces.levers.feeds import (
    content_of_wish,
    maybe_partner,
    maybe_truth,
    pace_of_wish,
)
from amazon_emulator.faces.levers.making import application_of, partner_of
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.stage import Stage
from amazon_emulator.trade.processings import CHOSEN, ENDS, STATUSES, ChosenStatus
from amazon_emulator.trade.reports.choices import ReportChoice
from amazon_emulator.trade.reports.contents import Written
from amazon_emulator.trade.reports.report import Report
from amazon_emulator.trade.reports.reports import Reports
from amazon_emulator.trade.reports.types import REPORT_TYPES

__all__ = [
    "LEVERS",
    "change_habits",
    "change_pace",
    "decide",
    "finish",
    "forget_decisions",
    "habits",
    "hold",
    "make",
    "pace",
    "release",
    "report",
    "reports",
]

FILTERS = ("selling_partner_id", "region", "report_type", "status")


def reports(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All reports in order of making, with status and times: ?selling_partner_id=, region=,
    report_type=, status=."""
    unknown = sorted(set(wish.query) - set(FILTERS))
    if unknown:
        raise WrongWish(f"unknown: {', '.join(unknown)}; known: {', '.join(FILTERS)}")
    if wish.query.get("status", STATUSES[0]) not in STATUSES:
        raise WrongWish(f"'status' must be one of {', '.join(STATUSES)}")
    found = [
        view
        for view in map(_view, stage.of(Reports).all())
        if all(view[name] == value for name, value in wish.query.items())
    ]
    return {"count": len(found), "items": found}


def report(stage: Stage, wish: Wish) -> dict[str, Any]:
    """One report; `GET /documents/{document_id}` shows its document."""
    return _view(_report(stage, wish))


def make(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Amazon makes a report unasked, as it does settlements {selling_partner_id, application_id,
    report_type, marketplaces?, status?, text? or base64?, content_type?}: getReports tells it."""
    partner = partner_of(stage, wish.text("selling_partner_id"))
    application = application_of(stage, wish.text("application_id"))
    report_type = _type(wish)
    if report_type is None:
        raise WrongWish("'report_type' is missing")
    stores = wish.texts("marketplaces", [partner.home.id])
    status: ChosenStatus = wish.choice("status", CHOSEN, "DONE")
    content = content_of_wish(wish)
    usual = REPORT_TYPES[report_type].content_type
    content_type = wish.maybe("content_type") or usual
    wish.done()
    try:
        found = [marketplaces.find(store) for store in stores]
    except ValueError as wrong:
        raise WrongWish(str(wrong)) from None
    regions = {store.region for store in found}
    region = regions.pop() if len(regions) == 1 else None
    if region is None:
        raise WrongWish("'marketplaces' must be stores of one region")
    if content is None and status == "DONE":
        raise WrongWish("'text' or 'base64' is missing")
    made = stage.of(Reports).make(
        stage,
        partner_id=partner.selling_partner_id,
        application_id=application.application_id,
        region=region,
        report_type=report_type,
        marketplace_ids=tuple(store.id for store in found),
        written=Written(status, content, content_type, as_given=True),
        now=stage.clock.now(),
    )
    return _view(made)


def decide(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Decides the next reports {report_type?, selling_partner_id?, status?, text? or base64?,
    content_type?, bare?, times?}: what stands in them, or that they end FATAL (with a document that
    says why, unless bare) or CANCELLED (no data); `times` null: until forgotten."""
    choice = _choice(wish)
    choice.report_type, choice.partner_id = _type(wish), maybe_partner(stage, wish)
    choice.times = wish.count("times", 1)
    wish.done()
    state = stage.of(Reports)
    state.choices.append(choice)
    return {"items": [one.as_json() for one in state.choices]}


def forget_decisions(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Reports that come are as they would be."""
    wish.done()
    state = stage.of(Reports)
    count = len(state.choices)
    state.choices.clear()
    return {"count": count}


def finish(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Ends a report now {status?, text? or base64?, content_type?, bare?}; as it would end, when
    nothing is said."""
    known = _open(stage, wish)
    choice = _choice(wish) if wish.body else None
    wish.done()
    stage.of(Reports).finish(stage, known, choice, stage.clock.now())
    return _view(known)


def hold(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Keeps a report where it is, in the queue or in progress."""
    known = _open(stage, wish)
    wish.done()
    stage.of(Reports).hold(stage, known)
    return _view(known)


def release(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Lets a held report go on."""
    known = _open(stage, wish)
    wish.done()
    if not known.held:
        raise WrongWish(f"report {known.report_id} is not held", 409)
    stage.of(Reports).release(stage, known, stage.clock.now())
    return _view(known)


def pace(stage: Stage, wish: Wish) -> dict[str, Any]:
    """How long reports wait and are worked on."""
    return stage.of(Reports).paces.as_json()


def change_pace(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Sets how long reports wait and are worked on {queue_s?, processing_s?, report_type?}: of a
    type, or of all. Holds for those under way too."""
    state = stage.of(Reports)
    report_type = _type(wish)
    wished = pace_of_wish(wish, state.paces, report_type)
    wish.done()
    state.paces.set(wished, report_type)
    state.replan(stage, stage.clock.now())
    return pace(stage, wish)


def habits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Where Amazon's reports are known to behave in several ways."""
    return stage.of(Reports).habits.as_json()


def change_habits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes any of packed (true, false) and encoding (utf-8, cp1252); null: by chance unless
    gentle."""
    known = stage.of(Reports).habits
    changed = type(known)(
        packed=maybe_truth(wish, "packed", known.packed),
        encoding=wish.choice("encoding", ("utf-8", "cp1252", None), known.encoding),
    )
    wish.done()
    stage.of(Reports).habits = changed
    return habits(stage, wish)


# --- reading and showing --------------------------------------------------------------------------


def _choice(wish: Wish) -> ReportChoice:
    choice = ReportChoice(
        status=wish.choice("status", CHOSEN, "DONE"),
        content=content_of_wish(wish),
        content_type=wish.maybe("content_type"),
        bare=wish.truth("bare", False),
    )
    if choice.content is not None and (choice.bare or choice.status == "CANCELLED"):
        raise WrongWish("a report that is bare or CANCELLED has no content")
    if choice.bare and choice.status == "DONE":
        raise WrongWish("a report that is DONE has a document")
    return choice


def _type(wish: Wish) -> str | None:
    wished = wish.maybe("report_type")
    if wished is not None and wished not in REPORT_TYPES:
        raise WrongWish(f"{wished!r} is no report type")
    return wished


def _report(stage: Stage, wish: Wish) -> Report:
    known = stage.of(Reports).get(wish.path["report_id"])
    if known is None:
        raise WrongWish(f"there is no report {wish.path['report_id']}", 404)
    return known


def _open(stage: Stage, wish: Wish) -> Report:
    known = _report(stage, wish)
    if known.status in ENDS:
        raise WrongWish(f"report {known.report_id} is {known.status}", 409)
    return known


def _view(known: Report) -> dict[str, Any]:
    return {
        "report_id": known.report_id,
        "selling_partner_id": known.partner_id,
        "application_id": known.application_id,
        "region": known.region,
        "report_type": known.report_type,
        "marketplace_ids": list(known.marketplace_ids),
        "options": known.options,
        "status": known.status,
        "held": known.held,
        "schedule_id": known.schedule_id,
        "start_at": stamp(known.start_at),
        "end_at": stamp(known.end_at),
        "created_at": stamp(known.created_at),
        "started_at": stamp(known.started_at),
        "ended_at": stamp(known.ended_at),
        "next_step_at": stamp(known.entry.due_at) if known.entry else None,
        "document_id": known.document_id,
    }


LEVERS = (
    ("GET", "/reports", reports),
    ("POST", "/reports", make),
    ("GET", "/reports/pace", pace),
    ("PUT", "/reports/pace", change_pace),
    ("GET", "/reports/habits", habits),
    ("PATCH", "/reports/habits", change_habits),
    ("POST", "/reports/decide", decide),
    ("DELETE", "/reports/decide", forget_decisions),
    ("GET", "/reports/{report_id}", report),
    ("POST", "/reports/{report_id}/finish", finish),
    ("POST", "/reports/{report_id}/hold", hold),
    ("POST", "/reports/{report_id}/release", release),
)
