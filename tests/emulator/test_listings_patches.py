"""How attributes change: add, replace, merge, delete, and a whole rewriting; any values."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from amazon_emulator.trade.listings.patches import (
    FULFILLMENT,
    OFFER,
    Patch,
    merged,
    patched,
    rewritten,
    selector,
)
from tests.emulator.listings_desk import DE, FR, offer

Json = dict[str, Any]

CODES = st.sampled_from(["DEFAULT", "STORE_1", "STORE_2"])
PLAIN = st.one_of(st.integers(0, 99), st.text(max_size=4), st.booleans())
EXTRAS = st.dictionaries(st.sampled_from(["lead_time", "restock_date", "x"]), PLAIN, max_size=3)
NULLS = st.dictionaries(st.sampled_from(["lead_time", "restock_date", "x"]), st.none() | PLAIN)


@st.composite
def stocks(draw: st.DrawFn, extras: st.SearchStrategy[Json] = EXTRAS) -> list[Json]:
    codes = draw(st.lists(CODES, unique=True, max_size=3))
    return [{"fulfillment_channel_code": code, **draw(extras)} for code in codes]


@st.composite
def offers(draw: st.DrawFn) -> list[Json]:
    places = st.tuples(st.sampled_from([DE, FR]), st.sampled_from(["ALL", "B2B"]))
    chosen = draw(st.lists(places, unique=True, max_size=4))
    return [
        {"marketplace_id": where, "audience": audience, "currency": "EUR", **draw(EXTRAS)}
        for where, audience in chosen
    ]


def by_selector(attribute: str, values: list[Json]) -> dict[Any, Json]:
    return {selector(attribute, value): value for value in values}


@given(old=stocks(), told=stocks(NULLS))
def test_merging_twice_is_merging_once(old: list[Json], told: list[Json]) -> None:
    wish = Patch("merge", FULFILLMENT, tuple(told))
    once = patched(old, wish, (DE,))
    assert patched(once, wish, (DE,)) == once


@given(old=stocks(), told=stocks(NULLS))
def test_merging_keeps_what_is_not_repeated_and_null_removes(
    old: list[Json], told: list[Json]
) -> None:
    before = copy.deepcopy((old, told))
    after = by_selector(FULFILLMENT, patched(old, Patch("merge", FULFILLMENT, tuple(told)), (DE,)))
    wished = by_selector(FULFILLMENT, told)
    known = by_selector(FULFILLMENT, old)
    assert set(after) == set(known) | set(wished)
    for key, value in after.items():
        expected = {**known.get(key, {}), **wished.get(key, {})}
        assert value == {name: one for name, one in expected.items() if one is not None}
    assert (old, told) == before  # nothing is changed in place


@given(old=offers(), told=offers(), op=st.sampled_from(["add", "replace"]))
def test_what_is_replaced_is_what_was_sent_and_the_rest_stays(
    old: list[Json], told: list[Json], op: Any
) -> None:
    after = by_selector(OFFER, patched(old, Patch(op, OFFER, tuple(told)), (DE, FR)))
    wished = by_selector(OFFER, told)
    assert after == {**by_selector(OFFER, old), **wished}


@given(old=offers(), where=st.sampled_from([DE, FR]))
def test_a_deletion_without_values_takes_the_marketplaces_of_the_request(
    old: list[Json], where: str
) -> None:
    after = patched(old, Patch("delete", OFFER), (where,))
    assert after == [value for value in old if value["marketplace_id"] != where]


@given(old=offers(), told=offers().filter(bool))
def test_a_deletion_with_values_takes_those_of_the_same_selector(
    old: list[Json], told: list[Json]
) -> None:
    after = patched(old, Patch("delete", OFFER, tuple(told)), (DE,))
    gone = {selector(OFFER, value) for value in told}
    assert after == [value for value in old if selector(OFFER, value) not in gone]
    assert patched(after, Patch("delete", OFFER, tuple(told)), (DE,)) == after


@given(old=offers(), told=offers(), where=st.sampled_from([DE, FR]))
def test_a_full_update_leaves_other_marketplaces_alone(
    old: list[Json], told: list[Json], where: str
) -> None:
    told = [value for value in told if value["marketplace_id"] == where]
    after = rewritten({OFFER: old, "color": [{"value": "red"}]}, {OFFER: told}, (where,), "LISTING")
    kept = [value for value in old if value["marketplace_id"] != where]
    assert after.get(OFFER, []) == kept + told
    assert "color" not in after


@given(
    old=st.dictionaries(st.text(max_size=3), PLAIN | st.dictionaries(st.text(max_size=2), PLAIN))
)
def test_merging_a_thing_into_nothing_gives_the_thing(old: Json) -> None:
    assert merged({}, old) == old
    assert merged(old, old) == old


def test_a_deletion_may_name_only_a_part_of_the_selector() -> None:
    values = [offer(1), offer(2, audience="B2B"), offer(3, FR)]
    gone = patched(values, Patch("delete", OFFER, ({"audience": "B2B"},)), (DE,))
    assert gone == [values[0], values[2]]
    assert patched(values, Patch("delete", OFFER, ({"marketplace_id": FR},)), (DE,)) == values[:2]


def test_values_of_one_selector_are_replaced_together() -> None:
    def point(text: str, language: str = "de_DE") -> Json:
        return {"value": text, "language_tag": language, "marketplace_id": DE}

    values = [point("eins"), point("zwei"), point("one", "en_GB")]
    after = patched(values, Patch("replace", "bullet_point", (point("neu"),)), (DE,))
    assert after == [point("one", "en_GB"), point("neu")]


def test_only_sales_terms_are_concerned_by_an_offer_only_update() -> None:
    old = {"color": [{"value": "red", "marketplace_id": DE}], OFFER: [offer(5)]}
    assert rewritten(old, {}, (DE,), "LISTING_OFFER_ONLY") == {"color": old["color"]}
    assert rewritten(old, {}, (DE,), "LISTING_PRODUCT_ONLY") == {OFFER: [offer(5)]}


def test_what_is_nested_without_end_is_taken_as_a_whole() -> None:
    def nested(depth: int, inner: Any) -> Json:
        told: Any = inner
        for _ in range(depth):
            told = {"a": told}
        return {"marketplace_id": DE, "x": told}

    deep = nested(5000, 1)
    value: Any
    (value,) = patched([nested(5000, 2)], Patch("merge", "item_name", (deep,)), [DE])
    while isinstance(value, dict):
        value = value.get("x", value.get("a"))
    assert value == 1
    assert merged({"x": {"a": 1, "b": 2}}, {"x": {"b": None, "c": 3}}) == {"x": {"a": 1, "c": 3}}
