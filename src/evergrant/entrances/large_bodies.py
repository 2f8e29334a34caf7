"""Where bodies may be larger than elsewhere: changes, which may hold the PDFs of invoices, and
files of changes on their way through the console.

Answers for: which requests these are, how large theirs may be, and how many of them are kept in
memory at a time. Does not answer for: counting bytes (``bodies``, and the door's porter).

Only who says beforehand how long the body is may send a large one: then nothing of it is read
before the key, or the session, was looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.types import Scope

from evergrant.errors import OverLimit

__all__ = [
    "AT_ONCE",
    "LARGEST_CHANGES",
    "LARGEST_FILE",
    "SLOWEST",
    "TOO_LARGE",
    "Places",
    "allowed",
    "takes_csv",
    "turns_away_itself",
]

#: Bytes. A PDF of 10 MiB has 13.4 MiB in base64. What is made of a body takes several times as
#: much memory for a moment.
LARGEST_CHANGES: Final = 16 * 1024 * 1024
#: Bytes of one file in the console: the 10,000 lines of a batch, with several rows each where an
#: order or a package has several items.
LARGEST_FILE: Final = 20 * 1024 * 1024
#: The other fields of its form, and what surrounds them.
_BESIDE: Final = 64 * 1024
#: In a request's scope: its body was larger than so many bytes, and nothing of it is left to read.
TOO_LARGE: Final = "evergrant.too_large"
#: So many large ones at a time, in one process.
AT_ONCE: Final = 2
#: Bytes a second that are waited for.
SLOWEST: Final = 256 * 1024

#: The preview sends the file back packed, in base64: what does not shrink grows by a third.
_CARRIED: Final = LARGEST_FILE * 4 // 3 + 1024 * 1024
_UPLOAD = re.compile(r"/console/accounts/[^/]+/upload(/take)?")
_CHANGES = re.compile(r"/v1/accounts/[^/]+/changes/?")


def allowed(scope: Scope, usual: int) -> int:
    """Bytes that the body of this request may have, if it is announced."""
    if takes_csv(scope):
        return max(usual, LARGEST_CHANGES)
    upload = _UPLOAD.fullmatch(scope["path"]) if scope["method"] == "POST" else None
    if upload is not None:
        return max(usual, (_CARRIED if upload[1] else LARGEST_FILE) + _BESIDE)
    return usual


def turns_away_itself(scope: Scope) -> bool:
    """Whether the door itself says that a body is too large: people read what the console says."""
    path: str = scope["path"]
    return path.startswith("/console/")


def takes_csv(scope: Scope) -> bool:
    """Whether it hands in changes."""
    return scope["method"] == "POST" and _CHANGES.fullmatch(scope["path"]) is not None


class Places:
    """Room for large bodies, in one process."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._left = at_once

    @contextmanager
    def one(self) -> Iterator[None]:
        """Raises OverLimit where all places are taken: nobody waits with a body in hand."""
        if not self._left:
            raise OverLimit(
                "As many large batches as fit are being taken in at this moment.",
                retry_after_s=2,
                hint="Send it again in some seconds, or in smaller parts.",
            )
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1
