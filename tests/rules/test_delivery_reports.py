"""Reports of mail servers, as several of them write, and as nobody should."""

from __future__ import annotations

from email.message import EmailMessage
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.rules.delivery_reports import (
    LONGEST_REPORT,
    Action,
    Fate,
    letter_id,
    read_report,
)
from evergrant.rules.faults import Fault

ID = "out_01kjpwd6m0cfsd13hmy460mxf3"
POSTFIX = f"""\
Return-Path: <>
Date: Sat, 21 Nov 2026 09:00:03 +0000 (UTC)
From: MAILER-DAEMON@mx.northwind.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: connect@northwind.example
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4F1C2.1795251603/mx.northwind.example"
Message-Id: <20261121090003.5D0C14F1C3@mx.northwind.example>

This is a MIME-encapsulated message.

--4F1C2.1795251603/mx.northwind.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

<shop@heron.example>: host mx.heron.example[192.0.2.7] said: 550 5.1.1 no such user

--4F1C2.1795251603/mx.northwind.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.northwind.example
X-Postfix-Queue-ID: 4F1C2
Arrival-Date: Sat, 21 Nov 2026 09:00:01 +0000 (UTC)

Final-Recipient: rfc822; Shop@heron.example
Original-Recipient: rfc822;shop@heron.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.heron.example
Diagnostic-Code: smtp; 550 5.1.1
    no such user

--4F1C2.1795251603/mx.northwind.example
Content-Description: Undelivered Message
Content-Type: message/rfc822

From: Northwind <connect@northwind.example>
To: shop@heron.example
Subject: Renew
Message-ID: <{ID}@northwind.example>
MIME-Version: 1.0
Content-Type: text/plain

Hello

--4F1C2.1795251603/mx.northwind.example--
"""
#: Microsoft's servers name the letter in their own headers, and may send nothing of it back.
EXCHANGE = f"""\
From: postmaster@heron.example
To: connect@northwind.example
Subject: Undeliverable: Renew
In-Reply-To: <{ID}@northwind.example>
References: <x@y.example>
 <{ID}@northwind.example>
Message-ID: <ba1e@heron.example>
MIME-Version: 1.0
Content-Type: multipart/report; boundary=b; report-type=delivery-status

--b
Content-Type: text/html

<p>did not reach</p>
--b
Content-Type: message/delivery-status

Reporting-MTA: dns;heron.example

Final-Recipient: rfc822;shop@heron.example
Action: FAILED (expired)
Status: 4.4.7

--b--
"""
#: Headers only, and with the line ends of the wire.
HEADERS_ONLY = (
    EXCHANGE.replace("In-Reply-To", "X-Other")
    .replace("References", "X-More")
    .replace(
        "--b--\n",
        "--b\nContent-Type: text/rfc822-headers\n\nSubject: Renew\n"
        f"Message-ID:\n <{ID}@n.example>\n"
        "To: shop@heron.example\n\n--b--\n",
    )
    .replace("\n", "\r\n")
)


#: Amazon SES puts a Message-ID of its own in the place of ours.
SES = POSTFIX.replace(
    f"Message-ID: <{ID}@northwind.example>",
    f"Message-ID: <0100018b-000000@email.amazonses.com>\nX-Evergrant-Letter: <{ID}@n.example>",
)


@pytest.mark.parametrize(
    "text",
    [POSTFIX, EXCHANGE, HEADERS_ONLY, SES],
    ids=["postfix", "exchange", "headers", "ses"],
)
def test_reports_as_servers_write_them(text: str) -> None:
    report = read_report(text.encode())
    assert [one for one in map(letter_id, report.message_ids) if one] == [ID]
    (fate,) = report.fates
    assert fate.action is Action.FAILED
    assert fate.recipients == {"shop@heron.example"}


def test_what_a_report_says() -> None:
    report = read_report(POSTFIX.encode())
    assert letter_id(report.message_ids[0]) == ID, "what came back is asked first"
    assert report.fates == (
        Fate(
            recipients=frozenset({"shop@heron.example"}),
            action=Action.FAILED,
            reason="5.1.1 550 5.1.1 no such user",
        ),
    )


@pytest.mark.parametrize("action", list(Action))
def test_every_action_is_read(action: Action) -> None:
    (fate,) = read_report(POSTFIX.replace("failed", action.value).encode()).fates
    assert fate.action is action


