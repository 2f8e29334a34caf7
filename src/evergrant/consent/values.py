"""What the reception hands out: frozen values, named after their errand.

Answers for: their fields. Does not answer for: words on a page or in a letter; those are chosen
by the doors and the print shop from these facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.secrecy import Secret

__all__ = ["Arrived", "Departure", "LetterFacts", "NeedsProof", "Onward", "Opened", "TroubleTold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An invitation as the landing page shows it. Nothing was spent."""

    invitation_id: str
    account_id: str
    account_name: str
    partner_kind: PartnerKind
    language: str  # of the account; the visitor may choose another one
    application_name: str
    central_host: str  # host of the consent page, e.g. "sellercentral-europe.amazon.com"
    renewal: bool  # this account was authorized before
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Off to Amazon: send the browser to ``location`` (303) and set the cookie.

    ``browser`` is the cookie's value: HttpOnly, Secure on https, SameSite=Lax (Amazon sends the
    browser back by a top-level GET), Path=/, Max-Age ``cookie_life_s``. It must never be logged.
    """

    location: Secret = field(repr=False)  # holds our OAuth state
    browser: Secret = field(repr=False)
    cookie_life_s: int
    handshake_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """Log-in leg accepted: send the browser on (303) to Amazon's ``location``."""

    location: Secret = field(repr=False)  # holds our OAuth state
    handshake_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsProof:
    """Somebody came to the log-in URI without having begun here: Amazon's own "Re-authorize", or
    a stranger with a made-up shop. If the shop is a known one, a fresh letter went to the address
    on file. The page (200, no cookie, no location) is the same in both cases and names nobody:
    "if this account works with us, a letter is on its way to the address we have, or came today;
    otherwise tell support this number"."""

    reference: str
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Back from Amazon. The door redirects (303) to a page of its own that carries only
    ``handshake_id``, so that code and state leave the address bar, and shows there what
    `Consent.outcome` says.

    ``connected`` False: another request of this browser is still exchanging the code; show the
    waiting page and ask `Consent.outcome` again in some seconds.
    """

    handshake_id: str
    account_id: str
    account_name: str
    partner_kind: PartnerKind
    language: str
    connected: bool
    renewal: bool = False
    marketplaces: tuple[str, ...] = ()  # names, where Amazon said that the account participates
    finding: str = ""  # what the first look at the account found; empty when all is well
    return_url: str | None = None  # of the client instance


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFacts:
    """What `evergrant.letters.render(topic, language, facts)` wants, instants as datetimes. The
    post room adds ``link=link.reveal()`` where there is one, at the last moment."""

    facts: Mapping[str, Any]
    link: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleTold:
    """What the partner saw on Amazon's own page was written down.

    ``code`` is one of ``rules.amazon_errors.PAGE_ERRORS``, or empty when it is none of them.
    """

    reference: str
    code: str
    language: str
