"""Levers of the usage plans: what is left in the buckets, other plans, fill and drain.

Answers for: reading the wish and choosing operations and pairs. The arithmetic is in
`amazon_emulator.limits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.faces.levers.making import application_of, partner_of
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.limits import Level, Limits, Plan, buckets_of
from amazon_emulator.limits.buckets import Key
from amazon_emulator.limits.measures import Measure
from amazon_emulator.limits.plans import Operation
from amazon_emulator.limits.special import ALL_CALLS
from amazon_emulator.limits.special import OPERATIONS as SPECIAL
from amazon_emulator.marketplaces import REGIONS
from amazon_emulator.stage import Stage

__all__ = [
    "LEVERS",
    "change_limits",
    "drain_limits",
    "fill_limits",
    "limits",
    "limits_plan",
    "restore_limits_plan",
    "set_limits_plan",
]

SHOWN_AT_MOST = 1000

_Pair = tuple[str, str | None, str]  # application, partner (None: grantless), region
FILTERS = ("operation", "method", "path", "partner", "application_id", "region")


@dataclass(frozen=True)
class _Chosen:
    """Which operations, and whose buckets. None: any. ``grantless``: those of no partner."""

    operations: tuple[Operation, ...] | None
    application_id: str | None
    partner_id: str | None
    region: str | None
    grantless: bool

    @classmethod
    def by(cls, stage: Stage, wish: Wish) -> _Chosen:
        """Raises WrongWish for an operation, a partner or an application that nobody knows."""
        application_id = wish.maybe("application_id")
        grantless = wish.has("partner") and wish.body["partner"] is None
        partner_id = wish.maybe("partner")
        return cls(
            _operations_by(stage, wish),
            application_of(stage, application_id).application_id if application_id else None,
            partner_of(stage, partner_id).selling_partner_id if partner_id else None,
            wish.choice("region", (*REGIONS, None), None),
            grantless,
        )

    def has(self, key: Key) -> bool:
        _, application_id, partner_id, region, operation, _ = key
        wanted = self.operations is None or operation in self.operations
        return wanted and self.counts(application_id, partner_id, region)

    def counts(self, application_id: str | None, partner_id: str | None, region: str) -> bool:
        return (
            self.application_id in (None, application_id)
            and self.partner_id in (None, partner_id)
            and self.region in (None, region)
            and (not self.grantless or partner_id is None)
        )


def _operations_by(stage: Stage, wish: Wish) -> tuple[Operation, ...] | None:
    name, method, path = wish.maybe("operation"), wish.maybe("method"), wish.maybe("path")
    if name is None and method is None and path is None:
        return None
    found = tuple(
        (known_method, known_path)
        for known_method, known_path, known_name in stage.plans.known()
        if name in (None, known_name) and path in (None, known_path)
        if method is None or method.upper() == known_method
    )
    if not found:
        asked = " ".join(text for text in (name, method, path) if text)
        raise WrongWish(
            f"no operation of Amazon's is known as {asked!r}; an operation is an operationId, a "
            "path is a template as in Amazon's models",
            404,
        )
    return found


def _needed(operations: tuple[Operation, ...] | None) -> tuple[Operation, ...]:
    if operations is None:
        raise WrongWish("'operation' is missing (or 'method' and 'path')")
    return operations


def _asked_by_query(wish: Wish) -> Wish:
    unknown = sorted(set(wish.query) - set(FILTERS))
    if unknown:
        raise WrongWish(f"unknown: {', '.join(unknown)}; this lever knows {', '.join(FILTERS)}")
    wish.done()
    return Wish(dict(wish.query))


def limits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Whether usage plans are enforced, and every bucket that is not full; ?partner=, operation=,
    method=, path=, application_id=, region=."""
    chosen = _Chosen.by(stage, _asked_by_query(wish))
    return {**_habits(stage), **_levels(stage, chosen)}


