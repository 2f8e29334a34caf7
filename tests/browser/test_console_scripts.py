"""The console's scripts in a real browser: pages that read themselves again, found, sent, asked."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, Page, expect

from evergrant.entrances.serve import listen, serve, url_of
from evergrant.ports.news import LOOK_AGAIN
from evergrant.rules.rights import Role
from tests.doors.test_console.conftest import COOKIES, Console, open_console

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("browser-pages"),
]

Given = TypeVar("Given")
WITHIN_S = 30.0
ROWS = "#account-rows tbody tr"


@dataclass
class House:
    """A console on fakes that a browser can reach, and a way to change things behind its back."""

    console: Console
    url: str
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, Given]) -> Given:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WITHIN_S)

    def add(self, name: str) -> str:
        account_id = self.do(self.console.house.account())
        self.rename(account_id, name)
        return account_id

    def rename(self, account_id: str, name: str) -> None:
        self.do(self._rename(account_id, name))

    async def _rename(self, account_id: str, name: str) -> None:
        async with self.console.desk.store.transaction() as tx:
            assert await tx.accounts.change(account_id, name=name)
        await self._look_again()

    def look_again(self) -> None:
        self.do(self._look_again())

    async def _look_again(self) -> None:
        for tell in self.console.fakes.store.criers:
            tell([LOOK_AGAIN])


@pytest.fixture(scope="module")
def house(chromium: Browser) -> Iterator[House]:
    made: list[tuple[House, asyncio.Event]] = []
    ready = threading.Event()

    async def run() -> None:
        listening = listen("127.0.0.1", 0)
        url = url_of(listening)
        console = await open_console(EVERGRANT_PUBLIC_URL=url)
        stop = asyncio.Event()
        made.append((House(console, url, asyncio.get_running_loop()), stop))
        ready.set()
        await serve(console.app, listening, stop, before_stop=console.desk.news.close)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(WITHIN_S)
    house, stop = made[0]
    yield house
    house.loop.call_soon_threadsafe(stop.set)
    thread.join(WITHIN_S)
    assert not thread.is_alive(), "open pages hold up the end of the server"


@pytest.fixture
def page(house: House, chromium: Browser) -> Iterator[Page]:
    """An admin's window. A page that logs an error, or breaks its policy, fails the test."""
    context = chromium.new_context(viewport={"width": 1200, "height": 700}, locale="en-GB")
    window = house.do(house.console.as_(Role.ADMIN))
    secret = window.secret.reveal()
    context.add_cookies([{"name": COOKIES.session, "value": secret, "url": house.url}])
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    # Refusals are made on purpose here, and the browser notes each of them.
    assert not [words for words in complaints if "Failed to load resource" not in words], complaints


def open_live(page: Page, house: House, path: str) -> None:
    """Until the page hears the news."""
    with page.expect_response(re.compile("/console/news")):
        page.goto(f"{house.url}{path}")


def test_what_changed_appears_by_itself_and_nothing_else_moves(page: Page, house: House) -> None:
    account_id = house.add("Heron Books")
    open_live(page, house, "/console/accounts")
    row = page.locator(ROWS).filter(has=page.locator(f"a[href$='{account_id}']"))
    expect(row).to_contain_text("Heron Books")
    page.evaluate("window.untouched = true")
    tick = page.locator(f"#t-{account_id}")
    tick.check()
    switch = row.locator("button[role=checkbox]").first
    switch.focus()
    kept = switch.get_attribute("id")
    house.rename(account_id, "Heron Books and Maps")
    expect(row).to_contain_text("Heron Books and Maps")
    assert page.evaluate("window.untouched") is True
    expect(tick).to_be_checked()
    assert page.evaluate("document.activeElement.id") == kept


def test_what_somebody_marked_and_where_he_reads_stays(page: Page, house: House) -> None:
    kept, other = house.add("Avocet Paper"), house.add("Avocet Ink")
    for number in range(20):
        house.add(f"Avocet Branch {number:02}")
    open_live(page, house, "/console/accounts?q=avocet")
    name = page.locator(f"th a[href$='{kept}']")
    name.evaluate("(link) => getSelection().selectAllChildren(link)")
    page.evaluate("window.scrollTo(0, 300)")
    house.rename(other, "Avocet Ink and Pens")
    expect(page.locator(f"th a[href$='{other}']")).to_have_text("Avocet Ink and Pens")
    assert page.evaluate("getSelection().toString()") == "Avocet Paper"
    assert page.evaluate("window.scrollY") == 300


