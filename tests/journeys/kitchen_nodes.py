"""Nodes of the kitchen as the play sees them, and what they are sent out for.

Answers for: where nodes come from, telling them what to do, hearing of it, their ends. Does not
answer for: what goes on in a node (``kitchen_node``), or for whose turn it is (``kitchen_town``).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.journeys.kitchen_trade import Shop, Trade

__all__ = ["Node", "Nodes", "Trial", "eventually"]


@dataclass
class Trial:
    """One shop. ``doom``: in which of its turns, and at which act of that turn, its node is killed;
    ``looks``: the acts of each turn so far."""

    trade: Trade
    shop: Shop
    doom: tuple[int, int] | None = None
    weather: str = ""
    killed_at: str = ""
    may_be_asked: bool = False  # a person may have to decide; twice it may not happen
    looks: list[list[str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.shop.account_id

    @property
    def is_doomed_now(self) -> bool:
        return self.doom is not None and not self.killed_at and len(self.looks) >= self.doom[0]

    def __str__(self) -> str:
        return f"{self.trade.name}, {self.killed_at or self.weather or self.doom or 'undisturbed'}"


async def eventually(what: str, look: Callable[[], bool], within_s: float = 90.0) -> None:
    """Looks again and again, while others have their turn."""
    try:
        async with asyncio.timeout(within_s):
            while not look():  # noqa: ASYNC110 - other processes tell nobody
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {within_s:.0f} s for {what}") from None


# --- nodes ----------------------------------------------------------------------------------------


@dataclass
class Node:
    name: str
    pid: int
    reading: asyncio.StreamReader
    writing: asyncio.StreamWriter

    def tell(
        self, trials: Sequence[Trial], die_at: int | None = None, stop_at: str | None = None
    ) -> None:
        turns = [[trial.id, trial.trade.what] for trial in trials]
        wish = {"turns": turns, "die_at": die_at, "stop_at": stop_at}
        self.writing.write(f"{json.dumps(wish)}\n".encode())

    async def hear(self, within_s: float = 300.0) -> dict[str, Any] | None:
        """What it says of its errand, in which dozens of shops have their turn; None: it was
        killed."""
        async with asyncio.timeout(within_s):
            try:
                line = await self.reading.readline()
            except ConnectionError:
                return None
        return json.loads(line) if line else None

    async def errand(self, trials: Sequence[Trial], **fate: Any) -> dict[str, Any] | None:
        self.tell(trials, **fate)
        return await self.hear()

    @property
    def is_stopped(self) -> bool:
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


@dataclass
class Nodes:
    """Where nodes come from."""

    nursery: subprocess.Popen[str]
    server: asyncio.Server | None = None
    port: int = 0
    coming: dict[str, asyncio.Future[Node]] = field(default_factory=dict)
    living: dict[str, Node] = field(default_factory=dict)
    number: int = 0

    async def open(self) -> None:
        self.server = await asyncio.start_server(self._come, "127.0.0.1", 0, limit=2**22)
        self.port = self.server.sockets[0].getsockname()[1]

    async def another(self, *, itself: bool = False) -> Node:
        """``itself``: the nursery is that node, and makes no other one until it was left."""
        self.number += 1
        name = f"node {self.number}"
        coming = self.coming[name] = asyncio.get_running_loop().create_future()
        assert self.nursery.stdin is not None
        wish = {"port": self.port, "name": name, "itself": itself}
        self.nursery.stdin.write(f"{json.dumps(wish)}\n")
        self.nursery.stdin.flush()
        async with asyncio.timeout(60):
            node: Node = await coming
        self.living[name] = node
        return node

    async def _come(self, reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        said = json.loads(await reading.readline())
        self.coming.pop(said["name"]).set_result(Node(said["name"], said["pid"], reading, writing))

    def leave(self, node: Node) -> None:
        """It ends by itself, unless it was killed."""
        self.living.pop(node.name, None)
        node.writing.close()

    def close(self) -> None:
        if self.server is not None:
            self.server.close()
        for node in list(self.living.values()):
            self.leave(node)
            try:
                node.signal(signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.nursery.stdin is not None:
            self.nursery.stdin.close()
        self.nursery.wait(60)
