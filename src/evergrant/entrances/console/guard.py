"""Who may come in, and whether a form was really sent by one of our pages.

Answers for: looking a session up, sending strangers to the sign-in and back again, the right that a
door asks for, and for refusing forms that another site made a browser send. Does not answer for:
what the rooms allow; each of them asks again.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from evergrant.entrances.console.asking import Asked, is_ours
from evergrant.entrances.console.doors import Admits, Door
from evergrant.entrances.console.seals import check_proof
from evergrant.errors import NotAllowed, NotAuthenticated
from evergrant.sessions import Step

__all__ = ["PROOF", "WAY_OF_STEP", "ForeignForm", "check_proof_of", "check_sender", "turned_away"]

#: The field of every form that holds the proof.
PROOF = "proof"
WAY_OF_STEP = {
    Step.SECOND_FACTOR: "/console/second-factor",
    Step.ENROL: "/console/enrol",
}


class ForeignForm(Exception):
    """A form that was not sent by a page of ours, or lay open for too long."""


def turned_away(door: Door, asked: Asked) -> Response | None:
    """None: come in. A stranger who wants to read a page is sent to sign in and comes back; one
    who sends something is told. Raises NotAuthenticated, NotAllowed."""
    if door.admits is Admits.ANYBODY:
        return None
    if asked.present is None:
        return _to("/console/sign-in", door, asked)
    step = asked.present.step
    if door.admits is Admits.HALFWAY:
        return None
    if step is not Step.NOTHING:
        return _to(WAY_OF_STEP[step], door, asked)
    if door.right is not None and not asked.may(door.right):
        raise NotAllowed(
            "Your role does not allow this.",
            hint=f"It needs the right '{door.right}'. An admin can change your role.",
            facts={"right": door.right.value},
        )
    return None


def _to(way: str, door: Door, asked: Asked) -> Response:
    listens = "text/event-stream" in asked.request.headers.get("accept", "")
    if door.method != "GET" or listens:
        raise NotAuthenticated(
            "You are signed out.", hint="Sign in again in another tab, then send this once more."
        )
    here = asked.request.url.path
    if asked.request.url.query:
        here += f"?{asked.request.url.query}"
    wish = {"next": here} if is_ours(here) and here != "/console" else {}
    return RedirectResponse(f"{way}?{urlencode(wish)}" if wish else way, 303)


def check_sender(request: Request, public_url: str) -> None:
    """Browsers say from where a form comes; one from elsewhere is refused before it is read.
    Raises ForeignForm."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForeignForm
    origin = request.headers.get("origin")
    if origin is not None and _host(origin) not in {_host(public_url), request.headers.get("host")}:
        raise ForeignForm


def check_proof_of(asked: Asked) -> None:
    """Raises ForeignForm."""
    if not check_proof(asked.secret, asked.form.get(PROOF, "")):
        raise ForeignForm


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