def test_what_somebody_opened_stays_open(page: Page, house: House) -> None:
    house.add("Kestrel Toys")
    open_live(page, house, "/console/accounts?q=kestrel")
    page.locator("#keep-filter summary").click()
    page.locator("#f-filter-name").fill("Birds")
    account_id = house.add("Kestrel Prints")
    expect(page.locator(ROWS).filter(has_text="Kestrel Prints")).to_be_visible()
    assert page.locator("#keep-filter").get_attribute("open") is not None
    assert page.locator("#f-filter-name").input_value() == "Birds"
    assert account_id


def test_a_region_in_which_somebody_writes_is_left_alone(page: Page, house: House) -> None:
    open_live(page, house, "/console/accounts")
    page.evaluate(
        """() => {
            const field = Object.assign(document.createElement("input"), { id: "written" });
            document.querySelector("#account-rows").append(field);
            field.focus();
        }"""
    )
    page.keyboard.type("half a word")
    account_id = house.add("Sparrow Lamps")
    expect(page.locator("#account-tabs")).to_contain_text("All")
    house.look_again()
    assert page.locator("#written").input_value() == "half a word"
    page.evaluate("document.querySelector('#written').remove()")
    expect(page.locator(f"a[href$='{account_id}']").first).to_be_visible()


def test_a_hidden_tab_listens_to_nothing_and_looks_again_when_it_is_seen(
    page: Page, house: House
) -> None:
    open_live(page, house, "/console/accounts")
    as_hidden(page, hidden=True)
    wait_until(lambda: house.console.fakes.news.listening == 0)
    account_id = house.add("Wren Candles")
    assert page.locator(f"a[href$='{account_id}']").count() == 0
    as_hidden(page, hidden=False)
    expect(page.locator(f"a[href$='{account_id}']").first).to_be_visible()


def as_hidden(page: Page, *, hidden: bool) -> None:
    page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def wait_until(holds: Callable[[], bool]) -> None:
    patience = threading.Event()
    for _ in range(600):
        if holds():
            return
        patience.wait(0.05)
    raise AssertionError("it did not come about")


def test_a_stream_that_is_away_is_told_quietly(page: Page, house: House) -> None:
    page.clock.install()
    page.route(re.compile("/console/news"), lambda route: route.fulfill(status=503, body=""))
    page.goto(f"{house.url}/console/accounts")
    mark = page.locator("#live-mark")
    # By its own clock, as long as it takes until the browser has told the page of the refusal.
    run_until(page, lambda: "Not live" in (mark.text_content() or ""))
    page.unroute(re.compile("/console/news"))
    run_until(page, lambda: mark.text_content() == "")


def run_until(page: Page, holds: Callable[[], bool]) -> None:
    """The page's clock goes on, a second at a time, until something holds."""
    for _ in range(600):
        if holds():
            return
        page.clock.run_for(1_000)
    raise AssertionError("it did not come about")


def test_whoever_is_signed_out_meanwhile_is_told_so(page: Page, house: House) -> None:
    open_live(page, house, "/console/accounts")
    page.context.clear_cookies()
    house.look_again()
    expect(page.locator("#live-mark")).to_contain_text("You are signed out")


# --- found while one types ------------------------------------------------------------------------


