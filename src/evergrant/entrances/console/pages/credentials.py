"""Integration credentials of an application, and its client secret.

Answers for: setting them, trying whether Login with Amazon takes them, having Amazon rotate the
client secret, and pasting one that somebody rotated there. No page gives a secret back. Does not
answer for: showing how it stands (`applications`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.applications import clock_of
from evergrant.entrances.console.paper import day
from evergrant.errors import (
    AmazonError,
    ApplicationError,
    Conflict,
    EvergrantError,
    Flaw,
    InvalidInput,
    NotFound,
    OurError,
)
from evergrant.ports.things import Application, IntegrationCredentials
from evergrant.registry import Credentials
from evergrant.rotation import Pasted
from evergrant.rules.rights import Right
from evergrant.rules.secrecy import Secret

__all__ = ["DOORS", "try_credentials"]

#: Nothing typed leaves them as they are.
_WRITE_ONLY = ("lwa_client_secret", "access_key", "secret_key")
_PLAIN = ("role_arn", "queue_url", "notifications_queue_url", "lwa_url")


async def form(asked: Asked) -> Response:
    return await _page(asked, "applications/credentials.html")


async def save(asked: Asked) -> Response:
    application_id = asked.path["application_id"]
    try:
        given = _given(asked)
        await asked.desk.registry.set_credentials(application_id, given, by=asked.caller)
    except (InvalidInput, Conflict) as refused:
        return await _page(asked, "applications/credentials.html", refused)
    words, kind = "Saved.", "good"
    if given.lwa_client_secret is not None or given.access_key or given.queue_url:
        words, kind = await try_credentials(asked, application_id)
        words = f"Saved. {words}"
    return asked.back(f"/console/applications/{application_id}", words, kind)


def _given(asked: Asked) -> Credentials:
    """Raises InvalidInput."""
    typed = asked.form
    values: dict[str, Any] = {
        name: Secret(typed[name].strip()) for name in _WRITE_ONLY if typed.get(name, "").strip()
    }
    values |= {name: typed[name].strip() for name in _PLAIN if name in typed}
    if typed.get("lwa_client_id", "").strip():
        values["lwa_client_id"] = typed["lwa_client_id"]
    if typed.get("drop_aws"):
        values |= {"access_key": Secret(""), "secret_key": Secret("")}
    for name in ("secret_created_at", "secret_expires_at"):
        values[name] = _day(typed.get(name, ""), name)
    return Credentials(**values)


def _day(text: str, field: str) -> datetime | None:
    """Its beginning, in UTC. Raises InvalidInput."""
    if not text.strip():
        return None
    try:
        return datetime.combine(date.fromisoformat(text.strip()), time(), UTC)
    except ValueError:
        flaw = Flaw("is no day.", field=field, hint="Write it as 2027-05-31.")
        raise InvalidInput(flaws=[flaw]) from None


# --- does it work ---------------------------------------------------------------------------------


async def verify(asked: Asked) -> Response:
    application = await asked.desk.registry.application(
        asked.path["application_id"], by=asked.caller
    )
    words, kind = await try_credentials(asked, application.id)
    return asked.back(f"/console/applications/{application.id}", words, kind)


async def try_credentials(asked: Asked, application_id: str) -> tuple[str, str]:
    """What Login with Amazon and the queue say, and whether that is good."""
    secret, fine = await _secret_tried(asked, application_id)
    queue, readable = await _queue_tried(asked, application_id)
    return f"{secret} {queue}".strip(), "good" if fine and readable else "bad"


async def _secret_tried(asked: Asked, application_id: str) -> tuple[str, bool]:
    try:
        verified = await asked.desk.rotations.verify(application_id, by=asked.caller)
    except (ApplicationError, AmazonError, OurError) as error:
        return _told(error), False
    if verified.taken:
        return "Login with Amazon accepts client id and client secret.", True
    if verified.about_scope:
        words = (
            f"Login with Amazon knows the client and gives it no such token ({verified.words}). "
            "Whether it takes the client secret shows when the first account is connected."
        )
        return words, True
    words = (
        f"Login with Amazon refuses them: {verified.words}. Compare client id and client secret "
        "with Amazon's console."
    )
    return words, False


async def _queue_tried(asked: Asked, application_id: str) -> tuple[str, bool]:
    try:
        there = await asked.desk.rotations.try_queue(application_id, by=asked.caller)
    except (ApplicationError, AmazonError, OurError) as error:
        return f"The queue of client secrets cannot be read: {_told(error)}", False
    return ("The queue of client secrets can be read." if there else ""), True


def _told(error: EvergrantError) -> str:
    return " ".join(part for part in (error.message, error.hint) if part)


# --- another client secret ------------------------------------------------------------------------


async def rotate(asked: Asked) -> Response:
    application = await asked.desk.registry.application(
        asked.path["application_id"], by=asked.caller
    )
    page = f"/console/applications/{application.id}"
    if not asked.form.get("sure"):
        return asked.back(page, "Nothing was rotated: tick the box that says what it means.", "bad")
    try:
        state = await asked.desk.rotations.start(application.id, by=asked.caller)
    except (ApplicationError, AmazonError, Conflict) as error:
        # Its hint names a command; here the page itself shows how far it is.
        return asked.back(page, error.message, "bad")
    if state.trouble:
        return asked.back(page, f"{state.trouble} {state.next}", "bad")
    return asked.back(page, f"The rotation began. {state.next}")


async def paste_form(asked: Asked) -> Response:
    return await _page(asked, "applications/paste.html")


async def paste(asked: Asked) -> Response:
    application_id = asked.path["application_id"]
    try:
        pasted = await asked.desk.rotations.paste(
            application_id,
            Secret(asked.form.get("lwa_client_secret", "").strip()),
            by=asked.caller,
            expires_at=_day(asked.form.get("secret_expires_at", ""), "secret_expires_at"),
        )
    except InvalidInput as refused:
        return await _page(asked, "applications/paste.html", refused)
    except (AmazonError, ApplicationError, Conflict) as error:
        return await _page(asked, "applications/paste.html", error)
    return asked.back(f"/console/applications/{application_id}", _pasted(pasted))


def _pasted(pasted: Pasted) -> str:
    words = ["Login with Amazon takes it. It is in force now."]
    if not pasted.changed:
        words = ["Login with Amazon takes it, and it was in force already."]
    if pasted.previous_ends_at is not None:
        words.append(f"The former one is kept until {day(pasted.previous_ends_at)}.")
    if pasted.expires_at is None:
        words.append("Nobody knows when it ends; note the day that Amazon's console shows.")
    else:
        words.append(f"It ends on {day(pasted.expires_at)}.")
    return " ".join(words)


async def _page(asked: Asked, template: str, refused: EvergrantError | None = None) -> Response:
    application = await asked.desk.registry.application(
        asked.path["application_id"], by=asked.caller
    )
    credentials = await _credentials(asked, application)
    facts: dict[str, Any] = {
        "application": application,
        "credentials": credentials,
        "clock": clock_of(credentials, asked.now),
        "usual_lwa": asked.settings.marketplaces.lwa_url,
    }
    if refused is None:
        return asked.page(template, **facts)
    status = 502 if isinstance(refused, AmazonError) else 422
    return asked.flawed(template, refused, status, **facts)


async def _credentials(asked: Asked, application: Application) -> IntegrationCredentials | None:
    try:
        return await asked.desk.registry.credentials(application.id, by=asked.caller)
    except NotFound:
        return None


_ONE = "/console/applications/{application_id}"
DOORS = (
    Door("GET", f"{_ONE}/credentials", form, Right.MANAGE),
    Door("POST", f"{_ONE}/credentials", save, Right.MANAGE),
    Door("POST", f"{_ONE}/verify", verify, Right.MANAGE),
    Door("POST", f"{_ONE}/rotate", rotate, Right.MANAGE),
    Door("GET", f"{_ONE}/client-secret", paste_form, Right.MANAGE),
    Door("POST", f"{_ONE}/client-secret", paste, Right.MANAGE),
)
