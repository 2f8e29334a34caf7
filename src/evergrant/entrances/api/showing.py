"""Accounts as an answer shows them.

Answers for: bringing what comes next for each authorization to the account that it belongs to. Does
not answer for: the shape of the answer (views), or for what may be seen (the rooms).
"""

from __future__ import annotations

from collections.abc import Sequence

from evergrant.accounts import AccountView as AccountSeen
from evergrant.desk import Desk
from evergrant.entrances.api.views import AccountView

__all__ = ["view_of", "views_of"]


async def view_of(desk: Desk, seen: AccountSeen) -> AccountView:
    return (await views_of(desk, [seen]))[0]


async def views_of(desk: Desk, seen: Sequence[AccountSeen]) -> list[AccountView]:
    """In the same order."""
    now = desk.clock.now()
    outlooks = await desk.watch.outlooks([one.authorization for one in seen])
    return [AccountView.of(one, now, outlooks[one.authorization.id]) for one in seen]
