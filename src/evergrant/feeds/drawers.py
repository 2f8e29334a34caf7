"""One folder of files, held open: nothing outside of it is read or written by way of it.

Answers for: names that stay within the folder, no link followed anywhere, sizes bounded, and
writing and moving files in one step each. Does not answer for: what the files hold.

Whoever may drop files into a folder must not be able to have others read or moved. So a folder is
opened once, without following a link, and everything is named relative to what was opened: a
folder that is replaced by a link in the meantime is not entered.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Drawer", "Sheet", "is_plain"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe that nobody writes to must not hold us up.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1024 * 1024
#: File systems take 255 bytes, and what we put before and behind a name needs some of them.
_LONGEST_NAME = 180


def is_plain(name: str) -> bool:
    """Whether it names a file of a folder, and nothing above, below or hidden."""
    return (
        0 < len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME
        and name.isprintable()
        and not name.startswith((".", "~"))
        and not {"/", "\\"} & set(name)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One file as it was found. ``written_ns`` and ``moved_ns``: since 1970."""

    name: str
    size: int
    written_ns: int
    moved_ns: int


class Drawer:
    """Verbs raise OSError; FileNotFoundError where somebody else was there first."""

    def __init__(self, descriptor: int) -> None:
        self._fd = descriptor

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[Drawer]:
        """The folder itself may be a link: whoever set it up chose it."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield cls(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def drawer(self, name: str, *, make: bool = False) -> Iterator[Drawer]:
        """One below it; ``make``: where there is none yet."""
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, mode=0o700, dir_fd=self._fd)
        descriptor = os.open(name, _FOLDER, dir_fd=self._fd)
        try:
            yield Drawer(descriptor)
        finally:
            os.close(descriptor)

    def drawers(self) -> list[str]:
        """Names of the folders in it, links left out."""
        with os.scandir(self._fd) as entries:
            found = [one.name for one in entries if one.is_dir(follow_symlinks=False)]
        return sorted(name for name in found if not name.startswith("."))

    def sheets(self, *endings: str) -> list[Sheet]:
        """Regular files with one of these endings, the oldest first; links are none."""
        found = []
        with os.scandir(self._fd) as entries:
            for one in entries:
                if not one.name.lower().endswith(endings) or not is_plain(one.name):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    about = one.stat(follow_symlinks=False)
                    if stat.S_ISREG(about.st_mode):
                        found.append(_sheet(one.name, about))
        return sorted(found, key=lambda sheet: (sheet.written_ns, sheet.name))

    def sheet(self, name: str) -> Sheet:
        return _sheet(name, os.stat(name, dir_fd=self._fd, follow_symlinks=False))

    def read(self, name: str, most: int) -> bytes:
        """Raises also OSError for what is no regular file, or larger than ``most`` bytes."""
        if not is_plain(name):
            raise FileNotFoundError(name)
        descriptor = os.open(name, _FILE, dir_fd=self._fd)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"{name} is no regular file")
            pieces = []
            left = most
            while piece := os.read(descriptor, min(_PIECE, left + 1)):
                left -= len(piece)
                if left < 0:
                    raise OSError(f"{name} is larger than {most} bytes")
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            os.close(descriptor)

    def write(self, name: str, content: bytes) -> None:
        """Whole or not at all, over whatever was there of that name."""
        aside = f".{secrets.token_hex(8)}.part"
        descriptor = os.open(aside, _NEW_FILE, mode=0o600, dir_fd=self._fd)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(aside, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(aside, dir_fd=self._fd)
            raise

    def move(self, name: str, to: Drawer, new_name: str) -> None:
        """In one step; of several who try, one is first."""
        if "/" in name or "/" in new_name:
            raise FileNotFoundError(name)
        os.rename(name, new_name, src_dir_fd=self._fd, dst_dir_fd=to._fd)

    def has(self, name: str) -> bool:
        try:
            self.sheet(name)
        except FileNotFoundError:
            return False
        return True


def _sheet(name: str, about: os.stat_result) -> Sheet:
    return Sheet(
        name=name,
        size=about.st_size,
        written_ns=about.st_mtime_ns,
        moved_ns=about.st_ctime_ns,
    )
