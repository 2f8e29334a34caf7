"""What a process that died in the middle left behind.

Answers for: handshakes whose code was spent and whose exchange never ended: saying that they are
lost, making a fresh link ready, and telling operators. Does not answer for: the exchange itself
(`arrivals`), or for when somebody looks (the clock tower).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from evergrant import journal
from evergrant.consent.ground import Case, Ground, case_of
from evergrant.consent.handshakes import trouble_of
from evergrant.consent.invitations import Invitations
from evergrant.consent.reports import Reports
from evergrant.outbox import put_mail
from evergrant.ports.store import Transaction
from evergrant.ports.things import Handshake, HandshakeStep
from evergrant.rules.invitations import Refusal
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM

__all__ = ["LeftBehind"]

#: An exchange takes seconds, and Amazon's code is dead after five minutes: whoever is not done by
#: then will not be.
STALE_AFTER = timedelta(minutes=5)
_LOST_AT_ONCE = 100


class LeftBehind:
    def __init__(self, ground: Ground, reports: Reports, invitations: Invitations) -> None:
        self._ground = ground
        self._reports = reports
        self._invitations = invitations

    async def lose_stale(self, now: datetime) -> list[Handshake]:
        async with self._ground.store.transaction() as tx:
            stale = await tx.handshakes.all(
                step=HandshakeStep.SPENT,
                before=("spent_at", now - STALE_AFTER),
                limit=_LOST_AT_ONCE,
            )
        found = [await self._lose(handshake, now) for handshake in stale]
        return [lost for lost in found if lost is not None]

    async def _lose(self, stale: Handshake, now: datetime) -> Handshake | None:
        async with self._ground.store.transaction() as tx:
            lost = await tx.handshakes.change(
                stale.id,
                expecting={"step": HandshakeStep.SPENT},
                step=HandshakeStep.LOST,
                outcome=Refusal.LOST.value,
                ended_at=now,
            )
            if lost is None:
                return None
            case = await case_of(tx, lost.account_id)
            trouble = trouble_of(
                Refusal.LOST, account=case.account, handshake=stale, told_by_mail=False
            )
            filed = await self._reports.file(tx, trouble, now, by=SYSTEM)
            reference = filed.report.reference
            ended = await tx.handshakes.change(lost.id, reference=reference)
            await journal.write(
                tx,
                now=now,
                by=SYSTEM,
                verb="handshake.lost",
                subject=lost.id,
                account_id=case.account.id,
                reference=reference,
                spent_at=lost.spent_at,
            )
            told = await self._tell_operators(tx, case, lost, reference, now)
        await self._ground.ring((*filed.outbox_ids, *told))
        return ended

    async def _tell_operators(
        self, tx: Transaction, case: Case, lost: Handshake, reference: str, now: datetime
    ) -> tuple[str, ...]:
        """A fresh link is made ready. The partner is not written to by a machine: an operator
        knows what to say with it."""
        if case.authorization.state is State.CLOSED:
            return ()
        invitation = await self._invitations.ready(tx, case, now)
        to = self._ground.house.support_email
        if not to:
            return ()
        item = await put_mail(
            tx,
            now=now,
            topic="authorization_interrupted",
            subject=invitation.id,
            to=to,
            account_id=case.account.id,
            facts={
                "reference": reference,
                "account_name": case.account.name,
                "client_email": case.account.client_email,
                "interrupted_at": (lost.spent_at or lost.created_at).isoformat(),
            },
        )
        return (item.id,)
