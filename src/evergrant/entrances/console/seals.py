"""What the console gives to a browser and has to recognise when it comes back.

Answers for: the session's cookie, the proof in each form that this very browser was shown it, and a
message that is shown once. All of it is made with the secret of the session (or, before there is
one, of the visit), so nodes need to share nothing. Does not answer for: what a session is worth
(`sessions`).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeSerializer, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from evergrant.rules.secrecy import Secret

__all__ = ["PROOF_LIFE_S", "Cookies", "Said", "check_proof", "proof_of"]

#: A form that lay open for longer has to be loaded again.
PROOF_LIFE_S = 12 * 3600
_SECRET = re.compile(r"[A-Za-z0-9_\-]{22,1024}")
_MOST_WORDS = 1000


@dataclass(frozen=True, slots=True)
class Said:
    """What the last action has to tell. ``kind`` is ``good`` or ``bad``."""

    words: str
    kind: str = "good"


def proof_of(secret: Secret) -> str:
    """Goes into every form. Another site can make a browser send a form, but it cannot read the
    cookie, so it cannot know this."""
    return URLSafeTimedSerializer(secret.reveal(), salt="form").dumps("")


def check_proof(secret: Secret, proof: str) -> bool:
    try:
        URLSafeTimedSerializer(secret.reveal(), salt="form").loads(proof, max_age=PROOF_LIFE_S)
    except BadSignature:
        return False
    return True


class Cookies:
    """``__Host-`` on https: no other host and no plain connection can set them. Lax: a link in a
    mail leads to the page, not to the sign-in."""

    def __init__(self, *, https: bool) -> None:
        self._https = https
        prefix = "__Host-" if https else ""
        self.session = f"{prefix}evergrant_console"
        self.visit = f"{prefix}evergrant_visit"
        self.said = f"{prefix}evergrant_said"

    def read_session(self, request: Request) -> Secret | None:
        return self._read(request, self.session)

    def read_visit(self, request: Request) -> Secret | None:
        return self._read(request, self.visit)

    def write_session(self, response: Response, secret: Secret) -> None:
        """Until the browser is closed, or the session ends."""
        self._write(response, self.session, secret.reveal())
        self.drop(response, self.visit)

    def write_visit(self, response: Response, secret: Secret) -> None:
        self._write(response, self.visit, secret.reveal())

    def write_said(self, response: Response, secret: Secret, said: Said) -> None:
        sealed = URLSafeSerializer(secret.reveal(), salt="said")
        self._write(response, self.said, sealed.dumps([said.kind, said.words[:_MOST_WORDS]]))

    def read_said(self, request: Request, secret: Secret | None) -> Said | None:
        """None: there is nothing to tell, or it was told to another session."""
        text = request.cookies.get(self.said)
        if text is None or secret is None:
            return None
        try:
            kind, words = URLSafeSerializer(secret.reveal(), salt="said").loads(text)
        except (BadSignature, ValueError):
            return None
        return Said(words, kind)

    def drop(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self._https, httponly=True, samesite="lax")

    def fresh_visit(self) -> Secret:
        return Secret(secrets.token_urlsafe(32))

    def _read(self, request: Request, name: str) -> Secret | None:
        text = request.cookies.get(name, "")
        return Secret(text) if _SECRET.fullmatch(text) else None

    def _write(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            name, value, path="/", secure=self._https, httponly=True, samesite="lax"
        )
