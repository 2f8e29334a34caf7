"""Every `evergrant ...` that a document shows is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.exceptions import TyperException

from evergrant.entrances.cli.root import app

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "packages/client/README.md",
    ROOT / "docs/reference/checks.md",
    *sorted((ROOT / "docs/guides").glob("*.md")),
)
TREE: Any = typer.main.get_command(app)


def blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def whole_lines(text: str) -> Iterator[list[str]]:
    """The words behind `evergrant` of each line in the shell blocks, comments taken off."""
    for block in blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words and words[0] == "evergrant":
                yield words[1:]


def inline(text: str) -> Iterator[list[str]]:
    """The same of words within a sentence, which may leave out what does not matter there."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for found in re.findall(r"`evergrant ([^`]+)`", outside):
        yield shlex.split(found)


def leaf(words: list[str]) -> tuple[Any, list[str]]:
    """The command that is meant, and the words behind its name."""
    command, rest = TREE, list(words)
    while getattr(command, "commands", None) and rest and not rest[0].startswith("-"):
        otherwise = getattr(command, "otherwise", None)
        name = otherwise if otherwise and rest[0] not in command.commands else rest.pop(0)
        assert name in command.commands, f"there is no command {name!r} in {words}"
        command = command.commands[name]
    return command, rest


def complaint_of(words: list[str]) -> str:
    """What the command line says of the words, without running anything; empty when it is fine."""
    command, rest = leaf(words)
    if getattr(command, "commands", None) and not command.invoke_without_command:
        return "" if rest in (["--help"], ["--version"]) else f"{words} names a group only"
    try:
        command.make_context(command.name, rest)
    except TyperException as error:
        return f"{words}: {error}"
    return ""


def test_there_is_something_to_look_at() -> None:
    assert len(PAGES) >= 6
    found = {page: len(list(whole_lines(page.read_text(encoding="utf-8")))) for page in PAGES}
    assert found[ROOT / "README.md"] > 5
    assert found[ROOT / "docs/guides/connect-a-customer.md"] > 10


def test_a_slip_of_the_pen_would_be_seen() -> None:
    assert complaint_of(["account", "list", "--sarch", "x"])
    assert complaint_of(["account", "add", "x"])
    assert complaint_of(["token"])
    assert not complaint_of(["account", "list", "--search", "x"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_line_of_a_shell_block_is_accepted(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    complaints = [complaint_of(words) for words in whole_lines(text)]
    assert not [complaint for complaint in complaints if complaint]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_sentence_exists_with_its_options(page: Path) -> None:
    for words in inline(page.read_text(encoding="utf-8")):
        command, rest = leaf(words)
        known = {name for parameter in command.params for name in parameter.opts}
        options = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert options <= known | {"--help"}, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_of_ours_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
