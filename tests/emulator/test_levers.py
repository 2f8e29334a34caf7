"""The levers: what they make, what they refuse, and the client that pulls them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from amazon_emulator import Emulator, LeverError, Levers
from tests.emulator.conftest import House

PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"


def test_every_lever_is_listed_with_its_errand(amazon: Emulator) -> None:
    said = amazon.levers.pull("GET", "/")
    assert said["addresses"] == amazon.addresses
    assert len({(lever["method"], lever["path"]) for lever in said["levers"]}) == len(
        said["levers"]
    )
    assert all(len(lever["does"]) > 15 for lever in said["levers"])


def test_an_application_is_issued_marked_credentials(amazon: Emulator) -> None:
    made = amazon.levers.application(
        "Northwind", status="published", partner_kinds=["vendor"], consent_limit=25
    )
    assert made["lwa_client_id"].startswith("amzn1.application-oa2-client.emulated")
    assert made["lwa_client_secret"].startswith("amzn1.oa2-cs.v1.emulated")
    assert made["application_id"].startswith("amzn1.sp.solution.")
    assert (made["status"], made["partner_kinds"]) == ("published", ["vendor"])
    [listed] = amazon.levers.pull("GET", "/world/applications")["items"]
    assert "lwa_client_secret" not in listed
    assert made["lwa_client_secret"] not in json.dumps(listed)
    ends = datetime.fromisoformat(made["secret_ends_at"][0])
    assert ends - amazon.levers.now() > timedelta(days=179)


def test_a_partner_needs_nothing_but_a_kind(amazon: Emulator) -> None:
    seller = amazon.levers.partner("seller")
    assert seller["selling_partner_id"].startswith("A1EMULATED")
    assert seller["marketplaces"] == ["DE", "FR", "IT", "ES"]
    vendor = amazon.levers.partner("vendor", home="US")
    assert vendor["regions"] == ["na"]
    assert vendor["marketplaces"] == []
    assert len(vendor["vendor_codes"][0]) == 5
    assert amazon.levers.partner("seller", home="JP")["marketplaces"] == ["JP"]
    items = amazon.levers.pull("GET", "/world/partners")["items"]
    assert len(items) == 3
    assert "password" not in items[0]
    assert seller["password"] not in json.dumps(items)


def test_e_mail_addresses_are_plain_and_one_each(amazon: Emulator) -> None:
    emails = [
        amazon.levers.partner("seller", name=name)["email"]
        for name in ("Bücher <b>Reiher</b> & Söhne", "株式会社", "Same", "Same", "x" * 300)
    ]
    assert len(set(emails)) == len(emails)
    assert all(email.isascii() and len(email) < 80 for email in emails)


def test_participations_change(house: House) -> None:
    seller = house.seller(marketplaces=["DE"])
    token = house.access_token(seller)
    base = f"/world/partners/{seller['selling_partner_id']}/marketplaces"
    house.amazon.levers.pull("PUT", f"{base}/FR", {})
    house.amazon.levers.pull("PUT", f"{base}/A1PA6795UKMFR9", {"suspended": True})

    def told() -> dict[str, bool]:
        return {
            row["marketplace"]["countryCode"]: row["participation"]["hasSuspendedListings"]
            for row in house.call(PARTICIPATIONS, token).json()["payload"]
        }

    assert told() == {"DE": True, "FR": False}
    house.amazon.levers.pull("DELETE", f"{base}/DE")
    assert told() == {"FR": False}
    house.amazon.levers.change_partner(seller["selling_partner_id"], marketplaces=["NL", "BE"])
    assert set(told()) == {"NL", "BE"}


def test_grants_can_be_given_an_age(house: House) -> None:
    seller = house.seller()
    begun = house.amazon.levers.now() - timedelta(days=300)
    ends = begun + timedelta(days=365)
    made = house.amazon.levers.grant(
        seller["selling_partner_id"],
        house.client["client_id"],
        granted_at=begun.isoformat(),
        ends_at=ends.isoformat(),
        region="fe",
    )
    assert made["region"] == "fe"
    assert house.refresh(made["refresh_token"]).status_code == 200
    house.amazon.levers.set_clock(ends + timedelta(seconds=1))
    house.application = house.amazon.levers.rotate(house.application_id)
    assert house.refresh(made["refresh_token"]).status_code == 400
    listed = house.amazon.levers.pull("GET", "/world/grants", partner=seller["selling_partner_id"])
    assert "refresh_token" not in json.dumps(listed)
    assert house.amazon.levers.pull("GET", "/world/grants", partner="nobody")["items"] == []


def test_expiring_grant_code_and_previous_secret(house: House) -> None:
    levers = house.amazon.levers
    levers.login_leg("never")
    seller = house.seller()
    partner_id = seller["selling_partner_id"]
    code = house.consented(seller).brought["spapi_oauth_code"]
    assert levers.expire("code", selling_partner_id=partner_id) == {"count": 1}
    assert house.exchange(code).status_code == 400
    refresh_token = house.grant(seller)
    assert levers.expire("grant", selling_partner_id=partner_id, region="eu") == {"count": 2}
    assert house.refresh(refresh_token).status_code == 400
    other = house.grant(house.seller())
    fresh = levers.rotate(house.application_id)
    assert house.refresh(other).status_code == 200
    levers.expire("previous_secret", application_id=house.application_id)
    assert house.refresh(other).status_code == 401
    assert house.refresh(other, client_secret=fresh["lwa_client_secret"]).status_code == 200


def test_revoking_can_be_narrowed(house: House) -> None:
    levers = house.amazon.levers
    seller = house.seller(marketplaces=["DE", "US"])
    partner_id = seller["selling_partner_id"]
    europe, america = house.grant(seller, region="eu"), house.grant(seller, region="na")
    assert levers.revoke(partner_id, region="na")["count"] == 1
    assert house.refresh(europe).status_code == 200
    assert house.refresh(america).status_code == 400
    other = levers.application("Other")
    assert levers.revoke(partner_id, application_id=other["application_id"])["count"] == 0


def test_the_clock(amazon: Emulator) -> None:
    levers = amazon.levers
    began = levers.now()
    assert abs(began - datetime.now(UTC)) < timedelta(minutes=1)
    levers.advance(3600)
    assert timedelta(0) <= levers.now() - began - timedelta(hours=1) < timedelta(minutes=1)
    levers.advance(-7200)
    assert levers.now() < began
    there = datetime(2031, 5, 17, 12, tzinfo=UTC)
    levers.set_clock(there)
    assert timedelta(0) <= levers.now() - there < timedelta(minutes=1)
    answer = httpx2.get(amazon.addresses["eu"], trust_env=False)
    assert answer.headers["date"].startswith("Sat, 17 May 2031 12:0")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/clock", {"now": "yesterday"}, 422),
        ("POST", "/clock", {"now": "2026-01-01T00:00:00"}, 422),
        ("POST", "/clock", {"now": "0001-01-01T00:00:00Z"}, 422),
        ("POST", "/clock", {"now": "0001-01-01T00:00:00+14:00"}, 422),
        ("POST", "/clock/advance", {"seconds": "1"}, 422),
        ("POST", "/clock/advance", {"seconds": True}, 422),
        ("POST", "/clock/advance", {"seconds": 1e300}, 422),
        ("POST", "/clock/advance", {}, 422),
        ("POST", "/world/partners", {}, 422),
        ("POST", "/world/partners", {"kind": "buyer"}, 422),
        ("POST", "/world/partners", {"kind": "seller", "home": "Atlantis"}, 422),
        ("POST", "/world/partners", {"kind": "seller", "marketplaces": "DE"}, 422),
        ("POST", "/world/partners", {"kind": "seller", "marketplaces": ["XX"]}, 422),
        ("POST", "/world/partners", {"kind": "seller", "marketplaces": [7]}, 422),
        ("POST", "/world/partners", {"kind": "seller", "marketplaces": [{"x": 1}]}, 422),
        ("POST", "/world/partners", {"kind": "seller", "vendor_codes": ["A"]}, 422),
        ("POST", "/world/partners", {"kind": "seller", "name": " "}, 422),
        ("POST", "/world/partners", {"kind": "seller", "home": "A38D8NSA03LJTC"}, 422),
        ("POST", "/world/partners", {"kind": "seller", "marketplaces": ["UK", "GB"]}, 422),
        ("POST", "/world/partners", {"kind": "seller", "primary_user": "yes"}, 422),
        ("PATCH", "/world/partners/nobody", {}, 404),
        ("POST", "/world/applications", {"redirect_uris": ["javascript:alert(1)"]}, 422),
        ("POST", "/world/applications", {"login_uri": "https://[half"}, 422),
        ("POST", "/world/applications", {"login_uri": "https://a.example/\r\nx: y"}, 422),
        ("POST", "/world/applications", {"status": "secret"}, 422),
        ("POST", "/world/applications", {"partner_kinds": []}, 422),
        ("POST", "/world/applications", {"consent_limit": 0}, 422),
        ("PATCH", "/world/applications/nobody", {}, 404),
        ("POST", "/world/applications/nobody/rotate", None, 404),
        ("POST", "/world/grants", {"selling_partner_id": "nobody"}, 404),
        ("POST", "/revoke", {"selling_partner_id": "nobody"}, 404),
        ("POST", "/revoke", {}, 422),
        ("POST", "/expire", {"what": "everything"}, 422),
        ("POST", "/login-leg", {"mode": "sometimes"}, 422),
        ("POST", "/login-leg", {"mode": "never", "selling_partner_id": "nobody"}, 404),
        ("PATCH", "/habits", {"gentle": 1}, 422),
        ("PATCH", "/habits", {"amazon_state": "latin"}, 422),
        ("POST", "/reset", {"everything": True}, 422),
        ("GET", "/nothing", None, 404),
        ("PUT", "/clock", {}, 405),
    ],
    ids=str,
)
def test_wrong_wishes_are_told(
    amazon: Emulator, method: str, path: str, body: Any, status: int
) -> None:
    with pytest.raises(LeverError, match=rf": {status} .*error"):
        amazon.levers.pull(method, path, body)
    assert amazon.levers.pull("GET", "/world/partners")["items"] == []
    assert amazon.levers.pull("GET", "/world/applications")["items"] == []


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b'{"name": "\\ud800"}', b"[" * 100_000, b"x" * 2_000_000]
)
def test_broken_bodies_are_told(amazon: Emulator, http: httpx2.Client, body: bytes) -> None:
    answer = http.post(f"{amazon.addresses['levers']}/world/partners", content=body)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]


def test_a_refused_change_changes_nothing(house: House) -> None:
    seller = house.seller(name="Before")
    with pytest.raises(LeverError, match="nonsense"):
        house.amazon.levers.change_partner(
            seller["selling_partner_id"], name="After", deactivated=True, nonsense=1
        )
    [listed] = house.amazon.levers.pull("GET", "/world/partners")["items"]
    assert (listed["name"], listed["deactivated"]) == ("Before", False)
    path = f"/world/applications/{house.application_id}"
    with pytest.raises(LeverError, match="status"):
        house.amazon.levers.pull("PATCH", path, {"name": "After", "status": "nonsense"})
    [listed] = house.amazon.levers.pull("GET", "/world/applications")["items"]
    assert listed["name"] == "Northwind Connect"


def test_ids_and_addresses_are_taken_once(house: House) -> None:
    seller = house.seller()
    for clash in ("selling_partner_id", "email"):
        with pytest.raises(LeverError, match=": 409 "):
            house.seller(**{clash: seller[clash]})
    for clash in ("application_id", "lwa_client_id"):
        with pytest.raises(LeverError, match=": 409 "):
            house.amazon.levers.application("Twin", **{clash: house.application[clash]})


def test_real_credentials_are_not_registered(amazon: Emulator) -> None:
    with pytest.raises(LeverError, match="looks like a real Amazon credential"):
        amazon.levers.application("x", lwa_client_id="amzn1.application-oa2-client." + "0a" * 16)


def test_history_filters(house: House) -> None:
    refresh_token = house.grant(house.seller())
    for _ in range(5):
        house.refresh(refresh_token)
    levers = house.amazon.levers
    everything = levers.history(kind="lwa")
    assert [asked["number"] for asked in everything] == [1, 2, 3, 4, 5]
    assert [asked["number"] for asked in levers.history(kind="lwa", limit=2)] == [4, 5]
    assert levers.count(after=3) == 2
    assert levers.count(kind="lw") == 0
    assert levers.count(kind="spapi") == 0
    with pytest.raises(LeverError, match="colour"):
        levers.history(colour="red")
    for wrong in ({"limit": "-1"}, {"after": "x"}):
        with pytest.raises(LeverError, match="422"):
            levers.pull("GET", "/history", **wrong)
    levers.pull("DELETE", "/history")
    assert levers.count() == 0


def test_a_reset_begins_anew(house: House) -> None:
    levers = house.amazon.levers
    refresh_token = house.grant(house.seller())
    levers.advance(1000)
    levers.fail_lwa("503")
    levers.login_leg("never")
    levers.habits(amazon_state="bytes", gentle=False)
    levers.reset()
    assert levers.pull("GET", "/clock")["offset_seconds"] == 0
    habits = levers.pull("GET", "/habits")
    assert habits["login_leg"] == "unlinked"
    assert habits["amazon_state"] == "plain"
    assert habits["gentle"] is True
    assert levers.pull("GET", "/world/applications")["items"] == []
    assert levers.count() == 0
    assert house.refresh(refresh_token).status_code == 401, "the client is gone too"


def test_the_client_says_when_nobody_is_there() -> None:
    with pytest.raises(LeverError, match="GET /clock"):
        Levers("http://127.0.0.1:1", timeout_s=2).now()


def test_short_ways_to_what_tests_need(house: House) -> None:
    levers = house.amazon.levers
    seller, vendor = house.seller()["selling_partner_id"], house.vendor()["selling_partner_id"]
    [listing] = levers.listings(seller, sku="HERON-1", stock=7)
    assert listing["stock"] == {"DEFAULT": 7}
    made = levers.orders(seller, count=2, items=[{"sku": "HERON-1", "price": "9.90"}])
    assert len(made) == 2
    assert {order["selling_partner_id"] for order in made} == {seller}
    [order] = levers.purchase_orders(vendor, items=[{"sku": "MILL-1", "amount": 3}])
    assert order["lines"][0]["sku"] == "MILL-1"
    assert levers.feeds() == []
    assert levers.queue("news")["arn"].endswith(":news")
    assert levers.limits(enforced=False)["enforced"] is False
    assert levers.contract("report")["mode"] == "report"
    with pytest.raises(LeverError, match=": 404 "):
        levers.orders("nobody")


def test_the_world_by_the_client(house: House, tmp_path: Path) -> None:
    house.seller(name="Blue Heron Books")
    file = tmp_path / "world.json"
    file.write_text(json.dumps(house.amazon.levers.world(credentials=True)))
    house.amazon.levers.reset()
    issued = house.amazon.levers.load_world(file)
    assert [one["name"] for one in issued["partners"]] == ["Blue Heron Books"]
    house.amazon.levers.load_world(str(file.parent / "world.json"))
    for wrong in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(LeverError, match=wrong.name):
            house.amazon.levers.load_world(wrong)
    with pytest.raises(LeverError, match=r": 422 .*already"):
        house.amazon.levers.load_world(file, add=True)
