"""THE DIARY. Who did what to whom, appended in the transaction of the change itself.

Answers for: the shape of a line and for keeping secrets out of it. Does not answer for: deciding
what is worth a line (the rooms do), or for the rule that lines never change (the database does).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from evergrant.errors import Flaw, InvalidInput, NotAllowed, NotFound
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import JournalLine
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import MASK, Secret, is_secret_name, scrub

__all__ = ["MOST_LINES", "read", "write"]

#: So many lines one look gives at most.
MOST_LINES = 500


async def write(
    tx: Transaction,
    *,
    now: datetime,
    by: Caller,
    verb: str,
    subject: str,
    account_id: str | None = None,
    **facts: Any,
) -> None:
    """Appends one line. ``verb`` is dotted and in the past tense: "account.added".

    Facts may be text, numbers, instants, enum members, mappings and collections of these. Text
    under a secret's name is masked, text in the shape of a known secret is scrubbed. A ``Secret``
    among them is a TypeError: it was about to be written down.
    """
    await tx.journal.append(
        JournalLine(
            at=now,
            caller=str(by),
            verb=verb,
            subject=subject,
            account_id=account_id,
            facts={name: _plain(name, value) for name, value in facts.items()},
        )
    )


async def read(
    store: Store,
    by: Caller,
    *,
    after: int = 0,
    limit: int = 100,
    account_id: str | None = None,
    subject: str | None = None,
    verb: str | None = None,
    caller: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    newest_first: bool = True,
) -> list[JournalLine]:
    """Lines in the order of their ids, newest first unless asked otherwise; newest first with
    ``since`` or ``until``, in the order of their instants. ``after`` is the id of the last line
    already seen, in that order. ``caller``: as lines name it. ``since``: at that
    instant or later; ``until``: before it.

    A caller that reaches one client instance only, or certain accounts, sees the lines of accounts
    within its reach, and has to name one: ``account_id``, or an account's id as ``subject``.

    Raises NotAllowed, NotFound (an account out of reach), InvalidInput.
    """
    if not by.may(Right.READ):
        raise NotAllowed
    if not 1 <= limit <= MOST_LINES:
        message = f"must be from 1 to {MOST_LINES}."
        raise InvalidInput(flaws=[Flaw(message, field="limit", code="out_of_range")])
    if after < 0:
        raise InvalidInput(flaws=[Flaw("must not be negative.", field="after")])
    async with store.transaction() as tx:
        if not by.reaches(None):
            account_id = await _account_in_reach(tx, by, account_id or subject)
        return await tx.journal.read(
            after=after,
            limit=limit,
            account_id=account_id,
            subject=subject,
            verb=verb,
            caller=caller,
            since=since,
            until=until,
            newest_first=newest_first,
        )


async def _account_in_reach(tx: Transaction, by: Caller, account_id: str | None) -> str:
    if account_id is None:
        raise InvalidInput(
            flaws=[
                Flaw(
                    "is needed, because this key does not reach everything.",
                    field="account_id",
                    code="missing",
                    hint="Ask for the journal of one account at a time.",
                )
            ]
        )
    account = await tx.accounts.get(account_id)
    if account is None or not by.reaches_account(account.id, account.client_instance_id):
        raise NotFound
    return account.id


def _plain(name: str, value: Any) -> Any:
    """``value`` as JSON knows it, without secrets."""
    if isinstance(value, Secret):
        raise TypeError(f"The fact {name!r} is a secret.")
    if isinstance(value, Enum):
        return _plain(name, value.value)
    if isinstance(value, str):
        return MASK if value and is_secret_name(name) else scrub(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(str(key), inner) for key, inner in value.items()}
    if isinstance(value, Set):
        return sorted(_plain(name, inner) for inner in value)
    if isinstance(value, (list, tuple)):
        return [_plain(name, inner) for inner in value]
    raise TypeError(
        f"The fact {name!r} is of a kind that has no plain form: {type(value).__name__}"
    )
