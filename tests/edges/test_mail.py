"""The mail socket: one contract on the shipped fake and on SMTP, then the wire itself."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from evergrant.adapters.mail import Relay, SmtpMail
from evergrant.errors import Misconfigured, NotDelivered
from evergrant.ports import Letter, Mail
from evergrant.rules.secrecy import Secret
from evergrant.testing.mail import MemoryMail

FROM = "Nörthwind <connect@northwind.example>"


def letter(**wishes: Any) -> Letter:
    facts: dict[str, Any] = {
        "id": "out_1",
        "to": "shop@heron.example",
        "subject": "Bitte verbinden: Größe",
        "text": "Grüße\n\nhttps://connect.example/connect/abc\n.\nEnde\n",
        "html": "<p>Grüße</p>",
    }
    return Letter(**(facts | wishes))


@dataclass
class Kept:
    """A relay's handler: keeps letters, answers as told."""

    answers: dict[str, str] = field(default_factory=dict)
    messages: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Any] = field(default_factory=list)
    logged_in: list[bytes] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.answers or "RCPT" in self.answers:
            return self.answers.get(address) or self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.envelopes.append(envelope)
        self.encrypted.append(session.ssl is not None)
        self.messages.append(
            message_from_bytes(envelope.content, _class=EmailMessage, policy=default_policy)
        )
        return "250 OK"

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        self.logged_in.append(data.login)
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


PASSWORD = secrets.token_hex(12)
Start = Callable[..., Any]


@pytest.fixture
async def relay() -> AsyncIterator[Start]:
    """Starts a relay on loopback; gives its handler and port."""
    servers: list[asyncio.Server] = []
    loop = asyncio.get_running_loop()

    async def start(*, tls: ssl.SSLContext | None = None, **options: Any) -> tuple[Kept, int]:
        kept = Kept()
        server = await loop.create_server(
            lambda: SMTP(
                kept, loop=loop, hostname="relay.test", authenticator=kept.authenticate, **options
            ),
            "127.0.0.1",
            0,
            ssl=tls,
        )
        servers.append(server)
        return kept, server.sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1, and the file of the authority that made it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    (folder / "server.pem").write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, folder / "ca.pem"


def smtp(port: int, **options: Any) -> SmtpMail:
    facts: dict[str, Any] = {"host": "127.0.0.1", "port": port, "starttls": False}
    return SmtpMail(Relay(**(facts | options)), FROM, timeout_s=5)


# --- the contract -----------------------------------------------------------------------------


@dataclass
class Case:
    mail: Mail
    count: Callable[[], int]
    refuse: Callable[[str], None]


@pytest.fixture(params=["memory", "smtp"])
async def case(request: pytest.FixtureRequest, relay: Start) -> Case:
    if request.param == "memory":
        memory = MemoryMail()
        return Case(memory, lambda: len(memory.letters), memory.refuse)
    kept, port = await relay()

    def refuse(address: str) -> None:
        kept.answers[address] = "550 no such user"

    return Case(smtp(port), lambda: len(kept.messages), refuse)


async def test_a_letter_goes_out(case: Case) -> None:
    await case.mail.ping()
    await case.mail.send(letter())
    assert case.count() == 1


async def test_an_unknown_recipient_is_for_good(case: Case) -> None:
    case.refuse("nobody@heron.example")
    with pytest.raises(NotDelivered) as caught:
        await case.mail.send(letter(to="nobody@heron.example"))
    assert caught.value.permanent
    assert "550" in caught.value.message
    await case.mail.send(letter())
    assert case.count() == 1


@pytest.mark.parametrize(
    "to",
    [
        "a@example.com, b@example.com",
        "Heron <a@example.com>",
        "a@example.com\r\nBcc: b@example.com",
        "a b@example.com",
        "a@b@example.com",
        "nobody",
        "",
    ],
)
async def test_an_address_that_would_reach_others_is_refused(case: Case, to: str) -> None:
    with pytest.raises(NotDelivered) as caught:
        await case.mail.send(letter(to=to))
    assert caught.value.permanent
    assert case.count() == 0


@pytest.mark.parametrize(
    "wish",
    [
        {"subject": "Hello\r\nBcc: b@example.com"},
        {"headers": {"Reply-To": "a@b.c\nBcc: d@e.f"}},
        {"subject": "Größe\r\nBcc: b@example.com"},
    ],
    ids=["subject", "header", "encoded subject"],
)
async def test_a_line_break_begins_no_header(case: Case, wish: Any) -> None:
    with pytest.raises(NotDelivered) as caught:
        await case.mail.send(letter(**wish))
    assert caught.value.permanent
    assert case.count() == 0


# --- what goes over the wire ------------------------------------------------------------------


