"""What operators can set and what can go wrong is documented, from the code itself."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from evergrant import errors
from evergrant.settings import READ_ELSEWHERE, SETTINGS, Settings

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / "docs/reference_pages.py"


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_pages", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference(name: str) -> str:
    return (ROOT / "docs/reference" / name).read_text(encoding="utf-8")


def test_every_setting_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| `(EVERGRANT_\w+)` \|", reference("settings.md"), re.MULTILINE)
    assert sorted(rows) == sorted(one.name for one in SETTINGS)


def test_every_setting_has_words_an_example_and_a_default_or_what_happens_without() -> None:
    for one in SETTINGS:
        assert one.what.endswith("."), one.name
        assert one.example, one.name
        assert bool(one.default) != bool(one.unset), one.name


def test_every_setting_goes_somewhere() -> None:
    fields = set(Settings.__dataclass_fields__)
    assert {one.into for one in SETTINGS} <= fields
    assert fields - {one.into for one in SETTINGS} == {"marketplaces", "shown"}


def test_names_in_other_documents_are_settings() -> None:
    known = {one.name for one in SETTINGS} | {one.file_name for one in SETTINGS}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))):
        if page.name != "settings.md":
            named = set(re.findall(r"\bEVERGRANT_[A-Z_]+\b", page.read_text(encoding="utf-8")))
            assert named <= known | READ_ELSEWHERE | {"EVERGRANT_"}, page.name


def test_every_decision_is_in_the_index_and_numbered_once() -> None:
    folder = ROOT / "docs/adr"
    pages = sorted(page.name for page in folder.glob("0*.md"))
    assert [name[:4] for name in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    rows = re.findall(
        r"^\| \[(\d+)\]\(([^)]+)\) \|", (folder / "README.md").read_text(), re.MULTILINE
    )
    assert rows == [(name[:4], name) for name in pages]


def test_every_error_is_documented_and_no_other() -> None:
    leaves = {
        thing.code: thing.__name__
        for thing in vars(errors).values()
        if inspect.isclass(thing)
        and issubclass(thing, errors.EvergrantError)
        and not thing.__subclasses__()
    }
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", reference("errors.md"), re.MULTILINE)
    assert dict(rows) == leaves
    assert len(rows) == len(leaves)


def test_check_finds_a_stale_and_a_missing_page(
    pages: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pages.main(["--check"], tmp_path) == 1
    assert "settings.md, errors.md" in capsys.readouterr().out
    assert pages.main([], tmp_path) == 0
    assert pages.main(["--check"], tmp_path) == 0
    (tmp_path / "errors.md").write_text("old")
    capsys.readouterr()
    assert pages.main(["--check"], tmp_path) == 1
    said = capsys.readouterr().out
    assert "errors.md" in said
    assert "settings.md" not in said


def test_the_generator_tells_how_to_use_it() -> None:
    done = subprocess.run(
        [sys.executable, str(GENERATOR), "--chekc"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--check" in done.stdout
