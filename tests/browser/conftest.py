"""A real headless Chromium, and what it stands before: one town of real processes and one filled
house on fakes for all files. Without a Chromium these tests skip loudly; with CI=true they fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.console_town import ConsoleTown
from tests.browser.looking import PHONE, Served, served
from tests.browser.signing_on import Provider, open_provider
from tests.forked import warm_stage
from tests.journeys.conftest import Town, raise_town

#: The first is the same engine without the rest of a browser: a sixth to a third less of work.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)

#: A machine that does other things as well takes its time.
SLOW_MS, USUAL_MS = 30_000, 5_000


def system_chromium() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        words = f"no Chromium on this machine (looked for {', '.join(NAMES)})"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{words}; with CI=true the browser tests must run")
        pytest.skip(f"BROWSER TESTS SKIPPED: {words}")
    return found


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One for all files of this shelf that run in this process."""
    executable = system_chromium()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=SLOW_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=[*sandbox, *FLAGS], headless=True
        )
        yield browser
        browser.close()
    expect.set_options(timeout=USUAL_MS)


@pytest.fixture(scope="package")
def provider() -> Iterator[Provider]:
    with open_provider() as opened:
        yield opened


@pytest.fixture(scope="package")
def town(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Its console offers single sign-on beside passwords."""
    stage = warm_stage(tmp_path_factory.mktemp("browser") / "stage")
    with stage.open():
        town = raise_town(stage, furnished=True, **provider.settings())
        yield town
        town.house.close()


@pytest.fixture(scope="package")
def staffed(town: Town, chromium: Browser) -> Iterator[ConsoleTown]:
    """The town from its first start: an admin by the code, two others by mail."""
    made = ConsoleTown(town, chromium)
    town.lever("PUT", "/feeds/pace", {"queue_s": 0, "processing_s": 0})
    ada = made.first_start("Ada Field", "ada@northwind.example")
    made.join(ada, "Ben Okafor", "ben@northwind.example", "Support")
    made.join(ada, "Clara Weiss", "clara@northwind.example", "Team lead")
    yield made
    said = made.complaints()
    made.close()
    assert said == []


@pytest.fixture(scope="package")
def filled() -> Iterator[Served]:
    """A filled house on fakes. Its pages are looked at; whoever changes things opens his own."""
    with served() as here:
        yield here


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    """A shop owner's phone. A page that logs an error to its console fails the test."""
    context = chromium.new_context(viewport=PHONE, locale="en-GB", reduced_motion="reduce")
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
