"""The scan of the clock tower over very many authorizations, alone in the database.

Answers for: ``load``, a database full of them, and the measure. Does not answer for: the plan that
PostgreSQL chooses (a test looks at it).
"""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import UTC, datetime

import psycopg

from bench.measures import Result
from demo.stage import Stage
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from evergrant.adapters.store import migrate, open_store

__all__ = ["DAYS", "NOW", "load", "scan"]

NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
DAYS = (30, 23, 16, 9, 2, 0)
GOAL_S = 1.0
#: More than are ever reached in a day.
WINDOWS = 100_000

#: Ends are spread evenly from a month ago to eleven months ahead, as with renewals all year round.
#: Of every hundred, one was revoked, one closed, one adopted without a date and one is private.
#: Every window was told that was reached until yesterday.
_LOAD = """
SET session_replication_role = replica;
INSERT INTO applications (id, name, kind, partner_kinds, status, application_id, developer_name,
                          developer_id, login_uri, redirect_uri, created_at, changed_at)
SELECT 'app_' || n, 'Application ' || n, CASE n WHEN 4 THEN 'private' ELSE 'public' END,
       '{seller}', 'published', 'amzn1.sp.solution.' || n, '', '', '', '', %(now)s, %(now)s
  FROM generate_series(1, 4) AS n;
INSERT INTO instances (id, name, base_url, return_url, webhook_url, created_at, changed_at)
VALUES ('ins_1', 'Instance', '', '', '', %(now)s, %(now)s);
INSERT INTO accounts (id, name, partner_kind, client_email, application_id, client_instance_id,
                      region, home_marketplace, merchant_token, vendor_codes, flags, language,
                      notes, oauth_began, created_at, changed_at)
SELECT 'acc_' || n, 'Account ' || n, 'seller', 'partner@client.example',
       'app_' || CASE n %% 100 WHEN 4 THEN 4 ELSE 1 + n %% 3 END, 'ins_1', 'eu', 'DE', '', '{}',
       '{}', 'en', '', true, %(now)s, %(now)s
  FROM generate_series(1, %(many)s) AS n;
INSERT INTO grants (id, authorization_id, source, selling_partner_id, granted_at, term_ends_at,
                    token_digest, created_at)
SELECT 'grt_' || n, 'aut_' || n, 'consent', 'A' || n, NULL, NULL, '', %(now)s - interval '1 hour'
  FROM generate_series(1, %(many)s) AS n;
INSERT INTO authorizations (id, account_id, application_id, region, state, selling_partner_id,
                            grant_id, granted_at, term_ends_at, refused_reason, finding, looks,
                            probe_due_at, probe_failures, probe_doubt, version, changed_at)
SELECT 'aut_' || n, 'acc_' || n, 'app_' || CASE n %% 100 WHEN 4 THEN 4 ELSE 1 + n %% 3 END, 'eu',
       CASE WHEN n %% 100 = 1 THEN 'revoked' WHEN n %% 100 = 2 THEN 'closed'
            WHEN ends_at < %(now)s AND n %% 100 > 4 THEN 'lapsed' ELSE 'active' END,
       'A' || n, 'grt_' || n,
       CASE n %% 100 WHEN 3 THEN NULL ELSE ends_at - interval '8760 hours' END,
       CASE WHEN n %% 100 IN (3, 4) THEN NULL ELSE ends_at END,
       '', '', 0, %(now)s + interval '1 day' * n / %(many)s, 0, '', 1, %(now)s
  FROM (SELECT n, %(now)s - interval '30 days' + interval '360 days' * n / %(many)s AS ends_at
          FROM generate_series(1, %(many)s) AS n) AS spread;
INSERT INTO reminders (id, kind, subject, account_id, ends_at, days, at, told_operators_at)
SELECT 'rem_' || z.id || '/' || day, 'term', z.id, z.account_id, z.term_ends_at, day,
       %(now)s, %(now)s
  FROM authorizations z, unnest(%(days)s::integer[]) AS day
 WHERE z.term_ends_at IS NOT NULL
   AND (z.term_ends_at AT TIME ZONE 'UTC')::date - day < (%(now)s AT TIME ZONE 'UTC')::date;
SET session_replication_role = origin;
ANALYZE;
"""


def load(url: str, many: int) -> None:
    """Fills an empty, migrated database with so many authorizations."""
    values = {"now": NOW, "many": many, "days": list(DAYS)}
    with (
        psycopg.connect(url, autocommit=True) as connection,
        psycopg.ClientCursor(connection) as cursor,
    ):
        cursor.execute(_LOAD, values)


def scan(stage: Stage, *, many: int = 100_000, rounds: int = 5) -> Result:
    """The windows of the reminders that were reached since yesterday, over all authorizations,
    in turn with a plain count that reads the same table from end to end."""
    with EmbeddedPostgres(stage.folder / "scan") as server:
        url = server.url("postgres")
        asyncio.run(migrate(url))
        load(url, many)
        found, ours, counts = asyncio.run(_in_turn(url, rounds))
    took, count = statistics.median(ours), statistics.median(counts)
    return Result(
        f"the daily scan over {many:,} authorizations in PostgreSQL",
        f"{took * 1000:.0f} ms for {found:,} windows, {took / count:.1f} x a sequential count of "
        f"the same table ({count * 1000:.1f} ms)",
        f"under {GOAL_S:g} s",
        took < GOAL_S,
        {"scans_s": ours, "counts_s": counts, "authorizations": many, "windows": found},
    )


async def _in_turn(url: str, rounds: int) -> tuple[int, list[float], list[float]]:
    found, ours, counts = 0, [], []
    store = await open_store(url)
    try:
        for _ in range(rounds):
            async with store.transaction() as tx:
                began = time.perf_counter()
                await tx.authorizations.count()
                counts.append(time.perf_counter() - began)
                began = time.perf_counter()
                found = len(await tx.scans.windows_reached(NOW, DAYS, limit=WINDOWS))
                ours.append(time.perf_counter() - began)
    finally:
        await store.close()
    return found, ours, counts
