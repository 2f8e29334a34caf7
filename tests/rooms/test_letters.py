"""The print shop: every letter in every language, with names that mean no good."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.consent.digest import Table
from evergrant.letters import LANGUAGES, TOPICS, marked, plain, render, tongue
from evergrant.rules.secrecy import Secret

LINK = "https://connect.example/connect/" + "k" * 43


def digest(ending: int = 1, account_name: str = "Heron Books") -> dict[str, Any]:
    """A row in every table, and ``ending`` of those that end."""
    row = {
        "account_id": "acc_1",
        "account_name": account_name,
        "authorization_id": "aut_1",
        "ends_at": datetime(2026, 12, 5, tzinfo=UTC),
        "days_left": 14,
        "letter_to": "shop@heron.example",
        "link": Secret(LINK),
    }
    tables: dict[str, list[dict[str, Any]]] = {
        "ending": [row | {"account_name": f"{account_name} {n}"} for n in range(ending)],
        "lapsed": [row | {"days_left": -3}],
        "believed": [row | {"link": None}],
        "undated": [row | {"ends_at": None}],
        "secrets": [row | {"application_name": account_name}],
        "undelivered": [{"to": "shop@heron.example", "topic": "renewal", "error": account_name}],
    }
    shown = {name: Table(rows[:100], max(0, len(rows) - 100)) for name, rows in tables.items()}
    return shown | {"matters": sum(len(rows) for rows in tables.values())}


FACTS: dict[str, Any] = {
    "house_name": "Northwind",
    "support_email": "help@northwind.example",
    "account_name": "Heron Books",
    "application_name": "Northwind Connect",
    "partner_kind": "seller",
    "central_host": "sellercentral-europe.amazon.com",
    "client_email": "shop@heron.example",
    "expires_at": datetime(2026, 12, 5, tzinfo=UTC),
    "interrupted_at": datetime(2026, 11, 21, 7, 30, tzinfo=UTC),
    "link": LINK,
    "reference": "EG-7F3K-92QD",
    "what": "Another account consented.",
    "blame": "partner",
    "advice": "Ask them.",
    "rows": [("reason", "wrong_selling_partner")],
    "to": "shop@heron.example",
    "error": "550 no such user",
    "ends_at": datetime(2026, 12, 5, tzinfo=UTC),
    "days_left": 14,
    "over": False,
    "application_id": "app_01k9z4h6q8w2e5r7t9y1a3s5d7",
    "amazon_said": "invalid_client: Client authentication failed",
    "since_at": datetime(2026, 11, 21, 7, 30, tzinfo=UTC),
    "secret_ends_at": None,
    "accounts": 214,
    "told_at": datetime(2026, 11, 21, 7, 30, tzinfo=UTC),
    **digest(),
}
EVIL = 'Evil <b>Shop</b>\r\nBcc: a@b.c\u202e & "Co" {{ 7*7 }} %(house)s'


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("topic", TOPICS)
def test_every_letter_in_every_language(topic: str, language: str) -> None:
    letter = render(topic, language, FACTS)
    assert letter.subject
    assert letter.subject == " ".join(letter.subject.split())
    assert f'<html lang="{language}">' in letter.html
    for part in (letter.subject, letter.text, letter.html):
        assert not re.search(r"\{[{%]|%\(\w+\)s|\bNone\b|Undefined", part)
    assert not re.search(r"\n{4,}", letter.text), "no holes"
    outline = Outline()
    outline.feed(letter.html)
    for tag, attrs in outline.tags:
        assert tag not in ("script", "img", "iframe", "object", "form")
        assert not [name for name in attrs if name.startswith("on")]
        if tag == "a":
            assert str(attrs["href"]).startswith((LINK, "mailto:"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("topic", ["invitation", "renewal", "authorization_interrupted"])
def test_letters_with_a_link_have_it_on_a_line_of_its_own(topic: str, language: str) -> None:
    letter = render(topic, language, FACTS)
    assert LINK in letter.text.splitlines()
    assert f'href="{LINK}"' in letter.html
    assert LINK not in letter.subject
    assert LINK not in repr(letter)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_hostile_name_stays_a_name(topic: str) -> None:
    names = ("house_name", "account_name", "application_name", "error")
    letter = render(topic, "en", FACTS | dict.fromkeys(names, EVIL))
    assert "\n" not in letter.subject
    assert "\r" not in letter.text
    assert "<b>" not in letter.html
    for part in (letter.subject, letter.text, letter.html):
        assert "\u202e" not in part
        assert "49" not in part
    assert not [line for line in letter.text.splitlines() if line.startswith("Bcc:")]
    assert len(letter.subject) <= 150


def test_sellers_and_vendors_read_of_their_own_central() -> None:
    seller = render("invitation", "en", FACTS)
    assert "Seller Central" in seller.text
    assert "Professional" in seller.text
    vendor = render("invitation", "en", FACTS | {"partner_kind": "vendor"})
    assert "Vendor Central" in vendor.text
    assert "Account Owner or Admin" in vendor.text
    assert "vendor" in vendor.subject
    assert "Professional" not in vendor.text


def test_german_letters_are_german() -> None:
    letter = render("invitation", "de", FACTS)
    assert letter.text.startswith("Guten Tag,")
    assert "5. Dezember 2026" in letter.text
    assert "Verkäuferkonto" in letter.subject
    renewal = render("renewal", "de", FACTS)
    assert "wieder so weit" in renewal.text


def test_a_language_that_is_not_spoken_becomes_english() -> None:
    for language in ("xx", "", "de/../../etc", "EN"):
        assert render("invitation", language, FACTS).text.startswith("Hello,")


def test_a_fact_that_is_missing_is_our_mistake() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("invitation", "en", {name: FACTS[name] for name in FACTS if name != "link"})
    with pytest.raises(LookupError):
        render("love_letter", "en", FACTS)


def test_a_house_without_support_address() -> None:
    letter = render("invitation", "en", FACTS | {"support_email": ""})
    assert "Questions" not in letter.text + letter.html


def test_marking_and_saying() -> None:
    assert marked("x") == "x"
    assert tongue("de").say("Back") == "Zurück"
    assert tongue("de").say("nobody translated this") == "nobody translated this"
    at = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)
    assert tongue("de").moment(at).endswith("UTC")


@given(some.text())
def test_plain_is_one_harmless_line(text: str) -> None:
    line = plain(text, 40)
    assert len(line) <= 40
    assert not {unicodedata.category(char) for char in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert line == line.strip()
    assert plain(line, 40) == line


@given(some.text(alphabet="abc äöß-&.", min_size=1, max_size=30).filter(str.strip))
def test_plain_leaves_ordinary_names_alone(text: str) -> None:
    assert plain(text) == " ".join(text.split())
