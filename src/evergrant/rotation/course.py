"""The course of one rotation, act by act.

Answers for: doing what the rules decided for one application, one act at a time, each recorded
before the next: asking Amazon, trying what came, promoting it, proving that nothing happened. Does
not answer for: what comes by the queue (`arrivals`), or for when a person is reminded (`endings`).

Whoever calls holds the application's lock. A process that dies between two acts is followed by
one that reads how far it came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal, logs, notices, outbox, vault
from evergrant.calls import Asked
from evergrant.errors import (
    AmazonUnavailable,
    Conflict,
    EvergrantError,
    OverLimit,
    Throttled,
    UnreadableAnswer,
)
from evergrant.naming import new_id
from evergrant.ports.amazon import Answer
from evergrant.ports.store import AlreadyThere, Transaction
from evergrant.ports.things import OutboxItem
from evergrant.ports.watched import Rotation, RotationSource, RotationStep
from evergrant.registry import Promotion
from evergrant.rotation.ground import Ground, Known, open_secret
from evergrant.rotation.trial import try_secret
from evergrant.rotation.values import Turned
from evergrant.rules import ids
from evergrant.rules import rotation as rules
from evergrant.rules.budgets import Importance
from evergrant.rules.marketplaces import Region
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM, Caller
from evergrant.rules.rotation import Act
from evergrant.rules.secrecy import digest, scrub
from evergrant.rules.terms import secret_ends_at

__all__ = ["SETTLED_BY_ROTATION", "Course"]

_log = logs.logger(__name__)

#: ``rotateApplicationClientSecret``, Application Management API v2023-11-30.
METHOD, PATH = "POST", "/applications/2023-11-30/clientSecret"
#: Amazon allows about one such call a minute.
READY_TO_WAIT_S = 5.0
#: Until the weather is looked at again, and until another permit.
WEATHER = timedelta(minutes=5)
THROTTLED = timedelta(minutes=2)
#: Acts of one application in one turn; more wait a minute.
MOST_ACTS = 6

SETTLED_BY_ROTATION = (
    NoticeKind.SECRET_ENDING,
    NoticeKind.SECRET_DEAD,
    NoticeKind.ROTATION_STUCK,
)
#: Where the application is registered is written nowhere; the first one with accounts is asked.
_REGIONS = (Region.NA, Region.EU, Region.FE)


class Course:
    """One per process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def turn(self, application_id: str) -> Turned:
        """Whatever is due, until there is nothing more to do but to wait."""
        turned = Turned()
        for _ in range(MOST_ACTS):
            now = self._ground.now()
            async with self._ground.store.transaction() as tx:
                known = await self._ground.known(tx, application_id)
            if known is None:
                break
            decision = rules.decide(now, known.situation, self._ground.ahead)
            if decision.act is Act.REST:
                break
            try:
                turned += await self._act(known, decision, now)
            except Conflict:
                _log.info("rotation overtaken", application_id=application_id)
                break
        return turned

    async def begin(self, known: Known, by: Caller, why: str, now: datetime) -> Rotation:
        """Raises Conflict when one is open."""
        rotation = Rotation(
            id=new_id(ids.Kind.ROTATION, now),
            application_id=known.application.id,
            source=RotationSource.ASKED,
            step=RotationStep.ASKING,
            created_at=now,
            changed_at=now,
        )
        async with self._ground.store.transaction() as tx:
            try:
                await tx.rotations.add(rotation)
            except AlreadyThere:
                raise Conflict("A rotation of this application is under way.") from None
            await self._note(tx, rotation, "rotation.began", now, by=by, why=why)
        return rotation

    async def _act(self, known: Known, decision: rules.Decision, now: datetime) -> Turned:
        if known.running is None:
            await self.begin(known, SYSTEM, decision.why, now)
            return Turned()
        if decision.act is Act.ASK:
            return await self._ask(known, known.running, now)
        if decision.act is Act.PROVE:
            return await self._prove(known, known.running, now)
        if decision.act is Act.TRY:
            return await self._try(known, known.running, now)
        if decision.act is Act.CLOSE:
            await self.close(known.running, now)
            return Turned()
        return await self._give_up(known, known.running, decision.why, now)

    # --- asking ---

    async def _ask(self, known: Known, rotation: Rotation, now: datetime) -> Turned:
        account_id = await self._spokesman(known, rotation.tries)
        try:
            # What can go wrong before Amazon hears goes wrong here: then it certainly did not.
            leave = await self._ground.calls.admit(
                Asked(
                    account_id=account_id,
                    method=METHOD,
                    path=PATH,
                    ready_to_wait_s=READY_TO_WAIT_S,
                    importance=Importance.SECOND,
                ),
                by=SYSTEM,
            )
        except EvergrantError as error:
            await self._not_heard(rotation, error, now)
            return Turned()
        self._ground.calls.give_back(leave)
        asking = await self._move(
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
            await self._move(
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
        await self._move(asking, now, "rotation.in_doubt", {"why": why}, last_error=why)

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
        await self._move(
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
        await self._move(
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

    # --- proof that nothing was rotated ---

    async def _prove(self, known: Known, rotation: Rotation, now: datetime) -> Turned:
        async with self._ground.store.transaction() as tx:
            current = await open_secret(
                self._ground.vault, tx, vault.client_secret(known.application.id)
            )
        if current is None:
            return await self._give_up(known, rotation, "The client secret is not there.", now)
        try:
            verdict = await try_secret(self._ground, known.credentials, current)
        except (AmazonUnavailable, Throttled, UnreadableAnswer) as weather:
            await self._put_off(rotation, now, weather.message, rules.next_proof(now))
            return Turned()
        if verdict.taken:
            await self._move(
                rotation,
                now,
                "rotation.nothing_happened",
                {"asked_at": rotation.asked_at},
                step=RotationStep.ASKING,
                asked_at=None,
                tries=0,
                next_at=None,
                last_error="",
            )
            return Turned()
        why = f"Login with Amazon refuses the old client secret ({verdict.words})."
        turned = await self._give_up(known, rotation, why, now)
        await self._ground.registry.note_application_trouble(known.application.id, verdict.refusal)
        return turned

    # --- the received one ---

    async def _try(self, known: Known, rotation: Rotation, now: datetime) -> Turned:
        name = vault.received_client_secret(rotation.id)
        async with self._ground.store.transaction() as tx:
            received = await open_secret(self._ground.vault, tx, name)
        if received is None:
            why = "The received client secret does not open; its message comes again."
            await self._put_off(rotation, now, why, now + WEATHER)
            return Turned()
        try:
            verdict = await try_secret(self._ground, known.credentials, received)
        except (AmazonUnavailable, Throttled, UnreadableAnswer) as weather:
            await self._put_off(rotation, now, weather.message, now + WEATHER)
            return Turned()
        if not verdict.taken:
            tries = rotation.tries + 1
            await self._move(
                rotation,
                now,
                "rotation.secret_refused",
                {"amazon_said": verdict.words, "tries": tries},
                tries=tries,
                next_at=rules.next_trial(now, tries),
                last_error=verdict.words,
            )
            return Turned()
        created_at = rotation.asked_at or rotation.received_at
        promotion = Promotion(
            secret=received,
            created_at=created_at,
            expires_at=rotation.secret_expires_at or secret_ends_at(created_at),
            previous_ends_at=rotation.previous_ends_at,
        )
        await self.promote(known, rotation, promotion, by=SYSTEM, step=RotationStep.PROMOTED)
        return Turned(promoted=1)

    async def promote(
        self,
        known: Known,
        rotation: Rotation | None,
        promotion: Promotion,
        *,
        by: Caller,
        step: RotationStep,
    ) -> Rotation:
        """One commit: the secret is in force, the one before it is kept, the rotation and everybody
        who has to hear of it are told. Without an open rotation a new one is written down. Raises
        Conflict when somebody changed the credentials or the rotation meanwhile."""
        now = self._ground.now()
        app = known.application
        over = {} if step is RotationStep.PROMOTED else {"ended_at": now}
        async with self._ground.store.transaction() as tx:
            fresh = await self._ground.registry.promote_client_secret(
                tx, known.credentials, promotion, now=now
            )
            values: dict[str, Any] = {
                "step": step,
                "promoted_at": now,
                "secret_digest": digest(promotion.secret),
                "secret_expires_at": fresh.secret_expires_at,
                "previous_ends_at": fresh.previous_secret_ends_at,
                "last_error": "",
                "next_at": None,
                **over,
            }
            if rotation is None:
                promoted = Rotation(
                    id=new_id(ids.Kind.ROTATION, now),
                    application_id=app.id,
                    source=RotationSource.PASTED,
                    created_at=now,
                    changed_at=now,
                    **values,
                )
                try:
                    await tx.rotations.add(promoted)
                except AlreadyThere:
                    raise Conflict("A rotation began at the same moment.") from None
            else:
                promoted = await self._changed(tx, rotation, now, **values)
                await self._ground.vault.drop(tx, vault.received_client_secret(rotation.id))
            await self._note(
                tx,
                promoted,
                "rotation.promoted",
                now,
                by=by,
                ends_at=fresh.secret_expires_at,
                previous_ends_at=fresh.previous_secret_ends_at,
            )
            items = await self._tell(tx, known, promoted, "secret.rotated", now)
            await notices.settle(tx, now=now, kinds=SETTLED_BY_ROTATION, subject=app.id)
        await self._ground.ring(items)
        return promoted

    async def close(self, rotation: Rotation, now: datetime) -> None:
        """Nothing is left to be done for it."""
        await self._move(
            rotation, now, "rotation.done", {}, step=RotationStep.DONE, ended_at=now, next_at=None
        )

    async def _give_up(self, known: Known, rotation: Rotation, why: str, now: datetime) -> Turned:
        async with self._ground.store.transaction() as tx:
            failed = await self._changed(
                tx,
                rotation,
                now,
                step=RotationStep.FAILED,
                ended_at=now,
                next_at=None,
                last_error=why,
            )
            await self._note(tx, failed, "rotation.given_up", now, why=why)
            await notices.put(
                tx,
                now=now,
                kind=NoticeKind.ROTATION_STUCK,
                subject=known.application.id,
                application_id=known.application.id,
                message=f"{why} Rotate it in Amazon's console and paste the new client secret.",
            )
            items = await self._tell(tx, known, failed, "secret.failed", now, why=why)
        await self._ground.ring(items)
        return Turned(troubles=1)

    # --- writing it down ---

    async def _put_off(self, rotation: Rotation, now: datetime, why: str, until: datetime) -> None:
        """Nothing is known yet. No line in the journal: the weather would fill it."""
        async with self._ground.store.transaction() as tx:
            await self._changed(tx, rotation, now, next_at=until, last_error=scrub(why)[:300])

    async def _move(
        self,
        rotation: Rotation,
        now: datetime,
        verb: str,
        facts: Mapping[str, Any],
        **values: Any,
    ) -> Rotation:
        async with self._ground.store.transaction() as tx:
            moved = await self._changed(tx, rotation, now, **values)
            await self._note(tx, moved, verb, now, **facts)
        return moved

    async def _changed(
        self, tx: Transaction, seen: Rotation, now: datetime, **values: Any
    ) -> Rotation:
        changed = await tx.rotations.change(
            seen.id,
            {"step": seen.step, "changed_at": seen.changed_at, "ended_at": None},
            changed_at=now,
            **values,
        )
        if changed is None:
            raise Conflict("Somebody else went on with this rotation.")
        return changed

    async def _note(
        self,
        tx: Transaction,
        rotation: Rotation,
        verb: str,
        now: datetime,
        *,
        by: Caller = SYSTEM,
        **facts: Any,
    ) -> None:
        await journal.write(
            tx,
            now=now,
            by=by,
            verb=verb,
            subject=rotation.application_id,
            rotation_id=rotation.id,
            source=rotation.source,
            **facts,
        )

    async def _tell(
        self,
        tx: Transaction,
        known: Known,
        rotation: Rotation,
        topic: str,
        now: datetime,
        **more: Any,
    ) -> list[OutboxItem]:
        credentials = await tx.credentials.get(known.application.id) or known.credentials
        return await outbox.put_application_event(
            tx,
            now=now,
            topic=topic,
            application=known.application,
            rotation_id=rotation.id,
            source=rotation.source.value,
            ends_at=_text(credentials.secret_expires_at),
            previous_ends_at=_text(credentials.previous_secret_ends_at),
            **more,
        )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _words(answer: Answer) -> str:
    """What Amazon said, as far as it said anything."""
    try:
        told = json.loads(answer.body[:16384])
        first = told["errors"][0]
        said = f"{first.get('code', '')}: {first.get('message', '')}".strip(": ")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        said = ""
    return scrub(said)[:300] or f"Amazon answered {answer.status}."
