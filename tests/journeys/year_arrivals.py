"""What arrives in the simulated year: a mail server and the webhook receivers of the client
instances, both on sockets of this process.

Answers for: reading what came as whoever it is meant for would, its day by the play, and for
repeats: the same Message-ID or webhook-id once more. Does not answer for: what should have come.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Any

from aiosmtpd.smtp import SMTP
from standardwebhooks import Webhook

from tests.journeys.year_oracle import Happened
from tests.journeys.year_plan import BEGIN, INSTANCES, Instance, Life, Plan

__all__ = ["MailServer", "Now", "Receivers"]

OPERATORS, SUPPORT = "operators@house.example", "support@house.example"
#: A slow server takes a letter when so much has passed since it first saw it.
SLOW = timedelta(hours=11)
LINK = re.compile(r"https?://\S+/connect/([\w-]+)")
SHOP = re.compile(r"Shop \d{3} .+")
ENDS = re.compile(r" (?:ends on (\w+ \d+, \d{4})|has ended)$")
TABLES = {
    "CLIENT SECRETS THAT HAVE ENDED": "secrets over",
    "CLIENT SECRETS THAT END SOON": "secrets",
    "AUTHORIZATIONS THAT AMAZON REFUSES": "refused",
    "NEW ON THE NOTICE BOARD": "board",
    "AUTHORIZATIONS THAT HAVE ENDED": "lapsed",
    "AUTHORIZATIONS THAT END SOON": "ending",
    "LETTERS THAT DID NOT ARRIVE": "undelivered",
    "SELF-AUTHORIZATIONS THAT ARE ABOUT A YEAR OLD": "believed",
    "AUTHORIZATIONS OF WHICH NOBODY KNOWS THE END": "undated",
}


@dataclass
class Now:
    """Where the play stands."""

    day: int = 0
    at_s: float = 0.0  # seconds since the play began

    def today(self) -> date:
        return (BEGIN + timedelta(seconds=self.at_s)).date()


@dataclass
class MailServer:
    """Takes letters, but for shops whose mail bounces or is slow."""

    plan: Plan
    now: Now
    out: Happened
    links: dict[str, list[str]] = field(default_factory=dict)  # by name of the shop
    repeats: Counter[int] = field(default_factory=Counter)  # by day
    strange: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _first_seen_s: dict[str, float] = field(default_factory=dict)
    _server: asyncio.Server | None = None

    def __post_init__(self) -> None:
        self._lives: dict[str, Life] = {}
        for life in self.plan.lives:
            self._lives[life.email] = self._lives[mended(life)] = life

    async def open(self) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, loop=loop, hostname="mail.test"), "127.0.0.1", 0
        )
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        life = self._lives.get(address)
        if life is not None and life.bounces and address == life.email:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message = message_from_bytes(envelope.content, _class=EmailMessage, policy=default_policy)
        [to] = envelope.rcpt_tos
        name, life = str(message["Message-ID"]), self._lives.get(to)
        if life is not None and life.slow:
            first_s = self._first_seen_s.setdefault(name, self.now.at_s)
            if self.now.at_s - first_s < SLOW.total_seconds():
                return "451 4.7.1 greylisted, try again later"
        if name in self._seen:
            self.repeats[self.now.day] += 1
            return "250 OK"
        self._seen.add(name)
        self._take(message, to, life)
        return "250 OK"

    def _take(self, message: EmailMessage, to: str, life: Life | None) -> None:
        part, day, subject = message.get_body(("plain",)), self.now.day, str(message["Subject"])
        text = "" if part is None else part.get_content()
        if life is not None:
            self.links.setdefault(life.name, []).extend(LINK.findall(text))
            self.out.note(day, "letter", life.name, about(subject, self.now.today()))
        elif to == OPERATORS and subject.startswith("Amazon connections"):
            self.out.note(day, "daily letter", "operators")
            for table, whom in rows(text):
                known = self._lives.get(whom)
                self.out.note(day, f"row {table}", known.name if known else whom)
        elif to == SUPPORT and (found := SHOP.search(text)):
            names = [one.name for one in self.plan.lives if found.group().startswith(one.name)]
            self.out.note(day, "report", max(names, key=len, default=found.group()))
        else:
            self.strange.append(f"day {day}, to {to}: {subject}")


def mended(life: Life) -> str:
    """The address of a shop after somebody put it right."""
    return life.email.replace("shop", "mended")


def about(subject: str, today: date) -> str:
    """The days that are left until the day which a reminder names; "over", or "other"."""
    found = ENDS.search(subject)
    if found is None:
        return "other"
    if not found[1]:
        return "over"
    ends_on = datetime.strptime(f"{found[1]} +0000", "%B %d, %Y %z").date()
    return str((ends_on - today).days)


def rows(text: str) -> list[tuple[str, str]]:
    """Table and whom, of the operators' letter."""
    found, table = [], ""
    for line in text.splitlines():
        table = TABLES.get(line.strip(), table)
        if line.startswith("- "):
            whom = re.split(r": | \(", line[2:])[0].strip()
            found.append((table, whom))
        elif line.startswith("... and"):
            found.append((table, line))
    return found


@dataclass
class Receivers:
    """The client instances, each at its own path."""

    now: Now
    out: Happened
    signing: dict[str, str] = field(default_factory=dict)  # by name of the instance
    repeats: Counter[int] = field(default_factory=Counter)  # by day
    strange: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    _seen: set[str] = field(default_factory=set)
    _position: dict[str, str] = field(default_factory=dict)
    _server: asyncio.Server | None = None

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        try:
            while head := await reading.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines if line)
                }
                body = await reading.readexactly(int(headers.get("content-length", "0")))
                status = self._answer(first.split()[1], headers, body)
                writing.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())
                await writing.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the sender went: it was done, or it was killed
        finally:
            writing.close()

    def _answer(self, path: str, headers: dict[str, str], body: bytes) -> str:
        [to] = [one for one in INSTANCES if path == f"/{one.name}"]
        if to.is_down(self.now.day):
            self.refused[to.name] += 1
            return "503 Service Unavailable"
        scheme = Webhook(self.signing[to.name])
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        if scheme.sign(headers["webhook-id"], at, body.decode()) not in headers[
            "webhook-signature"
        ].split(" "):
            self.strange.append(f"day {self.now.day}: a webhook with a wrong signature")
            return "401 Unauthorized"
        if headers["webhook-id"] in self._seen:
            self.repeats[self.now.day] += 1
            return "204 No Content"
        self._seen.add(headers["webhook-id"])
        self._take(to, json.loads(body))
        return "204 No Content"

    def _take(self, to: Instance, told: dict[str, Any]) -> None:
        whom, more = subject_of(told, to)
        self.out.note(self.now.day, f"webhook {told['type']}", whom, more)
        # Events of one account come in the order in which they happened.
        if told["timestamp"] < self._position.get(whom, ""):
            self.strange.append(f"day {self.now.day}: {told['type']} of {whom} out of its order")
        self._position[whom] = told["timestamp"]


def subject_of(told: dict[str, Any], to: Instance) -> tuple[str, str]:
    """Whom an event is about, and the days that it says are left."""
    data = told["data"]
    whom = data.get("account_name") or f"{data['application_name']} to {to.name}"
    return str(whom), str(data.get("days_left", ""))
