"""How PostgreSQL goes about what the clock tower and the post room ask every minute.

A house with very many authorizations, letters and events; the very statements of the store; and the
plans that PostgreSQL makes for them. No time is measured here: `python -m bench scan` does that.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from bench.scan import DAYS, NOW, load
from evergrant.adapters.store import open_store
from evergrant.ports.store import Transaction, not_after
from evergrant.ports.things import HandshakeStep, OutboxItem, OutboxKind, OutboxState
from evergrant.ports.watched import ReminderKind
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from tests.conftest import Databases

AUTHORIZATIONS = 20_000

#: Far more that is over than that waits, as after a few months.
MORE = """
SET session_replication_role = replica;
INSERT INTO events (id, at, topic, subject, client_instance_id, account_id, facts)
SELECT 'evt_' || lpad(n::text, 6, '0'), %(now)s - interval '30 days' + interval '1 minute' * n,
       'authorization.renewed', 'aut_' || n, 'ins_' || n %% 7, 'acc_' || n %% 1000, '{}'
  FROM generate_series(1, 20000) AS n;
INSERT INTO outbox (id, kind, topic, subject, "to", language, account_id, facts, event_id, position,
                    state, attempts, next_at, last_error, created_at, ended_at)
SELECT 'out_' || lpad(n::text, 6, '0'), CASE n %% 3 WHEN 0 THEN 'mail' ELSE 'webhook' END, '', '',
       CASE n %% 3 WHEN 0 THEN 'a@client.example' ELSE 'ins_' || n %% 7 END, 'en',
       'acc_' || n %% 1000, '{}', 'evt_' || lpad(n::text, 6, '0'), n,
       CASE WHEN n > 19800 THEN 'waiting' WHEN n %% 50 = 0 THEN 'failed' ELSE 'sent' END, 1,
       %(now)s + interval '10 seconds' * (n - 19900), '', %(now)s,
       CASE WHEN n > 19800 THEN NULL ELSE %(now)s - interval '1 minute' * n END
  FROM generate_series(1, 20000) AS n;
INSERT INTO notices (id, kind, subject, account_id, message, facts, first_at, last_at, times,
                     settled_at, settled_by)
SELECT 'not_' || n, 'term_ending', 'aut_' || n, 'acc_' || n, '', '{}', %(now)s, %(now)s, 1,
       CASE WHEN n > 9900 THEN NULL ELSE %(now)s - interval '1 minute' * n END, ''
  FROM generate_series(1, 10000) AS n;
INSERT INTO safe (id, key_id, ciphertext, sealed_at, expires_at)
SELECT 'authorization/aut_' || n || '/access_token', 'k1', '\\x00', %(now)s,
       %(now)s + interval '1 second' * (n - 50)
  FROM generate_series(1, 5000) AS n;
INSERT INTO handshakes (id, invitation_id, account_id, application_id, step, state_digest,
                        browser_digest, consent_origin, redirect_uri, selling_partner_id,
                        created_at, expires_at, outcome, reference)
SELECT 'hsk_' || n, 'inv_' || n, 'acc_' || n, 'app_1', CASE WHEN n > 4950 THEN 'begun' ELSE 'done'
       END, n::text, '', '', '', '', %(now)s - interval '1 hour' * n,
       %(now)s + interval '1 minute' * (n - 4970), '', ''
  FROM generate_series(1, 5000) AS n;
