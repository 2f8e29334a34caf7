"""The whole way of a selling partner through letters and pages, with every room behind them and
only Amazon, the relay and the database in memory."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from evergrant.account_fields import NewAccount
from evergrant.desk import Desk
from evergrant.entrances.public import build
from evergrant.ports.things import Account
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.testing.desk import HOUSE, Fakes, desk

CLIENT_ID = "amzn1.application-oa2-client." + secrets.token_hex(16)
CLIENT_SECRET = Secret("amzn1.oa2-cs.v1." + secrets.token_hex(32))
CENTRAL = "https://sellercentral-europe.amazon.com"
SHOP = "A2EXAMPLE123"


@dataclass
class House:
    """One desk, its sockets, one account, and a browser of the shop owner."""

    fakes: Fakes
    desk: Desk
    account: Account
    browser: httpx2.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.browser = self.another_browser()

    def another_browser(self) -> httpx2.AsyncClient:
        settings = SimpleNamespace(public_url=HOUSE.public_url, house=HOUSE)
        app = build(self.desk, cast("Any", settings))
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url=HOUSE.public_url
        )

    async def post_all(self) -> None:
        for item_id in await self.desk.post.sweep():
            await self.desk.post.deliver(item_id)

    async def invited(self) -> str:
        """Sends the link; gives it as the letter has it."""
        await self.desk.consent.invite(self.account.id, by=SYSTEM)
        await self.post_all()
        letter = self.fakes.mail.to(self.account.client_email)[-1]
        return str(re.findall(r"https://\S+/connect/\S+", letter.text)[0])

    async def at_amazon(self, link: str) -> dict[str, str]:
        """Opens the letter and presses the button; gives what Amazon's page was asked."""
        page = await self.browser.get(link)
        assert page.status_code == 200, page.text
        answer = await self.browser.post(link, data=hidden_in(page.text))
        assert answer.status_code == 303
        to = urlsplit(answer.headers["location"])
        assert f"{to.scheme}://{to.netloc}{to.path}" == f"{CENTRAL}/apps/authorize/consent"
        return {name: values[0] for name, values in parse_qs(to.query).items()}

    def callback(self, state: str, shop: str = SHOP) -> str:
        code = self.fakes.lwa.code(CLIENT_ID, f"{HOUSE.public_url}/callback", shop)
        query = {"state": state, "selling_partner_id": shop, "spapi_oauth_code": code.reveal()}
        return f"/callback?{urlencode(query)}"

    async def state(self) -> str:
        view = await self.desk.accounts.get(self.account.id, by=SYSTEM)
        return str(view.authorization.state)


