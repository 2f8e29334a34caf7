"""The pages of the front door: parse, call one verb of the reception, show.

Answers for: which page follows which outcome. A GET spends nothing, whoever sends it (mail
programs open links before people do); what changes something is a POST with a proof that this
very browser was shown the form. Every POST leads on to a page that can be loaded again. Does not
answer for: what is accepted, or for the words.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from evergrant.consent import Arrived, NeedsProof, Opened
from evergrant.entrances.public import words as w
from evergrant.entrances.public.dress import Dress, Kept
from evergrant.entrances.public.paper import NAMES, guarded, language_of, page
from evergrant.entrances.to_amazon import form_targets
from evergrant.entrances.visitor import Cookie, TooMuch, Visitor, read_form
from evergrant.errors import ConsentRefused, EvergrantError
from evergrant.rules import ids
from evergrant.rules.amazon_errors import PAGE_ERRORS
from evergrant.rules.faults import Fault

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.settings import Settings

__all__ = ["build"]

_LONGEST_LINK = 200
_LONGEST_CODE = 40
_LONGEST_WORDS = 300
_REASON = re.compile(r"[a-z_]{1,60}")
#: Pages behind which nothing comes: in a window that a console opened they can close it.
_LAST = frozenset({"done.html", "message.html"})


def build(desk: Desk, settings: Settings) -> ASGIApp:
    """The door as an ASGI application. Answers every path that it is given: one that it does not
    know gets a friendly page."""
    https = settings.public_url.startswith("https://")
    pages = _Pages(desk, settings, Cookie(https=https))
    door = Starlette(
        routes=[
            Route("/", pages.start),
            Route("/robots.txt", pages.robots),
            Route("/favicon.ico", pages.favicon),
            Route("/static/{name}", pages.static),
            Route("/amazon/login", pages.log_in),
            Route("/callback", pages.callback),
            Route("/connect/done/{handshake_id}", pages.done),
            Route("/connect/refused/{reason}/{reference}", pages.refused),
            Route("/connect/{link}", pages.letter, methods=["GET"]),
            Route("/connect/{link}", pages.answer, methods=["POST"]),
        ],
        exception_handlers={
            HTTPException: pages.on_http_error,
            EvergrantError: pages.on_error,
            TooMuch: pages.on_too_much,
            ClientDisconnect: pages.on_half_a_form,
            Exception: pages.on_mishap,
        },
    )
    return guarded(door, https=https)


class _Pages:
    def __init__(self, desk: Desk, settings: Settings, cookie: Cookie) -> None:
        self._consent = desk.consent
        self._house = settings.house
        self._dress = Dress(settings.house.looks)
        self._cookie = cookie
        self._to_amazon = form_targets(desk.marketplaces)

    # --- the letter's link --------------------------------------------------------------------
    #
    # One address for all that can be done with a letter: its pages then need not name it in their
    # links and forms, so a page that is saved or passed on holds no link that works.

    async def letter(self, request: Request) -> Response:
        wish = request.query_params.get("do")
        if wish in ("declined", "told"):
            return self._thanked(request, wish)
        opened = await self._consent.open(_link(request))
        if wish == "decline":
            return self._form(request, "decline.html", opened)
        if wish == "trouble":
            return self._form(request, "trouble.html", opened, codes=sorted(PAGE_ERRORS))
        return self._form(request, "landing.html", opened, form_action=self._to_amazon)

    async def answer(self, request: Request) -> Response:
        link = _link(request)
        visitor = self._cookie.read(request)
        form = await read_form(request)
        if not visitor.sent_by_us(request.url.path, form.get("proof", "")):
            return self._message(request, w.NO_COOKIES, again="?")
        match form.get("do"):
            case "go":
                return await self._go(link, visitor)
            case "decline":
                return _thanks_for("declined", await self._consent.decline(link))
            case "trouble":
                return await self._trouble(link, form)
        return self._message(request, w.GENERAL, again="?")

    async def _go(self, link: str, visitor: Visitor) -> Response:
        departure = await self._consent.begin(link, visitor.browser_text)
        response = _onward(departure.location.reveal())
        visitor = dataclasses.replace(visitor, browser=departure.browser)
        self._cookie.write(response, visitor, departure.cookie_life_s)
        return response

    async def _trouble(self, link: str, form: Mapping[str, str]) -> Response:
        told = await self._consent.tell_trouble(
            link,
            form.get("code", "").strip()[:_LONGEST_CODE],
            form.get("words", "").strip()[:_LONGEST_WORDS],
        )
        return _thanks_for("told", told.reference, about=told.code, spoken=told.language)

    def _thanked(self, request: Request, wish: str) -> Response:
        """The page behind a form that was sent; loading it sends nothing again. Whoever makes up
        such an address reads our words and nothing else."""
        asked = request.query_params
        reference = _reference(asked.get("number", ""))
        language = asked.get("spoken")
        if wish == "declined":
            return self._message(request, w.DECLINED_HERE, reference=reference, language=language)
        advice = w.trouble_words(asked.get("about", ""))
        return self._show(request, "told.html", language, advice=advice, reference=reference)

    # --- back from Amazon ---------------------------------------------------------------------

    async def log_in(self, request: Request) -> Response:
        _only_get(request)
        visitor = self._cookie.read(request)
        reached = await self._consent.log_in(_query(request), visitor.browser_text)
        if isinstance(reached, NeedsProof):
            return self._show(request, "proof.html", reached.language, reference=reached.reference)
        return _onward(reached.location.reveal())

    async def callback(self, request: Request) -> Response:
        """Always goes on to a page whose address holds neither code nor state: people send
        pictures of their screens to support."""
        _only_get(request)
        visitor = self._cookie.read(request)
        try:
            arrived = await self._consent.accept(_query(request), visitor.browser_text)
        except ConsentRefused as refused:
            return _onward(_refused_address(refused))
        return _onward(f"/connect/done/{arrived.handshake_id}")

    async def done(self, request: Request) -> Response:
        visitor = self._cookie.read(request)
        arrived = await self._consent.outcome(
            request.path_params["handshake_id"][:_LONGEST_LINK], visitor.browser_text
        )
        if not arrived.connected:
            return self._show(request, "waiting.html", arrived.language, status=202)
        onward = None if visitor.popup else arrived.return_url
        return self._show(request, "done.html", arrived.language, **_thanks(arrived, onward))

    async def refused(self, request: Request) -> Response:
        """Shows a reason. Whoever makes up such an address reads our words and nothing else."""
        words = w.words_for(request.path_params["reason"])
        return self._message(
            request,
            words,
            reference=_reference(request.path_params["reference"]),
            language=request.query_params.get("spoken"),
            again=await self._way_back(request, request.query_params.get("attempt"), words),
        )

    # --- what is in the way -------------------------------------------------------------------

    async def on_error(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, EvergrantError):  # pragma: no cover - routed here by its type
            raise error
        facts = error.facts
        reason = error.reason if isinstance(error, ConsentRefused) else error.code
        words = w.words_for(reason)
        attempt = facts.get("handshake_id")
        again = await self._way_back(request, attempt if isinstance(attempt, str) else None, words)
        if again is None and words.again and "link" in request.path_params:
            again = "?"  # this very address
        language = facts.get("language")
        response = self._message(
            request,
            words,
            reference=error.reference if isinstance(error, ConsentRefused) else None,
            language=language if isinstance(language, str) else None,
            again=again,
        )
        if words.status == 503:
            response.headers["retry-after"] = "60"
        return response

    async def on_http_error(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        words = w.WRONG_METHOD if status == 405 else w.UNKNOWN_PAGE
        response = self._message(request, words)
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        return response

    async def on_too_much(self, request: Request, error: Exception) -> Response:
        return self._message(request, w.TOO_LARGE)

    async def on_half_a_form(self, request: Request, error: Exception) -> Response:
        """Whoever sent it went away or took too long; no fault of ours, and nothing for a log."""
        return self._message(request, w.GENERAL)

    async def on_mishap(self, request: Request, error: Exception) -> Response:
        """Shown; Starlette raises the error again behind it, so that the log has it."""
        return self._message(request, w.SHUT)

    # --- odds and ends ------------------------------------------------------------------------

    async def start(self, request: Request) -> Response:
        return self._show(request, "start.html", None)

    async def robots(self, request: Request) -> Response:
        return PlainTextResponse("User-agent: *\nDisallow: /\n")

    async def favicon(self, request: Request) -> Response:
        return _kept(self._dress.get("icon.svg"), request)

    async def static(self, request: Request) -> Response:
        return _kept(self._dress.get(request.path_params["name"]), request)

    # --- showing ------------------------------------------------------------------------------

    def _show(
        self,
        request: Request,
        template: str,
        wish: str | None,
        status: int = 200,
        *,
        visitor: Visitor | None = None,
        **facts: Any,
    ) -> Response:
        """One page. The language: as picked, else that of the account, else the browser's."""
        visitor = visitor or self._cookie.read(request)
        picked = request.query_params.get("lang")
        language = language_of(
            picked,
            visitor.language,
            # An operator reads here, not the selling partner.
            None if visitor.popup else wish,
            accept=request.headers.get("accept-language", ""),
        )
        closable = visitor.popup and template in _LAST
        kept = {"reference": None, "languages": _other_tongues(request)} | facts
        return page(
            template,
            language,
            status=status,
            script=closable,
            closable=closable,
            dress=self._dress,
            house=self._house.name,
            support_email=self._house.support_email,
            **kept,
        )

    def _form(self, request: Request, template: str, opened: Opened, **facts: Any) -> Response:
        """A page with a form, for which the browser needs our cookie."""
        visitor = self._cookie.read(request)
        picked = request.query_params.get("lang")
        visitor = dataclasses.replace(
            visitor,
            language=picked if picked in NAMES else visitor.language,
            popup=_opened_by_console(request, visitor),
        )
        if visitor.browser is None:
            visitor = self._cookie.fresh(visitor.language, popup=visitor.popup)
        response = self._show(
            request,
            template,
            opened.language,
            visitor=visitor,
            opened=opened,
            proof=visitor.form_proof(request.url.path),
            **facts,
        )
        self._cookie.write(response, visitor)
        return response

    def _message(
        self,
        request: Request,
        words: w.Words,
        *,
        reference: str | None = None,
        language: str | None = None,
        again: str | None = None,
    ) -> Response:
        return self._show(
            request,
            "message.html",
            language,
            status=words.status,
            words=words,
            reference=reference,
            again=again,
        )

    async def _way_back(self, request: Request, attempt: str | None, words: w.Words) -> str | None:
        if not words.again or not attempt:
            return None
        visitor = self._cookie.read(request)
        link = await self._consent.way_back(attempt[:_LONGEST_LINK], visitor.browser_text)
        return None if link is None else link.reveal()


