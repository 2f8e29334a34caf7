"""What the database's own errors mean to the rooms.

Answers for: telling an unreachable database from a wrong schema. Does not answer for: keys that
refuse a row (``shelves``): those are expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import psycopg_pool
import sqlalchemy.exc
from psycopg import errors as pg

from evergrant.errors import Misconfigured, StoreUnavailable

__all__ = ["SETTING", "plainly", "to_psycopg"]

SETTING = "EVERGRANT_DATABASE_URL"


def to_psycopg(url: str) -> str:
    """A URL or conninfo as libpq takes it. Raises Misconfigured; it never quotes the URL, which
    may hold a password."""
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    if not plain.startswith(("postgresql://", "postgres://")) and "=" not in plain:
        raise Misconfigured(
            SETTING,
            "is not the address of a PostgreSQL database.",
            hint="For example postgresql://user:password@host:5432/evergrant",
        )
    try:
        psycopg.conninfo.conninfo_to_dict(plain)
    except psycopg.ProgrammingError:
        raise Misconfigured(SETTING, "cannot be read; is a special character unescaped?") from None
    return plain


@contextmanager
def plainly() -> Iterator[None]:
    """Raises StoreUnavailable for what the database, or the way to it, could not do."""
    try:
        yield
    except psycopg_pool.PoolTimeout as error:
        raise StoreUnavailable(hint=_HINT) from error
    except sqlalchemy.exc.TimeoutError as error:
        raise StoreUnavailable("Every connection to the database is busy.", hint=_HINT) from error
    except sqlalchemy.exc.DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        told = _told(error.orig)
        if told is None:
            raise
        raise told from error
    except psycopg.Error as error:
        told = _told(error)
        if told is None:
            raise
        raise told from error


_HINT = "Is the database up, and does it take enough connections?"


def _told(error: psycopg.Error) -> StoreUnavailable | None:
    if isinstance(error, (pg.UndefinedTable, pg.UndefinedColumn)):
        return StoreUnavailable(
            "The database's tables are not those of this version of Evergrant.",
            hint="Run: evergrant migrate",
        )
    if isinstance(error, pg.LockNotAvailable):
        return StoreUnavailable("Waited too long for another process.")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)):
        return StoreUnavailable(hint=_HINT)
    return None
