"""An identity provider with a page for people: whoever is on its list, or nobody.

Answers for: the page that a browser is sent to, and for running it on loopback beside a town. Does
not answer for: what Evergrant asks it (`tests.edges.oidc_provider` does).
"""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.edges.oidc_provider import IdentityProvider

__all__ = ["CANCEL", "Provider", "open_provider"]

CANCEL = "I do not want to"
PAGE = "/house/authorize"


@dataclass
class Provider:
    """``people``: names on the page, each with the claims that it makes."""

    oidc: IdentityProvider
    people: dict[str, dict[str, object]] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        return {
            "EVERGRANT_OIDC_ISSUER": self.oidc.issuer,
            "EVERGRANT_OIDC_CLIENT_ID": self.oidc.client_id,
            "EVERGRANT_OIDC_CLIENT_SECRET": self.oidc.client_secret,
            "EVERGRANT_OIDC_NAME": "Northwind ID",
        }

    def knows(self, name: str, email: str) -> None:
        subject = name.lower().replace(" ", "-")
        self.people[name] = {"sub": subject, "email": email, "email_verified": True}

    def page(self, location: str) -> str:
        """Ways back: one for each person, and one for whoever changed their mind."""
        asked = dict(parse_qsl(urlsplit(location).query))
        no = {"error": "access_denied", "state": asked["state"], "iss": self.oidc.issuer}
        ways = {name: self.oidc.came_back(location, **who) for name, who in self.people.items()}
        links = "".join(
            f'<p><a href="{escape(asked["redirect_uri"])}?{escape(query)}">{escape(name)}</a></p>'
            for name, query in {**ways, CANCEL: urlencode(no)}.items()
        )
        return f"<!doctype html><html lang=en><title>Who are you?</title>{links}</html>"


@contextmanager
def open_provider() -> Iterator[Provider]:
    provider = Provider(IdentityProvider())

    class Hands(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if urlsplit(self.path).path == PAGE:
                self.tell(200, "text/html; charset=utf-8", provider.page(self.path).encode())
            else:
                self.ask()

        def do_POST(self) -> None:
            self.ask()

        def ask(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = urlsplit(self.path).path
            status, told = provider.oidc.answer(self.command, path, headers, body)
            self.tell(status, "application/json", told)

        def tell(self, status: int, media_type: str, told: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", media_type)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hands) as server:
        provider.oidc.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
