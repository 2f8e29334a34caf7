"""The operations door: ``/healthz``, ``/readyz``, ``/metrics``.

Answers for: whether this process lives (healthz: it can answer), whether it is of use (readyz:
the store and the key ring answer), and figures for Prometheus. Does not answer for: what is wrong
with the set-up; that is ``evergrant check``.

The door stands open inside a house, so nothing in here names a person, a shop or an application.
Accounts stand there by Evergrant's own ids, the busiest ones only, with how often they called which
of Amazon's operations (``call_figures``): that tells whoever may look how busy a customer is, but
not which one. It is closed to the outside, as the guide says, and without accounts where the
settings say so. A figure that cannot be had is left out; a scrape never fails because of it.
"""

from __future__ import annotations

import asyncio
import math
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from evergrant import __version__
from evergrant.desk import Desk
from evergrant.entrances.call_figures import ACCOUNT_SERIES, CallFigures
from evergrant.errors import EvergrantError
from evergrant.limits import Limits
from evergrant.limits.counts import Tally
from evergrant.logs import logger
from evergrant.ports import Keyring
from evergrant.ports.store import not_after
from evergrant.ports.things import OutboxState
from evergrant.rules.feedruns import RunStep
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind

__all__ = ["Meters", "build", "keyring_answers"]

log = logger(__name__)

#: A part that needs longer than this is not ready.
PATIENCE_S = 3.0
#: Counts from the database are at most this old.
COUNTS_FRESH_S = 10.0
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

Probe = Callable[[], Awaitable[object]]


