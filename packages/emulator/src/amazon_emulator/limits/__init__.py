"""Amazon's usage plans, enforced: the table of plans, the buckets, and the header.

Answers for: how often who may call what, exactly and by the emulator's clock. It speaks no HTTP: a
refusal is a `Verdict` or `Exhausted`, which the faces turn into Amazon's 429.
"""

from __future__ import annotations

from amazon_emulator.limits.buckets import ALLOWED, Level, Limits, Verdict
from amazon_emulator.limits.header import header_for, sometimes
from amazon_emulator.limits.plans import Plan, Plans
from amazon_emulator.limits.spending import Exhausted, buckets_of, spend_for

__all__ = [
    "ALLOWED",
    "Exhausted",
    "Level",
    "Limits",
    "Plan",
    "Plans",
    "Verdict",
    "buckets_of",
    "header_for",
    "sometimes",
    "spend_for",
]
