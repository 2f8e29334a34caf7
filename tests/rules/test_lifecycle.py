"""Every pair of the table, legal and illegal moves with the same firmness."""

from __future__ import annotations

import pytest

from evergrant.rules.lifecycle import (
    FACTS,
    TABLE,
    WISHES,
    Event,
    Moved,
    NotPossible,
    State,
    Stays,
    advance,
    needs_consent,
    serves_tokens,
)

A, L, R, C, W = State.ACTIVE, State.LAPSED, State.REVOKED, State.CLOSED, State.AWAITING

#: Written out a second time, by hand: a slip in the table is no longer a slip of one pen.
EXPECTED = {
    W: {"granted": A, "term_ended": W, "refused": W, "accepted": A, "close": C, "reopen": None},
    A: {"granted": A, "term_ended": L, "refused": R, "accepted": A, "close": C, "reopen": None},
    L: {"granted": A, "term_ended": L, "refused": L, "accepted": A, "close": C, "reopen": None},
    R: {"granted": A, "term_ended": R, "refused": R, "accepted": A, "close": C, "reopen": None},
    C: {"granted": C, "term_ended": C, "refused": C, "accepted": C, "close": None, "reopen": W},
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_pair_is_decided_as_written_here(state: State, event: Event) -> None:
    decision = advance(state, event)
    expected = EXPECTED[state][event.value]
    match decision:
        case Moved(to):
            assert to is expected
        case Stays(why):
            assert expected is state
            assert why
        case NotPossible(why):
            assert expected is None
            assert why


def test_facts_and_wishes_are_all_there_is() -> None:
    assert set(Event) == FACTS | WISHES
    assert not FACTS & WISHES


@pytest.mark.parametrize("event", sorted(FACTS))
def test_a_fact_that_amazon_reports_is_never_refused(event: Event) -> None:
    assert not [state for state in State if isinstance(TABLE[state][event], NotPossible)]


def test_only_our_own_wish_leaves_closed() -> None:
    leaving = {e for e in Event if isinstance(advance(C, e), Moved)}
    assert leaving == {Event.REOPEN}


def test_no_fact_closes_an_account() -> None:
    assert not [(s, e) for s in State for e in FACTS if s is not C and advance(s, e) == Moved(C)]


def test_tokens_are_served_by_active_alone() -> None:
    assert [s for s in State if serves_tokens(s)] == [A]


def test_a_state_serves_or_asks_the_partner_or_is_closed() -> None:
    for state in State:
        assert [serves_tokens(state), needs_consent(state), state is C].count(True) == 1


def test_every_state_but_closed_is_reached_by_facts_and_left_by_a_grant() -> None:
    for state in (W, L, R):
        assert advance(state, Event.GRANTED) == Moved(A)


def test_the_table_cannot_be_changed_by_accident() -> None:
    with pytest.raises(TypeError):
        TABLE[A][Event.REFUSED] = Moved(A)  # type: ignore[index]
