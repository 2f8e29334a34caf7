"""How PostgreSQL goes about what the kitchen asks: by indexes, whatever it believes of the tables.

A busy morning's changes, runs and orders; the very statements of the store; and the plans that
PostgreSQL makes for them. No time is measured here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from evergrant.adapters.store import open_store
from evergrant.ports.store import Transaction, not_after
from evergrant.rules.changes import ChangeKind, ChangeState
from tests.conftest import Databases
from tests.edges.changes_ground import EVERY_KIND, NOW, change, outcome, pick

HOUR = timedelta(hours=1)

#: 40,000 changes of 20 accounts: of each hundred twenty wait, ten are in flight, one is uncertain.
#: Account 7 has had 8,000 more, all over.
LOAD = """
SET session_replication_role = replica;
INSERT INTO changes (id, account_id, kind, lane, marketplace_id, subject, key, wish, reference,
                     intake_id, line, state, run_id, message_id, tries, next_at, code, message,
                     attribute, created_at, settled_at)
SELECT 'chg_' || lpad(n::text, 6, '0'), 'acc_' || CASE WHEN n > 40000 THEN 7 ELSE n %% 20 END,
       CASE n %% 3 WHEN 0 THEN 'price' ELSE 'stock' END, 'listing', 'M' || n %% 4, 'SKU-' || n,
       'SKU-' || n, jsonb_build_object('sku', 'S', 'quantity', n %% 11), '', 'int_' || n / 100, n,
       state,
       CASE WHEN state <> 'pending' THEN 'run_' || n / 500 END,
       CASE WHEN state <> 'pending' THEN n END, 1, NULL, '', '', '', %(now)s,
       CASE WHEN state IN ('accepted', 'refused') THEN %(now)s - interval '1 minute' * n END
  FROM (SELECT n, CASE WHEN n > 40000 OR n / 20 %% 100 > 31 THEN 'accepted'
                       WHEN n / 20 %% 100 < 20 THEN 'pending'
                       WHEN n / 20 %% 100 < 30 THEN 'in_flight'
                       WHEN n / 20 %% 100 = 30 THEN 'uncertain' ELSE 'refused' END AS state
          FROM generate_series(1, 48000) AS n) AS made;
INSERT INTO feed_runs (id, account_id, application_id, region, path, marketplace_id, step, changes,
                       bytes, first_message_id, document_id, submission, feed_id, processing_status,
                       result_document_id, looks, tries, next_at, last_error, accepted, refused,
                       returned, uncertain, facts, created_at, changed_at, ended_at, version)
SELECT 'run_' || lpad(n::text, 5, '0'), 'acc_' || n %% 20, 'app_1', 'eu', 'listings_feed', 'M1',
       'settled', 1, 1, 1, '', '', 'feed_' || n, '', '', 0, 0,
       CASE WHEN n > 7900 THEN %(now)s + interval '1 second' * (n - 7950) END, '', 0, 0, 0, 0, '{}',
       %(now)s, %(now)s, CASE WHEN n <= 7900 THEN %(now)s - interval '1 minute' * n END, 1
  FROM generate_series(1, 8000) AS n;
INSERT INTO work (id, due_at, paused_by, pause_note, waits, version, changed_at)
SELECT 'acc_' || n, CASE WHEN n %% 20 = 0 THEN %(now)s + interval '1 minute' * (n - 2500) END, '',
       '', '{}', 0, %(now)s
  FROM generate_series(1, 5000) AS n;
INSERT INTO orders (id, account_id, client_instance_id, order_id, kind, marketplace_id, status,
                    body, digest, personal, fetch_due_at, created_at, changed_at)
SELECT 'acc_' || n %% 500 || '/' || n, 'acc_' || n %% 500, 'ins_' || n %% 7, n::text, 'seller', '',
       '', '{}', '', false, CASE WHEN n %% 100 = 0 THEN %(now)s END, %(now)s,
       %(now)s - interval '1 minute' * (20000 - n)
  FROM generate_series(1, 20000) AS n;
INSERT INTO intakes (id, account_id, caller, source, name, body_digest, lines, taken, refused,
                     answer, created_at)
SELECT 'int_' || lpad(n::text, 5, '0'), 'acc_' || n %% 20, '', 'api', '', '', 1, 1, 0, '{}',
       %(now)s - interval '1 minute' * n
  FROM generate_series(1, 8000) AS n;
