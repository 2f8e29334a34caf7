"""``evergrant changes``: a file of changes is handed in from a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.doors.cli_house import Cli, add_account, add_application
from tests.rooms.hatch_ground import ORDER

SHOP = "Blue Heron Books"


@pytest.mark.postgres
def test_files_are_handed_in_and_taken_back(house: Cli, tmp_path: Path) -> None:
    add_application(house)
    assert house("instance", "add", "ERP").code == 0
    add_account(house)
    folder = tmp_path / "pdfs"
    folder.mkdir()
    (folder / "R-1.pdf").write_bytes(b"%PDF-1.7")

    def add(*more: str, **typed: str) -> Any:
        return house("changes", "add", SHOP, *more, **typed)

    # Stock, with a bad row: looked at first, then taken.
    file = tmp_path / "stock.csv"
    file.write_text("sku;quantity\nMUG-1;12\nMUG-2;many\nMUG-1;7\n")
    dry = add(str(file), "--kind", "stock", "--dry-run")
    assert dry.code == 1
    assert "would be taken 1, overtaken by a later row 1, refused 1" in dry.out
    assert "whole number" in dry.out
    assert "not authorized" in dry.err
    assert house("feeds", "changes", SHOP, "--json").json["items"] == []
    done = add(str(file), "--kind", "stock", "--key", "k1")
    assert (done.code, done.out.splitlines()[-1]) == (
        1,
        "3 lines: taken 1, overtaken by a later row 1, refused 1.",
    )
    assert "feeds changes ACCOUNT" in done.err
    assert "feeds changes ACCOUNT" not in dry.err
    again = add(str(file), "--kind", "stock", "--key", "k1")
    assert "nothing was taken now" in again.err
    (stored,) = house("feeds", "changes", SHOP, "--json").json["items"]
    assert (stored["subject"], stored["wish"]) == ("MUG-1", {"quantity": 7})

    # Invoices, with their PDFs elsewhere; and JSON.
    file = tmp_path / "invoices.csv"
    file.write_text(
        f"kind,order_id,invoice_number,total,vat,pdf\ninvoice,{ORDER},R-1,119.00,19.00,R-1.pdf\n"
    )
    missing = add(str(file), "--json")
    assert missing.code == 1
    assert json.loads(missing.out)["lines"][0]["flaws"][0]["code"] == "no_such_file"
    assert add(str(file), "--pdf-folder", str(folder)).code == 0
    file = tmp_path / "more.json"
    file.write_text(json.dumps([{"kind": "cancellation", "order_id": ORDER, "reason": "x"}]))
    told = add(str(file), "--json")
    assert told.code == 1
    assert json.loads(told.out)["lines"][0]["flaws"][0]["field"] == "reason"

    # Standard input, and taking back.
    said = add("-", "--kind", "stock", "--json", stdin="sku,quantity\nMUG-3,1\n")
    assert said.code == 0
    change_id = said.json["lines"][0]["change_id"]
    back = house("changes", "withdraw", change_id)
    assert (back.code, back.out) == (0, "Taken back: 1.\n")
    late = house("changes", "withdraw", change_id)
    assert (late.code, "is withdrawn" in late.err) == (1, True)
    assert house("changes", "withdraw", "chg_x").code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv"], "cannot be read"),
        (["-", "--kind", "stok"], "must be"),
        (["-"], "names no field"),
        (["-", "--pdf-folder", "nowhere"], "cannot be opened"),
    ],
)
def test_what_cannot_be_read_is_told_before_anything_opens(
    cli: Cli, arguments: list[str], said: str
) -> None:
    told = cli("changes", "add", SHOP, *arguments, stdin="a,b\n1,2\n")
    assert told.code == 2
    assert said in told.err
