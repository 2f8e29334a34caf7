"""``evergrant amazon-report``: a download is whole or not there."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from evergrant import wiring
from evergrant.ports.amazon import Answer
from evergrant.testing.documents import MemoryDocuments
from tests.doors.cli_house import CLIENT_ID, Amazon, Cli, add_account, add_application

REPORTS = "/reports/2021-06-30"
URL = "https://documents.example/1?X-Amz-Signature=s3cr3t"
TYPE = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"


def answer(body: Any) -> Answer:
    return Answer(status=200, headers={}, body=json.dumps(body).encode())


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> MemoryDocuments:
    held = MemoryDocuments()
    monkeypatch.setattr(wiring, "HttpDocuments", lambda **_: held)
    return held


@pytest.fixture
def shop(house: Cli, amazon: Amazon) -> Cli:
    """A connected account, and one report of it at Amazon."""
    import secrets

    from evergrant.rules.secrecy import Secret

    secret = secrets.token_hex(20)
    amazon.lwa.add_client(CLIENT_ID, Secret(secret))
    add_application(house, secret)
    assert house("instance", "add", "ERP").code == 0
    add_account(house)
    token = amazon.lwa.grant(CLIENT_ID, "Shop").reveal()
    adopted = house("account", "adopt", "Blue Heron Books", stdin=f"{token}\n")
    assert adopted.code == 0, adopted.err
    told = {
        "reportId": "54517018502",
        "reportType": TYPE,
        "processingStatus": "DONE",
        "reportDocumentId": "amzn1.spdoc.1",
        "createdTime": "2026-03-01T00:00:00Z",
    }
    amazon.api.answer("GET", f"{REPORTS}/reports", answer({"reports": [told]}))
    amazon.api.answer("GET", f"{REPORTS}/reports/54517018502", answer(told))
    document = {"url": URL, "compressionAlgorithm": "GZIP"}
    amazon.api.answer("GET", f"{REPORTS}/documents/amzn1.spdoc.1", answer(document))
    return house


def test_the_whole_way(shop: Cli, documents: MemoryDocuments, tmp_path: Path) -> None:
    types = shop("amazon-report", "types", "settlement", "--json").json["items"]
    assert TYPE in [one["name"] for one in types]
    refused = shop("amazon-report", "request", "Blue Heron Books", TYPE)
    assert refused.code == 2
    assert "cannot be asked for" in refused.err
    wanted = shop(
        *("amazon-report", "request", "Blue Heron Books", "GET_MERCHANT_LISTINGS_ALL_DATA"),
        *("--from", "2026-01-01", "--option", "custom=true", "--json"),
    ).json
    assert (wanted["step"], wanted["options"]) == ("planned", {"custom": "true"})
    early = shop("amazon-report", "download", wanted["id"])
    assert (early.code, "not made" in early.err) == (2, True)
    assert shop("amazon-report", "cancel", wanted["id"], "--json").json["step"] == "failed"

    there = shop(
        "amazon-report", "list", "Blue Heron Books", "--at-amazon", TYPE, "--json"
    ).json["items"]  # fmt: skip
    adopted = shop(
        "amazon-report", "adopt", "Blue Heron Books", there[0]["report_id"], "--json"
    ).json
    assert adopted["step"] == "done"
    assert "settlement" in shop("amazon-report", "show", adopted["id"]).out.lower()
    listed = shop("amazon-report", "list", "Blue Heron Books", "--json").json["items"]
    assert [one["id"] for one in listed] == [wanted["id"], adopted["id"]]

    text = b"settlement-id\tamount\r\n" * 1000
    documents.put(URL, gzip.compress(text), "text/plain")
    piped = shop("amazon-report", "download", adopted["id"])
    assert (piped.code, piped.out.encode()) == (0, text.replace(b"\r\n", b"\r\n"))
    target = tmp_path / "settlement.txt"
    done = shop("amazon-report", "download", adopted["id"], "--output", str(target))
    assert (done.code, done.out.strip()) == (0, str(target))
    assert target.read_bytes() == text
    assert target.stat().st_mode & 0o777 == 0o600

    documents.put(URL, gzip.compress(text)[:-8], "text/plain")
    broken = shop("amazon-report", "download", adopted["id"], "--output", str(target))
    assert broken.code == 5, broken.err
    assert target.read_bytes() == text, "the one from before is still whole"
    assert [one.name for one in tmp_path.iterdir() if "settlement" in one.name] == [target.name]
    nowhere = shop("amazon-report", "download", adopted["id"], "-o", str(tmp_path / "no" / "x"))
    assert (nowhere.code, "cannot be written" in nowhere.err) == (2, True)
