"""The run: from the plan to Amazon's report, step by step, each written down before the next act.

Answers for: going on after a crash at any step, nothing sent twice that must not be, and every
change of the run coming to an end; what people do with a run. Does not answer for: the acts
themselves (``run_feeds``, ``run_calls``, ``run_transactions``), what a document looks like
(``kinds``), or for when a run has its turn (``working``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import quote

from evergrant import logs
from evergrant.calls import Calls
from evergrant.doorbell import put_due
from evergrant.errors import AmazonUnavailable, Conflict, NotFound
from evergrant.feeds.kinds import ApiCall
from evergrant.feeds.kinds.table import KINDS
from evergrant.feeds.run_calls import CallRuns
from evergrant.feeds.run_documents import FeedDocuments
from evergrant.feeds.run_feeds import FeedRuns
from evergrant.feeds.run_ground import AnyKind, Case, How, RunGround
from evergrant.feeds.run_records import Overtaken, Records, moved
from evergrant.feeds.run_transactions import TransactionRuns
from evergrant.intake import need
from evergrant.ports import Bell, Clock
from evergrant.ports.documents import Documents
from evergrant.ports.store import Store
from evergrant.ports.traded import FeedRun, Outcome
from evergrant.rules.changes import ChangeState
from evergrant.rules.feedruns import (
    CALLS_LEASE,
    Act,
    Manner,
    Path,
    RunStep,
    is_forgotten,
    next_act,
)
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import scrub
from evergrant.settings import Cooking
from evergrant.vault import Vault

__all__ = ["Running"]

_log = logs.logger(__name__)

#: Acts of one run in one turn; none needs as many.
_MOST_ACTS = 400
_LONGEST_NOTE = 500
_BATCH = 2_000
#: What somebody stopped is not sent again in the same minute.
_AFTER_STOP = timedelta(minutes=5)
#: In a run's facts: who stopped it, while its last calls may be on their way.
_STOPPED = "stopped"
_NOTHING_SENT = (RunStep.PLANNED, RunStep.DOCUMENT, RunStep.UPLOADED)


class Running:
    """``kinds``: what each path looks like."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        calls: Calls,
        documents: Documents,
        bell: Bell,
        marketplaces: Marketplaces,
        cooking: Cooking,
        kinds: Mapping[Path, AnyKind] = KINDS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._ground = RunGround(
            store=store,
            clock=clock,
            vault=vault,
            calls=calls,
            documents=documents,
            bell=bell,
            marketplaces=marketplaces,
            cooking=cooking,
            kinds=kinds,
        )
        self._records = Records(self._ground)
        self._feed_documents = FeedDocuments(self._ground, self._records)
        self._feeds = FeedRuns(self._ground, self._records)
        self._calls = CallRuns(self._ground, self._records)
        self._transactions = TransactionRuns(self._ground, self._records)

    async def go(self, run_id: str) -> FeedRun:
        """Takes the run as far as it can go now; ``next_at`` says when to come again (None: it is
        over, or a person decides). Whoever else works on it at the same time is left to it.
        Raises NotFound, StoreUnavailable."""
        case = await self._ground.case(run_id)
        for _ in range(_MOST_ACTS):
            now = self._clock.now()
            act = next_act(case.run, now).act
            if act in (Act.REST, Act.WAIT):
                break
            try:
                case = await self._act(case, act, now)
            except Overtaken:
                _log.info("run overtaken", run_id=run_id, act=act.value)
                return (await self._ground.case(run_id)).run
        return case.run

    async def decide(self, run_id: str, happened: bool, *, by: Caller, note: str = "") -> FeedRun:
        """What nobody could tell: whether Amazon carried out the changes of this run that are
        uncertain. True: they count as accepted; False: they go back to wait. Needs AMAZON_WRITE.
        Raises NotFound, NotAllowed, Conflict (nothing of it is uncertain). Journal:
        ``run.decided``."""
        need(by, Right.AMAZON_WRITE)
        case = await self._reached(run_id, by)
        now = self._clock.now()
        note = scrub(note.strip())[:_LONGEST_NOTE]
        state = ChangeState.ACCEPTED if happened else ChangeState.PENDING
        decision = "it happened" if happened else "it did not happen"
        said = f"{by.name or by} decided: {decision}. {note}".strip()
        outcome = Outcome(change_id="", state=state, code="decided", message=said)
        try:
            async with self._store.transaction() as tx:
                decided = 0
                while page := await tx.changes.read(
                    run_id=run_id, states=(ChangeState.UNCERTAIN,), limit=_BATCH
                ):
                    ids = [one.id for one in page]
                    decided += await tx.changes.decide(ids, ChangeState.UNCERTAIN, outcome, now)
                if case.run.step is not RunStep.UNCERTAIN:
                    raise Conflict("Nothing of this run is uncertain.")
                run, told = await self._records.decided(tx, case, now, happened, note, by, decided)
                await put_due(tx, run.account_id, now)
        except Overtaken:
            raise Conflict("Somebody else was faster.", hint="Look at the run again.") from None
        if told is not None:
            await self._records.ring([told])
        await self._bell.ring_for_work([run.account_id])
        return run

    async def cancel(self, run_id: str, *, by: Caller) -> FeedRun:
        """Stops a run that Amazon did not begin with; its changes go back to wait. Of a feed that
        Amazon has in its queue it is Amazon who says so, some moments later; where calls may be on
        their way no more are begun, and it ends within a minute. Needs AMAZON_WRITE. Raises
        NotFound, NotAllowed, Conflict (Amazon works on it, it may be on its way, or it is over),
        AmazonUnavailable. Journal: ``run.cancelled``."""
        need(by, Right.AMAZON_WRITE)
        case = await self._reached(run_id, by)
        try:
            run = await self._cancel(case, by)
        except Overtaken:
            raise Conflict("The run went on meanwhile.", hint="Look at it again.") from None
        await self._bell.ring_for_work([run.account_id])
        return run

    async def note_finished(self, account_id: str, feed_id: str, now: datetime) -> FeedRun | None:
        """Amazon says that it is done with this feed: its run is due at once. None: no open run
        of ours."""
        async with self._store.transaction() as tx:
            found = await tx.feed_runs.all(account_id=account_id, feed_id=feed_id, ended_at=None)
            waiting = [run for run in found if run.step in (RunStep.SUBMITTED, RunStep.PROCESSING)]
            if not waiting:
                return None
            run = waiting[0]
            if run.next_at is None or run.next_at > now:
                try:
                    run = await moved(tx, run, now, next_at=now)
                except Overtaken:
                    return await tx.feed_runs.get(run.id)
            await put_due(tx, account_id, now)
        await self._bell.ring_for_work([account_id])
        return run

    # --- inside ---

    async def _act(self, case: Case, act: Act, now: datetime) -> Case:
        if is_forgotten(case.run, now):
            why = "For 28 days Amazon did not say what became of it, and keeps it no longer."
            case = await self._records.doubt_all(case, "forgotten", why)
            return await self._records.end(case, self._clock.now(), failed=True, why=why)
        if act is Act.CALL:
            if stopped := case.run.facts.get(_STOPPED):
                return await self._records.back(case, now, stopped, at=now + _AFTER_STOP)
            return await self._calls.call(case, now)
        if case.path.manner is Manner.TRANSACTION:
            if act is Act.SUBMIT:
                return await self._transactions.submit(case, now)
            if act is Act.SEEK:
                return await self._transactions.seek(case, now)
            return await self._transactions.look(case, now)
        if act is Act.PREPARE:
            return await self._feed_documents.prepare(case, now)
        if act is Act.SUBMIT:
            return await self._feeds.submit(case, now)
        if act is Act.SEEK:
            return await self._feeds.seek(case, now)
        if act is Act.LOOK:
            return await self._feeds.look(case, now)
        return await self._feeds.read(case, now)

    async def _cancel(self, case: Case, by: Caller) -> FeedRun:
        run = case.run
        now = self._clock.now()
        if run.step.is_over or run.step is RunStep.UNCERTAIN:
            raise Conflict("The run is over.")
        manner = case.path.manner
        if run.step in _NOTHING_SENT or manner is Manner.CALLS:
            return await self._stop(case, by, now)
        if run.step is RunStep.SUBMITTING:
            raise Conflict(
                "Nobody knows yet whether Amazon has it.", hint="Try again in some minutes."
            )
        if manner is Manner.TRANSACTION:
            raise Conflict("Amazon has it, and takes no submission back.")
        heard = await self._ground.ask(
            case,
            ApiCall(method="DELETE", path=f"/feeds/2021-06-30/feeds/{quote(run.feed_id, safe='')}"),
        )
        if heard.error is not None:
            raise heard.error
        if heard.how is not How.ANSWER:
            raise AmazonUnavailable(f"Amazon did not answer to the point: {heard.said}")
        if heard.body.status >= 300:
            raise Conflict(f"Amazon does not cancel it: {heard.said}")
        now = self._clock.now()
        async with self._store.transaction() as tx:
            run = await moved(tx, run, now, next_at=now)
            await self._records.note_cancelled(tx, run, now, by)
        return run

    async def _stop(self, case: Case, by: Caller, now: datetime) -> FeedRun:
        run = case.run
        if run.facts.get(_STOPPED):
            raise Conflict("It is being stopped already.", hint="Look at it in a minute.")
        why = f"{by.name or by} stopped the run."
        until = _held_until(run)
        if until is None or until <= now:
            at = now + _AFTER_STOP
            return (await self._records.back(case, now, why, at=at, stopped_by=by)).run
        # A call that is on its way must not come behind that of a newer value: what the run has
        # stays its own until then.
        facts = {**run.facts, _STOPPED: why}
        async with self._store.transaction() as tx:
            run = await moved(tx, run, now, next_at=until, facts=facts, last_error=why)
            await self._records.note_cancelled(tx, run, now, by)
        return run

    async def _reached(self, run_id: str, by: Caller) -> Case:
        case = await self._ground.case(run_id)
        if not by.reaches_account(case.account.id, case.account.client_instance_id):
            raise NotFound("There is no such run.")
        return case


def _held_until(run: FeedRun) -> datetime | None:
    """Until when somebody may be making its calls; None: nobody is."""
    if run.step is not RunStep.PROCESSING or run.next_at is None:
        return None
    return min(run.next_at, run.changed_at + CALLS_LEASE)
