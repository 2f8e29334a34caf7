"""Feeds 2021-06-30: the six operations, their refusals, the queue, statuses over time, results."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest

from amazon_emulator import Emulator
from amazon_emulator.trade.documents.documents import Documents
from amazon_emulator.trade.feeds import results
from amazon_emulator.trade.feeds.feeds import Feeds
from amazon_emulator.trade.feeds.processing import Outcome, Work
from amazon_emulator.trade.feeds.types import FEED_TYPES, PROCESSORS
from amazon_emulator.trade.listings.catalogue import Catalogue
from amazon_emulator.trade.queues import notices
from amazon_emulator.trade.reports.reports import Reports
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import (
    DE,
    FEED_DOCUMENTS,
    FEEDS,
    FR,
    ORDERS_XML,
    OTHER_XML,
    SCHEDULES,
    US,
    Desk,
    refused,
)
from tests.emulator.test_selling_partner_api import check_shape

MODEL = "feeds-api-model/feeds_2021-06-30.json"


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.of(house)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """What reaches the processor of a type, whose report is not plain ASCII."""
    works: list[Work] = []

    def process(work: Work) -> Outcome:
        works.append(work)
        report = '<?xml version="1.0" encoding="UTF-8"?>\n<Report>Größe €</Report>'
        return Outcome("DONE", report.encode(), "text/xml")

    monkeypatch.setitem(PROCESSORS, ORDERS_XML, process)
    return works


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The notifications."""
    heard: list[tuple[str, Any]] = []

    def tell(stage: Any, name: str, partner: Any, payload: Any, now: Any, **more: Any) -> None:
        assert more["payload_version"] == "2020-09-04"
        heard.append((name, payload))

    monkeypatch.setattr(notices, "tell", tell)
    return heard


# --- from creation to the report ------------------------------------------------------------------


def test_the_whole_way(desk: Desk, models: Path, told: list[tuple[str, Any]]) -> None:
    desk.pace(60, 120)
    document = desk.new_document("text/xml")
    check_shape(models, MODEL, "CreateFeedDocumentResponse", document)
    desk.put(document["url"], b"<a/>", "text/xml")
    answer = desk.create(
        marketplaceIds=[DE, FR],
        inputFeedDocumentId=document["feedDocumentId"],
        feedOptions={"one": "two"},
    )
    assert answer.status_code == 202
    check_shape(models, MODEL, "CreateFeedResponse", answer.json())
    feed_id = answer.json()["feedId"]
    assert feed_id.isdigit()

    waiting = desk.get(feed_id)
    check_shape(models, MODEL, "Feed", waiting)
    assert waiting["processingStatus"] == "IN_QUEUE"
    assert waiting["marketplaceIds"] == [DE, FR]
    assert "processingStartTime" not in waiting
    desk.advance(58)
    assert desk.status(feed_id) == "IN_QUEUE"
    desk.advance(3)
    working = desk.get(feed_id)
    check_shape(models, MODEL, "Feed", working)
    assert working["processingStatus"] == "IN_PROGRESS"
    assert "processingEndTime" not in working
    assert not told
    desk.advance(116)
    assert desk.status(feed_id) == "IN_PROGRESS"
    desk.advance(5)
    done = desk.get(feed_id)
    check_shape(models, MODEL, "Feed", done)
    assert done["processingStatus"] == "DONE"
    kept = desk.house.amazon.stage.of(Feeds).get(feed_id)
    assert kept is not None
    assert kept.content == b"", "90 days of it would fill the memory"
    assert done["createdTime"] < done["processingStartTime"] < done["processingEndTime"]

    shown = desk.call("GET", f"{FEED_DOCUMENTS}/{done['resultFeedDocumentId']}").json()
    check_shape(models, MODEL, "FeedDocument", shown)
    report = ElementTree.fromstring(desk.result(feed_id))
    assert "does not apply" in str(report.findtext(".//ResultDescription"))
    assert told == [
        (
            "FEED_PROCESSING_FINISHED",
            {
                "feedProcessingFinishedNotification": {
                    "sellerId": desk.partner_id,
                    "accountId": f"amzn1.merchant.o.{desk.partner_id}",
                    "feedId": feed_id,
                    "feedType": ORDERS_XML,
                    "processingStatus": "DONE",
                    "resultFeedDocumentId": done["resultFeedDocumentId"],
                }
            },
        )
    ]
    schema = models.parent / "schemas/notifications/FeedProcessingFinishedNotification.json"
    wanted = json.loads(schema.read_text())["properties"]["payload"]["properties"]
    ((_, payload),) = told
    facts = wanted["feedProcessingFinishedNotification"]["properties"]
    assert set(payload["feedProcessingFinishedNotification"]) <= set(facts)