def change_limits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes {enforced?, json_feeds_spend_both?: whether a JSON_LISTINGS_FEED spends createFeed's
    plan besides its own, vat_invoices_limited?: one UPLOAD_VAT_INVOICE in 3 s}."""
    kept = stage.of(Limits)
    enforced = wish.truth("enforced", kept.are_enforced(stage))
    both = wish.truth("json_feeds_spend_both", kept.json_feeds_spend_both)
    vat = wish.truth("vat_invoices_limited", kept.vat_invoices_limited)
    wish.done()
    kept.enforced, kept.json_feeds_spend_both, kept.vat_invoices_limited = enforced, both, vat
    return _habits(stage)


def limits_plan(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The plan of an operation, ?operation= or method= and path=; for partner= and application_id=
    where levers set one of their own."""
    chosen = _Chosen.by(stage, _asked_by_query(wish))
    return _plans(stage, chosen, _needed(chosen.operations))


def set_limits_plan(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Another plan {operation (or method, path), rate: calls per second, burst, application_id?,
    partner?}: for all, or for these alone. What is left in a bucket stays, up to the new burst."""
    chosen = _Chosen.by(stage, wish)
    operations = _needed(chosen.operations)
    rate, burst = wish.number("rate"), wish.number("burst")
    _no_region(chosen)
    wish.done()
    try:
        Plan.of(rate, burst)
    except ValueError as error:
        raise WrongWish(str(error)) from None
    plans = stage.plans
    for operation in operations:
        plans.override(
            *operation,
            rate,
            burst,
            application_id=chosen.application_id,
            partner_id=chosen.partner_id,
        )
    stage.of(Limits).replan(stage.clock.now(), operations, plans)
    return _plans(stage, chosen, operations)


def restore_limits_plan(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Amazon's plans again {operation? (or method, path), application_id?, partner?}: all, or what
    was set for these."""
    chosen = _Chosen.by(stage, wish)
    _no_region(chosen)
    wish.done()
    plans = stage.plans
    operations = chosen.operations
    if operations is None:
        operations = tuple({(row.method, row.template) for row in plans.overrides})
    count = sum(
        plans.restore(
            *operation, application_id=chosen.application_id, partner_id=chosen.partner_id
        )
        for operation in operations
    )
    stage.of(Limits).replan(stage.clock.now(), operations, plans)
    return {"count": count}


def fill_limits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Full buckets {operation? (or method, path), partner? (null: grantless), application_id?,
    region?}: all, or these."""
    chosen = _Chosen.by(stage, wish)
    wish.done()
    return {"count": stage.of(Limits).fill(chosen.has)}


def drain_limits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Empty buckets {operation (or method, path), partner? (null: grantless), application_id?,
    region?, scope?: pair or application (the limit over all accounts), type?: a feed or report type
    with a limit of its own}: of every grant, or of these; the next call gets 429."""
    chosen = _Chosen.by(stage, wish)
    operations = _needed(chosen.operations)
    scope: str = wish.choice("scope", ("pair", "application"), "pair")
    its_type = wish.maybe("type")
    wish.done()
    if scope == "application" and (chosen.partner_id or chosen.grantless or its_type):
        raise WrongWish("a limit over all accounts has neither 'partner' nor 'type'")
    pairs = list(_pairs(stage, chosen))
    if not pairs:
        raise WrongWish("there is no grant of this partner, application and region", 404)
    if its_type is not None:
        found = _buckets_of_type(stage, operations, its_type, pairs)
        missing = f"{its_type} has no limit of its own at this operation"
    elif scope == "application":
        found = _buckets_of_applications(stage, operations, pairs)
        missing = "Amazon states no limit over all accounts for this operation"
    else:
        found = _buckets_of_pairs(stage, operations, pairs)
        missing = "no plan is known for this operation; PUT /limits/plan sets one"
    if not found:
        raise WrongWish(missing)
    kept, now = stage.of(Limits), stage.clock.now()
    for key, measure in found.items():
        kept.drain(now, key, measure)
    return {"count": len(found)}


def _buckets_of_pairs(
    stage: Stage, operations: Iterable[Operation], pairs: list[_Pair]
) -> dict[Key, Measure]:
    found: dict[Key, Measure] = {}
    for operation in operations:
        for application_id, partner_id, region in pairs:
            plan = stage.plans.of(*operation, application_id=application_id, partner_id=partner_id)
            if plan is not None:
                found["pair", application_id, partner_id, region, operation, ""] = plan.measure
    return found


def _buckets_of_applications(
    stage: Stage, operations: Iterable[Operation], pairs: list[_Pair]
) -> dict[Key, Measure]:
    found: dict[Key, Measure] = {}
    for operation in operations:
        plan = stage.plans.of(*operation)
        measure = None if plan is None else plan.application_measure
        if measure is not None:
            for application_id, _, region in pairs:
                found["application", application_id, None, region, operation, ""] = measure
    return found


def _buckets_of_type(
    stage: Stage, operations: Iterable[Operation], type: str, pairs: list[_Pair]
) -> dict[Key, Measure]:
    kept = stage.of(Limits)
    return {
        key: measure
        for kind, operation in SPECIAL.items()
        if operation in operations
        for application_id, partner_id, region in pairs
        if partner_id is not None
        for key, measure in buckets_of(
            kept, kind, type, application_id=application_id, partner_id=partner_id, region=region
        )
    }


def _no_region(chosen: _Chosen) -> None:
    if chosen.region is not None:
        raise WrongWish("a plan holds in all regions; leave 'region' out")
    if chosen.grantless:
        raise WrongWish("'partner' must be the id of a partner, or left out")


def _pairs(stage: Stage, chosen: _Chosen) -> Iterator[_Pair]:
    """Everybody who may have a bucket."""
    found: Iterable[_Pair]
    if chosen.grantless:
        found = product(stage.world.applications, (None,), REGIONS)
    else:
        found = dict.fromkeys(
            (grant.application.application_id, grant.partner.selling_partner_id, grant.region)
            for grant in stage.world.grants.values()
        )
    return (pair for pair in found if chosen.counts(*pair))


def _habits(stage: Stage) -> dict[str, Any]:
    kept = stage.of(Limits)
    return {"enforced": kept.are_enforced(stage), **kept.as_json()}


def _levels(stage: Stage, chosen: _Chosen) -> dict[str, Any]:
    now = stage.clock.now()
    found = [level for level in stage.of(Limits).levels(now) if chosen.has(level.key)]
    items = [_level_view(stage, level) for level in islice(found, SHOWN_AT_MOST)]
    return {"count": len(found), "items": items}


def _level_view(stage: Stage, level: Level) -> dict[str, Any]:
    scope, application_id, partner_id, region, operation, extra = level.key
    method, path = operation
    return {
        "scope": scope,
        "application_id": application_id,
        "partner": partner_id,
        "region": region,
        "operation": "*" if operation == ALL_CALLS else stage.plans.name_of(method, path),
        "method": method,
        "path": path,
        "type": extra.partition("#")[0] or None,
        "left": level.left,
        "burst": level.burst,
        "rate": float(level.rate),
        "next_at": stamp(level.next_at),
        "full_at": stamp(level.full_at),
    }


def _plans(stage: Stage, chosen: _Chosen, operations: tuple[Operation, ...]) -> dict[str, Any]:
    plans = stage.plans
    items = []
    for method, path in operations:
        plan = plans.of(
            method, path, application_id=chosen.application_id, partner_id=chosen.partner_id
        )
        whole = plan.per_application if plan else None
        items.append(
            {
                "operation": plans.name_of(method, path),
                "method": method,
                "path": path,
                "application_id": chosen.application_id,
                "partner": chosen.partner_id,
                "rate": float(plan.rate) if plan else None,
                "burst": plan.burst if plan else None,
                "per_application": float(whole) if whole else None,
                "source": plan.source if plan else None,
            }
        )
    return {"count": len(items), "items": items}


LEVERS = (
    ("GET", "/limits", limits),
    ("PUT", "/limits", change_limits),
    ("GET", "/limits/plan", limits_plan),
    ("PUT", "/limits/plan", set_limits_plan),
    ("DELETE", "/limits/plan", restore_limits_plan),
    ("POST", "/limits/fill", fill_limits),
    ("POST", "/limits/drain", drain_limits),
)
