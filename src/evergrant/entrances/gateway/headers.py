"""Which headers travel between a program and Amazon, and which end here.

Answers for: everything that concerns one connection only (hop-by-hop headers, and those that
``Connection`` names), whatever says who the program is, what proxies wrote, and cookies ending at
this door; bounds; names that somebody may have meant to be read as others; and for the body's
framing being told in one way only. Does not answer for: what the headers that travel mean.

Sources: RFC 9110, 7.6.1 (hop-by-hop); RFC 9112, 6.3 (framing) and 11.2 (smuggling).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from evergrant.entrances.gateway.asking import OURS, no_header_of_ours
from evergrant.entrances.programs import fits_as_request_id
from evergrant.errors import Flaw, InvalidInput, TooLarge

__all__ = ["MOST_BYTES", "Read", "of_answer", "read"]

#: Name and value, as ASGI has them.
Header = tuple[bytes, bytes]

#: Of all headers of a request together.
MOST_BYTES: Final = 64 * 1024
MOST_HEADERS: Final = 100

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
#: Neither hop-by-hop nor any of Amazon's business: who somebody is to us, what proxies wrote, what
#: a browser keeps for our own host.
_END_HERE: Final = frozenset(
    {
        b"authorization",
        b"content-length",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"via",
        # nginx puts its own there, whatever somebody sends.
        b"x-evergrant-data-plane",
        b"x-evergrant-method",
        b"x-evergrant-uri",
        b"x-amz-access-token",
        b"x-amz-security-token",
        b"x-real-ip",
        b"x-request-id",
    }
)
_END_BY_PREFIX: Final = (OURS, b"x-forwarded-")
#: Whoever names these in ``Connection`` wants them gone on the way.
_NEVER_NAMED: Final = frozenset(
    {b"authorization", b"content-length", b"content-type", b"host", b"x-amz-access-token"}
)
_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(rb"[0-9]{1,15}")
#: What some server behind us might take an underscore for.
_IMITATED: Final = _HOP_BY_HOP | _END_HERE | {b"content-type", b"x-amz-date", b"user-agent"}


@dataclass(slots=True)
class Read:
    """The headers of a request. ``travel`` go to Amazon; ``who`` say who the program is.
    ``content_length`` None: none was sent; then a body is there only if it is ``chunked``."""

    travel: list[Header]
    who: tuple[Header, ...]
    content_length: int | None = None
    chunked: bool = False
    expects: bool = False  # the program waits for a word before it sends the body
    request_id: bytes = b""
    user_agent: bool = False
    date: bool = False

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.content_length)


def read(headers: Iterable[Header], who: Sequence[bytes]) -> Read:
    """``who``: names of the headers that say who the program is. Raises InvalidInput, TooLarge."""
    found = Read([], ())
    shown: list[Header] = []
    named: list[bytes] = []
    size = count = 0
    for header in headers:
        name, value = header
        size += len(name) + len(value)
        count += 1
        if name in who:
            shown.append(header)
        elif name in _HOP_BY_HOP or name in _END_HERE:
            if name == b"connection":
                named += [one.strip().lower() for one in value.split(b",")]
            else:
                _note(found, name, value)
        elif name.startswith(_END_BY_PREFIX):
            _refuse_unless_known(name)
        else:
            if name == b"user-agent":
                found.user_agent = True
            elif name == b"x-amz-date":
                found.date = True
            if b"_" in name:
                _refuse_imitation(name)
                continue
            found.travel.append(header)
    if size > MOST_BYTES or count > MOST_HEADERS:
        raise TooLarge("The headers of the request are larger than the gateway takes.")
    if found.chunked and found.content_length is not None:
        raise _flaw("content-length", "is sent together with 'transfer-encoding'.")
    if named:
        _take_out(found, named)
    _check(found.travel)
    found.who = tuple(shown)
    return found


def of_answer(headers: Iterable[Header], ours: Sequence[Header]) -> tuple[list[Header], int | None]:
    """Amazon's headers as the program gets them, and ours behind; and the length of the body, if
    it is told. Order and repetitions stay. One that no server may send stays here."""
    length: int | None = None
    travel: list[Header] = []
    named: list[bytes] = []
    for name, value in headers:
        if _CONTROL.search(value):
            continue
        lower = name.lower()
        if lower in _HOP_BY_HOP:
            if lower == b"connection":
                named += [one.strip().lower() for one in value.split(b",")]
            continue
        if lower.startswith(b"x-evergrant-"):
            continue
        if lower == b"content-length":
            length = int(value)
        travel.append((lower, value))
    if named:
        kept = [one for one in named if one not in _NEVER_NAMED]
        travel = [header for header in travel if header[0] not in kept]
    travel.extend(ours)
    return travel, length


def _note(found: Read, name: bytes, value: bytes) -> None:
    if name == b"content-length":
        if found.content_length is not None:
            raise _flaw("content-length", "is sent twice.", code="duplicate")
        if not _LENGTH.fullmatch(value):
            raise _flaw("content-length", "is no length.")
        found.content_length = int(value)
    elif name == b"transfer-encoding":
        if found.chunked or value.strip().lower() != b"chunked":
            raise _flaw("transfer-encoding", "is something else than 'chunked'.")
        found.chunked = True
    elif name == b"expect":
        found.expects = True
    elif name == b"x-request-id" and fits_as_request_id(value.decode("latin-1")):
        found.request_id = value


def _refuse_unless_known(name: bytes) -> None:
    if name.startswith(OURS):
        raise no_header_of_ours(name)


def _refuse_imitation(name: bytes) -> None:
    """Amazon knows no header with an underscore, so those stay here; but some servers read one as
    a hyphen, and a header that would then be one of ours is no accident."""
    read_otherwise = name.replace(b"_", b"-")
    if read_otherwise in _IMITATED or read_otherwise.startswith(_END_BY_PREFIX):
        raise _flaw(
            name.decode("ascii", "replace")[:64],
            "imitates a header of another name.",
            hint="Names of headers have hyphens, no underscores.",
        )


def _take_out(found: Read, named: Iterable[bytes]) -> None:
    for one in named:
        if one in _NEVER_NAMED:
            raise _flaw("connection", f"names {one.decode()}, which is for both ends.")
    gone = set(named)
    found.travel = [header for header in found.travel if header[0] not in gone]


def _check(travel: Iterable[Header]) -> None:
    for name, value in travel:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _flaw("headers", "are none that may be sent on.")
        if not value.isascii():
            try:
                value.decode("utf-8")
            except UnicodeDecodeError:
                shown = name.decode("ascii", "replace")[:64]
                raise _flaw(shown, "is neither ASCII nor UTF-8.") from None


def _flaw(
    field: str, message: str, *, code: str = "invalid", hint: str | None = None
) -> InvalidInput:
    return InvalidInput(flaws=[Flaw(message, field=field, code=code, hint=hint)])
