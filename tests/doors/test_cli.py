"""The command line on a real database: every command, its JSON, its errors."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evergrant import wiring
from evergrant.ports.amazon import Answer
from tests.doors.cli_house import (
    AMAZON_ID,
    CLIENT_ID,
    Amazon,
    Cli,
    add_account,
    add_application,
)

EVERGRANT = Path(sys.executable).parent / "evergrant"
# --- words, without a database ------------------------------------------------------------------


def commands() -> list[list[str]]:
    from evergrant.entrances.cli.root import app

    found: list[list[str]] = [[]]
    for command in app.registered_commands:
        found.append([str(command.name)])
    for group in app.registered_groups:
        assert group.typer_instance is not None
        found.append([str(group.name)])
        found += [[str(group.name), str(c.name)] for c in group.typer_instance.registered_commands]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_explains_itself(cli: Cli, command: list[str]) -> None:
    said = cli(*command, "--help")
    assert said.code == 0
    assert "Usage: evergrant" in said.out
    assert len(said.out.splitlines()) > 5
    # Words of the library that nobody filled in.
    assert "TEXT  [required]" not in said.out


def test_what_the_issue_asks_for_is_there() -> None:
    names = {" ".join(command) for command in commands()}
    assert names >= {
        *("up", "serve", "worker", "migrate", "check", "settings", "token", "call"),
        *("journal", "report", "vault rotate-key", "db dump", "db restore"),
        *(f"app {verb}" for verb in ("add", "list", "show", "change", "credentials")),
        *(f"instance {verb}" for verb in ("add", "list", "show", "change")),
        *(
            f"account {verb}"
            for verb in (
                *("add", "list", "show", "change", "link", "adopt", "invite"),
                *("close", "reopen", "flags"),
            )
        ),
        *("operator add", "operator list", "operator disable"),
        *(f"apikey {verb}" for verb in ("add", "list", "show", "rotate", "revoke")),
        *(f"connectionkey {verb}" for verb in ("add", "list", "show", "rotate", "revoke")),
    }


def test_no_option_takes_a_secret_as_its_value() -> None:
    """Arguments are seen by every user of a machine."""
    import typer.main

    from evergrant.entrances.cli.root import app

    def parameters(command: Any) -> Iterator[Any]:
        yield from command.params
        for below in getattr(command, "commands", {}).values():
            yield from parameters(below)

    for parameter in parameters(typer.main.get_command(app)):
        name = parameter.name or ""
        if any(word in name for word in ("secret", "password", "token", "key")):
            is_switch = getattr(parameter, "is_flag", False)
            harmless = name in {"token", "merchant_token", "secret_created", "secret_expires"}
            # `key` names the file of nginx's certificate key, as nginx's own setting does.
            assert is_switch or harmless or name.endswith("_file") or name == "key", name


def test_the_version(cli: Cli) -> None:
    from evergrant import __version__

    assert cli("--version").out == f"evergrant {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["acount"], "Did you mean 'account'?"),
        (["account", "show"], "Missing argument"),
        (["account", "list", "--limit", "0"], "--limit"),
        (["account", "list", "--limit", "many"], "valid integer"),
        (["account", "list", "--nonsense"], "No such option: --nonsense"),
        (["apikey", "add", "x"], "Missing option"),
    ],
)
def test_misuse_is_one_line_and_2(cli: Cli, arguments: list[str], says: str) -> None:
    said = cli(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("error[usage] ")
    assert says in said.err
    assert "--help" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_wrong_setting_is_one_line_and_1(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERGRANT_PROT", "8080")
    said = cli("account", "list")
    assert said.code == 1
    assert said.err.startswith("error[misconfigured] EVERGRANT_PROT: ")
    assert "EVERGRANT_PORT" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_database_that_is_away_is_one_line_and_1(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    password = secrets.token_hex(8)
    monkeypatch.setenv(
        "EVERGRANT_DATABASE_URL", f"postgresql://evergrant:{password}@127.0.0.1:1/evergrant"
    )
    monkeypatch.setenv("EVERGRANT_KEYRING", f"k1:{'A' * 43}=")
    said = cli("account", "list")
    assert said.code == 1
    assert said.err.startswith("error[store_unavailable] ")
    assert len(said.err.splitlines()) == 1
    assert password not in said.err


def test_a_fresh_database_says_what_to_run(
    cli: Cli, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERGRANT_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("EVERGRANT_KEYRING", f"k1:{'A' * 43}=")
    said = cli("account", "list")
    assert said.code == 1
    assert "evergrant migrate" in said.err


def test_a_mistake_of_ours_is_no_traceback(house: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    token = f"Atzr|{secrets.token_urlsafe(40)}"

    def breaks(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError(f"with {token}")

    monkeypatch.setattr(wiring, "open_wires", breaks)
    said = house("account", "list")
    assert said.code == 1
    assert said.err.startswith("error[broken] ")
    assert "ZeroDivisionError" in said.err
    assert "Traceback" not in said.err
    assert token not in said.err


def test_a_secret_in_the_wrong_place_is_not_repeated(cli: Cli) -> None:
    token = f"Atzr|{secrets.token_urlsafe(40)}"
    for arguments in (["account", "list", "--limit", token], [token], ["account", token]):
        said = cli(*arguments)
        assert said.code == 2
        assert token not in said.err


def test_words_of_others_do_not_steer_the_terminal(cli: Cli) -> None:
    said = cli("account", "\x1b[31mlist\x07")
    assert said.code == 2
    assert "\x1b" not in said.err
    assert "\x07" not in said.err


def test_settings_are_shown_without_secrets(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    password = secrets.token_hex(8)
    monkeypatch.setenv("EVERGRANT_DATABASE_URL", f"postgresql://u:{password}@db.example/x")
    monkeypatch.setenv("EVERGRANT_PORT", "9090")
    shown = cli("settings", "--json")
    rows = {row["name"]: row for row in shown.json["items"]}
    assert rows["EVERGRANT_PORT"] == {
        "name": "EVERGRANT_PORT",
        "value": "9090",
        "source": "environment",
    }
    assert rows["EVERGRANT_HOST"]["source"] == "default"
    assert password not in shown.out
    table = cli("settings")
    assert "EVERGRANT_PORT" in table.out
    assert password not in table.out


# --- register and account book ----------------------------------------------------------------


def test_an_application_and_its_credentials(house: Cli, tmp_path: Path) -> None:
    secret = secrets.token_hex(20)
    added = add_application(house, secret)
    assert added["partner_kinds"] == ["seller", "vendor"]
    aws = tmp_path / "aws"
    aws.write_text("AKIA" + secrets.token_hex(8).upper() + "\n")
    set_up = house(
        *("app", "credentials", AMAZON_ID, "--role-arn", "arn:aws:iam::123456789012:role/r"),
        *("--access-key-file", str(aws), "--secret-key-file", str(aws)),
        *("--secret-created", "2026-03-01", "--json"),
    ).json
    assert set_up["secret_key_set"] is True
    assert set_up["secret_expires_at"] == "2026-08-28T00:00:00+00:00"
    shown = house("app", "show", "Northwind Connect")
    assert CLIENT_ID in shown.out
    assert secret not in shown.out
    assert aws.read_text().strip() not in shown.out
    changed = house("app", "change", added["id"], "--status", "published", "--json").json
    assert changed["status"] == "published"
    assert changed["name"] == "Northwind Connect"
    beta = house("app", "change", added["id"], "--beta-for-vendors", "yes", "--json").json
    assert beta["beta_for_vendors"] is True
    auto = house("app", "change", added["id"], "--beta-for-vendors", "auto", "--json").json
    assert auto["beta_for_vendors"] is None
    listed = house("app", "list", "--json").json
    assert [row["id"] for row in listed["items"]] == [added["id"]]
    assert listed["next"] is None


def test_a_client_secret_from_file_and_environment(
    house: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_application(house)
    file = tmp_path / "secret"
    file.write_text(secrets.token_hex(20) + "\n")
    set_up = ("app", "credentials", "Northwind Connect", "--lwa-client-id", CLIENT_ID, "--json")
    assert house(*set_up, "--lwa-client-secret-file", str(file)).json["secret_set"] is True
    assert house(*set_up, "--lwa-client-secret-file", "-", stdin=secrets.token_hex(20)).json[
        "secret_set"
    ]
    monkeypatch.setenv("LWA_CLIENT_SECRET", secrets.token_hex(20))
    assert house(*set_up).json["secret_set"] is True
    monkeypatch.delenv("LWA_CLIENT_SECRET")
    nothing = house(*set_up, stdin="")
    assert nothing.code == 2
    assert "No client secret was given" in nothing.err
    missing = house(*set_up, "--lwa-client-secret-file", str(tmp_path / "none"))
    assert missing.code == 2
    assert "cannot be read" in missing.err


def test_an_instance_shows_its_signing_secret_once(house: Cli) -> None:
    added = house(
        "instance", "add", "ERP", "--return-url", "https://erp.house.example/amazon", "--json"
    ).json
    assert added["signing_secret"].startswith("whsec_")
    shown = house("instance", "show", "ERP")
    assert added["id"] in shown.out
    assert added["signing_secret"] not in shown.out
    renewed = house("instance", "change", "ERP", "--renew-signing-secret", "--json").json
    assert renewed["signing_secret"] != added["signing_secret"]
    moved = house("instance", "change", "ERP", "--base-url", "https://e.example", "--json").json
    assert moved["base_url"] == "https://e.example"
    assert "signing_secret" not in moved
    nothing = house("instance", "change", "ERP")
    assert nothing.code == 2
    assert "Nothing to change" in nothing.err


def test_an_account_from_adding_to_closing(with_account: Cli) -> None:
    cli = with_account
    shown = cli("account", "show", "Blue Heron Books", "--json").json
    assert shown["authorization"]["state"] == "awaiting"
    assert shown["flags"]["update_price"] is True
    assert shown["oauth_began"] is False
    off = cli("account", "flags", shown["id"], "update_price=off", "ship-orders=on", "--json").json
    assert off["flags"]["update_price"] is False
    assert off["flags"]["ship_orders"] is True
    changed = cli("account", "change", shown["id"], "--email", "new@shop.example", "--json").json
    assert changed["client_email"] == "new@shop.example"
    invited = cli("account", "invite", "Blue Heron Books", "--json").json
    assert invited["email"] == "new@shop.example"
    assert "link_digest" not in invited or invited["link_digest"]
    link = cli("account", "link", "Blue Heron Books")
    assert "/connect/" in link.out
    assert link.out.strip().rpartition("/")[2] not in str(invited)
    listed = cli("account", "list", "--state", "awaiting", "--json").json["items"]
    assert [row["name"] for row in listed] == ["Blue Heron Books"]
    assert cli("account", "list", "--state", "active", "--json").json["items"] == []
    closed = cli("account", "close", shown["id"], "--json").json
    assert closed["authorization"]["state"] == "closed"
    opened = cli("account", "reopen", shown["id"], "--json").json
    assert opened["authorization"]["state"] == "awaiting"


def test_a_list_goes_on_where_it_stopped(with_account: Cli) -> None:
    for number in range(3):
        add_account(with_account, f"Shop {number}")
    first = with_account("account", "list", "--limit", "2", "--json").json
    assert len(first["items"]) == 2
    rest = with_account("account", "list", "--after", first["next"], "--json").json
    names = [row["name"] for row in (*first["items"], *rest["items"])]
    assert names == ["Blue Heron Books", "Shop 0", "Shop 1", "Shop 2"]
    table = with_account("account", "list")
    assert all(name in table.out for name in names)


NEW = ("--region", "eu", "--home", "DE", "--email", "a@b.example")
BLUE = "Blue Heron Books"
NORTHWIND = "Northwind Connect"


def test_errors_are_one_line_with_a_code(with_account: Cli) -> None:
    cases: list[tuple[tuple[str, ...], str, int, str]] = [
        (("account", "show", "Nobody"), "not_found", 2, "list"),
        (("account", "flags", BLUE, "fly=on"), "invalid_input", 2, "fly"),
        (("account", "flags", BLUE, "update_price"), "invalid_input", 2, "=off"),
        (("account", "change", BLUE), "invalid_input", 2, "Nothing to change"),
        (("account", "change", BLUE, "--region", "mars"), "invalid_input", 2, "region"),
        (("account", "add", "X", "--app", "None", "--instance", "ERP", *NEW), "not_found", 2, ""),
        (
            ("account", "add", BLUE, "--app", NORTHWIND, "--instance", "ERP", *NEW),
            *("conflict", 2, ""),
        ),
        (("account", "adopt", BLUE), "invalid_input", 2, "No refresh token"),
        (("token", BLUE), "not_yet_authorized", 3, ""),
        (("token", BLUE, "--min-ttl", "999999"), "invalid_input", 2, ""),
        (("call", BLUE, "GET", "sellers"), "invalid_input", 2, "slash"),
        (("call", BLUE, "GET", "/x", "--header", "none"), "invalid_input", 2, "name: value"),
        (("call", BLUE, "POST", "/x", "--body-file", "/none"), "invalid_input", 2, "/none"),
        (("report", "EG-0000-0000"), "not_found", 2, ""),
        (("report", "nonsense"), "invalid_input", 2, ""),
        (("apikey", "add", "x", "--right", "fly"), "invalid_input", 2, "fly"),
        (("apikey", "revoke", "key_none"), "not_found", 2, ""),
        (("operator", "disable", "nobody@house.example"), "not_found", 2, ""),
        (("app", "change", NORTHWIND, "--beta-for-sellers", "x"), "invalid_input", 2, "auto"),
        (
            ("app", "credentials", NORTHWIND, "--secret-created", "x", "--keep-secret"),
            *("invalid_input", 2, "no date"),
        ),
        (("db", "dump", "/nowhere/at/all.dump"), "conflict", 2, "no folder"),
        (("db", "restore", "/nowhere/at/all.dump"), "not_found", 2, ""),
    ]
    wrong = []
    for arguments, code, exit_code, says in cases:
        said = with_account(*arguments)
        as_promised = (
            said.err.startswith(f"error[{code}] ")
            and said.code == exit_code
            and says in said.err
            and len(said.err.splitlines()) == 1
            and said.out == ""
        )
        if not as_promised:
            wrong.append((arguments, said))
    assert not wrong


# --- tokens and calls -----------------------------------------------------------------------


def test_an_access_token(connected: Cli, amazon: Amazon) -> None:
    bare = connected("token", "Blue Heron Books")
    assert bare.code == 0
    assert bare.out.startswith("Atza|")
    assert len(bare.out.splitlines()) == 1
    assert "Lives until" in bare.err
    told = connected("token", "Blue Heron Books", "--min-ttl", "600", "--json").json
    assert told["access_token"] == bare.out.strip()
    assert 600 < told["expires_in"] <= 3600


def test_a_call(connected: Cli, amazon: Amazon) -> None:
    path = "/sellers/v1/marketplaceParticipations"
    amazon.api.answer("GET", path, Answer(status=200, headers={"a": "b"}, body=b'{"payload": []}'))
    told = connected("call", "Blue Heron Books", "GET", f"{path}?x=1&x=2", "--json").json
    assert told == {"status": 200, "headers": {"a": "b"}, "body": {"payload": []}}
    amazon.api.answer("GET", path, Answer(status=404, headers={}, body=b"nothing"))
    refused = connected("call", "Blue Heron Books", "get", path)
    assert refused.code == 2
    assert refused.out == "nothing\n"
    amazon.api.answer("GET", path, Answer(status=503, headers={}, body=b"{}"))
    assert connected("call", "Blue Heron Books", "GET", path).code == 5


def test_a_dead_grant_is_the_partners_and_a_dead_secret_the_applications(
    connected: Cli, amazon: Amazon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = add_account(connected, "Second Shop")
    grant = amazon.lwa.grant(CLIENT_ID, about="A2OTHER")
    connected("account", "adopt", other["id"], stdin=grant.reveal())
    # Two hours later: the access tokens in the safe are over.
    (tmp_path / "clock").write_text("7200")
    monkeypatch.setenv("EVERGRANT_CLOCK_FILE", str(tmp_path / "clock"))
    amazon.lwa.revoke("A2SHOP")
    refused = connected("token", "Blue Heron Books")
    assert refused.code == 3
    assert refused.err.startswith("error[grant_refused] ")
    amazon.lwa.drop_secrets(CLIENT_ID)
    refused = connected("token", "Second Shop")
    assert refused.code == 4
    assert refused.err.startswith("error[application_refused] ")


# --- people, safe, diary ----------------------------------------------------------------------


def test_operators(house: Cli, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(secrets.token_urlsafe(16))
    added = house(
        *("operator", "add", "Ada Field", "--email", "ada@house.example"),
        *("--role", "team_lead", "--password-file", str(file), "--json"),
    )
    assert added.json["role"] == "team_lead"
    assert "password" not in added.out
    assert file.read_text() not in added.out
    listed = house("operator", "list", "--json").json["items"]
    assert [row["email"] for row in listed] == ["ada@house.example"]
    assert listed[0]["second_factor_at"] is None
    disabled = house("operator", "disable", "ada@house.example", "--json").json
    assert disabled["disabled_at"] is not None


def test_api_keys(house: Cli) -> None:
    house("instance", "add", "ERP")
    made = house(
        *("apikey", "add", "scripts", "--right", "read", "--right", "access_tokens"),
        *("--instance", "ERP", "--expires", "2099-01-01", "--json"),
    ).json
    assert made["secret"].startswith("egk_")
    assert made["rights"] == ["access_tokens", "read"]
    assert made["client_instance_id"].startswith("ins_")
    assert "digest" not in made
    bare = house("apikey", "add", "more", "--right", "read")
    assert bare.out.startswith("egk_")
    assert len(bare.out.splitlines()) == 1
    listed = house("apikey", "list", "--json")
    assert len(listed.json["items"]) == 2
    assert made["secret"] not in listed.out
    revoked = house("apikey", "revoke", made["id"], "--json").json
    assert revoked["revoked_at"] is not None


def test_a_connection_key(with_account: Cli) -> None:
    made = with_account("account", "key", "Blue Heron Books", "--name", "sdk", "--json").json
    assert made["secret"].startswith("egc_")
    assert "digest" not in made


def test_the_journal_names_the_user_of_the_shell(with_account: Cli) -> None:
    lines = with_account("journal", "--json").json["items"]
    assert lines[0]["verb"] == "account.added"
    assert lines[0]["caller"].startswith("command_line:")
    own = with_account("journal", "--account", "Blue Heron Books", "--limit", "1", "--json").json
    assert [line["verb"] for line in own["items"]] == ["account.added"]
    assert with_account("journal", "--verb", "none.such", "--json").json["items"] == []
    assert "account.added" in with_account("journal").out


def test_reports_when_there_are_none(house: Cli) -> None:
    assert house("report", "--json").json == {"items": [], "next": None}
    assert "No failed authorization" in house("report").err


def test_rotating_the_key_ring(with_account: Cli) -> None:
    before = with_account("vault", "status", "--json").json
    assert before["sealed_by"] == {before["current_key_id"]: before["sealed"]}
    assert before["sealed"] > 0
    rotated = with_account("vault", "rotate-key", "--json").json
    assert rotated["resealed"] == before["sealed"]
    assert rotated["left"] == 0
    after = with_account("vault", "status", "--json").json
    assert after["current_key_id"] == rotated["new_key_id"] != before["current_key_id"]
    assert after["sealed_by"] == {rotated["new_key_id"]: before["sealed"]}
    again = with_account("vault", "rotate-key", "--go-on", "--json").json
    assert again["resealed"] == 0
    assert again["new_key_id"] == rotated["new_key_id"]


def test_a_key_ring_that_is_gone_is_not_replaced(with_account: Cli, tmp_path: Path) -> None:
    ring = tmp_path / "home" / "keyring"
    ring.rename(tmp_path / "elsewhere")
    said = with_account("migrate")
    assert said.code == 1
    assert "safe copy" in said.err
    assert not ring.exists()
    (tmp_path / "elsewhere").rename(ring)
    assert with_account("migrate").code == 0


def test_dump_and_restore(
    with_account: Cli, tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "evergrant.dump"
    assert with_account("db", "dump", str(file)).code == 0
    assert file.stat().st_mode & 0o077 == 0, "for its owner only"
    twice = with_account("db", "dump", str(file))
    assert twice.code == 2
    assert "exists already" in twice.err
    full = with_account("db", "restore", str(file))
    assert full.code == 2, "a database that holds something is left alone"
    plain = tmp_path / "plain.sql"
    assert with_account("db", "dump", str(plain), "--plain").code == 0
    assert "Blue Heron Books" in plain.read_text()
    monkeypatch.setenv("EVERGRANT_DATABASE_URL", empty_database_url)
    assert with_account("db", "restore", str(file)).code == 0
    assert with_account("migrate").code == 0
    shown = with_account("account", "show", "Blue Heron Books", "--json").json
    assert shown["authorization"]["state"] == "awaiting"
    # What was sealed opens again with the same ring.
    assert with_account("account", "invite", "Blue Heron Books").code == 0
    assert "/connect/" in with_account("account", "link", "Blue Heron Books").out


# --- the program itself -----------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from evergrant.entrances.cli.running import run\n"
        "run(['account', '--help'])\n"
        "heavy = {'sqlalchemy', 'fastapi', 'starlette', 'granian', 'psycopg', 'alembic',\n"
        "         'cryptography', 'procrastinate', 'httpx2', 'jinja2', 'structlog'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip() == "[]"


def test_the_installed_program_and_a_closed_pipe(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EVERGRANT_")}
    done = subprocess.run(
        f"'{EVERGRANT}' --help | head -n 1; '{EVERGRANT}' --version",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**environment, "EVERGRANT_HOME": str(tmp_path)},
    )
    assert "evergrant " in done.stdout
    assert done.stderr == ""
