"""The town in which nodes of the kitchen are killed: Amazon (the emulator, with its limits on and
its models as a contract), a database, two clocks that are moved together, and nodes as processes.

Answers for: shops and what is wished for them, whose turn it is, nodes that live and nodes that are
to be killed at one act, time that passes until nothing is left to do, and the verdict. Does not
answer for: what is wished and what Amazon shows (``kitchen_trade``).

Each trial is a shop of its own, so that many of them go through the same hours side by side, and
none draws on another's limits.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from amazon_emulator import Levers
from demo.stage import BIN, Emulator, Running, Stage, start_emulator
from evergrant import wiring
from evergrant.accounts import NewAccount
from evergrant.adapters.clock import SteeredClock
from evergrant.desk import Desk
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.feedruns import RunStep
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings
from tests.emulator.conftest import models_folder
from tests.journeys import kitchen_node
from tests.journeys.kitchen_nodes import Node, Nodes, Trial, eventually
from tests.journeys.kitchen_trade import REPORT_TYPE, Shop, Trade

__all__ = ["Node", "Nodes", "Town", "Trial", "eventually", "open_town"]

ROOT = Path(__file__).parents[2]
#: Clocks are moved by whole ones of these, so that those who wait have their turns together.
GRID_S = 45
MOST_MOVES = 400
#: Doomed nodes at a time.
DOOMED_AT_ONCE = 3
MODELS = (
    *("feeds-api-model", "listings-items-api-model", "orders-api-model", "reports-api-model"),
    *("finances-api-model", "vendor-orders-api-model", "vendor-shipments-api-model"),
    *("vendor-invoices-api-model", "vendor-transaction-status-api-model"),
    "vendor-direct-fulfillment-inventory-api-model",
    "vendor-direct-fulfillment-transactions-api-model",
)
VENDORS = {"retail": "retail", "direct": "direct_fulfillment"}

DUE = """
    SELECT id, due_at FROM work WHERE due_at IS NOT NULL AND id = ANY(%(ids)s)
    UNION ALL
    SELECT id, due_at FROM order_sweeps
     WHERE due_at IS NOT NULL AND id = ANY(%(sweeping)s)
       AND (page <> '' OR bound_at IS NULL OR bound_at < %(an_hour_before)s)
    UNION ALL
    SELECT account_id, next_at FROM amazon_reports
     WHERE ended_at IS NULL AND next_at IS NOT NULL AND account_id = ANY(%(ids)s)
