"""SQL as a stream of characters, a window at a time.

Answers for: white space, comments, words, quoted names, strings of three dialects, and for passing
over what nobody wants, in bounded memory and with the line of the file always known. Does not
answer for: statements (``reading_sql``).

It never evaluates anything: an expression is not a value, and is told as such.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TextIO

from evergrant.moving.source import LONGEST_CELL, refused

__all__ = ["Dialect", "SqlText"]

#: Read at a time; every token but strings, names and comments is far shorter.
_STRIDE = 1 << 16
_AHEAD = 256
#: So much of a string is kept that its row can say that it is too long; the rest is passed over.
_KEPT = LONGEST_CELL + 1

_BLANK = re.compile(r"\s+")
_REST_OF_LINE = re.compile(r"[^\n]*")
_WORD = re.compile(r"[^\W\d][\w$]*")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_INSIDE = {
    (ending, backslash): re.compile(f"[^{re.escape(ending)}{chr(92) * 2 if backslash else ''}]+")
    for ending in ("'", '"', "`", "]")
    for backslash in (False, True)
}
#: Statements that nobody wants are most of a dump: as much of one as is surely plain, whole strings
#: included, is passed over at once. What may go on beyond the window is left for a closer look.
_PLAIN = {
    True: re.compile(
        r"""(?xs) (?> [^'"`;$\-\#/]+ | -(?=[^-]) | /(?=[^*])
        | '(?>[^'\\]+|\\.)*+' | "(?>[^"\\]+|\\.)*+" | `[^`]*+` )++"""
    ),
    False: re.compile(
        r"""(?xs) (?> [^'"`;$\-\#/]+ | -(?=[^-]) | /(?=[^*])
        | (?<![eE])'[^']*+' | "[^"]*+" )++"""
    ),
}
_DOLLAR = re.compile(r"\$(?:[^\W\d]\w*)?\$")
_MYSQL_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_C_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Dialect(StrEnum):
    """Which database wrote the dump: they differ in what a backslash and ``"`` mean."""

    MYSQL = "MySQL"  # and MariaDB
    POSTGRESQL = "PostgreSQL"
    SQLITE = "SQLite"
    UNKNOWN = "SQL"


