"""Asking a selling partner for consent: by mail, by a link to hand over, or on the phone.

Answers for: the page that says what is about to happen, sending the link once however often the
button is pressed, showing the link for copying, and the window for somebody who has the selling
partner at the phone. Does not answer for: the pages that the selling partner sees (the front door),
or for what comes back from Amazon.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from urllib.parse import urlsplit

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_sheet import home_of, sheet
from evergrant.entrances.console.paper import day
from evergrant.entrances.to_amazon import form_targets, onward
from evergrant.entrances.visitor import Cookie
from evergrant.errors import ApplicationError, Conflict, PartnerError
from evergrant.ports.things import Invitation
from evergrant.rules.faults import Fault
from evergrant.rules.rights import Right

__all__ = ["DOORS", "invite_once", "moment_of"]

_OF = "/console/accounts/{account_id}"


async def invite_form(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    letters = await asked.desk.consent.invitations(account_id, by=asked.caller)
    return await sheet(
        asked,
        "accounts/invite.html",
        moment=asked.now.isoformat(),
        newest=letters[-1] if letters else None,
    )


async def invite(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    invitation = await invite_once(asked, account_id, moment_of(asked))
    if invitation is None:
        return asked.back(home_of(account_id), "The link was sent already, a moment ago.")
    return asked.back(
        home_of(account_id),
        f"The link is on its way to {invitation.email}. It works until "
        f"{day(invitation.expires_at)}; older links do not work any more.",
    )


def moment_of(asked: Asked) -> datetime | None:
    """When the page with the button was shown."""
    try:
        found = datetime.fromisoformat(asked.form.get("moment", ""))
    except ValueError:
        return None
    return found if found.tzinfo else None


async def invite_once(asked: Asked, account_id: str, moment: datetime | None) -> Invitation | None:
    """Sends the link, unless one was sent since the page with the button was shown: pressed twice,
    or loaded again, it sends one letter. Raises as `Consent.invite`."""
    if moment is not None:
        letters = await asked.desk.consent.invitations(account_id, by=asked.caller)
        if letters and letters[-1].created_at > moment:
            return None
    return await asked.desk.consent.invite(account_id, by=asked.caller)


async def show_link(asked: Asked) -> Response:
    """On a page of its own, so that a picture of the account's page never holds it."""
    account_id = asked.path["account_id"]
    link = await asked.desk.consent.link(account_id, by=asked.caller)
    letters = await asked.desk.consent.invitations(account_id, by=asked.caller)
    return await sheet(
        asked,
        "accounts/link.html",
        link=link.reveal(),
        expires_at=letters[-1].expires_at,
    )


# --- with the selling partner at the phone --------------------------------------------------------


async def renew_form(asked: Asked) -> Response:
    desk, account_id = asked.desk, asked.path["account_id"]
    view = await desk.accounts.get(account_id, by=asked.caller)
    host, trouble = "", ""
    try:
        origin = desk.marketplaces.consent_origin(
            view.account.home_marketplace, view.account.partner_kind
        )
        host = urlsplit(origin).hostname or ""
    except Fault as fault:
        trouble = f"{fault.message} {fault.hint or ''}".strip()
    return await sheet(
        asked,
        "accounts/renew.html",
        view=view,
        host=host,
        trouble=trouble,
        form_action=(*form_targets(desk.marketplaces), asked.settings.public_url),
    )


async def renew(asked: Asked) -> Response:
    """The link is used at once in this very browser, which Amazon sends back to our front door.
    Where the console has a host of its own, the front door would not know this browser's cookie:
    then the window goes on there, to the page with the button."""
    desk, account_id = asked.desk, asked.path["account_id"]
    cookie = Cookie(https=asked.settings.public_url.startswith("https://"))
    visitor = cookie.read(asked.request)
    try:
        link = await desk.consent.link(account_id, by=asked.caller)
        if asked.request.url.hostname != urlsplit(asked.settings.public_url).hostname:
            return onward(f"{link.reveal()}?from=console")
        link_secret = link.reveal().rpartition("/")[2]
        departure = await desk.consent.begin(link_secret, visitor.browser_text, by=asked.caller)
    except (PartnerError, ApplicationError, Conflict) as error:
        return await sheet(asked, "accounts/renew_trouble.html", 409, error=error)
    response = onward(departure.location.reveal())
    visitor = dataclasses.replace(visitor, browser=departure.browser, popup=True)
    cookie.write(response, visitor, departure.cookie_life_s)
    return response


DOORS = (
    Door("GET", f"{_OF}/invite", invite_form, Right.WRITE),
    Door("POST", f"{_OF}/invite", invite, Right.WRITE),
    Door("POST", f"{_OF}/link", show_link, Right.WRITE),
    Door("GET", f"{_OF}/renew", renew_form, Right.WRITE),
    Door("POST", f"{_OF}/renew", renew, Right.WRITE),
)
