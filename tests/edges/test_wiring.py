"""The fuse box's own part: what it does with the embedded server of a process."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from evergrant import wiring
from evergrant.errors import StoreUnavailable
from evergrant.settings import Settings

URL = "postgresql://postgres@/evergrant?host=/somewhere"


class Server:
    """Stands in for the embedded server; notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.living = True
        self.fails = 0
        self.starting = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def start(self) -> str:
        self.starting.set()
        assert self.go_on.wait(20)
        if self.fails:
            self.fails -= 1
            self.done.append("failed")
            raise StoreUnavailable
        self.done.append("started")
        self.living = True
        return URL

    def lives(self) -> bool:
        return self.living

    def stop(self) -> None:
        self.done.append("stopped")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(wiring, "MIND_EVERY_S", 0.01)
    monkeypatch.setattr(
        "evergrant.adapters.embedded_postgres.EmbeddedPostgres", lambda home: server
    )
    return server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"EVERGRANT_HOME": str(tmp_path)})


async def until_done(server: Server, *done: str) -> None:
    async with asyncio.timeout(60):
        while server.done != list(done):  # noqa: ASYNC110 - a thread brings it about
            await asyncio.sleep(0.005)


async def test_a_server_that_died_is_started_until_it_runs(
    server: Server, settings: Settings
) -> None:
    async with wiring.database(settings) as url:
        assert url == URL
        server.fails, server.living = 2, False
        await until_done(server, "started", "failed", "failed", "started")
    assert server.done[-1] == "stopped"


async def test_a_start_under_way_at_the_end_leaves_no_server_behind(
    server: Server, settings: Settings
) -> None:
    async with wiring.database(settings):
        server.starting.clear()
        server.go_on.clear()
        server.living = False
        assert await asyncio.to_thread(server.starting.wait, 20)
        asyncio.get_running_loop().call_later(0.05, server.go_on.set)
    assert server.done == ["started", "started", "stopped"]
