"""The text of stock and prices as Amazon takes it: a JSON feed's messages, and one listing's patch.

Answers for: writing them, byte for byte, so that whoever cuts feeds by size counts the very bytes
that are sent. Does not answer for: which listings go together (``feedplans``), or for sending.

Sources: Amazon's schema "listings-feed-schema-v2" (header, messages, PATCH with ``merge``), page
"merge-a-listing" (what is not named keeps its value), model listings items 2021-08-01, and the
samples' recipe for prices (``PRODUCT`` is taken as product type of such a patch).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

__all__ = ["BETWEEN", "DOCUMENT_BYTES", "TAIL", "head", "message", "patch", "wished"]

#: Amazon's page "feeds-api-best-practices" asks for feeds below 10 MiB.
DOCUMENT_BYTES = 10 * 1024 * 1024 - 1
BETWEEN = b","
TAIL = b"]}"

_STOCK = (
    '{"op":"merge","path":"/attributes/fulfillment_availability",'
    '"value":[{"fulfillment_channel_code":"DEFAULT","quantity":%d}]}'
)
_PRICE = (
    '{"op":"merge","path":"/attributes/purchasable_offer","value":[{"audience":"ALL",'
    '"marketplace_id":%s,"currency":%s,"our_price":[{"schedule":[{"value_with_tax":%s}]}]}]}'
)


def head(seller_id: str) -> bytes:
    """Up to the first message. ``seller_id``: merchant token, or vendor code."""
    header = f'{{"sellerId":{_text(seller_id)},"version":"2.0","issueLocale":"en_US"}}'
    return f'{{"header":{header},"messages":['.encode()


def message(
    message_id: int,
    sku: str,
    *,
    marketplace_id: str,
    quantity: int | None = None,
    price: str | None = None,
    currency: str = "",
) -> bytes:
    """One SKU of one marketplace: its stock, its price, or both. ``price`` is decimal text."""
    inner = _patches(marketplace_id, quantity, price, currency)
    return (
        f'{{"messageId":{message_id},"sku":{_text(sku)},"operationType":"PATCH",'
        f'"productType":"PRODUCT","patches":{inner}}}'
    ).encode()


def patch(
    *,
    marketplace_id: str,
    quantity: int | None = None,
    price: str | None = None,
    currency: str = "",
) -> bytes:
    """The body of patchListingsItem for the same."""
    inner = _patches(marketplace_id, quantity, price, currency)
    return f'{{"productType":"PRODUCT","patches":{inner}}}'.encode()


def wished(stock: Mapping[str, Any] | None, price: Mapping[str, Any] | None) -> dict[str, Any]:
    """The wishes of a stock and a price change, as the arguments that ``message`` takes."""
    found: dict[str, Any] = {}
    if stock is not None:
        found["quantity"] = stock["quantity"]
    if price is not None:
        found["price"], found["currency"] = price["price"], price["currency"]
    return found


def _patches(marketplace_id: str, quantity: int | None, price: str | None, currency: str) -> str:
    both = []
    if quantity is not None:
        both.append(_STOCK % quantity)
    if price is not None:
        both.append(_PRICE % (_text(marketplace_id), _text(currency), _number(price)))
    if not both:
        raise ValueError("A message holds a stock, a price, or both.")
    return f"[{','.join(both)}]"


#: Made once: ``json.dumps`` with any option makes one for each text.
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def _text(text: str) -> str:
    return _ENCODER.encode(text)


def _number(price: str) -> str:
    """A JSON number with the very digits that were wished: floats would not keep them."""
    number = Decimal(price)
    if not number.is_finite():
        raise ValueError("not a price")
    return format(number, "f")
