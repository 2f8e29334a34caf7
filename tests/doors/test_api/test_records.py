"""The journal, support reports and the table of marketplaces over ``/v1``."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from evergrant import journal
from evergrant.errors import ConsentRefused
from evergrant.rules.marketplaces import STANDARD
from evergrant.rules.rights import SYSTEM, Right
from tests.doors.test_api.conftest import House

Json = dict[str, Any]


async def test_the_journal_tells_who_did_what(caller: httpx2.AsyncClient, account: Json) -> None:
    me = (await caller.get("/v1/whoami")).json()["id"]
    told = (await caller.get("/v1/journal", params={"account_id": account["id"]})).json()
    assert [(line["verb"], line["caller"]) for line in told["items"]] == [
        ("account.added", f"api_key:{me}")
    ]
    by_verb = await caller.get("/v1/journal", params={"verb": "application.credentials_set"})
    assert [one["subject"] for one in by_verb.json()["items"]] == [account["application_id"]]


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_the_journal_has_pages_in_both_orders(
    caller: httpx2.AsyncClient, account: Json, order: str
) -> None:
    for number in range(4):
        await caller.patch(f"/v1/accounts/{account['id']}", json={"notes": f"note {number}"})
    whole = (await caller.get("/v1/journal", params={"order": order})).json()["items"]
    found: list[Json] = []
    query = {"order": order, "limit": "3"}
    while True:
        page = (await caller.get("/v1/journal", params=query)).json()
        found += page["items"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert found == whole
    ids = [line["id"] for line in found]
    assert ids == sorted(ids, reverse=order == "newest")
    refused = await caller.get("/v1/journal", params={"after": "acc_1"})
    assert refused.status_code == 422
    assert refused.json()["flaws"][0]["parameter"] == "after"


async def test_the_longest_page_of_the_journal_leads_on(
    house: House, caller: httpx2.AsyncClient
) -> None:
    async with house.desk.store.transaction() as tx:
        for number in range(journal.MOST_LINES + 1):
            await journal.write(
                tx, now=house.clock.now(), by=SYSTEM, verb="thing.done", subject=f"x{number}"
            )
    query = {"verb": "thing.done", "order": "oldest", "limit": str(journal.MOST_LINES)}
    first = (await caller.get("/v1/journal", params=query)).json()
    assert len(first["items"]) == journal.MOST_LINES
    rest = (await caller.get("/v1/journal", params=query | {"after": first["next"]})).json()
    assert [line["subject"] for line in rest["items"]] == [f"x{journal.MOST_LINES}"]
    assert rest["next"] is None


async def test_a_narrow_key_reads_the_journal_of_its_accounts(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    narrow = await house.caller(Right.READ, instance=account["client_instance_id"])
    whole = await narrow.get("/v1/journal")
    assert whole.status_code == 422
    assert whole.json()["flaws"][0]["parameter"] == "account_id"
    own = await narrow.get("/v1/journal", params={"account_id": account["id"]})
    assert own.status_code == 200


async def test_a_report_is_found_by_the_number_that_people_type(
    house: House, caller: httpx2.AsyncClient, account: Json
) -> None:
    await caller.post(f"/v1/accounts/{account['id']}/invitation")
    link = (await caller.get(f"/v1/accounts/{account['id']}/link")).json()["link"]
    reference = await house.desk.consent.decline(link.rpartition("/")[2])
    typed = reference.lower().replace("-", " ")
    found = await caller.get(f"/v1/reports/{typed}")
    assert found.status_code == 200, found.text
    assert found.json()["reference"] == reference
    assert found.json()["account_id"] == account["id"]
    assert link not in found.text
    listed = await caller.get("/v1/reports", params={"account_id": account["id"]})
    assert listed.json()["items"] == [found.json()]
    resolved = await caller.post(f"/v1/reports/{reference}/resolve")
    assert resolved.json()["resolved_at"] is not None
    wrong = await caller.get("/v1/reports/EG-0000-0001")
    assert wrong.status_code in (404, 422)
    assert wrong.json()["code"] in ("not_found", "invalid_input")
    with pytest.raises(ConsentRefused):
        await house.desk.consent.open(link.rpartition("/")[2])


async def test_marketplaces_are_those_of_this_house(house: House) -> None:
    program = await house.caller(Right.ACCESS_TOKENS)
    rows = (await program.get("/v1/marketplaces")).json()["items"]
    assert [row["country_code"] for row in rows] == [row.country_code for row in STANDARD.rows]
    germany = next(row for row in rows if row["country_code"] == "DE")
    assert germany["endpoint"] == "https://sellingpartnerapi-eu.amazon.com"
