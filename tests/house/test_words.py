"""What the repository may not say, and what its documents must say."""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import evergrant
import evergrant.ports
import evergrant.rules
from evergrant import errors

ROOT = Path(__file__).parents[2]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


#: Not rooms: their classes are named in the reference pages, or nowhere outside the code.
UNSPOKEN = {"adapters", "entrances", "errors", "letters", "testing"}


def public_classes() -> dict[str, type]:
    """Every public class of the library, the sockets and the rooms: the words of the field."""
    modules = [evergrant.ports]
    for package in (evergrant.rules, evergrant.ports):
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            modules.append(importlib.import_module(info.name))
    faces = []
    for info in pkgutil.iter_modules(evergrant.__path__):
        if info.name not in UNSPOKEN | {"rules", "ports"}:
            faces.append(importlib.import_module(f"evergrant.{info.name}"))
    found = {
        name: thing
        for module in modules
        for name, thing in vars(module).items()
        if inspect.isclass(thing) and thing.__module__ == module.__name__ and name[0] != "_"
    }
    for face in faces:
        for name in getattr(face, "__all__", ()):
            thing = getattr(face, name)
            if inspect.isclass(thing):
                found[name] = thing
    return found


def glossary() -> set[str]:
    text = (ROOT / "docs/glossary.md").read_text()
    return set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))


def test_the_glossary_knows_every_public_class() -> None:
    classes = public_classes()
    assert len(classes) > 30
    assert not set(classes) - glossary(), "missing in docs/glossary.md"


def test_the_glossary_explains_nothing_that_is_gone() -> None:
    known = set(public_classes())
    for thing in public_classes().values():
        if issubclass(thing, enum.Enum):
            known |= set(thing.__members__)
    source = "\n".join(path.read_text() for path in tracked("src/evergrant/*.py"))
    stale = {name for name in glossary() - known if not re.search(rf"\b{name}\b", source)}
    assert not stale


def test_every_error_is_in_the_tree_and_has_a_code_of_its_own() -> None:
    tree = errors.__doc__ or ""
    classes = [
        thing
        for thing in vars(errors).values()
        if inspect.isclass(thing) and issubclass(thing, errors.EvergrantError)
    ]
    assert [c.__name__ for c in classes if c.__name__ not in tree] == []
    leaves = [c for c in classes if not c.__subclasses__()]
    codes = [c.code for c in leaves]
    assert len(codes) == len(set(codes)), codes


