"""A house whose runs go to a small Amazon in memory, by processes that may be killed at each act.

Runs are planned here in the simplest of ways, all that waits in one run of one path, so that what
is seen is the runs' doing alone.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from evergrant import vault as safe
from evergrant.accounts import NewAccount
from evergrant.feeds.kinds import ApiCall, Ground, Looked, Reading
from evergrant.feeds.kinds.answers import accepted, refused, said
from evergrant.feeds.kinds.table import KINDS, Kind
from evergrant.feeds.running import Running
from evergrant.naming import new_id
from evergrant.ports.amazon import Answer
from evergrant.ports.store import Transaction
from evergrant.ports.traded import Change, FeedRun, Intake, Pick
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules import ids
from evergrant.rules.changes import LANES, ChangeKind, ChangeState
from evergrant.rules.feedruns import PATHS, Path, RunStep
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.rights import command_line
from evergrant.rules.secrecy import Secret
from evergrant.settings import Cooking
from evergrant.testing.bell import MemoryBell
from evergrant.testing.budgets import MemoryBudgets
from evergrant.testing.clock import FakeClock
from evergrant.testing.desk import Fakes, desk
from evergrant.testing.selling_partner_api import error_answer
from evergrant.testing.store import MemoryStore
from tests.rooms.kitchen_amazon import PDF, Amazon, Killed, StepDocuments, Steps

ROOT = command_line("root")
DE = "A1PA6795UKMFR9"
COOKING = Cooking(patience_s=0.0)


class StepStore(MemoryStore):
    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        async with super()._transaction() as tx:
            yield tx
            if self._has_written(tx):
                self.steps.step("before a commit")
        if self._has_written(tx):
            self.steps.step("after a commit")

    @staticmethod
    def _has_written(tx: Any) -> bool:
        """Counts of calls and access tokens are written whenever the machine gets to it."""
        written = {name for name, rows in tx.written.items() if rows}
        return bool(written & {"feed_runs", "changes", "work"})


class Submission:
    """A vendor's operation as simple as can be: references, each known once."""

    def submission(self, ground: Ground, run: FeedRun, changes: Iterable[Change]) -> ApiCall:
        body = json.dumps({"references": [one.key for one in changes]}).encode()
        return ApiCall(method="POST", path="/vendor/shipping/v1/shipmentConfirmations", body=body)

    def transaction_id(self, answer: Answer) -> str:
        return str(json.loads(answer.body)["payload"]["transactionId"])

    def refused(self, changes: Iterable[Change], answer: Answer) -> Reading:
        return refused(changes, said(answer))

    def look(self, ground: Ground, run: FeedRun) -> ApiCall:
        path = f"/vendor/transactions/v1/transactions/{run.feed_id}"
        return ApiCall(method="GET", path=path)

    def looked(
        self, ground: Ground, run: FeedRun, changes: Iterable[Change], answer: Answer
    ) -> Looked:
        told = json.loads(answer.body)
        if told["status"] == "Processing":
            return Looked(over=False, status="Processing")
        known = set(told["duplicates"]) if not run.facts.get("lost") else set()
        bad = [one for one in changes if one.key in told["bad"] or one.key in known]
        good = [one for one in changes if one not in bad]
        no = error_answer(400, "Failure", "It is no good.")
        outcomes = accepted(good).outcomes + refused(bad, said(no)).outcomes
        return Looked(over=True, status="Success", outcomes=outcomes)


SIMPLE: Mapping[Path, Kind] = {
    **KINDS,
    Path.RETAIL_SHIPMENT: Submission(),
    Path.RETAIL_ACKNOWLEDGEMENT: Submission(),
}


# --- the house ----------------------------------------------------------------------------------


