"""The table of plans, what goes before it, the header, and Amazon's own models as judge."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from amazon_emulator.limits import Plan, Plans, header_for, sometimes
from amazon_emulator.limits.plans import header_text, packaged
from amazon_emulator.stage import Stage

CREATE_FEED = ("POST", "/feeds/2021-06-30/feeds")
LISTINGS_ITEM = "/listings/2021-08-01/items/{sellerId}/{sku}"
PRODUCT_TYPES = "/definitions/2020-09-01/productTypes"
SILENT = ("PUT", "/externalFulfillment/2024-09-11/shipments/{shipmentId}/packages/{packageId}")


def plan_of(plans: Plans, method: str, path: str, **narrowed: str) -> Plan:
    plan = plans.of(method, path, **narrowed)
    assert plan is not None
    return plan


@pytest.fixture
def stage() -> Stage:
    return Stage.fresh(gentle=True, seed=1, start=None)


# --- the packaged table ---------------------------------------------------------------------------


def test_the_table_has_every_operation_of_amazons_66_models_once() -> None:
    known = list(Plans().known())
    assert len(known) == len({(method, path) for method, path, _ in known}) == 370
    sources = Counter(
        plan.source if plan else None
        for plan in (Plans().of(method, path) for method, path, _ in known)
    )
    assert sources == {"model": 300, "sdk": 54, None: 16}


@pytest.mark.parametrize(
    ("operation", "rate", "burst", "header"),
    [
        (CREATE_FEED, "0.0083", 15, "0.0083"),
        (("POST", "/feeds/2021-06-30/documents"), "0.5", 15, "0.5"),
        (("GET", "/feeds/2021-06-30/feeds/{feedId}"), "2", 15, "2.0"),
        (("GET", "/orders/2026-01-01/orders"), "0.0056", 20, "0.0056"),
        (("GET", "/sellers/v1/marketplaceParticipations"), "0.016", 15, "0.016"),
        (("POST", "/applications/2023-11-30/clientSecret"), "0.0167", 1, "0.0167"),
        (("GET", "/vendor/orders/v1/purchaseOrders"), "10", 10, "10.0"),
        (("GET", "/finances/transfers/2024-06-01/paymentMethods"), "0.5", 30, "0.5"),
    ],
)
def test_known_figures(operation: tuple[str, str], rate: str, burst: int, header: str) -> None:
    plan = plan_of(Plans(), *operation)
    assert (plan.rate, plan.burst, plan.header) == (Fraction(rate), burst, header)
    assert plan.source == "model"


def test_the_sdk_fills_where_the_model_is_silent() -> None:
    plan = plan_of(Plans(), "GET", "/supplySources/2020-07-01/supplySources")
    assert (plan.rate, plan.burst, plan.source) == (Fraction(10), 10, "sdk")


def test_where_both_are_silent_no_plan_is_known() -> None:
    plans = Plans()
    assert plans.of(*SILENT) is None
    assert plans.name_of(*SILENT) == "updatePackage"
    assert plans.of("GET", "/no/such/path") is None
    assert plans.name_of("GET", "/no/such/path") == "GET /no/such/path"


def test_rates_per_application_are_those_of_amazons_pages_and_no_others() -> None:
    plans = Plans()
    given = {
        (method, path): plan.per_application
        for method, path, _ in plans.known()
        if (plan := plans.of(method, path)) and plan.per_application
    }
    assert given == {
        ("PATCH", LISTINGS_ITEM): 500,
        ("PUT", LISTINGS_ITEM): 100,
        ("DELETE", LISTINGS_ITEM): 100,
        ("GET", LISTINGS_ITEM): 100,
        ("GET", PRODUCT_TYPES): 100,
        ("GET", PRODUCT_TYPES + "/{productType}"): 100,
        ("GET", "/listings/2021-08-01/restrictions"): 100,
    }


def test_every_line_of_the_table_makes_a_plan_as_amazon_would_write_it() -> None:
    for known in packaged().values():
        if known.plan is None:
            continue
        made = Plan.of(known.plan.rate, known.plan.burst)
        assert (made.rate, made.burst, made.header) == (
            known.plan.rate, known.plan.burst, known.plan.header,
        )  # fmt: skip
        assert float(known.plan.header) == float(known.plan.rate)


def test_names_that_several_apis_share_give_all_of_them() -> None:
    plans = Plans()
    assert len(plans.named("getOrder")) > 2
    assert plans.named("createFeed") == [CREATE_FEED]
    assert plans.named("makeTea") == []


# --- the program that writes it -------------------------------------------------------------------


@pytest.fixture(scope="module")
def table_program() -> ModuleType:
    path = Path(__file__).parents[2] / "packages" / "emulator" / "plans_table.py"
    spec = importlib.util.spec_from_file_location("plans_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def figures(**given: str) -> dict[str, str]:
    empty = dict.fromkeys(("rate", "burst", "sdk_rate", "sdk_burst"), "")
    return {"operationId": "getTea", "method": "GET", "path": "/tea", **empty, **given}


def capped(program: ModuleType) -> list[dict[str, str]]:
    return [
        figures(method=method, path=path, rate="5", burst="5")
        for method, path in program.PER_APPLICATION
    ]


def test_the_models_figure_wins_and_the_sdks_fills(table_program: ModuleType) -> None:
    given = [
        figures(path="/both", rate=".5", burst="3", sdk_rate="9", sdk_burst="9"),
        figures(path="/sdk", sdk_rate="2.0", sdk_burst="4"),
        figures(path="/none"),
    ]
    made = {row["path"]: row for row in table_program.rows([*given, *capped(table_program)])}
    both, sdk, none = made["/both"], made["/sdk"], made["/none"]
    assert (both["rate"], both["burst"], both["source"], both["header"]) == (
        "0.5", "3", "model", "0.5",
    )  # fmt: skip
    assert (sdk["rate"], sdk["burst"], sdk["source"], sdk["header"]) == ("2", "4", "sdk", "2.0")
    assert {none[name] for name in ("rate", "burst", "source", "header")} == {""}
    assert made[LISTINGS_ITEM]["per_application"] == "100"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([figures(rate="5")], "half a plan"),
        ([figures(rate="0", burst="5")], "no plan"),
        ([figures(rate="1", burst="0")], "no plan"),
        ([figures(rate="n", burst="n")], "n"),
        ([figures(), figures()], "twice"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(
    table_program: ModuleType, lines: list[dict[str, str]], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        table_program.rows([*lines, *capped(table_program)])


def test_a_rate_per_application_needs_its_operation(table_program: ModuleType) -> None:
    with pytest.raises(ValueError, match="not in the table"):
        table_program.rows([figures()])


def test_the_packaged_table_is_as_the_program_writes_it(table_program: ModuleType) -> None:
    source = (table_program.DESTINATION).read_text(encoding="utf-8")
    lines = []
    for row in csv.DictReader(io.StringIO(source)):
        prefix = "sdk_" if row["source"] == "sdk" else ""
        lines.append(
            figures(
                operationId=row["name"],
                method=row["method"],
                path=row["path"],
                **{f"{prefix}rate": row["rate"], f"{prefix}burst": row["burst"]},
            )
        )
    again = io.StringIO()
    table_program.write(table_program.rows(reversed(lines)), again)
    assert again.getvalue() == source


# --- what goes before the table -------------------------------------------------------------------


def test_figures_of_a_models_folder_win_and_the_table_fills() -> None:
    plans = Plans()
    plans.overlay(
        [
            (*CREATE_FEED, "createFeed", (0.0083, 20)),
            ("GET", "/feeds/2021-06-30/feeds/{feedId}", "getFeed", None),
            ("PATCH", LISTINGS_ITEM, "patchListingsItem", ("7.5", "8")),
            ("GET", "/tea/v1/pots", "getPots", (1, 2)),
            ("GET", "/tea/v1/cups", "getCups", None),
            ("GET", "/supplySources/2020-07-01/supplySources", "getSupplySources", (3, 3)),
        ]
    )
    feed = plan_of(plans, *CREATE_FEED)
    assert (feed.rate, feed.burst) == (Fraction(83, 10_000), 20)
    assert plan_of(plans, "GET", "/feeds/2021-06-30/feeds/{feedId}").rate == 2
    patch = plan_of(plans, "PATCH", LISTINGS_ITEM)
    assert (patch.rate, patch.burst, patch.header) == (Fraction(15, 2), 8, "7.5")
    assert patch.per_application == 500
    assert plan_of(plans, "GET", "/tea/v1/pots").header == "1.0"
    assert plans.of("GET", "/tea/v1/cups") is None
    assert plan_of(plans, "GET", "/supplySources/2020-07-01/supplySources").source == "model"
    assert len(list(plans.known())) == 372
    assert ("GET", "/tea/v1/cups", "getCups") in set(plans.known())


def test_an_overlay_leaves_other_emulators_alone_and_outlives_a_reset() -> None:
    plans = Plans()
    plans.overlay([(*CREATE_FEED, "createFeed", (1, 1))])
    plans.override(*CREATE_FEED, 2, 2)
    assert plan_of(Plans(), *CREATE_FEED).burst == 15
    assert plan_of(plans, *CREATE_FEED).burst == 2
    assert plan_of(plans.fresh(), *CREATE_FEED).burst == 1


@pytest.mark.parametrize(
    "wrong", [(0, 5), (-1, 5), (5, 0), (5, 1.5), ("n", "n"), (float("nan"), 1)]
)
def test_an_overlay_that_makes_no_plan_changes_nothing(wrong: tuple[Any, Any]) -> None:
    plans = Plans()
    with pytest.raises(ValueError, match="createFeed"):
        plans.overlay(
            [
                ("GET", "/tea/v1/pots", "getPots", (1, 2)),
                (*CREATE_FEED, "createFeed", wrong),
            ]
        )
    assert len(list(plans.known())) == 370
    assert plan_of(plans, *CREATE_FEED).burst == 15


def test_the_narrower_plan_of_a_lever_wins() -> None:
    plans = Plans()
    who = {"application_id": "app", "partner_id": "A1"}
    assert plan_of(plans, *CREATE_FEED, **who).burst == 15
    plans.override(*CREATE_FEED, 1, 1)
    assert plan_of(plans, *CREATE_FEED, **who).burst == 1
    plans.override(*CREATE_FEED, 1, 2, application_id="app")
    assert plan_of(plans, *CREATE_FEED, **who).burst == 2
    plans.override(*CREATE_FEED, 1, 3, partner_id="A1")
    assert plan_of(plans, *CREATE_FEED, **who).burst == 3
    plans.override(*CREATE_FEED, 1, 4, application_id="app", partner_id="A1")
    assert plan_of(plans, *CREATE_FEED, **who).burst == 4
    assert plan_of(plans, *CREATE_FEED, application_id="app", partner_id="A2").burst == 2
    assert plan_of(plans, *CREATE_FEED, application_id="other", partner_id="A1").burst == 3
    assert plan_of(plans, *CREATE_FEED, application_id="other").burst == 1
    assert plan_of(plans, "GET", "/feeds/2021-06-30/feeds").burst == 10

    assert plans.restore(*CREATE_FEED, application_id="app", partner_id="A1") == 1
    assert plan_of(plans, *CREATE_FEED, **who).burst == 3
    assert plans.restore("GET", "/feeds/2021-06-30/feeds") == 0
    assert plans.restore(*CREATE_FEED) == 3
    assert plan_of(plans, *CREATE_FEED, **who).source == "model"


def test_a_plan_of_a_lever_keeps_the_rate_per_application_and_writes_its_own_header() -> None:
    plan = Plans().override("PATCH", LISTINGS_ITEM, 0.25, 2)
    assert (plan.per_application, plan.header, plan.source) == (Fraction(500), "0.25", "lever")


def test_a_lever_can_plan_what_amazon_does_not_say_but_not_what_nobody_knows() -> None:
    plans = Plans()
    plans.override(*SILENT, 1, 1)
    assert plan_of(plans, *SILENT).burst == 1
    with pytest.raises(ValueError, match="no operation of Amazon's"):
        plans.override("GET", "/tea", 1, 1)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        ("5", "5.0"),
        ("0.0083", "0.0083"),
        ("1.133", "1.133"),
        ("0.00001", "0.00001"),
        ("80", "80.0"),
    ],
)
def test_rates_as_amazon_writes_them(rate: str, text: str) -> None:
    assert header_text(Fraction(rate)) == text


# --- world file -----------------------------------------------------------------------------------


def test_what_levers_set_goes_through_a_file(stage: Stage) -> None:
    plans = Plans()
    plans.override(*CREATE_FEED, 0.1, 3)
    plans.override(*CREATE_FEED, 1 / 3, 5, application_id="app", partner_id="A1")
    given = json.loads(json.dumps(plans.as_json()))
    again = Plans()
    again.load(stage, given)
    assert again.overrides == plans.overrides
    assert again.as_json() == given
    assert Plans().as_json() == []


GOOD_ROW = {
    "method": "POST", "path": CREATE_FEED[1], "application_id": None, "partner": None,
    "rate": 1, "burst": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, r"plans: must be a list"),
        ([GOOD_ROW, 5], r"plans\[1\]"),
        ([{**GOOD_ROW, "more": 1}], r"plans\[0\]: must be"),
        ([{**GOOD_ROW, "rate": "1"}], r"plans\[0\]: must be"),
        ([{**GOOD_ROW, "rate": True}], r"plans\[0\]: True is no number"),
        ([{**GOOD_ROW, "burst": 1.0}], r"plans\[0\]: must be"),
        ([{**GOOD_ROW, "burst": 0}], r"plans\[0\]: a burst is"),
        ([{**GOOD_ROW, "rate": -1}], r"plans\[0\]: a rate is"),
        ([{**GOOD_ROW, "partner": 5}], r"plans\[0\]: must be"),
        ([{**GOOD_ROW, "path": "/tea"}], r"plans\[0\]: no operation"),
        ([{"method": "POST"}], r"plans\[0\]: must be"),
    ],
)
def test_a_file_that_is_wrong_is_told_where(stage: Stage, given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Plans().load(stage, given)


# --- the header -----------------------------------------------------------------------------------

PLAN = Plan.of("0.0167", 20, per_application=Fraction(500))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 207, 400, 404])
def test_the_header_is_the_pairs_rate_where_the_model_declares_it(status: int) -> None:
    assert header_for(status, PLAN, None) == "0.0167"
    assert header_for(status, PLAN, frozenset({status})) == "0.0167"
    assert header_for(status, PLAN, frozenset({500})) is None
    assert header_for(status, PLAN, frozenset()) is None
    assert header_for(status, None, None) is None


@pytest.mark.parametrize("status", [302, 401, 403, 405, 409, 413, 415, 429, 500, 502, 503])
def test_the_header_comes_with_nothing_else_whatever_a_model_declares(status: int) -> None:
    assert header_for(status, PLAN, None) is None
    assert header_for(status, PLAN, frozenset({status})) is None


def test_the_header_is_best_effort() -> None:
    dice = random.Random(7)
    sent = [header_for(200, PLAN, None, dice=dice) for _ in range(2000)]
    assert set(sent) == {"0.0167", None}
    assert 40 < sent.count(None) < 200
    assert [sometimes(random.Random(7)) for _ in range(3)] == [sometimes(random.Random(7))] * 3


# --- Amazon's models as judge ---------------------------------------------------------------------

FIGURES = re.compile(r"^\|(?:\s*Default\s*\|)?\s*(\d*\.?\d+)\s*\|\s*(\d+)\s*\|\s*$", re.MULTILINE)


def described(models: Path) -> Iterator[tuple[str, str, str, str]]:
    for path in sorted(models.glob("*/*.json")):
        model = json.loads(path.read_text(encoding="utf-8"))
        for template, item in model["paths"].items():
            for method, operation in item.items():
                if method in ("get", "put", "post", "delete", "patch"):
                    words = operation.get("description", "")
                    yield method.upper(), template, operation["operationId"], words


def test_the_table_agrees_with_amazons_models(models: Path) -> None:
    plans, seen, told = Plans(), 0, 0
    for method, template, name, words in described(models):
        place = f"{method} {template}"
        assert plans.name_of(method, template) == name, place
        seen += 1
        plan = plans.of(method, template)
        figures = FIGURES.search(words.replace("\\n", "\n"))  # one is escaped twice
        if figures is None:
            assert plan is None or plan.source != "model", place
            continue
        told += 1
        assert plan is not None, place
        wanted = (Fraction(figures[1]), int(figures[2]), "model")
        assert (plan.rate, plan.burst, plan.source) == wanted, place
    assert seen >= 100
    assert told >= 100
