"""When an account is probed, and how many at a time.

Answers for: the slot of an account, made of its id, so that accounts spread evenly over the
interval and keep their place for good; what is due after a probe that was made, failed or was put
off; and how many are taken up per minute, so that no pause ends in a herd. Does not answer for:
probing, or for what a probe finds.

Amazon tells nobody that a grant was revoked: there is neither an operation that lists
authorizations nor a notification (SP-API models, all of them searched). Whoever wants to know has
to ask, about once a day. A grant that is dead may come back, by a renewal at Amazon that we did not
see; it is asked for less and less often, by LWA alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from evergrant.rules.lifecycle import State

__all__ = [
    "CATCH_UP",
    "HANDFUL",
    "PROBED",
    "WEATHER",
    "after_failure",
    "after_probe",
    "most_per_minute",
    "put_off",
    "slot",
    "slot_after",
    "span",
    "told_after",
]

#: States in which there is something to find out.
PROBED = frozenset({State.ACTIVE, State.LAPSED, State.REVOKED})

#: A dead grant comes back within weeks, if at all: the partner misses something. After a quarter
#: nobody misses it.
WEEKLY = timedelta(days=7)
WEEKLY_FOR = timedelta(days=90)
MONTHLY = timedelta(days=30)

#: So many times the even share is taken up per minute: who paused for an interval or longer has
#: caught up after a quarter of one.
CATCH_UP = 4
#: So many always, else a house with three accounts would wait for minutes of nothing.
HANDFUL = 10

#: After a probe without an answer. Nobody waits for it, and weather passes; after the last rung the
#: next slot is soon enough.
WEATHER: Sequence[timedelta] = (
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
#: So many failures in a row are weather, and no finding.
PATIENT_FOR = len(WEATHER)

#: Without a permit: long enough for a bucket to fill, and apart from each other.
_PUT_OFF = timedelta(minutes=10)
_APART = timedelta(minutes=10)
#: What Amazon's limit, or a broken clock, may ask for.
_LONGEST_PUT_OFF = timedelta(hours=6)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_FINE = 1 << 64


def slot(account_id: str, every: timedelta) -> timedelta:
    """The place of this account within each interval, counted from midnight UTC where that is a
    day; the same for good."""
    return every * (_number(account_id) / _FINE)


def slot_after(account_id: str, every: timedelta, instant: datetime) -> datetime:
    """The first slot of this account that is later than ``instant``."""
    since = instant - _EPOCH - slot(account_id, every)
    return _EPOCH + slot(account_id, every) + (since // every + 1) * every


def span(state: State, every: timedelta, dead_for: timedelta) -> timedelta | None:
    """How long between two probes; None: there is nothing to ask for. ``dead_for``: since when
    Amazon takes the grant no longer, as far as we know."""
    if state not in PROBED:
        return None
    if state is State.ACTIVE:
        return every
    return max(every, WEEKLY if dead_for < WEEKLY_FOR else MONTHLY)


def after_probe(
    account_id: str,
    state: State,
    now: datetime,
    *,
    every: timedelta,
    dead_since: datetime | None = None,
) -> datetime | None:
    """When it is probed next after a probe that said what there is to say: at its slot again, no
    sooner than half an interval before its time and no later than half an interval after it. The
    first probe of all, or after a long pause, thus leads back to the slot without two in a row."""
    between = span(state, every, timedelta(0) if dead_since is None else now - dead_since)
    if between is None:
        return None
    return slot_after(account_id, every, now + between - every / 2)


def after_failure(
    account_id: str,
    state: State,
    now: datetime,
    failures: int,
    *,
    every: timedelta,
    dead_since: datetime | None = None,
) -> datetime | None:
    """When it is tried again after so many probes in a row (at least one) that said nothing."""
    if failures < 1:
        raise ValueError("after_failure is asked after a failure")
    regular = after_probe(account_id, state, now, every=every, dead_since=dead_since)
    if regular is None or failures > len(WEATHER):
        return regular
    return min(now + WEATHER[failures - 1] + _apart(account_id, now), regular)


def told_after(failures: int) -> bool:
    """Whether so many failures in a row are worth a finding."""
    return failures > PATIENT_FOR


def put_off(account_id: str, now: datetime, wait_s: float = 0.0) -> datetime:
    """When one is taken up again that could not be made. ``wait_s``: what stands against it lasts
    so long."""
    wait = timedelta(seconds=min(max(wait_s, 0.0), _LONGEST_PUT_OFF.total_seconds()))
    return now + max(wait, _PUT_OFF) + _apart(account_id, now)


def most_per_minute(accounts: int, every: timedelta) -> int:
    """So many probes are taken up within one minute, in a house with so many accounts."""
    even = accounts / max(every / _MINUTE, 1.0)
    return max(HANDFUL, math.ceil(even * CATCH_UP))


def _apart(account_id: str, now: datetime) -> timedelta:
    """What failed together is not tried again together; not with the same neighbours each time."""
    return _APART * (_number(f"{account_id} {now.isoformat()}") / _FINE)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
