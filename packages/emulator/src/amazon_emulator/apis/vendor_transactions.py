"""Vendor Transaction Status v1: getTransaction (Amazon's vendorTransactionStatus model)."""

from __future__ import annotations

from typing import Any

from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.apis.vendor_submissions import RETAIL_ROLES
from amazon_emulator.trade.vendors.errand import Family, Fault
from amazon_emulator.trade.vendors.transactions import Transaction, VendorTransactions

__all__ = ["OPERATIONS", "fault_view", "known_transaction", "transaction"]


def known_transaction(call: Call, family: Family) -> Transaction:
    """Raises Denied when this account has no such transaction in these APIs."""
    transaction_id = call.path["transactionId"]
    found = call.stage.of(VendorTransactions).find(call.partner, transaction_id, family)
    if found is None:
        raise Denied.missing("The transaction was not found.", transaction_id)
    return found


def fault_view(fault: Fault) -> dict[str, str]:
    """The models' `Error`."""
    shown = {"code": fault.code, "message": fault.message}
    return {**shown, "details": fault.details} if fault.details else shown


def transaction(call: Call) -> dict[str, Any]:
    found = known_transaction(call, "retail")
    shown: dict[str, Any] = {"transactionId": found.transaction_id, "status": found.status}
    if found.status == "Failure":
        shown["errors"] = [fault_view(fault) for fault in found.faults]
    return {"payload": {"transactionStatus": shown}}


OPERATIONS = (
    Operation(
        "getTransaction",
        "GET",
        "/vendor/transactions/v1/transactions/{transactionId}",
        RETAIL_ROLES,
        ("vendor",),
        transaction,
    ),
)