def test_a_jump_over_everything_leaves_true_times(desk: Desk) -> None:
    desk.pace(60, 120)
    first, second = desk.feed(), desk.feed()
    desk.advance(30 * 86400)
    renewed = Desk.of(desk.house, desk.partner)
    one, two = renewed.get(first), renewed.get(second)
    assert [one["processingStatus"], two["processingStatus"]] == ["DONE", "DONE"]
    assert two["processingStartTime"] == one["processingEndTime"]
    times = [one["createdTime"], one["processingStartTime"], one["processingEndTime"]]
    created, started, ended = map(datetime.fromisoformat, times)
    assert (started - created).total_seconds() == pytest.approx(60, abs=0.01)
    assert (ended - started).total_seconds() == pytest.approx(120, abs=0.01)


def test_what_reaches_the_processor(desk: Desk, seen: list[Work]) -> None:
    desk.pace(0, 0)
    content = "<Ä/>".encode()
    document_id = desk.uploaded(content, "text/xml; charset=UTF-8")
    feed_id = desk.feed(inputFeedDocumentId=document_id, feedOptions={"metadata:OrderId": "1"})
    assert desk.status(feed_id) == "DONE"
    (work,) = seen
    assert work.content == content
    assert work.content_type == "text/xml; charset=UTF-8"
    assert work.options == {"metadata:OrderId": "1"}
    assert work.marketplace_ids == (DE,)
    assert work.region == "eu"
    assert work.feed_type == ORDERS_XML
    assert work.feed_id == feed_id, "gentle: the report names it as createFeed did"
    assert work.partner.selling_partner_id == desk.partner_id
    assert work.application.application_id == desk.house.application_id
    assert desk.result(feed_id).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Report>Größe €</Report>'
    )


def test_a_packed_upload_is_unpacked(desk: Desk, seen: list[Work]) -> None:
    desk.pace(0, 0)
    packed = gzip.compress(b"<a>1</a>") + gzip.compress(b"<b/>")
    feed_id = desk.feed(inputFeedDocumentId=desk.uploaded(packed))
    assert desk.status(feed_id) == "DONE"
    assert seen[0].content == b"<a>1</a><b/>"


@pytest.mark.parametrize(
    "broken",
    [b"\x1f\x8b and then nothing", gzip.compress(b"<a/>" * 99, mtime=0)[:-9]],
    ids=["no packing", "cut off"],
)
def test_a_broken_packing_is_fatal(desk: Desk, seen: list[Work], broken: bytes) -> None:
    desk.pace(0, 0)
    feed_id = desk.feed(inputFeedDocumentId=desk.uploaded(broken))
    assert desk.status(feed_id) == "FATAL"
    assert not seen


def test_a_packing_that_holds_too_much_is_fatal(desk: Desk, seen: list[Work]) -> None:
    desk.pace(0, 0)
    desk.lever("PUT", "/documents/limit", {"max_bytes": 100_000})
    for size, status in ((100_000, "DONE"), (100_001, "FATAL")):
        document_id = desk.uploaded(gzip.compress(bytes(size)))
        assert desk.status(desk.feed(inputFeedDocumentId=document_id)) == status
    assert len(seen) == 1


# --- not gentle -----------------------------------------------------------------------------------


def test_a_packing_of_many_parts_is_read(desk: Desk) -> None:
    """Half a second; minutes, if what is left were copied for each part."""
    content = gzip.compress(b"", mtime=0) * 40_000 + gzip.compress(b"<a/>", mtime=0)
    assert results.unpacked(content, 4) == b"<a/>"
    with pytest.raises(ValueError, match="more than 3 bytes"):
        results.unpacked(content, 3)
    for broken in (content[:-1], content + b"x", content[:5]):
        with pytest.raises(ValueError, match="broken"):
            results.unpacked(broken, 100)


