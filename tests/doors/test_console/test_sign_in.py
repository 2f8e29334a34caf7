"""Signing in and out, by what pages say."""

from __future__ import annotations

import re

import pyotp

from evergrant.rules.rights import SYSTEM, Role
from evergrant.rules.secrecy import Secret
from tests.doors.test_console.conftest import COOKIES, Console, Window, text_of

PASSWORD = "four quiet words here"


async def _person(console: Console) -> str:
    email = "eva@northwind.example"
    await console.desk.people.add_operator(
        name="Eva Lind", email=email, role=Role.SUPPORT.value, password=Secret(PASSWORD), by=SYSTEM
    )
    return email


async def _enrol(console: Console, window: Window) -> tuple[pyotp.TOTP, list[str]]:
    page = await window.read("/console/enrol?next=/console/me")
    found = re.search(r'id="totp-key">([A-Z2-7 ]+)<', page)
    assert found
    clock = pyotp.TOTP(found[1].replace(" ", ""))
    code = clock.at(console.fakes.clock.now())
    answer = await window.post("/console/enrol", {"code": code, "next": "/console/me"})
    assert answer.status_code == 200, text_of(answer.text)
    codes = re.findall(r"<li><code>([^<]+)</code></li>", answer.text)
    return clock, codes


async def test_password_then_a_second_factor_is_set_up_then_the_page(console: Console) -> None:
    email = await _person(console)
    window = await console.stranger()
    await window.read("/console/sign-in?next=/console/me")
    wrong = await window.post("/console/sign-in", {"email": email, "password": "no such words"})
    assert wrong.status_code == 401
    assert "do not fit" in text_of(wrong.text)
    form = {"email": email, "password": PASSWORD, "next": "/console/me"}
    answer = await window.post("/console/sign-in", form)
    assert answer.headers["location"].startswith("/console/enrol")
    before = window.secret
    _, codes = await _enrol(console, window)
    assert len(codes) == 10
    assert window.secret.reveal() != before.reveal()
    assert "Eva Lind" in text_of(await window.read("/console/me"))


async def test_the_second_factor_is_asked_for_and_a_recovery_code_helps_once(
    console: Console,
) -> None:
    email = await _person(console)
    first = await console.stranger()
    await first.read("/console/sign-in")
    await first.post("/console/sign-in", {"email": email, "password": PASSWORD})
    clock, codes = await _enrol(console, first)
    console.fakes.clock.move(minutes=2)
    window = await console.stranger()
    await window.read("/console/sign-in")
    answer = await window.post("/console/sign-in", {"email": email, "password": PASSWORD})
    assert answer.headers["location"].startswith("/console/second-factor")
    turned = await window.get("/console/me")
    assert turned.headers["location"].startswith("/console/second-factor")
    wrong = await window.post("/console/second-factor", {"code": "000000"})
    assert wrong.status_code == 401
    code = clock.at(console.fakes.clock.now())
    right = await window.post("/console/second-factor", {"code": code, "next": "/console/me"})
    assert right.headers["location"] == "/console/me"
    assert "Eva Lind" in text_of(await window.follow(right))
    for expected in (303, 401):
        other = await console.stranger()
        await other.read("/console/sign-in")
        await other.post("/console/sign-in", {"email": email, "password": PASSWORD})
        answer = await other.post("/console/second-factor", {"code": codes[0]})
        assert answer.status_code == expected


async def test_signing_out_ends_the_session_for_good(console: Console) -> None:
    window = await console.as_(Role.AUDITOR)
    kept = window.secret.reveal()
    answer = await window.post("/console/sign-out")
    assert answer.headers["location"] == "/console/sign-in"
    assert COOKIES.session not in window.client.cookies
    window.client.cookies.set(COOKIES.session, kept)
    assert (await window.get("/console/me")).status_code == 303


async def test_where_one_is_sent_after_it_is_always_a_page_of_ours(console: Console) -> None:
    email = await _person(console)
    for wish in ("https://evil.example", "//evil.example", "/\\evil.example", "/console//evil"):
        window = await console.stranger()
        page = await window.read("/console/sign-in", params={"next": wish})
        assert 'name="next" value="/console"' in page
        form = {"email": email, "password": PASSWORD, "next": wish}
        answer = await window.post("/console/sign-in", form)
        assert "evil" not in answer.headers["location"]


async def test_whoever_has_a_second_factor_shows_it_before_another_takes_its_place(
    console: Console,
) -> None:
    email = await _person(console)
    window = await console.stranger()
    await window.read("/console/sign-in")
    await window.post("/console/sign-in", {"email": email, "password": PASSWORD})
    clock, _ = await _enrol(console, window)
    page = await window.read("/console/me/second-factor")
    assert "totp-key" not in page
    refused = await window.post("/console/me/second-factor/present", {"current": "000000"})
    assert refused.status_code == 422
    assert "totp-key" not in refused.text
    console.fakes.clock.move(minutes=2)
    code = clock.at(console.fakes.clock.now())
    shown = await window.post("/console/me/second-factor/present", {"current": code})
    assert "totp-key" in shown.text
