"""A million changes that wait: planned, in how much memory, and in how many feeds.

Answers for: two crowds of changes of stock and price in the embedded PostgreSQL, very many accounts
with some each and few accounts with very many each; the plan of all of them; the fewest feeds that
any plan could do with, counted by the database. Does not answer for: carrying feeds to Amazon.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from bench.measures import Result
from bench.town import rss_mib
from demo.stage import Stage
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from evergrant.adapters.store import migrate, open_store
from evergrant.feeds.planning import Planned, Planning
from evergrant.limits import Limits
from evergrant.ports.store import Store
from evergrant.rules.feedruns import Path as Way
from evergrant.settings import Cooking
from evergrant.testing.budgets import MemoryBudgets
from evergrant.testing.clock import FakeClock

__all__ = ["plan"]

NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
MARKETPLACES = ("A1PA6795UKMFR9", "A13V1IB3VIYZZH", "APJ6JRA9NG5V4")  # DE, FR, IT
#: Amazon's bounds of one feed: messages by its schema, bytes by its advice.
MOST_MESSAGES, MOST_BYTES = 25_000, 10 * 1024 * 1024 - 1
GOAL_MIB = 64.0
GOAL_STATEMENTS = 12
#: An account with hardly anything to do.
LITTLE = "acc_little"

_ACCOUNTS = """
SET session_replication_role = replica;
INSERT INTO applications (id, name, kind, partner_kinds, status, application_id, developer_name,
                          developer_id, login_uri, redirect_uri, created_at, changed_at)
VALUES ('app_1', 'Application', 'public', '{seller}', 'published', 'amzn1.sp.solution.1', '', '',
        '', '', %(now)s, %(now)s) ON CONFLICT DO NOTHING;
INSERT INTO instances (id, name, base_url, return_url, webhook_url, created_at, changed_at)
VALUES ('ins_1', 'Instance', '', '', '', %(now)s, %(now)s) ON CONFLICT DO NOTHING;
INSERT INTO accounts (id, name, partner_kind, client_email, application_id, client_instance_id,
                      region, home_marketplace, merchant_token, vendor_codes, flags, language,
                      notes, oauth_began, created_at, changed_at)
SELECT id, id, 'seller', 'partner@client.example', 'app_1', 'ins_1', 'eu', 'DE', 'A1EXAMPLE', '{}',
       '{}', 'en', '', true, %(now)s, %(now)s
  FROM unnest(%(accounts)s::text[]) AS id;
INSERT INTO authorizations (id, account_id, application_id, region, state, selling_partner_id,
                            refused_reason, finding, looks, probe_failures, probe_doubt, version,
                            changed_at)
SELECT 'aut_' || id, id, 'app_1', 'eu', 'active', id, '', '', 0, 0, '', 1, %(now)s
  FROM unnest(%(accounts)s::text[]) AS id;
INSERT INTO work (id, due_at, paused_by, pause_note, waits, version, changed_at)
SELECT id, %(now)s, '', '', '{}', 1, %(now)s FROM unnest(%(accounts)s::text[]) AS id;
"""
#: One statement for each kind and marketplace of one crowd; ids rise with each.
_CHANGES = """
INSERT INTO changes (id, account_id, kind, lane, marketplace_id, subject, key, wish, reference,
                     intake_id, line, state, tries, code, message, attribute, created_at)
SELECT 'chg_' || lpad((%(first)s + row_number() OVER ())::text, 26, '0'), account, %(kind)s,
       'listing', %(marketplace)s, sku, sku, CASE %(kind)s
            WHEN 'stock' THEN jsonb_build_object('quantity', n %% 90 + 10)
            ELSE jsonb_build_object('price', (n %% 90 + 10) || '.99', 'currency', 'EUR') END,
       '', 'itk_1', n, 'pending', 0, '', '', '', %(now)s
  FROM unnest(%(accounts)s::text[]) AS account,
       LATERAL (SELECT n, %(sku)s || lpad(n::text, 7, '0') AS sku
                  FROM generate_series(1, %(many)s::integer) AS n) AS skus;
"""
#: Listings and their bytes by account and marketplace. The parts that do not change are measured by
#: the caller; the number of the message counts as one digit.
_BOUND = """
SELECT account_id, marketplace_id, count(*),
       sum(%(frame)s + octet_length(subject) + CASE WHEN stock THEN %(stock)s + 2 ELSE 0 END
           + CASE WHEN price THEN %(price)s + 5 ELSE 0 END
           + CASE WHEN stock AND price THEN 1 ELSE 0 END)
  FROM (SELECT account_id, marketplace_id, subject, bool_or(kind = 'stock') AS stock,
               bool_or(kind = 'price') AS price
          FROM changes WHERE account_id = ANY (%(accounts)s)
         GROUP BY account_id, marketplace_id, subject) AS listings
 GROUP BY account_id, marketplace_id
