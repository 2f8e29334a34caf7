"""Health, readiness and figures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from evergrant import __version__, notices
from evergrant.entrances import ops
from evergrant.errors import StoreUnavailable
from evergrant.limits import Limits
from evergrant.naming import new_id
from evergrant.ports.things import OutboxItem, OutboxKind
from evergrant.ports.traded import FeedRun
from evergrant.rules import ids
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import Region
from evergrant.rules.notices import NoticeKind
from evergrant.testing.desk import Fakes, desk
from evergrant.testing.store import MemoryStore
from tests.rooms.hatch_ground import ERP, Hatch, stock


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


async def test_figures_of_the_watch() -> None:
    fakes = Fakes()
    meters = ops.Meters()
    meters.posted("authorization.expiring", "sent")
    meters.watched("reminders_told", 3)
    meters.watched("reminders_told", 2)
    async with fakes.store.transaction() as tx:
        await notices.put(
            tx,
            now=fakes.clock.now(),
            kind=NoticeKind.SECRET_ENDING,
            subject="app_1",
            message="Northwind Connect",
        )
    async with door(fakes, meters) as http:
        answer = await http.get("/metrics")
    told = 'evergrant_post_attempts_total{outcome="sent",topic="authorization.expiring"} 1.0'
    assert told in answer.text
    assert 'evergrant_watch_total{what="reminders_told"} 5.0' in answer.text
    assert 'evergrant_notices_open{kind="secret_ending"} 1.0' in answer.text
    assert 'evergrant_notices_open{kind="term_over"} 0.0' in answer.text
    assert "Northwind" not in answer.text


async def test_figures_of_the_kitchen() -> None:
    hatch = Hatch()
    await hatch.open()
    account = await hatch.add()
    await hatch.taking.put(account.id, [stock("MUG-7")], by=ERP)
    now = hatch.clock.now()
    async with hatch.store.transaction() as tx:
        await tx.feed_runs.add(
            FeedRun(
                id=new_id(ids.Kind.FEED_RUN, now),
                account_id=account.id,
                application_id=account.application_id,
                region=account.region,
                path=Path.ADJUSTMENT_FEED,
                step=RunStep.UNCERTAIN,
                created_at=now,
                changed_at=now,
            )
        )
    assert isinstance(hatch.store, MemoryStore)
    fakes = Fakes(clock=hatch.clock, store=hatch.store)
    meters = ops.Meters()
    meters.watched("feeds_made", 2)
    async with door(fakes, meters) as http:
        answer = await http.get("/metrics")
    assert "evergrant_accounts_due 1.0" in answer.text
    assert 'evergrant_feed_runs_open{step="uncertain"} 1.0' in answer.text
    assert 'evergrant_feed_runs_open{step="planned"} 0.0' in answer.text
    assert 'evergrant_feed_runs_open{step="settled"}' not in answer.text
    assert 'evergrant_watch_total{what="feeds_made"} 2.0' in answer.text
    for word in (account.id, account.name, "MUG-7"):
        assert word not in answer.text


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
    for name in ("outbox_items{", "feed_runs_open{", "accounts_due 0"):
        assert f"evergrant_{name}" not in answer.text


# --- calls ----------------------------------------------------------------------------------------

ORDERS, FEEDS = "orders.v0.getOrders", "feeds.2021-06-30.getFeeds"


def note(limits: Limits, account_id: str, operation: str = ORDERS, **more: Any) -> None:
    told = {"status": 200, "error": "", "took_s": 0.2, "waited_s": 0.0, **more}
    limits.note_call(account_id, operation, Region.EU, **told)


class Figures:
    """What a scrape gives, read by a client's own parser."""

    def __init__(self, text: str) -> None:
        self._rows = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._rows.get((name, tuple(sorted(labels.items()))))

    def accounts(self, name: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for (row, labels), value in self._rows.items():
            if row == name:
                account = dict(labels)["account"]
                found[account] = found.get(account, 0) + value
        return found


@asynccontextmanager
async def scraping(
    most: int = 10,
) -> AsyncIterator[tuple[Limits, Callable[[], Awaitable[Figures]]]]:
    fakes = Fakes()
    house = desk(fakes)
    app = ops.build(house, ops.Meters(account_series=most), {})
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://house.example") as http:

        async def scrape() -> Figures:
            return Figures((await http.get("/metrics")).text)

        yield house.limits, scrape
    await house.limits.close()


async def test_calls_are_counted_by_operation_region_and_outcome() -> None:
    async with scraping() as (limits, scrape):
        note(limits, "acc_1", waited_s=0.3)
        note(limits, "acc_2")
        note(limits, "acc_1", status=429)
        note(limits, "acc_1", status=404, error="NotFound", operation=FEEDS)
        limits.note_refused("acc_1", ORDERS, Region.EU)
        figures = await scrape()
    place = {"operation": ORDERS, "region": "eu"}
    assert figures("evergrant_calls_total", **place, outcome="ok") == 2
    assert figures("evergrant_calls_total", **place, outcome="throttled") == 1
    assert figures("evergrant_calls_total", operation=FEEDS, region="eu", outcome="not_found") == 1
    assert figures("evergrant_throttles_total", **place) == 1
    assert figures("evergrant_refused_total", **place) == 1
    assert figures("evergrant_call_wait_seconds_count", operation=ORDERS) == 3
    assert figures("evergrant_call_wait_seconds_sum", operation=ORDERS) == pytest.approx(0.3)
    assert figures("evergrant_call_wait_seconds_bucket", operation=ORDERS, le="0.25") == 2
    assert figures("evergrant_call_wait_seconds_bucket", operation=ORDERS, le="0.5") == 3
    assert figures("evergrant_call_seconds_sum", operation=ORDERS) == pytest.approx(0.6)


async def test_calls_are_counted_by_account() -> None:
    async with scraping() as (limits, scrape):
        note(limits, "acc_1", waited_s=0.3)
        note(limits, "acc_1", status=429)
        note(limits, "acc_1", status=None)
        limits.note_refused("acc_2", ORDERS, Region.EU)
        figures = await scrape()
    mine = {"account": "acc_1", "operation": ORDERS}
    assert figures("evergrant_account_calls_total", **mine) == 3
    assert figures("evergrant_account_waits_total", **mine) == 1
    assert figures("evergrant_account_throttles_total", **mine) == 1
    assert figures("evergrant_account_errors_total", **mine, cause="no_answer") == 1
    other = {"account": "acc_2", "operation": ORDERS}
    assert figures("evergrant_account_refused_total", **other) == 1


async def test_no_account_is_named_where_the_settings_say_so() -> None:
    async with scraping(most=0) as (limits, scrape):
        note(limits, "acc_1")
        note(limits, "acc_2")
        figures = await scrape()
    assert figures.accounts("evergrant_account_calls_total") == {"other": 2}


async def test_only_the_busiest_accounts_are_named_and_the_rest_is_counted_together() -> None:
    async with scraping(most=2) as (limits, scrape):
        for number in range(6):
            for _ in range(number + 1):
                note(limits, f"acc_{number}")
        figures = await scrape()
        assert figures.accounts("evergrant_account_calls_total") == {
            "acc_5": 6,
            "acc_4": 5,
            "other": 1 + 2 + 3 + 4,
        }


async def test_no_account_is_named_where_nobody_wants_that() -> None:
    async with scraping(most=0) as (limits, scrape):
        note(limits, "acc_1")
        assert (await scrape()).accounts("evergrant_account_calls_total") == {"other": 1}


async def test_no_series_ever_falls_while_accounts_come_and_go() -> None:
    """A counter that falls is taken for one that began anew, all of it for an increase."""
    async with scraping(most=1) as (limits, scrape):
        last: dict[str, float] = {}
        calls = 0
        for round_ in range(1, 30):
            account = f"acc_{round_ % 3}"
            for _ in range(round_):
                note(limits, account, status=200 if round_ % 2 else 500)
                calls += 1
            now = (await scrape()).accounts("evergrant_account_calls_total")
            assert now["other"] >= last.get("other", 0) if "other" in last else True
            for name in last.keys() & now.keys():
                assert now[name] >= last[name]
            assert len(now) <= 2
            last = now


async def test_a_second_look_without_calls_changes_nothing() -> None:
    async with scraping(most=1) as (limits, scrape):
        note(limits, "acc_1")
        note(limits, "acc_2")
        first = (await scrape()).accounts("evergrant_account_calls_total")
        assert (await scrape()).accounts("evergrant_account_calls_total") == first


async def test_what_is_scraped_names_no_shop_and_no_secret() -> None:
    async with scraping() as (limits, scrape):
        note(limits, "acc_1", status=400, error="Atza|" + "x" * 40)
        figures = await scrape()
    assert (
        figures("evergrant_calls_total", operation=ORDERS, region="eu", outcome="invalid_input")
        == 1
    )
