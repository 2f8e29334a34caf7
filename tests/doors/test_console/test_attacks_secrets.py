"""What lies in the safe, and what only its owner knows, is on no page, in no export, in no header
and in no file, whoever asks; and no page is kept by anybody in between."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from evergrant.entrances.console import doors as table
from evergrant.entrances.console import frame
from evergrant.entrances.console.doors import Door
from evergrant.rules.rights import SYSTEM, Right, Role
from evergrant.rules.secrecy import Secret
from tests.doors.test_console.attack_ground import Ground, doors, opened_ground
from tests.doors.test_console.conftest import Console, text_of
from tests.doors.test_console.trade_ground import order

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = f"five quiet words {secrets.token_hex(6)}"
DATABASE = secrets.token_hex(12)
MAIL = secrets.token_hex(12)
BUYER = f"Wilhelmina {secrets.token_hex(6)}"
STREET = f"{secrets.token_hex(6)} Harbour Lane"


@dataclass
class Hidden:
    ground: Ground
    #: By what it is.
    secrets: dict[str, str] = field(default_factory=dict)

    def check(self, where: str, text: str) -> None:
        for what, secret in self.secrets.items():
            assert secret not in text, (where, what)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hidden() -> AsyncIterator[Hidden]:
    async with opened_ground(
        EVERGRANT_DATABASE_URL=f"postgresql://someone:{DATABASE}@db.internal/evergrant",
        EVERGRANT_SMTP_URL=f"smtp://someone:{MAIL}@mail.internal:25",
        EVERGRANT_MAIL_FROM="connect@northwind.example",
        EVERGRANT_PUBLIC_URL="http://127.0.0.1:8088",
    ) as ground:
        made = Hidden(ground, {"database": DATABASE, "mail": MAIL, "password": PASSWORD})
        await _store_some(ground, made.secrets)
        await _what_is_in_the_safe(ground.console, made.secrets)
        assert len(made.secrets) > 25
        ground.keep()
        yield made


async def _store_some(ground: Ground, known: dict[str, str]) -> None:
    console, filled = ground.console, ground.filled
    desk = console.desk
    admin = await ground.window(Role.ADMIN)
    client_secret = f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}"
    console.fakes.lwa.add_client(console.house.lwa_client_id, Secret(client_secret))
    answer = await admin.post(
        ground.url("/console/applications/{application_id}/client-secret"),
        {"lwa_client_secret": client_secret},
    )
    assert answer.status_code == 303, text_of(answer.text)
    known["client secret"] = client_secret
    made = await desk.people.add_api_key(name="One more", rights=["read"], by=SYSTEM)
    known["API key"] = made.secret.reveal()
    connection = await desk.people.add_connection_key(filled.account_id, name="Two", by=SYSTEM)
    known["connection key"] = connection.secret.reveal()
    await desk.people.add_operator(
        name="Kim Holt",
        email="kim@northwind.example",
        role=Role.ADMIN.value,
        password=Secret(PASSWORD),
        by=SYSTEM,
    )
    # A second factor of hers, with its recovery codes.
    window = await console.stranger()
    await window.read("/console/sign-in")
    answer = await window.post(
        "/console/sign-in", {"email": "kim@northwind.example", "password": PASSWORD}
    )
    await window.follow(answer)
    known["session of somebody else"] = window.secret.reveal()
    link = await desk.consent.link(filled.awaiting_id, by=SYSTEM)
    known["link of a partner"] = link.reveal().rpartition("/")[2]
    body = {
        "orderId": "302-1234567-1234567",
        "buyer": {"buyerName": BUYER},
        "recipient": {"deliveryAddress": {"addressLine1": STREET}},
    }
    await order(console, filled.account_id, "302-1234567-1234567", body=body)
    filled.order_id = "302-1234567-1234567"
    known["buyer"] = BUYER
    known["street"] = STREET
    for one in console.fakes.store.rows["operators"].values():
        if one.password_hash:
            known[f"hash of {one.id}"] = one.password_hash
    for one in console.fakes.store.rows["operator_sessions"].values():
        known[f"digest of {one.id}"] = one.secret_digest


async def _what_is_in_the_safe(console: Console, known: dict[str, str]) -> None:
    kinds = set()
    async with console.desk.store.transaction() as tx:
        for name in list(console.fakes.store.rows["safe"]):
            opened = await console.desk.vault.open(tx, name)
            if opened is None:
                continue
            kinds.add(name.partition("/")[0].partition(":")[0])
            for number, text in enumerate(_texts(opened.reveal())):
                known[f"{name} {number}"] = text
    assert len(kinds) >= 4, kinds


def _texts(value: str) -> Iterator[str]:
    """Of JSON its texts, else the value as it is; nothing that any page may hold by chance."""
    try:
        read = json.loads(value)
    except ValueError:
        read = value
    todo: list[Any] = [read]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, list):
            todo += one
        elif isinstance(one, str) and len(one) >= 12:
            yield one


@pytest.mark.parametrize("role", list(Role))
async def test_no_page_shows_what_is_kept_secret(hidden: Hidden, role: Role) -> None:
    ground = hidden.ground
    window = await ground.window(role)
    looked = 0
    for door in doors("GET"):
        for account_id in (ground.filled.account_id, ground.filled.awaiting_id):
            answer = await window.get(ground.url(door.path, account_id=account_id))
            looked += answer.status_code == 200
            hidden.check(f"{role} {door.path}", answer.text)
            hidden.check(f"{role} {door.path}", str(answer.headers.raw))
            if "account_id" not in door.path:
                break
    assert looked > 25
    ground.put_back()


async def test_no_refused_form_gives_a_secret_back(hidden: Hidden) -> None:
    """Whatever is typed where a secret belongs is not in the page that says what is wrong."""
    ground = hidden.ground
    names = {"password", "old", "again", "code", "current", *_secret_fields()}
    assert len(names) >= 8
    window = await ground.window(Role.ADMIN)
    stranger = await ground.console.stranger()
    await stranger.read("/console/sign-in")
    for door in table.all_doors():
        if door.method != "POST" or door.path.endswith(("sign-out", "/me/password")):
            continue
        who = stranger if door.admits is table.Admits.ANYBODY else window
        typed = {name: f"x-{secrets.token_hex(8)} {name}" for name in names}
        answer = await who.post(ground.url(door.path), {**typed, "name": "x", "email": "no"})
        texts = [answer.text, str(answer.headers.raw)]
        if answer.status_code == 303:
            texts.append((await who.get(answer.headers["location"])).text)
        for name, secret in typed.items():
            # Nobody types 25 characters twice, because a password was too short.
            if (door.path, name) == ("/console/first", "code"):
                continue
            assert not any(secret in text for text in texts), (door.path, name)
        ground.put_back()


def _secret_fields() -> set[str]:
    """Fields of every template that are typed unseen."""
    found: set[str] = set()
    todo = [files("evergrant.entrances.console").joinpath("templates")]
    while todo:
        for one in todo.pop().iterdir():
            if one.is_dir():
                todo.append(one)
            elif one.name.endswith(".html"):
                text = one.read_text()
                found |= set(re.findall(r'field\("(\w+)"[^}]*type="password"', text))
                found |= set(re.findall(r'<input[^>]*type="password"[^>]*name="(\w+)"', text))
    return found


async def test_what_is_shown_once_is_shown_once(hidden: Hidden) -> None:
    ground = hidden.ground
    window = await ground.window(Role.ADMIN)
    made: dict[str, str] = {}
    for what, path, form, shape in (
        ("API key", "/console/api-keys/new", {"name": "x", "rights": "read"}, r"egk_[\w-]{20,}"),
        ("rotated", "/console/api-keys/{key_id}/rotate", {"overlap": "0"}, r"egk_[\w-]{20,}"),
        ("connection", "/console/accounts/{account_id}/keys", {"name": "x"}, r"egc_[\w-]{20,}"),
        ("signing", "/console/instances/{instance_id}/signing-secret", {"sure": "on"},
         r"whsec_[\w+/=-]{20,}"),
        ("link", "/console/accounts/{account_id}/link", {}, r"/c/[\w-]{20,}"),
    ):  # fmt: skip
        account_id = ground.filled.awaiting_id if what == "link" else ground.filled.account_id
        answer = await window.post(ground.url(path, account_id=account_id), form)
        found = re.search(shape, answer.text)
        if found:
            made[what] = found[0]
            assert answer.headers["cache-control"] == "no-store"
            # Not in the message that the next page shows, nor in an address.
            assert found[0] not in str(answer.headers.raw)
    assert {"API key", "connection"} <= set(made), made.keys()
    for door in doors("GET"):
        text = (await window.get(ground.url(door.path))).text
        for what, secret in made.items():
            assert secret not in text, (door.path, what)
    ground.put_back()


# --- headers --------------------------------------------------------------------------------------

ALWAYS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "x-robots-tag": "noindex, nofollow",
}


def _check_headers(where: str, answer: httpx2.Response) -> None:
    for name, value in ALWAYS.items():
        assert answer.headers[name] == value, (where, name)
    policy = answer.headers["content-security-policy"]
    parts = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert parts["default-src"] == "'none'", where
    assert parts["script-src"] == parts["style-src"] == "'self'", where
    # With the selling partner at the phone the form leads on to Amazon.
    leads_on = where.endswith("/renew") and answer.status_code == 200
    assert parts["form-action"] == "'self'" or leads_on, where
    assert parts["frame-ancestors"] == parts["base-uri"] == "'none'", where
    assert "unsafe" not in policy
    assert "*" not in policy.replace("https://*.amazon.", "")
    assert "data:" not in policy
    assert "http" not in policy or leads_on
    assert answer.headers["referrer-policy"] in ("same-origin", "strict-origin"), where
    assert "access-control-allow-origin" not in answer.headers, where
    assert answer.headers.get("server") is None
    if "/static/" in where and answer.status_code == 200:
        return
    assert answer.headers["cache-control"] == "no-store", where


async def test_every_answer_is_framed_by_nobody_and_kept_by_nobody(hidden: Hidden) -> None:
    ground = hidden.ground
    admin, stranger = await ground.window(Role.ADMIN), await ground.console.stranger()
    support = await ground.window(Role.SUPPORT)
    for window in (admin, support, stranger):
        for door in doors("GET", inside=False):
            answer = await window.get(ground.url(door.path))
            _check_headers(door.path, answer)
        for path in (
            "/console/nothing",
            "/console/static/console.css",
            "/console/static/live.js",
            "/console/static/nothing.js",
            "/console/static/..%2f..%2fforms.py",
            "/console/static/page.html",
            "/console/accounts/nobody",
            "/elsewhere",
        ):
            _check_headers(path, await window.get(path))
        for origin in ("http://console.test", "https://evil.example"):
            answer = await window.post("/console/api-keys/new", headers={"origin": origin})
            _check_headers("a form", answer)
        _check_headers("a method", await window.client.request("PUT", "/console/accounts"))
        answer = await window.client.post("/console/accounts/filters", content="x")
        _check_headers("no form", answer)
    ground.put_back()


async def test_an_error_of_ours_says_nothing_and_is_guarded_too(
    hidden: Hidden, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(_: Any) -> Any:
        raise RuntimeError(f"inside: {PASSWORD}")

    broken = (
        Door("GET", "/console/breaks", breaks, Right.READ),
        Door("POST", "/console/breaks", breaks, Right.READ),
    )
    monkeypatch.setattr(frame, "all_doors", lambda: (*table.all_doors(), *broken))
    console = hidden.ground.console
    app = frame.build(console.desk, console.settings)
    window = await hidden.ground.window(Role.ADMIN)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://console.test", cookies=window.client.cookies
    ) as client:
        answer = await client.get("/console/breaks")
        assert answer.status_code == 500
        _check_headers("broken", answer)
        assert PASSWORD not in answer.text
        assert "Traceback" not in answer.text
        assert "inside" not in answer.text


async def test_static_files_are_those_that_pages_use_and_no_other(hidden: Hidden) -> None:
    window = await hidden.ground.console.stranger()
    for name in (
        "..", "../page.html", "%2e%2e%2fforms.py", "..%5cforms.py", "css", "00-base.css", "js",
        "console.css%00.js", "/etc/passwd", "%2fetc%2fpasswd", "live.js/", ".", "x.js", "forms.py",
    ):  # fmt: skip
        answer = await window.get(f"/console/static/{name}")
        assert answer.status_code in (303, 404, 405, 307), (name, answer.status_code)
        assert "import" not in answer.text
    page = await window.read("/console/sign-in")
    used = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page)
    assert len(used) >= 5
    for address in used:
        answer = await window.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert "set-cookie" not in answer.headers
    # A version that is none is kept by nobody for good.
    answer = await window.get(used[0].partition("?")[0] + "?v=0")
    assert answer.headers["cache-control"] == "no-cache"
