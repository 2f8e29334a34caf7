"""A small Amazon in memory, and acts at each of which a process may be killed.

Amazon here: documents, feeds, reports, patches, confirmed shipments, orders that are cancelled and
refunded, invoices, vendors' transactions. It does what a document says, once for each feed that it
is given, and remembers everything: nothing about a refund is idempotent. How it answers to each act
is set by ``moods``: it may do the work and lose the answer.
"""

from __future__ import annotations

import json
import secrets
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from evergrant.errors import AmazonUnavailable
from evergrant.ports.amazon import Answer, Call
from evergrant.ports.documents import Download
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock
from evergrant.testing.documents import MemoryDocuments
from evergrant.testing.selling_partner_api import error_answer

PDF = b"%PDF-1.7 an invoice"
#: How long Amazon works on a feed or a transaction.
WORK = timedelta(minutes=3)


class Killed(BaseException):
    """The process is gone. Nothing in the product can catch it."""


class Steps:
    """Counts what a process does outside its own head, and kills it before or after one. Who is
    dead does nothing more."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.die_at: int | None = None

    def step(self, name: str) -> None:
        self.log.append(name)
        if self.die_at is not None and len(self.log) >= self.die_at:
            raise Killed(name)


class StepDocuments(MemoryDocuments):
    """Amazon's documents: an address takes its own Content-Type only, for five minutes."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps

    async def upload(self, url: Secret, content: bytes, content_type: str) -> None:
        self.steps.step("before the upload")
        await super().upload(url, content, content_type)
        self.steps.step("after the upload")

    @asynccontextmanager
    async def download(self, url: Secret) -> AsyncIterator[Download]:
        self.steps.step("before the download")
        async with super().download(url) as download:
            yield download
        self.steps.step("after the download")


@dataclass(slots=True)
class Mood:
    """How Amazon takes the next so many calls of one act. ``does``: the work, whatever it says."""

    answer: Callable[[], Answer]
    does: bool = True
    times: int = 1


def no_answer() -> Answer:
    raise AmazonUnavailable("The connection was lost.")


def internal_failure() -> Answer:
    return error_answer(500, "InternalFailure", "We encountered an error.")


def throttled() -> Answer:
    return error_answer(429, "QuotaExceeded", "You exceeded your quota.")


def denied() -> Answer:
    return error_answer(403, "Unauthorized", "Access to requested resource is denied.")


def invalid() -> Answer:
    return error_answer(400, "InvalidInput", "The document is not there.")


@dataclass(slots=True, kw_only=True)
class Feed:
    feed_id: str
    feed_type: str
    created_at: datetime
    document: str
    options: Mapping[str, str]
    status: str = "DONE"  # that it comes to
    result_id: str = ""
    cancelled: bool = False


@dataclass(slots=True)
class Done:
    """Everything that Amazon ever did, each as often as it did."""

    refunds: Counter[str] = field(default_factory=Counter)  # order
    cancellations: Counter[str] = field(default_factory=Counter)  # order
    invoices: Counter[str] = field(default_factory=Counter)  # number
    shipments: Counter[tuple[str, str]] = field(default_factory=Counter)  # order, package
    packages: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=dict)
    prices: dict[str, float] = field(default_factory=dict)
    transactions: Counter[str] = field(default_factory=Counter)  # reference


