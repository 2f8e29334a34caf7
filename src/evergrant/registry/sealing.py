"""Puts the secrets of an application into the safe.

Answers for: which secret replaces which, and what the row beside the safe says of them
afterwards. Does not answer for: what is a secret worth taking (``inspection``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evergrant import vault
from evergrant.errors import Misconfigured, SealBroken
from evergrant.ports.store import Transaction
from evergrant.ports.things import IntegrationCredentials
from evergrant.registry.values import Credentials
from evergrant.rules.applications import GRANTLESS_SCOPES
from evergrant.rules.secrecy import Secret
from evergrant.rules.terms import SECRET_OVERLAP, secret_ends_at
from evergrant.vault import Vault

__all__ = ["Promotion", "seal_aws_keys", "seal_client_secret", "seal_promoted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A client secret that LWA has taken. ``previous_ends_at``: when the one in force dies, as
    Amazon said; None: seven days from now. ``keep_previous`` False: LWA refuses that one."""

    secret: Secret = field(repr=False)
    created_at: datetime | None
    expires_at: datetime | None
    previous_ends_at: datetime | None = None
    keep_previous: bool = True


async def seal_client_secret(
    safe: Vault,
    tx: Transaction,
    old: IntegrationCredentials,
    values: Mapping[str, Any],
    given: Credentials,
    now: datetime,
) -> dict[str, Any]:
    dates = {
        "secret_created_at": given.secret_created_at,
        "secret_expires_at": given.secret_expires_at or secret_ends_at(given.secret_created_at),
    }
    secret = given.lwa_client_secret
    if secret is None:
        return {name: at for name, at in dates.items() if at is not None}
    name = vault.client_secret(old.id)
    try:
        current = await safe.open(tx, name)
    except (SealBroken, Misconfigured):
        current = None  # it is lost; this verb is how an operator repairs that
    changes: dict[str, Any] = {"secret_set": True}
    renamed = values.get("lwa_client_id", old.lwa_client_id) != old.lwa_client_id
    if renamed:
        # They are tokens of the former LWA client, not of this one.
        for scope in GRANTLESS_SCOPES:
            await safe.drop(tx, vault.grantless_token(old.id, scope))
    if secret == current:
        return changes | {name: at for name, at in dates.items() if at is not None}
    await safe.put(tx, name, secret, now=now)
    previous = vault.previous_client_secret(old.id)
    if current is None or renamed:
        await safe.drop(tx, previous)
        return changes | dates | {"previous_secret_ends_at": None}
    ends_at = min(now + SECRET_OVERLAP, old.secret_expires_at or now + SECRET_OVERLAP)
    await safe.put(tx, previous, current, now=now, expires_at=ends_at)
    return changes | dates | {"previous_secret_ends_at": ends_at}


async def seal_promoted(
    safe: Vault,
    tx: Transaction,
    old: IntegrationCredentials,
    promoted: Promotion,
    now: datetime,
) -> dict[str, Any]:
    """What the row beside the safe says afterwards. One that is in force already stays as it is:
    nothing becomes its own predecessor."""
    dates = {
        "secret_set": True,
        "secret_created_at": promoted.created_at,
        "secret_expires_at": promoted.expires_at,
    }
    name, previous = vault.client_secret(old.id), vault.previous_client_secret(old.id)
    try:
        current = await safe.open(tx, name)
    except (SealBroken, Misconfigured):
        current = None  # it is lost, and what is promoted takes its place
    if promoted.secret == current:
        return dates
    await safe.put(tx, name, promoted.secret, now=now)
    ends_at = min(
        promoted.previous_ends_at or now + SECRET_OVERLAP,
        now + SECRET_OVERLAP,
        old.secret_expires_at or now + SECRET_OVERLAP,
    )
    if current is None or not promoted.keep_previous or ends_at <= now:
        await safe.drop(tx, previous)
        return dates | {"previous_secret_ends_at": None}
    await safe.put(tx, previous, current, now=now, expires_at=ends_at)
    return dates | {"previous_secret_ends_at": ends_at}


async def seal_aws_keys(
    safe: Vault, tx: Transaction, application_id: str, given: Credentials, now: datetime
) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, secret in (
        (vault.aws_access_key(application_id), given.access_key),
        (vault.aws_secret_key(application_id), given.secret_key),
    ):
        if secret is not None and secret:
            await safe.put(tx, name, secret, now=now)
        elif secret is not None:
            await safe.drop(tx, name)
    if given.access_key is not None:
        changes["access_key_hint"] = given.access_key.reveal()[-4:]
    if given.secret_key is not None:
        changes["secret_key_set"] = bool(given.secret_key)
    return changes
