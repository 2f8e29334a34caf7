"""The command line of a house that is set up, for the tests of it."""

from __future__ import annotations

import io
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer.main

from evergrant import logs, wiring
from evergrant.adapters.clock import SystemClock
from evergrant.entrances.cli.running import run
from evergrant.rules.secrecy import Secret
from evergrant.testing.lwa import FakeLWA
from evergrant.testing.selling_partner_api import FakeSellingPartnerApi
from tests.command_line import Said, built
from tests.doors.stock import Stock

CLIENT_ID = "amzn1.application-oa2-client." + "0" * 32
AMAZON_ID = "amzn1.sp.solution.00000000-0000-4000-8000-000000000001"
#: The command line has the clock of the machine: a fixed day would be over one day.
GRANTED = datetime.now(UTC).date() - timedelta(days=60)


Cli = Callable[..., Said]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of the surroundings is set, and logging stays pytest's: as in a shell, nothing below
    a warning is said."""
    for name in list(os.environ):
        if name.startswith("EVERGRANT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("EVERGRANT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(logs, "configure", lambda *_, **__: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    was = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(**was)


@pytest.fixture
def cli(bare: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setattr(typer.main, "get_command", built)

    def call(*arguments: str, stdin: str = "") -> Said:
        typed = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", typed)
        capsys.readouterr()
        code = run(list(arguments))
        heard = capsys.readouterr()
        return Said(code, heard.out, heard.err)

    return call


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `migrate` makes at home: the key ring. Empty until the first house is migrated."""
    return tmp_path_factory.mktemp("migrated")


@pytest.fixture
def house(
    cli: Cli, database_url: str, migrated: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Cli:
    """The command line of a house that is migrated."""
    monkeypatch.setenv("EVERGRANT_DATABASE_URL", database_url)
    home, kept = tmp_path / "home", migrated / "home"
    if kept.exists():  # the database is
        shutil.copytree(kept, home)
    else:
        assert cli("migrate").code == 0
        shutil.copytree(home, kept)
    return cli


class Amazon:
    """Login with Amazon and the Selling Partner API in memory, over all commands of a test."""

    def __init__(self) -> None:
        clock = SystemClock()
        self.lwa = FakeLWA(clock)
        self.api = FakeSellingPartnerApi(self.lwa, clock)


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Amazon:
    amazon = Amazon()

    async def close() -> None:
        """Nothing to close."""

    for fake in (amazon.lwa, amazon.api):
        fake.close = close  # type: ignore[union-attr]
    monkeypatch.setattr(wiring, "HttpLWA", lambda **_: amazon.lwa)
    monkeypatch.setattr(wiring, "HttpSellingPartnerApi", lambda **_: amazon.api)
    return amazon


def add_application(cli: Cli, secret: str = "") -> Any:
    added = cli(
        *("app", "add", "Northwind Connect", "--application-id", AMAZON_ID),
        *("--partner-kind", "seller", "--partner-kind", "vendor", "--json"),
    ).json
    secret = secret or secrets.token_hex(20)
    said = cli(
        *("app", "credentials", "Northwind Connect", "--lwa-client-id", CLIENT_ID),
        stdin=f"{secret}\n",
    )
    assert said.code == 0, said.err
    return added


def add_account(cli: Cli, name: str = "Blue Heron Books", *more: str) -> Any:
    return cli(
        *("account", "add", name, "--app", "Northwind Connect", "--instance", "ERP"),
        *("--kind", "seller", "--region", "eu", "--home", "DE"),
        *("--email", "owner@shop.example", "--json", *more),
    ).json


@pytest.fixture(scope="session")
def stocks() -> dict[str, Stock]:
    """What was put into a house before, by the name of the fixture."""
    return {}


Stocked = Callable[[str, Callable[[], None]], Cli]


@pytest.fixture
def stocked(
    house: Cli,
    amazon: Amazon,
    stocks: dict[str, Stock],
    database_url: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Stocked:
    """Does once by commands what the tests of the next minutes find done."""

    def stocked(name: str, put: Callable[[], None]) -> Cli:
        known, home = stocks.get(name), tmp_path / "home"
        if known is not None and known.is_fresh:
            known.put(database_url, home, amazon.lwa, amazon.api)
        else:
            put()
            kept = tmp_path_factory.mktemp("stock")
            stocks[name] = Stock.of(database_url, home, kept, amazon.lwa, amazon.api)
        return house

    return stocked


def put_account(house: Cli, amazon: Amazon) -> None:
    secret = secrets.token_hex(20)
    amazon.lwa.add_client(CLIENT_ID, Secret(secret))
    add_application(house, secret)
    assert house("instance", "add", "ERP").code == 0
    add_account(house)


def put_grant(house: Cli, amazon: Amazon) -> None:
    refresh_token = amazon.lwa.grant(CLIENT_ID, about="A2SHOP")
    amazon.api.participate("A2SHOP", [])
    adopted = house(
        *("account", "adopt", "Blue Heron Books", "--granted", GRANTED.isoformat(), "--json"),
        stdin=refresh_token.reveal(),
    )
    assert adopted.json["authorization"]["state"] == "active"
    assert refresh_token.reveal() not in adopted.out


@pytest.fixture
def with_account(house: Cli, amazon: Amazon, stocked: Stocked) -> Cli:
    return stocked("with_account", lambda: put_account(house, amazon))


@pytest.fixture
def connected(with_account: Cli, amazon: Amazon, stocked: Stocked) -> Cli:
    return stocked("connected", lambda: put_grant(with_account, amazon))