async def test_the_letter_as_the_receiver_reads_it(relay: Start) -> None:
    kept, port = await relay()
    await smtp(port).send(letter(headers={"Reply-To": "help@northwind.example"}))
    (message,) = kept.messages
    (envelope,) = kept.envelopes
    assert envelope.mail_from == "connect@northwind.example"
    assert envelope.rcpt_tos == ["shop@heron.example"]
    assert message["Subject"] == "Bitte verbinden: Größe"
    assert str(message["From"]) == FROM
    assert message["Message-ID"] == "<out_1@northwind.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Reply-To"] == "help@northwind.example"
    assert message["Date"]
    plain, html = message.iter_parts()
    assert plain.get_content().replace("\r\n", "\n") == letter().text, "a lone dot survives"
    assert html.get_content_type() == "text/html"
    assert "Grüße" in html.get_content()
    assert envelope.content.isascii(), "any relay can carry it"


@pytest.mark.parametrize(
    "subject",
    [
        "書店 🛒 Bücher  & Söhne",
        "=?utf-8?q?Hello=0D=0ABcc=3A_b=40example.com?=",
        "Größe =?utf-8?q?x?= 🛒",
        "🛒" * 70,
        "long " * 30 + "end",
        "ü " * 70 + "ü",
    ],
    ids=["blanks", "encoded word", "both", "wide", "long", "wide blanks"],
)
async def test_a_subject_arrives_as_it_was_written(relay: Start, subject: str) -> None:
    kept, port = await relay()
    await smtp(port).send(letter(subject=subject))
    (message,), (envelope,) = kept.messages, kept.envelopes
    assert message["Subject"] == subject
    assert message["Bcc"] is None
    assert envelope.content.isascii()
    assert b"Subject:\r\n" not in envelope.content
    head = envelope.content.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))


async def test_a_line_break_hides_in_no_header(relay: Start) -> None:
    kept, port = await relay()
    with pytest.raises(NotDelivered) as caught:
        await smtp(port).send(letter(headers={"X-Note": "=?utf-8?q?x=0ABcc=3A_b=40example.com?="}))
    assert caught.value.permanent
    assert kept.messages == []


async def test_a_repeat_is_recognisable(relay: Start) -> None:
    kept, port = await relay()
    for _ in range(2):
        await smtp(port).send(letter())
    first, second = kept.messages
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.parametrize(
    ("step", "answer", "permanent"),
    [
        ("RCPT", "450 greylisted", False),
        ("RCPT", "550 no such user", True),
        ("MAIL", "451 too busy", False),
        ("MAIL", "553 sender not allowed", True),
        ("DATA", "452 mailbox full", False),
        ("DATA", "554 looks like spam", True),
    ],
)
async def test_whose_fault_a_refusal_is(
    relay: Start, step: str, answer: str, permanent: bool
) -> None:
    kept, port = await relay()
    kept.answers[step] = answer
    with pytest.raises(NotDelivered) as caught:
        await smtp(port).send(letter())
    assert caught.value.permanent is permanent
    assert answer in caught.value.message
    assert caught.value.facts["smtp_code"] == int(answer[:3])
    assert caught.value.facts["relay"] == f"127.0.0.1:{port}"


async def test_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(NotDelivered) as caught:
            await smtp(held.getsockname()[1]).send(letter())
    assert not caught.value.permanent


class Mute(asyncio.Protocol):
    """Takes connections and says nothing."""

    words = b""

    def connection_made(self, transport: Any) -> None:
        if self.words:
            transport.write(self.words)
            transport.close()


class Unfriendly(Mute):
    words = b"554 not today\r\n"


@pytest.mark.parametrize("verb", ["ping", "send"])
@pytest.mark.parametrize(("manners", "words"), [(Mute, "in time"), (Unfriendly, "554 not today")])
async def test_a_relay_that_turns_us_away_did_not_refuse_the_letter(
    verb: str, manners: type[Mute], words: str
) -> None:
    server = await asyncio.get_running_loop().create_server(manners, "127.0.0.1", 0)
    async with server:
        relay = Relay(host="127.0.0.1", port=server.sockets[0].getsockname()[1], starttls=False)
        mail = SmtpMail(relay, FROM, timeout_s=0.2)
        with pytest.raises(NotDelivered) as caught:
            await (mail.ping() if verb == "ping" else mail.send(letter()))
    assert not caught.value.permanent
    assert words in caught.value.message


# --- TLS and log-in ------------------------------------------------------------------------------


async def test_starttls_is_taken_when_offered(
    relay: Start, certificate: tuple[ssl.SSLContext, Path]
) -> None:
    context, authority = certificate
    kept, port = await relay(tls_context=context)
    await smtp(port, starttls=None, ca_file=str(authority)).send(letter())
    assert kept.encrypted == [True]


