"""Background work on the real engine: a queued task, a periodic task, and workers that die."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiosmtpd.smtp import SMTP

from demo.stage import BIN, Evergrant, Running, Stage, wait_for
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from tests.journeys.nearby import Nearby

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("worker")]

AMAZON_ID = "amzn1.sp.solution.00000000-0000-4000-8000-000000000001"
CLIENT_ID = "amzn1.application-oa2-client." + "0" * 32


class Relay:
    """A mail relay that can keep its answer back, or ask to be tried again."""

    def __init__(self) -> None:
        self.port = 0
        self.asked = 0
        self.letters: list[Any] = []
        self.try_again = 0
        self._go = asyncio.Event()
        self._go.set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.asked += 1
        # Cancelled when the connection breaks: then nothing was taken.
        await self._go.wait()
        if self.try_again:
            self.try_again -= 1
            return "451 come back later"
        self.letters.append(message_from_bytes(envelope.content))
        return "250 taken"

    def hold(self) -> None:
        self._loop.call_soon_threadsafe(self._go.clear)
        wait_for("the relay to hold", lambda: not self._go.is_set())

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._go.set)

    def to(self, address: str) -> list[Any]:
        return [letter for letter in self.letters if address in letter["to"]]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(
                lambda: SMTP(self, hostname="relay.example", loop=self._loop), "127.0.0.1", 0
            )
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(server.wait_closed())
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    @contextmanager
    def open(self) -> Iterator[Relay]:
        self._thread.start()
        assert self._ready.wait(60)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()


@dataclass
class Backyard:
    """A house without a server: a database, a mail relay, and as many workers as one likes."""

    stage: Stage
    relay: Relay
    house: Evergrant
    clock_file: Path
    url: str

    def worker(self, name: str, *, quick: bool = False) -> Running:
        """`quick`: its minutes last some seconds."""
        program = (
            [sys.executable, "-m", "tests.journeys.quick_worker"]
            if quick
            else [str(BIN / "evergrant"), "worker"]
        )
        started = self.stage.start(name, program, self.house.env)
        wait_for(f"{name} to be at work", lambda: self._at_work(started))
        return started

    def _at_work(self, started: Running) -> bool:
        started.check()
        return "worker" in started.log.read_text()

    def account(self, name: str, email: str) -> None:
        self.house.cli(
            *("account", "add", name, "--app", "Northwind Connect", "--instance", "ERP"),
            *("--region", "eu", "--home", "DE", "--email", email),
        )

    def invite(self, name: str) -> None:
        self.house.cli("account", "invite", name)

    def move_clock(self, seconds: float) -> None:
        passed = float(self.clock_file.read_text())
        self.clock_file.write_text(str(passed + seconds))

    def ask(self, query: str) -> Any:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def outbox(self, email: str) -> tuple[str, int]:
        ((state, attempts),) = self.ask(
            f"select state, attempts from outbox where \"to\" = '{email}'"
        )
        return state, attempts

    def jobs_under_way(self) -> int:
        return int(
            self.ask(
                "select count(*) from procrastinate.procrastinate_jobs"
                " where status = 'doing' and task_name = 'post.deliver'"
            )[0][0]
        )


@pytest.fixture(scope="module")
def backyard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backyard]:
    stage = Stage.clean(tmp_path_factory.mktemp("backyard") / "stage")
    clock_file = stage.folder / "clock"
    clock_file.write_text("0")
    home = stage.folder / "home"
    with stage.open(), Relay().open() as relay, EmbeddedPostgres(home) as server:
        env = {
            "EVERGRANT_HOME": str(home),
            "EVERGRANT_CLOCK_FILE": str(clock_file),
            # Where a worker looks for the development mailbox of another process.
            "EVERGRANT_MAILBOX_PORT": str(relay.port),
            "EVERGRANT_SUPPORT_EMAIL": "dev-support@northwind.example",
        }
        house = Nearby(stage, "", env, None)  # type: ignore[arg-type]
        yard = Backyard(stage, relay, house, clock_file, server.url())
        house.cli("migrate")
        house.cli("app", "add", "Northwind Connect", "--application-id", AMAZON_ID)
        house.cli(
            *("app", "credentials", "Northwind Connect", "--lwa-client-id", CLIENT_ID),
            stdin="made-up-for-this-test\n",
        )
        house.cli("instance", "add", "ERP")
        yield yard
        relay.release()
        # Before the database goes: whoever is still at work stops in order.
        stage.stop()


def test_a_queued_task_delivers_at_once(backyard: Backyard) -> None:
    backyard.account("At once", "at-once@shop.example")
    worker = backyard.worker("first")
    backyard.invite("At once")
    wait_for("the letter", lambda: backyard.relay.to("at-once@shop.example"), within_s=90)
    wait_for("the note of it", lambda: backyard.outbox("at-once@shop.example")[0] == "sent")
    worker.stop()
    assert worker.process.returncode == 0


def test_what_was_committed_without_a_worker_waits_for_one(backyard: Backyard) -> None:
    backyard.account("Waiting", "waiting@shop.example")
    backyard.invite("Waiting")
    assert backyard.outbox("waiting@shop.example") == ("waiting", 0)
    worker = backyard.worker("late")
    wait_for("the letter", lambda: backyard.relay.to("waiting@shop.example"), within_s=90)
    worker.stop()


def test_a_stop_lets_the_job_under_way_come_to_its_end(backyard: Backyard) -> None:
    backyard.account("Stopped", "stopped@shop.example")
    worker = backyard.worker("stopped")
    asked = backyard.relay.asked
    backyard.relay.hold()
    backyard.invite("Stopped")
    wait_for("the relay to be asked", lambda: backyard.relay.asked > asked)
    worker.process.terminate()
    wait_for("the worker to hear it", lambda: "stopping" in worker.log.read_text())
    backyard.relay.release()
    assert worker.process.wait(90) == 0
    assert backyard.outbox("stopped@shop.example") == ("sent", 1)
    assert len(backyard.relay.to("stopped@shop.example")) == 1


def test_a_second_worker_takes_over_from_one_that_was_killed(backyard: Backyard) -> None:
    backyard.account("Killed", "killed@shop.example")
    doomed = backyard.worker("doomed")
    asked = backyard.relay.asked
    backyard.relay.hold()
    backyard.invite("Killed")
    wait_for("the relay to be asked", lambda: backyard.relay.asked > asked)
    assert backyard.jobs_under_way() == 1
    doomed.kill()
    backyard.relay.release()
    assert backyard.outbox("killed@shop.example") == ("waiting", 1)
    assert backyard.relay.to("killed@shop.example") == []

    # The attempt of the dead worker stays its own for some minutes of our clock.
    backyard.move_clock(15 * 60)
    heir = backyard.worker("heir", quick=True)
    wait_for("the letter", lambda: backyard.relay.to("killed@shop.example"), within_s=90)
    wait_for("the note of it", lambda: backyard.outbox("killed@shop.example") == ("sent", 2))
    wait_for(
        "the dead worker's job to be found", lambda: backyard.jobs_under_way() == 0, within_s=90
    )
    assert "jobs of a dead worker are begun again" in heir.log.read_text()
    heir.stop()
    assert len(backyard.relay.to("killed@shop.example")) == 1, "taken once"
    assert backyard.ask("select count(*) from procrastinate.procrastinate_workers") == [(2,)], (
        "only the killed process's two never said goodbye"
    )


def test_the_minutely_look_finds_what_has_to_be_tried_again(backyard: Backyard) -> None:
    backyard.account("Again", "again@shop.example")
    worker = backyard.worker("patient", quick=True)
    backyard.relay.try_again = 1
    backyard.invite("Again")
    wait_for("the refusal", lambda: backyard.outbox("again@shop.example") == ("waiting", 1))
    wait_for("the note of it", lambda: "451" in worker.log.read_text())
    backyard.move_clock(24 * 3600)
    wait_for("the letter", lambda: backyard.relay.to("again@shop.example"), within_s=90)
    wait_for("the note of it", lambda: backyard.outbox("again@shop.example") == ("sent", 2))
    worker.stop()


def test_a_worker_outlives_its_database(backyard: Backyard) -> None:
    """The server ends every connection, as a restart does."""
    backyard.account("Cut off", "cut-off@shop.example")
    worker = backyard.worker("cut")
    backyard.ask(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where pid <> pg_backend_pid() and backend_type = 'client backend'"
        " and datname = current_database()"
    )
    backyard.invite("Cut off")
    wait_for("the letter", lambda: backyard.relay.to("cut-off@shop.example"), within_s=90)
    worker.check()
    worker.stop()
