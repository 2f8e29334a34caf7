"""Attempts at the three things that must never happen: an access token of the wrong account,
something spent twice, a secret where it does not belong. In one process, on fakes that can be held
at the worst moment."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from starlette.types import Message, Receive, Scope, Send

from evergrant import post, vault
from evergrant.accounts import NewAccount
from evergrant.adapters.amazon import HttpLWA, HttpSellingPartnerApi
from evergrant.adapters.store import open_store
from evergrant.adapters.store.quick import PostgresQuickReads
from evergrant.consent import Arrived
from evergrant.desk import Desk
from evergrant.entrances import public
from evergrant.entrances.access_token import AccessTokenDoor
from evergrant.entrances.api.strictness import _object
from evergrant.entrances.bodies import BodyLimit
from evergrant.errors import (
    AmazonError,
    Conflict,
    ConsentRefused,
    EvergrantError,
    InvalidInput,
    StoreUnavailable,
    UnreadableAnswer,
)
from evergrant.ports import Letter
from evergrant.ports.amazon import Call, LwaClient
from evergrant.ports.things import OutboxState
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.applications import ApplicationStatus
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings
from evergrant.testing import desk as testing_desk
from evergrant.testing.desk import Fakes
from evergrant.testing.store import MemoryStore
from evergrant.tokens import Tokens

SHOP, OTHER_SHOP = "A1SHOPSHOPSHOP", "A2OTHEROTHER99"


@dataclass
class House:
    """A desk with two public applications and a client instance."""

    fakes: Fakes = field(default_factory=Fakes)
    desk: Desk = field(init=False)
    client_ids: dict[str, str] = field(default_factory=dict)
    application_id: str = ""
    other_application_id: str = ""
    instance_id: str = ""

    async def open(self) -> House:
        self.desk = self.another()
        self.application_id = await self.application()
        self.other_application_id = await self.application()
        added = await self.desk.registry.add_instance(NewInstance(name="ERP"), by=SYSTEM)
        self.instance_id = added.instance.id
        return self

    def another(self) -> Desk:
        """One more process of the same house, in which nobody waits between two tries."""
        desk = testing_desk.desk(self.fakes)
        tokens = Tokens(
            store=self.fakes.store,
            clock=self.fakes.clock,
            vault=desk.vault,
            registry=desk.registry,
            lwa=self.fakes.lwa,
            bell=self.fakes.bell,
            sleep=lambda _: asyncio.sleep(0),
        )
        return dataclasses.replace(desk, tokens=tokens)

    async def application(self) -> str:
        self.fakes.clock.move(milliseconds=1)
        text = secrets.token_hex(16)
        uuid = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        added = await self.desk.registry.add_application(
            NewApplication(
                name=f"Connector {text[:6]}",
                partner_kinds=frozenset(PartnerKind),
                status=ApplicationStatus.PUBLISHED,
                application_id=f"amzn1.sp.solution.{uuid}",
            ),
            by=SYSTEM,
        )
        client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        self.fakes.lwa.add_client(client_id, client_secret)
        await self.desk.registry.set_credentials(
            added.id,
            Credentials(lwa_client_id=client_id, lwa_client_secret=client_secret),
            by=SYSTEM,
        )
        self.client_ids[added.id] = client_id
        return added.id

    async def account(self, **wishes: Any) -> str:
        self.fakes.clock.move(milliseconds=1)
        values = {
            "name": f"Shop {secrets.token_hex(4)}",
            "partner_kind": PartnerKind.SELLER,
            "client_email": "owner@shop.example",
            "application_id": self.application_id,
            "client_instance_id": self.instance_id,
            "region": "eu",
            "home_marketplace": "DE",
            **wishes,
        }
        return (await self.desk.accounts.add(NewAccount(**values), by=SYSTEM)).id

    async def begin(self, account_id: str, browser: str | None = None) -> tuple[str, str]:
        """Our state and the browser's cookie."""
        self.fakes.clock.move(milliseconds=1)
        link = (await self.desk.consent.link(account_id, by=SYSTEM)).reveal()
        gone = await self.desk.consent.begin(link.rpartition("/")[2], browser)
        state = parse_qs(urlsplit(gone.location.reveal()).query)["state"][0]
        return state, gone.browser.reveal()

    def callback(self, state: str, shop: str, application_id: str = "") -> str:
        client_id = self.client_ids[application_id or self.application_id]
        redirect_uri = f"{testing_desk.HOUSE.public_url}/callback"
        code = self.fakes.lwa.code(client_id, redirect_uri, about=shop)
        return urlencode(
            {"state": state, "selling_partner_id": shop, "spapi_oauth_code": code.reveal()}
        )

    async def connect(self, account_id: str, shop: str) -> Arrived:
        state, browser = await self.begin(account_id)
        return await self.desk.consent.accept(self.callback(state, shop), browser)

    async def until_asked(self, verb: str, calls: int = 1) -> None:
        async with asyncio.timeout(60):
            while self.fakes.lwa.count(verb) < calls:  # noqa: ASYNC110 - the fake has no event
                await asyncio.sleep(0.0005)

    async def authorization(self, account_id: str) -> Any:
        async with self.fakes.store.transaction() as tx:
            return await tx.authorizations.one(account_id=account_id)

    async def sealed_names(self) -> set[str]:
        async with self.fakes.store.transaction() as tx:
            return {one.id for one in await tx.safe.all()}

    def issued_to(self, token: Secret) -> tuple[str, str]:
        """Whose access token this is, and of which LWA client."""
        issued = self.fakes.lwa.issued(token)
        assert issued is not None, "no token of Amazon's at all"
        return issued.about, issued.lwa_client_id


