"""The import contracts hold, and each of them bites when it is broken on purpose."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"

# contract id -> (file that gets one more line, the line that breaks the contract)
BREACHES = {
    "street": ("src/evergrant/errors.py", "import evergrant.registry"),
    "adapters": ("src/evergrant/adapters/clock.py", "import evergrant.journal"),
    "safe": ("src/evergrant/accounts/__init__.py", "import evergrant.vault"),
    "doors": ("src/evergrant/entrances/ops.py", "import evergrant.entrances.public"),
    "rules": ("src/evergrant/rules/terms.py", "import time"),
    "emulator": (
        "packages/emulator/src/amazon_emulator/trade/__init__.py",
        "import amazon_emulator.faces",
    ),
    "strangers": ("packages/client/src/evergrant_client/__init__.py", "import evergrant.errors"),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    roots = ("src", "packages/client/src", "packages/emulator/src")
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(str(root / part) for part in roots), "PATH": ""},
        check=False,
    )


def contracts_in_pyproject() -> list[str]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [contract["id"] for contract in config["tool"]["importlinter"]["contracts"]]


def test_every_contract_has_a_breach_to_try() -> None:
    assert sorted(contracts_in_pyproject()) == sorted(BREACHES)


def module_of(file: str) -> str:
    return (
        file.rpartition("src/")[2].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    )


def test_the_street_runs_one_way_and_every_breach_is_seen(tmp_path: Path) -> None:
    """All breaches at once, elsewhere: to read the house costs more than to judge it. Each is told
    by its own contract, as the very line that was put in; `make imports` judges what stands here,
    and so does the copy before anything is broken."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for part in ("src", "packages/client/src", "packages/emulator/src"):
        shutil.copytree(
            ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "*.html")
        )
    before = lint(tmp_path)
    assert before.returncode == 0, before.stdout + before.stderr
    chains = {}
    for contract, (file, line) in BREACHES.items():
        broken = tmp_path / file
        text = f"{broken.read_text()}\n{line}\n"
        broken.write_text(text)
        number = len(text.splitlines())
        chains[contract] = f"- {module_of(file)} -> {line.split()[1]} (l.{number})"
    after = lint(tmp_path)
    assert after.returncode == 1
    # A line under every title, and what a contract has to say below it.
    _, _, broken_ones = after.stdout.partition("\nBroken contracts\n")
    told = re.split(r"\n(?:-+\n)+", broken_ones)[1:]
    for contract, words in zip(contracts_in_pyproject(), told, strict=True):
        said = re.sub(r" +", " ", words)
        assert chains[contract] in said, f"{contract} does not see {chains[contract]}:\n{words}"
