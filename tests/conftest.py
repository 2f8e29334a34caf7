"""What every shelf may use: one embedded PostgreSQL per run, a database of its own per test.

The server is shared by all workers of a run and stopped by the last one. Databases are copies of
one that was migrated once; after a test its database is emptied and serves the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import gc
import itertools
import os
import ssl
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fastapi.routing
import httpcore2
import hypothesis
import psycopg
import pytest
import structlog
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncEngine
from xdist.scheduler import LoadGroupScheduling

from evergrant.adapters.embedded_postgres import EmbeddedPostgres
from evergrant.adapters.store import migrate, newest_version, postgres

TEMPLATE = "migrated"
EMPTY = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid();
    -- Without the triggers that keep the journal and the references.
    SET session_replication_role = replica;
    DO $$
    DECLARE found record;
    BEGIN
        FOR found IN SELECT * FROM pg_tables
            WHERE schemaname IN ('public', 'procrastinate') AND tablename <> 'alembic_version'
        LOOP
            EXECUTE format('DELETE FROM %I.%I', found.schemaname, found.tablename);
        END LOOP;
        FOR found IN SELECT * FROM pg_sequences WHERE last_value IS NOT NULL
        LOOP
            EXECUTE format('ALTER SEQUENCE %I.%I RESTART', found.schemaname, found.sequencename);
        END LOOP;
    END
    $$;
"""
# Nothing here outlives the run, so nothing has to reach the disk.
IN_A_HURRY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "300",
}


# What follows reaches into libraries to save them work that is the same in every test. Each is left
# out where a later version has no such place any more: then tests cost more and say the same.

_made_context: Callable[..., ssl.SSLContext] | None
_made_context = getattr(httpcore2, "default_ssl_context", None)


@functools.cache
def _known_context(wishes: tuple[tuple[str, Any], ...], *_: str | None) -> ssl.SSLContext:
    assert _made_context is not None
    return _made_context(**dict(wishes))


def _context(**wishes: Any) -> ssl.SSLContext:
    """Every client reads all authorities that the machine trusts, which costs more than most tests
    do (32 ms of CPU each); in here they read them once, and again for who names other ones."""
    named = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    return _known_context(tuple(sorted(wishes.items())), *map(os.environ.get, named))


if _made_context is not None:
    httpcore2.default_ssl_context = _context


_contexts: Any = getattr(fastapi.routing, "_EffectiveRouteContext", None)
_made_route: Any = getattr(_contexts, "from_api_route", None)
_known_routes: dict[tuple[int, int, str], Any] = {}


def _route(**told: Any) -> Any:
    """Every house has a door of its own, and the framework reads some ninety signatures again for
    each (18 ms of CPU a house, of which there are a thousand). They are the same for all: what is
    told apart is found by the request, and no test overrides a dependency."""
    try:
        route, router = told["original_route"], told["include_context"].included_router
        place = (id(route), id(router), told["include_context"].prefix)
    except (KeyError, AttributeError):
        return _made_route(**told)
    known = _known_routes.get(place)
    # Neither id is anybody else's later, as the context holds the route, which outlives the router.
    if known is None or known[0] is not router:
        known = _known_routes[place] = (router, _made_route(**told))
    return known[1]


if _made_route is not None:
    _contexts.from_api_route = _route

_made_engine = postgres.create_async_engine  # type: ignore[attr-defined]
_known_engines: list[AsyncEngine] = []


def _engine(*told: Any, **wishes: Any) -> AsyncEngine:
    """Every store has an engine of its own, and every engine writes the same statements again,
    which costs a tenth of what tests on PostgreSQL do (10 ms of CPU each). What was written is kept
    under the dialect that wrote it, so they share one, once it knows the server."""
    made: AsyncEngine = _made_engine(*told, **{"query_cache_size": 2_000, **wishes})
    if not hasattr(made.sync_engine, "_compiled_cache"):
        return made
    if not _known_engines:
        _known_engines.append(made)
    elif _known_engines[0].dialect.server_version_info is not None:
        made.sync_engine.dialect = _known_engines[0].dialect
        made.sync_engine._compiled_cache = _known_engines[0].sync_engine._compiled_cache
    else:  # nobody has connected with it yet
        _known_engines[0] = made
    return made


postgres.create_async_engine = _engine  # type: ignore[attr-defined]

