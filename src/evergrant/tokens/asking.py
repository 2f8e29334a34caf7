"""How LWA is asked: a few tries in bad weather, one at a time while it refuses the application.

Answers for: not making a storm worse. A retry takes from a budget shared by all accounts of this
process, so in an outage we soon ask once instead of three times; and while LWA refuses an
application, its accounts do not all run into the same wall. Does not answer for: ``invalid_grant``,
which passes through untouched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from evergrant.errors import (
    AmazonUnavailable,
    ApplicationRefused,
    GrantRefused,
    Throttled,
    UnreadableAnswer,
)
from evergrant.ports.amazon import LWA, LwaClient, TokenAnswer
from evergrant.registry import Registry
from evergrant.rules import budgets, cadence
from evergrant.rules.secrecy import Secret
from evergrant.tokens.silences import Silences

__all__ = ["Asking"]

#: Somebody waits: after so long no further try is begun.
PATIENCE_S = 4.0
#: Retries of all accounts together: 20 at once, two more every second.
RETRIES = budgets.Plan(rate_per_s=2.0, burst=20)


@dataclass(slots=True)
class _Refused:
    """An application that LWA refused when it was last asked."""

    error: ApplicationRefused
    asked_s: float
    lane: asyncio.Lock = field(default_factory=asyncio.Lock)


class Asking:
    """One per process."""

    def __init__(
        self,
        *,
        lwa: LWA,
        registry: Registry,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        silences: Silences,
    ) -> None:
        self._silences = silences
        self._lwa = lwa
        self._registry = registry
        self._monotonic = monotonic
        self._sleep = sleep
        self._retries = budgets.FULL
        self._refused: dict[str, _Refused] = {}

    async def refresh(
        self, application_id: str, refresh_token: Secret, *, since_s: float
    ) -> TokenAnswer:
        """An access token for this grant. ``since_s``: when the errand began; what LWA said of the
        application after that is believed without asking again.

        Raises GrantRefused, ApplicationRefused, ApplicationIncomplete, AmazonUnavailable,
        Throttled, UnreadableAnswer.
        """
        return await self._ask(
            application_id, lambda client: self._lwa.refresh(client, refresh_token), since_s
        )

    async def grantless(self, application_id: str, scope: str, *, since_s: float) -> TokenAnswer:
        """A grantless token. Raises as ``refresh``, without GrantRefused."""
        return await self._ask(
            application_id, lambda client: self._lwa.grantless(client, scope), since_s
        )

    def now_s(self) -> float:
        return self._monotonic()

    async def _ask(
        self,
        application_id: str,
        ask: Callable[[LwaClient], Awaitable[TokenAnswer]],
        since_s: float,
    ) -> TokenAnswer:
        refused = self._refused.get(application_id)
        if refused is None:
            return await self._once(application_id, ask)
        async with refused.lane:
            refused = self._refused.get(application_id)
            if refused is not None and refused.asked_s > since_s:
                raise refused.error.with_traceback(None)
            return await self._once(application_id, ask)

    async def _once(
        self, application_id: str, ask: Callable[[LwaClient], Awaitable[TokenAnswer]]
    ) -> TokenAnswer:
        client = await self._registry.lwa_client(application_id)
        asked_s = self._monotonic()
        try:
            answer = await self._through_weather(lambda: ask(client))
        except ApplicationRefused as error:
            rescued = await self._with_previous(application_id, ask, error)
            if rescued is not None:
                return rescued
            await self._note_refused(application_id, error, asked_s)
            raise
        except GrantRefused:
            # LWA looks at the client first: it took the application.
            await self._note_accepted(application_id)
            raise
        except (AmazonUnavailable, Throttled, UnreadableAnswer) as weather:
            await self._silences.note(application_id, weather)
            raise
        await self._note_accepted(application_id)
        return answer

    async def _with_previous(
        self,
        application_id: str,
        ask: Callable[[LwaClient], Awaitable[TokenAnswer]],
        error: ApplicationRefused,
    ) -> TokenAnswer | None:
        """With the client secret before the one in force, while that lives: a mistyped one, or one
        that not all of LWA knows yet, stops nobody. The incident is told all the same, because it
        does so for a few days only. None: there is none, or it did not help. Raises GrantRefused.
        """
        client = (
            await self._registry.previous_lwa_client(application_id)
            if error.error == "invalid_client"
            else None
        )
        if client is None:
            return None
        try:
            answer = await self._through_weather(lambda: ask(client))
        except (ApplicationRefused, AmazonUnavailable, Throttled, UnreadableAnswer):
            return None
        except GrantRefused:
            await self._registry.note_application_trouble(application_id, error)
            raise
        await self._registry.note_application_trouble(application_id, error)
        return answer

    async def _through_weather(self, ask: Callable[[], Awaitable[TokenAnswer]]) -> TokenAnswer:
        began_s = self._monotonic()
        for pause_s in (*cadence.LWA_WEATHER_S, None):
            try:
                return await ask()
            except (AmazonUnavailable, Throttled, UnreadableAnswer) as error:
                weather = error
            if pause_s is None or not self._may_retry(weather, began_s, pause_s):
                break
            await self._sleep(pause_s)
        raise weather

    def _may_retry(
        self,
        weather: AmazonUnavailable | Throttled | UnreadableAnswer,
        began_s: float,
        pause_s: float,
    ) -> bool:
        if isinstance(weather, Throttled) and (weather.retry_after_s or 0) > pause_s:
            return False
        now_s = self._monotonic()
        if now_s + pause_s - began_s > PATIENCE_S:
            return False
        permit = budgets.take(self._retries, RETRIES, now_s)
        if isinstance(permit, budgets.Wait):
            return False
        self._retries = permit.bucket
        return True

    async def _note_refused(
        self, application_id: str, error: ApplicationRefused, asked_s: float
    ) -> None:
        before = self._refused.get(application_id)
        if before is None:
            self._refused[application_id] = _Refused(error, asked_s)
        else:
            before.error, before.asked_s = error, max(asked_s, before.asked_s)
        # A scope that is not granted is no trouble of the application as a whole, and says so
        # only to who asked for it.
        if error.error != "invalid_scope":
            await self._registry.note_application_trouble(application_id, error)

    async def _note_accepted(self, application_id: str) -> None:
        self._refused.pop(application_id, None)
        await self._registry.note_application_trouble(application_id, None)
