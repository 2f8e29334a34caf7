"""Test orders on demand: direct-fulfillment orders for each scenario that vendors practise.

Answers for: what Amazon's direct fulfillment sandbox test data 2021-10-28 API makes. The orders are
orders like any other afterwards. The names of the scenarios are the emulator's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors import records as vendor_records
from amazon_emulator.trade.vendors.bodies import Body
from amazon_emulator.trade.vendors.direct import DirectLine, VendorDirect
from amazon_emulator.trade.vendors.errand import Case, Errand, Fault, foreign_vendor_code

__all__ = ["SCENARIOS", "Scenario", "VendorScenarios"]

# Name of the scenario, amounts of the lines, priority, gift.
KINDS = (
    ("SINGLE_LINE_SINGLE_PIECE", (1,), False, False),
    ("SINGLE_LINE_MANY_PIECES", (3,), False, False),
    ("MANY_LINES", (1, 2), False, False),
    ("PRIORITY", (1,), True, False),
    ("GIFT", (1,), False, True),
)


@dataclass
class Scenario:
    """Orders that were made for one scenario, by number."""

    scenario_id: str
    order_numbers: list[str]


@dataclass
class VendorScenarios:
    """What was made, by transaction id."""

    made: dict[str, list[Scenario]] = field(default_factory=dict)

    def as_json(self) -> Any:
        return vendor_records.plain(self)

    def load(self, stage: Stage, given: Any) -> None:
        self.made = vendor_records.read(VendorScenarios, given, "vendor_scenarios").made


def _check(content: Body) -> None:
    for wish in content.all("orders"):
        wish.party("sellingParty")
        wish.party("shipFromParty")


def _judge(case: Case) -> list[Fault]:
    parties = [wish.party("sellingParty") for wish in case.content.all("orders")]
    return [
        foreign_vendor_code(party) for party in parties if party not in case.partner.vendor_codes
    ]


def _apply(case: Case) -> None:
    direct = case.stage.of(VendorDirect)
    found = []
    for name, amounts, priority, gift in KINDS:
        numbers = []
        for wish in case.content.all("orders"):
            lines = [
                DirectLine(
                    str(place), f"B0EMUTEST{place}", f"TEST-{place}", f"Test item {place}", n
                )
                for place, n in enumerate(amounts, 1)
            ]
            order = direct.make(
                case.partner,
                wish.party("sellingParty"),
                case.now,
                lines,
                warehouse=wish.party("shipFromParty"),
            )
            order.priority, order.gift = priority, gift
            numbers.append(order.number)
        found.append(Scenario(name, numbers))
    case.stage.of(VendorScenarios).made[case.transaction_id] = found


SCENARIOS = Errand(
    "direct_fulfillment_sandbox.generateOrderScenarios", "scenarios", _check, _judge, _apply
)