class Amazon:
    """One selling partner's."""

    def __init__(self, clock: FakeClock, documents: StepDocuments, steps: Steps) -> None:
        self.clock, self.documents, self.steps = clock, documents, steps
        self.done = Done()
        self.feeds: dict[str, Feed] = {}
        self.moods: dict[str, Mood] = {}
        self.bad: set[str] = set()  # subjects that Amazon refuses
        self.bad_attribute = ""  # that is named with a refusal
        self.carries_out_at_once = True
        self.comes_to = "DONE"
        self.has_report = True
        self.processes: int | None = None  # so many messages of each feed; None: all
        self.asked: Counter[str] = Counter()
        self.finances_denied = False
        self._urls: dict[str, str] = {}
        self._transactions: dict[str, tuple[datetime, list[str]]] = {}
        self.transaction_ends = True

    async def play(self, call: Call, about: str) -> Answer | None:
        act = self._act_of(call)
        if act is None:
            return None
        self.asked[act] += 1
        self.steps.step(f"before {act}")
        mood = self.moods.get(act)
        if mood is not None:
            mood.times -= 1
            if mood.times <= 0:
                del self.moods[act]
        answer = None
        if mood is None or mood.does:
            answer = self._do(act, call)
        self.steps.step(f"after {act}")
        if mood is not None:
            return mood.answer()
        return answer

    @staticmethod
    def _act_of(call: Call) -> str | None:
        method, path = call.method, call.path
        if path == "/feeds/2021-06-30/documents":
            return "createFeedDocument"
        if path.startswith("/feeds/2021-06-30/documents/"):
            return "getFeedDocument"
        if path == "/feeds/2021-06-30/feeds":
            return "createFeed" if method == "POST" else "getFeeds"
        if path.startswith("/feeds/2021-06-30/feeds/"):
            return "cancelFeed" if method == "DELETE" else "getFeed"
        if path.startswith("/listings/"):
            return "patchListingsItem"
        if path.endswith("/shipmentConfirmation"):
            return "confirmShipment"
        if path.startswith("/orders/2026-01-01/orders/"):
            return "getOrder"
        if path.endswith("/financialEvents"):
            return "listFinancialEventsByOrderId"
        if path.startswith("/vendor/"):
            return "submit" if method == "POST" else "getTransaction"
        return None

    def _do(self, act: str, call: Call) -> Answer:
        body = json.loads(call.body) if call.body else {}
        name = unquote(call.path.rstrip("/").split("/")[-1])
        doing: dict[str, Callable[[], Answer]] = {
            "createFeedDocument": lambda: self._document(body),
            "createFeed": lambda: self._create(body),
            "getFeeds": lambda: self._list(dict(call.query)),
            "getFeed": lambda: self._feed(name),
            "cancelFeed": lambda: self._cancel(name),
            "getFeedDocument": lambda: self._result(name),
            "patchListingsItem": lambda: self._patch(name, body),
            "confirmShipment": lambda: self._ship(unquote(call.path.split("/")[4]), body),
            "getOrder": lambda: _json(200, {"order": {"packages": self.done.packages.get(name)}}),
            "listFinancialEventsByOrderId": lambda: self._finances(
                unquote(call.path.split("/")[4])
            ),
            "submit": lambda: self._submit(body),
            "getTransaction": lambda: self._transaction(name),
        }
        return doing[act]()

    # --- documents and feeds ---

    def _document(self, body: Mapping[str, Any]) -> Answer:
        document_id = f"amzn1.tortuga.{secrets.token_hex(8)}"
        url = f"https://documents.example/{document_id}?X-Amz-Signature={secrets.token_hex(8)}"
        self.documents.give(url, body["contentType"])
        self._urls[document_id] = url
        return _json(201, {"feedDocumentId": document_id, "url": url})

    def _create(self, body: Mapping[str, Any]) -> Answer:
        url = self._urls.get(body["inputFeedDocumentId"], "")
        if url not in self.documents.uploads:
            return invalid()
        now = self.clock.now()
        feed = Feed(
            feed_id=str(50_000 + len(self.feeds)),
            feed_type=body["feedType"],
            created_at=now,
            document=url,
            options=body.get("feedOptions", {}),
            status=self.comes_to,
        )
        self.feeds[feed.feed_id] = feed
        if feed.status != "CANCELLED" and self.carries_out_at_once:
            self._carry_out(feed)
        return _json(202, {"feedId": feed.feed_id})

    def _carry_out(self, feed: Feed) -> None:
        content = self.documents.uploads[feed.document].content
        messages = list(_messages(feed, content))
        most = len(messages) if self.processes is None else self.processes
        errors = []
        for message_id, subject, do in messages[:most]:
            if subject in self.bad:
                errors.append((message_id, subject))
            else:
                do(self.done)
        if not self.has_report:
            return
        self.lay_report(feed, min(most, len(messages)), errors)

    def lay_report(
        self, feed: Feed, processed: int, errors: Sequence[tuple[int, str]] = ()
    ) -> None:
        feed.result_id = f"result-{feed.feed_id}"
        report = _report(feed, processed, errors, self.bad_attribute)
        self._urls[feed.result_id] = f"https://documents.example/{feed.result_id}"
        self.documents.put(self._urls[feed.result_id], report, "text/plain")

    def _shown(self, feed: Feed) -> dict[str, Any]:
        status = "IN_QUEUE"
        if feed.cancelled:
            status = "CANCELLED"
        elif self.clock.now() >= feed.created_at + WORK:
            status = feed.status
        elif self.clock.now() >= feed.created_at + WORK / 2:
            status = "IN_PROGRESS"
        shown = {
            "feedId": feed.feed_id,
            "feedType": feed.feed_type,
            "createdTime": feed.created_at.isoformat(),
            "processingStatus": status,
        }
        if status == feed.status and feed.result_id:
            shown["resultFeedDocumentId"] = feed.result_id
        return shown

    def _feed(self, feed_id: str) -> Answer:
        feed = self.feeds.get(feed_id)
        if feed is None:
            return error_answer(404, "NotFound", "FeedSubmissionIds could not be found")
        return _json(200, self._shown(feed))

    def _list(self, query: Mapping[str, str]) -> Answer:
        since = datetime.fromisoformat(query["createdSince"])
        found = [
            self._shown(feed)
            for feed in self.feeds.values()
            if feed.feed_type == query["feedTypes"] and feed.created_at >= since
        ]
        return _json(200, {"feeds": found})

    def _cancel(self, feed_id: str) -> Answer:
        feed = self.feeds[feed_id]
        if self._shown(feed)["processingStatus"] != "IN_QUEUE":
            return error_answer(400, "InvalidInput", "The feed is not in the queue.")
        feed.cancelled = True
        return Answer(status=200, headers={}, body=b"")

    def _result(self, document_id: str) -> Answer:
        return _json(200, {"feedDocumentId": document_id, "url": self._urls[document_id]})

    # --- single calls ---

    def _patch(self, sku: str, body: Mapping[str, Any]) -> Answer:
        if sku in self.bad:
            issue = {"code": "90220", "severity": "ERROR", "message": "It is not known."}
            return _json(200, {"sku": sku, "status": "INVALID", "issues": [issue]})
        _apply(self.done, sku, body["patches"])
        return _json(200, {"sku": sku, "status": "ACCEPTED", "submissionId": "1", "issues": []})

    def _ship(self, order_id: str, body: Mapping[str, Any]) -> Answer:
        if order_id in self.bad:
            return error_answer(400, "InvalidInput", "OrderItemId is invalid")
        _ship(
            self.done,
            order_id,
            body["packageDetail"]["packageReferenceId"],
            body["packageDetail"]["trackingNumber"],
        )
        return Answer(status=204, headers={}, body=b"")

    def _finances(self, order_id: str) -> Answer:
        if self.finances_denied:
            return denied()
        posted = self.clock.now().isoformat()
        events = [
            {"AmazonOrderId": order_id, "PostedDate": posted}
            for _ in range(self.done.refunds[order_id])
        ]
        return _json(200, {"payload": {"FinancialEvents": {"RefundEventList": events}}})

    # --- transactions ---

    def _submit(self, body: Mapping[str, Any]) -> Answer:
        references = body["references"]
        transaction_id = f"t-{len(self._transactions)}"
        known = [one for one in references if self.done.transactions[one]]
        for one in references:
            if one not in known and one not in self.bad:
                self.done.transactions[one] += 1
        self._transactions[transaction_id] = (self.clock.now(), known)
        return _json(202, {"payload": {"transactionId": transaction_id}})

    def _transaction(self, transaction_id: str) -> Answer:
        at, known = self._transactions[transaction_id]
        over = self.transaction_ends and self.clock.now() >= at + WORK
        status = "Processing"
        if over:
            status = "Success"
        return _json(200, {"status": status, "duplicates": known, "bad": sorted(self.bad)})


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    headers = {"content-type": "application/json"}
    return Answer(status=status, headers=headers, body=json.dumps(body).encode())


