"""Levers of the contract: where a client breaks Amazon's models.

Answers for: its mode, and for what was found of late.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.models.breaches import MODES, Contract
from amazon_emulator.stage import Stage

__all__ = ["LEVERS", "contract", "forget_breaches", "set_contract"]

FILTERS = ("kind", "operation", "path", "side", "user_agent")

SHOWN = 100


def contract(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Where requests and answers broke Amazon's models: mode, counts by operation, and the latest
    breaches. Filters: ?operation=, side= (request or answer), kind=, path=, user_agent= (a part of
    it), limit=."""
    query = dict(wish.query)
    limit = wish.whole("limit", SHOWN)
    query.pop("limit", None)
    unknown = sorted(set(query) - set(FILTERS))
    if unknown:
        raise WrongWish(f"unknown: {', '.join(unknown)}; known: limit, {', '.join(FILTERS)}")
    kept = Contract.of(stage)
    found = kept.which(**query)
    return {
        "mode": kept.mode,
        "models": _models(stage),
        "counts": kept.counts_as_json(),
        "count": len(found),
        "breaches": [
            breach.as_json() for breach in islice(found, max(0, len(found) - limit), None)
        ],
    }


def set_contract(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Sets what becomes of a breach: mode off (nobody looks), report (kept for GET /contract) or
    refuse (a request that breaks the model is answered with 400 as well)."""
    mode = wish.choice("mode", MODES)
    wish.done()
    Contract.of(stage).mode = mode
    return {"mode": mode, "models": _models(stage)}


def forget_breaches(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Forgets all breaches; the mode stays."""
    wish.done()
    return {"forgotten": Contract.of(stage).forget()}


def _models(stage: Stage) -> int:
    """How many models there are to hold anything against."""
    return len(stage.models.models)


LEVERS = (
    ("GET", "/contract", contract),
    ("PUT", "/contract", set_contract),
    ("DELETE", "/contract", forget_breaches),
)
