"""Applications, selling partners and grants of a world file: written, and read strictly.

Answers for: what may be left out by somebody who writes by hand, references by name or id, and
credentials, which are written only when asked for and refused when they look like Amazon's. Every
fault is a ValueError that names its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar, get_args

from amazon_emulator import issuing, marketplaces, safety
from amazon_emulator.clock import stamp
from amazon_emulator.faces.levers.making import slug
from amazon_emulator.marketplaces import REGIONS, Marketplace
from amazon_emulator.trade.records import Record, records
from amazon_emulator.world import (
    GRANT_LASTS,
    SECRET_LASTS,
    Application,
    ClientSecret,
    Grant,
    Kind,
    Participation,
    Partner,
    Status,
    World,
)

__all__ = [
    "WrongWorld",
    "by_id_or_name",
    "read_applications",
    "read_grants",
    "read_partners",
    "written_applications",
    "written_grants",
    "written_partners",
]

T = TypeVar("T")
KINDS: tuple[Kind, ...] = get_args(Kind)
STATUSES: tuple[Status, ...] = get_args(Status)
PLANS = ("PROFESSIONAL", "INDIVIDUAL")
# Numbers of made-up ids have four letters or digits.
LAST_NUMBER = 36**4


class WrongWorld(ValueError):
    """Something in the file is not as it must be; the words name the place."""


# --- applications ---------------------------------------------------------------------------------


def written_applications(world: World, *, credentials: bool) -> list[dict[str, Any]]:
    """In the order of making."""
    return [
        {
            "name": known.name,
            "application_id": known.application_id,
            "lwa_client_id": known.lwa_client_id,
            "secrets": [
                {"ends_at": stamp(one.ends_at), **({"value": one.value} if credentials else {})}
                for one in known.secrets
            ],
            "status": known.status,
            "login_uri": known.login_uri,
            "redirect_uris": list(known.redirect_uris),
            "partner_kinds": list(known.partner_kinds),
            "roles": list(known.roles),
            "scopes": list(known.scopes),
            "consent_limit": known.consent_limit,
            "website": known.website,
        }
        for known in world.applications.values()
    ]


def read_applications(world: World, given: Any, now: datetime) -> None:
    """Adds them. Only ``name`` is needed; without ``lwa_client_secret`` or ``secrets`` a new secret
    is made, and so is a value for each of ``secrets`` that has none."""
    for row in records(given, "applications"):
        usual = Application(_named(row), "", "", [])
        application = Application(
            name=usual.name,
            application_id=_maybe_text(row, "application_id") or issuing.application_id(),
            lwa_client_id=_credential(row, "lwa_client_id") or issuing.client_id(),
            secrets=_read_secrets(row, now),
            status=row.choice("status", STATUSES, usual.status),
            login_uri=_address(row, "login_uri", row.maybe("login_uri")),
            redirect_uris=[
                _checked(row, f"redirect_uris[{number}]", uri)
                for number, uri in enumerate(row.texts("redirect_uris", []))
            ],
            partner_kinds=_read_kinds(row, usual.partner_kinds),
            roles=list(row.texts("roles", usual.roles)),
            scopes=row.texts("scopes", list(usual.scopes)),
            consent_limit=_limit(row),
            website=row.text("website", usual.website),
        )
        row.done()
        _placed(row, world.add_application, application)


def _read_secrets(row: Record, now: datetime) -> list[ClientSecret]:
    one, given = _credential(row, "lwa_client_secret"), row.raw("secrets", None)
    if given is None:
        return [ClientSecret(one or issuing.client_secret(), now + SECRET_LASTS)]
    if one is not None:
        raise ValueError(f"{row.place}: either 'lwa_client_secret' or 'secrets'")
    found = []
    for secret in records(given, f"{row.place}.secrets"):
        value = _credential(secret, "value") or issuing.client_secret()
        found.append(ClientSecret(value, secret.instant("ends_at")))
        secret.done()
    return found


def _read_kinds(row: Record, usual: tuple[Kind, ...]) -> tuple[Kind, ...]:
    wished = row.texts("partner_kinds", list(usual))
    if not wished or not set(wished) <= set(KINDS):
        raise ValueError(f"{row.place}.partner_kinds: must hold seller, vendor or both")
    return tuple(kind for kind in KINDS if kind in wished)


def _limit(row: Record) -> int | None:
    if row.raw("consent_limit", None) is None:
        return None
    limit = row.number("consent_limit")
    if limit < 1:
        raise ValueError(f"{row.place}.consent_limit: must be at least 1")
    return limit


# --- partners -------------------------------------------------------------------------------------


def written_partners(world: World, *, credentials: bool) -> list[dict[str, Any]]:
    """In the order of making."""
    return [
        {
            "kind": known.kind,
            "name": known.name,
            "selling_partner_id": known.selling_partner_id,
            "email": known.email,
            **({"password": known.password} if credentials else {}),
            "home": known.home.country_code,
            **(
                {"marketplaces": [_written_participation(row) for row in known.participations]}
                if known.kind == "seller"
                else {"vendor_codes": list(known.vendor_codes)}
            ),
            "primary_user": known.primary_user,
            "deactivated": known.deactivated,
            "consent_error": known.consent_error,
            "business_type": known.business_type,
            "selling_plan": known.selling_plan,
        }
        for known in world.partners.values()
    ]


def _written_participation(row: Participation) -> dict[str, Any]:
    place = row.marketplace
    return {
        "marketplace": place.id if place.region is None else place.country_code,
        "participating": row.participating,
        "suspended": row.suspended_listings,
        "store_name": row.store_name,
    }


def read_partners(world: World, given: Any) -> None:
    """Adds them. Only ``kind`` and ``name`` are needed; home is DE, and a seller without
    ``marketplaces`` has the usual ones of its home."""
    rows = records(given, "partners")
    _count_past(world, [row.fields.get("selling_partner_id") for row in rows])
    for row in rows:
        kind = row.choice("kind", KINDS)
        name = _named(row)
        number = world.next_number()
        home = _store(row, "home", row.text("home", "DE"))
        if home.region is None:
            raise ValueError(f"{row.place}.home: {home.id} belongs to no region")
        made_up = issuing.merchant_token if kind == "seller" else issuing.vendor_group
        partner = Partner(
            kind=kind,
            name=name,
            selling_partner_id=_maybe_text(row, "selling_partner_id") or made_up(number),
            email=_maybe_text(row, "email") or f"{slug(name)}-{number}@partner.example",
            password=_credential(row, "password") or issuing.password(),
            home=home,
            primary_user=row.truth("primary_user", True),
            deactivated=row.truth("deactivated", False),
            consent_error=row.maybe("consent_error"),
            business_type=row.text("business_type", "PRIVATE_LIMITED"),
            selling_plan=row.choice("selling_plan", PLANS, "PROFESSIONAL"),
        )
        if kind == "seller":
            partner.participations = _read_participations(row, home, name)
        else:
            codes = row.texts("vendor_codes", [issuing.vendor_code(number)])
            partner.vendor_codes = list(codes)
        row.done()
        _placed(row, world.add_partner, partner)


def _read_participations(row: Record, home: Marketplace, name: str) -> list[Participation]:
    """From codes or ids, or from objects {marketplace, participating?, suspended?, store_name?}."""
    given = row.raw("marketplaces", None)
    if given is None:
        return [Participation(place, store_name=name) for place in marketplaces.usual_for(home)]
    if not isinstance(given, list):
        raise WrongWorld(f"{row.place}.marketplaces: must be a list")
    found = []
    for number, one in enumerate(given):
        place = f"{row.place}.marketplaces[{number}]"
        entry = Record.of({"marketplace": one} if isinstance(one, str) else one, place)
        found.append(
            Participation(
                _store(entry, "marketplace", entry.text("marketplace")),
                entry.truth("participating", True),
                entry.truth("suspended", False),
                entry.text("store_name", name),
            )
        )
        entry.done()
        if found[-1].marketplace in [other.marketplace for other in found[:-1]]:
            raise ValueError(f"{place}: this marketplace stands there twice")
    return found


def _count_past(world: World, ids: Iterable[Any]) -> None:
    """Goes on counting behind the made-up ids of the file, so that nobody gets one of them."""
    heads = (issuing.merchant_token(0)[:-4], issuing.vendor_group(0)[:-4])
    highest = 0
    for one in ids:
        if isinstance(one, str) and one.startswith(heads) and len(one) == len(heads[0]) + 4:
            tail = one[-4:]
            if tail.isascii() and tail.isalnum():
                highest = max(highest, int(tail, 36))
    while highest and world.next_number() < min(highest, LAST_NUMBER):
        pass


# --- grants ---------------------------------------------------------------------------------------


def written_grants(world: World, *, credentials: bool) -> list[dict[str, Any]]:
    """In the order of giving."""
    return [
        {
            "partner": known.partner.selling_partner_id,
            "application": known.application.application_id,
            "region": known.region,
            **({"refresh_token": known.refresh_token} if credentials else {}),
            "self_authorized": known.self_authorized,
            "exchanged": known.handed_out,
            "granted_at": stamp(known.granted_at),
            "ends_at": stamp(known.ends_at),
            "revoked_at": stamp(known.revoked_at),
            "roles": list(known.roles),
        }
        for known in world.grants.values()
    ]


def read_grants(world: World, given: Any, now: datetime) -> None:
    """Adds them. Only ``partner`` is needed, and ``application`` where there are several; the rest
    is that of a self-authorization in the partner's home region, now."""
    for row in records(given, "grants"):
        partner = by_id_or_name(row, "partner", row.text("partner"), world.partners, _name_of)
        application = _application_of(world, row)
        self_authorized = row.truth("self_authorized", True)
        granted_at = row.maybe_instant("granted_at") or now
        grant = world.give(
            partner,
            application,
            row.choice("region", REGIONS, partner.regions[0]),
            granted_at,
            self_authorized=self_authorized,
        )
        if "ends_at" in row.fields:
            grant.ends_at = row.maybe_instant("ends_at")
        elif not self_authorized:
            grant.ends_at = granted_at + GRANT_LASTS
        grant.revoked_at = row.maybe_instant("revoked_at")
        grant.handed_out = row.truth("exchanged", True)
        grant.roles = row.texts("roles", list(application.roles))
        _rename(world, grant, _credential(row, "refresh_token"), row)
        row.done()