@pytest.mark.parametrize(
    "command",
    [
        ["docs/draw.py", "--check"],
        ["docs/pictures/draw_flow.py", "--check"],
        ["docs/reference_pages.py", "--check"],
        ["docs/api_page.py", "--check"],
        ["docs/checks_page.py", "--check"],
        ["docs/emulator_pages.py", "--check"],
        ["docs/operations_table.py", "--check"],
    ],
    ids=lambda command: command[0],
)
def test_generated_documents_are_fresh(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_between_documents_lead_somewhere() -> None:
    dead = []
    for page in tracked("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                dead.append(f"{page.relative_to(ROOT)}: {target}")
    assert not dead


def test_locks_are_hashed_and_name_no_index() -> None:
    for lock in tracked("requirements/*.txt"):
        text = lock.read_text()
        assert "://" not in text, f"{lock.name} names an address"
        assert "--index-url" not in text
        pins = re.findall(r"^\S+==\S+", text, re.MULTILINE)
        block = r"^\S+==[^\n]*\\\n(?:    --hash=sha256:\w{64}[ \\]*\n)+"
        blocks = re.findall(block, text, re.MULTILINE)
        assert len(pins) == len(blocks) > 20
    assert not tracked("uv.lock", "package-lock.json", "*/package-lock.json")


#: Verbs that ask their clock again, and why: something outside the house took its time.
ASKED_AGAIN = {
    "tokens/__init__.py:_live": "how long an access token lives is judged after the flight",
}


def asks_of_the_clock(verb: ast.AST) -> int:
    return sum(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "now"
        for call in ast.walk(verb)
    )


def test_the_library_reads_no_clock_and_rooms_read_theirs_once() -> None:
    """House rules 1 and 2: rules are handed the time; a verb asks its clock once."""
    for path in tracked("src/evergrant/rules/*.py"):
        assert not re.search(r"\.(now|today|utcnow)\(", path.read_text()), path.name
    several = {}
    packages = ("consent", "registry", "tokens", "watch")
    rooms = [path for path in tracked("src/evergrant/*.py") if path.parent.name == "evergrant"]
    rooms += tracked(*(f"src/evergrant/{name}/*.py" for name in packages))
    assert len(rooms) > 30
    for path in rooms:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                asked = asks_of_the_clock(node)
                if asked > 1:
                    name = path.relative_to(ROOT / "src/evergrant").as_posix()
                    several[f"{name}:{node.name}"] = asked
    assert set(several) == set(ASKED_AGAIN), several


def test_every_module_says_what_it_is_and_what_of_it_is_public() -> None:
    mute = []
    for path in tracked("src/*.py", "packages/*/src/*.py"):
        tree = ast.parse(path.read_text())
        named = {target.id for node in tree.body for target in assigned(node)}
        defines = any(
            isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            for node in tree.body
        )
        public = "__all__" in named or not defines or "migrations" in path.parts
        if not ast.get_docstring(tree) or not public:
            mute.append(str(path.relative_to(ROOT)))
    assert not mute


def assigned(node: ast.stmt) -> list[ast.Name]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target for target in targets if isinstance(target, ast.Name)]


def test_every_room_says_what_it_answers_for_and_what_not() -> None:
    street = [ROOT / "src/evergrant/__init__.py"]
    for place in sorted((ROOT / "src/evergrant").iterdir()):
        street += [place] if place.suffix == ".py" else [place / "__init__.py"]
    silent = [
        str(path.relative_to(ROOT))
        for path in street
        if path.exists()
        for said in [" ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())]
        if "Answers for" not in said or "ot answer for" not in said
    ]
    assert len(street) > 20
    assert not silent


def test_nobody_swallows_errors_or_leaves_work_for_later() -> None:
    pattern = re.compile(
        r"\b(?:TODO|FIXME|XXX)\b|NotImplementedError|except(?: Exception| BaseException)?:\s*pass\b"
    )
    guilty = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked("src/*.py", "packages/*.py", "demo/*.py", "bench/*.py")
        for match in [pattern.search(path.read_text())]
        if match
    ]
    assert not guilty


def test_long_files_are_asked_why() -> None:
    # path -> the answer
    answers: dict[str, str] = {}
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked("src/*.py", "packages/*/src/*.py")
        if (count := len(path.read_text().splitlines())) > 500
    }
    assert set(long) == set(answers), long


def test_versions_agree_and_are_semantic() -> None:
    versions = {
        path: re.search(r'__version__ = "(\d+\.\d+\.\d+)"', (ROOT / path).read_text())
        for path in (
            "src/evergrant/__init__.py",
            "packages/client/src/evergrant_client/__init__.py",
            "packages/emulator/src/amazon_emulator/__init__.py",
        )
    }
    assert all(versions.values()), versions
    assert len({match.group(1) for match in versions.values() if match}) == 1


def test_tests_cut_connections_of_their_own_database_only() -> None:
    """One server carries the databases of many tests at once; who ends the connections of all of
    them makes a neighbour fail that did nothing wrong."""
    careless = []
    for path in tracked("tests/*.py"):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            statement = "\n".join(lines[number : number + 4])
            ends = "pg_terminate_backend(pid)" in line
            if ends and "current_database()" not in statement and path != Path(__file__):
                careless.append(f"{path.relative_to(ROOT)}:{number + 1}")
    assert not careless
