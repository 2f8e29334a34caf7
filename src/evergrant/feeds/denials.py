"""What Amazon does not let an account do, as it hangs on the notice board.

Answers for: what such notices are about, and until when nothing is tried on a path. Does not answer
for: putting them up and settling them (``run_records``).
"""

from __future__ import annotations

from datetime import datetime

from evergrant.ports.store import Transaction
from evergrant.rules.feedruns import DENIED_FOR, Path
from evergrant.rules.notices import NoticeKind

__all__ = ["denied_until", "subject_of"]


def subject_of(account_id: str, path: Path) -> str:
    """Of notices about one path of one account."""
    return f"{account_id}/{path.value}"


async def denied_until(tx: Transaction, account_id: str, now: datetime) -> dict[Path, datetime]:
    """By path, where Amazon said no within the last hour."""
    hanging = await tx.notices.all(
        kind=NoticeKind.FEED_DENIED, account_id=account_id, settled_at=None
    )
    until = {one.subject: one.last_at + DENIED_FOR for one in hanging}
    found = {path: until.get(subject_of(account_id, path), now) for path in Path}
    return {path: at for path, at in found.items() if now < at}
