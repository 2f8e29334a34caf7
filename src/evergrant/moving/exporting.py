"""Our own books, written out in the shape that is read as well.

Answers for: the document, with every secret sealed or without any. Does not answer for: the file
(``writing``), or for whoever may have it.

Format 1: ``{"evergrant": {"format", "version", "exported_at", "sealing"}, table: [rows]}`` with the
tables and columns of the guide "move-in". A secret is ``{"sealed": base64}``; what it was sealed
for (``context_of``) is part of the seal.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from evergrant import vault
from evergrant.errors import InvalidInput, Misconfigured, SealBroken
from evergrant.moving.reading import FORMAT, VERSION
from evergrant.moving.source import plain_name
from evergrant.moving.values import Books, Cell, Row, Sealed, Table
from evergrant.ports import Keyring
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import (
    Account,
    Application,
    Authorization,
    ClientInstance,
    IntegrationCredentials,
)
from evergrant.rules import flags as flag_rules
from evergrant.rules.lifecycle import State
from evergrant.vault import Vault

__all__ = ["Export", "Exporter", "Sealing", "context_of", "unsealed"]

_STRIDE = 500


def context_of(table: Table, id: str, column: str) -> str:
    """What a secret is sealed for: the row and the column that it stands in."""
    return f"export/{table.value}/{id}/{column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """``document`` is JSON. ``unreadable``: names in the safe of secrets that did not open."""

    document: Mapping[str, Any] = field(repr=False)
    counts: Mapping[str, int]
    secrets: int
    unreadable: tuple[str, ...] = ()

    def text(self) -> str:
        return json.dumps(self.document, indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """How the secrets of an export are sealed: the ring that a passphrase made, and what has to be
    known besides the passphrase to make it again."""

    keyring: Keyring = field(repr=False)
    parameters: Mapping[str, object]


class Exporter:
    """Without ``sealing`` no secret leaves."""

    def __init__(self, store: Store, safe: Vault, sealing: Sealing | None) -> None:
        self._store = store
        self._safe = safe
        self._sealing = sealing
        self._outside = None if sealing is None else Vault(sealing.keyring)
        self._secrets = 0
        self._unreadable: list[str] = []

    async def export(self, now: datetime) -> Export:
        rows: dict[str, list[dict[str, Any]]] = {table.value: [] for table in Table}
        async with self._store.transaction() as tx:
            for instance in await tx.instances.all():
                rows[Table.INSTANCES].append(await self._instance(tx, instance))
            for application in await tx.applications.all():
                rows[Table.APPLICATIONS].append(_application(application))
                credentials = await tx.credentials.get(application.id)
                if credentials is not None:
                    rows[Table.CREDENTIALS].append(await self._credentials(tx, credentials))
        after: str | None = None
        while True:
            async with self._store.transaction() as tx:
                accounts = await tx.accounts.all(after=after, limit=_STRIDE)
                rows[Table.ACCOUNTS] += await self._accounts(tx, accounts)
            if len(accounts) < _STRIDE:
                break
            after = accounts[-1].id
        head = {
            "format": FORMAT,
            "version": VERSION,
            "exported_at": now.astimezone(UTC).isoformat(),
            "sealing": None if self._sealing is None else dict(self._sealing.parameters),
        }
        return Export(
            document={"evergrant": head, **rows},
            counts={table: len(found) for table, found in rows.items()},
            secrets=self._secrets,
            unreadable=tuple(self._unreadable),
        )

    # --- rows ---

    async def _instance(self, tx: Transaction, it: ClientInstance) -> dict[str, Any]:
        row = {name: getattr(it, name) for name in ("id", "name", "base_url", "return_url")}
        row["webhook_url"] = it.webhook_url
        place = Table.INSTANCES, it.id
        return row | await self._sealed(tx, *place, signing_secret=vault.signing_secret(it.id))

    async def _credentials(self, tx: Transaction, it: IntegrationCredentials) -> dict[str, Any]:
        row = {
            "id": it.id,
            "application": it.id,
            "lwa_client_id": it.lwa_client_id,
            "secret_created_at": _text(it.secret_created_at),
            "secret_expires_at": _text(it.secret_expires_at),
            **{name: getattr(it, name) for name in ("lwa_url", "role_arn", "queue_url")},
            "notifications_queue_url": it.notifications_queue_url,
        }
        return row | await self._sealed(
            tx,
            Table.CREDENTIALS,
            it.id,
            lwa_client_secret=vault.client_secret(it.id),
            access_key=vault.aws_access_key(it.id),
            secret_key=vault.aws_secret_key(it.id),
        )

    async def _accounts(self, tx: Transaction, accounts: Sequence[Account]) -> list[dict[str, Any]]:
        ids = [one.id for one in accounts]
        of = {one.account_id: one for one in await tx.authorizations.all(account_id=ids)}
        rows = []
        for account in accounts:
            authorization = of[account.id]
            row = _account(account, authorization)
            if authorization.grant_id is not None and authorization.state is not State.CLOSED:
                name = vault.refresh_token(authorization.grant_id)
                row |= await self._sealed(tx, Table.ACCOUNTS, account.id, refresh_token=name)
            rows.append(row)
        return rows

    async def _sealed(
        self, tx: Transaction, table: Table, id: str, **names: str
    ) -> dict[str, dict[str, str]]:
        """The secrets of a row by their columns; ``names`` are those in our own safe."""
        if self._outside is None:
            return {}
        found = {}
        for column, name in names.items():
            try:
                secret = await self._safe.open(tx, name)
            except (SealBroken, Misconfigured):
                self._unreadable.append(name)
                continue
            if secret is None:
                continue
            content = secret.reveal().encode()
            _, sealed = await self._outside.seal_loose(context_of(table, id, column), content)
            found[column] = {"sealed": base64.b64encode(sealed).decode()}
            self._secrets += 1
        return found


def _application(it: Application) -> dict[str, Any]:
    plain = (
        *("id", "name", "kind", "status", "application_id", "developer_name", "developer_id"),
        *("login_uri", "redirect_uri", "beta_for_sellers", "beta_for_vendors"),
    )
    return {
        **{name: getattr(it, name) for name in plain},
        "partner_kinds": sorted(it.partner_kinds),
        "reminder_days": None if it.reminder_days is None else list(it.reminder_days),
    }


def _account(it: Account, authorization: Authorization) -> dict[str, Any]:
    plain = (
        *("id", "name", "partner_kind", "vendor_kind", "client_email", "region"),
        *("home_marketplace", "merchant_token", "language", "notes", "oauth_began"),
    )
    flags = flag_rules.view(it.flags, it.partner_kind, it.vendor_kind)
    return {
        **{name: getattr(it, name) for name in plain},
        "application": it.application_id,
        "instance": it.client_instance_id,
        "vendor_codes": list(it.vendor_codes),
        **{flag.value: on for flag, on in flags.items()},
        "state": authorization.state.value,
        "selling_partner_id": authorization.selling_partner_id,
        "granted_at": _text(authorization.granted_at),
        "term_ends_at": _text(authorization.term_ends_at),
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


# --- and back ---------------------------------------------------------------------------------


async def unsealed(books: Books, keyring: Keyring | None) -> Books:
    """The books with their secrets open, in memory. What does not open is a fault of its column: it
    was damaged, or moved here from another row. Raises InvalidInput when there is no passphrase for
    what is sealed."""
    if not any(isinstance(cell, Sealed) for row in books.rows for cell in row.cells.values()):
        return books
    if keyring is None:
        raise InvalidInput(
            "The secrets in this file are sealed.",
            hint="Give the passphrase that they were sealed with.",
        )
    safe, key_id = Vault(keyring), await keyring.current_key_id()
    return replace(books, rows=tuple([await _opened(row, safe, key_id) for row in books.rows]))


async def _opened(row: Row, safe: Vault, key_id: str) -> Row:
    known = next((cell for name, cell in row.cells.items() if plain_name(name) == "id"), None)
    cells: dict[str, Cell] = {}
    faults = dict(row.faults)
    for column, cell in row.cells.items():
        cells[column] = cell
        if isinstance(cell, Sealed):
            cells[column] = None
            try:
                context = context_of(row.table, str(known), column)
                content = await safe.open_loose(context, key_id, cell.ciphertext)
                cells[column] = content.decode()
            except (SealBroken, UnicodeDecodeError):
                faults[column] = "does not open: it was damaged, or moved here from another row"
    return replace(row, cells=cells, faults=faults)
