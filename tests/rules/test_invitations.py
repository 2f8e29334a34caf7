"""What may be believed. Refusals are tried as hard as acceptances: a grant on the wrong account
begins here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.invitations import (
    HANDSHAKE_LIFE,
    LETTER_LIFE,
    REFUSALS,
    Accept,
    AccountFacts,
    CallbackFacts,
    ConfirmAt,
    HandshakeFacts,
    LinkFacts,
    LoginFacts,
    Open,
    Refusal,
    Refuse,
    SendOn,
    confirmed_application_id,
    judge_callback,
    judge_callback_uri,
    judge_login,
    judge_open,
)
from evergrant.rules.marketplaces import STANDARD

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
APP = "amzn1.sp.solution.11111111-2222-3333-4444-555555555555"
EUROPE = "https://sellercentral-europe.amazon.com"
ORIGINS = STANDARD.central_origins()

LETTER = LinkFacts(spent=False, withdrawn=False, expires_at=NOW + SECOND, account_closed=False)
HANDSHAKE = HandshakeFacts(
    expires_at=NOW + SECOND,
    spent=False,
    same_browser=True,
    amazon_application_id=APP,
    consent_origin=EUROPE,
)
ACCOUNT = AccountFacts(closed=False, merchant_token="", selling_partner_id="", held_by_other=False)
CALLBACK = CallbackFacts(state_present=True, code_present=True, selling_partner_id="A1SELLER")


def test_letters_live_for_days_and_handshakes_for_minutes() -> None:
    assert timedelta(days=14) == LETTER_LIFE
    assert timedelta(minutes=10) == HANDSHAKE_LIFE


def test_every_refusal_is_explained_to_support() -> None:
    assert set(REFUSALS) == set(Refusal)
    assert all(note.happened and note.to_do for note in REFUSALS.values())


# --- the letter -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "reason"),
    [
        (replace(LETTER, spent=True), Refusal.INVITATION_SPENT),
        (replace(LETTER, withdrawn=True), Refusal.INVITATION_WITHDRAWN),
        (replace(LETTER, expires_at=NOW), Refusal.INVITATION_EXPIRED),
        (replace(LETTER, account_closed=True), Refusal.ACCOUNT_CLOSED),
        (replace(LETTER, account_closed=True, spent=True), Refusal.ACCOUNT_CLOSED),
    ],
)
def test_letters_that_are_not_opened(letter: LinkFacts, reason: Refusal) -> None:
    assert judge_open(letter, NOW) == Refuse(reason)


def test_a_letter_is_opened_until_its_last_second() -> None:
    assert judge_open(LETTER, NOW) == Open()


# --- the callback ---------------------------------------------------------------------------


def test_an_honest_callback_is_accepted() -> None:
    assert judge_callback(CALLBACK, HANDSHAKE, ACCOUNT, NOW) == Accept()


def test_a_renewal_by_the_same_partner_is_accepted() -> None:
    known = replace(ACCOUNT, merchant_token="A1SELLER", selling_partner_id="A1SELLER")
    reported = replace(HANDSHAKE, selling_partner_id="A1SELLER")
    assert judge_callback(CALLBACK, reported, known, NOW) == Accept()


@pytest.mark.parametrize(
    ("callback", "handshake", "account", "reason"),
    [
        (replace(CALLBACK, state_present=False), HANDSHAKE, ACCOUNT, Refusal.STATE_MISSING),
        (CALLBACK, None, None, Refusal.STATE_UNKNOWN),
        (CALLBACK, HANDSHAKE, None, Refusal.STATE_UNKNOWN),
        (CALLBACK, replace(HANDSHAKE, same_browser=False), ACCOUNT, Refusal.OTHER_BROWSER),
        (CALLBACK, replace(HANDSHAKE, spent=True), ACCOUNT, Refusal.STATE_SPENT),
        (CALLBACK, replace(HANDSHAKE, expires_at=NOW), ACCOUNT, Refusal.STATE_EXPIRED),
        (CALLBACK, replace(HANDSHAKE, account_moved=True), ACCOUNT, Refusal.ACCOUNT_MOVED),
        (replace(CALLBACK, code_present=False), HANDSHAKE, ACCOUNT, Refusal.CODE_MISSING),
        (replace(CALLBACK, error="access_denied"), HANDSHAKE, ACCOUNT, Refusal.DECLINED),
        (replace(CALLBACK, error="server_error"), HANDSHAKE, ACCOUNT, Refusal.AMAZON_ERROR),
        (CALLBACK, HANDSHAKE, replace(ACCOUNT, closed=True), Refusal.ACCOUNT_CLOSED),
        (
            replace(CALLBACK, selling_partner_id=""),
            HANDSHAKE,
            ACCOUNT,
            Refusal.SELLING_PARTNER_MISSING,
        ),
        (
            CALLBACK,
            replace(HANDSHAKE, selling_partner_id="A2OTHER"),
            ACCOUNT,
            Refusal.SELLING_PARTNER_CHANGED,
        ),
        (
            CALLBACK,
            HANDSHAKE,
            replace(ACCOUNT, merchant_token="A2OTHER"),
            Refusal.WRONG_SELLING_PARTNER,
        ),
        (
            CALLBACK,
            HANDSHAKE,
            replace(ACCOUNT, selling_partner_id="A2OTHER"),
            Refusal.WRONG_SELLING_PARTNER,
        ),
        (CALLBACK, HANDSHAKE, replace(ACCOUNT, held_by_other=True), Refusal.ALREADY_CONNECTED),
    ],
)
def test_callbacks_that_are_not_believed(
    callback: CallbackFacts,
    handshake: HandshakeFacts | None,
    account: AccountFacts | None,
    reason: Refusal,
) -> None:
    assert judge_callback(callback, handshake, account, NOW) == Refuse(reason)


yes_no = st.booleans()
partners = st.sampled_from(["", "A1SELLER", "A2OTHER"])
callbacks = st.builds(
    CallbackFacts,
    state_present=yes_no,
    code_present=yes_no,
    selling_partner_id=partners,
    error=st.sampled_from(["", "access_denied", "other"]),
)
handshakes = st.none() | st.builds(
    HandshakeFacts,
    expires_at=st.sampled_from([NOW - SECOND, NOW, NOW + SECOND]),
    spent=yes_no,
    same_browser=yes_no,
    amazon_application_id=st.just(APP),
    consent_origin=st.just(EUROPE),
    selling_partner_id=partners,
)
account_facts = st.none() | st.builds(
    AccountFacts,
    closed=yes_no,
    merchant_token=partners,
    selling_partner_id=partners,
    held_by_other=yes_no,
)


@given(callbacks, handshakes, account_facts)
def test_what_is_accepted_is_right_in_every_respect(
    callback: CallbackFacts, handshake: HandshakeFacts | None, account: AccountFacts | None
) -> None:
    if judge_callback(callback, handshake, account, NOW) != Accept():
        return
    assert handshake is not None
    assert account is not None
    assert callback.state_present
    assert callback.code_present
    assert not callback.error
    assert handshake.same_browser
    assert not handshake.spent
    assert handshake.expires_at > NOW
    assert not account.closed
    assert not account.held_by_other
    claimed = {handshake.selling_partner_id, account.merchant_token, account.selling_partner_id}
    assert claimed <= {"", callback.selling_partner_id}
    assert callback.selling_partner_id


@given(callbacks, handshakes, account_facts)
def test_a_stranger_learns_nothing_about_the_account(
    callback: CallbackFacts, handshake: HandshakeFacts | None, account: AccountFacts | None
) -> None:
    if handshake is not None and handshake.same_browser and not handshake.spent:
        return
    answer = judge_callback(callback, handshake, account, NOW)
    assert isinstance(answer, Refuse)
    assert answer.reason in {
        Refusal.STATE_MISSING,
        Refusal.STATE_UNKNOWN,
        Refusal.STATE_SPENT,
        Refusal.OTHER_BROWSER,
    }


# --- the log-in leg -------------------------------------------------------------------------

CONFIRM = f"{EUROPE}/apps/authorize/confirm/{APP}"
LOGIN = LoginFacts(amazon_callback_uri=CONFIRM, amazon_state_present=True, selling_partner_id="A1")


def test_an_honest_log_in_leg_is_sent_on() -> None:
    assert judge_login(LOGIN, HANDSHAKE, ORIGINS, NOW) == SendOn(CONFIRM)


@pytest.mark.parametrize(
    ("login", "handshake", "reason"),
    [
        (LOGIN, None, Refusal.STATE_UNKNOWN),
        (LOGIN, replace(HANDSHAKE, same_browser=False), Refusal.OTHER_BROWSER),
        (LOGIN, replace(HANDSHAKE, spent=True), Refusal.STATE_SPENT),
        (LOGIN, replace(HANDSHAKE, expires_at=NOW), Refusal.STATE_EXPIRED),
        (replace(LOGIN, amazon_callback_uri=""), HANDSHAKE, Refusal.CALLBACK_URI_MISSING),
        (replace(LOGIN, amazon_state_present=False), HANDSHAKE, Refusal.AMAZON_STATE_MISSING),
        (
            replace(LOGIN, amazon_callback_uri="https://evil.example/apps/authorize/confirm/x"),
            HANDSHAKE,
            Refusal.CALLBACK_URI_FOREIGN,
        ),
        (
            replace(LOGIN, amazon_callback_uri=f"{EUROPE}/apps/authorize/confirm/amzn1.sp.other"),
            HANDSHAKE,
            Refusal.CALLBACK_URI_OTHER_APPLICATION,
        ),
    ],
)
def test_log_in_legs_that_are_refused(
    login: LoginFacts, handshake: HandshakeFacts | None, reason: Refusal
) -> None:
    assert judge_login(login, handshake, ORIGINS, NOW) == Refuse(reason)


# --- the open door --------------------------------------------------------------------------

PATH = f"/apps/authorize/confirm/{APP}"

FOREIGN = [
    "",
    "https://evil.example" + PATH,
    "http://sellercentral-europe.amazon.com" + PATH,
    "https://sellercentral-europe.amazon.com:8443" + PATH,
    "https://sellercentral-europe.amazon.com@evil.example" + PATH,
    "https://user:pw@sellercentral-europe.amazon.com" + PATH,
    "https://@sellercentral-europe.amazon.com" + PATH,
    "https://sellercentral-europe.amazon.com.evil.example" + PATH,
    "https://evil-sellercentral-europe.amazon.com.evil.example" + PATH,
    "https://sellercentral-europe.amazon.com%2eevil.example" + PATH,
    "https://sellercentral-europe.amazon.com%00.evil.example" + PATH,
    "https://sellercentral-europe-amazon.com" + PATH,
    "https://sellercentral.amazon.com.evil" + PATH,
    "https://amazon.com" + PATH,
    "https://www.amazon.com" + PATH,
    "https://xsellercentral.amazon.com" + PATH,
    "https://sellercentral-europe.amazon.com\\@evil.example" + PATH,
    "https:\\\\evil.example" + PATH,
    "https:/\\evil.example" + PATH,
    "https:evil.example" + PATH,
    "//evil.example" + PATH,
    "///evil.example" + PATH,
    "/\\evil.example" + PATH,
    "\\/evil.example",
    "/%5cevil.example" + PATH,
    "/apps/authorize/../../elsewhere",
    "/apps/authorize/confirm/%2e%2e/%2e%2e/elsewhere",
    "/apps/authorize/confirm/%252e%252e/x",
    "/apps/authorize/confirm/..%2f..%2felsewhere",
    "/apps/authorize//evil.example",
    "/elsewhere",
    "apps/authorize/confirm/x",
    "javascript:alert(1)//" + PATH,
    "data:text/html,x",
    "ftp://sellercentral-europe.amazon.com" + PATH,
    EUROPE + PATH + "#fragment",
    EUROPE + PATH + "\r\nSet-Cookie: x=1",
    EUROPE + PATH + "\t",
    " " + EUROPE + PATH,
    "https://sellercentral-europe.amazon.com\u2024evil.example" + PATH,
    "https://ѕellercentral-europe.amazon.com" + PATH,
    "https://[sellercentral-europe.amazon.com]" + PATH,
    "https://sellercentral-europe.amazon.com:99999" + PATH,
    "https://sellercentral-europe.amazon.com:x" + PATH,
    EUROPE + "/ap/signin?next=" + PATH,
    EUROPE + PATH + "a" * 2000,
]


@pytest.mark.parametrize("uri", FOREIGN)
def test_places_that_are_not_amazons(uri: str) -> None:
    assert judge_callback_uri(uri, ORIGINS, EUROPE) == Refuse(Refusal.CALLBACK_URI_FOREIGN)


@pytest.mark.parametrize("origin", sorted(ORIGINS))
def test_every_central_host_is_known(origin: str) -> None:
    assert judge_callback_uri(origin + PATH, ORIGINS, EUROPE) == ConfirmAt(origin + PATH, APP)


def test_a_bare_path_goes_to_the_host_where_the_person_was_sent() -> None:
    assert judge_callback_uri(PATH, ORIGINS, EUROPE) == ConfirmAt(EUROPE + PATH, APP)


def test_a_bare_path_is_refused_when_even_that_host_is_not_amazons() -> None:
    foreign = Refuse(Refusal.CALLBACK_URI_FOREIGN)
    assert judge_callback_uri(PATH, ORIGINS, "https://evil.example") == foreign


def test_case_and_default_port_of_the_host_do_not_matter_and_the_query_stays() -> None:
    uri = f"https://SellerCentral-Europe.Amazon.com:443{PATH}?a=%C3%A4"
    assert judge_callback_uri(uri, ORIGINS, EUROPE) == ConfirmAt(uri, APP)


def test_an_emulated_host_is_known_only_when_listed() -> None:
    uri = f"http://127.0.0.1:9001{PATH}"
    assert isinstance(judge_callback_uri(uri, ORIGINS, EUROPE), Refuse)
    emulated = frozenset({"http://127.0.0.1:9001"})
    assert judge_callback_uri(uri, emulated, "http://127.0.0.1:9001") == ConfirmAt(uri, APP)


@given(st.text(max_size=80))
def test_whatever_is_let_through_is_on_a_listed_origin(text: str) -> None:
    for candidate in (text, f"https://{text}", f"{EUROPE}{text}", f"/{text}"):
        answer = judge_callback_uri(candidate, ORIGINS, EUROPE)
        if isinstance(answer, ConfirmAt):
            assert any(answer.url.lower().startswith(f"{origin}/") for origin in ORIGINS)


def test_the_application_is_read_from_the_path() -> None:
    assert confirmed_application_id(CONFIRM) == APP
    assert confirmed_application_id(f"{CONFIRM}?x=1") == APP
    assert confirmed_application_id(f"{EUROPE}/apps/authorize/confirm/") is None
    assert confirmed_application_id(f"{EUROPE}/apps/authorize/confirm/a/b") is None
