"""One sentence for every state and doubt, as a table."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evergrant.rules import attention as a
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.attention import AccountSigns, Weight
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.plain_words import STATE_WORDS, status
from evergrant.rules.reminders import outlook

NOW = datetime(2027, 3, 15, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOWS = (30, 23, 16, 9, 2, 0)
LINK = a.LinkSigns(
    made_at=NOW - DAY,
    expires_at=NOW + 13 * DAY,
    open=True,
    letter=a.LetterFate.SENT,
    mailed_at=NOW - DAY,
)


def link(**values: Any) -> a.LinkSigns:
    return dataclasses.replace(LINK, **values)


ACTIVE: dict[str, Any] = {
    "state": State.ACTIVE,
    "granted_at": NOW - 307 * DAY,
    "term_ends_at": datetime(2027, 5, 12, tzinfo=UTC),
}
AWAITING: dict[str, Any] = {"state": State.AWAITING}
LAPSED: dict[str, Any] = {"state": State.LAPSED, "term_ends_at": NOW - 3 * DAY}
REVOKED: dict[str, Any] = {"state": State.REVOKED, "refused_at": NOW - 2 * DAY}
CONSENT = "The selling partner has until 28 March 2027 to consent at Amazon."
LOST = "The mail with the renewal link did not arrive: correct the client e-mail, or call."

CASES: list[tuple[dict[str, Any], Weight, str]] = [
    # Consent was never given.
    (
        AWAITING,
        Weight.WARM,
        "Not connected yet: the selling partner has not been asked. Send the link.",
    ),
    (
        {**AWAITING, "private": True},
        Weight.WARM,
        (
            "Not connected yet: its application is private and has no consent page. Authorize "
            "it in Amazon's own console and paste the refresh token here."
        ),
    ),
    (
        {**AWAITING, "link": LINK},
        Weight.QUIET,
        "Not connected yet: the link was mailed on 14 March 2027 and has not been opened. "
        + CONSENT,
    ),
    (
        {**AWAITING, "link": link(opened_at=NOW)},
        Weight.QUIET,
        "Not connected yet: the link was opened today. " + CONSENT,
    ),
    (
        {**AWAITING, "link": link(letter=a.LetterFate.WAITING, mailed_at=None)},
        Weight.QUIET,
        (
            "Not connected yet: the mail with the link is about to leave. It leaves with the "
            "next round of the post."
        ),
    ),
    (
        {
            **AWAITING,
            "link": link(
                letter=a.LetterFate.FAILED, letter_error="550 no such user.", mailed_at=None
            ),
        },
        Weight.WARM,
        (
            "Not connected yet: the mail with the link did not arrive (550 no such user). "
            "Correct the client e-mail, then send it again."
        ),
    ),
    (
        {**AWAITING, "link": link(letter=a.LetterFate.NONE, mailed_at=None)},
        Weight.QUIET,
        (
            "Not connected yet: a link was made on 14 March 2027 and not mailed. Hand it to the"
            " selling partner, or send it by mail."
        ),
    ),
    (
        {**AWAITING, "link": link(expires_at=NOW)},
        Weight.WARM,
        "Not connected yet: the link of 14 March 2027 does not work any more. Send a fresh one.",
    ),
    # The grant works.
    (
        ACTIVE,
        Weight.GOOD,
        "Authorized until 12 May 2027; the first renewal mail goes out on 12 April.",
    ),
    (
        {**ACTIVE, "term_ends_at": NOW + 20 * DAY},
        Weight.GOOD,
        "Authorized until 4 April 2027; the next renewal mail goes out on 19 March.",
    ),
    (
        {**ACTIVE, "term_ends_at": NOW + 5 * DAY, "link": LINK},
        Weight.BAD,
        (
            "Authorized until 20 March 2027, which is in 5 days. The link was mailed on 14 "
            "March 2027 and has not been opened: the selling partner has to consent at Amazon."
        ),
    ),
    (
        {**ACTIVE, "term_ends_at": NOW + 5 * DAY},
        Weight.BAD,
        (
            "Authorized until 20 March 2027, which is in 5 days. No renewal link is on its way:"
            " send it, or call."
        ),
    ),
    (
        {**ACTIVE, "term_ends_at": NOW - timedelta(minutes=1)},
        Weight.BAD,
        (
            "Its term ended on 15 March 2027. It lapses with the next round of the watch. No "
            "renewal link is on its way: send it, or call."
        ),
    ),
    (
        {**ACTIVE, "term_ends_at": None, "private": True},
        Weight.GOOD,
        (
            "Authorized since 12 May 2026; Amazon states no end. Operators are reminded of its "
            "age on 12 April 2027."
        ),
    ),
    (
        {**ACTIVE, "term_ends_at": None, "granted_at": None},
        Weight.WARM,
        (
            "Nobody knows when it ends, so nobody can be reminded in time. Note the day of "
            "consent, or have it renewed: then it is known."
        ),
    ),
    (
        {**ACTIVE, "look_due_at": NOW},
        Weight.GOOD,
        (
            "Authorized until 12 May 2027; the first renewal mail goes out on 12 April. The "
            "first look at what it can do is on its way."
        ),
    ),
    (
        {**ACTIVE, "finding": "no marketplace takes part"},
        Weight.WARM,
        (
            "Authorized until 12 May 2027; the first renewal mail goes out on 12 April. No "
            "marketplace takes part."
        ),
    ),
    (
        {**ACTIVE, "first_refused_at": NOW},
        Weight.WARM,
        (
            "Authorized until 12 May 2027; the first renewal mail goes out on 12 April. Amazon "
            "refused it once; a second look decides."
        ),
    ),
    (
        {**ACTIVE, "probe_doubt": "invalid_grant"},
        Weight.WARM,
        (
            "Authorized until 12 May 2027; the first renewal mail goes out on 12 April. Amazon "
            "refused it once (invalid_grant); a second look decides."
        ),
    ),
    (
        {**ACTIVE, "application_trouble": "invalid_client"},
        Weight.BAD,
        (
            "Authorized until 12 May 2027; the first renewal mail goes out on 12 April. Amazon "
            "refuses its application, so nothing goes on; the account is not at fault. See the "
            "application."
        ),
    ),
    # It does not.
    (
        LAPSED,
        Weight.BAD,
        (
            "Lapsed on 12 March 2027, 3 days ago: what waits for Amazon waits until it is "
            "renewed. No renewal link is on its way: send it, or call."
        ),
    ),
    (
        {**LAPSED, "term_ends_at": None},
        Weight.BAD,
        (
            "Lapsed: what waits for Amazon waits until it is renewed. No renewal link is on its"
            " way: send it, or call."
        ),
    ),
    (
        {**LAPSED, "link": link(letter=a.LetterFate.FAILED, mailed_at=None)},
        Weight.BAD,
        (
            "Lapsed on 12 March 2027, 3 days ago: what waits for Amazon waits until it is "
            f"renewed. {LOST}"
        ),
    ),
    (
        {**LAPSED, "private": True},
        Weight.BAD,
        (
            "Lapsed on 12 March 2027, 3 days ago: what waits for Amazon waits until it is "
            "renewed. Authorize it again in Amazon's own console and paste the refresh token "
            "here."
        ),
    ),
    (
        {**REVOKED, "refused_reason": "the user took it back."},
        Weight.BAD,
        (
            "Amazon refused the authorization on 13 March 2027: the user took it back. No "
            "renewal link is on its way: send it, or call."
        ),
    ),
    (
        {"state": State.REVOKED, "link": link(opened_at=NOW - 2 * DAY)},
        Weight.BAD,
        (
            "Amazon refused the authorization. The link was opened 2 days ago: the selling "
            "partner has to consent at Amazon."
        ),
    ),
    (
        {"state": State.CLOSED},
        Weight.QUIET,
        (
            "Closed: no access tokens are handed out and nothing is sent to Amazon. Reopen it "
            "to go on."
        ),
    ),
]


@pytest.mark.parametrize(("known", "weight", "words"), CASES)
def test_one_sentence_and_what_comes(known: dict[str, Any], weight: Weight, words: str) -> None:
    signs = AccountSigns(partner_kind=PartnerKind.SELLER, **known)
    kind = ApplicationKind.PRIVATE if signs.private else ApplicationKind.PUBLIC
    ahead = outlook(
        NOW,
        state=signs.state,
        kind=kind,
        granted_at=signs.granted_at,
        term_ends_at=signs.term_ends_at,
        windows=WINDOWS,
    )
    found = status(signs, ahead, NOW)
    assert str(found) == words
    assert found.weight is weight
    assert words.count("..") == 0


def test_every_state_has_words_and_a_case() -> None:
    assert set(STATE_WORDS) == set(State)
    assert {known["state"] for known, _, _ in CASES} == set(State)
