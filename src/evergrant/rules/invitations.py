"""The letter, the handshake, and what to believe of a callback.

Answers for: accept or refuse, and why, at each step of a consent. Does not answer for: looking
up, spending or storing anything, nor for the words of a page (each refusal has one there).

The way: a letter (days) with a link -> our page -> a handshake (minutes, one browser, one
``state``) -> Amazon's consent page -> back in one of two shapes: at the log-in URI first, or
directly at the callback. Both shapes exist. Sources: Amazon's pages
"website-authorization-workflow" (log-in leg, 10 minutes in all), "renew-authorizations", the
developer guide (parameters, code of 5 minutes), selling-partner-api-models issues 1838 (callback
URI without a host), 2072 and 4119 (log-in leg on website links).

Precedence: what is wrong with the ``state`` comes before anything else, so that a stranger learns
nothing about an account; and nothing is accepted without a live, unspent handshake of the same
browser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Literal
from urllib.parse import unquote, urlsplit

from evergrant.rules.urls import origin_of

__all__ = [
    "HANDSHAKE_LIFE",
    "LETTER_LIFE",
    "REFUSALS",
    "Accept",
    "AccountFacts",
    "CallbackFacts",
    "ConfirmAt",
    "HandshakeFacts",
    "LinkFacts",
    "LoginFacts",
    "Open",
    "Refusal",
    "RefusalNote",
    "Refuse",
    "SendOn",
    "confirmed_application_id",
    "judge_callback",
    "judge_callback_uri",
    "judge_login",
    "judge_open",
]

LETTER_LIFE = timedelta(days=14)
HANDSHAKE_LIFE = timedelta(minutes=10)


class Refusal(StrEnum):
    # the letter
    INVITATION_UNKNOWN = "invitation_unknown"
    INVITATION_EXPIRED = "invitation_expired"
    INVITATION_SPENT = "invitation_spent"
    INVITATION_WITHDRAWN = "invitation_withdrawn"
    ACCOUNT_CLOSED = "account_closed"
    ACCOUNT_MOVED = "account_moved"
    # the state and the browser
    STATE_MISSING = "state_missing"
    STATE_UNKNOWN = "state_unknown"
    STATE_SPENT = "state_spent"
    STATE_EXPIRED = "state_expired"
    OTHER_BROWSER = "other_browser"
    SEVERAL_AT_ONCE = "several_at_once"
    # what Amazon sent
    CODE_MISSING = "code_missing"
    DECLINED = "declined"
    AMAZON_ERROR = "amazon_error"
    SELLING_PARTNER_MISSING = "selling_partner_missing"
    SELLING_PARTNER_CHANGED = "selling_partner_changed"
    CALLBACK_URI_MISSING = "callback_uri_missing"
    CALLBACK_URI_FOREIGN = "callback_uri_foreign"
    CALLBACK_URI_OTHER_APPLICATION = "callback_uri_other_application"
    AMAZON_STATE_MISSING = "amazon_state_missing"
    # whose account it is
    WRONG_SELLING_PARTNER = "wrong_selling_partner"
    ALREADY_CONNECTED = "already_connected"
    # arrivals that Amazon began, without a handshake of ours
    UNKNOWN_SELLING_PARTNER = "unknown_selling_partner"
    PROOF_NEEDED = "proof_needed"
    # after the callback was believed
    CODE_REFUSED = "code_refused"
    APPLICATION_REFUSED = "application_refused"
    AMAZON_UNAVAILABLE = "amazon_unavailable"
    LOST = "lost"


Blame = Literal["partner", "application", "amazon", "caller", "us"]


@dataclass(frozen=True, slots=True)
class RefusalNote:
    """For Dev Support: whose fault it mostly is, what happened, what to do."""

    blame: Blame
    happened: str
    to_do: str


_FRESH = "Send a fresh link."

REFUSALS: Mapping[Refusal, RefusalNote] = MappingProxyType(
    {
        Refusal.INVITATION_UNKNOWN: RefusalNote(
            "partner",
            "Somebody opened a link that was never sent, or was cut by a mail program.",
            "Ask them to copy the whole link, or send a fresh one.",
        ),
        Refusal.INVITATION_EXPIRED: RefusalNote("partner", "The link was too old.", _FRESH),
        Refusal.INVITATION_SPENT: RefusalNote(
            "partner",
            "The link was used before and the account was connected with it.",
            "Nothing, if the account is active. To connect it once more, send a fresh link.",
        ),
        Refusal.INVITATION_WITHDRAWN: RefusalNote(
            "partner",
            "A newer letter replaced this one.",
            "Ask them to use the newest letter, or send a fresh link.",
        ),
        Refusal.ACCOUNT_CLOSED: RefusalNote(
            "us", "The account is closed here.", "Reopen the account, then send a fresh link."
        ),
        Refusal.ACCOUNT_MOVED: RefusalNote(
            "us",
            "Application, region, kind or home marketplace of the account were changed between "
            "the button and Amazon's answer, which belongs to what they were before. Nothing was "
            "stored.",
            "The partner can press the button of the same letter again.",
        ),
        Refusal.STATE_MISSING: RefusalNote(
            "partner",
            "The callback came without a state: not from a link of ours, or started at Amazon.",
            "Send a link. If it happens again, look at the redirect URI registered at Amazon.",
        ),
        Refusal.STATE_UNKNOWN: RefusalNote(
            "caller",
            "The callback carries a state that was never given out: forged, or of another "
            "installation that shares the redirect URI.",
            "Send a fresh link; look whether another installation uses this application.",
        ),
        Refusal.STATE_SPENT: RefusalNote(
            "partner",
            "The callback was opened a second time.",
            "Nothing, if the account is active; otherwise send a fresh link.",
        ),
        Refusal.STATE_EXPIRED: RefusalNote(
            "partner",
            "Consent took longer than ten minutes, which is Amazon's own limit.",
            "The partner can press the button of the same letter again.",
        ),
        Refusal.OTHER_BROWSER: RefusalNote(
            "partner",
            "Consent was begun in one browser and came back in another.",
            "Ask them to stay in one browser window; the same letter still works.",
        ),
        Refusal.SEVERAL_AT_ONCE: RefusalNote(
            "partner",
            "Consent for several accounts was begun in one browser within ten minutes, and "
            "Amazon's call does not say which of them it belongs to.",
            "Ask them to connect one account at a time: close all other windows, wait ten minutes "
            "or use a private window, and press the button of the letter again.",
        ),
        Refusal.CODE_MISSING: RefusalNote(
            "amazon", "Amazon's callback had no authorization code.", _FRESH
        ),
        Refusal.DECLINED: RefusalNote(
            "partner",
            "The partner said no.",
            "Talk with them; the same letter still works if they change their mind.",
        ),
        Refusal.AMAZON_ERROR: RefusalNote(
            "amazon",
            "Amazon's callback carried an error instead of a code.",
            "Look the error up in this report; then send a fresh link.",
        ),
        Refusal.SELLING_PARTNER_MISSING: RefusalNote(
            "amazon", "Amazon's callback did not say which account consented.", _FRESH
        ),
        Refusal.SELLING_PARTNER_CHANGED: RefusalNote(
            "partner",
            "Two different Amazon accounts appeared within one consent.",
            "Ask them to log out of all other Amazon accounts and to press the button again.",
        ),
        Refusal.CALLBACK_URI_MISSING: RefusalNote(
            "amazon", "Amazon's log-in call did not say where to go on.", _FRESH
        ),
        Refusal.CALLBACK_URI_FOREIGN: RefusalNote(
            "caller",
            "A log-in call wanted the browser sent to a place that is not Amazon's.",
            "Somebody may be trying the door. If the host is a new one of Amazon's, add it to "
            "the marketplaces file.",
        ),
        Refusal.CALLBACK_URI_OTHER_APPLICATION: RefusalNote(
            "caller",
            "A log-in call belongs to another application than the consent that was begun.",
            "Look whether two applications share one log-in URI, then send a fresh link.",
        ),
        Refusal.AMAZON_STATE_MISSING: RefusalNote(
            "amazon", "Amazon's log-in call came without its amazon_state.", _FRESH
        ),
        Refusal.WRONG_SELLING_PARTNER: RefusalNote(
            "partner",
            "Another Amazon account consented than the one that belongs here. Nothing was stored.",
            "Ask them to log out of Amazon and sign in with the right account. If the account "
            "itself is wrong here, correct its merchant token.",
        ),
        Refusal.ALREADY_CONNECTED: RefusalNote(
            "us",
            "This Amazon account is connected already, under another account of this application "
            "and region. Nothing was stored.",
            "Use the other account, or close it first.",
        ),
        Refusal.UNKNOWN_SELLING_PARTNER: RefusalNote(
            "partner",
            "Somebody came from Amazon's own pages, and no account here has that id.",
            "Add the account and send a link. If its refresh token was pasted without that id, the "
            "account is here already: send the link of that one.",
        ),
        Refusal.PROOF_NEEDED: RefusalNote(
            "partner",
            "Somebody came from Amazon's own pages (Re-authorize). The id in that address proves "
            "nothing, so a fresh link went to the e-mail address on file.",
            "Nothing. If the mail does not arrive, check the client e-mail.",
        ),
        Refusal.CODE_REFUSED: RefusalNote(
            "amazon",
            "Amazon refused the authorization code: five minutes over, used, or of another client.",
            "Send a fresh link. If it happens again, compare LWA client id and application id.",
        ),
        Refusal.APPLICATION_REFUSED: RefusalNote(
            "application",
            "Amazon refused the application's own credentials while exchanging the code.",
            "Correct the application's LWA client id and client secret, then send a fresh link.",
        ),
        Refusal.AMAZON_UNAVAILABLE: RefusalNote(
            "amazon", "Amazon did not answer while the code was exchanged.", _FRESH
        ),
        Refusal.LOST: RefusalNote(
            "us",
            "The consent was believed, but its result was never stored: the process ended in "
            "between.",
            "A fresh link is ready; send it to the partner with an excuse.",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Refuse:
    reason: Refusal


# --- the letter -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """What is known of the invitation behind a link."""

    spent: bool
    withdrawn: bool
    expires_at: datetime
    account_closed: bool


@dataclass(frozen=True, slots=True)
class Open:
    """The letter may be shown, and a handshake begun."""


def judge_open(letter: LinkFacts, now: datetime) -> Open | Refuse:
    """Whether the letter still opens. (A link that no letter has is INVITATION_UNKNOWN.)"""
    if letter.account_closed:
        return Refuse(Refusal.ACCOUNT_CLOSED)
    if letter.spent:
        return Refuse(Refusal.INVITATION_SPENT)
    if letter.withdrawn:
        return Refuse(Refusal.INVITATION_WITHDRAWN)
    if now >= letter.expires_at:
        return Refuse(Refusal.INVITATION_EXPIRED)
    return Open()


# --- the handshake --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeFacts:
    """What is known of the attempt that a ``state`` or a cookie names."""

    expires_at: datetime
    spent: bool  # its callback was believed once, whatever came of it
    same_browser: bool  # the cookie of the browser that began it came along
    amazon_application_id: str
    consent_origin: str
    selling_partner_id: str = ""  # as the log-in leg reported it
    account_moved: bool = False  # it belongs to another application or consent host by now


def _judge_handshake(handshake: HandshakeFacts | None, now: datetime) -> Refuse | None:
    if handshake is None:
        return Refuse(Refusal.STATE_UNKNOWN)
    if not handshake.same_browser:
        return Refuse(Refusal.OTHER_BROWSER)
    if handshake.spent:
        return Refuse(Refusal.STATE_SPENT)
    if now >= handshake.expires_at:
        return Refuse(Refusal.STATE_EXPIRED)
    if handshake.account_moved:
        return Refuse(Refusal.ACCOUNT_MOVED)
    return None


# --- the log-in leg -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFacts:
    """Amazon's call to our log-in URI. ``amazon_callback_uri`` is decoded once, as a query
    parser does; ``amazon_state_present`` because its bytes are nobody's business here."""

    amazon_callback_uri: str
    amazon_state_present: bool
    selling_partner_id: str


