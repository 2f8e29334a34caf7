"""Levers over feeds: pace, holds, ends, lost reports, contents; and the queue under any use."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from amazon_emulator import LeverError, issuing
from amazon_emulator.marketplaces import find
from amazon_emulator.stage import Stage
from amazon_emulator.trade.documents.documents import Documents
from amazon_emulator.trade.feeds.choices import Choice, Hold
from amazon_emulator.trade.feeds.feed import Feed
from amazon_emulator.trade.feeds.feeds import Feeds
from amazon_emulator.trade.feeds.types import FEED_TYPES
from amazon_emulator.trade.pace import Pace
from amazon_emulator.trade.processings import ENDS
from amazon_emulator.world import Application, Partner
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import DE, FEED_DOCUMENTS, ORDERS_XML, OTHER_XML, Desk, refused
from tests.searching import cases


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


def not_done(desk: Desk, status: int, words: str, method: str, path: str, body: Any = None) -> None:
    with pytest.raises(LeverError, match=words) as told:
        desk.lever(method, path, body)
    assert f" {status} " in str(told.value)


# --- pace -----------------------------------------------------------------------------------------


def test_pace_of_all_and_of_one_type(desk: Desk) -> None:
    usual = desk.lever("GET", "/feeds/pace")
    assert usual == {"queue_s": 2.0, "processing_s": 5.0, "own": {}}
    desk.pace(100, 100, feed_type=ORDERS_XML)
    slow, quick = desk.feed(ORDERS_XML), desk.feed(OTHER_XML)
    desk.advance(8)
    assert (desk.status(slow), desk.status(quick)) == ("IN_QUEUE", "DONE")
    told = desk.lever("PUT", "/feeds/pace", {"processing_s": 0, "feed_type": ORDERS_XML})
    assert told["own"] == {ORDERS_XML: {"queue_s": 100, "processing_s": 0}}
    assert desk.lever("PUT", "/feeds/pace", {"queue_s": 1})["own"] == {}
    assert desk.lever("GET", "/feeds/pace")["processing_s"] == 5


def test_a_new_pace_holds_for_what_is_under_way(desk: Desk) -> None:
    desk.pace(100, 1000)
    first, second = desk.feed(), desk.feed()
    desk.pace(0, 1000)
    assert desk.status(first) == "IN_PROGRESS"
    desk.pace(0, 0)
    assert [desk.status(one) for one in (first, second)] == ["DONE", "DONE"]


@pytest.mark.parametrize(
    "body",
    [
        {"queue_s": -1},
        {"queue_s": "1"},
        {"processing_s": 2592001},
        {"feed_type": "POST_NOTHING"},
        {"speed": 1},
    ],
)
def test_a_pace_that_is_none(desk: Desk, body: dict[str, Any]) -> None:
    before = desk.lever("GET", "/feeds/pace")
    not_done(desk, 422, ".", "PUT", "/feeds/pace", body)
    assert desk.lever("GET", "/feeds/pace") == before


# --- holds ----------------------------------------------------------------------------------------


def test_a_stuck_feed_blocks_its_kind_alone(desk: Desk) -> None:
    desk.pace(1, 1)
    stuck = desk.feed()
    desk.advance(1.5)
    assert desk.status(stuck) == "IN_PROGRESS"
    assert desk.lever("POST", f"/feeds/{stuck}/hold")["held"] is True
    behind, beside = desk.feed(), desk.feed(OTHER_XML)
    desk.advance(3000)
    assert [desk.status(one) for one in (stuck, behind)] == ["IN_PROGRESS", "IN_QUEUE"]
    assert desk.status(beside) == "DONE"
    desk.lever("POST", f"/feeds/{stuck}/release")
    assert desk.status(stuck) == "DONE"
    desk.advance(2)
    assert desk.status(behind) == "DONE"
    not_done(desk, 409, "DONE", "POST", f"/feeds/{stuck}/hold")
    not_done(desk, 409, "not held", "POST", f"/feeds/{stuck}/release")


def test_a_waiting_feed_can_be_held_and_cancelled(desk: Desk) -> None:
    desk.pace(1, 1)
    waiting, behind = desk.feed(), desk.feed()
    desk.lever("POST", f"/feeds/{waiting}/hold")
    desk.advance(100)
    assert [desk.status(one) for one in (waiting, behind)] == ["IN_QUEUE", "IN_QUEUE"]
    assert desk.call("DELETE", f"/feeds/2021-06-30/feeds/{waiting}").status_code == 200
    desk.advance(2)
    assert desk.status(behind) == "DONE"


@pytest.mark.parametrize(("where", "status"), [("in_queue", "IN_QUEUE"), ("in_progress",) * 2])
def test_holds_for_all_that_come(desk: Desk, where: str, status: str) -> None:
    other = Desk.of(desk.house)
    desk.pace(0, 0)
    told = desk.lever(
        "POST",
        "/feeds/hold",
        {"feed_type": ORDERS_XML, "selling_partner_id": desk.partner_id, "where": where},
    )
    assert told["items"] == [
        {"feed_type": ORDERS_XML, "selling_partner_id": desk.partner_id, "where": where}
    ]
    held, behind, beside, stranger = desk.feed(), desk.feed(), desk.feed(OTHER_XML), other.feed()
    desk.advance(1000)
    assert desk.status(held) == status.upper()
    assert desk.status(behind) == "IN_QUEUE"
    assert desk.status(beside) == "DONE"
    assert other.status(stranger) == "DONE"
    assert desk.lever("GET", "/feeds/holds")["held"] == [held]
    other_type = desk.lever("POST", "/feeds/release", {"feed_type": OTHER_XML})
    assert other_type["count"] == 0
    assert desk.lever("POST", "/feeds/release")["count"] == 1
    assert desk.lever("GET", "/feeds/holds") == {"items": [], "held": []}
    assert [desk.status(one) for one in (held, behind)] == ["DONE", "DONE"]


def test_one_feed_can_be_let_out_of_a_queue_that_is_held(desk: Desk) -> None:
    desk.pace(1, 1)
    desk.lever("POST", "/feeds/hold", {"where": "in_queue"})
    first, second, behind = desk.feed(), desk.feed(), desk.feed()
    desk.advance(100)
    assert [desk.status(one) for one in (first, second, behind)] == ["IN_QUEUE"] * 3
    desk.lever("POST", f"/feeds/{first}/release")
    desk.advance(100)
    assert [desk.status(one) for one in (first, second, behind)] == ["DONE", "IN_QUEUE", "IN_QUEUE"]
    released = desk.lever("POST", "/feeds/release", {"feed_type": ORDERS_XML})
    assert [one["feed_id"] for one in released["items"]] == [second], "the hold of all stays"
    desk.advance(100)
    assert [desk.status(one) for one in (second, behind)] == ["DONE", "IN_QUEUE"]


def test_a_decided_cancellation_comes_before_processing(desk: Desk) -> None:
    desk.pace(10, 1000)
    desk.lever("POST", "/feeds/decide", {"status": "CANCELLED"})
    cancelled, behind = desk.feed(), desk.feed()
    assert desk.status(cancelled) == "IN_QUEUE"
    desk.advance(11)
    known = desk.get(cancelled)
    assert known["processingStatus"] == "CANCELLED"
    assert "processingEndTime" in known
    assert "processingStartTime" not in known
    assert desk.status(behind) == "IN_PROGRESS"


def test_a_hold_catches_what_is_under_way(desk: Desk) -> None:
    desk.pace(10, 10)
    working, waiting = desk.feed(), desk.feed(OTHER_XML)
    desk.advance(11)
    later = desk.feed(OTHER_XML)
    desk.lever("POST", "/feeds/hold", {})
    desk.advance(1000)
    assert [desk.status(one) for one in (working, waiting, later)] == [
        "IN_PROGRESS",
        "IN_PROGRESS",
        "IN_QUEUE",
    ]
    not_done(desk, 404, ".", "POST", "/feeds/hold", {"selling_partner_id": "NOBODY"})
    not_done(desk, 422, "no feed type", "POST", "/feeds/hold", {"feed_type": "POST_NOTHING"})


# --- ends -----------------------------------------------------------------------------------------


def test_finish_now_as_it_would(desk: Desk) -> None:
    desk.pace(1000, 1000)
    first, second = desk.feed(), desk.feed()
    told = desk.lever("POST", f"/feeds/{second}/finish")
    assert told["status"] == "DONE", "out of turn"
    assert b"does not apply" in desk.result(second)
    assert desk.status(first) == "IN_QUEUE"
    desk.lever("POST", f"/feeds/{first}/hold")
    assert desk.lever("POST", f"/feeds/{first}/finish")["held"] is False
    assert desk.status(first) == "DONE"
    not_done(desk, 409, "is DONE", "POST", f"/feeds/{first}/finish")
    not_done(desk, 404, "no feed 7", "POST", "/feeds/7/finish")


@pytest.mark.parametrize(
    ("wish", "status", "report"),
    [
        ({"status": "DONE"}, "DONE", b"does not apply"),
        ({"status": "DONE", "report": "none"}, "DONE", None),
        ({"status": "DONE", "text": "mine"}, "DONE", b"mine"),
        ({"status": "FATAL"}, "FATAL", b"aborted"),
        ({"status": "FATAL", "report": "none"}, "FATAL", None),
        ({"status": "FATAL", "base64": base64.b64encode(b"\xff").decode()}, "FATAL", b"\xff"),
        ({"status": "CANCELLED"}, "CANCELLED", None),
    ],
)
def test_chosen_ends(desk: Desk, wish: dict[str, Any], status: str, report: bytes | None) -> None:
    desk.pace(1, 1)
    now = desk.feed()
    desk.lever("POST", f"/feeds/{now}/finish", wish)
    desk.lever("POST", "/feeds/decide", {**wish, "feed_type": ORDERS_XML})
    beside, decided, after = desk.feed(OTHER_XML), desk.feed(), desk.feed()
    desk.advance(100)
    assert (desk.status(beside), desk.status(after)) == ("DONE", "DONE")
    for feed_id in (now, decided):
        known = desk.get(feed_id)
        assert known["processingStatus"] == status
        assert ("resultFeedDocumentId" in known) is (report is not None)
        if report is not None:
            assert report in desk.result(feed_id)


@pytest.mark.parametrize(
    ("wish", "applied"),
    [
        ({"status": "DONE"}, True),
        ({"status": "DONE", "text": "mine"}, True),
        ({"status": "DONE", "applied": False}, False),
        ({"status": "FATAL"}, False),
        ({"status": "FATAL", "applied": True}, True),
        ({"status": "CANCELLED"}, False),
    ],
)
def test_whether_the_content_takes_effect(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, wish: dict[str, Any], applied: bool
) -> None:
    from amazon_emulator.trade.feeds.processing import Outcome, Work
    from amazon_emulator.trade.feeds.types import PROCESSORS

    works: list[Work] = []

    def process(work: Work) -> Outcome:
        works.append(work)
        return Outcome("DONE", b"<done/>", "text/xml")

    monkeypatch.setitem(PROCESSORS, ORDERS_XML, process)
    desk.lever("POST", f"/feeds/{desk.feed()}/finish", wish)
    assert len(works) == applied


def test_decisions_for_some_times_and_partners(desk: Desk) -> None:
    other = Desk.of(desk.house)
    desk.pace(0, 0)
    desk.lever(
        "POST",
        "/feeds/decide",
        {"status": "FATAL", "times": 2, "selling_partner_id": desk.partner_id},
    )
    assert other.status(other.feed()) == "DONE"
    assert [desk.status(desk.feed()) for _ in range(3)] == ["FATAL", "FATAL", "DONE"]
    desk.lever("POST", "/feeds/decide", {"status": "FATAL", "times": None})
    assert [desk.status(desk.feed()) for _ in range(3)] == ["FATAL"] * 3
    assert desk.lever("DELETE", "/feeds/decide") == {"count": 1}
    assert desk.status(desk.feed()) == "DONE"


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"status": "LOST"},
        {"status": "DONE", "text": 7},
        {"status": "DONE", "text": "a", "base64": "YQ=="},
        {"status": "DONE", "base64": "?"},
        {"status": "DONE", "text": "a", "report": "none"},
        {"status": "DONE", "applied": "yes"},
        {"status": "DONE", "times": 0},
        {"status": "DONE", "more": 1},
    ],
)
def test_decisions_that_are_none(desk: Desk, wish: dict[str, Any]) -> None:
    not_done(desk, 422, ".", "POST", "/feeds/decide", wish)
    assert desk.lever("DELETE", "/feeds/decide") == {"count": 0}


# --- reports and contents -------------------------------------------------------------------------


def test_lost_reports(desk: Desk) -> None:
    desk.pace(0, 0)
    gone, unnamed, none = desk.feed(), desk.feed(), desk.feed("POST_PRODUCT_DATA")
    document_id = desk.get(gone)["resultFeedDocumentId"]
    desk.lever("POST", f"/feeds/{gone}/lose-report")
    assert desk.get(gone)["resultFeedDocumentId"] == document_id
    refused(desk.call("GET", f"{FEED_DOCUMENTS}/{document_id}"), 404, "NotFound")
    desk.lever("POST", f"/feeds/{unnamed}/lose-report", {"how": "unnamed"})
    assert "resultFeedDocumentId" not in desk.get(unnamed)
    not_done(desk, 409, "no report", "POST", f"/feeds/{none}/lose-report")


def test_contents_can_be_seen(desk: Desk) -> None:
    document = desk.new_document("application/pdf")
    empty = desk.lever("GET", f"/documents/{document['feedDocumentId']}")
    assert (empty["bytes"], empty["purpose"]) == (None, "feed_upload")
    desk.put(document["url"], b"%PDF-\xff", "application/pdf")
    shown = desk.lever("GET", f"/documents/{document['feedDocumentId']}")
    assert (shown["bytes"], shown["text"]) == (6, None)
    assert base64.b64decode(shown["base64"]) == b"%PDF-\xff"
    assert shown["content_type"] == "application/pdf"
    desk.pace(0, 0)
    feed_id = desk.feed("UPLOAD_VAT_INVOICE", inputFeedDocumentId=document["feedDocumentId"])
    for _ in range(2):
        content = desk.lever("GET", f"/feeds/{feed_id}/content")
        assert base64.b64decode(content["base64"]) == b"%PDF-\xff"
        assert desk.status(feed_id) in ENDS, "also when it is over"
    not_done(desk, 404, "no document x", "GET", "/documents/x")
    desk.lever("PATCH", "/feeds/habits", {"packed": True})
    feed_id = desk.feed()
    result = desk.lever("GET", f"/documents/{desk.get(feed_id)['resultFeedDocumentId']}")
    assert result["compression"] == "GZIP"
    assert "does not apply" in result["text"]


def test_the_list(desk: Desk) -> None:
    desk.pace(10, 100)
    first, second = desk.feed(), desk.feed(OTHER_XML)
    told = desk.lever("GET", "/feeds")
    assert [one["feed_id"] for one in told["items"]] == [first, second]
    assert told["count"] == 2
    row = desk.lever("GET", f"/feeds/{first}")
    assert row == told["items"][0]
    assert (row["kind"], row["status"], row["held"]) == ("orders", "IN_QUEUE", False)
    due = datetime.fromisoformat(row["next_step_at"]) - datetime.fromisoformat(row["created_at"])
    assert due == timedelta(seconds=10)
    assert desk.lever("GET", "/feeds", kind="other")["count"] == 1
    assert desk.lever("GET", "/feeds", status="IN_QUEUE", region="eu")["count"] == 2
    assert desk.lever("GET", "/feeds", selling_partner_id="X")["count"] == 0
    for query in ({"color": "red"}, {"status": "LOST"}, {"kind": "strange"}):
        with pytest.raises(LeverError):
            desk.lever("GET", "/feeds", **query)


def test_habits(desk: Desk) -> None:
    plain = {"same_document": "second_feed", "other_report_id": None, "packed": None, "latin": None}
    assert desk.lever("GET", "/feeds/habits") == plain
    changed = {"same_document": "refused", "other_report_id": True, "packed": False, "latin": True}
    assert desk.lever("PATCH", "/feeds/habits", changed) == changed
    back = desk.lever("PATCH", "/feeds/habits", {"latin": None})
    assert back == {**changed, "latin": None}
    not_done(desk, 422, "packed", "PATCH", "/feeds/habits", {"packed": 1})
    desk.pace(0, 0)
    feed_id = desk.feed()
    named = desk.lever("GET", f"/feeds/{feed_id}")["report_feed_id"]
    assert named.startswith("amzn1.spfeed.")
    assert named.encode() in desk.result(feed_id)
    not_done(desk, 422, "max_bytes", "PUT", "/documents/limit", {})


# --- the queue under any use ----------------------------------------------------------------------

TYPES = (ORDERS_XML, "POST_EXPECTED_SHIP_DATE_SOD_FLAT_FILE", OTHER_XML)
PARTNERS = ("ONE", "TWO")


class Queues(RuleBasedStateMachine):
    """Whatever is done: never two in progress of one kind, in order of arrival, and a held feed
    blocks its own kind alone."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage.fresh(gentle=True, seed=0, start=datetime(2026, 1, 1, tzinfo=UTC))
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.stage.world.add_application(
            Application("Any", "application", issuing.client_id(), secrets=[])
        )
        for partner_id in PARTNERS:
            self.stage.world.add_partner(
                Partner("seller", partner_id, partner_id, f"{partner_id}@a.example", "", find("DE"))
            )
        self.feeds = self.stage.of(Feeds)
        self.made: list[Feed] = []
        self.began: dict[str, datetime] = {}
        self.out_of_turn: set[str] = set()

    feed = Bundle("feed")

    @rule(target=feed, feed_type=st.sampled_from(TYPES), partner_id=st.sampled_from(PARTNERS))
    def submit(self, feed_type: str, partner_id: str) -> Feed:
        documents = self.stage.of(Documents)
        document = documents.new_upload(self.stage, partner_id, "text/xml", self.now, region="eu")
        document.content = b"<a/>"
        made = self.feeds.submit(
            self.stage,
            partner_id=partner_id,
            application_id="application",
            region="eu",
            feed_type=feed_type,
            marketplace_ids=(DE,),
            options={},
            input_document_id=document.document_id,
            now=self.now,
        )
        self.made.append(made)
        return made

    @rule(seconds=st.sampled_from((0.0, 0.5, 1.0, 3.0, 20.0, 4000.0)))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.stage.agenda.run(self.now)

    @rule(feed=feed)
    def cancel(self, feed: Feed) -> None:
        waits = feed.status == "IN_QUEUE"
        assert self.feeds.cancel(self.stage, feed, self.now) is waits

    @rule(feed=feed)
    def hold(self, feed: Feed) -> None:
        if feed.status not in ENDS:
            self.feeds.hold(self.stage, feed, self.now)

    @rule(feed=feed)
    def hold_a_while(self, feed: Feed) -> None:
        if feed.status not in ENDS:
            self.feeds.hold(self.stage, feed, self.now)
            self.feeds.release(self.stage, feed, self.now)

    @rule(feed=feed)
    def release(self, feed: Feed) -> None:
        if feed.held:
            self.feeds.release(self.stage, feed, self.now)

    @rule(feed=feed, status=st.sampled_from(("DONE", "FATAL", "CANCELLED", None)))
    def finish(self, feed: Feed, status: Any) -> None:
        if feed.status in ENDS:
            return
        if feed.status == "IN_QUEUE":
            self.out_of_turn.add(feed.feed_id)
        choice = None if status is None else Choice(status)
        self.feeds.finish(self.stage, feed, choice, self.now)
        assert feed.status in ENDS

    @rule(queue_s=st.sampled_from((0.0, 2.0)), processing_s=st.sampled_from((0.0, 5.0, 50.0)))
    def change_pace(self, queue_s: float, processing_s: float) -> None:
        self.feeds.paces.set(Pace(queue_s, processing_s), None)
        self.feeds.replan(self.stage, self.now)

    @rule(
        feed_type=st.sampled_from((*TYPES, None)),
        where=st.sampled_from(("in_queue", "in_progress")),
    )
    def hold_from_now_on(self, feed_type: str | None, where: Any) -> None:
        self.feeds.holds.append(Hold(feed_type, None, where))

    @precondition(lambda self: self.feeds.holds)
    @rule()
    def release_all(self) -> None:
        self.feeds.holds.clear()
        for feed in self.made:
            if feed.held:
                self.feeds.release(self.stage, feed, self.now)

    @rule()
    def load_what_was_exported(self) -> None:
        written = self.feeds.as_json()
        again = Feeds()
        shadow = Stage.fresh(gentle=True, seed=0, start=self.now)
        shadow.world = self.stage.world
        again.load(shadow, written)
        assert again.as_json()["feeds"] == [
            {**row, "held": again_row["held"]}
            for row, again_row in zip(written["feeds"], again.as_json()["feeds"], strict=True)
        ]

    @invariant()
    def one_in_progress_of_a_kind(self) -> None:
        busy = [feed.line for feed in self.made if feed.status == "IN_PROGRESS"]
        assert len(busy) == len(set(busy))
        for feed in self.made:
            if feed.status == "IN_PROGRESS":
                assert self.feeds.in_progress(feed.line) is feed

    @invariant()
    def in_order_of_arrival(self) -> None:
        for line in {feed.line for feed in self.made}:
            began = [
                feed.started_at
                for feed in self.made
                if feed.line == line and feed.started_at and feed.feed_id not in self.out_of_turn
            ]
            assert began == sorted(began)
            waiting = [f for f in self.made if f.line == line and f.status == "IN_QUEUE"]
            assert self.feeds.waiting(line) == waiting

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """Whatever is neither held nor behind another has a next step."""
        for feed in self.made:
            if feed.status in ENDS:
                assert feed.entry is None
                assert feed.ended_at is not None
                continue
            first = feed.status == "IN_PROGRESS" or (
                self.feeds.waiting(feed.line)[0] is feed
                and self.feeds.in_progress(feed.line) is None
            )
            assert (feed.entry is not None) is (first and not feed.held)

    @invariant()
    def kinds_are_those_of_the_types(self) -> None:
        assert all(feed.kind == FEED_TYPES[feed.feed_type].kind for feed in self.made)


TestQueues = Queues.TestCase
TestQueues.settings = settings(max_examples=cases(60), stateful_step_count=30, deadline=None)
