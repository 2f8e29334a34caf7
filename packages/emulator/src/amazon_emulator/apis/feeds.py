"""Feeds 2021-06-30 (shapes and rules: Amazon's feeds_2021-06-30 model).

Answers for: the six operations, what they refuse and how. Queues, statuses and results are in
`trade.feeds`, documents in `trade.documents`. Feeds are shown to every application of a selling
partner; whether Amazon shows them only to the one that made them is not written anywhere.
"""

from __future__ import annotations

from typing import Any

from amazon_emulator import limits
from amazon_emulator.apis import asked_body, processings
from amazon_emulator.apis.operations import Call, Denied, Operation, Said
from amazon_emulator.clock import stamp
from amazon_emulator.history import note_facts
from amazon_emulator.trade.documents.documents import USABLE, Document, Documents
from amazon_emulator.trade.feeds.feed import Feed
from amazon_emulator.trade.feeds.feeds import Feeds
from amazon_emulator.trade.feeds.types import FEED_ROLES, FEED_TYPES, FeedType
from amazon_emulator.trade.processings import STATUSES
from amazon_emulator.world import Kind

__all__ = [
    "OPERATIONS",
    "cancel_feed",
    "create_feed",
    "create_feed_document",
    "get_feed",
    "get_feed_document",
    "get_feeds",
]


def create_feed_document(call: Call) -> Said:
    given = call.json()
    content_type = asked_body.text(given, "contentType")
    if not content_type.isascii() or not content_type.isprintable():
        raise Denied.invalid("Invalid value at 'contentType'")
    documents = call.stage.of(Documents)
    document = documents.new_upload(
        call.stage, call.partner.selling_partner_id, content_type, call.now, region=call.region
    )
    return Said(
        201,
        {
            "feedDocumentId": document.document_id,
            "url": documents.upload_url(call.stage, document, call.now),
        },
    )


def create_feed(call: Call) -> Said:
    given = call.json()
    feed_type = _feed_type(call, asked_body.text(given, "feedType"))
    note_facts(feed_type=feed_type.name)
    marketplace_ids = asked_body.marketplaces(given, call.region)
    options = asked_body.text_table(given, "feedOptions")
    document = _input_document(call, asked_body.text(given, "inputFeedDocumentId"))
    feeds = call.stage.of(Feeds)
    if feeds.habits.same_document == "refused" and feeds.was_used(
        document.document_id, call.partner.selling_partner_id
    ):
        raise Denied.invalid("A feed was created from this inputFeedDocumentId before.")
    limits.spend_for(
        call.stage,
        call.now,
        kind="feed",
        type=feed_type.name,
        application_id=call.application.application_id,
        partner_id=call.partner.selling_partner_id,
        region=call.region,
    )
    feed = feeds.submit(
        call.stage,
        partner_id=call.partner.selling_partner_id,
        application_id=call.application.application_id,
        region=call.region,
        feed_type=feed_type.name,
        marketplace_ids=marketplace_ids,
        options=options,
        input_document_id=document.document_id,
        now=call.now,
    )
    return Said(202, {"feedId": feed.feed_id})


def _feed_type(call: Call, name: str) -> FeedType:
    known = FEED_TYPES.get(name)
    if known is None:
        raise Denied.invalid(f"Invalid feed type: {name}")
    if call.partner.kind not in known.partner_kinds or not set(known.roles) & set(call.grant.roles):
        raise Denied.access("")
    return known


def _input_document(call: Call, document_id: str) -> Document:
    document = call.stage.of(Documents).of(
        document_id, call.partner.selling_partner_id, call.region, call.now, ("feed_upload",)
    )
    if document is None or call.now >= document.made_at + USABLE:
        raise Denied.invalid(
            "Invalid Input", "The inputFeedDocumentId is not known or has expired."
        )
    if document.content is None:
        raise Denied.invalid("Invalid Input", "Nothing was uploaded to the inputFeedDocumentId.")
    return document


def get_feed(call: Call) -> dict[str, Any]:
    return _view(_feed(call))


def cancel_feed(call: Call) -> None:
    feed = _feed(call)
    if not call.stage.of(Feeds).cancel(call.stage, feed, call.now):
        raise Denied.invalid(
            f"The feed {feed.feed_id} cannot be cancelled: its processingStatus is {feed.status}."
        )


def _feed(call: Call) -> Feed:
    feed = call.stage.of(Feeds).of(
        call.path["feedId"], call.partner.selling_partner_id, call.region, call.now
    )
    if feed is None:
        raise Denied.missing("FeedSubmissionIds could not be found.")
    return feed


def _view(feed: Feed) -> dict[str, Any]:
    facts = {
        "feedId": feed.feed_id,
        "feedType": feed.feed_type,
        "marketplaceIds": list(feed.marketplace_ids),
        "createdTime": stamp(feed.created_at),
        "processingStatus": feed.status,
        "processingStartTime": stamp(feed.started_at),
        "processingEndTime": stamp(feed.ended_at),
        "resultFeedDocumentId": feed.result_document_id,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def get_feeds(call: Call) -> dict[str, Any]:
    wanted = processings.Wanted.read(call, "getFeeds", "feedTypes", STATUSES)
    found = [
        feed
        for feed in call.stage.of(Feeds).all()
        if (feed.partner_id, feed.region) == (call.partner.selling_partner_id, call.region)
        and wanted.holds(
            feed.feed_type, feed.status, feed.marketplace_ids, feed.created_at, int(feed.feed_id)
        )
    ]
    found.sort(key=lambda feed: (feed.created_at, int(feed.feed_id)), reverse=True)
    shown = found[: wanted.page_size]
    answer: dict[str, Any] = {"feeds": [_view(feed) for feed in shown]}
    if len(found) > len(shown):
        last = shown[-1]
        answer["nextToken"] = wanted.next_mark(call, "getFeeds", last.created_at, int(last.feed_id))
    return answer


def get_feed_document(call: Call) -> dict[str, Any]:
    documents = call.stage.of(Documents)
    document = documents.of(
        call.path["feedDocumentId"],
        call.partner.selling_partner_id,
        call.region,
        call.now,
        ("feed_upload", "feed_result"),
    )
    encoding_header = call.choice("enableContentEncodingUrlHeader", ("true", "false")) == "true"
    if document is None:
        raise Denied.missing("The feed document could not be found.")
    return processings.document_view(call, document, "feedDocumentId", encoding_header)


_BASE = "/feeds/2021-06-30"
_KINDS: tuple[Kind, ...] = ("seller", "vendor")

OPERATIONS = (
    Operation(
        "createFeedDocument",
        "POST",
        f"{_BASE}/documents",
        FEED_ROLES,
        _KINDS,
        create_feed_document,
    ),
    Operation("createFeed", "POST", f"{_BASE}/feeds", FEED_ROLES, _KINDS, create_feed),
    Operation("getFeeds", "GET", f"{_BASE}/feeds", FEED_ROLES, _KINDS, get_feeds),
    Operation("getFeed", "GET", f"{_BASE}/feeds/{{feedId}}", FEED_ROLES, _KINDS, get_feed),
    Operation("cancelFeed", "DELETE", f"{_BASE}/feeds/{{feedId}}", FEED_ROLES, _KINDS, cancel_feed),
    Operation(
        "getFeedDocument",
        "GET",
        f"{_BASE}/documents/{{feedDocumentId}}",
        FEED_ROLES,
        _KINDS,
        get_feed_document,
    ),
)
