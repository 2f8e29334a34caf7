"""Amazon's usage plans: how often an operation may be called, and where that figure is from.

Answers for: the packaged table of all operations of Amazon's models, figures that a models folder
brings, and plans that a lever sets in their place, for everybody, one application, one partner or
one pair. It counts nothing: that is `buckets`.

The table comes from Amazon's selling-partner-api-models (the tables "Usage Plan" in the
descriptions), from rate-limits.yml of the selling-partner-api-sdk where a model is silent, and
from Amazon's rate-limit pages for rates per application.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property
from importlib.resources import files
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, cast

from amazon_emulator.limits.measures import Measure, exact

if TYPE_CHECKING:
    from amazon_emulator.stage import Stage

__all__ = [
    "Figures",
    "Known",
    "Operation",
    "Override",
    "Plan",
    "Plans",
    "Source",
    "header_text",
    "packaged",
]

Operation = tuple[str, str]  # method, path template
Figures = tuple[object, object]  # rate per second, burst: numbers or their texts
Source = Literal["model", "sdk", "page", "lever"]

LEAST_RATE, GREATEST_RATE = Fraction(1, 1_000_000), Fraction(1_000_000)
GREATEST_BURST = 100_000


@dataclass(frozen=True)
class Plan:
    """``rate`` calls per second and ``burst`` calls at once for a pair of application and partner;
    ``header``: the rate as Amazon writes it in `x-amzn-RateLimit-Limit`; ``per_application``: calls
    per second over all partners, where Amazon's page gives such a figure.

    How many calls at once an application may make over all partners is not published: one
    second's worth is assumed."""

    rate: Fraction
    burst: int
    header: str
    per_application: Fraction | None = None
    source: Source = "model"

    @classmethod
    def of(
        cls,
        rate: object,
        burst: object,
        *,
        per_application: Fraction | None = None,
        source: Source = "model",
    ) -> Plan:
        """From numbers or their texts. Raises ValueError when they make no plan."""
        per_second, at_once = exact(rate), exact(burst)
        if not LEAST_RATE <= per_second <= GREATEST_RATE:
            raise ValueError(f"a rate is a number from 0.000001 to 1000000 per second, not {rate}")
        if at_once.denominator != 1 or not 1 <= at_once <= GREATEST_BURST:
            raise ValueError(f"a burst is a whole number from 1 to {GREATEST_BURST}, not {burst}")
        return cls(per_second, int(at_once), header_text(per_second), per_application, source)

    @cached_property
    def measure(self) -> Measure:
        return Measure.of(self.rate, self.burst)

    @cached_property
    def application_measure(self) -> Measure | None:
        if self.per_application is None:
            return None
        return Measure.of(self.per_application, max(1, ceil(self.per_application)))


@dataclass(frozen=True)
class Known:
    """An operation of Amazon's models: its operationId, and its plan where one is known."""

    name: str
    plan: Plan | None


@dataclass(frozen=True)
class Override:
    """A plan set by a lever; None as application or partner: for all of them."""

    method: str
    template: str
    application_id: str | None
    partner_id: str | None
    plan: Plan


@cache
def packaged() -> dict[Operation, Known]:
    """The table in the package. Nobody changes what this gives: an overlay makes its own."""
    text = (files("amazon_emulator.limits") / "plans.csv").read_text(encoding="utf-8")
    return {
        (row["method"], row["path"]): Known(row["name"], _plan_in(row))
        for row in csv.DictReader(io.StringIO(text))
    }


def _plan_in(row: dict[str, str]) -> Plan | None:
    if not row["rate"]:
        return None
    whole = row["per_application"]
    return Plan(
        Fraction(row["rate"]),
        int(row["burst"]),
        row["header"],
        Fraction(whole) if whole else None,
        cast("Source", row["source"]),
    )


_Place = tuple[str, str, str | None, str | None]


