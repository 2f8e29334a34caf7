"""What no page, script or handler of the console may do, read from its sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from evergrant.entrances import console
from evergrant.entrances.console.doors import Admits, all_doors

HERE = Path(console.__file__).parent
TEMPLATES = sorted((HERE / "templates").rglob("*.html"))
SCRIPTS = sorted((HERE / "static" / "js").glob("*.js"))
SHEETS = sorted((HERE / "static" / "css").glob("*.css"))
SOURCES = sorted(HERE.rglob("*.py"))

#: A pattern, what it stands for, and files (below the console) in which it is meant.
IN_TEMPLATES = (
    (r"\sstyle\s*=", "an inline style", ()),
    (r"<style\b", "an inline sheet", ()),
    (r"\son[a-z]+\s*=\s*[\"'{]", "an inline handler", ()),
    (r"<script\b", "a script", ("page.html",)),
    (r"<(?:iframe|object|embed|base|img)\b", "something from elsewhere", ()),
    (r"\{%-?\s*autoescape", "escaping switched off", ()),
    (r"javascript:|data:", "an address that runs", ()),
    (r"target=\"_blank\"(?![^>]*rel=\"noopener)", "a window that keeps hold of this one", ()),
    # Whatever is told to be safe is a text that stands there.
    (r"(?<!\")\s\|\s*safe\b", "a value that is not escaped", ()),
    (r"\b(?:href|src|action)=\{\{", "an address without quotes", ()),
    (
        r"\.reveal\(\)",
        "a secret",
        ("api_keys/list.html", "instances/one.html", "instances/added.html"),
    ),
)
IN_SCRIPTS = (
    (r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment", "markup"),
    (r"\beval\b|new Function|setTimeout\(\s*[\"'`]|setInterval\(\s*[\"'`]|import\(", "code"),
    (r"localStorage|sessionStorage|indexedDB|document\.cookie", "something that stays"),
    (r"https?://|//[a-z]+\.", "another host"),
    (r"postMessage|addEventListener\([\"']message", "another window's words"),
)
IN_SOURCES = (
    (r"\bMarkup\(", "unescaped text", ("drawing/svg.py", "pages/sign_in.py", "paper.py")),
    (r"\bHTMLResponse\(", "a page past the frame", ("asking.py",)),
    (r"\bRedirectResponse\(", "a way past `back`", ("asking.py", "guard.py", "pages/sign_in.py")),
    (
        r"\.reveal\(\)",
        "a secret",
        (
            "seals.py",
            "pages/account_invite.py",
            "pages/account_keys.py",
            "pages/me.py",
            "pages/operators.py",
            "pages/sign_in.py",
        ),
    ),
    (r"\.set_cookie\(", "a cookie of its own", ("seals.py", "pages/set_up.py")),
    (r"from_string\(|Template\(", "a template that is no file", ()),
    (r"\bvault\b", "the safe", ()),
    (r"request\.(?:body|json|stream|form)\(", "a body past its limits", ("forms.py",)),
    (r"by=SYSTEM|(?<!\.)\bSYSTEM\b|\bCaller\(", "somebody else's rights", ()),
)


def _found(paths: list[Path], pattern: str, meant: tuple[str, ...] = ()) -> Iterator[str]:
    for path in paths:
        name = path.relative_to(HERE).as_posix().removeprefix("templates/")
        if name in meant:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(pattern, line):
                yield f"{name}:{number}: {line.strip()[:120]}"


def test_there_is_something_to_read() -> None:
    assert len(TEMPLATES) > 40
    assert len(SCRIPTS) > 5
    assert len(SHEETS) > 5
    assert len(SOURCES) > 30


@pytest.mark.parametrize(("pattern", "what", "meant"), IN_TEMPLATES, ids=lambda one: str(one)[:30])
def test_no_template_holds(pattern: str, what: str, meant: tuple[str, ...]) -> None:
    assert list(_found(TEMPLATES, pattern, meant)) == [], what


@pytest.mark.parametrize(("pattern", "what"), IN_SCRIPTS, ids=lambda one: str(one)[:30])
def test_no_script_makes(pattern: str, what: str) -> None:
    assert list(_found(SCRIPTS, pattern)) == [], what


@pytest.mark.parametrize(("pattern", "what", "meant"), IN_SOURCES, ids=lambda one: str(one)[:30])
def test_no_handler_uses(pattern: str, what: str, meant: tuple[str, ...]) -> None:
    assert list(_found(SOURCES, pattern, meant)) == [], what


def test_no_sheet_reads_from_elsewhere() -> None:
    assert list(_found(SHEETS, r"@import|url\(|expression\(|https?:")) == []


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ('<p style="x">', IN_TEMPLATES[0][0]),
        ('<p onclick="x">', IN_TEMPLATES[2][0]),
        ("{{ account.name | safe }}", IN_TEMPLATES[8][0]),
        ("<a href={{ x }}>", IN_TEMPLATES[9][0]),
        ("one.innerHTML = text", IN_SCRIPTS[0][0]),
        ("return RedirectResponse(asked.query['to'])", IN_SOURCES[2][0]),
    ],
)
def test_a_slip_would_be_seen(line: str, pattern: str) -> None:
    assert re.search(pattern, line)


def test_every_form_that_sends_something_holds_the_proof() -> None:
    """Those that are not made by the macro, which adds it, bring it themselves."""
    seen = 0
    for path in TEMPLATES:
        if path.name == "parts.html" and path.parent.name == "templates":
            continue
        for form in re.findall(r"<form\b.*?</form>", path.read_text(), re.DOTALL):
            head = form.partition(">")[0]
            if 'method="post"' in head:
                seen += 1
                assert 'name="proof"' in form, (path, head)
                assert 'value="{{ proof }}"' in form, (path, head)
            else:
                assert 'method="get"' in head, (path, head)
                assert "proof" not in form, (path, head)
    assert seen >= 2


def test_every_door_leads_into_the_console_and_says_whom_it_admits() -> None:
    seen = set()
    for door in all_doors():
        assert door.path == "/console" or door.path.startswith("/console/")
        assert "//" not in door.path
        assert not door.path.startswith("/console/static")
        assert (door.method, door.path) not in seen
        seen.add((door.method, door.path))
        if door.method == "POST" and door.admits is Admits.OPERATOR and door.right is None:
            assert door.path.startswith("/console/me/"), "an action that everybody may do"


def test_every_action_that_asks_twice_can_be_done_without_a_script() -> None:
    """Where a script would ask, the form itself asks as well, or leads to a page that does."""
    for path in TEMPLATES:
        text = path.read_text()
        if "data-confirm=" in text and path.name != "parts.html":
            assert "required" in text, path
