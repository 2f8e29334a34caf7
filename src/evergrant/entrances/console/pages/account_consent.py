"""How consent went: letters, grants, and what was in the way.

Answers for: that page, and for noting that somebody has seen to a report. Does not answer for:
asking again (``account_invite``).
"""

from __future__ import annotations

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_sheet import home_of, sheet
from evergrant.errors import NotFound
from evergrant.rules.rights import Right

__all__ = ["DOORS"]

_OF = "/console/accounts/{account_id}"
#: The newest of each; a story of years is read in the journal.
_SHOWN = 30
_MOST_REPORTS = 500


async def show(asked: Asked) -> Response:
    desk, by, account_id = asked.desk, asked.caller, asked.path["account_id"]
    invitations = await desk.consent.invitations(account_id, by=by)
    grants = await desk.consent.grants(account_id, by=by)
    reports = await desk.consent.reports(by=by, account_id=account_id, limit=_MOST_REPORTS)
    newest = reports[::-1]
    unsolved = [one for one in newest if one.resolved_at is None]
    return await sheet(
        asked,
        "accounts/consent.html",
        invitations=invitations[::-1][:_SHOWN],
        grants=grants[::-1][:_SHOWN],
        reports=[*unsolved, *(one for one in newest if one.resolved_at)][:_SHOWN],
    )


async def resolve(asked: Asked) -> Response:
    account_id, reference = asked.path["account_id"], asked.path["reference"]
    report = await asked.desk.consent.report(reference, by=asked.caller)
    if report.account_id != account_id:
        raise NotFound("There is no such report.")
    await asked.desk.consent.resolve(reference, by=asked.caller)
    return asked.back(f"{home_of(account_id)}/consent#reports", f"{report.reference} is solved.")


DOORS = (
    Door("GET", f"{_OF}/consent", show, Right.READ),
    Door("POST", f"{_OF}/consent/{{reference}}/resolve", resolve, Right.WRITE),
)
