"""THE POST ROOM. Delivers what lies in the outbox: letters by mail, events by webhook.

Answers for: claiming one item for one process, the order of events, trying again by the ladders of
``rules.cadence``, giving up in the open; and, at its counter, for what was told to whom. Does not
answer for: what has to be told to whom; that was decided and committed by the room that put the
item there, together with the fact.

An item is claimed by a conditional change that pushes ``next_at`` to where the ladder would try
again if this attempt failed. A process that dies in between therefore needs no janitor: the item
comes due again, and an item that kills every process that touches it comes to the ladder's end.

Events of one account for one client instance leave one after the other, in the order in which they
were committed. One that comes while an earlier one waits is put aside, and made due in the very
commit that ends the earlier one. Accounts and client instances do not wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal
from evergrant.bounces import TO_CLIENT
from evergrant.consent import Consent
from evergrant.errors import EvergrantError, NotDelivered, NotFound
from evergrant.patience import patiently
from evergrant.ports import Bell, Clock, Mail, Webhooks
from evergrant.ports.store import Store, Transaction, not_after
from evergrant.ports.things import OutboxItem, OutboxKind, OutboxState
from evergrant.ports.watched import EventRecord
from evergrant.post import undelivered
from evergrant.post.composing import Composing, payload
from evergrant.post.inquiries import LONGEST_WAIT_S, MOST_EVENTS, TEST, Inquiries, Trial
from evergrant.post.lanes import Lanes
from evergrant.registry import Registry
from evergrant.rules import cadence
from evergrant.rules.rights import SYSTEM, Caller
from evergrant.rules.secrecy import scrub
from evergrant.sessions import INVITATION_LETTER, Sessions
from evergrant.settings import House

__all__ = ["CLAIM", "LONGEST_WAIT_S", "MOST_EVENTS", "TEST", "Attempt", "Post", "Trial", "payload"]

#: An attempt belongs to one process for this long at least: longer than every time-out of a pipe.
CLAIM = timedelta(minutes=2)
#: So far ahead of ours may be the clock of the process that wrote an item down.
CLOCK_SKEW = timedelta(seconds=5)
#: So long one attempt may take, in seconds, whatever a pipe allows itself: a relay that answers
#: each word slowly would outlast the claim, and another process would send the same letter.
ATTEMPT_S = 100.0
#: Pauses, in seconds, between attempts to write down that something went out.
NOTING_S: Sequence[float] = (0.2, 0.5, 1, 2, 4)
#: What one look into the outbox brings up, in all and for one client instance. More come due at the
#: next look, and each that went out brings up another.
SWEEP_LIMIT = 1000
SWEEP_LIMIT_OF_ONE = 300
#: One look reads so many rows at most: those of an instance that is away must not hide the others.
_SWEEP_PAGE = 1000
_SWEEP_PAGES = 20
#: The outbox is looked through each minute. What is due before that is rung for.
SOON = timedelta(minutes=1)
#: An event that stands behind another one is looked at again by itself after as long as it has
#: waited already, within these bounds. The end of the other one makes it due before that.
ASIDE = (timedelta(minutes=1), timedelta(hours=1))
_ERROR_LIMIT = 500

#: Somebody pressed a button for these, and waits: when one cannot be delivered, operators are
#: mailed at once. Of the others they read on the notice board and in their daily letter.
TOLD_AT_ONCE = frozenset({"invitation", "renewal", INVITATION_LETTER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The item as it stands afterwards. Not ``made``: it was not due, not its turn, over already,
    or somebody else was at it."""

    item: OutboxItem
    made: bool


@dataclass(frozen=True, slots=True)
class _Ended:
    """An attempt: the item as it stands afterwards, and the event whose turn it is by that."""

    item: OutboxItem
    following: str | None = None


