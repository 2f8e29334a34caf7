"""The flat-file order feeds: fulfillment, acknowledgement (which only cancels), adjustment.

Answers for: tab-separated rows under the column names of Amazon's page 'order-feed-type-values',
and the report in text. One row is one wish; a file that cannot be read does nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from amazon_emulator.trade.feeds.processing import Outcome, Work
from amazon_emulator.trade.orders import feed_xml
from amazon_emulator.trade.orders import feeds_errands as errands
from amazon_emulator.trade.orders.feed_xml import BrokenDocument, printable
from amazon_emulator.trade.orders.feeds_errands import Named
from amazon_emulator.trade.orders.orders import Refused

__all__ = ["FLAT_REPORT", "PROCESSORS", "Columns", "Row"]

FLAT_REPORT = "text/plain; charset=UTF-8"


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class Columns:
    """The columns that a file must have, and those that it may have."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One record with its number, counted from 1 below the header."""

    number: int
    values: dict[str, str]
    is_too_long: bool = False  # more cells than columns: nobody knows which is which

    def __getitem__(self, column: str) -> str:
        return self.values.get(column, "")


@dataclass
class _File:
    """What one processing goes through."""

    work: Work
    cancelled: set[str] = field(default_factory=set)


_FULFILLMENT = Columns(
    ("order-id", "ship-date", "carrier-code"),
    (
        *("order-item-id", "quantity", "carrier-name", "tracking-number", "ship-method"),
        "ship_from_supply_source_id",
    ),
)
_ACKNOWLEDGEMENT = Columns(("order-id", "cancellation-reason-code"), ("amazon-order-item-code",))
_PRICES = {
    "item-price-adj": "Principal",
    "item-tax-adj": "Tax",
    "shipping-price-adj": "Shipping",
    "shipping-tax-adj": "ShippingTax",
    "gift-wrap-price-adj": "GiftWrap",
    "gift-wrap-tax-adj": "GiftWrapTax",
}
_PROMOTIONS = {"item-promotion-adj": "Principal", "ship-promotion-adj": "Shipping"}
_ADJUSTMENT = Columns(
    ("order-id", "order-item-id", "adjustment-reason-code", "currency"),
    (*_PRICES, *_PROMOTIONS, "item-promotion-id", "ship-promotion-id", "quantity-cancelled"),
)


def _fulfillment(file: _File, row: Row) -> None:
    item = row["order-item-id"]
    if row["quantity"] and not item:
        raise Refused("unknown_item", "A quantity needs an order-item-id.")
    wish = errands.Shipping(
        named=Named(row["order-id"]),
        ship_date=_with_time(row["ship-date"]),
        carrier_code=row["carrier-code"],
        carrier_name=row["carrier-name"],
        tracking_number=row["tracking-number"],
        shipping_method=row["ship-method"],
        supply_source_id=row["ship_from_supply_source_id"],
        contents=((item, row["quantity"]),) if item else None,
    )
    errands.ship(file.work, wish)


def _with_time(ship_date: str) -> str:
    """In files a date may stand alone."""
    return f"{ship_date}T00:00:00Z" if _DATE.fullmatch(ship_date) else ship_date


def _acknowledgement(file: _File, row: Row) -> None:
    order_id = row["order-id"]
    if not row["cancellation-reason-code"]:
        raise Refused("reason", "The cancellation-reason-code is missing.")
    if order_id in file.cancelled:
        return  # the other lines of an order that this file has just cancelled
    reasons = ((row["amazon-order-item-code"], row["cancellation-reason-code"]),)
    errands.cancel(file.work, errands.Cancelling(Named(order_id), reasons))
    file.cancelled.add(order_id)


def _adjustment(file: _File, row: Row) -> None:
    if row["quantity-cancelled"]:
        raise Refused("not_emulated", "The emulator does not play quantity-cancelled.")
    currency = row["currency"]
    prices = [(name, currency, row[column]) for column, name in _PRICES.items() if row[column]]
    promotions = [
        (name, currency, row[column]) for column, name in _PROMOTIONS.items() if row[column]
    ]
    item = errands.AdjustedItem(
        row["order-item-id"], row["adjustment-reason-code"], tuple(prices), tuple(promotions)
    )
    wish = errands.Adjustment(Named(row["order-id"]), (item,), str(row.number))
    errands.adjust(file.work, wish)


