"""The door of ``/v1`` with every room behind it, on the shipped fakes."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp

from evergrant.desk import Desk
from evergrant.entrances.api import build
from evergrant.rules.rights import EVERYWHERE_ONLY, SYSTEM, Right
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings
from evergrant.testing.bell import MemoryBell
from evergrant.testing.clock import FakeClock
from evergrant.testing.desk import Fakes
from evergrant.testing.desk import desk as desk_on
from evergrant.testing.lwa import FakeLWA

BODY_LIMIT = 20_000


@dataclass
class House:
    """One desk on fakes, the door to it, and callers."""

    desk: Desk
    clock: FakeClock
    lwa: FakeLWA
    bell: MemoryBell
    app: ASGIApp
    settings: Settings
    callers: AsyncExitStack
    _numbers: list[int] = field(default_factory=lambda: [0])

    async def caller(
        self,
        *rights: Right,
        instance: str | None = None,
        accounts: Collection[str] | None = None,
        key: str | None = None,
    ) -> httpx2.AsyncClient:
        """A program with a fresh API key of these rights, of all that it can have if none is
        named."""
        if key is None:
            bound = instance is not None or accounts is not None
            made = await self.desk.people.add_api_key(
                name="a program",
                rights=rights or set(Right) - (EVERYWHERE_ONLY if bound else frozenset()),
                client_instance_id=instance,
                account_ids=accounts,
                by=SYSTEM,
            )
            key = made.secret.reveal()
        return await self._client({"authorization": f"Bearer {key}"})

    async def stranger(self) -> httpx2.AsyncClient:
        return await self._client({})

    async def _client(self, headers: dict[str, str]) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app)
        client = httpx2.AsyncClient(
            transport=transport, base_url="http://evergrant.test", headers=headers
        )
        return await self.callers.enter_async_context(client)

    # --- what stands in the house ---

    def number(self) -> int:
        self._numbers[0] += 1
        return self._numbers[0]

    async def application(self, caller: httpx2.AsyncClient, **wishes: Any) -> dict[str, Any]:
        """With credentials that Login with Amazon knows."""
        number = self.number()
        added = await caller.post("/v1/applications", json=application_wish(number) | wishes)
        assert added.status_code == 201, added.text
        client_id = f"amzn1.application-oa2-client.{number:032x}"
        secret = "amzn1.oa2-cs.v1." + secrets.token_hex(32)
        self.lwa.add_client(client_id, Secret(secret))
        stored = await caller.put(
            f"/v1/applications/{added.json()['id']}/credentials",
            json={"lwa_client_id": client_id, "lwa_client_secret": secret},
        )
        assert stored.status_code == 200, stored.text
        return {**added.json(), "lwa_client_id": client_id}

    async def instance(self, caller: httpx2.AsyncClient, **wishes: Any) -> dict[str, Any]:
        wish = {"name": f"Instance {self.number()}"} | wishes
        added = await caller.post("/v1/instances", json=wish)
        assert added.status_code == 201, added.text
        view: dict[str, Any] = added.json()
        return view

    async def account(
        self, caller: httpx2.AsyncClient, application: str, instance: str, **wishes: Any
    ) -> dict[str, Any]:
        wish = account_wish(self.number(), application, instance) | wishes
        added = await caller.post("/v1/accounts", json=wish)
        assert added.status_code == 201, added.text
        view: dict[str, Any] = added.json()
        return view


def application_wish(number: int) -> dict[str, Any]:
    return {
        "name": f"Application {number}",
        "kind": "public",
        "partner_kinds": ["seller", "vendor"],
        "status": "published",
        "application_id": f"amzn1.sp.solution.0f3c1c9e-5a0b-4b3a-9d0e-{number:012x}",
    }


def account_wish(number: int, application: str, instance: str) -> dict[str, Any]:
    return {
        "name": f"Shop {number}",
        "partner_kind": "seller",
        "client_email": f"shop{number}@partner.example",
        "application_id": application,
        "client_instance_id": instance,
        "region": "eu",
        "home_marketplace": "DE",
    }


@pytest.fixture
async def house() -> AsyncIterator[House]:
    built = make_house()
    async with built.callers:
        yield built


def make_house(body_limit: int = BODY_LIMIT) -> House:
    settings = Settings.from_environment({"EVERGRANT_BODY_LIMIT": str(body_limit)})
    fakes = Fakes()
    desk = desk_on(fakes)
    return House(
        desk, fakes.clock, fakes.lwa, fakes.bell, build(desk, settings), settings, AsyncExitStack()
    )


@pytest.fixture
async def caller(house: House) -> httpx2.AsyncClient:
    """A program that may do everything."""
    return await house.caller()


@pytest.fixture
async def account(house: House, caller: httpx2.AsyncClient) -> dict[str, Any]:
    application = await house.application(caller)
    instance = await house.instance(caller)
    shop = await house.account(caller, application["id"], instance["id"])
    return {**shop, "lwa_client_id": application["lwa_client_id"]}
