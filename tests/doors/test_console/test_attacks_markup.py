"""Markup, scripts, formulas and secrets in whatever is kept: no page and no export makes anything
of them.

The words are put straight into the rows, past every check at the doors: Amazon's answers, letters
of years ago and rows that somebody moved here from elsewhere are not ours to trust.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from enum import Enum
from html.parser import HTMLParser
from typing import Any

import pytest
import pytest_asyncio

from evergrant.rules.rights import Role
from tests.doors.test_console.attack_ground import Ground, doors, opened_ground
from tests.doors.test_console.trade_ground import order

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: What a template would make of {{ 7919*7907 }}.
COMPUTED = "62615533"
EVIL = "x-evil"
#: Fields by which rows find each other, or words that the rooms themselves choose.
OURS = re.compile(
    r"id|.*_id|.*_ids|.*digest|key|topic|verb|caller|paused_by|by|settled_by|ended_by|password_hash"
    r"|language|home_marketplace|item|origin|subject|superseded_by|replaced_by|source|lacks"
    r"|key_id|operation|hour|reference|pauses|path|locks|access_key_hint|wrapped|nonce|sealed"
)
#: Amazon's, although they end like ids of ours.
AMAZONS = {
    "marketplace_id",
    "selling_partner_id",
    "feed_id",
    "document_id",
    "result_document_id",
    "developer_id",
    "lwa_client_id",
    "notification_id",
    "destination_id",
    "subscription_id",
}
LONG = {"message", "last_error", "notes", "refused_reason", "finding", "trouble", "error", "note"}
ORDER = "302-1234567-1234567"
BUYER = "Wilhelmina"
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")


class Words:
    """Another one each time, as some fields have to differ."""

    def __init__(self) -> None:
        self.made = 0

    def evil(self, name: str) -> str:
        self.made += 1
        number = f"{self.made:05}"
        if name.endswith(("url", "uri")):
            return f"javascript:alert({number})//\"'><{EVIL}{number} onload=x>"
        text = (
            f"=cmd|{number}!A0 \"><{EVIL}{number} onmouseover=x>' {EVIL}=1 `{EVIL}=2` "
            "{{7919*7907}} {% raw %} ${7919*7907} </title></textarea></script></select><!-- "
            "&lt;b&gt; \u202e\u2066 \U0001f4a3 <svg/onload=x> ]]> javascript:x"
        )
        return f"{text} {'<b>' * 3000}" if name in LONG else text


def _poisoned(value: Any, name: str, words: Words) -> Any:
    if isinstance(value, Enum) or not isinstance(value, (str, tuple, Mapping)):
        return value
    if isinstance(value, str):
        spared = OURS.fullmatch(name) and name not in AMAZONS
        return value if spared else words.evil(name)
    if isinstance(value, Mapping):
        return {key: _poisoned(one, str(key), words) for key, one in value.items()}
    if name == "marketplace_ids" or not all(type(one) is str for one in value):
        return value
    return tuple(_poisoned(one, "text", words) for one in value or ("",))


def _row(row: Any, words: Words) -> Any:
    fresh = {
        field.name: _poisoned(getattr(row, field.name), field.name, words)
        for field in dataclasses.fields(row)
        if field.init
    }
    return dataclasses.replace(row, **fresh)


def poison(ground: Ground) -> Words:
    store, words = ground.console.fakes.store, Words()
    for name, rows in store.rows.items():
        if name in ("safe", "sign_in_counts", "call_counts"):
            continue
        for key, row in list(rows.items()):
            rows[key] = _row(row, words)
    store.lines[:] = [_row(line, words) for line in store.lines]
    store.events[:] = [_row(event, words) for event in store.events]
    return words


class Seen(HTMLParser):
    """What a browser would make of a page: elements with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def addresses(self) -> Iterator[str]:
        for _, attributes in self.tags:
            for name in ("href", "src", "action", "formaction", "xlink:href", "data", "poster"):
                if attributes.get(name):
                    yield str(attributes[name])


