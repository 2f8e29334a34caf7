"""Who is signed in: one cookie per face, five minutes by the emulator's clock."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response

from amazon_emulator.stage import Stage
from amazon_emulator.world import Kind, Partner, Session

__all__ = ["Sessions", "is_own_form", "safe_return"]


class Sessions:
    """The sessions of one face."""

    def __init__(self, stage: Stage, kind: Kind) -> None:
        self.stage = stage
        self.kind = kind
        self.cookie = f"emulated_{kind}_central"

    def of(self, request: Request) -> Session | None:
        """The session when it is fresh enough to authorize applications with."""
        session = self.stage.world.sessions.get(request.cookies.get(self.cookie, ""))
        if session is None or not session.is_fresh(self.stage.clock.now()):
            return None
        return session

    def begin(self, partner: Partner, response: Response) -> None:
        key = self.stage.world.sign_in(partner, self.stage.clock.now())
        response.set_cookie(self.cookie, key, httponly=True, samesite="lax", path="/")

    def end(self, request: Request, response: Response) -> None:
        self.stage.world.sessions.pop(request.cookies.get(self.cookie, ""), None)
        response.delete_cookie(self.cookie, path="/")


def is_own_form(session: Session, form_key: str) -> bool:
    return secrets.compare_digest(session.form_key.encode(), form_key.encode())


def safe_return(path: str) -> str:
    """Where to go after signing in: a path of this face, nothing else."""
    if path.startswith("/") and not path.startswith(("//", "/\\")):
        return path
    return "/"
