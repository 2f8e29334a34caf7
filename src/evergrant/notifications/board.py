"""What a person has to know about the queue of notifications.

Answers for: one notice per application and cause, brought up to date now and then and not with each
message, and taken down when it is over. Does not answer for: what is a trouble.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from evergrant import logs, notices
from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.rules.notices import NoticeKind

__all__ = ["ACCESS", "DESTINATION", "MESSAGES", "SECRETS", "Board"]

_log = logs.logger(__name__)

#: Causes: the queue cannot be read; Amazon does not send to it; something else comes by it; what
#: comes speaks of client secrets.
ACCESS = "access"
DESTINATION = "destination"
MESSAGES = "messages"
SECRETS = "secrets"

_AGAIN = timedelta(minutes=10)
#: Strange messages come and go: the notice comes down once none came for so long.
_QUIET = timedelta(days=1)
_LINGER = (MESSAGES, SECRETS)


class Board:
    """One per process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._put_at: dict[tuple[str, str], datetime] = {}

    async def put(self, application_ids: Sequence[str], cause: str, message: str) -> None:
        now = self._clock.now()
        for application_id in application_ids:
            before = self._put_at.get((application_id, cause))
            if before is not None and now - before < _AGAIN:
                continue
            async with self._store.transaction() as tx:
                news = await notices.put(
                    tx,
                    now=now,
                    kind=NoticeKind.NOTIFICATIONS_TROUBLE,
                    subject=_subject(application_id, cause),
                    message=message,
                    application_id=application_id,
                    what=cause,
                )
            self._put_at[application_id, cause] = now
            if news:
                _log.warning("notifications", application_id=application_id, why=message)

    async def settle(self, application_ids: Sequence[str], cause: str) -> None:
        """It is over."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            for application_id in application_ids:
                subject = _subject(application_id, cause)
                hangs = await tx.notices.one(
                    kind=NoticeKind.NOTIFICATIONS_TROUBLE, subject=subject, settled_at=None
                )
                if hangs is None or (cause in _LINGER and now - hangs.last_at < _QUIET):
                    continue
                await notices.settle(
                    tx, now=now, kinds=(NoticeKind.NOTIFICATIONS_TROUBLE,), subject=subject
                )
        for application_id in application_ids:
            self._put_at.pop((application_id, cause), None)


def _subject(application_id: str, cause: str) -> str:
    return f"{application_id}/{cause}"
