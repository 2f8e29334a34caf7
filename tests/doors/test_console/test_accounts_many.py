"""The same for many accounts at once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from evergrant.entrances.console import carried
from evergrant.entrances.console.pages import accounts, accounts_many
from evergrant.errors import Conflict
from evergrant.overview import PAGE_SIZE
from evergrant.ports.things import Account
from evergrant.rules.flags import Flag
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
from tests.doors.test_console.conftest import Console, Window, text_of

MANY = "/console/accounts/many"


@pytest.fixture(autouse=True)
async def _public(console: Console) -> None:
    await public(console)


@pytest.fixture
async def window(console: Console) -> Window:
    return await console.as_(Role.SUPPORT)


async def asked(window: Window, do: str, *accounts: Account, **more: str) -> str:
    form = {"do": do, "id": [one.id for one in accounts], "back": "/console/accounts?q=x", **more}
    answer = await window.post(MANY, form)
    assert answer.status_code == 200, text_of(answer.text)
    return answer.text


def form_of(page: str) -> dict[str, str | list[str]]:
    fields = re.findall(
        r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.partition("<main")[2]
    )
    found: dict[str, str | list[str]] = {name: value for name, value in fields if name != "proof"}
    for several in ("id", "ids"):
        found[several] = [value for name, value in fields if name == several]
    return found


async def letters(console: Console, account: Account) -> int:
    return len(await console.desk.consent.invitations(account.id, by=SYSTEM))


# --- all that match -------------------------------------------------------------------------------


async def crowd(console: Console, number: int, name: str = "Finch") -> list[Account]:
    return [await shop(console, name=f"{name} {one:03}") for one in range(number)]


async def flags_of(console: Console, *accounts: Account) -> list[bool]:
    found = []
    for one in accounts:
        view = await console.desk.accounts.get(one.id, by=SYSTEM)
        found.append(view.account.flags.get(Flag.SHIP_ORDERS, True))
    return found


async def test_all_that_match_are_offered_where_a_page_does_not_hold_them(
    console: Console, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    await crowd(console, PAGE_SIZE)
    await shop(console, name="Alder")
    assert "Select all" not in await window.read("/console/accounts?q=finch")
    page = await window.read("/console/accounts")
    assert f"Select all {PAGE_SIZE + 1} that match" in text_of(page)
    assert 'name="all" value="1"' in page
    monkeypatch.setattr(accounts, "MOST_AT_ONCE", 40)
    monkeypatch.setattr(accounts_many, "MOST_AT_ONCE", 40)
    page = await window.read("/console/accounts")
    assert "51 match; at most 40 at once." in text_of(page)
    assert 'name="all"' not in page
    refused = await window.did(MANY, {"do": "links", "all": "1", "query": ""})
    assert "More than 40 accounts match" in text_of(refused)
    auditor = await console.as_(Role.AUDITOR)
    assert "Select all" not in await auditor.read("/console/accounts")
    await is_refused(auditor, MANY, do="links", all="1", query="")


async def test_all_that_match_and_nobody_else(
    console: Console, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says how many; who comes to match after it is not touched. In turns."""
    monkeypatch.setattr(accounts_many, "MOST", 10)
    monkeypatch.setattr(accounts_many, "NAMED", 5)
    monkeypatch.setattr(accounts_many, "TURN_S", -1.0)
    finches, other = await crowd(console, 60), await shop(console, name="Alder")
    form = {"do": "flags", "all": "1", "query": "q=finch&page=2", "switch": "ship_orders:off"}
    form["id"] = other.id
    answer = await window.post(MANY, {**form, "back": "/console/accounts?q=finch"})
    page = text_of(answer.text)
    assert "Ship orders: off for 60 accounts?" in page
    assert "and 55 more." in page
    later = await shop(console, name="Finch of today")
    assert await flags_of(console, finches[0]) == [True], "nothing is done yet"

    given, told = form_of(answer.text), []
    answer = await window.post(f"{MANY}/flags", given)
    while answer.status_code == 200:
        told.append(text_of(answer.text))
        assert "data-goes-on" in answer.text
        answer = await window.post(f"{MANY}/flags", form_of(answer.text))
    assert ["25 of 60" in told[0], "50 of 60" in told[1], len(told)] == [True, True, 2]
    assert "60 accounts: Ship orders is off for them." in text_of(await window.follow(answer))
    assert set(await flags_of(console, *finches)) == {False}
    assert await flags_of(console, other, later) == [True, True]


