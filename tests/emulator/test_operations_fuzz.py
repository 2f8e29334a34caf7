"""Every operation of Amazon's models with requests that are made from the models and then spoilt:
none is answered with 500, and no answer breaks the model. The requests are the same in every run.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from amazon_emulator.asking import Asking
from amazon_emulator.faces.selling_partner_api import Endpoint, known_routes
from amazon_emulator.faces.selling_partner_api.routes import Known as Operation
from amazon_emulator.limits import Limits
from amazon_emulator.marketplaces import Region
from amazon_emulator.models import Contract, Library, faults_of_answer, read
from amazon_emulator.models.described import Parameter
from amazon_emulator.models.examples import example_of
from amazon_emulator.stage import Stage
from amazon_emulator.world import AccessToken, Application, Partner, RestrictedResource
from tests.emulator.test_levers_fuzz import ODD, Known, made_stage

ROUNDS = 25
HINTS: dict[str, list[Any]] = {
    "marketplaceId": ["A1PA6795UKMFR9", "A13V1IB3VIYZZH"],
    "feedType": ["JSON_LISTINGS_FEED", "POST_ORDER_FULFILLMENT_DATA", "UPLOAD_VAT_INVOICE"],
    "feedTypes": ["JSON_LISTINGS_FEED", "POST_ORDER_FULFILLMENT_DATA"],
    "reportType": ["GET_MERCHANT_LISTINGS_ALL_DATA", "GET_SALES_AND_TRAFFIC_REPORT"],
    "reportTypes": ["GET_MERCHANT_LISTINGS_ALL_DATA"],
    "contentType": ["text/xml; charset=UTF-8", "application/json; charset=UTF-8"],
    "notificationType": ["ORDER_CHANGE", "FEED_PROCESSING_FINISHED"],
    "notificationTypes": ["ORDER_CHANGE", "FEED_PROCESSING_FINISHED"],
    "payloadVersion": ["1.0"],
    "period": ["PT5M", "PT1H", "P1D"],
    "createdAfter": ["2026-01-01T00:00:00Z", "2026-11-01T00:00:00.000Z"],
    "createdBefore": ["2026-11-20T00:00:00Z"],
    "lastUpdatedAfter": ["2026-11-01T00:00:00Z"],
    "inputFeedDocumentId": [],
    "arn": ["arn:aws:sqs:eu-west-1:000000000000:news"],
    "keywords": ["lamp", "blue"],
    "identifiersType": ["ASIN", "SKU"],
    "path": ["/orders/v0/orders", "/orders/v0/orders/{orderId}/address"],
    "method": ["GET"],
}
REGION: Region = "eu"


@pytest.fixture(scope="module")
def library(models: Path) -> Library:
    return read(models)


class Caller:
    """Calls one endpoint in this process, with the access token that fits the operation best."""

    def __init__(self, library: Library, *, sandbox: bool = False, mode: Any = "report") -> None:
        self.stage: Stage = made_stage()
        self.stage.know(library)
        self.stage.of(Limits).enforced = False
        Contract.of(self.stage).mode = mode
        self.known = Known.of(self.stage)
        routes = known_routes(self.stage, sandbox=sandbox)
        self.endpoint = Endpoint(self.stage, REGION, routes, sandbox)
        self.dice = random.Random(0)
        world, now = self.stage.world, self.stage.clock.now()
        self.application: Application = next(iter(world.applications.values()))
        self.tokens: dict[str, AccessToken] = {}
        for partner in world.partners.values():
            if REGION in partner.regions:
                self.tokens.setdefault(partner.kind, self.token_of(partner))
        for scope in self.application.scopes:
            self.tokens[scope] = world.new_access_token(self.application, None, scope, now)

    def token_of(self, partner: Partner) -> AccessToken:
        world, now = self.stage.world, self.stage.clock.now()
        grant = world.give(partner, self.application, REGION, now, self_authorized=True)
        return world.new_access_token(self.application, grant, None, now)

    def token_for(self, operation: Operation) -> AccessToken:
        played = operation.played
        if played is not None and played.scope is not None and not played.roles:
            return self.tokens[played.scope]
        kind = "vendor" if operation.template.startswith("/vendor/") else "seller"
        token = self.tokens[kind]
        if self.dice.random() < 0.5:
            return token
        elements = ("buyerInfo", "shippingAddress", "buyerTaxInformation")
        resource = RestrictedResource(operation.method, operation.template, elements)
        return replace(token, resources=(resource,))

    # --- requests ---------------------------------------------------------------------------------

    def requests(self, operation: Operation) -> Iterator[Asking]:
        for number in range(ROUNDS):
            yield self.request(operation, spoilt=number > 1)

    def request(self, operation: Operation, *, spoilt: bool) -> Asking:
        assert operation.described is not None
        path: dict[str, str] = {}
        query: list[tuple[str, str]] = []
        headers = {"content-type": "application/json", "x-amz-access-token": ""}
        body = b""
        for parameter in operation.described.parameters:
            if not parameter.required and self.dice.random() < 0.5:
                continue
            if parameter.place == "body":
                body = self.body(operation, parameter, spoilt=spoilt)
                continue
            value = self.text(operation, parameter, spoilt=spoilt)
            if parameter.place == "path":
                path[parameter.name] = value or "x"
            elif parameter.place == "header":
                headers[parameter.name.lower()] = value
            elif not spoilt or self.dice.random() < 0.9:
                query.append((parameter.name, value))
        if spoilt and self.dice.random() < 0.1:
            query += [*query, ("unknown", "x")]
        return Asking(operation.method, path, tuple(query), headers, body)

    def text(self, operation: Operation, parameter: Parameter, *, spoilt: bool) -> str:
        assert operation.described is not None
        known = self.fitting(parameter.name)
        if known and self.dice.random() < 0.7:
            return str(self.dice.choice(known))
        if spoilt and self.dice.random() < 0.4:
            return str(self.dice.choice(ODD))
        if "marketplace" in parameter.name.lower():
            return "A1PA6795UKMFR9"
        value = example_of(operation.described.document, parameter.rules)
        if isinstance(value, list):
            return ",".join(map(str, value))
        return "x" if value is None else str(value)

    def body(self, operation: Operation, parameter: Parameter, *, spoilt: bool) -> bytes:
        assert operation.described is not None
        value = example_of(operation.described.document, parameter.rules)
        value = self.filled(value)
        if not spoilt:
            return json.dumps(value).encode()
        if self.dice.random() < 0.1:
            return self.dice.choice((b"", b"{", b"\xff", b"[]", b"null", b"1e999", b"[" * 20_000))
        value = copy.deepcopy(value)
        for _ in range(self.dice.choice((1, 1, 2, 5))):
            value = self.spoil(value)
        return json.dumps(value).encode()

    def fitting(self, name: str) -> list[Any]:
        """Values that mean something under this name: in the world, or to Amazon."""
        if "marketplace" in name.lower():
            return HINTS["marketplaceId"]
        return HINTS.get(name) or [one for one in self.known.for_name(snake(name)) if one]

    def filled(self, value: Any, name: str = "") -> Any:
        """An example with things of the world in the places where their names stand."""
        if isinstance(value, dict):
            return {key: self.filled(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one, name) for one in value]
        known = [one for one in self.fitting(name) if type(one) is type(value)]
        return self.dice.choice(known) if known and self.dice.random() < 0.8 else value

    def spoil(self, value: Any) -> Any:
        """The same with one thing in it replaced, left out, doubled, or filled from the world."""
        if isinstance(value, dict) and value and self.dice.random() < 0.9:
            name = self.dice.choice(sorted(value))
            if self.dice.random() < 0.1:
                return {key: one for key, one in value.items() if key != name}
            known = self.fitting(name)
            if known and self.dice.random() < 0.4:
                return {**value, name: self.dice.choice(known)}
            return {**value, name: self.spoil(value[name])}
        if isinstance(value, list) and value and self.dice.random() < 0.9:
            if self.dice.random() < 0.2:
                return value * self.dice.choice((2, 300))
            return [self.spoil(value[0]), *value[1:]]
        return copy.deepcopy(self.dice.choice([*ODD, self.dice.choice(self.known.all)]))

    # --- answers ----------------------------------------------------------------------------------

    def ask(self, operation: Operation, asking: Asking) -> int:
        """The status. Fails for an answer that may not be."""
        assert operation.described is not None
        token = self.token_for(operation)
        headers = {**asking.headers, "x-amz-access-token": token.value}
        asking = replace(asking, headers=headers)
        asked = self.stage.history.note(
            self.stage.clock.now(), "spapi.x", REGION, asking.method, operation.template
        )
        told = f"{operation.name} {asking.path} {asking.query} {asking.body[:1500]!r}"
        try:
            answer = self.endpoint.work(asking, operation, token, asked, None)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{told}") from error
        assert answer.status_code != 500, told
        said: Any = json.loads(bytes(answer.body)) if answer.body else None
        if answer.status_code < 300:
            self.known.walk(said, "")
        # Cases are written by Amazon; that they are told as written is proven elsewhere.
        if answer.headers.get("x-amazon-emulator-answer") != "case":
            response = operation.described.response(answer.status_code)
            rules = operation.described.document.rules(response.schema if response else None)
            if answer.status_code >= 400 and "errors" not in rules.get("properties", {"errors": 0}):
                # Some models describe the one error, without the list of them.
                said = said["errors"][0]
            elif answer.status_code >= 400 and rules.get("type") == "array":
                # Or the list, without the object around it.
                said = said["errors"]
            faults = faults_of_answer(
                operation.described, answer.status_code, dict(answer.headers), said
            )
            grave = [f"{fault.where} {fault.what}" for fault in faults if fault.grave]
            assert not grave, f"{grave[:3]} in {bytes(answer.body)[:500]!r}\n{told}"
        self.stage.agenda.run(self.stage.clock.now())
        return answer.status_code

    def all(self) -> list[Operation]:
        routes = self.endpoint.routes
        return [known for known in routes.known if known.described is not None]

    def ask_all(self, seed: str = "") -> Counter[int]:
        statuses: Counter[int] = Counter()
        for operation in self.all():
            self.dice.seed(f"{operation.method} {operation.template} {seed}")
            for asking in self.requests(operation):
                statuses[self.ask(operation, asking)] += 1
        return statuses


def snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")


def test_a_region_breaks_no_model_and_never_fails(library: Library) -> None:
    caller = Caller(library)
    statuses = caller.ask_all()
    played = sum(known.played is not None for known in caller.all())
    print(
        f"{statuses.total()} requests to {len(caller.all())} operations, {played} played:", statuses
    )
    assert statuses.total() == ROUNDS * len(library.operations)
    # Most come through: what is refused at the door would prove nothing.
    assert sum(count for status, count in statuses.items() if status < 300) > 0.2 * statuses.total()
    assert not set(statuses) - {200, 201, 202, 204, 207, 400, 403, 404, 409, 413, 415}


def test_nor_does_it_where_it_refuses_what_breaks_a_model(library: Library) -> None:
    statuses = Caller(library, mode="refuse").ask_all()
    assert not set(statuses) - {200, 201, 202, 204, 207, 400, 403, 404, 409, 413, 415}


def test_a_sandbox_neither(library: Library) -> None:
    statuses = Caller(library, sandbox=True, mode="refuse").ask_all()
    assert statuses[400] > 0
    assert sum(count for status, count in statuses.items() if status < 300) > 0


def test_the_same_over_the_wire(library: Library) -> None:
    """What is made above are requests that can travel: paths are quoted and found again."""
    caller = Caller(library)
    for operation in caller.all():
        asking = caller.request(operation, spoilt=True)
        path = operation.template
        for name, value in asking.path.items():
            path = path.replace(f"{{{name}}}", quote(value, safe="/" if "/" in value else ""))
        found = caller.endpoint.routes.find(operation.method, path)
        if found is not None and all("/" not in value for value in asking.path.values()):
            assert found[0].method == operation.method
