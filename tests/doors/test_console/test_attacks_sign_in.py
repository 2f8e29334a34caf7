"""Coming in without being let in: sessions that were put there, guessing, codes and links that
were used, two at once, and what is left after the end."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import re
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pwdlib
import pyotp
import pytest
from starlette.requests import Request
from starlette.responses import Response

from evergrant import logs
from evergrant.entrances.console import build
from evergrant.entrances.console.seals import Cookies, Said, proof_of
from evergrant.rules.lockout import MOST_FAILURES
from evergrant.rules.rights import SYSTEM, Right, Role
from evergrant.rules.secrecy import Secret
from tests.doors.test_console.conftest import (
    COOKIES,
    Console,
    Window,
    open_console,
    text_of,
)
from tests.house.test_logs import _as_before  # noqa: F401 - a fixture

EMAIL = "eva@northwind.example"


@pytest.fixture
def password() -> str:
    return f"four quiet words {secrets.token_hex(4)}"


@pytest.fixture
async def person(console: Console, password: str) -> str:
    made = await console.desk.people.add_operator(
        name="Eva Lind", email=EMAIL, role=Role.ADMIN.value, password=Secret(password), by=SYSTEM
    )
    return made.id


async def _sign_in(window: Window, email: str, password: str, **more: Any) -> httpx2.Response:
    if not window.secret:
        await window.read("/console/sign-in")
    return await window.post("/console/sign-in", {"email": email, "password": password}, **more)


async def _enrolled(console: Console, password: str) -> tuple[Window, pyotp.TOTP, list[str]]:
    window = await console.stranger()
    answer = await _sign_in(window, EMAIL, password)
    page = await window.follow(answer)
    found = re.search(r'id="totp-key">([A-Z2-7 ]+)<', page)
    assert found
    clock = pyotp.TOTP(found[1].replace(" ", ""))
    answer = await window.post(
        "/console/enrol", {"code": clock.at(console.fakes.clock.now()), "next": "/console"}
    )
    assert answer.status_code == 200
    return window, clock, re.findall(r"<li><code>([^<]+)</code></li>", answer.text)


async def _opens(console: Console, secret: str) -> bool:
    window = await console.stranger()
    answer = await window.get("/console/me", headers={"cookie": f"{COOKIES.session}={secret}"})
    assert answer.status_code in (200, 303)
    return answer.status_code == 200


# --- sessions that were put there -----------------------------------------------------------------


async def test_a_session_that_was_put_there_is_never_the_session(
    console: Console, person: str, password: str
) -> None:
    planted = f"egs_{secrets.token_urlsafe(32)}"
    window = await console.stranger()
    await window.read("/console/sign-in")
    visit = window.client.cookies[COOKIES.visit]
    window.client.cookies.set(COOKIES.session, planted, domain="console.test", path="/")
    # The proof is that of the visit, as nobody is signed in by the planted one.
    answer = await window.post(
        "/console/sign-in",
        {"email": EMAIL, "password": password},
        proof=proof_of(Secret(visit)),
    )
    assert answer.status_code == 303
    given = [one for one in answer.headers.get_list("set-cookie") if COOKIES.session in one]
    assert len(given) == 1
    assert planted not in given[0]
    assert visit not in given[0]
    assert not await _opens(console, planted)
    assert not await _opens(console, visit)


async def test_every_step_up_has_another_secret_and_the_old_one_is_dead(
    console: Console, person: str, password: str
) -> None:
    window, clock, codes = await _enrolled(console, password)
    dead = []
    console.fakes.clock.move(minutes=2)
    other = await console.stranger()
    await _sign_in(other, EMAIL, password)
    halfway = other.secret.reveal()
    assert not await _opens(console, halfway)
    dead.append(halfway)
    answer = await other.post(
        "/console/second-factor", {"code": clock.at(console.fakes.clock.now())}
    )
    assert answer.status_code == 303
    assert other.secret.reveal() != halfway
    dead += [other.secret.reveal(), window.secret.reveal()]
    new = f"another quiet phrase {secrets.token_hex(4)}"
    answer = await other.post(
        "/console/me/password", {"old": password, "password": new, "again": new}
    )
    assert answer.status_code == 303
    assert await _opens(console, other.secret.reveal())
    for secret in dead:
        assert not await _opens(console, secret)
    before = other.secret.reveal()
    await other.post("/console/sign-out")
    assert not await _opens(console, before)
    assert codes


async def test_disabled_signed_out_and_of_another_role_counts_with_the_next_click(
    console: Console, person: str
) -> None:
    admin = await console.as_(Role.ADMIN)
    other = await console.operator(Role.ADMIN)
    window = await console.as_(Role.ADMIN, other)
    one = f"/console/operators/{other.id}"
    assert (await window.get("/console/operators")).status_code == 200
    await admin.did(f"{one}/role", {"role": "support"})
    assert (await window.get("/console/operators")).status_code == 403
    assert (await window.post("/console/operators/invite", {})).status_code == 403
    await admin.did(f"{one}/sign-out")
    assert (await window.get("/console/me")).status_code == 303
    again = await console.as_(Role.ADMIN, other)
    await admin.did(f"{one}/disable")
    assert (await again.get("/console/me")).status_code == 303
    assert (await again.post("/console/accounts/filters", {"name": "x"})).status_code == 401
    await admin.did(f"{one}/enable")
    # What was over stays over.
    assert (await again.get("/console/me")).status_code == 303


# --- guessing -------------------------------------------------------------------------------------


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each time that a hash is made or looked at."""
    seen: list[str] = []
    for name in ("hash", "verify", "verify_and_update"):
        real = getattr(pwdlib.PasswordHash, name)

        def counted(self: Any, *given: Any, _real: Any = real, _name: str = name) -> Any:
            seen.append(_name)
            return _real(self, *given)

        monkeypatch.setattr(pwdlib.PasswordHash, name, counted)
    return seen


