"""What may be registered, and what may still be changed.

Answers for: every flaw of an application, of credentials and of a client instance. Does not
answer for: the shapes of Amazon's ids (``rules.ids``) or for writing anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from evergrant.intake import Flaws, Reader, text, truth, url, word, words
from evergrant.ports.store import Transaction
from evergrant.ports.things import Application, IntegrationCredentials
from evergrant.registry.values import Credentials
from evergrant.rules import ids
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.lifecycle import EVER_AUTHORIZED
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.receivers import Receivers
from evergrant.rules.reminders import check_days
from evergrant.rules.terms import secret_ends_at
from evergrant.rules.urls import is_loopback

__all__ = [
    "APPLICATION",
    "CREDENTIALS",
    "check_application_change",
    "check_credentials",
    "check_dates",
    "check_lwa_url",
    "check_secrets",
    "instance_readers",
]


def _reminder_days(flaws: Flaws, field: str, value: object) -> tuple[int, ...] | None:
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Collection):
        flaws.add(field, "must be a list of days, or null for the usual ones.", code="wrong_type")
        return None
    days = [one for one in value if isinstance(one, int) and not isinstance(one, bool)]
    if len(days) < len(value):
        flaws.add(field, "must hold whole numbers of days.", code="wrong_type")
        return None
    return flaws.check(field, check_days, days)


APPLICATION: Mapping[str, Reader] = MappingProxyType(
    {
        "name": text(ids.check_name),
        "kind": word(ApplicationKind),
        "partner_kinds": words(PartnerKind),
        "status": word(ApplicationStatus),
        "application_id": text(ids.check_application_id),
        "developer_name": text(ids.check_name, optional=True),
        "developer_id": text(ids.check_name, optional=True),
        "login_uri": url(),
        "redirect_uri": url(),
        "beta_for_sellers": truth(optional=True),
        "beta_for_vendors": truth(optional=True),
        "reminder_days": _reminder_days,
    }
)
CREDENTIALS: Mapping[str, Reader] = MappingProxyType(
    {
        "lwa_client_id": text(ids.check_lwa_client_id),
        "lwa_url": url(),
        "role_arn": text(ids.check_role_arn, optional=True),
        "queue_url": text(ids.check_queue_url, optional=True),
        "notifications_queue_url": text(ids.check_queue_url, optional=True),
    }
)
#: Where Amazon runs Login with Amazon. Sources: developer guide; Amazon's page
#: "lwa-access-token" of the Data Portability API.
_LWA_HOSTS = frozenset({"api.amazon.com", "api.amazon.co.uk", "api.amazon.co.jp"})
#: A date without a time of day, written east of us, may lie ahead.
_TODAY_ELSEWHERE = timedelta(days=1)


def instance_readers(receivers: Receivers) -> Mapping[str, Reader]:
    return {
        "name": text(ids.check_name),
        "base_url": url(),
        "return_url": url(),
        "webhook_url": text(lambda it: receivers.check_url(it, ""), optional=True),
    }


async def check_application_change(
    tx: Transaction, flaws: Flaws, old: Application, changed: Mapping[str, Any]
) -> None:
    for name in {"application_id", "kind"} & set(changed):
        if await _ever_authorized(tx, old.id):
            flaws.add(
                name,
                "is frozen, because an account of this application was authorized.",
                code="frozen",
                hint="Add another application.",
            )
    kept = changed.get("partner_kinds")
    for kind in sorted(old.partner_kinds - kept) if kept else []:
        if await tx.accounts.count(application_id=old.id, partner_kind=kind):
            flaws.add(
                "partner_kinds",
                f"must keep {kind.value}, because there are accounts of that kind.",
                code="in_use",
            )


async def check_credentials(
    tx: Transaction,
    flaws: Flaws,
    application_id: str,
    old: IntegrationCredentials | None,
    given: Credentials,
    values: Mapping[str, Any],
) -> None:
    client_id = values.get("lwa_client_id")
    if old is None and given.lwa_client_id is None:
        flaws.add("lwa_client_id", "is needed.", code="missing")
    holders = await tx.credentials.all(lwa_client_id=client_id) if client_id else []
    if any(one.id != application_id for one in holders):
        flaws.add(
            "lwa_client_id",
            "belongs to another application here.",
            code="in_use",
            hint="Every application has an LWA client of its own.",
        )
    renamed = old is not None and client_id and client_id != old.lwa_client_id
    if renamed and await _ever_authorized(tx, application_id):
        flaws.add(
            "lwa_client_id",
            "is frozen, because an account of this application was authorized: its refresh "
            "token works with the LWA client that it was given to, and with no other.",
            code="frozen",
            hint="Add another application.",
        )
    if renamed and given.lwa_client_secret is None:
        flaws.add("lwa_client_secret", "is needed with another client id.", code="missing")
    dated = given.secret_created_at or given.secret_expires_at
    if dated and given.lwa_client_secret is None and not (old and old.secret_set):
        flaws.add("lwa_client_secret", "is needed: there is none to date.", code="missing")
    has_id = bool(given.access_key if given.access_key is not None else old and old.access_key_hint)
    has_key = bool(given.secret_key if given.secret_key is not None else old and old.secret_key_set)
    if has_id != has_key:
        lacking = "secret_key" if has_id else "access_key"
        flaws.add(lacking, "is needed: the two AWS keys go together.", code="missing")
    await _check_queues(tx, flaws, application_id, old, values)


async def _check_queues(
    tx: Transaction,
    flaws: Flaws,
    application_id: str,
    old: IntegrationCredentials | None,
    values: Mapping[str, Any],
) -> None:
    """New client secrets have a queue to themselves: what is not about secrets is never deleted
    from it, and what comes by the other one is thrown away once it was read."""
    own = {
        name: values.get(name, getattr(old, name) if old else "")
        for name in ("queue_url", "notifications_queue_url")
    }
    for name, other in (
        ("notifications_queue_url", "queue_url"),
        ("queue_url", "notifications_queue_url"),
    ):
        if not values.get(name):
            continue
        holders = await tx.credentials.all(**{other: values[name]}, limit=2)
        if own[other] == own[name] or any(one.id != application_id for one in holders):
            flaws.add(
                name,
                "is the queue on which Amazon leaves new client secrets."
                if name == "notifications_queue_url"
                else "is a queue for notifications of feeds, orders and reports.",
                code="same_queue",
                hint="Make another queue: one for new client secrets, one for notifications.",
            )
            return


async def _ever_authorized(tx: Transaction, application_id: str) -> bool:
    if await tx.authorizations.count(application_id=application_id, state=EVER_AUTHORIZED):
        return True
    others = await tx.authorizations.all(application_id=application_id)
    return any(one.grant_id is not None for one in others)


def check_secrets(flaws: Flaws, given: Credentials) -> None:
    secret = given.lwa_client_secret
    if secret is not None:
        plain = secret.reveal()
        if plain.startswith(("amzn1.application-oa2-client.", "Atz")):
            flaws.add(
                "lwa_client_secret",
                "is something else of Amazon's (a client id, or a token).",
                code="bad_client_secret",
                hint="It looks like amzn1.oa2-cs.v1.<hex>.",
            )
        elif not _is_one_word(plain, 8, 512):
            flaws.add(
                "lwa_client_secret",
                "is not a client secret.",
                code="bad_client_secret",
                hint="8 to 512 characters without blanks; it can be replaced, not removed.",
            )
    for name, key in (("access_key", given.access_key), ("secret_key", given.secret_key)):
        if key and not _is_one_word(key.reveal(), 16, 128):
            flaws.add(name, "is not an AWS key: 16 to 128 characters without blanks.")


def _is_one_word(text: str, low: int, high: int) -> bool:
    return low <= len(text) <= high and text.isascii() and text.isprintable() and " " not in text


def check_lwa_url(flaws: Flaws, url: str, usual: str) -> None:
    """The client secret and every refresh token of the application are sent there, so whoever may
    change applications could read with it what nobody may read. Other hosts are for those who
    run this installation: their marketplaces file names them (``usual``)."""
    host = urlsplit(url).hostname or ""
    known = _LWA_HOSTS | {urlsplit(usual).hostname or ""}
    if host and host not in known and not is_loopback(host):
        flaws.add(
            "lwa_url",
            "is no host of Amazon's.",
            code="foreign_host",
            hint="Another host can be set in the marketplaces file (EVERGRANT_MARKETPLACES_FILE).",
        )


def check_dates(flaws: Flaws, given: Credentials, now: datetime) -> None:
    made = flaws.instant("secret_created_at", given.secret_created_at)
    ends = flaws.instant("secret_expires_at", given.secret_expires_at)
    if made and made > now + _TODAY_ELSEWHERE:
        flaws.add("secret_created_at", "lies in the future.", code="out_of_range")
    if made and ends and ends <= made:
        flaws.add("secret_expires_at", "lies before the secret was made.", code="out_of_range")
    end = ends or secret_ends_at(made)
    if given.lwa_client_secret is not None and end and end <= now:
        flaws.add(
            "secret_expires_at" if ends else "secret_created_at",
            f"means that this client secret is dead since {end:%Y-%m-%d}.",
            code="out_of_range",
            hint="Rotate it at Amazon and give the new one.",
        )
