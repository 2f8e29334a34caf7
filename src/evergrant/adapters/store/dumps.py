"""The way out: dumps of a database, and back into any other PostgreSQL.

Answers for: running ``pg_dump``, ``pg_restore`` and ``psql`` of the embedded server's programs
on a database that may be embedded or not. Does not answer for: the key ring, which is not in the
database and without which nothing in the safe opens.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import psycopg

from evergrant.adapters.embedded_postgres import programs
from evergrant.adapters.store.address import to_psycopg
from evergrant.adapters.store.trouble import plainly
from evergrant.errors import Conflict, NotFound, StoreUnavailable

__all__ = ["dump", "restore"]

_ARCHIVE_BEGINS = b"PGDMP"


def dump(url: str, path: Path, *, plain: bool = False) -> None:
    """Writes the whole database to ``path`` (mode 0600): an archive for ``restore``, or with
    ``plain`` a readable SQL script. An older file there is replaced only by a complete new one.

    Owners and rights are left out, so that it goes into a database of any owner. Sealed things
    stay sealed. Raises StoreUnavailable with what the program said. Blocks.
    """
    target = path.absolute()
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    os.close(handle)
    written = Path(name)
    try:
        kind = "plain" if plain else "custom"
        options = ["--no-owner", "--no-privileges", f"--format={kind}", f"--file={written}"]
        _run("pg_dump", url, *options)
        written.replace(target)
    finally:
        written.unlink(missing_ok=True)


def restore(url: str, path: Path) -> None:
    """Reads a dump of either form into an empty database, wholly or not at all.

    Raises NotFound (no such file), Conflict (the database is not empty), StoreUnavailable with
    what the program said. Blocks.
    """
    try:
        with path.open("rb") as file:
            archive = file.read(len(_ARCHIVE_BEGINS)) == _ARCHIVE_BEGINS
    except OSError as error:
        raise NotFound(
            f"The dump {path} cannot be read: {error.strerror}.",
            hint="Name a file that `evergrant db dump` wrote.",
        ) from None
    _check_empty(url)
    if archive:
        options = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]
        _run("pg_restore", url, *options, str(path))
    else:
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--output=/dev/null"]
        _run("psql", url, *options, "--set=ON_ERROR_STOP=1", f"--file={path}")


def _check_empty(url: str) -> None:
    with plainly(), psycopg.connect(to_psycopg(url), connect_timeout=10) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchone()
    if row is None or row[0]:
        raise Conflict(
            "The database is not empty; nothing was restored.",
            hint="Restore into a new database, then point EVERGRANT_DATABASE_URL there.",
        )


def _run(program: str, url: str, *arguments: str) -> None:
    """The address goes by a service file: a command line can be read by other users."""
    address = psycopg.conninfo.conninfo_to_dict(to_psycopg(url))
    with tempfile.TemporaryDirectory(prefix="evergrant-") as folder:
        service = Path(folder) / "service.conf"
        lines = (f"{name}={value}\n" for name, value in address.items())
        service.write_text(f"[evergrant]\n{''.join(lines)}")
        done = subprocess.run(  # noqa: S603
            [str(programs() / program), "--no-password", "--dbname=service=evergrant", *arguments],
            env={**os.environ, "PGSERVICEFILE": str(service)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode != 0:
        raise StoreUnavailable(f"{program} failed: {done.stderr.strip()[:2000]}")
