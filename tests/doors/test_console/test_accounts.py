"""The list of accounts."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from evergrant.registry import NewInstance
from evergrant.rules.flags import Flag
from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import (
    MARKUP,
    NOBODY,
    WRITERS,
    connect,
    public,
    regions,
    shop,
    vendor,
)
from tests.doors.test_console.conftest import Console, Window, text_of

HERE = "/console/accounts"


@pytest.fixture(autouse=True)
async def _public(console: Console) -> None:
    await public(console)


@pytest.fixture
async def window(console: Console) -> Window:
    return await console.as_(Role.SUPPORT)


def names_on(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a [^>]*><bdi>([^<]*)</bdi>', page)


# --- finding --------------------------------------------------------------------------------------


async def test_an_empty_house_is_told_what_comes_first(console: Console, window: Window) -> None:
    assert "Add the first one" in await window.read(HERE)
    reader = await console.as_(Role.AUDITOR)
    assert "Add" not in text_of(await reader.read(HERE)).partition("No accounts yet")[2]


async def test_a_row_says_what_it_is_and_how_it_stands(console: Console, window: Window) -> None:
    await shop(console, name="Blue Heron Books", merchant_token="A1BLUEHERON")
    words = text_of(await window.read(HERE))
    for told in (
        "Blue Heron Books",
        "DE seller",
        "A1BLUEHERON",
        "Awaiting consent",
        "No link sent",
    ):
        assert told in words


async def test_what_is_typed_finds(console: Console, window: Window) -> None:
    for name in ("Blue Heron Books", "Café Zürich", "Mill Lane Hardware"):
        await shop(console, name=name)
    assert names_on(await window.read(f"{HERE}?q=heron")) == ["Blue Heron Books"]
    assert names_on(await window.read(f"{HERE}?q=zurich+cafe")) == ["Café Zürich"]
    nothing = await window.read(f"{HERE}?q=nobody")
    assert "No account fits." in nothing
    assert 'value="nobody"' in nothing


async def test_filters_stand_in_the_address(console: Console, window: Window) -> None:
    await shop(console, name="Here")
    await vendor(console, name="Supplier")
    await shop(console, name="Overseas", region="na", home_marketplace="US")
    far = await shop(console, name="No refunds", flags={"refund_orders": False})
    assert names_on(await window.read(f"{HERE}?kind=vendor")) == ["Supplier"]
    assert names_on(await window.read(f"{HERE}?region=na")) == ["Overseas"]
    assert names_on(await window.read(f"{HERE}?off=refund_orders")) == ["No refunds"]
    assert len(names_on(await window.read(f"{HERE}?app={far.application_id}"))) == 4
    chosen = await window.read(f"{HERE}?region=na")
    assert '<option value="na" selected>' in chosen


async def test_tabs_count_and_the_search_keeps_its_tab(console: Console, window: Window) -> None:
    await connect(console, await shop(console, name="Connected"), days_ago=360)
    await shop(console, name="Asked for")
    page = await window.read(f"{HERE}?state=active")
    assert names_on(page) == ["Connected"]
    tabs = dict(re.findall(r"<li><a [^>]*>([^<]+) <span class=\"count\">(\d+)</span>", page))
    assert tabs["All"] == "2"
    assert tabs["Authorized"] == tabs["Awaiting consent"] == "1"
    assert '<input type="hidden" name="state" value="active">' in page
    assert names_on(await window.read(f"{HERE}?needs=1&sort=needs")) == ["Connected", "Asked for"]


async def test_sorting_turns_about(console: Console, window: Window) -> None:
    for name in ("Beech", "Alder", "Cedar"):
        await shop(console, name=name)
    page = await window.read(HERE)
    assert names_on(page) == ["Alder", "Beech", "Cedar"]
    assert 'aria-sort="ascending"><a href="/console/accounts?sort=-name">Account' in page
    turned = await window.read(f"{HERE}?sort=-name")
    assert names_on(turned) == ["Cedar", "Beech", "Alder"]
    assert 'aria-sort="descending"' in turned


async def test_pages_of_fifty(console: Console, window: Window) -> None:
    for number in range(53):
        await shop(console, name=f"Shop {number:02}")
    first = await window.read(HERE)
    assert len(names_on(first)) == 50
    assert "1–50 of 53" in text_of(first)
    second = await window.read(f"{HERE}?page=2")
    assert names_on(second) == ["Shop 50", "Shop 51", "Shop 52"]
    # A page that is gone meanwhile is the last one, not an empty one.
    assert names_on(await window.read(f"{HERE}?page=9")) == names_on(second)


async def test_a_full_page_is_small(console: Console, window: Window) -> None:
    for number in range(50):
        account = await shop(
            console, name=f"{'Wide names of very long shops ' * 3}{number:02}"[:100]
        )
        if number % 3 == 0:
            await connect(console, account, days_ago=360)
    page = await window.get(HERE)
    assert len(page.content) < 200_000, len(page.content)


async def test_an_address_that_means_nothing_opens_the_list(
    console: Console, window: Window
) -> None:
    await shop(console, name="Alder")
    odd = f"{HERE}?kind=x&region=moon&page=-1&sort=--&ends=x&needs=%3Cb%3E&instance={MARKUP}"
    assert "No account fits" in await window.read(odd)
    assert MARKUP not in await window.read(odd)
    assert names_on(await window.read(f"{HERE}?kind=x&page=0&sort=%20&ends=many")) == ["Alder"]


async def test_of_very_many_instances_only_the_chosen_one_is_offered(
    console: Console, window: Window
) -> None:
    for number in range(200):
        last = await console.desk.registry.add_instance(
            NewInstance(name=f"ERP number {number}"), by=SYSTEM
        )
    await shop(console, name="There", client_instance_id=last.instance.id)
    assert "ERP number 7" not in await window.read(HERE)
    page = await window.read(f"{HERE}?instance={last.instance.id}")
    assert names_on(page) == ["There"]
    assert f'<option value="{last.instance.id}" selected>ERP number 199' in page


async def test_it_reads_itself_again_in_parts(console: Console, window: Window) -> None:
    await shop(console)
    page = await window.read(HERE)
    assert regions(page) == {"account-tabs", "kept-filters", "account-rows"}
    assert 'data-news="*"' in page


# --- who sees what --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
async def test_everybody_reads_and_only_some_act(console: Console, role: Role) -> None:
    await shop(console)
    page = await (await console.as_(role)).read(HERE)
    acts = role in WRITERS
    assert ("Add account" in page) is acts
    assert ('form="many"' in page) is acts
    assert ('class="box"' in page and "/flags" in page) is acts


async def test_markup_in_every_field_is_text(console: Console, window: Window) -> None:
    await console.desk.registry.change_application(
        console.house.application_id, {"name": f"App {MARKUP}"}, by=SYSTEM
    )
    await console.desk.registry.change_instance(
        console.house.instance_id, {"name": f"ERP {MARKUP}"}, by=SYSTEM
    )
    await console.desk.registry.add_instance(NewInstance(name=f"Other {MARKUP}"), by=SYSTEM)
    account = await shop(console, name=f"Shop {MARKUP}")
    await connect(console, account, days_ago=360, store_name=MARKUP)
    await window.did(f"{HERE}/filters", {"name": MARKUP, "query": "q=shop"})
    page = await window.read(f"{HERE}?q=shop")
    assert "<img" not in page
    assert f"Shop {MARKUP}" in text_of(page)


# --- switches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", WRITERS)
async def test_one_switch_changes_and_nothing_else(console: Console, role: Role) -> None:
    account = await shop(console, flags={"ship_orders": False})
    window = await console.as_(role)
    here = f"{HERE}?q=shop"
    answer = await window.post(
        f"{HERE}/{account.id}/flags", {"flag": "update_price:off", "back": here}
    )
    assert answer.headers["location"] == here
    assert f"Update price is off for {account.name}." in text_of(await window.follow(answer))
    flags = (await console.desk.accounts.get(account.id, by=SYSTEM)).account.flags
    assert {flag for flag in Flag if not flags[flag]} == {Flag.UPDATE_PRICE, Flag.SHIP_ORDERS}


async def test_a_switch_shows_how_it_is(console: Console, window: Window) -> None:
    account = await shop(console, flags={"ship_orders": False})
    page = await window.read(HERE)
    boxes = dict(
        re.findall(r'role="checkbox" aria-checked="(\w+)" name="flag" value="([a-z_]+):', page)
    )
    assert len(re.findall(r'role="checkbox"', page)) == 6
    assert boxes == {"true": "refund_orders", "false": "ship_orders"}
    assert f'aria-label="Ship orders, {account.name}"' in page


async def test_what_amazon_does_not_have_says_so_and_is_refused(
    console: Console, window: Window
) -> None:
    account = await vendor(console)
    page = await window.read(HERE)
    assert len(re.findall(r'role="checkbox"', page)) == 3
    assert "Amazon sets the prices of what vendors supply." in text_of(page)
    answer = await window.post(f"{HERE}/{account.id}/flags", {"flag": "update_price:on"})
    assert answer.status_code == 422
    assert "unavailable" in text_of(answer.text)


@pytest.mark.parametrize("flag", ["", "update_price", "update_price:maybe", "no_such:on", ":on"])
async def test_a_switch_that_is_none(console: Console, window: Window, flag: str) -> None:
    account = await shop(console)
    answer = await window.post(f"{HERE}/{account.id}/flags", {"flag": flag})
    assert answer.status_code == 422


async def test_switches_of_nobody_and_by_readers(console: Console, window: Window) -> None:
    account = await shop(console)
    form = {"flag": "update_price:off"}
    assert (await window.post(f"{HERE}/{NOBODY}/flags", form)).status_code == 404
    reader = await console.as_(Role.AUDITOR)
    assert (await reader.post(f"{HERE}/{account.id}/flags", form)).status_code == 403
    flags = (await console.desk.accounts.get(account.id, by=SYSTEM)).account.flags
    assert flags[Flag.UPDATE_PRICE]


async def test_the_way_back_leads_nowhere_else(console: Console, window: Window) -> None:
    account = await shop(console)
    answer = await window.post(
        f"{HERE}/{account.id}/flags", {"flag": "update_price:off", "back": "https://evil.example/"}
    )
    assert answer.headers["location"] == "/console"


# --- filters by name ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.AUDITOR])
async def test_a_filter_is_kept_and_forgotten(console: Console, role: Role) -> None:
    await shop(console, name="Alder")
    window = await console.as_(role)
    page = await window.did(
        f"{HERE}/filters", {"name": "Ending in spring", "query": "ends=90&kind=seller"}
    )
    assert "The filter is kept as “Ending in spring”." in text_of(page)
    link = re.search(r'<a href="(/console/accounts\?[^"]*)"[^>]*><bdi>Ending in spring', page)
    assert link is not None
    assert link[1].replace("&amp;", "&") == f"{HERE}?kind=seller&ends=90"
    drop = re.search(r'action="(/console/accounts/filters/[^"]+/drop)"', page)
    assert drop is not None
    after = await window.did(drop[1], {"back": HERE})
    assert "Ending in spring</bdi>" not in after


async def test_a_filter_is_its_operators_own(console: Console, window: Window) -> None:
    page = await window.did(f"{HERE}/filters", {"name": "Mine", "query": "q=alder"})
    drop = re.search(r'action="(/console/accounts/filters/[^"]+/drop)"', page)
    assert drop is not None
    other = await console.as_(Role.ADMIN)
    assert "Mine" not in await other.read(HERE)
    assert (await other.post(drop[1])).status_code == 404
    assert "Mine" in await window.read(HERE)


async def test_a_filter_without_a_name_is_told(console: Console, window: Window) -> None:
    page = await window.did(f"{HERE}/filters", {"name": " ", "query": "q=alder"})
    assert 'class="said bad"' in page


# --- the file -------------------------------------------------------------------------------------


def rows_of(content: bytes) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.parametrize("role", Role)
async def test_the_file_holds_what_is_filtered(console: Console, role: Role) -> None:
    for number in range(60):
        await shop(console, name=f"Shop {number:02}")
    codes = ("MILL1", "MILL2")
    await vendor(console, name="Supplier", vendor_codes=codes, client_email="o@mill.example")
    window = await console.as_(role)
    answer = await window.get(f"{HERE}/export.csv?q=shop&page=2")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert len(rows_of(answer.content)) == 60
    [row] = rows_of((await window.get(f"{HERE}/export.csv?kind=vendor")).content)
    assert row["name"] == "Supplier"
    assert row["vendor codes"] == "MILL1 MILL2"
    assert row["update price"] == "not available"
    assert row["ship orders"] == "on"
    assert row["state"] == "awaiting"


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
async def test_no_spreadsheet_runs_a_cell(console: Console, window: Window, start: str) -> None:
    await shop(console, name=f"{start}HYPERLINK(1)")
    [row] = rows_of((await window.get(f"{HERE}/export.csv")).content)
    assert row["name"] == f"'{start}HYPERLINK(1)"
