"""Nothing personal is told to whom it may not be: whole answers are searched for each value."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

import pytest

from amazon_emulator.trade.orders.orders import Address, Buyer, Order, Orders
from tests.emulator import notices_desk
from tests.emulator.aws_desk import bodies
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import DE, REPORT_DOCUMENTS
from tests.emulator.orders_desk import ORDERS_2026, ORDERS_V0, OrdersDesk
from tests.emulator.test_orders_2026 import ALL

BUYER = {
    "name": "Quilla-Buyer",
    "email": "quilla@marketplace.example",
    "company": "Quilla-Company",
    "purchase_order_number": "PO-QUILLA-9",
}
RECIPIENT = {
    "name": "Zorba-Recipient",
    "line1": "77 Zorba Lane",
    "line2": "Zorba Backyard",
    "company": "Zorba-Household",
    "city": "Zorbaville",
    "state": "Zorbashire",
    "postal_code": "ZR-99771",
    "phone": "+00 555 998877",
}
GIFT = "Zorba-Gift-Words"
STREET = {f"recipient.{name}" for name in RECIPIENT}
# What a report of all orders has at Amazon without any restricted data token.
ROUGHLY = {
    *("recipient.city", "recipient.state", "recipient.postal_code"),
    "buyer.purchase_order_number",
}
SHIPPING, INVOICING = "Direct-to-Consumer Shipping", "Tax Invoicing"
TRACKING = "Inventory and Order Tracking"


def told(text: str | bytes) -> set[str]:
    """The names of all personal values that stand in a text."""
    whole = text.decode() if isinstance(text, bytes) else text
    values = {f"buyer.{name}": value for name, value in BUYER.items()}
    values |= {f"recipient.{name}": value for name, value in RECIPIENT.items()}
    values["gift"] = GIFT
    return {name for name, value in values.items() if value in whole}


@dataclass
class Kit:
    """A seller with one order of people whose every value is known and found nowhere else."""

    house: House
    desk: OrdersDesk
    order: Order

    @property
    def one(self) -> str:
        return f"{ORDERS_V0}/{self.order.order_id}"

    def since(self) -> dict[str, str]:
        return {"CreatedAfter": "2020-01-01T00:00:00Z", "MarketplaceIds": DE}

    def text(self, desk: OrdersDesk, path: str, **query: str) -> str:
        return desk.call("GET", path, **query).text

    def as_role(self, *roles: str) -> OrdersDesk:
        """The same seller, seen by the application with these roles."""
        path = f"/world/applications/{self.house.application_id}"
        self.house.amazon.levers.pull("PATCH", path, {"roles": list(roles)})
        known = OrdersDesk.of(self.house, self.desk.partner)
        assert isinstance(known, OrdersDesk)
        return known


def peopled(house: House, desk: OrdersDesk, **wishes: Any) -> Order:
    items = [{"sku": "S", "quantity": 2, "gift_wrap": "2.00", "gift_message": GIFT}]
    made = desk.make(age_seconds=86400, items=items, programs=["AMAZON_BUSINESS"], **wishes)
    order = house.amazon.stage.of(Orders).find(made["order_id"])
    assert order is not None
    order.buyer = Buyer(**BUYER)
    order.recipient = Address(**RECIPIENT, country_code="DE")
    return order


@pytest.fixture
def kit(house: House) -> Kit:
    desk = OrdersDesk.of(house)
    assert isinstance(desk, OrdersDesk)
    desk.lever("PUT", "/limits", {"enforced": False})
    return Kit(house, desk, peopled(house, desk))


def test_the_search_itself_finds_everything() -> None:
    everything = [*BUYER.values(), *RECIPIENT.values(), GIFT]
    assert len(told(" ".join(everything))) == len(everything)


def test_an_access_token_alone_opens_nothing_of_v0(kit: Kit) -> None:
    for path in ("", "/orderItems", "/address", "/buyerInfo", "/orderItems/buyerInfo"):
        assert told(kit.text(kit.desk, f"{kit.one}{path}")) == set(), path
    assert told(kit.text(kit.desk, ORDERS_V0, **kit.since())) == set()
    # Also when somebody guesses the e-mail address: the answer does not repeat it.
    guessed = kit.text(kit.desk, ORDERS_V0, **kit.since(), BuyerEmail=BUYER["email"])
    assert kit.order.order_id in guessed
    assert told(guessed) == set()


BUYERS = {"buyer.name", "buyer.email", "buyer.purchase_order_number"}
OPENED = {
    "buyerInfo": BUYERS,
    "shippingAddress": STREET,
    "buyerTaxInformation": {"buyer.company"},
}


@pytest.mark.parametrize("element", OPENED)
def test_each_data_element_opens_its_part_alone(kit: Kit, element: str) -> None:
    places = {ORDERS_V0: kit.since(), f"{ORDERS_V0}/{{orderId}}": {}}
    for path, query in places.items():
        resource = {"method": "GET", "path": path, "dataElements": [element]}
        open_ = kit.desk.with_token(kit.desk.restricted(resource))
        asked = path.replace("{orderId}", kit.order.order_id)
        assert told(kit.text(open_, asked, **query)) == OPENED[element]
        for other in ("/address", "/buyerInfo", "/orderItems", "/orderItems/buyerInfo"):
            assert told(kit.text(open_, f"{kit.one}{other}")) == set()
    items = {"method": "GET", "path": f"{kit.one}/orderItems", "dataElements": [element]}
    open_ = kit.desk.with_token(kit.desk.restricted(items))
    wanted = {"gift"} if element == "buyerInfo" else set()
    assert told(kit.text(open_, f"{kit.one}/orderItems")) == wanted


def test_without_data_elements_a_restricted_data_token_opens_none(kit: Kit) -> None:
    for path in (kit.one, f"{kit.one}/orderItems"):
        open_ = kit.desk.with_token(kit.desk.restricted({"method": "GET", "path": path}))
        assert told(kit.text(open_, path)) == set()


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/address", STREET | {"buyer.company"}),
        ("/buyerInfo", BUYERS),
        ("/orderItems/buyerInfo", {"gift"}),
    ],
)
def test_restricted_operations_open_their_part_alone(kit: Kit, path: str, wanted: set[str]) -> None:
    token = kit.desk.restricted({"method": "GET", "path": f"{kit.one}{path}"})
    assert told(kit.text(kit.desk.with_token(token), f"{kit.one}{path}")) == wanted
    other = peopled(kit.house, kit.desk)
    foreign = f"{ORDERS_V0}/{other.order_id}{path}"
    assert told(kit.text(kit.desk.with_token(token), foreign)) == set()


def test_the_restricted_data_token_of_another_seller_opens_nothing(kit: Kit) -> None:
    stranger = OrdersDesk.of(kit.house)
    assert isinstance(stranger, OrdersDesk)
    for path in ("", "/address", "/buyerInfo", "/orderItems", "/orderItems/buyerInfo"):
        resource: dict[str, Any] = {"method": "GET", "path": f"{kit.one}{path}"}
        if path in ("", "/orderItems"):
            resource["dataElements"] = list(OPENED)
        open_ = stranger.with_token(stranger.restricted(resource))
        answer = open_.call("GET", f"{kit.one}{path}")
        assert answer.status_code == 404
        assert told(answer.text) == set()


def test_roles_that_are_for_nobody_get_no_restricted_data_token(kit: Kit) -> None:
    desk = kit.as_role(TRACKING)
    for path in ("/address", "/buyerInfo", "/orderItems/buyerInfo"):
        body = {"restrictedResources": [{"method": "GET", "path": f"{kit.one}{path}"}]}
        answer = desk.call("POST", "/tokens/2021-03-01/restrictedDataToken", body)
        assert answer.status_code == 400, path


@pytest.mark.parametrize("role", [TRACKING, SHIPPING, INVOICING, "Tax Remittance"])
def test_roles_open_their_part_of_2026_alone(kit: Kit, role: str) -> None:
    desk = kit.as_role(role)
    taxes = {"buyer.name", "buyer.company", "buyer.purchase_order_number"}
    tax = role in (INVOICING, "Tax Remittance")
    by_data = {
        "BUYER": taxes if tax else {"buyer.email"} if role == SHIPPING else set(),
        "RECIPIENT": STREET if role == SHIPPING else set(),
        "FULFILLMENT": {"gift"} if role == SHIPPING else set(),
        "TAX": {"buyer.company"} if tax else set(),
    }
    one = f"{ORDERS_2026}/{kit.order.order_id}"
    since = {"createdAfter": "2020-01-01T00:00:00Z"}
    for data in ALL.split(","):
        wanted = by_data.get(data, set())
        assert told(kit.text(desk, one, includedData=data)) == wanted, data
        assert told(kit.text(desk, ORDERS_2026, **since, includedData=data)) == wanted, data
    assert told(kit.text(desk, one)) == set()
    assert told(kit.text(desk, one, includedData=ALL)) == set().union(*by_data.values())


@pytest.mark.parametrize(
    ("wishes", "hidden"),
    [
        ({"status": "PENDING"}, STREET | {"buyer.email"}),
        ({"status": "CANCELLED"}, STREET | {"buyer.email"}),
        (
            {"status": "SHIPPED", "fulfilled_by": "AMAZON"},
            {"buyer.email", "recipient.phone"},
        ),
    ],
    ids=["pending", "cancelled", "shipped by Amazon"],
)
def test_v0_tells_by_status(kit: Kit, wishes: dict[str, Any], hidden: set[str]) -> None:
    order = peopled(kit.house, kit.desk, **wishes)
    one = f"{ORDERS_V0}/{order.order_id}"
    places = [{"method": "GET", "path": one, "dataElements": list(OPENED)}]
    places += [{"method": "GET", "path": f"{one}{path}"} for path in ("/address", "/buyerInfo")]
    open_ = kit.desk.with_token(kit.desk.restricted(*places))
    everything = {*BUYERS, *STREET, "buyer.company"}
    found = set().union(*(told(kit.text(open_, str(place["path"]))) for place in places))
    assert found == everything - hidden


def test_v0_forgets_telephones_after_delivery(kit: Kit) -> None:
    order = peopled(kit.house, kit.desk, status="SHIPPED")
    one = f"{ORDERS_V0}/{order.order_id}"

    def found() -> set[str]:
        desk = OrdersDesk.of(kit.house, kit.desk.partner)
        assert isinstance(desk, OrdersDesk)
        resource = {"method": "GET", "path": one, "dataElements": ["shippingAddress"]}
        return told(kit.text(desk.with_token(desk.restricted(resource)), one))

    assert found() == STREET
    kit.desk.advance(86400 * 6)
    assert found() == STREET - {"recipient.phone"}


def test_nothing_personal_beside_orders(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """Finances, feeds, reports, the history, the levers and the logs."""
    caplog.set_level(logging.DEBUG)
    order_id, desk = kit.order.order_id, kit.desk
    resource = {"method": "GET", "path": kit.one, "dataElements": list(OPENED)}
    kit.text(desk.with_token(desk.restricted(resource)), kit.one)
    desk.lever("PATCH", f"/orders/{order_id}", {"status": "SHIPPED"})
    desk.lever("POST", f"/orders/{order_id}/refund", {})
    desk.advance(300)
    shown = [
        kit.text(desk, f"/finances/v0/orders/{order_id}/financialEvents"),
        kit.text(desk, "/finances/v0/financialEventGroups"),
        kit.text(
            desk,
            "/finances/2024-06-19/transactions",
            relatedIdentifierName="ORDER_ID",
            relatedIdentifierValue=order_id,
        ),
        json.dumps(desk.lever("GET", f"/orders/{order_id}")),
        json.dumps(desk.lever("GET", "/orders")),
        json.dumps(desk.lever("GET", "/history")),
        caplog.text,
    ]
    assert order_id in shown[0]
    for text in shown:
        assert told(text) == set(), text[:500]


@pytest.mark.parametrize(
    ("report_type", "wanted"),
    [
        ("GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL", ROUGHLY),
        ("GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL", ROUGHLY),
        ("GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE", set()),
    ],
)
def test_reports_that_are_not_restricted(kit: Kit, report_type: str, wanted: set[str]) -> None:
    day = {"dataStartTime": "2026-01-01T00:00:00Z"} if "ORDERS" in report_type else {}
    report_id = kit.desk.report(report_type, **day)
    kit.desk.advance(3000)
    if kit.desk.get_report(report_id)["processingStatus"] == "DONE":
        assert told(kit.desk.written(report_id)) <= wanted


def test_restricted_reports_need_a_restricted_data_token(kit: Kit) -> None:
    report_id = kit.desk.report("GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING")
    kit.desk.advance(3000)
    document_id = kit.desk.get_report(report_id)["reportDocumentId"]
    path = f"{REPORT_DOCUMENTS}/{document_id}"
    answer = kit.desk.call("GET", path)
    assert answer.status_code == 403
    assert "url" not in answer.text
    token = kit.desk.restricted({"method": "GET", "path": path})
    document = kit.desk.with_token(token).get_json(path)
    assert {"recipient.line1", "buyer.email"} <= told(kit.desk.downloaded(document))


def test_notifications_hold_the_postal_code_alone(house: House) -> None:
    """Amazon's schema of ORDER_CHANGE wants it."""
    listener = notices_desk.Desk.of(house)
    listener.subscribed("ORDER_CHANGE", listener.to_queue())
    desk = OrdersDesk(house, listener.partner, listener.token)
    order = peopled(house, desk)
    desk.lever("PATCH", f"/orders/{order.order_id}", {"status": "SHIPPED"})
    other = peopled(house, desk)
    desk.lever("POST", f"/orders/{other.order_id}/wish-to-cancel", {"reason": "Too late."})
    house.amazon.levers.advance(600)
    found = [json.dumps(body) for body in bodies(house.amazon, "news")]
    assert len(found) >= 2
    assert set().union(*map(told, found)) == {"recipient.postal_code"}
