"""Levers over vendors' transactions: pace, holds, outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.faces.levers.making import partner_of
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors.errand import Fault
from amazon_emulator.trade.vendors.transactions import (
    ERRANDS,
    OUTCOMES,
    STATUSES,
    Pace,
    Transaction,
    VendorTransactions,
    Wished,
)

__all__ = [
    "LEVERS",
    "change_pace",
    "decide",
    "finish",
    "forget_decisions",
    "hold",
    "pace",
    "release",
    "release_all",
    "transaction",
    "transactions",
]

LONGEST = 30 * 86400
OPERATIONS = tuple(ERRANDS)


def transactions(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All transactions of vendors, oldest first: ?selling_partner_id=, status=, operation=."""
    known = {
        "selling_partner_id": None,
        "status": STATUSES,
        "operation": OPERATIONS,
    }
    unknown = sorted(set(wish.query) - set(known))
    if unknown:
        raise WrongWish(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    for name, choices in known.items():
        if choices is not None and wish.query.get(name, choices[0]) not in choices:
            raise WrongWish(f"{name!r} must be one of {', '.join(choices)}")
    views = [_view(each) for each in stage.of(VendorTransactions).transactions.values()]
    wanted = wish.query.items()
    return {"items": [view for view in views if all(view[name] == value for name, value in wanted)]}


def transaction(stage: Stage, wish: Wish) -> dict[str, Any]:
    """One transaction, with what was submitted and what was found wrong with it."""
    found = _transaction(stage, wish)
    return {**_view(found), "content": found.content}


def pace(stage: Stage, wish: Wish) -> dict[str, Any]:
    """How new transactions go, and the outcomes that are decided."""
    return _pace_view(stage.of(VendorTransactions))


def change_pace(stage: Stage, wish: Wish) -> dict[str, Any]:
    """How new transactions go {processing_s?, stuck_share? (0 to 1: done, and Processing for good),
    hold? (true: none is done until it is released)}."""
    state = stage.of(VendorTransactions)
    before = state.pace
    wished = Pace(
        wish.number("processing_s", before.seconds),
        wish.number("stuck_share", before.stuck_share),
        wish.truth("hold", before.hold),
    )
    wish.done()
    if not 0 <= wished.seconds <= LONGEST:
        raise WrongWish(f"'processing_s' must be from 0 to {LONGEST}")
    if not 0 <= wished.stuck_share <= 1:
        raise WrongWish("'stuck_share' must be from 0 to 1")
    state.pace = wished
    return _pace_view(state)


def decide(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Decides how the next transactions end {status: Success or Failure, errors?: [{code, message,
    details?}], times?, operation?, selling_partner_id?}. One that fails so does nothing."""
    state = stage.of(VendorTransactions)
    decided = _wished(wish)
    decided.left = wish.count("times", 1) or 1
    decided.errand = wish.choice("operation", (*OPERATIONS, None), None)
    partner_id = wish.maybe("selling_partner_id")
    decided.partner_id = (
        None if partner_id is None else partner_of(stage, partner_id).selling_partner_id
    )
    wish.done()
    state.wishes.append(decided)
    return _pace_view(state)


def forget_decisions(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Transactions that come end as they would."""
    wish.done()
    state = stage.of(VendorTransactions)
    state.wishes.clear()
    return _pace_view(state)


def finish(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Ends a transaction now, also one that is held or stuck {status?, errors?}; as it would end,
    when nothing is said."""
    found = _transaction(stage, wish)
    wished = _wished(wish) if wish.body else None
    wish.done()
    if found.status != "Processing":
        raise WrongWish(f"the transaction ended before, with {found.status}", 409)
    stage.of(VendorTransactions).settle_as(stage, found, wished, stage.clock.now())
    return _view(found)


def hold(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Keeps a transaction Processing, and undone, until it is released or finished."""
    found = _transaction(stage, wish)
    wish.done()
    if found.done:
        raise WrongWish("the transaction is done already", 409)
    stage.of(VendorTransactions).hold(found)
    return _view(found)


def release(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Lets a held transaction go on."""
    found = _transaction(stage, wish)
    wish.done()
    stage.of(VendorTransactions).let_go(stage, found)
    return _view(found)


def release_all(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Lets all held transactions go on, and holds no new ones {selling_partner_id?: those of one
    vendor alone, new ones as before}."""
    state = stage.of(VendorTransactions)
    wished = wish.maybe("selling_partner_id")
    only = None if wished is None else partner_of(stage, wished).selling_partner_id
    wish.done()
    if only is None:
        state.pace.hold = False
    held = [
        known
        for known in state.transactions.values()
        if known.held and only in (None, known.partner_id)
    ]
    for known in held:
        state.let_go(stage, known)
    return {"released": [known.transaction_id for known in held]}


def _transaction(stage: Stage, wish: Wish) -> Transaction:
    wished = wish.path["transaction_id"]
    found = stage.of(VendorTransactions).transactions.get(wished)
    if found is None:
        raise WrongWish(f"there is no transaction {wished!r}", 404)
    return found


def _wished(wish: Wish) -> Wished:
    """Failure without errors gets one that says where it comes from."""
    status = wish.choice("status", OUTCOMES)
    given = wish.raw("errors", [])
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise WrongWish("'errors' must be a list of objects {code, message, details?}")
    faults = []
    for each in given:
        one = Wish(each)
        faults.append(Fault(one.text("code"), one.text("message"), one.maybe("details") or ""))
        one.done()
    if status == "Success" and faults:
        raise WrongWish("a Success has no 'errors'")
    if status == "Failure" and not faults:
        faults = [Fault("INVALID_DATA", "The emulator's levers decided that this fails.")]
    return Wished(status, faults)


def _view(known: Transaction) -> dict[str, Any]:
    return {
        "transaction_id": known.transaction_id,
        "selling_partner_id": known.partner_id,
        "operation": known.errand,
        "status": known.status,
        "submitted_at": stamp(known.submitted_at),
        "due_at": stamp(known.due_at),
        "settled_at": stamp(known.settled_at),
        "held": known.held,
        "stuck": known.stuck,
        "done": known.done,
        "applied": known.applied,
        "errors": [asdict(fault) for fault in known.faults],
        "found": [asdict(fault) for fault in known.found],
    }


def _pace_view(state: VendorTransactions) -> dict[str, Any]:
    return {
        "processing_s": state.pace.seconds,
        "stuck_share": state.pace.stuck_share,
        "hold": state.pace.hold,
        "decided": [
            {
                "status": wish.status,
                "errors": [asdict(fault) for fault in wish.faults],
                "times": wish.left,
                "operation": wish.errand,
                "selling_partner_id": wish.partner_id,
            }
            for wish in state.wishes
        ],
    }


LEVERS: tuple[tuple[str, str, Callable[[Stage, Wish], Any]], ...] = (
    ("GET", "/vendor-transactions", transactions),
    ("GET", "/vendor-transactions/pace", pace),
    ("PUT", "/vendor-transactions/pace", change_pace),
    ("POST", "/vendor-transactions/decide", decide),
    ("DELETE", "/vendor-transactions/decide", forget_decisions),
    ("POST", "/vendor-transactions/release", release_all),
    ("GET", "/vendor-transactions/{transaction_id}", transaction),
    ("POST", "/vendor-transactions/{transaction_id}/finish", finish),
    ("POST", "/vendor-transactions/{transaction_id}/hold", hold),
    ("POST", "/vendor-transactions/{transaction_id}/release", release),
)
