"""One feed: what it is, and how a world file holds it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from amazon_emulator.agenda import Entry
from amazon_emulator.clock import stamp
from amazon_emulator.marketplaces import REGIONS, Region
from amazon_emulator.trade.feeds.choices import Choice
from amazon_emulator.trade.feeds.types import FEED_TYPES, FeedKind
from amazon_emulator.trade.processings import STATUSES, Status, instants_fit
from amazon_emulator.trade.records import Record

__all__ = ["FIRST_ID", "Feed", "Line"]

FIRST_ID = 50_000_000_000  # ids count from here

Line = tuple[str, Region, FeedKind]  # selling partner, region, kind


@dataclass
class Feed:
    """One feed. ``content`` is what the document held when the feed was created, and is let go at
    its end; ``held`` keeps it where it is; ``choice`` decides its end; ``report_feed_id`` is what
    its report calls it."""

    feed_id: str
    partner_id: str
    application_id: str
    region: Region
    feed_type: str
    marketplace_ids: tuple[str, ...]
    options: dict[str, str]
    input_document_id: str
    content: bytes
    content_type: str
    created_at: datetime
    report_feed_id: str
    status: Status = "IN_QUEUE"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result_document_id: str | None = None
    held: bool = False
    choice: Choice | None = None
    entry: Entry | None = field(default=None, repr=False)

    @property
    def kind(self) -> FeedKind:
        return FEED_TYPES[self.feed_type].kind

    @property
    def line(self) -> Line:
        return self.partner_id, self.region, self.kind

    def as_json(self) -> dict[str, Any]:
        """For a world file."""
        return {
            "feed_id": self.feed_id,
            "selling_partner_id": self.partner_id,
            "application_id": self.application_id,
            "region": self.region,
            "feed_type": self.feed_type,
            "marketplace_ids": list(self.marketplace_ids),
            "options": self.options,
            "input_document_id": self.input_document_id,
            "content_base64": base64.b64encode(self.content).decode(),
            "content_type": self.content_type,
            "created_at": stamp(self.created_at),
            "report_feed_id": self.report_feed_id,
            "status": self.status,
            "started_at": stamp(self.started_at),
            "ended_at": stamp(self.ended_at),
            "result_document_id": self.result_document_id,
            "held": self.held,
            "choice": self.choice.as_json() if self.choice else None,
        }

    @classmethod
    def from_json(cls, row: Record) -> Feed:
        """Raises ValueError that names the place."""
        choice = row.raw("choice", None)
        feed = cls(
            feed_id=row.digits("feed_id"),
            partner_id=row.text("selling_partner_id"),
            application_id=row.text("application_id"),
            region=row.choice("region", REGIONS),
            feed_type=row.choice("feed_type", FEED_TYPES),
            marketplace_ids=row.texts("marketplace_ids"),
            options=row.text_table("options"),
            input_document_id=row.text("input_document_id"),
            content=row.maybe_base64("content_base64") or b"",
            content_type=row.text("content_type"),
            created_at=row.instant("created_at"),
            report_feed_id=row.text("report_feed_id"),
            status=row.choice("status", STATUSES),
            started_at=row.maybe_instant("started_at"),
            ended_at=row.maybe_instant("ended_at"),
            result_document_id=row.maybe("result_document_id"),
            held=row.truth("held", False),
            choice=None
            if choice is None
            else Choice.from_json(Record.of(choice, f"{row.place}.choice")),
        )
        row.done()
        if not instants_fit(feed.status, feed.started_at, feed.ended_at):
            raise ValueError(f"{row.place}: its instants do not fit its status")
        return feed
