"""What Feeds and Reports read from a JSON body, checked without any model.

Answers for: Amazon's 400 InvalidInput for what is missing, of a wrong type or out of range.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from amazon_emulator import marketplaces as stores
from amazon_emulator.apis.operations import Denied
from amazon_emulator.marketplaces import Region

__all__ = ["MOST_MARKETPLACES", "instant", "marketplaces", "text", "text_table"]

MOST_MARKETPLACES = 25
LONGEST_ECHO = 80  # characters of a wrong value that a refusal repeats


def text(given: dict[str, Any], name: str) -> str:
    """A text that is not empty. Raises Denied."""
    value = given.get(name)
    if value is None:
        raise Denied.invalid(f"Missing required parameter '{name}'")
    if not isinstance(value, str) or not value.strip():
        raise Denied.invalid(f"Invalid value at '{name}': must be a string that is not empty")
    return value


def text_table(given: dict[str, Any], name: str) -> dict[str, str]:
    """An object of texts; empty when left out. Raises Denied."""
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise Denied.invalid(f"Invalid value at '{name}': must be an object of strings")
    return dict(value)


def marketplaces(given: dict[str, Any], region: Region) -> tuple[str, ...]:
    """One to 25 stores of this region. Raises Denied."""
    value = given.get("marketplaceIds")
    if value is None:
        raise Denied.invalid("Missing required parameter 'marketplaceIds'")
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Denied.invalid("Invalid value at 'marketplaceIds': must be a list of strings")
    if not 1 <= len(value) <= MOST_MARKETPLACES:
        raise Denied.invalid(
            "Value at 'marketplaceIds' failed to satisfy constraint: Member must have length from "
            f"1 to {MOST_MARKETPLACES}"
        )
    for one in value:
        if stores.region_of(one) != region:
            raise Denied.invalid(
                f"Invalid marketplaceId: {repr(one)[:LONGEST_ECHO]} is none of this region"
            )
    return tuple(value)


def instant(given: dict[str, Any], name: str) -> datetime | None:
    """An ISO 8601 instant; without an offset it is UTC. Raises Denied."""
    value = given.get(name)
    if value is None:
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise Denied.invalid(
            f"Invalid date-time at '{name}': {repr(value)[:LONGEST_ECHO]}"
        ) from None
