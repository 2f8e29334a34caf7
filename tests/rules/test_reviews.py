"""The list of reviews, digests of what was looked at, and when a signature stands."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.reviews import (
    ITEMS,
    About,
    ReviewState,
    Signature,
    digest_of,
    key_of,
    plain,
    state_of,
)
from evergrant.rules.secrecy import Secret

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
SIGNED = ITEMS["local-settings"]
LASTING = ITEMS["backups"]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_what_a_house_looks_at() -> None:
    assert {"integration-credentials", "instance-answers", "local-settings"} <= set(ITEMS)
    for name, item in ITEMS.items():
        assert name == item.name
        assert re.fullmatch("[a-z]+(-[a-z]+)*", name)
        assert not item.title.endswith(".")
        assert item.look.endswith(".")
        assert item.lasts is None or not item.by_machine
    assert {item.about for item in ITEMS.values()} == set(About)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5))
def test_the_order_of_members_does_not_matter(values: dict[str, Any]) -> None:
    turned = dict(reversed(values.items()))
    assert digest_of("a", "b", values) == digest_of("a", "b", turned)


@given(
    st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
    st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
)
def test_other_values_have_another_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = repr(plain(dict(sorted(one.items())))) == repr(plain(dict(sorted(other.items()))))
    if one != other:
        assert digest_of("a", "", one) != digest_of("a", "", other)
    if same:
        assert digest_of("a", "", one) == digest_of("a", "", other)
    assert digest_of("a", "x", one) != digest_of("a", "y", one)
    assert digest_of("a", "x", one) != digest_of("b", "x", one)


class Colour(StrEnum):
    RED = "red"


def test_equal_things_in_other_clothes_are_equal() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=5)))
    one = {"at": NOW, "some": frozenset({"b", "a"}), "word": Colour.RED, "list": (1, 2)}
    other = {"list": [1, 2], "word": "red", "some": ["a", "b"], "at": east}
    assert digest_of("a", "", one) == digest_of("a", "", other)
    assert digest_of("a", "", {"list": [1, 2]}) != digest_of("a", "", {"list": [2, 1]})


@pytest.mark.parametrize("value", [Secret(secrets.token_hex(8)), b"bytes", object()])
def test_secrets_and_strange_things_are_not_looked_at(value: object) -> None:
    for looked_at in ({"x": value}, {"x": [value]}, {"x": {"y": value}}):
        with pytest.raises(TypeError) as caught:
            digest_of("a", "", looked_at)
        assert not isinstance(value, Secret) or value.reveal() not in str(caught.value)


def test_a_signature_stands_until_something_changes() -> None:
    digest, other = digest_of("a", "", {"x": 1}), digest_of("a", "", {"x": 2})
    signature = Signature(digest=digest, at=NOW)
    later = NOW + timedelta(days=10_000)
    assert state_of(SIGNED, NOW, digest=digest) is ReviewState.WAITING
    assert state_of(SIGNED, later, digest=digest, signature=signature) is ReviewState.SIGNED
    assert state_of(SIGNED, NOW, digest=other, signature=signature) is ReviewState.STALE


def test_some_signatures_grow_old() -> None:
    assert LASTING.lasts is not None
    digest = digest_of("a", "", {})
    signature = Signature(digest=digest, at=NOW)
    ends_at = NOW + LASTING.lasts

    def at(now: datetime, digest: str = digest) -> ReviewState:
        return state_of(LASTING, now, digest=digest, signature=signature)

    assert at(ends_at - timedelta(microseconds=1)) is ReviewState.SIGNED
    assert at(ends_at) is ReviewState.EXPIRED
    assert at(ends_at, "other") is ReviewState.STALE


def test_what_the_machine_decides_is_not_signed() -> None:
    item = ITEMS["integration-credentials"]
    signature = Signature(digest="d", at=NOW)
    assert state_of(item, NOW, digest="d", signature=signature) is ReviewState.FAILED
    assert state_of(item, NOW, digest="x", passed=True) is ReviewState.PASSED
    assert {state for state in ReviewState if state.is_settled} == {
        ReviewState.SIGNED,
        ReviewState.PASSED,
    }


def test_one_signature_for_each_item_and_thing() -> None:
    assert key_of("backups") == "backups"
    assert key_of("registration", "app_1") == "registration/app_1"