def test_a_processor_that_fails_ends_its_feed_fatal(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def process(work: Work) -> Outcome:
        raise KeyError(work.feed_id)

    monkeypatch.setitem(PROCESSORS, ORDERS_XML, process)
    desk.pace(1, 1)
    broken, behind = desk.feed(), desk.feed("POST_EXPECTED_SHIP_DATE_SOD_FLAT_FILE")
    desk.advance(10)
    known = desk.get(broken)
    assert known["processingStatus"] == "FATAL"
    assert known["processingStartTime"] < known["processingEndTime"]
    assert "resultFeedDocumentId" not in known
    assert desk.status(behind) == "DONE", "nothing waits behind it for ever"
    assert f"failed at feed {broken}" in caplog.text
    again = desk.feed()
    assert desk.lever("POST", f"/feeds/{again}/finish")["status"] == "FATAL"


def test_results_vary_unless_gentle(desk: Desk, seen: list[Work]) -> None:
    desk.pace(0, 0)
    desk.house.amazon.levers.habits(gentle=False)
    desk.lever("PUT", "/limits", {"enforced": False})
    kinds = set()
    for _ in range(24):
        feed_id = desk.feed()
        document_id = desk.get(feed_id)["resultFeedDocumentId"]
        shown = desk.call("GET", f"{FEED_DOCUMENTS}/{document_id}").json()
        content_type = desk.house.http.get(shown["url"]).headers["content-type"]
        report = desk.result(feed_id)
        latin = "iso-8859-1" in content_type
        kinds.add(("compressionAlgorithm" in shown, latin))
        assert ElementTree.fromstring(report).text == "Größe €"
        assert (b"Gr\xf6\xdfe &#8364;" in report) is latin
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}
    assert all(work.report_feed_id.startswith("amzn1.spfeed.") for work in seen)
    assert not any(work.feed_id.startswith("amzn1.spfeed.") for work in seen)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"feedType": None},
        {"feedType": ""},
        {"feedType": 7},
        {"feedType": "POST_SOMETHING_NEW"},
        {"marketplaceIds": None},
        {"marketplaceIds": []},
        {"marketplaceIds": DE},
        {"marketplaceIds": [7]},
        {"marketplaceIds": [DE] * 26},
        {"marketplaceIds": ["UNKNOWN"]},
        {"inputFeedDocumentId": 7},
        {"inputFeedDocumentId": "unknown"},
        {"feedOptions": []},
        {"feedOptions": {"one": 1}},
        {"feedOptions": {"one": None}},
    ],
)
def test_input_that_is_refused(desk: Desk, changes: dict[str, Any]) -> None:
    feed_type = changes.pop("feedType", ORDERS_XML)
    refused(desk.create(feed_type, **changes), 400, "InvalidInput")
    assert desk.lever("GET", "/feeds")["count"] == 0


def test_a_body_that_is_no_object(desk: Desk) -> None:
    refused(desk.call("POST", FEEDS, ["feedType"]), 400, "InvalidInput")
    refused(desk.call("POST", FEEDS), 400, "InvalidInput")


def test_the_upload_must_be_there(desk: Desk) -> None:
    document = desk.new_document()
    answer = desk.create(inputFeedDocumentId=document["feedDocumentId"])
    assert "uploaded" in refused(answer, 400, "InvalidInput")["details"]
    desk.put(document["url"], b"")
    assert desk.create(inputFeedDocumentId=document["feedDocumentId"]).status_code == 202


def test_a_result_is_no_input(desk: Desk) -> None:
    desk.pace(0, 0)
    result = desk.get(desk.feed())["resultFeedDocumentId"]
    refused(desk.create(inputFeedDocumentId=result), 400, "InvalidInput")


def test_25_marketplaces_may_be_named(desk: Desk) -> None:
    assert desk.create(marketplaceIds=[DE] * 25).status_code == 202


def test_vendors_have_the_json_feed_alone(house: House, told: list[tuple[str, Any]]) -> None:
    vendor = Desk.of(house, house.vendor())
    vendor.pace(0, 0)
    refused(vendor.create(ORDERS_XML), 403, "Unauthorized")
    feed_id = vendor.feed("JSON_LISTINGS_FEED")
    assert vendor.status(feed_id) == "DONE"
    ((_, payload),) = told
    facts = payload["feedProcessingFinishedNotification"]
    assert facts["accountId"].startswith("amzn1.vg.")
    assert facts.get("sellerId") is None


