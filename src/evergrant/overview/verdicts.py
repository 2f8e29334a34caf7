"""What the figures of the house mean, a sentence for each tile.

Answers for: when a tile is good, warm or bad, and its words. Does not answer for: the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from evergrant.overview.values import Health
from evergrant.rules.attention import SECRET_URGENT, Weight
from evergrant.rules.changes import ChangeState

__all__ = ["TILES", "verdicts"]

#: In the order in which they are shown.
TILES = ("lwa", "mail", "webhooks", "limits", "queue", "workers", "feeds")

#: A letter leaves within a minute; one that waits for so long waits for the relay.
MAIL_LATE = timedelta(minutes=15)
WEBHOOK_LATE = timedelta(minutes=15)
#: Seconds that a due job may wait for a worker.
JOB_LATE_S = 60.0

_Verdict = tuple[Weight, str]


def verdicts(health: Health) -> Mapping[str, _Verdict]:
    """By the names of `TILES`."""
    return {
        "lwa": _lwa(health),
        "mail": _mail(health),
        "webhooks": _webhooks(health),
        "limits": _limits(health),
        "queue": _queue(health),
        "workers": _workers(health),
        "feeds": _feeds(health),
    }


def _lwa(health: Health) -> _Verdict:
    troubled = [one.name for one in health.applications if one.trouble]
    if troubled:
        return Weight.BAD, f"Amazon refuses {_names(troubled)}."
    if health.silent:
        return Weight.WARM, (
            "Amazon's sign-in service did not answer lately. Access tokens that still live are "
            "used; it is asked again by itself."
        )
    ending = [
        one.name
        for one in health.applications
        if one.secret_expires_at is not None and one.secret_expires_at <= health.at + SECRET_URGENT
    ]
    if ending:
        return Weight.WARM, f"The client secret of {_names(ending)} has to be rotated."
    if not health.applications:
        return Weight.QUIET, "There is no application yet."
    return Weight.GOOD, "Amazon's sign-in service accepts every application."


def _mail(health: Health) -> _Verdict:
    mail = health.mail
    late = mail.oldest_waiting_at is not None and mail.oldest_waiting_at < health.at - MAIL_LATE
    if late:
        return Weight.BAD, f"{_count(mail.waiting, 'letter')} cannot leave: {_why(mail.last_error)}"
    if mail.failed:
        return Weight.WARM, (
            f"{_count(mail.failed, 'letter')} could not be delivered in the last 24 hours."
        )
    if mail.waiting:
        return Weight.GOOD, f"{_count(mail.waiting, 'letter')} about to leave."
    return Weight.GOOD, "Every letter has left."


def _webhooks(health: Health) -> _Verdict:
    late = [
        one
        for one in health.instances
        if one.failed
        or (one.oldest_waiting_at is not None and one.oldest_waiting_at < health.at - WEBHOOK_LATE)
    ]
    if late:
        names = _names([one.name for one in late])
        if len(late) > 1:
            return Weight.BAD, f"{names} do not take their events."
        return Weight.BAD, f"{names} does not take its events."
    if health.instances:
        names = _names([one.name for one in health.instances])
        return (
            Weight.WARM,
            f"{names} {'answers' if len(health.instances) == 1 else 'answer'} slowly.",
        )
    return Weight.GOOD, "Every client instance takes its events."


def _limits(health: Health) -> _Verdict:
    near = [one for one in health.limits if one.is_near_its_end]
    if health.throttled:
        return Weight.WARM, (
            f"Amazon answered {_count(health.throttled, 'call')} with 429 in the last 24 hours."
        )
    if near:
        return Weight.WARM, f"{_count(len(near), 'bucket')} of calls nearly empty."
    return Weight.GOOD, "Every call found room in its limit, or waited for it."


def _queue(health: Health) -> _Verdict:
    pulse = health.pulse
    if pulse is None:
        return Weight.QUIET, "Nobody could look at the queue."
    waiting = sum(pulse.waiting.values())
    if waiting and pulse.oldest_waiting_s > JOB_LATE_S:
        minutes = round(pulse.oldest_waiting_s / 60)
        return Weight.BAD, (
            f"{_count(waiting, 'job')} due, the oldest for {_count(max(minutes, 1), 'minute')}."
        )
    if pulse.failed_last_day:
        return Weight.WARM, f"{_count(pulse.failed_last_day, 'job')} failed in the last 24 hours."
    return Weight.GOOD, "Jobs are done as they come."


def _workers(health: Health) -> _Verdict:
    pulse = health.pulse
    if pulse is None:
        return Weight.QUIET, "Nobody could look at the workers."
    alive = pulse.alive()
    if not alive:
        return Weight.BAD, "No worker is alive: nothing leaves and nothing is watched."
    silent = len(pulse.workers) - alive
    if silent:
        return Weight.WARM, f"{_count(silent, 'worker')} gave no sign for a minute."
    return Weight.GOOD, f"{_count(alive, 'worker')} at work."


def _feeds(health: Health) -> _Verdict:
    uncertain = sum(kind.of(ChangeState.UNCERTAIN) for kind in health.kinds)
    if uncertain:
        return Weight.BAD, f"{_count(uncertain, 'change')} to be decided on by somebody."
    refused = sum(kind.of(ChangeState.REFUSED) for kind in health.kinds)
    accepted = sum(kind.of(ChangeState.ACCEPTED) for kind in health.kinds)
    if refused:
        return Weight.WARM, (
            f"Amazon accepted {_count(accepted, 'line')} today and refused {refused:,}."
        )
    if accepted:
        return Weight.GOOD, f"Amazon accepted {_count(accepted, 'line')} today."
    return Weight.QUIET, "Nothing was sent to Amazon today."


def _names(names: list[str]) -> str:
    if len(names) <= 2:
        return " and ".join(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2} more"


def _count(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"


def _why(error: str) -> str:
    error = error.strip().rstrip(".")
    return f"{error}." if error else "the relay does not answer."
