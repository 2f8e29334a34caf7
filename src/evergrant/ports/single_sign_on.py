"""The identity provider's socket: operators prove who they are somewhere else (OpenID Connect).

Answers for: the two ends of one such way: the address that the browser is sent to, and who came
back. Does not answer for: who of them is an operator (the lodge), or for what the browser keeps in
between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from evergrant.rules.secrecy import Secret

__all__ = ["Person", "SignOnWay", "SingleSignOn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOnWay:
    """What one way there and back is bound to. ``state`` comes back in the address, ``nonce`` in
    what the provider signs, ``verifier`` (RFC 7636) goes with the code and never through the
    browser."""

    state: Secret
    nonce: Secret
    verifier: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom the provider vouches for. ``subject`` names the person at ``issuer`` for good; an
    address is worth something only when the provider says that it verified it."""

    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False
    name: str = ""


class SingleSignOn(Protocol):
    """Raises errors.ProviderUnavailable when the provider does not answer or answers nonsense."""

    async def location(self, way: SignOnWay) -> str:
        """Where the browser goes: the provider's page, with PKCE (S256)."""
        ...

    async def person(self, query: str, way: SignOnWay) -> Person:
        """Who came back with this query. The code is exchanged, and the ID token's signature,
        issuer, audience, end and nonce are checked.

        Raises errors.SingleSignOnRefused for another ``state``, an error of the provider, or an ID
        token that is not to be believed.
        """
        ...