class Kitchen:
    """One seller's account, and runs on one path."""

    def __init__(self, path: Path, store: Any = None) -> None:
        """``store``: another one than that in memory, whose commits are no acts then."""
        self.path = path
        self.steps = Steps()
        self.clock = FakeClock()
        self.store: Any = store or StepStore(self.steps)
        self.documents = StepDocuments(self.steps)
        self.fakes = Fakes(clock=self.clock, store=self.store, documents=self.documents)
        self.account_id = ""
        self.application_id = ""
        self._began_at = self.clock.now()
        self._rows: dict[str, dict[str, Any]] = {}
        self._empty()

    def _empty(self) -> None:
        self.documents = StepDocuments(self.steps)
        self.fakes.documents = self.documents
        self.fakes.budgets = MemoryBudgets(self.clock)
        self.fakes.bell = MemoryBell()
        self.amazon = Amazon(self.clock, self.documents, self.steps)
        self.fakes.selling_partner_api.play(self.amazon.play)
        self.runs = self.another()

    def afresh(self) -> Kitchen:
        """As it was furnished, with nothing done: quicker than another one."""
        self.clock.set(self._began_at)
        self.store.rows = {name: dict(rows) for name, rows in self._rows.items()}
        self.store.lines.clear()
        self.store.events.clear()
        self.steps.die_at = None
        self._empty()
        self.steps.log.clear()
        return self

    def another(self, store: Any = None) -> Running:
        """Another process on the same store, as after a restart."""
        self.desk = desk(self.fakes, cooking=COOKING)
        return Running(
            store=store or self.store,
            clock=self.clock,
            vault=self.desk.vault,
            calls=self.desk.calls,
            documents=self.documents,
            bell=self.fakes.bell,
            marketplaces=STANDARD,
            cooking=COOKING,
            kinds=SIMPLE,
        )

    async def furnish(self) -> Kitchen:
        registry = self.desk.registry
        instance = await registry.add_instance(
            NewInstance(name="ERP", webhook_url="https://erp.house.example/hook"), by=ROOT
        )
        text = secrets.token_hex(16)
        added = await registry.add_application(
            NewApplication(
                name="Connect",
                application_id="amzn1.sp.solution."
                f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}",
                partner_kinds=["seller"],
            ),
            by=ROOT,
        )
        client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        self.fakes.lwa.add_client(client_id, client_secret)
        await registry.set_credentials(
            added.id,
            Credentials(lwa_client_id=client_id, lwa_client_secret=client_secret),
            by=ROOT,
        )
        account = await self.desk.accounts.add(
            NewAccount(
                name="Blue Heron Books",
                partner_kind="seller",
                client_email="shop@example.com",
                application_id=added.id,
                client_instance_id=instance.instance.id,
                region="eu",
                home_marketplace="DE",
                merchant_token="A2EXAMPLE7SELLER",
            ),
            by=ROOT,
        )
        self.account_id, self.application_id = account.id, added.id
        grant = self.fakes.lwa.grant(client_id, "shop")
        await self.desk.consent.adopt(account.id, grant, granted_at=self.clock.now(), by=ROOT)
        self.steps.log.clear()
        self._began_at = self.clock.now()
        rows = getattr(self.store, "rows", {})
        self._rows = {name: dict(some) for name, some in rows.items()}
        return self

    # --- wishes and runs ---

    async def wish(self, *subjects: str, kind: ChangeKind | None = None, number: int = 7) -> None:
        """One change for each, of the path's first kind."""
        kind = kind or min(PATHS[self.path].kinds, key=lambda one: one != ChangeKind.STOCK)
        now = self.clock.now()
        intake = Intake(
            id=new_id(ids.Kind.INTAKE, now),
            account_id=self.account_id,
            caller="ERP",
            source="api",
            lines=len(subjects),
            taken=len(subjects),
            created_at=now,
        )
        changes = []
        for line, subject in enumerate(subjects, start=1):
            self.clock.move(milliseconds=1)
            changes.append(
                Change(
                    id=new_id(ids.Kind.CHANGE, self.clock.now()),
                    account_id=self.account_id,
                    kind=kind,
                    lane=LANES[kind],
                    marketplace_id=DE,
                    subject=subject,
                    key=subject,
                    wish=_wish(kind, subject, number),
                    reference=subject,
                    intake_id=intake.id,
                    line=line,
                    created_at=now,
                )
            )
        async with self.store.transaction() as tx:
            await tx.intakes.add(intake)
            await tx.changes.add_all(changes)
            if kind is ChangeKind.INVOICE:
                for one in changes:
                    pdf = Secret(base64.b64encode(PDF).decode())
                    await self.desk.vault.put(tx, safe.invoice_document(one.id), pdf, now=now)
        self.steps.log.clear()

    async def plan(self) -> str | None:
        """A run of what may go; None: nothing does."""
        now = self.clock.now()
        facts = PATHS[self.path]
        async with self.store.transaction() as tx:
            waiting = await tx.changes.plannable(self.account_id, list(facts.kinds), now)
            waiting = waiting[: facts.most]
            if not waiting:
                return None
            subjects = list(dict.fromkeys(one.subject for one in waiting))
            picks = [
                Pick(change_id=one.id, message_id=subjects.index(one.subject) + 1)
                for one in waiting
            ]
            account = await tx.accounts.get(self.account_id)
            assert account is not None
            run = FeedRun(
                id=new_id(ids.Kind.FEED_RUN, now),
                account_id=self.account_id,
                application_id=self.application_id,
                region=account.region,
                path=self.path,
                marketplace_id=DE,
                step=RunStep.PLANNED,
                changes=len(picks),
                next_at=now,
                created_at=now,
                changed_at=now,
            )
            await tx.feed_runs.add(run)
            await tx.changes.claim(self.account_id, run.id, picks, {}, now)
        return run.id

    async def turn(self) -> datetime | None:
        """Open runs go on, and what waits is planned. When to come again; None: never."""
        for run in await self.open_runs():
            await self.runs.go(run.id)
        if not await self.open_runs():
            run_id = await self.plan()
            if run_id is not None:
                await self.runs.go(run_id)
        instants = [run.next_at for run in await self.open_runs() if run.next_at]
        instants += [one.next_at for one in await self.changes() if one.next_at]
        return min(instants, default=None)

    async def rest(self, *, most: timedelta = timedelta(days=7)) -> None:
        """Time passes until nothing is left to do."""
        until = self.clock.now() + most
        for _ in range(2_000):
            next_at = await self.turn()
            if next_at is None:
                return
            assert next_at < until, "it never comes to rest"
            self.clock.set(max(next_at, self.clock.now() + timedelta(seconds=1)))
        raise AssertionError("too many turns")

    async def die_and_rest(self, number: int) -> bool:
        """Killed at this act, then another process goes on. False: there are fewer acts."""
        self.steps.die_at = number
        try:
            await self.rest()
        except Killed:
            self.steps.die_at = None
            self.runs = self.another()
            await self.rest()
            return True
        self.steps.die_at = None
        return False

    # --- looking ---

    async def all_runs(self) -> list[FeedRun]:
        async with self.store.transaction() as tx:
            found: list[FeedRun] = await tx.feed_runs.all()
        return found

    async def open_runs(self) -> list[FeedRun]:
        return [
            run
            for run in await self.all_runs()
            if run.ended_at is None and run.step is not RunStep.UNCERTAIN
        ]

    async def changes(self) -> list[Change]:
        async with self.store.transaction() as tx:
            found: list[Change] = await tx.changes.read(limit=1_000)
        return found

    async def ends(self) -> dict[str, ChangeState]:
        """By subject; of the latest."""
        return {one.subject: one.state for one in await self.changes()}

    async def board(self) -> list[str]:
        async with self.store.transaction() as tx:
            return [one.kind.value for one in await tx.notices.all(settled_at=None)]

    async def events(self, topic: str) -> list[Mapping[str, Any]]:
        async with self.store.transaction() as tx:
            return [one.facts for one in await tx.events.read(limit=500) if one.topic == topic]

    async def verbs(self) -> list[str]:
        async with self.store.transaction() as tx:
            lines = await tx.journal.read(limit=500)
        return [line.verb for line in lines if line.verb.startswith("run.")]


