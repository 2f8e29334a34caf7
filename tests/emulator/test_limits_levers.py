"""Usage plans as a program meets them, and the levers that show and change them."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from amazon_emulator import Emulator, LeverError
from tests.emulator.conftest import House

ORDERS_STATUS = "/vendor/orders/v1/purchaseOrdersStatus"  # 10 per second, 10 at once
PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"  # 0.016 per second, 15 at once
OPERATION = "getMarketplaceParticipations"
QUOTA = {
    "errors": [
        {
            "code": "QuotaExceeded",
            "message": "You exceeded your quota for the requested resource.",
            "details": "",
        }
    ]
}


class Shop:
    """A seller with an access token."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.partner = house.seller()
        self.id = str(self.partner["selling_partner_id"])
        self.access_token = house.access_token(self.partner)

    def statuses(self, times: int) -> list[int]:
        return [
            self.house.call(PARTICIPATIONS, self.access_token).status_code for _ in range(times)
        ]


@pytest.fixture
def shop(house: House) -> Shop:
    return Shop(house)


def items(said: dict[str, Any]) -> list[dict[str, Any]]:
    assert said["count"] == len(said["items"])
    found: list[dict[str, Any]] = said["items"]
    return found


# --- as a program meets them ----------------------------------------------------------------------


def test_beyond_its_plan_a_pair_gets_amazons_429_without_the_header(
    amazon: Emulator, house: House, shop: Shop
) -> None:
    answers = [house.call(PARTICIPATIONS, shop.access_token) for _ in range(16)]
    assert [answer.status_code for answer in answers] == [200] * 15 + [429]
    assert [answer.headers.get("x-amzn-ratelimit-limit") for answer in answers] == (
        ["0.016"] * 15 + [None]
    )
    assert answers[-1].json() == QUOTA
    assert answers[-1].headers["x-amzn-errortype"] == "QuotaExceededException"
    assert "retry-after" not in answers[-1].headers
    amazon.levers.advance(63)  # one in 62.5 seconds
    assert shop.statuses(2) == [200, 429]
    amazon.levers.advance(-3600)
    assert shop.statuses(1) == [429]


def test_another_account_is_not_held_up(house: House, shop: Shop) -> None:
    assert shop.statuses(16)[-1] == 429
    assert Shop(house).statuses(15) == [200] * 15


def test_a_reset_fills_everything_and_gives_amazons_plans_back(
    amazon: Emulator, house: House, shop: Shop
) -> None:
    levers = amazon.levers
    levers.pull("PUT", "/limits/plan", {"operation": OPERATION, "rate": 1, "burst": 1})
    levers.pull("PUT", "/limits", {"enforced": False, "json_feeds_spend_both": False})
    levers.reset()
    said = levers.pull("GET", "/limits")
    assert said == {
        "enforced": True, "json_feeds_spend_both": True, "vat_invoices_limited": False,
        "count": 0, "items": [],
    }  # fmt: skip
    assert items(levers.pull("GET", "/limits/plan", operation=OPERATION))[0]["burst"] == 15


# --- showing --------------------------------------------------------------------------------------


def test_buckets_that_are_not_full_are_shown(amazon: Emulator, house: House, shop: Shop) -> None:
    other = Shop(house)
    amazon.levers.set_clock(amazon.levers.now())
    shop.statuses(3)
    other.statuses(1)
    mine = items(amazon.levers.pull("GET", "/limits", partner=shop.id))
    assert len(mine) == 1
    (row,) = mine
    assert row.pop("next_at") < row.pop("full_at")
    assert row == {
        "scope": "pair",
        "application_id": house.application_id,
        "partner": shop.id,
        "region": "eu",
        "operation": OPERATION,
        "method": "GET",
        "path": PARTICIPATIONS,
        "type": None,
        "left": 12,
        "burst": 15,
        "rate": 0.016,
    }
    assert len(items(amazon.levers.pull("GET", "/limits", operation=OPERATION))) == 2
    by_path = {"method": "get", "path": PARTICIPATIONS}
    said = house.http.get(f"{amazon.addresses['levers']}/limits", params=by_path).json()
    assert len(items(said)) == 2
    assert (
        len(items(amazon.levers.pull("GET", "/limits", application_id=house.application_id))) == 2
    )
    assert items(amazon.levers.pull("GET", "/limits", operation="createFeed")) == []
    assert items(amazon.levers.pull("GET", "/limits", region="na")) == []


# --- switching ------------------------------------------------------------------------------------


