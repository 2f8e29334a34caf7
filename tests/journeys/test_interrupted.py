"""A process that dies at the worst moments: between the grant's commit and the first look at the
account, and between the code exchange and the commit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from demo.house import link_in
from demo.partner import Browser
from demo.stage import wait_for
from tests.journeys.conftest import Town, own_town_at
from tests.journeys.quick_worker import launch_quick

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("interrupted")]


@pytest.fixture
def own_town(tmp_path: Path) -> Iterator[Town]:
    with own_town_at(tmp_path) as town:
        yield town


def test_killed_at_the_worst_moments(own_town: Town) -> None:
    """Both at once: the grant of one account is written down and its first look is under way, the
    code of another is spent and nothing of it is stored yet."""
    town = own_town
    adopted = town.partner()
    unseen = town.account(adopted)
    pasted = {"refresh_token": town.refresh_token(adopted)}
    # Until it is cleared: nobody else may look in the place of the dead process.
    looks = {"operation": "getMarketplaceParticipations", "partner": adopted["selling_partner_id"]}
    town.lever("POST", "/spapi/fail", {"mode": "hang", **looks})
    town.lever("POST", "/login-leg", {"mode": "never"})
    partner = town.partner()
    partner_id = partner["selling_partner_id"]
    account = town.account(partner)
    browser = Browser()
    browser.open(town.invite(account))
    browser.press("Amazon")
    browser.press("Sign in", email=partner["email"], password=partner["password"])
    # LWA does the work, then keeps its answer back.
    town.lever("POST", "/lwa/fail", {"mode": "hang_after", "partner": partner_id})

    def adopt() -> None:
        with pytest.raises(httpx2.HTTPError):
            town.house.ask("POST", f"/v1/accounts/{unseen['id']}/adopt", pasted)

    def confirm() -> None:
        with pytest.raises((httpx2.HTTPError, LookupError)):
            browser.press("Confirm", permission="on")

    operator, shop_owner = threading.Thread(target=adopt), threading.Thread(target=confirm)
    operator.start()
    wait_for("the first look", lambda: town.lever("GET", "/history/count", **looks)["count"])
    shop_owner.start()
    wait_for("the exchange", lambda: town.lwa_calls(partner=partner_id))
    town.evergrant.running.kill()
    for one in (operator, shop_owner):
        one.join(60)
        assert not one.is_alive()
    town.lever("POST", "/lwa/clear")

    # Nobody has to wait for its minutes.
    town.stage.launch = launch_quick
    town.evergrant.restart()
    view = town.house.ask("GET", f"/v1/accounts/{unseen['id']}")
    assert view["authorization"]["state"] == "active"
    assert view["participations"] == []
    town.lever("POST", "/spapi/clear")
    view = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    assert view["authorization"]["state"] == "awaiting", "nothing half-written"

    # Nobody can know yet whether the process is merely slow; some minutes later it is plain.
    town.move_clocks(10 * 60)
    told = wait_for(
        "the operator's letter",
        lambda: next(
            (
                letter
                for letter in town.house.letters()
                if any("dev-support@" in address for address in letter["to"])
                and partner["name"] in letter["text"]
                and "/connect/" in letter["text"]
            ),
            None,
        ),
        within_s=120,
    )
    assert town.lwa_calls(partner=partner_id) == 1, "no second exchange was tried"
    assert town.consent(link_in(told), partner).status == 200
    view = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    assert view["authorization"]["state"] == "active"
    verbs = [
        line["verb"]
        for line in town.house.ask("GET", "/v1/journal", account_id=account["id"], limit=200)[
            "items"
        ]
    ]
    assert "handshake.lost" in verbs

    # And the other account was looked at meanwhile, without anybody asking for it.
    healed = wait_for(
        "the marketplaces",
        lambda: town.house.ask("GET", f"/v1/accounts/{unseen['id']}")["participations"],
        within_s=120,
    )
    assert any(row["country_code"] == "DE" and row["participating"] for row in healed)