def _wish(kind: ChangeKind, subject: str, number: int) -> dict[str, Any]:
    items = [{"order_item_id": "11"}]
    wishes: Mapping[ChangeKind, dict[str, Any]] = {
        ChangeKind.STOCK: {"quantity": number},
        ChangeKind.PRICE: {"price": f"{number}.50", "currency": "EUR"},
        ChangeKind.SHIPMENT: {
            "package": "1",
            "carrier_code": "DHL",
            "carrier_name": "",
            "shipping_method": "Paket",
            "tracking_number": f"T-{subject}-{number}",
            "shipped_at": "2026-03-02T08:00:00Z",
            "items": [{"order_item_id": "11", "quantity": 1}],
        },
        ChangeKind.CANCELLATION: {"reason": "NoInventory", "items": items},
        ChangeKind.REFUND: {
            "currency": "EUR",
            "reason": "CustomerReturn",
            "items": [{"order_item_id": "11", "principal": "10.00"}],
        },
        ChangeKind.INVOICE: {
            "order_id": "302-1",
            "shipping_id": "",
            "invoice_number": subject,
            "total": "119.00",
            "vat": "19.00",
            "document_type": "invoice",
            "transaction_id": "",
        },
    }
    return wishes[kind]


async def kitchen(path: Path) -> Kitchen:
    return await Kitchen(path).furnish()