def test_a_role_that_is_missing(house: House) -> None:
    path = f"/world/applications/{house.application_id}"
    house.amazon.levers.pull("PATCH", path, {"roles": ["Product Listing"]})
    desk = Desk.of(house)
    assert desk.create("JSON_LISTINGS_FEED").status_code == 202
    refused(desk.create("UPLOAD_VAT_INVOICE"), 403, "Unauthorized")
    refused(desk.create(ORDERS_XML), 403, "Unauthorized")


def test_one_document_twice(desk: Desk) -> None:
    document_id = desk.uploaded()
    first = desk.feed(inputFeedDocumentId=document_id)
    assert desk.feed(inputFeedDocumentId=document_id) != first
    desk.lever("PATCH", "/feeds/habits", {"same_document": "refused"})
    refused(desk.create(inputFeedDocumentId=document_id), 400, "InvalidInput")
    assert desk.create().status_code == 202


def test_json_feeds_have_a_limit_of_their_own(desk: Desk) -> None:
    desk.pace(0, 0)
    assert [desk.create("JSON_LISTINGS_FEED").status_code for _ in range(6)] == [202] * 5 + [429]
    assert desk.create(ORDERS_XML).status_code == 202
    assert desk.lever("GET", "/feeds", feed_type="JSON_LISTINGS_FEED")["count"] == 5
    desk.advance(301)
    assert desk.create("JSON_LISTINGS_FEED").status_code == 202


def test_every_type_spends_of_one_plan_and_120_seconds_make_a_token(desk: Desk) -> None:
    document_id = desk.uploaded()

    def create(feed_type: str) -> int:
        return desk.create(feed_type, inputFeedDocumentId=document_id).status_code

    others = sorted(set(FEED_TYPES) - {"JSON_LISTINGS_FEED"})
    assert [create("JSON_LISTINGS_FEED") for _ in range(6)] == [202] * 5 + [429]
    # The sixth was refused by its own limit and took nothing of the plan that all share.
    assert [create(feed_type) for feed_type in others[:11]] == [202] * 10 + [429]
    desk.advance(119)
    assert create(others[11]) == 429
    desk.advance(2)
    assert [create(others[12]), create(others[13])] == [202, 429]
    desk.advance(301)
    assert [create("JSON_LISTINGS_FEED") for _ in range(3)] == [202, 202, 429], "by the plan of all"
    assert desk.lever("GET", "/feeds")["count"] == 18


def test_json_feeds_get_one_submission_a_minute_back(desk: Desk) -> None:
    document_id = desk.uploaded()

    def create(at: Desk) -> int:
        return at.create("JSON_LISTINGS_FEED", inputFeedDocumentId=document_id).status_code

    assert [create(desk) for _ in range(6)] == [202] * 5 + [429]
    desk.advance(58)
    assert create(desk) == 429
    desk.advance(3)
    assert [create(desk), create(desk)] == [202, 429]
    stranger = Desk.of(desk.house)
    document_id = stranger.uploaded()
    assert create(stranger) == 202, "each partner has its own"


# --- types ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("feed_type", sorted(n for n, one in FEED_TYPES.items() if one.removed))
def test_removed_types_are_taken_and_end_fatal(desk: Desk, feed_type: str) -> None:
    desk.pace(0, 0)
    known = desk.get(desk.feed(feed_type))
    assert known["processingStatus"] == "FATAL"
    assert "resultFeedDocumentId" not in known


def test_types_without_a_processor_say_so(desk: Desk) -> None:
    desk.pace(0, 0)
    for feed_type in ("POST_FLAT_FILE_FBA_CREATE_REMOVAL", OTHER_XML):
        feed_id = desk.feed(feed_type)
        assert desk.status(feed_id) == "DONE"
        assert b"does not apply" in desk.result(feed_id)


def test_every_processor_is_of_a_known_type() -> None:
    assert set(PROCESSORS) <= set(FEED_TYPES)
    assert not any(FEED_TYPES[name].removed for name in PROCESSORS)


def test_history_tells_types(desk: Desk) -> None:
    desk.feed(ORDERS_XML)
    desk.feed(OTHER_XML)
    refused(desk.create("POST_SOMETHING_NEW"), 400, "InvalidInput")
    told = desk.house.amazon.levers.history(kind="spapi.createFeed", partner=desk.partner_id)
    types = [one["facts"].get("feed_type") for one in told]
    assert types == [ORDERS_XML, OTHER_XML, None]


