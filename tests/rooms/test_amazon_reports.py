"""The reading room: one report from the asking to the document, and everything that may come
between."""

from __future__ import annotations

import asyncio
import gzip
from datetime import timedelta

import pytest

from evergrant.errors import (
    AmazonUnavailable,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
)
from evergrant.ports.traded import AmazonReport, AmazonReportStep
from evergrant.rules import amazon_reports as rules
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.testing.desk import desk
from evergrant.testing.selling_partner_api import error_answer
from tests.rooms.slot_ground import PROGRAM, REPORTS, RESTRICTED, ROOT, TYPE, Slot, lost

Step = AmazonReportStep
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
async def slot() -> Slot:
    return await Slot().furnish()


@pytest.fixture
async def shop(slot: Slot) -> str:
    return await slot.account("A1SHOP")


async def asked(slot: Slot, shop: str, **wishes: object) -> AmazonReport:
    """One that Amazon makes."""
    report = await slot.desk.amazon_reports.request(shop, TYPE, by=ROOT, **wishes)  # type: ignore[arg-type]
    await slot.reports_round()
    return await slot.row(report)


async def test_a_report_is_asked_for_waited_for_and_streamed(slot: Slot, shop: str) -> None:
    reports = slot.desk.amazon_reports
    report = await reports.request(shop, TYPE.lower(), by=PROGRAM, options={"custom": True})
    assert (report.step, report.report_type) == (Step.PLANNED, TYPE)
    assert report.marketplace_ids == ("A1PA6795UKMFR9",), "the home marketplace"
    await slot.reports_round()
    report = await slot.row(report)
    assert (report.step, report.report_id) == (Step.WAITING, "50000")
    with pytest.raises(Conflict, match="not made"):
        await slot.content(report)
    await slot.reports_round(31 * SECOND)
    assert (await slot.row(report)).processing_status == "IN_QUEUE"
    text = ("sku\tprice\r\n" * 100_000).encode()
    slot.amazon.finish("50000", "DONE", text)
    turned = await slot.reports_round(31 * SECOND)
    assert turned.ended == 1
    report = await slot.row(report)
    assert (report.step, report.next_at) == (Step.DONE, None)
    assert await slot.content(report, PROGRAM) == text
    async with reports.open(report.id, by=PROGRAM) as coming:
        assert coming.content_type == "text/plain; charset=utf-8"
        pieces = [len(piece) async for piece in coming.pieces]
    assert max(pieces) <= 256 * 1024, "whatever the packing, memory stays flat"
    async with slot.fakes.store.transaction() as tx:
        lines = await tx.journal.read(subject=report.id)
    assert [line.verb for line in lines] == [
        "amazon_report.requested",
        "amazon_report.ended",
        "amazon_report.opened",
        "amazon_report.opened",
    ]
    assert "s3cr3t" not in repr(lines), "whoever has the address has the document"


async def test_cancelled_by_amazon_means_that_there_is_no_data(slot: Slot, shop: str) -> None:
    report = await asked(slot, shop)
    slot.amazon.finish(report.report_id, "CANCELLED")
    await slot.reports_round(MINUTE)
    report = await slot.row(report)
    assert report.step is Step.EMPTY
    with pytest.raises(Conflict, match="no data"):
        await slot.content(report)


async def test_why_a_report_failed_can_be_read(slot: Slot, shop: str) -> None:
    report = await asked(slot, shop)
    slot.amazon.finish(report.report_id, "FATAL", b'{"errorDetails":"too long"}')
    await slot.reports_round(MINUTE)
    report = await slot.row(report)
    assert report.step is Step.FAILED
    assert "document says why" in report.last_error
    assert await slot.content(report) == b'{"errorDetails":"too long"}'


@pytest.mark.parametrize("did", [True, False], ids=["carried_out", "not_carried_out"])
async def test_a_lost_answer_is_looked_for_before_anything_is_asked_again(
    slot: Slot, shop: str, did: bool
) -> None:
    report = await slot.desk.amazon_reports.request(shop, TYPE, by=ROOT)
    turn = slot.amazon.after if did else slot.amazon.mood
    lose = lambda method, path: lost() if (method, path) == ("POST", REPORTS) else None  # noqa: E731
    setattr(slot.amazon, "after" if did else "mood", lose)
    await slot.reports_round()
    setattr(slot.amazon, "after" if did else "mood", turn)
    assert (await slot.row(report)).step is Step.ASKING
    await slot.reports_round(4 * MINUTE)
    assert slot.amazon.made("POST", REPORTS) == 1, "whoever asked may still be at it"
    await slot.reports_round(2 * MINUTE)
    report = await slot.row(report)
    assert (report.step, report.report_id) == (Step.WAITING, "50000")
    assert len(slot.amazon.reports) == 1
    assert slot.amazon.made("POST", REPORTS) == (1 if did else 2)


