"""Levers of the history: what was asked, how often, by whom.

Answers for: filters that are understood or told to be wrong; a filter that could never match would
make a test that can never fail.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from amazon_emulator import instants
from amazon_emulator.faces.levers.failing import known_operation
from amazon_emulator.faces.levers.making import application_of, partner_of
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.history import Asked
from amazon_emulator.stage import Stage

__all__ = ["LEVERS", "count", "forget_history", "history"]

HISTORY_LIMIT = 1000
FACTS = "facts."
FILTERS = (
    "kind", "after", "partner", "application_id", "client_id", "grant_type", "face", "region",
    "method", "path", "template", "status", "weather", "error", "scope",
)  # fmt: skip
SPECIAL = ("operation", "since", "until", "facts.NAME")
GROUPS = (
    "kind", "partner", "application_id", "client_id", "face", "region", "status", "error",
    "template", "weather", "grant_type",
)  # fmt: skip


def history(stage: Stage, wish: Wish) -> dict[str, Any]:
    """What was asked: ?kind= (lwa, lwa.refresh, spapi.getAccount, consent.confirmed, ...),
    operation= (operationId, or path template with or without method), since=, until=, partner,
    application_id, client_id, grant_type, status, weather, facts.feed_type, ..., after= (a number),
    limit=. Gives the full count and the latest items."""
    query = dict(wish.query)
    limit = wish.whole("limit", HISTORY_LIMIT)
    query.pop("limit", None)
    found = _found(stage, wish, query)
    latest = islice(found, max(0, len(found) - limit), None)
    return {
        "count": len(found),
        "first_kept": stage.history.first_kept,
        "items": [asked.as_json() for asked in latest],
    }


def count(stage: Stage, wish: Wish) -> dict[str, Any]:
    """How many were asked: filters as in /history; partner= and application_id= must be known, and
    ?by= (kind, partner, status, ...) counts for each. "How many createFeed for this seller?" is
    ?operation=createFeed&partner=..."""
    query = dict(wish.query)
    by = query.pop("by", None)
    if by is not None and by not in GROUPS and not by.startswith(FACTS):
        raise WrongWish(f"'by' must be one of {', '.join(GROUPS)}, or facts.NAME")
    if "partner" in query:
        partner_of(stage, query["partner"])
    if "application_id" in query:
        query["application_id"] = application_of(stage, query["application_id"]).application_id
    if "operation" in query:
        known_operation(stage, query["operation"])
    found = _found(stage, wish, query)
    said: dict[str, Any] = {"count": len(found), "first_kept": stage.history.first_kept}
    if by is not None:
        counted = Counter(str(_value(asked, by)) for asked in found)
        said["by"] = dict(sorted(counted.items()))
    return said


def _value(asked: Asked, name: str) -> Any:
    if name.startswith(FACTS):
        return asked.facts.get(name.removeprefix(FACTS))
    return getattr(asked, name)


def _found(stage: Stage, wish: Wish, query: dict[str, str]) -> list[Asked]:
    facts = {
        name.removeprefix(FACTS): query.pop(name) for name in list(query) if name.startswith(FACTS)
    }
    operation = query.pop("operation", None)
    since, until = (_instant(stage, name, query.pop(name, None)) for name in ("since", "until"))
    unknown = sorted(set(query) - set(FILTERS))
    if unknown:
        known = ", ".join((*FILTERS, *SPECIAL))
        raise WrongWish(f"unknown: {', '.join(unknown)}; known: {known}")
    wish.whole("after", 0)
    return list(
        stage.history.which(operation=operation, since=since, until=until, facts=facts, **query)
    )


def _instant(stage: Stage, name: str, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return instants.read(text, stage.clock.now())
    except ValueError as error:
        raise WrongWish(f"{name!r}: {error}") from None


def forget_history(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Forgets what was asked."""
    stage.history.clear()
    return {"count": 0}


LEVERS = (
    ("GET", "/history", history),
    ("GET", "/history/count", count),
    ("DELETE", "/history", forget_history),
)
