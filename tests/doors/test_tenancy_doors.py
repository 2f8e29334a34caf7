"""No key reaches across at the doors that speak Amazon's languages: Login with Amazon (ours, and
the gateway's), access tokens, the gateway, and the question that nginx asks.

Each attempt is made twice, with what belongs to another tenant and with what nobody has. Both are
refused in the same words, and whatever does go to Amazon goes in the name of one's own account.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
import pytest_asyncio

from evergrant.entrances import ops
from evergrant.entrances.gateway.decide import DecideDoor
from evergrant.entrances.gateway.outcomes import Outcomes
from evergrant.entrances.ops import Meters
from evergrant.entrances.serve import Doors, compose, compose_gateway
from evergrant.rules.applications import GRANTLESS_SCOPES
from evergrant.rules.rights import SYSTEM
from tests.doors.gateway_house import ORDERS, PARTICIPATIONS, Answer, Program
from tests.doors.tenants import BOUND, ENDED, IDLE, Tenants

pytestmark = pytest.mark.asyncio(loop_scope="module")

Headers = Sequence[tuple[str, str]]

RESTRICTED = "/tokens/2021-03-01/restrictedDataToken"
RESOURCES = {
    "restrictedResources": [
        {"method": "GET", "path": f"{ORDERS}/{{orderId}}", "dataElements": ["buyerInfo"]}
    ]
}
#: Method, path, body: plain, of a restricted operation, with data elements, grantless, unknown, and
#: the one that we answer ourselves.
TARGETS = (
    ("GET", PARTICIPATIONS, b""),
    ("GET", "/mfn/v0/shipments/S-1", b""),
    ("GET", f"{ORDERS}/902-1/address?x=1", b""),
    ("GET", "/notifications/v1/destinations", b""),
    ("POST", "/feeds/2021-06-30/feeds", b"{}"),
    ("GET", "/nothing/v9/known", b""),
    ("POST", RESTRICTED, json.dumps(RESOURCES).encode()),
)


@dataclass(frozen=True)
class Others:
    """Of another tenant, or of nobody."""

    account: str
    connection: str
    api_key_id: str


@dataclass
class Ground:
    tenants: Tenants
    theirs: Others
    nobodys: Others
    decide: DecideDoor
    plane: str
    passes: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def served(self) -> set[str]:
        """The accounts in whose names Amazon was called."""
        house = self.tenants.house
        return {house.about(seen.access_token) for seen in house.fakes.upstream.seen}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> Ground:
    tenants = await Tenants().open()
    house = tenants.house
    theirs = Others(
        tenants.theirs["account_id"], tenants.b1_connection, tenants.theirs["api_key_id"]
    )
    nobodys = Others(
        tenants.nobodys["account_id"],
        f"egc_{secrets.token_urlsafe(32)}",
        tenants.nobodys["api_key_id"],
    )
    plane = await house.api_key("data_plane")
    ground = Ground(tenants, theirs, nobodys, DecideDoor(house.desk, Outcomes(house.desk)), plane)
    for kind in BOUND:
        told = await house.token(
            grant_type="refresh_token",
            client_id="an SDK",
            client_secret=tenants.keys[kind],
            refresh_token=tenants.a1_connection,
        )
        handed = told.json()["access_token"]
        ground.passes[kind, "pass"] = handed
        body = json.dumps(RESOURCES).encode()
        restricted = await house.ask("POST", RESTRICTED, [("x-amz-access-token", handed)], body)
        ground.passes[kind, "restricted"] = restricted.json()["restrictedDataToken"]
    return ground


# --- the gateway, and nginx ---------------------------------------------------------------------


def attempts(ground: Ground, kind: str, others: Others) -> Iterator[list[tuple[str, str]]]:
    """Headers in which a key of A tries to be served as somebody else."""
    tenants = ground.tenants
    mine, my_connection = tenants.a1, tenants.a1_connection
    key = tenants.keys[kind]
    bearer = ("authorization", f"Bearer {key}")
    account, connection = "x-evergrant-account", "x-evergrant-connection"
    for value in (
        others.account,
        f" {others.account}\t",
        others.account.upper(),
        others.account.capitalize(),
        f"{mine},{others.account}",
        f"{others.account}, {mine}",
        f"{mine} {others.account}",
        f"{mine};{others.account}",
        f"{mine}\x00{others.account}",
        f'"{others.account}"',
        f"{others.account}/../{mine}",
        others.api_key_id,
        others.connection,
    ):
        yield [bearer, (account, value)]
    for value in (
        others.connection,
        f"{others.connection} ",
        f"{my_connection},{others.connection}",
        f"{others.connection},{my_connection}",
        f"{my_connection}{others.connection}",
        others.connection.swapcase(),
        others.account,
    ):
        yield [bearer, (connection, value)]
    for one, other in (
        ((account, mine), (connection, others.connection)),
        ((account, others.account), (connection, others.connection)),
        ((account, others.account), (connection, my_connection)),
        ((account, mine), (account, others.account)),
        ((account, others.account), (account, mine)),
        ((connection, my_connection), (connection, others.connection)),
        ((account, mine), ("x_evergrant_account", others.account)),
        ((account, mine), ("x-evergrant_connection", others.connection)),
    ):
        yield [bearer, one, other]
        yield [bearer, other, one]
    yield [("x-amz-access-token", key), (account, others.account)]
    yield [("x-amz-access-token", key), (connection, others.connection)]
    yield [bearer, ("x-amz-access-token", key), (account, others.account)]
    yield [("authorization", f"bearer  {key}"), (account, others.account)]
    yield [("authorization", f"Bearer {others.connection}"), (account, others.account)]
    yield [bearer, ("x-amz-access-token", others.connection)]
    for what in ("pass", "restricted"):
        handed = ground.passes[kind, what]
        for name, value in (("x-amz-access-token", handed), ("authorization", f"Bearer {handed}")):
            yield [(name, value), (account, others.account)]
            yield [(name, value), (connection, others.connection)]
            yield [(name, value), (account, mine), (connection, others.connection)]
        yield [("x-amz-access-token", handed), bearer, (account, others.account)]


async def at_gateway(
    ground: Ground, method: str, target: str, who: Headers, body: bytes = b""
) -> tuple[int, str]:
    answer = await ground.tenants.house.ask(method, target, who, body)
    return answer.status, answer.body.decode()


async def at_decide(
    ground: Ground, method: str, target: str, who: Headers, body: bytes = b""
) -> tuple[int, str]:
    """As nginx asks, which sends the program's headers along."""
    asking = [
        ("x-evergrant-data-plane", ground.plane),
        ("x-evergrant-method", method),
        ("x-evergrant-uri", target),
    ]
    answer: Answer = await Program(ground.decide, "GET", "/decide", [*who, *asking]).run()
    told = dict(answer.raw_headers)
    if answer.status == 200:
        access_token = told[b"x-evergrant-access-token"].decode()
        return 200, f"<{ground.tenants.house.about(access_token)}>"
    return int(told[b"x-evergrant-refused"]), told[b"x-evergrant-problem"].decode()