# --- the queue ------------------------------------------------------------------------------------


def test_one_after_another_and_kinds_side_by_side(house: House) -> None:
    partner = house.seller(marketplaces=["DE", "US"])
    desk, overseas, other = Desk.of(house, partner), Desk.of(house, partner, "na"), Desk.of(house)
    desk.pace(10, 100)
    first, second = desk.feed(), desk.feed()
    beside = desk.feed(OTHER_XML)
    abroad = overseas.feed(marketplaceIds=[US])
    stranger = other.feed()
    desk.advance(11)
    assert desk.status(first) == "IN_PROGRESS"
    assert desk.status(second) == "IN_QUEUE"
    assert desk.status(beside) == "IN_PROGRESS"
    assert overseas.status(abroad) == "IN_PROGRESS"
    assert other.status(stranger) == "IN_PROGRESS"
    desk.advance(100)
    assert desk.status(first) == "DONE"
    assert desk.status(second) == "IN_PROGRESS", "it had waited long enough"


def test_cancel_while_it_waits(desk: Desk, told: list[tuple[str, Any]]) -> None:
    desk.pace(10, 100)
    first, second, third = desk.feed(), desk.feed(), desk.feed()
    answer = desk.call("DELETE", f"{FEEDS}/{second}")
    assert (answer.status_code, answer.content) == (200, b"")
    cancelled = desk.get(second)
    assert cancelled["processingStatus"] == "CANCELLED"
    assert "processingStartTime" not in cancelled
    assert "resultFeedDocumentId" not in cancelled
    assert told[0][1]["feedProcessingFinishedNotification"]["processingStatus"] == "CANCELLED"
    desk.advance(11)
    refused(desk.call("DELETE", f"{FEEDS}/{first}"), 400, "InvalidInput")
    refused(desk.call("DELETE", f"{FEEDS}/{second}"), 400, "InvalidInput")
    desk.advance(100)
    assert desk.status(third) == "IN_PROGRESS"


def test_the_first_of_a_queue_can_be_cancelled(desk: Desk) -> None:
    desk.pace(10, 100)
    first, second = desk.feed(), desk.feed()
    assert desk.call("DELETE", f"{FEEDS}/{first}").status_code == 200
    desk.advance(11)
    assert desk.status(second) == "IN_PROGRESS"


def test_feeds_of_others_are_not_found(house: House) -> None:
    partner = house.seller(marketplaces=["DE", "US"])
    feed_id = Desk.of(house, partner).feed()
    for other in (Desk.of(house), Desk.of(house, partner, "na")):
        refused(other.call("GET", f"{FEEDS}/{feed_id}"), 404, "NotFound")
        refused(other.call("DELETE", f"{FEEDS}/{feed_id}"), 404, "NotFound")
        assert other.call("GET", FEEDS, feedTypes=ORDERS_XML).json() == {"feeds": []}


def test_feeds_are_kept_90_days(desk: Desk) -> None:
    desk.pace(0, 0)
    feed_id = desk.feed()
    desk.advance(90 * 86400 - 60)
    renewed = Desk.of(desk.house, desk.partner)
    assert renewed.status(feed_id) == "DONE"
    assert len(renewed.call("GET", FEEDS, feedTypes=ORDERS_XML).json()["feeds"]) == 1
    desk.advance(61)
    refused(renewed.call("GET", f"{FEEDS}/{feed_id}"), 404, "NotFound")
    assert renewed.call("GET", FEEDS, feedTypes=ORDERS_XML).json() == {"feeds": []}
    renewed.feed()
    assert desk.lever("GET", "/feeds")["count"] == 1, "what nobody can see is let go"


# --- getFeeds -------------------------------------------------------------------------------------


def pages(desk: Desk, **query: Any) -> Iterator[list[str]]:
    answer = desk.call("GET", FEEDS, **query)
    while True:
        assert answer.status_code == 200, answer.text
        yield [feed["feedId"] for feed in answer.json()["feeds"]]
        if "nextToken" not in answer.json():
            return
        answer = desk.call("GET", FEEDS, nextToken=answer.json()["nextToken"])


