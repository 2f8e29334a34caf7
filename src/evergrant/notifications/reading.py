"""What comes by the queues of notifications.

Answers for: reading every queue, finding the accounts that a notification is about, telling the
room that it is for, and deleting it after that. Does not answer for: what a message says
(``rules.notifications``), or for what a room makes of it: it looks at Amazon, and a notification
that somebody forged makes it do no more than that.

The queue is for notifications alone, so what nobody here can use is thrown away. Two things stay:
what could not be handled comes again, up to five times; and whatever speaks of client secrets is
never thrown away, as it may be the only copy of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from evergrant import logs
from evergrant.errors import (
    EvergrantError,
    Misconfigured,
    QueueRefused,
    QueueUnavailable,
    SealBroken,
    StoreUnavailable,
)
from evergrant.notifications.board import ACCESS, MESSAGES, SECRETS, Board
from evergrant.notifications.values import Heard
from evergrant.ports import Clock
from evergrant.ports.secrets_queue import QueueAccess, QueueMessage, SecretsQueue
from evergrant.ports.store import Store
from evergrant.ports.things import Authorization, IntegrationCredentials
from evergrant.registry import Registry
from evergrant.rules import notifications as rules
from evergrant.rules import secrecy
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.notifications import (
    AboutSecrets,
    Notification,
    NotificationType,
    OfAnotherType,
    Unread,
)

__all__ = ["Queues", "Tell", "Way"]

_log = logs.logger(__name__)

#: Any wait at all has SQS ask every one of its machines.
WAIT_S = 1.0
QUEUES_AT_ONCE = 8
#: So many times ten messages of one queue in one round.
MOST_TURNS = 100
#: A queue whose weather lasts longer is trouble.
PATIENCE = timedelta(hours=1)
#: When an account last heard something is noted this often.
_NOTED_EVERY = timedelta(minutes=5)
#: One notification is about one selling partner: two regions, a few applications.
_MOST_ACCOUNTS = 20

#: Tells a room: (account id, the feed's, order's or report's id, now).
Tell = Callable[[str, str, datetime], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Way:
    """One queue with the keys to it, and the applications that name both."""

    access: QueueAccess
    application_ids: tuple[str, ...]


class Queues:
    """One per process."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        registry: Registry,
        queue: SecretsQueue,
        board: Board,
        rooms: Mapping[NotificationType, Tell],
    ) -> None:
        self._store = store
        self._clock = clock
        self._registry = registry
        self._queue = queue
        self._board = board
        self._rooms = rooms
        self._silent_since: dict[str, datetime] = {}

    async def ways(self, with_queue: Sequence[IntegrationCredentials]) -> list[Way]:
        """One for each queue and pair of keys, however many applications share them."""
        found: dict[tuple[str, ...], Way] = {}
        for own in with_queue:
            try:
                access = await self._registry.notifications_queue(own.id)
            except (SealBroken, Misconfigured) as closed:
                await self._board.put([own.id], ACCESS, closed.message)
                continue
            if access is None:
                continue
            same = (
                access.queue_url,
                access.role_arn,
                secrecy.digest(access.access_key),
                secrecy.digest(access.secret_key),
            )
            way = found.get(same)
            ids = (own.id,) if way is None else (*way.application_ids, own.id)
            found[same] = Way(access if way is None else way.access, ids)
        return list(found.values())

    async def round(self, ways: Sequence[Way]) -> Heard:
        """Reads every queue. What is wrong with one does not keep the others. Raises
        StoreUnavailable: then nothing was deleted that was not handled."""
        room = asyncio.Semaphore(QUEUES_AT_ONCE)

        async def one(way: Way) -> Heard:
            async with room:
                return await self._read_queue(way)

        return sum(await asyncio.gather(*(one(way) for way in ways)), Heard())

    async def _read_queue(self, way: Way) -> Heard:
        heard = Heard()
        try:
            for turn in range(MOST_TURNS):
                messages = await self._queue.receive(way.access, wait_s=0.0 if turn else WAIT_S)
                if not messages:
                    break
                for message in messages:
                    heard += await self._take(way, message)
        except (QueueRefused, Misconfigured) as refused:
            await self._board.put(way.application_ids, ACCESS, refused.message)
            return heard + Heard(troubles=1)
        except QueueUnavailable as silent:
            return heard + await self._silence(way, silent)
        self._silent_since.pop(way.access.queue_url, None)
        await self._board.settle(way.application_ids, ACCESS)
        if not (heard.foreign or heard.unread or heard.left or heard.poison):
            for cause in (MESSAGES, SECRETS):
                await self._board.settle(way.application_ids, cause)
        return heard

    # --- one message ---

    async def _take(self, way: Way, message: QueueMessage) -> Heard:
        said = rules.read(message.body)
        if isinstance(said, Notification):
            return await self._tell(way, message, said)
        if isinstance(said, AboutSecrets):
            await self._board.put(
                way.application_ids,
                SECRETS,
                "A notification about a client secret came by the queue for notifications of "
                "feeds, orders and reports. It is left there: take the secret from Amazon's "
                "console (`evergrant app rotate-secret`), and set another queue for client secrets "
                "there, under Notification Preferences.",
            )
            return Heard(left=1)
        if isinstance(said, OfAnotherType):
            why = f"A notification of the type {said.type} came, which Evergrant did not ask for."
        else:
            why = said.why
        await self._throw_away(way, message, why)
        return Heard(unread=1) if isinstance(said, Unread) else Heard(foreign=1)

    async def _tell(self, way: Way, message: QueueMessage, said: Notification) -> Heard:
        try:
            accounts = await self._accounts(way, said)
            now = self._clock.now()
            for account_id in accounts or ():
                await self._rooms[said.type](account_id, said.thing_id, now)
                await self._note(account_id, said, now)
        except StoreUnavailable:
            raise
        except Exception as mistake:  # noqa: BLE001 - it comes again, and so does this try
            return await self._failed(way, message, said, mistake)
        if accounts is None:
            await self._throw_away(
                way,
                message,
                f"A notification {said.type.value} came for a selling partner that no account "
                "here is connected to.",
            )
            return Heard(foreign=1)
        await self._queue.delete(way.access, message)
        return Heard(told=1)

    async def _failed(
        self, way: Way, message: QueueMessage, said: Notification, mistake: Exception
    ) -> Heard:
        code = mistake.code if isinstance(mistake, EvergrantError) else type(mistake).__name__
        unknown = not isinstance(mistake, EvergrantError)
        _log.error(
            "notification not handled",
            type=said.type.value,
            error=code,
            times=message.times_received,
            exc_info=mistake if unknown else None,
        )
        if message.times_received < rules.MOST_RECEIPTS:
            return Heard(left=1, troubles=1)
        await self._throw_away(
            way,
            message,
            f"A notification {said.type.value} could not be handled {message.times_received} times "
            f"({code}).",
        )
        return Heard(poison=1, troubles=1)

    async def _throw_away(self, way: Way, message: QueueMessage, why: str) -> None:
        await self._board.put(
            way.application_ids,
            MESSAGES,
            f"{why} It was thrown away: the queue is for Evergrant's notifications alone.",
        )
        await self._queue.delete(way.access, message)

    async def _accounts(self, way: Way, said: Notification) -> list[str] | None:
        """None: nobody here. Of several (one selling partner in two regions) the one whose
        subscription it is, or those of the marketplace's region, or all: too many look at
        Amazon for nothing, too few would miss it."""
        async with self._store.transaction() as tx:
            applications = [
                one.id
                for one in await tx.applications.all(id=way.application_ids)
                if one.application_id == said.application_id
            ]
            found = await tx.authorizations.all(
                application_id=applications or way.application_ids,
                selling_partner_id=sorted(said.partner_ids),
                limit=_MOST_ACCOUNTS,
            )
            if not found:
                return None
            found = [one for one in found if one.state is not State.CLOSED]
            if len(found) > 1 and said.subscription_id:
                rows = await tx.subscriptions.all(
                    id=[f"{one.account_id}/{said.type.value}" for one in found]
                )
                own = {
                    row.account_id for row in rows if row.subscription_id == said.subscription_id
                }
                found = [one for one in found if one.account_id in own] or found
        return [one.account_id for one in _of_region(found, said.marketplace_id)]

    async def _note(self, account_id: str, said: Notification, now: datetime) -> None:
        async with self._store.transaction() as tx:
            row = await tx.subscriptions.get(f"{account_id}/{said.type.value}")
            if row is not None and (row.heard_at is None or now - row.heard_at >= _NOTED_EVERY):
                await tx.subscriptions.change(row.id, heard_at=now)

    # --- the queue itself ---

    async def _silence(self, way: Way, silent: QueueUnavailable) -> Heard:
        now = self._clock.now()
        since = self._silent_since.setdefault(way.access.queue_url, now)
        _log.warning("queue silent", application_ids=way.application_ids, error=silent.message)
        if now - since < PATIENCE:
            return Heard()
        await self._board.put(way.application_ids, ACCESS, silent.message)
        return Heard(troubles=1)


def _of_region(found: Sequence[Authorization], marketplace_id: str) -> Sequence[Authorization]:
    row = STANDARD.by_id(marketplace_id) if marketplace_id else None
    if row is None:
        return found
    return [one for one in found if one.region is row.region] or found
