"""Levers that export a world, put another in its place, or add to it."""

from __future__ import annotations

from typing import Any

from amazon_emulator import world_file
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.stage import Stage

__all__ = ["LEVERS", "add", "export", "replace"]


def export(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The whole world as a file that can be loaded again; ?credentials=true: with refresh tokens,
    client secrets and passwords."""
    query = dict(wish.query)
    credentials = query.pop("credentials", "false")
    if query or credentials not in ("true", "false"):
        raise WrongWish("only ?credentials=true or false is known here")
    return world_file.export(stage, credentials=credentials == "true")


def replace(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Puts the world of a file in the place of what is there {amazon_emulator: 1, clock?,
    applications?, partners?, grants?, ..., pulls?}; gives all credentials."""
    return _load(stage, wish, add=False)


def add(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Adds the world of a file to what is there, as PUT /world but without clock and pulls; a
    section
    of which something is added is read anew as a whole."""
    return _load(stage, wish, add=True)


def _load(stage: Stage, wish: Wish, *, add: bool) -> dict[str, Any]:
    try:
        world_file.load(stage, wish.body, add=add)
    except ValueError as error:
        raise WrongWish(str(error)) from None
    return world_file.describe(stage)


LEVERS = (
    ("GET", "/world", export),
    ("PUT", "/world", replace),
    ("POST", "/world", add),
)
