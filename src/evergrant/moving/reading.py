"""Reads what another integration's database exported, or what we exported ourselves.

Answers for: telling the formats apart (a folder of CSV files, one CSV file, one JSON document, one
dump in SQL), and for the rows of the tables that matter; the rest is counted. Does not answer for:
what the rows mean (``columns``, ``wishes``), and for writing anything anywhere.
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
import threading
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from evergrant.errors import InvalidInput
from evergrant.moving.reading_sql import read_sql
from evergrant.moving.source import (
    LARGEST_JSON_BYTES,
    MOST_COLUMNS,
    Shelves,
    encoding_of,
    refused,
    shown_name,
    sized,
    table_named,
)
from evergrant.moving.values import Books, Cell, Sealed, Table

__all__ = ["FORMAT", "VERSION", "read"]

#: What stands at the head of an export of ours.
FORMAT, VERSION = "evergrant export", 1

_DELIMITERS = ",;\t|"
#: The csv module's own limit is one for the whole process.
_LONGEST_FIELD = 8 << 20
_ONE_AT_A_TIME = threading.Lock()


def read(path: Path) -> Books:
    """Raises InvalidInput: not there, no format that we know, cut off, too large, or without any
    table that matters."""
    shelves = Shelves()
    head: Mapping[str, Any] = {}
    if path.is_dir():
        _read_folder(path, shelves)
    elif path.suffix.lower() == ".json":
        head = _read_json(path, shelves)
    elif path.suffix.lower() in (".csv", ".tsv"):
        _read_csv_file(path, shelves, _table_of(path))
    elif path.suffix.lower() in (".sql", ".dump", ".txt"):
        sized(path)
        _refuse_archive(path)
        with _text(path) as stream:
            read_sql(stream, shelves)
    else:
        sized(path)
        raise refused(
            f"{path} is of no kind that can be read.",
            "Name a folder of CSV files, a .csv, a .json or a .sql.",
        )
    if not shelves.rows:
        known = ", ".join(table.value for table in Table)
        raise refused(
            f"In {path} there is no row of any table that is known.",
            f"Tables that are known: {known}. See the guide 'move-in'.",
        )
    sealing = head.get("sealing")
    return Books(
        rows=tuple(shelves.rows),
        notices=tuple(shelves.notices),
        skipped=dict(sorted(shelves.skipped.items())),
        ours=bool(head),
        sealing=sealing if isinstance(sealing, Mapping) else None,
    )


def _text(path: Path, newline: str | None = None) -> TextIO:
    return path.open(encoding=encoding_of(path), errors="surrogateescape", newline=newline)


def _refuse_archive(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith((b"PGDMP", b"SQLite format 3", b"\x1f\x8b", b"PK\x03\x04")):
        raise refused(
            f"{path} is no text: an archive of pg_dump, a database file, or packed.",
            "Make a dump in SQL: pg_dump --format=plain, sqlite3 FILE .dump; unpack it first.",
        )


# --- CSV --------------------------------------------------------------------------------------


def _read_folder(path: Path, shelves: Shelves) -> None:
    found = 0
    for file in sorted(path.iterdir()):
        if file.suffix.lower() in (".csv", ".tsv") and table_named(file.stem):
            _read_csv_file(file, shelves, _table_of(file))
            found += 1
        else:
            shelves.skip(f"file {shown_name(file.name)}")
    if not found:
        names = ", ".join(f"{table.value}.csv" for table in Table)
        raise refused(f"In the folder {path} is none of the files {names}.", "Name another folder.")


def _table_of(path: Path) -> Table:
    table = table_named(path.stem)
    if table is None:
        names = ", ".join(f"{one.value}.csv" for one in Table)
        raise refused(f"{path.name} is not named after a table.", f"Name it one of: {names}.")
    return table


def _read_csv_file(path: Path, shelves: Shelves, table: Table) -> None:
    sized(path)
    with _ONE_AT_A_TIME, _text(path, newline="") as stream:
        usual = csv.field_size_limit(_LONGEST_FIELD)
        line = 1
        try:
            delimiter = _delimiter_of(stream)
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            names = [name.strip() for name in next(reader, [])]
            _check_heading(names, path)
            line = reader.line_num + 1
            for cells in reader:
                if any(cells):
                    shelves.take(table, line, names, [_of_csv(cell) for cell in cells])
                line = reader.line_num + 1
        except csv.Error as error:
            raise refused(
                f"{path.name} is broken in the row that begins in line {line}: {error}."
            ) from None
        finally:
            csv.field_size_limit(usual)


def _delimiter_of(stream: TextIO) -> str:
    heading = stream.readline(64 * 1024)
    stream.seek(0)
    return max(_DELIMITERS, key=heading.count)


def _check_heading(names: Sequence[str], path: Path) -> None:
    if not any(names):
        raise refused(f"{path.name} has no heading.", "Its first line has to name the columns.")
    if len(names) > MOST_COLUMNS or len(set(names)) < len(names):
        raise refused(f"{path.name} names a column twice, or more than {MOST_COLUMNS} of them.")


def _of_csv(cell: str) -> Cell:
    """Spreadsheets write ``="0042"`` to keep a number text; exports write NULL in two ways."""
    if cell in ("NULL", "\\N"):
        return None
    if cell.startswith('="') and cell.endswith('"') and len(cell) > 2:
        return cell[2:-1]
    return cell


# --- JSON -------------------------------------------------------------------------------------


def _read_json(path: Path, shelves: Shelves) -> Mapping[str, Any]:
    """Gives the head of an export of ours; empty for others."""
    sized(path, LARGEST_JSON_BYTES)
    with _text(path) as stream:
        text = stream.read()
    try:
        document = json.loads(text)
    except RecursionError:
        raise refused(f"{path.name} is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise refused(
            f"{path.name} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from None
    except ValueError:
        raise refused(f"{path.name} is not JSON: it holds a number of absurd length.") from None
    document = _of_php_my_admin(document)
    if not isinstance(document, dict):
        raise refused(f"{path.name} has to hold an object: names of tables, each with its rows.")
    head = document.pop("evergrant", None)
    for name, rows in document.items():
        table = table_named(name)
        if table is None:
            shelves.skip(f"table {shown_name(name)}")
        elif not isinstance(rows, list):
            raise refused(f"{path.name}: {table.value} has to be a list of rows.")
        else:
            _take_rows(table, rows, shelves)
    return {} if head is None else _checked_head(head)


def _of_php_my_admin(document: Any) -> Any:
    """A list of parts, of which those of type "table" have a name and data."""
    if not isinstance(document, list):
        return document
    tables: dict[str, Any] = {}
    for part in document:
        if isinstance(part, dict) and part.get("type") == "table":
            tables[str(part.get("name"))] = part.get("data", [])
    return tables or document


def _checked_head(head: Any) -> Mapping[str, Any]:
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise refused("The head of this export is malformed.")
    version = head.get("version")
    if version != VERSION:
        raise InvalidInput(
            f"This export is of version {str(version)[:20]}; version {VERSION} is read here.",
            hint="Import it with the Evergrant that wrote it, or with a newer one.",
        )
    return head


def _take_rows(table: Table, rows: Sequence[Any], shelves: Shelves) -> None:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or len(row) > MOST_COLUMNS:
            shelves.take(table, number, ("",), (), None)
            continue
        faults: dict[str, str] = {}
        cells = [_of_json(name, value, faults) for name, value in row.items()]
        shelves.take(table, number, list(row), cells, faults)


def _of_json(name: str, value: Any, faults: dict[str, str]) -> Cell:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str | int) for one in islice(value, 10_000)):
        return ",".join(str(one) for one in value)
    if isinstance(value, dict) and set(value) == {"sealed"} and isinstance(value["sealed"], str):
        try:
            return Sealed(base64.b64decode(value["sealed"], validate=True))
        except (binascii.Error, ValueError):
            faults[name] = "is sealed, and damaged"
            return None
    faults[name] = "holds a list or an object that means nothing here"
    return None
