"""What a plan is decided by: one account as it stands.

Answers for: reading it in a few statements of one transaction. Does not answer for: the decision
(``rules.feedplans``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from evergrant.errors import NotFound
from evergrant.feeds.denials import denied_until
from evergrant.ports.store import Transaction
from evergrant.ports.things import Account, Authorization
from evergrant.ports.traded import AccountWork, FeedRun
from evergrant.rules import ids
from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedplans import ORDER_FEEDS_EVERY, Pace, Stand
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.lifecycle import State

__all__ = ["AccountStands", "seller_id_of", "stands"]

#: Runs that may still be before Amazon's eyes. One that nobody can tell anything of is left out: a
#: person decides on it, and the others cannot wait for that.
_UNDER_WAY = [step for step in RunStep if not step.is_over and step is not RunStep.UNCERTAIN]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStands:
    """``pending``: changes that wait, by kind; those of later included."""

    account: Account
    work: AccountWork
    stand: Stand
    pending: Mapping[ChangeKind, int]


async def stands(
    tx: Transaction,
    account: Account | None,
    now: datetime,
    pace: Pace,
    *,
    unsigned: Sequence[str] = (),
    but_for: Collection[str] = (),
) -> AccountStands:
    """``but_for``: runs that do not count. Raises NotFound without an account."""
    if account is None:
        raise NotFound("There is no such account.")
    authorization = await tx.authorizations.one(account_id=account.id)
    work = await tx.work.get(account.id) or AccountWork(
        id=account.id, changed_at=account.created_at
    )
    counts = await tx.changes.counts([account.id])
    pending = {one.kind: one.count for one in counts if one.state is ChangeState.PENDING}
    under_way: list[FeedRun] = []
    lately: list[FeedRun] = []
    denied: dict[Path, datetime] = {}
    if pending:
        denied = await denied_until(tx, account.id, now)
        under_way = await tx.feed_runs.all(account_id=account.id, ended_at=None, step=_UNDER_WAY)
        # Ids sort by their instants.
        since = now - max(pace.feed_every, ORDER_FEEDS_EVERY)
        lately = await tx.feed_runs.all(
            account_id=account.id, after=ids.make(ids.Kind.FEED_RUN, since, bytes(10))
        )
    last_at: dict[Path, datetime] = {}
    for run in (*lately, *under_way):
        if run.id not in but_for:
            last_at[run.path] = max(run.created_at, last_at.get(run.path, run.created_at))
    return AccountStands(
        account=account,
        work=work,
        stand=Stand(
            partner_kind=account.partner_kind,
            vendor_kind=account.vendor_kind,
            flags=dict(account.flags),
            state=authorization.state if authorization is not None else State.AWAITING,
            seller_id=seller_id_of(account, authorization),
            paused=work.paused_at is not None,
            paused_because=_paused(work),
            unsigned=tuple(unsigned),
            open=Counter(run.path for run in under_way if run.id not in but_for),
            last_at=last_at,
            hurried_at=work.hurried_at,
            denied=denied,
        ),
        pending=pending,
    )


def seller_id_of(account: Account, authorization: Authorization | None) -> str:
    """As ``kinds.Ground.seller_id``; "" when nobody knows it."""
    own = account.merchant_token or (account.vendor_codes[0] if account.vendor_codes else "")
    return own or (authorization.selling_partner_id if authorization is not None else "")


def _paused(work: AccountWork) -> str:
    if work.paused_at is None:
        return ""
    note = f": {work.pause_note}" if work.pause_note else "."
    return f"By {work.paused_by}{note}"
