"""Token buckets, as arithmetic.

Answers for: how much of a limit is left, whose turn it is, how long to wait. Does not answer for:
keeping the buckets (an adapter does, in one statement) or for knowing Amazon's numbers.

Source of the model: Amazon's page "usage-plans-and-rate-limits".

There are two kinds. A plain ``Bucket`` (``rules.buckets``) is for a limit that we set ourselves and
that nobody else counts. ``SharedBucket`` is our picture of one of Amazon's: many callers in many
processes draw on it, so it has a line of tickets, and what it grants stays a margin below the plan,
because calls do not arrive as evenly as they were let go. PostgreSQL's function ``budgets_answer``
does the same as ``draw`` and its neighbours, operation by operation: whoever changes one changes
both (``tests/edges/test_budgets.py`` compares them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from evergrant.rules.buckets import (
    FULL,
    GRAIN_S,
    LARGEST,
    Bucket,
    Granted,
    Plan,
    Wait,
    available,
    is_rate,
    take,
)

__all__ = [
    "ASK_AGAIN_WITHIN_S",
    "FULL",
    "GRACE_S",
    "LOW_SHARE",
    "Bucket",
    "Granted",
    "Importance",
    "Plan",
    "Queued",
    "Share",
    "SharedBucket",
    "Taken",
    "Ticket",
    "Wait",
    "Wish",
    "available",
    "drain",
    "draw",
    "give_back",
    "is_low",
    "is_rate",
    "learn",
    "leave_line",
    "left",
    "margin_s",
    "put_in_force",
    "standing",
    "take",
]


class Importance(IntEnum):
    """Who comes first when a bucket runs low."""

    FIRST = 0  # cancellations and refunds: late costs money
    SECOND = 1  # what Evergrant does for the account by itself
    LAST = 2  # programs through the gateway
    LEAST = 3  # probes, which may as well be made an hour later


# --- the margin ---------------------------------------------------------------------------------

# The rate is kept a little below the plan's: Amazon publishes 0.0167 and means 1/60, and two clocks
# never run alike. With a burst of one it is all the margin there is, so it is larger.
_SLOWER, _SLOWER_ALONE = 1.003, 1.007
# A larger burst is never spent to its last instant: Amazon's bucket stays full until the first call
# arrives, which may have had to connect, and ours is refilled from the instant of its permit on. As
# much as one token is worth that, where it does not take longer than a call may be late.
_MARGIN_OF_BURST, _LEAST_MARGIN_S, _MOST_MARGIN_S = 0.004, 0.02, 0.25
_MARGIN_OF_TOKEN_S = 0.25
_MOST_OF_BURST = 0.1  # or one token


def margin_s(plan: Plan) -> float:
    """Seconds of jitter that a bucket of Amazon forgives when ``draw`` let the calls go: so much
    later than another may a call arrive after its permit was taken. A permit that is held back
    for longer than that is to be given back instead."""
    if plan.burst == 1:
        return (_SLOWER_ALONE - 1.0) / plan.rate_per_s
    refill_s = plan.burst / plan.rate_per_s
    token_s = min(1.0 / plan.rate_per_s, _MARGIN_OF_TOKEN_S)
    wanted_s = min(max(_MARGIN_OF_BURST * refill_s, _LEAST_MARGIN_S, token_s), _MOST_MARGIN_S)
    return min(wanted_s, max(_MOST_OF_BURST * plan.burst, 1.0) / plan.rate_per_s)


def _pace_s(plan: Plan) -> float:
    """Seconds from one token of ours to the next."""
    return (_SLOWER_ALONE if plan.burst == 1 else _SLOWER) / plan.rate_per_s


def _room_s(plan: Plan) -> float:
    """How far ahead of now the theoretical arrival of an empty bucket is: at least one pace."""
    if plan.burst == 1:
        return _pace_s(plan)
    return plan.burst * _pace_s(plan) - margin_s(plan)


# --- what is asked of a shared bucket, and what it says -------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One bucket that a wish draws on. ``bucket`` is its name:
    ``application/account/region/operation``; of a bucket that all accounts of an application share
    the two in the middle are ``*``."""

    bucket: str
    plan: Plan
    #: An operator set the plan: what Amazon reports is kept and shown, and changes nothing.
    fixed: bool = False
    #: Tokens that a wish of this importance leaves for more important ones. As many as the burst,
    #: or more: it only draws on a full bucket.
    reserve: int = 0

    def __post_init__(self) -> None:
        if not self.bucket or not self.bucket.isprintable():
            raise ValueError(f"not the name of a bucket: {self.bucket!r}")
        if not 0 <= self.reserve <= LARGEST:
            raise ValueError(f"cannot reserve {self.reserve}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Permits for calls that draw on all of ``shares`` (one or two). The emptier decides.

    ``ticket`` names who stands in line: one caller of one process. Whoever asks again with the same
    ticket keeps the place; ``""`` does not stand in line.
    """

    shares: Sequence[Share]
    ticket: str = ""
    importance: Importance = Importance.LAST
    most: int = 1  # permits that are of use now; at least one is given, or none

    def __post_init__(self) -> None:
        names = {share.bucket for share in self.shares}
        if not names or len(names) != len(self.shares):
            raise ValueError("A wish draws on at least one bucket, and on none twice.")
        if not self.ticket.isprintable():
            raise ValueError(f"not a ticket: {self.ticket!r}")
        if not 1 <= self.most <= LARGEST:
            raise ValueError(f"cannot wish for {self.most} permits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """``permits`` of those wished for, for calls that are made now (``rules.budgets.margin_s``).
    ``left``: whole tokens left in the emptier bucket for wishes of this importance. ``receipts``:
    one for each share, to be shown by whoever gives permits back."""

    permits: int
    left: int
    receipts: tuple[float, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Not now. Ask again after ``seconds``: they are at most ``ASK_AGAIN_WITHIN_S``, even when the
    turn is far away, so that the living are told from the dead and whatever was given back finds
    its taker; the place in line is kept until ``GRACE_S`` after that. ``ahead``: tickets that
    come first. ``turn_in_s``: when it is probably this wish's turn; of use to whoever wants to
    know whether waiting pays (``Retry-After``)."""

    seconds: float
    ahead: int = 0
    turn_in_s: float = 0.0


# --- a bucket that many share ---------------------------------------------------------------------

#: Whoever stands in line asks again at least so often.
ASK_AGAIN_WITHIN_S = 1.0
#: A ticket whose holder has not asked again this long after it should have is dead.
GRACE_S = 0.5
#: A bucket of which less than this share is left is nearly empty.
LOW_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A place in line. A holder in two lines has the same instants in both."""

    name: str
    importance: Importance
    arrived_at_s: float
    dies_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBucket:
    """``plan`` is the one in force. Instants are seconds of the keeper's clock. ``forgiven_s``: by
    so much was the theoretical arrival set back since the beginning."""

    plan: Plan
    fixed: bool = False
    theoretical_arrival_s: float = -math.inf
    forgiven_s: float = 0.0
    line: tuple[Ticket, ...] = ()  # by importance, then arrival
    reported_rate_per_s: float | None = None
    reported_at_s: float | None = None
    throttled_at_s: float | None = None
    used_at_s: float | None = None


Buckets = Mapping[str, SharedBucket]


def draw(
    buckets: Buckets, wish: Wish, now_s: float
) -> tuple[dict[str, SharedBucket], Taken | Queued]:
    """Takes permits from all buckets of the wish or from none. Gives those buckets as they are
    afterwards, and the answer. A bucket that is not among ``buckets`` was never used: it is full.
    """
    mine = [_in_force(buckets.get(share.bucket), share, now_s) for share in wish.shares]
    place = _place(mine, wish)
    views = [
        _View.of(bucket, share, wish, place, now_s)
        for bucket, share in zip(mine, wish.shares, strict=True)
    ]
    permits = min(wish.most, *(view.permits for view in views))
    names = [share.bucket for share in wish.shares]
    if permits >= 1:
        after = [_taken(bucket, wish, permits, now_s) for bucket in mine]
        over = min(
            math.floor((view.allowed_s - _missing_s(bucket, now_s) + GRAIN_S) / view.pace_s)
            for view, bucket in zip(views, after, strict=True)
        )
        receipts = tuple(b.theoretical_arrival_s + b.forgiven_s for b in after)
        answer = Taken(permits=permits, left=max(over, 0), receipts=receipts)
        return dict(zip(names, after, strict=True)), answer
    short = [view for view in views if view.permits < 1]
    seconds = min(max(view.again_in_s for view in short), ASK_AGAIN_WITHIN_S)
    queued = Queued(
        seconds=max(seconds, GRAIN_S),
        ahead=max(view.ahead for view in views),
        turn_in_s=max(max(view.turn_in_s for view in short), GRAIN_S),
    )
    after = [
        _queued(bucket, view, wish, place, now_s, queued.seconds)
        for bucket, view in zip(mine, views, strict=True)
    ]
    return dict(zip(names, after, strict=True)), queued


def give_back(
    buckets: Buckets,
    shares: Sequence[Share],
    permits: int,
    receipts: Sequence[float],
    now_s: float,
) -> dict[str, SharedBucket]:
    """Permits of one taking that were never used, with what `Taken` said of it.

    Amazon's bucket was never charged for them. They are worth all that they cost, unless it stood
    full meanwhile without them: then what was refilled since is lost there, and here too. How
    empty ours was at the least since the taking follows from the receipt: takings only move the
    theoretical arrival ahead, and by how much it was set back since is kept. So it was never
    earlier than the receipt says, less all that was forgiven till now. If that is still ahead of
    now by what the permits cost, no instant since can have seen Amazon's full.
    """
    after = {}
    for share, receipt in zip(shares, receipts, strict=True):
        bucket = buckets.get(share.bucket)
        if bucket is None:
            continue
        cost_s = permits * _pace_s(bucket.plan)
        ahead_s = min(receipt - bucket.forgiven_s, bucket.theoretical_arrival_s) - now_s
        worth_s = max(min(cost_s, ahead_s), 0.0)
        after[share.bucket] = _forgiven(bucket, bucket.theoretical_arrival_s - worth_s, worth_s)
    return after


def leave_line(buckets: Buckets, wish: Wish) -> dict[str, SharedBucket]:
    """Whoever stood in line with this ticket no longer waits."""
    return {
        share.bucket: replace(bucket, line=_without(bucket.line, wish.ticket))
        for share in wish.shares
        if (bucket := buckets.get(share.bucket)) is not None
    }


def learn(bucket: SharedBucket, reported_rate_per_s: float, now_s: float) -> SharedBucket:
    """The bucket after Amazon reported its rate (``x-amzn-RateLimit-Limit``). The burst is not
    reported and stays, and so do the tokens that are missing. Anything that is no rate teaches
    nothing."""
    if not is_rate(reported_rate_per_s):
        return bucket
    rate = bucket.plan.rate_per_s if bucket.fixed else reported_rate_per_s
    return replace(
        put_in_force(bucket, Plan(rate, bucket.plan.burst), now_s),
        reported_rate_per_s=reported_rate_per_s,
        reported_at_s=now_s,
    )


def drain(buckets: Buckets, shares: Sequence[Share], now_s: float) -> dict[str, SharedBucket]:
    """Amazon said 429: these buckets are empty now, whatever we thought."""
    after = {}
    for share in shares:
        bucket = _in_force(buckets.get(share.bucket), share, now_s)
        # That is so whatever was taken and not used yet: nothing of it is there to be given back.
        bucket = _forgiven(bucket, now_s + _room_s(bucket.plan), _missing_s(bucket, now_s))
        after[share.bucket] = replace(bucket, throttled_at_s=now_s)
    return after


def left(bucket: SharedBucket, now_s: float) -> float:
    """Tokens left, fractions included: 0 to ``burst``."""
    missing = _missing_s(bucket, now_s) / _pace_s(bucket.plan)
    return min(max(bucket.plan.burst - missing, 0.0), float(bucket.plan.burst))


def is_low(left: float, burst: int) -> bool:
    """Nearly empty: less than a tenth is left, or not one permit. A bucket of one permit is empty
    after each call, which says nothing."""
    return burst > 1 and left < max(burst * LOW_SHARE, 1.0)


def standing(bucket: SharedBucket, now_s: float) -> tuple[Ticket, ...]:
    """The living of its line. A ticket that would live for longer than one can was written before
    the clock was set back."""
    longest_s = ASK_AGAIN_WITHIN_S + GRACE_S + GRAIN_S
    return tuple(t for t in bucket.line if 0.0 < t.dies_at_s - now_s <= longest_s)


def put_in_force(bucket: SharedBucket, plan: Plan, now_s: float) -> SharedBucket:
    """The tokens that are missing stay missing; they come back at the new rate. A bucket is never
    emptier than empty: that would be a clock that was set back, or a smaller burst."""
    missing_s = _missing_s(bucket, now_s)
    if missing_s == 0.0:
        return replace(bucket, plan=plan)
    room_s, before_s = _room_s(plan), missing_s
    if plan != bucket.plan:
        missing_s = missing_s / _pace_s(bucket.plan) * _pace_s(plan)
    elif missing_s <= room_s + GRAIN_S:
        return bucket
    if missing_s > room_s + GRAIN_S:
        missing_s = room_s
    # Receipts are in seconds of the former plan: they are worth nothing under this one.
    return replace(_forgiven(bucket, now_s + missing_s, before_s), plan=plan)


def _forgiven(bucket: SharedBucket, theoretical_arrival_s: float, by_s: float) -> SharedBucket:
    return replace(
        bucket, theoretical_arrival_s=theoretical_arrival_s, forgiven_s=bucket.forgiven_s + by_s
    )


def _in_force(bucket: SharedBucket | None, share: Share, now_s: float) -> SharedBucket:
    """With the plan of this share and only the living in line."""
    if bucket is None:
        return SharedBucket(plan=share.plan, fixed=share.fixed)
    rate = share.plan.rate_per_s
    if not share.fixed and bucket.reported_rate_per_s is not None:
        rate = bucket.reported_rate_per_s
    bucket = put_in_force(bucket, Plan(rate, share.plan.burst), now_s)
    return replace(bucket, fixed=share.fixed, line=standing(bucket, now_s))


def _missing_s(bucket: SharedBucket, now_s: float) -> float:
    return max(bucket.theoretical_arrival_s - now_s, 0.0)


# --- lines ----------------------------------------------------------------------------------------


def _place(buckets: Sequence[SharedBucket], wish: Wish) -> Ticket | None:
    """The place that this ticket has in every line; None when it has to stand at the end of each.
    A place in one of two lines is none: two who wait for each other would wait for ever."""
    if not wish.ticket:
        return None
    places = {
        next(((t.importance, t.arrived_at_s) for t in bucket.line if t.name == wish.ticket), None)
        for bucket in buckets
    }
    if len(places) != 1:
        return None
    place = places.pop()
    if place is None or place[0] != wish.importance:
        return None
    return Ticket(name=wish.ticket, importance=place[0], arrived_at_s=place[1], dies_at_s=-math.inf)


def _without(line: tuple[Ticket, ...], ticket: str) -> tuple[Ticket, ...]:
    return tuple(t for t in line if t.name != ticket)


@dataclass(frozen=True, slots=True)
class _View:
    """What one wish finds in one bucket."""

    permits: int  # fewer than one: none
    ahead: int
    allowed_s: float
    pace_s: float
    turn_in_s: float  # when its tokens are there if everybody ahead takes one
    again_in_s: float  # the same, or when everybody ahead would be dead if that comes first

    @classmethod
    def of(
        cls, bucket: SharedBucket, share: Share, wish: Wish, place: Ticket | None, now_s: float
    ) -> _View:
        pace_s = _pace_s(bucket.plan)
        allowed_s = max(_room_s(bucket.plan) - share.reserve * pace_s, pace_s)
        ahead = behind = 0
        last_death_s = -math.inf
        passed = False
        for ticket in bucket.line:
            if wish.ticket and ticket.name == wish.ticket:
                passed = place is not None
            elif ticket.importance > wish.importance:
                break
            elif passed:
                behind += 1
            else:
                ahead += 1
                last_death_s = max(last_death_s, ticket.dies_at_s)
        missing_s = _missing_s(bucket, now_s)
        permits = math.floor((allowed_s - missing_s + GRAIN_S) / pace_s) - ahead
        if permits > 1 and behind:
            permits = max(permits // (1 + behind), 1)
        turn_in_s = missing_s + (ahead + 1) * pace_s - allowed_s
        alone_in_s = missing_s + pace_s - allowed_s
        again_in_s = min(turn_in_s, max(alone_in_s, last_death_s - now_s))
        return cls(permits, ahead, allowed_s, pace_s, turn_in_s, again_in_s)


def _taken(bucket: SharedBucket, wish: Wish, permits: int, now_s: float) -> SharedBucket:
    start_s = max(bucket.theoretical_arrival_s, now_s)
    return replace(
        bucket,
        theoretical_arrival_s=start_s + permits * _pace_s(bucket.plan),
        line=_without(bucket.line, wish.ticket) if wish.ticket else bucket.line,
        used_at_s=now_s,
    )


def _queued(
    bucket: SharedBucket,
    view: _View,
    wish: Wish,
    place: Ticket | None,
    now_s: float,
    again_in_s: float,
) -> SharedBucket:
    if not wish.ticket:
        return bucket
    ticket = Ticket(
        name=wish.ticket,
        importance=wish.importance,
        arrived_at_s=now_s if place is None else place.arrived_at_s,
        dies_at_s=now_s + again_in_s + GRACE_S,
    )
    others = _without(bucket.line, wish.ticket)
    return replace(bucket, line=(*others[: view.ahead], ticket, *others[view.ahead :]))
