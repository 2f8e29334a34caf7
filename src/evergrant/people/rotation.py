"""What API keys and connection keys have in common when they end and are replaced.

Answers for: how long a key that was replaced goes on working, and when its successor ends. Does not
answer for: writing any of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from evergrant.errors import Conflict
from evergrant.intake import Flaws
from evergrant.ports.things import ApiKey, ConnectionKey

__all__ = [
    "DEFAULT_OVERLAP",
    "LONGEST_OVERLAP",
    "check_end",
    "check_overlap",
    "check_replaceable",
    "end_of_old",
    "end_of_successor",
    "lives",
]

#: So long the old key works beside the new one, unless the caller says otherwise.
DEFAULT_OVERLAP = timedelta(days=7)
LONGEST_OVERLAP = timedelta(days=90)


def lives(key: ApiKey | ConnectionKey, now: datetime) -> bool:
    """Whether the key opens anything at this instant."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def check_end(flaws: Flaws, expires_at: datetime | None, now: datetime) -> datetime | None:
    ends_at = flaws.instant("expires_at", expires_at)
    if ends_at is not None and ends_at <= now:
        flaws.add("expires_at", "lies in the past.", code="out_of_range")
    return ends_at


def check_overlap(flaws: Flaws, overlap: timedelta) -> None:
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        flaws.add(
            "overlap",
            f"must be from 0 to {LONGEST_OVERLAP.days} days.",
            code="out_of_range",
            hint="0 ends the old key at once.",
        )


def check_replaceable(key: ApiKey | ConnectionKey, now: datetime) -> None:
    """Raises Conflict: what has ended, or was replaced before, is not replaced."""
    if key.replaced_by is not None:
        raise Conflict(
            f"This key was rotated before: {key.replaced_by} takes its place.",
            hint="Rotate that one; if its secret got lost, that gives another.",
            facts={"replaced_by": key.replaced_by},
        )
    if not lives(key, now):
        raise Conflict("This key has ended.", hint="Make a new key.")


def end_of_old(key: ApiKey | ConnectionKey, now: datetime, overlap: timedelta) -> datetime:
    """After the overlap, and never later than it would have ended anyway."""
    after = now + overlap
    return after if key.expires_at is None else min(after, key.expires_at)


def end_of_successor(
    key: ApiKey | ConnectionKey, now: datetime, wished: datetime | None
) -> datetime | None:
    """As wished; else it lives as long as the old one was made for."""
    if wished is not None or key.expires_at is None:
        return wished
    return now + (key.expires_at - key.created_at)