# Whoever configured no log gets one with a drawing of every frame of a traceback, which costs more
# than what most tests of failures do.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

# The same cases on every run and every machine, however slow it is: what is found is a mistake of
# the change at hand. `--hypothesis-profile search` looks for others, at random and for longer.
hypothesis.settings.register_profile(
    "house",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=30,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "search",
    deadline=None,
    max_examples=1000,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")

# Ten thousand tests and all of the code are there to stay: collecting them as garbage, again and
# again, took a tenth of the time.
gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have to say at the end: their property "summary", from whichever process."""
    for report in terminalreporter.getreports("passed"):
        for name, lines in getattr(report, "user_properties", ()):
            if name == "summary" and report.when == "call":
                terminalreporter.section(report.nodeid)
                terminalreporter.write_line(lines)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)
    if "PYTEST_XDIST_WORKER" in os.environ:
        # The long ones begin first, so that at the end there are short ones left to share.
        items.sort(key=lambda item: item.get_closest_marker("processes") is None)


class ByFile(LoadGroupScheduling):  # type: ignore[misc]
    """Hands out whole files, or what asks to be together, where the original hands out one test at
    a time: what a file makes once is made by one process and not by all. What is over is let go, as
    it is counted through at every word of every test (15 s of CPU over ten thousand tests)."""

    def _split_scope(self, nodeid: str) -> str:
        group: str = super()._split_scope(nodeid)
        return nodeid.partition("::")[0] if group == nodeid else group

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile | None:
    return ByFile(config, log) if config.getvalue("dist") == "loadgroup" else None


class Databases:
    """The databases of one server."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._numbers = itertools.count(1)
        self._empty: list[str] = []
        #: Sessions stay, as one that knows all tables empties them at a tenth of the price.
        self._sessions: dict[str, psycopg.Connection[Any]] = {}

    def take_migrated(self) -> str:
        return self._empty.pop() if self._empty else self.make(TEMPLATE)

    def give_back(self, name: str) -> None:
        """For the next test, unless this one went too far with it."""
        known = self._sessions.pop(name, None)
        version = None if known is None else self._emptied(known)
        if version is None:  # it may have ended with the others'
            with contextlib.suppress(psycopg.Error):
                known = psycopg.connect(self.server.url(name), autocommit=True)
                version = self._emptied(known)
        if known is not None and version == newest_version():
            self._sessions[name] = known
            self._empty.append(name)
        else:
            if known is not None:
                known.close()
            self.drop(name)

    def _emptied(self, session: psycopg.Connection[Any]) -> str | None:
        """Gives the version of its schema, if it has one and could be emptied."""
        try:
            session.execute(EMPTY)
            row = session.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.Error:
            row = None
        if row is None:
            session.close()
        return None if row is None else str(row[0])

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()

    def make(self, template: str) -> str:
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        with self._admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return name

    def drop(self, name: str) -> None:
        with self._admin() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def make_template(self) -> None:
        with self._admin() as connection:
            known = "SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate"
            if connection.execute(known, (TEMPLATE,)).fetchone():
                return
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(TEMPLATE))
            )
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
            _in_a_thread(migrate(self.server.url(TEMPLATE)))
            connection.execute(
                sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(TEMPLATE))
            )

    def _admin(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.server.url("postgres"), autocommit=True)


def _in_a_thread(work: Coroutine[Any, Any, object]) -> None:
    """A fixture may be set up while a loop runs, and loops do not nest."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The run's server. Its folder goes with pytest's temporary folders."""
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    home = run / "pg"
    home.mkdir(exist_ok=True)
    with EmbeddedPostgres(home, IN_A_HURRY) as server, (home / "template.lock").open("w") as lock:
        databases = Databases(server)
        fcntl.flock(lock, fcntl.LOCK_EX)
        databases.make_template()
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield databases
        databases.close()


@pytest.fixture
def database_url(postgres_server: Databases) -> Iterator[str]:
    """An empty database with the newest schema."""
    name = postgres_server.take_migrated()
    yield postgres_server.server.url(name)
    postgres_server.give_back(name)


@pytest.fixture
def empty_database_url(postgres_server: Databases) -> Iterator[str]:
    """A database without any table."""
    name = postgres_server.make("template0")
    yield postgres_server.server.url(name)
    postgres_server.drop(name)