LEADS = re.compile(
    r"/console(?:[/?#].*)?|#[\w-]+|/dev/mailbox|https://[\w.-]+(?:/.*)?|\?.*|mailto:.*"
)


def check_page(path: str, page: str) -> None:
    seen = Seen(page)
    for tag, attributes in seen.tags:
        assert not tag.startswith(EVIL), (path, tag)
        assert tag not in ("style", "iframe", "object", "embed", "base", "img", "svg/onload"), path
        for name in attributes:
            assert not name.startswith("on"), (path, tag, name)
            assert not name.startswith(EVIL), (path, tag, name)
            assert name != "style", (path, tag)
            assert re.fullmatch(r"[a-zA-Z][\w:-]*", name), (path, tag, name)
        if tag == "script":
            assert str(attributes.get("src", "")).startswith("/console/static/"), path
        if tag == "form":
            assert str(attributes.get("action", "")).startswith(("/console", "#")), (
                path,
                attributes,
            )
    scripts = re.findall(r"<script\b[^>]*>(.*?)</script>", page, re.DOTALL)
    assert not any(one.strip() for one in scripts), path
    for address in seen.addresses():
        assert "javascript:" not in address.lower().split("?")[0], (path, address[:80])
        assert LEADS.fullmatch(address), (path, address[:120])
    assert COMPUTED not in page, path
    assert "StrictUndefined" not in page


async def _bought(ground: Ground) -> None:
    """An order in Amazon's words, and with a buyer's, which lie sealed."""
    word = Words().evil("x")
    body = {
        "orderId": ORDER,
        "orderItems": [{"orderItemId": word, "quantityOrdered": 1, "product": {"title": word}}],
        "packages": [{"carrier": word, "trackingNumber": word}],
        "buyer": {"buyerName": f"{BUYER} {word}"},
        "recipient": {"deliveryAddress": {"addressLine1": word, "city": word}},
    }
    await order(ground.console, ground.filled.account_id, ORDER, body=body)
    ground.filled.order_id = ORDER


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> AsyncIterator[Ground]:
    async with opened_ground() as opened:
        await _bought(opened)
        poison(opened)
        opened.keep()
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages(ground: Ground) -> dict[str, Any]:
    """Every page and export, as whoever sees most."""
    window = await ground.window(Role.ADMIN)
    found = {}
    extra = ("", "?show=all", "?page=2", "?after=&q=x-evil")
    for door in doors("GET"):
        for query in extra if "export" not in door.path else ("",):
            path = ground.url(door.path)
            answer = await window.get(path + query)
            assert answer.status_code < 500, (path, query, answer.status_code)
            found[path + query] = answer
    for other in (ground.filled.vendor_id, ground.filled.awaiting_id, ground.filled.accounts[0]):
        for door in doors("GET"):
            if door.path.startswith("/console/accounts/{account_id}") and "key_id" not in door.path:
                path = ground.url(door.path, account_id=other)
                found[path] = await window.get(path)
    ground.put_back()
    return found


def _html(pages: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (path, answer.text)
        for path, answer in pages.items()
        if answer.headers.get("content-type", "").startswith("text/html")
    ]


async def test_the_words_are_everywhere(pages: dict[str, Any]) -> None:
    """Otherwise nothing below says anything."""
    shown = [path for path, text in _html(pages) if EVIL in text]
    assert len(shown) > 60
    assert all(answer.status_code in (200, 303, 404, 409) for answer in pages.values()), {
        path: answer.status_code for path, answer in pages.items()
    }


async def test_no_page_makes_markup_of_them(pages: dict[str, Any]) -> None:
    for path, text in _html(pages):
        check_page(path, text)


async def test_a_name_that_turns_the_writing_about_turns_nothing_else(
    pages: dict[str, Any],
) -> None:
    for path, text in _html(pages):
        assert not re.search("[\u202a-\u202e\u2066-\u2069]|&#8238;|&#x202e;", text), path


