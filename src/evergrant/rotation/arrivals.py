"""What comes by the queue.

Answers for: reading every queue, for handing each message to its application, and for deleting it
only when nothing depends on it any more. Does not answer for: what a message says
(``rules.rotation_messages``), or for the course of a rotation once its secret lies in the safe.

A message that nobody here understands stays where it is, and a person hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from evergrant import journal, logs, notices, vault
from evergrant.errors import (
    EvergrantError,
    Misconfigured,
    QueueRefused,
    QueueUnavailable,
    SealBroken,
    StoreUnavailable,
)
from evergrant.naming import new_id
from evergrant.ports.secrets_queue import QueueAccess, QueueMessage
from evergrant.ports.store import AlreadyThere, Transaction
from evergrant.ports.watched import Rotation, RotationSource, RotationStep
from evergrant.rotation.course import Course
from evergrant.rotation.ground import Ground, Known, guarded, has_queue, open_secret
from evergrant.rotation.trial import try_secret
from evergrant.rotation.values import Turned
from evergrant.rules import ids, secrecy
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.rotation import PROOF
from evergrant.rules.rotation_messages import NewSecret, SecretEnding, Unread, read
from evergrant.rules.secrecy import Secret

__all__ = ["Arrivals", "Way"]

_log = logs.logger(__name__)

#: Any wait at all has SQS ask every one of its machines; while a secret is expected it is worth
#: some seconds of this round.
IDLE_S = 1.0
EXPECTING_S = 5.0
#: So many queues at once, and so many messages of one queue in one round.
QUEUES_AT_ONCE = 8
MOST_TURNS = 5
#: A queue whose weather lasts longer is trouble; a message that nobody has met for so long is gone.
PATIENCE = timedelta(hours=1)
#: How long a received secret is kept that LWA refused to the end.
_KEPT = timedelta(days=30)
#: Amazon's client secrets live 180 days. What a message says of its own time proves nothing.
_LONGEST_LIFE = timedelta(days=190)


@dataclass(frozen=True, slots=True)
class Way:
    """One queue with the keys to it, and the applications that name both."""

    access: QueueAccess
    application_ids: tuple[str, ...]
    expecting: bool  # one of them waits for its new secret


class Arrivals:
    """One per process."""

    def __init__(self, ground: Ground, course: Course) -> None:
        self._ground = ground
        self._course = course
        self._silent_since: dict[str, datetime] = {}

    async def ways(self, all_known: Sequence[Known]) -> list[Way]:
        """One for each queue and pair of keys, however many applications share them."""
        found: dict[tuple[str, ...], Way] = {}
        for known in all_known:
            if not has_queue(known.credentials):
                continue
            try:
                async with self._ground.store.transaction() as tx:
                    access = await self._ground.access(tx, known.credentials)
            except (SealBroken, Misconfigured) as closed:
                await self._unreadable([known.application.id], closed.message)
                continue
            if access is None:
                continue
            running = known.running
            expecting = running is not None and running.promoted_at is None
            same = (
                access.queue_url,
                access.role_arn,
                secrecy.digest(access.access_key),
                secrecy.digest(access.secret_key),
            )
            way = found.get(same)
            found[same] = (
                Way(access, (known.application.id,), expecting)
                if way is None
                else Way(
                    way.access,
                    (*way.application_ids, known.application.id),
                    way.expecting or expecting,
                )
            )
        return list(found.values())

    async def round(self, ways: Sequence[Way]) -> Turned:
        """Reads every queue. What is wrong with one does not keep the others."""
        room = asyncio.Semaphore(QUEUES_AT_ONCE)

        async def one(way: Way) -> Turned:
            async with room:
                return await guarded(way.application_ids, self._read_queue(way))

        return sum(await asyncio.gather(*(one(way) for way in ways)), Turned())

    async def _read_queue(self, way: Way) -> Turned:
        turned, clean = Turned(), True
        try:
            for turn in range(MOST_TURNS):
                messages = await self._ground.queue.receive(
                    way.access,
                    wait_s=0.0 if turn else EXPECTING_S if way.expecting else IDLE_S,
                )
                if not messages:
                    break
                told = [(message, read(message.body)) for message in messages]
                for message, said in sorted(told, key=lambda one: _made(one[1])):
                    took = await self._take(way, message, said)
                    clean = clean and took is not None
                    turned += took or Turned(troubles=1)
        except (QueueRefused, Misconfigured) as refused:
            await self._unreadable(way.application_ids, refused.message)
            return turned + Turned(troubles=1)
        except QueueUnavailable as silent:
            return turned + await self._silence(way, silent)
        self._silent_since.pop(way.access.queue_url, None)
        for application_id in way.application_ids:
            self._ground.unread.pop(application_id, None)
        if clean:
            await self._all_clear(way)
        return turned

    async def _take(
        self, way: Way, message: QueueMessage, said: NewSecret | SecretEnding | Unread
    ) -> Turned | None:
        """None: it was left in the queue, and a person has to look."""
        if isinstance(said, Unread):
            await self._trouble(way.application_ids, "message", said.why)
            return None
        async with self._ground.store.transaction() as tx:
            holders = await tx.credentials.all(lwa_client_id=said.lwa_client_id, limit=1)
        if not holders:
            why = "The message is about an LWA client that no application here has."
            await self._trouble(way.application_ids, "message", why)
            return None
        if isinstance(said, SecretEnding) and said.expires_at > self._ground.now() + _LONGEST_LIFE:
            # Believed, nobody would be reminded before the secret is dead.
            why = "The message names an end that no client secret can have."
            await self._trouble(way.application_ids, "message", why)
            return None
        application_id = holders[0].id
        try:
            async with self._ground.exclusive(application_id):
                if isinstance(said, SecretEnding):
                    turned = await self._take_date(application_id, said)
                    await self._ground.queue.delete(way.access, message)
                    return turned
                return await self._take_secret(way, message, application_id, said)
        except (QueueRefused, QueueUnavailable, StoreUnavailable):
            raise
        except EvergrantError as error:
            # It comes again, and so does this try.
            _log.warning("message left", application_id=application_id, error=error.code)
            return Turned()

    # --- when the secret ends ---

    async def _take_date(self, application_id: str, said: SecretEnding) -> Turned:
        """Amazon knows better than whoever typed the day. What it said of an older secret is past
        caring about."""
        now = self._ground.now()
        async with self._ground.store.transaction() as tx:
            known = await self._ground.known(tx, application_id)
            if known is None or _about_an_older_one(said, known, now):
                return Turned()
            old = known.credentials
            if old.secret_expires_at == said.expires_at or not old.secret_set:
                return Turned()
            fresh = await tx.credentials.change(
                application_id,
                {"changed_at": old.changed_at},
                secret_expires_at=said.expires_at,
                changed_at=now,
            )
            if fresh is None:
                return Turned()
            await journal.write(
                tx,
                now=now,
                by=SYSTEM,
                verb="application.secret_end_told",
                subject=application_id,
                before=old.secret_expires_at,
                after=said.expires_at,
                reason=said.reason,
                notification_id=said.notification_id,
            )
        return Turned(dates_taken=1)

    # --- the new secret ---

    async def _take_secret(
        self, way: Way, message: QueueMessage, application_id: str, said: NewSecret
    ) -> Turned | None:
        """Holds the application's lock. The message is deleted last, when its secret is in force or
        of no use any more."""
        now = self._ground.now()
        digest = secrecy.digest(said.secret)
        async with self._ground.store.transaction() as tx:
            known = await self._ground.known(tx, application_id)
            if known is None:
                return None
            safe = self._ground.vault
            current = await open_secret(safe, tx, vault.client_secret(application_id))
            former = await open_secret(safe, tx, vault.previous_client_secret(application_id))
        if said.secret == current:
            await self._in_force(known, said, digest, now)
            await self._ground.queue.delete(way.access, message)
            return Turned()
        used = said.secret == former or any(
            one.secret_digest == digest and one.promoted_at is not None for one in known.ended
        )
        if used:
            await self._ground.queue.delete(way.access, message)
            return Turned()
        if _may_be_outdated(said, known, now) and await self._works(known, current):
            await self._ground.queue.delete(way.access, message)
            return Turned()
        received = await self._receive(known, said, digest, now)
        turned = Turned(received=int(received)) + await self._course.turn(application_id)
        async with self._ground.store.transaction() as tx:
            known = await self._ground.known(tx, application_id)
        running = None if known is None else known.running
        if running is not None and running.promoted_at and running.secret_digest == digest:
            await self._ground.queue.delete(way.access, message)
            await self._course.close(running, self._ground.now())
        return turned

    async def _receive(self, known: Known, said: NewSecret, digest: str, now: datetime) -> bool:
        """Seals it beside the one in force. False: that was done before, or another one is being
        tried first."""
        running = known.running
        if running is not None and running.promoted_at is not None:
            # Its message never came again; this one is of another secret.
            await self._course.close(running, now)
            running = None
        if running is not None and running.received_at is not None:
            if running.secret_digest == digest:
                return await self._seal_again(running, said, now)
            if not _overtakes(said, running):
                return False
        async with self._ground.store.transaction() as tx:
            values = {
                "step": RotationStep.RECEIVED,
                "received_at": now,
                "notification_id": said.notification_id,
                "secret_digest": digest,
                "secret_expires_at": said.expires_at,
                "previous_ends_at": said.previous_ends_at,
                "tries": 0,
                "next_at": None,
                "last_error": "",
            }
            if running is None:
                rotation = Rotation(
                    id=new_id(ids.Kind.ROTATION, now),
                    application_id=known.application.id,
                    source=RotationSource.SENT,
                    created_at=now,
                    changed_at=now,
                    **values,  # type: ignore[arg-type]
                )
                try:
                    await tx.rotations.add(rotation)
                except AlreadyThere:
                    return False
            else:
                changed = await tx.rotations.change(
                    running.id,
                    {"changed_at": running.changed_at, "step": running.step, "ended_at": None},
                    changed_at=now,
                    **values,
                )
                if changed is None:
                    return False
                rotation = changed
            await self._seal(tx, rotation, said.secret, now)
            await journal.write(
                tx,
                now=now,
                by=SYSTEM,
                verb="rotation.received",
                subject=known.application.id,
                rotation_id=rotation.id,
                source=rotation.source,
                notification_id=said.notification_id,
                made_at=said.at,
                ends_at=said.expires_at,
                previous_ends_at=said.previous_ends_at,
            )
        return True

    async def _seal_again(self, running: Rotation, said: NewSecret, now: datetime) -> bool:
        """Only where the sealed one does not open any more."""
        async with self._ground.store.transaction() as tx:
            name = vault.received_client_secret(running.id)
            if await open_secret(self._ground.vault, tx, name) is None:
                await self._seal(tx, running, said.secret, now)
        return False

    async def _seal(
        self, tx: Transaction, rotation: Rotation, secret: Secret, now: datetime
    ) -> None:
        name = vault.received_client_secret(rotation.id)
        await self._ground.vault.put(tx, name, secret, now=now, expires_at=now + _KEPT)

    async def _in_force(self, known: Known, said: NewSecret, digest: str, now: datetime) -> None:
        """Somebody pasted it, or its message came once more: only Amazon's dates are news, and
        whatever was waited for has come."""
        async with self._ground.store.transaction() as tx:
            if said.expires_at is not None:
                await tx.credentials.change(
                    known.application.id,
                    {"changed_at": known.credentials.changed_at},
                    secret_expires_at=said.expires_at,
                    secret_created_at=said.at or known.credentials.secret_created_at,
                    changed_at=now,
                )
            running = known.running
            if running is None or (
                running.received_at is not None
                and running.promoted_at is None
                and running.secret_digest != digest
            ):
                return
            await tx.rotations.change(
                running.id,
                {"changed_at": running.changed_at, "ended_at": None},
                step=RotationStep.DONE,
                received_at=running.received_at or now,
                promoted_at=running.promoted_at or now,
                secret_digest=digest,
                secret_expires_at=said.expires_at,
                previous_ends_at=said.previous_ends_at,
                last_error="",
                next_at=None,
                ended_at=now,
                changed_at=now,
            )
            await self._ground.vault.drop(tx, vault.received_client_secret(running.id))
            await journal.write(
                tx,
                now=now,
                by=SYSTEM,
                verb="rotation.done",
                subject=known.application.id,
                rotation_id=running.id,
                source=running.source,
            )
            await notices.settle(
                tx, now=now, kinds=(NoticeKind.ROTATION_STUCK,), subject=known.application.id
            )

    async def _works(self, known: Known, secret: Secret | None) -> bool:
        """Raises what LWA's weather raises: then the message comes again."""
        if secret is None:
            return False
        return (await try_secret(self._ground, known.credentials, secret)).taken

    # --- the board ---

    async def _unreadable(self, application_ids: Sequence[str], why: str) -> None:
        self._ground.unread.update(dict.fromkeys(application_ids, why))
        await self._trouble(application_ids, "access", why)

    async def _silence(self, way: Way, silent: QueueUnavailable) -> Turned:
        now = self._ground.now()
        self._ground.unread.update(dict.fromkeys(way.application_ids, silent.message))
        since = self._silent_since.setdefault(way.access.queue_url, now)
        _log.warning("queue silent", application_ids=way.application_ids, error=silent.message)
        if now - since < PATIENCE:
            return Turned()
        await self._trouble(way.application_ids, "access", silent.message)
        return Turned(troubles=1)

    async def _trouble(self, application_ids: Sequence[str], what: str, why: str) -> None:
        """``what``: "access" or "message"."""
        now = self._ground.now()
        for application_id in application_ids:
            async with self._ground.store.transaction() as tx:
                await notices.put(
                    tx,
                    now=now,
                    kind=NoticeKind.QUEUE_TROUBLE,
                    subject=application_id,
                    application_id=application_id,
                    message=why,
                    what=what,
                )

    async def _all_clear(self, way: Way) -> None:
        """A message that was left is hidden for a while: that it was not met is no sign by
        itself."""
        now = self._ground.now()
        for application_id in way.application_ids:
            async with self._ground.store.transaction() as tx:
                hangs = await tx.notices.one(
                    kind=NoticeKind.QUEUE_TROUBLE, subject=application_id, settled_at=None
                )
                if hangs is None:
                    continue
                if hangs.facts.get("what") == "message" and now - hangs.last_at < PATIENCE:
                    continue
                await notices.settle(
                    tx, now=now, kinds=(NoticeKind.QUEUE_TROUBLE,), subject=application_id
                )


