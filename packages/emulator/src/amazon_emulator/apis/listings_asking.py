"""What the operations on listings and catalogue items ask for in common.

Answers for: seller id, marketplaces, included data, pages. Refusals are 400 in Amazon's shape, but
for a seller id that is not the caller's, which is 403.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import TypeVar

from amazon_emulator.apis.operations import Call, Denied
from amazon_emulator.trade.listings.listing import seller_ids, trades_in

__all__ = ["included_data", "marketplaces_of", "page", "seller_of"]

T = TypeVar("T")
MOST_PAGED = 1000


def seller_of(call: Call) -> str:
    """The seller id of the path: the caller's merchant token or one of its vendor codes."""
    told = call.path["sellerId"]
    if told not in seller_ids(call.partner):
        raise Denied.access("")
    return told


def marketplaces_of(call: Call, most: int | None = None) -> tuple[str, ...]:
    """Where it is asked about: at least one marketplace, each of the region and the partner's."""
    told = tuple(dict.fromkeys(call.queries("marketplaceIds")))
    if not told:
        raise Denied.invalid("Missing required parameter 'marketplaceIds'.")
    if most is not None and len(told) > most:
        raise Denied.invalid(f"'marketplaceIds' takes at most {most} value(s).")
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
    reach = min(len(found), MOST_PAGED)
    end = min(start + size, reach)
    pagination = {}
    if end < reach:
        pagination["nextToken"] = _token(call, end)
    if start > 0:
        pagination["previousToken"] = _token(call, max(0, start - size))
    return list(found[start:end]), pagination


def _token(call: Call, start: int) -> str:
    return base64.urlsafe_b64encode(f"{start}.{_mark(call, start)}".encode()).decode().rstrip("=")


def _start(call: Call, token: str) -> int:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
        number, _, mark = text.partition(".")
        start = int(number)
    except ValueError:
        start, mark = 0, ""
    if not hmac.compare_digest(mark, _mark(call, start)):
        raise Denied.invalid("Invalid 'pageToken' provided.")
    return start


def _mark(call: Call, start: int) -> str:
    query = sorted(pair for pair in call.asking.query if pair[0] != "pageToken")
    told = json.dumps([call.partner.selling_partner_id, dict(call.path), query, start])
    return hashlib.sha256(told.encode()).hexdigest()[:24]
