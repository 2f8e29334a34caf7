"""The front door with a scripted reception behind it: pages, cookie, headers, languages."""

from __future__ import annotations

import dataclasses
import html
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from evergrant.consent import Arrived, Departure, NeedsProof, Onward, Opened, TroubleTold
from evergrant.entrances.public import build
from evergrant.entrances.public import words as w
from evergrant.entrances.public.paper import language_of
from evergrant.entrances.visitor import FORM_LIMIT, Cookie, Visitor
from evergrant.errors import ConsentRefused, StoreUnavailable
from evergrant.letters import LANGUAGES
from evergrant.rules import ids
from evergrant.rules.amazon_errors import PAGE_ERRORS
from evergrant.rules.invitations import Refusal
from evergrant.rules.marketplaces import STANDARD, PartnerKind
from evergrant.rules.secrecy import Secret
from evergrant.settings import House, Logo, Looks

REFERENCE = ids.reference(b"12345")
HANDSHAKE = "hsk_01abcdefghjkmnpqrstvwxyz01"
LINK = "/connect/" + "k" * 43
OPENED = Opened(
    invitation_id="inv_1",
    account_id="acc_1",
    account_name="Heron Books",
    partner_kind=PartnerKind.SELLER,
    language="en",
    application_name="Northwind Connect",
    central_host="sellercentral-europe.amazon.com",
    renewal=False,
    expires_at=datetime(2026, 12, 5, tzinfo=UTC),
)
ARRIVED = Arrived(
    handshake_id=HANDSHAKE,
    account_id="acc_1",
    account_name="Heron Books",
    partner_kind=PartnerKind.SELLER,
    language="en",
    connected=True,
    marketplaces=("Amazon.de", "Amazon.fr"),
)


class Reception:
    """Says what it is told to say and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.opened: Any = OPENED
        self.logged_in: Any = NeedsProof(reference=REFERENCE)
        self.accepted: Any = ARRIVED
        self.ended: Any = ARRIVED
        self.language = "en"
        self.location = "https://sellercentral.amazon.com/apps/authorize/consent?state=s"

    def _say(self, answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def open(self, link: str) -> Opened:
        self.asked.append(("open", link))
        return cast("Opened", self._say(self.opened))

    async def begin(self, link: str, browser: str | None) -> Departure:
        self.asked.append(("begin", link, browser))
        self._say(self.opened)
        return Departure(
            location=Secret(self.location),
            browser=Secret(browser or "b" * 43),
            cookie_life_s=600,
            handshake_id=HANDSHAKE,
        )

    async def decline(self, link: str) -> str:
        self.asked.append(("decline", link))
        return REFERENCE

    async def tell_trouble(self, link: str, code: str, words: str = "") -> TroubleTold:
        self.asked.append(("tell_trouble", link, code, words))
        return TroubleTold(reference=REFERENCE, code=code, language=self.language)

    async def log_in(self, query: str, browser: str | None) -> Any:
        self.asked.append(("log_in", query, browser))
        return self._say(self.logged_in)

    async def accept(self, query: str, browser: str | None) -> Arrived:
        self.asked.append(("accept", query, browser))
        return cast("Arrived", self._say(self.accepted))

    async def outcome(self, handshake_id: str, browser: str | None) -> Arrived:
        self.asked.append(("outcome", handshake_id, browser))
        return cast("Arrived", self._say(self.ended))

    async def way_back(self, handshake_id: str, browser: str | None) -> Secret | None:
        return Secret("https://connect.example" + LINK) if browser else None

    def verbs(self) -> list[str]:
        return [verb for verb, *_ in self.asked]


@pytest.fixture
def reception() -> Reception:
    return Reception()


def door(
    reception: Reception,
    public_url: str = "http://127.0.0.1:8080",
    looks: Looks | None = None,
    name: str = "Northwind <Software> & Co",
) -> httpx2.AsyncClient:
    house = House(
        name=name,
        public_url=public_url,
        support_email="help@northwind.example",
        mail_from="connect@northwind.example",
        looks=looks or Looks(),
    )
    desk = SimpleNamespace(consent=reception, marketplaces=STANDARD)
    settings = SimpleNamespace(public_url=public_url, house=house)
    app = build(cast("Any", desk), cast("Any", settings))
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False), base_url=public_url
    )


@pytest.fixture
def browser(reception: Reception) -> httpx2.AsyncClient:
    return door(reception)


def hidden_in(text: str) -> dict[str, str]:
    """What the form of a page already holds."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text))


