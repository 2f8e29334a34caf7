"""What changed between two reports of marketplaces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.participations import MarketplaceStand, compare, in_words

stands = st.lists(
    st.builds(
        MarketplaceStand,
        marketplace_id=st.sampled_from(["A1PA6795UKMFR9", "A13V1IB3VIYZZH", "A38D8NSA03LJTC"]),
        country_code=st.sampled_from(["DE", ""]),
        participating=st.booleans(),
        suspended=st.booleans(),
    ),
    unique_by=lambda one: one.marketplace_id,
)


def stand(name: str, participating: bool = True, suspended: bool = False) -> MarketplaceStand:
    return MarketplaceStand(
        marketplace_id=f"A{name}",
        country_code=name,
        participating=participating,
        suspended=suspended,
    )


def test_each_kind_of_change() -> None:
    before = [stand("DE"), stand("FR"), stand("IT", suspended=True), stand("ES", False)]
    after = [stand("DE", suspended=True), stand("FR", False), stand("ES"), stand("PL")]
    changes = compare(before, after)
    assert in_words(changes.left) == "FR, IT"
    assert in_words(changes.joined) == "ES, PL"
    assert in_words(changes.suspended) == "DE"
    assert in_words(changes.freed) == "IT"
    assert changes.sentences == (
        "DE: participating, suspended listings",
        "FR: not participating",
        "ES: participating",
        "PL: participating",
        "IT: no longer reported",
    )
    assert changes.is_news


@given(stands)
def test_what_is_seen_for_the_first_time_is_no_news(report: list[MarketplaceStand]) -> None:
    first = compare([], report)
    assert not first.is_news
    assert len(first.sentences) == len(report)
    assert not compare(report, list(reversed(report))).sentences, "order means nothing"


@given(stands, stands)
def test_back_is_the_reverse(one: list[MarketplaceStand], other: list[MarketplaceStand]) -> None:
    there, back = compare(one, other), compare(other, one)
    assert [row.marketplace_id for row in there.left] == [r.marketplace_id for r in back.joined]
    assert [row.marketplace_id for row in there.suspended] == [r.marketplace_id for r in back.freed]
    assert bool(there.sentences) == bool(back.sentences)


def test_a_marketplace_without_a_country_has_a_label() -> None:
    odd = MarketplaceStand(
        marketplace_id="A38D8NSA03LJTC", country_code="", participating=True, suspended=False
    )
    assert in_words([odd]) == "A38D8NSA03LJTC"
