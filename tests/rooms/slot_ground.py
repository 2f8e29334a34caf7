"""A house with connected accounts, and as much of Amazon's Reports and Notifications APIs as the
reading room and the letter slot speak with."""

from __future__ import annotations

import gzip
import json
import secrets
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from evergrant.accounts import NewAccount
from evergrant.desk import Desk
from evergrant.errors import AmazonUnavailable
from evergrant.ports.amazon import Answer, Call
from evergrant.ports.traded import AmazonReport, Subscription
from evergrant.ports.watched import Notice
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import Caller, CallerKind, Right, command_line
from evergrant.rules.secrecy import Secret
from evergrant.testing.desk import Fakes, desk
from evergrant.testing.selling_partner_api import FakeSellingPartnerApi, error_answer

ROOT = command_line("root")
PROGRAM = Caller(
    kind=CallerKind.API_KEY,
    id="key_1",
    name="ERP",
    rights=frozenset({Right.READ, Right.AMAZON_READ}),
)
NOTIFICATIONS_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/notifications"
ARN = "arn:aws:sqs:eu-west-1:123456789012:notifications"
REPORTS = "/reports/2021-06-30/reports"
TYPE = "GET_MERCHANT_LISTINGS_ALL_DATA"
RESTRICTED = "GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING"
_SUBSCRIPTIONS = "/notifications/v1/subscriptions/"
_DESTINATIONS = "/notifications/v1/destinations"


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Amazon(FakeSellingPartnerApi):
    """``mood``: asked before each call of ``send`` with (method, path); gives an answer or an error
    in place of doing it, or None. ``after``: the same once it was done."""

    def __init__(self, fakes: Fakes) -> None:
        super().__init__(fakes.lwa, fakes.clock)
        self.fakes = fakes
        self.reports: dict[str, dict[str, Any]] = {}
        self.owners: dict[str, str] = {}
        self.destinations: dict[str, str] = {}  # id -> ARN
        self.subscriptions: dict[tuple[str, str], dict[str, Any]] = {}  # partner, type
        self.mood: Callable[[str, str], Answer | Exception | None] = lambda method, path: None
        self.after: Callable[[str, str], Answer | Exception | None] = lambda method, path: None
        self.asked: list[tuple[str, str]] = []

    def made(self, verb: str, path: str) -> int:
        return sum(one == (verb, path) for one in self.asked)

    def finish(self, report_id: str, status: str = "DONE", content: bytes | None = None) -> None:
        report = self.reports[report_id]
        report["processingStatus"] = status
        if content is not None:
            document = f"amzn1.spdoc.1.4.eu.{uuid.uuid4()}.T1.1"
            report["reportDocumentId"] = document
            self.fakes.documents.put(
                f"https://documents.example/{document}?X-Amz-Signature=s3cr3t",
                gzip.compress(content),
                "text/plain; charset=utf-8",
            )

    async def send(self, call: Call, access_token: Secret) -> Answer:
        self.asked.append((call.method, call.path))
        answer = await super().send(call, access_token)
        if b'"details": "The access token' in answer.body:
            return answer
        ended = self.mood(call.method, call.path)
        if ended is None:
            done = self._done(call, access_token)
            ended = self.after(call.method, call.path) or done
        if isinstance(ended, Exception):
            raise ended
        return ended

    def _done(self, call: Call, access_token: Secret) -> Answer:
        about, _ = self._whose(access_token)
        body = json.loads(call.body) if call.body else {}
        query = dict(call.query)
        if call.path == REPORTS and call.method == "POST":
            return _answer(202, {"reportId": self.report(about, **body)["reportId"]})
        if call.path == REPORTS:
            since = query.get("createdSince", "")
            found = [
                one
                for one in self.reports.values()
                if self.owners[one["reportId"]] == about
                and one["reportType"] == query["reportTypes"]
                and one["createdTime"] >= since
            ]
            return _answer(200, {"reports": found[::-1]})
        if call.path.startswith(f"{REPORTS}/"):
            return self._one_report(call, about)
        if call.path.startswith("/reports/2021-06-30/documents/"):
            return self._document(call, access_token)
        if call.path == _DESTINATIONS:
            return self._destination(call, body)
        if call.path.startswith(_SUBSCRIPTIONS):
            return self._subscription(call, about, body)
        return error_answer(404, "NotFound", "There is no such path.")

    def report(self, about: str, **body: Any) -> dict[str, Any]:
        """One more at Amazon, whoever asked for it."""
        report_id = str(50_000 + len(self.reports))
        body = {name: value for name, value in body.items() if name != "reportOptions"}
        self.reports[report_id] = {
            **body,
            "reportId": report_id,
            "createdTime": stamp(self.fakes.clock.now()),
            "processingStatus": "IN_QUEUE",
        }
        self.owners[report_id] = about
        return self.reports[report_id]

    def _one_report(self, call: Call, about: str) -> Answer:
        report_id = unquote(call.path.rpartition("/")[2])
        found = self.reports.get(report_id)
        if found is None or self.owners[report_id] != about:
            return error_answer(404, "NotFound", "The report was not found.")
        if call.method == "DELETE":
            if found["processingStatus"] != "IN_QUEUE":
                return error_answer(400, "InvalidInput", "It is in progress.")
            found["processingStatus"] = "CANCELLED"
            return _answer(200, {})
        return _answer(200, found)

    def _document(self, call: Call, access_token: Secret) -> Answer:
        document = unquote(call.path.rpartition("/")[2])
        for report in self.reports.values():
            if report.get("reportDocumentId") != document:
                continue
            if report["reportType"] == RESTRICTED and self.issued(access_token) is None:
                return error_answer(403, "Unauthorized", "Access to requested resource is denied.")
            url = f"https://documents.example/{document}?X-Amz-Signature=s3cr3t"
            told = {"reportDocumentId": document, "url": url, "compressionAlgorithm": "GZIP"}
            return _answer(200, told)
        return error_answer(404, "NotFound", "The document was not found.")

    def _destination(self, call: Call, body: dict[str, Any]) -> Answer:
        if call.method == "POST":
            arn = body["resourceSpecification"]["sqs"]["arn"]
            if arn in self.destinations.values():
                return error_answer(409, "Conflict", "It exists already.")
            made = str(uuid.uuid4())
            self.destinations[made] = arn
            return _answer(200, {"payload": {"destinationId": made}})
        rows = [
            {"destinationId": made, "name": "n", "resource": {"sqs": {"arn": arn}}}
            for made, arn in self.destinations.items()
        ]
        return _answer(200, {"payload": rows})

    def _subscription(self, call: Call, about: str, body: dict[str, Any]) -> Answer:
        kind, _, subscription_id = call.path.removeprefix(_SUBSCRIPTIONS).partition("/")
        if call.method == "DELETE":
            for key, one in list(self.subscriptions.items()):
                if one["subscriptionId"] == subscription_id:
                    del self.subscriptions[key]
                    return _answer(200, {})
            return error_answer(404, "NotFound", "There is no such subscription.")
        known = self.subscriptions.get((about, kind))
        if call.method == "GET":
            if known is None:
                return error_answer(404, "NotFound", "No subscription.")
            return _answer(200, {"payload": known})
        if known is not None:
            return error_answer(409, "StateConflict", "There is a subscription already.")
        if body["destinationId"] not in self.destinations:
            return error_answer(400, "InvalidInput", "No destination with that id.")
        self.subscriptions[about, kind] = {**body, "subscriptionId": str(uuid.uuid4())}
        return _answer(200, {"payload": self.subscriptions[about, kind]})


