"""The pictures of the operators' guide, taken from the pages themselves.

`make pictures` writes them; any other run opens what they show, so that none of them is of a page
that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.looking import Served, Window, keep_picture, open_window

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("browser-pages"),
]

WIDE: ViewportSize = {"width": 1080, "height": 640}
TALL: ViewportSize = {"width": 620, "height": 760}


@pytest.fixture(scope="module")
def window(filled: Served, chromium: Browser) -> Iterator[Window]:
    window = open_window(chromium, filled.url, filled.secrets["ada"], WIDE)
    yield window
    assert window.complaints == []
    window.close()


def preview(page: Page) -> None:
    table = "sku,quantity,marketplace\nKETTLE-07,12,IT\nTEAPOT-12,4,IT\nCUPS-03,minus one,IT\n"
    page.get_by_label("CSV file").set_input_files(
        {"name": "stock-monday.csv", "mimeType": "text/csv", "buffer": table.encode()}
    )
    page.get_by_label("What is in it").select_option("stock")
    page.get_by_role("button", name="Look at it first").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Preview")


def tick_two(page: Page) -> None:
    for number in (2, 4):
        page.locator("#account-rows input[name=id]").nth(number).check()
    page.evaluate("window.scrollTo(0, 0)")


def nothing(page: Page) -> None:
    pass


#: Name, address, what is done there first, and how large the window is.
PICTURES: dict[str, tuple[str, Callable[[Page], None], ViewportSize]] = {
    "overview": ("/console", nothing, WIDE),
    "accounts": ("/console/accounts", tick_two, WIDE),
    "add-account": ("/console/accounts/new", nothing, WIDE),
    "waiting": ("/console/accounts/{awaiting_id}", nothing, WIDE),
    "by-phone": ("/console/accounts/{account_id}/renew", nothing, TALL),
    "authorized": ("/console/accounts/{account_id}", nothing, WIDE),
    "preview": ("/console/accounts/{account_id}/upload", preview, WIDE),
    "in-doubt": ("/console/feeds/runs/{uncertain_id}", nothing, WIDE),
    "invite": ("/console/operators/invite", nothing, WIDE),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture(filled: Served, window: Window, name: str) -> None:
    path, prepare, size = PICTURES[name]
    page = window.page
    page.set_viewport_size(size)
    answer = page.goto(filled.url + path.format(**vars(filled.filled)))
    assert answer is not None
    assert answer.status == 200
    prepare(page)
    keep_picture(name, page)
