"""What lives for minutes is kept in numbers that are bounded: memory does not grow with use."""

from __future__ import annotations

from datetime import UTC, datetime

from amazon_emulator import marketplaces
from amazon_emulator.world import BRIEF_KEPT, Application, LoginLeg, Partner, World
from tests.emulator.conftest import House

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_the_oldest_codes_sessions_and_consents_are_let_go() -> None:
    world = World()
    partner = Partner("seller", "Heron", "A1", "a@x.example", "x", marketplaces.find("DE"))
    application = Application("Mine", "app", "client", [])
    grant = world.give(partner, application, "eu", NOW)
    first = world.new_code(grant, "https://x.example", NOW)
    cookie = world.sign_in(partner, NOW)
    leg = LoginLeg(partner, application, "eu", NOW)
    for number in range(BRIEF_KEPT):
        last = world.new_code(grant, "https://x.example", NOW)
        world.sign_in(partner, NOW)
        world.await_login(str(number).encode(), leg)
    world.await_login(b"last", leg)
    assert len(world.codes) == len(world.sessions) == len(world.login_legs) == BRIEF_KEPT
    assert first.value not in world.codes
    assert last.value in world.codes
    assert cookie not in world.sessions
    assert b"0" not in world.login_legs
    assert b"last" in world.login_legs


def test_numbers_of_any_length_are_told(house: House) -> None:
    token = house.access_token(house.vendor())
    path = "/vendor/orders/v1/purchaseOrdersStatus"
    for limit in ("9" * 5000, "0" * 5000 + "7", "-1", "1.5", "\u0661"):
        assert house.call(path, token, limit=limit).status_code == 400
    assert house.call(path, token, limit="7").status_code == 200
