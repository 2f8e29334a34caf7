"""THE RETURNS TABLE. Letters that left the house and did not arrive.

Answers for: taking in what mail servers and relays say of a letter afterwards, finding the letter
by its Message-ID, marking it as not arrived, and the notice about it, which hangs until a later
letter arrives or the address is corrected. Does not answer for: sending (the post room), or for
reading the form of a report (``rules.delivery_reports``). Evergrant has no inbox: reports come
through a pipe of the mail server, or from a relay's webhook.

Anybody can write a report, so one is believed only about a letter of ours to the very recipient
that it names; and the worst that a forged one can do is a notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from evergrant import journal, notices
from evergrant.errors import Conflict, InvalidInput, NotFound
from evergrant.intake import Flaws, need_everywhere
from evergrant.ports import Clock
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import OutboxItem, OutboxKind, OutboxState
from evergrant.ports.watched import Notice
from evergrant.rules import ids
from evergrant.rules.delivery_reports import Action, letter_id, read_report
from evergrant.rules.faults import Fault
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import scrub

__all__ = ["TO_CLIENT", "BounceOutcome", "Bounced", "Bounces", "HeardFrom", "put_undelivered"]

#: Letters to a selling partner. All others go to operators.
TO_CLIENT = frozenset({"invitation", "renewal", "authorization_ending"})
#: Subject of the notice about letters to operators.
OPERATORS = "operators"
#: A letter that followed one that bounced has arrived when nobody said otherwise for so long.
SILENCE = timedelta(hours=24)
#: A letter waits in the outbox for less than this.
_LONGEST_WAY = timedelta(days=7)
_LONGEST_REASON = 500


class HeardFrom(StrEnum):
    """Who said that a letter did not arrive. A relay says so at once. A bounce comes later and by
    another way, and a relay that takes the next letter proves little against it."""

    RELAY = "relay"
    BOUNCE = "bounce"


class BounceOutcome(StrEnum):
    NOT_ARRIVED = "not_arrived"  # news: it is marked, and a notice hangs
    KNOWN = "known"  # it was told before; nothing changed
    DELAYED = "delayed"  # it is under way and may yet arrive; noted, nothing else
    ARRIVED = "arrived"  # the report says so; nothing changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounced:
    """The letter that it was about, as it stands now, and what came of what was said of it."""

    item: OutboxItem
    outcome: BounceOutcome
    reason: str


async def put_undelivered(
    tx: Transaction, item: OutboxItem, reason: str, *, now: datetime, heard_from: HeardFrom
) -> None:
    """The notice about a letter that did not arrive; one per account, one for all letters to
    operators."""
    to_client = item.topic in TO_CLIENT and item.account_id is not None
    whom = "the selling partner" if to_client else "operators"
    await notices.put(
        tx,
        now=now,
        kind=NoticeKind.LETTER_UNDELIVERED,
        subject=(item.account_id or OPERATORS) if to_client else OPERATORS,
        account_id=item.account_id if to_client else None,
        message=f"A letter to {whom} ({item.to}) did not arrive: {reason}",
        to=item.to,
        topic=item.topic,
        error=reason,
        outbox_id=item.id,
        heard_from=heard_from.value,
    )


class Bounces:
    """Safe to call from any number of processes at once, and with the same report twice."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def take_report(self, raw: bytes, *, by: Caller) -> Bounced:
        """A delivery status notification, the whole mail as it arrived. Needs WRITE and reach of
        everything. Journal: ``letter.bounced``, ``letter.delayed``.

        Raises NotAllowed, InvalidInput (this is no such report), NotFound (it is about no letter of
        ours), Conflict (about a letter of ours to somebody else, or one that has not left)."""
        need_everywhere(by, Right.WRITE)
        now = self._clock.now()
        try:
            report = read_report(raw)
        except Fault as fault:
            raise InvalidInput(fault.message, hint=fault.hint) from None
        async with self._store.transaction() as tx:
            item = await _letter(tx, report.message_ids)
            fates = [fate for fate in report.fates if item.to.lower() in fate.recipients]
            if not fates:
                raise Conflict(
                    "The report is about another recipient than the letter went to; it is not "
                    "believed.",
                    facts={"letter": item.id},
                )
            return await _note(tx, item, fates[0].action, fates[0].reason, now=now, by=by)

    async def take(self, message_id: str, reason: str, *, permanent: bool, by: Caller) -> Bounced:
        """What a relay's webhook says: ``message_id`` as our letter carried it. ``permanent``
        False: the relay still tries. Needs WRITE and reach of everything. Journal as
        `take_report`. Raises NotAllowed, InvalidInput, NotFound, Conflict (it has not left)."""
        need_everywhere(by, Right.WRITE)
        now = self._clock.now()
        flaws = Flaws()
        if letter_id(message_id) is None:
            flaws.add(
                "message_id",
                "is not the Message-ID of a letter of Evergrant.",
                hint="It looks like <out_...@the domain of EVERGRANT_MAIL_FROM>. If the relay put "
                "one of its own in its place, give what stands in the header X-Evergrant-Letter.",
            )
        flaws.refuse_if_any()
        action = Action.FAILED if permanent else Action.DELAYED
        async with self._store.transaction() as tx:
            item = await _letter(tx, (message_id,))
            return await _note(tx, item, action, reason, now=now, by=by)

    async def settle_arrived(self) -> int:
        """Takes down the notices whose reason is gone: a later letter arrived, the client e-mail
        was corrected, the account was closed. Called by the clock tower each minute. Gives how
        many. Raises StoreUnavailable."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            hanging = await tx.notices.all(kind=NoticeKind.LETTER_UNDELIVERED, settled_at=None)
            return sum(
                [
                    await notices.settle(tx, now=now, kinds=[one.kind], subject=one.subject)
                    for one in hanging
                    if await _is_over(tx, one, now)
                ]
            )


async def _letter(tx: Transaction, message_ids: tuple[str, ...]) -> OutboxItem:
    for message_id in message_ids:
        known = letter_id(message_id)
        item = await tx.outbox.get(known) if known else None
        if item is not None and item.kind is OutboxKind.MAIL:
            return item
    raise NotFound(
        "That is about no letter of this house, or about one that is long gone.",
        hint="Letters are found by their Message-ID.",
    )


async def _note(
    tx: Transaction, item: OutboxItem, action: Action, reason: str, *, now: datetime, by: Caller
) -> Bounced:
    reason = scrub(" ".join(reason.split()))[:_LONGEST_REASON] or "no reason was given"
    if item.state is OutboxState.WAITING and item.attempts == 0:
        raise Conflict("That letter has not left the house yet.", facts={"letter": item.id})
    if action is Action.FAILED:
        changed = await _mark(tx, item, reason, now=now, by=by)
        outcome = BounceOutcome.NOT_ARRIVED
    elif action is Action.DELAYED:
        changed = await _note_delay(tx, item, reason, now=now, by=by)
        outcome = BounceOutcome.DELAYED
    else:
        changed, outcome = item, BounceOutcome.ARRIVED
    if changed is None:
        return Bounced(item=item, outcome=BounceOutcome.KNOWN, reason=reason)
    return Bounced(item=changed, outcome=outcome, reason=reason)


async def _mark(
    tx: Transaction, item: OutboxItem, reason: str, *, now: datetime, by: Caller
) -> OutboxItem | None:
    """A report may be faster than the process that sent the letter, which has yet to note that."""
    failed = await tx.outbox.change(
        item.id,
        expecting={"state": (OutboxState.SENT, OutboxState.WAITING)},
        state=OutboxState.FAILED,
        ended_at=now,
        last_error=reason,
    )
    if failed is not None:
        await _journal(tx, item, "letter.bounced", reason, now=now, by=by)
        await put_undelivered(tx, failed, reason, now=now, heard_from=HeardFrom.BOUNCE)
    return failed


async def _note_delay(
    tx: Transaction, item: OutboxItem, reason: str, *, now: datetime, by: Caller
) -> OutboxItem | None:
    """Once for a letter, however often the server says so."""
    noted = await tx.outbox.change(
        item.id, expecting={"state": OutboxState.SENT, "last_error": ""}, last_error=reason
    )
    if noted is not None:
        await _journal(tx, item, "letter.delayed", reason, now=now, by=by)
    return noted


async def _journal(
    tx: Transaction, item: OutboxItem, verb: str, reason: str, *, now: datetime, by: Caller
) -> None:
    await journal.write(
        tx,
        now=now,
        by=by,
        verb=verb,
        subject=item.subject,
        account_id=item.account_id,
        topic=item.topic,
        to=item.to,
        outbox_id=item.id,
        reason=reason,
    )


async def _is_over(tx: Transaction, notice: Notice, now: datetime) -> bool:
    address = str(notice.facts.get("to", "")).lower()
    if notice.account_id is not None:
        account = await tx.accounts.get(notice.account_id)
        authorization = await tx.authorizations.one(account_id=notice.account_id)
        if account is None or authorization is None or authorization.state is State.CLOSED:
            return True
        if account.client_email.lower() != address:
            return True
    silence = timedelta() if notice.facts.get("heard_from") == HeardFrom.RELAY else SILENCE
    sent = await tx.outbox.all(
        after=ids.make(ids.Kind.OUTBOX, notice.last_at - _LONGEST_WAY, bytes(10)),
        kind=OutboxKind.MAIL,
        state=OutboxState.SENT,
        to=notice.facts.get("to", ""),
    )
    return any(
        item.ended_at is not None
        and item.ended_at > notice.last_at
        and item.ended_at + silence <= now
        and (item.topic in TO_CLIENT) == (notice.account_id is not None)
        for item in sent
    )
