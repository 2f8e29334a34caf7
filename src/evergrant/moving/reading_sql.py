"""Dumps of MySQL, MariaDB, PostgreSQL and SQLite: the rows of the tables that matter.

Answers for: ``INSERT`` and ``REPLACE`` with and without names of columns (these then come from
``CREATE TABLE``), many rows to a statement, and PostgreSQL's ``COPY … FROM stdin``. Everything else
is passed over and counted. Does not answer for: what a row means.

Nothing is ever carried out: a dump is text here, and an expression in it is told as a fault of its
row. Sources: the manuals of mysqldump, pg_dump (COPY's text format) and SQLite's ``.dump``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TextIO

from evergrant.moving.source import MOST_COLUMNS, Shelves, refused, table_named
from evergrant.moving.sql_text import Dialect, SqlText, unterminated
from evergrant.moving.values import Cell, Table

__all__ = ["read_sql"]

_MARKS = (
    (Dialect.MYSQL, re.compile(r"(?i)mysql dump|mariadb dump|phpmyadmin|mysqldump|heidisql")),
    (Dialect.POSTGRESQL, re.compile(r"(?i)postgresql database dump|pg_dump")),
)
_COPY_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_COPY_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
#: Words that begin what is not a column in a CREATE TABLE.
_NOT_COLUMNS = frozenset(
    {
        *("primary", "unique", "key", "index", "constraint", "foreign", "check", "fulltext"),
        *("spatial", "exclude", "like", "period"),
    }
)
_WORDS: dict[str, Cell] = {"NULL": None, "TRUE": "1", "FALSE": "0"}
#: Two kinds of line breaks in one text are the most that SQLite wraps.
_DEEPEST = 2
_LONGEST_COPY_LINE = 8 << 20


def read_sql(stream: TextIO, shelves: Shelves) -> None:
    """Raises InvalidInput where the text is cut off or cannot be a dump."""
    _Dump(SqlText(stream), shelves).read()


class _Dump:
    def __init__(self, text: SqlText, shelves: Shelves) -> None:
        self._text = text
        self._shelves = shelves
        self._columns: dict[Table, list[str]] = {}

    def read(self) -> None:
        text = self._text
        while text.peek():
            self._heed_marks()
            text.skip_blanks()
            if not text.peek():
                return
            if text.begins("\\"):  # psql's own commands
                text.rest_of_line()
                continue
            if text.accept(";"):
                continue
            word = text.word().upper()
            if word == "DELIMITER":
                self._skip_routines(text.rest_of_line().strip())
            elif word in ("INSERT", "REPLACE"):
                self._insert(word)
            elif word == "COPY":
                self._copy()
            elif word == "CREATE":
                self._create()
            else:
                self._pass_over(word)

    def _heed_marks(self) -> None:
        """The comments at the beginning say who wrote the dump."""
        text = self._text
        while text.dialect is Dialect.UNKNOWN and (text.begins("--") or text.begins("/*!")):
            if text.begins("/*!"):
                text.dialect = Dialect.MYSQL
                return
            said = text.rest_of_line()
            for dialect, mark in _MARKS:
                if mark.search(said):
                    text.dialect = dialect

    def _pass_over(self, word: str) -> None:
        if self._text.dialect is Dialect.UNKNOWN and word == "PRAGMA":
            self._text.dialect = Dialect.SQLITE
        self._shelves.skip(f"{word or 'unreadable'} statement")
        self._text.skip_statement()

    def _skip_routines(self, delimiter: str) -> None:
        """Between two DELIMITER lines stand triggers and routines, with semicolons inside."""
        if delimiter == ";":
            return
        self._shelves.skip("block of routines")
        while self._text.peek():
            if re.match(r"(?i)\s*delimiter\s+;\s*$", self._text.rest_of_line()):
                return

    # --- CREATE TABLE -------------------------------------------------------------------------

    def _create(self) -> None:
        """For the names of columns, which most dumps leave out of their INSERTs."""
        text = self._text
        text.skip_blanks()
        word = text.word().upper()
        if word != "TABLE":
            self._pass_over(f"CREATE {word}".strip())
            return
        text.skip_blanks()
        name = text.name()
        while name.upper() in ("IF", "NOT", "EXISTS"):
            name = text.name()
        table = table_named(name)
        text.skip_blanks()
        if table is None or not text.accept("("):
            self._shelves.skip("CREATE TABLE statement")
            text.skip_statement()
            return
        columns: list[str] = []
        while text.peek() and len(columns) <= MOST_COLUMNS:
            text.skip_blanks()
            quoted = text.peek() in ("`", '"', "[")
            column = text.name()
            if column and (quoted or column.lower() not in _NOT_COLUMNS):
                columns.append(column)
            text.skip_value()
            if not text.accept(","):
                break
        self._columns[table] = columns
        text.skip_statement()

    # --- INSERT -------------------------------------------------------------------------------

    def _insert(self, verb: str) -> None:
        text = self._text
        text.skip_blanks()
        name = text.name()
        while name.upper() in ("IGNORE", "INTO", "OR", "REPLACE", "LOW_PRIORITY", "DELAYED"):
            name = text.name()
        table = table_named(name)
        if table is None:
            self._shelves.skip(f"{verb} INTO {name[:40]}")
            text.skip_statement()
            return
        text.skip_blanks()
        columns = self._named_columns() if text.begins("(") else self._columns.get(table)
        text.skip_blanks()
        word = text.word().upper()
        while word == "OVERRIDING":
            for _ in range(2):  # SYSTEM VALUE
                text.skip_blanks()
                text.word()
            text.skip_blanks()
            word = text.word().upper()
        if word not in ("VALUES", "VALUE"):
            self._shelves.skip(f"{verb} INTO {name[:40]} without plain values")
            text.skip_statement()
            return
        if columns is None:
            raise refused(
                f"Line {text.line}: the rows of {table.value} come without names of columns, and "
                "no CREATE TABLE before them tells the names.",
                "Export with names (mysqldump --complete-insert, pg_dump --column-inserts) or "
                "with the structure of the tables.",
            )
        self._rows(table, columns)

    def _named_columns(self) -> list[str]:
        text = self._text
        text.accept("(")
        columns = []
        while name := text.name():
            columns.append(name)
            text.skip_blanks()
            if not text.accept(","):
                break
        if not text.accept(")") or len(columns) > MOST_COLUMNS:
            raise refused(f"Line {text.line}: the names of columns cannot be read.")
        return columns

    def _rows(self, table: Table, columns: Sequence[str]) -> None:
        text = self._text
        while True:
            text.skip_blanks()
            if not text.accept("("):
                raise refused(f"Line {text.line}: a row of {table.value} cannot be read.")
            line, cells, faults = text.line, list[Cell](), dict[str, str]()
            while True:
                text.skip_blanks()
                cells.append(self._value(len(cells), columns, faults))
                text.skip_blanks()
                if not text.accept(","):
                    break
            if not text.accept(")"):
                raise (
                    _cut_off(text.line)
                    if not text.peek()
                    else refused(f"Line {text.line}: a row of {table.value} cannot be read.")
                )
            self._shelves.take(table, line, columns, cells, faults)
            text.skip_blanks()
            if not text.accept(","):
                break
        text.skip_statement()  # ON DUPLICATE KEY UPDATE ... and the like

    def _value(self, place: int, columns: Sequence[str], faults: dict[str, str]) -> Cell:
        text = self._text
        value, plain = self._plain_value()
        text.skip_blanks()
        if text.accept("::"):  # a cast of PostgreSQL's says nothing that we need
            text.skip_value()
        if not plain or text.peek() not in (",", ")"):
            if place < len(columns):
                faults[columns[place]] = "holds an expression, which is not evaluated"
            text.skip_value()
            return None
        return value

    def _plain_value(self, depth: int = 0) -> tuple[Cell, bool]:
        """A literal, and whether it is one."""
        text = self._text
        mysql = text.dialect is Dialect.MYSQL
        mark = text.peek()
        if mark == "'" or (mark == '"' and mysql):
            return self._string(mark, backslash=mysql), True
        if text.accept("0x") or text.accept("0X"):
            return _of_hex(text.digits()), True
        if number := text.number():
            return number, True
        word = text.word()
        if word.upper() in _WORDS:
            return _WORDS[word.upper()], True
        if word.startswith("_") and mysql:  # a character set: _utf8mb4'...'
            text.skip_blanks()
            marked = text.peek() in ("'", '"') or text.begins("0x")
            return self._plain_value(depth) if marked else (None, False)
        if text.dialect is Dialect.SQLITE and text.peek() == "(" and depth < _DEEPEST:
            return self._of_sqlite(word.upper(), depth + 1)
        return self._marked_string(word.upper()) if text.peek() == "'" else (None, False)

    def _marked_string(self, mark: str) -> tuple[Cell, bool]:
        """What stands in quotes behind one letter."""
        text = self._text
        if mark == "X":
            return _of_hex(self._string("'", backslash=False)), True
        if mark == "B":
            return _of_bits(self._string("'", backslash=False)), True
        if mark == "N":
            return self._string("'", backslash=text.dialect is Dialect.MYSQL), True
        if mark == "E":
            return text.string("'", backslash=True, c_style=True), True
        return None, False

    def _of_sqlite(self, word: str, depth: int) -> tuple[Cell, bool]:
        """How ``.dump`` writes text with line breaks: ``replace('a\\nb','\\n',char(10))``, one
        within the other for two kinds of breaks; since 3.50 ``unistr('a\\u000ab')``."""
        text = self._text
        text.accept("(")
        inner, plain = self._plain_value(depth)
        if not plain or not isinstance(inner, str):
            return None, False
        if word == "UNISTR":
            found = re.sub(r"\\(?:u([0-9A-Fa-f]{4})|(\\))", _of_unistr, inner)
            return found, text.accept(")")
        if word != "REPLACE" or not text.accept(",") or text.peek() != "'":
            return None, False
        mark = text.string("'", backslash=False)
        if not (text.accept(",") and text.accept("char(")):
            return None, False
        code = text.number()
        if code not in ("10", "13") or not (text.accept(")") and text.accept(")")):
            return None, False
        return inner.replace(mark, chr(int(code))), True

    def _string(self, mark: str, *, backslash: bool) -> str:
        """One literal, and those that follow it at once, which the standard joins to it."""
        text = self._text
        found = text.string(mark, backslash=backslash)
        text.skip_blanks()
        while text.begins("'") and mark == "'":
            found += text.string(mark, backslash=backslash)
            text.skip_blanks()
        return found

    # --- COPY ---------------------------------------------------------------------------------

    def _copy(self) -> None:
        text = self._text
        text.skip_blanks()
        name = text.name()
        text.skip_blanks()
        named = self._named_columns() if text.begins("(") else None
        rest = text.rest_of_line()
        if "stdin" not in rest.lower() or "csv" in rest.lower() or "binary" in rest.lower():
            self._shelves.skip("COPY statement of another form")
            return
        table = table_named(name)
        columns = named or (self._columns.get(table) if table else None)
        if table is None:
            self._shelves.skip(f"COPY {name[:40]}")
        elif columns is None:
            raise refused(f"Line {text.line}: COPY {table.value} does not name its columns.")
        began = text.line
        while text.peek():
            line = text.line
            whole = text.whole_line(_LONGEST_COPY_LINE)
            if whole == "\\.":
                return
            if table is not None and columns is not None:
                cells = [_of_copy(cell) for cell in whole.split("\t")]
                self._shelves.take(table, line, columns, cells)
        raise unterminated("the rows of COPY", began)


def _cut_off(line: int) -> Exception:
    return unterminated("a row", line)


def _of_hex(digits: str) -> str:
    try:
        raw = bytes.fromhex(digits if len(digits) % 2 == 0 else f"0{digits}")
    except ValueError:
        return "\0\0"  # no text: the row will be told as faulty
    if raw in (b"\0", b"\1"):
        return str(raw[0])  # BIT(1) or TINYINT(1)
    return raw.decode("utf-8", "surrogateescape")


def _of_unistr(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else "\\"


def _of_bits(bits: str) -> str:
    return str(int(bits, 2)) if re.fullmatch(r"[01]{1,64}", bits) else bits


def _of_copy(cell: str) -> Cell:
    if cell == "\\N":
        return None
    return _COPY_ESCAPE.sub(_unescaped, cell) if "\\" in cell else cell


def _unescaped(found: re.Match[str]) -> str:
    mark = found[1]
    if mark[0] == "x" and len(mark) > 1:
        return _byte(int(mark[1:], 16))
    if mark[0] in "01234567":
        return _byte(int(mark, 8) & 0xFF)
    return _COPY_ESCAPES.get(mark, mark)


def _byte(number: int) -> str:
    """Bytes of UTF-8 come one by one and are put together with the rest of their cell."""
    return bytes([number]).decode("utf-8", "surrogateescape")
