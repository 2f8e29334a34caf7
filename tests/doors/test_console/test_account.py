"""One account's own page, and what is done to it as a whole."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from html import unescape

import pytest

from evergrant import notices
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import (
    MARKUP,
    NOBODY,
    WRITERS,
    connect,
    is_refused,
    public,
    regions,
    shop,
    vendor,
)
from tests.doors.test_console.conftest import Console, Window, text_of
from tests.doors.test_console.filled import fill

#: Pages that everybody reads, and pages that only those see who act.
READ = ("", "/consent", "/feeds", "/calls", "/events", "/keys", "/journal")
ACT = ("/invite", "/renew", "/adopt", "/granted", "/edit", "/close", "/notes")
POSTS = (
    "/flags", "/invite", "/link", "/renew", "/adopt", "/granted", "/edit", "/close", "/reopen",
    "/notes", "/notices/ntc_1/settle", "/consent/EG-0000-0000/resolve", "/feeds/pause",
    "/feeds/resume", "/feeds/run", "/keys", "/keys/con_1/rotate", "/keys/con_1/end",
    "/events/evt_1/resend",
)  # fmt: skip


@pytest.fixture(autouse=True)
async def _public(console: Console) -> None:
    await public(console)


@pytest.fixture
async def window(console: Console) -> Window:
    return await console.as_(Role.SUPPORT)


async def state_of(console: Console, account_id: str) -> State:
    return (await console.desk.accounts.get(account_id, by=SYSTEM)).authorization.state


# --- every page, as everybody ---------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
async def test_every_page_as_every_role(console: Console, role: Role) -> None:
    account = await shop(console)
    await connect(console, account)
    window, home = await console.as_(role), f"/console/accounts/{account.id}"
    for path in READ:
        assert account.name in await window.read(f"{home}{path}"), path
    for path in ACT:
        answer = await window.get(f"{home}{path}")
        assert answer.status_code == (200 if role in WRITERS else 403), path


async def test_readers_see_no_form_and_no_way_to_one(console: Console) -> None:
    account = await shop(console)
    await connect(console, account)
    window, home = await console.as_(Role.AUDITOR), f"/console/accounts/{account.id}"
    for path in READ:
        main = (await window.read(f"{home}{path}")).partition("<main")[2]
        posts = [one for one in re.findall(r"<form ([^>]*)>", main) if 'method="post"' in one]
        assert posts in ([], [f'action="{home}/flags" method="post" class="switches" data-inplace'])
        assert "<button" not in re.sub(r"<button[^>]*data-copy.*?</button>", "", main), path
        for way in ACT:
            assert f'href="{home}{way}"' not in main, (path, way)


async def test_readers_do_nothing(console: Console) -> None:
    account, window = await shop(console), await console.as_(Role.AUDITOR)
    for path in POSTS:
        await is_refused(window, f"/console/accounts/{account.id}{path}")


@pytest.mark.parametrize("id", [NOBODY, "acc_1", "%3Cb%3E", "app_" + "0" * 26])
async def test_an_account_that_is_not_there(console: Console, window: Window, id: str) -> None:
    for path in READ + ACT:
        answer = await window.get(f"/console/accounts/{id}{path}")
        assert answer.status_code == 404, path
    for path in POSTS:
        form = {
            "flag": "update_price:on", "name": "x", "granted_at": "2026-02-01",
            "refresh_token": "x", "client_email": "a@b.example", "notes": "x",
        }  # fmt: skip
        answer = await window.post(f"/console/accounts/{id}{path}", form)
        # A number of a report that is none is told before anybody looks for its account.
        assert answer.status_code in (
            (404, 422) if "resolve" in path or "adopt" in path else (404,)
        ), path


async def test_every_state_has_its_page(console: Console, window: Window) -> None:
    stands = {
        "Not connected yet: the selling partner has not been asked.": await shop(console),
        "Authorized until": await shop(console),
        "Lapsed on": await shop(console),
        "Amazon refused the authorization": await shop(console),
        "Closed:": await shop(console),
        "Nobody knows when it ends": await shop(console),
        "Authorized until 1 March 2027": await vendor(console),
    }
    _, active, lapsed, revoked, closed, undated, supplier = stands.values()
    await connect(console, active)
    await connect(console, undated, days_ago=None)
    console.fakes.selling_partner_api.vendor(supplier.id)
    await connect(console, supplier)
    now = console.fakes.clock.now()
    for account, state in ((lapsed, State.LAPSED), (revoked, State.REVOKED)):
        await connect(console, account)
        async with console.desk.store.transaction() as tx:
            own = await tx.authorizations.one(account_id=account.id)
            assert own is not None
            await tx.authorizations.change(
                own.id, state=state, refused_at=now, refused_reason="taken back",
                term_ends_at=now - timedelta(days=2),
            )  # fmt: skip
    await console.desk.accounts.close(closed.id, by=SYSTEM)
    for words, account in stands.items():
        for path in READ + ACT:
            page = await window.read(f"/console/accounts/{account.id}{path}")
            if path == "":
                assert words in text_of(page), words


async def test_it_reads_itself_again_in_parts(console: Console, window: Window) -> None:
    account = await shop(console)
    page = await window.read(f"/console/accounts/{account.id}")
    assert f'data-news="account:{account.id}"' in page
    assert {
        "account-status",
        "account-way",
        "account-switches",
        "account-authorization",
        "account-places",
        "account-facts",
        "account-notes",
    } <= regions(page)


# --- what it says ---------------------------------------------------------------------------------


async def test_the_one_next_action_is_the_big_one(console: Console, window: Window) -> None:
    account = await shop(console)
    primary = r'class="button primary" href="([^"]*)"'
    home = f"/console/accounts/{account.id}"
    assert re.findall(primary, await window.read(home)) == [f"{home}/invite"]
    await connect(console, account)
    assert re.findall(primary, await window.read(home)) == []
    console.fakes.clock.move(days=360)
    window = await console.as_(Role.SUPPORT)
    assert re.findall(primary, await window.read(home)) == [f"{home}/invite"]


async def test_a_private_application_asks_for_a_refresh_token(
    console: Console, window: Window
) -> None:
    await console.desk.registry.change_application(
        console.house.application_id, {"kind": "private"}, by=SYSTEM
    )
    account = await shop(console)
    page = await window.read(f"/console/accounts/{account.id}")
    assert re.findall(r'class="button primary" href="([^"]*)"', page) == [
        f"/console/accounts/{account.id}/adopt"
    ]
    assert "/invite" not in page


async def test_the_way_so_far(console: Console, window: Window) -> None:
    account = await shop(console)
    await window.did(f"/console/accounts/{account.id}/invite")
    page = text_of(await window.read(f"/console/accounts/{account.id}"))
    assert window.operator is not None
    assert "Account added by Evergrant" in page
    assert f"by {window.operator.name}" in page


async def test_no_secret_stands_on_any_page(console: Console, window: Window) -> None:
    account = await shop(console)
    refresh_token = await connect(console, account)
    key = await console.house.connection_key(account.id)
    link = (await console.desk.consent.link(account.id, by=SYSTEM)).reveal()
    console.fakes.clock.move(seconds=5)
    access_token = (await console.desk.tokens.mint(account.id, by=SYSTEM)).value.reveal()
    for path in READ + ACT:
        page = await window.read(f"/console/accounts/{account.id}{path}")
        for secret in (refresh_token, key, link.rpartition("/")[2], access_token):
            assert secret not in page, path


async def test_markup_in_every_field_is_text(console: Console, window: Window) -> None:
    await console.desk.registry.change_application(
        console.house.application_id, {"name": f"App {MARKUP}"}, by=SYSTEM
    )
    await console.desk.registry.change_instance(
        console.house.instance_id,
        {"name": f"ERP {MARKUP}", "webhook_url": "https://erp.example/hooks"},
        by=SYSTEM,
    )
    account = await shop(console, name=f"Shop {MARKUP}", notes=f"Notes {MARKUP}")
    await connect(console, account, store_name=MARKUP, domain_name=MARKUP)
    operator = await console.operator(Role.ADMIN, name=f"Ada {MARKUP}")
    by = console.caller(operator)
    await console.desk.feeds.work.pause(account.id, by=by, note=MARKUP)
    await console.desk.people.add_connection_key(account.id, name=f"Key {MARKUP}", by=by)
    await console.desk.consent.invite(account.id, by=by)
    link = (await console.desk.consent.link(account.id, by=by)).reveal().rpartition("/")[2]
    await console.desk.consent.tell_trouble(link, MARKUP, MARKUP)
    view = await console.desk.accounts.get(account.id, by=SYSTEM)
    async with console.desk.store.transaction() as tx:
        await notices.put(
            tx, now=console.fakes.clock.now(), kind=NoticeKind.ROLE_LOST,
            subject=view.authorization.id, account_id=account.id, message=MARKUP,
        )  # fmt: skip
        await tx.authorizations.change(view.authorization.id, finding=MARKUP)
    for path in READ + ACT:
        page = await window.read(f"/console/accounts/{account.id}{path}")
        assert "<img" not in page, path
        assert f"Shop {MARKUP}"[:40] in text_of(page), path


# --- the day of the grant -------------------------------------------------------------------------


@pytest.mark.parametrize("role", WRITERS)
async def test_the_day_is_noted(console: Console, role: Role) -> None:
    account, window = await shop(console), await console.as_(role)
    await connect(console, account, days_ago=None)
    home = f"/console/accounts/{account.id}"
    assert f'href="{home}/granted"' in await window.read(home)
    page = await window.did(f"{home}/granted", {"granted_at": "2026-02-01"})
    assert "It lasts until 1 February 2027." in text_of(page)
    assert f'href="{home}/granted"' not in page


@pytest.mark.parametrize(
    ("typed", "words"),
    [("", "is needed"), ("soon", "is no day"), ("2027-01-01", "lies in the future"),
     ("0001-01-01", "lies before"), ("2026-02-30", "is no day")],
)  # fmt: skip
async def test_a_day_that_cannot_be(
    console: Console, window: Window, typed: str, words: str
) -> None:
    account = await shop(console)
    await connect(console, account, days_ago=None)
    answer = await window.post(f"/console/accounts/{account.id}/granted", {"granted_at": typed})
    assert answer.status_code == 422
    assert words in text_of(answer.text)


async def test_a_day_without_a_grant(console: Console, window: Window) -> None:
    account = await shop(console)
    answer = await window.post(
        f"/console/accounts/{account.id}/granted", {"granted_at": "2026-02-01"}
    )
    assert answer.status_code == 422
    assert "There is no grant in force" in text_of(answer.text)


# --- closing and opening again --------------------------------------------------------------------


@pytest.mark.parametrize("role", WRITERS)
async def test_it_is_closed_by_its_name_and_opened_again(console: Console, role: Role) -> None:
    account, window = await shop(console, name="Blue Heron Books"), await console.as_(role)
    home = f"/console/accounts/{account.id}"
    wrong = await window.post(f"{home}/close", {"name": "Blue Heron"})
    assert wrong.status_code == 422
    assert "Nothing was closed" in text_of(wrong.text)
    assert await state_of(console, account.id) is State.AWAITING
    page = await window.did(f"{home}/close", {"name": " Blue  Heron Books "})
    assert "Blue Heron Books is closed." in text_of(page)
    assert await state_of(console, account.id) is State.CLOSED
    assert f'action="{home}/reopen"' in page
    assert "is open again" in text_of(await window.did(f"{home}/reopen"))
    assert await state_of(console, account.id) is State.AWAITING


async def test_closing_twice_and_opening_what_is_open(console: Console, window: Window) -> None:
    account = await shop(console, name="Alder")
    home = f"/console/accounts/{account.id}"
    assert 'class="said bad"' in await window.did(f"{home}/reopen")
    await window.did(f"{home}/close", {"name": "Alder"})
    answer = await window.post(f"{home}/close", {"name": "Alder"})
    assert answer.status_code == 409


# --- notes and notices ----------------------------------------------------------------------------


@pytest.mark.parametrize("role", WRITERS)
async def test_notes_are_written(console: Console, role: Role) -> None:
    account, window = await shop(console), await console.as_(role)
    home = f"/console/accounts/{account.id}"
    page = await window.did(f"{home}/notes", {"notes": "Calls on Mondays.\r\nAsk for Ada."})
    assert "Calls on Mondays.\nAsk for Ada." in page
    assert "Calls on Mondays." in await window.read(f"{home}/notes")


async def test_a_secret_is_no_note(console: Console, window: Window) -> None:
    account = await shop(console)
    secret = f"Atzr|{secrets.token_hex(40)}"
    answer = await window.post(f"/console/accounts/{account.id}/notes", {"notes": secret})
    assert answer.status_code == 422
    assert secret not in answer.text
    assert "holds a secret" in text_of(answer.text)


async def hung(console: Console, account_id: str) -> str:
    view = await console.desk.accounts.get(account_id, by=SYSTEM)
    async with console.desk.store.transaction() as tx:
        await notices.put(
            tx, now=console.fakes.clock.now(), kind=NoticeKind.MARKETPLACE_LEFT,
            subject=view.authorization.id, account_id=account_id, message="Left Sweden.",
        )  # fmt: skip
    [notice] = await console.desk.notices.list(by=SYSTEM, account_id=account_id)
    return notice.id


@pytest.mark.parametrize("role", WRITERS)
async def test_a_notice_is_taken_down(console: Console, role: Role) -> None:
    account, window = await shop(console), await console.as_(role)
    notice_id, home = await hung(console, account.id), f"/console/accounts/{account.id}"
    assert "Left Sweden." in await window.read(home)
    page = await window.did(f"{home}/notices/{notice_id}/settle")
    assert f"{notice_id}/settle" not in page
    assert await console.desk.notices.list(by=SYSTEM, account_id=account.id) == []


async def test_a_notice_of_another_account(console: Console, window: Window) -> None:
    account, other = await shop(console), await shop(console)
    notice_id = await hung(console, other.id)
    answer = await window.post(f"/console/accounts/{account.id}/notices/{notice_id}/settle")
    assert answer.status_code == 404
    assert len(await console.desk.notices.list(by=SYSTEM, account_id=other.id)) == 1


async def test_no_link_leads_nowhere(console: Console) -> None:
    filled = await fill(console)
    window = await console.as_(Role.ADMIN)
    homes = [
        f"/console/accounts/{one}"
        for one in (filled.account_id, filled.vendor_id, filled.awaiting_id, filled.accounts[0])
    ]
    pages = ["/console/accounts", "/console/accounts/new", *homes]
    pages += [f"{home}{path}" for home in homes for path in READ[1:] + ACT]
    leads: dict[str, str] = {}
    for path in pages:
        for href in re.findall(r'href="(/console[^"]*)"', await window.read(path)):
            leads.setdefault(unescape(href).partition("#")[0], path)
    # Addresses of shops tell nothing that those of one shop do not.
    checked = {re.sub(r"_[0-9a-z]{26}", "_", href): href for href in leads}
    for href in checked.values():
        answer = await window.get(href)
        assert answer.status_code == 200, (href, leads[href], answer.status_code)
