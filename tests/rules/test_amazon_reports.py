"""What may be asked of Amazon's reports, and what its answers mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.rules import amazon_reports as rules
from evergrant.rules.amazon_reports import KNOWN, FoundReport, ReportFate, ReportWish
from evergrant.rules.faults import Fault
from evergrant.rules.marketplaces import PartnerKind

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ORDERS = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
WISH = ReportWish(report_type="GET_MERCHANT_LISTINGS_ALL_DATA", marketplace_ids=("A1PA6795UKMFR9",))


def found(report_id: str = "1", **changes: object) -> FoundReport:
    values: dict[str, object] = {
        "report_type": WISH.report_type,
        "status": "IN_QUEUE",
        "marketplace_ids": WISH.marketplace_ids,
        "made_at": NOW,
    }
    return FoundReport(report_id=report_id, **{**values, **changes})  # type: ignore[arg-type]


def test_the_table_of_types_is_what_amazon_has() -> None:
    assert len(KNOWN) > 100
    assert all(rules.check_type(name) == name for name in KNOWN)
    settlement = KNOWN["GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"]
    assert not settlement.requestable
    assert KNOWN["GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING"].restricted
    assert KNOWN["GET_VENDOR_SALES_REPORT"].partner_kinds == {PartnerKind.VENDOR}
    assert KNOWN[ORDERS].longest == timedelta(days=31)


def test_types_are_taken_as_people_write_them() -> None:
    assert rules.check_type(" get_some_new_report ") == "GET_SOME_NEW_REPORT"
    assert "does not know this type" in rules.note_of("GET_SOME_NEW_REPORT")
    assert rules.note_of(WISH.report_type) == ""
    for text in ("", "GET", "LISTINGS", "GET/../X_Y", "1_A_B", "GET_Ä_B", "X_" + "A" * 200):
        with pytest.raises(Fault):
            rules.check_type(text)


@pytest.mark.parametrize(
    ("report_type", "begins", "ends", "field"),
    [
        (ORDERS, NOW - 40 * DAY, None, "data_from"),
        (ORDERS, NOW - 80 * DAY, NOW - 40 * DAY, "data_from"),
        ("GET_UNKNOWN_TYPE", NOW, NOW - DAY, "data_until"),
        ("GET_UNKNOWN_TYPE", NOW + DAY, None, "data_from"),
    ],
)
def test_spans_that_amazon_does_not_take(
    report_type: str, begins: datetime, ends: datetime | None, field: str
) -> None:
    with pytest.raises(Fault) as caught:
        rules.check_span(report_type, begins, ends, NOW)
    assert caught.value.field == field


def test_spans_that_it_takes() -> None:
    rules.check_span(ORDERS, NOW - 31 * DAY, NOW, NOW)
    rules.check_span(ORDERS, None, NOW, NOW)
    rules.check_span("GET_UNKNOWN_TYPE", NOW - 3000 * DAY, None, NOW)


def test_options_become_text() -> None:
    given_ = {"a": True, "b": 7, "c": "x"}
    assert rules.check_options(given_) == {"a": "true", "b": "7", "c": "x"}
    for wrong in ({"a": None}, {"a": [1]}, {"": "x"}, {"a": "x" * 2000}):
        with pytest.raises(Fault):
            rules.check_options(wrong)


def test_what_amazon_is_asked() -> None:
    wish = ReportWish(
        report_type="GET_X_Y",
        marketplace_ids=("A", "B"),
        data_from=NOW,
        data_until=NOW + DAY,
        options={"custom": "true"},
    )
    assert rules.asked_body(wish) == {
        "reportType": "GET_X_Y",
        "marketplaceIds": ["A", "B"],
        "dataStartTime": "2026-03-02T09:00:00Z",
        "dataEndTime": "2026-03-03T09:00:00Z",
        "reportOptions": {"custom": "true"},
    }
    assert set(rules.asked_body(WISH)) == {"reportType", "marketplaceIds"}


@pytest.mark.parametrize(
    "other",
    [
        found(made_at=NOW - 5 * MINUTE),
        found(made_at=None),
        found(report_type="GET_OTHER_TYPE"),
        found(marketplace_ids=("A13V1IB3VIYZZH",)),
        found(schedule_id="7"),
    ],
    ids=["older", "of_no_time", "of_another_type", "of_another_marketplace", "of_a_schedule"],
)
def test_what_is_not_the_lost_one(other: FoundReport) -> None:
    assert rules.ours_among([other], WISH, NOW, frozenset()) is None


def test_the_lost_one_is_found() -> None:
    late, early = found("2", made_at=NOW + MINUTE), found("1", made_at=NOW - MINUTE)
    assert rules.ours_among([late, early], WISH, NOW, frozenset()) == early
    assert rules.ours_among([late, early], WISH, NOW, frozenset({"1"})) == late
    assert rules.ours_among([late, early], WISH, NOW, frozenset({"1", "2"})) is None


def test_statuses() -> None:
    assert [rules.fate_of(one) for one in ("DONE", "CANCELLED", "FATAL", "IN_QUEUE", "NEW")] == [
        ReportFate.DONE,
        ReportFate.EMPTY,
        ReportFate.FAILED,
        ReportFate.WAITING,
        ReportFate.WAITING,
    ]


_JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=20),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(told=_JSON)
def test_whatever_amazon_answers_is_read(told: object) -> None:
    rules.read_found(told)
    reports, token = rules.read_list({"reports": told, "nextToken": told})
    assert isinstance(token, str)
    assert all(isinstance(one, FoundReport) for one in reports)


@given(looks=some.integers(0, 10_000))
def test_looks_come_further_apart_and_never_more_than_ten_minutes(looks: int) -> None:
    now_, next_ = rules.next_look(NOW, looks) - NOW, rules.next_look(NOW, looks + 1) - NOW
    assert timedelta(seconds=30) <= now_ <= next_ <= timedelta(minutes=10)


def test_a_file_is_named_after_its_report() -> None:
    names = {
        kind: rules.file_name("GET_X_Y", "arp_1", kind)
        for kind in ("text/plain; charset=cp1252", "text/csv", "text/xml", "application/json", "?")
    }
    assert [name.rpartition(".")[2] for name in names.values()] == [
        "txt",
        "csv",
        "xml",
        "json",
        "bin",
    ]