@dataclass(frozen=True, slots=True)
class SendOn:
    """Send the browser to ``url``, with Amazon's state and ours added."""

    url: str


def judge_login(
    login: LoginFacts,
    handshake: HandshakeFacts | None,
    central_origins: frozenset[str],
    now: datetime,
) -> SendOn | Refuse:
    """What to do with a browser that comes from Amazon in the middle of a handshake. None: the
    browser brought no cookie of ours."""
    refused = _judge_handshake(handshake, now)
    if refused is not None or handshake is None:
        return refused or Refuse(Refusal.STATE_UNKNOWN)
    if not login.amazon_callback_uri:
        return Refuse(Refusal.CALLBACK_URI_MISSING)
    confirm = judge_callback_uri(
        login.amazon_callback_uri, central_origins, handshake.consent_origin
    )
    if isinstance(confirm, Refuse):
        return confirm
    if confirm.application_id not in {"", handshake.amazon_application_id}:
        return Refuse(Refusal.CALLBACK_URI_OTHER_APPLICATION)
    if not login.amazon_state_present:
        return Refuse(Refusal.AMAZON_STATE_MISSING)
    return SendOn(confirm.url)


@dataclass(frozen=True, slots=True)
class ConfirmAt:
    """A page of Amazon's where the browser may go. ``application_id`` as the path names it, ""
    if it names none."""

    url: str
    application_id: str