def _link(request: Request) -> str:
    link: str = request.path_params["link"]
    return link[:_LONGEST_LINK]


def _only_get(request: Request) -> None:
    """Starlette answers HEAD wherever it answers GET; here even looking does something."""
    if request.method != "GET":
        raise HTTPException(405, headers={"allow": "GET"})


def _query(request: Request) -> str:
    raw: bytes = request.scope["query_string"]
    return raw.decode("latin-1")


def _onward(location: str) -> Response:
    """303, and the address exactly as it was made: ``amazon_state`` has to survive byte by byte."""
    return Response(status_code=303, headers={"location": location})


def _thanks_for(what: str, reference: str, **facts: str) -> Response:
    """Back to the link's own address, which the browser knows already."""
    return _onward(f"?{urlencode({'do': what, 'number': reference, **facts})}")


def _refused_address(refused: ConsentRefused) -> str:
    facts = {
        name: value
        for name, value in (
            ("attempt", refused.facts.get("handshake_id")),
            ("spoken", refused.facts.get("language")),
        )
        if value
    }
    reason = refused.reason if _REASON.fullmatch(refused.reason) else "unknown"
    address = f"/connect/refused/{reason}/{refused.reference or '-'}"
    return f"{address}?{urlencode(facts)}" if facts else address