UPDATE authorizations SET look_due_at = %(now)s WHERE id LIKE 'aut_%%77';
UPDATE authorizations SET probe_due_at = NULL WHERE id LIKE 'aut_%%55';
UPDATE reminders SET told_operators_at = NULL WHERE id LIKE 'rem_aut_%%99/30';
SET session_replication_role = origin;
ANALYZE;
"""


@pytest.fixture(scope="module")
def url(postgres_server: Databases) -> Iterator[str]:
    name = postgres_server.take_migrated()
    address = postgres_server.server.url(name)
    load(address, AUTHORIZATIONS)
    with (
        psycopg.connect(address, autocommit=True) as connection,
        psycopg.ClientCursor(connection) as cursor,
    ):
        cursor.execute(MORE, {"now": NOW})
    yield address
    postgres_server.give_back(name)


Ask = Callable[[Transaction], Awaitable[Any]]


async def plans(url: str, ask: Ask) -> str:
    """What EXPLAIN says of every statement that ``ask`` makes of the store."""
    store = await open_store(url)
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    engine = store._engine.sync_engine
    async with store.transaction() as tx:
        event.listen(engine, "before_cursor_execute", note)
        await ask(tx)
        event.remove(engine, "before_cursor_execute", note)
    await store.close()
    with psycopg.connect(url) as connection:
        return "\n".join(
            row[0]
            for statement, parameters in asked
            for row in connection.execute(f"EXPLAIN {statement}", parameters)
        )


def windows_reached(tx: Transaction) -> Awaitable[Any]:
    return tx.scans.windows_reached(NOW, DAYS, limit=500)


async def test_the_daily_scan_reads_no_table_of_authorizations_from_end_to_end(url: str) -> None:
    plan = await plans(url, windows_reached)
    assert "authorizations_term_ends_at_idx" in plan
    assert "authorizations_endless_idx" in plan
    for table in ("authorizations", "grants", "accounts"):
        assert f"Seq Scan on {table}" not in plan, plan


async def test_the_ledger_may_grow(url: str) -> None:
    """Once it is much longer than what is reached, lines are looked up one by one."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reminders (id, kind, subject, ends_at, days, at, told_operators_at)"
            " SELECT 'old_' || n, 'term', 'aut_' || n, now(), 0, now(), now()"
            "   FROM generate_series(1, 150000) AS n"
        )
        connection.execute("ANALYZE reminders")
        try:
            plan = await plans(url, windows_reached)
        finally:
            connection.execute("DELETE FROM reminders WHERE id LIKE 'old_%'")
            connection.execute("VACUUM ANALYZE reminders")
    assert "reminders_window_key" in plan
    assert "Seq Scan on reminders" not in plan, plan


async def first_waiting(tx: Transaction) -> OutboxItem:
    item = await tx.outbox.get("out_019900")
    assert item is not None
    assert item.kind is OutboxKind.WEBHOOK
    return item


async def held_up(tx: Transaction) -> None:
    await tx.outbox.is_held_up(await first_waiting(tx))


async def next_in_line(tx: Transaction) -> None:
    await tx.outbox.next_in_line(await first_waiting(tx))


