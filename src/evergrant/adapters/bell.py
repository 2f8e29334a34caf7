"""The bell on Procrastinate: defers one job per outbox item, or per account with work, after the
commit.

Answers for: ringing, and for never standing in the way of the one who rings: a ring that fails is
a line in the log and costs a minute, because the worker looks into the outbox by itself. Does not
answer for: doing the jobs (the worker), or for the queue's tables (``adapters.queue``).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from datetime import timedelta

from procrastinate import App
from procrastinate.exceptions import AlreadyEnqueued

__all__ = [
    "DELIVER",
    "ORDERS",
    "POST_QUEUE",
    "ROUNDS_QUEUE",
    "WORK",
    "WORK_QUEUE",
    "ProcrastinateBell",
    "lock_of",
]

log = logging.getLogger(__name__)

#: Name of the task that delivers one outbox item, and its queue. Worker and bell meet here.
DELIVER = "post.deliver"
POST_QUEUE = "post"
#: The same for the work of one account.
WORK = "feeds.work"
WORK_QUEUE = "feeds"
#: The same for orders of one account that somebody waits for, in the queue of rounds: those wait
#: for Amazon or the disk, and are done beside the turns of accounts.
ORDERS = "orders.sweep_asked"
ROUNDS_QUEUE = "rounds"
#: Before the rounds of that queue, as a person looks at the page.
_WAITED_FOR = 2
#: Whoever rings waits no longer than this.
PATIENCE_S = 5.0


def lock_of(outbox_id: str) -> str:
    """At most one job per item waits at a time, however often it is rung for."""
    return f"{DELIVER}/{outbox_id}"


class ProcrastinateBell:
    """``ports.Bell``. ``app`` has to be open."""

    def __init__(self, app: App, *, patience_s: float = PATIENCE_S) -> None:
        self._app = app
        self._patience_s = patience_s

    async def ring(self, outbox_ids: Sequence[str]) -> None:
        """Never raises, whatever happens to the queue."""
        await self._ring(outbox_ids, timedelta())

    async def ring_after(self, outbox_ids: Sequence[str], pause: timedelta) -> None:
        """Never raises either. By the queue's own clock, and looked for every few seconds."""
        await self._ring(outbox_ids, pause)

    async def _ring(self, outbox_ids: Sequence[str], pause: timedelta) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                for outbox_id in outbox_ids:
                    await self._defer(outbox_id, pause)
        except Exception as error:  # noqa: BLE001  # the fact is committed; nobody may hear of this
            log.warning("a ring was lost, the next look into the outbox makes up: %r", error)

    async def _defer(self, outbox_id: str, pause: timedelta) -> None:
        # With a lock of its own: what is to be done later must not hold up what is rung for now.
        lock = f"{lock_of(outbox_id)}/later" if pause else lock_of(outbox_id)
        task = self._app.configure_task(
            DELIVER,
            queue=POST_QUEUE,
            queueing_lock=lock,
            schedule_in={"seconds": math.ceil(pause.total_seconds())} if pause else None,
            allow_unknown=True,
        )
        try:
            await task.defer_async(item_id=outbox_id)
        except AlreadyEnqueued:
            return  # it waits already

    async def ring_for_orders(self, account_id: str) -> None:
        """Never raises either."""
        lock = f"{ORDERS}/{account_id}"
        task = self._app.configure_task(
            ORDERS,
            queue=ROUNDS_QUEUE,
            lock=lock,
            queueing_lock=lock,
            priority=_WAITED_FOR,
            allow_unknown=True,
        )
        try:
            async with asyncio.timeout(self._patience_s):
                await task.defer_async(account_id=account_id)
        except AlreadyEnqueued:
            return
        except Exception as error:  # noqa: BLE001  # it is due, and the next round takes it up
            log.warning("a ring was lost, the next round makes up: %r", error)

    async def ring_for_work(
        self, account_ids: Sequence[str], pause: timedelta = timedelta()
    ) -> None:
        """Never raises either."""
        try:
            async with asyncio.timeout(self._patience_s):
                for account_id in account_ids:
                    await self._defer_work(account_id, pause)
        except Exception as error:  # noqa: BLE001  # the changes are committed; the next tick looks
            log.warning("a ring was lost, the next tick makes up: %r", error)

    async def _defer_work(self, account_id: str, pause: timedelta) -> None:
        lock = f"{WORK}/{account_id}"
        task = self._app.configure_task(
            WORK,
            queue=WORK_QUEUE,
            lock=lock,  # one at a time
            queueing_lock=f"{lock}/later" if pause else lock,  # and one that waits
            schedule_in={"seconds": math.ceil(pause.total_seconds())} if pause else None,
            allow_unknown=True,
        )
        try:
            await task.defer_async(account_id=account_id)
        except AlreadyEnqueued:
            return
