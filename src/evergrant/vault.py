"""THE SAFE. Puts secrets away sealed, takes them out again, reseals them under a new key.

Answers for: the names of everything that is sealed (the functions below, nowhere else) and the
only meeting with ``ports.Keyring``. Does not answer for: what a secret is good for, when it is
used, or where keys are kept.

A secret's name is part of its seal: a ciphertext that is copied to another row does not open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from evergrant.errors import Misconfigured, SealBroken
from evergrant.ports import Clock, Keyring
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import SealedSecret
from evergrant.rules.secrecy import Secret

__all__ = [
    "Rotation",
    "Vault",
    "access_token",
    "aws_access_key",
    "aws_secret_key",
    "client_secret",
    "first_start_code",
    "gateway_pass",
    "grantless_token",
    "invitation_link",
    "invoice_document",
    "operator_invitation_link",
    "order_personal",
    "pending_second_factor_key",
    "previous_client_secret",
    "previous_signing_secrets",
    "received_client_secret",
    "refresh_token",
    "restricted_data_token",
    "second_factor_key",
    "signing_secret",
]


# --- names ----------------------------------------------------------------------------------


def client_secret(application_id: str) -> str:
    """The LWA client secret in force."""
    return f"application/{application_id}/client_secret"


def previous_client_secret(application_id: str) -> str:
    """The LWA client secret that was rotated out and still works for a few days."""
    return f"application/{application_id}/previous_client_secret"


def received_client_secret(rotation_id: str) -> str:
    """A new LWA client secret that Amazon sent, until it is in force."""
    return f"rotation/{rotation_id}/client_secret"


def aws_access_key(application_id: str) -> str:
    return f"application/{application_id}/aws_access_key"


def aws_secret_key(application_id: str) -> str:
    return f"application/{application_id}/aws_secret_key"


def signing_secret(instance_id: str) -> str:
    """Signs the webhooks to one client instance."""
    return f"instance/{instance_id}/signing_secret"


def previous_signing_secrets(instance_id: str) -> str:
    """Those before it, with blanks between, which sign beside it for a day."""
    return f"instance/{instance_id}/previous_signing_secrets"


def refresh_token(grant_id: str) -> str:
    return f"grant/{grant_id}/refresh_token"


def access_token(authorization_id: str) -> str:
    return f"authorization/{authorization_id}/access_token"


def grantless_token(application_id: str, scope: str) -> str:
    """An access token of the application itself, for one scope."""
    return f"application/{application_id}/grantless_token/{scope}"


def restricted_data_token(authorization_id: str, what: str) -> str:
    """``what``: a digest of all that it is good for."""
    return f"authorization/{authorization_id}/restricted_data_token/{what}"


def gateway_pass() -> str:
    """What programs hold at the gateway. Sealed, and kept by them, not by the safe."""
    return "gateway/pass"


def invitation_link(invitation_id: str) -> str:
    """The secret part of the link in the letter."""
    return f"invitation/{invitation_id}/link"


def invoice_document(change_id: str) -> str:
    """The PDF of an invoice that waits to be uploaded, in base64."""
    return f"change/{change_id}/invoice"


def order_personal(order_id: str) -> str:
    """What is personal in an order; ``order_id`` is its id here."""
    return f"order/{order_id}/personal"


def second_factor_key(operator_id: str) -> str:
    """What an operator's codes of the clock are made with."""
    return f"operator/{operator_id}/second_factor_key"


def pending_second_factor_key(session_id: str) -> str:
    """One that nobody has shown a code of yet. Of a session: who began with somebody's password
    must not know the key that the person sets later."""
    return f"session/{session_id}/second_factor_key"


def operator_invitation_link(invitation_id: str) -> str:
    """The secret part of the link that makes somebody an operator."""
    return f"operator_invitation/{invitation_id}/link"


def first_start_code() -> str:
    """Admits the first operator of a house that has none."""
    return "house/first_start_code"


