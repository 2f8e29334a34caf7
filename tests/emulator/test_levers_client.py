"""`Levers`: every name for what tests do most reaches its lever and gives what it promises."""

from __future__ import annotations

import inspect
import json
import re
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amazon_emulator import Emulator, LeverError, Levers
from tests.emulator.conftest import House

PRICES = {
    "header": {"sellerId": "A1", "version": "2.0", "issueLocale": "en_US"},
    "messages": [],
}


@pytest.fixture
def levers(amazon: Emulator) -> Levers:
    return amazon.levers


@pytest.fixture
def seller(levers: Levers) -> str:
    made = levers.partner("seller", home="DE")
    return str(made["selling_partner_id"])


class Caller:
    """A program that calls SP-API with an account of the levers."""

    def __init__(self, house: House, account: dict[str, Any]) -> None:
        self.http, self.account = house.http, account
        given = house.http.post(
            f"{account['addresses']['lwa']}/auth/o2/token",
            data={
                "grant_type": "refresh_token",
                **{k: account[k] for k in ("refresh_token", "client_id", "client_secret")},
            },
        )
        self.access_token = given.json()["access_token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self.http.request(
            method,
            f"{self.account['endpoint']}{path}",
            json=body,
            headers={"x-amz-access-token": self.access_token},
        )

    def feed(self) -> str:
        content_type = "application/json; charset=UTF-8"
        made = self.call("POST", "/feeds/2021-06-30/documents", {"contentType": content_type})
        document = made.json()
        headers = {"content-type": content_type}
        self.http.put(document["url"], content=json.dumps(PRICES), headers=headers)
        wish = {
            "feedType": "JSON_LISTINGS_FEED",
            "marketplaceIds": self.account["marketplace_ids"][:1],
            "inputFeedDocumentId": document["feedDocumentId"],
        }
        made = self.call("POST", "/feeds/2021-06-30/feeds", wish)
        assert made.status_code == 202, made.text
        return str(made.json()["feedId"])

    def report(self) -> str:
        wish = {
            "reportType": "GET_MERCHANT_LISTINGS_ALL_DATA",
            "marketplaceIds": self.account["marketplace_ids"][:1],
        }
        made = self.call("POST", "/reports/2021-06-30/reports", wish)
        assert made.status_code == 202, made.text
        return str(made.json()["reportId"])


@pytest.fixture
def caller(house: House) -> Caller:
    return Caller(house, house.amazon.levers.account(home="DE"))


def test_every_name_is_tested_somewhere_and_explains_itself() -> None:
    names = {
        name
        for name, _ in inspect.getmembers(Levers, callable)
        if not name.startswith("_") and name != "pull"
    }
    assert len(names) > 70
    tests = "\n".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    untested = {name for name in names if not re.search(rf"[lL]evers\.{name}\(", tests)}
    assert not untested
    assert not {name for name in names if not getattr(Levers, name).__doc__}


# --- to begin with --------------------------------------------------------------------------------


