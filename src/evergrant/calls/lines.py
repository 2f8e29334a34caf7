"""Who waits for the same buckets in this process, and what lies in the hand for them.

Answers for: callers in turns, so that a thousand requests of one do not stand before one of
another; waits that cannot end in time, told at once; a hand that is given back when it gets old.
Does not answer for: asking the budgets (`permits`), and therefore for nothing that waits.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from evergrant.errors import OverLimit
from evergrant.ports.budgets import Share
from evergrant.rules.budgets import Importance, margin_s

__all__ = ["Hand", "Line", "Permit", "Taking", "Turn", "Waiter", "over_limit"]

#: A hand is small beside the burst, and never larger than this.
_HAND_OF_BURST = 50
_LARGEST_HAND = 256
#: Of the delay that the budgets forgive; the rest is for the way to Amazon.
_HELD_OF_MARGIN = 0.5


@dataclass(frozen=True, slots=True)
class Taking:
    """When permits were taken, and what has to be shown by whoever gives them back."""

    at_s: float
    shares: tuple[Share, ...]
    receipts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave of the budgets for one call, to be used at once. ``left``: permits that are left for
    now, about."""

    line: Line
    taken: Taking
    left: int
    queued: bool = False  # it was waited for

    @property
    def taken_s(self) -> float:
        return self.taken.at_s


@dataclass(eq=False, slots=True)
class Waiter:
    """One call that waits, until ``until_s`` at most."""

    until_s: float
    given: asyncio.Future[Permit]
    queued: bool = False


@dataclass(eq=False, slots=True)
class Turn:
    """The calls of one caller, and its place in the line of the budgets."""

    waiters: deque[Waiter] = field(default_factory=deque)
    due_s: float = 0.0  # then it is of use to ask
    likely_s: float = 0.0  # then the first of them probably gets a permit
    in_line: bool = False  # its ticket stands in line
    asking: bool = False


class Hand:
    """Permits that were taken ahead, the oldest first."""

    def __init__(self) -> None:
        self._batches: deque[tuple[Taking, int]] = deque()
        self.held = 0

    def put(self, permits: int, taken: Taking) -> None:
        self._batches.append((taken, permits))
        self.held += permits

    def take(self, after_s: float) -> Taking | None:
        """One permit that was taken after that instant, the youngest first."""
        if not self._batches or self._batches[-1][0].at_s <= after_s:
            return None
        taken, permits = self._batches[-1]
        if permits > 1:
            self._batches[-1] = (taken, permits - 1)
        else:
            self._batches.pop()
        self.held -= 1
        return taken

    def drop(self, until_s: float) -> list[tuple[Taking, int]]:
        """Lets go of what was taken until then."""
        dropped = []
        while self._batches and self._batches[0][0].at_s <= until_s:
            dropped.append(self._batches.popleft())
        self.held -= sum(permits for _, permits in dropped)
        return dropped

    def oldest_s(self) -> float:
        """When the oldest was taken. There has to be one."""
        return self._batches[0][0].at_s


