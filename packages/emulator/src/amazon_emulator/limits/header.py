"""The header `x-amzn-RateLimit-Limit`: when Amazon sends it, and what it says.

Answers for: its text for one answer. Amazon's guide of 2022 ('usage-plans-and-rate-limits'): it
holds the rate of the pair, never the burst nor the application's rate; it is best effort; it comes
with 20x, 400 and 404 and never with 401, 403 and 429.
"""

from __future__ import annotations

import random

from amazon_emulator.limits.plans import Plan

__all__ = ["header_for", "sometimes"]

SHARE_LEFT_OUT = 0.05


def header_for(
    status: int,
    plan: Plan | None,
    declared: frozenset[int] | None,
    *,
    dice: random.Random | None = None,
) -> str | None:
    """The text of the header, None when it is not sent. ``declared``: the statuses for which the
    model lists the header; None when no model is known. With ``dice`` it is left out now and then,
    as it is best effort at Amazon."""
    if plan is None or not plan.header:
        return None
    if not (200 <= status < 210 or status in (400, 404)):
        return None
    if declared is not None and status not in declared:
        return None
    if dice is not None and sometimes(dice):
        return None
    return plan.header


def sometimes(dice: random.Random) -> bool:
    """True in one case of twenty."""
    return dice.random() < SHARE_LEFT_OUT
