"""From an account to its first access token, as people and programs walk it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx2
import pytest

from demo.house import link_in
from demo.partner import Browser
from tests.journeys.conftest import Town

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("connect")]


@pytest.mark.parametrize("kind", ["seller", "vendor"])
@pytest.mark.parametrize("shape", ["always", "never"])
def test_connects_in_both_shapes_of_the_callback(town: Town, kind: str, shape: str) -> None:
    town.lever("POST", "/login-leg", {"mode": shape})
    partner = town.partner(kind)
    account = town.account(partner, kind)
    assert account["authorization"]["state"] == "awaiting"
    assert account["oauth_began"] is False

    browser = Browser()
    page = town.consent(town.invite(account), partner, browser)

    assert any("/amazon/login" in url for url in browser.visited) is (shape == "always")
    assert page.status == 200
    assert partner["name"] in page.words
    for secret in ("spapi_oauth_code", "state=", "amazon_state"):
        assert secret not in page.url, "the address bar must not keep what Amazon sent"
    account = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    assert account["oauth_began"] is True
    assert account["authorization"]["state"] == "active"
    assert account["authorization"]["selling_partner_id"] == partner["selling_partner_id"]
    asked = town.lwa_calls(partner=partner["selling_partner_id"])
    answer = town.house.ask("GET", f"/v1/accounts/{account['id']}/access-token", min_ttl=600)
    assert 600 <= answer["expires_in"] <= 3600
    assert town.lwa_calls(partner=partner["selling_partner_id"]) == asked == 1, (
        "the access token of the code exchange is used, not a second one asked for"
    )


def test_what_amazon_says_of_the_seller_is_kept(town: Town) -> None:
    account, partner = town.connected()
    told = {row["country_code"]: row for row in account["participations"]}
    assert set(partner["marketplaces"]) <= set(told)
    assert told["DE"]["participating"] is True


def test_the_year_begins_with_the_consent(town: Town) -> None:
    account, _ = town.connected()
    authorization = account["authorization"]
    from datetime import datetime, timedelta

    granted = datetime.fromisoformat(authorization["granted_at"])
    ends = datetime.fromisoformat(authorization["term_ends_at"])
    assert ends - granted == timedelta(days=365)


def test_a_mail_scanner_that_opens_the_link_spends_nothing(town: Town) -> None:
    partner = town.partner()
    account = town.account(partner)
    link = town.invite(account)
    for _ in range(3):
        scanner = Browser()
        assert scanner.open(link).status == 200
        scanner.close()
    assert town.consent(link, partner).status == 200
    account = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    assert account["authorization"]["state"] == "active"


def test_reloading_the_callback_exchanges_nothing_again(town: Town) -> None:
    town.lever("POST", "/login-leg", {"mode": "never"})
    partner = town.partner()
    account = town.account(partner)
    browser = Browser()
    town.consent(town.invite(account), partner, browser)
    callback = next(url for url in browser.visited if "spapi_oauth_code=" in url)
    asked = town.lwa_calls(partner=partner["selling_partner_id"])
    again = browser.open(callback)
    assert again.status == 200
    assert town.lwa_calls(partner=partner["selling_partner_id"]) == asked
    account = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    assert account["authorization"]["state"] == "active"


def test_going_away_at_amazon_leaves_the_invitation_open(town: Town) -> None:
    partner = town.partner()
    account = town.account(partner)
    link = town.invite(account)
    browser = Browser()
    browser.open(link)
    browser.press("Amazon")
    browser.press("Sign in", email=partner["email"], password=partner["password"])
    browser.press("Cancel")
    account = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    assert account["authorization"]["state"] == "awaiting"
    assert town.consent(link, partner).status == 200


def test_a_german_account_gets_german_words(town: Town) -> None:
    partner = town.partner()
    account = town.account(partner, language="de")
    link = town.invite(account)
    letter = town.house.wait_for_letter(account["client_email"])
    assert "Amazon" in letter["subject"]
    assert "Guten Tag" in letter["text"] or "Hallo" in letter["text"]
    page = Browser().open(link)
    assert 'lang="de"' in page.html


def test_a_private_application_adopts_a_pasted_refresh_token(town: Town) -> None:
    partner = town.partner()
    account = town.account(partner)
    refresh_token = town.refresh_token(partner)
    adopted = town.house.ask(
        "POST", f"/v1/accounts/{account['id']}/adopt", {"refresh_token": refresh_token}
    )
    assert adopted["authorization"]["state"] == "active"
    assert refresh_token not in str(adopted)
    other = town.account(town.partner())
    refused = town.house.send(
        "POST",
        f"/v1/accounts/{other['id']}/adopt",
        {"refresh_token": "Atzr|emulated" + "0" * 40},
    )
    assert refused.status_code in (409, 422)
    assert refused.json()["code"] == "grant_refused"
    other = town.house.ask("GET", f"/v1/accounts/{other['id']}")
    assert other["authorization"]["state"] == "awaiting"


def test_setting_oauth_began_sends_the_link(town: Town) -> None:
    partner = town.partner()
    account = town.account(partner)
    changed = town.house.ask("PATCH", f"/v1/accounts/{account['id']}", {"oauth_began": True})
    assert changed["oauth_began"] is True
    assert town.house.wait_for_letter(partner["email"])
    refused = town.house.send("PATCH", f"/v1/accounts/{account['id']}", {"oauth_began": False})
    assert refused.status_code == 422
    assert refused.json()["hint"]


def test_renewing_keeps_the_account_and_starts_a_new_year(town: Town) -> None:
    account, partner = town.connected()
    before = account["authorization"]
    town.move_clocks(86400)
    assert town.consent(town.invite(account), partner).status == 200
    after = town.house.ask("GET", f"/v1/accounts/{account['id']}")["authorization"]
    assert after["state"] == "active"
    assert after["term_ends_at"] > before["term_ends_at"]


def at_amazon(town: Town, partner: dict[str, Any], browser: Browser, button: str) -> None:
    """Manage Your Apps in Seller Central, signed in, and one button there."""
    page = browser.open(f"{town.emulator.addresses['seller_central']}/apps/manage")
    if any("email" in form.fields for form in page.forms):
        browser.press("Sign in", email=partner["email"], password=partner["password"])
    browser.press(button)


def refusal(town: Town, account: dict[str, Any]) -> dict[str, Any]:
    """What a program hears that asks for an access token, once no token lives any more."""
    answer = town.house.send("GET", f"/v1/accounts/{account['id']}/access-token")
    assert answer.status_code == 409, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_disabled_at_amazon_and_re_authorized_there(town: Town) -> None:
    """Cold, by a letter; the link of the refusal opens the same."""
    account, partner = town.connected()
    browser = Browser()
    at_amazon(town, partner, browser, "Disable")
    town.move_clocks(2 * 3600)
    told = refusal(town, account)
    assert told["code"] == "grant_refused"
    assert "invalid grant parameter" in told["facts"]["amazon_reason"]
    assert "/connect/" in told["renewal_url"]
    assert refusal(town, account)["renewal_url"] == told["renewal_url"]

    newest = town.house.newest_letter()
    at_amazon(town, partner, browser, "Re-authorize")
    page = browser.press("Confirm", permission="on")
    assert "/amazon/login" in page.url
    assert page.status == 200
    link = link_in(town.house.wait_for_letter(partner["email"], after=newest))
    assert link == told["renewal_url"]
    browser.open(link)
    browser.press("Amazon")
    page = browser.press("Confirm", permission="on")
    assert partner["name"] in page.words
    view = town.house.ask("GET", f"/v1/accounts/{account['id']}")["authorization"]
    assert view["state"] == "active"
    assert view["term_ends_at"] > account["authorization"]["term_ends_at"]
    assert town.house.ask("GET", f"/v1/accounts/{account['id']}/access-token")["expires_in"]


def test_re_authorized_at_amazon_by_who_pressed_our_button(town: Town) -> None:
    """Signed in with us, so there is no stop: Amazon's button instead of its consent page."""
    account, partner = town.connected()
    browser = Browser()
    browser.open(town.invite(account))
    browser.press("Amazon")
    town.move_clocks(60)
    at_amazon(town, partner, browser, "Re-authorize")
    page = browser.press("Confirm", permission="on")
    assert partner["name"] in page.words
    assert "/connect/done/" in page.url
    view = town.house.ask("GET", f"/v1/accounts/{account['id']}")["authorization"]
    assert view["granted_at"] > account["authorization"]["granted_at"]


