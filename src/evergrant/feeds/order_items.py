"""The items of an order, for a cancellation that names none.

Answers for: taking them from the order book, where that knows the order whole. Does not answer for:
asking Amazon for it (orders are read by their own room), or for what a cancellation without items
is worth (``rules.wishes``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evergrant.ports.store import Transaction
from evergrant.ports.things import Account
from evergrant.ports.traded import Order
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.wishes import Refused, Wish
from evergrant.rules.wishes.cancellation import lacks_items, of_items

__all__ = ["completed"]

_BATCH = 500


async def completed(
    tx: Transaction,
    account: Account,
    wishes: Sequence[tuple[int, Wish]],
    refused: dict[int, Refused],
) -> list[tuple[int, Wish]]:
    """The wishes with the items that they lack; one for which nobody knows them goes to
    ``refused``."""
    if account.partner_kind is not PartnerKind.SELLER:
        return list(wishes)
    known = await _known(tx, account.id, {wish.subject for _, wish in wishes if lacks_items(wish)})
    whole = []
    for line, wish in wishes:
        try:
            whole.append(
                (line, of_items(wish, known.get(wish.subject, ())) if lacks_items(wish) else wish)
            )
        except Refused as why:
            refused[line] = why
    return whole


async def _known(
    tx: Transaction, account_id: str, order_ids: set[str]
) -> Mapping[str, Sequence[str]]:
    wanted = [f"{account_id}/{order_id}" for order_id in sorted(order_ids)]
    found: dict[str, Sequence[str]] = {}
    for start in range(0, len(wanted), _BATCH):
        for order in await tx.orders.all(id=wanted[start : start + _BATCH]):
            found[order.order_id] = _items(order)
    return found


def _items(order: Order) -> list[str]:
    """As Amazon names them in getOrder and searchOrders (orders 2026-01-01 model)."""
    told = order.body.get("orderItems")
    if not isinstance(told, list):
        return []
    ids = [one.get("orderItemId") for one in told if isinstance(one, Mapping)]
    return [one for one in ids if isinstance(one, str) and one]
