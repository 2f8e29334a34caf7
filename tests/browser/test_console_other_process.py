"""A page of one process follows what another process did: `serve` and `worker` on one database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from demo.house import House
from demo.stage import BIN, Evergrant, Running, wait_for
from tests.browser.console_town import ConsoleTown

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("browser"),
]


def at_work(worker: Running) -> bool:
    worker.check()
    return "worker" in worker.log.read_text()


@contextmanager
def taken_apart(here: ConsoleTown) -> Iterator[Evergrant]:
    """A server and a worker in place of the one process that is both; gives the server."""
    both = here.town.evergrant
    here.rest()
    serve = both.another("serve", "serve")
    worker = here.town.stage.start("worker", [str(BIN / "evergrant"), "worker"], both.env)
    wait_for("the worker", lambda: at_work(worker))
    both.running.stop()
    try:
        yield serve
    finally:
        here.rest()
        both.restart()
        worker.stop()
        serve.running.stop()


def test_an_open_page_follows_what_a_worker_did_elsewhere(staffed: ConsoleTown) -> None:
    town = staffed.town
    partner = town.partner(name="Two Houses")
    seller = {"selling_partner_id": partner["selling_partner_id"]}
    wares = {"sku": "MUG-11", "stock": 3, "price": 9.0, "marketplaces": ["DE"]}
    town.lever("POST", "/world/listings", {**seller, **wares})
    account = town.adopted(partner, merchant_token=partner["selling_partner_id"])
    clara = staffed.people["Clara Weiss"]
    clara.go("/console")
    with taken_apart(staffed) as serve:
        house = House(serve, town.house.api_key)
        at = f"/v1/accounts/{account['id']}"
        house.ask("POST", f"{at}/feeds/pause", {"note": "until somebody looks"})
        line = {"kind": "stock", "sku": "MUG-11", "quantity": 8}
        intake = house.ask("POST", f"{at}/changes", {"changes": [line]})["intake_id"]
        page = clara.page
        with page.expect_response(re.compile("/console/news")):
            page.goto(f"{serve.url}/console/accounts/{account['id']}/intakes/{intake}")
        state = page.locator("#intake-state")
        expect(state).not_to_contain_text("accepted")
        page.evaluate("window.untouched = true")
        house.ask("POST", f"{at}/feeds/resume")
        expect(state).to_contain_text("accepted")
        assert page.evaluate("window.untouched") is True
        house.close()
    stock = town.lever("GET", "/world/listings", **seller, sku="MUG-11")["items"][0]["stock"]
    assert list(stock.values()) == [8]
