"""Amazon's sign-in service does not answer: the overview says so while it lasts."""

from __future__ import annotations

import pytest

from evergrant.errors import AmazonUnavailable
from evergrant.rules.rights import SYSTEM
from tests.doors.test_console.conftest import Console, text_of

SILENT = "Amazon's sign-in service did not answer lately."


async def test_weather_of_lwa_is_seen_and_passes(console: Console) -> None:
    shops = [await console.house.account() for _ in range(3)]
    window = await console.as_()
    assert SILENT not in text_of(await window.read("/console"))
    console.fakes.lwa.fail(AmazonUnavailable)
    console.fakes.clock.move(hours=2)
    for shop in shops:
        with pytest.raises(AmazonUnavailable):
            await console.desk.tokens.mint(shop, by=SYSTEM)
    window = await console.as_()
    assert SILENT in text_of(await window.read("/console"))
    async with console.desk.store.transaction() as tx:
        lines = await tx.journal.read(verb="application.lwa_silent")
    assert [line.subject for line in lines] == [console.house.application_id]
    assert "got no answer" in text_of(await window.read("/console/journal"))
    console.fakes.lwa.clear()
    console.fakes.clock.move(minutes=16)
    window = await console.as_()
    assert SILENT not in text_of(await window.read("/console"))
