"""Lists to take away: no spreadsheet runs them, and what was cut off is told."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from evergrant.entrances.console.sheets import as_csv, as_json_lines, harmless
from evergrant.rules.rights import Role

RUN = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


async def content(response: Response) -> str:
    pieces = [piece async for piece in response.body_iterator]  # type: ignore[attr-defined]
    assert all(isinstance(piece, bytes) for piece in pieces)
    return b"".join(pieces).decode()


async def table(response: Response) -> list[list[str]]:
    text = await content(response)
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline="")))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("  =1+1", "'  =1+1"),
        ("\u00a0@SUM(A1)", "'\u00a0@SUM(A1)"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-", "'-"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\n=x", "'\n=x"),
        ("\uff1d1", "'\uff1d1"),
        ("'=x", "''=x"),
        ("plain", "plain"),
        ("a=b", "a=b"),
        ("O'Brien", "O'Brien"),
        ("", ""),
        (None, ""),
        (-3, "-3"),
        (Decimal("-0.50"), "-0.50"),
        (True, "yes"),
        (False, "no"),
        (Role.TEAM_LEAD, "team_lead"),
        (["=x", "y"], "'=x y"),
        ({"a": "=x"}, '{"a": "=x"}'),
        (
            datetime(2026, 3, 2, 10, tzinfo=timezone(timedelta(hours=1))),
            "2026-03-02T09:00:00+00:00",
        ),
        (date(2026, 3, 2), "2026-03-02"),
    ],
)
def test_one_cell(value: object, cell: str) -> None:
    assert harmless(value) == cell


@given(st.text())
def test_no_text_begins_as_a_formula_does(text: str) -> None:
    cell = harmless(text)
    assert not cell.lstrip("\0 ").startswith(tuple(RUN))
    assert cell.removeprefix("'") == text or cell == text


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
async def test_a_row_comes_back_as_it_was_written(cells: list[str]) -> None:
    columns = [str(number) for number in range(len(cells))]
    row = dict(zip(columns, cells, strict=True))
    heading, back = await table(as_csv("a.csv", columns, [row]))
    assert heading == columns
    assert back == [harmless(cell) for cell in cells]


async def many(number: int) -> AsyncIterator[Mapping[str, Any]]:
    for one in range(number):
        yield {"n": one, "words": "x" * 100}


async def test_columns_have_headings_and_lacking_values_are_empty() -> None:
    rows: list[dict[str, object]] = [{"a": 1, "hidden": 2}, {"b": "x"}]
    assert await table(as_csv("a.csv", {"a": "First", "b": "Second"}, rows)) == [
        ["First", "Second"],
        ["1", ""],
        ["", "x"],
    ]


async def test_a_file_is_sent_in_pieces_and_says_what_was_cut_off() -> None:
    response = as_csv("a.csv", ["n", "words"], many(2000), most=1500)
    pieces = [piece async for piece in response.body_iterator]  # type: ignore[attr-defined]
    assert 2 < len(pieces) < 100
    rows = list(csv.reader(io.StringIO(b"".join(pieces).decode()[1:])))
    assert len(rows) == 1502
    assert rows[-1] == [
        "Only the first 1,500 rows are in this file; narrow the filter for the others."
    ]
    assert len(await table(as_csv("a.csv", ["n"], many(5), most=5))) == 6


async def test_json_lines() -> None:
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    rows = [{"at": at, "role": Role.ADMIN, "rights": {"b", "a"}, "name": "=ü"}]
    lines = (await content(as_json_lines("a.jsonl", rows))).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"at": "2026-03-02T09:00:00+00:00", "role": "admin", "rights": ["a", "b"], "name": "=ü"}
    ]
    cut = (await content(as_json_lines("a.jsonl", many(5), most=2))).splitlines()
    assert len(cut) == 3
    assert json.loads(cut[-1]) == {"cut_off_after": 2}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("journal.csv", "journal.csv"),
        ('Miller & "Sons"\r\nx: y.csv', "miller-sons-x-y.csv"),
        ("../../etc/passwd.csv", "etc-passwd.csv"),
        ("\u00fc.csv", "list.csv"),
    ],
)
async def test_the_name_of_a_file_is_no_header_of_its_own(name: str, safe: str) -> None:
    response = as_csv(name, ["a"], [])
    assert response.headers["content-disposition"] == f'attachment; filename="{safe}"'
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
