"""Issues of listings: what is told when something is wrong with one, in the words that are known.

Answers for: codes, words, severities, categories. Codes that are Amazon's come from the examples of
Amazon's models and schemas (90220, 99022, 90000900) or from reports that developers showed in the
public discussion of those models (4000001, 4002001, 4002005, 4002006, 4002008, BAD_REQUEST). Where
no code is known, the emulator uses a range of its own, `EMU1001` and up, which no code of Amazon's
looks like. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = [
    "SEVERITIES",
    "Issue",
    "Severity",
    "already_sent",
    "bad_parameters",
    "bad_product_type",
    "bad_sku",
    "bad_value",
    "bad_version",
    "feed_lacks_merchant",
    "feed_unreadable",
    "foreign_account",
    "foreign_marketplace",
    "is_error",
    "missing",
    "not_for_vendors",
    "stock_of_amazon",
    "too_few",
    "unknown_attributes",
    "unknown_sku",
    "wrong_message",
]

Severity = Literal["ERROR", "WARNING", "INFO"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class Issue:
    """One issue. ``actions``: what Amazon does about it, such as SEARCH_SUPPRESSED; no marketplace
    ids: it is about all."""

    code: str
    message: str
    severity: Severity = "ERROR"
    attribute_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    marketplace_ids: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    def concerns(self, marketplace_id: str) -> bool:
        return not self.marketplace_ids or marketplace_id in self.marketplace_ids

    def as_json(self) -> dict[str, Any]:
        """The `Issue` of the Listings Items 2021-08-01 model."""
        told: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "severity": self.severity,
            "categories": list(self.categories),
        }
        if self.attribute_names:
            told["attributeNames"] = list(self.attribute_names)
        if self.marketplace_ids:
            told["marketplaceIds"] = list(self.marketplace_ids)
        if self.actions:
            told["enforcements"] = {
                "actions": [{"action": action} for action in self.actions],
                "exemption": {"status": "NOT_EXEMPT"},
            }
        return told


def is_error(issue: Issue) -> bool:
    return issue.severity == "ERROR"


# --- Amazon's ------------------------------------------------------------------------------------


def missing(attribute: str) -> Issue:
    """The example of Amazon's Listings Items model."""
    words = f"'{attribute}' is required but not supplied."
    return Issue("90220", words, attribute_names=(attribute,), categories=("MISSING_ATTRIBUTE",))


def too_few(attribute: str, field: str) -> Issue:
    """The example of Amazon's schema of the processing report."""
    words = (
        f"The field '{field}' for the attribute '{attribute}' does not have enough values. "
        "The required minimum is '1' value(s)."
    )
    return Issue("99022", words, attribute_names=(attribute,), categories=("INVALID_ATTRIBUTE",))


def bad_value(attribute: str, field: str = "") -> Issue:
    """Code and words as shown by developers; which field is at fault is told as the attribute's
    path, as in Amazon's schema example."""
    words = f"The provided value for '{field or attribute}' is invalid."
    category = "INVALID_PRICE" if field.endswith("value_with_tax") else "INVALID_ATTRIBUTE"
    return Issue("4000001", words, attribute_names=(attribute,), categories=(category,))


def unknown_attributes(names: Sequence[str]) -> Issue:
    """The example of Amazon's Listings Items model."""
    return Issue(
        "90000900",
        "The attributes are invalid.",
        attribute_names=tuple(names),
        categories=("INVALID_ATTRIBUTE",),
    )


def feed_unreadable() -> Issue:
    return Issue("4002001", "Item 'Feed' cannot be parsed.")


def feed_lacks_merchant() -> Issue:
    return Issue("4002005", "Attribute 'Merchant' is required, but not present.")


def bad_version() -> Issue:
    """Seen in French only: these English words are the emulator's."""
    return Issue("4002006", "Attribute 'version' does not match the required value.")


def wrong_message() -> Issue:
    words = (
        "The provided message did not meet the schema validation requirements for a feed message."
    )
    return Issue("4002008", words)


def bad_parameters() -> Issue:
    return Issue("BAD_REQUEST", "Invalid parameters provided.")


def foreign_account() -> Issue:
    return Issue("BAD_REQUEST", "Invalid 'accountId' provided.")


# --- the emulator's own --------------------------------------------------------------------------


def bad_sku() -> Issue:
    return Issue("EMU1001", "The SKU is longer than 40 characters or not printable text.")


def bad_product_type(product_type: str) -> Issue:
    return Issue("EMU1002", f"The product type '{product_type[:80]}' is unknown.")


def unknown_sku() -> Issue:
    """Only where a lever wants it: Amazon accepts an offer for a SKU that it does not know."""
    return Issue("EMU1003", "There is no listing of this SKU.")


def stock_of_amazon() -> Issue:
    return Issue(
        "EMU1004",
        "The quantity of an item that Amazon fulfills cannot be set.",
        attribute_names=("fulfillment_availability",),
        categories=("INVALID_ATTRIBUTE",),
    )


def not_for_vendors(attribute: str) -> Issue:
    return Issue(
        "EMU1005",
        f"The attribute '{attribute}' is not available to vendors.",
        attribute_names=(attribute,),
        categories=("INVALID_ATTRIBUTE",),
    )


def foreign_marketplace(attribute: str) -> Issue:
    return Issue(
        "EMU1006",
        f"The attribute '{attribute}' names a marketplace that is not of this submission.",
        attribute_names=(attribute,),
        categories=("INVALID_ATTRIBUTE",),
    )


def already_sent() -> Issue:
    return Issue("EMU1007", "Another message of this feed has the same messageId.")
