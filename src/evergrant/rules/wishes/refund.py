"""Money that goes back to a buyer, item by item.

Answers for: what such a line may hold. Does not answer for: what was refunded before, at Amazon or
elsewhere: the reference is what tells one refund from another.

Money leaves for good, and Amazon does not tell a repeated refund from a second one. So the
reference is needed, amounts are decimal text, and there is no quantity: amounts are what is paid,
and a quantity beside them was reported to change the sum (selling-partner-api-models issue 4405).

Sources: the adjustment feed (POST_PAYMENT_ADJUSTMENT_DATA), its reasons as sellers' tools list
them; in Japan a tax of its own is refused, all is principal (selling-partner-api-models issue
1372).
"""

from __future__ import annotations

from decimal import Decimal

from evergrant.rules.changes import ChangeKind
from evergrant.rules.wishes.ground import Lines, Wish, WishGround, decimals_of
from evergrant.rules.wishes.words import as_key

__all__ = ["PARTS", "REASONS", "refund"]

REASONS = (
    "NoInventory",
    "CustomerReturn",
    "GeneralAdjustment",
    "CouldNotShip",
    "DifferentItem",
    "Abandoned",
    "CustomerCancel",
    "PriceError",
    "ProductOutofStock",
    "CustomerAddressIncorrect",
    "Exchange",
    "Other",
    "CarrierCreditDecision",
    "RiskAssessmentInformationNotValid",
    "CarrierCoverageFailure",
    "TransactionRecord",
    "Undeliverable",
    "RefusedDelivery",
)
#: What an item's refund consists of.
PARTS = ("principal", "tax", "shipping", "shipping_tax", "gift_wrap", "gift_wrap_tax")
_WITHIN_PRICE = {"tax": "principal", "shipping_tax": "shipping", "gift_wrap_tax": "gift_wrap"}
_PRICES_HOLD_TAX = frozenset({"JP"})


def refund(lines: Lines, about: WishGround) -> Wish:
    """``order_id``, ``reference``, ``currency``, ``reason``, ``items`` [``order_item_id`` and
    amounts]."""
    marketplace = lines.marketplace(about)
    order_id = lines.order_id()
    reference = lines.reference(optional=False)
    currency = lines.currency(marketplace)
    reason = lines.word("reason", REASONS)
    tax_is_within = marketplace is not None and marketplace.country_code in _PRICES_HOLD_TAX
    items = [
        _item(item, places=decimals_of(currency), tax_is_within=tax_is_within)
        for item in lines.parts("items")
    ]
    lines.differ("items", "order_item_id", [one["order_item_id"] for one in items])
    return Wish(
        kind=ChangeKind.REFUND,
        marketplace_id=marketplace.marketplace_id if marketplace else "",
        subject=order_id,
        key=as_key(reference),
        reference=reference,
        wish={"currency": currency, "reason": reason, "items": items},
    )


def _item(lines: Lines, *, places: int, tax_is_within: bool) -> dict[str, str]:
    item = {"order_item_id": lines.order_item_id()}
    given = False
    for part in PARTS:
        given = given or lines.holds(part)
        if tax_is_within and part in _WITHIN_PRICE:
            lines.not_here(
                part,
                "is refused in Japan, where prices hold their tax.",
                f"Add it to '{_WITHIN_PRICE[part]}'.",
            )
            continue
        amount = lines.amount(part, places=places, zero=True, optional=True)
        if amount and Decimal(amount):
            item[part] = amount
    lines.not_here(
        "quantity", "has no place in a refund.", "The amounts are what is paid, for all pieces."
    )
    if len(item) == 1 and not lines.has_faults():
        why = "must come to more than zero." if given else "needs an amount."
        lines.fault(None, "not_above_zero", why, f"Amounts are: {', '.join(PARTS)}.")
    return item
