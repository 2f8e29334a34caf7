"""The out tray: every event of an authorization tells the same names, and holds no secret."""

from __future__ import annotations

import pytest

from evergrant.errors import GrantRefused
from evergrant.outbox import put_event, put_mail
from evergrant.ports.things import Account, Authorization, OutboxState
from evergrant.rules import ids
from evergrant.rules.rights import SYSTEM
from evergrant.tokens import Tokens
from evergrant.watch import Watch
from tests.rooms.conftest import Reception

#: What a client instance may rely on, whichever room speaks.
EVERY_EVENT = {
    "account_id",
    "account_name",
    "partner_kind",
    "region",
    "authorization_id",
    "selling_partner_id",
    "state",
    "granted_at",
    "term_ends_at",
}


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
    assert put in reception.outbox("x")


async def test_an_instance_without_a_webhook_is_told_nothing(reception: Reception) -> None:
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
    await Watch(
        store=reception.store,
        clock=reception.clock,
        vault=reception.vault,
        consent=reception.consent,
        tokens=tokens,
        bell=reception.bell,
    ).sweep()
    events = {item.topic: item for item in reception.outbox() if item.topic.count(".")}
    assert set(events) == {
        "authorization.granted",
        "authorization.revoked",
        "authorization.lapsed",
    }
    for topic, event in events.items():
        assert set(event.facts) >= EVERY_EVENT, topic
