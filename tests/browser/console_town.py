"""Operators with real windows before a town of real processes.

Answers for: a person who becomes an operator by mail, signs in with a second factor at whatever
time the town has, and the seller's hands at Amazon. Does not answer for: what is tried there.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import pyotp
from playwright.sync_api import Browser, Page, expect

from tests.browser.looking import PHONE, Window, open_window
from tests.journeys.conftest import Town
from tests.journeys.nearby import nearby

__all__ = ["ConsoleTown", "Person", "at_amazon"]

DAY_S = 86_400


@dataclass
class Person:
    """An operator: a window, a phone with an authenticator, and a sheet of recovery codes."""

    name: str
    email: str
    window: Window
    town: ConsoleTown
    password: str = field(default_factory=lambda: f"four quiet words {secrets.token_hex(4)}")
    key: str = ""
    recovery_codes: list[str] = field(default_factory=list)

    @property
    def page(self) -> Page:
        return self.window.page

    def go(self, path: str) -> Page:
        """A page of the console; whoever was signed out meanwhile signs in again first."""
        self.page.goto(f"{self.town.url}{path}")
        if "/console/sign-in" in self.page.url:
            self.sign_in()
        return self.page

    def sign_in(self, page: Page | None = None, code: str = "") -> None:
        page = page or self.page
        self.knock(page, code)
        expect(page.locator(".me")).to_contain_text(self.name)

    def knock(self, page: Page, code: str = "") -> None:
        """Password and code, whatever comes of it."""
        if "/console/sign-in" not in page.url:
            page.goto(f"{self.town.url}/console/sign-in")
        page.get_by_label("E-mail address").fill(self.email)
        page.get_by_label("Password").fill(self.password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        if not code:
            self.town.pass_(31)  # no code opens twice
            code = self.code()
        page.get_by_label("Six digits").fill(code)
        page.get_by_role("button", name="Go on").click()

    def code(self) -> str:
        return pyotp.TOTP(self.key).at(int(self.town.now()))

    def choose_password(self) -> None:
        self.page.get_by_label("Choose a password").fill(self.password)
        self.page.get_by_label("once more").fill(self.password)

    def set_up_second_factor(self) -> None:
        page = self.page
        expect(page.get_by_role("heading", level=1)).to_have_text("Set up your second factor")
        shown = page.locator("#totp-key")
        self.key = (shown.text_content() or "").replace(" ", "")
        page.get_by_label("Six digits").fill(self.code())
        page.get_by_role("button", name="Switch it on").click()
        codes = page.locator("#recovery-codes code")
        expect(codes).to_have_count(10)
        self.recovery_codes = codes.all_text_contents()
        page.get_by_role("link", name="I have kept them").click()
        expect(page.locator(".me")).to_contain_text(self.name)


@dataclass
class ConsoleTown:
    """A town, its browser, and who works there."""

    town: Town
    browser: Browser
    people: dict[str, Person] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)
    #: What windows that are closed complained of.
    heard: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.town.evergrant.url

    def now(self) -> float:
        return time.time() + float(self.town.clock_file.read_text())

    def pass_(self, seconds: float) -> None:
        self.town.move_clocks(seconds)

    def pass_days(self, days: float) -> None:
        """And what comes round by itself has come round. Nobody had a page open for so long."""
        self.rest()
        self.town.move_clocks(days * DAY_S)
        nearby(self.town.evergrant).cli("watch", "now")

    def window(self, **more: Any) -> Window:
        window = open_window(self.browser, **more)
        self.windows.append(window)
        return window

    def phone(self) -> Window:
        return self.window(size=PHONE)

    def first_start(self, name: str, email: str) -> Person:
        """The first admin, by the code that the server prints."""
        code = nearby(self.town.evergrant).cli_json("operator", "first")["code"]
        person = self._person(name, email)
        page = person.page
        page.goto(f"{self.url}/console/first")
        page.get_by_label("Code of the first start").fill(code)
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Your e-mail address").fill(email)
        person.choose_password()
        page.get_by_role("button", name="Begin").click()
        person.set_up_second_factor()
        return person

    def join(self, admin: Person, name: str, email: str, role: str) -> Person:
        """Invited by an admin; follows the link in the letter."""
        page = admin.go("/console/operators/invite")
        page.get_by_label("Name").fill(name)
        page.get_by_label("E-mail address").fill(email)
        page.get_by_role("radio", name=re.compile(rf"^{role}")).check()
        page.get_by_role("button", name="Send the invitation").click()
        letter = self.town.house.wait_for_letter(email, "/console/join/")
        link = re.search(r"https?://\S+/console/join/[\w-]+", letter["text"])
        assert link
        person = self._person(name, email)
        person.page.goto(link.group())
        expect(person.page.get_by_role("heading", level=1)).to_contain_text(name)
        person.choose_password()
        person.page.get_by_role("button", name="Go on").click()
        person.set_up_second_factor()
        return person

    def _person(self, name: str, email: str) -> Person:
        self.people[name] = Person(name, email, self.window(), self)
        return self.people[name]

    def account_in_console(self, person: Person, partner: dict[str, Any]) -> str:
        """Added by hand, as one does it with a customer; gives its address. Its link is mailed."""
        page = person.go("/console/accounts/new")
        page.get_by_label("Name", exact=False).first.fill(partner["name"])
        page.get_by_label("E-mail of the selling partner").fill(partner["email"])
        page.get_by_label("Home marketplace").select_option("DE")
        page.get_by_label("Merchant token").fill(partner["selling_partner_id"])
        page.get_by_role("button", name="Add and send the link").click()
        expect(page.locator(".said.good")).to_contain_text("on its way")
        return page.url.removeprefix(self.url)

    def rest(self) -> None:
        """Nobody looks at anything: windows that listen to no news, and stay signed in."""
        for window in self.windows:
            if window.page.url != "about:blank":
                window.page.goto("about:blank")

    def only_people(self) -> None:
        """Whatever windows a test opened beside those of the people are closed, and these rest."""
        theirs = {id(person.window) for person in self.people.values()}
        for window in self.windows:
            if id(window) not in theirs:
                window.close()
                self.heard += window.complaints
        self.windows = [window for window in self.windows if id(window) in theirs]
        self.rest()

    def close(self) -> None:
        for window in self.windows:
            window.close()

    def complaints(self) -> list[str]:
        """Refusals are made on purpose, and windows stay open beyond the end of their sessions: the
        browser notes each of both."""
        return [
            words
            for said in (self.heard, *(window.complaints for window in self.windows))
            for words in said
            if not words.startswith(
                ("Failed to load resource", "EventSource's response has a MIME")
            )
        ]


def at_amazon(page: Page, partner: dict[str, Any]) -> None:
    """Signs in unless this browser is signed in, ticks and confirms."""
    email = page.get_by_label("E-mail")
    box = page.get_by_role("checkbox")
    expect(email.or_(box).first).to_be_visible()
    if email.is_visible():
        email.fill(partner["email"])
        page.get_by_label("Password").fill(partner["password"])
        page.get_by_role("button", name="Sign in").click()
    box.check()
    page.get_by_role("button", name="Confirm").click()