class Post:
    """One item per ``deliver``; safe to call from any number of processes at once."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        registry: Registry,
        consent: Consent,
        sessions: Sessions,
        mail: Mail,
        webhooks: Webhooks,
        bell: Bell,
        house: House,
        lanes: Lanes | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._mail = mail
        self._webhooks = webhooks
        self._bell = bell
        self._house = house
        self._lanes = lanes or Lanes()
        self._composing = Composing(store, registry, consent, sessions, house)
        self._inquiries = Inquiries(
            store=store, clock=clock, webhooks=webhooks, bell=bell, composing=self._composing
        )

    async def deliver(self, item_id: str) -> OutboxItem:
        """``attempt``, for whoever only wants to know how the item stands."""
        return (await self.attempt(item_id)).item

    async def attempt(self, item_id: str) -> Attempt:
        """One attempt at one item, if it is due, nothing earlier stands before it and nobody else
        is at it. Rings for those whose turn it is by that. Raises NotFound, StoreUnavailable."""
        now = self._clock.now()
        claimed, found = await self._claim(item_id, now)
        item = found.item
        if not claimed:
            if found.following is not None:
                await self._ring_for_the_next(found)
            return Attempt(item=item, made=False)
        try:
            ended = await self._attempt(item, now)
        finally:
            if item.kind is OutboxKind.WEBHOOK:
                self._lanes.leave(item.to, item.id)
        await self._ring_for_the_next(ended)
        return Attempt(item=ended.item, made=True)

    async def sweep(self) -> list[str]:
        """The ids of what is due: what a lost ring, a dead process or a retry left lying. Of each
        account that a client instance has to hear of the first event only, and never so many for
        one client instance that others would go without."""
        now = self._clock.now()
        mails: list[str] = []
        lines: dict[tuple[str, str], OutboxItem] = {}
        after: str | None = None
        for _ in range(_SWEEP_PAGES):
            async with self._store.transaction() as tx:
                due = await tx.outbox.all(
                    after=after,
                    state=OutboxState.WAITING,
                    before=not_after("next_at", now),
                    limit=_SWEEP_PAGE,
                )
            for item in due:
                if item.kind is OutboxKind.MAIL:
                    mails.append(item.id)
                else:
                    first = lines.setdefault((item.to, _line(item)), item)
                    if item.position < first.position:
                        lines[item.to, _line(item)] = item
            if len(due) < _SWEEP_PAGE:
                break
            after = due[-1].id
        taken: dict[str, int] = {}
        events: list[str] = []
        for item in sorted(lines.values(), key=lambda one: one.next_at):
            taken[item.to] = taken.get(item.to, 0) + 1
            if taken[item.to] <= SWEEP_LIMIT_OF_ONE:
                events.append(item.id)
        return sorted([*mails[:SWEEP_LIMIT], *events[:SWEEP_LIMIT]])

    # --- the counter --------------------------------------------------------------------------

    async def events(
        self,
        *,
        by: Caller,
        after: int = 0,
        limit: int = 100,
        account_id: str | None = None,
        client_instance_id: str | None = None,
        topic: str | None = None,
        wait_s: float = 0.0,
        newest_first: bool = False,
    ) -> list[EventRecord]:
        """Events within reach, in the order of their positions, from behind position ``after``;
        ``newest_first``: in the other order, and without ``after`` from the newest on.
        When there is none, up to ``wait_s`` seconds are waited for the first (``LONGEST_WAIT_S``).
        A caller that is bound to a client instance sees what that one was told; one that is bound
        to accounts, what was told of these. Needs READ. Raises NotFound for an account or client
        instance out of reach, InvalidInput."""
        return await self._inquiries.events(
            by=by,
            after=after,
            limit=limit,
            account_id=account_id,
            client_instance_id=client_instance_id,
            topic=topic,
            wait_s=wait_s,
            newest_first=newest_first,
        )

    async def event(self, id: str, *, by: Caller) -> EventRecord:
        """Needs READ. Raises NotFound."""
        return await self._inquiries.event(id, by=by)

    async def resend(self, event_id: str, *, by: Caller) -> OutboxItem:
        """Sends an event once more, under its own id, and outside of its account's order: it holds
        nothing up. One that still waits is tried at once instead. Needs WRITE. Journal:
        ``event.resent``. Raises NotFound, Conflict without an address to send it to."""
        return await self._inquiries.resend(event_id, by=by)

    async def deliveries(
        self,
        instance_id: str,
        *,
        by: Caller,
        state: OutboxState | None = None,
        topic: str | None = None,
        since: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[OutboxItem]:
        """What was, is and will be sent to a client instance, in the order of creation or the other
        way round: how often it was tried, when it is tried next, what the receiver said last.
        ``since``: what was put there from then on, oldest first only. Needs READ. Raises NotFound,
        InvalidInput."""
        return await self._inquiries.deliveries(
            instance_id,
            by=by,
            state=state,
            topic=topic,
            since=since,
            after=after,
            limit=limit,
            newest_first=newest_first,
        )

    async def test_delivery(self, instance_id: str, *, by: Caller) -> Trial:
        """Sends a signed ``webhook.test`` to a client instance now, once, and says what became of
        it; no event, and in nobody's way. Needs WRITE. Journal: ``instance.webhook_tried``. Raises
        NotFound, Conflict without an address."""
        return await self._inquiries.try_out(instance_id, by=by)

    # --- claiming -----------------------------------------------------------------------------

    async def _claim(self, item_id: str, now: datetime) -> tuple[bool, _Ended]:
        entered: OutboxItem | None = None
        claimed: OutboxItem | None = None
        try:
            async with self._store.transaction() as tx:
                item = await tx.outbox.get(item_id)
                if item is None:
                    raise NotFound(f"There is no outbox item {item_id}.")
                # Who wrote it down may live by a clock that runs a little ahead of ours.
                skew = timedelta() if item.attempts else CLOCK_SKEW
                if item.state is not OutboxState.WAITING or item.next_at > now + skew:
                    return False, _Ended(item)
                if _was_the_last(item, now):
                    # Its last attempt was claimed and never ended: the process died with it.
                    lost = NotDelivered("Its last attempt never came to an end.", permanent=True)
                    return False, await self._give_up(tx, item, lost, now)
                if item.kind is OutboxKind.WEBHOOK:
                    if await tx.outbox.is_held_up(item):
                        aside = await _put_aside(tx, item, now + _aside(item, now))
                        return False, _Ended(aside)
                    pause = self._lanes.enter(
                        item.to, item.id, now, despite_rest=now >= _ends_at(item)
                    )
                    if pause is not None:
                        if pause.until is None:
                            return False, _Ended(item)
                        until = min(pause.until, max(_ends_at(item), now))
                        return False, _Ended(await _put_aside(tx, item, until))
                    entered = item
                planned = _next_try(item, item.attempts + 1, now)
                claimed = await tx.outbox.change(
                    item.id,
                    expecting=_as_it_stands(item),
                    attempts=item.attempts + 1,
                    next_at=max(
                        now + CLAIM, planned.at if isinstance(planned, cadence.TryAgain) else now
                    ),
                )
        except BaseException:
            claimed = None
            raise
        finally:
            if entered is not None and claimed is None:
                self._lanes.leave(entered.to, entered.id)
        return claimed is not None, _Ended(claimed or item)

    # --- one attempt --------------------------------------------------------------------------

    async def _attempt(self, item: OutboxItem, now: datetime) -> _Ended:
        try:
            async with asyncio.timeout(ATTEMPT_S):
                sent = await self._send(item, now)
        except TimeoutError:
            late = NotDelivered(f"It did not go out within {ATTEMPT_S:g} seconds.", permanent=False)
            return await self._note_failure(item, late, now)
        except EvergrantError as error:
            return await self._note_failure(item, error, now)
        # What went out and is not written down goes out again: a database that restarts is
        # waited for.
        note = self._note_sent if sent else self._drop
        return await patiently(lambda: note(item, now), NOTING_S if sent else ())

    async def _send(self, item: OutboxItem, now: datetime) -> bool:
        """False: it is pointless by now."""
        if item.kind is OutboxKind.WEBHOOK:
            await self._webhooks.deliver(await self._composing.webhook(item, now))
        elif letter := await self._composing.letter(item):
            await self._mail.send(letter)
        else:
            return False
        return True

    async def _ring_for_the_next(self, ended: _Ended) -> None:
        item = ended.item
        await self._ring_again(item)
        if item.kind is not OutboxKind.WEBHOOK:
            return
        following = [ended.following] if ended.following else []
        up = [*following, *self._lanes.next_up(item.to, self._clock.now())]
        if up:
            await self._bell.ring(list(dict.fromkeys(up)))

    async def _ring_again(self, item: OutboxItem) -> None:
        """For one that is tried again before the next look into the outbox would find it."""
        pause = item.next_at - self._clock.now()
        if item.state is OutboxState.WAITING and timedelta() < pause < SOON:
            await self._bell.ring_after([item.id], pause)

    # --- what became of it --------------------------------------------------------------------

    async def _note_sent(self, item: OutboxItem, now: datetime) -> _Ended:
        if item.kind is OutboxKind.WEBHOOK:
            self._lanes.took(item.to)
        async with self._store.transaction() as tx:
            sent = await self._end(tx, item, OutboxState.SENT, "", now)
            if item.kind is OutboxKind.WEBHOOK:
                await undelivered.settle_events(tx, item, now)
            elif sent.item.state is OutboxState.SENT and sent.item is not item:
                await self._journal(tx, item, "letter.sent", now)
                if item.topic in TO_CLIENT:
                    await undelivered.settle_letters(tx, item, now)
        return sent

    async def _drop(self, item: OutboxItem, now: datetime) -> _Ended:
        """A letter whose link was used, withdrawn or ran out before the letter could go."""
        words = "It was pointless by the time it could be sent, so it was not sent."
        async with self._store.transaction() as tx:
            dropped = await self._end(tx, item, OutboxState.FAILED, words, now)
            if dropped.item is not item:
                await self._journal(tx, item, "letter.dropped", now)
        return dropped

    async def _note_failure(self, item: OutboxItem, error: EvergrantError, now: datetime) -> _Ended:
        if item.kind is OutboxKind.WEBHOOK and not error.permanent:
            self._lanes.failed(item.to, _line(item), now)
        verdict = _next_try(item, item.attempts, now)
        async with self._store.transaction() as tx:
            if error.permanent or isinstance(verdict, cadence.GiveUp):
                return await self._give_up(tx, item, error, now)
            waiting = await tx.outbox.change(
                item.id,
                expecting={"state": OutboxState.WAITING, "attempts": item.attempts},
                next_at=verdict.at,
                last_error=_words(error),
            )
        return _Ended(waiting or item)

    async def _give_up(
        self, tx: Transaction, item: OutboxItem, error: EvergrantError, now: datetime
    ) -> _Ended:
        ended = await self._end(tx, item, OutboxState.FAILED, _words(error), now)
        if ended.item is item:
            return ended
        verb = "letter.failed" if item.kind is OutboxKind.MAIL else "webhook.failed"
        await self._journal(tx, item, verb, now, attempts=item.attempts, error=_words(error))
        if item.kind is OutboxKind.WEBHOOK:
            await undelivered.note_event(tx, ended.item, now)
        else:
            tell = self._house.support_email if item.topic in TOLD_AT_ONCE else ""
            await undelivered.note_letter(tx, ended.item, now, tell=tell)
        return ended

    async def _end(
        self, tx: Transaction, item: OutboxItem, state: OutboxState, words: str, now: datetime
    ) -> _Ended:
        """Ends this attempt's item, and makes due what stands behind it. The very ``item`` comes
        back when somebody else has ended it or is at it again."""
        ended = await tx.outbox.change(
            item.id,
            expecting={"state": OutboxState.WAITING, "attempts": item.attempts},
            state=state,
            ended_at=now,
            last_error=words,
        )
        if ended is None:
            return _Ended(item)
        following = await tx.outbox.next_in_line(ended)
        if following is not None:
            # Even if it is due already: whoever is putting it aside just now must not succeed.
            await tx.outbox.change(
                following.id, expecting={"state": OutboxState.WAITING}, next_at=now
            )
        return _Ended(ended, following.id if following else None)

    async def _journal(
        self, tx: Transaction, item: OutboxItem, verb: str, now: datetime, **facts: Any
    ) -> None:
        await journal.write(
            tx,
            now=now,
            by=SYSTEM,
            verb=verb,
            subject=item.subject,
            account_id=item.account_id,
            topic=item.topic,
            to=item.to,
            outbox_id=item.id,
            **facts,
        )


def _line(item: OutboxItem) -> str:
    """Events of one line leave one after the other. What is of no account stands alone."""
    return item.account_id or item.id


def _ends_at(item: OutboxItem) -> datetime:
    return item.created_at + cadence.WEBHOOK_LIFE


def _next_try(item: OutboxItem, attempts: int, now: datetime) -> cadence.TryAgain | cadence.GiveUp:
    if item.kind is OutboxKind.MAIL:
        return cadence.next_try(cadence.MAIL, attempts, now)
    return cadence.next_until(cadence.WEBHOOK, attempts, now, _ends_at(item))


def _was_the_last(item: OutboxItem, now: datetime) -> bool:
    """Whether an attempt was claimed after which there is none. A claim of an event's last one, and
    nothing else, puts it off beyond its end."""
    if not item.attempts:
        return False
    if item.kind is OutboxKind.MAIL:
        return isinstance(_next_try(item, item.attempts, now), cadence.GiveUp)
    return item.next_at > _ends_at(item)


def _aside(item: OutboxItem, now: datetime) -> timedelta:
    least, most = ASIDE
    return min(max(now - item.created_at, least), most)


async def _put_aside(tx: Transaction, item: OutboxItem, until: datetime) -> OutboxItem:
    """Until then it is not due; no attempt is counted."""
    put = await tx.outbox.change(item.id, expecting=_as_it_stands(item), next_at=until)
    return put or item


def _as_it_stands(item: OutboxItem) -> dict[str, Any]:
    """What a claim expects to find: nobody was there since."""
    return {"state": OutboxState.WAITING, "attempts": item.attempts, "next_at": item.next_at}


def _words(error: EvergrantError) -> str:
    return scrub(error.message)[:_ERROR_LIMIT]
