"""Tables, migrations and things agree; and migrating is safe."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import re
import typing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from procrastinate.schema import SchemaManager
from psycopg import sql

import evergrant.adapters.store as home
from evergrant.adapters.store import migrate, newest_version, open_store, schema_version
from evergrant.adapters.store.shelves import THINGS
from evergrant.adapters.store.tables import EVENTS, JOURNAL, METADATA, SHELVES
from evergrant.errors import Misconfigured
from evergrant.ports import store as ports
from evergrant.ports import things as t
from evergrant.ports import watched as w
from evergrant.testing.store import KINDS


def facts(url: str, schema: str = "public") -> dict[str, list[Any]]:
    """All that PostgreSQL knows of the tables of one schema, Alembic's own left out."""
    questions = {
        "columns": "SELECT table_name, column_name, data_type, udt_name, is_nullable,"
        " column_default, collation_name, is_identity, identity_generation"
        " FROM information_schema.columns WHERE table_schema = %s ORDER BY 1, 2",
        "indexes": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = %s ORDER BY 1, 2",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(c.oid)"
        " FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace"
        " WHERE nspname = %s ORDER BY 1, 2",
        "functions": "SELECT proname, pg_get_function_arguments(p.oid), prosrc FROM pg_proc p"
        " JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = %s ORDER BY 1, 2",
        "triggers": "SELECT tgrelid::regclass::text, pg_get_triggerdef(g.oid) FROM pg_trigger g"
        " JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE NOT tgisinternal AND nspname = %s ORDER BY 1, 2",
        "types": "SELECT typname, enumlabel FROM pg_enum e JOIN pg_type y ON y.oid = enumtypid"
        " JOIN pg_namespace n ON n.oid = typnamespace WHERE nspname = %s ORDER BY 1, enumsortorder",
    }
    with psycopg.connect(url) as connection:
        return {
            name: [
                row
                for row in connection.execute(question, (schema,))
                if "alembic_version" not in str(row[0])
            ]
            for name, question in questions.items()
        }


def engine(url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(url),
        poolclass=sqlalchemy.NullPool,
    )


def test_migrations_make_what_the_tables_say(database_url: str) -> None:
    with engine(database_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, METADATA) == []


def test_to_the_last_index_and_constraint(database_url: str, empty_database_url: str) -> None:
    """Alembic does not compare collations, partial indexes and names of keys."""
    with engine(empty_database_url).begin() as connection:
        METADATA.create_all(connection)
    migrated, created = facts(database_url), facts(empty_database_url)
    for what in ("columns", "indexes", "constraints"):
        assert migrated[what] == created[what]


def test_the_queue_is_that_of_the_installed_procrastinate(
    database_url: str, empty_database_url: str
) -> None:
    """Fails when a new release of it brings migrations: then one of ours has to apply them."""
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE SCHEMA procrastinate; SET search_path TO procrastinate")
        connection.execute(SchemaManager.get_schema().encode())
    migrated, shipped = (facts(url, "procrastinate") for url in (database_url, empty_database_url))

    def plain(rows: list[Any]) -> list[Any]:
        return [tuple(re.sub(r"\s+", " ", str(part)).strip() for part in row) for row in rows]

    for what in ("columns", "functions", "triggers", "types"):
        assert plain(migrated[what]) == plain(shipped[what]), what


@pytest.mark.parametrize("name", SHELVES)
def test_every_field_has_a_column(name: str) -> None:
    thing = THINGS[name]
    fields = [field.name for field in dataclasses.fields(thing)]
    assert [column.name for column in SHELVES[name].columns] == fields
    for field, hint in typing.get_type_hints(thing).items():
        may_be_null = type(None) in typing.get_args(hint)
        assert SHELVES[name].c[field].nullable == may_be_null, field


@pytest.mark.parametrize(("thing", "table"), [(t.JournalLine, JOURNAL), (w.EventRecord, EVENTS)])
def test_the_journal_and_the_events_have_every_field(thing: Any, table: sqlalchemy.Table) -> None:
    fields = [field.name for field in dataclasses.fields(thing)]
    assert [column.name for column in table.columns] == fields


