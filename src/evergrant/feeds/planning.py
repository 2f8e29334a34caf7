"""The plan: what goes next for an account, on which path, and why the rest waits.

Answers for: reading what may go, asking ``rules.feedplans``, and claiming changes for runs, so that
nothing is claimed twice; and for telling the same without doing it. Does not answer for: carrying a
run out, or for when an account has its turn.

Each run is a transaction of its own, with its changes: a crash between two of them loses nothing.
Each is conditional on the version of the account's row, so two planners never both win. News that
came meanwhile (another change, a switch) presses the doorbell and changes the version too: then the
account is looked at again, and the plan goes on only if it would be the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from evergrant.errors import NotFound
from evergrant.feeds.allowances import Allowance, allowances
from evergrant.feeds.signing import SignedOff
from evergrant.feeds.standing import AccountStands, stands
from evergrant.intake import need
from evergrant.limits import Limits
from evergrant.naming import new_id
from evergrant.ports import Clock
from evergrant.ports.store import Store, Transaction
from evergrant.ports.traded import FeedRun, Pick, Plannable
from evergrant.rules import ids
from evergrant.rules.changes import ChangeKind
from evergrant.rules.feedcuts import Draft
from evergrant.rules.feedplans import Decision, Gate, Pace, decide, waits_of
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.feedsweeps import Sweep
from evergrant.rules.rights import Caller, Right
from evergrant.rules.waits import Waiting, Why, kept, until
from evergrant.settings import Cooking

__all__ = ["Explained", "Planned", "Planning", "WouldRun"]

#: Changes that are read at a time.
PAGE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """``version``: of the account's row, as the plan knows it; when it has changed since, somebody
    has news. ``next_at``: when something that waits may go by itself; None: nothing does."""

    account_id: str
    runs: tuple[FeedRun, ...] = ()
    waits: tuple[Waiting, ...] = ()
    next_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldRun:
    """One run that the next turn would make. ``changes``: by kind; ``bytes``: of its document;
    ``because``: why it takes this path."""

    path: Path
    marketplace_id: str = ""  # "": several, or none
    submission: str = ""
    changes: Mapping[ChangeKind, int] = field(default_factory=dict)
    messages: int = 0
    bytes: int = 0
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What the next turn of an account would do at ``at``, and why. ``collapsed``: changes that
    never go, as a later one takes their place; ``due_at``: when the next turn is, None: nobody
    asked for one. ``if_resumed``: the account is paused, and ``runs`` is what would go if it were
    not."""

    account_id: str
    at: datetime
    due_at: datetime | None
    if_resumed: bool = False
    runs: tuple[WouldRun, ...] = ()
    collapsed: int = 0
    waits: tuple[Waiting, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    next_at: datetime | None = None


@dataclass(slots=True)
class _Tally:
    """What became of the changes that were looked at."""

    seen: Counter[ChangeKind] = field(default_factory=Counter)
    waiting: Counter[tuple[ChangeKind, Gate]] = field(default_factory=Counter)
    superseded: int = 0
    left: dict[ChangeKind, Gate] = field(default_factory=dict)  # of what nobody looked at


@dataclass(slots=True)
class _Fence:
    """``version``: that the next write expects; ``told``: the last one before somebody else was
    there."""

    decision: Decision
    version: int
    told: int
    runs: list[FeedRun] = field(default_factory=list)
    overtaken: bool = False


class _Lost(Exception):
    """Somebody else plans, or what the plan goes by has changed."""


class Planning:
    """One per process. ``signed_off``: who knows what has to be signed, and was not."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        limits: Limits,
        signed_off: SignedOff,
        cooking: Cooking,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._signed_off = signed_off
        self._needs_sign_off = cooking.needs_sign_off
        self._pace = Pace(feed_every=cooking.feed_every, patch_most=cooking.patch_most)

    async def plan(self, account_id: str, *, now: datetime | None = None) -> Planned:
        """Makes runs of what may go, and notes why the rest waits. Raises NotFound,
        StoreUnavailable."""
        now = now or self._clock.now()
        at_hand = await self._stands(account_id, now)
        decision = decide(at_hand.stand, self._pace, now)
        fence = _Fence(decision, at_hand.work.version, at_hand.work.version)
        tally = _Tally()
        try:
            async for draft in self._drafts(at_hand, decision, now, tally, fence.runs):
                await self._write_down(at_hand, draft, now, fence)
            waits = await self._waits(at_hand, decision, now, tally, fence.runs)
            await self._note(at_hand, waits, now, fence)
        except _Lost:
            fence.overtaken = True
            waits = []
        return Planned(
            account_id=account_id,
            runs=tuple(fence.runs),
            waits=tuple(waits),
            next_at=now if fence.overtaken else until(waits),
            version=fence.told,
        )

    async def explain(self, account_id: str, *, by: Caller) -> Explained:
        """What ``plan`` would do now, without doing it; of a paused account, what it would do if
        somebody resumed it. Needs READ. Raises NotFound, NotAllowed, StoreUnavailable."""
        need(by, Right.READ)
        now = self._clock.now()
        at_hand = await self._stands(account_id, now, by=by)
        paused = at_hand.stand.paused
        decision = decide(replace(at_hand.stand, paused=False), self._pace, now)
        tally = _Tally()
        runs = [
            WouldRun(
                path=draft.path,
                marketplace_id=draft.marketplace_id,
                submission=draft.submission,
                changes=draft.kinds,
                messages=draft.messages,
                bytes=draft.bytes,
                because=draft.because,
            )
            async for draft in self._drafts(at_hand, decision, now, tally)
            if draft.path is not None
        ]
        if paused:
            held = decide(at_hand.stand, self._pace, now)
            waits = await self._waits(at_hand, held, now, _Tally())
        else:
            waits = await self._waits(at_hand, decision, now, tally)
        levels = await self._limits.look(account_id, by=by)
        return Explained(
            account_id=account_id,
            at=now,
            due_at=at_hand.work.due_at,
            if_resumed=paused,
            runs=tuple(runs),
            collapsed=tally.superseded,
            waits=tuple(waits),
            allowances=tuple(allowances([(run.path, run.messages) for run in runs], levels)),
            next_at=until(waits),
        )

    # --- the same for both ---

    async def _stands(
        self, account_id: str, now: datetime, *, by: Caller | None = None
    ) -> AccountStands:
        async with self._store.transaction() as tx:
            account = await tx.accounts.get(account_id)
            if by is not None and not (
                account and by.reaches_account(account.id, account.client_instance_id)
            ):
                raise NotFound("There is no such account.")
            found = await stands(tx, account, now, self._pace)
        return await self._with_signatures(found)

    async def _with_signatures(self, found: AccountStands) -> AccountStands:
        if not self._needs_sign_off or not found.pending:
            return found
        unsigned = await self._signed_off.unsigned(
            found.account.application_id, found.account.client_instance_id
        )
        return replace(found, stand=replace(found.stand, unsigned=tuple(unsigned)))

    async def _drafts(
        self,
        at_hand: AccountStands,
        decision: Decision,
        now: datetime,
        tally: _Tally,
        runs: Sequence[FeedRun] = (),
    ) -> AsyncIterator[Draft]:
        """All runs that may be made, one lane after another. Never more than one is filled at a
        time, except where one stream fills several paths. ``runs``: those that were made of them so
        far."""
        for lane in decision.lanes:
            sweep = Sweep(decision, lane)
            if not any(at_hand.pending.get(kind) for kind in sweep.kinds):
                continue
            async for draft in self._swept(at_hand.account.id, sweep, now, runs):
                tally.superseded += len(draft.superseded)
                yield draft
            tally.seen += sweep.seen
            tally.waiting += sweep.waiting
            tally.left |= sweep.left

    async def _swept(
        self, account_id: str, sweep: Sweep, now: datetime, runs: Sequence[FeedRun]
    ) -> AsyncIterator[Draft]:
        after: tuple[str, str, str, str] | None = None
        while limit := sweep.page(PAGE):
            # One SKU goes in several feeds of a plan, one for each marketplace.
            feeds = [run.id for run in runs if run.path is Path.LISTINGS_FEED]
            async with self._store.transaction() as tx:
                page = await tx.changes.plannable(
                    account_id,
                    sweep.kinds,
                    now,
                    after=after,
                    limit=limit,
                    together=feeds,
                    only_zero=sweep.only_zero,
                )
            for draft in sweep.take(page):
                yield draft
            if len(page) < limit or sweep.of_use is not None:
                break
            after = _place(page[-1])
        for draft in sweep.end():
            yield draft

    async def _waits(
        self,
        at_hand: AccountStands,
        decision: Decision,
        now: datetime,
        tally: _Tally,
        runs: Sequence[FeedRun] = (),
    ) -> list[Waiting]:
        waiting = Counter(tally.waiting)
        for kind, gate in decision.shut.items():
            waiting[kind, gate] += at_hand.pending.get(kind, 0)
        unseen = {
            kind: count - tally.seen[kind]
            for kind, count in at_hand.pending.items()
            if kind not in decision.shut and count > tally.seen[kind]
        }
        if unseen:
            async with self._store.transaction() as tx:
                # What this plan took keeps others of the same subject back, for reasons it knows.
                held_up = await tx.changes.held_up(
                    at_hand.account.id, now, together=[run.id for run in runs]
                )
            for kind, word, count, at in sorted(held_up, key=lambda one: one[1] != Why.LATER):
                count = min(count, unseen.get(kind, 0))
                if count:
                    waiting[kind, Gate(Why(word), at)] += count
                    unseen[kind] -= count
            for kind, gate in tally.left.items():
                waiting[kind, gate] += unseen.get(kind, 0)
        return waits_of(waiting)

    # --- writing it down ---

    async def _write_down(
        self, at_hand: AccountStands, draft: Draft, now: datetime, fence: _Fence
    ) -> None:
        """The run with its changes, or only what was superseded. Raises _Lost."""
        async with self._store.transaction() as tx:
            await self._pass(tx, at_hand, now, fence)
            run = await _claimed(tx, at_hand, draft, now, fence.runs)
        if run is not None:
            fence.runs.append(run)

    async def _pass(
        self,
        tx: Transaction,
        at_hand: AccountStands,
        now: datetime,
        fence: _Fence,
        **values: Any,
    ) -> None:
        """Through the fence. Where somebody was there who is no planner, and nothing that counts
        has changed, the plan goes on: what is new comes with the next one. Raises _Lost."""
        account_id = at_hand.account.id
        if not await self._advance(tx, account_id, now, fence, values):
            # Held from here on: however often the doorbell rings, it is our turn.
            row = await tx.work.change(account_id, planned_at=now)
            fence.overtaken = True
            if row is None or not await self._is_the_same(tx, at_hand, now, fence):
                raise _Lost
            fence.version = row.version
            if not await self._advance(tx, account_id, now, fence, values):
                raise _Lost

    async def _advance(
        self,
        tx: Transaction,
        account_id: str,
        now: datetime,
        fence: _Fence,
        values: Mapping[str, Any],
    ) -> bool:
        changed = await tx.work.change(
            account_id,
            expecting={"version": fence.version},
            version=fence.version + 1,
            due_at=now,  # whoever dies now leaves a run behind; the end of a turn says otherwise
            planned_at=now,
            changed_at=now,
            **values,
        )
        if changed is None:
            return False
        fence.version += 1
        if not fence.overtaken:
            fence.told = fence.version
        return True

    async def _is_the_same(
        self, tx: Transaction, at_hand: AccountStands, now: datetime, fence: _Fence
    ) -> bool:
        """Whether the plan would be this one, seen from now."""
        found = await stands(
            tx,
            await tx.accounts.get(at_hand.account.id),
            now,
            self._pace,
            unsigned=at_hand.stand.unsigned,
            but_for={run.id for run in fence.runs},
        )
        return decide(found.stand, self._pace, now) == fence.decision

    async def _note(
        self, at_hand: AccountStands, waits: list[Waiting], now: datetime, fence: _Fence
    ) -> None:
        noted = kept(waits)
        if noted == at_hand.work.waits:
            return
        async with self._store.transaction() as tx:
            await self._pass(tx, at_hand, now, fence, waits=noted)


async def _claimed(
    tx: Transaction,
    at_hand: AccountStands,
    draft: Draft,
    now: datetime,
    together: Sequence[FeedRun],
) -> FeedRun | None:
    """None: nothing of it is left to be sent."""
    account = at_hand.account
    if draft.path is None:
        await tx.changes.claim(account.id, "", (), draft.superseded, now)
        return None
    run = FeedRun(
        id=new_id(ids.Kind.FEED_RUN, now),
        account_id=account.id,
        application_id=account.application_id,
        region=account.region,
        path=draft.path,
        marketplace_id=draft.marketplace_id,
        submission=draft.submission,
        step=RunStep.PLANNED,
        changes=len(draft.picks),
        bytes=draft.bytes,
        next_at=now,
        created_at=now,
        changed_at=now,
    )
    await tx.feed_runs.add(run)
    claimed = await tx.changes.claim(
        account.id,
        run.id,
        [Pick(change_id=change_id, message_id=number) for change_id, number in draft.picks],
        draft.superseded,
        now,
        together=[one.id for one in together],
    )
    if not claimed:
        await tx.feed_runs.drop(run.id)
        return None
    if len(claimed) == len(draft.picks):
        return run
    return await tx.feed_runs.change(run.id, changes=len(claimed))


def _place(change: Plannable) -> tuple[str, str, str, str]:
    return change.marketplace_id, change.subject, change.kind.value, change.id