def hidden_in(html: str) -> dict[str, str]:
    """What the form of a page already holds."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))


@pytest.fixture
async def house() -> House:
    fakes = Fakes()
    fakes.lwa.add_client(CLIENT_ID, CLIENT_SECRET)
    rooms = desk(fakes)
    application = await rooms.registry.add_application(
        NewApplication(
            name="Northwind Connect",
            partner_kinds=("seller", "vendor"),
            application_id="amzn1.sp.solution.0e3b2b0c-1111-4222-8333-444455556666",
        ),
        by=SYSTEM,
    )
    await rooms.registry.set_credentials(
        application.id,
        Credentials(lwa_client_id=CLIENT_ID, lwa_client_secret=CLIENT_SECRET),
        by=SYSTEM,
    )
    instance, _ = await rooms.registry.add_instance(
        NewInstance(
            name="ERP",
            return_url="https://erp.example/back",
            webhook_url="https://erp.example/hook",
        ),
        by=SYSTEM,
    )
    account = await rooms.accounts.add(
        NewAccount(
            name="Bücher <b>Reiher</b>",
            partner_kind="seller",
            client_email="shop@heron.example",
            application_id=application.id,
            client_instance_id=instance.id,
            region="eu",
            home_marketplace="DE",
            language="de",
        ),
        by=SYSTEM,
    )
    return House(fakes, rooms, account)


async def test_from_the_letter_to_the_thank_you_page(house: House) -> None:
    link = await house.invited()
    asked = await house.at_amazon(link)
    assert asked["version"] == "beta"
    answer = await house.browser.get(house.callback(asked["state"]))
    assert answer.status_code == 303
    done = answer.headers["location"]
    assert re.fullmatch(r"/connect/done/hsk_\w+", done)
    for _ in range(2):
        page = await house.browser.get(done)
        assert page.status_code == 200
        assert "Danke, Sie sind verbunden" in page.text
        assert "Bücher &lt;b&gt;Reiher&lt;/b&gt;" in page.text
        assert 'href="https://erp.example/back"' in page.text
    assert await house.state() == "active"
    await house.post_all()
    (event,) = house.fakes.webhooks.events()
    assert event["type"] == "authorization.granted"
    assert event["data"]["selling_partner_id"] == SHOP
    # The link has done its work and says so.
    spent = await house.browser.get(link)
    assert spent.status_code == 410
    assert "Dieser Link hat seinen Dienst getan" in spent.text


async def test_by_way_of_the_log_in_uri(house: House) -> None:
    asked = await house.at_amazon(await house.invited())
    amazon_state = "MTAx%C3%A4%7C+x~"
    confirm = f"/apps/authorize/confirm/{asked['application_id']}"
    query = f"amazon_callback_uri={confirm}&amazon_state={amazon_state}&selling_partner_id={SHOP}"
    answer = await house.browser.get(httpx2.URL("/amazon/login", query=query.encode()))
    assert answer.status_code == 303
    onward = answer.headers["location"]
    assert onward.startswith(f"{CENTRAL}{confirm}?")
    assert f"amazon_state={amazon_state}" in onward, "byte for byte"
    state = parse_qs(urlsplit(onward).query)["state"][0]
    arrived = await house.browser.get(house.callback(state), follow_redirects=True)
    assert arrived.status_code == 200
    assert await house.state() == "active"


async def test_loading_the_callback_again_exchanges_nothing(house: House) -> None:
    asked = await house.at_amazon(await house.invited())
    callback = house.callback(asked["state"])
    for _ in range(3):
        page = await house.browser.get(callback, follow_redirects=True)
        assert page.status_code == 200
        assert "Sie sind verbunden" in page.text
    assert house.fakes.lwa.count("exchange_code") == 1


async def test_another_browser_is_turned_away(house: House) -> None:
    asked = await house.at_amazon(await house.invited())
    callback = house.callback(asked["state"])
    page = await house.another_browser().get(callback, follow_redirects=True)
    assert page.status_code == 403
    assert "Reiher" not in page.text
    assert house.fakes.lwa.count() == 0
    assert (await house.browser.get(callback, follow_redirects=True)).status_code == 200


async def test_the_wrong_shop_gets_a_number_and_a_way_back(house: House) -> None:
    await house.desk.accounts.change(
        house.account.id, {"merchant_token": "A9OTHERSHOP99"}, by=SYSTEM
    )
    link = await house.invited()
    asked = await house.at_amazon(link)
    answer = await house.browser.get(house.callback(asked["state"]))
    assert "spapi_oauth_code" not in answer.headers["location"]
    page = await house.browser.get(answer.headers["location"])
    assert page.status_code == 409
    (reference,) = set(re.findall(r"EG-\w{4}-\w{4}", page.text))
    assert f'href="{link}"' in page.text
    assert 'lang="de"' in page.text
    assert await house.state() == "awaiting"
    report = await house.desk.consent.report(reference, by=SYSTEM)
    assert report.reason == "wrong_selling_partner"
    await house.post_all()
    (letter,) = house.fakes.mail.to(HOUSE.support_email)
    assert reference in letter.subject
    assert SHOP in letter.text
    # And back: the button still works.
    assert (await house.browser.get(link)).status_code == 200


async def test_not_for_me(house: House) -> None:
    link = await house.invited()
    page = await house.browser.get(f"{link}?do=decline")
    said = await house.browser.post(
        f"{link}?do=decline", data=hidden_in(page.text), follow_redirects=True
    )
    assert said.status_code == 200
    assert (await house.browser.get(link)).status_code == 410
    await house.post_all()
    assert house.fakes.mail.to(HOUSE.support_email)


async def test_amazon_showed_an_error(house: House) -> None:
    link = await house.invited()
    page = await house.browser.get(f"{link}?do=trouble")
    said = await house.browser.post(
        f"{link}?do=trouble",
        data=hidden_in(page.text) | {"code": "MD5101", "words": "<i>oh</i>"},
        follow_redirects=True,
    )
    assert said.status_code == 200
    assert re.search(r"EG-\w{4}-\w{4}", said.text)
    await house.post_all()
    house.fakes.clock.move(hours=2)
    assert (await house.browser.get(said.url)).text == said.text, "people load pages again"
    assert len(house.fakes.store.rows["reports"]) == 1
    await house.post_all()
    (letter,) = house.fakes.mail.to(HOUSE.support_email)
    assert "MD5101" in letter.text
    assert "<i>oh" not in letter.html


async def test_an_old_link(house: House) -> None:
    link = await house.invited()
    house.fakes.clock.move(days=15)
    page = await house.browser.get(link)
    assert page.status_code == 410
    assert "Dieser Link ist zu alt" in page.text


async def test_a_replaced_link_points_to_the_newer_letter(house: House) -> None:
    first = await house.invited()
    second = await house.invited()
    assert first != second
    page = await house.browser.get(first)
    assert page.status_code == 410
    assert "Es gibt einen neueren Link" in page.text
    assert (await house.browser.get(second)).status_code == 200


async def test_too_slow(house: House) -> None:
    link = await house.invited()
    asked = await house.at_amazon(link)
    callback = house.callback(asked["state"])
    house.fakes.clock.move(minutes=11)
    page = await house.browser.get(callback, follow_redirects=True)
    assert page.status_code == 410
    assert f'href="{link}"' in page.text


async def test_a_year_later(house: House) -> None:
    """Lapses, is told of, is renewed by a letter that says so."""
    asked = await house.at_amazon(await house.invited())
    await house.browser.get(house.callback(asked["state"]))
    await house.post_all()
    house.fakes.clock.move(days=365)
    swept = await house.desk.watch.sweep()
    assert swept.terms_ended == 1
    assert await house.state() == "lapsed"
    await house.post_all()
    assert house.fakes.webhooks.events()[-1]["type"] == "authorization.lapsed"
    link = await house.invited()
    assert "Erneuern" in house.fakes.mail.letters[-1].subject
    assert "Erneuern Sie Ihre Verbindung" in (await house.browser.get(link)).text
    asked = await house.at_amazon(link)
    page = await house.browser.get(house.callback(asked["state"]), follow_redirects=True)
    assert page.status_code == 200
    assert await house.state() == "active"


@pytest.mark.parametrize("link", ["x" * 43, "short", "%00", "a%2Fb", "é" * 20, "x" * 3000])
async def test_links_that_are_none(house: House, link: str) -> None:
    page = await house.browser.get(f"/connect/{link}")
    assert page.status_code == 404
    assert "<h1>" in page.text


async def test_an_application_without_secret_is_our_fault(house: House) -> None:
    link = await house.invited()
    house.fakes.lwa.drop_secrets(CLIENT_ID)
    asked = await house.at_amazon(link)
    page = await house.browser.get(house.callback(asked["state"]), follow_redirects=True)
    assert page.status_code == 502
    assert "unser Fehler" in page.text
    assert await house.state() == "awaiting"
