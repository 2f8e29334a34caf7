"""What the mint remembers: who may have what, and the access tokens that live.

Answers for: a bound on memory, and for never showing a token under another account's name. Does
not answer for: whether what is remembered may still be handed out; the mint asks that each time.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from evergrant.ports.things import Standing
from evergrant.tokens.values import AccessToken

__all__ = ["Memory", "Seat"]


@dataclass(slots=True)
class Seat:
    """One account. ``standing`` is believed until ``until_s`` of the monotonic clock."""

    standing: Standing
    until_s: float
    access_token: AccessToken | None = None

    def held(self) -> AccessToken | None:
        """The access token, if it belongs to exactly the grant that the standing names."""
        token, standing = self.access_token, self.standing
        if (
            token is not None
            and token.grant_id == standing.grant_id
            and token.account_id == standing.account_id
            and token.application_id == standing.application_id
            and token.region is standing.region
        ):
            return token
        return None


class Memory:
    """The ``most`` accounts that were asked for last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seats: OrderedDict[str, Seat] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seats)

    def seat(self, account_id: str) -> Seat | None:
        seat = self._seats.get(account_id)
        if seat is not None:
            self._seats.move_to_end(account_id)
        return seat

    def note_standing(self, standing: Standing, until_s: float) -> Seat:
        """Keeps the access token of the seat; whether it still fits, ``held`` says."""
        seat = self._seats.get(standing.account_id)
        if seat is None:
            seat = self._seats[standing.account_id] = Seat(standing, until_s)
            while len(self._seats) > self._most:
                self._seats.popitem(last=False)
        else:
            seat.standing, seat.until_s = standing, until_s
            self._seats.move_to_end(standing.account_id)
        return seat

    def note_token(self, access_token: AccessToken) -> None:
        seat = self._seats.get(access_token.account_id)
        if seat is not None:
            seat.access_token = access_token

    def forget(self, account_id: str) -> None:
        self._seats.pop(account_id, None)
