"""Adopting a refresh token: one that somebody made in Amazon's own console, or brings along.

Answers for: the form; what is pasted goes into the safe and is never shown again, not even when
something else on the form was wrong. Does not answer for: asking Amazon whether it is worth
anything (the reception).
"""

from __future__ import annotations

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked, flaws_of
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account import day_given
from evergrant.entrances.console.pages.account_sheet import home_of, sheet
from evergrant.errors import EvergrantError, InvalidInput
from evergrant.rules.rights import Right
from evergrant.rules.secrecy import Secret

__all__ = ["DOORS"]

_HERE = "/console/accounts/{account_id}/adopt"


async def form(asked: Asked) -> Response:
    return await sheet(asked, "accounts/adopt.html", today=f"{asked.now:%Y-%m-%d}")


async def adopt(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    pasted = Secret(asked.form.get("refresh_token", "").strip())
    try:
        view = await asked.desk.consent.adopt(
            account_id,
            pasted,
            by=asked.caller,
            selling_partner_id=asked.form.get("selling_partner_id", "").strip(),
            granted_at=day_given(asked, "granted_at"),
        )
    except EvergrantError as error:
        return await sheet(
            asked,
            "accounts/adopt.html",
            422,
            today=f"{asked.now:%Y-%m-%d}",
            flaws=_flaws(error),
            given={name: value for name, value in asked.form.items() if name != "refresh_token"},
        )
    finding = view.authorization.finding
    return asked.back(
        home_of(account_id),
        f"Amazon accepts it; {view.account.name} is connected. {finding}".strip(),
        "bad" if finding else "good",
    )


def _flaws(error: EvergrantError) -> dict[str, str]:
    if isinstance(error, InvalidInput):
        return flaws_of(error)
    return {"": f"{error} {error.hint or ''} Nothing was stored.".replace("  ", " ")}


DOORS = (
    Door("GET", _HERE, form, Right.WRITE),
    Door("POST", _HERE, adopt, Right.WRITE),
)
