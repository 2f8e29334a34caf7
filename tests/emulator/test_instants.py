"""Instants and distances as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from amazon_emulator import instants

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "distance"),
    [
        ("-3 days", timedelta(days=-3)),
        ("+10 minutes", timedelta(minutes=10)),
        ("-1 week", timedelta(weeks=-1)),
        ("+ 2 hours", timedelta(hours=2)),
        (" -90 seconds ", timedelta(seconds=-90)),
        ("+0 days", timedelta(0)),
    ],
)
def test_distances(text: str, distance: timedelta) -> None:
    assert instants.is_relative(text)
    assert instants.read(text, NOW) == NOW + distance


@pytest.mark.parametrize(
    "text", ["3 days", "-3days", "-3 moons", "-3.5 days", "-٣ days", "now", ""]
)
def test_what_is_no_distance(text: str) -> None:
    assert not instants.is_relative(text)
    with pytest.raises(ValueError, match="is not an ISO 8601 instant"):
        instants.read(text, NOW)


def test_instants_and_what_is_too_far() -> None:
    assert instants.read("2026-11-21T12:00:00+02:00", NOW) == NOW
    with pytest.raises(ValueError, match="too far"):
        instants.read("-999999 weeks", NOW)
    with pytest.raises(ValueError, match="has no UTC offset"):
        instants.read("2026-11-21T12:00:00", NOW)


def test_whole_files() -> None:
    given = {"at": "-1 hour", "rows": ["+1 day", {"sku": "-1 x"}, 7, None], "-1 hour": True}
    assert instants.made_absolute(given, NOW) == {
        "at": "2026-11-21T09:00:00.000Z",
        "rows": ["2026-11-22T10:00:00.000Z", {"sku": "-1 x"}, 7, None],
        "-1 hour": True,
    }
