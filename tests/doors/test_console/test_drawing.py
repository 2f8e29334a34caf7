"""The pictures: what is drawn for which values, and that nothing in them runs or styles."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from evergrant.entrances.console import drawing
from evergrant.entrances.console.drawing import Hour, RunMark
from evergrant.entrances.console.drawing.svg import number, short, tag
from evergrant.overview import EndOfTerm, Terms, TermWeek
from evergrant.ports.things import CallCount

NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)  # a Wednesday
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOSTILE = """<script>alert(1)</script>"><img src=x onerror='alert(2)'>&"""


def parsed(picture: Markup) -> ElementTree.Element:
    """Well-formed, without a thing that the page's policy forbids."""
    root = ElementTree.fromstring(str(picture))
    for element in root.iter():
        assert element.tag in ALLOWED, element.tag
        for name in element.attrib:
            assert name != "style"
            assert not name.startswith("on")
            assert "href" not in name
    assert root.attrib["role"] == "img"
    assert [child.tag for child in root][:2] == ["title", "desc"]
    return root


ALLOWED = {"svg", "g", "title", "desc", "rect", "line", "circle", "text", "polyline"}


def with_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [one for one in root.iter() if name in one.attrib.get("class", "").split()]


def words(root: ElementTree.Element, name: str) -> list[str]:
    return [one.text or "" for one in with_class(root, name)]


def end(days: float, name: str = "Heron Books", id: str = "acc_1") -> EndOfTerm:
    return EndOfTerm(id=id, name=name, ends_at=NOW + timedelta(days=days), days_left=int(days))


def year(by_week: dict[int, Any] | None = None, **more: Any) -> Terms:
    weeks = []
    for place in range(53):
        given_ = (by_week or {}).get(place, {})
        weeks.append(
            TermWeek(
                begins_at=MONDAY + timedelta(weeks=place),
                count=given_.get("count", 0),
                first=given_.get("first", ()),
                secrets=given_.get("secrets", ()),
            )
        )
    values: dict[str, Any] = {
        "since": NOW,
        "until": NOW + timedelta(days=366),
        "weeks": tuple(weeks),
        "grants": sum(week.count for week in weeks),
        "secrets": sum(len(week.secrets) for week in weeks),
        "lapsed": 0,
        "undated": 0,
    }
    return Terms(**{**values, **more})


# --- the timeline ---------------------------------------------------------------------------------


def test_an_empty_year_is_a_picture_all_the_same() -> None:
    root = parsed(drawing.timeline(year()))
    assert len(with_class(root, "week")) == 53
    assert with_class(root, "bar") == []
    assert with_class(root, "dot") == []
    assert words(root, "now") == ["Today"]


def test_no_week_at_all_breaks_nothing() -> None:
    parsed(drawing.timeline(year(weeks=())))


def test_bars_are_as_high_as_there_are_ends_and_say_which() -> None:
    terms = year(
        {
            0: {"count": 1, "first": (end(2),)},
            10: {"count": 40, "first": tuple(end(70, f"Shop {n}") for n in range(5))},
            20: {"count": 10, "first": (end(140),)},
        }
    )
    root = parsed(drawing.timeline(terms))
    bars = with_class(root, "bar")
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[1] == 92
    assert heights[2] == pytest.approx(heights[1] / 4)
    assert 0 < heights[0] < heights[2]
    assert words(root, "count") == ["1", "40", "10"]
    told = [one.text for one in root.iter("title") if one.text and "Shop 0" in one.text]
    assert told == [
        "Week of 11 May 2026. 40 authorizations: "
        + ", ".join(f"Shop {n} (13 May 2026)" for n in range(5))
        + " and 35 more."
    ]


def test_what_ends_soon_looks_different() -> None:
    terms = year(
        {
            1: {"count": 1, "first": (end(8),)},
            3: {"count": 1, "first": (end(20),)},
            9: {"count": 1, "first": (end(65),)},
            2: {"secrets": (end(13),)},
            4: {"secrets": (end(29),)},
            30: {"secrets": (end(210),)},
        }
    )
    root = parsed(drawing.timeline(terms))
    assert [bar.attrib["class"] for bar in with_class(root, "bar")] == [
        "bar bad",
        "bar warm",
        "bar far",
    ]
    assert [dot.attrib["class"] for dot in with_class(root, "dot")] == [
        "dot bad",
        "dot warm",
        "dot far",
    ]


def test_few_client_secrets_are_dots_and_many_a_number() -> None:
    root = parsed(
        drawing.timeline(
            year(
                {
                    5: {"secrets": tuple(end(36) for _ in range(3))},
                    6: {"secrets": tuple(end(43) for _ in range(4))},
                }
            )
        )
    )
    assert len(with_class(root, "dot")) == 4
    assert words(root, "in-dot") == ["4"]


