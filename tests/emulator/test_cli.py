"""The command line: what it prints, what it says when something is wrong, and its exit codes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from amazon_emulator import Emulator, Levers, cli, screen, world_file
from amazon_emulator.faces.levers import lever_list
from amazon_emulator.faces.selling_partner_api import OPERATIONS
from amazon_emulator.models import Library, read
from amazon_emulator.stage import FACES, Stage
from tests.emulator.test_server import process

COMMAND = str(Path(sys.executable).parent / "amazon-emulator")


def asked(*arguments: str, given: str | None = None, columns: int = 80) -> Any:
    """A command in this process: exit_code, stdout, stderr."""
    environ = {"COLUMNS": str(columns), "TERM": "dumb", "AMAZON_EMULATOR_MODELS": None}
    return CliRunner(env=environ).invoke(cli.app, list(arguments), input=given)


@pytest.fixture
def at(amazon: Emulator) -> tuple[str, str]:
    return "--levers", amazon.addresses["levers"]


@pytest.fixture
def demo() -> Stage:
    """The world that a newcomer begins with, at the usual ports."""
    stage = cli._nowhere(None)
    world_file.load_file(stage, world_file.small())
    return stage


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ("serve", "pull", "account", "levers", "operations", "world", "--gentle")),
        (("serve",), ("How it behaves", "Amazon's models", "default: 9100", "For example")),
        (("pull",), ("METHOD", "PATH", "JSON", "--addresses-file", "For example", "9106")),
        (("account",), ("--shell", "seller|vendor", "For example")),
        (("world", "check"), ("FILE",)),
    ],
    ids=str,
)
def test_help_shows_examples_groups_and_defaults(
    command: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = asked(*command, "--help", columns=120)
    assert done.exit_code == 0
    for word in words:
        assert word in done.stdout


# --- the start ------------------------------------------------------------------------------------


def test_the_start_shows_addresses_people_and_one_refresh_token(demo: Stage) -> None:
    said = screen.start(demo, played=93, credentials=False, usual_levers=True)
    for address in demo.addresses.values():
        assert address in said
    for partner in demo.world.partners.values():
        assert partner.email in said
        assert partner.password in said
    [application] = demo.world.applications.values()
    assert application.secrets[0].value in said
    shown = [grant for grant in demo.world.grants.values() if grant.refresh_token in said]
    assert len(shown) == 1
    assert "the other 2 refresh tokens" in said
    assert "amazon-emulator account  " in said
    assert len(said.splitlines()) < 45


def test_every_refresh_token_when_asked_for(demo: Stage) -> None:
    said = screen.start(demo, played=93, credentials=True, usual_levers=True)
    assert all(grant.refresh_token in said for grant in demo.world.grants.values())
    assert "credentials=true" not in said


def test_commands_are_told_where_the_levers_are_when_not_at_the_usual_place(demo: Stage) -> None:
    demo.addresses["levers"] = "http://127.0.0.1:4567"
    said = screen.start(demo, played=93, credentials=False, usual_levers=False)
    assert said.count("--levers http://127.0.0.1:4567") == 3


def test_an_empty_world_starts_with_a_few_lines(demo: Stage) -> None:
    demo.world = type(demo.world)()
    said = screen.start(demo, played=93, credentials=False, usual_levers=True)
    assert "Refresh" not in said
    assert "amazon-emulator account" in said


def serve(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environ = {name: one for name, one in os.environ.items() if name != "AMAZON_EMULATOR_MODELS"}
    return subprocess.run(
        [COMMAND, "serve", *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=folder,
        env=environ,
    )


def test_a_second_start_says_so_and_leaves_the_addresses_of_the_first(
    amazon: Emulator, tmp_path: Path
) -> None:
    first = tmp_path / "addresses.json"
    first.write_text(json.dumps(amazon.addresses))
    words = cli._cannot_listen("127.0.0.1", _first_port(amazon), OSError(98, "in use"))
    assert "An emulator runs there already" in words
    done = serve(tmp_path, "--port", _port(amazon, "lwa"), "--addresses-file", str(first))
    assert done.returncode == 2
    assert "--port 0" in done.stderr
    assert json.loads(first.read_text()) == amazon.addresses


def _port(amazon: Emulator, face: str) -> str:
    return amazon.addresses[face].rpartition(":")[2]


def _first_port(amazon: Emulator) -> int:
    """That of an emulator whose levers are where these are."""
    return int(_port(amazon, "levers")) - FACES.index("levers")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--world", "none.json"), "cannot read none.json: No such file"),
        (("--world", "."), "cannot read .: Is a directory"),
        (("--world", "wrong.json"), "wrong.json: grants[0].partner"),
        (("--world", "broken.json"), "broken.json is no JSON"),
        (("--world", "wrong.json", "--demo-world"), "exclude each other"),
        (("--models", "empty"), "no model is in empty"),
        (("--models", "nowhere"), "no folder nowhere"),
        (("--models", "broken.json"), "broken.json"),
        (("--models", "empty", "--no-models"), "exclude each other"),
        (("--no-models", "--contract", "report"), "--models"),
        (("--addresses-file", "empty"), "it is a folder"),
        (("--addresses-file", "nowhere/all.json"), "nowhere is no folder"),
        (("--demo-world", "--redirect-uri", "https://sellercentral.amazon.de/x"), "--redirect-uri"),
    ],
    ids=str,
)
def test_wrong_options_are_told_in_a_line(
    options: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Other tests' models lie near by, and reading them is told.
    found = cli.find_folder
    monkeypatch.setattr(cli, "find_folder", lambda given, environ, _: found(given, environ, []))
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("{")
    wrong = {"amazon_emulator": 1, "grants": [{"partner": "nobody", "application": "none"}]}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    done = asked("serve", "--port", "0", *options)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_reading_models_tells_how_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.json").write_text('{"swagger": "2.0", "paths": {}}')
    (tmp_path / "two.json").write_text('{"swagger": "2.0", "paths": ')
    library = cli._library(tmp_path, [])
    assert library is not None
    said = capsys.readouterr().err
    assert "2 files" in said
    assert "two.json: " in said


# --- pull and account -----------------------------------------------------------------------------


def test_a_lever_is_pulled(amazon: Emulator, at: tuple[str, str], tmp_path: Path) -> None:
    done = asked("pull", "post", "clock/advance", '{"seconds": 3600}', *at)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["offset_seconds"] == pytest.approx(3600, abs=5)
    file = tmp_path / "wish.json"
    file.write_text('{"kind": "seller", "name": "Café"}')
    assert "Café" in asked("pull", "POST", "/world/partners", f"@{file}", *at).stdout
    made = asked("pull", "POST", "/world/partners", "-", *at, given='{"kind": "vendor"}')
    assert json.loads(made.stdout)["kind"] == "vendor"
    counted = asked("pull", "GET", "/history/count?kind=lwa&status=200", *at)
    assert json.loads(counted.stdout)["count"] == 0
    addresses = tmp_path / "addresses.json"
    addresses.write_text(json.dumps(amazon.addresses))
    found = asked("pull", "GET", "/world/partners", "--addresses-file", str(addresses))
    assert len(json.loads(found.stdout)["items"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("GET", "/nothing"), 1, "no such lever"),
        (("POST", "/lwa/fail", '{"mode": "sunshine"}'), 1, "'mode' must be"),
        (("POST", "/lwa/fail", "{mode: 503}"), 2, "single quotes"),
        (("POST", "/lwa/fail", "@nowhere.json"), 2, "cannot read nowhere.json"),
        (("GET", "/clock", "--addresses-file", "x.json"), 2, "exclude each other"),
    ],
    ids=str,
)
def test_refusals(at: tuple[str, str], arguments: tuple[str, ...], code: int, words: str) -> None:
    done = asked("pull", *arguments, *at)
    assert done.exit_code == code
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_nobody_is_there(tmp_path: Path) -> None:
    for command in (("pull", "GET", "/clock"), ("account",)):
        done = asked(*command, "--levers", "http://127.0.0.1:1")
        assert done.exit_code == 1
        assert "no emulator answers at http://127.0.0.1:1" in done.stderr
        assert "--addresses-file" in done.stderr
    for content in ("{", "[]", '{"lwa": "http://127.0.0.1:1"}', '{"levers": 7}'):
        (tmp_path / "a.json").write_text(content)
        done = asked("pull", "GET", "/clock", "--addresses-file", str(tmp_path / "a.json"))
        assert done.exit_code == 1
        assert "names no levers" in done.stderr
    done = asked("pull", "GET", "/clock", "--addresses-file", str(tmp_path / "none.json"))
    assert "cannot read" in done.stderr


def test_an_account_for_a_program_and_for_a_shell(amazon: Emulator, at: tuple[str, str]) -> None:
    made = json.loads(asked("account", "--home", "US", *at).stdout)
    assert made["endpoint"] == amazon.addresses["na"]
    assert made["addresses"] == amazon.addresses
    lines = asked("account", "--kind", "vendor", "--shell", *at).stdout.splitlines()
    told = dict(shlex.split(line)[0].split("=", 1) for line in lines)
    assert told["selling_partner_id"].startswith("V1EMULATED")
    assert told["refresh_token"].startswith("Atzr|emulated")
    assert told["eu"] == told["endpoint"] == amazon.addresses["eu"]
    wrong = asked("account", "--home", "Atlantis", *at)
    assert wrong.exit_code == 1
    assert "Atlantis" in wrong.stderr


# --- lists and files ------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_levers_are_grouped_and_wrapped(columns: int) -> None:
    said = asked("levers", columns=columns).stdout
    assert said.count("USAGE PLANS") == 1
    for lever in lever_list():
        assert f"  {lever['method']} {lever['path']}\n" in said
    prose = [line for line in said.splitlines() if line.startswith("      ")]
    assert max(map(len, prose)) <= min(columns, 100)
    for lever in lever_list():
        assert "".join(lever["does"].split()) in "".join(said.split())


def test_levers_narrowed_and_as_json() -> None:
    assert json.loads(asked("levers", "--json").stdout) == lever_list()
    found = json.loads(asked("levers", "Queue delay", "--json").stdout)
    assert ("POST", "/queues/delay") in [(one["method"], one["path"]) for one in found]
    assert len(found) < 5
    nothing = asked("levers", "zebra")
    assert nothing.exit_code == 1
    assert "zebra" in nothing.stderr


def test_operations_that_are_played() -> None:
    done = asked("operations", "--no-models")
    for operation in OPERATIONS:
        assert f"{operation.method} {operation.path}" in done.stdout
    assert "--models" in done.stderr
    [row] = json.loads(
        asked("operations", "createfeed post feeds ", "--no-models", "--json").stdout
    )[:1]
    assert row["answered_by"] == "state"
    assert asked("operations", "zebra", "--no-models").exit_code == 1
    assert asked("operations", "--models", "/nowhere").exit_code == 2


def test_operations_of_models_too(models: Path) -> None:
    library = read(models)
    rows = screen.operation_rows(OPERATIONS, library)
    assert len({(row.method, row.path) for row in rows}) == len(rows)
    assert {(one.method, one.path) for one in library.operations} <= {
        (row.method, row.path) for row in rows
    }
    assert {row.answered_by for row in rows} > {"state", "example", "1 case", "2 cases"}
    played = [row for row in rows if row.answered_by == "state"]
    assert len(played) == len(OPERATIONS)
    assert screen.operation_rows(OPERATIONS, Library(Path())) == played


def test_a_world_may_make_queues_by_levers(tmp_path: Path) -> None:
    pulls = [{"lever": "POST /queues", "with": {"name": "news"}}]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"amazon_emulator": 1, "pulls": pulls}))
    done = asked("world", "check", str(file))
    assert done.exit_code == 0, done.output
    assert "queues" in done.stdout


def test_a_world_is_checked_without_an_emulator(tmp_path: Path) -> None:
    done = asked("world", "check", str(world_file.small()))
    assert done.exit_code == 0
    assert "1 application, 3 partners, 3 grants; catalogue, orders" in done.stdout
    file = tmp_path / "mine.json"
    for content, words in (
        ("{", "is no JSON"),
        ("[]", "a world is a JSON object"),
        ('{"amazon_emulator": 2}', "amazon_emulator: must be 1"),
        ('{"amazon_emulator": 1, "partner": []}', "unknown: partner"),
        ('{"amazon_emulator": 1, "partners": [{"kind": "buyer"}]}', "partners[0]"),
    ):
        file.write_text(content)
        wrong = asked("world", "check", str(file))
        assert wrong.exit_code == 1
        assert f"{file}" in wrong.stderr
        assert words in wrong.stderr
    assert asked("world", "check", str(tmp_path / "none.json")).exit_code == 1


@pytest.mark.processes
def test_a_started_world_has_its_addresses_of_its_own(tmp_path: Path) -> None:
    world = tmp_path / "mine.json"
    pulls = [{"lever": "POST /queues", "with": {"name": "news"}}]
    world.write_text(json.dumps({"amazon_emulator": 1, "pulls": pulls}))
    with process(tmp_path, "--no-models", "--world", str(world)) as (_, addresses):
        levers = Levers(addresses["levers"])
        [queue] = levers.queues()
        assert queue["url"].startswith(addresses["aws"])
        assert levers.addresses() == addresses
