"""Names for new things.

Answers for: the entropy in ids and reference numbers. Does not answer for: what such a name looks
like, or for judging one that somebody typed (``rules.ids``, which knows no randomness).
"""

from __future__ import annotations

import secrets
from datetime import datetime

from evergrant.rules import ids

__all__ = ["new_id", "new_reference"]


def new_id(kind: ids.Kind, now: datetime) -> str:
    """An id that nobody has yet; ids of one kind sort by their instants."""
    return ids.make(kind, now, secrets.token_bytes(10))


def new_reference() -> str:
    """A number for people on the phone. Two may be equal; the store refuses the second one."""
    return ids.reference(secrets.token_bytes(5))