@pytest.mark.parametrize("token", ["new", "same"])
def test_whatever_becomes_of_the_old_refresh_token_a_renewal_serves(town: Town, token: str) -> None:
    account, partner = town.connected()
    town.lever(
        "PATCH",
        "/habits",
        {"renewal_refresh_token": token, "renewal_kills_old": token == "new"},
    )
    try:
        town.move_clocks(3600)
        town.consent(town.invite(account), partner)
        town.move_clocks(2 * 3600)
        assert town.house.ask("GET", f"/v1/accounts/{account['id']}/access-token")["expires_in"]
    finally:
        town.lever("PATCH", "/habits", {"renewal_refresh_token": "new", "renewal_kills_old": False})


def test_consent_with_another_shop_than_before_is_refused(town: Town) -> None:
    account, _ = town.connected()
    other = town.partner()
    page = town.consent(town.invite(account), other)
    assert "EG-" in page.words, "the page carries a reference number"
    view = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    assert view["authorization"] == {
        **view["authorization"],
        "selling_partner_id": account["authorization"]["selling_partner_id"],
        "granted_at": account["authorization"]["granted_at"],
    }
    reference = next(word.strip(".,") for word in page.words.split() if word.startswith("EG-"))
    report = town.house.ask("GET", f"/v1/reports/{reference}")
    assert report["reason"] == "wrong_selling_partner"
    assert report["account_id"] == account["id"]
    support = town.house.wait_for_letter("dev-support@northwind.example", says=reference)
    assert other["selling_partner_id"] in support["text"]


