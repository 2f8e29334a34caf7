"""Reports 2021-06-30: the nine operations, contents, schedules, restricted types; their levers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_emulator import Emulator, LeverError
from amazon_emulator.trade.queues import notices
from amazon_emulator.trade.reports import contents
from amazon_emulator.trade.reports.report import PERIODS, after, first_after
from amazon_emulator.trade.reports.reports import Reports
from amazon_emulator.trade.reports.types import REPORT_TYPES
from tests.emulator.conftest import House
from tests.emulator.feeds_desk import (
    DE,
    FEED_DOCUMENTS,
    FR,
    REPORT_DOCUMENTS,
    REPORTS,
    SCHEDULES,
    Desk,
    refused,
)
from tests.emulator.test_selling_partner_api import check_shape

MODEL = "reports-api-model/reports_2021-06-30.json"
EMPTY = "GET_FBA_MYI_ALL_INVENTORY_DATA"
LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"
OPEN_LISTINGS = "GET_FLAT_FILE_OPEN_LISTINGS_DATA"
BY_UPDATE = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
BY_DATE = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
TO_SHIP = "GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING"
VAT = "GET_FLAT_FILE_VAT_INVOICE_DATA_REPORT"
SALES = "GET_V2_SELLER_PERFORMANCE_REPORT"
SETTLEMENT = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
SCHEDULED = "GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE"


@pytest.fixture
def desk(house: House) -> Desk:
    made = Desk.of(house)
    made.lever("PUT", "/reports/pace", {"queue_s": 0, "processing_s": 0})
    return made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The notifications."""
    heard: list[tuple[str, Any]] = []

    def tell(stage: Any, name: str, partner: Any, payload: Any, now: Any, **more: Any) -> None:
        assert more["payload_version"] == "2020-09-04"
        heard.append((name, payload))

    monkeypatch.setattr(notices, "tell", tell)
    return heard


def rows(content: bytes) -> list[dict[str, str]]:
    """A flat file with its head, which must fit every line."""
    head, *lines = content.decode().removesuffix("\r\n").split("\r\n")
    names = head.split("\t")
    found = [dict(zip(names, line.split("\t"), strict=True)) for line in lines]
    assert len(set(names)) == len(names)
    return found


def restricted(desk: Desk, report_id: str) -> bytes:
    """What stands in a report of a restricted type."""
    path = f"{REPORT_DOCUMENTS}/{desk.get_report(report_id)['reportDocumentId']}"
    refused(desk.call("GET", path), 403, "Unauthorized")
    body = {"restrictedResources": [{"method": "GET", "path": path}]}
    answer = desk.call("POST", "/tokens/2021-03-01/restrictedDataToken", body)
    assert answer.status_code == 200, answer.text
    opened = Desk(desk.house, desk.partner, answer.json()["restrictedDataToken"])
    document = opened.call("GET", path)
    assert document.status_code == 200, document.text
    return desk.downloaded(document.json())


# --- from the request to the document -------------------------------------------------------------


def test_the_whole_way(house: House, models: Path, told: list[tuple[str, Any]]) -> None:
    desk = Desk.of(house)
    desk.lever("PUT", "/reports/pace", {"queue_s": 60, "processing_s": 120})
    answer = desk.ask(EMPTY, marketplaceIds=[DE, FR], reportOptions={"a": "b"})
    assert answer.status_code == 202
    check_shape(models, MODEL, "CreateReportResponse", answer.json())
    report_id = answer.json()["reportId"]
    states = []
    for seconds in (0, 58, 3, 116, 5):
        desk.advance(seconds)
        known = desk.get_report(report_id)
        check_shape(models, MODEL, "Report", known)
        states.append(known["processingStatus"])
        assert ("reportDocumentId" in known) is (known["processingStatus"] == "DONE")
    assert states == ["IN_QUEUE", "IN_QUEUE", "IN_PROGRESS", "IN_PROGRESS", "DONE"]
    assert known["marketplaceIds"] == [DE, FR]
    assert known["createdTime"] < known["processingStartTime"] < known["processingEndTime"]
    document_id = known["reportDocumentId"]
    document = desk.call("GET", f"{REPORT_DOCUMENTS}/{document_id}").json()
    check_shape(models, MODEL, "ReportDocument", document)
    assert rows(desk.downloaded(document)) == []
    assert told == [
        (
            "REPORT_PROCESSING_FINISHED",
            {
                "reportProcessingFinishedNotification": {
                    "sellerId": desk.partner_id,
                    "accountId": f"amzn1.merchant.o.{desk.partner_id}",
                    "reportId": report_id,
                    "reportType": EMPTY,
                    "processingStatus": "DONE",
                    "reportDocumentId": document_id,
                }
            },
        )
    ]
    schema = models.parent / "schemas/notifications/ReportProcessingFinishedNotification.json"
    wanted = json.loads(schema.read_text())["properties"]["payload"]["properties"]
    facts = wanted["reportProcessingFinishedNotification"]["properties"]
    assert set(told[0][1]["reportProcessingFinishedNotification"]) <= set(facts)


