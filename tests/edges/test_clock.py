"""The machine's clock, the one that a file steers, and the one of the dolls' house."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evergrant.adapters.clock import SteeredClock, SystemClock
from evergrant.errors import Misconfigured
from evergrant.testing.clock import FakeClock

YEAR = 365 * 86_400


def shift(clock: SteeredClock) -> float:
    return (clock.now() - datetime.now(UTC)).total_seconds()


def test_the_machines_clock_is_aware_and_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)


def test_no_file_is_no_shift(tmp_path: Path) -> None:
    clock = SteeredClock(tmp_path / "clock")
    assert shift(clock) == pytest.approx(0, abs=5)
    assert clock.now().tzinfo is UTC


@pytest.mark.parametrize("text", [str(YEAR), f" {YEAR}.0\n", "-86400", "1e6", "", "0"])
def test_a_file_with_seconds(tmp_path: Path, text: str) -> None:
    file = tmp_path / "clock"
    clock = SteeredClock(file)
    file.write_text(text)
    assert shift(clock) == pytest.approx(float(text or 0), abs=5)


def test_a_file_with_an_instant_runs_on_from_its_last_change(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("2031-03-01T09:00:00+01:00")
    an_hour_ago = datetime.now(UTC).timestamp() - 3600
    os.utime(file, (an_hour_ago, an_hour_ago))
    now = SteeredClock(file).now()
    assert now - datetime(2031, 3, 1, 9, tzinfo=UTC) < timedelta(seconds=5)
    assert now >= datetime(2031, 3, 1, 9, tzinfo=UTC)


def test_it_follows_the_file(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock = SteeredClock(file)
    for seconds in (100, 200, 150, 0, -50):
        file.write_text(str(seconds))
        assert shift(clock) == pytest.approx(seconds, abs=5)
    file.write_text("60")
    clock.now()
    file.unlink()
    assert shift(clock) == pytest.approx(0, abs=5)


@pytest.mark.parametrize("text", ["soon", "2031-03-01T09:00:00", "nan", "inf", "1e300"])
def test_what_cannot_be_read_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "clock"
    file.write_text(text)
    with pytest.raises(Misconfigured) as refused:
        SteeredClock(file)
    assert refused.value.setting == "EVERGRANT_CLOCK_FILE"
    assert str(file) in str(refused.value)


def test_a_folder_is_no_clock(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        SteeredClock(tmp_path)


def test_a_half_written_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("3600")
    clock = SteeredClock(file)
    for half in ("36x", "", "  "):
        file.write_text(half)
        assert shift(clock) == pytest.approx(3600, abs=5)
    file.write_text("0")
    assert shift(clock) == pytest.approx(0, abs=5)


def test_whoever_moved_the_time_is_believed_at_once(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("0")
    clock = SteeredClock(file)
    for seconds in range(0, 500, 100):
        file.write_text(str(seconds))
        assert shift(clock) == pytest.approx(seconds, abs=1)


def test_the_dolls_clock_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()
    start = clock.now()
    assert clock.now() == start
    assert clock.move(days=1, seconds=2) == start + timedelta(days=1, seconds=2)
    assert clock.move(timedelta(hours=-1)) == clock.now()
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    assert clock.now() == datetime(2030, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError):
        clock.set(datetime(2030, 1, 1))  # noqa: DTZ001
