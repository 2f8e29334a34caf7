"""What packages/emulator/README.md promises is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from amazon_emulator import Emulator
from amazon_emulator.faces.levers import lever_list
from amazon_emulator.weather import MODES

README = (Path(__file__).parents[2] / "packages" / "emulator" / "README.md").read_text()


def test_every_lever_that_is_named_exists() -> None:
    told = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?\s]*)", README))
    told -= {("GET", "/"), ("POST", "/auth/o2/token")}
    assert len(told) > 8
    assert told <= {(lever["method"], lever["path"]) for lever in lever_list()}


def test_every_failing_mode_is_told() -> None:
    table = README.partition("**Failing modes**")[2].partition("**Habits**")[0]
    assert set(re.findall(r"`(\w+)`", table)) >= MODES


def test_the_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [block] = [
        block
        for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
        if "from amazon_emulator import Emulator" in block
    ]
    exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith(" 0\n")


def test_the_curl_walk_reads_participations(amazon: Emulator) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    [_, walk] = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for port, face in (("9106", "levers"), ("9100", "lwa"), ("9104", "eu")):
        assert f"http://127.0.0.1:{port}" in walk
        walk = walk.replace(f"http://127.0.0.1:{port}", amazon.addresses[face])
    done = subprocess.run(
        ["sh", "-euc", walk],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "NO_PROXY": "*"},
    )
    assert '"countryCode": "DE"' in done.stdout, done.stdout + done.stderr
