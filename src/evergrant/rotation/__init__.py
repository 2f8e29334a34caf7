"""THE LOCKSMITH. New client secrets for applications, before the old ones die.

Answers for: asking Amazon for a new client secret, receiving it from the queue, trying it,
promoting it, reminding of its end, and for never losing the last one that works. Does not answer
for: how a queue is read (the socket), reading messages and deciding (``rules``), or for how a
secret lies in the safe (the register).

Two secrets of one application work for seven days after a rotation. Inside them nobody asks for
another one: what a second rotation does to the first is written nowhere.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from evergrant import vault
from evergrant.calls import Calls
from evergrant.errors import (
    AmazonUnavailable,
    ApplicationIncomplete,
    Conflict,
    Flaw,
    InvalidInput,
    NotFound,
    Throttled,
    UnreadableAnswer,
)
from evergrant.intake import Flaws, check_page, need_everywhere
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import LWA
from evergrant.ports.secrets_queue import SecretsQueue
from evergrant.ports.store import Store
from evergrant.ports.watched import Rotation, RotationStep
from evergrant.registry import Credentials, Promotion, Registry
from evergrant.registry.inspection import check_dates, check_secrets
from evergrant.rotation.arrivals import Arrivals
from evergrant.rotation.course import Course
from evergrant.rotation.endings import Endings
from evergrant.rotation.ground import Ground, Known, guarded, open_secret
from evergrant.rotation.trial import Verdict, try_secret
from evergrant.rotation.values import Pasted, RotationState, Turned, Verified
from evergrant.rules import ids, terms
from evergrant.rules import rotation as rules
from evergrant.rules.rights import Caller, Right
from evergrant.rules.rotation import Act
from evergrant.rules.secrecy import Secret
from evergrant.vault import Vault

__all__ = ["Pasted", "RotationState", "Rotations", "Turned", "Verified"]

#: So many applications at once.
AT_ONCE = 4


class Rotations:
    """One per process. Verbs with ``by`` raise NotAllowed without the right, NotFound without the
    application."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        registry: Registry,
        lwa: LWA,
        calls: Calls,
        queue: SecretsQueue,
        bell: Bell,
        ahead: timedelta,
    ) -> None:
        """``ahead``: so long before its end a client secret is rotated."""
        self._ground = Ground(
            store=store,
            clock=clock,
            vault=vault,
            registry=registry,
            lwa=lwa,
            calls=calls,
            queue=queue,
            bell=bell,
            ahead=ahead,
        )
        self._course = Course(self._ground)
        self._arrivals = Arrivals(self._ground, self._course)
        self._endings = Endings(self._ground)

    # --- by the clock ---

    async def round(self) -> Turned:
        """Everything that is due for every application: queues are read, rotations go on, ends are
        told. Safe to be called by several processes at once. One application's trouble keeps no
        other from its turn. Raises StoreUnavailable."""
        ways = await self._arrivals.ways(await self._everybody())
        turned = await self._arrivals.round(ways)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(known: Known) -> Turned:
            async with room:
                return await guarded((known.application.id,), self._look_after(known))

        # Read anew: what came by the queues has changed some of them.
        everyone = await asyncio.gather(*(one(known) for known in await self._everybody()))
        return sum(everyone, turned)

    async def tell_ends(self) -> Turned:
        """What a round tells of ends, without asking Amazon or AWS: who writes the daily letter has
        it done first. Raises StoreUnavailable."""
        now = self._ground.now()
        told = [
            await guarded((known.application.id,), self._endings.tell(known, now))
            for known in await self._everybody()
        ]
        return sum(told, Turned())

    async def _everybody(self) -> list[Known]:
        async with self._ground.store.transaction() as tx:
            return await self._ground.all_known(tx)

    async def _look_after(self, known: Known) -> Turned:
        application_id = known.application.id
        now = self._ground.now()
        turned = Turned()
        if rules.decide(now, known.situation, self._ground.ahead).act is not Act.REST:
            async with self._ground.exclusive(application_id):
                turned = await self._course.turn(application_id)
            known = await self._known(application_id)
        return turned + await self._endings.look(known, self._ground.now())

    # --- by hand ---

    async def start(self, application_id: str, *, by: Caller) -> RotationState:
        """Has Amazon make a new client secret now, well before the end. What comes of it, rounds
        bring about. Needs MANAGE and reach of all. Journal: ``rotation.began``.

        Raises Conflict with the reason when it cannot be: one is under way, the last one was less
        than seven days ago, there is no queue.
        """
        need_everywhere(by, Right.MANAGE)
        # Somebody may just have rotated it in the console: then its message lies there.
        known = await self._known(application_id)
        await self._arrivals.round(await self._arrivals.ways([known]))
        async with self._ground.exclusive(application_id):
            known = await self._known(application_id)
            now = self._ground.now()
            decision = rules.decide(now, known.situation, self._ground.ahead, wanted=True)
            if known.running is not None:
                raise Conflict(
                    f"A rotation of this application is under way. {decision.why}",
                    hint="`evergrant app rotation` shows how far it is.",
                )
            if decision.act is not Act.ASK:
                raise Conflict(decision.why)
            await self._course.begin(known, by, decision.why, now)
            await self._course.turn(application_id)
        return await self.state(application_id, by=by)

    async def paste(
        self,
        application_id: str,
        secret: Secret,
        *,
        by: Caller,
        expires_at: datetime | None = None,
    ) -> Pasted:
        """A client secret that somebody saw in Amazon's console after rotating it there. It is
        tried with LWA, and is in force only when LWA takes it; the former one is kept for its seven
        days. Needs MANAGE and reach of all. Journal: ``rotation.promoted``.

        ``expires_at``: as Amazon's console shows it. Without it: when LWA still takes the former
        secret, the new one is seven days old at most, and its end is counted from there; when not,
        its end is unknown.

        Raises InvalidInput (LWA refuses it, or it is no client secret) and AmazonUnavailable (LWA
        does not answer: nothing is known): then nothing was changed.
        """
        need_everywhere(by, Right.MANAGE)
        now = self._ground.now()
        flaws = Flaws()
        given = Credentials(lwa_client_secret=secret, secret_expires_at=expires_at)
        check_secrets(flaws, given)
        check_dates(flaws, given, now)
        flaws.refuse_if_any()
        async with self._ground.exclusive(application_id):
            known = await self._known(application_id)
            async with self._ground.store.transaction() as tx:
                safe = self._ground.vault
                current = await open_secret(safe, tx, vault.client_secret(application_id))
                former = await open_secret(safe, tx, vault.previous_client_secret(application_id))
            _refuse_former(known, secret, current, former, now)
            verdict = await self._tried(known, secret)
            if not verdict.taken:
                raise _refused(verdict)
            if secret == current:
                return await self._dated(known, expires_at, now)
            promotion = await self._promotion(known, secret, current, expires_at, now)
            running = known.running
            if running is not None and running.promoted_at is not None:
                await self._course.close(running, now)
                running = None
            await self._course.promote(known, running, promotion, by=by, step=RotationStep.DONE)
            known = await self._known(application_id)
        return Pasted(
            application_id=application_id,
            changed=True,
            expires_at=known.credentials.secret_expires_at,
            previous_ends_at=known.credentials.previous_secret_ends_at,
        )

    # --- to be seen ---

    async def verify(self, application_id: str, *, by: Caller) -> Verified:
        """Shows the client secret in force to Login with Amazon now, whatever was cached; changes
        nothing but what is known of Amazon refusing the application. Needs MANAGE and reach of all.

        Raises ApplicationIncomplete without a client secret, and AmazonUnavailable (LWA does not
        answer: nothing is known)."""
        need_everywhere(by, Right.MANAGE)
        known = await self._known(application_id)
        secret = (await self._ground.registry.lwa_client(application_id)).lwa_client_secret
        verdict = await self._tried(known, secret)
        if not verdict.about_scope:
            await self._ground.registry.note_application_trouble(application_id, verdict.refusal)
        return Verified(taken=verdict.taken, words=verdict.words, about_scope=verdict.about_scope)

    async def try_queue(self, application_id: str, *, by: Caller) -> bool:
        """Asks the application's queue for a message, without waiting, and leaves there what it is
        given: a round takes it a minute later. False: the application has no queue. Needs MANAGE
        and reach of all.

        Raises QueueRefused, QueueUnavailable, SealBroken, and Misconfigured where what speaks with
        AWS is not installed, or a key left the ring.
        """
        need_everywhere(by, Right.MANAGE)
        known = await self._known(application_id)
        async with self._ground.store.transaction() as tx:
            access = await self._ground.access(tx, known.credentials)
        if access is None:
            return False
        await self._ground.queue.receive(access, wait_s=0.0, most=1)
        return True

    async def state(self, application_id: str, *, by: Caller) -> RotationState:
        """How it stands, in words. Needs READ and reach of all."""
        need_everywhere(by, Right.READ)
        known = await self._known(application_id)
        now = self._ground.now()
        decision = rules.decide(now, known.situation, self._ground.ahead)
        credentials = known.credentials
        return RotationState(
            application_id=application_id,
            application_name=known.application.name,
            phase=terms.secret_phase(now, credentials.secret_expires_at),
            secret_created_at=credentials.secret_created_at,
            secret_expires_at=credentials.secret_expires_at,
            previous_secret_ends_at=credentials.previous_secret_ends_at,
            automatic=known.automatic,
            obstacle=known.obstacle,
            next=decision.why,
            next_at=decision.until if decision.act is Act.REST else now,
            trouble=rules.trouble(now, known.situation) or credentials.trouble,
            running=known.running,
        )

    async def history(
        self, application_id: str, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[Rotation]:
        """Every rotation of it, in the order in which they began. Needs READ and reach of all."""
        need_everywhere(by, Right.READ)
        check_page(ids.Kind.ROTATION, after, limit)
        async with self._ground.store.transaction() as tx:
            if await tx.applications.get(application_id) is None:
                raise NotFound
            return await tx.rotations.all(application_id=application_id, after=after, limit=limit)

    # --- inside ---

    async def _known(self, application_id: str) -> Known:
        async with self._ground.store.transaction() as tx:
            known = await self._ground.known(tx, application_id)
            if known is None and await tx.applications.get(application_id) is None:
                raise NotFound
        if known is None:
            raise ApplicationIncomplete(
                "The application has no credentials yet.",
                hint="Set the integration credentials of the application.",
                facts={"application_id": application_id},
            )
        return known

    async def _tried(self, known: Known, secret: Secret) -> Verdict:
        try:
            return await try_secret(self._ground, known.credentials, secret)
        except (AmazonUnavailable, Throttled, UnreadableAnswer) as weather:
            raise AmazonUnavailable(
                "Login with Amazon does not answer, so the client secret could not be tried; "
                "nothing was changed.",
                hint="Try again in some minutes.",
                facts={"why": weather.code},
            ) from weather

    async def _promotion(
        self,
        known: Known,
        secret: Secret,
        current: Secret | None,
        expires_at: datetime | None,
        now: datetime,
    ) -> Promotion:
        """With what the former secret tells of its age."""
        still = current is not None and (await self._tried(known, current)).taken
        created_at = None
        if expires_at is not None:
            created_at = min(now, expires_at - terms.SECRET_TERM)
        elif still:
            created_at = now - terms.SECRET_OVERLAP
        return Promotion(
            secret=secret,
            created_at=created_at,
            expires_at=expires_at or terms.secret_ends_at(created_at),
            keep_previous=still,
        )

    async def _dated(self, known: Known, expires_at: datetime | None, now: datetime) -> Pasted:
        """It is in force already; a date is worth taking."""
        credentials = known.credentials
        if expires_at is not None and expires_at != credentials.secret_expires_at:
            async with self._ground.store.transaction() as tx:
                await tx.credentials.change(
                    credentials.id,
                    {"changed_at": credentials.changed_at},
                    secret_expires_at=expires_at,
                    changed_at=now,
                )
        return Pasted(
            application_id=credentials.id,
            changed=False,
            expires_at=expires_at or credentials.secret_expires_at,
            previous_ends_at=credentials.previous_secret_ends_at,
        )


def _refuse_former(
    known: Known, secret: Secret, current: Secret | None, former: Secret | None, now: datetime
) -> None:
    ends_at = known.credentials.previous_secret_ends_at
    if secret != former or secret == current or ends_at is None or current is None:
        return
    raise InvalidInput(
        flaws=[
            Flaw(
                "is the former one, which "
                + (f"dies on {ends_at:%Y-%m-%d}." if ends_at > now else "is dead."),
                field="lwa_client_secret",
                code="former_client_secret",
                hint="Paste the one that Amazon's console shows now.",
            )
        ]
    )


def _refused(verdict: Verdict) -> InvalidInput:
    return InvalidInput(
        flaws=[
            Flaw(
                f"was tried with Login with Amazon, which refuses it ({verdict.words}). Nothing "
                "was changed.",
                field="lwa_client_secret",
                code="refused_client_secret",
                hint="Copy it from Amazon's console once more, as a whole, and see that it is of "
                "this application. One that was made just now may take some minutes to work.",
            )
        ]
    )
