"""The public pages in every language: nothing sticks out of a narrow phone, and everything can be
read, by day and by night, in our colour and in a house's own."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from evergrant.consent import NeedsProof
from evergrant.entrances.public import words as w
from evergrant.letters import LANGUAGES
from evergrant.rules import ids
from evergrant.rules.marketplaces import PartnerKind
from evergrant.settings import Looks
from evergrant.settings.looks import Logo
from tests.browser.contrast import CONTRAST
from tests.doors.test_public import ARRIVED, HANDSHAKE, LINK, OPENED, Reception, door

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("browser-pages"),
]

REFERENCE = ids.reference(b"12345")
HOST = "http://127.0.0.1:8080"
LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 220 40"><style>path{fill:#7a1f5c}'
    b'</style><path d="M0 20L20 0l20 20-20 20z"/><path d="M52 12h168v16H52z"/></svg>'
)
#: As long as names get: nobody's page may break over them.
LONG = "Kestrel-und-Söhne-Buchhandelsgesellschaft für Antiquarisches mbH & Co. KG, Zweigstelle"

REFUSALS = (*w.WORDS, "something_new")
PAGES = {
    "start": "/",
    "landing": LINK,
    "decline": f"{LINK}?do=decline",
    "trouble": f"{LINK}?do=trouble",
    "told": f"{LINK}?do=told&number={REFERENCE}&about=SPDC8143",
    "declined": f"{LINK}?do=declined&number={REFERENCE}",
    "proof": "/amazon/login",
    "done": f"/connect/done/{HANDSHAKE}",
    **{
        f"refused-{one}": f"/connect/refused/{one}/{REFERENCE}?attempt={HANDSHAKE}"
        for one in REFUSALS
    },
}


class Town:
    """A reception behind its door, and a browser that reaches nothing else."""

    def __init__(self, looks: Looks | None = None, name: str = "Northwind") -> None:
        self.reception = Reception()
        self._client = door(self.reception, HOST, looks, name)
        self._hands = ThreadPoolExecutor(1)

    def ask(self, asked: httpx2.Request) -> httpx2.Response:
        self._client.cookies.clear()
        return self._hands.submit(asyncio.run, self._client.send(asked)).result()

    def page(self, path: str, language: str) -> str:
        """Without a browser, which is much faster."""
        headers = {"accept-language": language}
        return self.ask(self._client.build_request("GET", HOST + path, headers=headers)).text

    def answer(self, route: Route) -> None:
        request = route.request
        asked = self._client.build_request(
            request.method,
            request.url,
            headers=request.all_headers(),
            content=request.post_data_buffer or b"",
        )
        told = self.ask(asked)
        route.fulfill(status=told.status_code, headers=dict(told.headers), body=told.content)


@contextmanager
def window(chromium: Browser, town: Town, width: int, language: str, **more: Any) -> Iterator[Page]:
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, locale=language, **more
    )
    context.route("**/*", town.answer)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert not [words for words in complaints if "status of" not in words], complaints


#: Shows another page under the same sheets.
REPLACE = """(text) => {
  document.body.innerHTML = new DOMParser().parseFromString(text, 'text/html').body.innerHTML;
}"""


def fits(page: Page) -> list[str]:
    """What sticks out of the screen, by its words."""
    found: list[str] = page.evaluate(
        """() => [...document.body.querySelectorAll('*')]
          .filter((one) => one.checkVisibility() && !one.closest('.unseen, .skip, svg'))
          .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5
            || one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0)
          .map((one) => `${one.tagName}: ${one.textContent.trim().slice(0, 60)}`)"""
    )
    return found


def furnished(language: str) -> Town:
    town = Town(name=LONG)
    town.reception.opened = dataclasses.replace(
        OPENED, account_name=LONG, application_name=LONG, language=language
    )
    town.reception.ended = dataclasses.replace(
        ARRIVED,
        account_name=LONG,
        return_url=f"https://{'kestrel' * 8}.example/back",
        language=language,
    )
    town.reception.logged_in = NeedsProof(reference=REFERENCE, language=language)
    return town


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_sticks_out_of_a_narrow_phone(chromium: Browser, language: str) -> None:
    town = furnished(language)
    with window(chromium, town, 360, language) as page:
        page.goto(HOST + LINK)
        for name, path in PAGES.items():
            text = town.page(path, language)
            assert f'<html lang="{language}">' in text, name
            page.evaluate(REPLACE, text)
            assert not fits(page), name
        town.reception.opened = dataclasses.replace(
            town.reception.opened, partner_kind=PartnerKind.VENDOR, renewal=True
        )
        page.goto(HOST + LINK)
        page.locator(".tongues summary").click()
        assert not fits(page), "the languages"
        town.reception.ended = dataclasses.replace(town.reception.ended, connected=False)
        page.goto(HOST + PAGES["done"])
        assert not fits(page), "waiting"


LOOKS: dict[str, Looks | None] = {
    "ours": None,
    "theirs": Looks(colour="#e4572e", logo=Logo(content=LOGO, media_type="image/svg+xml")),
    "yellow": Looks(colour="#ffe14d"),
}


SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.mark.parametrize("looks", LOOKS)
def test_everything_can_be_read(chromium: Browser, looks: str) -> None:
    town = Town(LOOKS[looks])
    # Colours that are still on their way from one theme to the other are no colours to judge.
    with window(chromium, town, 1280, "en", reduced_motion="reduce") as page:
        for name in ("landing", "trouble", "decline", "done", "refused-other_browser", "told"):
            page.goto(HOST + PAGES[name])
            if name == "landing":
                page.locator(".tongues summary").click()
                page.locator("button").hover()
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                assert page.evaluate(CONTRAST) >= 4.5, f"{name}, {scheme}"


def test_a_logo_shows_its_own_colours(chromium: Browser) -> None:
    """Its sandbox takes nothing from the picture."""
    town = Town(LOOKS["theirs"])
    with window(chromium, town, 1280, "en") as page:
        page.goto(HOST + "/")
        drawn = page.get_by_role("img", name="Northwind").evaluate(
            """(one) => {
              const canvas = Object.assign(document.createElement('canvas'),
                {width: one.naturalWidth, height: one.naturalHeight});
              canvas.getContext('2d').drawImage(one, 0, 0);
              const middle = [one.naturalWidth / 2, one.naturalHeight / 2, 1, 1];
              return [...canvas.getContext('2d').getImageData(...middle).data];
            }"""
        )
        assert drawn == [0x7A, 0x1F, 0x5C, 255]


def test_the_keyboard_alone(chromium: Browser) -> None:
    town = Town()
    with window(chromium, town, 390, "en") as page:
        page.goto(HOST + LINK)
        reached = []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate(
                    """() => {
                      const one = document.activeElement;
                      if (one === document.body) return '';
                      const seen = getComputedStyle(one).outlineStyle !== 'none';
                      return `${one.textContent.trim().slice(0, 30)}${seen ? '' : ' (unseen)'}`;
                    }"""
                )
            )
        assert reached[:3] == ["Skip to the content", "Language: English", "Continue to Amazon"]
        assert not [one for one in reached if one.endswith("(unseen)")]
        page.goto(HOST + LINK)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Français")).to_be_visible()
        page.get_by_role("link", name="Français").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Connectez votre compte Amazon")


@pytest.mark.skipif(
    os.environ.get("EVERGRANT_PICTURES") != "all", reason="pictures for eyes: `make looks`"
)
@pytest.mark.parametrize(
    ("width", "language"), [*((360, language) for language in LANGUAGES), (1280, "de")]
)
def test_pictures_to_look_at(chromium: Browser, picture: Path, width: int, language: str) -> None:
    scheme: Any = "dark" if language in ("de", "it") else "light"
    town = Town(LOOKS["theirs"] if language in ("fr", "it") else None)
    for told in ("opened", "ended"):
        kept = getattr(town.reception, told)
        setattr(town.reception, told, dataclasses.replace(kept, language=language))
    with window(chromium, town, width, language, color_scheme=scheme) as page:
        for name in ("landing", "done", "trouble", "told", "refused-wrong_selling_partner"):
            page.goto(HOST + PAGES[name])
            page.screenshot(
                path=picture.with_stem(f"public-{name}-{width}-{language}"), full_page=True
            )
