"""One report's way: asked for, looked for where the answer was lost, looked at until it is there.

Answers for: one turn of one report, each step written down before the next act outside, and for
whoever was slower stopping at once. Does not answer for: whose turn it is (the room), or for when
to look again (``rules.amazon_reports``).

Source: createReport of the reports 2021-06-30 model knows no idempotency key. A second report does
no harm and spends a permit of one a minute, so one whose answer was lost is looked for with
getReports first.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from evergrant import journal
from evergrant.amazon_reports.answers import told
from evergrant.amazon_reports.listing import REPORTS
from evergrant.amazon_reports.values import ReportTurn
from evergrant.calls import Calls, is_token_trouble
from evergrant.errors import (
    AccountClosed,
    AmazonUnavailable,
    ApplicationError,
    CallDenied,
    CallerError,
    Conflict,
    EvergrantError,
    NotFound,
    OverLimit,
    PartnerError,
    StoreUnavailable,
    Throttled,
    UnreadableAnswer,
)
from evergrant.ports import Clock
from evergrant.ports.amazon import Answer
from evergrant.ports.store import Store
from evergrant.ports.traded import AmazonReport, AmazonReportStep
from evergrant.rules import amazon_reports as rules
from evergrant.rules.amazon_reports import FoundReport, ReportFate, ReportWish
from evergrant.rules.budgets import Importance
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import scrub

__all__ = ["Asking"]

#: A round has others to see to.
READY_TO_WAIT_S = 0.5
_LONGEST_ERROR = 300
_STEP_OF = {
    ReportFate.DONE: AmazonReportStep.DONE,
    ReportFate.EMPTY: AmazonReportStep.EMPTY,
    ReportFate.FAILED: AmazonReportStep.FAILED,
}
_WEATHER = (AmazonUnavailable, UnreadableAnswer)


class _Overtaken(Exception):
    """Somebody else has this report in hand; never leaves this module."""


class Asking:
    """One per process."""

    def __init__(self, *, store: Store, clock: Clock, calls: Calls) -> None:
        self._store = store
        self._clock = clock
        self._calls = calls

    async def turn(self, report: AmazonReport) -> ReportTurn:
        """Takes one report as far as it goes now. Raises StoreUnavailable."""
        try:
            if self._clock.now() - report.created_at > rules.GIVE_UP:
                return await self._give_up(report)
            if report.step is AmazonReportStep.ASKING:
                return await self._look_for(report)
            if report.step is AmazonReportStep.PLANNED:
                return await self._ask(report)
            return await self._look_at(report)
        except _Overtaken:
            return ReportTurn()

    def values_of(self, report: AmazonReport, found: FoundReport, now: datetime) -> dict[str, Any]:
        """What a row says once Amazon told this of its report."""
        values: dict[str, Any] = {
            "processing_status": found.status,
            "document_id": found.document_id or report.document_id,
        }
        fate = rules.fate_of(found.status)
        if fate is ReportFate.WAITING:
            looks = report.looks + 1
            return values | {
                "looks": looks,
                "next_at": rules.next_look(now, looks),
                "last_error": "",
                "tries": 0,
            }
        said = ""
        if fate is ReportFate.FAILED:
            said = "Amazon could not make it (FATAL)."
            if found.document_id:
                said += " The document says why: open it."
        elif fate is ReportFate.DONE and not values["document_id"]:
            fate, said = ReportFate.FAILED, "Amazon says that it is done, and names no document."
        return values | {
            "step": _STEP_OF[fate],
            "last_error": said,
            "next_at": None,
            "ended_at": now,
        }

    # --- the steps ---

    async def _ask(self, report: AmazonReport) -> ReportTurn:
        now = self._clock.now()
        asking = await self._move(
            report,
            now,
            step=AmazonReportStep.ASKING,
            asked_at=now,
            next_at=now + rules.LOOK_AFTER,
        )
        try:
            answer = await self._calls.send(
                report.account_id,
                "POST",
                REPORTS,
                headers={"content-type": "application/json"},
                body=json.dumps(rules.asked_body(_wish(report))).encode(),
                by=SYSTEM,
                ready_to_wait_s=READY_TO_WAIT_S,
                importance=Importance.LAST,
                kind=report.report_type,
            )
            said = told(_not_for_its_token(answer))
        except StoreUnavailable:
            raise
        except _WEATHER as lost:
            if lost.facts.get("sent") is False:
                return await self._put_off(asking, lost, step=AmazonReportStep.PLANNED)
            # Nobody knows: it is looked for.
            await self._move(asking, self._clock.now(), last_error=_said(lost))
            return ReportTurn(troubles=1)
        except EvergrantError as refused:
            return await self._put_off(asking, refused, step=AmazonReportStep.PLANNED)
        now = self._clock.now()
        report_id = said.get("reportId")
        if not isinstance(report_id, str) or not 0 < len(report_id) <= 300:
            await self._move(asking, now, last_error="Amazon took it and named no report.")
            return ReportTurn(troubles=1)
        await self._waits(asking, report_id, now)
        return ReportTurn(asked=1)

    async def _look_for(self, report: AmazonReport) -> ReportTurn:
        """createReport was sent, or was about to be, and no answer was written down."""
        asked_at = report.asked_at or report.created_at
        query = rules.look_query(report.report_type, asked_at - rules.LOOK_BEFORE)
        try:
            answer = await self._calls.send(
                report.account_id,
                "GET",
                REPORTS,
                query,
                by=SYSTEM,
                ready_to_wait_s=READY_TO_WAIT_S,
            )
            found, _ = rules.read_list(told(_not_for_its_token(answer)))
        except StoreUnavailable:
            raise
        except EvergrantError as error:
            return await self._put_off(report, error)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            rows = await tx.amazon_reports.all(
                account_id=report.account_id, report_id=[one.report_id for one in found]
            )
        known = frozenset(row.report_id for row in rows)
        ours = rules.ours_among(found, _wish(report), asked_at, known)
        if ours is not None:
            await self._waits(report, ours.report_id, now)
            return ReportTurn(looked=1)
        planned = await self._move(
            report, now, step=AmazonReportStep.PLANNED, next_at=now, last_error=""
        )
        return ReportTurn(looked=1) + await self._ask(planned)

    async def _look_at(self, report: AmazonReport) -> ReportTurn:
        try:
            answer = await self._calls.send(
                report.account_id,
                "GET",
                f"{REPORTS}/{quote(report.report_id, safe='')}",
                by=SYSTEM,
                ready_to_wait_s=READY_TO_WAIT_S,
            )
            found = rules.read_found(told(_not_for_its_token(answer)))
            if found is None or found.report_id != report.report_id:
                raise UnreadableAnswer
        except StoreUnavailable:
            raise
        except EvergrantError as error:
            return await self._put_off(report, error)
        now = self._clock.now()
        values = self.values_of(report, found, now)
        await self._move(report, now, **values)
        return ReportTurn(looked=1, ended=int(values.get("ended_at") is not None))

    # --- writing down ---

    async def _waits(self, report: AmazonReport, report_id: str, now: datetime) -> None:
        await self._move(
            report,
            now,
            step=AmazonReportStep.WAITING,
            report_id=report_id,
            next_at=rules.next_look(now, 0),
            tries=0,
            looks=0,
            last_error="",
        )

    async def _put_off(
        self, report: AmazonReport, error: EvergrantError, step: AmazonReportStep | None = None
    ) -> ReportTurn:
        """It goes on later, or ends: after whose trouble it is."""
        now = self._clock.now()
        values: dict[str, Any] = {"last_error": _said(error)}
        if step is not None:
            values["step"] = step
        match error:
            case OverLimit():
                values["next_at"] = now + _seconds(error.retry_after_s)
                values["last_error"] = ""
                await self._move(report, now, **values)
                return ReportTurn(put_off=1)
            case Throttled():
                values |= {
                    "tries": report.tries + 1,
                    "next_at": rules.throttled_until(now, report.tries),
                }
                if report.tries + 1 >= rules.MOST_THROTTLES:
                    return await self._end(
                        report,
                        "Amazon answered 429 again and again. It does so for types that the "
                        "marketplace does not have, and where another program spends the limit.",
                    )
            case AccountClosed() | NotFound():
                return await self._end(report, _said(error))
            case PartnerError() | ApplicationError():
                values["next_at"] = now + rules.PARTNER_PAUSE
            case CallDenied() if error.status == 404 and report.step is AmazonReportStep.WAITING:
                values |= {
                    "tries": report.tries + 1,
                    "next_at": rules.next_look(now, report.tries),
                }
                if report.tries + 1 >= rules.MOST_UNKNOWN:
                    return await self._end(report, "Amazon does not know this report any more.")
            case CallDenied():
                return await self._end(report, _said(error))
            case CallerError() if not isinstance(error, Conflict):
                return await self._end(report, _said(error))
            case _:
                values |= {
                    "tries": report.tries + 1,
                    "next_at": rules.next_try(now, report.tries),
                }
        await self._move(report, now, **values)
        return ReportTurn(troubles=1)

    async def _give_up(self, report: AmazonReport) -> ReportTurn:
        days = rules.GIVE_UP.days
        last = f" {report.last_error}" if report.last_error else ""
        return await self._end(
            report, f"It was not there after {days} days, and is given up.{last}"
        )

    async def _end(self, report: AmazonReport, why: str) -> ReportTurn:
        now = self._clock.now()
        await self._move(
            report,
            now,
            step=AmazonReportStep.FAILED,
            last_error=why[:_LONGEST_ERROR],
            next_at=None,
            ended_at=now,
        )
        return ReportTurn(ended=1)

    async def _move(self, report: AmazonReport, now: datetime, **values: Any) -> AmazonReport:
        """The row as it is then. Raises _Overtaken."""
        async with self._store.transaction() as tx:
            moved = await tx.amazon_reports.change(
                report.id,
                expecting={"version": report.version},
                version=report.version + 1,
                changed_at=now,
                **values,
            )
            if moved is None:
                raise _Overtaken
            if moved.ended_at is not None:
                await journal.write(
                    tx,
                    now=now,
                    by=SYSTEM,
                    verb="amazon_report.ended",
                    subject=moved.id,
                    account_id=moved.account_id,
                    step=moved.step,
                    report_type=moved.report_type,
                    why=moved.last_error,
                )
        return moved


def _wish(report: AmazonReport) -> ReportWish:
    return ReportWish(
        report_type=report.report_type,
        marketplace_ids=report.marketplace_ids,
        data_from=report.data_from,
        data_until=report.data_until,
        options=report.options,
    )


def _not_for_its_token(answer: Answer) -> Answer:
    """An access token that Amazon takes no more says nothing about the report, and what was asked
    with it was not done. Raises AmazonUnavailable."""
    if is_token_trouble(answer):
        raise AmazonUnavailable(
            "Amazon took the access token no more; another one is used next time.",
            facts={"sent": False},
        )
    return answer


def _said(error: EvergrantError) -> str:
    return scrub(error.message)[:_LONGEST_ERROR]


def _seconds(count: float) -> timedelta:
    """At least one: a permit that is there at once would have been taken."""
    return timedelta(seconds=min(max(count, 1.0), 24 * 3600.0))
