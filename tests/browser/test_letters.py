"""Letters on a phone and on a screen, by day and by night, with names that are too long."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from evergrant.letters import LANGUAGES, TOPICS, LetterLooks, render
from evergrant.rules.colours import palette
from tests.browser.contrast import CONTRAST
from tests.browser.looking import shown_to_eyes
from tests.rooms.letters_ground import FACTS, digest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("browser-pages"),
]

LONG = "Kestrel&Sons" * 25
NAMES = dict.fromkeys(("house_name", "account_name", "application_name", "error"), LONG)


WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
YELLOW = {"looks": LetterLooks(palette=palette("#ffe14d"))}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LOOKED_AT = {
    "invitation": FACTS,
    "authorization_ending": FACTS,
    "operators_digest": FACTS | digest(5),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_fits_and_can_be_read(chromium: Browser, picture: Path, language: str) -> None:
    """In every language on a narrow phone; in the one with the longest words at other widths, and
    its colours by day and by night."""
    context = chromium.new_context(viewport={"width": 360, "height": 800})
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    for topic in TOPICS:
        page.set_content(render(topic, language, FACTS | NAMES | digest(3, LONG)).html)
        for width in (390, 1000, 360) if language == "de" else (360,):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(WIDER) <= 0, f"{topic} runs out of a screen of {width}"
            if language == "de" and width != 360:
                assert_read(page, f"{topic} at {width}")
        if language == "de":
            page.set_content(render(topic, "de", FACTS | YELLOW).html)
            assert_read(page, f"{topic} in a yellow house")
    assert not asked, "a letter fetches nothing"
    if os.environ.get("EVERGRANT_PICTURES") == "all":
        look(page, picture, language)
    context.close()


def assert_read(page: Page, what: str) -> None:
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CONTRAST) >= 4.5, f"{what}, {scheme}"


def look(page: Page, picture: Path, language: str) -> None:
    for topic, facts in LOOKED_AT.items():
        page.set_content(render(topic, language, facts).html)
        for width in (360, 1000):
            page.set_viewport_size({"width": width, "height": 800})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                name = f"letter-{topic}-{width}-{language}-{scheme}"
                shown_to_eyes(page, picture.with_stem(name))
