"""Letters on a phone and on a screen, by day and by night, with names that are too long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from evergrant.letters import TOPICS, render
from tests.rooms.letters_ground import FACTS, digest

LONG = "Kestrel&Sons" * 25
NAMES = dict.fromkeys(("house_name", "account_name", "application_name", "error"), LONG)

#: Of every text: its colour against what is painted behind it, as WCAG counts contrast.
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((one) => one / 255)
    .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  let worst = 21;
  for (const element of document.querySelectorAll('.card *')) {
    if (![...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim())) continue;
    const pair = [parse(getComputedStyle(element).color), behind(element)].map(light).sort();
    worst = Math.min(worst, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05));
  }
  return worst;
}"""


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
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wider) <= 0, f"{topic} runs out of the screen"
        assert page.evaluate(CONTRAST) >= 4.5, topic
    for topic in ("authorization_ending", "operators_digest"):
        page.set_content(render(topic, "en", FACTS | digest(5)).html)
        page.screenshot(path=picture.with_stem(f"letter-{topic}-{width}-{scheme}"), full_page=True)
    assert not asked, "a letter fetches nothing"
    context.close()