def test_the_ordinary_life_of_many_accounts_is_never_throttled(town: Town) -> None:
    """Amazon keeps its limits, and whatever calls it, programs or Evergrant by itself, draws on the
    same buckets, which each account has of its own. Its history is the judge."""
    assert town.lever("GET", "/limits")["enforced"] is True
    through = [town.connected("seller"), town.connected("vendor")]
    for number in range(14):
        kind = "vendor" if number % 4 == 0 else "seller"
        partner = town.partner(kind)
        through.append((town.adopted(partner, kind=kind), partner))
    assert {account["authorization"]["finding"] for account, _ in through} == {""}, (
        "every first look was made"
    )

    key = town.house.ask("POST", "/v1/api-keys", {"name": "ERP", "rights": ["amazon_read"]})
    with httpx2.Client(
        base_url=f"{town.evergrant.url}/gateway",
        headers={"authorization": f"Bearer {key['secret']}", "x-evergrant-wait": "0"},
        trust_env=False,
        timeout=30,
    ) as program:

        def call(account: dict[str, Any]) -> int:
            path = "/sellers/v1/marketplaceParticipations"
            if account["partner_kind"] == "vendor":
                path = "/vendor/orders/v1/purchaseOrdersStatus?limit=1"
            return program.get(path, headers={"x-evergrant-account": account["id"]}).status_code

        heard = Counter(call(account) for account, _ in through for _ in range(2))
        assert heard == {200: 2 * len(through)}
        # One program knows no measure, and the account is authorized anew just then.
        greedy, partner = through[0]
        assert {call(greedy) for _ in range(20)} == {200, 429}, "Evergrant's own 429"
    # The first one may find a permit that came in since.
    again = [town.adopted_again(greedy, partner) for _ in range(2)]
    assert "has to wait" in again[-1]["authorization"]["finding"], "it is looked at later"

    # The worker looks after the accounts of other tests meanwhile, and reads orders of these.
    own = {partner["selling_partner_id"] for _, partner in through}
    told = [
        item
        for item in town.lever("GET", "/history", kind="spapi", limit=10_000)["items"]
        if item["partner"] in own
    ]
    assert {item["status"] for item in told} == {200}
    looks = Counter(item["kind"] for item in told)
    orders = {"spapi.searchOrders", "spapi.getPurchaseOrders"}
    assert set(looks) - orders == {
        "spapi.getMarketplaceParticipations",
        "spapi.getPurchaseOrdersStatus",
    }
    assert sum(looks[kind] for kind in set(looks) - orders) >= 3 * len(through)
