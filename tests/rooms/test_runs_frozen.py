"""A process that stands still between writing down that it sends and sending: the machine sleeps,
or somebody stopped it. Another one does its work meanwhile; then it wakes."""

from __future__ import annotations

import asyncio

import pytest

from evergrant.ports.amazon import Answer, Call
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import Path
from evergrant.rules.secrecy import Secret
from tests.rooms.kitchen_ground import Kitchen, kitchen

DEEDS = {
    Path.ADJUSTMENT_FEED: "/feeds/2021-06-30/feeds",
    Path.ACKNOWLEDGEMENT_FEED: "/feeds/2021-06-30/feeds",
    Path.INVOICE_FEED: "/feeds/2021-06-30/feeds",
    Path.RETAIL_SHIPMENT: "/vendor/",
}


class Frozen:
    """The Selling Partner API of a process that stands still before its first submission."""

    def __init__(self, house: Kitchen, path: str) -> None:
        self.house = house
        self.path = path
        self.send = house.fakes.selling_partner_api.send
        self.heir: asyncio.Task[None] | None = None

    async def __call__(self, call: Call, access_token: Secret) -> Answer:
        if self.heir is None and call.method == "POST" and call.path.startswith(self.path):
            # The other one goes on until it is done, or waits for what only the frozen one has.
            self.house.runs = self.house.another()
            self.heir = asyncio.create_task(self.house.rest())
            self.house.clock.move(minutes=40)  # its access token still lives
            await asyncio.wait({self.heir}, timeout=0.2)
        return await self.send(call, access_token)


@pytest.mark.parametrize("path", DEEDS, ids=lambda path: path.value)
async def test_what_it_was_about_to_send_never_leaves(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await kitchen(path)
    frozen = Frozen(house, DEEDS[path])
    monkeypatch.setattr(house.fakes.selling_partner_api, "send", frozen)
    await house.wish("one")
    await house.turn()
    assert frozen.heir is not None
    await frozen.heir
    await house.rest()
    assert await house.ends() == {"one": ChangeState.ACCEPTED}
    done = house.amazon.done
    deeds = done.refunds + done.cancellations + done.invoices + done.transactions
    assert dict(deeds) == {"one": 1}
