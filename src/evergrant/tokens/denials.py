"""Access tokens that LWA gives and the Selling Partner API does not take.

Answers for: not asking LWA for another one at each call of a program, and for having the account
looked at when even a fresh one is refused. Does not answer for: hearing of the refusal (the gate),
or for what is wrong with the account (the probe finds it out).

On the day when a grant ends, or is taken back, LWA may say ``invalid_grant`` or the Selling Partner
API may say 403 first: Amazon's page "authorization-errors" names both, and no order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evergrant.errors import CallDenied
from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.ports.things import Standing
from evergrant.rules.secrecy import Secret

__all__ = ["Denials"]

#: One token may have been over, or lost, for a reason of its own. LWA is asked for another so often
#: in a row; more would say nothing new.
_IN_A_ROW = 2
FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 1_800.0
_MOST = 10_000


@dataclass(slots=True)
class _Replaced:
    """``fresh`` came in the place of a token that Amazon did not take, for so many ``times`` in a
    row. When they are too many there is no other one before ``until_s``."""

    fresh: Secret
    times: int
    until_s: float
    pause_s: float
    told: bool = False


class Denials:
    """One per process. ``monotonic`` gives seconds."""

    def __init__(self, store: Store, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._monotonic = monotonic
        self._accounts: dict[str, _Replaced] = {}

    def replaced(self, account_id: str, denied: Secret, fresh: Secret) -> None:
        """LWA gave this one in the place of one that Amazon did not take."""
        now_s = self._monotonic()
        before = self._accounts.pop(account_id, None)
        times, pause_s = 1, FIRST_PAUSE_S
        if (
            before is not None
            and before.fresh == denied
            and now_s < before.until_s + LONGEST_PAUSE_S
        ):
            times = before.times + 1
            pause_s = min(before.pause_s * 2, LONGEST_PAUSE_S) if before.told else FIRST_PAUSE_S
        while len(self._accounts) >= _MOST:
            del self._accounts[next(iter(self._accounts))]
        self._accounts[account_id] = _Replaced(fresh, times, now_s + pause_s, pause_s)

    async def refuse_if_repeated(self, standing: Standing, denied: Secret) -> None:
        """Raises CallDenied when this one was fetched in the place of others a short while ago."""
        last = self._accounts.get(standing.account_id)
        if last is None or last.fresh != denied or last.times < _IN_A_ROW:
            return
        if self._monotonic() >= last.until_s:
            return
        if not last.told:
            last.told = True
            await self._look_at(standing)
        raise CallDenied(
            403,
            "Unauthorized",
            "LWA gives access tokens of this account, and the Selling Partner API takes none.",
        )

    async def _look_at(self, standing: Standing) -> None:
        """The account's next probe is due now: it says what is wrong."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            seen = await tx.authorizations.get(standing.authorization_id)
            if seen is not None and seen.probe_due_at is not None and seen.probe_due_at > now:
                await tx.authorizations.change(
                    seen.id, expecting={"probe_due_at": seen.probe_due_at}, probe_due_at=now
                )
