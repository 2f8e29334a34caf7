"""Signing in at the house's own identity provider, in a real browser: let in, and not let in."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console_town import ConsoleTown, Person
from tests.browser.signing_on import CANCEL, Provider

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture
def page(staffed: ConsoleTown, provider: Provider) -> Iterator[Page]:
    """A browser in which nobody is signed in, and a provider whose clock is the town's."""
    provider.oidc.now = int(staffed.now())
    window = staffed.window()
    yield window.page
    staffed.only_people()


@pytest.fixture
def ben(staffed: ConsoleTown, provider: Provider) -> Person:
    person = staffed.people["Ben Okafor"]
    provider.knows(person.name, person.email)
    return person


def go_there(page: Page, staffed: ConsoleTown, wish: str = "/console/accounts") -> None:
    """From a page that wants somebody signed in, to the provider's."""
    page.goto(f"{staffed.url}{wish}")
    page.get_by_role("button", name="Sign in with Northwind ID").click()
    expect(page).to_have_title("Who are you?")


def test_an_operator_comes_in_and_lands_where_he_wanted_to_go(
    staffed: ConsoleTown, page: Page, ben: Person
) -> None:
    for _ in range(2):  # bound by the verified address, and then known by the subject
        go_there(page, staffed)
        page.get_by_role("link", name=ben.name).click()
        # No second factor: the provider answers for that.
        expect(page.locator(".me")).to_contain_text(ben.name)
        expect(page).to_have_url(f"{staffed.url}/console/accounts")
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(re.compile("/console/sign-in"))
    journal = staffed.town.house.ask("GET", "/v1/journal", limit=200)["items"]
    bound = [line for line in journal if line["verb"] == "operator.single_sign_on_bound"]
    assert len(bound) == 1


def test_whoever_turns_back_at_the_provider_is_told_and_may_try_again(
    staffed: ConsoleTown, page: Page, ben: Person
) -> None:
    go_there(page, staffed)
    page.get_by_role("link", name=CANCEL).click()
    expect(page.locator("main")).to_contain_text("The identity provider said: access_denied")
    expect(page.locator(".me")).to_have_count(0)
    page.get_by_role("button", name="Sign in with Northwind ID").click()
    page.get_by_role("link", name=ben.name).click()
    expect(page.locator(".me")).to_contain_text(ben.name)


def test_a_stranger_whom_the_provider_knows_stays_outside(
    staffed: ConsoleTown, page: Page, provider: Provider
) -> None:
    provider.knows("Sam Stranger", "sam@elsewhere.example")
    go_there(page, staffed)
    page.get_by_role("link", name="Sam Stranger").click()
    expect(page.locator("main")).to_contain_text("you are no operator here")
    page.goto(f"{staffed.url}/console/accounts")
    expect(page).to_have_url(re.compile("/console/sign-in"))


def test_a_way_back_opens_nothing_in_another_browser(
    staffed: ConsoleTown, page: Page, ben: Person
) -> None:
    """Else one could be made to work in somebody else's name."""
    go_there(page, staffed)
    back = page.get_by_role("link", name=ben.name).get_attribute("href")
    assert back
    other = staffed.window().page
    other.goto(back)
    expect(other.locator("main")).to_contain_text("belongs to another attempt")
    expect(other.locator(".me")).to_have_count(0)
