"""Permits of the shared budgets, for the callers of this process.

Answers for: asking the budgets as seldom as one can (one question for all who wait, a small hand
ahead where the bucket is large), one ticket per caller in their line, callers in turns, waits that
end when the caller said, and giving back what nobody uses. Does not answer for: which buckets a
call draws on (the meter), or for the arithmetic (the budgets).

A caller may go away at any moment: its permit goes to the next one, else back. If the database is
away nobody gets a permit, except from the hand.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from evergrant.calls.background import Background
from evergrant.calls.lines import Line, Permit, Taking, Turn, Waiter
from evergrant.errors import OverLimit, StoreUnavailable
from evergrant.ports.budgets import Budgets, Queued, Share, Taken, Wish
from evergrant.rules.budgets import Importance

__all__ = ["Permits"]

#: Of one question.
_MOST_AT_ONCE = 256
#: Never ask more often, whatever the budgets say.
_SOONEST_S = 0.001


class Permits:
    """One per process and event loop. ``most_lines`` bounds what is remembered of idle ones."""

    def __init__(
        self,
        budgets: Budgets,
        background: Background,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        most_lines: int = 10_000,
    ) -> None:
        self._budgets = budgets
        self._background = background
        self._monotonic = monotonic
        self._sleep = sleep
        self._most_lines = most_lines
        self._process = secrets.token_hex(8)
        self._lines: OrderedDict[tuple[object, ...], Line] = OrderedDict()
        self._returning: dict[int, tuple[Taking, int]] = {}
        self._closed = False

    def line(self, shares: tuple[Share, ...], importance: Importance) -> Line:
        """The line for these buckets. Whoever keeps it asks for it again now and then: plans
        change."""
        key = (importance, *(share.bucket for share in shares))
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(shares, importance)
            self._forget_idle()
        else:
            self._lines.move_to_end(key)
            if line.shares != shares:
                line.settle(shares)
            line.shares = shares  # whoever remembers them knows them again
        return line

    def at_hand(self, line: Line) -> Permit | None:
        """A permit from the hand, unless somebody waits for one. No await."""
        if line.turns or not line.hand.held:
            return None
        now_s = self._monotonic()
        taken = line.hand.take(now_s - line.hold_s)
        if taken is None:
            return None
        if not line.refilling and line.hand.held <= line.hand_size // 2:
            self._refill(line, now_s)
        return Permit(line, taken, line.left + line.hand.held)

    async def take(
        self, line: Line, caller: str, patience_s: float, *, before_its_own: bool = False
    ) -> Permit:
        """``before_its_own``: before the other calls of this caller. Raises OverLimit when there is
        none within ``patience_s``, StoreUnavailable."""
        if self._closed:
            raise _closing()
        permit = self.at_hand(line)
        if permit is not None:
            return permit
        now_s = self._monotonic()
        waiter = Waiter(now_s + patience_s, asyncio.get_running_loop().create_future())
        turn = line.join(caller, waiter, now_s, before_its_own=before_its_own)
        self._serve(line)
        try:
            return await waiter.given
        except asyncio.CancelledError:
            if waiter.given.done() and not waiter.given.cancelled():
                if waiter.given.exception() is None:
                    self.give_back(waiter.given.result())
            elif line.leave(caller, turn, waiter):
                self._leave_line(line, [caller])
            line.woken.set()
            raise

    def fresh(self, permit: Permit) -> bool:
        """Whether a call that is made with it now comes early enough."""
        return self._monotonic() - permit.taken_s <= permit.line.margin_s

    def give_back(self, permit: Permit) -> None:
        """Nobody used it: to the next who waits, else back to the budgets. Waits for nothing."""
        self._pass_on(permit.line, permit.taken)

    def empty_hand(self, line: Line) -> None:
        """Amazon's bucket is empty: what lies in the hand is worth nothing."""
        line.left = 0
        line.hand.drop(self._monotonic())

    async def close(self) -> None:
        """Refuses everybody who waits and gives everything back."""
        self._closed = True
        for line in self._lines.values():
            self._leave_line(line, line.refuse_all(_closing))
            line.woken.set()
            self._drop(line, self._monotonic())

    # --- asking ---

    def _serve(self, line: Line) -> None:
        if line.serving:
            line.woken.set()
            return
        line.serving = True
        self._background.start("serving a line", lambda: self._serve_all(line))

    async def _serve_all(self, line: Line) -> None:
        try:
            while line.turns:
                due = line.due(self._monotonic())
                if due is None:
                    await self._pause(line)
                else:
                    await self._ask(line, *due)
        except StoreUnavailable as away:
            message, hint = away.message, away.hint
            line.refuse_all(lambda: StoreUnavailable(message, hint=hint))
        except asyncio.CancelledError:
            line.refuse_all(_closing)
            raise
        except BaseException as mistake:
            told = f"The limits broke: {type(mistake).__name__}"
            line.refuse_all(lambda: RuntimeError(told))
            raise
        finally:
            line.serving = False

    async def _ask(self, line: Line, caller: str, turn: Turn) -> None:
        now_s = self._monotonic()
        waits = turn.in_line or any(waiter.until_s > now_s for waiter in turn.waiters)
        wish = Wish(
            shares=line.shares,
            ticket=self._ticket(line, caller) if waits else "",
            importance=line.importance,
            most=max(1, min(line.waiting() + line.room(now_s), _MOST_AT_ONCE)),
        )
        turn.asking = True
        try:
            answer = await self._budgets.take(wish)
        finally:
            turn.asking = False
        now_s = self._monotonic()
        if isinstance(answer, Taken):
            turn.in_line, turn.due_s = False, now_s
            self._taken(line, wish.shares, answer, now_s, first=caller)
        else:
            self._queued(line, turn, answer, now_s, in_line=waits)
        if line.settle_turn(caller, turn):
            self._leave_line(line, [caller])

    def _taken(
        self,
        line: Line,
        shares: Sequence[Share],
        answer: Taken,
        now_s: float,
        first: str = "",
    ) -> None:
        line.left = answer.left
        taken = Taking(now_s, tuple(shares), answer.receipts)
        over, gone = line.hand_out(answer.permits, taken, first)
        self._leave_line(line, gone)
        keeping = 0 if self._closed else max(min(over, line.room(now_s)), 0)
        if keeping:
            line.hand.put(keeping, taken)
            self._hold(line)
        if over > keeping:
            self._return(taken, over - keeping)
        line.asked_s = now_s

    def _queued(
        self, line: Line, turn: Turn, answer: Queued, now_s: float, *, in_line: bool
    ) -> None:
        line.left = 0
        turn.in_line = in_line
        turn.due_s = now_s + max(answer.seconds, _SOONEST_S)
        turn.likely_s = now_s + max(answer.turn_in_s, answer.seconds, _SOONEST_S)
        line.refuse_late(turn, now_s)
        if not in_line:
            turn.due_s = now_s  # whoever came meanwhile and waits wants a place at once

    async def _pause(self, line: Line) -> None:
        """Until somebody is due, or comes, or goes."""
        line.woken.clear()
        seconds = max(line.next_s() - self._monotonic(), 0.0)
        first = [
            asyncio.ensure_future(self._sleep(seconds)),
            asyncio.ensure_future(line.woken.wait()),
        ]
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in first:
                one.cancel()

    # --- the hand ---

    def _refill(self, line: Line, now_s: float) -> None:
        if line.room(now_s) > 0 and not self._closed:
            line.refilling = True
            self._background.start("refilling a hand", lambda: self._refilled(line))

    async def _refilled(self, line: Line) -> None:
        try:
            most = line.hand_size - line.hand.held
            if most > 0:
                wish = Wish(shares=line.shares, importance=line.importance, most=most)
                answer = await self._budgets.take(wish)
                if isinstance(answer, Taken):
                    self._taken(line, wish.shares, answer, self._monotonic())
                else:
                    line.left = 0
        finally:
            line.refilling = False

    def _hold(self, line: Line) -> None:
        if not line.holding:
            line.holding = True
            self._background.start("holding a hand", lambda: self._held(line))

    async def _held(self, line: Line) -> None:
        try:
            while line.hand.held:
                old_s = line.hand.oldest_s() + line.hold_s
                await self._sleep(max(old_s - self._monotonic(), _SOONEST_S))
                self._drop(line, self._monotonic() - line.hold_s)
        finally:
            line.holding = False

    def _drop(self, line: Line, until_s: float) -> None:
        """What was taken until then leaves the hand."""
        for taken, permits in line.hand.drop(until_s):
            self._return(taken, permits)

    # --- giving back ---

    def _pass_on(self, line: Line, taken: Taking) -> None:
        left = 1
        if not self._closed and self._monotonic() - taken.at_s <= line.hold_s:
            left, gone = line.hand_out(1, taken)
            self._leave_line(line, gone)
            if not left:
                line.woken.set()
        if left:
            self._return(taken, 1)

    def _return(self, taken: Taking, permits: int) -> None:
        """Together with what else goes back in this tick: of one taking in one question."""
        if not self._returning:
            self._background.start("giving permits back", self._give_back_all)
        before = self._returning.get(id(taken), (taken, 0))[1]
        self._returning[id(taken)] = taken, before + permits

    async def _give_back_all(self) -> None:
        returning, self._returning = self._returning, {}
        ended = await asyncio.gather(
            *(
                self._budgets.give_back(taken.shares, permits, receipts=taken.receipts)
                for taken, permits in returning.values()
            ),
            return_exceptions=True,
        )
        for trouble in ended:
            if trouble is not None:
                raise trouble  # one of them is enough to be told

    # --- the line of the budgets ---

    def _leave_line(self, line: Line, callers: list[str]) -> None:
        for caller in callers:
            wish = Wish(
                shares=line.shares, ticket=self._ticket(line, caller), importance=line.importance
            )
            self._background.start("leaving a line", partial(self._budgets.leave_line, wish))

    def _ticket(self, line: Line, caller: str) -> str:
        return f"{self._process}/{line.importance.value}/{caller}"

    def _forget_idle(self) -> None:
        while len(self._lines) > self._most_lines:
            key, line = next(iter(self._lines.items()))
            if not line.idle:
                self._lines.move_to_end(key)
                return
            del self._lines[key]


def _closing() -> OverLimit:
    return OverLimit("This process is about to end.", retry_after_s=1.0, hint="Ask again.")
