"""How an account came where it is, step by step, and what comes next.

Answers for: the steps that are worth showing, in the order in which they happened, those that are
still ahead, and a sentence for whoever waits. Does not answer for: gathering what happened (the
gallery reads it from the journal), or for names of those who did it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from evergrant.rules.attention import SILENT_AFTER, AccountSigns, LetterFate
from evergrant.rules.invitations import REFUSALS, Refusal
from evergrant.rules.lifecycle import State
from evergrant.rules.reminders import day_words

__all__ = [
    "AHEAD",
    "MOST_STEPS",
    "VERBS",
    "Attempt",
    "Happened",
    "Mark",
    "Stage",
    "Step",
    "Trail",
    "Way",
    "way",
]

#: Of an account with a long story the newest are shown, and always its beginning.
MOST_STEPS = 40


class Stage(StrEnum):
    CREATED = "created"
    LINK_MADE = "link_made"
    LINK_COPIED = "link_copied"
    MAIL_SENT = "mail_sent"
    MAIL_DELAYED = "mail_delayed"
    BOUNCED = "bounced"
    OPENED = "opened"
    DECLINED = "declined"
    AT_AMAZON = "at_amazon"
    LOGGED_IN = "logged_in"
    BACK = "back"
    FAILED = "failed"
    DONE = "done"
    LOOKED_AT = "looked_at"
    FIRST_FEED = "first_feed"
    RENEWED = "renewed"
    REMINDED = "reminded"
    LAPSED = "lapsed"
    REVOKED = "revoked"
    REINSTATED = "reinstated"
    CLOSED = "closed"
    REOPENED = "reopened"


class Mark(StrEnum):
    DONE = "done"
    FAILED = "failed"
    NOW = "now"  # it stands here
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One line of the journal, as far as the way tells of it. ``who``: as people name them."""

    at: datetime
    verb: str
    who: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at consent, as its handshake tells: ``back_at`` when Amazon's answer came."""

    begun_at: datetime
    expires_at: datetime
    back_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """All that is known of one account's way."""

    signs: AccountSigns
    created_at: datetime
    happened: Sequence[Happened] = ()
    attempts: Sequence[Attempt] = ()
    checked_at: datetime | None = None
    first_feed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``words`` is what happened, or will; ``at`` None: it has not. ``reference``: of the support
    report, where it failed."""

    stage: Stage
    mark: Mark
    words: str
    at: datetime | None = None
    who: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """``next``: what comes, and what helps if it stands still."""

    steps: tuple[Step, ...]
    next: str

    @property
    def stands_at(self) -> Step | None:
        """The step at which it stands; None: there is none before which somebody waits."""
        return next((step for step in self.steps if step.mark is Mark.NOW), None)


def way(trail: Trail, now: datetime) -> Way:
    past = _cut(_past(trail))
    ahead = tuple(_ahead(trail, past, now))
    return Way(steps=(*past, *ahead), next=_next(trail, past, now))


# --- what happened -------------------------------------------------------------------------------

#: Letters that bring a link.
_WITH_LINK = frozenset({"invitation", "renewal", "authorization_ending"})


_LETTERS: Mapping[str, str] = MappingProxyType(
    {"authorization_ending": "Reminder with a renewal link", "renewal": "Renewal link"}
)


def _what(line: Happened) -> str:
    return _LETTERS.get(str(line.facts.get("topic", "")), "Link")


def _mail_sent(line: Happened) -> tuple[Stage, str]:
    return Stage.MAIL_SENT, f"{_what(line)} sent{_to(line)}"


def _unsent(line: Happened) -> tuple[Stage, str]:
    return Stage.BOUNCED, f"{_what(line)} could not be sent{_to(line)}{_because(line)}"


def _bounced(line: Happened) -> tuple[Stage, str]:
    return Stage.BOUNCED, f"The mail{_to(line)} did not arrive{_because(line)}"


def _delayed(line: Happened) -> tuple[Stage, str]:
    return Stage.MAIL_DELAYED, f"The mail{_to(line)} is late{_because(line)}"


def _refused(line: Happened) -> tuple[Stage, str]:
    reason = str(line.facts.get("reason", ""))
    known = reason in {one.value for one in Refusal}
    return Stage.FAILED, REFUSALS[Refusal(reason)].happened if known else "It did not work"


def _granted(line: Happened) -> tuple[Stage, str]:
    adopted = line.facts.get("source") == "adopted"
    return Stage.DONE, "Refresh token adopted" if adopted else "Authorized"


def _renewed(line: Happened) -> tuple[Stage, str]:
    adopted = line.facts.get("source") == "adopted"
    return Stage.RENEWED, "Another refresh token adopted" if adopted else "Authorized again"


def _fixed(stage: Stage, words: str) -> Callable[[Happened], tuple[Stage, str]]:
    return lambda line: (stage, words)


_TOLD: Mapping[str, Callable[[Happened], tuple[Stage, str]]] = MappingProxyType(
    {
        "account.added": _fixed(Stage.CREATED, "Account added"),
        "invitation.made": _fixed(Stage.LINK_MADE, "Link made"),
        "invitation.link_shown": _fixed(Stage.LINK_COPIED, "Link copied"),
        "letter.sent": _mail_sent,
        "letter.failed": _unsent,
        "letter.bounced": _bounced,
        "letter.delayed": _delayed,
        "invitation.opened": _fixed(Stage.OPENED, "Link opened"),
        "invitation.declined": _fixed(Stage.DECLINED, "The partner says it is not for them"),
        "handshake.begun": _fixed(Stage.AT_AMAZON, "Gone to Amazon"),
        "handshake.logged_in": _fixed(Stage.LOGGED_IN, "Signed in at Amazon"),
        "consent.refused": _refused,
        "authorization.granted": _granted,
        "authorization.renewed": _renewed,
        "authorization.adoption_refused": _fixed(Stage.FAILED, "Amazon refused the refresh token"),
        "authorization.reminded": _fixed(Stage.REMINDED, "Reminded of the end"),
        "authorization.lapsed": _fixed(Stage.LAPSED, "Lapsed"),
        "authorization.revoked": _fixed(Stage.REVOKED, "Amazon refused the authorization"),
        "authorization.reinstated": _fixed(Stage.REINSTATED, "Amazon accepts it again"),
        "account.closed": _fixed(Stage.CLOSED, "Closed"),
        "account.reopened": _fixed(Stage.REOPENED, "Reopened"),
    }
)
#: The journal's verbs of which the way tells.
VERBS = frozenset(_TOLD)

_BAD = frozenset({Stage.BOUNCED, Stage.FAILED, Stage.DECLINED, Stage.LAPSED, Stage.REVOKED})


def _past(trail: Trail) -> list[Step]:
    found = [_step(line) for line in trail.happened if _is_told(line)]
    if all(step.stage is not Stage.CREATED for step in found):
        found.append(Step(stage=Stage.CREATED, mark=Mark.DONE, words="Account added",
                          at=trail.created_at))  # fmt: skip
    found += [
        Step(stage=Stage.BACK, mark=Mark.DONE, words="Back from Amazon", at=attempt.back_at)
        for attempt in trail.attempts
        if attempt.back_at is not None
    ]
    granted = [step.at for step in found if step.stage is Stage.DONE and step.at is not None]
    looked = trail.checked_at if trail.signs.look_due_at is None else None
    if granted and looked is not None:
        words = (
            f"Looked at: {trail.signs.finding}" if trail.signs.finding else "Looked at: all well"
        )
        # Of the newest look only the instant is kept; the first one came before the first feed.
        at = max(granted[0], min(looked, trail.first_feed_at or looked))
        found.append(Step(stage=Stage.LOOKED_AT, mark=Mark.DONE, words=words, at=at))
    if trail.first_feed_at is not None:
        found.append(
            Step(
                stage=Stage.FIRST_FEED,
                mark=Mark.DONE,
                words="Changes sent to Amazon",
                at=trail.first_feed_at,
            )
        )
    return sorted(found, key=_order)


def _order(step: Step) -> tuple[datetime, int]:
    assert step.at is not None, "what happened has an instant"
    # Of one instant in the order in which one thing leads to the other.
    return step.at, _STAGES.index(step.stage)


_STAGES = tuple(Stage)


def _is_told(line: Happened) -> bool:
    if line.verb not in _TOLD:
        return False
    # Letters to operators about the account are no steps of it.
    return not line.verb.startswith("letter.") or line.facts.get("topic") in _WITH_LINK


def _step(line: Happened) -> Step:
    stage, words = _TOLD[line.verb](line)
    return Step(
        stage=stage,
        mark=Mark.FAILED if stage in _BAD else Mark.DONE,
        words=words,
        at=line.at,
        who=line.who,
        reference=str(line.facts.get("reference", "")),
    )


def _cut(steps: list[Step]) -> list[Step]:
    if len(steps) <= MOST_STEPS:
        return steps
    return [steps[0], *steps[1 - MOST_STEPS :]]


def _to(line: Happened) -> str:
    to = str(line.facts.get("to", ""))
    return f" to {to}" if to else ""


def _because(line: Happened) -> str:
    why = str(line.facts.get("reason") or line.facts.get("error") or "").strip().rstrip(".")
    return f": {why}" if why else ""


# --- what lies ahead -----------------------------------------------------------------------------

#: From the letter to the first feed.
AHEAD: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.LINK_MADE: "Link made",
        Stage.MAIL_SENT: "Link sent",
        Stage.OPENED: "Link opened",
        Stage.AT_AMAZON: "Gone to Amazon",
        Stage.BACK: "Back from Amazon",
        Stage.DONE: "Authorized",
        Stage.LOOKED_AT: "Looked at",
        Stage.FIRST_FEED: "Changes sent to Amazon",
    }
)
_ONWARD = tuple(AHEAD)


def _ahead(trail: Trail, past: Sequence[Step], now: datetime) -> Iterator[Step]:
    """What is to come. The first of it is where it stands."""
    first = _stands_before(trail, past, now)
    if first is None:
        return
    stages = list(_ONWARD[_ONWARD.index(first) :])
    known = {step.stage for step in past}
    # Done once, these are not done again by a renewal.
    stages = [stage for stage in stages if stage not in known or stage is not Stage.FIRST_FEED]
    if trail.signs.private:
        stages = [stage for stage in stages if stage in _WITHOUT_PAGE]
    for number, stage in enumerate(stages):
        mark = Mark.NOW if number == 0 else Mark.AHEAD
        words = AHEAD[stage]
        if trail.signs.private and stage is Stage.DONE:
            words = "Refresh token adopted"
        elif stage is Stage.DONE and trail.signs.state is not State.AWAITING:
            words = "Authorized again"
        elif stage is Stage.MAIL_SENT and mark is Mark.NOW:
            words = _leaving(trail.signs)
        yield Step(stage=stage, mark=mark, words=words)


def _leaving(signs: AccountSigns) -> str:
    """Of a mail that has not left: its step is done when it has."""
    what = "Link" if signs.state is State.AWAITING else "Renewal link"
    link = signs.link
    if link is not None and link.letter is LetterFate.FAILED:
        return f"{what} sent again"
    so_far = link.letter_error.strip().rstrip(".") if link is not None else ""
    return f"{what} is being sent" + (f"; so far: {so_far}" if so_far else "")


_WITHOUT_PAGE = frozenset({Stage.DONE, Stage.LOOKED_AT, Stage.FIRST_FEED})


def _stands_before(trail: Trail, past: Sequence[Step], now: datetime) -> Stage | None:
    """The first stage that has not happened; None: nothing is to come, or the account is closed."""
    signs = trail.signs
    if signs.state is State.CLOSED:
        return None
    if signs.state is State.ACTIVE:
        if signs.look_due_at is not None:
            return Stage.LOOKED_AT
        return Stage.FIRST_FEED if trail.first_feed_at is None else None
    if signs.private:
        return Stage.DONE
    link = signs.link
    if link is None or not link.works(now):
        return Stage.LINK_MADE
    attempt = _attempt_of(trail, link.made_at, now)
    if attempt is not None:
        return Stage.DONE if attempt.back_at is not None else Stage.BACK
    if link.opened_at is not None:
        return Stage.AT_AMAZON
    return Stage.MAIL_SENT if link.letter in _UNDER_WAY else Stage.OPENED


_UNDER_WAY = frozenset({LetterFate.WAITING, LetterFate.FAILED})


def _attempt_of(trail: Trail, made_at: datetime, now: datetime) -> Attempt | None:
    """The newest attempt with the newest link that may still come to its end."""
    newest = max(trail.attempts, key=lambda one: one.begun_at, default=None)
    if newest is None or newest.begun_at < made_at or newest.ended_at is not None:
        return None
    return newest if newest.back_at is not None or now < newest.expires_at else None


# --- what comes next -----------------------------------------------------------------------------


def _next(trail: Trail, past: Sequence[Step], now: datetime) -> str:
    signs, link = trail.signs, trail.signs.link
    if signs.state is State.CLOSED:
        return "The account is closed; nothing comes by itself. Reopen it to go on."
    if signs.state is State.ACTIVE:
        return _next_of_active(trail)
    if signs.private:
        return "Authorize the application in Amazon's own console and paste the refresh token."
    if link is None:
        return "Send the link, or copy it."
    if past and past[-1].stage in (Stage.FAILED, Stage.DECLINED):
        return "See the report for what helps; then send a fresh link, or go through it by phone."
    if not link.works(now):
        return f"The link of {day_words(link.made_at)} does not work any more: send a fresh one."
    stage = _stands_before(trail, past, now)
    assert stage is not None, "a link that works leads somewhere"
    return _WAITING[stage](signs, now)


def _next_of_active(trail: Trail) -> str:
    if trail.signs.look_due_at is not None:
        return (
            "The first look at what the account can do is made by itself, within minutes as a rule."
        )
    if trail.first_feed_at is None:
        return "The first changes go to Amazon as soon as a program or a file brings some."
    return "Nothing has to be done: changes are sent and orders are read as they come."


def _mail_waits(signs: AccountSigns, now: datetime) -> str:
    link = signs.link
    if link is not None and link.letter is LetterFate.FAILED:
        why = link.letter_error.strip().rstrip(".")
        return (
            f"The mail did not get through{f': {why}' if why else ''}. Correct the client e-mail, "
            "or see to the mail relay where that refused it, then send the link again."
        )
    if link is not None and link.letter_error.strip():
        return (
            "The mail has not left yet, and is tried again by itself. If it stays so, look at the "
            "mail relay."
        )
    return "The mail leaves within a minute. If it does not, look at the mail relay and the worker."


def _not_opened(signs: AccountSigns, now: datetime) -> str:
    link = signs.link
    assert link is not None, "there is one"
    if link.letter is LetterFate.NONE:
        return "Hand the link to the selling partner; nobody has mailed it."
    call_at = (link.mailed_at or link.made_at) + SILENT_AFTER
    if now >= call_at:
        return "Nobody has opened it for days: call, and go through it together."
    return f"The selling partner opens the link. If nothing happens by {day_words(call_at)}, call."


def _opened(signs: AccountSigns, now: datetime) -> str:
    return (
        "The selling partner has seen the page and has to press its button. If it stays so, call: "
        "often whoever reads the mail is not the one who may consent."
    )


def _at_amazon(signs: AccountSigns, now: datetime) -> str:
    return (
        "The selling partner is on Amazon's page. It shows its own errors only there: ask for the "
        "code. The same link can be used again."
    )


def _exchanging(signs: AccountSigns, now: datetime) -> str:
    return "Amazon's code is being exchanged; that takes seconds."


_WAITING: Mapping[Stage, Callable[[AccountSigns, datetime], str]] = MappingProxyType(
    {
        Stage.MAIL_SENT: _mail_waits,
        Stage.OPENED: _not_opened,
        Stage.AT_AMAZON: _opened,
        Stage.BACK: _at_amazon,
        Stage.DONE: _exchanging,
    }
)
