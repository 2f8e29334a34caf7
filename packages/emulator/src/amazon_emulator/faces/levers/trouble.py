"""Levers that move time and end what was granted, and the habits of the emulator.

Failing modes are in `failing`, the history of what was asked in `asked`; this table has them all.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, get_args

from amazon_emulator.clock import read_instant, stamp
from amazon_emulator.faces.levers import asked, failing
from amazon_emulator.faces.levers.making import application_of, grant_view, partner_of
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.marketplaces import REGIONS, Region
from amazon_emulator.stage import LoginLeg, Stage
from amazon_emulator.world import Grant

__all__ = [
    "LEVERS",
    "advance_clock",
    "change_habits",
    "chosen_grants",
    "clock",
    "expire",
    "habits",
    "login_leg",
    "reinstate",
    "reset",
    "revoke",
    "set_clock",
]

LEG_MODES: tuple[LoginLeg, ...] = get_args(LoginLeg)


# --- clock ----------------------------------------------------------------------------------------


def clock(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The emulator's time."""
    return {"now": stamp(stage.clock.now()), "offset_seconds": stage.clock.offset_seconds}


def set_clock(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Sets the time {now: ISO 8601 with offset}; it goes on from there."""
    text = wish.text("now")
    wish.done()
    try:
        stage.clock.set(read_instant(text))
    except ValueError as error:
        raise WrongWish(str(error)) from None
    return clock(stage, wish)


def advance_clock(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Moves the time {seconds}; may be negative."""
    seconds = wish.number("seconds")
    wish.done()
    try:
        stage.clock.advance(seconds)
    except (ValueError, OverflowError):
        raise WrongWish("the clock goes at most 200 years from the present") from None
    return clock(stage, wish)


# --- grants, codes, tokens, secrets ---------------------------------------------------------------


def chosen_grants(stage: Stage, wish: Wish) -> list[Grant]:
    """Those of a partner, narrowed by application_id and region where given."""
    partner = partner_of(stage, wish.text("selling_partner_id"))
    application_id = wish.maybe("application_id")
    application = application_of(stage, application_id) if application_id else None
    region: Region | None = wish.choice("region", (*REGIONS, None), None)
    return [
        grant
        for grant in stage.world.grants.values()
        if grant.partner is partner
        and application in (None, grant.application)
        and region in (None, grant.region)
    ]


def revoke(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The partner disables the authorization {selling_partner_id, application_id?, region?}: its
    refresh and access tokens stop working."""
    chosen = chosen_grants(stage, wish)
    wish.done()
    now = stage.clock.now()
    for grant in chosen:
        grant.revoked_at = grant.revoked_at or now
    return {"count": len(chosen), "items": [grant_view(grant) for grant in chosen]}


def reinstate(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Takes a revocation or an end of term back {selling_partner_id, application_id?, region?}: the
    same refresh tokens work for another year."""
    chosen = chosen_grants(stage, wish)
    wish.done()
    for grant in chosen:
        grant.revoked_at = None
        stage.world.renew(grant, stage.clock.now())
    return {"count": len(chosen), "items": [grant_view(grant) for grant in chosen]}


def expire(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Ends something now {what: grant|code|access_token, selling_partner_id, application_id?,
    region?} or {what: secret|previous_secret, application_id}."""
    what = wish.choice("what", ("grant", "code", "access_token", "secret", "previous_secret"))
    now = stage.clock.now()
    if what in ("secret", "previous_secret"):
        application = application_of(stage, wish.text("application_id"))
        wish.done()
        ending = application.secrets[:1] if what == "secret" else application.secrets[1:]
        for secret in ending:
            secret.ends_at = min(secret.ends_at, now)
        return {"count": len(ending)}
    chosen = chosen_grants(stage, wish)
    wish.done()
    if what == "grant":
        for grant in chosen:
            grant.ends_at = now
        return {"count": len(chosen)}
    of_them = {id(grant) for grant in chosen}
    count = 0
    for thing in (
        stage.world.codes.values() if what == "code" else stage.world.access_tokens.values()
    ):
        if thing.grant is not None and id(thing.grant) in of_them and thing.ends_at > now:
            thing.ends_at = now
            count += 1
    return {"count": count}


# --- habits ---------------------------------------------------------------------------------------


def login_leg(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Which shape a consent takes {mode: always|never|unlinked|alternate, selling_partner_id?,
    application_id?}: with or without the leg to the log-in URI."""
    mode: LoginLeg = wish.choice("mode", LEG_MODES)
    partner_id, application_id = wish.maybe("selling_partner_id"), wish.maybe("application_id")
    wish.done()
    if partner_id is not None:
        partner_of(stage, partner_id)
    if application_id is not None:
        application_id = application_of(stage, application_id).application_id
    if partner_id is None and application_id is None:
        stage.habits.login_leg = mode
        stage.habits.login_leg_for.clear()
    else:
        stage.habits.login_leg_for[partner_id, application_id] = mode
    return habits(stage, wish)


def habits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """How the emulator behaves where Amazon is known to behave in several ways."""
    said = asdict(stage.habits)
    said["login_leg_for"] = [
        {"selling_partner_id": pair[0], "application_id": pair[1], "mode": mode}
        for pair, mode in stage.habits.login_leg_for.items()
    ]
    return said


def change_habits(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes habits: any of gentle, login_leg, callback_uri_as_path, amazon_state (plain|utf8|
    bytes), vendors_need_beta, renewal_refresh_token (new|same), renewal_kills_old."""
    now = stage.habits
    changed = replace(
        now,
        gentle=wish.truth("gentle", now.gentle),
        login_leg=wish.choice("login_leg", LEG_MODES, now.login_leg),
        callback_uri_as_path=wish.truth("callback_uri_as_path", now.callback_uri_as_path),
        amazon_state=wish.choice("amazon_state", ("plain", "utf8", "bytes"), now.amazon_state),
        vendors_need_beta=wish.truth("vendors_need_beta", now.vendors_need_beta),
        renewal_refresh_token=wish.choice(
            "renewal_refresh_token", ("new", "same"), now.renewal_refresh_token
        ),
        renewal_kills_old=wish.truth("renewal_kills_old", now.renewal_kills_old),
    )
    wish.done()
    stage.habits = changed
    return habits(stage, wish)


# --- all of it -----------------------------------------------------------------------------------


def reset(stage: Stage, wish: Wish) -> dict[str, Any]:
    """As freshly started: empty world, real time, fair weather, no history."""
    wish.done()
    stage.reset()
    return {"reset": True}


LEVERS = (
    ("GET", "/clock", clock),
    ("POST", "/clock", set_clock),
    ("POST", "/clock/advance", advance_clock),
    ("POST", "/revoke", revoke),
    ("POST", "/reinstate", reinstate),
    ("POST", "/expire", expire),
    ("POST", "/login-leg", login_leg),
    ("GET", "/habits", habits),
    ("PATCH", "/habits", change_habits),
    *failing.LEVERS,
    *asked.LEVERS,
    ("POST", "/reset", reset),
)
