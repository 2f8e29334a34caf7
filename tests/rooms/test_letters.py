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
from evergrant.letters import LANGUAGES, TOPICS, LetterLooks, marked, plain, render, tongue
from evergrant.people import WayInChange
from evergrant.rules.colours import OURS
from evergrant.settings import House, Logo, Looks
from evergrant.watch.daily_letter import BOARD
from tests.rooms.letters_ground import FACTS, LINK, digest

EVIL = 'Evil <b>Shop</b>\r\nBcc: a@b.c\u202e & "Co" {{ 7*7 }} %(house)s'


DAYS = {
    "en": "December 5, 2026",
    "de": "5. Dezember 2026",
    "fr": "5 décembre 2026",
    "it": "5 dicembre 2026",
    "es": "5 de diciembre de 2026",
}


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
@pytest.mark.parametrize(
    "topic",
    ["invitation", "renewal", "authorization_interrupted", "authorization_ending"],
)
def test_letters_with_a_link_have_it_on_a_line_of_its_own(topic: str, language: str) -> None:
    letter = render(topic, language, FACTS)
    assert LINK in letter.text.splitlines()
    assert f'href="{LINK}"' in letter.html
    assert LINK not in letter.subject
    assert LINK not in repr(letter)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_hostile_name_stays_a_name(topic: str) -> None:
    names = ("house_name", "account_name", "application_name", "error")
    letter = render(topic, "en", FACTS | digest(1, EVIL) | dict.fromkeys(names, EVIL))
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


@pytest.mark.parametrize(
    ("language", "over", "words"),
    [
        ("en", False, "ends on December 5, 2026"),
        ("en", True, "has ended"),
        ("de", False, "endet am 5. Dezember 2026"),
        ("de", True, "ist abgelaufen"),
        ("fr", False, "expire le 5 décembre 2026"),
        ("fr", True, "a expiré"),
        ("it", False, "scade in data 5 dicembre 2026"),
        ("it", True, "è scaduta"),
        ("es", False, "caduca el 5 de diciembre de 2026"),
        ("es", True, "ha caducado"),
    ],
)
@pytest.mark.parametrize("days_left", [30, 1, 0])
def test_the_letter_about_an_end_names_the_day_and_so_stays_true(
    language: str, over: bool, words: str, days_left: int
) -> None:
    """Whoever reads it a week later counts for themselves."""
    facts = FACTS | {"days_left": days_left, "over": over}
    letter = render("authorization_ending", language, facts)
    assert letter.subject.startswith("Heron Books : " if language == "fr" else "Heron Books: ")
    assert letter.subject.endswith(words)
    day = DAYS[language]
    lines = {
        "en": "orders are not fetched",
        "de": "abgeholt",
        "fr": "ne seront plus récupérées" if not over else "ne sont plus récupérées",
        "it": "non vengono",
        "es": "no se recogen",
    }[language]
    for part in (letter.text, letter.html):
        assert day in part
        assert lines in part
        assert over or words in " ".join(part.split())
    assert letter.html.count('class="button"') == 1, "one button"
    until = {
        "en": "until you renew",
        "de": "bis Sie die Zustimmung erneuern",
        "fr": "tant que vous ne l’aurez pas renouvelée",
        "it": "finché non la rinnova",
        "es": "hasta que la renueve",
    }[language]
    assert (until in letter.text) is not over


def test_what_stops_is_said_in_the_reader_s_own_trade() -> None:
    seller = render("authorization_ending", "en", FACTS)
    vendor = render("authorization_ending", "en", FACTS | {"partner_kind": "vendor"})
    for part in (seller.text, seller.html):
        assert "stock and prices" in part
        assert "Professional" in part
    for part in (vendor.text, vendor.html):
        assert "prices" not in part
        assert "shipments and invoices" in part
        assert "Account Owner or Admin" in part


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_is_one_and_two_are_many(language: str) -> None:
    one, many = {
        "en": ("1 matter to see to", "2 matters to see to"),
        "de": ("1 offener Punkt", "2 offene Punkte"),
        "fr": ("1 point à traiter", "2 points à traiter"),
        "it": ("1 questione da seguire", "2 questioni da seguire"),
        "es": ("1 asunto que atender", "2 asuntos que atender"),
    }[language]
    assert render("operators_digest", language, FACTS | {"matters": 1}).subject.endswith(one)
    assert render("operators_digest", language, FACTS | {"matters": 2}).subject.endswith(many)
    row = dict(FACTS["lapsed"].rows[0])
    told = {
        "en": ("1 day ago", "3 days ago"),
        "de": ("vor 1 Tag", "vor 3 Tagen"),
        "fr": ("il y a 1 jour", "il y a 3 jours"),
        "it": ("1 giorno fa", "3 giorni fa"),
        "es": ("hace 1 día", "hace 3 días"),
    }[language]
    for days, words in zip((-1, -3), told, strict=True):
        facts = FACTS | {"lapsed": Table([row | {"days_left": days}])}
        letter = render("operators_digest", language, facts)
        assert words in letter.text
        assert words in letter.html
        assert f"{words}e" not in letter.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("rows", "left_out"), [(1, 0), (100, 0), (101, 1), (300, 200)])
def test_a_digest_of_any_length_can_be_read(rows: int, left_out: int, language: str) -> None:
    letter = render("operators_digest", language, FACTS | digest(rows))
    shown = rows - left_out
    for part in (letter.text, letter.html):
        assert len(re.findall(r"Heron Books \d", part)) == shown
        more = {
            "en": f"... and {left_out} more",
            "de": f"... und {left_out} weiter",
            "fr": f"... et {left_out} autre",
            "it": f"... e {left_out} altr",
            "es": f"... y {left_out} más",
        }[language]
        assert (more in part) is (left_out > 0)
        assert part.count(LINK) == shown + 3, "for each that ends, ended, is refused, is undated"
    assert len(letter.html) < 150_000


