"""Reports of Amazon: asking, following, giving up, downloading."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from evergrant.entrances.console.pages import amazon_reports
from evergrant.ports.amazon import Answer
from evergrant.ports.traded import AmazonReport, AmazonReportStep
from evergrant.rules.rights import SYSTEM, Right, Role
from tests.doors.test_console.conftest import Console, text_of
from tests.doors.test_console.trade_ground import (
    MARKUP,
    NOBODY,
    assert_harmless,
    may,
    statuses,
)

LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"
RESTRICTED = "GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING"


@pytest.fixture
async def account(console: Console) -> str:
    return await console.house.account()


@pytest.fixture
def home(account: str) -> str:
    return f"/console/accounts/{account}/reports"


async def made(console: Console, account: str, **values: Any) -> AmazonReport:
    report = await console.desk.amazon_reports.request(account, LISTINGS, by=SYSTEM)
    async with console.desk.store.transaction() as tx:
        changed = await tx.amazon_reports.change(report.id, **values) if values else report
    assert changed is not None
    return changed


async def test_every_page_and_action_as_each_role(
    console: Console, account: str, home: str
) -> None:
    report = await made(console, account)
    for method, path, form in (
        ("GET", home, None),
        ("POST", home, {"report_type": LISTINGS}),
        ("POST", f"{home}/adopt", {}),
        ("POST", f"{home}/at-amazon", {}),
        ("POST", f"{home}/{report.id}/cancel", {}),
        ("POST", f"{home}/{report.id}/document", {}),
    ):
        for role, status in (await statuses(console, method, path, form)).items():
            assert (status != 403) == may(role, Right.AMAZON_READ), (path, role, status)
            assert status in (200, 303, 403, 409, 422), (path, role, status)


async def test_what_is_not_there(console: Console, account: str, home: str) -> None:
    report = await made(console, account)
    other = await console.house.account()
    window = await console.as_()
    nobody = f"/console/accounts/acc_{NOBODY}/reports"
    assert (await window.get(nobody)).status_code == 404
    assert (await window.post(nobody, {"report_type": LISTINGS})).status_code == 404
    for base, named in (
        (home, f"arp_{NOBODY}"),
        (f"/console/accounts/{other}/reports", report.id),
    ):
        for verb in ("cancel", "document"):
            answer = await window.post(f"{base}/{named}/{verb}")
            assert answer.status_code == 404, (base, verb)
    left = await console.desk.amazon_reports.get(report.id, by=SYSTEM)
    assert left.step is AmazonReportStep.PLANNED


async def test_a_report_is_asked_for(console: Console, account: str, home: str) -> None:
    window = await console.as_(Role.TEAM_LEAD)
    assert window.operator is not None
    page = await window.did(
        home,
        {
            "report_type": "get_merchant_listings_all_data",
            "marketplaces": ["DE", "FR"],
            "data_from": "2026-01-05",
            "data_until": "2026-01-06",
            "options": "custom=true\n other = 1 \n",
        },
    )
    text = text_of(page)
    assert f"{LISTINGS} is asked for" in text
    assert "not asked for yet" in text
    assert f"by {window.operator.name}" in text
    (report,) = await console.desk.amazon_reports.list(account, by=SYSTEM)
    assert report.data_from == datetime(2026, 1, 5, tzinfo=UTC)
    assert report.data_until == datetime(2026, 1, 7, tzinfo=UTC)
    assert report.options == {"custom": "true", "other": "1"}
    assert len(report.marketplace_ids) == 2


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"report_type": ""}, "is not the name of a type"),
        ({"report_type": MARKUP}, "is not the name of a type"),
        ({"report_type": "GET_VENDOR_SALES_REPORT"}, "is for vendors"),
        ({"report_type": LISTINGS, "data_from": MARKUP}, "is no day"),
        ({"report_type": LISTINGS, "data_until": "2026-13-40"}, "is no day"),
        ({"report_type": LISTINGS, "options": MARKUP}, "name=value"),
        ({"report_type": LISTINGS, "marketplaces": "US"}, "another region"),
        ({"report_type": LISTINGS, "data_from": "2999-01-01"}, "in the future"),
    ],
)
async def test_what_is_wrong_is_said_beside_it(
    console: Console, account: str, home: str, form: dict[str, str], words: str
) -> None:
    if words == "name=value":
        form = {**form, "options": MARKUP.replace("=", "")}
    answer = await (await console.as_()).post(home, form)
    assert answer.status_code == 422
    assert words in text_of(answer.text)
    assert "<img" not in answer.text
    assert await console.desk.amazon_reports.list(account, by=SYSTEM) == []


async def test_personal_data_takes_its_right(console: Console, account: str, home: str) -> None:
    lead = await console.as_(Role.TEAM_LEAD)
    assert (await lead.post(home, {"report_type": RESTRICTED})).status_code == 403
    admin = await console.as_(Role.ADMIN)
    page = await admin.did(home, {"report_type": RESTRICTED})
    assert "personal data" in text_of(page)
    (report,) = await console.desk.amazon_reports.list(account, by=SYSTEM)
    async with console.desk.store.transaction() as tx:
        await tx.amazon_reports.change(
            report.id, step=AmazonReportStep.DONE, document_id="doc-1", next_at=None
        )
    assert "Download" in text_of(await admin.read(home))
    assert "Download" not in text_of(await lead.read(home))
    assert (await lead.post(f"{home}/{report.id}/document")).status_code == 403


async def test_nobody_waits_for_it_any_more(console: Console, account: str, home: str) -> None:
    report = await made(console, account)
    window = await console.as_()
    assert "Nobody waits" in text_of(await window.did(f"{home}/{report.id}/cancel"))
    assert (await window.post(f"{home}/{report.id}/cancel")).status_code == 409
    assert "It was cancelled here." in await window.read(home)


async def test_a_document_is_streamed(console: Console, account: str, home: str) -> None:
    report = await made(
        console, account, step=AmazonReportStep.DONE, document_id="doc-1", next_at=None
    )
    content = b"sku\tprice\n" + b"A\t1\n" * 1000
    console.fakes.documents.put("https://documents.example/doc-1", content)
    console.fakes.selling_partner_api.answer(
        "GET", "/reports/2021-06-30/documents/doc-1", _address("https://documents.example/doc-1")
    )
    window = await console.as_(Role.TEAM_LEAD)
    answer = await window.post(f"{home}/{report.id}/document")
    assert answer.status_code == 200
    assert answer.content == content
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith(f'attachment; filename="{LISTINGS}-{report.id}')
    assert answer.headers["x-content-type-options"] == "nosniff"
    async with console.desk.store.transaction() as tx:
        (line,) = await tx.journal.read(verb="amazon_report.opened")
    assert window.operator is not None
    assert line.caller == f"operator:{window.operator.id}"


async def test_what_is_not_ready_is_no_file(console: Console, account: str, home: str) -> None:
    report = await made(console, account)
    answer = await (await console.as_()).post(f"{home}/{report.id}/document")
    assert answer.status_code == 409
    assert "has not made this report yet" in text_of(answer.text)


async def test_what_amazon_writes_is_text(console: Console, account: str, home: str) -> None:
    await made(
        console, account, step=AmazonReportStep.WAITING, processing_status=MARKUP,
        last_error=MARKUP, report_id=MARKUP, marketplace_ids=(MARKUP,), report_type=MARKUP,
    )  # fmt: skip
    assert_harmless(await (await console.as_()).read(home))


async def test_one_that_amazon_has_is_taken(console: Console, account: str, home: str) -> None:
    window = await console.as_()
    answer = await window.post(f"{home}/adopt", {"amazon_report_id": ""})
    assert answer.status_code == 422
    answer = await window.post(f"{home}/adopt", {"amazon_report_id": f"é{MARKUP}"})
    assert answer.status_code == 422
    assert "<img" not in answer.text
    report = await made(console, account, report_id="54517018502")
    await window.did(f"{home}/adopt", {"amazon_report_id": " 54517018502 "})
    assert [one.id for one in await console.desk.amazon_reports.list(account, by=SYSTEM)] == [
        report.id
    ]


async def test_what_amazon_has_is_listed(console: Console, account: str, home: str) -> None:
    told = {
        "reports": [
            {
                "reportId": f"5451{MARKUP}",
                "reportType": MARKUP,
                "processingStatus": MARKUP[:40],
                "createdTime": "2026-01-05T10:00:00Z",
                "marketplaceIds": [MARKUP],
            }
        ],
        "nextToken": MARKUP,
    }
    console.fakes.selling_partner_api.answer(
        "GET",
        "/reports/2021-06-30/reports",
        Answer(status=200, headers={}, body=json.dumps(told).encode()),
    )
    window = await console.as_(Role.TEAM_LEAD)
    answer = await window.post(
        f"{home}/at-amazon", {"type": "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"}
    )
    assert answer.status_code == 200
    assert "5451" in answer.text
    assert_harmless(answer.text)
    assert "More" in answer.text
    answer = await window.post(f"{home}/at-amazon", {"type": MARKUP})
    assert answer.status_code == 422
    assert "<img" not in answer.text
    nobody = f"/console/accounts/acc_{NOBODY}/reports/at-amazon"
    assert (await window.post(nobody, {"type": LISTINGS})).status_code == 404


async def test_reports_come_in_pages(
    console: Console, account: str, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amazon_reports, "PAGE", 2)
    several = []
    for _ in range(5):
        console.fakes.clock.move(seconds=1)
        several.append(await made(console, account))
    window = await console.as_()
    address, found = home, []
    while True:
        page = await window.read(address)
        found += [one.id for one in reversed(several) if f'id="r-{one.id}"' in page]
        if "Older" not in page:
            break
        address = f"{home}?after={found[-1]}"
    assert found == [one.id for one in reversed(several)]
    await window.read(f"{home}?after=odd")


def _address(url: str) -> Answer:
    return Answer(status=200, headers={}, body=json.dumps({"url": url}).encode())
