"""No key reaches across: every address of the interface, the doors for SDKs, access tokens and
Amazon's paths, and the question that nginx asks.

Rooms are tried one by one in tests/rooms/test_reach.py; here it is everything that a program can
send. Three things hold of whatever it sends: nothing of the other tenant comes back, nothing of it
changes, and what is not yours looks like what is not there.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from evergrant.entrances.api import document
from tests.doors.tenants import BOUND, ENDED, IDLE, Tenants

Json = dict[str, Any]

DESCRIBED = document.describe()
OPERATIONS = {
    said["operationId"]: (method.upper(), path, said)
    for path, methods in DESCRIBED["paths"].items()
    for method, said in methods.items()
}
#: In queries and bodies: the name of an id in the interface.
NAMES = {
    "account_id": "account_id",
    "account_ids": "account_id",
    "subject": "account_id",
    "client_instance_id": "instance_id",
    "application_id": "application_id",
    "change_ids": "change_id",
}
#: Say the same to everybody.
OPEN = frozenset({"listAmazonReportTypes", "listMarketplaces", "whoAmI"})


@pytest.fixture(scope="module")
def tenants() -> Tenants:
    return asyncio.run(Tenants().open())


def named(value: Any, ids: dict[str, str]) -> Any:
    """A query or a body in which every id is one of these."""
    if not isinstance(value, dict):
        return value
    return {
        name: _as(one, ids[NAMES[name]]) if name in NAMES else one for name, one in value.items()
    }


def _as(value: Any, id: str) -> Any:
    return [id] if isinstance(value, list) else id


def shape(said: Json) -> Json:
    """Of the body; empty where there is none."""
    for content in said.get("requestBody", {}).get("content", {}).values():
        name = content["schema"]["$ref"].rpartition("/")[2]
        shaped: Json = DESCRIBED["components"]["schemas"][name]
        return shaped
    return {"properties": {}}


def body_of(said: Json, ids: dict[str, str]) -> Any:
    """The example, with an id in every place for one but the application, which is nobody's."""
    shaped = shape(said)
    if "examples" not in shaped:
        return None
    body = deepcopy(shaped["examples"][0])
    for name in set(shaped["properties"]) & set(NAMES) - {"application_id"}:
        body[name] = [] if name.endswith("s") else ""
    if "refresh_token" in body:
        body["refresh_token"] = f"Atzr|{secrets.token_hex(40)}"
    return named(body, ids)


def query_of(said: Json, ids: dict[str, str]) -> dict[str, str]:
    asked = {one["name"]: one for one in said.get("parameters", ()) if one["in"] == "query"}
    needed = {
        name: one["schema"]["examples"][0] for name, one in asked.items() if one.get("required")
    }
    return needed | {name: ids[NAMES[name]] for name in asked if name in NAMES}


# --- /v1 ----------------------------------------------------------------------------------------


async def ask(tenants: Tenants, kind: str, operation_id: str, ids: dict[str, str]) -> Any:
    method, path, said = OPERATIONS[operation_id]
    return await tenants.ask(
        kind, method, path.format_map(ids), query_of(said, ids), body_of(said, ids)
    )


def test_there_is_an_id_for_every_place() -> None:
    """A new parameter of the interface has to be tried as well."""
    places = {
        name
        for _, path, said in OPERATIONS.values()
        for name in [
            *re.findall(r"{(\w+)}", path),
            *(one["name"] for one in said.get("parameters", ()) if one["name"].endswith("_id")),
            *(name for name in shape(said)["properties"] if name.endswith(("_id", "_ids"))),
        ]
    }
    known = {"connection_key_id", "api_key_id", "plan_id", "instance_id", "reference"}
    known |= {"event_id", "notice_id", "item", "report_id", "order_id"}
    known |= {"message_id"}  # of a mail: nobody may tell of one who does not reach everything
    known |= {"intake_id", "change_id", "run_id"}
    # Amazon's own ids.
    assert places == {*known, *NAMES} - {"subject"} | {
        "amazon_report_id",
        "developer_id",
        "lwa_client_id",
        "selling_partner_id",
    }


