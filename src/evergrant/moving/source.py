"""What every reader of the movers needs: bytes as text, limits, and the names of tables.

Answers for: encodings (UTF-8 with and without its mark, UTF-16 with it, Windows-1252 cell by cell),
how much is taken, and which table a name means. Does not answer for: any file format.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evergrant.errors import InvalidInput
from evergrant.moving.values import Cell, Row, Table

__all__ = [
    "Shelves",
    "encoding_of",
    "plain_name",
    "refused",
    "shown_name",
    "sized",
    "table_named",
]

#: More is no export of an integration's four tables.
LARGEST_BYTES = 1 << 30
#: A JSON document is read as a whole.
LARGEST_JSON_BYTES = 128 << 20
MOST_ROWS = 200_000
MOST_COLUMNS = 500
#: No column of interest holds more characters.
LONGEST_CELL = 64 * 1024

_NAMES = {
    Table.APPLICATIONS: ("integration", "integrations", "amazonintegration", "application"),
    Table.CREDENTIALS: (
        *("integrationcredentials", "integrationcredential", "amazonintegrationcredentials"),
        *("credentials", "applicationcredentials"),
    ),
    Table.INSTANCES: ("client", "clients", "clientinstance", "clientinstances"),
    Table.ACCOUNTS: (
        *("accountamazon", "accountsamazon", "accountamazons", "amazonaccount", "amazonaccounts"),
        *("accountamz", "amzaccount"),
    ),
}
_TABLES = {name: table for table, names in _NAMES.items() for name in names}


def plain_name(name: str) -> str:
    """Without case, blanks, underscores and other marks: ``Account Amazon``, ``account_amazon``
    and ``accountAmazon`` are one name."""
    return re.sub(r"[\W_]", "", name.casefold())


def table_named(name: str) -> Table | None:
    """The table that a name means, a schema before it or not; None: it is of no interest."""
    return _TABLES.get(plain_name(name.rpartition(".")[2]))


def refused(message: str, hint: str | None = None) -> InvalidInput:
    return InvalidInput(message, hint=hint or "Nothing was changed. Export the file once more.")


def sized(path: Path, most: int = LARGEST_BYTES) -> int:
    """Bytes of a regular file that is not too large. Raises InvalidInput."""
    try:
        if not path.is_file():
            raise refused(f"{path} is not a file.", "Name a folder of CSV files, a .json or .sql.")
        size = path.stat().st_size
    except OSError as error:
        raise refused(f"{path} cannot be read: {error.strerror}.", "Mind its rights.") from None
    if size > most:
        raise refused(
            f"{path} has {size / 1e6:.0f} MB; at most {most / 1e6:.0f} MB are read.",
            f"Export only the tables {', '.join(table.value for table in Table)}.",
        )
    return size


def encoding_of(path: Path) -> str:
    """By the mark at its beginning, else UTF-8. Bytes that are not UTF-8 come through as
    surrogates, and each cell settles for itself what they are."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise refused(f"{path} cannot be read: {error.strerror}.", "Mind its rights.") from None
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


_NOT_UTF8 = "Text that is not UTF-8 was taken for Windows-1252: look at umlauts and accents."


@dataclass(slots=True)
class Shelves:
    """Rows as they come in, with the limits on them, and what is to be said of the whole."""

    rows: list[Row] = field(default_factory=list)
    notices: dict[str, None] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    _numbers: dict[Table, int] = field(default_factory=dict)

    def skip(self, what: str) -> None:
        self.skipped[what] = self.skipped.get(what, 0) + 1

    def take(
        self,
        table: Table,
        line: int | None,
        columns: Sequence[str],
        cells: Sequence[Cell],
        faults: Mapping[str, str] | None = None,
    ) -> None:
        """One row. A row with more or fewer cells than columns is kept as faulty: which cell
        belongs where cannot be known. Raises InvalidInput where there are too many."""
        number = self._numbers[table] = self._numbers.get(table, 0) + 1
        if number > MOST_ROWS:
            raise refused(
                f"The table {table.value} has more than {MOST_ROWS} rows.", "Import it in parts."
            )
        found = dict(faults or {})
        settled: dict[str, Cell] = {}
        if len(cells) != len(columns):
            found = {
                "": f"It has {len(cells)} values where {len(columns)} columns are named, so nobody "
                "knows which is which."
            }
        else:
            for name, cell in zip(columns, cells, strict=True):
                settled[name], fault = self._settled(cell)
                if fault:
                    found[name] = fault
        self.rows.append(
            Row(table=table, line=line or number, number=number, cells=settled, faults=found)
        )

    def _settled(self, cell: Cell) -> tuple[Cell, str]:
        """The cell, and what is wrong with it."""
        if not isinstance(cell, str):
            return cell, ""
        if len(cell) > LONGEST_CELL:
            return None, f"holds more than {LONGEST_CELL} characters"
        if not cell.isascii():
            try:
                cell = self._decoded(cell)
            except UnicodeError:
                return None, "holds bytes that are no text"
        if "\0" in cell and cell != "\0":
            return None, "holds a NUL character"
        return cell, ""

    def _decoded(self, cell: str) -> str:
        try:
            cell.encode()
            return cell
        except UnicodeEncodeError:
            raw = cell.encode("utf-8", "surrogateescape")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.notices[_NOT_UTF8] = None
            return raw.decode("cp1252")


def shown_name(name: str) -> str:
    """The name of a column comes from outside as well."""
    return "".join(char if char.isprintable() else "?" for char in name[:40])
