"""Schemathesis asks every described operation what nobody thought of, in this process."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    unsupported_method,
)
from starlette.types import ASGIApp, Receive, Scope, Send

from evergrant.entrances import access_token
from evergrant.entrances.api import document
from tests.doors.test_api.conftest import House, make_house

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    allow_header_conformance,
]


@dataclass(frozen=True)
class Furnished:
    """A house with one of everything, so that ids lead somewhere."""

    key: str
    ids: dict[str, str]


async def furnish(house: House) -> tuple[str, dict[str, str]]:
    async with house.callers:
        caller = await house.caller()
        application = await house.application(caller)
        instance = await house.instance(caller)
        account = await house.account(caller, application["id"], instance["id"])
        keys = f"/v1/accounts/{account['id']}/connection-keys"
        connection_key = (await caller.post(keys, json={})).json()
        wish = {"name": "spare", "rights": ["read"]}
        spare = (await caller.post("/v1/api-keys", json=wish)).json()
        link = (await caller.get(f"/v1/accounts/{account['id']}/link")).json()["link"]
        reference = await house.desk.consent.decline(link.rpartition("/")[2])
        return caller.headers["authorization"], {
            "account_id": account["id"],
            "application_id": application["id"],
            "instance_id": instance["id"],
            "connection_key_id": connection_key["id"],
            "api_key_id": spare["id"],
            "reference": reference,
        }


@pytest.fixture(scope="module")
def furnished() -> Furnished:
    house = make_house(body_limit=1_000_000)
    LATE.api = house.app
    LATE.access_token = access_token.build(house.desk, house.settings)
    return Furnished(*asyncio.run(furnish(house)))


class Late:
    """Tests are collected from the description before there is a house."""

    api: ASGIApp
    access_token: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the server does it: access tokens have a door of their own."""
        is_for_token = scope["type"] == "http" and scope["path"].endswith("/access-token")
        await (self.access_token if is_for_token else self.api)(scope, receive, send)


LATE = Late()
SCHEMA = schemathesis.openapi.from_dict(deepcopy(document.describe()))
SCHEMA.app = LATE


@SCHEMA.parametrize()
@settings(
    max_examples=5,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_keeps_its_word(case: Any, furnished: Furnished) -> None:
    for name, known in furnished.ids.items():
        given = (case.path_parameters or {}).get(name)
        # What could be an id becomes one that is; what could not stays what it is.
        if isinstance(given, str) and given[:4] == known[:4] and len(given) == len(known):
            case.path_parameters[name] = known
    case.call_and_validate(headers={"authorization": furnished.key}, checks=CHECKS)
