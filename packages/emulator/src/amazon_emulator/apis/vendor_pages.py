"""Pages of the vendor APIs: marks that know their query and where the last page ended.

Answers for: filters that are repeated with a mark must be the same, filters that are left out are
those of the first page; how many come at once may change. "Now" stays that of the first page, so
open-ended spans do not slide. That a mark is good for one operation and account is `paging`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from amazon_emulator.apis.operations import Call, Denied
from amazon_emulator.apis.paging import next_mark, read_mark
from amazon_emulator.clock import read_instant

__all__ = ["Page", "page", "resumed"]

T = TypeVar("T")
Key = tuple[str, str]

NOT_IN_QUERY = ("nextToken", "limit")


@dataclass(frozen=True)
class Page:
    """A call as its filters have to be read, and the key after which the page begins."""

    call: Call
    operation: str
    after: Key | None = None

    def cut(self, things: Iterable[T], key: Callable[[T], Key], limit: int) -> tuple[list[T], Any]:
        """The things of this page in the wished order, and the `pagination` of the answer: None
        on the last page. ``key``: an instant as a sortable text, and an identifier."""
        descending = self.call.choice("sortOrder", ("ASC", "DESC")) == "DESC"
        ordered = sorted(things, key=key, reverse=descending)
        if self.after is not None:
            start = self.after
            ordered = [
                each for each in ordered if (key(each) < start if descending else key(each) > start)
            ]
        found = ordered[:limit]
        if len(ordered) <= limit:
            return found, None
        facts = {
            "query": [pair for pair in self.call.asking.query if pair[0] not in NOT_IN_QUERY],
            "now": self.call.now.isoformat(),
            "last": key(found[-1]),
        }
        return found, {"nextToken": next_mark(self.call, self.operation, facts)}


def page(payload: dict[str, Any], pagination: Any) -> dict[str, Any]:
    """The payload with its pagination, where there is more."""
    return payload if pagination is None else {"pagination": pagination, **payload}


def resumed(call: Call, operation: str) -> Page:
    """Where the call begins. Raises Denied for a mark that was not made for this."""
    mark = call.query("nextToken")
    if mark is None:
        return Page(call, operation)
    facts = read_mark(call, operation, mark)
    first = [(str(name), str(value)) for name, value in facts["query"]]
    given = [pair for pair in call.asking.query if pair[0] not in NOT_IN_QUERY]
    if any(pair not in first for pair in given):
        raise Denied.invalid("The nextToken was made for other filters")
    limit = [pair for pair in call.asking.query if pair[0] == "limit"]
    asking = replace(call.asking, query=(*first, *limit))
    again = replace(call, asking=asking, now=read_instant(facts["now"]))
    name, last = facts["last"]
    return Page(again, operation, (str(name), str(last)))
