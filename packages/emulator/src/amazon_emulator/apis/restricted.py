"""Restricted operations, and what a restricted data token opens.

Answers for: the table of operations that give personal data (Amazon's page
'tokens-api-use-case-guide' and the SDKs' lists), and whether an access token is enough for one.
Orders of 2026-01-01 need no restricted data token and are not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from amazon_emulator.apis.operations import Denied
from amazon_emulator.asking import Asking
from amazon_emulator.stage import Stage
from amazon_emulator.world import AccessToken, RestrictedResource

__all__ = ["DATA_ELEMENTS", "RESTRICTED", "Restricted", "admit", "restricted_at"]

# Data elements of Orders v0, and the roles of which any opens them.
DATA_ELEMENTS: Mapping[str, tuple[str, ...]] = {
    "buyerInfo": ("Direct-to-Consumer Shipping", "Tax Invoicing", "Tax Remittance"),
    "shippingAddress": ("Direct-to-Consumer Shipping",),
    "buyerTaxInformation": ("Tax Invoicing", "Tax Remittance"),
}
_ROLES = ("Direct-to-Consumer Shipping", "Tax Invoicing", "Tax Remittance")
_PARAMETER = re.compile(r"\{[^{}/]*\}")


@dataclass(frozen=True)
class Restricted:
    """One restricted operation. ``always``: never without a restricted data token. ``elements``:
    whether data elements are named. ``generic``: whether a template may stand for all."""

    method: str
    template: str
    roles: tuple[str, ...] = _ROLES
    always: bool = True
    elements: bool = False
    generic: bool = True


_ORDERS = "/orders/v0/orders"
_DIRECT = "/vendor/directFulfillment"
_OF_VENDORS = tuple(
    Restricted("GET", f"{_DIRECT}/{folder}{one}", ("Direct-to-Consumer Shipping",))
    for folder in (
        *("orders/v1/purchaseOrders", "orders/2021-12-28/purchaseOrders"),
        *(
            f"shipping/{version}/{kind}"
            for version in ("v1", "2021-12-28")
            for kind in ("shippingLabels", "packingSlips", "customerInvoices")
        ),
    )
    for one in ("", "/{purchaseOrderNumber}")
)

RESTRICTED: tuple[Restricted, ...] = (
    Restricted("GET", _ORDERS, always=False, elements=True),
    Restricted("GET", f"{_ORDERS}/{{orderId}}", always=False, elements=True),
    Restricted("GET", f"{_ORDERS}/{{orderId}}/orderItems", always=False, elements=True),
    Restricted("GET", f"{_ORDERS}/{{orderId}}/address"),
    Restricted("GET", f"{_ORDERS}/{{orderId}}/buyerInfo"),
    Restricted("GET", f"{_ORDERS}/{{orderId}}/orderItems/buyerInfo"),
    Restricted("GET", f"{_ORDERS}/{{orderId}}/regulatedInfo"),
    Restricted(
        "GET", "/reports/2021-06-30/documents/{reportDocumentId}", always=False, generic=False
    ),
    Restricted("POST", "/mfn/v0/shipments"),
    Restricted("GET", "/mfn/v0/shipments/{shipmentId}"),
    Restricted("DELETE", "/mfn/v0/shipments/{shipmentId}"),
    *_OF_VENDORS,
    Restricted(
        "POST",
        f"{_DIRECT}/shipping/2021-12-28/shippingLabels/{{purchaseOrderNumber}}",
        ("Direct-to-Consumer Shipping",),
    ),
    Restricted("POST", "/easyShip/2022-03-23/packages/bulk"),
    Restricted("GET", "/fba/outbound/brazil/v0/shipments/{shipmentId}"),
    Restricted("GET", "/shipping/v1/shipments/{shipmentId}"),
)
_BY_PLACE = {(one.method, _PARAMETER.sub("{}", one.template)): one for one in RESTRICTED}


def restricted_at(method: str, path: str) -> tuple[Restricted, bool] | None:
    """The restricted operation of a path, specific or generic, and whether it is generic."""
    bare = _PARAMETER.sub("{}", path)
    exact = _BY_PLACE.get((method, bare))
    if exact is not None:
        return exact, "{}" in bare
    if "{" in path:
        return None
    given = path.split("/")
    for one in RESTRICTED:
        segments = one.template.split("/")
        if one.method == method and len(segments) == len(given):
            pairs = zip(segments, given, strict=True)
            if all(said if _PARAMETER.fullmatch(part) else part == said for part, said in pairs):
                return one, False
    return None


def admit(
    stage: Stage, token: AccessToken, method: str, template: str, asking: Asking
) -> frozenset[str]:
    """The data elements that this token opens at this operation. Raises Denied.

    A restricted data token opens what it names and nothing else; any other token, everything that
    does not need a restricted one."""
    if token.resources:
        matching = [one for one in token.resources if _names(one, method, template, asking)]
        if not matching:
            raise Denied.access("")
        return frozenset(element for one in matching for element in one.data_elements)
    known = _BY_PLACE.get((method, _PARAMETER.sub("{}", template)))
    if known is not None and known.always:
        raise Denied.access("")
    return frozenset()


def _names(resource: RestrictedResource, method: str, template: str, asking: Asking) -> bool:
    if resource.method != method:
        return False
    if _PARAMETER.sub("{}", resource.path) == _PARAMETER.sub("{}", template):
        return True
    wanted, given = template.split("/"), resource.path.split("/")
    return len(wanted) == len(given) and all(
        unquote(said) == asking.path.get(part[1:-1]) if _PARAMETER.fullmatch(part) else said == part
        for part, said in zip(wanted, given, strict=True)
    )