Ask = Callable[..., Awaitable[tuple[int, str]]]


@pytest.mark.parametrize("ask", [at_gateway, at_decide])
@pytest.mark.parametrize("kind", BOUND)
async def test_no_headers_reach_an_account_of_another(ground: Ground, kind: str, ask: Ask) -> None:
    tenants = ground.tenants
    before = tenants.seen_of_b()
    asked_for = len(tenants.house.fakes.selling_partner_api.calls)
    both = zip(
        attempts(ground, kind, ground.theirs), attempts(ground, kind, ground.nobodys), strict=True
    )
    tried = 0
    for theirs, nobodys in both:
        if ask is at_decide and any("_" in name for name, _ in theirs):
            continue  # nginx takes them away
        for method, target, body in TARGETS:
            got = await ask(ground, method, target, theirs, body)
            twin = await ask(ground, method, target, nobodys, body)
            shown = (method, target, theirs)
            assert not tenants.leaks(got[1], str(theirs)), shown
            assert (got[0], tenants.told(got[1])) == (twin[0], tenants.told(twin[1])), shown
            assert got[0] in (400, 401, 403, 404), (shown, got)
            tried += 1
    assert tried > 250
    assert tenants.seen_of_b() == before
    assert ground.served <= {tenants.a1}
    assert len(tenants.house.fakes.selling_partner_api.calls) == asked_for


@pytest.mark.parametrize("ask", [at_gateway, at_decide])
async def test_the_same_headers_serve_whoever_may(ground: Ground, ask: Ask) -> None:
    """Or all that was refused before would prove nothing."""
    tenants = ground.tenants
    everything = ("authorization", f"Bearer {tenants.everything}")
    for who in (
        [everything, ("x-evergrant-account", ground.theirs.account)],
        [everything, ("x-evergrant-connection", ground.theirs.connection)],
    ):
        status, told = await ask(ground, "GET", PARTICIPATIONS, who)
        assert status == 200
        assert ask is at_gateway or told == f"<{ground.theirs.account}>"
    if ask is at_gateway:
        assert ground.theirs.account in ground.served
        tenants.house.fakes.upstream.seen.clear()
    for kind in BOUND:
        for who in (
            [
                ("authorization", f"Bearer {tenants.keys[kind]}"),
                ("x-evergrant-account", tenants.a1),
            ],
            [("x-amz-access-token", ground.passes[kind, "pass"])],
        ):
            assert (await ask(ground, "GET", PARTICIPATIONS, who))[0] == 200


