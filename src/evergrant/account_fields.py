"""What may be said of an account, and what may still be changed.

Answers for: every flaw of an account's fields, alone and together. Does not answer for: the
shapes of Amazon's ids (``rules.ids``) or for writing anything (``accounts``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from evergrant.intake import Flaws, Reader, text, word
from evergrant.ports.store import Transaction
from evergrant.ports.things import Authorization
from evergrant.rules import flags as flag_rules
from evergrant.rules import ids
from evergrant.rules.faults import Fault
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import EVER_AUTHORIZED
from evergrant.rules.marketplaces import (
    Marketplaces,
    PartnerKind,
    Region,
    VendorKind,
    country_code,
)
from evergrant.rules.rights import Caller
from evergrant.rules.secrecy import scrub
from evergrant.spelling import did_you_mean

__all__ = ["ELSEWHERE", "FIELDS", "NewAccount", "check_account", "check_against_authorization"]

LONGEST_NOTES = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What an operator says of an account. Words may be enumeration members or their text."""

    name: str
    partner_kind: str
    client_email: str
    application_id: str  # ours
    client_instance_id: str
    region: str
    home_marketplace: str  # country code; chooses the consent host
    vendor_kind: str | None = None  # needed for vendors, none for sellers
    merchant_token: str = ""  # sellers; optional, recommended
    vendor_codes: Collection[str] = ()  # vendors
    flags: Mapping[str, bool] | None = None  # those that are named; the rest is on
    language: str = "en"
    notes: str = ""


# --- fields ---------------------------------------------------------------------------------


def _vendor_codes(flaws: Flaws, field: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Collection):
        flaws.add(field, "must be a list.", code="wrong_type")
        return ()
    codes = [flaws.text(field, code, ids.check_vendor_code) for code in value]
    return tuple(dict.fromkeys(code for code in codes if code))


def _flags(flaws: Flaws, field: str, value: object) -> dict[Flag, bool]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        flaws.add(field, "must be a table of flags.", code="wrong_type")
        return {}
    known = {flag.value: flag for flag in Flag}
    found = {}
    for name, on in value.items():
        if str(name) not in known:
            hint = did_you_mean(str(name), known) or f"Flags are: {', '.join(known)}."
            flaws.add(f"{field}.{name}", "is no flag.", code="unknown_field", hint=hint)
        else:
            found[known[str(name)]] = flaws.truth(f"{field}.{name}", on)
    return found


def _vendor_kind(flaws: Flaws, field: str, value: object) -> VendorKind | None:
    return None if value is None or value == "" else flaws.word(field, value, VendorKind)


def _check_notes(notes: str) -> str:
    if len(notes) > LONGEST_NOTES:
        raise Fault("too_long", f"Notes take at most {LONGEST_NOTES} characters.")
    if scrub(notes) != notes:
        raise Fault(
            "holds_secret",
            "This holds a secret; notes are stored as they are and shown to everybody.",
            hint="Leave it out. A refresh token is taken by 'adopt', which seals it.",
        )
    return notes


FIELDS: Mapping[str, Reader] = MappingProxyType(
    {
        "name": text(ids.check_name),
        "partner_kind": word(PartnerKind),
        "client_email": text(ids.check_email),
        "application_id": text(lambda it: ids.check(ids.Kind.APPLICATION, it)),
        "client_instance_id": text(lambda it: ids.check(ids.Kind.INSTANCE, it)),
        "region": word(Region),
        "home_marketplace": text(country_code),
        "vendor_kind": _vendor_kind,
        "merchant_token": text(ids.check_merchant_token, optional=True),
        "vendor_codes": _vendor_codes,
        "flags": _flags,
        "language": text(ids.check_language),
        "notes": text(_check_notes, optional=True),
    }
)
_IDENTITY = ("application_id", "region", "partner_kind")
_BY_INVITATION = "It is set by sending an invitation."
ELSEWHERE = MappingProxyType(
    {
        "id": "An id never changes.",
        "oauth_began": _BY_INVITATION,
        "oauth_began_at": _BY_INVITATION,
        "state": "It follows from consent; close and reopen are verbs of their own.",
        "authorization": "It follows from consent.",
        "selling_partner_id": "Amazon reports it at consent.",
        "participations": "Amazon reports them.",
    }
)