"""


@dataclass
class _Crowd:
    """``parts``: kind, marketplace, beginning of the SKUs, how many of each account."""

    name: str
    accounts: list[str]
    parts: list[tuple[str, str, str, int]]

    @property
    def changes(self) -> int:
        return len(self.accounts) * sum(many for _, _, _, many in self.parts)


def _crowds(changes: int) -> list[_Crowd]:
    de, fr, it = MARKETPLACES
    long = "SKU-with-a-name-that-is-as-long-as-Amaz-"
    twice = changes // 1_000 // 20
    once = changes // 1_000 // 2 - twice
    wide = changes // 10 // 10
    return [
        _Crowd(
            "many accounts",
            [f"acc_a{n:04}" for n in range(1_000)],
            # Every tenth value was wished twice.
            [
                ("stock", de, "SKU-", once),
                ("price", de, "SKU-", once),
                ("stock", de, "SKU-", twice),
                ("price", de, "SKU-", twice),
            ],
        ),
        _Crowd(
            "large accounts",
            [f"acc_b{n:04}" for n in range(10)],
            [
                ("stock", de, "SKU-", 3 * wide),
                ("price", de, "SKU-", 3 * wide),
                ("stock", fr, "SKU-", wide),
                ("price", fr, "SKU-", wide),
                ("price", it, long, 2 * wide),
            ],
        ),
    ]


def plan(stage: Stage, *, changes: int = 200_000) -> Result:
    """Both crowds, one after the other, each with so many changes."""
    with EmbeddedPostgres(stage.folder / "plan") as server:
        url = server.url("postgres")
        asyncio.run(migrate(url))
        figures = []
        for crowd in _crowds(changes):
            _load(url, crowd)
            figures.append(
                {
                    "crowd": crowd.name,
                    **_bound(url, crowd),
                    **asyncio.run(_planned(url, crowd, changes)),
                }
            )
        _load(url, _Crowd("little", [LITTLE], [("stock", MARKETPLACES[0], "SKU-", 3)]))
        statements = asyncio.run(_little(url))
    told = "; ".join(
        f"{one['changes']:,} changes of {one['accounts']:,} accounts in {one['seconds']:.0f} s "
        f"({one['ms_per_account']:.0f} ms each, CPU {one['cpu_s']:.0f} s, "
        f"PostgreSQL's {one['server_cpu_s']:.0f} s): {one['feeds']:,} feeds, "
        f"fewest possible {one['fewest']:,}, memory + {one['grown_mib']:.0f} MiB at its peak"
        for one in figures
    )
    reached = (
        all(
            one["feeds"] == one["fewest"]
            and one["in_flight"] + one["superseded"] == one["changes"]
            and one["grown_mib"] <= GOAL_MIB
            for one in figures
        )
        and statements <= GOAL_STATEMENTS
    )
    return Result(
        "the plan of changes of stock and price that wait, in PostgreSQL",
        f"{told}; an account with 3 changes takes {statements} statements",
        f"the fewest feeds, every change in one of them or superseded, at most {GOAL_MIB:g} MiB "
        f"more, at most {GOAL_STATEMENTS} statements for 3 changes",
        reached,
        {"crowds": figures, "statements": statements},
    )


def _load(url: str, crowd: _Crowd) -> None:
    with (
        psycopg.connect(url, autocommit=True) as connection,
        psycopg.ClientCursor(connection) as cursor,
    ):
        cursor.execute(_ACCOUNTS, {"now": NOW, "accounts": crowd.accounts})
        first = 0
        for kind, marketplace, sku, many in crowd.parts:
            values = {"kind": kind, "marketplace": marketplace, "sku": sku, "many": many}
            cursor.execute(
                _CHANGES,
                {**values, "first": _begin(crowd) + first, "now": NOW, "accounts": crowd.accounts},
            )
            first += many * len(crowd.accounts)
        cursor.execute("VACUUM ANALYZE changes")


def _begin(crowd: _Crowd) -> int:
    return {"acc_a0000": 0, "acc_b0000": 10**9}.get(crowd.accounts[0], 2 * 10**9)


def _bound(url: str, crowd: _Crowd) -> dict[str, Any]:
    """The fewest feeds, of one marketplace each, that hold everything: by count and by bytes."""
    listing = {
        "messageId": 1,
        "sku": "",
        "operationType": "PATCH",
        "productType": "PRODUCT",
        "patches": [],
    }
    stock = {
        "op": "merge",
        "path": "/attributes/fulfillment_availability",
        "value": [{"fulfillment_channel_code": "DEFAULT", "quantity": 0}],
    }
    offer = {"audience": "ALL", "marketplace_id": MARKETPLACES[0], "currency": "EUR"}
    price = {
        "op": "merge",
        "path": "/attributes/purchasable_offer",
        "value": [{**offer, "our_price": [{"schedule": [{"value_with_tax": 0}]}]}],
    }
    # Quantity and price stand there as one digit; a comma goes behind each message.
    sizes = {"frame": _size(listing) + 1, "stock": _size(stock) - 1, "price": _size(price) - 1}
    with psycopg.connect(url) as connection:
        rows = connection.execute(_BOUND, {**sizes, "accounts": crowd.accounts}).fetchall()
    # Ids of marketplaces differ in length by a little: counted as the shortest, the bound holds.
    shorter = len(MARKETPLACES[0]) - min(map(len, MARKETPLACES))
    return {
        "fewest": sum(
            max(
                math.ceil(listings / MOST_MESSAGES),
                math.ceil((int(size) - shorter * listings) / MOST_BYTES),
            )
            for _, _, listings, size in rows
        ),
        "listings": sum(row[2] for row in rows),
    }


def _size(thing: Any) -> int:
    return len(json.dumps(thing, separators=(",", ":")))


async def _planned(url: str, crowd: _Crowd, changes: int) -> dict[str, Any]:
    served = _server_cpu_s(url)
    store = await open_store(url)
    # Few enough changes would go by calls.
    planning = _planning(store, Cooking(patch_most=min(300, changes // 4_000)))
    feeds = 0
    try:
        _reset_peak()
        before, began, cpu = rss_mib(os.getpid()), time.perf_counter(), time.process_time()
        for account_id in crowd.accounts:
            feeds += _feeds(await planning.plan(account_id))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        grown = _peak_mib() - before
    finally:
        await store.close()
    served = _server_cpu_s(url) - served
    with psycopg.connect(url) as connection:
        states: dict[str, int] = dict(
            connection.execute(
                "SELECT state, count(*) FROM changes WHERE account_id = ANY (%s) GROUP BY state",
                [crowd.accounts],
            ).fetchall()
        )
    return {
        "accounts": len(crowd.accounts),
        "changes": crowd.changes,
        "seconds": took,
        "cpu_s": cpu,
        "server_cpu_s": served,
        "ms_per_account": took / len(crowd.accounts) * 1000,
        "feeds": feeds,
        "grown_mib": grown,
        "in_flight": states.get("in_flight", 0),
        "superseded": states.get("superseded", 0),
    }


def _server_cpu_s(url: str) -> float:
    """What PostgreSQL used so far, for connections that are at their end."""

    def stat(pid: int) -> list[str]:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()

    others = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(others).fetchall() != [(0,)]:
            time.sleep(0.05)
        postmaster = int(stat(connection.info.backend_pid)[1])
    # Its own, and that of its children that ended.
    return sum(int(field) for field in stat(postmaster)[11:15]) / os.sysconf("SC_CLK_TCK")


def _feeds(planned: Planned) -> int:
    """Every run counts as a feed: none of these crowds is small enough for calls."""
    if any(run.path is not Way.LISTINGS_FEED for run in planned.runs) or planned.waits:
        raise RuntimeError(f"{planned.account_id} is not planned by feed alone")
    return len(planned.runs)


async def _little(url: str) -> int:
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1

    store = await open_store(url)
    event.listen(Engine, "before_cursor_execute", count)
    try:
        planned = await _planning(store, Cooking()).plan(LITTLE)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
        await store.close()
    if [run.changes for run in planned.runs] != [3]:
        raise RuntimeError("the little account is not planned")
    return statements


class _Signed:
    """Nobody has to sign anything."""

    async def unsigned(self, application_id: str, client_instance_id: str) -> tuple[str, ...]:
        return ()


def _planning(store: Store, cooking: Cooking) -> Planning:
    clock = FakeClock()
    clock.set(NOW)
    return Planning(
        store=store,
        clock=clock,
        limits=Limits(store, clock, MemoryBudgets(clock)),
        signed_off=_Signed(),
        cooking=cooking,
    )


def _reset_peak() -> None:
    """The kernel forgets the most memory that this process ever had."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system tells no VmHWM")