def _rows(work: Work, columns: Columns) -> list[Row]:
    """Raises BrokenDocument."""
    lines = [line for line in re.split(r"\r\n|\n|\r", _text(work)) if line.strip()]
    if lines and lines[0].startswith("TemplateType="):
        lines = lines[1:]
    if not lines:
        raise BrokenDocument(errands.REASON_CODES["document"], "The file holds no header.")
    names = [name.strip().lower() for name in lines[0].rstrip("\t ").split("\t")]
    known = {*columns.required, *columns.optional}
    for name in columns.required:
        if name not in names:
            raise BrokenDocument(errands.REASON_CODES["document"], f"Column {name} is missing.")
    strange = [name or "(without a name)" for name in names if name not in known]
    if strange or len(set(names)) != len(names):
        words = f"Column {strange[0]} is not known." if strange else "A column stands twice."
        raise BrokenDocument(errands.REASON_CODES["document"], words)
    return [_row(number, line, names) for number, line in enumerate(lines[1:], 1)]


def _row(number: int, line: str, names: list[str]) -> Row:
    cells = [cell.strip() for cell in line.rstrip("\t ").split("\t")]
    values = dict(zip(names, cells, strict=False))
    return Row(number, values, is_too_long=len(cells) > len(names))


def _text(work: Work) -> str:
    """By the Content-Type's charset; else UTF-8, or ISO 8859-1, in which everything is text."""
    told = feed_xml.charset_of(work.content_type)
    if told is not None:
        return feed_xml.decoded(work.content, told).removeprefix("\ufeff")
    try:
        return feed_xml.decoded(work.content, "utf-8").removeprefix("\ufeff")
    except BrokenDocument:
        return feed_xml.decoded(work.content, "iso-8859-1")


@dataclass(frozen=True)
class _Fault:
    number: int
    order_id: str
    code: str
    words: str


def _report(processed: int, faults: Sequence[_Fault]) -> bytes:
    lines = [
        "Feed Processing Summary:",
        f"\tNumber of records processed\t\t{processed}",
        f"\tNumber of records successful\t\t{processed - len([f for f in faults if f.number])}",
        "",
    ]
    if faults:
        lines.append("original-record-number\torder-id\terror-code\terror-type\terror-message")
        lines += [
            "\t".join((str(f.number), *map(printable, (f.order_id, f.code, "Error", f.words))))
            for f in faults
        ]
    return ("\r\n".join(lines) + "\r\n").encode()


def _processor(columns: Columns, play: Callable[[_File, Row], None]) -> Callable[[Work], Outcome]:
    def process(work: Work) -> Outcome:
        try:
            rows = _rows(work, columns)
        except BrokenDocument as broken:
            faults = [_Fault(0, "", broken.code, broken.words)]
            return Outcome("DONE", _report(0, faults), FLAT_REPORT)
        file = _File(work)
        faults = []
        for row in rows:
            try:
                if row.is_too_long:
                    raise Refused("document", "The row has more cells than there are columns.")
                play(file, row)
            except Refused as refused:
                code = errands.code_of(refused)
                faults.append(_Fault(row.number, row["order-id"], code, refused.words))
        return Outcome("DONE", _report(len(rows), faults), FLAT_REPORT)

    return process


PROCESSORS = {
    "POST_FLAT_FILE_FULFILLMENT_DATA": _processor(_FULFILLMENT, _fulfillment),
    "POST_FLAT_FILE_ORDER_ACKNOWLEDGEMENT_DATA": _processor(_ACKNOWLEDGEMENT, _acknowledgement),
    "POST_FLAT_FILE_PAYMENT_ADJUSTMENT_DATA": _processor(_ADJUSTMENT, _adjustment),
}
