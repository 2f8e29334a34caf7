"""Letters on a phone and on a screen, by day and by night, with names that are too long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from evergrant.letters import LANGUAGES, TOPICS, LetterLooks, render
from evergrant.rules.colours import palette
from tests.browser.contrast import CONTRAST
from tests.rooms.letters_ground import FACTS, digest

LONG = "Kestrel&Sons" * 25
NAMES = dict.fromkeys(("house_name", "account_name", "application_name", "error"), LONG)


WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
YELLOW = {"looks": LetterLooks(palette=palette("#ffe14d"))}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_in_every_language_fits_a_narrow_phone(
    chromium: Browser, picture: Path, language: str
) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 800})
    page = context.new_page()
    for topic in TOPICS:
        page.set_content(render(topic, language, FACTS | NAMES | digest(3, LONG)).html)
        assert page.evaluate(WIDER) <= 0, f"{topic} runs out of the screen"
    for topic in ("invitation", "authorization_ending"):
        page.set_content(render(topic, language, FACTS).html)
        page.screenshot(path=picture.with_stem(f"letter-{topic}-360-{language}"), full_page=True)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1000])
def test_every_letter_fits_and_can_be_read(
    chromium: Browser, picture: Path, width: int, scheme: Any
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    for topic in TOPICS:
        page.set_content(render(topic, "de", FACTS | NAMES | digest(3, LONG)).html)
        assert page.evaluate(WIDER) <= 0, f"{topic} runs out of the screen"
        assert page.evaluate(CONTRAST) >= 4.5, topic
        page.set_content(render(topic, "de", FACTS | YELLOW).html)
        assert page.evaluate(CONTRAST) >= 4.5, f"{topic} in a yellow house"
    for topic in ("authorization_ending", "operators_digest"):
        page.set_content(render(topic, "en", FACTS | digest(5)).html)
        page.screenshot(path=picture.with_stem(f"letter-{topic}-{width}-{scheme}"), full_page=True)
    assert not asked, "a letter fetches nothing"
    context.close()
