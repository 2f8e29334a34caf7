"""What the hot doors read: single hand-written statements on a pool of their own.

Answers for: ``ports.QuickReads``, without SQLAlchemy on the way. Does not answer for: remembering.
"""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from evergrant.adapters.store.forms import Form
from evergrant.adapters.store.shelves import FORMS
from evergrant.adapters.store.trouble import plainly
from evergrant.ports import signed_in as o
from evergrant.ports import things as t

__all__ = ["PostgresQuickReads"]

_STANDING = Form(t.Standing, "standing")

_READ_STANDING: LiteralString = """
    SELECT a.id AS account_id, a.client_instance_id, z.id AS authorization_id, z.application_id,
           a.partner_kind, z.region, z.state, z.grant_id, z.term_ends_at, z.refused_reason
      FROM accounts a JOIN authorizations z ON z.account_id = a.id
     WHERE a.id = %s
"""
_READ_SEALED: LiteralString = (
    "SELECT id, key_id, ciphertext, sealed_at, expires_at FROM safe WHERE id = %s"
)
_READ_API_KEY: LiteralString = "SELECT * FROM api_keys WHERE id = %s"
_READ_CONNECTION_KEY: LiteralString = "SELECT * FROM connection_keys WHERE digest = %s"
_READ_CONNECTION_KEY_OF_ID: LiteralString = "SELECT * FROM connection_keys WHERE id = %s"

_READ_SIGNED_IN: LiteralString = """
    SELECT s.id, s.operator_id, s.secret_digest, s.method, s.proved_at, s.address, s.origin,
           s.agent, s.created_at, s.seen_at, s.ends_at, s.ended_at, s.ended_by,
           o.id AS of_id, o.name AS of_name, o.email AS of_email, o.role AS of_role,
           o.password_hash AS of_password_hash, o.created_at AS of_created_at,
           o.disabled_at AS of_disabled_at, o.second_factor_at AS of_second_factor_at,
           o.code_step AS of_code_step, o.sso_subject AS of_sso_subject,
           o.signed_in_at AS of_signed_in_at
      FROM operator_sessions s JOIN operators o ON o.id = s.operator_id
     WHERE s.secret_digest = %s
"""

_Row = dict[str, Any]


def _storable(text: str) -> bool:
    """Whether PostgreSQL has such a text: neither NUL nor lone surrogates."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


class PostgresQuickReads:
    """``ports.QuickReads``. A read that met a dead connection is asked again on a living one."""

    def __init__(self, conninfo: str, *, most: int, patience_s: float) -> None:
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[_Row]] = AsyncConnectionPool(
            conninfo,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "prepare_threshold": 0,
                "application_name": "evergrant quick reads",
            },
            min_size=1,
            max_size=most,
            timeout=patience_s,
            open=False,
            name="evergrant-quick",
        )

    @property
    def pool(self) -> AsyncConnectionPool[psycopg.AsyncConnection[_Row]]:
        """For what else is one short statement outside any transaction."""
        return self._pool

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def standing(self, account_id: str) -> t.Standing | None:
        row = await self._read(_READ_STANDING, account_id)
        return None if row is None else _STANDING.thing(row)

    async def sealed(self, name: str) -> t.SealedSecret | None:
        row = await self._read(_READ_SEALED, name)
        return None if row is None else FORMS["safe"].thing(row)

    async def api_key(self, id: str) -> t.ApiKey | None:
        row = await self._read(_READ_API_KEY, id)
        return None if row is None else FORMS["api_keys"].thing(row)

    async def connection_key(self, digest: str) -> t.ConnectionKey | None:
        row = await self._read(_READ_CONNECTION_KEY, digest)
        return None if row is None else FORMS["connection_keys"].thing(row)

    async def connection_key_of_id(self, id: str) -> t.ConnectionKey | None:
        row = await self._read(_READ_CONNECTION_KEY_OF_ID, id)
        return None if row is None else FORMS["connection_keys"].thing(row)

    async def signed_in(self, secret_digest: str) -> tuple[o.OperatorSession, t.Operator] | None:
        row = await self._read(_READ_SIGNED_IN, secret_digest)
        if row is None:
            return None
        whose = {
            name.removeprefix("of_"): value for name, value in row.items() if name[:3] == "of_"
        }
        return FORMS["operator_sessions"].thing(row), FORMS["operators"].thing(whose)

    async def ping(self) -> None:
        await self._read("SELECT 1 AS one WHERE %s <> ''", "ping")

    async def _read(self, statement: LiteralString, value: str) -> _Row | None:
        if not _storable(value):
            return None  # PostgreSQL has no such text, so no such row
        with plainly():
            try:
                return await self._ask(statement, value)
            except PoolTimeout:
                raise  # nobody answers: whoever waited once is not made to wait again
            except psycopg.OperationalError:
                await self._pool.check()
                return await self._ask(statement, value)

    async def _ask(self, statement: LiteralString, value: str) -> _Row | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, (value,))
            return await cursor.fetchone()
