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
from tests.forked import warm_stage
from tests.journeys.nearby import Nearby, furnish

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("worker")]

AMAZON_ID = "amzn1.sp.solution.00000000-0000-4000-8000-000000000001"
CLIENT_ID = "amzn1.application-oa2-client." + "0" * 32


class Relay:
    """A mail relay that can keep its answer back, or ask to be tried again."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: set[str] = set()
        self.letters: list[Any] = []
        self.try_again: set[str] = set()
        self._go = asyncio.Event()
        self._go.set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.asked.update(envelope.rcpt_tos)
        # Cancelled when the connection breaks: then nothing was taken.
        await self._go.wait()
        if refused := self.try_again.intersection(envelope.rcpt_tos):
            self.try_again -= refused
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
    stage = warm_stage(tmp_path_factory.mktemp("backyard") / "stage")
    clock_file = stage.folder / "clock"
    clock_file.write_text("0")
    home = stage.folder / "home"
    furnish(home)
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
        house.cli("migrate")  # and the key ring is made
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


def test_a_worker_delivers_what_waited_what_comes_and_what_it_has_in_hand(
    backyard: Backyard,
) -> None:
    backyard.account("Waiting", "waiting@shop.example")
    backyard.invite("Waiting")
    assert backyard.outbox("waiting@shop.example") == ("waiting", 0)
    worker = backyard.worker("first")
    wait_for("the letter", lambda: backyard.relay.to("waiting@shop.example"), within_s=90)

    backyard.account("At once", "at-once@shop.example")
    backyard.invite("At once")
    wait_for("the letter", lambda: backyard.relay.to("at-once@shop.example"), within_s=90)
    wait_for("the note of it", lambda: backyard.outbox("at-once@shop.example")[0] == "sent")

    # A stop lets the job under way come to its end.
    backyard.account("Stopped", "stopped@shop.example")
    backyard.relay.hold()
    backyard.invite("Stopped")
    wait_for("the relay to be asked", lambda: "stopped@shop.example" in backyard.relay.asked)
    worker.process.terminate()
    wait_for("the worker to hear it", lambda: "stopping" in worker.log.read_text())
    backyard.relay.release()
    assert worker.process.wait(90) == 0
    assert backyard.outbox("stopped@shop.example") == ("sent", 1)
    assert len(backyard.relay.to("stopped@shop.example")) == 1
    assert "Traceback" not in worker.log.read_text()
    assert " stopped " in worker.tail(1)
    assert backyard.ask("select count(*) from procrastinate.procrastinate_workers") == [(0,)], (
        "it said goodbye"
    )


def test_a_worker_outlives_its_database_and_another_takes_over_when_it_is_killed(
    backyard: Backyard,
) -> None:
    doomed = backyard.worker("doomed")
    # The server ends every connection, as a restart does.
    backyard.ask(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where pid <> pg_backend_pid() and backend_type = 'client backend'"
        " and datname = current_database()"
    )
    backyard.account("Cut off", "cut-off@shop.example")
    backyard.invite("Cut off")
    wait_for("the letter", lambda: backyard.relay.to("cut-off@shop.example"), within_s=90)
    wait_for("the note of it", lambda: backyard.outbox("cut-off@shop.example")[0] == "sent")
    doomed.check()

    backyard.account("Killed", "killed@shop.example")
    backyard.relay.hold()
    backyard.invite("Killed")
    wait_for("the relay to be asked", lambda: "killed@shop.example" in backyard.relay.asked)
    wait_for("the end of all other jobs", lambda: backyard.jobs_under_way() == 1)
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
        "the dead worker's job to be found",
        lambda: "jobs of a dead worker are begun again" in heir.log.read_text(),
        within_s=90,
    )
    wait_for("its end", lambda: backyard.jobs_under_way() == 0, within_s=90)
    assert len(backyard.relay.to("killed@shop.example")) == 1, "taken once"

    # What has to be tried again is found by the minutely look.
    backyard.account("Again", "again@shop.example")
    backyard.relay.try_again = {"again@shop.example"}
    backyard.invite("Again")
    wait_for("the refusal", lambda: backyard.outbox("again@shop.example") == ("waiting", 1))
    wait_for("the note of it", lambda: "451" in heir.log.read_text())
    backyard.move_clock(24 * 3600)
    wait_for("the letter", lambda: backyard.relay.to("again@shop.example"), within_s=90)
    wait_for("the note of it", lambda: backyard.outbox("again@shop.example") == ("sent", 2))
    heir.stop()