def test_limits_can_be_switched_off_and_on(amazon: Emulator, shop: Shop) -> None:
    assert amazon.levers.pull("PUT", "/limits", {"enforced": False})["enforced"] is False
    assert shop.statuses(20) == [200] * 20
    assert items(amazon.levers.pull("GET", "/limits")) == []
    assert amazon.levers.pull("PUT", "/limits", {"enforced": True})["enforced"] is True
    assert shop.statuses(16)[-1] == 429


def test_habits_are_changed_one_by_one(amazon: Emulator) -> None:
    first = amazon.levers.pull("PUT", "/limits", {"json_feeds_spend_both": False})
    second = amazon.levers.pull("PUT", "/limits", {"vat_invoices_limited": True})
    assert first == {**second, "vat_invoices_limited": False}
    assert second == {
        "enforced": True, "json_feeds_spend_both": False, "vat_invoices_limited": True,
    }  # fmt: skip


# --- plans ----------------------------------------------------------------------------------------


def test_a_plan_can_be_set_for_all_and_taken_back(
    amazon: Emulator, house: House, shop: Shop
) -> None:
    levers = amazon.levers
    (row,) = items(levers.pull("GET", "/limits/plan", operation=OPERATION))
    assert (row["rate"], row["burst"], row["source"]) == (0.016, 15, "model")
    said = levers.pull("PUT", "/limits/plan", {"operation": OPERATION, "rate": 0.5, "burst": 2})
    (row,) = items(said)
    assert (row["rate"], row["burst"], row["source"]) == (0.5, 2, "lever")
    assert shop.statuses(3) == [200, 200, 429]
    levers.advance(2)
    answer = house.call(PARTICIPATIONS, shop.access_token)
    assert answer.headers["x-amzn-ratelimit-limit"] == "0.5"
    assert levers.pull("DELETE", "/limits/plan", {"operation": OPERATION}) == {"count": 1}
    levers.pull("POST", "/limits/fill")
    assert shop.statuses(16) == [200] * 15 + [429]


def test_a_plan_can_be_set_for_one_partner_or_application(
    amazon: Emulator, house: House, shop: Shop
) -> None:
    other = Shop(house)
    plan = {"method": "GET", "path": PARTICIPATIONS, "rate": 1, "burst": 1}
    amazon.levers.pull("PUT", "/limits/plan", {**plan, "partner": shop.id})
    assert shop.statuses(2) == [200, 429]
    assert other.statuses(2) == [200, 200]
    given = {**plan, "burst": 3, "application_id": house.application_id}
    amazon.levers.pull("PUT", "/limits/plan", given)
    assert other.statuses(4) == [200, 200, 200, 429]
    asked = {"operation": OPERATION, "partner": shop.id}
    (row,) = items(amazon.levers.pull("GET", "/limits/plan", **asked))
    assert (row["partner"], row["burst"]) == (shop.id, 1)
    assert amazon.levers.pull("DELETE", "/limits/plan", {"partner": shop.id}) == {"count": 1}
    assert amazon.levers.pull("DELETE", "/limits/plan") == {"count": 1}
    assert amazon.levers.pull("DELETE", "/limits/plan") == {"count": 0}


def test_a_slower_plan_holds_at_once(amazon: Emulator, shop: Shop) -> None:
    fast = {"operation": OPERATION, "rate": 100, "burst": 3}
    amazon.levers.pull("PUT", "/limits/plan", fast)
    amazon.levers.pull("POST", "/limits/drain", {"operation": OPERATION})
    amazon.levers.pull("PUT", "/limits/plan", {**fast, "rate": 0.001})
    amazon.levers.pull("POST", "/limits/drain", {"operation": OPERATION})
    amazon.levers.advance(900)
    assert shop.statuses(1) == [429]
    amazon.levers.advance(101)
    assert shop.statuses(2) == [200, 429]


def test_a_name_that_apis_share_means_all_of_them(amazon: Emulator) -> None:
    said = amazon.levers.pull(
        "PUT", "/limits/plan", {"operation": "getOrder", "rate": 1, "burst": 1}
    )
    paths = [row["path"] for row in items(said)]
    assert "/orders/v0/orders/{orderId}" in paths
    assert "/orders/2026-01-01/orders/{orderId}" in paths
    path = {"operation": "getOrder", "path": paths[0]}
    assert amazon.levers.pull("DELETE", "/limits/plan", path) == {"count": 1}
    assert amazon.levers.pull("DELETE", "/limits/plan") == {"count": len(paths) - 1}


# --- fill and drain -------------------------------------------------------------------------------


