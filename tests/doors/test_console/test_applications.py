"""Applications: who may see and change them, forms, and what their pages tell."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from evergrant import notices
from evergrant.entrances.console.pages.applications import clock_of
from evergrant.ports.things import Application, IntegrationCredentials
from evergrant.ports.traded import Subscription
from evergrant.rules.marketplaces import Region
from evergrant.rules.notices import NoticeKind
from evergrant.rules.notifications import NotificationType
from evergrant.rules.rights import SYSTEM, Right, Role
from tests.doors.test_console.conftest import Console, text_of
from tests.doors.test_console.register_ground import (
    application,
    client_secret,
    queued,
    solution_id,
)
from tests.doors.test_console.trade_ground import MARKUP, NOBODY, assert_harmless, may, statuses


def home(console: Console) -> str:
    return f"/console/applications/{console.house.application_id}"


async def stored(console: Console, application_id: str = "") -> Application:
    return await console.desk.registry.application(
        application_id or console.house.application_id, by=SYSTEM
    )


# --- who may ------------------------------------------------------------------------------------


async def test_every_page_and_action_as_each_role(console: Console) -> None:
    base = home(console)
    rights = {
        ("GET", "/console/applications"): Right.READ,
        ("GET", base): Right.READ,
        ("GET", "/console/applications/new"): Right.MANAGE,
        ("POST", "/console/applications/new"): Right.MANAGE,
        ("GET", f"{base}/edit"): Right.MANAGE,
        ("POST", f"{base}/edit"): Right.MANAGE,
        ("GET", f"{base}/credentials"): Right.MANAGE,
        ("POST", f"{base}/credentials"): Right.MANAGE,
        ("POST", f"{base}/verify"): Right.MANAGE,
        ("POST", f"{base}/rotate"): Right.MANAGE,
        ("GET", f"{base}/client-secret"): Right.MANAGE,
        ("POST", f"{base}/client-secret"): Right.MANAGE,
    }
    for (method, path), right in rights.items():
        for role, status in (await statuses(console, method, path)).items():
            assert (status != 403) == may(role, right), (method, path, role, status)
            # 422: allowed, and the empty form is not.
            assert status in (200, 303, 403, 422), (method, path, role, status)


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.TEAM_LEAD, Role.AUDITOR])
async def test_who_may_not_manage_is_offered_nothing(console: Console, role: Role) -> None:
    await queued(console)
    window = await console.as_(role)
    for path in ("/console/applications", home(console)):
        page = await window.read(path)
        main = page.partition("<main")[2]
        assert "<button" not in main.replace('data-copy="', "").replace('<button type="button"', "")
        assert "/credentials" not in main
        assert "/edit" not in main


@pytest.mark.parametrize("rest", ["", "/edit", "/credentials", "/client-secret"])
@pytest.mark.parametrize("id", [f"app_{NOBODY}", f"acc_{NOBODY}", "nobody", "..%2f.."])
async def test_an_application_that_is_none(console: Console, id: str, rest: str) -> None:
    window = await console.as_()
    assert (await window.get(f"/console/applications/{id}{rest}")).status_code == 404


@pytest.mark.parametrize("rest", ["/edit", "/credentials", "/client-secret", "/verify", "/rotate"])
async def test_an_action_on_an_application_that_is_none(console: Console, rest: str) -> None:
    window = await console.as_()
    await queued(console)
    wish = {
        "name": "x",
        "kind": "public",
        "status": "draft",
        "partner_kinds": "seller",
        "application_id": solution_id(),
        "lwa_client_id": f"amzn1.application-oa2-client.{secrets.token_hex(16)}",
        "lwa_client_secret": client_secret().reveal(),
        "sure": "on",
    }
    answer = await window.post(f"/console/applications/app_{NOBODY}{rest}", wish)
    assert answer.status_code == 404


# --- adding and changing --------------------------------------------------------------------------


async def test_one_is_added_and_leads_on_to_its_credentials(console: Console) -> None:
    window = await console.as_()
    answer = await window.post(
        "/console/applications/new",
        {
            "name": "Northwind Connect",
            "kind": "public",
            "partner_kinds": ["seller", "vendor"],
            "status": "draft",
            "application_id": solution_id(),
            "developer_name": "Northwind",
            "developer_id": "4711",
            "beta_for_vendors": "yes",
            "reminder_days": "30, 14,2",
        },
    )
    page = await window.follow(answer)
    assert answer.headers["location"].endswith("/credentials")
    assert "is added" in text_of(page)
    added = await console.desk.registry.find_application("Northwind Connect", by=SYSTEM)
    assert {kind.value for kind in added.partner_kinds} == {"seller", "vendor"}
    assert (added.beta_for_sellers, added.beta_for_vendors) == (None, True)
    assert added.reminder_days == (30, 14, 2)
    assert added.developer_id == "4711"


async def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(
    console: Console,
) -> None:
    window = await console.as_()
    answer = await window.post(
        "/console/applications/new",
        {
            "name": "Kept as typed",
            "kind": "public",
            "status": "published",
            "application_id": "amzn1.application-oa2-client.1234",
        },
    )
    assert answer.status_code == 422
    assert 'id="w-application_id"' in answer.text
    assert 'value="Kept as typed"' in answer.text
    assert "needs at least one" in answer.text
    assert '<option value="published" selected>' in answer.text
    assert 'value="seller" checked' not in answer.text


@pytest.mark.parametrize("text", ["thirty", "30;14", "-1", "99999", "3.5"])
async def test_reminder_days_that_are_none(console: Console, text: str) -> None:
    window = await console.as_()
    old = await stored(console)
    wish = _wish(old) | {"reminder_days": text}
    answer = await window.post(f"{home(console)}/edit", wish)
    assert answer.status_code == 422
    assert 'id="w-reminder_days"' in answer.text
    assert await stored(console) == old


@pytest.mark.parametrize(
    ("text", "kept"), [("", None), ("none", ()), ("30,14, 0", (30, 14, 0)), ("2 9", (9, 2))]
)
async def test_reminder_days(console: Console, text: str, kept: tuple[int, ...] | None) -> None:
    window = await console.as_()
    await window.did(
        f"{home(console)}/edit", _wish(await stored(console)) | {"reminder_days": text}
    )
    assert (await stored(console)).reminder_days == kept
    page = await window.read(f"{home(console)}/edit")
    again = ", ".join(map(str, kept)) if kept else "none" if kept == () else ""
    assert f'name="reminder_days" type="text" value="{again}"' in page


async def test_a_change_of_one_thing_changes_nothing_else(console: Console) -> None:
    window = await console.as_()
    old = await stored(console)
    page = await window.did(f"{home(console)}/edit", _wish(old) | {"developer_name": "Northwind"})
    assert "Saved." in text_of(page)
    new = await stored(console)
    assert new.developer_name == "Northwind"
    assert (new.name, new.partner_kinds, new.status, new.reminder_days) == (
        old.name,
        old.partner_kinds,
        old.status,
        old.reminder_days,
    )


async def test_what_is_frozen_stays(console: Console) -> None:
    await console.house.account()
    window = await console.as_()
    wish = _wish(await stored(console)) | {"application_id": solution_id()}
    answer = await window.post(f"{home(console)}/edit", wish)
    assert answer.status_code == 422
    assert "is frozen" in text_of(answer.text)


async def test_a_name_that_is_taken_is_said_beside_it(console: Console) -> None:
    window = await console.as_()
    await application(console, "Taken")
    answer = await window.post(
        f"{home(console)}/edit", _wish(await stored(console)) | {"name": "Taken"}
    )
    assert answer.status_code == 422
    assert 'id="w-name"' in answer.text


def _wish(old: Application) -> dict[str, str | list[str]]:
    """The form as the page fills it in."""
    return {
        "name": old.name,
        "kind": old.kind.value,
        "partner_kinds": sorted(old.partner_kinds),
        "status": old.status.value,
        "application_id": old.application_id,
        "developer_name": old.developer_name,
        "developer_id": old.developer_id,
        "login_uri": old.login_uri,
        "redirect_uri": old.redirect_uri,
        "beta_for_sellers": "",
        "beta_for_vendors": "",
        "reminder_days": "",
    }


# --- what is shown --------------------------------------------------------------------------------


async def test_stored_markup_is_text_everywhere(console: Console) -> None:
    made = await application(
        console, f"A{MARKUP}", developer_name=f"D{MARKUP}", developer_id=f"I{MARKUP}"
    )
    async with console.desk.store.transaction() as tx:
        await notices.put(
            tx,
            now=console.fakes.clock.now(),
            kind=NoticeKind.QUEUE_TROUBLE,
            subject=made.id,
            message=MARKUP,
            application_id=made.id,
        )
    window = await console.as_()
    base = f"/console/applications/{made.id}"
    for path in ("/console/applications", base, f"{base}/edit", f"{base}/credentials"):
        assert_harmless(await window.read(path))
    answer = await window.post(f"{base}/edit", {"name": MARKUP, "application_id": MARKUP})
    assert answer.status_code == 422
    assert_harmless(answer.text)


async def test_the_addresses_to_copy_into_amazons_form(console: Console) -> None:
    window = await console.as_()
    for page in (
        await window.read("/console/applications/new"),
        await window.read(f"/console/applications/{(await application(console, 'Shop')).id}"),
    ):
        assert f'<code id="login-uri">{console.settings.login_uri}</code>' in page
        assert f'<code id="redirect-uri">{console.settings.redirect_uri}</code>' in page
        assert 'data-copy="#login-uri"' in page


async def test_another_registered_address_is_told(console: Console) -> None:
    made = await application(console, "Shop", login_uri="https://old.example/login")
    window = await console.as_()
    page = await window.read(f"/console/applications/{made.id}")
    assert "another log-in URI" in text_of(page)


async def test_a_private_application_has_no_addresses(console: Console) -> None:
    window = await console.as_()
    page = await window.read(home(console))
    assert "login-uri" not in page
    assert "Authorize it in Amazon's console" in text_of(page)


async def test_the_clock_of_a_client_secret(console: Console) -> None:
    now = console.fakes.clock.now()
    own = IntegrationCredentials(id="app_1", lwa_client_id="client", changed_at=now)
    assert clock_of(None, now).words == clock_of(own, now).words == "not set"
    for days, kind, words in (
        (179, "good", "179 days left"),
        (60, "warm", "60 days left"),
        (1, "bad", "1 day left"),
        (0.5, "bad", "ends today"),
        (-3, "bad", "over"),
    ):
        there = IntegrationCredentials(
            id="app_1",
            lwa_client_id="client",
            secret_set=True,
            secret_expires_at=now + timedelta(days=days),
            changed_at=now,
        )
        clock = clock_of(there, now)
        assert (clock.kind, clock.words) == (kind, words)
        assert clock.share is not None
        assert 0 <= clock.share <= 100


async def test_the_list_tells_what_keeps_an_application_from_working(console: Console) -> None:
    await application(console, "Not ready")
    async with console.desk.store.transaction() as tx:
        await tx.credentials.change(console.house.application_id, trouble="invalid_client")
    window = await console.as_(Role.AUDITOR)
    page = text_of(await window.read("/console/applications"))
    assert "no credentials" in page
    assert "refused : invalid_client" in page


async def test_how_far_accounts_are_subscribed(console: Console) -> None:
    await queued(console)
    account = await console.house.account()
    now = console.fakes.clock.now()
    for number, kind in enumerate(NotificationType):
        row = Subscription(
            id=f"{account}/{kind.value}",
            account_id=account,
            application_id=console.house.application_id,
            region=Region.EU,
            notification_type=kind.value,
            trouble=MARKUP if number == 1 else "",
            tries=3 if number == 1 else 0,
            next_at=now + timedelta(hours=1) if number == 1 else None,
            created_at=now,
            changed_at=now,
        )
        async with console.desk.store.transaction() as tx:
            await tx.subscriptions.add(row)
    window = await console.as_(Role.SUPPORT)
    page = await window.read(home(console))
    assert page.count("all subscribed") == 2
    assert "1 not subscribed" in text_of(page)
    assert_harmless(page)
    assert f"/console/accounts/{account}" in page
