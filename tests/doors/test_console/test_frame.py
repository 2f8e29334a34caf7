"""The frame around every page."""

from __future__ import annotations

from typing import Any

import pytest

from evergrant.errors import StoreUnavailable
from evergrant.rules.rights import Role
from tests.doors.test_console.conftest import COOKIES, Console, text_of


async def test_a_stranger_is_sent_to_sign_in_and_comes_back(console: Console) -> None:
    await console.operator()
    window = await console.stranger()
    answer = await window.get("/console/api-keys?after=key_1")
    assert answer.status_code == 303
    where = answer.headers["location"]
    assert where == "/console/sign-in?next=%2Fconsole%2Fapi-keys%3Fafter%3Dkey_1"
    page = await window.read(where)
    assert "Sign in" in text_of(page)
    assert 'value="/console/api-keys?after=key_1"' in page


async def test_whoever_listens_and_is_signed_out_is_told_so(console: Console) -> None:
    window = await console.stranger()
    answer = await window.get("/console/news", headers={"accept": "text/event-stream"})
    assert answer.status_code == 401


async def test_a_page_for_nobody_says_so(console: Console) -> None:
    window = await console.as_(Role.SUPPORT)
    answer = await window.get("/console/nothing-here")
    assert answer.status_code == 404
    assert "There is no such page here." in text_of(answer.text)


async def test_a_role_without_the_right_is_told_which_it_needs(console: Console) -> None:
    window = await console.as_(Role.SUPPORT)
    answer = await window.get("/console/operators")
    assert answer.status_code == 403
    assert "audit" in text_of(answer.text)


async def test_a_form_from_elsewhere_changes_nothing(console: Console) -> None:
    window = await console.as_(Role.ADMIN)
    form = {"name": "ERP", "rights": "read"}
    for proof, headers in (
        ("", {}),
        ("made.up.proof", {}),
        (None, {"sec-fetch-site": "cross-site"}),
        (None, {"origin": "https://evil.example"}),
    ):
        answer = await window.post("/console/api-keys/new", form, proof=proof, headers=headers)
        assert answer.status_code == 403, (proof, headers)
        assert "Nothing was changed" in text_of(answer.text)
    made = await window.post("/console/api-keys/new", form)
    assert made.status_code == 200
    assert "egk_" in made.text


async def test_every_answer_is_guarded(console: Console) -> None:
    window = await console.as_(Role.ADMIN)
    for path in ("/console/sign-in", "/console/nothing", "/console/static/console.css"):
        answer = await window.get(path)
        assert answer.headers["x-frame-options"] == "DENY"
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


async def test_a_database_that_is_away_is_told_calmly(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = await console.as_(Role.ADMIN)
    asked = 0

    async def away(*_: Any, **__: Any) -> None:
        nonlocal asked
        asked += 1
        raise StoreUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(console.desk.sessions, "recognise", away)
        for path in ("/console", "/console/accounts", "/console/accounts/export.csv"):
            answer = await window.get(path)
            assert answer.status_code == 503, path
            assert "The database does not answer." in text_of(answer.text)
            assert "Load this page again in a moment." in text_of(answer.text)
        assert asked == 3, "whoever waited for it once does not wait again to be told"
        missing = await window.get("/console/nothing-here")
        assert missing.status_code == 404
        sent = await window.post("/console/accounts/new", {"name": "x"})
        assert sent.status_code == 503
        assert "Look in a moment whether it was done" in text_of(sent.text)
        assert "set-cookie" not in sent.headers or COOKIES.session not in sent.headers["set-cookie"]
    assert "Sign out" in text_of(await window.read("/console")), "the session is what it was"
