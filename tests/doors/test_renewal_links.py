"""Refusals carry the way back: every door, for whoever reaches the account, and for nobody else."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from starlette.types import ASGIApp

from evergrant.consent import Consent
from evergrant.entrances import access_token, gateway, lwa, problems, renewal_links
from evergrant.entrances.gateway import decide
from evergrant.entrances.gateway.nginx import KEY_HEADER, METHOD_HEADER, URI_HEADER
from evergrant.errors import GrantLapsed, StoreUnavailable
from evergrant.ports.store import Transaction
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from tests.doors.gateway_house import PARTICIPATIONS, SETTINGS, House, Program

RIGHTS = ("access_tokens", "amazon_read", "amazon_write", "personal_data")
RESTRICTED = "/tokens/2021-03-01/restrictedDataToken"
JSON = ("content-type", "application/json")
ELSEWHERE = "https://connect.northwind.example/connect/"


@dataclass
class Street:
    """Every door of one house, and how a program comes to each of them."""

    house: House
    plane: str = ""  # nginx's key

    def __post_init__(self) -> None:
        desk = self.house.desk
        self.access_token = access_token.build(desk, SETTINGS)
        self.lwa = lwa.build(desk, SETTINGS)
        self.decide = decide.build(desk, SETTINGS)

    async def refusal(self, door: str, account_id: str, key: str) -> str:
        """What the program is told at that door, as text, once it was refused."""
        connection = await self.house.connection_key(account_id)
        app, program = await self._program(door, account_id, key, connection)
        answer = await program.run()
        assert app is not None
        assert answer.status >= 400, answer.body
        if door == "nginx":
            return answer.header("x-evergrant-problem")
        return answer.body.decode()

    async def _program(
        self, door: str, account_id: str, key: str, connection: str
    ) -> tuple[ASGIApp, Program]:
        bearer = [("authorization", f"Bearer {key}"), ("x-evergrant-account", account_id)]
        asked = {"client_id": "an SDK", "client_secret": key, "refresh_token": connection}
        form = json.dumps({"grant_type": "refresh_token", **asked}).encode()
        gate = self.house.door
        if door == "access token":
            path = f"/v1/accounts/{account_id}/access-token"
            app = self.access_token
            return app, Program(app, "GET", path, bearer[:1])
        if door == "LWA":
            return self.lwa, Program(self.lwa, "POST", "/auth/o2/token", [JSON], form)
        if door == "pass":
            return gate, Program(gate, "POST", "/auth/o2/token", [JSON], form)
        if door == "restricted":
            wanted = {"method": "GET", "path": "/orders/v0/orders", "dataElements": ["buyerInfo"]}
            body = json.dumps({"restrictedResources": [wanted]}).encode()
            return gate, Program(gate, "POST", RESTRICTED, [*bearer, JSON], body)
        if door == "nginx":
            self.plane = self.plane or await self.house.api_key("data_plane")
            says = [(KEY_HEADER, self.plane), (METHOD_HEADER, "GET"), (URI_HEADER, PARTICIPATIONS)]
            return self.decide, Program(self.decide, "GET", "/decide", [*says, *bearer])
        return gate, Program(gate, "GET", PARTICIPATIONS, bearer)


DOORS = ("access token", "LWA", "pass", "restricted", "nginx", "call")


@pytest.fixture
async def street() -> Street:
    house = await House().open()
    async with house.fakes.store.transaction() as tx:
        await tx.applications.change(house.application_id, kind=ApplicationKind.PUBLIC)
    return Street(house)


async def dead(street: Street, state: State = State.LAPSED, *, instance: str = "") -> str:
    account_id = await street.house.account(instance=instance)
    async with street.house.fakes.store.transaction() as tx:
        authorization = await tx.authorizations.one(account_id=account_id)
        assert authorization is not None
        await tx.authorizations.change(authorization.id, state=state, refused_reason="gone")
    return account_id


async def link_of(street: Street, account_id: str) -> str:
    link = await street.house.desk.consent.renewal_link(account_id)
    assert link is not None
    return link.reveal()


@pytest.mark.parametrize("state", [State.LAPSED, State.REVOKED])
@pytest.mark.parametrize("door", DOORS)
async def test_every_door_shows_the_way_back(
    street: Street,
    door: str,
    state: State,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    account_id = await dead(street, state)
    key = await street.house.api_key(*RIGHTS)
    with caplog.at_level(logging.DEBUG):
        told = await street.refusal(door, account_id, key)
    link = await link_of(street, account_id)
    assert link.startswith(ELSEWHERE)
    assert link in told
    opened = await street.house.desk.consent.open(link.rpartition("/")[2])
    assert (opened.account_id, opened.renewal) == (account_id, True)
    printed = capsys.readouterr()
    assert link.rpartition("/")[2] not in caplog.text + printed.out + printed.err
    document = json.loads(told)
    if door in ("LWA", "pass"):
        assert document["error"] == "invalid_grant"
        assert document["error_description"].endswith(link)
    else:
        assert document["renewal_url"] == link
        assert ELSEWHERE not in json.dumps(document.get("facts", {}))
    if door in ("restricted", "nginx", "call"):
        assert link in document["errors"][0]["details"], "what SDKs show to people"
    # Nothing unsealed keeps it: no journal, no outbox, no facts.
    rows = {name: kept for name, kept in street.house.fakes.store.rows.items() if name != "safe"}
    assert link.rpartition("/")[2] not in repr((rows, street.house.fakes.store.lines))


@pytest.mark.parametrize("door", DOORS)
async def test_who_does_not_reach_the_account_learns_nothing(street: Street, door: str) -> None:
    account_id = await dead(street)
    await link_of(street, account_id)
    stranger = await street.house.instance()
    for key in (
        await _bound(street, stranger),
        await street.house.api_key("read"),
        await street.house.api_key("write"),
        "egk_none",
    ):
        assert ELSEWHERE not in await street.refusal(door, account_id, key)


async def _bound(street: Street, instance_id: str) -> str:
    return await street.house.api_key(*RIGHTS, instance=instance_id)


@pytest.mark.parametrize("state", [State.AWAITING, State.CLOSED])
@pytest.mark.parametrize("door", ["access token", "call"])
async def test_what_no_renewal_mends_has_no_link(street: Street, door: str, state: State) -> None:
    account_id = await street.house.account(connected=False)
    if state is State.CLOSED:
        await street.house.desk.accounts.close(account_id, by=SYSTEM)
    key = await street.house.api_key(*RIGHTS)
    assert ELSEWHERE not in await street.refusal(door, account_id, key)


@asynccontextmanager
async def counted(street: Street) -> AsyncIterator[list[str]]:
    """The transactions that are begun inside."""
    store = street.house.fakes.store
    begun: list[str] = []
    real = store.transaction

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Transaction]:
        begun.append("one")
        async with real() as tx:
            yield tx

    store.transaction = transaction  # type: ignore[method-assign]
    try:
        yield begun
    finally:
        store.transaction = real  # type: ignore[method-assign]


@pytest.mark.parametrize("door", ["access token", "LWA", "call", "nginx"])
async def test_a_program_that_asks_all_the_time_costs_one_look_at_invitations(
    street: Street, door: str
) -> None:
    account_id = await dead(street)
    key = await street.house.api_key(*RIGHTS)
    connection = await street.house.connection_key(account_id)
    asked = 0
    real = Consent.renewal_link

    async def renewal_link(room: Consent, account_id: str) -> Secret | None:
        nonlocal asked
        asked += 1
        return await real(room, account_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Consent, "renewal_link", renewal_link)
        street.house.door = gateway.build(street.house.desk, SETTINGS)
        street = Street(street.house)
        apps = [await street._program(door, account_id, key, connection) for _ in range(200)]
        async with counted(street) as transactions:
            answers = await asyncio.gather(*(program.run() for _, program in apps))
    link = await link_of(street, account_id)
    told = [one.header("x-evergrant-problem") or one.body.decode() for one in answers]
    assert all(link in text for text in told)
    assert asked == 1
    # The rest are of the key rack, which remembers as well; none is there per request.
    assert len(transactions) < 20
    async with street.house.fakes.store.transaction() as tx:
        assert len(await tx.invitations.all(account_id=account_id)) == 1


async def test_after_a_moment_it_is_asked_again(street: Street) -> None:
    account_id = await dead(street)
    seconds = [0.0]
    links = renewal_links.RenewalLinks(street.house.desk, monotonic=lambda: seconds[0])
    first = await links.link(account_id)
    assert first is not None
    await street.house.desk.consent.decline(first.reveal().rpartition("/")[2])
    assert await links.link(account_id) == first
    seconds[0] += renewal_links.MOMENT_S
    assert await links.link(account_id) is None, "declined: no fresh one for a fortnight"
    street.house.fakes.clock.move(days=15)
    seconds[0] += renewal_links.MOMENT_S
    assert await links.link(account_id) is not None
    seconds[0] += renewal_links.MOMENT_S
    await links.link(await dead(street))
    assert len(links._errands) == 1, "what is over is forgotten"


@pytest.mark.parametrize("trouble", [StoreUnavailable, LookupError, None])
async def test_without_a_link_the_refusal_is_the_same(
    street: Street, trouble: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away, something is broken, or nobody answers in time."""

    async def renewal_link(room: Consent, account_id: str) -> Secret | None:
        if trouble is None:
            await asyncio.Event().wait()
            return None
        raise trouble

    monkeypatch.setattr(Consent, "renewal_link", renewal_link)
    monkeypatch.setattr(renewal_links, "PATIENCE_S", 0.02)
    links = renewal_links.RenewalLinks(street.house.desk)

    async def refused() -> None:
        raise GrantLapsed

    with pytest.raises(GrantLapsed) as told:
        await links.carried(refused(), "acc_1")
    assert told.value.renewal_link is None
    assert "renewal_url" not in problems.of_error(told.value).document("req_1")


def test_a_link_is_masked_wherever_a_problem_is_shown() -> None:
    error = GrantLapsed()
    error.renewal_link = Secret(f"{ELSEWHERE}abc")
    problem = problems.of_error(error)
    assert ELSEWHERE not in repr(problem) + repr(error) + str(error)
    assert problem.document("req_1")["renewal_url"] == f"{ELSEWHERE}abc"
