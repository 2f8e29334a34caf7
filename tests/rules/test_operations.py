"""Amazon's operations: found by method and path, whatever is tried, and true to Amazon's models."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules import operations, personal_data
from evergrant.rules.applications import GRANTLESS_SCOPES
from evergrant.rules.budgets import Importance, Plan
from evergrant.rules.operations import ALL, CAREFUL, NAMES, Group, Operation, Personal, find, get

ROOT = Path(__file__).parents[2]
EXAMPLES = st.text("ABCXYZabc0123456789-_.~", min_size=1, max_size=20).filter(
    lambda text: text not in {".", ".."}
)


def the(name: str) -> Operation:
    found = get(name)
    assert found is not None, name
    return found


def filled(template: str, value: str = "X-1") -> str:
    return re.sub(r"\{\w+\}", value, template)


# --- every one once ---------------------------------------------------------------------------


def test_every_operation_is_there_once() -> None:
    assert len(ALL) > 360
    assert len(set(NAMES)) == len(ALL)
    assert len({(one.method, one.template) for one in ALL}) == len(ALL)
    assert all(get(one.name) is one for one in ALL)
    assert get("orders.v0") is get("") is get("GET") is None


@pytest.mark.parametrize("fill", ["X-1", "{id}", "a%20b", "%C3%BC", "007", "preview"])
def test_every_operation_is_found_by_its_path(fill: str) -> None:
    """``preview`` is a segment that stands where others have a parameter."""
    for one in ALL:
        assert find(one.method, filled(one.template, fill)) is one, one.name


@given(st.sampled_from(ALL), st.data())
def test_parameters_may_be_anything(one: Operation, data: st.DataObject) -> None:
    path = re.sub(r"\{\w+\}", lambda _: data.draw(EXAMPLES), one.template)
    found = find(one.method, path)
    # What is drawn may be another operation's literal, and then that one is meant.
    assert found is one or found.template.count("{") < one.template.count("{")


def test_names_say_the_path_to_the_version_and_the_operation_id() -> None:
    assert find("GET", "/orders/v0/orders/1").name == "orders.v0.getOrder"
    assert find("GET", "/orders/2026-01-01/orders").name == "orders.2026-01-01.searchOrders"
    assert find("POST", "/shipping/v2/carrierAccounts/x").name == (
        "shipping.v2.linkCarrierAccount.POST"
    )
    assert find("PUT", "/shipping/v2/carrierAccounts/x").name == (
        "shipping.v2.linkCarrierAccount.PUT"
    )
    assert get("shipping.v2.linkCarrierAccount") is None


def test_what_is_kept_by_hand_is_about_operations_that_exist() -> None:
    kept = [
        *operations._PER_APPLICATION,
        *operations._ONLY_ANSWER,
        *operations._MAKE_A_DOCUMENT,
        *operations._SCOPES,
        *operations.KEPT_FREE,
        *personal_data.CLASSES,
        *personal_data.DATA_ELEMENTS,
    ]
    assert [name for name in kept if name not in NAMES] == []


# --- ways to write a path ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/orders/v0/orders", "orders.v0.getOrders"),
        ("get", "/orders/v0/orders", "orders.v0.getOrders"),
        ("HEAD", "/orders/v0/orders", "orders.v0.getOrders"),
        ("GET", "/orders/v0/orders/", "orders.v0.getOrders"),
        ("GET", "/orders/v0/orders//", "orders.v0.getOrders"),
        ("GET", "/orders/v0/%6Frders", "orders.v0.getOrders"),
        ("GET", "/%6Frders/v0/orders/1/addres%73", "orders.v0.getOrderAddress"),
        ("GET", "/orders/v0/orders/902-1%2D2", "orders.v0.getOrder"),
        ("GET", "/orders/v0/orders/a%252Fb", "orders.v0.getOrder"),
        (
            "GET",
            "/fba/outbound/2020-07-01/fulfillmentOrders/preview",
            "fba.outbound.2020-07-01.getFulfillmentOrder",
        ),
        (
            "POST",
            "/fba/outbound/2020-07-01/fulfillmentOrders/preview",
            ("fba.outbound.2020-07-01.getFulfillmentPreview"),
        ),
        (
            "PATCH",
            "/listings/2021-08-01/items/A1/blue%2Flarge%20%231",
            ("listings.2021-08-01.patchListingsItem"),
        ),
        (
            "GET",
            "/products/pricing/v0/listings/a%2Fb/offers",
            "products.pricing.v0.getListingOffers",
        ),
    ],
)
def test_the_same_path_in_other_words(method: str, path: str, name: str) -> None:
    assert find(method, path).name == name


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "//",
        "orders/v0/orders",
        "https://sellingpartnerapi-eu.amazon.com/orders/v0/orders",
        "//sellingpartnerapi-eu.amazon.com/orders/v0/orders",
        "/orders//v0/orders",
        "/orders/v0/./orders",
        "/orders/v0/../v0/orders",
        "/orders/v0/orders/..",
        "/orders/v0/orders/%2e%2E",
        "/orders/v0/orders/%2e",
        "/x/../orders/v0/orders",
        "/orders/v0%2Forders",
        "/orders/v0/orders/1%2Faddress",
        "/orders/v0/orders/1%2faddress",
        "/orders/v0/orders/1%5Caddress",
        "/messaging/v1/orders/1%2Fattributes",
        "/listings/2021-08-01/items/A%2FB/sku",
        "/Orders/v0/orders",
        "/orders/v0/orders/1/address/more",
        "/orders/v1/orders",
        "/orders/v0",
        "/orders/v0/orders?includedData=BUYER",
        "/orders/v0/orders\x00",
        "/orders/v0/orders%00",
        "/orders/v0/orders%",
        "/orders/v0/orders%ZZ",
        "/orders/v0/orders\ud800",
        "/orders/v0/orders/1/address;x=1",
        "/" + "a/" * 5000,
        "/orders/v0/orders/" + "1/" * 5000,
    ],
)
def test_a_path_that_is_no_operation_is_unknown_and_careful(path: str) -> None:
    found = find("GET", path)
    assert found is get("unknown.GET")
    assert found.personal is Personal.PLAIN
    assert found.plan == CAREFUL
    assert not found.published


@pytest.mark.parametrize(
    ("method", "name", "group", "repeatable"),
    [
        ("GET", "unknown.GET", Group.READ, True),
        ("HEAD", "unknown.GET", Group.READ, True),
        ("POST", "unknown.POST", Group.WRITE, False),
        ("PUT", "unknown.PUT", Group.WRITE, False),
        ("PATCH", "unknown.PATCH", Group.WRITE, False),
        ("DELETE", "unknown.DELETE", Group.WRITE, False),
        ("OPTIONS", "unknown.OTHER", Group.WRITE, False),
        ("PROPFIND", "unknown.OTHER", Group.WRITE, False),
        ("", "unknown.OTHER", Group.WRITE, False),
        ("OTHER", "unknown.OTHER", Group.WRITE, False),
        ("GET /orders/v0/orders", "unknown.OTHER", Group.WRITE, False),
    ],
)
def test_what_nobody_knows_is_judged_by_its_method(
    method: str, name: str, group: Group, repeatable: bool
) -> None:
    found = find(method, "/nobody/v9/knows")
    assert (found.name, found.group, found.repeatable) == (name, group, repeatable)
    assert found.personal is Personal.PLAIN


def test_a_known_path_with_another_method_is_unknown() -> None:
    assert find("DELETE", "/orders/v0/orders/1").name == "unknown.DELETE"


@given(st.text(max_size=12), st.text(max_size=80))
def test_nothing_raises(method: str, path: str) -> None:
    found = find(method, path)
    assert found.name.startswith("unknown.") or path.startswith("/")


@given(
    st.sampled_from([one for one in ALL if "{" in one.template]),
    st.sampled_from(["%2F", "%2f", "%5C", "/", "%2E%2E/", "//"]),
    EXAMPLES,
)
def test_no_parameter_smuggles_a_segment(one: Operation, cut: str, rest: str) -> None:
    """Whatever else Amazon may read there: where we read this operation, it is the only one."""
    path = filled(one.template, f"x{cut}{rest}")
    found = find(one.method, path)
    if found is one:
        assert re.search(r"\{(?:sku|sellerSku|SellerSKU)\}", one.template), path
        assert one.personal is Personal.NEVER


def test_the_memory_is_bounded() -> None:
    operations._remembered.cache_clear()
    for number in range(operations._REMEMBERED + 500):
        find("GET", f"/orders/v0/orders/{number}")
    find("GET", "/orders/v0/orders/" + "9" * 5000)
    assert operations._remembered.cache_info().currsize == operations._REMEMBERED


# --- what follows from it ---------------------------------------------------------------------


def test_everything_that_is_got_only_reads() -> None:
    for one in ALL:
        if one.method == "GET":
            assert (one.group, one.repeatable) == (Group.READ, True), one.name
        if one.method == "DELETE":
            assert (one.group, one.repeatable) == (Group.WRITE, False), one.name


def test_what_may_be_sent_twice_changes_nothing() -> None:
    """By the first word of its id, for those whose method would change something."""
    first_words = {
        re.match(r"[A-Z]?[a-z]+", one.name.split(".")[-1])[0]  # type: ignore[index]
        for one in ALL
        if one.repeatable and one.method != "GET"
    }
    assert first_words == {"check", "create", "delivery", "get", "list", "retrieve", "validate"}
    creating = [
        one.name for one in ALL if one.repeatable and one.method != "GET" and ".create" in one.name
    ]
    assert creating == ["tokens.2021-03-01.createRestrictedDataToken"]


@pytest.mark.parametrize(
    "name",
    [
        "feeds.2021-06-30.createFeed",
        "feeds.2021-06-30.createFeedDocument",
        "feeds.2021-06-30.cancelFeed",
        "listings.2021-08-01.patchListingsItem",
        "orders.v0.confirmShipment",
        "mfn.v0.createShipment",
        "shipping.v2.purchaseShipment",
        "fba.outbound.2020-07-01.createFulfillmentOrder",
        "finances.transfers.2024-06-01.initiatePayout",
        "messaging.v1.sendInvoice",
        "vendor.payments.v1.submitInvoices",
    ],
)
def test_what_changes_something_is_written_and_never_repeated(name: str) -> None:
    assert (the(name).group, the(name).repeatable) == (Group.WRITE, False)


def test_a_report_may_be_asked_for_by_who_only_reads_but_not_twice() -> None:
    report = the("reports.2021-06-30.createReport")
    assert (report.group, report.repeatable) == (Group.READ, False)
    assert the("reports.2021-06-30.createReportSchedule").group is Group.WRITE


def test_plans_per_application() -> None:
    assert the("listings.2021-08-01.patchListingsItem").application_plan == Plan(500, 500)
    assert the("listings.2021-08-01.getListingsRestrictions").application_plan == Plan(100, 100)
    assert the("definitions.2020-09-01.getDefinitionsProductType").application_plan == Plan(
        100, 100
    )
    assert the("feeds.2021-06-30.createFeed").application_plan is None
    for one in ALL:
        if one.application_plan is not None:
            assert one.application_plan.rate_per_s > one.plan.rate_per_s


def test_grantless_operations_have_a_scope() -> None:
    grantless = {one.name: one.scope for one in ALL if one.scope is not None}
    assert set(grantless.values()) == GRANTLESS_SCOPES
    assert the("notifications.v1.createDestination").scope == "sellingpartnerapi::notifications"
    for name in ("createSubscription", "getSubscription", "getSubscriptions"):
        assert the(f"notifications.v1.{name}").scope is None


# --- tokens that are kept free ----------------------------------------------------------------


@pytest.mark.parametrize("burst", [1, 2, 3, 4, 8, 10, 15, 100])
def test_the_less_important_a_wish_the_more_it_leaves(burst: int) -> None:
    plan = Plan(1.0, burst)
    for one in ALL:
        first, second, last, least = (
            operations.reserve(one, plan, importance) for importance in Importance
        )
        assert first == 0
        assert 0 <= second <= last < burst
        assert last <= least < burst
        assert least == (0 if burst == 1 else burst // 2)
        if one.name not in operations.KEPT_FREE or burst == 1:
            assert last == 0
        else:
            assert second >= 1


def test_a_script_leaves_feeds_to_cancel_and_refund_with() -> None:
    feed = the("feeds.2021-06-30.createFeed")
    assert operations.reserve(feed, feed.plan, Importance.LAST) == 3
    assert operations.reserve(feed, feed.plan, Importance.SECOND) == 1
    for name in ("createFeedDocument", "getFeed", "getFeedDocument"):
        one = the(f"feeds.2021-06-30.{name}")
        assert operations.reserve(one, one.plan, Importance.LAST) >= 2


# --- the table and the page are generated -----------------------------------------------------


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "operations_table", ROOT / "docs" / "operations_table.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HEAD = "operationId,method,path,rate,burst,sdk_rate,sdk_burst"
SMALL = f"""{HEAD}
getThing,GET,/things/v1/things/{{id}},0.0167,15,5,5
addThing,POST,/things/v1/things,,,2,3
askThing,GET,/a/b/2026-01-01/x,,,,
"""


def test_a_small_table() -> None:
    made: dict[str, Any] = {}
    exec(generator().table(SMALL), made)
    assert made["ROWS"].strip().splitlines() == [
        "/a/b/2026-01-01",
        "askThing GET /x -",
        "/things/v1",
        "addThing POST /things 2 3 sdk",
        "getThing GET /things/{id} 0.0167 15",
    ]


def test_a_small_table_is_read_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    exec(generator().table(SMALL), made)
    monkeypatch.setattr(operations, "ROWS", made["ROWS"])
    read = {one.name: one for one in operations._built()}
    assert {name: (one.plan, one.published) for name, one in read.items()} == {
        "a.b.2026-01-01.askThing": (CAREFUL, False),
        "things.v1.addThing": (Plan(2, 3), True),
        "things.v1.getThing": (Plan(0.0167, 15), True),
    }
    assert read["things.v1.getThing"].template == "/things/v1/things/{id}"


def test_the_table_in_force_is_as_the_generator_writes_it() -> None:
    """Out of its own rows, as a CSV: nothing in it was changed by hand."""
    rows = [HEAD]
    for operation_id, method, path, plan in operations._rows():
        figures = "," if plan is None else f"{plan.rate_per_s},{plan.burst}"
        rows.append(f"{operation_id},{method},{path},{figures},,")
    again = generator().table("\n".join(rows))
    written = (ROOT / "src/evergrant/rules/operation_table.py").read_text(encoding="utf-8")
    assert again == re.sub(r" sdk$", "", written, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "rows",
    [
        "",
        "a,GET,/things/v1/x,1,1,,\nb,GET,/things/v1/x,1,1,,",
        "a,GET,/things/x,1,1,,",
        "a,GET,/things/v1,1,1,,",
        "a,GET,/things/v1/x,0,1,,",
        "a,GET,/things/v1/x,much,1,,",
        "a,GET,/things/v1/x,1,1.5,,",
    ],
)
def test_a_table_that_cannot_be_used_is_refused(rows: str) -> None:
    with pytest.raises(SystemExit):
        generator().table(f"{HEAD}\n{rows}\n")


def test_the_reference_page_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert generator().main(["--check"]) == 0, capsys.readouterr().out


def test_the_reference_page_shows_every_operation_and_a_stale_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "operations.md"
    assert generator().main(["--check"], path=path) == 1
    assert generator().main([], path=path) == 0
    shown = re.findall(r"^\| `([^`]+)` \|", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert shown == list(NAMES)
    assert generator().main(["--nonsense"], path=path) == 2


# --- Amazon's models --------------------------------------------------------------------------

_PLACES = ("selling-partner-api-models/models", "amazon-models/models", "amazon-models")
_USAGE_PLAN = re.compile(r"^\|(?:\s*Default\s*\|)?\s*([\d.]+)\s*\|\s*(\d+)\s*\|", re.MULTILINE)


def models() -> Iterator[Path]:
    """Where EVERGRANT_AMAZON_MODELS says, or in a folder beside this repository."""
    named = os.environ.get("EVERGRANT_AMAZON_MODELS")
    if named and Path(named).is_dir():
        yield Path(named)
    for above in ROOT.parents:
        for near in (above, *(child for child in sorted(above.iterdir()) if child.is_dir())):
            yield from (near / place for place in _PLACES if (near / place).is_dir())


@cache
def folder() -> Path:
    found = next(models(), None)
    if found is None:
        pytest.skip("Amazon's models are not here; EVERGRANT_AMAZON_MODELS names their folder")
    return found


def written() -> Iterator[tuple[str, str, str, str]]:
    """operationId, method, path, description of every operation in the models."""
    for file in sorted(folder().rglob("*.json")):
        model = json.loads(file.read_text(encoding="utf-8"))
        for path, item in model.get("paths", {}).items():
            for method, operation in item.items():
                if method in {"get", "put", "post", "delete", "patch"}:
                    yield (
                        operation["operationId"],
                        method.upper(),
                        path,
                        operation.get("description", ""),
                    )


def test_every_path_of_amazons_models_is_found_with_its_operation_id() -> None:
    paths = list(written())
    lost = [
        f"{method} {path}"
        for operation_id, method, path, _ in paths
        if operation_id not in find(method, filled(path)).name.split(".")
        or find(method, path).template != path
    ]
    assert lost == []
    assert paths


def test_every_usage_plan_of_amazons_models_is_ours() -> None:
    seen = 0
    for _, method, path, description in written():
        figures = _USAGE_PLAN.search(description)
        if figures is None:
            continue
        seen += 1
        one = find(method, path)
        assert one.published, one.name
        assert one.plan == Plan(float(figures[1]), int(figures[2])), one.name
    assert seen