def test_an_empty_table_is_not_there() -> None:
    empty = {name: Table(()) for name in digest() if name != "matters"}
    only = FACTS | empty | {"secrets": digest()["secrets"], "matters": 1}
    letter = render("operators_digest", "en", only)
    for part in (letter.text, letter.html):
        assert "rotate-secret" in part
        assert "ended" not in part.lower()
    assert letter.html.count("<table") == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_notice_has_words_of_its_own(language: str) -> None:
    letter = render("operators_digest", language, FACTS)
    none = tongue(language).say("What to do says: evergrant notices list")
    for part in (letter.text, letter.html):
        assert none not in part
        assert not [kind for kind in BOARD if kind.value in part]
        assert "invalid grant parameter" in part
    assert letter.html.count('scope="rowgroup"') == len(BOARD)


def test_an_incident_blames_no_account() -> None:
    letter = render("secret_incident", "en", FACTS)
    for part in (letter.text, letter.html):
        assert "none of its accounts is at fault" in part
        assert "214" in part
        assert "invalid_client: Client authentication failed" in part
        assert "evergrant app rotate-secret app_01k9z4h6q8w2e5r7t9y1a3s5d7" in part
    bare = render("secret_incident", "en", FACTS | {"accounts": 0})
    assert "stand still:" not in bare.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_change_of_a_way_in_has_words_of_its_own(language: str) -> None:
    told = [
        render("operator_way_in", language, FACTS | {"change": change.value})
        for change in WayInChange
    ]
    for change, letter in zip(WayInChange, told, strict=True):
        for part in (letter.subject, letter.text, letter.html):
            assert change.value not in part
    for part in ("subject", "text", "html"):
        assert len({getattr(letter, part) for letter in told}) == len(WayInChange)
    by_oneself = render("operator_way_in", language, FACTS | {"changed_by": "", "address": ""})
    assert "Cy Reed" not in by_oneself.text + by_oneself.html
    assert "198.51.100.7" not in by_oneself.text + by_oneself.html


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


@given(some.text() | some.text(alphabet="aw.:/[] "))
def test_plain_is_one_harmless_line(text: str) -> None:
    line = plain(text, 40)
    assert len(line) <= 40
    assert not {unicodedata.category(char) for char in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert line == line.strip()
    assert plain(line, 40) == line


@pytest.mark.parametrize(
    ("name", "is_shown_as"),
    [
        ("https://evil.example/x", "https[:]//evil[.]example/x"),
        ("see www.evil.example.", "see www[.]evil[.]example[.]"),
        ("(evil.example:8443/x)", "(evil[.]example[:]8443/x)"),
        ("evil.example", "evil.example"),
        ("Müller.de GmbH & Co. KG", "Müller.de GmbH & Co. KG"),
        ("A/S Nord 1.5/2.5", "A/S Nord 1.5/2.5"),
        ("owner@shop.example", "owner@shop.example"),
    ],
)
def test_no_name_is_a_link(name: str, is_shown_as: str) -> None:
    assert plain(name) == is_shown_as
    assert plain(is_shown_as) == is_shown_as


@given(some.text(alphabet="abc äöß-&.", min_size=1, max_size=30).filter(str.strip))
def test_plain_leaves_ordinary_names_alone(text: str) -> None:
    assert plain(text) == " ".join(text.split())


# --- the house's own looks ------------------------------------------------------------------------

PNG = Logo(content=b"\x89PNG\r\n\x1a\n", media_type="image/png")


def house(public_url: str = "https://connect.northwind.example", **looks: Any) -> House:
    return House(
        name="Northwind",
        public_url=public_url,
        support_email="help@northwind.example",
        mail_from="connect@northwind.example",
        looks=Looks(**looks),
    )


@pytest.mark.parametrize("topic", TOPICS)
def test_a_letter_wears_the_colour_of_the_house(topic: str) -> None:
    looks = LetterLooks.of(house(colour="#e4572e"))
    letter = render(topic, "en", FACTS | {"looks": looks})
    plainly = render(topic, "en", FACTS)
    assert letter.text == plainly.text
    shades = looks.palette
    assert shades.dark.ink in letter.html
    for ours in (OURS.light.ink, OURS.dark.ink):
        assert ours not in letter.html
    if 'class="button"' in letter.html:
        assert f"background:{shades.light.ink};color:{shades.light.on};" in letter.html


def test_the_logo_is_one_picture_with_the_name_of_the_house() -> None:
    wearing = house(logo=PNG)
    letter = render("invitation", "en", FACTS | {"looks": LetterLooks.of(wearing)})
    outline = Outline()
    outline.feed(letter.html)
    ((_, attrs),) = [(tag, attrs) for tag, attrs in outline.tags if tag == "img"]
    assert attrs["alt"] == "Northwind"
    assert attrs["src"] == f"https://connect.northwind.example{wearing.looks.logo_path}"
    assert str(attrs["src"]).endswith(PNG.version)


@pytest.mark.parametrize(
    "wearing",
    [
        house(),
        house("http://127.0.0.1:8080", logo=PNG),
        house(logo=Logo(content=b"<svg/>", media_type="image/svg+xml")),
    ],
    ids=["no logo", "no https", "mail programs show no SVG"],
)
def test_a_letter_fetches_nothing_else(wearing: House) -> None:
    looks = LetterLooks.of(wearing)
    assert looks.logo_url == ""
    letter = render("invitation", "en", FACTS | {"looks": looks})
    assert "<img" not in letter.html
    assert "<bdi>Northwind</bdi>" in letter.html
