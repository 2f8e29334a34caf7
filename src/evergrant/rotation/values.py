"""What the locksmith gives back.

Answers for: names and meanings. Does not answer for: how it came about.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evergrant.ports.watched import Rotation
from evergrant.rules.terms import SecretPhase

__all__ = ["Pasted", "RotationState", "Turned", "Verified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """What one round did: counts."""

    asked: int = 0  # Amazon was asked for a new client secret
    received: int = 0
    promoted: int = 0
    dates_taken: int = 0  # ends of client secrets, from Amazon's notices
    reminded: int = 0
    troubles: int = 0  # applications and queues that a person has to look at

    def __add__(self, other: Turned) -> Turned:
        return Turned(
            asked=self.asked + other.asked,
            received=self.received + other.received,
            promoted=self.promoted + other.promoted,
            dates_taken=self.dates_taken + other.dates_taken,
            reminded=self.reminded + other.reminded,
            troubles=self.troubles + other.troubles,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationState:
    """How it stands with the client secret of one application, in words too."""

    application_id: str
    application_name: str
    phase: SecretPhase
    secret_created_at: datetime | None
    secret_expires_at: datetime | None
    previous_secret_ends_at: datetime | None  # while it is ahead, two client secrets work
    automatic: bool  # Evergrant rotates it by itself
    obstacle: str  # why it does not; empty when it does
    next: str  # what comes next, one sentence
    next_at: datetime | None  # when, where that is known
    trouble: str  # what a person has to know; empty when all goes its way
    running: Rotation | None  # the open rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What Login with Amazon said of the client secret in force, a moment ago. ``words``: Amazon's,
    where it refused. ``about_scope``: it refused what such an application is not given, which says
    nothing of the secret."""

    taken: bool
    words: str = ""
    about_scope: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasted:
    """``changed`` False: it was in force already. ``expires_at`` None: nobody knows how old it is.
    ``previous_ends_at``: until then the former one is kept."""

    application_id: str
    changed: bool
    expires_at: datetime | None
    previous_ends_at: datetime | None