class SqlText:
    """A cursor over the text. ``line`` counts from 1."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._window = ""
        self._at = 0
        self._ended = False
        self.line = 1
        self.dialect = Dialect.UNKNOWN

    # --- the window ---

    def _filled(self, wanted: int = _AHEAD) -> bool:
        """So many characters lie ahead, or all that there are. False at the end of the text."""
        while not self._ended and len(self._window) - self._at < wanted:
            more = self._stream.read(_STRIDE)
            self._ended = not more
            # Two characters are kept behind: whether E'...' is meant is seen from there.
            behind = min(self._at, 2)
            self._window = self._window[self._at - behind :] + more
            self._at = behind
        return self._at < len(self._window)

    def _take(self, end: int) -> str:
        taken = self._window[self._at : end]
        self.line += taken.count("\n")
        self._at = end
        return taken

    def peek(self) -> str:
        """The next character; "" at the end."""
        return self._window[self._at] if self._filled() else ""

    def begins(self, text: str) -> bool:
        return self._filled() and self._window.startswith(text, self._at)

    def accept(self, text: str) -> bool:
        """Takes it if it is next."""
        if not self.begins(text):
            return False
        self._take(self._at + len(text))
        return True

    def _match(self, pattern: re.Pattern[str]) -> str:
        if not self._filled():
            return ""
        found = pattern.match(self._window, self._at)
        return "" if found is None else self._take(found.end())

    def _match_here(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self._window, self._at)
        if found is None or found.end() == self._at:
            return False
        self._take(found.end())
        return True

    # --- what stands between things ---

    def skip_blanks(self) -> None:
        """White space and comments, those that MySQL would carry out (``/*!``) among them."""
        while self._filled():
            if self._match_here(_BLANK):
                continue
            if self.begins("--") or (self.begins("#") and self.dialect is Dialect.MYSQL):
                self.rest_of_line()
            elif self.begins("/*"):
                self._skip_to("*/", "a comment")
            else:
                return

    def rest_of_line(self) -> str:
        """Up to the end of the line and beyond that end; the first 4096 characters of it."""
        return self.whole_line(4096)

    def whole_line(self, longest: int) -> str:
        kept: list[str] = []
        size = 0
        while self._filled(1):
            found = _REST_OF_LINE.match(self._window, self._at)
            taken = "" if found is None else self._take(found.end())
            kept.append(taken[: max(0, longest - size)])
            size += len(taken)
            if self._at < len(self._window):
                self._take(self._at + 1)
                break
        return "".join(kept)

    def _skip_to(self, ending: str, what: str) -> None:
        began = self.line
        self._take(self._at + 2 if self.begins("/*") else self._at)
        while self._filled(len(ending)):
            end = self._window.find(ending, self._at)
            if end >= 0:
                self._take(end + len(ending))
                return
            keep = 0 if self._ended else len(ending) - 1
            self._take(max(self._at, len(self._window) - keep))
            if self._ended and self._at >= len(self._window):
                break
        raise unterminated(what, began)

    # --- names and words ---

    def word(self) -> str:
        """A bare word, or ""."""
        return self._match(_WORD)

    def number(self) -> str:
        return self._match(_NUMBER)

    def digits(self) -> str:
        """Hexadecimal digits, however many; of very many only so much that it shows."""
        kept = ""
        while self._filled(1) and (found := _HEX.match(self._window, self._at)):
            kept = (kept + self._take(found.end()))[: 4 * _KEPT]
        return kept

    def name(self) -> str:
        """A name, quoted or bare, with its schema: of ``a.b`` the whole, joined by a dot."""
        parts = []
        while True:
            self.skip_blanks()
            parts.append(self._quoted_name() if self.peek() in ("`", '"', "[") else self.word())
            if not parts[-1]:
                return ""
            self.skip_blanks()
            if not self.accept("."):
                return ".".join(parts)

    def _quoted_name(self) -> str:
        mark = self.peek()
        if mark == "`" and self.dialect is Dialect.UNKNOWN:
            self.dialect = Dialect.MYSQL
        return self.string("]" if mark == "[" else mark, backslash=False)

    # --- strings ---

    def string(self, ending: str, *, backslash: bool, c_style: bool = False) -> str:
        """From the mark that begins it to ``ending``, which stands for itself when it is doubled.
        Of a very long one only so much is kept that its length shows."""
        began = self.line
        special = _INSIDE[ending, backslash]
        self._take(self._at + 1)
        kept: list[str] = []
        size = 0
        while self._filled(4):
            found = special.match(self._window, self._at)
            if found is not None:
                piece = self._take(found.end())
            elif self._window[self._at] == ending:
                self._take(self._at + 1)
                if not (self._filled(1) and self._window[self._at] == ending):
                    return "".join(kept)
                piece = self._take(self._at + 1)
            else:
                piece = self._escape(c_style=c_style)
            if size < _KEPT:
                kept.append(piece[: _KEPT - size])
                size += len(kept[-1])
        raise unterminated("a quoted text", began)

    def _escape(self, *, c_style: bool) -> str:
        mark = self._take(self._at + 2)[1:]
        if not c_style:
            # MySQL keeps the backslash of \% and \_, which matter to LIKE only.
            return f"\\{mark}" if mark in "%_" and mark else _MYSQL_ESCAPES.get(mark, mark)
        if mark in ("x", "u", "U"):
            digits = {"x": r"[0-9A-Fa-f]{1,2}", "u": r"[0-9A-Fa-f]{4}", "U": r"[0-9A-Fa-f]{8}"}
            found = self._match(re.compile(digits[mark]))
            return chr(int(found, 16)) if found and int(found, 16) < 0x110000 else mark
        if mark and mark in "01234567":
            return chr(int(mark + self._match(re.compile(r"[0-7]{0,2}")), 8) & 0xFF)
        return _C_ESCAPES.get(mark, mark)

    # --- what nobody wants ---

    def skip_statement(self) -> None:
        """To the end of the statement, whatever stands in it."""
        plain = _PLAIN[self.dialect is Dialect.MYSQL]
        while self._filled():
            if self.accept(";"):
                return
            if not self._match_here(plain):
                self._skip_one()

    def skip_value(self) -> None:
        """To the comma or the bracket that ends an expression in a list of values."""
        depth = 0
        while self._skip_until("(),;[]"):
            mark = self.peek()
            if depth == 0 and mark in (",", ")", ";"):
                return
            depth += 1 if mark in "([" else -1 if mark in ")]" else 0
            self._take(self._at + 1)

    def _skip_until(self, marks: str) -> bool:
        """Whether one of the marks is next, outside of quotes and comments; False at the end."""
        while self._filled():
            if self._window[self._at] in marks:
                return True
            self._skip_one()
        return False

    def _skip_one(self) -> None:
        """A string, a comment, a body, or a single character that is none."""
        here = self._window[self._at]
        if here in "'\"`":
            self.string(here, backslash=self._escapes_in(here))
        elif self.begins("--") or self.begins("/*") or here == "#":
            self._skip_comment_or_mark()
        elif here == "$":
            self._skip_dollars()
        else:
            self._take(self._at + 1)

    def _escapes_in(self, mark: str) -> bool:
        """Whether a backslash means something in the string that begins here."""
        if self.dialect is Dialect.MYSQL:
            return mark != "`"
        before = self._window[max(0, self._at - 2) : self._at]
        return mark == "'" and re.search(r"(^|\W)[eE]$", before) is not None

    def _skip_comment_or_mark(self) -> None:
        before = self._at, self.line
        self.skip_blanks()
        if (self._at, self.line) == before:
            self._take(self._at + 1)

    def _skip_dollars(self) -> None:
        """PostgreSQL's ``$tag$ … $tag$`` around the bodies of functions."""
        began = self.line
        tag = self._match(_DOLLAR)
        if not tag:
            self._take(self._at + 1)
            return
        while self._filled(len(tag)):
            end = self._window.find(tag, self._at)
            if end >= 0:
                self._take(end + len(tag))
                return
            if self._ended:
                break
            self._take(max(self._at, len(self._window) - len(tag) + 1))
        raise unterminated("a quoted body", began)


def unterminated(what: str, line: int) -> Exception:
    return refused(
        f"The file ends within {what} that began in line {line}: it is cut off, or was not "
        "written by a database."
    )
