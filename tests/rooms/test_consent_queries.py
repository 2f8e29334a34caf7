"""Reading what stands in an address: total, strict, byte-exact where it has to be."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evergrant.consent.queries import is_random_secret, read_callback, read_log_in

STATE = "s" * 43
NAMES = st.sampled_from(
    ["state", "spapi_oauth_code", "selling_partner_id", "amazon_state", "amazon_callback_uri", "x"]
)
QUERIES = st.one_of(
    st.text(max_size=200),
    st.lists(st.tuples(NAMES, st.text(max_size=60)), max_size=8).map(urlencode),
    st.lists(st.tuples(NAMES, st.text(max_size=60)), max_size=8).map(
        lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
    ),
)


@given(QUERIES)
@example("&&&===")
@example("state=%FF%FE&spapi_oauth_code=%00")
@example("%73tate=" + STATE)
def test_reading_never_fails_and_gives_known_shapes(query: str) -> None:
    callback, log_in = read_callback(query), read_log_in(query)
    assert callback.state == "" or is_random_secret(callback.state)
    assert callback.selling_partner_id.isascii()
    assert all(c.isalnum() or c in "_.-" for c in callback.selling_partner_id)
    if callback.code is not None:
        assert callback.code.reveal().isprintable()
        assert " " not in callback.code.reveal()
    assert not set(log_in.amazon_state) & set(' \r\n\t#&"<>\\')
    assert log_in.amazon_state.isascii()


@given(st.binary(min_size=1, max_size=100))
def test_amazons_state_goes_through_byte_by_byte(value: bytes) -> None:
    raw = quote(value, safe="")
    assert read_log_in(f"a=b&amazon_state={raw}&c=d").amazon_state == raw


def test_what_amazon_sends() -> None:
    callback = read_callback(
        f"state={STATE}&selling_partner_id=A1SHOP&spapi_oauth_code=ANabc&mws_auth_token=old"
    )
    assert (callback.state, callback.selling_partner_id) == (STATE, "A1SHOP")
    assert callback.code is not None
    assert callback.code.reveal() == "ANabc"
    log_in = read_log_in(
        "amazon_callback_uri=https%3A%2F%2Fa.example%2Fx&amazon_state=%C3%A4+1"
        "&selling_partner_id=A1SHOP&version=beta"
    )
    assert log_in.amazon_callback_uri == "https://a.example/x"
    assert log_in.amazon_state == "%C3%A4+1"
    assert log_in.beta


@pytest.mark.parametrize("name", ["state", "%73tate", "s%74ate"])
def test_twice_in_any_spelling_is_not_at_all(name: str) -> None:
    assert not read_callback(f"state={STATE}&{name}={STATE}").state_present


def test_secrets_do_not_show() -> None:
    callback = read_callback(f"state={STATE}&spapi_oauth_code=ANabcdef")
    assert STATE not in repr(callback)
    assert "ANabcdef" not in repr(callback)
    assert "hidden-one" not in repr(read_log_in("amazon_state=hidden-one"))


def test_more_fields_than_anybody_sends_are_not_read() -> None:
    many = "&".join(f"x{n}=1" for n in range(1000))
    assert read_callback(f"state={STATE}&{many}").state == STATE
    assert not read_callback(f"{many}&state={STATE}").state_present
