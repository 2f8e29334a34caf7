"""The course of one rotation, act by act.

Answers for: doing what the rules decided for one application, one act at a time, each recorded
before the next: asking Amazon, trying what came, promoting it, proving that nothing happened. Does
not answer for: what comes by the queue (`arrivals`), or for when a person is reminded (`endings`).

Whoever calls holds the application's lock. A process that dies between two acts is followed by
one that reads how far it came.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from evergrant import logs, notices, outbox, vault
from evergrant.errors import (
    AmazonUnavailable,
    Conflict,
    Throttled,
    UnreadableAnswer,
)
from evergrant.naming import new_id
from evergrant.ports.store import AlreadyThere, Transaction
from evergrant.ports.things import OutboxItem
from evergrant.ports.watched import Rotation, RotationSource, RotationStep
from evergrant.registry import Promotion
from evergrant.rotation.asking import Asking
from evergrant.rotation.ground import Ground, Known, open_secret
from evergrant.rotation.records import WEATHER, Records
from evergrant.rotation.trial import try_secret
from evergrant.rotation.values import Turned
from evergrant.rules import ids
from evergrant.rules import rotation as rules
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM, Caller
from evergrant.rules.rotation import Act
from evergrant.rules.secrecy import digest
from evergrant.rules.terms import secret_ends_at

__all__ = ["SETTLED_BY_ROTATION", "Course"]

_log = logs.logger(__name__)

#: Acts of one application in one turn; more wait a minute.
MOST_ACTS = 6

SETTLED_BY_ROTATION = (
    NoticeKind.SECRET_ENDING,
    NoticeKind.SECRET_DEAD,
    NoticeKind.ROTATION_STUCK,
)


class Course:
    """One per process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._records = Records(ground.store)
        self._asking = Asking(ground, self._records)

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
            await self._records.note(tx, rotation, "rotation.began", now, by=by, why=why)
        return rotation

    async def _act(self, known: Known, decision: rules.Decision, now: datetime) -> Turned:
        if known.running is None:
            await self.begin(known, SYSTEM, decision.why, now)
            return Turned()
        if decision.act is Act.ASK:
            return await self._asking.ask(known, known.running, now)
        if decision.act is Act.PROVE:
            return await self._prove(known, known.running, now)
        if decision.act is Act.TRY:
            return await self._try(known, known.running, now)
        if decision.act is Act.CLOSE:
            await self.close(known.running, now)
            return Turned()
        if known.running.received_at is not None:
            return await self._let_go(known, known.running, decision.why, now)
        return await self._give_up(known, known.running, decision.why, now)

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
            await self._records.put_off(rotation, now, weather.message, rules.next_proof(now))
            return Turned()
        if verdict.taken:
            await self._records.move(
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
            await self._records.put_off(rotation, now, why, now + WEATHER)
            return Turned()
        try:
            verdict = await try_secret(self._ground, known.credentials, received)
        except (AmazonUnavailable, Throttled, UnreadableAnswer) as weather:
            await self._records.put_off(rotation, now, weather.message, now + WEATHER)
            return Turned()
        if not verdict.taken:
            tries = rotation.tries + 1
            await self._records.move(
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

    async def _let_go(self, known: Known, rotation: Rotation, why: str, now: datetime) -> Turned:
        """Of the received secret. Were it the successor of the one in force, that one would be dead
        by now; so while it works nobody has to do anything."""
        async with self._ground.store.transaction() as tx:
            current = await open_secret(
                self._ground.vault, tx, vault.client_secret(known.application.id)
            )
        try:
            works = (
                current is not None
                and (await try_secret(self._ground, known.credentials, current)).taken
            )
        except (AmazonUnavailable, Throttled, UnreadableAnswer) as weather:
            await self._records.put_off(rotation, now, weather.message, rules.next_proof(now))
            return Turned()
        if not works:
            return await self._give_up(known, rotation, why, now)
        await self._records.move(
            rotation,
            now,
            "rotation.given_up",
            {"why": why},
            step=RotationStep.FAILED,
            ended_at=now,
            next_at=None,
            last_error=why,
        )
        async with self._ground.store.transaction() as tx:
            await notices.settle(
                tx, now=now, kinds=(NoticeKind.ROTATION_STUCK,), subject=known.application.id
            )
        return Turned()

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
                promoted = await self._records.changed(tx, rotation, now, **values)
                await self._ground.vault.drop(tx, vault.received_client_secret(rotation.id))
            await self._records.note(
                tx,
                promoted,
                "rotation.promoted",
                now,
                by=by,
                ends_at=fresh.secret_expires_at,
                previous_ends_at=fresh.previous_secret_ends_at,
            )
            items = await self._tell(tx, known, promoted, now)
            await notices.settle(tx, now=now, kinds=SETTLED_BY_ROTATION, subject=app.id)
        await self._ground.ring(items)
        return promoted

    async def close(self, rotation: Rotation, now: datetime) -> None:
        """Nothing is left to be done for it."""
        await self._records.move(
            rotation, now, "rotation.done", {}, step=RotationStep.DONE, ended_at=now, next_at=None
        )

    async def _give_up(self, known: Known, rotation: Rotation, why: str, now: datetime) -> Turned:
        async with self._ground.store.transaction() as tx:
            failed = await self._records.changed(
                tx,
                rotation,
                now,
                step=RotationStep.FAILED,
                ended_at=now,
                next_at=None,
                last_error=why,
            )
            await self._records.note(tx, failed, "rotation.given_up", now, why=why)
            await notices.put(
                tx,
                now=now,
                kind=NoticeKind.ROTATION_STUCK,
                subject=known.application.id,
                application_id=known.application.id,
                message=f"{why} Rotate it in Amazon's console and paste the new client secret.",
            )
        return Turned(troubles=1)

    async def _tell(
        self,
        tx: Transaction,
        known: Known,
        rotation: Rotation,
        now: datetime,
    ) -> list[OutboxItem]:
        credentials = await tx.credentials.get(known.application.id) or known.credentials
        return await outbox.put_application_event(
            tx,
            now=now,
            topic="secret.rotated",
            application=known.application,
            rotation_id=rotation.id,
            source=rotation.source.value,
            ends_at=_text(credentials.secret_expires_at),
            previous_ends_at=_text(credentials.previous_secret_ends_at),
        )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
