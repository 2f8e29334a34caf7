"""What became of what vendors submitted: a transaction for each submission, and its outcome.

Answers for: the time a transaction is Processing, the share that never leaves it though the work is
done (as Amazon's vendors report), outcomes that a lever wished, and holding. A submission is done
as a whole or, with any fault, not at all; what it means is known by its `Errand`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors import acknowledgements as vendor_acknowledgements
from amazon_emulator.trade.vendors import direct as vendor_direct
from amazon_emulator.trade.vendors import direct_shipping as vendor_direct_shipping
from amazon_emulator.trade.vendors import invoices as vendor_invoices
from amazon_emulator.trade.vendors import records as vendor_records
from amazon_emulator.trade.vendors import scenarios as vendor_scenarios
from amazon_emulator.trade.vendors import shipments as vendor_shipments
from amazon_emulator.trade.vendors.bodies import Body, Incomplete
from amazon_emulator.trade.vendors.errand import Case, Errand, Family, Fault
from amazon_emulator.world import Partner

__all__ = [
    "ERRANDS",
    "OUTCOMES",
    "STATUSES",
    "Outcome",
    "Pace",
    "Status",
    "Transaction",
    "VendorTransactions",
    "Wished",
]

Status = Literal["Processing", "Success", "Failure"]
Outcome = Literal["Success", "Failure"]
STATUSES: tuple[Status, ...] = get_args(Status)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

KEPT = 20_000

ERRANDS: dict[str, Errand] = {
    errand.name: errand
    for errand in (
        vendor_acknowledgements.ACKNOWLEDGEMENT,
        vendor_shipments.CONFIRMATIONS,
        vendor_shipments.TRANSPORTS,
        vendor_invoices.RETAIL_INVOICES,
        vendor_direct.ACKNOWLEDGEMENT,
        vendor_direct.INVENTORY,
        vendor_direct_shipping.LABELS,
        vendor_direct_shipping.CONFIRMATIONS,
        vendor_direct_shipping.STATUS_UPDATES,
        vendor_invoices.DIRECT_INVOICES,
        vendor_scenarios.SCENARIOS,
    )
}


@dataclass
class Pace:
    """How new transactions go: seconds of Processing, the share (0 to 1) that stays there for good,
    and whether all are held until a lever lets them go."""

    seconds: float = 20.0
    stuck_share: float = 0.0
    hold: bool = False


@dataclass
class Wished:
    """An outcome that a lever wished. ``left``: for how many more submissions; ``errand`` and
    ``partner_id``: None for any."""

    status: Outcome
    faults: list[Fault] = field(default_factory=list)
    left: int = 1
    errand: str | None = None
    partner_id: str | None = None

    def fits(self, partner: Partner, errand: Errand) -> bool:
        return (
            self.left > 0
            and self.errand in (None, errand.name)
            and self.partner_id in (None, partner.selling_partner_id)
        )


@dataclass
class Transaction:
    """One submission. ``done``: whether its turn has come; a stuck one is done and Processing all
    the same. ``found``: what was really wrong with it, also where a lever wished otherwise."""

    transaction_id: str
    partner_id: str
    errand: str
    content: dict[str, Any]
    submitted_at: datetime
    due_at: datetime
    status: Status = "Processing"
    faults: list[Fault] = field(default_factory=list)
    found: list[Fault] = field(default_factory=list)
    wished: Wished | None = None
    stuck: bool = False
    held: bool = False
    done: bool = False
    applied: bool = False
    settled_at: datetime | None = None

    @property
    def outcome(self) -> Outcome:
        """What is told once it is settled."""
        if self.wished is not None:
            return self.wished.status
        return "Failure" if self.found else "Success"

    @property
    def family(self) -> Family:
        return ERRANDS[self.errand].family


@dataclass
class VendorTransactions:
    """All transactions, oldest first, and how they go."""

    transactions: dict[str, Transaction] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)
    wishes: list[Wished] = field(default_factory=list)

    def submit(
        self, stage: Stage, partner: Partner, errand: Errand, content: dict[str, Any], now: datetime
    ) -> Transaction:
        """Takes a submission that was checked."""
        share = self.pace.stuck_share
        transaction = Transaction(
            f"{now:%Y%m%d%H%M%S}-{uuid.uuid4()}",
            partner.selling_partner_id,
            errand.name,
            content,
            now,
            now + timedelta(seconds=self.pace.seconds),
            wished=self._wish(partner, errand),
            stuck=share > 0 and stage.dice.random() < share,
            held=self.pace.hold,
        )
        self.transactions[transaction.transaction_id] = transaction
        self._forget_oldest()
        self._plan(stage, transaction)
        return transaction

    def find(self, partner: Partner, transaction_id: str, family: Family) -> Transaction | None:
        """A transaction of this vendor group and family of APIs."""
        found = self.transactions.get(transaction_id)
        if found is None or found.partner_id != partner.selling_partner_id:
            return None
        return found if found.family == family else None

    def settle(self, stage: Stage, transaction: Transaction, now: datetime) -> None:
        """Its turn has come: judged, done where it may be, and told unless it is stuck."""
        partner = stage.world.partners.get(transaction.partner_id)
        if transaction.done or partner is None:
            return
        errand = ERRANDS[transaction.errand]
        content = Body(transaction.content)
        case = Case(
            stage, partner, transaction.transaction_id, content, transaction.submitted_at, now
        )
        transaction.done = True
        transaction.found = errand.judge(case)
        if not transaction.found and transaction.outcome == "Success":
            errand.apply(case)
            transaction.applied = True
        if not transaction.stuck:
            self._tell(transaction, now)

    def settle_as(
        self, stage: Stage, transaction: Transaction, wished: Wished | None, now: datetime
    ) -> None:
        """Settled now, also when held or stuck. What is done already is only told."""
        transaction.wished = wished or transaction.wished
        transaction.stuck = transaction.held = False
        if transaction.done:
            self._tell(transaction, now)
        else:
            self.settle(stage, transaction, now)

    def _tell(self, transaction: Transaction, now: datetime) -> None:
        wished = transaction.wished
        transaction.status = transaction.outcome
        transaction.faults = list(transaction.found if wished is None else wished.faults)
        transaction.settled_at = now

    def hold(self, transaction: Transaction) -> None:
        """It stays Processing, undone, until it is let go."""
        transaction.held = True

    def let_go(self, stage: Stage, transaction: Transaction) -> None:
        """It goes on where it was held: settled when due, at once when that is past."""
        if transaction.held:
            transaction.held = False
            self._plan(stage, transaction)

    def as_json(self) -> Any:
        return vendor_records.plain(self)

    def load(self, stage: Stage, given: Any) -> None:
        read = vendor_records.read(VendorTransactions, given, "vendor_transactions")
        for transaction_id, transaction in read.transactions.items():
            where = f"vendor_transactions.transactions.{transaction_id}"
            vendor_records.check_vendor(stage, transaction.partner_id, where)
            if transaction.errand not in ERRANDS or transaction.transaction_id != transaction_id:
                raise ValueError(f"{where}: its 'errand' or 'transaction_id' is not known here")
            try:
                ERRANDS[transaction.errand].check(Body(transaction.content))
            except Incomplete as error:
                raise ValueError(f"{where}.content: {error}") from None
        self.transactions, self.pace, self.wishes = read.transactions, read.pace, read.wishes
        for transaction in self.transactions.values():
            self._plan(stage, transaction)

    def _plan(self, stage: Stage, transaction: Transaction) -> None:
        if transaction.held or transaction.done:
            return

        def turn(instant: datetime) -> None:
            # A lever may have held it since; letting it go plans it again. And a world that was
            # loaded has transactions of its own.
            if stage.of(VendorTransactions) is self and not transaction.held:
                self.settle(stage, transaction, instant)

        stage.agenda.at(transaction.due_at, turn)

    def _wish(self, partner: Partner, errand: Errand) -> Wished | None:
        found = next((wish for wish in self.wishes if wish.fits(partner, errand)), None)
        if found is None:
            return None
        found.left -= 1
        self.wishes = [wish for wish in self.wishes if wish.left > 0]
        return Wished(found.status, found.faults, 0)

    def _forget_oldest(self) -> None:
        while len(self.transactions) > KEPT:
            self.transactions.pop(next(iter(self.transactions)))