SET session_replication_role = origin;
"""

Ask = Callable[[Transaction], Awaitable[Any]]


@pytest.fixture(scope="module")
def url(postgres_server: Databases) -> Iterator[str]:
    name = postgres_server.take_migrated()
    address = postgres_server.server.url(name)
    with (
        psycopg.connect(address, autocommit=True) as connection,
        psycopg.ClientCursor(connection) as cursor,
    ):
        cursor.execute(LOAD, {"now": NOW})
        cursor.execute("VACUUM ANALYZE")
    yield address
    postgres_server.give_back(name)


async def plans(url: str, ask: Ask, before: str = "") -> str:
    """What EXPLAIN says of every statement that ``ask`` makes of the store; rolled back."""
    store = await open_store(url)
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    engine = store._engine.sync_engine
    async with store.transaction() as tx:
        event.listen(engine, "before_cursor_execute", note)
        await ask(tx)
        event.remove(engine, "before_cursor_execute", note)
        await tx.connection.rollback()  # type: ignore[attr-defined]
    await store.close()
    with psycopg.connect(url) as connection:
        if before:
            connection.execute(before)
        lines = [
            row[0]
            for statement, parameters in asked
            for row in connection.execute(f"EXPLAIN {statement}", parameters)
        ]
        connection.rollback()
    return "\n".join(lines)


def no_scan(plan: str, *tables: str) -> None:
    for table in tables:
        assert not re.search(rf"Seq Scan on {table}\b", plan), plan


async def test_pages_of_a_plan_are_read_in_their_order(url: str) -> None:
    """No sort of everything that waits, and of what is in flight only the one SKU."""
    place = ("M1", "SKU-1000", "stock", "chg_001000")
    plan = await plans(
        url, lambda tx: tx.changes.plannable("acc_7", EVERY_KIND, NOW, after=place, limit=50)
    )
    assert "changes_pending_idx" in plan, plan
    assert re.search(r"Index (Only )?Scan using changes_in_flight_idx", plan), plan
    assert "Sort" not in plan, plan
    no_scan(plan, "changes")


#: As it looks to PostgreSQL in the minute after the first great plan of a morning.
NOTHING_IN_FLIGHT_YET = """
UPDATE changes SET state = 'accepted' WHERE state = 'in_flight'; ANALYZE changes
"""


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(
            lambda tx: tx.changes.plannable("acc_7", EVERY_KIND, NOW, limit=5000), id="plan"
        ),
        pytest.param(
            lambda tx: tx.changes.plannable("acc_7", EVERY_KIND, NOW, together=["run_1", "run_2"]),
            id="plan with runs of its own",
        ),
        pytest.param(lambda tx: tx.changes.held_up("acc_7", NOW), id="held up"),
        pytest.param(
            lambda tx: tx.changes.claim(
                "acc_7", "run_x", [pick(number) for number in range(1, 2001)], {}, NOW
            ),
            id="claim",
        ),
    ],
)
async def test_what_is_in_flight_is_asked_for_one_by_one(url: str, ask: Ask) -> None:
    """Also where PostgreSQL believes that nothing is: a join would read all of it for each."""
    plan = await plans(url, ask, NOTHING_IN_FLIGHT_YET)
    assert "Anti Join" not in plan, plan
    assert re.search(
        r"Index Cond: \(\(account_id = \w+\.account_id\) AND \(lane = \w+\.lane\)"
        r" AND \(subject = \w+\.subject\)\)",
        plan,
    ), plan


async def test_what_a_run_settles_is_found_by_its_ids(url: str) -> None:
    plan = await plans(
        url,
        lambda tx: tx.changes.settle("run_3", [outcome(number) for number in range(99)], NOW),
        NOTHING_IN_FLIGHT_YET,
    )
    assert "changes_pkey" in plan, plan
    assert "changes_in_flight_idx" not in plan, plan
    assert "changes_run_id_idx" not in plan, plan
    no_scan(plan, "changes")


@pytest.mark.parametrize(
    ("index", "ask"),
    [
        pytest.param("changes_pending_idx", lambda tx: tx.changes.counts(["acc_7"]), id="counts"),
        pytest.param(
            "changes_in_flight_idx", lambda tx: tx.changes.counts(["acc_7"]), id="counts of flights"
        ),
        pytest.param(
            "changes_uncertain_idx", lambda tx: tx.changes.counts(["acc_7"]), id="counts of doubts"
        ),
        pytest.param(
            "changes_settled_at_idx",
            lambda tx: tx.changes.counts(["acc_7"], settled_since=NOW - HOUR),
            id="counts of an hour",
        ),
        pytest.param(
            "changes_zero_idx",
            lambda tx: tx.changes.plannable("acc_7", EVERY_KIND, NOW, only_zero=True),
            id="what is sold out",
        ),
        pytest.param(
            "changes_pending_idx",
            lambda tx: tx.changes.supersede(
                "acc_7", [change(50_000 + n, f"SKU-{n}") for n in range(500)], NOW
            ),
            id="what gives way",
        ),
        pytest.param(
            "changes_run_id_idx",
            lambda tx: tx.changes.of_run("run_7", limit=50),
            id="messages of a run",
        ),
        pytest.param(
            "changes_run_id_idx",
            lambda tx: tx.changes.of_run("run_7", in_flight=False),
            id="all messages of a run",
        ),
        pytest.param(
            "changes_run_id_idx",
            lambda tx: tx.changes.settle_rest("run_7", outcome(0), NOW),
            id="the rest of a run",
        ),
        pytest.param(
            "changes_key_idx",
            lambda tx: tx.changes.known("acc_7", ChangeKind.STOCK, ["SKU-7", "SKU-27"]),
            id="what is known",
        ),
        pytest.param(
            "changes_account_id_idx",
            lambda tx: tx.changes.read(account_id="acc_unknown", after="chg_000900", limit=100),
            id="pages of an account",
        ),
        pytest.param(
            "changes_intake_id_idx",
            lambda tx: tx.changes.read(account_id="acc_7", intake_id="int_7", limit=1000),
            id="lines of a batch",
        ),
        pytest.param(
            "changes_uncertain_idx",
            lambda tx: tx.changes.read(
                account_id="acc_7", states=[ChangeState.UNCERTAIN], limit=100
            ),
            id="doubts of an account",
        ),
        pytest.param(
            "changes_settled_at_idx",
            lambda tx: tx.changes.purge(NOW - 700 * HOUR, EVERY_KIND, limit=100),
            id="what is kept no longer",
        ),
    ],
)
async def test_changes_are_found_by_an_index(url: str, index: str, ask: Ask) -> None:
    plan = await plans(url, ask)
    assert index in plan, plan
    no_scan(plan, "changes")


@pytest.mark.parametrize(
    ("table", "index", "ask"),
    [
        pytest.param(
            "work",
            "work_due_at_idx",
            lambda tx: tx.work.all(before=not_after("due_at", NOW), limit=100),
            id="accounts that are due",
        ),
        pytest.param(
            "feed_runs",
            "feed_runs_next_at_idx",
            lambda tx: tx.feed_runs.all(before=not_after("next_at", NOW), limit=100),
            id="runs that are due",
        ),
        pytest.param(
            "feed_runs",
            "feed_runs_open_idx",
            lambda tx: tx.feed_runs.all(account_id="acc_7", ended_at=None),
            id="open runs of an account",
        ),
        pytest.param(
            "feed_runs",
            "feed_runs_feed_id_idx",
            lambda tx: tx.feed_runs.all(feed_id="feed_77"),
            id="the run of a feed",
        ),
        pytest.param(
            "feed_runs",
            "feed_runs_ended_at_idx",
            lambda tx: tx.feed_runs.all(before=("ended_at", NOW - 130 * HOUR), limit=100),
            id="runs that are kept no longer",
        ),
        pytest.param(
            "intakes",
            "intakes_key_digest_key",
            lambda tx: tx.intakes.one(account_id="acc_7", key_digest="d"),
            id="the batch of a key",
        ),
        pytest.param(
            "intakes",
            "intakes_created_at_idx",
            lambda tx: tx.intakes.all(before=("created_at", NOW - 130 * HOUR), limit=100),
            id="batches that are kept no longer",
        ),
        pytest.param(
            "orders",
            "orders_position_idx",
            lambda tx: tx.orders.read(after=19_000, limit=100),
            id="orders from a position on",
        ),
        pytest.param(
            "orders",
            "orders_client_instance_id_idx",
            lambda tx: tx.orders.read(client_instance_id="ins_unknown", limit=100),
            id="orders of a client instance",
        ),
        pytest.param(
            "orders",
            "orders_account_id_idx",
            lambda tx: tx.orders.read(account_ids=["acc_1", "acc_2"], limit=100),
            id="orders of accounts",
        ),
        pytest.param(
            "orders",
            "orders_fetch_due_at_idx",
            lambda tx: tx.orders.all(before=not_after("fetch_due_at", NOW), limit=100),
            id="orders to be completed",
        ),
        pytest.param(
            "orders",
            "orders_changed_at_idx",
            lambda tx: tx.orders.purge(NOW - 330 * HOUR, limit=100),
            id="orders that are kept no longer",
        ),
    ],
)
async def test_the_kitchen_finds_by_an_index(url: str, table: str, index: str, ask: Ask) -> None:
    plan = await plans(url, ask)
    assert index in plan, plan
    no_scan(plan, table)
