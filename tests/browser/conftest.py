"""A real headless Chromium. Without one these tests skip loudly; with CI=true they fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.forked import warm_stage
from tests.journeys.conftest import Town, raise_town

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def system_chromium() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        words = f"no Chromium on this machine (looked for {', '.join(NAMES)})"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{words}; with CI=true the browser tests must run")
        pytest.skip(f"BROWSER TESTS SKIPPED: {words}")
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = system_chromium()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=[*sandbox, *FLAGS], headless=True
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    stage = warm_stage(tmp_path_factory.mktemp("browser") / "stage")
    with stage.open():
        town = raise_town(stage)
        yield town
        town.house.close()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    """A shop owner's phone. A page that logs an error to its console fails the test."""
    context = chromium.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type == "error" else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert not [words for words in complaints if "status of 4" not in words], complaints


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Path:
    """Where a test puts its screenshots: outside version control."""
    folder = Path(__file__).parents[2] / "test-output" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    name: str = request.node.name
    return folder / f"{name.replace('[', '-').rstrip(']')}.png"