class Line:
    """Everything about one set of buckets and one importance."""

    def __init__(self, shares: tuple[Share, ...], importance: Importance) -> None:
        self.importance = importance
        self.turns: OrderedDict[str, Turn] = OrderedDict()
        self.hand = Hand()
        self.left = 0
        self.serving = False
        self.refilling = False
        self.holding = False
        self.woken = asyncio.Event()
        self.asked_s = float("-inf")  # when permits were last taken
        self.settle(shares)

    def settle(self, shares: tuple[Share, ...]) -> None:
        """With these plans from now on."""
        self.shares = shares
        burst = min(share.plan.burst for share in shares)
        self._half = burst // 2
        #: A permit that is older goes back: Amazon's bucket may have been full meanwhile.
        self.margin_s = min(margin_s(share.plan) for share in shares)
        self.hold_s = self.margin_s * _HELD_OF_MARGIN
        self.hand_size = min(_LARGEST_HAND, burst // _HAND_OF_BURST)
        #: Seconds between two permits when the buckets are empty, as far as we know.
        self.spacing_s = max(share.plan.interval_s for share in shares)

    def learn(self, bucket: str, rate_per_s: float) -> None:
        """Amazon reported this rate: what is said about waiting follows it."""
        self.spacing_s = max(
            1 / rate_per_s if share.bucket == bucket and not share.fixed else share.plan.interval_s
            for share in self.shares
        )

    def room(self, now_s: float) -> int:
        """So many permits are worth taking ahead: calls come so fast that they will be used, and
        at least half of the burst was left."""
        if not self.hand_size or self.left < self._half or now_s - self.asked_s > self.hold_s:
            return 0
        return self.hand_size - self.hand.held

    @property
    def idle(self) -> bool:
        return not (self.turns or self.serving or self.refilling or self.holding)

    def waiting(self) -> int:
        return sum(len(turn.waiters) for turn in self.turns.values())

    # --- standing in line ---

    def join(
        self, caller: str, waiter: Waiter, now_s: float, *, before_its_own: bool = False
    ) -> Turn:
        """``before_its_own``: before the other calls of its caller. Raises OverLimit when no permit
        can be there in time."""
        turn = self.turns.get(caller)
        if turn is None:
            turn = self.turns[caller] = Turn()
        elif turn.in_line and not turn.asking:
            before = 0 if before_its_own else len(turn.waiters)
            likely_s = turn.likely_s + before * self.spacing_s
            if likely_s > waiter.until_s:
                raise over_limit(likely_s - now_s)
            waiter.queued = True
        if before_its_own:
            turn.waiters.appendleft(waiter)
        else:
            turn.waiters.append(waiter)
        return turn

    def leave(self, caller: str, turn: Turn, waiter: Waiter) -> bool:
        """Whoever waited waits no more. True: nobody of this caller is left, and its ticket has to
        leave the line of the budgets."""
        if waiter in turn.waiters:
            turn.waiters.remove(waiter)
        return self._gone(caller, turn)

    def due(self, now_s: float) -> tuple[str, Turn] | None:
        """Whose turn it is to ask."""
        for caller, turn in self.turns.items():
            if turn.due_s <= now_s:
                return caller, turn
        return None

    def next_s(self) -> float:
        """When the next one is due. There has to be one."""
        return min(turn.due_s for turn in self.turns.values())

    # --- what the budgets said ---

    def hand_out(self, permits: int, taken: Taking, first: str = "") -> tuple[int, list[str]]:
        """Gives permits to those who wait, in turns, ``first`` before all others. So many are left
        over; and the callers whose tickets have to leave the line."""
        gone: list[str] = []
        if first in self.turns:
            self.turns.move_to_end(first, last=False)
        waiting = self.waiting()
        while permits and waiting:
            caller, turn = next(iter(self.turns.items()))
            if turn.waiters:
                waiting -= 1
                waiter = turn.waiters.popleft()
                if not waiter.given.done():
                    waiter.given.set_result(Permit(self, taken, self.left, waiter.queued))
                    permits -= 1
            self.turns.move_to_end(caller)
            if self._gone(caller, turn):
                gone.append(caller)
        return permits, gone

    def refuse_late(self, turn: Turn, now_s: float) -> None:
        """Tells everybody of this turn for whom no permit can be there in time."""
        staying: deque[Waiter] = deque()
        for waiter in turn.waiters:
            likely_s = turn.likely_s + len(staying) * self.spacing_s
            if likely_s <= waiter.until_s:
                waiter.queued = True
                staying.append(waiter)
            elif not waiter.given.done():
                waiter.given.set_exception(over_limit(likely_s - now_s))
        turn.waiters = staying

    def settle_turn(self, caller: str, turn: Turn) -> bool:
        """After it asked. True: its ticket has to leave the line."""
        turn.asking = False
        return self._gone(caller, turn)

    def refuse_all(self, error: Callable[[], Exception]) -> list[str]:
        """Everybody goes, each with an error of its own; gives whose tickets have to leave."""
        gone = [caller for caller, turn in self.turns.items() if turn.in_line]
        for turn in self.turns.values():
            for waiter in turn.waiters:
                if not waiter.given.done():
                    waiter.given.set_exception(error())
        self.turns.clear()
        return gone

    def _gone(self, caller: str, turn: Turn) -> bool:
        if turn.waiters or turn.asking or self.turns.get(caller) is not turn:
            return False
        del self.turns[caller]
        return turn.in_line


def over_limit(retry_after_s: float) -> OverLimit:
    return OverLimit(retry_after_s=max(retry_after_s, 0.001))