@pytest.fixture
async def house() -> House:
    return await House().open()


# --- the ground moves under an exchange -------------------------------------------------------


MOVES = [
    pytest.param({"application_id": "other"}, id="application"),
    pytest.param({"region": "na", "home_marketplace": "US"}, id="region"),
    pytest.param({"partner_kind": "vendor", "vendor_kind": "retail"}, id="partner kind"),
    pytest.param({"merchant_token": OTHER_SHOP}, id="merchant token"),
]


def moved(house: House, change: dict[str, Any]) -> dict[str, Any]:
    if "application_id" in change:
        return {"application_id": house.other_application_id}
    return change


@pytest.mark.parametrize("change", MOVES)
async def test_an_account_that_moves_while_its_code_is_exchanged_gets_no_grant(
    house: House, change: dict[str, Any]
) -> None:
    """Amazon's answer belongs to the application, region and kind that the partner was asked for;
    under another one it would be a token of the wrong application."""
    account_id = await house.account()
    state, browser = await house.begin(account_id)
    query = house.callback(state, SHOP)
    with house.fakes.lwa.hold():
        arriving = asyncio.create_task(house.desk.consent.accept(query, browser))
        await house.until_asked("exchange_code")
        await house.desk.accounts.change(account_id, moved(house, change), by=SYSTEM)
    with pytest.raises(ConsentRefused):
        await arriving
    authorization = await house.authorization(account_id)
    assert authorization.state is State.AWAITING
    assert authorization.grant_id is None
    assert not any(
        name.startswith(("grant/", "authorization/")) for name in await house.sealed_names()
    )
    # A fresh start connects it where it is now.
    account = (await house.desk.accounts.get(account_id, by=SYSTEM)).account
    state, browser = await house.begin(account_id)
    shop = account.merchant_token or SHOP
    query = house.callback(state, shop, account.application_id)
    assert (await house.desk.consent.accept(query, browser)).connected
    token = await house.desk.tokens.mint(account_id, by=SYSTEM)
    assert house.issued_to(token.value) == (shop, house.client_ids[account.application_id])


@pytest.mark.parametrize("change", MOVES[:3])
async def test_an_account_that_moved_before_the_callback_spends_no_code(
    house: House, change: dict[str, Any]
) -> None:
    account_id = await house.account()
    state, browser = await house.begin(account_id)
    query = house.callback(state, SHOP)
    await house.desk.accounts.change(account_id, moved(house, change), by=SYSTEM)
    with pytest.raises(ConsentRefused):
        await house.desk.consent.accept(query, browser)
    assert house.fakes.lwa.count("exchange_code") == 0, "no code was shown to the wrong client"
    assert (await house.authorization(account_id)).grant_id is None


