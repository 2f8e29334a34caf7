"""Levers that a world file pulls once everything in it is there.

Answers for: short ways to write by hand what takes many fields in full: an order needs little more
than a partner when a lever makes it. Nothing is ever exported that way.

    "pulls": [{"lever": "POST /orders", "with": {"partner": "Blue Heron Books"}}]
"""

from __future__ import annotations

from typing import Any

from starlette.routing import compile_path

from amazon_emulator.stage import Stage
from amazon_emulator.trade.records import Record, records
from amazon_emulator.world_parts import WrongWorld, by_id_or_name

__all__ = ["pull"]

# They move what surrounds a world, or put another in its place.
FOREIGN = ("/world", "/reset", "/clock", "/clock/advance")


def pull(stage: Stage, given: Any) -> None:
    """One after the other. Raises ValueError that names the place."""
    for row in records(given, "pulls"):
        method, _, path = row.text("lever").partition(" ")
        body = row.raw("with", {})
        row.done()
        if not isinstance(body, dict):
            raise WrongWorld(f"{row.place}.with: must be an object")
        _pull(stage, row, method, path, body)


def _pull(stage: Stage, row: Record, method: str, path: str, body: dict[str, Any]) -> None:
    # The table of levers has the lever that loads worlds in it.
    from amazon_emulator.faces import levers
    from amazon_emulator.faces.levers.wishes import Wish, WrongWish

    for known_method, template, lever in levers.LEVERS:
        found = compile_path(template)[0].match(path)
        if known_method != method or found is None or path in FOREIGN:
            continue
        try:
            lever(stage, Wish(body, _with_ids(stage, row, found.groupdict())))
        except WrongWish as wrong:
            raise ValueError(f"{row.place}: {wrong}") from None
        return
    raise ValueError(f"{row.place}.lever: there is no lever {method} {path} for a world")


def _with_ids(stage: Stage, row: Record, path: dict[str, str]) -> dict[str, str]:
    """A partner may be called by its name in a path, too."""
    wanted = path.get("selling_partner_id")
    if wanted is None:
        return path
    partner = by_id_or_name(row, "lever", wanted, stage.world.partners, lambda one: one.name)
    return {**path, "selling_partner_id": partner.selling_partner_id}
