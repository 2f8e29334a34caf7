"""API keys, operators and one's own sign-in, by what pages say and do."""

from __future__ import annotations

import re

from evergrant.rules.rights import SYSTEM, Role
from evergrant.rules.secrecy import Secret
from tests.doors.test_console.conftest import Console, text_of

PASSWORD = "four quiet words here"


# --- API keys -----------------------------------------------------------------------------------


async def test_a_key_is_shown_once_works_and_is_revoked(console: Console) -> None:
    window = await console.as_(Role.ADMIN)
    made = await window.post(
        "/console/api-keys/new",
        {"name": "ERP, nightly", "rights": ["read", "access_tokens"], "ends_on": "2099-01-31"},
    )
    found = re.search(r"egk_[0-9a-z]{26}_[A-Za-z0-9_-]{43}", made.text)
    assert found, text_of(made.text)
    secret = found[0]
    assert secret not in await window.read("/console/api-keys")
    key_id = (await console.desk.people.authenticate(secret)).id
    page = await window.read("/console/api-keys")
    assert "31 January 2099" in text_of(page) or "1 February 2099" in text_of(page)
    asked = await window.read(f"/console/api-keys/{key_id}/revoke")
    assert "cannot be brought back" in text_of(asked)
    assert "revoked" in text_of(await window.did(f"/console/api-keys/{key_id}/revoke"))


async def test_a_key_with_flaws_tells_each_beside_its_field(console: Console) -> None:
    window = await console.as_(Role.ADMIN)
    answer = await window.post("/console/api-keys/new", {"name": "", "ends_on": "soon"})
    assert answer.status_code == 422
    answer = await window.post("/console/api-keys/new", {"name": ""})
    assert answer.status_code == 422
    assert 'id="w-name"' in answer.text
    assert "At least one right" in text_of(answer.text)


async def test_an_auditor_sees_keys_and_makes_none(console: Console) -> None:
    window = await console.as_(Role.AUDITOR)
    assert "New API key" not in await window.read("/console/api-keys")
    answer = await window.post("/console/api-keys/new", {"name": "x", "rights": "read"})
    assert answer.status_code == 403
    assert not await console.desk.people.api_keys(by=SYSTEM)


# --- operators ----------------------------------------------------------------------------------


async def test_an_invitation_makes_an_operator(console: Console) -> None:
    admin = await console.as_(Role.ADMIN)
    form = {"name": "Dora Lind", "email": "dora@northwind.example", "role": "team_lead"}
    assert "dora@northwind.example" in text_of(await admin.did("/console/operators/invite", form))
    (invitation,) = await console.desk.sessions.invitations(by=SYSTEM)
    shown = await admin.post(f"/console/operators/invitations/{invitation.id}/link")
    found = re.search(r"/console/join/[A-Za-z0-9_-]+", shown.text)
    assert found, text_of(shown.text)
    link = found[0]
    dora = await console.stranger()
    for _ in range(2):  # a mail scanner opens it first
        assert "Welcome, Dora Lind" in text_of(await dora.read(link))
    unlike = await dora.post(link, {"password": PASSWORD, "again": "another one of these"})
    assert unlike.status_code == 422
    short = await dora.post(link, {"password": "short", "again": "short"})
    assert short.status_code == 422
    came = await dora.post(link, {"password": PASSWORD, "again": PASSWORD})
    assert came.headers["location"].startswith("/console/enrol")
    again = await (await console.stranger()).get(link)
    assert again.status_code >= 400
    person = await console.desk.people.find_operator("dora@northwind.example", by=SYSTEM)
    assert person.role is Role.TEAM_LEAD


async def test_a_withdrawn_invitation_opens_nothing(console: Console) -> None:
    admin = await console.as_(Role.ADMIN)
    form = {"name": "Dora Lind", "email": "dora@northwind.example", "role": "support"}
    await admin.did("/console/operators/invite", form)
    (invitation,) = await console.desk.sessions.invitations(by=SYSTEM)
    link = (await console.desk.sessions.invitation_link(invitation.id, by=SYSTEM)).link
    page = await admin.did(f"/console/operators/invitations/{invitation.id}/withdraw")
    assert "withdrawn" in text_of(page)
    address = "/console/join/" + link.reveal().rpartition("/")[2]
    assert (await (await console.stranger()).get(address)).status_code >= 400


