"""What comes next in the rotation of a client secret, with its reason in words.

Answers for: when Amazon is asked, how long is waited for the answer, when the received secret is
tried, when a person has to help. Does not answer for: doing any of it (the room ``rotation``),
reading messages (`rotation_messages`), or for the days on which an end is told (`reminders`).

Two things must never happen. That the last client secret that works is lost: so a received one
counts for nothing until Login with Amazon took it, and its message is deleted last. That Amazon is
asked twice inside the seven days in which two secrets work: so, where nobody knows whether
Amazon heard, it is not asked again before the old secret has worked for longer than it could have.

Sources: Amazon's pages "rotate-your-application-client-secret" and "rotating-your-apps-lwa-
credentials", and the official sample of credential rotation (the seven days). What a second
rotation within the seven days does is written nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from evergrant.rules.terms import SECRET_OVERLAP

__all__ = [
    "LATE",
    "PROOF",
    "Act",
    "Decision",
    "Running",
    "Situation",
    "decide",
    "end_of_use",
    "next_asking",
    "next_proof",
    "next_trial",
    "trouble",
]

#: After a rotation the old secret works for seven days; who still gets in with it an hour later
#: knows that there was none.
PROOF = SECRET_OVERLAP + timedelta(hours=1)
#: A secret that is not there so long after Amazon made it is not on its way any more.
LATE = timedelta(hours=1)
#: A message that nobody deleted comes back within the longest invisibility that SQS knows (12 h).
UNATTENDED = timedelta(days=1)

#: LWA may not know a new secret for some minutes; after that it is no delay, and each try is one
#: more wrong login of the application.
_TRIAL: Sequence[timedelta] = (
    timedelta(minutes=1),
    timedelta(minutes=1),
    timedelta(minutes=3),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
_TRIED_OFTEN = 4  # so many refusals are told to a person
#: What Amazon refused is put right in its console by a person, within hours or days.
_ASKING: Sequence[timedelta] = (
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)
_DAILY = timedelta(days=1)
_HOURLY = timedelta(hours=1)


class Act(StrEnum):
    """What is to be done with an application's client secret now."""

    REST = "rest"  # nothing, before ``until``
    ASK = "ask"  # have Amazon make a new one
    PROVE = "prove"  # look whether the one in force still works: then nothing was rotated
    TRY = "try"  # show the received one to LWA, promote it when it is taken
    CLOSE = "close"  # all is done but the message, which does not come again
    GIVE_UP = "give_up"  # leave it to a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    act: Act
    why: str  # one sentence for a person
    until: datetime | None = None  # REST: when that may change by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The open rotation. Its instants tell how far it came."""

    asked_at: datetime | None = None  # since then Amazon may have heard; None: it has not
    confirmed: bool = False  # Amazon said yes
    received_at: datetime | None = None
    promoted_at: datetime | None = None
    next_at: datetime | None = None
    tries: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that the decision hangs on."""

    secret_set: bool
    expires_at: datetime | None = None
    previous_ends_at: datetime | None = None
    obstacle: str = ""  # why Amazon cannot be asked at all; empty: it can
    running: Running | None = None
    #: The last instant at which Amazon has, or may have, made a new secret.
    rotated_at: datetime | None = None


def decide(now: datetime, of: Situation, ahead: timedelta, *, wanted: bool = False) -> Decision:
    """``ahead``: so long before its end a secret is rotated without anybody's wish; ``wanted``:
    somebody wishes it now."""
    if of.running is not None:
        return _go_on(now, of, of.running)
    if not of.secret_set:
        return Decision(act=Act.REST, why="There is no client secret yet.")
    quiet = _quiet_until(of)
    if quiet is not None and now < quiet:
        return Decision(
            act=Act.REST,
            why=f"It was rotated less than 7 days ago; not again before {_moment(quiet)}.",
            until=quiet,
        )
    if of.obstacle:
        return Decision(act=Act.REST, why=of.obstacle)
    if of.expires_at is not None and of.expires_at <= now:
        return Decision(
            act=Act.REST,
            why="The client secret is over, and with a dead one Amazon cannot be asked for a new "
            "one: rotate it in Amazon's console and paste it.",
        )
    if wanted:
        return Decision(act=Act.ASK, why="Somebody wished it.")
    if of.expires_at is None:
        return Decision(act=Act.REST, why="Nobody knows when the client secret ends.")
    due = of.expires_at - ahead
    if now < due:
        return Decision(
            act=Act.REST, why=f"The client secret ends on {_day(of.expires_at)}.", until=due
        )
    return Decision(act=Act.ASK, why=f"The client secret ends on {_day(of.expires_at)}.")


def _go_on(now: datetime, of: Situation, running: Running) -> Decision:
    if running.promoted_at is not None:
        until = running.promoted_at + UNATTENDED
        if now < until:
            why = "The new client secret is in force; its message is still to be deleted."
            return Decision(act=Act.REST, why=why, until=until)
        return Decision(act=Act.CLOSE, why="The message of the new client secret is gone.")
    if running.received_at is not None:
        if now >= running.received_at + PROOF:
            why = "Login with Amazon refused the received client secret for a week."
            return _later(now, running.next_at, why) or Decision(act=Act.GIVE_UP, why=why)
        return _later(now, running.next_at, "The received client secret is tried again then.") or (
            Decision(act=Act.TRY, why="A new client secret was received.")
        )
    if running.asked_at is not None:
        proof = running.asked_at + PROOF
        if now < proof:
            why = (
                "Amazon makes a new client secret; it comes by the queue."
                if running.confirmed
                else "Amazon was asked, and nobody knows whether it heard: it is waited for."
            )
            return Decision(act=Act.REST, why=why, until=proof)
        return _later(now, running.next_at, "LWA is asked again then.") or Decision(
            act=Act.PROVE, why="Nothing came by the queue for a week."
        )
    quiet = _quiet_until(of)
    if quiet is not None and now < quiet:
        why = f"It was rotated less than 7 days ago; not again before {_moment(quiet)}."
        return Decision(act=Act.REST, why=why, until=quiet)
    if of.expires_at is not None and of.expires_at <= now:
        return Decision(act=Act.GIVE_UP, why="The client secret ended before Amazon rotated it.")
    if of.obstacle:
        return Decision(act=Act.REST, why=of.obstacle)
    return _later(now, running.next_at, "Amazon is asked again then.") or Decision(
        act=Act.ASK, why="Amazon has not rotated it yet."
    )


def _later(now: datetime, next_at: datetime | None, why: str) -> Decision | None:
    if next_at is None or next_at <= now:
        return None
    return Decision(act=Act.REST, why=why, until=next_at)


def _quiet_until(of: Situation) -> datetime | None:
    """Until then two secrets work, or may."""
    ends = [of.previous_ends_at] if of.previous_ends_at is not None else []
    if of.rotated_at is not None:
        ends.append(of.rotated_at + PROOF)
    return max(ends, default=None)


def trouble(now: datetime, of: Situation) -> str:
    """What a person has to know of the open rotation; empty while it goes its way."""
    running = of.running
    if running is None or running.promoted_at is not None:
        return ""
    if running.received_at is not None:
        if running.tries < _TRIED_OFTEN:
            return ""
        return (
            f"Login with Amazon has refused the client secret that was received on "
            f"{_moment(running.received_at)} {running.tries} times ({running.last_error}). "
            "The old one is still in force."
        )
    if running.asked_at is not None:
        if now < running.asked_at + LATE:
            return ""
        asked = _moment(running.asked_at)
        dies = _moment(running.asked_at + SECRET_OVERLAP)
        if running.confirmed:
            return (
                f"Amazon made a new client secret on {asked}, and it did not come by the queue. "
                f"The old one works until {dies}: see the new one in Amazon's console, paste it."
            )
        return (
            f"Nobody knows whether Amazon made a new client secret on {asked}. If Amazon's console "
            f"shows one of that day, paste it: then the old one dies on {dies}. If not, nothing is "
            "to be done."
        )
    if running.tries and running.last_error:
        return f"Amazon did not rotate the client secret: {running.last_error}"
    return ""


def end_of_use(of: Situation) -> datetime | None:
    """The first day on which the client secret in force may be dead, as far as is known: at its own
    end, or seven days after Amazon made, or may have made, another one."""
    running = of.running
    ends = [of.expires_at] if of.expires_at is not None else []
    if running is not None and running.promoted_at is None:
        made_at = running.asked_at or running.received_at
        if made_at is not None:
            ends.append(made_at + SECRET_OVERLAP)
    return min(ends, default=None)


def next_trial(now: datetime, tries: int) -> datetime:
    """When a received secret is tried again, after so many refusals (at least one)."""
    return now + _TRIAL[min(tries, len(_TRIAL)) - 1]


def next_asking(now: datetime, tries: int) -> datetime:
    """When Amazon is asked again, after it refused so many times (at least once)."""
    return now + (_ASKING[tries - 1] if tries <= len(_ASKING) else _DAILY)


def next_proof(now: datetime) -> datetime:
    """When LWA is asked again whether the old secret works, as it did not answer."""
    return now + _HOURLY


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