@pytest.mark.parametrize(
    "changes",
    [
        {"reportType": None},
        {"reportType": "GET_SOMETHING_NEW"},
        {"reportType": 7},
        {"marketplaceIds": None},
        {"marketplaceIds": []},
        {"marketplaceIds": [DE] * 26},
        {"reportOptions": {"a": 1}},
        {"dataStartTime": "yesterday"},
        {"dataStartTime": 7},
        {"dataStartTime": "2999-01-01T00:00:00Z"},
        {"dataEndTime": "2999-01-01T00:00:00Z"},
        {"dataStartTime": "2026-01-02T00:00:00Z", "dataEndTime": "2026-01-01T00:00:00Z"},
        {"reportType": SETTLEMENT},
    ],
)
def test_input_that_is_refused(desk: Desk, changes: dict[str, Any]) -> None:
    report_type = changes.pop("reportType", EMPTY)
    refused(desk.ask(report_type, **changes), 400, "InvalidInput")
    assert desk.lever("GET", "/reports")["count"] == 0


def test_types_of_vendors_and_sellers(house: House) -> None:
    seller, vendor = Desk.of(house), Desk.of(house, house.vendor())
    refused(seller.ask("GET_VENDOR_SALES_REPORT"), 403, "Unauthorized")
    refused(vendor.ask(EMPTY), 403, "Unauthorized")
    assert vendor.ask("GET_VENDOR_SALES_REPORT").status_code == 202


@pytest.mark.parametrize("report_type", sorted(REPORT_TYPES))
def test_every_type_that_can_be_requested_ends(house: House, report_type: str) -> None:
    known = REPORT_TYPES[report_type]
    desk = Desk.of(house, house.vendor() if known.partner_kinds == ("vendor",) else None)
    desk.lever("PUT", "/reports/pace", {"queue_s": 0, "processing_s": 0})
    if not known.requestable:
        refused(desk.ask(report_type), 400, "InvalidInput")
        return
    report_id = desk.report(report_type)
    report = desk.get_report(report_id)
    if report["processingStatus"] == "CANCELLED":
        assert "reportDocumentId" not in report
        return
    assert report["processingStatus"] == "DONE"
    content = restricted(desk, report_id) if known.restricted else desk.written(report_id)
    assert content
    if known.content_type == "application/json":
        assert json.loads(content)["reportSpecification"]["reportType"] == report_type


def test_a_limit_over_all_applications(house: House) -> None:
    desk = Desk.of(house)
    kind = "GET_SALES_AND_TRAFFIC_REPORT"
    assert [desk.ask(kind).status_code for _ in range(5)] == [202] * 4 + [429]
    assert desk.ask(EMPTY).status_code == 202


