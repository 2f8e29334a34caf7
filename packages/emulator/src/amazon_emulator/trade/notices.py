"""Tells the subscribed that something happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from amazon_emulator.stage import Stage
from amazon_emulator.world import Application, Partner

__all__ = ["tell"]


def tell(
    stage: Stage,
    notification_type: str,
    partner: Partner,
    payload: Any,
    now: datetime,
    *,
    payload_version: str = "1.0",
    application: Application | None = None,
) -> None:
    """Puts the notification into every subscribed queue."""