@pytest.mark.parametrize(
    ("table", "index", "ask"),
    [
        pytest.param(
            "outbox",
            "outbox_next_at_idx",
            lambda tx: tx.outbox.all(
                state=OutboxState.WAITING, before=not_after("next_at", NOW), limit=1000
            ),
            id="what is due in the outbox",
        ),
        pytest.param("outbox", "outbox_line_idx", held_up, id="earlier in the line"),
        pytest.param("outbox", "outbox_line_idx", next_in_line, id="later in the line"),
        pytest.param(
            "outbox",
            "outbox_event_id_idx",
            lambda tx: tx.outbox.all(event_id="evt_000500", state=OutboxState.WAITING),
            id="deliveries of an event",
        ),
        pytest.param(
            "outbox",
            "outbox_to_idx",
            lambda tx: tx.outbox.all(to="ins_unknown", kind=OutboxKind.WEBHOOK, limit=100),
            id="deliveries to a client instance",
        ),
        pytest.param(
            "outbox",
            "outbox_ended_at_idx",
            lambda tx: tx.outbox.all(
                state=OutboxState.SENT, before=("ended_at", NOW - timedelta(days=13.8)), limit=1000
            ),
            id="deliveries that are kept no longer",
        ),
        pytest.param(
            "authorizations",
            "authorizations_term_ends_at_idx",
            lambda tx: tx.scans.terms_ending(NOW, limit=500),
            id="terms that are over",
        ),
        pytest.param(
            "authorizations",
            "authorizations_term_ends_at_idx",
            lambda tx: tx.scans.terms_ending(NOW + timedelta(days=365), limit=100),
            id="the next ends of nearly all",
        ),
        pytest.param(
            "authorizations",
            "authorizations_term_ends_at_idx",
            lambda tx: tx.scans.lapsed_before_their_end(NOW, limit=300),
            id="terms that a wrong clock ended",
        ),
        pytest.param(
            "authorizations",
            "authorizations_look_due_at_idx",
            lambda tx: tx.authorizations.all(
                state=State.ACTIVE, before=not_after("look_due_at", NOW), limit=500
            ),
            id="first looks",
        ),
        pytest.param(
            "authorizations",
            "authorizations_probe_due_at_idx",
            lambda tx: tx.authorizations.all(
                before=not_after("probe_due_at", NOW + timedelta(minutes=5)), limit=500
            ),
            id="probes",
        ),
        pytest.param(
            "authorizations",
            "authorizations_probe_due_at_idx",
            lambda tx: tx.authorizations.all(
                state=[State.ACTIVE, State.LAPSED, State.REVOKED],
                before=not_after("probe_due_at", NOW + timedelta(minutes=5)),
                limit=500,
            ),
            id="probes of some states",
        ),
        pytest.param(
            "authorizations",
            "authorizations_probe_unset_idx",
            lambda tx: tx.authorizations.all(state=State.ACTIVE, probe_due_at=None, limit=500),
            id="probes without a slot",
        ),
        pytest.param(
            "authorizations",
            "authorizations_probe_unset_idx",
            lambda tx: tx.authorizations.all(
                state=[State.ACTIVE, State.LAPSED, State.REVOKED], probe_due_at=None, limit=500
            ),
            id="probes without a slot, of some states",
        ),
        pytest.param(
            "authorizations",
            "authorizations_term_ends_at_idx",
            lambda tx: tx.scans.closed_since(NOW, limit=100),
            id="closed accounts",
        ),
        pytest.param(
            "handshakes",
            "handshakes_step_idx",
            lambda tx: tx.handshakes.all(
                step=HandshakeStep.BEGUN, before=("expires_at", NOW), limit=500
            ),
            id="handshakes that were lost",
        ),
        pytest.param(
            "safe",
            "safe_expires_at_idx",
            lambda tx: tx.safe.all(before=("expires_at", NOW), limit=500),
            id="sealed things that are over",
        ),
        pytest.param(
            "reminders",
            "reminders_untold_idx",
            lambda tx: tx.reminders.all(told_operators_at=None),
            id="lines for the operators' letter",
        ),
        pytest.param(
            "reminders",
            "reminders_window_key",
            lambda tx: tx.reminders.all(
                kind=ReminderKind.TERM, days=(0,), subject=["aut_20", "aut_21"]
            ),
            id="lines about a few",
        ),
        pytest.param(
            "notices",
            "notices_open_key",
            lambda tx: tx.notices.one(
                kind=NoticeKind.TERM_ENDING, subject="aut_9950", settled_at=None
            ),
            id="the open notice",
        ),
        pytest.param(
            "notices",
            "notices_open_idx",
            lambda tx: tx.notices.all(settled_at=None, limit=100),
            id="the notice board",
        ),
        pytest.param(
            "notices",
            "notices_settled_at_idx",
            lambda tx: tx.notices.all(
                before=("settled_at", NOW - timedelta(minutes=9800)), limit=1000
            ),
            id="notices that are kept no longer",
        ),
        pytest.param(
            "events",
            "events_position_key",
            lambda tx: tx.events.read(after=19000, limit=100),
            id="all events",
        ),
        pytest.param(
            "events",
            "events_client_instance_id_idx",
            lambda tx: tx.events.read(client_instance_id="ins_unknown", limit=100),
            id="events of a client instance",
        ),
        pytest.param(
            "events",
            "events_account_id_idx",
            lambda tx: tx.events.read(account_ids=["acc_1", "acc_2"], limit=100),
            id="events of accounts",
        ),
        pytest.param(
            "events",
            "events_at_idx",
            lambda tx: tx.events.purge(NOW - timedelta(days=29.5), 100),
            id="events that are kept no longer",
        ),
    ],
)
async def test_what_is_asked_again_and_again_has_an_index(
    url: str, table: str, index: str, ask: Ask
) -> None:
    plan = await plans(url, ask)
    assert index in plan, plan
    assert not re.search(rf"Seq Scan on {table}\b", plan), plan
