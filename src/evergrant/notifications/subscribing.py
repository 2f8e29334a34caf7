"""What each account is subscribed to.

Answers for: a row for each notification type of every ACTIVE account whose application has a queue;
subscribing, adopting what is there already, looking again now and then, and ending what nobody
wants any more. Does not answer for: destinations, or for what comes by the queue.

Source: Amazon's notifications v1 model: createSubscription and getSubscription take the selling
partner's own access token, deleteSubscriptionById is grantless; 409 where there is one already.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from evergrant import logs
from evergrant.amazon_reports.answers import told
from evergrant.calls import Calls
from evergrant.errors import (
    CallDenied,
    EvergrantError,
    NotFound,
    OverLimit,
    StoreUnavailable,
    UnreadableAnswer,
)
from evergrant.notifications.board import DESTINATION, Board
from evergrant.notifications.destinations import READY_TO_WAIT_S, Destinations
from evergrant.notifications.values import Heard
from evergrant.ports import Clock
from evergrant.ports.store import AlreadyThere, Store, Transaction, not_after
from evergrant.ports.things import Account, Authorization, IntegrationCredentials
from evergrant.ports.traded import Subscription
from evergrant.rules import notifications as rules
from evergrant.rules.budgets import Importance
from evergrant.rules.lifecycle import State
from evergrant.rules.notifications import NotificationType
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import scrub

__all__ = ["Subscribing"]

_log = logs.logger(__name__)

PATH = "/notifications/v1/subscriptions"
#: So many rows in one round, and so many of them at once.
MOST_A_ROUND = 100
AT_ONCE = 4
#: New accounts are looked for so often; until then their rooms poll, as ever.
_SCANNED_EVERY = timedelta(minutes=10)
_PAGE = 500
_LONGEST_TROUBLE = 300
#: Their subscriptions are of no use any more. A lapsed one comes back.
_OVER = frozenset({State.CLOSED, State.REVOKED})

Applications = Mapping[str, IntegrationCredentials]


class Subscribing:
    """One per process."""

    def __init__(self, *, store: Store, clock: Clock, calls: Calls, board: Board) -> None:
        self._store = store
        self._clock = clock
        self._calls = calls
        self._board = board
        self._destinations = Destinations(calls, clock)
        self._scanned_at: datetime | None = None
        self._scanned: frozenset[tuple[str, str]] = frozenset()

    async def round(self, with_queue: Applications) -> Heard:
        """``with_queue``: applications whose queue can be read, by id. Raises StoreUnavailable."""
        now = self._clock.now()
        queues = frozenset((one.id, one.notifications_queue_url) for one in with_queue.values())
        over = self._scanned_at is None or now - self._scanned_at >= _SCANNED_EVERY
        if over or queues != self._scanned:
            await self._scan(with_queue, now)
            self._scanned_at, self._scanned = now, queues
        async with self._store.transaction() as tx:
            due = await tx.subscriptions.all(before=not_after("next_at", now), limit=MOST_A_ROUND)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(rows: Sequence[Subscription]) -> Heard:
            async with room:
                # One behind the other: they share a limit.
                turns = [await self._turn(row, with_queue.get(row.application_id)) for row in rows]
            return sum(turns, Heard())

        by_account: dict[str, list[Subscription]] = {}
        for row in due:
            by_account.setdefault(row.account_id, []).append(row)
        return sum(await asyncio.gather(*(one(rows) for rows in by_account.values())), Heard())

    # --- which there are to be ---

    async def _scan(self, with_queue: Applications, now: datetime) -> None:
        after: str | None = None
        while with_queue:
            async with self._store.transaction() as tx:
                page = await tx.authorizations.all(
                    application_id=list(with_queue), state=State.ACTIVE, after=after, limit=_PAGE
                )
                await self._add_missing(tx, page, now)
            if len(page) < _PAGE:
                break
            after = page[-1].id
        after = None
        while True:
            async with self._store.transaction() as tx:
                rows = await tx.subscriptions.all(after=after, limit=_PAGE)
                await self._mark_unwanted(tx, rows, with_queue, now)
            if len(rows) < _PAGE:
                return
            after = rows[-1].id

    async def _add_missing(
        self, tx: Transaction, page: Sequence[Authorization], now: datetime
    ) -> None:
        ids = [one.account_id for one in page]
        accounts = {one.id: one for one in await tx.accounts.all(id=ids)}
        there = {row.id for row in await tx.subscriptions.all(account_id=ids)}
        for authorization in page:
            account = accounts.get(authorization.account_id)
            for kind in rules.types_for(account.partner_kind) if account else ():
                row = _fresh(authorization, kind, now)
                if row.id in there:
                    continue
                try:
                    await tx.subscriptions.add(row)
                except AlreadyThere:
                    continue

    async def _mark_unwanted(
        self,
        tx: Transaction,
        rows: Sequence[Subscription],
        with_queue: Applications,
        now: datetime,
    ) -> None:
        """Due, so that a turn ends them: accounts that are over, and applications without a queue
        or with another one than that of the account."""
        if not rows:
            return
        of = {
            one.account_id: one
            for one in await tx.authorizations.all(account_id=[row.account_id for row in rows])
        }
        unwanted = [
            row.id
            for row in rows
            if not _is_wanted(row, of.get(row.account_id), with_queue.get(row.application_id))
            and (row.next_at is None or row.next_at > now + timedelta(days=1))
        ]
        if unwanted:
            await tx.subscriptions.change_all(unwanted, next_at=now, changed_at=now)

    # --- one of them ---

    async def _turn(self, row: Subscription, own: IntegrationCredentials | None) -> Heard:
        async with self._store.transaction() as tx:
            authorization = await tx.authorizations.one(account_id=row.account_id)
            account = await tx.accounts.get(row.account_id)
        try:
            if account is None or not _is_wanted(row, authorization, own):
                return await self._end(row, account)
            if authorization is None or authorization.state is not State.ACTIVE or own is None:
                await self._move(row, next_at=self._clock.now() + timedelta(hours=1))
                return Heard()
            return await self._subscribe(row, own)
        except StoreUnavailable:
            raise
        except OverLimit as over:
            wait = timedelta(seconds=min(max(over.retry_after_s, 1.0), 3600.0))
            await self._move(row, next_at=self._clock.now() + wait)
            return Heard()
        except EvergrantError as error:
            await self._trouble(row, error)
        except Exception as mistake:  # noqa: BLE001 - it is told, and tried again later
            _log.error("subscription failed", subscription=row.id, exc_info=mistake)
            await self._trouble(row, EvergrantError("Something went wrong here; see the log."))
        return Heard(troubles=1)

    async def _subscribe(self, row: Subscription, own: IntegrationCredentials) -> Heard:
        kind = NotificationType(row.notification_type)
        destination_id = await self._destination(row, own)
        found = await self._existing(row, kind) if row.subscription_id else None
        if found is None:
            found = await self._created(row, kind, destination_id)
        if found is None:
            # There is one already: adopted, unless it leads elsewhere.
            found = await self._existing(row, kind)
            if found is None:
                raise UnreadableAnswer("Amazon says that there is a subscription, and shows none.")
        subscription_id, leads_to = found
        if leads_to != destination_id:
            await self._delete(row, subscription_id)
            found = await self._created(row, kind, destination_id)
            if found is None:
                raise UnreadableAnswer("Amazon keeps a subscription to another destination.")
            subscription_id = found[0]
        now = self._clock.now()
        news = subscription_id != row.subscription_id or destination_id != row.destination_id
        await self._move(
            row,
            destination_id=destination_id,
            subscription_id=subscription_id,
            trouble="",
            tries=0,
            next_at=now + rules.CHECKED_EVERY,
        )
        return Heard(subscribed=int(news))

    async def _destination(self, row: Subscription, own: IntegrationCredentials) -> str:
        try:
            found = await self._destinations.get(
                own.id, row.region, own.notifications_queue_url, row.account_id
            )
        except CallDenied as denied:
            await self._board.put(
                [own.id],
                DESTINATION,
                "Amazon does not take the queue as a destination for notifications: "
                f"{_said(denied)} The queue's policy has to let Amazon (AWS account 437568002678) "
                "do sqs:SendMessage and sqs:GetQueueAttributes.",
            )
            raise
        if not row.destination_id or row.tries:
            await self._board.settle([own.id], DESTINATION)
        return found

    async def _created(
        self, row: Subscription, kind: NotificationType, destination_id: str
    ) -> tuple[str, str] | None:
        """Its id and where it leads; None: there is one already."""
        try:
            said = told(
                await self._calls.send(
                    row.account_id,
                    "POST",
                    f"{PATH}/{kind.value}",
                    headers={"content-type": "application/json"},
                    body=json.dumps(rules.subscription_body(kind, destination_id)).encode(),
                    by=SYSTEM,
                    ready_to_wait_s=READY_TO_WAIT_S,
                    importance=Importance.LAST,
                )
            )
        except CallDenied as denied:
            if denied.status == 409:
                return None
            if denied.status in (400, 404):
                self._destinations.forget(row.application_id)
            raise
        made = _told(said)
        if made is None:
            raise UnreadableAnswer
        return made[0], destination_id

    async def _existing(self, row: Subscription, kind: NotificationType) -> tuple[str, str] | None:
        try:
            said = told(
                await self._calls.send(
                    row.account_id,
                    "GET",
                    f"{PATH}/{kind.value}",
                    [("payloadVersion", kind.payload_version)],
                    by=SYSTEM,
                    ready_to_wait_s=READY_TO_WAIT_S,
                )
            )
        except CallDenied as denied:
            if denied.status == 404:
                return None
            raise
        return _told(said)

    async def _delete(self, row: Subscription, subscription_id: str) -> None:
        path = f"{PATH}/{row.notification_type}/{quote(subscription_id, safe='')}"
        try:
            told(
                await self._calls.send(
                    row.account_id,
                    "DELETE",
                    path,
                    by=SYSTEM,
                    ready_to_wait_s=READY_TO_WAIT_S,
                    importance=Importance.LAST,
                )
            )
        except CallDenied as denied:
            if denied.status != 404:
                raise

    async def _end(self, row: Subscription, account: Account | None) -> Heard:
        """At Amazon first. What Amazon refuses to end for a day is forgotten all the same."""
        if row.subscription_id and account is not None:
            try:
                await self._delete(row, row.subscription_id)
            except (CallDenied, NotFound) as denied:
                _log.info("subscription not ended", subscription=row.id, why=_said(denied))
        async with self._store.transaction() as tx:
            await tx.subscriptions.drop(row.id)
        return Heard(ended=1)

    async def _trouble(self, row: Subscription, error: EvergrantError) -> None:
        _log.info("not subscribed", subscription=row.id, error=error.code, why=_said(error))
        await self._move(
            row,
            trouble=_said(error),
            tries=row.tries + 1,
            next_at=rules.next_try(self._clock.now(), row.tries),
        )

    async def _move(self, row: Subscription, **values: Any) -> None:
        """Unless the row was seen to by somebody else meanwhile."""
        async with self._store.transaction() as tx:
            await tx.subscriptions.change(
                row.id,
                expecting={"changed_at": row.changed_at},
                changed_at=self._clock.now(),
                **values,
            )


def _fresh(authorization: Authorization, kind: NotificationType, now: datetime) -> Subscription:
    return Subscription(
        id=f"{authorization.account_id}/{kind.value}",
        account_id=authorization.account_id,
        application_id=authorization.application_id,
        region=authorization.region,
        notification_type=kind.value,
        next_at=now,
        created_at=now,
        changed_at=now,
    )


def _is_wanted(
    row: Subscription, of: Authorization | None, own: IntegrationCredentials | None
) -> bool:
    return (
        own is not None
        and of is not None
        and of.state not in _OVER
        and (of.application_id, of.region) == (row.application_id, row.region)
    )


def _told(said: Mapping[str, Any]) -> tuple[str, str] | None:
    payload = said.get("payload")
    if not isinstance(payload, Mapping):
        return None
    subscription_id, destination_id = payload.get("subscriptionId"), payload.get("destinationId")
    if not isinstance(subscription_id, str) or not subscription_id:
        return None
    return subscription_id, destination_id if isinstance(destination_id, str) else ""


def _said(error: EvergrantError) -> str:
    return scrub(error.message)[:_LONGEST_TROUBLE]