async def test_links_of_all_that_match_once_each_with_who_failed(
    console: Console, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts_many, "MOST", 10)
    monkeypatch.setattr(accounts_many, "TURN_S", -1.0)
    finches = await crowd(console, 30)
    answer = await window.post(MANY, {"do": "links", "all": "1", "query": "q=finch"})
    assert "Send 30 links?" in text_of(answer.text)
    await console.desk.accounts.close(finches[-1].id, by=SYSTEM)
    broken, invite = finches[3].id, console.desk.consent.invite

    async def fails_for_one(account_id: str, **more: Any) -> Any:
        if account_id == broken:
            raise Conflict("It is not to be.")
        return await invite(account_id, **more)

    monkeypatch.setattr(console.desk.consent, "invite", fails_for_one)
    given = form_of(answer.text)
    console.fakes.clock.move(seconds=1)
    first = await window.post(f"{MANY}/links", given)
    again = await window.post(f"{MANY}/links", given)
    assert "24 links are on their way. Not done for 1: Finch 003" in text_of(first.text)
    assert "0 links are on their way. Not done for 1" in text_of(again.text), "one letter each"
    after = await window.did(f"{MANY}/links", form_of(first.text))
    assert "28 links are on their way." in text_of(after)
    assert "Not done for Finch 003 (It is not to be)" in text_of(after)
    assert [await letters(console, one) for one in (finches[0], finches[-1])] == [1, 0]


@pytest.mark.parametrize("pieces", ["", "AAAA", "<b>", carried.packed(b"acc_1,'; drop")[0]])
async def test_a_form_that_is_not_whole(console: Console, window: Window, pieces: str) -> None:
    form = {"ids": [pieces], "switch": "ship_orders:off"}
    assert (await window.post(f"{MANY}/flags", form)).status_code == 422


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", WRITERS)
async def test_first_it_says_who_gets_a_mail_then_they_get_it(console: Console, role: Role) -> None:
    window = await console.as_(role)
    one, other = await shop(console, name="Alder"), await shop(console, name="Beech")
    page = await asked(window, "links", one, other)
    assert "Send 2 links?" in text_of(page)
    assert await letters(console, one) == 0
    after = await window.did(f"{MANY}/links", form_of(page))
    assert "2 links are on their way." in text_of(after)
    assert await letters(console, one) == await letters(console, other) == 1


async def test_sent_twice_it_is_sent_once(console: Console, window: Window) -> None:
    account = await shop(console)
    form = form_of(await asked(window, "links", account))
    console.fakes.clock.move(seconds=2)
    await window.did(f"{MANY}/links", form)
    assert "0 links are on their way." in text_of(await window.did(f"{MANY}/links", form))
    assert await letters(console, account) == 1


async def test_who_cannot_get_one_is_left_out_and_told_why(
    console: Console, window: Window
) -> None:
    good, closed = await shop(console, name="Alder"), await shop(console, name="Beech")
    await console.desk.accounts.close(closed.id, by=SYSTEM)
    page = await asked(window, "links", good, closed)
    assert "Left out Beech It is closed." in text_of(page)
    assert closed.id not in form_of(page)["id"]
    # Even if somebody ticks it into the form by hand.
    form = {**form_of(page), "id": [good.id, closed.id]}
    assert "1 link is on its way." in text_of(await window.did(f"{MANY}/links", form))


