"""Delivery status notifications: what a mail server says of a letter that it was given before.

Answers for: reading one (RFC 3464 in the multipart/report of RFC 6522), however malformed, into
which message it is about, and what became of it for each recipient. Does not answer for: whether
any of it is true. Anybody may send one, so nothing here is more than a claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import Message
from enum import StrEnum
from itertools import islice

from evergrant.rules import ids
from evergrant.rules.faults import Fault
from evergrant.rules.secrecy import scrub

__all__ = ["LONGEST_REPORT", "Action", "DeliveryReport", "Fate", "letter_id", "read_report"]

#: So many bytes of a report are looked at. What became of the letter stands near its beginning;
#: what follows is the letter itself, and it may be cut off.
LONGEST_REPORT = 200_000
#: The parser asks of every line whether it ends any of the packings around it, so a stranger's mail
#: of many lines, packed deep, would keep it busy for minutes. Reports know neither.
_MOST_LINES = 20_000
_DEEPEST = 16
_LONGEST_REASON = 300
_MOST_RECIPIENTS = 100
_MOST_PARTS = 1_000
#: Each of these is looked up.
_MOST_IDS = 20
_PACKING = re.compile(rb"(?i)boundary|message/")
_WORD = re.compile(r"[a-z]+")
_IDS = re.compile(r"<[^<>\s]{1,200}>")
_ID_LINE = re.compile(r"(?im)^(?:message-id|x-evergrant-letter):\s*(<[^<>\s]{1,200}>)")
#: Of the letter that came back. Some relays put a Message-ID of their own in the place of ours.
_OF_LETTER = ("x-evergrant-letter", "message-id")
#: Where a report names the letter: in what came back of it, then in its own headers. The last is
#: that of the report itself, and of a letter of ours only when a relay passes its headers on.
_NAMED_IN = ("x-original-message-id", "in-reply-to", "references", "message-id")


class Action(StrEnum):
    """RFC 3464, 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"  # to a system that reports nothing
    EXPANDED = "expanded"  # to several addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of it for one recipient. ``recipients``: the address as it was and as it became
    on the way, in lower case."""

    recipients: frozenset[str]
    action: Action
    reason: str  # status code and the server's words, one line


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    message_ids: tuple[str, ...]  # that it may be about, the likeliest first
    fates: tuple[Fate, ...]


def read_report(raw: bytes) -> DeliveryReport:
    """Raises Fault: this is no delivery status notification."""
    parts = _parts(_beginning(raw))
    fates = tuple(
        fate
        for part in parts
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        for fate in _fates(part)
    )[:_MOST_RECIPIENTS]
    if not fates:
        raise Fault(
            "no_delivery_report",
            "This mail says of no recipient what became of a letter.",
            hint="A delivery status notification (RFC 3464) is wanted, the whole mail with its "
            "headers.",
        )
    named = dict.fromkeys(one for one in _message_ids(parts[0], parts) if letter_id(one))
    return DeliveryReport(message_ids=tuple(islice(named, _MOST_IDS)), fates=fates)


def letter_id(message_id: str) -> str | None:
    """The id of ours in a Message-ID such as ``<out_…@connect.example>``; the brackets and what
    follows the @ may be missing. None: it is none of ours."""
    text = message_id.strip().removeprefix("<").partition("@")[0].removesuffix(">").lower()
    return text if ids.kind_of(text) is ids.Kind.OUTBOX else None


def _beginning(raw: bytes) -> bytes:
    """As much as is looked at: so many bytes and lines, and not packed deeper than that."""
    lines = raw[:LONGEST_REPORT].splitlines(keepends=True)[:_MOST_LINES]
    kept = b"".join(lines)
    deeper = next(islice(_PACKING.finditer(kept), _DEEPEST, None), None)
    return kept if deeper is None else kept[: deeper.start()]


def _parts(raw: bytes) -> list[Message]:
    """The mail and all that is packed in it. A mail that is packed too deep for the parser holds
    nothing that we want."""
    try:
        # The older, forgiving policy: newer ones raise on headers that make no sense.
        mail = message_from_bytes(raw, policy=policy.compat32)
        return [part for part, _ in zip(mail.walk(), range(_MOST_PARTS), strict=False)]
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError):
        return []


def _fates(part: Message) -> Iterator[Fate]:
    blocks = part.get_payload()
    if not isinstance(blocks, list):
        return
    for block in blocks:
        if not isinstance(block, Message):
            continue
        action = _WORD.match(_header(block, "Action").lower())
        recipients = frozenset(
            address
            for name in ("Final-Recipient", "Original-Recipient")
            if (address := _address(_header(block, name)))
        )
        if recipients and action and action[0] in set(Action):
            words = f"{_header(block, 'Status')} {_address_free(_header(block, 'Diagnostic-Code'))}"
            reason = scrub(" ".join(words.split()))[:_LONGEST_REASON]
            yield Fate(recipients=recipients, action=Action(action[0]), reason=reason)


def _message_ids(mail: Message, parts: list[Message]) -> Iterator[str]:
    for part in parts:
        if part is not mail:
            for name in _OF_LETTER:
                yield from _IDS.findall(_header(part, name))
        if part.get_content_type() == "text/rfc822-headers":
            # To the parser this is text.
            yield from _ID_LINE.findall(str(part.get_payload())[:100_000])
    for name in _NAMED_IN:
        yield from _IDS.findall(_header(mail, name))


def _header(part: Message, name: str) -> str:
    return "".join(char if char.isprintable() else " " for char in str(part.get(name, ""))).strip()


def _address(field: str) -> str:
    """``rfc822; shop@example.com`` -> the address."""
    kind, separator, address = field.rpartition(";")
    if separator and kind.strip().lower() not in ("rfc822", "utf-8"):
        return ""
    return address.strip().strip("<>").lower()


def _address_free(field: str) -> str:
    """``smtp; 550 no such user`` -> the server's words."""
    return field.partition(";")[2] or field
