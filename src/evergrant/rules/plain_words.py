"""How an account stands, in one sentence for a person, and what happens next.

Answers for: a sentence for every state of an authorization and every doubt about it. Does not
answer for: what else needs somebody (``attention``) or how it came so far (``way``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from evergrant.rules.attention import URGENT, AccountSigns, LetterFate, Weight
from evergrant.rules.lifecycle import State
from evergrant.rules.reminders import Outlook, day_words, days_left, left_words

__all__ = ["STATE_WORDS", "Status", "status"]

#: One word or two, for tabs and columns.
STATE_WORDS: Mapping[State, str] = MappingProxyType(
    {
        State.AWAITING: "Awaiting consent",
        State.ACTIVE: "Authorized",
        State.LAPSED: "Lapsed",
        State.REVOKED: "Revoked",
        State.CLOSED: "Closed",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """``words`` is one sentence of how it stands; ``next`` one of what comes, or who has to act,
    empty where nobody has to."""

    weight: Weight
    words: str
    next: str = ""

    def __str__(self) -> str:
        return f"{self.words} {self.next}".rstrip()


def status(signs: AccountSigns, outlook: Outlook, now: datetime) -> Status:
    """``outlook``: of `reminders.outlook` for the same authorization."""
    return _OF_STATE[signs.state](signs, outlook, now)


def _awaiting(signs: AccountSigns, outlook: Outlook, now: datetime) -> Status:
    if signs.private:
        return Status(
            weight=Weight.WARM,
            words="Not connected yet: its application is private and has no consent page.",
            next="Authorize it in Amazon's own console and paste the refresh token here.",
        )
    link = signs.link
    if link is None:
        return Status(
            weight=Weight.WARM,
            words="Not connected yet: the selling partner has not been asked.",
            next="Send the link.",
        )
    made = day_words(link.made_at)
    if not link.works(now):
        return Status(
            weight=Weight.WARM,
            words=f"Not connected yet: the link of {made} does not work any more.",
            next="Send a fresh one.",
        )
    return Status(
        weight=Weight.WARM if link.letter is LetterFate.FAILED else Weight.QUIET,
        words=f"Not connected yet: {_link(signs, now)}.",
        next=_awaited(signs),
    )


def _awaited(signs: AccountSigns) -> str:
    link = signs.link
    assert link is not None, "there is one that works"
    if link.opened_at is None and link.letter is LetterFate.FAILED:
        return "Correct the client e-mail, then send it again."
    if link.opened_at is None and link.letter is LetterFate.WAITING:
        return "It leaves with the next round of the post."
    if link.opened_at is None and link.letter is LetterFate.NONE:
        return "Hand it to the selling partner, or send it by mail."
    return f"The selling partner has until {day_words(link.expires_at)} to consent at Amazon."


def _active(signs: AccountSigns, outlook: Outlook, now: datetime) -> Status:
    words = outlook.words or "Authorized."
    if signs.application_trouble:
        return Status(
            weight=Weight.BAD,
            words=words,
            next="Amazon refuses its application, so nothing goes on; the account is not at fault. "
            "See the application.",
        )
    if signs.first_refused_at is not None or signs.probe_doubt:
        said = f" ({signs.probe_doubt.strip().rstrip('.')})" if signs.probe_doubt.strip() else ""
        return Status(
            weight=Weight.WARM,
            words=words,
            next=f"Amazon refused it once{said}; a second look decides.",
        )
    ends_at = signs.term_ends_at
    if ends_at is not None and outlook.next_reminder_at is None and ends_at <= now:
        return Status(
            weight=Weight.BAD,
            words=f"Its term ended on {day_words(ends_at)}.",
            next=f"It lapses with the next round of the watch. {_renewal(signs, now)}",
        )
    if ends_at is not None and ends_at <= now + URGENT:
        return Status(
            weight=Weight.BAD,
            words=f"Authorized until {day_words(ends_at)}, which is "
            f"{left_words(days_left(now, ends_at))}.",
            next=_renewal(signs, now),
        )
    if signs.look_due_at is not None:
        return Status(
            weight=Weight.GOOD, words=words, next="The first look at what it can do is on its way."
        )
    if signs.finding:
        return Status(weight=Weight.WARM, words=words, next=_sentence(signs.finding))
    undated = ends_at is None and (signs.granted_at is None or not signs.private)
    if undated:
        return Status(
            weight=Weight.WARM,
            words=words,
            next="Note the day of consent, or have it renewed: then it is known.",
        )
    return Status(weight=Weight.GOOD, words=words)


def _lapsed(signs: AccountSigns, outlook: Outlook, now: datetime) -> Status:
    ends_at = signs.term_ends_at
    when = (
        f" on {day_words(ends_at)}, {left_words(days_left(now, ends_at))}"
        if ends_at is not None
        else ""
    )
    return Status(
        weight=Weight.BAD,
        words=f"Lapsed{when}: what waits for Amazon waits until it is renewed.",
        next=_renewal(signs, now),
    )


def _revoked(signs: AccountSigns, outlook: Outlook, now: datetime) -> Status:
    when = f" on {day_words(signs.refused_at)}" if signs.refused_at is not None else ""
    said = f": {signs.refused_reason.strip().rstrip('.')}" if signs.refused_reason.strip() else ""
    return Status(
        weight=Weight.BAD,
        words=f"Amazon refused the authorization{when}{said}.",
        next=_renewal(signs, now),
    )


def _closed(signs: AccountSigns, outlook: Outlook, now: datetime) -> Status:
    return Status(
        weight=Weight.QUIET,
        words="Closed: no access tokens are handed out and nothing is sent to Amazon.",
        next="Reopen it to go on.",
    )


_OF_STATE: Mapping[State, Callable[[AccountSigns, Outlook, datetime], Status]] = MappingProxyType(
    {
        State.AWAITING: _awaiting,
        State.ACTIVE: _active,
        State.LAPSED: _lapsed,
        State.REVOKED: _revoked,
        State.CLOSED: _closed,
    }
)


def _renewal(signs: AccountSigns, now: datetime) -> str:
    """Who has to act so that it is renewed."""
    if signs.private:
        return "Authorize it again in Amazon's own console and paste the refresh token here."
    if signs.link is None or not signs.link.works(now):
        return "No renewal link is on its way: send it, or call."
    if signs.link.letter is LetterFate.FAILED and signs.link.opened_at is None:
        return "The mail with the renewal link did not arrive: correct the client e-mail, or call."
    text = _link(signs, now)
    return f"{text[:1].upper()}{text[1:]}: the selling partner has to consent at Amazon."


def _link(signs: AccountSigns, now: datetime) -> str:
    """What became of the newest link, as the beginning of a sentence."""
    link = signs.link
    assert link is not None, "there is one"
    if link.opened_at is not None:
        return f"the link was opened {left_words(days_left(now, link.opened_at))}"
    if link.letter is LetterFate.SENT and link.mailed_at is not None:
        return f"the link was mailed on {day_words(link.mailed_at)} and has not been opened"
    if link.letter is LetterFate.FAILED:
        why = f" ({link.letter_error.strip().rstrip('.')})" if link.letter_error.strip() else ""
        return f"the mail with the link did not arrive{why}"
    if link.letter is LetterFate.WAITING:
        return "the mail with the link is about to leave"
    return f"a link was made on {day_words(link.made_at)} and not mailed"


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text[-1:] in '.!?' else '.'}" if text else ""


def _assert_complete() -> None:
    for words in (STATE_WORDS, _OF_STATE):
        missing = set(State) - set(words)
        if missing:
            raise AssertionError(f"no words for {sorted(missing)}")


_assert_complete()