class _Answers(Collector):
    """Counts answers. On the way of every request, so it is plain dictionaries, which become
    figures when somebody looks: the library's own counters cost more than a hot answer may."""

    def __init__(self) -> None:
        self._statuses: dict[tuple[str, int], int] = {}
        self._places: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def note(self, door: str, status: int, seconds: float) -> None:
        key = (door, status)
        self._statuses[key] = self._statuses.get(key, 0) + 1
        places = self._places.get(door)
        if places is None:
            places = self._places[door] = [0] * (len(_BOUNDS) + 1)
            self._sums[door] = 0.0
        places[bisect_left(_BOUNDS, seconds)] += 1
        self._sums[door] += seconds

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "evergrant_requests",
            "Requests answered, by door and status.",
            labels=("door", "status"),
        )
        for (door, status), count in self._statuses.items():
            requests.add_metric((door, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily(
            "evergrant_request_seconds", "How long answers took, by door.", labels=("door",)
        )
        bounds = (*(f"{bound:g}" for bound in _BOUNDS), "+Inf")
        for door, places in self._places.items():
            buckets = list(zip(bounds, accumulate(places), strict=True))
            seconds.add_metric((door,), buckets, self._sums[door])
        yield seconds


class Meters:
    """The figures of one process. One registry of its own, so that tests may have many.
    ``account_series``: pairs of account and operation that are named, the busiest ones."""

    def __init__(self, account_series: int = ACCOUNT_SERIES) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._answers = _Answers()
        self.registry.register(self._answers)
        self.jobs = Counter(
            "evergrant_jobs",
            "Jobs that this process's worker ended, by task and outcome.",
            ("task", "outcome"),
            registry=self.registry,
        )
        self.posts = Counter(
            "evergrant_post_attempts",
            "Attempts at mails and webhooks of this process's worker, by topic and outcome.",
            ("topic", "outcome"),
            registry=self.registry,
        )
        self.watch = Counter(
            "evergrant_watch",
            "What this process's worker did by the clock: reminders told, terms ended, probes, "
            "rotations asked for and promoted, feed runs made and settled, orders, and so on.",
            ("what",),
            registry=self.registry,
        )
        self.notices = Gauge(
            "evergrant_notices_open",
            "What hangs on the notice board, by kind.",
            ("kind",),
            registry=self.registry,
        )
        self.authorizations = Gauge(
            "evergrant_authorizations",
            "Authorizations in the account book, by state.",
            ("state",),
            registry=self.registry,
        )
        self.outbox = Gauge(
            "evergrant_outbox_items",
            "Mails and webhooks, by state.",
            ("state",),
            registry=self.registry,
        )
        self.due = Gauge(
            "evergrant_accounts_due",
            "Accounts whose turn in the kitchen has come; many for long: too few workers.",
            registry=self.registry,
        )
        self.runs = Gauge(
            "evergrant_feed_runs_open",
            "Feed runs that are not over, by step.",
            ("step",),
            registry=self.registry,
        )
        self.ready = Gauge(
            "evergrant_part_ready",
            "1 when a part that readiness needs answered at the last look.",
            ("part",),
            registry=self.registry,
        )
        Gauge("evergrant_info", "Always 1.", ("version",), registry=self.registry).labels(
            __version__
        ).set(1)
        self._counted_at = float("-inf")
        self._account_series = account_series
        self._counting: Limits | None = None

    def answered(self, door: str, status: int, seconds: float) -> None:
        """One request that came to its end."""
        self._answers.note(door, status, seconds)

    def job_ended(self, task: str, outcome: str) -> None:
        """``outcome``: ``done`` or ``failed``."""
        self.jobs.labels(task, outcome).inc()

    def posted(self, topic: str, outcome: str) -> None:
        """``outcome``: ``sent``, ``waiting`` (tried again) or ``failed`` (given up)."""
        self.posts.labels(topic, outcome).inc()

    def watched(self, what: str, number: int) -> None:
        """``what``: a count of a round of the clock tower."""
        self.watch.labels(what).inc(number)

    def show_calls(self, limits: Limits) -> None:
        """Whatever this meter counts is shown from now on."""
        if self._counting is None:
            self.registry.register(CallFigures(self._tally, self._account_series))
        self._counting = limits

    def _tally(self) -> Tally:
        return Tally() if self._counting is None else self._counting.tally

    async def count(self, desk: Desk) -> None:
        """Takes the counts from the store, unless they are fresh. Raises StoreUnavailable."""
        now = time.monotonic()
        if now - self._counted_at < COUNTS_FRESH_S:
            return
        self._counted_at = now
        async with desk.store.transaction() as tx:
            for state in State:
                self.authorizations.labels(state.value).set(
                    await tx.authorizations.count(state=state)
                )
            for kept in OutboxState:
                self.outbox.labels(kept.value).set(await tx.outbox.count(state=kept))
            for kind in NoticeKind:
                hanging = await tx.notices.count(kind=kind, settled_at=None)
                self.notices.labels(kind.value).set(hanging)
            self.due.set(await tx.work.count(before=not_after("due_at", desk.clock.now())))
            for step in RunStep:
                if not step.is_over:
                    self.runs.labels(step.value).set(
                        await tx.feed_runs.count(step=step, ended_at=None)
                    )


def keyring_answers(keyring: Keyring) -> Probe:
    """A probe: the current key seals something and opens it again."""

    async def answers() -> None:
        key_id, sealed = await keyring.seal(b"ready?", "readiness")
        if await keyring.open(key_id, sealed, "readiness") != b"ready?":
            raise RuntimeError("the key ring opened something else than it sealed")

    return answers


def build(desk: Desk, meters: Meters, probes: Mapping[str, Probe]) -> Starlette:
    """``probes``: what readiness needs, by name, beside the store, which is always asked."""
    meters.show_calls(desk.limits)
    door = _Ops(desk, meters, {"store": desk.store.ping, **probes})
    return Starlette(
        routes=[
            Route("/healthz", door.health),
            Route("/readyz", door.readiness),
            Route("/metrics", door.metrics),
        ]
    )


class _Ops:
    def __init__(self, desk: Desk, meters: Meters, probes: Mapping[str, Probe]) -> None:
        self._desk = desk
        self._meters = meters
        self._probes = probes

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("alive\n", headers={"cache-control": "no-store"})

    async def readiness(self, _: Request) -> Response:
        parts = dict(
            zip(
                self._probes,
                await asyncio.gather(*(self._ask(*item) for item in self._probes.items())),
                strict=True,
            )
        )
        ready = all(answer == "ok" for answer in parts.values())
        body: dict[str, Any] = {"ready": ready, "parts": parts, "version": __version__}
        return JSONResponse(
            body, status_code=200 if ready else 503, headers={"cache-control": "no-store"}
        )

    async def _ask(self, name: str, probe: Probe) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await probe()
        except TimeoutError:
            answer = "no answer in time"
        except EvergrantError as error:
            answer = error.code
        except Exception:
            log.exception("a readiness probe broke", part=name)
            answer = "broken"
        else:
            answer = "ok"
        self._meters.ready.labels(name).set(answer == "ok")
        return answer

    async def metrics(self, _: Request) -> Response:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._meters.count(self._desk)
        except (EvergrantError, TimeoutError) as error:
            self._meters.authorizations.clear()
            self._meters.outbox.clear()
            self._meters.notices.clear()
            self._meters.runs.clear()
            self._meters.due.set(math.nan)
            log.warning("counts for /metrics are not to be had", error=str(error))
        return Response(
            generate_latest(self._meters.registry), headers={"content-type": CONTENT_TYPE_LATEST}
        )
