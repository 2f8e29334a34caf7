"""Exports of all kinds come in the same, and whatever is wrong with one is told, not believed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergrant.errors import InvalidInput
from evergrant.moving import Books, Table, read
from evergrant.moving.source import LONGEST_CELL, MOST_ROWS, plain_name
from tests.rooms.moving_house import (
    Former,
    Rows,
    as_csv,
    as_json,
    as_mysql,
    as_postgres,
    as_sqlite,
)

WRITERS: dict[str, Callable[[Rows, Path], Path]] = {
    "csv": lambda rows, at: as_csv(rows, at / "csv"),
    "semicolons": lambda rows, at: as_csv(rows, at / "semicolons", ";"),
    "json": lambda rows, at: as_json(rows, at / "a.json"),
    "mysql": lambda rows, at: as_mysql(rows, at / "a.sql"),
    "copy": lambda rows, at: as_postgres(rows, at / "a.sql", copy=True),
    "inserts": lambda rows, at: as_postgres(rows, at / "a.sql", copy=False),
    "sqlite": lambda rows, at: as_sqlite(rows, at / "a.sql"),
}


def plainly(books: Books) -> dict[str, list[dict[str, str]]]:
    """Rows by table, with names of columns as they are compared and without what is empty."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in books.rows:
        assert not row.faults
        cells = {plain_name(n): str(c) for n, c in row.cells.items() if c not in (None, "")}
        found.setdefault(row.table.value, []).append(cells)
    return found


def expected(rows: Rows) -> dict[str, list[dict[str, str]]]:
    return {
        table: [
            {plain_name(n): str(c) for n, c in row.items() if c not in (None, "")} for row in found
        ]
        for table, found in rows.items()
    }


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_says_the_same(kind: str, tmp_path: Path) -> None:
    rows = Former().rows
    books = read(WRITERS[kind](rows, tmp_path))
    assert plainly(books) == expected(rows)
    assert books.skipped  # the orders, and all that a dump consists of besides
    assert not books.ours
    assert all(row.line >= 1 for row in books.rows)


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    rows = Former().rows
    file = as_postgres(rows, tmp_path / "a.sql", copy=False)
    lines = file.read_text().splitlines()
    for row in read(file).rows:
        assert f"INTO public.{row.table.value} " in lines[row.line - 1]
        assert str(row.cells["id"]) in lines[row.line - 1]


texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=60
) | st.sampled_from(["'", "\\'", '";--', "/*", "$$", "\\", "\\\\N", "''", "a\nb", "\\.", "), ("])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(texts, min_size=1, max_size=4))
def test_whatever_text_is_written_comes_back(tmp_path: Path, found: list[str]) -> None:
    named = [{"id": n, "name": text} for n, text in enumerate(found, 1)]
    rows: Rows = {"passed_over": named, "client": named}  # strings are strings there, too
    for number, writer in enumerate(
        (
            as_mysql,
            lambda r, f: as_postgres(r, f, copy=True),
            lambda r, f: as_postgres(r, f, copy=False),
            as_sqlite,
            as_json,
        )
    ):
        file = tmp_path / f"a{number}.{'json' if writer is as_json else 'sql'}"
        books = read(writer(rows, file))
        assert [row.cells["name"] for row in books.rows] == found, writer


def test_text_with_line_breaks_as_sqlites_own_shell_writes_it(tmp_path: Path) -> None:
    file = sql(
        tmp_path,
        "PRAGMA foreign_keys=OFF;",
        "CREATE TABLE client(id int, name text);",
        r"INSERT INTO client VALUES(1,replace('a\nb','\n',char(10)));",
        r"INSERT INTO client VALUES(2,replace(replace('a\r\nb','\r',char(13)),'\n',char(10)));",
        r"INSERT INTO client VALUES(3,unistr('a\u000ab\\c'));",
        "INSERT INTO client VALUES(4,replace('a','b','c'));",
    )
    *fine, last = read(file).rows
    assert [row.cells["name"] for row in fine] == ["a\nb", "a\r\nb", "a\nb\\c"]
    assert "not evaluated" in last.faults["name"]


