"""A seller in Germany, changes and answers; and Amazon's own models, for the tests of kinds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path as Folder
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import jsonschema_rs
import pytest

from amazon_emulator.asking import Asking
from amazon_emulator.models import Described, Library, faults_of_answer, faults_of_request
from amazon_emulator.models import read as read_models
from evergrant.feeds.kinds import ApiCall, Ground, Reading
from evergrant.ports.amazon import Answer
from evergrant.ports.things import Account, Authorization
from evergrant.ports.traded import Change, FeedRun
from evergrant.rules import marketplaces
from evergrant.rules.changes import LANES, ChangeKind
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region
from tests.emulator.conftest import models_folder

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
DE, FR, UK = "A1PA6795UKMFR9", "A13V1IB3VIYZZH", "A1F83G8C2ARO7P"
ORDER = "302-1234567-1234567"


def ground(seller_id: str = "A1SELLER", home: str = "DE") -> Ground:
    account = Account(
        id="acc_1",
        name="Blue Heron Books",
        partner_kind=PartnerKind.SELLER,
        client_email="shop@heron.example",
        application_id="app_1",
        client_instance_id="cli_1",
        region=Region.EU,
        home_marketplace=home,
        merchant_token=seller_id,
        created_at=NOW,
        changed_at=NOW,
    )
    authorization = Authorization(
        id="aut_1",
        account_id=account.id,
        application_id="app_1",
        region=Region.EU,
        state=State.ACTIVE,
        selling_partner_id="A1REPORTED",
        changed_at=NOW,
    )
    return Ground(
        account=account,
        authorization=authorization,
        marketplaces=marketplaces.STANDARD,
        now=NOW,
    )


def run(path: Path, marketplace_id: str = DE) -> FeedRun:
    return FeedRun(
        id="run_1",
        account_id="acc_1",
        application_id="app_1",
        region=Region.EU,
        path=path,
        marketplace_id=marketplace_id,
        step=RunStep.PLANNED,
        created_at=NOW,
        changed_at=NOW,
    )


def change(
    kind: ChangeKind, subject: str, wish: Mapping[str, Any], message_id: int = 1, **more: Any
) -> Change:
    more = {"id": f"chg_{kind.value}_{message_id}", "marketplace_id": DE, "tries": 1, **more}
    return Change(
        account_id="acc_1",
        kind=kind,
        lane=LANES[kind],
        subject=subject,
        key=subject,
        wish=wish,
        intake_id="int_1",
        line=1,
        run_id="run_1",
        message_id=message_id,
        created_at=NOW,
        **more,
    )


def stock(sku: str = "SKU-1", quantity: int = 7, message_id: int = 1, **more: Any) -> Change:
    return change(ChangeKind.STOCK, sku, {"quantity": quantity}, message_id, **more)


def price(sku: str = "SKU-1", amount: str = "19.90", message_id: int = 1, **more: Any) -> Change:
    wish = {"price": amount, "currency": "EUR"}
    return change(ChangeKind.PRICE, sku, wish, message_id, **more)


def answer(status: int, body: Any = None) -> Answer:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Answer(status=status, headers={"content-type": "application/json"}, body=raw)


def error(status: int, code: str, message: str = "", details: str = "") -> Answer:
    told = {"code": code, "message": message, "details": details}
    return answer(status, {"errors": [told]})


def states(reading: Reading) -> list[tuple[str, str]]:
    return [(outcome.state.value, outcome.code) for outcome in reading.outcomes]


# --- Amazon's models ------------------------------------------------------------------------------


def _models() -> Folder:
    folder = models_folder()
    if folder is None:
        pytest.skip(
            "LOUD: Amazon's models are not here; EVERGRANT_AMAZON_MODELS names their folder"
        )
    return folder


@cache
def _library(folder: str) -> Library:
    return read_models(_models() / folder)


def _described(model: str, operation_id: str) -> Described:
    folder, _, file = model.partition("/")
    (found,) = [
        one for one in _library(folder).operations if (one.model, one.name) == (file, operation_id)
    ]
    return found


def check(call: ApiCall, model: str, operation_id: str) -> None:
    """That Amazon's model allows the call, to the last field."""
    described = _described(model, operation_id)
    assert call.method == described.method
    wanted, given = described.path.split("/"), call.path.split("/")
    assert len(wanted) == len(given), call.path
    named = {}
    for name, value in zip(wanted, given, strict=True):
        if name.startswith("{"):
            named[name.strip("{}")] = unquote(value, errors="strict")
        else:
            assert name == value
    query = tuple(parse_qsl(urlencode(call.query), keep_blank_values=True))
    headers = {"content-type": "application/json"} if call.body else {}
    asking = Asking(call.method, named, query, headers, call.body or b"")
    assert faults_of_request(described, asking) == []


def check_answer(told: Answer, model: str, operation_id: str) -> None:
    """That our tests let Amazon say nothing which its model does not know."""
    described = _described(model, operation_id)
    body = json.loads(told.body) if told.body else None
    assert faults_of_answer(described, told.status, told.headers, body) == []


@cache
def schema(name: str) -> jsonschema_rs.Draft7Validator:
    """One of Amazon's schemas of feeds."""
    file = _models().parent / "schemas" / "feeds" / name
    if not file.is_file():
        pytest.skip("LOUD: Amazon's schemas of feeds are not beside its models")
    return jsonschema_rs.Draft7Validator(json.loads(file.read_text("utf-8")))