@pytest.mark.parametrize("change", MOVES[:3])
async def test_an_account_that_moves_while_a_refresh_token_is_adopted_gets_no_grant(
    house: House, change: dict[str, Any]
) -> None:
    account_id = await house.account()
    refresh_token = house.fakes.lwa.grant(house.client_ids[house.application_id], SHOP)
    with house.fakes.lwa.hold():
        adopting = asyncio.create_task(
            house.desk.consent.adopt(account_id, refresh_token, by=SYSTEM)
        )
        await house.until_asked("refresh")
        await house.desk.accounts.change(account_id, moved(house, change), by=SYSTEM)
    with pytest.raises(Conflict):
        await adopting
    assert (await house.authorization(account_id)).grant_id is None
    assert not any(name.startswith("grant/") for name in await house.sealed_names())


async def test_an_account_closed_while_its_code_is_exchanged_gets_no_grant(house: House) -> None:
    account_id = await house.account()
    state, browser = await house.begin(account_id)
    with house.fakes.lwa.hold():
        arriving = asyncio.create_task(
            house.desk.consent.accept(house.callback(state, SHOP), browser)
        )
        await house.until_asked("exchange_code")
        await house.desk.accounts.close(account_id, by=SYSTEM)
    with pytest.raises(ConsentRefused) as refused:
        await arriving
    assert refused.value.reason == "account_closed"
    assert (await house.authorization(account_id)).grant_id is None


@pytest.fixture
async def settled(database_url: str) -> AsyncIterator[House]:
    """The same house on PostgreSQL, where two really write at the same time."""
    store = await open_store(database_url)
    yield await House(Fakes(store=cast("MemoryStore", store))).open()
    await store.close()


@pytest.mark.parametrize("how", ["consent", "adopt"])
@pytest.mark.parametrize("change", MOVES)
async def test_whoever_writes_first_account_and_grant_agree(
    settled: House, change: dict[str, Any], how: str
) -> None:
    house = settled
    giving: Coroutine[Any, Any, object]
    for round_ in range(4):
        account_id = await house.account()
        shop = f"{SHOP}{round_}"
        with house.fakes.lwa.hold():
            if how == "consent":
                state, browser = await house.begin(account_id)
                giving = house.desk.consent.accept(house.callback(state, shop), browser)
            else:
                given = house.fakes.lwa.grant(house.client_ids[house.application_id], shop)
                giving = house.desk.consent.adopt(
                    account_id, given, by=SYSTEM, selling_partner_id=shop
                )
            task = asyncio.create_task(giving)
            await house.until_asked("exchange_code" if how == "consent" else "refresh", round_ + 1)
            changing = asyncio.create_task(
                house.another().accounts.change(account_id, moved(house, change), by=SYSTEM)
            )
            # Sooner or later within the change, so that both get to write first.
            for _ in range(round_ * 3):
                await asyncio.sleep(0.001)
        ended = await asyncio.gather(task, changing, return_exceptions=True)
        odd = [end for end in ended if isinstance(end, Exception)]
        assert all(isinstance(end, ConsentRefused | Conflict | InvalidInput) for end in odd), odd
        authorization = await house.authorization(account_id)
        account = (await house.desk.accounts.get(account_id, by=SYSTEM)).account
        assert account.application_id == authorization.application_id
        assert account.region == authorization.region
        if authorization.grant_id is None:
            continue
        assert len(odd) == 1, "the change was refused"
        assert account.application_id == house.application_id
        assert (account.region, account.partner_kind) == ("eu", "seller")
        assert account.merchant_token in ("", shop)
        token = await house.desk.tokens.mint(account_id, by=SYSTEM)
        assert house.issued_to(token.value) == (shop, house.client_ids[house.application_id])


