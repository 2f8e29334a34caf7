"""The door at which nginx asks what to do with a request that somebody sent to it.

Answers for: one decision a request, as headers. Does not answer for: who may (the key rack, the
gate), or for the stream itself (nginx).
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from evergrant.desk import Desk
from evergrant.entrances.gateway.outcomes import Outcomes
from evergrant.settings import Settings

__all__ = ["DecideDoor", "build"]


def build(desk: Desk, settings: Settings, outcomes: Outcomes) -> ASGIApp:
    """The door of this desk. What it gives leave for is told to ``outcomes`` of the same process
    (``async with open_outcomes(desk, settings) as outcomes``)."""
    return DecideDoor(desk, settings, outcomes)


class DecideDoor:
    """``GET /decide``."""

    def __init__(self, desk: Desk, settings: Settings, outcomes: Outcomes) -> None:
        self._desk = desk
        self._settings = settings
        self._outcomes = outcomes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})
