"""How far a house is on its way from nothing to the first connected account.

Answers for: the steps of the set-up, which of them are done, and which one is next. Nothing of it
is ever stored: it follows from what is there, so it is right after any detour. Does not answer for:
gathering what is there, or for where a step is done (the console).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from evergrant.rules.applications import ApplicationKind

__all__ = [
    "Connecting",
    "FurthestApplication",
    "HouseFacts",
    "HouseNeed",
    "SetUp",
    "SetUpFacts",
    "SetUpMark",
    "SetUpStage",
    "SetUpStep",
    "set_up",
]


class SetUpStage(StrEnum):
    HOUSE = "house"
    APPLICATION = "application"
    CREDENTIALS = "credentials"
    INSTANCE = "instance"
    ACCOUNT = "account"
    CONSENT = "consent"


class SetUpMark(StrEnum):
    DONE = "done"
    NEXT = "next"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseFacts:
    """What the settings say. ``is_named``: the house's name is no stand-in; ``is_answering``: nor
    is the address of Dev Support, to which customers turn. ``is_reachable``: the public address is
    https and no address of this machine alone."""

    is_named: bool
    is_answering: bool
    is_reachable: bool
    has_relay: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FurthestApplication:
    """The application that is furthest. ``trouble``: why Login with Amazon refuses it, in words;
    empty where it does not, as far as anybody asked."""

    id: str
    name: str
    kind: ApplicationKind
    added_at: datetime
    secret_set_at: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """The account that is furthest. ``asked_at``: its link was made; ``granted_at``: there is a
    grant, of which the day may be unknown (``is_connected`` says whether there is one)."""

    id: str
    name: str
    email: str
    added_at: datetime
    asked_at: datetime | None = None
    is_connected: bool = False
    granted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUpFacts:
    """``is_emulated``: the house speaks with an emulator instead of Amazon, so nothing has to be
    reachable from outside and no mail has to leave."""

    house: HouseFacts
    is_emulated: bool
    application: FurthestApplication | None = None
    instance_at: datetime | None = None
    connecting: Connecting | None = None


class HouseNeed(StrEnum):
    """What a house has to say of itself before customers meet it."""

    NAME = "name"
    SUPPORT = "support"
    ADDRESS = "address"
    MAIL = "mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUpStep:
    """``at``: when it was done, where anybody knows. ``has_begun``: something of it is there."""

    stage: SetUpStage
    mark: SetUpMark
    at: datetime | None = None
    has_begun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """``missing``: of the house, in the order of the page."""

    steps: Sequence[SetUpStep]
    missing: frozenset[HouseNeed]

    @property
    def next(self) -> SetUpStage | None:
        """None: all is done."""
        return next((one.stage for one in self.steps if one.mark is SetUpMark.NEXT), None)

    @property
    def done(self) -> int:
        return sum(one.mark is SetUpMark.DONE for one in self.steps)

    @property
    def is_over(self) -> bool:
        return self.next is None


def set_up(facts: SetUpFacts) -> SetUp:
    """Steps may be done in any order: a step that is done stays so whatever is before it, and the
    first one that is not is the next."""
    missing = _missing(facts.house)
    found: list[SetUpStep] = []
    is_next_found = False
    for stage in SetUpStage:
        is_done, at, has_begun = _standing(stage, facts, missing)
        mark = SetUpMark.DONE if is_done else SetUpMark.LATER if is_next_found else SetUpMark.NEXT
        is_next_found = is_next_found or mark is SetUpMark.NEXT
        found.append(
            SetUpStep(stage=stage, mark=mark, at=at if is_done else None, has_begun=has_begun)
        )
    return SetUp(steps=tuple(found), missing=missing)


def _missing(house: HouseFacts) -> frozenset[HouseNeed]:
    said = {
        HouseNeed.NAME: house.is_named,
        HouseNeed.SUPPORT: house.is_answering,
        HouseNeed.ADDRESS: house.is_reachable,
        HouseNeed.MAIL: house.has_relay,
    }
    return frozenset(need for need, is_met in said.items() if not is_met)


def _standing(
    stage: SetUpStage, facts: SetUpFacts, missing: frozenset[HouseNeed]
) -> tuple[bool, datetime | None, bool]:
    """Whether it is done, when, and whether it was begun."""
    application, connecting = facts.application, facts.connecting
    match stage:
        case SetUpStage.HOUSE:
            # Who only looks around is not kept from going on by a relay that he has no use for.
            return not missing or facts.is_emulated, None, len(missing) < len(HouseNeed)
        case SetUpStage.APPLICATION:
            at = application.added_at if application else None
            return application is not None, at, application is not None
        case SetUpStage.CREDENTIALS:
            at = application.secret_set_at if application else None
            is_taken = application is not None and at is not None and not application.trouble
            return is_taken, at, at is not None
        case SetUpStage.INSTANCE:
            return facts.instance_at is not None, facts.instance_at, facts.instance_at is not None
        case SetUpStage.ACCOUNT:
            if connecting is None:
                return False, None, False
            is_asked = connecting.asked_at is not None or connecting.is_connected
            return is_asked, connecting.asked_at or connecting.added_at, True
        case SetUpStage.CONSENT:
            if connecting is None or not connecting.is_connected:
                return False, None, connecting is not None
            return True, connecting.granted_at, True
