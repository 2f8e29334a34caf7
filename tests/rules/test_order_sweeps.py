"""Windows of sweeps, marks, and how long a failure is waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules import order_sweeps as sweeps
from evergrant.rules.order_sweeps import Lack, Listing, Place, Window

NOW = datetime(2026, 11, 21, 9, 30, 12, 345678, tzinfo=UTC)
#: Up to half a year back.
INSTANTS = st.integers(30, 260_000).map(lambda minutes: NOW - timedelta(minutes=minutes))


@given(bound=INSTANTS | st.none(), swept_at=INSTANTS | st.none(), vendor=st.booleans())
def test_window_after_window_reaches_now_and_leaves_no_gap(
    bound: datetime | None, swept_at: datetime | None, vendor: bool
) -> None:
    began = bound
    windows: list[Window] = []
    while len(windows) < 10:
        window = (
            sweeps.vendor_window(bound, NOW, swept_at)
            if vendor
            else sweeps.seller_window(bound, NOW)
        )
        if window is None:
            break
        assert window.since < window.until <= NOW - timedelta(minutes=2)
        assert window.until - window.since <= timedelta(days=7)
        assert window.since >= NOW - sweeps.FIRST_SPAN - timedelta(seconds=1)
        if bound is not None:
            assert window.since <= max(bound, NOW - sweeps.FIRST_SPAN), "a gap"
        fresh = sweeps.next_bound(bound, window, None)
        assert bound is None or fresh > bound
        bound = fresh
        windows.append(window)
    assert bound is not None
    assert NOW - bound < timedelta(minutes=4)
    assert len(windows) <= 6, began


def test_amazon_may_have_read_less_far_than_asked_and_never_farther() -> None:
    window = Window(NOW - timedelta(hours=2), NOW - timedelta(hours=1))
    less = window.until - timedelta(minutes=5)
    assert sweeps.next_bound(None, window, less) == less
    assert sweeps.next_bound(None, window, NOW) == window.until
    assert sweeps.next_bound(window.until, window, less) == window.until, "never back"


def test_a_window_is_halved_down_to_an_hour() -> None:
    now = NOW.replace(microsecond=0)
    window = Window(now - timedelta(days=7), now)
    lengths = []
    for _ in range(10):
        window = sweeps.halved(window)
        lengths.append(window.until - window.since)
    assert lengths[0] == timedelta(days=3, hours=12)
    assert timedelta(minutes=59) < lengths[-1] <= timedelta(hours=1)
    short = Window(NOW - timedelta(minutes=5), NOW)
    assert sweeps.halved(short).until <= NOW


def test_vendors_look_back_a_week_once_an_hour() -> None:
    bound = NOW - timedelta(minutes=12)
    again = sweeps.vendor_window(bound, NOW, NOW - timedelta(minutes=10))
    hourly = sweeps.vendor_window(bound, NOW, NOW - timedelta(minutes=40))
    assert again is not None
    assert hourly is not None
    assert again.until - again.since < timedelta(hours=2)
    assert hourly.until - hourly.since == timedelta(days=7)
    assert hourly.until == again.until


@given(listing=st.sampled_from(Listing), mark=st.text())
def test_a_place_is_read_as_it_was_written(listing: Listing, mark: str) -> None:
    assert Place.read(str(Place(listing, mark))) == Place(listing, mark)


def test_failures_are_waited_for_longer_and_longer_and_never_for_good() -> None:
    waits = [sweeps.after_failure(NOW, failures) - NOW for failures in range(1, 30)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(minutes=1), timedelta(hours=1))


def test_each_level_asks_for_less_and_the_last_for_nothing_personal() -> None:
    lack: str | None = ""
    asked = []
    while lack is not None:
        asked.append(set(sweeps.asked_for(lack)))
        lack = sweeps.less_than(lack)
    assert len(asked) == len(sweeps.LEVELS) == 3
    assert asked[0] > asked[1] > asked[2]
    assert not asked[-1] & {"BUYER", "RECIPIENT", "TAX", "PAYMENT"}
    assert "FULFILLMENT" in asked[-1], "the status is there"
    assert not any("PAYMENT" in one for one in asked)


@pytest.mark.parametrize("lack", list(Lack))
def test_what_is_lacking_has_a_sentence(lack: Lack) -> None:
    assert sweeps.why(lack).endswith(".")
    assert sweeps.why("") == ""


def test_refusals_are_tried_again_on_the_next_day() -> None:
    assert sweeps.is_new_day(None, NOW)
    assert not sweeps.is_new_day(NOW - timedelta(hours=9), NOW)
    assert sweeps.is_new_day(NOW - timedelta(hours=10), NOW)