async def press(browser: httpx2.AsyncClient, path: str, **fields: str) -> httpx2.Response:
    """Opens the page with the form and sends it."""
    shown = await browser.get(path)
    return await browser.post(path, data=hidden_in(shown.text) | fields)


# --- the landing page -------------------------------------------------------------------------


async def test_landing_says_who_asks_for_what_and_what_to_have_ready(
    browser: httpx2.AsyncClient,
) -> None:
    page = await browser.get(LINK)
    assert page.status_code == 200
    for words in (
        "Northwind &lt;Software&gt; &amp; Co",
        "Heron Books",
        "sellercentral-europe.amazon.com",
        "not the one for Amazon Pay",
        "Professional",
        "primary user",
        "Sign out of every other Amazon account",
        "December 5, 2026",
    ):
        assert words in page.text, words
    assert "<Software>" not in page.text
    (button,) = re.findall(r"<button[^>]*>([^<]*)</button>", page.text)
    assert "Amazon" in button


async def test_a_vendor_reads_of_vendor_central(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.opened = dataclasses.replace(OPENED, partner_kind=PartnerKind.VENDOR)
    page = await browser.get(LINK)
    assert "Account Owner or Admin" in page.text
    assert "Professional" not in page.text


async def test_looking_spends_nothing(browser: httpx2.AsyncClient, reception: Reception) -> None:
    for method in ("GET", "HEAD"):
        for tail in ("", "?do=decline", "?do=trouble"):
            assert (await browser.request(method, LINK + tail)).status_code == 200
    assert set(reception.verbs()) == {"open"}


async def test_the_button_leads_to_amazon_and_leaves_one_cookie(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.location += "&odd=%E2%98%83|'"
    answer = await press(browser, LINK)
    assert answer.status_code == 303
    assert answer.headers["location"] == reception.location, "byte for byte"
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("evergrant=.")
    for attribute in ("HttpOnly", "Path=/", "SameSite=lax", "Max-Age="):
        assert attribute in cookie
    assert "Secure" not in cookie
    verb, link, known = reception.asked[-1]
    assert (verb, link) == ("begin", "k" * 43)
    assert known in cookie, "the reception knows the browser by the value in its cookie"


async def test_on_https_the_cookie_is_bound_to_the_host(reception: Reception) -> None:
    answer = await press(door(reception, "https://connect.example"), LINK)
    assert answer.status_code == 303
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-evergrant=.")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert "max-age" in answer.headers["strict-transport-security"]


@pytest.mark.parametrize("do", ["go", "decline", "trouble"])
@pytest.mark.parametrize("proof", [None, "", "0" * 64, "é"])
async def test_another_site_cannot_press_a_button(
    browser: httpx2.AsyncClient, reception: Reception, do: str, proof: str | None
) -> None:
    await browser.get(LINK)  # this browser has a cookie of ours
    fields = {"do": do} if proof is None else {"do": do, "proof": proof}
    answer = await browser.post(LINK, data=fields)
    assert answer.status_code == 403
    assert 'href="?"' in answer.text
    assert reception.verbs() == ["open"]


async def test_the_proof_of_one_browser_is_of_no_use_in_another(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    form = hidden_in((await browser.get(LINK)).text)
    assert form["do"] == "go"
    other = door(reception)
    await other.get(LINK)
    assert (await other.post(LINK, data=form)).status_code == 403
    assert (await door(reception).post(LINK, data=form)).status_code == 403
    assert "begin" not in reception.verbs()


async def test_a_wish_that_is_none(browser: httpx2.AsyncClient, reception: Reception) -> None:
    answer = await press(browser, LINK, do="dance")
    assert answer.status_code == 400
    assert reception.verbs() == ["open"]


@pytest.mark.parametrize("tail", ["", "?do=decline", "?do=trouble", "?do=dance", "?lang=de"])
async def test_no_page_of_a_link_names_it(browser: httpx2.AsyncClient, tail: str) -> None:
    """A page that is saved or passed on holds no link that works."""
    assert "k" * 43 not in (await browser.get(LINK + tail)).text


@pytest.mark.parametrize("cookie", ["", ".", "x", "de.", ".short", ".<script>", "." + "x" * 500])
async def test_a_made_up_cookie_counts_as_none(reception: Reception, cookie: str) -> None:
    browser = door(reception)
    await browser.get(f"/connect/done/{HANDSHAKE}", headers={"cookie": f"evergrant={cookie}"})
    assert reception.asked == [("outcome", HANDSHAKE, None)]


async def test_more_than_a_form_is_refused_early(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    for path in (LINK, LINK + "?do=decline", LINK + "?do=trouble"):
        answer = await browser.post(path, content=b"x" * (FORM_LIMIT + 1))
        assert answer.status_code == 413
        assert "<h1>" in answer.text
    many = urlencode([(f"f{n}", "1") for n in range(50)]).encode()
    assert (await browser.post(LINK, content=many)).status_code == 413
    assert reception.asked == []


# --- not for me; Amazon shows an error ----------------------------------------------------------


async def test_declining_asks_first(browser: httpx2.AsyncClient, reception: Reception) -> None:
    page = await browser.get(LINK)
    assert 'href="?do=decline"' in page.text
    shown = await browser.get(LINK + "?do=decline")
    assert "Heron Books" in shown.text
    assert "decline" not in reception.verbs()
    sent = await press(browser, LINK + "?do=decline")
    assert sent.status_code == 303
    assert reception.asked[-1] == ("decline", "k" * 43)
    reception.opened = ConsentRefused("invitation_withdrawn", reference=REFERENCE)
    for _ in range(2):  # people load pages again
        answer = await browser.get(LINK + sent.headers["location"])
        assert answer.status_code == 200
        assert "Thank you for telling us" in answer.text
        assert REFERENCE in answer.text
    assert reception.asked[-1] == ("decline", "k" * 43), "nothing more happened"


async def test_what_amazons_page_shows_can_be_told(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    shown = await browser.get(LINK + "?do=trouble")
    assert all(f'value="{code}"' in shown.text for code in PAGE_ERRORS)
    sent = await press(browser, LINK + "?do=trouble", code="SPDC8143", words="w" * 400)
    assert sent.status_code == 303
    assert reception.asked[-1] == ("tell_trouble", "k" * 43, "SPDC8143", "w" * 300)
    for tail in ("", "&lang=de", ""):
        answer = await browser.get(LINK + sent.headers["location"] + tail)
        assert answer.status_code == 200
        assert ("primary user" in answer.text) == (not tail)
        assert REFERENCE in answer.text
    assert reception.asked[-1][0] == "tell_trouble", "loading it again tells nothing again"


async def test_the_page_behind_a_form_speaks_the_language_of_the_account(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.language = "de"
    sent = await press(browser, LINK + "?do=trouble", code="MD9999")
    answer = await browser.get(LINK + sent.headers["location"])
    assert answer.headers["content-language"] == "de"


@pytest.mark.parametrize("do", ["told", "declined"])
async def test_a_made_up_thank_you_shows_our_words_and_nothing_else(
    browser: httpx2.AsyncClient, reception: Reception, do: str
) -> None:
    asked = f"?do={do}&number=call+0900-evil&about=%3Cb%3Eevil&spoken=evil"
    answer = await browser.get(LINK + asked)
    assert answer.status_code == 200
    shown, _, languages = answer.text.partition("lang=")
    assert "evil" not in shown
    assert "<b>evil" not in languages
    assert reception.asked == []


# --- back from Amazon ---------------------------------------------------------------------------


async def test_the_log_in_leg_goes_on_byte_for_byte(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    onward = "https://sellercentral.amazon.com/apps/authorize/confirm/x?amazon_state=%C3%A4%7C+|"
    reception.logged_in = Onward(location=Secret(onward), handshake_id=HANDSHAKE)
    raw = "amazon_state=%C3%A4%7c+|&amazon_callback_uri=https%3A%2F%2Fx"
    answer = await browser.get(httpx2.URL("/amazon/login", query=raw.encode()))
    assert answer.status_code == 303
    assert answer.headers["location"] == onward
    assert reception.asked == [("log_in", raw, None)]


async def test_a_cold_arrival_gets_no_cookie_and_no_way_on(
    browser: httpx2.AsyncClient,
) -> None:
    answer = await browser.get("/amazon/login?selling_partner_id=A1")
    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert REFERENCE in answer.text
    assert "A1" not in answer.text


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "or came there today"), ("de", "oder heute dort angekommen")],
)
async def test_a_cold_arrival_may_have_its_letter_already(
    browser: httpx2.AsyncClient, reception: Reception, language: str, words: str
) -> None:
    """A second one on the same day gets no second letter, and no page may tell that it is so."""
    reception.logged_in = NeedsProof(reference=REFERENCE, language=language)
    answer = await browser.get("/amazon/login?selling_partner_id=A1")
    assert words in " ".join(answer.text.split())


async def test_a_refused_log_in_leg_shows_its_page_at_once(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.logged_in = ConsentRefused("callback_uri_foreign", reference=REFERENCE)
    answer = await browser.get("/amazon/login?amazon_callback_uri=//evil.example")
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert REFERENCE in answer.text
    assert "evil.example" not in answer.text


async def test_the_callback_leaves_nothing_in_the_address_bar(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    raw = "state=s%21&spapi_oauth_code=c&selling_partner_id=A1"
    answer = await browser.get(httpx2.URL("/callback", query=raw.encode()))
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/connect/done/{HANDSHAKE}"
    assert reception.asked == [("accept", raw, None)]
    for _ in range(2):
        page = await browser.get(answer.headers["location"])
        assert page.status_code == 200
        assert "Heron Books" in page.text
        assert "Amazon.fr" in page.text


@pytest.mark.parametrize("reason", [*Refusal, "something_new", "../../etc"])
async def test_every_refusal_has_a_page_without_code_in_the_address(
    browser: httpx2.AsyncClient, reception: Reception, reason: str
) -> None:
    await browser.get(LINK)
    reception.accepted = ConsentRefused(
        str(reason),
        reference=REFERENCE,
        facts={"language": "de", "handshake_id": HANDSHAKE, "account_id": "acc_secret"},
    )
    answer = await browser.get("/callback?state=sss&spapi_oauth_code=ccc")
    assert answer.status_code == 303
    location = answer.headers["location"]
    assert location.startswith("/connect/refused/")
    assert not {"sss", "ccc", "acc_secret"} & set(re.split(r"[/?=&]", location))
    page = await browser.get(location)
    assert 400 <= page.status_code < 600 or w.words_for(reason).calm
    assert page.status_code == w.words_for(reason).status
    assert REFERENCE in page.text
    assert 'lang="de"' in page.text
    assert f"mailto:help@northwind.example?subject={REFERENCE}" in page.text
    assert (LINK in page.text) is w.words_for(reason).again


async def test_a_foreign_browser_is_turned_away(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.accepted = ConsentRefused("other_browser", reference=REFERENCE)
    reception.ended = ConsentRefused("other_browser", reference=REFERENCE)
    answer = await browser.get("/callback?state=s&spapi_oauth_code=c", follow_redirects=True)
    assert answer.status_code == 403
    assert (await browser.get(f"/connect/done/{HANDSHAKE}")).status_code == 403
    assert "Heron" not in answer.text


async def test_a_made_up_refusal_shows_our_words_only(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/connect/refused/%3Cb%3Epay%20here/EG-CALL-0900?attempt=x&spoken=de")
    assert page.status_code == 400
    assert "pay here" not in page.text
    assert "0900" not in page.text


async def test_while_another_request_exchanges_the_page_waits(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.ended = dataclasses.replace(ARRIVED, connected=False)
    page = await browser.get(f"/connect/done/{HANDSHAKE}")
    assert page.status_code == 202
    assert 'http-equiv="refresh"' in page.text
    assert "Heron Books" not in page.text


async def test_what_is_wrong_in_an_account_that_was_seen_is_no_look_that_failed(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    words = "could not look into the account yet"
    for marketplaces, told in (((), True), (("Amazon.de",), False)):
        reception.ended = dataclasses.replace(
            ARRIVED, finding="Listings are suspended in IT.", marketplaces=marketplaces
        )
        page = (await browser.get(f"/connect/done/{HANDSHAKE}")).text
        assert (words in page) is told
        assert "suspended" not in page


@pytest.mark.parametrize(
    ("return_url", "shown"),
    [
        ("https://erp.example/back?a=1", True),
        ("javascript:alert(1)", False),
        ("", False),
        (None, False),
    ],
)
async def test_onward_to_the_client_instance(
    browser: httpx2.AsyncClient, reception: Reception, return_url: str | None, shown: bool
) -> None:
    reception.ended = dataclasses.replace(ARRIVED, return_url=return_url)
    page = await browser.get(f"/connect/done/{HANDSHAKE}")
    assert ("erp.example" in page.text) is shown
    assert "javascript:" not in page.text


# --- what is in the way -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("invitation_unknown", 404),
        ("invitation_expired", 410),
        ("invitation_spent", 410),
        ("invitation_withdrawn", 410),
        ("account_closed", 410),
    ],
)
async def test_dead_links_each_have_a_page(
    browser: httpx2.AsyncClient, reception: Reception, reason: str, status: int
) -> None:
    reception.opened = ConsentRefused(reason, facts={"language": "de"})
    page = await browser.get(LINK)
    assert page.status_code == status
    assert 'lang="de"' in page.text
    assert "mailto:help@northwind.example" in page.text
    (title,) = re.findall(r"<h1>([^<]+)</h1>", page.text)
    titles = {w.words_for(other).title for other in w.WORDS if other != reason}
    assert title not in titles
    pressed = await browser.post(LINK, data={})
    assert pressed.status_code == 403


async def test_the_database_away(browser: httpx2.AsyncClient, reception: Reception) -> None:
    reception.opened = StoreUnavailable("connection refused at db.internal")
    page = await browser.get(LINK)
    assert page.status_code == 503
    assert page.headers["retry-after"] == "60"
    assert "db.internal" not in page.text


async def test_a_mishap_of_ours_is_a_page_too(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.opened = RuntimeError("a secret detail")
    page = await browser.get(LINK)
    assert page.status_code == 500
    assert "<h1>Something went wrong on our side</h1>" in page.text
    assert "secret detail" not in page.text
    assert page.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/nowhere", "/connect", "/connect/a/b/c", "/static/../x.py"])
async def test_unknown_pages_are_friendly(browser: httpx2.AsyncClient, path: str) -> None:
    page = await browser.get(path)
    assert page.status_code == 404
    assert "<h1>" in page.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/callback"),
        ("HEAD", "/amazon/login"),
        ("POST", "/callback"),
        ("POST", "/amazon/login"),
        ("PUT", LINK),
        ("DELETE", "/"),
    ],
)
async def test_other_methods_are_refused(
    browser: httpx2.AsyncClient, reception: Reception, method: str, path: str
) -> None:
    page = await browser.request(method, path)
    assert page.status_code == 405
    assert page.headers["allow"]
    assert reception.asked == []


# --- every answer -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        LINK,
        LINK + "?do=decline",
        LINK + "?do=trouble",
        "/amazon/login",
        "/callback",
        f"/connect/done/{HANDSHAKE}",
        f"/connect/refused/lost/{REFERENCE}",
        "/nowhere",
        "/static/public.css",
        "/robots.txt",
    ],
)
async def test_headers_that_no_answer_goes_without(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "noindex" in answer.headers["x-robots-tag"]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    if not path.startswith("/static"):
        assert answer.headers["cache-control"] == "no-store"
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text), "nothing from afar"
        assert "<script" not in answer.text
        assert "style=" not in answer.text


async def test_only_the_landing_page_may_lead_a_form_away(browser: httpx2.AsyncClient) -> None:
    landing = (await browser.get(LINK)).headers["content-security-policy"]
    allowed = re.search(r"form-action ([^;]*);", landing)
    assert allowed is not None
    # Amazon's domains, where its sign-in stands besides its centrals, and no other host.
    told = allowed[1].split()
    assert {"'self'", "https://*.amazon.com", "https://*.amazon.co.jp"} < set(told)
    assert "https://www.vendorcentral.in" in told
    others = [one for one in told if "*.amazon." not in one]
    assert sorted(others) == ["'self'", "https://www.vendorcentral.in"]
    decline = (await browser.get(LINK + "?do=decline")).headers["content-security-policy"]
    assert "form-action 'self';" in decline


async def test_files_may_be_kept_and_carry_their_content_in_the_address(
    browser: httpx2.AsyncClient,
) -> None:
    page = await browser.get("/")
    (sheet,) = re.findall(r'href="(/static/public\.css\?v=\w+)"', page.text)
    answer = await browser.get(sheet)
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert "no-store" not in answer.headers["cache-control"]
    assert not re.findall(r"url\(|@import", answer.text)
    assert (await browser.get("/favicon.ico")).headers["content-type"] == "image/svg+xml"
    assert "Disallow: /" in (await browser.get("/robots.txt")).text


class Outline(HTMLParser):
    """What a screen reader needs."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "path",
    ["/", LINK, LINK + "?do=decline", LINK + "?do=trouble", f"/connect/done/{HANDSHAKE}", "/x"],
)
async def test_pages_have_an_outline(browser: httpx2.AsyncClient, path: str, language: str) -> None:
    page = await browser.get(path, headers={"accept-language": language}, params={"lang": language})
    outline = Outline()
    outline.feed(page.text)
    assert ("html", {"lang": language}) in outline.tags
    assert page.headers["content-language"] == language
    for tag in ("h1", "main", "title", "header", "footer"):
        assert outline.count(tag) == 1, tag
    labelled = {attrs.get("for") for tag, attrs in outline.tags if tag == "label"}
    for tag, attrs in outline.tags:
        if tag in ("select", "input") and attrs.get("type") != "hidden":
            assert attrs["id"] in labelled


# --- languages ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "accept", "spoken"),
    [
        ((None, "de"), "en", "de"),
        (("xx", None), "de-AT,de;q=0.9,en;q=0.8", "de"),
        ((None,), "pl, en;q=0.2, de;q=0.7", "de"),
        ((None,), "fr-CA, en;q=0.2, de;q=0.7", "fr"),
        ((None,), "de;q=0, *;q=0.5", "en"),
        ((None,), "", "en"),
        ((None,), "de;q=nonsense, ;;, =", "en"),
        ((None,), "," * 5000 + "de", "en"),
    ],
)
def test_languages(wishes: tuple[str | None, ...], accept: str, spoken: str) -> None:
    assert language_of(*wishes, accept=accept) == spoken


async def test_the_account_speaks_before_the_browser_and_the_visitor_before_both(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.opened = dataclasses.replace(OPENED, language="de")
    german = await browser.get(LINK, headers={"accept-language": "en"})
    assert 'lang="de"' in german.text
    assert "5. Dezember 2026" in german.text
    english = await browser.get(f"{LINK}?lang=en")
    assert '<html lang="en">' in english.text
    # The choice goes along to Amazon and back.
    answer = await press(browser, LINK)
    assert "evergrant=en." in answer.headers["set-cookie"]
    reception.ended = dataclasses.replace(ARRIVED, language="de")
    assert '<html lang="en">' in (await browser.get(f"/connect/done/{HANDSHAKE}")).text


async def test_switching_the_language_does_nothing_else(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.logged_in = ConsentRefused("callback_uri_foreign", reference=REFERENCE)
    page = await browser.get("/amazon/login?amazon_state=abc")
    assert "hreflang" not in page.text, "loading that address again would report it again"
    assert "hreflang" in (await browser.get(LINK)).text


def test_every_refusal_has_words_of_its_own() -> None:
    assert not {refusal.value for refusal in Refusal} - set(w.WORDS)
    for words in w.WORDS.values():
        assert 400 <= words.status < 600
    assert set(w.TROUBLES) - {""} <= set(PAGE_ERRORS)


# --- how far one is, and whose turn it is ---------------------------------------------------------


async def test_the_way_has_three_steps(browser: httpx2.AsyncClient, reception: Reception) -> None:
    assert "Step 1 of 3" in (await browser.get(LINK)).text
    done = f"/connect/done/{HANDSHAKE}"
    assert "Step 3 of 3" in (await browser.get(done)).text
    reception.ended = dataclasses.replace(ARRIVED, connected=False)
    assert "Step 3 of 3" in (await browser.get(done)).text


async def test_the_two_steps_at_amazon_are_drawn(browser: httpx2.AsyncClient) -> None:
    page = await browser.get(LINK)
    assert page.text.count("<svg") == 3
    assert page.text.count('aria-hidden="true" focusable="false"') == 3
    assert "Tick the box and confirm." in page.text


async def test_a_renewal_says_that_nothing_else_changes(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    first = await browser.get(LINK)
    assert "Nothing else changes" not in first.text
    assert "stock and prices" in first.text
    reception.opened = dataclasses.replace(OPENED, renewal=True)
    again = await browser.get(LINK)
    assert "Nothing else changes" in again.text
    assert "same Amazon account as before" in again.text
    reception.ended = dataclasses.replace(ARRIVED, renewal=True)
    done = await browser.get(f"/connect/done/{HANDSHAKE}")
    assert "your connection is renewed" in done.text


@pytest.mark.parametrize(
    ("reason", "turn"),
    [
        ("wrong_selling_partner", w.Turn.YOURS),
        ("application_refused", w.Turn.OURS),
        ("application_incomplete", w.Turn.OURS),
        ("store_unavailable", w.Turn.OURS),
        ("amazon_unavailable", w.Turn.AMAZONS),
        ("invitation_spent", w.Turn.NOBODYS),
        ("something_new", w.Turn.YOURS),
    ],
)
async def test_an_error_says_whose_turn_it_is(
    browser: httpx2.AsyncClient, reason: str, turn: w.Turn
) -> None:
    page = await browser.get(f"/connect/refused/{reason}/{REFERENCE}")
    assert re.findall(r'<p class="turn \w+">([^<]+)</p>', html.unescape(page.text)) == [turn.value]
    assert ("What to do now" in page.text) is (turn is not w.Turn.NOBODYS)


async def test_the_number_for_the_phone_is_a_part_of_its_own(browser: httpx2.AsyncClient) -> None:
    page = await browser.get(f"/connect/refused/lost/{REFERENCE}")
    (named,) = re.findall(r'<section class="reference" aria-labelledby="(\w+)">', page.text)
    assert f'<h2 id="{named}">On the phone with support?' in page.text
    assert f"<strong>{REFERENCE}</strong>" in page.text


# --- a window that a console opened ---------------------------------------------------------------

DONE = f"/connect/done/{HANDSHAKE}"


async def test_a_window_of_the_console_ends_where_it_can_be_closed(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.ended = dataclasses.replace(ARRIVED, return_url="https://erp.example/back")
    page = await browser.get(f"{LINK}?from=console")
    answer = await browser.post(LINK, data=hidden_in(page.text))
    assert answer.headers["set-cookie"].partition(";")[0].endswith(".popup")
    done = await browser.get(DONE)
    assert "You may close this window." in done.text
    assert "data-close" in done.text
    assert "erp.example" not in done.text, "no way on"
    assert done.headers["content-security-policy"].endswith("; script-src 'self'")
    (script,) = re.findall(r'<script src="(/static/close\.js\?v=\w+)" defer></script>', done.text)
    answer = await browser.get(script)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "window.close()" in answer.text


async def test_a_way_back_in_such_a_window_stays_in_it(browser: httpx2.AsyncClient) -> None:
    await browser.get(f"{LINK}?from=console")
    again = f"/connect/refused/lost/{REFERENCE}?attempt={HANDSHAKE}"
    assert "data-close" not in (await browser.get(again)).text, "there is a way on: once more"
    spent = await browser.get(f"/connect/refused/invitation_spent/{REFERENCE}")
    assert "data-close" in spent.text
    await browser.get(LINK, headers={"sec-fetch-site": "same-origin"})
    assert "data-close" in (await browser.get(DONE)).text


@pytest.mark.parametrize(
    ("path", "came_from"),
    [(LINK, "none"), (LINK, "cross-site"), (f"{LINK}?from=letter", "same-origin")],
)
async def test_a_letter_that_is_opened_later_is_no_such_window(
    browser: httpx2.AsyncClient, path: str, came_from: str
) -> None:
    await browser.get(f"{LINK}?from=console")
    await browser.get(path, headers={"sec-fetch-site": came_from})
    done = await browser.get(DONE)
    assert "data-close" not in done.text
    assert "script-src" not in done.headers["content-security-policy"]


async def test_in_such_a_window_an_operator_reads(
    browser: httpx2.AsyncClient, reception: Reception
) -> None:
    reception.opened = dataclasses.replace(OPENED, language="it")
    reception.ended = dataclasses.replace(ARRIVED, language="it")
    english = {"accept-language": "en-GB"}
    assert '<html lang="it">' in (await browser.get(LINK, headers=english)).text
    for path in (f"{LINK}?from=console", DONE):
        assert '<html lang="en">' in (await browser.get(path, headers=english)).text


async def test_the_cookie_of_a_window_keeps_its_mark(reception: Reception) -> None:
    """The console sends a browser off by itself, with the cookie of this door."""
    cookie = Cookie(https=False)
    response = Response()
    cookie.write(response, Visitor(browser=Secret("b" * 43), language="fr", popup=True), 600)
    value = response.headers["set-cookie"].partition(";")[0].partition("=")[2]
    request = Request({"type": "http", "headers": [(b"cookie", f"evergrant={value}".encode())]})
    read = cookie.read(request)
    assert (read.browser_text, read.language, read.popup) == ("b" * 43, "fr", True)
    done = await door(reception).get(DONE, headers={"cookie": f"evergrant={value}"})
    assert "data-close" in done.text
    assert reception.asked[-1] == ("outcome", HANDSHAKE, "b" * 43)


# --- the house's own looks ------------------------------------------------------------------------

PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
LOOKS = Looks(colour="#e4572e", logo=Logo(content=PICTURE, media_type="image/svg+xml"))


async def test_a_house_without_looks_shows_its_name(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/")
    assert 'class="house"' in page.text
    assert "<img" not in page.text
    assert "house.css" not in page.text
    for name in ("logo", "house.css"):
        assert (await browser.get(f"/static/{name}")).status_code == 404


async def test_the_logo_is_shown_and_nothing_in_it_runs(reception: Reception) -> None:
    browser = door(reception, looks=LOOKS)
    page = await browser.get(LINK)
    (address, words) = re.findall(r'<img class="logo" src="([^"]+)" alt="([^"]+)">', page.text)[0]
    assert words == "Northwind &lt;Software&gt; &amp; Co"
    assert '<path d="M0 0h9v9z"' not in page.text, "never a part of the page"
    picture = await browser.get(address)
    assert picture.content == PICTURE
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "immutable" in picture.headers["cache-control"]
    policy = picture.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert policy.endswith("sandbox")
    assert picture.headers["x-content-type-options"] == "nosniff"
    # Mail programs in a browser show it on a page of theirs.
    assert picture.headers["cross-origin-resource-policy"] == "cross-origin"


async def test_the_colour_is_a_sheet_of_its_own(reception: Reception) -> None:
    browser = door(reception, looks=LOOKS)
    page = await browser.get("/")
    ours, theirs = re.findall(r'<link rel="stylesheet" href="([^"]+)">', page.text)
    assert ours.startswith("/static/public.css?v=")
    assert theirs.startswith("/static/house.css?v=")
    assert "e4572e" not in page.text
    sheet = await browser.get(theirs)
    assert sheet.headers["content-type"].startswith("text/css")
    palette = LOOKS.palette
    light, dark = sheet.text.split("@media (prefers-color-scheme: dark)")
    assert f"--deep: {palette.light.ink};" in light
    assert f"--on-deep: {palette.dark.on};" in dark
    other = door(reception, looks=Looks(colour="#123456"))
    assert theirs not in (await other.get("/")).text, "another colour, another address"
