"""What a call spends because of the type that it asks for.

Answers for: the one verb that API modules call once they have read a feed's or a report's type. The
plan of the operation itself was spent before they were asked; a refusal here gives that back.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from amazon_emulator.limits import special
from amazon_emulator.limits.buckets import Key, Limits, Scope
from amazon_emulator.limits.measures import Measure

if TYPE_CHECKING:
    from amazon_emulator.stage import Stage

__all__ = ["Exhausted", "buckets_of", "spend_for"]


class Exhausted(Exception):
    """No call is left. ``wait_s``: seconds until the next is; ``scope``: whose bucket is empty."""

    def __init__(self, wait_s: float, scope: Scope) -> None:
        super().__init__(f"no call is left ({scope}); the next in {wait_s:.6f} s")
        self.wait_s = wait_s
        self.scope = scope


def buckets_of(
    limits: Limits,
    kind: special.Kind,
    type: str,
    *,
    application_id: str,
    partner_id: str,
    region: str,
) -> list[tuple[Key, Measure]]:
    """The buckets of a feed's or report's type that count now, besides those of its operation."""
    found = special.of_feed(type) if kind == "feed" else special.of_report(type)
    wanted: list[tuple[Key, Measure]] = []
    for number, one in enumerate(found):
        if not one.confirmed and not limits.vat_invoices_limited:
            continue
        spender = None if one.scope == "account" else application_id
        # Two limits of one scope count in two buckets.
        extra = type if number == 0 else f"{type}#{number + 1}"
        key: Key = (one.scope, spender, partner_id, region, special.OPERATIONS[kind], extra)
        wanted.append((key, one.plan.measure))
    return wanted


def spend_for(
    stage: Stage,
    now: datetime,
    *,
    kind: special.Kind,
    type: str,
    application_id: str,
    partner_id: str,
    region: str,
) -> None:
    """Spends what a createFeed or createReport of this type costs besides the operation's plan.

    To be called once, before anything is done, within a call whose operation's own plan `Limits`
    has let through. Raises Exhausted, and then the call has spent nothing at all."""
    limits = stage.of(Limits)
    if not limits.are_enforced(stage):
        return
    operation = special.OPERATIONS[kind]
    wanted = buckets_of(
        limits, kind, type, application_id=application_id, partner_id=partner_id, region=region
    )
    own: Key = ("pair", application_id, partner_id, region, operation, "")
    both = limits.json_feeds_spend_both or kind != "feed"
    if not both and type != "JSON_LISTINGS_FEED":
        plan = stage.plans.of(*operation, application_id=application_id, partner_id=partner_id)
        if plan is not None:
            wanted.append((own, plan.measure))
    if not wanted:
        return
    verdict = limits.spend_all(now, wanted)
    if not verdict.allowed:
        if both:
            limits.give_back(now, own)
        raise Exhausted(verdict.wait_s, verdict.scope)
