"""Where Amazon sends the notifications of an application: one destination per region.

Answers for: finding the one that leads to the application's queue, or making it, once per process,
and for not asking again for a while after Amazon refused. Does not answer for: subscriptions.

Source: Amazon's notifications v1 model: these operations are grantless; each name and each ARN is
taken once; createDestination is refused where the queue's policy does not let Amazon in.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evergrant.amazon_reports.answers import told
from evergrant.calls import Calls
from evergrant.errors import CallDenied, EvergrantError, OverLimit, UnreadableAnswer
from evergrant.ports import Clock
from evergrant.rules import notifications as rules
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import SYSTEM

__all__ = ["READY_TO_WAIT_S", "Destinations"]

PATH = "/notifications/v1/destinations"
READY_TO_WAIT_S = 0.5
#: After Amazon said no, nobody asks again before.
_PAUSE = timedelta(minutes=5)

_Key = tuple[str, Region, str]


@dataclass(frozen=True, slots=True)
class _Refused:
    error: EvergrantError
    until: datetime


class Destinations:
    """One per process."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self._known: dict[_Key, str] = {}
        self._refused: dict[_Key, _Refused] = {}
        self._one_at_a_time = asyncio.Lock()

    async def get(
        self, application_id: str, region: Region, queue_url: str, account_id: str
    ) -> str:
        """Amazon's destinationId. ``account_id``: in whose region Amazon is asked. Raises as
        ``calls.send`` and ``answers.told``."""
        arn = rules.queue_arn(queue_url)
        key = application_id, region, arn
        async with self._one_at_a_time:
            known = self._known.get(key)
            return known if known is not None else await self._fetch(key, account_id)

    async def _fetch(self, key: _Key, account_id: str) -> str:
        now, arn = self._clock.now(), key[2]
        refused = self._refused.get(key)
        if refused is not None and now < refused.until:
            raise refused.error
        try:
            found = await self._find(account_id, arn) or await self._make(account_id, arn)
        except OverLimit:
            raise
        except EvergrantError as error:
            self._refused[key] = _Refused(error, now + _PAUSE)
            raise
        self._refused.pop(key, None)
        self._known[key] = found
        return found

    def forget(self, application_id: str) -> None:
        """Amazon does not know one of them any more."""
        for key in [key for key in self._known if key[0] == application_id]:
            del self._known[key]

    async def _find(self, account_id: str, arn: str) -> str:
        said = told(
            await self._calls.send(
                account_id, "GET", PATH, by=SYSTEM, ready_to_wait_s=READY_TO_WAIT_S
            )
        )
        rows = said.get("payload")
        for row in rows if isinstance(rows, list) else []:
            if _arn_of(row) == arn and isinstance(row.get("destinationId"), str):
                return str(row["destinationId"])
        return ""

    async def _make(self, account_id: str, arn: str) -> str:
        try:
            said = told(
                await self._calls.send(
                    account_id,
                    "POST",
                    PATH,
                    headers={"content-type": "application/json"},
                    body=json.dumps(rules.destination_body(arn)).encode(),
                    by=SYSTEM,
                    ready_to_wait_s=READY_TO_WAIT_S,
                    importance=Importance.LAST,
                )
            )
        except CallDenied as denied:
            # Another process was faster.
            if denied.status == 409 and (found := await self._find(account_id, arn)):
                return found
            raise
        payload = said.get("payload")
        made = payload.get("destinationId") if isinstance(payload, dict) else None
        if not isinstance(made, str) or not made:
            raise UnreadableAnswer
        return made


def _arn_of(row: Any) -> str:
    resource = row.get("resource") if isinstance(row, dict) else None
    sqs = resource.get("sqs") if isinstance(resource, dict) else None
    arn = sqs.get("arn") if isinstance(sqs, dict) else None
    return arn if isinstance(arn, str) else ""
