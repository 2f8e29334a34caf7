"""Lists as files to take away: CSV for spreadsheets, JSON lines for programs.

Answers for: how rows are written, so that no spreadsheet runs what a person or Amazon typed; for
sending them while they are read; and for saying so where a limit cut them off. Does not answer for:
which rows, or who may have them.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from starlette.responses import Response, StreamingResponse

__all__ = ["MOST_ROWS", "as_csv", "as_json_lines", "harmless"]

#: So many rows one file holds, unless its page says otherwise.
MOST_ROWS = 100_000
#: A spreadsheet takes text that begins so for a formula, blanks in front of it or not, also in its
#: wide forms. Source: OWASP, "CSV Injection".
_FORMULA = re.compile(r"'*[\s\0]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n\0]")
_UNNAMEABLE = re.compile(r"[^a-z0-9._-]+")
#: Rows are sent in pieces of about this size.
_PIECE = 32 * 1024
#: Tells spreadsheets that the file is UTF-8.
_MARK = "\ufeff"


def harmless(value: object) -> str:
    """One cell. Text that a spreadsheet would run gets an apostrophe in front; numbers, instants
    and truth are written plainly, nothing is empty, several things stand with blanks between."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, Enum):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    text = _text(value)
    return f"'{text}" if _FORMULA.match(text) else text


def as_csv(
    filename: str,
    columns: Mapping[str, str] | Sequence[str],
    rows: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]],
    *,
    most: int = MOST_ROWS,
) -> Response:
    """``columns``: names in the rows with their headings, or names that are headings as well. A
    name that a row lacks is an empty cell. After ``most`` rows a last line says that there are
    more. The file is sent while ``rows`` is read."""
    headings = columns if isinstance(columns, Mapping) else {name: name for name in columns}
    cut = f"Only the first {most:,} rows are in this file; narrow the filter for the others."

    async def lines() -> AsyncIterator[str]:
        yield _MARK + _line(headings.values())
        number = 0
        async for row in _each(rows):
            if number == most:
                yield _line([cut])
                return
            number += 1
            yield _line(harmless(row.get(name)) for name in headings)

    return _sent(filename, "text/csv; charset=utf-8", lines())


def as_json_lines(
    filename: str,
    rows: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]],
    *,
    most: int = MOST_ROWS,
) -> Response:
    """One object in each line. After ``most`` rows a last one, ``{"cut_off_after": most}``, says
    that there are more. The file is sent while ``rows`` is read."""

    async def lines() -> AsyncIterator[str]:
        number = 0
        async for row in _each(rows):
            if number == most:
                yield json.dumps({"cut_off_after": most}) + "\n"
                return
            number += 1
            yield json.dumps(row, ensure_ascii=False, default=_in_json) + "\n"

    return _sent(filename, "application/x-ndjson", lines())


def _text(value: object) -> str:
    if isinstance(value, Enum):
        return _text(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, default=_in_json)
    if isinstance(value, Iterable):
        return " ".join(_text(one) for one in value)
    return str(value)


def _in_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(str(one) for one in value)
    return value.value if isinstance(value, Enum) else str(value)


def _line(cells: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerow(cells)
    return written.getvalue()


async def _each(
    rows: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]],
) -> AsyncIterator[Mapping[str, Any]]:
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


def _sent(filename: str, media_type: str, lines: AsyncIterator[str]) -> Response:
    stem, dot, ending = filename.lower().rpartition(".")
    safe = f"{_UNNAMEABLE.sub('-', stem).strip('-.') or 'list'}{dot}{ending}"
    headers = {"content-disposition": f'attachment; filename="{safe}"'}
    return StreamingResponse(_pieces(lines), media_type=media_type, headers=headers)


async def _pieces(lines: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """Many lines in one piece: a message for each would cost more than the line."""
    kept: list[str] = []
    size = 0
    async for line in lines:
        kept.append(line)
        size += len(line)
        if size >= _PIECE:
            yield "".join(kept).encode()
            kept, size = [], 0
    if kept:
        yield "".join(kept).encode()