def test_from_the_file_of_addresses(amazon: Emulator, tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    file.write_text(json.dumps(amazon.addresses))
    for given in (file, str(file)):
        assert Levers.from_file(given).addresses() == amazon.addresses


def test_an_account_is_all_that_a_client_needs(levers: Levers, caller: Caller) -> None:
    said = caller.call("GET", "/sellers/v1/marketplaceParticipations").json()
    ids = [row["marketplace"]["id"] for row in said["payload"]]
    assert ids == caller.account["marketplace_ids"]
    vendor = levers.account("vendor", home="US")
    assert vendor["endpoint"] == levers.addresses()["na"]
    assert vendor["marketplace_ids"] == []


def test_who_is_there(levers: Levers, seller: str) -> None:
    application = levers.application("Mine")
    assert levers.applications()[-1]["application_id"] == application["application_id"]
    assert [one["selling_partner_id"] for one in levers.partners()] == [seller]
    assert levers.grants() == []
    levers.grant(seller, application["application_id"])
    assert len(levers.grants(seller)) == len(levers.grants()) == 1
    made = levers.access_token(seller, application["application_id"])
    assert made["access_token"].startswith("Atza|emulated")
    levers.revoke(seller)
    [grant] = levers.grants()
    assert grant["revoked_at"]
    levers.reinstate(seller)
    assert levers.grants()[0]["revoked_at"] is None


# --- goods, orders, money -------------------------------------------------------------------------


def test_listings_and_orders(levers: Levers, seller: str) -> None:
    levers.listings(seller, sku="LAMP-1", stock=4, price=12)
    assert [one["sku"] for one in levers.listings_of(seller)] == ["LAMP-1"]
    assert levers.listings_of(seller, sku="LAMP-2") == []
    assert levers.fail_listing(seller, "LAMP-1", message="no")
    assert len(levers.pull("GET", "/world/listings/failing")["items"]) == 1
    [made] = levers.orders(seller, items=[{"sku": "LAMP-1", "price": 20}])
    order_id = made["order_id"]
    assert levers.order(order_id)["status"] == "UNSHIPPED"
    levers.change_order(order_id, "SHIPPED")
    assert [one["order_id"] for one in levers.orders_of(seller, status="SHIPPED")] == [order_id]
    assert levers.orders_of(seller, status="UNSHIPPED") == []
    assert levers.refunds_of(seller) == []
    levers.refund(order_id, reason="CustomerReturn")
    [refund] = levers.refunds_of(seller)
    assert refund["order_id"] == order_id
    levers.refuse_orders("refund", "InvalidInput")
    assert levers.pull("GET", "/orders/refuse")["items"]


# --- feeds and reports ----------------------------------------------------------------------------


def test_feeds_held_released_finished_decided(levers: Levers, caller: Caller) -> None:
    assert levers.pace_feeds(queue_s=0, processing_s=60)["processing_s"] == 60
    levers.hold_feeds(feed_type="JSON_LISTINGS_FEED")
    held = caller.feed()
    levers.advance(timedelta(minutes=30))
    assert levers.feeds(status="IN_PROGRESS")[0]["feed_id"] == held
    assert json.loads(levers.feed_content(held)["text"]) == PRICES
    assert [one["feed_id"] for one in levers.release_feeds()] == [held]
    assert levers.feeds()[0]["status"] == "DONE"
    other = caller.feed()
    assert levers.finish_feed(other, "FATAL")["status"] == "FATAL"
    levers.decide_feeds("CANCELLED")
    decided = caller.feed()
    levers.advance(600)
    assert {one["feed_id"]: one["status"] for one in levers.feeds()}[decided] == "CANCELLED"
    plain = caller.feed()
    assert levers.finish_feed(plain)["status"] == "DONE"


def test_reports_finished_and_decided(levers: Levers, caller: Caller) -> None:
    first = caller.report()
    assert levers.finish_report(first, "CANCELLED")["status"] == "CANCELLED"
    levers.decide_reports(status="FATAL")
    second = caller.report()
    assert levers.finish_report(second)["status"] == "FATAL"
    assert [one["report_id"] for one in levers.reports()] == [first, second]


# --- vendors --------------------------------------------------------------------------------------


def test_vendors(levers: Levers, house: House) -> None:
    account = levers.account("vendor", home="DE", vendor_codes=["MILL1"])
    vendor = account["selling_partner_id"]
    [order] = levers.purchase_orders(vendor)
    assert order["number"] in {one["number"] for one in levers.purchase_orders_of(vendor)}
    made = {one["number"] for one in levers.direct_orders(vendor, count=2)}
    assert {one["number"] for one in levers.direct_orders_of(vendor)} >= made
    program = Caller(house, account)

    def submit() -> str:
        path = "/vendor/directFulfillment/inventory/v1/warehouses/WH01/items"
        wish = {
            "inventory": {
                "sellingParty": {"partyId": "MILL1"},
                "isFullUpdate": False,
                "items": [
                    {
                        "vendorProductIdentifier": "LAMP-1",
                        "availableQuantity": {"amount": 3, "unitOfMeasure": "Each"},
                    }
                ],
            }
        }
        said = program.call("POST", path, wish)
        assert said.status_code == 202, said.text
        return str(said.json()["payload"]["transactionId"])

    levers.hold_transactions()
    held = submit()
    levers.advance(timedelta(minutes=20))
    [known] = levers.transactions(status="Processing")
    assert known["transaction_id"] == held
    assert levers.release_transactions() == [held]
    levers.advance(timedelta(minutes=20))
    assert [one["status"] for one in levers.transactions()] == ["Success"]
    levers.decide_transactions("Failure", errors=[{"code": "X", "message": "no"}])
    failed = submit()
    assert levers.finish_transaction(failed)["status"] == "Failure"
    other = submit()
    assert levers.finish_transaction(other, "Success")["status"] == "Success"


# --- queues ---------------------------------------------------------------------------------------


def test_queues(levers: Levers, seller: str) -> None:
    made = levers.queue("news")
    levers.put_message("news", "hello ✓")
    for name in ("news", made["arn"]):
        assert [one["body"] for one in levers.messages(name)] == ["hello ✓"]
    assert levers.queues()[0]["messages"] == 1
    levers.purge("news")
    assert levers.messages("news") == []
    assert levers.aws_key()["secret_access_key"]
    told = levers.notify("ORDER_CHANGE", seller, {"Summary": {}})
    assert told["subscriptions"] == 0
    levers.delay_notifications(60)
    levers.lose_notifications(2)
    said = levers.duplicate_notifications(3)
    assert (said["delay_seconds"], said["lose"], said["duplicate"]) == (60, 2, 3)
    assert levers.lose_notifications()["lose"] == 1


# --- usage plans, models, trouble -----------------------------------------------------------------


def test_usage_plans(levers: Levers, caller: Caller) -> None:
    path, operation = "/sellers/v1/marketplaceParticipations", "getMarketplaceParticipations"
    assert levers.drain_limits(operation) == 1
    assert caller.call("GET", path).status_code == 429
    [bucket] = levers.buckets(operation=operation)
    assert bucket["partner"] == caller.account["selling_partner_id"]
    assert levers.fill_limits() == 1
    assert caller.call("GET", path).status_code == 200
    levers.plan(operation, rate=1, burst=1)
    levers.fill_limits()
    assert [caller.call("GET", path).status_code for _ in range(2)] == [200, 429]
    assert levers.restore_plans() == 1
    levers.limits(enforced=False)
    assert caller.call("GET", path).status_code == 200


def test_the_contract(levers: Levers, caller: Caller, models: Path) -> None:
    levers.contract("report")
    caller.call("GET", "/feeds/2021-06-30/feeds?pageSize=many&feedTypes=X")
    [breach] = levers.breaches(side="request")
    assert breach["operation"] == "getFeeds"
    levers.forget_breaches()
    assert levers.breaches() == []


def test_trouble_on_every_face(levers: Levers) -> None:
    levers.fail_lwa("drop")
    levers.fail_spapi(503, times=2)
    levers.fail_documents("truncate")
    levers.fail_aws("slow", ms=1)
    assert len(levers.pull("GET", "/weather")["items"]) == 4
    levers.clear()
    assert levers.pull("GET", "/weather")["items"] == []


# --- time, history --------------------------------------------------------------------------------


def test_time(levers: Levers) -> None:
    there = datetime(2031, 5, 1, 12, tzinfo=UTC)
    levers.set_clock(there)
    assert levers.now() - there < timedelta(seconds=30)
    levers.set_clock("2032-05-01T12:00:00+02:00")
    levers.advance(timedelta(days=-1))
    assert levers.now().date().isoformat() == "2032-04-30"


def test_history_forgotten(levers: Levers, caller: Caller) -> None:
    assert levers.count(kind="lwa") == 1
    since = levers.now() + timedelta(hours=1)
    assert levers.history(since=since) == []
    levers.forget_history()
    assert levers.count(kind="lwa") == 0


# --- when it goes wrong ---------------------------------------------------------------------------


def test_a_refusal_has_a_status_and_words(levers: Levers) -> None:
    with pytest.raises(LeverError) as told:
        levers.pull("POST", "/partners of mine/✓?x=1", {"at": datetime.now(UTC)})
    assert told.value.status == 404
    assert told.value.words == "no such lever; GET / lists them"
    with pytest.raises(LeverError) as told:
        levers.partner("buyer")
    assert told.value.status == 422
    assert not told.value.words.startswith("{")
    with pytest.raises(TypeError, match="set"):
        levers.partner("seller", marketplaces={"DE"})


def test_a_world_that_is_wrong_is_told_with_its_file(levers: Levers, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    with pytest.raises(LeverError, match=r"cannot read .*mine.json: No such file"):
        levers.load_world(file)
    file.write_text("{")
    with pytest.raises(LeverError, match=r"mine.json is no JSON"):
        levers.load_world(file)
    file.write_text('{"amazon_emulator": 1, "partners": [{"kind": "buyer"}]}')
    with pytest.raises(LeverError, match=r"mine.json: .*partners\[0\]") as told:
        levers.load_world(file, add=True)
    assert told.value.status == 422
    assert told.value.words.startswith(f"{file}: partners[0]")


def test_whoever_answers_without_http_is_no_emulator() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            other, _ = server.accept()
            with other:
                other.recv(65_536)
                other.sendall(b"hello\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(LeverError, match="no emulator answers") as told:
            Levers(f"http://127.0.0.1:{port}", timeout_s=5).now()
        thread.join(60)
    assert told.value.status is None
