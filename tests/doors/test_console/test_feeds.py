"""Feeds: how all accounts stand, one account's changes and plan, and what people do about it."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from evergrant.entrances.console import change_sheets
from evergrant.entrances.console.pages import feeds
from evergrant.feeds.files import read_csv
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.flags import Flag
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.rights import SYSTEM, Right, Role
from tests.doors.test_console.conftest import Console, text_of
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
    uncertain,
)
from tests.rooms.hatch_ground import cancellation, invoice, price, refund, shipment, stock


@pytest.fixture
async def account(console: Console) -> str:
    return await console.house.account()


# --- who may ------------------------------------------------------------------------------------


async def test_every_page_and_action_as_each_role(console: Console, account: str) -> None:
    (first,) = await put(console, account, stock())
    home = f"/console/feeds/accounts/{account}"
    pages = ["/console/feeds", home, f"{home}/refused.csv", f"/console/feeds/changes/{first}"]
    for path in pages:
        assert set((await statuses(console, "GET", path)).values()) == {200}, path
    actions = {
        f"{home}/pause": Right.WRITE,
        f"{home}/resume": Right.WRITE,
        f"{home}/run-now": Right.WRITE,
        f"{home}/withdraw": Right.AMAZON_WRITE,
        f"{home}/withdraw/now": Right.AMAZON_WRITE,
    }
    for path, right in actions.items():
        for role, status in (await statuses(console, "POST", path)).items():
            # 409: allowed, and there is nothing to resume any more.
            assert (status != 403) == may(role, right), (path, role, status)
            assert status in (200, 303, 403, 409), (path, role, status)


async def test_nobody_comes_in_from_outside(console: Console, account: str) -> None:
    window = await console.stranger()
    answer = await window.get(f"/console/feeds/accounts/{account}")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/sign-in")
    answer = await window.post(f"/console/feeds/accounts/{account}/pause")
    assert answer.status_code in (401, 403)


@pytest.mark.parametrize(
    "path",
    [
        f"/console/feeds/accounts/acc_{NOBODY}",
        f"/console/feeds/accounts/acc_{NOBODY}/refused.csv",
        "/console/feeds/accounts/nobody",
        f"/console/feeds/changes/chg_{NOBODY}",
        "/console/feeds/changes/..%2f..",
    ],
)
async def test_what_is_not_there(console: Console, path: str) -> None:
    assert (await (await console.as_()).get(path)).status_code == 404


@pytest.mark.parametrize("verb", ["pause", "resume", "run-now", "withdraw"])
async def test_nothing_is_done_for_an_account_that_is_not_there(
    console: Console, verb: str
) -> None:
    answer = await (await console.as_()).post(f"/console/feeds/accounts/acc_{NOBODY}/{verb}")
    assert answer.status_code == 404


# --- all accounts ---------------------------------------------------------------------------------


async def test_all_accounts_at_a_glance(console: Console, account: str) -> None:
    window = await console.as_(Role.SUPPORT)
    assert "Everything is done" in await window.read("/console/feeds")
    changes = await put(console, account, stock("A"), stock("B"), refund(), refund("RMA-2"))
    run = await run_of(console, changes[:2])
    await settle(console, run, ChangeState.ACCEPTED, changes[0])
    await uncertain(console, changes[3])
    page = text_of(await window.read("/console/feeds"))
    assert "Stock 0 1 0 1 0" in page
    assert "Refunds 1 0 1 0 0" in page
    assert "1 uncertain" in page
    name = (await console.desk.accounts.get(account, by=SYSTEM)).account.name
    assert name in page


async def test_why_an_account_waits_and_who_paused_it(console: Console, account: str) -> None:
    lead = await console.as_(Role.TEAM_LEAD)
    assert lead.operator is not None
    await put(console, account, stock())
    said = await lead.did(
        f"/console/feeds/accounts/{account}/pause", {"note": f"stock-taking {MARKUP}"}
    )
    assert "Paused. Changes are still taken" in text_of(said)
    await console.desk.feeds.work.work(account)
    for path in ("/console/feeds", "/console/feeds?show=paused", "/console/feeds?show=somebody"):
        page = await lead.read(path)
        assert lead.operator.name in text_of(page), path
        assert lead.operator.id not in page, path
        assert "stock-taking" in text_of(page)
        assert_harmless(page)
    page = await lead.read(f"/console/feeds/accounts/{account}")
    assert f"Paused by {lead.operator.name}" in text_of(page)
    assert lead.operator.id not in page
    assert "If it were resumed, this would go" in text_of(page)
    assert_harmless(page)
    await lead.did(f"/console/feeds/accounts/{account}/resume", {"back": "/console/feeds"})
    assert "No account is paused" in await lead.read("/console/feeds?show=paused")


async def test_a_way_back_leads_nowhere_else(console: Console, account: str) -> None:
    window = await console.as_()
    answer = await window.post(
        f"/console/feeds/accounts/{account}/pause", {"back": "https://evil.example/console"}
    )
    assert answer.headers["location"] == "/console"


async def test_accounts_come_in_pages(
    console: Console, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "ACCOUNTS", 2)
    monkeypatch.setattr(feeds, "_SCANNED", 2)
    accounts = sorted([account, *[await console.house.account() for _ in range(4)]])
    for one in accounts:
        await put(console, one, stock())
    window = await console.as_()
    names = {
        one: (await console.desk.accounts.get(one, by=SYSTEM)).account.name for one in accounts
    }
    found: list[str] = []
    address = "/console/feeds?show=all"
    for _ in range(3):
        page = await window.read(address)
        found += [one for one in accounts if names[one] in page]
        if "More accounts" not in page:
            break
        address = f"/console/feeds?show=all&after={found[-1]}"
    assert found == accounts


async def test_odd_addresses_open_the_page_all_the_same(console: Console, account: str) -> None:
    window = await console.as_()
    await window.read("/console/feeds?show=nothing&after=%00&after=acc_x")
    await window.read(
        f"/console/feeds/accounts/{account}?state=odd&kind=%3Cb%3E&after=chg_&subject=%3Cimg%3E"
    )


# --- one account ----------------------------------------------------------------------------------


async def test_what_the_next_turn_would_do(console: Console, account: str) -> None:
    await console.desk.accounts.set_flags(account, {Flag.UPDATE_PRICE.value: False}, by=SYSTEM)
    await put(console, account, stock(), price())
    page = text_of(await (await console.as_()).read(f"/console/feeds/accounts/{account}"))
    assert "Stock and prices, single calls DE 1 stock" in page
    assert "1 price The account's switch for it is off." in page
    assert "What is left of Amazon's limits" in page


async def test_much_is_planned_only_when_somebody_asks(
    console: Console, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "PLANNED_AT_ONCE", 1)
    await put(console, account, stock("A"), stock("B"))
    window = await console.as_()
    home = f"/console/feeds/accounts/{account}"
    assert "Work it out" in await window.read(home)
    assert "Stock and prices, single calls" in await window.read(f"{home}?plan=1")


async def test_changes_are_found_the_newest_first(console: Console, account: str) -> None:
    window = await console.as_(Role.AUDITOR)
    changes = await put(
        console, account, stock("A", reference="one"), price("B", reference="two"), refund()
    )
    run = await run_of(console, changes[:2])
    await settle(
        console, run, ChangeState.REFUSED, changes[1], code="90220", message="'colour' is needed"
    )
    home = f"/console/feeds/accounts/{account}"
    page = await window.read(home)
    places = [page.index(f"/console/feeds/changes/{one}") for one in changes]
    assert places == sorted(places, reverse=True)
    for query, there in (
        ("state=refused", {1}),
        ("kind=refund", {2}),
        ("subject=A", {0}),
        ("reference=two", {1}),
        ("state=refused&kind=stock", set()),
    ):
        page = await window.read(f"{home}?{query}")
        shown = {n for n, one in enumerate(changes) if f"/console/feeds/changes/{one}" in page}
        assert shown == there, query
    assert "'colour' is needed" in text_of(await window.read(f"{home}?state=refused"))


async def test_changes_come_in_pages(
    console: Console, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "CHANGES", 2)
    changes = await put(console, account, *[stock(f"S{number}") for number in range(5)])
    window = await console.as_()
    address = f"/console/feeds/accounts/{account}?kind=stock"
    found: list[str] = []
    while True:
        page = await window.read(address)
        found += [one for one in reversed(changes) if f"/console/feeds/changes/{one}" in page]
        if "Older" not in page:
            break
        address = f"/console/feeds/accounts/{account}?kind=stock&after={found[-1]}"
    assert found == list(reversed(changes))


async def test_what_amazon_and_people_write_is_text(console: Console, account: str) -> None:
    sku = "<b>&\"'A"
    (one,) = await put(console, account, stock(sku, reference=MARKUP))
    run = await run_of(
        console, [one], step=RunStep.SETTLED, next_at=None, last_error=MARKUP,
        processing_status=MARKUP, facts={MARKUP: MARKUP}, feed_id=MARKUP, submission=MARKUP,
        marketplace_id=MARKUP, ended_at=console.fakes.clock.now(),
    )  # fmt: skip
    await settle(
        console, run, ChangeState.REFUSED, one, code=MARKUP, message=MARKUP, attribute=MARKUP
    )
    window = await console.as_()
    for path in (
        f"/console/feeds/accounts/{account}",
        f"/console/feeds/runs/{run.id}",
        f"/console/feeds/changes/{one}",
        f"/console/feeds/accounts/{account}?subject={MARKUP}&reference={MARKUP}",
    ):
        page = await window.read(path)
        assert_harmless(page)
        assert "<b>" not in page, path


async def test_one_change_whole(console: Console, account: str) -> None:
    (one,) = await put(console, account, shipment(reference="mine"))
    page = text_of(await (await console.as_()).read(f"/console/feeds/changes/{one}"))
    for words in ("00340434161094", "68828574383266", "mine", "waits", "tracking number"):
        assert words in page


# --- taking back ----------------------------------------------------------------------------------


async def test_taking_back_asks_first(console: Console, account: str) -> None:
    window = await console.as_(Role.TEAM_LEAD)
    changes = await put(console, account, stock("A"), stock("B"), stock("C"))
    home = f"/console/feeds/accounts/{account}"
    answer = await window.post(f"{home}/withdraw", {"change": changes[:2]})
    assert answer.status_code == 200
    assert "Take back 2 changes?" in text_of(answer.text)
    assert [(await change(console, one)).state for one in changes] == [ChangeState.PENDING] * 3
    page = await window.did(f"{home}/withdraw/now", {"change": changes[:2]})
    assert "Taken back: 2." in text_of(page)
    states = [(await change(console, one)).state for one in changes]
    assert states == [ChangeState.WITHDRAWN, ChangeState.WITHDRAWN, ChangeState.PENDING]
    page = await window.did(f"{home}/withdraw/now", {"change": changes[:2]})
    assert "had moved on" in text_of(page)


async def test_all_of_a_filter_are_taken_back(console: Console, account: str) -> None:
    window = await console.as_()
    changes = await put(console, account, stock("A"), price("A"), stock("B"))
    home = f"/console/feeds/accounts/{account}"
    answer = await window.post(f"{home}/withdraw", {"all": "yes", "kind": "stock"})
    assert "Take back 2 changes?" in text_of(answer.text)
    assert changes[0] in answer.text
    assert changes[1] not in answer.text
    page = await window.did(
        f"{home}/withdraw", {"all": "yes", "state": "refused", "kind": "refund"}
    )
    assert "Nothing of that waits" in text_of(page)


async def test_changes_of_another_account_are_not_shown_as_this_ones(
    console: Console, account: str
) -> None:
    (other,) = await put(console, await console.house.account(), stock())
    window = await console.as_()
    home = f"/console/feeds/accounts/{account}"
    assert (await window.post(f"{home}/withdraw", {"change": other})).status_code == 404
    answer = await window.post(f"{home}/withdraw/now", {"change": f"chg_{NOBODY}"})
    assert answer.status_code == 404
    answer = await window.post(f"{home}/withdraw/now", {"change": "no id"})
    assert answer.status_code == 422


# --- what was refused, as a file ------------------------------------------------------------------


async def test_what_was_refused_comes_back_as_a_file_that_can_be_handed_in_again(
    console: Console, account: str
) -> None:
    lines = [
        stock("=cmd|' /C calc'!A0", 7, marketplace="FR", reference="-1+1"),
        price("'=B", "10.50"),
        shipment(),
        cancellation("302-1234567-0000009"),
        refund(items=[
            {"order_item_id": "68828574383266", "principal": "16.80", "tax": "3.19"},
            {"order_item_id": "68828574383274", "principal": "5.00"},
        ]),
        invoice(),
    ]  # fmt: skip
    changes = await put(console, account, *lines)
    run = await run_of(console, changes)
    await settle(console, run, ChangeState.REFUSED, *changes, code="8541", message="=1+1")
    answer = await (await console.as_(Role.SUPPORT)).get(
        f"/console/feeds/accounts/{account}/refused.csv"
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="refused-shop-')
    cells = [cell for row in csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))) for cell in row]
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r")]
    assert "8541: =1+1" in cells
    read = read_csv(answer.content)
    again = await console.house.account()
    taken = await console.desk.feeds.intake.put(again, read.lines, by=SYSTEM)
    assert [one.flaws for one in taken.answers if one.flaws] == []
    assert taken.taken == 5  # the PDF of an invoice is no table
    before = {one.kind: one for one in [await change(console, one) for one in changes]}
    for one in taken.answers:
        made = await change(console, one.change_id)
        old = before[made.kind]
        assert (made.subject, made.wish, made.marketplace_id, made.reference) == (
            old.subject, old.wish, old.marketplace_id, old.reference,
        )  # fmt: skip


async def test_only_what_was_refused_lately_is_in_the_file(console: Console, account: str) -> None:
    (old,) = await put(console, account, stock("OLD"))
    await settle(console, await run_of(console, [old]), ChangeState.REFUSED, old)
    console.fakes.clock.move(days=feeds.REFUSED_FOR / timedelta(days=1) + 1)
    new, waiting = await put(console, account, stock("NEW"), stock("WAITING"))
    assert waiting
    await settle(console, await run_of(console, [new]), ChangeState.REFUSED, new)
    answer = await (await console.as_()).get(f"/console/feeds/accounts/{account}/refused.csv")
    assert "NEW" in answer.text
    assert "OLD" not in answer.text
    assert "WAITING" not in answer.text


async def test_changes_that_no_table_holds_are_left_out(console: Console, account: str) -> None:
    (one,) = await put(console, account, invoice())
    assert change_sheets.rows_of(await change(console, one), STANDARD) is None


async def test_runs_are_listed_open_ones_first(console: Console, account: str) -> None:
    changes = await put(console, account, stock("A"), stock("B"), stock("C"))
    now = console.fakes.clock.now()
    over = await run_of(console, [changes[0]], step=RunStep.SETTLED, next_at=None, ended_at=now)
    opened = await run_of(console, [changes[1]], path=Path.LISTINGS_FEED, step=RunStep.PROCESSING)
    later = await run_of(console, [changes[2]], step=RunStep.FAILED, next_at=None, ended_at=now)
    page = await (await console.as_()).read(f"/console/feeds/accounts/{account}")
    places = [page.index(f"/console/feeds/runs/{one.id}") for one in (opened, later, over)]
    assert places == sorted(places)
    assert "Amazon works on it" in page