@pytest.mark.parametrize("operation_id", [one for one in OPERATIONS if OPERATIONS[one][0] == "GET"])
async def test_the_ids_lead_somewhere(tenants: Tenants, operation_id: str) -> None:
    """Or all that follows would prove nothing."""
    answer = await ask(tenants, tenants.everything, operation_id, tenants.theirs)
    assert answer.status_code == 200, answer.text
    path = OPERATIONS[operation_id][1]
    nameless = {"getApplication", "getCredentials", "getAccessToken", "getLink"}
    nameless |= {"countCalls", "listInvitations"}  # nobody called, and nobody was invited
    nameless |= {"listDeliveries"}  # the instance has no address
    nameless |= {"listSubscriptions"}  # the application has no queue for notifications
    nameless |= {"listChanges"}  # its subject is a SKU or an order, and no account
    nameless |= {"getRotation", "listRotations"}  # of the application, which all tenants share
    if "{" in path and operation_id not in nameless:
        assert tenants.leaks(answer.text), answer.text


@pytest.mark.parametrize("operation_id", OPERATIONS)
async def test_what_is_not_yours_is_not_there(tenants: Tenants, operation_id: str) -> None:
    before = tenants.seen_of_b()
    assert len(before) > 10
    method, path, said = OPERATIONS[operation_id]
    for kind in (*BOUND, IDLE):
        answers = [
            await ask(tenants, kind, operation_id, ids) for ids in (tenants.theirs, tenants.nobodys)
        ]
        theirs, nobodys = answers
        assert tenants.told(theirs.text) == tenants.told(nobodys.text)
        assert theirs.status_code == nobodys.status_code
        assert theirs.status_code < 500
        assert not tenants.leaks(theirs.text, str(theirs.request.url)), theirs.text
        if "{" in path and "application_id" not in path:
            assert theirs.status_code in (403, 404), theirs.text
        if kind == IDLE and operation_id not in OPEN:
            assert theirs.status_code == 403, theirs.text
        if method == "GET" and theirs.status_code == 200 and query_of(said, tenants.theirs):
            assert not theirs.json()["items"]
    assert tenants.seen_of_b() == before


@pytest.mark.parametrize("operation_id", OPERATIONS)
async def test_keys_that_ended_are_no_keys(tenants: Tenants, operation_id: str) -> None:
    before = tenants.seen_of_b()
    told = set()
    for kind in (*ENDED, tenants.everything[:-1] + "-"):
        for ids in (tenants.theirs, tenants.nobodys):
            answer = await ask(tenants, kind, operation_id, ids)
            assert answer.status_code == 401, answer.text
            told.add(tenants.told(answer.text))
    assert len(told) == 1
    assert tenants.seen_of_b() == before


class Late:
    """Tests are collected from the description before there is a house."""

    app: Any

    async def __call__(self, *of_request: Any) -> None:
        await self.app(*of_request)


LATE = Late()
SCHEMA = schemathesis.openapi.from_dict(deepcopy(DESCRIBED))
SCHEMA.app = LATE
# The others' cases are made at collection, in every process, and this test asks none of them.
SCHEMA.config.phases.update(phases=["fuzzing"])


@SCHEMA.parametrize()
@settings(
    max_examples=3,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_gives_or_changes_what_is_another_tenants(case: Any, tenants: Tenants) -> None:
    LATE.app = tenants.v1
    generated = deepcopy((case.path_parameters, case.query, case.body))
    before = tenants.seen_of_b()
    for kind in (*BOUND, IDLE):
        told = []
        for ids in (tenants.theirs, tenants.nobodys):
            path, query, body = deepcopy(generated)
            case.path_parameters = {name: ids.get(name, one) for name, one in (path or {}).items()}
            case.query, case.body = named(query, ids), named(body, ids)
            answer = case.call(headers={"authorization": f"Bearer {tenants.keys[kind]}"})
            assert answer.status_code < 500
            asked = f"{case.path_parameters} {case.query} {case.body}"
            leaked = tenants.leaks(answer.text, asked)
            assert not leaked, (kind, case.method, case.path, leaked)
            if set(path or {}) - {"application_id"}:
                assert answer.status_code >= 400, (kind, case.method, case.path, answer.text)
            told.append((answer.status_code, tenants.told(answer.text)))
        assert told[0] == told[1] or answer.status_code == 409, (kind, case.method, case.path)
    assert tenants.seen_of_b() == before
