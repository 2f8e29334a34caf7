"""What a key or reference of the database says when it refuses a row.

Answers for: naming the key as the rooms know it. Does not answer for: a database that is not
reachable or not migrated (``trouble``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import errors as pg
from sqlalchemy.exc import IntegrityError

from evergrant.ports import store as ports

__all__ = ["understood"]


@contextmanager
def understood(shelf: str) -> Iterator[None]:
    """Raises AlreadyThere for a unique key, LookupError for a reference."""
    try:
        yield
    except IntegrityError as error:
        raise _refusal(error, shelf) from None


def _refusal(error: IntegrityError, shelf: str) -> Exception:
    cause = error.orig
    if isinstance(cause, pg.UniqueViolation):
        return ports.AlreadyThere(cause.diag.constraint_name or "")
    if isinstance(cause, pg.ForeignKeyViolation):
        told = cause.diag.constraint_name
        return LookupError(f"{shelf}: {told} names a row that is not there, or is still named.")
    return error
