"""What all of the locksmith's errands stand on.

Answers for: the sockets and rooms in one bundle, and for what is known of one application, loaded
at once. Does not answer for: deciding or doing anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from evergrant import logs, vault
from evergrant.calls import Calls
from evergrant.errors import Misconfigured, SealBroken, StoreUnavailable
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import LWA
from evergrant.ports.secrets_queue import QueueAccess, SecretsQueue
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Application, IntegrationCredentials, OutboxItem
from evergrant.ports.watched import Rotation, RotationStep
from evergrant.registry import Registry
from evergrant.rotation.values import Turned
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rotation import Running, Situation
from evergrant.rules.secrecy import Secret

__all__ = ["Ground", "Known", "guarded", "has_queue", "open_secret", "running_of"]

_log = logs.logger(__name__)

NO_QUEUE = (
    "It is rotated by hand: queue URL and AWS keys are not set in its integration credentials."
)
NO_ACCOUNT = (
    "Amazon is asked in the name of an account, and the application has none yet: rotate it in "
    "Amazon's console and paste it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One application with its credentials and its rotations."""

    application: Application
    credentials: IntegrationCredentials
    running: Rotation | None
    ended: Sequence[Rotation]
    reminded: bool  # a notice about its end hangs
    obstacle: str  # why Amazon cannot be asked for a new secret now; empty: it can
    automatic: bool  # all is set up for it

    @property
    def situation(self) -> Situation:
        may_have = [
            at
            for one in self.ended
            for at in (one.asked_at, one.received_at, one.promoted_at)
            if at is not None
        ]
        return Situation(
            secret_set=self.credentials.secret_set,
            expires_at=self.credentials.secret_expires_at,
            previous_ends_at=self.credentials.previous_secret_ends_at,
            obstacle=self.obstacle,
            running=None if self.running is None else running_of(self.running),
            rotated_at=max(may_have, default=None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    store: Store
    clock: Clock
    vault: vault.Vault
    registry: Registry
    lwa: LWA
    calls: Calls
    queue: SecretsQueue
    bell: Bell
    ahead: timedelta
    #: Applications whose queue could not be read when this process last tried, with the reason:
    #: who cannot receive a new secret must not ask for one.
    unread: dict[str, str] = field(default_factory=dict)

    def now(self) -> datetime:
        return self.clock.now()

    async def known(self, tx: Transaction, application_id: str) -> Known | None:
        """None: no such application, or without credentials."""
        application = await tx.applications.get(application_id)
        credentials = await tx.credentials.get(application_id)
        if application is None or credentials is None:
            return None
        rotations = await tx.rotations.all(application_id=application_id)
        hanging = await tx.notices.count(
            kind=NoticeKind.SECRET_ENDING, subject=application_id, settled_at=None
        )
        return await self._known(tx, application, credentials, rotations, hanging > 0)

    async def all_known(self, tx: Transaction) -> list[Known]:
        """Every application that has credentials, in a handful of statements: it is asked each
        minute."""
        applications = {one.id: one for one in await tx.applications.all()}
        rotations: dict[str, list[Rotation]] = {}
        for one in await tx.rotations.all():
            rotations.setdefault(one.application_id, []).append(one)
        hanging = await tx.notices.all(kind=NoticeKind.SECRET_ENDING, settled_at=None)
        reminded = {notice.subject for notice in hanging}
        return [
            await self._known(
                tx, applications[own.id], own, rotations.get(own.id, []), own.id in reminded
            )
            for own in await tx.credentials.all()
            if own.id in applications
        ]

    async def _known(
        self,
        tx: Transaction,
        application: Application,
        credentials: IntegrationCredentials,
        rotations: Sequence[Rotation],
        reminded: bool,
    ) -> Known:
        application_id = application.id
        obstacle = ""
        if not has_queue(credentials):
            obstacle = NO_QUEUE
        elif not await tx.accounts.all(application_id=application_id, limit=1):
            obstacle = NO_ACCOUNT
        automatic, unread = not obstacle, self.unread.get(application_id)
        if automatic and unread:
            obstacle = f"Its queue cannot be read: {unread}"
        if automatic and credentials.trouble:
            obstacle = (
                f"Login with Amazon refuses the application ({credentials.trouble}), so Amazon "
                "cannot be asked: rotate it in Amazon's console and paste it."
            )
        return Known(
            application=application,
            credentials=credentials,
            running=next((one for one in rotations if one.ended_at is None), None),
            ended=[one for one in rotations if one.ended_at is not None],
            reminded=reminded,
            obstacle=obstacle,
            automatic=automatic,
        )

    async def access(
        self, tx: Transaction, credentials: IntegrationCredentials
    ) -> QueueAccess | None:
        """The way to the application's queue; None where it has none. Raises SealBroken and
        Misconfigured when the AWS keys do not open."""
        if not has_queue(credentials):
            return None
        access_key = await self.vault.open(tx, vault.aws_access_key(credentials.id))
        secret_key = await self.vault.open(tx, vault.aws_secret_key(credentials.id))
        if access_key is None or secret_key is None:
            return None
        return QueueAccess(
            application_id=credentials.id,
            queue_url=credentials.queue_url,
            role_arn=credentials.role_arn,
            access_key=access_key,
            secret_key=secret_key,
        )

    def exclusive(self, application_id: str) -> AbstractAsyncContextManager[None]:
        """One errand for an application at a time, over all nodes."""
        return self.store.exclusive(f"rotation/{application_id}")

    async def ring(self, items: Sequence[OutboxItem]) -> None:
        if items:
            await self.bell.ring([item.id for item in items])


def has_queue(credentials: IntegrationCredentials) -> bool:
    return bool(
        credentials.queue_url and credentials.access_key_hint and credentials.secret_key_set
    )


def running_of(rotation: Rotation) -> Running:
    """As the rules read it. One that Amazon sent unasked has no asking."""
    return Running(
        asked_at=rotation.asked_at,
        confirmed=rotation.step is not RotationStep.ASKING,
        received_at=rotation.received_at,
        promoted_at=rotation.promoted_at,
        next_at=rotation.next_at,
        tries=rotation.tries,
        last_error=rotation.last_error,
    )


async def open_secret(safe: vault.Vault, tx: Transaction, name: str) -> Secret | None:
    """None also when it does not open any more."""
    try:
        return await safe.open(tx, name)
    except (SealBroken, Misconfigured):
        return None


async def guarded(application_ids: Sequence[str], work: Awaitable[Turned]) -> Turned:
    """What goes wrong with one application keeps no other from its turn. Raises StoreUnavailable,
    which is everybody's trouble."""
    try:
        return await work
    except StoreUnavailable:
        raise
    except Exception as mistake:  # noqa: BLE001 - it is told, and the next round tries again
        _log.error("rotation failed", application_ids=list(application_ids), exc_info=mistake)
        return Turned(troubles=1)
