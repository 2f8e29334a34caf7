"""What packages/emulator/README.md promises is there, and every block of it runs.

Those of the SDKs run in test_sdks.py and test_sdk_javascript.py.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from amazon_emulator import Emulator, Levers, cli
from amazon_emulator.faces.levers import lever_list
from amazon_emulator.weather import MODES

pytest_plugins = ["pytester"]

README = (Path(__file__).parents[2] / "packages" / "emulator" / "README.md").read_text()
BIN = Path(sys.executable).parent
OF_OTHER_PROGRAMS = {"--data-urlencode"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def block(language: str, holding: str) -> str:
    [found] = [one for one in blocks(language) if holding in one]
    return found


def run(script: str, amazon: Emulator) -> str:
    """A block for a shell, at an emulator that has other ports."""
    at = f"--levers {amazon.addresses['levers']}"
    moved = re.sub(r"amazon-emulator (pull|account)", rf"amazon-emulator \1 {at}", script)
    done = subprocess.run(
        ["sh", "-euc", moved],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": f"{BIN}:/usr/bin:/bin:/usr/local/bin", "NO_PROXY": "*"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- what is named --------------------------------------------------------------------------------


def test_every_lever_that_is_named_exists() -> None:
    told = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?\s]*)", README))
    told |= set(re.findall(r"pull (GET|POST|PUT|PATCH|DELETE) '?(/[^`?\s']*)", README))
    told -= {("GET", "/"), ("POST", "/auth/o2/token")}
    assert len(told) > 12
    assert told <= {(lever["method"], lever["path"]) for lever in lever_list()}


def test_every_failing_mode_is_told() -> None:
    table = README.partition("**Failing modes**")[2].partition("**Habits**")[0]
    assert set(re.findall(r"`(\w+)`", table)) >= MODES


def test_every_option_that_is_named_exists() -> None:
    group = typer.main.get_command(cli.app)
    known: set[str] = set(OF_OTHER_PROGRAMS)
    for command in [group, *group.commands.values()]:  # type: ignore[attr-defined]
        for parameter in command.params:
            known |= {*parameter.opts, *parameter.secondary_opts}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert len(told) > 10
    assert told <= known


def test_every_command_that_is_named_exists() -> None:
    told = set(re.findall(r"amazon-emulator ([a-z]+)", README))
    assert {"serve", "pull", "account", "levers", "operations", "world"} <= told
    for command in told:
        done = typer.testing.CliRunner().invoke(cli.app, [command, "--help"])
        assert done.exit_code == 0, command


def test_every_name_of_the_levers_in_python_exists() -> None:
    table = README.partition("| what | names |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`(\w+)", table))
    assert len(told) > 40
    known = {name for name, _ in inspect.getmembers(Levers, inspect.isfunction)}
    assert told <= known


# --- blocks ---------------------------------------------------------------------------------------


def test_the_first_start_is_a_command_line_that_is_understood() -> None:
    [_, line] = block("sh", "pip install").splitlines()
    assert line.split()[:2] == ["amazon-emulator", "serve"]
    # The help is asked for behind it: options are read, nothing is started.
    done = typer.testing.CliRunner().invoke(cli.app, [*line.split()[1:], "--help"])
    assert done.exit_code == 0, done.output


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_curl_walk_reads_participations(amazon: Emulator) -> None:
    assert '"countryCode": "DE"' in run(block("sh", "marketplaceParticipations"), amazon)
    assert amazon.levers.count(operation="getMarketplaceParticipations", status=200) == 1


@pytest.mark.processes
def test_an_application_is_made_with_its_addresses(amazon: Emulator) -> None:
    made = json.loads(run(block("sh", "redirect_uris"), amazon))
    assert made["redirect_uris"] == ["http://127.0.0.1:8000/back"]
    assert made["lwa_client_secret"]


@pytest.mark.processes
def test_levers_are_pulled_from_a_shell(amazon: Emulator) -> None:
    said = run(block("sh", "/lwa/fail"), amazon)
    assert '"count": 0' in said
    assert [one["mode"] for one in amazon.levers.pull("GET", "/weather")["items"]] == ["503"]


def test_the_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("python", "with Emulator"), "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith(" 0\n")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_account_and_the_queue(
    amazon: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "account.json").write_text(json.dumps(amazon.levers.account()))
    known: dict[str, Any] = {}
    exec(compile(block("python", "account.json"), "README.md", "exec"), known)
    assert known["addresses"] == amazon.addresses
    assert known["client_secret"]
    assert known["refresh_token"]
    exec(compile(block("python", "import boto3"), "README.md", "exec"), known)
    assert known["message"]["Body"] == "hello"


@pytest.mark.processes
def test_the_suite_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("AMAZON_EMULATOR_MODELS", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(block("python", "import pytest"))
    done = pytester.runpytest_subprocess(
        "--strict-markers", "-p", "no:cacheprovider", "-p", "amazon_emulator.pytest_plugin"
    )
    done.assert_outcomes(passed=2)


def test_every_setting_of_pytest_is_told(pytestconfig: pytest.Config) -> None:
    told = set(re.findall(r"^\| `(amazon_emulator_\w+)`", README, flags=re.MULTILINE))
    source = Path(os.fspath(inspect.getfile(cli))).with_name("pytest_plugin.py").read_text()
    assert told == set(re.findall(r'addini\(\s*"(amazon_emulator_\w+)"', source))


def test_the_world_loads(amazon: Emulator, tmp_path: Path) -> None:
    [written] = blocks("json")
    file = tmp_path / "world.json"
    file.write_text(written)
    amazon.levers.load_world(file)
    assert [one["name"] for one in amazon.levers.partners()] == ["Blue Heron Books"]
    done = typer.testing.CliRunner().invoke(cli.app, ["world", "check", str(file)])
    assert "1 application, 1 partner, 1 grant" in done.output
