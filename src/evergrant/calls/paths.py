"""What a request to Amazon may look like, and which operation it is.

Answers for: no path that one server reads in one way and the next in another (dot segments, also
encoded and encoded twice; backslashes; path parameters; empty segments; absolute URLs; control
characters), and for remembering the operations of paths that come often. Does not answer for: the
table of operations (``rules.operations``).

An encoded slash is a slash within a segment: SKUs have them. It is let through as long as a server
that decodes it too early cannot take the request for another operation.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from evergrant.errors import Flaw, InvalidInput
from evergrant.rules import operations
from evergrant.rules.operations import Operation

__all__ = ["LONGEST_PATH", "LONGEST_QUERY", "METHODS", "Paths", "flaws_of"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
LONGEST_PATH = 2_048
#: Page tokens of Amazon's are long.
LONGEST_QUERY = 16_384

_ESCAPE = "%[0-9A-Fa-f]{2}"
_PATH = re.compile(rf"(?:/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|{_ESCAPE})+)+/?|/")
# Some programs leave brackets and bars as they are.
_QUERY = re.compile(rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]{{}}|^`-]|{_ESCAPE})*")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ESCAPED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
_SEPARATORS = re.compile(rb"[/\\]")
_ENCODED_SEPARATOR = re.compile(r"(?i)%(?:2f|5c)")
#: However often somebody encoded it: a text that changes on so many decodings is no name.
_DECODINGS = 4


class Paths:
    """The operations of the last ``most`` paths."""

    def __init__(self, most: int = 4_096) -> None:
        self._most = most
        self._known: dict[tuple[str, str], Operation] = {}

    def read(self, method: str, path: str, query: str) -> Operation:
        """Raises InvalidInput."""
        operation = self._known.get((method, path))
        if operation is None:
            flaws = flaws_of(method, path, query)
            if flaws:
                raise InvalidInput(flaws=flaws)
            operation = _operation(method, path)
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[method, path] = operation
        elif query and not _is_query(query):
            raise InvalidInput(flaws=[_no_query()])
        return operation


def flaws_of(method: str, path: str, query: str) -> list[Flaw]:
    """Everything that is wrong with it."""
    flaws = []
    if method not in METHODS:
        flaws.append(Flaw(f"is none of {', '.join(sorted(METHODS))}.", field="method"))
    if len(path) > LONGEST_PATH:
        flaws.append(Flaw(f"is longer than {LONGEST_PATH} characters.", field="path"))
    elif not _is_path(path):
        flaws.append(
            Flaw(
                "is no path of the API.",
                field="path",
                hint="It begins with one slash, is encoded, and has no query, no semicolons, no "
                "empty and no dot segments: /sellers/v1/marketplaceParticipations",
            )
        )
    if query and not _is_query(query):
        flaws.append(_no_query())
    return flaws


def _is_path(path: str) -> bool:
    if not _PATH.fullmatch(path):
        return False
    decoded = path.encode()
    for _ in range(_DECODINGS):
        if _CONTROL.search(decoded) or any(
            # Some servers cut path parameters off before they look at dots.
            part.split(b";")[0].strip() in (b".", b"..")
            for part in _SEPARATORS.split(decoded)
        ):
            return False
        before, decoded = decoded, unquote_to_bytes(decoded)
        if decoded == before:
            return _is_utf8(decoded)
    return False


def _is_utf8(text: bytes) -> bool:
    """Bytes that are none are a dot or a slash in too many bytes, more often than not."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_query(query: str) -> bool:
    return (
        len(query) <= LONGEST_QUERY
        and _QUERY.fullmatch(query) is not None
        and not ("%" in query and _ESCAPED_CONTROL.search(query))
    )


def _no_query() -> Flaw:
    return Flaw(
        "is no query.",
        field="query",
        hint=f"It is encoded, has no control characters, and at most {LONGEST_QUERY} characters.",
    )


def _operation(method: str, path: str) -> Operation:
    """Raises InvalidInput where an encoded slash would make it another operation."""
    operation = operations.find(method, path)
    if _ENCODED_SEPARATOR.search(path):
        read_early = operations.find(method, _ENCODED_SEPARATOR.sub("/", path))
        if read_early.name != operation.name and not read_early.name.startswith("unknown."):
            raise InvalidInput(
                flaws=[
                    Flaw(
                        "can be read as two operations.",
                        field="path",
                        hint=f"With its encoded slash it is {operation.name}, without it "
                        f"{read_early.name}.",
                    )
                ]
            )
    return operation