def test_months_stand_where_they_begin_and_a_new_year_says_so() -> None:
    root = parsed(drawing.timeline(year()))
    months = [word for word in words(root, "tick") if word != "Today"]
    assert months[0] == "Apr"
    assert "Jan 2027" in months
    assert len(months) == 12
    places = [float(line.attrib["x1"]) for line in with_class(root, "grid")]
    assert all(one < other for one, other in pairwise(places))
    # 1 April is a Wednesday, four weeks and two days behind the first Monday.
    assert places[0] == pytest.approx(92 + 18 * 30 / 7, abs=0.1)


def test_nothing_is_drawn_outside_the_picture() -> None:
    terms = year({place: {"count": 7, "secrets": (end(1),)} for place in range(53)})
    root = parsed(drawing.timeline(terms))
    width, height = (float(one) for one in root.attrib["viewBox"].split()[2:])
    for rect in root.iter("rect"):
        assert 0 <= float(rect.attrib["x"]) <= width - float(rect.attrib["width"])
        assert 0 <= float(rect.attrib["y"]) <= height - float(rect.attrib["height"])


def test_the_description_says_what_the_picture_shows() -> None:
    terms = year({10: {"count": 40, "first": (end(70),)}, 12: {"secrets": (end(85),)}})
    desc = next(parsed(drawing.timeline(terms)).iter("desc")).text or ""
    assert "40 authorizations end until 5 March 2027" in desc
    assert "40, in the week of 11 May 2026" in desc
    assert "1 client secret" in desc


def test_names_of_shops_are_text_and_nothing_else() -> None:
    terms = year({3: {"count": 1, "first": (end(21, HOSTILE),), "secrets": (end(21, HOSTILE),)}})
    picture = drawing.timeline(terms)
    root = parsed(picture)
    assert any(HOSTILE in (one.text or "") for one in root.iter("title"))
    assert "<script" not in picture
    assert "<img" not in picture


# --- calls by the hour ----------------------------------------------------------------------------


def count(hour: int, calls: int, operation: str = "getOrders", **more: Any) -> CallCount:
    at = datetime(2026, 3, 4, hour, tzinfo=UTC)
    return CallCount(
        id=f"acc_1/{operation}/{at:%H}",
        account_id="acc_1",
        operation=operation,
        hour_at=at,
        calls=calls,
        last_at=at,
        **more,
    )


def test_every_hour_has_a_place_whether_anything_happened_or_not() -> None:
    counts = [
        count(9, 5),
        count(8, 10, errors={"amazon": 2}),
        count(8, 2, "getFeed", errors={"partner": 1}, throttled=1),
    ]
    hours = drawing.hours_of(counts, NOW)
    assert len(hours) == 24
    assert hours[0].begins_at == datetime(2026, 3, 3, 10, tzinfo=UTC)
    assert hours[-1] == Hour(datetime(2026, 3, 4, 9, tzinfo=UTC), 5, 0)
    assert hours[-2] == Hour(datetime(2026, 3, 4, 8, tzinfo=UTC), 12, 4)
    assert sum(hour.calls for hour in hours) == 17


def test_bars_of_calls_and_of_trouble() -> None:
    hours = [
        Hour(MONDAY, 100, 0),
        Hour(MONDAY + timedelta(hours=1), 50, 25),
        Hour(MONDAY + timedelta(hours=2)),
    ]
    root = parsed(drawing.calls_by_hour(hours, "Calls of Heron Books"))
    assert next(root.iter("title")).text == "Calls of Heron Books by hour"
    bars = with_class(root, "bar")
    assert [(bar.attrib["class"], float(bar.attrib["height"])) for bar in bars] == [
        ("bar far", 40.0),
        ("bar far", 20.0),
        ("bar bad", 10.0),
    ]
    assert "01:00 UTC: 50 calls, 25 of them trouble" in [one.text for one in root.iter("title")]


@pytest.mark.parametrize("hours", [[], [Hour(MONDAY)]])
def test_nothing_happened(hours: list[Hour]) -> None:
    root = parsed(drawing.calls_by_hour(hours))
    assert with_class(root, "bar") == []


def test_a_line_rises_with_its_values() -> None:
    root = parsed(drawing.sparkline([0, 5, 10], "Orders"))
    (line,) = root.iter("polyline")
    assert line.attrib["points"] == "0.0,22.0 50.0,12.0 100.0,2.0"
    for few in ([], [3]):
        assert list(parsed(drawing.sparkline(few, "Orders")).iter("polyline")) == []
    parsed(drawing.sparkline([0, 0], "Orders"))


