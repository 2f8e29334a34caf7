"""The first page: what needs somebody and what helps, the year as a picture, the house."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta

import pytest

from evergrant.entrances.console import build
from evergrant.entrances.console.doors import all_doors
from evergrant.entrances.console.pages import overview as page
from evergrant.naming import new_id
from evergrant.ports.budgets import Share, Wish
from evergrant.ports.pulse import PulseSeen, WorkerSeen
from evergrant.ports.things import CallCount, OutboxItem, OutboxKind, OutboxState
from evergrant.ports.traded import Change
from evergrant.rules import ids
from evergrant.rules.budgets import Plan
from evergrant.rules.changes import LANES, ChangeKind, ChangeState
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import Role
from tests.doors.test_console.conftest import Console, text_of

CATALOG = "catalog.2022-04-01.searchCatalogItems"
HOSTILE = """<script>alert(1)</script>"><img src=x onerror='alert(2)'>"""


def part(html: str, id: str) -> str:
    """The region of that id, as far as the next one."""
    found = re.search(rf'<(\w+)[^>]* id="{id}".*?</\1>', html, flags=re.DOTALL)
    assert found, f"no {id} on the page"
    return found[0]


async def renamed(console: Console, account_id: str, name: str) -> None:
    async with console.desk.store.transaction() as tx:
        assert await tx.accounts.change(account_id, name=name)


async def lapsed(console: Console, days: int = 3) -> str:
    account_id = await console.house.account()
    await renamed(console, account_id, "Heron Books")
    console.fakes.clock.move(days=365 + days)
    async with console.desk.store.transaction() as tx:
        found = await tx.authorizations.one(account_id=account_id)
        assert found is not None
        await tx.authorizations.change(found.id, state=State.LAPSED)
    return account_id


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_opens_it(console: Console, role: Role) -> None:
    await console.house.account()
    html = await (await console.as_(role)).read("/console")
    for region in ("needs", "terms", "health", "feeds", "limits"):
        assert f'id="overview-{region}" data-live' in html
    assert 'data-news="*"' in html


async def test_strangers_are_sent_to_sign_in(console: Console) -> None:
    answer = await (await console.stranger()).get("/console")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")


async def test_a_house_with_nothing_in_it_says_how_to_begin(console: Console) -> None:
    async with console.desk.store.transaction() as tx:
        for one in await tx.safe.all():
            await tx.safe.drop(one.id)
        await tx.credentials.drop(console.house.application_id)
        await tx.applications.drop(console.house.application_id)
    admin = await (await console.as_(Role.ADMIN)).read("/console")
    assert "Next: " in admin
    assert 'href="/console/set-up">Go on' in admin


async def test_nobody_needs_anybody(console: Console) -> None:
    html = await (await console.as_()).read("/console")
    assert "Nobody needs you now." in text_of(part(html, "overview-needs"))


async def test_a_lapsed_account_stands_there_with_what_helps(console: Console) -> None:
    account_id = await lapsed(console)
    html = await (await console.as_(Role.SUPPORT)).read("/console")
    needs = part(html, "overview-needs")
    assert "Heron Books" in needs
    assert "Lapsed" in text_of(needs)
    assert f'href="/console/accounts/{account_id}"' in needs
    assert "1 account lapsed already" in text_of(part(html, "overview-terms"))


async def test_letters_that_stay_in_the_house_are_told_to_do_so(console: Console) -> None:
    words = "they stay in the development mailbox"
    window = await console.as_(Role.SUPPORT)
    assert words not in text_of(await window.read("/console"))
    without_relay = dataclasses.replace(
        console, app=build(console.desk, console.settings, has_mailbox=True)
    )
    window = await without_relay.as_(Role.SUPPORT)
    assert words in text_of(await window.read("/console"))


