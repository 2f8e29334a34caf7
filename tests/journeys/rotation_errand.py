"""A process that makes the locksmith's rounds and kills itself at a step, as a power cut would.

It reads one line of JSON for each errand, forks, and lets the child go: real rooms on PostgreSQL,
Amazon and AWS over HTTP. ``die_at``: the number of the step at which the child gets SIGKILL; null:
it goes on until the rotation is done. Answers one line: how the child ended, and its steps.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

# Once, before the children: otherwise each of them imports what is only needed later, which takes
# half of its time.
import aiohttp  # noqa: F401
import boto3  # noqa: F401
import botocore.session  # noqa: F401
import httpcore2

from evergrant import wiring
from evergrant.adapters.amazon import HttpLWA, HttpSellingPartnerApi, upstream  # noqa: F401
from evergrant.adapters.aws import SqsSecretsQueue
from evergrant.adapters.store.postgres import PostgresStore
from evergrant.ports.store import Transaction
from evergrant.rotation import arrivals
from evergrant.settings import Settings

DEADLINE_S = 60.0
ROTATE = "/applications/2023-11-30/clientSecret"


class Steps:
    """Writes each step down before it may be the last."""

    def __init__(self, pipe: int, die_at: int | None) -> None:
        self._pipe = pipe
        self._die_at = die_at
        self._number = 0

    def __call__(self, name: str) -> None:
        self._number += 1
        os.write(self._pipe, f"{name}\n".encode())
        if self._number == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)


def watch_steps(step: Steps) -> None:
    """Every touch of the world outside, and every commit of the locksmith's."""

    def around(kind: type[Any], name: str, words: str) -> None:
        plain = getattr(kind, name)

        async def stepped(self: Any, *args: Any, **named: Any) -> Any:
            if name == "send" and args[0].path != ROTATE:
                return await plain(self, *args, **named)
            step(f"before {words}")
            answer = await plain(self, *args, **named)
            step(f"after {words}")
            return answer

        setattr(kind, name, stepped)

    around(HttpLWA, "grantless", "LWA is asked")
    around(HttpSellingPartnerApi, "send", "Amazon is asked")
    around(SqsSecretsQueue, "receive", "the queue is read")
    around(SqsSecretsQueue, "delete", "a message is deleted")
    plain = PostgresStore._transaction

    @asynccontextmanager
    async def stepped(self: PostgresStore) -> AsyncIterator[Transaction]:
        wrote = False
        async with plain(self) as tx:
            change, add = tx.rotations.change, tx.rotations.add

            async def changing(*args: Any, **named: Any) -> Any:
                nonlocal wrote
                wrote = True
                return await change(*args, **named)

            async def adding(*args: Any, **named: Any) -> Any:
                nonlocal wrote
                wrote = True
                return await add(*args, **named)

            tx.rotations.change, tx.rotations.add = changing, adding  # type: ignore[method-assign]
            yield tx
            if wrote:
                step("before a commit")
        if wrote:
            step("after a commit")

    PostgresStore._transaction = stepped  # type: ignore[method-assign]


async def rounds(application_id: str) -> None:
    """Until nothing of the rotation is left to do."""
    arrivals.IDLE_S, arrivals.EXPECTING_S = 0.0, 1.0
    # What a dead process had received is visible again after a second.
    (SqsSecretsQueue.__init__.__kwdefaults__ or {})["hidden_s"] = 1
    settings = Settings.from_environment()
    ends_at = time.monotonic() + DEADLINE_S
    async with wiring.open_wires(settings) as wires:
        while True:
            await wires.desk.rotations.round()
            async with wires.desk.store.transaction() as tx:
                going = await tx.rotations.all(application_id=application_id, ended_at=None)
                done = await tx.rotations.count(application_id=application_id)
            if done and not going:
                return
            if time.monotonic() > ends_at:
                raise TimeoutError(str(going))


def errand(application_id: str, die_at: int | None) -> dict[str, Any]:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        code = 1
        try:
            watch_steps(Steps(write, die_at))
            asyncio.run(rounds(application_id))
            code = 0
        except BaseException as error:  # noqa: BLE001 - told by the log and the code
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as told:
        steps = told.read().splitlines()
    _, status = os.waitpid(child, 0)
    return {
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "steps": steps,
    }


def main() -> None:
    # Neither does each of them read the authorities that this machine trusts.
    known = functools.cache(httpcore2.default_ssl_context)
    known(_trust_env=False)
    setattr(httpcore2, "default_ssl_context", known)  # noqa: B010
    for line in sys.stdin:
        wish = json.loads(line)
        print(json.dumps(errand(wish["application_id"], wish["die_at"])), flush=True)


if __name__ == "__main__":
    main()
