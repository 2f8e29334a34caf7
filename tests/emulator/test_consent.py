"""The pages of Seller and Vendor Central, as a person walks them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

import httpx2
import pytest

from demo.partner import Page
from tests.emulator.conftest import LOGIN_URI, OTHER_REDIRECT_URI, REDIRECT_URI, House, Person

DAY = 86400


def raw(url: str, name: str) -> str:
    """A query parameter exactly as it stands in the address."""
    pairs = [pair.partition("=") for pair in urlsplit(url).query.split("&")]
    return next(value for key, _, value in pairs if key == name)


def come_back(person: Person, house: House, **changes: str | None) -> Page:
    """What the application's log-in URI does: sends the browser on with a state of its own."""
    uri = person.brought["amazon_callback_uri"]
    given = {"state": "fresh state", "redirect_uri": None, "version": "beta", **changes}
    query = {name: value for name, value in given.items() if value is not None}
    state = changes.get("amazon_state") or raw(person.left_for, "amazon_state")
    query.pop("amazon_state", None)
    return person.open(f"{uri}?amazon_state={state}&{httpx2.QueryParams(query)}")


def shown_code(page: Page) -> str:
    assert page.status == 400
    assert "cannot be authorized" in page.words
    return page.words.partition("Error code: ")[2].split()[0]


@pytest.mark.parametrize("kind", ["seller", "vendor"])
def test_without_the_log_in_leg(house: House, kind: str) -> None:
    house.amazon.levers.login_leg("never")
    partner = house.seller() if kind == "seller" else house.vendor()
    person = house.consented(partner)
    assert person.left_for.startswith(f"{REDIRECT_URI}?")
    assert set(person.brought) == {"state", "selling_partner_id", "spapi_oauth_code"}
    assert person.brought["state"] == "our state"
    assert person.brought["selling_partner_id"] == partner["selling_partner_id"]
    assert house.exchange(person.brought["spapi_oauth_code"]).status_code == 200


@pytest.mark.parametrize("kind", ["seller", "vendor"])
def test_with_the_log_in_leg(house: House, kind: str) -> None:
    house.amazon.levers.login_leg("always")
    partner = house.seller() if kind == "seller" else house.vendor()
    person = house.consented(partner)
    assert person.left_for.startswith(f"{LOGIN_URI}?")
    central = house.amazon.addresses[f"{kind}_central"]
    assert person.brought["amazon_callback_uri"] == (
        f"{central}/apps/authorize/confirm/{house.application_id}"
    )
    assert person.brought["selling_partner_id"] == partner["selling_partner_id"]
    assert person.brought["version"] == "beta"
    assert len(person.brought["amazon_state"]) > 200
    assert "our state" not in person.left_for
    come_back(person, house)
    assert person.left_for.startswith(f"{REDIRECT_URI}?")
    assert person.brought["state"] == "fresh state"
    assert house.exchange(person.brought["spapi_oauth_code"]).status_code == 200


def test_a_published_application_needs_no_beta(house: House) -> None:
    path = f"/world/applications/{house.application_id}"
    house.amazon.levers.pull("PATCH", path, {"status": "published"})
    house.amazon.levers.login_leg("always")
    person = house.consented(house.seller(), version=None)
    assert "version" not in person.brought
    come_back(person, house, version=None)
    assert "spapi_oauth_code" in person.brought


def test_linked_partners_skip_the_log_in_leg_by_default(house: House) -> None:
    seller = house.seller()
    first = house.consented(seller)
    assert first.left_for.startswith(LOGIN_URI)
    come_back(first, house)
    unfinished = house.consented(seller)
    assert unfinished.left_for.startswith(LOGIN_URI), "the code was never exchanged"
    house.exchange(first.brought["spapi_oauth_code"])
    assert house.consented(seller).left_for.startswith(REDIRECT_URI)
    house.amazon.levers.revoke(seller["selling_partner_id"])
    assert house.consented(seller).left_for.startswith(LOGIN_URI)


