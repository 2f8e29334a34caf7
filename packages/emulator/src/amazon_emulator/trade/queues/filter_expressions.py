"""Filter expressions of subscriptions: what SP-API takes of the Common Expression Language.

Answers for: fields of the payload, texts, numbers, true, false, null, lists, comparison, `in`,
`&&`, `||`, `!`, brackets, `has()`, `size()`, `contains`, `startsWith` and `endsWith`. No arithmetic
and no indexing, as Amazon's notifications v1 model says. As in CEL, an expression that meets a
field which is not there is neither true nor false; such a notification is not sent.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FilterExpression", "WrongExpression"]

MOST_LETTERS = 256
DEEPEST = 24  # brackets within brackets
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>&&|\|\||==|!=|<=|>=|[<>!().,\[\]])
    )""",
    re.VERBOSE,
)
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": lambda one, other: _same(one, other),
    "!=": lambda one, other: not _same(one, other),
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda one, many: _holds(many, one),
}
_METHODS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


def _same(one: Any, other: Any) -> bool:
    """true is not 1, as it is in Python."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _holds(many: Any, one: Any) -> bool:
    """In a list, or a key of an object; a part of a text is asked for by `contains`."""
    if isinstance(many, dict):
        return one in many
    if isinstance(many, list):
        return any(_same(one, each) for each in many)
    raise _Unknown


class WrongExpression(ValueError):
    """It cannot be read; the message says where."""


class _Unknown(Exception):
    """Neither true nor false: a field is not there, or things cannot be compared."""


Part = Callable[[Any], Any]


@dataclass(frozen=True)
class FilterExpression:
    """One expression, read once."""

    words: str
    _part: Part

    @classmethod
    def read(cls, words: str) -> FilterExpression:
        """Raises WrongExpression."""
        if not 1 <= len(words) <= MOST_LETTERS:
            raise WrongExpression(f"A filter expression has 1 to {MOST_LETTERS} letters")
        reader = _Reader(_tokens(words))
        part = reader.either()
        if reader.next[0]:
            raise WrongExpression(f"Unexpected {reader.next[1]!r} in the filter expression")
        return cls(words, part)

    def holds(self, payload: Any) -> bool:
        """Whether a payload is to be sent."""
        try:
            return self._part(payload) is True
        except _Unknown:
            return False


def _tokens(words: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while words[at:].strip():
        token = _TOKEN.match(words, at)
        if token is None or token.lastgroup is None:
            raise WrongExpression(f"Unexpected {words[at:].strip()[0]!r} in the filter expression")
        found.append((token.lastgroup, token[token.lastgroup]))
        at = token.end()
    return found


@dataclass
class _Reader:
    """From tokens to a function of the payload, loosest binding first."""

    tokens: list[tuple[str, str]]
    at: int = 0
    depth: int = 0

    @property
    def next(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "the end")

    def take(self, sign: str) -> bool:
        if self.next[0] in ("sign", "word") and self.next[1] == sign:
            self.at += 1
            return True
        return False

    def need(self, sign: str) -> None:
        if not self.take(sign):
            raise WrongExpression(f"Expected {sign!r} and found {self.next[1]!r}")

    def either(self) -> Part:
        self.depth += 1
        if self.depth > DEEPEST:
            raise WrongExpression("The filter expression is nested too deeply")
        part = self.both()
        while self.take("||"):
            part = _joined(part, self.both(), decides=True)
        self.depth -= 1
        return part

    def both(self) -> Part:
        part = self.comparison()
        while self.take("&&"):
            part = _joined(part, self.comparison(), decides=False)
        return part

    def comparison(self) -> Part:
        part = self.negation()
        sign = self.next[1]
        if self.next[0] in ("sign", "word") and sign in _COMPARISONS:
            self.at += 1
            return _compared(part, sign, self.negation())
        return part

    def negation(self) -> Part:
        if not self.take("!"):
            return self.member()
        part = self.negation()
        return lambda payload: not _truth(part(payload))

    def member(self) -> Part:
        part = self.primary()
        while self.take("."):
            kind, name = self.next
            if kind != "word":
                raise WrongExpression(f"Expected a name after '.' and found {name!r}")
            self.at += 1
            part = self.method(part, name) if self.take("(") else _field(part, name)
        return part

    def method(self, part: Part, name: str) -> Part:
        if name not in _METHODS:
            raise WrongExpression(f"{name}() is not supported in a filter expression")
        argument = self.either()
        self.need(")")

        def called(payload: Any) -> bool:
            text, given = part(payload), argument(payload)
            if not isinstance(text, str) or not isinstance(given, str):
                raise _Unknown
            return _METHODS[name](text, given)

        return called

    def primary(self) -> Part:
        kind, word = self.next
        self.at += 1
        if kind == "text":
            text = re.sub(r"\\(.)", r"\1", word[1:-1])
            return lambda payload: text
        if kind == "number":
            number = float(word) if "." in word else int(word)
            return lambda payload: number
        if kind == "word":
            return self.named(word)
        if word == "(":
            part = self.either()
            self.need(")")
            return part
        if word == "[":
            return self.listed()
        raise WrongExpression(f"Unexpected {word!r} in the filter expression")

    def named(self, word: str) -> Part:
        if word in _CONSTANTS:
            return lambda payload: _CONSTANTS[word]
        if word in ("has", "size") and self.take("("):
            part = self.either()
            self.need(")")
            return _has(part) if word == "has" else _size(part)
        return _field(lambda payload: payload, word)

    def listed(self) -> Part:
        parts: list[Part] = []
        while not self.take("]"):
            if parts:
                self.need(",")
            parts.append(self.either())
        return lambda payload: [part(payload) for part in parts]


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Unknown
    return value


def _joined(left: Part, right: Part, *, decides: bool) -> Part:
    """`||` where True decides, `&&` where False does; an unknown side counts only if the other does
    not decide."""

    def whole(payload: Any) -> bool:
        unknown = False
        for part in (left, right):
            try:
                if _truth(part(payload)) is decides:
                    return decides
            except _Unknown:
                unknown = True
        if unknown:
            raise _Unknown
        return not decides

    return whole


def _compared(left: Part, sign: str, right: Part) -> Part:
    def whole(payload: Any) -> Any:
        try:
            return _COMPARISONS[sign](left(payload), right(payload))
        except TypeError:
            raise _Unknown from None

    return whole


def _field(part: Part, name: str) -> Part:
    def field(payload: Any) -> Any:
        whole = part(payload)
        if not isinstance(whole, dict) or name not in whole:
            raise _Unknown
        return whole[name]

    return field


def _has(part: Part) -> Part:
    def known(payload: Any) -> bool:
        try:
            part(payload)
        except _Unknown:
            return False
        return True

    return known


def _size(part: Part) -> Part:
    def size(payload: Any) -> int:
        value = part(payload)
        if not isinstance(value, str | list | dict):
            raise _Unknown
        return len(value)

    return size
