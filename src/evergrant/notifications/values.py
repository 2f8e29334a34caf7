"""What the letter slot answers with.

Answers for: the shapes. Does not answer for: anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from evergrant.ports.traded import Subscription
from evergrant.rules.notifications import NotificationType

__all__ = ["Heard", "Subscribed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """How far the accounts of one application are subscribed to one type. ``wanted``: accounts that
    are to hear of it; ``fine``: those of them of which Amazon said nothing bad. ``troubled``: the
    first few of the others."""

    notification_type: NotificationType
    wanted: int
    fine: int
    troubled: tuple[Subscription, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one round did, as counts."""

    told: int = 0  # notifications that a room was told of
    foreign: int = 0  # of another type, or of nobody's account here: thrown away
    unread: int = 0  # in no shape of Amazon's: thrown away
    left: int = 0  # in the queue, to come again
    poison: int = 0  # came too often without being handled: thrown away
    subscribed: int = 0
    ended: int = 0  # subscriptions
    troubles: int = 0

    def __add__(self, other: Heard) -> Heard:
        return Heard(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        )
