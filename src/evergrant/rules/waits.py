"""Why changes of an account do not go now: one word, one sentence, and until when.

Answers for: the words, their sentences, and their shape where they are kept with an account. Does
not answer for: finding out which of them holds (``feedplans``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from evergrant.rules.changes import ChangeKind
from evergrant.rules.lifecycle import State

__all__ = ["SENTENCES", "STATES", "Waiting", "Why", "kept", "read", "until"]


class Why(StrEnum):
    # The account as a whole.
    NOT_AUTHORIZED = "not_authorized"
    LAPSED = "lapsed"
    REVOKED = "revoked"
    CLOSED = "closed"
    PAUSED = "paused"
    NOT_SIGNED = "not_signed"
    NO_SELLER_ID = "no_seller_id"
    # One kind of changes.
    UNAVAILABLE = "unavailable"
    SWITCHED_OFF = "switched_off"
    FEED_OPEN = "feed_open"
    FEED_INTERVAL = "feed_interval"
    RUN_OPEN = "run_open"
    LIMIT = "limit"
    DENIED = "denied"
    # Single changes.
    IN_FLIGHT = "in_flight"
    LATER = "later"


SENTENCES: Mapping[Why, str] = MappingProxyType(
    {
        Why.NOT_AUTHORIZED: "The selling partner has not authorized the application yet.",
        Why.LAPSED: "The authorization has lapsed; it goes on when it is renewed.",
        Why.REVOKED: "The authorization was revoked; it goes on with a new one.",
        Why.CLOSED: "The account is closed.",
        Why.PAUSED: "Somebody paused the account.",
        Why.NOT_SIGNED: "The team lead has not signed everything that the house requires.",
        Why.NO_SELLER_ID: "Nobody knows the account's merchant token or vendor code yet.",
        Why.UNAVAILABLE: "Amazon has no such thing for this kind of account.",
        Why.SWITCHED_OFF: "The account's switch for it is off.",
        Why.FEED_OPEN: "Amazon still works on an earlier feed of this type.",
        Why.FEED_INTERVAL: "Feeds of one type go out with a while between them.",
        Why.RUN_OPEN: "An earlier run on the same path is not over.",
        Why.LIMIT: "As much as Amazon's limits let through is under way.",
        Why.IN_FLIGHT: "Another change of the same thing is under way.",
        Why.LATER: "It came back from Amazon and is tried again later.",
        Why.DENIED: "Amazon does not let the account do it; it is tried again each hour.",
    }
)
#: Where an authorization that is not ACTIVE leaves an account.
STATES: Mapping[State, Why] = MappingProxyType(
    {
        State.AWAITING: Why.NOT_AUTHORIZED,
        State.LAPSED: Why.LAPSED,
        State.REVOKED: Why.REVOKED,
        State.CLOSED: Why.CLOSED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """``count`` changes of one kind wait for one reason. ``until``: when it ends by itself; None:
    somebody has to act, or Amazon. ``more``: what the sentence leaves open, such as who paused."""

    kind: ChangeKind
    why: Why
    count: int
    until: datetime | None = None
    more: str = ""

    @property
    def sentence(self) -> str:
        return f"{SENTENCES[self.why]} {self.more}".rstrip()


def until(waits: Iterable[Waiting]) -> datetime | None:
    """When the first of them ends by itself."""
    return min((one.until for one in waits if one.until is not None), default=None)


def kept(waits: Iterable[Waiting]) -> dict[str, list[dict[str, Any]]]:
    """By kind, as it is kept with an account (``AccountWork.waits``), in plain JSON."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in waits:
        found.setdefault(one.kind.value, []).append(
            {
                "why": one.why.value,
                "count": one.count,
                "until": one.until.astimezone(UTC).isoformat() if one.until else None,
                "more": one.more,
            }
        )
    return found


def read(facts: Mapping[str, Any]) -> list[Waiting]:
    """What ``kept`` wrote."""
    return [
        Waiting(
            kind=ChangeKind(kind),
            why=Why(one["why"]),
            count=one["count"],
            until=datetime.fromisoformat(one["until"]) if one["until"] else None,
            more=one["more"],
        )
        for kind, several in facts.items()
        for one in several
    ]
