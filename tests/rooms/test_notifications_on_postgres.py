"""The letter slot and the reading room on PostgreSQL: what they ask of it, once through."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from evergrant.adapters.store import open_store
from evergrant.notifications import Heard
from evergrant.ports.traded import AmazonReportStep
from evergrant.registry import Credentials
from evergrant.rules import amazon_reports as rules
from evergrant.testing.desk import Fakes
from evergrant.testing.store import MemoryStore
from tests.rooms.slot_ground import ROOT, TYPE, Slot, feed_finished, lost, report_finished

MINUTE = timedelta(minutes=1)


async def test_once_through(database_url: str) -> None:
    store = await open_store(database_url)
    try:
        slot = await Slot(Fakes(store=cast("MemoryStore", store))).furnish(queue=True)
        shop = await slot.account("A1SHOP")
        assert (await slot.slot_round()).subscribed == 3

        room = slot.desk.amazon_reports
        report = await room.request(shop, TYPE, by=ROOT, options={"custom": "true"})
        slot.amazon.mood = lambda method, path: lost() if method == "POST" else None
        await slot.reports_round()
        slot.amazon.mood = lambda method, path: None
        await slot.reports_round(6 * MINUTE)  # looked for, not there, asked again
        report = await slot.row(report)
        assert (report.step, report.options) == (AmazonReportStep.WAITING, {"custom": "true"})

        slot.amazon.finish(report.report_id, "DONE", b"x")
        of = slot.amazon_application_id
        slot.arrive(report_finished(of, "A1SHOP", report.report_id))
        slot.arrive(feed_finished(of, "A9STRANGER", "1"))
        heard = await slot.slot_round()
        assert (heard.told, heard.foreign, len(await slot.board())) == (1, 1, 1)
        await slot.reports_round()
        assert await slot.content(report) == b"x"
        assert [one.id for one in await room.list(shop, by=ROOT)] == [report.id]

        nothing = Credentials(notifications_queue_url="")
        await slot.desk.registry.set_credentials(slot.application_id, nothing, by=ROOT)
        assert await slot.slot_round() == Heard(ended=3)
        turned = await slot.reports_round(rules.KEPT + MINUTE)
        assert turned.forgotten == 1
    finally:
        await store.close()
