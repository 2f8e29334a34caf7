"""What Amazon objects to in a submission of listing data.

Answers for: the issues of one submission, by what was submitted and what is listed already. It
changes nothing, and it does not know Amazon's product types: which attributes they require is told
by levers, beside the little that all of them do. Words and codes are in `issues`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from amazon_emulator import marketplaces
from amazon_emulator.trade.listings import issues
from amazon_emulator.trade.listings.issues import Issue
from amazon_emulator.trade.listings.patches import (
    FULFILLMENT,
    OFFER,
    Op,
    Patch,
    Requirements,
    Value,
)

__all__ = ["LONGEST_SKU", "Known", "attribute_of", "judge_changes", "judge_frame", "judge_whole"]

LONGEST_SKU = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PRODUCT_TYPE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_PATH = re.compile(r"/attributes/([^/]+)")
# Required of every product type, with the sales terms and with the facts of the product.
_FACTS = ("item_name",)
_TERMS = ("condition_type",)


@dataclass(frozen=True)
class Known:
    """What the judge must know of the one who submits and of what is there. ``by_amazon``: Amazon
    fulfills the listing; ``required``: attributes by product type, as levers set them;
    ``refused_types``: product types that are unknown."""

    vendor: bool
    marketplace_ids: tuple[str, ...]
    by_amazon: bool = False
    required: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refused_types: frozenset[str] = frozenset()


def attribute_of(path: str) -> str | None:
    """The attribute that a patch names; None for anything but a top-level attribute."""
    found = _PATH.fullmatch(path)
    return None if found is None else found[1]


def judge_frame(sku: str, product_type: str | None, known: Known) -> Iterator[Issue]:
    """SKU and product type; None: there is none, as in deletions."""
    if len(sku) > LONGEST_SKU or not sku.isprintable() or sku != sku.strip():
        yield issues.bad_sku()
    if product_type is not None and (
        not _PRODUCT_TYPE.fullmatch(product_type) or product_type in known.refused_types
    ):
        yield issues.bad_product_type(product_type)


def judge_whole(
    product_type: str,
    attributes: Mapping[str, Any],
    requirements: Requirements,
    known: Known,
) -> Iterator[Issue]:
    """A full update: every attribute, and those that are missing."""
    required: list[str] = []
    if requirements != "LISTING_OFFER_ONLY":
        required += [*_FACTS, *known.required.get(product_type, ())]
    if requirements != "LISTING_PRODUCT_ONLY" and not known.vendor:
        required += _TERMS
    for name in dict.fromkeys(required):
        if not attributes.get(name):
            yield issues.missing(name)
    for name, values in attributes.items():
        yield from _judge_attribute(name, values, "replace", known)


def judge_changes(patches: Sequence[Patch], known: Known) -> Iterator[Issue]:
    """Patches one by one."""
    for patch in patches:
        yield from _judge_attribute(patch.attribute, patch.values, patch.op, known)


def _judge_attribute(name: str, values: Any, op: Op, known: Known) -> Iterator[Issue]:
    if name in (FULFILLMENT, OFFER) and known.vendor:
        yield issues.not_for_vendors(name)
    elif not _NAME.fullmatch(name):
        yield issues.unknown_attributes((name,))
    elif not isinstance(values, list | tuple) or not all(isinstance(one, dict) for one in values):
        yield issues.bad_value(name)
    elif op == "delete":
        return
    elif name == FULFILLMENT:
        yield from _judge_stock(values, known)
    else:
        for value in values:
            yield from _judge_marketplace(name, value, known)
            if not isinstance(value.get("language_tag", ""), str):
                yield issues.bad_value(name, f"{name}.language_tag")
            if name == OFFER:
                yield from _judge_offer(value, op, known)


def _judge_stock(values: Sequence[Value], known: Known) -> Iterator[Issue]:
    for value in values:
        channel = value.get("fulfillment_channel_code")
        if channel in (None, ""):
            yield issues.too_few(FULFILLMENT, "fulfillment_channel_code")
            continue
        if not isinstance(channel, str):
            yield issues.bad_value(FULFILLMENT, f"{FULFILLMENT}.fulfillment_channel_code")
            continue
        quantity = value.get("quantity")
        if quantity is None:
            continue
        if type(quantity) is not int or not 0 <= quantity <= 2_147_483_647:
            yield issues.bad_value(FULFILLMENT, f"{FULFILLMENT}.quantity")
        elif known.by_amazon or channel.startswith("AMAZON"):
            yield issues.stock_of_amazon()


def _judge_marketplace(name: str, value: Value, known: Known) -> Iterator[Issue]:
    told = value.get("marketplace_id")
    if told is None:
        if name == OFFER and len(known.marketplace_ids) > 1:
            yield issues.too_few(name, "marketplace_id")
    elif told not in known.marketplace_ids:
        yield issues.foreign_marketplace(name)


def _judge_offer(value: Value, op: Op, known: Known) -> Iterator[Issue]:
    audience, currency = value.get("audience", "ALL"), value.get("currency")
    if not isinstance(audience, str) or not audience:
        yield issues.bad_value(OFFER, f"{OFFER}.audience")
    if currency is not None and currency != _currency_of(value, known):
        yield issues.bad_value(OFFER, f"{OFFER}.currency")
    price = value.get("our_price")
    if price is not None or op != "merge":
        yield from _judge_price("our_price", price if price is not None else [])
    discount = value.get("discounted_price")
    if discount is not None:
        yield from _judge_price("discounted_price", discount)


def _currency_of(value: Value, known: Known) -> str | None:
    told = value.get("marketplace_id")
    if told is None and len(known.marketplace_ids) == 1:
        told = known.marketplace_ids[0]
    try:
        return marketplaces.find(told).currency if isinstance(told, str) else None
    except ValueError:
        return None


def _judge_price(name: str, prices: Any) -> Iterator[Issue]:
    """`our_price` is a list of objects with a list `schedule` of objects with `value_with_tax`."""
    path = f"{OFFER}.{name}"
    if not isinstance(prices, list):
        yield issues.bad_value(OFFER, path)
        return
    if not prices:
        yield issues.too_few(OFFER, name)
    for price in prices:
        schedule = price.get("schedule", []) if isinstance(price, dict) else None
        if not isinstance(schedule, list):
            yield issues.bad_value(OFFER, path)
        elif not schedule:
            yield issues.too_few(OFFER, f"{name}.schedule")
        for entry in schedule if isinstance(schedule, list) else ():
            if not isinstance(entry, dict) or not _is_price(entry.get("value_with_tax")):
                yield issues.bad_value(OFFER, f"{path}.schedule.value_with_tax")


def _is_price(told: Any) -> bool:
    return type(told) in (int, float) and 0 < told < 10**12  # never so for NaN