async def test_somebody_elses_report_is_not_taken_for_the_lost_one(slot: Slot, shop: str) -> None:
    first = await asked(slot, shop)
    slot.amazon.report("A1SHOP/DE", reportType=TYPE, marketplaceIds=["A13V1IB3VIYZZH"])
    slot.amazon.report(
        "A1SHOP/DE", reportType=TYPE, marketplaceIds=["A1PA6795UKMFR9"], reportScheduleId="7"
    )
    second = await slot.desk.amazon_reports.request(shop, TYPE, by=ROOT)
    slot.amazon.mood = lambda method, path: lost() if method == "POST" else None
    await slot.reports_round()
    slot.amazon.mood = lambda method, path: None
    await slot.reports_round(6 * MINUTE)
    second = await slot.row(second)
    assert second.step is Step.WAITING
    assert second.report_id not in {first.report_id, "50001", "50002"}


async def test_two_processes_ask_once(slot: Slot, shop: str) -> None:
    await slot.desk.amazon_reports.request(shop, TYPE, by=ROOT)
    other = desk(slot.fakes)
    await asyncio.gather(slot.desk.amazon_reports.round(), other.amazon_reports.round())
    assert slot.amazon.made("POST", REPORTS) == 1


async def test_the_limit_puts_a_report_off_and_says_nothing_bad_of_it(
    slot: Slot, shop: str
) -> None:
    reports = [
        await slot.desk.amazon_reports.request(
            shop, "GET_SALES_AND_TRAFFIC_REPORT", by=ROOT, data_from=slot.clock.now() - DAY
        )
        for _ in range(6)
    ]
    turned = await slot.reports_round()
    assert turned.asked in (3, 4), "four an hour, all applications together"
    assert turned.asked + turned.put_off == 6
    put_off = [one for one in [await slot.row(report) for report in reports] if not one.report_id]
    assert {one.step for one in put_off} == {Step.PLANNED}
    assert {one.last_error for one in put_off} == {""}
    assert {one.tries for one in put_off} == {0}
    later = [one for one in put_off if one.next_at and one.next_at > slot.clock.now() + 10 * MINUTE]
    assert len(later) >= 2, "as long as the limit takes to come back"


async def test_a_type_that_is_always_throttled_comes_to_an_end(slot: Slot, shop: str) -> None:
    report = await slot.desk.amazon_reports.request(shop, TYPE, by=ROOT)
    slot.amazon.mood = lambda method, path: error_answer(429, "QuotaExceeded", "Slow down.")
    for _ in range(rules.MOST_THROTTLES + 2):
        await slot.reports_round(timedelta(hours=1))
    report = await slot.row(report)
    assert report.step is Step.FAILED
    assert "429 again and again" in report.last_error
    assert slot.amazon.made("POST", REPORTS) == rules.MOST_THROTTLES


async def test_what_amazon_refuses_ends_with_its_words(slot: Slot, shop: str) -> None:
    slot.amazon.mood = lambda method, path: error_answer(400, "InvalidInput", "Bad reportType.")
    report = await asked(slot, shop)
    assert report.step is Step.FAILED
    assert "Bad reportType." in report.last_error
    assert report.ended_at is not None


async def test_a_report_that_amazon_does_not_know_yet_is_looked_at_again(
    slot: Slot, shop: str
) -> None:
    report = await asked(slot, shop)
    gone = slot.amazon.reports.pop(report.report_id)
    await slot.reports_round(MINUTE)
    assert (await slot.row(report)).step is Step.WAITING
    slot.amazon.reports[report.report_id] = gone
    slot.amazon.finish(report.report_id, "DONE", b"x")
    await slot.reports_round(10 * MINUTE)
    assert (await slot.row(report)).step is Step.DONE


async def test_it_waits_for_a_lapsed_account_and_ends_with_a_closed_one(
    slot: Slot, shop: str
) -> None:
    report = await slot.desk.amazon_reports.request(shop, TYPE, by=ROOT)
    other = await slot.desk.amazon_reports.request(shop, TYPE, by=ROOT)
    slot.fakes.lwa.revoke("A1SHOP/DE")
    await slot.reports_round(timedelta(hours=2))  # the access token is over as well
    report = await slot.row(report)
    assert report.step is Step.PLANNED
    assert report.next_at == slot.clock.now() + rules.PARTNER_PAUSE
    await slot.desk.accounts.close(shop, by=ROOT)
    await slot.reports_round(2 * rules.PARTNER_PAUSE)
    assert {(await slot.row(one)).step for one in (report, other)} == {Step.FAILED}


async def test_nothing_is_waited_for_for_ever(slot: Slot, shop: str) -> None:
    report = await asked(slot, shop)
    await slot.reports_round(rules.GIVE_UP + MINUTE)
    report = await slot.row(report)
    assert (report.step, report.next_at) == (Step.FAILED, None)
    await slot.reports_round(rules.KEPT + MINUTE)
    with pytest.raises(NotFound):
        await slot.row(report)


async def test_a_notification_hurries_it(slot: Slot, shop: str) -> None:
    report = await asked(slot, shop)
    slot.amazon.finish(report.report_id, "DONE", b"x")
    await slot.reports_round(SECOND)
    assert (await slot.row(report)).step is Step.WAITING
    room = slot.desk.amazon_reports
    assert await room.note_finished(shop, report.report_id, slot.clock.now())
    assert not await room.note_finished(shop, "4711", slot.clock.now())
    await slot.reports_round()
    assert (await slot.row(report)).step is Step.DONE


