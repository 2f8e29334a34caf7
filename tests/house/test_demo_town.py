"""The town of the demo holds what it promises: every state, every region, nobody twice."""

from __future__ import annotations

from collections import Counter

from demo.town import BEGINS
from demo.townsfolk import SHOPS, WAVES
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region, VendorKind
from evergrant.rules.terms import GRANT_TERM

TERM_DAYS = GRANT_TERM.days


def test_nobody_lives_there_twice() -> None:
    assert [name for name, count in Counter(one.name for one in SHOPS).items() if count > 1] == []
    assert 55 <= len(SHOPS) <= 65


def test_all_kinds_and_regions_are_there() -> None:
    assert {one.region for one in SHOPS} == {region.value for region in Region}
    assert {one.kind for one in SHOPS} == {kind.value for kind in PartnerKind}
    assert {one.vendor_kind for one in SHOPS} - {""} == {kind.value for kind in VendorKind}


def test_everybody_lives_where_amazon_has_a_store_of_that_region() -> None:
    for one in SHOPS:
        row = STANDARD.by_country(one.home)
        assert row.region.value == one.region, one.name
        assert row.central(PartnerKind(one.kind)), one.name


def test_some_ends_are_near_and_some_are_over() -> None:
    ends = [
        TERM_DAYS - (one.granted or one.days_ago)
        for one in SHOPS
        if one.way in ("adopt", "consent")
    ]
    assert sum(end < 0 for end in ends) >= 2
    assert sum(0 <= end <= 30 for end in ends) >= 4
    assert len({end // 30 for end in ends if end > 0}) >= 8, "the timeline of the year is full"


def test_each_misfortune_happens_to_somebody() -> None:
    assert {one.later for one in SHOPS} >= {
        "renewed",
        "revoked",
        "closed",
        "bounced",
        "wrong shop",
        "at amazon",
        "refused lines",
        "uncertain",
        "trades",
    }
    assert {one.way for one in SHOPS} == {"consent", "adopt", "asked", "opened", "none"}
    assert any(one.switched_off for one in SHOPS)


def test_time_only_goes_on() -> None:
    assert list(WAVES) == sorted(WAVES, reverse=True)
    assert WAVES[0] == BEGINS
    assert all(one.granted is None or one.granted > one.days_ago for one in SHOPS)