# What an honest amazon_callback_uri consists of. Everything that URL parsers disagree about
# (backslashes, controls, blanks, non-ASCII, braces) stays out.
_HONEST = re.compile(r"[A-Za-z0-9\-._~:/?&=%+,;@!$'()*\[\]]+")
_CONFIRM_PATH = re.compile(r"/apps/authorize/confirm/(?P<application_id>[A-Za-z0-9.\-]+)/?")


def judge_callback_uri(
    text: str, central_origins: frozenset[str], fallback_origin: str
) -> ConfirmAt | Refuse:
    """The guard of the open door: ``text`` must be a page on an origin of Amazon's central hosts,
    compared as a whole (scheme, host, port), or a bare path, which is resolved against the host
    where the person was sent. Anything else is foreign, whatever it looks like."""
    foreign = Refuse(Refusal.CALLBACK_URI_FOREIGN)
    if len(text) > 2000 or not _HONEST.fullmatch(text):
        return foreign
    if text.startswith("/"):
        # A browser reads "//host" as a host of its own.
        if text.startswith("//") or fallback_origin not in central_origins:
            return foreign
        text = f"{fallback_origin}{text}"
    try:
        parts = urlsplit(text)
        origin = origin_of(parts)
    except ValueError:
        return foreign
    if "@" in parts.netloc or "%" in parts.netloc or origin not in central_origins:
        return foreign
    # Dots and slashes in disguise would lead to another page of the host than the one we judged.
    path = unquote(parts.path)
    if not path.startswith("/apps/authorize/") or ".." in path or "\\" in path or "//" in path:
        return foreign
    if "%2f" in parts.path.lower() or "%25" in parts.path:
        return foreign
    return ConfirmAt(text, confirmed_application_id(text) or "")


