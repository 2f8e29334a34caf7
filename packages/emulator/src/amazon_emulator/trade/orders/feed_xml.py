"""The XML of Amazon's order feeds: reading an envelope of messages, writing a processing report.

Answers for: safe reading (no document type, no entities of one's own, bounds on size, depth and
count), the encoding by byte order mark, XML declaration and Content-Type, whole-document faults
5000 (not valid) and 5001 (not parsable), and the report that Amazon answers such feeds with. What a
message means is known by the feed's own module.

Sources: error codes 5000 and 5001 and the report's shape as sellers showed them; Amazon publishes
no schema of the report. Codes from 990000 on are the emulator's own: Amazon's are not known.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

__all__ = [
    "INVALID_XML",
    "MAX_BYTES",
    "OWN_CODE",
    "UNREADABLE_XML",
    "BrokenDocument",
    "Element",
    "Message",
    "Result",
    "Shape",
    "charset_of",
    "decoded",
    "messages_of",
    "printable",
    "read",
    "report",
]

INVALID_XML = "5000"
UNREADABLE_XML = "5001"
OWN_CODE = 990000

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 32
MAX_ELEMENTS = 1_000_000
QUOTED = 500  # characters of what a feed said, in its report

_NAMESPACE_ENDS = " "
_DECLARED = re.compile(rb"^<\?xml[^>]*?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_SCHEMA = (
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:noNamespaceSchemaLocation="amzn-envelope.xsd"'
)
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._-]+)", re.IGNORECASE)
_ENCODINGS = re.compile(
    r"utf-8|utf-16(-le|-be)?|ascii|iso8859-[0-9]+|cp125[0-9]|cp932|shift_jis|euc_jp|gbk|gb18030"
)


class BrokenDocument(Exception):
    """The whole document is refused, before any message of it did anything."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


@dataclass(slots=True)
class Element:
    """One element; names without a namespace, text without white space around it."""

    name: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> list[Element]:
        return [child for child in self.children if child.name == name]

    def one(self, name: str) -> Element | None:
        return next((child for child in self.children if child.name == name), None)

    def value(self, name: str) -> str:
        """The text of a child; empty when there is none."""
        child = self.one(name)
        return "" if child is None else child.text


def read(content: bytes, content_type: str = "") -> Element:
    """The root of a document. Raises BrokenDocument."""
    if len(content) > MAX_BYTES:
        raise BrokenDocument(UNREADABLE_XML, f"The document is larger than {MAX_BYTES} bytes.")
    if content.startswith(codecs.BOM_UTF8):
        # Reported of Amazon: a UTF-8 byte order mark makes a feed unreadable.
        raise BrokenDocument(UNREADABLE_XML, "The document begins with a byte order mark.")
    found = _DECLARED.match(content)
    declared = found[1].decode() if found else None
    told = charset_of(content_type)
    if declared and told and _codec(declared) != _codec(told):
        words = f"The XML declaration says {declared}, the Content-Type says {told}."
        raise BrokenDocument(UNREADABLE_XML, words)
    return _Reading().run(decoded(content, declared or told or "utf-8"))


def charset_of(content_type: str) -> str | None:
    """The charset that a Content-Type names."""
    found = _CHARSET.search(content_type)
    return found[1] if found else None


def decoded(content: bytes, encoding: str) -> str:
    """As text; a UTF-16 byte order mark wins. Raises BrokenDocument, code 5001."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        return content.decode(_codec(encoding))
    except UnicodeDecodeError as error:
        words = f"The document is not {encoding}: byte {error.start} does not belong there."
        raise BrokenDocument(UNREADABLE_XML, words) from None


def _codec(encoding: str) -> str:
    """One name for each encoding that somebody may write text in."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        name = ""
    if not _ENCODINGS.fullmatch(name):
        raise BrokenDocument(UNREADABLE_XML, f"The encoding {encoding} is not known.")
    return name


