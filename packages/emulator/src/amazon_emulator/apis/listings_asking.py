"""What the operations on listings and catalogue items ask for in common.

Answers for: seller id, marketplaces, included data, pages. Refusals are 400 in Amazon's shape, but
for a seller id that is not the caller's, which is 403.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from amazon_emulator import marketplaces
from amazon_emulator.apis.operations import Call, Denied
from amazon_emulator.apis.paging import next_mark, read_mark
from amazon_emulator.trade.listings.listing import seller_ids, trades_in

__all__ = ["included_data", "marketplaces_of", "page", "seller_of", "stores_of"]

T = TypeVar("T")
MOST_PAGED = 1000
PAGE = "pageToken"


def seller_of(call: Call) -> str:
    """The seller id of the path: the caller's merchant token or one of its vendor codes."""
    told = call.path["sellerId"]
    if told not in seller_ids(call.partner):
        raise Denied.access("")
    return told


def stores_of(call: Call, most: int | None = None) -> tuple[str, ...]:
    """Where it is asked about: at least one marketplace, each of the region."""
    told = tuple(dict.fromkeys(call.queries("marketplaceIds")))
    if not told:
        raise Denied.invalid("Missing required parameter 'marketplaceIds'.")
    if most is not None and len(told) > most:
        raise Denied.invalid(f"'marketplaceIds' takes at most {most} value(s).")
    if not all(marketplaces.region_of(where) == call.region for where in told):
        raise Denied.invalid("Invalid 'marketplaceIds' provided.")
    return told


def marketplaces_of(call: Call, most: int | None = None) -> tuple[str, ...]:
    """As `stores_of`, and each is one where the partner trades."""
    told = stores_of(call, most)
    open_ = trades_in(call.partner, call.region)
    if not all(where in open_ for where in told):
        raise Denied.invalid("Invalid 'sellerId' and 'marketplaceId' combination provided.")
    return told


def included_data(call: Call, known: Sequence[str], default: tuple[str, ...]) -> tuple[str, ...]:
    """The data sets that are asked for, each once."""
    told = tuple(dict.fromkeys(call.queries("includedData")))
    wrong = [name for name in told if name not in known]
    if wrong:
        raise Denied.invalid(
            f"Value {wrong[0]!r} at 'includedData' failed to satisfy constraint: Member must "
            f"satisfy enum value set: [{', '.join(known)}]"
        )
    return told or default


def page(call: Call, found: Sequence[T]) -> tuple[list[T], dict[str, str]]:
    """One page and its `pagination`: at most 20 items, no further than the thousandth. A token is
    good only with the query that it came from."""
    size = call.number("pageSize", 10, 1, 20)
    token = call.query("pageToken")
    start = 0 if token is None else _start(call, token)
    query = _query(call)
    reach = min(len(found), MOST_PAGED)
    end = min(start + size, reach)
    pagination = {}
    if end < reach:
        pagination["nextToken"] = next_mark(call, PAGE, {"query": query, "start": end})
    if start > 0:
        before = max(0, start - size)
        pagination["previousToken"] = next_mark(call, PAGE, {"query": query, "start": before})
    return list(found[start:end]), pagination


def _start(call: Call, token: str) -> int:
    known = read_mark(call, PAGE, token, name=PAGE)
    if known["query"] != _query(call):
        raise Denied.invalid("The pageToken belongs to another query.")
    return int(known["start"])


def _query(call: Call) -> list[list[str]]:
    """Everything that decides what is found, in an order of its own."""
    query = [[name, value] for name, value in call.asking.query if name != PAGE]
    return [*sorted([name, value] for name, value in call.path.items()), *sorted(query)]