# --- what documents say -------------------------------------------------------------------------

Message = tuple[int, str, Callable[[Done], None]]


def _messages(feed: Feed, content: bytes) -> Iterable[Message]:
    if feed.feed_type == "JSON_LISTINGS_FEED":
        for message in json.loads(content)["messages"]:
            sku, patches = message["sku"], message["patches"]
            yield message["messageId"], sku, _applying(sku, patches)
        return
    if feed.feed_type == "UPLOAD_VAT_INVOICE":
        assert content == PDF
        number = feed.options["metadata:InvoiceNumber"]
        yield 1, number, lambda done: done.invoices.update([number])
        return
    for message in ET.fromstring(content).iter("Message"):
        message_id = int(message.findtext("MessageID") or 0)
        order_id = message.findtext(".//AmazonOrderID") or ""
        yield message_id, order_id, _deed(feed.feed_type, order_id, message)


def _deed(feed_type: str, order_id: str, message: ET.Element) -> Callable[[Done], None]:
    if feed_type == "POST_PAYMENT_ADJUSTMENT_DATA":
        return lambda done: done.refunds.update([order_id])
    if feed_type == "POST_ORDER_ACKNOWLEDGEMENT_DATA":
        return lambda done: done.cancellations.update([order_id])
    package = message.findtext(".//MerchantFulfillmentID") or ""
    tracking = message.findtext(".//ShipperTrackingNumber") or ""
    return lambda done: _ship(done, order_id, package, tracking)


