"""The life of an account in real browsers: an admin, support, a team lead, and a seller's phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console_town import ConsoleTown, Person, at_amazon
from tests.browser.looking import close_by

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture
def here(staffed: ConsoleTown) -> Iterator[ConsoleTown]:
    """Windows that nobody looks at any more are not read again at each piece of news."""
    staffed.town.lever("POST", "/login-leg", {"mode": "never"})
    yield staffed
    staffed.only_people()


@pytest.fixture
def ada(here: ConsoleTown) -> Person:
    return here.people["Ada Field"]


@pytest.fixture
def ben(here: ConsoleTown) -> Person:
    return here.people["Ben Okafor"]


@pytest.fixture
def clara(here: ConsoleTown) -> Person:
    return here.people["Clara Weiss"]


def status(page: Page) -> Any:
    return expect(page.locator("#account-status"))


def test_the_whole_life_of_an_account(
    here: ConsoleTown, ada: Person, ben: Person, clara: Person
) -> None:
    town, partner = here.town, here.town.partner(name="Blue Heron Books")
    seller = {"selling_partner_id": partner["selling_partner_id"]}
    wares = {"sku": "KETTLE-07", "stock": 3, "price": 49.0, "marketplaces": ["DE"]}
    town.lever("POST", "/world/listings", {**seller, **wares})

    # Support adds it; the seller gets a letter and consents on a phone, and nobody reloads.
    path = here.account_in_console(ben, partner)
    status(ben.page).to_contain_text("Not connected yet")
    phone = here.phone()
    phone.page.goto(_link_in_letter(here, partner))
    status(ben.page).to_contain_text("opened")
    phone.page.get_by_role("button", name="Amazon").click()
    at_amazon(phone.page, partner)
    phone.page.wait_for_url(re.compile("/connect/done/"))
    status(ben.page).to_contain_text("Authorized until")
    expect(ben.page.locator("#account-way")).to_contain_text("Authorized")

    # Support may look at feeds and send none; the team lead uploads the first one.
    ben.page.goto(f"{here.url}{path}/upload")
    expect(ben.page.get_by_role("heading", level=1)).to_contain_text("role does not allow")
    first_feed(here, clara, path)
    listing = town.lever("GET", "/world/listings", **seller, sku="KETTLE-07")["items"][0]
    assert list(listing["stock"].values()) == [11]

    # The team lead signs a check.
    page = clara.go("/console/checks")
    page.get_by_role("button", name="I looked at it: sign").first.click()
    expect(page.locator(".said.good")).to_contain_text("is signed")
    expect(page.locator("main")).to_contain_text("Signed by Clara Weiss")

    # Eleven months later a letter goes out by itself; nobody reads it, and the term is over.
    for _ in range(2):
        here.pass_days(150)
        new_client_secret(here, ada)
    newest = town.house.newest_letter()
    here.pass_days(40)
    reminder = town.house.wait_for_letter(partner["email"], after=newest)
    here.pass_days(30)
    page = ben.go(path)
    status(page).to_contain_text(re.compile("lapsed|ended", re.IGNORECASE))
    expect(ben.go("/console").locator("main")).to_contain_text("Blue Heron Books")

    # Renewed by the link of a letter.
    page = ben.go(path)
    newest = town.house.newest_letter()
    page.get_by_role("link", name=re.compile("Send (the )?(renewal )?link")).first.click()
    page.get_by_role("button", name=re.compile("^Send it to")).click()
    expect(page.locator(".said.good")).to_be_visible()
    phone.page.goto(_link_in_letter(here, partner, after=newest))
    phone.page.get_by_role("button", name="Amazon").click()
    at_amazon(phone.page, partner)
    phone.page.wait_for_url(re.compile("/connect/done/"))
    status(page).to_contain_text("Authorized until")
    assert "/connect/" in reminder["text"]

    # The customer leaves.
    page.get_by_role("link", name=re.compile("^Close this account")).click()
    page.get_by_label("To be sure").fill("Blue Heron Books")
    page.get_by_role("button", name="Close it").click()
    status(page).to_contain_text("Closed")
    journal = ben.go(f"{path}/journal").locator("#account-journal")
    expect(journal).to_contain_text("Ben Okafor")
    expect(journal).to_contain_text("Clara Weiss")


def _link_in_letter(here: ConsoleTown, partner: dict[str, Any], after: int = 0) -> str:
    letter = here.town.house.wait_for_letter(partner["email"], after=after)
    found = re.search(r"https?://\S+/connect/[\w-]+", letter["text"])
    assert found
    return found.group()


def new_client_secret(here: ConsoleTown, ada: Person) -> None:
    """Amazon's end after 180 days; the admin pastes a new one."""
    application = here.town.application
    made = here.town.lever("POST", f"/world/applications/{application['application_id']}/rotate")
    page = ada.go(f"/console/applications/{application['id']}/client-secret")
    page.get_by_label("New client secret").fill(made["lwa_client_secret"])
    page.get_by_role("button", name="Try it and put it into force").click()
    expect(page.locator(".said.good")).to_be_visible()
    assert made["lwa_client_secret"] not in page.content()


