"""Worlds from files: pleasant by hand, strict, all or nothing, and back again."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_emulator import Emulator, LeverError, world_file
from amazon_emulator.stage import Stage
from amazon_emulator.weather import Spell
from tests.emulator.conftest import House
from tests.searching import cases

HERE = {"amazon_emulator": 1}
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
BOOKS = {"kind": "seller", "name": "Blue Heron Books"}
TOOLS = {"kind": "vendor", "name": "Mill Lane Hardware"}


@pytest.fixture
def stage() -> Stage:
    return Stage.fresh(gentle=True, seed=0, start=NOW)


def loaded(**sections: Any) -> Stage:
    stage = Stage.fresh(gentle=True, seed=0, start=NOW)
    world_file.load(stage, {**HERE, **sections})
    return stage


def exported(stage: Stage, *, credentials: bool = True) -> dict[str, Any]:
    """Without the clock, which goes on, and as it looks after a journey through a file."""
    whole = json.loads(json.dumps(world_file.export(stage, credentials=credentials)))
    del whole["clock"]
    return dict(whole)


# --- by hand --------------------------------------------------------------------------------------


def test_a_partner_needs_a_kind_and_a_name() -> None:
    stage = loaded(applications=[{"name": "Mine"}], partners=[BOOKS, TOOLS])
    seller, vendor = stage.world.partners.values()
    assert seller.selling_partner_id.startswith("A1EMULATED")
    assert [row.marketplace.country_code for row in seller.participations] == [
        *("DE", "FR", "IT", "ES")
    ]
    assert seller.email.endswith("@partner.example")
    assert vendor.selling_partner_id.startswith("V1EMULATED")
    assert len(vendor.vendor_codes) == 1
    [application] = stage.world.applications.values()
    assert application.lwa_client_id.startswith("amzn1.application-oa2-client.emulated")
    assert application.secret_is_good(application.secrets[0].value, NOW)


def test_grants_name_whom_they_mean() -> None:
    stage = loaded(
        applications=[{"name": "Mine"}],
        partners=[BOOKS, {**TOOLS, "home": "US"}],
        grants=[
            {"partner": "Blue Heron Books", "granted_at": "-300 days", "self_authorized": False},
            {"partner": "Mill Lane Hardware", "application": "Mine"},
            {"partner": "Blue Heron Books", "region": "na", "revoked_at": "-1 hour"},
        ],
    )
    first, second, third = stage.world.grants.values()
    assert timedelta(days=300) <= stage.clock.now() - first.granted_at < timedelta(days=301)
    assert first.ends_at == first.granted_at + timedelta(days=365)
    assert (second.region, second.ends_at, second.self_authorized) == ("na", None, True)
    assert second.is_good(stage.clock.now())
    assert not third.is_good(stage.clock.now())
    assert {one.application.name for one in (first, second, third)} == {"Mine"}


def test_the_clock_of_a_file_is_set_and_distances_count_from_it() -> None:
    there = datetime(2031, 5, 17, 12, tzinfo=UTC)
    stage = loaded(
        clock="2031-05-17T12:00:00Z",
        applications=[{"name": "Mine"}],
        partners=[BOOKS],
        grants=[{"partner": "Blue Heron Books", "granted_at": "-1 week", "ends_at": "+2 minutes"}],
    )
    assert timedelta(0) <= stage.clock.now() - there < timedelta(minutes=1)
    [grant] = stage.world.grants.values()
    assert timedelta(0) <= grant.granted_at - (there - timedelta(days=7)) < timedelta(minutes=1)
    assert grant.ends_at is not None
    assert grant.ends_at - grant.granted_at == timedelta(days=7, minutes=2)


def test_the_world_of_the_package_is_lively() -> None:
    stage = Stage.fresh(gentle=True, seed=0, start=None)
    world_file.load_file(stage, world_file.small())
    kinds = [partner.kind for partner in stage.world.partners.values()]
    assert sorted(kinds) == ["seller", "seller", "vendor"]
    assert {grant.region for grant in stage.world.grants.values()} == {"eu", "na"}
    told = world_file.describe(stage)
    assert told["applications"][0]["lwa_client_secret"].startswith("amzn1.oa2-cs.v1.emulated")
    assert all(one["refresh_token"].startswith("Atzr|emulated") for one in told["grants"])
    assert len(told["grants"]) == 3


def test_numbers_go_on_behind_those_of_the_file(house: House) -> None:
    before = house.seller()
    whole = house.amazon.levers.world()
    house.amazon.levers.load_world(whole)
    after = house.seller()
    assert after["selling_partner_id"] > before["selling_partner_id"]


# --- files ---------------------------------------------------------------------------------------


def test_files_that_are_none(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*nowhere.json: No such file"):
        world_file.load_file(stage, tmp_path / "nowhere.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(ValueError, match=r"broken.json is no JSON"):
        world_file.load_file(stage, broken)
    broken.write_text('{"amazon_emulator": 1, "partners": [{}]}')
    with pytest.raises(ValueError, match=r"broken.json: partners\[0\].kind: is missing"):
        world_file.load_file(stage, broken)


# --- there and back -------------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=9)
ages = st.integers(1, 5000).map(lambda hours: f"-{hours} hours")
applications = st.builds(
    lambda name, status, uris, limit, kinds: {
        "name": name,
        "status": status,
        "redirect_uris": [f"https://{uri}.example/back" for uri in uris],
        "consent_limit": limit,
        "partner_kinds": sorted(kinds),
    },
    names,
    st.sampled_from(("draft", "submitted", "published")),
    st.lists(st.sampled_from(("a", "b")), max_size=2),
    st.none() | st.integers(1, 30),
    st.sets(st.sampled_from(("seller", "vendor")), min_size=1),
)
participations = st.lists(
    st.builds(
        lambda place, a, b, name: {
            "marketplace": place,
            "participating": a,
            "suspended": b,
            "store_name": name,
        },
        st.sampled_from(("DE", "FR", "US", "JP", "A38D8NSA03LJTC")),
        st.booleans(),
        st.booleans(),
        names,
    ),
    max_size=4,
    unique_by=lambda row: row["marketplace"],
)
sellers = st.builds(
    lambda name, home, places, gone: {
        "kind": "seller", "name": name, "home": home, "marketplaces": places, "deactivated": gone
    },
    names, st.sampled_from(("DE", "US", "AU")), participations, st.booleans(),
)  # fmt: skip
vendors = st.builds(
    lambda name, codes, error: {
        "kind": "vendor", "name": name, "vendor_codes": codes, "consent_error": error
    },
    names,
    st.lists(st.sampled_from(("ABCDE", "FGHIJ")), unique=True),
    st.none() | st.just("MD9100"),
)  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {
        **HERE,
        "applications": draw(st.lists(applications, max_size=3)),
        "partners": draw(st.lists(sellers | vendors, max_size=4)),
    }
    for number, one in enumerate(made["applications"]):
        one["application_id"] = f"app-{number}"
    for number, one in enumerate(made["partners"]):
        one["selling_partner_id"] = f"P{number}"
    if made["applications"] and made["partners"]:
        made["grants"] = draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "partner": st.sampled_from(made["partners"]).map(
                            lambda one: one["selling_partner_id"]
                        ),
                        "application": st.sampled_from(made["applications"]).map(
                            lambda one: one["application_id"]
                        ),
                        "region": st.sampled_from(("na", "eu", "fe")),
                        "self_authorized": st.booleans(),
                        "exchanged": st.booleans(),
                        "granted_at": ages,
                    },
                    optional={"revoked_at": ages, "ends_at": st.none() | ages},
                ),
                max_size=4,
            )
        )
    return made


@settings(max_examples=cases(25), deadline=None)
@given(worlds(), st.booleans())
def test_there_and_back(whole: dict[str, Any], credentials: bool) -> None:
    first = Stage.fresh(gentle=True, seed=0, start=NOW)
    world_file.load(first, copy.deepcopy(whole))
    told = exported(first, credentials=credentials)
    second = Stage.fresh(gentle=True, seed=1, start=NOW)
    world_file.load(second, copy.deepcopy(told))
    assert exported(second, credentials=credentials) == told
    assert len(first.world.grants) == len(second.world.grants) == len(whole.get("grants", []))


def test_without_credentials_none_is_in_the_file() -> None:
    stage = Stage.fresh(gentle=True, seed=0, start=None)
    world_file.load_file(stage, world_file.small())
    text = json.dumps(world_file.export(stage))
    told = world_file.describe(stage)
    hidden = [one["lwa_client_secret"] for one in told["applications"]]
    hidden += [one["password"] for one in told["partners"]]
    hidden += [one["refresh_token"] for one in told["grants"]]
    assert len(hidden) == 7
    assert not [one for one in hidden if one in text]
    whole = json.dumps(world_file.export(stage, credentials=True))
    assert all(one in whole for one in hidden)


def lively(house: House) -> str:
    """Something in every section that a program fills; gives an access token of a seller whose
    feed is under way."""
    levers = house.amazon.levers
    issued = levers.load_world(world_file.small())
    [house.application] = issued["applications"]
    seller, _, vendor = issued["partners"]
    token = str(house.refresh(issued["grants"][0]["refresh_token"]).json()["access_token"])
    key = levers.pull("POST", "/world/aws-keys", {"name": "reader"})
    assert key["access_key_id"]
    levers.pull("POST", "/queues", {"name": "news"})
    levers.pull("POST", "/queues/news/messages", {"body": "hello"})
    levers.pull("PUT", "/feeds/pace", {"processing_s": 600})
    levers.pull("POST", f"/vendors/{vendor['selling_partner_id']}/direct-orders", {})
    base, headers = house.amazon.addresses["eu"], {"x-amz-access-token": token}

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = house.http.post(f"{base}{path}", headers=headers, json=body)
        assert answer.status_code < 300, answer.text
        return dict(answer.json())

    made = post("/feeds/2021-06-30/documents", {"contentType": "application/json"})
    body = {"header": {"sellerId": seller["selling_partner_id"], "version": "2.0"}, "messages": []}
    house.http.put(made["url"], json=body, headers={"content-type": "application/json"})
    post(
        "/feeds/2021-06-30/feeds",
        {
            "feedType": "JSON_LISTINGS_FEED",
            "marketplaceIds": ["A1PA6795UKMFR9"],
            "inputFeedDocumentId": made["feedDocumentId"],
        },
    )
    post(
        "/reports/2021-06-30/reports",
        {"reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaceIds": ["A1PA6795UKMFR9"]},
    )
    return token


@pytest.mark.parametrize("credentials", [True, False])
def test_a_lively_world_goes_there_and_back(house: House, credentials: bool) -> None:
    lively(house)
    levers = house.amazon.levers
    before = levers.world(credentials=credentials)
    assert {
        *("catalogue", "orders", "documents", "feeds", "reports", "aws", "queues"),
        *("vendor_retail", "vendor_direct"),
    } <= set(before)
    levers.load_world(before)
    after = levers.world(credentials=credentials)
    assert datetime.fromisoformat(after.pop("clock")) - datetime.fromisoformat(
        before.pop("clock")
    ) < timedelta(seconds=30)
    for name, section in before.items():
        assert after[name] == section, name
    assert list(after) == list(before)


def test_what_was_under_way_goes_on_in_the_other_world(house: House) -> None:
    lively(house)
    levers = house.amazon.levers
    levers.load_world(levers.world(credentials=True))
    [feed] = levers.pull("GET", "/feeds")["items"]
    assert feed["status"] in ("IN_QUEUE", "IN_PROGRESS")
    levers.advance(4000)
    [feed] = levers.pull("GET", "/feeds")["items"]
    assert feed["status"] in ("DONE", "FATAL")


def test_adding_to_a_section_keeps_the_rest_of_it(house: House) -> None:
    lively(house)
    levers = house.amazon.levers
    whole = levers.world(credentials=True)
    skus = {row["sku"] for row in whole["catalogue"]["listings"]}
    row = {**copy.deepcopy(whole["catalogue"]["listings"][0]), "sku": "ONE-MORE"}
    row["selling_partner_id"] = "Blue Heron Books"
    levers.load_world({**HERE, "catalogue": {"listings": [row]}}, add=True)
    after = levers.world(credentials=True)
    assert {one["sku"] for one in after["catalogue"]["listings"]} == skus | {"ONE-MORE"}
    assert after["orders"] == whole["orders"]
    with pytest.raises(LeverError, match=r"catalogue.listings\[\d+\]"):
        levers.load_world({**HERE, "catalogue": {"listings": [{"sku": 7}]}}, add=True)
    again = levers.world(credentials=True)
    assert again["catalogue"] == after["catalogue"]


@pytest.mark.parametrize("name", [name for name, _ in world_file.SECTIONS])
def test_every_section_is_strict(stage: Stage, name: str) -> None:
    for wrong in (7, "x", [7], {"colour": "red"}):
        with pytest.raises(ValueError) as caught:
            world_file.load(stage, {**HERE, name: wrong})
        assert str(caught.value).startswith(name), wrong
    assert exported(stage) == exported(Stage.fresh(gentle=True, seed=0, start=NOW))


# --- replacing and adding -------------------------------------------------------------------------


def test_adding_leaves_what_is_there_alone(house: House) -> None:
    seller = house.seller(name="First")
    token = house.access_token(seller)
    house.amazon.levers.load_world(
        {**HERE, "partners": [BOOKS], "grants": [{"partner": "First", "region": "na"}]}, add=True
    )
    people = house.amazon.levers.pull("GET", "/world/partners")["items"]
    assert [one["name"] for one in people] == ["First", "Blue Heron Books"]
    assert house.call("/sellers/v1/account", token).status_code == 200, "access tokens live on"
    grants = house.amazon.levers.pull("GET", "/world/grants")["items"]
    assert [one["region"] for one in grants] == ["eu", "na"]


def test_an_addition_that_fails_adds_nothing(house: House) -> None:
    seller = house.seller(name="First")
    token = house.access_token(seller)
    before = house.amazon.levers.world(credentials=True)
    with pytest.raises(LeverError, match=r"422 .*grants\[1\].partner"):
        house.amazon.levers.load_world(
            {
                **HERE,
                "applications": [{"name": "Other"}],
                "partners": [BOOKS],
                "grants": [
                    {"partner": "First", "application": house.application_id},
                    {"partner": "Somebody else", "application": "Other"},
                ],
            },
            add=True,
        )
    after = house.amazon.levers.world(credentials=True)
    del before["clock"], after["clock"]
    assert after == before
    assert house.call("/sellers/v1/account", token).status_code == 200
    with pytest.raises(LeverError, match=r"422 .*pulls: only a world that begins anew"):
        house.amazon.levers.load_world({**HERE, "pulls": []}, add=True)


def test_another_world_ends_the_one_before(house: House) -> None:
    seller = house.seller(name="First")
    token, refresh_token = house.access_token(seller), house.grant(seller)
    house.amazon.levers.pull("PUT", "/limits", {"enforced": False})
    counted = house.amazon.levers.count()
    house.amazon.levers.load_world({**HERE, "partners": [BOOKS]})
    assert house.call("/sellers/v1/account", token).status_code == 403
    assert house.refresh(refresh_token).status_code == 401
    assert house.amazon.levers.count() == counted + 2, "the history goes on"
    assert house.amazon.levers.pull("GET", "/limits")["enforced"] is False, "so do settings"


def test_a_failed_load_leaves_clock_and_agenda(stage: Stage) -> None:
    happened: list[datetime] = []
    stage.agenda.at(NOW + timedelta(hours=1), happened.append)
    offset = stage.clock.offset_seconds
    with pytest.raises(ValueError, match="partners"):
        world_file.load(stage, {**HERE, "clock": "2040-01-01T00:00:00Z", "partners": 7})
    assert abs(stage.clock.offset_seconds - offset) < 0.001
    stage.agenda.run(NOW + timedelta(hours=2))
    assert happened == [NOW + timedelta(hours=1)]


def test_bad_weather_ends_when_it_should_also_in_another_world(stage: Stage) -> None:
    stage.weather.cast(Spell("lwa", "503", until=NOW + timedelta(hours=1)))
    world_file.load(stage, HERE)
    stage.agenda.run(NOW + timedelta(minutes=59))
    assert len(stage.weather.spells) == 1
    stage.agenda.run(NOW + timedelta(minutes=60))
    assert stage.weather.spells == []


def test_sections_are_exported_where_they_hold_something() -> None:
    names = [name for name, _ in world_file.SECTIONS]
    assert len(names) == len(set(names))
    assert not set(exported(loaded())) & set(names), "empty ones are left out"


def test_levers_are_pulled_once_the_world_is_there() -> None:
    stage = loaded(
        applications=[{"name": "Mine"}],
        partners=[BOOKS],
        pulls=[
            {"lever": "POST /world/grants", "with": {
                "selling_partner_id": "Blue Heron Books", "application_id": "Mine"
            }},
            {"lever": "POST /spapi/fail", "with": {"mode": 503, "partner": "Blue Heron Books"}},
        ],
    )  # fmt: skip
    [partner_id] = stage.world.partners
    assert [grant.partner.selling_partner_id for grant in stage.world.grants.values()] == [
        partner_id
    ]
    assert stage.weather.spells[0].partner == partner_id


@pytest.mark.parametrize("query", ["credentials=yes", "colour=red"])
def test_wrong_questions_for_the_world_are_told(amazon: Emulator, query: str) -> None:
    name, _, value = query.partition("=")
    with pytest.raises(LeverError, match="422"):
        amazon.levers.pull("GET", "/world", **{name: value})