def _applying(sku: str, patches: list[Mapping[str, Any]]) -> Callable[[Done], None]:
    return lambda done: _apply(done, sku, patches)


def _apply(done: Done, sku: str, patches: Iterable[Mapping[str, Any]]) -> None:
    for patch in patches:
        (value,) = patch["value"]
        if patch["path"] == "/attributes/fulfillment_availability":
            done.stock[sku] = value["quantity"]
        else:
            done.prices[sku] = value["our_price"][0]["schedule"][0]["value_with_tax"]


def _ship(done: Done, order_id: str, package: str, tracking: str) -> None:
    """The same package again edits it."""
    packages = done.packages.setdefault(order_id, [])
    mine = {"packageReferenceId": package, "trackingNumber": tracking}
    packages[:] = [one for one in packages if one["packageReferenceId"] != package] + [mine]
    done.shipments[order_id, package] = 1


def _report(feed: Feed, processed: int, errors: Sequence[tuple[int, str]], attribute: str) -> bytes:
    if feed.feed_type == "JSON_LISTINGS_FEED":
        issues = [
            {
                "messageId": number,
                "sku": sku,
                "code": "90220",
                "severity": "ERROR",
                "message": "It is not good.",
                **({"attributeName": attribute} if attribute else {}),
            }
            for number, sku in errors
        ]
        summary = {
            "errors": len(errors),
            "warnings": 0,
            "messagesProcessed": processed,
            "messagesAccepted": processed - len(errors),
            "messagesInvalid": len(errors),
        }
        return json.dumps({"header": {}, "issues": issues, "summary": summary}).encode()
    results = "".join(
        f"<Result><MessageID>{number}</MessageID><ResultCode>Error</ResultCode>"
        f"<ResultMessageCode>18028</ResultMessageCode>"
        f"<ResultDescription>Not {subject}</ResultDescription></Result>"
        for number, subject in errors
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AmazonEnvelope><Message><MessageID>1</MessageID>'
        f"<ProcessingReport><DocumentTransactionID>{feed.feed_id}</DocumentTransactionID>"
        "<StatusCode>Complete</StatusCode><ProcessingSummary>"
        f"<MessagesProcessed>{processed}</MessagesProcessed>"
        f"<MessagesSuccessful>{processed - len(errors)}</MessagesSuccessful>"
        f"<MessagesWithError>{len(errors)}</MessagesWithError>"
        "<MessagesWithWarning>0</MessagesWithWarning></ProcessingSummary>"
        f"{results}</ProcessingReport></Message></AmazonEnvelope>"
    ).encode()