def _answer(status: int, body: Any) -> Answer:
    return Answer(status=status, headers={}, body=json.dumps(body).encode())


class Slot:
    """One house on fakes."""

    def __init__(self, fakes: Fakes | None = None) -> None:
        self.fakes = fakes or Fakes()
        self.clock = self.fakes.clock
        self.amazon = Amazon(self.fakes)
        self.fakes.selling_partner_api = self.amazon
        self.desk: Desk = desk(self.fakes)
        self.instance_id = ""
        self.application_id = ""
        self.amazon_application_id = f"amzn1.sp.solution.{uuid.uuid4()}"
        self._client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"

    async def furnish(self, *, queue: bool = False) -> Slot:
        registry = self.desk.registry
        self.instance_id = (
            await registry.add_instance(NewInstance(name="ERP"), by=ROOT)
        ).instance.id
        added = await registry.add_application(
            NewApplication(
                name="Connect",
                application_id=self.amazon_application_id,
                partner_kinds=["seller", "vendor"],
            ),
            by=ROOT,
        )
        self.application_id = added.id
        secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        self.fakes.lwa.add_client(self._client_id, secret)
        given = Credentials(lwa_client_id=self._client_id, lwa_client_secret=secret)
        await registry.set_credentials(added.id, given, by=ROOT)
        if queue:
            await self.set_queue(NOTIFICATIONS_URL)
        return self

    async def set_queue(self, url: str) -> None:
        await self.desk.registry.set_credentials(
            self.application_id,
            Credentials(
                notifications_queue_url=url,
                access_key=Secret("AKIA" + secrets.token_hex(8).upper()),
                secret_key=Secret(secrets.token_hex(20)),
            ),
            by=ROOT,
        )

    async def account(
        self, selling_partner_id: str, *, kind: str = "seller", home: str = "DE"
    ) -> str:
        """A connected one; gives its id."""
        vendor = {"vendor_kind": "direct_fulfillment"} if kind == "vendor" else {}
        added = await self.desk.accounts.add(
            NewAccount(
                name=f"{selling_partner_id} {home}",
                partner_kind=kind,
                client_email="shop@example.com",
                application_id=self.application_id,
                client_instance_id=self.instance_id,
                region=STANDARD.by_country(home).region.value,
                home_marketplace=home,
                **vendor,  # type: ignore[arg-type]
            ),
            by=ROOT,
        )
        about = f"{selling_partner_id}/{home}"
        await self.desk.consent.adopt(
            added.id,
            self.fakes.lwa.grant(self._client_id, about),
            by=ROOT,
            selling_partner_id=selling_partner_id,
            look=False,
        )
        self.amazon.asked.clear()
        return added.id

    # --- time passes ---

    async def pass_time(self, span: timedelta) -> None:
        self.clock.move(span)

    async def reports_round(self, after: timedelta = timedelta(0)) -> Any:
        self.clock.move(after)
        return await self.desk.amazon_reports.round()

    async def slot_round(self, after: timedelta = timedelta(0)) -> Any:
        self.clock.move(after)
        return await self.desk.notifications.round()

    # --- looking ---

    async def row(self, report: AmazonReport) -> AmazonReport:
        return await self.desk.amazon_reports.get(report.id, by=ROOT)

    async def content(self, report: AmazonReport, by: Caller = ROOT) -> bytes:
        async with self.desk.amazon_reports.open(report.id, by=by) as coming:
            return b"".join([piece async for piece in coming.pieces])

    async def subscriptions(self, account_id: str) -> dict[str, Subscription]:
        found = await self.desk.notifications.subscriptions(account_id, by=ROOT)
        return {one.notification_type: one for one in found}

    async def board(self) -> list[Notice]:
        async with self.fakes.store.transaction() as tx:
            return await tx.notices.all(kind=NoticeKind.NOTIFICATIONS_TROUBLE, settled_at=None)

    @property
    def lying(self) -> list[str]:
        return self.fakes.secrets_queue.waiting(NOTIFICATIONS_URL)

    def arrive(self, body: Any) -> None:
        self.fakes.secrets_queue.put(NOTIFICATIONS_URL, body)


