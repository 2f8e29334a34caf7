"""Forms that no page of ours sent, and pages that change something by being looked at.

Every case is tried at every door, by its row in the table; what counts is that the house is the
same afterwards, whatever was answered.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from evergrant.entrances.console.doors import Admits, Door, all_doors
from evergrant.entrances.console.forms import MOST_FIELDS
from evergrant.entrances.console.seals import PROOF_LIFE_S, proof_of
from evergrant.rules.rights import Role
from evergrant.rules.secrecy import Secret
from tests.doors.test_console.attack_ground import Ground, doors, opened_ground
from tests.doors.test_console.conftest import COOKIES, Window, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADERS = {
    "from another site": {"sec-fetch-site": "cross-site"},
    "from a neighbour under the same domain": {"sec-fetch-site": "same-site"},
    "of another origin": {"origin": "https://evil.example"},
    "of an origin that begins alike": {"origin": "http://console.test.evil.example"},
    "of another port": {"origin": "http://console.test:8443"},
    "of no origin at all": {"origin": "null"},
}
#: What they write down is for the very session that looks, and is meant: the key of a second factor
#: waits, sealed, for its first code.
WRITES_FOR_ITSELF = {"/console/me/second-factor", "/console/enrol"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> AsyncIterator[Ground]:
    async with opened_ground() as opened:
        yield opened


def _posts() -> list[Door]:
    return [door for door in all_doors() if door.method == "POST"]


async def _window(ground: Ground, door: Door) -> Window:
    """One who could do it: an admin, or a stranger with a form from a page of ours."""
    if door.admits is not Admits.ANYBODY:
        return await ground.window(Role.ADMIN)
    stranger = await ground.console.stranger()
    await stranger.read("/console/sign-in")
    return stranger


async def test_there_is_something_to_try() -> None:
    assert len(_posts()) > 60
    assert len(doors("GET")) > 50


async def test_no_form_without_the_proof_of_this_very_session(ground: Ground) -> None:
    other = await ground.window(Role.SUPPORT)
    assert other.secret.reveal() != (await ground.window(Role.ADMIN)).secret.reveal()
    proofs = {
        "none": "",
        "made up": secrets.token_urlsafe(24),
        "another session's": proof_of(other.secret),
        "of a guessed secret": proof_of(Secret("x" * 43)),
    }
    for door in _posts():
        window = await _window(ground, door)
        url = ground.url(door.path)
        for what, proof in proofs.items():
            answer = await window.post(url, {}, proof=proof)
            assert answer.status_code == 403, (door.path, what, answer.status_code)
            assert "Nothing was changed" in text_of(answer.text)
        # The proof, but where a link could put it.
        good = proof_of(window.secret)
        answer = await window.client.post(f"{url}?proof={good}", data={"name": "x"})
        assert answer.status_code == 403, door.path
    assert ground.changes() == []


async def test_no_form_that_a_browser_says_comes_from_elsewhere(ground: Ground) -> None:
    for door in _posts():
        window = await _window(ground, door)
        for what, headers in HEADERS.items():
            answer = await window.post(ground.url(door.path), {}, headers=headers)
            assert answer.status_code == 403, (door.path, what, answer.status_code)
    assert ground.changes() == []


async def test_nothing_but_a_form_is_read(ground: Ground) -> None:
    for door in _posts():
        window = await _window(ground, door)
        proof = proof_of(window.secret)
        for kind, body in (
            ("text/plain", f"proof={proof}"),
            ("application/json", f'{{"proof": "{proof}"}}'),
            ("", f"proof={proof}"),
        ):
            answer = await window.client.post(
                ground.url(door.path), content=body, headers={"content-type": kind}
            )
            assert answer.status_code == 415, (door.path, kind)
    assert ground.changes() == []


async def test_a_form_that_lay_open_for_half_a_day_is_too_old(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time as clock

    window = await ground.window(Role.ADMIN)
    old = proof_of(window.secret)
    began = clock.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: began + PROOF_LIFE_S - 60)
    still = await window.post("/console/accounts/filters", {"name": ""}, proof=old)
    assert still.status_code != 403
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: began + PROOF_LIFE_S + 60)
    answer = await window.post("/console/accounts/filters", {"name": "x"}, proof=old)
    assert answer.status_code == 403
    assert ground.changes() == []


async def test_looking_changes_nothing(ground: Ground) -> None:
    """Every page, every export, as whoever sees most; and again by HEAD."""
    admin = await ground.window(Role.ADMIN)
    stranger = await ground.console.stranger()
    try:
        for door in doors("GET", inside=False):
            for window in (admin, stranger):
                for method in ("GET", "HEAD"):
                    answer = await window.client.request(method, ground.url(door.path))
                    assert answer.status_code < 500, (method, door.path)
            if door.path in WRITES_FOR_ITSELF:
                ground.put_back()
            assert ground.changes() == [], door.path
    finally:
        ground.put_back()


async def test_an_action_is_done_by_nothing_but_a_post(ground: Ground) -> None:
    admin = await ground.window(Role.ADMIN)
    pages = {door.path for door in doors("GET", inside=False)}
    for door in _posts():
        url, proof = ground.url(door.path), proof_of(admin.secret)
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POSTX"):
            if method == "GET" and door.path in pages:
                continue
            answer = await admin.client.request(
                method, url, params={"proof": proof, "_method": "POST"}
            )
            # An address of an action may look like that of a thing: /console/accounts/many.
            assert answer.status_code in (404, 405), (method, url, answer.status_code)
        if door.path not in WRITES_FOR_ITSELF:
            sneaked = await admin.client.get(url, headers={"x-http-method-override": "POST"})
            assert sneaked.status_code < 500
    assert ground.changes() == []


async def test_pages_take_no_other_method(ground: Ground) -> None:
    admin = await ground.window(Role.ADMIN)
    for door in doors("GET", inside=False):
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            answer = await admin.client.request(method, ground.url(door.path))
            assert answer.status_code == 405, (method, door.path)
            assert answer.headers["x-frame-options"] == "DENY"
            assert "access-control-allow-origin" not in answer.headers
    assert ground.changes() == []


# --- forms that are no forms ----------------------------------------------------------------------


def _multipart(*parts: bytes, boundary: str = "b0undary") -> dict[str, Any]:
    line = f"--{boundary}\r\n".encode()
    body = b"".join(line + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
    return {
        "content": body,
        "headers": {"content-type": f"multipart/form-data; boundary={boundary}"},
    }


def _part(name: str, value: bytes, extra: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head.encode() + value


async def test_too_much_of_anything_is_refused_as_a_page(ground: Ground) -> None:
    window = await ground.window(Role.ADMIN)
    proof = proof_of(window.secret)
    url = ground.url("/console/accounts/{account_id}/upload")
    many = [_part(f"f{number}", b"") for number in range(MOST_FIELDS + 1)]
    files = [_part(f"f{number}", b"x", f'; filename="{number}.csv"') for number in range(9)]
    for what in (
        _multipart(_part("proof", proof.encode()), *many),
        _multipart(_part("proof", proof.encode()), *files),
        _multipart(_part("proof", proof.encode()), _part("note", b"x" * 300_000)),
    ):
        answer = await window.client.post(url, **what)
        assert answer.status_code == 400, answer.status_code
        assert answer.headers["content-type"].startswith("text/html")
    fields = "&".join(f"f{number}=" for number in range(MOST_FIELDS + 1))
    answer = await window.client.post(
        url,
        content=f"proof={proof}&{fields}",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 400
    assert ground.changes() == []


async def test_a_file_is_no_field_and_a_field_is_no_file(ground: Ground) -> None:
    window = await ground.window(Role.ADMIN)
    proof = proof_of(window.secret).encode()
    # The proof as a file is no proof.
    answer = await window.client.post(
        "/console/api-keys/new",
        **_multipart(_part("proof", proof, '; filename="proof"'), _part("name", b"x")),
    )
    assert answer.status_code == 403
    # The name as a file is no name.
    answer = await window.client.post(
        "/console/api-keys/new",
        **_multipart(
            _part("proof", proof), _part("name", b"x", '; filename="n"'), _part("rights", b"read")
        ),
    )
    assert answer.status_code == 422
    # The file as a field is no file.
    answer = await window.client.post(
        ground.url("/console/accounts/{account_id}/upload"),
        **_multipart(_part("proof", proof), _part("file", b"sku,quantity")),
    )
    assert answer.status_code == 422
    assert ground.changes() == []


async def test_the_last_proof_of_several_counts_and_it_has_to_be_right(ground: Ground) -> None:
    window = await ground.window(Role.ADMIN)
    proof = proof_of(window.secret)
    answer = await window.client.post("/console/api-keys/new", data={"proof": [proof, "wrong"]})
    assert answer.status_code == 403
    assert ground.changes() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b0undary",
        b"--b0undary\r\n\r\n",
        b'--b0undary\r\nContent-Disposition: form-data; name="a\r\n\r\nx\r\n--b0undary--',
        b"--b0undary\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b0undary--\r\n",
        b"--b0undary\r\n" + b"x-h: y\r\n" * 300 + b"\r\nx\r\n--b0undary--\r\n",
        b'--b0undary\r\nContent-Disposition: form-data; name="a\x00b"\r\n\r\nx\r\n--b0undary--\r\n',
        b"\xff\xfe\x00",
    ],
)
async def test_half_a_form_is_a_page_and_not_an_error(ground: Ground, body: bytes) -> None:
    window = await ground.window(Role.ADMIN)
    for boundary in ("boundary=b0undary", "", "boundary="):
        answer = await window.client.post(
            "/console/api-keys/new",
            content=body,
            headers={"content-type": f"multipart/form-data; {boundary}"},
        )
        assert answer.status_code in (400, 403), answer.status_code
        assert answer.headers["content-type"].startswith("text/html")
    assert ground.changes() == []


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "utf-16", "zlib", "nothing", '"'])
async def test_no_character_set_brings_in_what_nobody_can_keep(
    ground: Ground, charset: str
) -> None:
    """A lone half of a character cannot be stored, hashed or sent."""
    window = await ground.console.stranger()
    await window.read("/console/sign-in")
    what = _multipart(
        _part("proof", proof_of(window.secret).encode()),
        _part("email", b"\\ud800@shop.example"),
        _part("password", b"\\udfff" * 10),
    )
    kind = f"multipart/form-data; boundary=b0undary; charset={charset}"
    answer = await window.client.post(
        "/console/sign-in", content=what["content"], headers={"content-type": kind}
    )
    assert answer.status_code in (400, 401, 403, 415), answer.status_code
    ground.put_back()


async def test_cookies_of_others_are_no_session(ground: Ground) -> None:
    """Neither a key of a program nor garbage nor the visit's own secret opens anything."""
    console = ground.console
    key = await console.house.api_key("read", "manage")
    connection = await console.house.connection_key(ground.filled.account_id)
    ground.keep()
    for value in (
        key,
        connection,
        "",
        "x",
        "x" * 4000,
        "%C3%A9",
        '"',
        "egs_",
    ):
        window = await console.stranger()
        headers = {"cookie": f"{COOKIES.session}={value}"}
        answer = await window.client.get("/console/me", headers=headers)
        assert answer.status_code == 303, value[:20]
        answer = await window.client.get("/console/me", headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 303
    assert ground.changes() == []
