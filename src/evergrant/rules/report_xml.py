"""XML from outside, read as a small tree.

Answers for: reading it safely: no document type, no entities of its own, bounds on depth and count.
Does not answer for: encodings (``received_text`` makes text of bytes), or for what the elements
mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from evergrant.rules.faults import Fault

__all__ = ["MOST_ELEMENTS", "Node", "tree_of"]

MOST_ELEMENTS = 1_000_000
_DEEPEST = 64
#: What XML 1.0 forbids stands in reports all the same, as it was quoted from what somebody sent.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DECLARATION = re.compile(r"<\?xml\s[^>]{0,300}\?>")


@dataclass(slots=True)
class Node:
    """One element: its name without prefix, its own text without white space around it."""

    name: str
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> list[Node]:
        return [child for child in self.children if child.name == name]

    def value(self, name: str) -> str:
        """The text of the first child of that name; "" when there is none."""
        return next((child.text for child in self.children if child.name == name), "")

    def below(self, name: str) -> Iterator[Node]:
        """Itself and what is below it, in the order of the document."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if node.name == name:
                yield node
            waiting.extend(reversed(node.children))


def tree_of(text: str) -> Node:
    """Raises Fault: it is no XML, was cut off, declares a document type, or is too deep or long."""
    declared = _DECLARATION.match(text)
    # What it says of the encoding is over: this is text.
    return _Reading().run(_FORBIDDEN.sub("\ufffd", text[declared.end() if declared else 0 :]))


class _Reading:
    """One run of expat."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.open: list[Node] = []
        self.texts: list[list[str]] = []
        self.count = 0

    def run(self, text: str) -> Node:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._declared
        try:
            parser.Parse(text.encode(), True)
        except expat.ExpatError as error:
            raise Fault("broken_xml", _words(error, is_open=bool(self.open))) from None
        if self.root is None:
            raise Fault("broken_xml", "The document is XML without an element.")
        return self.root

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self.count += 1
        if len(self.open) >= _DEEPEST or self.count > MOST_ELEMENTS:
            raise Fault("too_large", "The document is XML that is nested too deeply or too long.")
        node = Node(name.rpartition(":")[2])
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.root = node
        self.open.append(node)
        self.texts.append([])

    def _end(self, _name: str) -> None:
        self.open.pop().text = "".join(self.texts.pop()).strip()

    def _characters(self, data: str) -> None:
        if self.texts:
            self.texts[-1].append(data)

    def _declared(self, *_what: object) -> None:
        # Entities are declared nowhere else.
        raise Fault(
            "hostile_xml", "The document is XML that declares a document type, which is not read."
        )


def _words(error: expat.ExpatError, *, is_open: bool) -> str:
    where = f"line {error.lineno}, column {error.offset}"
    said = expat.ErrorString(error.code) or "not well-formed"
    cut = error.code in _CUT_OFF or (error.code == _NO_ELEMENT and is_open)
    if cut:
        return f"The document is XML that was cut off ({said}, {where})."
    return f"The document is not well-formed XML ({said}, {where})."


_CODES = expat.errors.codes
_NO_ELEMENT = _CODES[expat.errors.XML_ERROR_NO_ELEMENTS]
_CUT_OFF = frozenset(
    _CODES[name]
    for name in (
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)