def lost() -> AmazonUnavailable:
    return AmazonUnavailable("The connection broke off.")


def feed_finished(application_id: str, seller_id: str, feed_id: str) -> dict[str, Any]:
    return _camel(
        "FEED_PROCESSING_FINISHED",
        "feedProcessingFinishedNotification",
        application_id,
        seller_id,
        {"feedId": feed_id, "feedType": "JSON_LISTINGS_FEED", "processingStatus": "DONE"},
    )


def report_finished(application_id: str, seller_id: str, report_id: str) -> dict[str, Any]:
    return _camel(
        "REPORT_PROCESSING_FINISHED",
        "reportProcessingFinishedNotification",
        application_id,
        seller_id,
        {"reportId": report_id, "reportType": TYPE, "processingStatus": "DONE"},
    )


def _camel(
    kind: str, part: str, application_id: str, seller_id: str, facts: dict[str, Any]
) -> dict[str, Any]:
    vendor = seller_id.startswith("amzn1.vg.")
    who: dict[str, Any] = {"accountId": seller_id if vendor else f"amzn1.merchant.o.{seller_id}"}
    if not vendor:
        who["sellerId"] = seller_id
    return {
        "notificationVersion": "2020-09-04",
        "notificationType": kind,
        "payloadVersion": "2020-09-04",
        "eventTime": "2026-07-13T19:42:04.284Z",
        "payload": {part: {**who, **facts}},
        "notificationMetadata": {
            "applicationId": application_id,
            "subscriptionId": str(uuid.uuid4()),
            "publishTime": "2026-07-13T19:42:04.284Z",
            "notificationId": str(uuid.uuid4()),
        },
    }


def order_change(
    application_id: str, seller_id: str, order_id: str, marketplace_id: str = "A1PA6795UKMFR9"
) -> dict[str, Any]:
    return {
        "NotificationVersion": "1.0",
        "NotificationType": "ORDER_CHANGE",
        "PayloadVersion": "1.0",
        "EventTime": "2026-01-11T00:09:53.109Z",
        "Payload": {
            "OrderChangeNotification": {
                "NotificationLevel": "OrderLevel",
                "SellerId": seller_id,
                "AmazonOrderId": order_id,
                "OrderChangeType": "OrderStatusChange",
                "OrderChangeTrigger": {
                    "TimeOfOrderChange": "2026-01-11T00:09:53.109Z",
                    "ChangeReason": "Order Status Change",
                },
                "Summary": {"MarketplaceId": marketplace_id, "OrderStatus": "Unshipped"},
            }
        },
        "NotificationMetadata": {
            "ApplicationId": application_id,
            "SubscriptionId": str(uuid.uuid4()),
            "PublishTime": "2026-01-11T00:09:53.109Z",
            "NotificationId": str(uuid.uuid4()),
        },
    }
