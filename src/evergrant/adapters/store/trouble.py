"""What the database's own errors mean to the rooms.

Answers for: telling an unreachable database from a wrong schema. Does not answer for: keys that
refuse a row (``refusals``): those are expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import psycopg_pool
import sqlalchemy.exc
from psycopg import errors as pg

from evergrant.errors import StoreUnavailable

__all__ = ["plainly"]


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
    if isinstance(error, (pg.LockNotAvailable, pg.DeadlockDetected)):
        return StoreUnavailable("Waited too long for somebody else's change; try again.")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)):
        return StoreUnavailable(hint=_HINT)
    return None