def confirmed_application_id(url: str) -> str | None:
    """The application that ``…/apps/authorize/confirm/<application_id>`` names."""
    match = _CONFIRM_PATH.fullmatch(urlsplit(url).path)
    return match["application_id"] if match else None


# --- the callback ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFacts:
    """Amazon's call to our redirect URI. ``error`` is documented nowhere, but costs nothing."""

    state_present: bool
    code_present: bool
    selling_partner_id: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What the account says of who must consent. Empty: not known yet."""

    closed: bool
    merchant_token: str  # as an operator typed it; sellers only
    selling_partner_id: str  # of the grants that this account had before
    # The account, if another one, that holds the consenting selling partner already.
    held_by_other: bool


@dataclass(frozen=True, slots=True)
class Accept:
    """Spend the handshake, then exchange the code."""


def judge_callback(
    callback: CallbackFacts,
    handshake: HandshakeFacts | None,
    account: AccountFacts | None,
    now: datetime,
) -> Accept | Refuse:
    """Whether a callback may be believed. ``handshake`` is what its ``state`` names, ``account``
    what the handshake belongs to (None when there is no handshake)."""
    if not callback.state_present:
        return Refuse(Refusal.STATE_MISSING)
    refused = _judge_handshake(handshake, now)
    if refused is not None or handshake is None or account is None:
        return refused or Refuse(Refusal.STATE_UNKNOWN)
    if callback.error:
        declined = callback.error == "access_denied"
        return Refuse(Refusal.DECLINED if declined else Refusal.AMAZON_ERROR)
    if not callback.code_present:
        return Refuse(Refusal.CODE_MISSING)
    if account.closed:
        return Refuse(Refusal.ACCOUNT_CLOSED)
    return _judge_identity(callback.selling_partner_id, handshake, account)


def _judge_identity(
    selling_partner_id: str, handshake: HandshakeFacts, account: AccountFacts
) -> Accept | Refuse:
    if not selling_partner_id:
        return Refuse(Refusal.SELLING_PARTNER_MISSING)
    if handshake.selling_partner_id not in {"", selling_partner_id}:
        return Refuse(Refusal.SELLING_PARTNER_CHANGED)
    if account.merchant_token not in {"", selling_partner_id}:
        return Refuse(Refusal.WRONG_SELLING_PARTNER)
    if account.selling_partner_id not in {"", selling_partner_id}:
        return Refuse(Refusal.WRONG_SELLING_PARTNER)
    if account.held_by_other:
        return Refuse(Refusal.ALREADY_CONNECTED)
    return Accept()
