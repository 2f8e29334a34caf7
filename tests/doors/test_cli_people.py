"""What a person reads on the command line: portraits, filters, next steps; and what programs get
when something is wrong."""

from __future__ import annotations

import getpass
import io
import json
import os
import secrets
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evergrant.entrances.cli import drawing
from tests.doors.cli_house import AMAZON_ID, GRANTED, Amazon, Cli, add_account

EVERGRANT = Path(sys.executable).parent / "evergrant"
BLUE = "Blue Heron Books"
NOW = datetime(2026, 11, 21, 8, 18, 31, 123456, UTC)


# --- instants and tables ------------------------------------------------------------------------


def test_instants_are_short_and_say_utc() -> None:
    assert drawing.when(NOW) == "2026-11-21 08:18 UTC"
    assert drawing.when(None) == "-"
    assert drawing.day(NOW) == "2026-11-21"


@pytest.mark.parametrize(
    ("ahead", "says"),
    [
        (timedelta(days=365), "(365 days)"),
        (timedelta(days=365) - timedelta(seconds=20), "(365 days)"),
        (timedelta(days=1), "(1 day)"),
        (timedelta(hours=3), "(less than a day)"),
        (timedelta(hours=-3), "(over since today)"),
        (timedelta(days=-9), "(9 days ago)"),
    ],
)
def test_a_term_says_how_much_of_it_is_left(ahead: timedelta, says: str) -> None:
    assert drawing.term(NOW + ahead, NOW).endswith(says)


ROWS = [
    {"name": "Blue Heron Books", "until_at": "2026-11-21T08:18:31.123456+00:00", "id": "x" * 30}
]
COLUMNS = [("name", "name"), ("until_at", "until"), ("id", "id")]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_table_fits_any_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drawing, "PIPE_WIDTH", width)
    drawing.draw_table(ROWS, COLUMNS)
    out = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= width
    assert "x" * 30 in out, "an id is never cut"
    assert "2026-11-21 08:18 UTC" in out
    assert "123456" not in out


def test_optional_columns_go_before_rows_become_blocks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drawing, "PIPE_WIDTH", 60)
    drawing.draw_table(ROWS, COLUMNS, optional=("id",))
    out = capsys.readouterr().out
    assert "x" not in out
    assert len(out.splitlines()) == 2


# --- an account ---------------------------------------------------------------------------------


def test_an_account_says_what_to_do_next(with_account: Cli) -> None:
    cli = with_account
    shown = cli("account", "show", BLUE)
    assert "no link has been mailed yet" in shown.err
    assert f"evergrant account invite '{BLUE}'" in shown.err
    assert "Northwind Connect (app_" in shown.out
    assert "ERP (ins_" in shown.out
    invited = cli("account", "invite", BLUE)
    assert "owner@shop.example" in invited.out
    assert "(14 days)" in invited.out
    assert "/dev/mailbox" in invited.err
    waiting = cli("account", "show", BLUE)
    assert "waits for a worker" in waiting.err
    assert "not yet" in waiting.out
    assert "sends a fresh one" in waiting.err
    cli("account", "close", BLUE)
    assert "evergrant account reopen" in cli("account", "show", BLUE).err


def test_a_link_that_was_only_shown_was_not_mailed(with_account: Cli) -> None:
    with_account("account", "link", BLUE)
    assert "and not mailed" in with_account("account", "show", BLUE).err


def test_a_vendor_has_flags_that_are_not_available(with_account: Cli) -> None:
    added = with_account(
        *("account", "add", "Mill Lane", "--app", "Northwind Connect", "--instance", "ERP"),
        *("--kind", "vendor", "--vendor-kind", "retail", "--region", "eu", "--home", "DE"),
        *("--email", "a@mill.example"),
    )
    assert added.code == 0
    assert "not available" in added.out
    assert "Amazon buys" in added.out
    assert "evergrant account invite 'Mill Lane'" in added.err


def test_a_connected_account_says_how_long(connected: Cli, amazon: Amazon) -> None:
    shown = connected("account", "show", BLUE)
    assert "lasts until" in shown.out
    assert f"{GRANTED + timedelta(days=365)} 00:00 UTC" in shown.out
    assert shown.err == ""


def test_the_list_is_by_name_narrowed_and_fits(with_account: Cli) -> None:
    for name in ("zebra", "Apple"):
        add_account(with_account, name)
    out = with_account("account", "list").out
    assert out.index("Apple") < out.index(BLUE) < out.index("zebra")
    assert max(len(line) for line in out.splitlines()) <= 100
    listed = with_account("account", "list", "--search", "HERON", "--json").json
    assert [row["name"] for row in listed["items"]] == [BLUE]
    assert with_account("account", "list", "--region", "na", "--json").json["items"] == []
    assert with_account("account", "list", "--ends-within", "30", "--json").json["items"] == []
    nothing = with_account("account", "list", "--search", "nobody")
    assert (nothing.code, nothing.out) == (0, "")
    assert "No such account" in nothing.err
    wrong = with_account("account", "list", "--region", "mars")
    assert wrong.code == 2