"""


# --- the town -------------------------------------------------------------------------------------


@dataclass
class Town:
    stage: Stage
    environ: dict[str, str]
    emulator: Emulator
    amazon: Levers
    desk: Desk
    nodes: Nodes
    folder: Path
    clock: SteeredClock
    database_url: str
    database: psycopg.Connection[Any]
    application: dict[str, Any]
    application_id: str
    instance_id: str
    opened_at: datetime
    healthy: list[Node] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # what nodes stumbled over
    numbers: int = 0

    # --- shops ---

    async def trial(
        self,
        trade: Trade,
        *,
        doom: tuple[int, int] | None = None,
        weather: str = "",
        desk: Desk | None = None,
    ) -> Trial:
        """A fresh shop for which the trade's lines were handed in, at this ``desk``."""
        self.numbers += 1
        kind = "seller" if trade.partner == "seller" else "vendor"
        own: dict[str, Any] = {} if kind == "seller" else {"vendor_codes": [f"M{self.numbers:04d}"]}
        name = f"Shop {self.numbers}"
        shop = Shop(self.amazon.partner(kind, name=name, home="DE", **own))
        trade.prepare(self.amazon, shop)
        await self._connect(trade, shop, kind, name, own)
        if shop.lines:
            hatch = (desk or self.desk).feeds.intake
            taken = await hatch.put(shop.account_id, shop.lines, by=SYSTEM)
            flaws = [one.flaws for one in taken.answers if one.flaws]
            assert not flaws, (trade.name, flaws)
        if trade.what == "sweep":
            async with self.desk.store.transaction() as tx:
                await self.desk.orders._sweeping.hurry(tx, shop.account_id, self.desk.clock.now())
        if trade.what == "reports":
            await self.desk.amazon_reports.request(shop.account_id, REPORT_TYPE, by=SYSTEM)
        return Trial(trade, shop, doom, weather)

    async def _connect(
        self, trade: Trade, shop: Shop, kind: str, name: str, own: dict[str, Any]
    ) -> None:
        made = self.amazon.grant(shop.id, self.application["application_id"], region="eu")
        if kind == "seller":
            own = {"merchant_token": shop.id}
        else:
            own = {**own, "vendor_kind": VENDORS[trade.partner]}
        account = await self.desk.accounts.add(
            NewAccount(
                name=name,
                partner_kind=kind,
                client_email="shop@partner.example",
                application_id=self.application_id,
                client_instance_id=self.instance_id,
                region="eu",
                home_marketplace="DE",
                **own,
            ),
            by=SYSTEM,
        )
        shop.account_id = account.id
        await self.desk.consent.adopt(
            account.id,
            Secret(made["refresh_token"]),
            selling_partner_id=shop.id if kind == "seller" else "",
            by=SYSTEM,
            look=False,
        )

    def rain(self, trial: Trial, face: str, mode: str, operation: str, **more: Any) -> None:
        """The next such call of this shop fails."""
        self.amazon.fail(
            face, mode, **{"times": 1, "partner": trial.shop.id, "operation": operation, **more}
        )

    def is_asking(self, partner_id: str) -> bool:
        """Whether Amazon has a request of this shop before it that changes something."""
        asked = self.amazon.history(partner=partner_id, limit=20)
        return any(one["status"] is None and one["method"] != "GET" for one in asked)

    def judged(self, trial: Trial) -> list[str]:
        """What is not yet as it has to be at Amazon."""
        return trial.trade.judge(self.amazon, trial.shop)

    # --- nodes, workers and the database ---

    def worker(self, name: str) -> Running:
        """The worker as operators start it."""
        return self.stage.start(name, [str(BIN / "evergrant"), "worker"], self.environ)

    def is_at_work(self, running: Running) -> bool:
        running.check()
        return "worker" in running.log.read_text()

    @asynccontextmanager
    async def front_desk(self) -> AsyncIterator[Desk]:
        """That rings for the workers."""
        async with wiring.open_desk(Settings.from_environment(self.environ)) as desk:
            yield desk

    async def two(self) -> None:
        """From now on two nodes do everything, at the same time."""
        while len(self.healthy) < 2:
            self.healthy.append(await self.nodes.another())

    async def one(self) -> None:
        while len(self.healthy) > 1:
            self.nodes.leave(self.healthy.pop())

    @asynccontextmanager
    async def nursery_learns(self) -> AsyncIterator[None]:
        """Meanwhile it does everything itself, so that its children need not find out how."""
        itself = await self.nodes.another(itself=True)
        self.healthy, others = [itself], self.healthy
        try:
            yield
        finally:
            self.healthy = others
            self.nodes.leave(itself)

    def refuse_connections(self, admin: psycopg.Connection[Any]) -> None:
        """As a server that goes down: whoever is connected is thrown out, and nobody comes in."""
        name = self.database.info.dbname
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        # From within, so that it cannot be another test's.
        self.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        self.database.close()

    def allow_connections(self, admin: psycopg.Connection[Any]) -> None:
        name = self.database_url.rpartition("/")[2].partition("?")[0]
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        self.database = psycopg.connect(self.database_url, autocommit=True)

    # --- time ---

    def move(self, seconds: float) -> None:
        """Amazon's clock first: nothing of ours comes from its future."""
        passed = float((self.folder / "clock").read_text()) + seconds
        self.amazon.advance(seconds)
        fresh = self.folder / "clock.new"
        fresh.write_text(str(passed))
        fresh.replace(self.folder / "clock")

    def due(self, trials: Sequence[Trial]) -> tuple[list[Trial], datetime | None]:
        """Whose turn it is, and when the next one's is."""
        by_id = {trial.id: trial for trial in trials}
        an_hour_before = self.opened_at - timedelta(hours=1)
        # A worker that was stopped may have left others' orders in the midst of their pages.
        sweeping = [trial.id for trial in trials if trial.trade.what == "sweep"]
        wish = {"ids": list(by_id), "sweeping": sweeping, "an_hour_before": an_hour_before}
        rows = self.database.execute(DUE, wish).fetchall()
        now = self.clock.now()
        due = [by_id[account_id] for account_id, at in rows if at <= now]
        return due, min((at for _, at in rows), default=None)

    def move_on(self, next_at: datetime) -> None:
        ahead_s = max((next_at - self.clock.now()).total_seconds(), 0.0)
        self.move((ahead_s // GRID_S + 1) * GRID_S)

    async def pass_by(self, trials: Sequence[Trial], most: timedelta | None = None) -> None:
        """Time passes until nothing is left to do, or ``most`` of it; who is doomed is killed at
        its act."""
        until = self.clock.now() + (most or timedelta(days=7))
        for _ in range(MOST_MOVES):
            due, next_at = self.due(trials)
            if next_at is None or (most is not None and self.clock.now() >= until):
                return
            if not due:
                self.move_on(next_at)
                continue
            doomed = [trial for trial in due if trial.is_doomed_now]
            others = [trial for trial in due if not trial.is_doomed_now]
            room = asyncio.Semaphore(DOOMED_AT_ONCE)
            await asyncio.gather(
                self._healthy(others), *(self._doomed(trial, room) for trial in doomed)
            )
            if self.due(others)[0]:
                self.move(GRID_S)  # what remains due has to wait for something
        raise AssertionError(f"it never comes to rest: {[str(one) for one in due]}")

    async def _healthy(self, trials: list[Trial]) -> None:
        """All nodes at once do all of it."""
        if not trials:
            return
        if not self.healthy:
            self.healthy.append(await self.nodes.another())
        told = await asyncio.gather(*(node.errand(trials) for node in self.healthy))
        for said in told:
            assert said is not None, "a node died by itself"
            self._note(said)
        for trial in trials:
            trial.looks.append(told[0]["acts"].get(trial.id, []))  # type: ignore[index]

    async def _doomed(self, trial: Trial, room: asyncio.Semaphore) -> None:
        assert trial.doom is not None
        look, act = trial.doom
        async with room:
            node = await self.nodes.another()
            said = await node.errand([trial], die_at=act)
            self.nodes.leave(node)
        if said is None:
            trial.killed_at = f"turn {look}, act {act}"
            return
        self._note(said)
        acts = said["acts"].get(trial.id, [])
        trial.looks.append(acts)
        trial.doom = look, act - len(acts)

    def _note(self, said: dict[str, Any]) -> None:
        self.wrong += [f"{account_id}: {words}" for account_id, words in said["wrong"].items()]

    # --- the verdict ---

    async def faults(self, trials: Sequence[Trial]) -> list[str]:
        """Everything that is not as it has to be, in words."""
        found = []
        for trial in trials:
            wrong = [*await self._here(trial), *trial.trade.judge(self.amazon, trial.shop)]
            found += [f"{trial}: {words}" for words in wrong]
        return found

    async def _here(self, trial: Trial) -> list[str]:
        wrong = []
        account_id, ends = trial.id, trial.shop.ends
        async with self.desk.store.transaction() as tx:
            changes = await tx.changes.read(account_id=account_id, limit=1_000)
            runs = await tx.feed_runs.all(account_id=account_id)
            orders = await tx.orders.read(account_ids=[account_id], limit=1_000)
            reports = await tx.amazon_reports.all(account_id=account_id)
        states = {one.reference: one.state.value for one in changes}
        if trial.may_be_asked:
            states = {
                name: ends[name] if end == "uncertain" else end for name, end in states.items()
            }
        found = sorted(states.items())
        if found != sorted(ends.items()):
            words = [(one.reference, one.state.value, one.code, one.message) for one in changes]
            wrong.append(f"changes ended {words}")
        if len(changes) != len(ends):
            wrong.append(f"{len(changes)} changes are known")
        asked = {RunStep.UNCERTAIN} if trial.may_be_asked else set()
        if still := [run.step.value for run in runs if not run.ended_at and run.step not in asked]:
            wrong.append(f"runs are under way: {still}")
        if trial.trade.path is not None and {run.path for run in runs} != {trial.trade.path}:
            wrong.append(f"other paths: {sorted(run.path.value for run in runs)}")
        if trial.trade.what == "sweep":
            wrong += self._swept(trial, [one.order_id for one in orders])
        if trial.trade.what == "reports" and [one.step.value for one in reports] != ["done"]:
            wrong.append(f"the report is {[(one.step.value, one.last_error) for one in reports]}")
        return wrong

    def _swept(self, trial: Trial, orders: list[str]) -> list[str]:
        wrong = []
        if sorted(orders) != trial.shop.things["orders"]:
            wrong.append(f"{len(orders)} orders are known")
        rows = self.database.execute(
            "SELECT facts ->> 'order_id', topic FROM events WHERE account_id = %s", (trial.id,)
        ).fetchall()
        told = Counter(order_id for order_id, topic in rows if topic == "order.received")
        if told != Counter(trial.shop.things["orders"]):
            wrong.append(f"{told.total()} events tell of {len(told)} orders")
        return wrong


def _contract(folder: Path) -> list[str]:
    """Those of Amazon's models that matter here: to read all of them takes seconds."""
    models = models_folder()
    if models is None:
        return ["--no-models"]
    some = folder / "models"
    some.mkdir()
    for name in MODELS:
        shutil.copytree(models / name, some / name)
    return ["--models", str(some), "--contract", "refuse"]


@asynccontextmanager
async def open_town(stage: Stage, database_url: str) -> AsyncIterator[Town]:
    contract = _contract(stage.folder)
    emulator = start_emulator(stage, "--gentle", *contract)
    folder = stage.folder
    (folder / "clock").write_text("0")
    (folder / "marketplaces.json").write_text(json.dumps(emulator.marketplaces()))
    environ = {
        "EVERGRANT_HOME": str(folder),
        "EVERGRANT_DATABASE_URL": database_url,
        "EVERGRANT_DATABASE_POOL": "6",
        "EVERGRANT_KEYRING": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "EVERGRANT_MARKETPLACES_FILE": str(folder / "marketplaces.json"),
        "EVERGRANT_CLOCK_FILE": str(folder / "clock"),
    }
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("EVERGRANT_")}
    with (folder / "nodes.log").open("w") as log:
        nursery = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "tests.journeys.kitchen_node"],
            cwd=ROOT,
            env={**surroundings, **environ},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        nodes = Nodes(nursery)
        await nodes.open()
        try:
            async with kitchen_node.open_node(Settings.from_environment(environ)) as desk:
                town = await _furnished(stage, environ, emulator, desk, nodes)
                try:
                    yield town
                finally:
                    town.database.close()
        finally:
            nodes.close()


