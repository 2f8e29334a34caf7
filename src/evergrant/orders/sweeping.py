"""The sweep of an account: its orders since the bound of the last one, page by page.

Answers for: which accounts are due, windows and pages that survive a crash at any instant, the
bound, what is waited for after a refusal. Does not answer for: what an order is worth keeping
(``keeping``), for calls and permits (``asking``, the gate), or for orders that a notification names
(``fetching``).

A window is written down before Amazon is asked for its first page. Each page is committed with its
orders, its events and the place of the next page, on condition that nobody else moved the sweep
(``OrderSweep.version``); whoever loses throws its page away. The bound moves with the last page of
a window only. So a process that dies, or comes back from the dead, repeats at most one page, and a
page that comes twice changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from evergrant.errors import (
    AmazonError,
    ApplicationError,
    EvergrantError,
    OverLimit,
    PartnerError,
    StoreUnavailable,
)
from evergrant.logs import logger
from evergrant.orders.asking import WAYS, Asking, Refused, kind_of
from evergrant.orders.keeping import Keeping
from evergrant.orders.values import Swept
from evergrant.ports import Bell, Clock
from evergrant.ports.store import AlreadyThere, Store, Transaction, not_after
from evergrant.ports.things import Account, Authorization
from evergrant.ports.traded import OrderKind, OrderSweep
from evergrant.rules import order_sweeps
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.order_reading import OrdersPage, Unreadable
from evergrant.rules.order_sweeps import Lack, Place, Window

__all__ = ["AT_ONCE", "CLAIM", "Sweeping", "lacking"]

log = logger(__name__)

#: Accounts at the same time.
AT_ONCE = 8
#: Due rows that are looked at in one statement.
BATCH = 200
#: Authorizations that are looked at per round for accounts that have no sweep yet.
STRIDE = 1000
#: A sweep belongs to one process for so long after each page: longer than a page takes.
CLAIM = timedelta(minutes=5)
#: So many pages of one account before others have their turn: what a full bucket gives.
MOST_PAGES = 25
#: What an account lacks is looked at again: somebody may have added it.
LOOK_AGAIN = timedelta(minutes=5)
_APPLICATION_WAIT = timedelta(minutes=15)
#: 429 although we count: the bucket at Amazon is emptier than ours.
_THROTTLED_WAIT = timedelta(minutes=3)


@dataclass(slots=True)
class _Round:
    """One round: what it counts, and when it has to end."""

    ends_s: float
    #: Somebody waits for it: each step is news.
    asked: bool = False
    counts: Swept = field(default_factory=Swept)
    #: Applications that LWA refused in this round: none of their accounts is tried.
    shut: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.ends_s


class _Overtaken(Exception):
    """Somebody else moved this sweep on. What was under way is thrown away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One account that is being swept. ``sweep`` is the row as this turn wrote it last."""

    account: Account
    authorization: Authorization
    kind: OrderKind
    sweep: OrderSweep
    asked: bool = False


def lacking(account: Account, authorization: Authorization) -> Lack | None:
    """What has to be known of an account before its orders are read."""
    if account.partner_kind is PartnerKind.SELLER:
        known = account.merchant_token or authorization.selling_partner_id
        return None if known else Lack.MERCHANT_TOKEN
    return None if account.vendor_codes else Lack.VENDOR_CODE


class Sweeping:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        bell: Bell,
        asking: Asking,
        keeping: Keeping,
        every: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._asking = asking
        self._keeping = keeping
        self._every = every
        self._turn: str | None = None  # id of the sweep that was taken up last

    # --- what is due --------------------------------------------------------------------------

    async def round(self, ends_s: float) -> Swept:
        """Opens sweeps that are missing, then takes up what is due until that instant of the
        monotonic clock. Raises StoreUnavailable."""
        this = _Round(ends_s)
        this.counts.opened = await self._open()
        while not this.is_over:
            due = [row for row in await self._due() if row.id not in this.seen]
            if not due:
                break
            this.seen.update(row.id for row in due)
            await self._all(due, this)
        return this.counts

    async def one(self, account_id: str, ends_s: float) -> Swept:
        """This account alone, as somebody waits for it. Raises StoreUnavailable."""
        this = _Round(ends_s, asked=True)
        async with self._store.transaction() as tx:
            row = await tx.order_sweeps.get(account_id)
        if row is not None:
            await self._all([row], this)
        return this.counts

    async def hurry(self, tx: Transaction, account_id: str, now: datetime) -> None:
        """It is due, and what was refused is tried again. A sweep that is under way elsewhere goes
        on undisturbed."""
        tx.news.orders_of(account_id)
        if await _added(tx, account_id, now):
            return
        row = await tx.order_sweeps.get(account_id)
        assert row is not None, "it is there"
        stops = bool(row.lacks) and Lack(row.lacks).stops
        await tx.order_sweeps.change(
            account_id, due_at=now, lacks=row.lacks if stops else "", failures=0, changed_at=now
        )

    async def _all(self, due: list[OrderSweep], this: _Round) -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def take_up(row: OrderSweep) -> None:
            async with turns:
                if not this.is_over:
                    await self._take_up(row, this)

        ends = await asyncio.gather(*(take_up(row) for row in due), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _open(self) -> int:
        """Sweeps of accounts that are ACTIVE and have none, or have one that rests because they
        were not; when very many came at once, some more each round."""
        now = self._clock.now()
        opened = 0
        async with self._store.transaction() as tx:
            for account_id in await tx.scans.unswept(limit=STRIDE):
                changed = await tx.order_sweeps.change(
                    account_id, expecting={"due_at": None}, due_at=now, changed_at=now
                )
                opened += changed is not None or await _added(tx, account_id, now)
        return opened

    async def _due(self) -> list[OrderSweep]:
        """From behind the one that was taken up last, and round again: with more accounts than one
        round does, all have their turn."""
        due = not_after("due_at", self._clock.now())
        async with self._store.transaction() as tx:
            found = await tx.order_sweeps.all(after=self._turn, limit=BATCH, before=due)
            if self._turn is not None and len(found) < BATCH:
                more = await tx.order_sweeps.all(limit=BATCH - len(found), before=due)
                known = {row.id for row in found}
                found += [row for row in more if row.id not in known]
        if found:
            self._turn = found[-1].id
        return found

    # --- one account --------------------------------------------------------------------------

    async def _take_up(self, row: OrderSweep, this: _Round) -> None:
        try:
            turn = await self._begin(row, this)
            if turn is not None:
                this.counts.accounts += 1
                await self._sweep(turn, this)
        except _Overtaken:
            log.info("a sweep was overtaken", account_id=row.id)
        except StoreUnavailable:
            raise
        except Exception:
            # It stays claimed for some minutes; the others must not wait for it.
            this.counts.failed += 1
            log.exception("a sweep broke", account_id=row.id)

    async def _begin(self, row: OrderSweep, this: _Round) -> _Turn | None:
        """The window is written down, and the sweep is ours. None: there is nothing to do."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            account = await tx.accounts.get(row.id)
            authorization = await tx.authorizations.one(account_id=row.id)
            if account is None or authorization is None or authorization.state is not State.ACTIVE:
                await _moved(tx, row, now, this.asked, due_at=None)
                return None
            if lack := lacking(account, authorization):
                await _moved(tx, row, now, this.asked, lacks=lack.value, due_at=now + LOOK_AGAIN)
                return None
            if authorization.application_id in this.shut:
                return None  # stays due: the next round tries one of them
            kind = kind_of(account)
            values = _opening(row, kind, now)
            if values is None:
                await _moved(tx, row, now, this.asked, due_at=now + self._every)
                return None
            claimed = await _moved(tx, row, now, this.asked, due_at=now + CLAIM, **values)
        return _Turn(
            account=account,
            authorization=authorization,
            kind=kind,
            sweep=claimed,
            asked=this.asked,
        )

    async def _sweep(self, turn: _Turn, this: _Round) -> None:
        for _ in range(MOST_PAGES):
            try:
                found = await self._page(turn)
            except StoreUnavailable:
                raise
            except Refused as error:
                lower = await self._answered(turn, error, this)
                if lower is None:
                    return
                turn = lower
                continue
            except EvergrantError as error:
                await self._refused(turn, error, this)
                return
            except Unreadable as error:
                await self._failed(turn, str(error), this)
                return
            this.counts.pages += 1
            going_on = await self._commit(turn, found, this)
            if going_on is None:
                return
            turn = going_on
            if this.is_over:
                break
        await self._rest(turn, due_at=self._clock.now())

    async def _page(self, turn: _Turn) -> OrdersPage:
        place = Place.read(turn.sweep.page)
        found = await self._asking.page(
            turn.account, turn.kind, _window(turn.sweep), place, turn.sweep.lacks
        )
        if place.mark and found.next_page == place.mark:
            # It is neither the last page nor a way on: the bound must not move over what follows.
            raise Unreadable("Amazon's mark of the next page is that of the page itself.")
        return found

    async def _commit(self, turn: _Turn, found: OrdersPage, this: _Round) -> _Turn | None:
        """Orders, events and the next place, all or nothing. None: the sweep is over."""
        now = self._clock.now()
        values = _after_page(turn, found, now, self._every)
        async with self._store.transaction() as tx:
            row = await _moved(tx, turn.sweep, now, turn.asked, **values)
            account = await tx.accounts.get(turn.account.id)
            authorization = await tx.authorizations.one(account_id=turn.account.id)
            if account is None or authorization is None or authorization.state is State.CLOSED:
                raise _Overtaken  # it was left meanwhile: nothing of it is kept any more
            kept = await self._keeping.keep(
                tx,
                found.orders,
                now=now,
                account=account,
                authorization=authorization,
                kind=turn.kind,
                with_personal=turn.sweep.lacks != Lack.PERSONAL_DATA.value,
            )
            if kept.received or kept.changed:
                tx.news.orders_of(turn.account.id)
        this.counts.received += kept.received
        this.counts.changed += kept.changed
        this.counts.repeated += kept.repeated
        if kept.told:
            await self._bell.ring(kept.told)
        if row.page:
            return replace(turn, sweep=row)
        if this.is_over or row.due_at is None or row.due_at > now:
            return None
        return await self._begin(row, this)  # the next window of an account that is far behind

    # --- when it does not work ----------------------------------------------------------------

    async def _refused(self, turn: _Turn, error: EvergrantError, this: _Round) -> None:
        """There was no answer."""
        now = self._clock.now()
        if isinstance(error, OverLimit):
            this.counts.waiting += 1
            await self._rest(turn, due_at=now + timedelta(seconds=max(error.retry_after_s, 1.0)))
        elif isinstance(error, PartnerError):
            # The mint wrote down what it means; the next look at the account finds it.
            await self._rest(turn, due_at=now + LOOK_AGAIN, last_error=error.message)
        elif isinstance(error, ApplicationError):
            this.shut.add(turn.authorization.application_id)
            await self._rest(turn, due_at=now + _APPLICATION_WAIT, last_error=error.message)
        else:
            if not isinstance(error, AmazonError):
                log.error("a sweep broke", account_id=turn.account.id, exc_info=error)
            await self._failed(turn, error.message, this)

    async def _answered(self, turn: _Turn, error: Refused, this: _Round) -> _Turn | None:
        """A turn that goes on at once, with less of each order; else None."""
        now = self._clock.now()
        if error.status == 429:
            this.counts.waiting += 1
            await self._rest(turn, due_at=now + _THROTTLED_WAIT, last_error=error.message)
            return None
        if error.status == 403 and turn.kind is OrderKind.SELLER:
            lower = order_sweeps.less_than(turn.sweep.lacks)
            if lower is not None:
                # Written down at once: the permit for the next try may be minutes away.
                return await self._rest(turn, due_at=now + CLAIM, lacks=lower)
            await self._failed(turn, error.message, this, lacks="")  # so it is not the roles
            return None
        if error.status == 400 and Place.read(turn.sweep.page).mark:
            # The mark of the page died: it lives 24 hours. From the start, with half of it.
            half = order_sweeps.halved(_window(turn.sweep))
            await self._failed(
                turn,
                error.message,
                this,
                page=_first(turn.kind),
                page_from=half.since,
                page_until=half.until,
            )
            return None
        await self._failed(turn, error.message, this)
        return None

    async def _failed(self, turn: _Turn, said: str, this: _Round, **values: Any) -> None:
        this.counts.failed += 1
        now = self._clock.now()
        failures = turn.sweep.failures + 1
        due_at = order_sweeps.after_failure(now, failures)
        await self._rest(turn, due_at=due_at, last_error=said, failures=failures, **values)

    async def _rest(self, turn: _Turn, **values: Any) -> _Turn:
        async with self._store.transaction() as tx:
            row = await _moved(tx, turn.sweep, self._clock.now(), turn.asked, **values)
        return replace(turn, sweep=row)


