"""The intake: every flaw at once, names guessed, rights asked."""

from __future__ import annotations

from typing import Any

import pytest

from evergrant.errors import InvalidInput, NotAllowed
from evergrant.intake import Flaws, check_page, need, need_everywhere, text, truth, url, word, words
from evergrant.rules import ids
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.spelling import did_you_mean

READERS = {
    "name": text(ids.check_name),
    "note": text(optional=True),
    "link": url(),
    "region": word(Region),
    "regions": words(Region),
    "on": truth(),
    "maybe": truth(optional=True),
}


def settled(**given: Any) -> dict[str, Any]:
    flaws = Flaws()
    values = flaws.settle(READERS, given)
    flaws.refuse_if_any()
    return values


def codes(**given: Any) -> dict[str | None, str]:
    with pytest.raises(InvalidInput) as caught:
        settled(**given)
    return {flaw.field: flaw.code for flaw in caught.value.flaws}


def test_values_are_settled() -> None:
    given = {"name": " A ", "note": None, "link": "https://x.example", "region": Region.EU}
    assert settled(**given, regions=["NA", "fe"], on=True, maybe=None, else_where=1) == {
        "name": "A",
        "note": "",
        "link": "https://x.example",
        "region": Region.EU,
        "regions": {Region.NA, Region.FE},
        "on": True,
        "maybe": None,
    }


def test_every_flaw_is_told() -> None:
    assert codes(name="", note=1, link="x", region=None, regions="eu", on=1, maybe="no") == {
        "name": "missing",
        "note": "wrong_type",
        "link": "bad_url",
        "region": "unknown_value",
        "regions": "wrong_type",
        "on": "wrong_type",
        "maybe": "wrong_type",
    }
    assert codes(regions=[]) == {"regions": "missing"}
    assert codes(regions=["eu", "uk"]) == {"regions": "unknown_value"}


def test_names_are_known_or_told_where_they_belong() -> None:
    flaws = Flaws()
    assert not flaws
    flaws.names({"name": 1, "nam": 1, "id": 1}, READERS, {"id": "An id never changes."})
    assert flaws
    with pytest.raises(InvalidInput) as caught:
        flaws.refuse_if_any()
    assert [(one.field, one.code, one.hint) for one in caught.value.flaws] == [
        ("nam", "unknown_field", "Did you mean 'name'?"),
        ("id", "not_changeable", "An id never changes."),
    ]


@pytest.mark.parametrize(
    ("name", "guess"), [("Regoin", "Did you mean 'region'?"), ("zzz", None), ("", None)]
)
def test_a_guess_or_silence(name: str, guess: str | None) -> None:
    assert did_you_mean(name, READERS) == guess


def test_pages_are_bounded() -> None:
    check_page(ids.Kind.ACCOUNT, None, 1)
    check_page(ids.Kind.ACCOUNT, "acc_" + "0" * 26, 1000)
    for after, limit in ((None, 0), (None, 1001), (None, -1), ("app_" + "0" * 26, 1)):
        with pytest.raises(InvalidInput):
            check_page(ids.Kind.ACCOUNT, after, limit)


def test_rights_and_reach_are_asked() -> None:
    free = Caller(kind=CallerKind.API_KEY, id="key_x", rights=frozenset({Right.READ}))
    bound = Caller(
        kind=CallerKind.API_KEY,
        id="key_y",
        rights=frozenset(Right),
        client_instance_id="ins_1",
    )
    need(free, Right.READ)
    need(bound, Right.MANAGE)
    need_everywhere(free, Right.READ)
    with pytest.raises(NotAllowed, match="'write'"):
        need(free, Right.WRITE)
    with pytest.raises(NotAllowed, match="one client instance"):
        need_everywhere(bound, Right.READ)
