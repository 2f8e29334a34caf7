"""A node of Evergrant's for the simulated year: it looks around when it is told to, and it can be
killed at any step of that, as a power cut would.

Started as a program it is the place where nodes come from: each line of its input is a JSON object
``{"port": where the play listens, "name": ...}``, for which it forks a node. A node calls at that
port, says its name, and gets a line for each look: ``{"die_at": [step, n] or null}``: SIGKILL at
the n-th time that it comes to that step.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import boto3  # noqa: F401  # once, before the nodes
import botocore.session  # noqa: F401

from evergrant import wiring
from evergrant.adapters.amazon import HttpLWA, HttpSellingPartnerApi
from evergrant.adapters.aws import SqsSecretsQueue
from evergrant.adapters.mail import SmtpMail
from evergrant.adapters.store import open_store  # noqa: F401
from evergrant.adapters.store.postgres import PostgresStore
from evergrant.adapters.webhooks import HttpWebhooks
from evergrant.desk import Desk
from evergrant.errors import EvergrantError
from evergrant.ports.store import Transaction
from evergrant.ports.things import OutboxState
from evergrant.rotation import arrivals
from evergrant.settings import Settings
from evergrant.testing.bell import MemoryBell

__all__ = ["STEPS", "hurry", "look", "open_node"]

#: Where a node may be killed.
STEPS = tuple(
    f"{when} {what}"
    for what in ("commit", "mail", "webhook", "LWA", "Amazon", "queue", "message")
    for when in ("before", "after")
)
#: Nobody is probed unless the play says so: a probe tells earlier what its script tells later.
NEVER = timedelta(days=365_000)
#: Deliveries at once, and rounds of them until nothing is due any more.
AT_ONCE = 8
ROUNDS = 50


def hurry() -> None:
    """A queue without a message is not waited for: in the play no time passes by itself."""
    arrivals.IDLE_S = arrivals.EXPECTING_S = 0.0


@asynccontextmanager
async def open_node(settings: Settings) -> AsyncIterator[Desk]:
    """Real rooms over real pipes. No bell: all that is due is looked for."""
    settings = replace(settings, probe_every=NEVER)
    async with wiring.open_desk(settings, bell=MemoryBell()) as desk:
        yield desk


async def look(desk: Desk) -> dict[str, Any]:
    """What workers do each minute: the watch's round, and every delivery that is due."""
    swept = await desk.watch.sweep_all()
    delivered = 0
    room = asyncio.Semaphore(AT_ONCE)

    async def deliver(item_id: str) -> OutboxState | None:
        async with room:
            attempt = await desk.post.attempt(item_id)
            return attempt.item.state if attempt.made else None

    for _ in range(ROUNDS):
        due = await desk.post.sweep()
        made = [one for one in await asyncio.gather(*map(deliver, due)) if one is not None]
        delivered += made.count(OutboxState.SENT)
        if not made:
            break
    else:
        raise RuntimeError(f"after {ROUNDS} rounds there is still post to deliver: {due[:5]}")
    return {"delivered": delivered, **asdict(swept)}


# --- being killed ---------------------------------------------------------------------------


class _Fate:
    def __init__(self) -> None:
        self.die_at: tuple[str, int] | None = None
        self.steps: Counter[str] = Counter()

    def begin(self, die_at: tuple[str, int] | None) -> None:
        self.die_at, self.steps = die_at, Counter()

    def step(self, name: str) -> None:
        self.steps[name] += 1
        if self.die_at == (name, self.steps[name]):
            os.kill(os.getpid(), signal.SIGKILL)


def _watch_steps(fate: _Fate) -> None:
    """Every touch of the world outside, and every commit."""

    def around(kind: type[Any], name: str, what: str) -> None:
        plain = getattr(kind, name)

        async def stepped(self: Any, *args: Any, **named: Any) -> Any:
            fate.step(f"before {what}")
            answer = await plain(self, *args, **named)
            fate.step(f"after {what}")
            return answer

        setattr(kind, name, stepped)

    around(SmtpMail, "send", "mail")
    around(HttpWebhooks, "deliver", "webhook")
    around(HttpLWA, "refresh", "LWA")
    around(HttpLWA, "grantless", "LWA")
    around(HttpSellingPartnerApi, "send", "Amazon")
    around(SqsSecretsQueue, "receive", "queue")
    around(SqsSecretsQueue, "delete", "message")
    plain = PostgresStore._transaction

    @asynccontextmanager
    async def stepped(self: PostgresStore) -> AsyncIterator[Transaction]:
        async with plain(self) as tx:
            yield tx
            fate.step("before commit")
        fate.step("after commit")

    PostgresStore._transaction = stepped  # type: ignore[method-assign]


async def _live(port: int, name: str) -> None:
    hurry()
    fate = _Fate()
    _watch_steps(fate)
    reading, writing = await asyncio.open_connection("127.0.0.1", port)
    async with open_node(Settings.from_environment()) as desk:
        writing.write(f"{json.dumps({'name': name, 'pid': os.getpid()})}\n".encode())
        while line := await reading.readline():
            wish = json.loads(line)
            fate.begin(tuple(wish["die_at"]) if wish["die_at"] else None)
            try:
                said: dict[str, Any] = await look(desk)
            except (EvergrantError, Exception) as error:  # noqa: BLE001 - the play tells it
                said = {"error": repr(error)}
            writing.write(f"{json.dumps({**said, 'steps': fate.steps})}\n".encode())
    writing.close()


async def _warm_up() -> None:
    """What every node would have to read and to import anew."""
    async with open_node(Settings.from_environment()):
        return


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    asyncio.run(_warm_up())
    gc.freeze()
    for line in sys.stdin:
        wish = json.loads(line)
        if os.fork() == 0:
            code = 1
            try:
                os.close(0)
                asyncio.run(_live(wish["port"], wish["name"]))
                code = 0
            except BaseException as error:  # noqa: BLE001 - told by the log and the code
                print(repr(error), file=sys.stderr, flush=True)
            finally:
                os._exit(code)


if __name__ == "__main__":
    main()
