"""The mail pipe: hands one letter to an SMTP relay.

Answers for: the wire (TLS, log-in, time-outs), the headers of the mail, and for telling whether a
refusal is for good. Does not answer for: what the letter says, when to try again, or for keeping
letters: those are the post room's.

The ``Message-ID`` is made of the letter's id, so a letter that is handed over twice, because the
connection died after the relay took it, is recognised by the receiver as one.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate
from urllib.parse import parse_qsl, unquote, urlsplit

import aiosmtplib

from evergrant.errors import Misconfigured, NotDelivered
from evergrant.ports import Letter
from evergrant.rules.secrecy import Secret, scrub
from evergrant.rules.urls import is_loopback

__all__ = ["Relay", "SmtpMail"]

SETTING = "EVERGRANT_SMTP_URL"
_ON = frozenset({"1", "true", "yes", "on"})
_OFF = frozenset({"0", "false", "no", "off"})
_HINT = "Write it as smtp://user:password@host:587?starttls=1 or smtps://user:password@host:465."


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Where mail is handed over.

    ``starttls``: True demands it, False never asks for it, None takes it when it is offered.
    A password is never sent without TLS, except to this machine itself.
    """

    host: str
    port: int
    implicit_tls: bool = False
    starttls: bool | None = None
    user: str = ""
    password: Secret | None = field(default=None, repr=False)
    ca_file: str | None = None

    @classmethod
    def from_url(cls, url: Secret | str) -> Relay:
        """Reads ``smtp://user:password@host:587?starttls=1``, ``smtps://host:465`` and
        ``?cafile=/path`` (a private certificate authority). Raises errors.Misconfigured; the
        message never holds the password."""
        text = url.reveal() if isinstance(url, Secret) else url
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise Misconfigured(SETTING, "this is no URL with a valid port.", hint=_HINT) from None
        if parts.scheme not in ("smtp", "smtps"):
            raise Misconfigured(SETTING, "it has to begin with smtp:// or smtps://.", hint=_HINT)
        if not parts.hostname:
            raise Misconfigured(SETTING, "it names no host.", hint=_HINT)
        if parts.path not in ("", "/") or parts.fragment:
            raise Misconfigured(SETTING, "nothing may follow the port but options.", hint=_HINT)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        starttls = _switch(options.pop("starttls", None))
        ca_file = options.pop("cafile", None)
        if options:
            raise Misconfigured(
                SETTING,
                f"unknown option {', '.join(sorted(options))}.",
                hint="Known options are starttls and cafile.",
            )
        implicit = parts.scheme == "smtps"
        if implicit and starttls:
            raise Misconfigured(SETTING, "smtps:// is TLS already; leave starttls out.")
        if bool(parts.username) != bool(parts.password):
            raise Misconfigured(SETTING, "a user needs a password, and the other way round.")
        return cls(
            host=parts.hostname,
            port=port or (465 if implicit else 587 if parts.username else 25),
            implicit_tls=implicit,
            starttls=False if implicit else starttls,
            user=unquote(parts.username or ""),
            password=Secret(unquote(parts.password)) if parts.password else None,
            ca_file=ca_file,
        )

    @property
    def local(self) -> bool:
        return is_loopback(self.host)


def _switch(text: str | None) -> bool | None:
    if text is None:
        return None
    if text.lower() in _ON:
        return True
    if text.lower() in _OFF:
        return False
    raise Misconfigured(SETTING, "starttls is 1 or 0.", hint=_HINT)


