"""An operator's page: single sign-on is shown, and disconnected where that leaves a way in."""

from __future__ import annotations

from evergrant.rules.rights import Role
from tests.doors.test_console.conftest import Console, text_of

SUBJECT = "https://id.house.example subject-17"


async def test_single_sign_on_is_disconnected_from_an_operator(console: Console) -> None:
    admin, support = await console.as_(Role.ADMIN), await console.as_(Role.SUPPORT)
    person = support.operator
    assert person is not None
    here = f"/console/operators/{person.id}"
    assert "single-sign-on/remove" not in await admin.read(here)
    async with console.desk.store.transaction() as tx:
        await tx.operators.change(person.id, sso_subject=SUBJECT, password_hash="")
    page = await admin.read(here)
    assert "connected by" in text_of(page)
    assert "subject-17" not in page
    assert f"{here}/single-sign-on/remove" in page
    refused = text_of(await admin.did(f"{here}/single-sign-on/remove"))
    assert "would have no way in any more. Set a password first" in refused
    async with console.desk.store.transaction() as tx:
        await tx.operators.change(person.id, password_hash="$argon2id$of-no-password")
    done = await admin.did(f"{here}/single-sign-on/remove")
    assert "Single sign-on lets nobody in as this person any more." in text_of(done)
    assert "single-sign-on/remove" not in done
    answer = await support.get("/console")
    assert answer.status_code in (302, 303), "signed out everywhere"


async def test_who_does_not_manage_sees_it_and_cannot_disconnect_it(console: Console) -> None:
    auditor, support = await console.as_(Role.AUDITOR), await console.as_(Role.SUPPORT)
    person = support.operator
    assert person is not None
    async with console.desk.store.transaction() as tx:
        await tx.operators.change(person.id, sso_subject=SUBJECT)
    page = await auditor.read(f"/console/operators/{person.id}")
    assert "connected by" in text_of(page)
    assert "single-sign-on/remove" not in page
    answer = await auditor.post(f"/console/operators/{person.id}/single-sign-on/remove")
    assert answer.status_code == 403
    async with console.desk.store.transaction() as tx:
        found = await tx.operators.get(person.id)
    assert found is not None
    assert found.sso_subject == SUBJECT
