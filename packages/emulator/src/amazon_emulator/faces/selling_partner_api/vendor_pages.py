"""Pages of the vendor APIs: opaque tokens that know their query and where the last page ended.

Answers for: a page token is good for the operation and the account that it was made for; filters
that are repeated with it must be the same, filters that are left out are those of the first page;
how many come at once may change. "Now" stays that of the first page, so open-ended spans do not
slide.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from amazon_emulator.clock import read_instant
from amazon_emulator.faces.selling_partner_api.operations import Call, Denied

__all__ = ["Page", "page", "resumed"]

T = TypeVar("T")
Key = tuple[str, str]

NOT_IN_QUERY = ("nextToken", "limit")


@dataclass(frozen=True)
class Page:
    """A call as its filters have to be read, and the key after which the page begins."""

    call: Call
    operation: str
    after: Key | None

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
        return found, {"nextToken": self._mark(key(found[-1]))}

    def _mark(self, last: Key) -> str:
        query = [pair for pair in self.call.asking.query if pair[0] not in NOT_IN_QUERY]
        content = json.dumps([query, self.call.now.isoformat(), last])
        sealed = json.dumps([content, _seal(self.call, self.operation, content)])
        return base64.urlsafe_b64encode(sealed.encode()).decode()


def page(call: Call, payload: dict[str, Any], pagination: Any) -> dict[str, Any]:
    """The payload with its pagination, where there is more."""
    return payload if pagination is None else {"pagination": pagination, **payload}


def resumed(call: Call, operation: str) -> Page:
    """Raises Denied for a page token that was not made for this."""
    mark = call.query("nextToken")
    if mark is None:
        return Page(call, operation, None)
    try:
        content, seal = json.loads(base64.b64decode(mark, altchars=b"-_", validate=True))
        good = seal == _seal(call, operation, content)
    except (binascii.Error, ValueError, TypeError):
        good, content = False, ""
    if not good:
        raise Denied.invalid("The nextToken is not valid")
    query, now, last = json.loads(content)
    first = [(str(name), str(value)) for name, value in query]
    given = [pair for pair in call.asking.query if pair[0] not in NOT_IN_QUERY]
    if any(pair not in first for pair in given):
        raise Denied.invalid("The nextToken was made for other filters")
    limit = [pair for pair in call.asking.query if pair[0] == "limit"]
    asking = replace(call.asking, query=(*first, *limit))
    again = replace(call, asking=asking, now=read_instant(now))
    return Page(again, operation, (str(last[0]), str(last[1])))


def _seal(call: Call, operation: str, content: str) -> str:
    """Bound to the operation and the account."""
    who = f"{call.stage.seed}|{call.partner.selling_partner_id}|{operation}"
    return hashlib.sha256(f"{who}|{content}".encode()).hexdigest()[:24]
