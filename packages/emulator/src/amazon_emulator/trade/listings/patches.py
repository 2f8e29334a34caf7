"""How the attributes of a listing change: add, replace, merge, delete, and a whole rewriting.

Answers for: which values of an attribute a change concerns. Values are told apart by selectors:
`fulfillment_channel_code` for stock, `marketplace_id`, `audience` and `currency` for offers,
`marketplace_id` and `language_tag` for everything else. Operations are those of Amazon's Listings
Items 2021-08-01 model, merging is as on Amazon's page 'merge-a-listing': what is not repeated
stays, an explicit null removes. It judges nothing and knows no listing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = [
    "FULFILLMENT",
    "OFFER",
    "OFFER_ATTRIBUTES",
    "OPS",
    "Attributes",
    "Op",
    "Patch",
    "Requirements",
    "Value",
    "completed",
    "merged",
    "patched",
    "rewritten",
    "selector",
    "without_marketplaces",
]

Op = Literal["add", "replace", "merge", "delete"]
OPS: tuple[Op, ...] = get_args(Op)
Requirements = Literal["LISTING", "LISTING_PRODUCT_ONLY", "LISTING_OFFER_ONLY"]
Value = dict[str, Any]
Attributes = Mapping[str, Sequence[Value]]

DEEPEST = 50  # objects within objects

FULFILLMENT = "fulfillment_availability"
OFFER = "purchasable_offer"
# Attributes of the sales terms; all others are facts of the product.
OFFER_ATTRIBUTES = frozenset(
    {
        FULFILLMENT,
        OFFER,
        "condition_note",
        "condition_type",
        "gift_options",
        "list_price",
        "max_order_quantity",
        "merchant_release_date",
        "merchant_shipping_group",
        "merchant_suggested_asin",
        "product_tax_code",
        "skip_offer",
    }
)
_SELECTORS = {
    FULFILLMENT: ("fulfillment_channel_code",),
    OFFER: ("marketplace_id", "audience", "currency"),
}
_OTHERS = ("marketplace_id", "language_tag")


@dataclass(frozen=True)
class Patch:
    """One change of one attribute. Without values, a deletion takes all of the marketplaces."""

    op: Op
    attribute: str
    values: tuple[Value, ...] = ()


def selector(attribute: str, value: Value) -> tuple[str | None, ...]:
    """What tells this value from the others of its attribute."""
    told = [value.get(name) for name in _SELECTORS.get(attribute, _OTHERS)]
    for place, one in enumerate(told):
        if one is not None and not isinstance(one, str):
            told[place] = repr(one)
    return tuple(told)


def completed(
    attribute: str, values: Iterable[Value], marketplace_ids: Sequence[str], currency: str
) -> list[Value]:
    """The values with what goes without saying: the one marketplace of a submission, its currency,
    the audience ALL. Stock belongs to no marketplace."""
    if attribute == FULFILLMENT:
        return list(values)
    one = marketplace_ids[0] if len(marketplace_ids) == 1 else None
    told = []
    for value in values:
        lacking: Value = {}
        if one is not None and value.get("marketplace_id") is None:
            lacking["marketplace_id"] = one
        if attribute == OFFER:
            if "audience" not in value:
                lacking["audience"] = "ALL"
            if value.get("currency") is None and one is not None:
                lacking["currency"] = currency
        told.append({**value, **lacking} if lacking else value)
    return told


def patched(values: Sequence[Value], patch: Patch, marketplace_ids: Sequence[str]) -> list[Value]:
    """The values of the attribute after the patch. Nothing that was given is changed in place."""
    if patch.op == "delete":
        return _deleted(values, patch, marketplace_ids)
    given: dict[tuple[str | None, ...], list[Value]] = {}
    for value in patch.values:
        given.setdefault(selector(patch.attribute, value), []).append(value)
    kept: list[Value] = []
    known: dict[tuple[str | None, ...], list[Value]] = {}
    for value in values:
        chosen = selector(patch.attribute, value)
        if chosen in given:
            known.setdefault(chosen, []).append(value)
        else:
            kept.append(value)
    for chosen, news in given.items():
        olds = known.get(chosen, [])
        if patch.op != "merge":
            kept.extend(news)
        elif len(news) == 1 and len(olds) <= 1:
            kept.append(merged(olds[0] if olds else {}, news[0]))
        else:
            kept.extend(merged({}, new) for new in news)
    return kept


def merged(old: Value, new: Value, depth: int = 0) -> Value:
    """``new`` over ``old``: objects field by field, lists as a whole, null removes. What lies
    deeper than any attribute of Amazon's is taken as a whole."""
    if depth == DEEPEST:
        return new
    told = dict(old)
    for name, value in new.items():
        if value is None:
            told.pop(name, None)
        elif isinstance(value, dict):
            before = told.get(name)
            told[name] = merged(before if isinstance(before, dict) else {}, value, depth + 1)
        else:
            told[name] = value
    return told


def _deleted(values: Sequence[Value], patch: Patch, marketplace_ids: Sequence[str]) -> list[Value]:
    names = _SELECTORS.get(patch.attribute, _OTHERS)
    wished = [{name: v[name] for name in names if name in v} for v in patch.values] or [{}]

    def goes(value: Value) -> bool:
        for wish in wished:
            if all(value.get(name) == told for name, told in wish.items()) and (
                "marketplace_id" in wish or _is_of(patch.attribute, value, marketplace_ids)
            ):
                return True
        return False

    return [value for value in values if not goes(value)]


def _is_of(attribute: str, value: Value, marketplace_ids: Sequence[str]) -> bool:
    if attribute == FULFILLMENT:
        return True
    return value.get("marketplace_id") in (None, *marketplace_ids)


def rewritten(
    attributes: Attributes,
    given: Attributes,
    marketplace_ids: Sequence[str],
    requirements: Requirements,
) -> dict[str, list[Value]]:
    """All attributes after a full update: what it concerns and does not repeat is lost, what is
    bound to other marketplaces stays."""
    told: dict[str, list[Value]] = {}
    for name in [*attributes, *(name for name in given if name not in attributes)]:
        values = list(attributes.get(name, ()))
        if name in given or _concerns(requirements, name):
            values = [value for value in values if not _is_of(name, value, marketplace_ids)]
        values += given.get(name, ())
        if values:
            told[name] = values
    return told


def _concerns(requirements: Requirements, name: str) -> bool:
    if requirements == "LISTING":
        return True
    return (name in OFFER_ATTRIBUTES) == (requirements == "LISTING_OFFER_ONLY")


def without_marketplaces(
    attributes: Attributes, marketplace_ids: Sequence[str]
) -> dict[str, list[Value]]:
    """All attributes but the values that are bound to these marketplaces."""
    told: dict[str, list[Value]] = {}
    for name, values in attributes.items():
        kept = [
            value
            for value in values
            if name == FULFILLMENT or value.get("marketplace_id") not in marketplace_ids
        ]
        if kept:
            told[name] = kept
    return told
