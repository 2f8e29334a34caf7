"""The import contracts hold, and each of them bites when it is broken on purpose."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def lint(root: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    roots = ("src", "packages/client/src", "packages/emulator/src")
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", *(f"--contract={name}" for name in contracts)],
        cwd=root,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(str(root / part) for part in roots), "PATH": ""},
        check=False,
    )


def contracts_in_pyproject() -> set[str]:
    import tomllib

    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {contract["id"] for contract in config["tool"]["importlinter"]["contracts"]}


def test_every_contract_has_a_breach_to_try() -> None:
    assert contracts_in_pyproject() == set(BREACHES)


def test_the_street_runs_one_way() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that is linted, elsewhere, and as whole as here."""
    folder = tmp_path_factory.mktemp("copied")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for part in ("src", "packages/client/src", "packages/emulator/src"):
        shutil.copytree(
            ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.html")
        )
    before = lint(folder)
    assert before.returncode == 0, before.stdout + before.stderr
    return folder


@pytest.mark.parametrize("contract", sorted(BREACHES))
def test_a_breach_is_seen(contract: str, copied: Path) -> None:
    file, line = BREACHES[contract]
    broken = copied / file
    whole = broken.read_text()
    broken.write_text(f"{whole}\n{line}\n")
    try:
        after = lint(copied, contract)
    finally:
        broken.write_text(whole)
    assert after.returncode == 1, f"{line!r} in {file} was not seen by {contract}\n{after.stdout}"
    assert "BROKEN" in after.stdout
