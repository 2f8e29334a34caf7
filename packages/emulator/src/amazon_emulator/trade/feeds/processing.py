"""What goes into the processing of a feed, and what comes out of it.

Answers for: the one seam between the queue of feeds and those who understand a feed type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.world import Application, Partner

__all__ = ["Outcome", "Processor", "Work"]


@dataclass(frozen=True)
class Work:
    """One feed whose turn has come. ``content`` is what was uploaded, unpacked when it was gzip."""

    stage: Stage
    partner: Partner
    application: Application
    region: Region
    feed_id: str
    report_feed_id: str  # the name by which the report calls it; may differ at Amazon
    feed_type: str
    marketplace_ids: tuple[str, ...]
    content: bytes
    content_type: str
    now: datetime
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a feed ended. ``report`` is the processing report; None where Amazon makes none."""

    status: Literal["DONE", "FATAL", "CANCELLED"]
    report: bytes | None = None
    content_type: str = "application/json"


Processor = Callable[[Work], Outcome]
