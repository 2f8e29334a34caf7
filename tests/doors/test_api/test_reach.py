"""Every operation that is described, asked by keys that end elsewhere.

Rooms are tried one by one (tests/rooms/test_reach.py); here it is the addresses: whatever a bound
key sends to whichever of them, in path, query or body, nothing of another tenant comes back and
nothing of it changes.
"""

from __future__ import annotations

import asyncio
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from evergrant.entrances import access_token
from evergrant.entrances.api import document
from tests.doors.test_api.conftest import House, make_house
from tests.doors.test_api.test_schemathesis import Late

Json = dict[str, Any]
KINDS = ("account", "instance")


@dataclass
class Tenants:
    """A house where one account is somebody else's: all that is known of it, word by word."""

    house: House
    ids: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)

    async def open(self) -> None:
        caller = await self.house.caller()
        application = await self.house.application(caller)
        instance, other = [await self.house.instance(caller) for _ in range(2)]
        mine = await self.house.account(caller, application["id"], instance["id"])
        theirs = await self.house.account(caller, application["id"], other["id"])
        path = f"/v1/accounts/{theirs['id']}"
        connection = (await caller.post(f"{path}/connection-keys", json={})).json()
        link = (await caller.get(f"{path}/link")).json()["link"]
        reference = await self.house.desk.consent.decline(link.rpartition("/")[2])
        spare = await caller.post("/v1/api-keys", json={"name": "spare", "rights": ["read"]})
        self.ids = {
            "account_id": theirs["id"],
            "instance_id": other["id"],
            "application_id": application["id"],
            "connection_key_id": connection["id"],
            "api_key_id": spare.json()["id"],
            "reference": reference,
        }
        self.secrets = {
            *(theirs["id"], theirs["name"], theirs["client_email"]),
            *(other["id"], other["name"], connection["id"], reference),
        }
        for kind, reach in (
            ("account", {"accounts": [mine["id"]]}),
            ("instance", {"instance": instance["id"]}),
        ):
            bound = await self.house.caller(**reach)
            self.keys[kind] = bound.headers["authorization"]

    def theirs(self) -> Any:
        """Every row that belongs to the other tenant."""
        store: Any = self.house.desk.store
        return {
            name: {key: row for key, row in rows.items() if self._is_theirs(key, row)}
            for name, rows in store.rows.items()
        }

    def _is_theirs(self, id: str, row: Any) -> bool:
        named = (id, getattr(row, "account_id", ""), getattr(row, "client_instance_id", ""))
        return bool({self.ids["account_id"], self.ids["instance_id"]} & set(named))


LATE = Late()
SCHEMA = schemathesis.openapi.from_dict(deepcopy(document.describe()))
SCHEMA.app = LATE


@pytest.fixture(scope="module")
def tenants() -> Tenants:
    house = make_house(body_limit=1_000_000)
    LATE.api = house.app
    LATE.access_token = access_token.build(house.desk, house.settings)
    made = Tenants(house)

    async def furnish() -> None:
        async with house.callers:
            await made.open()

    asyncio.run(furnish())
    return made


@pytest.mark.parametrize("kind", KINDS)
@SCHEMA.parametrize()
@settings(
    max_examples=2,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_address_gives_or_changes_what_is_another_tenants(
    case: Any, tenants: Tenants, kind: str
) -> None:
    for name in case.path_parameters or {}:
        if name in tenants.ids:
            case.path_parameters[name] = tenants.ids[name]
    if isinstance(case.query, dict):
        for name in ("account_id", "client_instance_id", "subject"):
            if name in case.query:
                known = "instance_id" if name == "client_instance_id" else "account_id"
                case.query[name] = tenants.ids[known]
    if isinstance(case.body, dict):
        for name, known in (
            ("client_instance_id", "instance_id"),
            ("application_id", "application_id"),
        ):
            if name in case.body:
                case.body[name] = tenants.ids[known]
    before = tenants.theirs()
    answer = case.call(headers={"authorization": tenants.keys[kind]})
    assert answer.status_code < 500
    assert tenants.theirs() == before
    asked = f"{case.path_parameters} {case.query} {case.body}"
    leaked = {word for word in tenants.secrets if word in answer.text and word not in asked}
    assert not leaked, (case.method, case.path, leaked)
    if "account_id" in (case.path_parameters or {}):
        assert answer.status_code >= 400, (case.method, case.path, answer.text)


async def test_lists_of_bound_keys_hold_nothing_of_others() -> None:
    house = make_house()
    made = Tenants(house)
    async with house.callers:
        await made.open()
        for kind in KINDS:
            for path, said in document.describe()["paths"].items():
                if "get" not in said or "{" in path:
                    continue
                program: httpx2.AsyncClient = await house._client(
                    {"authorization": made.keys[kind]}
                )
                answer = await program.get(path)
                assert answer.status_code in (200, 403, 422), path
                leaked = {word for word in made.secrets if word in answer.text}
                assert not leaked, (path, leaked)
