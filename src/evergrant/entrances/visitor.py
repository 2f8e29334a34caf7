"""Who is at the door: one browser, known by one cookie.

Answers for: the cookie (its name, attributes and content), the proof that a form was shown to the
browser that sends it, and reading small forms. Does not answer for: what the cookie proves at the
reception.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from evergrant.letters import LANGUAGES
from evergrant.rules.secrecy import Secret

__all__ = ["FORM_LIMIT", "Cookie", "TooMuch", "Visitor", "read_form"]

#: Bytes. The largest form of this door is one line of words.
FORM_LIMIT = 4096
_FORM_FIELDS = 8
#: Seconds. Longer than a handshake lives, so that its outcome can still be shown afterwards.
_LIFE_S = 24 * 3600
_BROWSER = re.compile(r"[A-Za-z0-9_\-]{22,128}")
_POPUP = "popup"


class TooMuch(Exception):
    """More bytes than a form of ours has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """``browser`` is what the reception knows this browser by, None at the first visit;
    ``language`` the one that was picked by hand. ``popup``: an operator's console opened this
    window, so the way ends where it can be closed, and the pages speak to the operator."""

    browser: Secret | None = None
    language: str | None = None
    popup: bool = False

    @property
    def browser_text(self) -> str | None:
        return None if self.browser is None else self.browser.reveal()

    def form_proof(self, here: str) -> str:
        """Goes into a form of the page ``here``. Another site can make this browser send a form,
        but it cannot read the cookie, so it cannot know what belongs into it."""
        key = (self.browser_text or "").encode()
        return hmac.new(key, f"form:{here}".encode(), hashlib.sha256).hexdigest()

    def sent_by_us(self, here: str, proof: str) -> bool:
        return self.browser is not None and hmac.compare_digest(
            self.form_proof(here).encode(), proof.encode()
        )


class Cookie:
    """``__Host-`` on https: no other host and no plain connection can set it. Lax, because Amazon
    sends the browser back by a top-level GET."""

    def __init__(self, *, https: bool) -> None:
        self._https = https
        self.name = "__Host-evergrant" if https else "evergrant"

    def read(self, request: Request) -> Visitor:
        language, _, rest = request.cookies.get(self.name, "").partition(".")
        browser, _, mark = rest.partition(".")
        return Visitor(
            browser=Secret(browser) if _BROWSER.fullmatch(browser) else None,
            language=language if language in LANGUAGES else None,
            popup=mark == _POPUP,
        )

    def fresh(self, language: str | None = None, *, popup: bool = False) -> Visitor:
        return Visitor(browser=Secret(secrets.token_urlsafe(32)), language=language, popup=popup)

    def write(self, response: Response, visitor: Visitor, life_s: int = 0) -> None:
        """Seconds of life: ``life_s``, or longer where our pages need it."""
        mark = f".{_POPUP}" if visitor.popup else ""
        response.set_cookie(
            self.name,
            f"{visitor.language or ''}.{visitor.browser_text or ''}{mark}",
            max_age=max(life_s, _LIFE_S),
            path="/",
            secure=self._https,
            httponly=True,
            samesite="lax",
        )


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small urlencoded form, the last of each name. Raises TooMuch."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > FORM_LIMIT:
            raise TooMuch
    try:
        pairs = parse_qsl(
            read.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FORM_FIELDS
        )
    except ValueError:
        raise TooMuch from None
    return dict(pairs)
