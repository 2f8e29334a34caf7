"""What was wished before: money leaves once, and only the last word on a thing counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.wishes import Wish
from evergrant.rules.wishes.earlier import ONCE, Earlier, LineFate, Verdict, judged
from evergrant.rules.wishes.words import as_key

ORDER = "302-1234567-1234567"
STANDING = [
    ChangeState.PENDING,
    ChangeState.IN_FLIGHT,
    ChangeState.ACCEPTED,
    ChangeState.UNCERTAIN,
]


def wish(kind: ChangeKind, key: str = "K", content: Any = 1, marketplace_id: str = "M") -> Wish:
    return Wish(
        kind=kind,
        marketplace_id=marketplace_id,
        subject=ORDER,
        key=key,
        wish={"content": content},
    )


def known(state: ChangeState, content: Any = 1, id: str = "chg_old", **more: Any) -> Earlier:
    facts = {"marketplace_id": "M", "subject": ORDER, **more}
    return Earlier(id=id, state=state, wish={"content": content}, **facts)


def verdict(one: Wish, *earlier: Earlier) -> Verdict:
    (found,) = judged([(1, one)], {(one.kind, one.key): earlier})
    return found


@pytest.mark.parametrize("kind", sorted(ONCE))
@pytest.mark.parametrize("state", STANDING)
def test_what_happens_once_is_not_taken_again(kind: ChangeKind, state: ChangeState) -> None:
    again = verdict(wish(kind), known(state))
    assert (again.fate, again.of) == (LineFate.DUPLICATE, "chg_old")
    for other in (
        wish(kind, content=2),
        wish(kind, marketplace_id="N"),
    ):
        assert verdict(other, known(state)) == Verdict(line=1, fate=LineFate.REFUSED, of="chg_old")
    assert verdict(wish(kind), known(state, subject="other")).fate is LineFate.REFUSED


@pytest.mark.parametrize("kind", sorted(ONCE))
def test_what_amazon_refused_may_be_tried_anew(kind: ChangeKind) -> None:
    refused = known(ChangeState.REFUSED)
    assert verdict(wish(kind), refused).fate is LineFate.TAKEN
    assert verdict(wish(kind, content=2), refused).fate is LineFate.TAKEN
    # But not when it was tried anew already.
    assert verdict(wish(kind), refused, known(ChangeState.PENDING, id="chg_b")).of == "chg_b"
    assert verdict(wish(kind), known(ChangeState.PENDING, id="chg_b"), refused).of == "chg_b"


@pytest.mark.parametrize("kind", sorted(ONCE))
def test_within_one_batch_the_first_one_counts(kind: ChangeKind) -> None:
    same, other = wish(kind), wish(kind, content=2)
    found = judged([(1, same), (2, same), (3, other), (4, wish(kind, "L"))], {})
    assert [(one.fate, one.of_line) for one in found] == [
        (LineFate.TAKEN, 0),
        (LineFate.DUPLICATE, 1),
        (LineFate.REFUSED, 1),
        (LineFate.TAKEN, 0),
    ]


@pytest.mark.parametrize("kind", sorted(frozenset(ChangeKind) - ONCE))
def test_of_what_is_to_be_so_the_last_line_counts(kind: ChangeKind) -> None:
    found = judged(
        [(1, wish(kind)), (2, wish(kind, marketplace_id="N")), (3, wish(kind, content=2))], {}
    )
    assert [(one.fate, one.of_line) for one in found] == [
        (LineFate.SUPERSEDED, 3),
        (LineFate.TAKEN, 0),
        (LineFate.TAKEN, 0),
    ]


def test_a_package_is_corrected_while_an_older_one_waits() -> None:
    kind = ChangeKind.SHIPMENT
    found = verdict(
        wish(kind, content=2),
        known(ChangeState.ACCEPTED, id="chg_a"),
        known(ChangeState.PENDING, id="chg_b"),
        known(ChangeState.PENDING, id="chg_c", marketplace_id="N"),
    )
    assert found == Verdict(
        line=1,
        fate=LineFate.TAKEN,
    )


def test_only_the_newest_package_makes_a_duplicate() -> None:
    kind = ChangeKind.SHIPMENT
    first = known(ChangeState.ACCEPTED, 1, "chg_a")
    assert verdict(wish(kind), first).of == "chg_a"
    then = known(ChangeState.ACCEPTED, 2, "chg_b")
    assert verdict(wish(kind), first, then).fate is LineFate.TAKEN
    assert verdict(wish(kind), known(ChangeState.REFUSED)).fate is LineFate.TAKEN


@pytest.mark.parametrize("kind", [ChangeKind.STOCK, ChangeKind.PRICE])
def test_stock_and_price_are_said_as_often_as_wished(kind: ChangeKind) -> None:
    assert verdict(wish(kind), known(ChangeState.ACCEPTED)).fate is LineFate.TAKEN


STATES = st.sampled_from([*STANDING, ChangeState.REFUSED])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(ChangeKind)),
            st.sampled_from("KL"),
            st.integers(1, 2),
            st.sampled_from("MN"),
        ),
        max_size=12,
    ),
    st.dictionaries(
        st.tuples(st.sampled_from(sorted(ChangeKind)), st.sampled_from("KL")),
        st.lists(st.tuples(STATES, st.integers(1, 2)), max_size=3),
        max_size=6,
    ),
)
def test_no_deed_is_ever_taken_twice(
    lines: list[tuple[ChangeKind, str, int, str]],
    before: dict[tuple[ChangeKind, str], list[tuple[ChangeState, int]]],
) -> None:
    wishes = [
        (number, wish(kind, key, content, marketplace_id))
        for number, (kind, key, content, marketplace_id) in enumerate(lines, 1)
    ]
    earlier = {
        slot: [known(state, content, f"chg_{n}") for n, (state, content) in enumerate(several)]
        for slot, several in before.items()
    }
    verdicts = judged(wishes, earlier)
    assert [one.line for one in verdicts] == [line for line, _ in wishes]
    taken = [dict(wishes)[one.line] for one in verdicts if one.fate is LineFate.TAKEN]
    deeds = [(one.kind, one.key) for one in taken if one.kind in ONCE]
    assert len(deeds) == len(set(deeds))
    for deed in deeds:
        assert all(one.state is ChangeState.REFUSED for one in earlier.get(deed, []))
    slots = [(one.kind, one.key, one.marketplace_id) for one in taken]
    assert len(slots) == len(set(slots))
    # And of every thing that is to be so, the last word is taken, or known already.
    last = {(one.kind, one.key, one.marketplace_id): line for line, one in wishes}
    fates = {one.line: one.fate for one in verdicts}
    for (kind, _, _), line in last.items():
        if kind not in ONCE:
            assert fates[line] in (LineFate.TAKEN, LineFate.DUPLICATE)


# --- one name, written in many ways -------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        "rma-7 \N{LATIN SMALL LETTER E WITH ACUTE}",
        " RMA-7 E\N{COMBINING ACUTE ACCENT} ",
        "\N{FULLWIDTH LATIN CAPITAL LETTER R}MA-\N{FULLWIDTH DIGIT SEVEN}\u00e9",
        "R\N{CYRILLIC CAPITAL LETTER EM}\N{GREEK CAPITAL LETTER ALPHA}-7\u00c9",
        "RMA\N{NON-BREAKING HYPHEN}7\u00e9",
        "RMA\N{EN DASH}7\u00e9",
        "RMA-7\N{VARIATION SELECTOR-16}\u00e9",
    ],
)
def test_a_reference_in_another_spelling_is_the_same(other: str) -> None:
    assert as_key(other) == as_key("RMA-7\u00e9")


def test_other_references_are_others() -> None:
    names = ["RMA-7", "RMA-8", "RMA-71", "RMA7", "RM-A7", "\u4e00", "\u4e8c", "\u00df1", "7-RMA"]
    assert len({as_key(one) for one in names}) == len(names)
    assert as_key("R-2026/17") == "R-2026/17"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30))
def test_case_alone_makes_no_other_key(name: str) -> None:
    assert as_key(name.swapcase()) == as_key(name)
    assert as_key(as_key(name)) == as_key(name)