# --- the row ----------------------------------------------------------------------------------


def _opening(row: OrderSweep, kind: OrderKind, now: datetime) -> dict[str, Any] | None:
    """Of a window that is under way nothing changes; else the next one. None: nothing is new."""
    lacks = "" if row.lacks and Lack(row.lacks).stops else row.lacks
    if row.page and row.page_from is not None and row.page_until is not None:
        return {"lacks": lacks}
    window = (
        order_sweeps.seller_window(row.bound_at, now)
        if kind is OrderKind.SELLER
        else order_sweeps.vendor_window(row.bound_at, now, row.swept_at)
    )
    if window is None:
        return None
    if order_sweeps.is_new_day(row.swept_at, now):
        lacks = ""
    return {
        "lacks": lacks,
        "page": _first(kind),
        "page_from": window.since,
        "page_until": window.until,
    }


def _after_page(turn: _Turn, found: OrdersPage, now: datetime, every: timedelta) -> dict[str, Any]:
    """What the row says once this page is in the book."""
    sweep = turn.sweep
    place = Place.read(sweep.page)
    going_on = {"failures": 0, "last_error": "", "due_at": now + CLAIM}
    if found.next_page:
        return {**going_on, "page": str(Place(place.listing, found.next_page))}
    following = order_sweeps.lists_after(WAYS[turn.kind].lists, place.listing)
    if following is not None:
        return {**going_on, "page": str(Place(following))}
    window = _window(sweep)
    bound = order_sweeps.next_bound(sweep.bound_at, window, found.read_until)
    behind = now - bound > max(every, order_sweeps.BEHIND)
    return {
        "failures": 0,
        "last_error": "",
        "bound_at": bound,
        "swept_at": now,
        "page": "",
        "page_from": None,
        "page_until": None,
        "due_at": now if behind and bound != sweep.bound_at else now + every,
    }


def _first(kind: OrderKind) -> str:
    return str(Place(WAYS[kind].lists[0]))


def _window(sweep: OrderSweep) -> Window:
    assert sweep.page_from is not None, "a window is under way"
    assert sweep.page_until is not None, "a window is under way"
    return Window(sweep.page_from, sweep.page_until)


async def _added(tx: Transaction, account_id: str, now: datetime) -> bool:
    try:
        await tx.order_sweeps.add(OrderSweep(id=account_id, due_at=now, changed_at=now))
    except AlreadyThere:
        return False  # another node was faster
    return True


async def _moved(
    tx: Transaction, row: OrderSweep, now: datetime, asked: bool, **values: Any
) -> OrderSweep:
    """On condition that nobody else moved it. News where somebody waits for it, or where what
    stands against it is another thing: that very many were looked at is none. Raises
    _Overtaken."""
    changed = await tx.order_sweeps.change(
        row.id,
        expecting={"version": row.version},
        version=row.version + 1,
        changed_at=now,
        **values,
    )
    if changed is None:
        raise _Overtaken
    if asked or (changed.lacks, changed.last_error) != (row.lacks, row.last_error):
        tx.news.orders_of(row.id)
    return changed
