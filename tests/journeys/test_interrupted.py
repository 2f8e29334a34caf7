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

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("interrupted")]


@pytest.fixture
def own_town(tmp_path: Path) -> Iterator[Town]:
    with own_town_at(tmp_path) as town:
        yield town


def killed_between_commit_and_first_look(town: Town) -> str:
    """The account, connected, of which nobody knows yet where it sells."""
    partner = town.partner()
    account = town.account(partner)
    pasted = {"refresh_token": town.refresh_token(partner)}
    town.lever("POST", "/spapi/fail", {"mode": "hang", "times": 1})

    def adopt() -> None:
        with pytest.raises(httpx2.HTTPError):
            town.house.ask("POST", f"/v1/accounts/{account['id']}/adopt", pasted)

    operator = threading.Thread(target=adopt)
    operator.start()
    wait_for("the first look", lambda: town.lever("GET", "/history", kind="spapi")["count"] == 1)
    town.evergrant.running.kill()
    town.lever("POST", "/spapi/clear")
    operator.join(60)
    assert not operator.is_alive()
    town.evergrant.restart()
    view = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    assert view["authorization"]["state"] == "active"
    assert view["participations"] == []
    return str(account["id"])


def test_killed_at_the_worst_moments(own_town: Town) -> None:
    town = own_town
    unseen = killed_between_commit_and_first_look(town)
    town.lever("POST", "/login-leg", {"mode": "never"})
    partner = town.partner()
    account = town.account(partner)
    link = town.invite(account)
    browser = Browser()
    browser.open(link)
    browser.press("Amazon")
    browser.press("Sign in", email=partner["email"], password=partner["password"])

    # LWA does the work, then keeps its answer back: the code is spent, nothing is stored yet.
    town.lever("POST", "/lwa/fail", {"mode": "hang_after", "times": 1})

    def confirm() -> None:
        with pytest.raises((httpx2.HTTPError, LookupError)):
            browser.press("Confirm", permission="on")

    shop_owner = threading.Thread(target=confirm)
    shop_owner.start()
    partner_id = partner["selling_partner_id"]
    wait_for("the exchange", lambda: town.lwa_calls(partner=partner_id) == 1)
    town.evergrant.running.kill()
    town.lever("POST", "/lwa/clear")
    shop_owner.join(60)
    assert not shop_owner.is_alive()

    town.evergrant.restart()
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
        lambda: town.house.ask("GET", f"/v1/accounts/{unseen}")["participations"],
        within_s=120,
    )
    assert any(row["country_code"] == "DE" and row["participating"] for row in healed)
