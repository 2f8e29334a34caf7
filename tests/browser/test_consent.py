"""The public flow once in a real browser, with real clicks, on a phone's screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looking import close_by, shown_to_eyes
from tests.journeys.conftest import Town

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("browser"),
]


def shot(page: Page, picture: Path, number: int) -> None:
    shown_to_eyes(page, picture.with_stem(f"{picture.stem}-{number}"))


def fits(page: Page) -> bool:
    """Nothing sticks out to the right of the screen."""
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


def to_amazon_and_back(page: Page, partner: dict[str, Any]) -> None:
    page.get_by_label("E-mail").fill(partner["email"])
    page.get_by_label("Password").fill(partner["password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Confirm").click()


# `journeys/test_connect` walks all four; here each kind and each shape meets a browser once.
@pytest.mark.parametrize(("kind", "shape"), [("seller", "always"), ("vendor", "never")])
def test_a_shop_owner_connects_on_a_phone(
    town: Town, phone: Page, picture: Path, kind: str, shape: str
) -> None:
    town.lever("POST", "/login-leg", {"mode": shape})
    partner = town.partner(kind)
    account = town.account(partner, kind)
    link = town.invite(account)

    answer = phone.goto(link)
    assert answer is not None
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    expect(phone.get_by_text(partner["name"]).first).to_be_visible()
    assert fits(phone)
    shot(phone, picture, 1)
    # One button that matters, reachable by keyboard.
    button = phone.get_by_role("button", name="Amazon")
    expect(button).to_have_count(1)
    button.focus()
    phone.keyboard.press("Enter")
    to_amazon_and_back(phone, partner)

    phone.wait_for_url(f"{town.evergrant.url}/connect/done/**")
    shot(phone, picture, 2)
    assert fits(phone)
    expect(phone.get_by_role("heading", level=1)).to_be_visible()
    assert "spapi_oauth_code" not in phone.url
    phone.reload()
    expect(phone.get_by_role("heading", level=1)).to_be_visible()
    view = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    assert view["authorization"]["state"] == "active"


def test_an_operator_renews_in_a_window_and_closes_it(
    town: Town, phone: Page, picture: Path
) -> None:
    """The console opens a window; at its end there is nothing but a button that closes it."""
    town.lever("POST", "/login-leg", {"mode": "never"})
    partner = town.partner()
    link = town.invite(town.account(partner, language="it"))
    phone.goto(town.evergrant.url)
    with phone.expect_popup() as opened:
        phone.evaluate(
            "address => { window.open(address, 'renew', 'popup,width=520') }",
            f"{link}?from=console",
        )
    popup = opened.value
    popup.get_by_role("button", name="Amazon").click()
    to_amazon_and_back(popup, partner)
    popup.wait_for_url(f"{town.evergrant.url}/connect/done/**")
    expect(popup.locator("html")).to_have_attribute("lang", "en")
    expect(popup.get_by_text("You may close this window.")).to_be_visible()
    expect(popup.get_by_role("link", name="Continue")).to_have_count(0)
    expect(popup.get_by_role("button", name="Close this window")).to_be_visible()
    shot(popup, picture, 1)
    close_by(popup, "Close this window")


def test_a_window_that_no_script_opened_says_so(town: Town, phone: Page, picture: Path) -> None:
    town.lever("POST", "/login-leg", {"mode": "never"})
    partner = town.partner()
    phone.goto(town.evergrant.url)
    phone.goto(f"{town.invite(town.account(partner))}?from=console")
    phone.get_by_role("button", name="Amazon").click()
    to_amazon_and_back(phone, partner)
    phone.get_by_role("button", name="Close this window").click()
    expect(phone.get_by_text("Please close it yourself.")).to_be_visible()
    assert fits(phone)
    shot(phone, picture, 1)


def test_the_wrong_shop_is_told_in_plain_words(town: Town, phone: Page, picture: Path) -> None:
    town.lever("POST", "/login-leg", {"mode": "never"})
    expected, actual = town.partner(), town.partner()
    account = town.account(expected, merchant_token=expected["selling_partner_id"])
    phone.goto(town.invite(account))
    phone.get_by_role("button", name="Amazon").click()
    to_amazon_and_back(phone, actual)
    expect(phone.get_by_text("EG-").first).to_be_visible()
    assert fits(phone)
    shot(phone, picture, 1)
    view = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    assert view["authorization"]["state"] == "awaiting"


def test_an_unknown_link_says_what_to_do(town: Town, phone: Page, picture: Path) -> None:
    answer = phone.goto(f"{town.evergrant.url}/connect/{'x' * 43}")
    assert answer is not None
    assert answer.status in (404, 410)
    expect(phone.get_by_role("heading", level=1)).to_be_visible()
    assert fits(phone)
    shot(phone, picture, 1)


def test_dark_mode_and_german(town: Town, phone: Page, picture: Path) -> None:
    partner = town.partner(name="Bücher <b>Reiher</b> & Söhne")
    account = town.account(partner, language="de")
    phone.emulate_media(color_scheme="dark")
    phone.goto(town.invite(account))
    expect(phone.locator("html")).to_have_attribute("lang", "de")
    expect(phone.get_by_text("Bücher <b>Reiher</b> & Söhne").first).to_be_visible()
    background = phone.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(part) for part in background[4:-1].split(",")[:3])
    assert max(red, green, blue) < 90, f"dark, not {background}"
    assert fits(phone)
    shot(phone, picture, 1)
