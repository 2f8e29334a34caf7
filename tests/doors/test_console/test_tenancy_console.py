"""What is one operator's own is nobody else's, whatever the role; and a key of a program, however
narrow or broad, is nothing here."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from evergrant.entrances.console.seals import proof_of
from evergrant.rules.rights import SYSTEM, Right, Role
from evergrant.rules.secrecy import Secret
from tests.doors.test_console.attack_ground import Ground, doors, opened_ground
from tests.doors.test_console.conftest import COOKIES, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> AsyncIterator[Ground]:
    async with opened_ground() as opened:
        yield opened


@pytest.mark.parametrize("role", list(Role))
async def test_a_saved_filter_is_its_owner_s(ground: Ground, role: Role) -> None:
    window = await ground.window(role)
    page = await window.read("/console/accounts")
    assert "Ada's own" not in text_of(page)
    assert "hers" not in page
    answer = await window.post(ground.url("/console/accounts/filters/{filter_id}/drop"))
    assert answer.status_code == 404
    nobody = await window.post(f"/console/accounts/filters/flt_{'0' * 26}/drop")
    assert text_of(answer.text) == text_of(nobody.text)
    assert ground.changes() == []
    # One's own, under the same name, is another one.
    await window.did("/console/accounts/filters", {"name": "Ada's own", "query": "q=mine"})
    assert "Ada's own" in text_of(await window.read("/console/accounts"))
    assert "Ada's own" not in text_of(
        await (await ground.window(_other(role))).read("/console/accounts")
    )
    ground.put_back()


def _other(role: Role) -> Role:
    return next(one for one in Role if one is not role)


@pytest.mark.parametrize("role", [Role.TEAM_LEAD, Role.SUPPORT, Role.AUDITOR])
async def test_somebody_else_s_session_is_not_to_be_ended_nor_guessed(
    ground: Ground, role: Role
) -> None:
    window = await ground.window(role)
    said = []
    for session_id in (ground.ids["session_id"], f"ses_{'0' * 26}", "nothing"):
        answer = await window.post(f"/console/me/sessions/{session_id}/end")
        assert answer.status_code == 403
        said.append(text_of(answer.text))
    assert len(set(said)) == 1
    assert ground.changes() == []


@pytest.mark.parametrize("role", list(Role))
async def test_one_s_own_page_knows_one_s_own(ground: Ground, role: Role) -> None:
    window = await ground.window(role)
    page = await window.read("/console/me")
    assert "192.0.2.7" not in page
    assert ground.ids["session_id"] not in page
    assert page.count("/end") >= 0
    await window.post("/console/me/sessions/end-others")
    sessions = ground.console.fakes.store.rows["operator_sessions"].values()
    ended = {one.operator_id for one in sessions if one.ended_at is not None}
    assert window.operator is not None
    assert ended <= {window.operator.id}
    assert (await window.get("/console/me")).status_code == 200
    ground.put_back()


async def test_nobody_gives_themselves_more(ground: Ground) -> None:
    """Neither to the own role, nor by a key, nor by somebody whom one invites."""
    for role in (Role.TEAM_LEAD, Role.SUPPORT, Role.AUDITOR):
        window = await ground.window(role)
        assert window.operator is not None
        own = f"/console/operators/{window.operator.id}"
        for path, form in (
            (f"{own}/role", {"role": "admin"}),
            (f"{own}/enable", {}),
            ("/console/operators/invite", {"name": "x", "email": "x@x.example", "role": "admin"}),
            ("/console/api-keys/new", {"name": "x", "rights": ["manage", "personal_data"]}),
            (ground.url("/console/api-keys/{key_id}/rotate"), {}),
        ):
            assert (await window.post(path, form)).status_code == 403, (role, path)
    assert ground.changes() == []


async def test_the_last_admin_stays(ground: Ground) -> None:
    admin = await ground.window(Role.ADMIN)
    assert admin.operator is not None
    rows = ground.console.fakes.store.rows["operators"]
    for one in list(rows.values()):
        if one.role is Role.ADMIN and one.id != admin.operator.id:
            await ground.console.desk.people.disable_operator(one.id, by=SYSTEM)
    own = f"/console/operators/{admin.operator.id}"
    for path, form in ((f"{own}/role", {"role": "support"}), (f"{own}/disable", {})):
        answer = await admin.post(path, form)
        assert answer.status_code == 409, path
    kept = rows[admin.operator.id]
    assert kept.role is Role.ADMIN
    assert kept.disabled_at is None
    ground.put_back()


async def test_a_key_of_a_program_opens_no_page(ground: Ground) -> None:
    """As a bearer, as a cookie, as a password; one that may do everything."""
    console = ground.console
    key = await console.house.api_key(*(right.value for right in Right))
    narrow = await console.house.api_key("read", instance=ground.filled.instance_id)
    connection = await console.house.connection_key(ground.filled.account_id)
    ground.keep()
    for secret in (key, narrow, connection):
        window = await console.stranger()
        for headers in (
            {"authorization": f"Bearer {secret}"},
            {"cookie": f"{COOKIES.session}={secret}"},
            {"x-amz-access-token": secret},
        ):
            for door in doors("GET")[::9]:
                answer = await window.get(ground.url(door.path), headers=headers)
                assert answer.status_code == 303, door.path
            answer = await window.client.post(
                "/console/api-keys/new",
                data={"proof": proof_of(Secret(secret)), "name": "x", "rights": "read"},
                headers=headers,
            )
            assert answer.status_code == 401
    assert ground.changes() == []


async def test_personal_data_of_buyers_is_behind_its_own_right_and_is_written_down(
    ground: Ground,
) -> None:
    path = ground.url("/console/orders/{account_id}/{order_id}/personal")
    for role in (Role.TEAM_LEAD, Role.SUPPORT, Role.AUDITOR):
        assert (await (await ground.window(role)).post(path)).status_code == 403
    # A link in a mail is no way to have an admin look.
    admin = await ground.window(Role.ADMIN)
    assert (await admin.get(path)).status_code == 405
    assert ground.changes() == []


async def test_a_browser_that_two_people_use_mixes_nothing(ground: Ground) -> None:
    """Who signs in after another one sees neither the other's message nor the other's forms."""
    console = ground.console
    first = await console.as_(Role.SUPPORT, await console.operator(Role.SUPPORT))
    ground.keep()
    old_proof = proof_of(first.secret)
    await first.post("/console/accounts/filters", {"name": "Private plans", "query": "q=x"})
    assert COOKIES.said in first.client.cookies
    second = await console.as_(Role.AUDITOR)
    first.client.cookies.set(
        COOKIES.session, second.secret.reveal(), domain="console.test", path="/"
    )
    page = await first.read("/console/accounts")
    assert "Private plans" not in page
    assert not re.search(r'class="said', page)
    answer = await first.post("/console/accounts/filters", {"name": "x"}, proof=old_proof)
    assert answer.status_code == 403
    planted = {"cookie": f"{COOKIES.session}=egs_{secrets.token_urlsafe(32)}"}
    assert (await (await console.stranger()).get("/console/me", headers=planted)).status_code == 303
