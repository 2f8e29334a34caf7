"""Types of feeds and reports that have limits of their own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from amazon_emulator.limits import Exhausted, Limits, spend_for
from amazon_emulator.limits.special import OPERATIONS, SANDBOX, Kind, of_feed, of_report
from amazon_emulator.stage import Stage

JSON_FEED = "JSON_LISTINGS_FEED"
VAT_INVOICE = "UPLOAD_VAT_INVOICE"
SALES = "GET_SALES_AND_TRAFFIC_REPORT"
NOW = datetime.fromisoformat("2026-11-21T10:00:00+00:00")


class Caller:
    """Calls createFeed and createReport as the faces do: the operation's plan, then the type's."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.now = NOW

    def call(self, kind: Kind, type: str, **who: str) -> str | None:
        """The scope of the refusal; None when it went through."""
        given: dict[str, Any] = {
            "application_id": "app", "partner_id": "A1", "region": "eu", **who,
        }  # fmt: skip
        operation = OPERATIONS[kind]
        plan = self.stage.plans.of(
            *operation, application_id=given["application_id"], partner_id=given["partner_id"]
        )
        limits = self.stage.of(Limits)
        if limits.are_enforced(self.stage):
            verdict = limits.spend(self.now, plan=plan, operation=operation, **given)
            if not verdict.allowed:
                return verdict.scope
        try:
            spend_for(self.stage, self.now, kind=kind, type=type, **given)
        except Exhausted as exhausted:
            return exhausted.scope
        return None

    def until_refused(self, kind: Kind, type: str, **who: str) -> tuple[int, str]:
        count = 0
        while (scope := self.call(kind, type, **who)) is None:
            count += 1
            assert count < 1000
        return count, scope

    def left(self) -> dict[tuple[str, str], int]:
        levels = self.stage.of(Limits).levels(self.now)
        return {(level.key[0], level.key[5]): level.left for level in levels}


@pytest.fixture
def stage() -> Stage:
    return Stage.fresh(gentle=True, seed=1, start=None)


@pytest.fixture
def caller(stage: Stage) -> Caller:
    return Caller(stage)


def test_a_json_feed_has_five_in_five_minutes_besides_createfeeds_own_plan(caller: Caller) -> None:
    assert caller.until_refused("feed", JSON_FEED) == (5, "feed_type")
    # The refused sixth spent nothing: ten of fifteen are left for the other types.
    assert caller.left() == {("feed_type", JSON_FEED): 0, ("pair", ""): 10}
    assert caller.until_refused("feed", "POST_FLAT_FILE_FULFILLMENT_DATA") == (10, "pair")
    caller.now += timedelta(minutes=5)
    # 2.49 of createFeed's plan came back, and five of the type's.
    assert caller.until_refused("feed", JSON_FEED) == (2, "pair")


def test_the_limit_of_a_type_is_of_one_pair_and_region(caller: Caller) -> None:
    assert caller.until_refused("feed", JSON_FEED)[0] == 5
    assert caller.until_refused("feed", JSON_FEED, region="na")[0] == 5
    assert caller.until_refused("feed", JSON_FEED, partner_id="A2")[0] == 5
    assert caller.until_refused("feed", JSON_FEED, application_id="other")[0] == 5


def test_the_wait_is_for_the_type(stage: Stage, caller: Caller) -> None:
    caller.until_refused("feed", JSON_FEED)
    with pytest.raises(Exhausted, match="feed_type") as refused:
        spend_for(
            stage, caller.now, kind="feed", type=JSON_FEED,
            application_id="app", partner_id="A1", region="eu",
        )  # fmt: skip
    assert refused.value.wait_s == 60.0


def test_json_feeds_may_spend_only_their_own(stage: Stage, caller: Caller) -> None:
    stage.of(Limits).json_feeds_spend_both = False
    assert caller.until_refused("feed", JSON_FEED) == (5, "feed_type")
    assert caller.left() == {("feed_type", JSON_FEED): 0}
    assert caller.until_refused("feed", "POST_FLAT_FILE_FULFILLMENT_DATA") == (15, "pair")
    caller.now += timedelta(minutes=1)
    assert caller.until_refused("feed", JSON_FEED) == (1, "feed_type")


def test_the_invoices_limit_holds_when_it_is_switched_on(stage: Stage, caller: Caller) -> None:
    assert caller.until_refused("feed", VAT_INVOICE) == (15, "pair")
    stage.of(Limits).fill(lambda key: True)
    stage.of(Limits).vat_invoices_limited = True
    assert caller.until_refused("feed", VAT_INVOICE) == (1, "feed_type")
    caller.now += timedelta(seconds=3)
    assert caller.until_refused("feed", VAT_INVOICE) == (1, "feed_type")


def test_the_sales_report_is_shared_by_all_applications_of_a_seller(caller: Caller) -> None:
    assert [caller.call("report", SALES, application_id=f"app{n}") for n in range(5)] == [
        None, None, None, None, "account",
    ]  # fmt: skip
    assert caller.call("report", SALES, partner_id="A2") is None
    assert caller.call("report", SALES, region="na") is None
    assert caller.call("report", "GET_MERCHANT_LISTINGS_ALL_DATA", application_id="app4") is None
    # The refused one cost its application nothing: one call of fifteen was spent above.
    levels = list(caller.stage.of(Limits).levels(caller.now))
    assert [level.left for level in levels if level.key[:3] == ("pair", "app4", "A1")] == [14]


def test_the_days_limit_counts_as_well(caller: Caller) -> None:
    caller.until_refused("report", SALES)
    assert caller.left()["account", SALES] == 0
    assert caller.left()["account", f"{SALES}#2"] == 92
    caller.now += timedelta(hours=1)
    assert caller.until_refused("report", SALES) == (4, "account")


def test_what_has_no_limit_of_its_own_spends_the_plan_alone(caller: Caller) -> None:
    assert of_feed("POST_INVENTORY_AVAILABILITY_DATA") == ()
    assert of_report(JSON_FEED) == ()
    assert of_feed(SALES) == ()
    assert caller.until_refused("report", "GET_VENDOR_SALES_REPORT") == (15, "pair")
    assert caller.left() == {("pair", ""): 0}


def test_nothing_is_counted_when_limits_are_off(stage: Stage, caller: Caller) -> None:
    stage.limits_enforced = False
    assert [caller.call("feed", JSON_FEED) for _ in range(50)] == [None] * 50
    assert caller.left() == {}


def test_the_sandbox_has_one_plan() -> None:
    assert (int(SANDBOX.rate), SANDBOX.burst, SANDBOX.header) == (5, 15, "5.0")