def test_a_narrowed_list_goes_on_where_it_stopped(with_account: Cli) -> None:
    for number in range(3):
        add_account(with_account, f"Store {number}")
    asked = ("account", "list", "--search", "store", "--limit", "2", "--json")
    first = with_account(*asked).json
    assert [row["name"] for row in first["items"]] == ["Store 0", "Store 1"]
    rest = with_account(*asked, "--after", first["next"]).json
    assert [row["name"] for row in rest["items"]] == ["Store 2"]
    assert rest["next"] is None


def test_what_is_due_is_found(connected: Cli) -> None:
    assert connected("account", "list", "--ends-within", "0", "--json").json["items"] == []
    due = connected("account", "list", "--ends-within", "3660", "--json").json
    assert [row["name"] for row in due["items"]] == [BLUE]


# --- diary and check ------------------------------------------------------------------------------


def test_the_journal_names_accounts_and_leaves_out_what_is_empty(with_account: Cli) -> None:
    out = with_account("journal").out
    assert BLUE in out
    assert "command line" in out
    assert "notes=-" not in out


@pytest.mark.parametrize("typed", ["MD1000", "md1000", "consent limit reached"])
def test_errors_of_amazons_own_page_are_looked_up(cli: Cli, typed: str) -> None:
    said = cli("report", typed)
    assert said.code == 0
    assert "who has to act" in said.out
    assert cli("report", typed, "--json").json["blame"] == "application"


def test_check_groups_and_ends_with_one_sentence(house: Cli) -> None:
    said = house("check")
    assert said.out.index("Will not work, or not safely (") < said.out.index("Worth knowing (")
    assert "warning" in said.out.splitlines()[-1]
    assert "EG031" in said.out


def test_an_application_says_what_to_register(house: Cli) -> None:
    said = house("app", "add", "A", "--application-id", AMAZON_ID)
    assert said.code == 0
    assert "/amazon/login" in said.err
    assert "/callback" in said.err
    assert "evergrant app credentials A" in said.err


# --- wrong input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "blame", "exit_code"),
    [
        (("account", "show", "Nobody", "--json"), "not_found", "caller", 2),
        (("account", "lst", "--json"), "usage", "caller", 2),
        (("token", BLUE, "--json"), "not_yet_authorized", "partner", 3),
    ],
)
def test_errors_are_json_when_json_is_asked_for(
    with_account: Cli, arguments: tuple[str, ...], code: str, blame: str, exit_code: int
) -> None:
    said = with_account(*arguments)
    told = json.loads(said.out)["error"]
    assert said.code == exit_code == told["exit_code"]
    assert (told["code"], told["blame"]) == (code, blame)
    assert said.err.startswith(f"error[{code}] ")


def test_json_behind_two_dashes_is_no_option(cli: Cli) -> None:
    said = cli("account", "lst", "--", "--json")
    assert said.code == 2
    assert said.out == ""


def test_a_secret_in_a_wrong_place_is_not_repeated_in_json(with_account: Cli) -> None:
    token = f"Atzr|{secrets.token_urlsafe(40)}"
    said = with_account("account", "show", token, "--json")
    assert said.code == 2
    assert token not in said.out + said.err


def test_a_secret_in_a_wrong_field_is_not_stored(with_account: Cli) -> None:
    token = f"Atzr|{secrets.token_urlsafe(40)}"
    for option in ("--notes", "--name", "--merchant-token", "--email"):
        said = with_account("account", "change", BLUE, option, token)
        assert said.code == 2, option
        assert token not in said.err
    assert "adopt" in with_account("account", "change", BLUE, "--notes", f"it is {token}").err
    assert token not in with_account("account", "show", BLUE, "--json").out


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_nobody_types_a_secret_for_nothing(
    with_account: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_: str) -> str:
        raise AssertionError("asked for a secret")

    monkeypatch.setattr(getpass, "getpass", asked)
    monkeypatch.setattr(io, "TextIOWrapper", Terminal)
    for arguments in (
        ("account", "adopt", "Nobody"),
        ("app", "credentials", "Nothing", "--lwa-client-id", "x"),
        ("operator", "add", "Ada", "--email", "a@house.example", "--role", "boss"),
    ):
        assert with_account(*arguments).code == 2, arguments


@pytest.mark.parametrize(("raised", "exit_code"), [(EOFError, 2), (KeyboardInterrupt, 130)])
def test_ctrl_d_and_ctrl_c_at_a_prompt(
    with_account: Cli,
    monkeypatch: pytest.MonkeyPatch,
    raised: type[BaseException],
    exit_code: int,
) -> None:
    def left(_: str) -> str:
        raise raised

    monkeypatch.setattr(getpass, "getpass", left)
    monkeypatch.setattr(io, "TextIOWrapper", Terminal)
    said = with_account("account", "adopt", BLUE)
    assert said.code == exit_code
    assert len(said.err.splitlines()) == 1
    assert "Traceback" not in said.err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_break_nothing(closed: str, tmp_path: Path) -> None:
    shell = shutil.which("sh")
    assert shell
    environ: dict[str, Any] = {
        name: value for name, value in os.environ.items() if not name.startswith("EVERGRANT_")
    }
    done = subprocess.run(
        [shell, "-c", f"'{EVERGRANT}' settings {closed}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environ, "EVERGRANT_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
