"""Attempts on the real doors: refused, and nothing stored."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx2
import pytest

from demo.partner import Browser
from demo.stage import wait_for
from tests.journeys.conftest import Town

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("connect")]


def at_amazon(town: Town, partner: dict[str, Any], link: str) -> Browser:
    """A browser that signed in at Amazon and has the consent page open."""
    browser = Browser()
    browser.open(link)
    browser.press("Amazon")
    browser.press("Sign in", email=partner["email"], password=partner["password"])
    return browser


class Caught(Exception):
    def __init__(self, url: str) -> None:
        self.url = url


def callback_of(browser: Browser, evergrant_url: str) -> str:
    """Confirms at Amazon but keeps the callback's address back instead of going there."""
    go = browser._http.request

    def stop_at_callback(method: str, url: str, **rest: Any) -> httpx2.Response:
        if url.startswith(f"{evergrant_url}/callback"):
            raise Caught(url)
        return go(method, url, **rest)

    browser._http.request = stop_at_callback  # type: ignore[method-assign, assignment]
    try:
        browser.press("Confirm", permission="on")
    except Caught as caught:
        return caught.url
    finally:
        browser._http.request = go  # type: ignore[method-assign]
    raise AssertionError("no callback came")


def with_query(url: str, **changes: str | None) -> str:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **changes}
    kept = {name: value for name, value in query.items() if value is not None}
    return urlunsplit(parts._replace(query=urlencode(kept)))


@pytest.fixture
def waiting(town: Town) -> tuple[Any, dict[str, Any], Browser, str]:
    """An account whose callback is ready to be sent, its browser, its callback address."""
    town.lever("POST", "/login-leg", {"mode": "never"})
    partner = town.partner()
    account = town.account(partner)
    browser = at_amazon(town, partner, town.invite(account))
    return account, partner, browser, callback_of(browser, town.evergrant.url)


def state_of(town: Town, account: Any) -> str:
    view = town.house.ask("GET", f"/v1/accounts/{account['id']}")
    return str(view["authorization"]["state"])


#: Whose callback these change, does not lose it by them.
FORGED_STATES: dict[str, dict[str, str | None]] = {
    "no state": {"state": None},
    "empty state": {"state": ""},
    "made-up state": {"state": secrets.token_urlsafe(32)},
    "a path as state": {"state": "../../etc/passwd"},
    "a very long state": {"state": "x" * 9000},
}
#: These come with the true state, which is spent by them.
FORGED_ANSWERS: dict[str, dict[str, str | None]] = {
    "no code": {"spapi_oauth_code": None},
    "empty code": {"spapi_oauth_code": ""},
    "no partner": {"selling_partner_id": None},
    "markup as partner": {"selling_partner_id": "<script>"},
}


def test_a_forged_callback_stores_nothing(town: Town) -> None:
    """Nor does another browser finish it; and a state is of use once."""
    town.lever("POST", "/login-leg", {"mode": "never"})
    partner = town.partner()
    account = town.account(partner)
    link = town.invite(account)
    calls = partial(town.lwa_calls, partner=partner["selling_partner_id"])

    def refused(browser: Browser, what: str, url: str) -> None:
        assert browser.open(url).status in (400, 403, 409, 410, 414, 431), what
        assert (state_of(town, account), calls()) == ("awaiting", 0), what

    for what, change in FORGED_ANSWERS.items():
        browser = at_amazon(town, partner, link)
        refused(browser, what, with_query(callback_of(browser, town.evergrant.url), **change))
    browser = at_amazon(town, partner, link)
    callback = callback_of(browser, town.evergrant.url)
    for what, change in FORGED_STATES.items():
        refused(browser, what, with_query(callback, **change))
    assert Browser().open(callback).status == 403, "another browser"
    assert (state_of(town, account), calls()) == ("awaiting", 0)
    assert browser.open(callback).status == 200, "it was the true one all the time"
    browser.open(with_query(callback, spapi_oauth_code=secrets.token_urlsafe(12)))
    assert calls() == 1, "a state is of use once"
    assert state_of(town, account) == "active"


def test_an_expired_state_is_refused(town: Town, waiting: Any) -> None:
    account, _, browser, callback = waiting
    town.move_clocks(3600)
    page = browser.open(callback)
    assert page.status in (400, 410)
    assert state_of(town, account) == "awaiting"


