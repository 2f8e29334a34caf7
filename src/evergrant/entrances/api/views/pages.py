"""What every answer and every page of a list is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Page", "View", "page"]

Thing = TypeVar("Thing")
Shown = TypeVar("Shown")


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class Page(View, Generic[Shown]):
    """One page of a list, in order of creation unless the list says otherwise."""

    items: list[Shown]
    next: str | None = Field(
        description="Send it as `after` to get the next page; null on the last page. Opaque."
    )


def page(
    found: Sequence[Thing],
    limit: int,
    show: Callable[[Thing], Shown],
    mark: Callable[[Thing], Any],
    most: int | None = None,
) -> Page[Shown]:
    """``found`` was asked for with one more than ``limit``, to know whether there is more. Of a
    room that gives ``most`` at once, a page that long may be followed by an empty one."""
    here = found[:limit]
    more = len(found) > limit or len(found) == most
    return Page(items=[show(one) for one in here], next=str(mark(here[-1])) if more else None)
