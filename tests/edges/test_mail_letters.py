"""Every letter as it is read from the wire: handed to a real SMTP server, and parsed back."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from html.parser import HTMLParser
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from evergrant.adapters.mail import Relay, SmtpMail
from evergrant.letters import LANGUAGES, TOPICS, plain, render
from evergrant.ports import Letter
from evergrant.rules.rights import SYSTEM
from evergrant.testing.desk import Fakes
from tests.rooms.letters_ground import FACTS, LINK, LetterHouse, digest

HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Reply-To"),
    *("MIME-Version", "Content-Type", "X-Evergrant-Letter"),
}
#: As somebody could name an account, an application or a house.
HOSTILE = {
    "line breaks": "Shop\r\nBcc: eve@evil.example\r\n\r\n<b>body",
    "encoded word": "=?utf-8?q?Shop=0D=0ABcc=3A_eve=40evil.example=0D=0A=0D=0Abody?=",
    "encoded base64": "=?utf-8?b?U2hvcA0KQmNjOiBldmVAZXZpbC5leGFtcGxl?=",
    "right to left": "Shop \u202e\u2066gpj.exe\u2069 \u200f",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)" style=\'x\'',
    "very long": "Shop" * 75,
    "long words": "many words " * 30,
    "emoji": "👩‍👩‍👧 Bücher & Söhne 書店 🛒",
    "template": "{{ 7*7 }} {% raw %} %(house)s ${7*7} #{7*7}",
    "nothing to see": "\u200b\u2060\ufeff",
    "another link": "Locked! Go to https://evil.example/renew or www.evil.example",
    "a link without a scheme": "Renew at evil.example/connect, EVIL.EXAMPLE:8443/x",
    "a link that hides": "h\u200bttps:\u2060//evil.example/\u202erenew",
    "lone surrogate and NUL": "Shop\ud800\x00\x1b[31m",
}


@dataclass
class Kept:
    """A mail server that keeps what it gets."""

    raw: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.raw.append(envelope.content)
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"


@dataclass
class Wire:
    kept: Kept
    mail: SmtpMail

    async def read_back(self, letter: Letter) -> EmailMessage:
        await self.mail.send(letter)
        assert self.kept.recipients[-1] == [letter.to]
        return self.last()

    def last(self) -> EmailMessage:
        return message_from_bytes(self.kept.raw[-1], _class=EmailMessage, policy=default_policy)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    kept = Kept()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(kept, loop=loop), "127.0.0.1", 0)
    relay = Relay(host="127.0.0.1", port=server.sockets[0].getsockname()[1], starttls=False)
    yield Wire(kept, SmtpMail(relay, "Northwind <connect@northwind.example>", timeout_s=5))
    server.close()
    await server.wait_closed()


class Seen(HTMLParser):
    """What a reader sees, and where the links lead."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._hidden = False
        self.feed(source)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in ("style", "title")
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def written(topic: str, language: str, facts: dict[str, Any]) -> Letter:
    words = render(topic, language, facts)
    return Letter(
        id="out_01kjpwd6m0cfsd13hmy460mxf3",
        to="shop@heron.example",
        subject=words.subject,
        text=words.text,
        html=words.html,
        headers={"Reply-To": "help@northwind.example"},
    )