def test_older_than_90_days_is_not_listed_whatever_is_asked(desk: Desk) -> None:
    desk.pace(0, 0)
    desk.feed()
    desk.advance(91 * 86400)
    renewed = Desk.of(desk.house, desk.partner)
    since = f"{desk.house.amazon.stage.clock.now() - timedelta(days=200):%Y-%m-%dT%H:%M:%SZ}"
    told = renewed.call("GET", FEEDS, feedTypes=ORDERS_XML, createdSince=since).json()["feeds"]
    assert told == []


def test_filters(desk: Desk, models: Path) -> None:
    desk.lever("PUT", "/limits", {"enforced": False})
    desk.pace(10, 100)
    german = desk.feed()
    french = desk.feed(marketplaceIds=[FR])
    desk.advance(11)
    start = desk.house.amazon.levers.now().isoformat()
    other = desk.feed(OTHER_XML, marketplaceIds=[DE, FR])

    def found(**query: Any) -> list[str]:
        answer = desk.call("GET", FEEDS, **query)
        assert answer.status_code == 200, answer.text
        check_shape(models, MODEL, "GetFeedsResponse", answer.json())
        return [feed["feedId"] for feed in answer.json()["feeds"]]

    both = f"{ORDERS_XML},{OTHER_XML}"
    assert found(feedTypes=both) == [other, french, german], "the latest first"
    assert found(feedTypes=[ORDERS_XML, OTHER_XML]) == [other, french, german]
    assert found(feedTypes=OTHER_XML) == [other]
    assert found(feedTypes=both, marketplaceIds=DE) == [other, german]
    assert found(feedTypes=both, marketplaceIds=f"{DE},{FR}") == [other, french, german]
    assert found(feedTypes=both, processingStatuses="IN_PROGRESS") == [german]
    assert found(feedTypes=both, processingStatuses="IN_QUEUE,DONE") == [other, french]
    assert found(feedTypes=both, createdSince=start) == [other]
    assert found(feedTypes=both, createdUntil=start) == [french, german]
    assert found(feedTypes=both, createdSince="2000-01-01") == [other, french, german]
    for query in (
        {},
        {"pageSize": 10},
        {"feedTypes": ""},
        {"feedTypes": ",".join(["A"] * 11)},
        {"feedTypes": both, "pageSize": 0},
        {"feedTypes": both, "pageSize": 101},
        {"feedTypes": both, "pageSize": "ten"},
        {"feedTypes": both, "processingStatuses": "LOST"},
        {"feedTypes": both, "processingStatuses": ""},
        {"feedTypes": both, "marketplaceIds": ",".join([DE] * 11)},
        {"feedTypes": both, "createdSince": "yesterday"},
        {"feedTypes": both, "createdSince": start, "createdUntil": "2000-01-01"},
    ):
        refused(desk.call("GET", FEEDS, **query), 400, "InvalidInput")


def test_pages_hold_while_feeds_arrive(desk: Desk) -> None:
    desk.lever("PUT", "/limits", {"enforced": False})
    made = [desk.feed() for _ in range(25)]
    seen: list[str] = []
    sizes = []
    for page in pages(desk, feedTypes=ORDERS_XML):
        seen += page
        sizes.append(len(page))
        desk.feed()
    assert seen == made[::-1]
    assert sizes == [10, 10, 5]


def test_next_tokens_are_bound(house: House) -> None:
    desk = Desk.of(house)
    desk.lever("PUT", "/limits", {"enforced": False})
    for _ in range(3):
        desk.feed()
    mark = desk.call("GET", FEEDS, feedTypes=ORDERS_XML, pageSize=1).json()["nextToken"]
    assert len(desk.call("GET", FEEDS, nextToken=mark).json()["feeds"]) == 1
    refused(desk.call("GET", FEEDS, nextToken=mark, pageSize=1), 400, "InvalidInput")
    refused(desk.call("GET", FEEDS, nextToken=mark, feedTypes=ORDERS_XML), 400, "InvalidInput")
    refused(Desk.of(house).call("GET", FEEDS, nextToken=mark), 400, "InvalidInput")
    middle = len(mark) // 2
    for forged in (
        "",
        "x",
        "é",
        mark[:-4],
        mark[:middle] + ("A" if mark[middle] != "A" else "B") + mark[middle + 1 :],
    ):
        refused(desk.call("GET", FEEDS, nextToken=forged), 400, "InvalidInput")


