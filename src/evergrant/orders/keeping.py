"""Puts orders into the book: new ones and changed ones, with what is personal sealed beside them.

Answers for: telling a repeat from a change, never putting an older state over a newer one, one
position and one event for each change. Does not answer for: where the orders come from. Whoever
calls holds the account's row of ``order_sweeps`` in the same transaction, so that two who have news
of one order come one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from evergrant import vault as safe
from evergrant.errors import Misconfigured, SealBroken
from evergrant.logs import logger
from evergrant.orders.asking import WAYS
from evergrant.outbox import put_event
from evergrant.ports.store import Transaction
from evergrant.ports.things import Account, Authorization, SealedSecret
from evergrant.ports.traded import Order, OrderKind
from evergrant.rules import order_privacy, order_reading, order_sweeps
from evergrant.rules.order_reading import OrderFacts, Unreadable
from evergrant.rules.secrecy import Secret
from evergrant.vault import Vault

__all__ = ["CHANGED", "RECEIVED", "Keeping", "Kept", "is_known", "row_id"]

RECEIVED = "order.received"
CHANGED = "order.changed"

log = logger(__name__)


def row_id(account_id: str, order_id: str) -> str:
    return f"{account_id}/{order_id}"


def is_known(order: Order) -> bool:
    """Not only named by a notification: it was read."""
    return bool(order.digest)


@dataclass(slots=True, kw_only=True)
class Kept:
    """What became of some orders. ``told``: ids of webhooks to ring for."""

    received: int = 0
    changed: int = 0
    repeated: int = 0
    told: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    facts: OrderFacts
    plain: Mapping[str, Any]
    personal: Mapping[str, Any]
    digest: str


class Keeping:
    def __init__(self, *, vault: Vault) -> None:
        self._vault = vault

    async def keep(
        self,
        tx: Transaction,
        bodies: Iterable[Mapping[str, Any]],
        *,
        now: datetime,
        account: Account,
        authorization: Authorization,
        kind: OrderKind,
        with_personal: bool = True,
        answered: datetime | None = None,
    ) -> Kept:
        """``with_personal``: Amazon was asked for what is personal, so that what it does not tell
        is not there. ``answered``: the ``fetch_due_at`` that is done with now."""
        news = _read(bodies, kind)
        names = {row_id(account.id, order_id): order_id for order_id in sorted(news)}
        known = {row.id: row for row in await tx.orders.all(id=list(names))}
        sealed = await self._sealed(tx, known.values()) if with_personal else {}
        kept = Kept()
        for row_name, order_id in names.items():
            one, row = news[order_id], known.get(row_name)
            if row is not None and is_known(row) and _is_older(one.facts, row):
                kept.repeated += 1
                continue
            personal = one.personal if _ends_at(one.facts, now) > now else {}
            same = with_personal and await self._is_same(sealed.get(row_name), personal)
            if row is not None and row.digest == one.digest and (same or not with_personal):
                kept.repeated += 1
                continue
            new = row is None or not is_known(row)
            fresh = _order(one, account, kind, row, now, answered)
            if with_personal:
                fresh = replace(fresh, personal=await self._seal(tx, fresh, personal, now))
            await tx.orders.put(fresh)
            kept.received += new
            kept.changed += not new
            told = await put_event(
                tx,
                now=now,
                topic=RECEIVED if new else CHANGED,
                account=account,
                authorization=authorization,
                order_id=order_id,
                kind=kind.value,
                status=fresh.status,
                marketplace_id=fresh.marketplace_id,
                amazon_changed_at=_text(fresh.amazon_changed_at),
            )
            if told is not None:
                kept.told.append(told.id)
        return kept

    async def open(self, sealed: SealedSecret) -> Mapping[str, Any] | None:
        """What is personal in an order; None when it does not open, which is logged."""
        try:
            found: Mapping[str, Any] = json.loads((await self._vault.open_sealed(sealed)).reveal())
        except (SealBroken, Misconfigured) as error:
            log.error(  # noqa: TRY400
                "what is personal in an order does not open", name=sealed.id, why=str(error)
            )
            return None
        return found

    async def drop(self, tx: Transaction, ids: Iterable[str]) -> None:
        """The sealed parts of these orders."""
        for one in ids:
            await self._vault.drop(tx, safe.order_personal(one))

    # --- inside ---

    async def _sealed(self, tx: Transaction, rows: Iterable[Order]) -> Mapping[str, SealedSecret]:
        """By the order's id."""
        names = {safe.order_personal(row.id): row.id for row in rows if row.personal}
        if not names:
            return {}
        return {names[one.id]: one for one in await tx.safe.all(id=list(names))}

    async def _is_same(self, sealed: SealedSecret | None, personal: Mapping[str, Any]) -> bool:
        if sealed is None:
            return not personal
        return bool(personal) and await self.open(sealed) == personal

    async def _seal(
        self, tx: Transaction, order: Order, personal: Mapping[str, Any], now: datetime
    ) -> bool:
        """Whether there is something. It leaves 30 days after Amazon's last change, however long
        the order itself is kept."""
        name = safe.order_personal(order.id)
        if not personal:
            await self._vault.drop(tx, name)
            return False
        await self._vault.put(
            tx,
            name,
            Secret(json.dumps(personal, separators=(",", ":"))),
            now=now,
            expires_at=_ends_at(order, now),
        )
        return True


def _read(bodies: Iterable[Mapping[str, Any]], kind: OrderKind) -> dict[str, _News]:
    """By Amazon's id of the order; of several states of one the latest."""
    way = WAYS[kind]
    news: dict[str, _News] = {}
    for body in bodies:
        try:
            facts = order_reading.facts_of(body, way.shape)
        except Unreadable:
            # Without an id there is nothing to keep it under; the others must not wait for it.
            log.error(  # noqa: TRY400
                "Amazon told of an order without an id", kind=kind.value
            )
            continue
        other = news.get(facts.order_id)
        if other is not None and _is_before(facts, other.facts.amazon_changed_at):
            continue
        plain, personal = order_privacy.split(body, way.allowed)
        news[facts.order_id] = _News(
            facts=facts, plain=plain, personal=personal, digest=order_reading.digest(plain)
        )
    return news


def _is_older(facts: OrderFacts, row: Order) -> bool:
    return _is_before(facts, row.amazon_changed_at)


def _is_before(facts: OrderFacts, other: datetime | None) -> bool:
    at = facts.amazon_changed_at
    return at is not None and other is not None and at < other


def _order(
    news: _News,
    account: Account,
    kind: OrderKind,
    row: Order | None,
    now: datetime,
    answered: datetime | None,
) -> Order:
    asked = None if row is None or row.fetch_due_at == answered else row.fetch_due_at
    return Order(
        id=row_id(account.id, news.facts.order_id),
        account_id=account.id,
        client_instance_id=account.client_instance_id,
        order_id=news.facts.order_id,
        kind=kind,
        marketplace_id=news.facts.marketplace_id,
        status=news.facts.status,
        ordered_at=news.facts.ordered_at,
        amazon_changed_at=news.facts.amazon_changed_at,
        body=news.plain,
        digest=news.digest,
        personal=row is not None and row.personal,
        fetch_due_at=asked,
        created_at=row.created_at if row is not None and is_known(row) else now,
        changed_at=now,
    )


def _ends_at(one: OrderFacts | Order, now: datetime) -> datetime:
    return min(one.amazon_changed_at or now, now) + order_sweeps.KEPT


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
