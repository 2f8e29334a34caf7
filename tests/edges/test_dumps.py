"""The way out of a database and into another one."""

from __future__ import annotations

import dataclasses
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evergrant.adapters.store import dump, migrate, open_store, restore, schema_version
from evergrant.errors import Conflict, NotFound, StoreUnavailable
from evergrant.ports.store import ONE_REMINDER_PER_WINDOW, AlreadyThere
from evergrant.ports.things import JournalLine, SealedSecret
from evergrant.ports.watched import EventRecord, Reminder, ReminderKind
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock
from evergrant.testing.keyring import MemoryKeyring
from evergrant.vault import Vault

NOW = FakeClock().now()
LINE = JournalLine(at=NOW, caller="system", verb="a.b", subject="s", facts={"n": [1, "ü"]})
EVENTS = [
    EventRecord(
        id=f"evt_{number}",
        at=NOW,
        topic="authorization.granted",
        subject="aut_1",
        client_instance_id="ins_1",
        facts={"n": number},
    )
    for number in (1, 2)
]
REMINDER = Reminder(
    id="rem_1", kind=ReminderKind.TERM, subject="aut_1", ends_at=NOW, days=30, at=NOW
)
VALUE = Secret("made for this test")


async def fill(url: str, keyring: MemoryKeyring) -> list[SealedSecret]:
    store = await open_store(url)
    async with store.transaction() as tx:
        for event in EVENTS:
            await tx.events.append(event, None)
        await tx.reminders.add(REMINDER)
        for number in range(3):
            await Vault(keyring).put(tx, f"grant/{number}/refresh_token", VALUE, now=NOW)
            await tx.journal.append(LINE)
        kept = await tx.safe.all()
    await store.close()
    return kept


SHAPE = (
    """SELECT table_schema, table_name, column_name, data_type, is_nullable, column_default,
              collation_name FROM information_schema.columns
        WHERE table_schema IN ('public', 'procrastinate') ORDER BY 1, 2, ordinal_position""",
    """SELECT indexdef FROM pg_indexes
        WHERE schemaname IN ('public', 'procrastinate') ORDER BY 1""",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    """SELECT proname, prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
        WHERE nspname IN ('public', 'procrastinate') ORDER BY 1, 2""",
    """SELECT conname, pg_get_constraintdef(c.oid) FROM pg_constraint c
         JOIN pg_namespace n ON n.oid = connamespace
        WHERE nspname IN ('public', 'procrastinate') ORDER BY 1, 2""",
)


def shape(url: str) -> list[Any]:
    """Columns, indexes, triggers, functions and constraints of a database."""
    with psycopg.connect(url) as connection:
        return [connection.execute(question).fetchall() for question in SHAPE]


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "archive"])
async def test_what_is_dumped_can_be_restored(
    database_url: str, empty_database_url: str, tmp_path: Path, plain: bool
) -> None:
    keyring = MemoryKeyring()
    kept = await fill(database_url, keyring)
    file = tmp_path / "evergrant.dump"
    dump(database_url, file, plain=plain)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    restore(empty_database_url, file)
    assert shape(empty_database_url) == shape(database_url)
    assert await schema_version(empty_database_url) == await schema_version(database_url)
    await migrate(empty_database_url)
    store = await open_store(empty_database_url)
    async with store.transaction() as tx:
        await tx.events.append(dataclasses.replace(EVENTS[0], id="evt_after"), None)
    async with store.transaction() as tx:
        told = await tx.events.read()
        assert [event.id for event in told] == ["evt_1", "evt_2", "evt_after"]
        assert [event.position for event in told] == [1, 2, 3]
        assert dataclasses.replace(told[1], position=0) == EVENTS[1]
        assert await tx.reminders.all() == [REMINDER]
        with pytest.raises(AlreadyThere, match=ONE_REMINDER_PER_WINDOW):
            await tx.reminders.add(dataclasses.replace(REMINDER, id="rem_2"))
        assert await tx.safe.all() == kept
        assert await Vault(keyring).open(tx, kept[0].id) == VALUE
        await tx.journal.append(LINE)
        lines = await tx.journal.read()
        assert [line.id for line in lines] == [1, 2, 3, 4]
        assert lines[0] == dataclasses.replace(LINE, id=1)
    await store.close()


def test_a_plain_dump_is_readable_and_shows_no_secret(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "evergrant.sql"
    dump(database_url, file, plain=True)
    text = file.read_text()
    assert "CREATE TABLE public.safe" in text
    assert "OWNER TO" not in text


def test_a_database_that_is_not_empty_is_left_alone(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "evergrant.dump"
    dump(database_url, file)
    with pytest.raises(Conflict):
        restore(database_url, file)


def test_no_such_file(empty_database_url: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        restore(empty_database_url, tmp_path / "nothing")


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def break_in_the_middle(content: bytes) -> bytes:
    half = content.index(b"CREATE TABLE public.safe")
    return content[:half] + b"\nthis is not SQL;\n" + content[half:]


@pytest.mark.parametrize(("plain", "damage"), [(False, cut), (True, break_in_the_middle)])
def test_a_damaged_dump_leaves_the_database_empty(
    database_url: str,
    empty_database_url: str,
    tmp_path: Path,
    plain: bool,
    damage: Callable[[bytes], bytes],
) -> None:
    file = tmp_path / "evergrant.dump"
    dump(database_url, file, plain=plain)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(StoreUnavailable):
        restore(empty_database_url, file)
    with psycopg.connect(empty_database_url) as connection:
        left = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert left.fetchone() == (0,)


def test_a_failed_dump_leaves_the_older_one(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "evergrant.dump"
    file.write_text("older")
    nowhere = psycopg.conninfo.make_conninfo(database_url, dbname="no_such_database")
    with pytest.raises(StoreUnavailable, match="no_such_database"):
        dump(nowhere, file)
    assert file.read_text() == "older"
    assert list(tmp_path.iterdir()) == [file]
