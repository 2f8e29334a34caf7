"""The out tray: every event of an authorization tells the same names, and holds no secret."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evergrant.errors import GrantRefused
from evergrant.outbox import put_application_event, put_event, put_mail
from evergrant.ports.things import Account, Authorization, OutboxState
from evergrant.rules import ids
from evergrant.rules.event_facts import FACTS, OF_ACCOUNT, OF_APPLICATION, facts_of
from evergrant.rules.rights import SYSTEM
from evergrant.rules.topics import EVENTS
from evergrant.tokens import Tokens
from evergrant.watch.lapses import Lapses
from tests.rooms.conftest import Reception

#: What a client instance may rely on, whichever room speaks.
EVERY_EVENT = set(OF_ACCOUNT)
ROOT = Path(__file__).parents[2]


async def both(reception: Reception) -> tuple[Account, Authorization]:
    """An account that is connected, and whose instance wants to hear of it."""
    account = await reception.add_account()
    async with reception.store.transaction() as tx:
        await tx.instances.change(
            account.client_instance_id, webhook_url="https://erp.northwind.example/hooks"
        )
    await reception.connect(account, "A2FIRSTSELLER")
    return account, reception.authorization(account)


async def test_an_event_is_for_the_instance_of_the_account(reception: Reception) -> None:
    account, authorization = await both(reception)
    now = reception.clock.now()
    async with reception.store.transaction() as tx:
        put = await put_event(
            tx, now=now, topic="x", account=account, authorization=authorization, why="because"
        )
    assert put is not None
    assert (put.to, put.subject) == (account.client_instance_id, authorization.id)
    assert (put.state, put.next_at, put.created_at) == (OutboxState.WAITING, now, now)
    assert set(put.facts) == EVERY_EVENT | {"why"}
    assert put.id in {item.id for item in reception.outbox("x")}


async def test_an_event_and_its_webhook_are_one(reception: Reception) -> None:
    account, authorization = await both(reception)
    async with reception.store.transaction() as tx:
        put = await put_event(
            tx, now=reception.clock.now(), topic="x", account=account, authorization=authorization
        )
    assert put is not None
    async with reception.store.transaction() as tx:
        (event,) = await tx.events.read(topic="x")
        item = await tx.outbox.get(put.id)
    assert item is not None
    assert (item.event_id, item.position) == (event.id, event.position)
    assert (event.client_instance_id, event.account_id) == (item.to, account.id)
    assert event.facts == item.facts


async def test_an_instance_without_an_address_reads_what_it_is_not_sent(
    reception: Reception,
) -> None:
    account, authorization = await both(reception)
    async with reception.store.transaction() as tx:
        await tx.instances.change(account.client_instance_id, webhook_url="")
        put = await put_event(
            tx,
            now=reception.clock.now(),
            topic="x",
            account=account,
            authorization=authorization,
        )
    assert put is None
    assert not reception.outbox("x")
    async with reception.store.transaction() as tx:
        (event,) = await tx.events.read(client_instance_id=account.client_instance_id, topic="x")
    assert set(event.facts) == EVERY_EVENT


async def test_an_event_of_what_was_rolled_back_is_none(reception: Reception) -> None:
    account, authorization = await both(reception)

    async def fails() -> None:
        async with reception.store.transaction() as tx:
            await put_event(
                tx,
                now=reception.clock.now(),
                topic="x",
                account=account,
                authorization=authorization,
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert not reception.outbox("x")
    async with reception.store.transaction() as tx:
        assert await tx.events.read(topic="x") == []


async def test_what_concerns_an_application_is_for_every_instance_that_has_accounts_of_it(
    reception: Reception,
) -> None:
    account, _ = await both(reception)
    async with reception.store.transaction() as tx:
        application = await tx.applications.get(account.application_id)
        assert application is not None
        (known,) = await tx.instances.all()
        for name, has_account in (("without", False), ("silent", True)):
            await tx.instances.add(
                replace(known, id=f"ins_{name}", name=name, webhook_url="https://x.example/h")
            )
            if has_account:
                await tx.instances.change(f"ins_{name}", webhook_url="")
                await tx.accounts.add(
                    replace(account, id="acc_other", name="o", client_instance_id=f"ins_{name}")
                )
    async with reception.store.transaction() as tx:
        items = await put_application_event(
            tx, now=reception.clock.now(), topic="x", application=application, days_left=7
        )
    assert [item.to for item in items] == [account.client_instance_id]
    async with reception.store.transaction() as tx:
        told = await tx.events.read(topic="x")
    assert {event.client_instance_id for event in told} == {known.id, "ins_silent"}
    for event in told:
        assert event.account_id is None
        assert set(event.facts) == {*OF_APPLICATION, "days_left"}


async def test_a_mail_waits_under_an_id_of_its_own(reception: Reception) -> None:
    now = reception.clock.now()
    async with reception.store.transaction() as tx:
        put = [
            await put_mail(tx, now=now, topic="t", subject="s", to="a@b.example", facts={"n": n})
            for n in range(2)
        ]
    assert len({item.id for item in put}) == 2
    assert all(ids.kind_of(item.id) is ids.Kind.OUTBOX for item in put)
    assert reception.outbox("t") == sorted(put, key=lambda item: item.id)


async def test_rooms_tell_the_same_names(reception: Reception) -> None:
    """A grant from the reception, a refusal from the mint, a lapse from the clock tower."""
    account, _ = await both(reception)
    other = await reception.add_account()
    await reception.connect(other, "A2SECONDSELLER")
    tokens = Tokens(
        store=reception.store,
        clock=reception.clock,
        vault=reception.vault,
        registry=reception.registry,
        lwa=reception.lwa,
        bell=reception.bell,
    )
    reception.lwa.revoke("A2FIRSTSELLER")
    reception.clock.move(hours=2)
    with pytest.raises(GrantRefused):
        await tokens.mint(account.id, by=SYSTEM)
    reception.clock.move(days=366)
    lapses = Lapses(store=reception.store, vault=reception.vault, bell=reception.bell)
    await lapses.round(reception.clock.now())
    events = {item.topic: item for item in reception.outbox() if item.topic.count(".")}
    assert set(events) == {
        "authorization.granted",
        "authorization.revoked",
        "authorization.lapsed",
    }
    for topic, event in events.items():
        assert set(event.facts) >= EVERY_EVENT, topic


# --- what is promised to integrators --------------------------------------------------------------


@functools.cache
def tellings() -> list[tuple[str, ast.Call]]:
    """Every call in our code that tells a client instance something, and where it stands."""
    words = {
        path: path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "src/evergrant").rglob("*.py"))
    }
    return [
        (f"{path.name}:{node.lineno}", node)
        for path, source in words.items()
        if "put_event" in source or "put_application_event" in source
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and (
            node.func.id
            if isinstance(node.func, ast.Name)
            else node.func.attr
            if isinstance(node.func, ast.Attribute)
            else ""
        )
        in ("put_event", "put_application_event")
    ]


def test_rooms_tell_no_event_and_no_fact_that_is_not_in_the_list() -> None:
    found = tellings()
    assert len(found) > 5
    not_facts = {"now", "topic", "account", "authorization", "application", None}
    for where, call in found:
        given = {word.arg: word.value for word in call.keywords}
        named = {
            leaf.value
            for leaf in ast.walk(given["topic"])
            if isinstance(leaf, ast.Constant) and "." in str(leaf.value)
        }
        assert named <= set(EVENTS), where
        # A topic that is no text in this place is one of the list all the same.
        allowed = set().union(*(facts_of(str(topic)) for topic in named or EVENTS))
        assert set(given) - not_facts <= allowed, where


@pytest.mark.parametrize("topic", EVENTS)
def test_every_fact_of_the_list_is_told_by_somebody(topic: str) -> None:
    if topic == "account.changed":
        return  # its facts are put together as a whole
    told = {word.arg for _, call in tellings() for word in call.keywords}
    assert set(FACTS[topic]) <= told


def test_the_guides_tables_are_those_of_the_list() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "docs/events_table.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_the_guides_examples_hold_what_the_list_says() -> None:
    guide = (ROOT / "docs/guides/integrate.md").read_text(encoding="utf-8")
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", guide, re.DOTALL)]
    events = [one for one in shown if "type" in one]
    assert len(events) == 2
    for event in events:
        assert list(event) == ["type", "timestamp", "data"]
        assert set(event["data"]) == set(facts_of(event["type"]))
