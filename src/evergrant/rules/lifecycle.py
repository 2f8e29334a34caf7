"""The life of an authorization: one table, every pair decided.

Answers for: which state follows which event. Does not answer for: when an event is true (the
mint, the reception and the clock tower decide that from what Amazon said).

Rules about the table:

* Every (State, Event) pair stands in it. A missing pair is an import error, not a surprise.
* A *fact* (GRANTED, TERM_ENDED, REFUSED, ACCEPTED) always has a place: it moves the state or it
  leaves it as it is, but it is never refused. Amazon does not ask us whether it may.
* A *wish* of ours (CLOSE, REOPEN) may be refused, with a reason for a person.
* CLOSED is left by our own wish alone. Facts that arrive meanwhile are kept by the journal.
* REFUSED says less than it seems: LWA answers the same words for "revoked" and for "term over".
  So the mint reports TERM_ENDED when the term is over by our clock, and REFUSED before that.
* A LAPSED or REVOKED authorization comes back by GRANTED (new consent), or by ACCEPTED: Amazon
  took a refresh token that we thought dead, as renewing at Amazon may reinstate it. The same
  brings back an account that was closed, reopened, and still has its grant in the safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = [
    "EVER_AUTHORIZED",
    "FACTS",
    "TABLE",
    "WISHES",
    "Decision",
    "Event",
    "Moved",
    "NotPossible",
    "State",
    "Stays",
    "advance",
    "needs_consent",
    "serves_tokens",
]


class State(StrEnum):
    AWAITING = "awaiting"  # consent was never given
    ACTIVE = "active"  # the grant works, as far as anybody knows
    LAPSED = "lapsed"  # the term is over
    REVOKED = "revoked"  # LWA refuses the grant before its term was over
    CLOSED = "closed"  # our own wish


class Event(StrEnum):
    GRANTED = "granted"  # LWA gave a grant: by consent, by renewal, or an adopted one was accepted
    TERM_ENDED = "term_ended"  # the term is over by our clock
    REFUSED = "refused"  # LWA says invalid_grant, looked at twice
    ACCEPTED = "accepted"  # Amazon accepted a grant that we thought dead
    CLOSE = "close"  # an operator wishes it
    REOPEN = "reopen"  # an operator wishes it


FACTS = frozenset({Event.GRANTED, Event.TERM_ENDED, Event.REFUSED, Event.ACCEPTED})
WISHES = frozenset({Event.CLOSE, Event.REOPEN})

#: States that an authorization has only after it was given at least once. CLOSED, and AWAITING
#: after reopening, do not tell; then its grant does.
EVER_AUTHORIZED = frozenset({State.ACTIVE, State.LAPSED, State.REVOKED})


@dataclass(frozen=True, slots=True)
class Moved:
    """The state becomes ``to``. GRANTED moves ACTIVE to ACTIVE: the grant is another one."""

    to: State


@dataclass(frozen=True, slots=True)
class Stays:
    """The event is true and changes nothing; ``why`` is for the journal."""

    why: str


@dataclass(frozen=True, slots=True)
class NotPossible:
    """A wish that contradicts the state; ``why`` is for the person who wished."""

    why: str


Decision = Moved | Stays | NotPossible

_CLOSED_STAYS = Stays("the account is closed; only reopening it changes that")

TABLE: Mapping[State, Mapping[Event, Decision]] = MappingProxyType(
    {
        State.AWAITING: MappingProxyType(
            {
                Event.GRANTED: Moved(State.ACTIVE),
                Event.TERM_ENDED: Stays("there is no grant whose term could end"),
                Event.REFUSED: Stays("there is no grant that could be refused"),
                Event.ACCEPTED: Moved(State.ACTIVE),
                Event.CLOSE: Moved(State.CLOSED),
                Event.REOPEN: NotPossible("the account is not closed"),
            }
        ),
        State.ACTIVE: MappingProxyType(
            {
                Event.GRANTED: Moved(State.ACTIVE),
                Event.TERM_ENDED: Moved(State.LAPSED),
                Event.REFUSED: Moved(State.REVOKED),
                Event.ACCEPTED: Stays("it was active already"),
                Event.CLOSE: Moved(State.CLOSED),
                Event.REOPEN: NotPossible("the account is not closed"),
            }
        ),
        State.LAPSED: MappingProxyType(
            {
                Event.GRANTED: Moved(State.ACTIVE),
                Event.TERM_ENDED: Stays("it has lapsed already"),
                Event.REFUSED: Stays("a lapsed grant is refused by Amazon; nothing new"),
                Event.ACCEPTED: Moved(State.ACTIVE),
                Event.CLOSE: Moved(State.CLOSED),
                Event.REOPEN: NotPossible("the account is not closed"),
            }
        ),
        State.REVOKED: MappingProxyType(
            {
                Event.GRANTED: Moved(State.ACTIVE),
                Event.TERM_ENDED: Stays("it was revoked before its term ended"),
                Event.REFUSED: Stays("it is known to be revoked"),
                Event.ACCEPTED: Moved(State.ACTIVE),
                Event.CLOSE: Moved(State.CLOSED),
                Event.REOPEN: NotPossible("the account is not closed"),
            }
        ),
        State.CLOSED: MappingProxyType(
            {
                Event.GRANTED: _CLOSED_STAYS,
                Event.TERM_ENDED: _CLOSED_STAYS,
                Event.REFUSED: _CLOSED_STAYS,
                Event.ACCEPTED: _CLOSED_STAYS,
                Event.CLOSE: NotPossible("the account is closed already"),
                # What a grant is worth after a while in the drawer only Amazon knows: ACCEPTED.
                Event.REOPEN: Moved(State.AWAITING),
            }
        ),
    }
)


def advance(state: State, event: Event) -> Decision:
    """What follows when ``event`` happens in ``state``."""
    return TABLE[state][event]


def serves_tokens(state: State) -> bool:
    """Whether access tokens may be handed out."""
    return state is State.ACTIVE


def needs_consent(state: State) -> bool:
    """Whether the selling partner has to act before anything works."""
    return state in {State.AWAITING, State.LAPSED, State.REVOKED}


def _assert_complete() -> None:
    for state in State:
        undecided = set(Event) - set(TABLE[state])
        if undecided:
            raise AssertionError(f"{state}: nobody decided {sorted(undecided)}")
        for event in FACTS:
            if isinstance(TABLE[state][event], NotPossible):
                raise AssertionError(  # noqa: TRY004 - no type is wrong, the table is
                    f"{state}, {event}: a fact is never refused"
                )


_assert_complete()
