"""Adding an account, and changing what was said of it.

Answers for: one short form with sensible beginnings, and what is wrong beside each field. Does not
answer for: what is right (the account book), or for the consent that comes afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from evergrant.account_fields import NewAccount
from evergrant.accounts import AccountView
from evergrant.entrances.console.asking import Asked, flaws_of
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_sheet import FLAG_WORDS, harmless, home_of, sheet
from evergrant.entrances.console.pages.accounts import REGION_WORDS
from evergrant.errors import CallerError, Conflict, EvergrantError, InvalidInput, NotFound
from evergrant.ports.things import Account
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.faults import Fault
from evergrant.rules.flags import Flag, available
from evergrant.rules.ids import LANGUAGES
from evergrant.rules.lifecycle import EVER_AUTHORIZED
from evergrant.rules.marketplaces import Marketplaces, PartnerKind, VendorKind
from evergrant.rules.rights import Right

__all__ = ["DOORS", "language_of"]

HERE = "/console/accounts/new"
_OF = "/console/accounts/{account_id}"
_MOST_CHOICES = 1000
_LANGUAGE_NAMES = {
    "en": "English", "de": "Deutsch", "fr": "Français", "it": "Italiano", "es": "Español",
}  # fmt: skip
#: Vendors are asked what they are in the same field; nobody knows the difference by heart.
KIND_WORDS = {
    "seller": "Seller: sells to Amazon's customers (Seller Central)",
    "vendor:retail": "Vendor, retail: Amazon buys and sells (Vendor Central)",
    "vendor:direct_fulfillment": "Vendor, direct fulfillment: ships for Amazon (Vendor Central)",
}
_FOLLOWS = [("", "As the marketplace")]
_OF_COUNTRY = {"DE": "de", "FR": "fr", "BE": "fr", "IT": "it", "ES": "es", "MX": "es"}
_SHOWN_AT = {"partner_kind": "kind", "vendor_kind": "kind"}
_PLAIN_FIELDS = (
    "name",
    "client_email",
    "application_id",
    "client_instance_id",
    "home_marketplace",
    "merchant_token",
    "language",
    "notes",
)


#: A form from which a field is gone is told so, as one in which it is empty.
_NEEDED = (
    "name",
    "partner_kind",
    "client_email",
    "application_id",
    "client_instance_id",
    "region",
    "home_marketplace",
)


async def new_form(asked: Asked) -> Response:
    """``?instance=`` and ``?app=``: what is chosen from the start, by links on their own pages."""
    wishes = {"client_instance_id": "instance", "application_id": "app"}
    given = {name: asked.query[wish] for name, wish in wishes.items() if wish in asked.query}
    return asked.page(
        "accounts/new.html",
        given=given,
        languages=_FOLLOWS,
        **await _choices(asked, given.get("client_instance_id")),
    )


async def add(asked: Asked) -> Response:
    values = _values(asked)
    try:
        account = await asked.desk.accounts.add(
            NewAccount(**dict.fromkeys(_NEEDED, "") | values, flags=_switches(asked, values)),
            by=asked.caller,
        )
    except (InvalidInput, Conflict) as error:
        return asked.page(
            "accounts/new.html",
            422,
            flaws=flaws_of(_told(error)),
            given=harmless(asked.form),
            languages=_FOLLOWS,
            **await _choices(asked, asked.form.get("client_instance_id")),
        )
    home = home_of(account.id)
    if asked.form.get("do") != "send":
        return asked.back(home, f"{account.name} is added. The link was not sent yet.")
    try:
        invitation = await asked.desk.consent.invite(account.id, by=asked.caller)
    except EvergrantError as error:
        words = f"{account.name} is added, but the link was not sent: {error} {error.hint or ''}"
        return asked.back(home, words.strip(), "bad")
    return asked.back(
        home, f"{account.name} is added, and the link is on its way to {invitation.email}."
    )


async def edit_form(asked: Asked) -> Response:
    view = await asked.desk.accounts.get(asked.path["account_id"], by=asked.caller)
    return await _edit_page(asked, view, 200, {}, _given_by(view.account))


async def change(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    view = await asked.desk.accounts.get(account_id, by=asked.caller)
    try:
        account = await asked.desk.accounts.change(account_id, _values(asked), by=asked.caller)
    except (InvalidInput, Conflict) as error:
        return await _edit_page(asked, view, 422, flaws_of(_told(error)), harmless(asked.form))
    said = f"{account.name} is saved."
    if account.client_email != view.account.client_email and view.account.oauth_began:
        said += " The link that went to the former address does not work any more; send it again."
    return asked.back(home_of(account_id), said)


async def _edit_page(
    asked: Asked,
    view: AccountView,
    status: int,
    flaws: Mapping[str, str],
    given: Mapping[str, str],
) -> Response:
    own = view.authorization
    return await sheet(
        asked,
        "accounts/edit.html",
        status,
        view=view,
        flaws=flaws,
        given=given,
        frozen=own.grant_id is not None or own.state in EVER_AUTHORIZED,
        **await _choices(asked, view.account.client_instance_id),
        languages=[],
    )


# --- reading the form -----------------------------------------------------------------------------


def _values(asked: Asked) -> dict[str, Any]:
    """The fields that were there: a frozen one is shown as text and sends nothing."""
    form = asked.form
    values: dict[str, Any] = {name: form[name].strip() for name in _PLAIN_FIELDS if name in form}
    if "kind" in form:
        kind, _, vendor_kind = form["kind"].partition(":")
        values["partner_kind"] = kind
        values["vendor_kind"] = vendor_kind or None
    if "vendor_codes" in form:
        values["vendor_codes"] = form["vendor_codes"].replace(",", " ").split()
    if "home_marketplace" in values:
        values["region"] = _region(asked.desk.marketplaces, values["home_marketplace"])
    if values.get("language") == "":
        values["language"] = language_of(values.get("home_marketplace", ""))
    return values


def _region(marketplaces: Marketplaces, country: str) -> str:
    """It follows from the marketplace. "": there is no such one, which is told beside it."""
    try:
        return marketplaces.by_country(country).region.value
    except Fault:
        return ""


def language_of(country: str) -> str:
    """That of most people there, as far as there are letters in it."""
    return _OF_COUNTRY.get(country, "en")


def _switches(asked: Asked, values: Mapping[str, Any]) -> dict[str, bool]:
    """The six as they were ticked; those that Amazon does not have for this kind are left out."""
    try:
        kind = PartnerKind(values.get("partner_kind", ""))
        vendor_kind = VendorKind(values["vendor_kind"]) if values.get("vendor_kind") else None
    except ValueError:
        return {}
    ticked = set(asked.form_list("flags"))
    return {flag.value: flag.value in ticked for flag in Flag if available(flag, kind, vendor_kind)}


def _told(error: CallerError) -> CallerError:
    """Where several of the room's fields are one on the page, it is told beside that one."""
    if not isinstance(error, InvalidInput):
        return error
    flaws = [
        replace(flaw, field=_SHOWN_AT.get((flaw.field or "").partition(".")[0], flaw.field))
        for flaw in error.flaws
        # The region follows from the marketplace, which is told of already.
        if flaw.field != "region"
    ]
    return InvalidInput(flaws=flaws) if flaws else error