def sql(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "a.sql"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


MYSQL = "-- MySQL dump 10.13"


@pytest.mark.parametrize(
    ("literal", "is_worth"),
    [
        ("0x01", "1"),
        ("0x00", "0"),
        ("0x4142", "AB"),
        ("b'1'", "1"),
        ("X'4142'", "AB"),
        ("_utf8mb4'ab'", "ab"),
        ("_binary 'ab'", "ab"),
        ("'a' 'b'", "ab"),
        ('"a""b"', 'a"b'),
        (r"'a\%b\Zc'", "a\\%b\x1ac"),
        ("-1.5e3", "-1.5e3"),
        ("TRUE", "1"),
        ("NULL", None),
    ],
)
def test_literals_of_mysql(tmp_path: Path, literal: str, is_worth: str | None) -> None:
    line = f"REPLACE INTO `client` (`id`, `name`) VALUES (1, {literal});"
    (row,) = read(sql(tmp_path, MYSQL, line)).rows
    assert not row.faults
    assert row.cells["name"] == is_worth


@pytest.mark.parametrize(
    "expression",
    ["NOW()", "CONCAT('a', (1), \"b,)\")", "1+1", "(SELECT 'x')", "@@version", "sleep(10)", "?"],
)
def test_expressions_are_told_and_not_evaluated(tmp_path: Path, expression: str) -> None:
    line = f"INSERT INTO client (id, name, note) VALUES (1, {expression}, 'n'), (2, 'b', NULL);"
    first, second = read(sql(tmp_path, MYSQL, line)).rows
    assert first.cells == {"id": "1", "name": None, "note": "n"}
    assert "not evaluated" in first.faults["name"]
    assert second.cells["name"] == "b"


def test_what_looks_like_a_row_within_something_else_is_none(tmp_path: Path) -> None:
    file = sql(
        tmp_path,
        MYSQL,
        "-- INSERT INTO client (id) VALUES (91);",
        "/* INSERT INTO client (id) VALUES (92); */",
        "INSERT INTO log VALUES ('INSERT INTO client (id) VALUES (93);', 'it\\'s; x');",
        "DELIMITER ;;",
        "CREATE TRIGGER t BEGIN INSERT INTO client (id) VALUES (94); END ;;",
        "DELIMITER ;",
        "INSERT INTO client (id, name) VALUES (1, 'only');",
        "INSERT INTO client SELECT * FROM other;",
    )
    (row,) = read(file).rows
    assert row.cells["id"] == "1"


def test_a_backslash_means_what_it_means_to_each(tmp_path: Path) -> None:
    rows = [
        "INSERT INTO client (id, name) VALUES (1, 'C:\\'), (2, E'it\\'s \\u00e9\\x41');",
        "INSERT INTO x VALUES (E'it\\'s; ', 'y');",
        "INSERT INTO client (id, name) VALUES (3, 'z'::character varying(9));",
    ]
    one, two, three = read(sql(tmp_path, "-- PostgreSQL database dump", *rows)).rows
    assert [one.cells["name"], two.cells["name"], three.cells["name"]] == ["C:\\", "it's éA", "z"]


# --- what is broken ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["INSERT INTO client (id, name) VALUES (1, 'never ends);", "x"], "began in line 2"),
        (["INSERT INTO client (id, name) VALUES (1, 'a'"], "within a row"),
        (["INSERT INTO client (id, name) VALUES (1, 'a'),"], "cannot be read"),
        (["/* never ends", "x"], "a comment that began in line 2"),
        (["INSERT INTO client VALUES (1, 'a');"], "no CREATE TABLE"),
        (["COPY client (id) FROM stdin;", "1"], "the rows of COPY"),
        (["SELECT 1;"], "no row of any table"),
    ],
)
def test_a_dump_that_is_cut_off_or_no_dump(tmp_path: Path, lines: list[str], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read(sql(tmp_path, MYSQL, *lines))


def test_a_body_that_never_ends(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="quoted body"):
        read(sql(tmp_path, "-- PostgreSQL database dump", "CREATE FUNCTION f() AS $x$ oh;"))


def test_very_long_texts_and_nuls_are_faults_of_their_cells(tmp_path: Path) -> None:
    huge = "x" * 1_000_000
    rows: Rows = {
        "client": [
            {"id": 1, "name": huge},
            {"id": 2, "name": "a\0b"},
            {"id": 3, "name": "y" * LONGEST_CELL},
        ]
    }
    for file in (as_mysql(rows, tmp_path / "a.sql"), as_json(rows, tmp_path / "a.json")):
        one, two, three = read(file).rows
        assert "characters" in one.faults["name"]
        assert one.cells["name"] is None
        assert "NUL" in two.faults["name"]
        assert not three.faults


def test_rows_of_another_width_are_faulty_and_the_rest_is_read(tmp_path: Path) -> None:
    file = sql(tmp_path, "INSERT INTO client (id, name) VALUES (1), (2, 'b'), (3, 'c', 'd');")
    narrow, fine, wide = read(file).rows
    assert "1 values where 2 columns" in narrow.faults[""]
    assert "3 values where 2 columns" in wide.faults[""]
    assert fine.cells == {"id": "2", "name": "b"}
    folder = tmp_path / "csv"
    folder.mkdir()
    (folder / "client.csv").write_text("id,name\n1\n2,b\n3,c,d\n")
    assert [bool(row.faults) for row in read(folder).rows] == [True, False, True]


def test_windows_1252_is_read_cell_by_cell_and_told(tmp_path: Path) -> None:
    file = tmp_path / "client.csv"
    file.write_bytes("id,name\n1,Müller\n".encode() + b"2,Gr\xfcn \x80\n3,\x81\n")
    one, two, three = (books := read(file)).rows
    assert (one.cells["name"], two.cells["name"]) == ("Müller", "Grün €")
    assert "no text" in three.faults["name"]
    assert any("Windows-1252" in notice for notice in books.notices)


def test_utf_16_as_powershell_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "client.csv"
    file.write_text("id,name\n1,Müller\n", encoding="utf-16")
    (row,) = read(file).rows
    assert row.cells == {"id": "1", "name": "Müller"}


def test_csv_of_spreadsheets(tmp_path: Path) -> None:
    file = tmp_path / "Client.CSV"
    file.write_text('id;name;note\n1;"=""0042""";=cmd|\' /C calc\'!A0\n\n2;"a;""b""\nc";NULL\n')
    one, two = read(file).rows
    assert one.cells == {"id": "1", "name": "0042", "note": "=cmd|' /C calc'!A0"}
    assert two.cells == {"id": "2", "name": 'a;"b"\nc', "note": None}
    assert (one.line, two.line) == (2, 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('id,name\n1,"never ends\n2,b\n', "begins in line 2"),
        ('id,name\n1,"a"b\n', "line 2"),
        ("id,id\n1,2\n", "twice"),
        ("\n1\n", "no heading"),
    ],
)
def test_broken_csv(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "client.csv"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=says):
        read(file)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("[1", "line 1, column"),
        ("[" * 100_000, "nested"),
        ('{"client": [{"id": %s}]}' % ("9" * 5000), "absurd length"),
        ('{"client": {"id": 1}}', "list of rows"),
        ('"x"', "object"),
        (
            '{"evergrant": {"format": "evergrant export", "version": 99}, "client": []}',
            "version 99",
        ),
        ('{"evergrant": 1}', "head"),
    ],
)
def test_broken_json(tmp_path: Path, document: str, says: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(document)
    with pytest.raises(InvalidInput, match=says):
        read(file)


def test_json_of_php_my_admin_and_odd_rows(tmp_path: Path) -> None:
    data: list[Any] = [{"id": "1", "name": "a"}, 7, {"id": 2, "name": {"x": 1}, "on": True}]
    file = tmp_path / "a.json"
    file.write_text(
        json.dumps([{"type": "header"}, {"type": "table", "name": "client", "data": data}])
    )
    one, two, three = read(file).rows
    assert one.cells == {"id": "1", "name": "a"}
    assert two.faults
    assert "means nothing" in three.faults["name"]
    assert three.cells["on"] == "1"


def test_what_cannot_be_read_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    packed = tmp_path / "a.dump"
    packed.write_bytes(b"PGDMP\0\0")
    other = tmp_path / "a.xlsx"
    other.write_bytes(b"PK")
    for path, says in (
        (tmp_path / "nowhere.sql", "is not a file"),
        (tmp_path / "empty", "none of the files"),
        (packed, "is no text"),
        (other, "no kind"),
    ):
        with pytest.raises(InvalidInput, match=says):
            read(path)


def test_more_rows_than_any_house_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.moving.source.MOST_ROWS", 3)
    assert MOST_ROWS > 100_000
    with pytest.raises(InvalidInput, match="more than 3 rows"):
        read(sql(tmp_path, "INSERT INTO client (id) VALUES (1), (2), (3), (4);"))


def test_a_long_dump_is_read_in_strides(tmp_path: Path) -> None:
    """Every boundary between two strides falls into something else."""
    rows: Rows = {
        "client": [{"id": n, "name": f"it's {n} " + "\\é\n" * (n % 97)} for n in range(1, 1200)]
    }
    for file in (
        as_mysql(rows, tmp_path / "a.sql"),
        as_postgres(rows, tmp_path / "b.sql", copy=False),
    ):
        books = read(file)
        assert [row.cells["name"] for row in books.rows] == [row["name"] for row in rows["client"]]


def test_the_reader_agrees_with_sqlite_about_its_own_dump(tmp_path: Path) -> None:
    rows = Former().rows
    file = as_sqlite(rows, tmp_path / "a.sql")
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(file.read_text())
        ours = [row.cells for row in read(file).rows if row.table is Table.ACCOUNTS]
        theirs = connection.execute("SELECT * FROM account_amazon").fetchall()
    finally:
        connection.close()
    assert [tuple(cells.values()) for cells in ours] == theirs
