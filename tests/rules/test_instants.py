"""Instants as Amazon writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evergrant.rules.instants import read_instant


@pytest.mark.parametrize(
    "text", ["2026-11-21T10:00:00Z", " 2026-11-21T12:00:00+02:00 ", "2026-11-21T10:00:00"]
)
def test_each_way_of_writing_it_is_read(text: str) -> None:
    assert read_instant(text) == datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, 7, "", "soon", "0001-01-01T00:00:00+14:00", ["2026"]])
def test_what_is_none_is_none(value: object) -> None:
    assert read_instant(value) is None