async def check_account(
    tx: Transaction,
    marketplaces: Marketplaces,
    flaws: Flaws,
    whole: Mapping[str, Any],
    asked: Mapping[Flag, bool],
    touched: set[str],
    by: Caller,
) -> None:
    """What is wrong with the fields together, as far as they are touched."""
    kind: PartnerKind | None = whole["partner_kind"]
    if touched & {"application_id", "partner_kind"} and whole["application_id"]:
        application = await tx.applications.get(whole["application_id"])
        if application is None:
            flaws.add("application_id", "names no application.", code="unknown")
        elif kind and kind not in application.partner_kinds:
            served = " and ".join(sorted(f"{one.value}s" for one in application.partner_kinds))
            flaws.add(
                "partner_kind",
                f"is not served by this application, which is for {served}.",
                code="not_served",
            )
    if "client_instance_id" in touched and whole["client_instance_id"]:
        instance = await tx.instances.get(whole["client_instance_id"])
        if instance is None or not by.reaches(instance.id):
            flaws.add("client_instance_id", "names no client instance.", code="unknown")
    if touched & {"home_marketplace", "region", "partner_kind"}:
        _check_home(marketplaces, flaws, whole["home_marketplace"], whole["region"], kind)
    if kind:
        _check_kind(flaws, whole, kind)
        for flag in asked:
            if not flag_rules.available(flag, kind, whole["vendor_kind"]):
                flaws.add(
                    f"flags.{flag.value}",
                    "is unavailable for this kind of account.",
                    code="unavailable",
                    hint="Amazon has no such thing for it; leave the flag out.",
                )


def _check_home(
    marketplaces: Marketplaces,
    flaws: Flaws,
    home: str,
    region: Region | None,
    kind: PartnerKind | None,
) -> None:
    if not home:
        return
    row = flaws.check("home_marketplace", marketplaces.by_country, home)
    if row is None:
        return
    if region and row.region is not region:
        there = ", ".join(one.country_code for one in marketplaces.in_region(region))
        flaws.add(
            "home_marketplace",
            f"{row.name} belongs to the region {row.region.value}, not {region.value}.",
            code="wrong_region",
            hint=f"In {region.value} are: {there}.",
        )
    elif kind is not None:
        flaws.check(
            "home_marketplace",
            lambda code: marketplaces.consent_origin(code, kind),
            home,
        )


def _check_kind(flaws: Flaws, whole: Mapping[str, Any], kind: PartnerKind) -> None:
    if kind is PartnerKind.SELLER:
        for field in ("vendor_kind", "vendor_codes"):
            if whole[field]:
                flaws.add(field, "is for vendors; this account is a seller.", code="not_for_kind")
        return
    if whole["merchant_token"]:
        flaws.add(
            "merchant_token", "is for sellers; this account is a vendor.", code="not_for_kind"
        )
    if whole["vendor_kind"] is None and not flaws.has("vendor_kind"):
        flaws.add(
            "vendor_kind",
            "is needed for a vendor: 'retail' or 'direct_fulfillment'.",
            code="missing",
        )


def check_against_authorization(
    flaws: Flaws, whole: Mapping[str, Any], touched: set[str], authorization: Authorization
) -> None:
    ever = authorization.grant_id is not None or authorization.state in EVER_AUTHORIZED
    for field in _IDENTITY:
        if ever and field in touched:
            flaws.add(
                field,
                "is frozen, because this account was authorized.",
                code="frozen",
                hint="Add another account.",
            )
    reported = authorization.selling_partner_id
    wanted = whole["merchant_token"] if "merchant_token" in touched else ""
    if wanted and reported and wanted != reported:
        flaws.add(
            "merchant_token",
            f"contradicts Amazon, which reported {reported} at consent.",
            code="contradicts_amazon",
        )