def test_fill_makes_full_again_all_or_some(amazon: Emulator, house: House, shop: Shop) -> None:
    other = Shop(house)
    assert shop.statuses(16)[-1] == other.statuses(16)[-1] == 429
    assert amazon.levers.pull("POST", "/limits/fill", {"region": "na"}) == {"count": 0}
    assert amazon.levers.pull("POST", "/limits/fill", {"operation": "createFeed"}) == {"count": 0}
    assert amazon.levers.pull("POST", "/limits/fill", {"partner": shop.id}) == {"count": 1}
    assert shop.statuses(1) == [200]
    assert other.statuses(1) == [429]
    assert amazon.levers.pull("POST", "/limits/fill") == {"count": 2}
    assert other.statuses(1) == [200]


def test_drain_empties_before_any_call(amazon: Emulator, house: House, shop: Shop) -> None:
    other = Shop(house)
    wish = {"operation": OPERATION, "partner": shop.id}
    assert amazon.levers.pull("POST", "/limits/drain", wish) == {"count": 1}
    assert shop.statuses(1) == [429]
    assert other.statuses(1) == [200]
    assert amazon.levers.pull("POST", "/limits/drain", {"operation": OPERATION}) == {"count": 2}
    assert other.statuses(1) == [429]
    amazon.levers.advance(63)
    assert shop.statuses(2) == other.statuses(2) == [200, 429]


def test_grantless_operations_have_a_bucket_of_the_application(
    amazon: Emulator, house: House
) -> None:
    wish = {"operation": "createDestination", "partner": None, "region": "eu"}
    assert amazon.levers.pull("POST", "/limits/drain", wish) == {"count": 1}
    (row,) = items(amazon.levers.pull("GET", "/limits"))
    assert (row["operation"], row["application_id"], row["partner"], row["left"]) == (
        "createDestination", house.application_id, None, 0,
    )  # fmt: skip
    # The application's own bucket and no partner's.
    assert amazon.levers.pull("POST", "/limits/fill", {"partner": None}) == {"count": 1}