def _given_by(account: Account) -> dict[str, str]:
    kind = account.partner_kind.value
    return {
        **{name: getattr(account, name) for name in _PLAIN_FIELDS},
        "kind": f"{kind}:{account.vendor_kind.value}" if account.vendor_kind else kind,
        "vendor_codes": " ".join(account.vendor_codes),
    }


# --- what there is to choose ----------------------------------------------------------------------


async def _choices(asked: Asked, instance_id: str | None = None) -> dict[str, Any]:
    """``instance_id``: the one that is chosen stands among them, however many there are."""
    registry, by = asked.desk.registry, asked.caller
    applications = await registry.applications(by=by, limit=_MOST_CHOICES)
    instances = await registry.instances(by=by, limit=_MOST_CHOICES)
    if instance_id and all(one.id != instance_id for one in instances):
        with contextlib.suppress(NotFound):
            instances = [await registry.instance(instance_id, by=by), *instances]
    rows = asked.desk.marketplaces.rows
    return {
        "applications": [
            (one.id, f"{one.name} (private)" if one.kind is ApplicationKind.PRIVATE else one.name)
            for one in applications
        ],
        "instances": [(one.id, one.name) for one in instances],
        "countries": [
            (words, [one for one in rows if one.region is region])
            for region, words in REGION_WORDS.items()
        ],
        "kinds": KIND_WORDS,
        "language_names": [(code, _LANGUAGE_NAMES.get(code, code)) for code in LANGUAGES],
        "flags": FLAG_WORDS,
        "ticked": set(asked.form_list("flags")) if asked.fields else {flag.value for flag in Flag},
    }


DOORS = (
    Door("GET", HERE, new_form, Right.WRITE),
    Door("POST", HERE, add, Right.WRITE),
    Door("GET", f"{_OF}/edit", edit_form, Right.WRITE),
    Door("POST", f"{_OF}/edit", change, Right.WRITE),
)
