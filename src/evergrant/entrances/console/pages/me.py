"""One's own account: password, second factor, sessions.

Answers for: what each operator may do with the own sign-in, whatever the role. Does not answer for:
other people's (`operators`).
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.sign_in import browser_of, picture
from evergrant.errors import CallerError, Flaw, InvalidInput, SecondFactorRefused
from evergrant.rules.secrecy import Secret

__all__ = ["DOORS"]

_DIFFERENT = "This is not the same as above."


async def me(asked: Asked) -> Response:
    return await _page(asked)


async def _page(asked: Asked, refused: CallerError | None = None) -> Response:
    sessions = await asked.desk.sessions.sessions(by=asked.caller, operator_id=asked.operator.id)
    alive = [one for one in sessions if one.ended_at is None and asked.now < one.ends_at]
    facts: dict[str, Any] = {
        "sessions": alive,
        "codes_left": await asked.desk.sessions.recovery_codes_left(asked.operator.id),
    }
    if refused is None:
        return asked.page("me/me.html", **facts)
    return asked.flawed("me/me.html", refused, **facts)


async def change_password(asked: Asked) -> Response:
    form = asked.form
    if form.get("password") != form.get("again"):
        return await _page(asked, InvalidInput(flaws=[Flaw(_DIFFERENT, field="again")]))
    try:
        signed_in = await asked.desk.sessions.change_password(
            asked.secret,
            Secret(form.get("old", "")),
            Secret(form.get("password", "")),
            browser_of(asked),
        )
    except (InvalidInput, CallerError) as refused:
        return await _page(asked, refused)
    said = "Your password is changed. All your other windows are signed out."
    response = asked.signed_in(signed_in.secret).back("/console/me", said)
    asked.cookies.write_session(response, signed_in.secret)
    return response


async def enrol_form(asked: Asked) -> Response:
    """Whoever has a second factor shows it before it is replaced."""
    if asked.operator.second_factor_at is not None:
        return asked.page("me/present_code.html")
    return await _enrol(asked)


async def show_present_code(asked: Asked) -> Response:
    code = asked.form.get("current", "").strip()
    try:
        return await _enrol(asked, current=code)
    except SecondFactorRefused as refused:
        return asked.page("me/present_code.html", 422, flaws={"current": str(refused)})


async def _enrol(
    asked: Asked, refused: CallerError | None = None, *, current: str = ""
) -> Response:
    enrolment = await asked.desk.sessions.begin_enrolment(asked.secret, current)
    return asked.page(
        "enrol.html",
        200 if refused is None else 422,
        flaws={} if refused is None else {"": str(refused)},
        action="/console/me/second-factor",
        next="/console/me",
        key=enrolment.key.reveal(),
        picture=picture(enrolment.uri),
    )


async def enrol(asked: Asked) -> Response:
    try:
        enrolled = await asked.desk.sessions.confirm_enrolment(
            asked.secret, asked.form.get("code", "").strip(), browser_of(asked)
        )
    except CallerError as refused:
        return await _enrol(asked, refused)
    secret = enrolled.signed_in.secret
    codes = [one.reveal() for one in enrolled.recovery_codes]
    page = asked.signed_in(secret).page("recovery_codes.html", codes=codes, next="/console/me")
    asked.cookies.write_session(page, secret)
    return page


async def new_recovery_codes(asked: Asked) -> Response:
    try:
        codes = await asked.desk.sessions.new_recovery_codes(
            asked.secret, asked.form.get("code", "").strip()
        )
    except CallerError as refused:
        return await _page(asked, refused)
    shown = [one.reveal() for one in codes]
    return asked.page("recovery_codes.html", codes=shown, next="/console/me")


async def end_session(asked: Asked) -> Response:
    ended = await asked.desk.sessions.revoke(asked.path["session_id"], by=asked.caller)
    own = ended.operator_id == asked.operator.id
    to = "/console/me" if own else f"/console/operators/{ended.operator_id}"
    return asked.back(to, "That browser is signed out.")


async def end_other_sessions(asked: Asked) -> Response:
    sessions = await asked.desk.sessions.sessions(by=asked.caller, operator_id=asked.operator.id)
    for one in sessions:
        if one.id != asked.session.id and one.ended_at is None:
            await asked.desk.sessions.revoke(one.id, by=asked.caller)
    return asked.back("/console/me", "All your other browsers are signed out.")


DOORS = (
    Door("GET", "/console/me", me),
    Door("POST", "/console/me/password", change_password),
    Door("GET", "/console/me/second-factor", enrol_form),
    Door("POST", "/console/me/second-factor", enrol),
    Door("POST", "/console/me/second-factor/present", show_present_code),
    Door("POST", "/console/me/recovery-codes", new_recovery_codes),
    Door("POST", "/console/me/sessions/{session_id}/end", end_session),
    Door("POST", "/console/me/sessions/end-others", end_other_sessions),
)