async def _furnished(
    stage: Stage, environ: dict[str, str], emulator: Emulator, desk: Desk, nodes: Nodes
) -> Town:
    amazon = Levers(emulator.addresses["levers"])
    issued = amazon.application("Northwind Connect")
    added = await desk.registry.add_application(
        NewApplication(
            name="Connect",
            kind="public",
            partner_kinds=["seller", "vendor"],
            status="published",
            application_id=issued["application_id"],
        ),
        by=SYSTEM,
    )
    await desk.registry.set_credentials(
        added.id,
        Credentials(
            lwa_client_id=issued["lwa_client_id"],
            lwa_client_secret=Secret(issued["lwa_client_secret"]),
            secret_created_at=datetime.now(UTC) - timedelta(days=1),
        ),
        by=SYSTEM,
    )
    instance = await desk.registry.add_instance(NewInstance(name="ERP"), by=SYSTEM)
    clock = SteeredClock(stage.folder / "clock")
    database_url = environ["EVERGRANT_DATABASE_URL"]
    return Town(
        stage=stage,
        environ=environ,
        emulator=emulator,
        amazon=amazon,
        desk=desk,
        nodes=nodes,
        folder=stage.folder,
        clock=clock,
        opened_at=clock.now(),
        database_url=database_url,
        database=psycopg.connect(database_url, autocommit=True),
        application=issued,
        application_id=added.id,
        instance_id=instance.instance.id,
    )
