"""Limits that hang on what a call asks for, not on its operation alone; as data.

Answers for: which feed and report types have a limit of their own, whom it counts, how sure it is.
It counts nothing.

Amazon words these as "n in a time". They are counted here as buckets of n that refill evenly over
that time, as Amazon counts everything else; whether Amazon does so here is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from amazon_emulator.limits.plans import Operation, Plan

__all__ = [
    "ALL_CALLS",
    "OPERATIONS",
    "SANDBOX",
    "Kind",
    "Special",
    "SpecialScope",
    "of_feed",
    "of_report",
]

Kind = Literal["feed", "report"]
# feed_type: application, partner and region; account: partner and region, over all applications.
SpecialScope = Literal["feed_type", "account"]

OPERATIONS: dict[Kind, Operation] = {
    "feed": ("POST", "/feeds/2021-06-30/feeds"),
    "report": ("POST", "/reports/2021-06-30/reports"),
}

ALL_CALLS: Operation = ("*", "*")

# Amazon's page 'the-selling-partner-api-sandbox': 5 per second and 15 at once for all calls of the
# sandbox together; its header says 5.0 for each of them.
SANDBOX = Plan(Fraction(5), 15, "5.0", None, "page")


@dataclass(frozen=True)
class Special:
    """One more bucket that a type spends from. ``confirmed`` is False for what only users report;
    such a limit holds when it is switched on."""

    scope: SpecialScope
    plan: Plan
    confirmed: bool = True


def _in(seconds: int, calls: int) -> Plan:
    return Plan(Fraction(calls, seconds), calls, "", None, "page")


_FEEDS: dict[str, tuple[Special, ...]] = {
    # Amazon's changelog of May 2025, 'update-feed-size-and-rate-limit-changes-for-the-
    # json_listings_feed': five submissions per five minutes and region.
    "JSON_LISTINGS_FEED": (Special("feed_type", _in(5 * 60, 5)),),
    # Users speak of one upload per three seconds; Amazon's pages at hand do not.
    "UPLOAD_VAT_INVOICE": (Special("feed_type", _in(3, 1), confirmed=False),),
}

_REPORTS: dict[str, tuple[Special, ...]] = {
    # Amazon's support, quoted by a user in the issues of selling-partner-api-models, April 2026:
    # 4 an hour and 96 a day for a seller's account, all applications together.
    "GET_SALES_AND_TRAFFIC_REPORT": (
        Special("account", _in(60 * 60, 4)),
        Special("account", _in(24 * 60 * 60, 96)),
    ),
}


def of_feed(feed_type: str) -> tuple[Special, ...]:
    """What a feed of this type spends besides the plan of createFeed."""
    return _FEEDS.get(feed_type, ())


def of_report(report_type: str) -> tuple[Special, ...]:
    """What a report of this type spends besides the plan of createReport."""
    return _REPORTS.get(report_type, ())