async def test_a_link_is_of_no_use_at_an_address_that_was_wrong(house: House) -> None:
    """An operator corrects a mistyped address. The link that went to a stranger opens nothing,
    and is neither shown to the right person nor mailed to the wrong one again."""
    account_id = await house.account(client_email="stranger@elsewhere.example")
    await house.desk.consent.invite(account_id, by=SYSTEM)
    waiting = house.fakes.bell.rung[-1]
    wrong = (await house.desk.consent.link(account_id, by=SYSTEM)).reveal()
    house.fakes.clock.move(milliseconds=1)
    email = "owner@shop.example"
    await house.desk.accounts.change(account_id, {"client_email": email}, by=SYSTEM)
    with pytest.raises(ConsentRefused) as refused:
        await house.desk.consent.open(wrong.rpartition("/")[2])
    assert refused.value.reason == "invitation_withdrawn"
    await house.desk.post.deliver(waiting)
    assert house.fakes.mail.letters == []
    right = (await house.desk.consent.link(account_id, by=SYSTEM)).reveal()
    assert right != wrong
    opened = await house.desk.consent.open(right.rpartition("/")[2])
    async with house.fakes.store.transaction() as tx:
        invitation = await tx.invitations.get(opened.invitation_id)
    assert invitation is not None
    assert invitation.email == email


# --- renewal, closing and adoption while tokens are minted ------------------------------------


async def held(house: House) -> str:
    account_id = await house.account()
    await house.connect(account_id, SHOP)
    return account_id


async def renewed_about(house: House, account_id: str, how: str, about: str) -> None:
    """A new grant of the same shop, which the fake knows by another name."""
    client_id = house.client_ids[house.application_id]
    if how == "adopt":
        await house.desk.consent.adopt(
            account_id, house.fakes.lwa.grant(client_id, about), by=SYSTEM
        )
        return
    state, browser = await house.begin(account_id)
    redirect_uri = f"{testing_desk.HOUSE.public_url}/callback"
    code = house.fakes.lwa.code(client_id, redirect_uri, about=about).reveal()
    query = urlencode({"state": state, "selling_partner_id": SHOP, "spapi_oauth_code": code})
    await house.desk.consent.accept(query, browser)


@pytest.mark.parametrize("how", ["adopt", "consent"])
async def test_a_grant_renewed_while_a_token_is_minted_is_the_one_served(
    house: House, how: str
) -> None:
    account_id = await held(house)
    first, second = house.another(), house.another()
    await second.tokens.mint(account_id, by=SYSTEM)  # warm in another process
    house.fakes.clock.move(seconds=3590)
    real = house.fakes.lwa.refresh
    stuck, go = asyncio.Event(), asyncio.Event()

    async def slow(client: Any, refresh_token: Secret) -> Any:
        answer = await real(client, refresh_token)
        stuck.set()
        await go.wait()
        return answer

    house.fakes.lwa.refresh = slow  # type: ignore[method-assign]
    minting = asyncio.create_task(first.tokens.mint(account_id, by=SYSTEM))
    await stuck.wait()
    house.fakes.lwa.refresh = real  # type: ignore[method-assign]
    await renewed_about(house, account_id, how, "renewed")
    go.set()
    for token in (
        await minting,
        await first.tokens.mint(account_id, by=SYSTEM),
        await house.another().tokens.mint(account_id, by=SYSTEM),
    ):
        assert house.issued_to(token.value)[0] == "renewed"


@pytest.mark.parametrize("how", ["adopt", "consent"])
async def test_another_process_drops_its_token_a_second_after_a_renewal(
    house: House, how: str
) -> None:
    account_id = await held(house)
    ticking = [0.0]
    desk = testing_desk.desk(house.fakes)
    warm = Tokens(
        store=house.fakes.store,
        clock=house.fakes.clock,
        vault=desk.vault,
        registry=desk.registry,
        lwa=house.fakes.lwa,
        bell=house.fakes.bell,
        monotonic=lambda: ticking[0],
    )
    assert house.issued_to((await warm.mint(account_id, by=SYSTEM)).value)[0] == SHOP
    await renewed_about(house, account_id, how, "renewed")
    ticking[0] += 1.0
    assert warm.at_hand(account_id, by=SYSTEM) is None
    assert house.issued_to((await warm.mint(account_id, by=SYSTEM)).value)[0] == "renewed"
    await house.desk.accounts.close(account_id, by=SYSTEM)
    ticking[0] += 1.0
    assert warm.at_hand(account_id, by=SYSTEM) is None
    with pytest.raises(EvergrantError):
        await warm.mint(account_id, by=SYSTEM)