def test_the_shape_can_be_chosen_per_partner_and_application(house: House) -> None:
    levers = house.amazon.levers
    levers.login_leg("always")
    one, other = house.seller(), house.seller()
    levers.login_leg("never", selling_partner_id=one["selling_partner_id"])
    assert house.consented(one).left_for.startswith(REDIRECT_URI)
    assert house.consented(other).left_for.startswith(LOGIN_URI)
    levers.login_leg("never", application_id=house.application_id)
    assert house.consented(other).left_for.startswith(REDIRECT_URI)
    levers.login_leg("always")
    assert house.consented(one).left_for.startswith(LOGIN_URI), "a general wish ends special ones"


@pytest.mark.parametrize("kind", ["plain", "utf8", "bytes"])
def test_amazon_state_must_come_back_byte_for_byte(house: House, kind: str) -> None:
    house.amazon.levers.habits(amazon_state=kind)
    house.amazon.levers.login_leg("always")
    person = house.consented(house.seller())
    sent = raw(person.left_for, "amazon_state")
    assert unquote_to_bytes(sent).isascii() is (kind == "plain")
    spoiled = sent[:-3] + ("%AA" if sent[-3:] != "%AA" else "%AB")
    assert shown_code(come_back(person, house, amazon_state=spoiled)) == "STATE"
    person.open(person.visited[-1].replace(spoiled, sent))
    assert "spapi_oauth_code" in person.brought


def test_the_callback_uri_may_be_a_bare_path(house: House) -> None:
    house.amazon.levers.habits(callback_uri_as_path=True)
    house.amazon.levers.login_leg("always")
    person = house.consented(house.seller())
    path = f"/apps/authorize/confirm/{house.application_id}"
    assert person.brought["amazon_callback_uri"] == path


def test_a_redirect_uri_with_a_query_keeps_it(house: House) -> None:
    house.amazon.levers.login_leg("never")
    person = house.consented(house.seller(), redirect_uri=OTHER_REDIRECT_URI, state=None)
    assert person.left_for.startswith(f"{OTHER_REDIRECT_URI}&")
    assert person.brought["tenant"] == "7"
    assert "state" not in person.brought


def test_a_state_comes_back_as_it_was(house: House) -> None:
    house.amazon.levers.login_leg("never")
    state = "a+b c&d=e%20/ü<\"'>#?"
    assert house.consented(house.seller(), state=state).brought["state"] == state


def test_cancel_simply_leaves(house: House) -> None:
    seller = house.seller()
    person = house.signed_in(seller)
    page = person.press("Cancel")
    assert person.left_for == ""
    assert urlsplit(page.url).path == "/"
    assert house.amazon.levers.pull("GET", "/world/grants")["items"] == []
    assert house.amazon.levers.count(kind="consent.cancelled") == 1


def test_the_permission_must_be_given(house: House) -> None:
    person = house.signed_in(house.seller())
    page = person.press("Confirm")
    assert page.status == 400
    assert "Tick the box" in page.words
    assert person.left_for == ""
    person.press("Confirm", permission="on")
    assert person.left_for


def test_the_page_says_who_asks_for_what(house: House) -> None:
    seller = house.seller(name='Bücher <script>alert("1")</script> & Söhne')
    page = house.signed_in(seller).page
    assert page is not None
    assert "Northwind Connect asks for access" in page.words
    assert "<script>" not in page.html
    assert seller["name"] in page.words
    assert "Product Listing" in page.words
    assert "emulator" in page.words


def test_signing_in_is_checked(house: House) -> None:
    seller, vendor = house.seller(), house.vendor()
    person = Person()
    person.open(house.consent_url())
    for email, password in (
        (seller["email"], "wrong"),
        ("nobody@partner.example", seller["password"]),
        (vendor["email"], vendor["password"]),
    ):
        page = person.press("Sign in", email=email, password=password)
        assert page.status == 401
        assert "no seller account" in page.words
    page = person.press("Sign in", email=seller["email"].upper(), password=seller["password"])
    assert "asks for access" in page.words