async def test_no_spreadsheet_runs_them(pages: dict[str, Any]) -> None:
    sheets = {path: one for path, one in pages.items() if ".csv" in path and one.status_code == 200}
    assert len(sheets) >= 4
    cells = 0
    for path, answer in sheets.items():
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert answer.headers["x-content-type-options"] == "nosniff"
        for row in csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"), newline="")):
            for cell in row:
                cells += EVIL in cell
                assert not cell.lstrip().startswith(RUNS) or cell.isspace(), (path, cell[:40])
    assert cells > 20


async def test_json_lines_are_lines_of_json(pages: dict[str, Any]) -> None:
    [answer] = [one for path, one in pages.items() if ".jsonl" in path]
    assert answer.headers["content-disposition"].startswith("attachment; ")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) > 20


async def test_what_a_buyer_wrote_is_text(ground: Ground) -> None:
    """Personal data is shown on demand only; that page is none of those above."""
    window = await ground.window(Role.ADMIN)
    answer = await window.post(ground.url("/console/orders/{account_id}/{order_id}/personal"))
    assert answer.status_code == 200
    assert BUYER in answer.text
    assert EVIL in answer.text
    check_page("personal", answer.text)
    ground.put_back()


async def test_a_file_with_markup_is_shown_as_text(ground: Ground) -> None:
    """Its name, its headings and its cells, in the preview and in what is wrong with it."""
    window = await ground.window(Role.ADMIN)
    url = ground.url("/console/accounts/{account_id}/upload")
    cell = Words().evil("x").replace('"', '""')
    shown = 0
    for content in (
        f'sku,quantity,marketplace\n"{cell}",3,DE\nMUG-1,"{cell}","{cell}"\n',
        f'"{cell}",quantity\n"{cell}",1\n',
        f"sku;quantity\n<{EVIL}>;=1+1\n",
    ):
        for kind in ("stock", f"<{EVIL}>"):
            name = f"<{EVIL} onload=x>.csv"
            answer = await window.post(url, {"kind": kind}, files={"file": (name, content)})
            assert answer.status_code < 500
            check_page("upload", answer.text)
            shown += EVIL in answer.text
    assert shown >= 2
    ground.put_back()


async def test_what_was_typed_comes_back_as_text(ground: Ground) -> None:
    """Forms that were refused, messages, searches, and addresses that nobody has."""
    window = await ground.window(Role.ADMIN)
    words = Words()
    names = (
        "name", "email", "role", "query", "q", "note", "notes", "words", "next", "client_email",
        "webhook_url", "base_url", "return_url", "application_id", "lwa_client_id", "reason",
        "role_arn", "queue_url", "merchant_token", "vendor_codes", "language", "kind", "rights",
        "home_marketplace", "refresh_token", "granted_at", "decision", "flag", "ids", "accounts",
        "instance", "client_instance_id", "report_type", "marketplaces", "data_from", "code",
    )  # fmt: skip
    for door in doors("POST"):
        if door.path.startswith("/console/me/") or door.path.endswith("sign-out"):
            continue
        answer = await window.post(ground.url(door.path), {one: words.evil("x") for one in names})
        assert answer.status_code != 500, door.path
        if answer.status_code == 303:
            assert "\n" not in answer.headers["location"]
            answer = await window.get(answer.headers["location"])
        if answer.headers.get("content-type", "").startswith("text/html"):
            check_page(door.path, answer.text)
        ground.put_back()
    for door in doors("GET"):
        query = "&".join(f"{one}=%22%3E%3C{EVIL}%3E{{{{7919*7907}}}}" for one in names)
        answer = await window.get(f"{ground.url(door.path)}?{query}")
        assert answer.status_code < 500
        if answer.headers.get("content-type", "").startswith("text/html"):
            check_page(door.path, answer.text)
    answer = await window.get(f"/console/accounts/%22%3E%3C{EVIL}%3E")
    check_page("404", answer.text)
    ground.put_back()