def first_feed(here: ConsoleTown, clara: Person, path: str) -> None:
    page = clara.go(f"{path}/upload")
    table = b"sku,quantity,marketplace\nKETTLE-07,11,DE\nKETTLE-08,minus one,DE\n"
    page.get_by_label("CSV file").set_input_files(
        {"name": "stock.csv", "mimeType": "text/csv", "buffer": table}
    )
    page.get_by_label("What is in it").select_option("stock")
    page.get_by_role("button", name="Look at it first").click()
    expect(page.locator("main")).to_contain_text("Nothing is taken yet")
    page.get_by_role("button", name="Take 1 line and leave 1 out").click()
    expect(page).to_have_url(re.compile("/intakes/"))
    batch = page.url.removeprefix(here.url)
    clara.go(f"{path}/feeds").get_by_role("button", name="Run now").click()
    expect(clara.go(batch).locator("#intake-state")).to_contain_text("accepted")


def test_renewing_with_the_seller_at_the_phone(here: ConsoleTown, ben: Person) -> None:
    partner = here.town.partner(name="Copper Kettle")
    page = ben.go(here.account_in_console(ben, partner))
    page.evaluate("window.untouched = true")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Connect by phone").click()
    popup = opened.value
    popup.get_by_role("button", name="Go to Amazon").click()
    at_amazon(popup, partner)
    expect(popup.get_by_text("You may close this window.")).to_be_visible()
    # The page behind it knows already, and was not read anew as a whole.
    status(page).to_contain_text("Authorized until")
    assert page.evaluate("window.untouched") is True
    close_by(popup, "Close this window")


def test_many_accounts_found_switched_and_written_to(here: ConsoleTown, ben: Person) -> None:
    partners = [here.town.partner(name=f"Larch {place}") for place in ("Ulm", "Bonn", "Jena")]
    ids = [here.town.account(one)["id"] for one in partners]
    page = ben.go("/console/accounts")
    page.locator("#f-q").press_sequentially("larch")
    rows = page.locator("#account-rows tbody tr")
    expect(rows).to_have_count(3)
    expect(page).to_have_url(re.compile("q=larch"))
    boxes = rows.filter(has_text="Larch Bonn").locator("button[role=checkbox]")
    expect(boxes).to_have_count(6)
    for number in range(6):
        boxes.nth(number).click()
        expect(boxes.nth(number)).to_have_attribute("aria-checked", "false")
    flags = here.town.house.ask("GET", f"/v1/accounts/{ids[1]}")["flags"]
    assert set(flags.values()) == {False}
    newest = here.town.house.newest_letter()
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name="Send link").click()
    expect(page.locator(".listed").first).to_contain_text("Larch Jena")
    page.get_by_role("button", name="Send them").click()
    for one in partners:
        assert here.town.house.wait_for_letter(one["email"], after=newest)


def test_a_session_that_was_ended_is_out_at_its_next_click(here: ConsoleTown, ada: Person) -> None:
    other = here.window()
    ada.go("/console/me")
    code = ada.recovery_codes.pop()
    ada.sign_in(other.page, code)
    page = ada.go("/console/me")
    page.get_by_role("button", name="Sign out all others").click()
    other.page.get_by_role("link", name="Accounts").first.click()
    expect(other.page).to_have_url(re.compile("/console/sign-in"))
    # A recovery code works once.
    ada.knock(other.page, code)
    expect(other.page.get_by_label("Six digits")).to_be_visible()
    expect(other.page.locator(".me")).to_have_count(0)


def test_the_essential_way_without_any_script(here: ConsoleTown, ben: Person) -> None:
    """Sign in, add, send, look, switch, connect: by forms alone."""
    plain = here.window(java_script_enabled=False)
    person = Person(ben.name, ben.email, plain, here, ben.password, ben.key)
    partner = here.town.partner(name="Plain Pottery")
    newest = here.town.house.newest_letter()
    path = here.account_in_console(person, partner)
    page = person.page
    switch = page.locator("#account-switches button[role=checkbox]").first
    switch.click()
    expect(page.locator("#account-switches button[role=checkbox]").first).to_have_attribute(
        "aria-checked", "false"
    )
    page.goto(_link_in_letter(here, partner, after=newest))
    page.get_by_role("button", name="Amazon").click()
    at_amazon(page, partner)
    page.wait_for_url(re.compile("/connect/done/"))
    status(person.go(path)).to_contain_text("Authorized until")
    page.goto(f"{here.url}/console/accounts")
    page.locator("#f-q").fill("plain pottery")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#account-rows tbody tr")).to_have_count(1)
