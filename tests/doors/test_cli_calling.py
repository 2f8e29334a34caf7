"""``evergrant call``: its waits, its words, personal data."""

from __future__ import annotations

from evergrant.ports.amazon import Answer
from evergrant.testing.selling_partner_api import EXPIRED, error_answer
from tests.doors.cli_house import Amazon, Cli

PATH = "/reports/2021-06-30/schedules"  # one in 45 seconds, ten at once
SHOP = "Blue Heron Books"
OK = Answer(status=200, headers={}, body=b'{"payload": []}')


def test_who_does_not_want_to_wait_hears_for_how_long_to(connected: Cli, amazon: Amazon) -> None:
    amazon.api.answer("GET", PATH, OK)
    for _ in range(30):
        said = connected("call", SHOP, "GET", PATH, "--wait", "0")
        if said.code:
            break
    assert said.code == 2
    assert said.err.startswith("error[over_limit] Amazon's limit for ")
    assert "getReportSchedules" in said.err
    assert "--wait" in said.err
    asked = amazon.api.count(f"GET {PATH}")
    assert 8 <= asked <= 10
    told = connected("call", SHOP, "GET", PATH, "--wait", "1")
    assert told.code == 2
    assert amazon.api.count(f"GET {PATH}") == asked


def test_a_wait_is_not_negative(connected: Cli, amazon: Amazon) -> None:
    said = connected("call", SHOP, "GET", PATH, "--wait", "-1")
    assert said.code == 2
    assert "--wait" in said.err


def test_an_expired_access_token_is_renewed(connected: Cli, amazon: Amazon) -> None:
    amazon.api.answer("GET", PATH, error_answer(403, "Unauthorized", "Denied.", EXPIRED), OK)
    assert connected("call", SHOP, "GET", PATH, "--json").json["status"] == 200


def test_personal_data_is_named(connected: Cli, amazon: Amazon) -> None:
    path = "/orders/v0/orders/123-1234567-1234567"
    amazon.api.answer("GET", path, OK)
    assert connected("call", SHOP, "GET", path, "--data-elements", "shoeSize").code == 2
    assert not amazon.api.sent
    wanted = "buyerInfo, shippingAddress"
    # The fake knows access tokens only: what matters here is which token it was asked with.
    connected("call", SHOP, "GET", path, "--data-elements", wanted)
    issued = amazon.api.issued(amazon.api.calls[-1].access_token)
    assert issued is not None
    assert set(issued.resources[0][2]) == {"buyerInfo", "shippingAddress"}


def test_a_path_that_nobody_knows_is_doubted(connected: Cli, amazon: Amazon) -> None:
    amazon.api.answer("GET", f"{PATH}s", error_answer(403, "Unauthorized", "Denied."))
    said = connected("call", SHOP, "GET", f"{PATH}s")
    assert said.code == 2
    assert f"Did you mean '{PATH}'?" in said.err
    amazon.api.answer("GET", PATH, error_answer(404, "NotFound", "None."))
    assert "known" not in connected("call", SHOP, "GET", PATH).err


def test_what_is_no_path_is_told(connected: Cli, amazon: Amazon) -> None:
    said = connected("call", SHOP, "GET", "/orders/../x")
    assert said.code == 2
    assert said.err.startswith("error[invalid_input] path: ")
    assert not amazon.api.sent