def test_several_recipients() -> None:
    more = "\nFinal-Recipient: rfc822; other@heron.example\nAction: delayed\nStatus: 4.2.2\n"
    first, second = read_report(
        EXCHANGE.replace("Status: 4.4.7\n", f"Status: 4.4.7\n{more}").encode()
    ).fates
    assert (first.action, second.action) == (Action.FAILED, Action.DELAYED)
    assert second.recipients == {"other@heron.example"}


def ordinary_mail() -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "Out of office"
    mail["In-Reply-To"] = f"<{ID}@northwind.example>"
    mail.set_content("I am away. Action: failed")
    return mail.as_bytes()


#: Packed one in another, deeper than any parser follows.
BOMB = b"Content-Type: message/rfc822\n\n" * 20_000
MANY = b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 20_000


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        ordinary_mail(),
        BOMB,
        MANY,
        POSTFIX.replace("message/delivery-status", "text/plain").encode(),
        POSTFIX.replace("Action: failed", "Action: sulked").encode(),
        POSTFIX.replace("Action: failed\n", "").encode(),
        POSTFIX.replace("rfc822; Shop@", "x400; Shop@")
        .replace("rfc822;shop", "x400;shop")
        .encode(),
        POSTFIX.replace("Reporting-MTA", "\n\n\nReporting").split("Final")[0].encode(),
    ],
    ids=range(10),
)
def test_what_is_no_report(raw: bytes) -> None:
    with pytest.raises(Fault, match="no recipient"):
        read_report(raw)


def test_only_the_beginning_is_looked_at() -> None:
    letter = POSTFIX.replace("Hello", "x" * 78 + "\n") + "y" * LONGEST_REPORT
    assert letter_id(read_report(letter.encode()).message_ids[0]) == ID


def test_nothing_of_a_report_steers_a_terminal_or_is_endless() -> None:
    (fate,) = read_report(
        POSTFIX.replace("no such user", "\x1b[31m no \u202e user " + "x" * 5000).encode()
    ).fates
    assert fate.reason.isprintable()
    assert len(fate.reason) <= 300


@given(some.binary(max_size=400), some.integers(0, len(POSTFIX)), some.integers(0, 60))
def test_a_damaged_report_is_read_or_refused(noise: bytes, at: int, lost: int) -> None:
    raw = POSTFIX.encode()
    try:
        report = read_report(raw[:at] + noise + raw[at + lost :])
    except Fault:
        return
    assert report.fates
    assert all(fate.reason.isprintable() for fate in report.fates)


@pytest.mark.parametrize(
    ("text", "id"),
    [
        (f"<{ID}@northwind.example>", ID),
        (f"  {ID}@northwind.example ", ID),
        (ID, ID),
        (f"<{ID}>", ID),
        (f"<{ID.upper()}@NORTHWIND.EXAMPLE>", ID),
        ("<acc_01kjpwd6m0cfsd13hmy460mxf3@northwind.example>", None),
        ("<out_1@northwind.example>", None),
        (f"<{ID}' or 1=1@x>", None),
        ("", None),
    ],
)
def test_message_ids(text: str, id: str | None) -> None:
    assert letter_id(text) == id


def packed(depth: int) -> bytes:
    """One multipart in another, and then nothing but lines."""
    levels = [
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth)
    ]
    return b"".join(levels) + b"\n" * 400_000


@pytest.mark.parametrize(
    "raw",
    [
        packed(300),
        b"Content-Type: multipart/mixed; " + b';"' * 400_000 + b"\n\n",
        b"Content-Type: multipart/mixed; " + b"a*0=b;" * 150_000 + b"\n\n",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 200_000,
    ],
    ids=["deep", "quotes", "parameters", "parts"],
)
def test_a_mail_that_is_a_bomb_costs_seconds_at_most(raw: bytes) -> None:
    """Minutes, before lines, depth and length were bounded: strangers send what is read here."""
    began_s = process_time()
    with pytest.raises(Fault, match="no recipient"):
        read_report(raw)
    assert process_time() - began_s < 5


def test_of_thousands_of_letters_that_it_names_few_are_looked_up() -> None:
    named = "".join(f"\n <out_{n:026d}@northwind.example>" for n in range(3000))
    report = read_report(EXCHANGE.replace("In-Reply-To:", f"In-Reply-To:{named}\n").encode())
    assert 0 < len(report.message_ids) <= 20
