"""Nothing personal stays plain, whatever Amazon sends; and nothing is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergrant.rules import order_privacy
from evergrant.rules.order_privacy import DIRECT, RETAIL, SELLER, Allowed, joined, split
from tests.searching import cases

TREES = {"seller": SELLER, "retail": RETAIL, "direct": DIRECT}
#: A word that stands nowhere else.
MARK = "Wilhelmina\u2063"
#: Names at which people stand, in Amazon's models and in what it may add.
PEOPLE = (
    *("buyer", "recipient", "shipToParty", "giftMessage", "phone", "buyerEmail", "payment"),
    *("taxRegistrations", "deliveryAddress", "customization", "newBlockOfTomorrow", "a/b~c"),
)

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["x", "2026-11-21", ""])


def bodies(allowed: Allowed) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies of about the known shape, in which all that is personal carries the mark."""
    personal = st.recursive(
        st.just(MARK),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=2)
            | st.dictionaries(st.sampled_from(["name", "orderId", MARK]), inner, min_size=1)
        ),
        max_leaves=4,
    )

    def of(below: Allowed) -> st.SearchStrategy[Any]:
        if not below:
            # A leaf that has grown a block is no leaf.
            return SCALARS | st.lists(st.sampled_from(["x", 1]), max_size=2) | nested
        known = {name: of(inner) for name, inner in below.items()}
        block = st.fixed_dictionaries(
            {}, optional={**known, **{one: personal for one in PEOPLE if one not in known}}
        )
        return block | st.lists(block, max_size=2) | nested_list

    nested = st.dictionaries(st.sampled_from(["name", "x"]), personal, min_size=1)
    nested_list = st.lists(st.just(MARK) | st.just(7), min_size=1, max_size=2)
    top = {name: of(inner) for name, inner in allowed.items()}
    return st.fixed_dictionaries({}, optional={**top, **dict.fromkeys(PEOPLE, personal)})


@pytest.mark.parametrize("kind", sorted(TREES))
def test_no_personal_value_ever_stays_plain_and_nothing_is_lost(kind: str) -> None:
    @settings(max_examples=cases(25))
    @given(bodies(TREES[kind]))
    def holds(body: dict[str, Any]) -> None:
        plain, personal = split(body, TREES[kind])
        assert MARK not in json.dumps(plain, ensure_ascii=False)
        assert joined(plain, personal) == body
        assert split(plain, TREES[kind]) == (plain, {}), "plain is plain"

    holds()


def test_a_sellers_order_is_split_where_people_stand() -> None:
    plain, personal = split(
        {
            "orderId": "902-1",
            "buyer": {"buyerName": "W"},
            "recipient": {"deliveryAddress": {"name": "W"}},
            "orderItems": [
                {"orderItemId": "1", "product": {"sellerSku": "S", "customization": {"u": "W"}}},
                {"fulfillment": {"packing": {"giftOption": {"giftMessage": "W", "w": 1}}}},
            ],
            "tax": {"taxRegistrations": [{"taxRegistrationNumber": "W"}]},
            "packages": [{"trackingNumber": "T", "shipFromAddress": {"name": "W"}}],
        },
        SELLER,
    )
    assert plain == {
        "orderId": "902-1",
        "orderItems": [
            {"orderItemId": "1", "product": {"sellerSku": "S"}},
            {"fulfillment": {"packing": {"giftOption": {}}}},
        ],
        "packages": [{"trackingNumber": "T"}],
    }
    assert set(personal) == {
        "/buyer",
        "/recipient",
        "/orderItems/0/product/customization",
        "/orderItems/1/fulfillment/packing/giftOption/giftMessage",
        "/orderItems/1/fulfillment/packing/giftOption/w",
        "/tax",
        "/packages/0/shipFromAddress",
    }


@pytest.mark.parametrize("place", ["/nowhere/x", "/a/0", "/a/b/c", "/l/9/x", "/l/x/y", "/l/0"])
def test_a_place_that_is_not_there_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="There is no"):
        joined({"a": "text", "l": [{}]}, {place: 1})


# --- Amazon's models --------------------------------------------------------------------------

MODELS = {
    "seller": "orders-api-model/orders_2026-01-01.json",
    "retail": "vendor-orders-api-model/vendorOrders.json",
    "direct": "vendor-direct-fulfillment-orders-api-model/"
    "vendorDirectFulfillmentOrders_2021-12-28.json",
}
#: No path with one of these in it may be plain, unless it is named here.
TELLING = (
    *("buyer", "recipient", "address", "phone", "email", "message", "gift", "tax", "customiz"),
    *("legal", "name", "attention", "note", "instruction", "payment", "serial", "party"),
)
HARMLESS = {
    *("salesChannel.channelName", "salesChannel.marketplaceName", "orderDetails.paymentMethod"),
    "orderItems.fulfillment.packing.giftOption.giftWrapLevel",
    "orderItems.fulfillment.packing.serialNumberRequirement.requirementType",
    "orderItems.fulfillment.shipping.shippingConstraints.recipientIdentityVerification",
    "orderItems.fulfillment.shipping.shippingConstraints.recipientAgeVerification",
    "orderItems.product.condition.conditionNote",  # of the seller
    "orderItems.tax.taxCalculationBreakdowns.reportingScheme",
    "orderItems.tax.taxCollections.model",
    "orderItems.tax.taxCollections.responsibleParty",  # a marketplace
    "orderDetails.importDetails.methodOfPayment",
    "orderDetails.items.buyerProductIdentifier",  # the product's
    "orderDetails.items.giftDetails.giftWrapId",
    "orderDetails.shipmentDetails.isGift",
    "orderDetails.hasCustomizableItems",
}


def _leaves(allowed: Allowed, above: str = "") -> Iterator[str]:
    for name, below in allowed.items():
        path = f"{above}.{name}" if above else name
        yield from _leaves(below, path) if below else (path,)


def _model(kind: str) -> Path:
    place = os.environ.get("EVERGRANT_AMAZON_MODELS")
    above = (
        [Path(place)] if place else [up / "shared/amazon-models" for up in Path(__file__).parents]
    )
    for folder in above:
        for found in (folder / "models" / MODELS[kind], folder / MODELS[kind]):
            if found.is_file():
                return found
    pytest.skip("Amazon's models are not here: set EVERGRANT_AMAZON_MODELS to their folder")


def _of_model(
    definitions: Mapping[str, Any], shape: Mapping[str, Any], above: str
) -> Iterator[str]:
    if "$ref" in shape:
        yield from _of_model(definitions, definitions[shape["$ref"].rpartition("/")[2]], above)
    elif "items" in shape:
        yield from _of_model(definitions, shape["items"], above)
    elif "properties" in shape:
        for name, inner in shape["properties"].items():
            yield from _of_model(definitions, inner, f"{above}.{name}" if above else name)
    else:
        yield above


@pytest.mark.parametrize("kind", sorted(TREES))
def test_what_may_be_plain_exists_and_tells_of_nobody(kind: str) -> None:
    definitions = json.loads(_model(kind).read_text())["definitions"]
    known = set(_of_model(definitions, definitions["Order"], ""))
    plain = set(_leaves(TREES[kind]))
    assert plain <= known, "a slip of the pen, or Amazon changed its model"
    telling = {path for path in plain for word in TELLING if word in path.lower()}
    ids_and_amounts = {one for one in telling if one.endswith(".partyId") or ".taxLineItem." in one}
    assert telling - ids_and_amounts <= HARMLESS


def test_the_three_are_what_is_used() -> None:
    assert set(order_privacy.__all__) >= {"SELLER", "RETAIL", "DIRECT"}
