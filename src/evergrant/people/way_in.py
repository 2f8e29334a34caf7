"""Word to an operator that their own way in has changed.

Answers for: which changes a person is written to about, in the transaction of the change itself,
and the facts of that letter. Does not answer for: its words, or for the changes.

Whoever has taken over an account changes what lets people in; the letter goes where only the person
reads, so that this does not stay unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from evergrant.outbox import put_mail
from evergrant.ports.store import Transaction
from evergrant.ports.things import Operator, OutboxItem
from evergrant.rules.rights import Caller, CallerKind

__all__ = ["WAY_IN_LETTER", "WayInChange", "tell_way_in", "way_in_facts"]

WAY_IN_LETTER = "operator_way_in"


class WayInChange(StrEnum):
    PASSWORD_SET = "password_set"  # noqa: S105
    SECOND_FACTOR_SET = "second_factor_set"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    RECOVERY_CODE_USED = "recovery_code_used"  # from a place that is not known of the person
    SINGLE_SIGN_ON_BOUND = "single_sign_on_bound"
    SINGLE_SIGN_ON_UNBOUND = "single_sign_on_unbound"


async def tell_way_in(
    tx: Transaction,
    operator: Operator,
    change: WayInChange,
    *,
    now: datetime,
    by: Caller,
    address: str = "",
) -> list[str]:
    """Outbox ids to ring for after the commit: none for somebody who is disabled. ``address``: the
    network address from which it was done; "" where nobody knows."""
    if operator.disabled_at is not None:
        return []
    themselves = by.kind is CallerKind.OPERATOR and by.id == operator.id
    item = await put_mail(
        tx,
        now=now,
        topic=WAY_IN_LETTER,
        subject=operator.id,
        to=operator.email,
        facts={
            "operator_name": operator.name,
            "change": change.value,
            "changed_at": now.isoformat(),
            "changed_by": "" if themselves else by.name or str(by),
            "address": address,
        },
    )
    return [item.id]


def way_in_facts(item: OutboxItem) -> Mapping[str, Any]:
    """Of a letter of ``WAY_IN_LETTER``, its instant as such."""
    return {**item.facts, "changed_at": datetime.fromisoformat(item.facts["changed_at"])}
