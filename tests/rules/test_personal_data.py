"""Personal data: asked for or not, however it is written. In doubt: asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.operations import ALL, Operation, Personal, find, get
from evergrant.rules.personal_data import asked


def the(name: str) -> Operation:
    found = get(name)
    assert found is not None, name
    return found


SEARCH = the("orders.2026-01-01.searchOrders")
HARMLESS = ("PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT", "PACKAGES")
PERSONAL = ("BUYER", "RECIPIENT", "TAX", "PAYMENT", "SOMETHING_NEW")


@pytest.mark.parametrize(
    "query",
    [
        "includedData=BUYER",
        "includedData=RECIPIENT",
        "includedData=TAX",
        "includedData=SOMETHING_NEW",
        "includedData=buyer",
        "INCLUDEDDATA=Buyer",
        "includedData=PACKAGES,BUYER",
        "includedData=PACKAGES%2CBUYER",
        "includedData=PACKAGES+BUYER",
        "includedData=PACKAGES%20BUYER",
        "includedData=PACKAGES;BUYER",
        "includedData=PACKAGES&BUYER",
        "includedData=PACKAGES&includedData=BUYER",
        "includedData=BUYER&includedData=PACKAGES",
        "createdAfter=2026-01-01&includedData=BUYER",
        "createdAfter=2026-01-01;includedData=BUYER",
        "includedData[]=BUYER",
        "includedData%5B%5D=BUYER",
        "includedData[0]=PACKAGES&includedData[1]=BUYER",
        "includedData.1=BUYER",
        "included%44ata=BUYER",
        "%69ncludedData=BUYER",
        "%2569ncludedData=BUYER",
        "includedData=%42UYER",
        "includedData=%2542UYER",
        "includedData=%252542UYER",
        " includedData=BUYER",
        "+includedData=BUYER",
        "includedData=%22BUYER%22",
    ],
)
def test_personal_data_is_asked_for(query: str) -> None:
    for name in ("searchOrders", "getOrder"):
        assert asked(the(f"orders.2026-01-01.{name}"), query)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "marketplaceIds=A1PA6795UKMFR9",
        "includedData=",
        "includedData",
        "includedData=PACKAGES",
        "includedData=PACKAGES,FULFILLMENT&includedData=PROCEEDS",
        "includedData=PACKAGES%2CFULFILLMENT",
        "paginationToken=BUYER",
        "includedData=PACKAGES&paginationToken=BUYER%3D%3D",
    ],
)
def test_personal_data_is_not_asked_for(query: str) -> None:
    assert not asked(SEARCH, query)


@given(
    st.lists(st.sampled_from(HARMLESS + PERSONAL), min_size=1, max_size=6),
    st.sampled_from([",", "%2C", "&includedData=", ";", ";includedData=", "+"]),
)
def test_one_personal_set_among_many_is_enough(sets: list[str], between: str) -> None:
    query = "includedData=" + between.join(sets)
    assert asked(SEARCH, query) == bool(set(sets) & set(PERSONAL))


@given(st.text(max_size=60))
def test_no_query_makes_trouble(query: str) -> None:
    assert asked(SEARCH, query) in (True, False)


def test_the_query_matters_nowhere_else() -> None:
    for one in ALL:
        if one.personal is not Personal.QUERY:
            assert asked(one, "") == asked(one, "includedData=BUYER")
            assert asked(one, "") == (one.personal in (Personal.PLAIN, Personal.RESTRICTED))


def test_data_elements_are_known_where_they_are_named() -> None:
    named = {one.name for one in ALL if one.data_elements}
    assert named == {one.name for one in ALL if one.personal is Personal.ELEMENTS}
    assert named == {f"orders.v0.{name}" for name in ("getOrder", "getOrderItems", "getOrders")}
    assert the("orders.v0.getOrders").data_elements == (
        "buyerInfo",
        "shippingAddress",
        "buyerTaxInformation",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/orders/v0/orders/1/address"),
        ("GET", "/orders/v0/orders/1/buyerInfo"),
        ("GET", "/orders/v0/orders/1/orderItems/buyerInfo"),
        ("GET", "/orders/v0/orders/1/regulatedInfo"),
        ("POST", "/mfn/v0/shipments"),
        ("GET", "/mfn/v0/shipments/1"),
        ("DELETE", "/mfn/v0/shipments/1"),
        ("GET", "/vendor/directFulfillment/orders/v1/purchaseOrders"),
        ("GET", "/vendor/directFulfillment/orders/2021-12-28/purchaseOrders/1"),
        ("GET", "/vendor/directFulfillment/shipping/v1/packingSlips"),
        ("GET", "/vendor/directFulfillment/shipping/2021-12-28/customerInvoices/1"),
        ("GET", "/vendor/directFulfillment/shipping/v1/shippingLabels/1"),
        ("POST", "/vendor/directFulfillment/shipping/2021-12-28/shippingLabels/1"),
        ("POST", "/easyShip/2022-03-23/packages/bulk"),
        ("GET", "/fba/outbound/brazil/v0/shipments/1"),
        ("GET", "/shipping/v1/shipments/1"),
    ],
)
def test_amazons_restricted_operations(method: str, path: str) -> None:
    assert find(method, path).personal is Personal.RESTRICTED


@pytest.mark.parametrize(
    "name",
    [
        "fba.outbound.2020-07-01.getFulfillmentOrder",
        "fulfillment.outbound.2026-07-04.listOrders",
        "messaging.v1.GetAttributes",
        "messaging.v1.sendInvoice",
        "shipping.v2.getShipmentDocuments",
        "tax.invoices.2024-06-19.getInvoicesDocument",
        "externalFulfillment.2024-09-11.getShipments",
        "sellers.v1.getAccount",
    ],
)
def test_addresses_labels_and_letters_are_personal(name: str) -> None:
    assert the(name).personal is Personal.PLAIN


@pytest.mark.parametrize(
    "name",
    [
        "sellers.v1.getMarketplaceParticipations",
        "listings.2021-08-01.getListingsItem",
        "feeds.2021-06-30.createFeed",
        "orders.v0.confirmShipment",
        "vendor.orders.v1.getPurchaseOrders",
        "fba.inventory.v1.getInventorySummaries",
    ],
)
def test_everyday_work_takes_no_right_to_personal_data(name: str) -> None:
    assert the(name).personal is Personal.NEVER
