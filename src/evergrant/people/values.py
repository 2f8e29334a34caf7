"""What the key rack hands out.

Answers for: a key just made, with its secret. Does not answer for: keys as they are kept
(``ports.things``).
"""

from __future__ import annotations

from dataclasses import dataclass

from evergrant.ports.things import ApiKey, ConnectionKey
from evergrant.rules.secrecy import Secret

__all__ = ["NewApiKey", "NewConnectionKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """An API key just made. ``secret`` (``egk_…``) is shown this once."""

    key: ApiKey
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnectionKey:
    """A connection key just made. ``secret`` (``egc_…``) is shown this once."""

    key: ConnectionKey
    secret: Secret
