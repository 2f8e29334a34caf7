"""How a feed ends: what its content does, the report, and who is told.

Answers for: the outcome that a feed's type, its processor or a test's choice gives; the result
document with the encodings and packings that Amazon was seen to use; FEED_PROCESSING_FINISHED in
the shape of Amazon's notification schema. The queues are in `feeds`.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from datetime import datetime

from amazon_emulator.stage import Stage
from amazon_emulator.trade.documents.documents import Documents
from amazon_emulator.trade.feeds.choices import Choice, FeedHabits
from amazon_emulator.trade.feeds.feed import Feed
from amazon_emulator.trade.feeds.processing import Outcome, Work
from amazon_emulator.trade.feeds.types import FEED_TYPES, PROCESSORS
from amazon_emulator.trade.queues import notices

__all__ = ["account_id", "outcome", "tell", "unpacked", "write_down"]

_DECLARED = re.compile(r"""^(\ufeff?<\?xml[^>]*\bencoding=)(["'])[^"']*\2""")
_NOT_APPLIED = "The Amazon emulator takes feeds of this type, but does not apply them."
_ABORTED = "The feed was aborted by a fatal error. Parts of it may have been processed."


def outcome(stage: Stage, feed: Feed, now: datetime) -> Outcome:
    """How this feed ends; its content takes effect unless a choice forbids."""
    choice = feed.choice
    if choice is None:
        return _usual(stage, feed, now)
    played = _usual(stage, feed, now) if choice.applies else _not_applied(feed)
    if choice.status == "CANCELLED" or choice.report == "none":
        return Outcome(choice.status)
    if choice.report == "given":
        return _given(feed, choice)
    if choice.status == "FATAL":
        return Outcome("FATAL", f"{_ABORTED}\n".encode(), "text/plain")
    return Outcome(choice.status, played.report, played.content_type)


def _given(feed: Feed, choice: Choice) -> Outcome:
    content_type = choice.content_type or FEED_TYPES[feed.feed_type].content_type
    return Outcome(choice.status, choice.content, content_type)


def _usual(stage: Stage, feed: Feed, now: datetime) -> Outcome:
    if FEED_TYPES[feed.feed_type].removed:
        return Outcome("FATAL")
    processor = PROCESSORS.get(feed.feed_type)
    if processor is None:
        return _not_applied(feed)
    try:
        content = unpacked(feed.content, stage.of(Documents).max_upload)
    except ValueError:
        return Outcome("FATAL")
    return processor(
        Work(
            stage=stage,
            partner=stage.world.partners[feed.partner_id],
            application=stage.world.applications[feed.application_id],
            region=feed.region,
            feed_id=feed.feed_id,
            report_feed_id=feed.report_feed_id,
            feed_type=feed.feed_type,
            marketplace_ids=feed.marketplace_ids,
            content=content,
            content_type=feed.content_type,
            now=now,
            options=feed.options,
        )
    )


def unpacked(content: bytes, at_most: int) -> bytes:
    """What was packed when it is gzip, else the content itself.

    Raises ValueError for a packing that is broken or holds more than ``at_most`` bytes."""
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            whole = packed.read(at_most + 1)
    except (OSError, EOFError, zlib.error) as broken:
        raise ValueError(f"this gzip is broken: {broken}") from None
    if len(whole) > at_most:
        raise ValueError(f"more than {at_most} bytes are packed in it")
    return whole


def _not_applied(feed: Feed) -> Outcome:
    """An honest report where nothing was done."""
    if FEED_TYPES[feed.feed_type].content_type != "text/xml":
        return Outcome("DONE", f"{_NOT_APPLIED}\n".encode(), "text/plain")
    report = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<AmazonEnvelope><Header><DocumentVersion>1.02</DocumentVersion>"
        f"<MerchantIdentifier>{feed.partner_id}</MerchantIdentifier></Header>"
        "<MessageType>ProcessingReport</MessageType><Message><MessageID>1</MessageID>"
        f"<ProcessingReport><DocumentTransactionID>{feed.report_feed_id}</DocumentTransactionID>"
        "<StatusCode>Complete</StatusCode><ProcessingSummary>"
        "<MessagesProcessed>0</MessagesProcessed><MessagesSuccessful>0</MessagesSuccessful>"
        "<MessagesWithError>0</MessagesWithError><MessagesWithWarning>1</MessagesWithWarning>"
        "</ProcessingSummary><Result><MessageID>0</MessageID><ResultCode>Warning</ResultCode>"
        f"<ResultMessageCode>0</ResultMessageCode><ResultDescription>{_NOT_APPLIED}"
        "</ResultDescription></Result></ProcessingReport></Message></AmazonEnvelope>\n"
    )
    return Outcome("DONE", report.encode(), "text/xml")


def write_down(
    stage: Stage, feed: Feed, ended: Outcome, habits: FeedHabits, now: datetime
) -> str | None:
    """The result document's id; None where there is no report."""
    if ended.report is None:
        return None
    content, content_type = ended.report, ended.content_type
    if content_type.partition(";")[0] in ("text/xml", "application/xml") and habits.writes_latin(
        stage
    ):
        content, content_type = _as_latin(content, content_type)
    document = stage.of(Documents).store(
        stage,
        feed.partner_id,
        content,
        content_type,
        gzip=habits.packs(stage),
        now=now,
        region=feed.region,
    )
    return document.document_id


def _as_latin(content: bytes, content_type: str) -> tuple[bytes, str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content, content_type  # somebody chose an encoding already
    declared = _DECLARED.sub(r"\g<1>\g<2>iso-8859-1\g<2>", text)
    if declared == text:
        declared = '<?xml version="1.0" encoding="iso-8859-1"?>\n' + text
    return (
        declared.encode("iso-8859-1", errors="xmlcharrefreplace"),
        f"{content_type.partition(';')[0]}; charset=iso-8859-1",
    )


def account_id(kind: str, partner_id: str) -> str:
    """As notifications name an account."""
    return f"amzn1.{'merchant.o' if kind == 'seller' else 'vg'}.{partner_id}"


def tell(stage: Stage, feed: Feed, now: datetime) -> None:
    """FEED_PROCESSING_FINISHED. A vendor's has no seller id, as in the schema's own example."""
    partner = stage.world.partners[feed.partner_id]
    facts = {
        "accountId": account_id(partner.kind, partner.selling_partner_id),
        "feedId": feed.feed_id,
        "feedType": feed.feed_type,
        "processingStatus": feed.status,
    }
    if partner.kind == "seller":
        facts["sellerId"] = partner.selling_partner_id
    if feed.result_document_id is not None:
        facts["resultFeedDocumentId"] = feed.result_document_id
    notices.tell(
        stage,
        "FEED_PROCESSING_FINISHED",
        partner,
        {"feedProcessingFinishedNotification": facts},
        now,
        payload_version="2020-09-04",
        application=stage.world.applications[feed.application_id],
    )
