"""``evergrant app rotate-secret`` and ``evergrant app rotation``."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from evergrant.ports.amazon import Answer
from evergrant.rules.secrecy import Secret
from tests.doors.cli_house import CLIENT_ID, Amazon, Cli

APP = "Northwind Connect"


def fresh_secret() -> str:
    return "amzn1.oa2-cs.v1." + secrets.token_hex(32)


def test_a_secret_is_rotated_by_hand(with_account: Cli, amazon: Amazon, tmp_path: Path) -> None:
    cli = with_account
    fresh = fresh_secret()
    wrong = cli("app", "rotate-secret", APP, stdin=fresh)
    assert wrong.code == 2
    assert "refuses it" in wrong.err
    assert "Nothing was changed" in wrong.err
    assert fresh not in wrong.out + wrong.err
    amazon.lwa.add_client(CLIENT_ID, Secret(fresh))
    amazon.lwa.fail()
    down = cli("app", "rotate-secret", APP, stdin=fresh)
    assert down.code == 5
    assert "nothing was changed" in down.err
    amazon.lwa.clear()
    file = tmp_path / "secret"
    file.write_text(f"{fresh}\n")
    ends = datetime.now(UTC).date() + timedelta(days=178)
    done = cli(
        *("app", "rotate-secret", APP, "--secret-file", str(file), "--expires", ends.isoformat())
    )
    assert done.code == 0, done.err
    assert "in force now" in done.out
    assert ends.isoformat() in done.out
    assert "The former one is kept until" in done.out
    assert fresh not in done.out + done.err
    again = cli("app", "rotate-secret", APP, "--json", stdin=fresh).json
    assert again["changed"] is False
    amazon.lwa.add_client(CLIENT_ID, Secret(another := fresh_secret()))
    reckoned = cli("app", "rotate-secret", APP, stdin=another)
    assert "or up to a week later" in reckoned.out, "that day is ours, not Amazon's"
    assert "--expires" in reckoned.err
    shown = cli("app", "rotation", APP)
    assert "rotates   by hand" in shown.out
    assert "pasted" in shown.out
    listed = cli("app", "rotation", APP, "--json").json
    assert [one["step"] for one in listed["rotations"]] == ["done", "done"]
    assert "digest" not in str(listed)


def test_amazon_is_asked_only_when_somebody_confirms(with_account: Cli, amazon: Amazon) -> None:
    cli = with_account
    amazon.api.answer(
        "POST", "/applications/2023-11-30/clientSecret", Answer(status=204, headers={}, body=b"")
    )
    alone = cli("app", "rotate-secret", APP, "--ask")
    assert (alone.code, "--yes" in alone.err) == (2, True)
    both = cli("app", "rotate-secret", APP, "--ask", "--expires", "2026-12-01")
    assert both.code == 2
    without = cli("app", "rotate-secret", APP, "--ask", "--yes")
    assert without.code == 2
    assert "by hand" in without.err
    assert amazon.api.sent == []


def test_an_unknown_application_is_told_before_a_secret_is_read(house: Cli) -> None:
    said = house("app", "rotate-secret", "Nobody", stdin=fresh_secret())
    assert said.code == 2
    assert "no application" in said.err
