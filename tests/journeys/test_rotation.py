"""A client secret's rotation, with kill -9 at its steps: real processes, PostgreSQL, the emulator
as Amazon, and moto's SQS as AWS, all over their sockets.

What Amazon puts into its queue is carried to moto's by a thread of this test: Amazon's part of AWS.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from amazon_emulator import Emulator
from evergrant import vault, wiring
from evergrant.accounts import NewAccount
from evergrant.ports.watched import Rotation, RotationStep
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings
from tests.edges.moto_server import MotoServer

pytestmark = [pytest.mark.postgres, pytest.mark.processes]

ROOT = Path(__file__).parents[2]
DAY_S = 86_400


@dataclass
class Town:
    settings: Settings
    amazon: Emulator
    aws: MotoServer
    queue_url: str
    amazon_id: str
    application_id: str
    clock_file: Path
    database_url: str
    errands: subprocess.Popen[str]

    def errand(self, die_at: int | None = None) -> Any:
        assert self.errands.stdin is not None
        assert self.errands.stdout is not None
        wish = {"application_id": self.application_id, "die_at": die_at}
        self.errands.stdin.write(json.dumps(wish) + "\n")
        self.errands.stdin.flush()
        return json.loads(self.errands.stdout.readline())

    def move_clocks(self, seconds: float) -> None:
        passed = float(self.clock_file.read_text()) + seconds
        fresh = self.clock_file.with_suffix(".new")
        fresh.write_text(str(passed))
        fresh.replace(self.clock_file)
        self.amazon.levers.advance(seconds)
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            # Permits go by the database's own clock, which cannot be moved.
            connection.execute("DELETE FROM budgets")

    def asked(self) -> int:
        return self.amazon.levers.count(operation="rotateApplicationClientSecret")

    def newest(self) -> Secret:
        application = self.amazon.stage.world.applications[self.amazon_id]
        return Secret(application.secrets[0].value)

    def in_force(self) -> Secret:
        return asyncio.run(self._in_force())

    async def _in_force(self) -> Secret:
        async with (
            wiring.open_wires(self.settings) as wires,
            wires.desk.store.transaction() as tx,
        ):
            found = await wires.desk.vault.open(tx, vault.client_secret(self.application_id))
        assert found is not None
        return found

    async def rotations(self) -> list[Rotation]:
        async with (
            wiring.open_wires(self.settings) as wires,
            wires.desk.store.transaction() as tx,
        ):
            return await tx.rotations.all(application_id=self.application_id)

    def works(self, secret: Secret) -> bool:
        """Whether Amazon takes it."""
        application = self.amazon.stage.world.applications[self.amazon_id]
        now = self.amazon.stage.clock.now()
        return any(
            one.value == secret.reveal() and one.ends_at > now for one in application.secrets
        )


@pytest.fixture
def town(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with Emulator(gentle=True, limits=False) as amazon, MotoServer() as aws:
        environment = _environment(amazon, aws, database_url, tmp_path)
        with subprocess.Popen(
            [sys.executable, "-m", "tests.journeys.rotation_errand"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment},
        ) as errands:
            yield _town(amazon, aws, environment, errands)


def _environment(
    amazon: Emulator, aws: MotoServer, database_url: str, folder: Path
) -> dict[str, str]:
    table = folder / "amazon.json"
    table.write_text(
        json.dumps(
            {
                "lwa_url": f"{amazon.addresses['lwa']}/auth/o2/token",
                "regions": {
                    region: {"endpoint": amazon.addresses[region]} for region in ("na", "eu", "fe")
                },
            }
        )
    )
    clock_file = folder / "clock"
    clock_file.write_text("0")
    return {
        "EVERGRANT_HOME": str(folder / "home"),
        "EVERGRANT_KEYRING": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "EVERGRANT_DATABASE_URL": database_url,
        "EVERGRANT_MARKETPLACES_FILE": str(table),
        "EVERGRANT_CLOCK_FILE": str(clock_file),
        "EVERGRANT_AWS_URL": aws.url,
        "EVERGRANT_ROTATE_DAYS": "170",
    }


def _town(
    amazon: Emulator, aws: MotoServer, environment: dict[str, str], errands: subprocess.Popen[str]
) -> Town:
    issued = amazon.levers.application("Northwind Connect")
    queue = amazon.levers.pull("POST", "/queues", {"name": "new-secrets"})
    amazon.levers.pull(
        "PUT",
        f"/world/applications/{issued['application_id']}/rotation-queues",
        {"new_secret_queue_arn": queue["arn"]},
    )
    queue_url = aws.queue()
    settings = Settings.from_environment(environment)
    application_id = asyncio.run(_furnish(settings, issued, aws, queue_url))
    return Town(
        settings=settings,
        amazon=amazon,
        aws=aws,
        queue_url=queue_url,
        amazon_id=issued["application_id"],
        application_id=application_id,
        clock_file=Path(environment["EVERGRANT_CLOCK_FILE"]),
        database_url=environment["EVERGRANT_DATABASE_URL"],
        errands=errands,
    )


async def _furnish(settings: Settings, issued: Any, aws: MotoServer, queue_url: str) -> str:
    user = aws.user("sqs:*")
    async with wiring.open_wires(settings) as wires:
        desk = wires.desk
        application = await desk.registry.add_application(
            NewApplication(name="Connect", application_id=issued["application_id"]), by=SYSTEM
        )
        await desk.registry.set_credentials(
            application.id,
            Credentials(
                lwa_client_id=issued["lwa_client_id"],
                lwa_client_secret=Secret(issued["lwa_client_secret"]),
                secret_created_at=desk.clock.now(),
                queue_url=queue_url,
                access_key=user.access_key,
                secret_key=user.secret_key,
            ),
            by=SYSTEM,
        )
        instance = (await desk.registry.add_instance(NewInstance(name="ERP"), by=SYSTEM)).instance
        await desk.accounts.add(
            NewAccount(
                name=f"Shop {secrets.token_hex(2)}",
                partner_kind="seller",
                client_email="shop@partner.example",
                application_id=application.id,
                client_instance_id=instance.id,
                region="eu",
                home_marketplace="DE",
            ),
            by=SYSTEM,
        )
    return application.id


class Carrier:
    """Carries from Amazon's queue to moto's while the test goes on."""

    def __init__(self, town: Town) -> None:
        self._over = threading.Event()
        self._town = town
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _run(self) -> None:
        arn = self._town.amazon.levers.pull("GET", "/queues")["items"][0]["arn"]
        while not self._over.wait(0.05):
            self._town.aws.carry(self._town.amazon, arn, self._town.queue_url)


def test_kill_9_at_every_step(town: Town) -> None:
    """Each time: the secret in force works, Amazon is asked once, and the rotation ends well."""
    with Carrier(town):
        town.move_clocks(12 * DAY_S)
        whole = town.errand()
        assert (whole["signal"], whole["code"]) == (0, 0)
        names = whole["steps"]
        for wanted in ("after Amazon is asked", "after a message is deleted", "after a commit"):
            assert wanted in names
        assert town.asked() == 1
        assert town.in_force() == town.newest()
        table = []
        for number in _telling(names):
            town.move_clocks(12 * DAY_S)
            asked = town.asked()
            killed = town.errand(number)
            assert killed["signal"] == signal.SIGKILL
            name = killed["steps"][-1]
            assert town.works(town.in_force()), f"killed {name}: the working secret is lost"
            if town.asked() == asked:
                # Nobody knows whether Amazon heard, so a week has to show that it did not.
                town.move_clocks(7 * DAY_S + 2 * 3600)
            if name == "after a message is deleted":
                # It never comes again; after a day that is clear.
                town.move_clocks(DAY_S + 3600)
            healed = town.errand()
            assert (healed["signal"], healed["code"]) == (0, 0), f"killed {name}"
            assert town.asked() == asked + 1, f"killed {name}"
            assert town.in_force() == town.newest(), f"killed {name}"
            table.append((number, name, town.asked() - asked))
    assert town.aws.counts(town.queue_url) == 0
    steps = {rotation.step for rotation in asyncio.run(town.rotations())}
    assert steps == {RotationStep.DONE}
    print(f"\n{'step':>4}  {'killed':30} asked")
    for number, name, times in table:
        print(f"{number:>4}  {name:30} {times}")


def _telling(names: list[str]) -> list[int]:
    """The steps that matter most; a test of the room goes through all of them. What is written down
    after Amazon said yes, when the secret lies in the safe, when it is in force; and around what
    cannot be taken back."""
    heard = names.index("after Amazon is asked")
    commits = [n for n, name in enumerate(names) if name == "after a commit" and n > heard]
    asked, received, promoted = commits[:3]
    steps = (heard - 1, heard, asked, received, promoted, names.index("after a message is deleted"))
    return [step + 1 for step in steps]
