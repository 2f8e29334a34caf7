"""What becomes of changes, from what Amazon says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.processing_reports import ProcessingReport, ReportLine
from evergrant.rules.settling import (
    Sent,
    Settled,
    is_already_there,
    presumed,
    reckon,
    returned,
    uncertain,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
A, R, P, U = (
    ChangeState.ACCEPTED,
    ChangeState.REFUSED,
    ChangeState.PENDING,
    ChangeState.UNCERTAIN,
)


def sent(number: int, kind: ChangeKind = ChangeKind.STOCK, **wishes: Any) -> Sent:
    facts: dict[str, Any] = {
        "change_id": f"chg_{number}_{kind.value}",
        "kind": kind,
        "subject": f"sku-{number}",
        "message_id": number,
        "tries": 1,
    }
    return Sent(**(facts | wishes))


def line(number: int | None, **wishes: Any) -> ReportLine:
    facts: dict[str, Any] = {
        "message_id": number,
        "severity": "error",
        "code": "90220",
        "message": "It is missing.",
        "attribute": "price",
    }
    return ReportLine(**(facts | wishes))


def report(processed: int | None = 3, *lines: ReportLine, **wishes: Any) -> ProcessingReport:
    return ProcessingReport(readable=True, processed=processed, lines=lines, **wishes)


def ends(
    status: str, told: ProcessingReport | None, *, repeatable: bool = True, **more: Any
) -> list[Settled]:
    changes = more.pop("changes", [sent(1), sent(2), sent(3)])
    messages = more.pop("messages", 3)
    reckoning = reckon(status, told, messages=messages, repeatable=repeatable, **more)
    return reckoning.settle(changes, NOW)


def states(*args: Any, **more: Any) -> list[ChangeState]:
    return [one.state for one in ends(*args, **more)]


def test_what_no_error_names_is_accepted() -> None:
    second = ends("DONE", report(3, line(2), line(3, severity="warning")))[1]
    assert states("DONE", report(3, line(2), line(3, severity="warning"))) == [A, R, A]
    assert (second.code, second.message, second.attribute) == ("90220", "It is missing.", "price")
    assert second.next_at is None


def test_several_errors_of_one_message_are_counted() -> None:
    told = report(3, line(2), line(2, message="And this."))
    assert ends("DONE", told)[1].message == "It is missing. (and 1 more)"


@pytest.mark.parametrize(("repeatable", "rest"), [(True, P), (False, U)])
def test_fewer_processed_than_sent_leaves_the_rest_unknown(
    repeatable: bool, rest: ChangeState
) -> None:
    assert states("DONE", report(2, line(1)), repeatable=repeatable) == [R, rest, rest]


@pytest.mark.parametrize(("repeatable", "rest"), [(True, P), (False, U)])
def test_refused_ones_without_a_name_leave_the_rest_unknown(
    repeatable: bool, rest: ChangeState
) -> None:
    told = report(3, line(1), refused=2)
    assert states("DONE", told, repeatable=repeatable) == [R, rest, rest]
    assert states("DONE", report(3, line(1), refused=1), repeatable=repeatable) == [R, A, A]


@pytest.mark.parametrize(("repeatable", "rest"), [(True, P), (False, U)])
@pytest.mark.parametrize("told", [None, ProcessingReport(readable=False, reason="It is cut off.")])
def test_done_without_a_report_says_nothing(
    told: ProcessingReport | None, repeatable: bool, rest: ChangeState
) -> None:
    assert states("DONE", told, repeatable=repeatable) == [rest] * 3


def test_a_document_that_was_refused_as_a_whole() -> None:
    told = report(0, fault="It cannot be parsed.", fault_code="4002001")
    for repeatable in (True, False):
        for one in ends("DONE", told, repeatable=repeatable):
            assert (one.state, one.code, one.message) == (R, "4002001", "It cannot be parsed.")


def test_what_a_refused_document_says_of_single_messages_stays_with_them() -> None:
    told = report(3, line(2), line(None), accepted=0, fault="No.", fault_code="4002001")
    first, second, third = ends("DONE", told, repeatable=False)
    assert (second.code, second.message, second.attribute) == ("90220", "It is missing.", "price")
    assert {(one.state, one.code, one.message) for one in (first, third)} == {(R, "4002001", "No.")}


@pytest.mark.parametrize("fault", ["", "It cannot be parsed."])
def test_without_a_count_nobody_believes_that_money_moved_or_did_not(fault: str) -> None:
    told = report(None, line(2), fault=fault)
    assert states("DONE", told, repeatable=False) == [U, R, U]
    assert states("DONE", report(None, line(2)), repeatable=True) == [A, R, A]


@pytest.mark.parametrize("repeatable", [True, False])
def test_cancelled_was_never_begun(repeatable: bool) -> None:
    for one in ends("CANCELLED", None, repeatable=repeatable):
        assert (one.state, one.next_at) == (P, NOW + timedelta(minutes=5))


def test_fatal_is_sent_once_more_if_it_may_be() -> None:
    first, second = ends("FATAL", None, changes=[sent(1), sent(2, code="fatal", tries=2)])
    assert (first.state, first.code) == (P, "fatal")
    assert (second.state, second.code) == (R, "fatal")


def test_fatal_that_must_not_be_told_twice() -> None:
    assert states("FATAL", None, repeatable=False) == [U, U, U]
    assert states("FATAL", report(3, line(2)), repeatable=False) == [U, R, U]


@pytest.mark.parametrize(("repeatable", "end"), [(True, P), (False, U)])
def test_a_report_of_another_feed_is_not_believed(repeatable: bool, end: ChangeState) -> None:
    assert states("DONE", report(4, line(1)), repeatable=repeatable) == [end] * 3
    fewer = report(2, line(1))
    assert states("DONE", fewer, repeatable=repeatable, guessed=True) == [end] * 3
    assert states("DONE", report(3, line(1)), repeatable=repeatable, guessed=True) == [R, A, A]


def test_an_error_that_names_a_sku_or_an_order_alone() -> None:
    assert states("DONE", report(3, line(None, sku="sku-2"), refused=1)) == [A, R, A]
    orders = [sent(1, ChangeKind.REFUND, subject="302-1"), sent(2, ChangeKind.REFUND)]
    told = report(2, line(None, order_id="302-1"), refused=1)
    assert states("DONE", told, changes=orders, messages=2, repeatable=False) == [R, A]


# --- two changes in one message -----------------------------------------------------------------

BOTH = [sent(1, ChangeKind.STOCK), sent(1, ChangeKind.PRICE)]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (["purchasable_offer"], [P, R]),
        (["fulfillment_availability"], [R, P]),
        (["fulfillment_availability", "purchasable_offer"], [R, R]),
        (["purchasable_offer, fulfillment_availability"], [R, R]),
        ([""], [R, R]),
        (["purchasable_offer", ""], [R, R]),
        (["brand"], [R, R]),
    ],
)
def test_only_the_guilty_one_is_refused(attributes: list[str], expected: list[ChangeState]) -> None:
    lines = [line(1, attribute=attribute) for attribute in attributes]
    assert states("DONE", report(1, *lines), changes=BOTH, messages=1) == expected


def test_the_innocent_one_goes_at_once_but_not_for_ever() -> None:
    told = report(1, line(1, attribute="purchasable_offer"))
    (stock, _) = ends("DONE", told, changes=BOTH, messages=1)
    assert stock.next_at == NOW
    tired = [sent(1, ChangeKind.STOCK, tries=8), sent(1, ChangeKind.PRICE)]
    (stock, _) = ends("DONE", told, changes=tired, messages=1)
    assert (stock.state, stock.code) == (R, "gave_up")


# --- ends ---------------------------------------------------------------------------------------


def test_what_comes_back_too_often_is_refused_with_the_last_words() -> None:
    end = returned(sent(1, tries=8), NOW, code="no_answer", message="Amazon answered 503.")
    assert (end.state, end.code) == (R, "gave_up")
    assert "Amazon answered 503." in end.message


def test_presumed_and_uncertain() -> None:
    assert (presumed(sent(1)).state, presumed(sent(1)).code) == (A, "presumed")
    assert uncertain(sent(1), NOW, code="x", message="y").state is U


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("DUPLICATE", "", True),
        ("InvalidInput", "The shipment identifier already exists.", True),
        ("InvalidInput", "Duplicate invoice number", True),
        ("InvalidInput", "The address is missing.", False),
        ("", "", False),
    ],
)
def test_whether_amazon_has_it_already(code: str, message: str, expected: bool) -> None:
    assert is_already_there(code, message) is expected


lines = st.builds(
    line,
    st.none() | st.integers(1, 6),
    severity=st.sampled_from(["error", "warning", "info"]),
    sku=st.sampled_from(["", "sku-1", "sku-9"]),
    attribute=st.sampled_from(["", "purchasable_offer", "brand"]),
)
counts = st.none() | st.integers(0, 8)


@given(
    st.sampled_from(["DONE", "FATAL", "CANCELLED", ""]),
    st.none()
    | st.builds(
        ProcessingReport,
        readable=st.booleans(),
        processed=counts,
        accepted=counts,
        refused=counts,
        lines=st.lists(lines, max_size=5).map(tuple),
        fault=st.sampled_from(["", "No."]),
    ),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
)
def test_every_change_ends_once_and_nothing_unsure_goes_again(
    status: str,
    told: ProcessingReport | None,
    repeatable: bool,
    guessed: bool,
    tries: list[int],
) -> None:
    changes = [
        sent(number, ChangeKind.STOCK if repeatable else ChangeKind.REFUND, tries=count)
        for number, count in enumerate(tries, start=1)
    ]
    reckoning = reckon(status, told, messages=len(changes), repeatable=repeatable, guessed=guessed)
    settled = reckoning.settle(changes, NOW)
    assert [one.change_id for one in settled] == [one.change_id for one in changes]
    for one in settled:
        assert (one.next_at is not None) == (one.state is P)
        if one.state is P:
            assert repeatable or status == "CANCELLED"
        if one.state is U:
            assert not repeatable
        if one.state is A:
            assert status == "DONE"
