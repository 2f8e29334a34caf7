"""API keys and connection keys on the command line: bound, ending, rotated."""

from __future__ import annotations

import pytest

from tests.doors.cli_house import Cli, add_account

BLUE = "Blue Heron Books"
SCRIPT = ("apikey", "add", "script", "--right", "amazon_read", "--right", "personal_data")


def test_a_key_of_certain_accounts(with_account: Cli) -> None:
    cli = with_account
    add_account(cli, "Mill Lane")
    made = cli(*SCRIPT, "--account", BLUE, "--account", "Mill Lane", "--json").json
    assert len(made["account_ids"]) == 2
    assert made["rights"] == ["amazon_read", "personal_data"]
    shown = cli("apikey", "show", made["id"])
    assert f"{BLUE}, Mill Lane" in shown.out
    assert made["secret"] not in shown.out
    assert cli("apikey", "show", made["id"], "--json").json["account_ids"] == made["account_ids"]
    assert BLUE in cli("apikey", "list").out
    unknown = cli(*SCRIPT, "--account", "Nobody")
    assert (unknown.code, unknown.out) == (2, "")
    both = cli(*SCRIPT, "--account", BLUE, "--instance", "ERP", "--json").json
    assert both["client_instance_id"].startswith("ins_")


def test_rights_that_are_of_no_use_are_refused(house: Cli) -> None:
    alone = house("apikey", "add", "x", "--right", "personal_data")
    assert alone.code == 2
    assert "amazon_read" in alone.err
    unknown = house("apikey", "add", "x", "--right", "amazon")
    assert "amazon_read" in unknown.err
    assert "data_plane" in unknown.err


def test_an_api_key_is_replaced(house: Cli) -> None:
    made = house("apikey", "add", "ERP", "--right", "read", "--json").json
    new = house("apikey", "rotate", made["id"], "--overlap", "12h", "--json").json
    assert new["secret"].startswith("egk_")
    assert new["secret"] != made["secret"]
    shown = house("apikey", "show", made["id"], "--json").json
    assert shown["replaced_by"] == new["id"]
    assert shown["expires_at"] is not None
    again = house("apikey", "rotate", made["id"])
    assert again.code == 2
    assert new["id"] in again.err
    bare = house("apikey", "rotate", new["id"])
    assert bare.out.startswith("egk_")
    assert len(bare.out.splitlines()) == 1
    assert made["id"] in house("apikey", "list").out


def test_connection_keys_have_a_group_of_their_own(with_account: Cli) -> None:
    cli = with_account
    made = cli("connectionkey", "add", BLUE, "--name", "sdk", "--json").json
    ended = cli("account", "key", BLUE, "--expires", "2099-01-01", "--json").json
    assert ended["expires_at"].startswith("2099-01-01")
    new = cli("connectionkey", "rotate", made["id"], "--overlap", "0", "--json").json
    assert new["account_id"] == made["account_id"]
    listed = cli("connectionkey", "list", BLUE, "--json")
    assert [one["id"] for one in listed.json["items"]] == [made["id"], ended["id"], new["id"]]
    assert made["secret"] not in listed.out
    assert cli("connectionkey", "show", made["id"], "--json").json["replaced_by"] == new["id"]
    assert cli("connectionkey", "revoke", new["id"], "--json").json["revoked_at"] is not None
    assert new["id"] in cli("connectionkey", "list", BLUE).out
    bare = cli("connectionkey", "add", BLUE)
    assert bare.out.startswith("egc_")
    assert len(bare.out.splitlines()) == 1


def test_an_account_without_connection_keys_says_what_to_do(with_account: Cli) -> None:
    assert "connectionkey add" in with_account("connectionkey", "list", BLUE).err


@pytest.mark.parametrize("span", ["soon", "7", "-1d", "1.5d", "", "1w", "9999999s"])
@pytest.mark.parametrize("group", ["apikey", "connectionkey"])
def test_spans_that_are_none(house: Cli, group: str, span: str) -> None:
    said = house(group, "rotate", f"key_{'0' * 26}", f"--overlap={span}")
    assert said.code == 2
    assert "7d" in said.err


def test_a_span_that_is_too_long(house: Cli) -> None:
    made = house("apikey", "add", "ERP", "--right", "read", "--json").json
    said = house("apikey", "rotate", made["id"], "--overlap", "91d")
    assert said.code == 2
    assert "90 days" in said.err
    assert house("apikey", "rotate", made["id"], "--overlap", "90d").code == 0
