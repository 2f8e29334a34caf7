"""The letter slot and the reading room at an Amazon that they do not know from the inside: over
HTTP, with queues that are read by boto3, subscriptions that Amazon sends to, and a report that
comes packed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amazon_emulator import Emulator
from evergrant.accounts import NewAccount
from evergrant.adapters.amazon import HttpLWA, HttpSellingPartnerApi, user_agent
from evergrant.adapters.aws import SqsSecretsQueue
from evergrant.adapters.documents import HttpDocuments
from evergrant.desk import Desk
from evergrant.ports.traded import AmazonReportStep, FeedRun
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules import ids
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import STANDARD, Region
from evergrant.rules.rights import command_line
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock
from evergrant.testing.desk import Fakes, desk

ROOT = command_line("root")
WHO = user_agent("Evergrant", "test")
TYPE = "GET_FLAT_FILE_OPEN_LISTINGS_DATA"


@dataclass
class Town:
    amazon: Emulator
    desk: Desk
    fakes: Fakes
    seller: dict[str, Any]
    account_id: str

    @property
    def lying(self) -> int:
        (queue,) = self.amazon.levers.queues()
        return int(queue["messages"])

    async def send(self, method: str, path: str, body: Any) -> Any:
        answer = await self.desk.calls.send(
            self.account_id,
            method,
            path,
            headers={"content-type": "application/json"},
            body=json.dumps(body).encode(),
            by=ROOT,
        )
        assert answer.status < 300, answer.body
        return json.loads(answer.body)


@pytest.fixture(scope="module")
def amazon() -> Iterator[Emulator]:
    with Emulator() as running:
        running.levers.pull("PATCH", "/reports/habits", {"packed": True})
        yield running


@pytest.fixture
async def town(amazon: Emulator) -> AsyncIterator[Town]:
    seller = amazon.levers.account("seller")
    queue, key = amazon.levers.queue("notifications"), amazon.levers.aws_key()
    clock = FakeClock(datetime.now(UTC))
    fakes = Fakes(clock=clock)
    addresses = amazon.addresses
    fakes.lwa = HttpLWA(user_agent=WHO)  # type: ignore[assignment]
    fakes.selling_partner_api = HttpSellingPartnerApi(user_agent=WHO, clock=clock)  # type: ignore[assignment]
    fakes.documents = HttpDocuments(timeout_s=10.0, user_agent=WHO)  # type: ignore[assignment]
    fakes.secrets_queue = SqsSecretsQueue(  # type: ignore[assignment]
        aws_url=addresses["aws"], timeout_s=5.0, user_agent=WHO
    )
    made = desk(
        fakes,
        marketplaces=dataclasses.replace(
            STANDARD,
            endpoints={region: addresses[region.value] for region in Region},
            lwa_url=f"{addresses['lwa']}/auth/o2/token",
        ),
    )
    instance = await made.registry.add_instance(NewInstance(name="ERP"), by=ROOT)
    application = await made.registry.add_application(
        NewApplication(
            name="Connect", application_id=seller["application_id"], partner_kinds=["seller"]
        ),
        by=ROOT,
    )
    await made.registry.set_credentials(
        application.id,
        Credentials(
            lwa_client_id=seller["client_id"],
            lwa_client_secret=Secret(seller["client_secret"]),
            notifications_queue_url=queue["url"],
            access_key=Secret(key["access_key_id"]),
            secret_key=Secret(key["secret_access_key"]),
        ),
        by=ROOT,
    )
    account = await made.accounts.add(
        NewAccount(
            name="Shop",
            partner_kind="seller",
            client_email="shop@example.com",
            application_id=application.id,
            client_instance_id=instance.instance.id,
            region="eu",
            home_marketplace="DE",
            merchant_token=seller["selling_partner_id"],
        ),
        by=ROOT,
    )
    await made.consent.adopt(
        account.id,
        Secret(seller["refresh_token"]),
        by=ROOT,
        selling_partner_id=seller["selling_partner_id"],
        look=False,
    )
    yield Town(amazon, made, fakes, seller, account.id)
    await made.tokens.close()
    await made.limits.close()
    await made.calls.close()
    for pipe in (fakes.lwa, fakes.selling_partner_api, fakes.documents, fakes.secrets_queue):
        await pipe.close()  # type: ignore[union-attr]


async def test_feeds_orders_and_reports_are_heard_of(town: Town) -> None:
    slot, levers = town.desk.notifications, town.amazon.levers
    heard = await slot.round()
    assert (heard.subscribed, heard.troubles) == (3, 0)

    # An order is new.
    (order,) = levers.orders(town.seller["selling_partner_id"])
    assert town.lying >= 1
    assert (await slot.round()).told >= 1
    assert town.lying == 0
    await town.desk.orders.round()
    fetched = [
        one
        for one in levers.history(operation="getOrder", limit=100)
        if order["order_id"] in one["path"]
    ]
    assert fetched, "it was asked for by its id, not met by a sweep"
    found = await town.desk.orders.orders(by=ROOT, account_id=town.account_id)
    assert order["order_id"] in [one.order.order_id for one in found]

    # A feed is done.
    run = await _feed(town)
    levers.finish_feed(run.feed_id)
    assert (await slot.round()).told == 1
    async with town.fakes.store.transaction() as tx:
        due = await tx.feed_runs.get(run.id)
        work = await tx.work.get(town.account_id)
    now = town.fakes.clock.now()
    assert due is not None
    assert due.next_at == now
    assert work is not None
    assert work.due_at is not None
    assert work.due_at <= now

    # A report is made, and comes packed.
    levers.listings(town.seller["selling_partner_id"], count=3)
    room = town.desk.amazon_reports
    report = await room.request(town.account_id, TYPE, by=ROOT)
    await room.round()
    report = await room.get(report.id, by=ROOT)
    assert report.step is AmazonReportStep.WAITING
    levers.finish_report(report.report_id)
    await room.round()
    assert (await room.get(report.id, by=ROOT)).step is AmazonReportStep.WAITING, "not due yet"
    assert (await slot.round()).told == 1
    await room.round()
    assert (await room.get(report.id, by=ROOT)).step is AmazonReportStep.DONE
    async with room.open(report.id, by=ROOT) as coming:
        text = b"".join([piece async for piece in coming.pieces]).decode("cp1252")
    assert text.splitlines()[0].split("\t") == ["sku", "asin", "price", "quantity"]
    assert len(text.splitlines()) == 4
    (told,) = levers.history(operation="getReportDocument", limit=10)
    assert told["status"] == 200
    assert await slot.round() == type(heard)(), "and nothing comes twice"
    assert levers.breaches() == []


async def _feed(town: Town) -> FeedRun:
    """One at Amazon, and the run that waits for it."""
    document = await town.send(
        "POST",
        "/feeds/2021-06-30/documents",
        {"contentType": "application/json; charset=UTF-8"},
    )
    content = json.dumps(
        {
            "header": {"sellerId": town.seller["selling_partner_id"], "version": "2.0"},
            "messages": [{"messageId": 1, "sku": "SKU-1", "operationType": "DELETE"}],
        }
    ).encode()
    url = Secret(document["url"])
    await town.fakes.documents.upload(url, content, "application/json; charset=UTF-8")
    feed = await town.send(
        "POST",
        "/feeds/2021-06-30/feeds",
        {
            "feedType": "JSON_LISTINGS_FEED",
            "marketplaceIds": ["A1PA6795UKMFR9"],
            "inputFeedDocumentId": document["feedDocumentId"],
        },
    )
    now = town.fakes.clock.now()
    account = await town.desk.accounts.get(town.account_id, by=ROOT)
    run = FeedRun(
        id=ids.make(ids.Kind.FEED_RUN, now, b"0123456789"),
        account_id=town.account_id,
        application_id=account.account.application_id,
        region=Region.EU,
        path=Path.LISTINGS_FEED,
        step=RunStep.PROCESSING,
        feed_id=feed["feedId"],
        submitted_at=now,
        next_at=now + timedelta(hours=1),
        created_at=now,
        changed_at=now,
    )
    async with town.fakes.store.transaction() as tx:
        await tx.feed_runs.add(run)
    return run
