"""A house from before the kitchen goes on: nothing is lost, and what is new has its default."""

from __future__ import annotations

import asyncio

import psycopg

from evergrant.adapters.store import migrate, newest_version, open_store
from evergrant.ports.traded import AccountWork
from tests.edges.changes_ground import NOW, change
from tests.edges.test_store_orders import order
from tests.house.test_schema import BEFORE_THE_WATCH, migrate_to

BEFORE_THE_KITCHEN = """
INSERT INTO credentials (id, lwa_client_id, secret_set, lwa_url, role_arn, queue_url,
                         access_key_hint, secret_key_set, trouble, changed_at)
VALUES ('app_1', 'client', true, '', 'arn:role', 'https://sqs.example/1/expiry', 'WXYZ', true, '',
        now());
INSERT INTO events (id, at, topic, subject, client_instance_id, account_id, facts)
VALUES ('evt_1', now(), 'authorization.granted', 'aut_1', 'ins_1', 'acc_1', '{"n": 1}');
"""


async def test_a_house_from_before_the_kitchen_goes_on(empty_database_url: str) -> None:
    await asyncio.to_thread(migrate_to, empty_database_url, "0003")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(BEFORE_THE_WATCH)
        await asyncio.to_thread(migrate_to, empty_database_url, "0006")
        connection.execute(BEFORE_THE_KITCHEN)
    assert await migrate(empty_database_url) == newest_version()
    store = await open_store(empty_database_url)
    async with store.transaction() as tx:
        (credentials,) = await tx.credentials.all()
        assert (credentials.queue_url, credentials.notifications_queue_url) == (
            "https://sqs.example/1/expiry",
            "",
        )
        assert (credentials.secret_set, credentials.access_key_hint) == (True, "WXYZ")
        (account,) = await tx.accounts.all()
        (event,) = await tx.events.read()
        assert (account.name, event.facts) == ("Heron Books", {"n": 1})
        assert await tx.changes.counts() == []
        assert await tx.work.count() == 0
        await tx.work.add(AccountWork(id=account.id, changed_at=NOW))
        await tx.changes.add_all([change(1, account_id=account.id)])
        await tx.orders.put(order("a", account.id))
    async with store.transaction() as tx:
        (told,) = await tx.orders.read()
        assert told.position == 1
    await store.close()
