"""Addresses of databases, as operators write them and as libpq takes them.

Answers for: reading one without ever quoting it. Does not answer for: whether anything listens
there.
"""

from __future__ import annotations

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from evergrant.errors import Misconfigured

__all__ = ["SETTING", "to_psycopg", "with_options"]

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
        conninfo_to_dict(plain)
    except psycopg.ProgrammingError:
        raise Misconfigured(SETTING, "cannot be read; is a special character unescaped?") from None
    return plain


def with_options(conninfo: str, **settings: str) -> str:
    """The same address with settings of the session, behind those that it brings itself."""
    own = conninfo_to_dict(conninfo).get("options") or ""
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return make_conninfo(conninfo, options=f"{own} {ours}".strip())
