"""Attempts on the real doors: refused, and nothing stored."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx2
import pytest

from demo.partner import Browser
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


@pytest.mark.parametrize(
    "change",
    [
        {"state": None},
        {"state": ""},
        {"state": secrets.token_urlsafe(32)},
        {"state": "../../etc/passwd"},
        {"state": "x" * 9000},
        {"spapi_oauth_code": None},
        {"spapi_oauth_code": ""},
        {"selling_partner_id": None},
        {"selling_partner_id": "<script>"},
    ],
    ids=[
        "no state",
        "empty state",
        "made-up state",
        "a path as state",
        "a very long state",
        "no code",
        "empty code",
        "no partner",
        "markup as partner",
    ],
)
def test_a_forged_callback_stores_nothing(
    town: Town, waiting: Any, change: dict[str, str | None]
) -> None:
    account, partner, browser, callback = waiting
    page = browser.open(with_query(callback, **change))
    assert page.status in (400, 403, 409, 410, 414, 431)
    assert state_of(town, account) == "awaiting"
    assert town.lwa_calls(partner=partner["selling_partner_id"]) == 0


def test_another_browser_cannot_finish_it(town: Town, waiting: Any) -> None:
    account, partner, _, callback = waiting
    assert Browser().open(callback).status == 403
    assert state_of(town, account) == "awaiting"
    assert town.lwa_calls(partner=partner["selling_partner_id"]) == 0


def test_a_state_is_of_use_once(town: Town, waiting: Any) -> None:
    account, partner, browser, callback = waiting
    assert browser.open(callback).status == 200
    forged = with_query(callback, spapi_oauth_code=secrets.token_urlsafe(12))
    browser.open(forged)
    assert town.lwa_calls(partner=partner["selling_partner_id"]) == 1
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


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("cookie", [True, False])
def test_the_log_in_leg_goes_to_amazon_only(
    town: Town, waiting: Any, evil: str, cookie: bool
) -> None:
    account, partner, browser, _ = waiting
    visitor = browser if cookie else Browser()
    url = with_query(
        f"{town.evergrant.url}/amazon/login",
        amazon_callback_uri=evil,
        amazon_state=secrets.token_urlsafe(12),
        selling_partner_id=partner["selling_partner_id"],
    )
    answer = visitor._http.get(url)
    assert answer.status_code in (400, 403)
    assert "location" not in answer.headers
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
    from demo.stage import wait_for

    wait_for(
        "the renewal mail",
        lambda: len([m for m in town.house.letters() if partner["email"] in m["to"]]) > before,
    )
    assert state_of(town, account) == "active"


@pytest.mark.parametrize(
    ("method", "path", "content", "kind"),
    [
        ("POST", "/v1/accounts", b"{", "application/json"),
        ("POST", "/v1/accounts", b"[" * 100_000, "application/json"),
        ("POST", "/v1/accounts", b"\xff\xfe\x00", "application/json"),
        ("POST", "/v1/accounts", b"a=b", "application/x-www-form-urlencoded"),
        ("POST", "/v1/accounts", b'{"nope": 1}', "application/json"),
        ("POST", "/auth/o2/token", b"{", "application/json"),
        ("POST", "/auth/o2/token", b"%ZZ=%", "application/x-www-form-urlencoded"),
        ("POST", "/auth/o2/token", b"", "text/plain"),
    ],
)
def test_broken_input_is_told_clearly(
    town: Town, method: str, path: str, content: bytes, kind: str
) -> None:
    answer = town.house._http.request(method, path, content=content, headers={"content-type": kind})
    assert 400 <= answer.status_code < 500, answer.text
    body = answer.json()
    assert body.get("code") or body.get("error")


@pytest.mark.parametrize(
    "path", ["/v1/accounts", "/auth/o2/token", "/connect/abc", "/callback", "/amazon/login"]
)
def test_ten_megabytes_are_refused(town: Town, path: str) -> None:
    before = len(town.house.ask("GET", "/v1/accounts", limit=200)["items"])
    answer = town.house._http.post(
        path, content=b"x" * 10_000_000, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (404, 405, 413)
    assert len(town.house.ask("GET", "/v1/accounts", limit=200)["items"]) == before
