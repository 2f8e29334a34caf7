"""A house with connected accounts behind a gateway, and a program in front of it that speaks ASGI
byte for byte, for the tests of the gateway."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message

from evergrant.accounts import NewAccount
from evergrant.desk import Desk
from evergrant.entrances import gateway
from evergrant.entrances.serve import listen, serve
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.marketplaces import STANDARD, Marketplaces, PartnerKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings
from evergrant.testing import desk as testing_desk
from evergrant.testing.desk import Fakes

SETTINGS = Settings.from_environment({})
READING = ("amazon_read", "amazon_write")
EVERYTHING = (*READING, "personal_data")

PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"
ORDERS = "/orders/v0/orders"
FEEDS = "/feeds/2021-06-30/feeds"

Headers = Sequence[tuple[str, str]]


@dataclass
class Answer:
    """What a program got. ``whole``: the server would have ended it in good order."""

    status: int = 0
    raw_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False

    def header(self, name: str) -> str:
        found = [value for one, value in self.raw_headers if one == name.encode()]
        assert len(found) <= 1, found
        return found[0].decode() if found else ""

    def json(self) -> Any:
        return json.loads(self.body)


class Program:
    """One request to an ASGI application. ``length``: it says how long its body is; ``ends``: all
    of its body is in ``body``. ``hang_up`` is its connection breaking."""

    def __init__(
        self,
        app: ASGIApp,
        method: str,
        target: str | bytes,
        headers: Headers = (),
        body: bytes | Sequence[bytes] = b"",
        *,
        length: bool = True,
        ends: bool = True,
    ) -> None:
        self.answer = Answer()
        self._app = app
        pieces = [body] if isinstance(body, bytes) else list(body)
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        names = {name for name, _ in raw}
        if any(pieces) and not names & {b"content-length", b"transfer-encoding"}:
            if length:
                raw.append((b"content-length", b"%d" % sum(map(len, pieces))))
            else:
                raw.append((b"transfer-encoding", b"chunked"))
        path, _, query = (target.encode() if isinstance(target, str) else target).partition(b"?")
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path.decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(b"host", b"gateway.test"), *raw],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        self._pieces = pieces
        self._ends = ends
        self.taken = 0
        self._gone = asyncio.Event()
        #: What is waited for before the program takes a piece of the answer.
        self.reads = asyncio.Event()
        self.reads.set()

    def hang_up(self) -> None:
        self._gone.set()

    async def run(self) -> Answer:
        await self._app(self._scope, self._receive, self._send)
        return self.answer

    async def _receive(self) -> Message:
        if self.taken < len(self._pieces):
            piece = self._pieces[self.taken]
            self.taken += 1
            more = self.taken < len(self._pieces) or not self._ends
            return {"type": "http.request", "body": piece, "more_body": more}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            assert not self.answer.status, "a second head"
            self.answer.status = message["status"]
            self.answer.raw_headers = list(message["headers"])
            return
        assert not self.answer.whole, "more after the end"
        if not self._gone.is_set():
            await self.reads.wait()
        self.answer.body += message.get("body", b"")
        self.answer.whole = not message.get("more_body", False)


@dataclass
class House:
    fakes: Fakes = field(default_factory=Fakes)
    marketplaces: Marketplaces = STANDARD
    desk: Desk = field(init=False)
    door: ASGIApp = field(init=False)
    application_id: str = ""
    instance_id: str = ""
    lwa_client_id: str = ""

    def __post_init__(self) -> None:
        self.desk = testing_desk.desk(self.fakes, marketplaces=self.marketplaces)
        self.door = gateway.build(self.desk, SETTINGS)

    async def open(self) -> House:
        number = secrets.token_hex(4)
        application = await self.desk.registry.add_application(
            NewApplication(
                name=f"Connector {number}",
                kind=ApplicationKind.PRIVATE,
                partner_kinds=frozenset(PartnerKind),
                status=ApplicationStatus.PUBLISHED,
                application_id=f"amzn1.sp.solution.{_uuid()}",
            ),
            by=SYSTEM,
        )
        self.application_id = application.id
        self.lwa_client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        self.fakes.lwa.add_client(self.lwa_client_id, client_secret)
        await self.desk.registry.set_credentials(
            application.id,
            Credentials(lwa_client_id=self.lwa_client_id, lwa_client_secret=client_secret),
            by=SYSTEM,
        )
        self.instance_id = await self.instance()
        return self

    async def instance(self) -> str:
        name = f"ERP {secrets.token_hex(4)}"
        made = await self.desk.registry.add_instance(NewInstance(name=name), by=SYSTEM)
        return made.instance.id

    async def account(
        self, *, instance: str = "", connected: bool = True, region: str = "eu"
    ) -> str:
        """The id of a seller's account; the grant's name at the fake LWA is the id."""
        account = await self.desk.accounts.add(
            NewAccount(
                name=f"Shop {secrets.token_hex(4)}",
                partner_kind=PartnerKind.SELLER,
                client_email="owner@shop.example",
                application_id=self.application_id,
                client_instance_id=instance or self.instance_id,
                region=region,
                home_marketplace={"eu": "DE", "na": "US", "fe": "JP"}[region],
            ),
            by=SYSTEM,
        )
        if connected:
            refresh_token = self.fakes.lwa.grant(self.lwa_client_id, account.id)
            await self.desk.consent.adopt(
                account.id,
                refresh_token,
                by=SYSTEM,
                selling_partner_id=f"A{secrets.token_hex(6).upper()}",
            )
        return account.id

    async def api_key(
        self,
        *rights: str,
        instance: str | None = None,
        accounts: Sequence[str] | None = None,
    ) -> str:
        made = await self.desk.people.add_api_key(
            name="a program",
            rights=rights or READING,
            client_instance_id=instance,
            account_ids=accounts,
            by=SYSTEM,
        )
        return made.secret.reveal()

    async def connection_key(self, account_id: str) -> str:
        made = await self.desk.people.add_connection_key(account_id, name="SDK", by=SYSTEM)
        return made.secret.reveal()

    async def bearer(self, account_id: str, *rights: str) -> list[tuple[str, str]]:
        """Headers of a program without an SDK."""
        key = await self.api_key(*rights)
        return [("authorization", f"Bearer {key}"), ("x-evergrant-account", account_id)]

    async def ask(
        self,
        method: str,
        target: str | bytes,
        headers: Headers = (),
        body: bytes | Sequence[bytes] = b"",
        **more: Any,
    ) -> Answer:
        answer = await Program(self.door, method, target, headers, body, **more).run()
        assert answer.status, "no answer"
        return answer

    async def token(self, **form: str) -> Answer:
        """Asks the gateway's LWA for a pass."""
        body = json.dumps(form).encode()
        return await self.ask(
            "POST", "/auth/o2/token", [("content-type", "application/json")], body
        )

    async def pass_of(self, account_id: str, *rights: str) -> str:
        told = await self.token(
            grant_type="refresh_token",
            client_id="an SDK",
            client_secret=await self.api_key(*rights),
            refresh_token=await self.connection_key(account_id),
        )
        assert told.status == 200, told.body
        access_token: str = told.json()["access_token"]
        return access_token

    def about(self, access_token: str) -> str:
        """The account that Amazon's access token stands for."""
        issued = self.fakes.lwa.issued(Secret(access_token))
        assert issued is not None, "no token of Amazon's at all"
        return issued.about


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The problem, which an SDK can read as well."""
    told: dict[str, Any] = answer.json()
    assert (answer.status, told["code"]) == (status, code), (answer.status, told)
    assert answer.header("content-type") == "application/problem+json"
    [error] = told["errors"]
    assert error["code"]
    assert error["message"] == told["detail"]
    assert code in error["details"]
    return told


async def until(true: Callable[[], bool], within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[int]:
    """The application behind granian; gives the port."""
    listening = listen("127.0.0.1", 0)
    port: int = listening.getsockname()[1]
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(app, listening, stop))
    try:
        yield port
    finally:
        stop.set()
        await serving


def _uuid() -> str:
    text = secrets.token_hex(16)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
