"""The doors of the console as data: method, address, what answers, and who may come in.

Answers for: the row, and for gathering all rows of `pages`. Does not answer for: keeping anybody
out (`guard` asks, and every room asks again).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from starlette.responses import Response

from evergrant.rules.rights import Right

if TYPE_CHECKING:
    from evergrant.entrances.console.asking import Asked

__all__ = ["Admits", "Door", "Handler", "all_doors"]

Handler = Callable[["Asked"], Awaitable[Response]]


class Admits(StrEnum):
    ANYBODY = "anybody"  # whoever reaches the address: signing in, an invitation, the first start
    HALFWAY = "halfway"  # the password was right, the second factor is still wanted
    OPERATOR = "operator"  # signed in


@dataclass(frozen=True, slots=True)
class Door:
    """One page (GET) or one action (POST). ``right`` None: no right beyond what ``admits`` asks.
    ``path`` is in Starlette's form, ``/console/accounts/{account_id}``."""

    method: str
    path: str
    handler: Handler
    right: Right | None = None
    admits: Admits = Admits.OPERATOR

    def __post_init__(self) -> None:
        if self.method not in ("GET", "POST"):
            raise ValueError(f"{self.path}: a page is GET, an action is POST")
        if self.right is not None and self.admits is not Admits.OPERATOR:
            raise ValueError(f"{self.path}: rights belong to operators who are signed in")


@cache
def all_doors() -> tuple[Door, ...]:
    """Every door of every module in ``pages``, in order of the modules' names."""
    from evergrant.entrances.console import pages

    found: list[Door] = []
    for module in sorted(one.name for one in pkgutil.iter_modules(pages.__path__)):
        found += importlib.import_module(f"{pages.__name__}.{module}").DOORS
    return tuple(found)
