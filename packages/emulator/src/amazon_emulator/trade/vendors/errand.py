"""One kind of thing that vendors submit: how it is read, judged and done.

Answers for: the seam between transactions and those who understand what was submitted. Amazon's
vendor transaction models name one code, INVALID_ORDER_ID; no source lists the others, so those are
the emulator's own words in the same style.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors.bodies import Body
from amazon_emulator.world import Partner

__all__ = ["Case", "Errand", "Family", "Fault", "foreign_vendor_code", "unknown_order"]

Family = Literal["retail", "direct_fulfillment", "scenarios"]


@dataclass(frozen=True)
class Fault:
    """Why a transaction failed, as the transaction APIs tell it."""

    code: str
    message: str
    details: str = ""


@dataclass(frozen=True)
class Case:
    """One submission whose turn has come. What counts for deadlines is ``submitted_at``."""

    stage: Stage
    partner: Partner
    transaction_id: str
    content: Body
    submitted_at: datetime
    now: datetime


@dataclass(frozen=True)
class Errand:
    """``check`` raises Incomplete for what Amazon refuses at once; ``judge`` finds what makes the
    transaction fail and changes nothing; ``apply`` does a submission without faults."""

    name: str
    family: Family
    check: Callable[[Body], None]
    judge: Callable[[Case], list[Fault]]
    apply: Callable[[Case], None]


def unknown_order(number: str) -> Fault:
    return Fault("INVALID_ORDER_ID", "Invalid order ID.", number)


def foreign_vendor_code(party_id: str) -> Fault:
    words = "The party is not a vendor code of this order or vendor group."
    return Fault("INVALID_PARTY_ID", words, party_id)
