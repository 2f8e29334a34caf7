"""The catalogue: every listing of the world, what fails by a lever's wish, and its habits.

Answers for: the listings of one world, known by region, seller and SKU, and its part of the world
file. What a listing is stands in `listing`, what Amazon would object to in `rules`; `submissions`
applies what is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.listings import records as listing_records
from amazon_emulator.trade.listings.issues import Issue
from amazon_emulator.trade.listings.listing import Listing, Price, seller_ids
from amazon_emulator.trade.records import Record, records
from amazon_emulator.world import Partner

__all__ = ["Catalogue", "Failing", "Habits", "Listing", "Price"]


@dataclass
class Failing:
    """A lever's wish that submissions for a SKU meet an issue: at once, or after they were
    accepted. ``times``: how many submissions; None: all."""

    partner_id: str
    sku: str
    issue: Issue
    later: bool = False
    times: int | None = None


@dataclass
class Habits:
    """How the catalogue behaves where Amazon is known to behave in more than one way. None: as a
    gentle emulator or one that is not would.

    ``delay_s``: from ACCEPTED until it is applied (0; else 5). ``missing_offers_are_lost``: a
    message of a feed of several marketplaces takes away the prices where it names none (no; else
    yes). ``unknown_skus``: whether a patch for an unknown SKU is accepted, as Amazon's support
    calls expected, or refused."""

    delay_s: float | None = None
    missing_offers_are_lost: bool | None = None
    unknown_skus: Literal["accept", "refuse"] = "accept"


@dataclass
class Catalogue:
    """All listings of the world: ``stage.of(Catalogue)``."""

    habits: Habits = field(default_factory=Habits)
    failing: dict[tuple[str, str], Failing] = field(default_factory=dict)
    required: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by product type
    refused_types: set[str] = field(default_factory=set)
    _shelves: dict[tuple[Region, str], dict[str, Listing]] = field(default_factory=dict)

    def get(self, region: Region, seller_id: str, sku: str) -> Listing | None:
        shelf = self._shelves.get((region, seller_id))
        return None if shelf is None else shelf.get(sku)

    def shelf(self, region: Region, seller_id: str) -> Sequence[Listing]:
        """All of one seller id, in the order of making."""
        return list(self._shelves.get((region, seller_id), {}).values())

    def of(self, partner: Partner, region: Region | None = None) -> Iterator[Listing]:
        """All of a partner, of every vendor code and region, in the order of making."""
        own = seller_ids(partner)
        for (where, seller_id), shelf in list(self._shelves.items()):
            if seller_id in own and region in (None, where):
                yield from list(shelf.values())

    def everything(self) -> Iterator[Listing]:
        for shelf in list(self._shelves.values()):
            yield from list(shelf.values())

    def keep(self, listing: Listing) -> None:
        """Puts a listing in its place; one of the same SKU is gone."""
        self._shelves.setdefault((listing.region, listing.seller_id), {})[listing.sku] = listing

    def drop(self, listing: Listing) -> None:
        self._shelves.get((listing.region, listing.seller_id), {}).pop(listing.sku, None)

    def failure(self, partner_id: str, sku: str, *, later: bool) -> Issue | None:
        """What a submission meets now; counted."""
        known = self.failing.get((partner_id, sku)) if self.failing else None
        if known is None or known.later != later:
            return None
        if known.times is not None:
            known.times -= 1
            if known.times < 1:
                del self.failing[partner_id, sku]
        return known.issue

    def delay_s(self, stage: Stage) -> float:
        told = self.habits.delay_s
        return told if told is not None else (0.0 if stage.habits.gentle else 5.0)

    def loses_offers(self, stage: Stage) -> bool:
        told = self.habits.missing_offers_are_lost
        return told if told is not None else not stage.habits.gentle

    def as_json(self) -> dict[str, Any]:
        habits = self.habits
        return {
            "habits": {
                "delay_s": habits.delay_s,
                "missing_offers_are_lost": habits.missing_offers_are_lost,
                "unknown_skus": habits.unknown_skus,
            },
            "required": {name: list(told) for name, told in sorted(self.required.items())},
            "refused_types": sorted(self.refused_types),
            "failing": [
                {
                    "selling_partner_id": known.partner_id,
                    "sku": known.sku,
                    "issue": listing_records.written_issue(known.issue),
                    "later": known.later,
                    "times": known.times,
                }
                for known in self.failing.values()
            ],
            "listings": [listing_records.written(listing) for listing in self.everything()],
        }

    def load(self, stage: Stage, given: Any) -> None:
        """Adds what was exported; listings of the same SKU are replaced. Raises ValueError that
        names the place, and has changed nothing then."""
        record = Record.of(given, "catalogue")
        told = Record.of(record.raw("habits", {}), "catalogue.habits")
        delay = None if told.raw("delay_s", None) is None else told.seconds("delay_s")
        habits = Habits(
            delay,
            told.maybe_truth("missing_offers_are_lost"),
            told.choice("unknown_skus", ("accept", "refuse"), "accept"),
        )
        told.done()
        table = Record.of(record.raw("required", {}), "catalogue.required")
        required = {name: table.texts(name) for name in table.fields}
        refused_types = record.texts("refused_types", [])
        failing = []
        for row in records(record.raw("failing", []), "catalogue.failing"):
            known = Failing(
                listing_records.partner(stage, row).selling_partner_id,
                row.text("sku"),
                listing_records.read_issue(Record.of(row.raw("issue"), f"{row.place}.issue")),
                row.truth("later", False),
                row.maybe_count("times"),
            )
            row.done()
            if known.times != 0:
                failing.append(known)
        listings = [
            listing_records.read(stage, row)
            for row in records(record.raw("listings", []), "catalogue.listings")
        ]
        record.done()
        self.habits = habits
        self.required |= required
        self.refused_types.update(refused_types)
        self.failing |= {(known.partner_id, known.sku): known for known in failing}
        for listing in listings:
            self.keep(listing)
