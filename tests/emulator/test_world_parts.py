"""What stands in a world file is read strictly, and told with its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from amazon_emulator import world_file
from amazon_emulator.stage import Stage
from tests.emulator.conftest import House

HERE = {"amazon_emulator": 1}
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
BOOKS = {"kind": "seller", "name": "Blue Heron Books"}
TOOLS = {"kind": "vendor", "name": "Mill Lane Hardware"}


@pytest.fixture
def stage() -> Stage:
    return Stage.fresh(gentle=True, seed=0, start=NOW)


def exported(stage: Stage) -> dict[str, Any]:
    """Without the clock, which goes on."""
    whole = json.loads(json.dumps(world_file.export(stage, credentials=True)))
    del whole["clock"]
    return dict(whole)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "a world is a JSON object"),
        ({}, "amazon_emulator: must be 1"),
        ({"amazon_emulator": 2}, "amazon_emulator: must be 1"),
        ({"amazon_emulator": True}, "amazon_emulator: must be 1"),
        ({**HERE, "buyers": []}, "unknown: buyers"),
        ({**HERE, "clock": "yesterday"}, "clock: 'yesterday'"),
        ({**HERE, "clock": 7}, "clock: must be"),
        ({**HERE, "partners": {}}, "partners: must be a list"),
        ({**HERE, "partners": [7]}, "partners[0]: must be an object"),
        ({**HERE, "partners": [BOOKS, {"kind": "seller"}]}, "partners[1].name: is missing"),
        ({**HERE, "partners": [{**BOOKS, "name": " "}]}, "partners[0].name: must not be empty"),
        ({**HERE, "partners": [{**BOOKS, "kind": "buyer"}]}, "partners[0].kind: must be one of"),
        ({**HERE, "partners": [{**BOOKS, "home": "XX"}]}, "partners[0].home: 'XX' is neither"),
        ({**HERE, "partners": [{**BOOKS, "age": 7}]}, "partners[0]: unknown: age"),
        ({**HERE, "partners": [{**TOOLS, "marketplaces": []}]}, "partners[0]: unknown: market"),
        (
            {**HERE, "partners": [BOOKS, BOOKS, {**BOOKS, "marketplaces": ["DE", "XX"]}]},
            "partners[2].marketplaces[1].marketplace: 'XX' is neither",
        ),
        (
            {**HERE, "partners": [{**BOOKS, "marketplaces": ["UK", "GB"]}]},
            "partners[0].marketplaces[1]: this marketplace stands there twice",
        ),
        (
            {**HERE, "partners": [{**BOOKS, "email": "a@b.example"}] * 2},
            "partners[1]: somebody signs in with a@b.example",
        ),
        ({**HERE, "applications": [{}]}, "applications[0].name: is missing"),
        (
            {**HERE, "applications": [{"name": "x", "redirect_uris": ["http://a", "ftp://b"]}]},
            "applications[0].'redirect_uris[1]': 'ftp://b' is not",
        ),
        (
            {**HERE, "applications": [{"name": "x", "login_uri": "https://api.amazon.com/x"}]},
            "applications[0].'login_uri': api.amazon.com is Amazon's own",
        ),
        (
            {**HERE, "applications": [{"name": "x", "consent_limit": 0}]},
            "applications[0].consent_limit: must be at least 1",
        ),
        ({**HERE, "grants": [{"partner": "nobody"}]}, "grants[0].partner: nobody has the id or"),
        (
            {**HERE, "partners": [BOOKS], "grants": [{"partner": "Blue Heron Books"}]},
            "grants[0].application: is missing",
        ),
        (
            {**HERE, "partners": [BOOKS, BOOKS], "grants": [{"partner": "Blue Heron Books"}]},
            "grants[0].partner: several are called 'Blue Heron Books'",
        ),
        ({**HERE, "pulls": [{"lever": "POST /reset"}]}, "pulls[0].lever: there is no lever POST"),
        (
            {**HERE, "pulls": [{"lever": "POST /world/partners", "with": {"kind": "x"}}]},
            "pulls[0]: 'kind' must be one of",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_with_its_place(stage: Stage, wrong: Any, words: str) -> None:
    world_file.load(stage, {**HERE, "applications": [{"name": "Mine"}], "partners": [TOOLS]})
    before = exported(stage)
    with pytest.raises(ValueError) as caught:
        world_file.load(stage, wrong)
    assert str(caught.value).startswith(words)
    assert exported(stage) == before, "nothing has changed"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lwa_client_secret", "amzn1.oa2-cs.v1." + "0a" * 20),
        ("lwa_client_secret", "0a" * 32),
        ("lwa_client_id", "amzn1.application-oa2-client." + "0a" * 16),
    ],
)
def test_credentials_that_look_real_are_refused(stage: Stage, field: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"applications\[0\].*looks like a real") as caught:
        world_file.load(stage, {**HERE, "applications": [{"name": "Mine", field: value}]})
    assert value not in str(caught.value)
    grants = [{"partner": "Blue Heron Books", "refresh_token": "Atzr|" + "x" * 60}]
    with pytest.raises(ValueError, match=r"grants\[0\].refresh_token: this looks like a real"):
        world_file.load(
            stage,
            {**HERE, "applications": [{"name": "M"}], "partners": [BOOKS], "grants": grants},
        )
    assert stage.world.applications == {}


def test_credentials_of_the_file_are_good(house: House) -> None:
    issued = house.amazon.levers.load_world(
        {
            **HERE,
            "applications": [{"name": "Mine", "lwa_client_secret": "not a real one"}],
            "partners": [{**BOOKS, "password": "sesame"}],
            "grants": [{"partner": "Blue Heron Books", "refresh_token": "Atzr|emulated-mine"}],
        }
    )
    [application] = issued["applications"]
    house.application = application
    assert application["lwa_client_secret"] == "not a real one"
    assert house.refresh("Atzr|emulated-mine").status_code == 200
    assert issued["partners"][0]["password"] == "sesame"