def _reference(text: str) -> str | None:
    try:
        return ids.check_reference(text)
    except Fault:
        return None


def _opened_by_console(request: Request, visitor: Visitor) -> bool:
    """A window keeps its mark from page to page, until its browser comes in from elsewhere, as by
    a click in a letter. It decides what the last page offers, and nothing else."""
    told = request.query_params.get("from")
    if told is not None:
        return told == "console"
    from_elsewhere = request.headers.get("sec-fetch-site") in ("none", "cross-site")
    return visitor.popup and not from_elsewhere


def _thanks(arrived: Arrived, return_url: str | None) -> dict[str, Any]:
    onward = return_url or ""
    safe = onward.startswith(("https://", "http://"))
    return {
        "arrived": arrived,
        "onward": onward if safe else None,
        "onward_host": urlsplit(onward).hostname if safe else None,
    }


def _other_tongues(request: Request) -> list[tuple[str, str, str]]:
    """(code, name, address) of this page in every language; none where loading the page once more
    would do something once more."""
    if request.method not in ("GET", "HEAD") or not request.url.path.startswith("/connect/"):
        return []
    rest = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    return [(code, name, f"?{urlencode([*rest, ('lang', code)])}") for code, name in NAMES.items()]


def _kept(found: Kept | None, request: Request) -> Response:
    if found is None:
        raise HTTPException(404)
    life = "public, max-age=31536000, immutable" if "v" in request.query_params else "max-age=3600"
    return Response(
        found.content,
        media_type=found.media_type,
        headers={"cache-control": life, **found.headers},
    )
