"""Health, readiness and figures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from evergrant import __version__
from evergrant.entrances import ops
from evergrant.errors import StoreUnavailable
from evergrant.ports.things import OutboxItem, OutboxKind
from evergrant.testing.desk import Fakes, desk


@asynccontextmanager
async def door(
    fakes: Fakes, meters: ops.Meters | None = None, **probes: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    app = ops.build(
        desk(fakes),
        meters or ops.Meters(),
        {"keyring": ops.keyring_answers(fakes.keyring), **probes},
    )
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://house.example") as http:
        yield http


class Away:
    """Stands before the store's verbs as a database that is gone."""

    def __init__(self, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fakes.store, "ping", self._gone)
        monkeypatch.setattr(fakes.store, "transaction", self._transaction)

    async def _gone(self) -> None:
        raise StoreUnavailable

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        raise StoreUnavailable
        yield  # type: ignore[unreachable]  # makes it a generator


async def test_healthy_is_whoever_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    Away(fakes, monkeypatch)
    async with door(fakes) as http:
        answer = await http.get("/healthz")
    assert answer.status_code == 200
    assert answer.text == "alive\n"


async def test_ready_when_store_and_key_ring_answer() -> None:
    async with door(Fakes()) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "ready": True,
        "parts": {"store": "ok", "keyring": "ok"},
        "version": __version__,
    }


async def test_not_ready_without_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    Away(fakes, monkeypatch)
    async with door(fakes) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {"store": "store_unavailable", "keyring": "ok"}


async def test_not_ready_without_the_key_ring() -> None:
    fakes = Fakes()
    fakes.keyring.lose(await fakes.keyring.current_key_id())
    async with door(fakes) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["store"] == "ok"
    assert answer.json()["parts"]["keyring"] != "ok"


async def test_a_part_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "PATIENCE_S", 0.05)

    async def hangs() -> None:
        await asyncio.Event().wait()

    async with door(Fakes(), hanging=hangs) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["hanging"] == "no answer in time"


async def test_a_probe_that_breaks_says_nothing_of_why() -> None:
    async def breaks() -> None:
        raise RuntimeError("postgresql://somebody@somewhere")

    async with door(Fakes(), part=breaks) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["part"] == "broken"
    assert "somewhere" not in answer.text


async def test_figures_of_process_and_house() -> None:
    fakes = Fakes()
    now = fakes.clock.now()
    async with fakes.store.transaction() as tx:
        await tx.outbox.add(
            OutboxItem(
                id="out_1",
                kind=OutboxKind.MAIL,
                topic="invitation",
                subject="inv_1",
                to="owner@shop.example",
                next_at=now,
                created_at=now,
            )
        )
    async with door(fakes) as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'evergrant_outbox_items{state="waiting"} 1.0' in answer.text
    assert 'evergrant_authorizations{state="active"} 0.0' in answer.text
    assert f'evergrant_info{{version="{__version__}"}} 1.0' in answer.text
    assert "process_cpu_seconds_total" in answer.text
    assert "shop.example" not in answer.text


async def test_counts_are_not_taken_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    async with door(fakes) as http:
        await http.get("/metrics")
        # A scrape every second must not become a query every second.
        Away(fakes, monkeypatch)
        answer = await http.get("/metrics")
    assert 'evergrant_outbox_items{state="waiting"} 0.0' in answer.text


async def test_a_scrape_outlives_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    meters = ops.Meters()
    meters.job_ended("post.deliver", "done")
    Away(fakes, monkeypatch)
    async with door(fakes, meters) as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert 'evergrant_jobs_total{outcome="done",task="post.deliver"} 1.0' in answer.text
    assert "evergrant_outbox_items{" not in answer.text