def test_another_account_can_be_used(house: House) -> None:
    house.amazon.levers.login_leg("never")
    wrong, right = house.seller(), house.seller()
    person = house.signed_in(wrong)
    person.press("Use another account")
    person.press("Sign in", email=right["email"], password=right["password"])
    person.press("Confirm", permission="on")
    assert person.brought["selling_partner_id"] == right["selling_partner_id"]
    assert person.brought["state"] == "our state"


def test_a_session_older_than_five_minutes_signs_in_again(house: House) -> None:
    house.amazon.levers.login_leg("always")
    seller = house.seller()
    person = house.consented(seller)
    house.amazon.levers.advance(301)
    page = come_back(person, house)
    assert urlsplit(page.url).path == "/ap/signin"
    person.press("Sign in", email=seller["email"], password=seller["password"])
    assert person.brought["state"] == "fresh state"
    assert "spapi_oauth_code" in person.brought


def test_a_stale_consent_page_keeps_what_was_asked(house: House) -> None:
    house.amazon.levers.login_leg("never")
    seller = house.seller()
    person = house.signed_in(seller, redirect_uri=OTHER_REDIRECT_URI)
    house.amazon.levers.advance(301)
    person.press("Confirm", permission="on")
    assert person.left_for == ""
    person.press("Sign in", email=seller["email"], password=seller["password"])
    person.press("Confirm", permission="on")
    assert person.left_for.startswith(OTHER_REDIRECT_URI)
    assert person.brought["state"] == "our state"


def test_the_whole_authorization_takes_ten_minutes_at_most(house: House) -> None:
    house.amazon.levers.login_leg("always")
    seller = house.seller()
    person = house.consented(seller)
    house.amazon.levers.advance(601)
    come_back(person, house)
    page = person.press("Sign in", email=seller["email"], password=seller["password"])
    assert shown_code(page) == "STATE"


def test_coming_back_works_once_and_for_the_same_partner(house: House) -> None:
    house.amazon.levers.login_leg("always")
    seller, stranger = house.seller(), house.seller()
    person = house.consented(seller)
    away = person.left_for
    other = house.signed_in(stranger)
    other.left_for = away
    assert shown_code(come_back(other, house)) == "STATE"
    come_back(person, house)
    assert "spapi_oauth_code" in person.brought
    person.left_for = away
    assert shown_code(come_back(person, house)) == "STATE"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": None}, "MD1000"),
        ({"redirect_uri": "https://house.example/elsewhere"}, "MD5101"),
        ({"redirect_uri": f"{REDIRECT_URI}#here"}, "MD5110"),
        ({"amazon_state": "nonsense"}, "STATE"),
    ],
)
def test_coming_back_wrongly(house: House, changes: dict[str, str | None], code: str) -> None:
    house.amazon.levers.login_leg("always")
    person = house.consented(house.seller())
    assert shown_code(come_back(person, house, **changes)) == code


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"version": None}, "MD1000"),
        ({"version": "BETA"}, "MD1000"),
        ({"application_id": "amzn1.sp.solution.00000000-0000-0000-0000-000000000000"}, "MD1000"),
        ({"application_id": None}, "MD1000"),
        ({"redirect_uri": "https://evil.example/callback"}, "MD5101"),
        ({"redirect_uri": f"{REDIRECT_URI}/"}, "MD5101"),
        ({"redirect_uri": f"{REDIRECT_URI}#fragment"}, "MD5110"),
    ],
)
def test_wrong_addresses_are_told_on_the_page(
    house: House, query: dict[str, str | None], code: str
) -> None:
    person = house.signed_in(house.seller(), **query)
    assert person.page is not None
    assert shown_code(person.page) == code
    assert person.left_for == "", "nothing is sent to the application"
    assert house.amazon.levers.count(kind="consent.error", error=code) == 1


def test_the_lwa_client_id_is_not_an_application_id(house: House) -> None:
    person = house.signed_in(house.seller(), application_id=house.client["client_id"])
    assert person.page is not None
    assert shown_code(person.page) == "MD1000"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"redirect_uris": []}, "MD9100"),
        ({"login_uri": None}, "MD9100"),
        ({"partner_kinds": ["vendor"]}, "MD5100"),
    ],
)
def test_incomplete_applications(house: House, change: dict[str, Any], code: str) -> None:
    house.amazon.levers.pull("PATCH", f"/world/applications/{house.application_id}", change)
    page = house.signed_in(house.seller()).page
    assert page is not None
    assert shown_code(page) == code