@pytest.mark.parametrize("how", ["adopt", "consent"])
async def test_no_token_is_believed_to_live_longer_than_amazons_tokens_do(
    house: House, how: str
) -> None:
    """A first answer with a mad ``expires_in`` would otherwise be served for a day."""
    house.fakes.lwa.expires_in_s = 86_400
    account_id = await house.account()
    if how == "adopt":
        grant = house.fakes.lwa.grant(house.client_ids[house.application_id], SHOP)
        await house.desk.consent.adopt(account_id, grant, by=SYSTEM)
    else:
        await house.connect(account_id, SHOP)
    token = await house.desk.tokens.mint(account_id, by=SYSTEM)
    assert (token.expires_at - house.fakes.clock.now()).total_seconds() <= 3600


async def test_an_account_is_not_reopened_beside_the_one_that_took_its_place(house: House) -> None:
    first, second = await house.account(), await house.account()
    refresh_token = house.fakes.lwa.grant(house.client_ids[house.application_id], SHOP)
    await house.desk.consent.adopt(first, refresh_token, by=SYSTEM)
    with pytest.raises(Conflict):
        await house.desk.consent.adopt(second, refresh_token, by=SYSTEM)
    await house.desk.accounts.close(first, by=SYSTEM)
    await house.desk.consent.adopt(second, refresh_token, by=SYSTEM)
    with pytest.raises(Conflict):
        await house.desk.accounts.reopen(first, by=SYSTEM)
    await house.desk.accounts.close(second, by=SYSTEM)
    await house.desk.accounts.reopen(first, by=SYSTEM)
    assert house.issued_to((await house.desk.tokens.mint(first, by=SYSTEM)).value)[0] == SHOP


async def test_a_revoked_key_is_good_for_a_second_at_the_very_most(house: House) -> None:
    """Key rack and door remember one after the other; together it must not be more."""
    account_id = await held(house)
    key = await house.desk.people.add_api_key(name="ERP", rights=["access_tokens"], by=SYSTEM)
    seconds = [0.0]
    door = AccessTokenDoor(house.another(), monotonic=lambda: seconds[0])
    headers = {"authorization": f"Bearer {key.secret.reveal()}"}
    transport = httpx2.ASGITransport(app=door)
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as http:

        async def status_at(second: float) -> int:
            house.fakes.clock.move(seconds=second - seconds[0])
            seconds[0] = second
            path = f"/v1/accounts/{account_id}/access-token"
            return (await http.get(path, headers=headers)).status_code

        assert await status_at(0.0) == 200
        await house.desk.people.revoke_api_key(key.key.id, by=SYSTEM)
        # Asked at every moment at which something that is remembered could be remembered anew.
        for hundredth in range(1, 100, 2):
            await status_at(hundredth / 100)
        assert await status_at(1.0) == 401


# --- an application that becomes another one --------------------------------------------------


async def test_a_grantless_token_of_the_former_client_is_not_served(house: House) -> None:
    scope = "sellingpartnerapi::notifications"
    application_id = house.application_id
    before = await house.desk.tokens.grantless(application_id, scope, by=SYSTEM)
    client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
    client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
    house.fakes.lwa.add_client(client_id, client_secret)
    await house.desk.registry.set_credentials(
        application_id,
        Credentials(lwa_client_id=client_id, lwa_client_secret=client_secret),
        by=SYSTEM,
    )
    after = await house.desk.tokens.grantless(application_id, scope, by=SYSTEM)
    assert after.value != before.value
    assert house.issued_to(after.value) == (scope, client_id)
    assert vault.grantless_token(application_id, scope) in await house.sealed_names()


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://evil.example/auth/o2/token", False),
        ("https://api.amazon.com.evil.example/auth/o2/token", False),
        ("https://api-amazon.com/auth/o2/token", False),
        ("https://api.amazon.co.uk/auth/o2/token", True),
        ("", True),
    ],
)
async def test_who_may_change_applications_cannot_have_their_secrets_sent_elsewhere(
    house: House, url: str, taken: bool
) -> None:
    """No verb shows a client secret or refresh token; an address to send them to would."""
    given = Credentials(lwa_url=url)
    if taken:
        await house.desk.registry.set_credentials(house.application_id, given, by=SYSTEM)
        return
    with pytest.raises(InvalidInput) as told:
        await house.desk.registry.set_credentials(house.application_id, given, by=SYSTEM)
    assert [(flaw.field, flaw.code) for flaw in told.value.flaws] == [("lwa_url", "foreign_host")]
    client = await house.desk.registry.lwa_client(house.application_id)
    assert urlsplit(client.lwa_url).hostname == "api.amazon.com"


