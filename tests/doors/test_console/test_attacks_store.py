"""What no database takes, typed where pages look things up: with a real one behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import cast

import pytest

from evergrant.adapters.store import open_store
from evergrant.entrances.console import build
from evergrant.rules.rights import Role
from evergrant.settings import Settings
from evergrant.testing.desk import Fakes
from evergrant.testing.store import MemoryStore
from tests.doors import mint_house
from tests.doors.test_console.conftest import ENVIRON, Console

#: NUL, half of a character, a number beyond all columns, wild cards, the ends of time.
VALUES = ("%00", "acc_%00", "%ed%a0%80", "9" * 30, "%25%5C_", "0001-01-01", "9999-12-31", "-1")
LISTS = {
    "/console/accounts": ("q", "app", "instance", "state", "ends", "needs", "sort", "page", "off"),
    "/console/accounts/export.csv": ("q", "app", "instance"),
    "/console/journal": ("who", "about", "after", "since", "until", "what", "verb", "q"),
    "/console/journal/export.csv": ("who", "about", "since", "until"),
    "/console/orders": ("account", "order", "after", "before", "state", "kind"),
    "/console/feeds": ("show", "after"),
    "/console/feeds/upload": ("q",),
    "/console/instances": ("q", "page"),
    "/console/api-keys": ("after",),
    "/console/operators": ("after",),
    "/console/accounts/new": ("instance", "app"),
    "/console": ("month", "day"),
}
THINGS = (
    "/console/accounts/{}",
    "/console/accounts/{}/journal",
    "/console/applications/{}",
    "/console/instances/{}",
    "/console/operators/{}",
    "/console/feeds/runs/{}",
    "/console/feeds/changes/{}",
    "/console/orders/{}/302-0",
    "/console/checks/instances/{}",
)


@pytest.fixture
async def on_postgres(database_url: str) -> AsyncIterator[Console]:
    store = await open_store(database_url)
    house = await mint_house.House(Fakes(store=cast("MemoryStore", store))).open()
    settings = Settings.from_environment(ENVIRON)
    opened = Console(house, settings, build(house.desk, settings), AsyncExitStack())
    async with opened.open_windows:
        yield opened
    await store.close()


async def test_no_search_and_no_id_breaks_the_database(on_postgres: Console) -> None:
    await on_postgres.house.account()
    window = await on_postgres.as_(Role.ADMIN)
    for path, names in LISTS.items():
        for value in VALUES:
            answer = await window.get(f"{path}?{'&'.join(f'{name}={value}' for name in names)}")
            assert answer.status_code in (200, 303, 400, 404, 422), (path, value)
    for path in THINGS:
        for value in VALUES[:4]:
            assert (await window.get(path.format(value))).status_code == 404, (path, value)


async def test_no_field_brings_in_what_the_database_does_not_take(on_postgres: Console) -> None:
    window = await on_postgres.as_(Role.ADMIN)
    for path, form in (
        ("/console/accounts/filters", {"name": "a\0b", "query": "q=x"}),
        ("/console/api-keys/new", {"name": "a\0b", "rights": "read"}),
        ("/console/instances/new", {"name": "a\0b"}),
        ("/console/operators/invite", {"name": "a\0b", "email": "a@b.example", "role": "support"}),
    ):
        assert (await window.post(path, form)).status_code == 400, path
    # Hidden in an address within a field, it names nobody.
    await window.did("/console/accounts/filters", {"name": "odd", "query": "q=%00&app=%00"})
    assert (await window.get("/console/accounts?app=%00")).status_code == 200
    stranger = await on_postgres.stranger()
    await stranger.read("/console/sign-in")
    form = {"email": "a\0@b.example", "password": "\0" * 20}
    assert (await stranger.post("/console/sign-in", form)).status_code == 400
