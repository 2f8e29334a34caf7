"""Rows of the list of accounts, gathered from the store in memory.

Answers for: what is known of each account, as PostgreSQL gathers it in one statement. Does not
answer for: which accounts are asked for (``testing.boards``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evergrant.ports import boards as b
from evergrant.ports.things import Account, Authorization, Invitation, OutboxItem, OutboxKind
from evergrant.ports.traded import FeedRun
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.attention import (
    REFUSED_SHOWN,
    REPORTS_SHOWN,
    AccountSigns,
    LetterFate,
    LinkSigns,
    NoticeSigns,
)
from evergrant.rules.changes import ChangeState
from evergrant.rules.notices import NoticeKind

if TYPE_CHECKING:
    from evergrant.testing.store import MemoryTransaction

__all__ = ["BoardFacts"]


class BoardFacts:
    """Everything that rows are made of, by account."""

    def __init__(self, tables: dict[str, list[Any]]) -> None:
        self._tables = tables
        self._by_id = {name: {row.id: row for row in rows} for name, rows in tables.items()}
        self._by_account: dict[str, dict[str, list[Any]]] = {
            name: _grouped(tables[name])
            for name in (
                "authorizations",
                "invitations",
                "notices",
                "changes",
                "feed_runs",
                "reports",
                "call_counts",
            )
        }

    @classmethod
    async def of(cls, tx: MemoryTransaction) -> BoardFacts:
        names = (
            "applications", "credentials", "instances", "authorizations", "invitations", "outbox",
            "notices", "feed_runs", "reports", "order_sweeps", "work", "call_counts",
        )  # fmt: skip
        tables = {name: await getattr(tx, name).all() for name in names}
        tables["changes"] = sorted(tx.rows("changes"), key=lambda row: str(row.id))
        return cls(tables)

    def row(self, account: Account, now: datetime) -> b.BoardRow:
        (own,) = self._by_account["authorizations"][account.id]
        application = self._by_id["applications"][account.application_id]
        counts = Counter(one.state for one in self._of("changes", account))
        calls = [one.last_at for one in self._of("call_counts", account)]
        return b.BoardRow(
            id=account.id,
            name=account.name,
            client_email=account.client_email,
            partner_kind=account.partner_kind,
            vendor_kind=account.vendor_kind,
            region=account.region,
            home_marketplace=account.home_marketplace,
            application_id=account.application_id,
            application_name=application.name,
            client_instance_id=account.client_instance_id,
            instance_name=self._by_id["instances"][account.client_instance_id].name,
            flags=account.flags,
            created_at=account.created_at,
            changed_at=max(account.changed_at, own.changed_at),
            checked_at=own.checked_at,
            last_call_at=max(calls, default=None),
            waiting=min(counts[ChangeState.PENDING], b.MOST_COUNTED),
            in_flight=min(counts[ChangeState.IN_FLIGHT], b.MOST_COUNTED),
            reminder_days=application.reminder_days,
            signs=self._signs(account, own, now),
        )

    def _signs(self, account: Account, own: Authorization, now: datetime) -> AccountSigns:
        application = self._by_id["applications"][account.application_id]
        credentials = self._by_id["credentials"].get(account.application_id)
        sweep = self._by_id["order_sweeps"].get(account.id)
        work = self._by_id["work"].get(account.id)
        uncertain = [
            one for one in self._of("changes", account) if one.state is ChangeState.UNCERTAIN
        ]
        refused: list[FeedRun] = [
            run
            for run in self._of("feed_runs", account)
            if run.refused and run.ended_at is not None and run.ended_at > now - REFUSED_SHOWN
        ]
        reports = [
            one
            for one in self._of("reports", account)
            if one.resolved_at is None and one.at > now - REPORTS_SHOWN
        ]
        return AccountSigns(
            state=own.state,
            partner_kind=account.partner_kind,
            private=application.kind is ApplicationKind.PRIVATE,
            client_email=account.client_email,
            merchant_token=account.merchant_token,
            vendor_codes=account.vendor_codes,
            selling_partner_id=own.selling_partner_id,
            has_grant=own.grant_id is not None,
            granted_at=own.granted_at,
            term_ends_at=own.term_ends_at,
            refused_at=own.refused_at,
            refused_reason=own.refused_reason,
            finding=own.finding,
            first_refused_at=own.first_refused_at,
            probe_doubt=own.probe_doubt,
            look_due_at=own.look_due_at,
            link=self._link(account),
            notices=tuple(self._notices(account)),
            uncertain=len(uncertain),
            uncertain_run_id=max((one.run_id for one in uncertain if one.run_id), default=""),
            refused_lines=sum(run.refused for run in refused),
            refused_run_id=max((run.id for run in refused), default=""),
            report_reference=reports[-1].reference if reports else "",
            report_at=reports[-1].at if reports else None,
            sweep_lacks=sweep.lacks if sweep else "",
            paused_at=work.paused_at if work else None,
            paused_by=work.paused_by if work else "",
            application_id=account.application_id,
            application_trouble=credentials.trouble if credentials else "",
            application_trouble_since=credentials.trouble_since if credentials else None,
            secret_expires_at=credentials.secret_expires_at
            if credentials and credentials.secret_set
            else None,
            instance_id=account.client_instance_id,
            instance_silent_since=self._silent_since(account.client_instance_id),
        )

    def _link(self, account: Account) -> LinkSigns | None:
        letters = self._of("invitations", account)
        if not letters:
            return None
        newest: Invitation = letters[-1]
        mails = [
            one
            for one in self._tables["outbox"]
            if one.subject == newest.id and one.kind is OutboxKind.MAIL
        ]
        mail: OutboxItem | None = mails[-1] if mails else None
        fate = LetterFate.NONE if mail is None else LetterFate(mail.state.value)
        return LinkSigns(
            made_at=newest.created_at,
            expires_at=newest.expires_at,
            open=newest.state.value == "open",
            opened_at=newest.opened_at,
            letter=fate,
            letter_error=mail.last_error if mail else "",
            mailed_at=mail.ended_at if mail and fate is LetterFate.SENT else None,
        )

    def _notices(self, account: Account) -> Iterable[NoticeSigns]:
        for one in self._of("notices", account):
            if one.settled_at is None:
                yield NoticeSigns(
                    id=one.id,
                    kind=one.kind,
                    subject=one.subject,
                    message=one.message,
                    first_at=one.first_at,
                    last_at=one.last_at,
                )

    def _silent_since(self, instance_id: str) -> datetime | None:
        found = [
            one.first_at
            for one in self._tables["notices"]
            if one.kind is NoticeKind.EVENTS_UNDELIVERED
            and one.subject == instance_id
            and one.settled_at is None
        ]
        return min(found, default=None)

    def _of(self, table: str, account: Account) -> list[Any]:
        return self._by_account[table].get(account.id, [])


def _grouped(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        if row.account_id:
            found[row.account_id].append(row)
    return found
