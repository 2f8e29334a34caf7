"""What makes a town stand sooner: its command line in this process, and a home with a database that
was made and migrated once.

That both also work as a stranger would begin is shown elsewhere: with an empty folder by
`test_break_ins`, in processes of their own by the demo and the tests of the doors.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from demo.house import House
from demo.stage import Evergrant, StageError
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from evergrant.adapters.embedded_postgres.cluster import Cluster
from evergrant.adapters.store import migrate
from tests.command_line import said


class Nearby(Evergrant):
    """An installation that is told in this process what an operator says beside it: to start a
    process for it costs more than to do it."""

    def cli(self, *arguments: str, stdin: str | None = None) -> str:
        done = said(self.env, *arguments, stdin=stdin)
        if done.code != 0:
            raise StageError(f"evergrant {' '.join(arguments)}: {done.err.strip()}")
        return done.out


def nearby(evergrant: Evergrant) -> Nearby:
    return Nearby(evergrant.stage, evergrant.url, evergrant.env, evergrant.running)


def open_house(evergrant: Evergrant) -> House:
    """As `House.open`, without a process for it."""
    house = House.open(nearby(evergrant))
    house.evergrant = evergrant
    return house


def furnish(home: Path) -> None:
    """A home for `evergrant up` whose database is there already, with the newest schema."""
    EmbeddedPostgres(home)._make_home()
    cluster = Cluster(home, {})
    cluster._make_folder()
    subprocess.run(["cp", "-a", _migrated(), cluster._data], check=True)


@functools.cache
def _migrated() -> Path:
    """The data of a server that is stopped. It goes with this process."""
    folder = Path(tempfile.mkdtemp(prefix="evergrant-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = folder / "home"
    with EmbeddedPostgres(home) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, migrate(server.url())).result()
    cluster = Cluster(home, {})
    # Half of what there is to copy is room for a journal of pages, which nobody needs yet.
    cluster._run("pg_resetwal", "--wal-segsize=1", str(cluster._data))
    with (cluster._data / "postgresql.conf").open("a") as file:
        # Servers are killed here, machines are not: what is with the kernel is safe.
        file.write("\nfsync = off\n")
    return cluster._data