async def test_a_role_changes_in_open_windows_and_disabling_signs_out(console: Console) -> None:
    admin = await console.as_(Role.ADMIN)
    support = await console.as_(Role.SUPPORT)
    assert support.operator is not None
    here = f"/console/operators/{support.operator.id}"
    assert (await support.get("/console/api-keys")).status_code == 403
    assert "auditor now" in text_of(await admin.did(f"{here}/role", {"role": "auditor"}))
    assert (await support.get("/console/api-keys")).status_code == 200
    assert "comes in no more" in text_of(await admin.did(f"{here}/disable"))
    assert (await support.get("/console/me")).status_code == 303
    assert "may come in again" in text_of(await admin.did(f"{here}/enable"))
    assert (await support.get("/console/me")).status_code == 303


async def test_the_last_admin_stays(console: Console) -> None:
    admin = await console.as_(Role.ADMIN)
    assert admin.operator is not None
    answer = await admin.post(f"/console/operators/{admin.operator.id}/disable")
    assert answer.status_code == 409
    assert (await admin.get("/console/me")).status_code == 200


async def test_who_is_locked_out_is_seen_and_unlocked(console: Console) -> None:
    await console.desk.people.add_operator(
        name="Eva Lind", email="eva@northwind.example", role="support",
        password=Secret(PASSWORD), by=SYSTEM,
    )  # fmt: skip
    window = await console.stranger()
    await window.read("/console/sign-in")
    for _ in range(10):
        await window.post(
            "/console/sign-in", {"email": "eva@northwind.example", "password": "no such words"}
        )
    right = {"email": "eva@northwind.example", "password": PASSWORD}
    assert (await window.post("/console/sign-in", right)).status_code == 401
    admin = await console.as_(Role.ADMIN)
    assert "locked" in text_of(await admin.read("/console/operators"))
    person = await console.desk.people.find_operator("eva@northwind.example", by=SYSTEM)
    page = await admin.did(f"/console/operators/{person.id}/unlock")
    assert "unlocked" in text_of(page)
    elsewhere = await console.stranger()
    await elsewhere.read("/console/sign-in")
    assert "locked" not in text_of(await admin.read("/console/operators"))


# --- one's own ----------------------------------------------------------------------------------


async def test_a_changed_password_signs_out_everywhere_else(console: Console) -> None:
    person = await console.desk.people.add_operator(
        name="Eva Lind", email="eva@northwind.example", role="support",
        password=Secret(PASSWORD), by=SYSTEM,
    )  # fmt: skip
    here, there = (await console.as_(operator=person), await console.as_(operator=person))
    unlike = {"old": PASSWORD, "password": "another four quiet words", "again": "x"}
    assert (await here.post("/console/me/password", unlike)).status_code == 422
    wrong = {**unlike, "old": "no such words", "again": unlike["password"]}
    assert (await here.post("/console/me/password", wrong)).status_code in (401, 422)
    before = here.secret.reveal()
    right = {**wrong, "old": PASSWORD}
    page = await here.did("/console/me/password", right)
    assert "password is changed" in text_of(page)
    assert here.secret.reveal() != before
    assert (await there.get("/console/me")).status_code == 303


async def test_sessions_are_listed_and_ended_one_by_one(console: Console) -> None:
    here, there = await console.as_(Role.SUPPORT), await console.as_(Role.SUPPORT)
    page = await here.read("/console/me")
    assert text_of(page).count("a window") == 2
    ends = re.findall(r'action="(/console/me/sessions/ses_[^"]+/end)"', page)
    assert len(ends) == 1
    await here.did(ends[0])
    assert (await there.get("/console/me")).status_code == 303
    other = await console.as_(Role.AUDITOR)
    assert here.operator is not None
    mine = await console.desk.sessions.sessions(
        by=console.caller(here.operator), operator_id=here.operator.id
    )
    alive = [one for one in mine if one.ended_at is None]
    answer = await other.post(f"/console/me/sessions/{alive[0].id}/end")
    assert answer.status_code in (403, 404)
    assert (await here.get("/console/me")).status_code == 200


async def test_an_admin_sets_a_new_password(console: Console) -> None:
    support, admin = await console.as_(Role.SUPPORT), await console.as_(Role.ADMIN)
    assert support.operator is not None
    here = f"/console/operators/{support.operator.id}"
    short = await admin.did(f"{here}/password", {"password": "short"})
    assert "must have 12" in text_of(short)
    page = await admin.did(f"{here}/password", {"password": PASSWORD})
    assert "new password is set" in text_of(page)
    assert PASSWORD not in page
    assert (await support.get("/console/me")).status_code == 303
    found = await console.desk.people.check_password(support.operator.email, Secret(PASSWORD))
    assert found is not None


async def test_where_nobody_works_yet_the_sign_in_leads_to_the_first_start(
    console: Console,
) -> None:
    window = await console.stranger()
    answer = await window.get("/console/sign-in")
    assert answer.headers["location"] == "/console/first"
    await console.operator()
    assert (await window.get("/console/sign-in")).status_code == 200