async def test_known_unknown_disabled_and_locked_look_alike(
    console: Console, person: str, password: str, looks: list[str]
) -> None:
    gone = await console.desk.people.add_operator(
        name="Gone", email="gone@northwind.example", role="support", password=Secret(password),
        by=SYSTEM,
    )  # fmt: skip
    await console.desk.people.disable_operator(gone.id, by=SYSTEM)
    warm = await console.stranger()
    await _sign_in(warm, "nobody@northwind.example", "x")
    seen = set()
    tried = [
        (EMAIL, "no such words here"),
        ("unknown@northwind.example", "no such words here"),
        ("gone@northwind.example", password),
        ("", ""),
        ("x" * 5000, "y" * 5000),
    ]
    for email, words in tried:
        window = await console.stranger()
        await window.read("/console/sign-in")
        looks.clear()
        answer = await _sign_in(window, email, words)
        body = re.sub(r'(name="(?:proof|email)"[^>]*? value=")[^"]*', r"\1", answer.text)
        body = body.replace(email, "") if email else body
        named = sorted(one.partition("=")[0] for one in answer.headers.get_list("set-cookie"))
        headers = sorted(set(answer.headers) - {"content-length"})
        seen.add((answer.status_code, body, tuple(named), tuple(headers), tuple(looks)))
    assert len(seen) == 1
    [(status, _, cookies, _, looked)] = seen
    assert status == 401
    assert COOKIES.session not in cookies
    assert len(looked) == 1
    for _ in range(MOST_FAILURES):
        answer = await _sign_in(warm, EMAIL, "no such words here")
    looks.clear()
    locked = await _sign_in(warm, EMAIL, password)
    assert locked.status_code == 401
    assert len(looks) == 1
    assert text_of(locked.text) == text_of(answer.text)


async def test_after_ten_neither_this_person_nor_this_address_comes_in(
    console: Console, person: str, password: str
) -> None:
    # From the internet, without a proxy: whatever is said of where it comes from is not believed.
    transport = httpx2.ASGITransport(app=console.app, client=("1.1.1.1", 4711))
    client = httpx2.AsyncClient(transport=transport, base_url="http://console.test")
    window = Window(await console.open_windows.enter_async_context(client))
    for number in range(MOST_FAILURES):
        headers = {"x-forwarded-for": f"198.51.100.{number}", "user-agent": f"a{number}"}
        assert (await _sign_in(window, EMAIL, "wrong words", headers=headers)).status_code == 401
    assert (await _sign_in(window, f"{EMAIL.upper()} ", password)).status_code == 401
    kept = console.fakes.store.rows["outbox"].values()
    assert [one.subject for one in kept if one.topic == "operator_locked"] == [person]
    admin = await console.as_(Role.ADMIN)
    await admin.did(f"/console/operators/{person}/unlock")
    # The address waits all the same, whoever it tries to be.
    assert (await _sign_in(window, EMAIL, password)).status_code == 401
    console.fakes.clock.move(minutes=2)
    assert (await _sign_in(window, EMAIL, password)).status_code == 303


