"""What leaves when an account is left: personal data of those that were closed, and refresh tokens
that were replaced long ago.

Answers for: removing both, once, with a journal line for each account. Does not answer for: how
long they are kept (``rules.terms``), for the journal's own lines, or for orders.

What is personal: the client e-mail, notes, the addresses of letters and the letters themselves,
what is left of the browser that consented, names of shops (a sole trader's is a person's), and in
reports to Dev Support the addresses. What stays: the name under which the house knows the account,
Amazon's ids of the business, and the history of grants without what was granted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from evergrant import journal, vault
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Authorization, HandshakeStep, OutboxKind, OutboxState
from evergrant.rules import terms
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM

__all__ = ["drop_superseded", "forget_closed"]

#: Accounts per round; what is more waits for the next one.
BATCH = 100
#: Grants that are looked through at once.
STRIDE = 1000
#: In facts of reports: addresses of people.
_ADDRESSES = frozenset({"client_email", "letter_to", "letters_to", "to"})


async def forget_closed(store: Store, now: datetime) -> int:
    """Of accounts that were closed long enough ago; gives how many. Raises StoreUnavailable."""
    async with store.transaction() as tx:
        found = await tx.scans.closed_since(now - terms.CLOSED_KEPT, limit=BATCH)
    done = 0
    for account_id in found:
        async with store.transaction() as tx:
            done += await _forget(tx, account_id, now)
    return done


async def drop_superseded(store: Store, now: datetime) -> int:
    """Refresh tokens that a later grant replaced long ago, and that no look ever dropped; gives how
    many. Raises StoreUnavailable."""
    done, after = 0, None
    while True:
        async with store.transaction() as tx:
            old = await tx.grants.all(
                after=after, limit=STRIDE, before=("superseded_at", now - terms.SUPERSEDED_KEPT)
            )
            there = await tx.safe.all(id=[vault.refresh_token(grant.id) for grant in old])
            dropped = sum([await tx.safe.drop(sealed.id) for sealed in there])
            if dropped:
                await journal.write(
                    tx,
                    now=now,
                    by=SYSTEM,
                    verb="refresh_tokens.dropped",
                    subject="safe",
                    superseded=dropped,
                )
        done += dropped
        if len(old) < STRIDE:
            return done
        after = old[-1].id


async def _forget(tx: Transaction, account_id: str, now: datetime) -> bool:
    authorization = await tx.authorizations.one(account_id=account_id)
    if authorization is None or not await _left(tx, authorization, now):
        return False  # somebody reopened it meanwhile
    account = await tx.accounts.get(account_id)
    tokens = await _empty_safe(tx, authorization, now)
    if not tokens and (account is None or not (account.client_email or account.notes)):
        return False  # somebody else did it since we looked
    await tx.accounts.change(account_id, client_email="", notes="")
    told = {
        "refresh_tokens": tokens,
        "invitations": await _invitations(tx, account_id),
        "handshakes": await _handshakes(tx, account_id),
        "marketplaces": await _marketplaces(tx, account_id),
        "letters": await _letters(tx, account_id),
        "reports": await _reports(tx, account_id),
    }
    await journal.write(
        tx,
        now=now,
        by=SYSTEM,
        verb="account.personal_data_purged",
        subject=account_id,
        account_id=account_id,
        closed_at=authorization.changed_at,
        **{name: count for name, count in told.items() if count},
    )
    return True


async def _left(tx: Transaction, seen: Authorization, now: datetime) -> bool:
    """Nothing is in force any more: reopened, it needs a new consent. Holds the row, so that nobody
    reopens it while its data goes."""
    if seen.changed_at >= now - terms.CLOSED_KEPT:
        return False
    changed = await tx.authorizations.change(
        seen.id,
        expecting={"state": State.CLOSED, "version": seen.version},
        grant_id=None,
        granted_at=None,
        term_ends_at=None,
        finding="",
        refused_reason="",
        probe_due_at=None,
        version=seen.version + 1,
    )
    return changed is not None


async def _empty_safe(tx: Transaction, authorization: Authorization, now: datetime) -> int:
    dropped = 0
    for grant in await tx.grants.all(authorization_id=authorization.id):
        await tx.grants.change(grant.id, expecting={"superseded_at": None}, superseded_at=now)
        dropped += await tx.safe.drop(vault.refresh_token(grant.id))
    await tx.safe.drop(vault.access_token(authorization.id))
    return dropped


async def _invitations(tx: Transaction, account_id: str) -> int:
    there = await tx.invitations.all(account_id=account_id)
    for one in there:
        await tx.invitations.change(one.id, email="")
        await tx.safe.drop(vault.invitation_link(one.id))
    return len(there)


async def _handshakes(tx: Transaction, account_id: str) -> int:
    there = await tx.handshakes.all(account_id=account_id)
    changed = [
        await tx.handshakes.change(one.id, {"step": one.step}, browser_digest="")
        for one in there
        if one.step is not HandshakeStep.SPENT  # under way: the reception ends it first
    ]
    return sum(one is not None for one in changed)


async def _marketplaces(tx: Transaction, account_id: str) -> int:
    named = [one for one in await tx.participations.all(account_id=account_id) if one.store_name]
    for one in named:
        await tx.participations.change(one.id, store_name="")
    return len(named)


async def _letters(tx: Transaction, account_id: str) -> int:
    over = await tx.outbox.all(
        account_id=account_id,
        kind=OutboxKind.MAIL,
        state=(OutboxState.SENT, OutboxState.FAILED),
    )
    for notice in await tx.notices.all(account_id=account_id, kind=NoticeKind.LETTER_UNDELIVERED):
        await tx.notices.drop(notice.id)
    return sum([await tx.outbox.drop(item.id) for item in over])


async def _reports(tx: Transaction, account_id: str) -> int:
    told = 0
    for report in await tx.reports.all(account_id=account_id):
        facts = _without(report.facts, _ADDRESSES)
        if facts != report.facts:
            await tx.reports.change(report.id, facts=facts)
            told += 1
    return told


def _without(facts: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in names}
