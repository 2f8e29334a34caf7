"""Adding an account and changing it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from evergrant.entrances.console.pages.accounts_new import language_of
from evergrant.registry import NewInstance
from evergrant.rules.flags import Flag
from evergrant.rules.ids import LANGUAGES
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region, VendorKind
from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import (
    MARKUP,
    NOBODY,
    WRITERS,
    connect,
    is_refused,
    public,
    shop,
    vendor,
)
from tests.doors.test_console.conftest import Console, Window, open_console, text_of

NEW = "/console/accounts/new"


@pytest.fixture(autouse=True)
async def _public(console: Console) -> None:
    await public(console)


@pytest.fixture
async def window(console: Console) -> Window:
    return await console.as_(Role.SUPPORT)


def filled(console: Console, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "seller",
        "name": "Blue Heron Books",
        "client_email": "owner@heron.example",
        "home_marketplace": "DE",
        "merchant_token": "",
        "vendor_codes": "",
        "application_id": console.house.application_id,
        "client_instance_id": console.house.instance_id,
        "language": "",
        "flags": [flag.value for flag in Flag],
        "notes": "",
        "do": "add",
        **fields,
    }


async def added(console: Console, window: Window, **fields: Any) -> Any:
    answer = await window.post(NEW, filled(console, **fields))
    assert answer.status_code == 303, text_of(answer.text)
    id = answer.headers["location"].rpartition("/")[2]  # noqa: A001
    return (await console.desk.accounts.get(id, by=SYSTEM)).account


# --- adding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", WRITERS)
async def test_the_region_and_the_language_follow_the_marketplace(
    console: Console, role: Role
) -> None:
    window = await console.as_(role)
    assert "Add an account" in await window.read(NEW)
    account = await added(console, window, home_marketplace="JP", name="Kobayashi")
    assert account.region is Region.FE
    assert account.language == "en"
    account = await added(console, window, home_marketplace="DE")
    assert (account.region, account.language) == (Region.EU, "de")
    assert all(account.flags.values())


async def test_add_and_send(console: Console, window: Window) -> None:
    page = await window.did(NEW, filled(console, do="send"))
    assert "the link is on its way to owner@heron.example" in text_of(page)
    [account] = await console.desk.accounts.list(by=SYSTEM)
    assert len(await console.desk.consent.invitations(account.account.id, by=SYSTEM)) == 1


async def test_add_only_sends_nothing(console: Console, window: Window) -> None:
    account = await added(console, window)
    assert await console.desk.consent.invitations(account.id, by=SYSTEM) == []


async def test_what_cannot_be_sent_is_added_all_the_same(console: Console, window: Window) -> None:
    await console.desk.registry.change_application(
        console.house.application_id, {"kind": "private"}, by=SYSTEM
    )
    page = text_of(await window.did(NEW, filled(console, do="send")))
    assert "Blue Heron Books is added, but the link was not sent" in page


@pytest.mark.parametrize(
    ("kind", "vendor_kind", "available"),
    [
        ("vendor:retail", VendorKind.RETAIL, 3),
        ("vendor:direct_fulfillment", VendorKind.DIRECT_FULFILLMENT, 4),
    ],
)
async def test_a_vendor_with_its_codes(
    console: Console, window: Window, kind: str, vendor_kind: VendorKind, available: int
) -> None:
    """The form ticks all six; those that Amazon does not have are no trouble."""
    account = await added(console, window, kind=kind, vendor_codes="MILL1, MILL2")
    assert account.partner_kind is PartnerKind.VENDOR
    assert account.vendor_kind is vendor_kind
    assert account.vendor_codes == ("MILL1", "MILL2")
    view = await console.desk.accounts.get(account.id, by=SYSTEM)
    assert sum(on is True for on in view.flags_view.values()) == available


async def test_switches_that_are_not_ticked_are_off(console: Console, window: Window) -> None:
    account = await added(console, window, flags=["update_stock"])
    assert [flag for flag, on in account.flags.items() if on] == [Flag.UPDATE_STOCK]


async def test_every_flaw_stands_beside_its_field(console: Console, window: Window) -> None:
    answer = await window.post(
        NEW,
        filled(
            console, name="", client_email="no address", home_marketplace="", kind="vendor",
            merchant_token="x",
        ),
    )  # fmt: skip
    assert answer.status_code == 422
    for field in ("name", "client_email", "home_marketplace"):
        assert f'id="w-{field}"' in answer.text, field
    assert "is needed for a vendor" in text_of(answer.text)
    assert 'value="no address"' in answer.text
    assert "region" not in re.findall(r'id="w-(\w+)"', answer.text)


async def test_a_name_that_is_taken(console: Console, window: Window) -> None:
    await shop(console, name="Blue Heron Books")
    answer = await window.post(NEW, filled(console))
    assert answer.status_code == 422
    assert "There is an account of this name already." in text_of(answer.text)
    assert 'id="w-name"' in answer.text


async def test_a_secret_in_the_notes_is_not_kept_and_not_shown(
    console: Console, window: Window
) -> None:
    secret = "Atzr|" + "IwEBIJ" * 12
    answer = await window.post(NEW, filled(console, notes=f"theirs: {secret}"))
    assert answer.status_code == 422
    assert "holds a secret" in text_of(answer.text)
    assert secret not in answer.text


async def test_markup_comes_back_as_text(console: Console, window: Window) -> None:
    fields = dict.fromkeys(
        ("kind", "name", "client_email", "home_marketplace", "merchant_token", "vendor_codes",
         "application_id", "client_instance_id", "language", "notes", "flags"), MARKUP
    )  # fmt: skip
    answer = await window.post(NEW, filled(console, **fields))
    assert answer.status_code == 422
    assert "<img" not in answer.text


async def test_without_application_the_way_there_is_shown(console: Console) -> None:
    bare = await open_console()
    async with bare.open_windows:
        async with bare.desk.store.transaction() as tx:
            await tx.instances.drop(bare.house.instance_id)
        page = await (await bare.as_(Role.SUPPORT)).read(NEW)
    assert "There is no client instance yet." in text_of(page)
    assert 'action="/console/accounts/new"' not in page


async def test_an_instance_is_chosen_from_the_start(console: Console, window: Window) -> None:
    other = await console.desk.registry.add_instance(NewInstance(name="OMS"), by=SYSTEM)
    page = await window.read(f"{NEW}?instance={other.instance.id}&app={MARKUP}")
    assert f'<option value="{other.instance.id}" selected>OMS' in page
    assert "<img" not in page
    # One that is not there chooses nothing.
    assert (await window.get(f"{NEW}?instance=ins_1")).status_code == 200


async def test_readers_add_nothing(console: Console) -> None:
    window = await console.as_(Role.AUDITOR)
    assert (await window.get(NEW)).status_code == 403
    await is_refused(window, NEW, **dict.fromkeys(("name", "kind"), "x"))


def test_languages_are_those_that_there_are_letters_in() -> None:
    assert language_of("DE") == "de"
    assert {language_of(row.country_code) for row in STANDARD.rows} - {"fr", "it", "es"} <= {
        *LANGUAGES
    }


# --- changing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", WRITERS)
async def test_fields_are_changed(console: Console, role: Role) -> None:
    window, account = await console.as_(role), await shop(console, name="Alder")
    here = f"/console/accounts/{account.id}/edit"
    page = await window.read(here)
    assert 'value="Alder"' in page
    assert 'value="owner@shop.example"' in page
    form = filled(console, name="Alder & Finch", merchant_token="A1ALDERFINCH", language="en")
    assert "Alder &amp; Finch is saved." in await window.did(here, form)
    changed = (await console.desk.accounts.get(account.id, by=SYSTEM)).account
    assert (changed.name, changed.merchant_token) == ("Alder & Finch", "A1ALDERFINCH")
    assert changed.flags == account.flags


async def test_what_was_authorized_keeps_its_kind(console: Console, window: Window) -> None:
    account = await shop(console)
    await connect(console, account)
    here = f"/console/accounts/{account.id}/edit"
    page = await window.read(here)
    assert 'name="kind"' not in page
    assert 'name="application_id"' not in page
    form = filled(
        console, name="Renamed", home_marketplace="FR", language="fr" if "fr" in LANGUAGES else "en"
    )
    for gone in ("kind", "application_id", "vendor_codes"):
        del form[gone]
    await window.did(here, form)
    changed = (await console.desk.accounts.get(account.id, by=SYSTEM)).account
    assert (changed.name, changed.home_marketplace) == ("Renamed", "FR")
    answer = await window.post(here, {**form, "kind": "vendor:retail"})
    assert answer.status_code == 422


async def test_another_address_takes_the_link_back_and_says_so(
    console: Console, window: Window
) -> None:
    account = await shop(console)
    await console.desk.consent.invite(account.id, by=SYSTEM)
    form = filled(console, name=account.name, client_email="new@shop.example", language="en")
    page = await window.did(f"/console/accounts/{account.id}/edit", form)
    assert "does not work any more; send it again" in text_of(page)


async def test_flaws_of_a_change_keep_what_was_typed(console: Console, window: Window) -> None:
    account = await vendor(console)
    form = filled(console, kind="vendor:retail", name="Mill", client_email="nobody", language="en")
    answer = await window.post(f"/console/accounts/{account.id}/edit", form)
    assert answer.status_code == 422
    assert 'value="Mill"' in answer.text
    assert 'id="w-client_email"' in answer.text
    assert (await console.desk.accounts.get(account.id, by=SYSTEM)).account.name == account.name


async def test_changing_nobody_and_by_readers(console: Console, window: Window) -> None:
    account, reader = await shop(console), await console.as_(Role.AUDITOR)
    for method in ("get", "post"):
        path = f"/console/accounts/{NOBODY}/edit"
        assert (await getattr(window, method)(path)).status_code == 404
        path = f"/console/accounts/{account.id}/edit"
        assert (await getattr(reader, method)(path)).status_code == 403
