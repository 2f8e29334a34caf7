"""Checks: looking in the background, the list of reviews, and signing."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

from evergrant import checks, journal
from evergrant.checks import look_at
from evergrant.checks.looks import LOST
from evergrant.errors import Conflict, NotAllowed
from evergrant.ports.pulse import PulseSeen
from evergrant.registry import Credentials
from evergrant.rules.reviews import ITEMS, About
from evergrant.rules.rights import SYSTEM, Right, Role
from evergrant.rules.secrecy import Secret
from tests.doors.test_console.conftest import Console, Window, text_of
from tests.doors.test_console.register_ground import (
    QUEUE,
    application,
    assert_no_secret,
    every_secret,
    instance,
    queued,
)
from tests.doors.test_console.trade_ground import MARKUP, NOBODY, assert_harmless, may, statuses

PATH = "/console/checks"


async def looked(console: Console, role: Role = Role.ADMIN, *, live: bool = False) -> str:
    """Has somebody look, and gives the page when that is over."""
    window = await console.as_(role)
    page = await window.did(f"{PATH}/look", {"live": "on"} if live else {})
    await over(console)
    assert page
    return await window.read(PATH)


async def over(console: Console) -> None:
    async with asyncio.timeout(10):
        while (await checks.last_look(console.desk)).is_under_way:  # noqa: ASYNC110
            await asyncio.sleep(0)  # the task runs on this very loop


def codes(page: str) -> set[str]:
    return set(re.findall(r"<code>(EG\d{3})</code>", page))


def of_application(console: Console) -> str:
    return f"{PATH}/applications/{console.house.application_id}"


async def digest(window: Window, page: str, item: str) -> str:
    text = (await window.read(page)).partition(f'id="{item}"')[2].partition("</li>")[0]
    found: list[str] = re.findall(r'name="digest" value="([0-9a-f]{64})"', text)
    return found[0]


async def sign(
    console: Console, item: str, role: Role = Role.TEAM_LEAD, **more: str
) -> tuple[Window, str]:
    """As the page would send it; gives the page after it."""
    window = await console.as_(role)
    page = PATH if ITEMS[item].about is About.HOUSE else of_application(console)
    subject = "" if ITEMS[item].about is About.HOUSE else console.house.application_id
    wish = {"subject": subject, "digest": await digest(window, page, item), **more}
    answer = await window.post(f"{PATH}/items/{item}/sign", wish)
    assert answer.status_code == 303
    assert answer.headers["location"].endswith(f"#{item}")
    return window, await window.read(answer.headers["location"].partition("#")[0])


# --- who may ------------------------------------------------------------------------------------


async def test_every_page_and_action_as_each_role(console: Console) -> None:
    rights = {
        ("GET", PATH): Right.READ,
        ("GET", of_application(console)): Right.READ,
        ("GET", f"{PATH}/instances/{console.house.instance_id}"): Right.READ,
        ("POST", f"{PATH}/look"): Right.READ,
        ("POST", f"{PATH}/items/backups/sign"): Right.SIGN_OFF,
        ("POST", f"{PATH}/items/backups/withdraw"): Right.SIGN_OFF,
    }
    for (method, path), right in rights.items():
        for role, status in (await statuses(console, method, path)).items():
            assert (status != 403) == may(role, right), (method, path, role, status)
            # 404: allowed, and there is no signature to take back.
            assert status in (200, 303, 403, 404), (method, path, role, status)
    await over(console)


async def test_only_who_may_sign_is_offered_it(console: Console) -> None:
    for role in Role:
        window = await console.as_(role)
        for page in (PATH, of_application(console)):
            assert ('/sign"' in (await window.read(page))) == may(role, Right.SIGN_OFF)


@pytest.mark.parametrize("id", [NOBODY, "..%2f..", "x"])
async def test_things_that_are_none(console: Console, id: str) -> None:
    window = await console.as_()
    for path in (f"applications/app_{id}", f"applications/{id}", f"instances/ins_{id}"):
        assert (await window.get(f"{PATH}/{path}")).status_code == 404
    for verb in ("sign", "withdraw"):
        for wish in ({"subject": f"app_{id}"}, {}):
            answer = await window.post(f"{PATH}/items/registration/{verb}", wish)
            assert answer.status_code == 404
        answer = await window.post(f"{PATH}/items/{id}/{verb}", {})
        assert answer.status_code == 404


# --- looking --------------------------------------------------------------------------------------


async def test_nobody_has_looked_yet(console: Console) -> None:
    window = await console.as_(Role.AUDITOR)
    page = await window.read(PATH)
    assert "Nobody has looked yet." in text_of(page)
    assert "ready to go live" in page
    assert codes(page) == set()


async def test_what_is_found_comes_by_gravity_with_what_to_do(console: Console) -> None:
    await application(console, "Not ready")
    page = await looked(console, Role.SUPPORT)
    assert {"EG041", "EG031"} <= codes(page)
    told = text_of(page)
    assert told.index("Does not work") < told.index("EG041") < told.index("EG031")
    assert "Nobody outside gets a mail." in told
    assert "<code>evergrant app credentials</code>" in page
    assert "To the application" in told
    assert "/console/settings?q=EVERGRANT_SMTP_URL" in page
    assert "without asking Amazon" in told
    assert "not ready to go live" in told


async def test_a_look_is_a_task_and_the_page_waits_for_it(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    async def slowly(*args: Any, **more: Any) -> Any:
        await gate.wait()
        return await look_at(*args, **more)

    monkeypatch.setattr("evergrant.checks.looks.look_at", slowly)
    window = await console.as_(Role.SUPPORT)
    page = await window.did(f"{PATH}/look")
    assert "Somebody is looking" in text_of(page)
    assert '<noscript><meta http-equiv="refresh"' in page
    assert 'data-news="*"' in page
    again = await window.did(f"{PATH}/look")
    assert "Somebody is looking just now" in text_of(again)
    gate.set()
    await over(console)
    page = await window.read(PATH)
    assert "Somebody is looking" not in text_of(page)
    assert "http-equiv" not in page
    assert codes(page)


async def test_what_was_found_is_the_same_in_every_process(console: Console) -> None:
    page = await looked(console)
    other = await checks.last_look(console.desk)
    assert {one.code for one in other.findings} == codes(page)
    assert other.ended_at == console.fakes.clock.now()


async def test_a_look_that_breaks_is_told_and_the_last_one_stays(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = codes(await looked(console))

    async def broken(*args: Any, **more: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("evergrant.checks.looks.look_at", broken)
    page = await looked(console)
    assert "The last look came to nothing. It broke: ZeroDivisionError." in text_of(page)
    assert codes(page) == before


async def test_a_look_whose_process_died_is_not_waited_for(console: Console) -> None:
    async with console.desk.store.transaction() as tx:
        await journal.write(
            tx,
            now=console.fakes.clock.now(),
            by=SYSTEM,
            verb="checks.began",
            subject="checks",
            live=False,
        )
    window = await console.as_(Role.SUPPORT)
    assert "Somebody is looking" in text_of(await window.read(PATH))
    console.fakes.clock.move(LOST)
    page = await window.read(PATH)
    assert "never ended" in text_of(page)
    assert codes(await looked(console))


async def test_asking_amazon_is_for_who_may_manage(console: Console) -> None:
    before = console.fakes.lwa.count()
    window = await console.as_(Role.TEAM_LEAD)
    assert "ask Amazon" not in await window.read(PATH)
    page = await window.did(f"{PATH}/look", {"live": "on"})
    assert "needs the right 'manage'" in text_of(page)
    assert console.fakes.lwa.count() == before
    page = await looked(console, Role.ADMIN, live=True)
    assert console.fakes.lwa.count() == before + 1
    assert "Amazon was asked too" in text_of(page)


async def test_the_room_asks_for_rights_again(console: Console) -> None:
    support = console.caller(await console.operator(Role.SUPPORT))
    with pytest.raises(NotAllowed):
        await checks.begin_look(console.desk, console.settings, live=True, by=support)
    await checks.begin_look(console.desk, console.settings, live=False, by=support)
    with pytest.raises(Conflict):
        await checks.begin_look(console.desk, console.settings, live=False, by=support)
    await over(console)


async def test_a_working_worker_is_seen(console: Console) -> None:
    assert "EG034" not in codes(await looked(console))
    console.fakes.pulse.seen = PulseSeen(looked_at=console.fakes.clock.now())
    assert "EG034" in codes(await looked(console))


async def test_what_shows_only_in_all_accounts_stays_told(console: Console) -> None:
    account = await console.house.account()
    async with console.desk.store.transaction() as tx:
        (own,) = await tx.authorizations.all(account_id=account)
        other = await tx.applications.all()
        assert other
    another = await application(console, "Another")
    async with console.desk.store.transaction() as tx:
        await tx.authorizations.change(own.id, application_id=another.id)
    window = await console.as_()
    assert "Authorizations of another application" not in await window.read(of_application(console))
    await looked(console)
    page = await window.read(of_application(console))
    assert "Authorizations of another application or region" in text_of(page)
    name = (await console.desk.accounts.get(account, by=SYSTEM)).account.name
    assert name in page


async def test_an_instance_that_does_not_answer(console: Console) -> None:
    await console.house.account()
    window = await console.as_()
    page = await window.read(f"{PATH}/instances/{console.house.instance_id}")
    assert "Nothing was heard of it yet." in text_of(page)
    await looked(console)
    assert "Client instance known and answering" in text_of(await window.read(PATH))


async def test_stored_markup_is_text(console: Console) -> None:
    made = await application(console, f"A{MARKUP}", login_uri="https://elsewhere.example/x")
    other = await instance(console, f"I{MARKUP}")
    await sign(console, "backups", note=f"N{MARKUP}")
    await looked(console)
    window = await console.as_()
    for path in ("", f"/applications/{made.id}", f"/instances/{other.id}"):
        assert_harmless(await window.read(f"{PATH}{path}"))


async def test_no_secret_is_on_any_page(console: Console) -> None:
    await queued(console)
    await console.house.account()
    pages = [await looked(console, live=True)]
    window = await console.as_()
    pages.append(await window.read(of_application(console)))
    pages.append(await window.read(f"{PATH}/instances/{console.house.instance_id}"))
    assert_no_secret(pages, await every_secret(console))


# --- signing --------------------------------------------------------------------------------------


async def test_the_team_lead_signs_what_is_there(console: Console) -> None:
    window, page = await sign(console, "backups", note="restored on Monday")
    told = text_of(page)
    assert "“Backups are made, and one was restored” is signed." in told
    assert f"Signed by {window.operator.name if window.operator else ''}" in told
    assert "restored on Monday" in told
    signed = await console.desk.reviews.signed(by=SYSTEM)
    assert set(signed) == {"backups"}
    assert signed["backups"].by.startswith("operator:opr_")


async def test_an_application_is_signed_on_its_own_page(console: Console) -> None:
    window, page = await sign(console, "registration")
    assert "What Amazon has registered is what is written here" in text_of(page)
    assert set(await console.desk.reviews.signed(by=SYSTEM)) == {
        f"registration/{console.house.application_id}"
    }
    answer = await window.post(
        f"{PATH}/items/registration/withdraw", {"subject": console.house.application_id}
    )
    page = await window.follow(answer)
    assert "The signature is taken back." in page
    assert await console.desk.reviews.signed(by=SYSTEM) == {}


async def test_what_changed_under_the_reader_is_not_signed(console: Console) -> None:
    window = await console.as_(Role.TEAM_LEAD)
    seen = await digest(window, of_application(console), "registration")
    await console.desk.registry.change_application(
        console.house.application_id, {"developer_id": "4712"}, by=SYSTEM
    )
    wish = {"subject": console.house.application_id, "digest": seen}
    page = await window.did(f"{PATH}/items/registration/sign", wish)
    assert "What you looked at has changed since." in text_of(page)
    answer = await window.post(f"{PATH}/items/registration/sign", {**wish, "digest": ""})
    assert answer.status_code == 303
    assert await console.desk.reviews.signed(by=SYSTEM) == {}


async def test_what_changed_since_it_was_signed_is_shown(console: Console) -> None:
    own = console.house.application_id
    await console.desk.registry.change_application(own, {"developer_id": "4711"}, by=SYSTEM)
    window, _ = await sign(console, "registration")
    await console.desk.registry.change_application(own, {"developer_id": "4712"}, by=SYSTEM)
    page = await window.read(of_application(console))
    told = text_of(page)
    assert "changed since it was signed" in told
    assert "What changed since What Signed Now developer id 4711 4712" in told
    # Nothing else is said to have changed.
    assert page.partition("What changed since")[2].partition("</table>")[0].count("<tr>") == 2
    await console.desk.registry.set_credentials(
        own,
        Credentials(
            queue_url=QUEUE,
            access_key=Secret("AKIA" + "A" * 16),
            secret_key=Secret("s" * 30),
        ),
        by=SYSTEM,
    )
    assert "developer id 4711 4712" in text_of(await window.read(of_application(console)))


async def test_a_signature_that_is_too_old(console: Console) -> None:
    window, _ = await sign(console, "backups")
    console.fakes.clock.move(timedelta(days=200))
    fresh = await console.as_(Role.TEAM_LEAD, await console.operator(Role.TEAM_LEAD))
    assert "signed too long ago" in text_of(await fresh.read(PATH))
    assert window


async def test_what_the_machine_decides_is_not_signed(console: Console) -> None:
    window = await console.as_(Role.TEAM_LEAD)
    wish = {"subject": console.house.application_id}
    answer = await window.post(f"{PATH}/items/integration-credentials/sign", wish)
    page = await window.follow(answer)
    assert 'class="said bad"' in page
    assert await console.desk.reviews.signed(by=SYSTEM) == {}


async def test_a_note_that_is_too_long(console: Console) -> None:
    window, page = await sign(console, "backups", note="x" * 600)
    assert "is longer than 500 characters" in text_of(page)
    assert window


async def test_the_list_can_be_printed(console: Console) -> None:
    window = await console.as_(Role.AUDITOR)
    page = await window.read(of_application(console))
    assert "Printed on" in text_of(page)
    assert '" open>' not in page
    opened = await window.read(f"{of_application(console)}?print=on")
    assert opened.count('" open>') == page.count("<details id=")
    assert '" open>' in await window.read(f"{PATH}?print=on")
    sheet = (await window.get("/console/static/console.css")).text
    assert "@media print" in sheet
