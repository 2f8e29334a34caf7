"""Makes a text that fits a regular expression: the plain ones that Amazon's models use.

Answers for: characters, classes, groups, alternatives, repetitions and anchors. Looking around is
read over, so whoever asks checks the text against the pattern before using it. The same question
has the same answer, always.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

__all__ = ["text_for"]

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
PRINTABLE = LETTERS_AND_DIGITS + "-_.:/ ,;+=@#%&*!?'\"()[]{}<>|~^$\\`"

CLASSES = {
    "d": string.digits,
    "w": LETTERS_AND_DIGITS + "_",
    "s": " ",
    "D": "".join(c for c in PRINTABLE if c not in string.digits),
    "W": "".join(c for c in PRINTABLE if c not in LETTERS_AND_DIGITS + "_"),
    "S": PRINTABLE.replace(" ", ""),
}
CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}

LONGEST = 4_096
STRIDE = 13  # from a small letter to a capital or a digit in two or three steps
DEEPEST = 50


class _Beyond(Exception):
    """The pattern uses what this module does not know."""


@dataclass(frozen=True)
class _Chars:
    """One of these characters."""

    allowed: str


@dataclass(frozen=True)
class _Several:
    what: _Node
    least: int
    most: int


@dataclass(frozen=True)
class _Row:
    parts: tuple[_Node, ...]


_Node = _Chars | _Several | _Row


def text_for(
    pattern: str,
    at_least: int = 0,
    at_most: int | None = None,
    turn: int = 0,
    *,
    mixed: bool = False,
) -> str | None:
    """A text that most likely fits: of ``at_least`` to ``at_most`` characters, another one for
    each ``turn``. ``mixed``: with letters and digits by turns, for patterns that look ahead for
    them. None where the pattern is beyond this module."""
    try:
        node = _Reader(pattern).whole()
    except (_Beyond, RecursionError):
        return None
    stride = STRIDE if mixed else 0
    for extra in range(min(at_least, LONGEST) + 2):
        text = _write(node, extra, turn, stride, 0)
        if len(text) >= at_least:
            return text if at_most is None or len(text) <= at_most else None
        if len(text) > LONGEST:
            return None
    if not pattern.endswith("$"):
        return _write(node, 0, turn, stride, 0).ljust(at_least, "a")
    return None


def _write(node: _Node, extra: int, turn: int, stride: int, position: int) -> str:
    match node:
        case _Chars(allowed):
            return allowed[(turn + stride * position) % len(allowed)]
        case _Several(what, least, most):
            parts, inner = [what] * min(most, least + extra), extra if least else 0
        case _Row(row):
            parts, inner = list(row), extra
    text = ""
    for part in parts:
        text += _write(part, inner, turn, stride, position + len(text))
        if len(text) > LONGEST:
            break
    return text


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0

    def whole(self) -> _Node:
        node = self.alternatives()
        if self.at < len(self.pattern):
            raise _Beyond
        return node

    def alternatives(self) -> _Node:
        """The first of several is as good as any."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise _Beyond
        first = self.row()
        while self.take("|"):
            self.row()
        self.depth -= 1
        return first

    def row(self) -> _Node:
        parts: list[_Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            part = self.part()
            if part is not None:
                parts.append(self.repeated(part))
        return _Row(tuple(parts))

    def part(self) -> _Node | None:
        char = self.next()
        match char:
            case "^" | "$":
                return None
            case ".":
                return _Chars(LETTERS_AND_DIGITS)
            case "(":
                return self.group()
            case "[":
                return _Chars(self.one_of())
            case "\\":
                return self.escaped()
            case "*" | "+" | "?":
                raise _Beyond
            case _:
                return _Chars(char)

    def group(self) -> _Node | None:
        looks = False
        if self.take("?"):
            if self.take(":"):
                pass
            elif self.take("=") or self.take("!") or self.take("<=") or self.take("<!"):
                looks = True
            elif self.take("P<") or self.take("<"):
                while self.next() != ">":
                    pass
            else:
                raise _Beyond
        inner = self.alternatives()
        if self.next() != ")":
            raise _Beyond
        return None if looks else inner

    def escaped(self) -> _Node | None:
        char = self.next()
        if char in "bBAzZ":
            return None
        return _Chars(self.escape(char))

    def escape(self, char: str) -> str:
        if char in CLASSES:
            return CLASSES[char]
        if char in "pP":
            return self.property(char)
        if char in "xu":
            return self.code(2 if char == "x" else 4)
        if char in CONTROLS:
            return CONTROLS[char]
        if char.isalnum():
            raise _Beyond  # a reference to a group, and whatever else
        return char

    def property(self, char: str) -> str:
        if not self.take("{"):
            raise _Beyond
        name = ""
        while (found := self.next()) != "}":
            name += found
        known = {"L": string.ascii_letters, "N": string.digits, "Lu": string.ascii_uppercase}
        known |= {"Ll": string.ascii_lowercase, "Nd": string.digits, "Z": " ", "P": "-.,"}
        if name not in known:
            raise _Beyond
        if char == "P":
            return "".join(c for c in PRINTABLE if c not in known[name])
        return known[name]

    def code(self, digits: int) -> str:
        if digits == 4 and self.take("{"):
            written = ""
            while (found := self.next()) != "}":
                written += found
        else:
            written = "".join(self.next() for _ in range(digits))
        try:
            return chr(int(written, 16))
        except (ValueError, OverflowError):
            raise _Beyond from None

    def one_of(self) -> str:
        without = self.take("^")
        allowed: list[str] = []
        while True:
            char = self.next()
            if char == "]" and (allowed or without):
                break
            if char == "[" and self.take(":"):
                raise _Beyond
            chars = self.escape(self.next()) if char == "\\" else char
            if len(chars) == 1 and self.follows_range():
                self.next()
                last = self.next()
                last = self.escape(self.next()) if last == "\\" else last
                if len(last) != 1 or ord(last) < ord(chars):
                    raise _Beyond
                reach = range(ord(chars), min(ord(last), ord(chars) + 0x3FF) + 1)
                chars = "".join(map(chr, reach))
            allowed.append(chars)
        joined = "".join(allowed)
        if without:
            joined = "".join(c for c in PRINTABLE if c not in joined)
        if not joined:
            raise _Beyond
        # Letters and digits first: they travel well in addresses and in headers.
        plain = "".join(c for c in LETTERS_AND_DIGITS if c in joined)
        return plain or joined

    def follows_range(self) -> bool:
        here = self.pattern[self.at : self.at + 2]
        return len(here) == 2 and here[0] == "-" and here[1] != "]"

    def repeated(self, part: _Node) -> _Node:
        if self.take("*"):
            least, most = 0, LONGEST
        elif self.take("+"):
            least, most = 1, LONGEST
        elif self.take("?"):
            least, most = 0, 1
        elif self.pattern[self.at : self.at + 1] == "{":
            bounds = self.bounds()
            if bounds is None:
                return part
            least, most = bounds
        else:
            return part
        if not self.take("?"):
            self.take("+")
        return _Several(part, least, most)

    def bounds(self) -> tuple[int, int] | None:
        """What stands in braces; None where these are braces and no more."""
        end = self.pattern.find("}", self.at)
        inside = self.pattern[self.at + 1 : end] if end > 0 else ""
        low, comma, high = inside.partition(",")
        if not low.isdecimal() or (high and not high.isdecimal()):
            return None
        self.at = end + 1
        least = int(low)
        most = int(high) if high else (LONGEST if comma else least)
        if least > LONGEST:
            raise _Beyond
        return least, most

    def take(self, wanted: str) -> bool:
        if self.pattern.startswith(wanted, self.at):
            self.at += len(wanted)
            return True
        return False

    def next(self) -> str:
        if self.at >= len(self.pattern):
            raise _Beyond
        self.at += 1
        return self.pattern[self.at - 1]