def test_the_dolls_store_has_the_same_keys_and_references() -> None:
    assert {name: kind.thing for name, kind in KINDS.items()} == THINGS
    no_shelves = ["events", "scans", "boards", "journal", "news"]
    offered = list(typing.get_type_hints(ports.Transaction))
    assert [name for name in offered if name not in no_shelves] == list(THINGS)
    assert [name for name in offered if name in no_shelves] == no_shelves
    for name, table in SHELVES.items():
        keys = {
            str(key.name): {column.name for column in key.columns}
            for key in table.constraints
            if isinstance(key, sqlalchemy.UniqueConstraint)
        }
        keys |= {
            str(index.name): {column.name for column in index.columns}
            for index in table.indexes
            if index.unique
        }
        assert {key.name: set(key.fields) for key in KINDS[name].unique} == keys
        references = {
            column.name: foreign.column.table.name
            for column in table.columns
            for foreign in column.foreign_keys
        }
        assert dict(KINDS[name].references) == references
    assert set(ports.UNIQUE_KEYS) <= {key.name for kind in KINDS.values() for key in kind.unique}


def test_what_points_to_another_table_is_indexed() -> None:
    """So that dropping and joining do not read whole tables. Small tables are left out."""
    small = {"accounts", "credentials", "api_keys", "handshakes", "grants", "authorizations"}
    for table in SHELVES.values():
        first = {next(iter(index.columns)).name for index in table.indexes}
        first |= {next(iter(key.columns)).name for key in table.constraints if len(key.columns)}  # type: ignore[attr-defined]
        for column in table.columns:
            if column.foreign_keys and table.name not in small:
                assert column.name in first, f"{table.name}.{column.name}"


def test_one_line_of_versions() -> None:
    folder = Path(home.__file__).parent / "migrations"
    script = ScriptDirectory(str(folder))
    assert script.get_bases() == ["0001"]
    assert script.get_heads() == [newest_version()]


# --- migrating ---------------------------------------------------------------------------------


async def test_from_nothing_to_the_newest(empty_database_url: str) -> None:
    assert await schema_version(empty_database_url) is None
    assert await migrate(empty_database_url) == newest_version()
    assert await schema_version(empty_database_url) == newest_version()
    before = facts(empty_database_url)
    assert await migrate(empty_database_url) == newest_version()
    assert facts(empty_database_url) == before


#: A house as the version before the watch left it: one account, and two things on their way to it.
BEFORE_THE_WATCH = """
INSERT INTO applications (id, name, kind, partner_kinds, status, application_id, developer_name,
                          developer_id, login_uri, redirect_uri, created_at, changed_at)
VALUES ('app_1', 'Northwind', 'public', '{seller}', 'published', 'amzn1.sp.solution.1', '', '', '',
        '', now(), now());
INSERT INTO instances (id, name, base_url, return_url, webhook_url, created_at, changed_at)
VALUES ('ins_1', 'ERP', '', '', 'https://erp.example/hook', now(), now());
INSERT INTO accounts (id, name, partner_kind, client_email, application_id, client_instance_id,
                      region, home_marketplace, merchant_token, vendor_codes, flags, language,
                      notes, oauth_began, created_at, changed_at)
VALUES ('acc_1', 'Heron Books', 'seller', 'heron@partner.example', 'app_1', 'ins_1', 'eu', 'DE', '',
        '{}', '{}', 'en', '', true, now(), now());
INSERT INTO authorizations (id, account_id, application_id, region, state, selling_partner_id,
                            granted_at, term_ends_at, refused_reason, finding, looks, version,
                            changed_at)
VALUES ('aut_1', 'acc_1', 'app_1', 'eu', 'active', 'A1', now(), now() + interval '365 days', '', '',
        0, 1, now());
INSERT INTO outbox (id, kind, topic, subject, "to", language, account_id, facts, state, attempts,
                    next_at, last_error, created_at)
VALUES ('out_1', 'webhook', 'authorization.granted', 'aut_1', 'ins_1', 'en', 'acc_1', '{"a": 1}',
        'waiting', 2, now(), '', now()),
       ('out_2', 'mail', 'renewal', 'inv_1', 'heron@partner.example', 'en', 'acc_1', '{}',
        'waiting', 0, now(), '', now());
"""


def migrate_to(url: str, version: str) -> None:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(Path(home.__file__).parent / "migrations"))
    with engine(url).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)