# --- the room -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What a resealing did. ``left`` rows still hang on another key; ``broken`` names those of
    them that did not open. An older key may leave the ring only when ``left`` is 0."""

    new_key_id: str
    resealed: int
    left: int
    broken: tuple[str, ...] = ()


#: Told after every batch: (rows resealed so far, rows that were to be resealed at the start).
Progress = Callable[[int, int], None]


class Vault:
    """Every verb with ``tx`` is part of that transaction."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def key_ids(self) -> tuple[str, ...]:
        """Of the ring, the one that seals first; empty where there is no ring. Ids are no
        secrets."""
        known = await self._keyring.key_ids()
        if not known:
            return ()
        current = await self._keyring.current_key_id()
        return current, *(key_id for key_id in known if key_id != current)

    async def put(
        self,
        tx: Transaction,
        name: str,
        secret: Secret,
        *,
        now: datetime,
        expires_at: datetime | None = None,
    ) -> None:
        """Seals ``secret`` under ``name``, over whatever lay there. ``expires_at`` is the end of
        what is inside, when it has one; the row is swept some time after it."""
        await tx.safe.put(await self._sealed(name, secret, now=now, expires_at=expires_at))

    async def open(self, tx: Transaction, name: str) -> Secret | None:
        """The secret of that name, or None. Whether it is still good is not looked at.

        Raises SealBroken when it does not open, Misconfigured when its key left the ring.
        """
        sealed = await tx.safe.get(name)
        return None if sealed is None else await self.open_sealed(sealed)

    async def open_sealed(self, sealed: SealedSecret) -> Secret:
        """Opens a row that was read elsewhere (``store.quick.sealed``). Raises as ``open``."""
        plaintext = await self._keyring.open(sealed.key_id, sealed.ciphertext, sealed.id)
        return Secret(plaintext.decode())

    async def seal_loose(self, name: str, content: bytes) -> tuple[str, bytes]:
        """Seals what no row keeps: (key id, ciphertext), to be given away. It opens under this
        name only, for as long as the key is in the ring."""
        return await self._keyring.seal(content, name)

    async def open_loose(self, name: str, key_id: str, ciphertext: bytes) -> bytes:
        """Raises SealBroken, also when the ring holds no such key: who brings it may have made up
        both."""
        if key_id not in await self._keyring.key_ids():
            raise SealBroken(facts={"name": name})
        return await self._keyring.open(key_id, ciphertext, name)

    async def drop(self, tx: Transaction, name: str) -> bool:
        """True when something lay there."""
        return await tx.safe.drop(name)

    async def rotate_key(
        self, store: Store, clock: Clock, progress: Progress | None = None, batch: int = 200
    ) -> Rotation:
        """Adds a key to the ring and reseals everything under it, while serving goes on.

        When it is interrupted, ``reseal`` goes on where it stopped. Raises Misconfigured when
        the ring cannot be written (it comes from a setting, or is kept by somebody else).
        """
        await self._keyring.add_key()
        return await self.reseal(store, clock, progress, batch)

    async def reseal(
        self, store: Store, clock: Clock, progress: Progress | None = None, batch: int = 200
    ) -> Rotation:
        """Reseals every row of an older key under the current one, in short transactions.

        A row that changes meanwhile keeps its new value and is looked at again. Running it
        twice, or twice at once, does no harm.
        """
        current = await self._keyring.current_key_id()
        older = [key_id for key_id in await self._keyring.key_ids() if key_id != current]
        async with store.transaction() as tx:
            total = await tx.safe.count(key_id=older)
        resealed = 0
        broken: dict[str, None] = {}
        after: str | None = None
        while older:
            async with store.transaction() as tx:
                found = await tx.safe.all(after=after, limit=batch, key_id=older)
            if not found:
                break
            fresh = await self._resealed(found, clock.now(), broken)
            async with store.transaction() as tx:
                for old, new in fresh:
                    changed = await tx.safe.change(
                        old.id,
                        expecting={"key_id": old.key_id, "ciphertext": old.ciphertext},
                        key_id=new.key_id,
                        ciphertext=new.ciphertext,
                        sealed_at=new.sealed_at,
                    )
                    resealed += changed is not None
            after = found[-1].id
            if progress is not None:
                progress(resealed, total)
        async with store.transaction() as tx:
            left = await tx.safe.count() - await tx.safe.count(key_id=current)
        return Rotation(new_key_id=current, resealed=resealed, left=left, broken=tuple(broken))

    async def _resealed(
        self, rows: Sequence[SealedSecret], now: datetime, broken: dict[str, None]
    ) -> list[tuple[SealedSecret, SealedSecret]]:
        pairs = []
        for old in rows:
            try:
                secret = await self.open_sealed(old)
            except (SealBroken, Misconfigured):
                broken[old.id] = None
                continue
            new = await self._sealed(old.id, secret, now=now, expires_at=old.expires_at)
            pairs.append((old, new))
        return pairs

    async def _sealed(
        self, name: str, secret: Secret, *, now: datetime, expires_at: datetime | None
    ) -> SealedSecret:
        key_id, ciphertext = await self._keyring.seal(secret.reveal().encode(), name)
        return SealedSecret(
            id=name, key_id=key_id, ciphertext=ciphertext, sealed_at=now, expires_at=expires_at
        )
