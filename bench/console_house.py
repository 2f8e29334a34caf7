"""A house of very many accounts and what the console shows of it, for the console's measures.

Answers for: the gallery's accounts, changes that were settled today, a journal, and operators who
are signed in, in a fresh database; and a server on it. Does not answer for: measuring.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import psycopg

from bench import gallery
from demo.stage import Emulator, Evergrant, Running, Stage, free_port, start_emulator, wait_for
from evergrant import wiring
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from evergrant.adapters.store import open_store
from evergrant.entrances.console.seals import Cookies
from evergrant.naming import new_id
from evergrant.ports.signed_in import OperatorSession, SignInMethod
from evergrant.ports.things import Operator
from evergrant.rules import ids
from evergrant.rules.rights import Role
from evergrant.rules.secrecy import Secret, digest
from evergrant.settings import Settings

__all__ = ["ConsoleHouse", "open_house"]

READY_WITHIN_S = 60.0
#: What the gallery's load has not: a day of feeds that is nearly over, and a year of the journal.
_MORE = """
SET session_replication_role = replica;
INSERT INTO changes (id, account_id, kind, lane, marketplace_id, subject, key, wish, reference,
                     intake_id, line, state, tries, code, message, attribute, created_at,
                     settled_at)
SELECT 'chs_' || n, 'acc_' || lpad((1 + n %% %(many)s)::text, 6, '0'),
       CASE WHEN n %% 2 = 0 THEN 'stock' ELSE 'price' END, 'listing', 'X', 'sku' || n, 's' || n,
       '{}', '', 'itk_1', 1, CASE WHEN n %% 997 = 0 THEN 'refused' ELSE 'accepted' END, 0, '', '',
       '', %(now)s - interval '1 day' * (n::float8 / %(changes)s) - interval '10 minutes',
       %(now)s - interval '1 day' * (n::float8 / %(changes)s)
  FROM generate_series(1, %(changes)s) AS n;
INSERT INTO journal (at, caller, verb, subject, account_id, facts)
SELECT %(now)s - interval '1 minute' * (%(lines)s - n),
       CASE WHEN n %% 3 = 0 THEN 'system' ELSE %(operator)s END,
       (ARRAY['account.added', 'invitation.opened', 'account.flags_set'])[1 + n %% 3],
       'acc_' || lpad((1 + n %% %(many)s)::text, 6, '0'),
       'acc_' || lpad((1 + n %% %(many)s)::text, 6, '0'), '{}'
  FROM generate_series(1, %(lines)s) AS n;
SET session_replication_role = origin;
ANALYZE changes, journal;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleHouse:
    """``cookies``: of operators who are signed in, each of another one."""

    stage: Stage
    emulator: Emulator
    url: str
    env: Mapping[str, str]
    cookies: tuple[str, ...]
    now: datetime

    @property
    def settings(self) -> Settings:
        return Settings.from_environment(dict(self.env))

    @property
    def headers(self) -> dict[str, str]:
        return {"cookie": self.cookies[0]}

    def serve(self, role: str) -> Evergrant:
        """One process with these doors, without a worker beside it."""
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        env = {**self.env, "EVERGRANT_ROLE": role, "EVERGRANT_PORT": str(port)}
        program = str(Path(sys.executable).parent / "evergrant")
        running = self.stage.start(f"console-{role}-{port}", [program, "serve"], env)

        def look() -> bool:
            running.check()
            try:
                return httpx2.get(f"{address}/readyz", trust_env=False).status_code == 200
            except httpx2.TransportError:
                return False

        wait_for(f"the console at {address}", look, READY_WITHIN_S)
        return Evergrant(self.stage, address, env, running)


@contextmanager
def open_house(
    stage: Stage, *, many: int, changes: int, lines: int, operators: int
) -> Iterator[ConsoleHouse]:
    emulator = start_emulator(stage, "--gentle")
    table = stage.folder / "marketplaces.json"
    table.write_text(json.dumps(emulator.marketplaces()))
    now = datetime.now(UTC)
    with EmbeddedPostgres(stage.folder / "database") as server:
        url = server.url("postgres")
        env = {
            "EVERGRANT_HOME": str(stage.folder / "home"),
            "EVERGRANT_DATABASE_URL": url,
            "EVERGRANT_MARKETPLACES_FILE": str(table),
            "EVERGRANT_HOUSE_NAME": "Northwind Commerce Software",
            "EVERGRANT_SUPPORT_EMAIL": "dev-support@northwind.example",
        }
        asyncio.run(wiring.migrate_at(Settings.from_environment(env), url))
        gallery.load(url, many, now)
        found = asyncio.run(_sign_in(url, operators, now))
        with (
            psycopg.connect(url, autocommit=True) as connection,
            psycopg.ClientCursor(connection) as cursor,
        ):
            cursor.execute(
                _MORE,
                {
                    "now": now,
                    "many": many,
                    "changes": changes,
                    "lines": lines,
                    "operator": f"operator:{found[0][0]}",
                },
            )
        cookies = tuple(cookie for _, cookie in found)
        running: list[Running] = list(stage.running)
        try:
            yield ConsoleHouse(
                stage=stage, emulator=emulator, url=url, env=env, cookies=cookies, now=now
            )
        finally:
            # Before their database goes.
            for one in stage.running[len(running) :]:
                one.stop()


async def _sign_in(url: str, many: int, now: datetime) -> list[tuple[str, str]]:
    """Operators with their cookies. Hashing passwords would take longer than all the rest."""
    name = Cookies(https=False).session
    store = await open_store(url)
    found = []
    try:
        async with store.transaction() as tx:
            for number in range(many):
                operator = Operator(
                    id=new_id(ids.Kind.OPERATOR, now),
                    name=f"Operator {number}",
                    email=f"operator{number}@northwind.example",
                    password_hash="",
                    role=Role.ADMIN,
                    created_at=now,
                )
                secret = Secret(f"egs_{secrets.token_urlsafe(32)}")
                await tx.operators.add(operator)
                await tx.operator_sessions.add(
                    OperatorSession(
                        id=new_id(ids.Kind.OPERATOR_SESSION, now),
                        operator_id=operator.id,
                        secret_digest=digest(secret),
                        method=SignInMethod.SINGLE_SIGN_ON,
                        proved_at=now,
                        address="127.0.0.1",
                        origin="127.0.0.1",
                        agent="a window",
                        created_at=now,
                        seen_at=now,
                        ends_at=now + timedelta(days=7),
                    )
                )
                found.append((operator.id, f"{name}={secret.reveal()}"))
    finally:
        await store.close()
    return found