async def test_who_may_only_look_is_told_so(console: Console) -> None:
    end = console.fakes.clock.now() + timedelta(days=5)
    async with console.desk.store.transaction() as tx:
        await tx.credentials.change(console.house.application_id, secret_expires_at=end)
    for role, words in ((Role.ADMIN, "Rotate the secret"), (Role.SUPPORT, "See the application")):
        page = text_of(await (await console.as_(role)).read("/console"))
        assert words in page
        assert ("Rotate the secret" in page) is (role is Role.ADMIN)


async def test_nobody_is_shown_the_way_to_a_door_that_stays_closed(console: Console) -> None:
    await lapsed(console)
    for role in Role:
        window = await console.as_(role)
        html = await window.read("/console")
        ways = re.findall(r'<td class="helps"><a [^>]*href="([^"]+)"', html)
        for way in ways:
            answer = await window.get(way.partition("#")[0])
            assert answer.status_code != 403, (role, way)


async def test_many_are_cut_and_counted(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_NEEDS", 2)
    for _ in range(4):
        await console.house.account(connected=False)
    needs = part(await (await console.as_()).read("/console"), "overview-needs")
    assert "And 2 more." in text_of(needs)
    assert "/console/accounts?needs=1&amp;sort=needs" in needs


async def test_the_year_as_a_picture_and_as_a_table(console: Console) -> None:
    account_id = await console.house.account()
    await renamed(console, account_id, "Heron Books")
    now = console.fakes.clock.now()
    ends_at = now + timedelta(days=364)
    async with console.desk.store.transaction() as tx:
        found = await tx.authorizations.one(account_id=account_id)
        assert found is not None
        await tx.authorizations.change(found.id, granted_at=now, term_ends_at=ends_at)
    html = await (await console.as_()).read("/console")
    terms = part(html, "overview-terms")
    assert "<svg" in terms
    assert "1 authorization" in text_of(terms)
    table = terms[terms.index("<table") :]
    assert f'href="/console/accounts/{account_id}"' in table
    assert "1 March 2027" in text_of(table)


async def test_what_partners_write_is_shown_as_text(console: Console) -> None:
    await renamed(console, await console.house.account(), HOSTILE)
    await renamed(console, await lapsed(console), f"{HOSTILE} lapsed")
    html = await (await console.as_()).read("/console")
    assert "<script>alert" not in html
    assert "<img" not in html
    assert not re.search(r'\s(style|on\w+)="', html)


def tile(html: str, name: str) -> str:
    return text_of(part(html, f"tile-{name}"))


async def test_tiles_say_in_words_how_the_house_is(console: Console) -> None:
    await console.house.account()
    html = await (await console.as_()).read("/console")
    assert "Well" in tile(html, "lwa")
    assert "Every letter has left." in tile(html, "mail")
    assert "1 worker at work." in tile(html, "workers")
    assert "Last sign of life 0 s ago." in tile(html, "workers")


async def test_a_queue_without_workers_is_told(console: Console) -> None:
    now = console.fakes.clock.now()
    gone = WorkerSeen(id="1", last_heartbeat_at=now - timedelta(minutes=10))
    console.fakes.pulse.seen = PulseSeen(
        looked_at=now, waiting={"post": 3}, oldest_waiting_s=600, workers=(gone,)
    )
    html = await (await console.as_()).read("/console")
    assert "Look now" in tile(html, "workers")
    assert "Last sign of life 600 s ago." in tile(html, "workers")
    assert "3 due" in tile(html, "queue")


async def test_a_queue_that_nobody_can_look_at_breaks_no_page(console: Console) -> None:
    console.fakes.pulse.down = True
    html = await (await console.as_()).read("/console")
    assert "Nobody could look at the queue." in tile(html, "queue")


async def test_letters_that_failed_are_counted(console: Console) -> None:
    now = console.fakes.clock.now()
    item = OutboxItem(
        id=new_id(ids.Kind.OUTBOX, now),
        kind=OutboxKind.MAIL,
        topic="invitation",
        subject="inv_1",
        to="heron@partner.example",
        state=OutboxState.FAILED,
        last_error=HOSTILE,
        next_at=now,
        created_at=now,
        ended_at=now,
    )
    async with console.desk.store.transaction() as tx:
        await tx.outbox.add(item)
    html = await (await console.as_()).read("/console")
    assert "1 failed in 24 hours" in tile(html, "mail")
    assert "heron@partner.example" not in html


async def test_todays_feeds_by_kind(console: Console) -> None:
    account_id = await console.house.account()
    now = console.fakes.clock.now()
    changes = [
        Change(
            id=f"chg_{number:06}",
            account_id=account_id,
            kind=ChangeKind.STOCK,
            lane=LANES[ChangeKind.STOCK],
            marketplace_id="M1",
            subject=f"SKU-{number}",
            key=f"SKU-{number}",
            wish={"sku": f"SKU-{number}", "quantity": number},
            intake_id="int_1",
            line=number,
            created_at=now - timedelta(hours=2),
        )
        for number in range(1, 4)
    ]
    refused = dataclasses.replace(
        changes[2], state=ChangeState.REFUSED, settled_at=now - timedelta(hours=1)
    )
    async with console.desk.store.transaction() as tx:
        await tx.changes.add_all([*changes[:2], refused])
    feeds = part(await (await console.as_()).read("/console"), "overview-feeds")
    (stock,) = re.findall(r"<tr>\s*<th scope=\"row\">Stock</th>.*?</tr>", feeds, flags=re.DOTALL)
    assert text_of(stock) == "Stock 2 since 2 hours ago 0 0 1 0"
    assert feeds.count('class="quiet"') >= 5


async def test_limits_that_were_met(console: Console) -> None:
    account_id = await console.house.account()
    now = console.fakes.clock.now()
    hour = now.replace(minute=0)
    row = CallCount(
        id=f"{account_id}/getOrders/{hour:%H}",
        account_id=account_id,
        operation="getOrders",
        hour_at=hour,
        calls=40,
        waits=3,
        waited_ms=4500,
        throttled=2,
        last_at=now,
    )
    async with console.desk.store.transaction() as tx:
        await tx.call_counts.add_up([row])
    limits = part(await (await console.as_()).read("/console"), "overview-limits")
    assert "getOrders" in limits
    assert "3 4.5 s in all" in text_of(limits)


async def test_a_limit_that_no_call_met_yet_and_is_near_its_end(console: Console) -> None:
    account_id = await console.house.account()
    now = console.fakes.clock.now()
    row = CallCount(
        id=f"{account_id}/catalog", account_id=account_id, operation=CATALOG,
        hour_at=now.replace(minute=0), calls=19, last_at=now,
    )  # fmt: skip
    async with console.desk.store.transaction() as tx:
        account = await tx.accounts.get(account_id)
        assert account is not None
        await tx.call_counts.add_up([row])
    name = f"{account.application_id}/{account_id}/eu/{CATALOG}"
    share = Share(bucket=name, plan=Plan(0.001, 20))
    await console.fakes.budgets.take(Wish(shares=[share], most=17))
    window = await console.as_()
    console.fakes.clock.move(seconds=31)  # figures are kept for a while
    limits = text_of(part(await window.read("/console"), "overview-limits"))
    assert "No limit is near its end" in limits
    await console.fakes.budgets.take(Wish(shares=[share], most=2))
    console.fakes.clock.move(seconds=31)
    html = await window.read("/console")
    limits = text_of(part(html, "overview-limits"))
    assert CATALOG in limits
    assert "1 of 20" in limits
    assert "1 bucket of calls nearly empty" in tile(html, "limits")


async def test_an_overview_of_many_is_small_and_costs_few_questions(console: Console) -> None:
    for _ in range(30):
        await console.house.account(connected=False)
    html = await (await console.as_()).read("/console")
    assert len(html.encode()) < 100_000


def test_the_page_is_the_door_behind_the_console_itself() -> None:
    assert [door.path for door in page.DOORS] == ["/console"]
    assert page.DOORS[0] in all_doors()
