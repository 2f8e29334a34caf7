"""A key ring in a file that several processes share.

Answers for: a file that only its owner reads, replaced whole or not at all, and looked at again
when it changed or when a key is asked for that is not known yet. Does not answer for: copies of
it. Without this file nothing that was sealed opens again.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from evergrant.adapters.keyring.ring import SETTING, Ring
from evergrant.errors import Misconfigured

__all__ = ["FileKeyring", "make_keyring"]

_Mark = tuple[int, int, int]


def make_keyring(path: Path) -> bool:
    """Makes a ring with one fresh key at ``path``, mode 0600, and its folder if need be.

    False when one is there already: two processes that start at once end up with one ring.
    Never call this for a store that holds sealed things: they need the ring they were sealed with.
    Raises Misconfigured when the file cannot be written.
    """
    if path.exists():
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = _written_beside(path, Ring.fresh())
        try:
            os.link(written, path)
        except FileExistsError:
            return False
        finally:
            written.unlink()
        _sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    return True


class FileKeyring:
    """``ports.Keyring`` over a file of ``id:base64`` lines; the first key is current.

    Raises Misconfigured when the file is missing, malformed, or open to other users.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ring, self._mark = self._read()

    async def seal(self, plaintext: bytes, context: str) -> tuple[str, bytes]:
        return self._latest().seal(plaintext, context)

    async def open(self, key_id: str, ciphertext: bytes, context: str) -> bytes:
        # The hot path: a key that is known stays what it is, so the file need not be looked at.
        ring = self._ring if key_id in self._ring else self._latest()
        return ring.open(key_id, ciphertext, context)

    async def current_key_id(self) -> str:
        return self._latest().current

    async def key_ids(self) -> Sequence[str]:
        return self._latest().key_ids

    async def add_key(self) -> str:
        return self._add()

    def _add(self) -> str:
        try:
            with self._alone():
                ring = self._read()[0].with_new_key()
                written = _written_beside(self._path, ring)
                written.replace(self._path)
                _sync(self._path.parent)
        except OSError as error:
            raise _unwritable(self._path, error) from None
        self._ring, self._mark = self._read()
        return ring.current

    def _latest(self) -> Ring:
        try:
            changed = _mark(self._path.stat()) != self._mark
        except OSError as error:
            raise _unreadable(self._path, error) from None
        if changed:
            self._ring, self._mark = self._read()
        return self._ring

    def _read(self) -> tuple[Ring, _Mark]:
        try:
            with self._path.open(encoding="utf-8") as file:
                at = os.fstat(file.fileno())
                if stat.S_IMODE(at.st_mode) & 0o077:
                    raise Misconfigured(
                        SETTING,
                        f"{self._path} is open to other users of this machine.",
                        hint=f"Run: chmod 600 {self._path}",
                    )
                text = file.read()
        except FileNotFoundError:
            raise Misconfigured(
                SETTING,
                f"there is no key ring at {self._path}.",
                hint="Put it back from your safe copy. Without it nothing sealed can be opened.",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(self._path, error) from None
        return Ring.parse(text, str(self._path)), _mark(at)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Against other processes. The lock is a file of its own, as the ring gets replaced."""
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _mark(at: os.stat_result) -> _Mark:
    return at.st_ino, at.st_mtime_ns, at.st_size


def _written_beside(path: Path, ring: Ring) -> Path:
    """A new file in the same folder (mode 0600, as ``mkstemp`` makes them), safe on the disk."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(
                "# Evergrant's key ring: opens everything in the safe. The first key is current.\n"
                "# Keep a copy in another safe place.\n" + ring.text()
            )
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unreadable(path: Path, error: Exception) -> Misconfigured:
    return Misconfigured(SETTING, f"the key ring {path} cannot be read: {error}")


def _unwritable(path: Path, error: OSError) -> Misconfigured:
    return Misconfigured(SETTING, f"the key ring {path} cannot be written: {error.strerror}.")
