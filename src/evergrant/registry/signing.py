"""The secrets that webhooks to one client instance are signed with.

Answers for: making a fresh one, putting it into the safe, and keeping the former ones for the day
that the receiver needs to learn of it. Does not answer for: signing (the pipe), or for who may ask.

The Standard Webhooks specification foresees it: a message may bear several signatures, and is
genuine when one of them is.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from datetime import datetime, timedelta

from evergrant import vault
from evergrant.errors import Misconfigured, SealBroken
from evergrant.ports.store import Transaction
from evergrant.rules.secrecy import Secret
from evergrant.vault import Vault

__all__ = ["MOST_FORMER", "OVERLAP", "fresh", "in_force", "replace"]

#: So long after it was replaced a signing secret still signs, beside its successor.
OVERLAP = timedelta(hours=24)
#: So many former ones are kept: an answer that got lost is asked for again, and the receiver knows
#: only the first of them.
MOST_FORMER = 3


def fresh() -> Secret:
    """In Standard Webhooks form (``whsec_…``)."""
    return Secret(f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")


async def in_force(
    safe: Vault, tx: Transaction, instance_id: str, now: datetime
) -> tuple[Secret, ...]:
    """The current one first, then those that were replaced less than a day ago. Raises SealBroken
    and Misconfigured for the current one alone."""
    current = await safe.open(tx, vault.signing_secret(instance_id))
    if current is None:
        return ()
    return current, *(await _former(safe, tx, instance_id, now))


async def replace(
    safe: Vault, tx: Transaction, instance_id: str, secret: Secret, now: datetime
) -> None:
    """``secret`` is in force; the one before it goes on signing for a day. The caller holds the
    instance's row."""
    try:
        kept = await in_force(safe, tx, instance_id, now)
    except (SealBroken, Misconfigured):
        kept = ()  # it is lost, and this is how an operator repairs that
    kept = tuple(one for one in kept if one != secret)[:MOST_FORMER]
    await safe.put(tx, vault.signing_secret(instance_id), secret, now=now)
    if kept:
        together = Secret(" ".join(one.reveal() for one in kept))
        name = vault.previous_signing_secrets(instance_id)
        await safe.put(tx, name, together, now=now, expires_at=now + OVERLAP)


async def _former(
    safe: Vault, tx: Transaction, instance_id: str, now: datetime
) -> tuple[Secret, ...]:
    sealed = await tx.safe.get(vault.previous_signing_secrets(instance_id))
    if sealed is None or sealed.expires_at is None or sealed.expires_at <= now:
        return ()
    with contextlib.suppress(SealBroken, Misconfigured):
        together = await safe.open_sealed(sealed)
        return tuple(Secret(one) for one in together.reveal().split())
    return ()