def _application_of(world: World, row: Record) -> Application:
    wanted = row.maybe("application")
    if wanted is None:
        if len(world.applications) != 1:
            raise ValueError(f"{row.place}.application: is missing; there is not exactly one")
        return next(iter(world.applications.values()))
    client = world.client(wanted)
    if client is not None:
        return client
    return by_id_or_name(row, "application", wanted, world.applications, _name_of)


def _rename(world: World, grant: Grant, refresh_token: str | None, row: Record) -> None:
    if refresh_token is None:
        return
    if refresh_token in world.grants:
        raise ValueError(f"{row.place}.refresh_token: another grant has the same")
    del world.grants[grant.refresh_token]
    grant.refresh_token = refresh_token
    world.grants[refresh_token] = grant


# --- parts ----------------------------------------------------------------------------------------


def by_id_or_name(
    row: Record, field: str, wanted: str, known: dict[str, T], name_of: Callable[[T], str]
) -> T:
    """The one that is meant. Raises ValueError when it is none, or several."""
    if wanted in known:
        return known[wanted]
    found = [one for one in known.values() if name_of(one) == wanted]
    if len(found) > 1:
        raise ValueError(f"{row.place}.{field}: several are called {wanted!r}; give the id")
    if not found:
        raise ValueError(f"{row.place}.{field}: nobody has the id or name {wanted!r}")
    return found[0]


