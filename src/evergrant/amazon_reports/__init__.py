"""THE READING ROOM. Asks Amazon for reports, waits for them, and streams them to whoever asked.

Answers for: one request from the asking to the document, any type, within the limits. Does not
answer for: what a report says; nothing of it is kept. Not to be confused with the reports to Dev
Support, which the reception writes.

Who may: right AMAZON_READ, for an account within reach; for types that hold personal data, as
Amazon restricts them, PERSONAL_DATA besides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from evergrant import journal, logs
from evergrant.amazon_reports import listing
from evergrant.amazon_reports.asking import Asking
from evergrant.amazon_reports.opening import opened
from evergrant.amazon_reports.values import AtAmazon, OpenReport, ReportTurn
from evergrant.amazon_reports.wishes import settled
from evergrant.calls import Calls
from evergrant.errors import (
    Conflict,
    EvergrantError,
    NotAllowed,
    NotFound,
    StoreUnavailable,
)
from evergrant.intake import check_page, need
from evergrant.limits.setting import reached_account
from evergrant.naming import new_id
from evergrant.ports import Clock
from evergrant.ports.documents import Documents
from evergrant.ports.store import Store, Transaction, not_after
from evergrant.ports.traded import AmazonReport, AmazonReportStep
from evergrant.rules import amazon_reports as rules
from evergrant.rules import ids
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import Caller, Right

__all__ = ["AmazonReports", "AtAmazon", "OpenReport", "ReportTurn"]

_log = logs.logger(__name__)

#: Steps in which something is still to come.
OPEN = (AmazonReportStep.PLANNED, AmazonReportStep.ASKING, AmazonReportStep.WAITING)
#: So many reports in one round, and so many of them at once.
MOST_A_ROUND = 200
AT_ONCE = 4
_FORGOTTEN_A_ROUND = 200


class AmazonReports:
    """One per process and event loop. Verbs with ``by`` raise NotAllowed without the right,
    NotFound for what is out of reach."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        calls: Calls,
        documents: Documents,
        marketplaces: Marketplaces,
    ) -> None:
        self._store = store
        self._clock = clock
        self._calls = calls
        self._documents = documents
        self._marketplaces = marketplaces
        self._asking = Asking(store=store, clock=clock, calls=calls)

    # --- asking ---

    async def request(
        self,
        account_id: str,
        report_type: str,
        *,
        by: Caller,
        marketplaces: Collection[str] | None = None,
        data_from: datetime | None = None,
        data_until: datetime | None = None,
        options: Mapping[str, object] | None = None,
    ) -> AmazonReport:
        """Has Amazon make a report; rounds bring it about. ``marketplaces``: ids or country codes,
        1 to 25 of the account's region; None: the account's home marketplace. ``options``: Amazon's
        reportOptions. Journal: ``amazon_report.requested``.

        Raises InvalidInput with every flaw: no such shape of a type, one that Amazon makes by
        itself, one that such an account cannot have, a span that is too long.
        """
        need(by, Right.AMAZON_READ)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            account = await reached_account(tx, account_id, by)
            wish = settled(
                account,
                report_type,
                marketplaces,
                data_from,
                data_until,
                options,
                now=now,
                table=self._marketplaces,
            )
            _need_for(by, wish.report_type)
            report = AmazonReport(
                id=new_id(ids.Kind.AMAZON_REPORT, now),
                account_id=account.id,
                report_type=wish.report_type,
                marketplace_ids=wish.marketplace_ids,
                data_from=wish.data_from,
                data_until=wish.data_until,
                options=wish.options,
                step=AmazonReportStep.PLANNED,
                next_at=now,
                caller=str(by),
                created_at=now,
                changed_at=now,
            )
            await tx.amazon_reports.add(report)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="amazon_report.requested",
                subject=report.id,
                account_id=account.id,
                report_type=report.report_type,
                marketplace_ids=report.marketplace_ids,
                data_from=report.data_from,
                data_until=report.data_until,
            )
        return report

    async def adopt(self, account_id: str, amazon_report_id: str, *, by: Caller) -> AmazonReport:
        """Takes one that is at Amazon already: made by itself, by a schedule or for another
        program. One that is known here is given as it is. Journal: ``amazon_report.adopted``.

        Raises NotFound (Amazon has no such report for this account) and as ``calls.send``.
        """
        need(by, Right.AMAZON_READ)
        async with self._store.transaction() as tx:
            await reached_account(tx, account_id, by)
            for known in await tx.amazon_reports.all(
                account_id=account_id, report_id=amazon_report_id.strip(), limit=1
            ):
                return known
        found = await listing.one(self._calls, account_id, amazon_report_id.strip(), by)
        _need_for(by, found.report_type)
        now = self._clock.now()
        report = AmazonReport(
            id=new_id(ids.Kind.AMAZON_REPORT, now),
            account_id=account_id,
            report_type=found.report_type,
            marketplace_ids=found.marketplace_ids,
            data_from=found.data_from,
            data_until=found.data_until,
            step=AmazonReportStep.WAITING,
            asked_at=found.made_at,
            report_id=found.report_id,
            next_at=rules.next_look(now, 0),
            caller=str(by),
            created_at=now,
            changed_at=now,
        )
        report = replace(report, **self._asking.values_of(report, found, now))
        async with self._store.transaction() as tx:
            await tx.amazon_reports.add(report)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="amazon_report.adopted",
                subject=report.id,
                account_id=account_id,
                report_type=report.report_type,
                report_id=report.report_id,
            )
        return report

    async def cancel(self, id: str, *, by: Caller) -> AmazonReport:
        """Nobody wants it any more: it is not asked for, or not waited for. What Amazon makes of it
        meanwhile is left to Amazon. Journal: ``amazon_report.cancelled``. Raises Conflict when it
        is over."""
        need(by, Right.AMAZON_READ)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            report = await _reached(tx, id, by)
            if report.step not in OPEN:
                raise Conflict(f"This report is over: {report.step.value}.")
            ended = await tx.amazon_reports.change(
                id,
                expecting={"version": report.version},
                step=AmazonReportStep.FAILED,
                last_error="It was cancelled here.",
                next_at=None,
                ended_at=now,
                changed_at=now,
                version=report.version + 1,
            )
            if ended is None:
                raise Conflict("It moved on at the same moment; look at it again.")
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="amazon_report.cancelled",
                subject=id,
                account_id=report.account_id,
                report_type=report.report_type,
            )
        if report.report_id:
            await listing.unwanted(self._calls, report)
        return ended

    # --- seeing ---

    async def get(self, id: str, *, by: Caller) -> AmazonReport:
        need(by, Right.AMAZON_READ)
        async with self._store.transaction() as tx:
            return await _reached(tx, id, by)

    async def list(
        self,
        account_id: str,
        *,
        by: Caller,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[AmazonReport]:
        """Those that were asked for here, in the order in which they were, or the other way round;
        ``after``: behind this one, in that order."""
        need(by, Right.AMAZON_READ)
        check_page(ids.Kind.AMAZON_REPORT, after, limit)
        async with self._store.transaction() as tx:
            await reached_account(tx, account_id, by)
            return await tx.amazon_reports.all(
                account_id=account_id, after=after, limit=limit, newest_first=newest_first
            )

    async def list_at_amazon(
        self,
        account_id: str,
        report_type: str,
        *,
        by: Caller,
        since: datetime | None = None,
        page: str = "",
    ) -> AtAmazon:
        """What Amazon has of this type, the newest first, whoever had it made: the way to those
        that cannot be asked for. ``page``: the ``next_page`` of an answer before. Amazon looks back
        90 days at most. Spends a permit of getReports: one comes back each 45 seconds."""
        need(by, Right.AMAZON_READ)
        async with self._store.transaction() as tx:
            await reached_account(tx, account_id, by)
        return await listing.some(self._calls, account_id, report_type, since, page, by)

    @asynccontextmanager
    async def open(self, id: str, *, by: Caller) -> AsyncIterator[OpenReport]:
        """The document, for the length of the block, straight from Amazon and unpacked; nothing of
        it touches the disk. One that says why a report failed can be opened as well. Journal:
        ``amazon_report.opened``.

        Raises Conflict (not ready, or there is no data), NotFound (Amazon has it no more), and as
        ``calls.send`` and ``Documents.download``.
        """
        need(by, Right.AMAZON_READ)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            report = await _reached(tx, id, by)
            _need_for(by, report.report_type)
            _refuse_unless_there(report)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="amazon_report.opened",
                subject=id,
                account_id=report.account_id,
                report_type=report.report_type,
            )
        async with opened(self._calls, self._documents, report, by) as coming:
            yield coming

    # --- by the clock ---

    async def round(self) -> ReportTurn:
        """Everything that is due: reports are asked for, looked for, looked at and ended; rows that
        Amazon has forgotten long since are forgotten here. Safe to be called by several processes
        at once. Raises StoreUnavailable."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            due = await tx.amazon_reports.all(
                step=OPEN, before=not_after("next_at", now), limit=MOST_A_ROUND
            )
        room = asyncio.Semaphore(AT_ONCE)

        async def one(report: AmazonReport) -> ReportTurn:
            async with room:
                try:
                    return await self._asking.turn(report)
                except StoreUnavailable:
                    raise
                except EvergrantError as error:
                    _log.error("report failed", report_id=report.id, error=error.code)
                except Exception as mistake:  # noqa: BLE001 - it is told; the next round tries again
                    _log.error("report failed", report_id=report.id, exc_info=mistake)
                return ReportTurn(troubles=1)

        turns = await asyncio.gather(*(one(report) for report in due))
        return sum(turns, ReportTurn(forgotten=await self._forget(now)))

    async def note_finished(self, account_id: str, report_id: str, now: datetime) -> bool:
        """A notification says that Amazon is done with this one: it is looked at in the next round.
        False: nobody here waits for it."""
        async with self._store.transaction() as tx:
            waiting = await tx.amazon_reports.all(
                account_id=account_id,
                report_id=report_id,
                step=AmazonReportStep.WAITING,
                limit=10,
            )
            for report in waiting:
                await tx.amazon_reports.change(
                    report.id,
                    expecting={"version": report.version},
                    next_at=now,
                    changed_at=now,
                    version=report.version + 1,
                )
        return bool(waiting)

    # --- inside ---

    async def _forget(self, now: datetime) -> int:
        async with self._store.transaction() as tx:
            old = await tx.amazon_reports.all(
                before=("ended_at", now - rules.KEPT), limit=_FORGOTTEN_A_ROUND
            )
            dropped = [await tx.amazon_reports.drop(report.id) for report in old]
        return sum(dropped)


async def _reached(tx: Transaction, id: str, by: Caller) -> AmazonReport:
    """One that is out of reach is told in the same words as one that is not there."""
    report = await tx.amazon_reports.get(id)
    account = None if report is None else await tx.accounts.get(report.account_id)
    if report is None or account is None:
        raise NotFound("There is no such report.")
    if not by.reaches_account(account.id, account.client_instance_id):
        raise NotFound("There is no such report.")
    return report


def _need_for(by: Caller, report_type: str) -> None:
    """Of types that nobody knows, Amazon says whether they are restricted, and the gate refuses."""
    known = rules.facts_of(report_type)
    if known is not None and known.restricted and not by.may(Right.PERSONAL_DATA):
        raise NotAllowed(
            f"{report_type} holds personal data, which this key or operator may not have.",
            hint=f"It takes the right {Right.PERSONAL_DATA.value}.",
            facts={"right": Right.PERSONAL_DATA.value},
        )


def _refuse_unless_there(report: AmazonReport) -> None:
    if report.document_id and report.step not in OPEN:
        return
    if report.step in OPEN:
        raise Conflict(
            "Amazon has not made this report yet.",
            hint="Ask for it again later: `evergrant amazon-report show` tells how far it is.",
            facts={"step": report.step.value},
        )
    if report.step is AmazonReportStep.EMPTY:
        raise Conflict(
            "There is no document: Amazon has no data for this report, or it was cancelled there.",
            facts={"step": report.step.value},
        )
    raise Conflict(
        f"There is no document: this report failed. {report.last_error}".strip(),
        facts={"step": report.step.value},
    )