def test_cancel(house: House) -> None:
    desk = Desk.of(house)
    desk.lever("PUT", "/reports/pace", {"queue_s": 10, "processing_s": 10})
    first, second = desk.report(EMPTY), desk.report(EMPTY)
    answer = desk.call("DELETE", f"{REPORTS}/{first}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert desk.get_report(first)["processingStatus"] == "CANCELLED"
    desk.advance(11)
    refused(desk.call("DELETE", f"{REPORTS}/{first}"), 400, "InvalidInput")
    refused(desk.call("DELETE", f"{REPORTS}/{second}"), 400, "InvalidInput")
    desk.advance(11)
    assert desk.get_report(first)["processingStatus"] == "CANCELLED"
    assert desk.get_report(second)["processingStatus"] == "DONE"


def test_reports_and_documents_of_others(house: House, desk: Desk) -> None:
    report_id = desk.report(EMPTY)
    document_id = desk.get_report(report_id)["reportDocumentId"]
    other = Desk.of(house)
    refused(other.call("GET", f"{REPORTS}/{report_id}"), 404, "NotFound")
    refused(other.call("DELETE", f"{REPORTS}/{report_id}"), 404, "NotFound")
    refused(other.call("GET", f"{REPORT_DOCUMENTS}/{document_id}"), 404, "NotFound")
    refused(desk.call("GET", f"{FEED_DOCUMENTS}/{document_id}"), 404, "NotFound")
    refused(desk.call("GET", f"{REPORT_DOCUMENTS}/{desk.uploaded()}"), 404, "NotFound")


def test_reports_are_kept_90_days_and_documents_28(desk: Desk) -> None:
    report_id = desk.report(EMPTY)
    document_id = desk.get_report(report_id)["reportDocumentId"]
    desk.advance(28 * 86400 - 60)
    renewed = Desk.of(desk.house, desk.partner)
    assert renewed.written(report_id)
    desk.advance(61)
    refused(renewed.call("GET", f"{REPORT_DOCUMENTS}/{document_id}"), 404, "NotFound")
    desk.advance(62 * 86400 - 60)
    renewed = Desk.of(desk.house, desk.partner)
    assert renewed.get_report(report_id)["processingStatus"] == "DONE"
    desk.advance(61)
    refused(renewed.call("GET", f"{REPORTS}/{report_id}"), 404, "NotFound")


def test_list(desk: Desk, models: Path) -> None:
    desk.lever("PUT", "/limits", {"enforced": False})
    made = [desk.report(EMPTY) for _ in range(4)]
    other = desk.report("GET_AFN_INVENTORY_DATA", marketplaceIds=[FR])
    cancelled = desk.report(LISTINGS)
    types = f"{EMPTY},GET_AFN_INVENTORY_DATA,{LISTINGS}"

    def found(**query: Any) -> list[str]:
        answer = desk.call("GET", REPORTS, **query)
        assert answer.status_code == 200, answer.text
        check_shape(models, MODEL, "GetReportsResponse", answer.json())
        return [row["reportId"] for row in answer.json()["reports"]]

    assert found(reportTypes=types) == [cancelled, other, *made[::-1]]
    assert found(reportTypes=types, processingStatuses="CANCELLED") == [cancelled]
    assert found(reportTypes=types, marketplaceIds=FR) == [other]
    first = desk.call("GET", REPORTS, reportTypes=EMPTY, pageSize=3).json()
    rest = desk.call("GET", REPORTS, nextToken=first["nextToken"]).json()
    seen = [row["reportId"] for row in (*first["reports"], *rest["reports"])]
    assert seen == made[::-1]
    assert "nextToken" not in rest
    refused(desk.call("GET", REPORTS), 400, "InvalidInput")
    refused(
        desk.call("GET", REPORTS, nextToken=first["nextToken"], pageSize=3), 400, "InvalidInput"
    )
    wrong_place = desk.call("GET", "/feeds/2021-06-30/feeds", nextToken=first["nextToken"])
    refused(wrong_place, 400, "InvalidInput")


# --- contents -------------------------------------------------------------------------------------


def list_one(desk: Desk, sku: str, **wishes: Any) -> None:
    body = {"selling_partner_id": desk.partner_id, "sku": sku, **wishes}
    desk.lever("POST", "/world/listings", body)


def test_listings(desk: Desk) -> None:
    list_one(desk, "SOLD", name="A\tB", stock=7, price=19.9, marketplaces=["DE"])
    list_one(desk, "EMPTY", stock=0, price=5, marketplaces=["DE"])
    list_one(desk, "FBA", stock={"AMAZON_EU": 3}, price=5, marketplaces=["DE"])
    list_one(desk, "FRENCH", stock=7, price=5, marketplaces=["FR"])
    found = {row["seller-sku"]: row for row in rows(desk.written(desk.report(LISTINGS)))}
    assert list(found) == ["SOLD", "EMPTY", "FBA"]
    sold = found["SOLD"]
    assert (sold["price"], sold["quantity"], sold["status"]) == ("19.90", "7", "Active")
    assert (sold["item-name"], sold["fulfillment-channel"]) == ("A B", "DEFAULT")
    assert sold["asin1"].startswith("B0")
    assert (found["EMPTY"]["quantity"], found["EMPTY"]["status"]) == ("0", "Inactive")
    assert (found["FBA"]["quantity"], found["FBA"]["fulfillment-channel"]) == ("", "AMAZON_EU")
    offered = rows(desk.written(desk.report(OPEN_LISTINGS, marketplaceIds=[FR, DE])))
    assert [row["sku"] for row in offered if row["sku"] != "FBA"] == ["SOLD", "FRENCH"]
    assert offered[0] == {
        "sku": "SOLD",
        "asin": sold["asin1"],
        "price": "19.90",
        "quantity": "7",
    }


@pytest.mark.parametrize("report_type", [LISTINGS, OPEN_LISTINGS, BY_UPDATE, BY_DATE, TO_SHIP, VAT])
def test_no_data_is_cancelled(desk: Desk, report_type: str) -> None:
    known = desk.get_report(desk.report(report_type))
    assert known["processingStatus"] == "CANCELLED"
    assert "reportDocumentId" not in known


def order(desk: Desk, **wishes: Any) -> dict[str, Any]:
    body = {"selling_partner_id": desk.partner_id, "notify": False, **wishes}
    made: dict[str, Any] = desk.lever("POST", "/orders", body)["items"][0]
    return made


def test_orders(desk: Desk) -> None:
    day = 86400
    items = [{"sku": "S-1", "quantity": 2, "price": "10.00", "tax": "3.80"}, {"sku": "S-2"}]
    order(desk, order_id="902-0000000-0000001", age_seconds=3 * day, items=items)
    order(desk, order_id="902-0000000-0000002", age_seconds=day, status="SHIPPED")
    order(desk, order_id="902-0000000-0000003", age_seconds=40 * day)
    order(desk, order_id="902-0000000-0000004", marketplace="FR")
    now = desk.house.amazon.levers.now()
    start = (now - timedelta(days=5)).isoformat()
    end = (now - timedelta(days=2)).isoformat()

    def ids(report_type: str, **span: Any) -> list[str]:
        found = rows(desk.written(desk.report(report_type, **span)))
        return [row["amazon-order-id"][-1] for row in found]

    assert ids(BY_DATE) == ["2", "1", "1"], "a row for each item; 30 days when nothing is said"
    assert ids(BY_DATE, dataStartTime=start, dataEndTime=end) == ["1", "1"]
    (first, second) = rows(desk.written(desk.report(BY_DATE, dataStartTime=start, dataEndTime=end)))
    assert first["sku"] == "S-1"
    assert (first["quantity"], first["currency"]) == ("2", "EUR")
    assert (first["item-price"], first["item-tax"]) == ("20.00", "3.80")
    assert (first["order-status"], first["fulfillment-channel"]) == ("Unshipped", "Merchant")
    assert first["sales-channel"] == "Amazon.de"
    assert second["sku"] == "S-2"
    assert ids(BY_UPDATE, dataStartTime=end) == ["2"]
    desk.lever("POST", "/orders/902-0000000-0000003/wish-to-cancel", {})
    assert ids(BY_UPDATE, dataStartTime=end) == ["3", "2"], "the latest change first"
    assert ids(BY_DATE, dataStartTime=end) == ["2"]
    assert "name" not in first, "no personal data in reports that are not restricted"


def test_order_reports_are_about_31_days_at_most(desk: Desk) -> None:
    order(desk)
    now = desk.house.amazon.levers.now()
    for days, status in ((30, "DONE"), (32, "FATAL")):
        start = (now - timedelta(days=days)).isoformat()
        report_id = desk.report(BY_DATE, dataStartTime=start)
        assert desk.get_report(report_id)["processingStatus"] == status
    assert "31 days" in json.loads(desk.written(report_id))["errorDetails"]


def test_orders_to_ship_are_restricted(desk: Desk) -> None:
    order(desk, order_id="902-0000000-0000001", items=[{"sku": "S-1", "quantity": 3}])
    order(desk, order_id="902-0000000-0000002", status="SHIPPED")
    order(desk, order_id="902-0000000-0000003", fulfilled_by="AMAZON")
    order(desk, order_id="902-0000000-0000004", status="PENDING")
    order(desk, order_id="902-0000000-0000005", status="CANCELLED")
    (row,) = rows(restricted(desk, desk.report(TO_SHIP)))
    assert row["order-id"] == "902-0000000-0000001"
    assert (row["quantity-purchased"], row["quantity-to-ship"]) == ("3", "3")
    assert row["recipient-name"]
    assert row["ship-country"] == "DE"


def test_invoices_are_restricted(desk: Desk) -> None:
    order(desk, order_id="902-0000000-0000001", status="SHIPPED")
    body = {"selling_partner_id": desk.partner_id, "in_vat_service": True}
    desk.lever("POST", "/orders/vat-service", body)
    (row,) = rows(restricted(desk, desk.report(VAT, reportOptions={"All": "true"})))
    assert row["order-id"] == "902-0000000-0000001"
    assert row["invoice-status"] == "Pending"
    assert len(rows(restricted(desk, desk.report(VAT)))) == 1


def test_flat_files_and_packing_vary_unless_gentle(desk: Desk) -> None:
    desk.lever("PUT", "/limits", {"enforced": False})
    list_one(desk, "SKU", name="Größe", stock=7, price=5, marketplaces=["DE"])
    desk.house.amazon.levers.habits(gentle=False)
    kinds = set()
    for _ in range(24):
        document_id = desk.get_report(report_id := desk.report(LISTINGS))["reportDocumentId"]
        document = desk.call("GET", f"{REPORT_DOCUMENTS}/{document_id}").json()
        content_type = desk.house.http.get(document["url"]).headers["content-type"]
        encoding = content_type.partition("charset=")[2]
        assert "Größe" in desk.written(report_id).decode(encoding)
        kinds.add(("compressionAlgorithm" in document, encoding))
    assert kinds == {(packed, name) for packed in (True, False) for name in ("utf-8", "cp1252")}


# --- schedules ------------------------------------------------------------------------------------


def plan(desk: Desk, **changes: Any) -> Any:
    body = {"reportType": SCHEDULED, "marketplaceIds": [DE], "period": "PT1H", **changes}
    return desk.call("POST", SCHEDULES, {k: v for k, v in body.items() if v is not None})


def test_a_schedule_makes_reports(desk: Desk, models: Path) -> None:
    desk.lever("PUT", "/limits", {"enforced": False})
    answer = plan(desk, reportOptions={"a": "b"})
    assert answer.status_code == 201
    check_shape(models, MODEL, "CreateReportScheduleResponse", answer.json())
    schedule_id = answer.json()["reportScheduleId"]
    known = desk.call("GET", f"{SCHEDULES}/{schedule_id}").json()
    check_shape(models, MODEL, "ReportSchedule", known)
    assert known["period"] == "PT1H"
    assert known["reportOptions"] == {"a": "b"}
    listed = desk.call("GET", SCHEDULES, reportTypes=SCHEDULED).json()
    check_shape(models, MODEL, "ReportScheduleList", listed)
    assert listed == {"reportSchedules": [known]}
    assert desk.call("GET", SCHEDULES, reportTypes=EMPTY).json() == {"reportSchedules": []}
    desk.advance(3598)
    assert desk.lever("GET", "/reports")["count"] == 0
    desk.advance(3)
    renewed = Desk.of(desk.house, desk.partner)
    (first,) = renewed.call("GET", REPORTS, reportTypes=SCHEDULED).json()["reports"]
    check_shape(models, MODEL, "Report", first)
    assert first["reportScheduleId"] == schedule_id
    assert first["createdTime"] == known["nextReportCreationTime"]
    desk.advance(5 * 3600)
    renewed = Desk.of(desk.house, desk.partner)
    found = renewed.call("GET", REPORTS, reportTypes=SCHEDULED).json()["reports"]
    assert len(found) == 6
    for later, earlier in pairwise(found):
        assert later["dataStartTime"] == earlier["dataEndTime"], "no gap, no overlap"
    assert renewed.call("DELETE", f"{SCHEDULES}/{schedule_id}").status_code == 200
    refused(renewed.call("GET", f"{SCHEDULES}/{schedule_id}"), 404, "NotFound")
    refused(renewed.call("DELETE", f"{SCHEDULES}/{schedule_id}"), 404, "NotFound")
    desk.advance(7200)
    assert desk.lever("GET", "/reports")["count"] == 6


def test_a_schedule_replaces_its_like(desk: Desk) -> None:
    first = plan(desk, marketplaceIds=[DE, FR]).json()["reportScheduleId"]
    other = plan(desk, marketplaceIds=[DE]).json()["reportScheduleId"]
    second = plan(desk, marketplaceIds=[FR, DE], period="P1D").json()["reportScheduleId"]
    assert first != second
    listed = desk.call("GET", SCHEDULES, reportTypes=SCHEDULED).json()["reportSchedules"]
    assert [one["reportScheduleId"] for one in listed] == [other, second]
    desk.advance(3601)
    assert desk.lever("GET", "/reports")["count"] == 1


def test_a_schedule_begins_when_wished(desk: Desk) -> None:
    wished = (desk.house.amazon.levers.now() + timedelta(seconds=30)).isoformat()
    schedule_id = plan(desk, nextReportCreationTime=wished).json()["reportScheduleId"]
    desk.advance(31)
    (report,) = desk.lever("GET", "/reports")["items"]
    assert report["schedule_id"] == schedule_id


def test_a_jump_over_years_leaves_what_can_be_seen(desk: Desk) -> None:
    assert plan(desk, period="P1D").status_code == 201
    desk.advance(3 * 365 * 86400)
    made = desk.lever("GET", "/reports")["items"]
    assert 89 <= len(made) <= 92
    assert int(made[-1]["report_id"]) % 10_000 < 100, "what nobody could see was never made"


@pytest.mark.parametrize(
    "changes",
    [
        {"period": None},
        {"period": "PT6M"},
        {"period": 5},
        {"reportType": EMPTY},
        {"reportType": "GET_NOTHING"},
        {"marketplaceIds": []},
        {"nextReportCreationTime": "2000-01-01T00:00:00Z"},
        {"nextReportCreationTime": "soon"},
    ],
)
def test_schedules_that_are_refused(desk: Desk, changes: dict[str, Any]) -> None:
    refused(plan(desk, **changes), 400, "InvalidInput")
    refused(desk.call("GET", SCHEDULES), 400, "InvalidInput")


def test_schedules_of_others(house: House, desk: Desk) -> None:
    schedule_id = plan(desk).json()["reportScheduleId"]
    refused(Desk.of(house).call("GET", f"{SCHEDULES}/{schedule_id}"), 404, "NotFound")
    refused(Desk.of(house).call("DELETE", f"{SCHEDULES}/{schedule_id}"), 404, "NotFound")


def test_periods_are_those_of_the_model(models: Path) -> None:
    model = json.loads((models / MODEL).read_text())
    described = model["definitions"]["CreateReportScheduleSpecification"]["properties"]["period"]
    assert set(PERIODS) == set(described["enum"])


@given(
    st.integers(0, 100 * 365 * 86400),
    st.sampled_from(sorted(PERIODS)),
)
def test_a_period_goes_on(seconds: int, period: str) -> None:
    instant = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    later = after(period, instant)
    assert later > instant
    if period == "P1M":
        assert timedelta(days=28) <= later - instant <= timedelta(days=31)
        assert later.day <= instant.day
    else:
        assert later - instant == PERIODS[period]


# --- levers ---------------------------------------------------------------------------------------


def test_contents_by_lever(desk: Desk) -> None:
    body = {"report_type": EMPTY, "text": "sku\tn\r\nA\t1\r\n", "content_type": "text/plain"}
    desk.lever("POST", "/reports/decide", body)
    other, decided, usual = desk.report("GET_AFN_INVENTORY_DATA"), desk.report(EMPTY), None
    usual = desk.report(EMPTY)
    assert rows(desk.written(decided)) == [{"sku": "A", "n": "1"}]
    assert rows(desk.written(other)) == rows(desk.written(usual)) == []
    desk.lever("POST", "/reports/decide", {"base64": "/w==", "times": None})
    for report_type in (EMPTY, LISTINGS):
        assert desk.written(desk.report(report_type)) == b"\xff"
    assert desk.lever("DELETE", "/reports/decide") == {"count": 1}
    assert desk.get_report(desk.report(LISTINGS))["processingStatus"] == "CANCELLED"


def test_ends_by_lever(desk: Desk) -> None:
    desk.lever("POST", "/reports/decide", {"status": "FATAL", "report_type": EMPTY})
    fatal = desk.report(EMPTY)
    assert desk.get_report(fatal)["processingStatus"] == "FATAL"
    assert json.loads(desk.written(fatal))["errorDetails"]
    for wish, status in (
        ({"status": "FATAL", "bare": True}, "FATAL"),
        ({"status": "CANCELLED"}, "CANCELLED"),
    ):
        desk.lever("POST", "/reports/decide", wish)
        known = desk.get_report(desk.report(EMPTY))
        assert known["processingStatus"] == status
        assert "reportDocumentId" not in known


def test_hold_release_and_finish(house: House) -> None:
    desk = Desk.of(house)
    desk.lever("PUT", "/reports/pace", {"queue_s": 10, "processing_s": 10, "report_type": EMPTY})
    assert desk.lever("GET", "/reports/pace")["own"] == {EMPTY: {"queue_s": 10, "processing_s": 10}}
    held, quick, finished = (desk.report(EMPTY) for _ in range(3))
    desk.advance(11)
    desk.lever("POST", f"/reports/{held}/hold")
    told = desk.lever("POST", f"/reports/{finished}/finish", {"text": "mine"})
    assert (told["status"], desk.written(finished)) == ("DONE", b"mine")
    desk.advance(1000)
    assert desk.get_report(held)["processingStatus"] == "IN_PROGRESS"
    assert desk.get_report(quick)["processingStatus"] == "DONE"
    desk.lever("POST", f"/reports/{held}/release")
    assert desk.get_report(held)["processingStatus"] == "DONE"
    for path in (f"/reports/{held}/hold", f"/reports/{held}/release", f"/reports/{held}/finish"):
        with pytest.raises(LeverError, match=" 409 "):
            desk.lever("POST", path)
    with pytest.raises(LeverError, match=" 404 "):
        desk.lever("GET", "/reports/7")


def test_settlements_come_unasked(house: House, desk: Desk, told: list[tuple[str, Any]]) -> None:
    body = {
        "selling_partner_id": desk.partner_id,
        "application_id": house.application_id,
        "report_type": SETTLEMENT,
        "marketplaces": ["DE", "FR"],
        "text": "settlement-id\ttotal-amount\r\n1\t2,00\r\n",
    }
    made = desk.lever("POST", "/reports", body)
    (report,) = desk.call("GET", REPORTS, reportTypes=SETTLEMENT).json()["reports"]
    assert report["reportId"] == made["report_id"]
    assert rows(desk.written(report["reportId"])) == [
        {"settlement-id": "1", "total-amount": "2,00"}
    ]
    assert [name for name, _ in told] == ["REPORT_PROCESSING_FINISHED"]
    for wrong in (
        {"text": None},
        {"marketplaces": ["DE", "US"]},
        {"marketplaces": ["MOON"]},
        {"report_type": "GET_NOTHING"},
        {"selling_partner_id": "NOBODY"},
    ):
        with pytest.raises(LeverError):
            desk.lever("POST", "/reports", {**body, **wrong})


def test_the_list_and_habits(desk: Desk) -> None:
    report_id = desk.report(EMPTY)
    (row,) = desk.lever("GET", "/reports", report_type=EMPTY, status="DONE")["items"]
    assert row == desk.lever("GET", f"/reports/{report_id}")
    assert desk.lever("GET", f"/documents/{row['document_id']}")["purpose"] == "report"
    assert desk.lever("GET", "/reports", status="FATAL")["count"] == 0
    for query in ({"color": "red"}, {"status": "LOST"}):
        with pytest.raises(LeverError):
            desk.lever("GET", "/reports", **query)
    changed = {"packed": True, "encoding": "cp1252"}
    assert desk.lever("PATCH", "/reports/habits", changed) == changed
    assert desk.lever("GET", "/reports/habits") == changed
    for wrong in (
        {"status": "DONE", "bare": True},
        {"status": "CANCELLED", "text": "a"},
        {"report_type": "GET_NOTHING"},
        {"times": 0},
    ):
        with pytest.raises(LeverError, match=" 422 "):
            desk.lever("POST", "/reports/decide", wrong)


# --- the whole state ------------------------------------------------------------------------------


def test_reports_go_into_a_world_file_and_go_on(running: Emulator, house: House) -> None:
    desk = Desk.of(house)
    desk.lever("PUT", "/reports/pace", {"queue_s": 10, "processing_s": 100})
    working = desk.report(EMPTY)
    desk.advance(11)
    waiting = desk.report(EMPTY, dataStartTime="2026-01-01T00:00:00Z")
    desk.lever("POST", "/reports/decide", {"text": "mine", "times": 3})
    assert plan(desk, period="PT5M").status_code == 201
    stage = running.stage
    written = json.loads(json.dumps(stage.of(Reports).as_json()))
    stage.agenda = type(stage.agenda)()
    stage.parts[Reports] = Reports()
    stage.of(Reports).load(stage, written)
    assert stage.of(Reports).as_json() == written
    states = [desk.get_report(one)["processingStatus"] for one in (working, waiting)]
    assert states == ["IN_PROGRESS", "IN_QUEUE"]
    desk.advance(111)
    states = [desk.get_report(one)["processingStatus"] for one in (working, waiting)]
    assert states == ["DONE", "DONE"]
    desk.advance(301)
    (scheduled,) = desk.call("GET", REPORTS, reportTypes=SCHEDULED).json()["reports"]
    assert int(scheduled["reportId"]) > int(waiting)

    row, schedule = written["reports"][0], written["schedules"][0]
    for wrong, words in (
        ([], "reports: must be an object"),
        ({"other": 1}, "unknown: other"),
        ({"habits": {"encoding": "latin"}}, r"reports\.habits\.encoding"),
        ({"reports": [{**row, "status": "LOST"}]}, r"reports\.reports\[0\]\.status"),
        ({"reports": [{**row, "report_type": "LOST"}]}, r"reports\[0\]\.report_type"),
        ({"reports": [{**row, "selling_partner_id": "X"}]}, "no partner X"),
        ({"reports": [{**row, "started_at": None}]}, "do not fit"),
        ({"reports": [row, row]}, "twice"),
        ({"schedules": [{**schedule, "period": "PT6M"}]}, r"schedules\[0\]\.period"),
        ({"schedules": [{**schedule, "application_id": "X"}]}, "no application X"),
        ({"schedules": [schedule, schedule]}, "twice"),
        ({"choices": [{"status": "LOST"}]}, r"choices\[0\]\.status"),
    ):
        with pytest.raises(ValueError, match=words):
            Reports().load(stage, wrong)


@given(
    st.sampled_from(sorted(PERIODS)),
    st.integers(0, 10**8),
    st.integers(-(10**6), 10**8),
)
def test_the_first_after_is_what_counting_would_find(period: str, at_s: int, later_s: int) -> None:
    instant = datetime(2026, 1, 31, tzinfo=UTC) + timedelta(seconds=at_s)
    most = 400 * (PERIODS[period] or timedelta(days=30))
    earliest = instant + most * (later_s / 10**8)
    counted = after(period, instant)
    while counted < earliest:
        counted = after(period, counted)
    assert first_after(period, instant, earliest) == counted


def test_centuries_of_five_minutes_take_no_time() -> None:
    instant = datetime(2026, 1, 1, tzinfo=UTC)
    found = first_after("PT5M", instant, datetime(9000, 1, 1, 0, 0, 1, tzinfo=UTC))
    assert found == datetime(9000, 1, 1, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("report_type", [BY_DATE, SALES])
@pytest.mark.parametrize(
    "span",
    [
        {"dataEndTime": "0001-01-02T00:00:00Z"},
        {"dataStartTime": "0001-01-01"},
        {"dataStartTime": "0001-01-01", "dataEndTime": "0001-01-01"},
    ],
)
def test_the_beginning_of_the_calendar(desk: Desk, report_type: str, span: dict[str, str]) -> None:
    known = desk.get_report(desk.report(report_type, **span))
    assert known["processingStatus"] in ("DONE", "CANCELLED", "FATAL")


def test_a_content_that_cannot_be_made_ends_its_report_fatal(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(asked: contents.Asked) -> Any:
        raise KeyError(asked.report_type)

    monkeypatch.setitem(contents._ROWS, LISTINGS, fail)
    report_id = desk.report(LISTINGS)
    assert desk.get_report(report_id)["processingStatus"] == "FATAL"
    assert b"error occurred" in desk.written(report_id)
    assert f"failed at report {report_id}" in caplog.text


def test_every_type_spends_of_one_plan_and_a_minute_makes_a_token(desk: Desk) -> None:
    types = [EMPTY, LISTINGS, SALES]
    asked = [desk.ask(types[number % 3]).status_code for number in range(16)]
    assert asked == [202] * 15 + [429]
    desk.advance(58)
    assert desk.ask(EMPTY).status_code == 429
    desk.advance(3)
    assert [desk.ask(EMPTY).status_code for _ in range(2)] == [202, 429]


def test_a_restricted_token_opens_exactly_its_document(house: House) -> None:
    desk, other = Desk.of(house), Desk.of(house)
    paths = {}
    for at in (desk, other):
        at.lever("PUT", "/reports/pace", {"queue_s": 0, "processing_s": 0})
        order(at)
        for name in ("first", "second"):
            known = at.get_report(at.report(TO_SHIP))
            paths[at.partner_id, name] = f"{REPORT_DOCUMENTS}/{known['reportDocumentId']}"
    mine = paths[desk.partner_id, "first"]
    body = {"restrictedResources": [{"method": "GET", "path": mine}]}
    answer = desk.call("POST", "/tokens/2021-03-01/restrictedDataToken", body)
    opened = Desk(house, desk.partner, answer.json()["restrictedDataToken"])
    assert opened.call("GET", mine).status_code == 200
    for path in (
        paths[desk.partner_id, "second"],
        *(paths[other.partner_id, n] for n in ("first", "second")),
    ):
        refused(opened.call("GET", path), 403, "Unauthorized")
    refused(desk.call("GET", mine), 403, "Unauthorized")
    assert desk.call("GET", paths[other.partner_id, "first"]).status_code == 404, (
        "and not even seen"
    )
    desk.advance(3601)
    refused(opened.call("GET", mine), 403, "Unauthorized")


def test_another_region_is_another_world(house: House) -> None:
    seller = house.seller(marketplaces=["DE", "US"])
    eu, na = Desk.of(house, seller), Desk.of(house, seller, "na")
    report_id = eu.report(EMPTY)
    schedule = plan(eu).json()["reportScheduleId"]
    refused(na.call("GET", f"{REPORTS}/{report_id}"), 404, "NotFound")
    refused(na.call("DELETE", f"{REPORTS}/{report_id}"), 404, "NotFound")
    refused(na.call("DELETE", f"{SCHEDULES}/{schedule}"), 404, "NotFound")
    assert na.call("GET", REPORTS, reportTypes=EMPTY).json()["reports"] == []
    stranger = Desk.of(house)
    for at in (na, stranger):
        listed = at.call("GET", SCHEDULES, reportTypes=SCHEDULED).json()
        assert listed["reportSchedules"] == []
    # One of the same type and marketplaces replaces its own partner's alone.
    assert plan(stranger).status_code == 201
    assert len(eu.call("GET", SCHEDULES, reportTypes=SCHEDULED).json()["reportSchedules"]) == 1
