"""THE KEY RACK. Operators, API keys, connection keys: who somebody is, and what they may do.

Answers for: making, showing, rotating, revoking and recognising them. Does not answer for: what a
caller does with its rights (each room asks), or for sessions of a browser.

API keys and connection keys hold 256 random bits and are kept as SHA-256 digests: nobody guesses
them, so a slow hash would only slow down every call. Passwords are kept as argon2 hashes.

A key that was looked up is remembered for 0.8 s, counted from before the database was asked:
whether it was found by its text or by its id, awaited or at hand. So revoking, rotating and ending
tell within a second in every process, the moments of the hot doors included.
"""

from __future__ import annotations

from evergrant.people.api_keys import MOST_ACCOUNTS, ApiKeys
from evergrant.people.connection_keys import ConnectionKeys
from evergrant.people.operators import Operators, caller_of
from evergrant.people.rotation import DEFAULT_OVERLAP, LONGEST_OVERLAP
from evergrant.people.values import NewApiKey, NewConnectionKey
from evergrant.people.way_in import (
    WAY_IN_LETTER,
    WayInChange,
    tell_way_in,
    way_in_facts,
)
from evergrant.ports import Bell, Clock
from evergrant.ports.store import Store

__all__ = [
    "DEFAULT_OVERLAP",
    "LONGEST_OVERLAP",
    "MOST_ACCOUNTS",
    "WAY_IN_LETTER",
    "NewApiKey",
    "NewConnectionKey",
    "People",
    "WayInChange",
    "caller_of",
    "tell_way_in",
    "way_in_facts",
]


class People(Operators, ApiKeys, ConnectionKeys):
    """Verbs raise NotAllowed without the right, NotFound out of reach, InvalidInput with every
    flaw at once, Conflict when an e-mail address is taken or a key was rotated before."""

    def __init__(self, store: Store, clock: Clock, bell: Bell | None = None) -> None:
        """``bell``: rung for letters; None: the next look into the outbox finds them."""
        Operators.__init__(self, store, clock, bell)
        ApiKeys.__init__(self, store, clock)
        ConnectionKeys.__init__(self, store, clock)
