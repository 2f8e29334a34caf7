"""The guided first start: from nothing to the first connected account.

Answers for: gathering how far the house is, one page with one button for each step, and the card on
the overview until it is done or put away. Does not answer for: which step is next (``rules``), or
for what the buttons lead to; other pages do the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.errors import AmazonError, ApplicationError, Conflict, NotFound, OurError
from evergrant.ports.store import Transaction
from evergrant.ports.things import Account, Authorization, InvitationState
from evergrant.registry import NewInstance
from evergrant.rules import set_up as rules
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import Right
from evergrant.rules.set_up import HouseFacts, HouseNeed, SetUp, SetUpFacts, SetUpStage
from evergrant.settings import Settings

__all__ = ["DOORS", "TITLES", "card"]

HERE = "/console/set-up"
#: In the browser of whoever put the card away.
AWAY = "evergrant_set_up_away"
_AWAY_S = 365 * 86400
_OF_AMAZON = ".amazon.com"
#: Of so many things the one that is furthest is looked for. A house that has more is set up.
_LOOKED_THROUGH = 50
_OUR_SOFTWARE = "Our software"
#: The ports of `amazon-emulator serve`, unless it is told others.
_EMULATED = {
    "lwa_url": "http://127.0.0.1:9100/auth/o2/token",
    "all_seller_central": "http://127.0.0.1:9101",
    "all_vendor_central": "http://127.0.0.1:9102",
    "regions": {
        "na": {"endpoint": "http://127.0.0.1:9103"},
        "eu": {"endpoint": "http://127.0.0.1:9104"},
        "fe": {"endpoint": "http://127.0.0.1:9105"},
    },
}
_LOCAL = ("127.", "localhost", "[::1]")


async def show(asked: Asked) -> Response:
    facts = await _facts(asked)
    return asked.page("set_up/set_up.html", **_told(asked, facts))


def _told(asked: Asked, facts: SetUpFacts) -> dict[str, Any]:
    settings = asked.settings
    return {
        "facts": facts,
        "set_up": rules.set_up(facts),
        "titles": TITLES,
        "needs": _needs(settings),
        "lwa_url": settings.marketplaces.lwa_url,
        "emulated": _EMULATED,
        "login_uri": settings.login_uri,
        "redirect_uri": settings.redirect_uri,
        "our_software": _OUR_SOFTWARE,
        "may_manage": asked.may(Right.MANAGE),
        "may_write": asked.may(Right.WRITE),
        "may_audit": asked.may(Right.AUDIT),
    }


TITLES = {
    SetUpStage.HOUSE: "Say who you are",
    SetUpStage.APPLICATION: "Register your application",
    SetUpStage.CREDENTIALS: "Enter its credentials",
    SetUpStage.INSTANCE: "Name the software that uses it",
    SetUpStage.ACCOUNT: "Add the first account and send its link",
    SetUpStage.CONSENT: "The selling partner gives consent",
}


def _needs(settings: Settings) -> Sequence[tuple[HouseNeed, str, str, str]]:
    """What a house says of itself: words, what is in force, and the line that sets it."""
    relay = "a mail relay" if settings.smtp_url else "none: the development mailbox"
    return (
        (HouseNeed.NAME, "Name", settings.house_name, 'EVERGRANT_HOUSE_NAME="Your House"'),
        (
            HouseNeed.SUPPORT,
            "Support address",
            settings.support_email,
            "EVERGRANT_SUPPORT_EMAIL=support@your-house.example",
        ),
        (
            HouseNeed.ADDRESS,
            "Public address",
            settings.public_url,
            "EVERGRANT_PUBLIC_URL=https://connect.your-house.example",
        ),
        (
            HouseNeed.MAIL,
            "Mail",
            relay,
            "EVERGRANT_SMTP_URL=smtp://user:password@mail.your-house.example:587?starttls=1",
        ),
    )


# --- what is there --------------------------------------------------------------------------------


async def card(asked: Asked) -> SetUp | None:
    """For the overview. None: it is done, or was put away in this browser."""
    if AWAY in asked.request.cookies:
        return None
    async with asked.desk.store.transaction() as tx:
        if await tx.authorizations.all(state=State.ACTIVE, limit=1):
            return None
    found = rules.set_up(await _facts(asked))
    return None if found.is_over else found


async def _facts(asked: Asked) -> SetUpFacts:
    desk, by, settings = asked.desk, asked.caller, asked.settings
    applications = await desk.registry.applications(by=by, limit=_LOOKED_THROUGH)
    instances = await desk.registry.instances(by=by, limit=1)
    async with desk.store.transaction() as tx:
        own = await tx.credentials.all(id=[one.id for one in applications])
        connecting = await _connecting(tx)
    secrets = {one.id: one for one in own if one.secret_set}
    candidates = [
        rules.FurthestApplication(
            id=one.id,
            name=one.name,
            kind=one.kind,
            added_at=one.created_at,
            secret_set_at=secrets[one.id].changed_at if one.id in secrets else None,
            trouble=secrets[one.id].trouble if one.id in secrets else "",
        )
        for one in applications
    ]
    return SetUpFacts(
        house=_house(settings),
        is_emulated=not (urlsplit(settings.marketplaces.lwa_url).hostname or "").endswith(
            _OF_AMAZON
        ),
        application=max(
            candidates,
            key=lambda one: (one.secret_set_at is not None, not one.trouble),
            default=None,
        ),
        instance_at=instances[0].created_at if instances else None,
        connecting=connecting,
    )


def _house(settings: Settings) -> HouseFacts:
    sources = {one.name: one.source for one in settings.shown}
    address = urlsplit(settings.public_url)
    return HouseFacts(
        is_named=sources.get("EVERGRANT_HOUSE_NAME", "default") != "default",
        is_answering=sources.get("EVERGRANT_SUPPORT_EMAIL", "default") != "default",
        is_reachable=address.scheme == "https" and not address.netloc.startswith(_LOCAL),
        has_relay=not settings.development,
    )


async def _connecting(tx: Transaction) -> rules.Connecting | None:
    """The first account that is connected; else the first whose link was made; else the first."""
    connected = await tx.authorizations.all(state=State.ACTIVE, limit=1)
    if connected:
        account = await tx.accounts.get(connected[0].account_id)
        return None if account is None else await _account(tx, account, connected[0])
    accounts = await tx.accounts.all(limit=_LOOKED_THROUGH)
    chosen = min(accounts, key=lambda one: (not one.oauth_began, one.created_at), default=None)
    if chosen is None:
        return None
    return await _account(tx, chosen, await tx.authorizations.one(account_id=chosen.id))


async def _account(
    tx: Transaction, account: Account, authorization: Authorization | None
) -> rules.Connecting:
    """Of a link that was withdrawn nobody can be expected to make use."""
    is_connected = authorization is not None and authorization.state is State.ACTIVE
    letters = await tx.invitations.all(account_id=account.id, newest_first=True, limit=1)
    asked_at = account.oauth_began_at
    if letters and not is_connected:
        is_open = letters[0].state is not InvitationState.WITHDRAWN
        asked_at = letters[0].created_at if is_open else None
    return rules.Connecting(
        id=account.id,
        name=account.name,
        email=account.client_email,
        added_at=account.created_at,
        asked_at=asked_at,
        is_connected=is_connected,
        granted_at=authorization.granted_at if authorization else None,
    )


# --- what is done here ----------------------------------------------------------------------------


async def add_instance(asked: Asked) -> Response:
    """One without any address: enough to connect accounts. Pressed twice it is made once."""
    if await asked.desk.registry.instances(by=asked.caller, limit=1):
        return asked.back(HERE, "There is a client instance already.")
    try:
        await asked.desk.registry.add_instance(NewInstance(name=_OUR_SOFTWARE), by=asked.caller)
    except Conflict:
        return asked.back(HERE, "There is a client instance already.")
    return asked.back(HERE, f"“{_OUR_SOFTWARE}” is added. It can get a webhook at any time.")


async def verify(asked: Asked) -> Response:
    application = (await _facts(asked)).application
    if application is None:
        raise NotFound("There is no application yet.", hint="Add it first.")
    try:
        verified = await asked.desk.rotations.verify(application.id, by=asked.caller)
    except (ApplicationError, AmazonError, OurError) as error:
        words = " ".join(part for part in (error.message, error.hint) if part)
        return asked.back(HERE, words, "bad")
    if verified.taken:
        return asked.back(HERE, "Amazon accepts client id and client secret.")
    if verified.about_scope:
        words = "Amazon knows the client. Whether the secret is right shows with the first account."
        return asked.back(HERE, words)
    return asked.back(HERE, f"Amazon refuses them: {verified.words}.", "bad")


async def put_away(asked: Asked) -> Response:
    """From the overview of this browser; the page stays where it is."""
    response = asked.back("/console", f"Put away. The set-up stays at {HERE}.")
    response.set_cookie(
        AWAY,
        "1",
        max_age=_AWAY_S,
        path="/console",
        secure=asked.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )
    return response


DOORS = (
    Door("GET", HERE, show, Right.READ),
    Door("POST", f"{HERE}/instance", add_instance, Right.MANAGE),
    Door("POST", f"{HERE}/verify", verify, Right.MANAGE),
    Door("POST", f"{HERE}/away", put_away, Right.READ),
)
