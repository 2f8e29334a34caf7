"""The link that a refusal carries: what the selling partner has to open, so that it works again.

Answers for: one way for all doors to add it to a refusal of a lapsed or revoked account, and for
asking the reception for it once in a while however often a program is refused. Does not answer for:
who is told of the refusal (the rooms: whoever does not reach the account never hears of it), or for
how the link is shown (each door, at the socket; until there it is a `Secret`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from evergrant.desk import Desk
from evergrant.errors import EvergrantError, GrantLapsed, GrantRefused
from evergrant.logs import logger
from evergrant.rules.secrecy import Secret

__all__ = ["RenewalLinks"]

log = logger(__name__)
Given = TypeVar("Given")

#: So long the same refusal carries the same link, or none, without anybody being asked.
MOMENT_S: Final = 15.0
#: A refusal does not wait longer for its link than that.
PATIENCE_S: Final = 2.0
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Errand:
    until_s: float
    asked: asyncio.Task[Secret | None]


class RenewalLinks:
    """One per door. ``monotonic`` is for tests."""

    def __init__(self, desk: Desk, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask = desk.consent.renewal_link
        self._monotonic = monotonic
        self._errands: dict[str, _Errand] = {}

    async def carried(self, work: Awaitable[Given], account_id: str) -> Given:
        """What ``work`` gives. A refusal that the selling partner can mend goes on with the link,
        where there is one."""
        try:
            return await work
        except (GrantLapsed, GrantRefused) as refused:
            refused.renewal_link = await self.link(account_id)
            raise

    async def link(self, account_id: str) -> Secret | None:
        """None: there is none to be had, or nobody could say in time. Never raises."""
        errand = self._errands.get(account_id)
        if errand is None or self._monotonic() >= errand.until_s:
            self._forget(account_id)
            asked = asyncio.create_task(self._fetch(account_id), name="renewal link")
            errand = _Errand(self._monotonic() + MOMENT_S, asked)
            self._errands[account_id] = errand
        try:
            return await asyncio.wait_for(asyncio.shield(errand.asked), PATIENCE_S)
        except TimeoutError:
            return None

    def _forget(self, account_id: str) -> None:
        """What is over, as no link is kept for longer than it is shown; and of too many the oldest.
        They lie in the order in which they end."""
        self._errands.pop(account_id, None)
        now_s = self._monotonic()
        while self._errands:
            oldest = next(iter(self._errands))
            if len(self._errands) < _MOST and now_s < self._errands[oldest].until_s:
                return
            del self._errands[oldest]

    async def _fetch(self, account_id: str) -> Secret | None:
        try:
            return await self._ask(account_id)
        except EvergrantError as error:
            # The refusal is what the program has to hear; the link is a service.
            log.info("no renewal link", account_id=account_id, error=error.code)
        except Exception:
            log.exception("a renewal link broke", account_id=account_id)
        return None
