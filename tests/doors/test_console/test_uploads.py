"""Handing in a file: the preview, taking it once, and following it."""

from __future__ import annotations

import asyncio
import re
import secrets
from html import unescape
from typing import Any

import httpx2
import pytest

from evergrant.accounts import NewAccount
from evergrant.entrances.bodies import BodyLimit
from evergrant.entrances.console import carried, change_sheets
from evergrant.entrances.console.pages import uploads
from evergrant.entrances.large_bodies import LARGEST_FILE
from evergrant.errors import InvalidInput
from evergrant.feeds.files import read_csv
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.marketplaces import PartnerKind, VendorKind
from evergrant.rules.rights import SYSTEM, Right, Role
from tests.doors.test_console.conftest import Console, Window, text_of
from tests.doors.test_console.trade_ground import (
    MARKUP,
    NOBODY,
    assert_harmless,
    change,
    may,
    put,
    run_of,
    settle,
    statuses,
    upload,
)
from tests.rooms.hatch_ground import stock

STOCK = "kind,sku,quantity,reference\nstock,MUG-1,12,a\nstock,MUG-2,0,b\n"


@pytest.fixture
async def account(console: Console) -> str:
    return await console.house.account()


def hidden(page: str) -> dict[str, list[str]]:
    """The hidden fields of the page's own form."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page):
        found.setdefault(unescape(name), []).append(unescape(value))
    return {name: found[name] for name in ("key", "kind", "name", "content") if name in found}


async def take(window: Window, account_id: str, page: str, **other: Any) -> Any:
    return await window.post(
        f"/console/accounts/{account_id}/upload/take", {**hidden(page), **other}
    )


# --- who may --------------------------------------------------------------------------------------


async def test_every_page_and_action_as_each_role(console: Console, account: str) -> None:
    taken = await console.desk.feeds.intake.put(account, [stock()], by=SYSTEM)
    page = f"/console/accounts/{account}/intakes/{taken.intake_id}"
    assert set((await statuses(console, "GET", page)).values()) == {200}
    home = f"/console/accounts/{account}/upload"
    for method, path in (
        ("GET", "/console/feeds/upload"),
        ("GET", home),
        ("GET", f"{home}/template.csv?kind=stock"),
        ("POST", home),
        ("POST", f"{home}/take"),
    ):
        for role, status in (await statuses(console, method, path)).items():
            assert (status != 403) == may(role, Right.AMAZON_WRITE), (path, role, status)
            assert status in (200, 403, 422), (path, role, status)


@pytest.mark.parametrize(
    "path",
    [
        f"/console/accounts/acc_{NOBODY}/upload",
        f"/console/accounts/acc_{NOBODY}/upload/template.csv?kind=stock",
        f"/console/accounts/acc_{NOBODY}/intakes/itk_{NOBODY}",
    ],
)
async def test_what_is_not_there(console: Console, path: str) -> None:
    assert (await (await console.as_()).get(path)).status_code == 404


async def test_nothing_is_taken_for_an_account_that_is_not_there(console: Console) -> None:
    window = await console.as_()
    assert (await upload(window, f"acc_{NOBODY}", STOCK)).status_code == 404
    answer = await window.post(f"/console/accounts/acc_{NOBODY}/upload/take", {"content": "x"})
    assert answer.status_code == 404


async def test_a_batch_of_another_account_is_not_shown(console: Console, account: str) -> None:
    taken = await console.desk.feeds.intake.put(account, [stock()], by=SYSTEM)
    other = await console.house.account()
    window = await console.as_()
    path = f"/console/accounts/{other}/intakes/{taken.intake_id}"
    assert (await window.get(path)).status_code == 404


# --- files to begin with --------------------------------------------------------------------------

KINDS_OF_ACCOUNTS = [
    (PartnerKind.SELLER, None, "DE"),
    (PartnerKind.SELLER, None, "JP"),
    (PartnerKind.VENDOR, VendorKind.RETAIL, "DE"),
    (PartnerKind.VENDOR, VendorKind.DIRECT_FULFILLMENT, "DE"),
]


@pytest.mark.parametrize(("partner_kind", "vendor_kind", "home"), KINDS_OF_ACCOUNTS)
async def test_every_example_is_taken_as_it_stands(
    console: Console, partner_kind: PartnerKind, vendor_kind: VendorKind | None, home: str
) -> None:
    made = await console.desk.accounts.add(
        NewAccount(
            name=f"Shop in {home}",
            partner_kind=partner_kind,
            vendor_kind=vendor_kind,
            client_email="owner@shop.example",
            application_id=console.house.application_id,
            client_instance_id=console.house.instance_id,
            region="fe" if home == "JP" else "eu",
            home_marketplace=home,
            vendor_codes=("ABC12",) if vendor_kind else (),
        ),
        by=SYSTEM,
    )
    window = await console.as_()
    page = await window.read(f"/console/accounts/{made.id}/upload")
    kinds = re.findall(r"template\.csv\?kind=(\w+)", page)
    assert kinds
    for kind in kinds:
        path = f"/console/accounts/{made.id}/upload/template.csv?kind={kind}"
        answer = await window.get(path)
        assert f"{kind}-template.csv" in answer.headers["content-disposition"]
        read = read_csv(answer.content)
        taken = await console.desk.feeds.intake.judge(made.id, read.lines, by=SYSTEM)
        assert [one.flaws for one in taken.answers if one.flaws] == [], kind
        assert taken.taken
    for kind in set(ChangeKind) - {ChangeKind(one) for one in kinds}:
        path = f"/console/accounts/{made.id}/upload/template.csv?kind={kind.value}"
        assert (await window.get(path)).status_code == 404


def test_every_column_of_a_template_is_one_that_files_of_ours_have() -> None:
    sheets = [*change_sheets._OF_DIRECT.values(), *change_sheets._OF_RETAIL.values()]
    sheets += [
        sheet
        for kind in ChangeKind
        if (sheet := change_sheets._of_seller(kind, "EUR", "DE", "2026-01-01T00:00:00Z"))
    ]
    for sheet in sheets:
        assert set(sheet.columns) <= set(change_sheets.COLUMNS), sheet.kind


# --- the preview ----------------------------------------------------------------------------------


async def test_the_preview_takes_nothing(console: Console, account: str) -> None:
    window = await console.as_(Role.TEAM_LEAD)
    answer = await upload(window, account, STOCK + "stock,,x,\n", name="stock.csv")
    assert answer.status_code == 200
    text = text_of(answer.text)
    assert "Preview of stock.csv" in text
    assert "3 lines 2 to be taken 1 refused" in text
    assert "Take 2 lines and leave 1 out" in text
    assert "must be a whole number" in text
    assert "12 in stock" in text
    assert await console.desk.feeds.ledger.changes(account, by=SYSTEM) == []
    async with console.desk.store.transaction() as tx:
        assert await tx.intakes.all() == []


async def test_money_stands_out(console: Console, account: str) -> None:
    refunds = (
        "reference;order_id;currency;reason;order_item_id;principal;tax\n"
        "RMA-1;302-1234567-1234567;EUR;CustomerReturn;68828574383266;16,80;3,19\n"
        "RMA-2;302-1234567-1234568;EUR;CustomerReturn;68828574383266;5,00;\n"
        "RMA-3;302-1234567-1234568;USD;CustomerReturn;68828574383266;900;\n"
    )
    window = await console.as_()
    page = (await upload(window, account, refunds, kind="refund")).text
    assert "Money goes back to buyers: 24.99 EUR ." in text_of(page)
    assert page.count('<tr class="money">') == 2
    assert "currency" in page


async def test_columns_that_nobody_knows_are_told(console: Console, account: str) -> None:
    window = await console.as_()
    content = "kind,sku,quantity,colour,remark\nstock,A,1,red,said\n"
    page = (await upload(window, account, content)).text
    assert re.search(r'class="unknown"[^>]*>colour', page)
    assert re.search(r'class="known"[^>]*>quantity', page)
    assert "remark" not in text_of(page)


async def test_refused_lines_are_shown_before_others(
    console: Console, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "SHOWN", 3)
    rows = [f"stock,SKU-{n},{'x' if n == 8 else n}" for n in range(10)]
    content = "\n".join(["kind,sku,quantity", *rows, ""])
    page = text_of((await upload(await console.as_(), account, content)).text)
    assert "3 of 10, those that are refused first of all" in page
    assert "SKU-8" in page
    assert "SKU-5" not in page


async def test_what_waits_is_said_before(console: Console, account: str) -> None:
    await console.desk.feeds.work.pause(account, by=SYSTEM)
    page = text_of((await upload(await console.as_(), account, STOCK)).text)
    assert "Somebody paused the account." in page


async def test_what_a_file_holds_is_text(console: Console, account: str) -> None:
    cell = '"' + MARKUP.replace('"', '""') + '"'
    content = f"kind,sku,quantity,marketplace,{cell}\nstock,{cell},1,{cell},{cell}\n"
    answer = await upload(await console.as_(), account, content, name=MARKUP)
    assert answer.status_code == 200
    assert_harmless(answer.text)


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "", "is needed"),
        (b"\x00\x01\x02", "", "not a text file"),
        (b"a,b\n1,2\n", "", "names no field that is known"),
        (b"kind,sku\n", "", "no row below the names"),
        (b"sku,quantity\nA,1\n", "magic", "is no kind of change"),
    ],
)
async def test_a_file_that_is_none(
    console: Console, account: str, content: bytes, kind: str, words: str
) -> None:
    answer = await upload(await console.as_(), account, content, kind=kind)
    assert answer.status_code == 422
    assert words in text_of(answer.text)
    assert "Look at it first" in answer.text


async def test_a_file_that_is_too_large(console: Console, account: str) -> None:
    window = await console.as_()
    answer = await upload(window, account, b"x" * (LARGEST_FILE + 1))
    assert answer.status_code == 422
    assert "A file may have 20 MiB here." in text_of(answer.text)
    too_many = "kind,sku,quantity\n" + "stock,A,1\n" * 10_001
    answer = await upload(window, account, too_many)
    assert answer.status_code == 422
    assert "one may have 10000" in text_of(answer.text)


async def test_a_file_of_many_megabytes_is_taken(console: Console, account: str) -> None:
    """Behind the same limit as in a process that serves: other forms keep to the usual one."""
    window = await console.as_()
    limit = console.settings.body_limit
    console.app = BodyLimit(console.app, limit)
    window.client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=console.app),
        base_url="http://console.test",
        cookies=window.client.cookies,
    )
    rows = [f"stock,MUG-{number},{number % 90},{secrets.token_hex(400)}" for number in range(4_000)]
    text = "\n".join(["kind,sku,quantity,remark", *rows, ""])
    assert len(text) > 3 * limit
    answer = await upload(window, account, text)
    assert answer.status_code == 200, text_of(answer.text)[:300]
    page = answer.text
    assert "4,000" in text_of(page)
    taken = await take(window, account, page)
    assert taken.status_code == 303, text_of(taken.text)[:300]

    beyond = await upload(window, account, b"x" * (LARGEST_FILE + 128 * 1024))
    assert beyond.status_code == 413
    assert "larger than this page takes (20 MiB). Nothing was changed." in text_of(beyond.text)
    other = await window.post("/console/accounts/new", {"name": "x" * limit})
    assert other.status_code == 413
    assert "larger than this page takes (1 MiB)" in text_of(other.text)
    await window.client.aclose()


async def test_few_large_files_at_a_time(console: Console, account: str) -> None:
    window = await console.as_()
    large = "kind,sku,quantity,remark\n" + f"stock,A,1,{'x' * 400}\n" * 5_000
    assert len(large) > console.settings.body_limit
    answers = await asyncio.gather(*(upload(window, account, large) for _ in range(4)))
    codes = [one.status_code for one in answers]
    assert sorted(codes) == [200, 200, 429, 429]
    (first, *_) = [one for one in answers if one.status_code == 429]
    assert "Send it again in some seconds" in text_of(first.text)


# --- taking ---------------------------------------------------------------------------------------


async def test_what_was_previewed_is_taken_and_followed(console: Console, account: str) -> None:
    window = await console.as_()
    page = (await upload(window, account, STOCK + "stock,,x,\n", name="stock.csv")).text
    after = await window.follow(await take(window, account, page))
    text = text_of(after)
    assert "2 lines taken." in text
    assert "stock.csv of 3 lines" in text
    assert window.operator is not None
    assert window.operator.name in text
    assert "0 of 2" in text
    assert "must be a whole number" in text
    changes = await console.desk.feeds.ledger.changes(account, by=SYSTEM)
    assert [one.subject for one in changes] == ["MUG-1", "MUG-2"]
    run = await run_of(console, [changes[0].id])
    await settle(console, run, ChangeState.REFUSED, changes[0].id, message=f"no {MARKUP}")
    path = f"/console/accounts/{account}/intakes/{changes[0].intake_id}"
    after = await window.read(path)
    assert "1 of 2" in text_of(after)
    assert_harmless(after)
    only = await window.read(f"{path}?state=refused")
    assert "MUG-1" in only
    assert "MUG-2" not in text_of(only)
    assert "MUG-2" in await window.read(f"{path}?state=odd")


async def test_a_double_click_takes_once(console: Console, account: str) -> None:
    window = await console.as_()
    page = (await upload(window, account, STOCK)).text
    first, second = await asyncio.gather(take(window, account, page), take(window, account, page))
    assert first.headers["location"] == second.headers["location"]
    third = await take(window, account, page)
    assert third.headers["location"] == first.headers["location"]
    assert "nothing was taken twice" in text_of(await window.follow(third))
    assert len(await console.desk.feeds.ledger.changes(account, by=SYSTEM)) == 2
    async with console.desk.store.transaction() as tx:
        assert len(await tx.intakes.all()) == 1


async def test_the_same_file_again_is_another_batch(console: Console, account: str) -> None:
    window = await console.as_()
    for _ in range(2):
        page = (await upload(window, account, STOCK)).text
        assert (await take(window, account, page)).status_code == 303
    async with console.desk.store.transaction() as tx:
        assert len(await tx.intakes.all()) == 2


async def test_a_key_stands_for_what_was_previewed(console: Console, account: str) -> None:
    window = await console.as_()
    page = (await upload(window, account, STOCK)).text
    assert (await take(window, account, page)).status_code == 303
    other = carried.packed(b"kind,sku,quantity\nstock,OTHER,1\n")
    answer = await take(window, account, page, content=list(other))
    assert answer.status_code == 422
    assert "came before, with other lines" in text_of(answer.text)
    subjects = [one.subject for one in await console.desk.feeds.ledger.changes(account, by=SYSTEM)]
    assert subjects == ["MUG-1", "MUG-2"]


@pytest.mark.parametrize(
    "spoilt", [{"content": "!!"}, {"content": ["eJw="]}, {"content": []}, {"key": ""}]
)
async def test_a_form_that_is_not_whole_takes_nothing(
    console: Console, account: str, spoilt: dict[str, Any]
) -> None:
    window = await console.as_()
    page = (await upload(window, account, STOCK)).text
    answer = await take(window, account, page, **spoilt)
    assert answer.status_code == 422
    assert await console.desk.feeds.ledger.changes(account, by=SYSTEM) == []


async def test_a_large_file_goes_out_and_comes_in(console: Console, account: str) -> None:
    rows = [f"stock,SKU-{n * 7919 % 100_000}-{n},{n}" for n in range(10_000)]
    content = "\n".join(["kind,sku,quantity", *rows, ""]).encode()
    window = await console.as_()
    page = (await upload(window, account, content)).text
    answer = await take(window, account, page)
    assert answer.status_code == 303, text_of(answer.text)[:300]
    (row,) = await put(console, account, stock("MORE"))
    (one, *_) = await console.desk.feeds.ledger.changes(account, by=SYSTEM, subject="SKU-7919-1")
    assert (one.wish["quantity"], (await change(console, row)).subject) == (1, "MORE")


def test_what_is_carried_comes_back() -> None:
    for content in (b"", b"a", bytes(range(256)) * 3000, "ä;ö\r\n".encode("utf-16")):
        pieces = carried.packed(content)
        assert all(len(one) <= 200_000 for one in pieces)
        assert carried.unpacked(pieces, len(content) or 1) == content


@pytest.mark.parametrize("pieces", [["x"], [""], [], ["\u00e4"], ["eJw="]])
def test_what_did_not_come_back_as_it_went_out(pieces: list[str]) -> None:
    with pytest.raises(InvalidInput):
        carried.unpacked(pieces, 1000)


def test_nobody_unpacks_more_than_was_said() -> None:
    with pytest.raises(InvalidInput):
        carried.unpacked(carried.packed(bytes(10_000_000)), 1_000_000)


# --- for whom -------------------------------------------------------------------------------------


async def test_any_account_can_be_chosen(console: Console, account: str) -> None:
    name = (await console.desk.accounts.get(account, by=SYSTEM)).account.name
    other = await console.house.account()
    window = await console.as_()
    page = await window.read("/console/feeds/upload")
    assert f"/console/accounts/{account}/upload" in page
    page = await window.read(f"/console/feeds/upload?q={name.rpartition(' ')[2]}")
    assert f"/console/accounts/{account}/upload" in page
    assert f"/console/accounts/{other}/upload" not in page
    assert "No account fits" in await window.read("/console/feeds/upload?q=%3Cimg%3E-zzz")
