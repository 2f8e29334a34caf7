"""Writes down how far a run came, and what became of its changes.

Answers for: that nobody writes over what somebody else wrote meanwhile (each line of a run carries
its version on), the end of a run with its counts, its line in the journal, its events and notices,
all in the commit of the fact. Does not answer for: what happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal, notices, outbox, vault
from evergrant.doorbell import put_due
from evergrant.feeds.denials import denied_until, subject_of
from evergrant.feeds.run_ground import Case, Heard, How, RunGround, sent_of
from evergrant.ports.store import Transaction
from evergrant.ports.things import OutboxItem
from evergrant.ports.traded import Change, FeedRun, Outcome
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedruns import DENIED_FOR, RunStep, next_look
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM, Caller
from evergrant.rules.secrecy import scrub
from evergrant.rules.settling import Settled, returned, uncertain

__all__ = [
    "BATCH",
    "DENIED_BEFORE",
    "Overtaken",
    "Records",
    "moved",
    "outcome_of",
    "unusable",
]

_LONGEST = 300
#: Changes in one commit.
BATCH = 2_000
#: Refused changes that one event names.
MOST_NAMED = 50
DENIED_BEFORE = "Amazon denied it to the account a while ago; it is tried again later."
#: Before changes of an account for which nothing goes are tried again.
UNSERVED_FOR = timedelta(minutes=10)
#: When Amazon does not answer to a question, and when nothing goes for the account.
READ_AGAIN = timedelta(minutes=5)
SERVED_AGAIN = timedelta(minutes=30)
#: Nothing of the run is at Amazon, or may be.
_HERE = (RunStep.PLANNED, RunStep.DOCUMENT, RunStep.UPLOADED)
#: A document of so many lines in which not one is right is likely a mistake of its writer.
MANY = 10

_COLUMNS = {
    ChangeState.ACCEPTED: "accepted",
    ChangeState.REFUSED: "refused",
    ChangeState.PENDING: "returned",
    ChangeState.UNCERTAIN: "uncertain",
}
_KEPT_SEALED = frozenset({ChangeState.PENDING, ChangeState.UNCERTAIN})


class Overtaken(Exception):
    """Somebody else went on with this run; whoever meets this stops at once."""


class Records:
    """Every verb raises Overtaken when the run went on without us."""

    def __init__(self, ground: RunGround) -> None:
        self._ground = ground

    async def move(self, case: Case, now: datetime, **values: Any) -> Case:
        async with self._ground.store.transaction() as tx:
            run = await moved(tx, case.run, now, **values)
        return case.on(run)

    async def put_off(self, case: Case, now: datetime, until: datetime, why: str = "") -> Case:
        return await self.move(case, now, next_at=until, last_error=_words(why))

    async def submitted(self, case: Case, now: datetime, **values: Any) -> Case:
        """Amazon has it, or (calls) hears the first of it. Journal: ``run.submitted``."""
        async with self._ground.store.transaction() as tx:
            run = await moved(tx, case.run, now, **values)
            await self._note(tx, run, "run.submitted", now, feed_id=run.feed_id)
        return case.on(run)

    async def settle(
        self, case: Case, settled: Sequence[Outcome], now: datetime, **values: Any
    ) -> Case:
        """The ends of some changes, in one commit with how far the run is."""
        async with self._ground.store.transaction() as tx:
            run = await self._settled(tx, case, settled, now, **values)
        return case.on(run)

    async def return_all(self, case: Case, code: str, why: str) -> Case:
        """All that is not settled yet goes back to wait on its ladder, in as many commits as it
        takes."""
        return await self._all(case, returned, code, why)

    async def doubt_all(self, case: Case, code: str, why: str) -> Case:
        """Of all that is not settled yet nobody knows what became of it: what may be told twice
        goes back to wait; of the rest a person decides."""
        return await self._all(case, returned if case.path.repeatable else uncertain, code, why)

    async def back(
        self,
        case: Case,
        now: datetime,
        why: str,
        *,
        at: datetime | None = None,
        stopped_by: Caller | None = None,
    ) -> Case:
        """Nothing of what is left reached Amazon: it goes back to wait, and the run is over."""
        async with self._ground.store.transaction() as tx:
            if stopped_by is not None:
                await self.note_cancelled(tx, case.run, now, stopped_by)
            run = await self._back(
                tx,
                case,
                now,
                Outcome(
                    change_id="",
                    state=ChangeState.PENDING,
                    message=_words(why),
                    next_at=at or now,
                    counted=False,
                ),
            )
            run, rung = await self._ended(tx, case.on(run), now, failed=True, why=why)
        await self.ring(rung)
        return case.on(run)

    async def unserved(self, case: Case, now: datetime, why: str) -> Case:
        """Nothing goes for the account at present. The lifecycle keeps it from being planned, as
        soon as that knows; until then this pause does."""
        return await self.back(case, now, why, at=now + UNSERVED_FOR)

    async def deny(self, case: Case, now: datetime, said: str) -> Case:
        """Amazon lets the account not do this: what is left goes back, nothing more is tried on
        this path for an hour, and a person is told."""
        at = now + DENIED_FOR
        async with self._ground.store.transaction() as tx:
            run = await self._back(
                tx,
                case,
                now,
                Outcome(
                    change_id="",
                    state=ChangeState.PENDING,
                    code="denied",
                    message=_words(said),
                    next_at=at,
                    counted=False,
                ),
            )
            await notices.put(
                tx,
                now=now,
                kind=NoticeKind.FEED_DENIED,
                subject=way_of(case),
                account_id=run.account_id,
                application_id=run.application_id,
                message=f"{case.account.name}, {_named(run)}: {said}",
                path=run.path.value,
            )
            run, rung = await self._ended(tx, case.on(run), now, failed=True, why=said)
        await self.ring(rung)
        return case.on(run)

    async def denied_until(self, case: Case, now: datetime) -> datetime | None:
        """Amazon said a while ago that the account may not do this."""
        async with self._ground.store.transaction() as tx:
            found = await denied_until(tx, case.run.account_id, now)
        return found.get(case.run.path)

    async def unheard(self, case: Case, heard: Heard, *, put_off: bool = True) -> Case:
        """The end of a call that says nothing about what was asked: it is asked again later, or
        what never reached Amazon goes back to wait."""
        now = self._ground.now()
        here = case.run.step in _HERE
        if heard.how is How.DENIED and here:
            return await self.deny(case, now, heard.said)
        if heard.how is How.NOT_SERVED and here:
            return await self.unserved(case, now, heard.said)
        if not put_off:
            return case
        pause = heard.pause if heard.how in (How.LATER, How.NOT_SENT) else READ_AGAIN
        if heard.how is How.NOT_SERVED:
            pause = SERVED_AGAIN
        return await self.put_off(case, now, now + pause, heard.said)

    async def look_again(
        self, case: Case, now: datetime, *, late: bool, said: str = "", **values: Any
    ) -> Case:
        """Amazon is not done with it. Told to a person, once, when that is so for too long."""
        run = case.run
        told = late and not run.facts.get("late")
        facts = {**run.facts, "late": True} if told else run.facts
        async with self._ground.store.transaction() as tx:
            run = await moved(
                tx,
                run,
                now,
                next_at=next_look(run, now),
                facts=facts,
                last_error=_words(said),
                **values,
            )
            if told:
                await notices.put(
                    tx,
                    now=now,
                    kind=NoticeKind.FEED_STUCK,
                    subject=run.id,
                    account_id=run.account_id,
                    application_id=run.application_id,
                    message=f"{case.account.name}, {_named(run)}: Amazon has feed {run.feed_id} "
                    f"since {run.submitted_at:%Y-%m-%d %H:%M} UTC and is not done with it.",
                    run_id=run.id,
                    feed_id=run.feed_id,
                )
        return case.on(run)

    async def end(self, case: Case, now: datetime, *, failed: bool = False, why: str = "") -> Case:
        """Every change of it came to an end."""
        async with self._ground.store.transaction() as tx:
            run, rung = await self._ended(tx, case, now, failed=failed, why=why)
        await self.ring(rung)
        return case.on(run)

    async def decided(
        self,
        tx: Transaction,
        case: Case,
        now: datetime,
        happened: bool,
        note: str,
        by: Caller,
        changes: int,
    ) -> tuple[FeedRun, OutboxItem | None]:
        """A person said what became of its uncertain changes. Journal: ``run.decided``."""
        run = case.run
        column = "accepted" if happened else "returned"
        run = await moved(
            tx,
            run,
            now,
            step=RunStep.SETTLED,
            ended_at=now,
            next_at=None,
            uncertain=run.uncertain - changes,
            **{column: getattr(run, column) + changes},
        )
        await self._note(
            tx, run, "run.decided", now, by=by, happened=happened, changes=changes, note=note
        )
        await notices.settle(
            tx, now=now, kinds=(NoticeKind.FEED_UNCERTAIN,), subject=run.id, by=str(by)
        )
        return run, await self._tell(tx, case.on(run), now)

    async def note_cancelled(
        self, tx: Transaction, run: FeedRun, now: datetime, by: Caller
    ) -> None:
        """Its account has its turn. Journal: ``run.cancelled``."""
        await self._note(tx, run, "run.cancelled", now, by=by, feed_id=run.feed_id)
        await put_due(tx, run.account_id, now)

    # --- inside ---

    async def _all(self, case: Case, end: Callable[..., Settled], code: str, why: str) -> Case:
        while page := await self._ground.pages(case.run.id, BATCH):
            now = self._ground.now()
            ends = [end(sent_of(one), now=now, code=code, message=why) for one in page]
            case = await self.settle(case, [outcome_of(one) for one in ends], now)
        return case

    async def _settled(
        self, tx: Transaction, case: Case, settled: Sequence[Outcome], now: datetime, **values: Any
    ) -> FeedRun:
        counts = Counter(_COLUMNS[one.state] for one in settled)
        run = await moved(
            tx,
            case.run,
            now,
            **{name: getattr(case.run, name) + count for name, count in counts.items()},
            **values,
        )
        await tx.changes.settle(run.id, settled, now)
        if ChangeKind.INVOICE in case.path.kinds:
            for one in settled:
                if one.state not in _KEPT_SEALED:
                    await self._ground.vault.drop(tx, vault.invoice_document(one.change_id))
        return run

    async def _back(self, tx: Transaction, case: Case, now: datetime, outcome: Outcome) -> FeedRun:
        run = await moved(tx, case.run, now)
        count = await tx.changes.settle_rest(run.id, outcome, now)
        return await moved(tx, run, now, returned=run.returned + count) if count else run

    async def _ended(
        self, tx: Transaction, case: Case, now: datetime, *, failed: bool, why: str
    ) -> tuple[FeedRun, list[OutboxItem]]:
        run = case.run
        step = RunStep.FAILED if failed else RunStep.SETTLED
        if run.uncertain:
            step = RunStep.UNCERTAIN
        run = await moved(
            tx,
            run,
            now,
            step=step,
            next_at=None,
            ended_at=None if run.uncertain else now,
            last_error=_words(why),
        )
        verb = f"run.{step.value}"
        await self._note(tx, run, verb, now, by=SYSTEM, why=_words(why), **_counts(run))
        await self._hang(tx, case.on(run), now, why)
        items = [await self._tell(tx, case.on(run), now), await self._name(tx, case.on(run), now)]
        return run, [item for item in items if item is not None]

    async def _hang(self, tx: Transaction, case: Case, now: datetime, why: str) -> None:
        run = case.run
        await notices.settle(tx, now=now, kinds=(NoticeKind.FEED_STUCK,), subject=run.id)
        about: dict[str, Any] = {
            "now": now,
            "account_id": run.account_id,
            "application_id": run.application_id,
            "run_id": run.id,
        }
        who = f"{case.account.name}, {_named(run)}"
        if run.uncertain:
            await notices.put(
                tx,
                kind=NoticeKind.FEED_UNCERTAIN,
                subject=run.id,
                message=f"{who}: nobody can tell what became of {run.uncertain} of "
                f"{run.changes} changes. {why}".strip(),
                **about,
            )
        if run.refused >= MANY and run.refused >= run.changes:
            await notices.put(
                tx,
                kind=NoticeKind.FEED_REFUSED_ALL,
                subject=way_of(case),
                message=f"{who}: Amazon refused all {run.refused} changes. {why}".strip(),
                **about,
            )
        elif run.accepted:
            over = (NoticeKind.FEED_REFUSED_ALL, NoticeKind.FEED_DENIED)
            await notices.settle(tx, now=now, kinds=over, subject=way_of(case))

    async def _tell(self, tx: Transaction, case: Case, now: datetime) -> OutboxItem | None:
        run = case.run
        return await outbox.put_event(
            tx,
            now=now,
            topic="feed.settled",
            account=case.account,
            authorization=case.authorization,
            run_id=run.id,
            path=run.path.value,
            step=run.step.value,
            feed_id=run.feed_id,
            changes=run.changes,
            accepted=run.accepted,
            refused=run.refused,
            returned=run.returned,
            uncertain=run.uncertain,
        )

    async def _name(self, tx: Transaction, case: Case, now: datetime) -> OutboxItem | None:
        """Those that were refused, by name."""
        run = case.run
        if not run.refused:
            return None
        refused = await tx.changes.read(
            run_id=run.id, states=(ChangeState.REFUSED,), limit=MOST_NAMED
        )
        return await outbox.put_event(
            tx,
            now=now,
            topic="changes.refused",
            account=case.account,
            authorization=case.authorization,
            run_id=run.id,
            path=run.path.value,
            refused=run.refused,
            changes=[{"id": one.id, "kind": one.kind.value, "code": one.code} for one in refused],
        )

    async def _note(
        self,
        tx: Transaction,
        run: FeedRun,
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
            subject=run.id,
            account_id=run.account_id,
            path=run.path,
            **facts,
        )

    async def ring(self, items: Sequence[OutboxItem]) -> None:
        if items:
            await self._ground.bell.ring([item.id for item in items])


async def moved(tx: Transaction, seen: FeedRun, now: datetime, **values: Any) -> FeedRun:
    """Raises Overtaken."""
    changed = await tx.feed_runs.change(
        seen.id,
        {"version": seen.version},
        version=seen.version + 1,
        changed_at=now,
        **values,
    )
    if changed is None:
        raise Overtaken(seen.id)
    return changed


def outcome_of(settled: Settled) -> Outcome:
    return Outcome(
        change_id=settled.change_id,
        state=settled.state,
        code=settled.code,
        message=settled.message,
        attribute=settled.attribute,
        next_at=settled.next_at,
    )


def way_of(case: Case) -> str:
    return subject_of(case.run.account_id, case.run.path)


def _named(run: FeedRun) -> str:
    return f"run {run.id} ({run.path.value.replace('_', ' ')})"


def _counts(run: FeedRun) -> dict[str, Any]:
    return {
        "changes": run.changes,
        "accepted": run.accepted,
        "refused": run.refused,
        "returned": run.returned,
        "uncertain": run.uncertain,
    }


def _words(said: str) -> str:
    return scrub(said)[:_LONGEST]


def unusable(change: Change, mistake: Exception) -> Outcome:
    """It cannot be put into Amazon's words: it is refused, so that it holds up nothing else."""
    return Outcome(
        change_id=change.id,
        state=ChangeState.REFUSED,
        code="unusable",
        message=f"It cannot be written for Amazon ({type(mistake).__name__}); hand it in again.",
    )