def parts(message: EmailMessage) -> tuple[str, str]:
    assert message.get_content_type() == "multipart/alternative"
    text, rich = message.iter_parts()
    assert (text.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    for part in (message, text, rich):
        assert not part.defects
    return text.get_content().replace("\r\n", "\n"), rich.get_content().replace("\r\n", "\n")


def check(message: EmailMessage, letter: Letter, raw: bytes) -> Seen:
    """What holds for every letter, whatever is in it."""
    assert set(message.keys()) == HEADERS
    assert len(message.keys()) == len(HEADERS), "each once"
    assert message["Subject"] == letter.subject
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == f"<{letter.id}@northwind.example>"
    assert message["X-Evergrant-Letter"] == message["Message-ID"]
    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    text, rich = parts(message)
    assert (text, rich) == (letter.text, letter.html)
    seen = Seen(rich)
    assert seen.tags.isdisjoint({"script", "img", "link", "iframe", "form", "object", "base"})
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert "url(" not in rich, "nothing is fetched"
    told = re.findall(r"https?://\S+", text)
    assert set(told) == set(seen.links), "both parts lead to the same place"
    assert set(told) <= {LINK}
    return seen


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_letter_reads_the_same_in_both_parts(wire: Wire, language: str) -> None:
    common = {
        "authorization_ending": ["Heron Books", "Northwind", "2026"],
        "operators_digest": ["Heron Books", "shop@heron.example", "2026", "14", "rotate-secret"],
        "secret_incident": ["Northwind Connect", "invalid_client", "214", "rotate-secret"],
        "invitation": ["Heron Books", "Northwind Connect", "sellercentral-europe.amazon.com"],
        "renewal": ["Heron Books", "Northwind Connect", "sellercentral-europe.amazon.com"],
        "support_report": ["EG-7F3K-92QD", "wrong_selling_partner"],
        "authorization_interrupted": ["Heron Books", "EG-7F3K-92QD", "07:30 UTC"],
        "letter_undeliverable": ["Heron Books", "550 no such user"],
        "operator_invitation": ["Ada Field", "Bea Moor", "Northwind", "2026", "00:00 UTC"],
        "operator_locked": ["Ada Field", "198.51.100.7", "07:30 UTC"],
        "operator_way_in": ["Ada Field", "198.51.100.7", "07:30 UTC", "Cy Reed"],
    }
    assert set(common) == set(TOPICS)
    for topic in TOPICS:
        letter = written(topic, language, FACTS)
        message = await wire.read_back(letter)
        seen = check(message, letter, wire.kept.raw[-1])
        for fact in common[topic]:
            assert fact in letter.text, (topic, fact)
            assert fact in seen.text, (topic, fact)


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_harms_no_letter(wire: Wire, name: str) -> None:
    evil = HOSTILE[name]
    named = ("house_name", "account_name", "application_name", "error", "amazon_said")
    facts = FACTS | dict.fromkeys(named, evil) | digest(2, evil)
    turn = list(HOSTILE).index(name)
    # Every name in every letter and in every language; every letter in every language.
    assert len(LANGUAGES) <= min(len(TOPICS), len(HOSTILE))
    for number, topic in enumerate(TOPICS, start=turn):
        letter = written(topic, list(LANGUAGES)[number % len(LANGUAGES)], facts)
        message = await wire.read_back(letter)
        seen = check(message, letter, wire.kept.raw[-1])
        assert len(letter.subject) <= 150
        everything = letter.subject + letter.text + html.unescape(letter.html)
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x00\x1b]", everything)
        assert "49" not in everything
        assert not re.search(r"(?i)://evil|evil\.example(?::\d+)?/|www\.", everything)
        assert not re.search(r"(?m)^Bcc:", letter.text)
        if plain(evil):
            assert " ".join(plain(evil).split()) in seen.text, "it is shown as it is"


async def test_a_letter_through_the_whole_house(wire: Wire) -> None:
    """From the account's name, over the outbox and the post room, to the wire."""
    fakes = Fakes()
    fakes.mail = wire.mail  # type: ignore[assignment]
    house = await LetterHouse(fakes).open()
    name = 'Bücher & <b>Söhne</b> "{{ 7*7 }}" 書店 🛒 =?utf-8?q?x?='
    account_id = await house.account(name, language="de")
    fakes.clock.move(days=342)
    await house.sent(await house.ending(account_id))
    message = wire.last()
    link = (await house.desk.consent.link(account_id, by=SYSTEM)).reveal()
    assert message["Subject"].startswith(plain(name, 50))
    assert message["Subject"].endswith("endet am 2. März 2027")
    assert message["Reply-To"] == "dev-support@northwind.example"
    text, rich = parts(message)
    assert set(re.findall(r"https?://\S+", text)) == set(Seen(rich).links) == {link}
    await house.sent(await house.digest(ending=[await house.row(account_id)]))
    text, rich = parts(wire.last())
    assert set(re.findall(r"https?://\S+", text)) == set(Seen(rich).links) == {link}
    assert plain(name) in Seen(rich).text


async def test_a_digest_of_three_hundred_is_one_mail(wire: Wire) -> None:
    letter = written("operators_digest", "de", FACTS | digest(300))
    message = await wire.read_back(letter)
    check(message, letter, wire.kept.raw[-1])
    assert len(wire.kept.raw[-1]) < 300_000
