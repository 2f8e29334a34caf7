"""The feed JSON_LISTINGS_FEED: its document, its messages, its processing report.

Answers for: the document as Amazon's schema listings-feed-schema-v2 wants it, the report of
listings-feed-processing-report-schema-v2. What a message does is in `submissions`. A
document that cannot be read is told as developers showed it: DONE, one issue without a messageId,
nothing processed, `header.sellerId` empty. That a seller id of somebody else makes every message
fail with "Invalid 'accountId' provided." is inferred from the words of such reports.
"""

from __future__ import annotations

import codecs
import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, get_args

from amazon_emulator import strict_json
from amazon_emulator.trade.feeds.processing import Outcome, Processor, Work
from amazon_emulator.trade.listings import issues as listing_issues
from amazon_emulator.trade.listings import views as listing_views
from amazon_emulator.trade.listings.catalogue import Catalogue
from amazon_emulator.trade.listings.issues import Issue, is_error
from amazon_emulator.trade.listings.listing import Listing, seller_ids, trades_in
from amazon_emulator.trade.listings.patches import OPS, Patch, Requirements
from amazon_emulator.trade.listings.rules import attribute_of
from amazon_emulator.trade.listings.submissions import Submission, apply, judge

__all__ = ["MOST_MESSAGES", "PROCESSORS", "process"]

MOST_MESSAGES = 25_000
LARGEST_ID = 2_147_483_647
REQUIREMENTS = get_args(Requirements)
# By operation type: what must be there, and what must not.
_SHAPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "UPDATE": (("productType", "attributes"), ("patches",)),
    "PARTIAL_UPDATE": (("productType", "attributes"), ("requirements", "patches")),
    "PATCH": (("productType", "patches"), ("requirements", "attributes")),
    "DELETE": ((), ("requirements", "attributes", "productType", "patches")),
}


class Unreadable(Exception):
    """The document as a whole cannot be taken. ``seller_id``: as far as it could be read."""

    def __init__(self, issue: Issue, seller_id: str = "") -> None:
        super().__init__(issue.message)
        self.issue = issue
        self.seller_id = seller_id


@dataclass
class Tally:
    """What the report is made of."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    processed: int = 0
    invalid: int = 0
    touched: dict[str, Listing | None] = field(default_factory=dict)

    def tell(self, message: Any, found: list[Issue], *, with_sku: bool = True) -> bool:
        """Adds the issues of one message. Gives whether it is accepted."""
        self.processed += 1
        for issue in found:
            told: dict[str, Any] = {}
            if _is_id(message.get("messageId")):
                told["messageId"] = message["messageId"]
            if with_sku:
                told["sku"] = message["sku"]
            told |= {"code": issue.code, "severity": issue.severity, "message": issue.message}
            if issue.attribute_names:
                told["attributeName"] = issue.attribute_names[0]
            self.issues.append(told)
        if any(map(is_error, found)):
            self.invalid += 1
            return False
        return True

    def summary(self) -> dict[str, Any]:
        return {
            "errors": sum(told["severity"] == "ERROR" for told in self.issues),
            "warnings": sum(told["severity"] == "WARNING" for told in self.issues),
            "messagesProcessed": self.processed,
            "messagesAccepted": self.processed - self.invalid,
            "messagesInvalid": self.invalid,
        }


def process(work: Work) -> Outcome:
    """Reads, applies and reports. Ends DONE whatever was in it, as at Amazon."""
    with _all_is_kept():
        return _processed(work)


@contextmanager
def _all_is_kept() -> Iterator[None]:
    """Nearly all that a feed makes stays. Looking for garbage in it, again and again while it
    grows, takes a third of the time of a large feed."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()


def _processed(work: Work) -> Outcome:
    tally = Tally()
    try:
        header, messages = _read(work.content)
    except Unreadable as fault:
        issue = fault.issue
        tally.issues.append(
            {"code": issue.code, "severity": issue.severity, "message": issue.message}
        )
        return _reported(work, {"sellerId": fault.seller_id}, tally)
    own = header["sellerId"] in seller_ids(work.partner)
    open_ = trades_in(work.partner, work.region)
    ids = tuple(where for where in work.marketplace_ids if where in open_)
    used: set[int] = set()
    for message in messages:
        if not _is_message(message):
            told = message if isinstance(message, dict) else {}
            tally.tell(told, [listing_issues.wrong_message()], with_sku=False)
        elif not own:
            tally.tell(message, [listing_issues.foreign_account()], with_sku=False)
        elif message["messageId"] in used:
            tally.tell(message, [listing_issues.already_sent()])
        else:
            used.add(message["messageId"])
            _take(work, header["sellerId"], ids, message, tally)
    return _reported(work, header, tally)


def _take(
    work: Work, seller_id: str, ids: tuple[str, ...], message: dict[str, Any], tally: Tally
) -> None:
    wish = _submission(work, seller_id, ids, message)
    if wish is None or not ids:
        tally.tell(message, [listing_issues.bad_parameters()], with_sku=False)
    elif tally.tell(message, judge(work.stage, wish)):
        tally.touched[wish.sku] = apply(work.stage, wish, work.now)