async def test_starttls_is_demanded_when_told(relay: Start) -> None:
    kept, port = await relay()
    with pytest.raises(NotDelivered) as caught:
        await smtp(port, starttls=True).send(letter())
    assert not caught.value.permanent
    assert kept.messages == []


async def test_implicit_tls(relay: Start, certificate: tuple[ssl.SSLContext, Path]) -> None:
    context, authority = certificate
    kept, port = await relay(tls=context)
    await smtp(port, implicit_tls=True, ca_file=str(authority)).send(letter())
    assert len(kept.messages) == 1


@pytest.mark.parametrize("starttls", [True, None])
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    relay: Start, certificate: tuple[ssl.SSLContext, Path], starttls: bool | None
) -> None:
    kept, port = await relay(tls_context=certificate[0])
    with pytest.raises(NotDelivered) as caught:
        await smtp(port, starttls=starttls).send(letter())
    assert not caught.value.permanent
    assert kept.messages == []


async def test_log_in_goes_through_tls(
    relay: Start, certificate: tuple[ssl.SSLContext, Path]
) -> None:
    context, authority = certificate
    kept, port = await relay(tls_context=context, auth_required=True)
    known = {"starttls": True, "ca_file": str(authority), "user": "northwind"}
    mail = smtp(port, **known, password=Secret(PASSWORD))
    await mail.ping()
    await mail.send(letter())
    assert kept.logged_in == [b"northwind"] * 2
    with pytest.raises(NotDelivered) as caught:
        await smtp(port, **known, password=Secret("wrong" + PASSWORD)).ping()
    assert caught.value.facts["smtp_code"] == 535
    assert not caught.value.permanent, "an operator can mend the password while letters wait"
    assert PASSWORD not in str(caught.value)


async def test_a_password_is_not_sent_in_the_clear_to_another_machine(
    relay: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, port = await relay(auth_require_tls=False)
    mail = smtp(port, user="northwind", password=Secret(PASSWORD))
    await mail.send(letter())
    assert kept.logged_in, "on this machine it may"
    kept.logged_in.clear()
    monkeypatch.setattr(Relay, "local", property(lambda self: False))
    with pytest.raises(NotDelivered) as caught:
        await mail.send(letter())
    assert "TLS" in caught.value.message
    assert kept.logged_in == []


async def test_an_authority_file_that_is_not_there_names_the_setting() -> None:
    with pytest.raises(Misconfigured) as caught:
        await smtp(1, starttls=True, ca_file="/nowhere.pem").ping()
    assert caught.value.setting == "EVERGRANT_SMTP_URL"


# --- the setting ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("smtp://relay.example", {"host": "relay.example", "port": 25, "starttls": None}),
        ("smtp://relay.example:2525?starttls=0", {"port": 2525, "starttls": False}),
        ("smtp://u:p@relay.example?starttls=yes", {"port": 587, "starttls": True, "user": "u"}),
        ("smtps://u:p@relay.example", {"port": 465, "implicit_tls": True, "starttls": False}),
        ("smtp://u%40x:p%2F@relay.example:587", {"user": "u@x"}),
        ("smtp://[::1]:25", {"host": "::1", "local": True}),
        ("smtps://relay.example?cafile=/etc/ca.pem", {"ca_file": "/etc/ca.pem"}),
    ],
)
def test_urls(url: str, wanted: dict[str, object]) -> None:
    relay = Relay.from_url(Secret(url))
    assert {name: getattr(relay, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relay.example",
        "http://relay.example",
        "smtp://",
        "smtp://relay.example:port",
        "smtp://relay.example:99999",
        "smtp://relay.example/path",
        "smtp://relay.example#x",
        "smtp://user@relay.example",
        "smtp://:geheim@relay.example",
        "smtp://u:geheim@relay.example?starttls=maybe",
        "smtp://u:geheim@relay.example?unknown=1",
        "smtps://u:geheim@relay.example?starttls=1",
    ],
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Relay.from_url(url)
    assert caught.value.setting == "EVERGRANT_SMTP_URL"
    assert "geheim" not in str(caught.value) + repr(caught.value.facts) + repr(caught.value.hint)


def test_the_password_is_not_shown() -> None:
    relay = Relay.from_url(f"smtp://u:{PASSWORD}@relay.example")
    assert PASSWORD not in repr(relay)
    assert relay.password is not None
    assert relay.password.reveal() == PASSWORD


@pytest.mark.parametrize("sender", ["", "nobody", "a@b@c", "<>", "a@b, c@d"])
def test_senders_that_are_none(sender: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        SmtpMail(Relay(host="x", port=25), sender)
    assert caught.value.setting == "EVERGRANT_MAIL_FROM"