# --- what is good once ----------------------------------------------------------------------------


async def test_a_code_is_good_once_also_for_two_at_once(
    console: Console, person: str, password: str
) -> None:
    _, clock, recovery = await _enrolled(console, password)
    console.fakes.clock.move(minutes=2)
    for code in (clock.at(console.fakes.clock.now()), recovery[0]):
        windows = [await console.stranger() for _ in range(4)]
        for window in windows:
            assert (await _sign_in(window, EMAIL, password)).status_code == 303
        answers = await asyncio.gather(
            *(window.post("/console/second-factor", {"code": code}) for window in windows)
        )
        assert sorted(answer.status_code for answer in answers) == [303, 401, 401, 401]
        again = await windows[-1].post("/console/second-factor", {"code": code})
        assert again.status_code in (401, 303)
        if again.status_code == 303:
            # This window was the one that came in: there is nothing to prove any more.
            assert answers[-1].status_code == 303


async def test_the_second_factor_cannot_be_walked_around(
    console: Console, person: str, password: str
) -> None:
    await _enrolled(console, password)
    window = await console.stranger()
    await _sign_in(window, EMAIL, password)
    # Setting up another one is no way in, and neither is any page.
    answer = await window.get("/console/enrol")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/second-factor")
    answer = await window.post("/console/enrol", {"code": "000000"})
    assert "totp-key" not in answer.text
    assert answer.status_code in (401, 403, 409)
    for path in ("/console/me/second-factor/present", "/console/me/recovery-codes"):
        assert (await window.post(path, {"current": "1", "code": "1"})).status_code == 401
    assert not await _opens(console, window.secret.reveal())


async def _invited(console: Console) -> str:
    invitation = await console.desk.sessions.invite_operator(
        name="Dora Lind", email="dora@northwind.example", role="support", by=SYSTEM
    )
    made = await console.desk.sessions.invitation_link(invitation.id, by=SYSTEM)
    return made.link.reveal().rpartition("/console/join/")[2]


async def test_a_mail_scanner_spends_no_invitation_and_nobody_uses_it_twice(
    console: Console, password: str
) -> None:
    link = f"/console/join/{await _invited(console)}"
    for method in ("GET", "HEAD", "GET"):
        scanner = await console.stranger()
        assert (await scanner.client.request(method, link)).status_code == 200
    form = {"password": password, "again": password}
    windows = [await console.stranger() for _ in range(3)]
    for window in windows:
        page = await window.read(link)
        assert "Dora" in text_of(page)
    answers = await asyncio.gather(*(window.post(link, form) for window in windows))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 303
    assert all(status >= 400 for status in statuses[1:])
    assert all(status < 500 for status in statuses)
    late = await console.stranger()
    assert (await late.get(link)).status_code >= 400
    rows = console.fakes.store.rows["operators"].values()
    assert [one.email for one in rows].count("dora@northwind.example") == 1


async def test_the_page_of_an_invitation_sends_its_form_from_somewhere(console: Console) -> None:
    """A page that hides where it is altogether sends its form from 'null', which nobody believes;
    it hides the path, and that is enough."""
    window = await console.stranger()
    answer = await window.get(f"/console/join/{await _invited(console)}")
    assert answer.headers["referrer-policy"] in ("origin", "strict-origin")
    assert answer.headers["cache-control"] == "no-store"


async def test_of_many_at_the_first_start_one_is_the_first(password: str) -> None:
    console = await open_console()
    async with console.open_windows:
        code = await console.desk.sessions.first_start_code()
        assert code is not None
        windows = [await console.stranger() for _ in range(4)]
        for window in windows:
            page = await window.read("/console/first")
            assert code.reveal() not in page
        answers = await asyncio.gather(
            *(
                window.post(
                    "/console/first",
                    {
                        "code": code.reveal(),
                        "name": f"Admin {number}",
                        "email": f"admin{number}@northwind.example",
                        "password": password,
                        "again": password,
                    },
                )
                for number, window in enumerate(windows)
            )
        )
        assert [answer.status_code for answer in answers].count(303) == 1
        assert all(answer.status_code < 500 for answer in answers)
        assert len(console.fakes.store.rows["operators"]) == 1
        late = await console.stranger()
        assert (await late.get("/console/first")).status_code >= 400


