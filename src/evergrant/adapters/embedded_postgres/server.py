"""The server of one home, as a process of ours sees it: start or join it, leave it.

Answers for: who uses the server at this moment, and that one process at a time starts or stops it.
Does not answer for: how that is done (``cluster``).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from evergrant.adapters.embedded_postgres.cluster import (
    DATABASE,
    SETTING,
    START_WITHIN_S,
    SUPERUSER,
    Cluster,
)
from evergrant.adapters.embedded_postgres.machine import until
from evergrant.errors import Misconfigured, StoreUnavailable

__all__ = ["EmbeddedPostgres"]

#: pg_ctl hands its paths to a shell, between double quotes.
_NOT_IN_PATHS = '"`$\\\n'


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

        Called again, it brings back a server that died meanwhile. Raises Misconfigured and
        StoreUnavailable, with what to do.
        """
        self._make_home()
        with self._alone():
            users = self._users
            if users is None:
                users = _locked(self._home / "postgres.users", fcntl.LOCK_SH)
            try:
                self._socket = Cluster(self._home, self._settings).ensure_running()
            except BaseException:
                if self._users is None:
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
                    Cluster(self._home, self._settings).stop()
                finally:
                    os.close(nobody)

    def lives(self) -> bool:
        """Whether the server's process is there. Costs next to nothing; it says nothing of a
        server that is there and does not answer."""
        return Cluster(self._home, self._settings).lives()

    def url(self, database: str = DATABASE) -> str:
        """Holds no secret: the kernel says who we are."""
        if self._socket is None:
            raise RuntimeError("The server was not started.")
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._socket), safe='')}"

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
        lock = until(lambda: _locked_now(path), 2 * START_WITHIN_S, 0.02)
        if lock is None:
            raise StoreUnavailable(f"Another process has been holding {path} for too long.")
        try:
            yield
        finally:
            os.close(lock)


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
