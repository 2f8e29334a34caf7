from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.applications import ApplicationKind
from evergrant.rules.terms import (
    ACCESS_TOKEN_LIFE,
    ACCESS_TOKEN_MARGIN,
    GRANT_TERM,
    LONGEST_MIN_TTL_S,
    REFRESH_AHEAD,
    SECRET_OVERLAP,
    SECRET_TERM,
    Phase,
    SecretPhase,
    ahead_s,
    grant_term_ends_at,
    journal_kept_from,
    phase,
    refresh_ahead,
    secret_ends_at,
    secret_phase,
    usable,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def test_the_spans_are_amazons() -> None:
    assert timedelta(days=365) == GRANT_TERM
    assert timedelta(days=180) == SECRET_TERM
    assert timedelta(days=7) == SECRET_OVERLAP
    assert timedelta(seconds=3600) == ACCESS_TOKEN_LIFE


def test_a_public_grant_ends_after_a_year_of_days_leap_year_or_not() -> None:
    granted_at = datetime(2027, 3, 1, tzinfo=UTC)
    ends_at = grant_term_ends_at(granted_at, ApplicationKind.PUBLIC)
    assert ends_at == datetime(2028, 2, 29, tzinfo=UTC)


def test_no_end_is_made_up() -> None:
    assert grant_term_ends_at(NOW, ApplicationKind.PRIVATE) is None
    assert grant_term_ends_at(None, ApplicationKind.PUBLIC) is None
    assert phase(NOW, None) is Phase.UNKNOWN
    assert secret_phase(NOW, None) is SecretPhase.UNKNOWN
    assert secret_ends_at(None) is None


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (365 * DAY, Phase.FRESH),
        (30 * DAY + SECOND, Phase.FRESH),
        (30 * DAY, Phase.DUE),
        (9 * DAY + SECOND, Phase.DUE),
        (9 * DAY, Phase.URGENT),
        (SECOND, Phase.URGENT),
        (0 * DAY, Phase.OVER),
        (-DAY, Phase.OVER),
    ],
)
def test_phases_at_their_edges(left: timedelta, expected: Phase) -> None:
    assert phase(NOW, NOW + left) is expected


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (180 * DAY, SecretPhase.OK),
        (90 * DAY + SECOND, SecretPhase.OK),
        (90 * DAY, SecretPhase.NOTICE),
        (14 * DAY, SecretPhase.URGENT),
        (0 * DAY, SecretPhase.DEAD),
    ],
)
def test_secret_phases_at_their_edges(left: timedelta, expected: SecretPhase) -> None:
    assert secret_phase(NOW, NOW + left) is expected


def test_a_secret_lives_180_days() -> None:
    assert secret_ends_at(NOW) == NOW + 180 * DAY


@given(left=st.integers(-7200, 7200), wanted=st.integers(0, LONGEST_MIN_TTL_S))
def test_what_is_handed_out_lives_at_least_as_long_as_asked_and_the_margin(
    left: int, wanted: int
) -> None:
    expires_at = NOW + left * SECOND
    assert usable(NOW, expires_at, wanted) == (left >= wanted + 60)


def test_a_fresh_token_meets_the_longest_wish() -> None:
    assert usable(NOW, NOW + ACCESS_TOKEN_LIFE, LONGEST_MIN_TTL_S)
    assert not usable(NOW, NOW + ACCESS_TOKEN_LIFE, LONGEST_MIN_TTL_S + 1)


def test_refreshing_ahead_begins_while_the_token_is_still_usable() -> None:
    assert REFRESH_AHEAD > ACCESS_TOKEN_MARGIN
    expires_at = NOW + REFRESH_AHEAD - SECOND
    assert refresh_ahead(NOW, expires_at)
    assert usable(NOW, expires_at)
    assert not refresh_ahead(NOW, NOW + REFRESH_AHEAD)


@given(st.integers(0, LONGEST_MIN_TTL_S))
def test_ahead_lies_between_unusable_and_brand_new(wanted: int) -> None:
    assert ahead_s(wanted) >= 60 + wanted, "replaced before it has to be"
    assert ahead_s(wanted) <= 3600, "a brand-new token is not replaced at once"
    assert usable(NOW, NOW + ahead_s(wanted) * SECOND, wanted)


@given(st.integers(0, 3 * 366), st.integers(1, 1200))
def test_the_journal_keeps_its_months_and_never_less_than_a_year(days: int, months: int) -> None:
    now = NOW + timedelta(days=days)
    kept_from = journal_kept_from(now, months)
    assert kept_from is not None
    assert kept_from <= now - timedelta(days=366)
    passed = (now.year - kept_from.year) * 12 + now.month - kept_from.month
    assert passed >= max(months, 12)
    assert kept_from >= now - timedelta(days=max(months, 12) * 31 + 4)


def test_the_journal_stays_for_good_unless_somebody_says_otherwise() -> None:
    assert journal_kept_from(NOW, None) is None
    leap_day = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert journal_kept_from(leap_day, 24) == datetime(2026, 2, 28, 12, tzinfo=UTC)
