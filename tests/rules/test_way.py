"""The way of an account: what happened, where it stands, what comes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evergrant.rules import attention as a
from evergrant.rules.attention import AccountSigns
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.way import (
    AHEAD,
    MOST_STEPS,
    Attempt,
    Happened,
    Mark,
    Stage,
    Step,
    Trail,
    Way,
    way,
)

NOW = datetime(2027, 3, 15, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
START = NOW - 2 * DAY

LINK = a.LinkSigns(
    made_at=START + HOUR,
    expires_at=START + 14 * DAY,
    open=True,
    letter=a.LetterFate.SENT,
    mailed_at=START + HOUR,
)
TO = {"to": "anna@shop.example", "topic": "invitation"}


def trail(*lines: tuple[float, str, dict[str, Any]], **values: Any) -> Trail:
    """``lines``: hours after the start, verb, facts."""
    facts = {
        name: values.pop(name)
        for name in ("attempts", "checked_at", "first_feed_at")
        if name in values
    }
    signs = AccountSigns(**{"state": State.AWAITING, "partner_kind": PartnerKind.SELLER, **values})
    return Trail(
        signs=signs,
        created_at=START,
        happened=[
            Happened(at=START + hours * HOUR, verb=verb, who="Grace", facts=told)
            for hours, verb, told in lines
        ],
        **facts,
    )


def stages(found: Way, mark: Mark) -> list[Stage]:
    return [step.stage for step in found.steps if step.mark is mark]


def words(steps: Sequence[Step]) -> list[str]:
    return [step.words for step in steps]


ADDED = (0.0, "account.added", dict[str, Any]())
MADE = (1.0, "invitation.made", dict[str, Any]())
SENT = (1.1, "letter.sent", TO)
OPENED = (5.0, "invitation.opened", dict[str, Any]())
BEGUN = (6.0, "handshake.begun", dict[str, Any]())
GRANTED = (6.2, "authorization.granted", {"source": "consent"})
ATTEMPT = Attempt(begun_at=START + 6 * HOUR, expires_at=START + 7 * HOUR)
BACK = dataclasses.replace(ATTEMPT, back_at=START + 6.1 * HOUR)
DONE = dataclasses.replace(BACK, ended_at=START + 6.2 * HOUR)


def test_the_whole_way_to_the_first_feed() -> None:
    found = way(
        trail(
            ADDED, MADE, SENT, OPENED, BEGUN, GRANTED,
            state=State.ACTIVE, attempts=[DONE],
            checked_at=START + 6.3 * HOUR, first_feed_at=START + 7 * HOUR,
        ),
        NOW,
    )  # fmt: skip
    assert [step.stage for step in found.steps] == [
        Stage.CREATED, Stage.LINK_MADE, Stage.MAIL_SENT, Stage.OPENED, Stage.AT_AMAZON, Stage.BACK,
        Stage.DONE, Stage.LOOKED_AT, Stage.FIRST_FEED,
    ]  # fmt: skip
    assert {step.mark for step in found.steps} == {Mark.DONE}
    instants = [step.at for step in found.steps if step.at]
    assert len(instants) == len(found.steps)
    assert instants == sorted(instants)
    assert found.steps[0].who == "Grace"
    assert found.steps[2].words == "Link sent to anna@shop.example"
    assert found.steps[7].words == "Looked at: all well"
    assert found.next.startswith("Nothing has to be done")
    assert found.stands_at is None


ONWARD = list(AHEAD)

# (trail, where it stands, a part of what comes)
STANDING: list[tuple[Trail, Stage | None, str]] = [
    (trail(ADDED), Stage.LINK_MADE, "Send the link, or copy it."),
    (trail(ADDED, private=True), Stage.DONE, "paste the refresh token"),
    (
        trail(ADDED, MADE, link=dataclasses.replace(LINK, letter=a.LetterFate.WAITING)),
        Stage.MAIL_SENT,
        "look at the mail relay and the worker",
    ),
    (
        trail(ADDED, MADE, (1.2, "letter.failed", {**TO, "error": "550"}),
              link=dataclasses.replace(LINK, letter=a.LetterFate.FAILED, letter_error="550.")),
        Stage.MAIL_SENT,
        "The mail did not get through: 550. Correct the client e-mail",
    ),
    (
        trail(ADDED, MADE, link=dataclasses.replace(LINK, letter=a.LetterFate.NONE)),
        Stage.OPENED,
        "nobody has mailed it",
    ),
    (trail(ADDED, MADE, SENT, link=LINK), Stage.OPENED, "If nothing happens by 16 March 2027"),
    (
        trail(ADDED, MADE, SENT, link=dataclasses.replace(LINK, mailed_at=NOW - 3 * DAY)),
        Stage.OPENED,
        "call, and go through it together",
    ),
    (
        trail(ADDED, MADE, SENT, OPENED, link=dataclasses.replace(LINK, opened_at=NOW)),
        Stage.AT_AMAZON,
        "has to press its button",
    ),
    (
        trail(ADDED, MADE, SENT, OPENED, BEGUN, link=dataclasses.replace(LINK, opened_at=NOW),
              attempts=[dataclasses.replace(ATTEMPT, begun_at=NOW - HOUR, expires_at=NOW + HOUR)]),
        Stage.BACK,
        "ask for the code",
    ),
    (  # The attempt is too old: the same link begins another one.
        trail(ADDED, MADE, SENT, OPENED, BEGUN, link=dataclasses.replace(LINK, opened_at=NOW),
              attempts=[ATTEMPT]),
        Stage.AT_AMAZON,
        "has to press its button",
    ),
    (
        trail(ADDED, MADE, SENT, OPENED, BEGUN, link=dataclasses.replace(LINK, opened_at=NOW),
              attempts=[BACK]),
        Stage.DONE,
        "takes seconds",
    ),
    (
        trail(ADDED, MADE, SENT, OPENED, BEGUN,
              (6.2, "consent.refused", {"reason": "declined", "reference": "AB-12"}),
              link=dataclasses.replace(LINK, opened_at=NOW), attempts=[DONE]),
        Stage.AT_AMAZON,
        "See the report",
    ),
    (
        trail(ADDED, MADE, SENT, link=dataclasses.replace(LINK, expires_at=NOW)),
        Stage.LINK_MADE,
        "The link of 13 March 2027 does not work any more: send a fresh one.",
    ),
    (trail(ADDED, GRANTED, state=State.ACTIVE, look_due_at=NOW), Stage.LOOKED_AT, "by itself"),
    (
        trail(ADDED, GRANTED, state=State.ACTIVE, checked_at=NOW),
        Stage.FIRST_FEED,
        "as soon as a program or a file brings some",
    ),
    (
        trail(ADDED, GRANTED, (9, "authorization.lapsed", {}), state=State.LAPSED,
              first_feed_at=START + 8 * HOUR),
        Stage.LINK_MADE,
        "Send the link",
    ),
    (trail(ADDED, (3, "account.closed", {}), state=State.CLOSED), None, "Reopen it"),
]  # fmt: skip


@pytest.mark.parametrize(("known", "stage", "comes"), STANDING)
def test_where_it_stands_and_what_comes(known: Trail, stage: Stage | None, comes: str) -> None:
    found = way(known, NOW)
    assert comes in found.next
    assert found.next.endswith(".")
    if stage is None:
        assert found.stands_at is None
        return
    assert found.stands_at is not None
    assert found.stands_at.stage is stage
    ahead = [stage, *stages(found, Mark.AHEAD)]
    # What is to come are the stages behind it, none of them left out but a first feed that was.
    rest = ONWARD[ONWARD.index(stage) :]
    if known.signs.private:
        rest = [one for one in rest if one in (Stage.DONE, Stage.LOOKED_AT, Stage.FIRST_FEED)]
    if known.first_feed_at is not None:
        rest.remove(Stage.FIRST_FEED)
    assert ahead == rest
    assert all(step.at is None for step in found.steps if step.mark in (Mark.NOW, Mark.AHEAD))


@pytest.mark.parametrize(
    ("state", "fate", "error", "said"),
    [
        (State.AWAITING, a.LetterFate.WAITING, "", "Link is being sent"),
        (
            State.AWAITING,
            a.LetterFate.WAITING,
            "The relay is away.",
            "Link is being sent; so far: The relay is away",
        ),
        (State.LAPSED, a.LetterFate.WAITING, "", "Renewal link is being sent"),
        (State.AWAITING, a.LetterFate.FAILED, "550", "Link sent again"),
        (State.REVOKED, a.LetterFate.FAILED, "550", "Renewal link sent again"),
    ],
)
def test_a_mail_is_called_sent_when_it_has_left_and_not_before(
    state: State, fate: a.LetterFate, error: str, said: str
) -> None:
    waits = dataclasses.replace(LINK, letter=fate, letter_error=error, mailed_at=None)
    asked_for = (1.0, "invitation.mailed", dict[str, Any]())
    found = way(trail(ADDED, MADE, asked_for, link=waits, state=state), NOW)
    assert found.stands_at is not None
    assert (found.stands_at.stage, found.stands_at.words) == (Stage.MAIL_SENT, said)
    assert Stage.MAIL_SENT not in stages(found, Mark.DONE)
    assert not [one for one in words(found.steps) if "mailed" in one.lower()]
    left = dataclasses.replace(waits, letter=a.LetterFate.SENT, mailed_at=NOW)
    found = way(trail(ADDED, MADE, asked_for, SENT, link=left, state=state), NOW)
    assert Stage.MAIL_SENT in stages(found, Mark.DONE)
    assert found.stands_at is not None
    assert found.stands_at.stage is Stage.OPENED


@pytest.mark.parametrize(
    ("topic", "what"),
    [
        ("invitation", "Link"),
        ("renewal", "Renewal link"),
        ("authorization_ending", "Reminder with a renewal link"),
    ],
)
def test_a_mail_that_could_not_be_sent_says_why_and_so_does_one_that_came_back(
    topic: str, what: str
) -> None:
    to = {**TO, "topic": topic}
    found = way(
        trail(
            ADDED,
            MADE,
            (2, "letter.failed", {**to, "error": "The relay is away."}),
            (3, "letter.bounced", {**to, "reason": "no such user."}),
        ),
        NOW,
    )
    assert [step.words for step in found.steps if step.mark is Mark.FAILED] == [
        f"{what} could not be sent to anna@shop.example: The relay is away",
        "The mail to anna@shop.example did not arrive: no such user",
    ]


def test_what_went_wrong_is_marked_with_its_reference() -> None:
    found = way(
        trail(
            ADDED,
            MADE,
            (2, "letter.bounced", {**TO, "reason": "no such user."}),
            (3, "consent.refused", {"reason": "declined", "reference": "AB-12"}),
            (4, "consent.refused", {"reason": "never heard of", "reference": "CD-34"}),
            (5, "invitation.declined", {}),
        ),
        NOW,
    )
    failed = [step for step in found.steps if step.mark is Mark.FAILED]
    assert [step.stage for step in failed] == [
        Stage.BOUNCED,
        Stage.FAILED,
        Stage.FAILED,
        Stage.DECLINED,
    ]
    assert failed[0].words == "The mail to anna@shop.example did not arrive: no such user"
    assert [step.reference for step in failed] == ["", "AB-12", "CD-34", ""]
    assert failed[2].words == "It did not work"


def test_letters_to_operators_are_no_steps() -> None:
    found = way(trail(ADDED, (2, "letter.sent", {"topic": "support_report", "to": "x@y.z"})), NOW)
    assert Stage.MAIL_SENT not in stages(found, Mark.DONE)
    unknown = way(trail(ADDED, (2, "feeds.paused", {})), NOW)
    assert len(stages(unknown, Mark.DONE)) == 1


def test_a_journal_that_was_purged_still_begins_somewhere() -> None:
    found = way(trail(GRANTED, state=State.ACTIVE), NOW)
    assert found.steps[0].stage is Stage.CREATED
    assert found.steps[0].at == START


def test_renewals_are_told_and_a_long_story_is_cut_in_the_middle() -> None:
    lines = [(hour / 10, "authorization.renewed", {"source": "consent"}) for hour in range(1, 99)]
    found = way(trail(ADDED, GRANTED, *lines, state=State.ACTIVE, first_feed_at=NOW), NOW)
    assert len(found.steps) == MOST_STEPS
    assert found.steps[0].stage is Stage.CREATED
    assert found.steps[-1].stage is Stage.FIRST_FEED
    assert "Authorized again" in words(found.steps)


def test_adopted_ones_say_so() -> None:
    found = way(
        trail(
            ADDED,
            (1, "authorization.granted", {"source": "adopted"}),
            (2, "authorization.renewed", {"source": "adopted"}),
            state=State.ACTIVE,
            checked_at=NOW,
            finding="no marketplace",
        ),
        NOW,
    )
    assert words(found.steps)[1:4] == [
        "Refresh token adopted",
        "Another refresh token adopted",
        "Looked at: no marketplace",
    ]
