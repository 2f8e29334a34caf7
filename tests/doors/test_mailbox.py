"""The development mailbox: takes letters over real SMTP, shows them harmlessly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import EmailMessage

import aiosmtplib
import httpx2
import pytest

from evergrant.entrances.mailbox import Mailbox, build, open_mailbox
from evergrant.entrances.mailbox.sink import KEPT


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with open_mailbox() as mailbox:
        yield mailbox


@pytest.fixture
async def browser(mailbox: Mailbox) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=build(mailbox, "http://127.0.0.2:8080"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client


async def send(mailbox: Mailbox, *, to: str = "shop@example.com", **parts: str) -> None:
    message = EmailMessage()
    message["From"] = "desk@example.com"
    message["To"] = to
    message["Subject"] = parts.get("subject", "Bitte verbinden: Größe")
    message.set_content(parts.get("text", "Open https://desk.example/connect/abc, please."))
    message.add_alternative(parts.get("html", "<p>Open</p>"), subtype="html")
    await aiosmtplib.send(message, hostname=mailbox.host, port=mailbox.port, start_tls=False)


async def test_takes_a_letter_apart(mailbox: Mailbox) -> None:
    await send(mailbox)
    (letter,) = await mailbox.wait_for(1)
    assert letter.subject == "Bitte verbinden: Größe"
    assert letter.to == ("shop@example.com",)
    assert letter.sender == "desk@example.com"
    assert letter.links == ("https://desk.example/connect/abc",)
    assert letter.html.strip() == "<p>Open</p>"
    assert mailbox.url == f"smtp://127.0.0.1:{mailbox.port}?starttls=0"


async def test_listens_on_loopback_only(mailbox: Mailbox) -> None:
    assert mailbox.host == "127.0.0.1"
    assert mailbox.port > 0


async def test_keeps_the_newest_and_forgets_the_oldest(mailbox: Mailbox) -> None:
    message = b"Subject: x\r\n\r\nbody\r\n"

    class Envelope:
        mail_from, rcpt_tos, content = "a@example.com", ["b@example.com"], message

    for _ in range(KEPT + 3):
        await mailbox.handle_DATA(None, None, Envelope())
    assert len(mailbox.letters) == KEPT
    assert mailbox.letters[0].number == KEPT + 3
    assert mailbox.letter(3) is None
    assert mailbox.letter(4) is not None


async def test_waiting_in_vain_ends(mailbox: Mailbox) -> None:
    with pytest.raises(TimeoutError):
        await mailbox.wait_for(1, timeout_s=0.01)


async def test_pages(mailbox: Mailbox, browser: httpx2.AsyncClient) -> None:
    empty = await browser.get("/dev/mailbox")
    assert "No letter yet" in empty.text
    await send(mailbox)
    inbox = await browser.get("/dev/mailbox")
    assert "Größe" in inbox.text
    page = await browser.get("/dev/mailbox/1")
    assert 'href="https://desk.example/connect/abc"' in page.text
    assert (
        (await browser.get("/dev/mailbox/style.css")).headers["content-type"].startswith("text/css")
    )
    missing = await browser.get("/dev/mailbox/77")
    assert missing.status_code == 404
    assert (await browser.get("/dev/mailbox/77/html")).status_code == 404


async def test_letters_as_json(mailbox: Mailbox, browser: httpx2.AsyncClient) -> None:
    await send(mailbox, to="one@example.com")
    await send(mailbox, to="two@example.com", subject="Second")
    letters = (await browser.get("/dev/mailbox.json")).json()["letters"]
    assert [letter["number"] for letter in letters] == [2, 1]
    only = (await browser.get("/dev/mailbox.json?to=two@example.com")).json()["letters"]
    assert [letter["subject"] for letter in only] == ["Second"]


async def test_a_hostile_letter_stays_in_its_box(
    mailbox: Mailbox, browser: httpx2.AsyncClient
) -> None:
    evil = "<script>alert(1)</script>"
    await send(mailbox, subject=evil, text=f"{evil} javascript:alert(1)", html=evil)
    for path in ("/dev/mailbox", "/dev/mailbox/1"):
        page = await browser.get(path)
        assert "<script>" not in page.text
        assert 'href="javascript' not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "unsafe-inline" not in page.headers["content-security-policy"]
    html = await browser.get("/dev/mailbox/1/html")
    policy = html.headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert html.headers["referrer-policy"] == "no-referrer"
    assert html.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("localhost", 200),
        ("127.0.0.2:8080", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
    ],
)
async def test_answers_to_its_own_names_only(
    browser: httpx2.AsyncClient, host: str, status: int
) -> None:
    answer = await browser.get("/dev/mailbox.json", headers={"host": host})
    assert answer.status_code == status


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "connect.house.example"])
async def test_it_is_closed_where_others_reach_the_house(mailbox: Mailbox, host: str) -> None:
    """A proxy may call us by a name of this machine, so no name opens it."""
    await send(mailbox)
    transport = httpx2.ASGITransport(app=build(mailbox, "https://connect.house.example"))
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://{host}") as browser:
        for path in ("/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/1", "/dev/mailbox/1/html"):
            answer = await browser.get(path)
            assert answer.status_code == 403
            assert "/connect/" not in answer.text
            assert "EVERGRANT_SMTP_URL" in answer.text


@pytest.mark.parametrize("number", ["9" * 5000, "x", "-1", "1.0", "²"])
async def test_a_number_that_is_none(browser: httpx2.AsyncClient, number: str) -> None:
    assert (await browser.get(f"/dev/mailbox/{number}")).status_code == 404