def test_many_accounts_share_the_limit_of_their_application(
    amazon: Emulator, house: House, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 over all accounts, 10 for each: the 101st call is refused although its account called
    but once before; others' applications and other regions are not held up."""
    now = amazon.levers.now()
    monkeypatch.setattr(amazon.stage.clock, "now", lambda: now)
    other_house = House(amazon, http, amazon.levers.application("Other"))
    path = "/definitions/2020-09-01/productTypes"

    def ask(who: House, token: str, region: str = "eu") -> httpx2.Response:
        return who.call(path, token, region, marketplaceIds="none")

    sellers = [house.seller() for _ in range(60)]
    tokens = [house.access_token(seller) for seller in sellers]
    answers = [ask(house, token) for token in tokens * 2]
    assert 429 not in {answer.status_code for answer in answers[:100]}
    assert {answer.status_code for answer in answers[100:]} == {429}
    assert answers[-1].json() == QUOTA
    assert "x-amzn-ratelimit-limit" not in answers[-1].headers
    assert answers[0].headers.get("x-amzn-ratelimit-limit", "5.0") == "5.0", "the pair's"
    assert ask(other_house, other_house.access_token(sellers[0])).status_code != 429
    overseas = house.access_token(sellers[0], region="na")
    assert ask(house, overseas, "na").status_code != 429
    empty = [row for row in items(amazon.levers.pull("GET", "/limits")) if not row["left"]]
    assert [(row["scope"], row["partner"], row["application_id"]) for row in empty] == [
        ("application", None, house.application_id)
    ]


def test_drain_empties_the_limit_over_all_accounts(
    amazon: Emulator, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = amazon.levers.now()
    monkeypatch.setattr(amazon.stage.clock, "now", lambda: now)
    path = "/definitions/2020-09-01/productTypes"
    seller = house.seller()
    token, overseas = house.access_token(seller), house.access_token(seller, region="na")
    wish = {"path": path, "method": "GET", "scope": "application", "region": "eu"}
    assert amazon.levers.pull("POST", "/limits/drain", wish) == {"count": 1}
    assert house.call(path, token, marketplaceIds="none").status_code == 429
    assert house.call(path, overseas, "na", marketplaceIds="none").status_code != 429
    for who in ({"partner": seller["selling_partner_id"]}, {"type": "x"}, {"partner": None}):
        with pytest.raises(LeverError, match="over all accounts"):
            amazon.levers.pull("POST", "/limits/drain", {**wish, **who})
    wish = {"operation": "createFeed", "scope": "application"}
    with pytest.raises(LeverError, match="no limit over all accounts"):
        amazon.levers.pull("POST", "/limits/drain", wish)


def test_drain_empties_the_limit_of_a_type(amazon: Emulator, house: House) -> None:
    token = house.access_token(house.seller())
    eu = amazon.addresses["eu"]

    def create(feed_type: str) -> int:
        headers = {"x-amz-access-token": token}
        wish = {"contentType": "application/json; charset=UTF-8"}
        base = f"{eu}/feeds/2021-06-30"
        made = house.http.post(f"{base}/documents", headers=headers, json=wish).json()
        house.http.put(made["url"], content=b"{}", headers={"content-type": wish["contentType"]})
        body = {
            "feedType": feed_type,
            "marketplaceIds": ["A1PA6795UKMFR9"],
            "inputFeedDocumentId": made["feedDocumentId"],
        }
        return house.http.post(f"{base}/feeds", headers=headers, json=body).status_code

    wish = {"operation": "createFeed", "type": "JSON_LISTINGS_FEED"}
    assert amazon.levers.pull("POST", "/limits/drain", wish) == {"count": 1}
    assert create("JSON_LISTINGS_FEED") == 429
    [row] = [row for row in items(amazon.levers.pull("GET", "/limits")) if row["type"]]
    assert (row["type"], row["left"], row["scope"]) == ("JSON_LISTINGS_FEED", 0, "feed_type")
    amazon.levers.advance(60)
    assert create("JSON_LISTINGS_FEED") == 202
    sales = {"operation": "createReport", "type": "GET_SALES_AND_TRAFFIC_REPORT"}
    assert amazon.levers.pull("POST", "/limits/drain", sales) == {"count": 2}
    for wrong in ({**wish, "type": "NONE"}, {**wish, "operation": "createReport"}):
        with pytest.raises(LeverError, match="no limit of its own"):
            amazon.levers.pull("POST", "/limits/drain", wrong)


# --- wishes that cannot be done -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PUT", "/limits", {"enforced": "no"}, "must be true or false"),
        ("PUT", "/limits", {"more": 1}, "unknown: more"),
        ("PUT", "/limits/plan", {"rate": 1, "burst": 1}, "'operation' is missing"),
        ("PUT", "/limits/plan", {"operation": "makeTea", "rate": 1, "burst": 1}, "makeTea"),
        ("PUT", "/limits/plan", {"operation": OPERATION, "burst": 1}, "'rate' is missing"),
        ("PUT", "/limits/plan", {"operation": OPERATION, "rate": 0, "burst": 1}, "a rate is"),
        ("PUT", "/limits/plan", {"operation": OPERATION, "rate": "1", "burst": 1}, "a number"),
        ("PUT", "/limits/plan", {"operation": OPERATION, "rate": 1, "burst": 0}, "a burst is"),
        ("PUT", "/limits/plan", {"operation": OPERATION, "rate": 1, "burst": 1.5}, "a burst is"),
        ("PUT", "/limits/plan", {"operation": OPERATION, "rate": 1}, "'burst' is missing"),
        (
            "PUT", "/limits/plan",
            {"operation": OPERATION, "rate": 1, "burst": 1, "region": "eu"}, "in all regions",
        ),
        (
            "PUT", "/limits/plan",
            {"operation": OPERATION, "rate": 1, "burst": 1, "partner": None}, "id of a partner",
        ),
        (
            "PUT", "/limits/plan",
            {"operation": OPERATION, "rate": 1, "burst": 1, "partner": "A0"}, "no partner",
        ),
        ("DELETE", "/limits/plan", {"application_id": "nobody"}, "no application"),
        ("DELETE", "/limits/plan", {"rate": 1}, "unknown: rate"),
        ("POST", "/limits/fill", {"path": "/tea"}, "/tea"),
        ("POST", "/limits/fill", {"region": "moon"}, "'region' must be one of"),
        ("POST", "/limits/drain", {}, "'operation' is missing"),
        ("POST", "/limits/drain", {"operation": OPERATION}, "no grant"),
        (
            "POST", "/limits/drain",
            {"operation": "generateOrderScenarios", "partner": None}, "no plan is known",
        ),
        ("GET", "/limits/plan", None, "'operation' is missing"),
    ],
)  # fmt: skip
def test_a_wrong_wish_is_told_and_changes_nothing(
    amazon: Emulator, house: House, method: str, path: str, body: Any, words: str
) -> None:
    before = amazon.levers.pull("GET", "/limits")
    with pytest.raises(LeverError, match=words):
        amazon.levers.pull(method, path, body)
    assert amazon.levers.pull("GET", "/limits") == before
    assert amazon.levers.pull("DELETE", "/limits/plan") == {"count": 0}


def test_a_question_that_is_not_known_is_told(amazon: Emulator) -> None:
    with pytest.raises(LeverError, match="unknown: colour"):
        amazon.levers.pull("GET", "/limits", colour="red")
