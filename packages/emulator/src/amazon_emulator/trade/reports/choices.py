"""What tests decide about reports, and habits where Amazon is seen to vary.

Answers for: contents and ends of the reports of a type, packing and encoding. It moves no report.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any, Literal

from amazon_emulator.stage import Stage
from amazon_emulator.trade.processings import CHOSEN, ChosenStatus, is_meant
from amazon_emulator.trade.records import Record
from amazon_emulator.trade.reports.contents import Asked, Written, aborted, write

__all__ = ["ReportChoice", "ReportHabits"]


@dataclass
class ReportChoice:
    """How reports end and what stands in them. ``content`` None: the usual; FATAL has then a
    document that says why, unless ``bare``. ``times`` None: until forgotten."""

    status: ChosenStatus = "DONE"
    report_type: str | None = None
    partner_id: str | None = None
    content: bytes | None = None
    content_type: str | None = None
    bare: bool = False
    times: int | None = 1

    def meets(self, report_type: str, partner_id: str) -> bool:
        return is_meant(self.report_type, report_type) and is_meant(self.partner_id, partner_id)

    def written(self, asked: Asked) -> Written:
        if self.status == "CANCELLED" or self.bare:
            return Written(self.status)
        if self.content is not None:
            usual = self.content_type or asked.type.content_type
            return Written(self.status, self.content, usual, as_given=True)
        if self.status == "FATAL":
            return aborted("An error occurred while the report was made.")
        return write(asked)

    def as_json(self) -> dict[str, Any]:
        content = None if self.content is None else base64.b64encode(self.content).decode()
        return {
            "status": self.status,
            "report_type": self.report_type,
            "selling_partner_id": self.partner_id,
            "content_base64": content,
            "content_type": self.content_type,
            "bare": self.bare,
            "times": self.times,
        }

    @classmethod
    def from_json(cls, row: Record) -> ReportChoice:
        """Raises ValueError that names the place."""
        choice = cls(
            status=row.choice("status", CHOSEN),
            report_type=row.maybe("report_type"),
            partner_id=row.maybe("selling_partner_id"),
            content=row.maybe_base64("content_base64"),
            content_type=row.maybe("content_type"),
            bare=row.truth("bare", False),
            times=row.maybe_count("times"),
        )
        row.done()
        return choice


@dataclass
class ReportHabits:
    """Where Amazon was seen to do one thing or the other; None: the plain one when gentle, else
    either. ``packed``: documents come as GZIP. ``encoding``: of flat files."""

    packed: bool | None = None
    encoding: Literal["utf-8", "cp1252"] | None = None

    def packs(self, stage: Stage) -> bool:
        if self.packed is not None:
            return self.packed
        return not stage.habits.gentle and stage.dice.random() < 0.5

    def encoded(self, stage: Stage, written: Written) -> tuple[bytes, str]:
        """Content and content type as they are stored."""
        content = written.content or b""
        if written.as_given or not written.content_type.startswith("text/tab"):
            return content, written.content_type
        encoding = self.encoding
        if encoding is None:
            latin = not stage.habits.gentle and stage.dice.random() < 0.5
            encoding = "cp1252" if latin else "utf-8"
        recoded = content.decode().encode(encoding, errors="replace")
        # What downloads of flat files are declared as.
        return recoded, f"text/plain; charset={encoding}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, row: Record) -> ReportHabits:
        """Raises ValueError that names the place."""
        habits = cls(
            packed=row.maybe_truth("packed"),
            encoding=row.choice("encoding", ("utf-8", "cp1252", None), None),
        )
        row.done()
        return habits