def _made(said: NewSecret | SecretEnding | Unread) -> float:
    """Older ones first; those of no known time last."""
    at = None if isinstance(said, Unread) else said.at
    return at.timestamp() if at is not None else float("inf")


def _about_an_older_one(said: SecretEnding, known: Known, now: datetime) -> bool:
    if said.at is None:
        return False
    made = [one.promoted_at for one in known.ended if one.promoted_at is not None]
    created_at = known.credentials.secret_created_at
    if created_at is not None and created_at <= now:
        made.append(created_at)
    return any(said.at < at for at in made)


def _may_be_outdated(said: NewSecret, known: Known, now: datetime) -> bool:
    """Whether it is older than the one in force, should that one work. Two ways to know: by
    Amazon's own dates (what people type may be wrong, and a message that is thrown away does not
    come again); and by the seven days: a successor would have ended the one in force by now."""
    if said.at is not None and now >= said.at + PROOF:
        return True
    ends = [
        one.secret_expires_at
        for one in (*known.ended, *([known.running] if known.running else []))
        if one.promoted_at is not None
        and one.source is not RotationSource.PASTED
        and one.secret_expires_at is not None
    ]
    return said.expires_at is not None and any(said.expires_at < at for at in ends)


def _overtakes(said: NewSecret, running: Rotation) -> bool:
    """Whether it takes the place of one that is being tried: that one was refused, or is older."""
    if running.tries:
        return True
    if said.expires_at is None or running.secret_expires_at is None:
        return False
    return said.expires_at > running.secret_expires_at