# --- an LWA that answers nonsense -------------------------------------------------------------


SENT = Secret("Atzr|" + secrets.token_hex(16))
CLIENT = LwaClient(
    application_id="app_1",
    lwa_client_id="client-1",
    lwa_client_secret=Secret(secrets.token_hex(32)),
    lwa_url="https://api.amazon.com/auth/o2/token",
)


@pytest.mark.parametrize(
    "told",
    [
        {"access_token": "Atza|x", "expires_in": "9" * 5000},
        {"access_token": "Atza|" + "x" * 100_000, "expires_in": 3600},
        {"access_token": SENT.reveal(), "expires_in": 3600},
        {"access_token": CLIENT.lwa_client_secret.reveal(), "expires_in": 3600},
        {"access_token": "Atzr|y", "refresh_token": "Atzr|y", "expires_in": 3600},
        {"access_token": "Atza|x", "expires_in": float("nan")},
        {"access_token": "Atza|x", "expires_in": float("inf")},
        {"access_token": "Atza|x", "expires_in": -(10**30)},
        {"access_token": ["Atza|x"], "expires_in": 3600},
        {"access_token": "Atza|x\u2028y", "expires_in": 3600},
    ],
    ids=range(10),
)
async def test_what_is_no_access_token_is_not_handed_on(told: dict[str, Any]) -> None:
    """A refresh token or client secret that came back in its place would go to every caller."""
    answer = httpx2.Response(200, content=json.dumps(told).encode())
    transport = httpx2.MockTransport(lambda _: answer)
    pipe = HttpLWA(user_agent="Evergrant/1", transport=transport)
    askings = [
        pipe.refresh(CLIENT, SENT),
        pipe.exchange_code(CLIENT, SENT, "https://connect.northwind.example/callback"),
    ]
    if told["access_token"] != SENT.reveal():
        askings.append(pipe.grantless(CLIENT, "sellingpartnerapi::notifications"))
    for asking in askings:
        with pytest.raises(UnreadableAnswer) as refused:
            await asking
        assert SENT.reveal() not in str(refused.value)
    await pipe.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_an_access_token_follows_no_redirect(house: House, status: int) -> None:
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.url.host)
        return httpx2.Response(status, headers={"location": "https://evil.example/sellers/v1/x"})

    pipe = HttpSellingPartnerApi(
        user_agent="Evergrant/1",
        clock=house.fakes.clock,
        transport=httpx2.MockTransport(handler),
    )
    endpoint = "https://sellingpartnerapi-eu.amazon.com"
    token = Secret("Atza|" + secrets.token_hex(16))
    for method in ("GET", "POST"):
        call = Call(endpoint=endpoint, method=method, path="/sellers/v1/account", body=None)
        assert (await pipe.send(call, token)).status == status
    with pytest.raises(AmazonError):
        await pipe.participations(endpoint, token)
    assert set(seen) == {"sellingpartnerapi-eu.amazon.com"}
    assert len(seen) == 3
    await pipe.close()


# --- sent once --------------------------------------------------------------------------------


async def waiting_letter(house: House) -> str:
    account_id = await house.account()
    await house.desk.consent.invite(account_id, by=SYSTEM)
    (item_id,) = house.fakes.bell.rung[-1:]
    return item_id


async def test_a_house_that_closes_waits_for_a_code_that_is_spent(house: House) -> None:
    """The browser hung up and somebody deploys at that moment: the grant is stored all the same."""
    account_id = await house.account()
    state, browser = await house.begin(account_id)
    with house.fakes.lwa.hold():
        arriving = asyncio.create_task(
            house.desk.consent.accept(house.callback(state, SHOP), browser)
        )
        await house.until_asked("exchange_code")
        arriving.cancel()
        await asyncio.gather(arriving, return_exceptions=True)
        closing = asyncio.create_task(house.desk.consent.close())
        await asyncio.wait({closing}, timeout=0.02)
        assert not closing.done()
        await house.desk.consent.close(within_s=0.01)  # there is an end to it
    await closing
    assert (await house.authorization(account_id)).state is State.ACTIVE
    assert house.fakes.lwa.count("exchange_code") == 1