def test_the_list_finds_while_one_types_and_the_address_goes_along(
    page: Page, house: House
) -> None:
    house.add("Ibis Clocks")
    house.add("Magpie Rings")
    page.goto(f"{house.url}/console")
    page.goto(f"{house.url}/console/accounts")
    page.locator("#f-q").press_sequentially("ibis")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator(ROWS)).to_contain_text("Ibis Clocks")
    expect(page).to_have_url(re.compile(r"\?q=ibis"))
    assert page.evaluate("document.activeElement.id") == "f-q"
    page.locator("#f-q").fill("")
    expect(page.locator(ROWS).filter(has_text="Magpie Rings")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(f"{house.url}/console")


# --- sent in place --------------------------------------------------------------------------------


def test_a_switch_is_turned_without_leaving_the_page(page: Page, house: House) -> None:
    account_id = house.add("Finch Pottery")
    page.goto(f"{house.url}/console/accounts?q=finch")
    page.evaluate("window.untouched = true")
    switch = page.locator(ROWS).locator("button[role=checkbox]").first
    expect(switch).to_have_attribute("aria-checked", "true")
    kept = switch.get_attribute("id")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert page.evaluate("window.untouched") is True
    assert page.evaluate("document.activeElement.id") == kept

    async def flags() -> Any:
        async with house.console.desk.store.transaction() as tx:
            found = await tx.accounts.get(account_id)
            assert found is not None
            return found.flags

    assert list(house.do(flags()).values()).count(False) == 1


def test_a_server_that_does_not_answer_is_told_and_nothing_is_lost(
    page: Page, house: House
) -> None:
    house.add("Rook Games")
    page.goto(f"{house.url}/console/accounts?q=rook")
    page.route(re.compile("/flags$"), lambda route: route.fulfill(status=409, body=_CONFLICT))
    switch = page.locator(ROWS).locator("button[role=checkbox]").first
    switch.click()
    expect(page.locator("main > .said.bad")).to_contain_text("Somebody else was faster")
    expect(switch).to_have_attribute("aria-checked", "true")


_CONFLICT = (
    "<!doctype html><html><body><main><section><h1>Somebody else was faster.</h1>"
    "</section></main></body></html>"
)


# --- asked once more, copied, opened beside -------------------------------------------------------

_ASKING = """() => {
    const form = document.createElement("form");
    form.id = "asking";
    form.dataset.confirm = "Close this account?";
    form.innerHTML = '<label data-unscripted><input type="checkbox" required> Yes</label>';
    const button = Object.assign(document.createElement("button"), { textContent: "Close it" });
    form.append(button);
    form.addEventListener("submit", (event) => { event.preventDefault(); window.sent = true; });
    document.querySelector("main").append(form);
    document.dispatchEvent(new CustomEvent("evergrant:swapped"));
}"""


def test_what_hurts_is_asked_once_more(page: Page, house: House) -> None:
    page.goto(f"{house.url}/console")
    page.evaluate(_ASKING)
    assert page.locator("[data-unscripted]").count() == 0
    button = page.get_by_role("button", name="Close it")
    button.click()
    dialog = page.locator("dialog")
    expect(dialog).to_contain_text("Close this account?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.evaluate("window.sent") is None
    button.click()
    dialog.get_by_role("button", name="Close it").click()
    expect(dialog).to_have_count(0)
    assert page.evaluate("window.sent") is True


def test_copying_says_that_it_did(page: Page, house: House) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=house.url)
    page.goto(f"{house.url}/console")
    page.evaluate(
        """() => {
            document.querySelector("main").insertAdjacentHTML("beforeend",
                '<code id="it"> evg_1 </code><button data-copy="#it" hidden>Copy</button>');
            document.dispatchEvent(new CustomEvent("evergrant:swapped"));
        }"""
    )
    button = page.locator("[data-copy]")
    # It says so for two seconds, in which a slow machine may not look.
    button.evaluate(
        """(button) => {
            window.said = [];
            new MutationObserver(() => window.said.push(button.textContent))
                .observe(button, { childList: true });
        }"""
    )
    button.click()
    wait_until(lambda: page.evaluate("window.said.length") == 2)
    assert page.evaluate("window.said") == ["Copied", "Copy"]
    assert page.evaluate("navigator.clipboard.readText()") == "evg_1"


def test_a_popup_opens_beside_and_the_page_stays(page: Page, house: House) -> None:
    page.goto(f"{house.url}/console")
    page.evaluate(
        """() => document.querySelector("main").insertAdjacentHTML("beforeend",
            '<a id="beside" data-popup href="/console/accounts">By phone</a>')"""
    )
    with page.expect_popup() as opened:
        page.locator("#beside").click()
    expect(opened.value).to_have_url(f"{house.url}/console/accounts")
    expect(page).to_have_url(f"{house.url}/console")
