"""Asks Amazon for a new client secret.

Answers for: that it is written down before Amazon can hear, and afterwards what is certain: Amazon
said yes, Amazon did not hear, or nobody knows. Does not answer for: whether it is time to ask (the
rules), or for the answer itself, which comes by the queue.

Source: ``rotateApplicationClientSecret`` of the Application Management API v2023-11-30: grantless,
204 without a body; 400 when the application is not enrolled for the notification.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from evergrant import vault
from evergrant.errors import (
    AmazonUnavailable,
    ApplicationIncomplete,
    Conflict,
    EvergrantError,
    OverLimit,
    Throttled,
    UnreadableAnswer,
)
from evergrant.ports.amazon import Answer
from evergrant.ports.watched import Rotation, RotationStep
from evergrant.rotation.ground import Ground, Known, open_secret
from evergrant.rotation.records import WEATHER, Records
from evergrant.rotation.trial import try_secret
from evergrant.rotation.values import Turned
from evergrant.rules import rotation as rules
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import Region
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import scrub

__all__ = ["Asking"]

#: ``rotateApplicationClientSecret``, Application Management API v2023-11-30.
METHOD, PATH = "POST", "/applications/2023-11-30/clientSecret"
#: Amazon allows about one such call a minute.
READY_TO_WAIT_S = 5.0
#: Until another permit.
THROTTLED = timedelta(minutes=2)
#: Where the application is registered is written nowhere; the first one with accounts is asked.
_REGIONS = (Region.NA, Region.EU, Region.FE)


class Asking:
    """One per process."""

    def __init__(self, ground: Ground, records: Records) -> None:
        self._ground = ground
        self._records = records

    async def ask(self, known: Known, rotation: Rotation, now: datetime) -> Turned:
        account_id = await self._spokesman(known, rotation.tries)
        async with self._ground.store.transaction() as tx:
            current = await open_secret(
                self._ground.vault, tx, vault.client_secret(known.application.id)
            )
        try:
            # What can go wrong before Amazon hears goes wrong here: then it certainly did not.
            if current is None:
                raise ApplicationIncomplete("The client secret in force is not there.")
            verdict = await try_secret(self._ground, known.credentials, current)
            if verdict.refusal is not None:
                raise verdict.refusal
        except EvergrantError as error:
            await self._not_heard(rotation, error, now)
            return Turned()
        now = self._ground.now()
        asking = await self._records.move(
            rotation, now, "rotation.asking", {"account_id": account_id}, asked_at=now
        )
        ended: Answer | EvergrantError
        try:
            ended = await self._ground.calls.send(
                account_id,
                METHOD,
                PATH,
                headers={"content-type": "application/json"},
                body=b"{}",
                by=SYSTEM,
                ready_to_wait_s=READY_TO_WAIT_S,
                importance=Importance.SECOND,
            )
        except EvergrantError as error:
            ended = error
        await self._record(asking, ended)
        return Turned(asked=1)

    async def _record(self, asking: Rotation, ended: Answer | EvergrantError) -> None:
        now = self._ground.now()
        if isinstance(ended, EvergrantError):
            unsent = ended.facts.get("sent") is False
            if unsent or not isinstance(ended, AmazonUnavailable):
                await self._not_heard(asking, ended, now)
                return
            why = "no answer came"
        elif 200 <= ended.status < 300:
            await self._records.move(
                asking, now, "rotation.asked", {}, step=RotationStep.ASKED, last_error=""
            )
            return
        elif ended.status == 429:
            await self._not_heard(asking, Throttled(), now)
            return
        elif ended.status < 500 and ended.status != 408:
            await self._refused(asking, ended, now)
            return
        else:
            why = f"Amazon answered {ended.status}"
        await self._records.move(asking, now, "rotation.in_doubt", {"why": why}, last_error=why)

    async def _not_heard(self, rotation: Rotation, error: EvergrantError, now: datetime) -> None:
        """Amazon was certainly not asked. The weather is no refusal, and is not counted."""
        soon = isinstance(error, (AmazonUnavailable, UnreadableAnswer))
        throttled = isinstance(error, (Throttled, OverLimit))
        tries = rotation.tries if soon or throttled else rotation.tries + 1
        if throttled:
            next_at = now + THROTTLED
        else:
            next_at = now + WEATHER if soon else rules.next_asking(now, tries)
        said = scrub(error.message)[:300]
        await self._records.move(
            rotation,
            now,
            "rotation.not_asked",
            {"why": said},
            asked_at=None,
            tries=tries,
            next_at=next_at,
            last_error=said if tries else "",
        )

    async def _refused(self, asking: Rotation, answer: Answer, now: datetime) -> None:
        tries = asking.tries + 1
        said = _words(answer)
        await self._records.move(
            asking,
            now,
            "rotation.refused",
            {"amazon_said": said, "status": answer.status},
            asked_at=None,
            tries=tries,
            next_at=rules.next_asking(now, tries),
            last_error=said,
        )

    async def _spokesman(self, known: Known, refusals: int) -> str:
        """The account in whose name, and so in whose region, Amazon is asked: of the region with
        most accounts, North America first among equals; after a refusal of the next one."""
        found: list[tuple[int, str]] = []
        async with self._ground.store.transaction() as tx:
            for region in _REGIONS:
                wanted: dict[str, Any] = {
                    "application_id": known.application.id,
                    "region": region,
                }
                first = await tx.accounts.all(**wanted, limit=1)
                if first:
                    found.append((await tx.accounts.count(**wanted), first[0].id))
        if not found:
            raise Conflict("The last account of the application went away.")
        found.sort(key=lambda one: -one[0])
        return found[refusals % len(found)][1]


def _words(answer: Answer) -> str:
    """What Amazon said, as far as it said anything."""
    try:
        told = json.loads(answer.body[:16384])
        first = told["errors"][0]
        said = f"{first.get('code', '')}: {first.get('message', '')}".strip(": ")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        said = ""
    return scrub(said)[:300] or f"Amazon answered {answer.status}."
