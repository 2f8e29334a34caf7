"""The tasks, and the worker that does them until it is told to stop.

Answers for: which task calls which verb, and for coming back after the queue went away. Does not
answer for: trying again; rooms decide that, and the next minute comes.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from procrastinate import App, JobContext
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import DeleteJobCondition

from evergrant.adapters.bell import DELIVER, POST_QUEUE, ROUNDS_QUEUE, WORK_QUEUE
from evergrant.adapters.queue import take_over_stalled
from evergrant.desk import Desk
from evergrant.entrances.worker.cooking import define_cooking
from evergrant.errors import EvergrantError, NotFound
from evergrant.logs import about, logger
from evergrant.ports import Bell
from evergrant.post import Attempt
from evergrant.rotation import Turned
from evergrant.watch import Probed, Swept

__all__ = ["Pace", "work"]

log = logger(__name__)

TIDY_AFTER_HOURS = 24 * 30
COOKS_QUEUES = [WORK_QUEUE, ROUNDS_QUEUE]
OTHER_QUEUES = [POST_QUEUE, "sweep", "queue"]

#: Told after every job: name of the task, ``done`` or ``failed``.
Ended = Callable[[str, str], None]
#: Told after every attempt at a mail or webhook: its topic, and ``sent``, ``waiting`` (it is tried
#: again) or ``failed`` (given up).
Posted = Callable[[str, str], None]
#: Told after every round of the clock tower: what was done, and how often. Names no account.
Watched = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the worker breathes. A worker that is silent for ``silent_for_s`` counts as dead:
    several heartbeats, so that a busy machine is not mistaken for a dead one."""

    concurrency: int = 10
    accounts_at_once: int = 20  # turns of the kitchen: they mostly wait for Amazon
    heartbeat_s: float = 3.0
    silent_for_s: float = 20.0
    poll_s: float = 5.0
    grace_s: float = 15.0
    pause_after_trouble_s: float = 2.0


def _nobody(what: str, outcome: str | int) -> None:
    """Nobody counts."""


async def work(
    app: App,
    desk: Desk,
    bell: Bell,
    stop: asyncio.Event,
    *,
    pace: Pace | None = None,
    ended: Ended = _nobody,
    posted: Posted = _nobody,
    watched: Watched = _nobody,
) -> None:
    """Does jobs until ``stop`` is set, then lets those under way come to their end. ``app`` has
    to be open, and is this worker's own. When the database goes away, it comes back with it."""
    pace = pace or Pace()
    define(app, desk, bell, pace, ended, posted, watched)
    while not stop.is_set():
        await _work_until(app, stop, pace)
        if not stop.is_set():
            # Procrastinate ends its worker when a side task fails, as after a database restart.
            log.warning("the worker lost its queue and begins again")
            await _pause(stop, pace.pause_after_trouble_s)