def _submission(
    work: Work, seller_id: str, ids: tuple[str, ...], message: dict[str, Any]
) -> Submission | None:
    """None when a patch names no attribute, or has no value where it needs one."""
    kind = message["operationType"]
    patches: list[Patch] = []
    attributes: dict[str, Any] = {}
    if kind == "PATCH":
        for told in message["patches"]:
            attribute = attribute_of(told["path"])
            if attribute is None or (told["op"] != "delete" and "value" not in told):
                return None
            patches.append(Patch(told["op"], attribute, tuple(told.get("value", ()))))
    elif kind == "PARTIAL_UPDATE":
        for name, values in message["attributes"].items():
            # What is no list is judged as it came: it is no value of an attribute.
            patches.append(Patch("replace", name, _as_tuple(values)))
    elif kind == "UPDATE":
        attributes = message["attributes"]
    return Submission(
        work.partner,
        work.region,
        seller_id,
        message["sku"],
        ids,
        "update" if kind == "UPDATE" else "delete" if kind == "DELETE" else "patch",
        message.get("productType"),
        message.get("requirements", "LISTING"),
        attributes,
        tuple(patches),
        by_feed=True,
    )


def _as_tuple(values: Any) -> Any:
    return tuple(values) if isinstance(values, list) else values


# --- the document --------------------------------------------------------------------------------


def _read(content: bytes) -> tuple[dict[str, Any], list[Any]]:
    """Header and messages. Raises Unreadable."""
    try:
        if content.startswith(codecs.BOM_UTF8):
            raise ValueError("a byte order mark")
        document = strict_json.read(content.decode("utf-8"))
    except ValueError:
        raise Unreadable(listing_issues.feed_unreadable()) from None
    if not isinstance(document, dict):
        raise Unreadable(listing_issues.feed_unreadable())
    header = document.get("header")
    if not isinstance(header, dict) or not isinstance(header.get("sellerId"), str):
        raise Unreadable(listing_issues.feed_lacks_merchant())
    if header.get("version") != "2.0":
        raise Unreadable(listing_issues.bad_version(), header["sellerId"])
    messages = document.get("messages")
    if (
        not isinstance(messages, list)
        or not 1 <= len(messages) <= MOST_MESSAGES
        or not isinstance(header.get("issueLocale", ""), str)
        or not _is_wish_for_report(header.get("report"))
    ):
        raise Unreadable(listing_issues.feed_unreadable())
    return header, messages


def _is_wish_for_report(told: Any) -> bool:
    if told is None:
        return True
    return (
        isinstance(told, dict)
        and told.get("apiVersion") == "2021-08-01"
        and isinstance(told.get("includedData"), list)
        and bool(told["includedData"])
        and all(name in listing_views.INCLUDED for name in told["includedData"])
    )


def _is_id(told: Any) -> bool:
    return type(told) is int and 1 <= told <= LARGEST_ID


def _is_message(told: Any) -> bool:
    if (
        not isinstance(told, dict)
        or not _is_id(told.get("messageId"))
        or not isinstance(told.get("sku"), str)
        or not told["sku"]
    ):
        return False
    kind = told.get("operationType")
    shape = _SHAPES.get(kind) if isinstance(kind, str) else None
    if shape is None:
        return False
    needed, refused = shape
    return (
        all(name in told for name in needed)
        and not any(name in told for name in refused)
        and all(_FIELDS[name](told[name]) for name in _FIELDS if name in told)
    )


def _is_product_type(told: Any) -> bool:
    return isinstance(told, str) and bool(told)


def _is_requirements(told: Any) -> bool:
    return told in REQUIREMENTS


def _is_attributes(told: Any) -> bool:
    return isinstance(told, dict) and bool(told)


def _are_patches(told: Any) -> bool:
    return isinstance(told, list) and bool(told) and all(map(_is_patch, told))


def _is_patch(told: Any) -> bool:
    if not isinstance(told, dict) or told.get("op") not in OPS:
        return False
    values = told.get("value", [])
    return (
        isinstance(told.get("path"), str)
        and isinstance(values, list)
        and all(isinstance(value, dict) for value in values)
    )


_FIELDS = {
    "productType": _is_product_type,
    "requirements": _is_requirements,
    "attributes": _is_attributes,
    "patches": _are_patches,
}


# --- the report ----------------------------------------------------------------------------------


def _reported(work: Work, header: dict[str, Any], tally: Tally) -> Outcome:
    report: dict[str, Any] = {
        "header": {
            "sellerId": header["sellerId"],
            "version": "2.0",
            "feedId": work.report_feed_id,
        },
        "issues": tally.issues,
        "summary": tally.summary(),
    }
    wish = header.get("report")
    if wish is not None:
        report["header"]["report"] = wish
        items = list(_items(work, header, tally))
        report["items"] = items
        found = [issue for told in items for issue in told.get("issues", ())]
        report["summary"]["itemSummary"] = {
            "items": len(items),
            "errors": sum(issue["severity"] == "ERROR" for issue in found),
            "warnings": sum(issue["severity"] == "WARNING" for issue in found),
        }
    text = json.dumps(report, ensure_ascii=False, separators=(",", ":"))
    return Outcome("DONE", text.encode())


def _items(work: Work, header: dict[str, Any], tally: Tally) -> Iterator[dict[str, Any]]:
    included = header["report"]["includedData"]
    shelf = work.stage.of(Catalogue).shelf(work.region, header["sellerId"])
    family = listing_views.Family.of(shelf if "relationships" in included else ())
    for listing in tally.touched.values():
        if listing is not None:
            yield listing_views.item(listing, included, work.marketplace_ids, family)


PROCESSORS: dict[str, Processor] = {"JSON_LISTINGS_FEED": process}
