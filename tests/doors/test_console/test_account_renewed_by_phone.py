"""A renewal with the selling partner at the phone is told by the name of whoever began it."""

from __future__ import annotations

import dataclasses

from evergrant.entrances.console import build
from evergrant.rules.rights import SYSTEM, Role
from tests.doors.test_console.account_ground import public, shop
from tests.doors.test_console.conftest import Console, text_of


async def test_the_way_names_the_operator_who_went_to_amazon(console: Console) -> None:
    await public(console)
    # On the host of the front door, so that the very browser goes to Amazon.
    console.settings = dataclasses.replace(console.settings, public_url="http://console.test")
    console.app = build(console.desk, console.settings)
    window = await console.as_(Role.SUPPORT)
    assert window.operator is not None
    account = await shop(console)
    assert (await window.post(f"/console/accounts/{account.id}/renew")).status_code == 303
    way = await console.desk.overview.way(account.id, by=SYSTEM)
    (gone,) = [step for step in way.steps if step.words == "Gone to Amazon" and step.at]
    assert gone.who == window.operator.name
    assert "selling partner" not in gone.who
    page = text_of(await window.read(f"/console/accounts/{account.id}"))
    assert "Gone to Amazon" in page
