"""Renewals: the link with which a selling partner keeps an account alive, or brings it back.

Answers for: the letters about an authorization that ends, and for the link that a refusal shows to
programs and a digest to operators. Does not answer for: when a letter is due (the clock tower), who
may see a link (whoever asks), or for what happens after the link was opened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from evergrant import vault
from evergrant.consent.ground import Case, Ground, case_of
from evergrant.consent.invitations import Invitations
from evergrant.errors import AccountClosed, ApplicationIncomplete, Conflict, NotFound
from evergrant.ports.store import Transaction
from evergrant.ports.things import Invitation, InvitationState, OutboxItem
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret

__all__ = ["FRESH_LINK_PAUSE", "Renewals"]

#: A link that nobody mailed is made at most so often for one account, however many programs are
#: refused and whatever became of the last one.
FRESH_LINK_PAUSE = timedelta(days=14)


class Renewals:
    def __init__(self, ground: Ground, invitations: Invitations) -> None:
        self._ground = ground
        self._invitations = invitations

    async def put_letter(
        self,
        tx: Transaction,
        account_id: str,
        *,
        now: datetime,
        topic: str,
        facts: Mapping[str, Any],
    ) -> OutboxItem | None:
        case = await case_of(tx, account_id)
        if not await self._invitable(tx, case):
            return None
        invitation = await self._invitations.ready(tx, case, now)
        return await self._invitations.mail(
            tx, case, invitation, now, by=SYSTEM, topic=topic, facts=facts
        )

    async def link(self, account_id: str) -> Secret | None:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            try:
                case = await case_of(tx, account_id)
            except NotFound:
                return None
            if not await self._invitable(tx, case):
                return None
            invitation = await self._invitations.newest_open(tx, account_id, now)
            if invitation is None:
                invitation = await self._fresh(tx, case, now)
            return None if invitation is None else await self._invitations.link_of(tx, invitation)

    async def links(self, account_ids: Collection[str]) -> dict[str, Secret | None]:
        """`link` for many accounts: those that are there are read together, and only where there is
        none one is made."""
        if not account_ids:
            return {}
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            cases = await _invitable_cases(tx, self._invitations, account_ids)
            newest = {
                one.account_id: vault.invitation_link(one.id)
                for one in await tx.invitations.all(
                    account_id=list(cases), state=InvitationState.OPEN
                )
                if one.expires_at > now
            }
            sealed = {row.id: row for row in await tx.safe.all(id=list(newest.values()))}
        found: dict[str, Secret | None] = dict.fromkeys(account_ids)
        for account_id in cases:
            row = sealed.get(newest.get(account_id, ""))
            found[account_id] = (
                await self.link(account_id)
                if row is None
                else self._ground.link(await self._ground.vault.open_sealed(row))
            )
        return found

    async def _fresh(self, tx: Transaction, case: Case, now: datetime) -> Invitation | None:
        # Holding the account writes its row, so it is looked at before that whether there is need.
        if await self._lately(tx, case, now):
            return None
        await self._invitations.hold(tx, case, now)
        made_meanwhile = await self._invitations.newest_open(tx, case.account.id, now)
        if made_meanwhile is not None:
            return made_meanwhile
        if await self._lately(tx, case, now):
            return None
        return await self._invitations.prepare(tx, case, now, by=SYSTEM)

    async def _lately(self, tx: Transaction, case: Case, now: datetime) -> bool:
        """One was made a while ago and does not open any more: it was declined, or withdrawn, or
        ran out. One that was spent did what it is for; one for another e-mail was for somebody
        else."""
        made = await tx.invitations.all(account_id=case.account.id)
        return any(
            one.created_at > now - FRESH_LINK_PAUSE
            and one.state is not InvitationState.SPENT
            and one.email == case.account.client_email
            for one in made
        )

    async def _invitable(self, tx: Transaction, case: Case) -> bool:
        try:
            await self._invitations.refuse_unless_invitable(tx, case)
        except (AccountClosed, ApplicationIncomplete, Conflict):
            return False
        return True


async def _invitable_cases(
    tx: Transaction, invitations: Invitations, account_ids: Collection[str]
) -> dict[str, Case]:
    """By their accounts' ids; those without a consent page to send anybody to are left out."""
    accounts = {one.id: one for one in await tx.accounts.all(id=list(account_ids))}
    application_ids = {one.application_id for one in accounts.values()}
    applications = {one.id: one for one in await tx.applications.all(id=application_ids)}
    credentials = {one.id: one for one in await tx.credentials.all(id=application_ids)}
    instance_ids = {one.client_instance_id for one in accounts.values()}
    instances = {one.id: one for one in await tx.instances.all(id=instance_ids)}
    found = {}
    for own in await tx.authorizations.all(account_id=list(accounts)):
        account = accounts[own.account_id]
        case = Case(
            account=account,
            authorization=own,
            application=applications[account.application_id],
            instance=instances[account.client_instance_id],
        )
        try:
            invitations.judge(case, credentials.get(account.application_id))
        except (AccountClosed, ApplicationIncomplete, Conflict):
            continue
        found[account.id] = case
    return found