# --- the whole state ------------------------------------------------------------------------------


def test_feeds_go_into_a_world_file_and_go_on(running: Emulator, desk: Desk) -> None:
    desk.pace(10, 100, feed_type=ORDERS_XML)
    working, waiting = desk.feed(), desk.feed()
    desk.lever("POST", "/feeds/hold", {"feed_type": OTHER_XML})
    desk.lever("POST", "/feeds/decide", {"status": "FATAL", "times": None})
    decided = desk.feed(ORDERS_XML)
    desk.advance(11)
    assert desk.status(working) == "IN_PROGRESS"
    stage = running.stage
    written = json.loads(json.dumps(stage.of(Feeds).as_json()))
    stage.agenda = type(stage.agenda)()
    stage.parts[Feeds] = Feeds()
    stage.of(Feeds).load(stage, written)
    assert stage.of(Feeds).as_json() == written
    assert [desk.status(one) for one in (working, waiting)] == ["IN_PROGRESS", "IN_QUEUE"]
    desk.advance(101)
    assert [desk.status(one) for one in (working, waiting)] == ["DONE", "IN_PROGRESS"]
    desk.advance(201)
    assert [desk.status(one) for one in (waiting, decided)] == ["DONE", "FATAL"]
    assert int(desk.feed()) > int(decided)

    row = written["feeds"][0]
    for wrong, words in (
        ([], "feeds: must be an object"),
        ({"other": 1}, "unknown: other"),
        ({"pace": {"queue_s": -1}}, r"feeds\.pace\.queue_s"),
        ({"habits": {"packed": "yes"}}, r"feeds\.habits\.packed"),
        ({"feeds": [{**row, "status": "LOST"}]}, r"feeds\.feeds\[0\]\.status"),
        ({"feeds": [{**row, "selling_partner_id": "X"}]}, "no partner X"),
        ({"feeds": [{**row, "application_id": "X"}]}, "no application X"),
        ({"feeds": [{**row, "started_at": None}]}, "do not fit"),
        ({"feeds": [{**row, "content_base64": "?"}]}, "not base64"),
        ({"feeds": [row, row]}, "twice"),
        ({"feeds": [row, {**row, "feed_id": "7"}]}, "in progress"),
        ({"holds": [{"where": "nowhere"}]}, r"holds\[0\]\.where"),
        ({"choices": [{"status": "LOST"}]}, r"choices\[0\]\.status"),
    ):
        with pytest.raises(ValueError, match=words):
            Feeds().load(stage, wrong)


def test_a_world_that_is_added_to_does_nothing_twice(desk: Desk, seen: list[Work]) -> None:
    desk.pace(10, 100)
    feed_id = desk.feed()
    report_id = desk.report("GET_AFN_INVENTORY_DATA")
    added = {"amazon_emulator": 1, "feeds": {"feeds": []}, "reports": {"reports": []}}
    desk.lever("POST", "/world", added)
    desk.advance(200)
    assert desk.status(feed_id) == "DONE"
    assert desk.get_report(report_id)["processingStatus"] == "DONE"
    assert len(seen) == 1
    documents = desk.lever("GET", "/world")["documents"]["documents"]
    assert sorted(one["purpose"] for one in documents) == ["feed_result", "feed_upload", "report"]


def test_numbers_go_on_after_those_of_a_world_file(running: Emulator, desk: Desk) -> None:
    desk.pace(1000, 1000)
    first = desk.feed()
    stage = running.stage
    written = stage.of(Feeds).as_json()
    del written["number"]
    stage.parts[Feeds] = Feeds()
    stage.of(Feeds).load(stage, written)
    second = desk.feed()
    assert int(second) == int(first) + 1
    assert desk.status(first) == "IN_QUEUE"


