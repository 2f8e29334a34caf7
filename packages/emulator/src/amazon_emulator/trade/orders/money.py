"""Amounts of money: exact decimals, each in its currency, read and written as Amazon does.

Answers for: how many digits a currency has, reading an amount that a program sent, writing one, and
cutting an amount into shares that add up again. It knows no order.

All arithmetic is of `Decimal` within its default 28 digits: `MOST` and `MOST_PIECES` keep products
of an amount and a number of pieces exact, and sums writable as JSON numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal

__all__ = [
    "CHARGED",
    "DISCOUNTED",
    "MOST",
    "MOST_PIECES",
    "TAXES",
    "ZERO",
    "Amounts",
    "added",
    "as_json",
    "as_number",
    "digits",
    "from_json",
    "less",
    "read",
    "share",
    "total",
    "write",
]

ZERO = Decimal(0)

# What a buyer pays for an item, by the names of Amazon's order adjustment feed.
CHARGED = ("Principal", "Tax", "Shipping", "ShippingTax", "GiftWrap", "GiftWrapTax")

TAXES = ("Tax", "ShippingTax", "GiftWrapTax")

# What promotions are taken off.
DISCOUNTED = ("Principal", "Shipping")

# No amount of one item reaches the first, in any currency; no item has more pieces.
MOST = Decimal(10**10)
MOST_PIECES = 10**6

# By component; a component that is missing is zero.
Amounts = Mapping[str, Decimal]

_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")


def digits(currency: str) -> int:
    """How many digits stand behind the point."""
    return 0 if currency == "JPY" else 2


def read(text: str, currency: str) -> Decimal:
    """An amount as programs write it: digits, a point, digits.

    Raises ValueError when it is none, or finer than its currency."""
    if not _AMOUNT.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is not an amount")
    amount = Decimal(text.strip())
    if amount != _rounded(amount, currency):
        raise ValueError(f"{text!r} has more digits than {currency} has")
    return _rounded(amount, currency)


def write(amount: Decimal, currency: str) -> str:
    """With all digits of the currency: `19.90`."""
    return f"{_rounded(amount, currency):f}"


def as_number(amount: Decimal) -> float | int:
    """As the JSON number that the Finances models want."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def share(whole: Decimal, part: int, of: int, currency: str) -> Decimal:
    """What ``part`` of ``of`` pieces cost when all cost ``whole``. Differences of shares of one
    whole add up to it, so nothing is lost by rounding."""
    return _rounded(whole * part / of, currency)


def total(amounts: Amounts) -> Decimal:
    return sum(amounts.values(), ZERO)


def added(many: Iterable[Amounts]) -> dict[str, Decimal]:
    """Sums by component, without those that are zero."""
    sums: dict[str, Decimal] = {}
    for amounts in many:
        for component, amount in amounts.items():
            sums[component] = sums.get(component, ZERO) + amount
    return {component: amount for component, amount in sums.items() if amount}


def less(amounts: Amounts, taken: Amounts) -> dict[str, Decimal]:
    """What is left by component, without those that are zero."""
    return added([amounts, {component: -amount for component, amount in taken.items()}])


def as_json(amounts: Amounts, currency: str) -> dict[str, str]:
    return {component: write(amount, currency) for component, amount in amounts.items()}


def from_json(given: object, currency: str, where: str) -> dict[str, Decimal]:
    """The opposite of `as_json`. Raises ValueError that names the place."""
    amounts = {}
    for component, text in (given if isinstance(given, dict) else {"": given}).items():
        try:
            amounts[str(component)] = read(text if isinstance(text, str) else repr(text), currency)
        except ValueError as error:
            raise ValueError(f"{where}.{component}: {error}") from None
    return amounts


def _rounded(amount: Decimal, currency: str) -> Decimal:
    # Adding zero takes the sign from a zero: nobody writes -0.00.
    return amount.quantize(Decimal(1).scaleb(-digits(currency)), ROUND_HALF_UP) + ZERO
