"""What invoices of both kinds of vendors have in common.

Answers for: taxes, charges and allowances as Amazon's models have them, and the orders that a wish
names. Does not answer for: the invoices themselves (``retail``, ``direct``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evergrant.feeds.kinds.transactions import money
from evergrant.ports.traded import Change

__all__ = ["charges", "order_ids", "taxes"]

Json = dict[str, Any]


def taxes(wish: Mapping[str, Any], holder: Mapping[str, Any]) -> list[Json]:
    return [
        {
            "taxType": one["type"],
            "taxRate": one.get("rate"),
            "taxAmount": money(wish, one["amount"]),
            "taxableAmount": money(wish, one.get("taxable")),
        }
        for one in holder.get("taxes", ())
    ]


def charges(
    wish: Mapping[str, Any], holder: Mapping[str, Any], name: str, amount: str
) -> list[Json]:
    """``name``: charges or allowances; ``amount``: how Amazon calls theirs."""
    return [
        {
            "type": one["type"],
            "description": one.get("description"),
            amount: money(wish, one["amount"]),
            "taxDetails": taxes(wish, one),
        }
        for one in holder.get(name, ())
    ]


def order_ids(change: Change) -> list[str]:
    """The purchase orders of its items, each once."""
    return list(
        dict.fromkeys(item["order_id"] for item in change.wish["items"] if "order_id" in item)
    )