async def test_a_private_application_has_no_link(console: Console, window: Window) -> None:
    await console.desk.registry.change_application(
        console.house.application_id, {"kind": "private"}, by=SYSTEM
    )
    page = await asked(window, "links", await shop(console))
    assert "adopt a refresh token" in text_of(page)
    assert "None of them can get a link." in text_of(page)
    assert '<button class="button primary"' not in page.partition("<main")[2]


async def test_one_that_fails_keeps_nobody_else_waiting(console: Console, window: Window) -> None:
    first, last = await shop(console, name="Alder"), await shop(console, name="Beech")
    # For vendors in Ireland nobody knows a consent page.
    odd = await vendor(console, name="Irish")
    async with console.desk.store.transaction() as tx:
        await tx.accounts.change(odd.id, home_marketplace="IE")
    form = form_of(await asked(window, "links", first, odd, last))
    page = text_of(await window.did(f"{MANY}/links", form))
    assert "2 links are on their way. Not done for Irish (" in page
    assert await letters(console, last) == 1


# --- switches -------------------------------------------------------------------------------------


async def test_a_switch_of_many(console: Console, window: Window) -> None:
    one, retail = await shop(console, name="Alder"), await vendor(console, name="Beech")
    page = await asked(window, "flags", one, retail, switch="update_price:off")
    assert "Update price: off for 1 account?" in text_of(page)
    assert "Left out Beech Not available" in text_of(page)
    after = await window.did(f"{MANY}/flags", form_of(page))
    assert "1 account" in text_of(after)
    flags = (await console.desk.accounts.get(one.id, by=SYSTEM)).account.flags
    assert not flags[Flag.UPDATE_PRICE]
    assert flags[Flag.UPDATE_STOCK]


async def test_it_says_how_many_are_so_already(console: Console, window: Window) -> None:
    page = await asked(window, "flags", await shop(console), switch="ship_orders:on")
    assert "1 of them is so already." in text_of(page)


@pytest.mark.parametrize("switch", ["", "no_such:on", "update_price", "update_price:maybe"])
async def test_a_switch_that_is_none(console: Console, window: Window, switch: str) -> None:
    account = await shop(console)
    for path, form in (
        (MANY, {"do": "flags", "switch": switch, "id": account.id}),
        (f"{MANY}/flags", {"switch": switch, "id": account.id}),
    ):
        assert (await window.post(path, form)).status_code == 422


# --- ticks ----------------------------------------------------------------------------------------


async def test_nothing_ticked(console: Console, window: Window) -> None:
    await shop(console)
    page = await window.did(MANY, {"do": "links", "back": "/console/accounts?q=shop"})
    assert "Tick the accounts first." in text_of(page)
    assert 'value="shop"' in page


async def test_those_that_are_not_there_are_left_out(console: Console, window: Window) -> None:
    account = await shop(console)
    answer = await window.post(MANY, {"do": "links", "id": [NOBODY, "<b>", account.id, account.id]})
    assert form_of(answer.text)["id"] == [account.id]


async def test_too_many_at_once(console: Console, window: Window) -> None:
    ids = [f"acc_{number:026}" for number in range(201)]
    assert (await window.post(MANY, {"do": "links", "id": ids})).status_code == 422


async def test_readers_do_none_of_it(console: Console) -> None:
    account, window = await shop(console), await console.as_(Role.AUDITOR)
    for path in (MANY, f"{MANY}/links", f"{MANY}/flags"):
        await is_refused(window, path, id=account.id, do="links", switch="ship_orders:off")
    assert await letters(console, account) == 0


async def test_markup_in_names_is_text(console: Console, window: Window) -> None:
    account, closed = (
        await shop(console, name=f"A {MARKUP}"),
        await shop(console, name=f"B {MARKUP}"),
    )
    await connect(console, account)
    await console.desk.accounts.close(closed.id, by=SYSTEM)
    for page in (
        await asked(window, "links", account, closed),
        await asked(window, "flags", account, closed, switch="ship_orders:on"),
    ):
        assert "<img" not in page
        assert f"A {MARKUP}" in text_of(page)
