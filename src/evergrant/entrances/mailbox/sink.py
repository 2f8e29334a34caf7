"""The SMTP side of the development mailbox.

Answers for: the listener on 127.0.0.1 and the letters in memory. Does not answer for: pages.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as MAIL_POLICY  # noqa: N812
from typing import Any

from aiosmtpd.smtp import SMTP

__all__ = ["KEPT", "KeptLetter", "Mailbox", "open_mailbox"]

KEPT = 200
#: What a letter may weigh, in bytes. Ours weigh some 20 KiB.
LARGEST = 5 * 1024 * 1024
_LINK = re.compile(r"https?://[^\s<>\"']+")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLetter:
    """One letter as it came over the wire, taken apart."""

    number: int
    at: datetime
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def links(self) -> tuple[str, ...]:
        """Every http(s) address in the text part, in order, once each."""
        return tuple(dict.fromkeys(link.rstrip(".,)") for link in _LINK.findall(self.text)))


class Mailbox:
    """Keeps the last 200 letters. ``url`` is what the mail pipe is pointed at."""

    def __init__(self) -> None:
        self._letters: deque[KeptLetter] = deque(maxlen=KEPT)
        self._count = 0
        self._arrived = asyncio.Condition()
        self.host = "127.0.0.1"
        self.port = 0

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}?starttls=0"

    @property
    def letters(self) -> tuple[KeptLetter, ...]:
        """Newest first."""
        return tuple(reversed(self._letters))

    def letter(self, number: int) -> KeptLetter | None:
        return next((letter for letter in self._letters if letter.number == number), None)

    def to(self, address: str) -> tuple[KeptLetter, ...]:
        """Letters to that address, newest first."""
        return tuple(letter for letter in self.letters if address in letter.to)

    async def wait_for(self, count: int = 1, *, timeout_s: float = 10.0) -> tuple[KeptLetter, ...]:
        """Comes back as soon as ``count`` letters arrived in all. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: self._count >= count)
        return self.letters

    def clear(self) -> None:
        self._letters.clear()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """aiosmtpd's hook for a finished letter."""
        message = message_from_bytes(envelope.content, _class=EmailMessage, policy=MAIL_POLICY)
        self._count += 1
        self._letters.append(
            KeptLetter(
                number=self._count,
                at=datetime.now(UTC),
                sender=str(envelope.mail_from or ""),
                to=tuple(str(address) for address in envelope.rcpt_tos),
                subject=str(message["subject"] or ""),
                text=_body(message, "plain"),
                html=_body(message, "html"),
                headers=tuple((name, str(value)) for name, value in message.items()),
            )
        )
        async with self._arrived:
            self._arrived.notify_all()
        return f"250 Kept as number {self._count}"


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    content = part.get_content()
    return content if isinstance(content, str) else ""


@asynccontextmanager
async def open_mailbox(port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Mailbox]:
    """Listens until the block ends. ``port`` 0 takes any free one; see ``Mailbox.port``.
    Raises OSError when the port is taken."""
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(
            mailbox,
            data_size_limit=LARGEST,
            enable_SMTPUTF8=True,
            hostname="mailbox.localhost",
            ident="Evergrant development mailbox",
            loop=loop,
        )

    server = await loop.create_server(protocol, host, port)
    mailbox.host = host
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
        await server.wait_closed()