class _Reading:
    """One run of expat, which builds elements and nothing else."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.open: list[Element] = []
        self.texts: list[list[str]] = []
        self.count = 0

    def run(self, text: str) -> Element:
        # What a declaration says of the encoding is over once it is text.
        # With the separator expat knows namespaces: a prefix that nobody declared is a fault.
        parser = self.parser = expat.ParserCreate("utf-8", _NAMESPACE_ENDS)
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.characters
        parser.StartDoctypeDeclHandler = self.doctype
        parser.EntityDeclHandler = self.doctype
        try:
            parser.Parse(text.encode(), True)
        except expat.ExpatError as error:
            words = f"The document cannot be parsed: {error}."
            raise BrokenDocument(UNREADABLE_XML, words) from None
        assert self.root is not None, "expat refuses a document without a root"
        return self.root

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if len(self.open) >= MAX_DEPTH or self.count > MAX_ELEMENTS:
            raise BrokenDocument(INVALID_XML, "The document is nested too deeply or too long.")
        bare = sys.intern(name.rpartition(_NAMESPACE_ENDS)[2])
        element = Element(bare, attributes, self.parser.CurrentLineNumber)
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)
        self.texts.append([])

    def end(self, name: str) -> None:
        self.open.pop().text = "".join(self.texts.pop()).strip()

    def characters(self, data: str) -> None:
        self.texts[-1].append(data)

    def doctype(self, *what: object) -> None:
        raise BrokenDocument(UNREADABLE_XML, "A document type declaration is not allowed.")


@dataclass(frozen=True)
class Shape:
    """What an element may hold: children by name with their own shape and how often they stand
    there (``1``, ``?``, ``+``, ``*``). Without children: text."""

    children: tuple[tuple[str, str, Shape], ...] = ()

    def check(self, element: Element, path: str) -> None:
        """Raises BrokenDocument with code 5000 as a schema would. The order of children is not
        looked at."""
        known = {name: shape for name, _times, shape in self.children}
        counts: dict[str, int] = {}
        if self.children and element.text:
            raise _invalid(element, f"{path} holds text where elements belong")
        for child in element.children:
            if child.name not in known:
                raise _invalid(child, f"element {child.name!r} does not belong into {path}")
            counts[child.name] = counts.get(child.name, 0) + 1
            known[child.name].check(child, f"{path}/{child.name}")
        for name, times, _shape in self.children:
            count = counts.get(name, 0)
            if count == 0 and times in "1+":
                raise _invalid(element, f"element {name!r} is missing in {path}")
            if count > 1 and times in "1?":
                raise _invalid(element, f"element {name!r} stands more than once in {path}")


_TEXT = Shape()
# What an envelope holds beside its messages, and a message beside its content.
_BESIDE_MESSAGES = (
    ("Header", "1", Shape((("DocumentVersion", "1", _TEXT), ("MerchantIdentifier", "1", _TEXT)))),
    ("MarketplaceName", "?", _TEXT),
    ("MessageType", "1", _TEXT),
    ("PurgeAndReplace", "?", _TEXT),
    ("EffectiveDate", "?", _TEXT),
)
_BESIDE_CONTENT = (("MessageID", "1", _TEXT), ("OperationType", "?", _TEXT))


def _invalid(element: Element, words: str) -> BrokenDocument:
    text = f"XML Parsing Error at Line {element.line}: {words}."
    return BrokenDocument(INVALID_XML, text)


@dataclass(frozen=True)
class Message:
    """One message of an envelope, with the element that is its content."""

    message_id: int
    content: Element


def messages_of(
    content: bytes, content_type: str, message_type: str, shape: Shape
) -> Iterator[Message]:
    """The messages of an envelope, each checked against ``shape``. Raises BrokenDocument at once
    when anything in the document is wrong: a feed is valid as a whole or refused."""
    root = read(content, content_type)
    if root.name != "AmazonEnvelope":
        raise _invalid(root, f"the root is {root.name!r}, not 'AmazonEnvelope'")
    header = root.one("Header")
    if header is None:
        raise _invalid(root, "element 'Header' is missing in AmazonEnvelope")
    for name in ("DocumentVersion", "MerchantIdentifier"):
        if not header.value(name):
            raise _invalid(header, f"element {name!r} is missing in Header")
    if root.value("MessageType") != message_type:
        raise _invalid(root, f"MessageType must be {message_type!r} in this feed type")
    message = Shape((*_BESIDE_CONTENT, (message_type, "1", shape)))
    Shape((*_BESIDE_MESSAGES, ("Message", "+", message))).check(root, root.name)
    found = [_message(entry, message_type) for entry in root.all("Message")]
    if len({message.message_id for message in found}) != len(found):
        raise _invalid(root, "a MessageID stands in more than one message")
    return iter(found)


def _message(entry: Element, message_type: str) -> Message:
    text = entry.value("MessageID")
    if not re.fullmatch(r"[0-9]{1,20}", text) or int(text) == 0:
        raise _invalid(entry, "MessageID must be a positive whole number")
    inner = entry.one(message_type)
    assert inner is not None, "the shape wants it"
    return Message(int(text), inner)


@dataclass(frozen=True)
class Result:
    """One fault in a report. ``message_id`` 0: of the whole document."""

    message_id: int
    code: str
    words: str
    severity: str = "Error"
    order_id: str = ""


def report(feed_id: str, merchant_id: str, processed: int, results: Sequence[Result]) -> bytes:
    """A processing report. Messages that went well are only counted: they have no Result."""
    faulty = {r.message_id for r in results if r.severity == "Error"}
    warned = {r.message_id for r in results if r.severity != "Error"} - faulty
    successful = processed - len(faulty - {0})
    head = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<AmazonEnvelope {_SCHEMA}>",
        "<Header>",
        "<DocumentVersion>1.02</DocumentVersion>",
        f"<MerchantIdentifier>{_text(merchant_id)}</MerchantIdentifier>",
        "</Header>",
        "<MessageType>ProcessingReport</MessageType>",
        "<Message>",
        "<MessageID>1</MessageID>",
        "<ProcessingReport>",
        f"<DocumentTransactionID>{_text(feed_id)}</DocumentTransactionID>",
        "<StatusCode>Complete</StatusCode>",
        "<ProcessingSummary>",
        f"<MessagesProcessed>{processed}</MessagesProcessed>",
        f"<MessagesSuccessful>{successful}</MessagesSuccessful>",
        f"<MessagesWithError>{len(faulty)}</MessagesWithError>",
        f"<MessagesWithWarning>{len(warned)}</MessagesWithWarning>",
        "</ProcessingSummary>",
    ]
    tail = ["</ProcessingReport>", "</Message>", "</AmazonEnvelope>", ""]
    return "\n".join([*head, *_results(results), *tail]).encode()


def _results(results: Iterable[Result]) -> Iterator[str]:
    for result in results:
        yield "<Result>"
        yield f"<MessageID>{result.message_id}</MessageID>"
        yield f"<ResultCode>{result.severity}</ResultCode>"
        yield f"<ResultMessageCode>{_text(result.code)}</ResultMessageCode>"
        yield f"<ResultDescription>{_text(result.words)}</ResultDescription>"
        if result.order_id:
            yield "<AdditionalInfo>"
            yield f"<AmazonOrderID>{_text(result.order_id)}</AmazonOrderID>"
            yield "</AdditionalInfo>"
        yield "</Result>"


def printable(text: str) -> str:
    """For one line of a report, whatever a feed said: nothing but what is printed, and shortened
    so that a report is not as long as what it quotes."""
    kept = text if len(text) <= QUOTED else f"{text[:QUOTED]}..."
    return "".join(char if char.isprintable() else " " for char in kept)


def _text(text: str) -> str:
    """As the text of an element."""
    return escape(printable(text))
