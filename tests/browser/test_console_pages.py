"""Every page of the console as it is painted: on a screen and a phone, by day and by night."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pytest
from playwright.sync_api import Browser, ViewportSize

from evergrant.entrances.console.doors import Admits, all_doors
from evergrant.rules.rights import Role
from tests.browser.looking import (
    ALL_LOOKS,
    PHONE,
    SCREEN,
    SHOTS,
    Served,
    Window,
    axe_source,
    found_by_axe,
    invitation_path,
    name_of,
    open_window,
    shown_to_eyes,
    sticks_out,
    wakes_axe,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("browser-pages"),
]

MOST_BYTES = 200_000
#: What a browser keeps as a file instead of painting it.
FILES = frozenset(
    {
        "/console/accounts/export.csv",
        "/console/accounts/{account_id}/upload/template.csv",
        "/console/feeds/accounts/{account_id}/refused.csv",
        "/console/journal/export.csv",
        "/console/journal/export.jsonl",
    }
)
#: Never ends; every page with news listens to it, and `test_console_scripts` to what it says.
STREAM = "/console/news"
#: Doors that are no page for an admin of the filled house, with who is there instead.
OTHERS = {
    "/console/first": "empty",
    "/console/join/{link}": "stranger",
    "/console/sign-in": "stranger",
    "/console/single-sign-on/back": "stranger",
    "/console/second-factor": "proving",
    "/console/enrol": "enrolling",
}
#: The same door once more, where another state of things makes another page.
MORE = {
    "overview of an auditor": ("auditor", "/console"),
    "overview of support": ("support", "/console"),
    "an account that waits": ("admin", "/console/accounts/{awaiting_id}"),
    "consent that was never given": ("admin", "/console/accounts/{awaiting_id}/consent"),
    "a vendor": ("admin", "/console/accounts/{vendor_id}"),
    "an account for an auditor": ("auditor", "/console/accounts/{account_id}"),
    "accounts that were found": ("admin", "/console/accounts?q=book"),
    "no account found": ("admin", "/console/accounts?q=nothing-of-the-kind"),
    "a run in doubt": ("admin", "/console/feeds/runs/{uncertain_id}"),
    "no such page": ("admin", "/console/no-such-page"),
    "not for this role": ("support", "/console/operators"),
}
ANSWERS = {"/console/single-sign-on/back": 401, "no such page": 404, "not for this role": 403}


#: Each width once and each theme once, as a theme moves nothing; all four where pictures are taken.
LOOKS: tuple[tuple[ViewportSize, Literal["light", "dark"]], ...] = (
    (SCREEN, "light"),
    (PHONE, "dark"),
    *(((PHONE, "light"), (SCREEN, "dark")) if ALL_LOOKS else ()),
)


@pytest.fixture
def here(filled: Served) -> Served:
    return filled


@dataclass
class Windows:
    """One window for each kind of visitor, opened when the first page for him comes."""

    here: Served
    browser: Browser
    opened: dict[str, Window]

    def of(self, who: str) -> Window:
        if who not in self.opened:
            secret = "" if who in ("stranger", "empty") else self.here.secrets[who]
            self.opened[who] = open_window(self.browser, self.here.url, secret)
        return self.opened[who]


@pytest.fixture(scope="module")
def windows(filled: Served, chromium: Browser) -> Iterator[Windows]:
    made = Windows(filled, chromium, {})
    yield made
    for window in made.opened.values():
        window.close()


@pytest.fixture(scope="module")
def axe() -> str | None:
    source = axe_source()
    if source is None:
        words = "AXE SKIPPED: axe-core is not in .venv/node (make node-sdk installs it, with Node)"
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(words, stacklevel=1)
    return source


def address_of(path: str, here: Served) -> str:
    """A door without a thing to open it for fails here: name one in `Filled`."""
    facts: Mapping[str, str] = vars(here.filled)
    missing = [one for one in re.findall(r"{(\w+)}", path) if not facts.get(one)]
    assert not missing, f"no page is known for {path}: Filled has no {', '.join(missing)}"
    return re.sub(r"{(\w+)}", lambda found: facts[found[1]], path)


#: Where the same word means another thing.
_OWN = {
    "/console/accounts/{account_id}/keys/{key_id}/end": (
        "/console/accounts/{account_id}/keys/{connection_key_id}/end"
    ),
    "/console/accounts/{account_id}/upload/template.csv": (
        "/console/accounts/{account_id}/upload/template.csv?kind=stock"
    ),
    "/console/accounts/{account_id}/adopt": "/console/accounts/{awaiting_id}/adopt",
    "/console/feeds/runs/{run_id}/decide": "/console/feeds/runs/{uncertain_id}/decide",
}

PAGES = sorted(
    {one.path for one in all_doors() if one.method == "GET"} - FILES - {STREAM}
)  # fmt: skip


def test_each_file_and_stream_is_a_door() -> None:
    doors = {one.path for one in all_doors() if one.method == "GET"}
    assert FILES | {STREAM} | set(OTHERS) | set(_OWN) <= doors
    of_strangers = {one.path for one in all_doors() if one.admits is not Admits.OPERATOR}
    assert set(OTHERS) == of_strangers & set(PAGES)


@pytest.mark.parametrize("path", PAGES)
def test_a_page(here: Served, windows: Windows, axe: str | None, path: str) -> None:
    who = OTHERS.get(path, Role.ADMIN.value)
    base = here.empty_url if who == "empty" else here.url
    if path == "/console/join/{link}":
        address = invitation_path(here)
        name = "join"
    else:
        address = address_of(_OWN.get(path, path), here)
        name = name_of(re.sub(r"{(\w+)}", lambda found: found[1].removesuffix("_id"), path))
    look(windows.of(who), f"{base}{address}", name, axe, ANSWERS.get(path, 200))


@pytest.mark.parametrize("name", MORE)
def test_another_page(here: Served, windows: Windows, axe: str | None, name: str) -> None:
    who, path = MORE[name]
    address = address_of(path, here)
    look(windows.of(who), f"{here.url}{address}", name_of(name), axe, ANSWERS.get(name, 200))


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_file(here: Served, windows: Windows, path: str) -> None:
    window = windows.of(Role.ADMIN.value)
    answer = window.context.request.get(f"{here.url}{address_of(_OWN.get(path, path), here)}")
    assert answer.status == 200
    assert "attachment" in answer.headers["content-disposition"]


def look(window: Window, url: str, name: str, axe: str | None, expected: int) -> None:
    page, found = window.page, []
    window.complaints.clear()
    page.set_viewport_size(SCREEN)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    answer = page.goto(url)
    assert answer is not None
    assert answer.status == expected, page.inner_text("body")[:400]
    weighs = len(answer.body())
    if weighs > MOST_BYTES:
        found.append(f"{weighs} bytes of HTML")
    if axe is not None:
        wakes_axe(page, axe)
    for size, theme in LOOKS:
        page.set_viewport_size(size)
        # Colours that are still on their way from one theme to the other are no colours to judge.
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        where = f"{size['width']} {theme}"
        if wide := sticks_out(page):
            found.append(f"{where}: sticks out: {wide}")
        shown_to_eyes(page, SHOTS / f"{name}-{size['width']}-{theme}.png")
        if axe is not None and (size, theme) in LOOKS[:2]:
            found += [f"{where}: {one}" for one in found_by_axe(page, again=size is PHONE)]
    said = [one for one in window.complaints if f"status of {expected}" not in one]
    assert not found + said, "\n".join(found + said)
