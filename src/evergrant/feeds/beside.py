"""Files that lie beside the one that names them: the PDFs of invoices.

Answers for: reading them, and nothing but them, by the names that a file of changes holds. Does not
answer for: what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evergrant.errors import InvalidInput
from evergrant.feeds.drawers import Drawer, is_plain
from evergrant.rules.faults import Fault
from evergrant.rules.wishes.invoice import LARGEST_PDF

__all__ = ["Beside", "beside"]


class Beside:
    """``asked``: the names that were asked for, in order, as far as they can be names."""

    def __init__(self, drawer: Drawer) -> None:
        self._drawer = drawer
        self.asked: list[str] = []

    def __call__(self, name: str) -> bytes:
        """Raises Fault."""
        try:
            if not is_plain(name):
                raise FileNotFoundError(name)
            self.asked.append(name)
            return self._drawer.read(name, LARGEST_PDF)
        except OSError:
            raise Fault(
                "no_such_file",
                "names no file that can be read here.",
                hint="It lies in the same folder, is no link, and has 10 MiB at most; its name "
                "stands here without a path.",
            ) from None


@contextmanager
def beside(folder: Path) -> Iterator[Beside]:
    """Those of any folder. Raises InvalidInput when it cannot be opened."""
    try:
        with Drawer.opened(folder) as drawer:
            yield Beside(drawer)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise InvalidInput(f"The folder {folder} cannot be opened.") from None
