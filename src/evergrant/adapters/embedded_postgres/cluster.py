"""The data of one home, its socket and its server's process.

Answers for: making them, finding them again after whatever happened, and closing them to others.
Does not answer for: who uses the server; one process at a time calls in here.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from evergrant.adapters.embedded_postgres.machine import (
    MAJOR,
    identity,
    name_of_user,
    programs_for,
    roots_folder,
    server_user,
    until,
)
from evergrant.adapters.embedded_postgres.passage import let_pass
from evergrant.errors import Misconfigured, StoreUnavailable

__all__ = ["DATABASE", "SETTING", "START_WITHIN_S", "SUPERUSER", "Cluster"]

_logger = logging.getLogger(__name__)

SETTING = "EVERGRANT_HOME"
_OR_BRING_ONE = "Or bring a PostgreSQL of your own: set EVERGRANT_DATABASE_URL."

DATABASE = "evergrant"
SUPERUSER = "postgres"

START_WITHIN_S = 60.0
_LINES_OF_LOG = 12
#: A Unix socket's path has room for 107 bytes, of which ".s.PGSQL.5432" takes 14.
_LONGEST_SOCKET_FOLDER = 92


class Cluster:
    """Not safe to be used by two at a time: ``server`` sees to it."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self._home = home
        self._settings = settings
        # A link leads to it where root keeps the data elsewhere.
        self._entry = home / "postgres"
        self._folder = self._entry.resolve()
        self._user = server_user(self._data)

    def ensure_running(self) -> Path:
        """Gives the folder of the socket."""
        self._make_folder()
        self._make_data()
        socket = self._answering()
        if socket is None:
            self._wait_or_clear()
            socket = self._answering() or self._start()
        _make_database(socket)
        return socket

    def lives(self) -> bool:
        postmaster = self._postmaster()
        if not postmaster:
            return False
        try:
            os.kill(postmaster, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it is there, and somebody else's
        try:
            told = Path(f"/proc/{postmaster}/stat").read_text()
        except OSError:
            return not Path("/proc/self").exists()
        # In a container whose first process buries nobody, the dead stay on as zombies.
        return told.rpartition(")")[2].split()[0] not in "ZX"

    def stop(self) -> None:
        lines = self._postmaster_lines()
        if self._postmaster() not in self._inside():
            return
        self._run("pg_ctl", "stop", f"--pgdata={self._data}", "--wait", "--mode=fast")
        socket = Path(lines[4])
        if socket.parent != self._folder:
            with contextlib.suppress(OSError):  # it lies in the temporary folder; somebody cleaned
                socket.rmdir()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    # --- folders ----------------------------------------------------------------------------

    def _make_folder(self) -> None:
        if self._entry.is_symlink() and not self._entry.exists():
            raise Misconfigured(
                SETTING,
                f"{self._entry} leads to {self._entry.readlink()}, and that is gone.",
                hint="Bring the data back, or remove the link to begin with an empty database.",
            )
        if not self._entry.exists():
            if os.geteuid() != 0 or let_pass(self._user, self._home):
                make_private(self._entry, self._user)
            else:
                self._make_folder_elsewhere()
        elif os.geteuid() == 0 and not self._entry.is_symlink():
            let_pass(self._user, self._home)
        if os.geteuid() != 0 and self._folder.stat().st_uid != os.geteuid():
            raise Misconfigured(
                SETTING,
                f"the database in {self._folder} belongs to another user.",
                hint=f"Run as that user or as root, or name another folder. {_OR_BRING_ONE}",
            )

    def _make_folder_elsewhere(self) -> None:
        elsewhere = roots_folder() / secrets.token_hex(8)
        make_private(elsewhere, self._user)
        self._entry.symlink_to(elsewhere)
        self._folder = elsewhere
        _logger.warning(
            "The database of %s lies in %s, because its server's user %s cannot enter the folders "
            "above the first.",
            self._home,
            elsewhere,
            self._user.pw_name,
        )

    def _socket_folder(self) -> Path:
        near = self._folder / "socket"
        if _fits(near):
            make_private(near, self._user)
            return near
        name = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]
        far = Path(tempfile.gettempdir()) / f"evergrant-{name}"
        if not _fits(far):
            raise Misconfigured(
                SETTING,
                f"neither {self._home} nor TMPDIR can hold a Unix socket: too long, or a comma.",
                hint=f"Name a shorter one. {_OR_BRING_ONE}",
            )
        make_private(far, self._user)
        return far

    # --- data -------------------------------------------------------------------------------

    def _make_data(self) -> None:
        if not self._data.exists():
            unfinished = self._folder / "data.unfinished"
            if unfinished.exists():
                shutil.rmtree(unfinished)
            self._run(
                "initdb",
                f"--pgdata={unfinished}",
                f"--username={SUPERUSER}",
                "--encoding=UTF8",
                # Ids and names sort the same on every machine.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--auth-local=peer",
                "--auth-host=reject",
                "--no-instructions",
            )
            with (unfinished / "postgresql.conf").open("a") as file:
                file.write("\ninclude 'evergrant.conf'\n")
            unfinished.rename(self._data)
        version = (self._data / "PG_VERSION").read_text().strip()
        if version != MAJOR:
            raise Misconfigured(
                SETTING,
                f"the database in {self._data} was made by PostgreSQL {version}, this is {MAJOR}.",
                hint="Dump it with the version of Evergrant that made it, and restore it here.",
            )

    def _write_configuration(self, socket: Path) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{socket}"',
            "unix_socket_permissions": "0700",
            "port": "5432",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            # Statements and values may hold what does not belong into a log.
            "log_min_messages": "warning",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            **self._settings,
        }
        lines = (
            f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n"
            for name, value in settings.items()
        )
        self._write("evergrant.conf", "# Written at every start.\n" + "".join(lines))
        self._write("pg_hba.conf", "# Written at every start.\nlocal all all peer map=ours\n")
        names = dict.fromkeys((name_of_user(), self._user.pw_name, "root"))
        mapped = "".join(f'ours "{name}" {SUPERUSER}\n' for name in names)
        self._write("pg_ident.conf", "# Written at every start.\n" + mapped)

    def _write(self, name: str, text: str) -> None:
        path = self._data / name
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, self._user.pw_uid, self._user.pw_gid)

    # --- the server -------------------------------------------------------------------------

    def _start(self) -> Path:
        socket = self._socket_folder()
        self._write_configuration(socket)
        if self._log.exists():
            self._log.replace(self._folder / "server.log.old")
        self._run(
            "pg_ctl",
            "start",
            f"--pgdata={self._data}",
            "--wait",
            f"--timeout={START_WITHIN_S:.0f}",
            f"--log={self._log}",
        )
        return socket

    def _wait_or_clear(self) -> None:
        """Nobody answers. A server may be on its way up or down, the last backends of a killed
        one on their way out, or a file tells of a server that is no more."""
        if not Path("/proc/self/cwd").exists():
            return
        gone = until(lambda: self._answering() or not self._inside(), START_WITHIN_S, 0.05)
        if gone is None:
            raise StoreUnavailable(
                f"A PostgreSQL server runs on {self._data} and does not answer.",
                hint=f"Processes: {self._inside()}; its log: {self._log}",
            )
        if self._answering() is None:
            # Nobody has the data open. A number in the file may be somebody else's process by now,
            # and PostgreSQL would take that for a running server.
            (self._data / "postmaster.pid").unlink(missing_ok=True)
            for left in self._socket_folder().glob(".s.PGSQL.*"):
                left.unlink(missing_ok=True)

    def _answering(self) -> Path | None:
        """The socket's folder of the server that runs on our data and lets us in."""
        lines = self._postmaster_lines()
        if len(lines) < 5:
            return None
        socket = Path(lines[4])
        try:
            with _connect(socket) as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return None
        return socket if row and Path(row[0]) == self._data else None

    def _postmaster_lines(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _postmaster(self) -> int:
        lines = self._postmaster_lines()
        return int(lines[0]) if lines and lines[0].strip().isdigit() else 0

    def _inside(self) -> list[int]:
        """Processes at home in the data: PostgreSQL's processes all are."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink() == self._data:
                    found.append(int(process.name))
            except OSError:
                continue  # gone meanwhile, or another user's
        return found

    def _run(self, program: str, *arguments: str) -> None:
        """Runs a program as the server's user. Its output goes to a file: a server inherits it,
        and a pipe would not end before the server does."""
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603
                [str(programs_for(self._user) / program), *arguments],
                cwd=self._folder,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **identity(self._user),
            )
            if done.returncode == 0:
                return
            output.seek(0)
            said = output.read().strip()
        raise StoreUnavailable(
            f"The embedded PostgreSQL: {program} failed: {said[-1000:]}",
            hint=f"{self._tail_of_log()}{_OR_BRING_ONE}",
        )

    def _tail_of_log(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()[-_LINES_OF_LOG:]
        except OSError:
            return ""
        return f"{self._log} ends with:\n" + "\n".join(lines) + "\n"


def _fits(socket_folder: Path) -> bool:
    """For libpq a comma separates two hosts, and nothing escapes it."""
    path = os.fsencode(socket_folder)
    return len(path) <= _LONGEST_SOCKET_FOLDER and b"," not in path


def make_private(folder: Path, user: pwd.struct_passwd) -> None:
    """A folder that only ``user`` (and root) can enter. What stands there already has to be one."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        at = folder.lstat()
        if not stat.S_ISDIR(at.st_mode) or at.st_uid != user.pw_uid:
            raise Misconfigured(
                SETTING,
                f"{folder} is in the way: it is not a folder of the user {user.pw_name}.",
                hint="Find out who made it; then remove it.",
            ) from None
        folder.chmod(0o700)
        return
    os.chown(folder, user.pw_uid, user.pw_gid)


def _connect(socket: Path, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(
        host=str(socket), user=SUPERUSER, dbname=database, connect_timeout=5, autocommit=True
    )


def _make_database(socket: Path) -> None:
    with _connect(socket) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if known.fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")
