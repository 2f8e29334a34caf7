"""``evergrant orders``, on the real store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from evergrant.ports.amazon import Answer
from tests.doors.cli_house import Amazon, Cli

SHOP = "Blue Heron Books"
ORDER = "028-1234567-1234567"
SEARCH = "/orders/2026-01-01/orders"


def one_order() -> Answer:
    at = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    order = {
        "orderId": ORDER,
        "createdTime": at,
        "lastUpdatedTime": at,
        "buyer": {"buyerName": "Wilhelmina \N{GREEK SMALL LETTER OMEGA}"},
        "fulfillment": {"fulfillmentStatus": "UNSHIPPED"},
    }
    return Answer(status=200, headers={}, body=json.dumps({"orders": [order]}).encode())


def test_orders_are_read_listed_and_shown(connected: Cli, amazon: Amazon) -> None:
    assert "no order yet" in connected("orders", "list").err.lower()
    assert connected("orders", "status", SHOP, "--json").json["lacks"] == "merchant_token"
    assert "no merchant token" in connected("account", "show", SHOP).out
    assert connected("account", "change", SHOP, "--merchant-token", "A2SHOP00000000").code == 0
    assert "no merchant token" not in connected("account", "show", SHOP).out
    amazon.api.answer("GET", SEARCH, one_order())
    swept = connected("orders", "sweep-now", SHOP, "--json").json
    assert (swept["orders"], swept["last_error"], swept["under_way"]) == (1, "", False)
    assert connected("orders", "status", SHOP, "--json").json == swept
    assert SHOP in connected("orders", "status").out
    listed = connected("orders", "list", "--account", SHOP)
    assert ORDER in listed.out
    assert "UNSHIPPED" in listed.out
    (item,) = connected("orders", "list", "--json").json["items"]
    assert item["order_id"] == ORDER
    plain = connected("orders", "show", SHOP, ORDER)
    assert "Wilhelmina" not in plain.out
    assert "--personal" in plain.err
    assert (
        "Wilhelmina \N{GREEK SMALL LETTER OMEGA}"
        in connected("orders", "show", SHOP, ORDER, "--personal").out
    )
    assert "orders.personal_read" in connected("journal", "--json").out
    again = connected("orders", "sweep-now", SHOP, "--json").json
    assert again["orders"] == 1
    assert len(connected("orders", "list", "--json").json["items"]) == 1


def test_an_order_that_is_not_there(connected: Cli) -> None:
    said = connected("orders", "show", SHOP, ORDER)
    assert said.code != 0
    assert "no such order" in said.err