class SmtpMail:
    """``ports.Mail`` over SMTP. One connection per letter: nothing to keep alive or to repair."""

    def __init__(self, relay: Relay, mail_from: str, *, timeout_s: float = 30.0) -> None:
        """``mail_from``: ``Name <address>`` or an address. Raises errors.Misconfigured."""
        self._relay = relay
        self._sender = _sender(mail_from)
        self._timeout_s = timeout_s

    async def send(self, letter: Letter) -> None:
        """Raises errors.NotDelivered, permanent when the relay refused this letter for good."""
        message = self._message(letter)
        try:
            async with self._connection() as smtp:
                await self._let_in(smtp)
                await smtp.send_message(
                    message, sender=self._sender.addr_spec, recipients=[letter.to]
                )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._not_delivered(error) from None

    async def ping(self) -> None:
        """Connects, starts TLS and logs in, sends nothing. Raises errors.NotDelivered."""
        try:
            async with self._connection() as smtp:
                await self._let_in(smtp)
                await smtp.noop()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._not_delivered(error) from None

    def _connection(self) -> aiosmtplib.SMTP:
        relay = self._relay
        context: ssl.SSLContext | None = None
        if relay.implicit_tls or relay.starttls is not False:
            try:
                context = ssl.create_default_context(cafile=relay.ca_file)
            except OSError as error:
                raise Misconfigured(SETTING, f"cafile cannot be read: {error.strerror}") from None
        return aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            use_tls=relay.implicit_tls,
            start_tls=relay.starttls,
            tls_context=context,
            timeout=self._timeout_s,
        )

    async def _let_in(self, smtp: aiosmtplib.SMTP) -> None:
        relay = self._relay
        if relay.password is None:
            return
        if not relay.local and smtp.get_transport_info("sslcontext") is None:
            raise NotDelivered(
                "The mail relay offers no TLS, so the password was not sent to it.",
                permanent=False,
                facts={"relay": f"{relay.host}:{relay.port}"},
            )
        await smtp.login(relay.user, relay.password.reveal())

    def _message(self, letter: Letter) -> EmailMessage:
        _check_recipient(letter.to)
        message = EmailMessage(policy=SMTP_POLICY)
        try:
            message["From"] = self._sender
            message["To"] = letter.to
            _set_subject(message, letter.subject)
            message["Date"] = formatdate(usegmt=True)
            message["Message-ID"] = message_id = f"<{letter.id}@{self._sender.domain}>"
            # Some relays (Amazon SES) put a Message-ID of their own in its place; what comes back
            # is recognised by this one.
            message["X-Evergrant-Letter"] = message_id
            # RFC 3834: tells auto-responders that nobody waits for their answer.
            message["Auto-Submitted"] = "auto-generated"
            for name, value in letter.headers.items():
                message[name] = value
            # Encoded words are decoded by then, and what they hold would go out as it is.
            if any(char in str(value) for value in message.values() for char in "\r\n\0"):
                raise ValueError
        except (ValueError, HeaderParseError):
            raise NotDelivered(
                "A header of the letter holds a line break or is malformed; it was not sent.",
                permanent=True,
                facts={"letter": letter.id},
            ) from None
        message.set_content(letter.text, charset="utf-8", cte="quoted-printable")
        message.add_alternative(
            letter.html, subtype="html", charset="utf-8", cte="quoted-printable"
        )
        return message

    def _not_delivered(self, error: Exception) -> NotDelivered:
        """Whose fault a failure is: only what the relay says of *this* letter is for good. That
        it does not know our password, or does not speak TLS, an operator can mend while the
        letter waits."""
        relay = f"{self._relay.host}:{self._relay.port}"
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            first = error.recipients[0]
            return _said(first.code, first.message, relay, permanent=first.code >= 500)
        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            return _said(error.code, error.message, relay, permanent=False)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            # A relay that answers 5xx to the greeting or to EHLO turned us away, not the letter.
            met = isinstance(error, aiosmtplib.SMTPConnectError | aiosmtplib.SMTPHeloError)
            return _said(error.code, error.message, relay, permanent=error.code >= 500 and not met)
        if isinstance(error, aiosmtplib.SMTPTimeoutError):
            words = "The mail relay did not answer in time."
        elif isinstance(error, ssl.SSLError):
            words = f"TLS with the mail relay failed: {error.reason or 'unknown reason'}."
        elif isinstance(error, aiosmtplib.SMTPNotSupported):
            words = f"The mail relay cannot do what was asked: {scrub(error.message)}"
        else:
            words = f"The mail relay was not reached: {scrub(str(error)) or type(error).__name__}"
        return NotDelivered(words, permanent=False, facts={"relay": relay})


def _set_subject(message: EmailMessage, subject: str) -> None:
    """Encoded and folded here: the library drops blanks between words that it encodes, takes text
    that looks like an encoded word for one, and begins a long subject on the second line."""
    if any(char in subject for char in "\r\n\0"):
        raise ValueError
    clear = subject.isascii() and "=?" not in subject
    header = Header(subject, "us-ascii" if clear else "utf-8", header_name="Subject")
    message.set_raw("Subject", header.encode())


def _said(code: int, message: str, relay: str, *, permanent: bool) -> NotDelivered:
    said = scrub(" ".join(message.split()))[:300]
    return NotDelivered(
        f"The mail relay answered {code} {said}".rstrip(),
        permanent=permanent,
        facts={"relay": relay, "smtp_code": code},
    )


def _sender(mail_from: str) -> Address:
    try:
        header = SMTP_POLICY.header_factory("From", mail_from)
        (address,) = header.addresses
    except (ValueError, IndexError, HeaderParseError):
        address, header = None, None
    if address is None or header.defects or not address.username or not address.domain:
        raise Misconfigured(
            "EVERGRANT_MAIL_FROM",
            "this is no sender address.",
            hint="Write it as 'Example Ltd <connect@example.com>' or connect@example.com.",
        )
    return Address(
        display_name=address.display_name, username=address.username, domain=address.domain
    )


def _check_recipient(to: str) -> None:
    """Exactly one bare address: a comma, a display name or a line break would address others."""
    local, _, domain = to.rpartition("@")
    bad = any(ord(char) <= 32 or ord(char) == 127 or char in '<>(),;:"[]\\' for char in to)
    if not local or not domain or "@" in local or bad:
        raise NotDelivered(
            "The address of the letter is not one plain mail address; it was not sent.",
            permanent=True,
        )
