"""Whether the team lead has signed what an account's work waits for.

Answers for: asking the sign-off book, where the operator made it a condition. Does not answer for:
the values that were signed: whoever can look at them says so in its place (``SignedOff``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from evergrant.ports import Clock
from evergrant.reviews import Reviews
from evergrant.rules.reviews import ITEMS, About, key_of
from evergrant.rules.rights import SYSTEM

__all__ = ["Signatures", "SignedOff"]


class SignedOff(Protocol):
    async def unsigned(self, application_id: str, client_instance_id: str) -> Sequence[str]:
        """Items of the list that a person decides on and nobody has signed as they are now: of the
        house, of this application, of this client instance. Raises StoreUnavailable."""
        ...


class Signatures:
    """By the book alone: that somebody signed, and that the signature has not run out. That the
    values have changed since, it cannot see."""

    def __init__(self, reviews: Reviews, clock: Clock) -> None:
        self._reviews = reviews
        self._clock = clock

    async def unsigned(self, application_id: str, client_instance_id: str) -> Sequence[str]:
        now = self._clock.now()
        signed = await self._reviews.signed(by=SYSTEM)
        subjects = {
            About.HOUSE: "",
            About.APPLICATION: application_id,
            About.INSTANCE: client_instance_id,
        }
        found = []
        for item in ITEMS.values():
            if item.by_machine:
                continue
            review = signed.get(key_of(item.name, subjects[item.about]))
            ended = review is not None and item.lasts is not None and now >= review.at + item.lasts
            if review is None or ended:
                found.append(item.name)
        return found
