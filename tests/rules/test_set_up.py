"""How far a house is."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from itertools import product

import pytest

from evergrant.rules.applications import ApplicationKind
from evergrant.rules.set_up import (
    Connecting,
    FurthestApplication,
    HouseFacts,
    HouseNeed,
    SetUp,
    SetUpFacts,
    SetUpMark,
    SetUpStage,
    set_up,
)

AT = datetime(2027, 5, 12, 9, tzinfo=UTC)
NAMELESS = HouseFacts(is_named=False, is_answering=False, is_reachable=False, has_relay=False)
NAMED = HouseFacts(is_named=True, is_answering=True, is_reachable=True, has_relay=True)
APPLICATION = FurthestApplication(
    id="app_1", name="Connect", kind=ApplicationKind.PUBLIC, added_at=AT, secret_set_at=AT
)
ACCOUNT = Connecting(id="acc_1", name="Shop", email="owner@shop.example", added_at=AT)
ASKED = dataclasses.replace(ACCOUNT, asked_at=AT)
CONNECTED = dataclasses.replace(ASKED, is_connected=True, granted_at=AT)
ALL = SetUpFacts(
    house=NAMED,
    is_emulated=False,
    application=APPLICATION,
    instance_at=AT,
    connecting=CONNECTED,
)


def marks(found: SetUp) -> dict[SetUpStage, SetUpMark]:
    return {step.stage: step.mark for step in found.steps}


def test_a_fresh_house_begins_with_itself() -> None:
    found = set_up(SetUpFacts(house=NAMELESS, is_emulated=False))
    assert found.next is SetUpStage.HOUSE
    assert found.done == 0
    assert found.missing == frozenset(HouseNeed)
    assert not any(step.has_begun for step in found.steps)


def test_who_tries_it_with_an_emulator_begins_with_the_application() -> None:
    found = set_up(SetUpFacts(house=NAMELESS, is_emulated=True))
    assert found.next is SetUpStage.APPLICATION
    assert found.missing == frozenset(HouseNeed)


@pytest.mark.parametrize(
    ("facts", "stage"),
    [
        ({"house": dataclasses.replace(NAMED, has_relay=False)}, SetUpStage.HOUSE),
        ({"application": None}, SetUpStage.APPLICATION),
        (
            {"application": dataclasses.replace(APPLICATION, secret_set_at=None)},
            SetUpStage.CREDENTIALS,
        ),
        ({"application": dataclasses.replace(APPLICATION, trouble="no")}, SetUpStage.CREDENTIALS),
        ({"instance_at": None}, SetUpStage.INSTANCE),
        ({"connecting": None}, SetUpStage.ACCOUNT),
        ({"connecting": ACCOUNT}, SetUpStage.ACCOUNT),
        ({"connecting": ASKED}, SetUpStage.CONSENT),
    ],
)
def test_what_is_missing_is_next(facts: dict[str, object], stage: SetUpStage) -> None:
    found = set_up(dataclasses.replace(ALL, **facts))  # type: ignore[arg-type]
    assert found.next is stage
    assert not found.is_over


def test_all_done_is_over() -> None:
    found = set_up(ALL)
    assert found.is_over
    assert found.done == len(SetUpStage)
    assert all(step.at == AT for step in found.steps if step.stage is not SetUpStage.HOUSE)


def test_a_connected_account_needs_no_link_and_no_known_day() -> None:
    adopted = dataclasses.replace(ACCOUNT, is_connected=True)
    found = set_up(dataclasses.replace(ALL, connecting=adopted))
    assert found.is_over
    assert found.steps[-1].at is None


def test_whatever_is_there_exactly_one_step_is_next_or_all_are_done() -> None:
    refused = dataclasses.replace(APPLICATION, trouble="no")
    for house, application, instance_at, connecting, is_emulated in product(
        (NAMELESS, NAMED),
        (None, refused, APPLICATION),
        (None, AT),
        (None, ACCOUNT, ASKED, CONNECTED),
        (False, True),
    ):
        found = set_up(
            SetUpFacts(
                house=house,
                is_emulated=is_emulated,
                application=application,
                instance_at=instance_at,
                connecting=connecting,
            )
        )
        assert [step.stage for step in found.steps] == list(SetUpStage)
        shown = list(marks(found).values())
        assert shown.count(SetUpMark.NEXT) == (0 if found.is_over else 1)
        if not found.is_over:
            at = shown.index(SetUpMark.NEXT)
            assert set(shown[:at]) <= {SetUpMark.DONE}, "nothing before the next is left out"
