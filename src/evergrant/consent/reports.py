"""Support reports: what Dev Support needs to solve a failed authorization, and no secret in it.

Answers for: writing a report with its journal line, letter and event, once per trouble however
often a page is loaded, and showing reports to those who may see them. Does not answer for: deciding
that something failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal
from evergrant.consent.ground import Ground, begun_by_whom
from evergrant.errors import Blame, ConsentRefused, NotFound
from evergrant.intake import Flaws, accounts_within, need
from evergrant.naming import new_id, new_reference
from evergrant.outbox import put_event, put_mail
from evergrant.ports.store import Transaction
from evergrant.ports.things import Account, Handshake, SupportReport
from evergrant.rules import ids
from evergrant.rules.invitations import Refusal
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import scrub

__all__ = ["MOST_REPORTS", "Filed", "Reports", "Trouble"]

#: The same trouble of the same account within that time is one report, not many: people load
#: pages again, and mail scanners do so without being asked.
SAME_TROUBLE = timedelta(hours=1)
#: Troubles of nobody in particular that are told within that time. Whoever makes up links and
#: states all day is not to fill the database or a mailbox with it.
MOST_OF_NOBODY = 20
#: Reports a page of the list may hold.
MOST_REPORTS = 500
_LONGEST_FACT = 500
#: Worth a report, and nothing went wrong: the way of who comes from Amazon's own pages, and a
#: letter that was opened again after all went well.
_NO_FAILURE = frozenset({Refusal.PROOF_NEEDED.value, Refusal.INVITATION_SPENT.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong. ``reason`` is a value of ``rules.invitations.Refusal`` or an error's code;
    ``advice`` is what an operator does about it."""

    reason: str
    blame: Blame
    account: Account | None = None
    handshake: Handshake | None = None
    advice: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    told_by_mail: bool = True

    def refusal(self, report: SupportReport, *, own_browser: bool = True) -> ConsentRefused:
        """The error that the door turns into a page. A browser that did not begin the handshake
        learns nothing of it."""
        handshake = self.handshake if own_browser else None
        account = self.account if own_browser else None
        return ConsentRefused(
            self.reason,
            reference=report.reference,
            message=self.facts.get("happened"),
            facts={
                "blame": self.blame.value,
                "language": account.language if account else None,
                "account_id": account.id if account else None,
                "handshake_id": handshake.id if handshake else None,
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """A report in the drawer. ``outbox_ids`` wait for the bell, after the commit."""

    report: SupportReport
    outbox_ids: tuple[str, ...] = ()


class Reports:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    # --- writing ------------------------------------------------------------------------------

    async def file(
        self, tx: Transaction, trouble: Trouble, now: datetime, *, by: Caller | None = None
    ) -> Filed:
        """Report, journal line and letter in the caller's transaction; or the report that there
        already is of the same trouble."""
        recent = await self._recent(tx, trouble, now)
        if len(recent) >= (MOST_OF_NOBODY if trouble.account is None else 1):
            return Filed(report=recent[-1])
        account, handshake = trouble.account, trouble.handshake
        report = SupportReport(
            id=new_id(ids.Kind.REPORT, now),
            reference=new_reference(),
            at=now,
            reason=trouble.reason,
            blame=trouble.blame.value,
            account_id=account.id if account else None,
            handshake_id=handshake.id if handshake else None,
            facts=await self._facts(tx, trouble),
        )
        await tx.reports.add(report)
        begun_by = await _whose(tx, trouble)
        await journal.write(
            tx,
            now=now,
            by=by or begun_by,
            verb="consent.refused",
            subject=handshake.id if handshake else report.id,
            account_id=report.account_id,
            reason=report.reason,
            blame=report.blame,
            reference=report.reference,
        )
        event = await self._event(tx, report, account, now, begun_by=begun_by)
        if recent or not trouble.told_by_mail:
            return Filed(report=report, outbox_ids=event)
        letter = await self._letter(tx, report, account, now)
        return Filed(report=report, outbox_ids=(*event, *letter))

    async def _recent(
        self, tx: Transaction, trouble: Trouble, now: datetime
    ) -> list[SupportReport]:
        """Reports of the same trouble, oldest first."""
        since = ids.make(ids.Kind.REPORT, now - SAME_TROUBLE, bytes(10))
        if trouble.account is None:
            return await tx.reports.all(after=since, reason=trouble.reason, account_id=None)
        return await tx.reports.all(
            after=since,
            reason=trouble.reason,
            account_id=trouble.account.id,
            handshake_id=trouble.handshake.id if trouble.handshake else None,
            resolved_at=None,
        )

    async def _facts(self, tx: Transaction, trouble: Trouble) -> dict[str, Any]:
        facts: dict[str, Any] = {"advice": trouble.advice}
        account, handshake = trouble.account, trouble.handshake
        if account is not None:
            application = await tx.applications.get(account.application_id)
            instance = await tx.instances.get(account.client_instance_id)
            facts |= {
                "account_name": account.name,
                "partner_kind": account.partner_kind.value,
                "client_email": account.client_email,
                "region": account.region.value,
                "home_marketplace": account.home_marketplace,
                "application": application.name if application else "",
                "application_id": application.application_id if application else "",
                "client_instance": instance.name if instance else "",
            }
        if handshake is not None:
            facts |= {
                "consent_host": handshake.consent_origin,
                "handshake_step": handshake.step.value,
                "handshake_begun_at": handshake.created_at.isoformat(timespec="seconds"),
            }
        facts |= trouble.facts
        return {
            name: scrub(value)[:_LONGEST_FACT] if isinstance(value, str) else value
            for name, value in facts.items()
            if value not in (None, "")
        }

    async def _event(
        self,
        tx: Transaction,
        report: SupportReport,
        account: Account | None,
        now: datetime,
        *,
        begun_by: Caller,
    ) -> tuple[str, ...]:
        """The client instance hears what went wrong with one of its accounts."""
        if account is None or report.reason in _NO_FAILURE:
            return ()
        authorization = await tx.authorizations.one(account_id=account.id)
        if authorization is None:
            return ()
        item = await put_event(
            tx,
            now=now,
            topic="authorization.failed",
            account=account,
            authorization=authorization,
            renewal=authorization.grant_id is not None,
            begun_by=begun_by.kind.value,
            reference=report.reference,
            reason=report.reason,
            blame=report.blame,
            happened=report.facts.get("happened", ""),
        )
        return () if item is None else (item.id,)

    async def _letter(
        self, tx: Transaction, report: SupportReport, account: Account | None, now: datetime
    ) -> tuple[str, ...]:
        to = self._ground.house.support_email
        if not to:
            return ()
        item = await put_mail(
            tx,
            now=now,
            topic="support_report",
            subject=report.id,
            to=to,
            account_id=report.account_id,
            facts={
                "reference": report.reference,
                "account_name": account.name if account else "",
            },
        )
        return (item.id,)

    # --- showing ------------------------------------------------------------------------------

    async def report(self, reference: str, *, by: Caller) -> SupportReport:
        need(by, Right.READ)
        async with self._ground.store.transaction() as tx:
            return await self._in_reach(tx, reference, by)

    async def reports(
        self, *, by: Caller, account_id: str | None, after: str | None, limit: int
    ) -> list[SupportReport]:
        need(by, Right.READ)
        flaws = Flaws()
        if not 1 <= limit <= MOST_REPORTS:
            flaws.add("limit", f"must be from 1 to {MOST_REPORTS}.", code="out_of_range")
        flaws.refuse_if_any()
        async with self._ground.store.transaction() as tx:
            if account_id is not None:
                account = await tx.accounts.get(account_id)
                if account is None or not _reaches(by, account):
                    raise NotFound
                return await tx.reports.all(after=after, limit=limit, account_id=account_id)
            within = accounts_within(by)
            if not within:
                return await tx.reports.all(after=after, limit=limit)
            reached = await tx.accounts.all(**within)
            return await tx.reports.all(
                after=after, limit=limit, account_id=[account.id for account in reached]
            )

    async def resolve(self, reference: str, *, by: Caller) -> SupportReport:
        need(by, Right.WRITE)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            report = await self._in_reach(tx, reference, by)
            changed = await tx.reports.change(
                report.id, expecting={"resolved_at": None}, resolved_at=now
            )
            if changed is None:
                return report
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="report.resolved",
                subject=report.id,
                account_id=report.account_id,
                reference=report.reference,
            )
            return changed

    async def _in_reach(self, tx: Transaction, reference: str, by: Caller) -> SupportReport:
        flaws = Flaws()
        wanted = flaws.text("reference", reference, ids.check_reference)
        flaws.refuse_if_any()
        report = await tx.reports.one(reference=wanted)
        if report is None:
            raise NotFound
        account = await tx.accounts.get(report.account_id) if report.account_id else None
        if not _reaches(by, account):
            raise NotFound
        return report


def _reaches(by: Caller, account: Account | None) -> bool:
    """What belongs to no account is for those who reach everything."""
    if account is None:
        return by.reaches(None)
    return by.reaches_account(account.id, account.client_instance_id)


async def _whose(tx: Transaction, trouble: Trouble) -> Caller:
    """Whoever began the attempt; but a stranger's browser that comes back with it is a stranger's
    doing."""
    strange = trouble.reason == Refusal.OTHER_BROWSER.value
    return await begun_by_whom(tx, None if strange else trouble.handshake)
