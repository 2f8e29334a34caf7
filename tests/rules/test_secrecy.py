from __future__ import annotations

import copy
import json
import logging
import pickle
import secrets
import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.secrecy import MASK, Secret, digest, is_secret_name, scrub


def test_a_secret_shows_itself_nowhere() -> None:
    text = secrets.token_hex(16)
    secret = Secret(text)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        repr([secret]),
        f"{secret:>9}",
    ]
    assert not [s for s in shown if text in s]
    assert secret.reveal() == text


def test_a_secret_in_a_traceback_and_in_a_log_line_stays_masked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = secrets.token_hex(16)
    secret = Secret(text)
    try:
        raise RuntimeError(f"cannot use {secret}", secret)
    except RuntimeError:
        assert text not in traceback.format_exc()
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("got %s and %r", secret, secret)
    assert text not in caplog.text


def test_a_secret_does_not_travel() -> None:
    secret = Secret(secrets.token_hex(8))
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps({"x": secret})
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(TypeError):
        Secret(b"bytes")  # type: ignore[arg-type]
    assert copy.deepcopy(secret) is secret


def test_secrets_compare_by_what_they_hold() -> None:
    text = secrets.token_hex(8)
    assert Secret(text) == Secret(text)
    assert Secret(text) != Secret(text + "x")
    assert Secret(text) != text
    assert not Secret("")
    assert Secret("x")


def test_a_digest_is_the_same_for_text_and_secret() -> None:
    text = secrets.token_hex(8)
    assert digest(text) == digest(Secret(text))
    assert len(digest(text)) == 64


BODIES = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=24, max_size=60
)
SHAPES = [
    "Atza|{}",
    "Atzr|{}",
    "Atz.sprdt|{}",
    "amzn1.oa2-cs.v1.{}",
    "egk_{}",
    "egc_{}",
    "egp_{}",
    "egs_{}",
    "egi_{}",
]
CONTEXTS = [
    "the value {} was sent",
    "token={}&x=1",
    '{{"value": "{}"}}',
    "Authorization: Bearer {}",
    "['{}']",
    "at={};",
    "{}",
]


@given(body=BODIES, shape=st.sampled_from(SHAPES), context=st.sampled_from(CONTEXTS))
def test_every_shape_goes_in_every_context(body: str, shape: str, context: str) -> None:
    secret = shape.format(body)
    for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert body not in scrub(context.format(form))


NAMES = [
    "client_secret",
    "lwa_client_secret",
    "secret_key",
    "access_key",
    "refresh_token",
    "access_token",
    "spapi_oauth_code",
    "amazon_state",
    "password",
    "x-amz-access-token",
]


@given(body=BODIES, name=st.sampled_from(NAMES))
def test_every_name_hides_its_value(body: str, name: str) -> None:
    for text in (
        f"{name}={body}",
        f"{name}: {body}",
        json.dumps({"a": 1, name: body, "b": 2}),
        repr({name: body}),
        f"/callback?a=1&{name}={quote(body)}&b=2",
        f"{name.upper()}={body}",
    ):
        assert body not in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "GET /callback?state={s}&selling_partner_id=A1&spapi_oauth_code=x HTTP/1.1",
        "grant_type=authorization_code&code={s}&redirect_uri=https",
        "GET /connect/{s} HTTP/1.1",
        "Authorization: Basic {s}",
        "authorization: {s}",
        "postgresql://user:{s}@host/db is away",
        "smtp://user:{s}@relay:587",
        "AKIA{s} was used",
    ],
)
def test_what_stands_in_urls_and_headers_goes(text: str) -> None:
    secret = secrets.token_hex(16).upper()
    scrubbed = scrub(text.format(s=secret))
    assert secret not in scrubbed
    assert MASK in scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "state: lapsed, code: grant_refused",
        "account acc_01j9z3k4m5n6p7q8r9s0t1v2w3 of A1EXAMPLESELLER",
        "GET /v1/accounts?limit=10 200 in 3 ms",
        "the access token expires in 3600 s",
        "merchant_token=A2EXAMPLE7SELLER",
        "application amzn1.sp.solution.11111111-2222-3333-4444-555555555555",
        "GET /connect/static/page.css",
        "EG-7F3K-92QD",
        "secret_key: is needed",
        "Send 'Authorization: Bearer egk_…'.",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_link_within_the_link_of_a_mail_filter_is_scrubbed(times: int) -> None:
    link = secrets.token_urlsafe(32)
    wrapped = f"https://connect.northwind.example/connect/{link}"
    for _ in range(times):
        wrapped = quote(wrapped, safe="")
    for text in (wrapped, wrapped.replace("2Fconnect%", "2fconnect%")):
        shown = scrub(f"550 5.7.1 blocked https://filter.example/?url={text}&data=1")
        assert link not in shown
        assert "550 5.7.1 blocked" in shown


@given(st.text(max_size=200))
def test_scrubbing_twice_changes_nothing_more(text: str) -> None:
    once = scrub(text)
    assert scrub(once) == once


_WORDS = st.lists(
    st.sampled_from(
        [
            *"aA7_.-",
            "egk_",
            "egc_",
            "egp_",
            "EGP_",
            "whsec_",
            "AKIA",
            "ASIA",
            "amzn1.oa2-cs.",
            "Atza",
        ]
    )
    | st.from_regex(r"[A-Za-z0-9_.\-]{0,20}", fullmatch=True)
).map("".join)


@given(_WORDS)
def test_words_that_are_taken_for_harmless_hold_nothing(text: str) -> None:
    """The short way for ids and numbers and the long way say the same: a bracket takes the long
    one and means nothing to any pattern here."""
    assert scrub(text) + " (" == scrub(f"{text} (")


@pytest.mark.parametrize(
    "name",
    [
        "client_secret",
        "lwa_client_secret",
        "password",
        "refresh_token",
        "access_key",
        "secret_key",
        "spapi_oauth_code",
        "oauth_state",
        "amazon_state",
        "link",
        "Authorization",
        "database_url",
        "api_key",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "merchant_token",
        "secret_expires_at",
        "access_key_hint",
        "secret_set",
        "account_id",
        "verb",
        "secret_created_at",
        "from_state",
        "state",
        "code",
        "error_code",
        "request_id",
        "amazon_request_id",
        "status_code",
        "language",
        "reason",
    ],
)
def test_names_of_plain_things(name: str) -> None:
    assert not is_secret_name(name)


def test_a_text_that_utf_8_does_not_have_breaks_nothing() -> None:
    odd = "\ud800"
    assert Secret(odd) == Secret(odd)
    assert Secret(odd) != Secret("?")
    assert digest(odd) != digest("?")
