"""A node of the kitchen, that can be killed or stopped at any act, as a power cut or a machine that
is out of breath would.

Started as a program it is the place where nodes come from: each line of its input is a JSON object
``{"port": where the play listens, "name": ..., "itself": false}``, for which it forks a node. With
``"itself": true`` it is that node, until it is left: what it learns then, all later ones know. A
node calls at that port, says its name, and gets a line for each errand::

    {"turns": [[account id, "work" | "sweep" | "reports"], ...],
     "die_at": number of the act or null, "stop_at": name of the act or null}

``die_at``: SIGKILL at that act of this errand; ``stop_at``: SIGSTOP, once. It answers with the acts
of each account, by name and in order.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import event

from evergrant import wiring
from evergrant.adapters.amazon import HttpSellingPartnerApi
from evergrant.adapters.budgets import open_budgets  # noqa: F401  # once, before the nodes
from evergrant.adapters.documents import HttpDocuments
from evergrant.adapters.store import open_store
from evergrant.adapters.store.postgres import PostgresStore
from evergrant.calls.paths import Paths
from evergrant.desk import Desk
from evergrant.errors import EvergrantError
from evergrant.ports.amazon import Answer, Call
from evergrant.ports.store import Transaction, not_after
from evergrant.rules import feedplans
from evergrant.rules.feedruns import PATHS, Path
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.settings import Cooking, Settings
from evergrant.testing.bell import MemoryBell
from tests import conftest  # noqa: F401  # authorities that the machine trusts are read once

__all__ = ["FEW_LISTINGS", "FEW_PACKAGES", "Acts", "errand", "few_are_few", "open_node"]

#: More than these go by feed; usually it takes hundreds and thousands.
FEW_LISTINGS, FEW_PACKAGES = 4, 3
#: Amazon's silence is a lost answer after so long.
TIMEOUT_S = 1.5
AT_ONCE = 6
KITCHEN = re.compile(
    r"\b(?:INSERT INTO|UPDATE|DELETE FROM) "
    r"(?:changes|feed_runs|work|orders|order_sweeps|amazon_reports)\b"
)
#: Whose turn the present errand is.
_account: ContextVar[str] = ContextVar("account", default="")


def few_are_few() -> None:
    """A handful counts as many, so that what usually takes thousands is seen; and nobody waits for
    a permit: in the play no time passes by itself."""
    some = replace(PATHS[Path.CONFIRM_SHIPMENT], most=FEW_PACKAGES)
    Cooking.__init__.__kwdefaults__["patience_s"] = 0.0  # type: ignore[index]
    # Nor for a lock that a node has which is stopped.
    (open_store.__kwdefaults__ or {})["patience_s"] = 3.0
    paths = MappingProxyType({**PATHS, Path.CONFIRM_SHIPMENT: some})
    setattr(feedplans, "PATHS", paths)  # noqa: B010


@asynccontextmanager
async def open_node(settings: Settings) -> AsyncIterator[Desk]:
    """Real rooms over real pipes. No bell: the play knows who is due."""
    settings = replace(settings, amazon_timeout_s=TIMEOUT_S, patch_most=FEW_LISTINGS)
    async with wiring.open_desk(settings, bell=MemoryBell()) as desk:
        yield desk


def _put(kind: type[Any], name: str, way: Any) -> None:
    setattr(kind, name, way)


class Acts:
    """What a node does outside its own head: commits of the kitchen's, calls, uploads, downloads.
    It says each before it may be the last one."""

    def __init__(self) -> None:
        self.told: dict[str, list[str]] = defaultdict(list)
        self.die_at: int | None = None
        self.stop_at: str | None = None
        self._paths = Paths()

    def begin(self, die_at: int | None, stop_at: str | None) -> None:
        self.told.clear()
        self.die_at, self.stop_at = die_at, stop_at

    def act(self, name: str) -> None:
        if not _account.get():
            return
        told = self.told[_account.get()]
        told.append(name)
        if self.die_at == len(told):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.stop_at == name:
            self.stop_at = None
            os.kill(os.getpid(), signal.SIGSTOP)

    def watch(self) -> None:
        self._watch_calls()
        self._watch_documents()
        self._watch_commits()

    def _watch_calls(self) -> None:
        plain = HttpSellingPartnerApi.send

        async def send(pipe: HttpSellingPartnerApi, call: Call, access_token: Secret) -> Answer:
            operation = self._paths.read(call.method, call.path, "")
            name = operation.name.rpartition(".")[2]
            self.act(f"before {name}")
            answer = await plain(pipe, call, access_token)
            self.act(f"after {name}")
            return answer

        _put(HttpSellingPartnerApi, "send", send)

    def _watch_documents(self) -> None:
        plain_up, plain_down = HttpDocuments.upload, HttpDocuments.download

        async def upload(pipe: Any, *args: Any, **named: Any) -> Any:
            self.act("before the upload")
            await plain_up(pipe, *args, **named)
            self.act("after the upload")

        @asynccontextmanager
        async def download(pipe: Any, *args: Any, **named: Any) -> AsyncIterator[Any]:
            self.act("before the download")
            async with plain_down(pipe, *args, **named) as coming:
                yield coming
            self.act("after the download")

        _put(HttpDocuments, "upload", upload)
        _put(HttpDocuments, "download", download)

    def _watch_commits(self) -> None:
        plain_init = PostgresStore.__init__

        def made(store: PostgresStore, *args: Any, **named: Any) -> None:
            plain_init(store, *args, **named)

            @event.listens_for(store._engine.sync_engine, "before_cursor_execute")
            def _(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
                if KITCHEN.search(statement):
                    connection.info["wrote"] = True

        plain = PostgresStore._transaction

        @asynccontextmanager
        async def transaction(store: PostgresStore) -> AsyncIterator[Transaction]:
            async with plain(store) as tx:
                info = tx.connection.sync_connection.info  # type: ignore[attr-defined]
                info.pop("wrote", None)
                yield tx
                wrote = info.pop("wrote", False)
                if wrote:
                    self.act("before a commit")
            if wrote:
                self.act("after a commit")

        _put(PostgresStore, "__init__", made)
        _put(PostgresStore, "_transaction", transaction)


async def errand(desk: Desk, turns: list[list[str]]) -> dict[str, str]:
    """The turns, several at a time; gives what went wrong, by account."""
    room = asyncio.Semaphore(AT_ONCE)
    wrong: dict[str, str] = {}

    async def turn(account_id: str, what: str) -> None:
        async with room:
            _account.set(account_id)
            try:
                await _WHAT[what](desk, account_id)
            except (EvergrantError, Exception) as error:  # noqa: BLE001 - the play tells it
                wrong[account_id] = repr(error)

    await asyncio.gather(*(turn(account_id, what) for account_id, what in turns))
    return wrong


async def _work(desk: Desk, account_id: str) -> None:
    await desk.feeds.work.work(account_id)


async def _sweep(desk: Desk, account_id: str) -> None:
    await desk.orders.sweep_now(account_id, by=SYSTEM)


async def _reports(desk: Desk, account_id: str) -> None:
    """As a round of the reading room, for one account alone."""
    async with desk.store.transaction() as tx:
        due = await tx.amazon_reports.all(
            account_id=account_id, ended_at=None, before=not_after("next_at", desk.clock.now())
        )
    for report in due:
        await desk.amazon_reports._asking.turn(report)


_WHAT = {"work": _work, "sweep": _sweep, "reports": _reports}


async def _live(acts: Acts, port: int, name: str) -> None:
    reading, writing = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    async with open_node(Settings.from_environment()) as desk:
        writing.write(f"{json.dumps({'name': name, 'pid': os.getpid()})}\n".encode())
        while line := await reading.readline():
            wish = json.loads(line)
            acts.begin(wish.get("die_at"), wish.get("stop_at"))
            wrong = await errand(desk, wish["turns"])
            said = {"acts": acts.told, "wrong": wrong}
            writing.write(f"{json.dumps(said)}\n".encode())
            with suppress(ConnectionError):
                await writing.drain()
    writing.close()


async def _warm_up() -> None:
    """What every node would have to read and to import anew, which costs more than it does."""
    async with open_node(Settings.from_environment()):
        return


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    few_are_few()
    acts = Acts()
    acts.watch()
    asyncio.run(_warm_up())
    gc.freeze()
    for line in sys.stdin:
        wish = json.loads(line)
        if wish["itself"]:
            asyncio.run(_live(acts, wish["port"], wish["name"]))
            gc.collect()
            gc.freeze()
        elif os.fork() == 0:
            code = 1
            try:
                os.close(0)
                asyncio.run(_live(acts, wish["port"], wish["name"]))
                code = 0
            except BaseException as error:  # noqa: BLE001 - told by the log and the code
                print(repr(error), file=sys.stderr, flush=True)
            finally:
                os._exit(code)


if __name__ == "__main__":
    main()