def test_a_submitted_application_needs_beta(house: House) -> None:
    path = f"/world/applications/{house.application_id}"
    house.amazon.levers.pull("PATCH", path, {"status": "submitted"})
    page = house.signed_in(house.seller(), version=None).page
    assert page is not None
    assert shown_code(page) == "MD9000"
    assert house.consented(house.seller()).left_for


@pytest.mark.parametrize(
    ("wishes", "code"),
    [
        ({"primary_user": False}, "SPDC8143"),
        ({"consent_error": "SPSA0404"}, "SPSA0404"),
        ({"consent_error": "MD9999"}, "MD9999"),
        ({"consent_error": "MD5100"}, "MD5100"),
    ],
)
def test_partners_that_may_not(house: House, wishes: dict[str, Any], code: str) -> None:
    page = house.signed_in(house.seller(**wishes)).page
    assert page is not None
    assert shown_code(page) == code


def test_vendors_may_need_beta_even_when_published(house: House) -> None:
    path = f"/world/applications/{house.application_id}"
    house.amazon.levers.pull("PATCH", path, {"status": "published"})
    house.amazon.levers.habits(vendors_need_beta=True)
    page = house.signed_in(house.vendor(), version=None).page
    assert page is not None
    assert shown_code(page) == "MD5100"
    assert house.consented(house.seller(), version=None).left_for
    assert house.consented(house.vendor()).left_for


def test_the_authorization_cap(house: House) -> None:
    house.amazon.levers.login_leg("never")
    path = f"/world/applications/{house.application_id}"
    house.amazon.levers.pull("PATCH", path, {"consent_limit": 2})
    first, second = house.seller(), house.seller()
    for seller in (first, second, first):
        assert house.consented(seller).left_for, "a renewal counts once"
    page = house.signed_in(house.seller()).page
    assert page is not None
    assert shown_code(page) == "CONSENT_LIMIT_REACHED"
    assert house.consented(house.vendor()).left_for, "counted per kind of partner"
    house.amazon.levers.revoke(first["selling_partner_id"])
    assert house.consented(house.seller()).left_for


def test_a_partner_of_two_regions_chooses_one(house: House) -> None:
    house.amazon.levers.login_leg("never")
    seller = house.seller(marketplaces=["DE", "US", "JP"])
    assert seller["regions"] == ["eu", "na", "fe"]
    person = house.signed_in(seller)
    person.press("Confirm", permission="on", region="na")
    tokens = house.exchange(person.brought["spapi_oauth_code"]).json()
    path = "/sellers/v1/marketplaceParticipations"
    answer = house.call(path, tokens["access_token"], "na")
    assert [row["marketplace"]["countryCode"] for row in answer.json()["payload"]] == ["US"]
    assert house.call(path, tokens["access_token"], "eu").status_code == 403


def test_renewing_at_amazon_starts_cold_at_the_log_in_uri(house: House) -> None:
    levers = house.amazon.levers
    levers.login_leg("never")
    seller = house.seller()
    person = house.consented(seller)
    old = house.exchange(person.brought["spapi_oauth_code"]).json()["refresh_token"]
    levers.advance(100 * DAY)
    manager = Person()
    manager.open(f"{house.amazon.addresses['seller_central']}/apps/manage")
    page = manager.press("Sign in", email=seller["email"], password=seller["password"])
    assert "State: authorized" in page.words
    manager.press("Re-authorize")
    manager.press("Confirm", permission="on")
    assert manager.left_for.startswith(f"{LOGIN_URI}?")
    assert "state" not in manager.brought
    come_back(manager, house)
    new = house.exchange(manager.brought["spapi_oauth_code"]).json()["refresh_token"]
    assert new != old
    assert house.refresh(old).status_code == 200, "Amazon does not say that the old one dies"


