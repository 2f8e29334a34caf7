"""Coming in for the first time: by an invitation, or as the first admin of a fresh house.

Answers for: these two forms. A GET spends nothing, whoever opens the link. Does not answer for:
what comes after it (`sign_in`).
"""

from __future__ import annotations

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Admits, Door
from evergrant.entrances.console.pages.sign_in import browser_of, welcome
from evergrant.errors import CallerError, FirstStartRefused, InvitationRefused
from evergrant.rules.secrecy import Secret

__all__ = ["DOORS"]

_DIFFERENT = "This is not the same as above."


async def invitation_form(asked: Asked) -> Response:
    return await _invitation(asked, {})


async def _invitation(asked: Asked, flaws: dict[str, str]) -> Response:
    """Raises InvitationRefused, which gets a page of its own."""
    invitation = await asked.desk.sessions.look_up_invitation(Secret(asked.path["link"]))
    page = asked.page(
        "joining/invitation.html", 422 if flaws else 200, flaws=flaws, invitation=invitation
    )
    # The address of this page is the invitation, so nobody is told its path. Of "no-referrer"
    # browsers would make the origin "null", and the form would be refused as a foreign one.
    page.headers["referrer-policy"] = "strict-origin"
    return page


async def accept_invitation(asked: Asked) -> Response:
    password = asked.form.get("password", "")
    if password != asked.form.get("again", ""):
        return await _invitation(asked, {"again": _DIFFERENT})
    try:
        signed_in = await asked.desk.sessions.accept_invitation(
            Secret(asked.path["link"]), Secret(password), browser_of(asked)
        )
    except InvitationRefused:
        raise
    except CallerError as refused:
        return await _invitation(asked, asked.flaws_of(refused))
    return welcome(asked, signed_in, "/console")


async def first_form(asked: Asked) -> Response:
    """Where nobody was ever let in; the code stands where the server was started."""
    if await asked.desk.sessions.first_start_code() is None:
        raise FirstStartRefused
    return asked.page("joining/first.html")


async def first(asked: Asked) -> Response:
    form = asked.form
    if form.get("password", "") != form.get("again", ""):
        return asked.page("joining/first.html", 422, flaws={"again": _DIFFERENT}, given=form)
    try:
        signed_in = await asked.desk.sessions.admit_first(
            Secret(form.get("code", "").strip()),
            form.get("name", ""),
            form.get("email", ""),
            Secret(form.get("password", "")),
            browser_of(asked),
        )
    except CallerError as refused:
        return asked.flawed("joining/first.html", refused)
    return welcome(asked, signed_in, "/console/set-up")


DOORS = (
    Door("GET", "/console/join/{link}", invitation_form, admits=Admits.ANYBODY),
    Door("POST", "/console/join/{link}", accept_invitation, admits=Admits.ANYBODY),
    Door("GET", "/console/first", first_form, admits=Admits.ANYBODY),
    Door("POST", "/console/first", first, admits=Admits.ANYBODY),
)