async def test_one_that_is_cancelled_is_left_to_amazon(slot: Slot, shop: str) -> None:
    report = await asked(slot, shop)
    ended = await slot.desk.amazon_reports.cancel(report.id, by=PROGRAM)
    assert ended.step is Step.FAILED
    assert slot.amazon.reports[report.report_id]["processingStatus"] == "CANCELLED"
    await slot.reports_round(DAY)
    assert (await slot.row(report)).last_error == "It was cancelled here."
    with pytest.raises(Conflict):
        await slot.desk.amazon_reports.cancel(report.id, by=PROGRAM)


async def test_what_amazon_makes_by_itself_is_listed_and_opened(slot: Slot, shop: str) -> None:
    settlement = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
    with pytest.raises(InvalidInput, match="cannot be asked for"):
        await slot.desk.amazon_reports.request(shop, settlement, by=ROOT)
    there = slot.amazon.report(
        "A1SHOP/DE", reportType=settlement, marketplaceIds=["A1PA6795UKMFR9"]
    )
    slot.amazon.finish(there["reportId"], "DONE", b"settlement-id\n")
    room = slot.desk.amazon_reports
    (found,) = (await room.list_at_amazon(shop, settlement, by=PROGRAM)).reports
    assert found.status == "DONE"
    report = await room.adopt(shop, found.report_id, by=PROGRAM)
    assert report.step is Step.DONE
    assert await slot.content(report, PROGRAM) == b"settlement-id\n"
    assert (await room.adopt(shop, found.report_id, by=PROGRAM)).id == report.id
    with pytest.raises(NotFound):
        await room.adopt(shop, "4711", by=PROGRAM)


async def test_personal_data_takes_its_right_and_a_restricted_data_token(
    slot: Slot, shop: str
) -> None:
    room = slot.desk.amazon_reports
    with pytest.raises(NotAllowed):
        await room.request(shop, RESTRICTED, by=PROGRAM)
    report = await room.request(shop, RESTRICTED, by=ROOT)
    await slot.reports_round()
    slot.amazon.finish((await slot.row(report)).report_id, "DONE", b"buyer")
    await slot.reports_round(MINUTE)
    with pytest.raises(NotAllowed):
        await slot.content(report, PROGRAM)
    assert slot.amazon.count("restricted_data_token") == 0
    assert await slot.content(report) == b"buyer"
    assert slot.amazon.count("restricted_data_token") == 1


async def test_a_document_that_breaks_off_is_told(slot: Slot, shop: str) -> None:
    report = await asked(slot, shop)
    slot.amazon.finish(report.report_id, "DONE", b"x")
    await slot.reports_round(MINUTE)
    document = slot.amazon.reports[report.report_id]["reportDocumentId"]
    url = f"https://documents.example/{document}?X-Amz-Signature=s3cr3t"
    packed = gzip.compress(b"0123456789" * 10_000)
    slot.fakes.documents.put(url, packed[:-10])
    with pytest.raises(AmazonUnavailable):
        await slot.content(report)
    slot.fakes.documents.put(url, gzip.compress(b"one ") + gzip.compress(b"two"))
    assert await slot.content(report) == b"one two"
    slot.fakes.documents.put(url, b"unpacked on its way")
    assert await slot.content(report) == b"unpacked on its way"
    del slot.amazon.reports[report.report_id]["reportDocumentId"]
    with pytest.raises(NotFound):
        await slot.content(report)


async def test_every_flaw_of_a_wish_is_told_at_once(slot: Slot, shop: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await slot.desk.amazon_reports.request(
            shop,
            "GET_VENDOR_SALES_REPORT",
            by=ROOT,
            marketplaces=["US", "XX"],
            data_from=slot.clock.now() + DAY,
        )
    assert {(flaw.field, flaw.code) for flaw in caught.value.flaws} == {
        ("report_type", "other_partner_kind"),
        ("marketplaces", "other_region"),
        ("marketplaces", "unknown_marketplace"),
        ("data_from", "out_of_range"),
    }


async def test_nobody_reaches_beyond_their_accounts(slot: Slot, shop: str) -> None:
    report = await asked(slot, shop)
    stranger = Caller(
        kind=CallerKind.API_KEY,
        id="key_2",
        rights=frozenset(Right),
        account_ids=frozenset({"acc_other"}),
    )
    room = slot.desk.amazon_reports
    for verb in (
        room.get(report.id, by=stranger),
        room.cancel(report.id, by=stranger),
        room.list(shop, by=stranger),
        room.request(shop, TYPE, by=stranger),
        room.list_at_amazon(shop, TYPE, by=stranger),
        room.adopt(shop, report.report_id, by=stranger),
    ):
        with pytest.raises(NotFound):
            await verb
    with pytest.raises(NotFound):
        await slot.content(report, stranger)
    reader = Caller(kind=CallerKind.API_KEY, id="key_3", rights=frozenset({Right.READ}))
    with pytest.raises(NotAllowed):
        await room.list(shop, by=reader)