@pytest.mark.parametrize("feed_id", ["mine", "", "\u0663", "1" * 19, "-1"])
def test_an_id_in_a_world_file_is_a_number(running: Emulator, desk: Desk, feed_id: str) -> None:
    desk.feed()
    written = running.stage.of(Feeds).as_json()
    written["feeds"][0]["feed_id"] = feed_id
    with pytest.raises(ValueError, match=r"feeds\.feeds\[0\]\.feed_id: must be a text of up to 18"):
        Feeds().load(running.stage, written)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("habits", "packed"), 1, "must be true or false"),
        (("choices", 0, "times"), -1, "must be from 0 to"),
        (("number",), 10**30, "must be from 0 to"),
        (("choices", 0, "content_base64"), "\u00e4", "is not base64"),
        (("feeds", 0, "region"), "EU", "must be one of na, eu, fe"),
    ],
)
def test_a_world_file_is_read_strictly(
    running: Emulator, desk: Desk, place: tuple[Any, ...], value: Any, words: str
) -> None:
    desk.feed()
    desk.lever("POST", "/feeds/decide", {"status": "FATAL"})
    written = json.loads(json.dumps(running.stage.of(Feeds).as_json()))
    inner = written
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(ValueError, match=words):
        Feeds().load(running.stage, written)


def test_a_decision_goes_with_its_feed_through_a_world_file(running: Emulator, desk: Desk) -> None:
    desk.pace(10, 10)
    desk.lever("POST", "/feeds/decide", {"status": "FATAL", "times": 2})
    first = desk.feed()
    stage = running.stage
    written = json.loads(json.dumps(stage.of(Feeds).as_json()))
    stage.agenda = type(stage.agenda)()
    stage.parts[Feeds] = Feeds()
    stage.of(Feeds).load(stage, written)
    second, third = desk.feed(), desk.feed()
    desk.advance(100)
    assert [desk.status(one) for one in (first, second, third)] == ["FATAL", "FATAL", "DONE"]


def damaged(whole: Any, chance: Random) -> Any:
    """The same with one thing in it changed or gone."""
    told = json.loads(json.dumps(whole))
    inner = told
    while True:
        key = chance.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        if not isinstance(inner[key], dict | list) or not inner[key] or chance.random() < 0.1:
            break
        inner = inner[key]
    if isinstance(inner, dict) and chance.random() < 0.1:
        del inner[key]
    else:
        inner[key] = chance.choice(ODD)
    return told


ODD: list[Any] = [
    *(None, True, 0, 1, -1, 10**30, 1.5, "", "x", "\0", "é" * 50, [], {}, [[]], [{}], {"a": 1}),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1000-01-02T00:00:00Z", "8999-01-01T00:00Z"),
    *("DONE", "IN_PROGRESS", "IN_QUEUE", "77", "P1M", [{"value": 1}], ORDERS_XML, "GZIP", "EU"),
]


def test_whatever_stands_in_a_world_file_is_read_or_told(
    running: Emulator, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.pace(10, 10)
    desk.lever("POST", "/feeds/hold", {"feed_type": OTHER_XML})
    seller = {"selling_partner_id": desk.partner_id}
    desk.lever("POST", "/world/listings", {**seller, "count": 2, "cost_price": 3})
    desk.lever("POST", "/world/listings/failing", {**seller, "sku": "SKU-1"})
    for _ in range(2):
        desk.feed(), desk.feed(OTHER_XML), desk.report("GET_MERCHANT_LISTINGS_ALL_DATA")
        desk.advance(25)
    desk.feed()
    for lever in ("/feeds/decide", "/reports/decide"):
        desk.lever("POST", lever, {"status": "FATAL"})
    body = {"marketplaceIds": [DE], "period": "PT12H"}
    desk.call("POST", SCHEDULES, {**body, "reportType": "GET_XML_RETURNS_DATA_BY_RETURN_DATE"})
    stage, chance, read, told = running.stage, Random(7), 0, list[str]()
    parts: tuple[Any, ...] = (Feeds, Reports, Documents, Catalogue)
    written = {part: stage.of(part).as_json() for part in parts}
    for number in range(1500):
        part = parts[number % 4]
        given = damaged(written[part], chance)
        stage.agenda = type(stage.agenda)()
        stage.parts[part] = part()
        try:
            stage.of(part).load(stage, given)
        except ValueError as wrong:
            told.append(f"{wrong}")
            continue
        read += 1
        again = json.loads(json.dumps(stage.of(part).as_json()))
        part().load(stage, again)
        stage.agenda.run(stage.clock.now() + timedelta(days=2))
    assert min(read, len(told)) > 200, (read, len(told))
    names = tuple(f"{part.__name__.lower()}" for part in parts)
    assert [words for words in told if not words.startswith(names)] == []
    assert "this is a bug" not in caplog.text
