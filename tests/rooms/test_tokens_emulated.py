"""The mint and an Amazon that it does not know from the inside: what ends, is taken back and comes
back at the emulator, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from amazon_emulator import Emulator
from evergrant import vault as safe
from evergrant.adapters.amazon import HttpLWA, user_agent
from evergrant.errors import GrantLapsed, GrantRefused
from evergrant.registry import Registry
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.notices import NoticeKind
from evergrant.rules.secrecy import Secret
from evergrant.tokens import Tokens
from tests.rooms.mint_ground import OPERATOR, PROGRAM, Ground, Held


@pytest.fixture(scope="module")
def amazon() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@dataclass
class Town:
    ground: Ground
    mint: Tokens
    amazon: Emulator
    held: Held
    shop: str

    def expire(self, what: str) -> None:
        self.amazon.levers.expire(what, selling_partner_id=self.shop)

    async def state(self) -> State:
        return (await self.ground.authorization(self.held)).state

    async def topics(self) -> list[str]:
        return sorted(item.topic for item in await self.ground.outbox())

    async def serve(self) -> bool:
        token = await self.mint.mint(self.held.account_id, by=PROGRAM)
        return token.grant_id == self.held.grant_id


@pytest.fixture
async def town(amazon: Emulator) -> AsyncIterator[Town]:
    ground = Ground()
    lwa = HttpLWA(user_agent=user_agent("Evergrant", "test"))
    application: dict[str, Any] = amazon.levers.application("Northwind Connect")
    partner = amazon.levers.partner(name="Shop")
    shop = str(partner["selling_partner_id"])
    grant = amazon.levers.grant(shop, application["application_id"], region="eu")
    application_id = await ground.application()
    held = await ground.account(
        application_id,
        await ground.instance(),
        term_ends_at=ground.clock.now() + timedelta(days=30),
    )
    async with ground.store.transaction() as tx:
        now = ground.clock.now()
        await tx.credentials.change(
            application_id,
            lwa_client_id=application["lwa_client_id"],
            lwa_url=f"{amazon.addresses['lwa']}/auth/o2/token",
        )
        secret = Secret(application["lwa_client_secret"])
        await ground.vault.put(tx, safe.client_secret(application_id), secret, now=now)
        token = Secret(grant["refresh_token"])
        await ground.vault.put(tx, safe.refresh_token(held.grant_id), token, now=now)
    mint = Tokens(
        store=ground.store,
        clock=ground.clock,
        vault=ground.vault,
        registry=Registry(ground.store, ground.clock, ground.vault, STANDARD),
        lwa=lwa,
        bell=ground.bell,
        remember_s=0.0,
    )
    yield Town(ground, mint, amazon, held, shop)
    await lwa.close()


async def test_amazon_ends_it_on_the_day_that_we_know(town: Town) -> None:
    assert await town.serve()
    town.ground.clock.move(days=29, hours=20)
    town.expire("grant")
    with pytest.raises(GrantLapsed):
        await town.serve()
    assert await town.state() is State.LAPSED
    assert await town.topics() == ["authorization.lapsed"]
    assert await town.ground.board() == {NoticeKind.TERM_OVER}


async def test_amazon_takes_it_after_the_end_that_we_knew(town: Town) -> None:
    """Renewed at Amazon, or Amazon counts in another way: its word is the one that counts."""
    async with town.ground.store.transaction() as tx:
        await tx.authorizations.change(
            town.held.authorization_id,
            state=State.LAPSED,
            term_ends_at=town.ground.clock.now() - timedelta(days=3),
        )
    with pytest.raises(GrantLapsed):
        await town.serve()
    await town.mint.look_again(town.held.account_id, by=OPERATOR)
    assert await town.serve()
    authorization = await town.ground.authorization(town.held)
    assert (authorization.state, authorization.term_ends_at) == (State.ACTIVE, None)
    assert await town.topics() == ["authorization.renewed"]
    assert await town.ground.board() == {NoticeKind.TERM_UNKNOWN}


async def test_amazon_takes_it_back_and_gives_it_back(town: Town) -> None:
    assert await town.serve()
    town.amazon.levers.revoke(town.shop)
    town.ground.clock.move(hours=2)
    with pytest.raises(GrantRefused) as told:
        await town.serve()
    assert "invalid grant parameter" in told.value.reason
    assert await town.state() is State.REVOKED
    assert await town.ground.board() == {NoticeKind.GRANT_REFUSED}
    for _ in range(3):
        with pytest.raises(GrantRefused):
            await town.mint.look_again(town.held.account_id, by=OPERATOR)
    assert len(await town.ground.diary(town.held.authorization_id)) == 1
    town.amazon.levers.reinstate(town.shop)
    await town.mint.look_again(town.held.account_id, by=OPERATOR)
    assert await town.serve()
    assert await town.topics() == ["authorization.renewed", "authorization.revoked"]
    assert await town.ground.board() == set()


async def test_the_api_says_no_before_the_log_in_does(town: Town) -> None:
    """The access token is over at the Selling Partner API first; then LWA tells of the grant."""
    first = await town.mint.mint(town.held.account_id, by=PROGRAM)
    town.expire("access_token")
    second = await town.mint.mint(town.held.account_id, by=PROGRAM, instead_of=first.value)
    assert second.value != first.value
    town.expire("access_token")
    town.expire("grant")
    with pytest.raises(GrantRefused):
        await town.mint.mint(town.held.account_id, by=PROGRAM, instead_of=second.value)
    assert await town.state() is State.REVOKED
