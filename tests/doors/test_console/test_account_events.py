"""What the client instance was told of one account."""

from __future__ import annotations

import re

import pytest

from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import MARKUP, WRITERS, public, shop
from tests.doors.test_console.conftest import Console, Window, text_of

HOOKS = "https://erp.example/hooks"


@pytest.fixture
async def window(console: Console) -> Window:
    await public(console)
    return await console.as_(Role.SUPPORT)


async def told(console: Console, account_id: str, times: int = 1) -> None:
    for number in range(times):
        await console.desk.accounts.set_flags(
            account_id, {"update_price": bool(number % 2)}, by=SYSTEM
        )


async def hooked(console: Console, url: str = HOOKS) -> None:
    await console.desk.registry.change_instance(
        console.house.instance_id, {"webhook_url": url}, by=SYSTEM
    )


async def event_id(console: Console, account_id: str) -> str:
    [event] = await console.desk.post.events(by=SYSTEM, account_id=account_id)
    return event.id


async def test_newest_first_in_pages(console: Console, window: Window) -> None:
    account = await shop(console)
    here = f"/console/accounts/{account.id}/events"
    assert "Nothing yet." in text_of(await window.read(here))
    await told(console, account.id, 53)
    first = await window.read(here)
    shown = re.findall(r'id="e-(evt_\w+)"', first)
    everything = [
        one.id for one in await console.desk.post.events(by=SYSTEM, account_id=account.id)
    ]
    assert shown == everything[:2:-1]
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    last = await window.read(older[1])
    assert re.findall(r'id="e-(evt_\w+)"', last) == everything[2::-1]


async def test_how_each_went(console: Console, window: Window) -> None:
    account = await shop(console)
    await hooked(console)
    here = f"/console/accounts/{account.id}/events"
    await told(console, account.id)
    assert "waits" in text_of(await window.read(here))
    for item in await console.desk.post.sweep():
        await console.desk.post.deliver(item)
    assert "arrived" in text_of(await window.read(here))
    await told(console, account.id, 2)
    console.fakes.webhooks.fail_next(permanent=True)
    for item in await console.desk.post.sweep():
        await console.desk.post.deliver(item)
    page = text_of(await window.read(here))
    assert "given up" in page
    assert "The receiver answered 410." in page


@pytest.mark.parametrize("role", WRITERS)
async def test_sent_again(console: Console, role: Role) -> None:
    account, window = await shop(console), await console.as_(role)
    await hooked(console)
    await told(console, account.id)
    for item in await console.desk.post.sweep():
        await console.desk.post.deliver(item)
    assert len(console.fakes.webhooks.posts) == 1
    event = await event_id(console, account.id)
    here = f"/console/accounts/{account.id}/events"
    page = text_of(await window.did(f"{here}/{event}/resend"))
    assert "account.changed is on its way once more." in page
    console.fakes.clock.move(seconds=2)
    for item in await console.desk.post.sweep():
        await console.desk.post.deliver(item)
    assert len(console.fakes.webhooks.posts) == 2


async def test_without_an_address_it_says_so(console: Console, window: Window) -> None:
    account = await shop(console)
    await told(console, account.id)
    event = await event_id(console, account.id)
    here = f"/console/accounts/{account.id}/events"
    assert "it reads events by itself" in text_of(await window.read(here))
    assert 'class="said bad"' in await window.did(f"{here}/{event}/resend")


async def test_an_event_of_another_account(console: Console, window: Window) -> None:
    account, other = await shop(console), await shop(console)
    await hooked(console)
    await told(console, other.id)
    event = await event_id(console, other.id)
    for id in (event, "evt_1", MARKUP):  # noqa: A001
        path = f"/console/accounts/{account.id}/events/{id}/resend"
        answer = await window.post(path)
        assert answer.status_code == 404


@pytest.mark.parametrize("after", ["x", "-1", "9" * 40, MARKUP])
async def test_an_address_that_means_nothing_begins_anew(
    console: Console, window: Window, after: str
) -> None:
    account = await shop(console)
    await told(console, account.id)
    answer = await window.get(f"/console/accounts/{account.id}/events", params={"after": after})
    assert "account.changed" in answer.text