async def test_a_letter_is_sent_once_though_the_database_is_away_afterwards(house: House) -> None:
    item_id = await waiting_letter(house)
    send = house.fakes.mail.send

    async def send_and_lose_the_database(letter: Letter) -> None:
        await send(letter)
        house.fakes.store.down = True
        asyncio.get_running_loop().call_later(0.05, setattr, house.fakes.store, "down", False)

    house.fakes.mail.send = send_and_lose_the_database  # type: ignore[method-assign]
    assert (await house.desk.post.deliver(item_id)).state is OutboxState.SENT
    house.fakes.clock.move(hours=1)
    await house.another().post.deliver(item_id)
    assert len(house.fakes.mail.letters) == 1


async def test_a_relay_that_dawdles_is_left_before_another_process_may_send_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert post.CLAIM.total_seconds() > post.ATTEMPT_S
    monkeypatch.setattr(post, "ATTEMPT_S", 0.01)
    item_id = await waiting_letter(house)
    left = asyncio.Event()

    async def dawdle(letter: Letter) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            left.set()

    house.fakes.mail.send = dawdle  # type: ignore[method-assign]
    item = await house.desk.post.deliver(item_id)
    assert left.is_set()
    assert item.state is OutboxState.WAITING
    assert "seconds" in item.last_error


# --- what costs us more than the caller -------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("patient", [True, False])
async def test_a_body_that_trickles_in_does_not_hold_its_connection(
    announced: bool, patient: bool
) -> None:
    """A thousand of them held a server's every connection with a byte each."""
    seen: list[str] = []

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append("opened")
        while (message := await receive())["type"] == "http.request":
            if not message.get("more_body"):
                seen.append("whole")
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        seen.append("cut")

    chunks = [{"type": "http.request", "body": b"x", "more_body": True}]
    if patient:
        chunks.append({"type": "http.request", "body": b"y", "more_body": False})

    async def receive() -> Message:
        return chunks.pop(0) if chunks else await asyncio.Future()

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(dict(message))

    framed = (b"content-length", b"2") if announced else (b"transfer-encoding", b"chunked")
    scope = {"type": "http", "method": "POST", "path": "/v1/accounts", "headers": [framed]}
    await BodyLimit(door, 1024, within_s=0.01 if not patient else 30)(scope, receive, send)
    assert [message["status"] for message in sent if "status" in message] == [
        200 if patient else 400
    ]
    assert "whole" in seen if patient else "whole" not in seen


async def test_half_a_form_is_no_fault_of_ours(house: House) -> None:
    door = public.build(house.desk, Settings.from_environment({}))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(dict(message))

    path = "/connect/" + "a" * 43
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    await door(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_a_database_that_is_away_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every caller waited twice as long as it is meant to, while more of them came."""
    quick = PostgresQuickReads(f"host={tmp_path} dbname=x user=x", most=1, patience_s=0.05)
    waited = 0
    ask = quick._ask

    async def count(*question: Any) -> Any:
        nonlocal waited
        waited += 1
        return await ask(*question)

    monkeypatch.setattr(quick, "_ask", count)
    await quick.open()
    for asking in (quick.ping(), quick.standing("acc_1"), quick.api_key("key_1")):
        with pytest.raises(StoreUnavailable):
            await asking
    await quick.close()
    assert waited == 3


def test_a_body_of_names_given_twice_is_read_in_one_go() -> None:
    """Counting each name among all others took half a minute for one such body, and the process
    did nothing else meanwhile."""
    names = 2_000
    compared = _Compared.times
    with pytest.raises(InvalidInput) as told:
        _object([(_Compared(f"n{number % names}"), 1) for number in range(2 * names)])
    assert len(told.value.flaws) <= 50
    assert _Compared.times - compared < 20 * names


class _Compared(str):
    """A text that counts how often it is compared."""

    __slots__ = ()
    times = 0

    def __eq__(self, other: object) -> bool:
        type(self).times += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__