# --- buckets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "burst", "waiting", "width", "kind"),
    [
        (10, 10, 0, "100", "good"),
        (2.5, 10, 0, "25", "warm"),
        (0.9, 10, 0, "9", "bad"),
        (0, 10, 0, "0", "bad"),
        (9, 10, 3, "90", "bad"),
        (30, 10, 0, "100", "good"),
        (-1, 10, 0, "0", "bad"),
        (1, 0, 0, "0", "bad"),
    ],
)
def test_a_gauge(left: float, burst: float, waiting: int, width: str, kind: str) -> None:
    root = parsed(drawing.gauge(left, burst, waiting=waiting, what="getOrders"))
    (bar,) = with_class(root, "bar")
    assert bar.attrib["width"] == width
    assert kind in bar.attrib["class"]


def test_a_gauge_says_who_waits() -> None:
    told = next(parsed(drawing.gauge(0.55, 10, waiting=1)).iter("desc")).text
    assert told == "0.6 of 10 calls can be made at once now; 1 call waits."


# --- runs of a day --------------------------------------------------------------------------------


def run(began: float, ended: float | None, kind: str = "good", name: str = "Stock") -> RunMark:
    """Hours of that Monday."""
    return RunMark(
        MONDAY + timedelta(hours=began),
        None if ended is None else MONDAY + timedelta(hours=ended),
        kind,
        name,
    )


def test_runs_that_overlap_stand_below_each_other() -> None:
    root = parsed(drawing.day_of_runs([run(1, 2), run(1.5, 3), run(4, 5, "bad")], MONDAY, NOW))
    bars = with_class(root, "bar")
    assert [float(bar.attrib["y"]) for bar in bars] == [2, 11, 2]
    assert float(bars[0].attrib["x"]) == 40
    assert float(bars[0].attrib["width"]) == 40
    assert "bad" in bars[2].attrib["class"]
    assert "3 runs, 0 of them under way, 1 in trouble." in (next(root.iter("desc")).text or "")


def test_a_run_that_goes_on_reaches_until_now() -> None:
    now = MONDAY + timedelta(hours=12)
    root = parsed(drawing.day_of_runs([run(6, None, "open")], MONDAY, now))
    (bar,) = with_class(root, "bar")
    assert float(bar.attrib["width"]) == 240
    (today,) = with_class(root, "today")
    assert float(today.attrib["x1"]) == 480


def test_runs_of_other_days_are_left_out_and_what_reaches_over_is_cut() -> None:
    runs = [run(-5, -4), run(-2, 2), run(23, 30), run(25, 26)]
    root = parsed(drawing.day_of_runs(runs, MONDAY, NOW))
    bars = with_class(root, "bar")
    assert [(float(bar.attrib["x"]), float(bar.attrib["width"])) for bar in bars] == [
        (0, 80),
        (920, 40),
    ]
    assert with_class(root, "today") == []


def test_a_day_without_runs() -> None:
    assert with_class(parsed(drawing.day_of_runs([], MONDAY, NOW)), "bar") == []


@given(
    st.lists(
        st.tuples(st.floats(-30, 30), st.floats(0, 40) | st.none()).map(
            lambda one: run(one[0], None if one[1] is None else one[0] + one[1])
        ),
        max_size=60,
    )
)
def test_whatever_the_runs_nothing_is_drawn_outside(runs: list[RunMark]) -> None:
    root = parsed(drawing.day_of_runs(runs, MONDAY, MONDAY + timedelta(hours=20)))
    width, height = (float(one) for one in root.attrib["viewBox"].split()[2:])
    for bar in with_class(root, "bar"):
        x, y = float(bar.attrib["x"]), float(bar.attrib["y"])
        assert x >= 0
        assert x + float(bar.attrib["width"]) <= width + 0.2
        assert y + float(bar.attrib["height"]) <= height


# --- words and numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "words_"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1240, "1.2k"),
        (9960, "10k"),
        (12_400, "12k"),
        (999_960, "1M"),
        (3_400_000, "3.4M"),
    ],
)
def test_short_numbers(count: int, words_: str) -> None:
    assert short(count) == words_


@given(st.integers(0, 10**9))
def test_short_numbers_are_short(count: int) -> None:
    assert len(short(count)) <= 5
    assert re.fullmatch(r"\d+(\.\d)?[kM]?", short(count))


def test_numbers_have_few_digits() -> None:
    assert [number(value) for value in (0, 0.04, 1.25, 3.0, -0.01, 100)] == [
        "0", "0", "1.2", "3", "0", "100",
    ]  # fmt: skip


def test_a_tag_escapes_what_is_inside_and_in_attributes() -> None:
    made = tag("text", '<&"', class_='a"b', text_anchor="end", x=1.04)
    assert made == '<text class="a&#34;b" text-anchor="end" x="1">&lt;&amp;&#34;</text>'