@pytest.mark.parametrize("ask", [at_gateway, at_decide])
async def test_keys_that_ended_or_may_nothing(ground: Ground, ask: Ask) -> None:
    tenants = ground.tenants
    told: dict[str, set[tuple[int, str]]] = {IDLE: set(), "ended": set()}
    for kind in (IDLE, *ENDED, "never"):
        key = tenants.keys.get(kind, tenants.everything[:-1] + "-")
        for method, target, body in TARGETS:
            for others in (ground.theirs, ground.nobodys):
                for more in (
                    ("x-evergrant-account", others.account),
                    ("x-evergrant-connection", others.connection),
                ):
                    who = [("authorization", f"Bearer {key}"), more]
                    got = await ask(ground, method, target, who, body)
                    assert got[0] in (401, 403, 404), got
                    told[IDLE if kind == IDLE else "ended"].add((got[0], tenants.told(got[1])))
    assert len(told["ended"]) == 1
    assert ground.served <= {tenants.a1}


# --- Login with Amazon's language ---------------------------------------------------------------


def forms(ground: Ground, kind: str, others: Others) -> Iterator[dict[str, str] | str]:
    tenants = ground.tenants
    key = tenants.keys[kind]
    plain = {"grant_type": "refresh_token", "client_secret": key, "client_id": "an SDK"}
    for name in ("an SDK", others.api_key_id, others.account, tenants.house.application_id):
        yield {**plain, "client_id": name, "refresh_token": others.connection}
        for scope in sorted(GRANTLESS_SCOPES):
            yield {
                "grant_type": "client_credentials",
                "client_secret": key,
                "client_id": name,
                "scope": scope,
            }
    for refresh_token in (
        f" {others.connection}",
        f"{others.connection}\n",
        f"{tenants.a1_connection},{others.connection}",
        others.connection.swapcase(),
        others.account,
        tenants.keys[kind],
    ):
        yield {**plain, "refresh_token": refresh_token}
    own = {**plain, "refresh_token": tenants.a1_connection}
    yield f"{urlencode(own)}&{urlencode({'refresh_token': others.connection})}"
    yield f"{urlencode({'refresh_token': others.connection})}&{urlencode(own)}"
    yield {**own, "client_id": others.api_key_id}
    yield {**own, "client_secret": others.connection}


@pytest.mark.parametrize("kind", [*BOUND, IDLE, *ENDED])
@pytest.mark.parametrize("door", ["lwa", "gateway"])
async def test_no_token_request_reaches_an_account_of_another(
    ground: Ground, door: str, kind: str
) -> None:
    tenants = ground.tenants
    app = tenants.lwa if door == "lwa" else tenants.house.door
    before = tenants.seen_of_b()

    async def ask(form: dict[str, str] | str, way: str) -> httpx2.Response:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        content = form if isinstance(form, str) else urlencode(form)
        if way == "json" and isinstance(form, dict):
            headers, content = {"content-type": "application/json"}, json.dumps(form)
        if way == "basic" and isinstance(form, dict):
            named = f"{form['client_id']}:{form['client_secret']}"
            headers["authorization"] = f"Basic {base64.b64encode(named.encode()).decode()}"
            content = urlencode({**form, "client_secret": ""})
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://lwa.test") as http:
            return await http.post("/auth/o2/token", content=content, headers=headers)

    both = zip(forms(ground, kind, ground.theirs), forms(ground, kind, ground.nobodys), strict=True)
    for theirs, nobodys in both:
        for way in ("form", "json", "basic"):
            got, twin = await ask(theirs, way), await ask(nobodys, way)
            told = [{**one.json(), "request_id": ""} for one in (got, twin)]
            assert got.status_code in (400, 401), (theirs, got.text)
            assert got.status_code == twin.status_code
            assert tenants.told(json.dumps(told[0])) == tenants.told(json.dumps(told[1])), theirs
            assert not tenants.leaks(got.text, str(theirs))
    assert tenants.seen_of_b() == before


