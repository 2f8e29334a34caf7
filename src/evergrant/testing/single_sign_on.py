"""An identity provider in memory.

Answers for: sending people away and vouching for those who are named to it, once each. Does not
answer for: what is really signed and exchanged; the real pipe is tried against a provider of the
tests.
"""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

from evergrant.errors import ProviderUnavailable, SingleSignOnRefused
from evergrant.ports.single_sign_on import Person, SignOnWay
from evergrant.rules.secrecy import Secret

__all__ = ["FakeSingleSignOn"]


class FakeSingleSignOn:
    """``ports.SingleSignOn``. ``down = True`` is a provider that does not answer."""

    issuer = "https://login.house.example"
    redirect_uri = "https://connect.northwind.example/console/single-sign-on/back"

    def __init__(self) -> None:
        self.down = False
        self._codes: dict[str, tuple[Person, str]] = {}

    async def location(self, way: SignOnWay) -> str:
        self._check()
        asked = {"state": way.state.reveal(), "nonce": way.nonce.reveal()}
        return f"{self.issuer}/authorize?{urlencode(asked)}"

    async def person(self, query: str, way: SignOnWay) -> Person:
        self._check()
        came = {name: values[0] for name, values in parse_qs(query).items()}
        if Secret(came.get("state", "")) != way.state:
            raise SingleSignOnRefused("state")
        if "error" in came:
            raise SingleSignOnRefused("provider", f"The identity provider said: {came['error']}.")
        person, nonce = self._codes.pop(came.get("code", ""), (None, ""))
        if person is None:
            raise SingleSignOnRefused("code")
        if Secret(nonce) != way.nonce:
            raise SingleSignOnRefused("nonce")
        return person

    def came_back(
        self,
        location: str,
        *,
        email: str = "",
        verified: bool = True,
        subject: str = "",
        name: str = "",
    ) -> str:
        """Somebody proved who they are on the page at ``location``; the query that the browser
        brings back."""
        asked = parse_qs(urlsplit(location).query)
        code = secrets.token_urlsafe(16)
        person = Person(
            issuer=self.issuer,
            subject=subject or email or code,
            email=email,
            email_verified=verified,
            name=name,
        )
        self._codes[code] = person, asked["nonce"][0]
        return urlencode({"code": code, "state": asked["state"][0]})

    def _check(self) -> None:
        if self.down:
            raise ProviderUnavailable
