"""Direct Fulfillment Sandbox Test Data 2021-10-28: orders to practise with (Amazon's model).

At Amazon these operations exist in the sandbox only; here they make orders in the world, which the
stateful endpoints then give.
"""

from __future__ import annotations

from typing import Any

from amazon_emulator.apis.operations import Call, Operation
from amazon_emulator.apis.vendor_submissions import (
    DIRECT_ROLES,
    bare,
    only_direct,
)
from amazon_emulator.apis.vendor_transactions import known_transaction
from amazon_emulator.trade.vendors.scenarios import SCENARIOS, VendorScenarios

__all__ = ["OPERATIONS", "order_scenarios"]

BASE = "/vendor/directFulfillment/sandbox/2021-10-28"


def order_scenarios(call: Call) -> dict[str, Any]:
    only_direct(call)
    found = known_transaction(call, "scenarios")
    shown: dict[str, Any] = {
        "transactionId": found.transaction_id,
        "status": found.status.upper(),
    }
    made = call.stage.of(VendorScenarios).made.get(found.transaction_id)
    if made is not None and found.status == "Success":
        shown["testCaseData"] = {
            "scenarios": [
                {
                    "scenarioId": scenario.scenario_id,
                    "orders": [{"orderId": number} for number in scenario.order_numbers],
                }
                for scenario in made
            ]
        }
    return {"transactionStatus": shown}


OPERATIONS = (
    Operation(
        "generateOrderScenarios",
        "POST",
        f"{BASE}/orders",
        DIRECT_ROLES,
        ("vendor",),
        bare(SCENARIOS),
    ),
    Operation(
        "getOrderScenarios",
        "GET",
        f"{BASE}/transactions/{{transactionId}}",
        DIRECT_ROLES,
        ("vendor",),
        order_scenarios,
    ),
)