# --- what a browser is given ----------------------------------------------------------------------


@pytest.fixture
async def on_https(console: Console) -> AsyncIterator[httpx2.AsyncClient]:
    settings = dataclasses.replace(console.settings, public_url="https://console.test")
    app = build(console.desk, settings)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="https://console.test"
    ) as client:
        yield client


async def test_cookies_on_https_belong_to_this_host_and_to_no_script(
    console: Console, person: str, password: str, on_https: httpx2.AsyncClient
) -> None:
    client = on_https
    names = Cookies(https=True)
    answers = [await client.get("/console/sign-in")]
    visit = Secret(client.cookies[names.visit])
    answers.append(
        await client.post(
            "/console/sign-in",
            data={"email": EMAIL, "password": password, "proof": proof_of(visit)},
        )
    )
    session = Secret(client.cookies[names.session])
    answers.append(await client.post("/console/sign-out", data={"proof": proof_of(session)}))
    assert [answer.status_code for answer in answers] == [200, 303, 303]
    given = [one for answer in answers for one in answer.headers.get_list("set-cookie")]
    assert len(given) >= 4
    for one in given:
        name, *attributes = [part.strip().lower() for part in one.split(";")]
        assert name.startswith("__host-")
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= set(attributes)
        assert not any(attribute.startswith("domain") for attribute in attributes)
    for answer in answers:
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    # The name without the prefix is nobody's: a neighbour could have set it.
    planted = {"cookie": f"{COOKIES.session}={session.reveal()}"}
    assert (await client.get("/console/me", headers=planted)).status_code == 303


async def test_a_message_adds_no_header_and_is_told_to_nobody_else(console: Console) -> None:
    response = Response()
    words = "x\r\nset-cookie: a=b\r\n\r\n<script>\u2028\x00"
    secret = Secret(secrets.token_urlsafe(32))
    COOKIES.write_said(response, secret, Said(words))
    [header] = response.headers.getlist("set-cookie")
    assert not re.search(r"[\r\n\x00<]", header)
    kept = header.partition(";")[0].encode()

    def told(secret: Secret) -> Said | None:
        scope = {"type": "http", "headers": [(b"cookie", kept)]}
        return COOKIES.read_said(Request(scope), secret)

    assert told(secret) == Said(words)
    assert told(Secret(secrets.token_urlsafe(32))) is None
    window = await console.as_(Role.SUPPORT)
    forged = {"cookie": f"{COOKIES.said}=WyJnb29kIiwieCJd.made-up"}
    assert "made-up" not in (await window.get("/console/me", headers=forged)).text


@pytest.mark.usefixtures("_as_before")
async def test_no_log_knows_what_was_typed(console: Console, person: str, password: str) -> None:
    sink = io.StringIO()
    logs.configure("json", "debug", sink)
    wrong = f"wrong words {secrets.token_hex(4)}"
    link = await _invited(console)
    window = await console.stranger()
    await _sign_in(window, EMAIL, wrong)
    await _sign_in(window, wrong, password)
    window, clock, codes = await _enrolled(console, password)
    await window.post("/console/me/recovery-codes", {"code": "000000"})
    await window.post("/console/me/password", {"old": wrong, "password": wrong, "again": wrong})
    guest = await console.stranger()
    await guest.read(f"/console/join/{link}")
    await guest.post(f"/console/join/{link}", {"password": "short", "again": "short"})
    logged = sink.getvalue()
    journal = json.dumps(
        [dataclasses.asdict(line) for line in console.fakes.store.lines], default=str
    )
    export = (await window.get("/console/journal/export.jsonl")).text
    for secret in (
        password,
        wrong,
        clock.secret,
        *codes,
        link,
        window.secret.reveal(),
        guest.secret.reveal(),
    ):
        assert secret not in logged
        assert secret not in journal
        assert secret not in export


async def test_no_right_is_left_when_a_role_is_taken(console: Console) -> None:
    """A window that was open before asks with what its operator may do now."""
    other = await console.operator(Role.TEAM_LEAD)
    window = await console.as_(Role.TEAM_LEAD, other)
    present = await console.desk.sessions.recognise(window.secret)
    assert present is not None
    assert present.caller.may(Right.AMAZON_WRITE)
    await console.desk.sessions.change_role(other.id, "auditor", by=SYSTEM)
    present = await console.desk.sessions.recognise(window.secret)
    assert present is not None
    assert not present.caller.may(Right.WRITE)
