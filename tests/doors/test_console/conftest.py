"""The console with every room behind it, on the shipped fakes, and browsers to open it with."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp

from evergrant.desk import Desk
from evergrant.entrances.console import build
from evergrant.entrances.console.seals import Cookies, proof_of
from evergrant.naming import new_id
from evergrant.ports.signed_in import OperatorSession, SignInMethod
from evergrant.ports.things import Operator
from evergrant.rules import ids
from evergrant.rules.rights import RIGHTS_OF_ROLE, Caller, CallerKind, Role
from evergrant.rules.secrecy import Secret, digest
from evergrant.settings import Settings
from evergrant.testing.desk import Fakes
from tests.doors import mint_house

COOKIES = Cookies(https=False)
ENVIRON = {
    "EVERGRANT_HOUSE_NAME": "Northwind",
    "EVERGRANT_SUPPORT_EMAIL": "dev-support@northwind.example",
}


@dataclass
class Window:
    """A browser without a screen: keeps cookies, follows nothing by itself, and fills in forms as
    a page of ours would."""

    client: httpx2.AsyncClient
    operator: Operator | None = None

    @property
    def secret(self) -> Secret:
        jar = self.client.cookies
        return Secret(jar.get(COOKIES.session) or jar.get(COOKIES.visit) or "")

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.client.get(path, **more)

    async def read(self, path: str, **more: Any) -> str:
        """The page behind ``path``, which has to be there."""
        answer = await self.get(path, **more)
        assert answer.status_code == 200, (path, answer.status_code, text_of(answer.text)[:500])
        return answer.text

    async def post(
        self,
        path: str,
        form: Mapping[str, str | Sequence[str]] | None = None,
        *,
        proof: str | None = None,
        **more: Any,
    ) -> httpx2.Response:
        if proof is None:
            proof = proof_of(self.secret) if self.secret else ""
        return await self.client.post(path, data={"proof": proof, **(form or {})}, **more)

    async def follow(self, answer: httpx2.Response) -> str:
        """The page that an action leads to."""
        assert answer.status_code == 303, (answer.status_code, text_of(answer.text)[:500])
        return await self.read(answer.headers["location"])

    async def did(self, path: str, form: Mapping[str, str | Sequence[str]] | None = None) -> str:
        """An action that has to succeed, and the page after it."""
        return await self.follow(await self.post(path, form))


@dataclass
class Console:
    """A house with one application and one client instance, and its console."""

    house: mint_house.House
    settings: Settings
    app: ASGIApp
    open_windows: AsyncExitStack
    _operators: dict[Role, Operator] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        return self.house.desk

    @property
    def fakes(self) -> Fakes:
        return self.house.fakes

    async def operator(self, role: Role = Role.ADMIN, **fields: Any) -> Operator:
        """Put into the book without a password: hashing one is slow on purpose."""
        now = self.fakes.clock.now()
        operator_id = new_id(ids.Kind.OPERATOR, now)
        values: dict[str, Any] = {
            "name": f"{role.value.replace('_', ' ').title()} {operator_id[-4:]}",
            "email": f"{operator_id[-6:]}@northwind.example",
            "password_hash": "",
            **fields,
        }
        made = Operator(id=operator_id, role=role, created_at=now, **values)
        async with self.desk.store.transaction() as tx:
            await tx.operators.add(made)
        return made

    async def as_(self, role: Role = Role.ADMIN, operator: Operator | None = None) -> Window:
        """The window of somebody who signed in and showed the second factor."""
        if operator is None:
            if role not in self._operators:
                self._operators[role] = await self.operator(role)
            operator = self._operators[role]
        window = await self.stranger()
        secret = Secret(f"egs_{secrets.token_urlsafe(32)}")
        now = self.fakes.clock.now()
        session = OperatorSession(
            id=new_id(ids.Kind.OPERATOR_SESSION, now),
            operator_id=operator.id,
            secret_digest=digest(secret),
            method=SignInMethod.SINGLE_SIGN_ON,
            proved_at=now,
            address="127.0.0.1",
            origin="127.0.0.1",
            agent="a window",
            created_at=now,
            seen_at=now,
            ends_at=now + timedelta(days=7),
        )
        async with self.desk.store.transaction() as tx:
            await tx.operator_sessions.add(session)
        window.client.cookies.set(COOKIES.session, secret.reveal(), domain="console.test", path="/")
        window.operator = operator
        return window

    async def stranger(self) -> Window:
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app), base_url="http://console.test"
        )
        return Window(await self.open_windows.enter_async_context(client))

    def caller(self, operator: Operator) -> Caller:
        return Caller(
            kind=CallerKind.OPERATOR,
            id=operator.id,
            name=operator.name,
            rights=RIGHTS_OF_ROLE[operator.role],
        )


def text_of(page: str) -> str:
    """What people read of a page, roughly: without tags, blanks folded."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


async def open_console(**environ: str) -> Console:
    house = await mint_house.House().open()
    settings = Settings.from_environment({**ENVIRON, **environ})
    return Console(house, settings, build(house.desk, settings), AsyncExitStack())


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    opened = await open_console()
    async with opened.open_windows:
        yield opened
