"""Every case of Amazon's models over HTTP, at the sandbox's own address, behind its guards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from amazon_emulator import Emulator
from amazon_emulator.apis.played import SANDBOX_OPERATIONS
from amazon_emulator.asking import Asking
from amazon_emulator.models import Described, Library, read
from tests.emulator.aws_desk import bodies
from tests.emulator.conftest import House
from tests.emulator.notices_desk import Desk
from tests.emulator.test_models_all import Written, load, names_in, request_for, written_cases

ORDERS = "/orders/2026-01-01/orders"


@dataclass
class Sandbox:
    house: House
    library: Library
    access_token: str

    def ask(
        self, described: Described, asking: Asking, wanted: str | None = None, region: str = "eu"
    ) -> httpx2.Response:
        path = described.path
        for parameter in described.parameters:
            if parameter.place == "path":
                safe = "/" if parameter.greedy else ""
                value = quote(asking.path[parameter.name], safe=safe)
                path = path.replace(f"{{{parameter.name}}}", value)
        headers = {**asking.headers, "x-amz-access-token": self.access_token}
        if wanted:
            headers["x-amazon-emulator-case"] = wanted
        return self.house.http.request(
            asking.method,
            self.house.amazon.addresses[f"sandbox_{region}"] + path,
            params=list(asking.query),
            headers=headers,
            content=asking.body or None,
        )

    def operation(self, name: str) -> Described:
        return next(known for known in self.library.operations if known.name == name)


@pytest.fixture(scope="module")
def with_models(models: Path) -> Iterator[tuple[Emulator, Library]]:
    library = read(models)
    with Emulator(gentle=True, models=library) as amazon:
        yield amazon, library


@pytest.fixture
def sandbox(with_models: tuple[Emulator, Library], http: httpx2.Client) -> Sandbox:
    amazon, library = with_models
    amazon.levers.reset()
    amazon.levers.pull("PUT", "/limits", {"enforced": False})
    house = House(amazon, http, amazon.levers.application("Northwind Connect"))
    return Sandbox(house, library, house.access_token(house.seller(home="US")))


def test_all_cases_answer_over_http(sandbox: Sandbox, models: Path) -> None:
    """Status and body of each; twins by the header that picks a case."""
    wrong: list[str] = []
    proven: Counter[str] = Counter()
    for name in names_in(models):
        content = load(models, name)
        known = {(o.method, o.path): o for o in sandbox.library.operations if o.model == name}
        for case in written_cases(content):
            described = known[case.method, case.path]
            asking = request_for(case, described, other_spelling=False)
            answer = sandbox.ask(described, asking, wanted=f"{case.status}/{case.place}")
            if not answers_as_written(case, answer):
                wrong.append(f"{name} {case.title}: {answer.status_code} {answer.text[:200]}")
            proven[described.path] += 1
    assert not wrong, "\n".join(wrong)
    asked = sandbox.house.amazon.levers.count(kind="sandbox")
    assert asked == proven.total() > 0


def answers_as_written(case: Written, answer: httpx2.Response) -> bool:
    expected: Any = case.case.get("response") if case.status != 204 else None
    said = answer.json() if answer.content else None
    return answer.status_code == case.status and said == expected


def test_every_operation_is_routed(sandbox: Sandbox) -> None:
    """Also those without a case: an example, made from the schema, of the lowest 2xx."""
    played = {(one.method, one.path) for one in SANDBOX_OPERATIONS}
    silent = [
        known
        for known in sandbox.library.operations
        if not known.cases and (known.method, known.path) not in played
    ]
    assert silent
    for known in silent:
        path = {one.name: "x" for one in known.parameters if one.place == "path"}
        answer = sandbox.ask(known, Asking(known.method, path))
        assert answer.status_code < 300, (known.name, answer.text)
        assert answer.headers["x-amazon-emulator-answer"] == "example"
        assert sandbox.house.amazon.levers.history()[-1]["kind"] == f"sandbox.{known.name}"


def test_an_operation_of_sandboxes_alone_is_played_there(sandbox: Sandbox) -> None:
    """A test notification arrives in the queue of a destination."""
    desk = Desk.of(sandbox.house)
    destination_id = desk.to_queue()
    path = "/notifications/v1/subscriptions/ORDER_CHANGE/testNotification"
    test = {"payloadVersion": "1.0", "testScenario": "OrderStatusChange"}

    def send(face: str, token: str, destination: str = destination_id) -> int:
        return sandbox.house.http.post(
            f"{desk.amazon.addresses[face]}{path}",
            headers={"x-amz-access-token": token},
            json={"destinationId": destination, "testNotification": test},
        ).status_code

    assert send("eu", desk.grantless) == 403, "not in production"
    assert send("sandbox_eu", desk.token) == 403, "it is grantless"
    assert send("sandbox_eu", desk.grantless, "nowhere") == 400
    assert send("sandbox_eu", desk.grantless) < 300
    [message] = bodies(desk.amazon, "news")
    assert message["NotificationType"] == "ORDER_CHANGE"


def test_what_exists_in_sandboxes_alone_is_denied_in_a_region(sandbox: Sandbox) -> None:
    alone = [
        known
        for known in sandbox.library.operations
        if known.sandbox_only and not known.path.startswith("/vendor/")
    ]
    for known in alone:
        path = known.path.replace("{", "").replace("}", "")
        url = f"{sandbox.house.amazon.addresses['na']}{path}"
        headers = {"x-amz-access-token": sandbox.access_token}
        assert sandbox.house.http.request(known.method, url, headers=headers).status_code == 403


def test_what_matches_no_case_is_refused(sandbox: Sandbox) -> None:
    search = sandbox.operation("searchOrders")
    answer = sandbox.ask(search, Asking("GET", {}, (("createdAfter", "1999-01-01"),)))
    assert answer.status_code == 400
    assert answer.json()["errors"][0] == {
        "code": "InvalidInput",
        "message": "Could not match input arguments",
        "details": "",
    }


def test_the_sandbox_looks_at_the_token_alone(sandbox: Sandbox) -> None:
    """Recorded: a token of another region is good there; a missing or an expired one is not."""
    probe = sandbox.operation("getMarketplaceParticipations")
    for region in ("na", "eu", "fe"):
        assert sandbox.ask(probe, Asking("GET"), region=region).status_code == 200
    sandbox.house.amazon.levers.advance(3601)
    answer = sandbox.ask(probe, Asking("GET"))
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["details"].endswith("has expired.")


def test_one_flat_limit_for_all_calls(sandbox: Sandbox) -> None:
    sandbox.house.amazon.levers.pull("PUT", "/limits", {"enforced": True})
    probe = sandbox.operation("getMarketplaceParticipations")
    other = sandbox.operation("getDestinations")
    clock = sandbox.house.amazon.levers.now()
    statuses = [
        sandbox.ask(probe if turn % 2 else other, Asking("GET")).status_code for turn in range(30)
    ]
    passed = (sandbox.house.amazon.levers.now() - clock).total_seconds()
    allowed = statuses.count(200)
    assert statuses[:15] == [200] * 15
    assert allowed <= 15 + 5 * passed + 1
    assert 429 in statuses or passed > 3
    answer = sandbox.ask(probe, Asking("GET"))
    assert answer.headers.get("x-amzn-ratelimit-limit") in ("5.0", None)


def test_a_region_answers_unplayed_operations_from_the_models(sandbox: Sandbox) -> None:
    """At the region's own address: access control as for played ones, then the model's case."""
    house = sandbox.house
    path = "/fba/inbound/v1/eligibility/itemPreview"
    query = {"asin": "TEST_CASE_200", "program": "COMMINGLING", "marketplaceIds": "ATVPDKIKX0DER"}
    answer = house.call(path, sandbox.access_token, region="na", **query)
    assert answer.status_code in (200, 400), answer.text
    assert answer.headers["x-amazon-emulator-answer"] in ("case", "none")
    assert house.call(path, sandbox.access_token, region="eu", **query).status_code == 403
    assert house.call(path, None, region="na", **query).status_code == 403


def test_scenarios_are_played_in_the_sandbox(sandbox: Sandbox) -> None:
    """Amazon has these two operations there alone; elsewhere the sandbox answers from models."""
    house = sandbox.house
    vendor = house.vendor()
    token = house.access_token(vendor)
    base = f"{house.amazon.addresses['sandbox_eu']}/vendor/directFulfillment/sandbox/2021-10-28"
    party = {"partyId": vendor["vendor_codes"][0]}
    wanted = {"orders": [{"sellingParty": party, "shipFromParty": {"partyId": "WH1"}}]}
    answer = house.http.post(f"{base}/orders", json=wanted, headers={"x-amz-access-token": token})
    assert answer.status_code == 202, answer.text
    assert answer.json()["transactionId"]
    house.amazon.levers.advance(300)
    partner_id = vendor["selling_partner_id"]
    made = house.amazon.levers.pull("GET", f"/vendors/{partner_id}/direct-orders")["items"]
    assert {one["vendor_code"] for one in made} == {party["partyId"]}


def test_a_grantless_access_token_tracks_and_opens_nothing_else(sandbox: Sandbox) -> None:
    house = sandbox.house
    scope = "sellingpartnerapi::shipments:track"
    token = house.lwa(grant_type="client_credentials", scope=scope).json()["access_token"]
    tracked = house.call("/tracking/2026-01-30/shipments/track", token)
    assert tracked.status_code in (200, 400, 501)  # 501 where the folder lacks this model
    assert house.call("/fba/inventory/v1/summaries", token).status_code == 403
    other = house.lwa(grant_type="client_credentials", scope="sellingpartnerapi::notifications")
    token = other.json()["access_token"]
    assert house.call("/tracking/2026-01-30/shipments/track", token).status_code == 403


def test_amazons_own_cases_are_no_breach_of_ours(sandbox: Sandbox) -> None:
    """Some of them break Amazon's own models; the contract tells of what the emulator made."""
    sandbox.house.amazon.levers.pull("PUT", "/contract", {"mode": "report"})
    known = sandbox.operation("getMyFeesEstimateForSKU")
    case = next(case for case in known.cases if case.status == 200)
    path = {one.name: "x" for one in known.parameters if one.place == "path"}
    answer = sandbox.ask(known, Asking("POST", path), wanted=f"{case.status}/1")
    assert answer.json() == case.body
    [contract] = [sandbox.house.amazon.levers.pull("GET", "/contract", side="answer")]
    assert contract["breaches"] == []


def test_without_models_it_says_so(http: httpx2.Client) -> None:
    with Emulator(gentle=True) as amazon:
        house = House(amazon, http, amazon.levers.application("Northwind Connect"))
        answer = house.call("/fba/inventory/v1/summaries", house.access_token(house.seller()))
    assert answer.status_code == 501
    [error] = answer.json()["errors"]
    assert "--models" in error["details"]
