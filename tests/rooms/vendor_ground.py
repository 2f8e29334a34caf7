"""A vendor's lines as changes and submissions; and what Amazon's models and SDK say of bodies."""

from __future__ import annotations

import importlib
import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path as Folder
from typing import Any

from amazon_emulator.asking import Asking
from amazon_emulator.models import Library, faults_of_request
from amazon_emulator.models import read as read_models
from evergrant.feeds.kinds import ApiCall, Ground, TransactionKind
from evergrant.feeds.kinds.direct import DIRECT
from evergrant.feeds.kinds.retail import RETAIL
from evergrant.ports.amazon import Answer
from evergrant.ports.things import Account, Authorization
from evergrant.ports.traded import Change, FeedRun
from evergrant.rules.changes import LANES, ChangeKind
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region, VendorKind
from evergrant.rules.wishes import WishGround, read
from evergrant.rules.wishes.vendors import submission_of
from tests.rules.vendor_lines import NOW, Line

KINDS: dict[Path, TransactionKind] = {**RETAIL, **DIRECT}
PATHS = {
    (VendorKind.RETAIL, ChangeKind.SHIPMENT): Path.RETAIL_SHIPMENT,
    (VendorKind.RETAIL, ChangeKind.INVOICE): Path.RETAIL_INVOICE,
    (VendorKind.RETAIL, ChangeKind.CANCELLATION): Path.RETAIL_ACKNOWLEDGEMENT,
    (VendorKind.DIRECT_FULFILLMENT, ChangeKind.STOCK): Path.DIRECT_STOCK,
    (VendorKind.DIRECT_FULFILLMENT, ChangeKind.SHIPMENT): Path.DIRECT_SHIPMENT,
    (VendorKind.DIRECT_FULFILLMENT, ChangeKind.INVOICE): Path.DIRECT_INVOICE,
    (VendorKind.DIRECT_FULFILLMENT, ChangeKind.CANCELLATION): Path.DIRECT_ACKNOWLEDGEMENT,
}


def path_of(line: Line, about: WishGround) -> Path:
    assert about.vendor_kind is not None
    return PATHS[about.vendor_kind, ChangeKind(line["kind"])]


def changes(about: WishGround, *lines: Line) -> list[Change]:
    found = []
    for number, line in enumerate(lines, 1):
        wish = read(line, about)
        found.append(
            Change(
                id=f"chg_{number}",
                account_id="acc_1",
                kind=wish.kind,
                lane=LANES[wish.kind],
                subject=wish.subject,
                key=wish.key,
                wish=json.loads(json.dumps(wish.wish)),
                intake_id="itk_1",
                line=number,
                run_id="run_1",
                message_id=number,
                tries=1,
                created_at=about.now,
            )
        )
    return found


def ground(about: WishGround) -> Ground:
    account = Account(
        id="acc_1",
        name="The Mill",
        partner_kind=PartnerKind.VENDOR,
        vendor_kind=about.vendor_kind,
        client_email="mill@example.org",
        application_id="app_1",
        client_instance_id="ins_1",
        region=about.region,
        home_marketplace=about.home_marketplace,
        vendor_codes=about.vendor_codes,
        created_at=about.now,
        changed_at=about.now,
    )
    authorization = Authorization(
        id="aut_1",
        account_id=account.id,
        application_id="app_1",
        region=about.region,
        state=State.ACTIVE,
        changed_at=about.now,
    )
    return Ground(
        account=account, authorization=authorization, marketplaces=STANDARD, now=about.now
    )


def run(path: Path, some: Sequence[Change] = (), **more: Any) -> FeedRun:
    return FeedRun(
        id="run_1",
        account_id="acc_1",
        application_id="app_1",
        region=Region.EU,
        path=path,
        submission=submission_of(some[0].wish) if some else "",
        created_at=NOW,
        changed_at=NOW,
        **{"step": RunStep.PLANNED, **more},
    )


def submission(about: WishGround, *lines: Line) -> ApiCall:
    path, some = path_of(lines[0], about), changes(about, *lines)
    return KINDS[path].submission(ground(about), run(path, some), some)


def body(call: ApiCall) -> Any:
    return json.loads(call.body or b"")


def answer(status: int, told: Any) -> Answer:
    raw = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Answer(status=status, headers={"content-type": "application/json"}, body=raw)


# --- what Amazon says of bodies -------------------------------------------------------------------


@cache
def _library(folder: Folder) -> Library:
    return read_models(folder)


def check_model(models: Folder, call: ApiCall, folder: str, name: str) -> None:
    """That one of Amazon's models allows the request; unknown fields are faults, too."""
    described = next(
        one
        for one in _library(models / folder).operations
        if one.name == name
        and len(one.path.split("/")) == len(call.path.split("/"))
        and _fits(one.path, call.path)
    )
    pairs = zip(described.path.split("/"), call.path.split("/"), strict=True)
    named = {wanted.strip("{}"): given for wanted, given in pairs if wanted.startswith("{")}
    headers = {"content-type": "application/json"}
    asking = Asking(call.method, named, tuple(call.query), headers, call.body or b"")
    assert faults_of_request(described, asking) == []


def _fits(template: str, path: str) -> bool:
    pairs = zip(template.split("/"), path.split("/"), strict=True)
    return all(wanted.startswith("{") or wanted == given for wanted, given in pairs)


@contextmanager
def sdk(module: str) -> Iterator[Any]:
    """The shapes of Amazon's SDK, which turns everybody's logging up when it is imported."""
    level = logging.getLogger().level
    yield importlib.import_module(f"spapi.models.{module}")
    logging.getLogger().setLevel(level)


def check_sdk(shapes: Any, name: str, value: Any) -> None:
    """All fields are known to the SDK's class and of its types, and the needed ones are there:
    for operations of which there is no model at hand."""
    if inner := re.fullmatch(r"List\[(\w+)\]", name):
        assert isinstance(value, list), (name, value)
        for one in value:
            check_sdk(shapes, inner[1], one)
        return
    plain: dict[str, type] = {"str": str, "int": int, "bool": bool, "datetime": str}
    if name in plain:
        assert type(value) is plain[name], (name, value)
        if name == "datetime":
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(value)), value
        return
    kind = getattr(shapes, name)
    names = {shown: own for own, shown in kind.attribute_map.items()}
    assert set(value) <= set(names), (name, set(value) - set(names))
    kind(**{names[shown]: one for shown, one in value.items()})  # raises: missing, or no such word
    for shown, one in value.items():
        check_sdk(shapes, kind.swagger_types[names[shown]], one)