async def _work_until(app: App, stop: asyncio.Event, pace: Pace) -> None:
    """Two workers in one: nobody's mail waits because many accounts have their turn."""
    working = [
        asyncio.create_task(_worker(app, pace, OTHER_QUEUES, pace.concurrency), name="worker"),
        asyncio.create_task(_worker(app, pace, COOKS_QUEUES, pace.accounts_at_once), name="cook"),
    ]
    stopping = asyncio.create_task(stop.wait(), name="worker's end")
    try:
        await asyncio.wait({*working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopping, *working):
            task.cancel()
        ends = await asyncio.gather(*working, stopping, return_exceptions=True)
    for trouble in ends[:-1]:
        if isinstance(trouble, ProcrastinateException | OSError):
            log.warning("the queue does not answer", error=str(trouble) or type(trouble).__name__)
        elif isinstance(trouble, Exception):
            log.error("the worker broke", exc_info=trouble)


async def _worker(app: App, pace: Pace, queues: list[str], concurrency: int) -> None:
    await app.run_worker_async(
        name="evergrant",
        queues=queues,
        concurrency=concurrency,
        fetch_job_polling_interval=pace.poll_s,
        abort_job_polling_interval=60.0,
        update_heartbeat_interval=pace.heartbeat_s,
        stalled_worker_timeout=pace.silent_for_s,
        shutdown_graceful_timeout=pace.grace_s,
        delete_jobs=DeleteJobCondition.SUCCESSFUL,
        install_signal_handlers=False,
    )


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


class _Told:
    """Does one job, counts it, and says what became of it."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended

    async def __call__(self, name: str, doing: Awaitable[Any], **facts: object) -> Any:
        with about(task=name, **facts):
            try:
                result = await doing
            except EvergrantError as error:
                self._ended(name, "failed")
                log.warning("a job failed", error=error.code, message=error.message)
                return None
            except Exception:
                self._ended(name, "failed")
                log.exception("a job broke")
                raise
            self._ended(name, "done")
            return result


def define(
    app: App,
    desk: Desk,
    bell: Bell,
    pace: Pace,
    ended: Ended,
    posted: Posted = _nobody,
    watched: Watched = _nobody,
) -> None:
    """Registers the tasks at ``app``. A task that fails is not tried again by the queue: its room
    or the next minute does, by rules of ours."""
    told = _Told(ended)

    @app.task(name=DELIVER, queue=POST_QUEUE)
    async def deliver(item_id: str) -> None:
        attempt: Attempt | None = await told(DELIVER, _delivered(desk, item_id), outbox_id=item_id)
        if attempt is None:
            return
        item = attempt.item
        if attempt.made:
            posted(item.topic, item.state.value)
        (log.info if attempt.made else log.debug)(
            "post",
            outbox_id=item.id,
            event_id=item.event_id,
            kind=item.kind.value,
            topic=item.topic,
            outcome=item.state.value,
            attempts=item.attempts,
            error=item.last_error or None,
        )

    _define_rounds(app, desk, bell, told, watched)
    define_cooking(app, desk, bell, told, watched)

    @app.periodic(cron="* * * * * */15", periodic_id="queue.recover")
    @app.task(name="queue.recover", queue="queue", queueing_lock="queue.recover")
    async def recover(timestamp: int) -> None:
        found = await told("queue.recover", take_over_stalled(app, silent_for_s=pace.silent_for_s))
        if found:
            log.warning("jobs of a dead worker are begun again", jobs=found)

    @app.periodic(cron="17 3 * * *", periodic_id="queue.tidy")
    @app.task(name="queue.tidy", queue="queue", queueing_lock="queue.tidy", pass_context=True)
    async def tidy(context: JobContext, timestamp: int) -> None:
        await told(
            "queue.tidy",
            app.job_manager.delete_old_jobs(
                nb_hours=TIDY_AFTER_HOURS,
                include_failed=True,
                include_cancelled=True,
                include_aborted=True,
            ),
        )


def _define_rounds(app: App, desk: Desk, bell: Bell, told: _Told, watched: Watched) -> None:
    """What is looked for each minute, by one worker of all. None of them waits for another: probes
    wait for Amazon, rotations for AWS, and reminders for nobody."""

    @app.periodic(cron="* * * * *", periodic_id="post.sweep")
    @app.task(name="post.sweep", queue="sweep", queueing_lock="post.sweep", lock="post.sweep")
    async def post_sweep(timestamp: int) -> None:
        due = await told("post.sweep", desk.post.sweep())
        if due:
            await bell.ring(due)

    @app.periodic(cron="* * * * *", periodic_id="watch.sweep")
    @app.task(name="watch.sweep", queue="sweep", queueing_lock="watch.sweep", lock="watch.sweep")
    async def watch_sweep(timestamp: int) -> None:
        swept = await told("watch.sweep", desk.watch.sweep())
        if swept is not None:
            log.debug("watch", swept=str(swept))
            _count(watched, "", swept)

    @app.periodic(cron="29 * * * *", periodic_id="sessions.tidy")
    @app.task(name="sessions.tidy", queue="sweep", queueing_lock="sessions.tidy")
    async def sessions_tidy(timestamp: int) -> None:
        if rows := await told("sessions.tidy", desk.sessions.tidy()):
            log.debug("sessions of long ago are forgotten", rows=rows)

    @app.periodic(cron="* * * * *", periodic_id="watch.probe")
    @app.task(name="watch.probe", queue="sweep", queueing_lock="watch.probe", lock="watch.probe")
    async def watch_probe(timestamp: int) -> None:
        probed = await told("watch.probe", desk.watch.probe())
        if probed is not None:
            log.debug("probes", probed=str(probed))
            _count(watched, "probes_", probed)

    @app.periodic(cron="* * * * *", periodic_id="watch.rotate")
    @app.task(name="watch.rotate", queue="sweep", queueing_lock="watch.rotate", lock="watch.rotate")
    async def watch_rotate(timestamp: int) -> None:
        turned = await told("watch.rotate", desk.watch.rotate())
        if turned is not None:
            log.debug("rotations", turned=str(turned))
            _count(watched, "rotations_", turned)


def _count(watched: Watched, prefix: str, counts: Swept | Probed | Turned) -> None:
    for one in dataclasses.fields(counts):
        if number := getattr(counts, one.name):
            watched(f"{prefix}{one.name}", number)


async def _delivered(desk: Desk, item_id: str) -> Attempt | None:
    try:
        return await desk.post.attempt(item_id)
    except NotFound:
        # Rung for an item that is gone: nothing to deliver, and nothing to try again.
        log.info("rung for an item that is not there", outbox_id=item_id)
        return None
