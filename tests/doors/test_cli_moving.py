"""``evergrant import`` and ``export`` on a real database, from a dump to another form of it."""

from __future__ import annotations

import json
import secrets
import stat
from pathlib import Path

import pytest

from evergrant.rules.secrecy import Secret
from tests.doors.cli_house import Amazon, Cli
from tests.rooms.moving_house import Former, as_mysql


@pytest.mark.postgres
def test_in_and_out(house: Cli, amazon: Amazon, tmp_path: Path) -> None:
    former = Former()
    amazon.lwa.add_client(former.lwa_client_id, Secret(former.lwa_client_secret))
    former.rows["integration_credentials"][0]["secret_created_at"] = None
    for row in former.rows["account_amazon"]:
        token = amazon.lwa.grant(former.lwa_client_id, str(row["merchant_token"]))
        row |= {"refresh_token": token.reveal(), "authorized_at": None, "mws_auth_token": "x"}
        former.secrets.append(token.reveal())
    dump = as_mysql(former.rows, tmp_path / "dump.sql")

    lines = tmp_path / "lines.csv"
    dry = house("import", str(dump), "--report", str(lines))
    assert dry.code == 0, dry.err
    assert "Blue Heron Books" in dry.out
    assert "closed in April 2024" in dry.out
    assert "Nothing was changed" in dry.err
    assert house("account", "list", "--json").json["items"] == []
    assert stat.S_IMODE(lines.stat().st_mode) == 0o600

    done = house("import", str(dump), "--carry-out")
    assert done.code == 0, done.out + done.err
    assert "authorization: 3 done" in done.out
    listed = house("account", "list", "--json").json["items"]
    assert {one["authorization"]["state"] for one in listed} == {"active"}
    again = house("import", str(dump), "--carry-out", "--json").json
    assert {one["step"] for one in again["lines"]} == {"leave"}

    words = secrets.token_hex(10)
    books = tmp_path / "books.json"
    out = house("export", str(books), "--with-secrets", stdin=f"{words}\n")
    assert out.code == 0, out.err
    assert stat.S_IMODE(books.stat().st_mode) == 0o600
    assert "exists already" in house("export", str(books)).err
    assert (
        "12 characters" in house("export", str(tmp_path / "b"), "--with-secrets", stdin="x\n").err
    )
    wrong = house("import", str(books), stdin="not the passphrase\n")
    assert wrong.code == 2
    assert "does not open this file" in wrong.err
    back = house("import", str(books), "--json", stdin=f"{words}\n").json
    assert {one["step"] for one in back["lines"]} == {"leave"}

    bare = tmp_path / "bare.json"
    assert house("export", str(bare)).code == 0
    shown = "".join(
        (*(said.out + said.err for said in (dry, done, out, wrong)), json.dumps([again, back]))
    )
    shown += lines.read_text() + books.read_text() + bare.read_text()
    for secret in (*former.secrets, words):
        assert secret not in shown

    former.rows["account_amazon"][0]["id"] = former.rows["account_amazon"][1]["id"]
    refused = house("import", str(as_mysql(former.rows, tmp_path / "twice.sql")))
    assert refused.code == 1
    assert "Another row has the same id" in refused.out