# --- access tokens ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*BOUND, IDLE, *ENDED])
async def test_no_address_gives_an_access_token_of_another(ground: Ground, kind: str) -> None:
    tenants = ground.tenants
    mine = tenants.a1
    if kind in BOUND:
        own = await tenants.ask(kind, "GET", f"/v1/accounts/{mine}/access-token")
        assert tenants.house.about(own.json()["access_token"]) == mine
    for change in (
        "{}",
        "{}%20",
        "%20{}",
        "{}%2f",
        "{}/",
        "./{}",
        f"{mine}/../{{}}",
        f"{mine}%2f..%2f{{}}",
        f"{mine},{{}}",
        f"{{}}/../{mine}",
        "{}?account_id={}",
        f"{mine}?account_id={{}}",
        f"{mine}?min_ttl=60&account_id={{}}",
    ):
        told = []
        for others in (ground.theirs, ground.nobodys):
            for spelled in (others.account, others.account.upper()):
                name, _, query = change.replace("{}", spelled).partition("?")
                path = f"/v1/accounts/{name}/access-token" + (f"?{query}" if query else "")
                answer = await Program(
                    tenants.v1, "GET", path, [("authorization", f"Bearer {tenants.keys[kind]}")]
                ).run()
                assert answer.status in (401, 403, 404, 422), (path, answer.body)
                text = answer.body.decode().replace(spelled, "<account>")
                told.append((answer.status, tenants.told(text)))
        assert told[:2] == told[2:], change


# --- an account that moves ----------------------------------------------------------------------


async def test_an_account_that_moves_takes_everything_along(ground: Ground) -> None:
    """Keys, connection keys and passes of its former instance are of no use within a second."""
    tenants = ground.tenants
    house = tenants.house
    moving = await house.account()
    connection = await house.connection_key(moving)
    key = tenants.keys["instance A"]
    told = await house.token(
        grant_type="refresh_token", client_id="x", client_secret=key, refresh_token=connection
    )
    bearer = ("authorization", f"Bearer {key}")
    ways: list[list[tuple[str, str]]] = [
        [bearer, ("x-evergrant-account", moving)],
        [bearer, ("x-evergrant-connection", connection)],
        [("x-amz-access-token", told.json()["access_token"])],
    ]
    for who in ways:
        assert (await at_gateway(ground, "GET", PARTICIPATIONS, who))[0] == 200
        assert (await at_decide(ground, "GET", PARTICIPATIONS, who))[0] == 200
    await house.desk.accounts.change(
        moving, {"client_instance_id": tenants.theirs["instance_id"]}, by=SYSTEM
    )
    house.fakes.clock.move(seconds=1)
    house.fakes.upstream.seen.clear()
    statuses: dict[str, Any] = {}

    async def ask_all() -> bool:
        for place, who in enumerate(ways):
            for ask in (at_gateway, at_decide):
                got = await ask(ground, "GET", PARTICIPATIONS, who)
                statuses[f"{place} {ask.__name__}"] = got[0]
        path = f"/v1/accounts/{moving}/access-token"
        statuses["token"] = (await tenants.ask("instance A", "GET", path)).status_code
        return not {200, 429}.intersection(statuses.values())

    async with asyncio.timeout(60):
        while not await ask_all():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.1)
    assert set(statuses.values()) <= {401, 404}, statuses


# --- figures ------------------------------------------------------------------------------------


async def test_figures_are_not_where_tenants_come(ground: Ground) -> None:
    """They tell accounts apart, by their ids: at the gateway's own port there are none. Where
    they are, no shop, instance or person is named."""
    tenants = ground.tenants
    who = [
        ("authorization", f"Bearer {tenants.everything}"),
        ("x-evergrant-account", ground.theirs.account),
    ]
    assert (await at_gateway(ground, "GET", PARTICIPATIONS, who))[0] == 200
    meters = Meters()
    doors = Doors(ops=ops.build(tenants.house.desk, meters, {}), gateway=tenants.house.door)
    for app, status in ((compose(doors, meters, 1024), 200), (compose_gateway(doors, meters), 401)):
        assert (await Program(app, "GET", "/healthz").run()).status == 200
        told = await Program(app, "GET", "/metrics").run()
        text = told.body.decode()
        assert told.status == status
        assert (ground.theirs.account in text) == (status == 200)
        assert not tenants.leaks(text) - {ground.theirs.account}


# --- request ids --------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [at_gateway, at_decide])
async def test_a_key_is_no_id_of_a_request(ground: Ground, ask: Ask) -> None:
    """Ids of requests are written into logs and answers."""
    key = ground.tenants.keys["account A1"]
    for secret in (ground.tenants.a1_connection, key[:64]):
        who = [("authorization", f"Bearer {key}"), ("x-request-id", secret)]
        _, told = await ask(ground, "GET", "/sellers/v1/..", who)
        assert "invalid_input" in told
        assert secret not in told
