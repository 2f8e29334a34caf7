"""Client instances: finding, changing, their signing secrets, and what they were told."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from evergrant.naming import new_id
from evergrant.ports.things import OutboxItem, OutboxKind, OutboxState
from evergrant.ports.watched import EventRecord
from evergrant.rules import ids
from evergrant.rules.rights import SYSTEM, Right, Role
from evergrant.rules.topics import EVENTS
from tests.doors.test_console.conftest import Console, text_of
from tests.doors.test_console.register_ground import assert_no_secret, every_secret, instance
from tests.doors.test_console.trade_ground import MARKUP, NOBODY, assert_harmless, may, statuses

HOOK = "https://erp.example/hooks"
LIST = "/console/instances"


async def event(console: Console, instance_id: str, topic: str = "account.changed") -> OutboxItem:
    """One that waits to be sent; of no account, so it waits for no other."""
    now = console.fakes.clock.move(seconds=1)
    told = EventRecord(
        id=new_id(ids.Kind.EVENT, now),
        at=now,
        topic=topic,
        subject="acc_1",
        client_instance_id=instance_id,
    )
    item = OutboxItem(
        id=new_id(ids.Kind.OUTBOX, now),
        kind=OutboxKind.WEBHOOK,
        topic=topic,
        subject="acc_1",
        to=instance_id,
        event_id=told.id,
        next_at=now,
        created_at=now,
    )
    async with console.desk.store.transaction() as tx:
        await tx.events.append(told, item)
    return item


async def hooked(console: Console, name: str = "ERP with a hook") -> str:
    return (await instance(console, name, webhook_url=HOOK)).id


async def events(console: Console, instance_id: str) -> list[EventRecord]:
    return await console.desk.post.events(by=SYSTEM, client_instance_id=instance_id)


def topics(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><span title="[^"]*">([a-z._]+)</span>', page)


# --- who may ------------------------------------------------------------------------------------


async def test_every_page_and_action_as_each_role(console: Console) -> None:
    own = await hooked(console)
    item = await event(console, own)
    base = f"{LIST}/{own}"
    rights = {
        ("GET", LIST): Right.READ,
        ("GET", base): Right.READ,
        ("GET", f"{LIST}/new"): Right.MANAGE,
        ("POST", f"{LIST}/new"): Right.MANAGE,
        ("GET", f"{base}/edit"): Right.MANAGE,
        ("POST", f"{base}/edit"): Right.MANAGE,
        ("POST", f"{base}/signing-secret"): Right.MANAGE,
        ("POST", f"{base}/test"): Right.WRITE,
        ("POST", f"{base}/events/{item.event_id}/resend"): Right.WRITE,
    }
    for (method, path), right in rights.items():
        for role, status in (await statuses(console, method, path)).items():
            assert (status != 403) == may(role, right), (method, path, role, status)
            assert status in (200, 303, 403, 422), (method, path, role, status)


async def test_who_only_reads_is_offered_nothing(console: Console) -> None:
    own = await hooked(console)
    await event(console, own)
    window = await console.as_(Role.AUDITOR)
    for path in (LIST, f"{LIST}/{own}"):
        main = (await window.read(path)).partition("<main")[2]
        assert 'method="post"' not in main
        assert "/edit" not in main


@pytest.mark.parametrize("own", [f"ins_{NOBODY}", f"app_{NOBODY}", "nobody"])
async def test_an_instance_that_is_none(console: Console, own: str) -> None:
    window = await console.as_()
    for rest in ("", "/edit"):
        assert (await window.get(f"{LIST}/{own}{rest}")).status_code == 404
    for rest in ("/edit", "/signing-secret", "/test", f"/events/evt_{NOBODY}/resend"):
        answer = await window.post(f"{LIST}/{own}{rest}", {"name": "x", "sure": "on"})
        assert answer.status_code == 404


async def test_an_event_of_another_instance(console: Console) -> None:
    one, other = await hooked(console, "One"), await hooked(console, "Other")
    item = await event(console, one)
    window = await console.as_(Role.SUPPORT)
    answer = await window.post(f"{LIST}/{other}/events/{item.event_id}/resend")
    assert answer.status_code == 404
    assert (await window.post(f"{LIST}/{one}/events/evt_{NOBODY}/resend")).status_code == 404


# --- finding --------------------------------------------------------------------------------------


async def test_finding_by_name(console: Console) -> None:
    for name in ("Warehouse Lyon", "Warehouse Turin", "PIM"):
        await instance(console, name, base_url=f"https://{name.split()[-1].lower()}.example")
    window = await console.as_(Role.AUDITOR)

    async def found(q: str) -> list[str]:
        page = await window.read(LIST, params={"q": q})
        return re.findall(rf'<a href="{LIST}/ins_[^"]+"><bdi>([^<]+)</bdi>', page)

    assert await found("warehouse") == ["Warehouse Lyon", "Warehouse Turin"]
    assert await found("TURIN ware") == ["Warehouse Turin"]
    assert await found("pim.example") == ["PIM"]
    assert await found("nowhere") == []
    assert len(await found("")) == 4


async def test_many_come_in_pages(console: Console) -> None:
    for number in range(55):
        await instance(console, f"Shop {number:02}")
    window = await console.as_()
    first = await window.read(f"{LIST}?q=shop")
    assert "Shop 49" in first
    assert "Shop 50" not in first
    assert 'href="?q=shop&amp;page=2"' in first
    second = await window.read(f"{LIST}?q=shop&page=2")
    assert "Shop 54" in second
    assert "Shop 49" not in second
    for page in ("0", "-1", "99", "x", "9" * 40):
        assert "Shop " in await window.read(LIST, params={"q": "shop", "page": page})


async def test_what_it_does_not_take_is_told(console: Console) -> None:
    own = await hooked(console)
    console.fakes.webhooks.fail_next(permanent=True)
    await console.desk.post.deliver((await event(console, own)).id)
    window = await console.as_(Role.SUPPORT)
    assert "not taken" in text_of(await window.read(LIST))
    page = text_of(await window.read(f"{LIST}/{own}"))
    assert "It does not take its events." in page
    assert "The receiver answered 410." in page


async def test_stored_markup_is_text_everywhere(console: Console) -> None:
    made = await instance(console, f"I{MARKUP}")
    await console.house.account()
    window = await console.as_()
    for path in (LIST, f"{LIST}/{made.id}", f"{LIST}/{made.id}/edit"):
        assert_harmless(await window.read(path))
    answer = await window.post(f"{LIST}/{made.id}/edit", {"name": MARKUP, "webhook_url": MARKUP})
    assert answer.status_code == 422
    assert_harmless(answer.text)
    assert "<img" not in (await window.get(LIST, params={"q": MARKUP})).text


async def test_its_accounts(console: Console) -> None:
    account = await console.house.account()
    window = await console.as_(Role.SUPPORT)
    page = await window.read(f"{LIST}/{console.house.instance_id}")
    assert f"/console/accounts/{account}" in page
    assert "1 account" in text_of(page)


# --- adding and changing --------------------------------------------------------------------------


async def test_the_signing_secret_is_shown_once(console: Console) -> None:
    window = await console.as_()
    answer = await window.post(f"{LIST}/new", {"name": "ERP Vienna", "webhook_url": HOOK})
    assert answer.status_code == 200
    made = await console.desk.registry.find_instance("ERP Vienna", by=SYSTEM)
    (secret,) = await console.desk.registry.signing_secrets(made.id)
    assert secret.reveal() in answer.text
    kept = await every_secret(console)
    assert secret.reveal() in kept
    pages = [await window.read(path) for path in (LIST, f"{LIST}/{made.id}", "/console/journal")]
    assert_no_secret(pages, kept)


async def test_what_is_wrong_is_said_beside_the_field(console: Console) -> None:
    window = await console.as_()
    await instance(console, "Taken")
    answer = await window.post(f"{LIST}/new", {"name": "Taken", "return_url": "https://a.example"})
    assert answer.status_code == 422
    assert 'id="w-name"' in answer.text
    answer = await window.post(f"{LIST}/new", {"name": "", "return_url": "javascript:alert(1)"})
    assert answer.status_code == 422
    assert {'id="w-name"', 'id="w-return_url"'} <= set(re.findall(r'id="w-\w+"', answer.text))


async def test_a_change(console: Console) -> None:
    window = await console.as_()
    own = await hooked(console)
    page = await window.did(
        f"{LIST}/{own}/edit",
        {"name": "Renamed", "base_url": "https://b.example", "webhook_url": ""},
    )
    assert "Saved." in page
    now = await console.desk.registry.instance(own, by=SYSTEM)
    assert (now.name, now.base_url, now.webhook_url) == ("Renamed", "https://b.example", "")


async def test_a_renewed_signing_secret_is_shown_once_and_the_former_signs_on(
    console: Console,
) -> None:
    own = await hooked(console)
    (former,) = await console.desk.registry.signing_secrets(own)
    window = await console.as_()
    page = await window.did(f"{LIST}/{own}/signing-secret")
    assert "Nothing was renewed" in text_of(page)
    assert await console.desk.registry.signing_secrets(own) == (former,)
    answer = await window.post(f"{LIST}/{own}/signing-secret", {"sure": "on"})
    fresh, still = await console.desk.registry.signing_secrets(own)
    assert still == former
    assert fresh.reveal() in answer.text
    assert former.reveal() not in answer.text
    assert "24 hours" in text_of(answer.text)
    assert 'data-news=""' in answer.text  # nothing may take it away while somebody copies it
    assert_no_secret([await window.read(f"{LIST}/{own}")], await every_secret(console))


# --- what it is told ------------------------------------------------------------------------------


async def test_the_log_is_newest_first_with_state_tries_and_last_answer(console: Console) -> None:
    own = await hooked(console)
    sent, failed, waiting = [
        await event(console, own, topic)
        for topic in ("account.changed", "feed.settled", "order.received")
    ]
    await console.desk.post.deliver(sent.id)
    console.fakes.webhooks.fail_next(permanent=True)
    await console.desk.post.deliver(failed.id)
    window = await console.as_(Role.SUPPORT)
    page = await window.read(f"{LIST}/{own}")
    assert topics(page) == ["order.received", "feed.settled", "account.changed"]
    told = text_of(page.partition('id="log"')[2])
    for words in ("given up", "The receiver answered 410.", "taken", "waiting"):
        assert words in told
    assert "Try order.received now" in page
    assert "Send feed.settled again" in page
    for state, topic in (
        (OutboxState.SENT, "account.changed"),
        (OutboxState.FAILED, "feed.settled"),
        (OutboxState.WAITING, "order.received"),
    ):
        assert topics(await window.read(f"{LIST}/{own}?state={state}")) == [topic]
        assert topics(await window.read(f"{LIST}/{own}?topic={topic}")) == [topic]
    assert topics(await window.read(f"{LIST}/{own}?state=sent&topic=feed.settled")) == []
    assert len(topics(await window.read(f"{LIST}/{own}?state=odd&topic=odd"))) == 3
    assert waiting.id


async def test_the_log_names_the_account(console: Console) -> None:
    own = console.house.instance_id
    await console.desk.registry.change_instance(own, {"webhook_url": HOOK}, by=SYSTEM)
    account = await console.house.account()
    name = (await console.desk.accounts.get(account, by=SYSTEM)).account.name
    page = (await (await console.as_()).read(f"{LIST}/{own}")).partition('id="log"')[2]
    assert f'<a href="/console/accounts/{account}"><bdi>{name}</bdi></a>' in page
    assert topics(page) == ["authorization.granted"]


async def test_a_long_log_comes_in_pages(console: Console) -> None:
    own = await hooked(console)
    made = [(await event(console, own)).id for _ in range(53)]
    window = await console.as_(Role.SUPPORT)
    first = await window.read(f"{LIST}/{own}?topic=account.changed")
    assert len(topics(first)) == 50
    (older,) = re.findall(r'href="([^"]*after=[^"]*)"', first)
    second = await window.read(older.replace("&amp;", "&").partition("#")[0])
    assert len(topics(second)) == 3
    assert "topic=account.changed" in older
    assert f"after={made[3]}" in older
    assert (await window.get(f"{LIST}/{own}?after=nonsense")).status_code == 422


async def test_a_test_event_says_what_came_back(console: Console) -> None:
    own = await hooked(console)
    window = await console.as_(Role.SUPPORT)
    answer = await window.post(f"{LIST}/{own}/test")
    assert "The test event was taken" in text_of(answer.text)
    assert console.fakes.webhooks.events()[-1]["type"] == "webhook.test"
    console.fakes.webhooks.fail_next()
    answer = await window.post(f"{LIST}/{own}/test")
    told = text_of(answer.text)
    assert "The test event was not taken." in told
    assert "The receiver answered 503." in told
    assert await events(console, own) == []


async def test_without_an_address_nothing_is_sent(console: Console) -> None:
    window = await console.as_(Role.SUPPORT)
    base = f"{LIST}/{console.house.instance_id}"
    page = await window.read(base)
    assert f"{base}/test" not in page
    assert "It reads its events itself" in text_of(page)
    page = await window.did(f"{base}/test")
    assert "has no webhook URL" in text_of(page)


async def test_an_event_is_sent_again(console: Console) -> None:
    own = await hooked(console)
    item = await event(console, own)
    await console.desk.post.deliver(item.id)
    console.fakes.clock.move(timedelta(hours=1))
    window = await console.as_(Role.SUPPORT)
    page = await window.did(f"{LIST}/{own}/events/{item.event_id}/resend")
    assert "account.changed is sent again." in text_of(page)
    for due in await console.desk.post.sweep():
        await console.desk.post.deliver(due)
    assert len(console.fakes.webhooks.posts) == 2
    assert [post.id for post in console.fakes.webhooks.posts] == [item.event_id] * 2


def test_topics_are_known() -> None:
    assert {"account.changed", "feed.settled", "order.received"} <= set(EVENTS)