async def test_a_house_from_before_the_watch_goes_on(empty_database_url: str) -> None:
    await asyncio.to_thread(migrate_to, empty_database_url, "0003")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(BEFORE_THE_WATCH)
    assert await migrate(empty_database_url) == newest_version()
    store = await open_store(empty_database_url)
    async with store.transaction() as tx:
        (application,) = await tx.applications.all()
        assert application.reminder_days is None
        (authorization,) = await tx.authorizations.all()
        assert authorization.probe_due_at is None
        webhook, mail = await tx.outbox.all()
        assert [(item.event_id, item.position) for item in (webhook, mail)] == [(None, 0)] * 2
        assert (webhook.attempts, webhook.facts) == (2, {"a": 1})
        assert await tx.events.read() == []
        event = w.EventRecord(
            id="evt_1",
            at=webhook.created_at,
            topic="authorization.renewed",
            subject="aut_1",
            client_instance_id="ins_1",
            account_id="acc_1",
        )
        await tx.events.append(event, dataclasses.replace(webhook, id="out_3"))
    async with store.transaction() as tx:
        (told,) = await tx.events.read()
        item = await tx.outbox.get("out_3")
        assert item is not None
        assert (item.event_id, item.position) == ("evt_1", told.position)
        # What was on its way before goes first.
        assert not await tx.outbox.is_held_up(webhook)
        assert await tx.outbox.is_held_up(item)
    await store.close()


async def test_many_migrate_at_once(empty_database_url: str) -> None:
    done = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert set(done) == {newest_version()}


async def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Misconfigured, match="9999"):
        await migrate(database_url)
    assert await schema_version(database_url) == "9999"


async def test_a_step_happens_wholly_or_not_at_all(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        # In the way of the last thing that the first migration makes.
        connection.execute("CREATE SCHEMA procrastinate")
    with pytest.raises(Exception, match="already exists"):
        await migrate(empty_database_url)
    assert await schema_version(empty_database_url) is None
    assert facts(empty_database_url)["columns"] == []


async def test_an_owner_without_superpowers_can_migrate(
    empty_database_url: str, tmp_path: Path
) -> None:
    """The embedded server lets us in as superuser; a database that is given will not."""
    name = psycopg.conninfo.conninfo_to_dict(empty_database_url)["dbname"]
    role = sql.Identifier(f"owner_of_{name}")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        connection.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(str(name)), role)
        )
    as_owner = psycopg.conninfo.make_conninfo(
        empty_database_url, options=f"-c role=owner_of_{name}"
    )
    try:
        assert await migrate(as_owner) == newest_version()
        store = await open_store(as_owner)
        async with store.transaction() as tx:
            assert await tx.accounts.count() == 0
        await store.close()
    finally:
        with psycopg.connect(empty_database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            connection.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO postgres").format(sql.Identifier(str(name)))
            )
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (
            "SELECT * FROM journal WHERE account_id = 'a' ORDER BY id DESC LIMIT 9",
            "journal_account_id_idx",
        ),
        ("SELECT * FROM safe WHERE key_id IN ('a') ORDER BY id LIMIT 9", "safe_"),
        ("SELECT * FROM outbox WHERE state = 'waiting' AND next_at < now()", "outbox_next_at_idx"),
        (
            "SELECT * FROM handshakes WHERE step IN ('begun') AND expires_at < now()",
            "handshakes_step_idx",
        ),
        (
            "SELECT * FROM authorizations WHERE state = 'active' AND term_ends_at < now()",
            "authorizations_term_ends_at_idx",
        ),
        (
            "SELECT * FROM authorizations WHERE look_due_at < now()",
            "authorizations_look_due_at_idx",
        ),
        ("SELECT * FROM outbox WHERE ended_at < now()", "outbox_ended_at_idx"),
        ("SELECT * FROM handshakes WHERE created_at < now()", "handshakes_created_at_idx"),
        ("SELECT * FROM grants WHERE handshake_id = 'h'", "grants_handshake_id_idx"),
    ],
)
def test_what_is_asked_all_the_time_has_an_index(
    database_url: str, question: Any, index: str
) -> None:
    with psycopg.connect(database_url) as connection:
        # Of a journal that is all but empty, what PostgreSQL prefers hangs on when it looked last.
        connection.execute(
            "INSERT INTO journal (at, caller, verb, subject, account_id, facts)"
            " SELECT now(), 'c', 'v', 's', 'acc_' || n % 100, '{}' FROM generate_series(1, 2000) n"
        )
        connection.execute("ANALYZE journal")
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(f"EXPLAIN {question}").fetchall()
        connection.rollback()
    assert index in str(plan)


def test_ids_are_compared_byte_by_byte() -> None:
    for table in SHELVES.values():
        for column in table.columns:
            if column.primary_key or column.foreign_keys:
                assert isinstance(column.type, sqlalchemy.Text)
                assert column.type.collation == "C", column