def _name_of(one: Partner | Application) -> str:
    return one.name


def _named(row: Record) -> str:
    name = row.text("name")
    if not name.strip():
        raise ValueError(f"{row.place}.name: must not be empty")
    return name


def _maybe_text(row: Record, name: str) -> str | None:
    value = row.maybe(name)
    if value is not None and (not value.strip() or not value.isprintable()):
        raise ValueError(f"{row.place}.{name}: must be a text that is not empty")
    return value


def _credential(row: Record, name: str) -> str | None:
    value = _maybe_text(row, name)
    if value is not None and issuing.looks_real(value):
        raise ValueError(
            f"{row.place}.{name}: this looks like a real Amazon credential; the emulator takes "
            f"only its own, which carry {issuing.MARK!r}. Leave it out, and one is made"
        )
    return value


def _store(row: Record, name: str, wanted: str) -> Marketplace:
    try:
        return marketplaces.find(wanted)
    except ValueError as error:
        raise ValueError(f"{row.place}.{name}: {error}") from None


def _address(row: Record, name: str, uri: str | None) -> str | None:
    return None if uri is None else _checked(row, name, uri)


def _checked(row: Record, name: str, uri: str) -> str:
    try:
        return safety.checked_address(name, uri)
    except ValueError as error:
        raise ValueError(f"{row.place}.{error}") from None


def _placed(row: Record, add: Callable[[T], None], thing: T) -> None:
    try:
        add(thing)
    except ValueError as error:
        raise ValueError(f"{row.place}: {error}") from None
