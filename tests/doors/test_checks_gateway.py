"""`evergrant check` of the gateway: its ports, keys that open nothing or end, spent limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evergrant.checks import Finding, gateway
from evergrant.desk import Desk
from evergrant.people import NewApiKey
from evergrant.ports.things import CallCount, ConnectionKey
from evergrant.rules.rights import command_line
from evergrant.settings import Settings
from tests.doors import mint_house

ME = command_line("tests")
DAY = timedelta(days=1)


# --- ports ----------------------------------------------------------------------------------------


def told_of(tmp_path: Path, **settings: str) -> set[str]:
    given = {f"EVERGRANT_{name}": value for name, value in settings.items()}
    read = Settings.from_environment({"EVERGRANT_HOME": str(tmp_path), **given})
    return {finding.code for finding in gateway.ports(read)}


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, {"EG080"}),
        ({"GATEWAY_PORT": "0"}, set()),
        ({"GATEWAY_HOSTS": "amazon.house.example"}, set()),
        ({"DECIDE_PORT": "0"}, set()),
        ({"ROLE": "all"}, set()),
    ],
)
def test_a_gateway_that_some_sdks_cannot_name(
    tmp_path: Path, more: dict[str, str], found: set[str]
) -> None:
    assert told_of(tmp_path, **{"ROLE": "gateway", **more}) == found


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"HOST": "0.0.0.0"}, {"EG081"}),
        ({"HOST": "::"}, {"EG081"}),
        ({"HOST": "0.0.0.0", "ROLE": "gateway"}, {"EG081"}),
        ({"HOST": "0.0.0.0", "ROLE": "api"}, set()),
        ({"HOST": "10.0.0.7"}, set()),
        ({}, set()),
    ],
)
def test_a_decide_port_that_is_open_to_everybody(
    tmp_path: Path, more: dict[str, str], found: set[str]
) -> None:
    assert told_of(tmp_path, DECIDE_PORT="8082", **more) == found


# --- keys -----------------------------------------------------------------------------------------


class House(mint_house.House):
    """A desk with one account, and what is found there."""

    account_id: str = ""

    @property
    def now(self) -> datetime:
        return self.fakes.clock.now()

    async def found(
        self, look: Callable[[Desk], AsyncIterator[Finding]] = gateway.keys
    ) -> list[Finding]:
        return [finding async for finding in look(self.desk)]

    async def key(self, *rights: str, ends_in: timedelta | None = None, **wishes: Any) -> NewApiKey:
        return await self.desk.people.add_api_key(
            name="ERP",
            rights=rights or ("read",),
            expires_at=None if ends_in is None else self.now + ends_in,
            by=ME,
            **wishes,
        )

    async def program(self, ends_in: timedelta | None = None) -> ConnectionKey:
        made = await self.desk.people.add_connection_key(
            self.account_id,
            name="nightly scripts",
            expires_at=None if ends_in is None else self.now + ends_in,
            by=ME,
        )
        return made.key

    async def change(self, shelf: str, id: str, **values: Any) -> None:
        async with self.desk.store.transaction() as tx:
            await getattr(tx, shelf).change(id, **values)


@pytest.fixture
async def house() -> House:
    house = House()
    await house.open()
    house.account_id = await house.account(connected=False)
    return house


async def test_keys_without_an_end_are_one_note(house: House) -> None:
    for _ in range(4):
        await house.key()
    await house.key(ends_in=90 * DAY)
    await house.program()
    (finding,) = await house.found()
    assert finding.code == "EG071"
    assert finding.message == "5: ERP, ERP, ERP and 2 more."


async def test_a_key_that_ends_soon(house: House) -> None:
    soon = (await house.key(ends_in=13 * DAY)).key
    await house.key(ends_in=15 * DAY)
    gone = (await house.key(ends_in=DAY)).key
    await house.desk.people.revoke_api_key(gone.id, by=ME)
    connection = await house.program(ends_in=DAY)
    found = await house.found()
    assert [(one.code, one.subject) for one in found] == [
        ("EG072", soon.id),
        ("EG072", connection.id),
    ]
    assert f"{soon.expires_at:%Y-%m-%d}" in found[0].message
    house.fakes.clock.move(14 * DAY)
    assert [one.code for one in await house.found()] == ["EG072"], "what is over ends no more"


async def test_a_key_that_was_replaced_is_told_while_somebody_uses_it(house: House) -> None:
    old = (await house.key(ends_in=90 * DAY)).key
    new = await house.desk.people.rotate_api_key(old.id, overlap=7 * DAY, by=ME)
    assert await house.found() == []
    await house.change("api_keys", old.id, last_used_at=house.now)
    (finding,) = await house.found()
    assert (finding.code, finding.subject) == ("EG072", old.id)
    assert new.key.id in finding.message
    house.fakes.clock.move(2 * DAY)
    assert await house.found() == []


async def test_a_connection_key_of_a_closed_account(house: House) -> None:
    await house.key(ends_in=90 * DAY)
    connection = await house.program(ends_in=90 * DAY)
    assert await house.found() == []
    await house.desk.accounts.close(house.account_id, by=ME)
    (finding,) = await house.found()
    assert (finding.code, finding.subject) == ("EG073", connection.id)
    assert "nightly scripts" in finding.message
    await house.desk.people.revoke_connection_key(connection.id, by=ME)
    assert await house.found() == []


async def test_a_key_for_nginx_that_nobody_shows(house: House) -> None:
    made = (await house.key("data_plane", ends_in=90 * DAY)).key
    assert await house.found() == []
    house.fakes.clock.move(7 * DAY)
    (finding,) = await house.found()
    assert (finding.code, finding.subject) == ("EG082", made.id)
    assert "never used" in finding.message
    await house.change("api_keys", made.id, last_used_at=house.now)
    assert await house.found() == []


async def test_a_key_for_nginx_that_may_do_more(house: House) -> None:
    await house.key("data_plane", "amazon_read", "manage", ends_in=90 * DAY)
    (finding,) = await house.found()
    assert finding.code == "EG083"
    assert finding.message == "ERP: amazon_read, manage."


async def test_no_key_at_all_or_none_that_lives(house: House) -> None:
    assert [one.code for one in await house.found()] == ["EG070"]
    await house.key(ends_in=DAY)
    house.fakes.clock.move(DAY)
    assert [one.code for one in await house.found()] == ["EG070"]


async def test_all_keys_are_seen_however_many_there_are(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "_ROUND", 2)
    for _ in range(5):
        await house.key()
        await house.program()
    (finding,) = await house.found()
    assert finding.message.startswith("10: ")


# --- limits ---------------------------------------------------------------------------------------


def counted(account_id: str, operation: str, at: datetime, **numbers: Any) -> CallCount:
    hour_at = at.replace(minute=0, second=0, microsecond=0)
    return CallCount(
        id=f"{account_id}/{operation}/{hour_at:%Y%m%d%H}",
        account_id=account_id,
        operation=operation,
        hour_at=hour_at,
        last_at=at,
        **numbers,
    )


async def test_a_limit_that_somebody_else_spends(house: House) -> None:
    now = house.now
    async with house.desk.store.transaction() as tx:
        await tx.call_counts.add_up(
            [
                counted(house.account_id, "orders.v0.getOrders", now, calls=9, throttled=3),
                counted(house.account_id, "orders.v0.getOrders", now - DAY / 2, throttled=1),
                counted(house.account_id, "feeds.2021-06-30.getFeed", now, calls=5, refused=5),
                counted("acc_other", "orders.v0.getOrders", now - 3 * DAY, throttled=7),
            ]
        )
    (finding,) = await house.found(gateway.throttled)
    assert (finding.code, finding.subject) == ("EG085", house.account_id)
    assert "orders.v0.getOrders (4), " in finding.message
    assert "getFeed" not in finding.message
    assert f"{now:%Y-%m-%d %H:%M} UTC" in finding.message


async def test_the_worst_are_named_and_the_others_counted(house: House) -> None:
    async with house.desk.store.transaction() as tx:
        await tx.call_counts.add_up(
            [
                counted(f"acc_{number:02}", "orders.v0.getOrders", house.now, throttled=number)
                for number in range(1, 23)
            ]
        )
    found = await house.found(gateway.throttled)
    assert len(found) == 21
    assert found[0].subject == "acc_22"
    assert found[-1].message == "And 2 accounts more."
