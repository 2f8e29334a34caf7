"""Files that the movers leave: an export, a report.

Answers for: files that only their owner reads, complete or not there at all, and for cells that no
spreadsheet takes for a formula. Does not answer for: what is in them.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from evergrant.errors import InvalidInput
from evergrant.moving.values import Entry, Report

__all__ = ["report_text", "whole_file", "write_file"]

_COLUMNS = (
    *("table", "line", "row", "thing", "name", "step", "outcome", "why", "notices", "questions"),
)


def write_file(path: Path, text: str) -> None:
    """As ``whole_file``, all at once."""
    with whole_file(path) as file:
        file.write(text.encode())


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Mode 0600, whole or not at all; an older file of that name is replaced. Raises
    InvalidInput."""
    target = path.absolute()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be written: {error.strerror}.", hint="Name another place."
        ) from None


def report_text(report: Report, *, as_csv: bool) -> str:
    """Line by line, without secrets."""
    if as_csv:
        return _in_csv(report)
    lines = [_row(one) for one in report.entries]
    document = {
        "carried_out": report.carried_out,
        "counts": report.counts,
        "notices": list(report.notices),
        "skipped": dict(report.skipped),
        "lines": lines,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _row(one: Entry) -> dict[str, Any]:
    return {
        "table": one.table.value,
        "line": one.line,
        "row": one.number,
        "thing": one.thing.value,
        "name": one.name,
        "step": one.step.value,
        "outcome": None if one.outcome is None else one.outcome.value,
        "why": one.why,
        "notices": list(one.notices),
        "questions": list(one.questions),
    }


def _in_csv(report: Report) -> str:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(_COLUMNS)
    for one in report.entries:
        row: Mapping[str, Any] = _row(one)
        writer.writerow([_harmless(row[name]) for name in _COLUMNS])
    return written.getvalue()


def _harmless(value: Any) -> str:
    """Text that a spreadsheet would run begins with one of these; an apostrophe makes it text.
    Source: OWASP, "CSV Injection"."""
    text = " ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
