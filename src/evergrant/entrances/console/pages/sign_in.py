"""Signing in and out.

Answers for: password, second factor, setting one up, single sign-on, signing out. Does not answer
for: invitations and the first start (`joining`), or for a person's own page (`me`).
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import segno
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from evergrant.entrances.console.asking import Asked, is_ours
from evergrant.entrances.console.doors import Admits, Door
from evergrant.entrances.console.guard import WAY_OF_STEP
from evergrant.errors import CallerError, EvergrantError
from evergrant.rules.proxies import browser_address
from evergrant.rules.secrecy import Secret
from evergrant.sessions import Browser, SignedIn, Step

__all__ = ["DOORS", "browser_of", "picture", "welcome"]


def browser_of(asked: Asked) -> Browser:
    client, headers = asked.request.client, asked.request.headers
    address = browser_address(
        client.host if client else "",
        headers.getlist("x-forwarded-for"),
        asked.settings.proxies,
    )
    return Browser(address=address, agent=headers.get("user-agent", ""))


def _next(wish: str) -> str:
    return wish if is_ours(wish) else "/console"


def welcome(asked: Asked, signed_in: SignedIn, wish: str) -> Response:
    """With the cookie of the new session, on to what is still wanted, or to the page."""
    way = WAY_OF_STEP.get(signed_in.step)
    asked = asked.signed_in(signed_in.secret)
    to = asked.back(way, query={"next": _next(wish)}) if way else asked.back(_next(wish))
    asked.cookies.write_session(to, signed_in.secret)
    return to


async def sign_in_form(asked: Asked) -> Response:
    wish = _next(asked.query.get("next", ""))
    if asked.present is not None and asked.present.step is Step.NOTHING:
        return RedirectResponse(wish, 303)
    if await asked.desk.sessions.nobody_works_here():
        return asked.back("/console/first")
    return _sign_in_page(asked, wish)


def _sign_in_page(asked: Asked, wish: str, error: EvergrantError | None = None) -> Response:
    name = asked.desk.sessions.single_sign_on_name
    facts: dict[str, Any] = {"next": wish, "single_sign_on": name}
    if error is None:
        return asked.page("sign_in.html", **facts)
    return asked.flawed("sign_in.html", error, 401, **facts)


async def sign_in(asked: Asked) -> Response:
    wish = _next(asked.form.get("next", ""))
    password = Secret(asked.form.get("password", ""))
    try:
        signed_in = await asked.desk.sessions.sign_in(
            asked.form.get("email", ""), password, browser_of(asked)
        )
    except CallerError as refused:
        return _sign_in_page(asked, wish, refused)
    return welcome(asked, signed_in, wish)


async def second_factor_form(asked: Asked) -> Response:
    wish = _next(asked.query.get("next", ""))
    if (elsewhere := _elsewhere(asked, Step.SECOND_FACTOR, wish)) is not None:
        return elsewhere
    return asked.page("second_factor.html", next=wish)


async def second_factor(asked: Asked) -> Response:
    wish = _next(asked.form.get("next", ""))
    code = Secret(asked.form.get("code", "").strip())
    try:
        signed_in = await asked.desk.sessions.prove(asked.secret, code.reveal(), browser_of(asked))
    except CallerError as refused:
        return asked.page("second_factor.html", 401, flaws={"": str(refused)}, next=wish)
    return welcome(asked, signed_in, wish)


def _elsewhere(asked: Asked, step: Step, wish: str) -> Response | None:
    """A page of another step is no place to be."""
    assert asked.present is not None
    if asked.present.step is step:
        return None
    way = WAY_OF_STEP.get(asked.present.step)
    return asked.back(way, query={"next": wish}) if way else RedirectResponse(wish, 303)


async def enrol_form(asked: Asked) -> Response:
    wish = _next(asked.query.get("next", ""))
    if (elsewhere := _elsewhere(asked, Step.ENROL, wish)) is not None:
        return elsewhere
    return await _enrol_page(asked, wish)


async def _enrol_page(asked: Asked, wish: str, error: CallerError | None = None) -> Response:
    enrolment = await asked.desk.sessions.begin_enrolment(asked.secret)
    facts: dict[str, Any] = {
        "action": "/console/enrol",
        "next": wish,
        "key": enrolment.key.reveal(),
        "picture": picture(enrolment.uri),
    }
    if error is None:
        return asked.page("enrol.html", **facts)
    return asked.page("enrol.html", 422, flaws={"": str(error)}, **facts)


def picture(uri: Secret) -> Markup:
    """The QR code as SVG with classes alone: the policy allows no inline style."""
    drawn = BytesIO()
    segno.make(uri.reveal(), error="m").save(
        drawn, kind="svg", xmldecl=False, svgclass="code", lineclass="ink", omitsize=True, border=2
    )
    return Markup(drawn.getvalue().decode())  # noqa: S704 - drawn by us from a key of ours


async def enrol(asked: Asked) -> Response:
    wish = _next(asked.form.get("next", ""))
    code = asked.form.get("code", "").strip()
    try:
        enrolled = await asked.desk.sessions.confirm_enrolment(
            asked.secret, code, browser_of(asked)
        )
    except CallerError as refused:
        return await _enrol_page(asked, wish, refused)
    codes = [one.reveal() for one in enrolled.recovery_codes]
    secret = enrolled.signed_in.secret
    page = asked.signed_in(secret).page("recovery_codes.html", codes=codes, next=wish)
    asked.cookies.write_session(page, secret)
    return page


async def sign_out(asked: Asked) -> Response:
    await asked.desk.sessions.sign_out(asked.secret)
    response = asked.back("/console/sign-in")
    asked.cookies.drop(response, asked.cookies.session)
    return response


async def begin_single_sign_on(asked: Asked) -> Response:
    wish = _next(asked.form.get("next", ""))
    try:
        begun = await asked.desk.sessions.begin_single_sign_on(wish)
    except EvergrantError as refused:
        return _sign_in_page(asked, wish, refused)
    # By a page, not by a redirect: where the answer to a form may lead has to be said on the page
    # that holds the form, and the provider says only now where its own page is.
    page = asked.page("onward.html", location=begun.location)
    asked.cookies.write_visit(page, begun.state)
    return page


async def finish_single_sign_on(asked: Asked) -> Response:
    """Back from the house's identity provider; the cookie holds what we sent it away with."""
    try:
        arrived = await asked.desk.sessions.finish_single_sign_on(
            asked.request.url.query, asked.visit, browser_of(asked)
        )
    except EvergrantError as refused:
        return _sign_in_page(asked, "/console", refused)
    return welcome(asked, arrived.signed_in, arrived.return_to)


DOORS = (
    Door("GET", "/console/sign-in", sign_in_form, admits=Admits.ANYBODY),
    Door("POST", "/console/sign-in", sign_in, admits=Admits.ANYBODY),
    Door("GET", "/console/second-factor", second_factor_form, admits=Admits.HALFWAY),
    Door("POST", "/console/second-factor", second_factor, admits=Admits.HALFWAY),
    Door("GET", "/console/enrol", enrol_form, admits=Admits.HALFWAY),
    Door("POST", "/console/enrol", enrol, admits=Admits.HALFWAY),
    Door("POST", "/console/sign-out", sign_out, admits=Admits.HALFWAY),
    Door("POST", "/console/single-sign-on", begin_single_sign_on, admits=Admits.ANYBODY),
    Door("GET", "/console/single-sign-on/back", finish_single_sign_on, admits=Admits.ANYBODY),
)
