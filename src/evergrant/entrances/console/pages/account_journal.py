"""Who did what to one account.

Answers for: its lines of the journal, newest first. Does not answer for: the whole journal, its
filters and its file (``journal``).
"""

from __future__ import annotations

from starlette.responses import Response

from evergrant import journal
from evergrant.entrances.console import diary
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_sheet import sheet
from evergrant.rules.rights import Right

__all__ = ["DOORS"]

_OF = "/console/accounts/{account_id}"
_PAGE = 50


async def show(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    await asked.desk.accounts.get(account_id, by=asked.caller)
    after = asked.query.get("after", "")
    lines = await journal.read(
        asked.desk.store,
        asked.caller,
        account_id=account_id,
        after=int(after) if after.isascii() and after.isdigit() and len(after) < 16 else 0,
        limit=_PAGE + 1,
    )
    shown = lines[:_PAGE]
    return await sheet(
        asked,
        "accounts/journal.html",
        lines=diary.told(shown, await diary.names_of(asked.desk, shown)),
        first=not after,
        older=shown[-1].id if len(lines) > _PAGE else None,
    )


DOORS = (Door("GET", f"{_OF}/journal", show, Right.READ),)
