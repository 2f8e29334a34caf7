"""Direct Fulfillment Transactions 2021-12-28 and v1: getTransactionStatus (Amazon's two models).

The versions differ in their shape alone: v1 has a payload and a plain list of errors.
"""

from __future__ import annotations

from typing import Any

from amazon_emulator.apis.operations import Call, Operation
from amazon_emulator.apis.vendor_submissions import DIRECT_ROLES, only_direct
from amazon_emulator.apis.vendor_transactions import (
    fault_view,
    known_transaction,
)

__all__ = ["OPERATIONS", "transaction_status", "transaction_status_v1"]

BASE = "/vendor/directFulfillment/transactions"


def transaction_status(call: Call) -> dict[str, Any]:
    shown, errors = _shown(call)
    if errors:
        shown["errors"] = {"errors": errors}
    return {"transactionStatus": shown}


def transaction_status_v1(call: Call) -> dict[str, Any]:
    shown, errors = _shown(call)
    if errors:
        shown["errors"] = errors
    return {"payload": {"transactionStatus": shown}}


def _shown(call: Call) -> tuple[dict[str, Any], list[dict[str, str]]]:
    only_direct(call)
    found = known_transaction(call, "direct_fulfillment")
    shown = {"transactionId": found.transaction_id, "status": found.status}
    failed = found.status == "Failure"
    return shown, [fault_view(fault) for fault in found.faults] if failed else []


OPERATIONS = (
    Operation(
        "getTransactionStatus",
        "GET",
        f"{BASE}/2021-12-28/transactions/{{transactionId}}",
        DIRECT_ROLES,
        ("vendor",),
        transaction_status,
    ),
    Operation(
        "getTransactionStatus",
        "GET",
        f"{BASE}/v1/transactions/{{transactionId}}",
        DIRECT_ROLES,
        ("vendor",),
        transaction_status_v1,
    ),
)