@dataclass
class Plans:
    """All plans, the narrowest first: those of levers, of the models folder, of the table."""

    _known: dict[Operation, Known] = field(default_factory=packaged)
    _overrides: dict[_Place, Plan] = field(default_factory=dict)

    def of(
        self,
        method: str,
        template: str,
        *,
        application_id: str | None = None,
        partner_id: str | None = None,
    ) -> Plan | None:
        """The plan of an operation for this pair; None when none is known.

        A lever's plan for the pair goes before one for the partner, that before one for the
        application, that before one for everybody, and that before Amazon's."""
        if self._overrides:
            for place in (
                (method, template, application_id, partner_id),
                (method, template, None, partner_id),
                (method, template, application_id, None),
                (method, template, None, None),
            ):
                plan = self._overrides.get(place)
                if plan is not None:
                    return plan
        known = self._known.get((method, template))
        return known.plan if known else None

    def known(self) -> Iterator[tuple[str, str, str]]:
        """Method, path template and name of every operation, with or without a plan."""
        for (method, template), known in self._known.items():
            yield method, template, known.name

    def named(self, name: str) -> list[Operation]:
        """The operations of this operationId; APIs and versions share some."""
        return [operation for operation, known in self._known.items() if known.name == name]

    def name_of(self, method: str, template: str) -> str:
        """The operationId; method and path of an operation that nobody listed."""
        known = self._known.get((method, template))
        return known.name if known else f"{method} {template}"

    def overlay(self, operations: Iterable[tuple[str, str, str, Figures | None]]) -> None:
        """Takes method, path template, operationId and figures of a models folder: its figures go
        before those of the table, which fills where the models are silent (None).

        Raises ValueError, and changes nothing, when figures make no plan."""
        known = dict(self._known)
        for method, template, name, figures in operations:
            before = known.get((method, template), Known(name, None)).plan
            plan = before
            if figures is not None:
                try:
                    plan = Plan.of(
                        *figures, per_application=before.per_application if before else None
                    )
                except ValueError as error:
                    raise ValueError(f"{name} ({method} {template}): {error}") from None
            known[method, template] = Known(name, plan)
        self._known = known

    def fresh(self) -> Plans:
        """The same figures of Amazon's, without what levers set."""
        return Plans(self._known)

    def override(
        self,
        method: str,
        template: str,
        rate: object,
        burst: object,
        *,
        application_id: str | None = None,
        partner_id: str | None = None,
    ) -> Plan:
        """Sets a plan in place of Amazon's; a rate per application stays.

        Raises ValueError when the figures make no plan or nobody knows the operation."""
        known = self._known.get((method, template))
        if known is None:
            raise ValueError(f"no operation of Amazon's is known as {method} {template}")
        whole = known.plan.per_application if known.plan else None
        plan = Plan.of(rate, burst, per_application=whole, source="lever")
        self._overrides[method, template, application_id, partner_id] = plan
        return plan

    def restore(
        self,
        method: str,
        template: str,
        *,
        application_id: str | None = None,
        partner_id: str | None = None,
    ) -> int:
        """Takes back what levers set for this operation; narrowed where an application or a partner
        is given. Gives how many plans that were."""
        gone = [
            place
            for place in self._overrides
            if place[:2] == (method, template)
            and application_id in (None, place[2])
            and partner_id in (None, place[3])
        ]
        for place in gone:
            del self._overrides[place]
        return len(gone)

    @property
    def overrides(self) -> list[Override]:
        """What levers set, in a stable order."""
        ordered = sorted(self._overrides.items(), key=lambda item: [text or "" for text in item[0]])
        return [Override(*place, plan) for place, plan in ordered]

    def as_json(self) -> Any:
        """What levers set; Amazon's figures are in no world file."""
        return [
            {
                "method": row.method,
                "path": row.template,
                "application_id": row.application_id,
                "partner": row.partner_id,
                "rate": float(row.plan.rate),
                "burst": row.plan.burst,
            }
            for row in self.overrides
        ]

    def load(self, stage: Stage, given: Any) -> None:
        """Takes what `as_json` gave. Raises ValueError with words that name the place."""
        match given:
            case list():
                for number, row in enumerate(given):
                    self._load_row(f"plans[{number}]", row)
            case _:
                raise ValueError("plans: must be a list")

    def _load_row(self, place: str, row: Any) -> None:
        match row:
            case {
                "method": str(method),
                "path": str(path),
                "application_id": str() | None as application_id,
                "partner": str() | None as partner_id,
                "rate": int() | float() as rate,
                "burst": int(burst),
            } if len(row) == 6:
                try:
                    self.override(
                        method,
                        path,
                        rate,
                        burst,
                        application_id=application_id,
                        partner_id=partner_id,
                    )
                except ValueError as error:
                    raise ValueError(f"{place}: {error}") from None
            case _:
                raise ValueError(
                    f"{place}: must be an object of method and path (texts), application_id and "
                    "partner (texts or null), rate (a number) and burst (a whole number)"
                )


def header_text(rate: Fraction) -> str:
    """A rate as Amazon writes it in its header: 0.0083, 5.0."""
    text = format(Decimal(str(float(rate))), "f")
    return text if "." in text else f"{text}.0"