def test_swapped_states_connect_nobody_wrongly(town: Town) -> None:
    """Two partners at the same time; each callback arrives with the other's state."""
    town.lever("POST", "/login-leg", {"mode": "never"})
    pairs = []
    for _ in range(2):
        partner = town.partner()
        account = town.account(partner)
        browser = at_amazon(town, partner, town.invite(account))
        pairs.append((account, partner, browser, callback_of(browser, town.evergrant.url)))
    states = [dict(parse_qsl(urlsplit(callback).query))["state"] for *_, callback in pairs]
    for (_, _, browser, callback), foreign in zip(pairs, reversed(states), strict=True):
        assert browser.open(with_query(callback, state=foreign)).status == 403
    for account, *_ in pairs:
        assert state_of(town, account) == "awaiting"


EVIL = [
    "https://evil.example/apps/authorize/confirm/x",
    "//evil.example/apps/authorize/confirm/x",
    "/\\evil.example/apps/authorize/confirm/x",
    "https:/evil.example/apps/authorize/confirm/x",
    "https://sellercentral.amazon.com@evil.example/apps/authorize/confirm/x",
    "https://sellercentral.amazon.com.evil.example/apps/authorize/confirm/x",
    "https://sellercentral.amazon.com:8443/apps/authorize/confirm/x",
    "https://sellercentral-amazon.com/apps/authorize/confirm/x",
    "https://evil.example#https://sellercentral.amazon.com/apps/authorize/confirm/x",
    "https://evil.example?.sellercentral.amazon.com/apps/authorize/confirm/x",
    "javascript:alert(1)",
    "data:text/html,x",
    "http://sellercentral.amazon.com/apps/authorize/confirm/x",
    "https://sellercentral.amazon.com\\@evil.example/apps/authorize/confirm/x",
    "\thttps://evil.example/apps/authorize/confirm/x",
    "https://sellercentral.amazon.com%2eevil.example/apps/authorize/confirm/x",
]


def test_the_log_in_leg_goes_to_amazon_only(town: Town, waiting: Any) -> None:
    account, partner, browser, _ = waiting
    for evil in EVIL:
        for visitor in (browser, Browser()):
            url = with_query(
                f"{town.evergrant.url}/amazon/login",
                amazon_callback_uri=evil,
                amazon_state=secrets.token_urlsafe(12),
                selling_partner_id=partner["selling_partner_id"],
            )
            answer = visitor._http.get(url)
            assert answer.status_code in (400, 403), evil
            assert "location" not in answer.headers, evil
    assert state_of(town, account) == "awaiting"


def test_a_cold_arrival_with_a_known_shop_gets_a_mail_not_a_handshake(town: Town) -> None:
    """Amazon's own Re-authorize button. The shop's id in the query is only a claim."""
    account, partner = town.connected()
    central = town.emulator.addresses["seller_central"]
    url = with_query(
        f"{town.evergrant.url}/amazon/login",
        amazon_callback_uri=(
            f"{central}/apps/authorize/confirm/{town.application['application_id']}"
        ),
        amazon_state=secrets.token_urlsafe(12),
        selling_partner_id=partner["selling_partner_id"],
    )
    before = len([m for m in town.house.letters() if partner["email"] in m["to"]])
    stranger = Browser()
    answer = stranger._http.get(url)
    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert partner["email"] not in answer.text, "a stranger does not learn the address"
    wait_for(
        "the renewal mail",
        lambda: len([m for m in town.house.letters() if partner["email"] in m["to"]]) > before,
    )
    assert state_of(town, account) == "active"


BROKEN = [
    ("/v1/accounts", b"{", "application/json"),
    ("/v1/accounts", b"[" * 100_000, "application/json"),
    ("/v1/accounts", b"\xff\xfe\x00", "application/json"),
    ("/v1/accounts", b"a=b", "application/x-www-form-urlencoded"),
    ("/v1/accounts", b'{"nope": 1}', "application/json"),
    ("/auth/o2/token", b"{", "application/json"),
    ("/auth/o2/token", b"%ZZ=%", "application/x-www-form-urlencoded"),
    ("/auth/o2/token", b"", "text/plain"),
]


def test_broken_input_is_told_clearly(town: Town) -> None:
    for path, content, kind in BROKEN:
        answer = town.house._http.post(path, content=content, headers={"content-type": kind})
        assert 400 <= answer.status_code < 500, (path, content[:20], answer.text)
        body = answer.json()
        assert body.get("code") or body.get("error"), (path, content[:20])


def test_ten_megabytes_are_refused(town: Town) -> None:
    before = len(town.house.ask("GET", "/v1/accounts", limit=200)["items"])
    much = b"x" * 10_000_000
    for path in ("/v1/accounts", "/auth/o2/token", "/connect/abc", "/callback", "/amazon/login"):
        answer = town.house._http.post(
            path, content=much, headers={"content-type": "application/json"}
        )
        assert answer.status_code in (404, 405, 413), path
    assert len(town.house.ask("GET", "/v1/accounts", limit=200)["items"]) == before
