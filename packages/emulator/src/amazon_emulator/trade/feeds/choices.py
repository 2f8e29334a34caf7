"""What tests decide about feeds: holds, ends, and habits where Amazon is seen to vary.

Answers for: whom a hold or a choice meets, and which of Amazon's ways is played. It moves no feed.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import asdict, dataclass
from typing import Any, Literal

from amazon_emulator.stage import Stage
from amazon_emulator.trade.processings import CHOSEN, ChosenStatus, is_meant
from amazon_emulator.trade.records import Record

__all__ = ["Choice", "ChosenStatus", "FeedHabits", "Hold", "ReportWish", "Where"]

Where = Literal["in_queue", "in_progress"]
ReportWish = Literal["usual", "none", "given"]


@dataclass(frozen=True)
class Hold:
    """From now on these stay where they are: feeds of a type, of a partner, or all."""

    feed_type: str | None = None
    partner_id: str | None = None
    where: Where = "in_progress"

    def meets(self, feed_type: str, partner_id: str) -> bool:
        return is_meant(self.feed_type, feed_type) and is_meant(self.partner_id, partner_id)

    def as_json(self) -> dict[str, Any]:
        return {
            "feed_type": self.feed_type,
            "selling_partner_id": self.partner_id,
            "where": self.where,
        }

    @classmethod
    def from_json(cls, row: Record) -> Hold:
        """Raises ValueError that names the place."""
        hold = cls(
            row.maybe("feed_type"),
            row.maybe("selling_partner_id"),
            row.choice("where", ("in_queue", "in_progress")),
        )
        row.done()
        return hold


@dataclass
class Choice:
    """How feeds end. ``applied``: whether their content takes effect; None: with DONE alone.
    ``report``: the usual one, none, or ``content``. ``times`` None: until forgotten."""

    status: ChosenStatus
    feed_type: str | None = None
    partner_id: str | None = None
    applied: bool | None = None
    report: ReportWish = "usual"
    content: bytes = b""
    content_type: str | None = None
    times: int | None = 1

    @property
    def applies(self) -> bool:
        return self.status == "DONE" if self.applied is None else self.applied

    def meets(self, feed_type: str, partner_id: str) -> bool:
        return is_meant(self.feed_type, feed_type) and is_meant(self.partner_id, partner_id)

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "feed_type": self.feed_type,
            "selling_partner_id": self.partner_id,
            "applied": self.applied,
            "report": self.report,
            "content_base64": base64.b64encode(self.content).decode(),
            "content_type": self.content_type,
            "times": self.times,
        }

    @classmethod
    def from_json(cls, row: Record) -> Choice:
        """Raises ValueError that names the place."""
        choice = cls(
            status=row.choice("status", CHOSEN),
            feed_type=row.maybe("feed_type"),
            partner_id=row.maybe("selling_partner_id"),
            applied=row.maybe_truth("applied"),
            report=row.choice("report", ("usual", "none", "given"), "usual"),
            content=row.maybe_base64("content_base64") or b"",
            content_type=row.maybe("content_type"),
            times=row.maybe_count("times"),
        )
        row.done()
        return choice


@dataclass
class FeedHabits:
    """Where Amazon was seen, or may be thought, to do one thing or the other; None: the plain one
    when gentle, else either.

    ``same_document``: what a second createFeed with one document gives. ``other_report_id``:
    whether reports call a feed by another id than createFeed did (an issue of the models'
    repository in January 2026). ``packed``: results come as GZIP. ``latin``: XML results come as
    ISO-8859-1."""

    same_document: Literal["second_feed", "refused"] = "second_feed"
    other_report_id: bool | None = None
    packed: bool | None = None
    latin: bool | None = None

    def report_feed_id(self, stage: Stage, feed_id: str) -> str:
        other = self.other_report_id
        if other is None:
            other = not stage.habits.gentle
        return f"amzn1.spfeed.{secrets.token_hex(16)}" if other else feed_id

    def packs(self, stage: Stage) -> bool:
        return _either(stage, self.packed)

    def writes_latin(self, stage: Stage) -> bool:
        return _either(stage, self.latin)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, row: Record) -> FeedHabits:
        """Raises ValueError that names the place."""
        habits = cls(
            same_document=row.choice("same_document", ("second_feed", "refused"), "second_feed"),
            other_report_id=row.maybe_truth("other_report_id"),
            packed=row.maybe_truth("packed"),
            latin=row.maybe_truth("latin"),
        )
        row.done()
        return habits


def _either(stage: Stage, wished: bool | None) -> bool:
    if wished is not None:
        return wished
    return not stage.habits.gentle and stage.dice.random() < 0.5
