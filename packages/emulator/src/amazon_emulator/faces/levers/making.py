"""Levers that make and change the world: applications, partners, grants, participations."""

from __future__ import annotations

import re
import unicodedata
from copy import copy
from datetime import datetime
from typing import Any, get_args

from amazon_emulator import instants, issuing, marketplaces, safety
from amazon_emulator.clock import stamp
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.marketplaces import REGIONS, Marketplace, Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.vendors.retail import VendorRetail
from amazon_emulator.world import (
    Application,
    Grant,
    Kind,
    Participation,
    Partner,
    Status,
)

__all__ = [
    "LEVERS",
    "add_access_token",
    "add_application",
    "add_grant",
    "add_partner",
    "adding",
    "application_of",
    "application_view",
    "applications",
    "change",
    "change_application",
    "change_participation",
    "change_partner",
    "change_person",
    "checked_uri",
    "grant_view",
    "grants",
    "instant",
    "participations",
    "partner_of",
    "partner_view",
    "partners",
    "refuse_real",
    "remove_participation",
    "rotate_secret",
    "slug",
    "store",
]

KINDS: tuple[Kind, ...] = get_args(Kind)
STATUSES: tuple[Status, ...] = get_args(Status)


# --- applications ---------------------------------------------------------------------------------


def add_application(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Registers an application {name, status?, login_uri?, redirect_uris?, partner_kinds?, roles?,
    scopes?, consent_limit?} and issues its ids and first client secret."""
    now = stage.clock.now()
    application = Application(
        name=wish.text("name", "Emulated application"),
        application_id=wish.maybe("application_id") or issuing.application_id(),
        lwa_client_id=wish.maybe("lwa_client_id") or issuing.client_id(),
        secrets=[],
    )
    refuse_real(application.lwa_client_id)
    change(application, wish)
    wish.done()
    issued = application.rotate(now)
    adding(stage.world.add_application, application)
    return {
        **application_view(application),
        "lwa_client_secret": issued.value,
    }


def applications(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All applications, without secrets."""
    return {"items": [application_view(known) for known in stage.world.applications.values()]}


def change_application(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes an application: any of name, status, login_uri, redirect_uris, partner_kinds, roles,
    scopes, consent_limit."""
    application = application_of(stage, wish.path["application_id"])
    changed = copy(application)
    if wish.has("name"):
        changed.name = wish.text("name")
    change(changed, wish)
    wish.done()
    vars(application).update(vars(changed))
    return application_view(application)


def rotate_secret(stage: Stage, wish: Wish) -> dict[str, Any]:
    """A new client secret for 180 days; the one before works for 7 more days."""
    application = application_of(stage, wish.path["application_id"])
    wish.done()
    issued = application.rotate(stage.clock.now())
    return {**application_view(application), "lwa_client_secret": issued.value}


def change(application: Application, wish: Wish) -> None:
    if wish.has("status"):
        application.status = wish.choice("status", STATUSES)
    if wish.has("login_uri"):
        uri = wish.maybe("login_uri")
        application.login_uri = None if uri is None else checked_uri("login_uri", uri)
    if wish.has("redirect_uris"):
        application.redirect_uris = [
            checked_uri("redirect_uris", uri) for uri in wish.texts("redirect_uris")
        ]
    if wish.has("partner_kinds"):
        wished = wish.texts("partner_kinds")
        if not wished or not set(wished) <= set(KINDS):
            raise WrongWish("'partner_kinds' must hold seller, vendor or both")
        application.partner_kinds = tuple(kind for kind in KINDS if kind in wished)
    if wish.has("roles"):
        application.roles = wish.texts("roles")
    if wish.has("scopes"):
        application.scopes = tuple(wish.texts("scopes"))
    if wish.has("consent_limit"):
        application.consent_limit = wish.count("consent_limit")


def checked_uri(name: str, uri: str) -> str:
    try:
        return safety.checked_address(name, uri)
    except ValueError as error:
        raise WrongWish(str(error)) from None


def application_view(application: Application) -> dict[str, Any]:
    return {
        "name": application.name,
        "status": application.status,
        "application_id": application.application_id,
        "lwa_client_id": application.lwa_client_id,
        "login_uri": application.login_uri,
        "redirect_uris": application.redirect_uris,
        "partner_kinds": list(application.partner_kinds),
        "roles": application.roles,
        "scopes": list(application.scopes),
        "consent_limit": application.consent_limit,
        "secret_ends_at": [stamp(secret.ends_at) for secret in application.secrets],
    }


# --- partners -------------------------------------------------------------------------------------


def add_partner(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Makes a selling partner {kind, name?, home?, marketplaces?, vendor_codes?, email?, password?,
    selling_partner_id?, primary_user?, deactivated?, consent_error?, business_type?,
    selling_plan?}; gives what it signs in with."""
    kind = wish.choice("kind", KINDS)
    number = stage.world.next_number()
    name = wish.text("name", f"{kind.title()} {number}")
    home = store(wish.text("home", "DE"))
    if home.region is None:
        raise WrongWish(f"{home.id} belongs to no region and cannot be a home")
    partner = Partner(
        kind=kind,
        name=name,
        selling_partner_id=wish.maybe("selling_partner_id")
        or (issuing.merchant_token(number) if kind == "seller" else issuing.vendor_group(number)),
        email=wish.maybe("email") or f"{slug(name)}-{number}@partner.example",
        password=wish.maybe("password") or issuing.password(),
        home=home,
    )
    if kind == "seller":
        wished = wish.raw("marketplaces", None)
        partner.participations = participations(wished, home, name)
    else:
        partner.vendor_codes = wish.texts("vendor_codes", [issuing.vendor_code(number)])
    change_person(partner, wish)
    wish.done()
    adding(stage.world.add_partner, partner)
    if kind == "vendor":
        stage.of(VendorRetail).stock(partner, stage.clock.now())
    return {**partner_view(partner), "password": partner.password}


def partners(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All selling partners, without passwords."""
    return {"items": [partner_view(known) for known in stage.world.partners.values()]}


def change_partner(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes a partner: any of name, primary_user, deactivated, consent_error, business_type,
    selling_plan, marketplaces (seller) or vendor_codes (vendor)."""
    partner = partner_of(stage, wish.path["selling_partner_id"])
    changed = copy(partner)
    if wish.has("name"):
        changed.name = wish.text("name")
    if partner.kind == "seller" and wish.has("marketplaces"):
        changed.participations = participations(
            wish.raw("marketplaces"), partner.home, changed.name
        )
    if partner.kind == "vendor" and wish.has("vendor_codes"):
        changed.vendor_codes = wish.texts("vendor_codes")
        stage.of(VendorRetail).stock(changed, stage.clock.now())
    change_person(changed, wish)
    wish.done()
    vars(partner).update(vars(changed))
    return partner_view(partner)


def change_participation(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes or adds one marketplace of a seller {participating?, suspended?, store_name?}."""
    partner = partner_of(stage, wish.path["selling_partner_id"])
    place = store(wish.path["marketplace"])
    if partner.kind != "seller":
        raise WrongWish("vendors have no marketplace participations")
    row = next((row for row in partner.participations if row.marketplace == place), None)
    if row is None:
        row = Participation(place, store_name=partner.name)
    changed = Participation(
        place,
        wish.truth("participating", row.participating),
        wish.truth("suspended", row.suspended_listings),
        wish.text("store_name", row.store_name),
    )
    wish.done()
    others = [other for other in partner.participations if other.marketplace != place]
    partner.participations = [*others, changed]
    return partner_view(partner)


def remove_participation(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Takes one marketplace away from a seller."""
    partner = partner_of(stage, wish.path["selling_partner_id"])
    place = store(wish.path["marketplace"])
    partner.participations = [row for row in partner.participations if row.marketplace != place]
    return partner_view(partner)


def change_person(partner: Partner, wish: Wish) -> None:
    partner.primary_user = wish.truth("primary_user", partner.primary_user)
    partner.deactivated = wish.truth("deactivated", partner.deactivated)
    partner.selling_plan = wish.choice(
        "selling_plan", ("PROFESSIONAL", "INDIVIDUAL"), partner.selling_plan
    )
    partner.business_type = wish.text("business_type", partner.business_type)
    if wish.has("consent_error"):
        partner.consent_error = wish.maybe("consent_error")


def participations(wished: Any, home: Marketplace, name: str) -> list[Participation]:
    """From country codes or ids, or from objects {marketplace, participating?, suspended?,
    store_name?}."""
    if wished is None:
        return [Participation(place, store_name=name) for place in marketplaces.usual_for(home)]
    if not isinstance(wished, list):
        raise WrongWish("'marketplaces' must be a list of country codes, ids or objects")
    rows = []
    for entry in wished:
        one = Wish({"marketplace": entry} if isinstance(entry, str) else entry)
        if not isinstance(one.body, dict):
            raise WrongWish("'marketplaces' must be a list of country codes, ids or objects")
        rows.append(
            Participation(
                store(one.text("marketplace")),
                one.truth("participating", True),
                one.truth("suspended", False),
                one.text("store_name", name),
            )
        )
        one.done()
    if len({row.marketplace.id for row in rows}) != len(rows):
        raise WrongWish("'marketplaces' names one of them twice")
    return rows


def partner_view(partner: Partner) -> dict[str, Any]:
    return {
        "kind": partner.kind,
        "name": partner.name,
        "selling_partner_id": partner.selling_partner_id,
        "email": partner.email,
        "home": partner.home.country_code,
        "regions": partner.regions,
        "vendor_codes": partner.vendor_codes,
        "marketplaces": [
            row.marketplace.country_code
            for row in partner.participations
            if row.marketplace.region is not None
        ],
        "participations": [
            {
                "id": row.marketplace.id,
                "country_code": row.marketplace.country_code,
                "participating": row.participating,
                "suspended": row.suspended_listings,
                "store_name": row.store_name,
            }
            for row in partner.participations
        ],
        "primary_user": partner.primary_user,
        "deactivated": partner.deactivated,
        "consent_error": partner.consent_error,
    }


def slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "partner"


# --- grants ---------------------------------------------------------------------------------------


def add_grant(stage: Stage, wish: Wish) -> dict[str, Any]:
    """A self-authorization without any page {selling_partner_id, application_id, region?,
    granted_at?, ends_at?}; gives the refresh token."""
    partner = partner_of(stage, wish.text("selling_partner_id"))
    application = application_of(stage, wish.text("application_id"))
    region: Region = wish.choice("region", REGIONS, partner.regions[0])
    granted, ends = wish.maybe("granted_at"), wish.maybe("ends_at")
    wish.done()
    now = stage.clock.now()
    grant = stage.world.give(
        partner,
        application,
        region,
        now if granted is None else instant(granted, now),
        self_authorized=True,
        ends_at=None if ends is None else instant(ends, now),
    )
    return {**grant_view(grant), "refresh_token": grant.refresh_token}


def add_access_token(stage: Stage, wish: Wish) -> dict[str, Any]:
    """An access token without LWA {selling_partner_id, application_id, region?}, of an
    authorization that stands, or of a self-authorization made for it."""
    partner = partner_of(stage, wish.text("selling_partner_id"))
    application = application_of(stage, wish.text("application_id"))
    region: Region = wish.choice("region", REGIONS, partner.regions[0])
    wish.done()
    now = stage.clock.now()
    standing = [
        grant
        for grant in stage.world.grants_of(partner, application)
        if grant.region == region and grant.is_good(now)
    ]
    grant = (
        standing[-1]
        if standing
        else stage.world.give(partner, application, region, now, self_authorized=True)
    )
    token = stage.world.new_access_token(application, grant, None, now)
    return {"access_token": token.value, "ends_at": stamp(token.ends_at)}


def grants(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All grants, without refresh tokens; ?partner= narrows."""
    wanted = wish.query.get("partner")
    return {
        "items": [
            grant_view(grant)
            for grant in stage.world.grants.values()
            if wanted in (None, grant.partner.selling_partner_id)
        ]
    }


def grant_view(grant: Grant) -> dict[str, Any]:
    return {
        "selling_partner_id": grant.partner.selling_partner_id,
        "application_id": grant.application.application_id,
        "region": grant.region,
        "self_authorized": grant.self_authorized,
        "exchanged": grant.handed_out,
        "granted_at": stamp(grant.granted_at),
        "ends_at": stamp(grant.ends_at),
        "revoked_at": stamp(grant.revoked_at),
        "roles": list(grant.roles),
    }


# --- parts ----------------------------------------------------------------------------------------


def partner_of(stage: Stage, selling_partner_id: str) -> Partner:
    partner = stage.world.partners.get(selling_partner_id)
    if partner is None:
        raise WrongWish(f"no partner has the id {selling_partner_id!r}", 404)
    return partner


def application_of(stage: Stage, application_id: str) -> Application:
    """By application id or by LWA client id."""
    application = stage.world.applications.get(application_id) or stage.world.client(application_id)
    if application is None:
        raise WrongWish(f"no application has the id {application_id!r}", 404)
    return application


def store(code_or_id: str) -> Marketplace:
    try:
        return marketplaces.find(code_or_id)
    except ValueError as error:
        raise WrongWish(str(error)) from None


def instant(text: str, now: datetime) -> datetime:
    """ISO 8601, or a distance from the present such as "-3 days"."""
    try:
        return instants.read(text, now)
    except ValueError as error:
        raise WrongWish(str(error)) from None


def adding(add: Any, thing: Any) -> None:
    try:
        add(thing)
    except ValueError as error:
        raise WrongWish(str(error), 409) from None


def refuse_real(value: str) -> None:
    if issuing.looks_real(value):
        raise WrongWish(
            "this looks like a real Amazon credential; the emulator takes only its own, "
            f"which carry {issuing.MARK!r}"
        )


LEVERS = (
    ("POST", "/world/applications", add_application),
    ("GET", "/world/applications", applications),
    ("PATCH", "/world/applications/{application_id}", change_application),
    ("POST", "/world/applications/{application_id}/rotate", rotate_secret),
    ("POST", "/world/partners", add_partner),
    ("GET", "/world/partners", partners),
    ("PATCH", "/world/partners/{selling_partner_id}", change_partner),
    (
        "PUT",
        "/world/partners/{selling_partner_id}/marketplaces/{marketplace}",
        change_participation,
    ),
    (
        "DELETE",
        "/world/partners/{selling_partner_id}/marketplaces/{marketplace}",
        remove_participation,
    ),
    ("POST", "/world/grants", add_grant),
    ("GET", "/world/grants", grants),
    ("POST", "/world/access-tokens", add_access_token),
)