def test_sellers_start_at_the_appstore_vendors_do_not(house: House) -> None:
    path = f"/world/applications/{house.application_id}"
    house.amazon.levers.pull("PATCH", path, {"status": "published"})
    for partner in (house.seller(), house.vendor()):
        person = Person()
        person.open(f"{house.amazon.addresses[partner['kind'] + '_central']}/apps/manage")
        page = person.press("Sign in", email=partner["email"], password=partner["password"])
        assert "No application was authorized yet" in page.words
        if partner["kind"] == "vendor":
            assert "Appstore" not in page.words
            continue
        person.press("Authorize Northwind Connect")
        person.press("Confirm", permission="on")
        assert person.left_for.startswith(f"{LOGIN_URI}?")
        assert set(person.brought) == {"amazon_callback_uri", "amazon_state", "selling_partner_id"}


def test_a_renewal_may_bring_the_same_refresh_token_or_kill_the_old(house: House) -> None:
    levers = house.amazon.levers
    levers.login_leg("never")
    seller = house.seller()
    levers.habits(renewal_refresh_token="same")
    tokens = []
    for _ in range(2):
        code = house.consented(seller).brought["spapi_oauth_code"]
        tokens.append(house.exchange(code).json()["refresh_token"])
    assert tokens[0] == tokens[1]
    levers.habits(renewal_refresh_token="new", renewal_kills_old=True)
    code = house.consented(seller).brought["spapi_oauth_code"]
    assert house.refresh(tokens[0]).status_code == 400
    assert house.exchange(code).status_code == 200


def test_disabling_the_authorization(house: House) -> None:
    house.amazon.levers.login_leg("never")
    seller = house.seller()
    person = house.consented(seller)
    tokens = house.exchange(person.brought["spapi_oauth_code"]).json()
    person.open(f"{house.amazon.addresses['seller_central']}/apps/manage")
    page = person.press("Disable")
    assert "State: disabled" in page.words, "it stays in the list"
    assert house.refresh(tokens["refresh_token"]).status_code == 400
    answer = house.call("/sellers/v1/marketplaceParticipations", tokens["access_token"])
    assert answer.status_code == 403
    assert "revoked" in answer.text


def test_forms_of_others_are_not_taken(house: House) -> None:
    seller = house.seller()
    person = house.signed_in(seller)
    central = house.amazon.addresses["seller_central"]
    fields = {"application_id": house.application_id, "decision": "confirm", "permission": "on"}
    for key in ("", "guessed", "ä"):
        answer = person._http.post(
            f"{central}/apps/authorize/consent",
            data={**fields, "version": "beta", "form_key": key},
        )
        assert "/ap/signin" in answer.headers["location"]
        person._http.post(f"{central}/apps/manage/disable", data={**fields, "form_key": key})
    assert house.amazon.levers.pull("GET", "/world/grants")["items"] == []


@pytest.mark.parametrize(
    "evil", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil", ""]
)
def test_signing_in_leads_nowhere_else(house: House, evil: str) -> None:
    seller = house.seller()
    central = house.amazon.addresses["seller_central"]
    answer = house.http.post(
        f"{central}/ap/signin",
        data={"email": seller["email"], "password": seller["password"], "return_to": evil},
    )
    assert answer.headers["location"] == "/"


def test_pages_keep_to_themselves(house: House) -> None:
    central = house.amazon.addresses["seller_central"]
    for path in ("/", "/ap/signin"):
        answer = house.http.get(f"{central}{path}")
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert 'content="no-referrer"' in answer.text


def test_the_history_tells_the_way(house: House) -> None:
    levers = house.amazon.levers
    levers.login_leg("always")
    seller = house.seller()
    person = house.consented(seller)
    come_back(person, house)
    kinds = [asked["kind"] for asked in levers.history(kind="consent")]
    assert kinds == [
        "consent.sign_in",
        "consent.page",
        "consent.confirmed",
        "consent.login_leg",
        "consent.login_leg_back",
    ]
    partner_id = seller["selling_partner_id"]
    assert levers.count(kind="consent", partner=partner_id) == len(kinds)
    assert not any("?" in asked["path"] or asked["query"] for asked in levers.history())
    assert parse_qs(urlsplit(person.left_for).query)["spapi_oauth_code"]
