"""What the reading room answers with.

Answers for: the shapes. Does not answer for: what they hold (``rules.amazon_reports``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from evergrant.ports.traded import AmazonReport
from evergrant.rules.amazon_reports import FoundReport

__all__ = ["AtAmazon", "OpenReport", "ReportTurn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReport:
    """A report whose document is coming. ``pieces``: its bytes, unpacked, in the encoding that
    ``content_type`` names; reading raises AmazonUnavailable when it breaks off."""

    report: AmazonReport
    content_type: str
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class AtAmazon:
    """Some of the reports of one type that Amazon has. ``next_page`` empty: there are no more."""

    reports: Sequence[FoundReport]
    next_page: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTurn:
    """What one round did, as counts."""

    asked: int = 0
    looked: int = 0
    ended: int = 0
    put_off: int = 0
    troubles: int = 0
    forgotten: int = 0

    def __add__(self, other: ReportTurn) -> ReportTurn:
        return ReportTurn(
            asked=self.asked + other.asked,
            looked=self.looked + other.looked,
            ended=self.ended + other.ended,
            put_off=self.put_off + other.put_off,
            troubles=self.troubles + other.troubles,
            forgotten=self.forgotten + other.forgotten,
        )
