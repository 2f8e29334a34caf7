"""No token of one account, application or region travels with the call of another, and no key goes
on after its end, whatever happens while a call is on its way."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from evergrant.ports.budgets import Queued, Taken, Wish
from evergrant.rules.applications import NOTIFICATIONS_SCOPE
from evergrant.rules.marketplaces import STANDARD, Region
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.testing.budgets import MemoryBudgets
from evergrant.testing.desk import Fakes
from evergrant.testing.selling_partner_api import EXPIRED, error_answer
from evergrant.testing.upstream import Played, Seen
from tests.doors.gateway_house import (
    EVERYTHING,
    ORDERS,
    PARTICIPATIONS,
    House,
    refused,
    until,
)
from tests.doors.test_decide import Ground as DecideGround
from tests.doors.test_decide import ground

__all__ = ["ground"]

OLD = error_answer(403, "Unauthorized", "Access to requested resource is denied.", EXPIRED)
DENIED = error_answer(403, "Unauthorized", "Access to requested resource is denied.")
#: Kind of token, method, path and data elements.
CALLS = (
    ("plain", PARTICIPATIONS, ""),
    ("restricted", "/mfn/v0/shipments/S-1", ""),
    ("restricted", f"{ORDERS}/902-1", "buyerInfo"),
    ("restricted", f"{ORDERS}/902-1", "buyerInfo,shippingAddress"),
    ("plain", f"{ORDERS}/902-1", ""),
    ("content", "/reports/2021-06-30/documents/{}", ""),
    ("grantless", "/notifications/v1/destinations", ""),
)


class Endless(MemoryBudgets):
    """Limits are not what this is about."""

    async def take(self, wish: Wish) -> Taken | Queued:
        self.buckets.clear()
        return await super().take(wish)


@dataclass(frozen=True)
class Shop:
    house: House
    account: str
    region: str


async def shops(fakes: Fakes) -> list[Shop]:
    """Two applications, three regions, and two accounts that share both."""
    first, second = await House(fakes).open(), await House(fakes).open()
    wanted = [(first, "eu"), (first, "eu"), (first, "na"), (second, "eu"), (second, "fe")]
    return [Shop(house, await house.account(region=region), region) for house, region in wanted]


def check(fakes: Fakes, seen: Seen, shop: Shop) -> str:
    """That this request went out with a token of just this account, application, region and
    resource; gives the kind of token."""
    assert seen.request.endpoint == STANDARD.endpoint(Region(shop.region))
    path = seen.request.target
    restricted = fakes.selling_partner_api.issued(Secret(seen.access_token))
    if restricted is not None:
        assert restricted.about == shop.account
        assert restricted.endpoint == seen.request.endpoint
        ((method, named, elements),) = restricted.resources
        assert method == seen.request.method
        assert named.partition("{")[0] == path[: len(named.partition("{")[0])]
        wished = dict(seen.request.headers).get(b"x-wished", b"").decode()
        assert sorted(elements) == sorted(one for one in wished.split(",") if one)
        return "restricted"
    issued = fakes.lwa.issued(Secret(seen.access_token))
    assert issued is not None
    assert issued.lwa_client_id == shop.house.lwa_client_id
    if issued.about == NOTIFICATIONS_SCOPE:
        return "grantless"
    assert issued.about == shop.account
    return "plain"


@pytest.mark.parametrize("seed", range(3))
async def test_calls_of_many_accounts_at_once(seed: int) -> None:
    """All kinds of calls, in any order, with access tokens that end, are called expired, and are
    made for another consent of the same shop in between."""
    chance = random.Random(seed)
    fakes = Fakes()
    fakes.budgets = Endless(fakes.clock)
    all_shops = await shops(fakes)
    house = all_shops[0].house
    key = await house.api_key(*EVERYTHING)
    by_account = {shop.account: shop for shop in all_shops}
    tried: set[bytes] = set()

    def answer(seen: Seen) -> Played:
        """Documents are refused without a restricted data token; a third of the rest once."""
        mark = dict(seen.request.headers)[b"x-mark"]
        first = mark not in tried
        tried.add(mark)
        restricted = fakes.selling_partner_api.issued(Secret(seen.access_token)) is not None
        if "/documents/" in seen.request.target and not restricted:
            return Played(status=403, pieces=(DENIED.body,))
        if first and chance.random() < 0.3:
            return Played(status=403, pieces=(OLD.body,))
        return Played()

    fakes.upstream.answer = answer
    numbers = itertools.count()

    async def call(shop: Shop) -> None:
        await asyncio.sleep(chance.choice((0, 0, 0.001, 0.003)))
        number = next(numbers)
        _, path, elements = chance.choice(CALLS)
        more = [("x-evergrant-data-elements", elements)] if elements else []
        told = await house.ask(
            "GET",
            path.replace("{}", f"D-{number % 4}"),
            [
                ("authorization", f"Bearer {key}"),
                ("x-evergrant-account", shop.account),
                ("x-mark", f"{number}"),
                ("x-shop", shop.account),
                ("x-wished", elements),
                *more,
            ],
        )
        # Nobody promises a token that outlives a clock which jumps by the hour.
        assert told.status in (200, 403, 502, 503), told.body

    async def meanwhile() -> None:
        for _ in range(6):
            await asyncio.sleep(0.002)
            shop = chance.choice(all_shops)
            if chance.random() < 0.4:
                fakes.clock.move(minutes=61)
                continue
            refresh_token = fakes.lwa.grant(shop.house.lwa_client_id, shop.account)
            await shop.house.desk.consent.adopt(shop.account, refresh_token, by=SYSTEM)

    for _ in range(3):
        await asyncio.gather(
            *(call(chance.choice(all_shops)) for _ in range(40)),
            meanwhile(),
            return_exceptions=False,
        )
    kinds = [
        check(fakes, seen, by_account[dict(seen.request.headers)[b"x-shop"].decode()])
        for seen in fakes.upstream.seen
    ]
    assert {"plain", "restricted", "grantless"} == set(kinds)
    assert len(kinds) > 60


@pytest.mark.parametrize("what", ["plain", "restricted"])
@pytest.mark.parametrize("moved", ["region", "application_id"])
async def test_a_token_of_another_region_or_application_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, what: str, moved: str
) -> None:
    """The account is another one (it cannot be, once it was authorized; this is a hand in the
    database) between the look at it and the token."""
    fakes = Fakes()
    house, other = await House(fakes).open(), await House(fakes).open()
    account_id = await house.account()
    bearer = await house.bearer(account_id, *EVERYTHING)
    change: dict[str, Any] = {
        moved: Region.NA if moved == "region" else other.application_id,
    }
    tokens = house.desk.tokens
    verb = "mint" if what == "plain" else "restricted"
    original: Callable[..., Awaitable[Any]] = getattr(tokens, verb)

    async def after_a_change(*of: Any, **named: Any) -> Any:
        for shelf in ("accounts", "authorizations"):
            for name, row in fakes.store.rows[shelf].items():
                if account_id in (name, getattr(row, "account_id", "")):
                    fakes.store.rows[shelf][name] = dataclasses.replace(row, **change)
        fakes.lwa.grant(other.lwa_client_id, account_id)
        return await original(*of, **named)

    # Nothing at rest, so that it is made.
    fakes.clock.move(minutes=61)
    monkeypatch.setattr(tokens, verb, after_a_change)
    path = PARTICIPATIONS if what == "plain" else "/mfn/v0/shipments/S-1"
    answer = await house.ask("GET", path, bearer)
    assert answer.status >= 400
    assert not fakes.upstream.seen


# --- who ends while waiting ---------------------------------------------------------------------


async def spend(house: House, who: list[tuple[str, str]]) -> None:
    while (await house.ask("GET", PARTICIPATIONS, [*who, ("x-evergrant-wait", "0")])).status == 200:
        pass


async def end(house: House, what: str, key_id: str, account_id: str) -> None:
    people = house.desk.people
    if what == "API key":
        await people.revoke_api_key(key_id, by=SYSTEM)
        return
    for connection in await people.connection_keys(account_id, by=SYSTEM):
        await people.revoke_connection_key(connection.id, by=SYSTEM)


async def waiting_for_a_permit(house: House, what: str) -> tuple[str, str, list[tuple[str, str]]]:
    """A key, an account whose limit is spent, and headers that are ready to wait."""
    account_id = await house.account()
    made = await house.desk.people.add_api_key(name="p", rights=EVERYTHING, by=SYSTEM)
    who = [("authorization", f"Bearer {made.secret.reveal()}")]
    if what == "API key":
        who.append(("x-evergrant-account", account_id))
    else:
        who.append(("x-evergrant-connection", await house.connection_key(account_id)))
    await spend(house, who)
    return made.key.id, account_id, [*who, ("x-evergrant-wait", "100")]


async def refill(house: House) -> None:
    house.fakes.clock.move(minutes=5)


@pytest.mark.parametrize("what", ["API key", "connection key"])
async def test_a_key_that_ends_in_line_is_not_served(what: str) -> None:
    house = await House().open()
    key_id, account_id, who = await waiting_for_a_permit(house, what)
    served = len(house.fakes.upstream.seen)
    waiting = asyncio.ensure_future(house.ask("GET", PARTICIPATIONS, who))
    await until(lambda: in_line(house))
    await end(house, what, key_id, account_id)
    await refill(house)
    refused(await asyncio.wait_for(waiting, 60), 401, "not_authenticated")
    assert len(house.fakes.upstream.seen) == served
    # Its permit is somebody else's.
    await until(lambda: not in_line(house))


async def test_a_key_that_ends_in_line_is_not_served_by_nginx(ground: DecideGround) -> None:
    house = ground.house
    key_id, account_id, who = await waiting_for_a_permit(house, "API key")
    waiting = asyncio.ensure_future(ground.ask("GET", PARTICIPATIONS, who))
    await until(lambda: in_line(house))
    await end(house, "API key", key_id, account_id)
    await refill(house)
    answer = await asyncio.wait_for(waiting, 60)
    assert answer.headers["x-evergrant-refused"] == "401"
    assert "x-evergrant-access-token" not in answer.headers


async def test_a_key_that_ends_before_a_repetition_gets_the_first_answer() -> None:
    house = await House().open()
    account_id = await house.account()
    made = await house.desk.people.add_api_key(name="p", rights=EVERYTHING, by=SYSTEM)

    def answer(seen: Seen) -> Played:
        house.fakes.clock.move(seconds=2)
        rows = house.fakes.store.rows["api_keys"]
        now = house.fakes.clock.now()
        rows[made.key.id] = dataclasses.replace(rows[made.key.id], revoked_at=now)
        return Played(status=503, pieces=(b"weather",))

    house.fakes.upstream.answer = answer
    bearer = f"Bearer {made.secret.reveal()}"
    told = await house.ask(
        "GET", PARTICIPATIONS, [("authorization", bearer), ("x-evergrant-account", account_id)]
    )
    assert (told.status, told.body) == (503, b"weather")
    assert len(house.fakes.upstream.seen) == 1


def in_line(house: House) -> bool:
    buckets = house.fakes.budgets.buckets.values()
    return any(bucket.line for bucket in buckets)
