"""Brings a database to the schema of this version.

Answers for: running the migrations, by one process at a time. Does not answer for: making the
database, or for a way back; before a big step there is ``dump``.
"""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from evergrant.adapters.store.address import SETTING, to_psycopg
from evergrant.adapters.store.locks import lock_number
from evergrant.adapters.store.trouble import plainly
from evergrant.errors import Misconfigured

__all__ = ["migrate", "newest_version", "schema_version"]

_FOLDER = Path(__file__).parent / "migrations"


def newest_version() -> str:
    """The schema that this version of Evergrant works with, by the names of its migrations
    ("v0007_kitchen.py"): every process asks for it at its start, and few need Alembic."""
    return max(path.name for path in (_FOLDER / "versions").glob("v*_*.py"))[1:].split("_")[0]


async def schema_version(url: str) -> str | None:
    """The schema that the database has; None when it was never migrated.

    Raises StoreUnavailable, Misconfigured.
    """
    return await asyncio.to_thread(_schema_version, to_psycopg(url))


async def migrate(url: str) -> str:
    """Runs what is missing, in one transaction per step; gives the version reached.

    Safe to run by many processes at once and again and again. Raises StoreUnavailable, and
    Misconfigured when the database was migrated by a newer Evergrant.
    """
    return await asyncio.to_thread(_migrate, to_psycopg(url))


def _schema_version(conninfo: str) -> str | None:
    with plainly(), psycopg.connect(conninfo, connect_timeout=10) as connection:
        there = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        if not there or not there[0]:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])


def _migrate(conninfo: str) -> str:
    # Only who migrates pays for loading it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(conninfo, connect_timeout=10),
        poolclass=NullPool,
        hide_parameters=True,
    )
    with plainly(), psycopg.connect(conninfo, connect_timeout=10, autocommit=True) as guard:
        guard.execute("SELECT pg_advisory_lock(%s)", (lock_number("migrate"),))
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise Misconfigured(
                    SETTING,
                    f"the database was migrated by another version of Evergrant ({error}).",
                    hint="Start the newer version, or restore a dump into an empty database.",
                ) from None
    return newest_version()
