"""One selling partner with several accounts here: what is told once is not told by two of them.

Answers for: finding an account's twins (the same selling partner, in another application or for
another client instance), and leaving out lines that a twin has for the same order. Does not answer
for: the same selling partner under an id that nobody told us.

Amazon sees one seller, whichever application asks: a refund that two of our accounts send for the
same order under the same name is paid twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Account, Authorization
from evergrant.rules.changes import ChangeKind
from evergrant.rules.faults import Fault
from evergrant.rules.wishes import Refused, Wish
from evergrant.rules.wishes.earlier import KEY_FIELDS, ONCE, STANDING

__all__ = ["alone", "told_elsewhere", "twins_of"]


async def twins_of(tx: Transaction, account: Account, authorization: Authorization) -> list[str]:
    """Ids of other accounts of the same selling partner, whatever state they are in."""
    names = sorted({account.merchant_token, authorization.selling_partner_id} - {""})
    if not names:
        return []
    reported = await tx.authorizations.all(selling_partner_id=names)
    noted = await tx.accounts.all(merchant_token=names)
    found = {one.account_id for one in reported} | {one.id for one in noted}
    return sorted(found - {account.id})


def alone(
    store: Store, account: Account, twins: Sequence[str], wishes: Sequence[tuple[int, Wish]]
) -> AbstractAsyncContextManager[None]:
    """Twins hand in one after the other what is told once."""
    if not twins or not any(wish.kind in ONCE for _, wish in wishes):
        return nullcontext()
    return store.exclusive(f"once/{min(account.id, *twins)}")


async def told_elsewhere(
    tx: Transaction, twins: Sequence[str], wishes: Sequence[tuple[int, Wish]]
) -> dict[int, Refused]:
    """Lines, by number, of which a twin has the same, and why they are refused."""
    keys: dict[ChangeKind, set[str]] = {}
    for _, wish in wishes:
        if wish.kind in ONCE:
            keys.setdefault(wish.kind, set()).add(wish.key)
    there: set[tuple[ChangeKind, str, str]] = set()
    for twin in twins:
        for kind, wanted in keys.items():
            for known in (await tx.changes.known(twin, kind, wanted)).values():
                there |= {(kind, one.key, one.subject) for one in known if one.state in STANDING}
    return {
        line: Refused([_fault(wish.kind)])
        for line, wish in wishes
        if (wish.kind, wish.key, wish.subject) in there
    }


def _fault(kind: ChangeKind) -> Fault:
    return Fault(
        "elsewhere",
        "was handed in for another account of the same selling partner.",
        field=KEY_FIELDS[kind],
        hint="It happens once, whichever account sends it. Look there what became of it.",
    )
