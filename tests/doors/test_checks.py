"""`evergrant check`: every finding is found when it is there, and only then."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evergrant import wiring
from evergrant.accounts import NewAccount
from evergrant.adapters.queue import open_queue
from evergrant.checks import FINDINGS, Finding, Severity, look
from evergrant.desk import Desk
from evergrant.errors import ApplicationRefused
from evergrant.ports.things import OutboxItem, OutboxKind, OutboxState
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import command_line
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings

ROOT = Path(__file__).parents[2]
ME = command_line("tests")
AMAZON_ID = "amzn1.sp.solution.00000000-0000-4000-8000-00000000000"
CLIENT_ID = "amzn1.application-oa2-client." + "0" * 31

Environment = dict[str, str]


@pytest.fixture
def settled(tmp_path: Path) -> Environment:
    """An environment that nothing is wrong with, but its database."""
    return {
        "EVERGRANT_HOME": str(tmp_path / "home"),
        "EVERGRANT_PUBLIC_URL": "https://connect.northwind.example",
        "EVERGRANT_HOUSE_NAME": "Northwind",
        "EVERGRANT_MAIL_FROM": "connect@northwind.example",
        "EVERGRANT_SUPPORT_EMAIL": "dev-support@northwind.example",
        "EVERGRANT_SMTP_URL": "smtp://127.0.0.1:1",
    }


@pytest.fixture
async def house(settled: Environment, database_url: str) -> Environment:
    """A house that is migrated; its only faults are a mail relay that is away, and no worker."""
    environ = {**settled, "EVERGRANT_DATABASE_URL": database_url}
    await wiring.migrate(Settings.from_environment(environ))
    return environ


async def codes(environ: Environment, **more: Any) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in await look(environ, **more):
        found.setdefault(finding.code, []).append(finding)
    return found


async def at_desk(environ: Environment, work: Callable[[Desk], Awaitable[Any]]) -> Any:
    async with wiring.open_desk(Settings.from_environment(environ)) as desk:
        return await work(desk)


async def add_application(desk: Desk, number: int = 1, **wishes: Any) -> Any:
    application = await desk.registry.add_application(
        NewApplication(
            name=f"Application {number}",
            application_id=f"{AMAZON_ID}{number}",
            partner_kinds=("seller", "vendor"),
            **wishes,
        ),
        by=ME,
    )
    await desk.registry.set_credentials(
        application.id,
        Credentials(
            lwa_client_id=f"{CLIENT_ID}{number}",
            lwa_client_secret=Secret(secrets.token_hex(20)),
            secret_created_at=desk.clock.now(),
        ),
        by=ME,
    )
    return application


async def add_account(desk: Desk, application: Any) -> Any:
    instance = (await desk.registry.add_instance(NewInstance(name="ERP"), by=ME)).instance
    return await desk.accounts.add(
        NewAccount(
            name="Blue Heron Books",
            partner_kind="seller",
            client_email="owner@shop.example",
            application_id=application.id,
            client_instance_id=instance.id,
            region="eu",
            home_marketplace="DE",
        ),
        by=ME,
    )


# --- settings and mail --------------------------------------------------------------------------


async def test_a_wrong_setting_is_the_only_finding() -> None:
    (finding,) = await look({"EVERGRANT_PROT": "80"})
    assert finding.code == "EG001"
    assert finding.severity is Severity.ERROR
    assert finding.subject == "EVERGRANT_PROT"
    assert "EVERGRANT_PORT" in finding.hint


async def test_a_fresh_machine_is_told_where_to_begin(tmp_path: Path) -> None:
    home = tmp_path / "home"
    found = await codes({"EVERGRANT_HOME": str(home)})
    assert set(found) == {"EG003", "EG004", "EG011", "EG021", "EG031"}
    assert not home.exists(), "looking changes nothing"


async def test_a_mail_relay_that_is_away_and_one_that_is_there(settled: Environment) -> None:
    from evergrant.entrances.mailbox import open_mailbox

    settled["EVERGRANT_DATABASE_URL"] = "postgresql://127.0.0.1:1/x"
    assert "EG030" in await codes(settled)
    async with open_mailbox() as mailbox:
        settled["EVERGRANT_SMTP_URL"] = mailbox.url
        assert "EG030" not in await codes(settled)


async def test_a_steered_clock_and_an_overridden_amazon(tmp_path: Path) -> None:
    clock, table = tmp_path / "clock", tmp_path / "table.json"
    clock.write_text("3600")
    table.write_text(json.dumps({"lwa_url": "http://127.0.0.1:9/auth/o2/token"}))
    found = await codes(
        {
            "EVERGRANT_HOME": str(tmp_path / "home"),
            "EVERGRANT_CLOCK_FILE": str(clock),
            "EVERGRANT_MARKETPLACES_FILE": str(table),
        }
    )
    assert {"EG005", "EG006"} <= set(found)


# --- database, queue, key ring ------------------------------------------------------------------


async def test_a_database_that_does_not_answer(settled: Environment) -> None:
    password = secrets.token_hex(8)
    settled["EVERGRANT_DATABASE_URL"] = f"postgresql://u:{password}@127.0.0.1:1/x"
    found = await codes(settled)
    assert "EG010" in found
    assert password not in str(found)


async def test_a_database_that_is_not_migrated(
    settled: Environment, empty_database_url: str
) -> None:
    settled["EVERGRANT_DATABASE_URL"] = empty_database_url
    found = await codes(settled)
    assert {"EG012", "EG013"} <= set(found)
    assert "evergrant migrate" in found["EG012"][0].hint


async def test_a_queue_that_is_missing(settled: Environment, empty_database_url: str) -> None:
    settled["EVERGRANT_DATABASE_URL"] = empty_database_url
    await wiring.migrate(Settings.from_environment(settled))
    assert "EG013" not in await codes(settled)
    async with await psycopg.AsyncConnection.connect(empty_database_url) as connection:
        await connection.execute("drop schema procrastinate cascade")
    assert "EG013" in await codes(settled)


async def test_a_house_without_worker_and_with_one(house: Environment) -> None:
    assert "EG034" in await codes(house)
    async with open_queue(house["EVERGRANT_DATABASE_URL"]) as app:
        await app.job_manager.register_worker()
        assert "EG034" not in await codes(house)


async def test_a_key_ring_that_is_open_to_others(house: Environment) -> None:
    ring = Path(house["EVERGRANT_HOME"]) / "keyring"
    await asyncio.to_thread(ring.chmod, 0o644)
    found = await codes(house)
    assert "EG020" in found
    assert "chmod 600" in found["EG020"][0].hint


async def test_a_key_that_left_the_ring(house: Environment) -> None:
    await at_desk(house, add_application)
    assert "EG022" not in await codes(house)
    key = secrets.token_bytes(32)
    import base64

    found = await codes({**house, "EVERGRANT_KEYRING": f"new:{base64.b64encode(key).decode()}"})
    assert "1 of 1" in found["EG022"][0].message
    ring = Path(house["EVERGRANT_HOME"]) / "keyring"
    await asyncio.to_thread(ring.unlink)
    found = await codes(house)
    assert {"EG021", "EG022"} <= set(found), "a lost ring is no fresh house"


async def test_what_still_hangs_on_an_older_key(house: Environment) -> None:
    await at_desk(house, add_application)
    assert "EG023" not in await codes(house)
    await wiring.key_ring(Settings.from_environment(house)).add_key()
    assert "EG023" in await codes(house)
    await at_desk(house, lambda desk: desk.vault.reseal(desk.store, desk.clock))
    assert "EG023" not in await codes(house)


# --- outbox ---------------------------------------------------------------------------------


async def test_mails_that_nobody_delivers_and_mails_that_were_given_up(house: Environment) -> None:
    now = datetime.now(UTC)
    due = OutboxItem(
        id="out_1",
        kind=OutboxKind.MAIL,
        topic="invitation",
        subject="inv_1",
        to="owner@shop.example",
        next_at=now - timedelta(minutes=1),
        created_at=now,
    )

    async def put(item: OutboxItem) -> None:
        async def work(desk: Desk) -> None:
            async with desk.store.transaction() as tx:
                await tx.outbox.put(item)

        await at_desk(house, work)

    await put(due)
    assert "EG032" not in await codes(house), "a minute is nothing"
    await put(replace(due, next_at=now - timedelta(hours=1)))
    assert "EG032" in await codes(house)
    await put(replace(due, state=OutboxState.FAILED, ended_at=now))
    found = await codes(house)
    assert "EG032" not in found
    assert "1 in all" in found["EG033"][0].message


# --- applications -----------------------------------------------------------------------------


async def test_a_house_where_all_is_well(house: Environment) -> None:
    async def work(desk: Desk) -> None:
        await add_account(desk, await add_application(desk))
        ends_at = desk.clock.now() + timedelta(days=90)
        await desk.people.add_api_key(name="ERP", rights=["read"], expires_at=ends_at, by=ME)

    await at_desk(house, work)
    assert set(await codes(house)) == {"EG030", "EG034", "EG097"}, "nothing is signed yet"


async def test_an_empty_house(house: Environment) -> None:
    assert {"EG040", "EG070"} <= set(await codes(house))


async def test_an_application_without_credentials(house: Environment) -> None:
    async def work(desk: Desk) -> Any:
        return await desk.registry.add_application(
            NewApplication(name="Bare", application_id=f"{AMAZON_ID}1"), by=ME
        )

    application = await at_desk(house, work)
    (finding,) = (await codes(house))["EG041"]
    assert finding.subject == application.id
    assert "Bare" in finding.message


async def test_addresses_that_are_registered_elsewhere(house: Environment) -> None:
    async def work(desk: Desk) -> None:
        await add_application(desk, redirect_uri="https://old.northwind.example/callback")

    await at_desk(house, work)
    (finding,) = (await codes(house))["EG042"]
    assert "https://old.northwind.example/callback" in finding.message
    assert "https://connect.northwind.example/callback" in finding.message


@pytest.mark.parametrize(
    ("ends_in_days", "code"), [(-1, "EG044"), (5, "EG045"), (100, None), (None, "EG046")]
)
async def test_the_end_of_a_client_secret(
    house: Environment, ends_in_days: int | None, code: str | None
) -> None:
    ends = None if ends_in_days is None else datetime.now(UTC) + timedelta(days=ends_in_days)

    async def work(desk: Desk) -> None:
        application = await add_application(desk)
        async with desk.store.transaction() as tx:
            await tx.credentials.change(application.id, secret_expires_at=ends)

    await at_desk(house, work)
    assert set(await codes(house)) & {"EG044", "EG045", "EG046"} == ({code} if code else set())


async def test_an_application_that_amazon_refused(house: Environment) -> None:
    async def work(desk: Desk) -> None:
        application = await add_application(desk)
        refused = ApplicationRefused("invalid_client", "Client authentication failed")
        await desk.registry.note_application_trouble(application.id, refused)

    await at_desk(house, work)
    (finding,) = (await codes(house))["EG047"]
    assert "invalid_client" in finding.message


async def test_half_of_what_rotation_needs(house: Environment) -> None:
    async def work(desk: Desk) -> None:
        application = await add_application(desk)
        await desk.registry.set_credentials(
            application.id, Credentials(role_arn="arn:aws:iam::123456789012:role/r"), by=ME
        )

    await at_desk(house, work)
    assert "EG048" in await codes(house)


async def test_one_queue_for_secrets_and_for_notifications(house: Environment) -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/one"

    async def work(desk: Desk) -> None:
        application = await add_application(desk)
        keys = Credentials(
            notifications_queue_url=url,
            access_key=Secret(secrets.token_hex(10)),
            secret_key=Secret(secrets.token_hex(20)),
        )
        await desk.registry.set_credentials(application.id, keys, by=ME)

    await at_desk(house, work)
    assert not {"EG048", "EG051"} & set(await codes(house)), "a queue for notifications alone"

    async def share(desk: Desk) -> None:
        async with desk.store.transaction() as tx:
            for row in await tx.credentials.all():
                await tx.credentials.change(row.id, queue_url=url)

    await at_desk(house, share)
    assert "EG051" in await codes(house)


async def test_two_applications_with_one_client_id(house: Environment) -> None:
    async def work(desk: Desk) -> None:
        for number in (1, 2):
            application = await add_application(desk, number)
            async with desk.store.transaction() as tx:
                await tx.credentials.change(application.id, lwa_client_id=f"{CLIENT_ID}1")

    await at_desk(house, work)
    (finding,) = (await codes(house))["EG049"]
    assert "Application 1 and Application 2" in finding.message


async def test_asking_login_with_amazon(house: Environment, tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"lwa_url": "http://127.0.0.1:1/auth/o2/token"}))
    house["EVERGRANT_MARKETPLACES_FILE"] = str(table)
    await at_desk(house, add_application)
    assert "EG050" not in await codes(house), "only when it is wished"
    assert "EG050" in await codes(house, live=True)


# --- accounts ---------------------------------------------------------------------------------


async def test_an_account_that_does_not_fit_its_authorization(house: Environment) -> None:
    async def work(desk: Desk) -> Any:
        account = await add_account(desk, await add_application(desk))
        async with desk.store.transaction() as tx:
            await tx.accounts.change(account.id, region=Region.NA)
        return account

    account = await at_desk(house, work)
    assert (await codes(house))["EG060"][0].subject == account.id


async def test_an_account_at_home_nowhere(house: Environment) -> None:
    async def work(desk: Desk) -> None:
        account = await add_account(desk, await add_application(desk))
        async with desk.store.transaction() as tx:
            await tx.accounts.change(account.id, home_marketplace="XX")

    await at_desk(house, work)
    assert "Blue Heron Books" in (await codes(house))["EG062"][0].message


# --- the list ---------------------------------------------------------------------------------


def test_numbers_are_well_formed_and_each_has_words() -> None:
    for code, kind in FINDINGS.items():
        assert re.fullmatch(r"EG\d{3}", code)
        assert kind.code == code
        assert not kind.title.endswith(".")
        assert kind.hint.endswith(".")


async def test_the_worst_comes_first(house: Environment) -> None:
    found = await look(house)
    order = list(Severity)
    ranks = [order.index(finding.severity) for finding in found]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) > 1


def test_the_reference_page_is_fresh() -> None:
    spec = importlib.util.spec_from_file_location("checks_page", ROOT / "docs/checks_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(["--check"]) == 0, "run: python docs/checks_page.py"
